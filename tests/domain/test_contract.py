"""Contracts and their services: signed, ordered, assigned, activated, repriced, disconnected, renewed."""

from datetime import date

import pytest
from pydantic import ValidationError

from domain.account import AccountUnknown
from domain.contract import (
    AccountOfAnotherCustomer,
    ActivateService,
    AssignService,
    ContractAlreadySigned,
    ContractRenewed,
    ContractSigned,
    ContractUnknown,
    DateBeforeStart,
    DealNotWon,
    DisconnectService,
    OrderService,
    ProductUnknown,
    RenewContract,
    RenewedService,
    RepriceService,
    ServiceActivated,
    ServiceAlreadyActivated,
    ServiceAlreadyAssigned,
    ServiceAlreadyOrdered,
    ServiceAssigned,
    ServiceDisconnected,
    ServiceNotActive,
    ServiceNotAssigned,
    ServiceOrdered,
    ServiceRepriced,
    ServiceUnknown,
    SignContract,
)
from domain.customer import CustomerUnknown, OnboardCustomer
from domain.deal import LoseDeal, RegisterDeal, WinDeal
from domain.message import Command
from domain.vendor import CurrencyWrong, VendorUnknown
from tests.spec import ALDER_FOODS, BOOK, CONTRACT, DAY, LUMEN, SIGNED_ON, account, given

SIGN = CONTRACT[0]
DIA = "C-1/dia"
SIGNED = (LUMEN, ALDER_FOODS, account(), CONTRACT)
ORDER = OrderService(contract="C-1", service=DIA, product="dia", mrc_minor=124987, nrc_minor=50000)
ASSIGN = AssignService(contract="C-1", service=DIA, account="ACC-1")
ACTIVATE = ActivateService(contract="C-1", service=DIA)
REGISTER = RegisterDeal(customer="alder-foods", deal="D-1", agent="harbor", vendor="lumen")


def reprice(on: date = DAY, mrc_minor: int = 99900, service: str = DIA) -> RepriceService:
    return RepriceService(contract="C-1", service=service, mrc_minor=mrc_minor, effective_on=on)


def disconnect(on: date = DAY, service: str = DIA) -> DisconnectService:
    return DisconnectService(contract="C-1", service=service, effective_on=on)


# -- the contract


def test_a_contract_is_signed() -> None:
    given(LUMEN, ALDER_FOODS).when(SIGN).then(
        ContractSigned(
            contract="C-1",
            customer="alder-foods",
            vendor="lumen",
            term_months=36,
            currency="USD",
            effective_on=SIGNED_ON,
        )
    )


def test_a_contract_is_signed_once() -> None:
    given(SIGNED).when(SIGN).then_refused(ContractAlreadySigned, "contract C-1 is signed already")


def test_a_contract_is_between_an_onboarded_customer_and_a_contracted_vendor() -> None:
    given(LUMEN).when(SIGN).then_refused(CustomerUnknown)
    given(ALDER_FOODS).when(SIGN).then_refused(VendorUnknown)


def test_a_contract_may_come_from_a_deal_that_was_won() -> None:
    sign = SIGN.model_copy(update={"deal": "D-1"})
    given(BOOK, REGISTER, WinDeal(customer="alder-foods", deal="D-1")).when(
        sign.model_copy(update={"contract": "C-2"})
    ).then(
        ContractSigned(
            contract="C-2",
            customer="alder-foods",
            vendor="lumen",
            term_months=36,
            currency="USD",
            deal="D-1",
            effective_on=SIGNED_ON,
        )
    )


@pytest.mark.parametrize(
    "steps",
    [(), (REGISTER,), (REGISTER, LoseDeal(customer="alder-foods", deal="D-1", lost_because="price"))],
    ids=["not registered", "still open", "lost"],
)
def test_no_contract_comes_from_a_deal_that_was_not_won(steps: tuple[Command, ...]) -> None:
    given(BOOK, steps).when(SIGN.model_copy(update={"contract": "C-2", "deal": "D-1"})).then_refused(
        DealNotWon, "deal D-1 of alder-foods is not won; win it first"
    )


