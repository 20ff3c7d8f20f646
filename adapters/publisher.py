"""Publishes messages together with the place that they lead to, in one transaction of Kafka.

A place is never ahead of its messages, and never behind: whoever starts, fences all before it (``transactional_id``),
reads the last committed place back and goes on from there. What kafka-python 3.0.12 does about transactions, and what
follows from it here, is in ``deploy/decisions/2026-11-22-a-real-broker.md``. Above all: a commit counts only when every
message was acknowledged, and after any error a publisher is thrown away.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache, partial
from typing import Any, Self

from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka import errors as kafka_errors
from kafka.errors import KafkaError
from kafka.partitioner import DefaultPartitioner
from kafka.partitioner.default import murmur2
from kafka.producer.future import FutureRecordMetadata, RecordMetadata

from adapters.kafka_client import Contact, away, connected
from adapters.kafka_faults import Fenced, KafkaAway, KafkaRefuses, MessageTooLarge, TopicsWrong
from adapters.kafka_settings import BOOTSTRAP_MS, KafkaSettings
from adapters.kafka_topics import (
    CREATE,
    LIVE,
    SHORT_MS,
    TopicThere,
    administered,
    committed_by,
    limit_of,
    live_topics,
    place_partition,
    positions_topic,
    short_of_replicas,
    topics_there,
    undecided,
    were_sent_to,
)
from adapters.places import Place, Places
from projections.published.messages import Message
from projections.published.reached import Reached
from projections.published.topics import Topic

PATIENCE_SECONDS = 10.0
"""How long nothing may be heard of a broker before it counts as away; each acknowledgement begins it anew."""
TRANSACTION_SECONDS = 60
"""After that long the broker ends a transaction that nobody ends: readers wait for it, if its publisher was killed."""
RETRY_MS = 5
"""The sender of kafka-python sleeps for it when a transaction follows right after another."""
BATCH_BYTES = 256 * 1024
LOOK_MS = 10_000
"""How old what is known of the topics may become: a topic that was made anew is noticed that soon."""
CLOSE_SECONDS = 1.0
COORDINATOR_SECONDS = 0.1
"""How long until a broker is asked again that does not know yet who decides our transactions."""
REMEMBERED_KEYS = 20_000

_FENCED = (
    kafka_errors.ProducerFencedError,
    kafka_errors.InvalidProducerEpochError,
    kafka_errors.InvalidProducerIdMappingError,
    kafka_errors.TransactionCoordinatorFencedError,
)


class Partitions(DefaultPartitioner):  # type: ignore[misc]  # kafka-python has no types
    """Kafka's own choice for a key, with the hash remembered: made in Python it is a tenth of what a message costs.

    Among as many partitions as there were at the beginning: where some are added meanwhile, no key moves.
    """

    def __init__(self, counts: Mapping[str, int]) -> None:
        self._counts = counts

    def partition(self, topic: str, key: object, serialized_key: bytes, *rest: object) -> int:
        return hash_of(serialized_key) % self._counts[topic]


@lru_cache(REMEMBERED_KEYS)
def hash_of(key: bytes) -> int:
    return int(murmur2(key)) & 0x7FFFFFFF


class Publisher:
    """One transactional producer. ``open`` it, ``publish``, ``close`` it; after any error of either, only ``close``."""

    def __init__(
        self,
        kafka: KafkaSettings,
        house: str,
        *,
        transactional_id: str,
        place_key: str = LIVE,
        leader: str,
        epoch: int,
        topics: Mapping[Topic, str] | None = None,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.kafka, self.house = kafka, house
        self.transactional_id, self.place_key, self.leader, self.epoch = transactional_id, place_key, leader, epoch
        self.topics = live_topics(house) if topics is None else topics
        """Where the messages of each kind go."""
        self._patience_seconds = patience_seconds
        self._positions = TopicPartition(positions_topic(house), place_partition(place_key))
        self.repeats = False
        """Whether nothing is noted though something was sent, so that messages may come once more."""
        self.hung: Sequence[TopicPartition] = ()
        """Partitions in which a transaction hung when this publisher was opened."""
        self.lost: Sequence[TopicPartition] = ()
        """Partitions that lacked what was published there when this publisher was opened."""
        self.unseen = ""
        """Why it could not be seen whether anything is lost; empty where it could."""
        self.foreign: list[int] = []
        """Offsets after the last place of records under our key that are no place."""
        self._partitions: dict[str, int] = {}
        self._topic_ids: dict[str, str] = {}
        self._position = 0
        """Up to which the topics were published to."""
        self._written: dict[tuple[str, int], int] = {}
        """The last offset that was acknowledged in each partition of a topic."""
        self._contact = Contact()
        self._producer: KafkaProducer | None = None

    def open(self) -> Reached:
        """Fence everybody before, and say how far they came; ``Reached()`` where nobody has published yet.

        Raises KafkaAway (also KafkaRefuses), TopicsWrong, Fenced, SettingsWrong.
        """
        self._producer = self._connected()
        committed = self._last_commit()
        try:
            self._producer.init_transactions()
        except kafka_errors.KafkaTimeoutError as error:
            # what a predecessor left open must be ended first, by all who hold a part of it
            raise self._silence() from error
        except KafkaError as error:
            raise self._fenced_or_away(error) from error
        self._end_what_hangs(self._look(), committed)
        place = self._place()
        if place is None:
            if not self.lost:
                with administered(self.kafka) as admin:
                    self.repeats = were_sent_to(admin, self._partitions)
            return Reached()
        for topic, offsets in place.offsets.items():
            self._written |= {(topic, number): offset for number, offset in enumerate(offsets)}
        return place.reached

    def publish(self, messages: Sequence[Message], reached: Reached) -> None:
        """Commit all messages and the place that they lead to, or nothing of it.

        An error may come although it was committed: the place that the next publisher reads back says what was.
        Raises KafkaAway (also KafkaRefuses), Fenced, MessageTooLarge, TopicsWrong.
        """
        producer, topics = self._producer, self.topics
        assert producer is not None, "open it first"
        sent: list[FutureRecordMetadata] = []
        try:
            producer.begin_transaction()
            # the broker is told all partitions of a transaction at once, and this one is written to at its end
            producer._transaction_manager.maybe_add_partition_to_transaction(self._positions)
            for topic, key, headers, value in messages:
                sent.append(self._send(producer, topics[topic], value, key, list(headers)))
            self._wait_for_all(sent)
            self._must_be_there(sent)
            # Only now: a commit that was sent twice may arrive a second time amid the next transaction, and the broker
            # takes it for that one's. What it then commits must hold no place before its messages.
            key, partition = self.place_key.encode(), self._positions.partition
            place = self._place_at(reached).to_bytes()
            noted = self._send(producer, self._positions.topic, place, key, None, partition)
            self._wait_for_all([noted])
            self._must_be_there([noted])
            self._commit(producer)
            self._position = reached.position
        except KafkaError as error:
            raise self._fault(error, messages, sent) from error

    def close(self) -> None:
        """End at once. What is not committed stays so; the next publisher has the broker end it."""
        producer, self._producer = self._producer, None
        if producer is None:
            return
        # close() alone would first send what is left, and not stop the sender's thread where that fails
        producer._sender.force_close()
        producer._sender.join(CLOSE_SECONDS)
        with suppress(KafkaError):
            producer.close(timeout=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    # -- opening

    def _connected(self) -> KafkaProducer:
        patience_ms = int(1_000 * self._patience_seconds)
        limit = self.kafka.max_message_bytes
        return connected(
            KafkaProducer,
            self.kafka,
            self._contact,
            transactional_id=self.transactional_id,
            transaction_timeout_ms=1_000 * TRANSACTION_SECONDS,
            bootstrap_timeout_ms=min(BOOTSTRAP_MS, patience_ms),
            request_timeout_ms=patience_ms,
            # longer than we wait: what we gave up must not look as if it were decided
            delivery_timeout_ms=max(patience_ms, 1_000 * TRANSACTION_SECONDS),
            max_block_ms=patience_ms,
            retry_backoff_ms=RETRY_MS,
            batch_size=min(BATCH_BYTES, limit // 2),
            max_request_size=limit,
            allow_auto_create_topics=False,
            metadata_max_age_ms=LOOK_MS,
            partitioner=Partitions(self._partitions),
            metrics_enabled=False,
        )

    def _check_topics(self, noted: Place) -> None:
        """Raises TopicsWrong where they are not those that were published to."""
        anew = [name for name, topic_id in self._topic_ids.items() if noted.topic_ids.get(name, topic_id) != topic_id]
        faults = [
            f"{topic} has {self._partitions[topic]} partitions, and {count} when the last message was published: "
            "a key would now go elsewhere, and break its order; publish the history to new topics"
            for topic, count in noted.partitions.items()
            if topic not in anew and self._partitions.get(topic, count) != count
        ]
        if anew:
            faults.append(self._anew(anew))
        if faults:
            raise TopicsWrong(self.kafka.where, faults)

    def made_anew(self) -> list[str]:
        """Topics that are others by now than when this publisher was opened, as far as that is known here."""
        assert self._producer is not None
        now = {name: self._producer._metadata.topic_id(name) for name in self._topic_ids}
        return [name for name, topic_id in now.items() if topic_id and str(topic_id) != self._topic_ids[name]]

    def _anew(self, topics: Sequence[str]) -> str:
        name, positions = ", ".join(topics), self._positions.topic
        gone = f"{name} was deleted and made anew after it was published to up to position {self._position}"
        if self.place_key != LIVE:
            return f"{gone}: replay to a topic of another name"
        return (
            f"{gone}, so that this is missing in it: delete {positions}, run `{CREATE}`, and everything is published "
            "once more, to all topics"
        )

    def _last_commit(self) -> tuple[int, int] | None:
        """Whose it was, as long as that is known: a broker that has just started has to read it first."""
        waits_until = time.monotonic() + self._patience_seconds
        with administered(self.kafka, request_timeout_ms=int(1_000 * self._patience_seconds)) as admin:
            while True:
                try:
                    return committed_by(admin, self.transactional_id)
                except kafka_errors.RetriableError:
                    if time.monotonic() > waits_until:
                        raise
                    time.sleep(COORDINATOR_SECONDS)

    def _look(self) -> list[TopicPartition]:
        """Note the topics as they are. The partitions with records that nobody will decide any more.

        Once predecessors are fenced the broker has ended what they left open. Kafka 4.3.0 acknowledges a commit
        without writing it to a partition that has no leader in that moment, such as when it is told to stop.
        """
        with administered(self.kafka, request_timeout_ms=int(1_000 * self._patience_seconds)) as admin:
            there = self._present(admin)
            self._partitions |= {name: topic.partitions for name, topic in there.items()}
            self._topic_ids = {name: topic.topic_id for name, topic in there.items()}
            of_messages = [
                TopicPartition(name, number) for name, count in self._partitions.items() for number in range(count)
            ]
            return undecided(admin, [*of_messages, self._positions])

    def _end_what_hangs(self, hanging: Sequence[TopicPartition], committed: tuple[int, int] | None) -> None:
        """Let readers go on. Messages may so come twice, and never be lost.

        Messages are committed, because their place may have been. A place is committed if the last transaction was, and
        nobody has begun another before we fenced him; else it is dropped, because its messages may have been aborted.
        """
        producer, self.hung = self._producer, hanging
        assert producer is not None
        ours = producer._transaction_manager.producer_id_and_epoch
        known = committed is not None and (ours.producer_id, ours.epoch) == (committed[0], committed[1] + 1)
        try:
            if self._positions in hanging and not known:
                producer.begin_transaction()
                key, partition = self.place_key.encode(), self._positions.partition
                self._wait_for_all([self._send(producer, self._positions.topic, b"{}", key, None, partition)])
                self._decide(producer, producer._transaction_manager.begin_abort)
            if to_commit := [partition for partition in hanging if known or partition != self._positions]:
                producer.begin_transaction()
                for partition in to_commit:
                    producer._transaction_manager.maybe_add_partition_to_transaction(partition)
                self._decide(producer, producer._transaction_manager.begin_commit)
        except KafkaError as error:
            raise self._fenced_or_away(error) from error

    def _place(self) -> Place | None:
        """Where to go on from: the last place up to which the topics hold what was published.

        Raises Fenced, TopicsWrong, KafkaAway.
        """
        times = {"patience_seconds": self._patience_seconds, "undecided_seconds": TRANSACTION_SECONDS}
        with Places(self.kafka, self.house, self.place_key, **times) as noted:
            places = noted.newest_first()
            place = next(places, None)
            self.foreign = noted.foreign
            if place is None:
                return None
            if place.epoch > self.epoch:
                raise Fenced(
                    f"{place.leader} published under a later lease, {place.epoch}, and ours is {self.epoch}; see "
                    f"whether the database of {self.house} is the one that it used",
                    (place.reached, place.epoch),
                )
            self._position = place.reached.position
            self._check_topics(place)
            try:
                while place is not None and (lost := noted.lost(place)):
                    self.lost = self.lost or lost
                    place = next(places, None)
            except KafkaRefuses as refusal:
                self.unseen = str(refusal)
            return place

    def _place_at(self, reached: Reached) -> Place:
        offsets = {
            topic: [self._written.get((topic, number), -1) for number in range(count)]
            for topic, count in self._partitions.items()
        }
        return Place(reached, self.leader, self.epoch, self._partitions, self._topic_ids, offsets)

    def _present(self, admin: KafkaAdminClient) -> dict[str, TopicThere]:
        """The topics of messages. Raises TopicsWrong where a topic is missing."""
        wanted = [*self.topics.values(), self._positions.topic]
        found = topics_there(admin, wanted)
        missing = [name for name in wanted if name not in found]
        if missing:
            raise TopicsWrong(self.kafka.where, [_missing(*missing)])
        del found[self._positions.topic]
        return found

    # -- publishing

    def _send(self, producer: KafkaProducer, topic: str, *message: Any) -> FutureRecordMetadata:
        try:
            return producer.send(topic, *message)
        except kafka_errors.KafkaTimeoutError as error:
            raise self._no_partitions(topic) from error

    def _wait_for_all(self, sent: Sequence[FutureRecordMetadata]) -> None:
        """Wait until all are acknowledged. Raises the error of the first that failed, or KafkaAway."""
        for message in sent:
            if not message.is_done:
                self._wait(partial(_is_done_after, message))
            if message.exception is not None:
                raise message.exception

    def _must_be_there(self, sent: Sequence[FutureRecordMetadata]) -> None:
        """An acknowledgement counts in the topic as it was, with an offset of its own. Raises TopicsWrong, KafkaAway.

        kafka-python begins to count a partition's batches anew after some errors, and goes on sending; the broker then
        takes the next batch for one that it has got before, and acknowledges that.
        """
        if anew := self.made_anew():
            raise TopicsWrong(self.kafka.where, [self._anew(anew)])
        for message in sent:
            written: RecordMetadata = message.value
            partition = written.topic, written.partition
            if written.offset <= self._written.get(partition, -1):
                raise KafkaAway(
                    f"{self.kafka.where} took messages to {written.topic} for repeats; they are sent once more"
                )
            self._written[partition] = written.offset

    def _commit(self, producer: KafkaProducer) -> None:
        """As ``commit_transaction``, which would wait without an end while the broker is away."""
        self._decide(producer, producer._transaction_manager.begin_commit)

    def _decide(self, producer: KafkaProducer, begin: Callable[[], Any]) -> None:
        result = begin()
        producer._sender.wakeup()
        self._wait(lambda seconds: result.wait(1_000 * seconds))

    def _wait(self, done_after: Callable[[float], bool]) -> None:
        if not done_after(self._patience_seconds):
            raise self._silence()

    def _silence(self) -> KafkaAway:
        """Why nothing was heard in time. Other brokers than the lost one may know."""
        try:
            lost = short_of_replicas(self.kafka, [*self.topics.values(), self._positions.topic])
        except KafkaAway as fault:
            return fault
        if lost:
            return KafkaAway(f"{self.kafka.where} takes no messages: {lost}", "replicas in sync")
        if self._contact.failure is not None:
            return away(self.kafka, self._contact.failure)
        return KafkaAway(f"{self.kafka.where} has not answered for {self._patience_seconds:g} s; see its log")

    def _fault(self, error: KafkaError, messages: Sequence[Message], sent: Sequence[FutureRecordMetadata]) -> Exception:
        """What an error means to who publishes."""
        failed = [number for number, message in enumerate(sent) if message.exception is not None]
        causes = [error, *(sent[number].exception for number in failed)]
        if any(isinstance(cause, kafka_errors.MessageSizeTooLargeError) for cause in causes):
            # all of a failed transaction fail with the error of the one message; before it is sent, it is the next
            return self._too_large(
                [messages[number] for number in failed if number < len(messages)] or [messages[len(sent)]]
            )
        return self._fenced_or_away(*causes)

    def _fenced_or_away(self, *causes: Exception) -> Exception:
        assert self._producer is not None
        # later calls tell only that there was an error before
        first = self._producer._transaction_manager.last_error
        causes = (*causes, first) if first is not None else causes
        if any(isinstance(cause, _FENCED) for cause in causes):
            return Fenced(f"another has begun to publish as {self.transactional_id}, or this one was too slow")
        return away(self.kafka, causes[-1], self._contact)

    def _too_large(self, refused: Sequence[Message]) -> MessageTooLarge:
        message = max(refused, key=_size)
        ce_id = next((value.decode() for name, value in message.headers if name == "ce_id"), "without an id")
        topic = self.topics[message.topic]
        limit = min(limit_of(self.kafka, topic), self.kafka.max_message_bytes)
        return MessageTooLarge(topic, ce_id, _size(message), limit)

    def _no_partitions(self, topic: str) -> Exception:
        """The client has asked in vain where the topic is."""
        if self._contact.failure is not None:
            return away(self.kafka, self._contact.failure)
        with administered(self.kafka, bootstrap_timeout_ms=SHORT_MS, request_timeout_ms=SHORT_MS) as admin:
            if not topics_there(admin, [topic]):
                return TopicsWrong(self.kafka.where, [_missing(topic)])
        return self._silence()


def _missing(*topics: str) -> str:
    return f"{', '.join(topics)}: missing: run `{CREATE}`"


def _is_done_after(message: FutureRecordMetadata, seconds: float) -> bool:
    with suppress(KafkaError):
        message.get(timeout=seconds)
    return bool(message.is_done)


def _size(message: Message) -> int:
    return len(message.key) + len(message.value) + sum(len(name) + len(value) for name, value in message.headers)
