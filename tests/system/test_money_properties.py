"""What holds of the money in every story that can happen: nothing is lost, nothing is rewritten, nothing is paid twice.

The stories are made up by hypothesis (``tests.system.generated``). A failure prints the story and its commands.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple

import pytest
from hypothesis import given, note, settings
from psycopg import sql

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.memory import MemoryBook
from adapters.projectors import Projectors
from domain import months, rating
from domain.adjustment import AdjustmentApproved, AdjustmentReversed
from domain.calendar import DayOpened
from domain.log import NewEvent
from domain.money import half_away
from domain.payout import CommissionHeld, HeldCommissionReleased, PayoutProposed, PayoutReleased, PayoutReturned
from domain.plan import (
    AsContractsExpire,
    Cohort,
    Differential,
    FromRenewal,
    MultipleOfMrcOnce,
    Override,
    PercentOfMrc,
    Retroactive,
    Rule,
    Selector,
)
from domain.rating.expected import expected_zeros
from domain.rating.facts import HOUSE_NO, NEVER, RECURRING, SPIFF, AccountFacts, Cell, HouseFacts
from domain.rating.facts import Line as FactLine
from domain.vendor_statement import (
    FirstOfLines,
    FurtherLines,
    VendorStatementRevised,
    VendorStatementRevisionContinued,
)
from projections import facts, ledger
from projections.ledger import (
    ADJUSTMENT_KIND,
    CASH_KIND,
    KIND_NAMES,
    KIND_OF,
    MARGIN,
    PAYER_ROLE,
    SUSPENSE_BOOK,
    UNEARNED,
    BookKind,
    Ledger,
    book,
    legs_of,
    payee_book,
)
from tests.projections.story import in_batches
from tests.system.generated import (
    ABROAD,
    EURO_ACCOUNT,
    EURO_CONTRACT,
    STORIES,
    Adjusted,
    AgencyMoved,
    AgreementEnded,
    AgreementResumed,
    Answered,
    DaysPass,
    Disconnected,
    LateProduct,
    Letter,
    Line,
    LineMoved,
    LinePlaced,
    MonthsPass,
    NewAgreement,
    NewPlanVersion,
    NewService,
    NewUpline,
    NumberEnded,
    NumberGiven,
    PayRun,
    Placement,
    Reinstated,
    Renewed,
    Revised,
    SignedLetter,
    Statement,
    Story,
    Succeeded,
    Suspended,
    Terminated,
    Told,
    day,
    percent,
    tell,
)

Property = Callable[[Told], None]

PAYEE_BOOKS: tuple[BookKind, BookKind] = ("payable", "held")
EXAMPLES, MANY, ON_POSTGRES = 50, 3_000, 3


def holds(check: Property, examples: int, *, chance: bool) -> None:
    """Check a property on so many stories: always the same ones, unless they are left to chance."""

    @settings(max_examples=examples, derandomize=not chance, deadline=None, database=None)
    @given(STORIES)
    def in_every_story(story: Story) -> None:
        told = tell(story)
        note(told.text())
        check(told)

    in_every_story()


# -- what the journal says


class Entry(NamedTuple):
    position: int
    account_no: int
    effective_on: date
    kind: int
    currency: str
    leg: int
    item_no: int
    item_line: int
    role: int
    book: int
    amount_minor: int

    @property
    def cell(self) -> Cell:
        return Cell(self.account_no, months.number_of(self.effective_on), self.kind, self.currency)

    @property
    def part(self) -> tuple[Any, ...]:
        """What of a cell is posted: item, line, role and ledger account."""
        return (self.cell, self.item_no, self.item_line, self.role, self.book)

    @property
    def of_a_cell(self) -> bool:
        return self.kind not in KIND_NAMES

    @property
    def is_earned(self) -> bool:
        """On an agent's payable: earned, whether by a rule or by hand."""
        return self.kind not in UNEARNED


Sums = dict[Any, int]
Cells = defaultdict[int, set[Cell]]


def journal(told: Told) -> list[Entry]:
    return [Entry(*row) for row in told.simulation.book.tables.content["journal"]]


def sums(keyed: Iterable[tuple[Any, int]]) -> Sums:
    """The sums by key, those that are not zero."""
    found: defaultdict[Any, int] = defaultdict(int)
    for key, amount in keyed:
        found[key] += amount
    return {key: amount for key, amount in found.items() if amount}


# -- everything again from the facts, position by position


