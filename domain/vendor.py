"""A vendor: who provides and bills the service and pays commission to the house.

    (unknown) ── VendorContracted ──▶ contracted ── ProductsListed … ──▶
    agreement:  in force ── VendorAgreementEnded ──▶ ended ── VendorAgreementResumed ──▶ in force

Units: ``statement_lag_months`` counts whole months from the service month to the statement month.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, assert_never

from pydantic import Field, StringConstraints, model_validator

from domain.ids import CategoryId, ProductId, VendorId, vendor_stream
from domain.message import Command, Context, Event, Model, Refused, Streams, Upcasts, unchanged
from domain.money import Currency


class VendorTerms(Model):
    """What the vendor's agreement with the house says, where it differs from the house's stated choices."""

    evergreen: bool = True
    """Commission is paid on after the end of the vendor's agreement with the house."""
    protection_days: Annotated[int, Field(ge=0, le=3650)] = 90
    """How long a registration of a deal is protected."""
    dispute_days: Annotated[int, Field(ge=0, le=3650)] | None = None
    """Within how many days a statement may be disputed (180 at Qwest: published clause L01)."""
    rescission_business_days: Annotated[int, Field(ge=1, le=60)] | None = None
    """For so many business days after the house accepted it, the former agent may rescind a change."""
    rescission_calendar_days: Annotated[int, Field(ge=1, le=90)] | None = None
    """The same in calendar days (5 at AmRisc: published example B03); one of the two."""
    rescission_holidays: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")] = "US"
    """Whose holidays are no business days: a country, or a state of it such as ``US-NY``."""
    agent_of_record_notice_days: Annotated[int, Field(ge=0, le=365)] | None = None
    """A letter comes more than so many days before the change takes effect (10 at AmRisc: B03), or is not accepted."""
    confirms_agent_of_record: bool = False
    """A change of the agent of record counts only once the vendor has confirmed it."""

    @property
    def has_rescission_window(self) -> bool:
        return self.rescission_business_days is not None or self.rescission_calendar_days is not None


class Product(Model):
    product: ProductId
    category: CategoryId
    charge: Literal["recurring", "one-time"] = "recurring"


# -- events


class VendorContracted(Event, topic="vendor.contracted", version=2):
    """Version 2 knows a rescission window and the vendor's confirmation of changes of the agent of record."""

    upcasts: ClassVar[Upcasts] = {1: unchanged}

    vendor: VendorId
    currency: Currency
    statement_lag_months: int
    terms: VendorTerms


class ProductsListed(Event, topic="vendor.products_listed"):
    vendor: VendorId
    products: tuple[Product, ...]


class VendorAgreementEnded(Event, topic="vendor.agreement_ended"):
    """``effective_on`` is the first day without it. ``evergreen``: the vendor pays commission on; else nobody here is
    paid for the first whole month after it and the later ones."""

    vendor: VendorId
    evergreen: bool


class VendorAgreementResumed(Event, topic="vendor.agreement_resumed"):
    """From the month of ``effective_on`` on the agreement is in force again."""

    vendor: VendorId
    ended_on: date


VendorEvent = VendorContracted | ProductsListed | VendorAgreementEnded | VendorAgreementResumed

# -- commands


class ContractVendor(Command, do="contract_vendor"):
    vendor: VendorId
    currency: Currency = "USD"
    statement_lag_months: Annotated[int, Field(ge=0, le=24)] = 1
    terms: VendorTerms = VendorTerms()
    effective_on: date | None = None

    @model_validator(mode="after")
    def _one_window(self) -> "ContractVendor":
        if self.terms.rescission_business_days is not None and self.terms.rescission_calendar_days is not None:
            raise ValueError("the rescission window is counted in business days or in calendar days, not in both")
        return self

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((vendor_stream(self.vendor),))


class ListProducts(Command, do="list_products"):
    vendor: VendorId
    products: Annotated[tuple[Product, ...], Field(min_length=1, max_length=500)]
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((vendor_stream(self.vendor),))


class EndVendorAgreement(Command, do="end_vendor_agreement"):
    """``evergreen`` left out: as the vendor's terms say."""

    vendor: VendorId
    evergreen: bool | None = None
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((vendor_stream(self.vendor),))


class ResumeVendorAgreement(Command, do="resume_vendor_agreement"):
    """Given with the day on which the agreement ended, it never ended."""

    vendor: VendorId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((vendor_stream(self.vendor),))


VendorCommand = ContractVendor | ListProducts | EndVendorAgreement | ResumeVendorAgreement

# -- refusals


class VendorAlreadyContracted(Refused):
    """A vendor is contracted once."""


class VendorUnknown(Refused):
    """Nothing is sold, billed or paid under a vendor that is not contracted."""


class CurrencyWrong(Refused):
    """A vendor bills, states and pays in the currency of its agreement with the house."""


class VendorAgreementHasEnded(Refused):
    """A vendor's agreement ends once, until it is resumed."""


class VendorAgreementInForce(Refused):
    """Only an agreement that has ended is resumed, from the day of its end or a later one."""


class ProductListedTwice(Refused):
    """A product has one category; it is listed once."""


# -- state


@dataclass(frozen=True, slots=True)
class Vendor:
    contracted: VendorContracted | None = None
    products: Mapping[str, Product] = field(default_factory=dict)
    ended: VendorAgreementEnded | None = None


EMPTY = Vendor()


def evolve(vendor: Vendor, event: VendorEvent) -> Vendor:
    match event:
        case VendorContracted():
            return replace(vendor, contracted=event)
        case ProductsListed():
            return replace(vendor, products={**vendor.products, **{p.product: p for p in event.products}})
        case VendorAgreementEnded():
            return replace(vendor, ended=event)
        case VendorAgreementResumed():
            return replace(vendor, ended=None)
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
        case EndVendorAgreement():
            terms = contracted(vendor, command.vendor).terms
            if vendor.ended is not None:
                raise VendorAgreementHasEnded(
                    f"the agreement of {command.vendor} with the house ended on {vendor.ended.effective_on} already"
                )
            evergreen = terms.evergreen if command.evergreen is None else command.evergreen
            return [VendorAgreementEnded(vendor=command.vendor, evergreen=evergreen, effective_on=effective_on)]
        case ResumeVendorAgreement():
            return [_resume(vendor, command, effective_on)]
        case _:
            assert_never(command)


def _resume(vendor: Vendor, command: ResumeVendorAgreement, effective_on: date) -> VendorAgreementResumed:
    contracted(vendor, command.vendor)
    if vendor.ended is None:
        raise VendorAgreementInForce(f"the agreement of {command.vendor} with the house is in force; it has not ended")
    ended_on = vendor.ended.effective_on
    if effective_on < ended_on:
        raise VendorAgreementInForce(
            f"the agreement of {command.vendor} with the house was in force until {ended_on}; resume it from that day "
            f"or a later one, not from {effective_on}"
        )
    return VendorAgreementResumed(vendor=command.vendor, ended_on=ended_on, effective_on=effective_on)
