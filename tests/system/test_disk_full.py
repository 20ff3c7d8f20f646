"""A disk that fills up below a house at work: nothing answered is lost, and all resumes when there is room."""

import json
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from adapters.database import Database, DatabaseUnavailable
from domain.ids import statement_stream
from domain.log import CommandResult
from domain.message import Actor, Issued
from domain.vendor_statement import ReceiveStatement, StatementLine
from services.house import House
from tests.own_server import OwnServer, SmallDisk, eventually, own_server, small_disk
from tests.system.books import settings_of
from tests.system.program import Program
from tests.system.under_load import (
    ENDS_WITHIN_SECONDS,
    MONTHS,
    Runner,
    assert_each_is_recorded_once,
    assert_the_book_is_what_its_events_say,
    environment,
    house_with_a_book,
    record_a_book,
    runner,
    wait_until_projected,
)

ANN = Actor(subject="ann")
LINES = 200
ENOUGH = 400
"""So many statements fill any disk of these tests."""
KIBIBYTE = 1_024


@pytest.fixture
def disk() -> Iterator[SmallDisk]:
    with small_disk(200) as disk:
        yield disk


def statement(number: int) -> Issued:
    lines = tuple(
        StatementLine(line=line, account=f"9-{number}-{line % 50}", commission_minor=Decimal(100 + line))
        for line in range(1, LINES + 1)
    )
    command = ReceiveStatement(
        vendor="lumen",
        number=f"S-{number}",
        statement_month=MONTHS[number % len(MONTHS)],
        control_total_minor=sum(int(line.commission_minor) for line in lines),
        lines=lines,
    )
    return Issued(f"statement-{number}", ANN, command)


def give_until_refused(database: Database) -> tuple[dict[str, CommandResult], Issued, str]:
    """What was answered, the command that was not, and the sentence."""
    answered: dict[str, CommandResult] = {}
    with House(settings_of(database), database) as house:
        for number in count():
            issued = statement(number)
            try:
                answered[issued.command_id] = house.handle(issued)
            except DatabaseUnavailable as told:
                return answered, issued, str(told)
            assert number < ENOUGH, "the disk does not fill up"
    raise AssertionError


def command_file(folder: Path, issued: Issued) -> Path:
    path = folder / "commands.jsonl"
    fields = issued.command.model_dump(mode="json", exclude_defaults=True)
    path.write_text(json.dumps({"id": issued.command_id, "by": "ann", "do": issued.command.do, **fields}) + "\n")
    return path


def restart_as_a_supervisor_would(server: OwnServer) -> None:
    if not server.is_running():
        server.start()


def assert_all_goes_on(database: Database, run: Runner, answered: dict[str, CommandResult], refused: Issued) -> None:
    """With room again: the same id has one effect, the runner comes to the end by itself, and nothing is lost."""
    with House(settings_of(database), database) as house:
        answered[refused.command_id] = house.handle(refused)
    wait_until_projected(database, run)
    eventually(lambda: len(run.told("going on")) == len(run.told("waiting")), "the runner says that it goes on")
    assert not run.told("projection stopped")
    assert run.end() < ENDS_WITHIN_SECONDS
    assert_each_is_recorded_once(database, answered)
    assert_the_book_is_what_its_events_say(database)


def test_given_a_full_disk_below_the_whole_server_then_commands_are_refused_and_all_resumes_when_there_is_room(
    disk: SmallDisk, tmp_path: Path
) -> None:
    with own_server(pgdata=disk.folder("data")) as server:
        database = house_with_a_book(server.url)
        with runner(database) as run:
            wait_until_projected(database, run)
            disk.fill(leave_bytes=200 * KIBIBYTE)

            answered, refused, told = give_until_refused(database)
            assert "its disk is full: make room there, then try again; nothing recorded is lost" in told
            assert "its disk is full" in Program(environment(database)).wrong(1, "do", command_file(tmp_path, refused))

            disk.make_room()
            restart_as_a_supervisor_would(server)
            assert_all_goes_on(database, run, answered, refused)


def test_given_a_full_disk_below_the_projections_then_commands_are_recorded_and_the_runner_waits_for_room(
    disk: SmallDisk,
) -> None:
    with own_server() as server:
        database = Database(server.url, "house")
        database.init()
        with psycopg.connect(server.url, autocommit=True) as connection:
            connection.execute(f"CREATE TABLESPACE small LOCATION '{disk.folder('projections')}'".encode())
            connection.execute("GRANT CREATE ON TABLESPACE small TO PUBLIC")
            connection.execute("ALTER DATABASE postgres SET default_tablespace = small")
        house_with_a_book(server.url)
        program = Program(environment(database))
        with runner(database) as run:
            wait_until_projected(database, run)
            disk.fill()
            answered = {}
            with House(settings_of(database), database) as house:
                for number in range(5):
                    issued = statement(number)
                    answered[issued.command_id] = house.handle(issued)
            eventually(lambda: bool(run.told("waiting")), "the runner waits")
            assert "waits_for='room on its disk'" in run.told("waiting")[0]
            said = program.run("status", "--json")
            assert (said.code, said.data["ok"]) == (0, True), "a full disk is not an event's fault"
            told = program.wrong(1, "ledger", "balances")
            assert "its disk is full: make room there, then try again" in told

            disk.make_room()
            assert_all_goes_on(database, run, answered, statement(5))
            assert len(run.told("waiting")) == 1


