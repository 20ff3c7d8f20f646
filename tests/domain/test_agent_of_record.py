"""Agents of record of an account: on the customer's word or by four eyes."""

from datetime import date

import pytest
from pydantic import ValidationError

from domain.agent import AgentIsTerminated, AgentUnknown, NotFirstOfMonth, TerminateAgent
from domain.agent_of_record import (
    AgentNamedTwice,
    AgentOfRecordAlreadyDesignated,
    AgentOfRecordChanged,
    AgentOfRecordChangeProposed,
    AgentOfRecordChangeRejected,
    AgentOfRecordDesignated,
    AgentOfRecordNotDesignated,
    AgentOfRecordUnchanged,
    ApproveAgentOfRecordChange,
    ChangeAgentOfRecord,
    ChangeAlreadyProposed,
    DesignateAgentOfRecord,
    EvidenceMissing,
    NoChangeProposed,
    RejectAgentOfRecordChange,
    StayEndsBeforeChange,
    StaysUntilRenewal,
    Weighted,
)
from domain.message import Actor, Command, SelfApproved
from tests.spec import (
    ACCOUNT,
    AGENTS,
    ALDER_FOODS,
    ANN,
    BOB,
    DAY,
    LUMEN,
    PLAN,
    account,
    designated,
    given,
    letter,
    said,
)

BOOK = (LUMEN, ALDER_FOODS, PLAN, AGENTS)
JANUARY, FEBRUARY, DECEMBER = date(2026, 1, 1), date(2026, 2, 1), date(2025, 12, 1)
HARBOR, SUMMIT = (Weighted(agent="harbor"),), (Weighted(agent="summit"),)


def change(effective_on: date = FEBRUARY, stays: date | None = None, service: str | None = None) -> ChangeAgentOfRecord:
    return ChangeAgentOfRecord(
        account="ACC-1",
        service=service,
        agents=SUMMIT,
        commission_stays=StaysUntilRenewal(at_latest=stays) if stays else None,
        effective_on=effective_on,
    )


APPROVE = ApproveAgentOfRecordChange(account="ACC-1")
REJECT = RejectAgentOfRecordChange(account="ACC-1", rejected_because="the letter is not signed")

# -- the first agent of record


def test_the_customers_letter_designates_the_agents_of_record() -> None:
    agents = (Weighted(agent="harbor", weight=60), Weighted(agent="summit", weight=40))
    given(BOOK, account()).when(
        DesignateAgentOfRecord(account="ACC-1", service="C-1/dia", agents=agents, effective_on=date(2026, 1, 17)),
        letter=letter(),
    ).then(
        AgentOfRecordDesignated(
            account="ACC-1", service="C-1/dia", agents=agents, letter=letter(), effective_on=date(2026, 1, 17)
        )
    )


def test_without_a_letter_nobody_is_designated() -> None:
    given(BOOK, account()).when(
        DesignateAgentOfRecord(account="ACC-1", agents=HARBOR, effective_on=JANUARY)
    ).then_refused(
        EvidenceMissing,
        "the agent of record of ACC-1 is designated on the customer's letter; add evidence: "
        "{signer: the customer, signed_on: a date}",
    )


def test_the_first_agent_of_record_is_designated_once_for_each_scope() -> None:
    house = given(BOOK, ACCOUNT)
    house.when(designated("summit").command, letter=letter()).then_refused(
        AgentOfRecordAlreadyDesignated, "ACC-1 has an agent of record already; change it instead"
    )
    house.given(designated("summit", service="C-1/dia"))
    house.when(designated("harbor", service="C-1/dia").command, letter=letter()).then_refused(
        AgentOfRecordAlreadyDesignated, "service C-1/dia of ACC-1 has an agent of record already; change it instead"
    )


def test_every_agent_of_record_is_recruited_and_named_once() -> None:
    house = given(BOOK, account())
    house.when(designated("harbor", "nobody").command, letter=letter()).then_refused(AgentUnknown)
    house.when(designated("harbor", "summit", "harbor").command, letter=letter()).then_refused(
        AgentNamedTwice, "harbor is named twice; give each agent one weight"
    )


