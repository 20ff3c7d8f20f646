"""What a plan version says, in words: whom it applies to, what each rule pays, what commission ends with."""

from typing import assert_never

from domain import months
from domain.money import plain
from domain.plan import (
    ORIGIN,
    AppliesTo,
    AsContractsExpire,
    Cohort,
    Differential,
    End,
    Flat,
    FromRenewal,
    MultipleOfMrcOnce,
    Override,
    OverridePay,
    OverridePercentOfCommission,
    OverridePercentOfMrc,
    Pay,
    PercentOfCommission,
    PercentOfDownlineShare,
    PercentOfMrc,
    PlanVersionBody,
    ProposePlanVersion,
    Retroactive,
    Rule,
    Selector,
    ServiceMonthsFrom,
    SignedOrRenewedFrom,
)
from projections.audit_trail.words import and_, in_units, percent


def applies_to(applies: AppliesTo) -> str:
    since = months.text(months.number_of(applies.from_))
    match applies:
        case ServiceMonthsFrom():
            return "for every service month" if applies.from_ == ORIGIN else f"for service months from {since}"
        case SignedOrRenewedFrom():
            return f"for services of contracts signed or last renewed from {applies.from_}"
        case FromRenewal():
            return f"for services of contracts last renewed from {applies.from_}, of each when it renews"
        case Cohort():
            how = applies.contracts.replace("-", " ")
            until = f" to before {applies.cohort_until}" if applies.cohort_until else ""
            return f"for services of contracts {how} from {applies.cohort_from}{until}, in service months from {since}"
        case AsContractsExpire():
            return f"for services of each contract as its term expires or is renewed, in service months from {since}"
        case Retroactive():
            until = f" to before {months.text(months.number_of(applies.until))}" if applies.until else ""
            return f"for service months from {since}{until}, also such as were paid"
        case _:
            assert_never(applies)


_ENDS: dict[End, str] = {
    "contract-term": "the contract's term",
    "agent-agreement": "the agent's agreement",
    "vendor-agreement": "the vendor's agreement",
}


def ends(version: PlanVersionBody | ProposePlanVersion) -> str:
    return f"; commission ends with {and_(_ENDS[end] for end in version.ends_with)}" if version.ends_with else ""


def reversals(version: PlanVersionBody | ProposePlanVersion) -> str:
    today = version.reversals == "schedule-of-today"
    return "; reversals reported in its months use it, whatever paid" if today else ""


def rule(rule: Rule) -> str:
    return f"{rule.rule} pays {pay(rule.pay)}{when(rule.when)}"


def pay(pay: Pay) -> str:
    match pay:
        case PercentOfCommission():
            return f"{percent(pay.rate)} of commission received"
        case PercentOfMrc():
            return f"{percent(pay.rate)} of MRC for each month in service"
        case MultipleOfMrcOnce():
            return f"{plain(pay.multiple)} × MRC once, at activation{_clawback(pay)}"
        case Flat():
            every = "for each month in service" if pay.every == "month" else f"once, at activation{_clawback(pay)}"
            return f"{in_units(pay.amount_minor, pay.currency)} {every}"
        case _:
            assert_never(pay)


def _clawback(pay: MultipleOfMrcOnce | Flat) -> str:
    if not pay.clawback_within_days:
        return ""
    return f" ({percent(pay.clawback_rate)} taken back if disconnected within {pay.clawback_within_days} days)"


def override(override: Override) -> str:
    level = f"level {override.level}" if override.level else "every level"
    pays = f"override {override.rule} pays {override_pay(override.pay)} at {level}"
    return f"{pays}{when(override.when)}, funded by the {override.funded_by}"


def override_pay(pay: OverridePay) -> str:
    match pay:
        case OverridePercentOfCommission():
            return f"{percent(pay.rate)} of commission received"
        case OverridePercentOfMrc():
            return f"{percent(pay.rate)} of MRC"
        case PercentOfDownlineShare():
            return f"{percent(pay.rate)} of the downline's share"
        case Differential():
            return "the upline's own rate less the highest rate below it"
        case _:
            assert_never(pay)


def when(when: Selector) -> str:
    named = when.model_dump(exclude_none=True)
    words = and_(f"{field.replace('_', ' ')} {value}" for field, value in named.items())
    return f" for {words}" if words else ""
