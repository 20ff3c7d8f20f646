"""What a user would have with the eventsourcing library alone: an Application of aggregates, and a ProjectionRunner."""

import threading
from time import perf_counter
from typing import Any
from uuid import UUID

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from adapters.database import Database

LEGS = 4
EVENTS_A_SAVE = 50
"""The library's pipelined insert hangs on some 500 KB over a Unix socket, so not all in one."""
TIMEOUT = 600


class Opened(Aggregate):
    """An account as the library's own aggregate."""

    @event("Opened")
    def __init__(self, account: str, customer: str, vendor: str) -> None:
        self.account, self.customer, self.vendor = account, customer, vendor


class Accounts(Application[UUID]):
    name = "accounts"

    def open(self, account: str) -> None:
        self.save(Opened(account=account, customer="customer-0", vendor="lumen"))

    def open_many(self, count: int) -> None:
        for start in range(0, count, EVENTS_A_SAVE):
            numbers = range(start, min(start + EVENTS_A_SAVE, count))
            self.save(*(Opened(account=f"account-{number}", customer="c", vendor="lumen") for number in numbers))


class Postings(PostgresTrackingRecorder):
    """A journal and its position, written in one transaction an event."""

    _TABLE = "posting"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        table = sql.Identifier(self.datastore.schema, self._TABLE)
        self.sql_create_statements.append(
            sql.SQL(
                "CREATE TABLE IF NOT EXISTS {} (position int8, leg int4, book int4, amount_minor int8, "
                "PRIMARY KEY (position, leg))"
            ).format(table)
        )
        self._insert = sql.SQL("INSERT INTO {} VALUES {}").format(
            table, sql.SQL(", ").join([sql.SQL("(%s, %s, %s, %s)")] * LEGS)
        )
        self.until = 0
        self.reached = threading.Event()

    def post(self, tracking: Tracking) -> None:
        legs = [value for leg in range(LEGS) for value in (tracking.notification_id, leg, leg, 1 - leg % 2 * 2)]
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(self._insert, legs, prepare=True)
        if tracking.notification_id >= self.until:
            self.reached.set()


class Poster(Projection[Postings]):
    name = "poster"

    def process_event(self, domain_event: Any, tracking: Tracking) -> None:
        self.view.post(tracking)


class Library:
    """The library's application in a schema of its own on the same server."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.schema = f"{database.house}_library"
        with database.connect("owner") as connection:
            connection.execute(f"CREATE SCHEMA {self.schema}")
        info = conninfo_to_dict(database.url)
        self.env = {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": str(info.get("dbname") or "postgres"),
            "POSTGRES_HOST": str(info.get("host") or "127.0.0.1"),
            "POSTGRES_PORT": str(info.get("port") or "5432"),
            "POSTGRES_USER": str(info.get("user") or "postgres"),
            "POSTGRES_PASSWORD": str(info.get("password") or ""),
            "POSTGRES_SCHEMA": self.schema,
        }
        self.application = Accounts(self.env)
        self._saved = 0

    def close(self) -> None:
        self.application.close()
        with self.database.connect("owner") as connection:
            connection.execute(f"DROP SCHEMA {self.schema} CASCADE")

    def save_each(self, count: int) -> float:
        """Seconds for so many saves of one new aggregate with one event each."""
        started = perf_counter()
        for number in range(count):
            self.application.open(f"account-{self._saved + number}")
        self._saved += count
        return perf_counter() - started

    def project(self, count: int) -> float:
        """Seconds for so many events, each with one posting of four legs in its own transaction."""
        before = self.application.recorder.max_notification_id() or 0
        self.application.open_many(count)
        runner = ProjectionRunner(
            application_class=Accounts, projection_class=Poster, view_class=Postings, env={**self.env}
        )
        with runner:
            view = runner.projection.view
            view.until = before + count
            started = perf_counter()
            done_before = view.max_tracking_id("accounts") or 0
            if not view.reached.wait(TIMEOUT):
                raise TimeoutError("the library's projection did not come to its end")
            took = perf_counter() - started
        return took * count / max(1, before + count - done_before)
