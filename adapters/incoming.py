"""A message from a topic of Trailbook's, read as the contract says it; pure, and apart from any broker.

It refuses what it does not know: bytes that are no CloudEvent, a body that is no JSON, an event or a version that this
release's contract does not name.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol, TypeVar

import orjson

from projections.published.entries import LedgerEntry
from projections.published.messages import CONTENT_TYPE, PREFIX
from projections.published.schemas import HEADERS
from projections.published.topics import published_events

KNOWN_VERSIONS: Mapping[str, int] = {
    **{event.topic: event.version for event, _ in published_events()},
    LedgerEntry.name: LedgerEntry.version,
}
"""Everything that is published by this release, with its present version."""

T = TypeVar("T")

_REQUIRED = [name for name in HEADERS["required"] if name != "content-type"]
_TYPE = re.compile(rf"{PREFIX}\.(.+)\.v([1-9][0-9]*)")
_NUMBER = re.compile(r"[1-9][0-9]{0,17}")


class NotReadable(Exception):
    """A message is not what the contract says. The message is a clause: what is wrong, and what to do."""


class Record(Protocol):
    """A record as kafka-python gives it."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


class Incoming(NamedTuple):
    """One message: an event or a ledger entry, with where it was found."""

    id: str
    """The same whenever it is sent again: ``stream@version``, or the entry's id."""
    source: str
    """``/trailbook/<house>``."""
    type: str
    """``trailbook.<name>.v<version>``: names the schema of the body in ``deploy/contract/schemas``."""
    name: str
    version: int
    subject: str
    """The stream's id, or the ledger account."""
    time: datetime
    """When it was recorded, UTC."""
    position: int
    """Of the event in the house's log, or of the event because of which an entry was posted."""
    stream_version: int | None
    """From 1, without a gap in a stream; entries have none."""
    effective_on: date
    """When it holds in the world."""
    correlation_id: str
    causation_id: str | None
    replay: str | None
    """The name of the replay that it comes from; None for the live topic."""
    key: str
    body: dict[str, Any]
    topic: str
    partition: int
    offset: int


def incoming(record: Record, house: str, *, newer_versions: bool = False) -> Incoming:
    """The message of a record. ``newer_versions`` lets later versions of known names through. Raises NotReadable."""
    headers = attributes(record)
    name, version = _type(headers["ce_type"], newer_versions)
    source = f"/{PREFIX}/{house}"
    if headers["ce_source"] != source:
        raise NotReadable(f"ce_source is {_shown(headers['ce_source'])}, not {source}; find out who wrote it")
    stream_version = headers.get("ce_streamversion")
    return Incoming(
        id=headers["ce_id"],
        source=source,
        type=headers["ce_type"],
        name=name,
        version=version,
        subject=headers["ce_subject"],
        time=_parsed(headers, "ce_time", datetime.fromisoformat),
        position=_number(headers, "ce_position"),
        stream_version=None if stream_version is None else _number(headers, "ce_streamversion"),
        effective_on=_parsed(headers, "ce_effectivedate", date.fromisoformat),
        correlation_id=headers["ce_correlationid"],
        causation_id=headers.get("ce_causationid"),
        replay=headers.get("ce_replay"),
        key=_key(record),
        body=_body(record, headers),
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
    )


def attributes(record: Record) -> dict[str, str]:
    """The headers as text, those that a CloudEvent of ours always has among them. Raises NotReadable."""
    headers: dict[str, str] = {}
    for name, value in record.headers:
        try:
            headers[name] = (value or b"").decode()
        except UnicodeDecodeError as error:
            raise NotReadable(f"the header {_shown(name)} is not UTF-8; find out who wrote it") from error
        if "\0" in headers[name]:
            raise NotReadable(f"the header {_shown(name)} has characters that are no text; find out who wrote it")
    missing = [name for name in _REQUIRED if not headers.get(name)]
    if missing:
        raise NotReadable(f"it is no CloudEvent of Trailbook's, because it has no {missing[0]}; find out who wrote it")
    if headers["ce_specversion"] != "1.0":
        raise NotReadable(f"ce_specversion is {_shown(headers['ce_specversion'])}, not 1.0; find out who wrote it")
    return headers


def _type(text: str, newer_versions: bool) -> tuple[str, int]:
    found = _TYPE.fullmatch(text)
    if found is None:
        raise NotReadable(f"ce_type {_shown(text)} is not like {PREFIX}.deal.won.v1; find out who wrote it")
    name, version = found[1], int(found[2])
    if name not in KNOWN_VERSIONS:
        raise NotReadable(f"{_shown(text)} is not in the contract of this release of Trailbook; install a later one")
    if version > KNOWN_VERSIONS[name] and not newer_versions:
        raise NotReadable(
            f"{text} is newer than version {KNOWN_VERSIONS[name]}, which this release of Trailbook knows; "
            "install a later one, or let newer versions through"
        )
    return name, version


def _number(headers: Mapping[str, str], name: str) -> int:
    if not _NUMBER.fullmatch(headers[name]):
        raise NotReadable(f"{name} {_shown(headers[name])} is not a number above zero; find out who wrote it")
    return int(headers[name])


def _parsed(headers: Mapping[str, str], name: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(headers[name])
    except ValueError as error:
        raise NotReadable(f"{name} {_shown(headers[name])} is not a date of its kind; find out who wrote it") from error


def _key(record: Record) -> str:
    try:
        return (record.key or b"").decode()
    except UnicodeDecodeError as error:
        raise NotReadable("its key is not UTF-8; find out who wrote it") from error


def _body(record: Record, headers: Mapping[str, str]) -> dict[str, Any]:
    if headers.get("content-type", CONTENT_TYPE) != CONTENT_TYPE:
        raise NotReadable(
            f"content-type is {_shown(headers['content-type'])}, not {CONTENT_TYPE}; find out who wrote it"
        )
    try:
        body = orjson.loads(record.value or b"")
    except orjson.JSONDecodeError as error:
        raise NotReadable(f"its body is no JSON ({error}); find out who wrote it") from error
    if not isinstance(body, dict):
        raise NotReadable("its body is no JSON object; find out who wrote it")
    return body


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else f"{text[:80]}…")


class Repeats:
    """Which messages of one partition have come before; exact, and no larger than one position.

    The relay publishes in order of positions, and begins again at an earlier one when it must: messages come first in
    increasing order, and what comes again is at or below the highest position seen. So below it all has been seen, and
    at it only ids can tell: a position has many ledger entries, and publishing may have stopped among them.
    """

    def __init__(self, position: int, seen: set[str]) -> None:
        self.position = position
        """The highest seen so far, 0 at the beginning."""
        self._seen = seen
        self.new: list[str] = []
        """Ids of that position that are not in the table yet."""
        self.moved = False
        """Whether the ids of the former position are to be forgotten."""

    def is_new(self, position: int, ce_id: str) -> bool:
        """Whether a message comes for the first time; it counts as seen from now on."""
        if position < self.position or (position == self.position and ce_id in self._seen):
            return False
        if position > self.position:
            self.position, self.moved = position, True
            self._seen, self.new = set(), []
        self._seen.add(ce_id)
        self.new.append(ce_id)
        return True
