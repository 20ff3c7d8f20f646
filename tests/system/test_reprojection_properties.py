"""What holds of the money in every story in which the recipe becomes another: by a promotion, and back by its undoing.

All that holds without promotions holds with them (``test_money_properties``); and of them alone: nothing before a
promotion changes, after it every cell is worth what a ledger says that never knew another recipe, and paid money stays.
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import given, note, settings

from adapters.memory import MemoryBook, MemoryLog
from domain.log import NewEvent
from domain.payout import PayRunApproved, PayRunProposed, PayRunReleased
from domain.rating.facts import HOUSE_NO
from domain.recipe import RecipeChange, RecipePromoted
from projections.facts.terms import recipe_facts
from projections.ledger import KIND_NAMES, MARGIN, Ledger
from tests.system.generated import REPROJECTED_STORIES, Story, Told, tell
from tests.system.test_money_properties import MANY, PROPERTIES, Entry, Property, Sums, journal, sums

EXAMPLES = 30


def holds(check: Property, examples: int, *, chance: bool) -> None:
    """Check a property on so many stories: always the same ones, unless they are left to chance."""

    @settings(max_examples=examples, derandomize=not chance, deadline=None, database=None)
    @given(REPROJECTED_STORIES)
    def in_every_story(story: Story) -> None:
        told = tell(story)
        note(told.text())
        check(told)

    in_every_story()


# -- the promotions of a story


class Era(NamedTuple):
    """The positions from one promotion to before the next, and the changes that stand in it."""

    first: int
    last: int
    standing: tuple[RecipePromoted, ...]


def promotions(told: Told) -> list[tuple[int, RecipePromoted]]:
    return [(r.position, r.event) for r in told.events if isinstance(r.event, RecipePromoted)]


def eras(told: Told) -> Iterator[Era]:
    standing: tuple[RecipePromoted, ...] = ()
    turns = [(1, None), *promotions(told), (len(told.events) + 1, None)]
    for (first, promoted), (following, _) in pairwise(turns):
        if promoted is not None and promoted.undoes is None:
            standing = (*standing, promoted)
        elif promoted is not None:
            standing = tuple(one for one in standing if one.reprojection != promoted.undoes)
        yield Era(first, following - 1, standing)


def known_from_the_beginning(told: Told, era: Era) -> list[Entry]:
    """The journal of a ledger grown event by event, to the end of an era, that never knew another recipe than its."""
    tables = told.simulation.book.tables
    taught: defaultdict[int, list[tuple[int, Any]]] = defaultdict(list)
    for account_no, position, seq, _ in tables.content["facts"]:
        at_position = [fact for at, fact in tables.account(account_no, position + 1) if at == position]
        if position <= era.last and not (account_no == HOUSE_NO and _is_promotion(told, position)):
            taught[position].append((account_no, at_position[seq]))
    grown = Ledger(tables)
    for recipe_no, promoted in enumerate(era.standing, start=1):
        change = RecipeChange(release=promoted.change.release, plan_versions=promoted.change.plan_versions)
        for fact in recipe_facts(change, recipe_no, promoted.reprojection):
            grown.house.learn(0, fact)
    return [
        Entry(*row.values)
        for position in sorted(taught)
        for row in grown.project(position, taught[position])
        if row.table == "journal"
    ]


def _is_promotion(told: Told, position: int) -> bool:
    return isinstance(told.events[position - 1].event, RecipePromoted)


def _upto(told: Told, position: int) -> MemoryBook:
    """The book of a house in which nothing has happened after a position."""
    log = MemoryLog()
    for r in told.events[:position]:
        log.append([NewEvent(r.stream_id, r.stream_version, r.event, r.envelope)], {}, str(r.position), "")
    book = MemoryBook(log)
    book.catch_up()
    return book


def _worth(entries: list[Entry]) -> Sums:
    """What every part of every cell is worth."""
    return sums((e.part, e.amount_minor) for e in entries if e.of_a_cell)


# -- the properties


def the_journal_before_a_promotion_is_what_it_was(told: Told) -> None:
    rows = told.simulation.book.tables.content["journal"]
    for position, _ in promotions(told):
        before = [row for row in rows if row[0] < position]
        assert repr(_upto(told, position - 1).tables.content["journal"]) == repr(before)


def every_cell_is_worth_what_a_ledger_says_that_never_knew_another_recipe(told: Told) -> None:
    """So after an undoing it is worth what a ledger says that never knew what was undone."""
    entries = journal(told)
    for era in eras(told):
        grown = known_from_the_beginning(told, era)
        assert _worth(grown) == _worth([e for e in entries if e.position <= era.last]), f"from {era.first}"


def every_cell_is_worth_that_at_the_promotion_already(told: Told) -> None:
    entries = journal(told)
    for era in eras(told):
        grown = known_from_the_beginning(told, era._replace(last=era.first))
        assert _worth(grown) == _worth([e for e in entries if e.position <= era.first]), f"at {era.first}"


def a_promotion_moves_no_money_that_was_paid(told: Told) -> None:
    """It posts to cells alone, and between agents and the house alone: what vendors owe and what is in suspense, in the
    bank, on its way and held stays as it was."""
    turns = {position for position, _ in promotions(told)}
    entries = [entry for entry in journal(told) if entry.position in turns]
    assert not [entry for entry in entries if entry.kind in KIND_NAMES]
    ledger = told.simulation.book.ledger
    moved = sums(((e.position, e.cell, e.book), e.amount_minor) for e in entries)
    assert {number for _, _, number in moved} <= {MARGIN, *(ledger.book_of(f"agent:{a}") for a in ledger.house.agents)}


def no_pay_run_goes_over_a_promotion(told: Told) -> None:
    proposed: dict[str, int] = {}
    last = 0
    for recorded in told.events:
        match recorded.event:
            case RecipePromoted():
                last = recorded.position
            case PayRunProposed() as run:
                assert run.as_known_at >= last, "its figures are of the recipe that was live"
                proposed[run.pay_run] = recorded.position
            case PayRunApproved() | PayRunReleased() as run:
                assert proposed[run.pay_run] > last
            case _:
                pass


def undoing_brings_back_what_the_recipe_was(told: Told) -> None:
    house = told.simulation.book.ledger.house
    for era in eras(told):
        releases = [one.change.release for one in era.standing if one.change.release is not None]
        assert house.release_at(era.last) == (releases[-1] if releases else 1)


OF_PROMOTIONS: tuple[Property, ...] = (
    the_journal_before_a_promotion_is_what_it_was,
    every_cell_is_worth_what_a_ledger_says_that_never_knew_another_recipe,
    every_cell_is_worth_that_at_the_promotion_already,
    a_promotion_moves_no_money_that_was_paid,
    no_pay_run_goes_over_a_promotion,
    undoing_brings_back_what_the_recipe_was,
)


def _called(check: Property) -> str:
    return check.__name__.replace("_", " ")


@pytest.mark.parametrize("check", [*OF_PROMOTIONS, *PROPERTIES], ids=_called)
def test_in_every_story(check: Property) -> None:
    holds(check, EXAMPLES, chance=False)


@pytest.mark.long
@pytest.mark.parametrize("check", [*OF_PROMOTIONS, *PROPERTIES], ids=_called)
def test_in_thousands_of_stories(check: Property) -> None:
    holds(check, MANY, chance=True)
