"""A contract: what a customer signed with a vendor, and the services under it.

    contract:  (unknown) ── ContractSigned ──▶ in term ── ContractRenewed … ──▶ in a new term
    service:   ServiceOrdered ──▶ ordered ── ServiceAssigned ──▶ assigned ── ServiceActivated ──▶ active
               active ── ServiceRepriced … ──▶ active ── ServiceDisconnected ──▶ disconnected

Units: ``mrc_minor`` and ``nrc_minor`` in minor units of the contract's currency, per month and once; ``term_months``
in months. A service's full id is ``contract/service``, so that it is one service in the whole house.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Any, assert_never

from pydantic import Field

from domain.account import opened
from domain.customer import onboarded
from domain.ids import (
    AccountId,
    ContractId,
    CustomerId,
    DealId,
    ProductId,
    ServiceId,
    VendorId,
    account_stream,
    contract_stream,
    customer_stream,
    vendor_stream,
)
from domain.message import Command, Context, Event, Model, Refused, Streams
from domain.money import Currency, Minor
from domain.vendor import CurrencyWrong, contracted

Charge = Annotated[Minor, Field(ge=0)]
Term = Annotated[int, Field(ge=0, le=600)]

# -- events


class ContractSigned(Event, topic="contract.signed"):
    contract: ContractId
    customer: CustomerId
    vendor: VendorId
    term_months: int
    currency: Currency
    deal: DealId | None = None


class ServiceOrdered(Event, topic="contract.service_ordered"):
    contract: ContractId
    service: ServiceId
    product: ProductId | None = None
    category: str | None = None
    mrc_minor: int
    nrc_minor: int
    currency: Currency


class ServiceAssigned(Event, topic="contract.service_assigned"):
    """Carries what rating needs of the service and its contract, so that nobody has to look it up."""

    contract: ContractId
    service: ServiceId
    account: AccountId
    customer: CustomerId
    vendor: VendorId
    product: ProductId | None = None
    category: str | None = None
    mrc_minor: int
    currency: Currency
    contract_signed_on: date
    contract_renewed_on: date | None = None


class ServiceActivated(Event, topic="contract.service_activated"):
    contract: ContractId
    service: ServiceId
    account: AccountId


class ServiceRepriced(Event, topic="contract.service_repriced"):
    contract: ContractId
    service: ServiceId
    account: AccountId
    mrc_minor: int
    former_mrc_minor: int
    currency: Currency


class ServiceDisconnected(Event, topic="contract.service_disconnected"):
    """``effective_on`` is the first day without service."""

    contract: ContractId
    service: ServiceId
    account: AccountId


class RenewedService(Model):
    """A service of a renewed contract, with the account that it bills under."""

    service: ServiceId
    account: AccountId


class ContractRenewed(Event, topic="contract.renewed"):
    contract: ContractId
    term_months: int
    services: tuple[RenewedService, ...]


ContractEvent = (
    ContractSigned
    | ServiceOrdered
    | ServiceAssigned
    | ServiceActivated
    | ServiceRepriced
    | ServiceDisconnected
    | ContractRenewed
)

# -- commands


class SignContract(Command, do="sign_contract"):
    contract: ContractId
    customer: CustomerId
    vendor: VendorId
    term_months: Term = 0
    currency: Currency = "USD"
    deal: DealId | None = None
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((contract_stream(self.contract),), (customer_stream(self.customer), vendor_stream(self.vendor)))


class OrderService(Command, do="order_service"):
    contract: ContractId
    service: ServiceId
    product: ProductId | None = None
    mrc_minor: Charge
    nrc_minor: Charge = 0
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        contract: Contract = known.get(contract_stream(self.contract), EMPTY)
        reads = (vendor_stream(contract.signed.vendor),) if contract.signed else ()
        return Streams((contract_stream(self.contract),), reads)


class AssignService(Command, do="assign_service"):
    contract: ContractId
    service: ServiceId
    account: AccountId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((contract_stream(self.contract),), (account_stream(self.account),))


class ActivateService(Command, do="activate_service"):
    contract: ContractId
    service: ServiceId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((contract_stream(self.contract),))


class RepriceService(Command, do="reprice_service"):
    contract: ContractId
    service: ServiceId
    mrc_minor: Charge
    effective_on: date

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((contract_stream(self.contract),))


class DisconnectService(Command, do="disconnect_service"):
    contract: ContractId
    service: ServiceId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((contract_stream(self.contract),))


class RenewContract(Command, do="renew_contract"):
    contract: ContractId
    term_months: Term
    effective_on: date

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((contract_stream(self.contract),))


ContractCommand = (
    SignContract | OrderService | AssignService | ActivateService | RepriceService | DisconnectService | RenewContract
)

# -- refusals


class ContractAlreadySigned(Refused):
    """A contract is signed once."""


class ContractUnknown(Refused):
    """Services are ordered and renewals made under a signed contract."""


class AccountOfAnotherCustomer(Refused):
    """A service bills under an account of the customer that signed for it."""


class DealNotWon(Refused):
    """A contract that comes from a deal comes from one that was won."""


class ServiceAlreadyOrdered(Refused):
    """A service is ordered once under its contract."""


class ServiceUnknown(Refused):
    """Only an ordered service is assigned, activated, repriced or disconnected."""


class ProductUnknown(Refused):
    """A service is one of the vendor's listed products."""


