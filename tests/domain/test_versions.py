"""Whom a plan version reaches, month by month: version 1 is for every month, version 2 for whom the test says."""

from typing import Any

import pytest

from domain import months
from domain.rating.facts import NEVER, RECURRING, AccountFacts, Cell, HouseFacts
from domain.rating.release_1 import rate

ACCOUNT_NO, SERVICE_NO = 10, 12
Terms = list[tuple[str, int]]


def _body(number: int, applies_to: dict[str, Any], **says: Any) -> dict[str, Any]:
    pay = {"kind": "percent-of-commission", "rate": f"0.{number}"}
    return {
        "plan": "standard",
        "plan_version": number,
        "applies_to": applies_to,
        "rules": [{"rule": "default", "pay": pay}],
        "overrides": [],
        "proposed_by": "ann",
        **says,
    }


def _house(*versions: dict[str, Any]) -> HouseFacts:
    every_month = _body(1, {"kind": "service-months-from", "from": "1900-01-01"})
    return HouseFacts.of(
        [
            (1, ["vendor", "lumen"]),
            (2, ["agent", "harbor", None]),
            (3, ["agreement", "harbor", "standard", "2000-01-01"]),
            (4, ["plan", every_month]),
            *((5, ["plan", version]) for version in versions),
        ]
    )


def _account(terms: Terms, month: str, commission: int = 100_00, reported: str | None = None) -> AccountFacts:
    """One service under a contract of these terms, the first signed and the others renewed; one line for a month."""
    service = ["C-1", "dia", "lumen", "dia", "internet", 100_00, "USD"]
    line = ["line", 20, 1, "lumen", months.number(month), RECURRING, "USD", commission, "dia", None, "S-1"]
    return AccountFacts.of(
        ACCOUNT_NO,
        [
            (ACCOUNT_NO, ["account", "A-1", "lumen"]),
            (11, ["aor", None, [["harbor", 1]], "2000-01-01", None, None, None]),
            (SERVICE_NO, ["service", *service, [[on, length, SERVICE_NO] for on, length in terms]]),
            (SERVICE_NO, ["active", "C-1", "dia", "2000-01-01"]),
            (20, [*line, *([months.number(reported)] if reported else [])]),
        ],
    )


def pays(terms: Terms, month: str, *versions: dict[str, Any], **of_line: Any) -> int:
    """The number of the version that pays Harbor for a month; 0 where none does."""
    cell = Cell(ACCOUNT_NO, months.number(month), RECURRING, "USD")
    (item,) = rate(_account(terms, month, **of_line), _house(*versions), cell, NEVER - 1, {})
    return next((s.coefficient.why.plan_version for s in item.shares if s.coefficient is not None), 0)


def reached(terms: Terms, applies_to: dict[str, Any], *in_months: str, **says: Any) -> list[int]:
    return [pays(terms, month, _body(2, applies_to, **says)) for month in in_months]


ONE_YEAR: Terms = [("2025-01-15", 12)]
"""Signed on 15 January 2025 for twelve months: the first day no longer in the term is 15 January 2026."""


@pytest.mark.parametrize(
    ("terms", "versions"),
    [
        (ONE_YEAR, [1, 1, 1]),
        ([*ONE_YEAR, ("2025-06-30", 12)], [1, 2, 2]),
        ([*ONE_YEAR, ("2025-05-31", 12)], [1, 1, 1]),
        ([*ONE_YEAR, ("2025-05-31", 12), ("2025-07-01", 12)], [1, 1, 2]),
        ([("2025-06-01", 12)], [1, 1, 1]),
    ],
    ids=["signed", "renewed in June", "renewed before it", "renewed again", "signed since"],
)
def test_from_renewal_reaches_a_contract_in_the_month_in_which_it_renews(terms: Terms, versions: list[int]) -> None:
    from_june = {"kind": "from-renewal", "from": "2025-06-01"}
    assert reached(terms, from_june, "2025-05", "2025-06", "2025-07") == versions


@pytest.mark.parametrize(
    ("contracts", "terms", "versions"),
    [
        ("signed", [("2025-03-01", 12)], [1, 2, 2]),
        ("signed", [("2025-02-28", 12)], [1, 1, 1]),
        ("signed", [("2025-04-30", 12)], [1, 2, 2]),
        ("signed", [("2025-05-01", 12)], [1, 1, 1]),
        ("signed", [("2025-03-01", 12), ("2025-07-01", 12)], [1, 2, 2]),
        ("signed", [("2024-01-01", 12), ("2025-03-01", 12)], [1, 1, 1]),
        ("renewed", [("2025-03-01", 12)], [1, 1, 1]),
        ("renewed", [("2024-01-01", 12), ("2025-03-01", 12)], [1, 2, 2]),
        ("renewed", [("2024-01-01", 12), ("2025-03-01", 12), ("2025-07-15", 12)], [1, 2, 2]),
        ("signed-or-renewed", [("2025-03-01", 12)], [1, 2, 2]),
        ("signed-or-renewed", [("2024-01-01", 12), ("2025-03-01", 12)], [1, 2, 2]),
    ],
)
def test_a_cohort_is_who_was_signed_or_renewed_in_it_from_the_month_on_that_the_version_says(
    contracts: str, terms: Terms, versions: list[int]
) -> None:
    """The cohort is of March and April; the version begins in June. Who renews again stays in the cohort."""
    dates = {"cohort_from": "2025-03-01", "cohort_until": "2025-05-01", "from": "2025-06-10"}
    applies_to = {"kind": "cohort", "contracts": contracts, **dates}
    assert reached(terms, applies_to, "2025-05", "2025-06", "2025-07") == versions


