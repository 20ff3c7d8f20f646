"""The payout book: every pay run, each agent's line in it, and what became of it, by agent.

It answers which runs were released, what they paid, held back or carried of whom, and what is held until when. A run's
lines are those of its proposal; whether a line was sent says a movement: an agent that was suspended in between has a
line in a released run, and a withdrawal.
"""

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple, assert_never, cast

from domain.house import HouseEvent
from domain.message import Recorded
from domain.payout import (
    CommissionHeld,
    HeldCommissionReleased,
    PayoutEvent,
    PayoutProposed,
    PayoutReleased,
    PayoutReturned,
    PayoutSettled,
    PayoutWithdrawn,
    PayRunApproved,
    PayRunEvent,
    PayRunProposed,
    PayRunReleased,
    PayRunWithdrawn,
)
from projections.projection import Column, KeyedState, Row, Table

RUN = Table(
    "payout_run",
    (
        Column("pay_run", "text", "the pay run"),
        Column("position", "bigint", "position of the event"),
        Column("status", "text", "what it became there: proposed, approved, released or withdrawn"),
        Column("as_known_at", "bigint", "ledger position of its figures, where it was proposed", True),
        Column("effective_on", "date", "when that holds in the world"),
    ),
    ("pay_run", "position"),
)
LINE = Table(
    "payout_line",
    (
        Column("agent", "text", "whose line of a pay run it is"),
        Column("currency", "text", "ISO 4217"),
        Column("position", "bigint", "position at which the pay run was proposed"),
        Column("pay_run", "text", "the pay run"),
        Column("as_known_at", "bigint", "ledger position of its figures"),
        Column("amount_minor", "bigint", "what is to be sent, minor units; 0 where the balance is carried"),
        Column("newly_held_minor", "bigint", "what is to be held back besides, minor units"),
        Column("carried_minor", "bigint", "the balance that is carried, minor units; below zero the agent owes it"),
        Column("carried_because", "text", "why it is carried; none: it is paid", True),
        Column("minimum_payout_minor", "bigint", "the minimum that a carried balance was compared with", True),
    ),
    ("agent", "currency", "position"),
    (("pay_run",),),
)
MOVE = Table(
    "payout_move",
    (
        Column("agent", "text", "whose payout it is"),
        Column("currency", "text", "ISO 4217"),
        Column("position", "bigint", "position of the event"),
        Column("pay_run", "text", "the pay run whose payout it is"),
        Column("what", "text", "sent, settled, returned, withdrawn, held, or owed-again"),
        Column("amount_minor", "bigint", "minor units, above zero"),
        Column("effective_on", "date", "when it holds in the world"),
        Column("held_until", "date", "first day on which what is held may be owed again", True),
        Column("because", "text", "why it came back", True),
    ),
    ("agent", "currency", "position"),
    (("pay_run",),),
)

name = "payout_book"
version = 1
tables = (RUN, LINE, MOVE)


class Line(NamedTuple):
    """One row of an agent's lines."""

    agent: str
    currency: str
    position: int
    pay_run: str
    as_known_at: int
    amount_minor: int
    newly_held_minor: int
    carried_minor: int
    carried_because: str | None
    minimum_payout_minor: int | None


class Move(NamedTuple):
    """One row of what became of an agent's payouts."""

    agent: str
    currency: str
    position: int
    pay_run: str
    what: str
    amount_minor: int
    effective_on: date
    held_until: date | None = None
    because: str | None = None


def project(recorded: Recorded, state: KeyedState) -> Iterable[Row]:
    """The rows that one event adds: of a pay run, and of one agent's payouts."""
    event = cast(HouseEvent, recorded.event)
    if isinstance(event, PayRunEvent):
        return _run(event, recorded.position)
    if isinstance(event, PayoutEvent):
        return _payout(event, recorded.position)
    return ()


def _run(event: PayRunEvent, position: int) -> Iterable[Row]:
    def became(status: str, as_known_at: int | None = None) -> Row:
        return Row(RUN.name, (event.pay_run, position, status, as_known_at, event.effective_on))

    match event:
        case PayRunProposed():
            yield became("proposed", event.as_known_at)
            for line in _lines(event, position):
                yield Row(LINE.name, line)
        case PayRunApproved():
            yield became("approved")
        case PayRunReleased():
            yield became("released")
        case PayRunWithdrawn():
            yield became("withdrawn")
        case _:
            assert_never(event)


def _lines(event: PayRunProposed, position: int) -> Iterable[Line]:
    for paid in event.payouts:
        yield Line(
            agent=paid.agent,
            currency=paid.currency,
            position=position,
            pay_run=event.pay_run,
            as_known_at=event.as_known_at,
            amount_minor=paid.amount_minor,
            newly_held_minor=paid.newly_held_minor,
            carried_minor=0,
            carried_because=None,
            minimum_payout_minor=None,
        )
    for carried in event.carried:
        yield Line(
            agent=carried.agent,
            currency=carried.currency,
            position=position,
            pay_run=event.pay_run,
            as_known_at=event.as_known_at,
            amount_minor=0,
            newly_held_minor=0,
            carried_minor=carried.balance_minor,
            carried_because=carried.carried_because,
            minimum_payout_minor=carried.minimum_payout_minor,
        )


def _payout(event: PayoutEvent, position: int) -> Iterable[Row]:
    def moved(what: str, **more: Any) -> Iterable[Row]:
        move = Move(event.agent, event.currency, position, event.pay_run, what, event.amount_minor, event.effective_on)
        return (Row(MOVE.name, move._replace(**more)),)

    match event:
        case PayoutProposed():  # its line stands in the pay run's proposal
            return ()
        case PayoutReleased():
            return moved("sent")
        case PayoutSettled():
            return moved("settled")
        case PayoutReturned():
            return moved("returned", because=event.returned_because)
        case PayoutWithdrawn():
            return moved("withdrawn")
        case CommissionHeld():
            return moved("held", held_until=event.held_until)
        case HeldCommissionReleased():
            return moved("owed-again", held_until=event.held_until)
        case _:
            assert_never(event)
