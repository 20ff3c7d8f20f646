"""The ledger: the value of every cell, and one journal of the differences.

When facts arrive, the ledger asks which cells they touch, rates them as known before and at that position, and posts
what differs, at that position: one balanced posting for each (position, cell), never coalesced. Positions come in
order; of what a row holds nothing comes from a clock, a sequence, a hash or the edge of a batch. The promotion of a
recipe is an event like any other: what it concerns is rated by the recipe before it and by the one from it on.

Signs: a credit is above zero. What an agent is owed is a credit on ``payable``; what a vendor owes the house is a debit
on its ``receivable``; money in the bank is a debit.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from operator import itemgetter, neg
from typing import Any, Literal, NamedTuple, Protocol

from domain import months, rating
from domain.money import over_one_denominator
from domain.plan import CHARGE_KINDS
from domain.rating import release_1
from domain.rating.facts import ADJUSTMENT_NO, CASH_NO, HOLD_NO, HOUSE_NO, RECURRING, AccountFacts, Cell, HouseFacts
from domain.rating.release_1 import Item, Terms, TermsCache
from projections.alike import (
    LINE_COMMISSION,
    LINE_NUMBER,
    LINE_STATEMENT,
    LINE_VENDOR,
    Kind,
    Line,
    LinesAlike,
    Season,
    ToldApart,
    terms_of,
)
from projections.projection import Column, Row, Table

JOURNAL = Table(
    "journal",
    (
        Column("position", "bigint", "position of the event that caused the posting"),
        Column(
            "account_no",
            "bigint",
            "account of the cell; -1 money that moved, -2 adjustments, -3 holds; below: suspense",
        ),
        Column(
            "effective_on", "date", "last day of the cell's service month; the day on which money moved or was adjusted"
        ),
        Column(
            "kind",
            "smallint",
            "charge kind: 0 recurring, 1 usage, 2 one-time, 3 spiff; 7 hold, 8 adjustment, 9 money that moved",
        ),
        Column("currency", "text", "ISO 4217"),
        Column("leg", "integer", "number of the entry within its posting, from 1"),
        Column("item_no", "bigint", "position of the statement's or service's beginning; of the payment"),
        Column("item_line", "integer", "line of the statement; 0 for a service or a payment"),
        Column(
            "role", "smallint", "part in the item: 0 seller, 1… override level, 1000 house, 1001 suspense, 2000 payer"
        ),
        Column("book", "bigint", "ledger account: 8 × party number + kind of book"),
        Column("amount_minor", "bigint", "minor units; a credit is above zero, a debit below"),
    ),
    ("account_no", "effective_on", "kind", "currency", "position", "leg"),
    (("book", "effective_on"), ("position", "account_no")),
)
BALANCE = Table(
    "balance",
    (
        Column("book", "bigint", "ledger account: 8 × party number + kind of book"),
        Column("currency", "text", "ISO 4217"),
        Column("amount_minor", "bigint", "sum of the journal; a credit is above zero"),
    ),
    ("book", "currency"),
    sums=True,
)

name = "ledger"
version = 3
tables = (JOURNAL, BALANCE)

HOLD_KIND, ADJUSTMENT_KIND, CASH_KIND = 7, 8, 9
KIND_OF = {CASH_NO: CASH_KIND, ADJUSTMENT_NO: ADJUSTMENT_KIND, HOLD_NO: HOLD_KIND}
"""Partitions of facts from which no cell is rated: the kind of their entries in the journal."""
KIND_NAMES = {CASH_KIND: "cash", ADJUSTMENT_KIND: "adjustment", HOLD_KIND: "hold"}
"""How entries that belong to no cell are called in their ids."""
UNEARNED = (CASH_KIND, HOLD_KIND)
"""Kinds of entries on an agent's payable that are nothing earned: what was earned moves on."""
PAYER_ROLE = 2000

BookKind = Literal["payable", "margin", "receivable", "suspense", "bank", "in-transit", "held"]
BOOK_KINDS: tuple[BookKind, ...] = ("payable", "margin", "receivable", "suspense", "bank", "in-transit", "held")
BOOKS_PER_PARTY = 8


def book(kind: BookKind, party_no: int = 0) -> int:
    """The number of a ledger account; the party is the position at which an agent or vendor began, 0 the house."""
    return party_no * BOOKS_PER_PARTY + BOOK_KINDS.index(kind) + 1


