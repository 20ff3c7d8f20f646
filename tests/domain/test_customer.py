"""Customers and their deals: one registration each, won or lost once."""

from datetime import date

import pytest

from domain.agent import AgentIsTerminated, AgentUnknown, TerminateAgent
from domain.customer import (
    CustomerAlreadyOnboarded,
    CustomerOnboarded,
    CustomerUnknown,
    DealAlreadyRegistered,
    DealClosed,
    DealLost,
    DealRegistered,
    DealUnknown,
    DealWon,
    LoseDeal,
    OnboardCustomer,
    RegisterDeal,
    WinDeal,
)
from domain.message import Command
from domain.vendor import VendorUnknown
from tests.spec import AGENTS, ALDER_FOODS, DAY, LUMEN, PLAN, given

BOOK = (LUMEN, ALDER_FOODS, PLAN, AGENTS)
REGISTER = RegisterDeal(
    customer="alder-foods", deal="D-1", agent="harbor", vendor="lumen", products=("dia",), scope="two sites"
)
WIN = WinDeal(customer="alder-foods", deal="D-1")
LOSE = LoseDeal(customer="alder-foods", deal="D-1", lost_because="stays with the incumbent")


def test_a_customer_is_onboarded_once() -> None:
    onboard = OnboardCustomer(customer="alder-foods")
    house = given().when(onboard).then(CustomerOnboarded(customer="alder-foods", effective_on=DAY))
    house.when(onboard).then_refused(CustomerAlreadyOnboarded, "customer alder-foods is onboarded already")


def test_an_agent_registers_a_deal() -> None:
    given(BOOK).when(REGISTER).then(
        DealRegistered(
            customer="alder-foods",
            deal="D-1",
            agent="harbor",
            vendor="lumen",
            products=("dia",),
            scope="two sites",
            effective_on=DAY,
        )
    )


def test_a_deal_belongs_to_an_onboarded_customer() -> None:
    given(LUMEN, PLAN, AGENTS).when(REGISTER).then_refused(
        CustomerUnknown, "customer alder-foods is not onboarded; onboard the customer first"
    )


def test_only_a_recruited_agent_registers() -> None:
    given(LUMEN, ALDER_FOODS).when(REGISTER).then_refused(AgentUnknown)


def test_only_a_contracted_vendor_is_sold() -> None:
    given(ALDER_FOODS, PLAN, AGENTS).when(REGISTER).then_refused(VendorUnknown)


@pytest.mark.parametrize(("ends_on", "taken"), [(DAY, False), (date(2026, 1, 6), True)])
def test_an_agent_registers_until_the_day_of_its_termination(ends_on: date, taken: bool) -> None:
    outcome = given(BOOK, TerminateAgent(agent="harbor", effective_on=ends_on)).when(REGISTER)
    if taken:
        assert [type(event) for event in outcome.events] == [DealRegistered]
    else:
        outcome.then_refused(AgentIsTerminated)


def test_a_rival_meets_the_registration_that_came_first() -> None:
    given(BOOK, REGISTER).when(REGISTER.model_copy(update={"agent": "summit"})).then_refused(
        DealAlreadyRegistered, "deal D-1 is registered by harbor already"
    )


def test_another_deal_of_the_same_customer_is_free() -> None:
    outcome = given(BOOK, REGISTER).when(REGISTER.model_copy(update={"agent": "summit", "deal": "D-2"}))
    assert [type(event) for event in outcome.events] == [DealRegistered]


def test_a_deal_is_won_by_who_registered_it() -> None:
    given(BOOK, REGISTER).when(WIN).then(DealWon(customer="alder-foods", deal="D-1", agent="harbor", effective_on=DAY))


def test_a_deal_is_lost_with_a_reason() -> None:
    given(BOOK, REGISTER).when(LOSE).then(
        DealLost(
            customer="alder-foods",
            deal="D-1",
            agent="harbor",
            lost_because="stays with the incumbent",
            effective_on=DAY,
        )
    )


@pytest.mark.parametrize("command", [WIN, LOSE], ids=["won", "lost"])
def test_only_a_registered_deal_is_won_or_lost(command: Command) -> None:
    given(BOOK).when(command).then_refused(DealUnknown, "deal D-1 is not registered; register it first")


@pytest.mark.parametrize("again", [WIN, LOSE], ids=["won", "lost"])
@pytest.mark.parametrize(("first", "outcome"), [(WIN, "won"), (LOSE, "lost")], ids=["after won", "after lost"])
def test_a_deal_is_won_or_lost_once(first: Command, outcome: str, again: Command) -> None:
    given(BOOK, REGISTER, first).when(again).then_refused(DealClosed, f"deal D-1 is {outcome} already")