@dataclass
class Auditor:
    """Learns the facts one position after the other and rates everything anew, trusting nothing that was posted."""

    told: Told
    house: HouseFacts = field(default_factory=HouseFacts)
    accounts: dict[int, AccountFacts] = field(default_factory=dict)

    def positions(self) -> Iterator[int]:
        """Every position of the log, each once its facts are learned."""
        tables = self.told.simulation.book.tables
        taught: defaultdict[int, set[int]] = defaultdict(set)
        for account_no, position, _, _ in tables.content["facts"]:
            taught[position].add(account_no)
        for position in range(1, len(self.told.events) + 1):
            for account_no in taught[position] - set(KIND_OF):
                learner = self._learner(account_no)
                for at, fact in tables.account(account_no, position + 1):
                    if at == position:
                        learner.learn(position, fact)
            yield position

    def _learner(self, account_no: int) -> HouseFacts | AccountFacts:
        if account_no == HOUSE_NO:
            return self.house
        return self.accounts.setdefault(account_no, AccountFacts(account_no))

    def at_the_end(self) -> "Auditor":
        for _ in self.positions():
            pass
        return self

    def book_of(self, payee: str) -> int:
        return payee_book(payee, self.house)

    def cells(self, known: int) -> Cells:
        return defaultdict(set, {no: set(facts.cells(self.house, known)) for no, facts in self.accounts.items()})

    def rated(self, known: int, cells: Cells) -> Sums:
        """Every part of the cells with its amount, those that are not zero."""
        return sums(
            ((cell, *leg[: ledger.AMOUNT]), leg[ledger.AMOUNT])
            for account_no, account in self.accounts.items()
            for cell in cells[account_no]
            for leg in legs_of(rating.rate(account, self.house, cell, known, {}), self.book_of)
        )


def every_service_cell(account_no: int) -> set[Cell]:
    """Every cell in which a service could be paid in the months of a story."""
    story_months = range(months.number("2025-08"), months.number("2027-06"))
    return {Cell(account_no, month, kind, "USD") for month in story_months for kind in (RECURRING, SPIFF)}


# -- the properties


def every_item_sums_exactly(told: Told) -> None:
    known = len(told.events)
    auditor = Auditor(told).at_the_end()
    for account_no, account in auditor.accounts.items():
        for cell in {*account.cells(auditor.house, known), *every_service_cell(account_no)}:
            for item in rating.rate(account, auditor.house, cell, known, {}):
                assert sum(share.amount_minor for share in item.shares) == item.total_minor


def every_posting_balances(told: Told) -> None:
    entries = journal(told)
    assert not sums(((e.position, e.cell), e.amount_minor) for e in entries)
    assert not sums((e.currency, e.amount_minor) for e in entries)
    balance = told.simulation.book.tables.sums["balance"]
    assert sums(((e.book, e.currency), e.amount_minor) for e in entries) == sums(balance.items())


def every_entry_has_one_name(told: Told) -> None:
    names = [entry[:6] for entry in journal(told)]
    assert len(set(names)) == len(names)


def a_reversal_mirrors_its_original(told: Told) -> None:
    """A line of the opposite amount for the same cell, service and product gives the opposite shares."""
    auditor = Auditor(told).at_the_end()
    known = len(told.events) + 1
    for account_no, account in auditor.accounts.items():
        for key, lines in list(account.lines.items()):
            cell = Cell(account_no, *key)
            for line in [line for line in lines if line.ended == NEVER]:
                original, reversal = _with_reversal(account, auditor.house, cell, line, known)
                if original is not None:  # else the line belongs to a service that is paid by the month
                    assert reversal == {part: -amount for part, amount in original.items()}


def _with_reversal(
    account: AccountFacts, house: HouseFacts, cell: Cell, line: FactLine, known: int
) -> tuple[dict[Any, int] | None, dict[Any, int] | None]:
    """The shares of a line, and of one that takes it back, by payee and role."""
    lines = account.lines[cell[1:]]
    lines.append(line._replace(position=known, statement_no=known, commission=-line.commission))
    items = {item.item_no: item for item in rating.rate(account, house, cell, known, {}) if item.line == line.line}
    lines.pop()
    found = (items.get(no) for no in (line.statement_no, known))
    original, reversal = ({s[:2]: s.amount_minor for s in item.shares} if item else None for item in found)
    return original, reversal


def replaying_gives_the_same(told: Told) -> None:
    again = MemoryBook(told.simulation.log, told.simulation.book.further)
    again.catch_up()
    assert again.tables.content == told.simulation.book.tables.content
    assert again.tables.sums == told.simulation.book.tables.sums


def batches_of_any_size_give_the_same_facts(told: Told) -> None:
    for size in (1, 7, 5_000):
        rows = in_batches(told.events, size, facts.tables, facts.project)
        for table in facts.tables:
            kept = told.simulation.book.tables.content[table.name]
            assert [row.values for row in rows if row.table == table.name] == kept


