"""``trailbook relay run`` with a real broker and a real database: everything once, in order, and what it says."""

import signal
import socket
import time
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ConfigResource,
    ConfigResourceType,
    ResourcePattern,
    ResourceType,
)

from adapters.database import Database
from adapters.kafka_topics import limit_of, positions_topic
from adapters.lease import Lease, LeaseHeld
from adapters.log import PostgresLog
from adapters.outgoing import Batch, Outgoing
from adapters.places import Place
from adapters.projectors import Projectors
from adapters.publisher import Publisher
from services.relay import Relay
from tests.adapters.test_outgoing import execute, project, record
from tests.broker import Kafka, commit, delete_topic, own_broker
from tests.own_server import eventually, own_server, settable_clock
from tests.projections.story import story
from tests.system.books import settings_of
from tests.system.program import PROGRAM, Program
from tests.system.relaying import (
    RelayProcess,
    caught_up,
    check_published,
    kafka_settings,
    message_id,
    places,
    published,
    record_id,
    relay,
    relay_environment,
    to_publish,
    wait_until_told,
    with_topics,
)
from tests.system.test_projectors_under_fire import retopic
from tests.system.test_run import onboard
from tests.system.under_load import ENDS_WITHIN_SECONDS, environment, started


def test_a_run_publishes_everything_once_and_the_next_one_nothing(
    database: Database, log: PostgresLog, kafka: Kafka
) -> None:
    record(log, story().log.events)
    project(database)
    with_topics(database, kafka.bootstrap_servers)
    program = Program(relay_environment(database, kafka.bootstrap_servers))
    for batch in ("7", "1000"):
        said = program.run("relay", "run", "--once", "--batch", batch)
        assert said.code == 0, said.err
        check_published(kafka, database)
    assert caught_up(kafka, database)
    assert [place.epoch for place in places(kafka, database)][-1] == 1, "the second one had nothing to note"


def test_what_is_recorded_while_it_runs_comes_too_and_it_ends_when_told(
    database: Database, log: PostgresLog, kafka: Kafka
) -> None:
    with_topics(database, kafka.bootstrap_servers)
    with relay(database, kafka.bootstrap_servers) as run, Projectors(database) as projectors:
        eventually(lambda: bool(run.told("relaying")), "it begins")
        for number in range(5):
            onboard(database, f"alder-{number}")
            projectors.catch_up()
        eventually(lambda: caught_up(kafka, database), "all is published and noted")
        assert run.end() < ENDS_WITHIN_SECONDS
    check_published(kafka, database)
    successor = Lease(database, "successor")
    assert successor.take() == 2, "it let go of the lease"
    successor.close()


# -- one relay at a time


def test_another_stands_by_and_takes_the_place_of_one_that_is_killed_or_ends(database: Database, kafka: Kafka) -> None:
    with_topics(database, kafka.bootstrap_servers)
    with relay(database, kafka.bootstrap_servers) as first:
        wait_until_told(first, "relaying")
        with relay(database, kafka.bootstrap_servers) as second:
            wait_until_told(second, "standing by")
            assert f"holder={socket.gethostname()}:{first.process.pid}:" in second.told("standing by")[0]
            first.kill()
            wait_until_told(second, "relaying")
            with relay(database, kafka.bootstrap_servers) as third:
                wait_until_told(third, "standing by")
                assert second.end() < ENDS_WITHIN_SECONDS
                wait_until_told(third, "relaying")
                assert third.end(signal.SIGINT) < ENDS_WITHIN_SECONDS


def test_given_one_that_publishes_then_there_is_nothing_to_do_once(database: Database, kafka: Kafka) -> None:
    with_topics(database, kafka.bootstrap_servers)
    program = Program(relay_environment(database, kafka.bootstrap_servers))
    with relay(database, kafka.bootstrap_servers) as run:
        wait_until_told(run, "relaying")
        said = program.run("relay", "run", "--once")
        assert said.code == 1
        assert said.err.splitlines()[-1].endswith("publishes already, or waits to; there is nothing to do once")
        run.kill()
        assert program.run("relay", "run", "--once").code == 0, "it waits until the lease of a killed one has run out"


