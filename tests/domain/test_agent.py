"""Agents: recruited once, uplines without circles, changes from the first of a month."""

from datetime import date

import pytest
from pydantic import ValidationError

from domain.agent import (
    AgentAlreadyRecruited,
    AgentIsSuspended,
    AgentIsTerminated,
    AgentNotSuspended,
    AgentRecruited,
    AgentReinstated,
    AgentSuspended,
    AgentTerminated,
    AgentUnknown,
    AgreementSigned,
    ChangeUpline,
    NotFirstOfMonth,
    PlanUnpublished,
    RecruitAgent,
    ReinstateAgent,
    ReinstatedBeforeSuspended,
    SignAgreement,
    SuspendAgent,
    TerminateAgent,
    UplineChanged,
    UplineCircular,
    UplineUnchanged,
)
from domain.deal import RegisterDeal
from domain.plan import ProposePlanVersion
from tests.spec import AGENTS, ALDER_FOODS, DAY, LUMEN, PLAN, given, said

FEBRUARY = date(2026, 2, 1)
BOOK = (PLAN, AGENTS)


def test_an_agent_is_recruited_under_an_upline() -> None:
    given(RecruitAgent(agent="keystone")).when(
        RecruitAgent(agent="harbor", partner_type="sub-agent", category="gold", upline="keystone")
    ).then(
        AgentRecruited(agent="harbor", partner_type="sub-agent", category="gold", upline="keystone", effective_on=DAY)
    )


def test_an_agent_is_recruited_once() -> None:
    given(RecruitAgent(agent="harbor")).when(RecruitAgent(agent="harbor")).then_refused(
        AgentAlreadyRecruited, "agent harbor is recruited already"
    )


def test_an_upline_is_recruited_first() -> None:
    given().when(RecruitAgent(agent="harbor", upline="keystone")).then_refused(
        AgentUnknown, "agent keystone is not recruited; recruit the agent first"
    )


def test_an_agreement_names_a_published_plan_and_the_least_payout() -> None:
    given(PLAN, RecruitAgent(agent="harbor")).when(
        SignAgreement(agent="harbor", plan="standard", minimum_payout_minor=2500, currency="CAD", effective_on=FEBRUARY)
    ).then(
        AgreementSigned(
            agent="harbor", plan="standard", minimum_payout_minor=2500, currency="CAD", effective_on=FEBRUARY
        )
    )


def test_only_a_recruited_agent_signs() -> None:
    given(PLAN).when(SignAgreement(agent="harbor", plan="standard")).then_refused(AgentUnknown)


@pytest.mark.parametrize("steps", [(), (ProposePlanVersion(plan="standard"),)], ids=["unknown", "only proposed"])
def test_nobody_signs_a_plan_without_a_published_version(steps: tuple[ProposePlanVersion, ...]) -> None:
    given(RecruitAgent(agent="harbor"), steps).when(SignAgreement(agent="harbor", plan="standard")).then_refused(
        PlanUnpublished, "plan standard has no published version; publish one first"
    )


def test_a_least_payout_is_not_negative_and_not_a_float() -> None:
    assert SignAgreement(agent="harbor", plan="standard", minimum_payout_minor=0).minimum_payout_minor == 0
    for wrong in (-1, 25.0, "25.5"):
        with pytest.raises(ValidationError):
            SignAgreement(agent="harbor", plan="standard", minimum_payout_minor=wrong)


def test_an_upline_changes_from_the_first_of_a_month() -> None:
    given(BOOK).when(ChangeUpline(agent="harbor", upline="summit", effective_on=FEBRUARY)).then(
        UplineChanged(agent="harbor", upline="summit", former_upline="keystone", effective_on=FEBRUARY)
    )


def test_an_upline_ends() -> None:
    given(BOOK).when(ChangeUpline(agent="harbor", effective_on=FEBRUARY)).then(
        UplineChanged(agent="harbor", upline=None, former_upline="keystone", effective_on=FEBRUARY)
    )


