"""What ``trailbook relay replay`` does: publish history once more, to a topic of its own, marked as a replay.

How far it has come is committed with its messages, as the relay's is, under the name of the topic: killed at any
moment, the same command goes on where it was. The live topics are never written to, and the relay is not in its way.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import NamedTuple

from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord

from adapters.database import Database
from adapters.faults import clipped
from adapters.kafka_client import connected, faults_explained
from adapters.kafka_faults import KafkaAway, TopicTaken
from adapters.kafka_settings import KafkaSettings
from adapters.kafka_topics import check_topics, create_topics
from adapters.lease import this_process
from adapters.outgoing import LAST, Outgoing
from adapters.publisher import Publisher
from adapters.settings import Settings
from projections.published.entries import LedgerEntry
from projections.published.messages import replayed_topic
from projections.published.reached import Reached
from projections.published.topics import Topic

READ_SECONDS = 60.0

Progress = Callable[[int, int], None]
"""How many positions are done, and how many there are."""


class NotThere(Exception):
    """What is to be replayed is not there, or the name is no replay's. The message is one sentence."""


class Replayed(NamedTuple):
    topic: str
    first: int
    last: int
    messages: int
    """Of this run; an earlier one may have published the beginning."""


def replay(
    settings: Settings, name: str, first: int, last: int | None, batch: int, progress: Progress | None = None
) -> Replayed:
    """Publish what is between two positions, both included, to a topic that is made if it is missing.

    Raises NotThere, TopicTaken, KafkaAway, TopicsWrong, Fenced, MessageTooLarge, OtherLog, Unpublishable,
    DatabaseUnavailable.
    """
    kafka, house = settings.kafka, settings.house
    topic = replayed_topic(house, name)
    if topic is None:
        raise NotThere(
            f"{clipped(name) or 'nothing'} is no name of a replay; write one like {house}.deals.replay.1: a live topic "
            "with .replay. and something of a-z, 0-9, - and . behind it"
        )
    mark, database = name.removeprefix(f"{house}."), settings.database()
    with Outgoing(database, topic=topic, replay=mark) as source:
        source.upto = _last(source, database, topic, first, last)
        kafka.client()  # says what is not set, before anything is made
        create_topics(kafka, house, [name])
        check_topics(kafka, house, [name])
        publisher = Publisher(
            kafka, house, transactional_id=name, place_key=name, leader=this_process(), epoch=0, topics={topic: name}
        )
        with publisher:
            reached, begin = publisher.open(), Reached(first - 1, None, first - 1)
            _check_is_ours(kafka, source, name, begin, reached)
            source.check(reached)
            reached = begin if reached == Reached() else reached
            count = _publish(publisher, source, reached, batch, progress or (lambda done, total: None))
    return Replayed(name, first, source.upto, count)


def _last(source: Outgoing, database: Database, topic: Topic, first: int, last: int | None) -> int:
    ends = source.ends()
    end = ends.ledger_position if topic == LedgerEntry.topic else ends.position
    what = "ledger" if topic == LedgerEntry.topic else "log"
    if first > max(end, 1) or (last or 0) > end:
        raise NotThere(f"the {what} of {database.house} ends at position {end}; name positions from 1 to {end}")
    if last is not None and last < first:
        raise NotThere(f"there is nothing from position {first} to {last}; name the earlier one first")
    return end if last is None else last


def _publish(publisher: Publisher, source: Outgoing, reached: Reached, batch: int, progress: Progress) -> int:
    """How many messages."""

    def at() -> int:
        return reached.ledger_position if source.topic == LedgerEntry.topic else reached.position

    count, begin, noted = 0, at(), reached
    while (found := source.after(reached, batch)).reached != reached:
        reached = found.reached
        if found.messages:
            publisher.publish(found.messages, reached)
            count, noted = count + len(found.messages), reached
        progress(at() - begin, source.upto - begin)
    if reached != noted:
        publisher.publish([], reached)
    return count


# -- whether the topic is this replay's


def _check_is_ours(kafka: KafkaSettings, source: Outgoing, name: str, begin: Reached, reached: Reached) -> None:
    """A topic holds nothing yet, or begins with what this replay begins with. Raises TopicTaken."""
    there = _first_records(kafka, name)
    if not there:
        return
    marks = {dict(record.headers).get("ce_replay", b"").decode() for record in there.values()}
    if reached == Reached() or marks != {source.replay}:
        raise TopicTaken(f"{name} holds something else than a replay by this house; name another topic")
    wanted = _first_id(source, begin)
    if wanted not in {dict(record.headers).get("ce_id") for record in there.values()}:
        raise TopicTaken(
            f"{name} holds a replay from another position than {begin.position + 1}; name the same one to go on with "
            "it, or another topic"
        )


def _first_id(source: Outgoing, reached: Reached) -> bytes | None:
    """The id of the first message that a replay from there publishes, however far it is to go this time."""
    upto, source.upto = source.upto, LAST
    try:
        return _next_id(source, reached)
    finally:
        source.upto = upto


def _next_id(source: Outgoing, reached: Reached) -> bytes | None:
    while (found := source.after(reached, 100)).reached != reached:
        if found.messages:
            return dict(found.messages[0].headers)["ce_id"]
        reached = found.reached
    return None


def _first_records(kafka: KafkaSettings, name: str) -> Mapping[int, ConsumerRecord]:
    """The first committed record of each partition that has one."""
    consumer = connected(
        KafkaConsumer, kafka, group_id=None, enable_auto_commit=False, isolation_level="read_committed"
    )
    with closing(consumer), faults_explained(kafka):
        partitions = [TopicPartition(name, number) for number in consumer.partitions_for_topic(name) or ()]
        begins, ends = consumer.beginning_offsets(partitions), consumer.end_offsets(partitions)
        found: dict[int, ConsumerRecord] = {}
        deadline = time.monotonic() + READ_SECONDS
        for partition in partitions:
            consumer.assign([partition])
            consumer.seek(partition, begins[partition])
            while partition.partition not in found and consumer.position(partition) < ends[partition]:
                if time.monotonic() > deadline:
                    raise KafkaAway(f"{kafka.where} does not give the beginning of {name}; try again")
                for records in consumer.poll(timeout_ms=200, max_records=1).values():
                    found.setdefault(partition.partition, records[0])
    return found
