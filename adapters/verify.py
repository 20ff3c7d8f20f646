"""Verifying: everything that is derived is derived again from the log, beside the live tables, and compared.

All projections grow event by event in the schema ``verify``, from the log alone; no table is shared with the live ones.
For a moment the live projectors are held still, while the verified ones step to exactly their positions and a snapshot
is taken; everything is then compared within that snapshot, while the house goes on.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, LiteralString

import orjson
import psycopg
from psycopg import sql

import domain.house  # noqa: F401  (every topic is known wherever events are read)
from adapters.database import Database
from adapters.pg_facts import position_of
from adapters.projectors import LEDGER, NAMES, Poison, Projector, prepare, tables_of, version_of
from adapters.rebuild import Progress, clear, only_one
from domain.message import read_state, state_bytes
from projections.projection import Table

BATCH = 5_000
SHOWN = 3
"""How many of the rows, positions or streams that are wrong a check names."""
READ_EVENTS = 200


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``wrong`` says in one sentence what is wrong with it, empty if nothing is."""

    name: str
    wrong: str = ""

    @property
    def ok(self) -> bool:
        return not self.wrong


@dataclass(frozen=True, slots=True)
class Report:
    """What was found. ``positions`` are those at which log and live projections stood when they were compared."""

    positions: dict[str, int]
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


def verify(database: Database, progress: Progress | None = None) -> Report:
    """Derive every projection again and compare; check the log and the books. Changes nothing that is live.

    ``progress`` counts positions, of all projections and of the log together. Raises RebuildRunning.
    """
    with only_one(database), database.connect("projector") as connection:
        clear(connection, database.verify)
        try:
            return _Verification(database, connection, progress or (lambda done, total: None)).report()
        finally:
            connection.rollback()
            clear(connection, database.verify)


@dataclass(frozen=True, slots=True)
class _Live:
    """How one projection stands in the live schema."""

    version: int
    position: int


