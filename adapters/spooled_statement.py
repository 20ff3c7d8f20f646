"""A statement's lines apart from its command: encoded as events hold them, and kept on this machine's disk.

    file ── chunks ──▶ spool (checked, counted) ── COPY ──▶ staging table ── INSERT … SELECT, the head held ──▶ log

Every event of a statement says how many there are, so the first can only be written when the last line has been read.
Of a revision only the differences go on from the spool (see ``adapters.revision``).
"""

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import chain
from typing import Protocol

from adapters.log import PostgresLog
from adapters.revision import compare
from adapters.spool import Spool, encode
from domain.ids import StreamId
from domain.log import CommandResult, NewEvent
from domain.message import Event
from domain.vendor_statement import (
    Counted,
    Months,
    PlainLine,
    VendorStatementReceived,
    VendorStatementRevised,
    continued,
    counted_as,
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
    @property
    def is_part(self) -> bool: ...
    def chunks(self) -> Iterator[list[PlainLine]]: ...


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
        if isinstance(received, VendorStatementRevised):
            return self._append_differences(first, received, guards, command_id, digest)
        assert isinstance(received, VendorStatementReceived)

        def events() -> Iterator[tuple[Event, Mapping[str, bytes]]]:
            for event_no, lines in enumerate(self.spool if len(self.spool) else [b"[]"], start=1):
                yield continued(received, event_no) if event_no > 1 else received, {"lines": lines}

        return self.log.append_lines(first, events, guards, command_id, digest)

    def _append_differences(
        self,
        first: NewEvent,
        revised: VendorStatementRevised,
        guards: Mapping[StreamId, int],
        command_id: str,
        digest: str,
    ) -> CommandResult:
        with compare(self.log, first.stream_id, first.stream_version - 1, self.spool) as changed:
            counted = counted_as(revised, changed.event_count, changed.withdrawn_count, changed.added_count)

            def events() -> Iterator[tuple[Event, Mapping[str, bytes]]]:
                for event_no, (withdrawn, lines) in enumerate(changed, start=1):
                    event = continued(counted, event_no) if event_no > 1 else counted
                    yield event, {"withdrawn": withdrawn, "lines": lines}

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
