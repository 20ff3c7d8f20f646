"""How a process of a consumer reads: which partitions are its own, where each begins, one transaction for each batch.

The inbox says what is to be read and what a message does; here is what is done about repeats, rebalances and poison.
"""

import inspect
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
import structlog
from kafka import ConsumerRebalanceListener, KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from kafka.errors import (
    IllegalStateError,
    KafkaError,
    LogTruncationError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
)
from psycopg.pq import TransactionStatus

from adapters.inbox_tables import InboxTables, Overtaken, Part, Place, Stop
from adapters.incoming import Incoming, NotReadable, Repeats, incoming
from adapters.kafka_client import Contact, connected, faults_explained
from adapters.kafka_faults import KafkaAway, TopicsWrong

if TYPE_CHECKING:
    from adapters.inbox import Inbox

Handler = Callable[[psycopg.Connection, Incoming], None]

POLL_MS = 500
PROBE_SECONDS = 2.0
"""After how long without a message Kafka is asked whether it is there."""
PROBE_MS = 5_000
POISON_SECONDS = 60.0
"""After how long a message that could not be applied is tried again."""

SHOWN_OF_ERROR = 500

REPLAY = ".replay."

MUST: Mapping[str, Any] = {
    "isolation_level": "read_committed",
    "enable_auto_commit": False,
    "auto_offset_reset": "none",
    "allow_auto_create_topics": False,
}
"""What the inbox stands on in kafka-python."""
USUAL: Mapping[str, Any] = {
    "max_poll_records": 2_000,
    "session_timeout_ms": 10_000,
    # so soon a topic that was made anew is known to be another one
    "metadata_max_age_ms": 10_000,
}
"""What can be given otherwise."""

logger = structlog.get_logger("trailbook")


class HistoryGone(Exception):
    """Messages that were not read are no longer in the topic. The sentence says from which position to replay."""

    def __init__(self, at: TopicPartition, what: str, position: int) -> None:
        replayed = f"{at.topic.partition(REPLAY)[0]}{REPLAY}1"
        super().__init__(
            f"{at.topic} partition {at.partition} {what}; run `trailbook relay replay --from {position} --topic "
            f"{replayed}` and read that to its end under the same consumer's name before the live topic"
        )
        self.position = position


class _Failed(Exception):
    """A handler failed at a message of a batch, whose transaction is rolled back."""

    def __init__(self, at: int, because: str) -> None:
        super().__init__(because)
        self.at = at


