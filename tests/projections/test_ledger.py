"""The ledger's stated choices, one by one, with amounts that can be checked in the head.

Harbor is agent of record of ACC-1 and earns 80% of the commission received; a line is 100.00 unless it says otherwise.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from adapters.memory import MemoryBook
from domain import months
from domain.agency import ApproveAgencyOfRecordChange, LoseAgencyOfRecord, WinBackAgencyOfRecord
from domain.agent import ChangeUpline, TerminateAgent
from domain.agent_of_record import (
    ApproveAgentOfRecordChange,
    ChangeAgentOfRecord,
    CloseRescissionWindow,
    ConfirmAgentOfRecordChange,
    DeclineAgentOfRecordChange,
    DesignateAgentOfRecord,
    RescindAgentOfRecordChange,
    RescissionWindow,
    StaysUntilRenewal,
    Weighted,
)
from domain.calendar import OpenDay
from domain.contract import (
    ActivateService,
    AssignService,
    DisconnectService,
    OrderService,
    RenewContract,
    RepriceService,
    SignContract,
)
from domain.letter import ReceiveAgentOfRecordLetter
from domain.message import Event
from domain.money import half_away
from domain.plan import (
    CHARGE_KINDS,
    ChargeKind,
    Differential,
    Flat,
    MultipleOfMrcOnce,
    Override,
    OverridePay,
    OverridePercentOfCommission,
    Pay,
    PercentOfCommission,
    PercentOfDownlineShare,
    PercentOfMrc,
    ProposePlanVersion,
    PublishPlanVersion,
    Rule,
    Selector,
    ServiceMonthsFrom,
    SignedOrRenewedFrom,
)
from domain.rating.expected import expected_zeros
from domain.rating.release_1 import Item, items
from domain.recipe import (
    ApproveReprojection,
    PlanVersionRef,
    PromoteReprojection,
    ProposeReprojection,
    RecipePromoted,
    UndoReprojection,
)
from domain.vendor import ContractVendor, EndVendorAgreement, ResumeVendorAgreement, VendorTerms
from domain.vendor_statement import ReceiveStatement, StatementLine
from projections import ledger
from projections.ledger import CASH_KIND, PAYER_ROLE, book_name
from tests.projections.story import book
from tests.spec import ALDER_FOODS, BOB, DAY, LUMEN, Step, Steps, account, agent, designated, given, letter, plan, said

# -- asking


@dataclass
class Asked:
    """A ledger that was told a story."""

    book: MemoryBook
    _names: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        names = self.book.tables.content["facts_name"]
        self._names = {no: name for name, no in names if not name.startswith("suspense:")}

    def _sums(self, rows: list[tuple[Any, ...]]) -> dict[str, int]:
        sums: defaultdict[str, int] = defaultdict(int)
        for row in rows:
            name = book_name(row[9], self._names).removesuffix(":payable").removesuffix(":margin")
            sums[name.removeprefix("agent:").removesuffix(":unmatched")] += row[10]
        return {name: amount for name, amount in sums.items() if amount}

    def _shares(self) -> list[tuple[Any, ...]]:
        return [row for row in self.book.tables.content["journal"] if row[3] != CASH_KIND and row[8] != PAYER_ROLE]

    def shares(self, month: str, kind: ChargeKind = "recurring") -> dict[str, int]:
        """Who has what of a service month, all accounts and corrections together."""
        on = months.last_day(months.number(month))
        return self._sums([row for row in self._shares() if row[2] == on and row[3] == CHARGE_KINDS.index(kind)])

    def posted_last(self) -> dict[str, dict[str, int]]:
        """What the last event posted, by service month."""
        last = [row for row in self._shares() if row[0] == len(self.book.log.events)]
        return {months.text(months.number_of(on)): self._sums([r for r in last if r[2] == on]) for on in _days(last)}

    def posted_by(self, event: type[Event]) -> dict[str, dict[str, int]]:
        """What the last event of a kind posted, by service month."""
        position = max(r.position for r in self.book.log.events if isinstance(r.event, event))
        rows = [row for row in self._shares() if row[0] == position]
        return {months.text(months.number_of(on)): self._sums([r for r in rows if r[2] == on]) for on in _days(rows)}

    def zeros(self, payee: str, month: str) -> list[str]:
        """Why somebody has nothing for a month."""
        known = len(self.book.log.events)
        return [
            zero.reason
            for account in self.book.ledger.accounts.values()
            for zero in expected_zeros(account.facts, self.book.ledger.house, known)
            if (zero.payee, zero.month) == (payee, months.number(month))
        ]


def _days(rows: list[tuple[Any, ...]]) -> list[date]:
    return sorted({row[2] for row in rows})


def told(*steps: Steps) -> Asked:
    return Asked(book(given(*steps).log))


# -- telling


def line(
    month: str | None = "2026-01",
    commission: int | str = 100_00,
    number: str = "5-QXTR9941",
    kind: ChargeKind = "recurring",
    service: str | None = None,
    product: str | None = None,
) -> dict[str, Any]:
    return {
        "account": number,
        "service_month": month,
        "commission_minor": Decimal(commission),
        "charge_kind": kind,
        "service": service,
        "product": product,
    }


def statement(name: str, *lines: dict[str, Any], vendor: str = "lumen") -> ReceiveStatement:
    """A statement of the month of its name: ``2026-02`` or ``2026-02b``."""
    numbered = tuple(StatementLine(line=n, **fields) for n, fields in enumerate(lines, start=1))
    return ReceiveStatement(
        vendor=vendor,
        number=name,
        statement_month=name[:7],
        control_total_minor=sum(half_away(ln.commission_minor) for ln in numbered),
        lines=numbered,
    )


def rule(pay: Pay, name: str = "default", **when: str) -> Rule:
    return Rule(rule=name, when=Selector.model_validate(when), pay=pay)


def of_commission(rate: str) -> PercentOfCommission:
    return PercentOfCommission(kind="percent-of-commission", rate=Decimal(rate))


def of_mrc(rate: str) -> PercentOfMrc:
    return PercentOfMrc(kind="percent-of-mrc", rate=Decimal(rate))


def spiff(multiple: str, within: int, clawed: str = "1") -> MultipleOfMrcOnce:
    return MultipleOfMrcOnce(
        kind="multiple-of-mrc-once",
        multiple=Decimal(multiple),
        clawback_within_days=within,
        clawback_rate=Decimal(clawed),
    )


def override(pay: OverridePay, level: int | None = None, by_agent: bool = False, name: str = "team") -> Override:
    return Override(rule=name, level=level, pay=pay, funded_by="agent" if by_agent else "house")


def team_percent(rate: str, level: int | None = None, by_agent: bool = False, name: str = "team") -> Override:
    pay = OverridePercentOfCommission(kind="percent-of-commission", rate=Decimal(rate))
    return override(pay, level, by_agent, name)


SELLER = plan("seller", rules=(rule(of_commission("0.8")),), overrides=())


def people(
    seller: tuple[Step, ...] = SELLER, upline: tuple[Step, ...] = (), above: tuple[Step, ...] = ()
) -> tuple[Steps, ...]:
    """Harbor and Delta sell; where there are plans for them, Keystone is Harbor's upline and Summit Keystone's."""
    return (
        LUMEN,
        ALDER_FOODS,
        seller,
        upline,
        above,
        agent("summit", plan="above" if above else "seller"),
        agent("keystone", upline="summit" if above else None, plan="upline" if upline else "seller"),
        agent("harbor", upline="keystone" if upline else None, plan="seller"),
        agent("delta", plan="seller"),
    )


ACCOUNT = (account(), designated("harbor"))
PEOPLE = people()


def change(*agents: str, month: str, stays: date | None = None, service: str | None = None) -> tuple[Steps, ...]:
    """The customer names other agents from a month on; Bob approves where that is needed."""
    return (
        said(
            ChangeAgentOfRecord(
                account="ACC-1",
                service=service,
                agents=tuple(Weighted(agent=a) for a in agents),
                commission_stays=StaysUntilRenewal(at_latest=stays) if stays else None,
                effective_on=months.first_day(months.number(month)),
            ),
            letter=letter(),
        ),
    )


def change_back(*agents: str, month: str) -> tuple[Steps, ...]:
    """A change that reaches back, so that a second person approves it."""
    return (*change(*agents, month=month), said(ApproveAgentOfRecordChange(account="ACC-1"), by=BOB))


def service(mrc: int = 100_00, active: date | None = date(2026, 1, 10), name: str = "dia") -> tuple[Steps, ...]:
    """A service on ACC-1 under contract C-1, which was signed on 2 January 2026."""
    which = {"contract": "C-1", "service": name}
    steps: tuple[Steps, ...] = (
        OrderService(**which, product="dia", mrc_minor=mrc),
        AssignService(**which, account="ACC-1"),
    )
    return (*steps, ActivateService(**which, effective_on=active)) if active else steps


CONTRACT = SignContract(contract="C-1", customer="alder-foods", vendor="lumen", effective_on=date(2026, 1, 2))

# -- lines, shares and cents


def test_given_a_line_then_agent_and_upline_are_rounded_each_and_the_house_takes_what_is_left() -> None:
    """80% of 187.48 is 149.984, 5% is 9.374; the house has 187.48 - 149.98 - 9.37 = 28.13."""
    upline = plan("upline", overrides=(team_percent("0.05"),))

    asked = told(people(upline=upline), ACCOUNT, statement("2026-02", line(commission=187_48)))

    assert asked.shares("2026-01") == {"harbor": 149_98, "keystone": 9_37, "house": 28_13}


def test_given_a_commission_below_a_cent_then_it_is_rounded_once_in_its_line() -> None:
    """80% of 12.345 is 9.876, rounded 9.88; the line itself is 12.35."""
    asked = told(PEOPLE, ACCOUNT, statement("2026-02", line(commission="1234.5")))

    assert asked.shares("2026-01") == {"harbor": 9_88, "house": 2_47}


@pytest.mark.parametrize("sign", [1, -1])
def test_given_a_split_by_weight_then_each_agent_is_rounded_alone(sign: int) -> None:
    """1.01 by 60 and 40 is 60.6 and 40.4 cents, rounded 61 and 40; and the same below zero."""
    everything = plan("seller", rules=(rule(of_commission("1")),), overrides=())
    named = (Weighted(agent="harbor", weight=60), Weighted(agent="delta", weight=40))
    split = said(DesignateAgentOfRecord(account="ACC-1", agents=named, effective_on=date(2026, 1, 1)), letter=letter())

    asked = told(people(everything), account(), split, statement("2026-02", line(commission=sign * 101)))

    assert asked.shares("2026-01") == {"harbor": sign * 61, "delta": sign * 40}


def test_given_two_agents_with_equal_weights_then_the_house_shows_the_odd_cent() -> None:
    """Half of 1.01 is 50.5 cents, rounded 51 for each: a cent more than came."""
    everything = plan("seller", rules=(rule(of_commission("1")),), overrides=())

    asked = told(
        people(everything), account(), designated("delta", "harbor"), statement("2026-02", line(commission=101))
    )

    assert asked.shares("2026-01") == {"delta": 51, "harbor": 51, "house": -1}


def test_given_nobody_is_agent_of_record_then_the_house_keeps_the_line_and_says_so() -> None:
    asked = told(PEOPLE, account(), statement("2026-02", line()))

    assert asked.shares("2026-01") == {"house": 100_00}
    assert asked.zeros("house", "2026-01") == ["ACC-1 has no agent of record in 2026-01"]


# -- who is paid


def test_given_a_new_agent_of_record_then_who_is_paid_follows_the_service_month() -> None:
    """The statement comes after the change; its February line is Harbor's all the same."""
    asked = told(
        PEOPLE,
        ACCOUNT,
        change("delta", month="2026-03"),
        statement("2026-04", line("2026-02"), line("2026-03")),
    )

    assert asked.shares("2026-02") == {"harbor": 80_00, "house": 20_00}
    assert asked.shares("2026-03") == {"delta": 80_00, "house": 20_00}


