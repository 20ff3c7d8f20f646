"""Valuations among processes that wait, fail, vanish or go on: nobody waits for what need not be waited for."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest

from adapters import valuations
from adapters.database import Database, DatabaseUnavailable
from adapters.log import PostgresLog
from adapters.projectors import Projectors
from adapters.valuations import Keeper, ValuationFailed, drop, value
from adapters.valuing import table_of
from domain.recipe import DropReprojection
from tests.adapters.test_rebuild import STORY, grown, project
from tests.adapters.test_valuations import CUT, record, record_after, standing, tell_on
from tests.own_server import eventually
from tests.projections.test_valuation import give, promote, propose
from tests.system.at_once import TOGETHER_SECONDS
from tests.system.generated import Line, Statement, Told, tell


@pytest.fixture
def told() -> Told:
    told = tell(STORY)
    assert not propose(told, CUT)
    return told


@pytest.fixture
def live(database: Database, log: PostgresLog, told: Told) -> int:
    """The story with its proposal in a house, projected and valued; where it ends."""
    end = record_after(log, told, 0)
    project(database)
    value(database, "cut", 1)
    return end


class Going:
    """Something that is done in a thread of its own, and may have to wait."""

    def __init__(self, task: Callable[[], object]) -> None:
        self._fault: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(task,), daemon=True)
        self._thread.start()

    def _run(self, task: Callable[[], object]) -> None:
        try:
            task()
        except BaseException as fault:
            self._fault = fault

    def ends(self) -> None:
        """Raises what it raised."""
        self._thread.join(TOGETHER_SECONDS)
        assert not self._thread.is_alive(), "it waits for ever"
        if self._fault is not None:
            raise self._fault


def waits(database: Database) -> bool:
    """Whether a projector's connection waits for a lock."""
    with database.connect("owner", autocommit=True) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'",
            (f"trailbook {database.house} projector",),
        ).fetchone()
    return row is not None and row[0] > 0


@contextmanager
def reader(database: Database) -> Iterator[psycopg.Connection]:
    """Somebody who reads the valuation's differences, and takes time for it."""
    table = f"{database.book}.{table_of(standing(database, 'cut').reprojection_no)}"
    with database.connect("reader") as connection:
        connection.execute(f"SELECT count(*) FROM {table}")
        yield connection


def all_go_on(database: Database, log: PostgresLog, told: Told, live: int) -> None:
    """A statement comes, the ledger reaches it, and the keeper has its round, without waiting for anybody."""
    assert tell_on(told, Statement("lumen", (Line("5-1", "777"),)))
    record_after(log, told, live)
    Going(lambda: project(database)).ends()
    with database.connect("projector", autocommit=True) as connection:
        Going(Keeper(database, connection).step).ends()


# -- who waits for whom


def test_given_a_reader_of_a_valuation_when_it_is_dropped_then_only_who_drops_it_waits(
    database: Database, log: PostgresLog, told: Told, live: int
) -> None:
    with reader(database) as reading:
        dropping = Going(lambda: drop(database, "cut"))
        eventually(lambda: waits(database), "who drops it waits for the reader")
        all_go_on(database, log, told, live)
        reading.rollback()
        dropping.ends()


def test_given_a_reader_of_an_old_valuation_when_it_is_valued_anew_then_only_who_values_waits(
    database: Database, log: PostgresLog, told: Told, live: int
) -> None:
    with database.connect("projector") as connection:
        connection.execute(f"UPDATE {database.book}.valuation SET ledger_version = 0")
    with reader(database) as reading:
        valuing = Going(lambda: value(database, "cut", 1))
        eventually(lambda: waits(database), "who values waits for the reader")
        all_go_on(database, log, told, live)
        reading.rollback()
        valuing.ends()
    assert standing(database, "cut").standing


