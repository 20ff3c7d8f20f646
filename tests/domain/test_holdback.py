"""A part of what is newly earned is held back when it is paid, and owed again when its day is opened."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from domain.agent import Holdback, RecruitAgent, SignAgreement, SuspendAgent, TerminateAgent
from domain.calendar import OpenDay
from domain.message import Actor
from domain.payout import (
    CarriedLine,
    CommissionHeld,
    HeldCommissionReleased,
    NothingToPay,
    PayoutLine,
    PayoutNotReleased,
    PayoutNotSent,
    PayoutReleased,
    PayoutReturned,
    PayoutSettled,
    PayoutWithdrawn,
    PayRunProposed,
    PayRunReleased,
    ReleaseHoldback,
)
from domain.policies import Deadline, deadlines
from tests.domain.test_payout import approve, come_back, earned, propose, release, sent, settle, withdraw
from tests.spec import BOB, DAY, PLAN, Given, Steps, given

UNTIL = date(2026, 4, 5)
"""Ninety days after the first open day, 2026-01-05."""


def agreement(rate: str = "10%", days: int = 90, minimum: int = 0, agent: str = "harbor") -> SignAgreement:
    return SignAgreement(
        agent=agent,
        plan="standard",
        minimum_payout_minor=minimum,
        holdback=Holdback.model_validate({"rate": rate, "days": days}),
    )


def book(rate: str = "10%", days: int = 90, minimum: int = 0) -> tuple[Steps, ...]:
    return (PLAN, RecruitAgent(agent="harbor"), agreement(rate, days, minimum))


BOOK = book()
HELD = {"agent": "harbor", "pay_run": "2026-01", "currency": "USD", "amount_minor": 1000}


def give_back(run: str = "2026-01") -> ReleaseHoldback:
    return ReleaseHoldback(agent="harbor", pay_run=run, currency="USD")


def line(house: Given, earned_minor: int, run: str) -> PayoutLine | CarriedLine:
    """What a run of harbor's figure proposes; somebody else is always paid in it."""
    other = earned("other", len(house.log.events))
    proposed = house.when(propose(earned("harbor", earned_minor), other, run=run)).events[0]
    assert isinstance(proposed, PayRunProposed)
    lines: list[PayoutLine | CarriedLine] = [*proposed.payouts, *proposed.carried]
    return next(found for found in lines if found.agent == "harbor")


def paid_and_held(house: Given, earned_minor: int, run: str) -> tuple[int, int, int]:
    """What a run pays harbor, what it holds, and what is still held of earlier ones; the run is then released."""
    found = line(house, earned_minor, run)
    assert isinstance(found, PayoutLine)
    house.given(approve(run), release(run))
    return found.amount_minor, found.newly_held_minor, found.held_minor


# -- holding


def test_a_payout_of_newly_earned_commission_leaves_a_part_back() -> None:
    found = line(given(BOOK), 10000, "2026-01")
    assert found == PayoutLine(
        agent="harbor",
        currency="USD",
        earned_minor=10000,
        paid_minor=0,
        held_minor=0,
        newly_held_minor=1000,
        hold_days=90,
        amount_minor=9000,
    )


def test_when_the_run_is_released_then_the_part_is_held_from_that_day() -> None:
    given(BOOK, propose(earned("harbor", 10000)), approve()).when(release()).then(
        PayRunReleased(pay_run="2026-01", effective_on=DAY),
        PayoutReleased(
            agent="harbor",
            pay_run="2026-01",
            currency="USD",
            amount_minor=9000,
            approved_by=Actor(subject=BOB),
            effective_on=DAY,
        ),
        CommissionHeld(**HELD, held_until=UNTIL, effective_on=DAY),
    )


def test_the_days_count_from_the_release_not_from_the_proposal() -> None:
    house = given(BOOK, propose(earned("harbor", 10000)), approve(), OpenDay(date=date(2026, 1, 20)))
    (held,) = [e for e in house.when(release()).events if isinstance(e, CommissionHeld)]
    assert held.held_until == date(2026, 1, 20) + timedelta(90)


@pytest.mark.parametrize(("earned_minor", "held"), [(4, 0), (5, 1), (14, 1), (15, 2), (104, 10), (105, 11)], ids=str)
def test_a_part_is_rounded_half_away_from_zero(earned_minor: int, held: int) -> None:
    found = line(given(BOOK), earned_minor, "2026-01")
    assert isinstance(found, PayoutLine)
    assert (found.newly_held_minor, found.amount_minor) == (held, earned_minor - held)


