"""The broker that comes with Trailbook: started, killed, stopped, and what it says when it cannot start."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from kafka import KafkaProducer
from kafka.errors import KafkaError, KafkaTimeoutError
from kafka.producer.future import FutureRecordMetadata

from adapters import embedded_kafka
from adapters.embedded_kafka import SCRIPT, EmbeddedKafka
from adapters.kafka_faults import KafkaUnavailable
from tests.broker import Kafka, NoBroker, commit, own_broker, publish
from tests.own_server import eventually, small_disk

TOOLS = "bash base64 cat cksum cut dirname env find flock grep head mkdir mktemp mv rm sed sh sleep tail tr".split()


# -- a broker of this file's own


@pytest.fixture(scope="module")
def own() -> Iterator[EmbeddedKafka]:
    try:
        with own_broker() as own:
            yield own
    except NoBroker as error:
        pytest.skip(f"NOT TESTED: a broker that can be killed: {error}")


@pytest.fixture
def kafka(own: EmbeddedKafka) -> Kafka:
    own.start()
    return Kafka(own.bootstrap_servers)


def test_a_killed_broker_comes_back_with_what_it_had_and_nothing_is_lost(own: EmbeddedKafka, kafka: Kafka) -> None:
    """A patient producer waits and commits; one that gave a message up must not commit the others without it.

    ``commit_transaction`` alone would: it reports success for the rest, and the message is missing.
    """
    waited, gave_up = kafka.topic("waited"), kafka.topic("gave-up")
    relay = kafka.name("relay")
    soon = {"reconnect_backoff_max_ms": 200}
    quick = {"delivery_timeout_ms": 1_000, "request_timeout_ms": 500, **soon}
    with kafka.producer(kafka.name("relay"), **soon) as patient, kafka.producer(relay, **quick) as impatient:
        sent = {patient: _begin(patient, waited), impatient: _begin(impatient, gave_up)}
        own.kill()
        for producer, topic in ((patient, waited), (impatient, gave_up)):
            sent[producer].append(producer.send(topic, b"2", key=b"a"))
        eventually(sent[impatient][1].failed, "the delivery time is over")
        own.start()
        commit(patient, sent[patient])
        with pytest.raises(KafkaTimeoutError):
            commit(impatient, sent[impatient])
    assert [record.value for record in kafka.read(waited)] == [b"1", b"2"]
    assert kafka.read(gave_up) == []
    with kafka.producer(relay) as successor:
        publish(successor, gave_up, (b"a", b"1"), (b"a", b"2"))
    assert [record.value for record in kafka.read(gave_up)] == [b"1", b"2"]


def _stands_still(own: EmbeddedKafka) -> bool:
    assert own._process is not None
    broker = psutil.Process(own._process.pid)
    tasks = [
        task for one in (broker, *broker.children(recursive=True)) for task in Path(f"/proc/{one.pid}/task").iterdir()
    ]
    return all((task / "stat").read_text().rpartition(")")[2].split()[0] == "T" for task in tasks)


def test_a_commit_that_raises_may_have_happened(own: EmbeddedKafka, kafka: Kafka) -> None:
    """The broker took it and did not answer in time; who starts again finds out by the position that it reads."""
    topic, relay = kafka.topic(), kafka.name("relay")
    with kafka.producer(relay, request_timeout_ms=500) as producer:
        sent = _begin(producer, topic)
        own.signal(signal.SIGSTOP)
        try:
            eventually(lambda: _stands_still(own), "not one of its threads runs any more")
            with pytest.raises(KafkaError, match="timed out"):
                commit(producer, sent)
        finally:
            own.signal(signal.SIGCONT)
    with kafka.producer(relay):
        assert [record.value for record in kafka.read(topic)] == [b"1"]


def test_a_second_broker_in_the_same_directory_is_refused_and_harms_nothing(
    own: EmbeddedKafka, kafka: Kafka, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka looks for its own lock only after it has written into the log of metadata, which ends both brokers."""
    monkeypatch.setattr(embedded_kafka, "START_ATTEMPTS", 1)
    with pytest.raises(KafkaUnavailable, match="another Apache Kafka uses"):
        EmbeddedKafka(own.data_dir).start()
    assert own.runs
    assert kafka.read(kafka.topic()) == []


def _begin(producer: KafkaProducer, topic: str) -> list[FutureRecordMetadata]:
    producer.begin_transaction()
    message = producer.send(topic, b"1", key=b"a")
    message.get(timeout=10)
    return [message]


# -- what start.sh does, with programs that only look like Java and Maven


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """A machine with the usual tools, no Java, no Maven and no jars; a test puts its own programs there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(str(shutil.which(tool)))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("KAFKA_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(embedded_kafka, "START_ATTEMPTS", 1)

    def put(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/usr/bin/env bash\n{textwrap.dedent(script)}")
        (folder / name).chmod(0o755)

    return put


JAVA = """
    case "$*" in
    -version) echo 'openjdk version "17.0.15" 2025-04-15' >&2 ;;
    *StorageTool*) ;;
    *) {runs} ;;
    esac