def test_given_a_late_letter_then_the_months_go_from_one_to_the_other_in_one_posting_each() -> None:
    paid = statement("2026-03", line("2026-01"), line("2026-02"), line("2026-03", 50_00))

    asked = told(PEOPLE, ACCOUNT, paid, OpenDay(date=date(2026, 4, 27)), change_back("delta", month="2026-02"))

    assert asked.posted_last() == {
        "2026-02": {"harbor": -80_00, "delta": 80_00},
        "2026-03": {"harbor": -40_00, "delta": 40_00},
    }


def test_given_commission_that_stays_until_renewal_then_the_former_agent_is_paid_up_to_it() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        CONTRACT,
        service(),
        change("delta", month="2026-03", stays=date(2027, 1, 1)),
        RenewContract(contract="C-1", term_months=12, effective_on=date(2026, 5, 1)),
        statement("2026-06", line("2026-02"), line("2026-04"), line("2026-05")),
    )

    assert asked.shares("2026-02") == {"harbor": 80_00, "house": 20_00}
    assert asked.shares("2026-04") == {"harbor": 80_00, "house": 20_00}
    assert asked.shares("2026-05") == {"delta": 80_00, "house": 20_00}


@pytest.mark.parametrize(
    ("at_latest", "may"), [(date(2026, 5, 1), "delta"), (date(2026, 5, 2), "harbor"), (date(2026, 5, 31), "harbor")]
)
def test_given_a_contract_that_never_renews_then_commission_stays_for_months_that_begin_before_the_stated_end(
    at_latest: date, may: str
) -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        change("delta", month="2026-03", stays=at_latest),
        statement("2026-07", line("2026-04"), line("2026-05"), line("2026-06")),
    )

    assert asked.shares("2026-04") == {"harbor": 80_00, "house": 20_00}
    assert asked.shares("2026-05") == {may: 80_00, "house": 20_00}
    assert asked.shares("2026-06") == {"delta": 80_00, "house": 20_00}


