"""The ledger: the value of every cell, and one journal of the differences.

When facts arrive, the ledger asks which cells they touch, rates them as known before and at that position, and posts
what differs, at that position: one balanced posting for each (position, cell), never coalesced. Positions come in
order; of what a row holds nothing comes from a clock, a sequence, a hash or the edge of a batch.

Signs: a credit is above zero. What an agent is owed is a credit on ``payable``; what a vendor owes the house is a debit
on its ``receivable``; money in the bank is a debit.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal, NamedTuple, Protocol

from domain import months
from domain.plan import CHARGE_KINDS
from domain.rating import release_1
from domain.rating.facts import CASH_NO, HOUSE_NO, RECURRING, AccountFacts, Cell, HouseFacts
from domain.rating.release_1 import Item, TermsCache
from projections.projection import Column, Row, Table

JOURNAL = Table(
    "journal",
    (
        Column("position", "bigint", "position of the event that caused the posting"),
        Column("account_no", "bigint", "account of the cell; -1 money that moved; below: suspense"),
        Column("effective_on", "date", "last day of the cell's service month; the day on which money moved"),
        Column("kind", "smallint", "charge kind: 0 recurring, 1 usage, 2 one-time, 3 spiff; 9 money that moved"),
        Column("currency", "text", "ISO 4217"),
        Column("leg", "smallint", "number of the entry within its posting, from 1"),
        Column("item_no", "bigint", "position of the statement's or service's beginning; of the payment"),
        Column("item_line", "integer", "line of the statement; 0 for a service or a payment"),
        Column(
            "role", "smallint", "part in the item: 0 seller, 1… override level, 1000 house, 1001 suspense, 2000 payer"
        ),
        Column("book", "bigint", "ledger account: 8 × party number + kind of book"),
        Column("amount_minor", "bigint", "minor units; a credit is above zero, a debit below"),
    ),
    ("account_no", "effective_on", "kind", "currency", "position", "leg"),
    (("book", "effective_on"), ("position",)),
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
version = 1
tables = (JOURNAL, BALANCE)

CASH_KIND = 9
PAYER_ROLE = 2000

BookKind = Literal["payable", "margin", "receivable", "suspense", "bank", "in-transit"]
BOOK_KINDS: tuple[BookKind, ...] = ("payable", "margin", "receivable", "suspense", "bank", "in-transit")
BOOKS_PER_PARTY = 8


def book(kind: BookKind, party_no: int = 0) -> int:
    """The number of a ledger account; the party is the position at which an agent or vendor began, 0 the house."""
    return party_no * BOOKS_PER_PARTY + BOOK_KINDS.index(kind) + 1


def book_name(number: int, parties: Mapping[int, str]) -> str:
    """``agent:harbor:payable`` for its number; ``parties`` are names by number."""
    party_no, kind_no = divmod(number, BOOKS_PER_PARTY)
    kind = BOOK_KINDS[kind_no - 1]
    match kind:
        case "payable" | "receivable":
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


class EntryId(NamedTuple):
    """Position, cell and leg: what an entry is called for ever."""

    position: int
    account_no: int
    effective_on: date
    kind: int
    currency: str
    leg: int

    def __str__(self) -> str:
        if self.kind == CASH_KIND:
            return f"{self.position}:cash:{self.effective_on}:{self.currency}:{self.leg}"
        month = months.text(months.number_of(self.effective_on))
        return f"{self.position}:{self.account_no}:{month}:{CHARGE_KINDS[self.kind]}:{self.currency}:{self.leg}"


class FactsReader(Protocol):
    """Where the ledger reads facts: in order of position, earlier ones first."""

    def account(self, account_no: int, before: int) -> Iterable[tuple[int, Sequence[Any]]]:
        """The facts of one account, of the house or of a suspense partition, from before a position."""

    def accounts_of(self, agents: Iterable[str]) -> Iterable[int]:
        """The accounts on which any of the agents was ever named."""

    def accounts_paid_by(self, vendor: str) -> Iterable[int]:
        """The accounts for which the vendor may pay."""


Facts = Sequence[tuple[int, Sequence[Any]]]
"""The facts of one position: account number and body, in order."""


@dataclass(slots=True)
class LedgerAccount:
    """One account's facts with what was posted for its cells so far."""

    facts: AccountFacts
    posted: dict[Cell, tuple[Leg, ...]] = field(default_factory=dict)
    terms: TermsCache = field(default_factory=dict)
    fresh: bool = False
    """Nothing was posted for this account yet: what is not in ``posted`` is nothing."""