"""
MAVEN = """
    for argument; do case $argument in -DoutputDirectory=*) folder=${argument#*=} ;; esac; done
    echo fetched >>"$KAFKA_CACHE_DIR/fetches"
    sleep 0.2
    mkdir -p "$folder"
    echo jar >"$folder/kafka.jar"
"""


def _refused(tmp_path: Path) -> str:
    with pytest.raises(KafkaUnavailable) as refused:
        EmbeddedKafka(tmp_path / "data").start()
    return str(refused.value)


def test_without_java_it_says_so(programs: Callable[[str, str], None], tmp_path: Path) -> None:
    assert "needs Java 17, and there is no java here" in _refused(tmp_path)


def test_with_an_old_java_it_says_so(programs: Callable[[str, str], None], tmp_path: Path) -> None:
    programs("java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
    assert "needs Java 17, and java is version 11" in _refused(tmp_path)


def test_without_maven_and_without_the_jars_it_says_so(programs: Callable[[str, str], None], tmp_path: Path) -> None:
    programs("java", JAVA)
    assert "there is no Maven (mvn) here to fetch them" in _refused(tmp_path)


def test_a_maven_that_cannot_fetch_is_quoted_and_leaves_nothing(
    programs: Callable[[str, str], None], tmp_path: Path
) -> None:
    programs("java", JAVA)
    programs("mvn", "echo 'a line'; echo '[ERROR] Could not transfer kafka.pom: unknown host -> [Help 1]'; exit 1")
    said = _refused(tmp_path)
    assert said.startswith("Maven cannot fetch the jars of Apache Kafka ")
    assert said.endswith(": Could not transfer kafka.pom: unknown host")
    assert not list((tmp_path / "cache").iterdir())


def test_two_that_fetch_at_once_both_have_the_jars(programs: Callable[[str, str], None], tmp_path: Path) -> None:
    programs("java", JAVA)
    programs("mvn", MAVEN)
    (tmp_path / "cache").mkdir()
    both = [subprocess.Popen([str(SCRIPT), "jars"], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    (folder,) = {process.communicate(timeout=20)[0].strip() for process in both}
    assert [process.returncode for process in both] == [0, 0]
    assert (Path(folder) / "kafka.jar").read_text() == "jar\n"
    subprocess.run([str(SCRIPT), "jars"], check=True, stdout=subprocess.DEVNULL)
    assert len((tmp_path / "cache" / "fetches").read_text().split()) == 2
    assert sorted(path.name for path in (tmp_path / "cache").iterdir()) == sorted(["fetches", Path(folder).name])


@pytest.mark.parametrize(
    ("java_says", "told"),
    [
        ("java.net.BindException: Address already in use", "is taken"),
        ("java.io.IOException: No space left on device", "no room is left in"),
        ("Could not reserve enough space for object heap", "Could not reserve enough space for object heap; its log"),
    ],
)
def test_why_a_broker_ended_is_told_in_one_sentence(
    programs: Callable[[str, str], None], tmp_path: Path, java_says: str, told: str
) -> None:
    programs("java", JAVA.format(runs=f"echo '{java_says}'; printf '\\tat org.apache.Kafka\\n'; exit 1"))
    programs("mvn", MAVEN)
    (tmp_path / "cache").mkdir()
    said = _refused(tmp_path)
    assert told in said
    assert "\n" not in said


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(KafkaUnavailable, match=f"port {port} of 127.0.0.1 is taken"):
            EmbeddedKafka(tmp_path, port=port).start()


def test_a_disk_without_room_is_named() -> None:
    with small_disk(1) as disk:
        folder = disk.folder("kafka")
        disk.fill()
        with pytest.raises(KafkaUnavailable, match=r"no room is left in|No space left on device"):
            EmbeddedKafka(folder).start()


STARTER = """
    import subprocess, sys
    broker = subprocess.Popen([sys.argv[1]], stdin=subprocess.PIPE, start_new_session=True)
    print(broker.pid, flush=True)
    broker.wait()
"""


def test_a_broker_ends_when_its_starter_is_killed(programs: Callable[[str, str], None], tmp_path: Path) -> None:
    programs("java", JAVA.format(runs="echo up >>started; exec sleep 600"))
    programs("mvn", MAVEN)
    (tmp_path / "cache").mkdir()
    settings = {"KAFKA_DATA_DIR": str(tmp_path / "data"), "KAFKA_ENDS_WITH_STDIN": "1"}
    starter = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(STARTER), str(SCRIPT)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **settings},
        cwd=tmp_path,
    )
    assert starter.stdout is not None
    script = psutil.Process(int(starter.stdout.readline()))
    eventually((tmp_path / "started").exists, "the broker runs")
    everybody = [script, *script.children(recursive=True)]
    starter.kill()
    starter.communicate()
    _, alive = psutil.wait_procs(everybody, timeout=8)
    assert not alive
