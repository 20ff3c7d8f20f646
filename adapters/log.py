"""The log in PostgreSQL: what ``domain.log.Log`` promises, also when a connection breaks in the middle of an append."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar, cast

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import (
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    PersistenceError,
    StoredEvent,
)

from adapters.database import Database, DatabaseUnavailable, Role
from adapters.mapper import HouseMapper, PlacedEvent
from adapters.recorder import AppendedRange, HouseRecorder, RawEvent, StoredCommand, conflict_of, connection_lost
from domain.ids import StreamId
from domain.log import CommandIdTaken, CommandResult, Head, NewEvent, StreamMoved
from domain.message import TOPICS, Event, Recorded, state_with

RECONNECTS = 5
"""How often an append or a read is tried again after its connection broke."""
PATIENCE_SECONDS = 10
"""How long an append or a read waits for a server that is away; a restart takes less."""
POOL_SIZE = 4
HISTORY_EVENTS = 20
LIBRARY_FAULTS = (InterfaceError, OperationalError, InternalError)
"""As the library calls what befalls the server or the way to it; a server that only reads is an internal error."""

_FURTHER = tuple(topic for topic, event in TOPICS.items() if event.further)

Result = TypeVar("Result")


class House(Application[str]):
    """The library's application over the house's log: the same recorder and mapper for whoever uses the library."""

    name = "house"

    def __init__(self, database: Database, role: Role = "writer", patience_seconds: int = PATIENCE_SECONDS) -> None:
        super().__init__(
            {
                "PERSISTENCE_MODULE": "adapters.recorder:HouseFactory",
                "APPLICATION_RECORDER_TOPIC": "adapters.recorder:HouseRecorder",
                "MAPPER_TOPIC": "adapters.mapper:HouseMapper",
                "ORIGINATOR_ID_TYPE": "text",
                "CREATE_TABLE": "no",
                "POSTGRES_SCHEMA": database.house,
                "POSTGRES_CONNINFO": database.conninfo(role),
                "POSTGRES_POOL_SIZE": str(POOL_SIZE),
                "POSTGRES_CONNECT_TIMEOUT": str(patience_seconds),
                # the conninfo says all this; the library wants to see it said
                **dict.fromkeys(("POSTGRES_DBNAME", "POSTGRES_HOST", "POSTGRES_USER", "POSTGRES_PASSWORD"), ""),
            }
        )


class PostgresLog:
    """The house's log, for the threads of one process. Raises DatabaseUnavailable where the database is gone."""

    def __init__(self, database: Database, role: Role = "writer", patience_seconds: int = PATIENCE_SECONDS) -> None:
        """Raises DatabaseUnavailable, InitNeeded."""
        database.check(role)
        self.database = database
        self.house = House(database, role, patience_seconds)
        self.recorder = cast(HouseRecorder, self.house.recorder)
        # with its one connection ready the pool does not open a second one; taking turns on two costs a third
        with database.faults_explained():
            self.recorder.datastore.pool.open(wait=True, timeout=patience_seconds)
        self.mapper = cast(HouseMapper, self.house.mapper)

    def close(self) -> None:
        self.house.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- reading

    def load(self, after: Mapping[StreamId, int]) -> Sequence[Recorded]:
        """The events of each named stream after the given version, in order within each stream, to be folded.

        Of events that only carry further lines, of which a big file has thousands, only a stream's last one.
        """
        return self._recorded(self.patiently(lambda: self.recorder.select_streams(after, _FURTHER)))

    def history(self, stream: StreamId, upto: int) -> Iterator[Recorded]:
        """All events of a stream up to a version, in order, a few at a time."""
        for rows in self.history_raw(stream, upto):
            yield from self._recorded(rows)

    def history_raw(self, stream: StreamId, upto: int) -> Iterator[Sequence[RawEvent]]:
        """The same with their bytes as stored."""
        for after in range(0, upto, HISTORY_EVENTS):
            end = min(upto, after + HISTORY_EVENTS)
            yield self.patiently(lambda after=after, end=end: self.recorder.select_stream(stream, after, end))  # type: ignore[misc]

    def result_of(self, command_id: str) -> CommandResult | None:
        """What the command id led to, if it is stored."""
        return _result(self.patiently(lambda: self.recorder.find_command(command_id)))

    def imports_of(self, digest: str) -> Sequence[CommandResult]:
        """What imports of one file led to, by the part of its digest that their command ids end in, in order."""
        found = self.patiently(lambda: self.recorder.find_imports(digest))
        return [result for command in found if (result := _result(command)) is not None]

    def read(self, after: int, limit: int) -> Sequence[Recorded]:
        """Up to ``limit`` events after a position, in order."""
        return self._recorded(self.read_raw(after, limit))

    def read_raw(self, after: int, limit: int) -> Sequence[RawEvent]:
        """Up to ``limit`` stored events after a position, in order, their bytes as stored."""
        return self.patiently(lambda: self.recorder.select_rows(after, limit))

    def head(self) -> Head | None:
        """The last position and its time, or None for an empty log."""
        position, recorded_at = self.patiently(self.recorder.head)
        return Head(position, recorded_at) if position else None

    def clock(self) -> datetime:
        """What an event recorded now would bear as its time: never before that of the last one."""
        return self.patiently(self.recorder.clock)

    def _recorded(self, rows: Iterable[RawEvent]) -> list[Recorded]:
        read = self.mapper.to_domain_event
        return [
            read(PlacedEvent(row.stream, row.version, row.topic, row.state, row.position, row.recorded_at))
            for row in rows
        ]

    # -- appending

    def append(
        self, events: Sequence[NewEvent], guards: Mapping[StreamId, int], command_id: str, digest: str
    ) -> CommandResult:
        """Append the events and the command id in one transaction; a written stream is guarded even if not named.

        Raises StreamMoved, CommandIdTaken, DatabaseUnavailable. After the last nobody knows whether the command is
        stored; given again under the same id it has one effect.
        """
        stored = [self.mapper.to_stored_event(event) for event in events]
        guarded = _guarded(events, guards)
        return self._once(lambda: self.recorder.append(stored, guarded, command_id, digest), command_id, digest)

    def append_lines(
        self,
        first: NewEvent,
        lines: Callable[[], Iterable[tuple[Event, Mapping[str, bytes]]]],
        guards: Mapping[StreamId, int],
        command_id: str,
        digest: str,
    ) -> CommandResult:
        """Append events of one stream from ``first`` on, each with its lists encoded apart, as ``append`` does.

        ``lines`` begins with the first event, and gives the same ones as often as it is called: memory stays flat.
        """

        def stored() -> Iterator[StoredEvent]:
            for version, (event, encoded) in enumerate(lines(), start=first.stream_version):
                state = state_with(event, first.envelope, encoded)
                yield StoredEvent(first.stream_id, version, event.topic, state)

        guarded = _guarded([first], guards)
        return self._once(
            lambda: self.recorder.append_staged(stored(), guarded, command_id, digest), command_id, digest
        )

    @contextmanager
    def one_at_a_time(self, name: str) -> Iterator[None]:
        """Waits until nobody else, in any process, is inside under the same name.

        The server forgets it with the connection: who is killed keeps nobody waiting, and who only loses that
        connection no longer keeps the others out. Raises DatabaseUnavailable.
        """
        with self.database.connect("writer", autocommit=True) as connection:
            with self.database.faults_explained():
                place = f"{self.database.house} {name}"
                connection.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", (place,))
            yield

    def _once(self, append: Callable[[], AppendedRange], command_id: str, digest: str) -> CommandResult:
        """One effect of the command id, however often the connection breaks."""
        lost = False
        for _ in range(RECONNECTS + 1):
            try:
                done = append()
                return CommandResult(command_id, digest, done.first, done.last)
            except IntegrityError as error:
                if earlier := self._earlier(command_id, digest, lost):
                    return earlier
                if conflict_of(error) == "stream":
                    raise StreamMoved from error
                raise
            except LIBRARY_FAULTS as error:
                self._expect_lost_connection(error)
                lost = True
                # the commit may have happened; if it has not, the command id lets only one of the attempts through
                if earlier := self._earlier(command_id, digest, lost):
                    return earlier
        raise self._unavailable("the connection broke again and again")

    def _earlier(self, command_id: str, digest: str, lost: bool) -> CommandResult | None:
        """The result of our own attempt whose answer was lost, None if the id is free. Raises CommandIdTaken."""
        earlier = self.result_of(command_id)
        if earlier is None or (lost and earlier.digest == digest):
            return earlier
        raise CommandIdTaken(earlier)

    # -- broken connections

    def patiently(self, read: Callable[[], Result]) -> Result:
        """What ``read`` reads; tried again, a bounded number of times, when its connection breaks."""
        for _ in range(RECONNECTS + 1):
            try:
                return read()
            except LIBRARY_FAULTS as error:
                self._expect_lost_connection(error)
        raise self._unavailable("the connection broke again and again")

    def _expect_lost_connection(self, error: PersistenceError) -> None:
        """Make ready for another attempt. Raises DatabaseUnavailable if it is another fault."""
        if not connection_lost(error):
            cause = error.__cause__
            fault = self.database.fault(cause) if isinstance(cause, psycopg.Error) else None
            raise fault or self._unavailable(str(error)) from error
        self.recorder.discard_broken_connections()

    def _unavailable(self, reason: str) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"the log at {self.database.where} cannot be used: {' '.join(reason.split())}")


def _guarded(events: Sequence[NewEvent], guards: Mapping[StreamId, int]) -> dict[StreamId, int]:
    guarded = dict(guards)
    for new in events:
        guarded.setdefault(new.stream_id, new.stream_version - 1)
    return guarded


def _result(stored: StoredCommand | None) -> CommandResult | None:
    return CommandResult(*stored) if stored else None
