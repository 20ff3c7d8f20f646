"""A generated book for the benches: the same seed, the same events, whatever the machine.

Everything is decided by real commands; only the append is in bulk. Every agent has an upline that earns an override, so
that a statement line gives four journal rows: seller, upline, house and the vendor that pays. One account in ten has a
service under a contract, one agent in five a second upline above the first; each half year some customers name another
agent by a letter that reaches two months back, and a few lines come under numbers that nobody knows.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from random import Random

from adapters.database import Database
from adapters.log import PostgresLog
from domain import months
from domain.account import Alias, OpenAccount
from domain.agent import RecruitAgent, SignAgreement
from domain.agent_of_record import ApproveAgentOfRecordChange, ChangeAgentOfRecord, DesignateAgentOfRecord, Weighted
from domain.calendar import OpenDay
from domain.contract import ActivateService, AssignService, OrderService, SignContract
from domain.customer import OnboardCustomer
from domain.ids import StreamId
from domain.log import CommandResult, Head, NewEvent
from domain.message import Actor, Command, Evidence, Issued, Recorded
from domain.money import half_away
from domain.plan import (
    Override,
    OverridePercentOfCommission,
    PercentOfCommission,
    ProposePlanVersion,
    PublishPlanVersion,
    Rule,
    Selector,
    ServiceMonthsFrom,
)
from domain.vendor import ContractVendor, ListProducts, Product
from domain.vendor_statement import ReceiveStatement, StatementLine
from services.commands import Commands

SEED = 20_090_401
VENDOR = "lumen"
PRODUCTS = (("dia", "internet"), ("sd-wan", "network"), ("ucaas", "voice"), ("mpls", "network"))
FIRST_MONTH = months.number("2021-01")
ACCOUNTS_AN_AGENT = 40
AGENTS_AN_UPLINE = 5
FLUSH_EVENTS = 2_000

ANN, BOB = Actor(subject="ann"), Actor(subject="bob")


@dataclass
class BulkLog:
    """A log that keeps what decisions need in memory and writes to PostgreSQL many events at a time."""

    target: PostgresLog
    _streams: defaultdict[StreamId, list[Recorded]] = field(default_factory=lambda: defaultdict(list))
    _waiting: list[NewEvent] = field(default_factory=list)
    _appends: int = 0

    def load(self, after: Mapping[StreamId, int]) -> Sequence[Recorded]:
        return [recorded for stream, version in after.items() for recorded in self._streams[stream][version:]]

    def history(self, stream: StreamId, upto: int) -> Iterator[Recorded]:
        return self.target.history(stream, upto)

    def result_of(self, command_id: str) -> CommandResult | None:
        return None

    def append(
        self, events: Sequence[NewEvent], guards: Mapping[StreamId, int], command_id: str, digest: str
    ) -> CommandResult:
        for new in events:
            if not new.stream_id.startswith("vendor-statement:"):  # nothing is decided on them again
                recorded = Recorded(new.stream_id, new.stream_version, new.event, new.envelope)
                self._streams[new.stream_id].append(recorded)
        self._waiting.extend(events)
        if len(self._waiting) >= FLUSH_EVENTS:
            self.flush()
        return CommandResult(command_id, digest, 0, 0)

    def read(self, after: int, limit: int) -> Sequence[Recorded]:
        return self.target.read(after, limit)

    def head(self) -> Head | None:
        return self.target.head()

    def flush(self) -> None:
        self._appends += 1
        stored = [self.target.mapper.to_stored_event(new) for new in self._waiting]
        self.target.recorder.append(stored, {}, f"bulk-{self._appends}", "")
        self._waiting.clear()


@dataclass(frozen=True)
class Size:
    accounts: int
    months: int
    sellers_versions: int = 3
    """Of the sellers' plan, one a year; with one only, another from its first month on touches every line."""

    @property
    def lines(self) -> int:
        return self.accounts * self.months

    @property
    def agents(self) -> int:
        return max(1, self.accounts // ACCOUNTS_AN_AGENT)

    @property
    def uplines(self) -> int:
        return max(1, self.agents // AGENTS_AN_UPLINE)


def write(
    database: Database,
    size: Size,
    progress: Callable[[str], None] = lambda _: None,
    steps: Iterable["Step"] | None = None,
) -> None:
    """Write the generated book, or one made of other steps, into the log of an empty house."""
    with PostgresLog(database) as target:
        log = BulkLog(target)
        commands = Commands(log)
        given = _steps(size, Random(SEED)) if steps is None else steps
        for number, issued in enumerate(_commands(given), start=1):
            commands.handle(issued)
            if isinstance(issued.command, ReceiveStatement):
                log.flush()
                progress(f"{issued.command.statement_month} written, {number:,} commands so far")
        log.flush()


def _commands(steps: Iterable["Step"]) -> Iterator[Issued]:
    for number, (command, by, letter) in enumerate(steps, start=1):
        yield Issued(f"g-{number}", by, command, letter)


Step = tuple[Command, Actor, Evidence | None]


def _steps(size: Size, random: Random) -> Iterator[Step]:
    yield OpenDay(date=months.first_day(FIRST_MONTH)), ANN, None
    yield from _terms(size)
    yield from _agents(size)
    for number in range(size.accounts):
        yield from _account(size, number, FIRST_MONTH, random)
    for month in range(FIRST_MONTH, FIRST_MONTH + size.months):
        yield from reported(size, month, random)
        if (month - FIRST_MONTH) % 6 == 5:
            yield from letters(size, month, random)


def growing(size: Size) -> Iterator[Step]:
    """A house in which each month brings further accounts and the statement on them alone: all kinds of events and of
    entries from its first tenth to its last.
    """
    random = Random(SEED)
    yield OpenDay(date=months.first_day(FIRST_MONTH - 1)), ANN, None
    yield from _terms(size)
    yield from _agents(size)
    for month in range(size.months):
        began = FIRST_MONTH + 2 * month  # the statement comes a month later
        yield OpenDay(date=months.first_day(began)), ANN, None
        numbers = list(range(size.accounts * month // size.months, size.accounts * (month + 1) // size.months))
        for number in numbers:
            yield from _account(size, number, began, random)
        yield OpenDay(date=months.first_day(began + 1).replace(day=15)), ANN, None
        yield _statement(numbers, began, random), ANN, None


def _terms(size: Size) -> Iterator[Step]:
    products = tuple(Product(product=product, category=category) for product, category in PRODUCTS)
    yield ContractVendor(vendor=VENDOR), ANN, None
    yield ListProducts(vendor=VENDOR, products=products), ANN, None
    sellers = ("70%", "65%", "60%")[: size.sellers_versions]
    for plan, rates in (("seller", sellers), ("upline", ("80%", "75%", "70%"))):
        for version, rate in enumerate(rates, start=1):
            yield _plan(plan, version, rate), ANN, None
            yield PublishPlanVersion(plan=plan, plan_version=version), BOB, None


def _plan(plan: str, version: int, rate: str) -> ProposePlanVersion:
    """Versions follow each other year by year."""
    rules = (
        Rule(rule="default", pay=PercentOfCommission(kind="percent-of-commission", rate=Decimal(rate[:-1]) / 100)),
        Rule(
            rule="voice",
            when=Selector(category="voice"),
            pay=PercentOfCommission(kind="percent-of-commission", rate=Decimal("0.5")),
        ),
    )
    pays = OverridePercentOfCommission(kind="percent-of-commission", rate=Decimal("0.075"))
    overrides = (Override(rule="upline", pay=pays),) if plan == "upline" else ()
    return ProposePlanVersion(
        plan=plan,
        plan_version=version,
        applies_to=ServiceMonthsFrom(**{"kind": "service-months-from", "from": date(2020 + version, 1, 1)}),
        rules=rules,
        overrides=overrides,
    )


def _agents(size: Size) -> Iterator[Step]:
    since = months.first_day(FIRST_MONTH)
    for number in range(size.uplines):
        above = f"upline-{number - 1}" if number % 5 == 4 else None
        yield RecruitAgent(agent=f"upline-{number}", upline=above), ANN, None
        yield SignAgreement(agent=f"upline-{number}", plan="upline", effective_on=since), ANN, None
    for number in range(size.agents):
        yield RecruitAgent(agent=f"agent-{number}", upline=f"upline-{number % size.uplines}"), ANN, None
        yield SignAgreement(agent=f"agent-{number}", plan="seller", effective_on=since), ANN, None


def account_id(number: int) -> str:
    return f"{VENDOR}/5-{number:07d}"


def _letter(signed_on: date) -> Evidence:
    return Evidence(digest="sha256:" + "ab" * 32, signer="customer:owner", signed_on=signed_on)


def _account(size: Size, number: int, month: int, random: Random) -> Iterator[Step]:
    account, customer, since = account_id(number), f"customer-{number // 10}", months.first_day(month)
    if number % 10 == 0:
        yield OnboardCustomer(customer=customer), ANN, None
    alias = Alias(vendor=VENDOR, number=f"5-{number:07d}")
    yield OpenAccount(account=account, customer=customer, vendor=VENDOR, aliases=(alias,)), ANN, None
    agents = (Weighted(agent=f"agent-{random.randrange(size.agents)}"),)
    designate = DesignateAgentOfRecord(account=account, agents=agents, effective_on=since)
    yield designate, ANN, _letter(since)
    if number % 10 == 0:
        contract, product = f"C-{number}", PRODUCTS[number // 10 % len(PRODUCTS)][0]
        for command in (
            SignContract(contract=contract, customer=customer, vendor=VENDOR, term_months=36),
            OrderService(contract=contract, service="s-1", product=product, mrc_minor=100 * random.randrange(50, 5000)),
            AssignService(contract=contract, service="s-1", account=account),
            ActivateService(contract=contract, service="s-1"),
        ):
            yield command, ANN, None


def reported(size: Size, month: int, random: Random) -> Iterator[Step]:
    """The statement on a month, received in the middle of the next one."""
    yield OpenDay(date=months.first_day(month + 1).replace(day=15)), ANN, None
    yield _statement(list(range(size.accounts)), month, random), ANN, None


def _statement(numbers: list[int], month: int, random: Random) -> ReceiveStatement:
    """One line for each account, in random order; commissions with fractions of a cent one time in five."""
    random.shuffle(numbers)
    lines = tuple(_line(place, number, random) for place, number in enumerate(numbers, start=1))
    return ReceiveStatement(
        vendor=VENDOR,
        number=months.text(month),
        statement_month=months.text(month + 1),
        control_total_minor=sum(half_away(line.commission_minor) for line in lines),
        lines=lines,
    )


def _line(place: int, number: int, random: Random) -> StatementLine:
    exact = Decimal(random.randrange(-500, 40_000))
    if place % 5 == 0:
        exact += Decimal(random.randrange(1, 100)) / 100
    unknown = random.random() < 0.002
    return StatementLine(
        line=place,
        account=f"9-{number % 50:03d}" if unknown else f"5-{number:07d}",
        product=PRODUCTS[number // 10 % len(PRODUCTS)][0],
        commission_minor=exact,
    )


def letters(size: Size, month: int, random: Random) -> Iterator[Step]:
    """One account in fifty changes its agent of record two months back."""
    effective = months.first_day(month - 1)
    for number in sorted(random.sample(range(size.accounts), max(1, size.accounts // 50))):
        account = account_id(number)
        agents = (Weighted(agent=f"agent-{random.randrange(size.agents)}"), Weighted(agent="upline-0"))
        change = ChangeAgentOfRecord(account=account, agents=agents, effective_on=effective)
        yield change, ANN, _letter(effective)
        yield ApproveAgentOfRecordChange(account=account), BOB, None


def issued_lines(commands: Iterable[Issued]) -> int:
    return sum(len(issued.command.lines) for issued in commands if isinstance(issued.command, ReceiveStatement))
