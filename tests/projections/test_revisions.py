"""A statement that the vendor revises: what differs is posted, wherever the lines stand by then; the rest stays."""

from datetime import date
from typing import Any

from hypothesis import given as chosen
from hypothesis import settings
from hypothesis import strategies as st

from domain.account import AddAlias, Alias, EndAlias
from domain.line_move import ApproveLineMove, ProposeLineMove
from domain.vendor_statement import (
    FirstOfLines,
    ReceiveStatement,
    VendorStatementRevised,
    VendorStatementRevisionContinued,
)
from projections.ledger import ADJUSTMENT_KIND, CASH_KIND
from tests.projections.test_facts import PAID, place, place_lines, waiting
from tests.projections.test_ledger import (
    ACCOUNT,
    PEOPLE,
    Asked,
    change,
    line,
    statement,
    told,
)
from tests.spec import BOB, Steps, account, designated, said

TWO_ACCOUNTS = (ACCOUNT, account("ACC-2", "7-7"), designated("delta", account="ACC-2"))


def revision(number: int, name: str, *lines: dict[str, Any]) -> ReceiveStatement:
    return statement(name, *lines).model_copy(update={"revision": number})


def entries_of_last(asked: Asked) -> list[tuple[Any, ...]]:
    last = len(asked.book.log.events)
    return [row for row in asked.book.tables.content["journal"] if row[0] == last]


# -- only the differences


def test_given_a_corrected_line_then_its_difference_is_posted_and_the_others_have_no_entry() -> None:
    asked = told(
        PEOPLE,
        TWO_ACCOUNTS,
        statement("2026-02", line(), line(commission=50_00), line(number="7-7")),
        revision(1, "2026-02", line(), line(commission=60_00), line(number="7-7")),
    )
    first = next(r.position for r in asked.book.log.events if isinstance(r.event, FirstOfLines))

    assert asked.posted_last() == {"2026-01": {"harbor": 8_00, "house": 2_00}}
    items = {(row[6], row[7]) for row in entries_of_last(asked)}
    assert items == {(first, 2), (len(asked.book.log.events), 2)}, "as it was, and as it is now"


def test_given_a_revision_that_states_the_same_in_another_order_then_nothing_is_posted() -> None:
    asked = told(
        PEOPLE,
        TWO_ACCOUNTS,
        statement("2026-02", line(), line(), line(number="7-7"), line(number="9-9")),
        revision(1, "2026-02", line(number="9-9"), line(number="7-7"), line(), line()),
    )
    assert entries_of_last(asked) == []
    assert waiting(asked)["9-9"][0] == 100_00


def test_given_two_lines_alike_of_which_one_is_withdrawn_then_one_is_taken_back() -> None:
    asked = told(PEOPLE, ACCOUNT, statement("2026-02", line(), line()), revision(1, "2026-02", line()))
    assert asked.shares("2026-01") == PAID
    assert asked.posted_last() == {"2026-01": {"harbor": -80_00, "house": -20_00}}


def test_given_a_revision_of_a_revision_then_what_the_first_one_added_is_withdrawn() -> None:
    asked = told(
        PEOPLE,
        TWO_ACCOUNTS,
        statement("2026-02", line()),
        revision(1, "2026-02", line(), line(number="7-7", commission=10_00), line(commission=5_00)),
        revision(2, "2026-02", line(), line(commission=5_00)),
    )
    assert asked.posted_last() == {"2026-01": {"delta": -8_00, "house": -2_00}}
    assert asked.shares("2026-01") == {"harbor": 84_00, "house": 21_00}


def test_given_a_revision_without_lines_then_everything_is_taken_back_and_the_next_brings_it_again() -> None:
    asked = told(PEOPLE, ACCOUNT, statement("2026-02", line()), revision(1, "2026-02"))
    assert asked.shares("2026-01") == {}
    again = told(PEOPLE, ACCOUNT, statement("2026-02", line()), revision(1, "2026-02"), revision(2, "2026-02", line()))
    assert again.shares("2026-01") == PAID


def test_given_a_line_that_moves_to_another_service_month_then_each_month_has_what_is_its() -> None:
    asked = told(PEOPLE, ACCOUNT, statement("2026-02", line("2026-01")), revision(1, "2026-02", line("2025-12")))
    assert asked.shares("2026-01") == {}
    assert asked.posted_last()["2026-01"] == {"harbor": -80_00, "house": -20_00}
    assert sum(asked.shares("2025-12").values()) == 100_00


# -- wherever the lines stand


def test_given_a_line_in_suspense_that_is_withdrawn_then_nothing_waits_and_nobody_is_suspected() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        account("ACC-3", "00-42"),
        designated("harbor", account="ACC-3"),
        statement("2026-02", line(number="42"), line(number="9-9")),
        revision(1, "2026-02", line(number="9-9")),
    )
    assert waiting(asked)["42"][0] == 0
    assert asked.shares("2026-01") == {"suspense": 100_00}
    suspects = [s for ledger in asked.book.ledger.accounts.values() for s in ledger.facts.suspects]
    assert [s.ended for s in suspects] == [len(asked.book.log.events)]