@dataclass
class Ledger:
    """Posts position by position. Holds what it has read of the house; forgets accounts at will."""

    reader: FactsReader
    house: HouseFacts = field(default_factory=HouseFacts)
    accounts: dict[int, LedgerAccount] = field(default_factory=dict)
    agent_books: dict[str, int] = field(default_factory=dict)

    def learn_house(self, before: int) -> None:
        for position, fact in self.reader.account(HOUSE_NO, before):
            self.house.learn(position, fact)

    def project(self, position: int, facts: Facts) -> list[Row]:
        """The rows of one position: learn its facts, then settle every cell that they touch, in order."""
        touched: dict[int, set[Cell]] = {}
        rows: list[Row] = []
        changes: list[Sequence[Any]] = []
        for account_no, fact in facts:
            if account_no == HOUSE_NO:
                self.house.learn(position, fact)
                changes.append(fact)
            elif account_no == CASH_NO:
                rows.extend(self._cash_rows(position, fact))
            else:
                account = self._account(account_no, position)
                account.facts.learn(position, fact)
                cells = touched_by(account, self.house, fact, position)
                touched.setdefault(account_no, set()).update(cells)
        for change in changes:
            for account_no, cells in self._touched_by_house(change, position):
                touched.setdefault(account_no, set()).update(cells)
        for account_no in sorted(touched):
            account = self.accounts[account_no]
            for cell in sorted(touched[account_no]):
                legs = settle(account, self.house, cell, position, self.book_of)
                rows.extend(journal_rows(position, cell, legs))
        return rows

    def _account(self, account_no: int, before: int) -> LedgerAccount:
        account = self.accounts.get(account_no)
        if account is None:
            account = self.accounts[account_no] = LedgerAccount(AccountFacts(account_no))
            for position, fact in self.reader.account(account_no, before):
                account.facts.learn(position, fact)
        return account

    def _touched_by_house(self, change: Sequence[Any], position: int) -> Iterator[tuple[int, set[Cell]]]:
        if change[0] in ("reported", "products"):
            if change[0] == "reported" and not self.house.pays_by_service_month:
                return
            account_nos = self.reader.accounts_paid_by(change[1])
        elif concerned := self.house.concerned(change):
            account_nos = self.reader.accounts_of(concerned)
        else:
            return
        for account_no in sorted(account_nos):
            account = self._account(account_no, position + 1)
            yield account_no, touched_by_change(account, self.house, change, position)

    def book_of(self, payee: str) -> int:
        """The ledger account of a share's payee."""
        number = self.agent_books.get(payee)
        if number is None:
            number = self.agent_books[payee] = payee_book(payee, self.house)
        return number

    def _cash_rows(self, position: int, fact: Sequence[Any]) -> Iterator[Row]:
        _, legs, currency, effective_on = fact
        for leg, (kind, party, amount_minor) in enumerate(legs, start=1):
            number = book(kind, party_no(kind, party, self.house))
            on = date.fromisoformat(effective_on)
            yield Row(
                "journal", (position, CASH_NO, on, CASH_KIND, currency, leg, position, 0, 0, number, amount_minor)
            )
            yield Row("balance", (number, currency, amount_minor))


def party_no(kind: BookKind, party: str, house: HouseFacts) -> int:
    match kind:
        case "payable":
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


# -- which cells a fact touches: always enough, sometimes more


