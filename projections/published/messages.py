"""A published event or ledger entry as a message of Kafka: CloudEvents 1.0, binary mode.

Attributes are headers ``ce_*``, all of them text; numbers are decimal digits, because a position outgrows the 32 bits
of a CloudEvents integer. The body is canonical JSON, so the same event is the same bytes whenever it is sent.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple, cast, get_args

from domain.house import FOLDS
from domain.ids import StreamId
from domain.message import TOPICS, Event, Recorded, canonical, read_event
from projections.published.bodies import left_out, pruned
from projections.published.entries import LedgerEntry, entry_of
from projections.published.topics import UNPUBLISHED, Topic, topic_of

Encode = Callable[[Any], bytes]
"""Gives the bytes that ``canonical`` gives; an adapter may have a faster one."""

PREFIX = "trailbook"
"""What every ``ce_type`` and ``ce_source`` begins with, whatever the house is called."""

CONTENT_TYPE = "application/json"

_PUBLISHED_EVENT = re.compile(rf"(?:{'|'.join(sorted(FOLDS.keys() - UNPUBLISHED.keys()))}):[A-Za-z0-9._/#:-]+@[0-9]+")


Header = tuple[str, bytes]


_REPLAY = re.compile(rf"({'|'.join(get_args(Topic))})\.replay\.[a-z0-9.-]{{1,100}}")


class Message(NamedTuple):
    """What a producer is given; ``topic`` is without the house's prefix."""

    topic: Topic
    key: bytes
    headers: tuple[Header, ...]
    value: bytes


class Place(NamedTuple):
    """Where an event stands in the log, and since when."""

    stream_id: StreamId
    stream_version: int
    position: int
    recorded_at: datetime


class Cause(NamedTuple):
    """The event because of which entries were posted, as far as they tell of it."""

    event_id: str
    """``stream@version``."""
    recorded_at: datetime
    correlation_id: str


def ce_type(name: str, version: int) -> str:
    """``trailbook.deal.won.v1``: names one schema for ever."""
    return f"{PREFIX}.{name}.v{version}"


_SPECVERSION: Header = ("ce_specversion", b"1.0")
_ENTRY_TYPE: Header = ("ce_type", ce_type(LedgerEntry.name, LedgerEntry.version).encode())
_CONTENT_TYPE: Header = ("content-type", CONTENT_TYPE.encode())


def kafka_topic(house: str, topic: Topic) -> str:
    return f"{house}.{topic}"


def replayed_topic(house: str, name: str) -> Topic | None:
    """What a topic of Kafka is a replay of: ``deals`` for ``trailbook.deals.replay.1``; None where it is none."""
    found = _REPLAY.fullmatch(name.removeprefix(f"{house}.")) if name.startswith(f"{house}.") else None
    return cast(Topic, found[1]) if found else None


def event_message(house: str, recorded: Recorded) -> Message | None:
    """The message of a recorded event; None for what nobody downstream gets."""
    event, envelope = recorded.event, recorded.envelope
    state = {
        "version": event.version,
        "event": event.model_dump(mode="json", exclude_none=True),
        "correlation_id": envelope.correlation_id,
        "causation_id": envelope.causation_id,
    }
    place = Place(recorded.stream_id, recorded.stream_version, recorded.position, recorded.recorded_at)
    return stored_message(house, event.topic, place, state)


def stored_message(
    house: str,
    name: str,
    place: Place,
    state: Mapping[str, Any],
    encode: Encode = canonical,
    replay: str | None = None,
) -> Message | None:
    """The message of an event from its decoded stored bytes; None for what nobody downstream gets.

    ``name`` is the stored topic. An event in its present version is taken as it is stored, an older one is upcast.
    ``replay`` is the name of the replay that it is sent for, and nothing where it is sent for the first time.
    Raises UnknownTopic.
    """
    if name not in TOPICS or state["version"] != TOPICS[name].version:
        event = read_event(name, state["version"], state["event"])
        stored = event.model_dump(mode="json", exclude_none=True)
    else:
        stored = state["event"]
    cls, topic, own_type = _route(name)
    if topic is None:
        return None
    key = place.stream_id.encode()
    headers = (
        _SPECVERSION,
        ("ce_id", b"%b@%d" % (key, place.stream_version)),
        _source(house),
        own_type,
        ("ce_subject", key),
        ("ce_time", _time(place.recorded_at)),
        ("ce_position", b"%d" % place.position),
        ("ce_streamversion", b"%d" % place.stream_version),
        ("ce_effectivedate", stored["effective_on"].encode()),
        ("ce_correlationid", state["correlation_id"].encode()),
        *_causation(state.get("causation_id")),
        *_of_replay(replay),
        _CONTENT_TYPE,
    )
    return Message(topic, key, headers, encode(pruned(stored, left_out(cls))))


def entry_message(
    house: str,
    row: Sequence[Any],
    names: Mapping[int, str],
    cause: Cause,
    encode: Encode = canonical,
    replay: str | None = None,
) -> Message:
    """The message of a row of the journal; ``cause`` is the event at its position. The key is its ledger account.

    ``names`` are ids of streams by number, as ``facts_name`` keeps them; ``replay`` as with ``stored_message``.
    """
    entry = entry_of(row, names)
    key = entry["book"].encode()
    time, *because = _told_of(cause)
    headers = (
        _SPECVERSION,
        ("ce_id", entry["entry"].encode()),
        _source(house),
        _ENTRY_TYPE,
        ("ce_subject", key),
        time,
        ("ce_position", b"%d" % entry["position"]),
        ("ce_effectivedate", entry["effective_on"].encode()),
        *because,
        *_of_replay(replay),
        _CONTENT_TYPE,
    )
    return Message(LedgerEntry.topic, key, headers, encode(entry))


@lru_cache
def _of_replay(name: str | None) -> tuple[Header, ...]:
    return (("ce_replay", name.encode()),) if name is not None else ()


@lru_cache
def _source(house: str) -> Header:
    return "ce_source", f"/{PREFIX}/{house}".encode()


@lru_cache
def _told_of(cause: Cause) -> tuple[Header, ...]:
    """The same for all entries of a posting, which may be millions."""
    correlation = "ce_correlationid", cause.correlation_id.encode()
    return ("ce_time", _time(cause.recorded_at)), correlation, *_causation(cause.event_id)


class _Route(NamedTuple):
    event: type[Event]
    topic: Topic | None
    ce_type: Header


@cache
def _route(name: str) -> _Route:
    """Where the events of a stored topic go, and what they are called there."""
    event: Any = TOPICS[name]
    return _Route(event, topic_of(event.model_construct()), ("ce_type", ce_type(name, event.version).encode()))


def published_cause(causation_id: str | None) -> str | None:
    """The id of an earlier event that is published too.

    Else nothing: a person may have given words as the cause, and the id of an unpublished event may hold a number as
    it was printed.
    """
    return causation_id if causation_id and _PUBLISHED_EVENT.fullmatch(causation_id) else None


def _causation(causation_id: str | None) -> tuple[Header, ...]:
    cause = published_cause(causation_id)
    return (("ce_causationid", cause.encode()),) if cause else ()


def _time(recorded_at: datetime) -> bytes:
    """RFC 3339 in UTC, to the microsecond, always of one length."""
    if recorded_at.tzinfo is not UTC:
        recorded_at = recorded_at.astimezone(UTC)
    return recorded_at.isoformat(timespec="microseconds").replace("+00:00", "Z").encode()
