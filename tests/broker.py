"""A real Apache Kafka for the tests: a given one, one in a container, or the one that comes with Trailbook."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import KafkaError
from kafka.producer.future import FutureRecordMetadata

from adapters.embedded_kafka import SCRIPT, START_SECONDS, EmbeddedKafka, free_port
from adapters.kafka_faults import KafkaUnavailable
from tests.database import docker_answers

IMAGE = "apache/kafka:4.3.0"

ACKNOWLEDGED_SECONDS = 60.0

_numbers = count(1)


class NoBroker(Exception):
    """No Kafka broker can be had, so that nothing that publishes can be tested. The message is one sentence."""


@dataclass(frozen=True)
class Kafka:
    """A broker that the tests share. Every name that a test gives it is its own: take them from ``name``."""

    bootstrap_servers: str

    def name(self, of: str) -> str:
        """A name for a topic, a group or a transactional id that nobody else has."""
        return f"{of}-{os.getpid()}-{os.urandom(3).hex()}-{next(_numbers)}"

    def admin(self) -> KafkaAdminClient:
        return KafkaAdminClient(bootstrap_servers=self.bootstrap_servers)

    def topic(self, of: str = "topic", partitions: int = 1, settings: Mapping[str, str] | None = None) -> str:
        """A new, empty topic."""
        topic = self.name(of)
        with closing(self.admin()) as admin:
            admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=dict(settings or {}))])
            admin.wait_for_topics([topic])
        return topic

    @contextmanager
    def producer(self, transactional_id: str | None = None, **settings: Any) -> Iterator[KafkaProducer]:
        """A producer; with a transactional id, one that can begin a transaction."""
        settings = {"retry_backoff_ms": 10, **settings}
        producer = KafkaProducer(
            bootstrap_servers=self.bootstrap_servers, transactional_id=transactional_id, **settings
        )
        try:
            if transactional_id is not None:
                producer.init_transactions()
            yield producer
        finally:
            producer.close(timeout=1)

    def read(self, *topics: str, committed: bool = True) -> list[ConsumerRecord]:
        """All that the topics hold now, each partition in its order."""
        isolation = "read_committed" if committed else "read_uncommitted"
        consumer = KafkaConsumer(
            bootstrap_servers=self.bootstrap_servers, isolation_level=isolation, enable_auto_commit=False, group_id=None
        )
        with closing(consumer):
            partitions = [TopicPartition(topic, n) for topic in topics for n in consumer.partitions_for_topic(topic)]
            consumer.assign(partitions)
            consumer.seek_to_beginning()
            return list(_up_to(consumer, consumer.end_offsets(partitions)))


def publish(producer: KafkaProducer, topic: str, *messages: tuple[bytes, bytes]) -> None:
    """Send messages (key, value) in one transaction and commit it, or raise and leave the transaction undecided.

    ``commit_transaction`` of kafka-python 3.0.12 alone would report success for messages that are lost: see
    ``deploy/decisions/2026-11-22-a-real-broker.md``. After an error the producer is of no more use.
    """
    producer.begin_transaction()
    commit(producer, [producer.send(topic, value, key=key) for key, value in messages])


def commit(producer: KafkaProducer, sent: Iterable[FutureRecordMetadata]) -> None:
    """Commit what every acknowledgement has come for; raise what befell the first message that failed."""
    failed = [error for message in sent if (error := _outcome(message))]
    if failed:
        raise failed[0]
    producer.commit_transaction()


def _outcome(message: FutureRecordMetadata) -> KafkaError | None:
    """Each message is asked, because ``flush`` raises when the client splits a batch that is too large."""
    try:
        message.get(timeout=ACKNOWLEDGED_SECONDS)
    except KafkaError as error:
        return error
    return None


def _up_to(consumer: KafkaConsumer, ends: Mapping[TopicPartition, int]) -> Iterable[ConsumerRecord]:
    """With ``read_committed`` the end is that of the last transaction that is decided."""
    while any(consumer.position(partition) < end for partition, end in ends.items()):
        for records in consumer.poll(timeout_ms=200).values():
            yield from records


@contextmanager
def broker() -> Iterator[Kafka]:
    """A broker for a whole run. Raises NoBroker."""
    given = os.environ.get("TRAILBOOK_TEST_KAFKA")
    if given:
        _must_answer(given)
        yield Kafka(given)
    elif docker_answers():
        with _container() as bootstrap_servers:
            yield Kafka(bootstrap_servers)
    else:
        with own_broker() as own:
            yield Kafka(own.bootstrap_servers)


@contextmanager
def own_broker(**more: Any) -> Iterator[EmbeddedKafka]:
    """A broker of a test's own: one to kill, to stop and to start again, or with other listeners. Raises NoBroker."""
    folder = Path(tempfile.mkdtemp(prefix="trailbook-kafka-"))
    own = EmbeddedKafka(folder, **more)
    try:
        try:
            own.start()
        except KafkaUnavailable as error:
            raise NoBroker(str(error)) from error
        yield own
    finally:
        own.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _must_answer(bootstrap_servers: str) -> None:
    try:
        KafkaAdminClient(bootstrap_servers=bootstrap_servers, bootstrap_timeout_ms=10_000).close()
    except (KafkaError, ValueError) as error:
        raise NoBroker(f"TRAILBOOK_TEST_KAFKA names {bootstrap_servers}, where no Kafka answers: {error}") from error


@contextmanager
def _container() -> Iterator[str]:
    """Apache's own image. Its address is fixed before it starts, because the broker tells it to its clients."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415  (only where Docker answers)

    port = free_port()
    try:
        container = DockerContainer(IMAGE).with_bind_ports(9092, port)
        address = f"{container.get_docker_client().host()}:{port}"
        container.with_envs(**_settings(address)).start()
    except Exception as error:
        raise NoBroker(f"Docker answers but cannot run {IMAGE}: {' '.join(str(error).split())}") from error
    try:
        if not _comes_to_answer(address):
            said = b" ".join(container.get_logs()).decode(errors="replace")
            raise NoBroker(f"Docker runs {IMAGE}, but it does not answer at {address}: {' '.join(said.split())[-500:]}")
        yield address
    finally:
        container.stop()


def _settings(address: str) -> dict[str, str]:
    """What ``deploy/kafka/server.properties`` says, in the words of the image: ``a.b`` is ``KAFKA_A_B`` there."""
    lines = (SCRIPT.parent / "server.properties").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    settings |= {
        # the broker talks to itself too, about transactions, and does not reach the clients' address from inside
        "listeners": "PLAINTEXT://0.0.0.0:9092,BROKER://127.0.0.1:9093,CONTROLLER://127.0.0.1:9094",
        "advertised.listeners": f"PLAINTEXT://{address},BROKER://127.0.0.1:9093",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "BROKER",
        "controller.quorum.voters": "1@127.0.0.1:9094",
    }
    return {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in settings.items()}


def _comes_to_answer(address: str) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        with suppress(KafkaError):
            KafkaAdminClient(bootstrap_servers=address, bootstrap_timeout_ms=2_000).close()
            return True
        time.sleep(0.1)
    return False


def delete_topic(kafka: Kafka, topic: str) -> None:
    """And wait until it is gone."""
    with closing(kafka.admin()) as admin:
        admin.delete_topics([topic])
        deadline = time.monotonic() + ACKNOWLEDGED_SECONDS
        while admin.describe_topics([topic])[0]["error_code"] == 0:
            assert time.monotonic() < deadline, f"{topic} is still there"
            time.sleep(0.05)
