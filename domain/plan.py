"""A plan: the commission rules the house pays by, as data, in versions.

    (none) ── PlanVersionProposed ──▶ proposed ── PlanVersionPublished ──▶ published   (a second person publishes)
                                         ├── PlanVersionPromoted ──▶ published ── PlanVersionEnded ──▶ ended
                                         │   (by the promotion of a reprojection; ended by the promotion that undoes it)
                                         └── PlanVersionWithdrawn ──▶ (none)

Units: rates are exact factors of one; ``amount_minor`` in minor units of its currency. A version says whom it
applies to; of those that apply to an item the one with the latest ``from`` pays, and of these the highest number. Of
its rules that match the item the most specific one pays, and exactly one: service before account before product before
category before charge kind before vendor before default (published order: RPM, example M02; OCA commission, example
O02).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal, assert_never

from pydantic import AfterValidator, ConfigDict, Field

from domain.ids import (
    AccountId,
    CategoryId,
    PlanId,
    ProductId,
    ReprojectionId,
    ServiceId,
    Slug,
    VendorId,
    Words,
    plan_stream,
)
from domain.message import (
    Actor,
    Command,
    Context,
    Event,
    Model,
    Refused,
    Streams,
    Upcasts,
    dated,
    last_event,
    unchanged,
)
from domain.money import Currency, Minor, Rate
from domain.months import number_of

ChargeKind = Literal["recurring", "usage", "one-time", "spiff"]
CHARGE_KINDS: tuple[ChargeKind, ...] = ("recurring", "usage", "one-time", "spiff")
ORIGIN = date(1900, 1, 1)


def _percentage(rate: Decimal) -> Decimal:
    if rate > MOST_OF_A_BASE:
        raise ValueError(f"{rate} is {rate * 100}%; write 80% or 0.8 for eighty percent")
    return rate


MOST_OF_A_BASE = 2
"""No plan pays more than twice what came in or is billed; a larger rate is a percentage written as a number."""

PercentRate = Annotated[Rate, Field(ge=0), AfterValidator(_percentage)]
Multiple = Annotated[Rate, Field(ge=0, le=100)]

# -- what a version says


class ServiceMonthsFrom(Model):
    """Applies to every service month from the month of ``from`` on."""

    kind: Literal["service-months-from"] = "service-months-from"
    from_: Annotated[date, Field(alias="from")] = ORIGIN
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)


class SignedOrRenewedFrom(Model):
    """Applies to services under a contract signed, or last renewed, on ``from`` or later."""

    kind: Literal["signed-or-renewed-from"]
    from_: Annotated[date, Field(alias="from")]
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)


class FromRenewal(Model):
    """Applies to services under a contract last renewed on ``from`` or later: to each when it renews."""

    kind: Literal["from-renewal"]
    from_: Annotated[date, Field(alias="from")]
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)


class Cohort(Model):
    """Applies, from the month of ``from`` on, to services under contracts that were signed or renewed in the cohort.

    That is on ``cohort_from`` or later, and before ``cohort_until``, the first day no longer in it. A contract stays in
    its cohort when it is renewed again.
    """

    kind: Literal["cohort"]
    contracts: Literal["signed", "renewed", "signed-or-renewed"] = "signed-or-renewed"
    cohort_from: date
    cohort_until: date | None = None
    from_: Annotated[date, Field(alias="from")]
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)


class AsContractsExpire(Model):
    """Applies to services under each contract, from the month of ``from`` on, once the term before ``from`` is over.

    That term ends when it expires, or when the contract is renewed if that is earlier. A contract signed on ``from``
    or later, and one without a fixed term, has none that would have to end first.
    """

    kind: Literal["as-contracts-expire"]
    from_: Annotated[date, Field(alias="from")]
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)


class Retroactive(Model):
    """Applies to every service month from the month of ``from`` to before that of ``until``, also to months paid."""

    kind: Literal["retroactive"]
    from_: Annotated[date, Field(alias="from")]
    until: date | None = None
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)


AppliesTo = Annotated[
    ServiceMonthsFrom | SignedOrRenewedFrom | FromRenewal | Cohort | AsContractsExpire | Retroactive,
    Field(discriminator="kind"),
]


def _dates_known(applies: AppliesTo) -> AppliesTo:
    for _, value in applies:
        dated(value)
    return applies


AppliesToGiven = Annotated[AppliesTo, AfterValidator(_dates_known)]
"""As somebody gives it: its dates lie in the centuries that months are of."""

End = Literal["contract-term", "agent-agreement", "vendor-agreement"]
"""What commission may end with: the term of the item's contract, the house's agreement with the agent, the vendor's
with the house."""

Reversals = Literal["schedule-that-paid", "schedule-of-today"]
"""Which version rates a negative line: that of its service month, or that of the month in which it was reported."""


class Selector(Model):
    """Which items a rule is for; what is left out matches everything.

    Of the rules that match, the one that names a service pays; if none does, the one that names an account, then a
    product, a category, a charge kind, a vendor; then the rule that names nothing.
    """

    service: ServiceId | None = None
    account: AccountId | None = None
    product: ProductId | None = None
    category: CategoryId | None = None
    charge_kind: ChargeKind | None = None
    vendor: VendorId | None = None

    @property
    def specificity(self) -> tuple[bool, ...]:
        """Compares as the order of precedence: service, account, product, category, charge kind, vendor."""
        return tuple(
            named is not None
            for named in (self.service, self.account, self.product, self.category, self.charge_kind, self.vendor)
        )

    def matches(
        self,
        service: str | None,
        account: str,
        product: str | None,
        category: str | None,
        charge_kind: str,
        vendor: str,
    ) -> bool:
        return (
            self.service in (None, service)
            and self.account in (None, account)
            and self.product in (None, product)
            and self.category in (None, category)
            and self.charge_kind in (None, charge_kind)
            and self.vendor in (None, vendor)
        )


class PercentOfCommission(Model):
    """A part of each statement line's commission received."""

    kind: Literal["percent-of-commission"]
    rate: PercentRate


