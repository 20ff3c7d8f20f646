"""Promotions in a house at work: what agents read, what is explained, what is expected, in memory and on PostgreSQL.

The scenario: Harbor and Delta share ACC-1 half and half at 80%. January brings 101.01, and is paid. On 15 February the
rate is cut to 70% from January on; February brings 202.01, and is paid. On 10 March release 2 divides what they share;
on 20 March that is undone.
"""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.rebuild import rebuild
from adapters.verify import verify
from domain.contract import ActivateService, AssignService, OrderService, SignContract
from domain.log import NewEvent
from domain.plan import PercentOfCommission, PercentOfMrc, ProposePlanVersion, Rule, Selector, ServiceMonthsFrom
from domain.recipe import (
    ApproveReprojection,
    PlanVersionRef,
    PromoteReprojection,
    ProposeReprojection,
    UndoReprojection,
)
from domain.vendor_statement import ReceiveStatement, StatementLine
from services.house import House
from services.reprojection import Reprojections
from services.suspense import Desk
from tests.database import fresh_house
from tests.spec import BOB, given
from tests.system.books import Book, InMemory, OnPostgres, on_postgres, scenario, settings_of
from tests.system.generated import tell
from tests.system.test_agent_statement import Readers, append, printed, statements, sum_and_stay
from tests.system.test_agent_statement import figures as part_figures
from tests.system.test_holdback import BOOK as WITH_HOLDBACK
from tests.system.test_holdback import FIRST, month
from tests.system.test_reprojection_properties import ALL_OF_THEM, promotions

BOOKS = ("in memory", "on PostgreSQL")


@pytest.fixture(scope="module", params=BOOKS)
def told(request: pytest.FixtureRequest, database_url: str) -> Iterator[Book]:
    if request.param == "in memory":
        yield InMemory(scenario("promotions"))
        return
    with fresh_house(database_url) as database, on_postgres(database, scenario("promotions")) as book:
        yield book


def posted(book: Book) -> list[tuple[str, str, str, int]]:
    return [(p.recorded_on, p.service_month, p.payee.removeprefix("agent:"), p.amount_minor) for p in book.posted()]


def reasons(book: Book, recorded_on: str, payee: str, service_month: str) -> str:
    (found,) = [
        p.reason
        for p in book.posted()
        if (p.recorded_on, p.payee, p.service_month) == (recorded_on, f"agent:{payee}", service_month)
    ]
    return found


def test_a_promotion_posts_new_less_old_on_its_day_for_every_month_that_it_reaches(told: Book) -> None:
    assert told.refusals() == []
    assert posted(told) == [
        ("2026-01-31", "2026-01", "harbor", 40_40),
        ("2026-01-31", "2026-01", "delta", 40_40),
        ("2026-01-31", "2026-01", "house", 20_21),
        ("2026-02-15", "2026-01", "harbor", -5_05),
        ("2026-02-15", "2026-01", "delta", -5_05),
        ("2026-02-15", "2026-01", "house", 10_10),
        ("2026-02-28", "2026-02", "harbor", 70_70),
        ("2026-02-28", "2026-02", "delta", 70_70),
        ("2026-02-28", "2026-02", "house", 60_61),
        ("2026-03-10", "2026-01", "harbor", 1),
        ("2026-03-10", "2026-01", "house", -1),
        ("2026-03-10", "2026-02", "harbor", 1),
        ("2026-03-10", "2026-02", "house", -1),
        ("2026-03-20", "2026-01", "harbor", -1),
        ("2026-03-20", "2026-01", "house", 1),
        ("2026-03-20", "2026-02", "harbor", -1),
        ("2026-03-20", "2026-02", "house", 1),
    ]


def test_what_was_paid_stays_paid_and_the_next_run_carries_the_difference(told: Book) -> None:
    """January paid 40.40 each; February pays 70.70 less the 5.05 that January is worth less."""
    assert [(p.recorded_on, p.payee, p.amount_minor) for p in told.paid()] == [
        ("2026-01-31", "agent:delta", 40_40),
        ("2026-01-31", "agent:harbor", 40_40),
        ("2026-02-28", "agent:delta", 65_65),
        ("2026-02-28", "agent:harbor", 65_65),
    ]


