"""The log in memory, for ``simulate`` and for tests of everything above it. Its clock stands at the open day."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, time, timedelta

from domain.calendar import DayOpened
from domain.ids import StreamId
from domain.log import CommandIdTaken, CommandResult, Head, NewEvent, StreamMoved
from domain.message import Recorded


class MemoryLog:
    """Keeps ``domain.log.Log``'s promises for one thread; time is the open day plus a microsecond a position."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []
        self._streams: defaultdict[StreamId, list[Recorded]] = defaultdict(list)
        self._results: dict[str, CommandResult] = {}
        self._midnight = datetime(1970, 1, 1, tzinfo=UTC)

    def load(self, after: Mapping[StreamId, int]) -> Sequence[Recorded]:
        return [recorded for stream, version in after.items() for recorded in self._streams[stream][version:]]

    def result_of(self, command_id: str) -> CommandResult | None:
        return self._results.get(command_id)

    def append(
        self, events: Sequence[NewEvent], guards: Mapping[StreamId, int], command_id: str, digest: str
    ) -> CommandResult:
        if command_id in self._results:
            raise CommandIdTaken(self._results[command_id])
        if any(len(self._streams[stream]) != version for stream, version in guards.items()):
            raise StreamMoved
        first = len(self.events) + 1 if events else 0
        for new in events:
            self._record(new)
        result = CommandResult(command_id, digest, first, len(self.events) if events else 0)
        self._results[command_id] = result
        return result

    def _record(self, new: NewEvent) -> None:
        if isinstance(new.event, DayOpened):
            self._midnight = datetime.combine(new.event.effective_on, time(), UTC)
        position = len(self.events) + 1
        recorded = Recorded(
            new.stream_id,
            new.stream_version,
            new.event,
            new.envelope,
            position,
            self._midnight + timedelta(microseconds=position),
        )
        self._streams[new.stream_id].append(recorded)
        self.events.append(recorded)

    def read(self, after: int, limit: int) -> Sequence[Recorded]:
        return self.events[after : after + limit]

    def head(self) -> Head | None:
        return Head(len(self.events), self.events[-1].recorded_at) if self.events else None
