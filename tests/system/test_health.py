"""Metrics, health and logs of ``trailbook run``: real HTTP to the real process, while a PostgreSQL comes and goes."""

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import date

import psutil
import pytest
from structlog.testing import capture_logs

import services.health
from adapters.database import Database
from adapters.log import PostgresLog
from adapters.projectors import NAMES, Projectors
from adapters.rebuild_progress import telling
from domain.calendar import OpenDay
from domain.log import CommandResult
from domain.message import Issued
from services.commands import Commands, TooBusy
from services.health import Pulse
from services.runner import Runner
from tests.own_server import OwnServer, eventually, own_server
from tests.system.books import settings_of
from tests.system.program import PROGRAM, Program
from tests.system.test_run import ANN, facts_held, forbidden, onboard, reaches, waits_for_a_lock
from tests.system.test_scheduler_killed import DEALS, register_deals
from tests.system.under_load import environment, runner
from tests.system.watching import told, watch

FREE = ("--http-port", "0")
JSON = {"TRAILBOOK_LOG_FORMAT": "json"}


def test_the_runner_shows_where_the_log_and_its_projections_stand(database: Database, log: PostgresLog) -> None:
    Projectors(database).close()
    with runner(database, *FREE) as run:
        end = onboard(database, "alder", "beech")
        reaches(database, end)
        watched = watch(run)
        eventually(lambda: watched.value("trailbook_projection_position", "payout_book") == end, "it is told")
        values = watched.values()
        assert values["trailbook_info", database.house, "run"] == 1
        assert values["trailbook_log_position",] == end
        assert values["trailbook_database_up",] == 1
        assert values["trailbook_waiting", ""] == 0
        for name in NAMES:
            assert values["trailbook_projection_position", name] == end
            assert values["trailbook_projection_lag_events", name] == 0
            assert values["trailbook_projection_lag_seconds", name] == 0
            assert values["trailbook_projection_poison", name] == 0
        assert values["process_resident_memory_bytes",] > 0
        assert watched.ask("/healthz") == (200, "alive\n")
        assert watched.ask("/readyz") == (200, "ready\n")
        assert watched.ask("/")[0] == 404
        run.end()


def test_given_a_view_that_stops_then_it_is_not_ready_and_poison_lag_and_log_name_the_event(database: Database) -> None:
    Projectors(database).close()
    with forbidden(database, "beech"):
        poisoned_at = onboard(database, "alder", "beech")
        with runner(database, *FREE, **JSON) as run:
            end = onboard(database, "cedar")
            watched = watch(run)
            eventually(lambda: watched.value("trailbook_projection_poison", "audit_trail") == 1, "it is told")
            eventually(lambda: watched.value("trailbook_projection_position", "ledger") == end, "the others go on")
            values = watched.values()
            assert values["trailbook_projection_poison_position", "audit_trail"] == poisoned_at
            assert values["trailbook_projection_lag_events", "audit_trail"] == end - poisoned_at + 1
            assert 0 < values["trailbook_projection_lag_seconds", "audit_trail"] < 60
            assert watched.ask("/readyz") == (503, f"stopped: audit_trail at position {poisoned_at}\n")
            assert watched.ask("/healthz") == (200, "alive\n")

            (line,) = told(run, "projection stopped")
            assert (line["level"], line["house"], line["at"]) == ("error", database.house, poisoned_at)
            assert (line["event_id"], line["command_id"]) == ("customer:beech@1", "c-beech")
            assert line["correlation_id"] == "c-beech"
            assert "CheckViolation" in line["because"]
            assert "Failing row" not in line["because"], "the row may hold anybody's words"
            run.process.terminate()
            assert run.process.wait(60) == 0
            assert told(run, "stopped")


