"""How the plan of a vendor's succession is told."""

from typing import assert_never

from domain.ids import succession_stream, vendor_stream
from domain.succession import SuccessionAnnounced, SuccessionCompleted, SuccessionContinued, SuccessionEvent
from domain.words import counted
from projections.audit_trail.words import Writer


def tell(event: SuccessionEvent, to: Writer) -> None:
    """To both vendors; each account is told by its own event."""
    what = f"the succession of {event.vendor} by {event.successor} on {event.effective_on}"
    stream = succession_stream(event.vendor, event.successor, event.effective_on)
    match event:
        case SuccessionAnnounced():
            collisions = f", {counted(len(event.collisions), 'collision')}" if event.collisions else ""
            sentence = (
                f"{event.successor} was announced to succeed {event.vendor} on {event.effective_on}: "
                f"{counted(event.account_count, 'account')}; numbers not listed are {event.other_numbers}{collisions}."
            )
        case SuccessionContinued():
            sentence = f"The plan of {what} went on: part {event.event_no} of {event.event_count}."
        case SuccessionCompleted():
            moved = counted(event.succeeded_count, "account")
            left = f"; {counted(len(event.left_out), 'account')} left out" if event.left_out else ""
            sentence = f"{what[0].upper()}{what[1:]} was completed: {moved} moved{left}."
        case _:
            assert_never(event)
    to.tell(sentence, stream, vendor_stream(event.vendor), vendor_stream(event.successor))
