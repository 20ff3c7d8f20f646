"""The Apache Kafka broker that comes with Trailbook, for a demonstration or a test: one node, from Apache's own jars.

``deploy/kafka/start.sh`` fetches the jars once with Maven, formats the directory and runs the broker; it needs
Java 17. The broker listens on 127.0.0.1 only. It ends with the process that started it, also if that is killed: it
then sees its standard input close.
"""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from adapters.kafka_faults import KafkaUnavailable

SCRIPT = Path(__file__).parent.parent / "deploy" / "kafka" / "start.sh"

FETCH_SECONDS = 900.0
START_SECONDS = 90.0
STOP_SECONDS = 20.0
LEAST_ROOM_BYTES = 1_000_000
START_ATTEMPTS = 4
"""Another process may take a free port first, and a broker whose starter was killed needs a moment to end."""


@dataclass
class EmbeddedKafka:
    """One broker with its files in ``data_dir``. Its ports are found at its first start and kept for the next ones."""

    data_dir: Path
    port: int | None = None
    heap: str = "-Xms64m -Xmx384m"
    listeners: str = ""
    """More of them, such as ``SASL_SSL://127.0.0.1:9096``; what they need stands in ``settings``."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """More lines of its configuration, which override the others."""
    _controller_port: int = 0
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def bootstrap_servers(self) -> str:
        """What a client is configured with."""
        return f"127.0.0.1:{self.port}"

    @property
    def log(self) -> Path:
        """What the broker has said, of all its starts; stays when the broker has gone."""
        return self.data_dir / "broker.log"

    @property
    def runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> str:
        """Start the broker and wait until it answers; its bootstrap servers. Raises KafkaUnavailable."""
        if self.runs:
            return self.bootstrap_servers
        given = self.port
        if given and not _is_free(given):
            raise KafkaUnavailable(f"port {given} of 127.0.0.1 is taken; stop what listens there or give another port")
        fetch_jars()
        for attempt in range(1, START_ATTEMPTS + 1):
            self.port = given or free_port()
            self._controller_port = free_port()
            try:
                self._start_once()
                break
            except _Collision as collision:
                if attempt == START_ATTEMPTS:
                    self.port = given
                    raise KafkaUnavailable(str(collision)) from collision
                time.sleep(1)
        return self.bootstrap_servers

    def stop(self) -> None:
        """Let it end in good order; with force if it takes too long."""
        process = self._process
        if process is None:
            return
        process.terminate()
        _close(process)
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """SIGKILL, as a lost machine would; the files stay as they were at that moment."""
        if self._process is not None:
            with suppress(psutil.NoSuchProcess):
                others = psutil.Process(self._process.pid).children(recursive=True)
                self.signal(signal.SIGKILL)
                psutil.wait_procs(others, timeout=5)
            self._process.wait()
            _close(self._process)
        self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the broker and to what watches over it: SIGSTOP makes a broker that does not answer."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _start_once(self) -> None:
        said_before = self._launch()
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if not self.runs:
                self.kill()
                raise self._reason(self._said(said_before))
            if time.monotonic() > deadline:
                self.kill()
                raise KafkaUnavailable(
                    f"Apache Kafka does not answer {START_SECONDS:.0f} s after its start; its log is {self.log}"
                )
            time.sleep(0.1)

    def _launch(self) -> int:
        """Start the process; how long its log was before."""
        settings = {
            "KAFKA_PORT": str(self.port),
            "KAFKA_CONTROLLER_PORT": str(self._controller_port),
            "KAFKA_DATA_DIR": str(self.data_dir),
            "KAFKA_HEAP": self.heap,
            "KAFKA_LISTENERS": self.listeners,
            "KAFKA_SETTINGS": "\n".join(f"{name}={value}" for name, value in self.settings.items()),
            "KAFKA_ENDS_WITH_STDIN": "1",
        }
        try:
            self.data_dir.mkdir(parents=True, exist_ok=True)
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(  # noqa: S603
                    [str(SCRIPT)],
                    env={**os.environ, **settings},
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
                return log.tell()
        except OSError as error:
            raise KafkaUnavailable(f"Apache Kafka cannot start in {self.data_dir}: {error}") from error

    def _answers(self) -> bool:
        """Whether a broker answers there, and it is ours: it knows the id that was written into the directory."""
        cluster_id = self._cluster_id()
        if cluster_id is None or self.port is None or not _is_open(self.port):
            return False
        try:
            with KafkaAdminClient(bootstrap_servers=self.bootstrap_servers, bootstrap_timeout_ms=2_000) as admin:
                return bool(admin.describe_cluster()["cluster_id"] == cluster_id)
        except KafkaError:
            return False

    def _cluster_id(self) -> str | None:
        try:
            lines = (self.data_dir / "log" / "meta.properties").read_text().splitlines()
        except OSError:
            return None
        return next((line.removeprefix("cluster.id=") for line in lines if line.startswith("cluster.id=")), None)

    def _said(self, since: int) -> str:
        with self.log.open("rb") as log:
            log.seek(since)
            return log.read().decode(errors="replace")

    def _reason(self, said: str) -> Exception:
        if "Address already in use" in said:
            return _Collision(f"port {self.port} or {self._controller_port} of 127.0.0.1 is taken; start again")
        if "another Apache Kafka uses" in said:
            return _Collision(_last_sentence(said))
        if "No space left on device" in said or shutil.disk_usage(self.data_dir).free < LEAST_ROOM_BYTES:
            return KafkaUnavailable(f"no room is left in {self.data_dir}, so that Apache Kafka cannot start")
        return KafkaUnavailable(f"Apache Kafka cannot start: {_last_sentence(said)}; its log is {self.log}")


class _Collision(Exception):
    """Another process was first; a second attempt may go well."""


def fetch_jars() -> None:
    """Fetch Apache Kafka's jars into the user's cache if they are not there yet. Raises KafkaUnavailable."""
    if not SCRIPT.exists():
        raise KafkaUnavailable(
            f"Apache Kafka is started by {SCRIPT}, which is not here; run Trailbook from its sources"
        )
    try:
        subprocess.run(  # noqa: S603
            [str(SCRIPT), "jars"], stdin=subprocess.DEVNULL, capture_output=True, check=True, timeout=FETCH_SECONDS
        )
    except subprocess.CalledProcessError as error:
        raise KafkaUnavailable(_last_sentence(error.stderr.decode(errors="replace"))) from error
    except subprocess.TimeoutExpired as error:
        raise KafkaUnavailable(f"the jars of Apache Kafka did not come within {FETCH_SECONDS:.0f} s") from error
    except OSError as error:
        raise KafkaUnavailable(f"Apache Kafka cannot be started by {SCRIPT}: {error}") from error


def _last_sentence(said: str) -> str:
    """The last line that is no part of a Java stack trace."""
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith(("\t", "Caused by"))]
    return lines[-1] if lines else "it said nothing"


def _close(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()


def free_port() -> int:
    """A port that stays a server's own while that is down: below those that a system gives to outgoing connections."""
    while True:
        port = secrets.choice(range(10_000, 32_768))
        if _is_free(port) and not _is_open(port):
            return port


def _is_free(port: int) -> bool:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def _is_open(port: int) -> bool:
    with socket.socket() as client:
        client.settimeout(1)
        return client.connect_ex(("127.0.0.1", port)) == 0
