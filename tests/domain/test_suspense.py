"""Suspense: a number is placed on an account by two persons."""

from datetime import date
from typing import Any

import pytest

from domain.account import AccountAliasAdded, AccountUnknown, AddAlias, Alias
from domain.message import Actor, Command, SelfApproved, read_event
from domain.suspense import (
    ApprovePlacement,
    LineNotWaiting,
    LineOf,
    NoPlacementProposed,
    PlacementAlreadyProposed,
    PlacementApproved,
    PlacementProposed,
    PlacementRejected,
    PlacementUnclear,
    ProposePlacement,
    RejectPlacement,
    ServiceNotOnAccount,
)
from tests.spec import ALDER_FOODS, BOB, DAY, LUMEN, account, given, said

BOOK = (LUMEN, ALDER_FOODS, account())
PROPOSE = ProposePlacement(vendor="lumen", number="00-4217", account="ACC-1", service_month="2026-01")
APPROVE = ApprovePlacement(vendor="lumen", number="00-4217")
REJECT = RejectPlacement(vendor="lumen", number="00-4217", rejected_because="another customer's")

PROPOSED = PlacementProposed(
    vendor="lumen",
    number="00-4217",
    account="ACC-1",
    service_month="2026-01",
    keep_alias=True,
    proposed_by=Actor(subject="ann"),
    effective_on=DAY,
)
APPROVED = PlacementApproved(
    vendor="lumen",
    number="00-4217",
    account="ACC-1",
    service_month="2026-01",
    proposed_by=Actor(subject="ann"),
    effective_on=DAY,
)
LEARNED = AccountAliasAdded(
    account="ACC-1", alias=Alias(vendor="lumen", number="00-4217"), effective_on=date(1900, 1, 1)
)


def test_a_placement_is_proposed() -> None:
    given(BOOK).when(PROPOSE).then(PROPOSED)


def test_a_placement_teaches_the_account_the_number() -> None:
    given(BOOK, PROPOSE).when(APPROVE, by=BOB).then(APPROVED, LEARNED)


def test_a_placement_for_once_teaches_nothing() -> None:
    given(BOOK, PROPOSE.model_copy(update={"keep_alias": False})).when(APPROVE, by=BOB).then(APPROVED)


def test_a_number_that_the_account_has_learned_meanwhile_is_not_taught_again() -> None:
    learned = AddAlias(account="ACC-1", alias=Alias(vendor="lumen", number="00-4217"))
    given(BOOK, PROPOSE, learned).when(APPROVE, by=BOB).then(APPROVED)


def test_a_placement_is_rejected_with_a_reason_and_may_be_proposed_again() -> None:
    given(BOOK, PROPOSE).when(REJECT).then(
        PlacementRejected(
            vendor="lumen", number="00-4217", account="ACC-1", rejected_because="another customer's", effective_on=DAY
        )
    ).when(PROPOSE).then(PROPOSED)


def test_a_number_is_placed_on_an_opened_account() -> None:
    given(LUMEN, ALDER_FOODS).when(PROPOSE).then_refused(AccountUnknown)


def test_one_placement_of_a_number_waits_at_a_time() -> None:
    other = ProposePlacement(vendor="lumen", number="00-4217", account="ACC-2")
    given(BOOK, account("ACC-2", "other"), PROPOSE).when(other).then_refused(
        PlacementAlreadyProposed, "a placement of lumen 00-4217 on ACC-1 waits already"
    )


def test_numbers_that_print_differently_wait_apart() -> None:
    bare = PROPOSE.model_copy(update={"number": "4217"})
    given(BOOK, PROPOSE).when(bare).then(PROPOSED.model_copy(update={"number": "4217"}))


@pytest.mark.parametrize("command", [APPROVE, REJECT], ids=["approve", "reject"])
def test_only_a_proposed_placement_is_approved_or_rejected(command: Command) -> None:
    given(BOOK).when(command, by=BOB).then_refused(NoPlacementProposed, "no placement of lumen 00-4217 is proposed")
    given(BOOK, PROPOSE, said(APPROVE, by=BOB)).when(command, by=BOB).then_refused(NoPlacementProposed)
    given(BOOK, PROPOSE, REJECT).when(command, by=BOB).then_refused(NoPlacementProposed)


