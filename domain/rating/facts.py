"""What rating knows: the facts of one account and the facts of the house, each with the position that taught it.

Facts are only ever added. A question *as known at K* looks past every fact with a later position, so that an old answer
can be given again for ever. A fact's body is a short list: a tag, then its fields (see ``FACTS``). Months are month
numbers, charge kinds their index in ``CHARGE_KINDS``, amounts minor units.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

from domain import months
from domain.plan import Override, PlanVersionBody, Retroactive, Rule, pays_once

HOUSE_NO = 0
"""The partition of facts that every account shares."""
CASH_NO = -1
"""The partition of money that moved: no cell is rated from it."""
ADJUSTMENT_NO = -2
"""The partition of adjustments: no cell is rated from it either."""
HOLD_NO = -3
"""The partition of what payouts hold, and of what was released of it."""
NEVER = 2**62

FIRST_RELEASE = 1
"""The rating release of a house that has never promoted another one."""

RECURRING, USAGE, ONE_TIME, SPIFF = range(4)

FACTS: dict[str, str] = {
    "account": "account id, vendor",
    "succeeded": "former vendor, vendor, effective_on: who pays for the months that begin from then on",
    "payer": "vendor that may pay for the account, number or null, until or null: the number's end",
    "aor": "service or null, [[agent, weight]…], effective_on, signed_on, stays at_latest, letter: each or null",
    "undone": "service or null, [[agent, weight]…], effective_on: the vendor declined it; it counts no more",
    "waiting": "service or null, letter or null, [[agent, weight]…], effective_on, stage, until, vendor: or null",
    "waited": "service or null, letter or null: that change waits no more",
    "agency": "effective_on, agency or null: from then on the account's agency of record; null is this house",
    "service": "contract, service, vendor, product, category, mrc_minor, currency, "
    "[[effective_on, term_months, position]…]: of its contract's signing, then of the renewals",
    "active": "contract, service, effective_on",
    "price": "contract, service, effective_on, mrc_minor",
    "off": "contract, service, effective_on",
    "renewed": "contract, effective_on, term_months",
    "line": "statement_no, line, vendor, month, kind, currency, commission, service, product, statement number; "
    "of a negative one the statement month as well",
    "unline": "statement_no, line, account_no: the line belongs here no longer, but to that account or number",
    "unstated": "statement_no, line: its service month was not stated, and stands as the vendor's lag would have it",
    "suspect": "statement_no, line, month, kind, currency, amount_minor, number: in suspense, looks like this account",
    "cleared": "statement_no, line: no longer in suspense",
    "unmatched": "vendor, number, why: what the lines that follow in this partition wait for",
    "agent": "agent, upline or null",
    "agreement": "agent, plan, effective_on",
    "upline": "agent, upline or null, effective_on",
    "terminated": "agent, effective_on, evergreen",
    "plan": "the version that was published or promoted, as its body",
    "plan-ended": "plan, number: the version counts no more",
    "recipe": "recipe_no, release or null where it stays, reprojection: what was promoted",
    "vendor": "vendor",
    "vendor-agreement": "vendor, effective_on, ended or resumed, evergreen: on the end commission is paid on",
    "products": "vendor, [[product, category]…]",
    "succession": "vendor, successor: of accounts, from some date",
    "reported": "vendor, month: the vendor has reported on this service month",
    "adjustment": "[[book kind, party, amount_minor]…], currency, effective_on, adjustment, account, month (or null)",
    "held": "[[book kind, party, amount_minor]…], currency, effective_on, pay run",
    "cash": "[[book kind, party, amount_minor]…], currency, effective_on",
}


class Cell(NamedTuple):
    """What is recomputed together; ``account_no`` is the position at which the account was opened."""

    account_no: int
    month: int
    kind: int
    currency: str


class Line(NamedTuple):
    """A statement line that belongs to this account from ``position`` until ``ended``."""

    position: int
    ended: int
    statement_no: int
    line: int
    vendor: str
    commission: int | Fraction
    service: str | None
    product: str | None
    statement: str
    because: str = ""
    """What it waits for, in suspense."""
    reported: int = 0
    """The statement month of a negative line; 0 for others."""


class Designation(NamedTuple):
    """Who is agent of record, for the account (``service`` None) or one service."""

    position: int
    service: str | None
    agents: tuple[tuple[str, int], ...]
    effective_on: date
    signed_on: date
    stays_at_latest: date | None
    ended: int = NEVER
    """The position at which it turned out not to count."""


class WaitingChange(NamedTuple):
    """A change of the agent of record that does not count yet: it waits for ``approval``, for the end of the rescission
    ``window``, or for the vendor's ``confirmation``."""

    position: int
    ended: int
    service: str | None
    letter: str | None
    agents: tuple[tuple[str, int], ...]
    effective_on: date
    stage: str
    until: date | None
    vendor: str | None


