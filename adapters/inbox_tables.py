"""What the inbox keeps in the consumer's own PostgreSQL: how far each partition is applied, and where it stopped.

A partition's row is its lock. Who applies messages locks it, finds there what it expects or gives up, and moves it on
in the transaction that holds the messages' effects: two processes cannot both apply the same message.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

import psycopg
from psycopg import sql

from adapters.database import Database, DatabaseUnavailable, conninfo_of, explained
from adapters.incoming import Repeats


class Overtaken(Exception):
    """Another process of the same consumer has moved the partition on: what is in hand here is out of date."""


class Part(NamedTuple):
    """One partition of a topic. A replay of the topic is kept in the same rows: it brings the same messages."""

    topic: str
    partition: int


class Place(NamedTuple):
    """How far a partition is applied."""

    reading: str
    """The topic that the offset is of: the topic itself, or a replay of it."""
    next_offset: int
    position: int
    """The highest position seen, 0 at the beginning."""
    topic_id: str = ""
    """Kafka's own of that topic: one of the same name that was made anew has another, and its offsets mean nothing."""


class Stop(NamedTuple):
    """A message that cannot be applied."""

    topic: str
    partition: int
    offset: int
    ce_id: str | None
    because: str


class InboxTables:
    """The tables ``inbox_…`` of one consumer, over one connection, which its handlers use too."""

    def __init__(self, database_url: str, consumer: str, schema: str | None, stuck_seconds: int) -> None:
        self.consumer = consumer
        self._schema, self._stuck_seconds = schema, stuck_seconds
        # a process that was stopped in a transaction would keep its partitions from all others
        options = ["-c timezone=UTC", f"-c idle_in_transaction_session_timeout={stuck_seconds}s"]
        if schema:
            options.append(f"-c search_path={schema}")
        # a handler may take its time with rows that it reads
        self._conninfo = conninfo_of(database_url, f"inbox {consumer}", options, reads_on=False)
        self._database = Database(database_url, "inbox")  # knows what befalls a server
        self.connect()

    def connect(self) -> None:
        """A connection, unless there is a good one."""
        if not self._lost:
            return
        with self.faults_explained():
            self.connection = psycopg.connect(self._conninfo, autocommit=True)

    @property
    def _lost(self) -> bool:
        return not hasattr(self, "connection") or self.connection.closed

    def close(self) -> None:
        self.connection.close()

    def faults_explained(self) -> AbstractContextManager[None]:
        """Raises DatabaseUnavailable for what befell the server or the way to it."""
        return explained(self.fault)

    def create(self) -> None:
        """Create what is missing; nothing of what is there is changed."""
        with self.faults_explained(), self.connection.transaction():
            row = self.connection.execute("SELECT to_regclass('inbox_poison')").fetchone()
            if row and row[0] is None:
                self.connection.execute("SELECT pg_advisory_xact_lock(hashtext('inbox tables'))")
                if self._schema and not self._one("SELECT count(*) FROM pg_namespace WHERE nspname = %s", self._schema):
                    self.connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._schema)))
                self.connection.execute(_TABLES)

    def open(self, topic: str, partitions: int) -> int:
        """Make a row for each partition, the first time; how many there are."""
        with self.faults_explained():
            self.connection.execute(
                "INSERT INTO inbox_offsets (consumer, topic, partition) SELECT %(consumer)s, %(topic)s, "
                "generate_series(0, %(last)s) WHERE NOT EXISTS (SELECT FROM inbox_offsets "
                "WHERE consumer = %(consumer)s AND topic = %(topic)s) ON CONFLICT DO NOTHING",
                {"consumer": self.consumer, "topic": topic, "last": partitions - 1},
            )
            return self._one(
                "SELECT count(*) FROM inbox_offsets WHERE consumer = %s AND topic = %s", self.consumer, topic
            )

    def places(self, topics: Sequence[str]) -> dict[Part, Place]:
        with self.faults_explained():
            rows = self.connection.execute(
                "SELECT topic, partition, reading, next_offset, position, topic_id FROM inbox_offsets "
                "WHERE consumer = %s AND topic = ANY(%s)",
                (self.consumer, list(topics)),
            )
            return {Part(topic, partition): Place(*place) for topic, partition, *place in rows}

    def lock(self, part: Part, expected: Place) -> None:
        """Nobody else moves the partition on until the transaction ends. Raises Overtaken."""
        row = self.connection.execute(
            "SELECT reading, next_offset, position, topic_id FROM inbox_offsets "
            "WHERE consumer = %s AND topic = %s AND partition = %s FOR UPDATE",
            (self.consumer, *part),
        ).fetchone()
        if row is None or Place(*row) != expected:
            raise Overtaken

    def seen(self, part: Part, ids: Sequence[str]) -> set[str]:
        """Which of the ids have come before, at the highest position seen."""
        if not ids:
            return set()
        rows = self.connection.execute(
            "SELECT id FROM inbox_seen WHERE consumer = %s AND topic = %s AND partition = %s AND id = ANY(%s)",
            (self.consumer, *part, list(ids)),
        )
        return {ce_id for (ce_id,) in rows}

    def move(self, part: Part, to: Place, repeats: Repeats | None = None) -> None:
        """Say how far the partition is now; what it had stopped at, it has passed."""
        key = (self.consumer, *part)
        self.connection.execute(
            "UPDATE inbox_offsets SET reading = %s, next_offset = %s, position = %s, topic_id = %s, moved_at = now() "
            "WHERE consumer = %s AND topic = %s AND partition = %s",
            (*to, *key),
        )
        self.connection.execute("DELETE FROM inbox_poison WHERE consumer = %s AND topic = %s AND partition = %s", key)
        if repeats is None:
            return
        if repeats.moved:
            self.connection.execute("DELETE FROM inbox_seen WHERE consumer = %s AND topic = %s AND partition = %s", key)
        if repeats.new:
            self.connection.execute(
                "INSERT INTO inbox_seen (consumer, topic, partition, id) SELECT %s, %s, %s, unnest(%s::text[])",
                (*key, repeats.new),
            )

    def stop(self, part: Part, at: Place, stop: Stop) -> None:
        """Keep what the partition stopped at. Raises Overtaken."""
        with self.faults_explained(), self.connection.transaction():
            self.lock(part, at)
            self.connection.execute(
                'INSERT INTO inbox_poison AS was (consumer, topic, partition, reading, "offset", ce_id, because) '
                "VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (consumer, topic, partition) DO UPDATE SET "
                'reading = excluded.reading, "offset" = excluded."offset", ce_id = excluded.ce_id, '
                "because = excluded.because, last_at = now(), attempts = was.attempts + 1",
                (self.consumer, *part, stop.topic, stop.offset, stop.ce_id, stop.because),
            )

    def stops(self, topics: Sequence[str]) -> dict[Part, Stop]:
        with self.faults_explained():
            rows = self.connection.execute(
                'SELECT topic, partition, reading, "offset", ce_id, because FROM inbox_poison '
                "WHERE consumer = %s AND topic = ANY(%s)",
                (self.consumer, list(topics)),
            )
            return {
                Part(topic, partition): Stop(reading, partition, offset, ce_id, because)
                for topic, partition, reading, offset, ce_id, because in rows
            }

    def fault(self, error: psycopg.Error) -> DatabaseUnavailable | None:
        """What befell the server or the way to it; None where the fault is in what was asked of it."""
        if isinstance(error, psycopg.errors.IdleInTransactionSessionTimeout):
            return DatabaseUnavailable(
                f"{self._database.where} ended a transaction that stood still for more than {self._stuck_seconds} s, "
                "as in a handler that waits for something else; make it quicker, or give the inbox more stuck_seconds",
                "a transaction that does not stand still",
            )
        asked_wrongly = isinstance(error, psycopg.errors.InFailedSqlTransaction) or not (error.sqlstate or self._lost)
        return None if asked_wrongly else self._database.fault(error)

    def _one(self, statement: str, *values: object) -> int:
        row = self.connection.execute(statement, values).fetchone()
        return int(row[0]) if row else 0


