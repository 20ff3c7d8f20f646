"""Vendor statements: whole, in order, in events that are not too big."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from domain.message import Actor, Envelope, Evidence, Issued, state_bytes
from domain.vendor import CurrencyWrong, VendorUnknown
from domain.vendor_statement import (
    BYTES_PER_EVENT,
    LINES_PER_EVENT,
    ControlTotalWrong,
    LineNumberedTwice,
    ReceiveStatement,
    RevisionNotTaken,
    ServiceMonthUnlikely,
    StatementAlreadyReceived,
    StatementLine,
    VendorStatementContinued,
    VendorStatementReceived,
    chunked,
)
from tests.spec import DAY, LUMEN, given

DIGEST, OTHER_DIGEST = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def line(number: int = 1, commission: int | str = 18748, **stated: Any) -> StatementLine:
    return StatementLine(line=number, account="5-QXTR9941", commission_minor=Decimal(commission), **stated)


def statement(*lines: StatementLine, total: int = 18748, **stated: Any) -> ReceiveStatement:
    return ReceiveStatement(
        **{
            "vendor": "lumen",
            "number": "2026-02",
            "statement_month": "2026-02",
            "control_total_minor": total,
            "lines": lines,
            **stated,
        }
    )


# -- the happy path


def test_a_statement_without_service_months_takes_them_from_the_vendors_lag() -> None:
    given(LUMEN).when(statement(line(), file_digest=DIGEST)).then(
        VendorStatementReceived(
            vendor="lumen",
            number="2026-02",
            revision=0,
            statement_month="2026-02",
            service_month="2026-01",
            currency="USD",
            control_total_minor=18748,
            file_digest=DIGEST,
            line_count=1,
            event_count=1,
            lines=(line(service_month="2026-01", month_basis="derived"),),
            effective_on=DAY,
        )
    )


def test_a_service_month_that_is_stated_or_unknown_stays_as_it_is() -> None:
    lines = (line(1, 18740, service_month="2025-11"), line(2, 8, month_basis="unknown"))
    (event,) = given(LUMEN).when(statement(*lines)).events
    assert isinstance(event, VendorStatementReceived)
    assert event.lines == lines


def test_a_statement_without_lines_is_a_statement_too() -> None:
    (event,) = given(LUMEN).when(statement(total=0)).events
    assert isinstance(event, VendorStatementReceived)
    assert (event.lines, event.line_count, event.event_count) == ((), 0, 1)


# -- refusals


def test_only_a_contracted_vendor_states() -> None:
    given().when(statement(line())).then_refused(VendorUnknown)


def test_the_same_file_again_changes_nothing() -> None:
    given(LUMEN, statement(line(), file_digest=DIGEST)).when(statement(line(), file_digest=DIGEST)).then()


@pytest.mark.parametrize(
    ("first", "again"), [(DIGEST, OTHER_DIGEST), (None, DIGEST), (DIGEST, None), (None, None)], ids=str
)
def test_another_file_under_the_same_number_is_refused(first: str | None, again: str | None) -> None:
    given(LUMEN, statement(line(), file_digest=first)).when(statement(line(), file_digest=again)).then_refused(
        StatementAlreadyReceived, "statement 2026-02 of lumen was received already, from another file; check its number"
    )


@pytest.mark.parametrize("steps", [(), (statement(line()),)], ids=["before the statement", "after it"])
def test_a_revision_is_not_taken_yet(steps: tuple[ReceiveStatement, ...]) -> None:
    given(LUMEN, steps).when(statement(line(), revision=1)).then_refused(
        RevisionNotTaken,
        "statement 2026-02 of lumen: revisions are not taken yet; ask lumen for an adjustment line",
    )


def test_a_statement_is_in_the_currency_of_the_vendors_contract() -> None:
    given(LUMEN).when(statement(line(), currency="CAD")).then_refused(
        CurrencyWrong, "statement 2026-02 of lumen is in CAD; lumen pays in USD"
    )


@pytest.mark.parametrize(
    ("commissions", "total", "taken"),
    [
        (("18748",), 18748, True),
        (("18748",), 18747, False),
        (("18748",), 18749, False),
        (("0.5", "0.5", "0.5"), 2, True),  # exactly 1.5, rounded once
        (("0.5", "0.5", "0.5"), 3, True),  # each line rounded
        (("0.5", "0.5", "0.5"), 1, False),
        (("-0.5", "-0.5", "-0.5"), -2, True),
        (("-0.5", "-0.5", "-0.5"), -1, False),
    ],
)
def test_the_lines_add_up_to_the_control_total(commissions: tuple[str, ...], total: int, taken: bool) -> None:
    lines = tuple(line(n, commission) for n, commission in enumerate(commissions, start=1))
    outcome = given(LUMEN).when(statement(*lines, total=total))
    if taken:
        assert [type(event) for event in outcome.events] == [VendorStatementReceived]
    else:
        outcome.then_refused(ControlTotalWrong)


def test_a_wrong_control_total_says_what_to_do() -> None:
    given(LUMEN).when(statement(line(commission="18748.50"), total=18000)).then_refused(
        ControlTotalWrong,
        "statement 2026-02 of lumen: the lines add up to 18748.5 but its control total is 18000 "
        "(minor units of USD); ask lumen for the whole file",
    )


def test_every_line_has_its_own_number() -> None:
    given(LUMEN).when(statement(line(7, 1), line(8, 1), line(7, 1), total=3)).then_refused(
        LineNumberedTwice, "statement 2026-02 of lumen: line 7 appears twice; number each line once"
    )


@pytest.mark.parametrize("month", ["1999-01", "2026-02", "2026-03"])
def test_a_service_month_is_at_most_a_month_after_the_statement_month(month: str) -> None:
    assert given(LUMEN).when(statement(line(service_month=month))).refusal is None


def test_a_service_month_two_months_after_the_statement_month_is_a_misread_date() -> None:
    given(LUMEN).when(statement(line(4, service_month="2026-04"))).then_refused(
        ServiceMonthUnlikely,
        "statement 2026-02 of lumen, line 4: service month 2026-04 is more than a month after the statement month "
        "2026-02; check the date",
    )


@pytest.mark.parametrize("figure", [1.5, 18748.0, "", "12,50", "nan", "inf", True, None, "1" + "0" * 15])
def test_a_commission_is_an_exact_figure(figure: object) -> None:
    with pytest.raises(ValidationError):
        StatementLine.model_validate({"line": 1, "account": "7", "commission_minor": figure})


@pytest.mark.parametrize("account", ["", " ", "\t\n"])
def test_a_line_names_an_account(account: str) -> None:
    with pytest.raises(ValidationError):
        StatementLine.model_validate({"line": 1, "account": account, "commission_minor": 1})


# -- how much one event holds


def many(count: int) -> ReceiveStatement:
    return statement(*(line(n, 1) for n in range(1, count + 1)), total=count)


@pytest.mark.parametrize(("count", "sizes"), [(499, [499]), (500, [500]), (501, [500, 1]), (1001, [500, 500, 1])])
def test_an_event_holds_at_most_five_hundred_lines(count: int, sizes: list[int]) -> None:
    assert LINES_PER_EVENT == 500
    events = given(LUMEN).when(many(count)).events
    received, *continued = events
    assert isinstance(received, VendorStatementReceived)
    assert (received.line_count, received.event_count) == (count, len(sizes))
    assert [len(e.lines) for e in events if isinstance(e, VendorStatementReceived | VendorStatementContinued)] == sizes
    assert [e.event_no for e in continued if isinstance(e, VendorStatementContinued)] == list(range(2, len(sizes) + 1))


def test_continued_lines_carry_all_that_their_readers_need() -> None:
    _, event = given(LUMEN).when(many(501)).events
    assert event == VendorStatementContinued(
        vendor="lumen",
        number="2026-02",
        revision=0,
        statement_month="2026-02",
        service_month="2026-01",
        currency="USD",
        event_no=2,
        event_count=2,
        lines=(line(501, 1, service_month="2026-01", month_basis="derived"),),
        effective_on=DAY,
    )


def wide(number: int) -> StatementLine:
    """About the longest line there is: every field filled, four bytes a character."""
    printed = "\U0001f4de" * 120
    figure = Decimal("99999999999999.12345678")
    return line(
        number,
        commission=str(figure),
        service=printed,
        house_code=printed,
        billed_minor=figure,
        net_billed_minor=figure,
        commissionable_minor=figure,
    ).model_copy(update={"account": printed})


def test_an_event_holds_at_most_256_kilobytes_with_its_longest_envelope() -> None:
    assert BYTES_PER_EVENT == 256 * 1024
    lines = [wide(n) for n in range(1, 1000)]
    chunks = list(chunked(lines))
    assert [one for chunk in chunks for one in chunk] == lines
    assert max(len(chunk) for chunk in chunks) < LINES_PER_EVENT
    somebody = Actor(issuer="i" * 80, subject="s" * 80, on_behalf_of="o" * 80 + "/" + "p" * 80)
    envelope = Envelope(
        actor=somebody,
        evidence=Evidence(digest=DIGEST, signer="p" * 100, signed_on=DAY),
        command_id="c" * 200,
        correlation_id="c" * 200,
        causation_id="b" * 300,
    )
    sizes = []
    for number, chunk in enumerate(chunks, start=1):
        event = VendorStatementContinued(
            vendor="v" * 80,
            number="n" * 120,
            revision=10,
            statement_month="2026-02",
            service_month="2026-01",
            currency="USD",
            event_no=number,
            event_count=len(chunks),
            lines=chunk,
            effective_on=date(2026, 2, 20),
        )
        sizes.append(len(state_bytes(event, envelope)))
    assert max(sizes) <= BYTES_PER_EVENT
    assert min(sizes[:-1]) > BYTES_PER_EVENT - 8 * 1024, "no event is left half empty"


def test_no_line_is_still_one_event() -> None:
    assert list(chunked([])) == [()]


def test_the_same_statement_twice_has_the_same_digest() -> None:
    first, again = (Issued("c", Actor(subject="ann"), statement(line(commission=figure))) for figure in ("1.50", "1.5"))
    assert first.digest() == again.digest()
    assert json.loads(first.command.model_dump_json())["lines"][0]["commission_minor"] == "1.5"


def test_lines_without_numbers_are_numbered_as_they_come() -> None:
    line = {"account": "5-QXTR9941", "commission_minor": 100}
    command = ReceiveStatement.model_validate(
        {
            "vendor": "lumen",
            "number": "LU-1",
            "statement_month": "2026-02",
            "control_total_minor": 200,
            "lines": [line] * 2,
        }
    )
    assert [numbered.line for numbered in command.lines] == [1, 2]
