"""Verify finds what is not as it should be, and names it; a healthy book passes and stays as it is."""

from collections.abc import Callable

import pytest

from adapters import rebuild
from adapters.database import Database
from adapters.log import PostgresLog
from adapters.projectors import NAMES, Projectors
from adapters.rebuild import RebuildRunning, only_one
from adapters.verify import Report, verify
from tests.adapters.test_rebuild import Dump, dump, project, record
from tests.projections.story import story
from tests.system.generated import Told, tell


@pytest.fixture(scope="module")
def told() -> Told:
    return tell([])


@pytest.fixture
def live(database: Database, log: PostgresLog, told: Told) -> Dump:
    """A short story told to a house, with its live tables."""
    record(log, told.events)
    return project(database)


def wrong(report: Report) -> dict[str, str]:
    """What is wrong, by the name of its check."""
    return {check.name: check.wrong for check in report.checks if not check.ok}


def tamper(database: Database, statement: str) -> None:
    """As the owner, whom nothing stops."""
    with database.connect("owner") as connection:
        connection.execute(statement.format(house=database.house, book=database.book))


def left_over(database: Database) -> int:
    with database.connect("owner") as connection:
        row = connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = %s", (database.verify,)).fetchone()
    return int(row[0]) if row else 0


def test_a_healthy_book_passes_and_is_left_as_it_was(database: Database, live: Dump, told: Told) -> None:
    seen: list[tuple[int, int]] = []
    report = verify(database, lambda done, total: seen.append((done, total)))
    assert wrong(report) == {}
    assert report.ok
    head = len(told.events)
    assert report.positions == {"log": head, **dict.fromkeys(NAMES, head)}
    assert {f"table {name}" for name in live} < {check.name for check in report.checks}
    assert dump(database, database.book) == live
    assert left_over(database) == 0
    assert seen[-1] == ((len(NAMES) + 1) * head,) * 2


def test_a_story_with_every_kind_of_event_passes(database: Database, log: PostgresLog) -> None:
    record(log, story().log.events)
    project(database)
    assert wrong(verify(database)) == {}


def test_live_projectors_that_lag_are_compared_where_they_stand(
    database: Database, log: PostgresLog, told: Told
) -> None:
    record(log, told.events)
    with Projectors(database) as projectors:
        projectors.projectors["facts"].step(20)
        projectors.projectors["ledger"].step(15)
        projectors.projectors["audit_trail"].step(7)
    report = verify(database)
    assert wrong(report) == {}
    assert report.positions == {
        "log": len(told.events),
        "facts": 20,
        "ledger": 15,
        "audit_trail": 7,
        "agent_book": 0,
        "agenda": 0,
        "deal_board": 0,
        "payout_book": 0,
    }


def test_what_was_never_projected_is_said(database: Database, log: PostgresLog, told: Told) -> None:
    record(log, told.events)
    found = wrong(verify(database))
    assert found == {f"projection {n}": f"{n} was never projected; run `trailbook rebuild {n}`" for n in NAMES}


@pytest.mark.parametrize(
    ("statement", "name", "said"),
    [
        (
            "UPDATE {book}.journal SET amount_minor = amount_minor + 1 WHERE role = 1000 AND item_line = 1",
            "table journal",
            "should not be there",
        ),
        (
            "UPDATE {book}.journal SET amount_minor = amount_minor + 1 WHERE role = 1000 AND item_line = 1",
            "postings sum to zero",
            "sums to 1 USD (minor)",
        ),
        (
            "UPDATE {book}.journal SET amount_minor = amount_minor + 1 WHERE role = 1000 AND item_line = 1",
            "balances are the sums of the journal",
            "book 2 stands at",
        ),
        ("DELETE FROM {book}.balance WHERE book = 2", "table balance", "is missing"),
        ("DELETE FROM {book}.balance WHERE book = 2", "balances are the sums of the journal", "stands at None USD"),
        (
            "DELETE FROM {book}.audit_trail WHERE participant = 'agent:summit'",
            "table audit_trail",
            "(agent:summit,",
        ),
        ("INSERT INTO {book}.facts SELECT 99, position, 7, body FROM {book}.facts LIMIT 1", "table facts", "(99,"),
        ("DROP TABLE {book}.agent_book", "table agent_book", "table agent_book is missing"),
        (
            "UPDATE {book}.projection_position SET version = 7 WHERE name = 'facts'",
            "projection facts",
            "facts is of version 7, not ",
        ),
        (
            "UPDATE {book}.projection_position SET position = 9999 WHERE name = 'facts'",
            "projection facts",
            "facts stands at position 9,999, but the log ends at ",
        ),
        (
            "UPDATE {house}.house_events SET recorded_at = recorded_at - interval '1 day' WHERE notification_id = 12",
            "log time never goes backwards",
            "position 12 was recorded before",
        ),
        (
            "DELETE FROM {house}.house_events WHERE notification_id = 5",
            "log positions run from 1 without a gap",
            "position 6 comes after 4",
        ),
        (
            "UPDATE {house}.house_events SET originator_version = 5 WHERE notification_id = 12",
            "log streams run from version 1 without a gap",
            "has 2 events, of versions 2 to 5",
        ),
        ("UPDATE {house}.log_head SET position = 1000", "log head is the last event", "the head is at 1000"),
        (
            "UPDATE {house}.house_events SET state = state || ' '::bytea WHERE notification_id = 12",
            "log events read and write back",
            "position 12 (agent.recruited) would be written in other bytes today",
        ),
        (
            "UPDATE {house}.house_events SET topic = 'agent.forgotten' WHERE notification_id = 12",
            "log events read and write back",
            "position 12 (agent.forgotten) cannot be read: this release does not know agent.forgotten version 1",
        ),
    ],
)
def test_what_was_tampered_with_is_found_and_named(
    database: Database, live: Dump, statement: str, name: str, said: str
) -> None:
    tamper(database, statement)
    report = verify(database)
    assert not report.ok
    assert said in wrong(report)[name]
    assert left_over(database) == 0


def test_one_at_a_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "PLACE_WAIT", "50ms")
    with only_one(database), pytest.raises(RebuildRunning):
        verify(database)


def test_the_house_works_while_it_is_verified(database: Database, log: PostgresLog, told: Told) -> None:
    half = len(told.events) // 2
    record(log, told.events[:half])
    project(database)
    waiting: list[Callable[[], object]] = [lambda: project(database, 3)]
    with Projectors(database) as projectors:
        projectors.catch_up()

        def progress(done: int, total: int) -> None:
            if waiting:
                waiting.pop()()

        report = verify(database, progress)
    assert wrong(report) == {}
