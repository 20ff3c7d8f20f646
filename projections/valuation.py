"""Valuation: what every cell of an account would be worth more or less under a proposed recipe, as of one position.

A pure function of the account's facts and of the house, as it is and as it would be: so batches and processes cannot
matter, and an account that learns something is simply valued again. What comes out is what ``settle`` of the ledger
would post where the proposed recipe takes the live one's place: the same legs, in the same order, with their numbers.

How it is fast. Only the state at the position is needed, so lines are not replayed. Lines that are rated by the same
terms are compared once: where both recipes pay the same parts nothing differs, and no line is rated; where they do not,
all lines of the season are multiplied at once. Terms of accounts of which nothing but the agents of record counts are
compiled once for all these accounts.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from operator import itemgetter, sub
from typing import Any, NamedTuple

from domain import months, rating
from domain.money import over_one_denominator
from domain.plan import Retroactive, Selector, ServiceMonthsFrom
from domain.rating import release_1
from domain.rating.attribution import agent_of_record
from domain.rating.facts import LINE_FIELDS, AccountFacts, Cell, Designation, HouseFacts, PlanVersion, Service
from domain.rating.release_1 import HOUSE, HOUSE_ROLE, Coefficient, Item, TermsCache
from projections.ledger import Books, difference, first_month, legs_of

RULE, AGENT_OF_RECORD, STATEMENT, CODE = range(4)
"""Causes: what differs first between the old and the new reason of an item."""
CAUSES = ("rule", "agent of record", "statement", "code")

REMEMBERED_KINDS = 50_000
"""Kinds of lines whose comparison is remembered before all are forgotten: this bounds the memory."""


class Entry(NamedTuple):
    """One leg of the difference of one cell; ``month`` is a month number, ``leg`` counts from 1 within the cell."""

    month: int
    kind: int
    currency: str
    leg: int
    item_no: int
    item_line: int
    role: int
    book: int
    amount_minor: int
    cause: int


_LegOfCell = tuple[int, int, str, int, int, int, int, int, int]
"""An entry's fields without the leg's number, and without their names: millions are made."""


@dataclass(frozen=True, slots=True)
class Valued:
    """How many lines came to an account, and the legs by which the proposed recipe differs, in order."""

    lines: int
    legs: Sequence[_LegOfCell]

    @property
    def entries(self) -> list[Entry]:
        """The legs with their numbers."""
        numbers = leg_numbers(
            [leg[0] for leg in self.legs], [leg[1] for leg in self.legs], [leg[2] for leg in self.legs]
        )
        return [Entry(*leg[:3], number, *leg[3:]) for leg, number in zip(self.legs, numbers, strict=True)]


CellKey = tuple[int, int, str]
"""Month, charge kind and currency."""
Fact = Sequence[Any]
Line = Fact
"""A ``line`` fact."""
Kind = tuple[str, int, str, str | None, str | None, str | None, int]
"""Of lines that are rated alike in a season: vendor, charge kind, currency, service named, product, service found, and
the month in which a reversal was reported, where that may choose the plan version."""
_kind = itemgetter(3, 5, 6, 8, 9)
_head = itemgetter(4, 5, 6, 1, 2)
"""Of a ``line`` fact: month, charge kind, currency, statement and line."""
_STATEMENT_NO, _LINE, _VENDOR, _MONTH, _KIND, _CURRENCY, _COMMISSION, _SERVICE, _PRODUCT = range(1, 10)
ALWAYS = months.first_day(12)


class Part(NamedTuple):
    """One payee's part of a line's commission, as it would be and as it is: numerator and denominator of each."""

    role: int
    book: int
    new: tuple[int, int]
    old: tuple[int, int]


Change = tuple[Part, ...]
"""What differs in the parts of every line under the same terms; empty where both recipes pay the same."""


Season = tuple[int, int, Change | None]
"""First month, month after the last, what differs; None where lines are not paid part by part."""


@dataclass(slots=True)
class Alike:
    """An account that stands for all that are rated like it, and what is remembered of lines on it."""

    account: AccountFacts
    shared: bool
    kinds: dict[Kind, list[Season]] = field(default_factory=dict)


@dataclass(slots=True)
class Reach:
    """Whom a change of the recipe can concern at all, as the ledger asks when it is promoted."""

    first_month: int
    agents: frozenset[str] | None
    """Of whom one must ever have been agent of record; None: whoever it is."""
    plans: bool
    """Whether it brings or ends plan versions, rather than another release alone."""

    @classmethod
    def of(cls, change: Sequence[Fact], proposed: HouseFacts) -> "Reach":
        plans = [fact for fact in change if fact[0] != "recipe"]
        if any(fact[0] == "recipe" and fact[2] is not None for fact in change):
            return cls(0, None, bool(plans))
        concerned = frozenset(agent for fact in plans for agent in proposed.concerned(fact))
        return cls(min((first_month(fact, proposed) for fact in plans), default=0), concerned, plans=True)


def as_proposed(house: Iterable[tuple[int, Fact]], change: Iterable[Fact], known: int) -> HouseFacts:
    """The house as it would be, had it learned a change of the recipe at a position, after all else there."""
    return HouseFacts.of([*house, *((known, fact) for fact in change)])


@dataclass(slots=True)
class Valuer:
    """Values account after account. Remembers only what holds for many accounts, and only so much of it."""

    live: HouseFacts
    proposed: HouseFacts
    reach: Reach
    known: int
    """The position as of which accounts are valued."""
    book_of: Callable[[str], int]
    remembered: int = 0
    alike: dict[tuple[tuple[str, int], ...], Alike] = field(default_factory=dict)
    """By the agents of record: for accounts of which nothing else counts."""
    told_apart: "ToldApart" = field(init=False)
    releases: list[rating.Release] = field(init=False)
    """The live one and the proposed one."""
    by_service: bool = field(init=False)
    """Whether a plan pays for services rather than for lines, under either recipe."""
    reverses_today: bool = field(init=False)
    """Whether a reversal may be rated by the month in which it was reported, under either recipe."""

    @classmethod
    def of(cls, house: Sequence[tuple[int, Fact]], change: Sequence[Fact], known: int) -> "Valuer":
        """``house`` is what it has learned up to a position, ``change`` what it would learn there."""
        live, proposed = HouseFacts.of(house), as_proposed(house, change, known)
        return cls(live, proposed, Reach.of(change, proposed), known, Books(live).__getitem__)

    def __post_init__(self) -> None:
        versions = [v for house in (self.live, self.proposed) for of_plan in house.plans.values() for v in of_plan]
        self.told_apart = ToldApart.by(versions)
        self.releases = [rating.release(house.release_at(self.known)) for house in (self.live, self.proposed)]
        self.by_service = any(version.once or version.pays_by_service_month for version in versions)
        self.reverses_today = self.live.reverses_today or self.proposed.reverses_today

    def value(self, account_no: int, facts: Sequence[tuple[int, Fact]]) -> Valued:
        """The difference on one account; nothing for what waits in suspense, which no recipe rates."""
        if account_no < 0:
            return Valued(0, ())
        lines = [fact for _, fact in facts if fact[0] == "line"]
        came = len(lines)
        others = [(position, fact) for position, fact in facts if fact[0] != "line"]
        if not self._concerned(others):
            return Valued(came, ())
        if any(fact[0] == "unline" for _, fact in others):
            lines = _standing(facts)
            others = [(position, fact) for position, fact in others if fact[0] != "unline"]
        account = AccountFacts.of(account_no, others)
        if self.by_service and account.services:
            return Valued(came, list(self.cell_by_cell(AccountFacts.of(account_no, facts))))
        legs, whole = self._line_by_line(account, [line for line in lines if line[_MONTH] >= self.reach.first_month])
        if whole:
            rated_whole = self.cell_by_cell(AccountFacts.of(account_no, facts), whole)
            legs = [*(leg for leg in legs if leg[:3] not in whole), *rated_whole]
        legs.sort()
        return Valued(came, legs)

    def _concerned(self, facts: Iterable[tuple[int, Fact]]) -> bool:
        """Whether anybody was ever named on the account whom the change can concern."""
        agents = self.reach.agents
        for _, fact in facts:
            if fact[0] == "aor" and (agents is None or any(agent in agents for agent, _ in fact[2])):
                return True
        return False

    # -- cell by cell: what defines the difference

    def cell_by_cell(self, account: AccountFacts, only: Container[CellKey] | None = None) -> Iterator[_LegOfCell]:
        """Every cell, or some of them, rated whole under both recipes."""
        live: TermsCache = {}
        proposed: TermsCache = {}
        cells = {*account.cells(self.live, self.known), *account.cells(self.proposed, self.known)}
        for cell in sorted(cells):
            if cell.month < self.reach.first_month or (only is not None and cell[1:] not in only):
                continue
            old = rating.rate(account, self.live, cell, self.known, live)
            new = rating.rate(account, self.proposed, cell, self.known, proposed)
            legs = difference(legs_of(old, self.book_of), legs_of(new, self.book_of))
            if legs:
                causes = causes_of(old, new)
                for leg in legs:
                    yield (*cell[1:], *leg, causes[leg[0], leg[1]])

    # -- line by line: the same, fed otherwise

    def _line_by_line(self, account: AccountFacts, lines: Sequence[Line]) -> tuple[list[_LegOfCell], set[CellKey]]:
        """The lines of each season rated at once; and the cells that have to be rated whole."""
        if self.remembered > REMEMBERED_KINDS:
            self.alike.clear()
            self.remembered = 0
        legs: list[_LegOfCell] = []
        whole: set[CellKey] = set()
        for alike, of_agents in self._by_agents(account, lines):
            for kind, of_kind in self._by_kind(account, alike, of_agents):
                for change, of_season in self._by_season(alike, kind, of_kind):
                    if change is None:
                        whole.update((line[_MONTH], line[_KIND], line[_CURRENCY]) for line in of_season)
                    else:
                        legs += self._changed(change, of_season)
        return legs, whole

    def _by_agents(self, account: AccountFacts, lines: Sequence[Line]) -> Iterator[tuple[Alike, Sequence[Line]]]:
        """The lines with the account that stands for theirs; those without an agent are the house's in any case."""
        if not self._only_agents_count(account, lines):
            yield Alike(account, shared=False), lines
            return
        designations = [d for d in account.designations if d.position <= self.known < d.ended]
        if len(designations) == 1:
            first = months.number_of(designations[0].effective_on)
            yield self._alike(designations[0]), [line for line in lines if line[_MONTH] >= first]
            return
        paid = {
            month: agent_of_record(designations, (), months.last_day(month), self.known)
            for month in {line[_MONTH] for line in lines}
        }
        for aor in dict.fromkeys(filter(None, paid.values())):
            yield self._alike(aor), [line for line in lines if paid[line[_MONTH]] == aor]

    def _only_agents_count(self, account: AccountFacts, lines: Sequence[Line]) -> bool:
        """Whether the account's lines are rated like those of any other account with the same agents of record."""
        if account.agencies or account.successions or account.account in self.told_apart.accounts:
            return False
        if any(d.service is not None or d.stays_at_latest is not None for d in account.designations):
            return False
        return not account.services or self.told_apart.not_by_service(account.services.values(), lines, self.live)

    def _alike(self, aor: Designation) -> Alike:
        alike = self.alike.get(aor.agents)
        if alike is None:
            account = AccountFacts(0, "every account with these agents")
            account.designations.append(aor._replace(effective_on=ALWAYS, signed_on=ALWAYS))
            alike = self.alike[aor.agents] = Alike(account, shared=True)
        return alike

    def _by_kind(
        self, account: AccountFacts, alike: Alike, lines: Sequence[Line]
    ) -> Iterable[tuple[Kind, Sequence[Line]]]:
        """The lines by what their terms depend on besides the month."""
        if not account.services and not self.reverses_today:
            kinds = set(map(_kind, lines))
            if len(kinds) == 1:
                return [((*kinds.pop(), None, 0), lines)]
            return [((*kind, None, 0), [line for line in lines if _kind(line) == kind]) for kind in kinds]
        found: dict[tuple[str | None, int], Service | None] = {}
        by_kind: dict[Kind, list[Line]] = {}
        for line in lines:
            vendor, charge_kind, currency, name, product = _kind(line)
            month = line[_MONTH]
            if (name, month) not in found:
                found[name, month] = release_1.service_named(account, name, month, self.known)
            service = found[name, month]
            reported = line[LINE_FIELDS] if self.reverses_today and len(line) > LINE_FIELDS else 0
            product = product or (service.product if service else None)
            of_service = service.name if service and not alike.shared else None
            kind = vendor, charge_kind, currency, name, product, of_service, reported if reported != month else 0
            by_kind.setdefault(kind, []).append(line)
        return by_kind.items()

    def _by_season(
        self, alike: Alike, kind: Kind, lines: Sequence[Line]
    ) -> Iterator[tuple[Change | None, Sequence[Line]]]:
        """The lines of one kind by season, those left out for which nothing differs."""
        if not lines:
            return
        if alike.shared:
            vendor, charge_kind, currency, name, product, found, reported = kind
            name, product = self.told_apart.of(self.live, vendor, name, product, self.known)
            kind = vendor, charge_kind, currency, name, product, found, reported
        seasons = alike.kinds.get(kind)
        if seasons is None:
            seasons = alike.kinds[kind] = []
            self.remembered += 1
        of_lines = [line[_MONTH] for line in lines]
        month, last = min(of_lines), max(of_lines)
        while month <= last:
            first, after, change = self._season(alike.account, kind, seasons, month)
            if change != ():
                whole = first <= min(of_lines) and last < after
                yield change, lines if whole else [line for line in lines if first <= line[_MONTH] < after]
            month = after

    def _season(self, account: AccountFacts, kind: Kind, seasons: list[Season], month: int) -> Season:
        """The season around a month under both recipes, and what differs in it."""
        for season in seasons:
            if season[0] <= month < season[1]:
                return season
        first, after, old = self._terms(account, kind, month, self.live)
        new = old
        if self.reach.plans:
            from_, until, new = self._terms(account, kind, month, self.proposed)
            first, after = max(first, from_), min(after, until)
        seasons.append((first, after, self._compared(old, new)))
        return seasons[-1]

    def _terms(
        self, account: AccountFacts, kind: Kind, month: int, house: HouseFacts
    ) -> tuple[int, int, release_1.Terms]:
        """The terms in a month with the season in which they hold."""
        vendor, charge_kind, currency, name, product, found, reported = kind
        cell = Cell(account.account_no, month, charge_kind, currency)
        service = account.services[found] if found else None
        cache: TermsCache = {}
        terms = release_1.terms(
            account, house, cell, service, product, vendor, self.known, cache, named=name, reported=reported
        )
        ((season, _),) = next(iter(cache.values()))
        return season.first, season.after, terms

    def _compared(self, old: release_1.Terms, new: release_1.Terms) -> Change | None:
        """What differs between two terms for a line; None where lines under them have to be rated whole."""
        if not (self.releases[0].part_by_part(old) and self.releases[1].part_by_part(new)):
            return None
        if old.suspense_because or new.suspense_because:
            return () if old.suspense_because and new.suspense_because else None
        was, would_be = _parts(old), _parts(new)
        return tuple(
            Part(role, self.book_of(payee), would_be.get((role, payee), (0, 1)), was.get((role, payee), (0, 1)))
            for role, payee in {**would_be, **was}
            if would_be.get((role, payee)) != was.get((role, payee))
        )

    def _changed(self, change: Change, lines: Sequence[Line]) -> list[_LegOfCell]:
        """The legs of all lines under one change: each payee's, and the house's, which takes what is left."""
        bases, below = over_one_denominator([line[_COMMISSION] for line in lines])
        heads = list(map(_head, lines))
        house = [0] * len(lines)
        legs: list[_LegOfCell] = []
        for role, book, new, old in change:
            more = release_1.parts_of(bases, below, *new)
            less = release_1.parts_of(bases, below, *old)
            amounts = list(map(sub, more, less))
            house = list(map(sub, house, amounts))
            legs += _legs(heads, role, book, amounts)
        return legs + _legs(heads, HOUSE_ROLE, self.book_of(HOUSE), house)


