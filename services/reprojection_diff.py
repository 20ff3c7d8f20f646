"""What a reprojection would move: by payee, account, service month and cause, before it counts.

Read from a valuation's legs in one snapshot, as of one position, and summed by the server, so that no process holds
more than what it shows. A difference is what the proposed recipe gives less what the live one gave, in minor units;
above zero a payee gains. The differences of a currency sum to zero over agents, house and suspense, and vendors have
none: where they do not, nothing is shown.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from psycopg import IsolationLevel, sql

from domain import months, rating
from domain.plan import CHARGE_KINDS
from domain.rating.facts import Cell, HouseFacts
from domain.rating.reasons import Releases, side_by_side
from domain.rating.release_1 import HOUSE, HOUSE_ROLE, SUSPENSE, SUSPENSE_ROLE
from projections.ledger import MARGIN, PAYER_ROLE, SUSPENSE_BOOK, book
from projections.payout_book import LINE, MOVE
from projections.valuation import CAUSES
from services.queries import Mismatch, NotFound, Queries

READ_ROWS = 5_000
SUM_MEMORY = "64MB"
"""What the server may sum in before it writes to its disk."""


class Row(NamedTuple):
    """What one payee gains or loses on one account in one service month for one cause."""

    payee: str
    account: str
    service_month: str
    cause: str
    currency: str
    amount_minor: int
    paid_minor: int
    """Of it on what a payout of the agent has paid already: the next one carries it."""


class Part(NamedTuple):
    """One item of a row, rated under both recipes."""

    item: str
    charge_kind: str
    old_minor: int
    new_minor: int
    old_reason: str
    new_reason: str


class Selection(NamedTuple):
    """What of a difference is asked for; None is everything."""

    payee: str | None = None
    account: str | None = None
    month: str | None = None


EVERYTHING = Selection()


class PayeeTotal(NamedTuple):
    """``balance_minor`` is what the house owes the agent as of the position; None for house and suspense."""

    payee: str
    currency: str
    amount_minor: int
    paid_minor: int
    balance_minor: int | None

    @property
    def next_minor(self) -> int | None:
        """The balance that the next pay run would find."""
        return None if self.balance_minor is None else self.balance_minor + self.amount_minor


class Total(NamedTuple):
    """Differences under one heading: what agents gain, what agents lose (below zero), and the other side."""

    of: str
    currency: str
    gained_minor: int
    lost_minor: int
    house_minor: int
    suspense_minor: int
    paid_minor: int


class Size(NamedTuple):
    """How much differs in one currency, everything counted."""

    currency: str
    accounts: int
    cells: int
    entries: int


class Group(NamedTuple):
    """What the server sums: one payee, month and cause."""

    book: int
    month: int
    cause: int
    currency: str
    amount_minor: int
    paid_minor: int


@dataclass
class Differences:
    """One valuation, open to be asked. Use ``snapshot``."""

    queries: Queries
    reprojection: str
    valuation: sql.Identifier
    """The table of its differences."""
    upto: int
    proposed: HouseFacts
    """The house as it would be."""
    selection: Selection = EVERYTHING
    sizes: list[Size] = field(init=False)
    _paid_upto: dict[tuple[int, str], int] = field(init=False)

    def __post_init__(self) -> None:
        self.sizes = self._checked()
        self._paid_upto = self._paid()
        self._narrowed = self._narrow()

    # -- sums

    def groups(self) -> list[Group]:
        """The selected differences by payee, month and cause."""
        payouts = sorted(self._paid_upto.values())
        values = {**self._values(), "lately": payouts[len(payouts) // 2] if payouts else self.upto}
        return [Group(*row) for row in self.queries.connection.execute(self._formatted(_GROUPS), values)]

    def payees(self, groups: Sequence[Group]) -> list[PayeeTotal]:
        """Who gains and who loses, by currency, the largest gain first; the house and suspense where they come."""
        sums: dict[tuple[str, int], tuple[int, int]] = {}
        for group in groups:
            amount, paid = sums.get((group.currency, group.book), (0, 0))
            sums[group.currency, group.book] = amount + group.amount_minor, paid + group.paid_minor
        balances = self._balances([number for _, number in sums])
        totals = [
            PayeeTotal(
                self._payee(number),
                currency,
                amount,
                paid,
                None if number in (MARGIN, SUSPENSE_BOOK) else balances.get((number, currency), 0),
            )
            for (currency, number), (amount, paid) in sums.items()
        ]
        return sorted(totals, key=lambda total: (total.currency, -total.amount_minor, total.payee))

    def _balances(self, numbers: Sequence[int]) -> dict[tuple[int, str], int]:
        statement = sql.SQL(
            "SELECT book, currency, sum(amount_minor)::bigint FROM {} WHERE book = ANY(%s) AND position <= %s "
            "GROUP BY 1, 2"
        ).format(self.queries.table("journal"))
        wanted = sorted({number for number in numbers if number not in (MARGIN, SUSPENSE_BOOK)})
        rows = self.queries.connection.execute(statement, (wanted, self.upto))
        return {(number, currency): amount for number, currency, amount in rows}

    # -- rows

    def rows(self) -> Iterator[Row]:
        """Every selected difference that is not nothing: account by account as they were opened, month by month."""
        with self.queries.connection.cursor("differences", binary=True) as cursor:
            cursor.itersize = READ_ROWS
            cursor.execute(self._formatted(_ROWS), self._values())
            for batch in iter(lambda: cursor.fetchmany(READ_ROWS), []):
                yield from self._named(batch)

    def largest(self, limit: int) -> list[tuple[Row, list[Part]]]:
        """The selected differences that move most, each with its items under both recipes. Raises Mismatch.

        The house's, which mirror the agents', are left out unless they are asked for.
        """
        values = {**self._values(), "limit": limit, "but": None if self._narrowed["book"] == MARGIN else MARGIN}
        keys = self.queries.connection.execute(self._formatted(_LARGEST), values).fetchall()
        values["account_nos"] = sorted({key[0] for key in keys})
        statement = self._formatted(_ROWS, sql.SQL("valued.account_no = ANY(%(account_nos)s)"))
        found = {row[:5]: row for row in self.queries.connection.execute(statement, values)}
        chosen = [found[key] for key in keys]
        return [(row, list(self._parts(raw, row))) for raw, row in zip(chosen, self._named(chosen), strict=True)]

    def _named(self, found: Sequence[Sequence[Any]]) -> Iterator[Row]:
        accounts = self._accounts({row[0] for row in found})
        for account_no, number, month, cause, currency, amount, paid in found:
            payee = self._payee(number)
            yield Row(payee, accounts[account_no], months.text(month), CAUSES[cause], currency, amount, paid)

    def _accounts(self, account_nos: set[int]) -> dict[int, str]:
        """Ids of accounts; a number that is unmatched is named as it was printed."""
        statement = sql.SQL("SELECT no, name FROM {} WHERE no = ANY(%s) AND name LIKE 'account:%%'")
        rows = self.queries.connection.execute(
            statement.format(self.queries.table("facts_name")), (sorted(account_nos),)
        )
        names = {no: name.removeprefix("account:") for no, name in rows}
        return names | {no: self.queries.account_facts(no).account for no in account_nos - names.keys()}

    # -- why

    def _parts(self, raw: Sequence[Any], row: Row) -> Iterator[Part]:
        """The items of a row with both reasons. Raises Mismatch where the figures do not give the difference."""
        account_no, number, month, cause, currency, amount, _ = raw
        statement = sql.SQL(
            "SELECT d.kind, d.item_no, d.item_line, d.role, sum(d.amount_minor)::bigint FROM {} AS valued, {} "
            "WHERE account_no = %s AND d.book = %s AND d.month = %s AND d.cause = %s AND d.currency = %s "
            "AND d.role <> %s GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
        ).format(self.valuation, _LEGS)
        legs = self.queries.connection.execute(
            statement, (account_no, number, month, cause, currency, PAYER_ROLE)
        ).fetchall()
        account = self.queries.account_facts(account_no)
        releases = Releases(self.queries.house.release_at(self.upto), self.proposed.release_at(self.upto))
        left = amount
        for kind, of_kind in _by_kind(legs):
            cell = Cell(account_no, month, kind, currency)
            old, new = (
                rating.rate(account, house, cell, self.upto, {}) for house in (self.queries.house, self.proposed)
            )
            for _, item_no, item_line, role, leg_minor in of_kind:
                part = (item_no, item_line, role, _payee_in(role, row.payee))
                beside = side_by_side(old, new, part, currency, releases)
                if beside is None or beside.new_minor - beside.old_minor != leg_minor:
                    raise self._wrong_figures(row, leg_minor, beside.new_minor - beside.old_minor if beside else 0)
                yield Part(beside.item, CHARGE_KINDS[kind], *beside[1:])
                left -= leg_minor
        if left:
            raise self._wrong_figures(row, amount, amount - left)

    def _wrong_figures(self, row: Row, valued: int, again: int) -> Mismatch:
        return Mismatch(
            f"reprojection {self.reprojection} has {valued} minor units for {row.payee} on {row.account} in "
            f"{row.service_month}, but rated again it is {again}; drop it, propose it again, and run `trailbook verify`"
        )

    # -- what all of it rests on

    def _checked(self) -> list[Size]:
        """How much differs by currency, whatever is selected.

        Raises Mismatch where the differences do not sum to zero: over payees, and over vendors, on every account, and
        for every vendor.
        """
        found: dict[str, Size] = {}
        rows = self.queries.connection.execute(self._formatted(_SIDES), {"payer": PAYER_ROLE})
        for currency, vendor, amount, unbalanced, accounts, cells, entries in rows:
            if amount or unbalanced:
                whose = self.queries.book_name(vendor) if vendor else "all payees"
                raise Mismatch(
                    f"the differences of reprojection {self.reprojection} for {whose} do not sum to zero: {amount} "
                    f"minor units of {currency} are left, on {unbalanced} accounts; drop it, propose it again, and run "
                    "`trailbook verify`"
                )
            before = found.get(currency, Size(currency, 0, 0, 0))
            found[currency] = Size(
                currency, max(before.accounts, accounts), max(before.cells, cells), before.entries + entries
            )
        return list(found.values())

    def _paid(self) -> dict[tuple[int, str], int]:
        """By agent's ledger account and currency: up to which position its payouts have paid, or hold."""
        statement = sql.SQL(
            "SELECT move.agent, move.currency, max(line.as_known_at) FROM {move} AS move "
            "JOIN {line} AS line USING (agent, currency, pay_run) WHERE move.position <= %(upto)s "
            "AND move.what IN ('sent', 'held') AND NOT EXISTS (SELECT FROM {move} AS back "
            " WHERE back.agent = move.agent AND back.currency = move.currency AND back.pay_run = move.pay_run "
            " AND back.what = 'returned' AND back.position <= %(upto)s) GROUP BY 1, 2 ORDER BY 1, 2"
        ).format(move=self.queries.table(MOVE.name), line=self.queries.table(LINE.name))
        rows = self.queries.connection.execute(statement, {"upto": self.upto})
        agents = self.queries.house.agents
        return {(book("payable", agents[agent].agent_no), currency): upto for agent, currency, upto in rows}

    # -- the statement

    def _formatted(self, statement: sql.SQL, accounts: sql.SQL | None = None) -> sql.Composed:
        """A statement over this valuation, narrowed to one account by its key where one is selected."""
        selected = sql.SQL("valued.account_no = %(account_no)s" if self.selection.account else "true")
        return statement.format(
            valuation=self.valuation,
            legs=_LEGS,
            journal=self.queries.table("journal"),
            wanted=_WANTED,
            accounts=accounts or selected,
        )

    def _values(self) -> dict[str, Any]:
        paid = [(*key, upto) for key, upto in self._paid_upto.items()]
        return {
            "payer": PAYER_ROLE,
            "upto": self.upto,
            "but": None,
            "books": [number for number, _, _ in paid],
            "currencies": [currency for _, currency, _ in paid],
            "paid_upto": [upto for _, _, upto in paid],
            **self._narrowed,
        }

    def _narrow(self) -> dict[str, int | None]:
        """The numbers of what is selected. Raises NotFound."""
        payee, account, month = self.selection
        return {
            "account_no": None if account is None else self.queries.account_no(account),
            "book": None if payee is None else self._book(payee),
            "month": None if month is None else months.number(month),
        }

    def _book(self, payee: str) -> int:
        fixed = {HOUSE: MARGIN, SUSPENSE: SUSPENSE_BOOK}
        if payee in fixed:
            return fixed[payee]
        agent = self.queries.house.agents.get(payee.removeprefix("agent:"))
        if agent is None:
            raise NotFound(f"there is no agent {payee} in the book; name an agent, house or suspense")
        return book("payable", agent.agent_no)

    def _payee(self, number: int) -> str:
        match number:
            case _ if number == MARGIN:
                return HOUSE
            case _ if number == SUSPENSE_BOOK:
                return SUSPENSE
            case _:
                return self.queries.book_name(number).removesuffix(":payable")


