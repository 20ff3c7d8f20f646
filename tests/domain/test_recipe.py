"""The recipe changes by a reprojection: proposed by one, approved by another, promoted at once, undone by another."""

from datetime import date
from typing import Any

import pytest

from domain.message import SelfApproved
from domain.payout import (
    ApprovePayRun,
    Earned,
    FiguresOfAnotherRecipe,
    PayoutWithdrawn,
    PayRunApproved,
    PayRunWithdrawn,
    ProposePayRun,
    ReleasePayRun,
    WithdrawPayRun,
)
from domain.plan import (
    Plan,
    PlanVersionBody,
    PlanVersionEnded,
    PlanVersionPromoted,
    PlanVersionProposed,
    PlanVersionPublished,
    ProposePlanVersion,
    PublishPlanVersion,
    WithdrawPlanVersion,
    body_of,
)
from domain.recipe import (
    ApproveReprojection,
    Difference,
    DropReprojection,
    NothingToReproject,
    NotTheLastPromotion,
    PlanVersionNotWaiting,
    PlanVersionRef,
    PromoteReprojection,
    ProposeReprojection,
    Recipe,
    RecipeChange,
    RecipeHasMoved,
    RecipePromoted,
    ReleaseUnknown,
    ReprojectionAlreadyApproved,
    ReprojectionAlreadyProposed,
    ReprojectionApproved,
    ReprojectionDropped,
    ReprojectionNotApproved,
    ReprojectionOver,
    ReprojectionProposed,
    ReprojectionUnknown,
    UndoReprojection,
)
from tests.spec import ANN, BOB, BOOK, DAY, actor, given, said

CLEO = "cleo"
SECOND = PlanVersionRef(plan="standard", plan_version=2)
VERSION = ProposePlanVersion(plan="standard", plan_version=2)
WHY = "the vendor cut renewals by two points"


def proposal(name: str = "r-1", *plan_versions: PlanVersionRef, **fields: Any) -> ProposeReprojection:
    return ProposeReprojection(
        reprojection=name, plan_versions=plan_versions or (SECOND,), proposed_because=WHY, **fields
    )


def undo(name: str, undoes: str) -> UndoReprojection:
    return UndoReprojection(reprojection=name, undoes=undoes, proposed_because="it was a mistake")


BODY = PlanVersionBody(
    plan="standard", plan_version=2, applies_to=VERSION.applies_to, rules=(), overrides=(), proposed_by=actor(ANN)
)
CHANGE = RecipeChange(plan_versions=(BODY,))
PROPOSED = (BOOK, VERSION, proposal())
APPROVED = (*PROPOSED, said(ApproveReprojection(reprojection="r-1"), by=BOB))
PROMOTED = (*APPROVED, PromoteReprojection(reprojection="r-1"))
BACK = (undo("r-1-undone", "r-1"), said(ApproveReprojection(reprojection="r-1-undone"), by=BOB))
UNDONE = (*PROMOTED, *BACK, PromoteReprojection(reprojection="r-1-undone"))


def recipe(house: Any) -> Recipe:
    state: Recipe = house.commands.state("recipe:house")
    return state


# -- proposing


def test_when_a_reprojection_is_proposed_then_it_carries_what_its_plan_versions_say() -> None:
    given(BOOK, VERSION).when(proposal()).then(
        ReprojectionProposed(
            reprojection="r-1",
            recipe_no=0,
            change=CHANGE,
            proposed_because=WHY,
            proposed_by=actor(ANN),
            effective_on=DAY,
        )
    )


def test_given_the_id_was_used_then_it_names_no_other_reprojection() -> None:
    given(PROPOSED, DropReprojection(reprojection="r-1")).when(proposal()).then_refused(
        ReprojectionAlreadyProposed, "reprojection r-1 is proposed already; give the next one its own id"
    )


@pytest.mark.parametrize(
    ("steps", "wrong"),
    [
        ((), "version 2 of plan standard is not proposed; propose it first"),
        ((VERSION, WithdrawPlanVersion(plan="standard", plan_version=2)), "is not proposed; propose it first"),
        (
            (VERSION, said(PublishPlanVersion(plan="standard", plan_version=2), by=BOB)),
            "version 2 of plan standard is published already; propose the next version",
        ),
    ],
    ids=["never proposed", "withdrawn", "published"],
)
def test_only_a_version_that_waits_can_be_reprojected(steps: Any, wrong: str) -> None:
    outcome = given(BOOK, *steps).when(proposal())
    outcome.then_refused(PlanVersionNotWaiting)
    assert wrong in str(outcome.refusal)