class ServiceAlreadyAssigned(Refused):
    """A service bills under one account."""


class ServiceNotAssigned(Refused):
    """A service is assigned to its account before it is activated."""


class ServiceAlreadyActivated(Refused):
    """A service is activated once."""


class ServiceNotActive(Refused):
    """Only an active service is repriced or disconnected."""


class DateBeforeStart(Refused):
    """Nothing happens to a contract before it is signed, nor to a service before it is activated."""


# -- state


@dataclass(frozen=True, slots=True)
class Service:
    ordered: ServiceOrdered
    account: str | None = None
    activated_on: date | None = None
    disconnected_on: date | None = None
    mrc_minor: int = 0


@dataclass(frozen=True, slots=True)
class Contract:
    signed: ContractSigned | None = None
    services: Mapping[str, Service] = field(default_factory=dict)
    renewed_on: date | None = None


EMPTY = Contract()


def evolve(contract: Contract, event: ContractEvent) -> Contract:
    match event:
        case ContractSigned():
            return replace(contract, signed=event)
        case ServiceOrdered():
            return _with(contract, event.service, Service(event, mrc_minor=event.mrc_minor))
        case ServiceAssigned():
            return _with(contract, event.service, replace(contract.services[event.service], account=event.account))
        case ServiceActivated():
            service = contract.services[event.service]
            return _with(contract, event.service, replace(service, activated_on=event.effective_on))
        case ServiceRepriced():
            service = contract.services[event.service]
            return _with(contract, event.service, replace(service, mrc_minor=event.mrc_minor))
        case ServiceDisconnected():
            service = contract.services[event.service]
            return _with(contract, event.service, replace(service, disconnected_on=event.effective_on))
        case ContractRenewed():
            return replace(contract, renewed_on=event.effective_on)
        case _:
            assert_never(event)


def _with(contract: Contract, service_id: str, service: Service) -> Contract:
    return replace(contract, services={**contract.services, service_id: service})


# -- decisions


def decide(contract: Contract, command: ContractCommand, context: Context) -> list[ContractEvent]:
    if isinstance(command, SignContract):
        return [_sign(contract, command, context)]
    if contract.signed is None:
        raise ContractUnknown(f"contract {command.contract} is not signed; sign it first")
    effective_on = command.effective_on or context.today
    if effective_on < contract.signed.effective_on:
        raise DateBeforeStart(
            f"contract {command.contract} was signed on {contract.signed.effective_on}; {effective_on} is before that"
        )
    match command:
        case OrderService():
            return [_order(contract, contract.signed, command, context, effective_on)]
        case AssignService():
            return [_assign(contract, contract.signed, command, context, effective_on)]
        case ActivateService():
            return [_activate(contract, command, effective_on)]
        case RepriceService():
            service, account = _active(contract, command.contract, command.service, effective_on)
            return [
                ServiceRepriced(
                    contract=command.contract,
                    service=command.service,
                    account=account,
                    mrc_minor=command.mrc_minor,
                    former_mrc_minor=service.mrc_minor,
                    currency=contract.signed.currency,
                    effective_on=effective_on,
                )
            ]
        case DisconnectService():
            _, account = _active(contract, command.contract, command.service, effective_on)
            return [
                ServiceDisconnected(
                    contract=command.contract, service=command.service, account=account, effective_on=effective_on
                )
            ]
        case RenewContract():
            services = tuple(
                RenewedService(service=service_id, account=service.account)
                for service_id, service in contract.services.items()
                if service.account is not None
            )
            return [
                ContractRenewed(
                    contract=command.contract,
                    term_months=command.term_months,
                    services=services,
                    effective_on=effective_on,
                )
            ]
        case _:
            assert_never(command)


