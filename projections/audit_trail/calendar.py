"""How the calendar's events are told."""

from typing import assert_never

from domain.calendar import CalendarEvent, DayOpened
from projections.audit_trail.words import HOUSE, Writer


def tell(event: CalendarEvent, to: Writer) -> None:
    match event:
        case DayOpened():
            to.tell(f"The day {event.effective_on} was opened.", HOUSE)
        case _:
            assert_never(event)
