"""A vendor statement: what the vendor says it owes, line by line.

    (unknown) ── VendorStatementReceived ──▶ received ── VendorStatementContinued … (further lines) ──▶
              ── VendorStatementRevised ── VendorStatementRevisionContinued … (further differences) ──▶ revised
    received, revised ── VendorStatementMatched … (money) ──▶

A revision replaces the statement and carries only the differences: lines withdrawn and lines added. Lines are compared
as a multiset, by everything but their number: two identical lines are two lines, and one that did not change stays the
line that it was. Revision 1 of statement ``2026-02`` is called ``2026-02#1`` where a line of it is named.

Units: ``commission_minor``, ``billed_minor``, ``net_billed_minor`` and ``commissionable_minor`` are exact minor units,
perhaps below one; a line's commission is rounded once, in its item. ``control_total_minor`` is whole. The service
month is when the service ran, the statement month when the vendor reported it: the first follows from the second by
the vendor's stated lag where a line does not state it, and is then marked as derived.

An event holds at most 500 lines, withdrawn ones counted, and 256 KB; longer statements continue in further events of
the same stream.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple, assert_never

from pydantic import Field, model_validator

from domain import months
from domain.ids import Key, Printed, ProductId, ReceiptId, VendorId, statement_stream, vendor_stream
from domain.message import Command, Context, Event, Model, Refused, Streams, canonical
from domain.money import Currency, ExactMinor, Minor, Rate, half_away, plain
from domain.months import Month
from domain.plan import ChargeKind
from domain.vendor import CurrencyWrong, contracted

LINES_PER_EVENT = 500
BYTES_PER_EVENT = 256 * 1024
_ENVELOPE_BYTES = 4 * 1024

LineType = Literal["original", "adjustment", "chargeback", "retroactive", "correction"]

PlainLine = dict[str, Any]
"""A line as ``StatementLine.model_dump(mode="json", exclude_none=True)`` gives it."""


class StatementLine(Model):
    """One line as the vendor stated it; what it left out is None."""

    line: Annotated[int, Field(ge=1)]
    account: Printed
    service: Printed | None = None
    """Service or order id as printed."""
    product: ProductId | None = None
    charge_kind: ChargeKind = "recurring"
    line_type: LineType = "original"
    billed_minor: ExactMinor | None = None
    net_billed_minor: ExactMinor | None = None
    commissionable_minor: ExactMinor | None = None
    claimed_rate: Rate | None = None
    commission_minor: ExactMinor
    service_month: Month | None = None
    month_basis: Literal["stated", "derived", "unknown"] = "stated"
    house_code: Printed | None = None
    """The vendor's code for the house."""


# -- events


class VendorStatementReceived(Event, topic="vendor_statement.received"):
    """The statement with its first lines; with ``event_count`` 1 these are all."""

    vendor: VendorId
    number: Key
    revision: int
    statement_month: Month
    service_month: Month
    """The service month that this statement month reports on, by the vendor's lag."""
    currency: Currency
    control_total_minor: int
    file_digest: str | None = None
    line_count: int
    event_count: int
    lines: tuple[StatementLine, ...]


class VendorStatementContinued(Event, topic="vendor_statement.continued", further=True):
    """Further lines; ``event_no`` runs from 2 to ``event_count``."""

    vendor: VendorId
    number: Key
    revision: int
    statement_month: Month
    service_month: Month
    currency: Currency
    event_no: int
    event_count: int
    lines: tuple[StatementLine, ...]


class WithdrawnLine(Model):
    """A line that the vendor states no more, under the revision and the number with which it was stated."""

    revision: int
    line: int
    account: Printed


class VendorStatementRevised(Event, topic="vendor_statement.revised"):
    """The statement as the vendor states it now: its total, and the first of what differs from before."""

    vendor: VendorId
    number: Key
    revision: int
    statement_month: Month
    service_month: Month
    currency: Currency
    control_total_minor: int
    file_digest: str | None = None
    line_count: int
    """All lines of the statement as revised."""
    withdrawn_count: int
    added_count: int
    event_count: int
    withdrawn: tuple[WithdrawnLine, ...]
    lines: tuple[StatementLine, ...]
    """Added ones."""


class VendorStatementRevisionContinued(Event, topic="vendor_statement.revision_continued", further=True):
    """Further differences; ``event_no`` runs from 2 to ``event_count``."""

    vendor: VendorId
    number: Key
    revision: int
    statement_month: Month
    service_month: Month
    currency: Currency
    event_no: int
    event_count: int
    withdrawn: tuple[WithdrawnLine, ...]
    lines: tuple[StatementLine, ...]


