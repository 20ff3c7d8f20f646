"""What is to be published next, from PostgreSQL alone: events of the log, then entries of the journal, batch by batch.

Two orders, each published in its own: the log by position, the journal by the fields of an entry's id. An entry never
comes before its event. How the batches are cut changes nothing of what is published; memory depends on neither the
log's length nor the size of a posting.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from itertools import islice
from typing import Any, LiteralString, NamedTuple, Self, TypeVar

import orjson
import psycopg
from psycopg import sql

import domain.house  # noqa: F401  (all aggregates, so that every topic of an event is known)
from adapters.database import Database, DatabaseUnavailable
from projections import facts, ledger
from projections.ledger import BOOKS_PER_PARTY, JOURNAL, KIND_NAMES, EntryId
from projections.published.entries import LedgerEntry
from projections.published.messages import Cause, Message, Place, entry_message, stored_message
from projections.published.reached import Reached
from projections.published.topics import Topic

BATCH_BYTES = 4 * 1024 * 1024
"""A batch takes no further event once it holds this many bytes as stored; one event may have hundreds of KB."""
REMEMBERED = 20_000
"""How many names and how many causes of entries are remembered."""
LOOKED_UP = 50
"""How many causes are read at once: each is a whole event."""
LAST = 2**63 - 1

Key = TypeVar("Key")
Value = TypeVar("Value")


class OtherLog(Exception):
    """The log is not the one that was published from: an older copy of it, or another one. One sentence."""


class Unpublishable(Exception):
    """What stands at a position cannot be made a message. Nothing after it is published until that is mended."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(f"position {position} cannot be published: {reason}")
        self.position, self.reason = position, reason


class Batch(NamedTuple):
    """What to publish in one transaction, and how far the topics are then. There may be nothing in it, and it still
    reaches further: not every event is published, nor has every one entries.
    """

    messages: list[Message]
    reached: Reached


class Ends(NamedTuple):
    """How far there is something to publish."""

    position: int
    """The log's head."""
    ledger_position: int