class PercentOfMrc(Model):
    """A part of a service's MRC for each month in service that the vendor has reported on, paid or not."""

    kind: Literal["percent-of-mrc"]
    rate: PercentRate


class MultipleOfMrcOnce(Model):
    """A SPIFF: a multiple of the MRC, once, when the service is activated.

    Disconnected within ``clawback_within_days`` days of activation, ``clawback_rate`` of it is taken back.
    """

    kind: Literal["multiple-of-mrc-once"]
    multiple: Multiple
    clawback_within_days: Annotated[int, Field(ge=0, le=3650)] = 0
    clawback_rate: Annotated[Rate, Field(ge=0, le=1)] = Decimal(1)


class Flat(Model):
    """A flat amount for a service: each month in service that the vendor has reported on, or once at activation."""

    kind: Literal["flat"]
    amount_minor: Annotated[Minor, Field(ge=0)]
    currency: Currency = "USD"
    every: Literal["month", "once"] = "month"
    clawback_within_days: Annotated[int, Field(ge=0, le=3650)] = 0
    clawback_rate: Annotated[Rate, Field(ge=0, le=1)] = Decimal(1)


Pay = Annotated[PercentOfCommission | PercentOfMrc | MultipleOfMrcOnce | Flat, Field(discriminator="kind")]


class Rule(Model):
    rule: Slug
    when: Selector = Selector()
    pay: Pay


class OverridePercentOfCommission(Model):
    kind: Literal["percent-of-commission"]
    rate: PercentRate


class OverridePercentOfMrc(Model):
    kind: Literal["percent-of-mrc"]
    rate: PercentRate


class PercentOfDownlineShare(Model):
    """A part of the selling agent's exact share, at every level (published example M08)."""

    kind: Literal["percent-of-downline-share"]
    rate: PercentRate


class Differential(Model):
    """The upline's own rate for the item less the highest rate below it, never negative (analyst scenario S07)."""

    kind: Literal["differential"]


OverridePay = Annotated[
    OverridePercentOfCommission | OverridePercentOfMrc | PercentOfDownlineShare | Differential,
    Field(discriminator="kind"),
]


class Override(Model):
    """What an agent on this plan earns on the items of its downlines.

    ``level`` 1 is the selling agent's own upline, 2 the one above; without a level it holds at every level.
    """

    rule: Slug
    when: Selector = Selector()
    level: Annotated[int, Field(ge=1, le=10)] | None = None
    pay: OverridePay
    funded_by: Literal["house", "agent"] = "house"


