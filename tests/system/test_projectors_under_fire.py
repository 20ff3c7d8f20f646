"""Projector processes that are killed, raced, poisoned and cut off: the tables come out as if nothing had happened."""

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest
from psycopg import sql

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.projectors import NAMES, Poison, Projectors, positions, tables_of
from adapters.tables import PgTables
from domain import months
from domain.account import Alias, OpenAccount
from domain.agent import RecruitAgent, SignAgreement
from domain.agent_of_record import ApproveAgentOfRecordChange, ChangeAgentOfRecord, DesignateAgentOfRecord, Weighted
from domain.calendar import OpenDay
from domain.contract import ActivateService, AssignService, OrderService, SignContract
from domain.customer import OnboardCustomer
from domain.ids import StreamId
from domain.log import CommandResult, NewEvent
from domain.message import Actor, Command, Evidence, Issued, Recorded
from domain.money import half_away
from domain.plan import (
    Override,
    OverridePercentOfCommission,
    PercentOfCommission,
    ProposePlanVersion,
    PublishPlanVersion,
    Rule,
    ServiceMonthsFrom,
)
from domain.receipt import ReceiveMoney
from domain.suspense import ApprovePlacement, ProposePlacement
from domain.vendor import ContractVendor
from domain.vendor_statement import ReceiveStatement, StatementLine
from projections import agent_book, facts
from projections.ledger import Ledger
from projections.projection import KeyedState, Row
from services.commands import Commands
from tests.bench.book import BulkLog

SOURCES = Path(__file__).parents[2]
FIRST_MONTH, MONTHS = months.number("2024-01"), 24
ANN, BOB = Actor(subject="ann"), Actor(subject="bob")
UNKNOWN_NUMBERS = 20
FOREVER_SECONDS = 120


# -- a book with so many events and lines


class Counted(BulkLog):
    """Counts the events."""

    events = 0

    def append(
        self, events: Sequence[NewEvent], guards: Mapping[StreamId, int], command_id: str, digest: str
    ) -> CommandResult:
        self.events += len(events)
        return super().append(events, guards, command_id, digest)


