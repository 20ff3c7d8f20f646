"""The whole chain of real programs, and everything in it shot at: the topics hold what the log and the journal hold.

Somebody gives commands, `trailbook run` posts, two relays publish (one stands by), and two processes of the worked
consumer add up. Each may be killed, or stopped and woken, at any moment; the broker is lost and comes back; connections
to the database are cut; the ledger is rebuilt. What is to be in the topics is read here from the bare tables, so that
nothing that publishes has a say in it.
"""

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kafka.consumer.fetcher import ConsumerRecord
from psycopg import sql

from adapters.database import Database
from adapters.embedded_kafka import EmbeddedKafka
from projections import ledger
from projections.published.messages import Cause, Message, Place, entry_message, stored_message
from projections.published.topics import Topic
from tests.broker import Kafka, own_broker
from tests.own_server import eventually, own_server
from tests.system.downstream import EXAMPLE, Consumers, consumers, kill
from tests.system.program import PROGRAM, TOP, Program
from tests.system.relaying import (
    LEASE_SECONDS,
    TOPICS,
    RelayProcess,
    by_key,
    caught_up,
    check_places,
    leases,
    published,
    record_id,
    relay,
    with_topics,
)
from tests.system.under_load import Runner, environment, head, runner, wait_until_projected

SEED = 20_261_123
BATCH = ("--batch", "20")
"""Small, so that there are many transactions to be hit."""
SESSION_SECONDS = 10.0
"""After which Kafka gives a consumer's partitions to another."""
PATIENCE_SECONDS = 240.0


# -- what is to be in the topics, from the bare tables


class Expected(NamedTuple):
    """Each topic's messages, in the order in which they are to be published."""

    of: dict[Topic, list[Message]]
    entries: int


def expected(database: Database) -> Expected:
    house = sql.Identifier(database.house)
    with database.connect("owner", autocommit=True) as connection:
        events = connection.execute(
            sql.SQL(
                "SELECT notification_id, originator_id, originator_version, topic, state, recorded_at "
                "FROM {}.house_events ORDER BY notification_id"
            ).format(house)
        ).fetchall()
        columns = sql.SQL(", ").join(map(sql.Identifier, ledger.JOURNAL.column_names))
        book = sql.Identifier(database.book)
        journal = connection.execute(sql.SQL("SELECT {} FROM {}.journal").format(columns, book)).fetchall()
        names = connection.execute(sql.SQL("SELECT no, name FROM {}.facts_name").format(book)).fetchall()
    assert [event[0] for event in events] == list(range(1, len(events) + 1)), "the log has no gap"
    of: dict[Topic, list[Message]] = {topic: [] for topic in TOPICS}
    causes: dict[int, Cause] = {}
    for number, stream, version, name, stored, recorded_at in events:
        state = json.loads(bytes(stored))
        causes[number] = Cause(f"{stream}@{version}", recorded_at, state["correlation_id"])
        message = stored_message(database.house, name, Place(stream, version, number, recorded_at), state)
        if message is not None:
            of[message.topic].append(message)
    named: dict[int, str] = dict(names)
    of["ledger-entries"] = [entry_message(database.house, row, named, causes[row[0]]) for row in sorted(journal)]
    return Expected(of, len(journal))


def check_topics_hold(kafka: Kafka, database: Database, wanted: Expected) -> int:
    """Nothing is missing, invented, changed, or before what it follows under its key; how many messages came again."""
    repeats = 0
    for topic in TOPICS:
        records = published(kafka, database, topic)
        repeats += _check_topic(topic, records, wanted.of[topic])
        _check_versions(topic, records)
    return repeats


def _check_topic(topic: Topic, records: list[ConsumerRecord], messages: list[Message]) -> int:
    of_id = {dict(message.headers)["ce_id"]: message for message in messages}
    assert len(of_id) == len(messages)
    found = Counter(record_id(record) for record in records)
    assert not found.keys() - of_id.keys(), (topic, "invented", sorted(found.keys() - of_id.keys())[:5])
    assert not of_id.keys() - found.keys(), (topic, "missing", sorted(of_id.keys() - found.keys())[:5])
    for record in records:
        message = of_id[record_id(record)]
        assert (record.key, tuple(record.headers), record.value) == message[1:], (topic, "changed", message)
    places = by_key((record.key, record.partition) for record in records)
    assert all(len(set(partitions)) == 1 for partitions in places.values()), (topic, "a key in two partitions")
    in_order = by_key((message.key, dict(message.headers)["ce_id"]) for message in messages)
    as_found = by_key((record.key, record_id(record)) for record in records)
    for key, ids in in_order.items():
        assert list(dict.fromkeys(as_found[key])) == ids, (topic, "out of order", key)
    return len(records) - len(found)


def _check_versions(topic: Topic, records: list[ConsumerRecord]) -> None:
    """A stream's versions have no gap: of a stream everything is published or nothing."""
    if topic == "ledger-entries":
        return
    versions = by_key((record.key, int(dict(record.headers)["ce_streamversion"])) for record in records)
    for key, found in versions.items():
        assert list(dict.fromkeys(found)) == list(range(1, max(found) + 1)), (topic, key, found)