class PlanVersionBody(Model):
    """All that a version says."""

    plan: PlanId
    plan_version: int
    applies_to: AppliesTo
    rules: tuple[Rule, ...]
    overrides: tuple[Override, ...]
    ends_with: tuple[End, ...] = ()
    """Commission ends with these, whatever evergreen the end itself grants; with none of them, it is evergreen."""
    reversals: Reversals = "schedule-that-paid"
    """Holds for the negative lines that are reported in months to which this version applies."""
    because: str = ""
    proposed_by: Actor


# -- events


class PlanVersionProposed(Event, PlanVersionBody, topic="plan.version_proposed", version=2):
    """Version 2 knows what commission ends with, which schedule reversals use, and why there is a new version."""

    upcasts: ClassVar[Upcasts] = {1: unchanged}


class PlanVersionPublished(Event, PlanVersionBody, topic="plan.version_published", version=2):
    """Version 2 knows what that of ``PlanVersionProposed`` knows."""

    upcasts: ClassVar[Upcasts] = {1: unchanged}


class PlanVersionWithdrawn(Event, topic="plan.version_withdrawn"):
    plan: PlanId
    plan_version: int


class PlanVersionPromoted(Event, topic="plan.version_promoted"):
    """The version counts from the position of the reprojection's promotion on, which says what it says."""

    plan: PlanId
    plan_version: int
    reprojection: ReprojectionId


class PlanVersionEnded(Event, topic="plan.version_ended"):
    """The version counts no more: the promotion that brought it was undone by that of ``reprojection``."""

    plan: PlanId
    plan_version: int
    reprojection: ReprojectionId


PlanEvent = PlanVersionProposed | PlanVersionPublished | PlanVersionWithdrawn | PlanVersionPromoted | PlanVersionEnded


def body_of(event: PlanVersionProposed | PlanVersionPublished) -> PlanVersionBody:
    """The version that an event is about, without the event's own date."""
    return PlanVersionBody(**{name: getattr(event, name) for name in PlanVersionBody.model_fields})


# -- commands


class ProposePlanVersion(Command, do="propose_plan_version"):
    plan: PlanId
    plan_version: Annotated[int, Field(ge=1)] = 1
    applies_to: AppliesToGiven = ServiceMonthsFrom()
    rules: Annotated[tuple[Rule, ...], Field(max_length=500)] = ()
    overrides: Annotated[tuple[Override, ...], Field(max_length=200)] = ()
    ends_with: Annotated[tuple[End, ...], Field(max_length=3)] = ()
    reversals: Reversals = "schedule-that-paid"
    because: Words = ""
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((plan_stream(self.plan),))


class PublishPlanVersion(Command, do="publish_plan_version"):
    plan: PlanId
    plan_version: Annotated[int, Field(ge=1)] = 1
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((plan_stream(self.plan),))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(plan_stream(self.plan), versions)


class WithdrawPlanVersion(Command, do="withdraw_plan_version"):
    plan: PlanId
    plan_version: Annotated[int, Field(ge=1)] = 1
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((plan_stream(self.plan),))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(plan_stream(self.plan), versions)


PlanCommand = ProposePlanVersion | PublishPlanVersion | WithdrawPlanVersion

# -- refusals


class PlanVersionOutOfOrder(Refused):
    """Versions are numbered 1, 2, 3 …; one that is published is never proposed again."""


class PlanVersionAlreadyProposed(Refused):
    """What waits for approval is not exchanged under the approver's eyes: withdraw it, then propose again."""


class RulesAmbiguous(Refused):
    """Two rules for the same items: exactly one rule pays an item."""


class RuleNeverApplies(Refused):
    """A rule that no item can meet is a mistake: a SPIFF has charge kind spiff, a month in service recurring."""


class PeriodEmpty(Refused):
    """A cohort, and the months of a retroactive version, end after they begin."""


class PlanVersionNotProposed(Refused):
    """Only a proposed version can be published."""


class PlanVersionAlreadyPublished(Refused):
    """A version is published once."""


# -- state


@dataclass(frozen=True, slots=True)
class Plan:
    proposed: Mapping[int, PlanVersionProposed] = field(default_factory=dict)
    published: frozenset[int] = frozenset()
    ended: frozenset[int] = frozenset()
    """Of the published ones those that count no more."""


EMPTY = Plan()


def evolve(plan: Plan, event: PlanEvent) -> Plan:
    match event:
        case PlanVersionProposed():
            return replace(plan, proposed={**plan.proposed, event.plan_version: event})
        case PlanVersionPublished() | PlanVersionPromoted():
            return replace(plan, published=plan.published | {event.plan_version})
        case PlanVersionEnded():
            return replace(plan, ended=plan.ended | {event.plan_version})
        case PlanVersionWithdrawn():
            return replace(plan, proposed={n: p for n, p in plan.proposed.items() if n != event.plan_version})
        case _:
            assert_never(event)