def test_a_reprojection_that_changes_nothing_is_refused() -> None:
    nothing = ProposeReprojection(reprojection="r-1", release=1, proposed_because=WHY)
    given(BOOK).when(nothing).then_refused(
        NothingToReproject,
        "reprojection r-1 changes nothing: name a proposed plan version, or a rating release other than 1",
    )


def test_a_rating_release_that_is_not_in_the_tree_is_refused() -> None:
    unknown = ProposeReprojection(reprojection="r-1", release=99, proposed_because=WHY)
    given(BOOK).when(unknown).then_refused(ReleaseUnknown)


# -- approving and dropping


def test_when_another_person_approves_then_what_was_seen_is_kept() -> None:
    seen = (Difference(currency="USD", gained_minor=0, lost_minor=-250, house_minor=250, accounts=1),)
    given(PROPOSED).when(ApproveReprojection(reprojection="r-1", as_valued_at=30, differences=seen), by=BOB).then(
        ReprojectionApproved(
            reprojection="r-1", as_valued_at=30, differences=seen, approved_by=actor(BOB), effective_on=DAY
        )
    )


def test_who_proposed_the_reprojection_or_one_of_its_plan_versions_does_not_approve_it() -> None:
    by_bob = (BOOK, VERSION, said(proposal(), by=BOB))
    given(by_bob).when(ApproveReprojection(reprojection="r-1"), by=BOB).then_refused(SelfApproved)
    given(by_bob).when(ApproveReprojection(reprojection="r-1"), by=ANN).then_refused(SelfApproved)
    given(by_bob).when(ApproveReprojection(reprojection="r-1"), by="desk/kim").then(
        ReprojectionApproved(reprojection="r-1", approved_by=actor("desk/kim"), effective_on=DAY)
    )


def test_a_reprojection_is_approved_once() -> None:
    given(APPROVED).when(ApproveReprojection(reprojection="r-1"), by=CLEO).then_refused(ReprojectionAlreadyApproved)


@pytest.mark.parametrize("steps", [PROPOSED, APPROVED], ids=["proposed", "approved"])
def test_a_reprojection_is_dropped_before_its_promotion(steps: Any) -> None:
    given(steps).when(DropReprojection(reprojection="r-1")).then(
        ReprojectionDropped(reprojection="r-1", effective_on=DAY)
    )


@pytest.mark.parametrize(
    ("steps", "status"),
    [((*PROPOSED, DropReprojection(reprojection="r-1")), "dropped"), (PROMOTED, "promoted"), (UNDONE, "undone")],
    ids=["dropped", "promoted", "undone"],
)
@pytest.mark.parametrize("command", [ApproveReprojection, DropReprojection, PromoteReprojection])
def test_what_is_over_is_over(steps: Any, status: str, command: Any) -> None:
    given(steps).when(command(reprojection="r-1"), by=BOB).then_refused(
        ReprojectionOver, f"reprojection r-1 is {status} already"
    )


@pytest.mark.parametrize("command", [ApproveReprojection, DropReprojection, PromoteReprojection])
def test_what_was_never_proposed_is_unknown(command: Any) -> None:
    given(BOOK).when(command(reprojection="r-9"), by=BOB).then_refused(ReprojectionUnknown)


# -- promoting


def test_when_it_is_promoted_then_one_event_says_all_and_the_plan_counts_the_version() -> None:
    house = (
        given(APPROVED)
        .when(PromoteReprojection(reprojection="r-1"))
        .then(
            RecipePromoted(
                reprojection="r-1",
                recipe_no=1,
                change=CHANGE,
                proposed_by=actor(ANN),
                approved_by=actor(BOB),
                effective_on=DAY,
            ),
            PlanVersionPromoted(plan="standard", plan_version=2, reprojection="r-1", effective_on=DAY),
        )
    )
    plan: Plan = house.commands.state("plan:standard")
    assert plan.published == {1, 2}
    house.when(ProposePlanVersion(plan="standard", plan_version=3)).then(
        PlanVersionProposed(
            plan="standard",
            plan_version=3,
            applies_to=VERSION.applies_to,
            rules=(),
            overrides=(),
            proposed_by=actor(ANN),
            effective_on=DAY,
        )
    )


