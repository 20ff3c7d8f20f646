"""What rating learns of the house's day, of vendors, plans and agents."""

from typing import Any, assert_never

from domain.agent import (
    AgentEvent,
    AgentRecruited,
    AgentReinstated,
    AgentSuspended,
    AgentTerminated,
    AgreementSigned,
    UplineChanged,
)
from domain.calendar import CalendarEvent
from domain.plan import (
    PlanEvent,
    PlanVersionBody,
    PlanVersionEnded,
    PlanVersionPromoted,
    PlanVersionProposed,
    PlanVersionPublished,
    PlanVersionWithdrawn,
    body_of,
)
from domain.rating.facts import HOUSE_NO
from domain.recipe import (
    RecipeChange,
    RecipeEvent,
    RecipePromoted,
    ReprojectionApproved,
    ReprojectionDropped,
    ReprojectionProposed,
)
from domain.succession import SuccessionAnnounced, SuccessionCompleted, SuccessionContinued, SuccessionEvent
from domain.vendor import ProductsListed, VendorAgreementEnded, VendorAgreementResumed, VendorContracted, VendorEvent
from projections.facts.writer import Writer
from projections.projection import Row


def recipe_facts(change: RecipeChange, recipe_no: int, reprojection: str) -> list[tuple[Any, ...]]:
    """What the house learns when a change of its recipe is promoted; learned before that, what it would be."""
    return [
        *(("plan", _body(version)) for version in change.plan_versions),
        *(("plan-ended", ref.plan, ref.plan_version) for ref in change.ended),
        ("recipe", recipe_no, change.release, reprojection),
    ]


def proposed_facts(event: ReprojectionProposed) -> list[tuple[Any, ...]]:
    """What the house would learn if the reprojection were promoted: as the recipe after the one that it changes."""
    return recipe_facts(event.change, event.recipe_no + 1, event.reprojection)


def _body(version: PlanVersionBody) -> dict[str, Any]:
    return version.model_dump(mode="json", exclude_none=True)


Terms = CalendarEvent | VendorEvent | SuccessionEvent | PlanEvent | RecipeEvent | AgentEvent


def learn(event: Terms, to: Writer) -> None:
    """Write what the event teaches of the terms that all accounts share."""
    if isinstance(event, CalendarEvent):
        to.out.append(Row("facts_day", (to.position, event.effective_on)))
    elif isinstance(event, VendorEvent | SuccessionEvent):
        _learn_vendor(event, to)
    elif isinstance(event, PlanEvent | RecipeEvent):
        _learn_recipe(event, to)
    elif isinstance(event, AgentEvent):
        _learn_agent(event, to)
    else:
        assert_never(event)


def _learn_vendor(event: VendorEvent | SuccessionEvent, to: Writer) -> None:
    match event:
        case VendorContracted():
            to.name(f"vendor:{event.vendor}", to.position)
            to.fact(HOUSE_NO, "vendor", event.vendor)
        case VendorAgreementEnded():
            on = event.effective_on.isoformat()
            to.fact(HOUSE_NO, "vendor-agreement", event.vendor, on, "ended", event.evergreen)
        case VendorAgreementResumed():
            on = event.effective_on.isoformat()
            to.fact(HOUSE_NO, "vendor-agreement", event.vendor, on, "resumed", False)
        case ProductsListed():
            to.fact(HOUSE_NO, "products", event.vendor, [[p.product, p.category] for p in event.products])
        case SuccessionAnnounced():
            to.fact(HOUSE_NO, "succession", event.vendor, event.successor)
        case SuccessionContinued() | SuccessionCompleted():
            pass
        case _:
            assert_never(event)


def _learn_recipe(event: PlanEvent | RecipeEvent, to: Writer) -> None:
    """What a promotion brings or ends it says itself, all of it at one position."""
    match event:
        case PlanVersionPublished():
            to.fact(HOUSE_NO, "plan", _body(body_of(event)))
        case RecipePromoted():
            for fact in recipe_facts(event.change, event.recipe_no, event.reprojection):
                to.fact(HOUSE_NO, *fact)
        case PlanVersionProposed() | PlanVersionWithdrawn() | PlanVersionPromoted() | PlanVersionEnded():
            pass
        case ReprojectionProposed() | ReprojectionApproved() | ReprojectionDropped():
            pass
        case _:
            assert_never(event)


def _learn_agent(event: AgentEvent, to: Writer) -> None:
    on = event.effective_on.isoformat()
    match event:
        case AgentRecruited():
            to.name(f"agent:{event.agent}", to.position)
            to.fact(HOUSE_NO, "agent", event.agent, event.upline)
        case AgreementSigned():
            to.fact(HOUSE_NO, "agreement", event.agent, event.plan, on)
        case UplineChanged():
            to.fact(HOUSE_NO, "upline", event.agent, event.upline, on)
        case AgentTerminated():
            to.fact(HOUSE_NO, "terminated", event.agent, on, event.evergreen)
        case AgentSuspended() | AgentReinstated():
            pass  # a suspended agent earns on
        case _:
            assert_never(event)
