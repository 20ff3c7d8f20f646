"""Vendor statements: whole, in order, in events that are not too big."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as chosen
from hypothesis import strategies as st
from pydantic import ValidationError

from domain.message import Actor, Envelope, Evidence, Issued, state_bytes
from domain.receipt import MatchReceipt, MatchTo, ReceiveMoney
from domain.vendor import CurrencyWrong, VendorUnknown
from domain.vendor_statement import (
    BYTES_PER_EVENT,
    LINES_PER_EVENT,
    ControlTotalWrong,
    LineNumberedTwice,
    NumberMeansRevision,
    ReceiveStatement,
    RevisionNotNext,
    RevisionOfAnotherMonth,
    ServiceMonthUnlikely,
    StatementAlreadyReceived,
    StatementLine,
    StatementUnknown,
    VendorStatementContinued,
    VendorStatementMatched,
    VendorStatementReceived,
    VendorStatementRevised,
    VendorStatementRevisionContinued,
    WithdrawnLine,
    Worth,
    chunked,
    differences,
    standing,
)
from tests.spec import DAY, LUMEN, Given, given

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
        StatementAlreadyReceived,
        "statement 2026-02 of lumen was received already, from another file; check its number, "
        "or state it as revision 1",
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


# -- revisions: only the differences

DERIVED: Any = {"service_month": "2026-01", "month_basis": "derived"}


def at(account: str, number: int, commission: int | str = 100, **stated: Any) -> StatementLine:
    return StatementLine(line=number, account=account, commission_minor=Decimal(commission), **stated)


def gone(account: str, number: int, revision: int = 0) -> WithdrawnLine:
    return WithdrawnLine(revision=revision, line=number, account=account)


def revised(house: Given) -> list[VendorStatementRevised | VendorStatementRevisionContinued]:
    events = [recorded.event for recorded in house.log.events]
    return [e for e in events if isinstance(e, VendorStatementRevised | VendorStatementRevisionContinued)]


FIRST = statement(at("A", 1), at("B", 2), at("C", 3), total=300, file_digest=DIGEST)


def test_a_revision_withdraws_what_is_no_more_and_adds_what_is_new() -> None:
    given(LUMEN, FIRST).when(
        statement(at("A", 1), at("B", 2, 150), at("D", 3), total=350, revision=1, file_digest=OTHER_DIGEST)
    ).then(
        VendorStatementRevised(
            vendor="lumen",
            number="2026-02",
            revision=1,
            statement_month="2026-02",
            service_month="2026-01",
            currency="USD",
            control_total_minor=350,
            file_digest=OTHER_DIGEST,
            line_count=3,
            withdrawn_count=2,
            added_count=2,
            event_count=1,
            withdrawn=(gone("B", 2), gone("C", 3)),
            lines=(at("B", 2, 150, **DERIVED), at("D", 3, **DERIVED)),
            effective_on=DAY,
        )
    )


def test_a_line_that_only_moved_up_or_down_stays_the_line_that_it_was() -> None:
    (event,) = (
        given(LUMEN, FIRST)
        .when(statement(at("C", 1), at("X", 2, 0), at("A", 3), at("B", 9), total=300, revision=1))
        .events
    )
    assert isinstance(event, VendorStatementRevised)
    assert (event.withdrawn, event.lines) == ((), (at("X", 2, 0, **DERIVED),))


def test_two_identical_lines_are_two_lines() -> None:
    twice = given(LUMEN, FIRST).when(statement(at("A", 1), at("A", 2), at("B", 3), at("C", 4), total=400, revision=1))
    (event,) = twice.events
    assert isinstance(event, VendorStatementRevised)
    assert (event.withdrawn, event.lines) == ((), (at("A", 2, **DERIVED),))

    (event,) = twice.house.when(statement(at("A", 1), at("B", 2), at("C", 3), total=300, revision=2)).events
    assert isinstance(event, VendorStatementRevised)
    assert (event.withdrawn, event.lines) == ((gone("A", 2, revision=1),), ()), "the line that came first stays"


@pytest.mark.parametrize(
    "other",
    [
        {"commission": "100.4"},
        {"service": "C-1/dia"},
        {"product": "dia"},
        {"charge_kind": "usage"},
        {"line_type": "adjustment"},
        {"billed_minor": 5},
        {"claimed_rate": "0.5"},
        {"service_month": "2026-01"},
        {"house_code": "TB"},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_line_that_differs_in_anything_is_another_line(other: dict[str, Any]) -> None:
    (event,) = (
        given(LUMEN, FIRST).when(statement(at("A", 1, **other), at("B", 2), at("C", 3), total=300, revision=1)).events
    )
    assert isinstance(event, VendorStatementRevised)
    assert event.withdrawn == (gone("A", 1),)
    assert [line.line for line in event.lines] == [1]


def test_a_revision_that_states_the_same_is_recorded_without_lines() -> None:
    """That the vendor said so again is a fact; nothing else is."""
    (event,) = given(LUMEN, FIRST).when(FIRST.model_copy(update={"revision": 1})).events
    assert isinstance(event, VendorStatementRevised)
    assert (event.withdrawn, event.lines, event.line_count, event.event_count) == ((), (), 3, 1)


def test_a_revision_may_withdraw_everything_and_the_next_may_bring_it_back() -> None:
    house = given(LUMEN, FIRST, statement(total=0, revision=1))
    (event,) = house.when(FIRST.model_copy(update={"revision": 2})).events
    assert isinstance(event, VendorStatementRevised)
    assert (event.withdrawn, [line.account for line in event.lines]) == ((), ["A", "B", "C"])


def test_the_same_revision_again_changes_nothing_and_another_file_under_it_is_refused() -> None:
    house = given(LUMEN, FIRST, statement(at("A", 1), total=100, revision=1, file_digest=OTHER_DIGEST))
    house.when(statement(at("A", 1), total=100, revision=1, file_digest=OTHER_DIGEST)).then()
    house.when(statement(at("B", 1), total=100, revision=1)).then_refused(
        StatementAlreadyReceived,
        "revision 1 of statement 2026-02 of lumen was received already, from another file; check its number, "
        "or state it as revision 2",
    )


def test_revisions_come_one_after_the_other() -> None:
    given(LUMEN, FIRST).when(statement(at("A", 1), total=100, revision=2)).then_refused(
        RevisionNotNext, "statement 2026-02 of lumen is at revision 0; the next one is 1, not 2"
    )
    given(LUMEN).when(statement(at("A", 1), total=100, revision=1)).then_refused(
        StatementUnknown, "statement 2026-02 of lumen is not received; receive it first"
    )


def test_a_revision_keeps_the_statement_month() -> None:
    given(LUMEN, FIRST).when(statement(at("A", 1), total=100, revision=1, statement_month="2026-03")).then_refused(
        RevisionOfAnotherMonth,
        "statement 2026-02 of lumen is for statement month 2026-02, its revision 1 for 2026-03; "
        "a revision keeps the month",
    )


@pytest.mark.parametrize("revision", [0, 1])
def test_the_same_file_again_for_another_month_is_refused_and_not_passed_over(revision: int) -> None:
    digests = {0: FIRST.file_digest, 1: OTHER_DIGEST}
    house = given(LUMEN, FIRST, statement(at("A", 1), total=100, revision=1, file_digest=OTHER_DIGEST))
    again = statement(
        at("A", 1), total=100, revision=revision, file_digest=digests[revision], statement_month="2026-03"
    )
    house.when(again).then_refused(
        RevisionOfAnotherMonth,
        "statement 2026-02 of lumen was received from this very file for statement month 2026-02, not 2026-03; "
        "check the month, or give another statement its own number",
    )


def test_a_revision_adds_up_to_its_own_control_total() -> None:
    given(LUMEN, FIRST).when(statement(at("A", 1), at("B", 2), total=300, revision=1)).then_refused(ControlTotalWrong)


def test_no_statement_is_called_like_a_revision_of_another_one() -> None:
    given(LUMEN, FIRST, FIRST.model_copy(update={"number": "2026-02#1", "file_digest": None})).when(
        statement(at("A", 1), total=100, revision=1)
    ).then_refused(NumberMeansRevision)
    given(LUMEN, FIRST, statement(at("A", 1), total=100, revision=1)).when(
        statement(at("A", 1), total=100, number="2026-02#1")
    ).then_refused(NumberMeansRevision)
    assert given(LUMEN, FIRST).when(statement(at("A", 1), total=100, number="2026-02#1")).refusal is None


def test_what_is_open_on_a_revised_statement_follows_its_new_total() -> None:
    money = ReceiveMoney(receipt="R-1", vendor="lumen", amount_minor=1000)
    house = given(LUMEN, FIRST, money, MatchReceipt(receipt="R-1", statements=(MatchTo(number="2026-02"),)))
    house.given(statement(at("A", 1), at("E", 2, 450), total=550, revision=1))
    _, matched = house.when(MatchReceipt(receipt="R-1", statements=(MatchTo(number="2026-02"),))).events
    assert isinstance(matched, VendorStatementMatched)
    assert (matched.amount_minor, matched.open_minor) == (250, 0)


def test_a_revision_in_many_parts_names_every_difference_once() -> None:
    first = statement(*(at(f"A-{n:04}", n) for n in range(1, 1301)), total=130000)
    second = statement(*(at(f"A-{n:04}", n, 101 if n > 100 else 100) for n in range(1, 1301)), total=131200, revision=1)
    events = revised(given(LUMEN, first, second))

    assert [len(event.withdrawn) + len(event.lines) for event in events] == [500] * 4 + [400]
    assert [event.event_no for event in events if isinstance(event, VendorStatementRevisionContinued)] == [2, 3, 4, 5]
    assert isinstance(events[0], VendorStatementRevised)
    assert (events[0].withdrawn_count, events[0].added_count, events[0].event_count) == (1200, 1200, 5)
    assert [w.line for event in events for w in event.withdrawn] == list(range(101, 1301))
    assert [line.line for event in events for line in event.lines] == list(range(101, 1301))
    changed = [{w.account for w in e.withdrawn} & {line.account for line in e.lines} for e in events]
    assert sum(map(len, changed)) >= 1200 - len(events), "what was and what is stand side by side"


@pytest.mark.parametrize("count", [1, 700])
def test_differences_too_wide_for_one_event_are_parted(count: int) -> None:
    chunks = list(differences({}, [wide(n) for n in range(1, count + 1)]))
    assert [line.line for chunk in chunks for line in chunk.lines] == list(range(1, count + 1))
    assert all(sum(len(line.model_dump_json()) for line in chunk.lines) < BYTES_PER_EVENT for chunk in chunks)


LINES = st.lists(st.builds(at, st.sampled_from("AB"), st.just(1), st.integers(1, 2)), max_size=8).map(
    lambda lines: [line.model_copy(update={"line": number}) for number, line in enumerate(lines, start=1)]
)


@chosen(st.lists(LINES, min_size=1, max_size=4))
def test_after_any_revisions_the_lines_that_stand_are_those_of_the_last_one(files: list[list[StatementLine]]) -> None:
    house = given(LUMEN)
    for revision, lines in enumerate(files):
        total = sum(int(one.commission_minor) for one in lines)
        house.given(statement(*lines, total=total, revision=revision))

    now = standing(recorded.event for recorded in house.log.events)
    names = [sorted((one.account, one.commission_minor) for one in lines) for lines in (now.values(), files[-1])]

    assert names[0] == names[1]
    assert list(differences(now, [line.model_copy(update=DERIVED) for line in files[-1]])) == [Worth((), ())]
