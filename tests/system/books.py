"""One way to ask a house in memory and a house on PostgreSQL the same questions, so that a test is written once.

Amounts are minor units and a credit is above zero, as in the journal. A day is a day of the house's calendar: *known on
a day* means known at the last position recorded on that day or before it.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from zoneinfo import ZoneInfo

from adapters.command_file import read_commands
from adapters.database import Database
from adapters.settings import Settings
from domain import months
from domain.message import Issued
from domain.plan import CHARGE_KINDS
from domain.rating.reasons import came_because
from domain.rating.release_1 import HOUSE, SUSPENSE_ROLE
from projections import agent_book
from projections.agent_book import agent_of_record_at
from projections.ledger import CASH_KIND, PAYER_ROLE
from services.house import House
from services.queries import Entry, Explained
from services.simulation import Simulation
from tests.projections.story import book

SCENARIOS = Path(__file__).parent / "scenarios"


class Posted(NamedTuple):
    """One posted share."""

    recorded_on: str
    account: str
    service_month: str
    charge_kind: str
    item: str
    payee: str
    amount_minor: int
    reason: str


class Paid(NamedTuple):
    """One payout that was sent."""

    recorded_on: str
    payee: str
    amount_minor: int


class Suspended(NamedTuple):
    """Money that went into suspense, or left it (below zero)."""

    recorded_on: str
    amount_minor: int
    why: str


class Nothing(NamedTuple):
    """An expected zero."""

    payee: str
    account: str
    service_month: str
    reason: str


class Book(Protocol):
    """What a test asks of a book."""

    def refusals(self) -> list[dict[str, Any]]: ...
    def posted(self) -> list[Posted]: ...
    def paid(self) -> list[Paid]: ...
    def suspended(self) -> list[Suspended]: ...
    def waiting(self, day: date) -> int:
        """The money in suspense as known on a day."""

    def zeros(self, payees: Iterable[str], day: date) -> list[Nothing]:
        """The expected zeros of some agents as known on a day."""

    def payable(self, day: date) -> dict[str, int]:
        """What every agent is owed as known on a day; an agent who is owed nothing may be left out."""

    def agents_of_record(self, account: str, effective: date, day: date) -> list[str]: ...


# -- in memory


class InMemory:
    """A simulation, asked."""

    def __init__(self, commands: Sequence[Issued]) -> None:
        self.simulation = Simulation()
        self.simulation.run(commands)
        self.result = self.simulation.result()
        self.further = book(self.simulation.log, agent_book)

    def refusals(self) -> list[dict[str, Any]]:
        return list(self.result["refusals"])

    def posted(self) -> list[Posted]:
        return [
            Posted(
                e["recorded_on"],
                e["cell"]["account"],
                e["cell"]["service_month"],
                e["cell"]["charge_kind"],
                e["item"],
                e["payee"],
                e["amount_minor"],
                e["reason"],
            )
            for e in self.result["entries"]
        ]

    def paid(self) -> list[Paid]:
        return [Paid(p["recorded_on"], p["payee"], p["amount_minor"]) for p in self.result["payouts"]]

    def suspended(self) -> list[Suspended]:
        return [Suspended(s["recorded_on"], s["amount_minor"], s["why"]) for s in self.result["suspense"]]

    def waiting(self, day: date) -> int:
        return sum(s.amount_minor for s in self.suspended() if s.recorded_on <= day.isoformat())

    def zeros(self, payees: Iterable[str], day: date) -> list[Nothing]:
        known = day.isoformat()
        return [
            Nothing(z["payee"], z["account"], z["service_month"], z["reason"])
            for z in self.result["zeros"]
            if z["payee"] in payees
            and z["known_from"] <= known
            and (z["known_until"] is None or known <= z["known_until"])
        ]

    def payable(self, day: date) -> dict[str, int]:
        until = day.isoformat()
        sums: dict[str, int] = {}
        for posted in self.posted():
            if posted.payee != HOUSE and posted.recorded_on <= until:
                sums[posted.payee] = sums.get(posted.payee, 0) + posted.amount_minor
        for paid in self.paid():
            if paid.recorded_on <= until:
                sums[paid.payee] = sums.get(paid.payee, 0) - paid.amount_minor
        for row in self.result["adjustments"]:
            if row["recorded_on"] <= until:
                sums[row["payee"]] = sums.get(row["payee"], 0) + row["amount_minor"]
        for hold in self.result["held"]:
            if hold["recorded_on"] <= until and not (hold["released_on"] and hold["released_on"] <= until):
                sums[hold["payee"]] = sums.get(hold["payee"], 0) - hold["amount_minor"]
        return sums

    def agents_of_record(self, account: str, effective: date, day: date) -> list[str]:
        log = self.simulation.log
        known = max((r.position for r in log.events if r.recorded_at.date() <= day), default=0)
        rows = self.further.tables.rows(agent_book.AGENT_BOOK.name, "account", account)
        found = agent_of_record_at(rows, (), effective, known)
        return [agent for agent, _ in found.agents] if found else []


# -- on PostgreSQL


def settings_of(database: Database) -> Settings:
    return Settings(database.url, database.house, ZoneInfo("UTC"), Path("/nowhere"))


class OnPostgres:
    """A house on a real server, asked through its queries."""

    def __init__(self, house: House, commands: Sequence[Issued]) -> None:
        self.house = house
        for issued in commands:
            house.handle(issued)
        self.queries = house.queries()
        self.known = self.queries.ledger_position()

    def refusals(self) -> list[dict[str, Any]]:
        return []

    def explained(self) -> list[tuple[Entry, Explained]]:
        """Every entry of the journal with its reason, rated again. Raises Mismatch."""
        return [(entry, self.queries.why(entry)) for entry in self.queries.entries(positions=(0, self.known))]

    def posted(self) -> list[Posted]:
        return [
            Posted(
                str(explained.recorded_on),
                explained.account,
                months.text(entry.cell.month),
                CHARGE_KINDS[entry.kind],
                explained.item,
                explained.book.removesuffix(":payable").removesuffix(":margin"),
                entry.amount_minor,
                explained.reason,
            )
            for entry, explained in self.explained()
            if entry.role != PAYER_ROLE and entry.account_no > 0
        ]

    def paid(self) -> list[Paid]:
        return [
            Paid(str(explained.recorded_on), explained.book.removesuffix(":payable"), -entry.amount_minor)
            for entry, explained in self.explained()
            if entry.kind == CASH_KIND and explained.book.endswith(":payable")
        ]

    def suspended(self) -> list[Suspended]:
        sums: dict[tuple[str, str], int] = {}
        for entry, explained in self.explained():
            if entry.role == SUSPENSE_ROLE:
                why = came_because(self.queries.account_facts(entry.account_no), self.queries.house, entry.position)
                key = (str(explained.recorded_on), why or "placed")
                sums[key] = sums.get(key, 0) + entry.amount_minor
        return [Suspended(day, amount, why) for (day, why), amount in sums.items()]

    def waiting(self, day: date) -> int:
        return sum(row["amount_minor"] for row in self.queries.suspense(self._known_on(day)))

    def zeros(self, payees: Iterable[str], day: date) -> list[Nothing]:
        known = self._known_on(day)
        return [
            Nothing(zero.payee, zero.account, months.text(zero.month), zero.reason)
            for payee in payees
            for zero in self.queries.zeros(payee.removeprefix("agent:"), known)
        ]

    def payable(self, day: date) -> dict[str, int]:
        return {
            balance.book.removesuffix(":payable"): balance.amount_minor
            for balance in self.queries.balances(self._known_on(day))
            if balance.book.endswith(":payable")
        }

    def agents_of_record(self, account: str, effective: date, day: date) -> list[str]:
        found = agent_of_record_at(self.queries.agent_book(account), (), effective, self._known_on(day))
        return [agent for agent, _ in found.agents] if found else []

    def _known_on(self, day: date) -> int:
        return self.queries.known_at(day.isoformat())


def scenario(name: str) -> list[Issued]:
    """The commands of a scenario file."""
    return read_commands(SCENARIOS / f"{name}.yaml")


@contextmanager
def on_postgres(database: Database, commands: Sequence[Issued]) -> Iterator[OnPostgres]:
    with House(settings_of(database), database) as house:
        yield OnPostgres(house, commands)