def touched_by(account: LedgerAccount, house: HouseFacts, fact: Sequence[Any], position: int) -> Iterable[Cell]:
    """The cells of its own account that a fact can change."""
    facts = account.facts
    tag = fact[0]
    if tag == "line":
        return (Cell(facts.account_no, fact[4], fact[5], fact[6]),)
    if tag == "unline":
        return (Cell(facts.account_no, *_cell_of_line(facts, fact[1], fact[2])),)
    if tag in ("suspect", "cleared", "account", "unmatched"):
        return ()
    account.terms.clear()
    if tag == "aor":
        first = months.number_of(date.fromisoformat(fact[3]))
    elif tag in ("active", "price"):
        first = months.number_of(date.fromisoformat(fact[3]))
    elif tag == "renewed":
        first = months.number_of(date.fromisoformat(fact[2]))
    else:
        first = 0
    return [cell for cell in facts.cells(house, position) if cell.month >= first]


def _cell_of_line(facts: AccountFacts, statement_no: int, line_no: int) -> tuple[int, int, str]:
    for key, lines in facts.lines.items():
        if any(line.statement_no == statement_no and line.line == line_no for line in lines):
            return key
    raise LookupError(f"line {line_no} of statement {statement_no} is not in partition {facts.account_no}")


def touched_by_change(account: LedgerAccount, house: HouseFacts, change: Sequence[Any], position: int) -> set[Cell]:
    """The cells of an account that a change in the house can change."""
    facts = account.facts
    if change[0] == "reported":
        currencies = {service.currency for service in facts.services.values() if service.service_no <= position}
        return {Cell(facts.account_no, change[2], RECURRING, currency) for currency in currencies}
    account.terms.clear()
    first = _first_month(change)
    return {cell for cell in facts.cells(house, position) if cell.month >= first}


def _first_month(change: Sequence[Any]) -> int:
    match change[0]:
        case "agreement" | "upline":
            return months.number_of(date.fromisoformat(change[3]))
        case "terminated":
            return months.number_of(date.fromisoformat(change[2]))
        case "plan":
            applies = change[1]["applies_to"]
            from_ = date.fromisoformat(applies["from"])
            return months.number_of(from_) if applies["kind"] == "service-months-from" else 0
        case _:
            return 0


# -- settling a cell


def settle(
    account: LedgerAccount, house: HouseFacts, cell: Cell, position: int, book_of: Callable[[str], int]
) -> list[Leg]:
    """What the cell is worth at a position less what was posted for it: the legs of one balanced posting."""
    before = account.posted.get(cell)
    if before is None and not account.fresh:
        before = legs_of(release_1.rate(account.facts, house, cell, position - 1, {}), book_of)
    items = release_1.rate(account.facts, house, cell, position, account.terms)
    after = account.posted[cell] = legs_of(items, book_of)
    if not before:
        return [leg for leg in after if leg.amount_minor]
    return _difference(before, after)


def legs_of(items: Iterable[Item], book_of: Callable[[str], int]) -> tuple[Leg, ...]:
    """Every share of every item, and what it is balanced against: the vendor that pays."""
    legs: list[Leg] = []
    for item in items:
        item_no, line, received, shares, _, _ = item
        for share in shares:
            legs.append(Leg(item_no, line, share[1], book_of(share[0]), share[2]))
        for vendor, amount_minor in received:
            legs.append(Leg(item_no, line, PAYER_ROLE, book_of(f"vendor:{vendor}"), -amount_minor))
    return tuple(legs)


def _difference(before: Sequence[Leg], after: Sequence[Leg]) -> list[Leg]:
    amounts: dict[tuple[int, int, int, int], int] = {}
    for leg in after:
        amounts[leg[:4]] = amounts.get(leg[:4], 0) + leg.amount_minor
    for leg in before:
        amounts[leg[:4]] = amounts.get(leg[:4], 0) - leg.amount_minor
    return [Leg(*key, amount) for key, amount in amounts.items() if amount]


