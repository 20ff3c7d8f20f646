"""Deals of a customer: several agents may claim one, in order of arrival; one is protected, and one wins."""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from domain.agent import AgentIsTerminated, AgentUnknown, TerminateAgent
from domain.calendar import OpenDay
from domain.customer import Customer, CustomerUnknown
from domain.deal import (
    AgentNamedByCustomer,
    ApproveRegistration,
    Deal,
    DealAlreadyRegistered,
    DealClosed,
    DealContested,
    DealLost,
    DealProtected,
    DealRegistered,
    DealUnknown,
    DealWon,
    DecidedByClaimant,
    ExpireRegistration,
    ExtendRegistration,
    ExtensionWrong,
    LoseDeal,
    NoRegistrationStands,
    NotProtected,
    OpenSelfReferral,
    ProtectionEnded,
    RegisterDeal,
    RegistrationAlreadyDecided,
    RegistrationApproved,
    RegistrationExpired,
    RegistrationExtended,
    RegistrationLost,
    RegistrationRejected,
    RegistrationWithdrawn,
    RejectRegistration,
    SelfReferralOpened,
    SelfReferralUnevidenced,
    StandingClaim,
    WinDeal,
    WinnerUnclear,
    WithdrawRegistration,
)
from domain.message import Actor, Command, Event, Refused
from domain.policies import Deadline, deadlines
from domain.vendor import ContractVendor, VendorTerms, VendorUnknown
from tests.spec import AGENTS, ALDER_FOODS, DAY, LUMEN, PLAN, Given, Step, given, letter, said

ZAYO = ContractVendor(vendor="zayo", terms=VendorTerms(protection_days=30))
QWEST = ContractVendor(vendor="qwest", terms=VendorTerms(protection_days=0))
BOOK = (LUMEN, ZAYO, QWEST, ALDER_FOODS, PLAN, AGENTS)
REGISTER = RegisterDeal(
    customer="alder-foods", deal="D-1", agent="harbor", vendor="lumen", products=("dia",), scope="two sites"
)
WIN = WinDeal(customer="alder-foods", deal="D-1")
LOSE = LoseDeal(customer="alder-foods", deal="D-1", lost_because="stays with the incumbent")
UNTIL = date(2026, 4, 5)
"""The 90th day after the house's first open day: Lumen's agreement says nothing else."""
FIRST_DAY_WITHOUT = date(2026, 4, 6)


def registers(agent: str, vendor: str = "lumen", effective_on: date | None = None) -> RegisterDeal:
    return RegisterDeal(customer="alder-foods", deal="D-1", agent=agent, vendor=vendor, effective_on=effective_on)


def approve(agent: str = "harbor") -> ApproveRegistration:
    return ApproveRegistration(customer="alder-foods", deal="D-1", agent=agent)


def reject(agent: str = "harbor") -> RejectRegistration:
    return RejectRegistration(
        customer="alder-foods", deal="D-1", agent=agent, rejected_because="the house has the account"
    )


def extend(agent: str = "harbor", until: date | None = None) -> ExtendRegistration:
    return ExtendRegistration(
        customer="alder-foods", deal="D-1", agent=agent, until=until, extended_because="the board meets in May"
    )


def withdraw(agent: str = "harbor") -> WithdrawRegistration:
    return WithdrawRegistration(customer="alder-foods", deal="D-1", agent=agent, withdrawn_because="no budget")


def expire(agent: str = "harbor") -> ExpireRegistration:
    return ExpireRegistration(customer="alder-foods", deal="D-1", agent=agent)


def win(agent: str | None = None, effective_on: date | None = None) -> WinDeal:
    return WinDeal(customer="alder-foods", deal="D-1", agent=agent, effective_on=effective_on)


def refer(agent: str = "summit") -> OpenSelfReferral:
    return OpenSelfReferral(
        customer="alder-foods", deal="D-1", agent=agent, vendor="lumen", products=("dia",), scope="head office"
    )


def referred(agent: str = "summit") -> Step:
    return said(refer(agent), letter=letter())


def day(on: date) -> OpenDay:
    return OpenDay(date=on)


