"""In whatever story: every row of a difference has its reasons, all of them sum, and the ledger posts just them."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import given as story_of
from psycopg import sql

from adapters.database import Database
from domain import months
from domain.ids import plan_stream
from domain.message import Actor, Issued
from domain.plan import (
    PercentOfCommission,
    PercentOfMrc,
    Plan,
    ProposePlanVersion,
    Rule,
    Selector,
    ServiceMonthsFrom,
    WithdrawPlanVersion,
)
from domain.recipe import ApproveReprojection, PlanVersionRef, PromoteReprojection, ProposeReprojection
from projections.ledger import PAYER_ROLE
from services.house import House
from services.reprojection import Reprojections
from services.reprojection_diff import Differences, Group, Row
from tests.database import fresh_house
from tests.system.books import settings_of
from tests.system.generated import STORIES, PayRun, Story, tell
from tests.system.test_agent_statement import append
from tests.system.test_money_properties import STORIES_TO_REMEMBER

IN_STORIES = 6
ANN, BOB = Actor(subject="ann"), Actor(subject="bob")
BY_LINE = (Rule(rule="less", pay=PercentOfCommission(kind="percent-of-commission", rate=Decimal("0.37"))),)
BY_MONTH = (
    Rule(rule="monthly", pay=PercentOfMrc(kind="percent-of-mrc", rate=Decimal("0.07"))),
    Rule(
        rule="usage",
        when=Selector(charge_kind="usage"),
        pay=PercentOfCommission(kind="percent-of-commission", rate=Decimal("0.9")),
    ),
)
"""Months in service instead of lines: items that were never posted take the place of those that were."""


def proposed(house: House, rules: tuple[Rule, ...]) -> Reprojections:
    """The house with another version of the sellers' plan, for all months, valued."""
    plan: Plan = house.commands.state(plan_stream("seller"))
    number = max(plan.published, default=0) + 1
    if number in plan.proposed:
        house.handle(Issued("w", ANN, WithdrawPlanVersion(plan="seller", plan_version=number)))
    latest = max((plan.proposed[n].applies_to.from_ for n in plan.published), default=date(2026, 1, 1))
    command = ProposePlanVersion(
        plan="seller", plan_version=number, applies_to=ServiceMonthsFrom(**{"from": latest}), rules=rules
    )
    house.handle(Issued("p", ANN, command))
    ref = PlanVersionRef(plan="seller", plan_version=number)
    reprojections = Reprojections(house)
    reprojections.record(
        Issued("r", ANN, ProposeReprojection(reprojection="other", plan_versions=(ref,), proposed_because="to see"))
    )
    reprojections.value("other", 1, lambda done, total: None)
    return reprojections


def summed(rows: list[Row]) -> dict[tuple[str, str, str, str], tuple[int, int]]:
    sums: dict[tuple[str, str, str, str], tuple[int, int]] = {}
    for row in rows:
        key = (row.payee, row.service_month, row.cause, row.currency)
        amount, paid = sums.get(key, (0, 0))
        sums[key] = (amount + row.amount_minor, paid + row.paid_minor)
    return sums


def named(differences: Differences, group: Group) -> tuple[str, str, str, str]:
    (total,) = differences.payees([group])
    return (
        total.payee,
        months.text(group.month),
        ("rule", "agent of record", "statement", "code")[group.cause],
        group[3],
    )


def journal(database: Database, position: int) -> dict[tuple[str, str, int], int]:
    """What a position posted, by account, month and ledger account; payers left aside."""
    with database.connect("reader") as connection:
        statement = sql.SQL(
            "SELECT name, effective_on, book, sum(amount_minor)::bigint FROM {} JOIN {} ON account_no = no "
            "WHERE position = %s AND role <> %s AND name LIKE 'account:%%' GROUP BY 1, 2, 3"
        ).format(sql.Identifier(database.book, "journal"), sql.Identifier(database.book, "facts_name"))
        rows = connection.execute(statement, (position, PAYER_ROLE)).fetchall()
    found = {(name[8:], months.text(months.number_of(on)), book): amount for name, on, book, amount in rows}
    return {key: amount for key, amount in found.items() if amount}


def holds(database: Database, rules: tuple[Rule, ...]) -> list[Row]:
    """Whatever is shown sums, has its reasons, and is posted; the rows."""
    with House(settings_of(database), database) as house:
        reprojections = proposed(house, rules)
        with reprojections.difference("other", limit=10_000) as (report, differences):
            rows, groups = list(differences.rows()), differences.groups()
            from_groups = {named(differences, g): (g.amount_minor, g.paid_minor) for g in groups}
            nothing = {key for key, amounts in summed(rows).items() if amounts == (0, 0)}
            assert {k: v for k, v in summed(rows).items() if k not in nothing} == {
                k: v for k, v in from_groups.items() if v != (0, 0)
            }
            of_agents = [row for row in rows if row.payee != "house"]
            assert sorted(row for row, _ in report.largest) == sorted(of_agents)
            for row, parts in report.largest:
                assert sum(part.new_minor - part.old_minor for part in parts) == row.amount_minor
                assert all(part.old_reason and part.new_reason for part in parts)
            for currency in {row.currency for row in rows}:
                assert sum(row.amount_minor for row in rows if row.currency == currency) == 0
            numbers = {row.payee: differences._book(row.payee) for row in rows}
        house.handle(Issued("a", BOB, ApproveReprojection(reprojection="other")))
        reprojections.promote(Issued("m", ANN, PromoteReprojection(reprojection="other")))
        position, _ = reprojections.posted("other")
        with reprojections.difference("other", limit=10_000) as (posted, differences):
            assert list(differences.rows()) == rows, "an auditor sees what the approver saw"
            assert [row for row, _ in posted.largest] == [row for row, _ in report.largest]
    expected: dict[Any, int] = {}
    for row in rows:
        key = (row.account, row.service_month, numbers[row.payee])
        expected[key] = expected.get(key, 0) + row.amount_minor
    assert journal(database, position) == {key: amount for key, amount in expected.items() if amount}
    return rows


@pytest.mark.parametrize("rules", [BY_LINE, BY_MONTH], ids=["by line", "by month"])
def test_in_the_stories_to_remember(database: Database, rules: tuple[Rule, ...]) -> None:
    told = tell([PayRun("settled"), *(h for story in STORIES_TO_REMEMBER.values() for h in story)])
    append(database, told, 0, len(told.events))

    rows = holds(database, rules)

    assert any(row.paid_minor for row in rows)


@pytest.mark.parametrize("rules", [BY_LINE, BY_MONTH], ids=["by line", "by month"])
def test_in_made_up_stories(database_url: str, rules: tuple[Rule, ...]) -> None:
    found: list[Row] = []

    @settings(max_examples=IN_STORIES, derandomize=True, deadline=None, database=None, phases=[Phase.generate])
    @story_of(STORIES, STORIES)
    def in_every_story(before: Story, after: Story) -> None:
        told = tell([*before, PayRun("settled"), *after])
        with fresh_house(database_url) as database:
            append(database, told, 0, len(told.events))
            found.extend(holds(database, rules))

    in_every_story()
    of_agents = [row for row in found if row.payee != "house"]
    assert any(row.paid_minor for row in of_agents)
    assert any(row.paid_minor != row.amount_minor for row in of_agents)
