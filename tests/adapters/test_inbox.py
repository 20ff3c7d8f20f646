"""The consumer kit on a real broker and PostgreSQL: once each, in order, nothing skipped, and clear when it cannot."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from threading import Thread
from time import monotonic
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kafka import TopicPartition
from kafka.admin import NewTopic
from psycopg.conninfo import make_conninfo
from structlog.testing import capture_logs

from adapters.database import DatabaseUnavailable
from adapters.inbox import Handler, HistoryGone, Inbox, Poison
from adapters.inbox_tables import InboxTables, Overtaken, Part, Place
from adapters.incoming import Incoming
from adapters.kafka_faults import KafkaAway, TopicsWrong
from adapters.kafka_settings import KafkaSettings
from tests.broker import Kafka, commit, delete_topic, own_broker
from tests.own_server import eventually, own_server

NAME = "ledger.entry_posted"
_numbers = count(1)

Sent = tuple[int, str]
"""Position and id: all of an entry that matters here."""


class Downstream:
    """A consumer's database and a topic of Trailbook's, both of a test's own."""

    def __init__(self, url: str, kafka: Kafka, partitions: int = 1) -> None:
        self.url = url
        self.kafka = kafka
        self.house = f"inbox{os.getpid()}x{next(_numbers)}"
        self.topic = f"{self.house}.ledger-entries"
        self.make(self.topic, partitions)
        with self.connect() as connection:
            connection.execute(f"CREATE SCHEMA {self.house}")
            connection.execute("CREATE TABLE applied (n bigserial PRIMARY KEY, id text NOT NULL)")

    def make(self, topic: str, partitions: int = 1) -> None:
        with self.kafka.admin() as admin:
            admin.create_topics([NewTopic(topic, partitions, 1)])
            admin.wait_for_topics([topic])

    def connect(self) -> psycopg.Connection:
        url = make_conninfo(self.url, options=f"-c search_path={self.house}")
        return psycopg.connect(url, autocommit=True)

    def send(self, *sent: Sent, partition: int = 0, topic: str = "", **headers: bytes) -> None:
        """Publish entries in one transaction, as the relay does."""
        with self.kafka.producer(self.kafka.name("relay")) as producer:
            producer.begin_transaction()
            commit(
                producer,
                [
                    producer.send(
                        topic or self.topic,
                        b'{"book":"bank"}',
                        key=b"bank",
                        headers=self.headers(position, ce_id, headers),
                        partition=partition,
                    )
                    for position, ce_id in sent
                ],
            )

    def headers(self, position: int, ce_id: str, changed: dict[str, bytes]) -> list[tuple[str, bytes]]:
        known = {
            "ce_specversion": b"1.0",
            "ce_id": ce_id.encode(),
            "ce_source": f"/trailbook/{self.house}".encode(),
            "ce_type": b"trailbook.ledger.entry_posted.v1",
            "ce_subject": b"bank",
            "ce_time": b"2026-04-27T00:00:00.000036Z",
            "ce_position": b"%d" % position,
            "ce_effectivedate": b"2026-03-31",
            "ce_correlationid": b"command-34",
            "content-type": b"application/json",
        }
        return list({**known, **changed}.items())

    def inbox(self, handler: Handler | None = None, **more: Any) -> Inbox:
        settings = {
            "consumer": "reader",
            "house": self.house,
            "schema": self.house,
            "handlers": {NAME: handler or apply},
            "kafka": KafkaSettings(self.kafka.bootstrap_servers),
        }
        return Inbox(self.url, **{**settings, **more})

    def applied(self) -> list[str]:
        return [ce_id for (ce_id,) in self.rows("SELECT id FROM applied ORDER BY n")]

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection:
            return connection.execute(statement).fetchall()

    def gone(self, before: int, partition: int = 0) -> None:
        """Let the topic lose what retention would take."""
        with self.kafka.admin() as admin:
            admin.delete_records({TopicPartition(self.topic, partition): before})

    def drop(self) -> None:
        with self.connect() as connection:
            connection.execute(f"DROP SCHEMA {self.house} CASCADE")