class Reading(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python states no types
    """A connection to each side, for as long as both are well. Raises DatabaseUnavailable, KafkaAway."""

    def __init__(self, inbox: "Inbox") -> None:
        self.inbox = inbox
        self.stopped: dict[Part, float] = {}
        """Partitions that stopped at a message, and when it is tried again."""
        self._topics = {f"{inbox.house}.{topic}": _live(f"{inbox.house}.{topic}") for topic in inbox.topics}
        """What is read, and the live topic that each is, or is a replay of."""
        self._topic_ids: dict[str, str] = {}
        self._partitions: list[TopicPartition] = []
        self._lock = threading.Lock()
        self._assigned: set[TopicPartition] = set()
        self._fresh: set[TopicPartition] = set()
        """Given to us since we looked last."""
        self._places: dict[TopicPartition, Place] = {}
        """Of assigned partitions that are being read: what their rows must say."""
        self._unbroken: dict[TopicPartition, int] = {}
        """Partitions that begin after the replay: the position that the replay is known to have brought."""
        self._heard = time.monotonic()
        self._contact = Contact()

    def __enter__(self) -> "Reading":
        self.tables = InboxTables(
            self.inbox.database_url, self.inbox.consumer, self.inbox.schema, self.inbox.stuck_seconds
        )
        try:
            self.tables.create()
            self._kafka = self._connect()
            try:
                self._open()
            except BaseException:
                self._kafka.close(timeout_ms=1_000)
                raise
        except BaseException:
            self.tables.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(KafkaError):
            self._kafka.close(timeout_ms=2_000)
        self.tables.close()

    def _connect(self) -> KafkaConsumer:
        group = f"{self.inbox.house}.{self.inbox.consumer}"
        settings = {"group_id": group, **USUAL, **self.inbox.client, **MUST}
        return connected(KafkaConsumer, self.inbox.kafka, self._contact, **settings)

    def _faults_of_kafka(self) -> AbstractContextManager[None]:
        """Raises KafkaAway."""
        return faults_explained(self.inbox.kafka, self._contact)

    def _open(self) -> None:
        """Find the topics as they were, and join the others of this name."""
        for reading, topic in self._topics.items():
            with self._faults_of_kafka():
                partitions = self._kafka.partitions_for_topic(reading)
            if not partitions:
                missing = f"there is no topic {reading}; run `trailbook relay topics --create`, or correct its name"
                if self.inbox.was_open:
                    raise KafkaAway(missing, f"the topic {reading}")
                raise TopicsWrong(self.inbox.kafka.where, [missing])
            known = self.tables.open(topic, len(partitions))
            if known != len(partitions):
                wrong = (
                    f"{reading} has {len(partitions)} partitions, but {topic} was read with {known}, so that its keys "
                    "are not where they were; make it with as many, or begin under another consumer's name"
                )
                raise TopicsWrong(self.inbox.kafka.where, [wrong])
            self._partitions += [TopicPartition(reading, number) for number in sorted(partitions)]
        self._kafka.subscribe(list(self._topics), listener=self)
        self.inbox.was_open = True

    # -- which partitions are ours

    def on_partitions_assigned(self, assigned: Sequence[TopicPartition]) -> None:
        """Called on kafka-python's own thread. Nothing is read before the rows are.

        A partition has an offset at once, so that Kafka is not asked for one.
        """
        with self._lock:
            for partition in assigned:
                self._kafka.pause(partition)
                self._kafka.seek(partition, 0)
            self._assigned |= set(assigned)
            self._fresh |= set(assigned)

    def on_partitions_revoked(self, revoked: Sequence[TopicPartition]) -> None:
        """Called on kafka-python's own thread."""
        with self._lock:
            self._assigned -= set(revoked)

    def _heed_assignment(self) -> set[TopicPartition]:
        """Forget what is no longer ours, or is ours anew; what is ours and not placed yet."""
        with self._lock:
            assigned, fresh, self._fresh = set(self._assigned), self._fresh, set()
        for partition in list(self._places):
            if partition in fresh or partition not in assigned:
                self._forget(partition)
        return assigned - self._places.keys()

    def _heed_topics(self) -> None:
        """Place everything again where a topic is another one by now."""
        known = {topic: self._kafka._cluster.topic_id(topic) for topic in self._topics}
        now = {**self._topic_ids, **{topic: str(topic_id) for topic, topic_id in known.items() if topic_id}}
        if now != self._topic_ids:
            self._topic_ids = now
            self.drop_all()

    def _is_of(self, place: Place, topic: str) -> bool:
        """Whether a place is one in this topic, and not in one of its name that is gone, or in a replay."""
        topic_id = self._topic_ids.get(topic, "")
        return place.reading == topic and (not topic_id or place.topic_id in ("", topic_id))

    def _forget(self, partition: TopicPartition) -> None:
        self._places.pop(partition, None)
        self._unbroken.pop(partition, None)
        self.stopped.pop(self._part(partition), None)

    def drop_all(self) -> None:
        """Forget what is in hand: everything is placed again."""
        for partition in list(self._places):
            self._steer(partition, None, on=False)
            self._forget(partition)

    def _steer(self, partition: TopicPartition, offset: int | None, *, on: bool) -> None:
        """Read on from an offset, or do not read on; nothing if the partition has just been taken from us."""
        with suppress(IllegalStateError):
            self._kafka.pause(partition)
            if offset is not None:
                self._kafka.seek(partition, offset)
            if on:
                self._kafka.resume(partition)

    def _part(self, partition: TopicPartition) -> Part:
        return Part(self._topics[partition.topic], partition.partition)

    def has(self, part: Part) -> bool:
        """Whether the partition is this process's to read."""
        with self._lock:
            return any(self._part(partition) == part for partition in self._assigned)

    # -- reading

    def round(self) -> None:
        """Read once and apply what came. Raises HistoryGone, DatabaseUnavailable, KafkaAway."""
        self.tables.connect()
        self._heed_topics()
        found = self._poll()
        unplaced = self._heed_assignment()
        for partition, records in found.items():
            if partition in self._places:
                self._take(partition, records)
        if unplaced:
            self._place(unplaced)
        elif not found:
            self._be_idle()
        self._try_again()

    def _poll(self) -> dict[TopicPartition, list[ConsumerRecord]]:
        with self._faults_of_kafka():
            try:
                found: dict[TopicPartition, list[ConsumerRecord]] = self._kafka.poll(timeout_ms=POLL_MS)
            except NoOffsetForPartitionError:
                return {}  # assigned on the other thread in this moment
            except (OffsetOutOfRangeError, LogTruncationError):
                # what is wrong with it is said when it is placed again
                self.drop_all()
                return {}
        if found:
            self._heard = time.monotonic()
        return found

    def _be_idle(self) -> None:
        """Pass what is no message, and ask from time to time whether Kafka is there."""
        self._pass_markers()
        if time.monotonic() - self._heard > PROBE_SECONDS:
            self.ends()
            self.inbox.tell_well()

    def ends(self) -> dict[TopicPartition, int]:
        """Where the topics end now, of what is committed. Raises KafkaAway where Kafka does not answer."""
        with self._faults_of_kafka():
            ends: dict[TopicPartition, int] = self._kafka.end_offsets(self._partitions, timeout_ms=PROBE_MS)
        self._heard = time.monotonic()
        return ends

    def left(self, ends: Mapping[TopicPartition, int]) -> set[Part]:
        """Partitions that are not applied up to the ends, whoever is at them."""
        places = self.tables.places(list(self._topics.values()))
        return {
            self._part(partition)
            for partition, end in ends.items()
            if not self._is_of(place := places[self._part(partition)], partition.topic) or place.next_offset < end
        }

    def _place(self, partitions: set[TopicPartition]) -> None:
        """Begin where the rows say. Raises HistoryGone where the topic does not hold that any more."""
        rows = self.tables.places(list(self._topics.values()))
        ends = self.ends()
        with self._faults_of_kafka():
            begins = self._kafka.beginning_offsets(self._partitions, timeout_ms=PROBE_MS)
        faults = {
            partition: what
            for partition in self._partitions
            if (what := self._lacks(partition.topic, rows[self._part(partition)], begins[partition], ends[partition]))
        }
        for partition in partitions:
            if partition in faults:
                lowest = min(rows[self._part(other)].position for other in faults if other.topic == partition.topic)
                raise HistoryGone(partition, faults[partition], max(lowest, 1))
            part = self._part(partition)
            place = rows[part]
            here = self._is_of(place, partition.topic)
            if place.reading and not here and REPLAY not in partition.topic and begins[partition]:
                self._unbroken[partition] = max(row.position for key, row in rows.items() if key.topic == part.topic)
            self._places[partition] = place
            self._steer(partition, place.next_offset if here else begins[partition], on=True)

    def _lacks(self, topic: str, place: Place, begin: int, end: int) -> str | None:
        """What is wrong with a topic that does not hold what is to be read next."""
        if not place.reading and begin and not self.inbox.from_what_is_left:
            return f"begins at offset {begin}, older messages are gone unread"
        if self._is_of(place, topic) and place.next_offset < begin:
            return f"begins at offset {begin}, messages from offset {place.next_offset} on are gone unread"
        if self._is_of(place, topic) and place.next_offset > end:
            return f"ends at offset {end}, before offset {place.next_offset}, up to which it was read"
        return None

    def _pass_markers(self) -> None:
        """What lies between the last message and the end, of Kafka's own, is passed too."""
        new = any(not self._is_of(place, partition.topic) for partition, place in self._places.items())
        ends = self.ends() if new else {}
        for partition, place in list(self._places.items()):
            if self._part(partition) in self.stopped:
                continue
            try:
                offset = self._kafka.position(partition, timeout_ms=PROBE_MS)
            except KafkaError:
                continue  # taken from us in this moment
            if offset > place.next_offset if self._is_of(place, partition.topic) else offset == ends[partition]:
                self._move(partition, place, self._place_at(partition, offset, place.position))

    def _place_at(self, partition: TopicPartition, offset: int, position: int) -> Place:
        return Place(partition.topic, offset, position, self._topic_ids.get(partition.topic, ""))

    def _move(self, partition: TopicPartition, was: Place, to: Place) -> None:
        part = self._part(partition)
        try:
            with self.tables.faults_explained(), self.tables.connection.transaction():
                self.tables.lock(part, was)
                self.tables.move(part, to)
        except Overtaken:
            self._forget(partition)
        else:
            self._places[partition] = to

    # -- applying

    def _take(self, partition: TopicPartition, records: Sequence[ConsumerRecord]) -> None:
        """Apply records of one partition, in as few transactions as their faults allow."""
        messages, unreadable = self._read(records)
        start, stop = 0, len(messages)
        try:
            while start < len(messages):
                try:
                    self._apply(partition, messages[start:stop], records[stop - 1].offset + 1)
                except _Failed as failed:
                    if failed.at == 0:
                        self._stop(partition, records[start], messages[start].id, str(failed))
                        return
                    stop = start + failed.at
                else:
                    start, stop = stop, len(messages)
            if unreadable is not None:
                self._stop(partition, records[len(messages)], None, str(unreadable))
        except Overtaken:
            logger.info("overtaken", consumer=self.inbox.consumer, topic=partition.topic, partition=partition.partition)
            self._steer(partition, None, on=False)
            self._forget(partition)

    def _read(self, records: Sequence[ConsumerRecord]) -> tuple[list[Incoming], NotReadable | None]:
        """The messages up to the first that is not what the contract says."""
        messages = []
        for record in records:
            try:
                messages.append(incoming(record, self.inbox.house, newer_versions=self.inbox.newer_versions))
            except NotReadable as error:
                return messages, error
        return messages, None

    def _apply(self, partition: TopicPartition, messages: Sequence[Incoming], next_offset: int) -> None:
        """Apply messages in one transaction with the offset after them.

        Raises _Failed, Overtaken, DatabaseUnavailable.
        """
        part, place = self._part(partition), self._places[partition]
        self._check_unbroken(partition, messages[0])
        done = False
        try:
            with self.tables.faults_explained(), self.tables.connection.transaction():
                self.tables.lock(part, place)
                at_top = [message.id for message in messages if message.position == place.position]
                repeats = Repeats(place.position, self.tables.seen(part, at_top))
                for number, message in enumerate(messages):
                    if repeats.is_new(message.position, message.id):
                        self._handle(number, message)
                to = self._place_at(partition, next_offset, repeats.position)
                self.tables.move(part, to, repeats)
                done = True
        except psycopg.Error as error:
            # what shows only at the end, like a constraint, does not say whose it is: try with fewer
            what = "commit" if done else "go on"
            raise _Failed(len(messages) // 2, f"its transaction cannot {what}: {_said(error)}") from error
        self._places[partition] = to
        self._unbroken.pop(partition, None)
        self.inbox.tell_well()
        self.inbox.tell_passed(part)

    def _handle(self, number: int, message: Incoming) -> None:
        handler = self.inbox.handlers.get(message.name)
        if handler is None:
            return
        connection = self.tables.connection
        whose = f"the handler of {message.name}"
        try:
            gave: object = handler(connection, message)
        except Exception as error:
            if isinstance(error, psycopg.Error) and self.tables.fault(error):
                raise
            raise _Failed(number, f"{whose} raised {_said(error)}; mend it") from error
        if inspect.isgenerator(gave) or inspect.iscoroutine(gave):
            gave.close()
            raise _Failed(number, f"{whose} gave a {type(gave).__name__}, which does nothing by itself; let it work")
        status = connection.info.transaction_status
        if status == TransactionStatus.INERROR:
            raise _Failed(number, f"{whose} left its transaction failed; let the error through")
        if status == TransactionStatus.IDLE:
            raise _Failed(number, f"{whose} ended its transaction, which is the inbox's to end; take that out")

    def _check_unbroken(self, partition: TopicPartition, first: Incoming) -> None:
        """After a replay the live topic must begin no later than where the replay ended."""
        brought = self._unbroken.get(partition)
        if brought is not None and first.position > brought:
            what = f"begins at position {first.position}, and the replay ended at {brought}"
            raise HistoryGone(partition, what, brought)

    # -- what cannot be applied

    def _stop(self, partition: TopicPartition, record: ConsumerRecord, ce_id: str | None, because: str) -> None:
        part = self._part(partition)
        ce_id = ce_id or next((_text(value) for name, value in record.headers if name == "ce_id"), None)
        stop = Stop(partition.topic, partition.partition, record.offset, ce_id, because)
        self.tables.stop(part, self._places[partition], stop)
        self._steer(partition, record.offset, on=False)
        self.stopped[part] = time.monotonic() + POISON_SECONDS
        self.inbox.tell_stopped(part, stop)

    def _try_again(self) -> None:
        for partition in self._places:
            part = self._part(partition)
            if self.stopped.get(part, float("inf")) <= time.monotonic():
                del self.stopped[part]
                self._steer(partition, None, on=True)


def _live(topic: str) -> str:
    return topic.partition(REPLAY)[0]


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace").replace("\0", " ")


def _said(error: BaseException) -> str:
    """In one line that a table and a log can hold."""
    words = (error.diag.message_primary if isinstance(error, psycopg.Error) else None) or str(error)
    line = " ".join(words.replace("\0", " ").split())
    return f"{type(error).__name__}: {line if len(line) <= SHOWN_OF_ERROR else f'{line[:SHOWN_OF_ERROR]}…'}"
