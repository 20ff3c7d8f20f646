"""The lease that elects who publishes, on a real server: its clock, a cut connection, a stopped holder."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from adapters.database import Database, DatabaseUnavailable
from adapters.lease import Lease, this_process
from tests.adapters.proxy import Proxy
from tests.own_server import eventually, own_server
from tests.system.program import TOP

SHORT, LONG = 0.5, 60.0

Make = Callable[..., Lease]


@pytest.fixture
def lease(database: Database) -> Iterator[Make]:
    made: list[Lease] = []

    def make(holder: str, seconds: float = LONG, **more: float) -> Lease:
        made.append(Lease(database, holder, seconds, **more))
        return made[-1]

    yield make
    for one in made:
        one.close()


def execute(database: Database, statement: str) -> list[tuple[object, ...]]:
    with database.connect("owner", autocommit=True) as connection:
        cursor = connection.execute(statement.format(house=database.house).encode())
        return cursor.fetchall() if cursor.description else []


CONNECTIONS = "FROM pg_stat_activity WHERE application_name = 'trailbook {house} relay'"


def test_one_of_two_has_it_and_the_other_sees_who(lease: Make) -> None:
    first, second = lease("first"), lease("second")
    assert first.take() == 1
    assert second.take() is None
    assert (first.kept(), second.kept()) == (True, False)
    held = second.held()
    assert (held.holder, held.epoch) == ("first", 1)
    assert 0 < held.seconds <= LONG


def test_released_it_is_the_next_ones_at_once_under_a_later_epoch(lease: Make) -> None:
    first, second = lease("first"), lease("second")
    first.take()
    first.release()
    assert not first.kept()
    assert second.take() == 2
    assert first.take() is None


def test_given_a_later_holder_when_the_earlier_one_releases_then_nothing_is_taken_from_the_later_one(
    database: Database, lease: Make
) -> None:
    first, second = lease("first"), lease("second")
    first.take()
    execute(database, "UPDATE {house}.relay_lease SET expires_at = clock_timestamp()")
    second.take()
    first.release()
    assert second.held().holder == "second"
    assert second.held().seconds > 0


def test_of_many_who_take_an_expired_lease_at_once_one_gets_it(lease: Make) -> None:
    wanting = [lease(f"relay-{number}") for number in range(8)]
    together = threading.Barrier(8)

    def take(one: Lease) -> int | None:
        one.held()
        together.wait()
        return one.take()

    with ThreadPoolExecutor(8) as threads:
        epochs = list(threads.map(take, wanting))
    assert sorted(filter(None, epochs)) == [1]


def test_it_is_renewed_while_its_holder_asks_for_it(database: Database, lease: Make) -> None:
    first, second = lease("first", SHORT), lease("second", SHORT)
    first.take()
    (begun,) = execute(database, "SELECT expires_at FROM {house}.relay_lease")

    def renewed_often() -> bool:
        assert first.kept()
        assert second.take() is None
        (over,) = execute(database, f"SELECT clock_timestamp() > '{begun[0]}'")
        return bool(over[0])

    eventually(renewed_often, "its first time is over and it is still held")


def test_given_a_holder_that_hangs_then_it_is_not_renewed_for_ever(lease: Make) -> None:
    first, second = lease("first", SHORT, idle_seconds=0.0), lease("second", SHORT)
    first.take()
    eventually(lambda: second.take() == 2, "the lease of one that shows no life runs out")
    assert not first.kept()


def test_the_databases_clock_decides_when_it_has_expired(database: Database, lease: Make) -> None:
    first, second = lease("first"), lease("second")
    first.take()
    execute(database, "UPDATE {house}.relay_lease SET expires_at = clock_timestamp() + interval '1 day'")
    assert second.take() is None
    execute(database, "UPDATE {house}.relay_lease SET expires_at = clock_timestamp() - interval '1 us'")
    assert second.take() == 2


def test_given_another_holder_since_then_the_earlier_one_finds_out(database: Database, lease: Make) -> None:
    first, second = lease("first", 4 * SHORT), lease("second")
    first.take()
    execute(database, "UPDATE {house}.relay_lease SET expires_at = clock_timestamp()")
    second.take()
    eventually(lambda: not first.kept(), "the first one knows that it is another's")
    assert second.kept()


def test_given_connections_that_are_cut_then_it_is_kept_on_new_ones(database: Database, lease: Make) -> None:
    first = lease("first", 4 * SHORT)
    first.take()
    eventually(
        lambda: len(execute(database, f"SELECT pid {CONNECTIONS}")) == 2, "it is renewed on a connection of its own"
    )
    execute(database, f"SELECT pg_terminate_backend(pid) {CONNECTIONS}")
    (cut_at,) = execute(database, "SELECT expires_at FROM {house}.relay_lease")
    eventually(
        lambda: execute(database, f"SELECT expires_at > '{cut_at[0]}' FROM {{house}}.relay_lease") == [(True,)],
        "it is renewed again",
    )
    assert first.kept()


def test_given_an_answer_that_is_lost_when_it_is_taken_again_then_it_is_its_own(database: Database) -> None:
    """The statement was done, and who asked does not know it: under its own name it need not wait."""
    with Proxy(database.url) as wire:
        first = Lease(Database(wire.url, database.house), "first", LONG)
        first.held()
        wire.cut("UPDATE", "before the answer")
        with pytest.raises(DatabaseUnavailable):
            first.take()
        assert first.take() == 2
        first.close()


def test_given_a_server_that_is_away_then_it_is_lost_in_time_and_taken_anew() -> None:
    with own_server() as server:
        database = Database(server.url, "house")
        database.init()
        first = Lease(database, "first", 2 * SHORT)
        first.take()
        server.stop()
        eventually(lambda: not first.kept(), "it runs out")
        with pytest.raises(DatabaseUnavailable):
            first.take()
        server.start()
        assert first.take() == 2
        first.close()


STOPPED = """
import sys, time
from adapters.database import Database
from adapters.lease import Lease
lease = Lease(Database(sys.argv[1], sys.argv[2]), "stopped", float(sys.argv[3]))
print(lease.take(), flush=True)
while lease.kept():
    time.sleep(0.001)
