"""What holds of the money in every story in which the recipe becomes another: by a promotion, and back by its undoing.

All that holds without promotions holds with them (``test_money_properties``); and of them alone: nothing before a
promotion changes, after it every cell is worth what a ledger says that never knew another recipe, and paid money stays.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, given, note, settings
from psycopg import sql

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.memory import MemoryBook, MemoryLog
from adapters.projectors import Projectors
from adapters.rebuild import rebuild
from adapters.valuations import ReprojectionNotOpen, stands, value
from adapters.verify import verify
from domain.log import NewEvent
from domain.message import Command
from domain.payout import ApprovePayRun, PayRunApproved, PayRunProposed, PayRunReleased, ReleasePayRun
from domain.plan import Differential, MultipleOfMrcOnce, Override, PercentOfMrc, Rule, Selector
from domain.rating.facts import HOUSE_NO
from domain.recipe import RecipeChange, RecipePromoted, ReprojectionProposed
from projections import ledger
from projections.facts.terms import recipe_facts
from projections.ledger import KIND_NAMES, MARGIN, Ledger
from services.queries import Queries
from tests.database import fresh_house
from tests.system.generated import (
    REPROJECTED_STORIES,
    Disconnected,
    Interrupted,
    Letter,
    Line,
    LineMoved,
    MonthsPass,
    NewPlanVersion,
    NewService,
    PayRun,
    Placement,
    Reprojected,
    Revised,
    Statement,
    Story,
    Told,
    Undone,
    WentOn,
    Withdrawn,
    day,
    percent,
    tell,
)
from tests.system.test_money_properties import MANY, PROPERTIES, Entry, Property, Sums, journal, sums

EXAMPLES, ON_POSTGRES = 30, 6


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
    moved = sums(((e.position, e.cell, e.book), e.amount_minor) for e in entries)
    assert {number for _, _, number in moved} <= {MARGIN, *_payables(told)}


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


# -- stories with every turn that a recipe can take

_CUT = (NewPlanVersion("seller", False, 0, (Rule(rule="default", pay=percent("0.6")),), ()),)
_OF_MRC = (
    NewPlanVersion(
        "seller",
        False,
        0,
        (
            Rule(rule="by-mrc", pay=PercentOfMrc(kind="percent-of-mrc", rate=Decimal("0.1"))),
            Rule(
                rule="once",
                when=Selector(service="voip"),
                pay=MultipleOfMrcOnce(kind="multiple-of-mrc-once", multiple=Decimal("1.5")),
            ),
        ),
        (),
    ),
)
_TEAM = (
    NewPlanVersion(
        "upline",
        False,
        -1,
        (Rule(rule="own", pay=percent("0.9")),),
        (Override(rule="differential", pay=Differential(kind="differential")),),
    ),
)
_SHARE = Letter("A-1", (("harbor", 1), ("delta", 1)), 0)
_ODD = Statement("lumen", (Line("5-1", "101"), Line("5-1", "-33.335"), Line("5-1", "1", kind=1)))

RECIPES_TO_REMEMBER: dict[str, Story] = {
    "two who share are paid under one release, then under the next, and then it is undone": [
        _SHARE,
        _ODD,
        PayRun("settled"),
        Reprojected((), 2, "promoted"),
        _ODD,
        PayRun("settled"),
        Undone(0, "promoted"),
        _ODD,
        PayRun("settled"),
    ],
    "a version pays by the month for months that were reported before, late lines come, and it is undone": [
        MonthsPass(1),
        Statement("lumen", ()),
        NewService("C-1", "voip", "A-1", None, 5000, day(1, 15)),
        Reprojected(_OF_MRC, None, "promoted"),
        Statement("lumen", (Line("5-1", "1000", service="dia"), Line("5-1", "-30", month=-2))),
        Disconnected("C-1", "voip", day(2, 15)),
        PayRun("settled"),
        Undone(0, "promoted"),
        Statement("lumen", (Line("5-1", "1000", month=-1),)),
        PayRun("settled"),
    ],
    "two promotions lie on each other, with a late letter between, and both are undone in turn": [
        Reprojected(_CUT, None, "promoted"),
        Letter("A-1", (("delta", 60), ("summit", 40)), -1),
        Reprojected(_TEAM, 2, "promoted"),
        Statement("zito", (Line("5-2", "333.335"),)),
        PayRun("settled"),
        Undone(0, "promoted"),
        Revised(0, (0,), (Line("5-2", "101"),)),
        Undone(0, "promoted"),
    ],
    "another version is published after the promotion, which is undone under it": [
        Reprojected(_CUT, None, "promoted"),
        NewPlanVersion("seller", False, 1, (Rule(rule="default", pay=percent("0.75")),), ()),
        _ODD,
        Undone(0, "promoted"),
        MonthsPass(1),
        _ODD,
    ],
    "a rival waits until its recipe is no longer live, and a dropped one changes nothing": [
        _SHARE,
        Reprojected(_TEAM, None, "dropped"),
        _ODD,
        Reprojected(_CUT, None, "promoted", rival=True),
    ],
    "lines are placed, moved and revised across a promotion": [
        Statement("lumen", (Line("05-1", "1000"), Line("5-1", "333.335"), Line("9-9", "10"))),
        _SHARE,
        Reprojected(_CUT, 2, "promoted"),
        Placement("lumen", "05-1", "A-1", None, True),
        LineMoved("lumen", 0, 2, "A-1", "A-2", "5-1"),
        Revised(0, (1,), (Line("5-1", "-30"),)),
        Undone(0, "promoted"),
        Revised(0, (), ()),
    ],
}


@pytest.mark.parametrize("story", RECIPES_TO_REMEMBER.values(), ids=RECIPES_TO_REMEMBER)
@pytest.mark.parametrize("check", [*OF_PROMOTIONS, *PROPERTIES], ids=_called)
def test_in_stories_to_remember(check: Property, story: Story) -> None:
    told = tell(story)
    expected = {"AgentOfRecordAlreadyDesignated", "PlanVersionNotProposed"}
    assert not [r for r in told.simulation.refusals if r["refused"] not in expected]
    assert [p for p, _ in promotions(told) if any(e.position == p for e in journal(told))]
    check(told)


@pytest.mark.parametrize(
    ("commands", "refused"), [(1, ApprovePayRun), (2, ReleasePayRun)], ids=["proposed", "approved"]
)
def test_given_a_pay_run_from_before_a_promotion_then_it_goes_no_further_and_the_next_one_pays_what_is_earned_now(
    commands: int, refused: type[Command]
) -> None:
    run, promotion = PayRun("settled"), Reprojected(_CUT, 2, "promoted")
    story: Story = [_SHARE, _ODD, Interrupted(run, commands), promotion, WentOn(0, 1)]

    told = tell(story)
    given = {issued.command_id: type(issued.command) for issued in told.commands}
    ((by, because),) = [
        (given[r["id"]], r["because"]) for r in told.simulation.refusals if r["refused"] == "FiguresOfAnotherRecipe"
    ]
    assert by is refused
    assert because.endswith("before reprojection rp-1 was promoted; withdraw it and propose another")

    told = tell([*story, Withdrawn("P-1"), run])
    no_pay_run_goes_over_a_promotion(told)
    assert [r.event.pay_run for r in told.events if isinstance(r.event, PayRunReleased)] == ["P-2"]
    balance = told.simulation.book.tables.sums["balance"]
    assert not [key for key, amount in balance.items() if key[0] in _payables(told) and amount > 0]


def _payables(told: Told) -> set[int]:
    return {told.simulation.book.ledger.book_of(f"agent:{agent}") for agent in told.simulation.book.ledger.house.agents}


@pytest.mark.parametrize("story", RECIPES_TO_REMEMBER.values(), ids=RECIPES_TO_REMEMBER)
def test_a_promotion_that_passes_over_accounts_posts_the_same(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    told = tell(story)
    monkeypatch.setattr(ledger, "PASSING_ACCOUNTS", 0)

    again = _upto(told, len(told.events))

    assert again.tables.content["journal"] == told.simulation.book.tables.content["journal"]


# -- on PostgreSQL


ALL_OF_THEM: Story = [
    *(one for story in RECIPES_TO_REMEMBER.values() for one in (*story, MonthsPass(1))),
]


def _journal(database: Database) -> list[tuple[Any, ...]]:
    statement = sql.SQL("SELECT * FROM {}").format(sql.Identifier(database.book, "journal"))
    with database.connect("reader") as connection:
        return sorted(connection.execute(statement).fetchall())


@pytest.fixture(scope="module")
def told_once() -> Told:
    return tell(ALL_OF_THEM)


@pytest.mark.parametrize("batch", [1, 7, 5_000])
def test_live_projection_bulk_rebuild_and_simulation_post_the_same(
    database: Database, told_once: Told, batch: int
) -> None:
    assert len(promotions(told_once)) > 8
    with PostgresLog(database) as log, Projectors(database) as projectors:
        new = [NewEvent(r.stream_id, r.stream_version, r.event, r.envelope) for r in told_once.events]
        log.append(new, {}, "story", "")
        projectors.catch_up(batch)
    live = _journal(database)
    assert live == sorted(told_once.simulation.book.tables.content["journal"])

    if batch == 7:
        assert [check for check in verify(database).checks if not check.ok] == []
    rebuild(database, "ledger", workers=2 if batch == 1 else 1)
    assert _journal(database) == live


def test_every_entry_is_explained_by_the_release_that_posted_it(database: Database, told_once: Told) -> None:
    with PostgresLog(database) as log, Projectors(database) as projectors:
        new = [NewEvent(r.stream_id, r.stream_version, r.event, r.envelope) for r in told_once.events]
        log.append(new, {}, "story", "")
        projectors.catch_up(5_000)
    with database.connect("reader") as connection:
        queries = Queries(database, connection)
        explained = {str(e.id): queries.why(e) for e in queries.entries(positions=(0, len(told_once.events)))}
    assert len(explained) == len(journal(told_once))
    simulated = {entry["entry"]: entry["reason"] for entry in told_once.simulation.result()["entries"]}
    assert {name: explained[name].reason for name in simulated} == simulated


def _told_with_valuations(database: Database, told: Told) -> list[str]:
    """Append a story, and value each reprojection as soon as it is proposed; what became of those valuations."""
    proposals = {r.position: r.event.reprojection for r in told.events if isinstance(r.event, ReprojectionProposed)}
    at = 0
    with PostgresLog(database) as log, Projectors(database) as projectors:
        for upto in sorted({*proposals, len(told.events)}):
            new = [NewEvent(r.stream_id, r.stream_version, r.event, r.envelope) for r in told.events[at:upto]]
            log.append(new, {}, f"story-{upto}", "")
            projectors.catch_up(7)
            at = upto
            if upto in proposals:
                with suppress(ReprojectionNotOpen):
                    value(database, proposals[upto], workers=1)
    with database.connect("reader") as connection:
        return [valuation.reason or "open" for valuation in stands(connection, database.book)]


def test_promotions_posted_from_valuations_are_the_rows_that_the_ledger_posts_itself(
    database: Database, told_once: Told
) -> None:
    became = _told_with_valuations(database, told_once)

    assert sorted(one for one in became if one != "open") == sorted(
        f"promoted at position {position}" for position, _ in promotions(told_once)
    )
    assert _journal(database) == sorted(told_once.simulation.book.tables.content["journal"])
    assert [check for check in verify(database).checks if not check.ok] == []


def promotions_of_made_up_stories_are_posted_from_valuations(database_url: str, examples: int, *, chance: bool) -> None:
    generate = [Phase.generate]  # to shrink one would take minutes

    @settings(max_examples=examples, derandomize=not chance, deadline=None, database=None, phases=generate)
    @given(REPROJECTED_STORIES)
    def in_every_story(story: Story) -> None:
        told = tell(story)
        note(told.text())
        if not promotions(told):
            return
        with fresh_house(database_url) as database:
            became = _told_with_valuations(database, told)
            assert not [one for one in became if "without it" in one]
            assert _journal(database) == sorted(told.simulation.book.tables.content["journal"])

    in_every_story()


def test_in_made_up_stories_promotions_are_posted_from_valuations(database_url: str) -> None:
    promotions_of_made_up_stories_are_posted_from_valuations(database_url, ON_POSTGRES, chance=False)


@pytest.mark.long
def test_in_many_made_up_stories_promotions_are_posted_from_valuations(database_url: str) -> None:
    promotions_of_made_up_stories_are_posted_from_valuations(database_url, 100, chance=True)