def book_name(number: int, parties: Mapping[int, str]) -> str:
    """``agent:harbor:payable`` for its number; ``parties`` are names by number."""
    party_no, kind_no = divmod(number, BOOKS_PER_PARTY)
    kind = BOOK_KINDS[kind_no - 1]
    match kind:
        case "payable" | "receivable" | "held":
            return f"{parties[party_no]}:{kind}"
        case "margin":
            return "house:margin"
        case "suspense":
            return "suspense:unmatched"
        case "bank" | "in-transit":
            return kind


MARGIN, SUSPENSE_BOOK = book("margin"), book("suspense")


class Leg(NamedTuple):
    """One entry before it has a number: its item, its part in it, its ledger account, its amount."""

    item_no: int
    item_line: int
    role: int
    book: int
    amount_minor: int


LegFields = tuple[int, int, int, int, int]
"""A leg's fields in their order, without their names: millions are made in a rebuild."""
BOOK, AMOUNT = Leg._fields.index("book"), Leg._fields.index("amount_minor")


class EntryId(NamedTuple):
    """Position, cell and leg: what an entry is called for ever."""

    position: int
    account_no: int
    effective_on: date
    kind: int
    currency: str
    leg: int

    def __str__(self) -> str:
        position, account_no, effective_on, kind, currency, leg = self
        day = effective_on.isoformat()
        if kind in KIND_NAMES:
            return f"{position}:{KIND_NAMES[kind]}:{day}:{currency}:{leg}"
        return f"{position}:{account_no}:{day[: len('2026-01')]}:{CHARGE_KINDS[kind]}:{currency}:{leg}"


class FactsReader(Protocol):
    """Where the ledger reads facts: in order of position, earlier ones first."""

    def account(self, account_no: int, before: int) -> Iterable[tuple[int, Sequence[Any]]]:
        """The facts of one account, of the house or of a suspense partition, from before a position."""

    def accounts_of(self, agents: Iterable[str]) -> Iterable[int]:
        """The accounts on which any of the agents was ever named."""

    def accounts_paid_by(self, vendor: str) -> Iterable[int]:
        """The accounts for which the vendor may pay."""

    def all_accounts(self) -> Iterable[int]:
        """Every account on which an agent was ever named: whatever release rates, nobody is paid on the others."""


OF_A_VENDOR = ("reported", "products", "vendor-agreement")
"""Changes in the house that concern the accounts for which a vendor may pay."""

PASSING_ACCOUNTS = 1_000
"""An event that concerns more accounts than this leaves none of them in memory."""

Facts = Sequence[tuple[int, Sequence[Any]]]
"""The facts of one position: account number and body, in order."""


@dataclass(slots=True)
class LedgerAccount:
    """One account's facts with what was posted for its cells so far."""

    facts: AccountFacts
    posted: dict[Cell, list[LegFields]] = field(default_factory=dict)
    terms: TermsCache = field(default_factory=dict)
    fresh: bool = False
    """Nothing was posted for this account yet: what is not in ``posted`` is nothing."""
    _known: int = -1
    _terms_known: TermsCache = field(default_factory=dict)

    def terms_known_at(self, known: int) -> TermsCache:
        """Terms as known at a past position, compiled once for all cells that are settled after it."""
        if known != self._known:
            self._known, self._terms_known = known, {}
        return self._terms_known


