"""An adjustment is moved by hand: on a document, by two persons, and never edited."""

from datetime import date

import pytest

from domain.account import AccountUnknown
from domain.adjustment import (
    AdjustmentAlreadyProposed,
    AdjustmentApproved,
    AdjustmentNotApproved,
    AdjustmentNotProposed,
    AdjustmentOfNothing,
    AdjustmentProposed,
    AdjustmentRejected,
    AdjustmentReversalProposed,
    AdjustmentReversalRejected,
    AdjustmentReversed,
    AdjustmentUnknown,
    ApproveAdjustment,
    ApproveAdjustmentReversal,
    DocumentMissing,
    ProposeAdjustment,
    RejectAdjustment,
    RejectAdjustmentReversal,
    ReversalNotProposed,
    ReverseAdjustment,
)
from domain.agent import AgentUnknown, TerminateAgent
from domain.message import Actor, Command, SelfApproved
from tests.spec import ANN, BOB, BOOK, DAY, actor, given, letter, said

DOCUMENT = letter(date(2026, 1, 4), signer="house:controller")
GOODWILL = ProposeAdjustment(
    adjustment="ADJ-1",
    agent="harbor",
    account="ACC-1",
    service_month="2025-12",
    amount_minor=2500,
    adjusted_because="goodwill for the late install",
)
SAME = {"adjustment": "ADJ-1", "agent": "harbor", "amount_minor": 2500, "currency": "USD"}
WHERE = {"account": "ACC-1", "service_month": "2025-12"}
BY_ANN = {"document": DOCUMENT, "proposed_by": actor(ANN)}
WHY = {"adjusted_because": "goodwill for the late install"}

PROPOSED = said(GOODWILL, letter=DOCUMENT)
APPROVED = (PROPOSED, said(ApproveAdjustment(adjustment="ADJ-1"), by=BOB))
REVERSE = ReverseAdjustment(adjustment="ADJ-1", reversed_because="the vendor paid it after all")
UNDOING = (*APPROVED, said(REVERSE, letter=DOCUMENT))


def test_when_an_adjustment_is_proposed_then_it_carries_all_that_the_ledger_and_a_reader_need() -> None:
    given(BOOK).when(GOODWILL, letter=DOCUMENT).then(
        AdjustmentProposed(**SAME, **WHERE, **WHY, **BY_ANN, effective_on=DAY)
    )


def test_when_a_second_person_approves_then_it_is_approved_as_it_was_proposed() -> None:
    given(BOOK, PROPOSED).when(ApproveAdjustment(adjustment="ADJ-1"), by=BOB).then(
        AdjustmentApproved(**SAME, **WHERE, **WHY, **BY_ANN, effective_on=DAY)
    )


def test_an_adjustment_may_name_neither_account_nor_month_and_may_take() -> None:
    fee = ProposeAdjustment(adjustment="ADJ-2", agent="harbor", amount_minor=-100, adjusted_because="portal fee")
    given(BOOK).when(fee, letter=DOCUMENT).then(
        AdjustmentProposed(
            adjustment="ADJ-2",
            agent="harbor",
            amount_minor=-100,
            currency="USD",
            adjusted_because="portal fee",
            **BY_ANN,
            effective_on=DAY,
        )
    )


@pytest.mark.parametrize(
    "approver",
    [ANN, Actor(subject=BOB, on_behalf_of="house/ann")],
    ids=["herself", "who acts for her"],
)
def test_who_proposed_an_adjustment_does_not_approve_it(approver: str | Actor) -> None:
    given(BOOK, PROPOSED).when(ApproveAdjustment(adjustment="ADJ-1"), by=approver).then_refused(
        SelfApproved, "adjustment ADJ-1 was proposed by house/ann; let another principal approve it"
    )


def test_without_a_document_nothing_is_adjusted_and_nothing_is_reversed() -> None:
    given(BOOK).when(GOODWILL).then_refused(
        DocumentMissing,
        "adjustment ADJ-1 has no evidence; name the document, its signer and the day it was signed",
    )
    given(BOOK, APPROVED).when(REVERSE).then_refused(
        DocumentMissing,
        "the reversal of adjustment ADJ-1 has no evidence; name the document, its signer and the day it was signed",
    )


def test_an_adjustment_of_nothing_is_refused() -> None:
    nothing = GOODWILL.model_copy(update={"amount_minor": 0})
    given(BOOK).when(nothing, letter=DOCUMENT).then_refused(AdjustmentOfNothing)


def test_agent_and_account_are_known() -> None:
    given(BOOK).when(GOODWILL.model_copy(update={"agent": "nobody"}), letter=DOCUMENT).then_refused(AgentUnknown)
    given(BOOK).when(GOODWILL.model_copy(update={"account": "ACC-9"}), letter=DOCUMENT).then_refused(AccountUnknown)


def test_a_terminated_agent_is_adjusted_all_the_same() -> None:
    ended = TerminateAgent(agent="harbor", effective_on=date(2026, 1, 1))
    given(BOOK, ended).when(GOODWILL, letter=DOCUMENT).then(
        AdjustmentProposed(**SAME, **WHERE, **WHY, **BY_ANN, effective_on=DAY)
    )