_TABLES = """
CREATE TABLE IF NOT EXISTS inbox_offsets (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    reading text NOT NULL DEFAULT '',
    next_offset bigint NOT NULL DEFAULT 0,
    position bigint NOT NULL DEFAULT 0,
    topic_id text NOT NULL DEFAULT '',
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer, topic, partition)
);
COMMENT ON TABLE inbox_offsets IS 'how far each partition is applied; moves with the effects, in one transaction';
COMMENT ON COLUMN inbox_offsets.topic IS 'the live topic; its replays are kept here too';
COMMENT ON COLUMN inbox_offsets.reading IS 'the topic that next_offset is of: live or a replay; empty: none yet';
COMMENT ON COLUMN inbox_offsets.topic_id IS 'of that topic, by which one that was made anew is told apart';
COMMENT ON COLUMN inbox_offsets.next_offset IS 'of the record that is to be read next';
COMMENT ON COLUMN inbox_offsets.position IS 'the highest ce_position seen; what comes below it is a repeat';

CREATE TABLE IF NOT EXISTS inbox_seen (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    id text NOT NULL,
    PRIMARY KEY (consumer, topic, partition, id)
);
COMMENT ON TABLE inbox_seen IS 'ce_id of what has come at inbox_offsets.position, and at no other';

CREATE TABLE IF NOT EXISTS inbox_poison (
    consumer text NOT NULL,
    topic text NOT NULL,
    partition int NOT NULL,
    reading text NOT NULL,
    "offset" bigint NOT NULL,
    ce_id text,
    because text NOT NULL,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at timestamptz NOT NULL DEFAULT now(),
    attempts int NOT NULL DEFAULT 1,
    PRIMARY KEY (consumer, topic, partition)
);
COMMENT ON TABLE inbox_poison IS 'the message that a partition stopped at; gone once it is applied';
COMMENT ON COLUMN inbox_poison.reading IS 'the topic that the message stands in: the live one or a replay';
COMMENT ON COLUMN inbox_poison.attempts IS 'how often it was tried';
"""
