"""How a customer's events and those of its deals are told."""

from typing import assert_never

from domain.customer import CustomerEvent, CustomerOnboarded, DealLost, DealRegistered, DealWon
from domain.ids import agent_stream, customer_stream, vendor_stream
from projections.audit_trail.words import Writer, deal_participant, free_text, listed


def tell(event: CustomerEvent, to: Writer) -> None:
    customer = customer_stream(event.customer)
    if isinstance(event, CustomerOnboarded):
        to.tell(f"Customer {event.customer} was onboarded.", customer)
        return
    deal, agent = deal_participant(event.deal), agent_stream(event.agent)
    of_customer = f"{deal} of {customer}"
    what = f"Deal {event.deal} of {event.customer}, registered by {event.agent},"
    match event:
        case DealRegistered():
            vendor = vendor_stream(event.vendor)
            products = f" for {listed(event.products, 'product')}" if event.products else ""
            scope = f": {free_text(event.scope)}" if event.scope else ""
            to.tell(
                f"Deal {event.deal} of {event.customer} with {event.vendor} was registered by {event.agent}"
                f"{products}{scope}.",
                *(deal, customer, agent, vendor),
            )
            to.link(of_customer, vendor)
        case DealWon():
            to.tell(f"{what} was won.", deal, customer, agent, *to.linked(of_customer))
        case DealLost():
            to.tell(
                f"{what} was lost: {free_text(event.lost_because)}.", deal, customer, agent, *to.linked(of_customer)
            )
        case _:
            assert_never(event)
