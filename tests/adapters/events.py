"""Events for tests of the log, to which it is all the same what they say."""

from datetime import date

from domain.calendar import DayOpened
from domain.log import NewEvent
from domain.message import Actor, Envelope

DAY = date(2026, 1, 5)
ENVELOPE = Envelope(actor=Actor(subject="ann"), command_id="c-1", correlation_id="c-1")
DIGEST = "d" * 64


def new_event(stream: str, version: int, because: str | None = None) -> NewEvent:
    """The version-th event of a stream; ``because`` is text to make it as large as wanted."""
    envelope = ENVELOPE.model_copy(update={"causation_id": because}) if because else ENVELOPE
    return NewEvent(stream, version, DayOpened(effective_on=DAY), envelope)
