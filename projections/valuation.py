"""Valuation: what every cell of an account would be worth more or less under a proposed recipe, as of one position.

A pure function of the account's facts and of the house, as it is and as it would be: so batches and processes cannot
matter, and an account that learns something is simply valued again. What comes out is what ``settle`` of the ledger
would post where the proposed recipe takes the live one's place: the same legs, in the same order, with their numbers.

How it is fast. Only the state at the position is needed, so lines are not replayed. Lines that are rated by the same
terms are compared once: where both recipes pay the same parts nothing differs, and no line is rated; where they do not,
all lines of the season are multiplied at once. Terms of accounts of which nothing but the agents of record counts are
compiled once for all these accounts.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from operator import itemgetter
from typing import Any, NamedTuple

from domain import months, rating
from domain.money import exact_ratio
from domain.plan import Selector
from domain.rating import release_1
from domain.rating.attribution import agent_of_record
from domain.rating.facts import LINE_FIELDS, AccountFacts, Cell, Designation, HouseFacts, PlanVersion
from domain.rating.release_1 import HOUSE, HOUSE_ROLE, Item, TermsCache
from projections.ledger import difference, legs_of

RULE, AGENT_OF_RECORD, STATEMENT, CODE = range(4)
"""Causes: what differs first between the old and the new reason of an item."""
CAUSES = ("rule", "agent of record", "statement", "code")

REMEMBERED_KINDS = 10_000
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


EntryFields = tuple[int, int, str, int, int, int, int, int, int, int]
"""An entry's fields in their order, without their names: millions are made."""


@dataclass(frozen=True, slots=True)
class Valued:
    """How many lines stand on an account, and the entries by which the proposed recipe differs, in order."""

    lines: int
    entries: Sequence[EntryFields]


_LegOfCell = tuple[int, int, str, int, int, int, int, int, int]
"""An entry's fields without the leg's number."""

Line = Sequence[Any]
"""A ``line`` fact."""
Kind = tuple[str, int, str, str | None, str | None, str | None, int]
"""Of lines that are rated alike in a season: vendor, charge kind, currency, service named, product, service found, and
the month in which a reversal was reported, where that may choose the plan version."""
_kind = itemgetter(3, 5, 6, 8, 9)
_STATEMENT_NO, _LINE, _VENDOR, _MONTH, _KIND, _CURRENCY, _COMMISSION, _SERVICE, _PRODUCT = range(1, 10)
ALWAYS = months.first_day(12)


class Part(NamedTuple):
    """One payee's part of a line's commission, as it would be and as it is: numerator and denominator of each."""

    role: int
    book: int
    new: tuple[int, int]
    old: tuple[int, int]


class NotByLine(Exception):
    """Lines of this account cannot be compared one by one: its cells are to be rated whole."""


Change = tuple[Part, ...]
"""What differs in the parts of every line under the same terms; empty where both recipes pay the same."""


@dataclass(slots=True)
class _Seasons:
    """The changes of one kind of lines, season by season, as they are asked for."""

    found: list[tuple[int, int, Change]] = field(default_factory=list)
    """First month, month after the last, change."""
    live: TermsCache = field(default_factory=dict)
    proposed: TermsCache = field(default_factory=dict)


@dataclass(slots=True)
class Alike:
    """An account that stands for all that are rated like it, and what is remembered of lines on it."""

    account: AccountFacts
    shared: bool
    kinds: dict[Kind, _Seasons] = field(default_factory=dict)


