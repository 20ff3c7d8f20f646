"""The library's recorder over the house's log: one round trip an append, gapless positions, no waiting without end.

The library's own PostgreSQL recorder pipelines, locks the table, needs composite types and retries everything; what
broke with each of these is in the design, section 7. Here the database function ``append`` does the work under the
lock of the one-row head, and nothing is retried: whether that is safe, only the caller knows.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from time import sleep
from typing import Any, Literal, LiteralString, NamedTuple, cast

import psycopg
from eventsourcing.persistence import (
    ApplicationRecorder,
    Notification,
    PersistenceError,
    StoredEvent,
    Subscription,
)
from eventsourcing.postgres import (
    PostgresAggregateRecorder,
    PostgresApplicationRecorder,
    PostgresDatastore,
    PostgresFactory,
)
from eventsourcing.utils import Environment, EnvType
from psycopg import sql
from psycopg.rows import RowMaker, dict_row, tuple_row
from psycopg_pool import PoolTimeout

from adapters.database import GUARD_BROKEN, STAGE

STAGED_FROM_BYTES = 1_000_000
"""Appends of at least this many bytes are copied to a session's own table before they take the head."""
POLL_SECONDS = 0.5
"""How long a subscription waits at most before it looks again; a notification only shortens it."""

SUBSCRIPTION_BATCH = 500
UNIQUE_VIOLATION = "23505"


class AppendedRange(NamedTuple):
    """The first and the last position of an append, (0, 0) if it had no events, and its time."""

    first: int
    last: int
    recorded_at: datetime


class StoredCommand(NamedTuple):
    command_id: str
    digest: str
    first_position: int
    last_position: int


class RawEvent(NamedTuple):
    """An event as it is stored, with its place in the log."""

    position: int
    stream: str
    version: int
    topic: str
    state: bytes
    recorded_at: datetime


def conflict_of(error: PersistenceError) -> Literal["stream", "command"] | None:
    """What an append ran into: a stream that has moved, a command id that is stored, or None of the two."""
    cause = error.__cause__
    if not isinstance(cause, psycopg.Error):
        return None
    if cause.sqlstate == GUARD_BROKEN:
        return "stream"
    if cause.sqlstate == UNIQUE_VIOLATION:
        by_constraint: dict[str | None, Literal["stream", "command"]] = {
            "house_events_stream_version": "stream",
            "command_log_command_id": "command",
        }
        return by_constraint.get(cause.diag.constraint_name)
    return None


def connection_lost(error: PersistenceError) -> bool:
    """Whether the connection broke, so that nobody knows whether the statement was done."""
    cause = error.__cause__
    if not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError) or isinstance(cause, PoolTimeout):
        return False
    # libpq has no SQLSTATE of its own; 57P01 to 57P03: the server is going down or coming up
    return cause.sqlstate is None or cause.sqlstate.startswith("08") or cause.sqlstate in ("57P01", "57P02", "57P03")


class HouseDatastore(PostgresDatastore):
    """The library's pool, opened with any conninfo: sockets, URLs, options that choose the role."""

    def __init__(self, conninfo: str, schema: str, pool_size: int, connect_timeout: int) -> None:
        super().__init__(
            *("", "", "", "", ""),
            schema=schema,
            originator_id_type="text",
            pool_size=1,
            max_overflow=pool_size - 1,
            connect_timeout=connect_timeout,
        )
        self.conninfo = conninfo
        self.pool.conninfo = conninfo
        self.pool.kwargs = {"row_factory": dict_row}

    def register_type_adapters(self) -> None:
        """Nothing: no composite types are used, and looking for them would connect too early."""