def test_given_a_late_renewal_then_the_months_after_it_go_to_the_new_agent() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        CONTRACT,
        service(),
        change("delta", month="2026-03", stays=date(2027, 1, 1)),
        statement("2026-06", line("2026-04"), line("2026-05")),
        RenewContract(contract="C-1", term_months=12, effective_on=date(2026, 5, 1)),
    )

    assert asked.posted_last() == {"2026-05": {"harbor": -80_00, "delta": 80_00}}


# -- single services with other agents

KEPT_BY_DELTA = designated("delta", service="voip")


@pytest.mark.parametrize(
    ("named", "paid"),
    [
        ("dia", {"harbor": 80_00, "house": 20_00}),
        ("voip", {"delta": 80_00, "house": 20_00}),
        ("C-1/voip", {"delta": 80_00, "house": 20_00}),
        (None, {"suspense": 100_00}),
        ("T1-9", {"suspense": 100_00}),
    ],
)
def test_given_a_service_with_another_agent_then_a_line_must_say_which_service_it_is_for(
    named: str | None, paid: dict[str, int]
) -> None:
    """A line that named a service which the account does not have gave everything to the house."""
    asked = told(
        PEOPLE,
        ACCOUNT,
        CONTRACT,
        service(),
        service(name="voip"),
        KEPT_BY_DELTA,
        statement("2026-02", line(service=named)),
    )

    assert asked.shares("2026-01") == paid


def test_given_a_letter_for_a_service_that_was_never_ordered_then_its_lines_go_by_the_letter() -> None:
    """They gave everything to the house."""
    asked = told(PEOPLE, ACCOUNT, KEPT_BY_DELTA, statement("2026-02", line(service="voip")))

    assert asked.shares("2026-01") == {"delta": 80_00, "house": 20_00}


def test_given_services_of_one_agent_then_a_line_that_names_none_is_the_accounts() -> None:
    asked = told(PEOPLE, ACCOUNT, CONTRACT, service(), service(name="voip"), statement("2026-02", line()))

    assert asked.shares("2026-01") == {"harbor": 80_00, "house": 20_00}


def test_given_money_in_suspense_for_want_of_a_service_then_a_letter_that_names_one_agent_for_all_takes_it_out() -> (
    None
):
    asked = told(
        PEOPLE,
        ACCOUNT,
        KEPT_BY_DELTA,
        statement("2026-02", line()),
        change("harbor", month="2026-01", service="voip"),
    )

    assert asked.posted_last() == {"2026-01": {"suspense": -100_00, "harbor": 80_00, "house": 20_00}}


# -- overrides


@pytest.mark.parametrize(
    ("by_agent", "paid"),
    [
        (False, {"harbor": 80_00, "keystone": 5_00, "house": 15_00}),
        (True, {"harbor": 75_00, "keystone": 5_00, "house": 20_00}),
    ],
    ids=["by the house", "by the agent"],
)
def test_given_an_override_then_who_funds_it_has_less(by_agent: bool, paid: dict[str, int]) -> None:
    upline = plan("upline", overrides=(team_percent("0.05", by_agent=by_agent),))

    assert told(people(upline=upline), ACCOUNT, statement("2026-02", line())).shares("2026-01") == paid


