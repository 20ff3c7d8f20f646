"""A house at work while something breaks: `trailbook run`, writers who give an id again, a person at a terminal."""

import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import IO, TypeVar

from psycopg import sql

from adapters.database import Database, DatabaseUnavailable
from adapters.pg_facts import position_of
from adapters.projectors import LEDGER, NAMES
from adapters.rebuild import rebuild
from adapters.verify import verify
from domain import months
from domain.agent import RecruitAgent
from domain.log import CommandResult
from domain.message import Actor, Command, Issued
from domain.receipt import ReceiveMoney
from domain.vendor_statement import ReceiveStatement, StatementLine
from services.house import House
from tests.own_server import eventually
from tests.system.books import scenario, settings_of
from tests.system.program import PROGRAM, TOP, Program, Said
from tests.system.test_projectors_under_fire import dump

ANN = Actor(subject="ann")
MONTHS = [months.text(number) for number in range(months.number("2025-03"), months.number("2026-06"))]
THINKS_SECONDS = 0.01
"""What a writer waits after an answer, so that the projectors of a small machine keep up."""
ENDS_WITHIN_SECONDS = 4.0
"""How long `trailbook run` may take to end when it is told to: half a second, on a machine that does nothing else."""


def environment(database: Database, **more: str) -> dict[str, str]:
    return {"TRAILBOOK_DATABASE_URL": database.url, "TRAILBOOK_HOUSE": database.house, **more}


def house_with_a_book(url: str) -> Database:
    """A house in which two agents are paid for two accounts."""
    database = Database(url, "house")
    database.init()
    record_a_book(database)
    return database


def record_a_book(database: Database) -> None:
    with House(settings_of(database), database) as house:
        for issued in scenario("S04"):
            house.handle(issued)


# -- trailbook run


@dataclass
class Runner:
    """A process of `trailbook run` and what it logs."""

    process: "subprocess.Popen[bytes]"
    log: IO[bytes]

    @property
    def lines(self) -> list[str]:
        return Path(self.log.name).read_text().splitlines()

    def told(self, what: str) -> list[str]:
        return [line for line in self.lines if f"] {what}" in line]

    def is_alive(self) -> bool:
        return self.process.poll() is None

    def end(self, how: signal.Signals = signal.SIGTERM) -> float:
        """Tell it to end; how many seconds it took."""
        started = time.monotonic()
        self.process.send_signal(how)
        code = self.process.wait(60)
        assert code == 0, self.lines[-20:]
        assert self.told("stopped")
        return time.monotonic() - started


Started = TypeVar("Started", bound=Runner)


@contextmanager
def started(
    kind: Callable[[subprocess.Popen[bytes], IO[bytes]], Started],
    command: Sequence[str],
    environment: Mapping[str, str],
    program: str = PROGRAM,
) -> Iterator[Started]:
    """A process of one of Trailbook's commands that goes on until it is stopped."""
    with tempfile.NamedTemporaryFile(prefix="process-", suffix=".log") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *command],
            env=Program(environment).whole_environment(),
            cwd=TOP,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            yield kind(process, log)
        finally:
            process.kill()
            process.wait(60)


def runner(
    database: Database, *options: str, program: str = PROGRAM, command: Sequence[str] = ("run",), **more: str
) -> AbstractContextManager[Runner]:
    return started(Runner, [*command, *options], environment(database, **more), program)


# -- writers


