"""A host that vanishes says nothing, not even that it is gone: this machine's firewall drops all between the two."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from adapters.database import VANISHED_SECONDS, Database
from tests.own_server import eventually, own_server
from tests.system.under_load import runner

pytestmark = pytest.mark.long

NOTICED_SECONDS = VANISHED_SECONDS + 15
FIREWALL = shutil.which("iptables")


@pytest.fixture
def database() -> Iterator[Database]:
    """On a server that is reached over TCP."""
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    with own_server() as server:
        server.configure(f"listen_addresses = '127.0.0.1'\nport = {port}\n")
        server.stop()
        server.start()
        database = Database(make_conninfo(server.url, host="127.0.0.1", port=port), "house")
        database.init()
        yield database


@contextmanager
def vanished(port: int) -> Iterator[None]:
    """Nothing gets through from or to this port."""
    if FIREWALL is None or os.geteuid() != 0:
        pytest.skip("NOT TESTED: only root's iptables can make a host vanish")
    change = [FIREWALL, "-w", "10"]
    rules = [["INPUT", "-i", "lo", "-p", "tcp", end, str(port), "-j", "DROP"] for end in ("--dport", "--sport")]
    made = []
    try:
        for rule in rules:
            if subprocess.run([*change, "-I", *rule], capture_output=True, check=False).returncode:
                pytest.skip("NOT TESTED: this machine's firewall cannot be changed")
            made.append(rule)
        yield
    finally:
        ended = [subprocess.run([*change, "-D", *rule], check=False).returncode for rule in made]
        assert not any(ended), "rules are left in the firewall of this machine"


def test_given_a_server_that_vanishes_then_the_runner_says_what_it_waits_for_and_goes_on(database: Database) -> None:
    with psycopg.connect(database.url) as connection:
        port = connection.info.port
    # the calendar's pool would give up a new connection soon by itself
    with runner(database, "--only", "projections") as run:
        eventually(lambda: bool(run.told("running")), "it works")
        with vanished(port):
            eventually(lambda: bool(run.told("waiting")), "it notices", NOTICED_SECONDS)
        eventually(lambda: bool(run.told("going on")), "it goes on")
        assert run.is_alive()


def test_given_a_client_that_vanishes_amid_its_work_then_the_server_gives_away_what_it_held(
    database: Database,
) -> None:
    with database.connect("owner") as gone, database.connect("owner") as waits:
        held = "LOCK TABLE house.log_head IN ACCESS EXCLUSIVE MODE"
        gone.execute(held)
        with closing(socket.socket(fileno=os.dup(gone.fileno()))) as end:
            port = end.getsockname()[1]
        with vanished(port):
            since = time.monotonic()
            waits.execute(f"SET lock_timeout = '{NOTICED_SECONDS}s'".encode())
            waits.execute(held)
            assert time.monotonic() > since + 1, "it was held"
        gone.close()