class _Verification:
    def __init__(self, database: Database, connection: psycopg.Connection, report: Progress) -> None:
        self.database = database
        self.connection = connection
        self.progress = report
        self.done = self.total = 0
        self.checks: list[Check] = []
        prepare(connection, database.verify)
        self.projectors = {name: Projector(database, database.verify, name, connection) for name in NAMES}

    def report(self) -> Report:
        live = self._live()
        self.total = sum(live[name].position for name in NAMES if name in live) + self._head()
        grown = {name for name in NAMES if self._grow(name, live.get(name))}
        with self._held() as snapshot:
            live = self._live()
            for name in NAMES:
                if name in grown and not self._grow(name, live.get(name)):
                    grown.discard(name)
            snapshot.execute("SELECT")  # from here on it sees what is there now
        with snapshot:
            head = self._check_log(snapshot)
            for name in NAMES:
                self._compare(snapshot, name, live.get(name), name in grown)
            if LEDGER in live:
                self._check_books(snapshot)
        return Report({"log": head, **{name: stands.position for name, stands in live.items()}}, tuple(self.checks))

    # -- growing

    def _live(self) -> dict[str, _Live]:
        """How each projection stands in the live schema; none that was never projected."""
        exists = self.connection.execute(
            "SELECT to_regclass(%s)", (f"{self.database.book}.projection_position",)
        ).fetchone()
        rows: list[Any] = []
        if exists and exists[0]:
            statement = sql.SQL("SELECT name, version, position FROM {}.projection_position ORDER BY name")
            rows = self.connection.execute(statement.format(sql.Identifier(self.database.book))).fetchall()
        self.connection.commit()
        return {name: _Live(version, position) for name, version, position in rows}

    def _head(self) -> int:
        statement = sql.SQL("SELECT position FROM {}.log_head").format(sql.Identifier(self.database.house))
        row = self.connection.execute(statement).fetchone()
        self.connection.commit()
        return int(row[0]) if row else 0

    def _grow(self, name: str, live: _Live | None) -> bool:
        """Bring a projection to its live position; whether that can be done."""
        if live is None or live.version != version_of(name):
            return False
        try:
            if live.position:
                self.projectors[name].catch_up(BATCH, live.position, self._count)
        except Poison as poison:
            self.checks.append(Check(f"projection {name}", " ".join(str(poison).split())))
            return False
        reached = position_of(self.connection, self.database.verify, name)
        self.connection.commit()
        if reached < live.position and name != LEDGER:  # the ledger goes no further than the facts
            wrong = f"{name} stands at position {live.position:,}, but the log ends at {reached:,}"
            self.checks.append(Check(f"projection {name}", wrong))
        return reached == live.position

    def _count(self, done: int) -> None:
        self.done += done
        self.progress(self.done, max(self.done, self.total))

    @contextmanager
    def _held(self) -> Iterator[psycopg.Connection]:
        """Hold the live projectors still; the connection that is given sees everything as it is at its first look."""
        snapshot = self.database.connect("projector")
        snapshot.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        with self.database.connect("projector") as holding:
            if self._live():
                statement = sql.SQL("SELECT FROM {}.projection_position ORDER BY name FOR UPDATE")
                holding.execute(statement.format(sql.Identifier(self.database.book)))
            yield snapshot

    # -- comparing

    def _compare(self, snapshot: psycopg.Connection, name: str, live: _Live | None, grown: bool) -> None:
        if live is None:
            self.checks.append(
                Check(f"projection {name}", f"{name} was never projected; run `trailbook rebuild {name}`")
            )
        elif live.version != version_of(name):
            wrong = f"{name} is of version {live.version}, not {version_of(name)}; run `trailbook rebuild {name}`"
            self.checks.append(Check(f"projection {name}", wrong))
        elif grown:
            for table in tables_of(name):
                self.checks.append(Check(f"table {table.name}", self._difference(snapshot, table)))

    def _difference(self, snapshot: psycopg.Connection, table: Table) -> str:
        live, again = (sql.Identifier(s, table.name) for s in (self.database.book, self.database.verify))
        exists = snapshot.execute("SELECT to_regclass(%s)", (f"{self.database.book}.{table.name}",)).fetchone()
        if not exists or not exists[0]:
            return f"table {table.name} is missing"
        one, other = (_digest(snapshot, name) for name in (live, again))
        if one == other:
            return ""
        shown = [
            *(f"{row} should not be there" for row in _only_in(snapshot, live, again)),
            *(f"{row} is missing" for row in _only_in(snapshot, again, live)),
        ]
        return f"table {table.name} has {one[0]:,} rows, grown again it has {other[0]:,}: {'; '.join(shown)}"

    def _check_books(self, snapshot: psycopg.Connection) -> None:
        for name, wrong, statement in _BOOK_CHECKS:
            self._check_rows(snapshot, name, wrong, statement, sql.Identifier(self.database.book))

    # -- the log

    def _check_log(self, snapshot: psycopg.Connection) -> int:
        """The log's own rules; the last position."""
        house = sql.Identifier(self.database.house)
        for name, wrong, statement in _LOG_CHECKS:
            self._check_rows(snapshot, name, wrong, statement, house)
        unreadable = list(islice(self._unreadable(snapshot), SHOWN))
        self.checks.append(Check("log events read and write back", "; ".join(unreadable)))
        row = snapshot.execute(sql.SQL("SELECT position FROM {}.log_head").format(house)).fetchone()
        return int(row[0]) if row else 0

    def _check_rows(
        self,
        snapshot: psycopg.Connection,
        name: str,
        wrong: Callable[..., str],
        statement: LiteralString,
        schema: sql.Identifier,
    ) -> None:
        """A statement that finds what breaks a rule: nothing, if the rule holds."""
        rows = snapshot.execute(sql.SQL(statement).format(schema=schema, shown=sql.Literal(SHOWN))).fetchall()
        self.checks.append(Check(name, "; ".join(wrong(*row) for row in rows)))

    def _unreadable(self, snapshot: psycopg.Connection) -> Iterator[str]:
        """Events that this release cannot read, or that it would write otherwise although their version is its own."""
        statement = sql.SQL("SELECT notification_id, topic, state FROM {}.house_events ORDER BY notification_id")
        with snapshot.cursor("events", binary=True) as cursor:
            cursor.itersize = READ_EVENTS
            cursor.execute(statement.format(sql.Identifier(self.database.house)))
            for position, topic, state in cursor:
                if reason := _unread(topic, bytes(state)):
                    yield f"position {position} ({topic}) {reason}"
                self._count(1)


