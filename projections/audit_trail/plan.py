"""How a plan's events are told: every rule in words."""

from typing import assert_never

from domain.ids import plan_stream
from domain.plan import (
    PlanEvent,
    PlanVersionEnded,
    PlanVersionPromoted,
    PlanVersionProposed,
    PlanVersionPublished,
    PlanVersionWithdrawn,
)
from projections import plan_words
from projections.audit_trail.words import Writer, listed


def tell(event: PlanEvent, to: Writer) -> None:
    match event:
        case PlanVersionProposed():
            done = "proposed"
        case PlanVersionPublished():
            done = "published"
        case PlanVersionWithdrawn():
            to.tell(
                f"The proposed version {event.plan_version} of plan {event.plan} was withdrawn.",
                plan_stream(event.plan),
            )
            return
        case PlanVersionPromoted():
            to.tell(
                f"Version {event.plan_version} of plan {event.plan} counts since reprojection {event.reprojection} was "
                "promoted.",
                plan_stream(event.plan),
            )
            return
        case PlanVersionEnded():
            to.tell(
                f"Version {event.plan_version} of plan {event.plan} counts no more since reprojection "
                f"{event.reprojection} was promoted.",
                plan_stream(event.plan),
            )
            return
        case _:
            assert_never(event)
    terms = [*map(plan_words.rule, event.rules), *map(plan_words.override, event.overrides)]
    says = listed(terms, "rule", "; ") if terms else "it pays nothing"
    because = f" because {event.because}" if event.because else ""
    version = f"Version {event.plan_version} of plan {event.plan} was {done}{because}"
    says += plan_words.ends(event) + plan_words.reversals(event)
    to.tell(f"{version}, {plan_words.applies_to(event.applies_to)}: {says}.", plan_stream(event.plan))