def test_given_a_lease_that_another_takes_meanwhile_then_once_publishes_no_further(
    database: Database, log: PostgresLog, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It did not ask for its lease, so that nobody renewed it after two minutes of a long history."""
    with_topics(database, kafka.bootstrap_servers)
    record(log, story().log.events[:30])
    settings = replace(settings_of(database), kafka=kafka_settings(kafka.bootstrap_servers))
    publish = Relay._publish

    def lose_the_lease(relay: Relay, publisher: Publisher, batch: Batch) -> None:
        publish(relay, publisher, batch)
        execute(
            database,
            "UPDATE {house}.relay_lease SET epoch = epoch + 1, holder = 'successor', "
            "expires_at = clock_timestamp() + interval '1 minute'",
        )
        eventually(lambda: not relay.shown().leading, "it knows")

    monkeypatch.setattr(Relay, "_publish", lose_the_lease)
    with closing(Relay(settings, batch=10, lease_seconds=1.0)) as relay, pytest.raises(LeaseHeld):
        relay.once()
    assert [place.position for place in places(kafka, database)] == [10]


# -- what keeps it from publishing


def test_given_no_broker_then_one_sentence_says_so(database: Database) -> None:
    program = Program(relay_environment(database, "127.0.0.1:1"))
    said = program.run("relay", "run", "--once")
    assert said.code == 1
    assert "Kafka at 127.0.0.1:1 cannot be used: nothing listens there" in said.err.splitlines()[-1]
    with relay(database, "127.0.0.1:1") as run:
        wait_until_told(run, "waiting")
        assert "waits_for=Kafka" in run.told("waiting")[0]
        assert run.end() < ENDS_WITHIN_SECONDS


def test_given_no_setting_of_a_broker_then_it_is_asked_for(database: Database) -> None:
    said = Program(environment(database)).run("relay", "run")
    assert said.code == 2
    assert "TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS is not set" in said.err.splitlines()[-1]


def test_given_no_topics_then_it_waits_until_somebody_made_them(database: Database, kafka: Kafka) -> None:
    onboard(database, "alder")
    with relay(database, kafka.bootstrap_servers) as run:
        wait_until_told(run, "waiting")
        (line,) = run.told("waiting")
        assert "waits_for=the topics" in line.replace("'", "")
        assert "trailbook relay topics --create" in line
        with_topics(database, kafka.bootstrap_servers)
        wait_until_told(run, "going on")
        eventually(lambda: bool(published(kafka, database, "deals")), "it publishes")


def test_given_a_topic_with_other_partitions_then_nothing_is_published(database: Database, kafka: Kafka) -> None:
    with_topics(database, kafka.bootstrap_servers)
    other = {**relay_environment(database, kafka.bootstrap_servers), "TRAILBOOK_KAFKA_PARTITIONS": "4"}
    said = Program(other).run("relay", "run", "--once")
    assert said.code == 1
    assert "write 3 into TRAILBOOK_KAFKA_PARTITIONS" in said.err.splitlines()[-1]
    assert not places(kafka, database)


def test_given_a_topic_made_anew_then_nothing_goes_there_before_all_of_it_does(
    database: Database, log: PostgresLog, kafka: Kafka
) -> None:
    """Somebody deletes a topic, and makes it again: its history is gone. The sentence says how it comes back."""
    with_topics(database, kafka.bootstrap_servers)
    record(log, story().log.events[:30])
    project(database)
    program = Program(relay_environment(database, kafka.bootstrap_servers))
    assert program.run("relay", "run", "--once").code == 0
    delete_topic(kafka, f"{database.house}.partners")
    program.fine("relay", "topics", "--create")
    said = program.run("relay", "run", "--once")
    assert said.code == 1
    assert f"{database.house}.partners was deleted and made anew" in said.err.splitlines()[-1]
    delete_topic(kafka, positions_topic(database.house))
    program.fine("relay", "topics", "--create")
    said = program.run("relay", "run", "--once")
    assert said.code == 0
    assert "publishing from the beginning" in said.err
    at = [message_id(message) for message in to_publish(database)["partners"]]
    assert sorted(map(record_id, published(kafka, database, "partners"))) == sorted(at)


@pytest.mark.parametrize("days", [-3_650, 3_650])
def test_given_a_clock_that_is_years_off_then_the_broker_says_when_a_message_came(
    database: Database, log: PostgresLog, kafka: Kafka, days: int
) -> None:
    """By that time it is kept: from a relay's clock a message could be refused, or be old enough to be dropped."""
    with_topics(database, kafka.bootstrap_servers)
    record(log, story().log.events[:30])
    project(database)
    with settable_clock() as clock:
        clock.set(datetime.now(UTC) + timedelta(days=days))
        program = Program({**relay_environment(database, kafka.bootstrap_servers), **clock.environment})
        said = program.afresh("relay", "run", "--once")
    assert said.code == 0, said.err
    assert str((datetime.now(UTC) + timedelta(days=days)).year) in said.err, "the clock is off"
    check_published(kafka, database)
    came = {record.timestamp / 1_000 for record in published(kafka, database, "partners")}
    assert max(abs(at - time.time()) for at in came) < 3_600


def test_given_a_commit_that_the_broker_confirmed_and_undid_in_one_topic_then_all_of_it_comes_once_more(
    database: Database, log: PostgresLog, kafka: Kafka
) -> None:
    """The broker's part is played by two other producers: one commits what it did write down, one aborts the rest."""
    with_topics(database, kafka.bootstrap_servers)
    record(log, story().log.events[:20])
    project(database)
    program = Program(relay_environment(database, kafka.bootstrap_servers))
    assert program.run("relay", "run", "--once").code == 0
    record(log, story().log.events[20:])
    project(database)
    undo_in_accounts(kafka, database)
    said = program.run("relay", "run", "--once")
    assert said.code == 0, said.err
    (line,) = [line for line in said.err.splitlines() if "] publishing again what was lost" in line]
    assert f"{database.house}.accounts-" in line
    assert f"{database.house}.deals-" not in line
    assert "position=20" in line
    check_published(kafka, database, repeats=True)
    assert "lost" not in program.run("relay", "run", "--once").err


def undo_in_accounts(kafka: Kafka, database: Database) -> None:
    """Publish all that is left, with its place, and abort what went to that topic."""
    positions, house = positions_topic(database.house), database.house
    place = Place.from_bytes(kafka.read(positions)[-1].value)
    assert place is not None
    with Outgoing(database) as source:
        batch = source.after(place.reached, 10_000)
    offsets = {topic: list(noted) for topic, noted in place.offsets.items()}
    with kafka.producer(kafka.name("kept")) as kept, kafka.producer(kafka.name("undone")) as undone:
        kept.begin_transaction()
        undone.begin_transaction()
        for topic, key, headers, value in batch.messages:
            producer = undone if topic == "accounts" else kept
            sent = producer.send(f"{house}.{topic}", value, key, list(headers)).get(timeout=10)
            offsets[sent.topic][sent.partition] = sent.offset
        noted = place._replace(reached=batch.reached, offsets=offsets).to_bytes()
        commit(kept, [kept.send(positions, noted, key=b"relay", partition=0)])
        undone.abort_transaction()


def test_given_rubbish_among_the_places_then_it_is_passed_over_and_told(
    database: Database, log: PostgresLog, kafka: Kafka
) -> None:
    with_topics(database, kafka.bootstrap_servers)
    record(log, story().log.events[:30])
    program = Program(relay_environment(database, kafka.bootstrap_servers))
    assert program.run("relay", "run", "--once").code == 0
    with kafka.producer() as foreign:
        foreign.send(positions_topic(database.house), b"rubbish", key=b"relay", partition=0).get(timeout=10)
    said = program.run("relay", "run", "--once")
    assert said.code == 0
    assert "has records that no relay wrote" in said.err
    check_published(kafka, database)
    said = program.run("relay", "run", "--once")
    assert "passed over" not in said.err, "a place was noted after it"


def test_given_a_topic_that_takes_nothing_then_that_is_said_once_and_not_with_each_attempt(
    database: Database, log: PostgresLog
) -> None:
    """Kafka is there, and the relay begins well each time: it goes on only when something has come through."""
    rights = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "allow.everyone.if.no.acl.found": "true",
    }
    partners = ResourcePattern(ResourceType.TOPIC, f"{database.house}.partners")
    denied: tuple[Any, ...] = ("User:ANONYMOUS", "*", ACLOperation.WRITE, ACLPermissionType.DENY, partners)
    allowed = ACL("User:ANONYMOUS", "*", ACLOperation.ALL, ACLPermissionType.ALLOW, partners)
    with own_broker(settings=rights) as own:
        kafka = Kafka(own.bootstrap_servers)
        with_topics(database, own.bootstrap_servers)
        with relay(database, own.bootstrap_servers) as run, kafka.admin() as admin:
            wait_until_told(run, "relaying")
            admin.create_acls([allowed, ACL(*denied)])
            record(log, story().log.events[:40])
            wait_until_told(run, "waiting")
            since = time.monotonic()
            eventually(lambda: time.monotonic() > since + 3, "several attempts are over")
            (waiting,) = run.told("waiting")
            assert "does not permit this client to use the topic" in waiting
            assert len(run.told("relaying")) == 1
            assert len(run.told("publishing from the beginning")) <= 1
            admin.delete_acls([ACLFilter(*denied)])
            wait_until_told(run, "relaying", times=2)
            eventually(lambda: caught_up(kafka, database), "everything is published")
            assert run.end() < ENDS_WITHIN_SECONDS


