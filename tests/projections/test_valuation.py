"""What a valuation says a recipe would change is what the ledger posts, cell by cell, when the recipe is promoted."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from adapters.memory import MemoryTables
from domain import months
from domain.ids import plan_stream
from domain.message import Command, Issued
from domain.rating.facts import HOUSE_NO
from domain.recipe import (
    ApproveReprojection,
    PlanVersionRef,
    PromoteReprojection,
    ProposeReprojection,
    RecipePromoted,
    UndoReprojection,
)
from projections.facts.terms import recipe_facts
from projections.valuation import Valuer
from tests.system.generated import (
    ANN,
    BOB,
    PLAN_VERSIONS,
    STORIES,
    NewPlanVersion,
    Story,
    Told,
    tell,
)

EXAMPLES, MANY = 60, 2_000


def propose(told: Told, *versions: NewPlanVersion, name: str = "cut", release: int | None = None) -> list[str]:
    """Propose versions of plans, and a reprojection with those that are not refused; the refusals."""
    refs = []
    for new in versions:
        state: Any = told.simulation.commands.state(plan_stream(new.plan))
        number = max((*state.published, *state.proposed), default=0) + 1
        (proposed, _, _), *_ = new.commands(_Numbered(number))  # type: ignore[arg-type]
        if not give(told, f"{name}-{new.plan}-{number}", proposed):
            refs.append(PlanVersionRef(plan=new.plan, plan_version=number))
    return give(
        told,
        f"{name}-proposed",
        ProposeReprojection(
            reprojection=name, plan_versions=tuple(refs), release=release, proposed_because="a property"
        ),
    )


class _Numbered:
    """What a new plan version asks of the story: its number."""

    def __init__(self, number: int) -> None:
        self.versions: defaultdict[str, int] = defaultdict(lambda: number - 1)


def promote(told: Told, name: str = "cut") -> list[str]:
    return [
        *give(told, f"{name}-approved", ApproveReprojection(reprojection=name), by=BOB),
        *give(told, f"{name}-promoted", PromoteReprojection(reprojection=name)),
    ]


def give(told: Told, command_id: str, command: Command, by: Any = ANN) -> list[str]:
    """The refusals."""
    before = len(told.simulation.refusals)
    told.simulation.run([Issued(command_id, by, command, None)])
    return [refusal["because"] for refusal in told.simulation.refusals[before:]]


def facts_of(tables: MemoryTables, upto: int) -> dict[int, list[tuple[int, Sequence[Any]]]]:
    account_nos = sorted({row[0] for row in tables.content["facts"]})
    return {no: list(tables.account(no, upto + 1)) for no in account_nos}


def valuer_at(told: Told, upto: int, promoted: RecipePromoted) -> Valuer:
    """What values as of a position with the change of a reprojection on top."""
    house = facts_of(told.simulation.book.tables, upto)[HOUSE_NO]
    change = recipe_facts(promoted.change, promoted.recipe_no, promoted.reprojection)
    return Valuer.of(house, change, upto)


def promotions(told: Told) -> list[tuple[int, RecipePromoted]]:
    return [(r.position, r.event) for r in told.events if isinstance(r.event, RecipePromoted)]


def valued(told: Told, position: int, promoted: RecipePromoted) -> list[tuple[Any, ...]]:
    """The journal's rows at a promotion as the valuation just before it foretells them."""
    valuer = valuer_at(told, position - 1, promoted)
    return [
        (position, no, months.last_day(e[0]), *e[1:9])
        for no, facts in facts_of(told.simulation.book.tables, position - 1).items()
        if no != HOUSE_NO
        for e in valuer.value(no, facts).entries
    ]


def posted(told: Told, position: int) -> list[tuple[Any, ...]]:
    return sorted(row for row in told.simulation.book.tables.content["journal"] if row[0] == position)


def foretells(told: Told) -> int:
    """Check every promotion; how many rows there were."""
    rows = 0
    for position, promoted in promotions(told):
        assert sorted(valued(told, position, promoted)) == posted(told, position)
        rows += len(posted(told, position))
    return rows


def holds(examples: int, *, chance: bool) -> None:
    @settings(max_examples=examples, derandomize=not chance, deadline=None, database=None)
    @given(STORIES, st.lists(PLAN_VERSIONS, max_size=2, unique_by=lambda new: new.plan), st.sampled_from((1, 2)))
    def in_every_story(story: Story, versions: list[NewPlanVersion], release: int) -> None:
        told = tell(story)
        if not propose(told, *versions, release=release):
            promote(told)
            give(told, "undo", UndoReprojection(reprojection="back", undoes="cut", proposed_because="a property"))
            promote(told, "back")
        note(told.text())
        foretells(told)

    in_every_story()


def test_a_valuation_foretells_what_every_promotion_posts() -> None:
    holds(EXAMPLES, chance=False)


@pytest.mark.long
def test_a_valuation_foretells_what_every_promotion_posts_in_many_stories() -> None:
    holds(MANY, chance=True)
