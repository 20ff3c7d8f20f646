"""What tests share: one PostgreSQL server and one Kafka broker a session; one house and its own topics a test."""

from collections.abc import Iterator

import pytest

from adapters.database import Database, DatabaseUnavailable
from adapters.log import PostgresLog
from tests.broker import Kafka, NoBroker, broker
from tests.database import NoServer, fresh_house, server


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """A conninfo of a real server. Without one the run ends: a skipped test proves nothing."""
    try:
        with server() as url:
            Database(url, "trailbook").connect("owner").close()
            yield url
    except (NoServer, DatabaseUnavailable) as error:
        pytest.exit(f"the tests need a PostgreSQL server: {error}", returncode=2)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A new, empty house."""
    with fresh_house(database_url) as house:
        yield house


@pytest.fixture
def log(database: Database) -> Iterator[PostgresLog]:
    """The log of a new, empty house."""
    with PostgresLog(database) as log:
        yield log


@pytest.fixture(scope="session")
def kafka() -> Iterator[Kafka]:
    """A real broker. Without one the run ends, as without PostgreSQL."""
    try:
        with broker() as kafka:
            yield kafka
    except NoBroker as error:
        pytest.exit(f"the tests need an Apache Kafka broker: {error}", returncode=2)
