"""Valuations: what each reprojection that is open would change, kept beside the live ledger and up to date with it.

    (none) ── value ──▶ being valued ── all ranges done ──▶ standing ── Keeper ──▶ standing at a later position
                            │  ▲                               └── promote ──▶ promoted: its table goes, a row stays
                          killed, resumed

A valuation is made of the facts up to one position by worker processes (``adapters.valuing``), range after range of
accounts. Killed at any point, the next ``value`` goes on with the ranges that are left, as of the same position. A
standing one follows the ledger: accounts that learned something, or that a change in the house concerns, are valued
again whole, and rows and position move in one transaction.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

import orjson
import psycopg
from psycopg import sql
from psycopg.rows import class_row

from adapters.bulk import oid_of
from adapters.database import Database
from adapters.pg_facts import PgFacts, position_of
from adapters.valuing import Fact, Task, copy_valued, create_table, table_of, valuer
from adapters.workers import LINES, Answer, Pool, Range, WorkerFailed, partitions_of, ranges
from domain.ids import RECIPE
from domain.message import read_state
from domain.rating.facts import HOUSE_NO
from domain.recipe import EMPTY, Recipe, ReprojectionProposed, evolve
from projections import facts, ledger
from projections.facts.terms import proposed_facts
from projections.ledger import Ledger
from projections.valuation import Valuer

Progress = Callable[[int, int], None]
"""How many lines are valued and how many there are. From any thread."""

RANGES_A_WORKER = 3
"""More ranges than workers, so that one with slow accounts holds nobody up; few, because every range's accounts lie all
over the facts, so that each reads nearly every page of them."""
KEEP_UP_ACCOUNTS = 1_000
"""After so many accounts a step ends; the accounts of one position are always done together."""
KEEP_UP_CHANGES = 100
"""After so many changes in the house too. Each statement is one; whom an earlier one concerned, a later house still
knows, so that all of a step are looked at together."""
CHUNK_ACCOUNTS = 200
PLACE_WAIT = "5s"
REMOVAL_WAIT = "100ms"
PROMOTION_WAIT = "60s"
"""How long a promotion waits for who has its valuation; then the ledger settles the accounts itself."""
STARVED = ("53", "57P", "58")
"""SQLSTATEs of a server without room or memory, or that ends: a promotion waits for it, and is posted in bulk then."""
PROMOTED = "promoted at position"
"""How the reason begins for which a valuation stands no more whose reprojection was promoted."""
PROMOTION_STEPS = 20
"""How many steps a valuation may be behind when it is promoted: more than that is left to the ledger itself."""


class ReprojectionNotOpen(LookupError):
    """There is nothing to value under that name. The message is one sentence."""


class ValuationRunning(Exception):
    """Another process values the same reprojection. The message is one sentence."""


class PromotedWithoutIt(Exception):
    """The ledger has passed the promotion and did not take the valuation: it was not to be had."""


class ValuationFailed(Exception):
    """A worker ended, or an account cannot be valued. Nothing that is live has changed; value it again."""


@dataclass(frozen=True, slots=True)
class Valuation:
    """How a valuation stands. ``lines`` came to ``accounts`` up to position ``upto``, whether or not they differ."""

    reprojection_no: int
    reprojection: str
    facts_version: int
    ledger_version: int
    upto: int
    standing: bool
    lines: int
    accounts: int
    started_at: datetime
    moved_at: datetime
    reason: str | None
    """Why it does not stand, or what became of it; none while it is being valued."""

    @property
    def of_this_release(self) -> bool:
        return (self.facts_version, self.ledger_version) == (facts.version, ledger.version)


class Proposal(NamedTuple):
    """An open reprojection: the position at which it was proposed, and what the house would learn."""

    no: int
    reprojection: str
    change: Sequence[Fact]


# -- what is proposed


def proposals(connection: psycopg.Connection, house: str) -> tuple[Recipe, dict[str, int]]:
    """The recipe as the log has it, and the position at which each reprojection was proposed."""
    recipe, numbers = EMPTY, dict[str, int]()
    statement = sql.SQL(
        "SELECT notification_id, topic, state FROM {} WHERE originator_id = %s ORDER BY originator_version"
    ).format(sql.Identifier(house, "house_events"))
    for position, topic, state in connection.execute(statement, (RECIPE,)):
        event: Any = read_state(topic, orjson.loads(state))[0]
        recipe = evolve(recipe, event)
        if isinstance(event, ReprojectionProposed):
            numbers[event.reprojection] = position
    return recipe, numbers


def proposal(connection: psycopg.Connection, house: str, reprojection: str, *, over: bool = False) -> Proposal:
    """``over``: also where the log has its promotion already, which the ledger may have yet to reach.

    Raises ReprojectionNotOpen.
    """
    recipe, numbers = proposals(connection, house)
    found = recipe.reprojections.get(reprojection)
    if found is None:
        raise ReprojectionNotOpen(f"there is no reprojection {reprojection!r}; propose it first")
    if not over and found.status not in ("proposed", "approved"):
        raise ReprojectionNotOpen(f"reprojection {reprojection} is {found.status}; there is nothing more to value")
    return Proposal(numbers[reprojection], reprojection, proposed_facts(found.proposed))


# -- tables

_TABLES = """
CREATE TABLE IF NOT EXISTS {schema}.valuation (
    reprojection_no bigint PRIMARY KEY,
    reprojection text COLLATE "C" NOT NULL,
    facts_version integer NOT NULL,
    ledger_version integer NOT NULL,
    upto bigint NOT NULL,
    standing boolean NOT NULL,
    lines bigint NOT NULL,
    accounts bigint NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reason text
);
CREATE TABLE IF NOT EXISTS {schema}.valuation_range (
    reprojection_no bigint NOT NULL,
    first bigint NOT NULL,
    last bigint NOT NULL,
    lines bigint NOT NULL,
    done boolean NOT NULL DEFAULT false,
    PRIMARY KEY (reprojection_no, first)
);
COMMENT ON TABLE {schema}.valuation IS {layout};
"""
LAYOUT = "layout 1"
"""Raise it when the tables change: what another layout holds is made again."""
_COLUMNS = sql.SQL(", ").join(map(sql.Identifier, Valuation.__dataclass_fields__))


def _prepare(connection: psycopg.Connection, schema: str) -> None:
    """In a transaction of its own: whoever opens the book waits for this lock."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (f"{schema} tables",))
        if _has_tables(connection, schema):
            return
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = %s AND tablename ~ '^valuation(_|$)'"
        for (table,) in connection.execute(tables, (schema,)).fetchall():
            connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(schema, table)))
        connection.execute(sql.SQL(_TABLES).format(schema=sql.Identifier(schema), layout=sql.Literal(LAYOUT)))


