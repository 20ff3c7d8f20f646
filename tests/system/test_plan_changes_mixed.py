"""Changes of commission rules that meet: two agents, corrections, reversals, SPIFFs, payouts in between; with figures.

As in ``test_plan_changes``, every service has an MRC of 1,000.00 and its vendor pays the house 200.00 a month.
"""

from datetime import date
from decimal import Decimal
from typing import Any

from domain.agent import ChangeUpline, SignAgreement
from domain.contract import DisconnectService, RenewContract
from domain.plan import MultipleOfMrcOnce, Override, OverridePercentOfCommission, OverridePercentOfMrc, Rule, Selector
from tests.spec import said
from tests.system.test_plan_changes import (
    RECEIVED,
    _of,
    earned,
    house,
    line,
    nothing,
    of_commission,
    of_mrc,
    paid_for,
    pay_run,
    renewed,
    sold,
    stated,
    tell,
    version,
    where,
    why,
)

__all__ = ["tell", "where"]

FROM_MARCH = {"kind": "service-months-from", "from": "2025-03-01"}
TODAY = date(2025, 1, 2)


def override(pay: Any) -> Override:
    return Override(rule="team", pay=pay)


def of_lines(rate: str) -> Override:
    return override(OverridePercentOfCommission(kind="percent-of-commission", rate=Decimal(rate)))


def of_services(rate: str) -> Override:
    return override(OverridePercentOfMrc(kind="percent-of-mrc", rate=Decimal(rate)))


def spiff(multiple: str, days: int = 0, rate: str = "1") -> Rule:
    clawback = {"clawback_within_days": days, "clawback_rate": Decimal(rate)}
    pay = MultipleOfMrcOnce(kind="multiple-of-mrc-once", multiple=Decimal(multiple), **clawback)
    return Rule(rule="welcome", when=Selector(charge_kind="spiff"), pay=pay)


def test_of_two_agents_one_may_be_under_a_correction_and_the_other_under_a_version_for_renewals(tell: Any) -> None:
    """Of 200.00 each has half. Harbor: 12 percent were meant, 1 was written. Delta: 20, and 15 once renewed."""
    from_february = {"kind": "service-months-from", "from": "2025-02-01"}
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=TODAY),
        version(1, of_commission("20%"), plan="gold"),
        version(2, of_commission("15%"), plan="gold", applies_to={"kind": "from-renewal", "from": "2025-01-01"}),
        SignAgreement(agent="delta", plan="gold"),
        sold("alder", "lumen", TODAY, 12, agents=("harbor", "delta")),
        version(2, of_commission("1%"), applies_to=from_february),
        renewed("alder", date(2025, 2, 28), 12),
        paid_for("lumen", "2025-01", "2025-02", accounts=["alder"]),
        version(3, of_commission("12%"), applies_to=from_february),
    )

    assert earned(book) == {"alder": {"2025-01": 10_00, "2025-02": 12_00}}
    assert earned(book, "agent:delta") == {"alder": {"2025-01": 20_00, "2025-02": 15_00}}
    slip, made_good = _of(book, "alder", "2025-02", "agent:harbor")
    assert ("plan standard version 2" in slip.reason, slip.amount_minor) == (True, 1_00)
    assert ("plan standard version 3" in made_good.reason, made_good.amount_minor) == (True, 11_00)
    assert len(_of(book, "alder", "2025-02", "agent:delta")) == 1  # the correction is none of Delta's


def test_of_two_agents_the_one_who_is_paid_by_the_month_is_not_told_that_it_has_nothing(tell: Any) -> None:
    """Harbor has 10 percent of half of 200.00, Delta 20 percent of half of 1,000.00."""
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=TODAY),
        version(1, of_mrc("20%"), plan="gold"),
        SignAgreement(agent="delta", plan="gold"),
        sold("alder", "lumen", TODAY, 12, agents=("harbor", "delta")),
        paid_for("lumen", "2025-01", accounts=["alder"]),
    )

    assert earned(book) == {"alder": {"2025-01": 10_00}}
    assert earned(book, "agent:delta") == {"alder": {"2025-01": 100_00}}
    zeros = book.zeros(["agent:delta"], date(2100, 1, 1))
    assert [zero.reason for zero in zeros if zero.service_month == "2025-01"] == []