class VendorStatementMatched(Event, topic="vendor_statement.matched"):
    """Money of a receipt was matched to this statement; ``open_minor`` is what is still owed on it."""

    vendor: VendorId
    number: Key
    receipt: ReceiptId
    amount_minor: int
    open_minor: int
    currency: Currency


VendorStatementEvent = (
    VendorStatementReceived
    | VendorStatementContinued
    | VendorStatementRevised
    | VendorStatementRevisionContinued
    | VendorStatementMatched
)
FirstOfLines = VendorStatementReceived | VendorStatementRevised
FurtherLines = VendorStatementContinued | VendorStatementRevisionContinued


def revised_number(number: str, revision: int) -> str:
    """What a line names as its statement: ``2026-02``, and ``2026-02#1`` for what its revision 1 added."""
    return f"{number}#{revision}" if revision else number


# -- commands


class ReceiveStatement(Command, do="receive_statement"):
    vendor: VendorId
    number: Key
    revision: Annotated[int, Field(ge=0)] = 0
    statement_month: Month
    currency: Currency = "USD"
    control_total_minor: Minor
    file_digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None = None
    lines: tuple[StatementLine, ...] = ()
    effective_on: date | None = None

    @model_validator(mode="before")
    @classmethod
    def _number_lines(cls, value: Any) -> Any:
        """Lines without numbers are numbered as they come."""
        lines = value.get("lines") if isinstance(value, dict) else None
        if isinstance(lines, list) and not any(isinstance(ln, dict) and "line" in ln for ln in lines):
            numbered = [{"line": n, **ln} if isinstance(ln, dict) else ln for n, ln in enumerate(lines, start=1)]
            return {**value, "lines": numbered}
        return value

    def streams(self, known: Mapping[str, Any]) -> Streams:
        reads = [vendor_stream(self.vendor), *(stream for stream, _ in self.namesakes())]
        return Streams((statement_stream(self.vendor, self.number),), tuple(reads))

    def namesakes(self) -> Iterator[tuple[str, int]]:
        """Which revision of which other statement would have the same name as this one."""
        base, _, revision = self.number.rpartition("#")
        if self.revision:
            yield statement_stream(self.vendor, revised_number(self.number, self.revision)), 0
        elif base and revision.isdecimal() and self.number == revised_number(base, int(revision)):
            yield statement_stream(self.vendor, base), int(revision)


VendorStatementCommand = ReceiveStatement

# -- refusals


class StatementAlreadyReceived(Refused):
    """A statement number is taken once; the same file again changes nothing."""


class RevisionNotNext(Refused):
    """Revisions are numbered without a gap, from 1."""


class RevisionOfAnotherMonth(Refused):
    """A revision states the same statement month again."""


class NumberMeansRevision(Refused):
    """``2026-02#1`` is what revision 1 of statement 2026-02 is called; no other statement is."""


class StatementUnknown(Refused):
    """Money is matched to a statement that was received."""


class ControlTotalWrong(Refused):
    """The lines do not add up to the vendor's own total: the file is not whole."""


class LineNumberedTwice(Refused):
    """Every line of a statement has its own number."""


class ServiceMonthUnlikely(Refused):
    """A service month more than a month after the statement month is a misread date."""


# -- state


@dataclass(frozen=True, slots=True)
class VendorStatement:
    """``revisions``: the digest of each revision's file, by its number."""

    revisions: Mapping[int, str | None] = field(default_factory=dict)
    statement_month: Month = ""
    control_total_minor: int = 0
    currency: str = ""
    matched_minor: int = 0

    @property
    def open_minor(self) -> int:
        return self.control_total_minor - self.matched_minor


EMPTY = VendorStatement()


def evolve(statement: VendorStatement, event: VendorStatementEvent) -> VendorStatement:
    match event:
        case VendorStatementReceived() | VendorStatementRevised():
            return replace(
                statement,
                revisions={**statement.revisions, event.revision: event.file_digest},
                statement_month=event.statement_month,
                control_total_minor=event.control_total_minor,
                currency=event.currency,
            )
        case VendorStatementContinued() | VendorStatementRevisionContinued():
            return statement
        case VendorStatementMatched():
            return replace(statement, matched_minor=statement.matched_minor + event.amount_minor)
        case _:
            assert_never(event)


def received(statement: VendorStatement, vendor: str, number: str) -> VendorStatement:
    """Raises StatementUnknown."""
    if not statement.revisions:
        raise StatementUnknown(f"statement {number} of {vendor} is not received; receive it first")
    return statement


