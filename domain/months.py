"""Months: ``2026-01`` in events and files, a month number (year * 12 + month - 1) where they are counted."""

from calendar import monthrange
from datetime import date
from functools import lru_cache
from typing import Annotated

from pydantic import StringConstraints

Month = Annotated[str, StringConstraints(pattern=r"^(19|20)\d\d-(0[1-9]|1[0-2])$")]


def number(month: str) -> int:
    """The month number of ``2026-01``."""
    return int(month[:4]) * 12 + int(month[5:7]) - 1


def number_of(day: date) -> int:
    """The month number of the month in which the day lies."""
    return day.year * 12 + day.month - 1


def text(month_no: int) -> str:
    """``2026-01`` for its month number."""
    return f"{month_no // 12:04d}-{month_no % 12 + 1:02d}"


@lru_cache(maxsize=4096)
def first_day(month_no: int) -> date:
    return date(month_no // 12, month_no % 12 + 1, 1)


@lru_cache(maxsize=4096)
def last_day(month_no: int) -> date:
    year, month = month_no // 12, month_no % 12 + 1
    return date(year, month, monthrange(year, month)[1])


def later(day: date, count: int) -> date:
    """The same day of the month so many months later, or the last day of a shorter month; at most the last date."""
    month_no = number_of(day) + count
    if month_no > number_of(date.max):
        return date.max
    return first_day(month_no).replace(day=min(day.day, last_day(month_no).day))


def first_month_from(day: date) -> int:
    """The first month that begins on the day or after it."""
    return number_of(day) + (day.day > 1)
