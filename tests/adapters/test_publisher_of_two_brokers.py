"""Publishing to more than one broker: one of them is lost."""

import base64
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

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
            publisher.publish([_message(1)], Reached(1))
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
                publisher.publish([_message(position)], Reached(position))
    except KafkaAway as away:
        return str(away) if away.waits_for == "replicas in sync" else "away"
    return ""


def _message(position: int) -> Message:
    return Message("deals", b"customer:acme", (), b"%d" % position)