def a_ledger_that_forgets_all_at_every_position_posts_the_same(told: Told) -> None:
    """A projector may be killed after any position; the next one begins with nothing in memory."""
    tables = told.simulation.book.tables
    taught: defaultdict[int, list[tuple[int, Any]]] = defaultdict(list)
    for account_no, position, seq, _ in tables.content["facts"]:
        at_position = [fact for at, fact in tables.account(account_no, position + 1) if at == position]
        taught[position].append((account_no, at_position[seq]))
    rows: list[tuple[Any, ...]] = []
    for position in sorted(taught):
        fresh = Ledger(tables)
        fresh.learn_house(position)
        rows += [row.values for row in fresh.project(position, taught[position]) if row.table == "journal"]
    assert sorted(rows) == sorted(tables.content["journal"])


def posting_account_by_account_gives_the_same(told: Told) -> None:
    tables, house = told.simulation.book.tables, Auditor(told).at_the_end().house
    poster = ledger.Poster(house)
    rows: list[tuple[Any, ...]] = []
    for account_no in {row[0] for row in tables.content["facts"]} - {HOUSE_NO, *KIND_OF}:
        own = list(tables.account(account_no, NEVER))
        for position, cell, legs in poster.post(account_no, own):
            rows += [row.values for row in ledger.journal_rows(position, cell, legs) if row.table == "journal"]
    assert sorted(rows) == sorted(tuple(entry) for entry in journal(told) if entry.of_a_cell)


def the_journal_is_what_the_facts_are_worth_at_every_position(told: Told) -> None:
    """So whatever is touched by an event is always rated again."""
    entries: defaultdict[int, list[Entry]] = defaultdict(list)
    for entry in journal(told):
        if entry.of_a_cell:
            entries[entry.position].append(entry)
    posted: Sums = {}
    seen: Cells = defaultdict(set)
    auditor = Auditor(told)
    for position in auditor.positions():
        posted = sums([*posted.items(), *((e.part, e.amount_minor) for e in entries[position])])
        for account_no, cells in auditor.cells(position).items():
            seen[account_no] |= cells
        assert auditor.rated(position, seen) == posted, f"at position {position}"
    for account_no in auditor.accounts:
        seen[account_no] |= every_service_cell(account_no)
    assert auditor.rated(len(told.events), seen) == posted


def what_was_known_stays_known_for_ever(told: Told) -> None:
    """Rated with all that was learned later, every position still gives what it gave then."""
    auditor, later = Auditor(told), Auditor(told).at_the_end()
    for position in auditor.positions():
        cells = auditor.cells(position)
        assert later.rated(position, cells) == auditor.rated(position, cells), f"as known at {position}"


def every_expected_zero_stays_for_ever(told: Told) -> None:
    auditor, later = Auditor(told), Auditor(told).at_the_end()
    for position in auditor.positions():
        for account_no, account in auditor.accounts.items():
            then = expected_zeros(account, auditor.house, position)
            now = expected_zeros(later.accounts[account_no], later.house, position)
            assert now == then, f"as known at {position}"


def every_balance_effective_and_known_stays_for_ever(told: Told) -> None:
    """Balances by month, asked when the head was K, and asked at the end as known at K."""
    entries = journal(told)
    again = MemoryBook(told.simulation.log, told.simulation.book.further)
    for recorded in told.events:
        again.project(recorded)
        then = [Entry(*row) for row in again.tables.content["journal"]]
        now = [e for e in entries if e.position <= recorded.position]
        assert _balances(then) == _balances(now), f"as known at {recorded.position}"


def _balances(entries: Iterable[Entry]) -> Sums:
    return sums(((e.book, e.currency, e.effective_on), e.amount_minor) for e in entries)


def what_came_is_what_was_posted(told: Told) -> None:
    """At every position: the lines, each rounded once, are what agents, house and suspense hold together."""
    entries = [entry for entry in journal(told) if entry.of_a_cell]
    came = posted = 0
    stated: dict[tuple[str, int, int], int] = {}
    for recorded in told.events:
        event, stream = recorded.event, recorded.stream_id
        if isinstance(event, VendorStatementRevised | VendorStatementRevisionContinued):
            came -= sum(stated.pop((stream, gone.revision, gone.line)) for gone in event.withdrawn)
        if isinstance(event, FirstOfLines | FurtherLines):
            stated |= {(stream, event.revision, ln.line): half_away(ln.commission_minor) for ln in event.lines}
            came += sum(half_away(line.commission_minor) for line in event.lines)
        posted += sum(e.amount_minor for e in entries if e.position == recorded.position and e.role != PAYER_ROLE)
        assert posted == came, f"at position {recorded.position}"
    payables = {payee_book(f"agent:{agent}", _house(told)) for agent in _house(told).agents}
    receivables = {payee_book(f"vendor:{vendor}", _house(told)) for vendor in _house(told).vendor_no}
    held = sums((e.book, e.amount_minor) for e in entries)
    assert set(held) <= payables | receivables | {MARGIN, SUSPENSE_BOOK}
    assert sum(amount for number, amount in held.items() if number not in receivables) == came