class HouseFactory(PostgresFactory):
    """The library's factory over ``HouseDatastore``; POSTGRES_CONNINFO takes the place of host, user and so on."""

    POSTGRES_CONNINFO = "POSTGRES_CONNINFO"

    def __init__(self, env: Environment | EnvType | None) -> None:
        super().__init__(env)
        self.datastore = HouseDatastore(
            conninfo=self.env.get(self.POSTGRES_CONNINFO) or "",
            schema=self.env.get(self.POSTGRES_SCHEMA) or "",
            pool_size=int(self.env.get(self.POSTGRES_POOL_SIZE) or 4),
            connect_timeout=int(self.env.get(self.POSTGRES_CONNECT_TIMEOUT) or 10),
        )


class HouseRecorder(PostgresApplicationRecorder):
    """Keeps the library's contract of an ApplicationRecorder for the log of one house."""

    datastore: HouseDatastore

    def __init__(self, datastore: HouseDatastore, *, events_table_name: str = "house_events") -> None:
        super().__init__(datastore, events_table_name=events_table_name)
        self.channel_name = f"{datastore.schema}_events"
        self._append = self._statement(_APPEND)
        self._append_staged = self._statement(_APPEND_STAGED)
        self._select_streams = self._statement(_SELECT_STREAMS)
        self._select_stream = self._statement(_SELECT_STREAM)
        self._select_rows = self._statement(_SELECT_ROWS)
        self._select_command = self._statement(_SELECT_COMMAND)
        self._select_imports = self._statement(_SELECT_IMPORTS)
        self._select_head = self._statement(_SELECT_HEAD)
        self._select_clock = self._statement(_SELECT_CLOCK)

    # -- what the library asks for

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Append the events; their positions, or None if there are none.

        ``guards``, ``command_id`` and ``digest`` as in ``append``. Raises IntegrityError, OperationalError.
        """
        command_id = kwargs.get("command_id")
        if not stored_events and command_id is None:
            return None
        done = self.append(stored_events, kwargs.get("guards") or {}, command_id, kwargs.get("digest"))
        return list(range(done.first, done.last + 1)) if stored_events else None

    # The library's own queries, without the retries around them.
    select_events = PostgresAggregateRecorder.select_events.__wrapped__
    select_notifications = PostgresApplicationRecorder.select_notifications.__wrapped__
    max_notification_id = PostgresApplicationRecorder.max_notification_id.__wrapped__

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """The notifications after ``gt``, waiting for more at the end: polled, with NOTIFY as a hint to look now."""
        return PollingSubscription(self, gt, topics)

    # -- what the house asks for

    def append(
        self,
        events: Sequence[StoredEvent],
        guards: Mapping[str, int],
        command_id: str | None = None,
        digest: str | None = None,
    ) -> AppendedRange:
        """Append all or nothing, at contiguous positions in the given order.

        ``guards``: streams with the version that each must still have; a version that is taken fails as well.
        Raises IntegrityError (see ``conflict_of``) and OperationalError (see ``connection_lost``), never retried.
        """
        rest = (_array(guards), _integers(guards.values()), command_id, digest)
        if sum(len(event.state) for event in events) >= STAGED_FROM_BYTES:
            return self._append_many_bytes(events, rest)
        parameters = (
            _array(event.originator_id for event in events),
            _integers(event.originator_version for event in events),
            _array(event.topic for event in events),
            [event.state for event in events],
            *rest,
        )
        with self.datastore.get_connection() as connection:
            return AppendedRange(*self._row(connection, self._append, parameters))

    def append_staged(
        self, events: Iterable[StoredEvent], guards: Mapping[str, int], command_id: str, digest: str
    ) -> AppendedRange:
        """``append`` for events that are too many for memory: the head is held only while the server moves them."""
        return self._append_many_bytes(events, (_array(guards), _integers(guards.values()), command_id, digest))

    def _append_many_bytes(self, events: Iterable[StoredEvent], rest: tuple[Any, ...]) -> AppendedRange:
        with self.datastore.get_connection() as connection, connection.transaction():
            connection.execute(STAGE)
            place = 0
            with connection.cursor() as cursor, cursor.copy(_COPY_STAGED) as copy:
                copy.set_types(("text", "int8", "text", "bytea", "int8"))
                for place, event in enumerate(events, start=1):
                    copy.write_row((event.originator_id, event.originator_version, event.topic, event.state, place))
            return AppendedRange(*self._row(connection, self._append_staged, (place, *rest)))

    def select_streams(self, after: Mapping[str, int], passing_over: Iterable[str] = ()) -> list[RawEvent]:
        """The events of each named stream after its version, by position, in one query. Raises OperationalError.

        Of the topics to pass over only a stream's last event is read.
        """
        return self._rows(self._select_streams, (_array(after), _integers(after.values()), _array(passing_over)))

    def select_stream(self, stream: str, after: int, upto: int) -> list[RawEvent]:
        """The events of a stream after one version up to another, in order. Raises OperationalError."""
        return self._rows(self._select_stream, (stream, after, upto))

    def select_rows(self, after: int, limit: int) -> list[RawEvent]:
        """Up to ``limit`` events after a position, in order. Raises OperationalError."""
        return self._rows(self._select_rows, (after, limit))

    def find_command(self, command_id: str) -> StoredCommand | None:
        """What the command id led to, if it is stored. Raises OperationalError."""
        with self.datastore.get_connection() as connection:
            row = self._row(connection, self._select_command, (command_id,))
        return StoredCommand(*row) if row else None

    def find_imports(self, digest: str) -> list[StoredCommand]:
        """The imports of one file, by the part of its digest that their ids end in. Raises OperationalError.

        Reads every id; that is a fraction of what reading the file took.
        """
        with self.datastore.get_connection() as connection, connection.cursor(row_factory=tuple_row) as cursor:
            found = cursor.execute(self._select_imports, (f"import-%-{digest}%",)).fetchall()
        return [StoredCommand(*row) for row in found]

    def head(self) -> tuple[int, datetime]:
        """The last position, 0 in an empty log, and its time. Raises OperationalError."""
        with self.datastore.get_connection() as connection:
            position, recorded_at = self._row(connection, self._select_head, ())
        return position, recorded_at

    def clock(self) -> datetime:
        """The log's own clock, which goes on from the last event when the server's is set back."""
        with self.datastore.get_connection() as connection:
            (now,) = self._row(connection, self._select_clock, ())
        return cast(datetime, now)

    def discard_broken_connections(self) -> None:
        """After one connection broke, the others of the pool have probably broken too."""
        self.datastore.pool.check()

    def _rows(self, statement: bytes, parameters: tuple[Any, ...]) -> list[RawEvent]:
        with (
            self.datastore.get_connection() as connection,
            connection.cursor(binary=True, row_factory=_raw_events) as cursor,
        ):
            return cursor.execute(statement, parameters, prepare=True).fetchall()

    @staticmethod
    def _row(connection: psycopg.Connection[Any], statement: bytes, parameters: tuple[Any, ...]) -> Any:
        with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
            return cursor.execute(statement, parameters, prepare=True).fetchone()

    def _statement(self, text: LiteralString) -> bytes:
        """Rendered once: composing it for each execution costs as much as a look-up."""
        return sql.SQL(text).format(house=sql.Identifier(self.datastore.schema)).as_bytes()


class PollingSubscription(Subscription[HouseRecorder]):
    """Yields notifications as they are recorded; looks at least every ``POLL_SECONDS``, whatever NOTIFY does."""

    def __init__(self, recorder: HouseRecorder, gt: int | None = None, topics: Sequence[str] = ()) -> None:
        super().__init__(recorder, gt, topics)
        self._pending: deque[Notification] = deque()
        self._listening: psycopg.Connection[Any] | None = None

    def __exit__(self, *args: object, **kwargs: Any) -> None:
        super().__exit__(*args, **kwargs)
        self._stop_listening()

    def __next__(self) -> Notification:
        while not self._has_been_stopped:
            if not self._pending:
                # listening starts before the first look, or a notification between the two would be missed
                self._listen()
                self._look()
            if self._pending:
                notification = self._pending.popleft()
                self._last_notification_id = notification.id
                return notification
            self._wait()
        raise StopIteration

    def _look(self) -> None:
        self._pending.extend(
            self._recorder.select_notifications(
                start=self._last_notification_id or 0,
                limit=SUBSCRIPTION_BATCH,
                topics=self._topics,
                inclusive_of_start=False,
            )
        )

    def _listen(self) -> None:
        """A connection of its own: waiting must not take one from the pool. Without it, polling goes on alone."""
        if self._listening is None or self._listening.closed:
            with suppress(psycopg.OperationalError):
                self._listening = psycopg.connect(self._recorder.datastore.conninfo, autocommit=True)
                self._listening.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._recorder.channel_name)))

    def _wait(self) -> None:
        if self._listening is None or self._listening.closed:
            sleep(POLL_SECONDS)
            return
        try:
            deque(self._listening.notifies(timeout=POLL_SECONDS, stop_after=1), maxlen=0)
        except psycopg.OperationalError:
            self._stop_listening()

    def _stop_listening(self) -> None:
        if self._listening is not None:
            self._listening.close()
            self._listening = None


def _array(texts: Iterable[Any]) -> str:
    """An array as PostgreSQL writes it: several times faster to send than a list."""
    quoted = (str(text).replace("\\", "\\\\").replace('"', '\\"') for text in texts)
    return "{" + ",".join(f'"{text}"' for text in quoted) + "}"


def _integers(numbers: Iterable[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}"


def _raw_events(cursor: psycopg.Cursor[Any]) -> RowMaker[RawEvent]:
    return RawEvent._make


_APPEND: LiteralString = """
SELECT lowest, highest, clock FROM {house}.append(
    %s::text[], %s::bigint[], %s::text[], %b::bytea[], %s::text[], %s::bigint[], %s, %s)