# -- decisions


def decide(statement: VendorStatement, command: VendorStatementCommand, context: Context) -> list[VendorStatementEvent]:
    match command:
        case ReceiveStatement():
            return _receive(statement, command, context)
        case _:
            assert_never(command)


def _receive(statement: VendorStatement, command: ReceiveStatement, context: Context) -> list[VendorStatementEvent]:
    name = f"statement {command.number} of {command.vendor}"
    contract = contracted(context.state(vendor_stream(command.vendor)), command.vendor)
    if command.revision in statement.revisions:
        digest = statement.revisions[command.revision]
        if digest is not None and digest == command.file_digest:
            _check_same_month(name, statement, command)
            return []
    _check_revision(name, statement, command)
    _check_namesake(name, command, context)
    if command.currency != contract.currency:
        raise CurrencyWrong(f"{name} is in {command.currency}; {command.vendor} pays in {contract.currency}")
    counted: Counted | None = context.counted
    _check_total(name, command, counted or _counted(command.lines))
    months_of = Months.of(command.vendor, command.number, command.statement_month, contract.statement_lag_months)
    if counted is not None:
        return [_first(command, months_of, context, counted.line_count, counted.event_count)]
    lines = _with_months(command.lines, months_of)
    chunks = [Worth((), chunk) for chunk in chunked(lines)]
    if command.revision:
        history = context.history(statement_stream(command.vendor, command.number))
        chunks = list(differences(standing(history), lines))
    first = _first(command, months_of, context, len(lines), len(chunks))
    if isinstance(first, VendorStatementRevised):
        withdrawn, added = sum(len(chunk.withdrawn) for chunk in chunks), sum(len(chunk.lines) for chunk in chunks)
        first = counted_as(first, len(chunks), withdrawn, added)
    return [_filled(continued(first, no) if no > 1 else first, chunk) for no, chunk in enumerate(chunks, start=1)]


def _check_revision(name: str, statement: VendorStatement, command: ReceiveStatement) -> None:
    last = max(statement.revisions, default=-1)
    if command.revision <= last:
        what = f"revision {command.revision} of {name}" if command.revision else name
        raise StatementAlreadyReceived(
            f"{what} was received already, from another file; check its number, or state it as revision {last + 1}"
        )
    if not command.revision:
        return
    received(statement, command.vendor, command.number)
    if command.revision != last + 1:
        raise RevisionNotNext(f"{name} is at revision {last}; the next one is {last + 1}, not {command.revision}")
    if command.statement_month != statement.statement_month:
        raise RevisionOfAnotherMonth(
            f"{name} is for statement month {statement.statement_month}, its revision {command.revision} for "
            f"{command.statement_month}; a revision keeps the month"
        )


def _check_same_month(name: str, statement: VendorStatement, command: ReceiveStatement) -> None:
    """The same file again changes nothing, and so it cannot be for another month."""
    if command.statement_month != statement.statement_month:
        raise RevisionOfAnotherMonth(
            f"{name} was received from this very file for statement month {statement.statement_month}, not "
            f"{command.statement_month}; check the month, or give another statement its own number"
        )


def _check_namesake(name: str, command: ReceiveStatement, context: Context) -> None:
    for stream, revision in command.namesakes():
        namesake: VendorStatement = context.state(stream)
        if revision in namesake.revisions:
            raise NumberMeansRevision(
                f"{name} would be called like revision {command.revision or revision} of another statement of "
                f"{command.vendor}; ask for a statement with a number of its own"
            )


class Counted(NamedTuple):
    """What a statement's lines add up to where they are too many for a command: exactly, and with each rounded."""

    line_count: int
    event_count: int
    exact_minor: Decimal
    by_line_minor: int


def _counted(lines: Sequence[StatementLine]) -> Counted:
    exact = sum((line.commission_minor for line in lines), Decimal(0))
    return Counted(len(lines), 0, exact, sum(half_away(line.commission_minor) for line in lines))


def _check_total(name: str, command: ReceiveStatement, counted: Counted) -> None:
    """The exact sum, or the sum of the lines as rounded, is the vendor's total."""
    if command.control_total_minor not in (half_away(counted.exact_minor), counted.by_line_minor):
        raise ControlTotalWrong(
            f"{name}: the lines add up to {plain(counted.exact_minor)} but its control total is "
            f"{command.control_total_minor} (minor units of {command.currency}); "
            f"ask {command.vendor} for the whole file"
        )