def test_only_what_was_newly_earned_since_the_last_payout_is_held_in_part() -> None:
    """100.00: 90.00 and 10.00 held. 150.00: 10% of 50.00, not of 60.00. 150.00 again: nothing new, nothing to pay."""
    house = given(BOOK)
    assert paid_and_held(house, 10000, "1") == (9000, 1000, 0)
    assert paid_and_held(house, 15000, "2") == (4500, 500, 1000)
    house.when(propose(earned("harbor", 15000), run="3")).then_refused(
        NothingToPay, "pay run 3 has nothing to pay as known at position 40; carried: harbor 0.00 USD (nothing owed)"
    )


def test_each_currency_is_held_on_its_own() -> None:
    house = given(BOOK, sent(earned("harbor", 10000), earned("harbor", 5000, "CAD")))
    run = house.when(propose(earned("harbor", 10000), earned("harbor", 7000, "CAD"), run="2026-02")).events[0]
    assert isinstance(run, PayRunProposed)
    assert [(p.currency, p.amount_minor, p.newly_held_minor, p.held_minor) for p in run.payouts] == [
        ("CAD", 1800, 200, 500)
    ]


def test_an_agent_without_a_holdback_is_paid_whole() -> None:
    house = given(PLAN, RecruitAgent(agent="harbor"), SignAgreement(agent="harbor", plan="standard"))
    assert paid_and_held(house, 10000, "1") == (10000, 0, 0)


def test_a_later_agreement_holds_from_its_first_payout_on_and_what_is_held_stays() -> None:
    house = given(PLAN, RecruitAgent(agent="harbor"), SignAgreement(agent="harbor", plan="standard"))
    assert paid_and_held(house, 10000, "1") == (10000, 0, 0)
    house.given(agreement("20%"))
    assert paid_and_held(house, 15000, "2") == (4000, 1000, 0)
    house.given(SignAgreement(agent="harbor", plan="standard"))
    assert paid_and_held(house, 16000, "3") == (1000, 0, 1000)


# -- less than was earned before


def test_a_chargeback_holds_nothing_and_is_recovered_before_anything_is_held_again() -> None:
    """90.00 paid and 10.00 held of 100.00; 40.00 are charged back: -40.00 owed, which is what the house is short of.

    Then 110.00: 10.00 newly earned since the last payout, 1.00 of it held, and 9.00 are paid.
    """
    house = given(BOOK)
    assert paid_and_held(house, 10000, "1") == (9000, 1000, 0)
    after = line(house, 6000, "2")
    assert isinstance(after, CarriedLine)
    assert (after.balance_minor, after.carried_because) == (-4000, "negative")
    house.given(withdraw("2"))
    assert paid_and_held(house, 11000, "3") == (900, 100, 1000)


def test_a_run_that_only_pays_what_is_owed_again_holds_nothing_of_it() -> None:
    house = given(BOOK)
    paid_and_held(house, 10000, "1")
    house.given(OpenDay(date=UNTIL), give_back("1"))
    assert paid_and_held(house, 10000, "2") == (1000, 0, 0)


# -- the minimum


def test_the_minimum_is_compared_with_what_would_be_sent_and_a_carried_balance_holds_nothing() -> None:
    """26.00 less 10% is 23.40, below 25.00: carried whole. 30.00: 3.00 held of all 30.00, 27.00 sent."""
    house = given(book(minimum=2500))
    carried = line(house, 2600, "1")
    assert isinstance(carried, CarriedLine)
    assert (carried.balance_minor, carried.carried_because, carried.minimum_payout_minor) == (
        2600,
        "below the minimum",
        2500,
    )
    house.given(withdraw("1"))
    assert paid_and_held(house, 3000, "2") == (2700, 300, 0)


# -- all of it


def test_where_all_is_held_nothing_is_sent_and_no_minimum_is_asked_for() -> None:
    house = given(book("100%", 180, minimum=2500), propose(earned("harbor", 1000)), approve())
    house.when(release()).then(
        PayRunReleased(pay_run="2026-01", effective_on=DAY),
        CommissionHeld(**HELD, held_until=DAY + timedelta(180), effective_on=DAY),
    )
    house.when(settle("harbor")).then_refused(
        PayoutNotReleased, "the payout of harbor in 2026-01 is held, not on its way"
    )
    house.when(come_back()).then_refused(PayoutNotSent)
    assert house.when(settle(None)).events == []
    house.given(OpenDay(date=DAY + timedelta(180)), give_back(), agreement("100%", 180))
    assert paid_and_held(house, 1000, "2") == (1000, 0, 0)