def test_given_percent_of_the_downlines_share_then_every_level_has_it_of_the_sellers() -> None:
    """10% of Harbor's 80.00 each; Summit's is not of Keystone's."""
    pay = PercentOfDownlineShare(kind="percent-of-downline-share", rate=Decimal("0.1"))
    upline, above = (plan(name, overrides=(override(pay),)) for name in ("upline", "above"))

    asked = told(people(upline=upline, above=above), ACCOUNT, statement("2026-02", line()))

    assert asked.shares("2026-01") == {"harbor": 80_00, "keystone": 8_00, "summit": 8_00, "house": 4_00}


def test_given_overrides_by_level_then_each_upline_has_that_of_its_distance() -> None:
    by_level = (team_percent("0.05", level=1, name="first"), team_percent("0.02", level=2, name="second"))
    upline, above = (plan(name, overrides=by_level) for name in ("upline", "above"))

    asked = told(people(upline=upline, above=above), ACCOUNT, statement("2026-02", line()))

    assert asked.shares("2026-01") == {"harbor": 80_00, "keystone": 5_00, "summit": 2_00, "house": 13_00}


@pytest.mark.parametrize(
    ("keystone", "summit", "paid"),
    [
        ("0.85", "0.90", {"harbor": 80_00, "keystone": 5_00, "summit": 5_00, "house": 10_00}),
        ("0.90", "0.85", {"harbor": 80_00, "keystone": 10_00, "house": 10_00}),
        ("0.80", "0.90", {"harbor": 80_00, "summit": 10_00, "house": 10_00}),
    ],
)
def test_given_differentials_then_each_has_its_own_rate_less_the_highest_below(
    keystone: str, summit: str, paid: dict[str, int]
) -> None:
    differential = override(Differential(kind="differential"))
    upline = plan("upline", rules=(rule(of_commission(keystone)),), overrides=(differential,))
    above = plan("above", rules=(rule(of_commission(summit)),), overrides=(differential,))

    asked = told(people(upline=upline, above=above), ACCOUNT, statement("2026-02", line()))

    assert asked.shares("2026-01") == paid


def test_given_a_differential_over_another_base_then_it_is_nothing_and_says_so() -> None:
    upline = plan("upline", rules=(rule(of_mrc("0.1")),), overrides=(override(Differential(kind="differential")),))

    asked = told(people(upline=upline), ACCOUNT, CONTRACT, service(), statement("2026-02", line()))

    assert asked.shares("2026-01") == {"harbor": 80_00, "house": 20_00}
    assert asked.zeros("agent:keystone", "2026-01") == ["own rate and the downline's are of different bases"]


def test_given_a_late_change_of_upline_then_the_overrides_of_its_months_go_to_the_new_one() -> None:
    upline = plan("upline", overrides=(team_percent("0.05"),))

    asked = told(
        people(upline=upline),
        agent("ridge", plan="upline"),
        ACCOUNT,
        statement("2026-04", line("2026-01"), line("2026-02"), line("2026-03")),
        ChangeUpline(agent="harbor", upline="ridge", effective_on=date(2026, 2, 1)),
    )

    assert asked.posted_last() == {
        "2026-02": {"keystone": -5_00, "ridge": 5_00},
        "2026-03": {"keystone": -5_00, "ridge": 5_00},
    }


def test_given_uplines_in_a_circle_in_past_months_then_each_is_paid_once() -> None:
    """Keystone left Summit in March; then Summit was put under Harbor from January on: in January they are a ring."""
    upline, above = (plan(name, overrides=(team_percent("0.05"),)) for name in ("upline", "above"))

    asked = told(
        people(upline=upline, above=above),
        ACCOUNT,
        ChangeUpline(agent="keystone", upline=None, effective_on=date(2026, 3, 1)),
        ChangeUpline(agent="summit", upline="harbor", effective_on=date(2026, 1, 1)),
        statement("2026-02", line("2026-01")),
    )

    assert asked.shares("2026-01") == {"harbor": 80_00, "keystone": 5_00, "summit": 5_00, "house": 10_00}


# -- SPIFFs

SPIFF_150 = plan("seller", rules=(rule(of_commission("0.8")), rule(spiff("1.5", within=90), "spiff")), overrides=())


def test_given_a_spiff_then_it_is_paid_once_in_the_month_of_activation() -> None:
    """One and a half times an MRC of 100.00; the vendor has paid nothing for it yet."""
    asked = told(people(SPIFF_150), ACCOUNT, CONTRACT, service())

    assert asked.shares("2026-01", "spiff") == {"harbor": 150_00, "house": -150_00}
    assert asked.shares("2026-02", "spiff") == {}


def test_given_a_late_letter_then_a_spiff_stays_with_whom_it_was_due_to_and_so_does_its_clawback() -> None:
    asked = told(
        people(SPIFF_150),
        ACCOUNT,
        CONTRACT,
        service(),
        OpenDay(date=date(2026, 3, 2)),
        change_back("delta", month="2026-01"),
        DisconnectService(contract="C-1", service="dia", effective_on=date(2026, 3, 1)),
    )

    assert asked.posted_last() == {"2026-01": {"harbor": -150_00, "house": 150_00}}
    assert asked.shares("2026-01", "spiff") == {}


@pytest.mark.parametrize(("off", "taken"), [(date(2026, 4, 10), True), (date(2026, 4, 11), False)])
def test_given_a_clawback_within_90_days_then_the_90th_day_counts_and_the_91st_does_not(off: date, taken: bool) -> None:
    """10 January and 90 days is 10 April."""
    asked = told(
        people(SPIFF_150),
        ACCOUNT,
        CONTRACT,
        service(),
        DisconnectService(contract="C-1", service="dia", effective_on=off),
    )

    kept = {} if taken else {"harbor": 150_00, "house": -150_00}
    assert asked.shares("2026-01", "spiff") == kept
    assert any("clawed back" in reason for reason in asked.zeros("agent:harbor", "2026-01")) is taken


