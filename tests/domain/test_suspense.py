"""Suspense: a number is placed on an account by two persons."""

from datetime import date

import pytest

from domain.account import AccountAliasAdded, AccountUnknown, AddAlias, Alias
from domain.message import Actor, Command, SelfApproved
from domain.suspense import (
    ApprovePlacement,
    NoPlacementProposed,
    PlacementAlreadyProposed,
    PlacementApproved,
    PlacementProposed,
    PlacementRejected,
    ProposePlacement,
    RejectPlacement,
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