def _unread(topic: str, state: bytes) -> str:
    try:
        stored = orjson.loads(state)
        event, envelope = read_state(topic, stored)
    except Exception as error:  # whatever stands in the way is what is wrong
        return f"cannot be read: {' '.join(str(error).split())[:200]}"
    if stored["version"] == event.version and state_bytes(event, envelope) != state:
        return "would be written in other bytes today"
    return ""


def _digest(snapshot: psycopg.Connection, table: sql.Identifier) -> tuple[int, Any]:
    """Number of rows and a sum of their hashes, in which their order does not count."""
    statement = sql.SQL("SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM {} AS t").format(table)
    row = snapshot.execute(statement).fetchone()
    assert row is not None
    return row[0], row[1]


def _only_in(snapshot: psycopg.Connection, one: sql.Identifier, other: sql.Identifier) -> Iterable[str]:
    statement = sql.SQL("SELECT t::text FROM (SELECT * FROM {} EXCEPT SELECT * FROM {}) AS t ORDER BY 1 LIMIT {}")
    return [row[0] for row in snapshot.execute(statement.format(one, other, sql.Literal(SHOWN)))]


_LOG_CHECKS: tuple[tuple[str, Callable[..., str], LiteralString], ...] = (
    (
        "log positions run from 1 without a gap",
        lambda position, before: f"position {position} comes after {before}",
        """
        SELECT * FROM (
            SELECT notification_id, lag(notification_id, 1, 0::bigint) OVER (ORDER BY notification_id) AS before
            FROM {schema}.house_events
        ) AS event WHERE notification_id <> before + 1 ORDER BY 1 LIMIT {shown}
        """,
    ),
    (
        "log head is the last event",
        lambda head, last: f"the head is at {head}, the last event at {last}",
        """
        SELECT head.position, last.position FROM {schema}.log_head AS head,
            (SELECT coalesce(max(notification_id), 0) AS position, max(recorded_at) AS recorded_at
             FROM {schema}.house_events) AS last
        WHERE head.position <> last.position OR head.recorded_at < last.recorded_at LIMIT {shown}
        """,
    ),
    (
        "log time never goes backwards",
        lambda position: f"position {position} was recorded before the one that it follows",
        """
        SELECT notification_id FROM (
            SELECT notification_id, recorded_at, lag(recorded_at) OVER (ORDER BY notification_id) AS before
            FROM {schema}.house_events
        ) AS event WHERE recorded_at < before ORDER BY 1 LIMIT {shown}
        """,
    ),
    (
        "log streams run from version 1 without a gap",
        lambda stream, first, last, count: f"stream {stream} has {count} events, of versions {first} to {last}",
        """
        SELECT originator_id, min(originator_version), max(originator_version), count(*) FROM {schema}.house_events
        GROUP BY originator_id HAVING min(originator_version) <> 1 OR max(originator_version) <> count(*)
        ORDER BY 1 LIMIT {shown}
        """,
    ),
)

_BOOK_CHECKS: tuple[tuple[str, Callable[..., str], LiteralString], ...] = (
    (
        "postings sum to zero",
        lambda position, account_no, on, kind, currency, amount: (
            f"the posting at {position} for account {account_no}, {on}, kind {kind} sums to {amount} {currency} (minor)"
        ),
        """
        SELECT position, account_no, effective_on, kind, currency, sum(amount_minor)::bigint FROM {schema}.journal
        GROUP BY position, account_no, effective_on, kind, currency HAVING sum(amount_minor) <> 0
        ORDER BY 1, 2, 3 LIMIT {shown}
        """,
    ),
    (
        "balances are the sums of the journal",
        lambda book, currency, stands, summed: (
            f"book {book} stands at {stands} {currency} (minor), its entries sum to {summed}"
        ),
        """
        SELECT book, currency, balance.amount_minor, entries.amount_minor::bigint
        FROM {schema}.balance FULL JOIN (
            SELECT book, currency, sum(amount_minor) AS amount_minor FROM {schema}.journal GROUP BY book, currency
        ) AS entries USING (book, currency)
        WHERE balance.amount_minor IS DISTINCT FROM entries.amount_minor ORDER BY 1, 2 LIMIT {shown}
        """,
    ),
)
