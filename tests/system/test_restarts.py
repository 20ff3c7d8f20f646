"""The database restarted under load: everything waits, goes on by itself, and no answer is lost or given twice."""

from collections.abc import Iterator, Sequence
from itertools import cycle, islice

import pytest

from adapters.database import Database
from tests.own_server import OwnServer, eventually, own_server
from tests.system.under_load import (
    ENDS_WITHIN_SECONDS,
    Person,
    Runner,
    Writer,
    assert_a_rebuild_gives_the_same_bytes,
    assert_each_is_recorded_once,
    assert_the_book_is_what_its_events_say,
    at_work,
    head,
    house_with_a_book,
    ledger_position,
    runner,
    wait_until_projected,
)


@pytest.fixture
def server() -> Iterator[OwnServer]:
    with own_server() as server:
        yield server


def end(server: OwnServer, how: str) -> None:
    if how == "kill":
        server.kill()
    else:
        server.stop("fast" if how == "fast" else "immediate")


def restart_under_load(server: OwnServer, times: int) -> None:
    database = house_with_a_book(server.url)
    with runner(database) as run:
        with at_work(database) as (writers, person):
            for restart, how in enumerate(islice(cycle(("kill", "immediate", "fast")), times)):
                wait_until_all_go_on(database, run, writers, person)
                end(server, how)
                if restart == 0:
                    eventually(lambda: bool(run.told("waiting")), "the runner says that it waits")
                server.start()
            wait_until_all_go_on(database, run, writers, person)
        wait_until_projected(database, run)

        assert run.end() < ENDS_WITHIN_SECONDS
        assert_every_change_was_told_once(run, times)
    acknowledged = {command_id: result for writer in writers for command_id, result in writer.acknowledged.items()}
    assert_each_is_recorded_once(database, acknowledged)
    assert_the_book_is_what_its_events_say(database)
    assert_a_rebuild_gives_the_same_bytes(database)


def wait_until_all_go_on(database: Database, run: Runner, writers: Sequence[Writer], person: Person) -> None:
    """Until every writer has new answers, the person as well, and the runner has come to where the log is now."""
    answered, asked, end = [len(writer.acknowledged) for writer in writers], len(person.said), head(database)

    def all_went_on() -> bool:
        for worker in (*writers, person):
            if not worker.is_alive:
                worker.end()
        return (
            all(len(writer.acknowledged) > before + 3 for writer, before in zip(writers, answered, strict=True))
            and sum(said.code == 0 for said in person.said[asked:]) > 1
            and ledger_position(database) >= end
            and len(run.told("going on")) == len(run.told("waiting"))
        )

    eventually(all_went_on, "everybody goes on")


def assert_every_change_was_told_once(run: Runner, times: int) -> None:
    changes = [line for line in run.lines if "] waiting" in line or "] going on" in line]
    assert 2 <= len(changes) <= 2 * times
    assert ["] waiting" in line for line in changes] == [True, False] * (len(changes) // 2), changes
    assert all("waits_for='the server'" in line for line in run.told("waiting"))


def test_given_a_server_restarted_under_load_then_all_go_on_by_themselves_and_each_answer_stands_once(
    server: OwnServer,
) -> None:
    restart_under_load(server, times=2)


@pytest.mark.long
def test_given_a_server_restarted_twenty_times_under_load_then_each_answer_stands_once(server: OwnServer) -> None:
    restart_under_load(server, times=20)