def approved(agent: str = "harbor", vendor: str = "lumen", days: int = 90, on: date = DAY) -> RegistrationApproved:
    return RegistrationApproved(
        customer="alder-foods",
        deal="D-1",
        agent=agent,
        vendor=vendor,
        protection_days=days,
        protected_until=on + timedelta(days),
        effective_on=on,
    )


def expired(agent: str = "harbor", until: date = UNTIL, vendor: str = "lumen") -> RegistrationExpired:
    return RegistrationExpired(
        customer="alder-foods",
        deal="D-1",
        agent=agent,
        vendor=vendor,
        protected_until=until,
        effective_on=until + timedelta(1),
    )


def won(agent: str = "harbor", effective_on: date = DAY) -> DealWon:
    return DealWon(customer="alder-foods", deal="D-1", agent=agent, effective_on=effective_on)


def lost(agent: str, lost_to: str, vendor: str = "lumen", effective_on: date = DAY) -> RegistrationLost:
    return RegistrationLost(
        customer="alder-foods", deal="D-1", agent=agent, vendor=vendor, lost_to=lost_to, effective_on=effective_on
    )


def deal(house: Given, name: str = "D-1") -> Deal:
    state: Customer = house.commands.state("customer:alder-foods")
    return state.deals[name]


def statuses(house: Given) -> list[tuple[str, str]]:
    return [(registration.agent, registration.status) for registration in deal(house).registrations]


# -- a deal that one agent claims


def test_an_agent_registers_a_deal() -> None:
    given(BOOK).when(REGISTER).then(
        DealRegistered(
            customer="alder-foods",
            deal="D-1",
            agent="harbor",
            vendor="lumen",
            products=("dia",),
            scope="two sites",
            effective_on=DAY,
        )
    )


def test_a_deal_belongs_to_an_onboarded_customer() -> None:
    given(LUMEN, PLAN, AGENTS).when(REGISTER).then_refused(
        CustomerUnknown, "customer alder-foods is not onboarded; onboard the customer first"
    )


def test_only_a_recruited_agent_registers() -> None:
    given(LUMEN, ALDER_FOODS).when(REGISTER).then_refused(AgentUnknown)


def test_only_a_contracted_vendor_is_sold() -> None:
    given(ALDER_FOODS, PLAN, AGENTS).when(REGISTER).then_refused(VendorUnknown)


@pytest.mark.parametrize(("ends_on", "taken"), [(DAY, False), (date(2026, 1, 6), True)])
def test_an_agent_registers_until_the_day_of_its_termination(ends_on: date, taken: bool) -> None:
    outcome = given(BOOK, TerminateAgent(agent="harbor", effective_on=ends_on)).when(REGISTER)
    if taken:
        assert [type(event) for event in outcome.events] == [DealRegistered]
    else:
        outcome.then_refused(AgentIsTerminated)


def test_an_agent_registers_a_deal_once_while_its_registration_stands() -> None:
    given(BOOK, REGISTER).when(registers("harbor", "zayo")).then_refused(
        DealAlreadyRegistered,
        "deal D-1 is registered by harbor already, since 2026-01-05; withdraw that registration to make another",
    )


@pytest.mark.parametrize("ending", [reject(), withdraw()], ids=["rejected", "withdrawn"])
def test_after_its_registration_ended_an_agent_registers_again_behind_those_that_came_meanwhile(
    ending: Command,
) -> None:
    house = given(BOOK, REGISTER, ending, registers("summit"))
    assert isinstance(house.when(registers("harbor")).events[0], DealRegistered)
    assert [r.agent for r in deal(house).registrations] == ["harbor", "summit", "harbor"]
    assert [r.agent for r in deal(house).standing] == ["summit", "harbor"]


def test_another_deal_of_the_same_customer_is_free() -> None:
    outcome = given(BOOK, REGISTER).when(REGISTER.model_copy(update={"agent": "summit", "deal": "D-2"}))
    assert [type(event) for event in outcome.events] == [DealRegistered]


def test_a_deal_is_won_by_who_registered_it() -> None:
    given(BOOK, REGISTER).when(WIN).then(won())


