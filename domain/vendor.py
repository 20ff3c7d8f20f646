"""A vendor: who provides and bills the service and pays commission to the house.

    (unknown) ── VendorContracted ──▶ contracted ── ProductsListed … ──▶

Units: ``statement_lag_months`` counts whole months from the service month to the statement month.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Any, Literal, assert_never

from pydantic import Field

from domain.ids import CategoryId, ProductId, VendorId, vendor_stream
from domain.message import Command, Context, Event, Model, Refused, Streams
from domain.money import Currency


class VendorTerms(Model):
    """What the vendor's agreement with the house says, where it differs from the house's stated choices."""

    evergreen: bool = True
    """Commission is paid on after the end of the vendor's agreement with the house."""
    protection_days: Annotated[int, Field(ge=0, le=3650)] = 90
    """How long a registration of a deal is protected."""
    dispute_days: Annotated[int, Field(ge=0, le=3650)] | None = None
    """Within how many days a statement may be disputed (180 at Qwest: published clause L01)."""


class Product(Model):
    product: ProductId
    category: CategoryId
    charge: Literal["recurring", "one-time"] = "recurring"


# -- events


class VendorContracted(Event, topic="vendor.contracted"):
    vendor: VendorId
    currency: Currency
    statement_lag_months: int
    terms: VendorTerms


class ProductsListed(Event, topic="vendor.products_listed"):
    vendor: VendorId
    products: tuple[Product, ...]


VendorEvent = VendorContracted | ProductsListed

# -- commands


class ContractVendor(Command, do="contract_vendor"):
    vendor: VendorId
    currency: Currency = "USD"
    statement_lag_months: Annotated[int, Field(ge=0, le=24)] = 1
    terms: VendorTerms = VendorTerms()
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((vendor_stream(self.vendor),))


class ListProducts(Command, do="list_products"):
    vendor: VendorId
    products: Annotated[tuple[Product, ...], Field(min_length=1, max_length=500)]
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((vendor_stream(self.vendor),))


VendorCommand = ContractVendor | ListProducts

# -- refusals


class VendorAlreadyContracted(Refused):
    """A vendor is contracted once."""


class VendorUnknown(Refused):
    """Nothing is sold, billed or paid under a vendor that is not contracted."""


class CurrencyWrong(Refused):
    """A vendor bills, states and pays in the currency of its agreement with the house."""


class ProductListedTwice(Refused):
    """A product has one category; it is listed once."""


# -- state


@dataclass(frozen=True, slots=True)
class Vendor:
    contracted: VendorContracted | None = None
    products: Mapping[str, Product] = field(default_factory=dict)


EMPTY = Vendor()


def evolve(vendor: Vendor, event: VendorEvent) -> Vendor:
    match event:
        case VendorContracted():
            return replace(vendor, contracted=event)
        case ProductsListed():
            return replace(vendor, products={**vendor.products, **{p.product: p for p in event.products}})
        case _:
            assert_never(event)


def contracted(vendor: Vendor, vendor_id: str) -> VendorContracted:
    """The vendor's contract. Raises VendorUnknown."""
    if vendor.contracted is None:
        raise VendorUnknown(f"vendor {vendor_id} is not contracted; contract it first")
    return vendor.contracted


# -- decisions


def decide(vendor: Vendor, command: VendorCommand, context: Context) -> list[VendorEvent]:
    effective_on = command.effective_on or context.today
    match command:
        case ContractVendor():
            if vendor.contracted is not None:
                raise VendorAlreadyContracted(f"vendor {command.vendor} is contracted already")
            return [
                VendorContracted(
                    vendor=command.vendor,
                    currency=command.currency,
                    statement_lag_months=command.statement_lag_months,
                    terms=command.terms,
                    effective_on=effective_on,
                )
            ]
        case ListProducts():
            contracted(vendor, command.vendor)
            names = [p.product for p in command.products]
            if again := sorted({n for n in names if n in vendor.products or names.count(n) > 1}):
                raise ProductListedTwice(f"vendor {command.vendor} lists {', '.join(again)} already; list each once")
            return [ProductsListed(vendor=command.vendor, products=command.products, effective_on=effective_on)]
        case _:
            assert_never(command)