def test_given_a_keeper_in_the_midst_of_a_step_when_its_valuation_is_dropped_then_both_come_to_their_end(
    database: Database, live: int
) -> None:
    no = standing(database, "cut").reprojection_no
    with database.connect("projector") as keeping:
        valuations._held(keeping, database.book, no)
        dropping = Going(lambda: drop(database, "cut"))
        eventually(lambda: waits(database), "who drops it waits for the keeper")
        keeping.execute(f"DELETE FROM {database.book}.{table_of(no)}")
        keeping.commit()
        dropping.ends()
    with database.connect("projector") as connection:
        assert valuations.stands(connection, database.book) == []


def test_given_a_keeper_that_hangs_when_promoted_then_the_ledger_settles_by_itself(
    database: Database, log: PostgresLog, told: Told, live: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that was stopped in the midst of a step, or whose machine is gone, holds its lock for long."""
    monkeypatch.setattr(valuations, "PROMOTION_WAIT", "100ms", raising=False)
    assert not promote(told)
    record_after(log, told, live)
    with database.connect("projector") as hanging:
        valuations._held(hanging, database.book, standing(database, "cut").reprojection_no)
        Going(lambda: project(database)).ends()
    assert project(database) == grown(database)
    with database.connect("projector", autocommit=True) as connection:
        keeper = Keeper(database, connection)
        while keeper.step():
            pass
    late = standing(database, "cut")
    assert not late.standing
    assert late.reason is not None
    assert late.reason.endswith(" without it: it was held by somebody else at the time")


def test_given_a_ledger_that_never_rests_then_valuing_ends_at_where_it_was(
    database: Database, log: PostgresLog, told: Told, live: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tell_on(told, *(Statement("lumen", (Line("5-1", str(cents)),)) for cents in range(100, 140)))
    follow, at = Keeper.follow, [live]

    def with_another_event(self: Keeper, *arguments: int) -> int:
        if at[0] < len(told.events):
            record(log, told.events[at[0] : at[0] + 1])
            at[0] += 1
            project(database)
        return follow(self, *arguments)

    monkeypatch.setattr(Keeper, "follow", with_another_event)
    value(database, "cut", 1)
    assert at[0] < len(told.events) - 10


# -- what fails


def test_given_a_valuation_whose_table_is_gone_then_the_keeper_gives_it_up_and_says_why(
    database: Database, log: PostgresLog, told: Told, live: int
) -> None:
    with database.connect("projector") as connection:
        connection.execute(f"DROP TABLE {database.book}.{table_of(standing(database, 'cut').reprojection_no)}")
    all_go_on(database, log, told, live)
    assert not standing(database, "cut").standing
    assert "does not exist" in (standing(database, "cut").reason or "")


def test_given_a_valuation_that_is_dropped_while_it_is_made_then_that_is_said(
    database: Database, live: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    drop(database, "cut")
    load = valuations._load

    def dropped_first(*arguments: object) -> None:
        drop(database, "cut")
        load(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(valuations, "_load", dropped_first)
    with pytest.raises(ValuationFailed, match="it was dropped"):
        value(database, "cut", 1)


def test_given_somebody_killed_between_the_drop_and_the_tables_then_the_keeper_removes_them(
    database: Database, log: PostgresLog, told: Told, live: int
) -> None:
    assert not give(told, "dropped", DropReprojection(reprojection="cut"))
    record_after(log, told, live)
    project(database)
    with database.connect("projector", autocommit=True) as connection:
        Keeper(database, connection).step()
        assert valuations.stands(connection, database.book) == []
    with Projectors(database):
        pass


def test_given_a_server_without_room_when_promoted_then_the_ledger_waits_and_posts_from_the_valuation(
    database: Database, log: PostgresLog, told: Told, live: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not promote(told)
    record_after(log, told, live)

    def full(*_: object) -> None:
        raise psycopg.errors.DiskFull

    with monkeypatch.context() as without_room:
        without_room.setattr(valuations, "promote_rows", full)
        with pytest.raises(DatabaseUnavailable):
            project(database)
    assert project(database) == grown(database)
    assert "without" not in (standing(database, "cut").reason or "")
