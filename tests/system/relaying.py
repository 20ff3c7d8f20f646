"""A house whose events are relayed: the real process of `trailbook relay run`, and what the topics hold of it."""

import json
import signal
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, get_args

from kafka.consumer.fetcher import ConsumerRecord
from psycopg import sql

from adapters.database import Database
from adapters.kafka_settings import KafkaSettings
from adapters.kafka_topics import create_topics, live_topics, positions_topic
from adapters.outgoing import Outgoing
from projections.published.messages import Message
from projections.published.reached import Reached
from projections.published.topics import Topic
from tests.broker import Kafka
from tests.own_server import eventually
from tests.system.under_load import Runner, environment, started

PARTITIONS = 3
TOPICS: Sequence[Topic] = get_args(Topic)
LEASE_SECONDS = 2.0


def kafka_settings(bootstrap_servers: str) -> KafkaSettings:
    return KafkaSettings(bootstrap_servers=bootstrap_servers, partitions=PARTITIONS, replication=1)


def with_topics(database: Database, bootstrap_servers: str) -> None:
    create_topics(kafka_settings(bootstrap_servers), database.house)


def relay_environment(database: Database, bootstrap_servers: str) -> dict[str, str]:
    return environment(
        database,
        TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS=bootstrap_servers,
        TRAILBOOK_KAFKA_PARTITIONS=str(PARTITIONS),
        TRAILBOOK_KAFKA_REPLICATION="1",
    )


@dataclass
class RelayProcess(Runner):
    """A process of `trailbook relay run` and what it logs."""

    def told_last(self, what: str) -> bool:
        """That it goes on is said after what it goes on with."""
        lines = [line for line in self.lines if "] going on" not in line]
        return any(f"] {what}" in line for line in lines[-1:])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        """As a machine that sleeps, or a process that is swapped out."""
        self.process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.process.send_signal(signal.SIGCONT)


def relay(database: Database, bootstrap_servers: str, *options: str) -> AbstractContextManager[RelayProcess]:
    command = ["relay", "run", "--lease", str(LEASE_SECONDS), *options]
    return started(RelayProcess, command, relay_environment(database, bootstrap_servers))


def wait_until_told(run: Runner, what: str, times: int = 1) -> None:
    try:
        eventually(lambda: len(run.told(what)) >= times, f"{what}, {times} times")
    except AssertionError as error:
        error.add_note("\n".join(run.lines[-20:]))
        raise


# -- what is to be in the topics, and what is


def to_publish(database: Database) -> dict[Topic, list[Message]]:
    """Everything that is recorded and posted now, in its order."""
    found: dict[Topic, list[Message]] = {topic: [] for topic in TOPICS}
    reached = Reached()
    with Outgoing(database) as source:
        while (batch := source.after(reached, 10_000)).reached != reached:
            for message in batch.messages:
                found[message.topic].append(message)
            reached = batch.reached
    return found


def message_id(message: Message) -> bytes:
    return dict(message.headers)["ce_id"]


def position(record: ConsumerRecord) -> int:
    return int(dict(record.headers)["ce_position"])


def record_id(record: ConsumerRecord) -> bytes:
    return dict(record.headers)["ce_id"]  # type: ignore[no-any-return]


def published(kafka: Kafka, database: Database, topic: Topic) -> list[ConsumerRecord]:
    """What a consumer that reads committed finds, each partition in its order."""
    return kafka.read(live_topics(database.house)[topic])


def by_key(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for key, one in pairs:
        found.setdefault(key, []).append(one)
    return found


def check_published(kafka: Kafka, database: Database, *, repeats: bool = False) -> None:
    """Everything is in its topic once, under its key in its order, and in each partition in the order of positions.

    ``repeats``: first appearances are. A broker that is stopped may forget a commit that it has acknowledged.
    """
    expected = to_publish(database)
    for topic in TOPICS:
        records = published(kafka, database, topic)
        if repeats:
            records = list({record_id(record): record for record in reversed(records)}.values())[::-1]
        wanted = by_key((message.key, message_id(message)) for message in expected[topic])
        found = by_key((record.key, record_id(record)) for record in records)
        different = [key for key in wanted.keys() | found.keys() if wanted.get(key) != found.get(key)]
        assert not different, (topic, different[:3], wanted.get(different[0]), found.get(different[0]))
        at = by_key((record.partition, position(record)) for record in records)
        assert all(positions == sorted(positions) for positions in at.values()), topic


@dataclass(frozen=True)
class NotedPlace:
    """A record of the topic of positions."""

    position: int
    ledger_position: int
    epoch: int
    leader: str


def places(kafka: Kafka, database: Database) -> list[NotedPlace]:
    """Every place that was committed and that compaction has left, in its order."""
    noted = [
        json.loads(record.value) for record in kafka.read(positions_topic(database.house)) if record.key == b"relay"
    ]
    return [NotedPlace(one["position"], one["ledger_position"], one["epoch"], one["leader"]) for one in noted]


def check_places(kafka: Kafka, database: Database) -> list[NotedPlace]:
    """No place goes back, none has an entry before its event, no earlier epoch comes after a later one; all places."""
    noted = places(kafka, database)
    assert all(place.ledger_position <= place.position for place in noted), noted
    for before, after in pairwise(noted):
        assert after.epoch >= before.epoch, (before, after)
        assert after.position >= before.position, (before, after)
        assert after.ledger_position >= before.ledger_position, (before, after)
        assert after.epoch > before.epoch or after.leader == before.leader, (before, after)
    return noted


def leases(database: Database) -> int:
    """How often one was taken."""
    with database.connect("owner", autocommit=True) as connection:
        statement = sql.SQL("SELECT epoch FROM {}.relay_lease").format(sql.Identifier(database.house))
        (epoch,) = connection.execute(statement).fetchone() or (0,)
    return int(epoch)


def caught_up(kafka: Kafka, database: Database) -> bool:
    with Outgoing(database) as source:
        ends = source.ends()
    noted = places(kafka, database)
    return bool(noted) and (noted[-1].position, noted[-1].ledger_position) == (ends.position, ends.ledger_position)
