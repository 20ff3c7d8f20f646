"""The places that publishers note in Kafka, and whether the topics still hold what was published up to one.

A place is committed with its messages, and read back by whoever publishes next. It names the last message of each
partition as well, because a broker may have confirmed what it then lost: a commit that it never wrote down, so that a
later abort undid it (KAFKA-20734), or records on a disk.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from adapters.kafka_client import connected, faults_explained
from adapters.kafka_faults import KafkaAway
from adapters.kafka_settings import KafkaSettings
from adapters.kafka_topics import administered, ends_of, place_partition, positions_topic
from domain.message import canonical
from projections.published.reached import Reached

FIRST_LOOK = 64
"""So many records before the end of the positions the last place is looked for at first; then eight times as many."""
POLL_MS = 200


class Place(NamedTuple):
    """What a publisher notes: how far it has come, and who it was."""

    reached: Reached
    leader: str
    epoch: int
    """Of the lease under which it was published."""
    partitions: Mapping[str, int]
    """Of each topic of messages: with another number of them a key would go elsewhere."""
    topic_ids: Mapping[str, str]
    """Of each of them, as Kafka knows it: a topic of the same name with another id lacks what was published."""
    offsets: Mapping[str, Sequence[int]]
    """Of each of them, by partition: the last message that was published there up to this place; -1: none.

    Empty in a place that was noted before this was.
    """

    def to_bytes(self) -> bytes:
        noted: dict[str, Any] = {
            "leader": self.leader,
            "epoch": self.epoch,
            "partitions": dict(self.partitions),
            "topic_ids": dict(self.topic_ids),
        }
        if self.offsets:
            noted["offsets"] = {topic: list(offsets) for topic, offsets in self.offsets.items()}
        return canonical(self.reached.to_json() | noted)

    @classmethod
    def from_bytes(cls, value: bytes | None) -> Self | None:
        """None for what no publisher has noted: whoever may write to the topic can write anything there."""
        try:
            told = json.loads(value or b"")
            known = (told["leader"], told["epoch"], told["partitions"], told["topic_ids"], told.get("offsets", {}))
            place = cls(Reached.from_json(told), *known)
            meant = place.epoch >= 0 and place.reached.position >= 0 and place.reached.ledger_position >= 0
            meant = meant and all(type(offset) is int for offsets in place.offsets.values() for offset in offsets)
            return place if meant and place.to_bytes() == value else None
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


class Places:
    """What is noted under one key, and a reader of what is committed. Raises KafkaAway."""

    def __init__(
        self, kafka: KafkaSettings, house: str, key: str, *, patience_seconds: float, undecided_seconds: float
    ):
        self._kafka, self._key = kafka, key.encode()
        self._positions = TopicPartition(positions_topic(house), place_partition(key))
        self._patience_ms, self._undecided_seconds = int(1_000 * patience_seconds), patience_seconds + undecided_seconds
        self.foreign: list[int] = []
        """Offsets of records under the key that are no place, after the last place that was read."""
        self._held: dict[tuple[TopicPartition, int], bool] = {}

    def __enter__(self) -> Self:
        self._consumer = connected(
            KafkaConsumer,
            self._kafka,
            group_id=None,
            request_timeout_ms=self._patience_ms,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            allow_auto_create_topics=False,
        )
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(KafkaError):
            self._consumer.close()

    def newest_first(self) -> Iterator[Place]:
        """The committed places.

        The end is that of all records, and not only of the decided ones: another key's transaction may be open, and
        what we look for stand behind its beginning.
        """
        end = self._ends([self._positions])[self._positions]
        with faults_explained(self._kafka):
            first = self._consumer.beginning_offsets([self._positions])[self._positions]
        look, found = FIRST_LOOK, False
        while end > first:
            start = max(first, end - look)
            for offset, value in reversed(self._values(start, end)):
                place = Place.from_bytes(value)
                if place is not None:
                    found = True
                    yield place
                elif not found:
                    self.foreign.append(offset)
            end, look = start, 8 * look

    def lost(self, place: Place) -> list[TopicPartition]:
        """Partitions that lack the last message which the place says was published there.

        What is older than all that a topic keeps is not lost.
        """
        noted = {
            TopicPartition(topic, number): offset
            for topic, offsets in place.offsets.items()
            for number, offset in enumerate(offsets)
            if offset >= 0
        }
        unknown = {partition: offset for partition, offset in noted.items() if (partition, offset) not in self._held}
        if unknown:
            self._held |= self._look_up(unknown)
        return [partition for partition, offset in noted.items() if not self._held[partition, offset]]

    def _look_up(self, wanted: Mapping[TopicPartition, int]) -> dict[tuple[TopicPartition, int], bool]:
        """Whether a committed message stands at each offset, or stood there."""
        ends = self._ends(list(wanted))
        with faults_explained(self._kafka):
            begins = self._consumer.beginning_offsets(list(wanted))
        held = {(partition, offset): offset < begins[partition] for partition, offset in wanted.items()}
        left = {partition: at for partition, at in wanted.items() if begins[partition] <= at < ends[partition]}
        for found in self._read(left):
            for partition, records in found.items():
                if partition in left:
                    at = left.pop(partition)
                    held[partition, at] = records[0].offset == at
            with faults_explained(self._kafka):
                passed = [partition for partition, at in left.items() if self._consumer.position(partition) > at]
            for partition in passed:
                del left[partition]
        return held

    def _values(self, start: int, end: int) -> list[tuple[int, bytes | None]]:
        """What was committed under the key from one offset up to another, and where."""
        values: list[tuple[int, bytes | None]] = []
        for found in self._read({self._positions: start}):
            for records in found.values():
                values += [(one.offset, one.value) for one in records if one.key == self._key and one.offset < end]
            with faults_explained(self._kafka):
                if self._consumer.position(self._positions) >= end:
                    break
        return values

    def _read(self, starts: Mapping[TopicPartition, int]) -> Iterator[dict[TopicPartition, list[Any]]]:
        """What comes of these partitions from these offsets on, for as long as any of them is left in the mapping."""
        if not starts:
            return
        waits_until = time.monotonic() + self._undecided_seconds
        with faults_explained(self._kafka):
            self._consumer.assign(list(starts))
            for partition, offset in starts.items():
                self._consumer.seek(partition, offset)
        while starts:
            with faults_explained(self._kafka):
                found = self._consumer.poll(timeout_ms=POLL_MS)
                self._consumer.pause(
                    *[partition for partition in self._consumer.assignment() if partition not in starts]
                )
            yield found
            if time.monotonic() > waits_until:
                where = ", ".join(f"{partition.topic}-{partition.partition}" for partition in starts)
                raise KafkaAway(
                    f"{self._kafka.where} does not give the end of {where}; see whether a transaction hangs there "
                    "(kafka-transactions.sh find-hanging)"
                )

    def _ends(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        with administered(self._kafka, request_timeout_ms=self._patience_ms) as admin:
            return ends_of(admin, partitions)
