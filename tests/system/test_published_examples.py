"""The published worked examples and clauses (``tests/golden/examples/published.json``), each tried or said not to be.

Figures come from the file, in units of money; the book counts minor units. What an example calls a sale is a service's
MRC here, or a commission received, whichever its rule is a part of. ``but`` says which part of an example cannot be
expressed yet; ``NOT_YET`` lists the examples of which nothing can.
"""

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from domain.agent import Holdback, SignAgreement, TerminateAgent
from domain.agent_of_record import (
    AgentOfRecordChangeAccepted,
    AgentOfRecordChangeRejected,
    ChangeAgentOfRecord,
    DesignateAgentOfRecord,
    Weighted,
)
from domain.calendar import OpenDay
from domain.contract import ActivateService, AssignService, DisconnectService, OrderService, SignContract
from domain.customer import OnboardCustomer
from domain.letter import ReceiveAgentOfRecordLetter
from domain.message import Issued
from domain.payout import ApprovePayRun, PayRunProposed, ProposePayRun, ReleasePayRun
from domain.plan import (
    Flat,
    MultipleOfMrcOnce,
    Override,
    OverridePercentOfCommission,
    OverridePercentOfMrc,
    PercentOfCommission,
    PercentOfDownlineShare,
    PercentOfMrc,
    ProposePlanVersion,
    PublishPlanVersion,
    Rule,
    Selector,
    SignedOrRenewedFrom,
)
from domain.vendor import ContractVendor, ListProducts, Product, VendorTerms
from domain.vendor_statement import ReceiveStatement, StatementLine
from tests import spec
from tests.domain import test_money
from tests.golden.examples import published, published_ids
from tests.spec import BOB, DAY, Step, Steps, actor, agent, letter, plan, said
from tests.system.books import InMemory

NOT_YET = {
    "B04": "a rate cannot differ between new business and renewal while a change of the agent of record is pending",
    "C02": "nothing is paid in advance of what a vendor reports, nor recovered from later months",
    "D01": "there are no draws, so no deficit is carried from one month to the next",
    "K01": "a rule cannot look across items, so it cannot cap their sum",
    "K03": "a rule pays a part or a flat amount, never the larger of two, and knows no contract year to cap",
    "L01": "the 180 days are kept as the vendor's term, but no dispute is recorded that they would close",
    "L02": "registrations do not expire, and nothing ends a claim because the customer paid late",
    "L13": "a SPIFF cannot ask for a term, a new customer, or a first bill within 90 days of the order",
    "L14": "a residual cannot ask for the size or term of a deal, and two residuals never add up on one item",
    "O05": "a pay run takes what is known when it is proposed; there are no settlement periods",
    "O06": "a share follows the vendor statement; it does not wait for the receipt that pays it",
    "P01": "a month in service counts whole; nothing is prorated by days",
    "R03": "nothing is a part of the total contract value, and nothing is paid in yearly instalments",
    "R07": "a residual has no last month counted from the first sale",
    "S04": "a SPIFF is paid whole at activation, not in two halves, and cannot ask for the size of the deal",
    "T01": "a rate cannot depend on the size of the item: there are no tiers",
    "T04": "a rate cannot depend on what was sold before in the year: there are no tiers",
    "T07": "a rate cannot depend on volume: there are no tiers, neither retroactive nor incremental",
    "T12": "units of usage are not counted, and there are no tiers of price",
    "T14": "there are no tiers, so no fee once for each tier that is reached",
    "T21": "there are no quotas that open a rate",
    "T24": "there are no tiers, and a rule has no least amount",
    "T32": "units activated in a month do not decide what part of a residual is paid",
    "X01": "nothing adds up attainment over months and rules",
}
"""Why nothing of an example can be expressed by today's rules."""

TRIED: dict[str, str] = {}
"""What is tried here, with the part of it that cannot be expressed yet."""

IN_MONEY: dict[str, Callable[..., None]] = {
    "A16": test_money.test_published_a16_minor_units_are_not_always_a_power_of_ten,
}
"""What has no plan and no ledger, and is tried with money alone."""


def example(name: str, but: str = "") -> pytest.MarkDecorator:
    """Gives a test the example of the file."""
    TRIED[name] = but
    return pytest.mark.parametrize("example", [pytest.param(published(name), id=name)])


