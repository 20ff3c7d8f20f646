"""The mapper: the domain's canonical bytes go in and come out; the library knows the domain's topics."""

from datetime import UTC, date, datetime

import orjson
import pytest
from eventsourcing.persistence import JSONTranscoder, MapperDeserialisationError, StoredEvent
from eventsourcing.utils import resolve_topic

from adapters.mapper import HouseMapper, PlacedEvent
from domain.calendar import DayOpened
from domain.message import TOPICS, Recorded, UnknownTopic, state_bytes
from tests.adapters.events import DAY, ENVELOPE, new_event

MAPPER = HouseMapper(JSONTranscoder())
AT = datetime(2026, 1, 5, 9, tzinfo=UTC)


def test_an_event_is_stored_as_its_canonical_bytes_under_its_permanent_topic() -> None:
    stored = MAPPER.to_stored_event(new_event("calendar:house", 1))

    assert (stored.originator_id, stored.originator_version, stored.topic) == (
        "calendar:house",
        1,
        "calendar.day_opened",
    )
    assert stored.state == state_bytes(DayOpened(effective_on=DAY), ENVELOPE)


def test_a_stored_event_comes_back_with_its_place_in_the_log() -> None:
    stored = MAPPER.to_stored_event(new_event("calendar:house", 1))
    placed = PlacedEvent("calendar:house", 1, stored.topic, stored.state, 7, AT)

    assert MAPPER.to_domain_event(placed) == Recorded(
        "calendar:house", 1, DayOpened(effective_on=DAY), ENVELOPE, position=7, recorded_at=AT
    )


def test_the_library_resolves_every_topic_of_the_domain() -> None:
    assert {topic: resolve_topic(topic) for topic in TOPICS} == TOPICS


def test_a_topic_that_this_release_does_not_know_stops_the_reader() -> None:
    state = orjson.dumps({"event": {"effective_on": date(2026, 1, 5)}, "version": 1})

    with pytest.raises(UnknownTopic):
        MAPPER.to_domain_event(StoredEvent("calendar:house", 1, "calendar.day_vanished", state))


@pytest.mark.parametrize("state", [b"", b"\xff", b"[]"])
def test_bytes_that_are_no_event_stop_the_reader_and_say_where(state: bytes) -> None:
    with pytest.raises(MapperDeserialisationError, match="calendar:house@3"):
        MAPPER.to_domain_event(StoredEvent("calendar:house", 3, "calendar.day_opened", state))
