"""The house's database: its roles and schemas, and connections that act as one of the roles.

Every house has a schema of its own with the log (owned by who ran ``init``, so that no role of the application can
change its shape), and three schemas for projections (owned by the projector). Whom a connection acts as is part of
its start-up options and never of a later ``SET``, which would leak to the next user of a pooled connection.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

Role = Literal["owner", "writer", "projector", "reader", "relay"]
ROLES: tuple[Role, ...] = tuple(role for role in get_args(Role) if role != "owner")
"""The roles that a house has; the owner is whoever connects.

The relay reads the log and the book, and keeps the lease that elects it: it cannot write what it publishes.
"""

HOUSE = re.compile(r"[a-z][a-z0-9_]{0,30}")
OLDEST_SERVER = 16
CONNECT_SECONDS = 10
VANISHED_SECONDS = 60
"""After which a host that answers nothing any more counts as gone. Linux alone would take a quarter of an hour while
something is on the way to it, and two hours else; so long a client that vanished would keep its locks, too. A server
that takes nothing in for so long, as in a COPY to a disk that stands still, counts as gone as well.
"""
GUARD_BROKEN = "23T01"
"""Our own SQLSTATE, in the class of integrity errors: a stream has moved since it was read."""


class DatabaseUnavailable(Exception):
    """The database cannot be used. The message is one sentence: where, why, and what to do if that is known.

    ``waits_for`` names what has to come back before it can be used again, in the same words at every attempt.
    """

    def __init__(self, sentence: str, waits_for: str = "the server") -> None:
        super().__init__(sentence)
        self.waits_for = waits_for


class InitNeeded(DatabaseUnavailable):
    """The server answers, but the house does not exist there yet."""


class NoSuchLogin(DatabaseUnavailable):
    """A role cannot be granted to somebody whom the server does not know."""


class HouseNameWrong(ValueError):
    """The name cannot be a house's."""


def checked_house(name: str) -> str:
    """The name, if it can be a house's. Raises HouseNameWrong."""
    if not HOUSE.fullmatch(name):
        raise HouseNameWrong(f"{name!r} is not a house's name; write a letter, then up to 30 of a-z, 0-9 and _")
    if name in ("public", "information_schema") or name.startswith("pg_"):
        raise HouseNameWrong(f"{name!r} belongs to PostgreSQL; choose another name")
    if name.endswith(("_book", "_book_next", "_verify")):
        raise HouseNameWrong(f"{name!r} ends like a schema of projections; choose another name")
    return name


@contextmanager
def explained(fault_of: Callable[[psycopg.Error], DatabaseUnavailable | None]) -> Iterator[None]:
    """Raises what an error means, if it means anything."""
    try:
        yield
    except psycopg.Error as error:
        fault = fault_of(error)
        if fault is None:
            raise
        raise fault from error


def conninfo_of(url: str, application_name: str, options: Iterable[str], *, reads_on: bool) -> str:
    """What to connect with. How soon either side takes the other for gone is ours to say where the URL does not.

    ``reads_on``: the client takes in what it asks for without doing anything long meanwhile, so that the server may
    take it for gone while something is on the way to it.
    """
    stated = conninfo_to_dict(url)
    idle, interval, count = VANISHED_SECONDS // 6, VANISHED_SECONDS // 12, 4
    here: dict[str, Any] = {
        "keepalives_idle": idle,
        "keepalives_interval": interval,
        "keepalives_count": count,
        "tcp_user_timeout": 1_000 * VANISHED_SECONDS,
    }
    there = [
        f"-c tcp_keepalives_idle={idle}",
        f"-c tcp_keepalives_interval={interval}",
        f"-c tcp_keepalives_count={count}",
        *([f"-c tcp_user_timeout={1_000 * VANISHED_SECONDS}"] if reads_on else []),
    ]
    ours = {
        "options": " ".join([*there, *filter(None, [str(stated.get("options") or "")]), *options]),
        "client_encoding": "UTF8",
        "application_name": application_name,
        "connect_timeout": CONNECT_SECONDS,
    }
    # what a service file says would give way to ours
    return make_conninfo("", **({} if "service" in stated else here) | stated | ours)


