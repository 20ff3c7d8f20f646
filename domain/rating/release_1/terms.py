"""Who is paid how: the plan version, the rule and the overrides, compiled to coefficients for a season of months."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import prod
from typing import NamedTuple

from domain import months
from domain.money import plain, show
from domain.plan import (
    Differential,
    Flat,
    MultipleOfMrcOnce,
    Override,
    OverridePercentOfCommission,
    OverridePercentOfMrc,
    PercentOfCommission,
    PercentOfDownlineShare,
    PercentOfMrc,
    Rule,
)
from domain.rating.attribution import (
    agent_of_record,
    commission_agents,
    has_own_agent,
    nobody_here_is_paid,
    service_names,
    services_differ,
)
from domain.rating.facts import (
    NEVER,
    AccountFacts,
    Cell,
    Designation,
    HouseFacts,
    Service,
)
from domain.rating.release_1.shares import (
    HOUSE,
    MONTH,
    ROLES_PER_SPLIT,
    WHOLE,
    Base,
    Coefficient,
    Season,
    Split,
    Step,
    Terms,
    TermsCache,
    Why,
    Zero,
    agent_payee,
    percent,
)
from domain.rating.release_1.versions import Subject, override_for, plan_version, rule_for


def terms(
    account: AccountFacts,
    house: HouseFacts,
    cell: Cell,
    service: Service | None,
    product: str | None,
    vendor: str,
    known: int,
    cache: TermsCache,
    *,
    once: bool = False,
    named: str | None = None,
    reported: int = 0,
) -> Terms:
    """The compiled terms for items of one month, kind, service and product; compiled once for what is known.

    ``named`` is the service as a line names it, which counts where the account has no such service; ``reported`` the
    month in which a reversal was reported, where that may choose the version.
    """
    key = (cell.kind, cell.currency, service.name if service else named, product, vendor, once, reported)
    compiled = cache.get(key)
    if compiled is None:
        compiled = cache[key] = []
    for (first, after), found in compiled:
        if first <= cell.month < after:
            return found
    found = _compile(account, house, cell, service, named, product, vendor, known, once, reported)
    compiled.append((_season(account, house, cell.month), found))
    return found


def _season(account: AccountFacts, house: HouseFacts, month: int) -> Season:
    """The longest season around a month: from the last turn up to it to the first turn after it."""
    first, after = 0, NEVER
    for turn in _turns(account, house):
        if turn > month:
            after = min(after, turn)
        elif turn > first:
            first = turn
    return Season(first, after)


def _turns(account: AccountFacts, house: HouseFacts) -> Iterator[int]:
    """Every month from which on anything that terms are made of may be another than in the month before.

    Knows of more than is known at a position: that only makes seasons shorter.
    """
    agents: set[str] = set()
    for aor in account.designations:
        yield months.number_of(aor.effective_on)
        if aor.stays_at_latest is not None:
            yield months.first_month_from(aor.stays_at_latest)
        agents.update(agent for agent, _ in aor.agents)
    yield from (months.number_of(agency.effective_on) for agency in account.agencies)
    yield from (months.first_month_from(succession.on) for succession in account.successions)
    yield from (agreement.month for of_vendor in house.vendor_agreements.values() for agreement in of_vendor)
    for service in account.services.values():
        for term in service.terms:
            yield months.number_of(term.on)
            yield months.first_month_from(term.on)
            if (expires_on := term.expires_on) is not None:
                yield months.first_month_from(expires_on)
    for agent in _with_uplines(house, agents):
        facts = house.agents[agent]
        yield from (upline.month for upline in facts.uplines)
        yield from (months.first_month_from(ended.effective_on) for ended in facts.terminations)
        for agreement in facts.agreements:
            yield months.number_of(agreement.effective_on)
            for version in house.plans.get(agreement.plan, ()):
                yield version.from_month
                yield version.until_month


def _with_uplines(house: HouseFacts, agents: Iterable[str]) -> set[str]:
    """The agents and everybody who ever stood above them."""
    found: set[str] = set()
    waiting = list(agents)
    while waiting:
        agent = waiting.pop()
        if agent not in found:
            found.add(agent)
            waiting.extend(u.upline for u in house.agents[agent].uplines if u.upline is not None)
    return found


def _compile(
    account: AccountFacts,
    house: HouseFacts,
    cell: Cell,
    service: Service | None,
    named: str | None,
    product: str | None,
    vendor: str,
    known: int,
    once: bool,
    reported: int,
) -> Terms:
    day = months.last_day(cell.month)
    elsewhere = _nobody_here(account, house, cell, service, vendor, known, once)
    if service is None and not has_own_agent(account, named, day, known) and services_differ(account, day, known):
        what = f"a service {named} that the account does not have" if named else "no service"
        because = f"the line names {what}, and the account's services have different agents"
        return Terms((), suspense_because=elsewhere or because)
    aor = _paid_agents(account, service, named, cell, known, once)
    if aor is None:
        return Terms(
            (), (Zero(HOUSE, f"{account.account} has no agent of record in {MONTH}"),), suspense_because=elsewhere
        )
    product = product or (service.product if service else None)
    category = house.category_of(vendor, product, known) or (service.category if service else None)
    subject = Subject(account, house, cell, service, product, category, vendor, known, once, named, reported)
    stay = None if once else agent_of_record(account.designations, service_names(service, named), day, known)
    stay = None if stay == aor else stay
    splits = tuple(_split(subject, aor, index, stay) for index in range(len(aor.agents)))
    if elsewhere:
        return _withheld(splits, elsewhere)
    return Terms(splits, _not_reached_yet(stay, aor))


def _nobody_here(
    account: AccountFacts, house: HouseFacts, cell: Cell, service: Service | None, vendor: str, known: int, once: bool
) -> str:
    """Why nobody here is paid for the month. A SPIFF that was due when the service was activated stays due."""
    payer = account.successor_of(vendor, cell.month, known)
    because = nobody_here_is_paid(account, house, payer, cell.month, known)
    start = service.activated_on(known) if because and service and once else None
    if start is not None and not nobody_here_is_paid(account, house, vendor, cell.month, start.position):
        return ""
    return because


def _withheld(splits: tuple[Split, ...], because: str) -> Terms:
    """Nothing is paid, and everybody who would be is told why."""
    payees = {c.payee: None for split in splits for c in (*split.commission, *split.by_service)}
    zeros = [zero for split in splits for zero in split.zeros]
    zeros += [Zero(payee, because) for payee in payees]
    return Terms((), tuple(zeros), because, any(split.by_service for split in splits))


def _not_reached_yet(stay: Designation | None, aor: Designation) -> tuple[Zero, ...]:
    """Agents of record who wait until commission no longer stays with the former ones."""
    if stay is None:
        return ()
    former = " and ".join(agent for agent, _ in aor.agents)
    reason = f"commission stays with {former} until the contract renews, at the latest {stay.stays_at_latest}"
    return tuple(
        Zero(agent_payee(agent), f"{reason} (position {stay.position})")
        for agent, _ in stay.agents
        if agent not in dict(aor.agents)
    )


def _paid_agents(
    account: AccountFacts, service: Service | None, named: str | None, cell: Cell, known: int, once: bool
) -> Designation | None:
    """Whom the month's money goes to. A SPIFF stays with whom it was first due to, and so does its clawback."""
    day = months.last_day(cell.month)
    start = service.activated_on(known) if service and once else None
    if start is None:
        return commission_agents(account, service, day, known, named)
    later = sorted(d.position for d in account.designations if start.position < d.position <= known)
    for first_known in (start.position, *later):
        aor = commission_agents(account, service, day, first_known)
        if aor is not None:
            return aor
    return None