def test_every_published_example_is_tried_or_said_not_to_be() -> None:
    tried, not_yet = {*TRIED, *IN_MONEY}, set(NOT_YET)

    assert tried | not_yet == set(published_ids())
    assert not tried & not_yet


@pytest.mark.parametrize("name", sorted(NOT_YET))
def test_what_cannot_be_expressed_yet_has_one_sentence_of_its_own(name: str) -> None:
    sentence = NOT_YET[name]

    assert len(sentence) > 30
    assert list(NOT_YET.values()).count(sentence) == 1


# -- a book to try them in

LUMEN = (
    ContractVendor(vendor="lumen", statement_lag_months=1),
    ListProducts(
        vendor="lumen",
        products=(Product(product="ucaas", category="voice"), Product(product="sip", category="voice")),
    ),
    OnboardCustomer(customer="alder-foods"),
    SignContract(contract="C-1", customer="alder-foods", vendor="lumen", term_months=36),
)
JANUARY = "2026-01"


def minor(units: str | Decimal) -> int:
    """An amount of an example in minor units."""
    return int(Decimal(units) * 100)


def tried(*steps: Steps) -> InMemory:
    """A book in which the steps have happened, from the first open day on; refusals are noted in it."""
    flat: Iterable[Step] = spec._flat((OpenDay(date=DAY), steps))
    return InMemory(
        [Issued(f"command-{n}", actor(s.by), s.command, evidence=s.letter, on=s.on) for n, s in enumerate(flat)]
    )


def account(seller: str, name: str = "ACC-1") -> Steps:
    return spec.account(name, number=name), spec.designated(seller, account=name)


def service(name: str, mrc_minor: int, account: str = "ACC-1", product: str | None = None) -> Steps:
    """A service that is active from the first open day on."""
    return (
        OrderService(contract="C-1", service=name, product=product, mrc_minor=mrc_minor),
        AssignService(contract="C-1", service=name, account=account),
        ActivateService(contract="C-1", service=name),
    )


def statement(
    month: str, *commissions_minor: int, account: str = "ACC-1", on: date | None = None, service: str | None = None
) -> Steps:
    """A vendor statement; it reports on the month before."""
    lines = tuple(
        StatementLine(line=n, account=account, commission_minor=Decimal(amount), service=service)
        for n, amount in enumerate(commissions_minor, start=1)
    )
    number = f"{month}-{account}"
    received = ReceiveStatement(
        vendor="lumen",
        number=number,
        statement_month=month,
        control_total_minor=sum(commissions_minor),
        lines=lines,
    )
    return said(received, on=on)


def pay_run(name: str, on: date) -> Steps:
    return (
        said(ProposePayRun(pay_run=name), on=on),
        said(ApprovePayRun(pay_run=name), by=BOB),
        ReleasePayRun(pay_run=name),
    )


def rules(**pays: Any) -> tuple[Rule, ...]:
    return tuple(Rule(rule=name, pay=pay) for name, pay in pays.items())


def of_commission(rate: str | Decimal) -> PercentOfCommission:
    return PercentOfCommission(kind="percent-of-commission", rate=rate)


def of_mrc(rate: str | Decimal) -> PercentOfMrc:
    return PercentOfMrc(kind="percent-of-mrc", rate=rate)


def earned(book: InMemory) -> dict[str, int]:
    """What every payee has earned, all shares together."""
    assert book.refusals() == []
    sums: dict[str, int] = {}
    for posted in book.posted():
        sums[posted.payee] = sums.get(posted.payee, 0) + posted.amount_minor
    return sums


def shares_of(book: InMemory, payee: str) -> list[int]:
    return [posted.amount_minor for posted in book.posted() if posted.payee == payee]


# -- dividing and rounding


def split(amount_minor: int, weights: list[int]) -> list[int]:
    """What agents of record who divide an account by weight are paid of one flat amount."""
    names = [f"agent-{n}" for n in range(len(weights))]
    named = tuple(Weighted(agent=name, weight=weight) for name, weight in zip(names, weights, strict=True))
    book = tried(
        LUMEN,
        plan(rules=rules(unit=Flat(kind="flat", amount_minor=amount_minor, every="once"))),
        [agent(name) for name in names],
        spec.account(number="ACC-1"),
        said(DesignateAgentOfRecord(account="ACC-1", agents=named, effective_on=date(2026, 1, 1)), letter=letter()),
        service("S-1", 100),
    )
    shares = earned(book)
    assert shares.get("house", 0) == -amount_minor
    return [shares.get(f"agent:{name}", 0) for name in names]


