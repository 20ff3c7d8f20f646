"""A plan's worked examples: told as commands, run in the simulation, and compared with what they expect.

Nothing is rated here: the figures and their reasons are those that the house's own code gives in memory.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

from adapters.plan_file import (
    HOUSE,
    ContractInExample,
    Example,
    Expected,
    LinedPlan,
    PlanFileFaults,
    ServiceInExample,
    each_month,
    products,
    whole_minor,
)
from adapters.yaml_file import Steps
from domain import months
from domain.account import Alias, OpenAccount
from domain.agent import ChangeUpline, RecruitAgent, SignAgreement, TerminateAgent
from domain.agent_of_record import DesignateAgentOfRecord
from domain.contract import (
    ActivateService,
    AssignService,
    DisconnectService,
    OrderService,
    RenewContract,
    RepriceService,
    SignContract,
)
from domain.customer import OnboardCustomer
from domain.message import Actor, Command, Evidence, Issued
from domain.money import half_away, show, to_minor
from domain.plan import CHARGE_KINDS, ChargeKind, ProposePlanVersion, PublishPlanVersion
from domain.rating.facts import FIRST_RELEASE
from domain.recipe import ApproveReprojection, PromoteReprojection, ProposeReprojection
from domain.vendor import ContractVendor, EndVendorAgreement, ListProducts, Product
from domain.vendor_statement import ReceiveStatement, StatementLine
from services.simulation import Simulation

CUSTOMER, RELEASED = "customer", "release"
PROPOSER, PUBLISHER = Actor(issuer="example", subject="proposer"), Actor(issuer="example", subject="publisher")
STATED_ON = 20
"""The day of its statement month on which an example's statement comes."""
LAG_MONTHS = 1


class Told(NamedTuple):
    """A command of an example, with what of the file it says."""

    on: date
    command: Command
    steps: Steps
    letter: Evidence | None = None
    by: Actor = PROPOSER


class Failure(NamedTuple):
    """Something that a payee has of a month otherwise than an example expects."""

    line: int
    payee: str
    service_month: str
    charge_kind: ChargeKind | None
    expected: str | None
    """In units, with the words that the reason must hold; None for what the example does not say."""
    got: str
    because: str

    def __str__(self) -> str:
        return self.told(self.service_month)

    def told(self, through: str) -> str:
        """The failure in words; of one that comes again in every month through a later one, once."""
        kind = f" ({self.charge_kind})" if self.charge_kind else ""
        month = self.service_month if through == self.service_month else f"{self.service_month} through {through}"
        wanted = f"expected {self.expected}" if self.expected is not None else "the example says nothing of it"
        why = f": {self.because}" if self.because else ""
        return f"{self.payee} {month}{kind}: {wanted}, got {self.got}{why}"

    @property
    def alike(self) -> tuple[Any, ...]:
        """What one failure that comes again month by month has in common."""
        return self.line, self.payee, self.charge_kind, self.expected, self.got


def failures_told(failures: Iterable[Failure]) -> Iterator[tuple[int, str]]:
    """Failures with their lines; what fails alike in several months is said once, with the first month's reason."""
    for _, group in groupby(failures, key=lambda failure: failure.alike):
        first, *others = group
        yield first.line, first.told(others[-1].service_month if others else first.service_month)


@dataclass(frozen=True)
class Tried:
    """An example that was run; it passes where nothing fails."""

    example: str
    line: int
    failures: tuple[Failure, ...]
    shown: frozenset[tuple[int, str]]
    """The rules of the plan's versions that came to pay something, or nothing, in it."""


def not_shown(plan: LinedPlan, tried: Iterable[Tried]) -> list[str]:
    """Rules that no example shows, in words with their lines: what they pay was never looked at."""
    shown = {rule for one in tried for rule in one.shown}
    found: list[str] = []
    for n, version in enumerate(plan.file.versions):
        named = [(("versions", n, "rules", m), rule.rule) for m, rule in enumerate(version.rules)]
        named += [(("versions", n, "overrides", m), override.rule) for m, override in enumerate(version.overrides)]
        for steps, rule in named:
            if (version.version, rule) not in shown:
                found.append(f"{plan.where(steps)}: no example shows rule {rule} of version {version.version}")
    return found