class Months(NamedTuple):
    """What the months of a statement's lines may be."""

    name: str
    statement_month: Month
    service_month: Month
    """By the vendor's lag, for lines that state none."""
    latest: Month

    @classmethod
    def of(cls, vendor: str, number: str, statement_month: Month, lag_months: int) -> "Months":
        month = months.number(statement_month)
        derived, latest = months.text(month - lag_months), months.text(month + 1)
        return cls(f"statement {number} of {vendor}", statement_month, derived, latest)

    def unlikely(self, line: int, service_month: Month) -> ServiceMonthUnlikely:
        return ServiceMonthUnlikely(
            f"{self.name}, line {line}: service month {service_month} is more than a month after the "
            f"statement month {self.statement_month}; check the date"
        )

    def twice(self, line: int) -> LineNumberedTwice:
        return LineNumberedTwice(f"{self.name}: line {line} appears twice; number each line once")


def _with_months(stated: Iterable[StatementLine], of: Months) -> list[StatementLine]:
    lines: list[StatementLine] = []
    seen: set[int] = set()
    for line in stated:
        if line.line in seen:
            raise of.twice(line.line)
        seen.add(line.line)
        if line.service_month is not None and line.service_month > of.latest:
            raise of.unlikely(line.line, line.service_month)
        derive = line.service_month is None and line.month_basis != "unknown"
        update = {"service_month": of.service_month, "month_basis": "derived"}
        lines.append(line.model_copy(update=update) if derive else line)
    return lines


def plain_with_months(chunks: Iterable[list[PlainLine]], of: Months) -> Iterator[list[PlainLine]]:
    """The same for a file's lines, which it takes over; they are numbered as the file goes, so only upwards."""
    last = 0
    for chunk in chunks:
        for line in chunk:
            if line["line"] <= last:
                raise of.twice(line["line"])
            last = line["line"]
            stated = line.get("service_month")
            if stated is None:
                if line["month_basis"] != "unknown":
                    line["service_month"], line["month_basis"] = of.service_month, "derived"
            elif stated > of.latest:
                raise of.unlikely(last, stated)
        yield chunk


def _first(command: ReceiveStatement, of: Months, context: Context, line_count: int, event_count: int) -> FirstOfLines:
    """The first event, still without its lines."""
    shared: dict[str, Any] = {
        "vendor": command.vendor,
        "number": command.number,
        "revision": command.revision,
        "statement_month": command.statement_month,
        "service_month": of.service_month,
        "currency": command.currency,
        "control_total_minor": command.control_total_minor,
        "file_digest": command.file_digest,
        "line_count": line_count,
        "event_count": event_count,
        "effective_on": command.effective_on or context.today,
    }
    if command.revision:
        return VendorStatementRevised(**shared, withdrawn_count=0, added_count=0, withdrawn=(), lines=())
    return VendorStatementReceived(**shared, lines=())


def counted_as(first: VendorStatementRevised, events: int, withdrawn: int, added: int) -> VendorStatementRevised:
    return first.model_copy(update={"event_count": events, "withdrawn_count": withdrawn, "added_count": added})


def continued(first: FirstOfLines, event_no: int) -> FurtherLines:
    """A further event, still without its lines."""
    shared: dict[str, Any] = {
        "vendor": first.vendor,
        "number": first.number,
        "revision": first.revision,
        "statement_month": first.statement_month,
        "service_month": first.service_month,
        "currency": first.currency,
        "event_no": event_no,
        "event_count": first.event_count,
        "effective_on": first.effective_on,
    }
    if isinstance(first, VendorStatementRevised):
        return VendorStatementRevisionContinued(**shared, withdrawn=(), lines=())
    return VendorStatementContinued(**shared, lines=())


class Worth(NamedTuple):
    """What one event holds."""

    withdrawn: tuple[WithdrawnLine, ...]
    lines: tuple[StatementLine, ...]


def _filled(event: FirstOfLines | FurtherLines, worth: Worth) -> VendorStatementEvent:
    if isinstance(event, VendorStatementReceived | VendorStatementContinued):
        return event.model_copy(update={"lines": worth.lines})
    return event.model_copy(update=worth._asdict())


# -- what a revision changes

Standing = dict[tuple[int, int], StatementLine]
"""The lines of a statement by the revision and the number under which each was stated."""


def standing(history: Iterable[Event]) -> Standing:
    """The lines that the vendor states as of the last event."""
    lines: Standing = {}
    for event in history:
        if isinstance(event, VendorStatementRevised | VendorStatementRevisionContinued):
            for gone in event.withdrawn:
                del lines[gone.revision, gone.line]
        if isinstance(event, FirstOfLines | FurtherLines):
            lines.update({(event.revision, line.line): line for line in event.lines})
    return lines