def apply(connection: psycopg.Connection, message: Incoming) -> None:
    connection.execute("INSERT INTO applied (id) VALUES (%s)", (message.id,))


def failing_at(ce_id: str) -> Handler:
    def failing(connection: psycopg.Connection, message: Incoming) -> None:
        apply(connection, message)
        if message.id == ce_id:
            raise ArithmeticError("nothing to divide by")

    return failing


@pytest.fixture
def downstream(database_url: str, kafka: Kafka) -> Iterator[Downstream]:
    made = Downstream(database_url, kafka)
    yield made
    made.drop()


@contextmanager
def running(inbox: Inbox) -> Iterator[None]:
    """The inbox at work in a thread, until the block ends; an error there is raised here."""
    errors: list[BaseException] = []

    def work() -> None:
        try:
            inbox.run()
        except BaseException as error:
            errors.append(error)

    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        inbox.stop()
        thread.join(60)
    assert not thread.is_alive()
    if errors:
        raise errors[0]


# -- once each


def test_messages_are_applied_in_order_with_their_offset(downstream: Downstream) -> None:
    downstream.send((1, "a"), (2, "b"))
    downstream.inbox().catch_up()
    downstream.send((3, "c"))
    downstream.inbox().catch_up()
    assert downstream.applied() == ["a", "b", "c"]
    # three messages, and one marker of Kafka's after each transaction
    place = (downstream.topic, 5, 3)
    assert downstream.rows("SELECT reading, next_offset, position FROM inbox_offsets") == [place]


def test_a_running_inbox_applies_what_comes(downstream: Downstream) -> None:
    with running(downstream.inbox()):
        downstream.send((1, "a"))
        eventually(lambda: downstream.applied() == ["a"], "the first message")
        downstream.send((2, "b"))
        eventually(lambda: downstream.applied() == ["a", "b"], "the second message")


def test_another_name_reads_everything_anew(downstream: Downstream) -> None:
    downstream.send((1, "a"))
    downstream.inbox().catch_up()
    downstream.inbox(consumer="another").catch_up()
    assert downstream.applied() == ["a", "a"]


def test_what_was_not_committed_is_not_applied(downstream: Downstream) -> None:
    with downstream.kafka.producer(downstream.kafka.name("relay")) as producer:
        producer.begin_transaction()
        producer.send(downstream.topic, b"{}", headers=downstream.headers(1, "never", {}), partition=0).get(timeout=10)
        producer.abort_transaction()
    downstream.send((1, "a"))
    downstream.inbox().catch_up()
    assert downstream.applied() == ["a"]


def test_a_message_of_a_type_without_a_handler_is_passed_over(downstream: Downstream) -> None:
    downstream.send((1, "a"), ce_type=b"trailbook.deal.won.v1")
    downstream.send((2, "b"))
    downstream.inbox().catch_up()
    assert downstream.applied() == ["b"]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_repeats_from_any_place_at_any_point_are_dropped(downstream: Downstream, data: st.DataObject) -> None:
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    history = [(n + 1, f"{n}:{leg}") for n, size in enumerate(sizes) for leg in range(size)]
    consumer = f"reader-{next(_numbers)}"
    topic = f"{downstream.topic}.replay.{next(_numbers)}"
    downstream.make(topic)
    inbox = downstream.inbox(
        consumer=consumer,
        topics=[topic.removeprefix(f"{downstream.house}.")],
        client={"max_poll_records": 2},
    )
    with downstream.connect() as connection:
        connection.execute("TRUNCATE applied")
    for _ in range(3):
        start = data.draw(st.integers(0, len(history) - 1))
        stop = data.draw(st.integers(start + 1, len(history)))
        start = min(start, len(downstream.applied()))
        downstream.send(*history[start:stop], topic=topic)
        inbox.catch_up()
        applied = downstream.applied()
        assert applied == [ce_id for _, ce_id in history[: len(applied)]]
        assert len(applied) >= stop
    seen = downstream.rows(f"SELECT id FROM inbox_seen WHERE consumer = '{consumer}'")
    last = max(position for position, ce_id in history if ce_id in applied)
    assert {ce_id for (ce_id,) in seen} == {ce_id for at, ce_id in history if at == last and ce_id in applied}


