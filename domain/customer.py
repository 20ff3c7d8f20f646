"""A customer: the end user that signs, and all deals that agents register for it.

    customer:      (unknown) ── CustomerOnboarded ──▶ onboarded
    registration:  DealRegistered ──▶ open ── DealWon / DealLost ──▶ closed

Registrations of one deal meet in the customer's stream, so that a rival claim is seen where it must be decided.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Any, Literal, assert_never

from pydantic import Field

from domain.agent import active
from domain.ids import (
    AgentId,
    Because,
    CustomerId,
    DealId,
    ProductId,
    VendorId,
    Words,
    agent_stream,
    customer_stream,
    vendor_stream,
)
from domain.message import Command, Context, Event, Refused, Streams
from domain.vendor import contracted

# -- events


class CustomerOnboarded(Event, topic="customer.onboarded"):
    customer: CustomerId


class DealRegistered(Event, topic="deal.registered"):
    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    products: tuple[ProductId, ...]
    scope: str


class DealWon(Event, topic="deal.won"):
    customer: CustomerId
    deal: DealId
    agent: AgentId


class DealLost(Event, topic="deal.lost"):
    customer: CustomerId
    deal: DealId
    agent: AgentId
    lost_because: str


CustomerEvent = CustomerOnboarded | DealRegistered | DealWon | DealLost

# -- commands


class OnboardCustomer(Command, do="onboard_customer"):
    customer: CustomerId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((customer_stream(self.customer),))


class RegisterDeal(Command, do="register_deal"):
    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    products: Annotated[tuple[ProductId, ...], Field(max_length=100)] = ()
    scope: Words = ""
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((customer_stream(self.customer),), (agent_stream(self.agent), vendor_stream(self.vendor)))


class WinDeal(Command, do="win_deal"):
    customer: CustomerId
    deal: DealId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((customer_stream(self.customer),))


class LoseDeal(Command, do="lose_deal"):
    customer: CustomerId
    deal: DealId
    lost_because: Because
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((customer_stream(self.customer),))


CustomerCommand = OnboardCustomer | RegisterDeal | WinDeal | LoseDeal

# -- refusals


class CustomerAlreadyOnboarded(Refused):
    """A customer is onboarded once."""


class CustomerUnknown(Refused):
    """Deals, accounts and contracts belong to an onboarded customer."""


class DealAlreadyRegistered(Refused):
    """A deal has one registration until rival claims are decided between persons."""


class DealUnknown(Refused):
    """Only a registered deal is won or lost."""


class DealClosed(Refused):
    """A deal is won or lost once."""


# -- state


@dataclass(frozen=True, slots=True)
class Deal:
    registered: DealRegistered
    outcome: Literal["open", "won", "lost"] = "open"


@dataclass(frozen=True, slots=True)
class Customer:
    onboarded: bool = False
    deals: Mapping[str, Deal] = field(default_factory=dict)


EMPTY = Customer()


def evolve(customer: Customer, event: CustomerEvent) -> Customer:
    match event:
        case CustomerOnboarded():
            return replace(customer, onboarded=True)
        case DealRegistered():
            return replace(customer, deals={**customer.deals, event.deal: Deal(event)})
        case DealWon():
            return _closed(customer, event.deal, "won")
        case DealLost():
            return _closed(customer, event.deal, "lost")
        case _:
            assert_never(event)


def _closed(customer: Customer, deal: str, outcome: Literal["won", "lost"]) -> Customer:
    return replace(customer, deals={**customer.deals, deal: replace(customer.deals[deal], outcome=outcome)})


def onboarded(customer: Customer, customer_id: str) -> None:
    """Raises CustomerUnknown."""
    if not customer.onboarded:
        raise CustomerUnknown(f"customer {customer_id} is not onboarded; onboard the customer first")


# -- decisions


def decide(customer: Customer, command: CustomerCommand, context: Context) -> list[CustomerEvent]:
    effective_on = command.effective_on or context.today
    match command:
        case OnboardCustomer():
            if customer.onboarded:
                raise CustomerAlreadyOnboarded(f"customer {command.customer} is onboarded already")
            return [CustomerOnboarded(customer=command.customer, effective_on=effective_on)]
        case RegisterDeal():
            onboarded(customer, command.customer)
            active(context.state(agent_stream(command.agent)), command.agent, effective_on)
            contracted(context.state(vendor_stream(command.vendor)), command.vendor)
            if command.deal in customer.deals:
                holder = customer.deals[command.deal].registered.agent
                raise DealAlreadyRegistered(f"deal {command.deal} is registered by {holder} already")
            return [
                DealRegistered(
                    customer=command.customer,
                    deal=command.deal,
                    agent=command.agent,
                    vendor=command.vendor,
                    products=command.products,
                    scope=command.scope,
                    effective_on=effective_on,
                )
            ]
        case WinDeal():
            deal = _open_deal(customer, command.deal)
            return [DealWon(customer=command.customer, deal=command.deal, agent=deal.agent, effective_on=effective_on)]
        case LoseDeal():
            deal = _open_deal(customer, command.deal)
            return [
                DealLost(
                    customer=command.customer,
                    deal=command.deal,
                    agent=deal.agent,
                    lost_because=command.lost_because,
                    effective_on=effective_on,
                )
            ]
        case _:
            assert_never(command)


def _open_deal(customer: Customer, deal_id: str) -> DealRegistered:
    deal = customer.deals.get(deal_id)
    if deal is None:
        raise DealUnknown(f"deal {deal_id} is not registered; register it first")
    if deal.outcome != "open":
        raise DealClosed(f"deal {deal_id} is {deal.outcome} already")
    return deal.registered
