"""A vendor statement: what the vendor says it owes, line by line.

    (unknown) ── VendorStatementReceived ──▶ received ── VendorStatementContinued … (further lines) ──▶
              ── VendorStatementMatched … (money) ──▶

Units: ``commission_minor``, ``billed_minor``, ``net_billed_minor`` and ``commissionable_minor`` are exact minor units,
perhaps below one; a line's commission is rounded once, in its item. ``control_total_minor`` is whole. The service
month is when the service ran, the statement month when the vendor reported it: the first follows from the second by
the vendor's stated lag where a line does not state it, and is then marked as derived.

An event holds at most 500 lines and 256 KB; longer statements continue in further events of the same stream.
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


class VendorStatementMatched(Event, topic="vendor_statement.matched"):
    """Money of a receipt was matched to this statement; ``open_minor`` is what is still owed on it."""

    vendor: VendorId
    number: Key
    receipt: ReceiptId
    amount_minor: int
    open_minor: int
    currency: Currency


VendorStatementEvent = VendorStatementReceived | VendorStatementContinued | VendorStatementMatched

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
        return Streams((statement_stream(self.vendor, self.number),), (vendor_stream(self.vendor),))


VendorStatementCommand = ReceiveStatement

# -- refusals


class StatementAlreadyReceived(Refused):
    """A statement number is taken once; the same file again changes nothing."""


class RevisionNotTaken(Refused):
    """A revision posts only what differs from the statement that it replaces; that is not built yet."""


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
    control_total_minor: int = 0
    currency: str = ""
    matched_minor: int = 0

    @property
    def open_minor(self) -> int:
        return self.control_total_minor - self.matched_minor


EMPTY = VendorStatement()


def evolve(statement: VendorStatement, event: VendorStatementEvent) -> VendorStatement:
    match event:
        case VendorStatementReceived():
            return replace(
                statement,
                revisions={**statement.revisions, event.revision: event.file_digest},
                control_total_minor=event.control_total_minor,
                currency=event.currency,
            )
        case VendorStatementContinued():
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
    if command.revision:
        raise RevisionNotTaken(f"{name}: revisions are not taken yet; ask {command.vendor} for an adjustment line")
    if command.revision in statement.revisions:
        digest = statement.revisions[command.revision]
        if digest is not None and digest == command.file_digest:
            return []
        raise StatementAlreadyReceived(f"{name} was received already, from another file; check its number")
    if command.currency != contract.currency:
        raise CurrencyWrong(f"{name} is in {command.currency}; {command.vendor} pays in {contract.currency}")
    counted: Counted | None = context.counted
    _check_total(name, command, counted or _counted(command.lines))
    months_of = Months.of(command.vendor, command.number, command.statement_month, contract.statement_lag_months)
    if counted is not None:
        return [_first(command, months_of, context, counted.line_count, counted.event_count, ())]
    lines = _with_months(command.lines, months_of)
    chunks = list(chunked(lines))
    first = _first(command, months_of, context, len(lines), len(chunks), chunks[0])
    return [first, *(continued(first, number, chunk) for number, chunk in enumerate(chunks[1:], start=2))]


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


def _first(
    command: ReceiveStatement,
    of: Months,
    context: Context,
    line_count: int,
    event_count: int,
    lines: tuple[StatementLine, ...],
) -> VendorStatementReceived:
    return VendorStatementReceived(
        vendor=command.vendor,
        number=command.number,
        revision=command.revision,
        statement_month=command.statement_month,
        service_month=of.service_month,
        currency=command.currency,
        control_total_minor=command.control_total_minor,
        file_digest=command.file_digest,
        line_count=line_count,
        event_count=event_count,
        lines=lines,
        effective_on=command.effective_on or context.today,
    )


def continued(
    first: VendorStatementReceived, event_no: int, lines: tuple[StatementLine, ...] = ()
) -> VendorStatementContinued:
    """The event with further lines, perhaps still without them."""
    return VendorStatementContinued(
        vendor=first.vendor,
        number=first.number,
        revision=first.revision,
        statement_month=first.statement_month,
        service_month=first.service_month,
        currency=first.currency,
        event_no=event_no,
        event_count=first.event_count,
        lines=lines,
        effective_on=first.effective_on,
    )


def chunked(lines: Sequence[StatementLine]) -> Iterator[tuple[StatementLine, ...]]:
    """Lines in events' worth (see ``events_worth``); at least one, perhaps empty."""
    at = 0
    for count, _ in events_worth([[line.model_dump(mode="json", exclude_none=True) for line in lines]], canonical):
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
    room = BYTES_PER_EVENT - _ENVELOPE_BYTES
    if len(encoded) - 1 <= room or len(lines) == 1:
        return len(lines), encoded
    count, size = 0, 0
    for line in lines:
        size += len(encode(line)) + 1
        if count and size > room:
            break
        count += 1
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