def test_a_deal_is_lost_with_a_reason() -> None:
    given(BOOK, REGISTER).when(LOSE).then(
        DealLost(
            customer="alder-foods",
            deal="D-1",
            agent="harbor",
            lost_because="stays with the incumbent",
            effective_on=DAY,
        )
    )


@pytest.mark.parametrize(
    "command", [WIN, LOSE, approve(), reject(), extend(), withdraw()], ids=lambda command: command.do
)
def test_only_a_registered_deal_is_decided_on(command: Command) -> None:
    given(BOOK).when(command).then_refused(DealUnknown, "deal D-1 is not registered; register it first")


@pytest.mark.parametrize(
    "again",
    [WIN, LOSE, registers("summit"), approve(), reject(), extend(), withdraw()],
    ids=lambda command: command.do,
)
@pytest.mark.parametrize(("first", "outcome"), [(WIN, "won"), (LOSE, "lost")], ids=["after won", "after lost"])
def test_a_deal_is_won_or_lost_once_and_nothing_is_decided_after_that(
    first: Command, outcome: str, again: Command
) -> None:
    given(BOOK, REGISTER, first).when(again).then_refused(DealClosed, f"deal D-1 is {outcome} already")


# -- rivals


def test_a_rival_claim_is_kept_beside_the_first_and_says_what_it_contests() -> None:
    house = given(BOOK, REGISTER, approve())
    outcome = house.when(registers("summit"))
    assert [type(event) for event in outcome.events] == [DealRegistered, DealContested]
    assert outcome.events[1] == DealContested(
        customer="alder-foods",
        deal="D-1",
        agent="summit",
        vendor="lumen",
        earlier=(StandingClaim(agent="harbor", vendor="lumen", registered_on=DAY, protected_until=UNTIL),),
        effective_on=DAY,
    )
    assert statuses(house) == [("harbor", "approved"), ("summit", "registered")]


def test_a_third_claim_contests_those_that_stand_in_order_of_arrival() -> None:
    house = given(BOOK, registers("summit"), registers("keystone"), REGISTER, withdraw("keystone"))
    contested = house.when(registers("keystone", "zayo")).events[1]
    assert isinstance(contested, DealContested)
    assert [claim.agent for claim in contested.earlier] == ["summit", "harbor"]


def test_who_was_first_is_the_order_of_the_stream_and_not_of_any_date() -> None:
    house = given(BOOK, REGISTER)
    contested = house.when(registers("summit", effective_on=date(2025, 12, 1))).events[1]
    assert isinstance(contested, DealContested)
    assert contested.agent == "summit"
    assert [r.agent for r in deal(house).registrations] == ["harbor", "summit"]


def test_a_claim_contests_nobody_whose_registration_has_ended() -> None:
    outcome = given(BOOK, REGISTER, withdraw()).when(registers("summit"))
    assert [type(event) for event in outcome.events] == [DealRegistered]


# -- approval and protection


def test_an_approved_registration_is_protected_for_the_days_of_the_vendors_agreement_from_its_approval() -> None:
    house = given(BOOK, REGISTER, registers("summit", "zayo"), day(date(2026, 1, 15)))
    house.when(approve()).then(approved(on=date(2026, 1, 15)))
    house.when(approve("summit")).then(approved("summit", "zayo", days=30, on=date(2026, 1, 15)))


def test_where_the_agreement_gives_no_protection_an_approved_registration_keeps_nobody_out() -> None:
    house = given(BOOK, registers("harbor", "qwest"), registers("summit", "qwest"))
    unprotected = RegistrationApproved(
        customer="alder-foods", deal="D-1", agent="harbor", vendor="qwest", protection_days=0, effective_on=DAY
    )
    assert list(deadlines(unprotected)) == []
    house.when(approve()).then(unprotected).when(approve("summit")).then(
        unprotected.model_copy(update={"agent": "summit"})
    )
    house.when(extend()).then_refused(
        NotProtected, "the registration of deal D-1 by harbor is not protected; approve it first"
    )


def test_while_one_is_protected_no_rival_with_the_same_vendor_is_approved() -> None:
    house = given(BOOK, REGISTER, registers("summit"), approve())
    house.when(approve("summit")).then_refused(
        DealProtected,
        "deal D-1 is protected for harbor with lumen until 2026-04-05; let that end before summit's registration",
    )
    house.given(withdraw()).when(approve("summit")).then(approved("summit"))