def _has_tables(connection: psycopg.Connection, schema: str) -> bool:
    """Whether there are tables of valuations, of the layout of this program."""
    statement = "SELECT obj_description(to_regclass(%s), 'pg_class')"
    row = connection.execute(statement, (f"{schema}.valuation",)).fetchone()
    return row is not None and row[0] == LAYOUT


def stands(connection: psycopg.Connection, schema: str) -> list[Valuation]:
    """Every valuation that there is, in order of proposal."""
    if not _has_tables(connection, schema):
        return []
    statement = sql.SQL("SELECT {} FROM {} ORDER BY reprojection_no")
    with connection.cursor(row_factory=class_row(Valuation)) as cursor:
        return cursor.execute(statement.format(_COLUMNS, sql.Identifier(schema, "valuation"))).fetchall()


def _held(connection: psycopg.Connection, schema: str, no: int) -> Valuation | None:
    """One valuation, which nobody else moves before the transaction ends."""
    statement = sql.SQL("SELECT {} FROM {} WHERE reprojection_no = %s FOR UPDATE")
    with connection.cursor(row_factory=class_row(Valuation)) as cursor:
        return cursor.execute(statement.format(_COLUMNS, sql.Identifier(schema, "valuation")), (no,)).fetchone()


def drop(database: Database, reprojection: str) -> None:
    """Remove a valuation with its tables, also what is left of it where that was cut short; nothing if there is none.

    Waits for who reads its differences; nobody waits for that.
    """
    with database.connect("projector", autocommit=True) as connection:
        numbers = {v.reprojection_no for v in stands(connection, database.book) if v.reprojection == reprojection}
        known = proposals(connection, database.house)[1].get(reprojection)
        for no in sorted(numbers if known is None else numbers | {known}):
            _drop(connection, database.book, no)


def _drop(connection: psycopg.Connection, schema: str, no: int) -> None:
    """First it stands for nobody any more, then its table goes: a keeper or the ledger must not wait behind a reader.

    ``connection`` commits by itself.
    """
    if _has_tables(connection, schema):
        with connection.transaction():
            _forget(connection, schema, no)
    _drop_table(connection, schema, no)


