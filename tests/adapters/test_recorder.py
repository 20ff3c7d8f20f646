"""The library's own test cases for recorders, run on ours with text ids.

What of them does not apply, and why:

- ``AggregateRecorderTestCase`` wants ``insert_events`` to return None, as a recorder without positions does; ours
  always has positions, so the case runs on a subclass that hides them.
- ``ProcessRecorderTestCase``, ``TrackingRecorderTestCase``: projectors commit their position with their rows, without
  the library's recorders.
- The cases for tables made by the library, its composite types, database functions, lock time-outs and for its
  retries (in its PostgreSQL tests, not in its base cases) are about what ours does not have.
"""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from eventsourcing.persistence import IntegrityError, OperationalError, StoredEvent
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
)

import adapters.recorder
from adapters.database import Database
from adapters.log import House
from adapters.recorder import STAGED_FROM_BYTES, HouseDatastore, HouseRecorder, conflict_of, connection_lost
from tests.database import break_connections


class WithoutPositions(HouseRecorder):
    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> None:
        super().insert_events(stored_events, **kwargs)


class OnHouse:
    """Gives a library test case a recorder over a new house."""

    recorder_class = HouseRecorder

    @pytest.fixture(autouse=True)
    def _house(self, database: Database) -> Iterator[None]:
        self.datastore = HouseDatastore(database.conninfo("writer"), database.house, pool_size=4, connect_timeout=10)
        yield
        self.datastore.close()

    def create_recorder(self) -> HouseRecorder:
        return self.recorder_class(self.datastore)

    def new_originator_id(self) -> str:
        return f"account:{uuid4()}"


class TestStreams(OnHouse, AggregateRecorderTestCase):
    recorder_class = WithoutPositions


class TestLog(OnHouse, ApplicationRecorderTestCase[HouseRecorder]):
    def test_subscription(self) -> None:
        self.optional_test_insert_subscribe()


class TestPositionsOfTwoAppends(OnHouse, NonInterleavingNotificationIDsBaseCase):
    pass


del AggregateRecorderTestCase, ApplicationRecorderTestCase, NonInterleavingNotificationIDsBaseCase


# -- what the library's cases do not ask


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    with House(database) as house:
        yield house


@pytest.fixture
def recorder(house: House) -> HouseRecorder:
    assert isinstance(house.recorder, HouseRecorder)
    return house.recorder


def stored(stream: str, version: int, state: bytes = b"{}") -> StoredEvent:
    return StoredEvent(stream, version, "calendar.day_opened", state)


def test_the_library_wires_our_recorder_by_its_topic(house: House) -> None:
    assert type(house.recorder) is HouseRecorder
    assert house.events.recorder is house.recorder


def test_given_a_stream_that_moved_then_its_guard_and_its_version_are_told_apart_from_a_command_id(
    recorder: HouseRecorder,
) -> None:
    recorder.insert_events([stored("a:1", 1)], command_id="c-1", digest="d")

    with pytest.raises(IntegrityError) as guard:
        recorder.insert_events([stored("a:2", 1)], guards={"a:1": 0}, command_id="c-2", digest="d")
    with pytest.raises(IntegrityError) as version:
        recorder.insert_events([stored("a:1", 1)], command_id="c-3", digest="d")
    with pytest.raises(IntegrityError) as command:
        recorder.insert_events([stored("a:3", 1)], command_id="c-1", digest="d")

    assert [conflict_of(error.value) for error in (guard, version, command)] == ["stream", "stream", "command"]
    assert recorder.max_notification_id() == 1
    assert recorder.find_command("c-2") is None


def test_given_a_failed_append_then_its_positions_are_taken_back(recorder: HouseRecorder) -> None:
    recorder.insert_events([stored("a:1", 1)])
    with pytest.raises(IntegrityError):
        recorder.insert_events([stored("a:2", 1), stored("a:1", 1)])

    assert recorder.insert_events([stored("a:2", 1), stored("a:2", 2)]) == [2, 3]
    assert recorder.head()[0] == 3


def test_ids_with_every_awkward_character_come_back_as_they_were(recorder: HouseRecorder) -> None:
    stream = 'suspense:lumen:00-42 "7" \\ {a,b} NULL é%s\t'

    recorder.insert_events([stored(stream, 1)], guards={stream: 0}, command_id=stream, digest="d")

    assert [event.stream for event in recorder.select_streams({stream: 0})] == [stream]
    assert recorder.find_command(stream) is not None


@pytest.mark.parametrize("size", [STAGED_FROM_BYTES - 1, STAGED_FROM_BYTES])
def test_many_bytes_keep_the_same_promises_as_few(recorder: HouseRecorder, size: int) -> None:
    half = size // 2
    events = [stored("a:1", 1, b"x" * half), stored("a:1", 2, b"y" * (size - half))]

    assert recorder.insert_events(events, guards={"a:1": 0}, command_id="c-1", digest="d") == [1, 2]
    with pytest.raises(IntegrityError) as guard:
        recorder.insert_events(events, guards={"a:1": 0}, command_id="c-2", digest="d")
    with pytest.raises(IntegrityError) as command:
        recorder.insert_events(events, command_id="c-1", digest="d")

    assert (conflict_of(guard.value), conflict_of(command.value)) == ("stream", "command")
    assert [event.state for event in recorder.select_rows(0, 10)] == [event.state for event in events]
    assert recorder.insert_events([stored("a:2", 1)]) == [3]


@pytest.mark.long
def test_hundreds_of_megabytes_are_one_append(recorder: HouseRecorder) -> None:
    state = bytes(range(256)) * 800

    positions = recorder.insert_events([stored("a:1", version, state) for version in range(1, 2001)])

    assert positions == list(range(1, 2001))


def test_a_broken_connection_is_told_apart_from_a_fault_of_the_statement(
    recorder: HouseRecorder, database: Database
) -> None:
    recorder.head()
    break_connections(database)
    with pytest.raises(OperationalError) as broken:
        recorder.head()
    recorder.discard_broken_connections()
    with pytest.raises(OperationalError) as slow, recorder.datastore.get_connection() as connection:
        connection.execute("BEGIN; SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)")

    assert connection_lost(broken.value)
    assert not connection_lost(slow.value)


def test_given_lost_notifications_then_a_subscription_still_sees_what_is_recorded(
    recorder: HouseRecorder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.recorder, "POLL_SECONDS", 0.02)
    recorder.channel_name = "nobody_speaks_here"
    with recorder.subscribe(gt=0) as subscription:
        recorder.insert_events([stored("a:1", 1)])
        assert next(subscription).id == 1
        recorder.insert_events([stored("a:1", 2)])
        assert next(subscription).id == 2


def test_given_a_subscription_whose_connection_breaks_then_it_goes_on(
    recorder: HouseRecorder, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapters.recorder, "POLL_SECONDS", 0.02)
    with recorder.subscribe(gt=0) as subscription:
        recorder.insert_events([stored("a:1", 1)])
        assert next(subscription).id == 1
        break_connections(database, query_like="LISTEN%")
        recorder.insert_events([stored("a:1", 2)])
        assert next(subscription).id == 2
