"""The rows of an agent's statement: every entry since a position, with its months, its item and its reason.

*Corrections* stand apart from current earnings. What is posted first for an item on its account (a statement line, or a
service × month) is earned; what is posted for the item at a later position, to whomever it went first, is a correction,
and so is all that the promotion of a recipe posts, and every line that the vendor calls an adjustment, a chargeback, a
retroactive line or a correction. A line that waited in suspense and was placed is earned now.

Reasons are not stored: each cell is rated again, once for each position at which the agent has an entry of it, with the
facts as known at the run's position and none that came later.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from fractions import Fraction
from itertools import groupby
from operator import itemgetter
from typing import Any

import orjson
from psycopg import sql

from domain import months, rating
from domain.account import AccountOpened
from domain.adjustment import AdjustmentApproved, AdjustmentReversed
from domain.message import Event, read_state
from domain.plan import CHARGE_KINDS
from domain.rating.facts import HOUSE_NO, AccountFacts, Cell, HouseFacts
from domain.rating.facts import Line as FactLine
from domain.rating.reasons import figure
from domain.rating.release_1 import Item, TermsCache
from domain.rating.release_1.shares import percent
from domain.vendor_statement import VendorStatementEvent, VendorStatementMatched
from projections.ledger import ADJUSTMENT_KIND, UNEARNED, book
from services.queries import Entry, NotFound, Queries

ACCOUNTS_AT_ONCE = 500
EVENTS_AT_ONCE = 500

_Lines = dict[tuple[int, int], list[tuple[FactLine, tuple[int, int, str]]]]
"""By statement and line: where the line stood on the account, with month, kind and currency, one after the other."""
ItemKey = tuple[Cell, int, int]
"""What is rated and rounded: its cell, its number, its line."""
Row = dict[str, Any]
COLUMNS = (
    "section",
    "account",
    "customer",
    "service_month",
    "statement_month",
    "item",
    "charge_kind",
    "line_type",
    "base",
    "rate",
    "amount_minor",
    "reason",
    "recorded_on",
    "entry",
)
"""What a row says, in order."""


class StatementRows:
    """Rows of statements as known at one position; facts are read as of it, so that nothing later can show."""

    def __init__(self, queries: Queries, known: int) -> None:
        self.queries = queries
        self.known = known
        self.said = _Said(queries)
        statement = sql.SQL("SELECT position, day FROM {} ORDER BY position").format(queries.table("facts_day"))
        self._days: list[tuple[int, date]] = queries.connection.execute(statement).fetchall()
        self.house = HouseFacts.of(queries.facts.account(HOUSE_NO, known + 1))

    def of(self, agent: str, currency: str, since: int) -> dict[str, list[Row]]:
        """An agent's rows after a position, by section, in order of account, months, kind and item. Raises Mismatch."""
        if agent not in self.house.agents:
            raise NotFound(f"there is no agent {agent} in the book; check its id")
        number = book("payable", self.house.agents[agent].agent_no)
        found = [
            entry
            for entry in self.queries.entries(number=number, positions=(since, self.known))
            if entry.currency == currency and entry.kind not in UNEARNED
        ]
        entries = [entry for entry in found if entry.kind != ADJUSTMENT_KIND]
        rows = sorted(self._explained(agent, entries), key=itemgetter(0))
        first = self._first_posted(row["of"] for _, row in rows if not row["brought"])
        sections: dict[str, list[Row]] = {"earned": [], "corrected": [], "adjusted": []}
        for _, row in rows:
            entry, original = row["of"], row["line_type"] in ("original", None)
            again = not row["brought"] and first[_item_of(entry)] < entry.position
            again = again or self.house.promoted_at(entry.position)
            section = "corrected" if again or not original else "earned"
            sections[section].append({"section": section} | {column: row[column] for column in COLUMNS[1:]})
        sections["adjusted"] = list(self._adjusted([e for e in found if e.kind == ADJUSTMENT_KIND]))
        return sections

    # -- what was posted before

    def _first_posted(self, entries: Iterable[Entry]) -> dict[ItemKey, int]:
        """The first position at which the items of the accounts of some entries were posted, for anybody."""
        statement = sql.SQL(
            "SELECT account_no, effective_on, kind, currency, item_no, item_line, min(position) FROM {} "
            "WHERE account_no = ANY(%s) AND position <= %s GROUP BY 1, 2, 3, 4, 5, 6"
        ).format(self.queries.table("journal"))
        accounts = sorted({entry.account_no for entry in entries})
        return {
            (Cell(account_no, months.number_of(on), kind, currency), item_no, line): position
            for account_no, on, kind, currency, item_no, line, position in self.queries.connection.execute(
                statement, (accounts, self.known)
            )
        }

    # -- why

    def _explained(self, agent: str, entries: Sequence[Entry]) -> Iterator[tuple[tuple[Any, ...], Row]]:
        """Each entry's row, with what it is sorted by."""
        by_account: dict[int, list[Entry]] = {}
        for entry in entries:
            by_account.setdefault(entry.account_no, []).append(entry)
        numbers = sorted(by_account)
        for start in range(0, len(numbers), ACCOUNTS_AT_ONCE):
            accounts = list(self._accounts(numbers[start : start + ACCOUNTS_AT_ONCE]))
            lines = {account.account_no: _lines_of(account, by_account[account.account_no]) for account in accounts}
            self.said.learn(of_item[0][0].position for own in lines.values() for of_item in own.values())
            self.said.learn(account.account_no for account in accounts)
            for account in accounts:
                customer, own = self.said.customers.get(account.account_no), lines[account.account_no]
                for entry, before, after in self._rated(account, by_account[account.account_no], own):
                    row = self._row(agent, entry, before, after)
                    row |= {"account": account.account, "customer": customer}
                    row |= self._stated(entry, own.get((entry.item_no, entry.item_line)))
                    yield (account.account, *entry.cell[1:], *_after_cell(entry)), row

    def _accounts(self, numbers: Sequence[int]) -> Iterator[AccountFacts]:
        statement = sql.SQL(
            "SELECT account_no, position, body FROM {} WHERE account_no = ANY(%s) AND position <= %s "
            "ORDER BY account_no, position, seq"
        ).format(self.queries.table("facts"))
        rows = self.queries.connection.execute(statement, (list(numbers), self.known), binary=True)
        for account_no, facts in groupby(rows, key=lambda row: row[0]):
            account = AccountFacts(account_no)
            for _, position, body in facts:
                account.learn(position, orjson.loads(body))
            yield account

    def _rated(
        self, account: AccountFacts, entries: Iterable[Entry], lines: _Lines
    ) -> Iterator[tuple[Entry, Sequence[Item], Sequence[Item]]]:
        """Each entry with its item before and after; a cell is rated once for all entries of one position.

        Of a cell's lines only those of the entries are rated: what a line gives does not hang on its neighbours. What a
        service is paid by the month gathers lines, and has all of them.
        """
        caches: dict[int, TermsCache] = {}
        in_order = sorted(entries, key=lambda e: (e.position, e.cell, e.leg))
        for (position, cell), group in groupby(in_order, key=lambda e: (e.position, e.cell)):
            of_cell = list(group)
            items = {(entry.item_no, entry.item_line) for entry in of_cell}
            whole = account.lines.get(cell[1:], [])
            if all(line for _, line in items):
                stood = (stood for item in sorted(items) for stood in lines[item])
                account.lines[cell[1:]] = [line for line, where in stood if where == cell[1:]]
            before, after = (
                _by_item(rating.rate(account, self.house, cell, known, caches.setdefault(known, {})))
                for known in (position - 1, position)
            )
            account.lines[cell[1:]] = whole
            for entry in of_cell:
                item = (entry.item_no, entry.item_line)
                yield entry, before.get(item, ()), after.get(item, ())

    def _row(self, agent: str, entry: Entry, before: Sequence[Item], after: Sequence[Item]) -> Row:
        explained = self.queries.explanation(entry, before, after)
        base, rate = _base_and_rate(f"agent:{agent}", entry, after)
        return {
            "of": entry,
            "entry": str(entry.id),
            "recorded_on": self._day(entry.position),
            "service_month": months.text(entry.cell.month),
            "charge_kind": CHARGE_KINDS[entry.kind],
            "item": explained.item,
            "base": base,
            "rate": rate,
            "amount_minor": entry.amount_minor,
            "reason": explained.words,
        }

    def _day(self, position: int) -> str:
        """The house's open day at a position."""
        return str(self._days[bisect_right(self._days, position, key=itemgetter(0)) - 1][1])

    def _stated(self, entry: Entry, stood: Sequence[tuple[FactLine, object]] | None) -> Row:
        """The statement month, and what the vendor calls the line. What a service is paid by the month has no line."""
        if not stood:
            return {"statement_month": self.said.month_at(entry.position), "line_type": None, "brought": False}
        month, line_type = self.said.of(stood[0][0])
        return {"statement_month": month, "line_type": line_type, "brought": stood[0][0].position == entry.position}

    # -- by hand

    def _adjusted(self, entries: Sequence[Entry]) -> Iterator[Row]:
        events = self.said.events([entry.position for entry in entries])
        for entry in entries:
            event = events[entry.position]
            assert isinstance(event, AdjustmentApproved | AdjustmentReversed)
            if isinstance(event, AdjustmentApproved):
                item, because = f"adjustment {event.adjustment}", event.adjusted_because
            else:
                item, because = f"reversal of adjustment {event.adjustment}", event.reversed_because
            yield dict.fromkeys(COLUMNS) | {
                "section": "adjusted",
                "account": event.account,
                "customer": self._customer(event.account),
                "service_month": event.service_month,
                "item": item,
                "amount_minor": entry.amount_minor,
                "reason": because,
                "recorded_on": self._day(entry.position),
                "entry": str(entry.id),
            }

    def _customer(self, account: str | None) -> str | None:
        if account is None:
            return None
        account_no = self.queries.account_no(account)
        self.said.learn([account_no])
        return self.said.customers.get(account_no)