def test_an_adjustment_is_never_edited() -> None:
    """Not while it waits, not once it is approved, rejected or reversed."""
    other = GOODWILL.model_copy(update={"amount_minor": 9900})
    rejected = (PROPOSED, RejectAdjustment(adjustment="ADJ-1", rejected_because="no"))
    reversed_ = (*UNDOING, said(ApproveAdjustmentReversal(adjustment="ADJ-1"), by=BOB))
    for status, steps in (
        ("proposed", PROPOSED),
        ("approved", APPROVED),
        ("rejected", rejected),
        ("reversal proposed", UNDOING),
        ("reversed", reversed_),
    ):
        given(BOOK, steps).when(other, letter=DOCUMENT).then_refused(
            AdjustmentAlreadyProposed,
            f"adjustment ADJ-1 of 25.00 USD for harbor is {status}; give the next one its own id",
        )


def test_when_an_adjustment_is_rejected_then_it_is_over() -> None:
    house = (
        given(BOOK, PROPOSED)
        .when(RejectAdjustment(adjustment="ADJ-1", rejected_because="no such install"), by=BOB)
        .then(AdjustmentRejected(**SAME, rejected_because="no such install", effective_on=DAY))
    )
    house.when(ApproveAdjustment(adjustment="ADJ-1"), by=BOB).then_refused(AdjustmentNotProposed)


def test_an_adjustment_is_approved_once() -> None:
    given(BOOK, APPROVED).when(ApproveAdjustment(adjustment="ADJ-1"), by=BOB).then_refused(
        AdjustmentNotProposed, "adjustment ADJ-1 is approved; it does not wait for approval"
    )


# -- reversals


def test_when_an_adjustment_is_reversed_then_a_second_person_approves_that_too() -> None:
    house = (
        given(BOOK, APPROVED)
        .when(REVERSE, letter=DOCUMENT)
        .then(
            AdjustmentReversalProposed(
                **SAME, reversed_because="the vendor paid it after all", **BY_ANN, effective_on=DAY
            )
        )
    )
    house.when(ApproveAdjustmentReversal(adjustment="ADJ-1")).then_refused(
        SelfApproved, "the reversal of adjustment ADJ-1 was proposed by house/ann; let another principal approve it"
    )
    house.when(ApproveAdjustmentReversal(adjustment="ADJ-1"), by=BOB).then(
        AdjustmentReversed(**SAME, **WHERE, reversed_because="the vendor paid it after all", **BY_ANN, effective_on=DAY)
    )


def test_who_approved_an_adjustment_may_propose_its_reversal_and_who_proposed_it_approve_that() -> None:
    reversal = said(REVERSE, by=BOB, letter=DOCUMENT)
    outcome = given(BOOK, APPROVED, reversal).when(ApproveAdjustmentReversal(adjustment="ADJ-1"), by=ANN)
    assert [type(event) for event in outcome.events] == [AdjustmentReversed]


def test_when_a_reversal_is_rejected_then_the_adjustment_stands_and_can_be_reversed_again() -> None:
    house = (
        given(BOOK, UNDOING)
        .when(RejectAdjustmentReversal(adjustment="ADJ-1", rejected_because="it stands"), by=BOB)
        .then(AdjustmentReversalRejected(**SAME, rejected_because="it stands", effective_on=DAY))
    )
    assert [type(e) for e in house.when(REVERSE, letter=DOCUMENT).events] == [AdjustmentReversalProposed]


@pytest.mark.parametrize("steps", [(PROPOSED,), UNDOING], ids=["proposed", "being reversed"])
def test_only_an_approved_adjustment_is_reversed(steps: tuple[Command, ...]) -> None:
    given(BOOK, steps).when(REVERSE, letter=DOCUMENT).then_refused(AdjustmentNotApproved)


def test_an_adjustment_is_reversed_once() -> None:
    undone = (*UNDOING, said(ApproveAdjustmentReversal(adjustment="ADJ-1"), by=BOB))
    house = given(BOOK, undone)
    house.when(REVERSE, letter=DOCUMENT).then_refused(
        AdjustmentNotApproved, "adjustment ADJ-1 is reversed; only an approved one is reversed, once"
    )
    house.when(ApproveAdjustmentReversal(adjustment="ADJ-1"), by=BOB).then_refused(ReversalNotProposed)


def test_the_approval_of_an_adjustment_does_not_approve_its_reversal() -> None:
    """An approval that comes late would otherwise undo what it was meant to approve."""
    given(BOOK, UNDOING).when(ApproveAdjustment(adjustment="ADJ-1"), by=BOB).then_refused(AdjustmentNotProposed)


def test_what_was_never_proposed_is_neither_approved_nor_reversed() -> None:
    for command in (
        ApproveAdjustment(adjustment="ADJ-9"),
        RejectAdjustmentReversal(adjustment="ADJ-9", rejected_because="x"),
    ):
        given(BOOK).when(command, by=BOB).then_refused(
            AdjustmentUnknown, "there is no adjustment ADJ-9; propose it first"
        )
