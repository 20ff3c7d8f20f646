"""Rebuilding: a projection grows again beside the live one, from the first position, and takes its place.

The tables of the next book grow in the schema ``book_next`` while the live ones are read and written. At the end, in
one short transaction, the live position is held still, the next tables are brought to it and moved into the live
schema. Killed at any point, a rebuild has changed nothing that is live; the next one drops what is left and begins
again.

The facts and the audit views grow by the ordinary projector. The ledger grows in bulk: worker processes post range
after range of accounts (see ``adapters.bulk``), keys and indexes follow, and the ordinary projector does the rest.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import asdict
from typing import Any

import psycopg
from psycopg import sql

from adapters import tables
from adapters.bulk import Loaded, Task, oid_of
from adapters.database import Database
from adapters.pg_facts import PgFacts, position_of
from adapters.projectors import LEDGER, NAMES, Projector, prepare, tables_of, version_of
from adapters.rebuild_progress import Telling, telling
from adapters.workers import Pool, Range, WorkerFailed, ranges
from projections import facts
from projections.ledger import BALANCE, JOURNAL, Ledger
from projections.projection import Table

Progress = Callable[[int, int], None]
"""How much is done and how much there is: positions, or facts for a ledger in bulk. From any thread."""

BATCH = 5_000
RANGES_A_WORKER = 6
"""More ranges than workers, so that one with slow accounts holds nobody up."""
SWAP_ATTEMPTS = 60
SWAP_WAIT = "1s"
"""How long a swap waits for readers of the live tables before it lets them pass and tries again."""
INDEX_MEMORY = "96MB"
PLACE_WAIT = "15s"


class ProjectionUnknown(LookupError):
    """There is no projection of that name. The message is one sentence."""


class RebuildRunning(Exception):
    """Two rebuilds of one house would build in the same place. The message is one sentence."""


class RebuildFailed(Exception):
    """A worker ended, or the live tables were never free. Nothing that is live has changed; run it again."""


def rebuild(database: Database, name: str, workers: int | None = None, progress: Progress | None = None) -> int:
    """Build a projection again and put it in the live one's place; the position at which it stands.

    Works whatever state the live tables are in: another version, stopped at a poisonous event, or missing. Readers and
    the live projector go on meanwhile. ``workers`` are the processes of a ledger in bulk, by default one a core.
    Raises ProjectionUnknown, RebuildRunning, RebuildFailed, Poison, RebuildNeeded (the facts come before the ledger).
    """
    if name not in NAMES:
        raise ProjectionUnknown(f"there is no projection {name!r}; there are {', '.join(NAMES)}")
    with only_one(database), database.connect("projector") as connection:
        clear(connection, database.book_next)
        with telling(database, name, progress or (lambda done, total: None)) as tell:
            return _rebuilt(database, connection, name, workers or os.cpu_count() or 1, tell)


def _rebuilt(database: Database, connection: psycopg.Connection, name: str, workers: int, tell: Telling) -> int:
    if name == LEDGER:
        _load_ledger(database, connection, workers, tell.of("facts"))
        projector: Projector = LedgerBeside(database, database.book_next, LEDGER, connection)
    else:
        _begin(connection, database.book_next, name, 0)
        projector = Projector(database, database.book_next, name, connection)
    _catch_up(projector, tell.of("positions"))
    return _take_place(database, name, projector)


def _catch_up(projector: Projector, report: Progress) -> None:
    total = projector._end()
    reached = position_of(projector.connection, projector.schema, projector.name)
    projector.connection.commit()
    while done := projector.step(BATCH):
        reached += done
        report(reached, max(total, reached))


def only_one(database: Database) -> AbstractContextManager[None]:
    """Hold the place in which books are built again, until the connection ends. Raises RebuildRunning."""
    running = f"another rebuild or verify of {database.house} is running; wait until it has ended"
    return database.alone("builds a book", PLACE_WAIT, RebuildRunning(running))


def clear(connection: psycopg.Connection, schema: str) -> None:
    """Drop every table in a schema of projections: what an earlier run left there."""
    rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", (schema,)).fetchall()
    for (name,) in rows:
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(schema, name)))
    connection.commit()


def _begin(connection: psycopg.Connection, schema: str, name: str, position: int, *, indexed: bool = True) -> None:
    """Empty tables for a projection that stands at a position."""
    connection.execute(tables.POSITIONS.format(schema=sql.Identifier(schema)))
    tables.create(connection, schema, tables_of(name), indexed=indexed)
    _stand_at(connection, schema, name, position)
    connection.commit()


def _stand_at(connection: psycopg.Connection, schema: str, name: str, position: int) -> None:
    connection.execute(
        sql.SQL(
            "INSERT INTO {} (name, version, position) VALUES (%s, %s, %s) ON CONFLICT (name) DO UPDATE SET "
            "version = excluded.version, position = excluded.position, "
            "poison_position = NULL, poison_reason = NULL, moved_at = clock_timestamp()"
        ).format(sql.Identifier(schema, "projection_position")),
        (name, version_of(name), position),
    )


# -- taking the live one's place


class LedgerBeside(Projector):
    """A ledger that grows in a schema of its own from the live facts."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._live = Projector(self.database, self.database.book, LEDGER, self.connection)

    def _end(self) -> int:
        return self._live._end()

    def _facts(self, after: int, upto: int) -> Iterator[tuple[int, int, str]]:
        return self._live._facts(after, upto)

    def _project_ledger(self, after: int, upto: int, at: list[int]) -> Iterator[None]:
        if self.ledger is None:
            self.ledger = Ledger(PgFacts(self.connection, self.database.book))
            self.ledger.learn_house(after + 1)
        return super()._project_ledger(after, upto, at)