def test_the_first_to_arrive_need_not_be_the_one_that_is_approved() -> None:
    given(BOOK, REGISTER, registers("summit")).when(approve("summit")).then(approved("summit"))


def test_protection_is_the_vendors_so_that_a_rival_with_another_vendor_is_protected_beside_it() -> None:
    house = given(BOOK, REGISTER, registers("summit", "zayo"), approve())
    house.when(approve("summit")).then(approved("summit", "zayo", days=30))


def test_a_registration_is_approved_or_rejected_once() -> None:
    house = given(BOOK, REGISTER, approve())
    for command in (approve(), reject()):
        house.when(command).then_refused(
            RegistrationAlreadyDecided,
            "the registration of deal D-1 by harbor is approved already, protected until 2026-04-05; "
            "withdraw it to end it",
        )
    given(BOOK, REGISTER).when(reject()).then(
        RegistrationRejected(
            customer="alder-foods",
            deal="D-1",
            agent="harbor",
            vendor="lumen",
            rejected_because="the house has the account",
            effective_on=DAY,
        )
    ).when(approve()).then_refused(
        NoRegistrationStands,
        "the registration of deal D-1 by harbor is rejected since 2026-01-05; register it again",
    )


def test_what_somebody_else_registered_is_not_the_agents_to_have_approved() -> None:
    given(BOOK, REGISTER).when(approve("summit")).then_refused(
        NoRegistrationStands, "deal D-1 is not registered by summit; register it first"
    )


def test_a_terminated_agent_is_not_approved() -> None:
    given(BOOK, REGISTER, TerminateAgent(agent="harbor", effective_on=DAY)).when(approve()).then_refused(
        AgentIsTerminated
    )


def test_a_registration_is_withdrawn_with_a_reason() -> None:
    given(BOOK, REGISTER, approve()).when(withdraw()).then(
        RegistrationWithdrawn(
            customer="alder-foods",
            deal="D-1",
            agent="harbor",
            vendor="lumen",
            withdrawn_because="no budget",
            effective_on=DAY,
        )
    )


# -- extension


def test_an_extension_adds_the_days_of_the_agreement_to_the_present_end() -> None:
    given(BOOK, REGISTER, approve(), day(date(2026, 4, 1))).when(extend()).then(
        RegistrationExtended(
            customer="alder-foods",
            deal="D-1",
            agent="harbor",
            vendor="lumen",
            protected_until=date(2026, 7, 4),
            former_protected_until=UNTIL,
            extended_because="the board meets in May",
            effective_on=date(2026, 4, 1),
        )
    )


@pytest.mark.parametrize(
    ("until", "taken"),
    [
        (date(2026, 4, 5), False),
        (date(2026, 4, 6), True),
        (date(2026, 7, 4), True),
        (date(2026, 7, 5), False),
        (date(2025, 1, 1), False),
    ],
)
def test_an_extension_ends_later_but_not_beyond_another_term(until: date, taken: bool) -> None:
    outcome = given(BOOK, REGISTER, approve()).when(extend(until=until))
    if taken:
        assert [type(event) for event in outcome.events] == [RegistrationExtended]
    else:
        outcome.then_refused(
            ExtensionWrong,
            "the registration of deal D-1 by harbor is protected until 2026-04-05, and lumen's agreement extends it "
            f"until 2026-07-04 at the latest, not until {until}",
        )


def test_only_what_is_protected_is_extended() -> None:
    given(BOOK, REGISTER).when(extend()).then_refused(
        NotProtected, "the registration of deal D-1 by harbor is not protected; approve it first"
    )


# -- expiry


def test_an_approval_and_each_extension_make_the_expiry_due_on_the_first_day_without_protection() -> None:
    house = given(BOOK, REGISTER)
    (first,) = house.when(approve()).events
    (longer,) = house.when(extend()).events
    assert list(deadlines(first)) == [Deadline(FIRST_DAY_WITHOUT, expire())]  # type: ignore[arg-type]
    assert list(deadlines(longer)) == [Deadline(date(2026, 7, 5), expire())]  # type: ignore[arg-type]


