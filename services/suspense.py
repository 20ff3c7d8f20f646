"""The suspense desk: what waits, how long and why, which accounts are likely, and what a placement must know of that.

A likely account is a suggestion for a person. Money is never matched by it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, NamedTuple, Protocol

from psycopg import sql

from domain import months, rating
from domain.ids import alike
from domain.line_move import ProposeLineMove
from domain.message import Issued
from domain.plan import CHARGE_KINDS
from domain.rating import release_1
from domain.rating.facts import AccountFacts, Cell, Line
from domain.rating.release_1 import waiting_for_service
from domain.suspense import ProposePlacement
from projections.ledger import SUSPENSE_BOOK
from services.queries import Queries

AGES = (30, 60, 90)
"""Days at which a bucket of ages ends; the last one is open."""
BUCKETS = ("0-30", "31-60", "61-90", "over-90")


def bucket(days: int) -> str:
    """The bucket of an age in days."""
    return BUCKETS[sum(days > end for end in AGES)]


@dataclass(frozen=True, slots=True)
class Waits:
    """One line that waits. ``number`` is as printed; a line that waits on its own account has that account's id there,
    and ``account`` too. ``since`` is the open day on which it came into suspense, ``days`` how long ago that is.
    """

    vendor: str
    number: str
    account: str | None
    statement: str
    line: int
    service_month: str
    charge_kind: str
    service: str | None
    product: str | None
    amount_minor: int
    currency: str
    since_position: int
    since: date
    days: int
    age: str
    why: str


class Likely(NamedTuple):
    """An account that a number may mean, and why; or on a known account a service that a line may be for."""

    account: str
    service: str | None
    why: str


class Desk:
    """Reads what waits in suspense as known at a position."""

    def __init__(self, queries: Queries, known: int) -> None:
        self.queries = queries
        self.known = known
        rows = queries.connection.execute(
            sql.SQL("SELECT position, day FROM {} WHERE position <= %s ORDER BY position").format(_table(self, "day")),
            (known,),
        ).fetchall()
        self._opened = [row[0] for row in rows]
        self._days: list[date] = [row[1] for row in rows]

    @property
    def today(self) -> date:
        return self._days[-1] if self._days else date.min

    def lines(self, vendor: str | None = None, age: str | None = None) -> list[Waits]:
        """Every line that waits, longest first; with a vendor's or of an age only."""
        statement = sql.SQL(
            "SELECT account_no, effective_on, kind, currency, item_no, item_line, "
            "array_agg(position ORDER BY position), array_agg(amount_minor ORDER BY position) FROM {} "
            "WHERE book = %s AND position <= %s "
            "GROUP BY account_no, effective_on, kind, currency, item_no, item_line HAVING sum(amount_minor) <> 0"
        ).format(self.queries.table("journal"))
        found: list[Waits] = []
        standing: dict[int, dict[tuple[int, int], Line]] = {}
        reasons: dict[Cell, dict[tuple[int, int], str]] = {}
        for account_no, on, kind, currency, *key, positions, amounts in self.queries.connection.execute(
            statement, (SUSPENSE_BOOK, self.known)
        ):
            account = self.queries.account_facts(account_no)
            cell = Cell(account_no, months.number_of(on), kind, currency)
            if account_no not in standing:
                standing[account_no] = _standing(account, self.known)
            if account_no > 0 and cell not in reasons:
                reasons[cell] = self._reasons(account, cell)
            item = key[0], key[1]
            line = standing[account_no].get(item)
            why = line.because if line and account_no < 0 else reasons[cell].get(item, "")
            found.append(self._waits(account, cell, item, line, _since(positions, amounts), sum(amounts), why))
        chosen = (w for w in found if (age is None or w.age == age) and (vendor is None or w.vendor == vendor))
        return sorted(chosen, key=lambda w: (w.since_position, w.vendor, w.number, w.statement, w.line))

    def _reasons(self, account: AccountFacts, cell: Cell) -> dict[tuple[int, int], str]:
        """Why items of a known account wait."""
        return {
            (item.item_no, item.line): zero.reason
            for item in rating.rate(account, self.queries.house, cell, self.known, {})
            for zero in item.zeros
            if zero.payee == release_1.SUSPENSE
        }

    def _waits(
        self,
        account: AccountFacts,
        cell: Cell,
        item: tuple[int, int],
        line: Line | None,
        since_position: int,
        amount_minor: int,
        why: str,
    ) -> Waits:
        """One line; or what waits of a service × month, which is of no one line."""
        since = self._days[bisect_right(self._opened, since_position) - 1]
        days = (self.today - since).days
        service = next((s for s in account.services.values() if s.service_no == item[0]), None) if not line else None
        return Waits(
            vendor=line.vendor if line else service.vendor if service else account.vendor,
            number=account.account,
            account=account.account if account.account_no > 0 else None,
            statement=line.statement if line else "",
            line=item[1],
            service_month=months.text(cell.month),
            charge_kind=CHARGE_KINDS[cell.kind],
            service=line.service if line else service.name if service else None,
            product=line.product if line else service.product if service else None,
            amount_minor=amount_minor,
            currency=cell.currency,
            since_position=since_position,
            since=since,
            days=days,
            age=bucket(days),
            why=why,
        )

    def likely(self, vendor: str, number: str, account: str | None = None) -> list[Likely]:
        """What a number may mean, the likeliest first; for a line on a known account its services."""
        if account is not None:
            services = self.queries.account_facts(self.queries.account_no(account)).services.values()
            named = [s for s in services if s.service_no <= self.known]
            return [Likely(account, s.name, f"a service of the account, {s.product or 'no product'}") for s in named]
        found: dict[str, Likely] = {}
        for account_no, why in self._candidates(vendor, number):
            name = self.queries.account_facts(account_no).account
            found.setdefault(name, Likely(name, None, why))
        for name, why in self._of_the_same_customer(vendor, list(found)):
            found.setdefault(name, Likely(name, None, why))
        return list(found.values())

    def _candidates(self, vendor: str, number: str) -> Iterator[tuple[int, str]]:
        yield from self._same_number(vendor, number, f"{vendor} {number}")
        yield from self._placed_before(vendor, number)
        yield from self._alike(vendor, number)
        for other in self._related(vendor):
            yield from self._same_number(other, number, f"{other} {number}, of a vendor before or after {vendor},")
            yield from self._alike(other, number)

    def _same_number(self, vendor: str, number: str, what: str) -> Iterator[tuple[int, str]]:
        """Accounts that the number means now, and then those that it meant."""
        rows = self._aliases("number", f"{vendor}:{number}")
        ended: list[tuple[int, str]] = []
        for account_no in dict.fromkeys(row[2] for row in rows):
            of = [row for row in rows if row[2] == account_no]
            begun = max(row[5] for row in of if row[3] is not None)
            ends = [row[4] for row in of if row[4] is not None and (row[3] is not None or row[5] > begun)]
            if ends:
                ended.append((account_no, f"{what} was its number until {min(ends)}"))
            else:
                yield account_no, f"{what} is its number"
        yield from ended

    def _placed_before(self, vendor: str, number: str) -> Iterator[tuple[int, str]]:
        """Accounts on which lines under the number were placed before."""
        row = self.queries.connection.execute(
            sql.SQL("SELECT no FROM {} WHERE name = %s").format(_table(self, "name")),
            (f"suspense:{vendor}:{number}",),
        ).fetchone()
        facts = self.queries.facts.account(row[0], self.known + 1) if row else ()
        to = (fact[3] for _, fact in facts if fact[0] == "unline" and len(fact) > 3 and (fact[3] or 0) > 0)
        for account_no in dict.fromkeys(to):
            yield account_no, f"lines under {vendor} {number} were placed on it before"

    def _alike(self, vendor: str, number: str) -> Iterator[tuple[int, str]]:
        for row in self._aliases("alike", f"{vendor}:{alike(number)}"):
            if row[0] != f"{vendor}:{number}":
                printed = row[0].partition(":")[2]
                yield row[2], f"its number {printed} of {vendor} differs only in leading zeros, case or punctuation"

    def _related(self, vendor: str) -> list[str]:
        """Vendors that succeeded this one, or that it succeeded."""
        announced = self.queries.house.successors
        after = [s for s, position in announced.get(vendor, {}).items() if position <= self.known]
        before = [v for v, of in announced.items() if of.get(vendor, self.known + 1) <= self.known]
        return sorted({*after, *before})

    def _aliases(self, column: str, value: str) -> list[tuple[Any, ...]]:
        statement = sql.SQL("SELECT * FROM {} WHERE {} = %s AND position <= %s ORDER BY position, seq")
        chosen = statement.format(_table(self, "alias"), sql.Identifier(column))
        return self.queries.connection.execute(chosen, (value, self.known)).fetchall()

    def _of_the_same_customer(self, vendor: str, accounts: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Accounts of the candidates' customers with the vendor under which nothing is printed yet."""
        links = self.queries.table("audit_link")
        statement = sql.SQL(
            "SELECT DISTINCT other.subject, mine.participant FROM {} AS mine JOIN {} AS other USING (participant) "
            "WHERE mine.subject = ANY(%s) AND mine.participant LIKE 'customer:%%' AND other.subject LIKE 'account:%%' "
            "AND other.position <= %s ORDER BY 1"
        ).format(links, links)
        streams = [f"account:{account}" for account in accounts]
        for subject, customer in self.queries.connection.execute(statement, (streams, self.known)).fetchall():
            name = subject.removeprefix("account:")
            facts = self.queries.account_facts(self.queries.account_no(name))
            if name not in accounts and facts.vendor == vendor and not facts.numbers:
                yield name, f"an account of {customer.removeprefix('customer:')} with {vendor} that has no number yet"


def _table(desk: Desk, name: str) -> sql.Identifier:
    return desk.queries.table(f"facts_{name}")


def _standing(account: AccountFacts, known: int) -> dict[tuple[int, int], Line]:
    return {
        (line.statement_no, line.line): line
        for lines in account.lines.values()
        for line in lines
        if line.position <= known < line.ended
    }


def _since(positions: Sequence[int], amounts: Sequence[int]) -> int:
    """The position at which what waits now began to: after the last time that nothing of the line waited."""
    since, waits = positions[0], 0
    for position, amount in zip(positions, amounts, strict=True):
        since = position if not waits else since
        waits += amount
    return since


# -- by number


def by_number(lines: Iterable[Waits]) -> list[dict[str, Any]]:
    """What waits by vendor, number and currency, with its lines; the age is that of the oldest."""
    numbers: dict[tuple[str, str, str], list[Waits]] = {}
    for waits in lines:
        numbers.setdefault((waits.vendor, waits.number, waits.currency), []).append(waits)
    return [
        {
            "vendor": vendor,
            "number": number,
            "account": of[0].account,
            "currency": currency,
            "amount_minor": sum(waits.amount_minor for waits in of),
            "line_count": len(of),
            "since": of[0].since,
            "days": of[0].days,
            "age": of[0].age,
            "why": "; ".join(dict.fromkeys(waits.why for waits in of)),
            "lines": [asdict(waits) for waits in of],
        }
        for (vendor, number, currency), of in numbers.items()
    ]


def by_age(lines: Iterable[Waits]) -> list[dict[str, Any]]:
    """How much waits how long, by currency: every bucket, also an empty one."""
    found = list(lines)
    return [
        {
            "age": name,
            "currency": currency,
            "amount_minor": sum(w.amount_minor for w in found if (w.age, w.currency) == (name, currency)),
            "line_count": sum((w.age, w.currency) == (name, currency) for w in found),
        }
        for currency in sorted({waits.currency for waits in found})
        for name in BUCKETS
    ]


# -- what a placement must know


class Facts(Protocol):
    """Facts by account, and what names mean."""

    def account(self, account_no: int, before: int) -> Iterable[tuple[int, Sequence[Any]]]:
        """The facts of one partition from before a position."""

    def number_of(self, name: str) -> int | None:
        """The number of an account, a statement or a number in suspense."""


def with_what_waits(issued: Issued, facts: Facts, known: int) -> Issued:
    """A placement of named lines or on a service, or a move, with what the book shows of the lines at a position."""
    command = issued.command
    if isinstance(command, ProposeLineMove):
        return issued.with_command(command.model_copy(update=_of_a_move(command, facts, known)))
    if not isinstance(command, ProposePlacement) or not command.asks_the_book:
        return issued
    return issued.with_command(command.model_copy(update=_of_a_placement(command, facts, known)))


def asks_the_book(issued: Issued) -> bool:
    """Whether ``with_what_waits`` reads anything."""
    command = issued.command
    return isinstance(command, ProposeLineMove) or (isinstance(command, ProposePlacement) and command.asks_the_book)


def _of_a_placement(command: ProposePlacement, facts: Facts, known: int) -> dict[str, Any]:
    account_no = facts.number_of(f"account:{command.account}")
    account = _learned(facts, account_no, known) if account_no is not None else AccountFacts(0)
    wanted = {
        (number, one.line): one
        for one in command.lines or ()
        if (number := facts.number_of(f"vendor-statement:{command.vendor}:{one.statement}")) is not None
    }
    suspense_no = facts.number_of(f"suspense:{command.vendor}:{command.number}")
    waiting = set(_standing(_learned(facts, suspense_no, known), known)) if suspense_no is not None else set()
    if command.service is not None:
        on_account = waiting_for_service(account, known)
        waiting |= {(ln.statement_no, ln.line) for ln in on_account if ln.vendor == command.vendor}
    return {
        "as_known_at": known,
        "waiting": tuple(one for key, one in wanted.items() if key in waiting) if command.lines else None,
        "services": _service_names(account) if account_no is not None else None,
    }


def _of_a_move(command: ProposeLineMove, facts: Facts, known: int) -> dict[str, Any]:
    statement_no = facts.number_of(f"vendor-statement:{command.vendor}:{command.statement}")
    from_no = facts.number_of(f"account:{command.from_account}")
    to_no = facts.number_of(f"account:{command.to_account}")
    standing = _standing(_learned(facts, from_no, known), known) if from_no is not None else {}
    return {
        "as_known_at": known,
        "standing": tuple(line for line in command.lines if (statement_no, line) in standing),
        "services": _service_names(_learned(facts, to_no, known)) if to_no is not None else None,
    }


def _learned(facts: Facts, account_no: int, known: int) -> AccountFacts:
    return AccountFacts.of(account_no, facts.account(account_no, known + 1))


def _service_names(account: AccountFacts) -> tuple[str, ...]:
    """What a line may be placed on: services by contract and id, by their id where that is one's only, and whatever has
    an agent of record of its own.
    """
    ids = [service.service for service in account.services.values()]
    names = [service.name for service in account.services.values()]
    names += [one for one in ids if ids.count(one) == 1]
    names += [d.service for d in account.designations if d.service is not None]
    return tuple(dict.fromkeys(names))
