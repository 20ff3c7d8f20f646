"""A receipt: money that came from a vendor, matched to its statements; the two differ, and the difference is shown.

    (unknown) ── MoneyReceived ──▶ received ── ReceiptMatched … ──▶ matched, in part or whole

Units: minor units of the receipt's currency. ``open_minor`` of a match is what its statement is still owed (negative:
paid too much); ``unmatched_minor`` is what is left of the receipt.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, assert_never

from pydantic import Field

from domain.ids import Key, ReceiptId, VendorId, receipt_stream, statement_stream, vendor_stream
from domain.message import Command, Context, Event, Model, Refused, Streams, last_event
from domain.money import Currency, Minor
from domain.vendor import CurrencyWrong, contracted
from domain.vendor_statement import VendorStatement, VendorStatementMatched, matched_event, received


class Match(Model):
    number: Key
    amount_minor: int
    open_minor: int


# -- events


class MoneyReceived(Event, topic="receipt.money_received"):
    receipt: ReceiptId
    vendor: VendorId
    amount_minor: int
    currency: Currency


class ReceiptMatched(Event, topic="receipt.matched"):
    receipt: ReceiptId
    vendor: VendorId
    currency: Currency
    matches: tuple[Match, ...]
    unmatched_minor: int


ReceiptEvent = MoneyReceived | ReceiptMatched

# -- commands


class ReceiveMoney(Command, do="receive_money"):
    receipt: ReceiptId
    vendor: VendorId
    amount_minor: Minor
    currency: Currency = "USD"
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((receipt_stream(self.receipt),), (vendor_stream(self.vendor),))


class MatchTo(Model):
    number: Key
    amount_minor: Minor | None = None
    """What is matched; left out, as much as the statement is owed and the receipt holds."""


class MatchReceipt(Command, do="match_receipt"):
    receipt: ReceiptId
    statements: Annotated[tuple[MatchTo, ...], Field(min_length=1, max_length=100)]
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        receipt: Receipt = known.get(receipt_stream(self.receipt), EMPTY)
        if receipt.money is None:
            return Streams((receipt_stream(self.receipt),))
        vendor = receipt.money.vendor
        return Streams((receipt_stream(self.receipt), *(statement_stream(vendor, s.number) for s in self.statements)))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(receipt_stream(self.receipt), versions)


ReceiptCommand = ReceiveMoney | MatchReceipt

# -- refusals


class ReceiptAlreadyRecorded(Refused):
    """Money comes once."""


class ReceiptUnknown(Refused):
    """Only money that came is matched."""


class MatchedTooMuch(Refused):
    """No more is matched than the receipt holds."""


class StatementNamedTwice(Refused):
    """Each statement is named once in a match."""


# -- state


@dataclass(frozen=True, slots=True)
class Receipt:
    money: MoneyReceived | None = None
    matched_minor: int = 0


EMPTY = Receipt()


def evolve(receipt: Receipt, event: ReceiptEvent) -> Receipt:
    match event:
        case MoneyReceived():
            return replace(receipt, money=event)
        case ReceiptMatched():
            matched = sum(m.amount_minor for m in event.matches)
            return replace(receipt, matched_minor=receipt.matched_minor + matched)
        case _:
            assert_never(event)


# -- decisions


def decide(receipt: Receipt, command: ReceiptCommand, context: Context) -> list[ReceiptEvent]:
    effective_on = command.effective_on or context.today
    match command:
        case ReceiveMoney():
            if receipt.money is not None:
                raise ReceiptAlreadyRecorded(f"receipt {command.receipt} is recorded already")
            contracted(context.state(vendor_stream(command.vendor)), command.vendor)
            return [
                MoneyReceived(
                    receipt=command.receipt,
                    vendor=command.vendor,
                    amount_minor=command.amount_minor,
                    currency=command.currency,
                    effective_on=effective_on,
                )
            ]
        case MatchReceipt():
            money = _money(receipt, command)
            matches = _matches(receipt, money, command, context)
            left = money.amount_minor - receipt.matched_minor - sum(m.amount_minor for m in matches)
            return [
                ReceiptMatched(
                    receipt=command.receipt,
                    vendor=money.vendor,
                    currency=money.currency,
                    matches=matches,
                    unmatched_minor=left,
                    effective_on=effective_on,
                )
            ]
        case _:
            assert_never(command)


def decide_statement(
    statement: VendorStatement, number: str, command: MatchReceipt, context: Context
) -> list[VendorStatementMatched]:
    """The same match, as the statement sees it."""
    receipt: Receipt = context.state(receipt_stream(command.receipt))
    money = _money(receipt, command)
    match = next(m for m in _matches(receipt, money, command, context) if m.number == number)
    on = command.effective_on or context.today
    return [matched_event(money.vendor, number, command.receipt, match.amount_minor, statement, on)]


def _money(receipt: Receipt, command: MatchReceipt) -> MoneyReceived:
    if receipt.money is None:
        raise ReceiptUnknown(f"receipt {command.receipt} is not recorded; record the money first")
    return receipt.money


def _matches(receipt: Receipt, money: MoneyReceived, command: MatchReceipt, context: Context) -> tuple[Match, ...]:
    left = money.amount_minor - receipt.matched_minor
    matches: list[Match] = []
    for wanted in command.statements:
        if any(m.number == wanted.number for m in matches):
            raise StatementNamedTwice(f"receipt {command.receipt}: statement {wanted.number} is named twice")
        statement = received(context.state(statement_stream(money.vendor, wanted.number)), money.vendor, wanted.number)
        if statement.currency != money.currency:
            raise CurrencyWrong(
                f"receipt {command.receipt} is in {money.currency}; "
                f"statement {wanted.number} of {money.vendor} is in {statement.currency}"
            )
        amount = wanted.amount_minor if wanted.amount_minor is not None else _as_much(statement.open_minor, left)
        if abs(amount) > abs(left):
            raise MatchedTooMuch(
                f"receipt {command.receipt} has {left} minor units left; {amount} cannot be matched to {wanted.number}"
            )
        left -= amount
        matches.append(Match(number=wanted.number, amount_minor=amount, open_minor=statement.open_minor - amount))
    return tuple(matches)


def _as_much(open_minor: int, left_minor: int) -> int:
    """What both hold; of two amounts that are taken back the smaller one."""
    return max(open_minor, left_minor) if open_minor < 0 and left_minor < 0 else min(open_minor, left_minor)