@dataclass
class Ledger:
    """Posts position by position. Holds what it has read of the house; forgets accounts at will."""

    reader: FactsReader
    house: HouseFacts = field(default_factory=HouseFacts)
    accounts: dict[int, LedgerAccount] = field(default_factory=dict)
    _books: "Books" = field(init=False)

    def __post_init__(self) -> None:
        self._books = Books(self.house)

    def learn_house(self, before: int) -> None:
        for position, fact in self.reader.account(HOUSE_NO, before):
            self.house.learn(position, fact)

    def project(self, position: int, facts: Facts) -> Iterator[Row]:
        """The rows of one position: learn its facts, then settle every cell that they touch, in order."""
        touched: dict[int, set[Cell]] = {}
        turned: set[int] = set()
        changes: list[Sequence[Any]] = []
        for account_no, fact in facts:
            if account_no == HOUSE_NO:
                self.house.learn(position, fact)
                changes.append(fact)
            elif account_no in KIND_OF:
                yield from moved_rows(position, account_no, fact, self.house)
            else:
                account = self.account(account_no, position)
                account.facts.learn(position, fact)
                cells = touched_by(account, self.house, fact, position)
                touched.setdefault(account_no, set()).update(cells)
                if fact[0] not in LINES:
                    turned.add(account_no)
        changed: dict[int, list[Sequence[Any]]] = {}
        for change in changes:
            for account_no in self.concerned_by_house(change, position):
                changed.setdefault(account_no, []).append(change)
        passing = len(changed) > PASSING_ACCOUNTS
        for account_no in sorted(touched.keys() | changed.keys()):
            stays = account_no in self.accounts
            account = self.account(account_no, position + 1)
            cells = touched.get(account_no, set())
            for change in changed.get(account_no, ()):
                cells |= touched_by_change(account, self.house, change, position)
            only_lines = account_no not in turned and account_no not in changed
            for cell in sorted(cells):
                legs = settle(account, self.house, cell, position, self.book_of, only_lines=only_lines)
                yield from journal_rows(position, cell, legs)
            if passing and not stays:
                del self.accounts[account_no]

    def learn_promotion(self, position: int, changes: Iterable[Sequence[Any]]) -> None:
        """Go on after a promotion whose rows were posted from a valuation: what is in memory of accounts is over."""
        for change in changes:
            self.house.learn(position, change)
        self.accounts.clear()

    def account(self, account_no: int, before: int) -> LedgerAccount:
        """One account, with its facts from before a position if it was not known yet."""
        account = self.accounts.get(account_no)
        if account is None:
            account = self.accounts[account_no] = LedgerAccount(AccountFacts(account_no))
            for position, fact in self.reader.account(account_no, before):
                account.facts.learn(position, fact)
        return account

    def concerned_by_house(self, change: Sequence[Any], position: int) -> Iterable[int]:
        """The accounts of which a change in the house can change cells."""
        if change[0] in OF_A_VENDOR:
            if change[0] == "reported" and not self.house.pays_by_service_month(position):
                return ()
            return self.reader.accounts_paid_by(change[1])
        if change[0] == "recipe":
            return () if change[2] is None else self.reader.all_accounts()
        concerned = self.house.concerned(change)
        return self.reader.accounts_of(concerned) if concerned else ()

    def book_of(self, payee: str) -> int:
        """The ledger account of a share's payee."""
        return self._books[payee]


def moved_rows(position: int, account_no: int, fact: Sequence[Any], house: HouseFacts) -> Iterator[Row]:
    """The rows of money that moved or was adjusted: one balanced posting, from no cell."""
    _, legs, currency, effective_on, *_ = fact
    on, entry_kind = date.fromisoformat(effective_on), KIND_OF[account_no]
    for leg, (kind, party, amount_minor) in enumerate(legs, start=1):
        number = book(kind, party_no(kind, party, house))
        yield Row(
            "journal", (position, account_no, on, entry_kind, currency, leg, position, 0, 0, number, amount_minor)
        )
        yield Row("balance", (number, currency, amount_minor))


def party_no(kind: BookKind, party: str, house: HouseFacts) -> int:
    match kind:
        case "payable" | "held":
            return house.agents[party].agent_no
        case "receivable":
            return house.vendor_no[party]
        case _:
            return 0


def payee_book(payee: str, house: HouseFacts) -> int:
    if payee == release_1.HOUSE:
        return MARGIN
    if payee == release_1.SUSPENSE:
        return SUSPENSE_BOOK
    kind, _, key = payee.partition(":")
    return book("payable", house.agents[key].agent_no) if kind == "agent" else book("receivable", house.vendor_no[key])


class Books(dict[str, int]):
    """The ledger account of every payee that was met."""

    def __init__(self, house: HouseFacts) -> None:
        super().__init__()
        self.house = house

    def __missing__(self, payee: str) -> int:
        number = self[payee] = payee_book(payee, self.house)
        return number


# -- which cells a fact touches: always enough, sometimes more

LINES = frozenset({"line", "unline", "unstated", "suspect", "cleared", "unmatched"})
"""Facts that bring lines or take them, and change nothing of how others are rated."""


ENDS = frozenset({"off", "payer", "succeeded"})
"""Facts by which a month may be due no longer: out of service, after a vendor's last number, or another vendor's."""


