"""How placements from suspense are told."""

from typing import assert_never

from domain.ids import account_stream, suspense_stream, vendor_stream
from domain.suspense import PlacementApproved, PlacementProposed, PlacementRejected, SuspenseEvent
from projections.audit_trail.words import Writer, free_text


def tell(event: SuspenseEvent, to: Writer) -> None:
    number = suspense_stream(event.vendor, event.number)
    what = f"number {event.number} of {event.vendor}"
    match event:
        case PlacementProposed():
            kept = "the account keeps the number" if event.keep_alias else "the account does not keep the number"
            month = _month_given(event.service_month)
            sentence = f"A placement of {what} on account {event.account} was proposed; {kept}{month}."
        case PlacementApproved():
            month = _month_given(event.service_month)
            sentence = f"Every line in suspense under {what} was placed on account {event.account}{month}."
        case PlacementRejected():
            sentence = f"The proposed placement of {what} was rejected: {free_text(event.rejected_because)}."
        case _:
            assert_never(event)
    account = account_stream(event.account)
    to.tell(sentence, number, vendor_stream(event.vendor), account, *to.deals_of(account))


def _month_given(service_month: str | None) -> str:
    return f"; lines without a service month belong to {service_month}" if service_month else ""