def test_a_reversal_goes_by_todays_schedule_also_where_its_month_was_paid_by_the_month_in_service(tell: Any) -> None:
    """January paid 10 percent of MRC. What is taken back of its line in April is 8 percent of 200.00, as now agreed."""
    book = tell(
        house("lumen", version(1, of_mrc("10%")), today=TODAY),
        version(2, of_commission("8%"), applies_to=FROM_MARCH, reversals="schedule-of-today"),
        sold("alder", "lumen", TODAY, 12),
        paid_for("lumen", "2025-01", accounts=["alder"]),
        stated("lumen", "2025-04", line("alder", -RECEIVED, "2025-01")),
    )

    assert [p.amount_minor for p in _of(book, "alder", "2025-01", "agent:harbor")] == [100_00, -16_00]
    assert "8% of -200.00 = -16.00" in why(book, "alder", "2025-01")
    assert "reversals use the schedule of 2025-04" in why(book, "alder", "2025-01")


def test_a_reversal_is_taken_back_from_an_upline_by_the_override_of_today_whatever_it_sells_by_itself(
    tell: Any,
) -> None:
    """Delta stands above Harbor with 5 percent of 200.00, from March on 4; its own sales are paid by MRC."""
    later = version(
        2, of_mrc("9%"), plan="top", applies_to=FROM_MARCH, reversals="schedule-of-today", overrides=(of_lines("0.04"),)
    )
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=TODAY),
        version(1, of_mrc("10%"), plan="top", overrides=(of_lines("0.05"),)),
        later,
        SignAgreement(agent="delta", plan="top"),
        ChangeUpline(agent="harbor", upline="delta", effective_on=date(2025, 1, 1)),
        sold("alder", "lumen", TODAY, 12),
        paid_for("lumen", "2025-01", accounts=["alder"]),
        stated("lumen", "2025-04", line("alder", -RECEIVED, "2025-01")),
    )

    assert earned(book)["alder"]["2025-01"] == 0
    assert [p.amount_minor for p in _of(book, "alder", "2025-01", "agent:delta")] == [10_00, -8_00]
    assert "plan top version 2" in why(book, "alder", "2025-01", "agent:delta")


def test_a_reversal_is_taken_back_from_an_upline_as_it_was_paid_where_its_override_of_today_is_of_mrc(
    tell: Any,
) -> None:
    """Nothing of a month in service could be taken back for a line: so what was paid for the line is."""
    later = version(
        2,
        of_commission("9%"),
        plan="top",
        applies_to=FROM_MARCH,
        reversals="schedule-of-today",
        overrides=(of_services("0.01"),),
    )
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=TODAY),
        version(1, of_commission("10%"), plan="top", overrides=(of_lines("0.05"),)),
        later,
        SignAgreement(agent="delta", plan="top"),
        ChangeUpline(agent="harbor", upline="delta", effective_on=date(2025, 1, 1)),
        sold("alder", "lumen", TODAY, 12),
        paid_for("lumen", "2025-01", accounts=["alder"]),
        stated("lumen", "2025-04", line("alder", -RECEIVED, "2025-01")),
    )

    assert [p.amount_minor for p in _of(book, "alder", "2025-01", "agent:delta")] == [10_00, -10_00]


def test_a_reversal_goes_by_the_plan_of_its_service_month_though_the_agent_has_another_by_then(tell: Any) -> None:
    """Standard pays 10 percent, from March on 8; Harbor is on gold since March, which pays 20."""
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=TODAY),
        version(2, of_commission("8%"), applies_to=FROM_MARCH, reversals="schedule-of-today"),
        version(1, of_commission("20%"), plan="gold"),
        sold("alder", "lumen", TODAY, 12),
        SignAgreement(agent="harbor", plan="gold", effective_on=date(2025, 3, 1)),
        paid_for("lumen", "2025-01", "2025-03", accounts=["alder"]),
        stated("lumen", "2025-04", line("alder", -RECEIVED, "2025-01"), line("alder", -RECEIVED, "2025-03")),
    )

    assert earned(book) == {"alder": {"2025-01": 20_00 - 16_00, "2025-03": 0}}


def test_a_reversal_takes_nothing_back_where_todays_schedule_has_no_rule_for_it_and_says_which_has_none(
    tell: Any,
) -> None:
    none = version(2, of_commission("8%", product="telehealth"), applies_to=FROM_MARCH, reversals="schedule-of-today")
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=TODAY),
        none,
        sold("alder", "lumen", TODAY, 12),
        paid_for("lumen", "2025-01", accounts=["alder"]),
        stated("lumen", "2025-04", line("alder", -RECEIVED, "2025-01")),
    )

    assert earned(book) == {"alder": {"2025-01": 20_00}}
    (reason,) = nothing(book, "alder", "2025-01")
    assert reason.startswith("plan standard version 2 (position ")
    assert "which applies to service months from 2025-03; reversals use the schedule of 2025-04" in reason
    assert reason.endswith("has no rule for this item")


