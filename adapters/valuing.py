"""Many accounts valued under two recipes, by a process of its own: facts in, one row of differences an account out.

A worker (see ``adapters.workers``) is started by ``adapters.valuations``. It holds the facts of the house twice, as it
is and as it would be, and those of one account at a time. Each range's rows and the mark that it is done are one
transaction.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from struct import Struct
from typing import Any

import psycopg
from psycopg import sql

from adapters.bulk import oid_of
from adapters.pg_facts import PgFacts
from adapters.workers import Range, partitions, serve
from domain.rating.facts import HOUSE_NO
from projections.valuation import Entry, Valued, Valuer, leg_numbers

SORT_MEMORY = "64MB"
WRITE_BYTES = 200_000

Fact = Sequence[Any]


def table_of(reprojection_no: int) -> str:
    """The table of one valuation's differences."""
    return f"valuation_{reprojection_no}"


# -- rows as COPY reads them

_COPY_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_END = b"\xff\xff"
_row = Struct(">hiqii").pack
_array = Struct(">iiiiii").pack
_ARRAYS = (
    ("month", "integer"),
    ("kind", "smallint"),
    ("currency", "text"),
    ("leg", "integer"),
    ("item_no", "bigint"),
    ("item_line", "integer"),
    ("role", "smallint"),
    ("book", "bigint"),
    ("amount_minor", "bigint"),
    ("cause", "smallint"),
)
assert tuple(name for name, _ in _ARRAYS) == Entry._fields
COLUMNS = ("account_no", "lines", *Entry._fields)
_OIDS = {"bigint": 20, "smallint": 21, "integer": 23, "text": 25}
_CODES = {"bigint": "q", "integer": "i", "smallint": "h"}
_BYTES = {"bigint": 8, "integer": 4, "smallint": 2}
_FEW = 200
"""Longer arrays are not remembered."""


def pack_row(account_no: int, valued: Valued) -> bytes:
    """One account's row; every element of an array after its length in bytes.

    What is the same for many accounts is packed once: all columns but the lines' numbers and the amounts.
    """
    months, kinds, currencies, item_nos, item_lines, roles, books, amounts, causes = zip(*valued.legs, strict=True)
    few = len(valued.legs) <= _FEW
    cells, packed = (_remembered_cells, _remembered) if few else (_cells, _packed)
    return b"".join(
        (
            _row(len(COLUMNS), 8, account_no, 4, valued.lines),
            cells(months, kinds, currencies),
            packed("bigint", item_nos),
            _packed("integer", item_lines),
            packed("smallint", roles),
            packed("bigint", books),
            _packed("bigint", amounts),
            packed("smallint", causes),
        )
    )


def _cells(months: tuple[int, ...], kinds: tuple[int, ...], currencies: tuple[str, ...]) -> bytes:
    """The columns that say the cell and the leg's number in it."""
    currency = b"".join([b"\0\0\0\3" + currency.encode() for currency in currencies])  # three letters
    legs = leg_numbers(months, kinds, currencies)
    return b"".join(
        (
            _packed("integer", months),
            _packed("smallint", kinds),
            _head_of("text", len(currency), len(currencies)) + currency,
            _packed("integer", legs),
        )
    )


def _packed(type_: str, column: Sequence[int]) -> bytes:
    with_lengths = [_BYTES[type_]] * (2 * len(column))
    with_lengths[1::2] = column
    elements = _elements(_CODES[type_], len(column)).pack(*with_lengths)
    return _head_of(type_, len(elements), len(column)) + elements


def _head_of(type_: str, size: int, count: int) -> bytes:
    """What comes before the elements: one dimension, no nulls, from 1."""
    return _array(size + 20, 1, 0, _OIDS[type_], count, 1)


_remembered = lru_cache(maxsize=2_000)(_packed)
_remembered_cells = lru_cache(maxsize=2_000)(_cells)


@lru_cache(maxsize=500)
def _elements(code: str, count: int) -> Struct:
    return Struct(">" + ("i" + code) * count)


DEFINITION = sql.SQL("account_no bigint PRIMARY KEY, lines integer NOT NULL, {}").format(
    sql.SQL(", ").join(
        sql.SQL("{} {}[] NOT NULL").format(sql.Identifier(name), sql.SQL(type_)) for name, type_ in _ARRAYS
    )
)
"""The columns of a table of differences."""


