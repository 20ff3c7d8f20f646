"""What is to be published next, read from a real database: however it is cut, the same messages in the same order."""

import os
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from psycopg import sql

from adapters import outgoing
from adapters.database import Database, DatabaseUnavailable
from adapters.log import PostgresLog
from adapters.outgoing import Batch, OtherLog, Outgoing, Unpublishable
from adapters.projectors import LEDGER, Projectors
from adapters.rebuild import rebuild
from domain.log import NewEvent
from domain.message import Recorded
from projections import ledger
from projections.published.entries import LedgerEntry
from projections.published.messages import Cause, Message, entry_message, event_message
from projections.published.reached import Reached
from tests.projections.story import story

EVERYTHING = 100_000
BEGINNING = Reached()


def record(log: PostgresLog, events: Sequence[Recorded]) -> None:
    """One append for each, so that each has a time of its own."""
    for number, event in enumerate(events):
        new = NewEvent(event.stream_id, event.stream_version, event.event, event.envelope)
        log.append([new], {}, f"told-{log.database.house}-{event.position}-{number}", "d" * 64)


def project(database: Database) -> None:
    with Projectors(database) as projectors:
        projectors.catch_up(7)


@pytest.fixture(scope="module")
def shared(database_url: str) -> Iterator[Database]:
    """A house in which everything happens, projected: only to be read."""
    database = Database(database_url, f"test_outgoing_{os.getpid()}")
    database.init()
    try:
        with PostgresLog(database) as log:
            record(log, story().log.events)
        project(database)
        yield database
    finally:
        database.drop()


def events_of(database: Database) -> list[Message]:
    """What is to be published of the log, each event read as the projections read it."""
    with PostgresLog(database, "reader") as log:
        messages = (event_message(database.house, recorded) for recorded in log.read(0, EVERYTHING))
        return [message for message in messages if message is not None]


def entries_of(database: Database) -> list[Message]:
    """What is to be published of the journal, all of it sorted."""
    columns = sql.SQL(", ").join(map(sql.Identifier, ledger.JOURNAL.column_names))
    with PostgresLog(database, "reader") as log, database.connect("reader") as connection:
        recorded = {one.position: one for one in log.read(0, EVERYTHING)}
        journal = sql.SQL("SELECT {} FROM {}").format(columns, sql.Identifier(database.book, "journal"))
        rows = sorted(connection.execute(journal).fetchall())
        names = sql.SQL("SELECT no, name FROM {}").format(sql.Identifier(database.book, "facts_name"))
        named: dict[int, str] = dict(connection.execute(names).fetchall())
    because = {
        position: Cause(one.event_id, one.recorded_at, one.envelope.correlation_id)
        for position, one in recorded.items()
    }
    return [entry_message(database.house, row, named, because[row[0]]) for row in rows]


def batches(database: Database, limit: int, reached: Reached = BEGINNING) -> list[Batch]:
    """Until nothing is left, each from a new connection that remembers nothing."""
    found: list[Batch] = []
    while True:
        with Outgoing(database) as source:
            batch = source.after(reached, limit)
        if batch.reached == reached:
            assert not batch.messages
            return found
        found.append(batch)
        reached = batch.reached


def until_it_stops(database: Database, limit: int) -> tuple[list[Batch], Unpublishable]:
    with Outgoing(database) as source:
        reached, found = Reached(), []
        try:
            while True:
                found.append(source.after(reached, limit))
                assert found[-1].reached != reached, "it neither stops nor goes on"
                reached = found[-1].reached
        except Unpublishable as stopped:
            return found, stopped


def told(found: Sequence[Batch]) -> tuple[list[Message], list[Message]]:
    """Events and entries, each in their order."""
    messages = [message for batch in found for message in batch.messages]
    entries = [message for message in messages if message.topic == LedgerEntry.topic]
    return [message for message in messages if message.topic != LedgerEntry.topic], entries


def same(one: object, other: object) -> bool:
    """Comparing thousands of messages, pytest takes minutes to say where they differ."""
    return one == other


def position_of(message: Message) -> int:
    return int(dict(message.headers)["ce_position"])


