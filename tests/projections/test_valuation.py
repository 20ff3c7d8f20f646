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
from domain.plan import Differential
from domain.rating import RELEASES
from domain.rating.facts import HOUSE_NO, NEVER
from domain.rating.release_1 import Item
from domain.recipe import (
    ApproveReprojection,
    PlanVersionRef,
    PromoteReprojection,
    ProposeReprojection,
    RecipePromoted,
    UndoReprojection,
)
from projections.facts.terms import recipe_facts
from projections.valuation import AGENT_OF_RECORD, CODE, RULE, STATEMENT, Valuer, causes_of
from tests.projections import test_ledger
from tests.spec import ALDER_FOODS, LUMEN, Steps, account, agent, designated, plan
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
    posted_in_all: list[int] = []

    @settings(max_examples=examples, derandomize=not chance, deadline=None, database=None)
    @given(STORIES, st.lists(PLAN_VERSIONS, max_size=2, unique_by=lambda new: new.plan), st.sampled_from((1, 2)))
    def in_every_story(story: Story, versions: list[NewPlanVersion], release: int) -> None:
        told = tell(story)
        if not propose(told, *versions, release=release):
            promote(told)
            give(told, "undo", UndoReprojection(reprojection="back", undoes="cut", proposed_because="a property"))
            promote(told, "back")
        note(told.text())
        posted_in_all.append(foretells(told))

    in_every_story()
    assert sum(map(bool, posted_in_all)) > examples // 4, "hardly a story had a promotion that posts anything"


# -- why an item differs


def january(*steps: Steps) -> tuple[Item, ...]:
    """The items of January on Harbor's and Delta's account."""
    ledger = test_ledger.told(LUMEN, ALDER_FOODS, *steps).book.ledger
    (account,) = (a.facts for a in ledger.accounts.values() if a.facts.account_no > 0)
    (cell,) = account.cells(ledger.house, NEVER - 1)
    return RELEASES[1].rate(account, ledger.house, cell, NEVER - 1, {})


def of_agent(name: str = "harbor", rate: str = "0.8", commission: int = 100_00) -> tuple[Item, ...]:
    return january(
        plan("seller", rules=(test_ledger.rule(test_ledger.of_commission(rate)),), overrides=()),
        plan("other", rules=(test_ledger.rule(test_ledger.of_commission("0.8")),), overrides=()),
        agent("harbor", plan="seller"),
        agent("delta", plan="seller"),
        agent("ridge", plan="other"),
        account(),
        designated(name),
        test_ledger.statement("2026-02", test_ledger.line(commission=commission)),
    )


def with_upline(rate: str) -> tuple[Item, ...]:
    """Keystone's own rate is what Summit's override is the difference to."""
    differential = test_ledger.override(Differential(kind="differential"))
    return january(
        plan("seller", rules=(test_ledger.rule(test_ledger.of_commission("0.5")),), overrides=()),
        plan("middle", rules=(test_ledger.rule(test_ledger.of_commission(rate)),), overrides=()),
        plan("above", rules=(test_ledger.rule(test_ledger.of_commission("0.9")),), overrides=(differential,)),
        agent("summit", plan="above"),
        agent("keystone", upline="summit", plan="middle"),
        agent("harbor", upline="keystone", plan="seller"),
        account(),
        designated("harbor"),
        test_ledger.statement("2026-02", test_ledger.line()),
    )


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        (of_agent(), of_agent("ridge"), RULE),
        (of_agent(), of_agent("delta"), AGENT_OF_RECORD),
        (of_agent(), of_agent(commission=90_00), STATEMENT),
        (with_upline("0.6"), with_upline("0.7"), RULE),
        (of_agent(), of_agent(), CODE),
    ],
    ids=[
        "another plan",
        "another agent on the same plan",
        "another amount",
        "a rate in between",
        "nothing it knows of",
    ],
)
def test_the_cause_is_what_differs_first(old: tuple[Item, ...], new: tuple[Item, ...], cause: int) -> None:
    """Took the fault that another agent of record was taken for another rule."""
    assert set(causes_of(old, new).values()) == {cause}


# -- what a promotion posts


def test_a_valuation_foretells_what_every_promotion_posts() -> None:
    holds(EXAMPLES, chance=False)


@pytest.mark.long
def test_a_valuation_foretells_what_every_promotion_posts_in_many_stories() -> None:
    holds(MANY, chance=True)
