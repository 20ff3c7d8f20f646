"""Reasons are arithmetic: whoever types what is printed into a pocket calculator gets the amount, in every story."""

import re
from collections.abc import Callable, Iterator
from fractions import Fraction

from hypothesis import given, note, settings

from domain import rating
from domain.contract import ContractRenewed, ContractSigned
from domain.money import half_away
from domain.plan import PlanVersionPromoted, PlanVersionPublished
from domain.rating.facts import Cell
from domain.rating.reasons import reason
from domain.rating.release_1 import Item, Share
from domain.recipe import RecipePromoted
from tests.system.generated import REPROJECTED_STORIES, STORIES, Story, Told, tell

EXAMPLES = 25
AMOUNT = r"-?[\d,]+(?:\.\d+)?"
PERCENT = r"-?[\d./]+%"


def shares(told: Told) -> Iterator[tuple[Cell, Item, Share]]:
    book = told.simulation.book
    for account in told.simulation._accounts().values():
        for cell in account.cells(book.ledger.house, book.position):
            for item in rating.rate(account, book.ledger.house, cell, book.position, {}):
                for share in item.shares:
                    yield cell, item, share


def amount(text: str) -> Fraction:
    """In minor units; all currencies of the stories have two places."""
    return Fraction(text.replace(",", "")) * 100


def part(text: str) -> Fraction:
    return Fraction(text.removesuffix("%")) / 100


def calculated(figures: str) -> Fraction:
    """What a person gets who does the printed steps one after the other, and finds every printed result on the way."""
    so_far: Fraction | None = None
    for step in figures.split(", "):
        if step.startswith("largest remainder"):
            continue
        if (rounded := re.fullmatch(rf"rounded ({AMOUNT})", step)) is not None:
            assert so_far is not None
            assert half_away(so_far) == amount(rounded[1]), step
            so_far = amount(rounded[1])
        elif re.fullmatch(AMOUNT, step):
            so_far = amount(step)
        else:
            done, equals, result = step.rpartition(" = ")
            assert equals, step
            so_far = _done(done, so_far)
            if result.startswith("about "):
                assert half_away(so_far) == amount(result.removeprefix("about ")), step
            else:
                assert so_far == amount(result), step
    assert so_far is not None, figures
    return so_far


def _done(step: str, so_far: Fraction | None) -> Fraction:
    def of(text: str) -> Fraction:
        if text == "that":
            assert so_far is not None
            return so_far
        return amount(text.removeprefix("about "))

    if (found := re.fullmatch(rf"less ({PERCENT}) clawed back", step)) is not None:
        assert so_far is not None
        return so_far * (1 - part(found[1]))
    if (found := re.fullmatch(r"taken from (.*)", step)) is not None:
        return -of(found[1])
    if (found := re.fullmatch(r"(\S+) × (.*)", step)) is not None:
        return Fraction(found[1]) * of(found[2])
    if (found := re.fullmatch(r"(\d+)/(\d+) of (.*)", step)) is not None:
        return Fraction(int(found[1]), int(found[2])) * of(found[3])
    rates, _, base = step.partition(" of ")
    first, *less = rates.split(" − ")
    return (part(first) - sum(map(part, less))) * of(base)


def the_figures_give_the_amount(cell: Cell, item: Item, share: Share, words: str, told: Told) -> None:
    if share.coefficient is None:
        if share.payee == "house" and (stated := re.match(r"what is left of (\S+) received: (.*?) = ([^;]+);", words)):
            left = amount(stated[1])
            for sign, paid in re.findall(rf"([-+]) ({AMOUNT})", stated[2]):
                left += amount(paid) if sign == "+" else -amount(paid)
            assert left == amount(stated[3]) == share.amount_minor
        return
    why = share.coefficient.why
    figures = words.removeprefix(f"{why.words}: ").split(f"; {item.label}")[0]
    divided = figures.partition(", divided ")
    got = calculated(divided[0])
    if divided[1]:
        assert words.count(f": {share.amount_minor / 100:,.2f};") == 1
    elif "about" not in figures:
        assert got == share.amount_minor


def the_version_is_named_and_why_it_applied(cell: Cell, item: Item, share: Share, words: str, told: Told) -> None:
    if share.coefficient is None:
        return
    named = re.search(r"of plan (\S+) version (\d+) \(position (\d+)\), which applies to ([^;]+)", words)
    assert named is not None
    event = told.events[int(named[3]) - 1].event
    assert isinstance(event, PlanVersionPublished | PlanVersionPromoted | RecipePromoted)
    if isinstance(event, RecipePromoted):
        assert (named[1], int(named[2])) in {(v.plan, v.plan_version) for v in event.change.plan_versions}
    else:
        assert (event.plan, event.plan_version) == (named[1], int(named[2]))
    term = re.search(r"this one (signed|renewed) on (\S+) \(position (\d+)\)", words)
    if term is not None:
        begun = told.events[int(term[3]) - 1].event
        assert isinstance(begun, ContractSigned if term[1] == "signed" else ContractRenewed)
        assert begun.effective_on.isoformat() == term[2]


def in_stories(check: Callable[[Cell, Item, Share, str, Told], None], story: Story) -> None:
    told = tell(story)
    note(told.text())
    for cell, item, share in shares(told):
        words = reason(item, share, cell.currency)
        note(words)
        check(cell, item, share, words, told)


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
@given(STORIES)
def test_the_printed_figures_give_the_amount(story: Story) -> None:
    in_stories(the_figures_give_the_amount, story)


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
@given(REPROJECTED_STORIES)
def test_the_printed_figures_give_the_amount_across_promotions(story: Story) -> None:
    in_stories(the_figures_give_the_amount, story)


@settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
@given(REPROJECTED_STORIES)
def test_every_reason_names_the_version_and_why_it_applied(story: Story) -> None:
    in_stories(the_version_is_named_and_why_it_applied, story)
