"""Between the domain's events and the library's stored events; the bytes are the domain's canonical ones."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from eventsourcing.persistence import Mapper, MapperDeserialisationError, StoredEvent
from eventsourcing.utils import register_topic

import domain.house  # noqa: F401  (all aggregates, so that every topic is known wherever events are read)
from domain.log import NewEvent
from domain.message import TOPICS, Recorded, read_state, state_bytes


@dataclass(frozen=True, slots=True)
class PlacedEvent(StoredEvent):
    """A stored event with its place in the log."""

    position: int
    recorded_at: datetime


class HouseMapper(Mapper[str]):
    """From NewEvent to StoredEvent, and from StoredEvent to Recorded, upcast to the present version.

    No compression and no cipher: the stored bytes are what leaves are hashed from.
    """

    def to_stored_event(self, domain_event: NewEvent) -> StoredEvent:  # type: ignore[override]  # not its own protocol
        """The event as it is stored, under its permanent topic."""
        return StoredEvent(
            domain_event.stream_id,
            domain_event.stream_version,
            domain_event.event.topic,
            state_bytes(domain_event.event, domain_event.envelope),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Recorded:  # type: ignore[override]
        """The event as it reads today; its position is 0 where the library does not pass one on.

        Raises UnknownTopic, MapperDeserialisationError.
        """
        stream = str(stored_event.originator_id)
        state = _decoded(stored_event)
        event, envelope = read_state(stored_event.topic, state)
        if isinstance(stored_event, PlacedEvent):
            place = stored_event.position, stored_event.recorded_at
        else:
            place = getattr(stored_event, "id", 0), datetime.min
        return Recorded(stream, stored_event.originator_version, event, envelope, *place)


def _decoded(stored: StoredEvent) -> dict[str, Any]:
    try:
        state = orjson.loads(stored.state)
    except orjson.JSONDecodeError as error:
        raise MapperDeserialisationError(
            f"the stored bytes of {stored.originator_id}@{stored.originator_version} are not JSON: {error}"
        ) from error
    if not isinstance(state, dict):
        raise MapperDeserialisationError(
            f"the stored bytes of {stored.originator_id}@{stored.originator_version} are not an object"
        )
    return state


def register_topics() -> None:
    """Let the library resolve the domain's topics; the names are permanent and no module paths."""
    for topic, event in TOPICS.items():
        register_topic(topic, event)


register_topics()
