"""``trailbook relay`` from the command line."""

import pytest

from tests.broker import Kafka
from tests.system.program import Program


@pytest.fixture
def trailbook(kafka: Kafka) -> Program:
    """The program with a broker of one node and a house that has no topics yet."""
    return Program(
        {
            "TRAILBOOK_HOUSE": kafka.name("west").replace("-", "_"),
            "TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
            "TRAILBOOK_KAFKA_REPLICATION": "1",
        }
    )


def test_topics_are_missing_until_they_are_created(trailbook: Program) -> None:
    house = trailbook.environment["TRAILBOOK_HOUSE"]

    missing = trailbook.run("relay", "topics")
    made = trailbook.run("relay", "topics", "--create")
    there = trailbook.run("relay", "topics", "--json")

    assert missing.code == 1
    assert f"{house}.relay-positions: missing: run `trailbook relay topics --create`" in missing.err
    assert made.code == 0
    assert f"made: {house}.deals: 6 partitions, 1 replica, min.insync.replicas=1, cleanup.policy=delete" in made.told
    assert there.data["ok"]
    assert [topic["name"] for topic in there.data["topics"] if topic["made"]] == []
    assert len(there.data["topics"]) == 8


def test_a_house_without_a_broker_is_told_which_setting_to_write() -> None:
    said = Program({}).run("relay", "topics")

    assert (said.code, said.out) == (2, "")
    assert "TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS is not set" in said.err


def test_a_broker_that_is_not_there_is_one_sentence() -> None:
    said = Program({"TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}).run("relay", "topics", "--create")

    assert said.code == 1
    assert said.err == (
        "Kafka at 127.0.0.1:1 cannot be used: nothing listens there; start the broker, or correct the address\n"
    )


@pytest.mark.parametrize("option", [("--batch", "9" * 25), ("--batch", "0"), ("--lease", "inf"), ("--lease", "1e300")])
def test_a_number_beyond_all_reason_is_refused_before_anything_is_done(option: tuple[str, str]) -> None:
    said = Program({}).run("relay", "run", *option)

    assert said.code == 2
    assert f"Invalid value for '{option[0]}'" in said.err