def touched_by(account: LedgerAccount, house: HouseFacts, fact: Sequence[Any], position: int) -> Iterable[Cell]:
    """The cells of its own account that a fact can change."""
    facts = account.facts
    tag = fact[0]
    if tag == "line":
        return (Cell(facts.account_no, fact[4], fact[5], fact[6]),)
    if tag == "unline":
        return (Cell(facts.account_no, *facts.line_cells[fact[1], fact[2]]),)
    if tag in ("waiting", "waited", "suspect", "cleared", "unstated", "account", "unmatched"):
        return ()
    account.terms.clear()
    if tag in ("aor", "undone", "active", "price"):
        first = months.number_of(date.fromisoformat(fact[3]))
    elif tag == "agency":
        first = months.number_of(date.fromisoformat(fact[1]))
    elif tag == "renewed":  # by which a reversal of any earlier month may come under another version
        first = 0 if house.reverses_today else months.number_of(date.fromisoformat(fact[2]))
    elif tag == "succeeded":
        first = months.first_month_from(date.fromisoformat(fact[3]))
    else:
        first = 0
    cells = facts.cells(house, position)
    if tag in ENDS:  # a month that nobody pays for now may have been due without a line, and is a cell no longer
        cells += facts.cells(house, position - 1)
    return [cell for cell in cells if cell.month >= first]


def touched_by_change(account: LedgerAccount, house: HouseFacts, change: Sequence[Any], position: int) -> set[Cell]:
    """The cells of an account that a change in the house can change."""
    facts = account.facts
    if change[0] == "reported":
        currencies = {service.currency for service in facts.services.values() if service.service_no <= position}
        return {Cell(facts.account_no, change[2], RECURRING, currency) for currency in currencies}
    account.terms.clear()
    first = first_month(change, house)
    return {cell for cell in facts.cells(house, position) if cell.month >= first}


def first_month(change: Sequence[Any], house: HouseFacts) -> int:
    match change[0]:
        case "agreement" | "upline":
            return months.number_of(date.fromisoformat(change[3]))
        case "terminated" | "vendor-agreement":
            return months.number_of(date.fromisoformat(change[2]))
        case "plan":
            # a service may be older than its contract's signing; a reversal is of any month before it was reported
            if house.reverses_today or change[1]["applies_to"]["kind"] == "signed-or-renewed-from":
                return 0
            return months.number_of(date.fromisoformat(change[1]["applies_to"]["from"]))
        case _:
            return 0


# -- settling a cell


def settle(
    account: LedgerAccount,
    house: HouseFacts,
    cell: Cell,
    position: int,
    book_of: Callable[[str], int],
    *,
    only_lines: bool = False,
) -> list[LegFields]:
    """What the cell is worth at a position less what was posted for it: one balanced posting, its legs in order.

    ``only_lines``: nothing but lines came or left at the position, so that other items stand as they are.
    """
    if only_lines and rating.lines_are_items(account.facts, house, position):
        return _settle_lines(account, house, cell, position, book_of)
    before = account.posted.get(cell)
    if before is None and not account.fresh:
        known = position - 1
        before = legs_of(rating.rate(account.facts, house, cell, known, account.terms_known_at(known)), book_of)
    items = rating.rate(account.facts, house, cell, position, account.terms)
    after = account.posted[cell] = legs_of(items, book_of)
    return difference(before or (), after)


def _settle_lines(
    account: LedgerAccount, house: HouseFacts, cell: Cell, position: int, book_of: Callable[[str], int]
) -> list[LegFields]:
    """What came less what left, so that a cell in which very much stands already costs no more than what is new."""
    came, left = rating.moved(account.facts, house, cell, position, account.terms)
    legs = difference(legs_of(left, book_of), legs_of(came, book_of))
    if account.fresh or cell in account.posted:
        account.posted.setdefault(cell, []).extend(legs)
    return legs


def legs_of(items: Iterable[Item], book_of: Callable[[str], int]) -> list[LegFields]:
    """Every share of every item, and what it is balanced against: the vendor that pays."""
    legs: list[LegFields] = []
    for item_no, line, received, shares, _, _ in items:
        for payee, role, amount_minor, _, _ in shares:
            legs.append((item_no, line, role, book_of(payee), amount_minor))
        for vendor, amount_minor in received:
            legs.append((item_no, line, PAYER_ROLE, book_of(f"vendor:{vendor}"), -amount_minor))
    return legs