def _item_of(entry: Entry) -> ItemKey:
    return entry.cell, entry.item_no, entry.item_line


def _after_cell(entry: Entry) -> tuple[int, int, int, int, int]:
    return entry.item_no, entry.item_line, entry.role, entry.position, entry.leg


def _lines_of(account: AccountFacts, entries: Iterable[Entry]) -> _Lines:
    """The statement lines that entries are of, by item, in the order in which they came to the account."""
    wanted = {(entry.item_no, entry.item_line) for entry in entries if entry.item_line}
    found: _Lines = {}
    for where, lines in account.lines.items():
        for line in lines:
            if (line.statement_no, line.line) in wanted:
                found.setdefault((line.statement_no, line.line), []).append((line, where))
    for of_item in found.values():
        of_item.sort(key=lambda stood: stood[0].position)
    return found


def _by_item(items: Iterable[Item]) -> dict[tuple[int, int], list[Item]]:
    found: dict[tuple[int, int], list[Item]] = {}
    for item in items:
        found.setdefault((item.item_no, item.line), []).append(item)
    return found


def _base_and_rate(payee: str, entry: Entry, items: Iterable[Item]) -> tuple[str | None, str | None]:
    """What the share is a part of, exactly, and what part; nothing where the item has no such share any more."""
    for item in items:
        for share in item.shares:
            if share.payee == payee and share.role == entry.role and share.coefficient is not None:
                part = Fraction(share.coefficient.numerator, share.coefficient.denominator)
                return figure(share.base, entry.currency), percent(part)
    return None, None


