"""The ledger of many accounts at once, by a process of its own: facts in, journal rows out, account by account.

A worker (see ``adapters.workers``) is started by ``adapters.rebuild`` and answers each range with its sums. It holds
the facts of the house and of one account at a time.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from struct import Struct
from typing import Any

import psycopg
from psycopg import sql

from adapters.workers import Range, partitions, serve
from domain import months
from domain.rating.facts import HOUSE_NO, Cell, HouseFacts
from projections.ledger import (
    AMOUNT,
    BOOK,
    JOURNAL,
    KIND_OF,
    LegFields,
    Poster,
    moved_rows,
)

WRITE_ROWS = 2_000
SORT_MEMORY = "64MB"

Sums = defaultdict[str, defaultdict[int, int]]
"""By currency and ledger account, in minor units."""


@dataclass(frozen=True, slots=True)
class Task:
    """``conninfo`` is of the projector's role and may hold a password: it is sent through a pipe, never shown."""

    conninfo: str
    facts_schema: str
    ledger_schema: str
    journal_oid: int
    """The very table to fill: a worker whose parent was killed must not write into that of the next rebuild."""
    upto: int
    """The last position of facts to read."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a range gave: the number of its rows, and their sums by ledger account and currency in minor units."""

    rows: int
    sums: list[tuple[int, str, int]]


# -- journal rows as COPY reads them

_COPY_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_END = b"\xff\xff"
_CODES = {"bigint": "q", "integer": "i", "smallint": "h", "date": "i", "text": "3s"}
"""How values are packed; the only text of the journal is a currency of three letters."""
_BYTES = {"bigint": 8, "integer": 4, "smallint": 2, "date": 4, "text": 3}
_POSTING_COLUMNS = 5
"""Position, account, day, kind and currency are the same for all rows of one posting."""
_DAY_ZERO = date(2000, 1, 1).toordinal()


def _packer(types: Sequence[str], prefix: str = "") -> Struct:
    """Each value after its length in bytes."""
    return Struct(">" + prefix + "".join("i" + _CODES[type_] for type_ in types))


_types = [column.type for column in JOURNAL.columns]
_posting = _packer(_types[:_POSTING_COLUMNS], prefix="h").pack
_leg = _packer(_types[_POSTING_COLUMNS:]).pack


_sizes = [_BYTES[type_] for type_ in _types]
_position_size, _account_size, _day_size, _kind_size, _currency_size = _sizes[:_POSTING_COLUMNS]
_LEG_SIZES = tuple(_sizes[_POSTING_COLUMNS:])


def pack_posting(position: int, account_no: int, day: int, kind: int, currency: bytes) -> bytes:
    """The beginning of every row of one posting; ``day`` counts from 2000-01-01."""
    return _posting(
        len(_types),
        *(_position_size, position),
        *(_account_size, account_no),
        *(_day_size, day),
        *(_kind_size, kind),
        *(_currency_size, currency),
    )


def pack_legs(posting: bytes, legs: Iterable[LegFields]) -> list[bytes]:
    """The rows of one posting, its legs numbered in their order."""
    a, b, c, d, e, f = _LEG_SIZES
    return [
        posting + _leg(a, leg_no, b, item_no, c, line, d, role, e, book, f, amount)
        for leg_no, (item_no, line, role, book, amount) in enumerate(legs, start=1)
    ]


def day_number(day: date) -> int:
    return day.toordinal() - _DAY_ZERO


@dataclass(slots=True)
class _Copied:
    """Journal rows on their way into the table, and their sums."""

    copy: psycopg.Copy
    rows: int = 0
    _waiting: list[bytes] = field(default_factory=lambda: [_COPY_HEAD])

    def write(self, rows: list[bytes]) -> None:
        self.rows += len(rows)
        self._waiting += rows
        if len(self._waiting) >= WRITE_ROWS:
            self._send()

    def end(self) -> None:
        self._waiting.append(_COPY_END)
        self._send()

    def _send(self) -> None:
        self.copy.write(b"".join(self._waiting))
        self._waiting.clear()