def _forget(connection: psycopg.Connection, schema: str, no: int) -> None:
    """The ranges come first: a worker has its range, and wants the valuation."""
    for table in ("valuation_range", "valuation"):
        statement = sql.SQL("DELETE FROM {} WHERE reprojection_no = %s").format(sql.Identifier(schema, table))
        connection.execute(statement, (no,))


def _drop_table(connection: psycopg.Connection, schema: str, no: int) -> None:
    connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(sql.Identifier(schema, table_of(no))))


# -- valuing from the start, or from where it was left


def value(database: Database, reprojection: str, workers: int | None = None, progress: Progress | None = None) -> int:
    """Value a reprojection, or go on where it was left, and bring it to where the ledger is; that position.

    Readers and writers go on meanwhile. ``workers`` are processes, by default one a core. Raises ReprojectionNotOpen,
    ValuationRunning, ValuationFailed.
    """
    with _alone(database, reprojection), database.connect("projector", autocommit=True) as connection:
        proposed = proposal(connection, database.house, reprojection)
        found = _found_or_begun(connection, database.book, proposed, (workers or os.cpu_count() or 1))
        if not found.standing:
            _load(database, connection, proposed, found.upto, workers or os.cpu_count() or 1, progress)
        keeper = Keeper(database, connection)
        upto = position_of(connection, database.book, ledger.name)  # what comes meanwhile is left: it may never end
        while keeper.follow(proposed.no, upto):
            pass
        with connection.transaction():
            reached = _held(connection, database.book, proposed.no)
        if reached is None or not reached.standing:
            because = reached.reason if reached else "it was dropped"
            raise ValuationFailed(f"reprojection {reprojection} cannot be valued: {because}")
        return reached.upto


def _alone(database: Database, reprojection: str) -> AbstractContextManager[None]:
    """Raises ValuationRunning."""
    running = f"reprojection {reprojection} is being valued already; wait until that has ended"
    return database.alone(f"values {reprojection}", PLACE_WAIT, ValuationRunning(running))


def _found_or_begun(connection: psycopg.Connection, schema: str, proposed: Proposal, workers: int) -> Valuation:
    """The valuation that stands or was left, if it is of this release; else a new one with all its ranges to do."""
    _prepare(connection, schema)
    with connection.transaction():
        found = _held(connection, schema, proposed.no)
    if found is not None and found.of_this_release and (found.standing or found.reason is None):
        return found
    _drop(connection, schema, proposed.no)
    with connection.transaction():
        return _begun(connection, schema, proposed, workers)


def _begun(connection: psycopg.Connection, schema: str, proposed: Proposal, workers: int) -> Valuation:
    upto = position_of(connection, schema, ledger.name)
    create_table(connection, schema, proposed.no)
    connection.execute(
        sql.SQL(
            "INSERT INTO {} (reprojection_no, reprojection, facts_version, ledger_version, upto, standing, lines, "
            "accounts) VALUES (%s, %s, %s, %s, %s, false, 0, 0)"
        ).format(sql.Identifier(schema, "valuation")),
        (proposed.no, proposed.reprojection, facts.version, ledger.version, upto),
    )
    accounts = ranges(connection, schema, upto, workers * RANGES_A_WORKER, first=HOUSE_NO + 1, size=LINES)
    with connection.cursor() as cursor:
        cursor.executemany(
            sql.SQL("INSERT INTO {} (reprojection_no, first, last, lines) VALUES (%s, %s, %s, %s)").format(
                sql.Identifier(schema, "valuation_range")
            ),
            [(proposed.no, *one) for one in accounts],
        )
    begun = _held(connection, schema, proposed.no)
    assert begun is not None
    return begun


