"""A plan as a file: its versions as operations write them, and worked examples that show what they pay.

An example tells facts as a person states them (who sells, what was signed, what the vendor reported) and what is
expected for each payee and service month. Amounts are in units of the example's currency, such as 12.00, rates are
percentages. Every fault names its line; all of them are listed.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core.core_schema import DecimalSchema

from adapters.faults import placed_faults
from adapters.yaml_file import Lines, Steps, read_lined
from domain import months, plan
from domain.agent_of_record import Weighted
from domain.ids import AccountId, AgentId, CategoryId, ContractId, PlanId, ProductId, ServiceId, Slug, VendorId, Words
from domain.message import Actor, Context, Model, Refused, dated
from domain.money import ABSURD_MINOR, MINOR_UNITS, Currency, Rate, plain, to_minor
from domain.months import Month
from domain.plan import (
    AppliesToGiven,
    ChargeKind,
    End,
    Flat,
    MultipleOfMrcOnce,
    Override,
    PercentOfCommission,
    PercentOfMrc,
    ProposePlanVersion,
    Reversals,
    Rule,
    Selector,
    ServiceMonthsFrom,
)
from domain.vendor_statement import LineType

SHOWN_FAULTS = 100
HOUSE = "house"
"""Whom an example names where it says what the house keeps."""
MONTHS_AT_ONCE = 120
LAST_MONTH = "2099-12"
LINE_WIDTH = 120


def _in_units(given: Any) -> Any:
    if isinstance(given, str) and given.strip().endswith("%"):
        raise ValueError(f"{given} is a percentage; write an amount like 12.00")
    return given


def _on_one_line(given: Any) -> Any:
    return " ".join(given.split()) if isinstance(given, str) else given


def _one_or_more(given: Any) -> Any:
    return (given,) if isinstance(given, str) else given


def _named(field: str, kind: Any) -> BeforeValidator:
    """Short for a thing of which only one field is given: that field."""
    return BeforeValidator(
        lambda given: {field: given} if isinstance(given, str) else given, json_schema_input_type=str | kind
    )


Units = Annotated[Rate, BeforeValidator(_in_units)]
"""An amount in units of its currency, exact."""
Sentence = Annotated[Words, BeforeValidator(_on_one_line)]
Fragment = Annotated[str, Field(min_length=1, max_length=300), BeforeValidator(_on_one_line)]

# -- what a version says


class FlatInUnits(Model):
    """A flat amount for a service, each month in service that the vendor has reported on, or once at activation."""

    kind: Literal["flat"]
    amount: Annotated[Units, Field(ge=0)]
    currency: Currency = "USD"
    every: Literal["month", "once"] = "month"
    clawback_within_days: Annotated[int, Field(ge=0, le=3650)] = 0
    clawback_rate: Annotated[Rate, Field(ge=0, le=1)] = Decimal(1)


class RuleInFile(Model):
    """What is paid to the agent of record for which items; without ``when``, for all that no other rule is for."""

    rule: Slug
    when: Selector = Selector()
    pay: Annotated[PercentOfCommission | PercentOfMrc | MultipleOfMrcOnce | FlatInUnits, Field(discriminator="kind")]

    def as_rule(self) -> Rule:
        """The rule with its amount in minor units. Raises ValueError for an amount below a minor unit."""
        if not isinstance(self.pay, FlatInUnits):
            return Rule(rule=self.rule, when=self.when, pay=self.pay)
        fields = self.pay.model_dump(exclude={"amount"})
        return Rule(
            rule=self.rule,
            when=self.when,
            pay=Flat(**fields, amount_minor=whole_minor(self.pay.amount, self.pay.currency)),
        )


class VersionInFile(Model):
    """A version of the plan: why there is one, whom it applies to, and what it pays."""

    version: Annotated[int, Field(ge=1)]
    because: Sentence = ""
    applies_to: AppliesToGiven = ServiceMonthsFrom()
    ends_with: Annotated[tuple[End, ...], Field(max_length=3)] = ()
    """What commission under this version ends with; without any, it is evergreen."""
    reversals: Reversals = "schedule-that-paid"
    """By which schedule a later line that takes back is rated."""
    rules: Annotated[tuple[RuleInFile, ...], Field(max_length=500)] = ()
    overrides: Annotated[tuple[Override, ...], Field(max_length=200)] = ()

    def proposal(self, of_plan: str) -> ProposePlanVersion:
        """The command that proposes it. Raises ValueError for an amount below a minor unit."""
        return ProposePlanVersion(
            plan=of_plan,
            plan_version=self.version,
            because=self.because,
            applies_to=self.applies_to,
            ends_with=self.ends_with,
            reversals=self.reversals,
            rules=tuple(rule.as_rule() for rule in self.rules),
            overrides=self.overrides,
        )


class OtherPlan(Model):
    """A plan of which the examples need a little: that of an upline, say. It is not proposed with this one."""

    plan: PlanId
    rules: Annotated[tuple[RuleInFile, ...], Field(max_length=20)] = ()
    overrides: Annotated[tuple[Override, ...], Field(max_length=20)] = ()

    def as_version(self) -> VersionInFile:
        return VersionInFile(version=1, rules=self.rules, overrides=self.overrides)


# -- the facts of an example


class Dated(Model):
    """A fact of an example: its dates are of the years 1900 to 2099."""

    _dated = field_validator("*")(dated)


class AgentInExample(Dated):
    """An agent on this plan or on another one; short for it: its name.

    Agents of record of the account are those that have a weight; if none has one, all that are nobody's upline.
    """

    agent: AgentId
    plan: PlanId | None = None
    upline: AgentId | None = None
    weight: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    terminated_on: date | None = None
    evergreen: bool = False
    """Whether it is paid on after it is terminated."""


class Price(Dated):
    from_: Annotated[date, Field(alias="from")]
    mrc: Annotated[Units, Field(ge=0)]
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)


class ServiceInExample(Dated):
    """A service with its MRC; short for one without: its name."""

    service: ServiceId
    mrc: Annotated[Units, Field(ge=0)] = Decimal(0)
    product: ProductId | None = None
    category: CategoryId | None = None
    active_on: date | None = None
    """Without it, the day on which the contract was signed."""
    repriced: Annotated[tuple[Price, ...], Field(max_length=20)] = ()
    disconnected_on: date | None = None
    """The first day without service."""


class Renewal(Dated):
    renewed_on: date
    term_months: Annotated[int, Field(ge=0, le=600)] | None = None
    """Without it, as many as before."""


def _renewals(given: Any) -> Any:
    """Short for one renewal: itself; short for one with the term as before: its day."""
    several = given if isinstance(given, list | tuple) else (given,)
    return tuple({"renewed_on": one} if isinstance(one, str | date) else one for one in several)


class ContractInExample(Dated):
    """A signed contract; without services, it has one called ``service``."""

    contract: ContractId | None = None
    signed_on: date
    term_months: Annotated[int, Field(ge=0, le=600)] = 0
    renewed: Annotated[
        tuple[Renewal, ...],
        Field(max_length=20),
        BeforeValidator(_renewals, json_schema_input_type=date | Renewal | tuple[date | Renewal, ...]),
    ] = ()
    """A day, or several; with another term where that changes."""
    services: Annotated[
        tuple[Annotated[ServiceInExample, _named("service", ServiceInExample)], ...], Field(max_length=20)
    ] = ()


class LineInExample(Dated):
    """A line of the vendor's statement: what it paid for a month, or for each month through a later one."""

    month: Month
    through: Month | None = None
    amount: Units
    charge_kind: ChargeKind = "recurring"
    line_type: LineType = "original"
    service: ServiceId | None = None
    product: ProductId | None = None
    category: CategoryId | None = None
    """What the vendor's product belongs to; without a product, of one that is called so too."""
    reported_in: Month | None = None
    """The statement month; without it, the month after the service month."""