def try_examples(plan: LinedPlan, release: int = FIRST_RELEASE) -> list[Tried]:
    """Run every example of a plan under a rating release.

    Raises PlanFileFaults where the facts of some cannot be, as the house sees it.
    """
    tried: list[Tried] = []
    refused: list[tuple[int, str]] = []
    for n, example in enumerate(plan.file.examples):
        steps: Steps = ("examples", n)
        story = sorted(_story(plan, example, steps, release), key=lambda told: told.on)
        simulation = Simulation()
        simulation.run(_issued(story))
        for refusal in simulation.refusals:
            told = story[int(refusal["id"])]
            refused.append((plan.lines.of(told.steps), f"example {example.example!r}: {refusal['because']}"))
        if not simulation.refusals:
            outcome = _Outcome.of(simulation)
            shown = frozenset(rule[1:] for rule in outcome.rules if rule[0] == plan.file.plan)
            failures = tuple(_failures(plan, example, steps, outcome))
            tried.append(Tried(example.example, plan.lines.of(steps), failures, shown))
    if refused:
        raise PlanFileFaults(plan.name, refused)
    return tried


# -- an example as commands


def _issued(story: Iterable[Told]) -> Iterator[Issued]:
    for n, told in enumerate(story):
        yield Issued(str(n), told.by, told.command, told.letter, on=told.on)


def _story(plan: LinedPlan, example: Example, at: Steps, release: int) -> Iterator[Told]:
    """All that happens, each on its own day; what happens on one day in this order."""
    start = _start(example)
    if release != FIRST_RELEASE:
        because = f"the examples are rated by release {release}"
        yield Told(start, ProposeReprojection(reprojection=RELEASED, release=release, proposed_because=because), at)
        yield Told(start, ApproveReprojection(reprojection=RELEASED), at, by=PUBLISHER)
        yield Told(start, PromoteReprojection(reprojection=RELEASED), at)
    yield from _plans(plan, start)
    yield from _parties(plan.file.plan, example, start, at)
    for n, contract in enumerate(example.contracts):
        yield from _contract(example, contract, n, (*at, "contracts", n))
    for n, agent in enumerate(example.agents):
        if agent.terminated_on is not None:
            gone = TerminateAgent(agent=agent.agent, effective_on=agent.terminated_on, evergreen=agent.evergreen)
            yield Told(agent.terminated_on, gone, (*at, "agents", n))
    if (ended := example.vendor_agreement_ended_on) is not None:
        end = EndVendorAgreement(vendor=example.vendor, evergreen=example.vendor_evergreen, effective_on=ended)
        yield Told(ended, end, (*at, "vendor_agreement_ended_on"))
    yield from _statements(example, at)


def _start(example: Example) -> date:
    """The first of the month in which the first thing happens."""
    days = [contract.signed_on for contract in example.contracts]
    days += [months.first_day(months.number(line.month)) for line in example.lines]
    days += [months.first_day(months.number(line.reported_in)) for line in example.lines if line.reported_in]
    days += [agent.terminated_on for agent in example.agents if agent.terminated_on is not None]
    days += [example.vendor_agreement_ended_on] if example.vendor_agreement_ended_on else []
    days += [service.active_on for c in example.contracts for service in c.services if service.active_on is not None]
    days += [months.first_day(months.number(expected.month)) for expected in example.expect]
    return min(days).replace(day=1)


def _plans(plan: LinedPlan, start: date) -> Iterator[Told]:
    """Every version is published before anything happens: whom it applies to follows from its own dates."""
    proposals: list[tuple[ProposePlanVersion, Steps]] = [
        (version.proposal(plan.file.plan), ("versions", n)) for n, version in enumerate(plan.file.versions)
    ]
    proposals += [(o.as_version().proposal(o.plan), ("other_plans", n)) for n, o in enumerate(plan.file.other_plans)]
    for proposal, steps in proposals:
        yield Told(start, proposal, steps)
        publish = PublishPlanVersion(plan=proposal.plan, plan_version=proposal.plan_version)
        yield Told(start, publish, steps, by=PUBLISHER)