def test_given_a_log_restored_from_an_older_copy_then_it_stops_and_says_so(
    database: Database, log: PostgresLog, kafka: Kafka
) -> None:
    with_topics(database, kafka.bootstrap_servers)
    record(log, story().log.events[:30])
    program = Program(relay_environment(database, kafka.bootstrap_servers))
    assert program.run("relay", "run", "--once").code == 0
    execute(database, "DELETE FROM {house}.house_events WHERE notification_id > 20")
    execute(database, "UPDATE {house}.log_head SET position = 20")
    said = program.run("relay", "run", "--once")
    assert said.code == 1
    assert "ends at position 20, and 30 was published already" in said.err.splitlines()[-1]
    with relay(database, kafka.bootstrap_servers) as run:
        wait_until_told(run, "relay stopped")
        assert run.end() < ENDS_WITHIN_SECONDS


def test_given_another_log_when_its_server_is_restarted_then_the_relay_waits_for_it_and_looks_again(
    kafka: Kafka,
) -> None:
    """Whoever restores the right one has to stop the server; it used to end the relay."""
    with own_server() as server:
        database = Database(server.url, kafka.name("house").replace("-", "_")[:30])
        database.init()
        with_topics(database, kafka.bootstrap_servers)
        onboard(database, "alder")
        assert Program(relay_environment(database, kafka.bootstrap_servers)).run("relay", "run", "--once").code == 0
        execute(database, "UPDATE {house}.house_events SET recorded_at = recorded_at + interval '1 s'")
        with relay(database, kafka.bootstrap_servers) as run:
            wait_until_told(run, "relay stopped")
            server.stop()
            wait_until_told(run, "waiting")
            server.start()
            wait_until_told(run, "going on")
            wait_until_told(run, "relay stopped", times=2)
            assert run.end() < ENDS_WITHIN_SECONDS


