"""Rescission windows: their last day is counted when a command is handled, and stands in its event."""

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from typing import Any

from adapters.business_days import CalendarUnknown, business_days_after
from domain.account import Account
from domain.agent_of_record import ApproveAgentOfRecordChange, ChangeAgentOfRecord, OpensWindow, RescissionWindow
from domain.ids import CALENDAR, account_stream, letter_stream, vendor_stream
from domain.letter import CompleteAgentOfRecordLetter, Letter, ReceiveAgentOfRecordLetter
from domain.message import Command, Issued, Refused
from domain.vendor import VendorTerms

StateOf = Callable[[str], Any]
"""A stream as it stands, folded."""


class HolidaysUnknown(Refused):
    """A vendor's business days are counted by the holidays of a place that the library knows."""


def with_rescission_windows(issued: Issued, state_of: StateOf) -> Issued:
    """The command with the windows that it may open, counted from the open day. Raises HolidaysUnknown."""
    if not isinstance(issued.command, OpensWindow) or not isinstance(issued.command, Command):
        return issued
    today = state_of(CALENDAR).open_day
    if today is None:
        return issued
    vendors = sorted(
        {vendor for account in _accounts(issued.command, state_of) for vendor in _vendor(account, state_of)}
    )
    windows = tuple(window for vendor in vendors for window in _window(vendor, today, state_of))
    return issued.with_command(issued.command.model_copy(update={"rescission_windows": windows}))


def _accounts(command: OpensWindow, state_of: StateOf) -> tuple[str, ...]:
    match command:
        case ChangeAgentOfRecord() | ApproveAgentOfRecordChange():
            return (command.account,)
        case ReceiveAgentOfRecordLetter():
            return command.accounts
        case CompleteAgentOfRecordLetter():
            letter: Letter = state_of(letter_stream(command.letter_id))
            return (*letter.stated.accounts, *command.accounts)
        case _:
            raise TypeError(f"nobody says which accounts {type(command).__name__} is about")


def _vendor(account: str, state_of: StateOf) -> Iterator[str]:
    state: Account = state_of(account_stream(account))
    if state.opened is not None:
        yield state.vendor


def _window(vendor: str, today: date, state_of: StateOf) -> Iterator[RescissionWindow]:
    terms: VendorTerms = state_of(vendor_stream(vendor)).contracted.terms
    if terms.rescission_calendar_days is not None:
        until = today + timedelta(terms.rescission_calendar_days)
        yield RescissionWindow(vendor=vendor, accepted_on=today, until=until)
    elif terms.rescission_business_days is not None:
        try:
            until = business_days_after(today, terms.rescission_business_days, terms.rescission_holidays)
        except CalendarUnknown as unknown:
            raise HolidaysUnknown(f"the rescission window of {vendor} cannot be counted: {unknown}") from None
        yield RescissionWindow(vendor=vendor, accepted_on=today, until=until)