def test_a_registration_expires_once_its_last_protected_day_has_passed() -> None:
    house = given(BOOK, REGISTER, approve(), day(UNTIL))
    house.when(expire()).then()
    house.given(day(FIRST_DAY_WITHOUT)).when(expire()).then(expired())
    house.when(expire()).then()


def test_after_skipped_days_it_expired_on_the_day_after_its_last_protected_one_though_that_was_never_opened() -> None:
    given(BOOK, REGISTER, approve(), day(date(2026, 5, 4))).when(expire()).then(expired())


@pytest.mark.parametrize(
    "meanwhile",
    [extend(), withdraw(), WIN, LOSE, referred(), referred("harbor")],
    ids=["extended", "withdrawn", "won", "lost", "another named", "itself named"],
)
def test_what_was_extended_or_has_ended_meanwhile_does_not_expire(meanwhile: Step | Command) -> None:
    given(BOOK, REGISTER, approve(), meanwhile, day(FIRST_DAY_WITHOUT)).when(expire()).then()


def test_each_registration_expires_by_its_own_deadline() -> None:
    """So that what each expiry came from is its own approval."""
    house = given(BOOK, REGISTER, registers("summit", "zayo"), approve(), approve("summit"), day(date(2026, 5, 4)))
    house.when(expire()).then(expired())
    house.when(expire("summit")).then(expired("summit", date(2026, 2, 4), "zayo"))


def test_expiring_what_was_never_registered_leads_to_nothing() -> None:
    given(BOOK).when(expire()).then()


@pytest.mark.parametrize(
    ("command", "then"),
    [
        (registers("harbor", "zayo"), [RegistrationExpired, DealRegistered, DealContested]),
        (approve("summit"), [RegistrationExpired, RegistrationApproved]),
        (win("summit"), [RegistrationExpired, DealWon]),
        (LOSE, [RegistrationExpired, DealLost]),
    ],
    ids=lambda value: getattr(value, "do", ""),
)
def test_what_the_scheduler_has_not_come_to_yet_expires_before_anything_else_is_decided(
    command: Command, then: Sequence[type[Event]]
) -> None:
    house = given(BOOK, REGISTER, registers("summit"), approve(), day(FIRST_DAY_WITHOUT))
    outcome = house.when(command)
    assert [type(event) for event in outcome.events] == list(then)
    assert outcome.events[0] == expired()
    house.when(expire()).then()


@pytest.mark.parametrize("command", [extend(), withdraw(), WIN, LOSE], ids=lambda command: command.do)
def test_what_has_expired_stands_no_more(command: Command) -> None:
    given(BOOK, REGISTER, approve(), day(date(2026, 5, 4))).when(command).then_refused(
        NoRegistrationStands, "the registration of deal D-1 by harbor is expired since 2026-04-06; register it again"
    )


def test_what_was_won_while_it_was_protected_is_won_though_we_learn_it_after_it_expired() -> None:
    house = given(BOOK, REGISTER, approve(), registers("summit"), day(date(2026, 5, 4)), expire(), approve("summit"))
    house.when(win("harbor", FIRST_DAY_WITHOUT)).then_refused(NoRegistrationStands)
    house.when(win("harbor", UNTIL)).then(won(effective_on=UNTIL), lost("summit", "harbor", effective_on=UNTIL))


# -- won and lost among rivals


def test_the_protected_registration_wins_and_its_rivals_are_lost_to_it() -> None:
    house = given(BOOK, registers("summit"), REGISTER, registers("keystone", "zayo"), withdraw("keystone"), approve())
    house.when(WIN).then(won(), lost("summit", "harbor"))
    assert statuses(house) == [("summit", "lost"), ("harbor", "won"), ("keystone", "withdrawn")]


def test_where_nothing_is_approved_the_winner_is_named() -> None:
    house = given(BOOK, REGISTER, registers("summit"))
    house.when(WIN).then_refused(WinnerUnclear, "deal D-1 is registered by harbor, summit; say which agent won it")
    house.when(win("summit")).then(won("summit"), lost("harbor", "summit"))


