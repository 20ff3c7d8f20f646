"""``trailbook relay replay``: history once more, in a topic of its own, marked, whole, and resumed after a kill."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing

import pytest
from kafka import KafkaProducer

from adapters.database import Database
from adapters.log import PostgresLog
from projections.published.messages import Message
from tests.adapters.test_outgoing import execute, project, record
from tests.broker import Kafka
from tests.database import fresh_house
from tests.own_server import eventually
from tests.projections.story import story
from tests.system.program import PROGRAM, TOP, Program
from tests.system.relaying import message_id, published, record_id, relay_environment, to_publish, with_topics


@pytest.fixture(scope="module")
def house(database_url: str) -> Iterator[Database]:
    """A house in which everything happens, projected: only to be read."""
    with fresh_house(database_url) as database:
        with PostgresLog(database) as log:
            record(log, story().log.events)
        project(database)
        yield database


@pytest.fixture
def program(house: Database, kafka: Kafka) -> Program:
    return Program(relay_environment(house, kafka.bootstrap_servers))


def position(message: Message) -> int:
    return int(dict(message.headers)["ce_position"])


def between(database: Database, topic: str, first: int, last: int) -> dict[bytes, list[bytes]]:
    """The ids by key, in order."""
    found: dict[bytes, list[bytes]] = {}
    for message in to_publish(database)[topic]:  # type: ignore[index]
        if first <= position(message) <= last:
            found.setdefault(message.key, []).append(message_id(message))
    return found


def replayed(kafka: Kafka, name: str) -> dict[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {}
    for one in kafka.read(name):
        assert dict(one.headers)["ce_replay"].decode() == name.partition(".")[2]
        found.setdefault(one.key, []).append(record_id(one))
    return found


@pytest.mark.parametrize("topic", ["deals", "ledger-entries"])
def test_a_replay_has_what_is_between_two_positions_and_says_that_it_is_one(
    house: Database, kafka: Kafka, program: Program, topic: str
) -> None:
    name = f"{house.house}.{topic}.replay.{kafka.name('part')}"
    said = program.run("relay", "replay", "--from", "5", "--to", "100", "--topic", name, "--json")
    assert said.code == 0, said.err
    wanted = between(house, topic, 5, 100)
    assert replayed(kafka, name) == wanted
    assert said.data == {
        "topic": name,
        "first": 5,
        "last": 100,
        "messages": sum(map(len, wanted.values())),
    }
    said = program.run("relay", "replay", "--from", "5", "--to", "100", "--topic", name, "--json")
    assert said.data["messages"] == 0, "all of it is there"
    assert program.run("relay", "replay", "--from", "5", "--topic", name).code == 0, "and what has come since"
    assert replayed(kafka, name) == between(house, topic, 5, 100_000)


def test_the_body_is_that_of_the_live_topic(house: Database, kafka: Kafka, program: Program) -> None:
    with_topics(house, kafka.bootstrap_servers)
    name = f"{house.house}.deals.replay.bodies"
    assert program.run("relay", "run", "--once").code == 0
    assert program.run("relay", "replay", "--from", "1", "--topic", name).code == 0
    live = [(r.key, r.value, tuple(r.headers)) for r in published(kafka, house, "deals")]
    again = [(r.key, r.value, tuple(h for h in r.headers if h[0] != "ce_replay")) for r in kafka.read(name)]
    assert again == live


def test_killed_at_any_moment_it_goes_on_where_it_was(house: Database, kafka: Kafka, program: Program) -> None:
    name = f"{house.house}.ledger-entries.replay.killed"
    arguments = ("relay", "replay", "--from", "1", "--topic", name, "--batch", "5")
    for _ in range(3):
        before = _count(kafka, name)
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            env=program.whole_environment(),
            cwd=TOP,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        eventually(lambda before=before: _count(kafka, name) > before + 200, "it publishes")  # type: ignore[misc]
        process.kill()
        process.wait(60)
    assert _count(kafka, name) < sum(map(len, between(house, "ledger-entries", 1, 100_000).values()))
    assert program.run(*arguments).code == 0
    assert replayed(kafka, name) == between(house, "ledger-entries", 1, 100_000)


def _count(kafka: Kafka, name: str) -> int:
    with closing(kafka.admin()) as admin:
        return len(kafka.read(name)) if name in admin.list_topics() else 0


@pytest.mark.parametrize(
    "name",
    ["{house}.deals", "deals.replay.1", "{house}.relay-positions", "{house}.deals.replay.", "other.deals.replay.1",
     "{house}.deals.replay.ÄÖ", "{house}.dreams.replay.1"],
)  # fmt: skip
def test_given_a_name_that_is_no_replays_then_nothing_is_made(house: Database, program: Program, name: str) -> None:
    sentence = program.wrong(2, "relay", "replay", "--from", "1", "--topic", name.format(house=house.house))
    assert f"write one like {house.house}.deals.replay.1" in sentence


def test_given_positions_that_are_not_there_then_that_is_said(house: Database, program: Program) -> None:
    name = f"{house.house}.deals.replay.nowhere"
    for given in (("--from", "100000"), ("--from", "1", "--to", "100000")):
        sentence = program.wrong(2, "relay", "replay", *given, "--topic", name)
        assert "the log of" in sentence
        assert "ends at position" in sentence
    assert "name the earlier one first" in program.wrong(
        2, "relay", "replay", "--from", "9", "--to", "8", "--topic", name
    )


def test_given_a_topic_that_holds_something_else_then_it_is_left_alone(
    house: Database, kafka: Kafka, program: Program
) -> None:
    name = f"{house.house}.deals.replay.taken"
    settings = {**relay_environment(house, kafka.bootstrap_servers)}
    assert Program(settings).run("relay", "replay", "--from", "1", "--to", "1", "--topic", name).code == 0
    producer = KafkaProducer(bootstrap_servers=kafka.bootstrap_servers)
    producer.send(name, b"{}", key=b"mine").get(10)
    producer.close()
    sentence = program.wrong(1, "relay", "replay", "--from", "1", "--topic", name)
    assert sentence == f"{name} holds something else than a replay by this house; name another topic"
    assert [one.key for one in kafka.read(name)] == [b"mine"]


def test_given_another_beginning_than_it_had_then_it_is_refused(
    house: Database, kafka: Kafka, program: Program
) -> None:
    """What is between the two would be missing without anybody seeing it."""
    name = f"{house.house}.deals.replay.begun"
    first, second = sorted(position(message) for message in to_publish(house)["deals"])[1:3]
    assert program.run("relay", "replay", "--from", str(first), "--topic", name).code == 0
    for other in (1, second):
        sentence = program.wrong(1, "relay", "replay", "--from", str(other), "--topic", name)
        assert f"holds a replay from another position than {other}" in sentence


def test_given_less_than_it_has_already_then_there_is_nothing_to_do(
    house: Database, kafka: Kafka, program: Program
) -> None:
    """Also where none of its messages is in what is asked for now."""
    name = f"{house.house}.deals.replay.less"
    first = min(position(message) for message in to_publish(house)["deals"])
    assert program.run("relay", "replay", "--from", "1", "--topic", name).code == 0
    before = replayed(kafka, name)
    said = program.fine("relay", "replay", "--from", "1", "--to", str(first - 1), "--topic", name)
    assert said.out.startswith("0 messages published")
    assert replayed(kafka, name) == before


def test_given_a_log_restored_from_an_older_copy_then_it_is_refused(
    database: Database, log: PostgresLog, kafka: Kafka
) -> None:
    record(log, story().log.events[:30])
    program = Program(relay_environment(database, kafka.bootstrap_servers))
    arguments = ("relay", "replay", "--from", "1", "--topic", f"{database.house}.deals.replay.1")
    assert program.run(*arguments).code == 0
    execute(database, "UPDATE {house}.house_events SET recorded_at = recorded_at + interval '1 s'")
    assert "has another event at position 30 than was published" in program.wrong(1, *arguments)
