"""Reprojection by processes that are killed at any point: each time it goes on to what an undisturbed one comes to, and
the ledger is what its events say.
"""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from random import Random
from time import sleep

import psutil
import pytest

from adapters import valuations
from adapters.database import Database
from adapters.log import PostgresLog
from adapters.projectors import Projectors
from adapters.valuations import value
from adapters.verify import verify
from domain.message import Command, Issued
from domain.plan import Rule
from domain.recipe import (
    ApproveReprojection,
    PlanVersionRef,
    PromoteReprojection,
    ProposeReprojection,
    UndoReprojection,
)
from domain.vendor_statement import ReceiveStatement, StatementLine
from services.commands import Commands
from tests.adapters.test_valuations import rows_of, standing, valued
from tests.bench.book import ANN, BOB, Size, write
from tests.database import fresh_house
from tests.own_server import eventually
from tests.system.generated import NewPlanVersion, percent
from tests.system.program import PROGRAM, TOP, Program
from tests.system.under_load import environment, head, ledger_position, runner

SEED = 20_261_122
PATIENCE = 60.0
SIZE = Size(300, 12)


class Operations:
    """Who gives the commands of reprojections to one house, and does not project what comes of them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.log = PostgresLog(database)
        self.commands = Commands(self.log)
        self.versions = {"seller": 3, "upline": 3}
        self.given = 0

    def give(self, command: Command, by: object = ANN) -> None:
        self.given += 1
        self.commands.handle(Issued(f"operations-{self.given}", by, command, None))  # type: ignore[arg-type]

    def propose(self, name: str, rate: str, plan: str = "seller") -> None:
        version = NewPlanVersion(plan, False, -60, (Rule(rule="default", pay=percent(rate)),), ())
        self.give(next(version.commands(self))[0])  # type: ignore[arg-type]
        ref = PlanVersionRef(plan=plan, plan_version=self.versions[plan])
        self.give(ProposeReprojection(reprojection=name, plan_versions=(ref,), proposed_because="a test"))
        self.project()

    def publish(self, rate: str, plan: str) -> None:
        """A version that counts at once, which concerns whoever is on the plan."""
        version = NewPlanVersion(plan, False, -60, (Rule(rule="default", pay=percent(rate)),), ())
        proposal, publication = version.commands(self)  # type: ignore[arg-type]
        self.give(proposal[0])
        self.give(publication[0], BOB)

    def undo(self, name: str, undoes: str) -> None:
        self.give(UndoReprojection(reprojection=name, undoes=undoes, proposed_because="a test"))
        self.project()

    def promote(self, name: str) -> None:
        self.give(ApproveReprojection(reprojection=name), BOB)
        self.give(PromoteReprojection(reprojection=name))

    def statement(self, number: str, account: str, minor: int = 12_345) -> None:
        line = StatementLine(line=1, account=account, commission_minor=Decimal(minor))
        self.give(
            ReceiveStatement(
                vendor="lumen", number=number, statement_month="2022-01", control_total_minor=minor, lines=(line,)
            )
        )

    def project(self) -> None:
        with Projectors(self.database) as projectors:
            projectors.catch_up()


@pytest.fixture(scope="module")
def operations(database_url: str) -> Iterator[Operations]:
    with fresh_house(database_url) as database:
        write(database, SIZE)
        operations = Operations(database)
        operations.project()
        yield operations
        operations.log.close()


def begin(database: Database, *arguments: str) -> "subprocess.Popen[bytes]":
    """A process of the program."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=Program(environment(database)).whole_environment(),
        cwd=TOP,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill(process: "subprocess.Popen[bytes]", random: Random | None = None) -> None:
    """SIGKILL for it, or for it or one of its workers, whichever is there."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        victims = [parent, *parent.children(recursive=True)]
        (random.choice(victims) if random else parent).kill()
    process.wait(PATIENCE)


def does(database: Database, like: str) -> bool:
    """Whether a projector's connection is at such a statement."""
    with database.connect("owner", autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND state = 'active' AND query LIKE %s",
            (f"trailbook {database.house} projector", like),
        ).fetchone()
    return row is not None and row[0] > 0