class Outgoing:
    """Reads as the relay's role, on one connection; after DatabaseUnavailable another one is to be made.

    ``topic``: only what goes there. ``upto``: nothing after this position. ``replay``: the name that messages of a
    replay are marked with.
    """

    def __init__(
        self, database: Database, *, topic: Topic | None = None, upto: int = LAST, replay: str | None = None
    ) -> None:
        """Raises DatabaseUnavailable, InitNeeded."""
        self.database, self.topic, self.upto, self.replay = database, topic, upto, replay
        self.connection = database.connect("relay", autocommit=True)
        self._names: dict[int, str] = {}
        self._causes: dict[int, Cause] = {}

    def close(self) -> None:
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def after(self, reached: Reached, limit: int) -> Batch:
        """Up to ``limit`` positions of the log, then up to ``limit`` entries of positions not after them.

        What comes before something unpublishable is given first. Raises Unpublishable, DatabaseUnavailable.
        """
        messages: list[Message] = []
        poison: Unpublishable | None = None
        further = reached
        with self.database.faults_explained():
            try:
                further = self._events(reached, limit, messages)
            except Unpublishable as stopped:
                poison = stopped
            try:
                further = self._entries(further, limit, messages)
            except Unpublishable as stopped:
                poison = poison or stopped
        if poison is not None and further == reached:
            raise poison
        return Batch(messages, further)

    def check(self, reached: Reached) -> None:
        """Nothing, if the log goes on from there. Raises OtherLog, DatabaseUnavailable."""
        if reached.recorded_at is None:
            return
        where = f"the log of {self.database.house} at {self.database.where}"
        with self.database.faults_explained():
            row = self._one(_RECORDED_AT, {"position": reached.position})
            (head,) = self._one(_HEAD, {}) or (0,)
        if row is None:
            raise OtherLog(
                f"{where} ends at position {head}, and {reached.position} was published already: it is an older copy; "
                f"{_RESTORE}"
            )
        if row[0] != reached.recorded_at:
            raise OtherLog(
                f"{where} has another event at position {reached.position} than was published: recorded at "
                f"{row[0].isoformat()}, not at {reached.recorded_at.isoformat()}; {_RESTORE}"
            )

    def ends(self) -> Ends:
        """How far there is something to publish. Raises DatabaseUnavailable."""
        with self.database.faults_explained():
            (head,) = self._one(_HEAD, {}) or (0,)
            try:
                row = self._one(_OWN, {})
            except psycopg.errors.UndefinedTable:
                row = None
        own = row[0] if row else 0
        return Ends(min(head, self.upto), min(own, self.upto))

    # -- the log

    def _events(self, reached: Reached, limit: int, to: list[Message]) -> Reached:
        """Adds the messages of the next events; how far they reach. Raises Unpublishable for the first one."""
        if self.topic == LedgerEntry.topic:
            return reached
        values = {"after": reached.position, "upto": self.upto, "limit": limit, "bytes": BATCH_BYTES}
        begun = reached
        for position, stream, version, name, stored, recorded_at in self._all(_EVENTS, values):
            try:
                message = self._event(name, Place(stream, version, position, recorded_at), stored)
            except Exception as error:
                if reached is begun:
                    raise Unpublishable(position, _reason(error)) from error
                break
            if message is not None and self.topic in (None, message.topic):
                to.append(message)
            reached = reached._replace(position=position, recorded_at=recorded_at)
        return reached

    def _event(self, name: str, place: Place, stored: bytes) -> Message | None:
        state = orjson.loads(stored)
        message = stored_message(self.database.house, name, place, state, encode, self.replay)
        cause = Cause(f"{place.stream_id}@{place.stream_version}", place.recorded_at, state["correlation_id"])
        remember(self._causes, ((place.position, cause),))
        return message

    # -- the journal

    def _entries(self, reached: Reached, limit: int, to: list[Message]) -> Reached:
        """Adds the messages of the next entries; how far they reach. Raises Unpublishable for the first one."""
        if self.topic not in (None, LedgerEntry.topic):
            return reached
        upto = self.upto if self.topic == LedgerEntry.topic else reached.position
        own, rows = self._journal(reached, upto, limit)
        names, causes = self._names_in(rows), self._causes_of({row[0] for row in rows})
        last = None
        for row in rows:
            try:
                to.append(entry_message(self.database.house, row, names, causes[row[0]], encode, self.replay))
            except Exception as error:
                if last is None:
                    raise Unpublishable(row[0], _reason(error)) from error
                break
            last = row
        if last is not None and (len(rows) == limit or last is not rows[-1]):
            return _within(reached, last)
        settled = max(reached.ledger_position, min(own, upto))
        if settled > reached.ledger_position:
            reached = reached._replace(ledger_position=settled, entry=None)
        return reached

    def _journal(self, reached: Reached, upto: int, limit: int) -> tuple[int, list[tuple[Any, ...]]]:
        """The ledger's own position, and the next rows of its journal up to that; 0 where there is no ledger yet.

        One statement, and so one state of the tables: between two of them a rebuild may put others in their place.
        """
        entry = reached.entry or EntryId(reached.ledger_position + 1, -LAST - 1, _EARLIEST, -1, "", 0)
        try:
            found = self._all(_JOURNAL, {**entry._asdict(), "upto": upto, "limit": limit})
        except psycopg.errors.UndefinedTable:
            return 0, []
        if not found:
            return 0, []
        version, own = found[0][:2]
        if version != ledger.version:
            raise DatabaseUnavailable(
                f"the ledger of {self.database.house} at {self.database.where} is of version {version}, this release "
                f"publishes version {ledger.version}; run `trailbook rebuild ledger`",
                "the ledger's rebuild",
            )
        return own, [row[2:] for row in found if row[2] is not None]

    def _names_in(self, rows: Sequence[tuple[Any, ...]]) -> Mapping[int, str]:
        wanted = {row[1] for row in rows if row[3] not in KIND_NAMES} | {row[9] // BOOKS_PER_PARTY for row in rows}
        known = {no: self._names[no] for no in wanted if no in self._names}
        if missing := [no for no in wanted if no > 0 and no not in known]:
            found = self._all(_NAMES, {"numbers": missing})
            remember(self._names, found)
            known.update(found)
        return known

    def _causes_of(self, positions: Collection[int]) -> Mapping[int, Cause]:
        known = {position: self._causes[position] for position in positions if position in self._causes}
        missing = iter(sorted(set(positions) - known.keys()))
        while some := list(islice(missing, LOOKED_UP)):
            for position, stream, version, stored, recorded_at in self._all(_CAUSES, {"positions": some}):
                known[position] = Cause(f"{stream}@{version}", recorded_at, orjson.loads(stored)["correlation_id"])
        remember(self._causes, known.items())
        return known

    # -- asking

    def _all(self, statement: LiteralString, values: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        with self.connection.cursor(binary=True) as cursor:
            return cursor.execute(self._statement(statement), values, prepare=True).fetchall()

    def _one(self, statement: LiteralString, values: Mapping[str, Any]) -> tuple[Any, ...] | None:
        with self.connection.cursor(binary=True) as cursor:
            return cursor.execute(self._statement(statement), values, prepare=True).fetchone()

    def _statement(self, text: LiteralString) -> sql.Composed:
        house, book = self.database.house, self.database.book
        return sql.SQL(text).format(
            events=sql.Identifier(house, "house_events"),
            head=sql.Identifier(house, "log_head"),
            positions=sql.Identifier(book, "projection_position"),
            journal=sql.Identifier(book, JOURNAL.name),
            names=sql.Identifier(book, facts.NAMES.name),
            ledger=sql.Literal(ledger.name),
        )


def encode(value: Any) -> bytes:
    """The bytes that ``canonical`` gives, some ten times faster."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def remember(cache: dict[Key, Value], found: Iterable[tuple[Key, Value]]) -> None:
    """Add to a cache, and let go of the earlier half of what is in it before it grows too large."""
    for key, value in found:
        cache[key] = value
    if len(cache) > REMEMBERED:
        for key in list(islice(cache, len(cache) - REMEMBERED // 2)):
            del cache[key]


def _within(reached: Reached, row: Sequence[Any]) -> Reached:
    """Up to this row of the journal, whose position may have more of them."""
    entry = EntryId(*row[: len(EntryId._fields)])
    return reached._replace(ledger_position=max(reached.ledger_position, entry.position - 1), entry=entry)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


_RESTORE = (
    "restore the one that was published; if it is lost, delete all topics of the house, make them anew, and let "
    "consumers begin anew"
)
_EARLIEST = date.min

# Sizes are known without fetching what is stored apart; the first event comes however large it is.
_EVENTS: LiteralString = """
SELECT notification_id, originator_id, originator_version, topic, state, recorded_at
FROM (
    SELECT *, sum(octet_length(state)) OVER (ORDER BY notification_id ROWS UNBOUNDED PRECEDING)
        - octet_length(state) AS bytes_before
    FROM (
        SELECT * FROM {events} WHERE notification_id > %(after)s AND notification_id <= %(upto)s
        ORDER BY notification_id LIMIT %(limit)s
    ) AS next
) AS next
WHERE bytes_before < %(bytes)s ORDER BY notification_id
"""
# The index has the order of positions and accounts. By it the account is found first in whose posting the batch ends:
# no more is sorted than a batch and that account's posting, whatever the planner knows of the table's size.
_JOURNAL: LiteralString = """
SELECT own.version, own.position, entry.* FROM (
    SELECT version, position FROM {positions} WHERE name = {ledger}
) AS own CROSS JOIN LATERAL (
    (SELECT position, account_no FROM {journal}
     WHERE (position, account_no) >= (%(position)s, %(account_no)s)
     AND (position, account_no, effective_on, kind, currency, leg)
         > (%(position)s, %(account_no)s, %(effective_on)s, %(kind)s, %(currency)s, %(leg)s)
     ORDER BY position, account_no OFFSET %(limit)s LIMIT 1)
    UNION ALL SELECT 9223372036854775807, 9223372036854775807
    ORDER BY position LIMIT 1
) AS until LEFT JOIN LATERAL (
    SELECT position, account_no, effective_on, kind, currency, leg, item_no, item_line, role, book, amount_minor
    FROM {journal}
    WHERE (position, account_no) >= (%(position)s, %(account_no)s)
    AND (position, account_no) <= (until.position, until.account_no)
    AND (position, account_no, effective_on, kind, currency, leg)
        > (%(position)s, %(account_no)s, %(effective_on)s, %(kind)s, %(currency)s, %(leg)s)
    AND position <= least(own.position, %(upto)s)
    ORDER BY position, account_no, effective_on, kind, currency, leg LIMIT %(limit)s
) AS entry ON true
ORDER BY entry.position, entry.account_no, entry.effective_on, entry.kind, entry.currency, entry.leg
"""
_NAMES: LiteralString = "SELECT no, name FROM {names} WHERE no = ANY(%(numbers)s)"
_CAUSES: LiteralString = """
SELECT notification_id, originator_id, originator_version, state, recorded_at
FROM {events} WHERE notification_id = ANY(%(positions)s)
"""
_RECORDED_AT: LiteralString = "SELECT recorded_at FROM {events} WHERE notification_id = %(position)s"
_HEAD: LiteralString = "SELECT position FROM {head}"
_OWN: LiteralString = "SELECT position FROM {positions} WHERE name = {ledger}"