"""
_APPEND_STAGED: LiteralString = """
SELECT lowest, highest, clock FROM {house}.append_staged(%s, %s::text[], %s::bigint[], %s, %s)
"""
_COPY_STAGED: LiteralString = "COPY pg_temp.staged_events FROM STDIN (FORMAT binary)"
# One index look-up a stream, whatever the planner believes about the size of the log.
_SELECT_STREAMS: LiteralString = """
SELECT notification_id, originator_id, originator_version, topic, state, recorded_at
FROM unnest(%s::text[], %s::bigint[]) AS named (stream, after)
CROSS JOIN LATERAL (
    SELECT * FROM {house}.house_events
    WHERE originator_id = named.stream AND originator_version > named.after
    AND (topic <> ALL (%s::text[]) OR originator_version = (
        SELECT max(originator_version) FROM {house}.house_events WHERE originator_id = named.stream))
    ORDER BY originator_version
) AS event
ORDER BY notification_id
"""
_SELECT_STREAM: LiteralString = """
SELECT notification_id, originator_id, originator_version, topic, state, recorded_at
FROM {house}.house_events WHERE originator_id = %s AND originator_version > %s AND originator_version <= %s
ORDER BY originator_version
"""
_SELECT_ROWS: LiteralString = """
SELECT notification_id, originator_id, originator_version, topic, state, recorded_at
FROM {house}.house_events WHERE notification_id > %s ORDER BY notification_id LIMIT %s
"""
_SELECT_COMMAND: LiteralString = """
SELECT command_id, digest, first_position, last_position FROM {house}.command_log WHERE command_id = %s
"""
_SELECT_IMPORTS: LiteralString = """
SELECT command_id, digest, first_position, last_position FROM {house}.command_log
WHERE command_id LIKE %s AND first_position > 0 ORDER BY first_position
"""
_SELECT_HEAD: LiteralString = "SELECT position, recorded_at FROM {house}.log_head"
_SELECT_CLOCK: LiteralString = "SELECT greatest(clock_timestamp(), recorded_at) FROM {house}.log_head"
