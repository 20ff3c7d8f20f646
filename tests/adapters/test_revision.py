"""Differences found in the database are those found in memory, byte by byte."""

from collections.abc import Sequence
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.revision import compare
from adapters.spool import Spool
from adapters.spooled_statement import SpooledStatement
from domain.message import Issued, state_bytes
from domain.money import half_away
from domain.vendor_statement import BYTES_PER_EVENT, ReceiveStatement, StatementLine
from services.commands import Commands
from tests.adapters.sources import Lines
from tests.database import break_connections
from tests.spec import ANN, DAY, LUMEN, actor, given

STREAM = "vendor-statement:lumen:2026-02"
SEED = 20_090_401


def line(number: int, account: str = "A", commission: int | str = 100, **stated: Any) -> StatementLine:
    return StatementLine(line=number, account=account, commission_minor=Decimal(commission), **stated)


def command(revision: int, lines: Sequence[StatementLine]) -> ReceiveStatement:
    return ReceiveStatement(
        vendor="lumen",
        number="2026-02",
        revision=revision,
        statement_month="2026-02",
        control_total_minor=half_away(sum((one.commission_minor for one in lines), Decimal(0))),
        lines=tuple(lines),
    )


def in_memory(files: Sequence[Sequence[StatementLine]]) -> list[bytes]:
    house = given()
    for number, one in enumerate(LUMEN):
        house.commands.handle(Issued(f"v-{number}", actor(ANN), one))
    for revision, lines in enumerate(files):
        house.commands.handle(Issued(f"c-{revision}", actor(ANN), command(revision, lines)))
    return [state_bytes(r.event, r.envelope) for r in house.log.events if r.stream_id == STREAM]


def in_the_database(log: PostgresLog, files: Sequence[Sequence[StatementLine]], chunk: int = 500) -> list[bytes]:
    commands = Commands(log)
    commands.open_day(DAY, actor(ANN))
    for number, one in enumerate(LUMEN):
        commands.handle(Issued(f"v-{number}", actor(ANN), one))
    for revision, lines in enumerate(files):
        without = command(revision, lines).model_copy(update={"lines": ()})
        with Spool() as spool:
            spooled = SpooledStatement(log, spool)
            spooled.read(Lines(lines, chunk=chunk), "lumen", "2026-02", lag_months=1)
            commands.handle_apart(Issued(f"c-{revision}", actor(ANN), without), spooled)
    return [bytes(row.state) for rows in log.history_raw(STREAM, 10_000) for row in rows]


def by_commands(log: PostgresLog, files: Sequence[Sequence[StatementLine]]) -> list[bytes]:
    """By somebody who remembers nothing, with the lines in the commands."""
    Commands(log).open_day(DAY, actor(ANN))
    for number, one in enumerate(LUMEN):
        Commands(log).handle(Issued(f"v-{number}", actor(ANN), one))
    for revision, lines in enumerate(files):
        Commands(log).handle(Issued(f"c-{revision}", actor(ANN), command(revision, lines)))
    return [bytes(row.state) for rows in log.history_raw(STREAM, 10_000) for row in rows]


def chance_lines(random: Random) -> list[StatementLine]:
    """Few different lines, so that many are alike, under numbers of any script."""
    accounts = ("A", "B", "a", "Ä-1", "\U0001f4de 7", "A B", "Z", "é", "\uff21")
    lines = []
    for number in range(1, random.randrange(1, 40)):
        stated = {"service_month": "2025-11"} if random.random() < 0.2 else {}
        lines.append(line(number, random.choice(accounts), random.choice((1, "0.5", -3)), **stated))
    return lines


@pytest.mark.parametrize("story", range(8))
def test_revisions_of_a_file_give_the_bytes_that_commands_with_their_lines_give(log: PostgresLog, story: int) -> None:
    random = Random(SEED + story)
    files = [chance_lines(random) for _ in range(5)]
    files.insert(3, files[2])
    assert in_the_database(log, files, chunk=7) == in_memory(files)


def test_a_revision_of_many_lines_gives_the_same_bytes_too(log: PostgresLog) -> None:
    first = [line(n, f"A-{n:05}") for n in range(1, 2503)]
    second = [line(n, f"A-{n:05}", 101 if n % 2 else 100) for n in range(1, 2503)]
    wide = [line(n, "\U0001f4de" * 120, n, service="\U0001f4de" * 120) for n in range(1, 700)]
    files = [first, second, [], wide, first]

    stored = in_the_database(log, files)

    assert stored == in_memory(files)
    assert max(map(len, stored)) <= BYTES_PER_EVENT


def test_a_revision_by_a_command_is_compared_with_the_whole_history_of_the_statement(log: PostgresLog) -> None:
    first = [line(n, f"A-{n:05}") for n in range(1, 1203)]
    files = [first, first[:-1], [*first, line(2000)], first]
    assert by_commands(log, files) == in_memory(files)


def test_a_comparison_whose_connection_breaks_begins_again(log: PostgresLog, database: Database) -> None:
    in_the_database(log, [[line(1), line(2, "B")]])

    class Breaking(list[bytes]):
        def __iter__(self) -> Any:
            if not self.pop():
                break_connections(database)
            yield b'[{"account":"A","commission_minor":100,"line":1}]'

    with compare(log, STREAM, 1, Breaking([b"again", b""])) as found:
        assert (found.withdrawn_count, found.added_count, found.event_count) == (2, 1, 1)
