"""A projection built again is, row for row, the one that grew event by event, and takes its place while all goes on."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from psycopg import sql

from adapters import rebuild as rebuilding
from adapters import tables
from adapters.bulk import Task, Worker, oid_of
from adapters.command_file import read_commands
from adapters.database import Database
from adapters.log import PostgresLog
from adapters.pg_facts import position_of
from adapters.projectors import LEDGER, NAMES, Poison, Projectors, RebuildNeeded, outdated, tables_of
from adapters.rebuild import ProjectionUnknown, RebuildFailed, RebuildRunning, only_one, rebuild
from adapters.workers import Range
from domain.log import NewEvent
from domain.message import Recorded, Refused
from domain.plan import Flat, MultipleOfMrcOnce, Override, OverridePercentOfCommission, PercentOfMrc, Rule, Selector
from projections import alike, ledger
from services.commands import Commands
from tests.bench.book import Size, write
from tests.system.generated import (
    Adjusted,
    Disconnected,
    Happening,
    LateAccount,
    Letter,
    Line,
    MoneyCame,
    MonthsPass,
    NewAgreement,
    NewPlanVersion,
    NewService,
    NewUpline,
    NumberEnded,
    NumberGiven,
    PayRun,
    Placement,
    Renewed,
    Repriced,
    Statement,
    Terminated,
    Told,
    day,
    percent,
    tell,
)

SCENARIOS = sorted((Path(__file__).parents[1] / "system" / "scenarios").glob("*.yaml"))

SPIFF = Rule(
    rule="spiff",
    pay=MultipleOfMrcOnce(
        kind="multiple-of-mrc-once", multiple=Decimal(2), clawback_within_days=90, clawback_rate=Decimal("0.5")
    ),
)
BY_MONTH = Rule(
    rule="voice", when=Selector(category="voice"), pay=PercentOfMrc(kind="percent-of-mrc", rate=Decimal("0.12"))
)
A_FLAT = Rule(rule="usage", when=Selector(charge_kind="usage"), pay=Flat(kind="flat", amount_minor=333))
TEAM = Override(rule="team", pay=OverridePercentOfCommission(kind="percent-of-commission", rate=Decimal("0.333")))


def lumen(*lines: Line) -> Statement:
    return Statement("lumen", lines)


STORY: tuple[Happening, ...] = (
    NewPlanVersion("seller", False, 0, (SPIFF, BY_MONTH, A_FLAT, Rule(rule="default", pay=percent("0.7"))), ()),
    NewService("C-1", "voip", "A-1", "ucaas", 9999, day(0, 2)),
    NewService("C-2", "voip", "A-2", "ucaas", 12345, day(0, 20)),
    MonthsPass(1),
    lumen(Line("5-1", "18748", service="dia"), Line("5-1", "333.335", service="voip"), Line("9-9", "700", kind=1)),
    Statement("zito", (Line("5-2", "1234.5"), Line("05-1", "-18748", kind=2))),
    PayRun("settled", returned="keystone"),
    Letter("A-1", (("delta", 60), ("harbor", 40)), month=-1),
    MonthsPass(1),
    lumen(Line("5-1", "10.01", month=-2), Line("9-9", "-499"), Line("5-2", "18748", month=99)),
    Placement("lumen", "9-9", "A-1", month=0, keep_alias=True),
    NewUpline("delta", "summit", month=0),
    NewPlanVersion("upline", False, 1, (Rule(rule="default", pay=percent("0.9")),), (TEAM,)),
    Disconnected("C-1", "voip", day(2, 5)),
    Letter("A-1", (("keystone", 1),), month=1, service="dia", stays=3),
    MonthsPass(1),
    lumen(Line("5-1", "1"), Line("9-9", "18748"), Line("5-1", "18748", kind=3, service="dia")),
    Adjusted("harbor", 2500, "approved", "A-1", 1),
    Adjusted("delta", -400, "reversed"),
    PayRun("released"),
    LateAccount(),
    NumberGiven("A-2", "lumen", "5-1", month=2),
    Repriced("C-1", "dia", 12345, day(1)),
    Renewed("C-1", day(2)),
    NewAgreement("harbor", "upline", month=1),
    Terminated("delta", 1, evergreen=False),
    Letter("A-2", (("summit", 1), ("delta", 1)), month=-2),
    MonthsPass(2),
    NumberEnded("A-2", "lumen", "5-1", month=3),
    Statement("zito", (Line("5-2", "-0.5"), Line("5-1", "1000", month=-2))),
    lumen(Line("5-1", "-1"), Line("5-2", "1000"), Line("05-1", "18748", month=0)),
    Placement("zito", "05-1", "A-2", month=None, keep_alias=False),
    MoneyCame("lumen", 30000),
    PayRun("settled", returned="harbor"),
)

Dump = dict[str, list[tuple[Any, ...]]]


def dump(database: Database, schema: str, names: Iterable[str] = NAMES) -> Dump:
    """Every row of every table, in order of the primary key."""
    with database.connect("owner") as connection:
        return {
            table.name: connection.execute(
                sql.SQL("SELECT * FROM {} ORDER BY {}").format(
                    sql.Identifier(schema, table.name), sql.SQL(", ").join(map(sql.Identifier, table.key))
                )
            ).fetchall()
            for name in names
            for table in tables_of(name)
        }


def keys(database: Database) -> list[tuple[Any, ...]]:
    """The definitions of all indexes and of what each role may do with the tables, in the live schema."""
    with database.connect("owner") as connection:
        return connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE schemaname = %(book)s UNION ALL "
            "SELECT relname || relacl::text FROM pg_class WHERE relnamespace = to_regnamespace(%(book)s)::oid "
            "AND relkind = 'r' UNION ALL "
            "SELECT relname || attname || col_description(c.oid, attnum) FROM pg_class c JOIN pg_attribute a "
            "ON attrelid = c.oid AND attnum > 0 AND relkind = 'r' "
            "WHERE relnamespace = to_regnamespace(%(book)s)::oid ORDER BY 1",
            {"book": database.book},
        ).fetchall()


def record(log: PostgresLog, events: Sequence[Recorded]) -> None:
    log.append([NewEvent(e.stream_id, e.stream_version, e.event, e.envelope) for e in events], {}, "story", "d" * 64)


def grown(database: Database, batch: int = 1_000) -> Dump:
    """All tables grown event by event beside the live ones."""
    with database.connect("projector") as connection:
        rebuilding.clear(connection, database.verify)
    with Projectors(database, database.verify) as projectors:
        projectors.catch_up(batch)
    return dump(database, database.verify)


def project(database: Database, batch: int = 1_000) -> Dump:
    """The live tables, caught up."""
    with Projectors(database) as projectors:
        projectors.catch_up(batch)
    return dump(database, database.book)


@pytest.fixture(scope="module")
def told() -> Told:
    return tell(STORY)


@pytest.fixture
def live(database: Database, log: PostgresLog, told: Told) -> Dump:
    """The story told to a house, with its live tables."""
    record(log, told.events)
    return project(database)


def test_the_story_is_rich_enough(told: Told) -> None:
    refused = [refusal["id"] for refusal in told.simulation.refusals]
    assert len(told.commands) - len(refused) > 80
    topics = {recorded.event.topic for recorded in told.events}
    assert {"payout.returned", "suspense.placement_approved", "agent.terminated", "contract.renewed"} <= topics
    journal = told.simulation.book.tables.content["journal"]
    assert {row[3] for row in journal} == {0, 1, 2, 3, ledger.ADJUSTMENT_KIND, ledger.CASH_KIND}
    assert len(journal) > 150


# -- equal, row for row


@pytest.mark.parametrize("batch", [1, 7, 1_000])
def test_the_ledger_grown_event_by_event_is_the_same_in_batches_of_any_size(
    database: Database, live: Dump, told: Told, batch: int
) -> None:
    assert grown(database, batch) == live
    in_memory = told.simulation.book.tables.content["journal"]
    assert sorted(live["journal"]) == sorted(in_memory)


def test_a_ledger_built_in_bulk_by_any_number_of_workers_is_the_live_one(database: Database, live: Dump) -> None:
    described = keys(database)
    for workers in (1, 2, 3):
        rebuild(database, LEDGER, workers)
        assert dump(database, database.book) == live
        assert keys(database) == described


@pytest.mark.parametrize("name", [name for name in NAMES if name != LEDGER])
def test_every_other_projection_built_again_is_the_live_one(database: Database, live: Dump, name: str) -> None:
    described = keys(database)
    rebuild(database, name)
    assert dump(database, database.book) == live
    assert keys(database) == described


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_the_analysts_stories_built_again_are_the_same(database: Database, log: PostgresLog, path: Path) -> None:
    commands = Commands(log)
    for issued in read_commands(path):
        try:
            commands.handle(issued)
        except Refused:
            continue
    live = project(database)
    rebuild(database, LEDGER, 1)
    assert dump(database, database.book) == live


def test_a_generated_book_built_again_is_the_same(database: Database) -> None:
    write(database, Size(accounts=60, months=8))
    live = project(database)
    rebuild(database, "facts")
    rebuild(database, LEDGER, 2)
    assert dump(database, database.book) == live
    assert len(live["journal"]) > 4 * 60 * 8


@pytest.mark.parametrize("remembered", [50_000, 1])
def test_lines_of_a_generated_book_are_posted_at_once_and_are_those_posted_one_by_one(
    database: Database, remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alike, "REMEMBERED_KINDS", remembered)
    write(database, Size(accounts=60, months=14))
    project(database)
    worker = Worker(Task(database.conninfo("projector"), database.book, database.book_next, 0, 2**62))
    accounts = list(worker._accounts(Range(1, 2**60, 0)))
    settled = Mock(wraps=ledger.settle)
    monkeypatch.setattr(ledger, "settle", settled)

    def posted() -> list[tuple[int, list[tuple[Any, ...]]]]:
        settled.reset_mock()
        return [(no, sorted((*of, *legs) for *of, legs in worker.poster.post(no, facts))) for no, facts in accounts]

    at_once = posted()
    assert settled.call_count < 50
    monkeypatch.setattr(ledger.Poster, "_lines", lambda *_: None)
    assert posted() == at_once
    assert settled.call_count > 800
    worker.close()


# -- whatever state the live tables are in


def test_tables_of_another_version_are_replaced(database: Database, live: Dump) -> None:
    with database.connect("owner") as connection:
        connection.execute(f"UPDATE {database.book}.projection_position SET version = 0, position = 5")
        connection.execute(f"ALTER TABLE {database.book}.journal DROP COLUMN leg CASCADE")
        connection.execute(f"DROP TABLE {database.book}.facts_day")
    with pytest.raises(RebuildNeeded):
        Projectors(database)
    for name in NAMES:
        rebuild(database, name, 1)
    assert project(database) == live


def test_facts_of_another_version_are_built_again_before_the_ledger_that_is_posted_from_them(
    database: Database, live: Dump
) -> None:
    with database.connect("projector") as connection:
        assert outdated(connection, database.book) == []
    with database.connect("owner") as connection:
        connection.execute(
            f"UPDATE {database.book}.projection_position SET version = 0 WHERE name IN ('facts', 'agenda')"
        )
    with database.connect("projector") as connection:
        assert outdated(connection, database.book) == ["facts", "agenda", "ledger"]


def test_a_ledger_is_not_built_from_facts_of_another_version(database: Database, live: Dump) -> None:
    with database.connect("owner") as connection:
        connection.execute(f"UPDATE {database.book}.projection_position SET version = 0 WHERE name = 'facts'")
    with pytest.raises(RebuildNeeded, match="trailbook rebuild facts"):
        rebuild(database, LEDGER)


def test_tables_that_never_were_are_made(database: Database, log: PostgresLog, told: Told) -> None:
    record(log, told.events)
    for name in NAMES:
        assert rebuild(database, name, 1) == len(told.events)
    assert dump(database, database.book) == grown(database)


def test_an_empty_house_is_rebuilt(database: Database) -> None:
    for name in NAMES:
        assert rebuild(database, name, 2) == 0


def test_what_is_not_a_projection_is_not_rebuilt(database: Database) -> None:
    with pytest.raises(ProjectionUnknown):
        rebuild(database, "ledgers")


# -- while the house works


def once(do: Callable[[], None]) -> Callable[[int, int], None]:
    """Progress that does something in the middle of the first report, and nothing afterwards."""
    waiting = [do]

    def progress(done: int, total: int) -> None:
        if waiting:
            waiting.pop()()

    return progress


@pytest.mark.parametrize("name", ["facts", "audit_trail", LEDGER])
def test_what_is_recorded_during_a_rebuild_is_in_its_result(
    database: Database, log: PostgresLog, told: Told, name: str
) -> None:
    half = len(told.events) * 2 // 3
    record(log, told.events[:half])
    project(database)
    with Projectors(database) as projectors:

        def work() -> None:
            rest = [NewEvent(e.stream_id, e.stream_version, e.event, e.envelope) for e in told.events[half:]]
            log.append(rest, {}, "rest", "d" * 64)
            projectors.catch_up(7)
            assert len(dump(database, database.book)["journal"]) > 0

        assert rebuild(database, name, 2, once(work)) == len(told.events)
        assert dump(database, database.book) == grown(database)


def test_a_live_projector_goes_on_in_the_new_tables(database: Database, log: PostgresLog, told: Told) -> None:
    half = len(told.events) // 2
    record(log, told.events[:half])
    with Projectors(database) as projectors:
        projectors.catch_up(7)
        for name in NAMES:
            rebuild(database, name, 1)
        rest = [NewEvent(e.stream_id, e.stream_version, e.event, e.envelope) for e in told.events[half:]]
        log.append(rest, {}, "rest", "d" * 64)
        projectors.catch_up(7)
    assert dump(database, database.book) == grown(database)


def test_live_tables_in_use_are_waited_for_and_left_alone(
    database: Database, live: Dump, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "SWAP_ATTEMPTS", 2)
    monkeypatch.setattr(rebuilding, "SWAP_WAIT", "50ms")
    with database.connect("reader") as reader:
        reader.execute(f"SELECT FROM {database.book}.journal LIMIT 1")
        with pytest.raises(RebuildFailed, match="in use"):
            rebuild(database, LEDGER, 1)
    assert dump(database, database.book) == live
    rebuild(database, LEDGER, 1)
    assert dump(database, database.book) == live


def test_one_rebuild_at_a_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuilding, "PLACE_WAIT", "50ms")
    with only_one(database), pytest.raises(RebuildRunning):
        rebuild(database, "facts")


# -- what goes wrong


def test_a_worker_whose_parent_was_killed_writes_nothing_into_the_next_rebuild(database: Database, live: Dump) -> None:
    with database.connect("projector") as connection:
        tables.create(connection, database.book_next, ledger.tables, indexed=False)
        journal_oid = oid_of(connection, database.book_next, "journal")
    everything = Range(-(2**60), 2**60, 0)
    conninfo, upto = database.conninfo("projector"), len_of_log(database)
    for oid, rows in ((journal_oid, len(live["journal"])), (journal_oid + 1, 0)):
        worker = Worker(Task(conninfo, database.book, database.book_next, oid, upto))
        if rows:
            assert worker.load(everything)["rows"] == rows
        else:
            with pytest.raises(LookupError):
                worker.load(everything)


def test_a_fact_that_rating_does_not_know_stops_the_rebuild_with_its_account(database: Database, live: Dump) -> None:
    with database.connect("owner") as connection:
        connection.execute(f"""INSERT INTO {database.book}.facts VALUES (25, 26, 0, '["rumour"]')""")
    with pytest.raises(RebuildFailed, match="account 25: KeyError: 'rumour'"):
        rebuild(database, LEDGER, 2)
    after = dump(database, database.book, [LEDGER])
    assert after == {name: live[name] for name in after}


def test_an_event_that_cannot_be_projected_stops_the_rebuild(database: Database, live: Dump) -> None:
    with database.connect("owner") as connection:
        connection.execute(f"UPDATE {database.house}.house_events SET state = '[]' WHERE notification_id = 9")
    with pytest.raises(Poison, match="position 9"):
        rebuild(database, "agent_book")
    assert dump(database, database.book) == live


KILLED = """
import sys
from adapters.database import Database
from adapters.rebuild import rebuild

rebuild(Database(sys.argv[1], sys.argv[2]), sys.argv[3], 2, lambda done, total: print(done, total, flush=True))
print("done", flush=True)
"""


@pytest.mark.parametrize("reports", [1, 6, 12])
def test_a_killed_rebuild_changes_nothing_and_the_next_one_succeeds(
    database: Database, live: Dump, reports: int
) -> None:
    child = [sys.executable, "-c", KILLED, database.url, database.house, LEDGER]
    with subprocess.Popen(child, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(reports):
            line = process.stdout.readline()
            if line.strip() == "done":
                break
        process.send_signal(signal.SIGKILL)
    assert dump(database, database.book) == live
    assert rebuild(database, LEDGER, 2) == len_of_log(database)
    assert dump(database, database.book) == live


def len_of_log(database: Database) -> int:
    with database.connect("owner") as connection:
        return position_of(connection, database.book, "facts")
