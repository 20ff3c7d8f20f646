"""Many writing processes, some of which roll back or hold their transaction; a reader follows and misses nothing."""

import multiprocessing
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from multiprocessing.process import BaseProcess
from random import Random

import pytest
from psycopg import sql

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.recorder import RawEvent
from domain.log import StreamMoved
from tests.adapters.events import DIGEST, new_event

HELD_SECONDS = 0.005
FOREVER_SECONDS = 60


def write(database: Database, writer: int, appends: int) -> None:
    """``appends`` appends of two events that count, between others that do not; some also move a shared stream."""
    chance = Random(writer)
    with PostgresLog(database) as log:
        for number in range(1, appends + 1):
            if chance.random() < 0.1:
                hold(database, f"held:{writer}:{number}")
            if chance.random() < 0.1:
                # a stream that it did not look at: always refused, always rolled back
                with pytest.raises(StreamMoved):
                    log.append([new_event("shared:1", 1_000_000)], {}, f"wrong-{writer}-{number}", DIGEST)
            append(log, writer, number, shares=chance.random() < 0.2)


def append(log: PostgresLog, writer: int, number: int, shares: bool) -> None:
    own = f"own:{writer}"
    seen = 0
    while True:
        events = [new_event(own, 2 * number - 1), new_event(own, 2 * number)]
        if shares:
            seen = max((event.stream_version for event in log.load({"shared:1": seen})), default=seen)
            events.append(new_event("shared:1", seen + 1))
        try:
            log.append(events, {own: 2 * number - 2}, f"c-{writer}-{number}", DIGEST)
            return
        except StreamMoved:
            assert shares


def hold(database: Database, stream: str) -> None:
    """Append in a transaction that is held open for a while, and then rolled back."""
    statement = sql.SQL(
        "SELECT {}.append(ARRAY[%s], ARRAY[1::bigint], ARRAY['calendar.day_opened'], ARRAY['{{}}'::bytea],"
        " '{{}}'::text[], '{{}}'::bigint[], NULL, NULL)"
    ).format(sql.Identifier(database.house))
    with database.connect("writer") as connection:
        connection.execute(statement, (stream,))
        connection.execute("SELECT pg_sleep(%s)", (HELD_SECONDS,))
        connection.rollback()


def follow(log: PostgresLog, writers: Sequence[BaseProcess]) -> list[RawEvent]:
    """Read on from the last position that was read, as every projector does, until the writers are done."""
    read: list[RawEvent] = []
    while True:
        running = any(writer.is_alive() for writer in writers)
        page = log.read_raw(len(read), 50)
        assert [event.position for event in page] == list(range(len(read) + 1, len(read) + 1 + len(page)))
        read.extend(page)
        if not page and not running:
            return read
        if not page:
            writers[0].join(0.001)


def many_writers(log: PostgresLog, database: Database, processes: int, appends: int) -> None:
    fresh = multiprocessing.get_context("spawn")
    writers = [fresh.Process(target=write, args=(database, writer, appends)) for writer in range(processes)]
    for writer in writers:
        writer.start()
    read = follow(log, writers)
    for writer in writers:
        writer.join(FOREVER_SECONDS)

    assert [writer.exitcode for writer in writers] == [0] * processes
    assert all(one.recorded_at <= other.recorded_at for one, other in pairwise(read))
    versions: defaultdict[str, list[int]] = defaultdict(list)
    for event in read:
        versions[event.stream].append(event.version)
    assert all(seen == list(range(1, len(seen) + 1)) for seen in versions.values())
    assert {stream: len(seen) for stream, seen in versions.items() if stream != "shared:1"} == {
        f"own:{writer}": 2 * appends for writer in range(processes)
    }
    assert (head := log.head()) is not None
    assert (head.position, head.recorded_at) == (read[-1].position, read[-1].recorded_at)


def test_given_writing_processes_that_roll_back_and_hold_then_a_reader_sees_every_position_once_and_in_order(
    log: PostgresLog, database: Database
) -> None:
    many_writers(log, database, processes=4, appends=50)


@pytest.mark.long
def test_given_sixteen_writing_processes_then_a_reader_sees_every_position_once_and_in_order(
    log: PostgresLog, database: Database
) -> None:
    many_writers(log, database, processes=16, appends=300)


def test_given_a_transaction_that_is_held_then_no_reader_passes_over_it(log: PostgresLog, database: Database) -> None:
    with database.connect("writer") as holder:
        holder.execute(
            sql.SQL(
                "SELECT {}.append(ARRAY['held:1'], ARRAY[1::bigint], ARRAY['calendar.day_opened'],"
                " ARRAY['{{}}'::bytea], '{{}}'::text[], '{{}}'::bigint[], NULL, NULL)"
            ).format(sql.Identifier(database.house))
        )
        fresh = multiprocessing.get_context("spawn")
        writer = fresh.Process(target=write, args=(database, 0, 1))
        writer.start()
        wait_for_a_waiting_writer(database)

        assert log.read_raw(0, 10) == []
        holder.commit()
        writer.join(FOREVER_SECONDS)

    assert [(event.position, event.stream) for event in log.read_raw(0, 10)] == [
        (1, "held:1"),
        (2, "own:0"),
        (3, "own:0"),
    ]


def wait_for_a_waiting_writer(database: Database) -> None:
    """Until some writer waits for the head."""
    with database.connect("owner", autocommit=True) as connection:
        for _ in range(FOREVER_SECONDS * 50):
            waiting = connection.execute(
                "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = %s",
                (f"trailbook {database.house} writer",),
            ).fetchone()
            if waiting is not None:
                return
            connection.execute("SELECT pg_sleep(0.02)")
    pytest.fail("no writer ever waited for the held transaction")
