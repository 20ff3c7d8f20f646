"""What a vendor's succession means for lines, for what is due, and for who is told.

Lumen reports a month later, Zito in the same month. Zito succeeds Lumen on 2026-03-01. A line is 100.00 and Harbor
earns 80% of it.
"""

from datetime import date
from typing import Any

import pytest

from domain.account import AddAlias, Alias
from domain.contract import ActivateService, AssignService, OrderService, SignContract
from domain.succession import AnnounceSuccession, CompleteSuccession, Renumbered, SucceedVendor
from domain.vendor import ContractVendor, EndVendorAgreement, ListProducts, Product, VendorTerms
from projections import facts
from tests.projections.story import in_batches
from tests.projections.test_facts import waiting
from tests.projections.test_ledger import (
    ACCOUNT,
    PEOPLE,
    line,
    of_commission,
    of_mrc,
    people,
    rule,
    statement,
    told,
)
from tests.spec import Steps, account, designated, given, plan

MARCH = date(2026, 3, 1)
OF: dict[str, Any] = {"vendor": "lumen", "successor": "zito", "effective_on": MARCH}
ZITO = ContractVendor(vendor="zito", statement_lag_months=0)
PAID = {"harbor": 80_00, "house": 20_00}


def succession(*accounts: str, of: dict[str, Any] = OF, **fields: Any) -> tuple[Steps, ...]:
    named = accounts or ("ACC-1",)
    plan_of = AnnounceSuccession(**{**of, "accounts": named, "other_numbers": "kept", **fields})
    return (plan_of, *(SucceedVendor(**of, account=name) for name in named))


def of_zito(name: str, *lines: dict[str, Any]) -> Any:
    return statement(name, *lines, vendor="zito")


def test_the_move_itself_posts_nothing() -> None:
    story = (PEOPLE, ZITO, ACCOUNT, statement("2026-02", line()), statement("2026-03", line("2026-02")))

    asked = told(*story, succession())

    assert asked.posted_last() == {}
    assert asked.shares("2026-02") == PAID


def test_the_successors_lines_find_the_account_under_the_number_that_it_prints() -> None:
    renamed: dict[str, Any] = {"numbers": (Renumbered(number="5-QXTR9941", becomes="Z-1"),)}

    asked = told(
        PEOPLE,
        ZITO,
        ACCOUNT,
        succession(**renamed),
        of_zito("2026-03z", line("2026-03", number="Z-1"), line("2026-03", 7_00, number="5-QXTR9941")),
    )

    assert asked.shares("2026-03") == {**PAID, "suspense": 7_00}
    assert waiting(asked) == {"5-QXTR9941": (7_00, "unknown account 5-QXTR9941")}


LATE = (statement("2026-05", line("2026-02"), line("2026-03", 7_00)),)
"""Lumen's May statement brings a late line for February, and one for March, which is Zito's month."""


@pytest.mark.parametrize(
    ("choice", "february", "march"),
    [
        ("for-months-before", PAID, {"suspense": 7_00}),
        ("always", PAID, {"harbor": 5_60, "house": 1_40}),
        ("never", {"suspense": 100_00}, {"suspense": 7_00}),
    ],
)
def test_a_former_payers_late_lines_follow_the_stated_choice(
    choice: str, february: dict[str, int], march: dict[str, int]
) -> None:
    asked = told(PEOPLE, ZITO, ACCOUNT, succession(late_lines=choice), LATE)

    assert asked.shares("2026-02") == february
    assert asked.shares("2026-03") == march


def test_where_late_lines_are_never_taken_the_statement_about_the_last_month_is_none_of_them() -> None:
    asked = told(PEOPLE, ZITO, ACCOUNT, succession(late_lines="never"), statement("2026-03", line("2026-02")))

    assert asked.shares("2026-02") == PAID


def test_a_number_that_is_two_accounts_means_none_and_neither_is_paid_by_it() -> None:
    """ACC-2 is Zito's customer under the number that ACC-1 keeps."""
    other = (
        account("ACC-2", "7-7"),
        AddAlias(account="ACC-2", alias=Alias(vendor="zito", number="5-QXTR9941")),
        designated("delta", account="ACC-2"),
    )

    asked = told(PEOPLE, ZITO, ACCOUNT, other, succession(), of_zito("2026-03z", line("2026-03")))

    assert asked.shares("2026-03") == {"suspense": 100_00}
    assert waiting(asked) == {"5-QXTR9941": (100_00, "account 5-QXTR9941 could mean 2 accounts")}


def test_accounts_go_on_from_successor_to_successor() -> None:
    att = {"vendor": "zito", "successor": "att", "effective_on": date(2026, 5, 1)}

    asked = told(
        PEOPLE,
        ZITO,
        ContractVendor(vendor="att", statement_lag_months=0),
        ACCOUNT,
        succession(),
        succession(of=att),
        *(
            statement(f"2026-05{v}", *(line(f"2026-0{m}", 10_00) for m in (2, 3, 4, 5)), vendor=v)
            for v in ("lumen", "zito", "att")
        ),
    )

    assert {m: asked.shares(m).get("suspense", 0) // 10_00 for m in ("2026-02", "2026-03", "2026-04", "2026-05")} == {
        "2026-02": 0,
        "2026-03": 1,
        "2026-04": 1,
        "2026-05": 2,
    }, "a former payer's lines are taken for months before its change-over only"


