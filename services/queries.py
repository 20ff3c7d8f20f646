"""Questions to the book: balances, statements, why this cent, what an auditor reads. Nothing here changes anything.

*As known at K*: K is a position; a date means the last position recorded on that day of the house's calendar or before
it; a time means the last position recorded at or before it, by the log's clock.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from itertools import groupby
from typing import Any, NamedTuple

import orjson
import psycopg
from psycopg import sql
from psycopg.rows import class_row

from adapters.database import Database
from adapters.pg_facts import PgFacts
from domain import months, rating
from domain.house import FOLDS
from domain.money import show
from domain.payout import Earned
from domain.plan import CHARGE_KINDS
from domain.rating import release_1
from domain.rating.expected import ExpectedZero, expected_zeros
from domain.rating.facts import HOUSE_NO, AccountFacts, Cell, HouseFacts
from domain.rating.reasons import Explanation, Releases, explain, figure, waiting_because
from domain.rating.release_1 import Item
from projections import payout_book
from projections.agenda import AGENDA, Due
from projections.deal_board import Place, board
from projections.ledger import (
    ADJUSTMENT_KIND,
    BOOKS_PER_PARTY,
    CASH_KIND,
    HOLD_KIND,
    KIND_NAMES,
    KIND_OF,
    PAYER_ROLE,
    SUSPENSE_BOOK,
    UNEARNED,
    EntryId,
    book,
    book_name,
)

CHARGE_KIND_NAMES: tuple[str, ...] = CHARGE_KINDS
LINES_AFTER = 1_000
"""In an account's history a statement's lines come after what else happened at its position."""


class NotFound(Exception):
    """What was asked for is not in the book. The message says what to try."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the journal."""

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
    def id(self) -> EntryId:
        return EntryId(self.position, self.account_no, self.effective_on, self.kind, self.currency, self.leg)

    @property
    def cell(self) -> Cell:
        return Cell(self.account_no, months.number_of(self.effective_on), self.kind, self.currency)


class Balance(NamedTuple):
    book: str
    currency: str
    amount_minor: int


class Explained(NamedTuple):
    """One posted entry with what it is made of. ``positions`` are the events that it used."""

    entry: Entry
    entry_id: str
    book: str
    account: str
    item: str
    reason: str
    recorded_on: date | None
    positions: tuple[int, ...]


class Mismatch(Exception):
    """A cell rated again does not give the posted figure: the ledger or the release is not what it was."""