@contextmanager
def snapshot(queries: Queries) -> Iterator[None]:
    """Everything asked within is of one moment. The connection is the reader's, and is as it was afterwards."""
    connection = queries.connection
    before = connection.isolation_level
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction():
            connection.execute(sql.SQL("SET LOCAL work_mem = {}").format(sql.Literal(SUM_MEMORY)))
            yield
    finally:
        connection.isolation_level = before


def totals(groups: Sequence[Group], heading: str) -> list[Total]:
    """Sums under each ``cause``, each ``month``, or of ``all``, by currency, in order."""
    by_payee: dict[tuple[str, int, int], list[int]] = {}
    for group in groups:
        of = {"cause": group.cause, "month": group.month, "all": 0}[heading]
        sums = by_payee.setdefault((group.currency, of, group.book), [0, 0])
        sums[0] += group.amount_minor
        sums[1] += group.paid_minor
    found: dict[tuple[str, int], list[int]] = {}
    for (currency, of, number), (amount, paid) in sorted(by_payee.items()):
        row = found.setdefault((currency, of), [0, 0, 0, 0, 0])
        place = 2 if number == MARGIN else 3 if number == SUSPENSE_BOOK else 0 if amount > 0 else 1
        row[place] += amount
        row[4] += paid
    return [Total(_heading(heading, of), currency, *row) for (currency, of), row in found.items()]