@pytest.mark.parametrize(("term", "taken"), [(-1, False), (0, True), (600, True), (601, False)])
def test_a_term_is_between_none_and_fifty_years(term: int, taken: bool) -> None:
    def sign() -> SignContract:
        return SignContract(contract="C-1", customer="alder-foods", vendor="lumen", term_months=term)

    if taken:
        assert sign().term_months == term
    else:
        with pytest.raises(ValidationError):
            sign()


@pytest.mark.parametrize(
    "command",
    [
        ORDER,
        ASSIGN,
        ACTIVATE,
        reprice(),
        disconnect(),
        RenewContract(contract="C-1", term_months=12, effective_on=DAY),
    ],
    ids=lambda command: command.do,
)
def test_nothing_happens_under_a_contract_before_it_is_signed(command: Command) -> None:
    given(LUMEN, ALDER_FOODS, account()).when(command).then_refused(
        ContractUnknown, "contract C-1 is not signed; sign it first"
    )


def test_a_contract_is_renewed_with_the_services_that_have_an_account() -> None:
    waiting = OrderService(contract="C-1", service="C-1/ucaas", mrc_minor=100)
    given(BOOK, waiting).when(RenewContract(contract="C-1", term_months=12, effective_on=date(2029, 1, 2))).then(
        ContractRenewed(
            contract="C-1",
            term_months=12,
            services=(RenewedService(service=DIA, account="ACC-1"),),
            effective_on=date(2029, 1, 2),
        )
    )


# -- services


def test_a_service_is_ordered_with_its_products_category() -> None:
    given(SIGNED).when(ORDER).then(
        ServiceOrdered(
            contract="C-1",
            service=DIA,
            product="dia",
            category="internet",
            mrc_minor=124987,
            nrc_minor=50000,
            currency="USD",
            effective_on=DAY,
        )
    )


def test_a_service_without_a_product_is_ordered_too() -> None:
    given(SIGNED).when(OrderService(contract="C-1", service=DIA, mrc_minor=0)).then(
        ServiceOrdered(contract="C-1", service=DIA, mrc_minor=0, nrc_minor=0, currency="USD", effective_on=DAY)
    )


def test_a_service_is_ordered_once() -> None:
    given(SIGNED, ORDER).when(ORDER).then_refused(ServiceAlreadyOrdered, "service C-1/dia is ordered under C-1 already")


def test_a_service_is_one_of_the_vendors_products() -> None:
    given(SIGNED).when(ORDER.model_copy(update={"product": "colocation"})).then_refused(
        ProductUnknown, "lumen does not list colocation; list the product first"
    )


@pytest.mark.parametrize(("mrc_minor", "taken"), [(-1, False), (0, True), (10**14, True), (10**14 + 1, False)])
def test_a_charge_is_not_negative_and_not_absurd(mrc_minor: int, taken: bool) -> None:
    if taken:
        assert reprice(mrc_minor=mrc_minor).mrc_minor == mrc_minor
    else:
        with pytest.raises(ValidationError):
            reprice(mrc_minor=mrc_minor)


def test_a_service_is_assigned_to_its_account_with_all_that_rating_needs() -> None:
    given(SIGNED, ORDER).when(ASSIGN).then(
        ServiceAssigned(
            contract="C-1",
            service=DIA,
            account="ACC-1",
            customer="alder-foods",
            vendor="lumen",
            product="dia",
            category="internet",
            mrc_minor=124987,
            currency="USD",
            contract_signed_on=SIGNED_ON,
            effective_on=DAY,
        )
    )


def test_a_service_that_is_assigned_after_a_renewal_knows_of_it() -> None:
    renew = RenewContract(contract="C-1", term_months=12, effective_on=date(2026, 1, 3))
    (event,) = given(SIGNED, ORDER, renew).when(ASSIGN).events
    assert isinstance(event, ServiceAssigned)
    assert event.contract_renewed_on == date(2026, 1, 3)


def test_a_service_bills_under_one_account() -> None:
    given(SIGNED, ORDER, ASSIGN, account("ACC-2", "other")).when(
        ASSIGN.model_copy(update={"account": "ACC-2"})
    ).then_refused(ServiceAlreadyAssigned, "service C-1/dia is assigned to ACC-1 already")


