"""How a receipt's events are told."""

from typing import assert_never

from domain.ids import receipt_stream, vendor_stream
from domain.receipt import MoneyReceived, ReceiptEvent, ReceiptMatched
from projections.audit_trail.words import Writer, and_, in_units


def tell(event: ReceiptEvent, to: Writer) -> None:
    receipt, vendor = receipt_stream(event.receipt), vendor_stream(event.vendor)
    match event:
        case MoneyReceived():
            money = in_units(event.amount_minor, event.currency)
            to.tell(f"Receipt {event.receipt}: {money} came from {event.vendor}.", receipt, vendor)
        case ReceiptMatched():
            matches = and_(
                f"{in_units(match.amount_minor, event.currency)} to statement {match.number}" for match in event.matches
            )
            left = (
                f"{in_units(event.unmatched_minor, event.currency)} is left"
                if event.unmatched_minor
                else "nothing is left"
            )
            to.tell(f"Receipt {event.receipt} of {event.vendor} matched: {matches}; {left}.", receipt, vendor)
        case _:
            assert_never(event)
