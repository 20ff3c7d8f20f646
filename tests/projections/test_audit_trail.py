"""Each participant reads its own history in plain sentences, and nobody reads of another's money."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import get_args

import pytest

from adapters.memory import MemoryLog
from domain.account import Alias, OpenAccount
from domain.agency import LoseAgencyOfRecord, RejectAgencyOfRecordChange, WinBackAgencyOfRecord
from domain.agent_of_record import ChangeAgentOfRecord, DesignateAgentOfRecord, Weighted
from domain.contract import AssignService, OrderService, SignContract
from domain.customer import OnboardCustomer
from domain.deal import ApproveRegistration, RegisterDeal, WinDeal
from domain.house import HouseEvent
from domain.letter import ReceiveAgentOfRecordLetter
from domain.message import TOPICS, Actor, Evidence, Issued
from domain.plan import (
    Differential,
    Flat,
    MultipleOfMrcOnce,
    Override,
    OverridePercentOfMrc,
    PercentOfDownlineShare,
    PercentOfMrc,
    ProposePlanVersion,
    Rule,
    Selector,
    ServiceMonthsFrom,
    SignedOrRenewedFrom,
)
from domain.vendor import ContractVendor, VendorTerms
from projections import audit_trail
from projections.audit_trail import Entry, history, render
from tests.projections.story import ACCOUNT, ACCOUNTS, PARTIES, agents, book, in_batches, loa, story
from tests.spec import Given, account, designated, given, said

STORY = story()
ON = f"contract C-1 on account {ACCOUNT}"


def trail(log: MemoryLog, participant: str) -> list[Entry]:
    kept = book(log, audit_trail)
    rows = kept.tables.rows("audit_trail", "participant", participant)
    return history(rows, kept.position)


def told(house: Given, participant: str) -> list[str]:
    return [entry.sentence for entry in trail(house.log, participant)]


def unadjusted(sentences: list[str]) -> list[str]:
    return [sentence for sentence in sentences if not sentence.startswith("Adjustment ")]


# -- who reads what


def test_every_kind_of_event_is_somebodys_business() -> None:
    rows = book(STORY.log, audit_trail).tables.content["audit_trail"]
    told_of = {STORY.log.events[row[1] - 1].event.topic for row in rows}
    known = {topic for topic, cls in TOPICS.items() if cls.__module__.startswith("domain.")}
    assert {event.topic for event in get_args(HouseEvent)} == known
    assert told_of == known


def test_a_deal_is_followed_from_registration_through_its_contract_to_the_agent_of_record_of_its_account() -> None:
    assert told(STORY, "deal:alder-foods/D-1") == [
        "Deal D-1 of alder-foods with lumen was registered by harbor for dia: three sites, one circuit each.",
        "Deal D-1 of alder-foods, registered by harbor, was won.",
        "Contract C-1 of alder-foods with lumen was signed for 36 months, in USD, from deal D-1.",
        "Service dia-1 of contract C-1 was ordered: dia for 1,249.87 USD a month and 500.00 USD once.",
        f"Service dia-1 of contract C-1 was assigned to account {ACCOUNT}.",
        f"Service dia-1 of {ON} was activated on 2026-01-05.",
        f"Service dia-1 of {ON} was repriced from 1,249.87 USD to 1,199.00 USD a month from 2026-02-01.",
        "Contract C-1 was renewed for 12 months from 2026-03-01, with 1 assigned service.",
        f"Service dia-1 of {ON} was disconnected; 2026-06-01 is the first day without it.",
        f"A change of the agent of record on {ACCOUNT} to summit and keystone in equal parts from 2026-02-01 "
        "was proposed, without a letter.",
        f"The proposed change of the agent of record on {ACCOUNT} was rejected: no letter came.",
        f"A change of the agent of record on {ACCOUNT} to summit from 2026-02-01 was proposed, on the letter signed "
        "2026-01-19; commission stays with harbor until the contract renews, at the latest 2027-01-01.",
        f"Agent of record on {ACCOUNT} changed from harbor to summit from 2026-02-01, on the letter signed "
        "2026-01-19; commission stays with harbor until the contract renews, at the latest 2027-01-01.",
        f"A placement of number 05-77 of lumen on account {ACCOUNT} was proposed; the account does not keep the "
        "number.",
        "The proposed placement of number 05-77 of lumen was rejected: the order is another customer's.",
        f"A placement of number 05-77 of lumen on account {ACCOUNT} was proposed; the account keeps the number; "
        "lines without a service month belong to 2026-03.",
        f"Every line in suspense under number 05-77 of lumen was placed on account {ACCOUNT}; "
        "lines without a service month belong to 2026-03.",
        f"Account {ACCOUNT} is also known as account number 05-77 of lumen.",
    ]


def test_an_agent_reads_of_its_own_deals_accounts_and_payouts() -> None:
    assert unadjusted(told(STORY, "agent:harbor")) == [
        "Agent harbor was recruited as agent, category standard, under upline keystone.",
        "Agent harbor signed its agreement: paid by plan standard from 2026-01-05; any amount of USD is paid out.",
        "Deal D-1 of alder-foods with lumen was registered by harbor for dia: three sites, one circuit each.",
        "Deal D-1 of alder-foods, registered by harbor, was won.",
        f"harbor was designated agent of record on {ACCOUNT} from 2026-01-01, on the letter signed 2025-12-15.",
        f"A change of the agent of record on {ACCOUNT} to summit and keystone in equal parts from 2026-02-01 was "
        "proposed, without a letter.",
        f"The proposed change of the agent of record on {ACCOUNT} was rejected: no letter came.",
        f"A change of the agent of record on {ACCOUNT} to summit from 2026-02-01 was proposed, on the letter signed "
        "2026-01-19; commission stays with harbor until the contract renews, at the latest 2027-01-01.",
        f"Agent of record on {ACCOUNT} changed from harbor to summit from 2026-02-01, on the letter signed "
        "2026-01-19; commission stays with harbor until the contract renews, at the latest 2027-01-01.",
        "Upline of harbor changed from keystone to the house from 2026-05-01.",
        "Payout of 480.00 USD to harbor in pay run 2026-04 was proposed: 480.00 USD earned as known at position 44.",
        "Payout of 480.00 USD to harbor in pay run 2026-04 was released; the money is on its way.",
        "Payout of 480.00 USD to harbor in pay run 2026-04 was settled by the bank.",
        "Payout of 480.00 USD to harbor in pay run 2026-04 came back after it was settled: the bank account is closed.",
        "Payout of 480.00 USD to harbor in pay run 2026-04b was proposed: 480.00 USD earned as known at position 44.",
        "Payout of 480.00 USD to harbor in pay run 2026-04b was withdrawn before it was sent.",
        "Agreement with agent harbor was terminated from 2026-06-01; residuals are paid on.",
        "Agreement with agent keystone was terminated from 2026-07-01; residuals end. Where it is agent of record "
        "nobody is paid its part from the first whole month on, until the customer names another; as upline it stays "
        "in its place and is paid no override, until another upline is named.",
    ]


def test_a_suspended_agent_and_its_upline_read_why_and_until_when() -> None:
    assert told(STORY, "agent:summit")[-3:-1] == [
        "Agent summit was suspended from 2026-04-27: a complaint is open. It earns on, and nothing is paid out.",
        "Agent summit, suspended since 2026-04-27, was reinstated from 2026-05-01; the next pay run pays what was "
        "carried.",
    ]


def test_the_accounts_their_customer_and_the_downline_of_a_terminated_agent_read_what_becomes_of_them() -> None:
    ended = "Agreement with agent harbor was terminated from 2026-06-01; residuals are paid on."
    stays = f"{ended} It stays agent of record where it is named, and upline of its downline."
    assert stays in told(STORY, f"account:{ACCOUNT}")
    assert stays in told(STORY, "customer:alder-foods")
    without = (
        "Agreement with agent keystone was terminated from 2026-07-01; residuals end. Where it is agent of record "
        "nobody is paid its part from the first whole month on, until the customer names another; as upline it stays "
        "in its place and is paid no override, until another upline is named."
    )
    assert told(STORY, "agent:harbor")[-1] == without
    assert without not in told(STORY, f"account:{ACCOUNT}"), "keystone was never agent of record there"


def test_an_account_its_customer_and_its_agents_read_who_was_agency_of_record() -> None:
    word = Evidence(signer="vendor:lumen", signed_on=date(2026, 1, 3))
    one = ("ACC-1",)
    house = given(
        PARTIES,
        account(),
        designated("harbor"),
        said(LoseAgencyOfRecord(accounts=one, agency="zenith", effective_on=date(2025, 12, 1)), letter=word),
        RejectAgencyOfRecordChange(accounts=one, rejected_because="another account was meant."),
        said(LoseAgencyOfRecord(accounts=one, agency="brightstar", effective_on=date(2026, 5, 1)), letter=word),
        said(WinBackAgencyOfRecord(accounts=one, effective_on=date(2026, 6, 1)), letter=word),
    )
    for participant in ("account:ACC-1", "customer:alder-foods", "agent:harbor"):
        assert told(house, participant)[-4:] == [
            "A change of the agency of record on ACC-1 from this house to zenith from 2025-12-01 was proposed, on the "
            "letter signed 2026-01-03.",
            "The proposed change of the agency of record on ACC-1 to zenith was rejected: another account was meant.",
            "Agency of record on ACC-1 was lost to brightstar from 2026-05-01, on the letter signed 2026-01-03; from "
            "then on nobody here is paid for it.",
            "Agency of record on ACC-1 was won back from brightstar from 2026-06-01, on the letter signed 2026-01-03.",
        ]


def test_a_letter_reads_what_it_lacks_and_what_came_of_it() -> None:
    assert told(STORY, "letter:L-2") == [
        "Agent-of-record letter L-2 of alder-foods was received for zito/1; it is incomplete without an agent, an "
        "effective date, a signer and the date of the signature.",
        "Agent-of-record letter L-2 of alder-foods was supplemented; it is incomplete without an agent, an effective "
        "date and the date of the signature.",
    ]
    accepted = (
        "A change of the agent of record on zito/1 to fir from 2026-08-01 was accepted, on the letter signed "
        "2026-04-20; the former agent may rescind it until 2026-08-10; it counts once zito has confirmed it."
    )
    received = "of alder-foods was received naming fir for zito/1; it is complete."
    assert told(STORY, "letter:L-3") == [
        f"Agent-of-record letter L-3 {received}",
        accepted,
        "The change of the agent of record on zito/1 to fir was rescinded, on the letter signed 2026-01-19; gorse "
        "stays.",
    ]
    assert told(STORY, "letter:L-4") == [
        f"Agent-of-record letter L-4 {received}",
        accepted,
        "The rescission window of the change of the agent of record on zito/1 to fir closed; from 2026-08-01 it "
        "counts once zito has confirmed it.",
        "The change of the agent of record on zito/1 to fir was confirmed by zito on 2026-08-11.",
        "Agent of record on zito/1 changed from gorse to fir from 2026-08-01, on the letter signed 2026-04-20.",
    ]


def test_who_is_named_once_more_against_a_rival_reads_that() -> None:
    word = {"signer": "alder-foods:cfo", "signed_on": date(2026, 1, 3)}

    def named_by(letter_id: str, agent: str) -> ReceiveAgentOfRecordLetter:
        return ReceiveAgentOfRecordLetter(
            letter_id=letter_id,
            customer="alder-foods",
            accounts=("ACC-1",),
            agents=agents(agent),
            effective_on=date(2026, 1, 1),
            **word,
        )

    waits = (ContractVendor(vendor="lumen", terms=VendorTerms(confirms_agent_of_record=True)), PARTIES[2:])
    house = given(waits, account(), designated("harbor"), named_by("L-1", "summit"), named_by("L-2", "harbor"))

    assert told(house, "letter:L-2")[-1] == (
        "harbor was named agent of record on ACC-1 once more from 2026-01-01, on the letter signed 2026-01-03."
    )


def test_who_was_named_and_who_stays_read_that_the_vendor_declined() -> None:
    declined = (
        "The change of the agent of record on wind/1 to fir from 2026-09-01 was declined by windstream: the signer "
        "is unknown; gorse stays."
    )
    for participant in ("agent:fir", "agent:gorse", "account:wind/1", "customer:alder-foods"):
        assert declined in told(STORY, participant)


def test_a_vendor_reads_what_its_terms_say_of_changes_of_the_agent_of_record() -> None:
    assert told(STORY, "vendor:zito")[0].endswith(
        "; the former agent may rescind a change within 10 business days (US-NY); a change counts once it has "
        "confirmed it."
    )


def test_a_vendor_reads_that_its_agreement_ended_and_was_resumed() -> None:
    assert [said for said in told(STORY, "vendor:lumen") if said.startswith("The agreement")] == [
        "The agreement of lumen with the house ended on 2026-09-15; commission is paid on.",
        "The agreement of lumen with the house, ended on 2026-09-15, was resumed from 2026-12-01.",
    ]


def test_who_was_proposed_as_agent_of_record_learns_that_it_was_rejected() -> None:
    keystone = told(STORY, "agent:keystone")
    assert f"The proposed change of the agent of record on {ACCOUNT} was rejected: no letter came." in keystone


def test_an_agent_whose_balance_is_carried_reads_why_and_of_nobody_elses_money() -> None:
    keystone, summit = (unadjusted(told(STORY, agent)) for agent in ("agent:keystone", "agent:summit"))
    carried = "Nothing is paid to keystone in pay run 2026-04: the balance is negative, -3.50 USD; it is carried to "
    assert f"{carried}the next." in keystone
    assert summit[-4] == "Nothing is paid to summit in pay run 2026-04: nothing is owed in USD."
    assert not any("480.00" in sentence for sentence in (*keystone, *summit))


def test_a_pay_run_knows_each_of_its_payouts() -> None:
    assert told(STORY, "pay-run:2026-04") == [
        "Pay run 2026-04 was proposed, as known at position 44: 1 payout, 480.00 USD in all, 2 balances carried.",
        "Payout of 480.00 USD to harbor in pay run 2026-04 was proposed: 480.00 USD earned as known at position 44.",
        "Pay run 2026-04 was approved.",
        "Pay run 2026-04 was released.",
        "Payout of 480.00 USD to harbor in pay run 2026-04 was released; the money is on its way.",
        "Payout of 480.00 USD to harbor in pay run 2026-04 was settled by the bank.",
        "Payout of 480.00 USD to harbor in pay run 2026-04 came back after it was settled: the bank account is closed.",
    ]
    assert told(STORY, "pay-run:2026-04b")[2] == "Pay run 2026-04b was withdrawn."


def test_a_statement_says_its_number_month_lines_and_control_total() -> None:
    assert told(STORY, "vendor-statement:lumen:2026-04") == [
        "Statement 2026-04 of lumen for statement month 2026-04 was received: 600 lines, control total 600.00 USD, "
        "reporting on service month 2026-03; it came in 2 parts, the first with 500 lines.",
        "Statement 2026-04 of lumen for statement month 2026-04 continued with 100 lines, part 2 of 2.",
        "590.00 USD of receipt R-1 matched to statement 2026-04 of lumen; 10.00 USD is still open on it.",
        "Statement 2026-04 of lumen was revised, revision 1: 301 lines withdrawn, 300 lines added; 599 lines by now, "
        "control total 602.00 USD; it came in 2 parts.",
        "Revision 1 of statement 2026-04 of lumen continued with 0 lines withdrawn and 101 lines added, part 2 of 2.",
    ]


def test_a_receipt_says_what_came_and_what_is_left_of_it() -> None:
    assert told(STORY, "receipt:R-1") == [
        "Receipt R-1: 610.00 USD came from lumen.",
        "Receipt R-1 of lumen matched: 590.00 USD to statement 2026-04; 20.00 USD is left.",
    ]


def test_an_agent_reads_what_is_held_back_until_when_and_that_it_is_owed_again() -> None:
    tern, run = told(STORY, "agent:tern"), told(STORY, "pay-run:2026-05")
    assert tern[1:] == [
        "Agent tern signed its agreement: paid by plan standard from 2026-07-27; any amount of USD is paid out; 10% of "
        "what it newly earned is held back for 2 days.",
        "Payout of 180.00 USD to tern in pay run 2026-05 was proposed: 200.00 USD earned as known at position 44, less "
        "20.00 USD held back now, for 2 days.",
        "Payout of 180.00 USD to tern in pay run 2026-05 was released; the money is on its way.",
        "20.00 USD of tern are held back in pay run 2026-05, until 2026-07-29.",
        "20.00 USD that tern had held back in pay run 2026-05 are owed again.",
        "Payout of 29.00 USD to tern in pay run 2026-06 was proposed: 210.00 USD earned as known at position 44, less "
        "180.00 USD of earlier payouts, less 1.00 USD held back now, for 2 days.",
    ]
    assert set(tern[2:6]) < set(run)


def test_an_adjustment_is_told_to_its_agent_and_in_a_history_of_its_own() -> None:
    where = "Adjustment ADJ-1, 25.00 USD for harbor on account lumen/5-QXTR9941 for 2026-03"
    sentences = [
        f"{where}, was proposed: goodwill for the late install.",
        f"{where}, was approved: goodwill for the late install.",
        "Adjustment ADJ-1, 25.00 USD for harbor: a reversal was proposed: the vendor paid it.",
        "Adjustment ADJ-1, 25.00 USD for harbor: the reversal was rejected: not all of it.",
        "Adjustment ADJ-1, 25.00 USD for harbor: a reversal was proposed: the vendor paid it all.",
        f"{where}, was reversed: the vendor paid it all.",
    ]
    assert told(STORY, "adjustment:ADJ-1") == sentences
    assert [s for s in told(STORY, "agent:harbor") if s.startswith("Adjustment")] == sentences
    assert told(STORY, "adjustment:ADJ-2") == [
        "Adjustment ADJ-2, 1.00 USD taken from summit, was proposed: portal fee.",
        "Adjustment ADJ-2, 1.00 USD taken from summit, was rejected: the portal was down.",
    ]
    of_others = [told(STORY, participant) for participant in ("agent:keystone", "vendor:lumen", f"account:{ACCOUNT}")]
    assert not [s for sentences in of_others for s in sentences if "ADJ-" in s]


def test_an_approved_adjustment_shows_the_document_that_it_stands_on() -> None:
    (approved,) = [e for e in trail(STORY.log, "adjustment:ADJ-1") if "was approved" in e.sentence]
    assert approved.evidence == "document signed 2026-01-19 by customer:alder-foods (sha256:ab1200000000…)"


def test_a_number_in_suspense_has_a_history_of_its_own() -> None:
    assert len(told(STORY, "suspense:lumen:05-77")) == 4


def test_an_account_knows_its_numbers() -> None:
    assert told(STORY, f"account:{ACCOUNT}")[:4] == [
        f"Account {ACCOUNT} of alder-foods with lumen was opened under account number 5-QXTR9941 of lumen.",
        f"harbor was designated agent of record on {ACCOUNT} from 2026-01-01, on the letter signed 2025-12-15.",
        f"Account {ACCOUNT} is also known as billing telephone number BTN 303 of lumen.",
        f"Number BTN 303 of lumen no longer means account {ACCOUNT} from 2026-02-01.",
    ]


def test_a_vendor_reads_its_terms_and_how_deals_with_it_ended() -> None:
    vendor = told(STORY, "vendor:lumen")
    assert vendor[:2] == [
        "Vendor lumen was contracted, paying in USD: its statements report 1 month after the service month; after its "
        "agreement ends commission is paid on; a registration is protected for 90 days; a statement may be disputed "
        "within 180 days.",
        "Vendor lumen listed dia (internet, recurring).",
    ]
    assert "Deal D-2 of alder-foods, registered by summit, was lost: the customer stays where it is." in vendor


def test_the_opened_days_are_the_houses_own_history() -> None:
    days = ("2026-01-05", "2026-04-27", "2026-07-27", "2026-07-30", "2026-08-11")
    assert told(STORY, "house") == [f"The day {day} was opened." for day in days]


def test_the_customer_of_an_account_and_of_a_contract_is_known_from_the_day_they_began() -> None:
    customer = told(STORY, "customer:alder-foods")
    account = told(STORY, f"account:{ACCOUNT}")
    suspense = told(STORY, "suspense:lumen:05-77")
    assert set(account) - set(suspense) <= set(customer)
    assert set(told(STORY, "contract:C-1")) <= set(customer)


def test_a_deal_that_two_customers_call_alike_stays_with_its_own_vendor() -> None:
    house = given(
        PARTIES,
        ContractVendor(vendor="zayo"),
        OnboardCustomer(customer="birch"),
        RegisterDeal(customer="alder-foods", deal="D-1", agent="harbor", vendor="lumen"),
        RegisterDeal(customer="birch", deal="D-1", agent="summit", vendor="zayo"),
        WinDeal(customer="birch", deal="D-1"),
    )
    assert told(house, "vendor:zayo")[-1] == "Deal D-1 of birch, registered by summit, was won."
    assert not any("birch" in sentence for sentence in told(house, "vendor:lumen"))


CEDAR = "The registration of deal D-3 of alder-foods with lumen by cedar"
DOGWOOD, ELM = CEDAR.replace("cedar", "dogwood"), CEDAR.replace("cedar", "elm")
OPENED_ITSELF = "Deal D-3 of alder-foods was opened by alder-foods itself, which named another agent of record"


def test_a_deal_tells_who_claimed_it_in_order_of_arrival_who_was_protected_and_who_won() -> None:
    assert told(STORY, "deal:alder-foods/D-3") == [
        "Deal D-3 of alder-foods with lumen was registered by cedar: voice for the head office.",
        "Deal D-3 of alder-foods with lumen was registered by dogwood for dia.",
        f"{DOGWOOD} contests the claim of cedar with lumen, registered 2026-04-27.",
        "Deal D-3 of alder-foods with lumen was registered by elm.",
        f"{ELM} contests the claim of cedar with lumen, registered 2026-04-27 and the claim of dogwood with lumen, "
        "registered 2026-04-27.",
        f"{CEDAR} was approved and is protected for 90 days, until 2026-07-26.",
        f"{CEDAR} was extended: protected until 2026-10-24 in place of 2026-07-26, the board meets in autumn.",
        f"{DOGWOOD} was rejected: no meeting took place.",
        "Deal D-3 of alder-foods with lumen was opened by alder-foods itself, which named dogwood agent of record on "
        "the letter signed 2026-01-19: voice.",
        f"{CEDAR} stands, but its approval (until 2026-10-24) ended: the customer itself named dogwood.",
        f"{ELM} was withdrawn: no budget.",
        "Deal D-3 of alder-foods, registered by dogwood, was won.",
        f"{CEDAR} was lost to dogwood.",
    ]


def test_a_rival_reads_that_a_claim_stands_before_or_after_its_own_and_nothing_else_of_it() -> None:
    assert told(STORY, "agent:elm") == [
        "Agent elm was recruited as agent, category standard.",
        "Deal D-3 of alder-foods with lumen was registered by elm.",
        f"{ELM}: 2 earlier claims stand before it.",
        f"{OPENED_ITSELF}; the registration by elm stands, but can no longer be approved or win.",
        f"{ELM} was withdrawn: no budget.",
    ]
    cedar = told(STORY, "agent:cedar")
    assert "Deal D-3 of alder-foods, registered by cedar, is contested: a rival claim stands after it." in cedar
    assert f"{CEDAR} was lost to a rival." in cedar
    for name, rivals in (("cedar", ("dogwood", "elm")), ("dogwood", ("cedar", "elm")), ("elm", ("cedar", "dogwood"))):
        assert not [s for s in told(STORY, f"agent:{name}") if any(rival in s for rival in rivals)]


def test_a_rival_does_not_read_who_made_the_claim_beside_its_own() -> None:
    register = RegisterDeal(customer="alder-foods", deal="D-1", agent="harbor", vendor="lumen")
    approve = ApproveRegistration(customer="alder-foods", deal="D-1", agent="harbor")
    rival = register.model_copy(update={"agent": "summit"})
    house = given(PARTIES, register, approve, said(rival, by="summit/desk", on=date(2026, 5, 1)))
    harbor = trail(house.log, "agent:harbor")
    assert [(entry.sentence, entry.actor) for entry in harbor[-2:]] == [
        (
            "The registration of deal D-1 of alder-foods with lumen by harbor was approved and is protected for 90 "
            "days, until 2026-04-05.",
            "house/ann",
        ),
        (
            "The registration of deal D-1 of alder-foods with lumen by harbor expired; 2026-04-05 was its last "
            "protected day.",
            "somebody",
        ),
    ]
    other = given(PARTIES, register, said(rival, by="summit/desk"))
    contested = trail(other.log, "agent:harbor")[-1]
    assert contested.sentence.endswith("is contested: a rival claim stands after it.")
    assert (contested.actor, contested.evidence, contested.because) == ("somebody", None, None)
    assert trail(other.log, "deal:alder-foods/D-1")[-1].actor == "summit/desk"


def test_a_vendor_reads_of_the_registrations_under_its_own_agreement() -> None:
    register = RegisterDeal(customer="alder-foods", deal="D-1", agent="harbor", vendor="lumen")
    house = given(
        PARTIES,
        ContractVendor(vendor="zayo"),
        register,
        register.model_copy(update={"agent": "summit", "vendor": "zayo"}),
        WinDeal(customer="alder-foods", deal="D-1", agent="harbor"),
    )
    assert told(house, "vendor:lumen")[-1] == "Deal D-1 of alder-foods, registered by harbor, was won."
    summit = "The registration of deal D-1 of alder-foods with zayo by summit"
    assert told(house, "vendor:zayo")[-3:] == [
        "Deal D-1 of alder-foods with zayo was registered by summit.",
        f"{summit}: 1 earlier claim stands before it.",
        f"{summit} was lost to a rival.",
    ]


def test_the_deals_of_two_customers_that_call_them_alike_have_histories_of_their_own() -> None:
    register = RegisterDeal(customer="alder-foods", deal="D-1", agent="harbor", vendor="lumen")
    house = given(
        PARTIES,
        OnboardCustomer(customer="birch"),
        register,
        register.model_copy(update={"customer": "birch"}),
        WinDeal(customer="birch", deal="D-1"),
        SignContract(contract="C-9", customer="birch", vendor="lumen", deal="D-1"),
    )
    assert told(house, "deal:alder-foods/D-1") == ["Deal D-1 of alder-foods with lumen was registered by harbor."]
    assert told(house, "deal:birch/D-1")[1:] == [
        "Deal D-1 of birch, registered by harbor, was won.",
        "Contract C-9 of birch with lumen was signed without a term, in USD, from deal D-1.",
    ]


def test_a_second_service_on_the_account_links_it_to_the_deal_once() -> None:
    house = given(
        PARTIES,
        RegisterDeal(customer="alder-foods", deal="D-1", agent="harbor", vendor="lumen"),
        WinDeal(customer="alder-foods", deal="D-1"),
        ACCOUNTS,
        SignContract(contract="C-1", customer="alder-foods", vendor="lumen", deal="D-1"),
        OrderService(contract="C-1", service="a", mrc_minor=100),
        OrderService(contract="C-1", service="b", mrc_minor=0),
        AssignService(contract="C-1", service="a", account=ACCOUNT),
        AssignService(contract="C-1", service="b", account=ACCOUNT),
        said(
            ChangeAgentOfRecord(account=ACCOUNT, agents=agents("summit"), effective_on=date(2026, 2, 1)), letter=loa()
        ),
    )
    deal = told(house, "deal:alder-foods/D-1")
    assert deal[2] == "Contract C-1 of alder-foods with lumen was signed without a term, in USD, from deal D-1."
    assert deal[3] == "Service a of contract C-1 was ordered: 1.00 USD a month."
    assert deal[-1] == (
        f"Agent of record on {ACCOUNT} changed from harbor to summit from 2026-02-01, on the letter signed 2026-01-19."
    )
    assert len(deal) == 8


def test_agents_of_record_of_a_service_are_named_with_their_weights() -> None:
    named = (Weighted(agent="harbor", weight=3), Weighted(agent="summit", weight=1))
    house = given(
        PARTIES,
        OpenAccount(account="A", customer="alder-foods", vendor="lumen"),
        said(
            DesignateAgentOfRecord(account="A", service="dia-1", agents=named, effective_on=date(2026, 1, 1)),
            letter=loa(),
        ),
    )
    assert told(house, "account:A") == [
        "Account A of alder-foods with lumen was opened.",
        "harbor (weight 3) and summit (weight 1) were together designated agent of record on service dia-1 of A "
        "from 2026-01-01, on the letter signed 2026-01-19.",
    ]


# -- plans in words


RULES = (
    Rule(
        rule="mrc",
        when=Selector(category="voice", vendor="lumen"),
        pay=PercentOfMrc(kind="percent-of-mrc", rate="12.5%"),
    ),
    Rule(
        rule="spiff",
        pay=MultipleOfMrcOnce(
            kind="multiple-of-mrc-once", multiple="1.5", clawback_within_days=180, clawback_rate="50%"
        ),
    ),
    Rule(rule="monthly", when=Selector(service="dia-1"), pay=Flat(kind="flat", amount_minor=2500)),
    Rule(rule="bonus", when=Selector(product="dia"), pay=Flat(kind="flat", amount_minor=2500, every="once")),
)
OVERRIDES = (
    Override(rule="first", level=1, pay=PercentOfDownlineShare(kind="percent-of-downline-share", rate="0.05")),
    Override(rule="second", level=2, pay=OverridePercentOfMrc(kind="percent-of-mrc", rate="0.02"), funded_by="agent"),
    Override(rule="others", pay=Differential(kind="differential")),
)


def test_a_plan_version_says_what_it_pays_and_whom_it_applies_to() -> None:
    applies = SignedOrRenewedFrom(kind="signed-or-renewed-from", from_=date(2026, 3, 1))
    house = given(ProposePlanVersion(plan="p", applies_to=applies, rules=RULES, overrides=OVERRIDES))
    assert told(house, "plan:p") == [
        "Version 1 of plan p was proposed, for services of contracts signed or last renewed from 2026-03-01: "
        "mrc pays 12.5% of MRC for each month in service for category voice and vendor lumen; "
        "spiff pays 1.5 × MRC once, at activation (50% taken back if disconnected within 180 days); "
        "monthly pays 25.00 USD for each month in service for service dia-1; "
        "bonus pays 25.00 USD once, at activation for product dia; "
        "override first pays 5% of the downline's share at level 1, funded by the house; "
        "override second pays 2% of MRC at level 2, funded by the agent; "
        "override others pays the upline's own rate less the highest rate below it at every level, funded by the house."
    ]


@pytest.mark.parametrize(
    ("applies_to", "whom"),
    [
        (
            {"kind": "from-renewal", "from": "2026-03-15"},
            "for services of contracts last renewed from 2026-03-15, of each when it renews",
        ),
        (
            {"kind": "cohort", "cohort_from": "2026-01-01", "from": "2026-06-01"},
            "for services of contracts signed or renewed from 2026-01-01, in service months from 2026-06",
        ),
        (
            {
                "kind": "cohort",
                "contracts": "renewed",
                "cohort_from": "2026-01-01",
                "cohort_until": "2026-04-15",
                "from": "2026-06-01",
            },
            "for services of contracts renewed from 2026-01-01 to before 2026-04-15, in service months from 2026-06",
        ),
        (
            {"kind": "as-contracts-expire", "from": "2026-06-01"},
            "for services of each contract as its term expires or is renewed, in service months from 2026-06",
        ),
        (
            {"kind": "retroactive", "from": "2025-10-01", "until": "2026-01-01"},
            "for service months from 2025-10 to before 2026-01, also such as were paid",
        ),
        (
            {"kind": "retroactive", "from": "2025-10-01"},
            "for service months from 2025-10, also such as were paid",
        ),
    ],
)
def test_a_plan_version_says_whom_it_reaches(applies_to: dict[str, str], whom: str) -> None:
    house = given(ProposePlanVersion.model_validate({"plan": "p", "applies_to": applies_to}))
    assert told(house, "plan:p") == [f"Version 1 of plan p was proposed, {whom}: it pays nothing."]


def test_a_plan_version_says_why_it_is_there_what_commission_ends_with_and_what_reversals_use() -> None:
    house = given(
        ProposePlanVersion(
            plan="p",
            ends_with=("contract-term", "vendor-agreement"),
            reversals="schedule-of-today",
            because="lumen drops evergreen",
        )
    )
    assert told(house, "plan:p") == [
        "Version 1 of plan p was proposed because lumen drops evergreen, for every service month: it pays nothing; "
        "commission ends with the contract's term and the vendor's agreement; "
        "reversals reported in its months use it, whatever paid."
    ]


def test_a_long_plan_counts_the_rules_that_it_does_not_list() -> None:
    rules = tuple(
        Rule(rule=f"r{n}", when=Selector(account=f"A-{n}"), pay=Flat(kind="flat", amount_minor=n)) for n in range(12)
    )
    house = given(
        ProposePlanVersion(plan="p", applies_to=ServiceMonthsFrom(from_=date(2026, 3, 1)), rules=rules),
        ProposePlanVersion(plan="empty"),
    )
    (sentence,) = told(house, "plan:p")
    assert sentence.startswith("Version 1 of plan p was proposed, for service months from 2026-03: r0 pays 0.00 USD ")
    assert sentence.endswith("; and 2 more rules.")
    assert told(house, "plan:empty") == [
        "Version 1 of plan empty was proposed, for every service month: it pays nothing."
    ]


# -- who, when, on whose word, because of what


def test_a_row_says_who_when_on_whose_evidence_and_because_of_what() -> None:
    house = given(PARTIES, ACCOUNTS)
    change = ChangeAgentOfRecord(account=ACCOUNT, agents=agents("summit"), effective_on=date(2026, 2, 1))
    actor = Actor(issuer="okta", subject="cy", on_behalf_of="house/ann")
    house.commands.handle(Issued("letter-7", actor, change, evidence=loa(), because=f"account:{ACCOUNT}@2"))
    entry = trail(house.log, f"account:{ACCOUNT}")[-1]
    assert entry == Entry(
        participant=f"account:{ACCOUNT}",
        position=entry.position,
        seq=0,
        event_id=f"account:{ACCOUNT}@5",
        effective_on=date(2026, 2, 1),
        recorded_at=datetime(2026, 1, 5, 0, 0, 0, entry.position, UTC),
        actor="okta/cy for house/ann",
        evidence="letter signed 2026-01-19 by customer:alder-foods (sha256:ab1200000000…)",
        because=f"account:{ACCOUNT}@2",
        sentence=entry.sentence,
    )
    assert render(entry) == (
        f"#{entry.position} 2026-01-05 00:00:00 UTC, okta/cy for house/ann: Agent of record on {ACCOUNT} changed from "
        "harbor to summit from 2026-02-01, on the letter signed 2026-01-19. Holds from 2026-02-01; evidence: letter "
        f"signed 2026-01-19 by customer:alder-foods (sha256:ab1200000000…); because of account:{ACCOUNT}@2."
    )


def test_a_document_that_comes_with_another_command_is_evidence_too() -> None:
    house = given(PARTIES, said(OnboardCustomer(customer="birch"), letter=loa().model_copy(update={"digest": None})))
    entry = trail(house.log, "customer:birch")[-1]
    assert entry.evidence == "document signed 2026-01-19 by customer:alder-foods"


def test_the_letter_stays_the_evidence_when_a_second_person_approves_the_change() -> None:
    changed = next(e for e in trail(STORY.log, "agent:harbor") if e.sentence.startswith("Agent of record"))
    assert changed.actor == "house/bob"
    assert changed.evidence == "letter signed 2026-01-19 by customer:alder-foods (sha256:ab1200000000…)"


def test_what_has_always_held_is_said_so() -> None:
    aliased = next(e for e in trail(STORY.log, f"account:{ACCOUNT}") if "also known as" in e.sentence)
    assert render(aliased).endswith("is also known as billing telephone number BTN 303 of lumen. Holds always.")


def test_a_history_as_known_at_a_position_holds_nothing_later() -> None:
    entries = trail(STORY.log, "agent:harbor")
    known = entries[3].position
    assert history(reversed(entries), known) == entries[:4]


def test_no_row_names_another_time_or_place_than_its_event() -> None:
    for row in book(STORY.log, audit_trail).tables.content["audit_trail"]:
        entry, recorded = Entry(*row), STORY.log.events[row[1] - 1]
        assert (entry.event_id, entry.recorded_at) == (recorded.event_id, recorded.recorded_at)
        assert entry.effective_on == recorded.event.effective_on


# -- the same rows whatever the batches


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_rows_do_not_depend_on_how_events_are_batched(size: int) -> None:
    rows = in_batches(STORY.log.events, size, audit_trail.tables, audit_trail.project)
    content = book(STORY.log, audit_trail).tables.content
    assert [r.values for r in rows if r.table == "audit_trail"] == content["audit_trail"]
    assert [r.values for r in rows if r.table == "audit_link"] == content["audit_link"]


def test_rows_have_a_key_of_their_own_and_as_many_values_as_columns() -> None:
    content = book(STORY.log, audit_trail).tables.content
    for table in audit_trail.tables:
        rows = content[table.name]
        key = [table.column_names.index(column) for column in table.key]
        assert len({tuple(row[k] for k in key) for row in rows}) == len(rows)
        required = [i for i, column in enumerate(table.columns) if not column.optional]
        assert all(len(row) == len(table.columns) for row in rows)
        assert all(row[i] is not None for row in rows for i in required)


def test_the_time_of_recording_is_shown_in_utc() -> None:
    new_york = timezone(timedelta(hours=-5))
    recorded = replace(STORY.log.events[0], recorded_at=datetime(2026, 1, 5, 23, 30, tzinfo=new_york))
    (row,) = in_batches([recorded], 1, audit_trail.tables, audit_trail.project)
    assert render(row.values) == (
        "#1 2026-01-06 04:30:00 UTC, house/ann: The day 2026-01-05 was opened. Holds from 2026-01-05."
    )


def test_aliases_are_said_with_their_dates() -> None:
    alias = Alias(vendor="lumen", number="CKT 9", source="circuit", from_=date(2026, 1, 1), until=date(2026, 7, 1))
    house = given(
        PARTIES,
        OpenAccount(
            account="A", customer="alder-foods", vendor="lumen", aliases=(alias, Alias(vendor="lumen", number="8"))
        ),
    )
    assert told(house, "account:A") == [
        "Account A of alder-foods with lumen was opened under circuit number CKT 9 of lumen from 2026-01-01 until "
        "2026-07-01 and account number 8 of lumen."
    ]


def test_single_lines_are_told_by_name_and_a_move_says_both_ways() -> None:
    assert told(STORY, "suspense:vonage:V 1") == [
        "A move of line 1 of statement V-1 of vonage from account vonage/1 back into suspense under number V 1 was "
        "proposed: another customer's.",
        "A move of line 1 of statement V-1 of vonage from account vonage/1 back into suspense under number V 1 was "
        "proposed: another customer's after all.",
        "Line 1 of statement V-1 of vonage was moved from account vonage/1 back into suspense under number V 1: "
        "another customer's after all.",
        "A placement of line 1 of statement V-1 under number V 1 of vonage on service C-9/sip of account vonage/1 was "
        "proposed; the account does not keep the number.",
        "Line 1 of statement V-1 under number V 1 of vonage was placed on service C-9/sip of account vonage/1.",
    ]
    assert "The proposed move of line 1 of statement V-1 of vonage was rejected: it is right." in told(
        STORY, "account:vonage/1"
    )


def test_a_succession_is_told_to_both_vendors_and_to_each_account_with_what_becomes_of_its_numbers() -> None:
    announced = (
        "ericsson was announced to succeed vonage on 2026-07-01: 1,001 accounts; numbers not listed are kept, "
        "1 collision."
    )
    moved = (
        "ericsson succeeded vonage on account vonage/1 from 2026-07-01: account number V 1 of ericsson from 2026-07-01 "
        "means it; V 1 is another account's too, and so means none; lines of vonage are taken up to its statement of "
        "2026-06."
    )
    ended = (
        "The succession of vonage by ericsson on 2026-07-01 was completed: 1 account moved; 1,000 accounts left out."
    )
    assert told(STORY, "account:vonage/1")[-1] == moved
    assert moved in told(STORY, "customer:cedar-law")
    for vendor in ("vendor:vonage", "vendor:ericsson"):
        assert [s for s in told(STORY, vendor) if "succe" in s] == [
            announced,
            "The plan of the succession of vonage by ericsson on 2026-07-01 went on: part 2 of 2.",
            moved,
            ended,
        ]
