"""Lets a test read as the business says it: given this book, when somebody wants that, then these events.

    given(BOOK).when(TerminateAgent(agent="harbor", ...), by="bob").then(AgentTerminated(...))
    given(BOOK).when(RecruitAgent(agent="harbor")).then_refused(AgentAlreadyRecruited)

The house is in memory and its first day is open. Steps are commands, alone or with who gave them, on whose word and
on which day (``said``); a builder is a tuple of steps, so ``given(LUMEN, AGENTS, OpenDay(...))`` takes them together.
``given(...).log`` is what projections read.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Self

from adapters.memory import MemoryLog
from domain.account import Alias, OpenAccount
from domain.agent import RecruitAgent, SignAgreement
from domain.agent_of_record import DesignateAgentOfRecord, Weighted
from domain.contract import ActivateService, AssignService, OrderService, SignContract
from domain.customer import OnboardCustomer
from domain.message import Actor, Command, Event, Evidence, Issued, Recorded, Refused
from domain.plan import (
    Override,
    OverridePercentOfCommission,
    PercentOfCommission,
    ProposePlanVersion,
    PublishPlanVersion,
    Rule,
)
from domain.vendor import ContractVendor, ListProducts, Product
from services.commands import Commands

DAY = date(2026, 1, 5)
"""The house's first open day."""
ANN, BOB = "ann", "bob"
"""Ann proposes and Bob approves, unless a test says otherwise."""


@dataclass(frozen=True)
class Step:
    """A command as somebody gives it."""

    command: Command
    by: str | Actor = ANN
    letter: Evidence | None = None
    on: date | None = None


Steps = Command | Step | Iterable["Steps"]


def said(command: Command, by: str | Actor = ANN, letter: Evidence | None = None, on: date | None = None) -> Step:
    return Step(command, by, letter, on)


def actor(by: str | Actor) -> Actor:
    return by if isinstance(by, Actor) else Actor.model_validate(by)


def letter(signed_on: date = date(2025, 12, 15), signer: str = "alder-foods:cfo") -> Evidence:
    """A customer's letter of agency."""
    return Evidence(digest="sha256:" + "ab" * 32, signer=signer, signed_on=signed_on)


def _flat(steps: Steps) -> Iterator[Step]:
    if isinstance(steps, Command):
        yield Step(steps)
    elif isinstance(steps, Step):
        yield steps
    else:
        for inner in steps:
            yield from _flat(inner)


@dataclass
class Given:
    """A house in which the steps have happened."""

    log: MemoryLog = field(default_factory=MemoryLog)
    commands: Commands = field(init=False)
    _issued: int = 0

    def __post_init__(self) -> None:
        self.commands = Commands(self.log)

    def given(self, *steps: Steps) -> Self:
        """More happens; a refusal here is a fault of the test and comes out as it is."""
        for step in _flat(steps):
            self._issue(step)
        return self

    def when(
        self, command: Command, by: str | Actor = ANN, letter: Evidence | None = None, on: date | None = None
    ) -> "Outcome":
        """One command, with what came of it."""
        before = len(self.log.events)
        try:
            self._issue(Step(command, by, letter, on))
        except Refused as refused:
            return Outcome(self, self.log.events[before:], refused)
        return Outcome(self, self.log.events[before:], None)

    def _issue(self, step: Step) -> None:
        self._issued += 1
        self.commands.handle(
            Issued(f"command-{self._issued}", actor(step.by), step.command, evidence=step.letter, on=step.on)
        )


@dataclass(frozen=True)
class Outcome:
    """What one command led to: new events, or a refusal."""

    house: Given
    recorded: list[Recorded]
    refusal: Refused | None

    @property
    def events(self) -> list[Event]:
        return [recorded.event for recorded in self.recorded]

    def then(self, *events: Event) -> Given:
        """Exactly these events, in this order, whatever their envelopes."""
        assert self.refusal is None, f"refused: {self.refusal!r}"
        assert self.events == list(events)
        return self.house

    def then_refused(self, refusal: type[Refused], message: str | None = None) -> Given:
        """Exactly this refusal, perhaps with exactly this sentence, and nothing recorded."""
        assert self.refusal is not None, f"not refused, but recorded {self.events}"
        assert type(self.refusal) is refusal, f"refused as {self.refusal!r}"
        if message is not None:
            assert str(self.refusal) == message
        assert self.recorded == []
        return self.house


def given(*steps: Steps, today: date = DAY) -> Given:
    """A house whose open day is ``today`` and in which the steps have happened."""
    house = Given()
    house.commands.open_day(today, actor(ANN))
    return house.given(*steps)


# -- a typical book

LUMEN = (
    ContractVendor(vendor="lumen", statement_lag_months=1),
    ListProducts(
        vendor="lumen",
        products=(Product(product="dia", category="internet"), Product(product="ucaas", category="voice")),
    ),
)

ALDER_FOODS = (OnboardCustomer(customer="alder-foods"),)


def plan(
    name: str = "standard",
    rules: tuple[Rule, ...] = (
        Rule(rule="residual", pay=PercentOfCommission(kind="percent-of-commission", rate="0.80")),
    ),
    overrides: tuple[Override, ...] = (
        Override(rule="upline", level=1, pay=OverridePercentOfCommission(kind="percent-of-commission", rate="0.05")),
    ),
) -> tuple[Step, ...]:
    """A plan that Ann proposed and Bob published."""
    return (
        said(ProposePlanVersion(plan=name, rules=rules, overrides=overrides), by=ANN),
        said(PublishPlanVersion(plan=name), by=BOB),
    )


def agent(
    name: str, upline: str | None = None, minimum_payout_minor: int = 0, plan: str = "standard"
) -> tuple[Command, ...]:
    """An agent who has signed an agreement."""
    return (
        RecruitAgent(agent=name, upline=upline),
        SignAgreement(agent=name, plan=plan, minimum_payout_minor=minimum_payout_minor),
    )


PLAN = plan()
AGENTS = (*agent("summit"), *agent("keystone", upline="summit"), *agent("harbor", upline="keystone"))
"""Harbor sells, keystone is its upline, summit is keystone's."""


def account(name: str = "ACC-1", number: str = "5-QXTR9941") -> OpenAccount:
    return OpenAccount(
        account=name, customer="alder-foods", vendor="lumen", aliases=(Alias(vendor="lumen", number=number),)
    )


def designated(
    *agents: str, account: str = "ACC-1", service: str | None = None, effective_on: date = date(2026, 1, 1)
) -> Step:
    """The customer's letter names its agents of record."""
    named = tuple(Weighted(agent=a) for a in agents or ("harbor",))
    return said(
        DesignateAgentOfRecord(account=account, service=service, agents=named, effective_on=effective_on),
        letter=letter(),
    )


ACCOUNT = (account(), designated("harbor"))

SIGNED_ON = date(2026, 1, 2)
CONTRACT = (
    SignContract(contract="C-1", customer="alder-foods", vendor="lumen", term_months=36, effective_on=SIGNED_ON),
)
SERVICE = (
    OrderService(contract="C-1", service="C-1/dia", product="dia", mrc_minor=124987, nrc_minor=50000),
    AssignService(contract="C-1", service="C-1/dia", account="ACC-1"),
    ActivateService(contract="C-1", service="C-1/dia"),
)
"""Ordered, assigned and activated on the day the house opened."""

BOOK = (LUMEN, ALDER_FOODS, PLAN, AGENTS, ACCOUNT, CONTRACT, SERVICE)