# -- what the log says


class _Said:
    """What events say that no fact keeps: statement months, line types, customers. Each event is read once."""

    def __init__(self, queries: Queries) -> None:
        self.queries = queries
        self.customers: dict[int, str] = {}
        """By account number, which is the position at which the account was opened."""
        self._months: dict[int, str | None] = {}
        """The statement month of the event at a position; None where it brought no lines."""
        self._types: dict[tuple[int, int], str] = {}
        """By position and line: what the vendor calls a line that is not an original one."""
        self._whole: dict[int, dict[int, tuple[str, str]]] = {}
        """By statement, where a line of it was placed: months and types of all of its lines."""

    def of(self, line: FactLine) -> tuple[str, str]:
        """Statement month and line type of a line."""
        month = self.month_at(line.position)
        if month is not None:
            return month, self._types.get((line.position, line.line), "original")
        if line.statement_no not in self._whole:  # a line that was placed came at the position of the placement
            self._whole[line.statement_no] = dict(self._lines_of_statement(line.statement_no))
        return self._whole[line.statement_no][line.line]

    def month_at(self, position: int) -> str | None:
        """The statement month of the statement whose lines an event brought; None where it brought none."""
        if position not in self._months:
            self.learn([position])
        return self._months[position]

    def learn(self, positions: Iterable[int]) -> None:
        """Read the events at many positions."""
        unknown = sorted({position for position in positions if position not in self._months})
        for start in range(0, len(unknown), EVENTS_AT_ONCE):
            for position, event in self.events(unknown[start : start + EVENTS_AT_ONCE]).items():
                self._months[position] = None
                if isinstance(event, AccountOpened):
                    self.customers[position] = event.customer
                for number, month, line_type in _lines_in(event):
                    self._months[position] = month
                    if line_type != "original":
                        self._types[position, number] = line_type

    def events(self, positions: Sequence[int]) -> dict[int, Event]:
        statement = sql.SQL("SELECT notification_id, topic, state FROM {} WHERE notification_id = ANY(%s)")
        rows = self.queries.connection.execute(statement.format(self._log), (list(positions),), binary=True)
        return {position: read_state(topic, orjson.loads(state))[0] for position, topic, state in rows}

    def _lines_of_statement(self, statement_no: int) -> Iterator[tuple[int, tuple[str, str]]]:
        """The lines that a statement or a revision of it brought, from its first event on."""
        statement = sql.SQL(
            "SELECT topic, state FROM {log} WHERE notification_id >= %s AND originator_id = "
            "(SELECT originator_id FROM {log} WHERE notification_id = %s) ORDER BY originator_version"
        ).format(log=self._log)
        revision = None
        for topic, state in self.queries.connection.execute(statement, (statement_no, statement_no), binary=True):
            event = read_state(topic, orjson.loads(state))[0]
            revision = getattr(event, "revision", None) if revision is None else revision
            if getattr(event, "revision", None) == revision:
                yield from ((number, (month, line_type)) for number, month, line_type in _lines_in(event))

    @property
    def _log(self) -> sql.Identifier:
        return sql.Identifier(self.queries.database.house, "house_events")


def _lines_in(event: Event) -> Iterator[tuple[int, str, str]]:
    """Number, statement month and type of each line that an event of a statement brings."""
    if isinstance(event, VendorStatementEvent) and not isinstance(event, VendorStatementMatched):
        for line in event.lines:
            yield line.line, event.statement_month, line.line_type