@dataclass
class Author:
    """Writes a book of statements with a few lines each, between letters, placements, receipts and plan versions."""

    log: Counted
    accounts: int
    random: Random
    given: int = 0
    lines: int = 0
    month: int = FIRST_MONTH
    versions: int = 1
    commands: Commands = field(init=False)

    def __post_init__(self) -> None:
        self.commands = Commands(self.log)

    def give(self, command: Command, by: Actor = ANN, letter: Evidence | None = None) -> None:
        self.given += 1
        self.commands.handle(Issued(f"g-{self.given}", by, command, letter))

    def begin(self) -> None:
        since = months.first_day(FIRST_MONTH)
        self.give(OpenDay(date=since))
        self.give(ContractVendor(vendor="lumen", statement_lag_months=0))
        override = Override(rule="team", pay=_percent(OverridePercentOfCommission, "0.05"))
        for plan, overrides in (("seller", ()), ("upline", (override,))):
            rules = (Rule(rule="default", pay=_percent(PercentOfCommission, "0.8")),)
            self.give(ProposePlanVersion(plan=plan, rules=rules, overrides=overrides))
            self.give(PublishPlanVersion(plan=plan), BOB)
        for agent, upline in (("top", None), *((f"agent-{n}", "top") for n in range(10))):
            self.give(RecruitAgent(agent=agent, upline=upline))
            self.give(SignAgreement(agent=agent, plan="seller" if upline else "upline", effective_on=since))
        self.give(OnboardCustomer(customer="alder"))
        for number in range(self.accounts):
            self._open(number, since)

    def _open(self, number: int, since: date) -> None:
        alias = Alias(vendor="lumen", number=f"5-{number}")
        account = f"A-{number}"
        self.give(OpenAccount(account=account, customer="alder", vendor="lumen", aliases=(alias,)))
        agents = (Weighted(agent=f"agent-{number % 10}"),)
        self.give(DesignateAgentOfRecord(account=account, agents=agents, effective_on=since), letter=_letter(since))
        if number % 10 == 0:
            contract = f"C-{number}"
            self.give(SignContract(contract=contract, customer="alder", vendor="lumen"))
            self.give(OrderService(contract=contract, service="dia", mrc_minor=10_000))
            self.give(AssignService(contract=contract, service="dia", account=account))
            self.give(ActivateService(contract=contract, service="dia"))

    def go_on(self, events: int, lines: int) -> None:
        """Until there are exactly so many events with so many lines."""
        first = self.log.events
        while (left := events - self.log.events) > 0:
            month = FIRST_MONTH + (self.log.events - first) * MONTHS // (events - first)
            if month > self.month:
                self.month = month
                self.give(OpenDay(date=months.first_day(month)))
            elif left > 4 and self.random.random() < 0.02:
                self.random.choice((self._change, self._place, self._receive, self._publish))()
            else:
                self._state(-(-(lines - self.lines) // left))
        self.log.flush()

    def _state(self, count: int) -> None:
        lines = tuple(self._line(number) for number in range(1, count + 1))
        self.lines += count
        total = sum(half_away(line.commission_minor) for line in lines)
        month = months.text(self.month)
        self.give(
            ReceiveStatement(
                vendor="lumen", number=f"S-{self.given}", statement_month=month, control_total_minor=total, lines=lines
            )
        )

    def _line(self, number: int) -> StatementLine:
        unknown = self.random.random() < 0.005
        account = f"9-{self.random.randrange(UNKNOWN_NUMBERS)}" if unknown else self._number()
        commission = Decimal(self.random.randrange(-500, 40_000)) / self.random.choice((1, 1, 1, 10))
        return StatementLine(line=number, account=account, commission_minor=commission)

    def _number(self) -> str:
        return f"5-{self.random.randrange(self.accounts)}"

    def _change(self) -> None:
        account, on = f"A-{self.random.randrange(self.accounts)}", months.first_day(self.month - 2)
        agents = tuple(Weighted(agent=f"agent-{n}") for n in self.random.sample(range(10), 2))
        self.give(ChangeAgentOfRecord(account=account, agents=agents, effective_on=on), letter=_letter(on))
        self.give(ApproveAgentOfRecordChange(account=account), BOB)

    def _place(self) -> None:
        number, account = f"9-{self.random.randrange(UNKNOWN_NUMBERS)}", f"A-{self.random.randrange(self.accounts)}"
        self.give(ProposePlacement(vendor="lumen", number=number, account=account, keep_alias=False))
        self.give(ApprovePlacement(vendor="lumen", number=number), BOB)

    def _receive(self) -> None:
        self.give(ReceiveMoney(receipt=f"R-{self.given}", vendor="lumen", amount_minor=100_000))

    def _publish(self) -> None:
        """Now and then, and for the months from now on: each one touches every account."""
        if self.random.random() < 0.05:
            self.versions += 1
            rate = str(self.random.choice((70, 75, 80)) / Decimal(100))
            applies = ServiceMonthsFrom(**{"from": months.first_day(self.month)})
            rules = (Rule(rule="default", pay=_percent(PercentOfCommission, rate)),)
            self.give(ProposePlanVersion(plan="seller", plan_version=self.versions, applies_to=applies, rules=rules))
            self.give(PublishPlanVersion(plan="seller", plan_version=self.versions), BOB)


def _percent(model: Callable[..., Any], rate: str) -> Any:
    return model(kind="percent-of-commission", rate=Decimal(rate))


def _letter(signed_on: date) -> Evidence:
    return Evidence(digest="sha256:" + "ab" * 32, signer="customer:owner", signed_on=signed_on)


def write_book(database: Database, events: int, lines: int) -> None:
    with PostgresLog(database) as target:
        author = Author(Counted(target), accounts=max(20, events // 50), random=Random(20_090_401))
        author.begin()
        author.go_on(events, lines)
        assert (author.log.events, author.lines) == (events, lines)


# -- projector processes

PROJECT = """
import sys
from adapters.database import Database
from adapters.projectors import Projectors

with Projectors(Database(sys.argv[1], sys.argv[2])) as projectors:
    print("ready", flush=True)
    while done := projectors.step(int(sys.argv[3])):
        print(done, flush=True)
"""
"""Says that it is ready, then how many positions after each step, and ends when there is nothing more."""


def projector_process(database: Database, batch: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", PROJECT, database.url, database.house, str(batch)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=SOURCES,
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
    )


def kill(database: Database, batch: int, steps: int, random: Random) -> None:
    """Start a projector and kill it somewhere in a step, after it has committed so many."""
    process = projector_process(database, batch)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "ready\n"
        started = time.monotonic()
        for _ in range(steps):
            assert process.stdout.readline(), f"the projector ended by itself: {process.wait(FOREVER_SECONDS)}"
            started, took = time.monotonic(), time.monotonic() - started
        time.sleep(random.random() * min(took, 1.0))
    finally:
        process.kill()
        process.wait(FOREVER_SECONDS)
        process.stdout.close()


def at_the_end(database: Database) -> list[int]:
    with database.connect("reader") as connection:
        return [row["position"] for row in positions(connection, database.book)]


def dump(database: Database, schema: str) -> dict[str, tuple[int, str]]:
    """Size and digest of every table's rows, in order of their primary key."""
    digests = {}
    with database.connect("projector") as connection:
        for table in (table for name in NAMES for table in tables_of(name)):
            copy_out = sql.SQL("COPY (SELECT * FROM {} ORDER BY {}) TO STDOUT").format(
                sql.Identifier(schema, table.name), sql.SQL(", ").join(map(sql.Identifier, table.key))
            )
            digest, size = hashlib.sha256(), 0
            with connection.cursor() as cursor, cursor.copy(copy_out) as copied:
                for data in copied:
                    digest.update(data)
                    size += len(data)
            digests[table.name] = (size, digest.hexdigest())
    return digests


def project_from_zero(database: Database, schema: str, batch: int = 1_000) -> None:
    with Projectors(database, schema) as projectors:
        projectors.catch_up(batch)


def survive(database: Database, kills: Sequence[tuple[int, int]]) -> None:
    """Kill projectors, each of its batch size after so many steps; the tables must be those of a clean run."""
    random = Random(7)
    for batch, steps in kills:
        kill(database, batch, steps, random)
    project_from_zero(database, database.book)
    project_from_zero(database, database.verify)

    again = dump(database, database.book)
    assert again == dump(database, database.verify)
    assert all(again[table][0] > 0 for table in ("facts", "journal", "balance", "audit_trail", "agent_book"))


def test_given_projectors_killed_again_and_again_then_the_tables_are_those_of_a_clean_run(
    database: Database,
) -> None:
    write_book(database, events=420, lines=1_500)

    survive(database, [(1, 20), (100, 1), (1, 1), (1, 30), (100, 1), (5_000, 1)])


@pytest.mark.long
def test_given_two_hundred_projectors_killed_in_a_large_book_then_the_tables_are_those_of_a_clean_run(
    database: Database,
) -> None:
    write_book(database, events=100_000, lines=300_000)
    random = Random(1)
    kills = [
        *((5_000, 1) for _ in range(10)),
        *((100, random.randrange(1, 5)) for _ in range(80)),
        *((1, random.randrange(1, 30)) for _ in range(110)),
    ]
    random.shuffle(kills)

    survive(database, kills)


# -- races


def test_given_two_projector_processes_at_once_then_every_position_is_projected_once(database: Database) -> None:
    write_book(database, events=420, lines=1_500)

    processes = [projector_process(database, batch) for batch in (1, 7, 1)]
    for process in processes:
        process.communicate(timeout=FOREVER_SECONDS)

    assert [process.returncode for process in processes] == [0, 0, 0]
    assert at_the_end(database) == [420] * len(NAMES)
    project_from_zero(database, database.verify)
    assert dump(database, database.book) == dump(database, database.verify)


def test_given_another_projector_that_moved_on_then_the_position_stays_locked_until_the_commit(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock was given back as soon as another process had moved; then both projected the same positions."""
    write_book(database, events=150, lines=0)
    statement = sql.SQL("SELECT FROM {} WHERE name = 'facts' FOR UPDATE NOWAIT").format(
        sql.Identifier(database.book, "projection_position")
    )
    tried: list[int] = []
    project = facts.project

    with Projectors(database) as one, Projectors(database) as other, database.connect("projector") as third:
        one.step(10)
        other.step(10)

        def try_the_lock(recorded: Recorded, state: KeyedState) -> Iterable[Row]:
            with pytest.raises(psycopg.errors.LockNotAvailable):
                third.execute(statement)
            third.rollback()
            tried.append(recorded.position)
            return project(recorded, state)

        monkeypatch.setattr(facts, "project", try_the_lock)
        one.step(3)

    assert tried == [21, 22, 23]


# -- poison


def state_of(database: Database, name: str) -> tuple[int, int | None, str | None]:
    with database.connect("reader") as connection:
        row = next(row for row in positions(connection, database.book) if row["name"] == name)
    return row["position"], row["poison_position"], row["poison_reason"]


def retopic(database: Database, position: int, topic: str) -> str:
    """Tamper with an event as nobody but the owner can; its former topic."""
    table = sql.Identifier(database.house, "house_events")
    with database.connect("owner") as connection:
        row = connection.execute(
            sql.SQL("SELECT topic FROM {} WHERE notification_id = %s").format(table), (position,)
        ).fetchone()
        connection.execute(
            sql.SQL("UPDATE {} SET topic = %s WHERE notification_id = %s").format(table), (topic, position)
        )
    assert row is not None
    return str(row[0])


@pytest.mark.parametrize("batch", [1, 100, 5_000])
def test_given_an_event_that_nobody_knows_then_every_projection_stops_at_it_and_goes_on_once_it_is_mended(
    database: Database, batch: int
) -> None:
    write_book(database, events=150, lines=300)
    former = retopic(database, 97, "deal.dreamt_of")
    reason = "UnknownTopic: this release does not know deal.dreamt_of version 1"

    process = projector_process(database, batch)
    process.communicate(timeout=FOREVER_SECONDS)

    assert process.returncode == 1
    assert state_of(database, "facts") == (96, 97, reason)
    assert state_of(database, "audit_trail") == (96, 97, reason)
    assert state_of(database, "ledger")[1:] == (None, None)

    retopic(database, 97, former)
    project_from_zero(database, database.book)
    project_from_zero(database, database.verify)

    assert state_of(database, "facts") == (150, None, None)
    assert dump(database, database.book) == dump(database, database.verify)


def test_given_a_view_that_fails_at_an_event_then_it_stops_there_with_the_reason_and_the_ledger_goes_on(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_book(database, events=150, lines=300)
    project = agent_book.project

    def fail_at_40(recorded: Recorded, state: KeyedState) -> Iterable[Row]:
        if recorded.position == 40:
            raise KeyError("no such agent")
        return project(recorded, state)

    with Projectors(database) as projectors:
        with monkeypatch.context() as patched:
            patched.setattr(agent_book, "project", fail_at_40)
            for _ in range(2):
                with pytest.raises(Poison, match="projector agent_book stopped at position 40: KeyError") as stopped:
                    projectors.step(1_000)
                assert (stopped.value.projection, stopped.value.position) == ("agent_book", 40)

        assert state_of(database, "agent_book") == (39, 40, "KeyError: 'no such agent'")
        assert state_of(database, "ledger") == (150, None, None)
        projectors.catch_up()

    assert state_of(database, "agent_book") == (150, None, None)
    project_from_zero(database, database.verify)
    assert dump(database, database.book) == dump(database, database.verify)


def test_given_a_row_that_the_server_refuses_then_the_projector_stops_at_its_position(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server refuses a batch at its end and does not say for which event; nothing said where the projector was."""
    write_book(database, events=150, lines=300)
    project = agent_book.project
    doubled: list[int] = []

    def double(recorded: Recorded, state: KeyedState) -> Iterable[Row]:
        rows = list(project(recorded, state))
        if rows and recorded.position > 40:
            doubled.append(recorded.position)
            return [*rows, *rows]
        return rows

    with Projectors(database) as projectors, monkeypatch.context() as patched:
        patched.setattr(agent_book, "project", double)
        with pytest.raises(Poison, match="projector agent_book stopped at position"):  # noqa: PT012  (a few steps)
            for _ in range(150):
                projectors.step(1_000)

    stands_at, stopped_at, reason = state_of(database, "agent_book")
    assert (stands_at, stopped_at) == (doubled[0] - 1, doubled[0])
    assert reason is not None
    assert reason.startswith("UniqueViolation: ")


# -- cut connections


@pytest.mark.parametrize(("owner", "method"), [(facts, "project"), (PgTables, "flush"), (Ledger, "project")])
def test_given_a_connection_that_is_cut_in_a_step_then_the_step_is_done_on_a_new_one(
    database: Database, monkeypatch: pytest.MonkeyPatch, owner: Any, method: str
) -> None:
    write_book(database, events=150, lines=300)
    called = getattr(owner, method)

    with Projectors(database) as projectors:
        projectors.step(120)
        backends = [projectors.connection.info.backend_pid]

        def cut_once(*given: Any) -> Any:
            if backends:
                cut(database, backends.pop())
            return called(*given)

        monkeypatch.setattr(owner, method, cut_once)
        projectors.step(20)
        assert not backends
        assert min(state_of(database, name)[0] for name in NAMES) == 140
        projectors.catch_up(7)

    project_from_zero(database, database.verify)
    assert dump(database, database.book) == dump(database, database.verify)


def cut(database: Database, backend: int) -> None:
    with database.connect("owner", autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 10000)", (backend,))