def test_nothing_is_promoted_that_nobody_approved() -> None:
    given(PROPOSED).when(PromoteReprojection(reprojection="r-1")).then_refused(
        ReprojectionNotApproved, "reprojection r-1 is not approved; let a second person approve it"
    )


@pytest.mark.parametrize(
    ("meanwhile", "wrong"),
    [
        ((WithdrawPlanVersion(plan="standard", plan_version=2),), "was withdrawn since; drop this reprojection"),
        ((said(PublishPlanVersion(plan="standard", plan_version=2), by=BOB),), "was published since; drop this"),
        (
            (
                WithdrawPlanVersion(plan="standard", plan_version=2),
                ProposePlanVersion(plan="standard", plan_version=2, because="another wording"),
            ),
            "was withdrawn and proposed anew since",
        ),
    ],
    ids=["withdrawn", "published", "proposed anew"],
)
def test_a_version_that_is_no_longer_what_was_proposed_is_neither_approved_nor_promoted(
    meanwhile: Any, wrong: str
) -> None:
    """Took a fault: it could still be approved, and was told to be proposed first."""
    steps: tuple[tuple[Any, Any], ...] = ((PROPOSED, ApproveReprojection), (APPROVED, PromoteReprojection))
    for before, command in steps:
        outcome = given(before, *meanwhile).when(command(reprojection="r-1"), by=BOB)
        outcome.then_refused(PlanVersionNotWaiting)
        assert wrong in str(outcome.refusal)


RIVAL = (
    ProposePlanVersion(plan="other", plan_version=1),
    proposal("r-2", PlanVersionRef(plan="other", plan_version=1)),
    said(ApproveReprojection(reprojection="r-2"), by=BOB),
    PromoteReprojection(reprojection="r-2"),
)


def test_after_another_promotion_it_would_change_another_recipe_than_was_approved() -> None:
    given(APPROVED, RIVAL).when(PromoteReprojection(reprojection="r-1")).then_refused(RecipeHasMoved)


def test_after_another_promotion_nobody_approves_what_could_not_be_promoted() -> None:
    given(PROPOSED, RIVAL).when(ApproveReprojection(reprojection="r-1"), by=BOB).then_refused(
        RecipeHasMoved,
        "reprojection r-1 was proposed before the last promotion, for another recipe than is live now; drop it and "
        "propose it again under a new id",
    )


# -- undoing


def test_undoing_is_a_reprojection_of_its_own_that_takes_back_what_was_brought() -> None:
    house = given(PROMOTED)
    reverse = RecipeChange(ended=(SECOND,))
    house.when(undo("r-1-undone", "r-1")).then(
        ReprojectionProposed(
            reprojection="r-1-undone",
            recipe_no=1,
            change=reverse,
            undoes="r-1",
            proposed_because="it was a mistake",
            proposed_by=actor(ANN),
            effective_on=DAY,
        )
    )
    house.given(said(ApproveReprojection(reprojection="r-1-undone"), by=BOB))
    house.when(PromoteReprojection(reprojection="r-1-undone")).then(
        RecipePromoted(
            reprojection="r-1-undone",
            recipe_no=2,
            change=reverse,
            undoes="r-1",
            proposed_by=actor(ANN),
            approved_by=actor(BOB),
            effective_on=DAY,
        ),
        PlanVersionEnded(plan="standard", plan_version=2, reprojection="r-1-undone", effective_on=DAY),
    )
    assert recipe(house).standing == ()


def test_a_second_person_approves_an_undoing_too() -> None:
    given(PROMOTED, undo("r-1-undone", "r-1")).when(
        ApproveReprojection(reprojection="r-1-undone"), by=ANN
    ).then_refused(SelfApproved)


