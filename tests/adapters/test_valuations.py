"""Valuations beside a real ledger: whatever the workers, kills and live writes, the same rows; and the promotion posts
them as the ledger itself would.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from random import Random
from time import monotonic, sleep
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from psycopg import sql

from adapters import valuations
from adapters.database import Database
from adapters.log import PostgresLog
from adapters.pg_facts import PgFacts
from adapters.projectors import Projectors, head_of
from adapters.valuations import (
    PROMOTION_STEPS,
    Keeper,
    ReprojectionNotOpen,
    Valuation,
    ValuationFailed,
    ValuationRunning,
    stands,
    value,
)
from adapters.valuing import COLUMNS, Task, Worker, table_of, valuer
from adapters.workers import Pool, Range, partitions
from domain.log import NewEvent
from domain.message import Issued, Recorded
from domain.plan import Rule, Selector
from domain.rating.facts import AccountFacts
from domain.recipe import DropReprojection, PlanVersionRef, ProposeReprojection
from projections import alike
from services.commands import Commands
from tests.adapters.test_rebuild import STORY, grown, project
from tests.bench.book import ANN, Size, write
from tests.database import fresh_house
from tests.own_server import own_server
from tests.projections.test_valuation import give, promote, promotions, propose
from tests.system.generated import (
    PLAN_VERSIONS,
    STORIES,
    LateAccount,
    Letter,
    Line,
    MonthsPass,
    NewPlanVersion,
    NewUpline,
    Renewed,
    Statement,
    Story,
    Told,
    day,
    percent,
    tell,
)

SEED = 20_260_101
PATIENCE = 60.0

CUT = NewPlanVersion(
    "seller",
    False,
    0,
    (
        Rule(rule="usage", when=Selector(charge_kind="usage"), pay=percent("0.1")),
        Rule(rule="default", pay=percent("0.6")),
    ),
    (),
)
"""Not what the story's accounts are paid by: they earn by services."""

Rows = list[tuple[Any, ...]]


def rows_of(database: Database, valuation: Valuation) -> Rows:
    with database.connect("projector") as connection:
        statement = sql.SQL("SELECT {} FROM {} ORDER BY account_no").format(
            sql.SQL(", ").join(map(sql.Identifier, COLUMNS)),
            sql.Identifier(database.book, table_of(valuation.reprojection_no)),
        )
        return connection.execute(statement).fetchall()


def standing(database: Database, name: str) -> Valuation:
    with database.connect("projector") as connection:
        return next(v for v in valuations.stands(connection, database.book) if v.reprojection == name)


def valued(database: Database, name: str, workers: int = 1) -> Rows:
    """Valued from the start."""
    valuations.drop(database, name)
    value(database, name, workers)
    return rows_of(database, standing(database, name))


def record_after(log: PostgresLog, told: Told, position: int) -> int:
    """Record what the story has after a position; where it ends."""
    record(log, told.events[position:])
    return len(told.events)


def record(log: PostgresLog, events: Sequence[Recorded]) -> None:
    new = [NewEvent(e.stream_id, e.stream_version, e.event, e.envelope) for e in events]
    log.append(new, {}, f"story-{events[0].position}", "d" * 64)


def promoted_at(told: Told) -> int:
    return promotions(told)[-1][0]


# -- what a promotion posts


@pytest.fixture
def told() -> Told:
    told = tell(STORY)
    assert not propose(told, CUT)
    return told


@pytest.fixture
def live(database: Database, log: PostgresLog, told: Told) -> int:
    """The story with its proposal in a house, projected; where it ends."""
    end = record_after(log, told, 0)
    project(database)
    return end


def test_given_a_valuation_then_its_rows_are_the_same_for_any_number_of_workers(database: Database, live: int) -> None:
    rows = valued(database, "cut")
    assert len(rows) > 1
    for workers in (2, 3):
        assert valued(database, "cut", workers) == rows


def test_given_a_standing_valuation_when_promoted_then_the_rows_are_those_of_the_slow_path(
    database: Database, log: PostgresLog, told: Told, live: int
) -> None:
    value(database, "cut", 2)

    assert not promote(told)
    record_after(log, told, live)
    posted = project(database)

    assert standing(database, "cut").reason == f"promoted at position {promoted_at(told)}"
    assert len([row for row in posted["journal"] if row[0] == promoted_at(told)]) > 10
    assert posted == grown(database)