def _legs(
    heads: Iterable[tuple[int, int, str, int, int]], role: int, book: int, amounts: Iterable[int]
) -> list[_LegOfCell]:
    """One payee's legs of many lines, zeros left out."""
    return [
        head + (role, book, amount_minor, RULE)  # noqa: RUF005  (half the time of unpacking)
        for head, amount_minor in zip(heads, amounts, strict=True)
        if amount_minor
    ]


def leg_numbers(months: Sequence[int], kinds: Sequence[int], currencies: Sequence[str]) -> list[int]:
    """The number of each leg within its cell, from 1; legs come in order of their cells."""
    numbers: list[int] = []
    cell, number = None, 0
    for of in zip(months, kinds, currencies, strict=True):
        number = number + 1 if of == cell else 1
        cell = of
        numbers.append(number)
    return numbers


def _standing(facts: Iterable[tuple[int, Sequence[Any]]]) -> list[Line]:
    """The lines that have come and not left."""
    standing: dict[tuple[int, int], Line] = {}
    for _, fact in facts:
        if fact[0] == "line":
            standing[fact[_STATEMENT_NO], fact[_LINE]] = fact
        elif fact[0] == "unline":
            del standing[fact[_STATEMENT_NO], fact[_LINE]]
    return list(standing.values())