class Worker:
    """Works in a thread of its own until told to stop. Whatever stops it before that is a fault."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.fault: BaseException | None = None
        self.stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def end(self) -> None:
        self.stop.set()
        self._thread.join(60)
        assert not self.is_alive, f"{self} hangs"
        if self.fault is not None:
            raise self.fault

    def _run(self) -> None:
        try:
            while not self.stop.is_set():
                self.work()
        except BaseException as fault:
            self.fault = fault

    def work(self) -> None:
        raise NotImplementedError


class Writer(Worker):
    """Gives one command after the other; where no answer comes it gives the same id again."""

    def __init__(self, database: Database, name: str) -> None:
        self.name, self.given = name, 0
        self.acknowledged: dict[str, CommandResult] = {}
        self.unanswered: list[str] = []
        """What it was told instead of an answer."""
        super().__init__(database)

    def work(self) -> None:
        try:
            with House(settings_of(self.database), self.database) as house:
                while not self.stop.is_set():
                    issued = Issued(f"{self.name}-{self.given}", ANN, self._command(self.given))
                    self.acknowledged[issued.command_id] = house.handle(issued)
                    self.given += 1
                    self.stop.wait(THINKS_SECONDS)
        except DatabaseUnavailable as told:
            self.unanswered.append(str(told))

    def _command(self, number: int) -> Command:
        name = f"{self.name}-{number}"
        if number % 5 == 0:
            return RecruitAgent(agent=name.lower())
        if number % 5 in (1, 2, 3):
            return ReceiveMoney(receipt=name, vendor="lumen", amount_minor=1_000 + number)
        line = StatementLine(line=1, account="5-QXTR9941", commission_minor=Decimal(1_000 + number))
        return ReceiveStatement(
            vendor="lumen",
            number=name,
            statement_month=MONTHS[number % len(MONTHS)],
            control_total_minor=1_000 + number,
            lines=(line,),
        )


class Person(Worker):
    """Somebody at the command line: records the same file again and again, asks for the balances and the status."""

    def __init__(self, database: Database) -> None:
        self.said: list[Said] = []
        super().__init__(database)

    def work(self) -> None:
        program = Program(environment(self.database))
        file = TOP / "tests" / "system" / "scenarios" / "S04.yaml"
        for arguments in (("do", file), ("ledger", "balances", "--json"), ("status", "--json")):
            said = program.run(*arguments)
            assert said.code in (0, 1), said
            assert len(said.err.splitlines()) == said.code, said
            self.said.append(said)


@contextmanager
def at_work(database: Database, writers: int = 4) -> Iterator[tuple[Sequence[Writer], Person]]:
    """Writers and a person, until the end; who meets anything but an answer or one clear sentence fails the test."""
    all_writers = [Writer(database, f"W{number}") for number in range(writers)]
    person = Person(database)
    try:
        yield all_writers, person
    finally:
        for worker in (*all_writers, person):
            worker.stop.set()
    for worker in (*all_writers, person):
        worker.end()


# -- afterwards


def ledger_position(database: Database) -> int:
    with database.connect("reader", autocommit=True) as connection:
        return position_of(connection, database.book, LEDGER)


def head(database: Database) -> int:
    with database.connect("reader", autocommit=True) as connection:
        row = connection.execute(
            sql.SQL("SELECT position FROM {}.log_head").format(sql.Identifier(database.house))
        ).fetchone()
    assert row is not None
    return int(row[0])


def wait_until_projected(database: Database, runner: Runner) -> None:
    end = head(database)
    eventually(lambda: ledger_position(database) >= end or not runner.is_alive(), f"the ledger reaches {end}")
    assert runner.is_alive(), runner.lines[-20:]


def assert_each_is_recorded_once(database: Database, acknowledged: dict[str, CommandResult]) -> None:
    with database.connect("owner", autocommit=True) as connection:
        house = sql.Identifier(database.house)
        rows = connection.execute(
            sql.SQL("SELECT command_id, digest, first_position, last_position FROM {}.command_log").format(house)
        ).fetchall()
        stored = {row[0]: CommandResult(*row) for row in rows}
        events = connection.execute(
            sql.SQL("SELECT notification_id, state FROM {}.house_events ORDER BY notification_id").format(house)
        ).fetchall()
    assert {command_id: stored.get(command_id) for command_id in acknowledged} == acknowledged
    assert [position for position, _ in events] == list(range(1, len(events) + 1))
    recorded = [position for r in stored.values() if r.first_position for position in _positions(r)]
    assert sorted(recorded) == list(range(1, len(events) + 1))


def _positions(result: CommandResult) -> range:
    return range(result.first_position, result.last_position + 1)


def assert_the_book_is_what_its_events_say(database: Database) -> None:
    """By ``verify``, which builds everything again beside it and compares."""
    report = verify(database)
    assert report.ok, report


def assert_a_rebuild_gives_the_same_bytes(database: Database) -> None:
    live = dump(database, database.book)
    for name in NAMES:
        rebuild(database, name)
    assert dump(database, database.book) == live
