"""How far a rebuild is, for those who watch from other processes: one row, written by the process that rebuilds.

The row stands in the schema in which the next book grows, so that the next rebuild drops what a killed one left. It
counts only while its writer holds a lock that ends with the writer's connection: nobody has to guess by its age.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple

import psycopg
from psycopg import sql
from psycopg.rows import class_row

from adapters.database import Database

Unit = Literal["positions", "facts"]
"""What is counted: positions, or facts while a ledger is posted in bulk, account after account."""

EVERY_SECONDS = 0.5
TABLE = "rebuild_progress"
_TABLE = sql.SQL("""
CREATE TABLE {table} (
    projection text NOT NULL, unit text NOT NULL, reached bigint NOT NULL, total bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
""")


class Rebuilding(NamedTuple):
    """How far the rebuild is that runs now."""

    projection: str
    unit: Unit
    reached: int
    total: int
    started_at: datetime


@dataclass
class Telling:
    """The row, as the rebuild writes it. Where it cannot be written the rebuild goes on untold."""

    connection: psycopg.Connection
    table: sql.Identifier
    progress: Callable[[int, int], None]
    _told_at: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, unit: Unit) -> Callable[[int, int], None]:
        """A report of how much is done and how much there is; from any thread."""

        def report(done: int, total: int) -> None:
            self.progress(done, total)
            with self._lock:
                if done >= total or time.monotonic() >= self._told_at + EVERY_SECONDS:
                    self._told_at = time.monotonic()
                    self._write(unit, done, total)

        self._write(unit, 0, 0)
        return report

    def _write(self, unit: Unit, done: int, total: int) -> None:
        statement = sql.SQL("UPDATE {} SET unit = %s, reached = %s, total = %s").format(self.table)
        with suppress(psycopg.Error):
            self.connection.execute(statement, (unit, done, total))


@contextmanager
def telling(database: Database, name: str, progress: Callable[[int, int], None]) -> Iterator[Telling]:
    """Keep the row of a rebuild until it ends. The schema must be clear of an earlier one."""
    table = sql.Identifier(database.book_next, TABLE)
    with database.connect("projector", autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock_shared(hashtext(%s))", (_doing(database),))
        connection.execute(_TABLE.format(table=table))
        connection.execute(
            sql.SQL("INSERT INTO {} (projection, unit, reached, total) VALUES (%s, 'positions', 0, 0)").format(table),
            (name,),
        )
        yield Telling(connection, table, progress)
        with suppress(psycopg.Error):
            connection.execute(sql.SQL("DROP TABLE {}").format(table))


def _doing(database: Database) -> str:
    return f"{database.house} tells a rebuild"


_RUNNING = """
SELECT to_regclass(%(table)s) IS NOT NULL AND EXISTS (
    SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32) + objid::bigint = hashtext(%(doing)s)::bigint
)
"""


def rebuilding(connection: psycopg.Connection, database: Database) -> Rebuilding | None:
    """How far the rebuild of the house is that runs now; None where none runs. ``connection`` commits by itself."""
    names = {"table": f"{database.book_next}.{TABLE}", "doing": _doing(database)}
    row = connection.execute(_RUNNING, names).fetchone()
    if row is None or not row[0]:
        return None
    statement = sql.SQL("SELECT projection, unit, reached, total, started_at FROM {}").format(
        sql.Identifier(database.book_next, TABLE)
    )
    with suppress(psycopg.errors.UndefinedTable), connection.cursor(row_factory=class_row(Rebuilding)) as cursor:
        return cursor.execute(statement).fetchone()
    return None