def test_given_a_database_that_goes_and_comes_back_then_every_answer_comes_in_time_and_says_so() -> None:
    with own_server() as server:
        database = Database(server.url, "house")
        database.init()
        Projectors(database).close()
        server.stop()
        with runner(database, *FREE) as run:
            watched = watch(run)
            values = watched.values()
            assert values["trailbook_database_up",] == 0
            assert ("trailbook_log_position",) not in values, "nothing is known yet"
            eventually(lambda: watched.value("trailbook_waiting", "the server") == 1, "it waits")
            assert watched.ask("/readyz") == (503, "waiting for the server\n")
            assert watched.ask("/healthz") == (200, "alive\n")

            server.start()
            end = onboard(database, "alder")
            eventually(lambda: watched.ask("/readyz") == (200, "ready\n"), "it is ready")
            eventually(lambda: watched.value("trailbook_projection_position", "ledger") == end, "it works")

            server.stop()
            eventually(lambda: watched.value("trailbook_database_up") == 0, "the database is away")
            assert watched.value("trailbook_log_position") == end, "what was known last"
            eventually(lambda: watched.ask("/readyz") == (503, "waiting for the server\n"), "it is not ready")
            run.end()


def test_given_a_server_that_answers_nothing_any_more_then_every_page_comes_in_time() -> None:
    """A scrape that waits for the database would be lost just when somebody wants to see that it hangs."""
    with own_server() as server:
        database = Database(server.url, "house")
        database.init()
        Projectors(database).close()
        with runner(database, *FREE) as run:
            watched = watch(run)
            end = onboard(database, "alder")
            eventually(lambda: watched.value("trailbook_projection_position", "ledger") == end, "it works")
            with stopped(server):
                eventually(lambda: watched.value("trailbook_database_up") == 0, "the database hangs")
                assert watched.value("trailbook_log_position") == end
                assert watched.ask("/readyz")[0] == 503
                assert watched.ask("/healthz") == (200, "alive\n")
            eventually(lambda: watched.ask("/readyz") == (200, "ready\n"), "it is ready again")
            run.end()


@contextmanager
def stopped(server: OwnServer) -> Iterator[None]:
    """All processes of the server, by SIGSTOP."""
    processes = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.resume()


def test_given_many_scrapers_then_each_is_answered_and_the_database_is_asked_once_a_second(database: Database) -> None:
    Projectors(database).close()
    with runner(database, *FREE) as run, ThreadPoolExecutor(16) as threads:
        reaches(database, 1)
        watched = watch(run)
        before = connections_of(database)
        began = time.monotonic()
        answers = [threads.submit(watched.value, "trailbook_database_read_timestamp_seconds") for _ in range(200)]
        readings = {answer.result() for answer in answers}
        seconds = time.monotonic() - began
        assert None not in readings
        assert len(readings) <= seconds + 2
        assert connections_of(database) == before + 1, "one for all scrapers"
        run.end()


def connections_of(database: Database) -> int:
    with database.connect("owner", autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE %s AND pid <> pg_backend_pid()",
            (f"trailbook {database.house} %",),
        ).fetchone()
    assert row is not None
    return int(row[0])


def test_given_a_client_that_sends_nothing_then_others_are_answered_and_the_runner_ends(database: Database) -> None:
    Projectors(database).close()
    with runner(database, *FREE) as run:
        watched = watch(run)
        host, port = watched.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))):
            assert watched.ask("/healthz") == (200, "alive\n")
            run.end()


def test_given_clients_that_go_away_before_they_are_answered_then_the_runner_goes_on(database: Database) -> None:
    """The program ends with whoever reads its output; a scraper that hung up ended `run` with it."""
    Projectors(database).close()
    with runner(database, *FREE) as run:
        watched = watch(run)
        host, port = watched.url.removeprefix("http://").split(":")
        for _ in range(20):
            with socket.create_connection((host, int(port))) as client:
                client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert watched.ask("/healthz") == (200, "alive\n")
        run.end()