def _take_place(database: Database, name: str, projector: Projector) -> int:
    """Move the next tables into the live schema, at the live position or after it; the position."""
    with database.connect("projector") as swap:
        swap.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(SWAP_WAIT)))
        swap.commit()
        for _ in range(SWAP_ATTEMPTS):
            projector.catch_up(BATCH)
            try:
                position = _swap(database, name, projector, swap)
                swap.commit()
                return position
            except psycopg.errors.LockNotAvailable:
                swap.rollback()
    raise RebuildFailed(f"the tables of {name} were in use all the time; end long queries and rebuild {name} again")


def _swap(database: Database, name: str, projector: Projector, swap: psycopg.Connection) -> int:
    """Within one transaction of ``swap``; the projector's own connection does the last steps while the live one waits.

    Raises LockNotAvailable.
    """
    live, next_ = database.book, database.book_next
    swap.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{live} tables",))
    swap.execute(tables.POSITIONS.format(schema=sql.Identifier(live)))
    positions = sql.Identifier(live, "projection_position")
    swap.execute(sql.SQL("SELECT FROM {} WHERE name = %s FOR UPDATE").format(positions), (name,))
    projector.catch_up(BATCH)
    position = position_of(swap, next_, name)
    for table in tables_of(name):
        swap.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(live, table.name)))
        swap.execute(
            sql.SQL("ALTER TABLE {} SET SCHEMA {}").format(sql.Identifier(next_, table.name), sql.Identifier(live))
        )
    _stand_at(swap, live, name, position)
    swap.execute(
        sql.SQL("DELETE FROM {} WHERE name = %s").format(sql.Identifier(next_, "projection_position")), (name,)
    )
    return position


# -- a ledger in bulk


def _load_ledger(database: Database, connection: psycopg.Connection, workers: int, report: Progress) -> None:
    """The ledger of every fact up to the position at which the facts stand now, with keys and indexes."""
    prepare(connection, database.book, [facts.name])
    upto = position_of(connection, database.book, facts.name)
    _begin(connection, database.book_next, LEDGER, upto, indexed=False)
    accounts = ranges(connection, database.book, upto, workers * RANGES_A_WORKER)
    journal_oid = oid_of(connection, database.book_next, JOURNAL.name)
    connection.commit()
    task = Task(database.conninfo("projector"), database.book, database.book_next, journal_oid, upto)
    sums = _posted(task, accounts, workers, report)
    with connection.transaction():
        tables.copy_rows(
            connection, database.book_next, BALANCE, [(*key, amount) for key, amount in sorted(sums.items())]
        )
    tables.add_keys(connection, database.book_next, BALANCE)
    connection.commit()
    _add_keys(database, JOURNAL)


def _posted(task: Task, accounts: list[Range], workers: int, report: Progress) -> dict[tuple[int, str], int]:
    """The sums of all rows by ledger account and currency, in minor units. Raises RebuildFailed."""
    sums: dict[tuple[int, str], int] = {}
    done, total = 0, sum(one.size for one in accounts)

    def note(one: Range, answer: dict[str, Any]) -> None:
        nonlocal done
        for book, currency, amount in Loaded(**answer).sums:
            sums[book, currency] = sums.get((book, currency), 0) + amount
        done += one.size
        report(done, total)

    try:
        Pool("adapters.bulk", asdict(task), note).run(accounts, workers)
    except WorkerFailed as failed:
        if failed.reason is not None:
            raise RebuildFailed(f"the ledger cannot be built: {failed.reason}") from None
        raise RebuildFailed(f"{failed}; nothing that is live has changed, rebuild again") from None
    return sums


def _add_keys(database: Database, table: Table) -> None:
    """Primary key and indexes of a loaded table, each on a connection of its own."""
    schema, name = database.book_next, table.name
    key = sql.SQL("CREATE UNIQUE INDEX {} ON {} ({})").format(
        sql.Identifier(f"{name}_pkey"), sql.Identifier(schema, name), _columns(table.key)
    )
    indexes = [
        sql.SQL("CREATE INDEX ON {} ({})").format(sql.Identifier(schema, name), _columns(index))
        for index in table.indexes
    ]
    with ThreadPoolExecutor(len(indexes) + 1) as threads:
        for done in [threads.submit(_execute, database, statement) for statement in (key, *indexes)]:
            done.result()
    _execute(
        database,
        sql.SQL("ALTER TABLE {} ADD PRIMARY KEY USING INDEX {}").format(
            sql.Identifier(schema, name), sql.Identifier(f"{name}_pkey")
        ),
    )


def _execute(database: Database, statement: sql.Composed) -> None:
    with database.connect("projector", autocommit=True) as connection:
        connection.execute(sql.SQL("SET maintenance_work_mem = {}").format(sql.Literal(INDEX_MEMORY)))
        connection.execute("SET max_parallel_maintenance_workers = 0")
        connection.execute(statement)


def _columns(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))