class AgencyFrom(NamedTuple):
    """Who is agency of record from a day on; ``agency`` None is this house."""

    effective_on: date
    position: int
    agency: str | None


class Dated(NamedTuple):
    position: int
    on: date
    figure: int


class Term(NamedTuple):
    """A contract's term, begun by its signing or by a renewal; without ``months`` it has no fixed end."""

    position: int
    on: date
    months: int
    renewal: bool

    @property
    def expires_on(self) -> date | None:
        """The first day no longer in the term."""
        return months.later(self.on, self.months) if self.months else None


@dataclass(slots=True)
class Service:
    """One service on the account; ``service_no`` is the position at which it was assigned."""

    service_no: int
    contract: str
    service: str
    vendor: str
    product: str | None
    category: str | None
    currency: str
    activated: list[Dated] = field(default_factory=list)
    prices: list[Dated] = field(default_factory=list)
    disconnected: list[Dated] = field(default_factory=list)
    terms: list[Term] = field(default_factory=list)
    """Its contract's: of the signing, then of the renewals as they were learned."""

    @property
    def name(self) -> str:
        return f"{self.contract}/{self.service}"

    def activated_on(self, known: int) -> Dated | None:
        return next((dated for dated in self.activated if dated.position <= known), None)

    def disconnected_on(self, known: int) -> Dated | None:
        return next((dated for dated in self.disconnected if dated.position <= known), None)

    def in_force(self, month: int, known: int) -> bool:
        """Active on at least one day of the month."""
        start, end = self.activated_on(known), self.disconnected_on(known)
        if start is None or start.on > months.last_day(month):
            return False
        return end is None or (end.on > months.first_day(month) and end.on > start.on)

    def mrc_in(self, month: int, known: int) -> Dated:
        """The charge in force on the first day of the month, or at activation if that is later."""
        start = self.activated_on(known)
        day = max(months.first_day(month), start.on if start else date.min)
        return max(
            (price for price in self.prices if price.position <= known and price.on <= day),
            key=lambda price: (price.on, price.position),
            default=self.prices[0],
        )

    def term_in(self, month: int, known: int) -> Term:
        """The last signing or renewal of the contract by the end of the month."""
        day = months.last_day(month)
        return max(
            (term for term in self.terms if term.position <= known and term.on <= day),
            key=lambda term: (term.on, term.position),
            default=self.terms[0],
        )

    def term_before(self, day: date, known: int) -> Term | None:
        """The last signing or renewal of the contract before a day."""
        before = (term for term in self.terms if term.position <= known and term.on < day)
        return max(before, key=lambda term: (term.on, term.position), default=None)

    def renewed_after(self, day: date, known: int) -> date | None:
        """The first renewal on the day or after it."""
        renewals = (term.on for term in self.terms if term.renewal and term.position <= known and term.on >= day)
        return min(renewals, default=None)


class Suspect(NamedTuple):
    position: int
    ended: int
    statement_no: int
    line: int
    month: int
    kind: int
    currency: str
    amount_minor: int
    number: str


class Succession(NamedTuple):
    """For months that begin on ``on`` or later ``vendor`` pays, and ``former`` no longer."""

    on: date
    position: int
    former: str
    vendor: str