class Queries:
    """Reads the book of one house on one connection, as the reader role."""

    def __init__(self, database: Database, connection: psycopg.Connection) -> None:
        self.database = database
        self.connection = connection
        self.facts = PgFacts(connection, database.book)
        self._house: HouseFacts | None = None
        self._accounts: dict[int, AccountFacts] = {}
        self._names: dict[int, str] | None = None

    def table(self, name: str) -> sql.Identifier:
        """A projection's table in the schema that is read here."""
        return sql.Identifier(self.database.book, name)

    # -- known at

    def known_at(self, text: str | None) -> int:
        """The position that a position, a date of the house's calendar, or a time means. Raises NotFound."""
        if text is None:
            return self.ledger_position()
        if text.isascii() and text.isdigit():
            return self._recorded(int(text))
        try:
            if len(text) <= 10:
                return self._last_position_on(date.fromisoformat(text))
            return self._last_position_at(datetime.fromisoformat(text))
        except ValueError:
            raise NotFound(
                f"{text!r} is not a position, a date or a time; write 57, 2026-04-26 or 2026-04-26T17:00Z"
            ) from None

    def _recorded(self, position: int) -> int:
        """The position itself. An answer about one that is not recorded yet would not stay the same for ever."""
        last = self.ledger_position()
        if position > last:
            raise NotFound(f"position {position} is not recorded yet; the last one is {last}")
        return position

    def _last_position_on(self, day: date) -> int:
        statement = sql.SQL("SELECT min(position) - 1 FROM {} WHERE day > %s").format(self.table("facts_day"))
        row = self.connection.execute(statement, (day,)).fetchone()
        return row[0] if row and row[0] is not None else self.ledger_position()

    def _last_position_at(self, at: datetime) -> int:
        if at.tzinfo is None:
            raise NotFound(f"{at.isoformat()} has no time zone; add Z or an offset such as -06:00")
        self._has_come(at)
        statement = sql.SQL("SELECT max(notification_id) FROM {} WHERE recorded_at <= %s").format(
            sql.Identifier(self.database.house, "house_events")
        )
        row = self.connection.execute(statement, (at,)).fetchone()
        return row[0] if row and row[0] is not None else 0

    def _has_come(self, at: datetime) -> None:
        """Nothing, if no event can be recorded at this time any more. Raises NotFound."""
        statement = sql.SQL("SELECT greatest(clock_timestamp(), recorded_at) AS now FROM {}")
        row = self.connection.execute(statement.format(sql.Identifier(self.database.house, "log_head"))).fetchone()
        if row is not None and at > row[0]:
            raise NotFound(f"{at.isoformat()} has not come yet; by the log's clock it is {row[0].isoformat()}")

    def ledger_position(self) -> int:
        statement = sql.SQL("SELECT position FROM {} WHERE name = 'ledger'").format(self.table("projection_position"))
        row = self.connection.execute(statement).fetchone()
        return row[0] if row else 0

    def day_of(self, position: int) -> date | None:
        """The house's open day at a position."""
        statement = sql.SQL("SELECT day FROM {} WHERE position <= %s ORDER BY position DESC LIMIT 1")
        row = self.connection.execute(statement.format(self.table("facts_day")), (position,)).fetchone()
        return row[0] if row else None

    # -- the agenda

    def due(self, today: date, given_on: date, given_at: int) -> list[Due]:
        """What is due by a day and was not given yet, in order; leaves out what was due by ``given_on`` as known at
        the position ``given_at``.
        """
        statement = sql.SQL(
            "SELECT * FROM {} AS agenda WHERE due_on <= %s AND (due_on > %s OR position > %s) "
            "AND NOT EXISTS (SELECT FROM {} WHERE command_id = agenda.command_id) ORDER BY due_on, position, seq"
        ).format(self.table(AGENDA.name), sql.Identifier(self.database.house, "command_log"))
        return [Due(*row) for row in self.connection.execute(statement, (today, given_on, given_at))]

    # -- names

    @property
    def house(self) -> HouseFacts:
        if self._house is None:
            self._house = HouseFacts.of(self.facts.account(HOUSE_NO, 2**62))
        return self._house

    def account_facts(self, account_no: int) -> AccountFacts:
        account = self._accounts.get(account_no)
        if account is None:
            account = AccountFacts.of(account_no, self.facts.account(account_no, 2**62))
            self._accounts[account_no] = account
        return account

    def contracts_of(self, account_nos: Sequence[int]) -> Iterator[AccountFacts]:
        """Accounts with their services and contracts, and nothing else that is known of them."""
        statement = sql.SQL(
            "SELECT account_no, position, body FROM {} WHERE account_no = ANY(%s) "
            "AND split_part(body, '\"', 2) = ANY(%s) ORDER BY account_no, position, seq"
        ).format(self.table("facts"))
        tags = ["account", "service", "active", "renewed", "off"]
        rows = self.connection.execute(statement, (list(account_nos), tags))
        for account_no, group in groupby(rows, key=lambda row: row[0]):
            account = AccountFacts(account_no)
            for _, position, body in group:
                account.learn(position, orjson.loads(body))
            yield account

    def account_no(self, account: str) -> int:
        """Raises NotFound."""
        return self._no(f"account:{account}", f"account {account}")

    def _no(self, name: str, what: str) -> int:
        statement = sql.SQL("SELECT no FROM {} WHERE name = %s").format(self.table("facts_name"))
        row = self.connection.execute(statement, (name,)).fetchone()
        if row is None:
            raise NotFound(f"there is no {what} in the book; check its id")
        return int(row[0])

    def _parties(self) -> dict[int, str]:
        if self._names is None:
            self._names = {facts.agent_no: f"agent:{agent}" for agent, facts in self.house.agents.items()}
            self._names |= {no: f"vendor:{vendor}" for vendor, no in self.house.vendor_no.items()}
        return self._names

    def book_name(self, number: int) -> str:
        return book_name(number, self._parties())

    # -- balances

    def balances(self, known: int, effective: date | None = None) -> list[Balance]:
        """Every ledger account's balance effective at a day, as known at a position; a credit is above zero."""
        statement = sql.SQL(
            "SELECT book, currency, sum(amount_minor)::bigint FROM {} "
            "WHERE position <= %s AND effective_on <= %s GROUP BY book, currency"
        ).format(self.table("journal"))
        rows = self.connection.execute(statement, (known, effective or date.max))
        return sorted(Balance(self.book_name(number), currency, amount) for number, currency, amount in rows)

    def earned(self, known: int, agents: Iterable[str] = ()) -> list[Earned]:
        """What each agent had earned as known at a position, all shares and adjustments; payouts left aside."""
        statement = sql.SQL(
            "SELECT book, currency, sum(amount_minor)::bigint FROM {} "
            "WHERE position <= %s AND kind <> ALL(%s) AND book %% %s = %s GROUP BY book, currency"
        ).format(self.table("journal"))
        wanted = set(agents)
        rows = self.connection.execute(statement, (known, list(UNEARNED), BOOKS_PER_PARTY, book("payable"))).fetchall()
        found = ((self.book_name(number).split(":")[1], currency, amount) for number, currency, amount in rows)
        return [
            Earned(agent=agent, currency=currency, earned_minor=amount)
            for agent, currency, amount in sorted(found)
            if not wanted or agent in wanted
        ]

    # -- entries

    def entries(
        self,
        *,
        number: int | None = None,
        positions: tuple[int, int] | None = None,
        cell: Cell | None = None,
    ) -> list[Entry]:
        """Entries of one ledger account, of positions after one up to another, of one cell; in order."""
        clauses: list[sql.Composable] = [sql.SQL("true")]
        values: list[Any] = []
        if number is not None:
            clauses.append(sql.SQL("book = %s"))
            values.append(number)
        if positions is not None:
            clauses.append(sql.SQL("position > %s AND position <= %s"))
            values.extend(positions)
        if cell is not None:
            clauses.append(sql.SQL("account_no = %s AND effective_on = %s AND kind = %s AND currency = %s"))
            values.extend((cell.account_no, months.last_day(cell.month), cell.kind, cell.currency))
        statement = sql.SQL("SELECT * FROM {} WHERE {} ORDER BY position, account_no, effective_on, kind, leg").format(
            self.table("journal"), sql.SQL(" AND ").join(clauses)
        )
        with self.connection.cursor(row_factory=class_row(Entry)) as cursor:
            return cursor.execute(statement, values).fetchall()

    def entry(self, text: str) -> Entry:
        """The entry with an id such as ``57:12:2026-01:recurring:USD:1``. Raises NotFound."""
        missing = NotFound(
            f"there is no entry {text}; `trailbook ledger statement` shows ids like 57:12:2026-01:recurring:USD:1"
        )
        try:
            key = _entry_key(text)
        except ValueError:
            raise missing from None
        statement = sql.SQL(
            "SELECT * FROM {} WHERE account_no = %s AND effective_on = %s AND kind = %s AND currency = %s "
            "AND position = %s AND leg = %s"
        ).format(self.table("journal"))
        with self.connection.cursor(row_factory=class_row(Entry)) as cursor:
            found = cursor.execute(statement, key).fetchone()
        if found is None:
            raise missing
        return found

    # -- why

    def why(self, entry: Entry) -> Explained:
        """Rate the entry's cell again as of its position, and before it; the two must differ by what was posted.

        Raises Mismatch when they do not.
        """
        if entry.kind in KIND_NAMES:
            return self._why_moved(entry)
        account = self.account_facts(entry.account_no)
        before, after = (
            rating.rate(account, self.house, entry.cell, known, {}) for known in (entry.position - 1, entry.position)
        )
        explained = self.explanation(entry, before, after)
        return Explained(
            entry,
            str(entry.id),
            self.book_name(entry.book),
            account.account,
            explained.item,
            explained.words,
            self.day_of(entry.position),
            tuple(sorted({*explained.positions, entry.position})),
        )

    def explanation(self, entry: Entry, before: Sequence[Item], after: Sequence[Item]) -> Explanation:
        """Why an entry was posted when its cell, or its item, went from ``before`` to ``after``. Raises Mismatch."""
        explained = self._explain(entry, before, after)
        if explained is None or explained.amount_minor != entry.amount_minor:
            again = explained.amount_minor if explained else "nothing"
            raise Mismatch(
                f"entry {entry.id} was posted as {entry.amount_minor} minor units, but rated again it is {again}; "
                "run `trailbook verify`"
            )
        return explained

    def _explain(self, entry: Entry, before: Sequence[Item], after: Sequence[Item]) -> Explanation | None:
        if entry.role == PAYER_ROLE:
            return self._explain_payer(entry, before, after)
        kinds = {release_1.HOUSE_ROLE: release_1.HOUSE, release_1.SUSPENSE_ROLE: release_1.SUSPENSE}
        payee = kinds.get(entry.role) or self.book_name(entry.book).removesuffix(":payable")
        part = (entry.item_no, entry.item_line, entry.role, payee)
        return explain(before, after, part, entry.currency, Releases.at(self.house, entry.position))

    def _explain_payer(self, entry: Entry, before: Sequence[Item], after: Sequence[Item]) -> Explanation | None:
        """What a vendor owes for an item: what its lines said, less what they said before."""
        vendor = self.book_name(entry.book).split(":")[1]

        def owed(items: Sequence[Item]) -> list[tuple[Item, int]]:
            own = (i for i in items if (i.item_no, i.line) == (entry.item_no, entry.item_line))
            return [(item, amount) for item in own for payer, amount in item.received if payer == vendor]

        found = owed(after) or owed(before)
        if not found:
            return None
        now, earlier = (sum(amount for _, amount in owed(items)) for items in (after, before))
        words = f"{show(now, entry.currency)} reported by {vendor} on {found[0][0].label}"
        words += f"; less {show(earlier, entry.currency)} posted before" if earlier else ""
        return Explanation(found[0][0].label, words, earlier - now, (entry.item_no,))

    def _why_moved(self, entry: Entry) -> Explained:
        """What moved or was adjusted is explained by its event. Raises Mismatch."""
        statement = sql.SQL("SELECT sentence FROM {} WHERE position = %s ORDER BY participant LIMIT 1")
        row = self.connection.execute(statement.format(self.table("audit_trail")), (entry.position,)).fetchone()
        words = row[0] if row else "money moved"
        facts = [
            fact
            for position, fact in self.facts.account(entry.account_no, entry.position + 1)
            if position == entry.position
        ]
        posted = [leg[2] for fact in facts for leg in fact[1]]
        if entry.amount_minor not in posted:
            raise Mismatch(f"entry {entry.id} is not what the event at its position moved; run `trailbook verify`")
        return Explained(
            entry,
            str(entry.id),
            self.book_name(entry.book),
            *_what_moved(facts[0]),
            words,
            self.day_of(entry.position),
            (entry.position,),
        )

    # -- statements

    def month_positions(self, month: str) -> tuple[int, int]:
        """The last position before a month of the house's calendar, and the last one in it."""
        number = months.number(month)
        first, after = months.first_day(number), months.first_day(number + 1)
        statement = sql.SQL("SELECT (SELECT min(position) - 1 FROM {} WHERE day >= %s)").format(self.table("facts_day"))
        bounds: list[int] = []
        for day in (first, after):
            row = self.connection.execute(statement, (day,)).fetchone()
            bounds.append(row[0] if row and row[0] is not None else self.ledger_position())
        return bounds[0], bounds[1]

    def statement(self, agent: str, month: str) -> dict[str, Any]:
        """An agent's statement of a month: what was recorded in it, with reasons, and what is expected and nothing.

        Amounts in minor units; an entry whose service month is not reported in this month for the first time is a
        correction. Raises NotFound.
        """
        number = book("payable", self._no(f"agent:{agent}", f"agent {agent}"))
        after, upto = self.month_positions(month)
        entries = self.entries(number=number)
        opening = [e for e in entries if e.position <= after]
        lines = [e for e in entries if after < e.position <= upto]
        earned_before = {(e.cell, e.item_no, e.item_line) for e in opening if e.kind not in KIND_NAMES}
        rows = []
        for entry in lines:
            explained = self.why(entry)
            section = _MOVED_SECTIONS.get(entry.kind)
            if section is None:
                again = (entry.cell, entry.item_no, entry.item_line) in earned_before
                section = "correction" if again or self._corrects(entry) else "earned"
            rows.append(_statement_row(entry, explained, section))
        zeros = self.zeros(agent, upto)
        return {
            "agent": agent,
            "month": month,
            "as_known_at": upto,
            "opening": _by_currency(opening),
            "entries": rows,
            "held": self.held(upto, agent),
            "zeros": [_zero_row(zero) for zero in zeros],
            "closing": _by_currency([*opening, *lines]),
        }

    def _corrects(self, entry: Entry) -> bool:
        """Whether somebody had a share of the item before, or it is a promotion's: then this entry takes or gives what
        was another's, or was not paid.
        """
        if self.house.promoted_at(entry.position):
            return True
        earlier = self.entries(cell=entry.cell)
        return any(
            (e.item_no, e.item_line) == (entry.item_no, entry.item_line) and e.position < entry.position
            for e in earlier
        )

    def zeros(self, agent: str, known: int) -> list[ExpectedZero]:
        """The agent's expected zeros as known at a position."""
        concerned = {agent} | self._below(agent)
        found: list[ExpectedZero] = []
        for account_no in sorted(self.facts.accounts_of(concerned)):
            account = self.account_facts(account_no)
            found.extend(z for z in expected_zeros(account, self.house, known) if z.payee == f"agent:{agent}")
        return sorted(set(found), key=lambda z: (z.month, z.account, z.reason))

    def _below(self, agent: str) -> set[str]:
        return self.house.with_downlines([agent])

    # -- what payouts hold

    def held(self, known: int, agent: str | None = None) -> list[dict[str, Any]]:
        """What is held back of whom as known at a position, in order of the day until which it is. Amounts in minor
        units.
        """
        statement = sql.SQL(
            "SELECT agent, currency, pay_run, min(position), max(amount_minor), max(held_until) FROM {} "
            "WHERE what IN ('held', 'owed-again') AND position <= %s AND agent = coalesce(%s, agent) "
            "GROUP BY agent, currency, pay_run HAVING count(*) = 1 ORDER BY max(held_until), min(position)"
        ).format(self.table(payout_book.MOVE.name))
        return [
            {
                "agent": agent_,
                "pay_run": pay_run,
                "amount_minor": amount,
                "currency": currency,
                "held_since": _iso(self.day_of(position)),
                "held_until": _iso(until),
            }
            for agent_, currency, pay_run, position, amount, until in self.connection.execute(statement, (known, agent))
        ]

    # -- suspense, audit, agent book

    def suspense(self, known: int) -> list[dict[str, Any]]:
        """What waits in suspense, by vendor and number as printed; its lines and their ages: see ``Desk``."""
        statement = sql.SQL(
            "SELECT account_no, currency, sum(amount_minor)::bigint, min(position) FROM {} "
            "WHERE book = %s AND position <= %s GROUP BY account_no, currency HAVING sum(amount_minor) <> 0 ORDER BY 4"
        ).format(self.table("journal"))
        rows = self.connection.execute(statement, (SUSPENSE_BOOK, known)).fetchall()
        return [
            {
                "vendor": self.account_facts(account_no).vendor,
                "number": self.account_facts(account_no).account,
                "amount_minor": amount,
                "currency": currency,
                "since_position": position,
                "since": _iso(self.day_of(position)),
                "why": waiting_because(self.account_facts(account_no), self.house, known),
            }
            for account_no, currency, amount, position in rows
        ]

    def audit(self, participant: str, known: int = 2**62) -> list[Mapping[str, Any]]:
        """A participant's history as known at a position, in order; of an account also the lines that came for it.

        Raises NotFound.
        """
        rows = self._audit_rows(sql.SQL("participant = %s"), participant)
        if not rows:
            raise NotFound(f"{participant} has no history in the book; {self._meant(participant)}")
        if participant.startswith("account:"):
            rows.extend(self._line_rows(participant))
        rows = [row for row in rows if row["position"] <= known]
        return sorted(rows, key=lambda row: (row["position"], row["seq"]))

    def _meant(self, participant: str) -> str:
        """What to try where a participant has no history: the same id of another kind, if there is one."""
        key = participant.partition(":")[2]
        statement = sql.SQL("SELECT DISTINCT participant FROM {} WHERE participant = ANY(%s) ORDER BY 1")
        others = [f"{kind}:{key}" for kind in FOLDS]
        rows = self.connection.execute(statement.format(self.table("audit_trail")), (others,)).fetchall()
        return f"there is {', '.join(row[0] for row in rows)}" if rows else "check its id"

    def _audit_rows(self, where: sql.SQL, value: Any) -> list[dict[str, Any]]:
        statement = sql.SQL("SELECT * FROM {} WHERE {} ORDER BY position, seq").format(self.table("audit_trail"), where)
        with self.connection.cursor(row_factory=psycopg.rows.dict_row) as cursor:
            return cursor.execute(statement, (value,)).fetchall()

    def _line_rows(self, participant: str) -> Iterator[dict[str, Any]]:
        """A row for each statement line of an account, told by the event that brought it there."""
        facts = list(self.facts.account(self._no(participant, participant), 2**62))
        lines = [(position, fact) for position, fact in facts if fact[0] == "line"]
        events = {
            row["position"]: row for row in self._audit_rows(sql.SQL("position = ANY(%s)"), [p for p, _ in lines])
        }
        for seq, (position, fact) in enumerate(lines):
            if position not in events:  # the audit trail has not come there yet
                continue
            _, _, line, vendor, month, kind, currency, commission, *_, statement = fact
            amount = figure(Fraction(commission), currency)
            what = f"Line {line} of statement {statement} of {vendor} brought {amount} {currency}"
            yield {
                **events[position],
                "participant": participant,
                "seq": LINES_AFTER + seq,
                "effective_on": months.last_day(month),
                "sentence": f"{what} for {months.text(month)} ({CHARGE_KINDS[kind]}).",
            }

    def audit_of_position(self, position: int) -> str:
        """What happened at a position, in one sentence."""
        statement = sql.SQL("SELECT sentence FROM {} WHERE position = %s ORDER BY seq LIMIT 1")
        row = self.connection.execute(statement.format(self.table("audit_trail")), (position,)).fetchone()
        return row[0] if row else ""

    def plans(self) -> list[str]:
        """Every plan that something happened to, in order."""
        query = sql.SQL("SELECT DISTINCT participant FROM {trail} WHERE participant LIKE 'plan:%'")
        rows = self.connection.execute(query.format(trail=self.table("audit_trail"))).fetchall()
        return sorted(participant.removeprefix("plan:") for (participant,) in rows)

    def agent_book(self, account: str) -> list[tuple[Any, ...]]:
        """The rows of the agent book for one account. Raises NotFound."""
        self.account_no(account)
        statement = sql.SQL("SELECT * FROM {} WHERE account = %s ORDER BY position, seq")
        return self.connection.execute(statement.format(self.table("agent_book")), (account,)).fetchall()

    def deal_participant(self, deal: str) -> str:
        """Whose history is meant by a deal's id, alone or as customer/deal. Raises NotFound where several use it."""
        statement = sql.SQL("SELECT DISTINCT deal_of FROM {} WHERE deal = %s OR deal_of = %s ORDER BY 1")
        rows = self.connection.execute(statement.format(self.table("deal_board")), (deal, deal)).fetchall()
        found = [row[0] for row in rows]
        if deal not in found and len(found) > 1:
            raise NotFound(f"{len(found)} customers have a deal {deal}; name one of {', '.join(found)}")
        return f"deal:{deal if deal in found or not found else found[0]}"

    def deal_board(
        self, known: int, *, customer: str | None = None, vendor: str | None = None, agent: str | None = None
    ) -> list[Place]:
        """Every registration as it stood at a position, in order of arrival; of one customer, vendor or agent."""
        statement = sql.SQL("SELECT * FROM {} WHERE position <= %s AND (%s::text IS NULL OR customer = %s)")
        rows = self.connection.execute(statement.format(self.table("deal_board")), (known, customer, customer))
        return [
            place
            for place in board(rows, known)
            if vendor in (None, place.registration.vendor) and agent in (None, place.registration.agent)
        ]

    def agent_book_steps(self, account: str) -> list[tuple[Any, ...]]:
        """The steps of changes of the agent of record on one account."""
        statement = sql.SQL("SELECT * FROM {} WHERE account = %s ORDER BY position")
        return self.connection.execute(statement.format(self.table("agent_book_step")), (account,)).fetchall()

    def other_agency(self, account: str, on: date, known: int) -> str | None:
        """The other house that is agency of record of an account in the month of a day. Raises NotFound."""
        facts = self.account_facts(self.account_no(account))
        found = facts.other_agency(months.number_of(on), known)
        return found.agency if found else None


