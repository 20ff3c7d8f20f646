"""The house's calendar: a day is opened once, and only forward."""

from datetime import date

import pytest

from domain.calendar import DayNotLater, DayOpened, OpenDay
from domain.customer import OnboardCustomer
from domain.message import NoDayOpen
from tests.spec import DAY, Given, given


def test_the_first_day_may_be_any_day() -> None:
    Given().when(OpenDay(date=date(1999, 12, 31))).then(DayOpened(effective_on=date(1999, 12, 31)))


def test_the_next_day_opens() -> None:
    given().when(OpenDay(date=date(2026, 1, 6))).then(DayOpened(effective_on=date(2026, 1, 6)))


def test_days_without_work_are_passed_over() -> None:
    given().when(OpenDay(date=date(2026, 3, 1))).then(DayOpened(effective_on=date(2026, 3, 1)))


@pytest.mark.parametrize("day", [DAY, date(2026, 1, 4)])
def test_the_open_day_and_any_before_it_are_not_opened_again(day: date) -> None:
    given().when(OpenDay(date=day)).then_refused(
        DayNotLater, f"2026-01-05 is open already; open a later day than {day}"
    )


def test_nothing_is_recorded_before_a_day_is_open() -> None:
    Given().when(OnboardCustomer(customer="alder-foods")).then_refused(
        NoDayOpen, "no day is open in the house's calendar; open one with `trailbook day open` or with `on:`"
    )