@example("A07", but="weights are whole and above zero, flat amounts not negative: such inputs are tried on money alone")
def test_a_flat_amount_is_divided_by_weight_by_the_largest_remainder(example: dict[str, Any]) -> None:
    """Differs from the published rule for a negative amount: that floors, so -5 by 7:3 is -3 and -2; ours mirrors."""
    test_money.test_published_a07_largest_remainder_but_a_negative_amount_mirrors()
    for given, expected in zip(example["inputs"], example["expected"], strict=True):
        amount, weights = given["amount_minor"], given["ratios"]
        if amount < 0 or not all(isinstance(weight, int) and weight > 0 for weight in weights):
            continue
        assert split(amount, weights) == expected


@example("A12")
def test_where_published_penny_rules_disagree_each_payee_is_rounded_and_the_house_takes_the_rest(
    example: dict[str, Any],
) -> None:
    """Our rule for a plan is none of the four published: of 10 by 1:1:2 they make 3, 2, 5 or 2, 2, 6; ours 3, 3, 4.

    The weights stand for the seller's and the upline's part; the last one is what is left for the house.
    """
    test_money.test_published_a12_where_the_four_published_rules_differ()
    ours = [[12, 1, 2], [30, 71], [3, 3, 4], [-4, -1]]
    for given, expected in zip(example["inputs"], ours, strict=True):
        seller, *upline, _ = [Decimal(weight) / sum(given["weights"]) for weight in given["weights"]]
        overrides = tuple(Override(rule="team", level=1, pay=override_of_commission(rate)) for rate in upline)
        book = tried(
            LUMEN,
            plan(rules=rules(residual=of_commission(seller)), overrides=overrides),
            agent("keystone"),
            agent("harbor", upline="keystone"),
            account("harbor"),
            statement("2026-02", given["amount_minor"]),
        )
        assert list(earned(book).values()) == expected
    assert [3, 3, 4] not in example["expected"][2].values()


def override_of_commission(rate: str | Decimal) -> OverridePercentOfCommission:
    return OverridePercentOfCommission(kind="percent-of-commission", rate=rate)


@example("A13")
def test_foemmels_five_cents_are_divided_without_losing_or_making_one(example: dict[str, Any]) -> None:
    test_money.test_published_a13_foemmels_conundrum()
    given = example["inputs"]

    assert split(given["amount_minor"], given["ratios"]) == example["expected"]["allocate"]


# -- clawbacks


def spiff(multiple: str | Decimal, days: int = 180, rate: str = "1") -> MultipleOfMrcOnce:
    return MultipleOfMrcOnce(
        kind="multiple-of-mrc-once", multiple=multiple, clawback_within_days=days, clawback_rate=rate
    )


def disconnected(name: str, on: date) -> Step:
    return said(DisconnectService(contract="C-1", service=name, effective_on=on), on=on)


@example("C07")
def test_a_clawback_in_part_is_posted_when_it_happens_on_the_item_that_earned_it(example: dict[str, Any]) -> None:
    given = example["inputs"]
    off = date(2026, 3, 2)
    book = tried(
        LUMEN,
        plan(rules=rules(spiff=spiff("1", rate=given["clawback_rate"]))),
        agent("harbor"),
        account("harbor"),
        service("S-1", minor(given["earned"])),
        disconnected("S-1", off),
    )

    first, then = [posted for posted in book.posted() if posted.payee == "agent:harbor"]

    assert (first.recorded_on, first.amount_minor) == (DAY.isoformat(), minor(given["earned"]))
    assert (then.recorded_on, then.amount_minor) == (off.isoformat(), minor(example["expected"]["adjustment"]))
    assert (then.account, then.service_month, then.item) == (first.account, first.service_month, first.item)
    assert "50% clawed back: disconnected on 2026-03-02, 56 days after activation" in then.reason