def test_who_was_overtaken_applies_nothing(downstream: Downstream) -> None:
    """Another process moved the partition on between this one's reading and its transaction."""
    downstream.send((1, "a"), (2, "b"))
    downstream.inbox().catch_up()
    tables = InboxTables(downstream.url, "reader", downstream.house, 30)
    with pytest.raises(Overtaken), tables.connection.transaction():
        tables.lock(Part(downstream.topic, 0), Place("", 0, 0))
    tables.close()


def test_a_process_stopped_in_the_middle_of_its_transaction_does_not_keep_its_partition(downstream: Downstream) -> None:
    """As with SIGSTOP: its connection stays open, and holds the row until PostgreSQL ends it."""
    downstream.inbox().catch_up()
    downstream.send((1, "a"))
    part = Part(downstream.topic, 0)
    stopped = InboxTables(downstream.url, "reader", downstream.house, stuck_seconds=1)

    def sleep_and_wake() -> None:
        with stopped.faults_explained(), stopped.connection.transaction():
            stopped.lock(part, stopped.places([part.topic])[part])
            stopped.connection.execute("INSERT INTO applied (id) VALUES ('a')")
            downstream.inbox().catch_up()
            stopped.connection.execute("SELECT 1")

    with pytest.raises(DatabaseUnavailable, match="stood still for more than 1 s"):
        sleep_and_wake()
    assert downstream.applied() == ["a"]


def test_an_inbox_that_is_overtaken_reads_again_from_where_the_other_came_to(downstream: Downstream) -> None:
    """The other one moves the row while messages are in hand here, as after a SIGSTOP longer than the session."""
    downstream.send((1, "a"), (2, "b"), (3, "c"))
    moved: list[str] = []

    def meddling(connection: psycopg.Connection, message: Incoming) -> None:
        if message.id == "a" and not moved:
            moved.append(message.id)
            # this transaction holds the row: let go of it as a lost connection would, then move it
            with downstream.connect() as other:
                other.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
                other.execute("INSERT INTO applied (id) VALUES ('a by another')")
                other.execute(
                    "UPDATE inbox_offsets SET reading = %s, next_offset = 1, position = 1", (downstream.topic,)
                )
        apply(connection, message)

    with running(downstream.inbox(meddling)):
        eventually(lambda: len(downstream.applied()) == 3, "all are applied")
    assert downstream.applied() == ["a by another", "b", "c"]


# -- what cannot be applied


def test_a_failure_commits_what_came_before_it_and_none_of_it(downstream: Downstream) -> None:
    downstream.send((1, "a"), (2, "b"), (3, "c"), (4, "d"))
    with pytest.raises(Poison) as stopped:
        downstream.inbox(failing_at("c")).catch_up()
    assert str(stopped.value) == (
        f"{downstream.topic} partition 0 stops at offset 2, ce_id c: the handler of {NAME} raised "
        "ArithmeticError: nothing to divide by; mend it"
    )
    assert downstream.applied() == ["a", "b"]
    kept = downstream.rows('SELECT reading, partition, "offset", ce_id, because FROM inbox_poison')
    assert kept == [(downstream.topic, 0, 2, "c", stopped.value.stop.because)]


def test_once_mended_it_goes_on_from_there(downstream: Downstream) -> None:
    downstream.send((1, "a"), (2, "b"), (3, "c"))
    with pytest.raises(Poison):
        downstream.inbox(failing_at("b")).catch_up()
    downstream.inbox().catch_up()
    assert downstream.applied() == ["a", "b", "c"]
    assert downstream.rows("SELECT * FROM inbox_poison") == []


