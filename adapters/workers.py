"""Work split by account over processes: each reads facts range after range of accounts, and answers for each range.

A worker is a module that is started as ``python -m adapters.…`` and calls ``serve``. It reads its task, then ranges,
each a line of JSON, and answers each range, or says why it failed. When its input ends it ends; so no worker outlives
its parent by more than the range that it is at.
"""

import gc
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Protocol, Self

import orjson
import psycopg
from psycopg import sql

READ_ACCOUNTS = 100
COLLECT_AFTER = 200_000
"""Objects between two looks for cycles, of which rating makes none."""

Answer = dict[str, Any]
FAILED = "failed"
"""The key of an answer that is none: why the range failed, in one sentence."""


class WorkerFailed(Exception):
    """A range could not be done; the message says why. None where the worker itself is gone."""

    def __init__(self, reason: str | None) -> None:
        super().__init__(reason or "a worker ended before its work was done")
        self.reason = reason


class Range(NamedTuple):
    """Partitions of facts from ``first`` to ``last``, both included, with the number of their facts or lines."""

    first: int
    last: int
    size: int


FACTS = sql.SQL("count(*)")
LINES = sql.SQL("count(*) FILTER (WHERE starts_with(body, '[\"line\"'))")


def ranges(
    connection: psycopg.Connection,
    schema: str,
    upto: int,
    wanted: int,
    *,
    first: int = -(2**63),
    size: sql.SQL = FACTS,
) -> list[Range]:
    """All partitions of the facts from a first one on, in ranges with about as many facts each."""
    statement = sql.SQL(
        "SELECT min(account_no), max(account_no), sum(size)::bigint FROM ("
        " SELECT account_no, {size} AS size, (sum(count(*)) OVER (ORDER BY account_no) - 1) * %s"
        "  / sum(count(*)) OVER () AS share FROM {facts} WHERE position <= %s AND account_no >= %s GROUP BY account_no"
        ") AS account GROUP BY floor(share) ORDER BY 1"
    ).format(size=size, facts=sql.Identifier(schema, "facts"))
    return [Range(*row) for row in connection.execute(statement, (wanted, upto, first))]


def partitions(
    connection: psycopg.Connection, schema: str, accounts: Range, upto: int
) -> Iterator[tuple[int, list[tuple[int, Any]]]]:
    """Partition by partition, its facts in order: one row and one JSON document for each partition."""
    where = sql.SQL("account_no BETWEEN {} AND {}").format(accounts.first, accounts.last)
    yield from _documents(connection, schema, where, upto)


def partitions_of(
    connection: psycopg.Connection, schema: str, account_nos: Iterable[int], upto: int
) -> Iterator[tuple[int, list[tuple[int, Any]]]]:
    """The same for single accounts."""
    where = sql.SQL("account_no = ANY({}::bigint[])").format(sql.Literal(list(account_nos)))
    yield from _documents(connection, schema, where, upto)


def _documents(
    connection: psycopg.Connection, schema: str, where: sql.Composable, upto: int
) -> Iterator[tuple[int, list[tuple[int, Any]]]]:
    statement = sql.SQL(
        "SELECT account_no, '[' || string_agg(position || ',' || body, ',' ORDER BY position, seq) || ']' "
        "FROM {} WHERE {} AND position <= {} GROUP BY account_no ORDER BY account_no"
    ).format(sql.Identifier(schema, "facts"), where, upto)
    with connection.cursor("accounts", binary=True) as cursor:
        cursor.itersize = READ_ACCOUNTS
        cursor.execute(statement)
        for account_no, document in cursor:
            flat = orjson.loads(document)
            yield account_no, list(zip(flat[::2], flat[1::2], strict=True))


# -- the process that works


class RangeWorker(Protocol):
    at: int
    """The account that it is at."""

    def load(self, accounts: Range) -> Mapping[str, Any]:
        """Do a range, in one transaction, and say what it gave."""


def serve(made: Callable[[Any], RangeWorker]) -> None:
    """Work until there is nothing more to read."""
    logging.getLogger("psycopg").addHandler(logging.NullHandler())  # what it warns of comes as an error as well
    lines = iter(sys.stdin.buffer.readline, b"")
    worker: RangeWorker | None = None
    task = orjson.loads(next(lines))
    gc.set_threshold(COLLECT_AFTER)
    for line in lines:
        answer: Mapping[str, Any]
        try:
            worker = worker or made(task)
            answer = worker.load(Range(*orjson.loads(line)))
        except Exception as error:  # whatever it is, the parent has to say it
            at = f"account {worker.at}: " if worker else ""
            answer = {FAILED: f"{at}{type(error).__name__}: {' '.join(str(error).split())}"}
        sys.stdout.buffer.write(orjson.dumps(answer) + b"\n")
        sys.stdout.buffer.flush()


# -- the process that lets others work


@dataclass
class Pool:
    """Ranges of accounts done by worker processes, each range once, by whoever is free."""

    module: str
    task: Mapping[str, Any]
    """May hold a password: it is sent through a pipe, never shown."""
    note: Callable[[Range, Answer], None]
    """Told of every range that is done, one at a time."""
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _workers: "list[_Worker]" = field(default_factory=list)

    def run(self, accounts: Iterable[Range], workers: int) -> None:
        """Raises WorkerFailed."""
        waiting: SimpleQueue[Range] = SimpleQueue()
        for one in accounts:
            waiting.put(one)
        with ThreadPoolExecutor(workers) as threads:
            try:
                for ended in [threads.submit(self._work, waiting) for _ in range(workers)]:
                    ended.result()
            except KeyboardInterrupt:  # which only we are told of, and nobody waits for what is under way
                _empty(waiting)
                for worker in self._workers:
                    worker.kill()
                raise

    def _work(self, waiting: "SimpleQueue[Range]") -> None:
        """Give one worker range after range. Killed with us it ends too, because its input ends."""
        try:
            with _Worker(self.module, self.task) as worker:
                self._workers.append(worker)
                while True:
                    accounts = waiting.get_nowait()
                    answer = worker.load(accounts)
                    with self._lock:
                        self.note(accounts, answer)
        except Empty:
            return
        except Exception:
            _empty(waiting)  # one has failed, so the others need not go on
            raise


def _empty(waiting: "SimpleQueue[Range]") -> None:
    with suppress(Empty):
        while True:
            waiting.get_nowait()


class _Worker:
    """A process that runs a module."""

    def __init__(self, module: str, task: Mapping[str, Any]) -> None:
        self._process = subprocess.Popen(  # noqa: S603  (a module of ours)
            [sys.executable, "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            process_group=0,  # Ctrl-C is for the parent, which has one sentence to say
        )
        self._tell(task)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._process, suppress(BrokenPipeError):
            assert self._process.stdin is not None
            self._process.stdin.close()

    def kill(self) -> None:
        self._process.kill()

    def load(self, accounts: Range) -> Answer:
        """Raises WorkerFailed."""
        self._tell(tuple(accounts))
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerFailed(None)
        answer: Answer = orjson.loads(line)
        if FAILED in answer:
            raise WorkerFailed(answer[FAILED])
        return answer

    def _tell(self, value: Any) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(orjson.dumps(value) + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerFailed(None) from None