@example("C09")
def test_a_clawback_makes_the_balance_negative_and_nothing_that_was_paid_is_pulled_back(
    example: dict[str, Any],
) -> None:
    given = example["inputs"]
    residual, spiffed = minor(given["earned"]), minor(given["clawback"])
    book = tried(
        LUMEN,
        plan(rules=rules(residual=of_commission("1"), spiff=spiff("1"))),
        agent("harbor"),
        account("harbor"),
        service("S-1", spiffed),
        pay_run("january", date(2026, 1, 31)),
        statement("2026-02", residual, on=date(2026, 2, 20)),
        disconnected("S-1", date(2026, 3, 2)),
        pay_run("march", date(2026, 3, 31)),
        statement("2026-04", spiffed, on=date(2026, 4, 20)),
        pay_run("april", date(2026, 4, 30)),
    )

    assert book.payable(date(2026, 3, 31)) == {"agent:harbor": minor(example["expected"]["balance"])}
    assert [r["refused"] for r in book.refusals()] == ["NothingToPay", "PayRunUnknown", "PayRunUnknown"]
    assert [(p.recorded_on, p.amount_minor) for p in book.paid()] == [("2026-01-31", spiffed), ("2026-04-30", residual)]


@example("C11")
def test_a_refund_adds_a_negative_line_and_never_edits_the_original(example: dict[str, Any]) -> None:
    for given, expected in zip(example["inputs"], example["expected"], strict=True):
        invoices = [minor(given["invoice"]), -minor(given["refund"])]
        invoices += [minor(given["new_invoice"])] if "new_invoice" in given else []
        book = tried(
            LUMEN,
            plan(rules=rules(residual=of_commission(given["rate"]))),
            agent("harbor"),
            account("harbor"),
            [statement(f"2026-0{n}", invoice) for n, invoice in enumerate(invoices, start=2)],
        )

        assert earned(book)["agent:harbor"] == minor(expected["total"])
        assert shares_of(book, "agent:harbor") == [int(i * Decimal(given["rate"])) for i in invoices]
        assert len(shares_of(book, "agent:harbor")) == expected["lines"]


# -- clauses


@example("L08")
def test_the_final_period_is_withheld_for_180_days_and_is_then_paid(example: dict[str, Any]) -> None:
    """The agreement of the last period holds back all of it; the agent's end moves neither the amount nor the day."""
    days = example["expected"]["withhold_final_period_days"]
    last_period = SignAgreement(agent="harbor", plan="standard", holdback=Holdback(rate=Decimal(1), days=days))
    paid_on = date(2026, 3, 31)
    until = paid_on + timedelta(days)
    book = tried(
        LUMEN,
        plan(rules=rules(residual=of_commission("1"))),
        agent("harbor"),
        account("harbor"),
        statement("2026-02", 500, on=date(2026, 2, 20)),
        pay_run("february", date(2026, 2, 28)),
        last_period,
        statement("2026-03", 700, on=date(2026, 3, 20)),
        TerminateAgent(agent="harbor", effective_on=date(2026, 4, 1)),
        pay_run("final", paid_on),
        OpenDay(date=until - timedelta(1)),
        OpenDay(date=until),
        pay_run("released", until + timedelta(1)),
    )

    assert book.refusals() == []
    (held,) = book.result["held"]
    assert (held["amount_minor"], held["held_until"], held["released_on"]) == (
        700,
        until.isoformat(),
        until.isoformat(),
    )
    assert book.payable(until - timedelta(1)) == {"agent:harbor": 0}
    assert book.payable(until) == {"agent:harbor": 700}
    assert [p.amount_minor for p in book.paid()] == [500, 700]


@example("L08")
def test_a_spiff_is_charged_back_within_180_days_and_a_negative_balance_is_carried(example: dict[str, Any]) -> None:
    days = example["expected"]["chargeback_days"]
    within, after = DAY + timedelta(days), DAY + timedelta(days + 1)
    book = tried(
        LUMEN,
        plan(rules=rules(residual=of_commission("1"), spiff=spiff("1", days=days))),
        agent("harbor"),
        agent("summit"),
        account("harbor"),
        account("summit", "ACC-2"),
        service("S-1", 10000),
        service("S-2", 7000),
        pay_run("january", date(2026, 1, 31)),
        disconnected("S-1", within),
        disconnected("S-2", after),
        statement("2026-07", 500, account="ACC-2"),
        pay_run("july", date(2026, 7, 31)),
    )

    assert book.refusals() == []
    assert shares_of(book, "agent:harbor") == [10000, 7000, -10000]
    assert book.payable(date(2026, 7, 31))["agent:harbor"] == -10000
    (proposed,) = [e.event for e in book.simulation.log.events if isinstance(e.event, PayRunProposed)][1:]
    (carried,) = proposed.carried
    assert (carried.agent, carried.balance_minor, carried.carried_because) == ("harbor", -10000, "negative")