def test_a_true_up_of_months_that_were_paid_comes_off_the_balance_until_it_is_earned_again(tell: Any) -> None:
    """Six months at 10 percent of 200.00 were paid 120.00; at 8 percent they are 96.00. 24.00 come off July's 20.00."""
    half_a_year = {"kind": "retroactive", "from": "2025-01-01", "until": "2025-07-01"}
    first_half = tuple(f"2025-{month:02}" for month in range(1, 7))
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=TODAY),
        sold("alder", "lumen", TODAY, 36),
        paid_for("lumen", *first_half, accounts=["alder"]),
        pay_run(date(2025, 6, 30)),
        version(2, of_commission("8%"), on=date(2025, 7, 15), applies_to=half_a_year),
        paid_for("lumen", "2025-07", accounts=["alder"]),
        paid_for("lumen", "2025-08", accounts=["alder"]),
        pay_run(date(2025, 8, 31)),
    )

    assert earned(book)["alder"] == {**dict.fromkeys(first_half, 16_00), "2025-07": 20_00, "2025-08": 20_00}
    assert [(p.recorded_on, p.amount_minor) for p in book.paid()] == [("2025-06-30", 120_00), ("2025-08-31", 16_00)]
    assert book.payable(date(2025, 7, 31))["agent:harbor"] == -4_00
    assert book.payable(date(2025, 8, 31)).get("agent:harbor", 0) == 0


def test_a_spiff_and_its_clawback_are_of_the_version_of_the_month_of_activation(tell: Any) -> None:
    """Version 1 pays 2 × 1,000.00, all of it back within 90 days; from March on 1 × and none of it back."""
    book = tell(
        house("lumen", version(1, spiff("2", days=90)), today=TODAY),
        version(2, spiff("1"), applies_to=FROM_MARCH),
        sold("before", "lumen", date(2025, 2, 20), 12),
        sold("since", "lumen", date(2025, 3, 1), 12),
        [
            said(DisconnectService(contract=c, service="dia", effective_on=date(2025, 4, 1)))
            for c in ("before", "since")
        ],
        sold("kept", "lumen", date(2025, 2, 28), 12),
        version(3, spiff("1.5", days=30, rate="0.5"), applies_to={"kind": "retroactive", "from": "2025-02-01"}),
    )

    # the third version does not reach past March; in February it pays 1.5 ×, and 40 days are more than 30
    assert earned(book) == {
        "before": {"2025-02": 1_500_00},
        "since": {"2025-03": 1_000_00},
        "kept": {"2025-02": 1_500_00},
    }
    assert [p.amount_minor for p in _of(book, "before", "2025-02", "agent:harbor")] == [2_000_00, -2_000_00, 1_500_00]


def test_as_contracts_expire_follows_what_is_learned_late_of_the_term_before(tell: Any) -> None:
    """Signed for a month in mid-June: July begins in the term, August does not. In September one learns that it had
    renewed on 30 June for a year: then it is under the former version until June 2021, and August comes back.
    """
    over = {"kind": "as-contracts-expire", "from": "2020-07-01"}
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=date(2020, 6, 2)),
        version(2, of_commission("1%"), applies_to=over),
        sold("alder", "lumen", date(2020, 6, 15), 1),
        paid_for("lumen", "2020-07", "2020-08", accounts=["alder"]),
        said(RenewContract(contract="alder", term_months=12, effective_on=date(2020, 6, 30)), on=date(2020, 9, 1)),
        paid_for("lumen", "2021-06", "2021-07", accounts=["alder"]),
    )

    assert [p.amount_minor for p in _of(book, "alder", "2020-07", "agent:harbor")] == [20_00]
    assert [p.amount_minor for p in _of(book, "alder", "2020-08", "agent:harbor")] == [2_00, 18_00]
    assert (earned(book)["alder"]["2021-06"], earned(book)["alder"]["2021-07"]) == (20_00, 2_00)
    assert "the term of this one ended on 2020-07-14" in _of(book, "alder", "2020-08", "agent:harbor")[0].reason
    assert "the term of this one ended on 2021-06-29" in why(book, "alder", "2021-07")