def test_no_rival_wins_over_a_protected_registration_with_the_same_vendor() -> None:
    house = given(BOOK, REGISTER, registers("summit"), registers("keystone", "zayo"), approve())
    house.when(win("summit")).then_refused(DealProtected)
    house.when(win("keystone")).then(won("keystone"), lost("harbor", "keystone"), lost("summit", "keystone"))


def test_a_lost_deal_is_lost_for_every_registration_that_stands() -> None:
    house = given(BOOK, REGISTER, registers("summit"), registers("keystone"), reject("summit"))
    outcome = house.when(LOSE)
    assert [(type(event), event.agent) for event in outcome.events] == [  # type: ignore[attr-defined]
        (DealLost, "harbor"),
        (DealLost, "keystone"),
    ]
    assert statuses(house) == [("harbor", "lost"), ("summit", "rejected"), ("keystone", "lost")]
    assert deal(house).outcome == "lost"


# -- self-referral


def test_a_customer_opens_its_deal_itself_and_names_its_agent_of_record_for_it() -> None:
    house = given(BOOK)
    house.when(refer(), letter=letter()).then(
        SelfReferralOpened(
            customer="alder-foods",
            deal="D-1",
            agent="summit",
            vendor="lumen",
            products=("dia",),
            scope="head office",
            basis="letter",
            letter=letter(),
            rivals=(),
            effective_on=DAY,
        )
    )
    house.when(WIN).then(won("summit"))


def test_a_self_referral_stands_on_the_customers_letter() -> None:
    given(BOOK).when(refer()).then_refused(
        SelfReferralUnevidenced,
        "deal D-1 is opened by alder-foods on its own word; add evidence: {signer: the customer, signed_on: a date}",
    )


def test_a_self_referral_ends_the_protection_of_a_rival_whose_claim_stays() -> None:
    house = given(BOOK, REGISTER, approve(), registers("keystone"))
    outcome = house.when(refer(), letter=letter())
    opened, ended = outcome.events
    assert isinstance(opened, SelfReferralOpened)
    assert [(rival.agent, rival.protected_until) for rival in opened.rivals] == [("harbor", UNTIL), ("keystone", None)]
    assert ended == ProtectionEnded(
        customer="alder-foods",
        deal="D-1",
        agent="harbor",
        vendor="lumen",
        protected_until=UNTIL,
        named_agent="summit",
        effective_on=DAY,
    )
    assert statuses(house) == [("harbor", "registered"), ("keystone", "registered"), ("summit", "self-referral")]


def test_a_self_referral_also_ends_an_approval_that_gave_no_protection() -> None:
    ended = given(BOOK, registers("harbor", "qwest"), approve()).when(refer(), letter=letter()).events[1]
    assert isinstance(ended, ProtectionEnded)
    assert (ended.agent, ended.vendor, ended.protected_until) == ("harbor", "qwest", None)


@pytest.mark.parametrize("command", [approve(), win("harbor")], ids=lambda command: command.do)
def test_over_whom_the_customer_named_no_rival_is_approved_or_wins(command: Command) -> None:
    house = given(BOOK, REGISTER, referred(), registers("keystone"))
    house.when(command).then_refused(
        AgentNamedByCustomer,
        "the customer opened deal D-1 itself and named summit on 2026-01-05; no other registration is approved or wins",
    )
    house.when(WIN).then(won("summit"), lost("harbor", "summit"), lost("keystone", "summit"))


def test_an_agent_that_the_customer_names_keeps_its_place_in_the_order_of_arrival() -> None:
    house = given(BOOK, REGISTER, registers("summit"), approve(), referred("harbor"))
    assert statuses(house) == [("harbor", "self-referral"), ("summit", "registered")]
    house.when(approve()).then_refused(
        RegistrationAlreadyDecided,
        "the registration of deal D-1 by harbor is the customer's own self-referral; withdraw it to end it",
    )


def test_a_customer_names_one_agent_for_a_deal_at_a_time() -> None:
    house = given(BOOK, referred())
    house.when(refer("harbor"), letter=letter()).then_refused(
        AgentNamedByCustomer,
        "alder-foods named summit for deal D-1 on 2026-01-05; withdraw that registration first",
    )
    outcome = house.given(withdraw("summit")).when(refer("harbor"), letter=letter())
    assert [type(event) for event in outcome.events] == [SelfReferralOpened]