def create_table(connection: psycopg.Connection, schema: str, reprojection_no: int) -> None:
    table = sql.Identifier(schema, table_of(reprojection_no))
    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(table, DEFINITION))


def copy_valued(
    connection: psycopg.Connection, schema: str, reprojection_no: int, valued: Iterable[tuple[int, Valued]]
) -> None:
    """Copy the accounts that differ into the valuation's table."""
    copy_into(connection, sql.Identifier(schema, table_of(reprojection_no)), valued)


def copy_into(connection: psycopg.Connection, table: sql.Identifier, valued: Iterable[tuple[int, Valued]]) -> None:
    """Copy the accounts that differ into a table of differences."""
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        table, sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        waiting, size = [_COPY_HEAD], 0
        for account_no, account in valued:
            if account.legs:
                row = pack_row(account_no, account)
                waiting.append(row)
                size += len(row)
                if size >= WRITE_BYTES:
                    copy.write(b"".join(waiting))
                    waiting, size = [], 0
        copy.write(b"".join([*waiting, _COPY_END]))


# -- the house twice


def valuer(facts: PgFacts, change: Iterable[Fact], upto: int) -> Valuer:
    """What values accounts as of a position; ``change`` is what the house would learn there."""
    return Valuer.of(list(facts.account(HOUSE_NO, upto + 1)), list(change), upto)


# -- the worker


@dataclass(frozen=True, slots=True)
class Task:
    """``conninfo`` is of the projector's role and may hold a password: it is sent through a pipe, never shown."""

    conninfo: str
    schema: str
    reprojection_no: int
    table_oid: int
    """The very table to fill: a worker whose parent was killed must not write into one that was begun anew."""
    upto: int
    """The last position of facts to read, and that as of which accounts are valued."""
    change: Sequence[Fact]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a range gave: its lines and its accounts, whether or not they differ."""

    lines: int
    accounts: int


class Worker:
    """Values ranges of accounts into one valuation's table."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.at = HOUSE_NO
        self.reading = psycopg.connect(task.conninfo)
        self.writing = psycopg.connect(task.conninfo)
        self.reading.execute(sql.SQL("SET work_mem = {}").format(sql.Literal(SORT_MEMORY)))
        self.valuer = valuer(PgFacts(self.reading, task.schema), task.change, task.upto)
        self.lines = self.accounts = 0

    def close(self) -> None:
        self.reading.close()
        self.writing.close()

    def load(self, accounts: Range) -> dict[str, Any]:
        """Value a range and mark it as done, in one transaction; nothing where another worker has done it."""
        self.lines = self.accounts = 0
        with self.writing.transaction(), self._claimed(accounts) as ours:
            if ours:
                copy_valued(self.writing, self.task.schema, self.task.reprojection_no, self._valued(accounts))
        return asdict(Loaded(self.lines, self.accounts))

    @contextmanager
    def _claimed(self, accounts: Range) -> Iterator[bool]:
        """A worker that outlived its parent may be at the same range: the first one to commit has done it."""
        schema, number = self.task.schema, self.task.reprojection_no
        claimed = self.writing.execute(
            sql.SQL(
                "UPDATE {} SET done = true WHERE reprojection_no = %s AND first = %s AND last = %s AND NOT done"
            ).format(sql.Identifier(schema, "valuation_range")),
            (number, accounts.first, accounts.last),
        )
        table = sql.Identifier(schema, table_of(number))
        self.writing.execute(sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE").format(table))
        if oid_of(self.writing, schema, table_of(number)) != self.task.table_oid:
            raise LookupError("the valuation was begun anew by now")
        yield claimed.rowcount == 1
        self.writing.execute(
            sql.SQL("UPDATE {} SET lines = lines + %s, accounts = accounts + %s WHERE reprojection_no = %s").format(
                sql.Identifier(schema, "valuation")
            ),
            (self.lines, self.accounts, number),
        )

    def _valued(self, accounts: Range) -> Iterator[tuple[int, Valued]]:
        value: Callable[[int, Sequence[tuple[int, Fact]]], Valued] = self.valuer.value
        for account_no, facts in partitions(self.reading, self.task.schema, accounts, self.task.upto):
            self.at = account_no
            account = value(account_no, facts)
            self.lines += account.lines
            self.accounts += 1
            yield account_no, account


def main() -> None:
    serve(lambda task: Worker(Task(**task)))


if __name__ == "__main__":
    main()