class Expected(Model):
    """What a payee has of a service month in the end, or of each month through a later one."""

    payee: AgentId
    month: Month
    through: Month | None = None
    amount: Units
    charge_kind: ChargeKind | None = None
    """Without it, all charge kinds together."""
    because: Annotated[
        tuple[Fragment, ...],
        Field(max_length=10),
        BeforeValidator(_one_or_more, json_schema_input_type=Fragment | tuple[Fragment, ...]),
    ] = ()
    """Words that the reason must hold."""


class Example(Dated):
    """A case with what it pays."""

    example: Annotated[Sentence, Field(min_length=1)]
    currency: Currency = "USD"
    vendor: VendorId = "vendor"
    vendor_agreement_ended_on: date | None = None
    vendor_evergreen: bool = True
    """Whether the vendor pays on after its agreement with the house ended."""
    account: AccountId = "account"
    agents: Annotated[
        tuple[Annotated[AgentInExample, _named("agent", AgentInExample)], ...], Field(min_length=1, max_length=20)
    ]
    contracts: Annotated[tuple[ContractInExample, ...], Field(max_length=20)] = ()
    lines: Annotated[tuple[LineInExample, ...], Field(max_length=200)] = ()
    expect: Annotated[tuple[Expected, ...], Field(min_length=1, max_length=400)]

    @property
    def agents_of_record(self) -> tuple[Weighted, ...]:
        weighted = tuple(Weighted(agent=a.agent, weight=a.weight) for a in self.agents if a.weight is not None)
        uplines = {agent.upline for agent in self.agents}
        return weighted or tuple(Weighted(agent=a.agent) for a in self.agents if a.agent not in uplines)