def difference(before: Sequence[LegFields], after: Sequence[LegFields]) -> list[LegFields]:
    """What has to be posted so that ``before`` becomes ``after``: the legs of one posting in their order."""
    if before:
        amounts: dict[tuple[int, int, int, int], int] = {}
        for leg in after:
            amounts[leg[:4]] = amounts.get(leg[:4], 0) + leg[AMOUNT]
        for leg in before:
            amounts[leg[:4]] = amounts.get(leg[:4], 0) - leg[AMOUNT]
        legs = [(*key, amount) for key, amount in amounts.items() if amount]
    else:
        legs = [leg for leg in after if leg[AMOUNT]]
    legs.sort()
    return legs


def journal_rows(position: int, cell: Cell, legs: Iterable[LegFields]) -> Iterator[Row]:
    """The rows of one posting, its legs numbered in their order."""
    on = months.last_day(cell.month)
    for leg_no, leg in enumerate(legs, start=1):
        yield Row("journal", (position, cell.account_no, on, cell.kind, cell.currency, leg_no, *leg))
        yield Row("balance", (leg[BOOK], cell.currency, leg[AMOUNT]))


# -- one account from its first fact to its last

Changes = Mapping[str, Sequence[tuple[int, Sequence[Any]]]]
"""The changes in the house with their positions, by the subject that they concern."""
Posting = tuple[int, Cell, Sequence[LegFields]]
"""Position, cell and legs in their order."""


class Poster:
    """Posts account by account what ``Ledger`` posts event by event, in no particular order.

    Where nothing comes but lines, position after position, and each is an item of its own, the legs of all of them are
    made at once; wherever anything else happens it is settled cell by cell, as in ``Ledger``.
    """

    def __init__(self, house: HouseFacts) -> None:
        """``house`` knows everything already."""
        self.house = house
        self.changes_of = changes_by_subject(house)
        self.book_of = Books(house).__getitem__
        versions = [version for of_plan in house.plans.values() for version in of_plan]
        self.lines_alike = LinesAlike(house, ToldApart.by(versions), house.reverses_today, self._season)

    def post(self, account_no: int, facts: Facts) -> Iterator[Posting]:
        """All postings of one account. ``facts`` are all of its facts, with their positions in order."""
        account = LedgerAccount(AccountFacts(account_no), fresh=True)
        stretches = _stretches(_with_changes(account_no, facts, self.changes_of))
        for number, (only_lines, stretch) in enumerate(stretches, start=1):
            at_once = self._lines(account, stretch) if only_lines else None
            if at_once is None:
                for position, group in groupby(stretch, POSITION):
                    yield from self._position(account, position, group)
                continue
            yield from at_once
            if number < len(stretches):
                for position, _, fact in stretch:
                    account.facts.learn(position, fact)
                for _, cell, legs in at_once:
                    account.posted.setdefault(cell, []).extend(legs)

    def _position(self, account: LedgerAccount, position: int, group: Iterable["_Merged"]) -> Iterator[Posting]:
        """Learn what comes at a position, then settle every cell that it touches."""
        touched: set[Cell] = set()
        only_lines = True
        for _, own, fact in group:
            if own:
                account.facts.learn(position, fact)
                touched.update(touched_by(account, self.house, fact, position))
                only_lines = only_lines and fact[0] in LINES
            else:
                touched.update(touched_by_change(account, self.house, fact, position))
                only_lines = False
        for cell in sorted(touched) if len(touched) > 1 else touched:
            legs = settle(account, self.house, cell, position, self.book_of, only_lines=only_lines)
            if legs:
                yield position, cell, legs

    def _lines(self, account: LedgerAccount, stretch: Sequence["_Merged"]) -> list[Posting] | None:
        """The postings of lines that come after each other; None where they have to be settled cell by cell."""
        account_no, known = account.facts.account_no, stretch[0][0]
        if account_no < 0 or not rating.lines_are_items(account.facts, self.house, known):
            return None
        came_at = {(fact[LINE_STATEMENT], fact[LINE_NUMBER]): position for position, _, fact in stretch}
        postings: dict[tuple[int, int, int, str], Sequence[LegFields]] = {}
        for terms, lines in self.lines_alike.by_season(account.facts, [fact for _, _, fact in stretch], known):
            legs_of_lines = self._legs(terms, lines) if terms is not None else None
            if legs_of_lines is None:
                return None
            for line, legs in zip(lines, legs_of_lines, strict=True):
                _, statement_no, number, _, month, kind, currency, *_ = line
                cell = came_at[statement_no, number], month, kind, currency
                beside = postings.get(cell)
                postings[cell] = sorted((*beside, *legs)) if beside else legs
        return [
            (position, Cell(account_no, month, kind, currency), legs)
            for (position, month, kind, currency), legs in postings.items()
            if legs
        ]

    def _season(self, account: AccountFacts, kind: Kind, month: int, known: int) -> Season[Terms | None]:
        """The terms of lines around a month; None where they are not paid part by part."""
        first, after, terms = terms_of(account, kind, month, known, self.house)
        release = rating.release(self.house.release_at(known))
        return first, after, terms if release.part_by_part(terms) else None

    def _legs(self, terms: Terms, lines: Sequence[Line]) -> list[Sequence[LegFields]] | None:
        """The legs of each line under the same terms; None where two of a line would differ by their amounts only."""
        bases, below = over_one_denominator([line[LINE_COMMISSION] for line in lines])
        received, paid = release_1.paid_at_once(terms, bases, below)
        amounts_of = {(role, self.book_of(payee)): amounts for payee, role, amounts in paid}
        if len(amounts_of) < len(paid):
            return None
        amounts_of[PAYER_ROLE, self.book_of(f"vendor:{lines[0][LINE_VENDOR]}")] = list(map(neg, received))
        items = [(line[LINE_STATEMENT], line[LINE_NUMBER]) for line in lines]
        by_part = [
            [item + (role, book, amount) for item, amount in zip(items, amounts, strict=True)]  # noqa: RUF005
            for (role, book), amounts in sorted(amounts_of.items())
        ]
        by_line: list[Sequence[LegFields]] = list(zip(*by_part, strict=True))
        if any(0 in amounts for amounts in amounts_of.values()):
            return [[leg for leg in legs if leg[AMOUNT]] for legs in by_line]
        return by_line


