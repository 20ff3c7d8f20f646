"""Projectors: read on, project, and commit rows and position in one transaction. Killed at any point they lose nothing.

The facts and the audit views read the log; the ledger reads the facts, and posts a promotion from its valuation where
that stands. A projector that meets what it cannot process stops at it, with the position and the reason, after
committing what came before.
"""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice
from typing import Any, NamedTuple, TypeVar

import orjson
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from adapters import tables, valuations
from adapters.database import Database
from adapters.pg_facts import PgFacts, position_of
from adapters.pg_facts import positions_table as _positions
from adapters.tables import PgTables
from domain.message import Recorded, read_state
from domain.rating.facts import HOUSE_NO
from projections import agenda, agent_book, audit_trail, deal_board, facts, ledger, payout_book
from projections.ledger import Facts, Ledger
from projections.projection import Projection, Table

FROM_LOG: tuple[Projection, ...] = (facts, audit_trail, agent_book, agenda, deal_board, payout_book)
"""The projections that read the log; the ledger reads the facts."""
LEDGER = ledger.name
NAMES = (*(projection.name for projection in FROM_LOG), LEDGER)

REMEMBERED_ACCOUNTS = 20_000
COPY_ROWS = 50_000
ROWS_AT_ONCE = 10_000
PROGRAM_LIMIT = "54"
"""The class of SQLSTATE for what no amount of disk or memory would help, such as a key too long for an index."""

Result = TypeVar("Result")


class Poison(Exception):
    """A projector cannot process what stands at a position. Nothing after it is projected until that is mended."""

    def __init__(self, projection: str, position: int, reason: str) -> None:
        super().__init__(f"projector {projection} stopped at position {position}: {reason}")
        self.projection, self.position, self.reason = projection, position, reason


class RebuildNeeded(Exception):
    """The tables are of another version of the projection. The message says what to run."""


def tables_of(name: str) -> tuple[Table, ...]:
    return ledger.tables if name == LEDGER else _by_name(name).tables


def version_of(name: str) -> int:
    return ledger.version if name == LEDGER else _by_name(name).version


def _by_name(name: str) -> Projection:
    return next(projection for projection in FROM_LOG if projection.name == name)


def prepare(connection: psycopg.Connection, schema: str, names: Iterable[str] = NAMES) -> None:
    """Create what is missing in a schema of projections, at position 0. Raises RebuildNeeded."""
    connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{schema} tables",))
    connection.execute(tables.POSITIONS.format(schema=sql.Identifier(schema)))
    for name in names:
        tables.create(connection, schema, tables_of(name))
        connection.execute(
            sql.SQL("INSERT INTO {} (name, version, position) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING").format(
                _positions(schema)
            ),
            (name, version_of(name)),
        )
        row = connection.execute(
            sql.SQL("SELECT version FROM {} WHERE name = %s").format(_positions(schema)), (name,)
        ).fetchone()
        if row is not None and row[0] != version_of(name):
            raise RebuildNeeded(
                f"projection {name} has tables of version {row[0]}, this release makes version {version_of(name)}; "
                f"run `trailbook rebuild {name}`, or `trailbook rebuild` for all that are of another version"
            )
    connection.commit()


def outdated(connection: psycopg.Connection, schema: str) -> list[str]:
    """The projections whose tables are of another version than this release makes, in the order to build them in.

    The ledger is one of them where the facts are: it is posted from them.
    """
    connection.execute(tables.POSITIONS.format(schema=sql.Identifier(schema)))
    versions = {row["name"]: row["version"] for row in positions(connection, schema)}
    connection.commit()
    stale = {name for name in NAMES if versions.get(name, version_of(name)) != version_of(name)}
    if facts.name in stale and LEDGER in versions:
        stale.add(LEDGER)
    return [name for name in NAMES if name in stale]


def head_of(connection: psycopg.Connection, house: str) -> int:
    """The last position of the log."""
    row = connection.execute(sql.SQL("SELECT position FROM {}").format(sql.Identifier(house, "log_head"))).fetchone()
    return row[0] if row else 0


