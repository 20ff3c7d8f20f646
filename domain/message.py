"""What is said: events, commands and refusals, and the envelope that every event travels in.

An event is stored under its permanent topic with its version; the bytes are canonical JSON. A changed event gets
a new version and an upcast beside it, so that every stored version still reads. Nothing here knows how a log is
kept.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Annotated, Any, ClassVar, NamedTuple, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, field_validator, model_validator

from domain.ids import Because, CommandId, PartyId, StreamId, readable

Principal = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._@+-]{0,79}$")]


class Model(BaseModel):
    """A closed, immutable value: unknown fields are an error, not a surprise."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Actor(Model):
    """Who did it: the principal that some issuer vouches for, and whom that principal acts for.

    ``"ann"`` is short for issuer ``house``; ``"okta/ann"`` names the issuer. A name is never compared.
    """

    issuer: Principal = "house"
    subject: Principal
    on_behalf_of: Annotated[str, StringConstraints(pattern=r"^[a-z0-9._@+-]+/[a-z0-9._@+-]+$")] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            issuer, slash, subject = value.partition("/")
            return {"issuer": issuer, "subject": subject} if slash else {"subject": value}
        return value

    @property
    def principal(self) -> str:
        return f"{self.issuer}/{self.subject}"

    @property
    def principals(self) -> frozenset[str]:
        """Every principal whose will this is: four eyes need two actors that share none."""
        return frozenset({self.principal, self.on_behalf_of or self.principal})


class Evidence(Model):
    """On whose word: a document's digest, its signer (a party, never a name), the day it was signed."""

    digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    signer: PartyId
    signed_on: date


class Envelope(Model):
    """What travels with every event besides the event itself."""

    actor: Actor
    evidence: Evidence | None = None
    command_id: CommandId
    correlation_id: str
    causation_id: str | None = None
    """The earlier event (``stream@version``) or command because of which this one came."""


TOPICS: dict[str, type["Event"]] = {}
COMMANDS: dict[str, type["Command"]] = {}


Upcasts = Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]]


def unchanged(body: dict[str, Any]) -> dict[str, Any]:
    """The upcast of an event whose later version only knows more: what was stored reads as it is."""
    return body


class Event(Model):
    """A fact in the channel's words: subject and past participle. It has happened and cannot fail."""

    topic: ClassVar[str]
    version: ClassVar[int]
    further: ClassVar[bool]
    """It only carries further lines of an earlier event: a fold that passes over it loses nothing but its version."""
    upcasts: ClassVar[Upcasts] = {}
    """From a stored version to the next one, by the stored version."""

    effective_on: date
    """When it holds in the world; when we learned it is its position."""

    def __init_subclass__(cls, **_: Any) -> None:
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__()
        topic, version = str(kwargs["topic"]), int(kwargs.get("version", 1))
        if topic in TOPICS:
            raise TypeError(f"topic {topic} is taken by {TOPICS[topic].__name__}")
        if missing := [v for v in range(1, version) if v not in cls.upcasts]:
            raise TypeError(f"{topic} is at version {version} but has no upcast from {missing}")
        cls.topic, cls.version, cls.further = topic, version, bool(kwargs.get("further", False))
        TOPICS[topic] = cls


class UnknownTopic(Exception):
    """A stored event has a topic or a version that this release does not know: stop, do not skip."""


def read_event(topic: str, version: int, body: dict[str, Any]) -> Event:
    """The event in its present version. Raises UnknownTopic; a body that does not validate is a bug."""
    cls = TOPICS.get(topic)
    if cls is None or version > cls.version:
        raise UnknownTopic(f"this release does not know {topic} version {version}")
    for stored in range(version, cls.version):
        body = cls.upcasts[stored](body)
    return cls.model_validate(body)


def canonical(value: Any) -> bytes:
    """Canonical JSON: sorted keys, no white space, UTF-8, decimals and dates as text, no float."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def state_bytes(event: Event, envelope: Envelope) -> bytes:
    """The stored bytes of an event with its envelope."""
    return canonical(
        {
            "event": event.model_dump(mode="json", exclude_none=True),
            "version": event.version,
            **envelope.model_dump(mode="json", exclude_none=True),
        }
    )


def state_with(event: Event, envelope: Envelope, encoded: Mapping[str, bytes]) -> bytes:
    """The stored bytes of an event whose lists, empty in it, are given encoded by ``canonical``, by their names."""
    state = state_bytes(event, envelope)
    parts: list[bytes] = []
    for name in sorted(encoded):
        # no text of the event can hold this: its quotes would be escaped
        before, found, state = state.partition(b'"%s":[]' % name.encode())
        if not found:
            raise ValueError(f"{event.topic} has no empty list {name}")
        parts += [before, found[:-2], encoded[name]]
    return b"".join([*parts, state])


def read_state(topic: str, state: dict[str, Any]) -> tuple[Event, Envelope]:
    """An event and its envelope from decoded stored bytes."""
    envelope = {key: value for key, value in state.items() if key not in ("event", "version")}
    return read_event(topic, state["version"], state["event"]), Envelope.model_validate(envelope)


def leaf(
    house: str, position: int, stream: str, version: int, topic: str, recorded_at: datetime, state: bytes
) -> bytes:
    """The hash of one stored event, every part length-prefixed: leaf ``position - 1`` of a Merkle log."""
    parts = [
        house.encode(),
        str(position).encode(),
        stream.encode(),
        str(version).encode(),
        topic.encode(),
        recorded_at.isoformat(timespec="microseconds").encode(),
        state,
    ]
    return hashlib.sha256(b"".join(len(part).to_bytes(8, "big") + part for part in parts)).digest()


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event with its place in the log."""

    stream_id: StreamId
    stream_version: int
    event: Event
    envelope: Envelope
    position: int = 0
    recorded_at: datetime = datetime.min

    @property
    def event_id(self) -> str:
        """The event's own stable id."""
        return f"{self.stream_id}@{self.stream_version}"


