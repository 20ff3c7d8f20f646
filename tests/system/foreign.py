"""Clients of Kafka that no one here wrote: what each of them reads, in one shape.

They are told nothing but a broker and topics, and read what is committed unless told otherwise.
"""

import json
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any, NamedTuple

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource  # type: ignore[attr-defined]

READ_SECONDS = 60


class Read(NamedTuple):
    """A message as a client gave it."""

    topic: str
    partition: int
    offset: int
    key: bytes
    headers: tuple[tuple[str, bytes], ...]
    value: bytes

    def header(self, name: str) -> str:
        return dict(self.headers)[name].decode()


def by_confluent_kafka(servers: str, topics: Sequence[str], *, committed: bool = True) -> list[Read]:
    """``confluent-kafka``, which is librdkafka, the client of most languages."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "nobody-commits-for-it",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed" if committed else "read_uncommitted",
        }
    )
    with closing(consumer):
        known = consumer.list_topics(timeout=READ_SECONDS).topics
        places = [TopicPartition(topic, no, OFFSET_BEGINNING) for topic in topics for no in known[topic].partitions]
        consumer.assign(places)
        found, at_their_end = [], set[tuple[str | None, int | None]]()
        while len(at_their_end) < len(places):
            message = consumer.poll(READ_SECONDS)
            assert message is not None, f"nothing came for {READ_SECONDS} s"
            if (error := message.error()) is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                at_their_end.add((message.topic(), message.partition()))
            else:
                found.append(_read(message))
    return found


def _read(message: Any) -> Read:
    headers = tuple(message.headers() or ())
    return Read(message.topic(), message.partition(), message.offset(), message.key(), headers, message.value())


def by_kcat(servers: str, topics: Sequence[str], *, committed: bool = True) -> list[Read]:
    """``kcat``, the tool at an operator's terminal."""
    kcat = shutil.which("kcat") or shutil.which("kafkacat")
    if kcat is None:
        pytest.skip("NOT TESTED: kcat reads every message: it is not on this machine; Debian's package is `kcat`")
    isolation = "isolation.level=" + ("read_committed" if committed else "read_uncommitted")
    of_topic = [kcat, "-b", servers, "-C", "-o", "beginning", "-e", "-q", "-J", "-X", isolation, "-t"]
    with ThreadPoolExecutor() as pool:
        said = list(pool.map(_said_by, ([*of_topic, topic] for topic in topics)))
    return [_shown(json.loads(line)) for lines in said for line in lines]


def _said_by(command: list[str]) -> list[bytes]:
    done = subprocess.run(command, capture_output=True, check=True, timeout=READ_SECONDS, stdin=subprocess.DEVNULL)
    return done.stdout.splitlines()


def _shown(message: Mapping[str, Any]) -> Read:
    """A message as kcat prints it in JSON; names and values of headers take turns there."""
    flat = message.get("headers", [])
    headers = tuple((name, value.encode()) for name, value in zip(flat[::2], flat[1::2], strict=True))
    place = message["topic"], message["partition"], message["offset"]
    return Read(*place, message["key"].encode(), headers, message["payload"].encode())


CLIENTS: Mapping[str, Callable[..., list[Read]]] = {"confluent-kafka": by_confluent_kafka, "kcat": by_kcat}


def made_as(servers: str, topics: Sequence[str]) -> dict[str, tuple[int, dict[str, str]]]:
    """Of each topic its partitions and its settings, as confluent-kafka is told."""
    admin = AdminClient({"bootstrap.servers": servers})
    known = admin.list_topics(timeout=READ_SECONDS).topics
    asked = admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic) for topic in topics])
    settings = {resource.name: answer.result(READ_SECONDS) for resource, answer in asked.items()}
    return {
        topic: (len(known[topic].partitions), {name: entry.value for name, entry in settings[topic].items()})
        for topic in topics
    }