@pytest.mark.parametrize(
    "spoiled", ["none", "upto = upto - 1, standing = false", "ledger_version = 0", "facts_version = 0"]
)
def test_given_no_valuation_that_can_be_used_when_promoted_then_the_ledger_settles_by_itself(
    database: Database, log: PostgresLog, told: Told, live: int, spoiled: str
) -> None:
    if spoiled != "none":
        value(database, "cut")
        with database.connect("projector") as connection:
            connection.execute(f"UPDATE {database.book}.valuation SET {spoiled}")

    assert not promote(told)
    record_after(log, told, live)

    assert project(database) == grown(database)
    if spoiled != "none":
        assert "without it" in (standing(database, "cut").reason or "")


def test_given_a_valuation_whose_table_is_broken_when_promoted_then_the_ledger_settles_by_itself(
    database: Database, log: PostgresLog, told: Told, live: int
) -> None:
    value(database, "cut")
    table = f"{database.book}.{table_of(standing(database, 'cut').reprojection_no)}"
    with database.connect("projector") as connection:
        connection.execute(f"UPDATE {table} SET month = month[1:1] || array[null::int] || month[3:]")

    assert not promote(told)
    record_after(log, told, live)

    assert project(database) == grown(database)
    assert "without it" in (standing(database, "cut").reason or "")


def test_given_facts_that_came_after_the_valuation_when_promoted_then_they_are_in_what_is_posted(
    database: Database, log: PostgresLog, told: Told, live: int
) -> None:
    value(database, "cut")
    after = tell_on(told, Statement("lumen", (Line("5-1", "777"), Line("5-2", "18748", kind=1))))

    assert not promote(told)
    record_after(log, told, live)

    posted = project(database)
    assert standing(database, "cut").reason == f"promoted at position {promoted_at(told)}"
    assert posted == grown(database)
    assert after


def test_given_more_statements_than_steps_after_the_valuation_then_it_is_promoted_all_the_same(
    database: Database, log: PostgresLog, told: Told, live: int
) -> None:
    """Took a fault: each statement tells the house on which months it reports, and that ended a step."""
    value(database, "cut")
    tell_on(told, *(Statement("lumen", (Line("5-1", str(n)),)) for n in range(1, PROMOTION_STEPS + 6)))

    assert not promote(told)
    record_after(log, told, live)

    posted = project(database)
    assert standing(database, "cut").reason == f"promoted at position {promoted_at(told)}"
    assert posted == grown(database)


def tell_on(told: Told, *story: Any) -> int:
    """Go on with a story; how many events."""
    before = len(told.events)
    again = tell((*STORY, *story))
    known = {issued.command_id for issued in told.commands}
    told.simulation.run([issued for issued in again.commands if issued.command_id not in known])
    return len(told.events) - before


LATER = (
    MonthsPass(1),
    Statement("lumen", (Line("5-1", "18748", service="dia"), Line("5-2", "333.335"), Line("9-9", "700", kind=1))),
    Letter("A-1", (("summit", 60), ("harbor", 40)), month=0),
    NewPlanVersion("upline", False, 2, (Rule(rule="default", pay=percent("0.4")),), ()),
    NewUpline("harbor", "keystone", month=1),
    LateAccount(),
    Renewed("C-1", day(3)),
    Statement("zito", (Line("5-2", "1234.5"), Line("05-1", "-18748", kind=2))),
)


@pytest.mark.parametrize("at_a_time", [1, 3, 1_000])
def test_given_live_writes_when_the_valuation_follows_then_it_is_as_one_from_the_start(
    database: Database, log: PostgresLog, told: Told, live: int, at_a_time: int
) -> None:
    value(database, "cut")
    assert tell_on(told, *LATER) >= 8
    end = live
    with database.connect("projector", autocommit=True) as connection:
        keeper = Keeper(database, connection)
        while end < len(told.events):
            record(log, told.events[end : end + at_a_time])
            end = min(end + at_a_time, len(told.events))
            project(database)
            while keeper.step():
                pass
    followed, rows = standing(database, "cut"), rows_of(database, standing(database, "cut"))

    assert valued(database, "cut") == rows
    again = standing(database, "cut")
    assert (again.upto, again.lines, again.accounts) == (followed.upto, followed.lines, followed.accounts)
    assert again.upto == len(told.events)


def foretells_in_postgres(database: Database, log: PostgresLog, story: Story, version: NewPlanVersion) -> None:
    told = tell(story)
    if propose(told, version):
        return
    end = record_after(log, told, 0)
    project(database)
    value(database, "cut", 1)
    tell_after(told, story)
    promote(told)
    record_after(log, told, end)
    assert project(database) == grown(database)
    assert (standing(database, "cut").reason or "").startswith("promoted at position")
    assert "without" not in (standing(database, "cut").reason or "")