def posted_in_bulk(database: Database, name: str) -> bool:
    reason = standing(database, name).reason or ""
    return reason.startswith("promoted at position") and "without" not in reason


def killed_while_it_is_proposed(operations: Operations, times: int) -> None:
    database, random = operations.database, Random(SEED)
    name = f"proposed-{operations.given}"
    operations.propose(name, "0.5")
    fresh = valued(database, name)
    for _ in range(times):
        valuations.drop(database, name)
        for _ in range(2):
            process = begin(database, "reproject", "propose", name, "--workers", "2")
            sleep(random.uniform(0.8, 3.0))
            kill(process, random)
        assert begin(database, "reproject", "propose", name).wait(PATIENCE) == 0
        assert rows_of(database, standing(database, name)) == fresh


def killed_while_it_keeps_up(operations: Operations, times: int) -> None:
    """Statements, and now and then a change in the house, while one runner after the other is killed."""
    database, random = operations.database, Random(SEED)
    name = f"kept-{operations.given}"
    operations.propose(name, "0.45")
    value(database, name)
    for turn in range(times):
        with runner(database) as run:
            for number in range(random.randint(3, 30)):
                operations.statement(f"{name}-{turn}-{number}", f"5-{random.randint(0, 299):07}")
            if turn % 3 == 0:
                operations.publish(f"0.{random.randint(1, 9)}", "upline")
            sleep(random.uniform(0, 2.5))
            run.process.kill()
    with runner(database) as run:
        end = head(database)
        eventually(lambda: standing(database, name).upto >= end, "the runner keeps it up")
        assert run.end() < PATIENCE
    assert rows_of(database, standing(database, name)) == valued(database, name)


def killed_while_it_is_promoted(operations: Operations, times: int, attempts: int = 3) -> int:
    """How many were killed at the insert itself."""
    database, random = operations.database, Random(SEED)
    inserting = 0
    for turn in range(times):
        name = f"promoted-{operations.given}"
        operations.propose(name, f"0.{random.randint(30, 70)}")
        value(database, name)
        operations.promote(name)
        for attempt in range(attempts):
            before = ledger_position(database)
            process = begin(database, "ledger", "balances")
            if attempt:
                sleep(random.uniform(0.5, 1.5))
            else:
                while process.poll() is None and not does(database, "%INSERT INTO%journal%unnest%"):
                    pass
                inserting += process.poll() is None
            kill(process)
            assert ledger_position(database) in (before, head(database)), "all of it or nothing"
        assert begin(database, "ledger", "balances").wait(PATIENCE) == 0
        assert posted_in_bulk(database, name), standing(database, name).reason
        if turn % 2:
            operations.undo(f"{name}-undone", name)
            value(database, f"{name}-undone")
            operations.promote(f"{name}-undone")
            operations.project()
    assert verify(database).ok
    return inserting


def test_given_a_projector_killed_at_the_insert_of_a_promotion_then_the_next_one_posts_it_whole(
    operations: Operations,
) -> None:
    assert killed_while_it_is_promoted(operations, times=1, attempts=1)


@pytest.mark.long
def test_given_projectors_killed_at_promotions_and_undoings_then_each_is_posted_whole(operations: Operations) -> None:
    assert killed_while_it_is_promoted(operations, times=8) > 2


@pytest.mark.long
def test_given_a_proposal_killed_again_and_again_then_it_is_valued_as_if_undisturbed(operations: Operations) -> None:
    killed_while_it_is_proposed(operations, times=8)


@pytest.mark.long
def test_given_a_runner_killed_while_it_keeps_up_then_the_valuation_is_as_one_from_the_start(
    operations: Operations,
) -> None:
    killed_while_it_keeps_up(operations, times=10)
