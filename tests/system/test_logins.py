"""The logins of ``deploy/compose.yml`` on a real server: each does its service's work, and nothing more."""

import os
from collections.abc import Iterator, Mapping
from itertools import count

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from adapters.database import ROLES, Database, DatabaseUnavailable, NoSuchLogin, Role
from services.house import House
from tests.broker import Kafka
from tests.database import fresh_house
from tests.deployment import granted
from tests.system.books import scenario, settings_of
from tests.system.program import Program

_numbers = count(1)

READS = {"read the log", "read the book"}
COMMANDS = {"append", "read commands", "name parties", "read names"}
MAY: Mapping[str, set[str]] = {
    "projectors": READS | {"read commands", "write the book"},
    "calendar": READS | COMMANDS | {"write the book"},
    "relay": READS | {"take the lease"},
    "desk": READS | COMMANDS | {"write the book"},
    "query": READS | {"read commands", "read names", "write the book"},
}
"""What each login may do, in any of its roles. To write the book is to bring it up to date, as every question does."""

ATTEMPTS: Mapping[str, tuple[str, ...]] = {
    "read the log": ("SELECT FROM {house}.house_events", "SELECT FROM {house}.log_head"),
    "read commands": ("SELECT FROM {house}.command_log",),
    "append": (
        "INSERT INTO {house}.house_events VALUES ('a:b', 1, 't', '', 999999, now())",
        "INSERT INTO {house}.command_log VALUES ('c', 'd', 0, 0, now())",
        "UPDATE {house}.log_head SET position = position",
    ),
    "read names": ("SELECT FROM {house}.party",),
    "name parties": (
        "INSERT INTO {house}.party (party_id, name) VALUES ('agent:a', 'A')",
        "UPDATE {house}.party SET name = 'B'",
        "DELETE FROM {house}.party",
    ),
    "read the book": ("SELECT FROM {book}.balance", "SELECT FROM {book}.journal"),
    "write the book": ("DELETE FROM {book}.balance", "CREATE TABLE {book}.other (id int)", "DROP TABLE {book}.balance"),
    "take the lease": ("UPDATE {house}.relay_lease SET holder = holder",),
    "change the past": (
        "UPDATE {house}.house_events SET topic = ''",
        "DELETE FROM {house}.house_events",
        "TRUNCATE {house}.house_events",
        "UPDATE {house}.command_log SET digest = ''",
        "DELETE FROM {house}.command_log",
        "DELETE FROM {house}.log_head",
        "DELETE FROM {house}.relay_lease",
    ),
    "alter the log": (
        "ALTER TABLE {house}.house_events DISABLE TRIGGER ALL",
        "ALTER TABLE {house}.house_events ADD COLUMN other int",
        "DROP TABLE {house}.house_events",
        "DROP FUNCTION {house}.append",
        "CREATE TABLE {house}.other (id int)",
        "CREATE SCHEMA test_other",
    ),
    "make others": ("CREATE ROLE test_other", "GRANT {writer} TO CURRENT_USER", "ALTER ROLE CURRENT_USER CREATEROLE"),
}


@pytest.fixture
def server(database_url: str) -> Iterator[str]:
    """A database that belongs to a login of its own, which may make roles and is no superuser, as in compose.yml."""
    name = f"test_owner_{os.getpid()}_{next(_numbers)}"
    admin = psycopg.connect(database_url, autocommit=True)
    owner = sql.Identifier(name)
    admin.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE PASSWORD 'owner'").format(owner))
    admin.execute(sql.SQL("CREATE DATABASE {0} OWNER {0}").format(owner))
    admin.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(owner))
    try:
        yield make_conninfo(database_url, user=name, password="owner", dbname=name)
    finally:
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(owner))
        admin.execute(sql.SQL("DROP ROLE {}").format(owner))
        admin.close()


@pytest.fixture
def logins(server: str, database_url: str) -> Iterator[dict[str, str]]:
    """A conninfo of each login: with a password, may connect, and has nothing else yet."""
    made = {login: f"test_{login}_{os.getpid()}_{next(_numbers)}" for login in granted()}
    with psycopg.connect(server, autocommit=True) as owner, psycopg.connect(database_url, autocommit=True) as admin:
        for name in made.values():
            login, where = sql.Identifier(name), sql.Identifier(owner.info.dbname)
            admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'login'").format(login))
            admin.execute(sql.SQL("GRANT CONNECT ON DATABASE {} TO {}").format(where, login))
        try:
            yield {login: make_conninfo(server, user=name, password="login") for login, name in made.items()}
        finally:
            for name in made.values():
                owner.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM {}").format(where, sql.Identifier(name)))
                admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


@pytest.fixture
def house(server: str, logins: dict[str, str]) -> Iterator[Database]:
    """A house made as compose.yml makes it."""
    with fresh_house(server) as database:
        made = program(database, database.url)
        made.fine("init", *init_options(logins))
        made.fine("init", *init_options(logins))  # as at each start
        yield database


def init_options(logins: Mapping[str, str]) -> list[str]:
    names = {login: psycopg.conninfo.conninfo_to_dict(conninfo)["user"] for login, conninfo in logins.items()}
    return [f"--login={role}={names[login]}" for login, roles in granted().items() for role in sorted(roles)]