class PlanFile(Model):
    """A plan with all its versions, and the worked examples that they must pass."""

    plan: PlanId
    versions: Annotated[tuple[VersionInFile, ...], Field(min_length=1, max_length=200)]
    other_plans: Annotated[tuple[OtherPlan, ...], Field(max_length=20)] = ()
    examples: Annotated[tuple[Example, ...], Field(min_length=1, max_length=200)]


class _SchemaOfFile(GenerateJsonSchema):
    """A figure may be written as a percentage."""

    def decimal_schema(self, schema: DecimalSchema) -> JsonSchemaValue:
        return {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^-?\d+(\.\d+)?%?$"}]}


def plan_schema() -> dict[str, Any]:
    """The JSON Schema of a plan file, short forms and all."""
    return PlanFile.model_json_schema(schema_generator=_SchemaOfFile)


# -- reading it


class PlanFileFaults(Exception):
    """A plan file cannot be taken. Every fault is one sentence that names its line."""

    def __init__(self, name: str, placed: list[tuple[int, str]]) -> None:
        faults = [f"{name} line {line}: {sentence}" for line, sentence in sorted(dict.fromkeys(placed))]
        more = [f"{name}: … and {len(faults) - SHOWN_FAULTS:,} more"] if len(faults) > SHOWN_FAULTS else []
        super().__init__("\n".join([*faults[:SHOWN_FAULTS], *more]))
        self.faults = faults


@dataclass(frozen=True)
class LinedPlan:
    """A plan file that can be taken, with the line of everything in it."""

    name: str
    """The file's."""
    file: PlanFile
    lines: Lines

    def where(self, steps: Steps) -> str:
        return f"{self.name} line {self.lines.of(steps)}"


def read_plan(path: Path) -> LinedPlan:
    """A plan file without a fault. Raises FileFault, PlanFileFaults."""
    given, lines = read_lined(path)
    try:
        file = PlanFile.model_validate(given)
    except ValidationError as error:
        placed = [(lines.of(steps), clause) for steps, clause in placed_faults(error, given)]
        raise PlanFileFaults(path.name, placed) from None
    if faults := [(lines.of(steps), sentence) for steps, sentence in _untrue(file)]:
        raise PlanFileFaults(path.name, faults)
    return LinedPlan(path.name, file, lines)


def exact_minor(amount: Decimal, currency: str) -> Decimal:
    """An amount in units as exact minor units. Raises ValueError for more than this business knows."""
    exact = to_minor(amount, currency)
    if abs(exact) > ABSURD_MINOR:
        raise ValueError(f"{plain(amount)} {currency} is not an amount of this business; check its digits")
    return exact


def whole_minor(amount: Decimal, currency: str) -> int:
    """An amount in units as whole minor units. Raises ValueError also where it is finer than the currency."""
    exact = exact_minor(amount, currency)
    if exact != exact.to_integral_value():
        raise ValueError(f"{plain(amount)} {currency} is below a minor unit; write it exactly, like 12.00")
    return int(exact)


Untrue = Iterator[tuple[Steps, str]]


def _untrue(file: PlanFile) -> Untrue:
    """What every field of its own would allow, and the whole does not."""
    for n, version in enumerate(file.versions):
        if version.version != n + 1:
            yield (
                ("versions", n),
                f"version {version.version} stands as number {n + 1}; write versions 1, 2, 3 … in order",
            )
        yield from _refused_version(file.plan, version, ("versions", n))
    names = [file.plan, *(other.plan for other in file.other_plans)]
    for n, other in enumerate(file.other_plans):
        if other.plan in names[: n + 1]:
            yield ("other_plans", n), f"plan {other.plan} stands in this file already; keep one"
        yield from _refused_version(other.plan, other.as_version(), ("other_plans", n))
    for n, example in enumerate(file.examples):
        if any(example.example == earlier.example for earlier in file.examples[:n]):
            yield ("examples", n), "two examples are called so; say what is different in this one"
        yield from _untrue_example(example, set(names), ("examples", n))


_NOBODY = Context(actor=Actor(subject="nobody"), today=date(1900, 1, 1))


def _refused_version(of_plan: str, version: VersionInFile, at: Steps) -> Untrue:
    """What the domain would refuse of a version, each at the rule with which it comes."""
    empty = version.model_copy(update={"version": 1, "rules": (), "overrides": ()})
    try:
        plan.decide(plan.EMPTY, empty.proposal(of_plan), _NOBODY)
    except Refused as refused:
        yield at, _of_version(refused, version)
        return
    taken = empty
    for field in ("rules", "overrides"):
        for n, rule in enumerate(getattr(version, field)):
            more = taken.model_copy(update={field: (*getattr(taken, field), rule)})
            try:
                plan.decide(plan.EMPTY, more.proposal(of_plan), _NOBODY)
                taken = more
            except Refused as refused:
                yield (*at, field, n), _of_version(refused, version)
            except ValueError as below:
                yield (*at, field, n, "pay", "amount"), f"rule {rule.rule}: {below}"


def _of_version(refused: Refused, version: VersionInFile) -> str:
    return str(refused).replace("version 1 ", f"version {version.version} ", 1)


def _untrue_example(example: Example, plans: set[str], at: Steps) -> Untrue:
    yield from _untrue_agents(example, plans, at)
    services = [s.service for contract in example.contracts for s in contract.services]
    known = {*services, *(["service"] if any(not c.services for c in example.contracts) else [])}
    for n, contract in enumerate(example.contracts):
        for m, service in enumerate(contract.services):
            if services.count(service.service) > 1:
                yield (*at, "contracts", n, "services", m), f"two services are called {service.service}; rename one"
            prices = [("mrc", service.mrc), *((f"repriced.{k}", p.mrc) for k, p in enumerate(service.repriced))]
            yield from _no_amount(prices, example.currency, (*at, "contracts", n, "services", m))
    for n, line in enumerate(example.lines):
        here = (*at, "lines", n)
        if line.service is not None and line.service not in known:
            yield (*here, "service"), f"no contract of this example has a service {line.service}; order it there"
        yield from _no_amount([("amount", line.amount)], example.currency, here, exact_minor)
        yield from _backwards(line.month, line.through, here)
        if line.reported_in is None and (last := line.through or line.month) == LAST_MONTH:
            words = "is reported in the month after, which is beyond 2099; check the year"
            yield (*here, "month"), f"a line for {last} {words}"
    together = sum((abs(ln.amount) * len(each_month(ln.month, ln.through)) for ln in example.lines), Decimal(0))
    yield from _no_amount([("lines", together)], example.currency, at, exact_minor)
    yield from _untrue_products(example, at)
    yield from _untrue_expectations(example, at)


def _untrue_agents(example: Example, plans: set[str], at: Steps) -> Untrue:
    agents = [agent.agent for agent in example.agents]
    for n, agent in enumerate(example.agents):
        here = (*at, "agents", n)
        if agent.agent in agents[:n] or agent.agent == HOUSE:
            yield here, f"{agent.agent} stands for somebody else already; give this agent another name"
        if agent.plan is not None and agent.plan not in plans:
            yield (*here, "plan"), f"there is no plan {agent.plan} in this file; write what it pays under other_plans"
        if agent.upline is not None and agent.upline not in agents:
            yield (*here, "upline"), f"{agent.upline} is no agent of this example; add it to the agents"
    if not example.agents_of_record:
        yield (*at, "agents"), "every agent is an upline here; give those a weight who are agents of record"


def _untrue_products(example: Example, at: Steps) -> Untrue:
    found: dict[str, str] = {}
    for steps, product, category in products(example):
        if category is not None and found.setdefault(product, category) != category:
            yield (*at, *steps), f"product {product} is of category {found[product]} above; a product has one category"


def products(example: Example) -> Iterator[tuple[Steps, str, str | None]]:
    """Every product that is named in an example, with its category where that is said."""
    for n, contract in enumerate(example.contracts):
        for m, service in enumerate(contract.services):
            if (product := service.product or service.category) is not None:
                yield ("contracts", n, "services", m), product, service.category
    for n, line in enumerate(example.lines):
        if (product := line.product or line.category) is not None:
            yield ("lines", n), product, line.category


def _untrue_expectations(example: Example, at: Steps) -> Untrue:
    agents = {HOUSE, *(agent.agent for agent in example.agents)}
    seen: dict[tuple[str, str], set[ChargeKind | None]] = {}
    for n, expected in enumerate(example.expect):
        here = (*at, "expect", n)
        if expected.payee not in agents:
            yield (*here, "payee"), f"{expected.payee} is no agent of this example; name one of them, or house"
        yield from _no_amount([("amount", expected.amount)], example.currency, here)
        yield from _backwards(expected.month, expected.through, here)
        for month in each_month(expected.month, expected.through):
            kinds = seen.setdefault((expected.payee, month), set())
            if expected.charge_kind in kinds or (kinds and None in {*kinds, expected.charge_kind}):
                yield here, f"what {expected.payee} has of {month} is said twice; keep one"
            kinds.add(expected.charge_kind)


def _no_amount(
    amounts: list[tuple[str, Decimal]],
    currency: str,
    at: Steps,
    in_minor: Callable[[Decimal, str], Decimal | int] = whole_minor,
) -> Untrue:
    for field, amount in amounts:
        try:
            in_minor(amount, currency)
        except ValueError as below:
            yield (*at, *field.split(".")[:1]), str(below)


def _backwards(month: str, through: str | None, at: Steps) -> Untrue:
    if through is not None and not 0 <= months.number(through) - months.number(month) < MONTHS_AT_ONCE:
        yield (*at, "through"), f"through {through} is not within ten years after {month}; exchange the months"


def each_month(first: str, through: str | None) -> list[str]:
    """Every month from the first through the last one; none where that is before it, or beyond reason."""
    last = min(months.number(through or first), months.number(first) + MONTHS_AT_ONCE)
    return [months.text(month) for month in range(months.number(first), last + 1)]


# -- writing it


class _Dumper(yaml.SafeDumper):
    """YAML as the examples are written: lists stand in from their names, figures without quotes."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def _figure(dumper: yaml.SafeDumper, figure: Decimal) -> yaml.ScalarNode:
    text = f"{figure:f}"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{'float' if '.' in text else 'int'}", text)


class _Block(dict[str, Any]):
    """Fields a line each, however few."""


def _block(dumper: yaml.SafeDumper, fields: _Block) -> yaml.MappingNode:
    return dumper.represent_mapping("tag:yaml.org,2002:map", fields, flow_style=False)


_Dumper.add_representer(Decimal, _figure)
_Dumper.add_representer(_Block, _block)


def as_yaml(of_plan: str, versions: Iterable[ProposePlanVersion]) -> str:
    """Versions as they stand in a plan file, for one to be begun with; the examples are left to be written."""
    versions_yaml = [
        yaml.dump(
            {"versions": [_written(version)]},
            Dumper=_Dumper,
            sort_keys=False,
            allow_unicode=True,
            default_flow_style=None,
            width=LINE_WIDTH,
        ).removeprefix("versions:\n")
        for version in versions
    ]
    return f"plan: {of_plan}\n\nversions:\n" + "\n".join(versions_yaml)


def _written(version: ProposePlanVersion) -> dict[str, Any]:
    """What differs from what is meant without a word, in the order in which a person reads it."""
    fields = version.model_dump(by_alias=True, exclude_defaults=True)
    if "applies_to" in fields:
        fields["applies_to"] = version.applies_to.model_dump(by_alias=True, exclude_none=True)
    own = {name: _plainly(fields[name]) for name in VersionInFile.model_fields if name in fields}
    return _Block(version=version.plan_version, **own)


def _plainly(value: Any) -> Any:
    """Rates as percentages, and amounts in units, as many digits as their currency has."""
    if isinstance(value, list | tuple):
        return [_plainly(one) for one in value]
    if not isinstance(value, dict):
        return value
    fields: dict[str, Any] = {}
    for name, inner in value.items():
        if name in ("rate", "clawback_rate"):
            fields[name] = f"{plain(Decimal(inner) * 100)}%"
        elif name == "amount_minor":
            per_unit = MINOR_UNITS[value.get("currency", "USD")]
            digits = len(str(per_unit - 1)) if per_unit > 1 else 0
            fields["amount"] = Decimal(f"{Decimal(inner) / per_unit:.{digits}f}")
        elif name == "multiple":
            fields[name] = Decimal(plain(Decimal(inner)))
        else:
            fields[name] = _plainly(inner)
    return fields
