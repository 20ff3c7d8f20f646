"""What a publisher may rely on: kafka-python against a real broker."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from types import FrameType
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic
from kafka.errors import (
    InvalidProducerEpochError,
    InvalidReplicationFactorError,
    KafkaError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerFencedError,
    TopicAlreadyExistsError,
)
from kafka.net.transport import KafkaTCPTransport

from adapters.kafka_client import connected, faults_explained
from adapters.kafka_faults import KafkaAway
from adapters.kafka_settings import KafkaSettings
from tests.broker import Kafka, commit, publish
from tests.own_server import eventually


def _values(kafka: Kafka, *topics: str) -> list[bytes]:
    return [record.value for record in kafka.read(*topics)]


def test_a_reader_sees_what_was_committed_and_nothing_else(kafka: Kafka) -> None:
    topic = kafka.topic()
    with kafka.producer(kafka.name("relay")) as producer:
        publish(producer, topic, (b"a", b"1"), (b"a", b"2"))
        producer.begin_transaction()
        producer.send(topic, b"never", key=b"a").get(timeout=10)
        assert _values(kafka, topic) == [b"1", b"2"]
        producer.abort_transaction()
        publish(producer, topic, (b"a", b"3"))
    assert _values(kafka, topic) == [b"1", b"2", b"3"]
    everything = [record.value for record in kafka.read(topic, committed=False)]
    assert everything == [b"1", b"2", b"never", b"3"]


def test_an_open_transaction_of_a_dead_producer_is_aborted_by_its_successor(kafka: Kafka) -> None:
    topic, relay = kafka.topic(), kafka.name("relay")
    with kafka.producer(relay) as producer:
        producer.begin_transaction()
        producer.send(topic, b"never", key=b"a").get(timeout=10)
    with kafka.producer(relay) as successor:
        publish(successor, topic, (b"a", b"1"))
    assert _values(kafka, topic) == [b"1"]


def test_a_position_travels_with_the_messages_and_is_read_back_at_the_start(kafka: Kafka) -> None:
    topic, relay = kafka.topic(), kafka.name("relay")
    positions = kafka.topic("positions", settings={"cleanup.policy": "compact"})
    with kafka.producer(relay) as producer:
        for position in (b"7", b"9"):
            producer.begin_transaction()
            messages = [producer.send(topic, b"at " + position, key=b"a")]
            commit(producer, [*messages, producer.send(positions, position, key=b"relay")])
        producer.begin_transaction()
        producer.send(positions, b"11", key=b"relay").get(timeout=10)
    with kafka.producer(relay):  # its start decides what its predecessor left open; only then the position holds
        last = kafka.read(positions)[-1]
    assert (last.key, last.value) == (b"relay", b"9")
    assert _values(kafka, topic) == [b"at 7", b"at 9"]


def test_a_second_producer_with_the_same_id_fences_the_first(kafka: Kafka) -> None:
    topic, relay = kafka.topic(), kafka.name("relay")
    with kafka.producer(relay) as old:
        old.begin_transaction()
        acknowledged = old.send(topic, b"old 1", key=b"a")
        acknowledged.get(timeout=10)
        with kafka.producer(relay) as new:
            new.begin_transaction()
            begun = new.send(topic, b"new 1", key=b"a")
            with pytest.raises(ProducerFencedError):
                commit(old, [acknowledged])
            with pytest.raises(KafkaError):
                publish(old, topic, (b"a", b"old 2"))
            commit(new, [begun])
            publish(new, topic, (b"a", b"new 2"))
    assert _values(kafka, topic) == [b"new 1", b"new 2"]


def test_a_fenced_producer_that_sends_on_commits_nothing_and_its_successor_tries_again(kafka: Kafka) -> None:
    """What it sends is refused; it then asks for its id anew, and the broker ends the successor's open transaction.

    So who is fenced need not have been followed by anybody: it asks again who leads, and starts a new producer.
    """
    topic, relay = kafka.topic(), kafka.name("relay")
    with kafka.producer(relay) as old:
        old.begin_transaction()
        old.send(topic, b"old 1", key=b"a").get(timeout=10)
        with kafka.producer(relay) as new:
            new.begin_transaction()
            begun = new.send(topic, b"new 1", key=b"a")
            begun.get(timeout=10)
            with pytest.raises(InvalidProducerEpochError):
                commit(old, [old.send(topic, b"old 2", key=b"a")])
            eventually(old._transaction_manager.has_fatal_error, "the old producer gives up")
            with pytest.raises(KafkaError):
                publish(old, topic, (b"a", b"old 3"))
            with suppress(ProducerFencedError):
                commit(new, [begun])
        committed = _values(kafka, topic)
        assert committed in ([], [b"new 1"])
        with kafka.producer(relay) as again:
            publish(again, topic, *[(b"a", value) for value in (b"new 1", b"new 2") if value not in committed])
    assert _values(kafka, topic) == [b"new 1", b"new 2"]


@pytest.mark.parametrize("outstanding", [False, True])
def test_a_producer_whose_transaction_ran_out_of_time_cannot_commit_it(kafka: Kafka, outstanding: bool) -> None:
    """With a message on the way ``commit_transaction`` alone reports success here, and nothing is committed."""
    topic, relay = kafka.topic(), kafka.name("relay")
    with kafka.admin() as admin, kafka.producer(relay, transaction_timeout_ms=500) as producer:
        producer.begin_transaction()
        sent = [producer.send(topic, b"late", key=b"a")]
        sent[0].get(timeout=10)
        eventually(lambda: _is_aborted(admin.describe_transactions([relay])), "the broker ends the transaction")
        if outstanding:
            sent.append(producer.send(topic, b"later", key=b"a"))
        with pytest.raises(KafkaError):
            commit(producer, sent)
    with kafka.producer(relay) as successor:
        publish(successor, topic, (b"a", b"again"))
    assert _values(kafka, topic) == [b"again"]


def _is_aborted(described: object) -> bool:
    return "CompleteAbort" in str(described)


def test_messages_of_one_key_stay_in_their_order(kafka: Kafka) -> None:
    topic = kafka.topic(partitions=3)
    keys = [f"stream-{n}".encode() for n in range(12)]
    with kafka.producer(kafka.name("relay")) as producer:
        for first in range(0, 60, 20):
            publish(producer, topic, *[(key, str(n).encode()) for n in range(first, first + 20) for key in keys])
    records = kafka.read(topic)
    for key in keys:
        of_key = [record for record in records if record.key == key]
        assert [int(record.value) for record in of_key] == list(range(60))
        assert len({record.partition for record in of_key}) == 1
    assert len({record.partition for record in records}) == 3


def test_a_message_over_the_producers_limit_is_refused_before_it_is_sent(kafka: Kafka) -> None:
    topic = kafka.topic()
    with kafka.producer(kafka.name("relay"), max_request_size=10_000) as producer:
        producer.begin_transaction()
        with pytest.raises(MessageSizeTooLargeError):
            producer.send(topic, bytes(20_000), key=b"a")
        producer.abort_transaction()
        publish(producer, topic, (b"a", b"1"))
    assert _values(kafka, topic) == [b"1"]


def test_a_message_over_the_topics_limit_fails_its_transaction(kafka: Kafka) -> None:
    """Afterwards the producer must not be used: its next commit would report success and commit nothing."""
    topic, relay = kafka.topic(settings={"max.message.bytes": "2000"}), kafka.name("relay")
    with kafka.producer(relay) as producer, pytest.raises(MessageSizeTooLargeError):
        publish(producer, topic, (b"a", b"1"), (b"a", bytes(5_000)), (b"a", b"3"))
    assert _values(kafka, topic) == []
    with kafka.producer(relay) as successor:
        publish(successor, topic, (b"a", b"1"), (b"a", b"3"))
    assert _values(kafka, topic) == [b"1", b"3"]


def test_a_topic_that_is_not_there_is_a_timeout(kafka: Kafka) -> None:
    with kafka.producer(kafka.name("relay"), max_block_ms=5_000) as producer:
        producer.config["max_block_ms"] = 300
        producer.begin_transaction()
        with pytest.raises(KafkaTimeoutError):
            producer.send(kafka.name("nowhere"), b"1", key=b"a")


def test_topics_are_created_as_stated_and_can_be_read_back(kafka: Kafka) -> None:
    topic = kafka.name("deals")
    stated = {"retention.ms": "604800000", "cleanup.policy": "delete", "max.message.bytes": "1048588"}
    with kafka.admin() as admin:
        admin.create_topics([NewTopic(topic, 3, 1, topic_configs=stated)])
        admin.wait_for_topics([topic])
        (described,) = admin.describe_topics([topic])
        assert len(described["partitions"]) == 3
        assert {len(partition["replica_nodes"]) for partition in described["partitions"]} == {1}
        resource = ConfigResource(ConfigResourceType.TOPIC, topic)
        found = admin.describe_configs([resource], config_filter="all")["topic"][topic]
        assert {name: found[name]["value"] for name in stated} == stated
        with pytest.raises(TopicAlreadyExistsError):
            admin.create_topics([NewTopic(topic, 3, 1)])
        with pytest.raises(InvalidReplicationFactorError):
            admin.create_topics([NewTopic(kafka.name("deals"), 3, 1_000)])


class Told(KeyboardInterrupt):
    """What a signal raises here."""


@pytest.fixture
def signalled() -> Iterator[None]:
    """Told is raised by a signal."""

    def tell(number: int, frame: FrameType | None) -> None:
        raise Told

    before = signal.signal(signal.SIGUSR1, tell)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("signalled")
@pytest.mark.parametrize("kind", [KafkaProducer, KafkaAdminClient, KafkaConsumer])
def test_a_signal_while_a_client_is_made_comes_through(
    kafka: Kafka, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """kafka-python dropped it amid its own work, and a relay that was told to stop waited for ever: found by CI."""
    send, to_tell = KafkaTCPTransport._sock_send, [signal.SIGUSR1]

    def told_meanwhile(transport: KafkaTCPTransport) -> Any:
        if to_tell:
            os.kill(os.getpid(), to_tell.pop())
        return send(transport)

    monkeypatch.setattr(KafkaTCPTransport, "_sock_send", told_meanwhile)
    with pytest.raises(Told):
        connected(kind, KafkaSettings(bootstrap_servers=kafka.bootstrap_servers)).close()


def test_a_cluster_without_a_controller_is_away_and_what_to_start_is_said() -> None:
    """In the words of kafka-python 3.0.12, which raises no error of its own for it."""
    with pytest.raises(KafkaAway) as fault, faults_explained(KafkaSettings(bootstrap_servers="kafka.example:9092")):
        raise RuntimeError("Failed to find active controller id!")
    assert str(fault.value) == (
        "Kafka at kafka.example:9092 cannot be used: no controller leads the cluster; start as many controllers as "
        "make a majority"
    )