def oid_of(connection: psycopg.Connection, schema: str, table: str) -> int:
    """What tells a table from another one of the same name."""
    row = connection.execute("SELECT to_regclass(%s)::oid", (f"{schema}.{table}",)).fetchone()
    return int(row[0]) if row and row[0] else 0


class Worker:
    """Posts ranges of accounts into a bare journal."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.reading = psycopg.connect(task.conninfo)
        self.writing = psycopg.connect(task.conninfo)
        self.reading.execute(sql.SQL("SET work_mem = {}").format(sql.Literal(SORT_MEMORY)))
        self.house = HouseFacts()
        for _, facts in self._accounts(Range(HOUSE_NO, HOUSE_NO, 0)):
            for position, fact in facts:
                self.house.learn(position, fact)
        self.poster = Poster(self.house)
        self.days: dict[int, int] = {}
        self.at = HOUSE_NO

    def close(self) -> None:
        self.reading.close()
        self.writing.close()

    def load(self, accounts: Range) -> dict[str, Any]:
        """Copy the journal of a range, in one transaction; what ``Loaded`` holds."""
        sums: Sums = defaultdict(lambda: defaultdict(int))
        with self.writing.transaction(), self._copied() as copied:
            for account_no, facts in self._accounts(accounts):
                self.at = account_no
                if account_no in KIND_OF:
                    copied.write(self._moved(account_no, facts, sums))
                elif account_no != HOUSE_NO:
                    copied.write(self._account(account_no, facts, sums))
        summed = [(book, currency, amount) for currency, books in sums.items() for book, amount in books.items()]
        return asdict(Loaded(copied.rows, summed))

    @contextmanager
    def _copied(self) -> Iterator[_Copied]:
        journal = sql.Identifier(self.task.ledger_schema, JOURNAL.name)
        self.writing.execute(sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(journal))
        if oid_of(self.writing, self.task.ledger_schema, JOURNAL.name) != self.task.journal_oid:
            raise LookupError("the journal is another rebuild's by now")
        statement = sql.SQL("COPY {} FROM STDIN (FORMAT BINARY)").format(journal)
        with self.writing.cursor() as cursor, cursor.copy(statement) as copy:
            copied = _Copied(copy)
            yield copied
            copied.end()

    def _accounts(self, accounts: Range) -> Iterator[tuple[int, list[tuple[int, Any]]]]:
        return partitions(self.reading, self.task.facts_schema, accounts, self.task.upto)

    def _account(self, account_no: int, facts: list[tuple[int, Any]], sums: Sums) -> list[bytes]:
        rows: list[bytes] = []
        for position, cell, legs in self.poster.post(account_no, facts):
            currency = cell.currency
            posting = pack_posting(position, account_no, self._last_day(cell), cell.kind, currency.encode())
            rows += pack_legs(posting, legs)
            books = sums[currency]
            for leg in legs:
                books[leg[BOOK]] += leg[AMOUNT]
        return rows

    def _last_day(self, cell: Cell) -> int:
        day = self.days.get(cell.month)
        if day is None:
            day = self.days[cell.month] = day_number(months.last_day(cell.month))
        return day

    def _moved(self, account_no: int, facts: Iterable[tuple[int, Any]], sums: Sums) -> list[bytes]:
        rows: list[bytes] = []
        for position, fact in facts:
            both = moved_rows(position, account_no, fact, self.house)
            posted = [row.values for row in both if row.table == JOURNAL.name]
            _, _, on, kind, currency, _, *_ = posted[0]
            legs = [values[_POSTING_COLUMNS + 1 :] for values in posted]
            rows += pack_legs(pack_posting(position, account_no, day_number(on), kind, currency.encode()), legs)
            for leg in legs:
                sums[currency][leg[BOOK]] += leg[AMOUNT]
        return rows


def main() -> None:
    serve(lambda task: Worker(Task(**task)))


if __name__ == "__main__":
    main()