# -- who decides

AT_HARBOR = Actor(issuer="harbor", subject="desk")
FOR_HARBOR = Actor(subject="eve", on_behalf_of="harbor/desk")


@pytest.mark.parametrize("by", [AT_HARBOR, FOR_HARBOR], ids=["of the agent", "on behalf of the agent"])
@pytest.mark.parametrize("agent", ["harbor", "summit"], ids=["its own", "a rival's"])
@pytest.mark.parametrize("command", [approve, reject, extend], ids=["approve", "reject", "extend"])
def test_no_principal_of_an_agent_decides_a_claim_on_a_deal_that_the_agent_claims(
    command: Callable[[str], Command], agent: str, by: Actor
) -> None:
    house = given(BOOK, REGISTER, registers("summit"))
    house.when(command(agent), by=by).then_refused(
        DecidedByClaimant,
        f"{by.principal} is of harbor, which claims deal D-1; let the house decide",
    )


def test_an_agent_withdraws_its_own_registration_and_no_rivals() -> None:
    house = given(BOOK, REGISTER, registers("summit"))
    house.when(withdraw("summit"), by=AT_HARBOR).then_refused(DecidedByClaimant)
    assert house.when(withdraw(), by=AT_HARBOR).refusal is None


@pytest.mark.parametrize("command", [WIN, LOSE, win("harbor")], ids=["win", "lose", "win by name"])
def test_an_agent_says_how_its_deal_ended_unless_it_has_rivals(command: Command) -> None:
    assert given(BOOK, REGISTER).when(command, by=AT_HARBOR).refusal is None
    if command != WIN:
        given(BOOK, REGISTER, registers("summit")).when(command, by=AT_HARBOR).then_refused(DecidedByClaimant)
    given(BOOK, registers("summit"), REGISTER, withdraw()).when(
        WIN if command == win("harbor") else command, by=AT_HARBOR
    ).then_refused(DecidedByClaimant)


def test_no_agent_brings_the_letter_that_names_it() -> None:
    given(BOOK).when(refer("harbor"), by=AT_HARBOR, letter=letter()).then_refused(DecidedByClaimant)


# -- whatever happens

AGENTS_OF = ("harbor", "summit", "keystone")
ASKED: tuple[Step | Command | int, ...] = (
    *(registers(agent, vendor) for agent in AGENTS_OF for vendor in ("lumen", "lumen", "zayo", "qwest")),
    *(approve(agent) for agent in AGENTS_OF * 4),
    *(extend(agent) for agent in AGENTS_OF * 3),
    *(decide(agent) for agent in AGENTS_OF for decide in (reject, withdraw, expire)),
    *(1, 30, 91, 91),
    *(referred("summit"), win("keystone"), LOSE),
)
steps = st.lists(st.sampled_from(ASKED), min_size=25, max_size=50)
"""What a desk may be asked in any order; a number lets so many days pass."""


@examples(steps)
def test_in_whatever_order_things_happen_one_registration_a_vendor_is_protected_and_the_order_of_arrival_stays(
    asked: Sequence[Step | Command | int],
) -> None:
    house = given(BOOK)
    today = DAY
    arrived: tuple[tuple[str, date], ...] = ()
    for step in asked:
        if isinstance(step, int):
            today += timedelta(step)
            house.given(day(today))
            continue
        try:
            house.given(step)
        except Refused:
            continue
        now = house.commands.state("customer:alder-foods").deals.get("D-1", Deal())
        order = tuple((r.agent, r.registered_on) for r in now.registrations)
        assert order[: len(arrived)] == arrived
        arrived = order
        standing = [r.agent for r in now.standing]
        assert len(standing) == len(set(standing))
        protected = [r.vendor for r in now.standing if r.protected]
        assert len(protected) == len(set(protected))
        named = [r for r in now.standing if r.status == "self-referral"]
        assert len(named) <= 1
        assert not (named and protected)
        assert (now.outcome == "won") == ([r.status for r in now.registrations].count("won") == 1)
        assert now.outcome == "open" or not now.standing
