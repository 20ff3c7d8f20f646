"""Months, counted and written."""

from datetime import date, timedelta

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain import months

month: TypeAdapter[str] = TypeAdapter(months.Month)
days = st.dates(date(1900, 1, 1), date(2099, 12, 31))


@pytest.mark.parametrize("text", ["1900-01", "2026-12", "2099-09"])
def test_a_month_is_a_year_and_two_digits(text: str) -> None:
    assert month.validate_python(text) == text


@pytest.mark.parametrize("text", ["2026-00", "2026-13", "2026-1", "1899-12", "2100-01", "2026-01-01", "202601", ""])
def test_what_is_not_a_month_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        month.validate_python(text)


def test_months_are_counted_across_years() -> None:
    assert months.number("2026-01") - 1 == months.number("2025-12")
    assert months.text(months.number("2026-01") - 1) == "2025-12"


@for_all(days)
def test_a_day_lies_in_its_month(day: date) -> None:
    number = months.number_of(day)
    assert months.number(months.text(number)) == number
    assert months.text(number) == day.strftime("%Y-%m")
    assert months.first_day(number) <= day <= months.last_day(number)
    assert months.last_day(number) + timedelta(days=1) == months.first_day(number + 1)


@pytest.mark.parametrize(
    ("day", "first"),
    [(date(2026, 1, 1), "2026-01"), (date(2026, 1, 2), "2026-02"), (date(2025, 12, 31), "2026-01")],
)
def test_the_first_month_that_begins_on_a_day_or_after_it(day: date, first: str) -> None:
    assert months.text(months.first_month_from(day)) == first


@pytest.mark.parametrize(("text", "last"), [("2024-02", date(2024, 2, 29)), ("2026-02", date(2026, 2, 28))])
def test_a_month_ends_on_its_last_day(text: str, last: date) -> None:
    assert months.last_day(months.number(text)) == last


@pytest.mark.parametrize(
    ("day", "count", "later"),
    [
        (date(2026, 1, 15), 12, date(2027, 1, 15)),
        (date(2026, 8, 31), 6, date(2027, 2, 28)),
        (date(2023, 8, 31), 6, date(2024, 2, 29)),
        (date(2026, 12, 1), 1, date(2027, 1, 1)),
        (date(9999, 1, 1), 12, date.max),
    ],
)
def test_so_many_months_later_it_is_the_same_day_or_the_last_of_a_shorter_month(
    day: date, count: int, later: date
) -> None:
    assert months.later(day, count) == later