@dataclass(slots=True)
class Valuer:
    """Values account after account. Remembers only what holds for many accounts, and only so much of it."""

    live: HouseFacts
    proposed: HouseFacts
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

    def __post_init__(self) -> None:
        versions = [v for house in (self.live, self.proposed) for of_plan in house.plans.values() for v in of_plan]
        self.told_apart = ToldApart.by(versions)
        self.releases = [rating.release(house.release_at(self.known)) for house in (self.live, self.proposed)]
        self.by_service = any(version.once or version.pays_by_service_month for version in versions)
        self.reverses_today = self.live.reverses_today or self.proposed.reverses_today

    def value(self, account_no: int, facts: Sequence[tuple[int, Sequence[Any]]]) -> Valued:
        """The difference on one account; nothing for what waits in suspense, which no recipe rates."""
        if account_no < 0:
            return Valued(0, ())
        lines = [fact for _, fact in facts if fact[0] == "line"]
        others = [(position, fact) for position, fact in facts if fact[0] != "line"]
        if any(fact[0] == "unline" for _, fact in others):
            lines = _standing(facts)
            others = [(position, fact) for position, fact in others if fact[0] != "unline"]
        account = AccountFacts.of(account_no, others)
        if not account.designations and not account.waiting:  # nobody was ever named, so nobody is paid
            return Valued(len(lines), ())
        try:
            if self.by_service and account.services:
                raise NotByLine
            return Valued(len(lines), _numbered(self._line_by_line(account, lines)))
        except NotByLine:
            whole = AccountFacts.of(account_no, facts)
            return Valued(len(lines), _numbered(self.cell_by_cell(whole)))

    # -- cell by cell: what defines the difference

    def cell_by_cell(self, account: AccountFacts) -> Iterator[_LegOfCell]:
        """Every cell rated whole under both recipes."""
        live: TermsCache = {}
        proposed: TermsCache = {}
        cells = {*account.cells(self.live, self.known), *account.cells(self.proposed, self.known)}
        for cell in sorted(cells):
            old = rating.rate(account, self.live, cell, self.known, live)
            new = rating.rate(account, self.proposed, cell, self.known, proposed)
            legs = difference(legs_of(old, self.book_of), legs_of(new, self.book_of))
            if legs:
                causes = causes_of(old, new)
                for leg in legs:
                    yield (*cell[1:], *leg, causes[leg[0], leg[1]])

    # -- line by line: the same, fed otherwise

    def _line_by_line(self, account: AccountFacts, lines: Sequence[Line]) -> list[_LegOfCell]:
        """The lines of each season rated at once. Raises NotByLine."""
        if self.remembered > REMEMBERED_KINDS:
            self.alike.clear()
            self.remembered = 0
        legs: list[_LegOfCell] = []
        for alike, of_agents in self._by_agents(account, lines):
            for kind, of_kind in self._by_kind(alike.account, of_agents):
                for change, of_season in self._by_season(alike, kind, of_kind):
                    legs += self._changed(change, of_season)
        legs.sort()
        return legs

    def _by_agents(self, account: AccountFacts, lines: Sequence[Line]) -> Iterator[tuple[Alike, Sequence[Line]]]:
        """The lines with the account that stands for theirs; those without an agent are the house's in any case."""
        if not self._only_agents_count(account):
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

    def _only_agents_count(self, account: AccountFacts) -> bool:
        """Whether the account's lines are rated like those of any other account with the same agents of record."""
        return (
            not account.services
            and not account.agencies
            and not account.successions
            and account.account not in self.told_apart.accounts
            and all(d.service is None and d.stays_at_latest is None for d in account.designations)
        )

    def _alike(self, aor: Designation) -> Alike:
        alike = self.alike.get(aor.agents)
        if alike is None:
            account = AccountFacts(0, "every account with these agents")
            account.designations.append(aor._replace(effective_on=ALWAYS, signed_on=ALWAYS))
            alike = self.alike[aor.agents] = Alike(account, shared=True)
        return alike

    def _by_kind(self, account: AccountFacts, lines: Sequence[Line]) -> Iterable[tuple[Kind, Sequence[Line]]]:
        """The lines by what their terms depend on besides the month."""
        if not account.services and not self.reverses_today:
            kinds = set(map(_kind, lines))
            if len(kinds) == 1:
                return [((*kinds.pop(), None, 0), lines)]
            return [((*kind, None, 0), [line for line in lines if _kind(line) == kind]) for kind in kinds]
        found: dict[tuple[str | None, int], str | None] = {}
        by_kind: dict[Kind, list[Line]] = {}
        for line in lines:
            named, month = line[_SERVICE], line[_MONTH]
            if (named, month) not in found:
                service = release_1.service_named(account, named, month, self.known)
                found[named, month] = service.name if service else None
            reported = line[LINE_FIELDS] if self.reverses_today and len(line) > LINE_FIELDS else 0
            kind = (*_kind(line), found[named, month], reported if reported != month else 0)
            by_kind.setdefault(kind, []).append(line)
        return by_kind.items()

    def _by_season(self, alike: Alike, kind: Kind, lines: Sequence[Line]) -> Iterator[tuple[Change, Sequence[Line]]]:
        """The lines of one kind by season, those left out for which nothing differs. Raises NotByLine."""
        if alike.shared:
            vendor, charge_kind, currency, named, product, found, reported = kind
            named, product = self.told_apart.of(self.live, vendor, named, product, self.known)
            kind = vendor, charge_kind, currency, named, product, found, reported
        seasons = alike.kinds.get(kind)
        if seasons is None:
            seasons = alike.kinds[kind] = _Seasons()
            self.remembered += 1
        month, last = min(line[_MONTH] for line in lines), max(line[_MONTH] for line in lines)
        while month <= last:
            first, after, change = self._season(alike.account, kind, seasons, month)
            if change:
                yield change, [line for line in lines if first <= line[_MONTH] < after]
            month = after

    def _season(self, account: AccountFacts, kind: Kind, seasons: _Seasons, month: int) -> tuple[int, int, Change]:
        """The season around a month under both recipes, and what differs in it."""
        for season in seasons.found:
            if season[0] <= month < season[1]:
                return season
        vendor, charge_kind, currency, named, product, found, reported = kind
        cell = Cell(account.account_no, month, charge_kind, currency)
        service = account.services[found] if found else None
        terms = [
            release_1.terms(
                account, house, cell, service, product, vendor, self.known, cache, named=named, reported=reported
            )
            for house, cache in ((self.live, seasons.live), (self.proposed, seasons.proposed))
        ]
        around = [
            season
            for cache in (seasons.live, seasons.proposed)
            for (of_kind,) in (cache.values(),)
            for season, _ in of_kind
            if season.first <= month < season.after
        ]
        first, after = max(season.first for season in around), min(season.after for season in around)
        seasons.found.append((first, after, self.compared(*terms)))
        return seasons.found[-1]

    def compared(self, old: release_1.Terms, new: release_1.Terms) -> Change:
        """What differs between two terms for a line. Raises NotByLine."""
        if not (self.releases[0].part_by_part(old) and self.releases[1].part_by_part(new)):
            raise NotByLine
        if old.suspense_because and new.suspense_because:
            return ()
        if old.suspense_because or new.suspense_because:
            raise NotByLine
        was, would_be = _parts(old), _parts(new)
        return tuple(
            Part(role, self.book_of(payee), would_be.get((role, payee), (0, 1)), was.get((role, payee), (0, 1)))
            for role, payee in {**would_be, **was}
            if would_be.get((role, payee)) != was.get((role, payee))
        )

    def _changed(self, change: Change, lines: Sequence[Line]) -> Iterator[_LegOfCell]:
        """The legs of all lines under one change: each payee's, and the house's, which takes what is left."""
        bases = [exact_ratio(line[_COMMISSION]) for line in lines]
        house, taken = self.book_of(HOUSE), [0] * len(lines)
        for role, book, new, old in change:
            more = release_1.parts_of(bases, *new)
            less = release_1.parts_of(bases, *old)
            amounts = [now - before for now, before in zip(more, less, strict=True)]
            taken = [others + amount for others, amount in zip(taken, amounts, strict=True)]
            for (_, no, line, _, month, kind, currency, *_), amount in zip(lines, amounts, strict=True):
                if amount:
                    yield (month, kind, currency, no, line, role, book, amount, RULE)
        for (_, no, line, _, month, kind, currency, *_), amount in zip(lines, taken, strict=True):
            if amount:
                yield (month, kind, currency, no, line, HOUSE_ROLE, house, -amount, RULE)


def _numbered(legs: Iterable[_LegOfCell]) -> list[EntryFields]:
    """The legs in their order with their numbers within each cell."""
    entries: list[EntryFields] = []
    cell, number = None, 0
    for leg in legs:
        of = leg[:3]
        number = number + 1 if of == cell else 1
        cell = of
        entries.append((*of, number, *leg[3:]))
    return entries


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
    if _bases(old) != _bases(new):
        return STATEMENT
    return CODE


def _rules(items: Iterable[Item]) -> set[tuple[Any, ...]]:
    return {
        (c.role, c.payee, c.why.plan, c.why.plan_version, c.why.rule, c.numerator, c.denominator)
        for item in items
        for share in item.shares
        if (c := share.coefficient) is not None
    }


def _agents(items: Iterable[Item]) -> set[Designation]:
    return {s.coefficient.why.aor for item in items for s in item.shares if s.coefficient is not None}


def _bases(items: Iterable[Item]) -> set[tuple[Any, ...]]:
    paid: set[tuple[str, int | Fraction]] = {(s.payee, s.base) for item in items for s in item.shares}
    return {*paid, *(item.received for item in items)}