def test_given_a_database_restored_with_an_older_lease_then_the_log_is_what_counts(
    database: Database, log: PostgresLog, kafka: Kafka
) -> None:
    """It forgot under which lease was published, so that its own looks like that of one who was overtaken."""
    with_topics(database, kafka.bootstrap_servers)
    record(log, story().log.events[:30])
    program = Program(relay_environment(database, kafka.bootstrap_servers))
    execute(database, "UPDATE {house}.relay_lease SET epoch = 40")
    assert program.run("relay", "run", "--once").code == 0
    record(log, story().log.events[30:32])
    execute(database, "UPDATE {house}.relay_lease SET epoch = 1")
    assert program.run("relay", "run", "--once").code == 0
    assert [(place.position, place.epoch) for place in places(kafka, database)] == [(30, 41), (32, 42)]
    execute(database, "DELETE FROM {house}.house_events WHERE notification_id > 20")
    execute(database, "UPDATE {house}.log_head SET position = 20")
    execute(database, "UPDATE {house}.relay_lease SET epoch = 1")
    said = program.run("relay", "run", "--once")
    assert said.code == 1
    assert "ends at position 20, and 32 was published already" in said.err.splitlines()[-1]


def test_given_an_event_that_no_release_knows_then_what_comes_before_it_is_published_and_it_is_named(
    database: Database, log: PostgresLog, kafka: Kafka
) -> None:
    with_topics(database, kafka.bootstrap_servers)
    record(log, story().log.events[:60])
    project(database)
    execute(database, "UPDATE {house}.house_events SET topic = 'deal.dreamt_of' WHERE notification_id = 40")
    said = Program(relay_environment(database, kafka.bootstrap_servers)).run("relay", "run", "--once")
    assert said.code == 1
    assert "position 40 cannot be published: UnknownTopic" in said.err.splitlines()[-1]
    assert (places(kafka, database)[-1].position, places(kafka, database)[-1].ledger_position) == (39, 39)