def differences(before: Standing, lines: Iterable[StatementLine]) -> Iterator[Worth]:
    """What is withdrawn and what is added, by account, in events' worth; at least one, perhaps empty.

    Of lines alike the earlier ones stay. ``adapters.revision`` does the same in the database for files.
    """
    alike: dict[bytes, list[tuple[int, int]]] = {}
    for key in sorted(before):
        alike.setdefault(content(plain_line(before[key])), []).append(key)
    stays: set[tuple[int, int]] = set()
    added: list[StatementLine] = []
    for line in sorted(lines, key=lambda line: line.line):
        if keys := alike.get(content(plain_line(line))):
            stays.add(keys.pop(0))
        else:
            added.append(line)
    entries: list[tuple[str, bool, int, int, WithdrawnLine | StatementLine]] = [
        (line.account, True, 0, line.line, line) for line in added
    ]
    for (revision, number), line in before.items():
        if (revision, number) not in stays:
            gone = WithdrawnLine(revision=revision, line=number, account=line.account)
            entries.append((line.account, False, revision, number, gone))
    yield from _in_worths([entry[-1] for entry in sorted(entries, key=lambda entry: entry[:-1])])


def _in_worths(entries: Sequence[WithdrawnLine | StatementLine]) -> Iterator[Worth]:
    sizes = [len(canonical(entry.model_dump(mode="json", exclude_none=True))) + 1 for entry in entries]
    at = 0
    while True:
        part = entries[at : at + fitting(sizes[at : at + LINES_PER_EVENT])]
        yield Worth(
            tuple(entry for entry in part if isinstance(entry, WithdrawnLine)),
            tuple(entry for entry in part if isinstance(entry, StatementLine)),
        )
        at += len(part)
        if at == len(entries):
            return


def plain_line(line: StatementLine) -> PlainLine:
    return line.model_dump(mode="json", exclude_none=True)


def content(line: PlainLine, encode: Callable[[Any], bytes] = canonical) -> bytes:
    """What makes two lines alike: everything but their number."""
    return encode({name: value for name, value in line.items() if name != "line"})


# -- how much one event holds


def fitting(sizes: Iterable[int]) -> int:
    """How many lists' entries of these sizes in bytes, commas counted, fit into one event; at least one."""
    count, size = 0, _ENVELOPE_BYTES
    for one in sizes:
        size += one
        if count and size > BYTES_PER_EVENT:
            break
        count += 1
    return count


def chunked(lines: Sequence[StatementLine]) -> Iterator[tuple[StatementLine, ...]]:
    """Lines in events' worth (see ``events_worth``); at least one, perhaps empty."""
    at = 0
    for count, _ in events_worth([[plain_line(line) for line in lines]], canonical):
        yield tuple(lines[at : at + count])
        at += count
    if not lines:
        yield ()


def events_worth(chunks: Iterable[list[PlainLine]], encode: Callable[[Any], bytes]) -> Iterator[tuple[int, bytes]]:
    """Lines in events' worth, counted and encoded: at most 500 lines and 256 KB of stored bytes each.

    ``encode`` gives the bytes that ``canonical`` gives.
    """
    waiting: list[PlainLine] = []
    for chunk in chunks:
        waiting = waiting + chunk if waiting else chunk
        at = 0
        while len(waiting) - at >= LINES_PER_EVENT:
            worth = _one_worth(waiting[at : at + LINES_PER_EVENT], encode)
            yield worth
            at += worth[0]
        waiting = waiting[at:]
    while waiting:
        worth = _one_worth(waiting, encode)
        yield worth
        waiting = waiting[worth[0] :]


def _one_worth(lines: list[PlainLine], encode: Callable[[Any], bytes]) -> tuple[int, bytes]:
    """As many of the lines as one event holds, at least one."""
    encoded = encode(lines)
    if _ENVELOPE_BYTES + len(encoded) - 1 <= BYTES_PER_EVENT:
        return len(lines), encoded
    count = fitting(len(encode(line)) + 1 for line in lines)
    return count, encode(lines[:count])


def matched_event(
    vendor: str, number: str, receipt: str, amount_minor: int, statement: VendorStatement, on: date
) -> VendorStatementMatched:
    """What a receipt's match means for the statement: see ``domain.receipt``."""
    return VendorStatementMatched(
        vendor=vendor,
        number=number,
        receipt=receipt,
        amount_minor=amount_minor,
        open_minor=statement.open_minor - amount_minor,
        currency=statement.currency,
        effective_on=on,
    )
