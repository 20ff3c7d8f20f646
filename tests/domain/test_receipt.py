"""Receipts: money comes once and is matched to what statements say."""

import pytest

from domain.message import Command
from domain.receipt import (
    Match,
    MatchedTooMuch,
    MatchReceipt,
    MatchTo,
    MoneyReceived,
    ReceiptAlreadyRecorded,
    ReceiptMatched,
    ReceiptUnknown,
    ReceiveMoney,
    StatementNamedTwice,
)
from domain.vendor import CurrencyWrong, VendorUnknown
from domain.vendor_statement import StatementUnknown, VendorStatementMatched
from tests.domain.test_vendor_statement import line, statement
from tests.spec import DAY, LUMEN, given

JANUARY = statement(line(), number="2026-01", statement_month="2026-01")
FEBRUARY = statement(line(commission=100), number="2026-02", total=100)
TAKEN_BACK = statement(line(commission=-50), number="2026-03", total=-50)
BOOK = (LUMEN, JANUARY, FEBRUARY, TAKEN_BACK)


def money(amount_minor: int, currency: str = "USD", receipt: str = "R-1") -> ReceiveMoney:
    return ReceiveMoney(receipt=receipt, vendor="lumen", amount_minor=amount_minor, currency=currency)


def match(*statements: tuple[str, int | None], receipt: str = "R-1") -> MatchReceipt:
    return MatchReceipt(
        receipt=receipt, statements=tuple(MatchTo(number=number, amount_minor=amount) for number, amount in statements)
    )


def matched(*matches: tuple[str, int, int], unmatched: int) -> tuple[ReceiptMatched | VendorStatementMatched, ...]:
    """What the receipt's stream and each statement's say of one match: number, amount, still open."""
    return (
        ReceiptMatched(
            receipt="R-1",
            vendor="lumen",
            currency="USD",
            matches=tuple(Match(number=n, amount_minor=a, open_minor=o) for n, a, o in matches),
            unmatched_minor=unmatched,
            effective_on=DAY,
        ),
        *(
            VendorStatementMatched(
                vendor="lumen",
                number=n,
                receipt="R-1",
                amount_minor=a,
                open_minor=o,
                currency="USD",
                effective_on=DAY,
            )
            for n, a, o in matches
        ),
    )


def test_money_comes_once() -> None:
    house = given(LUMEN)
    house.when(money(18748)).then(
        MoneyReceived(receipt="R-1", vendor="lumen", amount_minor=18748, currency="USD", effective_on=DAY)
    )
    house.when(money(18748)).then_refused(ReceiptAlreadyRecorded, "receipt R-1 is recorded already")


def test_money_comes_from_a_contracted_vendor() -> None:
    given().when(money(1)).then_refused(VendorUnknown)


def test_money_is_matched_to_several_statements_in_their_order() -> None:
    given(BOOK, money(18800)).when(match(("2026-01", None), ("2026-02", None))).then(
        *matched(("2026-01", 18748, 0), ("2026-02", 52, 48), unmatched=0)
    )


def test_what_the_statement_is_not_owed_stays_unmatched() -> None:
    given(BOOK, money(18800)).when(match(("2026-01", None))).then(*matched(("2026-01", 18748, 0), unmatched=52))


def test_a_second_match_knows_of_the_first() -> None:
    given(BOOK, money(18800), match(("2026-02", 60))).when(match(("2026-02", None), ("2026-01", None))).then(
        *matched(("2026-02", 40, 0), ("2026-01", 18700, 48), unmatched=0)
    )


def test_a_statement_may_be_paid_more_than_it_is_owed() -> None:
    given(BOOK, money(18800)).when(match(("2026-02", 101))).then(*matched(("2026-02", 101, -1), unmatched=18699))


def test_a_statement_that_takes_back_is_netted_first() -> None:
    given(BOOK, money(50)).when(match(("2026-03", None), ("2026-02", None))).then(
        *matched(("2026-03", -50, 0), ("2026-02", 100, 0), unmatched=0)
    )


@pytest.mark.parametrize(
    ("amount", "taken", "left"), [(-50, -50, 0), (-30, -30, 0), (-80, -50, -30)], ids=["exact", "less", "more"]
)
def test_money_taken_back_is_matched_as_far_as_both_hold(amount: int, taken: int, left: int) -> None:
    given(BOOK, money(amount)).when(match(("2026-03", None))).then(
        *matched(("2026-03", taken, -50 - taken), unmatched=left)
    )


@pytest.mark.parametrize("command", [match(("2026-01", None)), match(("2026-01", 5), ("2026-02", 5))], ids=str)
def test_only_money_that_came_is_matched(command: Command) -> None:
    given(BOOK).when(command).then_refused(ReceiptUnknown, "receipt R-1 is not recorded; record the money first")


def test_money_is_matched_to_statements_that_were_received() -> None:
    given(BOOK, money(100)).when(match(("2026-09", 1))).then_refused(
        StatementUnknown, "statement 2026-09 of lumen is not received; receive it first"
    )


def test_a_whole_receipt_is_matched_and_not_a_cent_more() -> None:
    given(BOOK, money(100)).when(match(("2026-01", 100))).then(*matched(("2026-01", 100, 18648), unmatched=0))
    given(BOOK, money(100)).when(match(("2026-01", 101))).then_refused(
        MatchedTooMuch, "receipt R-1 has 100 minor units left; 101 cannot be matched to 2026-01"
    )
    given(BOOK, money(100), match(("2026-01", 60))).when(match(("2026-01", 41))).then_refused(MatchedTooMuch)
    given(BOOK, money(100)).when(match(("2026-01", 60), ("2026-02", 41))).then_refused(MatchedTooMuch)


def test_each_statement_is_named_once_in_a_match() -> None:
    given(BOOK, money(100)).when(match(("2026-01", 1), ("2026-01", 2))).then_refused(
        StatementNamedTwice, "receipt R-1: statement 2026-01 is named twice"
    )


def test_money_is_matched_in_its_own_currency() -> None:
    given(BOOK, money(100, "CAD")).when(match(("2026-01", 100))).then_refused(
        CurrencyWrong, "receipt R-1 is in CAD; statement 2026-01 of lumen is in USD"
    )
