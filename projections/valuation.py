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

from domain import rating
from domain.money import over_one_denominator
from domain.rating import release_1
from domain.rating.facts import AccountFacts, Designation, HouseFacts
from domain.rating.release_1 import HOUSE, HOUSE_ROLE, Coefficient, Item, TermsCache
from projections.alike import (
    LINE_COMMISSION,
    LINE_CURRENCY,
    LINE_KIND,
    LINE_MONTH,
    LINE_NUMBER,
    LINE_STATEMENT,
    Kind,
    Line,
    LinesAlike,
    Season,
    ToldApart,
    terms_of,
)
from projections.ledger import Books, difference, first_month, legs_of

RULE, AGENT_OF_RECORD, STATEMENT, CODE = range(4)
"""Causes: what differs first between the old and the new reason of an item."""
CAUSES = ("rule", "agent of record", "statement", "code")


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
_head = itemgetter(4, 5, 6, 1, 2)
"""Of a ``line`` fact: month, charge kind, currency, statement and line."""


class Part(NamedTuple):
    """One payee's part of a line's commission, as it would be and as it is: numerator and denominator of each."""

    role: int
    book: int
    new: tuple[int, int]
    old: tuple[int, int]


Change = tuple[Part, ...]
"""What differs in the parts of every line under the same terms; empty where both recipes pay the same."""


@dataclass(slots=True)
class Concerned:
    """Whom a change of the recipe can concern at all, as the ledger asks when it is promoted."""

    first_month: int
    agents: frozenset[str] | None
    """Of whom one must ever have been agent of record; None: whoever it is."""
    plans: bool
    """Whether it brings or ends plan versions, rather than another release alone."""

    @classmethod
    def of(cls, change: Sequence[Fact], proposed: HouseFacts) -> "Concerned":
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
    concerned: Concerned
    known: int
    """The position as of which accounts are valued."""
    book_of: Callable[[str], int]
    lines_alike: LinesAlike[Change | None] = field(init=False)
    releases: list[rating.Release] = field(init=False)
    """The live one and the proposed one."""
    by_service: bool = field(init=False)
    """Whether a plan pays for services rather than for lines, under either recipe."""

    @classmethod
    def of(cls, house: Sequence[tuple[int, Fact]], change: Sequence[Fact], known: int) -> "Valuer":
        """``house`` is what it has learned up to a position, ``change`` what it would learn there."""
        live, proposed = HouseFacts.of(house), as_proposed(house, change, known)
        return cls(live, proposed, Concerned.of(change, proposed), known, Books(live).__getitem__)

    def __post_init__(self) -> None:
        versions = [v for house in (self.live, self.proposed) for of_plan in house.plans.values() for v in of_plan]
        reverses_today = self.live.reverses_today or self.proposed.reverses_today
        self.lines_alike = LinesAlike(self.live, ToldApart.by(versions), reverses_today, self._season)
        self.releases = [rating.release(house.release_at(self.known)) for house in (self.live, self.proposed)]
        self.by_service = any(version.pays_by_service for version in versions)

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
        reached = [line for line in lines if line[LINE_MONTH] >= self.concerned.first_month]
        legs, whole = self._line_by_line(account, reached)
        if whole:
            rated_whole = self.cell_by_cell(AccountFacts.of(account_no, facts), whole)
            legs = [*(leg for leg in legs if leg[:3] not in whole), *rated_whole]
        legs.sort()
        return Valued(came, legs)

    def _concerned(self, facts: Iterable[tuple[int, Fact]]) -> bool:
        """Whether anybody was ever named on the account whom the change can concern."""
        agents = self.concerned.agents
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
            if cell.month < self.concerned.first_month or (only is not None and cell[1:] not in only):
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
        legs: list[_LegOfCell] = []
        whole: set[CellKey] = set()
        for change, of_season in self.lines_alike.by_season(account, lines, self.known) if lines else ():
            if change is None:
                whole.update((line[LINE_MONTH], line[LINE_KIND], line[LINE_CURRENCY]) for line in of_season)
            elif change:
                legs += self._changed(change, of_season)
        return legs, whole

    def _season(self, account: AccountFacts, kind: Kind, month: int, known: int) -> Season[Change | None]:
        """What differs between both recipes around a month; None where lines have to be rated whole."""
        first, after, old = terms_of(account, kind, month, known, self.live)
        new = old
        if self.concerned.plans:
            from_, until, new = terms_of(account, kind, month, known, self.proposed)
            first, after = max(first, from_), min(after, until)
        return first, after, self._compared(old, new)

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
        bases, below = over_one_denominator([line[LINE_COMMISSION] for line in lines])
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
            standing[fact[LINE_STATEMENT], fact[LINE_NUMBER]] = fact
        elif fact[0] == "unline":
            del standing[fact[LINE_STATEMENT], fact[LINE_NUMBER]]
    return list(standing.values())


def _parts(terms: release_1.Terms) -> dict[tuple[int, str], tuple[int, int]]:
    """By role and payee: the part of a line's commission."""
    return {
        (part.role, part.payee): (part.numerator, part.denominator)
        for split in terms.splits
        for part in split.commission
    }


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