def test_given_a_clawback_in_part_then_the_rest_is_kept() -> None:
    half = plan("seller", rules=(rule(spiff("1.5", within=90, clawed="0.5")),), overrides=())

    asked = told(
        people(half),
        ACCOUNT,
        CONTRACT,
        service(),
        DisconnectService(contract="C-1", service="dia", effective_on=date(2026, 2, 1)),
    )

    assert asked.shares("2026-01", "spiff") == {"harbor": 75_00, "house": -75_00}


def test_given_a_flat_spiff_for_two_agents_then_each_has_the_part_of_its_weight() -> None:
    flat = Flat(kind="flat", amount_minor=50_00, every="once")

    asked = told(
        people(plan("seller", rules=(rule(flat),), overrides=())),
        account(),
        designated("harbor", "delta"),
        CONTRACT,
        service(),
    )

    assert asked.shares("2026-01", "spiff") == {"harbor": 25_00, "delta": 25_00, "house": -50_00}


# -- paid by the month in service

BY_MRC = people(plan("seller", rules=(rule(of_mrc("0.1")),), overrides=()))
"""10% of an MRC of 100.00 is 10.00 a month."""


def test_given_a_month_that_is_still_open_then_it_is_an_expected_zero_until_the_vendor_reports() -> None:
    asked = told(BY_MRC, ACCOUNT, CONTRACT, service())

    assert asked.shares("2026-01") == {}
    assert asked.zeros("agent:harbor", "2026-01") == ["month still open: the vendor has not reported on it yet"]


def test_given_a_vendor_that_reported_then_the_month_is_due_though_it_paid_short() -> None:
    """3.00 came for the service; Harbor has its 10.00, and the house is 7.00 short."""
    asked = told(BY_MRC, ACCOUNT, CONTRACT, service(), statement("2026-02", line(commission=3_00)))

    assert asked.shares("2026-01") == {"harbor": 10_00, "house": -7_00}


def test_given_a_vendor_that_reported_on_others_only_then_the_month_is_due_though_nothing_came() -> None:
    asked = told(BY_MRC, ACCOUNT, CONTRACT, service(), statement("2026-02"))

    assert asked.shares("2026-01") == {"harbor": 10_00, "house": -10_00}


def test_given_another_plan_that_pays_by_mrc_then_a_month_that_is_missing_on_a_statement_has_its_reason_still() -> None:
    """As soon as anybody was paid by the month in service, nobody was told any more that a statement left them out."""
    by_mrc = plan("upline", rules=(rule(of_mrc("0.1")),), overrides=())

    asked = told(people(upline=by_mrc), ACCOUNT, CONTRACT, service(), statement("2026-02"))

    assert asked.zeros("agent:harbor", "2026-01") == ["not on the statement of lumen that reports on 2026-01"]


def test_given_a_new_price_in_the_middle_of_a_month_then_it_counts_from_the_next() -> None:
    asked = told(
        BY_MRC,
        ACCOUNT,
        CONTRACT,
        service(),
        *(statement(f"2026-{month:02}") for month in (3, 4, 5)),
        RepriceService(contract="C-1", service="dia", mrc_minor=70_00, effective_on=date(2026, 3, 15)),
    )

    assert asked.posted_last() == {"2026-04": {"harbor": -3_00, "house": 3_00}}
    assert asked.shares("2026-03") == {"harbor": 10_00, "house": -10_00}
    assert asked.shares("2026-04") == {"harbor": 7_00, "house": -7_00}


def test_given_a_new_price_on_the_first_then_it_counts_at_once() -> None:
    asked = told(
        BY_MRC,
        ACCOUNT,
        CONTRACT,
        service(),
        RepriceService(contract="C-1", service="dia", mrc_minor=70_00, effective_on=date(2026, 3, 1)),
        statement("2026-04"),
    )

    assert asked.shares("2026-03") == {"harbor": 7_00, "house": -7_00}


@pytest.mark.parametrize(
    ("off", "march"), [(date(2026, 3, 1), {}), (date(2026, 3, 2), {"harbor": 10_00, "house": -10_00})]
)
def test_given_a_late_disconnection_then_months_without_a_day_of_service_are_taken_back(
    off: date, march: dict[str, int]
) -> None:
    """Without a line the month was a cell no longer, and nothing was taken back."""
    asked = told(
        BY_MRC,
        ACCOUNT,
        CONTRACT,
        service(),
        *(statement(f"2026-{month:02}") for month in (3, 4, 5)),
        DisconnectService(contract="C-1", service="dia", effective_on=off),
    )

    assert asked.shares("2026-02") == {"harbor": 10_00, "house": -10_00}
    assert asked.shares("2026-03") == march
    assert asked.shares("2026-04") == {}


# -- plans and agreements


def test_given_a_late_plan_version_for_service_months_then_those_months_are_rated_again() -> None:
    version = ProposePlanVersion(
        plan="seller",
        plan_version=2,
        applies_to=ServiceMonthsFrom(**{"from": date(2026, 2, 1)}),
        rules=(rule(of_commission("0.7")),),
    )

    asked = told(
        PEOPLE,
        ACCOUNT,
        statement("2026-03", line("2026-01"), line("2026-02")),
        version,
        said(PublishPlanVersion(plan="seller", plan_version=2), by=BOB),
    )

    assert asked.posted_last() == {"2026-02": {"harbor": -10_00, "house": 10_00}}


CUT = ProposePlanVersion(
    plan="seller",
    plan_version=2,
    applies_to=ServiceMonthsFrom(**{"from": date(2026, 2, 1)}),
    rules=(rule(of_commission("0.7")),),
)
PROMOTED = (
    ProposeReprojection(
        reprojection="cut",
        plan_versions=(PlanVersionRef(plan="seller", plan_version=2),),
        proposed_because="the yearly target was missed",
    ),
    said(ApproveReprojection(reprojection="cut"), by=BOB),
    PromoteReprojection(reprojection="cut"),
)
UNDONE = (
    UndoReprojection(reprojection="cut-undone", undoes="cut", proposed_because="it was met after all"),
    said(ApproveReprojection(reprojection="cut-undone"), by=BOB),
    PromoteReprojection(reprojection="cut-undone"),
)
TWO_MONTHS = statement("2026-03", line("2026-01"), line("2026-02"))


