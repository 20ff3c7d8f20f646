"""Customers are onboarded once; their deals are in ``test_deal``."""

from domain.customer import CustomerAlreadyOnboarded, CustomerOnboarded, OnboardCustomer
from tests.spec import DAY, given


def test_a_customer_is_onboarded_once() -> None:
    onboard = OnboardCustomer(customer="alder-foods")
    house = given().when(onboard).then(CustomerOnboarded(customer="alder-foods", effective_on=DAY))
    house.when(onboard).then_refused(CustomerAlreadyOnboarded, "customer alder-foods is onboarded already")