@dataclass(frozen=True, slots=True)
class Database:
    """One house on one PostgreSQL server."""

    url: str = field(repr=False)
    """A libpq URL or conninfo; its user owns the log, and acts as the roles of the house."""
    house: str

    def __post_init__(self) -> None:
        checked_house(self.house)

    @property
    def book(self) -> str:
        """The schema of the live projections."""
        return f"{self.house}_book"

    @property
    def book_next(self) -> str:
        """The schema of projections that grow beside the live ones, to take their place."""
        return f"{self.house}_book_next"

    @property
    def verify(self) -> str:
        """The schema of projections that are only built to be compared."""
        return f"{self.house}_verify"

    @property
    def channel(self) -> str:
        """The channel on which an append gives a hint."""
        return f"{self.house}_events"

    @property
    def ledger_channel(self) -> str:
        """The channel on which the live ledger gives a hint that it has moved."""
        return f"{self.house}_ledger"

    def role_name(self, role: Role) -> str:
        return f"{self.house}_{role}"

    def conninfo(self, role: Role) -> str:
        """What to connect with to act as the role. Holds the password, if there is one: never to be shown."""
        options = list(_OPTIONS)
        if role != "owner":
            options.append(f"-c role={self.role_name(role)}")
        if role in ("writer", "relay"):
            options += _BY_INDEX
        return conninfo_of(self.url, f"trailbook {self.house} {role}", options, reads_on=True)

    def connect(self, role: Role, *, autocommit: bool = False) -> psycopg.Connection:
        """A connection that acts as the role. Raises DatabaseUnavailable, InitNeeded."""
        try:
            return psycopg.connect(self.conninfo(role), autocommit=autocommit)
        except psycopg.OperationalError as error:
            raise self._why(role, error) from error

    def check(self, role: Role) -> None:
        """Nothing, if the role can read the house's log. Raises DatabaseUnavailable, InitNeeded."""
        with self.connect(role, autocommit=True) as connection:
            try:
                row = connection.execute("SELECT to_regclass(%s)", (f"{self.house}.log_head",)).fetchone()
            except psycopg.errors.InsufficientPrivilege as error:
                raise self._forbidden(error) from error
        if row is None or row[0] is None:
            raise self._init_needed()

    def init(self) -> None:
        """Create what is missing of the house: roles, schemas, the log. Changes nothing that is there.

        Raises DatabaseUnavailable, also when the connecting user lacks a privilege.
        """
        with self.connect("owner") as connection:
            if connection.info.server_version < OLDEST_SERVER * 10_000:
                raise DatabaseUnavailable(f"{self.where} is older than PostgreSQL {OLDEST_SERVER}; use a newer server")
            try:
                # one lock for all houses: they share the catalogue's rows of roles and of the database
                connection.execute("SELECT pg_advisory_xact_lock(hashtext('trailbook init'))")
                for statements in (_ROLES, _LOG, _APPEND, _APPEND_STAGED, _GRANTS, _BOOKS):
                    connection.execute(self._formatted(statements))
            except psycopg.errors.InsufficientPrivilege as error:
                raise self._forbidden(error) from error

    def let_act(self, login: str, role: Role) -> None:
        """Let a login of the server act as the role; safe to repeat. What it inherits is nothing: it has to choose.

        Raises DatabaseUnavailable, NoSuchLogin.
        """
        grant = sql.SQL("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE")
        with self.connect("owner") as connection:
            try:
                connection.execute(grant.format(sql.Identifier(self.role_name(role)), sql.Identifier(login)))
            except psycopg.errors.UndefinedObject as error:
                raise NoSuchLogin(
                    f"there is no login {login} at {self.where}; make it with CREATE ROLE … LOGIN, then try again"
                ) from error
            except psycopg.errors.InsufficientPrivilege as error:
                raise self._forbidden(error) from error

    @contextmanager
    def alone(self, doing: str, wait: str, running: Exception) -> Iterator[None]:
        """Let nobody else in the house do the same meanwhile. Raises ``running`` where somebody does for so long."""
        with self.connect("projector", autocommit=True) as connection:
            # one that was killed holds its place for the moment in which the server has not noticed
            connection.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(wait)))
            try:
                connection.execute("SELECT pg_advisory_lock(hashtext(%s))", (f"{self.house} {doing}",))
            except psycopg.errors.LockNotAvailable:
                raise running from None
            yield

    def drop(self) -> None:
        """Remove the house with all its events: for tests only."""
        with self.connect("owner") as connection:
            connection.execute("SELECT pg_advisory_xact_lock(hashtext('trailbook init'))")
            connection.execute(self._formatted(_DROP))

    def fault(self, error: psycopg.Error) -> DatabaseUnavailable | None:
        """What befell the server or the way to it; None where the fault is in what was asked of it."""
        state = error.sqlstate or ""
        if not state:
            lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
            return _unreachable(f"{self.where} cannot be reached", error) if lost else None
        for states, waits_for, advice in _PASSING_FAULTS:
            if state.startswith(states):
                return DatabaseUnavailable(f"{self.where} says: {error.diag.message_primary}; {advice}", waits_for)
        return None

    def faults_explained(self) -> AbstractContextManager[None]:
        """Raises DatabaseUnavailable for what befell the server or the way to it."""
        return explained(self.fault)

    @property
    def where(self) -> str:
        """The server and the database, without the password."""
        info = conninfo_to_dict(self.url)
        port = f":{info['port']}" if info.get("port") else ""
        return f"{info.get('host') or 'localhost'}{port}/{info.get('dbname') or info.get('user') or ''}"

    def _formatted(self, statements: str) -> sql.Composed:
        return sql.SQL(statements).format(
            house=sql.Identifier(self.house),
            book=sql.Identifier(self.book),
            book_next=sql.Identifier(self.book_next),
            verify=sql.Identifier(self.verify),
            writer=sql.Identifier(self.role_name("writer")),
            projector=sql.Identifier(self.role_name("projector")),
            reader=sql.Identifier(self.role_name("reader")),
            relay=sql.Identifier(self.role_name("relay")),
            roles=sql.Literal([self.role_name(role) for role in ROLES]),
            channel=sql.Literal(self.channel),
            guard_broken=sql.Literal(GUARD_BROKEN),
        )

    def _why(self, role: Role, error: psycopg.OperationalError) -> DatabaseUnavailable:
        """libpq gives no SQLSTATE for a connection that fails, so ask the server, as owner, what is missing."""
        unreachable = _unreachable(f"cannot connect to {self.where}", error)
        if role == "owner":
            return unreachable
        with self.connect("owner", autocommit=True) as connection:
            name = self.role_name(role)
            row = connection.execute(
                "SELECT pg_has_role(rolname, 'SET'), current_user FROM pg_roles WHERE rolname = %s", (name,)
            ).fetchone()
        if row is None:
            return self._init_needed()
        if not row[0]:
            return DatabaseUnavailable(
                f"user {row[1]} may not act as {name}; whoever owns the house runs "
                f"`trailbook init --login {role}={row[1]}`, if that is meant"
            )
        return unreachable

    def _init_needed(self) -> InitNeeded:
        return InitNeeded(
            f"the house {self.house} does not exist at {self.where}, or is not as this release makes it; "
            "run `trailbook init`"
        )

    def _forbidden(self, error: psycopg.Error) -> DatabaseUnavailable:
        user = conninfo_to_dict(self.url).get("user") or "the connecting user"
        return DatabaseUnavailable(
            f"{user} lacks a privilege at {self.where}: {error.diag.message_primary}; "
            "init needs CREATEROLE and CREATE on the database"
        )