def _load(
    database: Database,
    connection: psycopg.Connection,
    proposed: Proposal,
    upto: int,
    workers: int,
    progress: Progress | None,
) -> None:
    """Do the ranges that are left, then let the valuation stand. Raises ValuationFailed."""
    schema = database.book
    statement = sql.SQL("SELECT first, last, lines, done FROM {} WHERE reprojection_no = %s ORDER BY first")
    rows = connection.execute(statement.format(sql.Identifier(schema, "valuation_range")), (proposed.no,)).fetchall()
    oid = oid_of(connection, schema, table_of(proposed.no))
    left = [Range(first, last, size) for first, last, size, done in rows if not done]
    done, total = sum(size for _, _, size, done in rows if done), sum(size for _, _, size, _ in rows)

    def note(one: Range, answer: Answer) -> None:
        nonlocal done
        done += one.size
        if progress is not None:
            progress(done, total)

    if progress is not None:
        progress(done, total)
    task = Task(database.conninfo("projector"), schema, proposed.no, oid, upto, proposed.change)
    try:
        Pool("adapters.valuing", asdict(task), note).run(left, min(workers, max(1, len(left))))
    except WorkerFailed as failed:
        with connection.transaction():
            if _held(connection, schema, proposed.no) is None:
                return
        advice = "nothing that is live has changed, value it again"
        raise ValuationFailed(f"reprojection {proposed.reprojection} cannot be valued: {failed}; {advice}") from None
    with connection.transaction():
        connection.execute(
            sql.SQL(
                "UPDATE {valuation} SET standing = true, moved_at = clock_timestamp() WHERE reprojection_no = %(no)s "
                "AND reason IS NULL AND NOT EXISTS (SELECT FROM {range} WHERE reprojection_no = %(no)s AND NOT done)"
            ).format(valuation=sql.Identifier(schema, "valuation"), range=sql.Identifier(schema, "valuation_range")),
            {"no": proposed.no},
        )


# -- following the ledger


class _Window(NamedTuple):
    """What came after one position up to another: ``accounts`` that learned something, changes in the house."""

    upto: int
    accounts: set[int]
    changes: list[Fact]
    lines: int
    opened: int