print("lost", flush=True)
"""


def test_given_a_holder_that_is_stopped_past_its_time_when_it_wakes_then_it_has_lost_it(
    database: Database, lease: Make
) -> None:
    arguments = [sys.executable, "-c", STOPPED, database.url, database.house, str(2 * SHORT)]
    stopped = subprocess.Popen(arguments, cwd=TOP, env={**os.environ, "PYTHONPATH": str(TOP)}, stdout=subprocess.PIPE)
    try:
        assert stopped.stdout is not None
        assert stopped.stdout.readline() == b"1\n"
        second = lease("second")
        assert second.take() is None
        stopped.send_signal(signal.SIGSTOP)
        eventually(lambda: second.take() == 2, "the lease of the stopped one runs out")
        stopped.send_signal(signal.SIGCONT)
        woken = time.monotonic()
        assert stopped.stdout.readline() == b"lost\n"
        assert time.monotonic() - woken < 2 * SHORT
        assert second.kept()
    finally:
        stopped.kill()
        stopped.communicate()


def test_the_role_may_do_nothing_else(database: Database) -> None:
    with database.connect("relay", autocommit=True) as connection:
        for statement in (
            "DELETE FROM {house}.relay_lease",
            "INSERT INTO {house}.relay_lease VALUES (false, 1, '', now())",
            "INSERT INTO {house}.house_events VALUES ('a:b', 1, 't', '', 1, now())",
            "UPDATE {house}.log_head SET position = 0",
            "SELECT FROM {house}.party",
            "SELECT FROM {house}.command_log",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement.format(house=database.house).encode())


def test_processes_are_told_apart() -> None:
    assert this_process() != this_process()
    assert f":{os.getpid()}:" in this_process()
