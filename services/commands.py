"""From a command to its events: load what it names, decide, append once; decide again when another writer was first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple, Protocol

from domain import house
from domain.calendar import Calendar, DayNotLater, OpenDay
from domain.ids import CALENDAR, StreamId
from domain.log import CommandIdTaken, CommandResult, Log, NewEvent, StreamMoved
from domain.message import Actor, Context, Envelope, Event, Issued, Refused, Streams

ATTEMPTS = 20
"""How often a command is decided again when other writers were first, before it is refused as too busy."""
REMEMBERED_STREAMS = 50_000


class CommandIdReused(Refused):
    """A command id stands for one command for ever."""


class DayHasPassed(Refused):
    """A command is recorded on the open day or on a later one, never on a day that has passed."""


class TooBusy(Refused):
    """Other writers changed the same streams again and again; try again."""


Folded = tuple[int, Any]
"""A stream's version and its state."""
NOTHING: Folded = (0, None)
StatesOf = Callable[[Sequence[StreamId], Sequence[StreamId]], Mapping[StreamId, Folded]]
"""How the states of streams are found; the second argument says which streams the command writes."""


class NotRemembered(Exception):
    """A stream has not been read by this process yet."""


class Apart(Protocol):
    """Lines that are too many for their command: counted before it is decided, appended by themselves."""

    @property
    def counted(self) -> Any:
        """What the decision knows of them."""

    def append(self, first: NewEvent, guards: Mapping[StreamId, int], command_id: str, digest: str) -> CommandResult:
        """Append the decided event with its lines, and the events with the further ones, as ``Log.append`` does."""


class Decision(NamedTuple):
    """What a command leads to, and what that was decided on."""

    issued: Issued
    states: Mapping[StreamId, Folded]
    decided: Mapping[StreamId, list[Event]]
    apart: Apart | None = None


Enrich = Callable[[Issued], Issued]
"""Adds what a command reads from a projection, with its position."""


def _as_it_is(issued: Issued) -> Issued:
    return issued


def _nothing() -> None:
    pass