def _house(told: Told) -> HouseFacts:
    return told.simulation.book.ledger.house


def nobody_is_paid_more_than_was_earned(told: Told) -> None:
    """What is proposed brings an agent exactly to what was earned as known at the run's position, never beyond."""
    entries = journal(told)
    paid: defaultdict[tuple[str, str], int] = defaultdict(int)
    held: defaultdict[tuple[str, str], int] = defaultdict(int)
    for recorded in told.events:
        match recorded.event:
            case PayoutProposed() as proposed:
                whose = proposed.agent, proposed.currency
                number = payee_book(f"agent:{proposed.agent}", _house(told))
                then = [e for e in entries if e.position <= proposed.as_known_at and e.is_earned]
                earned = sum(e.amount_minor for e in then if (e.book, e.currency) == (number, proposed.currency))
                assert proposed.as_known_at < recorded.position
                assert proposed.amount_minor >= 0
                assert proposed.newly_held_minor >= 0
                now = proposed.amount_minor + proposed.newly_held_minor
                assert now > 0
                assert paid[whose] + held[whose] + now == earned == proposed.earned_minor
            case PayoutReleased() as released:
                paid[released.agent, released.currency] += released.amount_minor
            case PayoutReturned() as returned:
                paid[returned.agent, returned.currency] -= returned.amount_minor
            case CommissionHeld() as hold:
                held[hold.agent, hold.currency] += hold.amount_minor
            case HeldCommissionReleased() as given_back:
                held[given_back.agent, given_back.currency] -= given_back.amount_minor
            case _:
                pass
    for agent in _house(told).agents:
        number = payee_book(f"agent:{agent}", _house(told))
        for currency in ("USD", "EUR"):
            own = [e for e in entries if (e.book, e.currency) == (number, currency)]
            earned = sum(e.amount_minor for e in own if e.is_earned)
            assert sum(e.amount_minor for e in own) == earned - paid[agent, currency] - held[agent, currency]


def money_that_moved_is_where_it_went(told: Told) -> None:
    """Bank and money on its way hold the receipts less what was paid and did not come back."""
    moved = [entry for entry in journal(told) if entry.kind == CASH_KIND]
    by_book = sums((e.book, e.amount_minor) for e in moved)
    released = [r.event for r in told.events if isinstance(r.event, PayoutReleased)]
    returned = [r.event for r in told.events if isinstance(r.event, PayoutReturned)]
    receipts = sum(
        -e.amount_minor
        for e in moved
        if e.book in {payee_book(f"vendor:{v}", _house(told)) for v in _house(told).vendor_no}
    )
    held = by_book.get(book("bank"), 0) + by_book.get(book("in-transit"), 0)
    assert held == receipts + sum(p.amount_minor for p in released) - sum(p.amount_minor for p in returned)


def every_adjustment_is_posted_once_and_undone_once(told: Told) -> None:
    """Against the house's margin, at the position of its approval and of its reversal's."""
    posted: Sums = {}
    for recorded in told.events:
        if isinstance(recorded.event, AdjustmentApproved | AdjustmentReversed):
            adjusted = recorded.event
            sign = 1 if isinstance(adjusted, AdjustmentApproved) else -1
            payable = payee_book(f"agent:{adjusted.agent}", _house(told))
            posted[recorded.position, payable] = sign * adjusted.amount_minor
            posted[recorded.position, MARGIN] = -sign * adjusted.amount_minor
    by_hand = [entry for entry in journal(told) if entry.kind == ADJUSTMENT_KIND]
    assert sums(((e.position, e.book), e.amount_minor) for e in by_hand) == posted
    assert len(by_hand) == len(posted)


def what_was_earned_is_owed_held_or_sent(told: Told) -> None:
    """At every position, for every agent in each currency; and nobody's held book is ever below zero."""
    entries = sorted(journal(told))
    sent: defaultdict[tuple[int, str], int] = defaultdict(int)
    own: defaultdict[tuple[int, str, bool], int] = defaultdict(int)
    for position, group in groupby(entries, key=lambda e: e.position):
        for entry in group:
            own[entry.book, entry.currency, entry.is_earned] += entry.amount_minor
            if entry.kind == CASH_KIND:
                sent[entry.book, entry.currency] -= entry.amount_minor
        for agent, own_facts in _house(told).agents.items():
            payable, held = (book(kind, own_facts.agent_no) for kind in PAYEE_BOOKS)
            for currency in ("USD", "EUR"):
                earned, moved = (own[payable, currency, is_earned] for is_earned in (True, False))
                now_held = own[held, currency, False]
                where = f"{agent} in {currency} at position {position}"
                assert earned + moved + now_held + sent[payable, currency] == earned, where
                assert now_held >= 0, where
                assert not own[held, currency, True]


