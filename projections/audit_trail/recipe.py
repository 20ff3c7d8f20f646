"""How the recipe's events are told: in the history of the house's recipe and in that of the reprojection."""

from collections.abc import Iterator
from typing import assert_never

from domain.ids import RECIPE
from domain.recipe import (
    Difference,
    RecipeChange,
    RecipeEvent,
    RecipePromoted,
    ReprojectionApproved,
    ReprojectionDropped,
    ReprojectionProposed,
)
from projections.audit_trail.words import Writer, and_, free_text, in_units


def tell(event: RecipeEvent, to: Writer) -> None:
    name = f"Reprojection {event.reprojection}"
    match event:
        case ReprojectionProposed():
            sentence = f"{name} was proposed, {_brings(event.change)}: {free_text(event.proposed_because)}."
        case ReprojectionApproved():
            sentence = f"{name} was approved{_as_seen(event)}."
        case ReprojectionDropped():
            sentence = f"{name} was dropped."
        case RecipePromoted():
            undoing = f", undoing {event.undoes}" if event.undoes else ""
            sentence = f"{name} was promoted{undoing}: recipe {event.recipe_no} counts, {_brings(event.change)}."
        case _:
            assert_never(event)
    to.tell(sentence, RECIPE, f"reprojection:{event.reprojection}")


def _brings(change: RecipeChange) -> str:
    parts = [f"version {body.plan_version} of plan {body.plan}" for body in change.plan_versions]
    parts += [f"{ref} no more" for ref in change.ended]
    if change.release is not None:
        parts.append(f"rating release {change.release}")
    return f"with {and_(parts)}"


def _as_seen(event: ReprojectionApproved) -> str:
    if event.as_valued_at is None:
        return ""
    moved = and_(_moved(event.differences)) or "no differences"
    return f", as valued at position {event.as_valued_at}: {moved}"


def _moved(differences: tuple[Difference, ...]) -> Iterator[str]:
    for one in differences:
        gained, lost = in_units(one.gained_minor, one.currency), in_units(-one.lost_minor, one.currency)
        yield f"payees gain {gained} and lose {lost}"
