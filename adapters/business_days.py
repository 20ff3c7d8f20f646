"""Business days of a country or a state of it, by a library's holidays: counted at the edge, recorded in events."""

from datetime import date, timedelta
from functools import lru_cache

import holidays

SATURDAY = 5


class CalendarUnknown(Exception):
    """No holidays are known for a country or state. The message is one sentence."""


@lru_cache
def _holidays(place: str) -> holidays.HolidayBase:
    country, _, state = place.partition("-")
    try:
        return holidays.country_holidays(country, subdiv=state or None)
    except NotImplementedError:
        raise CalendarUnknown(f"no holidays are known for {place}; name a country, or a state such as US-NY") from None


def is_business_day(day: date, place: str) -> bool:
    """No Saturday, no Sunday, no holiday of the place. Raises CalendarUnknown."""
    return day.weekday() < SATURDAY and day not in _holidays(place)


def business_days_after(day: date, count: int, place: str) -> date:
    """The last of so many business days after a day; the day itself does not count. Raises CalendarUnknown."""
    while count:
        day += timedelta(1)
        count -= is_business_day(day, place)
    return day