def every_hold_is_released_once_on_the_first_day_opened_from_its_day_on(told: Told) -> None:
    waiting: dict[tuple[str, str, str], CommissionHeld] = {}
    today = date.min
    for recorded in told.events:
        match recorded.event:
            case DayOpened() as opened:
                assert not [h for h in waiting.values() if h.held_until <= today], "still held when the next day opens"
                today = opened.effective_on
            case CommissionHeld() as hold:
                assert (hold.agent, hold.pay_run, hold.currency) not in waiting
                assert hold.amount_minor > 0
                waiting[hold.agent, hold.pay_run, hold.currency] = hold
            case HeldCommissionReleased() as released:
                hold = waiting.pop((released.agent, released.pay_run, released.currency))
                assert (hold.amount_minor, hold.held_until) == (released.amount_minor, released.held_until)
                assert hold.held_until <= released.effective_on == today
            case _:
                pass
    assert not [h for h in waiting.values() if h.held_until <= today]
    held = sums(((h.agent, h.currency), h.amount_minor) for h in waiting.values())
    numbers = {agent: book("held", facts.agent_no) for agent, facts in _house(told).agents.items()}
    entries = journal(told)
    assert held == sums(
        ((agent, e.currency), e.amount_minor) for agent, no in numbers.items() for e in entries if e.book == no
    )


PROPERTIES: tuple[Property, ...] = (
    what_was_earned_is_owed_held_or_sent,
    every_hold_is_released_once_on_the_first_day_opened_from_its_day_on,
    every_adjustment_is_posted_once_and_undone_once,
    every_item_sums_exactly,
    every_posting_balances,
    every_entry_has_one_name,
    a_reversal_mirrors_its_original,
    replaying_gives_the_same,
    batches_of_any_size_give_the_same_facts,
    a_ledger_that_forgets_all_at_every_position_posts_the_same,
    posting_account_by_account_gives_the_same,
    the_journal_is_what_the_facts_are_worth_at_every_position,
    what_was_known_stays_known_for_ever,
    every_expected_zero_stays_for_ever,
    every_balance_effective_and_known_stays_for_ever,
    what_came_is_what_was_posted,
    nobody_is_paid_more_than_was_earned,
    money_that_moved_is_where_it_went,
)


def _called(check: Property) -> str:
    return check.__name__.replace("_", " ")


@pytest.mark.parametrize("check", PROPERTIES, ids=_called)
def test_in_every_story(check: Property) -> None:
    holds(check, EXAMPLES, chance=False)


@pytest.mark.long
@pytest.mark.parametrize("check", PROPERTIES, ids=_called)
def test_in_thousands_of_stories(check: Property) -> None:
    holds(check, MANY, chance=True)


# -- stories that broke a property once, and others that chance seldom tells

_OF_MRC = Rule(rule="by-mrc", pay=PercentOfMrc(kind="percent-of-mrc", rate=Decimal("0.1")))
_SPIFF = Rule(rule="spiff", pay=MultipleOfMrcOnce(kind="multiple-of-mrc-once", multiple=Decimal(1)))
_BY_CATEGORY = (
    Rule(rule="default", pay=percent("0.5")),
    Rule(rule="voice", when=Selector(category="voice"), pay=percent("0.9")),
)
_DIFFERENTIAL = Override(rule="differential", pay=Differential(kind="differential"))

