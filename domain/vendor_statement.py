"""A vendor statement: what the vendor says it owes, line by line.

    (unknown) ── VendorStatementReceived ──▶ received ── VendorStatementContinued … (further lines) ──▶
              ── VendorStatementMatched … (money) ──▶

Units: ``commission_minor``, ``billed_minor``, ``net_billed_minor`` and ``commissionable_minor`` are exact minor units,
perhaps below one; a line's commission is rounded once, in its item. ``control_total_minor`` is whole. The service
month is when the service ran, the statement month when the vendor reported it: the first follows from the second by
the vendor's stated lag where a line does not state it, and is then marked as derived.

An event holds at most 500 lines and 256 KB; longer statements continue in further events of the same stream.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal, assert_never

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


class VendorStatementContinued(Event, topic="vendor_statement.continued"):
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
    _check_total(name, command)
    lines = _with_months(name, command, contract.statement_lag_months)
    return _in_events(command, lines, contract.statement_lag_months, command.effective_on or context.today)


def _check_total(name: str, command: ReceiveStatement) -> None:
    """The exact sum, or the sum of the lines as rounded, is the vendor's total."""
    exact = sum((line.commission_minor for line in command.lines), Decimal(0))
    by_line = sum(half_away(line.commission_minor) for line in command.lines)
    if command.control_total_minor not in (half_away(exact), by_line):
        raise ControlTotalWrong(
            f"{name}: the lines add up to {plain(exact)} but its control total is {command.control_total_minor} "
            f"(minor units of {command.currency}); ask {command.vendor} for the whole file"
        )


def _with_months(name: str, command: ReceiveStatement, lag_months: int) -> list[StatementLine]:
    statement_month = months.number(command.statement_month)
    derived = months.text(statement_month - lag_months)
    lines: list[StatementLine] = []
    seen: set[int] = set()
    for stated in command.lines:
        line = stated
        if line.line in seen:
            raise LineNumberedTwice(f"{name}: line {line.line} appears twice; number each line once")
        seen.add(line.line)
        if line.service_month is None and line.month_basis != "unknown":
            line = line.model_copy(update={"service_month": derived, "month_basis": "derived"})
        elif line.service_month is not None and months.number(line.service_month) > statement_month + 1:
            raise ServiceMonthUnlikely(
                f"{name}, line {line.line}: service month {line.service_month} is more than a month after the "
                f"statement month {command.statement_month}; check the date"
            )
        lines.append(line)
    return lines


def _in_events(
    command: ReceiveStatement, lines: Sequence[StatementLine], lag_months: int, effective_on: date
) -> list[VendorStatementEvent]:
    chunks = list(chunked(lines))
    shared: dict[str, Any] = {
        "vendor": command.vendor,
        "number": command.number,
        "revision": command.revision,
        "statement_month": command.statement_month,
        "service_month": months.text(months.number(command.statement_month) - lag_months),
        "currency": command.currency,
        "event_count": len(chunks),
        "effective_on": effective_on,
    }
    first = VendorStatementReceived(
        **shared,
        control_total_minor=command.control_total_minor,
        file_digest=command.file_digest,
        line_count=len(lines),
        lines=chunks[0],
    )
    rest = [
        VendorStatementContinued(**shared, event_no=number, lines=chunk)
        for number, chunk in enumerate(chunks[1:], start=2)
    ]
    return [first, *rest]


def chunked(lines: Iterable[StatementLine]) -> Iterable[tuple[StatementLine, ...]]:
    """Lines in events' worth: at most 500 lines and 256 KB of stored bytes each; at least one, perhaps empty."""
    chunk: list[StatementLine] = []
    size = _ENVELOPE_BYTES
    some = False
    for line in lines:
        line_size = len(canonical(line.model_dump(mode="json", exclude_none=True))) + 1
        if chunk and (len(chunk) == LINES_PER_EVENT or size + line_size > BYTES_PER_EVENT):
            yield tuple(chunk)
            some, chunk, size = True, [], _ENVELOPE_BYTES
        chunk.append(line)
        size += line_size
    if chunk or not some:
        yield tuple(chunk)


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
