"""A real PostgreSQL server for the tests: a given one, one in a container, or the one that comes with Trailbook."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from adapters.database import Database, DatabaseUnavailable
from adapters.embedded import leave, start

IMAGE = "postgres:18"

_numbers = count(1)


class NoServer(Exception):
    """No PostgreSQL server can be had, so that nothing can be tested. The message is one sentence."""


@contextmanager
def server() -> Iterator[str]:
    """A conninfo of a server with default settings. Raises NoServer."""
    given = os.environ.get("TRAILBOOK_TEST_DATABASE_URL")
    try:
        if given:
            yield given
        elif docker_answers():
            with _container() as url:
                yield url
        else:
            with embedded_server() as url:
                yield url
    except DatabaseUnavailable as error:
        raise NoServer(str(error)) from error


@contextmanager
def embedded_server() -> Iterator[str]:
    data_dir = Path(tempfile.mkdtemp(prefix="trailbook-"))
    try:
        yield start(data_dir)
    finally:
        leave(data_dir)
        shutil.rmtree(data_dir, ignore_errors=True)


@contextmanager
def _container() -> Iterator[str]:
    from testcontainers.community.postgres import PostgresContainer  # noqa: PLC0415  (only where Docker answers)

    try:
        container = PostgresContainer(IMAGE, driver=None).start()
    except Exception as error:
        raise NoServer(f"Docker answers but cannot run {IMAGE}: {' '.join(str(error).split())}") from error
    try:
        yield container.get_connection_url()
    finally:
        container.stop()


def docker_answers() -> bool:
    from docker import DockerClient  # type: ignore[import-untyped]  # noqa: PLC0415
    from docker.errors import DockerException  # type: ignore[import-untyped]  # noqa: PLC0415

    try:
        return bool(DockerClient.from_env(timeout=2).ping())
    except DockerException:
        return False


@contextmanager
def fresh_house(url: str) -> Iterator[Database]:
    """A house of its own on the server, and nothing left of it afterwards."""
    database = Database(url, f"test_{os.getpid()}_{next(_numbers)}")
    database.init()
    try:
        yield database
    finally:
        database.drop()


def break_connections(database: Database, query_like: str = "%") -> None:
    """End the writers' connections whose last statement is like this, as a restart of the server would."""
    with database.connect("owner", autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s AND query LIKE %s",
            (f"trailbook {database.house} writer", query_like),
        )
