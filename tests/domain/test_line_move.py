"""Lines on the wrong account: moved by two persons, and never edited."""

from typing import Any

import pytest

from domain.account import AccountUnknown
from domain.line_move import (
    ApproveLineMove,
    LineMoveAlreadyProposed,
    LineMoveApproved,
    LineMovedNowhere,
    LineMoveProposed,
    LineMoveRejected,
    LineMoveUnclear,
    LineNotOnAccount,
    NoLineMoveProposed,
    ProposeLineMove,
    RejectLineMove,
)
from domain.message import Actor, Command, SelfApproved
from domain.suspense import ServiceNotOnAccount
from tests.spec import ALDER_FOODS, BOB, DAY, LUMEN, account, given, said

BOOK = (LUMEN, ALDER_FOODS, account(), account("ACC-2", "7-7"))


def move(*lines: int, **fields: Any) -> ProposeLineMove:
    told = {"from_account": "ACC-1", "to_account": "ACC-2", "moved_because": "the order says so", **fields}
    return ProposeLineMove(vendor="lumen", statement="2026-02", lines=lines or (7,), **told)


APPROVE = ApproveLineMove(vendor="lumen", statement="2026-02")
REJECT = RejectLineMove(vendor="lumen", statement="2026-02", rejected_because="it is right")
FIELDS: dict[str, Any] = {
    "vendor": "lumen",
    "statement": "2026-02",
    "from_account": "ACC-1",
    "to_account": "ACC-2",
    "moved_because": "the order says so",
    "proposed_by": Actor(subject="ann"),
    "effective_on": DAY,
}


def test_a_move_is_proposed_by_one_person_and_approved_by_another() -> None:
    given(BOOK).when(move(9, 7, 9)).then(LineMoveProposed(lines=(7, 9), **FIELDS)).when(APPROVE, by=BOB).then(
        LineMoveApproved(lines=(7, 9), **FIELDS)
    )


def test_a_rejected_move_may_be_proposed_again() -> None:
    rejected = LineMoveRejected(
        vendor="lumen",
        statement="2026-02",
        lines=(7,),
        from_account="ACC-1",
        rejected_because="it is right",
        effective_on=DAY,
    )
    given(BOOK, move()).when(REJECT).then(rejected).when(move()).then(LineMoveProposed(lines=(7,), **FIELDS))


def test_a_line_goes_back_into_suspense_under_its_number() -> None:
    back = {**FIELDS, "to_account": None, "number": "9-9"}
    given(BOOK).when(move(to_account=None, number="9-9")).then(LineMoveProposed(lines=(7,), **back))


@pytest.mark.parametrize(
    "fields", [{"number": "9-9"}, {"to_account": None}, {"to_account": None, "number": "9-9", "service": "dia"}]
)
def test_a_move_names_one_place_to_go(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"name the account|leave the service out"):
        move(**fields)


def test_moves_of_different_lines_wait_side_by_side() -> None:
    house = given(BOOK, move(1), move(2))
    house.when(APPROVE, by=BOB).then_refused(
        LineMoveUnclear,
        "2 moves of lines of statement 2026-02 of lumen wait for approval; name the lines of the one meant",
    )
    second = ApproveLineMove(vendor="lumen", statement="2026-02", lines=(2,))
    outcome = house.when(second, by=BOB)
    assert outcome.events == [LineMoveApproved(lines=(2,), **FIELDS)]
    assert outcome.recorded[0].envelope.causation_id == "line-move:lumen:2026-02@2"


def test_a_line_is_in_one_move_at_a_time() -> None:
    given(BOOK, move(1, 2)).when(move(2, 3)).then_refused(
        LineMoveAlreadyProposed,
        "a move of line 2 of statement 2026-02 of lumen waits already; approve or reject it first",
    )


def test_a_line_is_moved_from_where_it_is() -> None:
    """Its last move says where; of a line that was never moved, the book does."""
    moved = (move(), said(APPROVE, by=BOB))
    given(BOOK, moved).when(move()).then_refused(
        LineNotOnAccount,
        "line 7 of statement 2026-02 of lumen is not on ACC-1; `trailbook audit account ACC-1` shows which lines are",
    )
    given(BOOK).when(move(7, 8).model_copy(update={"standing": (8,)})).then_refused(LineNotOnAccount)
    back = move(from_account="ACC-2", to_account="ACC-1")
    assert given(BOOK, moved).when(back).refusal is None


def test_a_line_that_went_back_into_suspense_may_have_been_placed_anywhere_since() -> None:
    back = (move(to_account=None, number="9-9"), said(APPROVE, by=BOB))
    assert given(BOOK, back).when(move(from_account="ACC-2", to_account="ACC-1")).refusal is None


def test_a_move_changes_the_account_or_the_service() -> None:
    given(BOOK).when(move(to_account="ACC-1")).then_refused(
        LineMovedNowhere,
        "the lines of statement 2026-02 of lumen are on ACC-1 already; name another account, or a service of this one",
    )
    assert given(BOOK).when(move(to_account="ACC-1", service="dia")).refusal is None


def test_a_line_is_moved_to_an_opened_account_and_to_a_service_that_it_has() -> None:
    given(BOOK).when(move(to_account="ACC-3")).then_refused(AccountUnknown)
    given(BOOK).when(move(service="fax").model_copy(update={"services": ()})).then_refused(
        ServiceNotOnAccount, "account ACC-2 has no service fax; it has none"
    )


@pytest.mark.parametrize("command", [APPROVE, REJECT], ids=["approve", "reject"])
def test_only_a_proposed_move_is_approved_or_rejected(command: Command) -> None:
    given(BOOK).when(command, by=BOB).then_refused(
        NoLineMoveProposed, "no such move of lines of statement 2026-02 of lumen is proposed"
    )
    given(BOOK, move(), said(APPROVE, by=BOB)).when(command, by=BOB).then_refused(NoLineMoveProposed)


def test_a_move_is_approved_by_a_second_person() -> None:
    given(BOOK, move(1, 2)).when(APPROVE, by=Actor(subject="bob", on_behalf_of="house/ann")).then_refused(
        SelfApproved,
        "the move of line 1, 2 of statement 2026-02 of lumen was proposed by house/ann; "
        "let another principal approve it",
    )
