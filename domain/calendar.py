"""The house's calendar: time as a fact.

    (no day) ── DayOpened ──▶ day 1 ── DayOpened ──▶ a later day …

One stream, ``calendar:house``. The open day is the house's booking day: every event is recorded on it, whatever the
clock or the time zone of a machine says. Dates are calendar dates of the house.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, assert_never

from domain.ids import CALENDAR
from domain.message import Command, Context, Event, Refused, Streams

# -- events


class DayOpened(Event, topic="calendar.day_opened"):
    """The house opened the day ``effective_on``; the days in between, if any, passed without work."""


CalendarEvent = DayOpened

# -- commands


class OpenDay(Command, do="open_day"):
    date: date

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((CALENDAR,))


CalendarCommand = OpenDay

# -- refusals


class DayNotLater(Refused):
    """A day is opened once, and only after the day that is open."""


# -- state


@dataclass(frozen=True, slots=True)
class Calendar:
    open_day: date | None = None


EMPTY = Calendar()


def evolve(calendar: Calendar, event: CalendarEvent) -> Calendar:
    match event:
        case DayOpened():
            return Calendar(event.effective_on)
        case _:
            assert_never(event)


# -- decisions


def decide(calendar: Calendar, command: CalendarCommand, context: Context) -> list[CalendarEvent]:
    match command:
        case OpenDay():
            if calendar.open_day is not None and command.date <= calendar.open_day:
                raise DayNotLater(f"{calendar.open_day} is open already; open a later day than {command.date}")
            return [DayOpened(effective_on=command.date)]
        case _:
            assert_never(command)
