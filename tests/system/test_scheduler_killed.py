"""``trailbook run`` killed between the day that it opened and the commands due on it: each is given once."""

import subprocess
import sys
from datetime import date

from psycopg import sql

from adapters.database import Database
from adapters.log import PostgresLog
from domain.agent import RecruitAgent
from domain.customer import OnboardCustomer
from domain.deal import ApproveRegistration, RegisterDeal, RegistrationExpired
from domain.message import Actor, Command, Issued
from domain.vendor import ContractVendor
from services.house import House
from tests.system.books import settings_of
from tests.system.program import PROGRAM, TOP, Program
from tests.system.under_load import assert_the_book_is_what_its_events_say, environment

LONG_AGO = date(2026, 1, 5)
DEALS = 4
KILLED = -9

KILLS_ITSELF = f"""
import os, signal, sys
from adapters.log import PostgresLog

moment, due_left = sys.argv.pop(1), int(sys.argv.pop(1))
append = PostgresLog.append

def append_and_die(log, events, guards, command_id, digest):
    global due_left
    due = command_id.startswith("due:")
    if due and due_left == 0 and moment == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    result = append(log, events, guards, command_id, digest)
    if due and due_left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    due_left -= due
    return result

PostgresLog.append = append_and_die
{PROGRAM}
"""
"""The program, killed before or after it appends a due command; so many are given before that one."""


def register_deals(database: Database) -> None:
    """Registrations whose protection ended long ago by the clock, on no day that was opened."""
    given: list[Command] = [
        ContractVendor(vendor="lumen"),
        RecruitAgent(agent="harbor"),
        OnboardCustomer(customer="alder"),
    ]
    for number in range(DEALS):
        deal = f"D-{number}"
        given.append(RegisterDeal(customer="alder", deal=deal, agent="harbor", vendor="lumen"))
        given.append(ApproveRegistration(customer="alder", deal=deal, agent="harbor"))
    with House(settings_of(database), database) as house:
        for number, command in enumerate(given):
            by = Actor(subject="bob" if isinstance(command, ApproveRegistration) else "ann")
            house.handle(Issued(f"c-{number}", by, command, on=LONG_AGO))
        house.projectors.catch_up()


def run_and_die(database: Database, moment: str, due_left: int) -> None:
    died = subprocess.run(
        [sys.executable, "-c", KILLS_ITSELF, moment, str(due_left), "run"],
        env=Program(environment(database)).whole_environment(),
        cwd=TOP,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert died.returncode == KILLED, died.stderr.decode()


def expired(log: PostgresLog) -> list[str]:
    return [e.event.deal for e in log.read(0, 1_000) if isinstance(e.event, RegistrationExpired)]


def test_given_runners_killed_between_the_day_and_what_is_due_on_it_then_each_due_command_is_given_once(
    database: Database, log: PostgresLog
) -> None:
    register_deals(database)

    for moment, due_left, given in (("before", 0, 0), ("after", 1, 2)):
        run_and_die(database, moment, due_left)
        assert len(expired(log)) == given
    said = Program(environment(database)).run("run", "--once")

    assert said.code == 0, said
    assert sorted(expired(log)) == [f"D-{number}" for number in range(DEALS)]
    with database.connect("reader") as connection:
        statement = sql.SQL("SELECT count(*) FROM {}.command_log WHERE command_id LIKE 'due:%'")
        assert connection.execute(statement.format(sql.Identifier(database.house))).fetchone() == (DEALS,)
    assert_the_book_is_what_its_events_say(database)
