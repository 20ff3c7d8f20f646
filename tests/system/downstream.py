"""The topics of a house that a test has filled, and real consumers of them in processes of their own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
from kafka.admin import NewTopic
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.errors import UndefinedTable

from projections.published.messages import Cause, Message, entry_message, kafka_topic
from services.house import House
from tests.broker import Kafka, commit
from tests.system.program import PROGRAM, TOP

EXAMPLE = TOP / "deploy" / "examples" / "agent_balances.py"


def entries_of(house: House) -> list[Message]:
    """Every entry of the journal, in the order in which it is published."""
    queries = house.queries()
    connection = queries.connection
    names: dict[int, str] = dict(
        connection.execute(sql.SQL("SELECT no, name FROM {}").format(queries.table("facts_name"))).fetchall()
    )
    rows = connection.execute(sql.SQL("SELECT * FROM {} ORDER BY 1, 2, 3, 4, 5, 6").format(queries.table("journal")))
    causes = {}
    for recorded in house.log.read(0, 1_000_000):
        cause = Cause(recorded.event_id, recorded.recorded_at, recorded.envelope.correlation_id)
        causes[recorded.position] = cause
    return [entry_message(house.database.house, row, names, causes[row[0]]) for row in rows]


def make_topic(kafka: Kafka, topic: str, partitions: int) -> None:
    with kafka.admin() as admin:
        admin.create_topics([NewTopic(topic, partitions, 1)])
        admin.wait_for_topics([topic])


def publish(kafka: Kafka, house: str, messages: Sequence[Message]) -> None:
    """Send messages in one transaction, as the relay does."""
    with kafka.producer(f"{house}.relay") as producer:
        producer.begin_transaction()
        commit(
            producer,
            [
                producer.send(kafka_topic(house, sent.topic), sent.value, key=sent.key, headers=list(sent.headers))
                for sent in messages
            ],
        )


class Consumers:
    """Processes of the worked example, with one database of theirs."""

    def __init__(self, url: str, kafka: Kafka, house: str, folder: Path) -> None:
        # a schema of the house's own database stands for the consumer's database
        self.schema = f"{house}_crm"
        self.url = make_conninfo(url, options=f"-c search_path={self.schema}")
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self.schema)))
        trailbook = folder / "trailbook"
        trailbook.write_text(f"#!{sys.executable}\n{PROGRAM}\n")
        trailbook.chmod(0o755)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("TRAILBOOK_")}
        self.environment = {
            **kept,
            "PYTHONPATH": str(TOP),
            "PATH": f"{folder}:{os.environ['PATH']}",
            "CONSUMER_DATABASE_URL": self.url,
            "TRAILBOOK_DATABASE_URL": url,
            "TRAILBOOK_HOUSE": house,
            "TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers,
        }

    def start(self, *arguments: str, stderr: int | None = None) -> subprocess.Popen[bytes]:
        """One that runs until it is stopped."""
        command = [sys.executable, str(EXAMPLE), *arguments]
        return subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL, stderr=stderr)

    def ended(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One that ends by itself."""
        return subprocess.run(
            [sys.executable, str(EXAMPLE), *arguments],
            env=self.environment,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        """None before a consumer has made its tables."""
        with closing(psycopg.connect(self.url, autocommit=True)) as connection, suppress(UndefinedTable):
            return connection.execute(statement).fetchall()
        return []

    def drop(self) -> None:
        with closing(psycopg.connect(self.url, autocommit=True)) as connection:
            connection.execute(sql.SQL("DROP SCHEMA {} CASCADE").format(sql.Identifier(self.schema)))


@contextmanager
def consumers(url: str, kafka: Kafka, house: str, folder: Path) -> Iterator[Consumers]:
    made = Consumers(url, kafka, house, folder)
    try:
        yield made
    finally:
        made.drop()


def kill(process: subprocess.Popen[bytes]) -> None:
    """SIGKILL, also for one that is stopped."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGKILL)
    process.wait(30)