@pytest.mark.parametrize("approver", [Actor(subject="ann"), Actor(subject="bob", on_behalf_of="house/ann")])
def test_a_placement_is_approved_by_a_second_person(approver: Actor) -> None:
    given(BOOK, PROPOSE).when(APPROVE, by=approver).then_refused(
        SelfApproved, "the placement of lumen 00-4217 was proposed by house/ann; let another principal approve it"
    )


# -- single lines


def of(*lines: int) -> tuple[LineOf, ...]:
    return tuple(LineOf(statement="2026-01", line=n) for n in lines)


def lines_proposed(*lines: int, on: str = "ACC-1", **fields: Any) -> ProposePlacement:
    return ProposePlacement(vendor="lumen", number="00-4217", account=on, lines=of(*lines), **fields)


def approved(*lines: int) -> ApprovePlacement:
    return ApprovePlacement(vendor="lumen", number="00-4217", lines=of(*lines) or None)


TWO = (BOOK, account("ACC-2", "other"))


def test_single_lines_are_placed_in_their_order_and_teach_nothing() -> None:
    proposed = PROPOSED.model_copy(update={"lines": of(1, 2), "service_month": None, "keep_alias": False})
    moved = APPROVED.model_copy(update={"lines": of(1, 2), "service_month": None})
    given(BOOK).when(lines_proposed(2, 1, 2)).then(proposed).when(approved(), by=BOB).then(moved)


def test_single_lines_teach_the_account_the_number_where_that_is_wanted() -> None:
    given(BOOK, lines_proposed(1, keep_alias=True)).when(approved(), by=BOB).then(
        APPROVED.model_copy(update={"lines": of(1), "service_month": None}), LEARNED
    )


def test_placements_of_different_lines_wait_side_by_side_and_each_is_answered_by_its_lines() -> None:
    house = given(TWO, lines_proposed(1, 2), lines_proposed(3, on="ACC-2"))
    house.when(approved(), by=BOB).then_refused(
        PlacementUnclear, "2 placements of lumen 00-4217 wait for approval; name the lines of the one meant"
    )
    house.when(approved(1), by=BOB).then_refused(
        NoPlacementProposed, "no placement of lumen 00-4217 of these lines is proposed"
    )
    outcome = house.when(approved(3), by=BOB)
    assert [event.account for event in outcome.events if isinstance(event, PlacementApproved)] == ["ACC-2"]
    assert outcome.recorded[0].envelope.causation_id == "suspense:lumen:00-4217@2", "what it answers"
    rejected = house.when(
        RejectPlacement(vendor="lumen", number="00-4217", lines=of(2, 1), rejected_because="no"), by=BOB
    )
    assert [event.lines for event in rejected.events if isinstance(event, PlacementRejected)] == [of(1, 2)]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (lines_proposed(1, 2), lines_proposed(2, 3)),
        (lines_proposed(1), PROPOSE),
        (PROPOSE, lines_proposed(1)),
    ],
    ids=["a line in both", "all after one", "one after all"],
)
def test_a_line_is_in_one_placement_at_a_time(first: Command, second: Command) -> None:
    given(BOOK, first).when(second).then_refused(PlacementAlreadyProposed)


def test_a_line_that_does_not_wait_is_not_placed() -> None:
    """What waits is read from the book when the command is handled."""
    read = lines_proposed(1, 2).model_copy(update={"waiting": of(2), "as_known_at": 7})
    given(BOOK).when(read).then_refused(
        LineNotWaiting,
        "line 1 of statement 2026-01 does not wait under lumen 00-4217, nor on ACC-1; "
        "`trailbook suspense list --lines` shows what does",
    )


def test_a_service_that_the_account_does_not_have_is_refused() -> None:
    read = lines_proposed(1, service="fax").model_copy(update={"waiting": of(1), "services": ("C-1/dia", "dia")})
    given(BOOK).when(read).then_refused(ServiceNotOnAccount, "account ACC-1 has no service fax; it has C-1/dia, dia")


def test_a_placement_that_was_stored_before_single_lines_were_known_is_answered_as_before() -> None:
    stored = PROPOSED.model_dump(mode="json", exclude_none=True)
    proposed = read_event("suspense.placement_proposed", 1, stored)
    assert proposed == PROPOSED
    answer = read_event("suspense.placement_approved", 1, APPROVED.model_dump(mode="json", exclude_none=True))
    assert answer == APPROVED
