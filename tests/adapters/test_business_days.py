"""Business days: no weekends, no holidays of the place; the day itself does not count."""

from datetime import date

import pytest

from adapters.business_days import CalendarUnknown, business_days_after, is_business_day


def test_weekends_and_holidays_of_the_place_are_no_business_days() -> None:
    assert is_business_day(date(2026, 1, 16), "US")
    assert not is_business_day(date(2026, 1, 17), "US"), "a Saturday"
    assert not is_business_day(date(2026, 1, 19), "US"), "Martin Luther King Jr. Day"
    assert is_business_day(date(2026, 1, 19), "DE")


def test_a_state_has_holidays_of_its_own() -> None:
    lincolns_birthday = date(2026, 2, 12)
    assert is_business_day(lincolns_birthday, "US")
    assert not is_business_day(lincolns_birthday, "US-NY")


@pytest.mark.parametrize(
    ("day", "count", "last"),
    [
        (date(2026, 1, 5), 1, date(2026, 1, 6)),
        (date(2026, 1, 5), 10, date(2026, 1, 20)),  # two weekends and a Monday that is a holiday
        (date(2026, 1, 16), 1, date(2026, 1, 20)),  # over the weekend and the holiday after it
        (date(2026, 1, 17), 1, date(2026, 1, 20)),  # from a Saturday
        (date(2025, 12, 31), 1, date(2026, 1, 2)),  # over a new year
    ],
)
def test_the_last_of_so_many_business_days_after_a_day(day: date, count: int, last: date) -> None:
    assert business_days_after(day, count, "US") == last


@pytest.mark.parametrize("place", ["XX", "US-ZZ"])
def test_a_place_without_known_holidays_is_refused(place: str) -> None:
    with pytest.raises(CalendarUnknown, match=f"no holidays are known for {place}; name a country, or a state"):
        business_days_after(date(2026, 1, 5), 1, place)