def test_the_reason_at_a_promotion_has_the_new_version_and_the_old_one_beside_it(told: Book) -> None:
    words = reasons(told, "2026-02-15", "harbor", "2026-01")

    now, _, before = words.partition("; less 40.40 posted before (")
    assert now.startswith("70% of commission received: 1/2 of 101.01 = 50.505, 70% of that = 35.3535, rounded 35.35; ")
    assert "rule residual of plan standard version 2 (position " in now
    assert "retroactively" in now
    assert before.startswith("80% of commission received: 1/2 of 101.01 = 50.505, 80% of that = 40.404, rounded 40.40")
    assert "rule residual of plan standard version 1 (position " in before
    assert "release" not in words


def test_the_reason_at_another_release_names_both_of_them(told: Book) -> None:
    words = reasons(told, "2026-03-10", "harbor", "2026-02")

    now, _, before = words.partition("; less 70.70 posted before (")
    assert now.startswith(
        "70% of commission received: 70% of 202.01 = 141.407, rounded 141.41, "
        "divided 1:1 among harbor and delta, largest remainder first: 70.71; "
    )
    assert now.endswith("; by rating release 2")
    assert before.endswith("; by rating release 1)")


def test_what_was_posted_before_is_explained_as_it_was(told: Book) -> None:
    words = reasons(told, "2026-01-31", "harbor", "2026-01")

    assert words.startswith("80% of commission received: 1/2 of 101.01 = 50.505, 80% of that = 40.404, rounded 40.40; ")
    assert "release" not in words


def test_memory_and_postgresql_give_the_same_words(database_url: str) -> None:
    with fresh_house(database_url) as database, on_postgres(database, scenario("promotions")) as book:
        in_memory = InMemory(scenario("promotions"))
        assert book.posted() == in_memory.posted()
        assert [check for check in verify(database).checks if not check.ok] == []
        explained = book.explained()
        rebuild(database, "ledger", 2)
        assert OnPostgres(book.house, []).explained() == explained


def test_a_release_is_reviewed_in_money_and_promoted_from_its_valuation(database: Database) -> None:
    commands = scenario("promotions")
    with on_postgres(database, commands[:-6]) as book:
        reviewed = Reprojections(book.house)
        propose, approve, promotion = commands[-6:-3]
        reviewed.record(propose)
        reviewed.value("divide", 1, lambda done, total: None)
        with reviewed.difference("divide", limit=10) as (report, differences):
            rows = [(r.payee, r.service_month, r.cause, r.amount_minor) for r in differences.rows()]
            largest = report.largest
        assert sorted(rows) == [
            ("agent:harbor", "2026-01", "code", 1),
            ("agent:harbor", "2026-02", "code", 1),
            ("house", "2026-01", "code", -1),
            ("house", "2026-02", "code", -1),
        ]
        part = next(part for row, parts in largest if row.payee == "agent:harbor" for part in parts)
        assert "divided 1:1 among harbor and delta" in part.new_reason
        assert part.new_reason.endswith("by rating release 2")
        assert part.old_reason.endswith("by rating release 1")
        reviewed.approve(approve)
        reviewed.promote(promotion)
        position, posted_there = reviewed.posted("divide")
        assert [(p.gained_minor, p.lost_minor, p.house_minor) for p in posted_there] == [(2, 0, -2)]
        assert [e.amount_minor for e in book.queries.entries(positions=(position - 1, position))] == [1, -1, 1, -1]
        assert [check for check in verify(database).checks if not check.ok] == []


# -- what agents read

PERCENT_70 = PercentOfCommission(kind="percent-of-commission", rate="0.7")
PERCENT_80 = PercentOfCommission(kind="percent-of-commission", rate="0.8")