STORIES_TO_REMEMBER: dict[str, Story] = {
    "a letter waits for approval when a plan that pays by MRC is published, and a month without a line was reported": [
        MonthsPass(1),
        Statement("lumen", ()),
        SignedLetter(("A-1",), (("harbor", 60),), 0, 0, None, False, False),
        NewPlanVersion("seller", False, 0, (Rule(rule="mrc", pay=PercentOfMrc(kind="percent-of-mrc", rate="0")),), ()),
    ],
    "a vendor succeeds another one for months that both have reported, late lines come, and one is moved": [
        NewPlanVersion(
            "seller", False, 0, (Rule(rule="mrc", pay=PercentOfMrc(kind="percent-of-mrc", rate="0.1")),), ()
        ),
        MonthsPass(2),
        Statement("lumen", (Line("5-1", "1000"),)),
        Statement("zito", ()),
        Succeeded("lumen", "A-1", 3, True, "never"),
        Statement("zito", (Line("5-1", "1000"), Line("5-1", "-30", month=-2))),
        MonthsPass(2),
        Statement("lumen", (Line("5-1", "10", month=-2),)),
        LinePlaced("lumen", "5-1", "A-2", 0, 1, None, None, False),
        LineMoved("lumen", 0, 1, "A-2", "A-1", "5-1"),
        Succeeded("zito", "A-1", 6, False, "always"),
    ],
    "a tenth is held, a payout comes back, another account is charged back, and a month later what was held is paid": [
        NewAgreement("harbor", "seller", 0, 0, ("0.1", 45)),
        PayRun("settled", "harbor"),
        Statement("zito", (Line("5-2", "-499"),)),
        PayRun("settled"),
        MonthsPass(1),
        Statement("lumen", (Line("5-1", "18748"),)),
        PayRun("released"),
        MonthsPass(1),
        PayRun("settled"),
        MonthsPass(2),
        PayRun("settled"),
    ],
    "all is held, an adjustment takes it back, and what was held makes it up": [
        NewAgreement("harbor", "seller", 0, 2500, ("1", 60)),
        PayRun("settled"),
        Adjusted("harbor", -30000, "approved"),
        MonthsPass(2),
        Statement("lumen", (Line("5-1", "18748"), Line("5-1", "18748"))),
        PayRun("settled"),
    ],
    "a statement is revised after the money was paid, again after a placement, and brought back": [
        Statement("lumen", (Line("5-1", "1000"), Line("5-1", "1000"), Line("05-1", "333.335"), Line("9-9", "10"))),
        PayRun("settled"),
        Revised(0, (0, 2), (Line("5-1", "1234.5"), Line("05-1", "-30"))),
        PayRun("settled"),
        Placement("lumen", "05-1", "A-1", None, True),
        Placement("lumen", "9-9", "A-2", None, False),
        Revised(0, (0, 1, 3), ()),
        NumberEnded("A-1", "lumen", "5-1", 1),
        NumberGiven("A-2", "lumen", "5-1", 1, None),
        Revised(0, (0, 1), (Line("5-1", "1"), Line("05-1", "-30"), Line("9-9", "10"))),
        Revised(0, (), ()),
    ],
    "an adjustment is paid, reversed after that, and its month paid again": [
        Adjusted("harbor", 2500, "reversing", "A-1", 1),
        PayRun("settled"),
        Adjusted("delta", -400, "approved"),
        Adjusted("harbor", 700, "reversed"),
        Statement("lumen", (Line("5-1", "18748"),)),
        PayRun("settled"),
        Adjusted("delta", 900, "approved"),
        PayRun("settled"),
    ],
    "a service paid by MRC turns out to have been off since before a month without lines": [
        NewPlanVersion("seller", False, 0, (_OF_MRC,), ()),
        MonthsPass(2),
        Statement("lumen", ()),
        Disconnected("C-1", "dia", day(1)),
    ],
    "a second vendor that has reported already may pay for the account from now on": [
        NewPlanVersion("seller", False, 0, (_OF_MRC,), ()),
        MonthsPass(1),
        Statement("zito", ()),
        NumberGiven("A-1", "zito", "5-1", 0),
    ],
    "a product is listed after its line was placed without keeping the number": [
        NewPlanVersion("seller", False, 0, _BY_CATEGORY, ()),
        Statement("zito", (Line("7-7", "10000", product="late"),)),
        Placement("zito", "7-7", "A-1", None, False),
        LateProduct("zito"),
    ],
    "two vendors pay for a service that is paid by MRC alone": [
        NewPlanVersion("seller", False, 0, (_OF_MRC,), ()),
        NumberGiven("A-1", "zito", "5-1", 0),
        Statement("lumen", (Line("5-1", "1000", month=0),)),
        Statement("zito", (Line("5-1", "-30", month=0),)),
    ],
    "a plan that pays by MRC is published, and an account that it is not for was not on a statement": [
        MonthsPass(1),
        Statement("lumen", ()),
        NewPlanVersion("upline", False, 0, (_OF_MRC,), ()),
    ],
    "the number of the only vendor that pays ended before a month without lines that was due": [
        NewPlanVersion("seller", False, 0, (_OF_MRC,), ()),
        MonthsPass(2),
        Statement("lumen", ()),
        NumberEnded("A-1", "lumen", "5-1", 1),
    ],
    "a vendor without a number that pays has one for some months only": [
        NewPlanVersion("seller", False, 0, (_OF_MRC,), ()),
        Statement("zito", (Line("9-9", "1000"),)),
        Placement("zito", "9-9", "A-1", None, False),
        MonthsPass(2),
        Statement("zito", ()),
        NumberGiven("A-1", "zito", "9-9", 0, 1),
    ],
    "a letter waits for approval, and a plan begins to pay for months in service": [
        SignedLetter(("A-1",), (("delta", 1),), 0, 1, approved=False),
        NewService("C-2", "voip", "A-1", None, 12345, day(0, 28)),
        NewPlanVersion("seller", False, 0, (_OF_MRC,), ()),
    ],
    "an account that was on no statement has its first service later": [
        Statement(ABROAD, ()),
        NewService(EURO_CONTRACT, "dia", EURO_ACCOUNT, None, 100, day(3, 28)),
    ],
    "commission stays with the former agent for two of three months": [
        Letter("A-2", (("delta", 1),), 0, stays=1),
    ],
    "a circle of uplines, closed by a change that reaches back": [
        NewPlanVersion("upline", False, -2, (Rule(rule="own", pay=percent("0.9")),), (_DIFFERENTIAL,)),
        NewUpline("keystone", None, 1),
        NewUpline("summit", "harbor", -1),
        Statement("lumen", (Line("5-1", "1000", month=-2), Line("5-1", "-1000", month=-1))),
    ],
    "the agency of two accounts is lost late, and one of them turns out to have been ours": [
        NewPlanVersion("seller", False, 0, (_OF_MRC,), ()),
        AgencyMoved(("A-1", "A-2"), "brightstar", 1),
        Statement("lumen", (Line("5-1", "1000"), Line("5-1", "-30", month=-2))),
        PayRun("settled"),
        AgencyMoved(("A-1",), None, 1),
        PayRun("settled"),
    ],
    "a vendor's agreement ends without evergreen, lines come all the same, and it is resumed": [
        AgreementEnded("lumen", False, day(1, 2)),
        Statement("lumen", (Line("5-1", "1000", month=-1), Line("5-1", "333.335", month=0))),
        MonthsPass(1),
        Statement("lumen", (Line("5-1", "1000"),)),
        AgreementResumed("lumen", day(2, 15)),
    ],
    "an agent is suspended while a run of its money waits, and reinstated": [
        PayRun("open"),
        Suspended("harbor"),
        PayRun("settled"),
        Statement("lumen", (Line("5-1", "18748"),)),
        Reinstated("harbor"),
        PayRun("settled"),
    ],
    "two letters cross inside the window; the earlier signature closes last and changes nothing": [
        SignedLetter(("A-2",), (("delta", 1),), 2, 2, approved=False),
        SignedLetter(("A-2",), (("summit", 1),), 2, 0, approved=False, answers=("confirm",)),
        Statement("zito", (Line("5-2", "1000"),)),
        DaysPass(6),
        Answered("A-2", "confirm", None, False),
        Statement("zito", (Line("5-2", "333.335"),)),
    ],
    "a letter is rescinded, another is confirmed inside its window, a third is declined": [
        SignedLetter(("A-2",), (("delta", 1),), 2, 2, approved=False, answers=("rescind", "days")),
        SignedLetter(("A-2",), (("delta", 60), ("summit", 40)), 3, 2, approved=False, answers=("confirm", "days")),
        MonthsPass(1),
        Statement("zito", (Line("5-2", "1000"),)),
        SignedLetter(("A-2",), (("summit", 1),), 4, 2, incomplete=True, approved=False, answers=("decline",)),
    ],
    "a letter that counted already is declined by the vendor after the money was paid": [
        SignedLetter(("A-1",), (("delta", 1),), 1, 2),
        PayRun("settled"),
        Answered("A-1", "decline", None, True),
        PayRun("settled"),
    ],
    "as contracts expire less is paid, nothing evergreen, one renews late, and reversals use the schedule of today": [
        PayRun("settled"),
        NewPlanVersion(
            "seller",
            False,
            0,
            (Rule(rule="less", pay=percent("0.6")),),
            (),
            AsContractsExpire(kind="as-contracts-expire", from_=day(0)),
            ("contract-term",),
            "schedule-of-today",
        ),
        MonthsPass(1),
        Statement("lumen", (Line("5-1", "1000"), Line("5-1", "-1000", month=-3), Line("5-1", "-499", month=-1))),
        Statement("zito", (Line("5-2", "1000"), Line("5-2", "-30", month=-2))),
        Renewed("C-1", day(2, 15), 2),
        MonthsPass(2),
        Statement("lumen", (Line("5-1", "18748"), Line("5-1", "1000", month=-1), Line("5-1", "-30", month=-4))),
        NewPlanVersion("seller", False, 3, (Rule(rule="more", pay=percent("0.9")),), ()),
        PayRun("settled"),
    ],
    "a cohort is paid more from a month on, months already paid less, and a renewal into the cohort is learned late": [
        Statement("lumen", (Line("5-1", "18748", month=-1), Line("5-1", "18748", month=0))),
        PayRun("settled"),
        NewPlanVersion(
            "seller",
            False,
            0,
            (Rule(rule="cohort", pay=percent("0.9")),),
            (),
            Cohort(kind="cohort", cohort_from=day(-6), cohort_until=day(2), from_=day(1)),
        ),
        NewPlanVersion(
            "upline",
            False,
            0,
            (Rule(rule="own", pay=percent("0.5")),),
            (_DIFFERENTIAL,),
            Retroactive(kind="retroactive", from_=day(0), until=day(2)),
        ),
        MonthsPass(1),
        Statement("lumen", (Line("5-1", "1000"), Line("5-1", "-1000", month=-2))),
        Renewed("C-1", day(1, 2), 2),
        NewPlanVersion(
            "seller",
            False,
            0,
            (_OF_MRC,),
            (),
            FromRenewal(kind="from-renewal", from_=day(2)),
            ("contract-term",),
        ),
        Renewed("C-1", day(3), 0),
        PayRun("settled"),
    ],
    "a renewal that is learned late brings a reversal of an older month under the schedule of today": [
        NewPlanVersion(
            "seller",
            False,
            0,
            (Rule(rule="less", pay=percent("0.6")),),
            (),
            FromRenewal(kind="from-renewal", from_=day(1)),
            (),
            "schedule-of-today",
        ),
        Statement("lumen", (Line("5-1", "1000", month=-2), Line("5-1", "-1000", month=-2))),
        Renewed("C-1", day(1, 15), 12),
    ],
    "a version ends with agreements that end with evergreen": [
        NewPlanVersion("seller", False, 0, (_OF_MRC, _SPIFF), (), None, ("agent-agreement", "vendor-agreement")),
        NewService("C-1", "voip", "A-1", None, 12345, day(2, 15)),
        PayRun("settled"),
        Terminated("delta", 1, True),
        AgreementEnded("lumen", True, day(2)),
        Statement("lumen", (Line("5-1", "1000"), Line("5-1", "1000", month=-1))),
        Statement("zito", (Line("5-2", "1000"),)),
        Letter("A-2", (("delta", 60), ("harbor", 40)), 1),
        AgreementResumed("lumen", day(3)),
        PayRun("settled"),
    ],
    "a late letter with a split after the money was paid, and the next run": [
        Statement("lumen", (Line("5-1", "333.335"), Line("05-1", "1000"))),
        PayRun("settled"),
        Letter("A-1", (("delta", 60), ("summit", 40)), -1),
        Placement("lumen", "05-1", "A-1", None, True),
        PayRun("settled"),
        Statement("lumen", (Line("5-1", "18748"),)),
        PayRun("released", "delta"),
        PayRun("settled"),
    ],
}