# -- what runs


@dataclass
class Kept:
    """A process that somebody always starts again."""

    start: Callable[[], AbstractContextManager[Any]]
    stack: ExitStack = field(default_factory=ExitStack)
    process: Any = None
    said: list[str] = field(default_factory=list)
    """What those that were killed had logged."""

    def begin(self) -> None:
        self.stack = ExitStack()
        self.process = self.stack.enter_context(self.start())

    def kill(self) -> None:
        """SIGKILL, also for one that is stopped."""
        self.popen.kill()
        self.popen.wait(60)
        self.said += self.process.lines
        self.stack.close()

    @property
    def popen(self) -> "subprocess.Popen[bytes]":
        return self.process.process  # type: ignore[no-any-return]

    @property
    def all_said(self) -> list[str]:
        return [*self.said, *self.process.lines]


@contextmanager
def consumer(crm: Consumers) -> Iterator[Runner]:
    with tempfile.NamedTemporaryFile(prefix="consumer-", suffix=".log") as log:
        process = subprocess.Popen([sys.executable, str(EXAMPLE)], env=crm.environment, stdout=log, stderr=log)
        try:
            yield Runner(process, log)
        finally:
            kill(process)


@dataclass
class Chain:
    """Everything that runs, and what befalls it."""

    database: Database
    broker: EmbeddedKafka
    crm: Consumers
    chance: random.Random
    relays: list[Kept] = field(default_factory=list)
    consumers: list[Kept] = field(default_factory=list)
    run: Kept = field(init=False)
    asleep: list[tuple[float, "subprocess.Popen[bytes]"]] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    rebuilds: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def begin(self) -> None:
        servers = self.broker.bootstrap_servers
        self.run = Kept(lambda: runner(self.database))
        self.relays = [Kept(lambda: relay(self.database, servers, *BATCH)) for _ in range(2)]
        self.consumers = [Kept(lambda: consumer(self.crm)) for _ in range(2)]
        for kept in self.kept:
            kept.begin()

    @property
    def kept(self) -> list[Kept]:
        return [self.run, *self.relays, *self.consumers]

    @property
    def kafka(self) -> Kafka:
        return Kafka(self.broker.bootstrap_servers)

    def shoot(self, what: str) -> None:
        self.wake(time.monotonic())
        getattr(self, what)()
        self.done[what] += 1
        time.sleep(self.chance.random())

    def kill_relay(self) -> None:
        """The one that publishes, mostly; sometimes both at once, or one that may only just have begun."""
        leading = self.leading() if self.chance.random() < 0.9 else self.relays
        for kept in leading if self.chance.random() < 0.9 else self.relays:
            self.done["killed while it published"] += _epoch(kept.process) > 0
            kept.kill()
            kept.begin()

    def stop_relay(self) -> None:
        """Past its lease."""
        self._stop(self.leading()[0], LEASE_SECONDS * self.chance.uniform(0.8, 2))

    def leading(self) -> list[Kept]:
        """The one that publishes, at some moment of its work; those that are stopped are woken when it is time."""

        def found() -> bool:
            self.wake(time.monotonic())
            return any(_epoch(kept.process) for kept in self.relays)

        eventually(found, "one of the relays publishes", PATIENCE_SECONDS)
        time.sleep(self.chance.random())
        return sorted(self.relays, key=lambda kept: _epoch(kept.process))[-1:]

    def kill_consumer(self) -> None:
        kept = self.chance.choice(self.consumers)
        kept.kill()
        kept.begin()

    def stop_consumer(self) -> None:
        """Past its session."""
        self._stop(self.chance.choice(self.consumers), SESSION_SECONDS * self.chance.uniform(0.9, 1.5))

    def kill_run(self) -> None:
        self.run.kill()
        self.run.begin()

    def lose_broker(self) -> None:
        """Killed, or ended in good order, and started again on the same files."""
        (self.broker.kill if self.chance.random() < 0.8 else self.broker.stop)()
        time.sleep(self.chance.random())
        self.broker.start()

    def cut_database(self) -> None:
        """All connections of the house and of the consumer, or some."""
        share = self.chance.choice((0.3, 1.0))
        with self.database.connect("owner", autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend' AND random() < %s",
                (share,),
            )

    def rebuild(self) -> None:
        """In the midst of it all; it may be cut off too."""
        self.rebuilds.append(
            subprocess.Popen(
                [sys.executable, "-c", PROGRAM, "rebuild", "ledger"],
                env=Program(environment(self.database)).whole_environment(),
                cwd=TOP,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )

    def _stop(self, kept: Kept, seconds: float) -> None:
        kept.popen.send_signal(signal.SIGSTOP)
        self.asleep.append((time.monotonic() + seconds, kept.popen))

    def wake(self, by: float) -> None:
        for until, process in self.asleep:
            if until <= by:
                process.send_signal(signal.SIGCONT)
        self.asleep = [(until, process) for until, process in self.asleep if until > by]

    def calm(self) -> None:
        """Nothing befalls anybody any more; until everything has reached the end."""
        self.wake(float("inf"))
        for rebuilding in self.rebuilds:
            rebuilding.wait(PATIENCE_SECONDS)
        wait_until_projected(self.database, self.run.process)
        eventually(lambda: caught_up(self.kafka, self.database), "all is published", PATIENCE_SECONDS)

    def end(self) -> None:
        for kept in self.kept:
            kept.kill()


def _epoch(process: RelayProcess) -> int:
    """Of the lease under which it publishes, as far as it knows itself; 0: it does not."""
    if not process.told_last("relaying"):
        return 0
    return int(process.told("relaying")[-1].rpartition("epoch=")[2].split()[0])


@contextmanager
def teller(database: Database, pause_seconds: float) -> Iterator[None]:
    """Somebody gives commands, and nothing but refusals keeps them from it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.system.telling", str(SEED), str(pause_seconds)],
        env=Program(environment(database)).whole_environment(),
        cwd=TOP,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    try:
        yield
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        print("commands:", said.strip())
    finally:
        process.kill()
        process.wait(60)


def balances_agree(chain: Chain) -> bool:
    """The consumer's table and what `trailbook ledger balances` says."""
    said = Program(environment(chain.database)).run("ledger", "balances", "--json")
    assert said.code == 0, said.err
    books = {(row["book"], row["currency"]): row["amount_minor"] for row in said.data["balances"]}
    theirs = {book: minor for book, minor in books.items() if book[0].startswith("agent:") and minor}
    ours: dict[tuple[str, str], int] = {}
    for agent, currency, payable, held in chain.crm.rows("SELECT * FROM agent_balance"):
        ours |= {(f"agent:{agent}:payable", currency): payable, (f"agent:{agent}:held", currency): held}
    return {book: minor for book, minor in ours.items() if minor} == theirs


def shot_at(house: Database, folder: Path, shots: dict[str, int], pause_seconds: float) -> None:
    chance = random.Random(SEED)
    sequence = [what for what, times in shots.items() for _ in range(times)]
    chance.shuffle(sequence)
    with (
        own_broker() as broker,
        consumers(house.url, Kafka(broker.bootstrap_servers), house.house, folder) as crm,
    ):
        with_topics(house, broker.bootstrap_servers)
        chain = Chain(house, broker, crm, chance)
        began = time.monotonic()
        chain.begin()
        try:
            with teller(house, pause_seconds):
                eventually(lambda: head(house) > 60, "the teller is at work")
                for what in sequence:
                    chain.shoot(what)
                    print(f"{time.monotonic() - began:.0f}s {what}", end=" ", flush=True)
            print(f"calm at {time.monotonic() - began:.0f}s")
            chain.calm()
            print(f"published at {time.monotonic() - began:.0f}s")
            check(chain)
        finally:
            chain.end()


def check(chain: Chain) -> None:
    wanted = expected(chain.database)
    repeats = check_topics_hold(chain.kafka, chain.database, wanted)
    noted = check_places(chain.kafka, chain.database)
    eventually(lambda: balances_agree(chain), "the consumer's table is the ledger", PATIENCE_SECONDS)
    assert chain.crm.rows("SELECT * FROM inbox_poison") == []
    checked = chain.crm.ended("--check")
    assert (checked.stdout, checked.returncode) == ("balances agree with Trailbook's\n", 0), checked.stderr
    for kept in chain.kept:
        faults = [line for line in kept.all_said if "Traceback" in line or "] relay stopped" in line]
        assert not faults, (faults, kept.all_said[-40:])
    print(
        f"{dict(chain.done)}: {head(chain.database)} events, "
        f"{sum(map(len, wanted.of.values())) - wanted.entries} messages of them, {wanted.entries} entries, "
        f"{repeats} repeats, {leases(chain.database)} leases, {len(noted)} places that compaction has left"
    )
    assert wanted.entries
    assert repeats == 0, "a relay goes on exactly where the last one came to"


@pytest.fixture
def house() -> Iterator[Database]:
    with own_server() as server:
        database = Database(server.url, "chain")
        database.init()
        yield database


SHORT = {
    "kill_relay": 4,
    "stop_relay": 1,
    "kill_consumer": 1,
    "stop_consumer": 1,
    "kill_run": 1,
    "lose_broker": 1,
    "cut_database": 1,
    "rebuild": 1,
}
LONG = {
    "kill_relay": 100,
    "stop_relay": 15,
    "kill_consumer": 20,
    "stop_consumer": 6,
    "kill_run": 10,
    "lose_broker": 20,
    "cut_database": 15,
    "rebuild": 5,
}


@pytest.mark.parametrize(
    ("shots", "pause_seconds"),
    [pytest.param(SHORT, 0.02, id="a few shots"), pytest.param(LONG, 0.05, marks=pytest.mark.long, id="many shots")],
)
def test_given_everything_is_shot_at_then_topics_and_consumer_hold_what_log_and_ledger_hold(
    house: Database, tmp_path: Path, shots: dict[str, int], pause_seconds: float
) -> None:
    shot_at(house, tmp_path, shots, pause_seconds)