@pytest.mark.parametrize("day", [date(2026, 2, 2), date(2026, 1, 31)])
def test_an_upline_does_not_change_within_a_month(day: date) -> None:
    given(BOOK).when(ChangeUpline(agent="harbor", upline="summit", effective_on=day)).then_refused(
        NotFirstOfMonth, f"the change of harbor's upline takes effect on the first of a month, not on {day}"
    )


def test_an_upline_that_is_one_already_does_not_change() -> None:
    given(BOOK).when(ChangeUpline(agent="harbor", upline="keystone", effective_on=FEBRUARY)).then_refused(
        UplineUnchanged, "the upline of harbor is keystone already"
    )
    given(BOOK).when(ChangeUpline(agent="summit", effective_on=FEBRUARY)).then_refused(
        UplineUnchanged, "the upline of summit is the house already"
    )


def test_only_a_recruited_agent_becomes_an_upline() -> None:
    given(BOOK).when(ChangeUpline(agent="harbor", upline="nobody", effective_on=FEBRUARY)).then_refused(AgentUnknown)


@pytest.mark.parametrize(
    ("agent", "upline"),
    [("summit", "summit"), ("summit", "keystone"), ("summit", "harbor")],
    ids=["a circle of one", "a circle of two", "a circle of three"],
)
def test_nobody_is_the_own_upline(agent: str, upline: str) -> None:
    given(BOOK).when(ChangeUpline(agent=agent, upline=upline, effective_on=FEBRUARY)).then_refused(
        UplineCircular, f"{agent} would be its own upline through {upline}; name another upline"
    )


def test_nobody_is_recruited_under_oneself() -> None:
    given().when(RecruitAgent(agent="harbor", upline="harbor")).then_refused(UplineCircular)


def test_a_chain_that_was_opened_may_be_closed_the_other_way_round() -> None:
    given(BOOK, ChangeUpline(agent="keystone", effective_on=FEBRUARY)).when(
        ChangeUpline(agent="summit", upline="harbor", effective_on=FEBRUARY)
    ).then(UplineChanged(agent="summit", upline="harbor", former_upline=None, effective_on=FEBRUARY))


def test_an_agent_is_terminated_once() -> None:
    terminate = TerminateAgent(agent="harbor", effective_on=date(2026, 6, 30), evergreen=True)
    house = (
        given(BOOK)
        .when(terminate)
        .then(AgentTerminated(agent="harbor", upline="keystone", evergreen=True, effective_on=date(2026, 6, 30)))
    )
    house.when(terminate).then_refused(AgentIsTerminated, "agent harbor is terminated since 2026-06-30")


def test_only_a_recruited_agent_is_terminated() -> None:
    given().when(TerminateAgent(agent="harbor", effective_on=FEBRUARY)).then_refused(AgentUnknown)


def test_a_terminated_agent_signs_and_changes_until_the_day_of_the_end() -> None:
    book = (BOOK, TerminateAgent(agent="harbor", effective_on=FEBRUARY))
    last_day, the_day = date(2026, 1, 31), FEBRUARY
    given(book).when(SignAgreement(agent="harbor", plan="standard", effective_on=last_day)).then(
        AgreementSigned(agent="harbor", plan="standard", minimum_payout_minor=0, currency="USD", effective_on=last_day)
    )
    given(book).when(SignAgreement(agent="harbor", plan="standard", effective_on=the_day)).then_refused(
        AgentIsTerminated, "agent harbor is terminated since 2026-02-01"
    )
    given(book).when(ChangeUpline(agent="harbor", upline="summit", effective_on=the_day)).then_refused(
        AgentIsTerminated
    )
    given(book).when(ChangeUpline(agent="harbor", upline="summit", effective_on=date(2026, 1, 1))).then(
        UplineChanged(agent="harbor", upline="summit", former_upline="keystone", effective_on=date(2026, 1, 1))
    )


