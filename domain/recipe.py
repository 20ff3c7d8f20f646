"""The recipe that values are made with: a rating release and the plan versions that count. One stream for the house.

    reprojection:  ReprojectionProposed ──▶ proposed ── ReprojectionApproved ──▶ approved ── RecipePromoted ──▶ promoted
                                               └────────── ReprojectionDropped ◀────┘

A reprojection is a proposed change of the recipe: plan versions that are proposed and not published, another rating
release, or both. It is valued beside the live ledger; a second person approves it; its promotion is one event, at whose
position the ledger posts new less old. Promotions lie on each other: the last one that stands can be undone, which is
another reprojection that takes back what that one brought, and is valued, approved and promoted like any other.

Units: money in minor units of its currency; a gain is above zero, a loss below.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Any, Literal, assert_never

from pydantic import Field

from domain.ids import RECIPE, Because, PlanId, ReprojectionId, StreamId, plan_stream
from domain.message import Actor, Command, Context, Event, Model, Refused, Streams, last_event
from domain.money import Currency
from domain.plan import (
    Plan,
    PlanVersionBody,
    PlanVersionEnded,
    PlanVersionPromoted,
    body_of,
)
from domain.rating import RELEASES
from domain.rating.facts import FIRST_RELEASE


class PlanVersionRef(Model):
    plan: PlanId
    plan_version: Annotated[int, Field(ge=1)]

    def __str__(self) -> str:
        return f"version {self.plan_version} of plan {self.plan}"


class RecipeChange(Model):
    """What becomes another: ``release`` None stays; ``plan_versions`` begin to count, ``ended`` ones count no more."""

    release: int | None = None
    plan_versions: tuple[PlanVersionBody, ...] = ()
    ended: tuple[PlanVersionRef, ...] = ()


class Difference(Model):
    """What a reprojection would move in one currency: what payees gain together, what they lose, what the house has."""

    currency: Currency
    gained_minor: Annotated[int, Field(ge=0)]
    lost_minor: Annotated[int, Field(le=0)]
    house_minor: int
    accounts: Annotated[int, Field(ge=0)]
    """How many accounts differ."""


# -- events


class ReprojectionProposed(Event, topic="recipe.reprojection_proposed"):
    """``recipe_no`` is the live recipe that it changes; ``undoes`` the reprojection whose promotion it takes back."""

    reprojection: ReprojectionId
    recipe_no: int
    change: RecipeChange
    undoes: ReprojectionId | None = None
    proposed_because: str
    proposed_by: Actor


class ReprojectionApproved(Event, topic="recipe.reprojection_approved"):
    """``as_valued_at``: the position of the valuation whose ``differences`` the approver saw."""

    reprojection: ReprojectionId
    as_valued_at: int | None = None
    differences: tuple[Difference, ...] = ()
    approved_by: Actor


class ReprojectionDropped(Event, topic="recipe.reprojection_dropped"):
    reprojection: ReprojectionId


class RecipePromoted(Event, topic="recipe.promoted"):
    """From this position on values are made with recipe ``recipe_no``; here the ledger posts new less old."""

    reprojection: ReprojectionId
    recipe_no: int
    change: RecipeChange
    undoes: ReprojectionId | None = None
    proposed_by: Actor
    approved_by: Actor


RecipeEvent = ReprojectionProposed | ReprojectionApproved | ReprojectionDropped | RecipePromoted

# -- commands


class ProposeReprojection(Command, do="propose_reprojection"):
    """Value the ledger with proposed plan versions, another rating release, or both."""

    reprojection: ReprojectionId
    plan_versions: Annotated[tuple[PlanVersionRef, ...], Field(max_length=100)] = ()
    release: Annotated[int, Field(ge=1)] | None = None
    proposed_because: Because
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((RECIPE,), tuple(dict.fromkeys(plan_stream(v.plan) for v in self.plan_versions)))


class UndoReprojection(Command, do="undo_reprojection"):
    """Propose, as a reprojection of its own, to take back what the promotion of another one brought."""

    reprojection: ReprojectionId
    undoes: ReprojectionId
    proposed_because: Because
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((RECIPE,))


class ApproveReprojection(Command, do="approve_reprojection"):
    """``as_valued_at`` and ``differences`` are what the valuation shows when the command is given."""

    reprojection: ReprojectionId
    as_valued_at: Annotated[int, Field(ge=0)] | None = None
    differences: tuple[Difference, ...] = ()
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((RECIPE,), _plans_of(self.reprojection, known))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(RECIPE, versions)


class DropReprojection(Command, do="drop_reprojection"):
    reprojection: ReprojectionId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((RECIPE,))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(RECIPE, versions)


def _plans_of(reprojection: str, known: Mapping[str, Any]) -> tuple[StreamId, ...]:
    """The streams of the plans of which a reprojection brings or ends versions."""
    recipe: Recipe = known.get(RECIPE, EMPTY)
    found = recipe.reprojections.get(reprojection)
    if found is None:
        return ()
    change = found.proposed.change
    plans = [*(body.plan for body in change.plan_versions), *(ref.plan for ref in change.ended)]
    return tuple(dict.fromkeys(map(plan_stream, plans)))


class PromoteReprojection(Command, do="promote_reprojection"):
    """Make the approved reprojection the live recipe."""

    reprojection: ReprojectionId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((RECIPE, *_plans_of(self.reprojection, known)))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(RECIPE, versions)


RecipeCommand = ProposeReprojection | UndoReprojection | ApproveReprojection | DropReprojection | PromoteReprojection

# -- refusals


class ReprojectionAlreadyProposed(Refused):
    """An id names one reprojection for ever, also after it was dropped."""


class ReprojectionUnknown(Refused):
    """Only a proposed reprojection is approved, dropped, promoted or undone."""


class ReprojectionOver(Refused):
    """A reprojection that was promoted or dropped is over."""


class ReprojectionAlreadyApproved(Refused):
    """A reprojection is approved once."""


class ReprojectionNotApproved(Refused):
    """Nothing is promoted before a second person has approved it."""


class NothingToReproject(Refused):
    """A reprojection changes something: it brings plan versions, or another rating release."""


class ReleaseUnknown(Refused):
    """There are only the rating releases in this program."""


class PlanVersionNotWaiting(Refused):
    """A reprojection brings plan versions that are proposed, and neither published nor withdrawn."""


class RecipeHasMoved(Refused):
    """A reprojection changes the recipe that was live when it was proposed, and no later one."""


class NotTheLastPromotion(Refused):
    """Promotions lie on each other: only the last one that stands is undone."""


# -- state


@dataclass(frozen=True, slots=True)
class Reprojection:
    proposed: ReprojectionProposed
    status: Literal["proposed", "approved", "promoted", "undone", "dropped"] = "proposed"
    approved_by: Actor | None = None
    release_before: int = FIRST_RELEASE
    """The release that its promotion took the place of."""


@dataclass(frozen=True, slots=True)
class Recipe:
    recipe_no: int = 0
    """Counts the promotions; 0 before the first one."""
    release: int = FIRST_RELEASE
    reprojections: Mapping[str, Reprojection] = field(default_factory=dict)
    standing: tuple[str, ...] = ()
    """The reprojections that were promoted and not undone, in order."""
    last_promoted: str = ""
    """The reprojection that was promoted last, also where it undid another."""


EMPTY = Recipe()


def evolve(recipe: Recipe, event: RecipeEvent) -> Recipe:
    match event:
        case ReprojectionProposed():
            return _with(recipe, event.reprojection, Reprojection(event))
        case ReprojectionApproved():
            found = recipe.reprojections[event.reprojection]
            return _with(recipe, event.reprojection, replace(found, status="approved", approved_by=event.approved_by))
        case ReprojectionDropped():
            return _with(
                recipe, event.reprojection, replace(recipe.reprojections[event.reprojection], status="dropped")
            )
        case RecipePromoted():
            return _promoted(recipe, event)
        case _:
            assert_never(event)


def _with(recipe: Recipe, reprojection: str, state: Reprojection) -> Recipe:
    return replace(recipe, reprojections={**recipe.reprojections, reprojection: state})


def _promoted(recipe: Recipe, event: RecipePromoted) -> Recipe:
    found = replace(recipe.reprojections[event.reprojection], status="promoted", release_before=recipe.release)
    recipe = _with(recipe, event.reprojection, found)
    if event.undoes is None:
        standing = (*recipe.standing, event.reprojection)
    else:
        recipe = _with(recipe, event.undoes, replace(recipe.reprojections[event.undoes], status="undone"))
        standing = tuple(name for name in recipe.standing if name != event.undoes)
    release = recipe.release if event.change.release is None else event.change.release
    return replace(
        recipe, recipe_no=event.recipe_no, release=release, standing=standing, last_promoted=event.reprojection
    )


# -- decisions


def decide(recipe: Recipe, command: RecipeCommand, context: Context) -> list[RecipeEvent]:
    effective_on = command.effective_on or context.today
    match command:
        case ProposeReprojection():
            _require_new(recipe, command.reprojection)
            return [_proposed(recipe, command, _change(recipe, command, context), context)]
        case UndoReprojection():
            _require_new(recipe, command.reprojection)
            return [_proposed(recipe, command, _reverse(recipe, command), context, undoes=command.undoes)]
        case ApproveReprojection():
            _approvable(recipe, command.reprojection, context)
            return [
                ReprojectionApproved(
                    reprojection=command.reprojection,
                    as_valued_at=command.as_valued_at,
                    differences=command.differences,
                    approved_by=context.actor,
                    effective_on=effective_on,
                )
            ]
        case DropReprojection():
            _open(recipe, command.reprojection)
            return [ReprojectionDropped(reprojection=command.reprojection, effective_on=effective_on)]
        case PromoteReprojection():
            return [_promote(recipe, command, context)]
        case _:
            assert_never(command)


def decide_plan(plan_id: str, plan: Plan, command: PromoteReprojection, context: Context) -> list[Any]:
    """What a promotion means for one plan: versions that count from now on, and versions that count no more."""
    recipe: Recipe = context.state(RECIPE)
    change = _open(recipe, command.reprojection).proposed.change
    effective_on = command.effective_on or context.today
    events: list[PlanVersionPromoted | PlanVersionEnded] = []
    for body in change.plan_versions:
        if body.plan == plan_id:
            _require_still_waiting(plan, body)
            events.append(
                PlanVersionPromoted(
                    plan=plan_id,
                    plan_version=body.plan_version,
                    reprojection=command.reprojection,
                    effective_on=effective_on,
                )
            )
    events.extend(
        PlanVersionEnded(
            plan=plan_id,
            plan_version=ref.plan_version,
            reprojection=command.reprojection,
            effective_on=effective_on,
        )
        for ref in change.ended
        if ref.plan == plan_id
    )
    return events


def _ref(body: PlanVersionBody) -> PlanVersionRef:
    return PlanVersionRef(plan=body.plan, plan_version=body.plan_version)


def _open(recipe: Recipe, reprojection: str) -> Reprojection:
    found = recipe.reprojections.get(reprojection)
    if found is None:
        raise ReprojectionUnknown(f"there is no reprojection {reprojection}; propose it first")
    if found.status in ("promoted", "undone", "dropped"):
        raise ReprojectionOver(f"reprojection {reprojection} is {found.status} already")
    return found


def _require_new(recipe: Recipe, reprojection: str) -> None:
    if reprojection in recipe.reprojections:
        raise ReprojectionAlreadyProposed(
            f"reprojection {reprojection} is proposed already; give the next one its own id"
        )


def _require_live(recipe: Recipe, found: Reprojection) -> None:
    if found.proposed.recipe_no != recipe.recipe_no:
        raise RecipeHasMoved(
            f"reprojection {found.proposed.reprojection} was proposed before the last promotion, for another recipe "
            "than is live now; drop it and propose it again under a new id"
        )


def _proposed(
    recipe: Recipe,
    command: ProposeReprojection | UndoReprojection,
    change: RecipeChange,
    context: Context,
    undoes: str | None = None,
) -> ReprojectionProposed:
    return ReprojectionProposed(
        reprojection=command.reprojection,
        recipe_no=recipe.recipe_no,
        change=change,
        undoes=undoes,
        proposed_because=command.proposed_because,
        proposed_by=context.actor,
        effective_on=command.effective_on or context.today,
    )


def _change(recipe: Recipe, command: ProposeReprojection, context: Context) -> RecipeChange:
    bodies: list[PlanVersionBody] = []
    for ref in dict.fromkeys(command.plan_versions):
        plan: Plan = context.state(plan_stream(ref.plan))
        bodies.append(_require_waiting(plan, ref))
    release = command.release if command.release != recipe.release else None
    if release is not None and release not in RELEASES:
        known = ", ".join(map(str, sorted(RELEASES)))
        raise ReleaseUnknown(f"there is no rating release {release}; there are {known}")
    if not bodies and release is None:
        raise NothingToReproject(
            f"reprojection {command.reprojection} changes nothing: name a proposed plan version, or a rating release "
            f"other than {recipe.release}"
        )
    return RecipeChange(release=release, plan_versions=tuple(bodies))


def _require_waiting(plan: Plan, ref: PlanVersionRef) -> PlanVersionBody:
    """The version as it waits for publication."""
    if ref.plan_version in plan.published:
        stands = "was ended" if ref.plan_version in plan.ended else "is published"
        raise PlanVersionNotWaiting(f"{ref} {stands} already; propose the next version")
    proposed = plan.proposed.get(ref.plan_version)
    if proposed is None:
        raise PlanVersionNotWaiting(f"{ref} is not proposed; propose it first")
    return body_of(proposed)


def _require_still_waiting(plan: Plan, body: PlanVersionBody) -> None:
    """The version waits, and says what it said when the reprojection was proposed."""
    proposed = plan.proposed.get(body.plan_version)
    if body.plan_version in plan.published:
        became = "was published"
    elif proposed is None:
        became = "was withdrawn"
    elif body_of(proposed) != body:
        became = "was withdrawn and proposed anew"
    else:
        return
    raise PlanVersionNotWaiting(f"{_ref(body)} {became} since; drop this reprojection and propose another")


def _reverse(recipe: Recipe, command: UndoReprojection) -> RecipeChange:
    found = recipe.reprojections.get(command.undoes)
    if found is None:
        raise ReprojectionUnknown(f"there is no reprojection {command.undoes} to undo")
    if found.proposed.undoes is not None:
        raise NotTheLastPromotion(
            f"reprojection {command.undoes} undid {found.proposed.undoes}; propose anew what it took back"
        )
    if command.undoes not in recipe.standing:
        raise NotTheLastPromotion(f"reprojection {command.undoes} is {found.status}: there is nothing to undo")
    if recipe.standing[-1] != command.undoes:
        later = recipe.standing[-1]
        raise NotTheLastPromotion(f"reprojection {later} was promoted after {command.undoes}; undo {later} first")
    change = found.proposed.change
    return RecipeChange(
        release=None if change.release is None else found.release_before,
        ended=tuple(_ref(body) for body in change.plan_versions),
    )


def _approvable(recipe: Recipe, reprojection: str, context: Context) -> None:
    found = _open(recipe, reprojection)
    name = f"reprojection {reprojection}"
    if found.status == "approved":
        raise ReprojectionAlreadyApproved(f"{name} is approved already")
    _require_live(recipe, found)
    context.require_second_person(found.proposed.proposed_by, name)
    for body in found.proposed.change.plan_versions:
        context.require_second_person(body.proposed_by, str(_ref(body)))
        _require_still_waiting(context.state(plan_stream(body.plan)), body)


def _promote(recipe: Recipe, command: PromoteReprojection, context: Context) -> RecipePromoted:
    found = _open(recipe, command.reprojection)
    if found.approved_by is None:
        raise ReprojectionNotApproved(
            f"reprojection {command.reprojection} is not approved; let a second person approve it"
        )
    _require_live(recipe, found)
    return RecipePromoted(
        reprojection=command.reprojection,
        recipe_no=recipe.recipe_no + 1,
        change=found.proposed.change,
        undoes=found.proposed.undoes,
        proposed_by=found.proposed.proposed_by,
        approved_by=found.approved_by,
        effective_on=command.effective_on or context.today,
    )