def test_given_a_promotion_then_it_posts_new_less_old_at_its_own_position_and_what_stood_before_stays() -> None:
    before = told(PEOPLE, ACCOUNT, TWO_MONTHS, CUT)

    asked = told(PEOPLE, ACCOUNT, TWO_MONTHS, CUT, PROMOTED)

    assert asked.posted_by(RecipePromoted) == {"2026-02": {"harbor": -10_00, "house": 10_00}}
    assert asked.posted_last() == {}
    stood = before.book.tables.content["journal"]
    assert asked.book.tables.content["journal"][: len(stood)] == stood


def test_given_a_promotion_then_lines_that_come_later_are_rated_with_it() -> None:
    asked = told(PEOPLE, ACCOUNT, CUT, PROMOTED, TWO_MONTHS)

    assert asked.posted_by(RecipePromoted) == {}
    assert asked.posted_last() == {
        "2026-01": {"harbor": 80_00, "house": 20_00},
        "2026-02": {"harbor": 70_00, "house": 30_00},
    }


def test_given_a_promotion_undone_then_everything_stands_as_if_it_had_never_been() -> None:
    never = told(PEOPLE, ACCOUNT, TWO_MONTHS, statement("2026-04", line("2026-03")))

    asked = told(PEOPLE, ACCOUNT, TWO_MONTHS, CUT, PROMOTED, statement("2026-04", line("2026-03")), UNDONE)

    assert asked.posted_by(RecipePromoted) == {
        "2026-02": {"harbor": 10_00, "house": -10_00},
        "2026-03": {"harbor": 10_00, "house": -10_00},
    }
    for month in ("2026-01", "2026-02", "2026-03"):
        assert asked.shares(month) == never.shares(month)


def test_given_more_accounts_than_are_kept_then_a_promotion_posts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    others = tuple((account(f"ACC-{n}", f"7-{n}"), designated("harbor", account=f"ACC-{n}")) for n in range(2, 5))
    lines = statement("2026-03", line("2026-02"), *(line("2026-02", number=f"7-{n}") for n in range(2, 5)))
    story = (PEOPLE, ACCOUNT, others, lines, CUT, PROMOTED, UNDONE)
    kept = told(story)

    monkeypatch.setattr(ledger, "PASSING_ACCOUNTS", 1)

    assert told(story).book.tables.content["journal"] == kept.book.tables.content["journal"]


def test_given_a_plan_version_for_renewed_contracts_then_it_counts_from_the_month_of_the_renewal() -> None:
    version = ProposePlanVersion(
        plan="seller",
        plan_version=2,
        applies_to=SignedOrRenewedFrom(**{"kind": "signed-or-renewed-from", "from": date(2026, 2, 1)}),
        rules=(rule(of_commission("0.7")),),
    )

    asked = told(
        PEOPLE,
        ACCOUNT,
        CONTRACT,
        service(),
        version,
        said(PublishPlanVersion(plan="seller", plan_version=2), by=BOB),
        statement("2026-05", line("2026-02"), line("2026-03"), line("2026-04")),
        RenewContract(contract="C-1", term_months=12, effective_on=date(2026, 3, 20)),
    )

    assert asked.shares("2026-02") == {"harbor": 80_00, "house": 20_00}
    assert asked.posted_last() == {
        "2026-03": {"harbor": -10_00, "house": 10_00},
        "2026-04": {"harbor": -10_00, "house": 10_00},
    }


@pytest.mark.parametrize(
    ("evergreen", "on", "february", "march"),
    [
        (False, date(2026, 2, 1), {"house": 100_00}, {"house": 100_00}),
        (False, date(2026, 2, 2), {"harbor": 80_00, "house": 20_00}, {"house": 100_00}),
        (True, date(2026, 2, 1), {"harbor": 80_00, "house": 20_00}, {"harbor": 80_00, "house": 20_00}),
    ],
    ids=["from the first", "from the second", "evergreen"],
)
def test_given_a_terminated_agent_then_months_that_began_before_are_paid_and_all_where_evergreen(
    evergreen: bool, on: date, february: dict[str, int], march: dict[str, int]
) -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        statement("2026-04", line("2026-01"), line("2026-02"), line("2026-03")),
        TerminateAgent(agent="harbor", effective_on=on, evergreen=evergreen),
    )

    assert asked.shares("2026-01") == {"harbor": 80_00, "house": 20_00}
    assert asked.shares("2026-02") == february
    assert asked.shares("2026-03") == march
    reasons = asked.zeros("agent:harbor", "2026-03")
    assert [reason.startswith(f"harbor is terminated since {on}") for reason in reasons] == [True] * (not evergreen)


def test_given_rules_that_match_then_the_most_specific_one_pays_alone() -> None:
    """Account before product before default."""
    rules = (
        rule(of_commission("0.8")),
        rule(of_commission("0.5"), "by-product", product="dia"),
        rule(of_commission("0.6"), "by-account", account="ACC-1"),
    )
    other = (account("ACC-2", "7-1"), designated("harbor", account="ACC-2"))

    asked = told(
        people(plan("seller", rules=rules, overrides=())),
        ACCOUNT,
        other,
        statement("2026-02", line("2026-01", product="dia"), line("2025-12", number="7-1", product="dia")),
        statement("2026-03", line("2026-02", number="7-1", product="dia"), line("2026-03", number="7-1")),
    )

    assert asked.shares("2026-01") == {"harbor": 60_00, "house": 40_00}
    assert asked.shares("2026-02") == {"harbor": 50_00, "house": 50_00}
    assert asked.shares("2026-03") == {"harbor": 80_00, "house": 20_00}