def test_given_a_rebuild_in_another_process_then_the_runner_shows_how_far_it_is(database: Database) -> None:
    Projectors(database).close()
    with runner(database, *FREE) as run:
        watched = watch(run)
        with telling(database, "ledger", lambda done, total: None) as tell:
            tell.of("facts")(2_000, 2_000)
            eventually(lambda: watched.value("trailbook_rebuild_running", "ledger") == 1, "it is told")
            assert watched.value("trailbook_rebuild_reached_facts", "ledger") == 2_000
            assert watched.value("trailbook_rebuild_wanted_facts", "ledger") == 2_000
        eventually(lambda: watched.value("trailbook_rebuild_running", "ledger") is None, "it has ended")
        run.end()


# -- alive or not


def test_given_a_loop_that_waits_for_the_database_then_it_is_alive_however_long(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.health, "STALLED_SECONDS", 0.0)
    Projectors(database).close()
    pulses: list[Pulse] = []

    def work() -> None:
        pulses.append(Pulse("run"))
        with Projectors(database) as projectors:
            projectors.step()

    with facts_held(database):
        thread = threading.Thread(target=work)
        thread.start()
        eventually(lambda: waits_for_a_lock(database), "a step is under way")
        assert pulses[0].stalled == ""
    thread.join(60)


def test_given_a_loop_that_hangs_then_it_is_said_for_how_long_and_where(monkeypatch: pytest.MonkeyPatch) -> None:
    pulses: list[Pulse] = []
    released = threading.Event()

    def hang() -> None:
        pulses.append(Pulse("run"))
        released.wait(60)

    thread = threading.Thread(target=hang)
    thread.start()
    eventually(lambda: bool(pulses), "it hangs")
    assert pulses[0].stalled == ""
    monkeypatch.setattr(services.health, "STALLED_SECONDS", 0.0)
    assert pulses[0].stalled.startswith("the loop has not turned for 0 s; it is at tests/system/test_health.py:")
    released.set()
    thread.join(60)


HANGS = f"""
import time
import services.health
from services.house import House

def hang(house):
    time.sleep(1_000)

services.health.STALLED_SECONDS = 0.2
House.open_today = hang
{PROGRAM}
"""
"""The program, whose loop hangs before it has opened the day."""


def test_given_a_process_whose_loop_hangs_then_it_is_neither_alive_nor_ready(database: Database) -> None:
    Projectors(database).close()
    with runner(database, *FREE, program=HANGS) as run:
        watched = watch(run)
        eventually(lambda: watched.ask("/healthz")[0] == 503, "it hangs")
        status, body = watched.ask("/healthz")
        assert (status, body.count("\n")) == (503, 1)
        assert body.startswith("the loop has not turned for ")
        assert "it is at services/runner.py:" in body
        assert watched.ask("/readyz")[0] == 503


# -- settings


def test_given_a_port_that_is_taken_then_one_sentence_says_so(database: Database) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        said = Program(environment(database, TRAILBOOK_HTTP_PORT=str(port))).run("run")
    assert said.code == 2
    assert said.err.splitlines()[-1] == (
        f"port {port} of 127.0.0.1 is taken by another program; set TRAILBOOK_HTTP_PORT to a free one"
    )


@pytest.mark.parametrize("host", ["192.0.2.7", "127.0.0.1:9464", "a host", "." * 3, "a" * 70])
def test_given_a_host_that_is_not_ours_then_one_sentence_says_so(database: Database, host: str) -> None:
    said = Program(environment(database, TRAILBOOK_HTTP_PORT="0", TRAILBOOK_HTTP_HOST=host)).run("run")
    assert said.code == 2
    assert said.err.splitlines()[-1].startswith(f"TRAILBOOK_HTTP_HOST '{host[:60]}")
    assert "is no address of this machine; write one like" in said.err.splitlines()[-1]


def test_an_address_of_ipv6_is_served_too(database: Database) -> None:
    Projectors(database).close()
    with runner(database, *FREE, TRAILBOOK_HTTP_HOST="::1") as run:
        assert re.fullmatch(r"http://\[::1\]:\d+", watch(run).url)
        assert watch(run).ask("/healthz") == (200, "alive\n")
        run.end()


