"""Projectors over a log in PostgreSQL: where they begin, where they end, and what they take for poison."""

from datetime import date

import pytest

from adapters.database import Database, DatabaseUnavailable
from adapters.log import PostgresLog
from adapters.pg_facts import position_of
from adapters.projectors import NAMES, Poison, Projectors, head_of, positions
from adapters.tables import PgTables
from domain.calendar import OpenDay
from domain.message import Actor, Issued
from services.commands import Commands

DAYS = 5


def test_over_an_empty_log_every_projector_stays_where_it_is(database: Database) -> None:
    """An end of 0 was taken for no end at all, and the projectors ran on through positions that nobody had recorded."""
    with Projectors(database) as projectors:
        assert projectors.step(batch=5) == 0
        assert projectors.catch_up() == 0
        assert [position_of(projectors.connection, database.book, name) for name in NAMES] == [0] * len(NAMES)


# -- what befalls the server, and what is the event's fault


def record_days(log: PostgresLog, first: int = 1) -> None:
    commands = Commands(log)
    for day in range(first, first + DAYS):
        commands.handle(Issued(f"c-{day}", Actor(subject="ann"), OpenDay(date=date(2026, 1, day))))


def poisoned(database: Database) -> list[str]:
    with database.connect("reader") as connection:
        return [row["name"] for row in positions(connection, database.book) if row["poison_position"]]


def fail_on_flush(patched: pytest.MonkeyPatch, sqlstate: str) -> None:
    """The server itself fails a statement with this SQLSTATE."""
    flush = PgTables.flush

    def failing(tables: PgTables) -> None:
        if tables.pending_rows:
            tables.connection.execute(
                f"DO $$ BEGIN RAISE SQLSTATE '{sqlstate}' USING MESSAGE = 'so be it'; END $$".encode()
            )
        flush(tables)

    patched.setattr(PgTables, "flush", failing)


@pytest.mark.parametrize(
    ("sqlstate", "waits_for"),
    [
        ("53100", "room on its disk"),
        ("53200", "memory"),
        ("53300", "a free connection"),
        ("53400", "its resources"),
        ("57014", "a statement that is not cancelled"),
        ("58030", "its disk"),
        ("25006", "a server that takes writes"),
        ("40P01", "the server"),
        ("55P03", "the server"),
    ],
)
def test_given_a_fault_of_the_server_then_no_event_is_to_blame_and_projection_goes_on_when_it_is_over(
    database: Database, log: PostgresLog, monkeypatch: pytest.MonkeyPatch, sqlstate: str, waits_for: str
) -> None:
    record_days(log)
    with Projectors(database) as projectors:
        with monkeypatch.context() as patched:
            fail_on_flush(patched, sqlstate)
            with pytest.raises(DatabaseUnavailable, match="says: so be it; ") as fault:
                projectors.catch_up()
        assert fault.value.waits_for == waits_for
        assert poisoned(database) == []
        assert projectors.catch_up() == DAYS


def test_given_a_process_out_of_memory_then_no_event_is_to_blame(
    database: Database, log: PostgresLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was taken for what a projection cannot process."""
    record_days(log)
    with Projectors(database) as projectors:
        with monkeypatch.context() as patched:
            patched.setattr("projections.facts.project", _out_of_memory)
            with pytest.raises(MemoryError):
                projectors.catch_up()
        assert poisoned(database) == []
        assert projectors.catch_up() == DAYS


def _out_of_memory(*_: object) -> object:
    raise MemoryError


def test_given_rows_that_no_disk_and_no_memory_could_hold_then_it_is_the_events_fault(
    database: Database, log: PostgresLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key too long for its index is an OperationalError like a full disk; waiting would not have helped."""
    record_days(log)
    fail_on_flush(monkeypatch, "54000")
    with Projectors(database) as projectors, pytest.raises(Poison, match="stopped at position 1: ProgramLimitExceeded"):
        projectors.catch_up()


# -- to the end and no further


def test_given_a_log_that_grows_while_a_reader_catches_up_then_the_reader_comes_to_an_end(
    database: Database, log: PostgresLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under load a person's question was never answered: there was always one more position to project."""
    record_days(log)
    advance, first = Projectors.advance, [DAYS]

    def advance_and_grow(projectors: Projectors, batch: int, upto: int | None, names: list[str]) -> object:
        first[0] += 1
        Commands(log).handle(Issued(f"c-{first[0]}", Actor(subject="ann"), OpenDay(date=date(2026, 1, first[0]))))
        return advance(projectors, batch, upto, names)

    monkeypatch.setattr(Projectors, "advance", advance_and_grow)
    with Projectors(database) as projectors:
        assert projectors.catch_up() == DAYS
        assert head_of(projectors.connection, database.house) > DAYS


def test_given_a_view_that_stops_then_all_others_are_brought_to_the_end_before_that_is_said(
    database: Database, log: PostgresLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step was all that the others had; a reader of the ledger saw it behind."""
    record_days(log)
    with Projectors(database) as projectors:
        monkeypatch.setattr("projections.agent_book.project", _cannot)
        with pytest.raises(Poison, match="projector agent_book stopped at position 1"):
            projectors.catch_up(batch=1)
        stand = {name: position_of(projectors.connection, database.book, name) for name in NAMES}
    assert stand == dict.fromkeys(NAMES, DAYS) | {"agent_book": 0}


def _cannot(*_: object) -> object:
    raise KeyError("no such agent")
