"""A connection breaks in the middle of an append: one effect a command id, whatever the client got to hear."""

from collections.abc import Iterator
from datetime import date

import pytest

from adapters.database import Database, DatabaseUnavailable
from adapters.log import RECONNECTS, PostgresLog
from domain.calendar import OpenDay
from domain.log import CommandIdTaken, CommandResult, StreamMoved
from domain.message import Actor, Issued
from services.commands import CommandIdReused, Commands
from tests.adapters.events import DIGEST, new_event
from tests.adapters.proxy import Moment, Proxy
from tests.database import break_connections

ANN = Actor(subject="ann")


@pytest.fixture
def wire(database: Database) -> Iterator[Proxy]:
    with Proxy(database.url) as proxy:
        yield proxy


@pytest.fixture
def far_log(database: Database, wire: Proxy) -> Iterator[PostgresLog]:
    """The house's log, at the other end of a wire that can be cut."""
    with PostgresLog(Database(wire.url, database.house)) as log:
        yield log


def cut_off_again_and_again(far_log: PostgresLog, log: PostgresLog, wire: Proxy, moment: Moment, times: int) -> None:
    for number in range(1, times + 1):
        digest = f"{number:064}"
        wire.cut(digest, moment)

        result = far_log.append([new_event("a:1", number)], {"a:1": number - 1}, f"c-{number}", digest)

        assert wire.cuts_left == 0
        assert result == CommandResult(f"c-{number}", digest, number, number)
        assert log.result_of(f"c-{number}") == result
    assert [e.stream_version for e in log.read(0, 1000)] == list(range(1, times + 1))


@pytest.mark.parametrize("moment", ["before the answer", "before it arrives"])
def test_given_an_append_is_cut_off_then_it_has_one_effect_and_the_caller_hears_its_result(
    far_log: PostgresLog, log: PostgresLog, wire: Proxy, moment: Moment
) -> None:
    cut_off_again_and_again(far_log, log, wire, moment, times=10)


@pytest.mark.long
@pytest.mark.parametrize("moment", ["before the answer", "before it arrives"])
def test_given_a_hundred_appends_are_cut_off_then_each_has_one_effect(
    far_log: PostgresLog, log: PostgresLog, wire: Proxy, moment: Moment
) -> None:
    cut_off_again_and_again(far_log, log, wire, moment, times=100)


def test_given_a_cut_off_command_when_its_id_comes_again_then_it_gives_the_first_result(
    far_log: PostgresLog, log: PostgresLog, wire: Proxy
) -> None:
    issued = Issued("open-1", ANN, OpenDay(date=date(2026, 1, 5)))
    wire.cut(issued.digest(), "before the answer")

    first = Commands(far_log).handle(issued)

    assert Commands(log).handle(issued) == first
    assert len(log.read(0, 10)) == 1


def test_given_a_cut_off_command_when_its_id_comes_with_another_body_then_it_is_refused(
    far_log: PostgresLog, log: PostgresLog, wire: Proxy
) -> None:
    issued = Issued("open-1", ANN, OpenDay(date=date(2026, 1, 5)))
    wire.cut(issued.digest(), "before the answer")
    Commands(far_log).handle(issued)

    with pytest.raises(CommandIdReused):
        Commands(far_log).handle(Issued("open-1", ANN, OpenDay(date=date(2026, 1, 6))))


def test_given_an_append_that_never_arrives_when_another_writer_was_first_then_the_caller_hears_that(
    far_log: PostgresLog, log: PostgresLog, wire: Proxy
) -> None:
    first = log.append([new_event("a:1", 1)], {}, "c-1", DIGEST)
    wire.cut("e" * 64, "before it arrives", times=2)

    with pytest.raises(StreamMoved):
        far_log.append([new_event("a:1", 1)], {}, "c-2", "e" * 64)
    with pytest.raises(CommandIdTaken) as taken:
        far_log.append([new_event("a:1", 2)], {}, "c-1", "e" * 64)

    assert wire.cuts_left == 0
    assert taken.value.result == first


def test_given_a_wire_that_always_breaks_then_the_attempts_are_bounded_and_the_fault_is_said(
    far_log: PostgresLog, log: PostgresLog, wire: Proxy
) -> None:
    wire.cut(DIGEST, "before it arrives", times=1000)

    with pytest.raises(DatabaseUnavailable, match="again and again"):
        far_log.append([new_event("a:1", 1)], {}, "c-1", DIGEST)

    assert wire.cuts_left == 1000 - (RECONNECTS + 1)
    assert log.head() is None


def test_given_the_server_dropped_its_connections_then_reads_and_appends_go_on(
    log: PostgresLog, database: Database
) -> None:
    log.append([new_event("a:1", 1)], {}, "c-1", DIGEST)

    break_connections(database)
    assert len(log.load({"a:1": 0})) == 1
    break_connections(database)
    assert log.result_of("c-1") is not None
    break_connections(database)
    assert log.append([new_event("a:1", 2)], {}, "c-2", DIGEST).last_position == 2
