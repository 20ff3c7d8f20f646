"""Which plan version pays an agent for an item, and why it applies: nobody else decides that."""

from datetime import timedelta
from typing import NamedTuple, assert_never

from domain import months
from domain.plan import (
    CHARGE_KINDS,
    AsContractsExpire,
    Cohort,
    Differential,
    End,
    Flat,
    FromRenewal,
    Override,
    OverridePercentOfCommission,
    OverridePercentOfMrc,
    PercentOfCommission,
    Retroactive,
    Rule,
    Selector,
    ServiceMonthsFrom,
    SignedOrRenewedFrom,
)
from domain.rating.facts import AccountFacts, AgentFacts, Cell, HouseFacts, PlanVersion, Service, Term
from domain.rating.release_1.reached import version_words
from domain.rating.release_1.shares import MONTH, Reach


class Subject(NamedTuple):
    """What a version and a rule are chosen for."""

    account: AccountFacts
    house: HouseFacts
    cell: Cell
    service: Service | None
    product: str | None
    category: str | None
    vendor: str
    known: int
    once: bool
    named: str | None
    reported: int
    """The month in which a reversal was reported; 0 for others."""

    def matches(self, selector: Selector) -> bool:
        """Whether a rule is for it. A service goes by its own name, and by that with its contract's before it."""
        names = (self.service.service, self.service.name) if self.service else (self.named,)
        return selector.matches(
            selector.service if selector.service in names else None,
            self.account.account,
            self.product,
            self.category,
            CHARGE_KINDS[self.cell.kind],
            self.vendor,
        )

    def of_contract(self) -> Service | None:
        """A service of the item's contract; None where the item has no one contract."""
        if self.service is not None:
            return self.service
        services = [s for s in self.account.services.values() if s.service_no <= self.known]
        return services[0] if len({s.contract for s in services}) == 1 else None


class Chosen(NamedTuple):
    version: PlanVersion
    reach: Reach

    @property
    def words(self) -> str:
        return version_words(self.version.plan, self.version.number, self.version.position, self.reach)


def plan_version(subject: Subject, agent: str, level: int = 0) -> Chosen | str:
    """The plan version that pays the agent for this item, or why there is none.

    ``level`` 0 is the selling agent itself, 1 its own upline, who is paid by an override, 2 the one above.
    """
    known, month = subject.known, subject.cell.month
    facts = subject.house.agents[agent]
    if (ended := facts.unpaid_since(month, known)) is not None:
        since = f"{ended.effective_on} (position {ended.position})"
        return f"{agent} is terminated since {since}, without evergreen"
    agreement = facts.agreement_in(month, known)
    if agreement is None:
        return f"{agent} has no agreement in force in {MONTH}"
    chosen = _of_today(subject, agreement.plan, level) or _latest(subject, agreement.plan, month)
    if chosen is None:
        return f"no published version of plan {agreement.plan} applies in {MONTH}"
    for end in chosen.version.ends_with:
        if ended_by := _ended_by(end, subject, facts):
            return f"{ended_by}; {chosen.words}, pays no evergreen"
    return chosen


def rule_for(subject: Subject, version: PlanVersion) -> Rule | None:
    """Exactly one rule pays: the most specific that matches. A flat amount pays items in its own currency."""
    for rule in version.once if subject.once else version.monthly:
        if isinstance(rule.pay, Flat) and rule.pay.currency != subject.cell.currency:
            continue
        if subject.matches(rule.when):
            return rule
    return None


def override_for(subject: Subject, version: PlanVersion, level: int) -> Override | None:
    """The override that a version pays to whoever stands so far above the selling agent: the most specific."""
    for override in version.overrides:
        monthly = isinstance(override.pay, OverridePercentOfCommission | OverridePercentOfMrc)
        if subject.once and monthly and override.when.charge_kind != "spiff":
            continue
        if override.level in (None, level) and subject.matches(override.when):
            return override
    return None


def _of_today(subject: Subject, plan: str, level: int) -> Chosen | None:
    """The version of the month in which a reversal was reported, if it is to rate it: and can, by the line."""
    if not subject.reported:
        return None
    chosen = _latest(subject, plan, subject.reported)
    if chosen is None or not chosen.version.reverses_today or _pays_by_month(subject, chosen.version, level):
        return None
    return chosen._replace(reach=chosen.reach._replace(reported=subject.reported))