def _parts(terms: release_1.Terms) -> dict[tuple[int, str], tuple[int, int]]:
    """By role and payee: the part of a line's commission."""
    return {
        (part.role, part.payee): (part.numerator, part.denominator)
        for split in terms.splits
        for part in split.commission
    }


@dataclass(frozen=True, slots=True)
class ToldApart:
    """What the plans' rules name, and therefore tell from other things of its sort."""

    services: frozenset[str | None]
    accounts: frozenset[str | None]
    products: frozenset[str | None]
    categories: frozenset[str | None]
    contracts: bool
    """Whether a version tells one contract from another."""

    @classmethod
    def by(cls, versions: Sequence[PlanVersion]) -> "ToldApart":
        selectors: list[Selector] = [
            *(rule.when for version in versions for rule in (*version.monthly, *version.once)),
            *(override.when for version in versions for override in version.overrides),
        ]
        return cls(
            frozenset(when.service for when in selectors),
            frozenset(when.account for when in selectors),
            frozenset(when.product for when in selectors),
            frozenset(when.category for when in selectors),
            any("contract-term" in version.ends_with for version in versions)
            or not all(isinstance(version.applies_to, ServiceMonthsFrom | Retroactive) for version in versions),
        )

    def not_by_service(self, services: Iterable[Service], lines: Iterable[Line], house: HouseFacts) -> bool:
        """Whether lines for these services are rated like lines of the same product for none."""
        by_name: dict[str | None, Service] = {}
        for service in services:
            if self.contracts or service.service in self.services or service.name in self.services:
                return False
            if service.category in self.categories:
                by_name[service.name] = service
        return not by_name or all(
            (line[_VENDOR], line[_PRODUCT] or service.product) in house.categories
            for service in by_name.values()
            for line in lines
        )

    def of(
        self, house: HouseFacts, vendor: str, service: str | None, product: str | None, known: int
    ) -> tuple[str | None, str | None]:
        """A service and a product that no rule names are like none."""
        if product is not None and product not in self.products:
            position, category = house.categories.get((vendor, product), (known + 1, None))
            if position > known or category not in self.categories:
                product = None
        return service if service in self.services else None, product