@pytest.mark.parametrize(("effective_on", "taken"), [(date(2026, 1, 31), True), (FEBRUARY, False)])
def test_an_agent_is_designated_until_the_day_of_its_termination(effective_on: date, taken: bool) -> None:
    outcome = given(BOOK, account(), TerminateAgent(agent="harbor", effective_on=FEBRUARY)).when(
        designated("harbor", effective_on=effective_on).command, letter=letter()
    )
    if taken:
        assert [type(event) for event in outcome.events] == [AgentOfRecordDesignated]
    else:
        outcome.then_refused(AgentIsTerminated)


@pytest.mark.parametrize(("weight", "taken"), [(0, False), (1, True), (1_000_000, True), (1_000_001, False)])
def test_a_weight_is_between_one_and_a_million(weight: int, taken: bool) -> None:
    if taken:
        assert Weighted(agent="harbor", weight=weight).weight == weight
    else:
        with pytest.raises(ValidationError):
            Weighted(agent="harbor", weight=weight)


@pytest.mark.parametrize(("count", "taken"), [(0, False), (1, True), (20, True), (21, False)])
def test_one_to_twenty_agents_are_of_record_together(count: int, taken: bool) -> None:
    agents = tuple(Weighted(agent=f"a{n}") for n in range(count))
    if taken:
        assert DesignateAgentOfRecord(account="ACC-1", agents=agents, effective_on=JANUARY).agents == agents
    else:
        with pytest.raises(ValidationError):
            DesignateAgentOfRecord(account="ACC-1", agents=agents, effective_on=JANUARY)


def test_one_agent_is_named_in_short() -> None:
    short = {"account": "ACC-1", "agent": "harbor", "effective_on": "2026-01-01"}
    assert DesignateAgentOfRecord.model_validate(short).agents == HARBOR


# -- changes


def changed(effective_on: date = FEBRUARY, stays: date | None = None, by_letter: bool = True) -> AgentOfRecordChanged:
    return AgentOfRecordChanged(
        account="ACC-1",
        agents=SUMMIT,
        former_agents=HARBOR,
        letter=letter() if by_letter else None,
        commission_stays=StaysUntilRenewal(at_latest=stays) if stays else None,
        proposed_by=Actor(subject=ANN),
        effective_on=effective_on,
    )


def proposed(effective_on: date = FEBRUARY, by_letter: bool = True) -> AgentOfRecordChangeProposed:
    return AgentOfRecordChangeProposed(
        account="ACC-1",
        agents=SUMMIT,
        present_agents=HARBOR,
        letter=letter() if by_letter else None,
        proposed_by=Actor(subject=ANN),
        effective_on=effective_on,
    )


@pytest.mark.parametrize("effective_on", [JANUARY, FEBRUARY], ids=["this month", "next month"])
def test_a_letter_for_this_month_or_later_changes_the_agent_of_record_at_once(effective_on: date) -> None:
    given(BOOK, ACCOUNT).when(change(effective_on), letter=letter()).then(changed(effective_on))


def test_a_letter_that_reaches_back_into_the_month_before_needs_a_second_person() -> None:
    given(BOOK, ACCOUNT).when(change(DECEMBER), letter=letter()).then(proposed(DECEMBER)).when(APPROVE, by=BOB).then(
        changed(DECEMBER)
    )


def test_a_change_without_a_letter_needs_a_second_person() -> None:
    given(BOOK, ACCOUNT).when(change()).then(proposed(by_letter=False)).when(APPROVE, by=BOB).then(
        changed(by_letter=False)
    )


def test_a_change_takes_effect_on_the_first_of_a_month() -> None:
    given(BOOK, ACCOUNT).when(change(date(2026, 2, 2)), letter=letter()).then_refused(
        NotFirstOfMonth,
        "the change of the agent of record on ACC-1 takes effect on the first of a month, not on 2026-02-02",
    )


def test_only_a_designated_agent_of_record_changes() -> None:
    given(BOOK, account()).when(change(), letter=letter()).then_refused(
        AgentOfRecordNotDesignated, "ACC-1 has no agent of record yet; designate one first"
    )
    given(BOOK, ACCOUNT).when(change(service="C-1/dia"), letter=letter()).then_refused(
        AgentOfRecordNotDesignated, "service C-1/dia of ACC-1 has no agent of record yet; designate one first"
    )


def test_the_same_agents_are_no_change() -> None:
    given(BOOK, ACCOUNT, said(change(), letter=letter())).when(change(), letter=letter()).then_refused(
        AgentOfRecordUnchanged, "the agents of record on ACC-1 are those already"
    )