# -- decisions


def decide(plan: Plan, command: PlanCommand, context: Context) -> list[PlanEvent]:
    effective_on = command.effective_on or context.today
    version = f"version {command.plan_version} of plan {command.plan}"
    match command:
        case ProposePlanVersion():
            expected = max(plan.published, default=0) + 1
            if command.plan_version != expected:
                raise PlanVersionOutOfOrder(f"{version} cannot be proposed; the next version is {expected}")
            if command.plan_version in plan.proposed:
                raise PlanVersionAlreadyProposed(f"{version} waits for approval; publish or withdraw it first")
            _check_period(version, command.applies_to)
            _check_unambiguous(version, command)
            _check_applicable(version, command)
            return [
                PlanVersionProposed(
                    plan=command.plan,
                    plan_version=command.plan_version,
                    applies_to=command.applies_to,
                    rules=command.rules,
                    overrides=command.overrides,
                    ends_with=command.ends_with,
                    reversals=command.reversals,
                    because=command.because,
                    proposed_by=context.actor,
                    effective_on=effective_on,
                )
            ]
        case PublishPlanVersion():
            if command.plan_version in plan.published:
                raise PlanVersionAlreadyPublished(f"{version} is published already")
            proposed = _proposed(plan, command.plan_version, version)
            context.require_second_person(proposed.proposed_by, version)
            return [PlanVersionPublished(**dict(body_of(proposed)), effective_on=effective_on)]
        case WithdrawPlanVersion():
            if command.plan_version in plan.published:
                raise PlanVersionAlreadyPublished(f"{version} is published already")
            _proposed(plan, command.plan_version, version)
            return [
                PlanVersionWithdrawn(plan=command.plan, plan_version=command.plan_version, effective_on=effective_on)
            ]
        case _:
            assert_never(command)


def _proposed(plan: Plan, number: int, version: str) -> PlanVersionProposed:
    if number not in plan.proposed:
        raise PlanVersionNotProposed(f"{version} is not proposed; propose it first")
    return plan.proposed[number]


def pays_once(pay: PercentOfCommission | PercentOfMrc | MultipleOfMrcOnce | Flat) -> bool:
    """Whether the pay is a SPIFF, earned once at activation, rather than earned month by month."""
    return isinstance(pay, MultipleOfMrcOnce) or (isinstance(pay, Flat) and pay.every == "once")


def _check_period(version: str, applies_to: AppliesTo) -> None:
    match applies_to:
        case Cohort(cohort_from=first, cohort_until=until) if until is not None and until <= first:
            raise PeriodEmpty(f"{version}: its cohort ends on {until}, and begins on {first}; let it end later")
        case Retroactive(from_=first, until=until) if until is not None and number_of(until) <= number_of(first):
            raise PeriodEmpty(
                f"{version}: it applies to no month from {first} to before {until}; let until be in a later month"
            )
        case _:
            pass


def _check_applicable(version: str, command: ProposePlanVersion) -> None:
    for rule in command.rules:
        by_month = rule.pay.kind in ("percent-of-mrc", "flat")
        kind: ChargeKind | None = "spiff" if pays_once(rule.pay) else "recurring" if by_month else None
        if kind is not None and rule.when.charge_kind not in (None, kind):
            raise RuleNeverApplies(
                f"{version}: rule {rule.rule} pays {rule.pay.kind} on charge kind {kind} only, and is for "
                f"{rule.when.charge_kind}; name {kind} or no charge kind"
            )


def _check_unambiguous(version: str, command: ProposePlanVersion) -> None:
    seen: dict[Any, str] = {}
    names: set[str] = set()
    rules = [(r.rule, ("pays once" if pays_once(r.pay) else "pays monthly", r.when)) for r in command.rules]
    overrides = [(o.rule, ("override", o.when, o.level)) for o in command.overrides]
    for name, key in [*rules, *overrides]:
        if key in seen:
            raise RulesAmbiguous(f"{version}: rules {seen[key]} and {name} are for the same items; keep one")
        if name in names:
            raise RulesAmbiguous(f"{version}: two rules are called {name}; rename one")
        seen[key] = name
        names.add(name)