class Refused(Exception):
    """The business said no. The message is one sentence: what is wrong, where, and what to do."""

    @property
    def code(self) -> str:
        return type(self).__name__


class NoDayOpen(Refused):
    """Nothing is recorded before a day is open in the house's calendar."""


class SelfApproved(Refused):
    """Who proposed it, or acts for who proposed it, may not approve it."""


@dataclass(frozen=True)
class Context:
    """What a decision may know besides its own stream."""

    actor: Actor
    today: date
    """The house's open day: the only clock that a decision reads."""
    evidence: Evidence | None = None
    states: Mapping[StreamId, Any] = field(default_factory=dict)
    """The other streams that the command names, each folded, each guarded when the events are appended."""
    history: Callable[[StreamId], Iterable[Event]] = lambda stream: ()
    """The events of such a stream, read again up to its state, for what is too much to be kept folded."""
    counted: Any = None
    """What was counted of lines that are too many for the command and are kept apart from it."""

    def state(self, stream: StreamId) -> Any:
        return self.states[stream]

    def require_second_person(self, proposer: Actor, what: str) -> None:
        """Four eyes: refuse when the actor shares a principal with who proposed."""
        if shared := self.actor.principals & proposer.principals:
            raise SelfApproved(f"{what} was proposed by {min(shared)}; let another principal approve it")


class Streams(NamedTuple):
    """The streams that a command writes and those that it only reads."""

    writes: tuple[StreamId, ...]
    reads: tuple[StreamId, ...] = ()


FIRST_DATE, LAST_DATE = date(1900, 1, 1), date(2099, 12, 31)
"""Months are of these two centuries, and so is every date that somebody gives."""


def dated(value: Any) -> Any:
    """A field's value; a date outside the centuries that months are of is a slip of the pen. Raises ValueError."""
    if isinstance(value, date) and not FIRST_DATE <= value <= LAST_DATE:
        raise ValueError(f"{value} is not in the years 1900 to 2099; check the year")
    return value


class Command(Model):
    """What somebody wants; ``do`` is its name in a file of commands."""

    do: ClassVar[str]

    _dated = field_validator("*")(dated)

    def __init_subclass__(cls, **_: Any) -> None:
        super().__init_subclass__()

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__()
        do = str(kwargs["do"])
        if do in COMMANDS:
            raise TypeError(f"the command {do} exists already")
        cls.do = do
        COMMANDS[do] = cls

    def streams(self, known: Mapping[StreamId, Any]) -> Streams:
        """The streams to load; asked again while an answer names streams that are not known yet."""
        raise NotImplementedError

    def cause(self, versions: Mapping[StreamId, int], known: Mapping[StreamId, Any]) -> str | None:
        """The earlier event (``stream@version``) that this command answers: an approval answers a proposal."""
        return None


def last_event(stream: StreamId, versions: Mapping[StreamId, int]) -> str | None:
    """The id of the last event of a stream, None while it is empty."""
    return f"{stream}@{versions[stream]}" if versions.get(stream) else None


@dataclass(frozen=True)
class Issued:
    """A command as somebody gave it."""

    command_id: CommandId
    actor: Actor
    command: Command
    evidence: Evidence | None = None
    because: str | None = None
    on: date | None = None
    """Open this day first, if it is not open yet."""

    def digest(self) -> str:
        """What tells this command from another one under the same id."""
        body = {
            "do": self.command.do,
            # without defaults: a field that a later release adds must not make an old command another one
            "command": self.command.model_dump(mode="json", exclude_defaults=True),
            "actor": self.actor.model_dump(mode="json"),
            "evidence": self.evidence and self.evidence.model_dump(mode="json"),
            "because": self.because,
        }
        return hashlib.sha256(canonical(body)).hexdigest()

    def with_command(self, command: Command) -> Self:
        return replace(self, command=command)


class Meta(Model):
    """The keys that every command in a file may carry besides its own."""

    id: Annotated[CommandId, AfterValidator(readable)]
    by: Actor
    on: date | None = None
    evidence: Evidence | None = None
    because: Because | None = None

    _dated = field_validator("on")(dated)