class NumberUntil(NamedTuple):
    """A number means the account for service months that begin before ``until``."""

    position: int
    until: date


@dataclass(slots=True)
class Places:
    """Where the first ``known`` lines of a cell stand in its list, by statement and line."""

    known: int = 0
    of: dict[tuple[int, int], int] = field(default_factory=dict)


@dataclass(slots=True)
class AccountFacts:
    """All facts of one account, or of one unmatched number (``account_no`` below zero)."""

    account_no: int
    account: str = ""
    vendor: str = ""
    unmatched_because: str = ""
    payers: dict[str, int] = field(default_factory=dict)
    """By vendor that may pay for the account: the first position at which it was known to."""
    numbers: dict[tuple[str, str], list[NumberUntil]] = field(default_factory=dict)
    """By vendor and number as printed: until when it means the account, as it was learned."""
    successions: list[Succession] = field(default_factory=list)
    """By date, and then as they were learned."""
    designations: list[Designation] = field(default_factory=list)
    waiting: list[WaitingChange] = field(default_factory=list)
    agencies: list[AgencyFrom] = field(default_factory=list)
    services: dict[str, Service] = field(default_factory=dict)
    lines: dict[tuple[int, int, str], list[Line]] = field(default_factory=dict)
    suspects: list[Suspect] = field(default_factory=list)
    line_cells: dict[tuple[int, int], tuple[int, int, str]] = field(default_factory=dict)
    """By statement and line: the cell in which the line stands, or stood last."""
    ended: dict[tuple[int, int, str], list[Line]] = field(default_factory=dict)
    """The lines that stand here no longer, in the order in which they left."""
    _places: dict[tuple[int, int, str], Places] = field(default_factory=dict)
    """By cell; only where a line has left."""

    @classmethod
    def of(cls, account_no: int, facts: Iterable[tuple[int, Sequence[Any]]]) -> "AccountFacts":
        """An account as facts with their positions, in order, teach it."""
        account = cls(account_no)
        for position, fact in facts:
            account.learn(position, fact)
        return account

    def learn(self, position: int, fact: Sequence[Any]) -> None:
        """Add one fact. Raises KeyError for a tag that rating does not know: stop, do not skip."""
        _ACCOUNT_FACTS[fact[0]](self, position, fact)

    def cells(self, house: "HouseFacts", known: int) -> list[Cell]:
        """Every cell that has something to rate as known at a position, in order."""
        keys = {key for key, lines in self.lines.items() if any(ln.position <= known for ln in lines)}
        for service in self.services.values():
            start = service.activated_on(known)
            if service.service_no <= known and start is not None:
                keys.add((months.number_of(start.on), SPIFF, service.currency))
                if house.pays_by_service_month(known):
                    keys.update((month, RECURRING, service.currency) for month in self.reported(house, service, known))
        return [Cell(self.account_no, *key) for key in sorted(keys)]

    def reported(self, house: "HouseFacts", service: Service, known: int) -> list[int]:
        """The months in which the service was in force and on which a vendor of the account has reported."""
        return [
            month
            for vendor in self.payers
            for month, position in house.reported.get(vendor, {}).items()
            if position <= known and self.pays(vendor, month, known, position) and service.in_force(month, known)
        ]

    def other_agency(self, month: int, known: int) -> AgencyFrom | None:
        """Another house that is agency of record in the month: by the latest date, learned last."""
        day = months.first_day(month)
        held = [agency for agency in self.agencies if agency.position <= known and agency.effective_on <= day]
        last = max(held, key=lambda agency: (agency.effective_on, agency.position), default=None)
        return last if last is not None and last.agency is not None else None

    def pays(self, vendor: str, month: int, known: int, reported_at: int = NEVER) -> bool:
        """Whether the vendor may pay for a service month: not after all of its numbers for the account have ended, nor
        after another vendor has succeeded it, nor before it did that itself.

        What it had reported before its succession was learned it reported as the payer: nothing that was due is undue.
        """
        if self.payers.get(vendor, NEVER) > known:
            return False
        day = months.first_day(month)
        if self.successions and self._succeeded(vendor, day, known, reported_at):
            return False
        of_vendor = [learned for (v, _), learned in self.numbers.items() if v == vendor]
        ends = [max((n for n in learned if n.position <= known), default=None) for learned in of_vendor]
        known_ends = [end for end in ends if end is not None]
        return not known_ends or any(end.until > day for end in known_ends)

    def _succeeded(self, vendor: str, day: date, known: int, reported_at: int) -> bool:
        """Whether another vendor pays for a month in this one's place, by the last succession that concerns it."""
        turns = [s for s in self.successions if s.position <= known and vendor in (s.former, s.vendor)]
        before = [s for s in turns if s.on <= day]
        if before:
            return before[-1].former == vendor and before[-1].position <= reported_at
        return bool(turns) and turns[0].vendor == vendor and turns[0].position == self.payers[vendor]

    def vendor_in(self, month: int, known: int) -> str:
        """Who pays for the account in a month: the vendor under which it was opened, or its successor."""
        return self.successor_of(self.vendor, month, known)

    def successor_of(self, vendor: str, month: int, known: int) -> str:
        """The vendor itself, or who has succeeded it by the first day of the month."""
        day = months.first_day(month)
        for succession in self.successions:
            if succession.position <= known and succession.on <= day and succession.former == vendor:
                vendor = succession.vendor
        return vendor