def positions(connection: psycopg.Connection, schema: str) -> list[dict[str, Any]]:
    """Each projection's version, position, and where and why it stopped, if it did."""
    statement = sql.SQL("SELECT name, version, position, poison_position, poison_reason FROM {} ORDER BY name")
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement.format(_positions(schema))).fetchall()


class EventAt(NamedTuple):
    """An event by its ids alone, which are there also where what it says cannot be read."""

    event_id: str
    topic: str
    command_id: str | None
    """None where what is stored cannot be read; so is the next."""
    correlation_id: str | None


def event_at(connection: psycopg.Connection, house: str, position: int) -> EventAt | None:
    """The event at a position of the log; None where the log ends before it."""
    statement = sql.SQL(
        "SELECT originator_id, originator_version, topic, state FROM {} WHERE notification_id = %s"
    ).format(sql.Identifier(house, "house_events"))
    row = connection.execute(statement, (position,)).fetchone()
    if row is None:
        return None
    stream, version, topic, state = row
    try:
        said = orjson.loads(bytes(state))
        return EventAt(f"{stream}@{version}", topic, said["command_id"], said["correlation_id"])
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return EventAt(f"{stream}@{version}", topic, None, None)


def read_log(connection: psycopg.Connection, house: str, after: int, upto: int) -> Iterator[Recorded]:
    """The events after one position up to another, in order, streamed."""
    statement = sql.SQL(
        "SELECT originator_id, originator_version, topic, state, notification_id, recorded_at FROM {} "
        "WHERE notification_id > %s AND notification_id <= %s ORDER BY notification_id"
    ).format(sql.Identifier(house, "house_events"))
    with connection.cursor("log", binary=True) as cursor:
        cursor.itersize = 200
        cursor.execute(statement, (after, upto))
        for stream, version, topic, state, position, recorded_at in cursor:
            event, envelope = read_state(topic, orjson.loads(state))
            yield Recorded(stream, version, event, envelope, position, recorded_at)