# -- what is paid by the month in service


BY_MRC = people(plan("seller", rules=(rule(of_mrc("0.1")),), overrides=()))


def service() -> tuple[Steps, ...]:
    which = {"contract": "C-1", "service": "dia"}
    return (
        SignContract(
            contract="C-1", customer="alder-foods", vendor="lumen", term_months=12, effective_on=date(2026, 1, 1)
        ),
        OrderService(**which, mrc_minor=500_00, effective_on=date(2026, 1, 1)),
        AssignService(**which, account="ACC-1", effective_on=date(2026, 1, 1)),
        ActivateService(**which, effective_on=date(2026, 1, 1)),
    )


MONTHLY = (BY_MRC, ZITO, ACCOUNT, service())
OWED = {"harbor": 50_00, "house": -50_00}


def test_a_month_is_due_when_the_vendor_that_pays_for_it_has_reported() -> None:
    """Zito reported on January and February as the vendor of others: that makes nothing of this account due."""
    zitos = (of_zito("2026-01z"), of_zito("2026-02z"))

    asked = told(*MONTHLY, zitos, succession())
    assert asked.posted_last() == {}
    assert (asked.shares("2026-01"), asked.shares("2026-02")) == ({}, {})

    asked = told(*MONTHLY, zitos, succession(), statement("2026-03"), of_zito("2026-03z"), statement("2026-04"))
    assert [asked.shares(m) for m in ("2026-01", "2026-02", "2026-03")] == [{}, OWED, OWED]


def test_what_the_former_vendor_reported_before_the_succession_was_learned_stays_due() -> None:
    """Lumen's April statement was about March; in April we learn that March was Zito's."""
    before = told(*MONTHLY, statement("2026-04"))
    assert before.shares("2026-03") == OWED

    asked = told(*MONTHLY, statement("2026-04"), succession())
    assert asked.posted_last() == {}
    assert asked.shares("2026-03") == OWED


def test_what_the_successor_reported_before_the_succession_was_learned_falls_due_when_it_is() -> None:
    asked = told(*MONTHLY, of_zito("2026-03z"), succession())

    assert asked.posted_last() == {"2026-03": OWED}


def test_a_rule_by_vendor_goes_by_who_pays_a_line_and_by_the_contract_for_a_month_in_service() -> None:
    rules = (
        rule(of_commission("0.8")),
        rule(of_commission("0.5"), "zitos", vendor="zito"),
        rule(of_mrc("0.1"), "lumens", vendor="lumen"),
    )
    people_by_vendor = people(plan("seller", rules=rules, overrides=()))
    story = (people_by_vendor, ZITO, ACCOUNT)

    line_only = told(*story, succession(), of_zito("2026-03z", line("2026-03")))
    assert line_only.shares("2026-03") == {"harbor": 50_00, "house": 50_00}
    with_service = told(*story, service(), succession(), of_zito("2026-03z", line("2026-03")))
    assert with_service.shares("2026-03") == {"harbor": 50_00, "house": 50_00}, "10% of the MRC of 500.00"


def test_a_product_is_in_a_category_where_the_successor_lists_it() -> None:
    rules = (rule(of_commission("0.8")), rule(of_commission("0.5"), "voice", category="voice"))
    story = (
        people(plan("seller", rules=rules, overrides=())),
        ZITO,
        ACCOUNT,
        succession(),
        of_zito("2026-03z", line("2026-03", product="ucaas")),
    )
    assert told(*story).shares("2026-03") == PAID, "Lumen lists ucaas as voice; Zito does not list it"

    listed = ListProducts(vendor="zito", products=(Product(product="ucaas", category="voice"),))
    assert told(*story, listed).shares("2026-03") == {"harbor": 50_00, "house": 50_00}


def test_the_former_vendors_agreement_may_end_and_the_successors_months_are_paid() -> None:
    terms = ContractVendor(vendor="zito", statement_lag_months=0, terms=VendorTerms(evergreen=True))
    ended = EndVendorAgreement(vendor="lumen", evergreen=False, effective_on=MARCH)

    asked = told(BY_MRC, terms, ACCOUNT, service(), succession(), ended, of_zito("2026-03z", line("2026-03")))

    assert asked.shares("2026-03") == {"harbor": 50_00, "house": 50_00}


def test_who_is_not_on_a_statement_is_told_of_the_vendor_that_pays_for_the_month() -> None:
    asked = told(PEOPLE, ZITO, ACCOUNT, succession(), statement("2026-04"), of_zito("2026-03z"))

    assert asked.zeros("agent:harbor", "2026-03") == ["not on the statement of zito that reports on 2026-03"]


@pytest.mark.parametrize("size", [1, 3])
def test_batches_of_any_size_give_the_same_facts(size: int) -> None:
    log = given(
        PEOPLE, ZITO, ACCOUNT, succession(late_lines="never"), LATE, CompleteSuccession(**OF, succeeded_count=1)
    ).log

    rows = in_batches(log.events, size, facts.tables, facts.project)

    assert rows == in_batches(log.events, 7, facts.tables, facts.project)
