"""The log and the tables in memory, for ``simulate`` and for tests of everything above them.

The log's clock stands at the open day.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

from domain.calendar import DayOpened
from domain.ids import StreamId
from domain.log import CommandIdTaken, CommandResult, Head, NewEvent, StreamMoved
from domain.message import Recorded
from projections import facts, ledger
from projections.ledger import Ledger
from projections.projection import Projection, Row, Table


class MemoryLog:
    """Keeps ``domain.log.Log``'s promises for one thread; time is the open day plus a microsecond a position."""

    def __init__(self) -> None:
        self.events: list[Recorded] = []
        self._streams: defaultdict[StreamId, list[Recorded]] = defaultdict(list)
        self._results: dict[str, CommandResult] = {}
        self._midnight = datetime(1970, 1, 1, tzinfo=UTC)

    def load(self, after: Mapping[StreamId, int]) -> Sequence[Recorded]:
        return [recorded for stream, version in after.items() for recorded in self._streams[stream][version:]]

    def history(self, stream: StreamId, upto: int) -> Iterator[Recorded]:
        yield from self._streams[stream][:upto]

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


class MemoryTables:
    """Tables of projections in memory: the keyed state, and the facts as the ledger reads them."""

    def __init__(self, tables: Iterable[Table]) -> None:
        self.tables = {table.name: table for table in tables}
        self.content: dict[str, list[tuple[Any, ...]]] = {name: [] for name in self.tables}
        self.sums: dict[str, dict[tuple[Any, ...], int]] = {t.name: {} for t in self.tables.values() if t.sums}
        self._indexes: dict[tuple[str, str], defaultdict[Any, list[tuple[Any, ...]]]] = {}

    def add(self, rows: Iterable[Row]) -> None:
        for name, values in rows:
            if name in self.sums:
                key = values[:-1]
                self.sums[name][key] = self.sums[name].get(key, 0) + values[-1]
                continue
            self.content[name].append(values)
            for (table, column), index in self._indexes.items():
                if table == name:
                    index[values[self.tables[name].column_names.index(column)]].append(values)

    def rows(self, table: str, column: str, value: Any) -> Sequence[tuple[Any, ...]]:
        index = self._indexes.get((table, column))
        if index is None:
            at = self.tables[table].column_names.index(column)
            index = self._indexes[table, column] = defaultdict(list)
            for row in self.content[table]:
                index[row[at]].append(row)
        return index.get(value, [])

    def account(self, account_no: int, before: int) -> Iterable[tuple[int, Sequence[Any]]]:
        return [(row[1], json.loads(row[3])) for row in self.rows("facts", "account_no", account_no) if row[1] < before]

    def number_of(self, name: str) -> int | None:
        """The number of an account, a statement, or a number in suspense."""
        rows = self.rows("facts_name", "name", name)
        return rows[0][1] if rows else None

    def aliases(self, number: str) -> Sequence[tuple[Any, ...]]:
        """The rows of aliases of a number, such as ``lumen:5-QXTR9941``, in order."""
        return self.rows("facts_alias", "number", number)

    def accounts_of(self, agents: Iterable[str]) -> Iterable[int]:
        return {row[1] for agent in agents for row in self.rows("facts_agent", "agent", agent)}

    def accounts_paid_by(self, vendor: str) -> Iterable[int]:
        return {row[1] for row in self.rows("facts_payer", "vendor", vendor)}

    def all_accounts(self) -> Iterable[int]:
        return {row[1] for row in self.content["facts_agent"]}


class MemoryBook:
    """Facts, ledger and further projections over a log in memory, event by event: what projectors keep in tables."""

    def __init__(self, log: MemoryLog, further: Iterable[Projection] = ()) -> None:
        self.log = log
        self.position = 0
        self.further = tuple(further)
        tables = [*facts.tables, *ledger.tables, *(t for projection in self.further for t in projection.tables)]
        self.tables = MemoryTables(tables)
        self.ledger = Ledger(self.tables)

    def catch_up(self) -> list[int]:
        """Project every event since the last call; gives their positions."""
        positions: list[int] = []
        for recorded in self.log.read(self.position, len(self.log.events)):
            self.project(recorded)
            positions.append(recorded.position)
        return positions

    def project(self, recorded: Recorded) -> None:
        new_facts = list(facts.project(recorded, self.tables))
        learned = [(row.values[0], json.loads(row.values[3])) for row in new_facts if row.table == "facts"]
        before = [row for row in new_facts if row.table != "facts"]
        self.tables.add(before)
        self.tables.add(self.ledger.project(recorded.position, learned))
        self.tables.add(row for row in new_facts if row.table == "facts")
        for projection in self.further:
            self.tables.add(projection.project(recorded, self.tables))
        self.position = recorded.position