def test_a_service_bills_under_an_account_of_the_customer_that_signed() -> None:
    birch = OnboardCustomer(customer="birch-clinic")
    theirs = account("ACC-2", "other").model_copy(update={"customer": "birch-clinic"})
    given(SIGNED, ORDER, birch, theirs).when(ASSIGN.model_copy(update={"account": "ACC-2"})).then_refused(
        AccountOfAnotherCustomer, "account ACC-2 is birch-clinic's; C-1 was signed by alder-foods"
    )


def test_a_contract_is_in_the_currency_that_the_vendor_pays_in() -> None:
    given(LUMEN, ALDER_FOODS).when(SIGN.model_copy(update={"currency": "CAD"})).then_refused(
        CurrencyWrong, "contract C-1 is in CAD; lumen pays in USD"
    )


def test_a_service_is_assigned_to_an_opened_account() -> None:
    given(SIGNED, ORDER).when(ASSIGN.model_copy(update={"account": "ACC-2"})).then_refused(AccountUnknown)


def test_a_service_is_activated_once() -> None:
    house = given(SIGNED, ORDER, ASSIGN)
    house.when(ACTIVATE).then(ServiceActivated(contract="C-1", service=DIA, account="ACC-1", effective_on=DAY))
    house.when(ACTIVATE).then_refused(ServiceAlreadyActivated, "service C-1/dia is active since 2026-01-05 already")


def test_a_service_is_assigned_before_it_is_activated() -> None:
    given(SIGNED, ORDER).when(ACTIVATE).then_refused(
        ServiceNotAssigned, "service C-1/dia has no account; assign it first"
    )


def test_a_service_is_repriced_from_the_price_before() -> None:
    house = given(BOOK)
    for former, price in ((124987, 99900), (99900, 0)):
        house.when(reprice(date(2026, 2, 1), price)).then(
            ServiceRepriced(
                contract="C-1",
                service=DIA,
                account="ACC-1",
                mrc_minor=price,
                former_mrc_minor=former,
                currency="USD",
                effective_on=date(2026, 2, 1),
            )
        )


def test_a_service_is_disconnected_once_and_then_neither_repriced_nor_disconnected() -> None:
    house = given(BOOK)
    house.when(disconnect(date(2026, 4, 1))).then(
        ServiceDisconnected(contract="C-1", service=DIA, account="ACC-1", effective_on=date(2026, 4, 1))
    )
    house.when(disconnect(date(2026, 5, 1))).then_refused(ServiceNotActive, "service C-1/dia is not active")
    house.when(reprice(date(2026, 3, 1))).then_refused(ServiceNotActive)


@pytest.mark.parametrize("command", [reprice(), disconnect()], ids=["repriced", "disconnected"])
def test_only_an_active_service_is_repriced_or_disconnected(command: Command) -> None:
    given(SIGNED, ORDER, ASSIGN).when(command).then_refused(ServiceNotActive)


@pytest.mark.parametrize("command", [ASSIGN, ACTIVATE, reprice(), disconnect()], ids=lambda command: command.do)
def test_only_an_ordered_service_goes_on(command: Command) -> None:
    given(SIGNED).when(command).then_refused(ServiceUnknown, "service C-1/dia is not ordered under C-1; order it first")


# -- dates


@pytest.mark.parametrize(
    "command", [ORDER, RenewContract(contract="C-1", term_months=1, effective_on=DAY)], ids=lambda command: command.do
)
def test_a_contract_begins_on_the_day_it_is_signed(command: Command) -> None:
    assert given(SIGNED).when(command.model_copy(update={"effective_on": SIGNED_ON})).refusal is None
    given(SIGNED).when(command.model_copy(update={"effective_on": date(2026, 1, 1)})).then_refused(
        DateBeforeStart, "contract C-1 was signed on 2026-01-02; 2026-01-01 is before that"
    )


@pytest.mark.parametrize("command", [reprice(), disconnect()], ids=lambda command: command.do)
def test_a_service_begins_on_the_day_it_is_activated(command: Command) -> None:
    assert given(BOOK).when(command).refusal is None
    given(BOOK).when(command.model_copy(update={"effective_on": date(2026, 1, 4)})).then_refused(
        DateBeforeStart, "service C-1/dia was activated on 2026-01-05; 2026-01-04 is before that"
    )