@dataclass
class Projector:
    """One projection in one schema. ``step`` is one transaction."""

    database: Database
    schema: str
    name: str
    connection: psycopg.Connection
    state: PgTables = field(init=False)
    ledger: Ledger | None = field(init=False, default=None)
    _at: int = -1

    def __post_init__(self) -> None:
        self.state = PgTables(self.connection, self.schema, tables_of(self.name))

    def step(self, batch: int, upto: int | None = None) -> int:
        """Project up to ``batch`` positions and commit; how many. Raises Poison after committing what came before."""
        try:
            done, failure = self._attempt(batch, upto)
        except psycopg.Error as refused:  # the server does not say by which position
            if not _is_the_rows_fault(refused):
                raise
            if batch > 1:
                return self.step(batch // 10 or 1, upto)
            reason = " ".join(str(refused).split())
            done, failure = 0, (self._stored_position() + 1, f"{type(refused).__name__}: {reason}")
        if failure is None:
            return done
        position, reason = failure
        self._rolled_back()
        before = position - 1 - self._stored_position()
        self.connection.rollback()
        if before > 0:
            self._attempt(before, upto)
        self.connection.execute(
            sql.SQL("UPDATE {} SET poison_position = %s, poison_reason = %s WHERE name = %s").format(
                _positions(self.schema)
            ),
            (position, reason, self.name),
        )
        self.connection.commit()
        raise Poison(self.name, position, reason)

    def catch_up(
        self, batch: int = 1_000, upto: int | None = None, progress: Callable[[int], None] | None = None
    ) -> int:
        """Step until there is nothing more; the position reached."""
        while done := self.step(batch, upto):
            if progress is not None:
                progress(done)
        return max(self._at, 0)

    def _attempt(self, batch: int, upto: int | None) -> tuple[int, tuple[int, str] | None]:
        """One transaction: how many positions, or which one cannot be processed and why."""
        try:
            return self._transact(batch, upto)
        except (psycopg.Error, MemoryError):
            self._rolled_back()
            raise

    def _transact(self, batch: int, upto: int | None) -> tuple[int, tuple[int, str] | None]:
        position = self._stored_position(lock=True)  # another process may not move it before the commit
        if position != self._at:
            self._forget()
            self._at = position
        end = self._end()
        target = min(position + batch, end if upto is None else min(end, upto))
        if target <= position:
            self.connection.commit()
            return 0, None
        at = [position]
        try:
            for _ in self._project(position, target, at):
                if self.state.pending_rows >= COPY_ROWS:
                    self.state.flush()
        except (psycopg.Error, MemoryError):  # these are not the event's fault
            raise
        except Exception as error:  # whatever a projection cannot process is poison, named with its position
            return 0, (at[0], f"{type(error).__name__}: {error}")
        self.state.flush()
        self._stand_at(target)
        self.connection.commit()
        self._at = target
        return target - position, None

    def _stand_at(self, target: int) -> None:
        """The live ledger says so too, because whoever publishes the journal waits for it."""
        moved = sql.SQL(
            "UPDATE {} SET position = %s, poison_position = NULL, poison_reason = NULL, "
            "moved_at = clock_timestamp() WHERE name = %s"
        ).format(_positions(self.schema))
        parameters: tuple[Any, ...] = (target, self.name)
        if self.name == LEDGER and self.schema == self.database.book:
            moved = sql.SQL("WITH moved AS ({} RETURNING 1) SELECT pg_notify(%s, '') FROM moved").format(moved)
            parameters += (self.database.ledger_channel,)
        self.connection.execute(moved, parameters)

    def _stored_position(self, *, lock: bool = False) -> int:
        statement = sql.SQL(
            "SELECT position FROM {} WHERE name = %s FOR UPDATE" if lock else "SELECT position FROM {} WHERE name = %s"
        )
        row = self.connection.execute(statement.format(_positions(self.schema)), (self.name,)).fetchone()
        if row is None:
            raise LookupError(f"projection {self.name} is not prepared in {self.schema}")
        return int(row[0])

    def _rolled_back(self) -> None:
        if not self.connection.closed:
            self.connection.rollback()
        self._forget()

    def _forget(self) -> None:
        self.state.forget()
        self.ledger = None
        self._at = -1

    def _end(self) -> int:
        """The last position that can be projected: of the log, or for the ledger that of the facts."""
        if self.name == LEDGER:
            return position_of(self.connection, self.schema, facts.name)
        return head_of(self.connection, self.database.house)

    def _project(self, after: int, upto: int, at: list[int]) -> Iterator[None]:
        if self.name == LEDGER:
            yield from self._project_ledger(after, upto, at)
            return
        projection = _by_name(self.name)
        at[0] = after + 1
        for recorded in read_log(self.connection, self.database.house, after, upto):
            at[0] = recorded.position
            self.state.add(projection.project(recorded, self.state))
            at[0] = recorded.position + 1
            yield

    def _project_ledger(self, after: int, upto: int, at: list[int]) -> Iterator[None]:
        if self.ledger is None:
            self.ledger = Ledger(PgFacts(self.connection, self.schema))
            self.ledger.learn_house(after + 1)
        elif len(self.ledger.accounts) > REMEMBERED_ACCOUNTS:
            self.ledger.accounts.clear()
        for position, group in groupby(self._facts(after, upto), key=lambda row: row[0]):
            at[0] = position
            new = [(account_no, orjson.loads(body)) for _, account_no, body in group]
            if self._promoted_in_bulk(position, new):
                self.ledger.learn_promotion(position, [fact for _, fact in new])
                yield
                continue
            rows = self.ledger.project(position, new)
            while some := list(islice(rows, ROWS_AT_ONCE)):  # one event may concern every account
                self.state.add(some)
                yield

    def _promoted_in_bulk(self, position: int, new: Facts) -> bool:
        """Whether a promotion was posted from its valuation, which only the live ledger has."""
        promoted = [fact[3] for account_no, fact in new if account_no == HOUSE_NO and fact[0] == "recipe"]
        if not promoted or self.schema != self.database.book or any(no != HOUSE_NO for no, _ in new):
            return False
        return valuations.promote(self.connection, self.database, promoted[0], position)

    def _facts(self, after: int, upto: int) -> Iterator[tuple[int, int, str]]:
        statement = sql.SQL(
            "SELECT position, account_no, body FROM {} WHERE position > %s AND position <= %s "
            "ORDER BY position, account_no, seq"
        ).format(sql.Identifier(self.schema, "facts"))
        with self.connection.cursor("facts", binary=True) as cursor:
            cursor.itersize = 2_000
            cursor.execute(statement, (after, upto))
            yield from cursor


def _is_the_rows_fault(error: psycopg.Error) -> bool:
    """Whether the server refuses the rows; a full disk, a lack of memory or a cancelled statement refuses nothing."""
    if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
        return True
    return (error.sqlstate or "").startswith(PROGRAM_LIMIT)


class Projectors:
    """All projections of a house in one schema, on one connection: what ``run`` and every query keep up to date."""

    def __init__(self, database: Database, schema: str | None = None, names: Iterable[str] = NAMES) -> None:
        self.database = database
        self.schema = schema or database.book
        self.names = tuple(names)
        self._connect()
        with database.faults_explained():
            prepare(self.connection, self.schema, self.names)

    def _connect(self) -> None:
        self.connection = self.database.connect("projector")
        self.projectors = {n: Projector(self.database, self.schema, n, self.connection) for n in self.names}

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> "Projectors":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def step(self, batch: int = 1_000, upto: int | None = None) -> int:
        """One step of each projector; how many positions in all. Raises as ``advance``, and Poison after all steps."""
        done, poisons = self.advance(batch, upto)
        if poisons:
            raise poisons[0]
        return done

    def advance(
        self, batch: int = 1_000, upto: int | None = None, names: Collection[str] | None = None
    ) -> tuple[int, list[Poison]]:
        """One step of each projector (of those named), facts before the ledger; how many positions in all.

        When the connection breaks, what was not committed is done again on a new one. Raises DatabaseUnavailable.
        """
        return self._again_when_cut(lambda: self._advance(batch, upto, self.names if names is None else names))

    def _again_when_cut(self, work: Callable[[], Result]) -> Result:
        try:
            return work()
        except psycopg.Error as error:
            fault = self.database.fault(error)
            if fault is None:
                raise
            if not self.connection.closed:
                raise fault from error
        self._connect()
        with self.database.faults_explained():
            return work()

    def _advance(self, batch: int, upto: int | None, names: Collection[str]) -> tuple[int, list[Poison]]:
        done, poisons = 0, []
        for name, projector in self.projectors.items():
            if name not in names:
                continue
            try:
                done += projector.step(batch, upto)
            except Poison as stopped:
                poisons.append(stopped)
        return done, poisons

    def catch_up(self, batch: int = 1_000, upto: int | None = None, names: Collection[str] | None = None) -> int:
        """Step until nothing (of those named) is behind where the log ends now; the position of the last, which is the
        ledger. What is recorded meanwhile is left out, or under load this would never end.

        Raises Poison once all others are at the end, DatabaseUnavailable.
        """
        names = self.names if names is None else names
        if upto is None:
            upto = self._head()
        poisoned: dict[str, Poison] = {}
        while True:
            done, poisons = self.advance(batch, upto, [name for name in names if name not in poisoned])
            poisoned.update((poison.projection, poison) for poison in poisons)
            if not done and not poisons:
                break
        for poison in poisoned.values():
            raise poison
        return self._again_when_cut(lambda: self._asked(position_of(self.connection, self.schema, [*names][-1])))

    def _head(self) -> int:
        return self._again_when_cut(lambda: self._asked(head_of(self.connection, self.database.house)))

    def _asked(self, answer: int) -> int:
        self.connection.commit()
        return answer