def _unreachable(sentence: str, error: Exception) -> DatabaseUnavailable:
    reason = " ".join(str(error).split())
    if NO_ROOM in reason:
        return DatabaseUnavailable(f"{sentence}: {reason}; {_DISK_FULL}", ROOM)
    return DatabaseUnavailable(f"{sentence}: {reason}")


NO_ROOM = "No space left on device"
"""What a server says that cannot even let anybody in; it gives no SQLSTATE then."""
ROOM = "room on its disk"
_DISK_FULL = "its disk is full: make room there, then try again; nothing recorded is lost"
_PASSING_FAULTS = (
    ("53100", ROOM, _DISK_FULL),
    ("53200", "memory", "it is out of memory: give it more, then try again; nothing recorded is lost"),
    ("53300", "a free connection", "it has no connection left: close some or raise max_connections, then try again"),
    ("53", "its resources", "raise what is limited there, then try again; nothing recorded is lost"),
    ("57014", "a statement that is not cancelled", "raise statement_timeout if that was it, then try again"),
    ("57", "the server", "try again when it is up"),
    ("58", "its disk", "it cannot use its files: mend its disk, then try again"),
    ("25006", "a server that takes writes", "it is a copy that only reads: wait for its promotion or name another"),
    (("08", "25P", "40", "55P03"), "the server", "try again"),
)
"""By the beginning of the SQLSTATE: what befalls any statement, whatever it says; what to wait for, and what to do."""