def _split(subject: Subject, aor: Designation, index: int, stay: Designation | None) -> Split:
    """What one agent of record and everybody above it are paid."""
    agent, weight = aor.agents[index]
    chosen = plan_version(subject, agent)
    rule = rule_for(subject, chosen.version) if not isinstance(chosen, str) else None
    if isinstance(chosen, str) or rule is None:
        reason = chosen if isinstance(chosen, str) else f"{chosen.words}, has no rule for this item"
        return Split(agent, weight, (), (), 0, 0, WHOLE, tuple(_all_nothing(subject, agent, reason)))
    pay = _pay(rule)
    role = index * ROLES_PER_SPLIT
    part = _weight_step(aor, index, pay.base)
    version = chosen.version
    of = (version.plan, version.number, version.position, chosen.reach)
    why = Why(pay.words, rule.rule, *of, aor, part, stay=stay)
    overrides, zeros = _overrides(subject, why, index, pay)
    coefficients = _with_seller(agent_payee(agent), role, pay, why, overrides)
    clawed = rule.pay if isinstance(rule.pay, MultipleOfMrcOnce | Flat) else None
    return Split(
        agent,
        weight,
        tuple(c for c in coefficients if c.base == "commission"),
        tuple(c for c in coefficients if c.base != "commission"),
        rule.pay.amount_minor if isinstance(rule.pay, Flat) else 0,
        clawed.clawback_within_days if clawed else 0,
        _exact(clawed.clawback_rate) if clawed else WHOLE,
        tuple(zeros),
    )