def _heading(heading: str, of: int) -> str:
    return {"cause": CAUSES[of], "all": "all"}[heading] if heading != "month" else months.text(of)


def _by_kind(legs: Sequence[Sequence[Any]]) -> Iterator[tuple[int, list[Sequence[Any]]]]:
    for kind in sorted({leg[0] for leg in legs}):
        yield kind, [leg for leg in legs if leg[0] == kind]


def _payee_in(role: int, payee: str) -> str:
    """How rating calls whom a leg is for."""
    return {HOUSE_ROLE: HOUSE, SUSPENSE_ROLE: SUSPENSE}.get(role, payee)


_LEGS = sql.SQL(
    "unnest(month, kind, currency, item_no, item_line, role, book, amount_minor, cause) "
    "AS d(month, kind, currency, item_no, item_line, role, book, amount_minor, cause)"
)
_SIDES = sql.SQL("""
SELECT of_account.currency, vendor, sum(of_account.amount_minor)::bigint,
    count(*) FILTER (WHERE of_account.amount_minor <> 0), count(*),
    sum(cells)::bigint, sum(entries)::bigint
FROM {valuation} AS valued CROSS JOIN LATERAL (
    SELECT d.currency, CASE WHEN d.role = %(payer)s THEN d.book ELSE 0 END AS vendor,
        sum(d.amount_minor) AS amount_minor, count(DISTINCT (d.month, d.kind)) AS cells, count(*) AS entries
    FROM {legs} GROUP BY 1, 2
) AS of_account GROUP BY 1, 2 ORDER BY 1, 2""")
"""What all payees have of each account, and each vendor."""
_WANTED = sql.SQL(
    "d.role <> %(payer)s AND d.book = coalesce(%(book)s::bigint, d.book) "
    "AND d.month = coalesce(%(month)s::int, d.month) AND d.book IS DISTINCT FROM %(but)s::bigint"
)
_ROWS = sql.SQL("""
SELECT valued.account_no, row.* FROM {valuation} AS valued CROSS JOIN LATERAL (
    WITH item AS MATERIALIZED (
        SELECT (extract(year FROM effective_on) * 12 + extract(month FROM effective_on))::int - 1 AS month,
            kind, currency, item_no, item_line, min(position) AS first
        FROM {journal} WHERE account_no = valued.account_no AND position <= %(upto)s GROUP BY 1, 2, 3, 4, 5
    ), cell AS (
        SELECT month, kind, currency, min(first) AS first FROM item GROUP BY 1, 2, 3
    )
    SELECT d.book, d.month, d.cause, d.currency, sum(d.amount_minor)::bigint AS amount_minor,
        coalesce(sum(d.amount_minor) FILTER (WHERE paid.upto >= coalesce(item.first, cell.first)), 0)::bigint
            AS paid_minor
    FROM {legs}
    LEFT JOIN unnest(%(books)s::bigint[], %(currencies)s::text[], %(paid_upto)s::bigint[]) AS paid(book, currency, upto)
        USING (book, currency)
    LEFT JOIN item USING (month, kind, currency, item_no, item_line)
    LEFT JOIN cell USING (month, kind, currency)
    WHERE {wanted} GROUP BY 1, 2, 3, 4 HAVING sum(d.amount_minor) <> 0
) AS row WHERE {accounts} ORDER BY valued.account_no, row.month, row.currency, row.book, row.cause""")
"""The rows of a difference, account by account. What was first posted by the position of an agent's last payout was
paid; an item that was never posted takes the place of others of its cell, and is as they are."""
_LARGEST = sql.SQL("""
SELECT valued.account_no, row.book, row.month, row.cause, row.currency
FROM {valuation} AS valued CROSS JOIN LATERAL (
    SELECT d.book, d.month, d.cause, d.currency, abs(sum(d.amount_minor)) AS size FROM {legs}
    WHERE {wanted} GROUP BY 1, 2, 3, 4 HAVING sum(d.amount_minor) <> 0
) AS row WHERE {accounts}
ORDER BY row.size DESC, valued.account_no, row.month, row.currency, row.book, row.cause LIMIT %(limit)s""")
"""Which rows move most."""
_GROUPS = sql.SQL("""
WITH paid AS (
    SELECT * FROM unnest(%(books)s::bigint[], %(currencies)s::text[], %(paid_upto)s::bigint[])
        AS of_agent(book, currency, upto)
), lately AS MATERIALIZED (
    SELECT account_no, effective_on, kind, currency, item_no, item_line, min(position) AS first FROM {journal} AS later
    WHERE position > %(lately)s AND position <= %(upto)s AND account_no > 0
    GROUP BY 1, 2, 3, 4, 5, 6
), new AS MATERIALIZED (
    SELECT account_no, (extract(year FROM effective_on) * 12 + extract(month FROM effective_on))::int - 1 AS month,
        kind, currency, item_no, item_line, first, NOT EXISTS (
            SELECT FROM {journal} AS posted WHERE posted.account_no = lately.account_no
                AND posted.effective_on = lately.effective_on AND posted.kind = lately.kind
                AND posted.currency = lately.currency AND posted.position <= %(lately)s
        ) AS in_new_cell
    FROM lately WHERE NOT EXISTS (
        SELECT FROM {journal} AS earlier WHERE earlier.account_no = lately.account_no
            AND earlier.effective_on = lately.effective_on AND earlier.kind = lately.kind
            AND earlier.currency = lately.currency AND earlier.position <= %(lately)s
            AND earlier.item_no = lately.item_no AND earlier.item_line = lately.item_line
    )
), cell AS (
    SELECT account_no, month, kind, currency, min(first) AS first FROM new WHERE in_new_cell GROUP BY 1, 2, 3, 4
)
SELECT d.book, d.month, d.cause, d.currency, sum(d.amount_minor)::bigint,
    coalesce(sum(d.amount_minor) FILTER (WHERE paid.upto >= CASE
        WHEN paid.upto IS NULL THEN NULL
        WHEN item.first IS NOT NULL THEN item.first
        WHEN cell.first IS NOT NULL THEN cell.first
        WHEN d.item_line > 0 AND paid.upto >= %(lately)s THEN 0
        ELSE (
            SELECT coalesce(min(position) FILTER (WHERE item_no = d.item_no AND item_line = d.item_line), min(position))
            FROM {journal} AS posted WHERE posted.account_no = valued.account_no
                AND posted.effective_on = make_date(d.month / 12, d.month %% 12 + 1, 1) + interval '1 month - 1 day'
                AND posted.kind = d.kind AND posted.currency = d.currency AND posted.position <= %(upto)s
        ) END), 0)::bigint
FROM {valuation} AS valued CROSS JOIN LATERAL {legs}
LEFT JOIN paid ON paid.book = d.book AND paid.currency = d.currency
LEFT JOIN new AS item ON item.account_no = valued.account_no AND item.month = d.month AND item.kind = d.kind
    AND item.currency = d.currency AND item.item_no = d.item_no AND item.item_line = d.item_line
LEFT JOIN cell ON cell.account_no = valued.account_no AND cell.month = d.month AND cell.kind = d.kind
    AND cell.currency = d.currency
WHERE {wanted} AND {accounts} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
""")
"""The sums of all rows, another way: most of a book was paid long ago, so that what was posted after half of the agents
were paid last is found at once. Looked up one by one is what is of an agent that was paid last before that, and a month
in service, which may never have been posted."""
