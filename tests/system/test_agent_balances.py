"""The worked consumer on the demo's story: its table is Trailbook's own ledger, repeats or not."""

import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters.command_file import read_commands
from adapters.database import Database
from adapters.settings import Settings
from services.demo import STORY
from services.house import House
from tests.broker import Kafka
from tests.system.downstream import Consumers, consumers, entries_of, make_topic, publish


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    settings = {"TRAILBOOK_DATABASE_URL": database.url, "TRAILBOOK_HOUSE": database.house}
    with House(Settings.from_environment(settings), database) as house:
        for issued in read_commands(STORY):
            house.handle(issued)
            house.projectors.step()
        yield house


@pytest.fixture
def crm(house: House, kafka: Kafka, tmp_path: Path) -> Iterator[Consumers]:
    name = house.database.house
    make_topic(kafka, f"{name}.ledger-entries", partitions=3)
    with consumers(house.database.url, kafka, name, tmp_path) as crm:
        yield crm


def test_its_balances_are_trailbooks_own_with_repeats_thrown_in(house: House, crm: Consumers, kafka: Kafka) -> None:
    entries = entries_of(house)
    half, third = len(entries) // 2, len(entries) // 3
    for part in (entries[:half], entries[third:], entries, entries[half:]):
        publish(kafka, house.database.house, part)
    checked = crm.ended("--check")
    assert (checked.stdout, checked.stderr, checked.returncode) == ("balances agree with Trailbook's\n", "", 0)
    balances = {row.book: row.amount_minor for row in house.queries().balances(house.queries().ledger_position())}
    payable = {
        f"agent:{agent}:payable": minor for agent, minor in crm.rows("SELECT agent, payable_minor FROM agent_balance")
    }
    assert payable == {book: minor for book, minor in balances.items() if book.endswith(":payable")}
    assert any(payable.values())


def test_the_check_says_which_balance_differs_and_ends_with_1(house: House, crm: Consumers, kafka: Kafka) -> None:
    publish(kafka, house.database.house, entries_of(house))
    assert crm.ended("--once").returncode == 0
    ((agent, payable),) = crm.rows(
        "UPDATE agent_balance SET payable_minor = payable_minor + 1 WHERE agent = 'harbor' "
        "RETURNING agent, payable_minor"
    )
    checked = crm.ended("--check")
    assert checked.stderr == f"agent:{agent}:payable USD: here {payable}, Trailbook {payable - 1}\n"
    assert checked.returncode == 1


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"CONSUMER_DATABASE_URL": ""}, "CONSUMER_DATABASE_URL is not set; write your own PostgreSQL, like "),
        ({"CONSUMER_DATABASE_URL": "nowhere"}, "_URL cannot be used: "),
        (
            {"CONSUMER_DATABASE_URL": "postgresql://crm:keep-it@127.0.0.1:1/crm"},
            "CONSUMER_DATABASE_URL cannot be used: ",
        ),
        ({"TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS": ""}, "TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS is not set; write where "),
        ({"TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}, "Kafka at 127.0.0.1:1 cannot be used: nothing listens "),
        ({"TRAILBOOK_KAFKA_PARTITION": "3"}, "there is no TRAILBOOK_KAFKA_PARTITION; write TRAILBOOK_KAFKA_PARTITIONS"),
        ({"TRAILBOOK_HOUSE": "elsewhere"}, "there is no topic elsewhere.ledger-entries; run `trailbook relay topics"),
        ({"PATH": "/nowhere"}, "`trailbook ledger balances --json --known "),
        (
            {"TRAILBOOK_DATABASE_URL": "postgresql://127.0.0.1:1/x"},
            "does not answer, so that nothing can be compared: ",
        ),
    ],
)
def test_what_is_wrong_with_its_surroundings_is_said_in_one_sentence(
    crm: Consumers, changed: dict[str, str], says: str
) -> None:
    crm.environment |= changed
    ended = crm.ended("--check")
    assert ended.returncode == 1
    assert says in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr
    assert "keep-it" not in ended.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_once_is_interrupted_at_once_and_says_what_stays(crm: Consumers, how: signal.Signals) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        crm.environment["TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS"] = f"127.0.0.1:{silent.getsockname()[1]}"
        consumer = crm.start("--once", stderr=subprocess.PIPE)
        silent.settimeout(30)
        connection, _ = silent.accept()
        with connection:
            consumer.send_signal(how)
            _, said = consumer.communicate(timeout=10)
    assert said == b"interrupted: what was applied stays, and will not be applied again\n"
    assert consumer.returncode == 1
