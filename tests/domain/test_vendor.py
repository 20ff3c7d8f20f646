"""Vendors: contracted once, each product listed once."""

from datetime import date

import pytest
from pydantic import ValidationError

from domain.vendor import (
    ContractVendor,
    EndVendorAgreement,
    ListProducts,
    Product,
    ProductListedTwice,
    ProductsListed,
    ResumeVendorAgreement,
    VendorAgreementEnded,
    VendorAgreementHasEnded,
    VendorAgreementInForce,
    VendorAgreementResumed,
    VendorAlreadyContracted,
    VendorContracted,
    VendorTerms,
    VendorUnknown,
)
from tests.spec import DAY, LUMEN, given

MARCH = date(2026, 3, 1)
DIA = Product(product="dia", category="internet")
SDWAN = Product(product="sdwan", category="internet")


def test_a_vendor_is_contracted_with_its_terms() -> None:
    terms = VendorTerms(evergreen=False, protection_days=60, dispute_days=180)
    given().when(
        ContractVendor(
            vendor="lumen", currency="CAD", statement_lag_months=2, terms=terms, effective_on=date(2025, 7, 1)
        )
    ).then(
        VendorContracted(
            vendor="lumen", currency="CAD", statement_lag_months=2, terms=terms, effective_on=date(2025, 7, 1)
        )
    )


def test_a_contract_without_a_date_holds_from_the_open_day() -> None:
    given().when(ContractVendor(vendor="lumen")).then(
        VendorContracted(vendor="lumen", currency="USD", statement_lag_months=1, terms=VendorTerms(), effective_on=DAY)
    )


def test_a_vendor_is_contracted_once() -> None:
    given(LUMEN).when(ContractVendor(vendor="lumen")).then_refused(
        VendorAlreadyContracted, "vendor lumen is contracted already"
    )


def test_products_are_listed_and_more_of_them_later() -> None:
    given(LUMEN).when(ListProducts(vendor="lumen", products=(SDWAN,))).then(
        ProductsListed(vendor="lumen", products=(SDWAN,), effective_on=DAY)
    )


def test_only_a_contracted_vendor_lists_products() -> None:
    given().when(ListProducts(vendor="lumen", products=(DIA,))).then_refused(
        VendorUnknown, "vendor lumen is not contracted; contract it first"
    )


def test_a_product_that_was_listed_is_not_listed_again() -> None:
    given(LUMEN).when(ListProducts(vendor="lumen", products=(SDWAN, DIA))).then_refused(
        ProductListedTwice, "vendor lumen lists dia already; list each once"
    )


def test_a_product_is_not_listed_twice_at_once() -> None:
    given(LUMEN).when(ListProducts(vendor="lumen", products=(SDWAN, SDWAN))).then_refused(ProductListedTwice)


@pytest.mark.parametrize("lag", [0, 24])
def test_the_lag_is_between_no_month_and_two_years(lag: int) -> None:
    assert ContractVendor(vendor="lumen", statement_lag_months=lag).statement_lag_months == lag


@pytest.mark.parametrize("lag", [-1, 25])
def test_a_lag_beyond_that_is_a_mistake(lag: int) -> None:
    with pytest.raises(ValidationError):
        ContractVendor(vendor="lumen", statement_lag_months=lag)


@pytest.mark.parametrize(("count", "taken"), [(0, False), (1, True), (500, True), (501, False)])
def test_one_to_five_hundred_products_are_listed_at_a_time(count: int, taken: bool) -> None:
    products = tuple(Product(product=f"p{n}", category="voice") for n in range(count))
    if taken:
        assert len(ListProducts(vendor="lumen", products=products).products) == count
    else:
        with pytest.raises(ValidationError):
            ListProducts(vendor="lumen", products=products)


# -- the end of the agreement


def test_a_vendors_agreement_ends_and_its_terms_say_whether_commission_is_paid_on() -> None:
    given(LUMEN).when(EndVendorAgreement(vendor="lumen", effective_on=MARCH)).then(
        VendorAgreementEnded(vendor="lumen", evergreen=True, effective_on=MARCH)
    )
    without = ContractVendor(vendor="zito", terms=VendorTerms(evergreen=False))
    given(without).when(EndVendorAgreement(vendor="zito")).then(
        VendorAgreementEnded(vendor="zito", evergreen=False, effective_on=DAY)
    )


def test_the_settlement_at_the_end_may_say_otherwise_than_the_terms() -> None:
    given(LUMEN).when(EndVendorAgreement(vendor="lumen", evergreen=False, effective_on=MARCH)).then(
        VendorAgreementEnded(vendor="lumen", evergreen=False, effective_on=MARCH)
    )


def test_an_agreement_ends_once_until_it_is_resumed() -> None:
    end = EndVendorAgreement(vendor="lumen", effective_on=MARCH)
    house = given(LUMEN, end)
    house.when(end).then_refused(
        VendorAgreementHasEnded, "the agreement of lumen with the house ended on 2026-03-01 already"
    )
    house.when(ResumeVendorAgreement(vendor="lumen", effective_on=MARCH)).then(
        VendorAgreementResumed(vendor="lumen", ended_on=MARCH, effective_on=MARCH)
    )
    assert house.when(end).refusal is None


def test_only_what_has_ended_is_resumed_and_not_before_its_end() -> None:
    resume = ResumeVendorAgreement(vendor="lumen", effective_on=date(2026, 2, 1))
    given(LUMEN).when(resume).then_refused(VendorAgreementInForce)
    given(LUMEN, EndVendorAgreement(vendor="lumen", effective_on=MARCH)).when(resume).then_refused(
        VendorAgreementInForce,
        "the agreement of lumen with the house was in force until 2026-03-01; resume it from that day or a later one, "
        "not from 2026-02-01",
    )
    given().when(resume).then_refused(VendorUnknown)
