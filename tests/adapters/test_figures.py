"""Figures: one reading at a time however many ask, and an answer also where the database gives none."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from adapters import figures
from adapters.database import Database
from adapters.figures import Latest, Watching, read_figures
from adapters.log import PostgresLog
from adapters.projectors import NAMES, Projectors
from adapters.rebuild import only_one, rebuild
from adapters.rebuild_progress import TABLE, Rebuilding, rebuilding, telling
from tests.system.test_run import onboard
from tests.system.under_load import record_a_book


class Source:
    """What is read: a number that counts the readings, when it is let through."""

    def __init__(self) -> None:
        self.readings = 0
        self.open = threading.Event()
        self.open.set()
        self.fault: Exception | None = None

    def __call__(self) -> int:
        self.readings += 1
        self.open.wait(60)
        if self.fault is not None:
            raise self.fault
        return self.readings


def test_given_many_who_ask_at_once_then_one_reading_answers_them_all() -> None:
    source = Source()
    latest = Latest(source)
    source.open.clear()
    with ThreadPoolExecutor(20) as threads:
        answers = [threads.submit(latest.get) for _ in range(20)]
        source.open.set()
        assert {answer.result() for answer in answers} == {(1, True)}
    assert latest.get() == (1, True)
    assert source.readings == 1


def test_given_a_second_that_has_passed_when_somebody_asks_then_it_is_read_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Source()
    latest = Latest(source)
    assert latest.get() == (1, True)
    monkeypatch.setattr(figures, "READ_EVERY_SECONDS", 0.0)
    assert latest.get() == (2, True)


def test_given_a_database_that_is_away_then_the_answer_is_what_was_known_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Source()
    latest = Latest(source)
    source.fault = psycopg.OperationalError("gone")
    assert latest.get() == (None, False)
    monkeypatch.setattr(figures, "READ_EVERY_SECONDS", 0.0)
    source.fault = None
    assert latest.get() == (2, True)
    source.fault = ConnectionError("gone")
    assert latest.get() == (2, False)
    source.fault = None
    assert latest.get() == (4, True)


def test_given_a_reading_that_hangs_then_who_asks_waits_a_little_once_and_the_next_ones_not_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Source()
    latest = Latest(source)
    assert latest.get() == (1, True)
    monkeypatch.setattr(figures, "READ_EVERY_SECONDS", 0.0)
    monkeypatch.setattr(figures, "PATIENCE_SECONDS", 0.2)
    source.open.clear()
    assert latest.get() == (1, False)
    began = time.monotonic()
    assert [latest.get() for _ in range(100)] == [(1, False)] * 100
    assert time.monotonic() - began < 0.2
    assert source.readings == 2
    source.open.set()


# -- what is read


def test_given_no_book_yet_then_there_is_a_head_and_no_projection(database: Database) -> None:
    with database.connect("reader", autocommit=True) as connection:
        found = read_figures(connection, database)
    assert (found.head, found.stands, found.rebuilding, found.valuings) == (0, [], None, [])


def test_given_events_that_are_not_projected_then_the_lag_is_their_number_and_the_age_of_the_oldest(
    database: Database, log: PostgresLog
) -> None:
    with Projectors(database) as projectors:
        onboard(database, "alder")
        projectors.catch_up()
        with database.connect("reader", autocommit=True) as connection:
            assert {(s.lag_events, s.lag_seconds) for s in read_figures(connection, database).stands} == {(0, 0.0)}
            end = onboard(database, "beech", "cedar")
            age_least = -time.monotonic()
            connection.execute("SELECT pg_sleep(0.3)")
            age_least += time.monotonic()
            found = read_figures(connection, database)
    assert found.head == end
    assert {stand.projection for stand in found.stands} == {*NAMES}
    assert {(stand.position, stand.lag_events) for stand in found.stands} == {(end - 2, 2)}
    assert all(age_least <= stand.lag_seconds < 60 for stand in found.stands)


def test_given_a_connection_that_broke_then_the_next_reading_makes_a_new_one(database: Database) -> None:
    watching = Watching(lambda: database, "reader")
    connection, _ = watching.connection()
    assert watching.connection()[0] is connection
    with database.connect("owner", autocommit=True) as owner:
        owner.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))
    with pytest.raises(psycopg.OperationalError):
        read_figures(connection, database)
    assert read_figures(*watching.connection()).head == 0


def test_given_nobody_knows_the_database_yet_then_there_are_no_figures() -> None:
    watching = Watching(lambda: None, "reader")
    assert Latest(lambda: read_figures(*watching.connection())).get() == (None, False)


# -- a rebuild in another process


def test_given_a_rebuild_then_others_see_how_far_it_is_until_it_ends(database: Database) -> None:
    seen: list[tuple[int, int]] = []
    with database.connect("reader", autocommit=True) as reader:
        with telling(database, "ledger", lambda done, total: seen.append((done, total))) as tell:
            report = tell.of("facts")
            report(200, 1_000)
            report(300, 1_000)  # too soon to be written
            report(1_000, 1_000)
            found = rebuilding(reader, database)
            assert found is not None
            assert found[:4] == ("ledger", "facts", 1_000, 1_000)
            tell.of("positions")(5, 9)
            later = rebuilding(reader, database)
            assert later is not None
            assert (later.unit, later.started_at) == ("positions", found.started_at)
        assert rebuilding(reader, database) is None
    assert seen == [(200, 1_000), (300, 1_000), (1_000, 1_000), (5, 9)]


def test_given_a_rebuild_then_it_tells_facts_while_it_posts_in_bulk_and_positions_after_that(
    database: Database, log: PostgresLog
) -> None:
    record_a_book(database)
    told: list[Rebuilding | None] = []
    with database.connect("reader", autocommit=True) as reader:
        with Projectors(database) as projectors:
            head = projectors.catch_up()
        for name in ("audit_trail", "ledger"):
            rebuild(database, name, 1, lambda done, total: told.append(rebuilding(reader, database)))
        assert rebuilding(reader, database) is None
    assert {(one.projection, one.unit) for one in told if one} == {("audit_trail", "positions"), ("ledger", "facts")}
    facts = [one for one in told if one and one.unit == "facts"]
    assert [one.reached for one in facts] == sorted(one.reached for one in facts)
    assert head > 0


def test_given_a_rebuild_that_was_killed_then_what_it_left_shows_as_none_even_while_another_is_verified(
    database: Database,
) -> None:
    """A row alone says nothing: its writer may be dead. Nor does the lock of all who build, which verify holds too."""
    with telling(database, "ledger", lambda done, total: None) as tell:
        backend = tell.connection.info.backend_pid
        with database.connect("owner", autocommit=True) as owner:
            owner.execute("SELECT pg_terminate_backend(%s, 10000)", (backend,))
        with database.connect("reader", autocommit=True) as reader, only_one(database):
            assert reader.execute("SELECT to_regclass(%s)", (f"{database.book_next}.{TABLE}",)).fetchone() != (None,)
            assert rebuilding(reader, database) is None