def _parties(of_plan: str, example: Example, start: date, at: Steps) -> Iterator[Told]:
    vendor = ContractVendor(vendor=example.vendor, currency=example.currency, statement_lag_months=LAG_MONTHS)
    yield Told(start, vendor, (*at, "vendor"))
    categories: dict[str, str] = {}
    for _, product, category in products(example):
        if category is not None:
            categories[product] = category
    listed = tuple(Product(product=product, category=category) for product, category in categories.items())
    unsorted = {product for _, product, _ in products(example)} - categories.keys()
    listed += tuple(Product(product=product, category=product) for product in sorted(unsorted))
    if listed:
        yield Told(start, ListProducts(vendor=example.vendor, products=listed), at)
    for n, agent in enumerate(example.agents):
        here = (*at, "agents", n)
        yield Told(start, RecruitAgent(agent=agent.agent), here)
        agreement = SignAgreement(agent=agent.agent, plan=agent.plan or of_plan, currency=example.currency)
        yield Told(start, agreement, here)
    for n, agent in enumerate(example.agents):
        if agent.upline is not None:
            change = ChangeUpline(agent=agent.agent, upline=agent.upline, effective_on=start)
            yield Told(start, change, (*at, "agents", n, "upline"))
    yield Told(start, OnboardCustomer(customer=CUSTOMER), at)
    alias = Alias(vendor=example.vendor, number=example.account)
    account = OpenAccount(account=example.account, customer=CUSTOMER, vendor=example.vendor, aliases=(alias,))
    yield Told(start, account, (*at, "account"))
    named = DesignateAgentOfRecord(account=example.account, agents=example.agents_of_record, effective_on=start)
    yield Told(start, named, (*at, "agents"), Evidence(signer=CUSTOMER, signed_on=start))


def _contract(example: Example, contract: ContractInExample, number: int, at: Steps) -> Iterator[Told]:
    name, term_months = contract.contract or f"contract-{number + 1}", contract.term_months
    signed = SignContract(
        contract=name,
        customer=CUSTOMER,
        vendor=example.vendor,
        term_months=term_months,
        currency=example.currency,
        effective_on=contract.signed_on,
    )
    yield Told(contract.signed_on, signed, at)
    for m, service in enumerate(contract.services or (ServiceInExample(service="service"),)):
        yield from _service(example, contract, name, service, (*at, "services", m))
    for m, renewal in enumerate(contract.renewed):
        term_months = term_months if renewal.term_months is None else renewal.term_months
        renewed = RenewContract(contract=name, term_months=term_months, effective_on=renewal.renewed_on)
        yield Told(renewal.renewed_on, renewed, (*at, "renewed", m))


def _service(
    example: Example, contract: ContractInExample, contract_id: str, service: ServiceInExample, at: Steps
) -> Iterator[Told]:
    signed_on, active_on = contract.signed_on, service.active_on or contract.signed_on
    order = OrderService(
        contract=contract_id,
        service=service.service,
        product=service.product or service.category,
        mrc_minor=whole_minor(service.mrc, example.currency),
        effective_on=signed_on,
    )
    yield Told(signed_on, order, at)
    assign = AssignService(
        contract=contract_id, service=service.service, account=example.account, effective_on=signed_on
    )
    yield Told(signed_on, assign, at)
    activate = ActivateService(contract=contract_id, service=service.service, effective_on=active_on)
    yield Told(active_on, activate, (*at, "active_on"))
    for m, price in enumerate(service.repriced):
        mrc_minor = whole_minor(price.mrc, example.currency)
        reprice = RepriceService(
            contract=contract_id, service=service.service, mrc_minor=mrc_minor, effective_on=price.from_
        )
        yield Told(price.from_, reprice, (*at, "repriced", m))
    if (off := service.disconnected_on) is not None:
        disconnect = DisconnectService(contract=contract_id, service=service.service, effective_on=off)
        yield Told(off, disconnect, (*at, "disconnected_on"))