def program(database: Database, url: str, **more: str) -> Program:
    ours = {"TRAILBOOK_DATABASE_URL": url, "TRAILBOOK_HOUSE": database.house, "TRAILBOOK_ACTOR": "test/ann"}
    return Program({**ours, **more})


# -- its own work


def test_each_login_does_the_work_of_its_service(house: Database, logins: dict[str, str], kafka: Kafka) -> None:
    with House(settings_of(house), house) as opened:
        for issued in scenario("S04"):
            opened.handle(issued)

    program(house, logins["projectors"]).run("run", "--once", "--only", "projections")
    query = program(house, logins["query"])
    assert {row["lag_events"] for row in query.fine("status", "--json").data["projections"]} == {0}
    before = query.fine("status", "--json").data["head"]["position"]

    assert program(house, logins["calendar"]).run("run", "--once", "--only", "calendar").code == 0
    program(house, logins["desk"]).fine("party", "name", "agent:harbor", "Harbor Telecom")
    program(house, logins["desk"]).fine("day", "open", "2098-01-01")
    assert query.fine("status", "--json").data["head"]["position"] > before
    assert query.fine("status", "--json").data["open_day"] == "2098-01-01"
    assert query.fine("ledger", "balances", "--json").data["balances"]
    assert query.fine("audit", "participant", "harbor", "--json").data
    assert query.fine("party", "list", "--json").data == {"agent:harbor": "Harbor Telecom"}

    broker = {"TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "TRAILBOOK_KAFKA_REPLICATION": "1"}
    program(house, "", **broker).fine("relay", "topics", "--create")  # without any login
    said = program(house, logins["relay"], **broker).run("relay", "run", "--once")
    assert (said.code, "Traceback" in said.err) == (0, False), said
    assert kafka.read(f"{house.house}.accounts")
    assert kafka.read(f"{house.house}.ledger-entries")


# -- and nothing more


def may(conninfo: str, database: Database) -> set[str]:
    """What the login may do, of all that anybody may, in every role that it gets and in none."""
    found: set[str] = set()
    there = Database(conninfo, database.house)
    for role in ("owner", *ROLES):
        try:
            connection = there.connect(role)
        except DatabaseUnavailable:
            continue
        with connection:
            found |= {
                what for what, statements in ATTEMPTS.items() if any(goes(connection, there, s) for s in statements)
            }
    return found


def goes(connection: psycopg.Connection, database: Database, statement: str) -> bool:
    names = {"house": database.house, "book": database.book, "writer": database.role_name("writer")}
    try:
        connection.execute(statement.format(**names).encode())
    except psycopg.errors.InsufficientPrivilege:
        return False
    finally:
        connection.rollback()
    return True


@pytest.mark.parametrize("login", sorted(MAY))
def test_a_login_may_do_its_work_and_nothing_more(house: Database, logins: dict[str, str], login: str) -> None:
    assert may(logins[login], house) == MAY[login]


def test_every_login_is_looked_at() -> None:
    assert set(MAY) == set(granted())


def test_the_owner_may_do_all_that_was_tried(house: Database) -> None:
    """Or an attempt might be refused to everybody, for instance because it names what is not there."""
    assert may(house.url, house) >= set(ATTEMPTS) - {"make others"}


def test_a_login_that_chooses_no_role_may_do_nothing(house: Database, logins: dict[str, str]) -> None:
    """It inherits nothing, so that a tool that somebody points at the database with its password sees nothing."""
    for login, conninfo in logins.items():
        with psycopg.connect(conninfo) as connection:
            there = Database(conninfo, house.house)
            assert not [s for statements in ATTEMPTS.values() for s in statements if goes(connection, there, s)], login


# -- what is said


@pytest.mark.parametrize(
    ("login", "arguments", "role"),
    [
        ("projectors", ("day", "open", "2098-01-01"), "writer"),
        ("query", ("day", "open", "2098-01-01"), "writer"),
        ("query", ("party", "name", "agent:harbor", "Harbor"), "writer"),
        ("relay", ("status",), "reader"),
        ("relay", ("run", "--once"), "writer"),
        ("query", ("relay", "run", "--once"), "relay"),
    ],
)
def test_a_role_that_a_login_lacks_is_named_with_what_would_grant_it(
    house: Database, logins: dict[str, str], login: str, arguments: tuple[str, ...], role: Role
) -> None:
    said = program(house, logins[login]).run(*arguments)

    name = psycopg.conninfo.conninfo_to_dict(logins[login])["user"]
    assert said.code == 1
    assert said.err.splitlines()[-1] == (
        f"user {name} may not act as {house.role_name(role)}; whoever owns the house runs "
        f"`trailbook init --login {role}={name}`, if that is meant"
    )


def test_a_login_that_does_not_exist_is_not_made(database: Database) -> None:
    with pytest.raises(NoSuchLogin, match="there is no login test_nobody at"):
        database.let_act("test_nobody", "reader")
    assert program(database, database.url).wrong(1, "init", "--login", "reader=test_nobody").startswith("there is no ")


@pytest.mark.parametrize("given", ["painter=ann", "reader", "reader=", "owner=ann"])
def test_a_login_that_is_not_written_as_role_and_name_is_wrong_usage(database: Database, given: str) -> None:
    sentence = program(database, database.url).wrong(2, "init", "--login", given)
    assert sentence.startswith(f"--login {given} is not a role and a login; write one of writer, ")