@pytest.fixture
def clerks(database: Database) -> Iterator[Readers]:
    with PostgresLog(database) as log:
        written = given(WITH_HOLDBACK).log.events
        log.append([NewEvent(r.stream_id, r.stream_version, r.event, r.envelope) for r in written], {}, "book", "")
    with House(settings_of(database), database) as house:
        yield Readers(house)


def promote(clerks: Readers, name: str, version: int, *rules: Rule, since: date = date(2026, 1, 1)) -> None:
    """Propose the version, reproject, approve, promote."""
    clerks.give(
        ProposePlanVersion(
            plan="standard", plan_version=version, applies_to=ServiceMonthsFrom(from_=since), rules=rules
        )
    )
    refs = (PlanVersionRef(plan="standard", plan_version=version),)
    clerks.give(ProposeReprojection(reprojection=name, plan_versions=refs, proposed_because="cut"))
    clerks.give(ApproveReprojection(reprojection=name), BOB)
    clerks.give(PromoteReprojection(reprojection=name))


def undo(clerks: Readers, undoes: str) -> None:
    name = f"{undoes}-undone"
    clerks.give(UndoReprojection(reprojection=name, undoes=undoes, proposed_because="a mistake"))
    clerks.give(ApproveReprojection(reprojection=name), BOB)
    clerks.give(PromoteReprojection(reprojection=name))


def test_a_statement_shows_a_promotion_as_corrections_with_their_service_month_and_closed_ones_stay(
    clerks: Readers,
) -> None:
    """January: 60.00 and 40.00 at 80%. The cut to 70% takes 6.00 and 4.00; April brings 100.00 at 70%."""
    clerks.open("2026-01-31")
    clerks.give(month("2026-01", first=60_00, second=40_00))
    clerks.pay("january")
    january = printed(clerks.statement("january"))

    clerks.open("2026-04-10")
    promote(clerks, "cut", 2, Rule(rule="residual", pay=PERCENT_70))
    clerks.open("2026-04-30")
    clerks.give(month("2026-04", second=100_00))
    clerks.pay("april")

    assert printed(clerks.statement("january")) == january
    part = clerks.part("april")
    assert part_figures(part) == {
        "earned": 70_00,
        "corrected": -10_00,
        "owed_again": 8_00,
        "paid": 62_00,
        "held_back": 6_00,
    }
    corrected = [row for row in part["rows"] if row["section"] == "corrected"]
    assert [
        (r["account"], r["service_month"], r["statement_month"], r["recorded_on"], r["amount_minor"]) for r in corrected
    ] == [
        ("ACC-1", "2026-01", "2026-01", "2026-04-10", -6_00),
        ("ACC-2", "2026-01", "2026-01", "2026-04-10", -4_00),
    ]
    assert corrected[0]["rate"] == "70%"
    assert "version 2" in corrected[0]["reason"]
    assert "; less 48.00 posted before (80% of commission received" in corrected[0]["reason"]

    april = printed(clerks.statement("april"))
    clerks.open("2026-05-31")
    undo(clerks, "cut")
    assert printed(clerks.statement("april")) == april
    assert printed(clerks.statement("january")) == january
    monthly = clerks.house.queries().statement("harbor", "2026-05")
    assert [(e["section"], e["service_month"], e["amount_minor"]) for e in monthly["entries"]] == [
        ("correction", "2026-01", 6_00),
        ("correction", "2026-01", 4_00),
        ("correction", "2026-04", 10_00),
    ]