def _sign(contract: Contract, command: SignContract, context: Context) -> ContractSigned:
    if contract.signed is not None:
        raise ContractAlreadySigned(f"contract {command.contract} is signed already")
    customer = context.state(customer_stream(command.customer))
    onboarded(customer, command.customer)
    pays_in = contracted(context.state(vendor_stream(command.vendor)), command.vendor).currency
    if command.currency != pays_in:
        raise CurrencyWrong(f"contract {command.contract} is in {command.currency}; {command.vendor} pays in {pays_in}")
    if command.deal is not None:
        deal = customer.deals.get(command.deal)
        if deal is None or deal.outcome != "won":
            raise DealNotWon(f"deal {command.deal} of {command.customer} is not won; win it first")
    return ContractSigned(
        contract=command.contract,
        customer=command.customer,
        vendor=command.vendor,
        term_months=command.term_months,
        currency=command.currency,
        deal=command.deal,
        effective_on=command.effective_on or context.today,
    )


def _order(
    contract: Contract, signed: ContractSigned, command: OrderService, context: Context, effective_on: date
) -> ServiceOrdered:
    if command.service in contract.services:
        raise ServiceAlreadyOrdered(f"service {command.service} is ordered under {command.contract} already")
    products = context.state(vendor_stream(signed.vendor)).products
    if command.product is not None and command.product not in products:
        raise ProductUnknown(f"{signed.vendor} does not list {command.product}; list the product first")
    return ServiceOrdered(
        contract=command.contract,
        service=command.service,
        product=command.product,
        category=products[command.product].category if command.product else None,
        mrc_minor=command.mrc_minor,
        nrc_minor=command.nrc_minor,
        currency=signed.currency,
        effective_on=effective_on,
    )


def _assign(
    contract: Contract, signed: ContractSigned, command: AssignService, context: Context, effective_on: date
) -> ServiceAssigned:
    service = _service(contract, command.contract, command.service)
    if service.account is not None:
        raise ServiceAlreadyAssigned(f"service {command.service} is assigned to {service.account} already")
    holder = opened(context.state(account_stream(command.account)), command.account).customer
    if holder != signed.customer:
        raise AccountOfAnotherCustomer(
            f"account {command.account} is {holder}'s; {command.contract} was signed by {signed.customer}"
        )
    return ServiceAssigned(
        contract=command.contract,
        service=command.service,
        account=command.account,
        customer=signed.customer,
        vendor=signed.vendor,
        product=service.ordered.product,
        category=service.ordered.category,
        mrc_minor=service.mrc_minor,
        currency=signed.currency,
        contract_signed_on=signed.effective_on,
        contract_renewed_on=contract.renewed_on,
        effective_on=effective_on,
    )


def _activate(contract: Contract, command: ActivateService, effective_on: date) -> ServiceActivated:
    service = _service(contract, command.contract, command.service)
    if service.account is None:
        raise ServiceNotAssigned(f"service {command.service} has no account; assign it first")
    if service.activated_on is not None:
        raise ServiceAlreadyActivated(f"service {command.service} is active since {service.activated_on} already")
    return ServiceActivated(
        contract=command.contract, service=command.service, account=service.account, effective_on=effective_on
    )


def _service(contract: Contract, contract_id: str, service_id: str) -> Service:
    if service_id not in contract.services:
        raise ServiceUnknown(f"service {service_id} is not ordered under {contract_id}; order it first")
    return contract.services[service_id]


def _active(contract: Contract, contract_id: str, service_id: str, on: date) -> tuple[Service, str]:
    service = _service(contract, contract_id, service_id)
    if service.account is None or service.activated_on is None or service.disconnected_on is not None:
        raise ServiceNotActive(f"service {service_id} is not active")
    if on < service.activated_on:
        raise DateBeforeStart(f"service {service_id} was activated on {service.activated_on}; {on} is before that")
    return service, service.account
