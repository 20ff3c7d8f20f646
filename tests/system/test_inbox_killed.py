"""Real consumer processes that are killed, stopped and woken at any point while others work: each message once."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from signal import SIGCONT, SIGSTOP, SIGTERM
from threading import Event, Thread
from time import sleep

import orjson
import pytest

from projections.published.messages import Message
from tests.broker import Kafka
from tests.contract.freeze import story_entries
from tests.own_server import eventually
from tests.system.downstream import Consumers, consumers, kill, make_topic, publish

SEED = 20_110_401
PARTITIONS = 4
AT_ONCE = 3
AGENTS = ("harbor", "summit", "tern", "keystone", "delta", "ridge", "quay")
PATIENCE = 120.0


@pytest.fixture
def crm(database_url: str, kafka: Kafka, tmp_path: Path) -> Iterator[Consumers]:
    house = kafka.name("killed").replace("-", "")
    make_topic(kafka, f"{house}.ledger-entries", PARTITIONS)
    with consumers(database_url, kafka, house, tmp_path) as crm:
        yield crm


def entries(house: str, positions: range) -> list[Message]:
    """Some entries a position, to the agents' accounts: real ones, with other amounts."""
    sample = next(entry for entry in story_entries() if entry.key == b"agent:summit:payable")
    body, headers = orjson.loads(sample.value), dict(sample.headers)
    made = []
    for position in positions:
        for leg, agent in enumerate(AGENTS, 1):
            book, ce_id = f"agent:{agent}:payable", f"{position}:19:2026-03:recurring:USD:{leg}"
            changed = {
                "ce_id": ce_id.encode(),
                "ce_source": f"/trailbook/{house}".encode(),
                "ce_subject": book.encode(),
                "ce_position": b"%d" % position,
            }
            value = {**body, "entry": ce_id, "position": position, "leg": leg, "book": book}
            value["amount_minor"] = amount(position, leg)
            made.append(
                sample._replace(
                    key=book.encode(), headers=tuple({**headers, **changed}.items()), value=orjson.dumps(value)
                )
            )
    return made


def amount(position: int, leg: int) -> int:
    return (position * 7_919 + leg * 104_729) % 10_007 - 4_000


class Relay:
    """Publishes on and on, and begins again at an earlier place now and then, in the middle of a position too."""

    def __init__(self, kafka: Kafka, house: str, random: Random) -> None:
        self.kafka, self.house, self.random = kafka, house, random
        self.sent: list[Message] = []
        self.position = 0
        self._enough = Event()
        self._thread = Thread(target=self._work)

    def __enter__(self) -> "Relay":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._thread.join(60)

    def _work(self) -> None:
        while not self._enough.is_set():
            count = self.random.randint(1, 30)
            new = entries(self.house, range(self.position + 1, self.position + 1 + count))
            self.position += count
            again = self.sent[-self.random.randint(1, 200) :] if self.random.random() < 0.3 else []
            publish(self.kafka, self.house, [*again, *new])
            self.sent += new
            sleep(self.random.random() / 5)


def shot_at(crm: Consumers, kafka: Kafka, times: int) -> None:
    """Kill, or stop and wake, one of several consumers again and again; then all must have been applied once."""
    random = Random(SEED)
    house = crm.environment["TRAILBOOK_HOUSE"]
    at_work: list[subprocess.Popen[bytes]] = []
    try:
        with Relay(kafka, house, random) as relay:
            for number in range(times):
                while len(at_work) < AT_ONCE:
                    at_work.append(crm.start())
                sleep(random.choice((0.5, 1, 1.5, 2.5)) + random.random())
                process = at_work.pop(random.randrange(len(at_work)))
                if number % 3 == 1:
                    at_work.append(process)
                    process.send_signal(SIGSTOP)
                    sleep(random.random())
                    process.send_signal(SIGCONT)
                elif number % 3 == 2:
                    process.send_signal(SIGTERM)
                    # before it has come to say what the signal means to it, it just ends
                    assert process.wait(30) in (0, -SIGTERM)
                else:
                    kill(process)
            while len(at_work) < AT_ONCE:
                at_work.append(crm.start())
        expected = sums(relay.sent)
        eventually(lambda: balances(crm) == expected, f"the balances of {relay.position} positions", PATIENCE)
    finally:
        for process in at_work:
            kill(process)
    assert crm.rows("SELECT * FROM inbox_poison") == []
    assert crm.ended("--once").returncode == 0
    assert balances(crm) == expected


def sums(sent: list[Message]) -> dict[str, int]:
    summed: dict[str, int] = {}
    for message in sent:
        body = orjson.loads(message.value)
        agent = body["book"].split(":")[1]
        summed[agent] = summed.get(agent, 0) + body["amount_minor"]
    return summed


def balances(crm: Consumers) -> dict[str, int]:
    return dict(crm.rows("SELECT agent, payable_minor FROM agent_balance"))


def test_given_consumers_killed_and_stopped_at_any_point_then_each_message_counts_once(
    crm: Consumers, kafka: Kafka
) -> None:
    shot_at(crm, kafka, times=6)


@pytest.mark.long
def test_given_consumers_killed_and_stopped_sixty_times_then_each_message_counts_once(
    crm: Consumers, kafka: Kafka
) -> None:
    shot_at(crm, kafka, times=60)


def test_given_a_consumer_stopped_past_its_session_and_woken_then_it_applies_nothing_twice(
    crm: Consumers, kafka: Kafka
) -> None:
    """While it sleeps another takes over its partitions; what it holds in hand when it wakes is out of date."""
    house = crm.environment["TRAILBOOK_HOUSE"]
    published = entries(house, range(1, 3_000))
    publish(kafka, house, published)
    sleeper = crm.start()
    other = None
    try:
        eventually(lambda: bool(crm.rows("SELECT 1 FROM inbox_offsets WHERE position > 0")), "it is at work")
        sleeper.send_signal(SIGSTOP)
        other = crm.start()
        eventually(lambda: balances(crm) == sums(published), "the other has applied everything", PATIENCE)
        more = entries(house, range(3_000, 3_500))
        publish(kafka, house, more)
        sleeper.send_signal(SIGCONT)
        eventually(lambda: balances(crm) == sums([*published, *more]), "all is applied", PATIENCE)
        sleeper.send_signal(SIGTERM)
        assert sleeper.wait(30) == 0
    finally:
        for process in filter(None, (sleeper, other)):
            kill(process)
    assert crm.ended("--once").returncode == 0
    assert balances(crm) == sums([*published, *more])