def tell_after(told: Told, story: Story) -> None:
    """One more month with a statement, after the valuation."""
    again = tell((*story, MonthsPass(1), Statement("lumen", (Line("5-1", "18748"), Line("5-2", "-1")))))
    known = {issued.command_id for issued in told.commands}
    told.simulation.run([issued for issued in again.commands if issued.command_id not in known])


def test_in_any_story_a_promotion_in_bulk_posts_what_the_slow_path_posts(database_url: str) -> None:
    @settings(max_examples=6, derandomize=True, deadline=None, database=None)
    @given(STORIES, PLAN_VERSIONS)
    def in_every_story(story: Story, version: NewPlanVersion) -> None:
        with fresh_house(database_url) as database, PostgresLog(database) as log:
            foretells_in_postgres(database, log, story, version)

    in_every_story()


# -- who may value what


def test_given_a_valuation_that_is_made_and_follows_then_nothing_that_is_live_has_changed(
    database: Database, log: PostgresLog, told: Told, live: int
) -> None:
    """What is not live records, pays and tells nothing: log, command ids and every live table stay as they are."""
    tell_on(told, *LATER)
    record_after(log, told, live)
    project(database)
    before = everything_live(database)

    value(database, "cut")
    with database.connect("projector", autocommit=True) as connection:
        while Keeper(database, connection).step():
            pass

    assert everything_live(database) == before


def everything_live(database: Database) -> dict[str, Any]:
    """A digest of each table of the house and of its book, those of valuations left out."""
    with database.connect("owner") as connection:
        tables = connection.execute(
            "SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname IN (%s, %s) "
            "AND tablename !~ '^valuation' ORDER BY 1",
            (database.house, database.book),
        ).fetchall()
        assert len(tables) > 15
        digest = "SELECT count(*), sum(hashtextextended(t::text, 0)::numeric) FROM {} AS t"
        return {
            name: connection.execute(sql.SQL(digest).format(sql.Identifier(*name.split(".")))).fetchone()
            for (name,) in tables
        }


def test_given_tables_of_another_layout_then_they_are_nobodys_and_valuing_makes_them_again(
    database: Database, live: int
) -> None:
    """Took a fault: a data directory of an earlier build made every question about reprojections fail."""
    rows = valued(database, "cut")
    with database.connect("projector", autocommit=True) as connection:
        connection.execute(f"ALTER TABLE {database.book}.valuation RENAME COLUMN lines TO facts")
        connection.execute(f"COMMENT ON TABLE {database.book}.valuation IS NULL")
        assert stands(connection, database.book) == []

    assert valued(database, "cut") == rows


def test_given_no_such_reprojection_then_valuing_says_so(database: Database, live: int) -> None:
    with pytest.raises(ReprojectionNotOpen, match="there is no reprojection 'other'"):
        value(database, "other")


def test_given_a_reprojection_that_is_over_then_there_is_nothing_to_value(
    database: Database, log: PostgresLog, told: Told, live: int
) -> None:
    assert not give(told, "dropped", DropReprojection(reprojection="cut"))
    record_after(log, told, live)
    with pytest.raises(ReprojectionNotOpen, match="cut is dropped"):
        value(database, "cut")


def test_given_a_reprojection_that_was_dropped_then_who_follows_it_drops_its_valuation(
    database: Database, log: PostgresLog, told: Told, live: int
) -> None:
    value(database, "cut")
    assert not give(told, "dropped", DropReprojection(reprojection="cut"))
    record_after(log, told, live)
    with database.connect("projector", autocommit=True) as connection:
        assert not Keeper(database, connection).step()
        assert valuations.stands(connection, database.book) == []
        assert connection.execute(f"SELECT FROM {database.book}.valuation_range").fetchall() == []


def test_given_a_valuation_that_was_promoted_then_who_follows_it_drops_its_table_and_keeps_what_became_of_it(
    database: Database, log: PostgresLog, told: Told, live: int
) -> None:
    value(database, "cut")
    table = f"{database.book}.{table_of(standing(database, 'cut').reprojection_no)}"
    assert not promote(told)
    record_after(log, told, live)
    with database.connect("projector", autocommit=True) as connection, database.connect("reader") as reading:
        keeper = Keeper(database, connection)
        keeper.step()
        assert connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() != (None,), "the ledger needs it yet"
        project(database)
        reading.execute(f"SELECT count(*) FROM {table}")
        keeper.step()
        assert connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() != (None,), "somebody reads it"
        reading.rollback()
        keeper.step()
        assert connection.execute("SELECT to_regclass(%s)", (table,)).fetchone() == (None,)
    assert standing(database, "cut").reason == f"promoted at position {promoted_at(told)}"