def _pays_by_month(subject: Subject, version: PlanVersion, level: int) -> bool:
    """Whether a version pays by the month in service: of that nothing can be taken back for a line."""
    override = override_for(subject, version, level) if level else None
    if level and override is None:
        return False
    if override is not None and not isinstance(override.pay, Differential):
        return isinstance(override.pay, OverridePercentOfMrc)
    rule = rule_for(subject, version)  # of which a differential override is a part too
    return rule is not None and not isinstance(rule.pay, PercentOfCommission)


def _latest(subject: Subject, plan: str, month: int) -> Chosen | None:
    """Of the versions that apply in a month that with the latest date, of these that with the highest number."""
    found: Chosen | None = None
    for version in subject.house.plans.get(plan, ()):
        if not version.position <= subject.known < version.ended:
            continue
        order = (version.applies_to.from_, version.number)
        if found is None or order > (found.version.applies_to.from_, found.version.number):
            reach = _reach(subject, version, month)
            found = Chosen(version, reach) if reach is not None else found
    return found


def _reach(subject: Subject, version: PlanVersion, month: int) -> Reach | None:
    """Why a version applies in a month; None where it does not."""
    applies = version.applies_to
    match applies:
        case ServiceMonthsFrom() | Retroactive():
            return Reach(applies) if version.from_month <= month < version.until_month else None
        case SignedOrRenewedFrom() | FromRenewal():
            service = subject.of_contract()
            term = service.term_in(month, subject.known) if service else None
            signed_counts = isinstance(applies, SignedOrRenewedFrom)
            in_time = term is not None and applies.from_ <= term.on and (signed_counts or term.renewal)
            return Reach(applies, term) if in_time else None
        case Cohort():
            service = subject.of_contract() if version.from_month <= month else None
            joined = _joined(service, applies, month, subject.known) if service else None
            return Reach(applies, joined) if joined is not None else None
        case AsContractsExpire():
            service = subject.of_contract() if version.from_month <= month else None
            over = _over(service, applies, month, subject.known) if service else None
            return Reach(applies, over) if over is not None else None
        case _:
            assert_never(applies)


def _joined(service: Service, applies: Cohort, month: int, known: int) -> Term | None:
    """The last signing or renewal by the end of the month by which the contract came into the cohort.

    As everywhere, a signing counts for months before it too: a service can be older than its contract.
    """
    day, until = months.last_day(month), applies.cohort_until
    found: Term | None = None
    for term in service.terms:
        if term.position > known or (term.renewal and term.on > day):
            continue
        asked = applies.contracts == "signed-or-renewed" or (applies.contracts == "renewed") == term.renewal
        in_cohort = applies.cohort_from <= term.on and (until is None or term.on < until)
        if asked and in_cohort and (found is None or (term.on, term.position) > (found.on, found.position)):
            found = term
    return found


def _over(service: Service, applies: AsContractsExpire, month: int, known: int) -> Term | None:
    """By which term the contract is past the one that it had before the version's date; None where it is not yet.

    That term itself where it expired or has no fixed end, else the renewal or the signing that came after.
    """
    before = service.term_before(applies.from_, known)
    if before is None:
        return service.term_in(month, known)
    if before.expires_on is None or months.first_month_from(before.expires_on) <= month:
        return before
    renewed_on = service.renewed_after(applies.from_, known)
    return service.term_in(month, known) if renewed_on and months.number_of(renewed_on) <= month else None


def _ended_by(end: End, subject: Subject, agent: AgentFacts) -> str:
    """What ended by the month, whether or not the end itself grants evergreen; nothing where it goes on.

    A SPIFF that was due when the service was activated stays due.
    """
    month, known = subject.cell.month, subject.known
    match end:
        case "contract-term":
            service = subject.of_contract()
            term = service.term_in(month, known) if service else None
            if term is None or term.expires_on is None or month < months.first_month_from(term.expires_on):
                return ""
            return f"the contract's term ended on {term.expires_on - timedelta(1)} (position {term.position})"
        case "agent-agreement":
            terminated = next(agent.terminated_by(month, known), None)
            if terminated is None:
                return ""
            return f"{agent.agent} is terminated since {terminated.effective_on} (position {terminated.position})"
        case "vendor-agreement":
            start = subject.service.activated_on(known) if subject.service and subject.once else None
            due = start.position if start else known
            payer = subject.account.successor_of(subject.vendor, month, due)
            ended = subject.house.agreement_end(payer, month, due)
            return f"the agreement of {payer} ended on {ended.on} (position {ended.position})" if ended else ""
        case _:
            assert_never(end)