def _stretches(merged: Iterable["_Merged"]) -> list[tuple[bool, list["_Merged"]]]:
    """What comes, cut where positions at which nothing but lines come turn into others; whether they are such."""
    turns = {position for position, own, fact in merged if not own or fact[0] != "line"}
    return [(only, list(group)) for only, group in groupby(merged, lambda entry: entry[0] not in turns)]


_Merged = tuple[int, bool, Sequence[Any]]
POSITION = itemgetter(0)


def _with_changes(account_no: int, facts: Sequence[tuple[int, Sequence[Any]]], changes_of: Changes) -> list[_Merged]:
    """The account's own facts and the changes in the house that can touch it, in order of position."""
    merged: list[_Merged] = [(position, True, fact) for position, fact in facts]
    if account_no > 0:
        first = facts[0][0]
        changes = {
            (position, id(change)): change
            for subject in _subjects(facts)
            for position, change in changes_of.get(subject, ())
            if position > first
        }
        if changes:
            merged.extend((position, False, change) for (position, _), change in changes.items())
            merged.sort(key=lambda entry: (entry[0], not entry[1]))
    return merged


EVERY_ACCOUNT = "account"
"""Whom another rating release concerns."""


def _subjects(facts: Iterable[tuple[int, Sequence[Any]]]) -> set[str]:
    """Every agent that was ever named on the account and every vendor that may ever pay for it."""
    subjects = {EVERY_ACCOUNT}
    for _, fact in facts:
        match fact[0]:
            case "aor":
                subjects.update(f"agent:{agent}" for agent, _ in fact[2])
            case "account":
                subjects.add(f"vendor:{fact[2]}")
            case "succeeded":
                subjects.add(f"vendor:{fact[2]}")
            case "payer":
                subjects.add(f"vendor:{fact[1]}")
            case "service":
                subjects.add(f"vendor:{fact[3]}")
    return subjects


def changes_by_subject(house: HouseFacts) -> dict[str, list[tuple[int, Sequence[Any]]]]:
    """The changes in the house by whom they concern: an agent and everybody below it, or a vendor."""
    found: dict[str, list[tuple[int, Sequence[Any]]]] = {}
    for position, change in house.changes:
        if change[0] in OF_A_VENDOR and (change[0] != "reported" or house.pays_by_service_month(position)):
            found.setdefault(f"vendor:{change[1]}", []).append((position, change))
        if change[0] == "recipe":
            found.setdefault(EVERY_ACCOUNT, []).append((position, change))
        for agent in house.concerned(change):
            found.setdefault(f"agent:{agent}", []).append((position, change))
    return found