@pytest.mark.long
def test_given_a_full_disk_below_the_servers_own_log_then_the_server_dies_of_it_and_all_goes_on_when_it_is_back(
    disk: SmallDisk,
) -> None:
    """PostgreSQL panics when it cannot write ahead, and cannot recover without room; a supervisor starts it again."""
    with own_server(["--waldir", str(disk.folder("wal"))]) as server:
        with psycopg.connect(server.url, autocommit=True) as connection:
            # what fills this disk in practice: a copy that nobody reads any more
            connection.execute("SELECT pg_create_physical_replication_slot('abandoned', true)")
        database = house_with_a_book(server.url)
        with runner(database) as run:
            wait_until_projected(database, run)
            disk.fill(leave_bytes=500 * KIBIBYTE)
            answered, refused, told = give_until_refused(database)
            assert "\n" not in told
            eventually(lambda: not server.is_running(), "the server ends")
            assert "No space left on device" in server.said
            eventually(lambda: bool(run.told("waiting")), "the runner waits")

            disk.make_room()
            restart_as_a_supervisor_would(server)
            with psycopg.connect(server.url, autocommit=True) as connection:
                connection.execute("SELECT pg_drop_replication_slot('abandoned')")
            assert_all_goes_on(database, run, answered, refused)


# -- imports


def statement_file(folder: Path, lines: int) -> Path:
    path = folder / "LU-2026-06.csv"
    rows = (f"2026-06,Lumen,5-{line:07},{line % 397}.{line % 89:02}\n" for line in range(lines))
    path.write_text("Commission Run Month,Imported Supplier Name,Supplier ID,Commission Amount\n" + "".join(rows))
    return path


def events_of(database: Database, file: Path) -> int:
    with database.connect("reader") as connection:
        statement = sql.SQL("SELECT count(*) FROM {}.house_events WHERE originator_id = %s")
        row = connection.execute(
            statement.format(sql.Identifier(database.house)), (statement_stream("lumen", file.stem),)
        ).fetchone()
    return int(row[0]) if row else -1


def import_while_room_grows(disk: SmallDisk, folder: Path, lines: int, rooms_kibibytes: Iterable[int]) -> str:
    """Import a file with more and more room, until it is recorded; what the server said meanwhile."""
    file = statement_file(folder, lines)
    arguments = ("import", "statement", file, "--vendor", "lumen")
    with own_server(pgdata=disk.folder("data")) as server:
        database = house_with_a_book(server.url)
        program = Program(environment(database))
        for kibibytes in rooms_kibibytes:
            disk.fill(leave_bytes=kibibytes * KIBIBYTE)
            told = program.wrong(1, *arguments)
            disk.make_room()
            assert "its disk is full: make room there, then try again; nothing recorded is lost" in told
            if told.startswith("the commands are recorded, but "):
                break
            assert events_of(database, file) == 0

        assert f"{lines:,} lines" in program.fine(*arguments).told
        assert events_of(database, file) == lines // 500
        assert_the_book_is_what_its_events_say(database)
        return server.said


def test_given_a_full_disk_while_a_file_is_imported_then_nothing_of_it_is_recorded_until_there_is_room(
    disk: SmallDisk, tmp_path: Path
) -> None:
    assert "No space left on device" in import_while_room_grows(disk, tmp_path, 3_000, [0])


@pytest.mark.long
def test_given_a_disk_that_fills_up_at_any_stage_of_an_import_then_nothing_of_the_file_is_recorded_until_there_is_room(
    disk: SmallDisk, tmp_path: Path
) -> None:
    """While lines are staged, while they are moved into the log, and when they are recorded and to be projected."""
    said = import_while_room_grows(disk, tmp_path, 30_000, range(0, 4_000, 250))
    for stage in ("COPY pg_temp.staged_events", "append_staged(", '"facts"'):
        assert stage in said


def test_given_no_room_for_temporary_files_on_the_importing_machine_then_that_is_said_and_nothing_is_recorded(
    disk: SmallDisk, database: Database, tmp_path: Path
) -> None:
    record_a_book(database)
    disk.fill(leave_bytes=100 * KIBIBYTE)
    file = statement_file(tmp_path, 30_000)
    program = Program(environment(database, TMPDIR=str(disk.path)))

    told = program.wrong(1, "import", "statement", file, "--vendor", "lumen")

    assert told == f"{disk.path} has no room for the lines of a file: make room there or set TMPDIR, then import again"
    assert events_of(database, file) == 0