def test_without_a_port_nothing_is_served(database: Database) -> None:
    Projectors(database).close()
    with runner(database) as run:
        reaches(database, 1)
        run.end()
        assert not run.told("serving")


# -- the log


def test_a_log_in_json_has_a_line_for_each_event_with_its_ids_and_positions(
    database: Database, log: PostgresLog
) -> None:
    Projectors(database).close()
    with runner(database, **JSON) as run:
        reaches(database, 1)
        run.process.terminate()
        assert run.process.wait(60) == 0
        (opened,) = told(run, "day opened")
        today = opened["day"]
        assert opened | {"time": ""} == {
            "time": "",
            "level": "info",
            "event": "day opened",
            "house": database.house,
            "day": today,
            "command_id": f"open-day-{today}",
            "correlation_id": f"open-day-{today}",
            "first_position": 1,
            "last_position": 1,
        }
        assert opened["time"].endswith("Z")
        assert [line["event"] for line in map(json.loads, run.lines)][-1] == "stopped"


def test_commands_that_are_given_are_said_where_the_level_asks_for_it(database: Database, log: PostgresLog) -> None:
    Commands(log).handle(Issued("c-1", ANN, OpenDay(date=date(2026, 1, 2))))
    program = Program(environment(database, **JSON, TRAILBOOK_LOG_LEVEL="info"))
    said = program.run("day", "open", "2026-01-03", "--by", "ann")
    (line,) = map(json.loads, said.err.splitlines())
    assert line | {"time": ""} == {
        "time": "",
        "level": "info",
        "event": "command recorded",
        "house": database.house,
        "do": "open_day",
        "command_id": "open-day-2026-01-03",
        "correlation_id": "open-day-2026-01-03",
        "first_position": 2,
        "last_position": 2,
    }
    assert Program(environment(database)).run("day", "open", "2026-01-04", "--by", "ann").err == ""


def test_due_commands_are_said_with_their_ids_and_positions(database: Database) -> None:
    register_deals(database)
    said = Program(environment(database, **JSON)).run("run", "--once")
    lines = [json.loads(line) for line in said.err.splitlines()]
    recorded = [line for line in lines if line["event"] == "command recorded"]
    assert [line["do"] for line in recorded] == ["expire_registration"] * DEALS
    for line in recorded:
        assert line["correlation_id"] == line["command_id"]
        assert line["command_id"].startswith("due:customer:alder@")
        assert line["first_position"] == line["last_position"] > 0
    assert len({line["first_position"] for line in recorded}) == DEALS


def test_given_a_due_command_that_is_refused_then_it_is_said_with_its_ids(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    register_deals(database)
    handle = Commands.handle

    def refuse(commands: Commands, issued: Issued) -> CommandResult:
        if issued.command_id.startswith("due:"):
            raise TooBusy("command met other writers 20 times; give it again")
        return handle(commands, issued)

    monkeypatch.setattr(Commands, "handle", refuse)
    with capture_logs() as said:
        Runner(settings_of(database), 1_000).once()
    refused = [line for line in said if line["event"] == "due command refused"]
    assert len({line["command_id"] for line in refused}) == DEALS
    assert {(line["do"], line["refused"], line["log_level"]) for line in refused} == {
        ("expire_registration", "TooBusy", "error")
    }
    assert all(line["correlation_id"] == line["command_id"] and line["due_since"] > 0 for line in refused)


def test_given_json_then_what_ends_the_runner_is_json_too(database_url: str) -> None:
    house = {"TRAILBOOK_DATABASE_URL": database_url, "TRAILBOOK_HOUSE": "nowhere"}
    said = Program({**house, **JSON}).run("run")
    assert said.code == 1
    *_, last = map(json.loads, said.err.splitlines())
    assert (last["event"], last["level"]) == ("ended", "error")
    assert last["because"].startswith("the house nowhere does not exist at ")
