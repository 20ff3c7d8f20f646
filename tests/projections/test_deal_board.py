"""The deal board shows rivals side by side in order of arrival, who is protected until when, and what expires when."""

from collections.abc import Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given as examples

from domain import customer
from domain.calendar import OpenDay
from domain.customer import Customer
from domain.message import Command, Refused
from projections import deal_board
from projections.deal_board import Place, board, expiring
from tests.domain.test_deal import (
    BOOK,
    LOSE,
    REGISTER,
    WIN,
    approve,
    expire,
    extend,
    refer,
    referred,
    registers,
    reject,
    steps,
    withdraw,
)
from tests.projections.story import book, in_batches, story
from tests.spec import DAY, Given, Step, Steps, given, letter

ALWAYS = 2**62
UNTIL = date(2026, 4, 5)


def places(house: Given, known: int = ALWAYS) -> list[Place]:
    return board(book(house.log, deal_board).tables.content["deal_board"], known)


def shown(house: Given, known: int = ALWAYS) -> list[tuple[str, str, date | None]]:
    return [(p.registration.agent, p.registration.status, p.registration.protected_until) for p in places(house, known)]


def test_rivals_stand_side_by_side_in_order_of_arrival_and_keep_their_places() -> None:
    house = given(BOOK, REGISTER, registers("summit", "zayo"), registers("keystone"), approve("keystone"))
    assert [(p.registration.agent, p.place, p.of, p.rivals) for p in places(house)] == [
        ("harbor", 1, 3, 2),
        ("summit", 2, 3, 2),
        ("keystone", 3, 3, 2),
    ]
    house.given(withdraw(), registers("harbor"))
    assert [(p.registration.agent, p.registration.status, p.place, p.rivals) for p in places(house)] == [
        ("harbor", "withdrawn", 1, 2),
        ("summit", "registered", 2, 2),
        ("keystone", "approved", 3, 2),
        ("harbor", "registered", 4, 2),
    ]


def test_a_registration_is_shown_with_what_it_claims_and_as_it_stood_at_any_position() -> None:
    house = given(BOOK, REGISTER)
    registered = len(house.log.events)
    house.given(approve(), OpenDay(date=UNTIL), extend())
    extended = len(house.log.events)
    house.given(OpenDay(date=date(2026, 7, 5)), expire())

    (now,) = places(house)
    assert now.registration == deal_board.Registration(
        arrived=registered,
        position=len(house.log.events),
        deal_of="alder-foods/D-1",
        customer="alder-foods",
        deal="D-1",
        agent="harbor",
        vendor="lumen",
        products='["dia"]',
        scope="two sites",
        registered_on=DAY,
        status="expired",
        since=date(2026, 7, 5),
    )
    assert shown(house, registered) == [("harbor", "registered", None)]
    assert shown(house, registered + 1) == [("harbor", "approved", UNTIL)]
    assert shown(house, extended) == [("harbor", "approved", date(2026, 7, 4))]
    assert shown(house, registered - 1) == []


@pytest.mark.parametrize(
    ("step", "status", "because"),
    [
        (reject(), "rejected", "the house has the account"),
        (withdraw(), "withdrawn", "no budget"),
        (LOSE, "lost", "stays with the incumbent"),
        (WIN, "won", None),
        (referred("harbor"), "self-referral", "letter signed 2025-12-15"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_it_is_shown_how_a_registration_ended_and_why(step: Steps, status: str, because: str | None) -> None:
    (place,) = places(given(BOOK, REGISTER, step))
    assert (place.registration.status, place.registration.because) == (status, because)


def test_whom_the_customer_names_keeps_its_place_or_comes_last_and_ends_its_rivals_protection() -> None:
    house = given(BOOK, REGISTER, registers("summit"), approve())
    arrived = [p.registration.arrived for p in places(house)]
    house.when(refer("summit"), letter=letter())
    assert shown(house) == [("harbor", "registered", None), ("summit", "self-referral", None)]
    assert [p.registration.arrived for p in places(house)] == arrived
    assert places(house)[0].registration.because == "alder-foods named another agent itself"
    assert places(house)[1].registration.scope == "head office"
    house.given(withdraw("summit"))
    house.when(refer("keystone"), letter=letter())
    assert [agent for agent, _, _ in shown(house)] == ["harbor", "summit", "keystone"]


def test_who_lost_to_a_rival_is_told_apart_from_a_lost_deal() -> None:
    house = given(BOOK, REGISTER, registers("summit"), approve("summit"), WIN)
    assert [(p.registration.status, p.registration.because) for p in places(house)] == [
        ("lost", "a rival won the deal"),
        ("won", None),
    ]


def test_the_deals_of_two_customers_that_call_them_alike_stay_apart() -> None:
    house = given(
        BOOK,
        customer.OnboardCustomer(customer="birch"),
        REGISTER,
        REGISTER.model_copy(update={"customer": "birch"}),
        approve(),
    )
    assert [(p.registration.customer, p.registration.status, p.of) for p in places(house)] == [
        ("alder-foods", "approved", 1),
        ("birch", "registered", 1),
    ]


def test_what_expires_this_week_is_what_has_its_last_protected_day_in_it() -> None:
    house = given(BOOK, REGISTER, approve(), registers("summit", "zayo"), registers("keystone"))
    house.given(OpenDay(date=date(2026, 3, 10)), approve("summit"))

    def within(days: int, today: date) -> list[str]:
        return [p.registration.agent for p in expiring(places(house), today, days)]

    assert within(7, date(2026, 3, 28)) == []
    assert within(7, date(2026, 3, 29)) == ["harbor"]
    assert within(0, UNTIL) == ["harbor"]
    assert within(7, UNTIL) == ["harbor", "summit"]
    assert within(7, date(2026, 4, 6)) == ["summit"]
    assert within(10_000_000, DAY) == ["harbor", "summit"]


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_rows_do_not_depend_on_how_events_are_batched(size: int) -> None:
    log = story().log
    written = in_batches(log.events, size, deal_board.tables, deal_board.project)
    assert len(written) > 10
    assert [row.values for row in written] == book(log, deal_board).tables.content["deal_board"]


def folded(house: Given, known: int) -> list[tuple[str, str, str, date, date, date | None]]:
    """The deal as the customer's stream says it, up to a position."""
    state = Customer()
    for recorded in house.log.events[:known]:
        if recorded.stream_id == "customer:alder-foods":
            state = customer.evolve(state, recorded.event)  # type: ignore[arg-type]
    registrations = state.deals["D-1"].registrations if "D-1" in state.deals else ()
    return [
        (r.agent, r.vendor, r.status, r.registered_on, r.since, r.protected_until if r.protected else None)
        for r in registrations
    ]


@examples(steps)
def test_the_board_as_known_at_any_position_is_the_stream_folded_up_to_it(
    asked: Sequence[Step | Command | int],
) -> None:
    house = given(BOOK)
    today = DAY
    for step in asked:
        if isinstance(step, int):
            today += timedelta(step)
            house.given(OpenDay(date=today))
            continue
        try:
            house.given(step)
        except Refused:
            continue
    rows = book(house.log, deal_board).tables.content["deal_board"]
    for known in range(len(house.log.events) + 1):
        on_board = [
            (r.agent, r.vendor, r.status, r.registered_on, r.since, r.protected_until)
            for r, _, _, _ in board(rows, known)
        ]
        assert on_board == folded(house, known)