@dataclass
class Commands:
    """The one way into the log. Remembers folded streams and reads only what came since."""

    log: Log
    enrich: Enrich = _as_it_is
    day_opened: Callable[[], None] = _nothing
    """Called when a day was opened: what was due by then is given before anything else."""
    _remembered: dict[StreamId, Folded] = field(default_factory=dict)

    def handle(self, issued: Issued) -> CommandResult:
        """Record what the command leads to. Raises Refused; the same id again gives the first result."""
        digest = issued.digest()
        try:
            result = self._hopefully(issued, digest) or self._carefully(issued, digest, ATTEMPTS)
        except StreamMoved:
            result = self._carefully(issued, digest, ATTEMPTS - 1)
        if isinstance(issued.command, OpenDay):
            self.day_opened()
        return result

    def handle_apart(self, issued: Issued, apart: Apart) -> CommandResult:
        """``handle`` for a command whose lines are kept apart from it."""
        return self._carefully(issued, issued.digest(), ATTEMPTS, apart)

    def _hopefully(self, issued: Issued, digest: str) -> CommandResult | None:
        """One round trip: decide on what is remembered, and let the append find out whether that still holds.

        None where too little is remembered, or where what is out of date may be why the command was refused. Raises
        StreamMoved.
        """
        if issued.on is not None and self._remembered.get(CALENDAR, NOTHING)[1] != Calendar(issued.on):
            return None
        try:
            decision = self._decide(self.enrich(issued), self._recall)
        except Exception:
            # a refusal or a fault on what may be out of date proves nothing; if it is real, it comes again
            return None
        try:
            return self._append(decision, digest)
        except CommandIdTaken as taken:
            return _same_command(taken.result, digest)

    def _carefully(self, issued: Issued, digest: str, attempts: int, apart: Apart | None = None) -> CommandResult:
        """Decide on what the log says now, again when another writer was first."""
        if (earlier := self.log.result_of(issued.command_id)) is not None:
            return _same_command(earlier, digest)
        if issued.on is not None:
            self.open_day(issued.on, issued.actor)
        for _ in range(attempts):
            try:
                decision = self._decide(self.enrich(issued), self._states, apart.counted if apart else None)
                return self._append(decision._replace(apart=apart), digest)
            except StreamMoved:
                continue
            except CommandIdTaken as taken:
                return _same_command(taken.result, digest)
            except Refused:
                # refused because of what this very command did, given twice at once, in the meantime
                if (earlier := self.log.result_of(issued.command_id)) is not None:
                    return _same_command(earlier, digest)
                raise
        raise TooBusy(f"command {issued.command_id} met other writers {ATTEMPTS} times; give it again")

    def would(self, issued: Issued) -> list[Event]:
        """What the command would lead to now, and nothing is recorded. Raises Refused."""
        return [event for new in self._decide(self.enrich(issued), self._states).decided.values() for event in new]

    def read_ahead(self, streams: Sequence[StreamId]) -> None:
        """Read streams in one go, so that the commands that follow find them remembered."""
        self._states(streams)

    def open_day(self, day: date, actor: Actor) -> None:
        """Open the day unless it is open already. Raises DayHasPassed."""
        today = self._states((CALENDAR,))[CALENDAR][1].open_day
        if today == day:
            return
        if today is not None and day < today:
            raise DayHasPassed(f"{day} has passed; {today} is open in the house's calendar")
        try:
            self.handle(Issued(f"open-day-{day}", actor, OpenDay(date=day)))
        except (CommandIdReused, DayNotLater):
            # another writer was first; what matters is which day is open now
            self.open_day(day, actor)

    def state(self, stream: StreamId) -> Any:
        """A stream as it stands now, folded."""
        return self._states((stream,))[stream][1]

    def decide(self, issued: Issued, counted: Any = None) -> Mapping[StreamId, Sequence[Event]]:
        """What a command would lead to now; nothing is recorded. ``counted``: of lines kept apart. Raises Refused."""
        return self._decide(self.enrich(issued), self._states, counted).decided

    def _decide(self, issued: Issued, states_of: StatesOf, counted: Any = None) -> Decision:
        streams, states = self._load(issued, states_of)
        calendar = states[CALENDAR][1]
        context = Context(
            actor=issued.actor,
            today=calendar.open_day or date.min,
            evidence=issued.evidence,
            states={stream: state for stream, (_, state) in states.items()},
            history=lambda stream: (recorded.event for recorded in self.log.history(stream, states[stream][0])),
            counted=counted,
        )
        return Decision(issued, states, house.decide(issued.command, streams.writes, context))

    def _append(self, decision: Decision, digest: str) -> CommandResult:
        issued, states, decided, apart = decision
        envelope = Envelope(
            actor=issued.actor,
            evidence=issued.evidence,
            command_id=issued.command_id,
            correlation_id=issued.command_id,
            causation_id=issued.because or _cause(issued, states),
        )
        events = [
            NewEvent(stream, states[stream][0] + offset, event, envelope)
            for stream, new in decided.items()
            for offset, event in enumerate(new, start=1)
        ]
        guards = {stream: version for stream, (version, _) in states.items()}
        if apart is not None and events:
            (first,) = events
            self._remembered.pop(first.stream_id, None)
            return apart.append(first, guards, issued.command_id, digest)
        result = self.log.append(events, guards, issued.command_id, digest)
        self._remember(decision)
        return result

    def _load(self, issued: Issued, states_of: StatesOf) -> tuple[Streams, dict[StreamId, Folded]]:
        """The states of all streams that the command names, asked again as states name further streams."""
        states: dict[StreamId, Folded] = {}
        while True:
            streams = house.streams_of(issued.command, {s: state for s, (_, state) in states.items()})
            missing = [s for s in (*streams.writes, *streams.reads) if s not in states]
            if not missing:
                return streams, states
            states.update(states_of(tuple(dict.fromkeys(missing)), streams.writes))

    def _recall(self, streams: Sequence[StreamId], writes: Sequence[StreamId]) -> dict[StreamId, Folded]:
        """The streams as they are remembered. One that is only read must be; one to be written may be new."""
        recalled: dict[StreamId, Folded] = {}
        for stream in streams:
            known = self._remembered.get(stream)
            if known is None and stream not in writes:
                raise NotRemembered(stream)
            recalled[stream] = known or (0, house.empty(stream))
        return recalled

    def _states(self, streams: Sequence[StreamId], writes: Sequence[StreamId] = ()) -> dict[StreamId, Folded]:
        """The streams as they stand in the log."""
        if len(self._remembered) > REMEMBERED_STREAMS:
            self._remembered.clear()
        for stream in streams:
            self._remembered.setdefault(stream, (0, house.empty(stream)))
        for recorded in self.log.load({stream: self._remembered[stream][0] for stream in streams}):
            _, state = self._remembered[recorded.stream_id]
            state = house.evolve(recorded.stream_id, state, recorded.event)
            self._remembered[recorded.stream_id] = (recorded.stream_version, state)
        return {stream: self._remembered[stream] for stream in streams}

    def _remember(self, decision: Decision) -> None:
        for stream, events in decision.decided.items():
            version, state = decision.states[stream]
            for event in events:
                state = house.evolve(stream, state, event)
            self._remembered[stream] = (version + len(events), state)


def _cause(issued: Issued, states: Mapping[StreamId, Folded]) -> str | None:
    versions = {stream: version for stream, (version, _) in states.items()}
    return issued.command.cause(versions, {stream: state for stream, (_, state) in states.items()})


def _same_command(earlier: CommandResult, digest: str) -> CommandResult:
    if earlier.digest != digest:
        raise CommandIdReused(f"command id {earlier.command_id} was used for another command; give this one its own id")
    return earlier