@dataclass
class Keeper:
    """Follows the ledger with every valuation that stands. A step is one transaction; a valuation that cannot go on
    stands no more, and says why. ``connection`` commits by itself, or is in the transaction that promotes.
    """

    database: Database
    connection: psycopg.Connection
    _valuers: dict[int, Valuer] = field(default_factory=dict)
    _recipe_version: int = 0
    """How much of the recipe's stream was looked at for what was dropped."""

    def close(self) -> None:
        self.connection.close()

    def step(self) -> int:
        """A step of every standing valuation; how many positions in all."""
        valuations = stands(self.connection, self.database.book)
        if valuations:
            self._drop_what_was_dropped(valuations)
            self._drop_tables_of_what_is_over(valuations)
        return sum(self.follow(valuation.reprojection_no) for valuation in valuations if valuation.standing)

    def _drop_what_was_dropped(self, valuations: Sequence[Valuation]) -> None:
        """Whoever dropped a reprojection may have been killed before it dropped the valuation."""
        statement = sql.SQL("SELECT max(originator_version) FROM {} WHERE originator_id = %s")
        events = sql.Identifier(self.database.house, "house_events")
        row = self.connection.execute(statement.format(events), (RECIPE,)).fetchone()
        if row is None or row[0] == self._recipe_version:
            return
        recipe, _ = proposals(self.connection, self.database.house)
        for valuation in valuations:
            found = recipe.reprojections.get(valuation.reprojection)
            if found is not None and found.status == "dropped" and not self._removed(valuation.reprojection_no):
                return
        self._recipe_version = row[0]

    def _drop_tables_of_what_is_over(self, valuations: Sequence[Valuation]) -> None:
        """What was promoted, or given up, is never read again: the journal has it, or it is valued anew."""
        schema = self.database.book
        over = {
            f"{schema}.{table_of(v.reprojection_no)}": v.reprojection_no for v in valuations if v.reason is not None
        }
        statement = "SELECT name FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NOT NULL"
        for (name,) in self.connection.execute(statement, (list(over),)).fetchall() if over else ():
            with suppress(psycopg.errors.LockNotAvailable), self._removing():
                valuation = _held(self.connection, schema, over[name])
                if valuation is not None and valuation.reason is not None:  # it may have been begun anew
                    _drop_table(self.connection, schema, over[name])

    def _removed(self, no: int) -> bool:
        """With its table, which is left for a later step while somebody reads it."""
        try:
            with self._removing():
                _forget(self.connection, self.database.book, no)
                _drop_table(self.connection, self.database.book, no)
        except psycopg.errors.LockNotAvailable:
            return False
        return True

    @contextmanager
    def _removing(self) -> Iterator[None]:
        """A transaction that waits for nobody for long."""
        with self.connection.transaction():
            self.connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(REMOVAL_WAIT)))
            yield

    def follow(self, no: int, upto: int | None = None) -> int:
        """One step of a valuation towards a position, or towards where the ledger is; how many positions."""
        try:
            with self.connection.transaction():
                reached = position_of(self.connection, self.database.book, ledger.name)
                return self.advance(no, reached if upto is None else min(upto, reached))
        except PromotedWithoutIt as late:
            self._give_up(no, str(late))
            return 0
        except Exception as error:  # what cannot be valued must hold up neither the ledger nor the promotion
            self._valuers.pop(no, None)
            passing = isinstance(error, psycopg.Error) and self.database.fault(error) is not None
            if passing or isinstance(error, MemoryError):
                raise
            self._give_up(no, f"{type(error).__name__}: {' '.join(str(error).split())}")
            return 0

    def _give_up(self, no: int, reason: str) -> None:
        with self.connection.transaction():
            self.connection.execute(
                sql.SQL("UPDATE {} SET standing = false, reason = %s WHERE reprojection_no = %s").format(
                    sql.Identifier(self.database.book, "valuation")
                ),
                (reason, no),
            )

    def advance(self, no: int, upto: int) -> int:
        """Within the caller's transaction: some way towards a position; how far."""
        schema = self.database.book
        valuation = _held(self.connection, schema, no)
        if valuation is None or not valuation.standing or valuation.upto >= upto:
            return 0
        if not valuation.of_this_release:
            raise LookupError("it was made by another version of the facts or of the ledger")
        window = self._window(valuation, upto)
        if window.upto == valuation.upto:
            at = valuation.upto + 1
            raise PromotedWithoutIt(f"{PROMOTED} {at} without it: it was held by somebody else at the time")
        valuing = self._valuer(valuation, window)
        accounts = {*window.accounts, *self._concerned(valuing, window.changes)}
        for chunk in _chunks(sorted(accounts)):
            self.connection.execute(
                sql.SQL("DELETE FROM {} WHERE account_no = ANY(%s)").format(sql.Identifier(schema, table_of(no))),
                (chunk,),
            )
            found = list(partitions_of(self.connection, schema, chunk, window.upto))
            copy_valued(self.connection, schema, no, ((one, valuing.value(one, learned)) for one, learned in found))
        self.connection.execute(
            sql.SQL(
                "UPDATE {} SET upto = %s, lines = lines + %s, accounts = accounts + %s, moved_at = clock_timestamp() "
                "WHERE reprojection_no = %s"
            ).format(sql.Identifier(schema, "valuation")),
            (window.upto, window.lines, window.opened, no),
        )
        return window.upto - valuation.upto

    def _window(self, valuation: Valuation, upto: int) -> _Window:
        """As many positions as concern few enough accounts, never past the valuation's own promotion."""
        statement = sql.SQL(
            "SELECT position, account_no, starts_with(body, '[\"line\"'), starts_with(body, '[\"account\"'), "
            "CASE WHEN account_no = {} THEN body END FROM {} "
            "WHERE position > %s AND position <= %s AND account_no >= {} ORDER BY position, account_no, seq"
        ).format(HOUSE_NO, sql.Identifier(self.database.book, "facts"), HOUSE_NO)
        accounts: set[int] = set()
        changes: list[Fact] = []
        lines = opened = 0
        at = valuation.upto
        with self.connection.cursor("window", binary=True) as cursor:
            cursor.itersize = 2_000
            cursor.execute(statement, (valuation.upto, upto))
            for position, account_no, is_line, is_account, body in cursor:
                if position != at:
                    if len(accounts) >= KEEP_UP_ACCOUNTS or len(changes) >= KEEP_UP_CHANGES:
                        return _Window(position - 1, accounts, changes, lines, opened)
                    at = position
                if account_no != HOUSE_NO:
                    accounts.add(account_no)
                    lines += is_line
                    opened += is_account
                    continue
                fact = orjson.loads(body)
                if fact[0] == "recipe" and fact[3] == valuation.reprojection:
                    return _Window(position - 1, accounts, [], lines, opened)
                changes.append(fact)
        return _Window(upto, accounts, changes, lines, opened)

    def _valuer(self, valuation: Valuation, window: _Window) -> Valuer:
        """The one of the step before, unless the house has changed."""
        no = valuation.reprojection_no
        found = self._valuers.get(no)
        if found is None or found.known != valuation.upto or window.changes:
            change = proposal(self.connection, self.database.house, valuation.reprojection, over=True).change
            reader = PgFacts(self.connection, self.database.book)
            found = self._valuers[no] = valuer(reader, change, window.upto)
        found.known = window.upto
        return found

    def _concerned(self, valuing: Valuer, changes: Sequence[Fact]) -> Iterator[int]:
        """The accounts of which changes in the house can change cells, as it is or as it would be."""
        reader = PgFacts(self.connection, self.database.book)
        for house in (valuing.live, valuing.proposed):
            would_settle = Ledger(reader, house)
            for change in changes:
                yield from (no for no in would_settle.concerned_by_house(change, valuing.known) if no > 0)


