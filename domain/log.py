"""What the house needs of a log: load streams, append events once for each command id, read on from a position."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from domain.ids import StreamId
from domain.message import Envelope, Event, Recorded


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append as the ``stream_version``-th of its stream (the first is 1)."""

    stream_id: StreamId
    stream_version: int
    event: Event
    envelope: Envelope


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command id led to: its first and last position, or (0, 0) when it changed nothing."""

    command_id: str
    digest: str
    first_position: int
    last_position: int

    @property
    def event_count(self) -> int:
        return self.last_position - self.first_position + 1 if self.first_position else 0


@dataclass(frozen=True, slots=True)
class Head:
    position: int
    recorded_at: datetime


class StreamMoved(Exception):
    """Another writer appended to a stream that this decision read: decide again on what is there now."""


class CommandIdTaken(Exception):
    """The command id is stored already; ``result`` is what it led to."""

    def __init__(self, result: CommandResult) -> None:
        super().__init__(result.command_id)
        self.result = result


class Log(Protocol):
    """A gapless ordered log. Positions and stream versions start at 1; positions become visible in order."""

    def load(self, after: Mapping[StreamId, int]) -> Sequence[Recorded]:
        """The events of each named stream after the given version, in order within each stream, to be folded.

        Of events that only carry further lines (``Event.further``) at least the last one of a stream is given.
        """

    def history(self, stream: StreamId, upto: int) -> Iterator[Recorded]:
        """All events of a stream up to a version, in order, a few at a time."""

    def result_of(self, command_id: str) -> CommandResult | None:
        """What the command id led to, if it is stored."""

    def append(
        self, events: Sequence[NewEvent], guards: Mapping[StreamId, int], command_id: str, digest: str
    ) -> CommandResult:
        """Append the events and the command id in one transaction.

        ``guards`` are the streams that were read, with the versions seen. Raises StreamMoved when a guarded or
        written stream has other events by now, CommandIdTaken when the command id is stored already.
        """

    def read(self, after: int, limit: int) -> Sequence[Recorded]:
        """Up to ``limit`` events after a position, in order."""

    def head(self) -> Head | None:
        """The last position and its time, or None for an empty log."""