def test_where_all_of_one_currency_is_held_then_the_money_of_another_is_confirmed_and_comes_back() -> None:
    house = given(book("50%"), propose(earned("harbor", 10000), earned("harbor", 1, "EUR")), approve(), release())
    (confirmed,) = house.when(settle("harbor")).events
    assert isinstance(confirmed, PayoutSettled)
    (returned,) = house.when(come_back()).events
    assert isinstance(returned, PayoutReturned)
    assert (returned.amount_minor, returned.currency, returned.was_settled) == (5000, "USD", True)


# -- withdrawn and returned


def test_a_withdrawn_payout_holds_nothing_and_the_next_one_counts_from_before_it() -> None:
    house = given(BOOK)
    assert line(house, 10000, "1").newly_held_minor == 1000  # type: ignore[union-attr]
    assert not [e for e in house.when(withdraw("1")).events if isinstance(e, CommissionHeld)]
    assert paid_and_held(house, 15000, "2") == (13500, 1500, 0)


def test_a_payout_that_is_withdrawn_at_the_release_because_the_agent_is_suspended_holds_nothing() -> None:
    house = given(BOOK, propose(earned("harbor", 10000)), approve())
    house.given(SuspendAgent(agent="harbor", suspended_because="a complaint"))
    house.when(release()).then(
        PayRunReleased(pay_run="2026-01", effective_on=DAY),
        PayoutWithdrawn(agent="harbor", pay_run="2026-01", currency="USD", amount_minor=9000, effective_on=DAY),
    )
    assert house.when(settle(None)).events == []


def test_what_came_back_is_paid_again_whole_and_its_hold_stays() -> None:
    house = given(BOOK)
    paid_and_held(house, 10000, "1")
    house.when(come_back(run="1")).then(
        PayoutReturned(
            agent="harbor",
            pay_run="1",
            currency="USD",
            amount_minor=9000,
            returned_because="account closed",
            was_settled=False,
            effective_on=DAY,
        )
    )
    assert paid_and_held(house, 10000, "2") == (9000, 0, 1000)
    house.given(OpenDay(date=UNTIL), give_back("1"))
    assert paid_and_held(house, 10000, "3") == (1000, 0, 0)


# -- releasing


def test_a_hold_makes_its_release_due() -> None:
    held = CommissionHeld(**HELD, held_until=UNTIL, effective_on=DAY)
    assert list(deadlines(held)) == [Deadline(UNTIL, give_back())]


@pytest.mark.parametrize("opened", [UNTIL, UNTIL + timedelta(30)])
def test_when_its_day_or_a_later_one_is_open_then_what_was_held_is_owed_again(opened: date) -> None:
    given(BOOK, sent(earned("harbor", 10000)), OpenDay(date=opened)).when(give_back()).then(
        HeldCommissionReleased(**HELD, held_until=UNTIL, effective_on=opened)
    )


def test_before_its_day_nothing_is_released_and_afterwards_once() -> None:
    house = given(BOOK, sent(earned("harbor", 10000)), OpenDay(date=UNTIL - timedelta(1)))
    assert house.when(give_back()).then() is house
    house.given(OpenDay(date=UNTIL), give_back())
    house.when(give_back()).then()


def test_what_was_never_held_is_not_released() -> None:
    given(BOOK, OpenDay(date=UNTIL)).when(give_back()).then()


def test_a_terminated_agents_hold_stands_until_its_day_and_is_then_owed() -> None:
    ended = TerminateAgent(agent="harbor", effective_on=date(2026, 2, 1))
    house = given(BOOK, sent(earned("harbor", 10000)), ended, OpenDay(date=UNTIL))
    assert [type(e) for e in house.when(give_back()).events] == [HeldCommissionReleased]
    assert paid_and_held(house, 10000, "2") == (1000, 0, 0)


def test_settling_a_run_leaves_what_it_holds_where_it_is() -> None:
    house = given(BOOK, sent(earned("harbor", 10000)))
    assert [type(e) for e in house.when(settle(None)).events] == [PayoutSettled]
    assert line(house, 20000, "2").held_minor == 1000  # type: ignore[union-attr]


# -- the terms


@pytest.mark.parametrize(("rate", "days"), [("0", 90), ("101%", 90), ("10%", 0), ("10%", 4000)])
def test_a_holdback_is_a_part_for_some_days(rate: str, days: int) -> None:
    with pytest.raises(ValueError, match="Input should be"):
        Holdback.model_validate({"rate": rate, "days": days})


def test_a_rate_is_exact() -> None:
    assert Holdback.model_validate({"rate": "12.5%", "days": 30}).rate == Decimal("0.125")


def test_an_agreement_says_what_it_holds_back() -> None:
    (signed,) = given(PLAN, RecruitAgent(agent="harbor")).when(agreement()).events
    assert signed.holdback == Holdback(rate=Decimal("0.1"), days=90)  # type: ignore[attr-defined]