def _chunks(account_nos: Sequence[int]) -> Iterator[list[int]]:
    for first in range(0, len(account_nos), CHUNK_ACCOUNTS):
        yield list(account_nos[first : first + CHUNK_ACCOUNTS])


# -- promotion


def promote(connection: psycopg.Connection, database: Database, reprojection: str, position: int) -> bool:
    """Post a valuation's differences at the position of its promotion, within the ledger's own transaction.

    Whether that was done: if not, nothing is posted, and the ledger has to settle the accounts itself.
    """
    found = [v for v in stands(connection, database.book) if v.reprojection == reprojection]
    if not found:
        return False
    no = found[0].reprojection_no
    try:
        with connection.transaction():
            connection.execute(sql.SQL("SET LOCAL lock_timeout = {}").format(sql.Literal(PROMOTION_WAIT)))
            posted = _posted_in_bulk(connection, database, no, position)
            connection.execute("SET LOCAL lock_timeout TO DEFAULT")
    except Exception as error:
        starved = isinstance(error, psycopg.Error) and (error.sqlstate or "").startswith(STARVED)
        if connection.closed or connection.broken or starved:  # the ledger could not settle the accounts either
            raise
        posted, became = False, f"{type(error).__name__}: {' '.join(str(error).split())}"
    else:
        became = "it was not brought up to the promotion"
    connection.execute(
        sql.SQL(
            "UPDATE {valuation} SET standing = false, reason = %s WHERE reprojection_no = "
            "(SELECT reprojection_no FROM {valuation} WHERE reprojection_no = %s FOR UPDATE SKIP LOCKED)"
        ).format(valuation=sql.Identifier(database.book, "valuation")),
        (f"{PROMOTED} {position}" if posted else f"{PROMOTED} {position} without it: {became}", no),
    )
    return posted


def _posted_in_bulk(connection: psycopg.Connection, database: Database, no: int, position: int) -> bool:
    keeper = Keeper(database, connection)
    for _ in range(PROMOTION_STEPS):
        if not keeper.advance(no, position - 1):
            break
    valuation = _held(connection, database.book, no)
    if valuation is None or not valuation.standing or not valuation.of_this_release or valuation.upto != position - 1:
        return False
    promote_rows(connection, database.book, no, position)
    return True


_ROWS = """
INSERT INTO {journal}
    (position, account_no, effective_on, kind, currency, leg, item_no, item_line, role, book, amount_minor)
SELECT %(position)s, account_no,
    (make_date(entry.month / 12, entry.month %% 12 + 1, 1) + interval '1 month' - interval '1 day')::date,
    entry.kind, entry.currency, entry.leg, entry.item_no, entry.item_line, entry.role, entry.book, entry.amount_minor
FROM {valued} AS valued, unnest(valued.month, valued.kind, valued.currency, valued.leg, valued.item_no,
    valued.item_line, valued.role, valued.book, valued.amount_minor)
    AS entry (month, kind, currency, leg, item_no, item_line, role, book, amount_minor)
"""
_SUMS = """
INSERT INTO {balance} AS old (book, currency, amount_minor)
SELECT entry.book, entry.currency, sum(entry.amount_minor)::bigint
FROM {valued} AS valued, unnest(valued.book, valued.currency, valued.amount_minor)
    AS entry (book, currency, amount_minor)
GROUP BY entry.book, entry.currency ORDER BY entry.book, entry.currency
ON CONFLICT (book, currency) DO UPDATE SET amount_minor = old.amount_minor + excluded.amount_minor
"""


def promote_rows(connection: psycopg.Connection, schema: str, no: int, position: int) -> None:
    """The journal's rows and the balances' sums of a valuation, as the ledger would post them at a position."""
    names = {"valued": table_of(no), "journal": "journal", "balance": "balance"}
    tables = {name: sql.Identifier(schema, table) for name, table in names.items()}
    for statement in (_ROWS, _SUMS):
        connection.execute(sql.SQL(statement).format(**tables), {"position": position})
