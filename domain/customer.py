"""A customer: the end user that signs.

    (unknown) ── CustomerOnboarded ──▶ onboarded

All deals that agents register for it meet in its stream: see ``domain.deal``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from domain import deal
from domain.deal import Deal, DealCommand, DealEvent, OpenSelfReferral, RegisterDeal
from domain.ids import CustomerId, customer_stream
from domain.message import Command, Context, Event, Refused, Streams

# -- events


class CustomerOnboarded(Event, topic="customer.onboarded"):
    customer: CustomerId


CustomerEvent = CustomerOnboarded | DealEvent

# -- commands


class OnboardCustomer(Command, do="onboard_customer"):
    customer: CustomerId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((customer_stream(self.customer),))


CustomerCommand = OnboardCustomer | DealCommand

# -- refusals


class CustomerAlreadyOnboarded(Refused):
    """A customer is onboarded once."""


class CustomerUnknown(Refused):
    """Deals, accounts and contracts belong to an onboarded customer."""


# -- state


@dataclass(frozen=True, slots=True)
class Customer:
    onboarded: bool = False
    deals: Mapping[str, Deal] = field(default_factory=dict)


EMPTY = Customer()


def evolve(customer: Customer, event: CustomerEvent) -> Customer:
    if isinstance(event, CustomerOnboarded):
        return replace(customer, onboarded=True)
    evolved = deal.evolve(customer.deals.get(event.deal, deal.EMPTY), event)
    return replace(customer, deals={**customer.deals, event.deal: evolved})


def onboarded(customer: Customer, customer_id: str) -> None:
    """Raises CustomerUnknown."""
    if not customer.onboarded:
        raise CustomerUnknown(f"customer {customer_id} is not onboarded; onboard the customer first")


# -- decisions


def decide(customer: Customer, command: CustomerCommand, context: Context) -> list[CustomerEvent]:
    if isinstance(command, OnboardCustomer):
        if customer.onboarded:
            raise CustomerAlreadyOnboarded(f"customer {command.customer} is onboarded already")
        return [CustomerOnboarded(customer=command.customer, effective_on=command.effective_on or context.today)]
    if isinstance(command, RegisterDeal | OpenSelfReferral):
        onboarded(customer, command.customer)
    return [*deal.decide(customer.deals.get(command.deal, deal.EMPTY), command, context)]
