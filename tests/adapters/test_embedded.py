"""The server that comes with Trailbook: it is there while somebody uses it, and says why when it cannot start."""

import multiprocessing
import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree

import psutil
import psycopg
import pytest

from adapters.database import DatabaseUnavailable
from adapters.embedded import leave, start

USE = """
import sys
from pathlib import Path
import psycopg
from adapters.embedded import start
with psycopg.connect(start(Path(sys.argv[1]))) as connection:
    print(connection.execute("SELECT 'here'").fetchone()[0], flush=True)
sys.stdin.readline()
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="trailbook-"))
    yield folder / "data"
    leave(folder / "data")
    rmtree(folder, ignore_errors=True)


def user_of(data_dir: Path) -> "subprocess.Popen[str]":
    """A process that uses the server until it is told to end; every warning would be an error in it."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", USE, str(data_dir)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )


def ends_well(process: "subprocess.Popen[str]") -> bool:
    out, err = process.communicate("\n", timeout=60)
    assert (out, err, process.returncode) == ("here\n", "", 0)
    return True


def runs(data_dir: Path) -> bool:
    return (data_dir / "postgres" / "postmaster.pid").exists()


def test_given_two_processes_at_once_then_both_use_one_server_and_it_stops_after_the_last(data_dir: Path) -> None:
    first, second = user_of(data_dir), user_of(data_dir)

    assert first.stdout is not None
    assert second.stdout is not None
    assert (first.stdout.readline(), second.stdout.readline()) == ("here\n", "here\n")
    assert first.communicate("\n", timeout=60) == ("", "")
    assert runs(data_dir)
    assert second.communicate("\n", timeout=60) == ("", "")
    assert not runs(data_dir)


def test_given_a_server_that_died_when_its_user_starts_it_then_it_is_there_again(data_dir: Path) -> None:
    """It was taken for running, because this process had started it once."""
    start(data_dir)
    server = psutil.Process(int((data_dir / "postgres" / "postmaster.pid").read_text().split()[0]))
    everybody = [server, *server.children(recursive=True)]
    server.kill()
    psutil.wait_procs(everybody, timeout=60)

    with psycopg.connect(start(data_dir)) as connection:
        assert connection.execute("SELECT 'here'").fetchone() == ("here",)


def test_given_a_user_that_was_killed_then_it_does_not_keep_the_server_running(data_dir: Path) -> None:
    killed = user_of(data_dir)
    assert killed.stdout is not None
    assert killed.stdout.readline() == "here\n"
    killed.kill()
    killed.communicate()

    assert ends_well(user_of(data_dir))
    assert not runs(data_dir)


def test_start_and_leave_may_come_twice_and_the_data_stays(data_dir: Path) -> None:
    url = start(data_dir)
    assert start(data_dir) == url
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (id int)")
    leave(data_dir)
    leave(data_dir)

    with psycopg.connect(start(data_dir)) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_given_a_path_too_long_for_a_socket_then_the_server_starts_all_the_same(data_dir: Path) -> None:
    deep = data_dir / ("d" * 60) / ("e" * 60)
    try:
        with psycopg.connect(start(deep)) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
    finally:
        leave(deep)


def as_nobody(data_dir: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    os.setgroups([])
    os.setgid(nobody.pw_gid)
    os.setuid(nobody.pw_uid)
    with psycopg.connect(start(data_dir)) as connection:
        assert connection.execute("SELECT 1").fetchone() == (1,)
    leave(data_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user; else the other tests show the same")
def test_an_ordinary_user_has_a_server_too(data_dir: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    data_dir.mkdir()
    os.chown(data_dir, nobody.pw_uid, nobody.pw_gid)
    data_dir.parent.chmod(0o755)

    # forked: an interpreter in root's home could not be started again by somebody else
    user = multiprocessing.get_context("fork").Process(target=as_nobody, args=(data_dir,))
    user.start()
    user.join(60)

    assert user.exitcode == 0
    assert not runs(data_dir)


def test_given_a_file_where_the_data_should_be_then_one_sentence_says_so(data_dir: Path) -> None:
    data_dir.write_text("")

    with pytest.raises(DatabaseUnavailable, match=r"cannot start in .*/data/postgres") as unavailable:
        start(data_dir)

    assert "\n" not in str(unavailable.value)


def test_given_data_of_another_version_then_one_sentence_says_so(data_dir: Path) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres" / "PG_VERSION").write_text("12")

    with pytest.raises(DatabaseUnavailable, match="expecting version 18 but found version 12"):
        start(data_dir)


def test_given_spoilt_data_then_the_servers_own_reason_is_given(data_dir: Path) -> None:
    start(data_dir)
    leave(data_dir)
    with (data_dir / "postgres" / "postgresql.conf").open("a") as configuration:
        configuration.write("max_connections = many\n")

    with pytest.raises(DatabaseUnavailable, match=r"cannot start .* configuration file"):
        start(data_dir)


def test_given_a_space_in_the_path_then_one_sentence_asks_for_another(data_dir: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="TRAILBOOK_DATA_DIR"):
        start(data_dir / "our books")