# -- why an item differs


def causes_of(old: Iterable[Item], new: Iterable[Item]) -> dict[tuple[int, int], int]:
    """By item: what differs first between its reasons under two recipes."""
    before = {(item.item_no, item.line): item for item in old}
    after = {(item.item_no, item.line): item for item in new}
    return {key: _cause([*_items(before, key)], [*_items(after, key)]) for key in {**before, **after}}


def _items(items: dict[tuple[int, int], Item], key: tuple[int, int]) -> Iterable[Item]:
    """The item itself; where a recipe makes other items of the cell, all of them."""
    return [items[key]] if key in items else items.values()


def _cause(old: Sequence[Item], new: Sequence[Item]) -> int:
    if _rules(old) != _rules(new):
        return RULE
    if _agents(old) != _agents(new):
        return AGENT_OF_RECORD
    if _parts_of_payees(old) != _parts_of_payees(new):  # a rule of somebody else counts in it, such as an upline's rate
        return RULE
    if _bases(old) != _bases(new):
        return STATEMENT
    return CODE


def _coefficients(items: Iterable[Item]) -> Iterator[Coefficient]:
    return (share.coefficient for item in items for share in item.shares if share.coefficient is not None)


def _rules(items: Iterable[Item]) -> set[tuple[str, int, str]]:
    return {(c.why.plan, c.why.plan_version, c.why.rule) for c in _coefficients(items)}


def _agents(items: Iterable[Item]) -> set[Designation]:
    return {c.why.aor for c in _coefficients(items)}


def _parts_of_payees(items: Iterable[Item]) -> set[tuple[str, int, int, int]]:
    return {(c.payee, c.role, c.numerator, c.denominator) for c in _coefficients(items)}


def _bases(items: Iterable[Item]) -> set[tuple[Any, ...]]:
    paid: set[tuple[str, int | Fraction]] = {(s.payee, s.base) for item in items for s in item.shares}
    return {*paid, *(item.received for item in items)}