def execute(database: Database, statement: str) -> None:
    with database.connect("owner", autocommit=True) as connection:
        connection.execute(statement.format(house=database.house, book=database.book).encode())


# -- whole, and in order


@pytest.mark.parametrize("limit", [30, 1_000])
def test_however_it_is_cut_the_messages_are_those_of_all_events_and_of_the_whole_journal(
    shared: Database, limit: int
) -> None:
    found = batches(shared, limit)
    assert same(told(found), (events_of(shared), entries_of(shared)))
    assert all(len(batch.messages) <= 2 * limit for batch in found)


@pytest.mark.parametrize("limit", [1, 7])
def test_few_by_few_on_one_connection_they_are_the_same(shared: Database, limit: int) -> None:
    with Outgoing(shared) as source:
        found, reached = [Batch([], Reached())], Reached()
        while (batch := source.after(reached, limit)).reached != reached:
            found.append(batch)
            reached = batch.reached
    assert same(told(found), (events_of(shared), entries_of(shared)))


def test_the_story_is_rich_enough(shared: Database) -> None:
    at = [position_of(entry) for entry in entries_of(shared)]
    assert max(map(at.count, set(at))) > 100, "a position with more entries than a batch"
    assert len(events_of(shared)) < story().log.events[-1].position, "events that are not published"


