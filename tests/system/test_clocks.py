"""Clocks that go back and forth, and machines in other time zones: the book goes by its own clock and its own days."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import psycopg
import pytest
from psycopg import sql

from adapters.database import Database
from adapters.verify import verify
from domain.agent import RecruitAgent
from domain.calendar import DayOpened
from domain.log import CommandResult
from domain.message import Actor, Issued, Recorded
from services.house import House
from services.queries import NotFound
from tests.own_server import Clock, OwnServer, eventually, own_server, server_with_clock
from tests.system.books import settings_of
from tests.system.program import TOP, Program
from tests.system.test_projectors_under_fire import dump
from tests.system.under_load import environment, ledger_position, runner

ANN = Actor(subject="ann")
BEFORE_MIDNIGHT = datetime(2026, 3, 31, 23, 30, tzinfo=UTC)
TWO_HOURS = timedelta(hours=2)
THE_31ST, THE_1ST, THE_2ND = date(2026, 3, 31), date(2026, 4, 1), date(2026, 4, 2)


@dataclass
class Watched:
    """A house on a server whose clock the test sets."""

    clock: Clock
    house: House
    recruited: int = 0

    def recruit(self) -> CommandResult:
        """Something to record."""
        self.recruited += 1
        return self.house.handle(Issued(f"c-{self.recruited}", ANN, RecruitAgent(agent=f"agent-{self.recruited}")))

    def events(self) -> list[Recorded]:
        return list(self.house.log.read(0, 1_000))

    def days(self) -> list[date]:
        return [e.event.effective_on for e in self.events() if isinstance(e.event, DayOpened)]

    def wait_for_rounds(self) -> None:
        """Until the runner has looked at the clock and the log, from now on."""
        for _ in range(2):  # the first may have been under way
            end = self.recruit().last_position
            eventually(lambda: ledger_position(self.house.database) >= end, f"the runner reaches {end}")  # noqa: B023


@pytest.fixture
def watched() -> Iterator[Watched]:
    with server_with_clock() as (server, clock):
        clock.set(BEFORE_MIDNIGHT)
        database = Database(server.url, "house")
        database.init()
        with House(settings_of(database), database) as house:
            house.projectors.catch_up()
            yield Watched(clock, house)


def test_given_a_clock_that_goes_two_hours_back_and_forth_then_positions_and_times_only_go_on(
    watched: Watched,
) -> None:
    watched.house.open_today()
    asked: list[tuple[datetime, int]] = []
    for offset in (timedelta(), TWO_HOURS, timedelta(), -TWO_HOURS, TWO_HOURS, timedelta(), 2 * TWO_HOURS):
        watched.clock.set(BEFORE_MIDNIGHT + offset)
        for _ in range(3):
            last = watched.recruit().last_position
            head = watched.house.log.head()
            assert head is not None
            asked.append((head.recorded_at, last))
            assert known_at(watched, head.recorded_at) == last

    events = watched.events()
    assert [e.position for e in events] == list(range(1, len(events) + 1))
    assert all(one.recorded_at < other.recorded_at for one, other in pairwise(events))
    assert [(at, known_at(watched, at)) for at, _ in asked] == asked, "an old answer stays the same for ever"
    assert [known_at(watched, at - timedelta(microseconds=1)) for at, _ in asked] == [last - 1 for _, last in asked]
    assert watched.days() == [THE_31ST]
    assert verify(watched.house.database).ok


def known_at(watched: Watched, at: datetime) -> int:
    return watched.house.queries().known_at(at.isoformat())


def test_given_a_time_that_has_not_come_by_the_logs_clock_then_nothing_is_known_at_it_yet(watched: Watched) -> None:
    watched.house.open_today()
    with pytest.raises(NotFound, match="has not come yet; by the log's clock it is 2026-03-31T23:30"):
        known_at(watched, BEFORE_MIDNIGHT + TWO_HOURS)

    watched.clock.set(BEFORE_MIDNIGHT + 2 * TWO_HOURS)
    assert known_at(watched, BEFORE_MIDNIGHT + TWO_HOURS) == 1


def test_given_a_clock_that_goes_back_over_midnight_then_the_runner_opens_each_day_once_and_never_one_that_has_passed(
    watched: Watched,
) -> None:
    with runner(watched.house.database) as run:
        eventually(lambda: watched.days() == [THE_31ST], "the runner opens the day")
        for at, days in (
            (BEFORE_MIDNIGHT + TWO_HOURS, [THE_31ST, THE_1ST]),
            (BEFORE_MIDNIGHT, [THE_31ST, THE_1ST]),
            (BEFORE_MIDNIGHT - TWO_HOURS, [THE_31ST, THE_1ST]),
            (BEFORE_MIDNIGHT + TWO_HOURS, [THE_31ST, THE_1ST]),
            (BEFORE_MIDNIGHT + timedelta(days=1), [THE_31ST, THE_1ST]),
            (BEFORE_MIDNIGHT + timedelta(days=1) + TWO_HOURS, [THE_31ST, THE_1ST, THE_2ND]),
            (BEFORE_MIDNIGHT + timedelta(days=1), [THE_31ST, THE_1ST, THE_2ND]),
        ):
            watched.clock.set(at)
            watched.wait_for_rounds()
            assert watched.days() == days
        assert run.is_alive()
        assert len(run.told("day opened")) == 3
        run.end()
    assert verify(watched.house.database).ok


def test_given_a_clock_that_was_ahead_when_the_last_event_was_recorded_then_today_is_the_logs_day(
    database: Database,
) -> None:
    """The same on any machine: what the log has seen of the clock is in its head."""
    ahead = datetime.now(UTC) + timedelta(days=400)
    with database.connect("owner") as connection:
        head = sql.Identifier(database.house, "log_head")
        connection.execute(sql.SQL("UPDATE {} SET recorded_at = %s").format(head), (ahead,))
    with House(settings_of(database), database) as house:
        assert house.open_today()
        assert not house.open_today()
        assert house.status()["open_day"] == str(ahead.date())


# -- time zones

ZONES = ("Pacific/Auckland", "UTC", "America/Los_Angeles")
MONTHS_END = datetime(2026, 3, 31, 18, 30, tzinfo=UTC)
"""April 1 in Auckland, March 31 in UTC and in Los Angeles."""


@pytest.fixture(scope="module")
def server() -> Iterator[OwnServer]:
    with own_server() as server:
        yield server


def set_timezone(server: OwnServer, zone: str) -> None:
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER SYSTEM SET timezone = {}").format(sql.Literal(zone)))
        connection.execute("SELECT pg_reload_conf()")

    def is_set() -> bool:
        with psycopg.connect(server.url) as connection:
            row = connection.execute("SHOW timezone").fetchone()
        return row == (zone,)

    eventually(is_set, f"the server is in {zone}")


def stored(database: Database) -> list[tuple[object, ...]]:
    with database.connect("reader") as connection:
        statement = sql.SQL(
            "SELECT notification_id, originator_id, originator_version, topic, state FROM {} ORDER BY notification_id"
        ).format(sql.Identifier(database.house, "house_events"))
        return connection.execute(statement).fetchall()


QUESTIONS = (
    ("ledger", "statement", "harbor", "--month", "2026-01", "--json"),
    ("ledger", "statement", "harbor", "--month", "2026-02", "--json"),
    ("ledger", "balances", "--known", "2026-01-31", "--json"),
    ("ledger", "balances", "--known", "2026-02-01", "--effective", "2026-01-31", "--json"),
    ("agent-book", "lumen/5-QXTR9941", "--known", "2026-01-31", "--json"),
)


def test_given_machines_and_servers_in_three_time_zones_then_a_months_end_gives_the_same_bytes(
    server: OwnServer,
) -> None:
    books = {}
    for number, zone in enumerate(ZONES):
        set_timezone(server, ZONES[number - 1])
        database = Database(server.url, f"house_{number}")
        database.init()
        program = Program(environment(database, TZ=zone, TRAILBOOK_TIMEZONE=ZONES[number - 2]))
        program.fine("do", TOP / "tests" / "system" / "scenarios" / "months_end.yaml")
        answers = [program.fine(*question).data for question in QUESTIONS]
        books[zone] = (stored(database), dump(database, database.book), answers)

    events, tables, answers = books.pop("UTC")
    assert len(events) > 20
    assert len(answers[0]["entries"]) == 2
    assert all(size for size, _ in (tables["facts"], tables["journal"], tables["audit_trail"]))
    for zone, book in books.items():
        assert book[0] == events, zone
        assert book[1] == tables | {"audit_trail": book[1]["audit_trail"]}, zone  # which shows when it was recorded
        assert book[2] == answers, zone


def test_given_machines_in_three_time_zones_then_the_day_that_is_opened_is_the_houses() -> None:
    with server_with_clock() as (server, clock):
        clock.set(MONTHS_END)
        for number, zone in enumerate(ZONES):
            database = Database(server.url, f"house_{number}")
            database.init()
            with House(settings_of(database), database) as house:
                for houses_zone, day in (("America/Los_Angeles", THE_31ST), ("Pacific/Auckland", THE_1ST)):
                    program = Program(environment(database, TZ=zone, TRAILBOOK_TIMEZONE=houses_zone))
                    assert program.run("run", "--once").code == 0
                    assert Watched(clock, house).days()[-1] == day
