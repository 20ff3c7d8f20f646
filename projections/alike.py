"""Lines that the same terms rate, on whichever account they stand: what is made of their terms is made once.

Rating compiles the terms of lines that share product and service once for a season of months on one account. Here
accounts are alike too: where nothing but the agents of record counts, one account with these agents stands for all. So
the ledger of many accounts and a valuation multiply all lines of a season at once, by terms that nobody compiled again.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, Generic, TypeVar

from domain import months
from domain.plan import Retroactive, Selector, ServiceMonthsFrom
from domain.rating import release_1
from domain.rating.attribution import agent_of_record
from domain.rating.facts import (
    LINE_FIELDS,
    NEVER,
    AccountFacts,
    Cell,
    Designation,
    HouseFacts,
    PlanVersion,
    Service,
)
from domain.rating.release_1 import Terms

REMEMBERED_KINDS = 50_000
"""Kinds of lines of which it is remembered what was made, before all are forgotten: this bounds the memory."""

Line = Sequence[Any]
"""A ``line`` fact."""
Kind = tuple[str, int, str, str | None, str | None, str | None, int]
"""Of lines that are rated alike in a season: vendor, charge kind, currency, service named, product, service found, and
the month in which a reversal was reported, where that may choose the plan version."""
_kind = itemgetter(3, 5, 6, 8, 9)
LINE_STATEMENT, LINE_NUMBER, LINE_VENDOR, LINE_MONTH, LINE_KIND, LINE_CURRENCY, LINE_COMMISSION = range(1, 8)
LINE_PRODUCT = 9
"""Where in a ``line`` fact its fields are."""
ALWAYS = months.first_day(12)

Made = TypeVar("Made")
Season = tuple[int, int, Made]
"""First month, month after the last, and what was made of the terms that hold there."""


@dataclass(slots=True)
class Alike(Generic[Made]):
    """An account that stands for all that are rated like it, and what is remembered of lines on it."""

    account: AccountFacts
    shared: bool
    kinds: dict[Kind, list[Season[Made]]] = field(default_factory=dict)


@dataclass(slots=True)
class LinesAlike(Generic[Made]):
    """Lines of one account after the other, by season. Remembers only what holds for many accounts."""

    house: HouseFacts
    told_apart: "ToldApart"
    reverses_today: bool
    """Whether a reversal may be rated by the month in which it was reported."""
    make: Callable[[AccountFacts, Kind, int, int], Season[Made]]
    """What is wanted of the terms of a kind of lines in a month, as known at a position."""
    _turns: list[int] = field(init=False)
    """The positions at which anything changed in the house by which terms may be others."""
    _remembered: int = 0
    _alike: dict[tuple[tuple[tuple[str, int], ...], int], Alike[Made]] = field(default_factory=dict)
    """By agents of record and turn of the house: for accounts of which nothing else counts."""

    def __post_init__(self) -> None:
        self._turns = [position for position, change in self.house.changes if change[0] != "reported"]

    def by_season(
        self, account: AccountFacts, lines: Sequence[Line], known: int
    ) -> Iterator[tuple[Made, Sequence[Line]]]:
        """What was made of the terms, with the lines that are rated by them. Every line comes once."""
        if self._remembered > REMEMBERED_KINDS:
            self._alike.clear()
            self._remembered = 0
        for alike, of_agents in self._by_agents(account, lines, known):
            for kind, of_kind in self._by_kind(account, alike, of_agents, known):
                yield from self._by_season(alike, kind, of_kind, known)

    def _by_agents(
        self, account: AccountFacts, lines: Sequence[Line], known: int
    ) -> Iterable[tuple[Alike[Made], Sequence[Line]]]:
        """The lines with the account that stands for theirs."""
        if not self._only_agents_count(account, lines, known):
            return [(Alike(account, shared=False), lines)]
        designations = [d for d in account.designations if d.position <= known < d.ended]
        of_lines = {line[LINE_MONTH] for line in lines}
        if len(designations) == 1 and min(of_lines) >= months.number_of(designations[0].effective_on):
            return [(self._standing_for(designations[0], known), lines)]
        paid = {month: agent_of_record(designations, (), months.last_day(month), known) for month in of_lines}
        return [
            (self._standing_for(aor, known), [line for line in lines if paid[line[LINE_MONTH]] == aor])
            for aor in dict.fromkeys(paid.values())
        ]

    def _only_agents_count(self, account: AccountFacts, lines: Sequence[Line], known: int) -> bool:
        """Whether the account's lines are rated like those of any other account with the same agents of record."""
        if account.agencies or account.successions or account.account in self.told_apart.accounts:
            return False
        if any(d.service is not None or d.stays_at_latest is not None for d in account.designations):
            return False
        services = account.services
        return not services or self.told_apart.not_by_service(services.values(), lines, self.house, known)

    def _standing_for(self, aor: Designation | None, known: int) -> Alike[Made]:
        key = aor.agents if aor else (), bisect_right(self._turns, known)
        alike = self._alike.get(key)
        if alike is None:
            account = AccountFacts(0, "every account with these agents")
            if aor:
                always = aor._replace(position=0, ended=NEVER, effective_on=ALWAYS, signed_on=ALWAYS)
                account.designations.append(always)
            alike = self._alike[key] = Alike(account, shared=True)
        return alike

    def _by_kind(
        self, account: AccountFacts, alike: Alike[Made], lines: Sequence[Line], known: int
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
            month = line[LINE_MONTH]
            if (name, month) not in found:
                found[name, month] = release_1.service_named(account, name, month, known)
            service = found[name, month]
            reported = line[LINE_FIELDS] if self.reverses_today and len(line) > LINE_FIELDS else 0
            product = product or (service.product if service else None)
            of_service = service.name if service and not alike.shared else None
            kind = vendor, charge_kind, currency, name, product, of_service, reported if reported != month else 0
            by_kind.setdefault(kind, []).append(line)
        return by_kind.items()

    def _by_season(
        self, alike: Alike[Made], kind: Kind, lines: Sequence[Line], known: int
    ) -> Iterator[tuple[Made, Sequence[Line]]]:
        if alike.shared:
            vendor, charge_kind, currency, name, product, found, reported = kind
            name, product = self.told_apart.of(self.house, vendor, name, product, known)
            kind = vendor, charge_kind, currency, name, product, found, reported
        seasons = alike.kinds.get(kind)
        if seasons is None:
            seasons = alike.kinds[kind] = []
            self._remembered += 1
        of_lines = [line[LINE_MONTH] for line in lines]
        earliest, last = min(of_lines), max(of_lines)
        month = earliest
        while month <= last:
            first, after, made = self._season(alike.account, kind, seasons, month, known)
            whole = first <= earliest and last < after
            yield made, lines if whole else [line for line in lines if first <= line[LINE_MONTH] < after]
            month = after

    def _season(
        self, account: AccountFacts, kind: Kind, seasons: list[Season[Made]], month: int, known: int
    ) -> Season[Made]:
        for season in seasons:
            if season[0] <= month < season[1]:
                return season
        seasons.append(self.make(account, kind, month, known))
        return seasons[-1]


def terms_of(account: AccountFacts, kind: Kind, month: int, known: int, house: HouseFacts) -> Season[Terms]:
    """The terms of a kind of lines in a month with the season in which they hold."""
    vendor, charge_kind, currency, name, product, found, reported = kind
    cell = Cell(account.account_no, month, charge_kind, currency)
    service = account.services[found] if found else None
    cache: release_1.TermsCache = {}
    terms = release_1.terms(account, house, cell, service, product, vendor, known, cache, named=name, reported=reported)
    ((season, _),) = next(iter(cache.values()))
    return season.first, season.after, terms


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

    def not_by_service(self, services: Iterable[Service], lines: Iterable[Line], house: HouseFacts, known: int) -> bool:
        """Whether lines for these services are rated like lines of the same product for none."""
        by_name: dict[str | None, Service] = {}
        for service in services:
            if self.contracts or service.service in self.services or service.name in self.services:
                return False
            if service.category in self.categories:
                by_name[service.name] = service
        return not by_name or all(
            house.category_of(line[LINE_VENDOR], line[LINE_PRODUCT] or service.product, known) is not None
            for service in by_name.values()
            for line in lines
        )

    def of(
        self, house: HouseFacts, vendor: str, service: str | None, product: str | None, known: int
    ) -> tuple[str | None, str | None]:
        """A service and a product that no rule names are like none."""
        if product not in self.products:
            category = house.category_of(vendor, product, known)
            product = product if category is not None and category in self.categories else None
        return service if service in self.services else None, product