@example("L10", but="a balance below the minimum is not paid out once a year all the same")
def test_the_agent_of_record_of_the_months_last_day_is_paid_once_the_sum_exceeds_the_minimum(
    example: dict[str, Any],
) -> None:
    """Our minimum is what is paid, so a sum that must exceed 25.00 is a minimum of 25.01."""
    limit = minor(example["expected"]["no_cheque_until_sum_exceeds"])
    book = tried(
        LUMEN,
        plan(rules=rules(residual=of_commission("1"))),
        agent("harbor", minimum_payout_minor=limit + 1),
        agent("summit"),
        account("harbor"),
        statement("2026-02", limit, on=date(2026, 2, 20)),
        pay_run("february", date(2026, 2, 28)),
        said(
            ChangeAgentOfRecord(account="ACC-1", agents=(Weighted(agent="summit"),), effective_on=date(2026, 4, 1)),
            letter=letter(date(2026, 3, 2)),
        ),
        statement("2026-03", 1, on=date(2026, 3, 20)),
        pay_run("march", date(2026, 3, 31)),
        statement("2026-04", 200, on=date(2026, 4, 20)),
        statement("2026-05", 300, on=date(2026, 5, 20)),
    )

    assert book.refusals()[0]["refused"] == "NothingToPay"
    assert [(p.recorded_on, p.amount_minor) for p in book.paid()] == [("2026-03-31", limit + 1)]
    by_month = {(p.service_month, p.payee): p.amount_minor for p in book.posted() if p.payee != "house"}
    assert by_month["2026-03", "agent:harbor"] == 200
    assert by_month["2026-04", "agent:summit"] == 300
    assert ("2026-04", "agent:harbor") not in by_month


@example("L24")
def test_a_new_rate_is_for_sales_after_its_date_and_leaves_earned_commissions_alone(example: dict[str, Any]) -> None:
    assert example["expected"] == {
        "applies_to": "sales after the effective date of the change",
        "earned_commissions": "untouched",
    }
    lower = ProposePlanVersion(
        plan="standard",
        plan_version=2,
        applies_to=SignedOrRenewedFrom(kind="signed-or-renewed-from", from_=date(2026, 3, 1)),
        rules=rules(residual=of_commission("0.05")),
    )
    book = tried(
        LUMEN,
        plan(rules=rules(residual=of_commission("0.10"))),
        agent("harbor"),
        account("harbor"),
        service("S-1", 100000),
        statement("2026-02", 10000, on=date(2026, 2, 20)),
        said(lower, on=date(2026, 3, 1)),
        said(PublishPlanVersion(plan="standard", plan_version=2), by=BOB),
        said(SignContract(contract="C-2", customer="alder-foods", vendor="lumen"), on=date(2026, 3, 2)),
        account("harbor", "ACC-2"),
        OrderService(contract="C-2", service="S-2", mrc_minor=100000),
        AssignService(contract="C-2", service="S-2", account="ACC-2"),
        ActivateService(contract="C-2", service="S-2"),
        statement("2026-04", 10000, on=date(2026, 4, 20)),
        statement("2026-04", 10000, account="ACC-2"),
    )

    assert book.refusals() == []
    assert [(p.recorded_on, p.account, p.amount_minor) for p in book.posted() if p.payee == "agent:harbor"] == [
        ("2026-02-20", "ACC-1", 1000),
        ("2026-04-20", "ACC-1", 1000),
        ("2026-04-20", "ACC-2", 500),
    ]


# -- which rate, of what


@example("M01", but="what a vendor should have paid is not computed, so the gross that it is expected to report is not")
def test_a_suppliers_holdback_reaches_the_agent_once_through_the_commission_received(example: dict[str, Any]) -> None:
    given, expected = example["inputs"], example["expected"]
    received = Decimal(given["net_billed"]) * Decimal(given["gross_rate"]) * (1 - Decimal(given["holdback"]))
    assert received == Decimal(expected["expected_gross"])
    part = Decimal(given["agent_rate"]) / Decimal(given["gross_rate"])
    book = tried(
        LUMEN,
        plan(rules=rules(residual=of_commission(part))),
        agent("harbor"),
        account("harbor"),
        statement("2026-02", minor(received)),
    )

    assert earned(book)["agent:harbor"] == minor(expected["agent"])