def journal_rows(position: int, cell: Cell, legs: list[Leg]) -> Iterator[Row]:
    """The rows of one posting, its legs numbered in the order of item, role and ledger account."""
    on = months.last_day(cell.month)
    for leg_no, leg in enumerate(sorted(legs), start=1):
        yield Row(
            "journal",
            (position, cell.account_no, on, cell.kind, cell.currency, leg_no, *leg),
        )
        yield Row("balance", (leg.book, cell.currency, leg.amount_minor))


# -- one account from its first fact to its last


def post_account(
    account_no: int,
    facts: Sequence[tuple[int, Sequence[Any]]],
    house: HouseFacts,
    changes_of: Mapping[str, Sequence[tuple[int, Sequence[Any]]]],
    book_of: Callable[[str], int],
) -> Iterator[tuple[int, Cell, list[Leg]]]:
    """All postings of one account, in order of position: what ``Ledger`` posts for it event by event.

    ``house`` knows everything already; ``changes_of`` are its changes by the subject that they concern.
    """
    account = LedgerAccount(AccountFacts(account_no), fresh=True)
    for position, group in _by_position(_with_changes(account_no, facts, house, changes_of)):
        touched: set[Cell] = set()
        for own, fact in group:
            if own:
                account.facts.learn(position, fact)
                touched.update(touched_by(account, house, fact, position))
            else:
                touched.update(touched_by_change(account, house, fact, position))
        for cell in sorted(touched) if len(touched) > 1 else touched:
            legs = settle(account, house, cell, position, book_of)
            if legs:
                yield position, cell, legs


_Merged = tuple[int, bool, Sequence[Any]]


def _with_changes(
    account_no: int,
    facts: Sequence[tuple[int, Sequence[Any]]],
    house: HouseFacts,
    changes_of: Mapping[str, Sequence[tuple[int, Sequence[Any]]]],
) -> list[_Merged]:
    """The account's own facts and the changes in the house that can touch it, in order of position."""
    merged: list[_Merged] = [(position, True, fact) for position, fact in facts]
    if account_no > 0:
        agents: set[str] = set()
        vendors: set[str] = set()
        for _, fact in facts:
            if fact[0] == "aor":
                agents.update(agent for agent, _ in fact[2])
            elif fact[0] == "account":
                vendors.add(fact[2])
            elif fact[0] == "payer":
                vendors.add(fact[1])
            elif fact[0] == "service":
                vendors.add(fact[3])
        first = facts[0][0]
        subjects = [*(f"agent:{agent}" for agent in agents), *(f"vendor:{vendor}" for vendor in vendors)]
        changes = {
            (position, id(change)): change
            for subject in subjects
            for position, change in changes_of.get(subject, ())
            if position > first
        }
        if changes:
            merged.extend((position, False, change) for (position, _), change in changes.items())
            merged.sort(key=lambda entry: (entry[0], not entry[1]))
    return merged


def _by_position(merged: Sequence[_Merged]) -> Iterator[tuple[int, list[tuple[bool, Sequence[Any]]]]]:
    group: list[tuple[bool, Sequence[Any]]] = []
    current = 0
    for position, own, fact in merged:
        if position != current:
            if group:
                yield current, group
            current, group = position, []
        group.append((own, fact))
    if group:
        yield current, group


def changes_by_subject(house: HouseFacts) -> dict[str, list[tuple[int, Sequence[Any]]]]:
    """The changes in the house by whom they concern: an agent and everybody below it, or a vendor."""
    found: dict[str, list[tuple[int, Sequence[Any]]]] = {}
    for position, change in house.changes:
        if change[0] in ("reported", "products"):
            if change[0] == "products" or house.pays_by_service_month:
                found.setdefault(f"vendor:{change[1]}", []).append((position, change))
        for agent in house.concerned(change):
            found.setdefault(f"agent:{agent}", []).append((position, change))
    return found