# -- when the agency of record is another's, or the vendor's agreement has ended


WORD = letter(date(2026, 1, 3), signer="vendor:lumen")
ELSEWHERE = "agency of record is brightstar since 2026-01-01"


def lost(month: str = "2026-01") -> tuple[Steps, ...]:
    on = months.first_day(months.number(month))
    return (said(LoseAgencyOfRecord(accounts=("ACC-1",), agency="brightstar", effective_on=on), letter=WORD),)


def won_back(month: str = "2026-01") -> tuple[Steps, ...]:
    on = months.first_day(months.number(month))
    return (said(WinBackAgencyOfRecord(accounts=("ACC-1",), effective_on=on), letter=WORD),)


APPROVED = said(ApproveAgencyOfRecordChange(accounts=("ACC-1",)), by=BOB)


def only(reasons: list[str]) -> str:
    """One reason, without the position that it ends with."""
    (reason,) = {reason.partition(" (position")[0] for reason in reasons}
    return reason


def test_given_another_agency_of_record_then_a_line_that_comes_all_the_same_waits_in_suspense() -> None:
    asked = told(PEOPLE, ACCOUNT, lost(), statement("2026-02", line()))

    assert asked.shares("2026-01") == {"suspense": 100_00}
    assert only(asked.zeros("agent:harbor", "2026-01")) == ELSEWHERE


def test_given_another_agency_of_record_then_the_upline_is_told_too() -> None:
    upline = plan("upline", rules=(rule(of_commission("0.9")),), overrides=(team_percent("0.05"),))

    asked = told(people(upline=upline), ACCOUNT, lost(), statement("2026-02", line()))

    assert asked.shares("2026-01") == {"suspense": 100_00}
    assert only(asked.zeros("agent:keystone", "2026-01")) == ELSEWHERE


def test_given_a_late_word_that_the_agency_was_lost_then_its_months_go_back_to_suspense_and_others_stay() -> None:
    paid = (statement("2026-02", line("2026-01")), statement("2026-03", line("2026-02")))

    asked = told(PEOPLE, ACCOUNT, paid, OpenDay(date=date(2026, 4, 2)), lost("2026-02"), APPROVED)

    assert asked.posted_last() == {"2026-02": {"harbor": -80_00, "house": -20_00, "suspense": 100_00}}
    assert asked.shares("2026-01") == {"harbor": 80_00, "house": 20_00}


def test_given_an_agency_that_turns_out_to_have_been_ours_then_what_waited_is_posted_by_itself() -> None:
    waits = (PEOPLE, ACCOUNT, lost(), statement("2026-02", line()))

    asked = told(waits, OpenDay(date=date(2026, 3, 2)), won_back(), APPROVED)

    assert asked.posted_last() == {"2026-01": {"harbor": 80_00, "house": 20_00, "suspense": -100_00}}
    assert asked.zeros("agent:harbor", "2026-01") == []


def test_given_an_agency_won_back_from_a_later_month_then_the_months_between_stay_anothers() -> None:
    asked = told(
        PEOPLE, ACCOUNT, lost("2026-01"), won_back("2026-02"), statement("2026-03", line("2026-01"), line("2026-02"))
    )

    assert asked.shares("2026-01") == {"suspense": 100_00}
    assert asked.shares("2026-02") == {"harbor": 80_00, "house": 20_00}


def test_given_another_agency_of_record_then_what_is_paid_by_the_month_in_service_is_not_due_and_says_so() -> None:
    asked = told(BY_MRC, ACCOUNT, CONTRACT, service(), lost(), statement("2026-02"))

    assert asked.shares("2026-01") == {}
    assert only(asked.zeros("agent:harbor", "2026-01")) == ELSEWHERE


def test_given_a_late_word_then_what_was_due_by_the_month_in_service_is_taken_back() -> None:
    due = (BY_MRC, ACCOUNT, CONTRACT, service(), statement("2026-02", line()))

    asked = told(due, OpenDay(date=date(2026, 3, 2)), lost(), APPROVED)

    assert asked.posted_last() == {"2026-01": {"harbor": -10_00, "house": -90_00, "suspense": 100_00}}


def test_given_another_agency_of_record_and_no_line_then_the_agent_is_told_of_the_agency() -> None:
    asked = told(PEOPLE, ACCOUNT, lost(), statement("2026-02"))

    assert only(asked.zeros("agent:harbor", "2026-01")) == ELSEWHERE


def test_given_a_late_word_then_a_spiff_stays_that_was_due_when_the_service_was_activated() -> None:
    asked = told(people(SPIFF_150), ACCOUNT, CONTRACT, service(), OpenDay(date=date(2026, 3, 2)), lost(), APPROVED)

    assert asked.shares("2026-01", "spiff") == {"harbor": 150_00, "house": -150_00}


def test_given_an_agency_lost_before_a_service_was_activated_then_its_spiff_is_not_due_until_it_turns_out_ours() -> (
    None
):
    before = (people(SPIFF_150), ACCOUNT, CONTRACT, lost(), service())

    assert told(before).shares("2026-01", "spiff") == {}
    assert only(told(before).zeros("agent:harbor", "2026-01")) == ELSEWHERE
    ours = told(before, OpenDay(date=date(2026, 3, 2)), won_back(), APPROVED)
    assert ours.shares("2026-01", "spiff") == {"harbor": 150_00, "house": -150_00}


@pytest.mark.parametrize(
    ("evergreen", "march"), [(True, {"harbor": 80_00, "house": 20_00}), (False, {"suspense": 100_00})]
)
def test_given_the_end_of_a_vendors_agreement_then_whole_months_after_it_are_nobodys_unless_evergreen(
    evergreen: bool, march: dict[str, int]
) -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        EndVendorAgreement(vendor="lumen", evergreen=evergreen, effective_on=date(2026, 2, 15)),
        statement("2026-04", line("2026-02"), line("2026-03")),
    )

    assert asked.shares("2026-02") == {"harbor": 80_00, "house": 20_00}
    assert asked.shares("2026-03") == march