@example("M02")
def test_exactly_one_rate_pays_an_item_and_the_accounts_goes_before_the_agencys(example: dict[str, Any]) -> None:
    rates = example["inputs"]["rates"]
    book = tried(
        LUMEN,
        plan(
            rules=(
                Rule(rule="agency", pay=of_commission(rates["agency_override"])),
                Rule(rule="account", when=Selector(account="ACC-1"), pay=of_commission(rates["account_override"])),
            )
        ),
        agent("harbor"),
        account("harbor"),
        account("harbor", "ACC-2"),
        statement("2026-02", 100000),
        statement("2026-02", 100000, account="ACC-2"),
    )

    assert shares_of(book, "agent:harbor") == [
        int(100000 * Decimal(example["expected"]["applied"])),
        int(100000 * Decimal(rates["agency_override"])),
    ]


@example("O02")
def test_the_most_specific_rule_wins_service_before_product_before_category_before_default(
    example: dict[str, Any],
) -> None:
    """What is a product's variant there is a single service here."""
    price, expected = minor(example["inputs"]["price"]), example["expected"]
    book = tried(
        LUMEN,
        plan(
            rules=(
                Rule(rule="global", pay=Flat(kind="flat", amount_minor=1000)),
                Rule(rule="category", when=Selector(category="voice"), pay=Flat(kind="flat", amount_minor=2000)),
                Rule(rule="product", when=Selector(product="sip"), pay=of_mrc("0.05")),
                Rule(rule="variant", when=Selector(service="S-variant"), pay=of_mrc("0.15")),
            )
        ),
        agent("harbor"),
        account("harbor"),
        service("S-global", price),
        service("S-category", price, product="ucaas"),
        service("S-product", price, product="sip"),
        service("S-variant", price, product="sip"),
        statement("2026-02"),
    )

    assert earned(book)["agent:harbor"] == sum(minor(amount) for amount in expected.values())
    found = {p.item.split()[1]: p.amount_minor for p in book.posted() if p.payee == "agent:harbor"}
    assert found == {f"S-{rule}": minor(amount) for rule, amount in expected.items()}


# -- overrides


@example("M03")
def test_a_team_lead_earns_its_part_of_what_each_member_sells_on_top(example: dict[str, Any]) -> None:
    given, expected = example["inputs"], example["expected"]
    team = Override(rule="team", pay=OverridePercentOfMrc(kind="percent-of-mrc", rate=given["rate"]))
    members = [f"member-{n}" for n in range(len(given["team_sales"]))]
    book = tried(
        LUMEN,
        plan(rules=rules(residual=of_mrc("0.10")), overrides=(team,)),
        agent("lead"),
        [agent(member, upline="lead") for member in members],
        [
            (account(member, member), service(f"S-{member}", minor(sale), account=member))
            for member, sale in zip(members, given["team_sales"], strict=True)
        ],
        statement("2026-02"),
    )

    assert shares_of(book, "agent:lead") == [minor(amount) for amount in expected["per_member"]]
    assert earned(book)["agent:lead"] == minor(expected["total"])


@example("M04")
def test_levels_count_upward_from_the_seller_and_end_at_the_third(example: dict[str, Any]) -> None:
    given, expected = example["inputs"], example["expected"]
    seller_rate, *upline_rates = given["rates"]
    chain = [name.lower() for name in given["chain"]]
    overrides = tuple(
        Override(rule=f"level-{n}", level=n, pay=OverridePercentOfMrc(kind="percent-of-mrc", rate=rate))
        for n, rate in enumerate(upline_rates, start=1)
    )
    for seller in ("Angela", "Jim"):
        book = tried(
            LUMEN,
            plan(rules=rules(residual=of_mrc(seller_rate)), overrides=overrides),
            [
                agent(name, upline=upline)
                for name, upline in zip(reversed(chain), [None, *reversed(chain[1:])], strict=True)
            ],
            account(seller.lower()),
            service("S-1", minor(given["sale"])),
            statement("2026-02"),
        )

        shares = earned(book)
        for name, amount in expected[f"seller_{seller}"].items():
            assert shares.get(f"agent:{name.lower()}", 0) == minor(amount)
        assert sum(shares.values()) == 0