@pytest.mark.parametrize(
    ("steps", "undoes", "refusal", "wrong"),
    [
        (BOOK, "r-9", ReprojectionUnknown, "there is no reprojection r-9 to undo"),
        (PROPOSED, "r-1", NotTheLastPromotion, "reprojection r-1 is proposed: there is nothing to undo"),
        (UNDONE, "r-1", NotTheLastPromotion, "reprojection r-1 is undone: there is nothing to undo"),
        (
            UNDONE,
            "r-1-undone",
            NotTheLastPromotion,
            "reprojection r-1-undone undid r-1; propose anew what it took back",
        ),
    ],
    ids=["unknown", "not promoted", "undone already", "an undoing"],
)
def test_only_what_stands_is_undone(steps: Any, undoes: str, refusal: Any, wrong: str) -> None:
    outcome = given(steps).when(undo("r-2", undoes))
    outcome.then_refused(refusal)
    assert wrong in str(outcome.refusal)


def test_promotions_lie_on_each_other_and_the_last_one_is_undone_first() -> None:
    second = (
        ProposePlanVersion(plan="standard", plan_version=3),
        proposal("r-2", PlanVersionRef(plan="standard", plan_version=3)),
        said(ApproveReprojection(reprojection="r-2"), by=BOB),
        PromoteReprojection(reprojection="r-2"),
    )
    house = given(PROMOTED, second)
    house.when(undo("r-3", "r-1")).then_refused(
        NotTheLastPromotion, "reprojection r-2 was promoted after r-1; undo r-2 first"
    )
    house.given(undo("r-3", "r-2"), said(ApproveReprojection(reprojection="r-3"), by=BOB))
    house.given(PromoteReprojection(reprojection="r-3"), undo("r-4", "r-1"))
    assert recipe(house).standing == ("r-1",)


def test_a_version_that_was_ended_is_said_to_be_ended_and_comes_again_under_the_next_number() -> None:
    given(UNDONE).when(proposal("r-2")).then_refused(
        PlanVersionNotWaiting, "version 2 of plan standard was ended already; propose the next version"
    )


# -- pay runs


def pay_run(name: str, recipe_no: int | None = None) -> ProposePayRun:
    figures = (Earned(agent="harbor", currency="USD", earned_minor=10000),)
    return ProposePayRun(pay_run=name, figures=figures, as_known_at=30, ledger_position=30, recipe_no=recipe_no)


RUN = pay_run("2026-01")
RUN_APPROVED = said(ApprovePayRun(pay_run="2026-01"), by=BOB)
SWITCH = PromoteReprojection(reprojection="r-1")


def test_a_pay_run_proposed_before_a_promotion_is_not_approved_after_it() -> None:
    given(APPROVED, RUN, SWITCH).when(ApprovePayRun(pay_run="2026-01"), by=BOB).then_refused(
        FiguresOfAnotherRecipe,
        "pay run 2026-01 took its figures at position 30, before reprojection r-1 was promoted; withdraw it and "
        "propose another",
    )


def test_a_pay_run_approved_before_a_promotion_is_not_released_after_it() -> None:
    house = given(APPROVED, RUN, RUN_APPROVED, SWITCH)
    house.when(ReleasePayRun(pay_run="2026-01")).then_refused(FiguresOfAnotherRecipe)
    house.when(WithdrawPayRun(pay_run="2026-01")).then(
        PayRunWithdrawn(pay_run="2026-01", effective_on=DAY),
        PayoutWithdrawn(agent="harbor", pay_run="2026-01", currency="USD", amount_minor=10000, effective_on=DAY),
    )
    house.given(pay_run("2026-01b", recipe_no=1)).when(ApprovePayRun(pay_run="2026-01b"), by=BOB).then(
        PayRunApproved(pay_run="2026-01b", approved_by=actor(BOB), effective_on=DAY)
    )


def test_figures_read_before_a_promotion_are_not_proposed_after_it() -> None:
    given(PROMOTED).when(pay_run("2026-01", recipe_no=0)).then_refused(
        FiguresOfAnotherRecipe,
        "reprojection r-1 was promoted while the figures of pay run 2026-01 were read; propose it again",
    )


def test_what_a_published_version_says_is_what_was_proposed() -> None:
    published = PlanVersionPublished(**dict(BODY), effective_on=date(2026, 1, 5))
    assert body_of(published) == BODY
