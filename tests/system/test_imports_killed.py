"""Imports by the real program that are killed at any point: whole or not at all, and the next try succeeds."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random
from time import monotonic, sleep

import psycopg
import pytest

from adapters.database import Database
from adapters.settings import Settings
from adapters.statement_file import open_statement, read_mapping
from domain.ids import statement_stream
from domain.message import Issued
from services.house import House
from services.imports import Wanted, import_statement
from tests.spec import ANN, DAY, LUMEN, actor
from tests.system.program import PROGRAM, TOP, Program

SEED = 20_090_401
LINES = 60_000
PATIENCE = 60
MOMENTS = ("reading", "COPY pg_temp%", "%append_staged%", "COMMIT%")
"""What the import's connection is at when the process is killed, and up to some tenths of a second later."""


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    with House(Settings.from_environment({"TRAILBOOK_DATABASE_URL": database.url}), database) as house:
        house.commands.open_day(DAY, actor(ANN))
        for number, command in enumerate(LUMEN):
            house.handle(Issued(f"command-{number}", actor(ANN), command))
        yield house


def statement_file(folder: Path, number: int) -> Path:
    path = folder / f"lumen-{number}.csv"
    rows = (f"2026-02,Lumen,5-{line:07},{line % 397}.{line % 89:02}\n" for line in range(number, number + LINES))
    header = "Commission Run Month,Imported Supplier Name,Supplier ID,Commission Amount\n"
    path.write_text(header + "".join(rows))
    return path


def kill_an_import(database: Database, file: Path, moment: str, delay: float) -> None:
    """Start the program and kill it when it is at the moment, if it comes to it."""
    program = Program({"TRAILBOOK_DATABASE_URL": database.url, "TRAILBOOK_HOUSE": database.house})
    arguments = [sys.executable, "-c", PROGRAM, "import", "statement", str(file), "--vendor", "lumen", "--by", ANN]
    with database.connect("owner", autocommit=True) as watching:
        ours = {row[0] for row in watching.execute("SELECT pid FROM pg_stat_activity")}
        process = subprocess.Popen(
            arguments,
            env=program.whole_environment(),
            cwd=TOP,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(watching, database, ours, moment, process)
            sleep(delay)
        finally:
            process.kill()
            process.wait(PATIENCE)
        wait_until_gone(watching, database, ours)


def wait_for(
    watching: psycopg.Connection, database: Database, ours: set[int], moment: str, process: subprocess.Popen[bytes]
) -> None:
    until = monotonic() + PATIENCE
    while process.poll() is None and monotonic() < until:
        rows = watching.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND (%s = 'reading' OR query LIKE %s)",
            (f"trailbook {database.house} writer", moment, moment),
        ).fetchall()
        if any(pid not in ours for (pid,) in rows):
            return
        sleep(0.001)


def wait_until_gone(watching: psycopg.Connection, database: Database, ours: set[int]) -> None:
    """Until the server has ended what the killed process had begun."""
    until = monotonic() + PATIENCE
    query = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE %s"
    while any(pid not in ours for (pid,) in watching.execute(query, (f"trailbook {database.house} %",))):
        assert monotonic() < until, "the server goes on with what nobody waits for"
        sleep(0.01)


def lines_of(house: House, file: Path) -> list[int]:
    """The number of lines in each event of the statement, none if it is not in the log."""
    query = (
        "SELECT json_array_length(convert_from(state, 'UTF8')::json -> 'event' -> 'lines') "
        f"FROM {house.database.house}.house_events WHERE originator_id = %s ORDER BY originator_version"
    )
    with house.database.connect("reader") as connection:
        return [lines for (lines,) in connection.execute(query, (statement_stream("lumen", file.stem),))]


def killed_again_and_again(house: House, folder: Path, times: int) -> None:
    random = Random(SEED)
    came_through = 0
    for number in range(1, times + 1):
        file = statement_file(folder, number)
        moment = MOMENTS[number % len(MOMENTS)]
        kill_an_import(house.database, file, moment, random.choice((0, 0, 0.003, 0.02, 0.1, 0.3)))

        found = lines_of(house, file)
        assert found in ([], [500] * (LINES // 500)), f"half an import after a kill at {moment}"
        came_through += bool(found)
        source = open_statement(file, read_mapping(None), "USD")
        wanted = Wanted(file_name=file.name, vendor="lumen", number=file.stem)
        imported = import_statement(house, source, wanted, actor(ANN))

        assert imported.again == bool(found)
        assert lines_of(house, file) == [500] * (LINES // 500)
        file.unlink()
    assert temporary_tables(house.database) == 0
    assert came_through < times, "no kill came before the commit"


def temporary_tables(database: Database) -> int:
    with database.connect("owner") as connection:
        row = connection.execute("SELECT count(*) FROM pg_class WHERE relname = 'staged_events'").fetchone()
    return int(row[0]) if row else -1


def test_given_imports_killed_at_any_point_then_each_is_whole_or_not_at_all(house: House, tmp_path: Path) -> None:
    killed_again_and_again(house, tmp_path, times=4)


@pytest.mark.long
def test_given_forty_imports_killed_at_any_point_then_each_is_whole_or_not_at_all(house: House, tmp_path: Path) -> None:
    killed_again_and_again(house, tmp_path, times=40)
