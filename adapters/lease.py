"""The lease that elects who publishes: one row in the house's schema, and the database's clock decides.

It says who should publish. It cannot keep a process that was paused from publishing on: what fences that one is the
broker (see ``adapters.publisher``).
"""

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg import sql

from adapters.database import Database, DatabaseUnavailable

SECONDS = 10.0
"""How long the lease lasts without being renewed: so long nobody publishes after its holder was killed."""
RENEWALS = 4
"""How often it is renewed in that time, so that one or two attempts may fail."""
IDLE_SECONDS = 120.0
"""It is renewed for a holder that asked for it this lately: one that hangs for longer does not keep others waiting."""


class LeaseHeld(Exception):
    """The lease is another's, so that there is nothing to do here. One sentence."""


class Held(NamedTuple):
    """Who has the lease, or had it last; nobody yet at epoch 0."""

    holder: str
    epoch: int
    seconds: float
    """For how long still; below zero when it has expired."""


def this_process() -> str:
    """A name for who holds the lease that tells hosts and processes apart, also one that got the same number again."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(3).hex()}"


class Lease:
    """One process's side of the lease. ``take`` it, ask ``kept`` before each piece of work, ``release`` it."""

    def __init__(
        self, database: Database, holder: str, seconds: float = SECONDS, idle_seconds: float = IDLE_SECONDS
    ) -> None:
        self.database, self.holder, self.seconds, self.idle_seconds = database, holder, seconds, idle_seconds
        self.epoch = 0
        """Of the lease that was taken last: every taking of it, by whomever, counts it up by one."""
        self._until = self._asked = 0.0
        self._ended = threading.Event()
        self._connection: psycopg.Connection | None = None

    def take(self) -> int | None:
        """The epoch if the lease is ours now; None while another holds it. Raises DatabaseUnavailable."""
        self._ended.set()
        began = time.monotonic()
        row = self._row(_TAKE, {"holder": self.holder, "seconds": self.seconds})
        if row is None:
            return None
        (self.epoch,) = row
        self._until, self._asked, self._ended = began + self.seconds, time.monotonic(), threading.Event()
        threading.Thread(target=self._keep, args=(self.epoch, self._ended), name="lease", daemon=True).start()
        return self.epoch

    def held(self) -> Held:
        """Who holds it. Raises DatabaseUnavailable."""
        row = self._row(_HELD, {})
        return Held(*row) if row else Held("", 0, 0.0)

    def kept(self) -> bool:
        """Whether it is still ours, by this process's own reckoning: never for longer than by the database's."""
        self._asked = time.monotonic()
        return self.ours

    @property
    def ours(self) -> bool:
        """The same, for who only looks on."""
        return time.monotonic() < self._until and not self._ended.is_set()

    def release(self) -> None:
        """Let the next one take it at once. Does what it can: without the database it ends by itself."""
        held, self._until = not self._ended.is_set() and self.epoch > 0, 0.0
        self._ended.set()
        if held:
            with suppress(DatabaseUnavailable):
                self._row(_RELEASE, {"holder": self.holder, "epoch": self.epoch})

    def go_beyond(self, epoch: int) -> None:
        """Let the next taking have a later epoch than this one, which was noted under a lease that the row forgot.

        Nothing where another has taken it since, who has the later epoch. Raises DatabaseUnavailable.
        """
        if self._row(_GO_BEYOND, {"holder": self.holder, "epoch": self.epoch, "noted": epoch}) is not None:
            self.epoch = epoch

    def close(self) -> None:
        self.release()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _row(self, statement: LiteralString, values: dict[str, Any]) -> tuple[Any, ...] | None:
        if self._connection is None or self._connection.closed:
            self._connection = self.database.connect("relay", autocommit=True)
        with self.database.faults_explained():
            return self._connection.execute(self._statement(statement), values).fetchone()

    def _statement(self, text: LiteralString) -> sql.Composed:
        return sql.SQL(text).format(lease=sql.Identifier(self.database.house, "relay_lease"))

    # -- in a thread and on a connection of its own

    def _keep(self, epoch: int, ended: threading.Event) -> None:
        """Renew until the lease is another's or no longer wanted; a connection that breaks is made again."""
        connection: psycopg.Connection | None = None
        while not ended.wait(self.seconds / RENEWALS):
            if time.monotonic() - self._asked > self.idle_seconds:
                continue
            try:
                if connection is None or connection.closed:
                    connection = self.database.connect("relay", autocommit=True)
                began = time.monotonic()
                values = {"holder": self.holder, "epoch": epoch, "seconds": self.seconds}
                if connection.execute(self._statement(_RENEW), values).fetchone() is None:
                    ended.set()
                elif not ended.is_set():
                    self._until = began + self.seconds
            except (psycopg.Error, DatabaseUnavailable):
                continue  # the lease runs out, unless the server is back before that
        if connection is not None:
            connection.close()


_TAKE: LiteralString = """
UPDATE {lease} SET epoch = epoch + 1, holder = %(holder)s,
    expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE expires_at <= clock_timestamp() OR holder = %(holder)s
RETURNING epoch
"""
# who was not renewed in time and was not followed by anybody has lost nothing
_RENEW: LiteralString = """
UPDATE {lease} SET expires_at = clock_timestamp() + make_interval(secs => %(seconds)s)
WHERE holder = %(holder)s AND epoch = %(epoch)s
RETURNING epoch
"""
# a database that was restored has the lease of its time
_GO_BEYOND: LiteralString = """
UPDATE {lease} SET epoch = %(noted)s WHERE holder = %(holder)s AND epoch = %(epoch)s AND epoch < %(noted)s
RETURNING epoch
"""
_RELEASE: LiteralString = """
UPDATE {lease} SET expires_at = clock_timestamp() WHERE holder = %(holder)s AND epoch = %(epoch)s RETURNING epoch
"""
_HELD: LiteralString = """
SELECT holder, epoch, extract(epoch FROM expires_at - clock_timestamp())::float8 FROM {lease}
"""
