"""Five real changes of commission rules, with figures: whom each version of a plan reaches, from when on, and why.

Every account has one contract with one service at 1,000.00 a month. Its vendor pays the house 200.00 for each month,
in that month, and the plan says what of it Harbor gets. What was public of a change is named where it is told.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from domain import months
from domain.account import Alias, OpenAccount
from domain.agent import SignAgreement, TerminateAgent
from domain.agent_of_record import DesignateAgentOfRecord, Weighted
from domain.calendar import OpenDay
from domain.contract import ActivateService, AssignService, OrderService, RenewContract, SignContract
from domain.customer import OnboardCustomer
from domain.message import Issued
from domain.payout import ApprovePayRun, ProposePayRun, ReleasePayRun
from domain.plan import (
    PercentOfCommission,
    PercentOfMrc,
    ProposePlanVersion,
    PublishPlanVersion,
    Rule,
    Selector,
)
from domain.vendor import ContractVendor, EndVendorAgreement, ListProducts, Product
from domain.vendor_statement import ReceiveStatement, StatementLine
from tests import spec
from tests.database import fresh_house
from tests.spec import BOB, Step, Steps, actor, agent, said
from tests.system.books import Book, InMemory, Posted, on_postgres

MRC, RECEIVED = 1_000_00, 200_00
DIA = (Product(product="dia", category="internet"), Product(product="telehealth", category="rural-healthcare"))

Earned = dict[str, dict[str, int]]

# -- telling


def house(vendor: str, *plan: Steps, today: date) -> Steps:
    """A house with one vendor, one customer, and Harbor and Delta on the standard plan."""
    return (
        OpenDay(date=today),
        ContractVendor(vendor=vendor, statement_lag_months=0),
        ListProducts(vendor=vendor, products=DIA),
        OnboardCustomer(customer="alder-foods"),
        plan,
        agent("harbor"),
        agent("delta"),
    )


def version(number: int, *rules: Rule, plan: str = "standard", on: date | None = None, **says: Any) -> Steps:
    """A version that Ann proposes and Bob publishes, on a day."""
    proposed = ProposePlanVersion.model_validate({"plan": plan, "plan_version": number, "rules": rules, **says})
    return said(proposed, on=on), said(PublishPlanVersion(plan=plan, plan_version=number), by=BOB)


def of_mrc(rate: str, name: str = "default", **when: str) -> Rule:
    return Rule(rule=name, when=Selector.model_validate(when), pay=PercentOfMrc(kind="percent-of-mrc", rate=rate))


def of_commission(rate: str, name: str = "default", **when: str) -> Rule:
    pay = PercentOfCommission(kind="percent-of-commission", rate=rate)
    return Rule(rule=name, when=Selector.model_validate(when), pay=pay)


def sold(
    account: str, vendor: str, signed: date, term: int, product: str = "dia", agents: tuple[str, ...] = ("harbor",)
) -> Steps:
    """An account with its contract, signed on a day for so many months, and its service, active from that day on."""
    return opened(account, vendor, signed, agents), served(account, vendor, signed, term, product)


def served(account: str, vendor: str, signed: date, term: int, product: str = "dia") -> Steps:
    """The contract of an account and its service."""
    of = {"contract": account, "service": product}
    return (
        SignContract(contract=account, customer="alder-foods", vendor=vendor, term_months=term, effective_on=signed),
        OrderService(**of, product=product, mrc_minor=MRC, effective_on=signed),
        AssignService(**of, account=account, effective_on=signed),
        ActivateService(**of, effective_on=signed),
    )


def opened(account: str, vendor: str, on: date, agents: tuple[str, ...] = ("harbor",)) -> Steps:
    """An account with its agents of record from a day on."""
    aliases = (Alias(vendor=vendor, number=account),)
    named = tuple(Weighted(agent=name) for name in agents)
    return (
        OpenAccount(account=account, customer="alder-foods", vendor=vendor, aliases=aliases),
        said(
            DesignateAgentOfRecord(account=account, agents=named, effective_on=on),
            letter=spec.letter(signed_on=on),
        ),
    )


def renewed(account: str, on: date, term: int) -> Steps:
    return said(RenewContract(contract=account, term_months=term, effective_on=on))


def paid_for(vendor: str, *in_months: str, accounts: Iterable[str]) -> Iterator[Steps]:
    """The vendor pays 200.00 for every account and month, on the 20th."""
    for month in in_months:
        yield stated(vendor, month, *(line(account, RECEIVED) for account in accounts))


def line(account: str, commission_minor: int, month: str | None = None) -> dict[str, Any]:
    return {"account": account, "commission_minor": Decimal(commission_minor), "service_month": month}


def stated(vendor: str, month: str, *lines: dict[str, Any]) -> Step:
    received = ReceiveStatement(
        vendor=vendor,
        number=month,
        statement_month=month,
        control_total_minor=int(sum(line["commission_minor"] for line in lines)),
        lines=tuple(StatementLine(line=number, **fields) for number, fields in enumerate(lines, start=1)),
    )
    return said(received, on=months.first_day(months.number(month)).replace(day=20))


def pay_run(on: date) -> Steps:
    name = f"{on:%Y-%m}"
    return (
        said(ProposePayRun(pay_run=name), on=on),
        said(ApprovePayRun(pay_run=name), by=BOB),
        ReleasePayRun(pay_run=name),
    )


# -- asking


@pytest.fixture(params=["in memory", "on PostgreSQL"])
def where(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def tell(where: str, database_url: str) -> Iterator[Any]:
    """Gives a book in which the steps have happened, none refused."""
    if where == "in memory":
        yield lambda *steps: _none_refused(InMemory(_issued(steps)))
        return
    with fresh_house(database_url) as database, ExitStack() as opened:

        def told(*steps: Steps) -> Book:
            return opened.enter_context(on_postgres(database, _issued(steps)))

        yield told


def _issued(steps: Iterable[Steps]) -> list[Issued]:
    flat = spec._flat(steps)
    return [Issued(f"command-{n}", actor(s.by), s.command, evidence=s.letter, on=s.on) for n, s in enumerate(flat)]


def _none_refused(book: InMemory) -> InMemory:
    assert book.refusals() == []
    return book


def earned(book: Book, payee: str = "agent:harbor") -> Earned:
    """What an agent has of every account and service month, corrections included."""
    found: Earned = {}
    for posted in book.posted():
        if posted.payee == payee:
            of_account = found.setdefault(posted.account, {})
            of_account[posted.service_month] = of_account.get(posted.service_month, 0) + posted.amount_minor
    return found


def why(book: Book, account: str, month: str, payee: str = "agent:harbor") -> str:
    """Why the last that was posted to an agent for an account and month was posted."""
    return _of(book, account, month, payee)[-1].reason


def _of(book: Book, account: str, month: str, payee: str) -> list[Posted]:
    return [p for p in book.posted() if (p.account, p.service_month, p.payee) == (account, month, payee)]


def nothing(book: Book, account: str, month: str) -> list[str]:
    """Why Harbor has nothing for an account and month."""
    zeros = book.zeros(["agent:harbor"], date(2100, 1, 1))
    return [zero.reason for zero in zeros if (zero.account, zero.service_month) == (account, month)]


# -- the five changes


def test_qwest_2009_renewals_are_paid_two_points_less_until_the_cut_is_lifted_going_forward(tell: Any) -> None:
    """Channel Partners, 24 May 2010: the 2009 contract paid 12 instead of 14 percent on renewals; from 1 June 2010 the
    reduction was lifted, for accounts renewed from 1 January 2009 to 1 June 2010 too, but not retroactively.
    """
    cut = {"kind": "from-renewal", "from": "2009-01-01"}
    lifted = {
        "kind": "cohort",
        "contracts": "renewed",
        "cohort_from": "2009-01-01",
        "cohort_until": "2010-06-02",
        "from": "2010-06-01",
    }
    since = {"kind": "from-renewal", "from": "2010-06-02"}
    accounts = ("never-renewed", "renewed-2008", "renewed-2009", "renewed-2010", "renewed-later")
    book = tell(
        house("qwest", version(1, of_mrc("14%")), today=date(2008, 12, 1)),
        version(2, of_mrc("12%"), on=date(2008, 12, 15), applies_to=cut, because="the 2009 contract cuts renewals"),
        [sold(account, "qwest", date(2008, 1, 10), 12) for account in accounts],
        renewed("renewed-2008", date(2008, 12, 31), 36),
        paid_for("qwest", "2008-12", accounts=accounts),
        renewed("renewed-2009", date(2009, 3, 15), 36),
        paid_for("qwest", "2009-02", "2009-03", accounts=accounts),
        renewed("renewed-2010", date(2010, 6, 1), 36),
        paid_for("qwest", "2010-05", accounts=accounts),
        version(3, of_mrc("14%"), on=date(2010, 5, 24), applies_to=lifted, because="the cut is lifted"),
        version(4, of_mrc("14%"), on=date(2010, 5, 24), applies_to=since, because="renewals pay as new sales again"),
        paid_for("qwest", "2010-06", accounts=accounts),
        renewed("renewed-later", date(2010, 6, 2), 12),
    )

    full, cut_to = 140_00, 120_00
    assert earned(book) == {
        "never-renewed": dict.fromkeys(("2008-12", "2009-02", "2009-03", "2010-05", "2010-06"), full),
        "renewed-2008": dict.fromkeys(("2008-12", "2009-02", "2009-03", "2010-05", "2010-06"), full),
        "renewed-2009": {"2008-12": full, "2009-02": full, "2009-03": cut_to, "2010-05": cut_to, "2010-06": full},
        "renewed-2010": {"2008-12": full, "2009-02": full, "2009-03": full, "2010-05": full, "2010-06": full},
        "renewed-later": {"2008-12": full, "2009-02": full, "2009-03": full, "2010-05": full, "2010-06": full},
    }
    assert "plan standard version 2" in why(book, "renewed-2009", "2010-05")
    assert "which applies to contracts as they renew from 2009-01-01: this one renewed on 2009-03-15" in why(
        book, "renewed-2009", "2010-05"
    )
    assert "plan standard version 3" in why(book, "renewed-2009", "2010-06")
    assert (
        "which applies to contracts renewed from 2009-01-01 to before 2010-06-02, service months from 2010-06: "
        "this one renewed on 2009-03-15"
    ) in why(book, "renewed-2009", "2010-06")


def test_verizon_2007_evergreen_persists_on_a_contract_until_it_renews_and_then_ends_with_its_term(tell: Any) -> None:
    """CRN, 2007: residuals can end altogether when a legacy contract is renewed under the 2007 program."""
    renewals = {"kind": "from-renewal", "from": "2007-01-01"}
    in_months = ("2007-03", "2007-04", "2007-07", "2008-04", "2008-05")
    book = tell(
        house("verizon", version(1, of_commission("80%")), today=date(2006, 12, 1)),
        version(
            2,
            of_commission("80%"),
            applies_to=renewals,
            ends_with=["contract-term"],
            because="the 2007 program pays no evergreen",
        ),
        sold("legacy", "verizon", date(2005, 6, 1), 24),
        sold("renewing", "verizon", date(2005, 6, 1), 24),
        renewed("renewing", date(2007, 4, 16), 12),
        paid_for("verizon", *in_months, accounts=("legacy", "renewing")),
    )

    share = 160_00
    assert earned(book) == {
        "legacy": dict.fromkeys(in_months, share),  # its term ended on 31 May 2007, and it is evergreen
        "renewing": dict.fromkeys(("2007-03", "2007-04", "2007-07", "2008-04"), share),
    }
    assert "version 1" in why(book, "legacy", "2008-05")
    (reason,) = nothing(book, "renewing", "2008-05")
    assert reason.startswith("the contract's term ended on 2008-04-15 (position ")
    assert "; plan standard version 2 (position " in reason
    assert (
        "which applies to contracts as they renew from 2007-01-01: this one renewed on 2007-04-16 (position " in reason
    )
    assert reason.endswith("), pays no evergreen")


def test_lumen_from_december_1_what_is_withheld_of_new_sales_is_reduced_and_of_older_ones_it_is_not(tell: Any) -> None:
    """CRN, 2020: of sales made together with Lumen's own people 30 percent are withheld; 15 on new sales from 1
    December.
    """
    new_sales = {"kind": "cohort", "contracts": "signed", "cohort_from": "2020-12-01", "from": "2020-12-01"}
    accounts = ("november", "december", "renewed")
    book = tell(
        house("lumen", version(1, of_commission("70%")), today=date(2020, 11, 2)),
        version(2, of_commission("85%"), applies_to=new_sales, because="15 instead of 30 percent are withheld"),
        sold("november", "lumen", date(2020, 11, 30), 36),
        sold("december", "lumen", date(2020, 12, 1), 12),
        sold("renewed", "lumen", date(2018, 1, 2), 36),
        renewed("renewed", date(2020, 12, 2), 36),
        paid_for("lumen", "2020-12", "2021-01", accounts=accounts),
        renewed("december", date(2021, 12, 1), 12),
        paid_for("lumen", "2021-12", accounts=accounts),
    )

    in_months = ("2020-12", "2021-01", "2021-12")
    assert earned(book) == {
        "november": dict.fromkeys(in_months, 140_00),
        "december": dict.fromkeys(in_months, 170_00),  # a new sale also after it is renewed
        "renewed": dict.fromkeys(in_months, 140_00),
    }
    assert (
        "which applies to contracts signed from 2020-12-01, service months from 2020-12: this one signed on 2020-12-01"
    ) in why(book, "december", "2021-12")


def test_centurylink_2020_a_category_is_commissioned_no_more_as_each_contract_expires(tell: Any) -> None:
    """CRN, 2020: commission on rural healthcare ends once current contracts expire; the order is of 1 July 2020."""
    rules = (of_commission("80%"), of_commission("0%", name="no-rural-healthcare", category="rural-healthcare"))
    rural = "telehealth"
    accounts = ("expires", "monthly", "renews-early", "signed-later", "internet")
    in_months = ("2020-06", "2020-07", "2020-08", "2020-09", "2020-10")
    book = tell(
        house("centurylink", version(1, of_commission("80%")), today=date(2020, 5, 1)),
        version(
            2,
            *rules,
            applies_to={"kind": "as-contracts-expire", "from": "2020-07-01"},
            because="FCC order 19-78",
        ),
        sold("expires", "centurylink", date(2018, 9, 15), 24, rural),
        sold("monthly", "centurylink", date(2019, 3, 1), 0, rural),
        sold("renews-early", "centurylink", date(2019, 3, 1), 36, rural),
        renewed("renews-early", date(2020, 8, 3), 36),
        sold("signed-later", "centurylink", date(2020, 7, 10), 36, rural),
        sold("internet", "centurylink", date(2018, 9, 15), 24),
        [stated("centurylink", month, *(line(a, RECEIVED) for a in accounts)) for month in in_months],
    )

    share = 160_00
    assert earned(book) == {
        "expires": dict.fromkeys(("2020-06", "2020-07", "2020-08", "2020-09"), share),
        "monthly": {"2020-06": share},
        "renews-early": dict.fromkeys(("2020-06", "2020-07"), share),
        "internet": dict.fromkeys(in_months, share),
    }
    (reason,) = nothing(book, "expires", "2020-10")
    assert reason.startswith(
        "0% of commission received: rule no-rural-healthcare of plan standard version 2 (position "
    )
    assert "the term of this one ended on 2020-09-14" in reason
    assert "service months from 2020-07: the term of this one ended on 2020-09-14" in why(book, "internet", "2020-10")
    assert "plan standard version 1" in why(book, "internet", "2020-09")


def test_a_missed_yearly_target_takes_the_rate_back_from_10_to_8_percent_and_trues_up_the_months_paid(
    tell: Any,
) -> None:
    """Twelve months at 10 percent of 200.00 are 240.00, at 8 percent 192.00: 48.00 too much were paid for 2025."""
    missed = {"kind": "retroactive", "from": "2025-01-01", "until": "2026-01-01"}
    in_2025 = tuple(f"2025-{month:02}" for month in range(1, 13))
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=date(2025, 1, 2)),
        sold("alder", "lumen", date(2025, 1, 2), 36),
        paid_for("lumen", *in_2025, accounts=["alder"]),
        pay_run(date(2025, 12, 31)),
        version(2, of_commission("8%"), on=date(2026, 1, 15), applies_to=missed, because="the target of 2025"),
        paid_for("lumen", "2026-01", "2026-02", "2026-03", accounts=["alder"]),
        pay_run(date(2026, 3, 31)),
    )

    assert earned(book) == {
        "alder": {**dict.fromkeys(in_2025, 16_00), **dict.fromkeys(("2026-01", "2026-02", "2026-03"), 20_00)}
    }
    trued_up = [p for p in book.posted() if p.recorded_on == "2026-01-15" and p.payee == "agent:harbor"]
    assert [(p.service_month, p.amount_minor) for p in trued_up] == [(month, -4_00) for month in in_2025]
    assert [(p.recorded_on, p.amount_minor) for p in book.paid()] == [
        ("2025-12-31", 240_00),  # what was paid stays paid
        ("2026-03-31", 60_00 - 48_00),
    ]
    assert "which applies to service months from 2025-01 to before 2026-01, retroactively" in why(
        book, "alder", "2025-06"
    )
    assert "less 20.00 posted before (10% of commission received" in why(book, "alder", "2025-06")
    assert "plan standard version 1" in why(book, "alder", "2026-01")


# -- what else must come out right


def test_two_agents_on_one_account_are_each_paid_by_their_own_version(tell: Any) -> None:
    """Of 200.00 each has half as agent of record; Harbor's plan pays 10 percent, Delta's 20, and 15 once renewed."""
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=date(2025, 1, 2)),
        version(1, of_commission("20%"), plan="gold"),
        version(2, of_commission("15%"), plan="gold", applies_to={"kind": "from-renewal", "from": "2025-01-01"}),
        SignAgreement(agent="delta", plan="gold"),
        sold("alder", "lumen", date(2025, 1, 2), 12, agents=("harbor", "delta")),
        renewed("alder", date(2025, 3, 1), 12),
        paid_for("lumen", "2025-02", "2025-03", accounts=["alder"]),
    )

    assert earned(book) == {"alder": {"2025-02": 10_00, "2025-03": 10_00}}
    assert earned(book, "agent:delta") == {"alder": {"2025-02": 20_00, "2025-03": 15_00}}
    assert "plan standard version 1" in why(book, "alder", "2025-03")
    assert "plan gold version 2" in why(book, "alder", "2025-03", "agent:delta")


def test_a_contract_renewed_in_mid_year_comes_under_the_version_in_that_month_also_when_it_is_learned_late(
    tell: Any,
) -> None:
    in_months = ("2025-06", "2025-07", "2025-08")
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=date(2025, 1, 2)),
        version(2, of_commission("8%"), applies_to={"kind": "from-renewal", "from": "2025-02-01"}),
        sold("alder", "lumen", date(2025, 1, 2), 12),
        paid_for("lumen", *in_months, accounts=["alder"]),
        said(RenewContract(contract="alder", term_months=12, effective_on=date(2025, 7, 31)), on=date(2025, 9, 1)),
    )

    assert earned(book) == {"alder": {"2025-06": 20_00, "2025-07": 16_00, "2025-08": 16_00}}
    late = [p for p in book.posted() if p.recorded_on == "2025-09-01" and p.payee == "agent:harbor"]
    assert [(p.service_month, p.amount_minor) for p in late] == [("2025-07", -4_00), ("2025-08", -4_00)]


def test_a_version_that_was_published_with_a_slip_is_published_again_with_the_next_number(tell: Any) -> None:
    """80 percent was meant, 8 was written: version 3 from the same month makes it good, and each why names its own."""
    from_february = {"kind": "service-months-from", "from": "2025-02-01"}
    book = tell(
        house("lumen", version(1, of_commission("70%")), today=date(2025, 1, 2)),
        version(2, of_commission("8%"), applies_to=from_february),
        sold("alder", "lumen", date(2025, 1, 2), 12),
        paid_for("lumen", "2025-01", "2025-02", accounts=["alder"]),
        version(3, of_commission("80%"), applies_to=from_february, because="80, not 8 percent"),
    )

    assert earned(book) == {"alder": {"2025-01": 140_00, "2025-02": 160_00}}
    slip, made_good = _of(book, "alder", "2025-02", "agent:harbor")
    assert (slip.amount_minor, made_good.amount_minor) == (16_00, 144_00)
    assert "plan standard version 2" in slip.reason
    assert "which applies to service months from 2025-02" in slip.reason
    assert "plan standard version 3" in made_good.reason
    assert "plan standard version 1" in why(book, "alder", "2025-01")
    assert "which applies to every service month" in why(book, "alder", "2025-01")


@pytest.mark.parametrize(("reversals", "taken"), [("schedule-that-paid", -20_00), ("schedule-of-today", -16_00)])
def test_a_reversal_takes_back_by_the_schedule_that_paid_or_by_that_of_the_month_in_which_it_was_reported(
    tell: Any, reversals: str, taken: int
) -> None:
    """The vendor takes back 200.00 of January in April; January paid 10 percent, from March on it is 8."""
    later = {"kind": "service-months-from", "from": "2025-03-01"}
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=date(2025, 1, 2)),
        version(2, of_commission("8%"), applies_to=later, reversals=reversals),
        sold("alder", "lumen", date(2025, 1, 2), 12),
        paid_for("lumen", "2025-01", accounts=["alder"]),
        stated("lumen", "2025-02", line("alder", -50_00, "2025-01")),
        stated("lumen", "2025-04", line("alder", -RECEIVED, "2025-01"), line("alder", RECEIVED)),
    )

    # what was reported in February, before the second version, is taken back as it was paid
    assert [p.amount_minor for p in _of(book, "alder", "2025-01", "agent:harbor")] == [20_00, -5_00, taken]
    assert earned(book)["alder"]["2025-04"] == 16_00
    assert ("reversals use the schedule of 2025-04" in why(book, "alder", "2025-01")) is (taken == -16_00)


def test_a_reversal_is_taken_back_from_who_was_agent_then_whatever_schedule_it_uses(tell: Any) -> None:
    later = {"kind": "service-months-from", "from": "2025-03-01"}
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=date(2025, 1, 2)),
        version(2, of_commission("8%"), applies_to=later, reversals="schedule-of-today"),
        sold("alder", "lumen", date(2025, 1, 2), 12),
        paid_for("lumen", "2025-01", accounts=["alder"]),
        TerminateAgent(agent="harbor", effective_on=date(2025, 4, 1), evergreen=False),
        stated("lumen", "2025-04", line("alder", -RECEIVED, "2025-01")),
    )

    assert earned(book) == {"alder": {"2025-01": 20_00 - 16_00}}


@pytest.mark.parametrize(
    ("ends_with", "april"),
    [([], 20_00), (["agent-agreement"], 0), (["vendor-agreement"], 20_00), (["contract-term"], 20_00)],
)
def test_commission_ends_with_the_agents_agreement_though_the_termination_grants_evergreen_where_the_version_says_so(
    tell: Any, ends_with: list[str], april: int
) -> None:
    book = tell(
        house("lumen", version(1, of_commission("10%"), ends_with=ends_with), today=date(2025, 1, 2)),
        sold("alder", "lumen", date(2025, 1, 2), 12),
        TerminateAgent(agent="harbor", effective_on=date(2025, 4, 1), evergreen=True),
        paid_for("lumen", "2025-03", "2025-04", accounts=["alder"]),
    )

    assert earned(book)["alder"].get("2025-03") == 20_00
    assert earned(book)["alder"].get("2025-04", 0) == april
    if not april:
        (reason,) = nothing(book, "alder", "2025-04")
        assert reason.startswith("harbor is terminated since 2025-04-01 (position ")
        assert reason.endswith("), which applies to every service month, pays no evergreen")


@pytest.mark.parametrize(
    ("ends_with", "april"), [([], 20_00), (["vendor-agreement", "agent-agreement"], 0), (["contract-term"], 20_00)]
)
def test_commission_ends_with_the_vendors_agreement_though_its_end_grants_evergreen_where_the_version_says_so(
    tell: Any, ends_with: list[str], april: int
) -> None:
    book = tell(
        house("lumen", version(1, of_commission("10%"), ends_with=ends_with), today=date(2025, 1, 2)),
        sold("alder", "lumen", date(2025, 1, 2), 12),
        EndVendorAgreement(vendor="lumen", evergreen=True, effective_on=date(2025, 4, 1)),
        paid_for("lumen", "2025-03", "2025-04", accounts=["alder"]),
    )

    assert earned(book)["alder"].get("2025-03") == 20_00
    assert earned(book)["alder"].get("2025-04", 0) == april
    if not april:
        (reason,) = nothing(book, "alder", "2025-04")
        assert reason.startswith("the agreement of lumen ended on 2025-04-01 (position ")
        assert reason.endswith("), which applies to every service month, pays no evergreen")


def test_a_line_that_is_of_no_one_contract_is_reached_by_no_version_that_asks_for_one(tell: Any) -> None:
    """Nobody knows when it was signed, renewed or expires: it stays where it was."""
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=date(2025, 1, 2)),
        version(2, of_commission("1%"), applies_to={"kind": "from-renewal", "from": "2025-01-01"}),
        version(3, of_commission("2%"), applies_to={"kind": "as-contracts-expire", "from": "2025-01-01"}),
        version(
            4, of_commission("3%"), applies_to={"kind": "cohort", "cohort_from": "2025-01-01", "from": "2025-01-01"}
        ),
        sold("alder", "lumen", date(2025, 1, 2), 0),
        opened("bare", "lumen", date(2025, 1, 2)),
        paid_for("lumen", "2025-02", accounts=["alder", "bare"]),
    )

    assert earned(book) == {"alder": {"2025-02": 6_00}, "bare": {"2025-02": 20_00}}


def test_a_line_for_a_month_before_the_contract_counts_as_signed_with_it(tell: Any) -> None:
    """The version is published after the line came, and reaches it all the same."""
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=date(2025, 1, 2)),
        opened("alder", "lumen", date(2025, 1, 2)),
        served("alder", "lumen", date(2025, 3, 1), 12),
        paid_for("lumen", "2025-02", accounts=["alder"]),
        version(2, of_commission("8%"), applies_to={"kind": "signed-or-renewed-from", "from": "2025-03-01"}),
    )

    assert earned(book) == {"alder": {"2025-02": 16_00}}


def test_a_reversal_goes_by_the_schedule_that_paid_where_todays_pays_no_lines(tell: Any) -> None:
    """From March on a month in service is paid by its MRC: nothing of that could be taken back for a line."""
    later = {"kind": "service-months-from", "from": "2025-03-01"}
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=date(2025, 1, 2)),
        version(2, of_mrc("1%"), applies_to=later, reversals="schedule-of-today"),
        sold("alder", "lumen", date(2025, 1, 2), 12),
        paid_for("lumen", "2025-01", accounts=["alder"]),
        stated("lumen", "2025-04", line("alder", -RECEIVED, "2025-01")),
    )

    assert earned(book) == {"alder": {"2025-01": 0, "2025-04": 10_00}}


def test_a_retroactive_version_does_not_reach_past_one_with_a_later_date(tell: Any) -> None:
    book = tell(
        house("lumen", version(1, of_commission("10%")), today=date(2025, 1, 2)),
        version(2, of_commission("9%"), applies_to={"kind": "service-months-from", "from": "2025-03-01"}),
        sold("alder", "lumen", date(2025, 1, 2), 12),
        paid_for("lumen", "2025-01", "2025-02", "2025-03", accounts=["alder"]),
        version(3, of_commission("8%"), applies_to={"kind": "retroactive", "from": "2025-02-15"}),
    )

    assert earned(book) == {"alder": {"2025-01": 20_00, "2025-02": 16_00, "2025-03": 18_00}}
