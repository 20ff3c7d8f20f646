"""How a vendor statement's events are told."""

from typing import assert_never

from domain.ids import statement_stream, vendor_stream
from domain.vendor_statement import (
    VendorStatementContinued,
    VendorStatementEvent,
    VendorStatementMatched,
    VendorStatementReceived,
    VendorStatementRevised,
    VendorStatementRevisionContinued,
)
from domain.words import counted
from projections.audit_trail.words import Writer, in_units


def tell(event: VendorStatementEvent, to: Writer) -> None:
    statement, vendor = statement_stream(event.vendor, event.number), vendor_stream(event.vendor)
    what = f"Statement {event.number} of {event.vendor}"
    match event:
        case VendorStatementReceived():
            total = in_units(event.control_total_minor, event.currency)
            parts = (
                f"; it came in {event.event_count} parts, the first with {counted(len(event.lines), 'line')}"
                if event.event_count > 1
                else ""
            )
            to.tell(
                f"{what} for statement month {event.statement_month} was received: "
                f"{counted(event.line_count, 'line')}, control total {total}, "
                f"reporting on service month {event.service_month}{parts}.",
                *(statement, vendor),
            )
        case VendorStatementContinued():
            to.tell(
                f"{what} for statement month {event.statement_month} continued with "
                f"{counted(len(event.lines), 'line')}, part {event.event_no} of {event.event_count}.",
                *(statement, vendor),
            )
        case VendorStatementRevised():
            total = in_units(event.control_total_minor, event.currency)
            parts = f"; it came in {event.event_count} parts" if event.event_count > 1 else ""
            to.tell(
                f"{what} was revised, revision {event.revision}: {_changed(event)}; "
                f"{counted(event.line_count, 'line')} by now, control total {total}{parts}.",
                *(statement, vendor),
            )
        case VendorStatementRevisionContinued():
            withdrawn, added = counted(len(event.withdrawn), "line"), counted(len(event.lines), "line")
            to.tell(
                f"Revision {event.revision} of statement {event.number} of {event.vendor} continued with {withdrawn} "
                f"withdrawn and {added} added, part {event.event_no} of {event.event_count}.",
                *(statement, vendor),
            )
        case VendorStatementMatched():
            to.tell(
                f"{in_units(event.amount_minor, event.currency)} of receipt {event.receipt} matched to statement "
                f"{event.number} of {event.vendor}; {_open(event.open_minor, event.currency)}.",
                *(statement, vendor),
            )
        case _:
            assert_never(event)


def _changed(event: VendorStatementRevised) -> str:
    if not event.withdrawn_count and not event.added_count:
        return "no line differs"
    return f"{counted(event.withdrawn_count, 'line')} withdrawn, {counted(event.added_count, 'line')} added"


def _open(open_minor: int, currency: str) -> str:
    return f"{in_units(open_minor, currency)} is still open on it" if open_minor else "nothing is open on it any more"