def test_given_an_agreement_resumed_then_what_waited_from_then_on_is_posted() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        EndVendorAgreement(vendor="lumen", evergreen=False, effective_on=date(2026, 1, 1)),
        statement("2026-03", line("2026-01"), line("2026-02")),
        ResumeVendorAgreement(vendor="lumen", effective_on=date(2026, 2, 10)),
    )

    assert asked.posted_last() == {"2026-02": {"harbor": 80_00, "house": 20_00, "suspense": -100_00}}
    why = "the agreement of lumen ended on 2026-01-01, without evergreen"
    assert only(asked.zeros("agent:harbor", "2026-01")) == why


# -- while a change of the agent of record waits


def waits(terms: VendorTerms, *after: Steps) -> Asked:
    """Harbor's account; Delta is named from January, and January's line has come."""
    lumen = ContractVendor(vendor="lumen", statement_lag_months=1, terms=terms)
    named = ReceiveAgentOfRecordLetter(
        letter_id="L-1",
        customer="alder-foods",
        accounts=("ACC-1",),
        agents=(Weighted(agent="delta"),),
        effective_on=date(2026, 1, 1),
        signer="alder-foods:cfo",
        signed_on=date(2026, 1, 3),
        rescission_windows=(RescissionWindow(vendor="lumen", accepted_on=DAY, until=date(2026, 1, 20)),),
    )
    sellers = (SELLER, agent("harbor", plan="seller"), agent("delta", plan="seller"))
    return told(lumen, ALDER_FOODS, sellers, ACCOUNT, named, statement("2026-02", line()), *after)


CLOSED = said(CloseRescissionWindow(account="ACC-1", letter_id="L-1"), on=date(2026, 1, 21))
HARBORS, DELTAS = {"harbor": 80_00, "house": 20_00}, {"delta": 80_00, "house": 20_00}


def test_given_a_rescission_window_then_the_former_agent_is_paid_and_the_new_one_reads_until_when() -> None:
    asked = waits(VendorTerms(rescission_business_days=10))

    assert asked.shares("2026-01") == HARBORS
    expected = "agent of record from 2026-01-01 inside the rescission window until 2026-01-20"
    assert only(asked.zeros("agent:delta", "2026-01")) == expected


def test_given_a_window_that_closed_then_the_change_is_posted_as_the_letter_said() -> None:
    asked = waits(VendorTerms(rescission_business_days=10), CLOSED)

    assert asked.posted_last() == {"2026-01": {"harbor": -80_00, "delta": 80_00}}
    assert asked.zeros("agent:delta", "2026-01") == []


def test_given_a_rescission_then_nothing_was_ever_posted_to_the_new_agent() -> None:
    rescinded = said(RescindAgentOfRecordChange(account="ACC-1"), letter=letter(date(2026, 1, 5)))

    asked = waits(VendorTerms(rescission_business_days=10), rescinded, CLOSED)

    assert asked.shares("2026-01") == HARBORS
    assert asked.zeros("agent:delta", "2026-01") == []


def test_given_a_vendor_that_confirms_then_the_new_agent_reads_that_it_has_not_yet() -> None:
    terms = VendorTerms(confirms_agent_of_record=True)

    asked = waits(terms)

    assert asked.shares("2026-01") == HARBORS
    expected = "agent of record from 2026-01-01 once lumen has confirmed it"
    assert only(asked.zeros("agent:delta", "2026-01")) == expected
    assert waits(terms, ConfirmAgentOfRecordChange(account="ACC-1")).shares("2026-01") == DELTAS


def test_given_both_then_after_the_window_the_new_agent_waits_for_the_vendor() -> None:
    asked = waits(VendorTerms(rescission_business_days=10, confirms_agent_of_record=True), CLOSED)

    assert asked.shares("2026-01") == HARBORS
    expected = "agent of record from 2026-01-01 once lumen has confirmed it"
    assert only(asked.zeros("agent:delta", "2026-01")) == expected


def test_given_a_change_that_waits_for_approval_then_the_new_agent_reads_that() -> None:
    asked = told(PEOPLE, ACCOUNT, ChangeAgentOfRecord(account="ACC-1", agents=(Weighted(agent="delta"),),
                 effective_on=date(2026, 1, 1)), statement("2026-02", line()))  # fmt: skip

    expected = "agent of record from 2026-01-01 once a second principal has approved it"
    assert only(asked.zeros("agent:delta", "2026-01")) == expected


def test_given_a_change_that_the_vendor_declines_after_it_counted_then_its_months_go_back() -> None:
    decline = DeclineAgentOfRecordChange(account="ACC-1", declined_because="the signer is unknown")
    declined = said(decline, by=BOB, letter=letter(date(2026, 1, 5), signer="lumen:desk"))

    asked = waits(VendorTerms(), declined)

    assert asked.posted_last() == {"2026-01": {"harbor": 80_00, "delta": -80_00}}


# -- what is not done again


def test_given_lines_that_come_one_after_the_other_then_what_stands_in_their_cell_is_not_rated_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A vendor may send many lines a month for one account; took a statement of 20 lines a cell to notice."""
    rated: list[str] = []
    rate_line = items._rate_line

    def counted(*arguments: Any) -> Item:
        rated.append(arguments[3].statement)
        return rate_line(*arguments)

    monkeypatch.setattr(items, "_rate_line", counted)
    names = ("2026-02", "2026-02b", "2026-02c")
    asked = told(PEOPLE, ACCOUNT, *(statement(name, line(), line(commission=50_00)) for name in names))

    assert asked.shares("2026-01") == {"harbor": 360_00, "house": 90_00}
    assert rated == [name for name in names for _ in range(2)]
