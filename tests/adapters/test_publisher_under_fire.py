"""Publishing while the broker is killed, stopped, cut off or not there: nothing is lost, nothing out of order."""

import random
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest

from adapters.embedded_kafka import EmbeddedKafka, free_port
from adapters.kafka_faults import Fenced, KafkaAway
from adapters.kafka_settings import KafkaSettings
from adapters.kafka_topics import create_topics
from adapters.publisher import Publisher
from projections.published.messages import Message
from projections.published.reached import Reached
from tests.adapters.kafka_wire import (
    ADD_PARTITIONS,
    END_TRANSACTION,
    FETCH,
    FIND_COORDINATOR,
    INIT_PRODUCER_ID,
    LIST_OFFSETS,
    METADATA,
    PRODUCE,
    VERSIONS,
    Moment,
    Wire,
    wired_broker,
)
from tests.broker import Kafka
from tests.own_server import eventually

KEYS = 5
PATIENCE_SECONDS = 2.0


@pytest.fixture(scope="module")
def wired() -> Iterator[tuple[EmbeddedKafka, Wire]]:
    with wired_broker() as wired:
        yield wired


@pytest.fixture
def own(wired: tuple[EmbeddedKafka, Wire]) -> EmbeddedKafka:
    """A broker that runs, whatever the test before did to it."""
    wired[0].signal(signal.SIGCONT)
    wired[0].start()
    return wired[0]


@pytest.fixture
def through(own: EmbeddedKafka, wired: tuple[EmbeddedKafka, Wire]) -> KafkaSettings:
    """How the broker is reached through the wire."""
    return KafkaSettings(wired[1].bootstrap_servers, partitions=3, replication=1)


@pytest.fixture
def house(through: KafkaSettings) -> str:
    house = Kafka("").name("west")
    create_topics(through, house)
    return house


def _publisher(kafka: KafkaSettings, house: str) -> Publisher:
    return Publisher(
        kafka, house, transactional_id=f"{house}.relay", leader="relay", epoch=1, patience_seconds=PATIENCE_SECONDS
    )


def _message(position: int) -> Message:
    return Message("deals", b"customer:%d" % (position % KEYS), (("ce_position", b"%d" % position),), b"{}")


def _at(position: int) -> Reached:
    return Reached(position, datetime(2026, 2, 3, tzinfo=UTC), position)


def _publish_up_to(publisher: Publisher, reached: Reached, last: int, step: int = 10) -> None:
    while reached.position < last:
        upto = min(reached.position + step, last)
        publisher.publish([_message(n) for n in range(reached.position + 1, upto + 1)], _at(upto))
        reached = _at(upto)


def _carry_on(kafka: KafkaSettings, house: str, last: int) -> list[Exception]:
    """Publish until all is published, with a new publisher after each fault; the faults."""
    faults: list[Exception] = []
    while len(faults) < 30:
        with _publisher(kafka, house) as publisher:
            try:
                _publish_up_to(publisher, publisher.open(), last)
            except (KafkaAway, Fenced) as fault:
                faults.append(fault)
            else:
                return faults
    raise AssertionError(f"it never ends: {faults[-1]}")


def _must_hold_all(own: EmbeddedKafka, house: str, last: int) -> None:
    """Every message once, and under each key in its order."""
    records = Kafka(own.bootstrap_servers).read(f"{house}.deals")
    positions = [int(dict(record.headers)["ce_position"]) for record in records]
    assert sorted(positions) == list(range(1, last + 1))
    for key in range(KEYS):
        of_key = [position for position in positions if position % KEYS == key]
        assert of_key == sorted(of_key)


@pytest.mark.parametrize("moment", ["before it arrives", "before the answer"])
@pytest.mark.parametrize("kind", [FIND_COORDINATOR, INIT_PRODUCER_ID, ADD_PARTITIONS, PRODUCE, END_TRANSACTION])
def test_a_connection_that_is_cut_loses_and_repeats_nothing(
    wired: tuple[EmbeddedKafka, Wire], through: KafkaSettings, house: str, kind: int, moment: Moment
) -> None:
    own, wire = wired
    wire.cut(kind, moment, times=2)

    _carry_on(through, house, 40)

    assert wire.cuts_left == 0
    _must_hold_all(own, house, 40)


@pytest.mark.parametrize(
    "kind",
    [
        VERSIONS,
        METADATA,
        FIND_COORDINATOR,
        INIT_PRODUCER_ID,
        LIST_OFFSETS,
        FETCH,
        ADD_PARTITIONS,
        PRODUCE,
        END_TRANSACTION,
    ],
)
def test_connections_that_fall_silent_for_ever_are_given_up_within_seconds(
    wired: tuple[EmbeddedKafka, Wire], through: KafkaSettings, house: str, kind: int
) -> None:
    own, wire = wired
    _carry_on(through, house, 10)
    wire.hush(kind)

    began = time.monotonic()
    _carry_on(through, house, 40)

    assert wire.is_hushed
    assert time.monotonic() - began < 15
    _must_hold_all(own, house, 40)


