"""The database of a house: what ``init`` makes, what each role may do, and what is said when something is missing."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.database import Database, DatabaseUnavailable, HouseNameWrong, InitNeeded, Role
from adapters.log import PostgresLog
from tests.adapters.events import DIGEST, new_event
from tests.database import fresh_house


def forbidden(database: Database, role: Role, statement: str) -> bool:
    with database.connect(role) as connection:
        try:
            connection.execute(statement.format(house=database.house, book=database.book).encode())
        except psycopg.errors.InsufficientPrivilege:
            return True
        finally:
            connection.rollback()
    return False


# -- what the roles may do


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {house}.house_events SET topic = ''",
        "DELETE FROM {house}.house_events",
        "TRUNCATE {house}.house_events",
        "UPDATE {house}.command_log SET digest = ''",
        "DELETE FROM {house}.command_log",
        "TRUNCATE {house}.command_log",
        "INSERT INTO {house}.log_head VALUES (true, 0, now())",
        "DELETE FROM {house}.log_head",
        "TRUNCATE {house}.log_head",
        "TRUNCATE {house}.party",
        "LOCK TABLE {house}.house_events IN EXCLUSIVE MODE",
        "ALTER TABLE {house}.house_events DISABLE TRIGGER ALL",
        "DROP TABLE {house}.house_events",
        "CREATE TABLE {house}.other (id int)",
        "CREATE TABLE {book}.other (id int)",
    ],
)
def test_given_the_writer_when_it_would_change_the_past_then_the_database_forbids_it(
    database: Database, statement: str
) -> None:
    assert forbidden(database, "writer", statement)


@pytest.mark.parametrize("role", ["projector", "reader", "relay"])
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {house}.house_events VALUES ('a:b', 1, 't', '', 1, now())",
        "INSERT INTO {house}.command_log VALUES ('c', 'd', 0, 0, now())",
        "UPDATE {house}.log_head SET position = 0",
        "DELETE FROM {house}.party",
    ],
)
def test_given_a_reading_role_when_it_would_write_to_the_log_then_the_database_forbids_it(
    database: Database, role: Role, statement: str
) -> None:
    assert forbidden(database, role, statement)


@pytest.mark.parametrize("role", ["writer", "projector", "reader"])
def test_every_role_reads_the_log(log: PostgresLog, database: Database, role: Role) -> None:
    log.append([new_event("calendar:house", 1)], {}, "c-1", DIGEST)

    with PostgresLog(database, role) as reader:
        assert [event.position for event in reader.read(0, 10)] == [1]
        assert reader.result_of("c-1") == log.result_of("c-1")


def test_the_writer_keeps_parties_up_to_date(database: Database) -> None:
    with database.connect("writer") as connection:
        connection.execute(b"INSERT INTO %s.party (party_id, name) VALUES ('p:1', 'A')" % database.house.encode())
        connection.execute(b"UPDATE %s.party SET name = 'B'" % database.house.encode())
        connection.execute(b"DELETE FROM %s.party" % database.house.encode())


def test_the_projector_makes_and_drops_tables_that_reader_and_writer_may_read(database: Database) -> None:
    table = f"{database.book}.balances"
    with database.connect("projector") as connection:
        connection.execute(f"CREATE TABLE {table} (amount bigint)".encode())

    assert not forbidden(database, "reader", f"SELECT * FROM {table}")
    assert not forbidden(database, "writer", f"SELECT * FROM {table}")
    assert forbidden(database, "reader", f"DELETE FROM {table}")
    assert forbidden(database, "writer", f"DELETE FROM {table}")
    with database.connect("projector") as connection:
        connection.execute(f"DROP TABLE {table}".encode())


def test_a_connection_is_its_role_from_the_start_and_stays_it_after_a_reset(database: Database) -> None:
    with database.connect("reader", autocommit=True) as connection:
        connection.execute("RESET ALL")
        row = connection.execute("SELECT current_user, current_setting('timezone')").fetchone()

    assert row == (f"{database.house}_reader", "UTC")


def test_options_of_the_given_url_are_kept(database: Database) -> None:
    url = make_conninfo(database.url, options="-c work_mem=7MB")

    with Database(url, database.house).connect("writer") as connection:
        assert connection.execute("SELECT current_setting('work_mem'), current_user").fetchone() == (
            "7MB",
            f"{database.house}_writer",
        )


def test_either_side_notices_within_a_minute_that_the_other_has_vanished(database: Database) -> None:
    with database.connect("writer") as connection:
        here, there = connection.info.get_parameters(), asked_of_the_server(connection)
    assert (here["keepalives_idle"], here["keepalives_interval"], here["keepalives_count"]) == ("10", "5", "4")
    assert here["tcp_user_timeout"] == "60000"
    assert there == {
        "tcp_keepalives_count": "4",
        "tcp_keepalives_idle": "10",
        "tcp_keepalives_interval": "5",
        "tcp_user_timeout": "60000",
    }


def test_how_long_either_side_is_patient_with_the_other_may_be_stated_in_the_url(database: Database) -> None:
    url = make_conninfo(database.url, tcp_user_timeout=7_000, options="-c tcp_user_timeout=8000")

    with Database(url, database.house).connect("writer") as connection:
        assert connection.info.get_parameters()["tcp_user_timeout"] == "7000"
        assert asked_of_the_server(connection)["tcp_user_timeout"] == "8000"


def test_what_a_service_file_states_of_that_is_left_to_it() -> None:
    conninfo = conninfo_to_dict(Database("service=prod", "west").conninfo("writer"))
    assert conninfo.keys() == {"service", "options", "client_encoding", "application_name", "connect_timeout"}


def asked_of_the_server(connection: psycopg.Connection) -> dict[str, str]:
    """What it is to set for this connection, which it does where that is one of TCP."""
    statement = r"SELECT name, reset_val FROM pg_settings WHERE name LIKE 'tcp\_%'"
    return dict(connection.execute(statement).fetchall())


# -- init


def test_init_again_changes_nothing_that_is_there(log: PostgresLog, database: Database) -> None:
    log.append([new_event("calendar:house", 1)], {}, "c-1", DIGEST)
    before = log.read_raw(0, 10)

    database.init()

    assert log.read_raw(0, 10) == before
    assert (head := log.head()) is not None
    assert head.position == 1


def test_many_may_run_init_at_once(database: Database) -> None:
    database.drop()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: database.init(), range(4)))

    database.check("writer")


@pytest.fixture
def clerk(database_url: str) -> Iterator[str]:
    """The URL of a user who is no superuser, but may make roles, in a database of its own."""
    admin = psycopg.connect(database_url, autocommit=True)
    admin.execute("CREATE ROLE test_clerk LOGIN CREATEROLE PASSWORD 'clerk'")
    admin.execute("CREATE DATABASE test_clerk OWNER test_clerk")
    try:
        yield make_conninfo(database_url, user="test_clerk", password="clerk", dbname="test_clerk")
    finally:
        admin.execute("DROP DATABASE test_clerk WITH (FORCE)")
        admin.execute("DROP ROLE test_clerk")
        admin.close()


def test_an_ordinary_user_who_may_make_roles_and_schemas_is_enough_for_a_house(clerk: str) -> None:
    with fresh_house(clerk) as database, PostgresLog(database) as log:
        database.init()
        assert log.append([new_event("calendar:house", 1)], {}, "c-1", DIGEST).last_position == 1
        assert forbidden(database, "writer", "DELETE FROM {house}.house_events")
        with database.connect("projector") as connection:
            connection.execute(f"CREATE TABLE {database.book}.t (id int)".encode())


def test_given_a_user_without_privileges_then_init_says_which(clerk: str) -> None:
    with psycopg.connect(clerk, autocommit=True) as connection:
        connection.execute("CREATE ROLE test_guest LOGIN PASSWORD 'guest'")
        try:
            guest = Database(make_conninfo(clerk, user="test_guest", password="guest"), "test_guest_house")
            with pytest.raises(DatabaseUnavailable, match=r"test_guest lacks a privilege .* CREATEROLE"):
                guest.init()
        finally:
            connection.execute("DROP ROLE test_guest")


# -- what is said when something is missing


@pytest.mark.parametrize("role", ["owner", "writer", "reader"])
def test_given_a_server_without_the_house_then_init_is_asked_for(database_url: str, role: Role) -> None:
    with pytest.raises(InitNeeded, match="trailbook init"):
        Database(database_url, "test_nowhere").check(role)


def test_given_a_user_who_is_not_granted_the_role_then_that_is_said(database: Database, clerk: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=f"test_clerk may not act as {database.house}_writer"):
        Database(clerk, database.house).check("writer")


def test_given_no_server_then_one_sentence_names_the_place_and_hides_the_password() -> None:
    database = Database("postgresql://ann:secret@127.0.0.1:1/books", "west")

    for attempt in (database.init, lambda: database.check("writer")):
        with pytest.raises(DatabaseUnavailable, match=r"127\.0\.0\.1:1/books") as unavailable:
            attempt()
        assert "secret" not in str(unavailable.value)
        assert "\n" not in str(unavailable.value)


def test_given_a_wrong_user_then_one_sentence_gives_the_servers_reason(database_url: str) -> None:
    url = make_conninfo(database_url, user="test_nobody", password="wrong")

    with pytest.raises(DatabaseUnavailable, match="test_nobody"):
        Database(url, "west").check("writer")


def test_a_house_cannot_have_the_name_of_something_else() -> None:
    for name in ("public", "West", "west; drop", "west_verify", ""):
        with pytest.raises(HouseNameWrong):
            Database("", name)
