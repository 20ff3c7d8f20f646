"""The relay: what it sends over kafka-python's own producer, how soon a reader has it, and how it catches up.

Parts, each to be run alone with ``--part``: ``sending``, events and entries relayed a second over the same bytes sent
from memory in transactions of the same size; ``latency``, from a command's commit to a reader of what is committed, at
200 commands a second; ``catch-up``, speed and memory at each tenth of a long way; ``inbox``, the worked consumer.

When a message was sent is read from the message itself, so that nothing looks on while the relay works.
"""

import json
import pickle
import subprocess
import sys
import tempfile
import threading
import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import kafka
import orjson
import psutil
import psycopg
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
from kafka import KafkaAdminClient, KafkaConsumer
from kafka.admin import NewTopic
from psycopg.conninfo import make_conninfo

from adapters.database import Database
from adapters.inbox_reading import USUAL
from adapters.log import PostgresLog
from adapters.projectors import LEDGER, Projectors
from adapters.publisher import BATCH_BYTES, RETRY_MS
from adapters.rebuild import rebuild
from domain import months
from domain.account import Alias, OpenAccount
from domain.message import Command, Issued
from domain.vendor_statement import ReceiveStatement, StatementLine
from projections import facts
from projections.published.topics import CARRIES, PARTITIONS
from services.commands import Commands
from services.relay import FEWEST_OBJECTS_TO_SEARCH
from tests.bench.book import ANN, FIRST_MONTH, VENDOR, Size, account_id, growing, write
from tests.bench.live import at
from tests.bench.measure import Measured, median_ratio
from tests.bench.sending import Given, Work
from tests.broker import own_broker
from tests.system.program import PROGRAM, TOP, Program

PARTS = ("sending", "latency", "catch-up", "inbox")
ASKED = 0.80
MESSAGES_AN_ACCOUNT = 6.75
"""In ``growing``: 2.6 events and 4.2 entries."""
MONTHS = 10
SENT_AT_MOST = 100_000
"""In ``sending``, where all messages are held in memory."""
COMMANDS_A_SECOND = 200
WARM_SECONDS, LATENCY_SECONDS, LATE_SECONDS = 5.0, 20.0, 60.0
LOOK_SECONDS = 0.1
"""Between two looks at the relay's memory."""
POLL_SECONDS = 0.2


def run(database: Database, options: Namespace) -> list[Measured]:
    found: list[Measured] = []
    with nullcontext(options.kafka) if options.kafka else _own_broker() as servers:
        for name, part in _PARTS.items():
            if not options.part or name in options.part:
                print(f"… {name}", file=sys.stderr, flush=True)
                found.extend(part(database, servers, options))
    return found


@contextmanager
def _own_broker() -> Iterator[str]:
    with own_broker() as own:
        yield own.bootstrap_servers


# -- a house, its topics, and the relay's process


