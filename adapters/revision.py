"""What a revision changes, found by the database: the statement in the log and the new file are compared in temporary
tables, however long they are, while this process holds an event's worth of lines.

Lines are compared by a digest of their content, as ``domain.vendor_statement.differences`` compares them in memory.
"""

import hashlib
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, LiteralString, Self

import orjson
import psycopg
from psycopg.rows import tuple_row

from adapters.log import PostgresLog
from adapters.spool import Spool, encode
from domain.ids import StreamId
from domain.message import TOPICS, read_event
from domain.vendor_statement import LINES_PER_EVENT, PlainLine, content, fitting

SORT_MEMORY = "64MB"
DIGEST_BYTES = 16
FETCHED_ROWS = 2_000


def compare(log: PostgresLog, stream: StreamId, upto: int, lines: Iterable[bytes]) -> "Differences":
    """What a file's lines, encoded, change of a statement as it stands at a version of its stream."""
    return log.patiently(lambda: _compared(log, stream, upto, lines))


class Differences:
    """Encoded lists in turn: what one event withdraws, and what it adds; at least one pair, perhaps empty."""

    def __init__(self) -> None:
        self.spool = Spool()
        self.withdrawn_count = self.added_count = 0

    @property
    def event_count(self) -> int:
        return len(self.spool) // 2

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        lists = iter(self.spool)
        return zip(lists, lists, strict=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.spool.__exit__(kind, error, trace)

    def fill(self, entries: Iterable[tuple[bool, bytes]]) -> None:
        """Take encoded entries, added or else withdrawn, in order."""
        waiting: list[tuple[bool, bytes]] = []
        for entry in entries:
            waiting.append(entry)
            if len(waiting) == LINES_PER_EVENT:
                del waiting[: self._add(waiting)]
        while waiting or not len(self.spool):
            del waiting[: self._add(waiting)]

    def _add(self, entries: list[tuple[bool, bytes]]) -> int:
        count = fitting(len(encoded) + 1 for _, encoded in entries)
        withdrawn = [encoded for is_added, encoded in entries[:count] if not is_added]
        added = [encoded for is_added, encoded in entries[:count] if is_added]
        for encoded in (withdrawn, added):
            self.spool.add(b"[" + b",".join(encoded) + b"]")
        self.withdrawn_count += len(withdrawn)
        self.added_count += len(added)
        return count


def _compared(log: PostgresLog, stream: StreamId, upto: int, lines: Iterable[bytes]) -> Differences:
    found = Differences()
    with log.recorder.datastore.get_connection() as connection, connection.transaction():
        connection.execute(_TABLES)
        connection.execute(f"SET LOCAL work_mem = '{SORT_MEMORY}'")
        _copy(connection, _COPY_STATED, ("bytea", "bool", "int4", "int8", "text", "bytea"), _new(lines))
        _copy(connection, _COPY_STATED, ("bytea", "bool", "int4", "int8", "text", "bytea"), _former(log, stream, upto))
        _copy(connection, _COPY_WITHDRAWN, ("int4", "int8"), _withdrawn(log, stream, upto))
        connection.execute("ANALYZE pg_temp.stated, pg_temp.withdrawn")
        with connection.cursor("differences", binary=True, row_factory=tuple_row) as cursor:
            cursor.itersize = FETCHED_ROWS
            cursor.execute(_DIFFERENCES)
            found.fill(_entry(*row) for row in cursor)
    return found


def _entry(is_new: bool, revision: int, line: int, account: str, body: bytes) -> tuple[bool, bytes]:
    return is_new, body if is_new else encode({"revision": revision, "line": line, "account": account})


def _copy(
    connection: psycopg.Connection[Any],
    statement: LiteralString,
    types: tuple[str, ...],
    rows: Iterable[tuple[Any, ...]],
) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row(row)


def _row(line: PlainLine, is_new: bool, revision: int) -> tuple[Any, ...]:
    digest = hashlib.blake2b(content(line, encode), digest_size=DIGEST_BYTES).digest()
    return digest, is_new, revision, line["line"], line["account"], encode(line) if is_new else b""


def _new(lines: Iterable[bytes]) -> Iterator[tuple[Any, ...]]:
    for encoded in lines:
        for line in orjson.loads(encoded):
            yield _row(line, True, 0)


def _former(log: PostgresLog, stream: StreamId, upto: int) -> Iterator[tuple[Any, ...]]:
    for event in _events(log, stream, upto):
        for line in event.get("lines", ()):
            yield _row(line, False, event["revision"])


def _withdrawn(log: PostgresLog, stream: StreamId, upto: int) -> Iterator[tuple[Any, ...]]:
    for event in _events(log, stream, upto):
        for gone in event.get("withdrawn", ()):
            yield gone["revision"], gone["line"]


def _events(log: PostgresLog, stream: StreamId, upto: int) -> Iterator[dict[str, Any]]:
    """The stream's events in their present version, as they are dumped."""
    for rows in log.history_raw(stream, upto):
        for row in rows:
            state = orjson.loads(row.state)
            if state["version"] == TOPICS[row.topic].version:
                yield state["event"]
            else:
                event = read_event(row.topic, state["version"], state["event"])
                yield event.model_dump(mode="json", exclude_none=True)


_TABLES: LiteralString = """
CREATE TEMPORARY TABLE stated (
    content bytea NOT NULL, is_new boolean NOT NULL, revision integer NOT NULL, line bigint NOT NULL,
    account text COLLATE "C" NOT NULL, body bytea NOT NULL
) ON COMMIT DROP;
CREATE TEMPORARY TABLE withdrawn (revision integer NOT NULL, line bigint NOT NULL) ON COMMIT DROP
"""
_COPY_STATED: LiteralString = "COPY pg_temp.stated FROM STDIN (FORMAT binary)"
_COPY_WITHDRAWN: LiteralString = "COPY pg_temp.withdrawn FROM STDIN (FORMAT binary)"
# Of lines alike as many stay as there are on both sides, the earlier ones; accounts in the order of their bytes.
_DIFFERENCES: LiteralString = """
SELECT is_new, revision, line, account, body FROM (
    SELECT stated.*, row_number() OVER (PARTITION BY content, is_new ORDER BY revision, line) AS nth,
        count(*) FILTER (WHERE NOT is_new) OVER (PARTITION BY content) AS former_count,
        count(*) FILTER (WHERE is_new) OVER (PARTITION BY content) AS new_count
    FROM pg_temp.stated
    WHERE NOT EXISTS (
        SELECT FROM pg_temp.withdrawn AS gone
        WHERE gone.revision = stated.revision AND gone.line = stated.line AND NOT stated.is_new)
) AS numbered
WHERE nth > CASE WHEN is_new THEN former_count ELSE new_count END
ORDER BY account, is_new, revision, line
"""