def test_given_a_promotion_while_it_is_valued_then_the_valuation_never_stands(
    database: Database, log: PostgresLog, told: Told, live: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Took a fault: it stood after its own promotion, and was followed to nothing."""
    ranges_done = Pool.run

    def promoted_meanwhile(pool: Pool, *arguments: Any) -> None:
        ranges_done(pool, *arguments)
        assert not promote(told)
        record_after(log, told, live)
        project(database)

    monkeypatch.setattr(Pool, "run", promoted_meanwhile)
    with pytest.raises(ValuationFailed, match=f"promoted at position {promoted_at_next(told)} without it"):
        value(database, "cut")
    assert not standing(database, "cut").standing
    assert project(database) == grown(database)


def promoted_at_next(told: Told) -> int:
    """Where the promotion will be: after the approval."""
    return len(told.events) + 2


def test_given_a_valuation_then_its_progress_is_told_in_lines(database: Database, live: int) -> None:
    heard: list[tuple[int, int]] = []
    value(database, "cut", 2, lambda done, total: heard.append((done, total)))
    lines = standing(database, "cut").lines
    assert heard[0] == (0, lines)
    assert heard[-1] == (lines, lines)
    assert sorted(heard) == heard


def test_given_a_reprojection_that_is_being_valued_then_a_second_process_is_told(
    database: Database, live: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valuations, "PLACE_WAIT", "100ms")
    with valuations._alone(database, "cut"), pytest.raises(ValuationRunning, match="being valued already"):
        value(database, "cut")


def test_given_a_valuation_begun_anew_then_a_worker_that_was_left_over_writes_nothing(
    database: Database, told: Told, live: int
) -> None:
    value(database, "cut")
    no = standing(database, "cut").reprojection_no
    worker = Worker(Task(database.conninfo("projector"), database.book, no, 1, live, []))
    with pytest.raises(LookupError, match="begun anew"):
        worker.load(Range(1, 2**60, 0))
    worker.close()


def test_given_an_account_that_cannot_be_valued_then_the_valuation_fails_and_says_why(
    database: Database, told: Told, live: int
) -> None:
    with database.connect("projector") as connection:
        connection.execute(
            f"INSERT INTO {database.book}.facts SELECT account_no, position, 99, '[\"strange\"]' "
            f"FROM {database.book}.facts WHERE account_no > 0 LIMIT 1"
        )
    with pytest.raises(ValuationFailed, match="strange"):
        value(database, "cut")


# -- killed


@pytest.fixture(scope="module")
def book(database_url: str) -> Iterator[Database]:
    """Some hundred accounts, and two reprojections."""
    with fresh_house(database_url) as database:
        fill(database)
        yield database


def fill(database: Database) -> None:
    write(database, Size(600, 18))
    with PostgresLog(database) as log:
        commands = Commands(log)
        for name, rate in (("cut", "0.5"), ("raise", "0.9")):
            propose_plan(commands, name, rate)
    with Projectors(database) as projectors:
        projectors.catch_up()


def propose_plan(commands: Commands, name: str, rate: str) -> None:
    plan = "seller" if name == "cut" else "upline"
    version = NewPlanVersion(plan, False, -60, (Rule(rule="default", pay=percent(rate)),), ())
    proposed = next(version.commands(_Fourth()))[0]  # type: ignore[arg-type]
    commands.handle(Issued(f"{name}-1", ANN, proposed, None))
    ref = PlanVersionRef(plan=plan, plan_version=4)
    proposal = ProposeReprojection(reprojection=name, plan_versions=(ref,), proposed_because="a test")
    commands.handle(Issued(f"{name}-2", ANN, proposal, None))


class _Fourth:
    """The generated book has three versions of each plan."""

    def __init__(self) -> None:
        self.versions = {"seller": 3, "upline": 3}


@pytest.mark.parametrize("remembered", [50_000, 1])
@pytest.mark.parametrize("name", ["cut", "raise", "release 2"])
def test_given_a_whole_book_then_line_by_line_is_cell_by_cell(
    book: Database, name: str, remembered: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alike, "REMEMBERED_KINDS", remembered)
    with book.connect("projector") as connection:
        upto = head_of(connection, book.house)
        change = (
            [("recipe", 1, 2, "release")]
            if name == "release 2"
            else valuations.proposal(connection, book.house, name).change
        )
        valuing = valuer(PgFacts(connection, book.book), change, upto)
        accounts = list(partitions(connection, book.book, Range(1, 2**60, 0), upto))
    differ = 0
    for account_no, facts in accounts:
        legs = valuing.value(account_no, facts).legs
        assert legs == list(valuing.cell_by_cell(AccountFacts.of(account_no, facts))), account_no
        differ += bool(legs)
    assert differ > 400 or name == "release 2"  # no two agents of this book are paid by one rule


PROGRAM = "import sys; from adapters.database import Database; from adapters.valuations import value; "
PROGRAM += "value(Database(sys.argv[1], sys.argv[2]), sys.argv[3], 2)"


def begin(database: Database, name: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, database.url, database.house, name],
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def left_to_do(database: Database, name: str) -> tuple[int, int]:
    """Ranges left, and all of them."""
    with database.connect("projector") as connection:
        row = connection.execute(
            f"SELECT count(*) FILTER (WHERE NOT done), count(*) FROM {database.book}.valuation_range AS one "
            f"JOIN {database.book}.valuation USING (reprojection_no) WHERE reprojection = %s",
            (name,),
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def wait_until_done(database: Database, ranges: int, process: subprocess.Popen[bytes]) -> None:
    """Until so many ranges are done; with none, until it is anywhere before that."""
    sleep(0.0 if ranges else 0.7)
    until = monotonic() + PATIENCE
    with database.connect("projector", autocommit=True) as connection:
        while process.poll() is None and monotonic() < until:
            exists = connection.execute("SELECT to_regclass(%s)", (f"{database.book}.valuation_range",)).fetchone()
            if exists and exists[0]:
                query = f"SELECT count(*) FROM {database.book}.valuation_range WHERE done"
                row = connection.execute(query).fetchone()
                if row and row[0] >= ranges:
                    return


def kill(process: subprocess.Popen[bytes], random: Random) -> None:
    """The parent, or one of its workers, whichever is there."""
    parent = psutil.Process(process.pid)
    try:
        victims = [parent, *parent.children(recursive=True)]
        random.choice(victims).kill()
    except psutil.NoSuchProcess:
        pass
    process.wait(PATIENCE)


def killed_again_and_again(database: Database, times: int) -> None:
    random = Random(SEED)
    fresh = valued(database, "cut")
    lines = standing(database, "cut").lines
    halfway = 0
    for _ in range(times):
        valuations.drop(database, "cut")
        for done in (random.randint(0, 2), random.randint(1, 4)):
            process = begin(database, "cut")
            wait_until_done(database, done, process)
            kill(process, random)
        left, ranges = left_to_do(database, "cut")
        halfway += 0 < left < ranges
        value(database, "cut", 2)
        assert rows_of(database, standing(database, "cut")) == fresh
        assert standing(database, "cut").lines == lines
    assert len(fresh) > 400
    assert halfway, "no kill came in the midst"


def test_given_a_valuation_killed_at_any_point_then_the_next_one_ends_with_the_same_rows(book: Database) -> None:
    killed_again_and_again(book, times=3)


@pytest.mark.long
def test_given_a_valuation_killed_thirty_times_then_each_time_it_ends_with_the_same_rows(book: Database) -> None:
    killed_again_and_again(book, times=30)


def test_given_two_valuations_at_once_then_each_is_as_if_it_were_alone(book: Database) -> None:
    alone = {name: valued(book, name) for name in ("cut", "raise")}
    assert alone["cut"] != alone["raise"]
    for name in alone:
        valuations.drop(book, name)
    processes = [begin(book, name) for name in alone]
    assert [process.wait(PATIENCE) for process in processes] == [0, 0]
    for name, rows in alone.items():
        assert rows_of(book, standing(book, name)) == rows


def test_given_a_server_that_is_killed_in_the_midst_then_the_next_valuation_goes_on() -> None:
    with own_server() as server:
        database = Database(server.url, "restarted")
        database.init()
        fill(database)
        fresh = valued(database, "cut")
        valuations.drop(database, "cut")
        process = begin(database, "cut")
        sleep(0.8)
        server.kill()
        process.wait(PATIENCE)
        server.start()
        value(database, "cut", 2)
        assert rows_of(database, standing(database, "cut")) == fresh