_OPTIONS = (
    "-c timezone=UTC",
    # the append reads after it has waited for its lock, which only this level lets it do
    r"-c default_transaction_isolation=read\ committed",
)
_BY_INDEX = (
    # writer and relay only ever look up by index; a plan made while the log was small must not stay with a full scan
    "-c enable_seqscan=off",
    "-c jit=off",
)

_ROLES = """
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY {roles}::text[] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            BEGIN
                EXECUTE format('CREATE ROLE %I NOLOGIN', role_name);
            EXCEPTION WHEN duplicate_object OR unique_violation THEN
                NULL;  -- roles belong to all databases of a server; another one was first
            END;
        END IF;
        IF NOT pg_has_role(role_name, 'SET') THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
        END IF;
    END LOOP;
END $$
"""

_LOG = """
CREATE SCHEMA IF NOT EXISTS {house};

CREATE TABLE IF NOT EXISTS {house}.house_events (
    originator_id text NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    notification_id bigint NOT NULL CONSTRAINT house_events_position PRIMARY KEY CHECK (notification_id > 0),
    recorded_at timestamptz NOT NULL,
    CONSTRAINT house_events_stream_version UNIQUE (originator_id, originator_version)
);

CREATE TABLE IF NOT EXISTS {house}.log_head (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    position bigint NOT NULL CHECK (position >= 0),
    recorded_at timestamptz NOT NULL
) WITH (fillfactor = 10);
INSERT INTO {house}.log_head (position, recorded_at) VALUES (0, 'epoch') ON CONFLICT DO NOTHING;

CREATE TABLE IF NOT EXISTS {house}.command_log (
    command_id text CONSTRAINT command_log_command_id PRIMARY KEY,
    digest text NOT NULL,
    first_position bigint NOT NULL,
    last_position bigint NOT NULL,
    recorded_at timestamptz NOT NULL
);

CREATE TABLE IF NOT EXISTS {house}.party (
    party_id text PRIMARY KEY,
    name text NOT NULL,
    contacts jsonb NOT NULL DEFAULT '{{}}',
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE IF NOT EXISTS {house}.relay_lease (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    epoch bigint NOT NULL CHECK (epoch >= 0),
    holder text NOT NULL,
    expires_at timestamptz NOT NULL
) WITH (fillfactor = 10);
INSERT INTO {house}.relay_lease (epoch, holder, expires_at) VALUES (0, '', 'epoch') ON CONFLICT DO NOTHING;
"""


