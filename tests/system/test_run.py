"""``trailbook run``: the real process, until it is told to stop."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.projectors import Projectors, position_of
from domain.calendar import OpenDay
from domain.customer import OnboardCustomer
from domain.ids import CALENDAR
from domain.message import Actor, Issued
from services.commands import Commands

ANN = Actor(subject="ann")
PATIENCE_SECONDS = 20.0


def program(database: Database, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "TRAILBOOK_DATABASE_URL": database.url, "TRAILBOOK_HOUSE": database.house}
    code = "from services.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def reached(database: Database, position: int) -> bool:
    """Whether the ledger has come to a position within the time that a person would wait."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with database.connect("reader", autocommit=True) as connection:
        while time.monotonic() < deadline:
            if position_of(connection, database.book, "ledger") >= position:
                return True
            time.sleep(0.02)
    return False


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_the_runner_opens_today_projects_what_is_recorded_and_stops_when_told(
    database: Database, log: PostgresLog, signal_number: int
) -> None:
    Projectors(database).close()
    runner = program(database, "run")
    try:
        assert reached(database, 1), "the first position is the day that the runner opened"
        commands = Commands(log)
        assert commands.state(CALENDAR).open_day == datetime.now(UTC).date()
        result = commands.handle(Issued("c-1", ANN, OnboardCustomer(customer="alder-foods")))
        assert reached(database, result.last_position)
    finally:
        runner.send_signal(signal_number)
        _, said = runner.communicate(timeout=PATIENCE_SECONDS)
    assert runner.returncode == 0, said
    assert "stopped" in said


def test_the_runner_leaves_a_later_open_day_alone(database: Database, log: PostgresLog) -> None:
    Commands(log).handle(Issued("c-1", ANN, OpenDay(date=datetime.now(UTC).date().replace(year=2999))))
    runner = program(database, "run", "--once")
    _, said = runner.communicate(timeout=PATIENCE_SECONDS)
    assert runner.returncode == 0, said
    head = log.head()
    assert head is not None
    assert head.position == 1
    assert reached(database, 1)
