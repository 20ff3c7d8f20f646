"""Vendors: contracted once, each product listed once."""

from datetime import date

import pytest
from pydantic import ValidationError

from domain.vendor import (
    ContractVendor,
    ListProducts,
    Product,
    ProductListedTwice,
    ProductsListed,
    VendorAlreadyContracted,
    VendorContracted,
    VendorTerms,
    VendorUnknown,
)
from tests.spec import DAY, LUMEN, given

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