def _append_function(arguments: str, count: str, source: str) -> str:
    """The function that appends, for one source of the events.

    The head's row is the lock, the position and the clock. What comes after it reads what earlier appends left,
    because in a VOLATILE function each statement has its own snapshot; and any error takes the position back.
    """
    return f"""
CREATE OR REPLACE FUNCTION {arguments},
    guard_streams text[], guard_versions bigint[], given_id text, given_digest text,
    OUT lowest bigint, OUT highest bigint, OUT clock timestamptz
) LANGUAGE plpgsql VOLATILE SECURITY INVOKER AS $$
DECLARE
    taken bigint := {count};
    moved text;
BEGIN
    UPDATE {{house}}.log_head AS head
    SET position = head.position + taken,
        recorded_at = CASE WHEN taken = 0 THEN head.recorded_at ELSE
            greatest(clock_timestamp(), head.recorded_at + interval '1 microsecond') END
    WHERE head.id
    RETURNING head.position, head.recorded_at INTO STRICT highest, clock;
    lowest := highest - taken + 1;
    IF taken = 0 THEN
        lowest := 0;
        highest := 0;
    END IF;

    IF given_id IS NOT NULL THEN
        INSERT INTO {{house}}.command_log
        VALUES (given_id, given_digest, lowest, highest, greatest(clock_timestamp(), clock));
    END IF;

    SELECT guard.stream INTO moved
    FROM unnest(guard_streams, guard_versions) AS guard (stream, version)
    WHERE guard.version <> coalesce(
        (SELECT max(originator_version) FROM {{house}}.house_events WHERE originator_id = guard.stream), 0)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = {{guard_broken}}, MESSAGE = format('stream %s has moved', moved);
    END IF;

    IF taken > 0 THEN
        INSERT INTO {{house}}.house_events
        SELECT new.stream, new.version, new.topic, new.state, lowest - 1 + new.place, clock
        FROM {source} AS new (stream, version, topic, state, place)
        ORDER BY new.place;
        PERFORM pg_notify({{channel}}, '');
    END IF;
END $$
"""  # noqa: S608  (only this module's own text)


_APPEND = _append_function(
    "{house}.append(streams text[], versions bigint[], topics text[], states bytea[]",
    count="cardinality(streams)",
    source="unnest(streams, versions, topics, states) WITH ORDINALITY",
)

# Many bytes are copied to the session's own table first, so that the head is held only while they move into the log.
STAGE = """
CREATE TEMPORARY TABLE staged_events (
    stream text NOT NULL, version bigint NOT NULL, topic text NOT NULL, state bytea NOT NULL, place bigint NOT NULL
) ON COMMIT DROP
"""
_APPEND_STAGED = _append_function(
    "{house}.append_staged(staged bigint",
    count="staged",
    source="pg_temp.staged_events",
)

_GRANTS = """
DO $$ BEGIN
    EXECUTE format('GRANT TEMPORARY ON DATABASE %I TO {writer}', current_database());
END $$;
GRANT USAGE ON SCHEMA {house} TO {writer}, {projector}, {reader}, {relay};
GRANT SELECT ON {house}.house_events, {house}.command_log, {house}.log_head TO {writer}, {projector}, {reader};
GRANT INSERT ON {house}.house_events, {house}.command_log TO {writer};
GRANT UPDATE ON {house}.log_head TO {writer};
GRANT SELECT, INSERT, UPDATE, DELETE ON {house}.party TO {writer};
GRANT SELECT ON {house}.party TO {reader};
GRANT SELECT ON {house}.house_events, {house}.log_head TO {relay};
GRANT SELECT, UPDATE ON {house}.relay_lease TO {relay};
"""

# As the projector, so that it owns the schemas and that its tables there are readable from their first moment.
_BOOKS = """
CREATE SCHEMA IF NOT EXISTS {book} AUTHORIZATION {projector};
CREATE SCHEMA IF NOT EXISTS {book_next} AUTHORIZATION {projector};
CREATE SCHEMA IF NOT EXISTS {verify} AUTHORIZATION {projector};
SET LOCAL ROLE {projector};
GRANT USAGE ON SCHEMA {book}, {book_next}, {verify} TO {writer}, {reader};
ALTER DEFAULT PRIVILEGES IN SCHEMA {book}, {book_next}, {verify} GRANT SELECT ON TABLES TO {writer}, {reader};
GRANT USAGE ON SCHEMA {book} TO {relay};
ALTER DEFAULT PRIVILEGES IN SCHEMA {book}, {book_next} GRANT SELECT ON TABLES TO {relay};
GRANT SELECT ON ALL TABLES IN SCHEMA {book} TO {relay};
SET LOCAL ROLE NONE;
"""

_DROP = """
DROP SCHEMA IF EXISTS {house}, {book}, {book_next}, {verify} CASCADE;
DO $$
DECLARE
    role_name text;
BEGIN
    FOREACH role_name IN ARRAY {roles}::text[] LOOP
        IF EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
            EXECUTE format('DROP OWNED BY %I', role_name);
            EXECUTE format('DROP ROLE %I', role_name);
        END IF;
    END LOOP;
END $$
"""
