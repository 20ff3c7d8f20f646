"""The relay is killed, paused and cut off from its broker while people work: everything is in the topics once.

What is checked is what a consumer reads that reads committed: each message once (at least, where the broker is lost),
under its key in its order, in each partition in the order of positions; and the places that were committed with them,
which never go back.
"""

import random
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from adapters.database import Database
from tests.adapters.kafka_wire import ADD_PARTITIONS, END_TRANSACTION, INIT_PRODUCER_ID, PRODUCE, wired_broker
from tests.broker import Kafka, own_broker
from tests.own_server import eventually, own_server
from tests.system.program import Program
from tests.system.relaying import (
    RelayProcess,
    caught_up,
    check_places,
    check_published,
    leases,
    places,
    relay,
    relay_environment,
    wait_until_told,
    with_topics,
)
from tests.system.under_load import (
    ENDS_WITHIN_SECONDS,
    Runner,
    Writer,
    record_a_book,
    runner,
    wait_until_projected,
)

SEED = 20261122
BATCH = ("--batch", "20")
"""Small, so that there are many transactions to be hit."""


@contextmanager
def at_work(database: Database) -> Iterator[Runner]:
    """Somebody records, and the ledger follows; at the end all is projected."""
    record_a_book(database)
    with runner(database) as run:
        writer = Writer(database, "W")
        try:
            yield run
        finally:
            writer.stop.set()
        writer.end()
        wait_until_projected(database, run)


def publish_the_rest(database: Database, kafka: Kafka) -> None:
    said = Program(relay_environment(database, kafka.bootstrap_servers)).run("relay", "run", "--once")
    assert said.code == 0, said.err
    assert caught_up(kafka, database)


def wait_until_it_publishes(kafka: Kafka, database: Database) -> None:
    before = places(kafka, database)[-1:]
    eventually(lambda: places(kafka, database)[-1:] != before, "a transaction is committed")


# -- kill -9


@pytest.mark.parametrize("times", [8, pytest.param(100, marks=pytest.mark.long)])
def test_killed_at_any_moment_everything_is_published_once(database: Database, kafka: Kafka, times: int) -> None:
    chance = random.Random(SEED)
    with_topics(database, kafka.bootstrap_servers)
    with at_work(database):
        for number in range(times):
            with relay(database, kafka.bootstrap_servers, *BATCH) as run:
                if number % 8:  # one of eight is killed while it starts
                    wait_until_told(run, "relaying")
                time.sleep(chance.random())
                run.kill()
    publish_the_rest(database, kafka)
    check_published(kafka, database)
    check_places(kafka, database)
    assert leases(database) >= times // 2


# -- a zombie


def hand_over(kafka: Kafka, database: Database, leading: RelayProcess, other: RelayProcess) -> None:
    """The one that publishes is stopped past its lease, the other one publishes, and the first one is woken.

    It finds out: it says so, or publishes again under a lease of its own where the other one was too slow to keep it.
    """
    took, said = len(other.told("relaying")), len(leading.lines)
    with leading.stopped():
        wait_until_told(other, "relaying", took + 1)
        wait_until_it_publishes(kafka, database)
    eventually(lambda: len(leading.lines) > said, "the woken one finds out")


def who_publishes(one: RelayProcess, other: RelayProcess) -> tuple[RelayProcess, RelayProcess]:
    """And who stands by. On a busy machine a lease may run out without anybody being stopped."""

    def leads(this: RelayProcess, that: RelayProcess) -> bool:
        return this.told_last("relaying") and that.told_last("standing by")

    try:
        eventually(lambda: leads(one, other) or leads(other, one), "one publishes and the other stands by")
    except AssertionError as error:
        error.add_note("\n".join([*one.lines[-10:], "the other:", *other.lines[-10:]]))
        raise
    return (one, other) if leads(one, other) else (other, one)


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.long)])
def test_woken_after_another_took_its_place_it_commits_nothing(database: Database, kafka: Kafka, times: int) -> None:
    with_topics(database, kafka.bootstrap_servers)
    with at_work(database), ExitStack() as running:
        pair = [running.enter_context(relay(database, kafka.bootstrap_servers, *BATCH)) for _ in range(2)]
        for _ in range(times):
            leading, other = who_publishes(*pair)
            wait_until_it_publishes(kafka, database)
            hand_over(kafka, database, leading, other)
        assert all(run.end() < ENDS_WITHIN_SECONDS for run in pair)
    publish_the_rest(database, kafka)
    check_published(kafka, database)
    check_places(kafka, database)
    assert leases(database) > times


