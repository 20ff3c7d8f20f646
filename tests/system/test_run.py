"""``trailbook run``: the real process, until it is told to stop."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from psycopg import sql
from structlog.testing import capture_logs

import services.runner
from adapters.database import Database, DatabaseUnavailable
from adapters.embedded import leave, start
from adapters.log import PostgresLog
from adapters.projectors import FROM_LOG, Poison, Projectors, positions
from domain.calendar import OpenDay
from domain.customer import OnboardCustomer
from domain.ids import CALENDAR
from domain.message import Actor, Issued
from services.commands import Commands
from services.house import House
from services.runner import Runner, Stopped
from tests.own_server import eventually, own_server
from tests.system.books import settings_of
from tests.system.program import Program
from tests.system.test_projectors_under_fire import retopic
from tests.system.under_load import ENDS_WITHIN_SECONDS, environment, ledger_position, runner

ANN = Actor(subject="ann")


def reaches(database: Database, position: int) -> None:
    eventually(lambda: ledger_position(database) >= position, f"the ledger reaches {position}")


def onboard(database: Database, *customers: str) -> int:
    """Record something; the last position."""
    with PostgresLog(database) as log:
        commands = Commands(log)
        if commands.state(CALENDAR).open_day is None:
            commands.open_day(datetime.now(UTC).date(), ANN)
        return [
            commands.handle(Issued(f"c-{customer}", ANN, OnboardCustomer(customer=customer))).last_position
            for customer in customers
        ][-1]


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_the_runner_opens_today_projects_what_is_recorded_and_stops_when_told(
    database: Database, log: PostgresLog, signal_number: signal.Signals
) -> None:
    Projectors(database).close()
    with runner(database) as run:
        reaches(database, 1)  # the day that the runner opened
        assert Commands(log).state(CALENDAR).open_day == datetime.now(UTC).date()
        reaches(database, onboard(database, "alder-foods"))
        assert run.end(signal_number) < ENDS_WITHIN_SECONDS


def test_given_only_the_projections_then_no_day_is_opened_and_given_only_the_calendar_then_nothing_else_is_projected(
    database: Database, log: PostgresLog
) -> None:
    onboard(database, "alder-foods")
    before = log.head()
    Program(environment(database)).run("run", "--once", "--only", "projections")
    assert log.head() == before
    assert ledger_position(database) == 2

    Commands(log).handle(Issued("c-1", ANN, OnboardCustomer(customer="birch")))
    Program(environment(database)).run("run", "--once", "--only", "calendar")
    assert ledger_position(database) == 2


def test_the_calendar_and_the_projections_are_kept_by_two_processes(database: Database, log: PostgresLog) -> None:
    Projectors(database).close()
    with runner(database, "--only", "calendar") as calendar:
        eventually(lambda: Commands(log).state(CALENDAR).open_day is not None, "the day is opened")
        assert ledger_position(database) == 0
        with runner(database, "--only", "projections") as projections:
            reaches(database, onboard(database, "alder-foods"))
            assert not projections.told("day opened")
            assert projections.end() < ENDS_WITHIN_SECONDS
        assert calendar.end() < ENDS_WITHIN_SECONDS


def test_given_poison_in_the_agenda_then_what_keeps_the_calendar_leaves_it_alone_and_says_when_it_goes_on(
    database: Database, log: PostgresLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.runner, "POISON_SECONDS", 0.0)
    position = onboard(database, "alder-foods")
    was = retopic(database, position, "customer.unheard_of")
    runner = Runner(settings_of(database), batch=10, only="calendar")
    with capture_logs() as lines, House(settings_of(database), database) as house:
        runner._round(house)
        runner._round(house)
        retopic(database, position, was)
        runner._round(house)

    assert [line["event"] for line in lines] == ["projection stopped", "projection goes on"]


def test_the_runner_leaves_a_later_open_day_alone(database: Database, log: PostgresLog) -> None:
    Commands(log).handle(Issued("c-1", ANN, OpenDay(date=date(2099, 12, 31))))
    assert Program(environment(database)).run("run", "--once").code == 0
    head = log.head()
    assert head is not None
    assert head.position == 1
    reaches(database, 1)


# -- told to stop at an inconvenient moment


@contextmanager
def facts_held(database: Database) -> Iterator[None]:
    """Hold the lock that every step of the facts takes first."""
    with database.connect("projector") as connection:
        statement = sql.SQL("SELECT FROM {}.projection_position WHERE name = 'facts' FOR UPDATE")
        connection.execute(statement.format(sql.Identifier(database.book)))
        yield


def waits_for_a_lock(database: Database) -> bool:
    with database.connect("owner", autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'",
            (f"trailbook {database.house} projector",),
        ).fetchone()
    return row is not None and row[0] > 0


def test_given_a_step_that_takes_long_when_told_to_stop_then_the_runner_gives_the_step_up(database: Database) -> None:
    """It looked whether to stop only between two steps, which may take minutes."""
    Projectors(database).close()
    with runner(database) as run, facts_held(database):
        eventually(lambda: waits_for_a_lock(database), "a step is under way")
        assert run.end() < ENDS_WITHIN_SECONDS


def test_given_no_server_yet_then_the_runner_says_once_that_it_waits_and_begins_when_there_is_one() -> None:
    with own_server() as server:
        database = Database(server.url, "house")
        database.init()
        Projectors(database).close()
        server.stop()
        with runner(database) as run:
            eventually(lambda: bool(run.told("waiting")), "the runner waits")
            server.start()
            reaches(database, 1)
            eventually(lambda: bool(run.told("going on")), "the runner goes on")
            assert len(run.told("waiting")) == 1

            server.stop()
            eventually(lambda: len(run.told("waiting")) == 2, "the runner waits again")
            assert run.end() < ENDS_WITHIN_SECONDS


@pytest.mark.long
def test_given_an_embedded_server_that_died_then_the_runner_starts_it_again() -> None:
    """Nobody else would have: whoever came later joined the dead one."""
    folder = Path(tempfile.mkdtemp(prefix="trailbook-"))
    try:
        database = Database(start(folder), "trailbook")
        database.init()
        Projectors(database).close()
        embedded = {"TRAILBOOK_DATABASE_URL": "", "TRAILBOOK_HOUSE": "", "TRAILBOOK_DATA_DIR": str(folder)}
        with runner(database, **embedded) as run:
            reaches(database, 1)
            os.kill(int((folder / "postgres" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
            eventually(lambda: bool(run.told("going on")), "the runner goes on")
            assert len(run.told("waiting")) == 1
            reaches(database, onboard(database, "alder"))
            assert run.end() < ENDS_WITHIN_SECONDS
    finally:
        leave(folder)
        shutil.rmtree(folder, ignore_errors=True)


def test_given_poison_then_init_makes_the_house_ready_all_the_same(database: Database, log: PostgresLog) -> None:
    """It projected first, and so an event that one projection could not process kept everything from being started."""
    retopic(database, onboard(database, "alder-foods"), "customer.unheard_of")
    Program(environment(database)).fine("init")


def test_given_a_house_that_does_not_exist_then_the_runner_says_so_and_ends(database_url: str) -> None:
    said = Program({"TRAILBOOK_DATABASE_URL": database_url, "TRAILBOOK_HOUSE": "nowhere"}).run("run")
    assert said.code == 1
    assert said.err.splitlines()[-1].startswith("the house nowhere does not exist at ")


def test_given_faults_of_several_kinds_then_each_is_told_once_and_the_steps_are_small_until_it_goes_well(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    Projectors(database).close()
    faults = [
        DatabaseUnavailable("the disk is full", "room"),
        DatabaseUnavailable("it still is", "room"),
        MemoryError(),
    ]
    run = Runner(settings_of(database), 1_000)
    steps: list[int] = []

    def open_today(house: House) -> bool:
        steps.append(run._step)
        if len(steps) <= len(faults):
            raise faults[len(steps) - 1]
        if len(steps) == 8:
            raise Stopped
        return False

    monkeypatch.setattr(House, "open_today", open_today)
    monkeypatch.setattr(services.runner, "POLL_SECONDS", 0.01)
    with capture_logs() as told, pytest.raises(Stopped):
        run.always()

    assert steps == [1_000, 100, 10, 1, 2, 4, 8, 16]
    assert [(line["event"], line.get("waits_for") or line.get("waited_for")) for line in told] == [
        ("waiting", "room"),
        ("waiting", "memory"),
        ("going on", "memory"),
    ]


# -- what cannot be processed


@contextmanager
def forbidden(database: Database, customer: str) -> Iterator[None]:
    """No row about the customer may be added to the audit trail, until the end."""
    table = sql.Identifier(database.book, "audit_trail")
    with database.connect("projector", autocommit=True) as connection:
        check = sql.SQL("ALTER TABLE {} ADD CONSTRAINT forbidden CHECK (participant <> {})")
        connection.execute(check.format(table, sql.Literal(f"customer:{customer}")))
        yield
        connection.execute(sql.SQL("ALTER TABLE {} DROP CONSTRAINT forbidden").format(table))


def stands(database: Database, name: str) -> tuple[int, int | None]:
    with database.connect("reader") as connection:
        (row,) = (row for row in positions(connection, database.book) if row["name"] == name)
    return row["position"], row["poison_position"]


def test_given_a_view_that_stops_then_the_runner_says_so_once_and_goes_on_with_all_others(database: Database) -> None:
    Projectors(database).close()
    program = Program(environment(database))
    with forbidden(database, "beech"):
        poisoned_at = onboard(database, "alder", "beech")
        with runner(database) as run:
            reaches(database, onboard(database, "cedar"))
            eventually(lambda: bool(run.told("projection stopped")), "the runner says what stopped")
            reaches(database, onboard(database, "dogwood"))

            assert stands(database, "audit_trail") == (poisoned_at - 1, poisoned_at)
            said = program.run("status", "--json")
            assert (said.code, said.data["ok"]) == (1, False)
            assert run.end() < ENDS_WITHIN_SECONDS
            assert len(run.told("projection stopped")) == 1

    with runner(database) as run:  # as after an upgrade: the next process tries again
        end = onboard(database, "elm")
        eventually(lambda: stands(database, "audit_trail") == (end, None), "the view goes on")
        run.end()
    said = program.run("status", "--json")
    assert (said.code, said.data["ok"]) == (0, True)


def test_given_a_view_that_stopped_when_its_minute_is_over_then_it_is_tried_again(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    Projectors(database).close()
    run = Runner(settings_of(database), 1_000)
    with forbidden(database, "beech"):
        onboard(database, "beech")
        for _ in range(2):
            with capture_logs() as told, pytest.raises(Poison, match="projector audit_trail stopped at position 2"):
                run.once()
        assert not any(line["event"] == "projection stopped" for line in told), "it was told before"

    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + services.runner.POISON_SECONDS + 1)
    with capture_logs() as told:
        run.once()
    assert {"event": "projection goes on", "projection": "audit_trail", "log_level": "info"} in told
    assert stands(database, "audit_trail") == (stands(database, "ledger")[0], None)


def test_given_facts_that_stop_then_the_ledger_goes_no_further(database: Database) -> None:
    Projectors(database).close()
    onboard(database, "alder", "beech", "cedar")
    retopic(database, 3, "deal.dreamt_of")
    with capture_logs() as told, pytest.raises(Poison, match="stopped at position 3"):
        Runner(settings_of(database), 1_000).once()
    assert {line["projection"] for line in told if line["event"] == "projection stopped"} == {p.name for p in FROM_LOG}
    assert stands(database, "facts") == (2, 3)
    assert stands(database, "ledger") == (2, None)


def test_given_a_runner_once_then_what_stops_and_what_cannot_be_reached_end_it_with_a_sentence(
    database: Database,
) -> None:
    Projectors(database).close()
    program = Program(environment(database))
    with forbidden(database, "beech"):
        onboard(database, "beech")
        said = program.run("run", "--once")
        assert said.code == 1
        assert said.err.splitlines()[-1].startswith("projector audit_trail stopped at position 2: CheckViolation")
    said = Program({"TRAILBOOK_DATABASE_URL": "host=/nowhere user=nobody"}).run("run", "--once")
    assert said.code == 1
    assert said.err.splitlines()[-1].startswith("cannot connect to /nowhere/nobody")