def _statements(example: Example, at: Steps) -> Iterator[Told]:
    """One statement for each month in which lines were reported."""
    by_month: dict[str, list[StatementLine]] = {}
    first: dict[str, int] = {}
    for n, line in enumerate(example.lines):
        for month in each_month(line.month, line.through):
            reported_in = line.reported_in or months.text(months.number(month) + LAG_MONTHS)
            lines = by_month.setdefault(reported_in, [])
            first.setdefault(reported_in, n)
            lines.append(
                StatementLine(
                    line=len(lines) + 1,
                    account=example.account,
                    service=line.service,
                    product=line.product or line.category,
                    charge_kind=line.charge_kind,
                    line_type=line.line_type,
                    commission_minor=to_minor(line.amount, example.currency),
                    service_month=month,
                )
            )
    for month, lines in by_month.items():
        total = half_away(sum((line.commission_minor for line in lines), Decimal(0)))
        statement = ReceiveStatement(
            vendor=example.vendor,
            number=month,
            statement_month=month,
            currency=example.currency,
            control_total_minor=total,
            lines=tuple(lines),
        )
        on = months.first_day(months.number(month)).replace(day=STATED_ON)
        yield Told(on, statement, (*at, "lines", first[month]))


# -- what came out


Part = tuple[str, str, ChargeKind]
"""A payee, a service month and a charge kind."""


@dataclass(frozen=True)
class _Outcome:
    """What each payee has, in minor units, and why: the standing reason of each of its items, and of its zeros."""

    amounts_minor: Mapping[Part, int]
    reasons: Mapping[Part, Iterable[str]]
    rules: frozenset[tuple[str, int, str]]

    @classmethod
    def of(cls, simulation: Simulation) -> "_Outcome":
        result = simulation.result()
        amounts: dict[Part, int] = {}
        for entry in result["entries"]:
            part = _part({**entry, **entry["cell"]})
            amounts[part] = amounts.get(part, 0) + entry["amount_minor"]
        shares = list(simulation.standing())
        reasons: dict[Part, dict[str, None]] = {}
        for row in (*shares, *(zero for zero in result["zeros"] if zero["until_position"] is None)):
            reasons.setdefault(_part(row), {})[row["reason"]] = None
        return cls(amounts, reasons, frozenset(share["rule"] for share in shares if share["rule"]))

    def of_part(self, payee: str, month: str, kind: ChargeKind | None) -> tuple[int, str]:
        parts = [(payee, month, k) for k in CHARGE_KINDS if kind in (None, k)]
        words = [word for part in parts for word in self.reasons.get(part, ())]
        return sum(self.amounts_minor.get(part, 0) for part in parts), " / ".join(dict.fromkeys(words))


def _part(row: Mapping[str, Any]) -> Part:
    return row["payee"].removeprefix("agent:"), row["service_month"], row["charge_kind"]


def _failures(plan: LinedPlan, example: Example, at: Steps, outcome: _Outcome) -> Iterator[Failure]:
    said: set[tuple[str, str, ChargeKind | None]] = set()
    for n, expected in enumerate(example.expect):
        line = plan.lines.of((*at, "expect", n))
        for month in each_month(expected.month, expected.through):
            said.add((expected.payee, month, expected.charge_kind))
            got, because = outcome.of_part(expected.payee, month, expected.charge_kind)
            yield from _compared(expected, month, got, because, example.currency, line)
    for (payee, month, kind), amount in sorted(outcome.amounts_minor.items()):
        untold = not {(payee, month, None), (payee, month, kind)} & said
        if amount and untold and payee != HOUSE:
            _, because = outcome.of_part(payee, month, kind)
            line = plan.lines.of((*at, "expect"))
            yield Failure(line, payee, month, kind, None, show(amount, example.currency), because)


def _compared(
    expected: Expected, month: str, got_minor: int, because: str, currency: str, line: int
) -> Iterator[Failure]:
    wanted_minor = whole_minor(expected.amount, currency)
    missing = [fragment for fragment in expected.because if fragment not in because]
    if got_minor == wanted_minor and not missing:
        return
    wanted = show(wanted_minor, currency) + (f" because {' and '.join(missing)}" if missing else "")
    got = show(got_minor, currency)
    yield Failure(line, expected.payee, month, expected.charge_kind, wanted, got, because)