ANYTIME = {"unknown": -1, "timed out": 7, "coordinator loading": 14, "coordinator not there": 15, "not coordinator": 16}
OF_TRANSACTIONS = {"fenced": 90, "old epoch": 47, "wrong state": 48, "mapping gone": 49, "under way": 51}
OF_SENDING = {"not leader": 6, "too few replicas": 19, "appended, too few replicas": 20, "disk": 56, "out of order": 45}
ERRORS = [
    *((END_TRANSACTION, error) for error in (ANYTIME | OF_TRANSACTIONS).values()),
    *((INIT_PRODUCER_ID, error) for error in (ANYTIME | OF_TRANSACTIONS).values()),
    *((ADD_PARTITIONS, error) for error in (ANYTIME | OF_TRANSACTIONS).values()),
    *((PRODUCE, error) for error in (OF_SENDING | OF_TRANSACTIONS | {"unknown": -1, "producer unknown": 59}).values()),
]


@pytest.mark.parametrize(("kind", "error"), ERRORS)
def test_an_error_though_it_was_done_loses_nothing(
    wired: tuple[EmbeddedKafka, Wire], through: KafkaSettings, house: str, kind: int, error: int
) -> None:
    own, wire = wired
    wire.refuse(kind, error, times=2)

    _carry_on(through, house, 40)

    assert wire.refusals_left == 0
    _must_hold_all(own, house, 40)


@pytest.mark.parametrize("topic", ["deals", "relay-positions"])
def test_a_commit_that_arrives_during_the_next_transaction_commits_no_place_without_its_messages(
    wired: tuple[EmbeddedKafka, Wire], through: KafkaSettings, house: str, topic: str
) -> None:
    """A commit got lost with its connection and was sent again, with success; then the first one arrives after all.

    A broker cannot tell it from the commit of the transaction that is under way by then: kafka-python 3.0.12 does not
    speak the protocol in which each transaction has a number of its own. A place that had been sent before the last
    message was committed without it, and the message never sent again.
    """
    own, wire = wired
    wire.deliver_late(END_TRANSACTION, after=f"{house}.{topic}".encode())
    with _publisher(through, house) as publisher:
        publisher.open()
        publisher.publish([_message(1)], _at(1))
        with suppress(KafkaAway, Fenced):
            publisher.publish([_large(position) for position in range(2, 32)], _at(31))
    _carry_on(through, house, 40)

    assert wire.was_delivered_late
    of_key: dict[bytes, list[int]] = {}
    for record in Kafka(own.bootstrap_servers).read(f"{house}.deals"):
        of_key.setdefault(record.key, []).append(int(dict(record.headers)["ce_position"]))
    first = [list(dict.fromkeys(positions)) for positions in of_key.values()]
    assert sorted(position for positions in first for position in positions) == list(range(1, 41))
    assert all(positions == sorted(positions) for positions in first), "what came again came after"


def _large(position: int) -> Message:
    """One that fills a batch of the client."""
    return _message(position)._replace(value=bytes(200_000))


@pytest.mark.parametrize("then", ["commit never arrives", "commit arrives"])
def test_a_broker_killed_between_sending_and_commit_has_published_all_or_nothing(
    own: EmbeddedKafka, through: KafkaSettings, house: str, then: str
) -> None:
    publisher = _publisher(through, house)
    commit = publisher._commit

    def killed_meanwhile(producer: Any) -> None:
        if then == "commit arrives":
            producer._transaction_manager.begin_commit()
            producer._sender.wakeup()
            time.sleep(random.Random(house).uniform(0, 0.02))
            own.kill()
            raise KafkaAway("killed")
        own.kill()
        commit(producer)

    with publisher:
        _publish_up_to(publisher, publisher.open(), 20)
        publisher._commit = killed_meanwhile  # type: ignore[method-assign]
        with pytest.raises(KafkaAway):
            publisher.publish([_message(21)], _at(21))
    own.start()
    _carry_on(through, house, 30)

    _must_hold_all(own, house, 30)


def test_a_broker_that_stops_answering_is_said_within_the_patience_and_gone_on_with_after(
    own: EmbeddedKafka, through: KafkaSettings, house: str
) -> None:
    with _publisher(through, house) as publisher:
        _publish_up_to(publisher, publisher.open(), 10)
        own.signal(signal.SIGSTOP)
        began = time.monotonic()
        with pytest.raises(KafkaAway) as away:
            publisher.publish([_message(11)], _at(11))
        assert time.monotonic() - began < PATIENCE_SECONDS + 3
    with _publisher(through, house) as publisher, pytest.raises(KafkaAway):
        publisher.open()
    assert "no answer comes from there" in str(away.value) or "does not answer" in str(away.value)
    own.signal(signal.SIGCONT)
    _carry_on(through, house, 20)

    _must_hold_all(own, house, 20)