def test_other_partitions_go_on_past_one_that_stopped(database_url: str, kafka: Kafka) -> None:
    downstream = Downstream(database_url, kafka, partitions=3)
    downstream.send((1, "a"), (3, "c"), partition=0)
    downstream.send((2, "b"), (4, "d"), partition=2)
    with capture_logs() as logs, running(downstream.inbox(failing_at("a"))):
        eventually(lambda: downstream.applied() == ["b", "d"], "the other partition")
    assert [line["event"] for line in logs] == ["partition stopped"]
    with pytest.raises(Poison):
        downstream.inbox(failing_at("a")).catch_up()
    downstream.inbox().catch_up()
    assert downstream.applied() == ["b", "d", "a", "c"]
    downstream.drop()


def test_a_message_stopped_at_is_tried_again_and_passed_once_it_can_be(
    downstream: Downstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.inbox_reading.POISON_SECONDS", 0.2)
    downstream.send((1, "a"))
    bad, tried = ["a"], []

    def until_mended(connection: psycopg.Connection, message: Incoming) -> None:
        tried.append(message.id)
        apply(connection, message)
        if message.id in bad:
            raise ArithmeticError

    with capture_logs() as logs, running(downstream.inbox(until_mended)):
        eventually(lambda: len(tried) > 2, "three attempts")
        bad.clear()
        eventually(lambda: downstream.applied() == ["a"], "the message")
    assert [line["event"] for line in logs] == ["partition stopped", "partition goes on"]


@pytest.mark.parametrize(
    ("headers", "because"),
    [
        ({"ce_type": b"trailbook.deal.dreamt.v1"}, "'trailbook.deal.dreamt.v1' is not in the contract of this release"),
        ({"ce_type": b"trailbook.deal.won.v2"}, "trailbook.deal.won.v2 is newer than version 1"),
        ({"ce_position": b"?"}, "ce_position '?' is not a number above zero"),
    ],
)
def test_a_message_that_the_contract_does_not_know_stops_its_partition(
    downstream: Downstream, headers: dict[str, bytes], because: str
) -> None:
    downstream.send((1, "a"))
    downstream.send((2, "b"), partition=0, topic="", **headers)
    with pytest.raises(Poison) as stopped:
        downstream.inbox().catch_up()
    assert f"partition 0 stops at offset 2, ce_id b: {because}" in str(stopped.value)
    assert downstream.applied() == ["a"]


def test_bytes_that_are_no_cloudevent_stop_their_partition(downstream: Downstream) -> None:
    with downstream.kafka.producer() as producer:
        producer.send(downstream.topic, b"\xff\xfe", partition=0).get(timeout=10)
    with pytest.raises(Poison, match="offset 0, ce_id not known: it is no CloudEvent of Trailbook's"):
        downstream.inbox().catch_up()


@pytest.mark.parametrize("name", ["ce_id", "ce_subject", "ce_correlationid"])
def test_a_header_that_no_database_holds_stops_its_partition(downstream: Downstream, name: str) -> None:
    headers: dict[str, Any] = {name: b"a\0b"}
    downstream.send((1, "a"), **headers)
    with pytest.raises(Poison, match=f"the header '{name}' has characters that are no text"):
        downstream.inbox().catch_up()


def test_newer_versions_can_be_let_through(downstream: Downstream) -> None:
    downstream.send((1, "a"), ce_type=b"trailbook.ledger.entry_posted.v2")
    downstream.inbox(newer_versions=True).catch_up()
    assert downstream.applied() == ["a"]


def swallowing(connection: psycopg.Connection, message: Incoming) -> None:
    apply(connection, message)
    if message.id == "b":
        try:
            connection.execute("SELECT 1 / 0")
        except psycopg.Error:
            return


def at_b(spoil: Callable[[psycopg.Connection], object]) -> Handler:
    """A handler that does its work, and at one message something else besides."""

    def spoiling(connection: psycopg.Connection, message: Incoming) -> object:
        apply(connection, message)
        return spoil(connection) if message.id == "b" else None

    return spoiling  # type: ignore[return-value]


def _raise(error: Exception) -> None:
    raise error


async def _later() -> None:
    """Never awaited by who expects no coroutine."""


def committing(connection: psycopg.Connection, message: Incoming) -> None:
    apply(connection, message)
    if message.id == "b":
        connection.commit()


@pytest.mark.parametrize(
    ("handler", "because"),
    [
        (swallowing, "left its transaction failed; let the error through"),
        (committing, "ProgrammingError: Explicit commit"),
        (at_b(lambda connection: connection.execute("ROLLBACK")), "ended its transaction, which is the inbox's to end"),
        (
            at_b(lambda connection: (row for row in connection.execute("SELECT 1"))),
            "gave a generator, which does nothing by itself; let it work",
        ),
        (at_b(lambda connection: _later()), "gave a coroutine, which does nothing by itself; let it work"),
        (at_b(lambda connection: connection.execute("SET search_path TO pg_catalog")), "cannot go on: UndefinedTable"),
        (at_b(lambda connection: _raise(ValueError("a\0b\n" + "c" * 10_000))), "ValueError: a b c{400,600}…; mend it"),
    ],
)
def test_a_handler_that_spoils_its_transaction_is_stopped_at(
    downstream: Downstream, handler: Handler, because: str
) -> None:
    downstream.send((1, "a"), (2, "b"), (3, "c"))
    with pytest.raises(Poison, match=because) as stopped:
        downstream.inbox(handler).catch_up()
    assert stopped.value.stop.ce_id == "b"
    assert downstream.applied() == ["a"]


def test_a_handler_that_stands_still_is_told_from_a_server_that_is_away(downstream: Downstream) -> None:
    downstream.send((1, "a"), (2, "b"))
    slow = at_b(lambda connection: time.sleep(2.5))
    with pytest.raises(DatabaseUnavailable, match="stood still for more than 1 s, as in a handler") as away:
        downstream.inbox(slow, stuck_seconds=1).catch_up()
    assert away.value.waits_for == "a transaction that does not stand still"
    assert downstream.applied() == []


def test_what_fails_only_at_the_commit_is_found_too(downstream: Downstream) -> None:
    with downstream.connect() as connection:
        connection.execute(
            "CREATE TABLE owner (id text PRIMARY KEY); INSERT INTO owner SELECT unnest('{a,b,c,e}'::text[]);"
            "ALTER TABLE applied ADD FOREIGN KEY (id) REFERENCES owner DEFERRABLE INITIALLY DEFERRED"
        )
    downstream.send(*[(n, ce_id) for n, ce_id in enumerate("abcde", 1)])
    with pytest.raises(Poison, match="its transaction cannot commit: ForeignKeyViolation") as stopped:
        downstream.inbox().catch_up()
    assert stopped.value.stop.ce_id == "d"
    assert downstream.applied() == ["a", "b", "c"]


# -- topics that are not as they were


def test_a_topic_that_is_not_there_is_said(downstream: Downstream) -> None:
    with pytest.raises(TopicsWrong, match=f"there is no topic {downstream.house}.deals; run `trailbook relay topics"):
        downstream.inbox(topics=["deals"]).run()


def test_more_partitions_than_were_read_are_refused(downstream: Downstream) -> None:
    downstream.inbox().catch_up()
    with downstream.kafka.admin() as admin:
        admin.create_partitions({downstream.topic: 3})
    eventually(lambda: _partitions(downstream) == 3, "the partitions")
    with pytest.raises(TopicsWrong, match=r"has 3 partitions, but .* was read with 1"):
        downstream.inbox().catch_up()


def _partitions(downstream: Downstream) -> int:
    with downstream.kafka.admin() as admin:
        (described,) = admin.describe_topics([downstream.topic])
    return len(described["partitions"])


def test_a_topic_made_anew_is_read_from_its_beginning_and_repeats_drop_out(downstream: Downstream) -> None:
    """Its offsets are others: where the old one was read to lies somewhere in the middle of what is published again."""
    downstream.send((1, "a"), (2, "b"))
    downstream.send((3, "c"))
    downstream.inbox().catch_up()
    make_anew(downstream)
    downstream.send((1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e"), (6, "f"), (7, "g"))
    downstream.inbox().catch_up()
    assert downstream.applied() == ["a", "b", "c", "d", "e", "f", "g"]


def test_a_topic_made_anew_while_it_is_read_is_noticed(downstream: Downstream) -> None:
    with running(downstream.inbox(client={"metadata_max_age_ms": 200})):
        downstream.send((1, "a"), (2, "b"))
        downstream.send((3, "c"))
        eventually(lambda: downstream.applied() == ["a", "b", "c"], "the messages")
        make_anew(downstream)
        downstream.send((1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, "e"), (6, "f"), (7, "g"))
        eventually(lambda: downstream.applied() == ["a", "b", "c", "d", "e", "f", "g"], "what came after")


def make_anew(downstream: Downstream) -> None:
    delete_topic(downstream.kafka, downstream.topic)
    downstream.make(downstream.topic)


def test_what_retention_took_unread_is_never_skipped(downstream: Downstream) -> None:
    downstream.send((4, "a"))
    downstream.inbox().catch_up()
    downstream.send((7, "b"), (9, "c"))
    downstream.gone(before=3)
    with pytest.raises(HistoryGone) as gone:
        downstream.inbox().run()
    assert str(gone.value) == (
        f"{downstream.topic} partition 0 begins at offset 3, messages from offset 2 on are gone unread; run `trailbook "
        f"relay replay --from 4 --topic {downstream.topic}.replay.1` and read that to its end under the same "
        "consumer's name before the live topic"
    )
    assert downstream.applied() == ["a"]


def test_a_message_stopped_at_for_so_long_that_retention_takes_it_is_not_skipped(
    downstream: Downstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.inbox_reading.POISON_SECONDS", 0.2)
    downstream.send((1, "a"), (2, "b"))
    downstream.send((3, "c"))

    def losing(connection: psycopg.Connection, message: Incoming) -> None:
        downstream.gone(before=2)
        raise ArithmeticError

    with pytest.raises(HistoryGone, match=r"begins at offset 2, older messages are gone unread; .* --from 1 "):
        downstream.inbox(losing).run()


def test_a_new_consumer_of_a_topic_that_lost_its_beginning_is_told(downstream: Downstream) -> None:
    downstream.send((1, "a"), (2, "b"))
    downstream.gone(before=1)
    with pytest.raises(HistoryGone, match=r"begins at offset 1, older messages are gone unread; .* --from 1 "):
        downstream.inbox().catch_up()
    downstream.inbox(from_what_is_left=True).catch_up()
    assert downstream.applied() == ["b"]


def test_a_replay_brings_what_is_gone_and_the_live_topic_goes_on(downstream: Downstream) -> None:
    downstream.send((4, "a"), (5, "b"))
    downstream.inbox().catch_up()
    downstream.send((7, "c"), (9, "d"), (9, "e"))
    downstream.gone(before=5)
    replay = f"{downstream.topic}.replay.1"
    downstream.make(replay)
    downstream.send((5, "b"), (7, "c"), (9, "d"), topic=replay, ce_replay=b"ledger-entries.replay.1")
    with pytest.raises(HistoryGone):
        downstream.inbox().catch_up()
    downstream.inbox(topics=["ledger-entries.replay.1"]).catch_up()
    assert downstream.applied() == ["a", "b", "c", "d"]
    downstream.inbox().catch_up()
    downstream.send((10, "f"))
    downstream.inbox().catch_up()
    assert downstream.applied() == ["a", "b", "c", "d", "e", "f"]


def test_a_live_topic_that_begins_after_the_replay_is_refused(downstream: Downstream) -> None:
    """Between them messages may be missing."""
    downstream.send((1, "a"))
    downstream.inbox().catch_up()
    replay = f"{downstream.topic}.replay.1"
    downstream.make(replay)
    downstream.send((1, "a"), (2, "b"), topic=replay)
    downstream.send((2, "b"), (3, "c"), (4, "d"))
    downstream.gone(before=4)
    downstream.inbox(topics=["ledger-entries.replay.1"]).catch_up()
    with pytest.raises(HistoryGone, match=r"begins at position 4, and the replay ended at 2; .* --from 2 "):
        downstream.inbox().catch_up()
    assert downstream.applied() == ["a", "b"]


@pytest.mark.parametrize(
    ("wrong", "because"),
    [
        ({"handlers": {"ledger.entry_poste": apply}}, "there is no ledger.entry_poste in the contract"),
        ({"topics": []}, "an inbox needs a consumer's name and a list of topics"),
        ({"topics": ["Deals!"]}, "'Deals!' is not a topic like deals"),
        ({"consumer": ""}, "an inbox needs a consumer's name"),
        ({"schema": "a b"}, "'a b' is not a schema's name"),
    ],
)
def test_arguments_that_cannot_be_meant_are_refused(
    downstream: Downstream, wrong: dict[str, Any], because: str
) -> None:
    with pytest.raises(ValueError, match=because):
        downstream.inbox(**wrong)


# -- the database or the broker is away


def test_a_broker_that_does_not_exist_is_said_by_catch_up(
    downstream: Downstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.kafka_settings.BOOTSTRAP_MS", 500)
    with pytest.raises(KafkaAway, match=r"Kafka at 127\.0\.0\.1:1 cannot be used: nothing listens there"):
        downstream.inbox(kafka=KafkaSettings("127.0.0.1:1")).catch_up()


def test_a_database_that_does_not_exist_is_said_at_once_by_catch_up(downstream: Downstream) -> None:
    inbox = downstream.inbox()
    inbox.database_url = make_conninfo(downstream.url, dbname="nowhere")
    with pytest.raises(DatabaseUnavailable, match='database "nowhere" does not exist'):
        inbox.catch_up()


def test_a_database_that_is_away_is_waited_for(kafka: Kafka) -> None:
    with own_server() as server:
        downstream = Downstream(server.url, kafka)
        with capture_logs() as logs, running(downstream.inbox()):
            downstream.send((1, "a"))
            eventually(lambda: downstream.applied() == ["a"], "the first message")
            server.kill()
            downstream.send((2, "b"))
            eventually(lambda: _said(logs) == ["waiting"], "it says so")
            server.start()
            eventually(lambda: downstream.applied() == ["a", "b"], "the second message")
            eventually(lambda: _said(logs) == ["waiting", "going on"], "it says so")
        assert logs[0]["waits_for"] == "the server"


def test_a_broker_that_is_away_is_waited_for(database_url: str) -> None:
    with own_broker() as broker:
        downstream = Downstream(database_url, Kafka(broker.bootstrap_servers))
        with capture_logs() as logs, running(downstream.inbox()):
            downstream.send((1, "a"))
            eventually(lambda: downstream.applied() == ["a"], "the first message")
            broker.kill()
            eventually(lambda: _said(logs) == ["waiting"], "it says so")
            broker.start()
            back = monotonic()
            downstream.send((2, "b"))
            eventually(lambda: downstream.applied() == ["a", "b"], "the second message")
            assert monotonic() - back < 10
            eventually(lambda: _said(logs) == ["waiting", "going on"], "it says so")
        assert logs[0]["waits_for"] == "Kafka"
        downstream.drop()


def _said(logs: Sequence[Any]) -> list[str]:
    return [line["event"] for line in logs]