def test_another_weight_is_a_change() -> None:
    both = (Weighted(agent="harbor", weight=2), Weighted(agent="summit"))
    command = ChangeAgentOfRecord(account="ACC-1", agents=both, effective_on=FEBRUARY)
    outcome = given(BOOK, account(), designated("harbor", "summit")).when(command, letter=letter())
    assert [type(event) for event in outcome.events] == [AgentOfRecordChanged]


def test_a_changed_agent_is_recruited_active_and_named_once() -> None:
    twice = ChangeAgentOfRecord(account="ACC-1", agents=SUMMIT * 2, effective_on=FEBRUARY)
    nobody = ChangeAgentOfRecord(account="ACC-1", agents=(Weighted(agent="nobody"),), effective_on=FEBRUARY)
    house = given(BOOK, ACCOUNT)
    house.when(twice, letter=letter()).then_refused(AgentNamedTwice)
    house.when(nobody, letter=letter()).then_refused(AgentUnknown)
    house.given(TerminateAgent(agent="summit", effective_on=FEBRUARY))
    house.when(change(), letter=letter()).then_refused(AgentIsTerminated)


def test_one_change_at_a_time_waits_for_approval() -> None:
    house = given(BOOK, ACCOUNT, change())
    house.when(change(JANUARY), letter=letter()).then_refused(
        ChangeAlreadyProposed, "a change on ACC-1 waits for approval; approve or reject it first"
    )


def test_a_change_of_a_service_waits_beside_one_of_its_account() -> None:
    house = given(BOOK, ACCOUNT, designated("keystone", service="C-1/dia"), change())
    outcome = house.when(change(service="C-1/dia"))
    assert [type(event) for event in outcome.events] == [AgentOfRecordChangeProposed]
    house.given(said(ApproveAgentOfRecordChange(account="ACC-1", service="C-1/dia"), by=BOB))
    house.when(APPROVE, by=BOB).then(changed(by_letter=False))


@pytest.mark.parametrize(
    ("approver", "taken"),
    [
        (Actor(subject="bob"), True),
        (Actor(issuer="okta", subject="ann"), True),
        (Actor(subject="ann"), False),
        (Actor(subject="bob", on_behalf_of="house/ann"), False),
    ],
    ids=["another person", "the same name elsewhere", "the same person", "somebody for the same person"],
)
def test_a_change_is_approved_by_a_second_person(approver: Actor, taken: bool) -> None:
    outcome = given(BOOK, ACCOUNT, change()).when(APPROVE, by=approver)
    if taken:
        outcome.then(changed(by_letter=False))
    else:
        outcome.then_refused(
            SelfApproved,
            "the change of the agent of record on ACC-1 was proposed by house/ann; let another principal approve it",
        )


def test_a_change_is_rejected_with_a_reason_and_may_be_proposed_again() -> None:
    house = given(BOOK, ACCOUNT, change())
    house.when(REJECT).then(
        AgentOfRecordChangeRejected(
            account="ACC-1",
            agents=SUMMIT,
            present_agents=HARBOR,
            rejected_because="the letter is not signed",
            effective_on=DAY,
        )
    )
    house.when(change()).then(proposed(by_letter=False))


@pytest.mark.parametrize("command", [APPROVE, REJECT], ids=["approve", "reject"])
def test_only_a_proposed_change_is_approved_or_rejected(command: Command) -> None:
    given(BOOK, ACCOUNT).when(command, by=BOB).then_refused(
        NoChangeProposed,
        "no change of the agent of record on ACC-1 waits for approval; one with the customer's letter, for this month "
        "or later, needs none",
    )
    given(BOOK, ACCOUNT, change(), said(APPROVE, by=BOB)).when(command, by=BOB).then_refused(NoChangeProposed)


def test_commission_stays_with_the_former_agent_for_a_day_at_least() -> None:
    given(BOOK, ACCOUNT).when(change(stays=date(2026, 2, 2)), letter=letter()).then(changed(stays=date(2026, 2, 2)))


@pytest.mark.parametrize("stays", [FEBRUARY, JANUARY], ids=["until the day of the change", "until before it"])
def test_commission_does_not_stay_until_the_change_or_before(stays: date) -> None:
    given(BOOK, ACCOUNT).when(change(stays=stays), letter=letter()).then_refused(
        StayEndsBeforeChange, f"commission on ACC-1 would stay until {stays}, not after the change on 2026-02-01"
    )