def _what_moved(fact: Sequence[Any]) -> tuple[str, str]:
    """The account that an entry of no cell names, if any, and what it is."""
    if fact[0] == "adjustment":
        _, _, _, _, adjustment, account, _ = fact
        return account or "", f"adjustment {adjustment}"
    if fact[0] == "held":
        return "", f"commission held in pay run {fact[4]}"
    return "", "money that moved"


def _entry_key(text: str) -> tuple[int, date, int, str, int, int]:
    """The journal's key in an entry's id. Raises ValueError."""
    position, account, when, *rest = text.split(":")
    for account_no, own_kind in KIND_OF.items():
        if account == KIND_NAMES[own_kind]:
            currency, leg = rest
            return _key(account_no, date.fromisoformat(when), own_kind, currency, position, leg)
    kind, currency, leg = rest
    day = months.last_day(months.number(when))
    return _key(int(account), day, CHARGE_KIND_NAMES.index(kind), currency, position, leg)


def _key(
    account_no: int, on: date, kind: int, currency: str, position: str, leg: str
) -> tuple[int, date, int, str, int, int]:
    numbers = account_no, int(position), int(leg)
    if max(map(abs, numbers)) >= 2**63:
        raise ValueError("a number of an entry's id has at most 18 digits")
    return account_no, on, kind, currency, numbers[1], numbers[2]


