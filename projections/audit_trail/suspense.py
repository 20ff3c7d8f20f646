"""How placements from suspense are told."""

from typing import assert_never

from domain.ids import account_stream, suspense_stream, vendor_stream
from domain.suspense import LineOf, PlacementApproved, PlacementProposed, PlacementRejected, SuspenseEvent
from projections.audit_trail.words import Writer, free_text, listed


def tell(event: SuspenseEvent, to: Writer) -> None:
    number = suspense_stream(event.vendor, event.number)
    what = f"number {event.number} of {event.vendor}"
    if event.lines is not None:
        what = f"{which(event.lines)} under {what}"
    match event:
        case PlacementProposed():
            kept = "the account keeps the number" if event.keep_alias else "the account does not keep the number"
            month = _month_given(event.service_month)
            sentence = f"A placement of {what} on {_where(event)} was proposed; {kept}{month}."
        case PlacementApproved():
            month = _month_given(event.service_month)
            lines = what if event.lines is not None else f"Every line in suspense under {what}"
            were = "were" if event.lines is not None and len(event.lines) > 1 else "was"
            sentence = f"{lines[0].upper()}{lines[1:]} {were} placed on {_where(event)}{month}."
        case PlacementRejected():
            sentence = f"The proposed placement of {what} was rejected: {free_text(event.rejected_because)}."
        case _:
            assert_never(event)
    account = account_stream(event.account)
    to.tell(sentence, number, vendor_stream(event.vendor), account, *to.deals_of(account))


def which(lines: tuple[LineOf, ...]) -> str:
    """Lines by name, or how many they are."""
    return listed([str(line) for line in lines], "line")


def _where(event: PlacementProposed | PlacementApproved) -> str:
    return f"service {event.service} of account {event.account}" if event.service else f"account {event.account}"


def _month_given(service_month: str | None) -> str:
    return f"; lines without a service month belong to {service_month}" if service_month else ""
