"""Policies: the command that an event makes due, and the day on which it is.

    event ── deadlines ──▶ (due on a day, command) ── DayOpened on or after it ──▶ the scheduler gives the command

The day is a fact of the event. Whether anything is left to do when it comes, the command decides on its own streams: a
command that is moot by then leads to no event, and is not refused. It is given once, under an id made of the event's.
"""

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from domain.agent_of_record import AgentOfRecordChangeAccepted, CloseRescissionWindow
from domain.deal import ExpireRegistration, RegistrationApproved, RegistrationExtended, days_after
from domain.house import HouseEvent
from domain.message import Command
from domain.payout import CommissionHeld, ReleaseHoldback


class Deadline(NamedTuple):
    """``command`` is given on the first day opened on ``due_on`` or after it."""

    due_on: date
    command: Command


def deadlines(event: HouseEvent) -> Iterator[Deadline]:
    """What an event makes due; most events nothing."""
    match event:
        case RegistrationApproved(protected_until=date() as until) | RegistrationExtended(protected_until=until):
            expire = ExpireRegistration(customer=event.customer, deal=event.deal, agent=event.agent)
            yield Deadline(days_after(until, 1), expire)
        case CommissionHeld():
            release = ReleaseHoldback(agent=event.agent, pay_run=event.pay_run, currency=event.currency)
            yield Deadline(event.held_until, release)
        case AgentOfRecordChangeAccepted(rescindable_until=date() as until):
            close = CloseRescissionWindow(account=event.account, service=event.service, letter_id=event.letter_id)
            yield Deadline(days_after(until, 1), close)
        case _:
            pass