@pytest.mark.parametrize("story", STORIES_TO_REMEMBER.values(), ids=STORIES_TO_REMEMBER)
@pytest.mark.parametrize("check", PROPERTIES, ids=_called)
def test_in_stories_to_remember(check: Property, story: Story) -> None:
    told = tell(story)
    refused = [r for r in told.simulation.refusals if r["refused"] not in ("AgentOfRecordAlreadyDesignated",)]
    assert not refused
    check(told)


# -- on PostgreSQL


def _in_postgres(database: Database, told: Told, batch: int) -> None:
    """Append the story's events to an empty log and project them."""
    with PostgresLog(database) as log, Projectors(database) as projectors:
        new = [NewEvent(r.stream_id, r.stream_version, r.event, r.envelope) for r in told.events]
        log.append(new, {}, "story", "")
        projectors.catch_up(batch)


def _rows(database: Database, table: str) -> list[tuple[Any, ...]]:
    with database.connect("reader") as connection:
        return connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(database.book, table))).fetchall()


@pytest.mark.parametrize("batch", [1, 7, 5_000])
def test_given_the_stories_to_remember_then_postgresql_keeps_the_same_book_as_memory(
    database: Database, batch: int
) -> None:
    told = tell([happening for story in STORIES_TO_REMEMBER.values() for happening in story])

    _in_postgres(database, told, batch)

    kept = told.simulation.book.tables
    for table in ("facts", "facts_name", "facts_alias", "journal"):
        assert sorted(_rows(database, table), key=str) == sorted(kept.content[table], key=str)
    assert sums((row[:2], row[2]) for row in _rows(database, "balance")) == sums(kept.sums["balance"].items())