KINDS = (PRODUCE, END_TRANSACTION, INIT_PRODUCER_ID, ADD_PARTITIONS)


@pytest.mark.parametrize("times", [4, pytest.param(20, marks=pytest.mark.long)])
def test_what_it_had_sent_before_it_was_stopped_counts_for_nothing_once_another_publishes(
    database: Database, times: int
) -> None:
    """Stopped while it waits for an answer, it does not ask for its lease any more before it commits. What it has sent
    comes to the broker only after the other's first messages, and it is woken only then.
    """
    with wired_broker() as (own, wire):
        kafka = Kafka(own.bootstrap_servers)
        with_topics(database, wire.bootstrap_servers)
        with at_work(database), ExitStack() as running:
            pair = [running.enter_context(relay(database, wire.bootstrap_servers, *BATCH)) for _ in range(2)]
            for number in range(times):
                leading, other = who_publishes(*pair)
                held = wire.hold(KINDS[number % len(KINDS)])
                if held.kind == INIT_PRODUCER_ID:
                    with leading.stopped():
                        eventually(held.seen.is_set, "the other has taken the lease and wants to begin")
                    leading, other = other, leading
                eventually(held.seen.is_set, "the one that publishes waits for an answer")
                took, said = len(other.told("relaying")), len(leading.lines)
                with leading.stopped():
                    wait_until_told(other, "relaying", took + 1)
                    wait_until_it_publishes(kafka, database)
                    held.released.set()
                    wait_until_it_publishes(kafka, database)
                # it may lead again at once: the broker ends the transaction of its successor first, then refuses it
                eventually(lambda: len(leading.lines) > said, "it has found out that it is too late")  # noqa: B023
            assert all(run.end() < ENDS_WITHIN_SECONDS for run in pair)
        publish_the_rest(database, kafka)
        check_published(kafka, database)
        check_places(kafka, database)
        assert leases(database) > times


# -- the broker


@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.long)])
def test_given_a_broker_that_is_lost_then_nothing_else_is(database: Database, times: int) -> None:
    """Killed and stopped in turn, and started again on the same files. Once it is killed; the next test stops it."""
    chance = random.Random(SEED)
    with own_broker() as own:
        kafka = Kafka(own.bootstrap_servers)
        with_topics(database, own.bootstrap_servers)
        with at_work(database), relay(database, own.bootstrap_servers, *BATCH) as run:
            for number in range(times):
                wait_until_it_publishes(kafka, database)
                time.sleep(chance.random())
                (own.kill, own.stop)[number % 2]()
                wait_until_told(run, "waiting", number + 1)
                own.start()
                wait_until_told(run, "going on", number + 1)
            assert run.end() < ENDS_WITHIN_SECONDS
        publish_the_rest(database, kafka)
        check_published(kafka, database, repeats=True)
        check_places(kafka, database)


@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=pytest.mark.long)])
def test_given_a_broker_that_is_away_for_a_while_then_it_catches_up_within_seconds_of_its_return(
    database: Database, seconds: int
) -> None:
    with own_broker() as own:
        kafka = Kafka(own.bootstrap_servers)
        with_topics(database, own.bootstrap_servers)
        with relay(database, own.bootstrap_servers) as run:
            with at_work(database):
                wait_until_it_publishes(kafka, database)
                own.stop()
                wait_until_told(run, "waiting")
                time.sleep(seconds)
            own.start()
            began = time.monotonic()
            eventually(lambda: caught_up(kafka, database), "it has caught up, and noted it")
            assert time.monotonic() - began < 10 + 5  # what has no messages is noted 5 s later
            assert len(run.told("waiting")) == 1
            assert "waits_for=Kafka" in run.told("waiting")[0]
            assert run.end() < ENDS_WITHIN_SECONDS
        check_published(kafka, database, repeats=True)


# -- the database


def test_given_a_database_that_is_restarted_meanwhile_then_nothing_is_lost(kafka: Kafka) -> None:
    with own_server() as server:
        database = Database(server.url, kafka.name("house").replace("-", "_")[:30])
        database.init()
        with_topics(database, kafka.bootstrap_servers)
        with at_work(database), relay(database, kafka.bootstrap_servers, *BATCH) as run:
            for number, end in enumerate((server.stop, server.kill)):
                wait_until_it_publishes(kafka, database)
                end()
                wait_until_told(run, "waiting", number + 1)
                server.start()
                wait_until_told(run, "going on", number + 1)
            assert run.end() < ENDS_WITHIN_SECONDS
        publish_the_rest(database, kafka)
        check_published(kafka, database)
        check_places(kafka, database)