@pytest.mark.parametrize("stored", [b"", b"rubbish", b"{}", b"[]", b"\xff\xfe", b'{"actor":{"issuer":"hou'])
def test_given_stored_bytes_that_are_broken_then_it_stops_there_and_goes_on_once_they_are_mended(
    database: Database, log: PostgresLog, kafka: Kafka, stored: bytes
) -> None:
    """Also the log's line about it can tell no more than where it is."""
    with_topics(database, kafka.bootstrap_servers)
    record(log, story().log.events[:40])
    execute(database, "CREATE TABLE {house}.kept AS SELECT * FROM {house}.house_events WHERE notification_id = 30")
    broken = f"UPDATE {{house}}.house_events SET state = '\\x{stored.hex()}' WHERE notification_id = 30"
    execute(database, broken)
    program = Program(relay_environment(database, kafka.bootstrap_servers))
    said = program.run("relay", "run", "--once")
    assert said.code == 1
    assert said.err.splitlines()[-1].startswith("position 30 cannot be published: ")
    assert places(kafka, database)[-1].position == 29
    execute(
        database, "UPDATE {house}.house_events e SET state = kept.state FROM {house}.kept WHERE e.notification_id = 30"
    )
    assert program.run("relay", "run", "--once").code == 0
    check_published(kafka, database)


def test_given_a_message_that_is_too_large_then_what_comes_before_it_is_published_and_it_is_named(
    database: Database, log: PostgresLog, kafka: Kafka
) -> None:
    """An operator raises the limit, and it goes on from there."""
    with_topics(database, kafka.bootstrap_servers)
    record(log, story().log.events)
    project(database)
    largest = max(
        (message for messages in to_publish(database).values() for message in messages), key=lambda m: len(m.value)
    )
    settings = relay_environment(database, kafka.bootstrap_servers)
    small = {**settings, "TRAILBOOK_KAFKA_MAX_MESSAGE_BYTES": str(1 << 16)}
    assert len(largest.value) > 1 << 16, "the story has a statement that is over the least limit"
    said = Program(small).run("relay", "run", "--once")
    assert said.code == 1
    assert message_id(largest).decode() in said.err.splitlines()[-1]
    position = int(dict(largest.headers)["ce_position"])
    assert places(kafka, database)[-1].position == position - 1
    assert places(kafka, database)[-1].ledger_position == position - 1
    assert Program(settings).run("relay", "run", "--once").code == 0
    check_published(kafka, database)


def test_given_a_relay_that_stopped_when_what_stops_it_is_mended_then_it_goes_on_by_itself(
    database: Database, log: PostgresLog, kafka: Kafka
) -> None:
    """First at an event that no release knows, then at a topic that somebody has made too small for a message."""
    with_topics(database, kafka.bootstrap_servers)
    record(log, story().log.events)
    project(database)
    was = retopic(database, 30, "deal.dreamt_of")
    with relay(database, kafka.bootstrap_servers) as run:
        wait_until_told(run, "relay stopped")
        set_limit(kafka, database, 1 << 16)
        retopic(database, 30, was)
        wait_until_told(run, "relay stopped", times=2)
        assert "event_id=vendor-statement:" in run.told("relay stopped")[1]
        set_limit(kafka, database, kafka_settings(kafka.bootstrap_servers).max_message_bytes)
        wait_until_told(run, "relay goes on")
        eventually(lambda: caught_up(kafka, database), "everything is published")
        assert len(run.told("relay stopped")) == 2, "it is said once, however often it is tried"
        assert run.end() < ENDS_WITHIN_SECONDS
    check_published(kafka, database)


def set_limit(kafka: Kafka, database: Database, max_message_bytes: int) -> None:
    """Of the topic of vendor statements, from a moment later on."""
    topic, settings = f"{database.house}.vendor-statements", kafka_settings(kafka.bootstrap_servers)
    change = ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": str(max_message_bytes)})
    with kafka.admin() as admin:
        admin.alter_configs([change])
    eventually(lambda: limit_of(settings, topic) == max_message_bytes, "the broker knows")


DROPS_THE_WORD = f"""
from services import relay
told = relay.Relay.told_to_stop
def dropped(*given):
    try:
        told(*given)
    except relay.Stopped:
        pass
relay.Relay.told_to_stop = dropped
{PROGRAM}
"""


def test_given_a_word_to_stop_that_was_lost_then_it_stops_all_the_same(database: Database, kafka: Kafka) -> None:
    """What a signal raises amid a destructor is dropped by Python."""
    with_topics(database, kafka.bootstrap_servers)
    settings = relay_environment(database, kafka.bootstrap_servers)
    with started(RelayProcess, ["relay", "run"], settings, DROPS_THE_WORD) as run:
        wait_until_told(run, "relaying")
        assert run.end() < ENDS_WITHIN_SECONDS