@dataclass
class _House:
    """A house with a book of so many messages, of which nothing is published yet."""

    database: Database
    servers: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "TRAILBOOK_DATABASE_URL": self.database.url,
            "TRAILBOOK_HOUSE": self.database.house,
            "TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS": self.servers,
            "TRAILBOOK_KAFKA_REPLICATION": "1",
        }

    @property
    def topics(self) -> list[str]:
        return [f"{self.database.house}.{topic}" for topic in CARRIES]

    @property
    def places(self) -> str:
        return f"{self.database.house}.relay-positions"

    def begin_again(self) -> None:
        """Topics with nothing in them; the relay's position went with them."""
        with closing(KafkaAdminClient(bootstrap_servers=self.servers)) as admin:
            there = {*admin.list_topics()} & {*self.topics, self.places}
            if there:
                admin.delete_topics([*there])
            while {*admin.list_topics()} & there:
                time.sleep(LOOK_SECONDS)
        self.program("relay", "topics", "--create")

    def program(self, *arguments: str) -> None:
        with self.running(*arguments) as process:
            assert process.wait(600) == 0

    @contextmanager
    def running(self, *arguments: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A process of the real program; told to end, if it has not ended."""
        environment = Program(self.environment).whole_environment()
        command = [sys.executable, "-c", PROGRAM, *arguments]
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(command, env=environment, cwd=TOP, stdout=said, stderr=said)
            try:
                yield process
            finally:
                process.terminate()
                code = process.wait(60)
                said.seek(0)
                if code not in (0, -15):
                    sys.stderr.write(said.read().decode(errors="replace"))

    def relay(self) -> "_Relayed":
        """All that there is, published by the real process, to topics in which nothing is."""
        self.begin_again()
        with self.running("relay", "run", "--once") as process:
            looks = list(_looks(process))
            assert process.returncode == 0, "the relay did not end well"
        committed = [sent.seconds for sent in _sent(self.servers, [self.places])]
        return _Relayed(self, committed, looks)


@contextmanager
def _house(beside: Database, part: str, servers: str, messages: int) -> Iterator[_House]:
    database = Database(beside.url, f"{beside.house}_{part}")
    database.init()
    try:
        size = Size(max(10 * MONTHS, round(messages / MESSAGES_AN_ACCOUNT)), MONTHS, sellers_versions=1)
        write(database, size, steps=growing(size))
        Projectors(database).close()
        rebuild(database, facts.name)
        rebuild(database, LEDGER)
        yield _House(database, servers)
    finally:
        database.drop()


class _Look(NamedTuple):
    """At a process."""

    seconds: float
    bytes: int
    """Of memory that it holds."""
    processor_seconds: float
    """That it has had since its start."""


def _looks(process: "subprocess.Popen[bytes]") -> Iterator[_Look]:
    """Until it ends."""
    seen = psutil.Process(process.pid)
    with suppress(psutil.NoSuchProcess):
        while process.poll() is None:
            yield _Look(time.time(), seen.memory_info().rss, _processor_seconds(seen))
            time.sleep(LOOK_SECONDS)
    process.wait()


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class _Sent(NamedTuple):
    seconds: float
    """When the broker got it."""
    message: Given


def _sent(servers: str, topics: Sequence[str], *, whole: bool = True) -> Iterator[_Sent]:
    """All that topics hold and that is committed; without keys, headers and bodies if these are not asked for."""
    consumer, places = _reader(servers, topics)
    with closing(consumer):
        left = len(places)
        while left:
            message = consumer.poll(LATE_SECONDS)
            assert message is not None
            if (error := message.error()) is not None:
                assert error.code() == KafkaError._PARTITION_EOF, error
                left -= 1
                continue
            given = Given(message.topic(), b"", (), b"")
            if whole:
                given = Given(message.topic(), message.key(), message.headers() or (), message.value())
            yield _Sent(message.timestamp()[1] / 1000, given)


def _reader(servers: str, topics: Sequence[str]) -> tuple[Any, list[TopicPartition]]:
    """A client that is not ours, at the beginning of the topics."""
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": "bench",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    known = consumer.list_topics(timeout=LATE_SECONDS).topics
    places = [TopicPartition(topic, no, OFFSET_BEGINNING) for topic in topics for no in known[topic].partitions]
    consumer.assign(places)
    return consumer, places


@dataclass
class _Relayed:
    """A run of the relay from nothing to the end."""

    house: _House
    committed: list[float]
    """When the broker got each transaction's place, the last of its messages."""
    looks: list[_Look]

    def sent(self, *, whole: bool = False) -> list[_Sent]:
        """In the order of sending."""
        return sorted(_sent(self.house.servers, self.house.topics, whole=whole), key=lambda sent: sent.seconds)

    def a_second(self, sent: Sequence[_Sent]) -> float:
        """Messages a second from the first commit to the last."""
        return self._later(sent) / (self.committed[-1] - self.committed[0])

    def processor_us(self, sent: Sequence[_Sent]) -> float:
        """Processor time of a message, in microseconds, from the look after the first commit to the last look."""
        first = next(look for look in self.looks if look.seconds > self.committed[0])
        later = sum(one.seconds > first.seconds for one in sent)
        return 1e6 * (self.looks[-1].processor_seconds - first.processor_seconds) / later

    def _later(self, sent: Sequence[_Sent]) -> int:
        return sum(one.seconds > self.committed[0] for one in sent)


# -- sending


def sending(beside: Database, servers: str, options: Namespace) -> Iterator[Measured]:
    with _house(beside, "sending", servers, min(options.events, SENT_AT_MOST)) as house:
        relayed = house.relay()
        sent = relayed.sent(whole=True)
        a_transaction = max(1, round(len(sent) / len(relayed.committed)))
        bare = _Bare([one.message for one in sent], a_transaction, servers)

        busy: list[float] = []

        def relay() -> float:
            run = house.relay()
            found = run.sent()
            busy.append(run.processor_us(found))
            return run.a_second(found)

        sides = {"relay": relay, "producer": bare.tuned, "rarely": bare.rarely_searched, "default": bare.default}
        found = _there_and_back(options.rounds, sides)
    events = sum(not one.message.topic.endswith(".ledger-entries") for one in sent)
    size = sum(len(one.message.value) + sum(len(n) + len(v) for n, v in one.message.headers) for one in sent)
    yield Measured(
        "relay",
        "kafka-python's producer, from memory",
        median(found["producer"]),
        "messages/s",
        note=f"made like the relay's; {a_transaction:,} a transaction; {size / len(sent):.0f} bytes each",
    )
    yield Measured(
        "relay",
        "relayed from PostgreSQL",
        median(found["relay"]),
        "messages/s",
        median_ratio(found["relay"], found["producer"]),
        "the producer",
        ASKED,
        f"{events:,} events, {len(sent) - events:,} entries",
    )
    yield Measured(
        "relay",
        "processor time of a message",
        median(busy),
        "µs",
        median(bare.busy) / median(busy),
        "the producer",
        note=f"the producer's: {median(bare.busy):.1f}; the ratio on a machine that others use",
    )
    for name, what in (("rarely", "the producer, its process made like the relay's too"), ("default", "its defaults")):
        over = median_ratio(found["relay"], found[name])
        yield Measured("relay", what, median(found[name]), "messages/s", note=f"the relay over it: {over:.2f}")


def _there_and_back(rounds: int, sides: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """What each side measures, in turn and in the turned order: what grows with time weighs on all alike."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(2 * rounds):
        for name in reversed([*sides]) if number % 2 else sides:
            found[name].append(sides[name]())
    return found


MADE: Mapping[str, Any] = {"batch_size": BATCH_BYTES, "retry_backoff_ms": RETRY_MS, "metrics_enabled": False}
"""As the relay's own producer."""


@dataclass
class _Bare:
    """kafka-python's own producer with messages from memory."""

    messages: Sequence[Given]
    a_transaction: int
    servers: str
    busy: list[float] = field(default_factory=list)
    """Processor time of a message, in microseconds."""

    def tuned(self) -> float:
        """Made as the relay makes its own."""
        ran = self._run(MADE)
        self.busy.append(1e6 * ran["processor_seconds"] / ran["messages"])
        return ran["messages"] / ran["seconds"]

    def rarely_searched(self) -> float:
        """And its process looks for rings of objects as rarely as the relay's."""
        ran = self._run(MADE, FEWEST_OBJECTS_TO_SEARCH)
        return ran["messages"] / ran["seconds"]

    def default(self) -> float:
        ran = self._run({})
        return ran["messages"] / ran["seconds"]

    def _run(self, settings: Mapping[str, Any], gc_threshold: int = 0) -> dict[str, float]:
        name = f"bare-{time.time_ns()}"
        topics = {topic: f"{name}.{topic}" for topic in {message.topic for message in self.messages}}
        with closing(KafkaAdminClient(bootstrap_servers=self.servers)) as admin:
            admin.create_topics([NewTopic(topic, PARTITIONS, 1) for topic in topics.values()])
            admin.wait_for_topics([*topics.values()])
            given = iter([message._replace(topic=topics[message.topic]) for message in self.messages])
            transactions = list(iter(lambda: list(islice(given, self.a_transaction)), []))
            producer = {"bootstrap_servers": self.servers, "transactional_id": name, **settings}
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "work")
                path.write_bytes(pickle.dumps(Work(transactions, producer, gc_threshold)))
                command = [sys.executable, "-m", "tests.bench.sending", str(path)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=TOP)
            admin.delete_topics([*topics.values()])
        ran: dict[str, float] = json.loads(done.stdout)
        return ran


# -- latency


def latency(beside: Database, servers: str, options: Namespace) -> Iterator[Measured]:
    with _house(beside, "latency", servers, 1_000) as house:
        house.relay()
        with ExitStack() as stack:
            relay = stack.enter_context(house.running("relay", "run"))
            stack.enter_context(house.running("run"))
            reading = stack.enter_context(_Reading.begun(house))
            writer = stack.enter_context(closing(_Writer(house.database)))
            writer.work(WARM_SECONDS)
            reading.wait_for(writer)  # both have begun, and have caught up
            watched = psutil.Process(relay.pid)
            busy = _processor_seconds(watched)
            writer.committed.clear()
            writer.with_entries.clear()
            given, took = writer.work(LATENCY_SECONDS)
            busy = _processor_seconds(watched) - busy
            reading.wait_for(writer)
    pace = f"{given / took:.0f} commands a second; the relay's processor: {100 * busy / took:.0f} %"
    for what, arrived, of in (
        ("an event", reading.events, writer.committed.keys()),
        ("an entry", reading.entries, writer.with_entries),
    ):
        waited = [arrived[position] - writer.committed[position] for position in of]
        for share in (0.50, 0.99):
            name = f"from commit to {what} at a reader: p{100 * share:.0f}"
            aim = "; aim: p99 under 100 ms" if share > 0.9 and what == "an event" else ""
            yield Measured("latency", name, at(waited, share), "ms", note=pace + aim)


@dataclass
class _Reading:
    """When each message came to a reader, by its position in the log; of entries the last one."""

    consumer: Any
    events: dict[int, float] = field(default_factory=dict)
    entries: dict[int, float] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    @contextmanager
    def begun(cls, house: _House) -> Iterator["_Reading"]:
        consumer, _ = _reader(house.servers, house.topics)
        reading = cls(consumer)
        thread = threading.Thread(target=reading._read)
        thread.start()
        try:
            yield reading
        finally:
            reading._stop.set()
            thread.join()
            consumer.close()

    def _read(self) -> None:
        while not self._stop.is_set():
            message = self.consumer.poll(POLL_SECONDS)
            if message is None or message.error() is not None:
                continue
            now = time.time()
            position = int(dict(message.headers())["ce_position"])
            kept = self.entries if message.topic().endswith(".ledger-entries") else self.events
            kept[position] = now

    def wait_for(self, writer: "_Writer") -> None:
        """Until all has come."""
        deadline = time.monotonic() + LATE_SECONDS
        while writer.committed.keys() - self.events.keys() or writer.with_entries - self.entries.keys():
            assert time.monotonic() < deadline, f"not all was relayed within {LATE_SECONDS:.0f} s"
            time.sleep(POLL_SECONDS)


class _Writer:
    """Gives commands at an even pace; every fourth is a statement of one line, because of which entries are posted."""

    def __init__(self, database: Database) -> None:
        self.log = PostgresLog(database)
        self.commands = Commands(self.log)
        self.committed: dict[int, float] = {}
        """When a command's caller knew that it was committed, by position."""
        self.with_entries: set[int] = set()
        self._number = 0

    def close(self) -> None:
        self.log.close()

    def work(self, seconds: float) -> tuple[int, float]:
        """How many commands were given, in how many seconds."""
        started, given = time.perf_counter(), 0
        while (due := given / COMMANDS_A_SECOND) < seconds:
            time.sleep(max(0.0, started + due - time.perf_counter()))
            self._number += 1
            given += 1
            command = self._statement() if self._number % 4 == 0 else self._account()
            result = self.commands.handle(Issued(f"latency-{self._number}", ANN, command))
            self.committed[result.last_position] = time.time()
            if isinstance(command, ReceiveStatement):
                self.with_entries.add(result.last_position)
        return given, time.perf_counter() - started

    def _account(self) -> Command:
        number = f"8-{self._number:07d}"
        alias = Alias(vendor=VENDOR, number=number)
        return OpenAccount(account=f"new/{number}", customer="customer-0", vendor=VENDOR, aliases=(alias,))

    def _statement(self) -> Command:
        line = StatementLine(line=1, account=account_id(0).partition("/")[2], commission_minor=Decimal(1000))
        return ReceiveStatement(
            vendor=VENDOR,
            number=f"one-{self._number}",
            statement_month=months.text(FIRST_MONTH + 1),
            control_total_minor=1000,
            lines=(line,),
        )


# -- catching up


def catch_up(beside: Database, servers: str, options: Namespace) -> Iterator[Measured]:
    with _house(beside, "catch_up", servers, options.events) as house:
        relayed = house.relay()
        sent = relayed.sent()
    ends = [sent[max(0, len(sent) * tenth // 10 - 1)].seconds for tenth in range(1, 11)]
    begins = [sent[0].seconds, *ends]
    rates = [len(sent) / 10 / (end - begin) for begin, end in zip(begins, ends, strict=False)]
    rss = [_rss(relayed.looks, begin, end) for begin, end in zip(begins, ends, strict=False)]
    in_words = " ".join(f"{rate / 1000:.1f}" for rate in rates)
    yield Measured(
        "catch-up",
        f"{len(sent):,} messages",
        relayed.a_second(sent),
        "messages/s",
        note=f"thousands a second by tenth: {in_words}",
    )
    later = rates[1:]
    yield Measured(
        "catch-up", "the slowest tenth over the fastest", min(later) / max(later), "", note="from the second"
    )
    yield Measured(
        "catch-up",
        "the relay's memory in the last tenth",
        rss[-1],
        "MiB",
        rss[-1] / rss[0],
        "the first tenth",
        note="MiB by tenth: " + " ".join(f"{mib:.0f}" for mib in rss),
    )
    yield Measured("catch-up", "the most memory of the relay", max(look.bytes for look in relayed.looks) / 2**20, "MiB")


def _rss(looks: Sequence[_Look], begin: float, end: float) -> float:
    """The most between two times, or at the nearest look, in MiB."""
    within = [look.bytes for look in looks if begin <= look.seconds <= end]
    return max(within or [min(looks, key=lambda look: abs(look.seconds - end)).bytes]) / 2**20


# -- a consumer


def inbox(beside: Database, servers: str, options: Namespace) -> Iterator[Measured]:
    with _house(beside, "inbox", servers, min(options.events, SENT_AT_MOST)) as house:
        house.relay()
        topic = f"{house.database.house}.ledger-entries"
        consumer = _Consumer(house, topic)
        found = _there_and_back(options.rounds, {"client": consumer.client, "inbox": consumer.worked})
    yield Measured(
        "inbox",
        "entries read by kafka-python's consumer",
        median(found["client"]),
        "messages/s",
        note="from the topic's beginning, read committed, bodies parsed, nothing kept",
    )
    yield Measured(
        "inbox",
        "entries applied by deploy/examples/agent_balances.py",
        median(found["inbox"]),
        "messages/s",
        median_ratio(found["inbox"], found["client"]),
        "the client",
        note="an upsert each for two in three, and the offset, in PostgreSQL",
    )


@dataclass
class _Consumer:
    house: _House
    topic: str
    _times: int = 0

    def client(self) -> float:
        """Messages a second from the first that came to the end."""
        client = KafkaConsumer(
            bootstrap_servers=self.house.servers,
            group_id=None,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            max_poll_records=USUAL["max_poll_records"],
        )
        with closing(client):
            places = [kafka.TopicPartition(self.topic, number) for number in client.partitions_for_topic(self.topic)]
            client.assign(places)
            ends = client.end_offsets(places)
            looks: list[tuple[float, int]] = []
            while any(client.position(place) < end for place, end in ends.items()):
                for records in client.poll(timeout_ms=200).values():
                    for record in records:
                        orjson.loads(record.value)
                    looks.append((time.perf_counter(), len(records)))
        # the last ones come long before the client knows that no more will
        return sum(count for _, count in looks[1:]) / (looks[-1][0] - looks[0][0])

    def worked(self) -> float:
        """Messages a second from the first that were applied to the last, by the real process on tables of its own."""
        self._times += 1
        schema = f"{self.house.database.house}_crm_{self._times}"
        with self.house.database.connect("owner", autocommit=True) as connection:
            connection.execute(f"CREATE SCHEMA {schema}")
            url = make_conninfo(self.house.database.url, options=f"-csearch_path={schema}")
            environment = {**Program(self.house.environment).whole_environment(), "CONSUMER_DATABASE_URL": url}
            with tempfile.TemporaryFile() as said:
                command = [sys.executable, "deploy/examples/agent_balances.py", "--once"]
                process = subprocess.Popen(command, env=environment, cwd=TOP, stdout=said, stderr=said)
                looks = []
                while process.poll() is None:
                    looks.append((time.perf_counter(), self._applied(connection, schema)))
                    time.sleep(LOOK_SECONDS)
                said.seek(0)
                assert process.returncode == 0, said.read().decode(errors="replace")
            all_of_them = self._applied(connection, schema)
            connection.execute(f"DROP SCHEMA {schema} CASCADE")
        first = next(look for look in looks if look[1])
        last = next((look for look in looks if look[1] == all_of_them), (time.perf_counter(), all_of_them))
        assert last[0] > first[0], "too few messages to tell"
        return (last[1] - first[1]) / (last[0] - first[0])

    def _applied(self, connection: psycopg.Connection, schema: str) -> int:
        try:
            row = connection.execute(f"SELECT coalesce(sum(next_offset), 0) FROM {schema}.inbox_offsets").fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
        return int(row[0]) if row else 0


_PARTS: Mapping[str, Callable[[Database, str, Namespace], Iterator[Measured]]] = {
    "sending": sending,
    "latency": latency,
    "catch-up": catch_up,
    "inbox": inbox,
}
