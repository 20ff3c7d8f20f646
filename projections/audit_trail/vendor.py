"""How a vendor's events are told."""

from typing import assert_never

from domain.ids import vendor_stream
from domain.vendor import (
    ProductsListed,
    VendorAgreementEnded,
    VendorAgreementResumed,
    VendorContracted,
    VendorEvent,
    VendorTerms,
)
from domain.words import counted
from projections.audit_trail.words import Writer, listed


def tell(event: VendorEvent, to: Writer) -> None:
    vendor = vendor_stream(event.vendor)
    match event:
        case VendorContracted():
            terms = event.terms
            lag = f"its statements report {counted(event.statement_lag_months, 'month')} after the service month"
            evergreen = (
                "after its agreement ends commission is paid on"
                if terms.evergreen
                else "commission ends with its agreement"
            )
            days = terms.dispute_days
            disputes = "" if days is None else f"; a statement may be disputed within {counted(days, 'day')}"
            to.tell(
                f"Vendor {event.vendor} was contracted, paying in {event.currency}: {lag}; {evergreen}; a registration "
                f"is protected for {counted(terms.protection_days, 'day')}{disputes}{_of_changes(terms)}.",
                vendor,
            )
        case ProductsListed():
            products = listed([f"{p.product} ({p.category}, {p.charge})" for p in event.products], "product")
            to.tell(f"Vendor {event.vendor} listed {products}.", vendor)
        case VendorAgreementEnded():
            after = "commission is paid on" if event.evergreen else "nobody here is paid for the whole months after it"
            to.tell(f"The agreement of {event.vendor} with the house ended on {event.effective_on}; {after}.", vendor)
        case VendorAgreementResumed():
            to.tell(
                f"The agreement of {event.vendor} with the house, ended on {event.ended_on}, was resumed from "
                f"{event.effective_on}.",
                vendor,
            )
        case _:
            assert_never(event)


def _of_changes(terms: VendorTerms) -> str:
    """What its terms say of changes of the agent of record."""
    business, calendar = terms.rescission_business_days, terms.rescission_calendar_days
    window = ""
    if business is not None:
        window = f"; the former agent may rescind a change within {counted(business, 'business day')}"
        window += f" ({terms.rescission_holidays})"
    elif calendar is not None:
        window = f"; the former agent may rescind a change within {counted(calendar, 'day')}"
    if terms.agent_of_record_notice_days is not None:
        window += (
            f"; a letter comes more than {counted(terms.agent_of_record_notice_days, 'day')} before it takes effect"
        )
    return f"{window}; a change counts once it has confirmed it" if terms.confirms_agent_of_record else window