class _Told(KeyboardInterrupt):
    """As the runner is told to stop."""


def test_a_signal_ends_the_wait_for_a_broker_at_once(own: EmbeddedKafka, through: KafkaSettings, house: str) -> None:
    def tell(number: int, frame: object) -> None:
        raise _Told

    before = signal.signal(signal.SIGALRM, tell)
    try:
        with _publisher(through, house) as publisher:
            _publish_up_to(publisher, publisher.open(), 10)
            own.signal(signal.SIGSTOP)
            signal.setitimer(signal.ITIMER_REAL, 0.3)
            began = time.monotonic()
            with pytest.raises(_Told):
                publisher.publish([_message(11)], _at(11))
            publisher.close()
            assert time.monotonic() - began < PATIENCE_SECONDS
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        began = time.monotonic()
        with _publisher(through, house) as publisher, pytest.raises(_Told):
            publisher.open()
        assert time.monotonic() - began < PATIENCE_SECONDS
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_it_goes_on_soon_after_the_broker_is_back_and_leaves_nothing_behind(
    own: EmbeddedKafka, through: KafkaSettings, house: str
) -> None:
    """Each attempt in vain used to leave a thread and its sockets."""
    _carry_on(through, house, 10)
    own.kill()
    threads, files = threading.active_count(), psutil.Process().num_fds()
    for _ in range(3):
        with _publisher(through, house) as publisher, pytest.raises(KafkaAway):
            publisher.open()
    eventually(lambda: threading.active_count() <= threads, "the threads of the attempts end")
    assert psutil.Process().num_fds() <= files + 4

    with ThreadPoolExecutor() as pool:
        back = pool.submit(lambda: (own.start(), time.monotonic())[1])
        faults = _carry_on(through, house, 20)
        caught_up = time.monotonic()
        assert caught_up - back.result() < 10
    assert all("\n" not in str(fault) for fault in faults)
    _must_hold_all(own, house, 20)


@pytest.mark.parametrize(
    ("server", "sentence"),
    [
        ("no-such-broker.invalid:9092", "the name is not known here"),
        ("closed", "nothing listens there; start the broker, or correct the address"),
        ("silent", "no answer comes from there"),
        ("web", "does not speak PLAINTEXT as Kafka does"),
        ("ends", "it ends every connection"),
    ],
)
def test_a_broker_that_does_not_exist_is_one_sentence(server: str, sentence: str) -> None:
    answers: dict[str, Callable[[socket.socket], object]] = {
        "silent": lambda client: None,
        "web": lambda client: client.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"),
        "ends": lambda client: client.close(),
    }
    with _listener(answers.get(server)) as port:
        where = server if ":" in server else f"127.0.0.1:{port}"
        with _publisher(KafkaSettings(where), "west") as publisher, pytest.raises(KafkaAway) as away:
            publisher.open()
    assert str(away.value).startswith(f"Kafka at {where} cannot be used: ")
    assert sentence in str(away.value)
    assert "\n" not in str(away.value)


class _listener:  # noqa: N801
    """A port where something answers that is no broker; without an answer, a port where nothing listens."""

    def __init__(self, answer: Callable[[socket.socket], object] | None) -> None:
        self._answer, self._kept = answer, list[socket.socket]()
        self._socket: socket.socket | None = None

    def __enter__(self) -> int:
        if self._answer is None:
            return free_port()
        self._socket = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return int(self._socket.getsockname()[1])

    def _accept(self) -> None:
        assert self._socket is not None
        assert self._answer is not None
        with suppress(OSError):
            while True:
                client, _ = self._socket.accept()
                self._kept.append(client)
                self._answer(client)

    def __exit__(self, *raised: object) -> None:
        for one in (*self._kept, self._socket):
            if one is not None:
                one.close()


@pytest.mark.long
@pytest.mark.parametrize("seed", range(4))
def test_a_broker_killed_and_stopped_at_random_points_loses_and_repeats_nothing(
    own: EmbeddedKafka, through: KafkaSettings, house: str, seed: int
) -> None:
    chance = random.Random(seed)
    ended = threading.Event()

    def fire() -> None:
        for _ in range(5):
            time.sleep(chance.uniform(0.2, 2.5))
            if chance.random() < 0.3:
                own.signal(signal.SIGSTOP)
                time.sleep(chance.uniform(0.1, 2 * PATIENCE_SECONDS))
                own.signal(signal.SIGCONT)
            else:
                own.kill()
                time.sleep(chance.uniform(0, 1))
                own.start()
        ended.set()

    threading.Thread(target=fire).start()
    last = 0
    while not ended.is_set():
        last += 200
        _carry_on(through, house, last)
    _must_hold_all(own, house, last)