def test_a_batch_is_bounded_in_bytes_too(shared: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event of a statement may have hundreds of KB; one that is larger than a batch still goes."""
    monkeypatch.setattr(outgoing, "BATCH_BYTES", 2_000)
    found = batches(shared, 1_000)
    assert same(told(found), (events_of(shared), entries_of(shared)))
    for batch in found:
        events = [len(message.value) for message in batch.messages if message.topic != LedgerEntry.topic]
        assert sum(events[:-1]) < 2_000
    assert max(len(message.value) for message in events_of(shared)) > 20_000, "the statement with 600 lines"


def test_what_is_remembered_is_bounded_and_changes_nothing(shared: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outgoing, "REMEMBERED", 3)
    with Outgoing(shared) as source:
        reached, found = Reached(), []
        while (batch := source.after(reached, 10)).reached != reached:
            found.append(batch)
            reached = batch.reached
            assert max(len(source._names), len(source._causes)) <= 3
    assert same(told(found), (events_of(shared), entries_of(shared)))


def test_an_entry_never_comes_before_its_event(shared: Database) -> None:
    found = batches(shared, 50)
    for batch in found:
        assert all(position_of(message) <= batch.reached.position for message in batch.messages)
    messages = [message for batch in found for message in batch.messages]
    known: set[bytes] = set()
    for message in messages:
        headers = dict(message.headers)
        if message.topic != LedgerEntry.topic:
            known.add(headers["ce_id"])
        elif (cause := headers.get("ce_causationid")) is not None:
            assert cause in known


def test_a_posting_goes_on_where_a_batch_ended_in_it(shared: Database) -> None:
    within = [batch for batch in batches(shared, 40) if batch.reached.entry is not None]
    assert any(
        batch.reached.entry.position == batch.reached.ledger_position + 1 for batch in within if batch.reached.entry
    )
    everything = entries_of(shared)
    for batch in within[::40]:
        again = Reached.from_json(batch.reached.to_json())
        rest = told(batches(shared, 1_000, again))[1]
        assert same(rest, everything[-len(rest) :])
        assert dict(everything[-len(rest) - 1].headers)["ce_id"] == str(again.entry).encode()


# -- while others are at work


def test_given_a_rebuild_of_the_ledger_between_two_batches_then_it_goes_on_within_the_posting(
    database: Database, log: PostgresLog
) -> None:
    record(log, story().log.events)
    project(database)
    expected = told(batches(database, 1_000))
    with Outgoing(database) as source:
        reached, found = Reached(), []
        while (batch := source.after(reached, 40)).reached != reached:
            found.append(batch)
            reached = batch.reached
            if reached.entry is not None and len(found) in (5, 6, 40):
                rebuild(database, LEDGER, workers=1)
    assert same(told(found), expected)


def test_given_a_ledger_behind_the_log_then_its_entries_come_later(database: Database, log: PostgresLog) -> None:
    events = story().log.events
    record(log, events)
    with Outgoing(database) as source:
        first = source.after(Reached(), EVERYTHING)  # not even the ledger's table is there
        assert same(told([first]), (events_of(database), []))
        assert first.reached.ledger_position == 0
        with Projectors(database) as projectors:
            projectors.catch_up(upto=events[-1].position // 2)
        second = source.after(first.reached, EVERYTHING)
        assert second.reached.ledger_position == events[-1].position // 2
        project(database)
        third = source.after(second.reached, EVERYTHING)
        assert third.reached.ledger_position == events[-1].position
        assert same(told([second, third]), ([], entries_of(database)))
        assert second.messages
        assert third.messages


def test_given_rows_beyond_the_ledgers_own_position_then_they_are_not_published_yet(
    database: Database, log: PostgresLog
) -> None:
    """Nobody else may see them either: where a ledger stands is what counts, and not what its tables hold."""
    record(log, story().log.events)
    project(database)
    entries = entries_of(database)
    own = position_of(entries[len(entries) // 2])
    execute(database, f"UPDATE {{book}}.projection_position SET position = {own} WHERE name = 'ledger'")
    with Outgoing(database) as source:
        _, found = told([source.after(Reached(), EVERYTHING)])
    assert same(found, [entry for entry in entries if position_of(entry) <= own])
    assert len(found) < len(entries)


def test_given_a_ledger_that_begins_again_then_nothing_is_published_twice(database: Database, log: PostgresLog) -> None:
    """Its tables may be thrown away at any time."""
    record(log, story().log.events)
    project(database)
    with Outgoing(database) as source:
        reached = source.after(Reached(), EVERYTHING).reached
        execute(database, "DROP TABLE {book}.journal, {book}.balance")
        execute(database, "DELETE FROM {book}.projection_position WHERE name = 'ledger'")
        assert source.after(reached, 10) == Batch([], reached)
        project(database)
        assert source.after(reached, 10) == Batch([], reached)


def test_given_a_ledger_of_another_version_then_that_is_said(database: Database, log: PostgresLog) -> None:
    project(database)
    execute(database, "UPDATE {book}.projection_position SET version = 1 WHERE name = 'ledger'")
    with Outgoing(database) as source, pytest.raises(DatabaseUnavailable, match="rebuild ledger") as told:
        source.after(Reached(), 10)
    assert told.value.waits_for == "the ledger's rebuild"


def test_given_a_connection_that_is_cut_then_it_is_told_apart_from_what_cannot_be_published(database: Database) -> None:
    with Outgoing(database) as source:
        ended = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'trailbook {house} relay'"
        )
        execute(database, ended)
        with pytest.raises(DatabaseUnavailable):
            source.after(Reached(), 10)


def test_given_a_table_without_statistics_then_no_more_is_sorted_than_a_batch(database: Database) -> None:
    """A promotion posts millions of entries before anybody has counted them; sorting them for every batch would never
    come to an end.
    """
    project(database)
    execute(database, "ALTER TABLE {book}.journal SET (autovacuum_enabled = false)")
    execute(
        database,
        "INSERT INTO {book}.journal SELECT 5, 10 + n / 4, '2026-01-31', 0, 'USD', n % 4, 5, 1, 1000, 2, 1 "
        "FROM generate_series(0, 49999) n",
    )
    entry = ledger.EntryId(5, 100, outgoing._EARLIEST, 0, "USD", 1)
    values = {**entry._asdict(), "upto": outgoing.LAST, "limit": 100}
    execute(database, "UPDATE {book}.projection_position SET position = 5 WHERE name = 'ledger'")
    with Outgoing(database) as source:
        statement = sql.SQL("EXPLAIN (ANALYZE, FORMAT JSON) {}").format(source._statement(outgoing._JOURNAL))
        (plan,) = source.connection.execute(statement, values).fetchone() or (None,)
        assert len(source._all(outgoing._JOURNAL, values)) == 100
    assert plan is not None
    assert max(_rows(plan[0]["Plan"])) < 120


def _rows(node: dict[str, object]) -> Iterator[float]:
    yield float(str(node["Actual Rows"]))
    for further in node.get("Plans", []):  # type: ignore[attr-defined]
        yield from _rows(further)


# -- the log


def test_given_no_news_then_there_is_nothing(database: Database) -> None:
    with Outgoing(database) as source:
        assert source.after(Reached(), 10) == Batch([], Reached())
        source.check(Reached())
        assert source.ends() == (0, 0)


def test_how_far_there_is_something_to_publish(shared: Database) -> None:
    head = story().log.events[-1].position
    with Outgoing(shared) as source:
        assert source.ends() == (head, head)
        source.upto = 20
        assert source.ends() == (20, 20)


def test_the_log_that_was_published_from_goes_on(shared: Database) -> None:
    with Outgoing(shared) as source:
        for batch in batches(shared, 50):
            source.check(batch.reached)


def test_given_a_log_restored_from_an_older_copy_then_it_is_refused(database: Database, log: PostgresLog) -> None:
    events = story().log.events
    record(log, events[:30])
    with Outgoing(database) as source:
        reached = source.after(Reached(), EVERYTHING).reached
        assert reached.position == 30
        execute(database, "DELETE FROM {house}.house_events WHERE notification_id > 20")
        execute(database, "UPDATE {house}.log_head SET position = 20")
        with pytest.raises(OtherLog, match=r"ends at position 20, and 30 was published already: it is an older copy"):
            source.check(reached)
        record(log, events[20:40])
        with pytest.raises(OtherLog, match="has another event at position 30 than was published"):
            source.check(reached)


def test_given_another_time_at_the_position_then_it_is_another_log(shared: Database) -> None:
    with Outgoing(shared) as source:
        reached = source.after(Reached(), 5).reached
        assert reached.recorded_at is not None
        with pytest.raises(OtherLog):
            source.check(reached._replace(recorded_at=reached.recorded_at + timedelta(microseconds=1)))


# -- what cannot be published


def test_given_an_event_that_no_release_knows_then_all_before_it_comes_and_nothing_after_it(
    database: Database, log: PostgresLog
) -> None:
    record(log, story().log.events)
    project(database)
    before = [message for message in events_of(database) if position_of(message) < 40]
    entries = [message for message in entries_of(database) if position_of(message) < 40]
    execute(database, "UPDATE {house}.house_events SET topic = 'deal.dreamt_of' WHERE notification_id = 40")
    found, stopped = until_it_stops(database, 3)
    assert str(stopped).startswith(
        "position 40 cannot be published: UnknownTopic: this release does not know deal.dream"
    )
    assert stopped.position == 40
    assert same(told(found), (before, entries))


def test_given_an_entry_that_cannot_be_told_then_all_before_it_comes(database: Database, log: PostgresLog) -> None:
    record(log, story().log.events)
    project(database)
    entries = entries_of(database)
    execute(database, "UPDATE {book}.journal SET kind = 5 WHERE position = (SELECT max(position) FROM {book}.journal)")
    last = position_of(entries[-1])
    found, stopped = until_it_stops(database, 10)
    assert stopped.position == last
    assert same(told(found), (events_of(database), [entry for entry in entries if position_of(entry) < last]))


# -- a part of it, for a replay


@pytest.mark.parametrize("topic", ["deals", "partners", "ledger-entries"])
def test_one_topic_from_a_position_up_to_another(shared: Database, topic: str) -> None:
    begin = Reached(position=3, ledger_position=3)
    with Outgoing(shared, topic=topic, upto=150) as source:  # type: ignore[arg-type]
        reached, found = begin, []
        while (batch := source.after(reached, 3)).reached != reached:
            found.append(batch)
            reached = batch.reached
    everything = [*events_of(shared), *entries_of(shared)]
    expected = [message for message in everything if message.topic == topic and 3 < position_of(message) <= 150]
    assert [message for batch in found for message in batch.messages] == expected
    assert expected