def test_what_a_promotion_is_the_first_to_post_for_a_month_is_a_correction_too(clerks: Readers) -> None:
    """The service was active in January, and nobody was paid for it by the month before: 10% of its MRC of 90.00."""
    clerks.give(SignContract(contract="C-1", customer="alder-foods", vendor="lumen", effective_on=date(2026, 1, 2)))
    of_service = {"contract": "C-1", "service": "dia"}
    clerks.give(OrderService(**of_service, mrc_minor=90_00))
    clerks.give(AssignService(**of_service, account="ACC-1"))
    clerks.give(ActivateService(**of_service, effective_on=date(2026, 1, 10)))
    clerks.open("2026-02-28")
    clerks.give(month("2026-02", second=40_00))  # lumen reports a month later: on January
    clerks.pay("february")

    clerks.open("2026-04-30")
    by_mrc = PercentOfMrc(kind="percent-of-mrc", rate="0.1")
    on_first = Selector(account="ACC-1")
    promote(clerks, "by-mrc", 2, Rule(rule="mrc", when=on_first, pay=by_mrc), Rule(rule="residual", pay=PERCENT_80))
    clerks.give(month("2026-04", second=100_00))
    clerks.pay("april")

    (corrected,) = [row for row in clerks.part("april")["rows"] if row["section"] == "corrected"]
    assert (corrected["service_month"], corrected["statement_month"], corrected["amount_minor"]) == (
        "2026-01",
        None,
        9_00,
    )
    monthly = clerks.house.queries().statement("harbor", "2026-04")
    corrections = [e for e in monthly["entries"] if e["section"] == "correction"]
    assert [(e["service_month"], e["amount_minor"]) for e in corrections] == [("2026-01", 9_00)]


def test_in_the_stories_of_promotions_every_statement_sums_and_stays(database: Database) -> None:
    earlier, later = sum_and_stay(database, tell(ALL_OF_THEM), releases=3)

    assert 3 < earlier < later


def test_statements_of_runs_closed_before_a_promotion_stay_through_every_promotion(database: Database) -> None:
    story = tell(ALL_OF_THEM)
    at, known = 0, dict[tuple[str, str], dict[str, Any]]()
    for position, _ in promotions(story):
        append(database, story, at, position - 1)
        known = statements(database)
        append(database, story, position - 1, position)
        at = position
        assert statements(database) == known
    assert len(known) > 8


# -- what is expected, and what waits


def test_an_expected_zero_that_a_version_brings_begins_and_ends_with_it(clerks: Readers) -> None:
    clerks.open("2026-01-31")
    usage = StatementLine(line=1, account=FIRST, service_month="2026-01", charge_kind="usage", commission_minor=10_00)
    stated = {"vendor": "lumen", "number": "U-1", "statement_month": "2026-01", "control_total_minor": 10_00}
    clerks.give(ReceiveStatement(**stated, lines=(usage,)))
    before = clerks.house.queries().ledger_position()
    recurring = Selector(charge_kind="recurring")
    promote(clerks, "recurring-only", 2, Rule(rule="residual", when=recurring, pay=PERCENT_70))
    since = clerks.house.queries().ledger_position()
    undo(clerks, "recurring-only")

    queries = clerks.house.queries()
    assert [z.reason for z in queries.zeros("harbor", before)] == []
    (reason,) = (z.reason for z in queries.zeros("harbor", since) if z.kind == 1)
    assert reason.startswith("plan standard version 2 (position ")
    assert reason.endswith(", has no rule for this item")
    assert [z.reason for z in queries.zeros("harbor", queries.ledger_position())] == []
    (gone,) = [e for e in queries.entries(positions=(before, since)) if e.role == 0]
    assert queries.why(gone).reason.startswith(f"nothing any more: {reason}; less 8.00 posted before (")


def test_what_waits_in_suspense_waits_on_through_a_promotion(clerks: Readers) -> None:
    clerks.open("2026-01-31")
    unknown = StatementLine(line=1, account="9-9", service_month="2026-01", commission_minor=10_00)
    stated = {"vendor": "lumen", "number": "S-1", "statement_month": "2026-01", "control_total_minor": 10_00}
    clerks.give(ReceiveStatement(**stated, lines=(unknown,)))
    queries = clerks.house.queries()
    before = Desk(queries, queries.ledger_position()).lines()
    promote(clerks, "cut", 2, Rule(rule="residual", pay=PERCENT_70))

    queries = clerks.house.queries()
    assert Desk(queries, queries.ledger_position()).lines() == before != []