_MOVED_SECTIONS = {CASH_KIND: "payout", ADJUSTMENT_KIND: "adjustment", HOLD_KIND: "hold"}
"""The section of a statement in which what belongs to no cell is shown."""


def _statement_row(entry: Entry, explained: Explained, section: str) -> dict[str, Any]:
    return {
        "entry": explained.entry_id,
        "section": section,
        "recorded_on": _iso(explained.recorded_on),
        "account": explained.account,
        "service_month": None if entry.kind in KIND_NAMES else months.text(entry.cell.month),
        "charge_kind": _MOVED_SECTIONS.get(entry.kind) or CHARGE_KINDS[entry.kind],
        "item": explained.item,
        "amount_minor": entry.amount_minor,
        "currency": entry.currency,
        "reason": explained.reason,
    }


def _zero_row(zero: ExpectedZero) -> dict[str, Any]:
    return {
        "account": zero.account,
        "service_month": months.text(zero.month),
        "charge_kind": CHARGE_KINDS[zero.kind],
        "reason": zero.reason,
    }


def _by_currency(entries: Iterable[Entry]) -> dict[str, int]:
    sums: dict[str, int] = {}
    for entry in entries:
        sums[entry.currency] = sums.get(entry.currency, 0) + entry.amount_minor
    return dict(sorted(sums.items()))


def _iso(day: date | None) -> str | None:
    return day.isoformat() if day else None
