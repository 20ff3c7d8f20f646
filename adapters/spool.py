"""The lines of a statement file on their way into the log: encoded as events hold them, on this machine's disk.

    file ── chunks ──▶ spool (checked, counted) ── COPY ──▶ staging table ── INSERT … SELECT, the head held ──▶ log

Every event of a statement says how many there are, so the first can only be written when the last line has been read.
The spool has no name: killed at any point, nothing is left of it.
"""

import errno
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from itertools import chain
from types import TracebackType
from typing import Any, Protocol, Self

import orjson

from adapters.log import PostgresLog
from domain.ids import StreamId
from domain.log import CommandResult, NewEvent
from domain.message import Event
from domain.vendor_statement import (
    Counted,
    Months,
    PlainLine,
    VendorStatementReceived,
    continued,
    events_worth,
    plain_with_months,
)


class Source(Protocol):
    """A file's lines as they are read, once; see ``adapters.statement_file.StatementSource``."""

    @property
    def statement_month(self) -> str: ...
    @property
    def line_count(self) -> int: ...
    @property
    def exact_total(self) -> Decimal: ...
    @property
    def rounded_total_minor(self) -> int: ...
    @property
    def stated_total_minor(self) -> int | None: ...
    @property
    def digest(self) -> str: ...
    def chunks(self) -> Iterator[list[PlainLine]]: ...


def encode(value: Any) -> bytes:
    """The bytes of ``domain.message.canonical``, several times faster."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


class NoRoomForLines(Exception):
    """This machine's own disk cannot hold a file's lines for the while. The message says which folder is meant."""


@contextmanager
def _room_explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        folder = tempfile.gettempdir()
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoRoomForLines(
            f"{folder} has no room for the lines of a file: make room there or set TMPDIR, then import again"
        ) from error


class Spool:
    """Encoded lists of lines, each an event's worth, in the order in which they were added."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="trailbook-import-")  # noqa: SIM115  (closed with the spool)
        self._sizes = array("q")

    def __len__(self) -> int:
        return len(self._sizes)

    def __iter__(self) -> Iterator[bytes]:
        with _room_explained():  # what was kept back until now is written first
            self._file.seek(0)
        for size in self._sizes:
            yield self._file.read(size)

    def add(self, encoded: bytes) -> None:
        with _room_explained():
            self._file.write(encoded)
        self._sizes.append(len(encoded))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what could not be written is not wanted any more
            self._file.close()


class SpooledStatement:
    """A statement's lines apart from its command."""

    def __init__(self, log: PostgresLog, spool: Spool) -> None:
        self.log, self.spool = log, spool
        self.counted = Counted(0, 1, Decimal(0), 0)

    def read(
        self, source: Source, vendor: str, number: str, lag_months: int, report: Callable[[], None] = lambda: None
    ) -> None:
        """Read the whole file; ``report`` is called now and then.

        Raises StatementFaults, and Refused for months and line numbers that no statement has.
        """
        for _, encoded in events_worth(_settled(source, vendor, number, lag_months), encode):
            self.spool.add(encoded)
            report()
        self.counted = Counted(
            source.line_count, max(1, len(self.spool)), source.exact_total, source.rounded_total_minor
        )

    def append(self, first: NewEvent, guards: Mapping[StreamId, int], command_id: str, digest: str) -> CommandResult:
        """Append the statement: ``first``, which has no lines yet, with its own and the further ones."""
        received = first.event
        assert isinstance(received, VendorStatementReceived)

        def events() -> Iterable[tuple[Event, Mapping[str, bytes]]]:
            yield from (
                (continued(received, event_no) if event_no > 1 else received, {"lines": lines})
                for event_no, lines in enumerate(self.spool if len(self.spool) else [b"[]"], start=1)
            )

        return self.log.append_lines(first, events, guards, command_id, digest)


def _settled(source: Source, vendor: str, number: str, lag_months: int) -> Iterator[list[PlainLine]]:
    """The file's lines with their service months, which hang on the statement month that comes with the first chunk."""
    chunks = source.chunks()
    first = next(chunks, None)
    if first is None:
        return
    rest = chain((first,), chunks)
    if source.statement_month:
        yield from plain_with_months(rest, Months.of(vendor, number, source.statement_month, lag_months))
    else:  # which is a fault; the others are wanted too
        yield from rest