@example("M08")
def test_uplines_earn_a_part_of_the_sellers_commission_not_of_the_sale(example: dict[str, Any]) -> None:
    given, expected = example["inputs"], example["expected"]
    overrides = tuple(
        Override(rule=f"level-{n}", level=n, pay=PercentOfDownlineShare(kind="percent-of-downline-share", rate=rate))
        for n, rate in enumerate(given["upline_rates_of_commission"], start=1)
    )
    book = tried(
        LUMEN,
        plan(rules=rules(residual=of_mrc(given["seller_rate"])), overrides=overrides),
        agent("crown"),
        agent("summit", upline="crown"),
        agent("keystone", upline="summit"),
        agent("harbor", upline="keystone"),
        account("harbor"),
        service("S-1", minor(given["sale"])),
        statement("2026-02"),
    )

    shares = earned(book)
    assert shares["agent:harbor"] == minor(expected["seller"])
    assert [shares[f"agent:{name}"] for name in ("keystone", "summit", "crown")] == [
        minor(amount) for amount in expected["upline"]
    ]


# -- recurring, once, and both


@example("R04", but="the lump sum is earned at activation; nothing holds it for 90 days")
def test_a_rate_of_every_month_or_a_lump_sum_once(example: dict[str, Any]) -> None:
    given, expected = example["inputs"], example["expected"]
    mrc = given["seats"] * minor(given["price"])
    for pay, months, total in (
        (of_mrc(given["rate"]), 3, 3 * minor(expected["monthly"])),
        (spiff(given["lump_rate"], days=0), 3, minor(expected["lump"])),
    ):
        book = tried(
            LUMEN,
            plan(rules=rules(referral=pay)),
            agent("harbor"),
            account("harbor"),
            service("S-1", mrc),
            [statement(f"2026-0{n}") for n in range(2, 2 + months)],
        )
        assert earned(book)["agent:harbor"] == total
    assert Decimal(given["lump_rate"]) == 12 * Decimal(given["rate"])


@example("S01")
def test_a_percentage_and_a_spiff_for_every_unit_stack(example: dict[str, Any]) -> None:
    given, expected = example["inputs"], example["expected"]
    units, sales = given["units"], minor(given["sales"])
    each = sales // units
    mrcs = [*[each] * (units - 1), sales - each * (units - 1)]
    book = tried(
        LUMEN,
        plan(
            rules=rules(
                percentage=of_commission(given["rate"]),
                unit=Flat(kind="flat", amount_minor=minor(given["spiff"]), every="once"),
            )
        ),
        agent("harbor"),
        account("harbor"),
        [service(f"S-{n}", mrc) for n, mrc in enumerate(mrcs)],
        statement("2026-02", sales),
    )

    by_kind = dict.fromkeys(("recurring", "spiff"), 0)
    for posted in book.posted():
        if posted.payee == "agent:harbor":
            by_kind[posted.charge_kind] += posted.amount_minor
    assert list(by_kind.values()) == [minor(part) for part in expected["parts"]]
    assert earned(book)["agent:harbor"] == minor(expected["total"])


# -- agents of record


@example("B03", but="a vendor's terms cannot forbid a change in the middle of a contract's term")
def test_a_letter_comes_more_than_ten_days_before_and_the_incumbent_has_five_days_to_rescind(
    example: dict[str, Any],
) -> None:
    effective = date.fromisoformat(example["inputs"]["effective"])
    terms = VendorTerms(agent_of_record_notice_days=10, rescission_calendar_days=5)
    for came_on, expected in example["expected"].items():
        came = date.fromisoformat(came_on)
        named = ReceiveAgentOfRecordLetter(
            letter_id="L-1",
            customer="alder-foods",
            accounts=("ACC-1",),
            agents=(Weighted(agent="summit"),),
            effective_on=effective,
            signer="alder-foods:cfo",
            signed_on=came,
        )
        book = InMemory(
            [
                Issued(f"command-{n}", actor(step.by), step.command, evidence=step.letter, on=step.on)
                for n, step in enumerate(
                    spec._flat(
                        (
                            OpenDay(date=came),
                            ContractVendor(vendor="lumen", terms=terms),
                            OnboardCustomer(customer="alder-foods"),
                            plan(),
                            agent("harbor"),
                            agent("summit"),
                            spec.account(),
                            spec.designated("harbor", effective_on=date(2017, 1, 1)),
                            named,
                        )
                    )
                )
            ]
        )
        assert book.refusals() == []
        last = book.simulation.log.events[-1].event
        if expected == "accepted":
            assert isinstance(last, AgentOfRecordChangeAccepted)
            assert last.rescindable_until == came + timedelta(5)
        else:
            assert isinstance(last, AgentOfRecordChangeRejected)