def _account(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    facts.account, facts.vendor = fact[1], fact[2]
    facts.payers.setdefault(fact[2], position)


def _succeeded(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    _, former, vendor, on = fact
    facts.successions.append(Succession(date.fromisoformat(on), position, former, vendor))
    facts.successions.sort()
    facts.payers.setdefault(vendor, position)


def _payer(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    _, vendor, number, until = fact
    facts.payers.setdefault(vendor, position)
    if number is not None:
        end = NumberUntil(position, date.fromisoformat(until) if until else date.max)
        facts.numbers.setdefault((vendor, number), []).append(end)


def _unmatched(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    facts.vendor, facts.account, facts.unmatched_because = fact[1], fact[2], fact[3]


def _aor(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    _, service, agents, effective_on, signed_on, stays, letter = fact
    _end_waiting(facts, position, service, letter)
    effective = date.fromisoformat(effective_on)
    facts.designations.append(
        Designation(
            position,
            service,
            tuple((agent, weight) for agent, weight in agents),
            effective,
            date.fromisoformat(signed_on) if signed_on else date.min,
            date.fromisoformat(stays) if stays else None,
        )
    )


def _undone(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    _, service, agents, effective_on = fact
    named = (service, tuple((agent, weight) for agent, weight in agents), date.fromisoformat(effective_on))
    for i, d in reversed(list(enumerate(facts.designations))):
        if (d.service, d.agents, d.effective_on) == named and d.ended == NEVER:
            facts.designations[i] = d._replace(ended=position)
            return


def _waiting(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    _, service, letter, agents, effective_on, stage, until, vendor = fact
    _end_waiting(facts, position, service, letter)
    facts.waiting.append(
        WaitingChange(
            position,
            NEVER,
            service,
            letter,
            tuple((agent, weight) for agent, weight in agents),
            date.fromisoformat(effective_on),
            stage,
            date.fromisoformat(until) if until else None,
            vendor,
        )
    )


def _waited(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    _end_waiting(facts, position, fact[1], fact[2])


def _end_waiting(facts: AccountFacts, position: int, service: str | None, letter: str | None) -> None:
    for i, waits in enumerate(facts.waiting):
        if (waits.service, waits.letter) == (service, letter) and waits.ended == NEVER:
            facts.waiting[i] = waits._replace(ended=position)


def _agency(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    facts.agencies.append(AgencyFrom(date.fromisoformat(fact[1]), position, fact[2]))


def _service(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    _, contract, name, vendor, product, category, mrc_minor, currency, terms = fact
    service = Service(position, contract, name, vendor, product, category, currency)
    service.prices.append(Dated(position, date.min, mrc_minor))
    for index, (on, term_months, begun_at) in enumerate(terms):
        service.terms.append(Term(begun_at, date.fromisoformat(on), term_months, renewal=index > 0))
    facts.services[service.name] = service
    facts.payers.setdefault(vendor, position)


def _active(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    facts.services[f"{fact[1]}/{fact[2]}"].activated.append(Dated(position, date.fromisoformat(fact[3]), 0))


def _price(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    price = Dated(position, date.fromisoformat(fact[3]), fact[4])
    facts.services[f"{fact[1]}/{fact[2]}"].prices.append(price)


def _off(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    facts.services[f"{fact[1]}/{fact[2]}"].disconnected.append(Dated(position, date.fromisoformat(fact[3]), 0))


def _renewed(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    for service in facts.services.values():
        if service.contract == fact[1]:
            service.terms.append(Term(position, date.fromisoformat(fact[2]), fact[3], renewal=True))


LINE_FIELDS = 11
"""Of a line that is not negative; the others say their statement month too."""


def _line(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    reported = 0
    if len(fact) > LINE_FIELDS:
        reported, fact = fact[LINE_FIELDS], fact[:LINE_FIELDS]
    _, statement_no, line, vendor, month, kind, currency, commission, service, product, statement = fact
    if commission.__class__ is str:
        commission = Fraction(commission)
    key = (month, kind, currency)
    because = facts.unmatched_because
    new = Line(position, NEVER, statement_no, line, vendor, commission, service, product, statement, because, reported)
    lines = facts.lines.get(key)
    if lines is None:
        facts.lines[key] = [new]
    else:
        lines.append(new)
    facts.line_cells[statement_no, line] = key


def _unline(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    key = facts.line_cells[fact[1], fact[2]]
    lines, places = facts.lines[key], facts._places.setdefault(key, Places())
    for place in range(places.known, len(lines)):
        places.of[lines[place].statement_no, lines[place].line] = place
    places.known = len(lines)
    place = places.of[fact[1], fact[2]]
    left = lines[place] = lines[place]._replace(ended=position)
    facts.ended.setdefault(key, []).append(left)


def _unstated(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    """Rating takes the month that stands in the line."""


def _suspect(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    facts.suspects.append(Suspect(position, NEVER, *fact[1:]))


def _cleared(facts: AccountFacts, position: int, fact: Sequence[Any]) -> None:
    for i, suspect in enumerate(facts.suspects):
        if (suspect.statement_no, suspect.line) == (fact[1], fact[2]) and suspect.ended == NEVER:
            facts.suspects[i] = suspect._replace(ended=position)


_ACCOUNT_FACTS = {
    "account": _account,
    "succeeded": _succeeded,
    "payer": _payer,
    "unmatched": _unmatched,
    "aor": _aor,
    "undone": _undone,
    "waiting": _waiting,
    "waited": _waited,
    "agency": _agency,
    "service": _service,
    "active": _active,
    "price": _price,
    "off": _off,
    "renewed": _renewed,
    "line": _line,
    "unline": _unline,
    "unstated": _unstated,
    "suspect": _suspect,
    "cleared": _cleared,
}


# -- the house


class PlanVersion:
    """A plan version that counts, with its rules in order of precedence, most specific first."""

    def __init__(self, position: int, body: dict[str, Any]) -> None:
        said = PlanVersionBody.model_validate(body)
        self.position = position
        self.ended = NEVER
        """The position from which on it counts no more."""
        self.plan = said.plan
        self.number = said.plan_version
        self.applies_to = said.applies_to
        self.ends_with = said.ends_with
        self.reverses_today = said.reversals == "schedule-of-today"
        self.from_month = months.number_of(said.applies_to.from_)
        until = said.applies_to.until if isinstance(said.applies_to, Retroactive) else None
        self.until_month = months.number_of(until) if until else NEVER
        by_precedence = sorted(said.rules, key=lambda rule: rule.when.specificity, reverse=True)
        self.monthly: tuple[Rule, ...] = tuple(rule for rule in by_precedence if not pays_once(rule.pay))
        self.once: tuple[Rule, ...] = tuple(rule for rule in by_precedence if pays_once(rule.pay))
        self.overrides: tuple[Override, ...] = tuple(
            sorted(said.overrides, key=lambda o: (o.when.specificity, o.level is not None), reverse=True)
        )

    @cached_property
    def pays_by_service_month(self) -> bool:
        """Whether anything in it is paid for a month in service, whether or not the vendor paid."""
        by_month = ("percent-of-mrc", "flat")
        return any(rule.pay.kind in by_month for rule in self.monthly) or any(
            override.pay.kind in by_month for override in self.overrides
        )

    @property
    def pays_by_service(self) -> bool:
        """Whether anything in it is paid for a service rather than for a line."""
        return bool(self.once) or self.pays_by_service_month


class RecipeFrom(NamedTuple):
    """What was promoted at a position: from there on values are made with it."""

    position: int
    recipe_no: int
    release: int
    reprojection: str


class Agreement(NamedTuple):
    position: int
    effective_on: date
    plan: str


class UplineFrom(NamedTuple):
    position: int
    month: int
    upline: str | None


class Termination(NamedTuple):
    position: int
    effective_on: date
    evergreen: bool


@dataclass(slots=True)
class AgentFacts:
    """``agent_no`` is the position at which the agent was recruited."""

    agent_no: int
    agent: str
    agreements: list[Agreement] = field(default_factory=list)
    uplines: list[UplineFrom] = field(default_factory=list)
    terminations: list[Termination] = field(default_factory=list)

    def agreement_in(self, month: int, known: int) -> Agreement | None:
        """The agreement in force on the last day of the month: the one of the latest date, learned last."""
        day = months.last_day(month)
        found: Agreement | None = None
        for agreement in self.agreements:
            in_force = agreement.position <= known and agreement.effective_on <= day
            if in_force and (found is None or agreement.effective_on >= found.effective_on):
                found = agreement
        return found

    def upline_in(self, month: int, known: int) -> UplineFrom | None:
        """The upline in the month: the one of the latest month, learned last."""
        found: UplineFrom | None = None
        for upline in self.uplines:
            if upline.position <= known and upline.month <= month and (found is None or upline.month >= found.month):
                found = upline
        return found

    def unpaid_since(self, month: int, known: int) -> Termination | None:
        """The termination without evergreen that took effect by the first day of the month."""
        return next((ended for ended in self.terminated_by(month, known) if not ended.evergreen), None)

    def terminated_by(self, month: int, known: int) -> Iterator[Termination]:
        """The terminations that took effect by the first day of the month."""
        for ended in self.terminations:
            if ended.position <= known and ended.effective_on <= months.first_day(month):
                yield ended


class VendorAgreement(NamedTuple):
    """The vendor's agreement with the house ended, or resumed, on a day."""

    position: int
    on: date
    ended: bool
    evergreen: bool

    @property
    def month(self) -> int:
        """The first month that it holds for: an end for whole months only, a resumption from its own month on."""
        return months.first_month_from(self.on) if self.ended else months.number_of(self.on)


CHANGES = frozenset(
    {"agreement", "upline", "terminated", "plan", "plan-ended", "recipe", "reported", "products", "vendor-agreement"}
)
"""Facts of the house that can change what was rated before; a recipe that keeps its release only names what was
promoted with it."""


@dataclass(slots=True)
class HouseFacts:
    """What all accounts share, and which later events concern whom."""

    agents: dict[str, AgentFacts] = field(default_factory=dict)
    plans: dict[str, list[PlanVersion]] = field(default_factory=dict)
    vendor_no: dict[str, int] = field(default_factory=dict)
    vendor_agreements: dict[str, list[VendorAgreement]] = field(default_factory=dict)
    categories: dict[tuple[str, str], tuple[int, str]] = field(default_factory=dict)
    successors: dict[str, dict[str, int]] = field(default_factory=dict)
    """By vendor: who was ever announced to succeed it, with the position."""
    reported: dict[str, dict[int, int]] = field(default_factory=dict)
    """By vendor and service month: the first position at which the vendor had reported on it."""
    changes: list[tuple[int, Sequence[Any]]] = field(default_factory=list)
    """The facts that can change what was rated before, in order."""
    below: dict[str, set[str]] = field(default_factory=dict)
    """Agents that ever had this one as upline."""
    on_plan: dict[str, set[str]] = field(default_factory=dict)
    by_service_month_since: int = NEVER
    """The first position at which a plan paid anything for a month in service."""
    by_service_since: int = NEVER
    """The first position at which a plan paid anything for a service: once, or for a month in service."""
    reverses_today: bool = False
    """Whether any version ever rated reversals by the month in which they were reported."""
    recipes: list[RecipeFrom] = field(default_factory=list)
    """Every promotion, in order."""

    def pays_by_service_month(self, known: int) -> bool:
        """Whether anything is paid for a month in service, as known at a position."""
        return self.by_service_month_since <= known

    def pays_by_service(self, known: int) -> bool:
        """Whether anything was ever paid for a service rather than for a line, as known at a position."""
        return self.by_service_since <= known

    @classmethod
    def of(cls, facts: Iterable[tuple[int, Sequence[Any]]]) -> "HouseFacts":
        """The house as facts with their positions, in order, teach it."""
        house = cls()
        for position, fact in facts:
            house.learn(position, fact)
        return house

    def learn(self, position: int, fact: Sequence[Any]) -> None:
        """Add one fact. Raises KeyError for a tag that rating does not know: stop, do not skip."""
        _HOUSE_FACTS[fact[0]](self, position, fact)
        if fact[0] in CHANGES and not (fact[0] == "recipe" and fact[2] is None):
            self.changes.append((position, fact))

    def recipe_at(self, known: int) -> RecipeFrom | None:
        """What was promoted last, as known at a position."""
        return next((recipe for recipe in reversed(self.recipes) if recipe.position <= known), None)

    def recipe_no_at(self, known: int) -> int:
        """How many promotions there were, as known at a position."""
        recipe = self.recipe_at(known)
        return recipe.recipe_no if recipe else 0

    def promoted_at(self, position: int) -> bool:
        """Whether a recipe was promoted there, so that what is posted there corrects what was made with another."""
        return any(recipe.position == position for recipe in self.recipes)

    def release_at(self, known: int) -> int:
        """The rating release that values are made with, as known at a position."""
        if not self.recipes:
            return FIRST_RELEASE
        recipe = self.recipe_at(known)
        return recipe.release if recipe else FIRST_RELEASE

    def ended_agreement(self, vendor: str, month: int, known: int) -> VendorAgreement | None:
        """The end without evergreen of the vendor's agreement that holds for the month."""
        ended = self.agreement_end(vendor, month, known)
        return ended if ended is not None and not ended.evergreen else None

    def agreement_end(self, vendor: str, month: int, known: int) -> VendorAgreement | None:
        """The end of the vendor's agreement that holds for the month, with or without evergreen."""
        agreements = self.vendor_agreements.get(vendor, ())
        held = [a for a in agreements if a.position <= known and a.month <= month]
        last = max(held, key=lambda a: (a.on, a.position), default=None)
        return last if last is not None and last.ended else None

    def category_of(self, vendor: str, product: str | None, known: int) -> str | None:
        """The category in which the vendor lists a product."""
        position, category = self.categories.get((vendor, product or ""), (NEVER, ""))
        return category if position <= known else None

    def with_downlines(self, agents: Iterable[str]) -> set[str]:
        """The agents and everybody who ever stood below them."""
        found: set[str] = set()
        waiting = list(agents)
        while waiting:
            agent = waiting.pop()
            if agent not in found:
                found.add(agent)
                waiting.extend(self.below.get(agent, ()))
        return found

    def concerned(self, fact: Sequence[Any]) -> set[str]:
        """The agents whose accounts a change can touch: themselves and everybody below."""
        if fact[0] in ("plan", "plan-ended"):
            plan = fact[1]["plan"] if fact[0] == "plan" else fact[1]
            return self.with_downlines(self.on_plan.get(plan, ()))
        if fact[0] in ("agreement", "upline", "terminated"):
            return self.with_downlines([fact[1]])
        return set()


def _agent(house: HouseFacts, position: int, fact: Sequence[Any]) -> None:
    _, agent, upline = fact
    house.agents[agent] = AgentFacts(position, agent, uplines=[UplineFrom(position, 0, upline)])
    if upline:
        house.below.setdefault(upline, set()).add(agent)


def _agreement(house: HouseFacts, position: int, fact: Sequence[Any]) -> None:
    _, agent, plan, effective_on = fact
    house.agents[agent].agreements.append(Agreement(position, date.fromisoformat(effective_on), plan))
    house.on_plan.setdefault(plan, set()).add(agent)


def _upline(house: HouseFacts, position: int, fact: Sequence[Any]) -> None:
    _, agent, upline, effective_on = fact
    month = months.number_of(date.fromisoformat(effective_on))
    house.agents[agent].uplines.append(UplineFrom(position, month, upline))
    if upline:
        house.below.setdefault(upline, set()).add(agent)


def _terminated(house: HouseFacts, position: int, fact: Sequence[Any]) -> None:
    _, agent, effective_on, evergreen = fact
    house.agents[agent].terminations.append(Termination(position, date.fromisoformat(effective_on), evergreen))


def _plan(house: HouseFacts, position: int, fact: Sequence[Any]) -> None:
    version = PlanVersion(position, fact[1])
    house.plans.setdefault(version.plan, []).append(version)
    if version.pays_by_service_month:
        house.by_service_month_since = min(house.by_service_month_since, position)
    if version.pays_by_service:
        house.by_service_since = min(house.by_service_since, position)
    house.reverses_today = house.reverses_today or version.reverses_today


def _plan_ended(house: HouseFacts, position: int, fact: Sequence[Any]) -> None:
    _, plan, number = fact
    for version in house.plans[plan]:
        if version.number == number and version.ended == NEVER:
            version.ended = position


def _recipe(house: HouseFacts, position: int, fact: Sequence[Any]) -> None:
    _, recipe_no, release, reprojection = fact
    stays = house.release_at(position)
    house.recipes.append(RecipeFrom(position, recipe_no, stays if release is None else release, reprojection))


def _vendor(house: HouseFacts, position: int, fact: Sequence[Any]) -> None:
    house.vendor_no[fact[1]] = position


def _vendor_agreement(house: HouseFacts, position: int, fact: Sequence[Any]) -> None:
    _, vendor, on, what, evergreen = fact
    agreement = VendorAgreement(position, date.fromisoformat(on), what == "ended", evergreen)
    house.vendor_agreements.setdefault(vendor, []).append(agreement)


def _products(house: HouseFacts, position: int, fact: Sequence[Any]) -> None:
    for product, category in fact[2]:
        house.categories[fact[1], product] = (position, category)


def _succession(house: HouseFacts, position: int, fact: Sequence[Any]) -> None:
    house.successors.setdefault(fact[1], {}).setdefault(fact[2], position)


def _reported(house: HouseFacts, position: int, fact: Sequence[Any]) -> None:
    house.reported.setdefault(fact[1], {}).setdefault(fact[2], position)


_HOUSE_FACTS = {
    "agent": _agent,
    "agreement": _agreement,
    "upline": _upline,
    "terminated": _terminated,
    "plan": _plan,
    "plan-ended": _plan_ended,
    "recipe": _recipe,
    "vendor": _vendor,
    "vendor-agreement": _vendor_agreement,
    "products": _products,
    "reported": _reported,
    "succession": _succession,
}
