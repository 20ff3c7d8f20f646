"""Publishing to more than one broker: one of them is lost."""

import base64
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka import KafkaProducer
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic

from adapters.embedded_kafka import EmbeddedKafka, free_port
from adapters.kafka_faults import KafkaAway
from adapters.kafka_settings import KafkaSettings
from adapters.kafka_topics import check_topics, create_topics, live_topics, positions_topic
from adapters.publisher import Publisher
from projections.published.messages import Message
from projections.published.reached import Reached
from tests.broker import Kafka, own_broker
from tests.own_server import eventually

HOUSE = "west"


@contextmanager
def _second(first: EmbeddedKafka) -> Iterator[EmbeddedKafka]:
    """Another node of the same cluster, which is no controller."""
    folder, port = Path(tempfile.mkdtemp(prefix="trailbook-kafka-")), free_port()
    settings = {
        "node.id": "2",
        "process.roles": "broker",
        "controller.quorum.voters": f"1@127.0.0.1:{first._controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port}",
    }
    second = EmbeddedKafka(folder, port=port, settings=settings)
    meta = (first.data_dir / "log" / "meta.properties").read_text()
    directory = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
    (folder / "log").mkdir()
    (folder / "log" / "meta.properties").write_text(
        re.sub(r"directory\.id=.*", f"directory.id={directory}", meta.replace("node.id=1", "node.id=2"))
    )
    try:
        second.start()
        yield second
    finally:
        second.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.long
def test_too_few_replicas_in_sync_are_named_and_waited_for() -> None:
    with own_broker() as first, _second(first) as second:
        kafka = Kafka(first.bootstrap_servers)
        settings = KafkaSettings(first.bootstrap_servers, partitions=2, replication=2)
        create_topics(settings, HOUSE)
        check_topics(settings, HOUSE)
        _both_must_take_each_message(kafka)
        with _publisher(settings) as publisher:
            publisher.open()
            publisher.publish([_message(1)], _at(1))
        second.kill()
        eventually(lambda: "2 must take each message" in _why_not_published(settings, 2), "the fault is named", 60)
        second.start()
        eventually(lambda: not _why_not_published(settings, 2), "the message is taken", 60)
        assert [record.value for record in kafka.read(f"{HOUSE}.deals")] == [b"1", b"2"]


def _both_must_take_each_message(kafka: Kafka) -> None:
    names = [*live_topics(HOUSE).values(), positions_topic(HOUSE)]
    with kafka.admin() as admin:
        admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, name, {"min.insync.replicas": "2"}) for name in names]
        )


def _publisher(settings: KafkaSettings) -> Publisher:
    return Publisher(settings, HOUSE, transactional_id=f"{HOUSE}.relay", leader="relay", epoch=1, patience_seconds=3.0)


def _why_not_published(settings: KafkaSettings, position: int) -> str:
    try:
        with _publisher(settings) as publisher:
            if publisher.open().position < position:
                publisher.publish([_message(position)], _at(position))
    except KafkaAway as away:
        return str(away) if away.waits_for == "replicas in sync" else "away"
    return ""


def _message(position: int) -> Message:
    return Message("deals", b"customer:acme", (), b"%d" % position)


@pytest.mark.long
@pytest.mark.parametrize("lost", [("deals",), ("relay-positions",), ("deals", "relay-positions")], ids="+".join)
def test_a_commit_that_the_broker_took_and_did_not_write_loses_nothing(lost: tuple[str, ...]) -> None:
    """Kafka 4.3.0 acknowledges it though a partition has no leader, and never writes it there (KAFKA-20734).

    Readers waited for that partition from then on, and so did the next publisher for its place.
    """
    with own_broker() as first:
        kafka = Kafka(first.bootstrap_servers)
        with kafka.producer(kafka.name("other")):
            pass  # so that the first broker is the one that decides transactions
        with _second(first) as second:
            _spread(kafka, lost)
            settings = KafkaSettings(first.bootstrap_servers, partitions=1, replication=1)
            with _publisher(settings) as publisher:
                publisher.open()
                publisher.publish([_message(1)], _at(1))
                _commit_without(publisher, second, kafka, lost)
                publisher.publish([_message(2)], _at(2))
            second.start()
            eventually(lambda: _why_not_published(settings, 2) == "", "it goes on", 60)
            with _publisher(settings) as successor:
                assert successor.open() == _at(2)
                assert not successor.hung
                successor.publish([_message(3)], _at(3))
            found = [record.value for record in kafka.read(f"{HOUSE}.deals")]
            assert list(dict.fromkeys(found)) == [b"1", b"2", b"3"]
            assert sorted(found) == found, "what came again came after"


def _at(position: int) -> Reached:
    return Reached(position, None, position)


def _spread(kafka: Kafka, second: Sequence[str]) -> None:
    """The house's topics, some of them on the second broker alone."""
    for name in (*live_topics(HOUSE).values(), positions_topic(HOUSE)):
        partitions = 2 if name == positions_topic(HOUSE) else 1
        at = 2 if name.removeprefix(f"{HOUSE}.") in second else 1
        with kafka.admin() as admin:
            admin.create_topics([NewTopic(name, replica_assignments={n: [at] for n in range(partitions)})])
            admin.wait_for_topics([name])


def _commit_without(publisher: Publisher, broker: EmbeddedKafka, kafka: Kafka, lost: Sequence[str]) -> None:
    """Let the next commit come when a broker has just stopped, which has taken all messages."""
    commit = publisher._commit

    def has_no_leader() -> bool:
        with kafka.admin() as admin:
            found = admin.describe_topics([f"{HOUSE}.{name}" for name in lost])
        return all(topic["partitions"][0]["leader_id"] < 0 for topic in found)

    def commit_later(producer: KafkaProducer) -> None:
        broker.stop()
        eventually(has_no_leader, "its partitions have no leader")
        commit(producer)

    publisher._commit = commit_later  # type: ignore[method-assign]
