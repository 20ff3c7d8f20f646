"""What every log promises, on the one in memory and on the one in PostgreSQL; then what only the latter can show."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.memory import MemoryLog
from domain.ids import CALENDAR
from domain.log import CommandIdTaken, CommandResult, Log, StreamMoved
from domain.message import state_bytes
from tests.adapters.events import DIGEST, new_event


@pytest.fixture(params=["memory", "postgres"])
def any_log(request: pytest.FixtureRequest) -> Log:
    log: Log = MemoryLog() if request.param == "memory" else request.getfixturevalue("log")
    return log


def test_an_empty_log_has_no_head_no_events_and_no_results(any_log: Log) -> None:
    assert any_log.head() is None
    assert list(any_log.read(0, 10)) == []
    assert list(any_log.load({CALENDAR: 0})) == []
    assert any_log.result_of("c-1") is None


def test_events_get_contiguous_positions_in_the_given_order(any_log: Log) -> None:
    result = any_log.append([new_event("a:1", 1), new_event("b:1", 1), new_event("a:1", 2)], {}, "c-1", DIGEST)

    assert result == CommandResult("c-1", DIGEST, 1, 3)
    assert [(e.position, e.stream_id, e.stream_version) for e in any_log.read(0, 10)] == [
        (1, "a:1", 1),
        (2, "b:1", 1),
        (3, "a:1", 2),
    ]
    assert any_log.result_of("c-1") == result
    assert (head := any_log.head()) is not None
    assert (head.position, head.recorded_at) == (3, any_log.read(2, 1)[0].recorded_at)


def test_streams_are_loaded_together_each_after_its_own_version(any_log: Log) -> None:
    any_log.append([new_event("a:1", 1), new_event("b:1", 1), new_event("a:1", 2)], {}, "c-1", DIGEST)
    any_log.append([new_event("b:1", 2), new_event("c:1", 1)], {"b:1": 1}, "c-2", DIGEST)

    loaded = any_log.load({"a:1": 1, "b:1": 0, "d:1": 0})

    assert [e.event_id for e in loaded if e.stream_id == "a:1"] == ["a:1@2"]
    assert [e.event_id for e in loaded if e.stream_id == "b:1"] == ["b:1@1", "b:1@2"]
    assert len(loaded) == 3
    assert loaded[0].envelope == new_event("a:1", 2).envelope


def test_reading_goes_on_after_a_position_up_to_a_limit(any_log: Log) -> None:
    any_log.append([new_event("a:1", version) for version in range(1, 6)], {}, "c-1", DIGEST)

    assert [e.position for e in any_log.read(1, 2)] == [2, 3]
    assert list(any_log.read(5, 2)) == []


def test_given_a_stream_that_was_read_has_moved_then_nothing_is_appended(any_log: Log) -> None:
    any_log.append([new_event("a:1", 1)], {}, "c-1", DIGEST)

    with pytest.raises(StreamMoved):
        any_log.append([new_event("b:1", 1)], {"a:1": 0, "b:1": 0}, "c-2", DIGEST)

    assert len(any_log.read(0, 10)) == 1
    assert any_log.result_of("c-2") is None


def test_given_a_stored_command_id_then_its_result_comes_back_and_nothing_is_appended(any_log: Log) -> None:
    first = any_log.append([new_event("a:1", 1)], {}, "c-1", DIGEST)

    with pytest.raises(CommandIdTaken) as taken:
        any_log.append([new_event("a:1", 1)], {"a:1": 0}, "c-1", "e" * 64)

    assert taken.value.result == first
    assert len(any_log.read(0, 10)) == 1


def test_a_command_that_changes_nothing_keeps_its_id_and_no_position(any_log: Log) -> None:
    any_log.append([new_event("a:1", 1)], {}, "c-1", DIGEST)
    head = any_log.head()

    result = any_log.append([], {"a:1": 1}, "c-2", DIGEST)

    assert (result.first_position, result.last_position, result.event_count) == (0, 0, 0)
    assert any_log.result_of("c-2") == result
    assert any_log.head() == head
    with pytest.raises(StreamMoved):
        any_log.append([], {"a:1": 0}, "c-3", DIGEST)


# -- only in PostgreSQL


def test_a_written_stream_is_guarded_even_when_nobody_named_it(log: PostgresLog) -> None:
    log.append([new_event("a:1", 1)], {}, "c-1", DIGEST)

    for version in (1, 3):
        with pytest.raises(StreamMoved):
            log.append([new_event("a:1", version)], {}, f"c-2-{version}", DIGEST)


def test_the_stored_bytes_are_the_canonical_ones(log: PostgresLog) -> None:
    new = new_event(CALENDAR, 1)
    log.append([new], {}, "c-1", DIGEST)

    (raw,) = log.read_raw(0, 10)

    assert raw.state == state_bytes(new.event, new.envelope)
    assert (raw.position, raw.stream, raw.version, raw.topic) == (1, CALENDAR, 1, "calendar.day_opened")
    assert raw.recorded_at.tzinfo == UTC


def test_given_a_clock_that_went_backwards_then_the_logs_time_still_goes_forwards(
    log: PostgresLog, database: Database
) -> None:
    future = datetime(2190, 1, 1, tzinfo=UTC)
    with database.connect("owner") as connection:
        connection.execute(f"UPDATE {database.house}.log_head SET recorded_at = %s".encode(), (future,))

    log.append([new_event("a:1", 1)], {}, "c-1", DIGEST)
    log.append([new_event("a:1", 2)], {}, "c-2", DIGEST)

    assert [e.recorded_at - future for e in log.read(0, 10)] == [timedelta(microseconds=n) for n in (1, 2)]


def test_given_two_decisions_that_each_read_what_the_other_writes_then_exactly_one_is_appended(
    log: PostgresLog,
) -> None:
    rounds = 25
    together = Barrier(2)

    def race(own: str, other: str) -> list[bool]:
        return [_wins(log, together, f"{own}:{number}", f"{other}:{number}") for number in range(rounds)]

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(race, ("a", "b"), ("b", "a"))

    assert [one != other for one, other in zip(first, second, strict=True)] == [True] * rounds
    assert len(log.read(0, 1000)) == rounds


def _wins(log: PostgresLog, together: Barrier, written: str, read: str) -> bool:
    together.wait()
    try:
        log.append([new_event(written, 1)], {written: 0, read: 0}, f"c-{written}", DIGEST)
    except StreamMoved:
        return False
    return True


def test_one_log_serves_the_threads_of_a_process(log: PostgresLog) -> None:
    def append(number: int) -> int:
        return log.append([new_event(f"a:{number}", 1)], {f"a:{number}": 0}, f"c-{number}", DIGEST).last_position

    with ThreadPoolExecutor(6) as threads:
        positions = list(threads.map(append, range(60)))

    assert sorted(positions) == list(range(1, 61))


@pytest.fixture
def second(database: Database) -> Iterator[PostgresLog]:
    with PostgresLog(database) as log:
        yield log


def test_what_one_process_appends_another_sees(log: PostgresLog, second: PostgresLog) -> None:
    log.append([new_event("a:1", 1)], {}, "c-1", DIGEST)

    assert [e.event_id for e in second.load({"a:1": 0})] == ["a:1@1"]
    assert second.result_of("c-1") == log.result_of("c-1")
