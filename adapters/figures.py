"""What can be measured of a book at this moment, read from PostgreSQL for whoever watches it, and at most so often."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar

import psycopg
from psycopg import sql

from adapters import valuations
from adapters.database import Database, Role
from adapters.rebuild_progress import Rebuilding, rebuilding
from projections import ledger

READ_EVERY_SECONDS = 1.0
PATIENCE_SECONDS = 2.0
"""How long whoever asks waits for a reading; then the last one is the answer."""
STATEMENT_TIMEOUT = "2s"
CONNECT_SECONDS = 2
CUT_OFF_MILLISECONDS = 5_000
"""After how long a server that has gone silent counts as lost, so that a new connection is tried."""

Value = TypeVar("Value")


class Latest(Generic[Value]):
    """What was read last, read again when somebody asks, by one at a time, however many ask.

    Who asks waits a little for the reading, but never for a database that does not answer.
    """

    def __init__(self, read: Callable[[], Value]) -> None:
        self._read = read
        self._value: Value | None = None
        self._well = False
        self._reading = False
        self._began_at = self._ended_at = float("-inf")
        self._changed = threading.Condition()

    def get(self) -> tuple[Value | None, bool]:
        """The last value, None before the first; and whether the reading that was asked for went well."""
        with self._changed:
            now = time.monotonic()
            if not self._reading and now >= self._ended_at + READ_EVERY_SECONDS:
                self._reading, self._began_at = True, now
                threading.Thread(target=self._refresh, name="figures", daemon=True).start()
            self._changed.wait_for(lambda: not self._reading, max(0.0, self._began_at + PATIENCE_SECONDS - now))
            return self._value, self._well and not self._reading

    def _refresh(self) -> None:
        value, well = None, False
        try:
            value, well = self._read(), True
        except (psycopg.Error, OSError):
            pass
        finally:
            with self._changed:
                self._value, self._well = (value, True) if well else (self._value, False)
                self._reading, self._ended_at = False, time.monotonic()
                self._changed.notify_all()


@dataclass
class Watching:
    """A connection of its own to read figures on, made again when it broke; for one thread at a time."""

    database: Callable[[], Database | None]
    """None while it is not known yet where it is."""
    role: Role
    _connection: psycopg.Connection | None = field(default=None, init=False)

    def connection(self) -> tuple[psycopg.Connection, Database]:
        """Commits by itself and waits for no statement for long. Raises psycopg.Error, OSError."""
        database = self.database()
        if database is None:
            raise ConnectionError("nobody knows yet where the database is")
        if self._connection is None or self._connection.closed or self._connection.broken:
            self._connection = psycopg.connect(
                database.conninfo(self.role),
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                tcp_user_timeout=CUT_OFF_MILLISECONDS,
            )
            self._connection.execute(sql.SQL("SET statement_timeout = {}").format(sql.Literal(STATEMENT_TIMEOUT)))
        return self._connection, database


class Stand(NamedTuple):
    """Where a projection stands. ``lag_seconds`` is the age of the oldest event that is not projected, else 0."""

    projection: str
    position: int
    lag_events: int
    lag_seconds: float
    poison_position: int | None


class Valuing(NamedTuple):
    """How far a valuation is: valued as of a position, so many of its lines done. ``stopped``: it was given up."""

    reprojection: str
    position: int
    lag_events: int
    standing: bool
    stopped: bool
    valued_lines: int
    lines: int


@dataclass(frozen=True, slots=True)
class Figures:
    """A book, measured: by the database's clock, ``read_at``."""

    read_at: datetime
    head: int
    stands: Sequence[Stand]
    rebuilding: Rebuilding | None
    valuings: Sequence[Valuing]


def read_figures(connection: psycopg.Connection, database: Database) -> Figures:
    """``connection`` commits by itself. Raises psycopg.Error."""
    read_at, head, stands = _stands(connection, database)
    reached = next((stand.position for stand in stands if stand.projection == ledger.name), 0)
    valuings = _valuings(connection, database, reached) if stands else []
    return Figures(read_at, head, stands, rebuilding(connection, database), valuings)


_HEAD = "SELECT statement_timestamp() AS read_at, head.position{more} FROM {head} AS head{joined}"
_STAND = """, stand.name, stand.position, stand.poison_position, (
    SELECT extract(epoch FROM statement_timestamp() - event.recorded_at)::float8
    FROM {events} AS event WHERE event.notification_id = stand.position + 1
) AS lag_seconds"""
_JOINED = " LEFT JOIN {positions} AS stand ON true ORDER BY stand.name"


def _stands(connection: psycopg.Connection, database: Database) -> tuple[datetime, int, list[Stand]]:
    """In one statement, so that no position can be past the head."""
    positions = f"{database.book}.projection_position"
    row = connection.execute("SELECT to_regclass(%s) IS NOT NULL", (positions,)).fetchone()
    there = row is not None and row[0]
    more, joined = (sql.SQL(_STAND), sql.SQL(_JOINED)) if there else (sql.SQL(""), sql.SQL(""))
    names = {
        "head": sql.Identifier(database.house, "log_head"),
        "events": sql.Identifier(database.house, "house_events"),
        "positions": sql.Identifier(database.book, "projection_position"),
    }
    statement = sql.SQL(_HEAD).format(more=more.format(**names), joined=joined.format(**names), **names)
    rows = connection.execute(statement).fetchall()
    stands = [
        Stand(name, position, head - position, max(0.0, lag_seconds or 0.0), poison_position)
        for _, head, name, position, poison_position, lag_seconds in (rows if there else ())
        if name is not None
    ]
    return rows[0][0], rows[0][1], stands


def _valuings(connection: psycopg.Connection, database: Database, reached: int) -> list[Valuing]:
    """Of every reprojection that is not promoted; ``reached`` is the ledger's own position."""
    schema = database.book
    found = [v for v in valuations.stands(connection, schema) if not (v.reason or "").startswith(valuations.PROMOTED)]
    if not found:
        return []
    statement = sql.SQL(
        "SELECT reprojection_no, sum(lines) FILTER (WHERE done)::bigint, sum(lines)::bigint FROM {} "
        "WHERE reprojection_no = ANY(%s) GROUP BY reprojection_no"
    ).format(sql.Identifier(schema, "valuation_range"))
    rows = connection.execute(statement, ([v.reprojection_no for v in found],)).fetchall()
    lines = {no: (done or 0, total) for no, done, total in rows}
    return [
        Valuing(
            v.reprojection,
            v.upto,
            max(0, reached - v.upto),
            v.standing,
            v.reason is not None,
            *lines.get(v.reprojection_no, (0, 0)),
        )
        for v in found
    ]