def test_given_a_line_that_was_placed_then_it_is_withdrawn_from_the_account_that_has_it() -> None:
    story: tuple[Steps, ...] = (PEOPLE, ACCOUNT, statement("2026-02", line(number="9-9")))
    for placed in (place("9-9"), place("9-9", keep=False), place_lines("9-9", 1)):
        asked = told(*story, placed, revision(1, "2026-02"))
        assert asked.shares("2026-01") == {}
        assert asked.posted_last() == {"2026-01": {"harbor": -80_00, "house": -20_00}}


def test_given_a_placed_line_that_did_not_change_then_it_stays_where_it_was_placed() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        statement("2026-02", line(number="9-9")),
        place("9-9", keep=False),
        revision(1, "2026-02", line(number="9-9"), line(number="9-9", commission=1_00)),
    )
    assert asked.shares("2026-01") == {**PAID, "suspense": 1_00}, "the new line waits: the number was not kept"


def test_given_a_line_that_was_moved_and_moved_again_then_it_is_withdrawn_from_the_last_account() -> None:
    def move(fields: dict[str, Any]) -> tuple[Steps, ...]:
        which = {"vendor": "lumen", "statement": "2026-02", "lines": (1,)}
        proposed = ProposeLineMove(**which, moved_because="mistaken", standing=(1,), as_known_at=1, **fields)
        return (proposed, said(ApproveLineMove(**which), by=BOB))

    asked = told(
        PEOPLE,
        TWO_ACCOUNTS,
        statement("2026-02", line(), line(commission=10_00)),
        move({"from_account": "ACC-1", "to_account": "ACC-2"}),
        move({"from_account": "ACC-2", "number": "9-9"}),
        place("9-9", keep=False),
        revision(1, "2026-02", line(commission=10_00)),
    )
    assert asked.shares("2026-01") == {"harbor": 8_00, "house": 2_00}


def test_given_an_account_that_was_renumbered_since_then_its_line_is_withdrawn_from_it_all_the_same() -> None:
    asked = told(
        PEOPLE,
        TWO_ACCOUNTS,
        statement("2026-02", line()),
        EndAlias(account="ACC-1", vendor="lumen", number="5-QXTR9941", effective_on=date(2026, 1, 1)),
        AddAlias(account="ACC-1", alias=Alias(vendor="lumen", number="8-8")),
        AddAlias(account="ACC-2", alias=Alias(vendor="lumen", number="5-QXTR9941")),
        revision(1, "2026-02", line(commission=60_00), line(number="8-8", commission=40_00)),
    )
    assert asked.posted_last() == {"2026-01": {"harbor": -80_00 + 32_00, "delta": 48_00}}


def test_given_a_line_of_a_revision_that_waits_then_it_is_placed_by_the_name_of_the_revision() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        statement("2026-02", line(number="9-9")),
        revision(1, "2026-02", line(number="9-9", commission=10_00), line(number="9-9")),
        place_lines("9-9", 1, of="2026-02#1"),
    )
    assert asked.shares("2026-01") == {"harbor": 8_00, "house": 2_00, "suspense": 100_00}


def test_given_a_new_agent_of_record_since_then_a_withdrawn_line_is_taken_from_whom_has_it_now() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        statement("2026-03", line("2026-02")),
        change("delta", month="2026-02"),
        revision(1, "2026-03"),
    )
    assert asked.shares("2026-02") == {}


# -- in any order


ACCOUNTS = ("5-QXTR9941", "7-7", "5QXTR9941", "9-9")
ANY_LINE = st.builds(
    line,
    st.sampled_from((None, "2026-01", "2025-12")),
    st.sampled_from((100_00, 1, "0.5", -33_33)),
    st.sampled_from(ACCOUNTS),
)
FILES = st.lists(st.lists(ANY_LINE, max_size=6), min_size=2, max_size=5)


def balances(asked: Asked) -> dict[tuple[Any, ...], int]:
    """By account, service month, kind, currency and ledger account; numbers in suspense by their name."""
    names = {no: name for name, no in asked.book.tables.content["facts_name"]}
    found: dict[tuple[Any, ...], int] = {}
    for row in asked.book.tables.content["journal"]:
        if row[3] not in (CASH_KIND, ADJUSTMENT_KIND):
            key = (names.get(row[1], row[1]), *row[2:5], row[9])
            found[key] = found.get(key, 0) + row[10]
    return {key: amount for key, amount in found.items() if amount}


@settings(max_examples=60, deadline=None)
@chosen(FILES)
def test_after_any_revisions_the_balances_are_those_of_a_book_that_was_only_told_the_last(
    files: list[list[dict[str, Any]]],
) -> None:
    stated = [revision(number, "2026-02", *lines) for number, lines in enumerate(files)]
    revised = told(PEOPLE, TWO_ACCOUNTS, *stated)
    at_once = told(PEOPLE, TWO_ACCOUNTS, statement("2026-02", *files[-1]))

    assert balances(revised) == balances(at_once)
    for recorded in revised.book.log.events:
        event = recorded.event
        if isinstance(event, VendorStatementRevised | VendorStatementRevisionContinued):
            rows = [row for row in revised.book.tables.content["journal"] if row[0] == recorded.position]
            changed = len(event.withdrawn) + len(event.lines)
            assert len({row[6:8] for row in rows}) <= changed, "lines that did not change have no entry"