def test_a_cohort_without_an_end_takes_in_who_renews_later_and_only_from_then_on() -> None:
    open_end = {"kind": "cohort", "contracts": "renewed", "cohort_from": "2025-03-01", "from": "2025-06-01"}
    terms = [*ONE_YEAR, ("2025-09-20", 12)]
    assert reached(terms, open_end, "2025-08", "2025-09", "2025-10") == [1, 2, 2]


@pytest.mark.parametrize(
    ("terms", "versions"),
    [
        ([("2024-07-01", 12)], [1, 1, 2, 2]),
        ([("2024-07-02", 12)], [1, 1, 1, 2]),
        ([("2020-01-01", 12)], [1, 2, 2, 2]),
        ([("2020-01-01", 0)], [1, 2, 2, 2]),
        ([("2024-07-01", 12), ("2025-05-31", 12)], [1, 1, 1, 1]),
        ([("2024-07-01", 24), ("2025-07-31", 24)], [1, 1, 2, 2]),
        ([("2025-06-01", 12)], [1, 2, 2, 2]),
    ],
    ids=[
        "expires on 1 July",
        "expires within July",
        "expired",
        "without a fixed term",
        "renewed before",
        "renewed early in July",
        "signed since",
    ],
)
def test_as_contracts_expire_waits_for_the_end_of_the_term_that_ran_before(terms: Terms, versions: list[int]) -> None:
    from_june = {"kind": "as-contracts-expire", "from": "2025-06-01"}
    assert reached(terms, from_june, "2025-05", "2025-06", "2025-07", "2025-08") == versions


def test_retroactive_reaches_whole_months_from_one_to_before_another() -> None:
    applies_to = {"kind": "retroactive", "from": "2025-02-20", "until": "2025-04-10"}
    assert reached(ONE_YEAR, applies_to, "2025-01", "2025-02", "2025-03", "2025-04") == [1, 2, 2, 1]
    without_end = {"kind": "retroactive", "from": "2025-02-20"}
    assert reached(ONE_YEAR, without_end, "2025-01", "2025-02", "2035-04") == [1, 2, 2]


def test_of_the_versions_that_apply_that_of_the_latest_date_pays_and_of_these_the_highest_number() -> None:
    def from_(day: str) -> dict[str, Any]:
        return {"kind": "service-months-from", "from": day}

    later, earlier = _body(2, from_("2025-06-01")), _body(3, from_("2025-03-01"))
    assert [pays(ONE_YEAR, month, later, earlier) for month in ("2025-02", "2025-04", "2025-06")] == [1, 3, 2]
    assert pays(ONE_YEAR, "2025-06", later, earlier, _body(4, from_("2025-06-01"))) == 4


@pytest.mark.parametrize(
    ("terms", "versions"),
    [
        (ONE_YEAR, [2, 2, 0]),
        ([("2025-01-01", 12)], [2, 0, 0]),
        ([("2025-01-01", 0)], [2, 2, 2]),
        ([*ONE_YEAR, ("2026-02-28", 12)], [2, 2, 2]),
        ([("2025-01-01", 12), ("2026-02-10", 12)], [2, 0, 2]),
    ],
    ids=["mid-month", "on the first", "without a fixed term", "renewed in time", "renewed late"],
)
def test_commission_that_ends_with_the_term_is_paid_for_months_that_begin_in_it(
    terms: Terms, versions: list[int]
) -> None:
    every_month = {"kind": "service-months-from", "from": "2025-01-01"}
    found = reached(terms, every_month, "2025-12", "2026-01", "2026-02", ends_with=["contract-term"])
    assert found == versions


@pytest.mark.parametrize(
    ("commission", "reported", "reversals", "version"),
    [
        (-1, "2025-07", "schedule-of-today", 2),
        (-1, "2025-06", "schedule-of-today", 2),
        (-1, "2025-05", "schedule-of-today", 1),
        (-1, "2025-07", "schedule-that-paid", 1),
        (1, None, "schedule-of-today", 1),
    ],
)
def test_a_reversal_goes_by_the_version_of_the_month_in_which_it_was_reported_if_that_says_so(
    commission: int, reported: str | None, reversals: str, version: int
) -> None:
    from_june = _body(2, {"kind": "service-months-from", "from": "2025-06-01"}, reversals=reversals)
    assert pays(ONE_YEAR, "2025-03", from_june, commission=commission, reported=reported) == version