def test_somebody_else_may_still_be_given_the_former_upline_of_a_terminated_agent() -> None:
    given(BOOK, said(TerminateAgent(agent="harbor", effective_on=FEBRUARY), by="bob")).when(
        RecruitAgent(agent="pier", upline="keystone")
    ).then(AgentRecruited(agent="pier", partner_type="agent", category="standard", upline="keystone", effective_on=DAY))


# -- suspended and reinstated


SUSPEND = SuspendAgent(agent="harbor", suspended_because="a complaint is open")
REINSTATE = ReinstateAgent(agent="harbor")


def test_an_agent_is_suspended_with_a_reason_and_its_upline_is_told() -> None:
    given(BOOK).when(SUSPEND).then(
        AgentSuspended(agent="harbor", upline="keystone", suspended_because="a complaint is open", effective_on=DAY)
    )


def test_an_agent_is_suspended_once() -> None:
    given(BOOK, SUSPEND).when(SUSPEND).then_refused(
        AgentIsSuspended, "agent harbor is suspended since 2026-01-05; reinstate it first"
    )


def test_an_agent_whose_reinstatement_is_still_to_come_is_suspended_already() -> None:
    later = ReinstateAgent(agent="harbor", effective_on=FEBRUARY)
    given(BOOK, SUSPEND, later).when(SUSPEND).then_refused(
        AgentIsSuspended, "agent harbor is suspended since 2026-01-05 until 2026-02-01; reinstate it first"
    )


def test_a_suspended_agent_is_reinstated_and_may_be_suspended_again() -> None:
    house = given(BOOK, SUSPEND)
    house.when(REINSTATE).then(
        AgentReinstated(agent="harbor", upline="keystone", suspended_since=DAY, effective_on=DAY)
    )
    assert isinstance(house.when(SUSPEND).events[0], AgentSuspended)


def test_only_a_suspended_agent_is_reinstated() -> None:
    given(BOOK).when(REINSTATE).then_refused(
        AgentNotSuspended, "agent harbor is not suspended; there is nothing to reinstate"
    )
    given(BOOK, SUSPEND, REINSTATE).when(REINSTATE).then_refused(AgentNotSuspended)


def test_nobody_is_reinstated_before_the_suspension() -> None:
    from_february = SuspendAgent(agent="harbor", suspended_because="audit", effective_on=FEBRUARY)
    given(BOOK, from_february).when(REINSTATE).then_refused(
        ReinstatedBeforeSuspended,
        "agent harbor is suspended since 2026-02-01; reinstate it from that day or a later one, not from 2026-01-05",
    )


def test_a_suspended_agent_signs_an_agreement_changes_its_upline_and_is_terminated() -> None:
    """It is the payouts that are held, not the relation."""
    house = given(BOOK, SUSPEND)
    assert house.when(SignAgreement(agent="harbor", plan="standard", effective_on=FEBRUARY)).refusal is None
    assert house.when(ChangeUpline(agent="harbor", upline=None, effective_on=FEBRUARY)).refusal is None
    assert house.when(TerminateAgent(agent="harbor", effective_on=FEBRUARY)).refusal is None


def test_a_terminated_agent_may_be_suspended_so_that_what_it_is_owed_waits() -> None:
    given(BOOK, TerminateAgent(agent="harbor", effective_on=DAY, evergreen=True)).when(SUSPEND).then(
        AgentSuspended(agent="harbor", upline="keystone", suspended_because="a complaint is open", effective_on=DAY)
    )


def test_a_suspended_agent_registers_no_deal() -> None:
    register = RegisterDeal(customer="alder-foods", deal="D-1", agent="harbor", vendor="lumen")
    house = given(LUMEN, ALDER_FOODS, BOOK, SUSPEND)
    house.when(register).then_refused(
        AgentIsSuspended, "agent harbor is suspended since 2026-01-05; reinstate the agent first"
    )
    assert house.given(REINSTATE).when(register).refusal is None
