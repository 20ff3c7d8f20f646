"""How a contract's events and those of its services are told."""

from typing import assert_never

from domain.contract import (
    ContractEvent,
    ContractRenewed,
    ContractSigned,
    ServiceActivated,
    ServiceAssigned,
    ServiceDisconnected,
    ServiceOrdered,
    ServiceRepriced,
)
from domain.ids import account_stream, contract_stream, customer_stream, vendor_stream
from domain.words import counted
from projections.audit_trail.words import Writer, deal_participant, in_units


def tell(event: ContractEvent, to: Writer) -> None:
    if isinstance(event, ContractSigned | ContractRenewed):
        _tell_contract(event, to)
    else:
        _tell_service(event, to)


def _tell_contract(event: ContractSigned | ContractRenewed, to: Writer) -> None:
    contract = contract_stream(event.contract)
    term = f"for {counted(event.term_months, 'month')}" if event.term_months else "without a term"
    match event:
        case ContractSigned():
            customer, vendor = customer_stream(event.customer), vendor_stream(event.vendor)
            deal = (deal_participant(event.customer, event.deal),) if event.deal else ()
            won = f", from deal {event.deal}" if event.deal else ""
            to.tell(
                f"Contract {event.contract} of {event.customer} with {event.vendor} was signed {term}, "
                f"in {event.currency}{won}.",
                *(contract, customer, vendor, *deal),
            )
            to.link(contract, customer, vendor, *deal)
        case ContractRenewed():
            accounts = [account_stream(service.account) for service in event.services]
            with_services = f", with {counted(len(event.services), 'assigned service')}" if event.services else ""
            to.tell(
                f"Contract {event.contract} was renewed {term} from {event.effective_on}{with_services}.",
                *(contract, *to.linked(contract), *sorted(accounts)),
            )
        case _:
            assert_never(event)


def _tell_service(
    event: ServiceOrdered | ServiceAssigned | ServiceActivated | ServiceRepriced | ServiceDisconnected, to: Writer
) -> None:
    contract = contract_stream(event.contract)
    concerned = (contract, *to.linked(contract))
    what = f"Service {event.service} of contract {event.contract}"
    match event:
        case ServiceOrdered():
            product = f"{event.product} for " if event.product else ""
            once = f" and {in_units(event.nrc_minor, event.currency)} once" if event.nrc_minor else ""
            to.tell(
                f"{what} was ordered: {product}{in_units(event.mrc_minor, event.currency)} a month{once}.", *concerned
            )
            return
        case ServiceAssigned():
            sentence = f"{what} was assigned to account {event.account}."
            to.link(account_stream(event.account), *to.deals_of(contract))
        case ServiceActivated():
            sentence = f"{what} on account {event.account} was activated on {event.effective_on}."
        case ServiceRepriced():
            former, now = in_units(event.former_mrc_minor, event.currency), in_units(event.mrc_minor, event.currency)
            sentence = (
                f"{what} on account {event.account} was repriced from {former} to {now} a month "
                f"from {event.effective_on}."
            )
        case ServiceDisconnected():
            sentence = (
                f"{what} on account {event.account} was disconnected; {event.effective_on} is the first day without it."
            )
        case _:
            assert_never(event)
    to.tell(sentence, *concerned, account_stream(event.account))