def _weight_step(aor: Designation, index: int, base: Base) -> tuple[Step, ...]:
    """One agent's part where several are agents of record together; a flat amount is divided by itself."""
    if len(aor.agents) == 1 or base == "flat":
        return ()
    weight, total = aor.agents[index][1], sum(weight for _, weight in aor.agents)
    return (Step(f"{weight}/{total} of {{of}}", Fraction(weight, total)),)


def _all_nothing(subject: Subject, agent: str, reason: str) -> Iterator[Zero]:
    """The seller's zero, and those of everybody above who would have an override."""
    yield Zero(agent_payee(agent), reason)
    for level, upline in enumerate(_uplines(subject, agent), start=1):
        chosen = plan_version(subject, upline, level)
        if not isinstance(chosen, str) and override_for(subject, chosen.version, level) is not None:
            yield Zero(agent_payee(upline), f"the downline is paid nothing: {reason}")


def _coefficient(payee: str, role: int, why: Why, base: Base) -> Coefficient:
    product = prod([step.factor for step in why.steps[1:]], start=why.steps[0].factor if why.steps else WHOLE)
    return Coefficient(payee, role, product.numerator, product.denominator, why, base)


def _with_seller(payee: str, role: int, pay: "_Paid", why: Why, overrides: list["_Override"]) -> list[Coefficient]:
    """The seller's own part, less the overrides that it funds, and the overrides."""
    funded = [o for o in overrides if o.funded_by_agent]
    if funded:
        why = why._replace(words=f"{why.words}, less the overrides that the agent funds")
    less = [o for o in funded if o.coefficient.base == pay.base]
    steps = pay.steps
    if less:
        own = pay.rate - sum((o.rate for o in less), Fraction(0))
        rates = " − ".join(percent(rate) for rate in (pay.rate, *(o.rate for o in less)))
        steps = (Step(f"{rates} of {{of}}", own),)
    coefficients = [_coefficient(payee, role, why._replace(steps=(*why.steps, *steps)), pay.base)]
    for override in overrides:
        taken = override.coefficient
        coefficients.append(taken)
        if override.funded_by_agent and taken.base != pay.base:
            back = why._replace(steps=(*taken.why.steps, Step("taken from {of}", Fraction(-1))))
            coefficients.append(_coefficient(payee, taken.role + ROLES_PER_SPLIT // 2, back, taken.base))
    return coefficients


class _Paid(NamedTuple):
    """The base that a pay is a part of, the part, its words, and what a person multiplies."""

    base: Base
    rate: Fraction
    words: str
    steps: tuple[Step, ...]


def _pay(rule: Rule) -> _Paid:
    match rule.pay:
        case PercentOfCommission():
            part = _percent_of(rule.pay.rate)
            return _Paid("commission", part.factor, f"{percent(rule.pay.rate)} of commission received", (part,))
        case PercentOfMrc():
            part = _percent_of(rule.pay.rate)
            return _Paid("mrc", part.factor, f"{percent(rule.pay.rate)} of MRC", (part,))
        case MultipleOfMrcOnce():
            multiple = plain(rule.pay.multiple)
            rate = _exact(rule.pay.multiple)
            return _Paid("mrc", rate, f"SPIFF of {multiple} × MRC", (Step(f"{multiple} × {{of}}", rate),))
        case Flat():
            amount = show(rule.pay.amount_minor, rule.pay.currency)
            return _Paid("flat", Fraction(1), f"flat {amount}", ())


@lru_cache
def _percent_of(rate: Decimal) -> Step:
    return Step(f"{percent(rate)} of {{of}}", Fraction(rate))


@lru_cache
def _exact(rate: Decimal) -> Fraction:
    return Fraction(rate)


# -- overrides


class _Override(NamedTuple):
    rate: Fraction
    funded_by_agent: bool
    coefficient: Coefficient


def _overrides(subject: Subject, seller_why: Why, index: int, pay: _Paid) -> tuple[list[_Override], list[Zero]]:
    """What everybody above one agent of record is paid, level by level."""
    seller, role = seller_why.aor.agents[index][0], index * ROLES_PER_SPLIT
    found: list[_Override] = []
    zeros: list[Zero] = []
    highest = pay.rate
    path = [seller]
    for level, upline in enumerate(_uplines(subject, seller), start=1):
        path.append(upline)
        chosen = plan_version(subject, upline, level)
        if isinstance(chosen, str):
            zeros.append(Zero(agent_payee(upline), chosen))
            continue
        version = chosen.version
        own_rule = rule_for(subject, version)
        own = _pay(own_rule) if own_rule else None
        override = override_for(subject, version, level)
        if override is not None:
            paid = _override_paid(override, pay, own, highest)
            if isinstance(paid, str):
                zeros.append(Zero(agent_payee(upline), paid))
            else:
                why = seller_why._replace(
                    words=paid.words,
                    rule=override.rule,
                    plan=version.plan,
                    plan_version=version.number,
                    plan_position=version.position,
                    reach=chosen.reach,
                    steps=(*_weight_step(seller_why.aor, index, paid.base), *paid.steps),
                    path=tuple(path),
                )
                coefficient = _coefficient(agent_payee(upline), role + level, why, paid.base)
                found.append(_Override(paid.rate, override.funded_by == "agent", coefficient))
        if own is not None and own.base == pay.base:
            highest = max(highest, own.rate)
    return found, zeros


def _uplines(subject: Subject, agent: str) -> Iterator[str]:
    """The chain above an agent in the service month."""
    seen = {agent}
    while True:
        upline = subject.house.agents[agent].upline_in(subject.cell.month, subject.known)
        if upline is None or upline.upline is None or upline.upline in seen:
            return
        agent = upline.upline
        seen.add(agent)
        yield agent


def _override_paid(override: Override, pay: _Paid, own: _Paid | None, highest: Fraction) -> _Paid | str:
    """What an override pays; or why it is nothing."""
    match override.pay:
        case OverridePercentOfCommission():
            part = _percent_of(override.pay.rate)
            words = f"override of {percent(override.pay.rate)} of commission received"
            return _Paid("commission", part.factor, words, (part,))
        case OverridePercentOfMrc():
            part = _percent_of(override.pay.rate)
            return _Paid("mrc", part.factor, f"override of {percent(override.pay.rate)} of MRC", (part,))
        case PercentOfDownlineShare():
            part = _percent_of(override.pay.rate)
            words = f"override of {percent(override.pay.rate)} of the downline's share"
            return _Paid(pay.base, part.factor * pay.rate, words, (*pay.steps, part))
        case Differential():
            if own is None or own.base != pay.base:
                return "own rate and the downline's are of different bases"
            if own.rate <= highest:
                return "downline's rate is at or above own rate"
            words = f"differential override: own {percent(own.rate)} less {percent(highest)}, the highest rate below"
            step = Step(f"{percent(own.rate)} − {percent(highest)} of {{of}}", own.rate - highest)
            return _Paid(pay.base, own.rate - highest, words, (step,))
