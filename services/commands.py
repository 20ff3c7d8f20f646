"""From a command to its events: load what it names, decide, append once; decide again when another writer was first."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from domain import house
from domain.calendar import OpenDay
from domain.ids import CALENDAR, StreamId
from domain.log import CommandIdTaken, CommandResult, Log, NewEvent, StreamMoved
from domain.message import Actor, Context, Envelope, Issued, Refused

ATTEMPTS = 20
"""How often a command is decided again when other writers were first, before it is refused as too busy."""
REMEMBERED_STREAMS = 50_000


class CommandIdReused(Refused):
    """A command id stands for one command for ever."""


class DayHasPassed(Refused):
    """A command is recorded on the open day or on a later one, never on a day that has passed."""


class TooBusy(Refused):
    """Other writers changed the same streams again and again; try again."""


Enrich = Callable[[Issued], Issued]
"""Adds what a command reads from a projection, with its position."""


@dataclass
class Commands:
    """The one way into the log. Remembers folded streams and reads only what came since."""

    log: Log
    enrich: Enrich = lambda issued: issued
    _remembered: dict[StreamId, tuple[int, Any]] = field(default_factory=dict)

    def handle(self, issued: Issued) -> CommandResult:
        """Record what the command leads to. Raises Refused; the same id again gives the first result."""
        digest = issued.digest()
        if (earlier := self.log.result_of(issued.command_id)) is not None:
            return _same_command(earlier, digest)
        if issued.on is not None:
            self.open_day(issued.on, issued.actor)
        for _ in range(ATTEMPTS):
            try:
                return self._attempt(self.enrich(issued), digest)
            except StreamMoved:
                continue
            except CommandIdTaken as taken:
                return _same_command(taken.result, digest)
        raise TooBusy(f"command {issued.command_id} met other writers {ATTEMPTS} times; give it again")

    def open_day(self, day: date, actor: Actor) -> None:
        """Open the day unless it is open already. Raises DayHasPassed."""
        today = self._states((CALENDAR,))[CALENDAR][1].open_day
        if today == day:
            return
        if today is not None and day < today:
            raise DayHasPassed(f"{day} has passed; {today} is open in the house's calendar")
        self.handle(Issued(f"open-day-{day}", actor, OpenDay(date=day)))

    def _attempt(self, issued: Issued, digest: str) -> CommandResult:
        streams, states = self._load(issued)
        calendar = states[CALENDAR][1]
        context = Context(
            actor=issued.actor,
            today=calendar.open_day or date.min,
            evidence=issued.evidence,
            states={stream: state for stream, (_, state) in states.items()},
        )
        decided = house.decide(issued.command, streams.writes, context)
        envelope = Envelope(
            actor=issued.actor,
            evidence=issued.evidence,
            command_id=issued.command_id,
            correlation_id=issued.command_id,
            causation_id=issued.because,
        )
        events = [
            NewEvent(stream, states[stream][0] + offset, event, envelope)
            for stream, new in decided.items()
            for offset, event in enumerate(new, start=1)
        ]
        guards = {stream: version for stream, (version, _) in states.items()}
        return self.log.append(events, guards, issued.command_id, digest)

    def _load(self, issued: Issued) -> tuple[Any, dict[StreamId, tuple[int, Any]]]:
        """The states of all streams that the command names, asked again as states name further streams."""
        states: dict[StreamId, tuple[int, Any]] = {}
        while True:
            streams = house.streams_of(issued.command, {s: state for s, (_, state) in states.items()})
            missing = [s for s in (*streams.writes, *streams.reads) if s not in states]
            if not missing:
                return streams, states
            states.update(self._states(tuple(dict.fromkeys(missing))))

    def _states(self, streams: tuple[StreamId, ...]) -> dict[StreamId, tuple[int, Any]]:
        if len(self._remembered) > REMEMBERED_STREAMS:
            self._remembered.clear()
        for stream in streams:
            self._remembered.setdefault(stream, (0, house.empty(stream)))
        for recorded in self.log.load({stream: self._remembered[stream][0] for stream in streams}):
            _, state = self._remembered[recorded.stream_id]
            state = house.evolve(recorded.stream_id, state, recorded.event)
            self._remembered[recorded.stream_id] = (recorded.stream_version, state)
        return {stream: self._remembered[stream] for stream in streams}


def _same_command(earlier: CommandResult, digest: str) -> CommandResult:
    if earlier.digest != digest:
        raise CommandIdReused(f"command id {earlier.command_id} was used for another command; give this one its own id")
    return earlier
