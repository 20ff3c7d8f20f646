"""The deal board: who claims which deal, in order of arrival, who is protected until when, and how it ended.

A registration has one row for each step of its life; the last one at a position or before it is how it stood then. What
identifies it is the position at which it arrived, so that the order of arrival is the order of that column. A row is
the business of its customer, its agent and its vendor; of its rivals an agent is told only how many there are.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple, assert_never, cast

from domain.deal import (
    STANDING,
    DealContested,
    DealEvent,
    DealLost,
    DealRegistered,
    DealWon,
    ProtectionEnded,
    RegistrationApproved,
    RegistrationEvent,
    RegistrationExpired,
    RegistrationExtended,
    RegistrationLost,
    RegistrationRejected,
    RegistrationWithdrawn,
    SelfReferralOpened,
    Status,
    days_after,
)
from domain.house import HouseEvent
from domain.message import Recorded
from projections.projection import Column, KeyedState, Row, Table

DEAL_BOARD = Table(
    "deal_board",
    (
        Column("arrived", "bigint", "position at which the registration arrived; by it rivals are in order"),
        Column("position", "bigint", "position of the event from which on it stands like this"),
        Column("deal_of", "text", "customer/deal: a deal's id is the customer's own"),
        Column("customer", "text", "customer id"),
        Column("deal", "text", "deal id"),
        Column("agent", "text", "agent whose claim it is"),
        Column("vendor", "text", "vendor under whose agreement it is protected"),
        Column("products", "text", "products as a JSON list"),
        Column("scope", "text", "scope in the agent's words"),
        Column("registered_on", "date", "day from which the registration holds"),
        Column("status", "text", "registered, approved, self-referral, rejected, expired, withdrawn, won or lost"),
        Column("since", "date", "day from which the status holds"),
        Column("protected_until", "date", "last protected day; none: not protected", True),
        Column("because", "text", "why it was rejected, extended, withdrawn or lost, or what names the agent", True),
    ),
    ("arrived", "position"),
    (("deal_of",), ("position",)),
)

name = "deal_board"
version = 1
tables = (DEAL_BOARD,)


class Registration(NamedTuple):
    """One row of the board: how a registration stands from a position on."""

    arrived: int
    position: int
    deal_of: str
    customer: str
    deal: str
    agent: str
    vendor: str
    products: str
    scope: str
    registered_on: date
    status: Status
    since: date
    protected_until: date | None = None
    because: str | None = None

    @property
    def stands(self) -> bool:
        return self.status in STANDING


def project(recorded: Recorded, state: KeyedState) -> Iterable[Row]:
    """One row for each step in the life of a registration."""
    event = cast(HouseEvent, recorded.event)
    if isinstance(event, DealEvent) and not isinstance(event, DealContested):
        before = _before(event, state)
        if isinstance(event, DealRegistered | SelfReferralOpened):
            return [Row(DEAL_BOARD.name, _arrived(event, before, recorded.position))]
        if before is not None:
            return [Row(DEAL_BOARD.name, _stepped(event, before._replace(position=recorded.position)))]
    return []


def _before(event: DealEvent, state: KeyedState) -> Registration | None:
    """How the agent's last registration of the deal stood before the event: only the last one may stand."""
    rows = (Registration(*row) for row in state.rows(DEAL_BOARD.name, "deal_of", deal_of(event.customer, event.deal)))
    return max((row for row in rows if row.agent == event.agent), key=lambda row: row.position, default=None)


def _arrived(event: DealRegistered | SelfReferralOpened, before: Registration | None, position: int) -> Registration:
    """A new registration; or the agent's own that stands, in its place, if the customer names the agent itself."""
    referred = isinstance(event, SelfReferralOpened)
    keeps_its_place = referred and before is not None and before.stands
    return Registration(
        arrived=before.arrived if before is not None and keeps_its_place else position,
        position=position,
        deal_of=deal_of(event.customer, event.deal),
        customer=event.customer,
        deal=event.deal,
        agent=event.agent,
        vendor=event.vendor,
        products=json.dumps(event.products, separators=(",", ":")),
        scope=event.scope,
        registered_on=before.registered_on if before is not None and keeps_its_place else event.effective_on,
        status="self-referral" if referred else "registered",
        since=event.effective_on,
        because=f"{event.basis} signed {event.letter.signed_on}" if isinstance(event, SelfReferralOpened) else None,
    )


def _stepped(event: RegistrationEvent | DealWon | DealLost, now: Registration) -> Registration:
    status, because = _status(event)
    since = now.since if status == now.status else event.effective_on
    until = event.protected_until if isinstance(event, RegistrationApproved | RegistrationExtended) else None
    return now._replace(status=status, since=since, protected_until=until, because=because)


def _status(event: RegistrationEvent | DealWon | DealLost) -> tuple[Status, str | None]:
    """The status that the event gives, and why."""
    match event:
        case RegistrationApproved():
            return "approved", None
        case RegistrationExtended():
            return "approved", event.extended_because
        case ProtectionEnded():
            return "registered", f"{event.customer} named another agent itself"
        case RegistrationRejected():
            return "rejected", event.rejected_because
        case RegistrationExpired():
            return "expired", None
        case RegistrationWithdrawn():
            return "withdrawn", event.withdrawn_because
        case RegistrationLost():
            return "lost", "a rival won the deal"
        case DealWon():
            return "won", None
        case DealLost():
            return "lost", event.lost_because
        case _:
            assert_never(event)


def deal_of(customer: str, deal: str) -> str:
    return f"{customer}/{deal}"


# -- queries


class Place(NamedTuple):
    """A registration beside its rivals: the how-manieth of how many arrived, and how many others stand."""

    registration: Registration
    place: int
    of: int
    rivals: int


def board(rows: Iterable[Sequence[Any]], known: int) -> list[Place]:
    """Every registration as it stood at a position: deal by deal, each deal's in order of arrival."""
    latest: dict[int, Registration] = {}
    for row in sorted((Registration(*row) for row in rows), key=lambda row: row.position):
        if row.position <= known:
            latest[row.arrived] = row
    deals: defaultdict[str, list[Registration]] = defaultdict(list)
    for arrived in sorted(latest):
        deals[latest[arrived].deal_of].append(latest[arrived])
    return [
        Place(registration, place, len(claims), sum(r.stands and r.agent != registration.agent for r in claims))
        for _, claims in sorted(deals.items())
        for place, registration in enumerate(claims, start=1)
    ]


def expiring(places: Iterable[Place], today: date, within_days: int) -> list[Place]:
    """Those whose protection ends within so many days from today on, the first to end first."""
    last = days_after(today, within_days)
    found = [p for p in places if (until := p.registration.protected_until) is not None and today <= until <= last]
    return sorted(found, key=lambda p: (p.registration.protected_until, p.registration.arrived))


def as_row(place: Place) -> dict[str, Any]:
    """A registration with its place, as a program reads it: dates as text, products as a list."""
    row = place.registration._asdict() | {"place": place.place, "of": place.of, "rivals": place.rivals}
    dated = {name: value.isoformat() for name, value in row.items() if isinstance(value, date)}
    return row | dated | {"products": json.loads(place.registration.products)}
