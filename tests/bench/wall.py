"""The wall: the least that any rebuild of a ledger in Python and PostgreSQL has to do, done as fast as we know.

Scan rows of one statement line each with a server-side cursor in binary, ``orjson.loads`` each, and ``COPY`` four
``(int8, int4, int4, int8)`` rows a line in binary, packed with ``struct``, into a table without keys; by as many
processes as the rebuild uses, each with its own connections. The clock runs from when all of them are ready.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from struct import Struct
from time import perf_counter

import orjson
import psycopg

from adapters.database import Database

SCAN_ROWS = 5_000
WRITE_ROWS = 4_000
ROWS_A_LINE = 4
_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_END = b"\xff\xff"
_row = Struct(">hiqiiiiiq").pack
_line = Struct(">hiqi").pack

Work = Callable[[Connection, str, str, int, int], None]


@dataclass(frozen=True)
class Wall:
    """The statement lines of a house, one a row, in a schema of their own."""

    database: Database

    @property
    def schema(self) -> str:
        return f"{self.database.house}_wall"

    def build(self) -> int:
        """Copy the lines out of the log's events; how many."""
        with self.database.connect("owner") as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")
            connection.execute(f"CREATE SCHEMA {self.schema}")
            connection.execute(f"CREATE TABLE {self.schema}.line (id bigint PRIMARY KEY, state bytea NOT NULL)")
            connection.execute(
                f"INSERT INTO {self.schema}.line SELECT row_number() OVER (), convert_to(line::text, 'UTF8') "
                f"FROM {self.database.house}.house_events, "
                "json_array_elements(convert_from(state, 'UTF8')::json -> 'event' -> 'lines') AS line "
                "WHERE topic LIKE 'vendor_statement.%' ORDER BY notification_id"
            )
            connection.execute(f"CREATE TABLE {self.schema}.row (a int8, b int4, c int4, d int8)")
            connection.execute(f"CREATE TABLE {self.schema}.copied (id bigint PRIMARY KEY, state bytea NOT NULL)")
            found = connection.execute(f"SELECT count(*) FROM {self.schema}.line").fetchone()
        return int(found[0]) if found else 0

    def drop(self) -> None:
        with self.database.connect("owner") as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE")

    def run(self, lines: int, processes: int) -> float:
        """Seconds to scan all lines and copy their rows."""
        return self._timed(_work, "row", lines, processes)

    def copy(self, lines: int, processes: int) -> float:
        """Seconds to copy all lines, one a row, out of memory into a table like the one they came from."""
        return self._timed(_copy, "copied", lines, processes)

    def _timed(self, work: Work, into: str, lines: int, processes: int) -> float:
        with self.database.connect("owner") as connection:
            connection.execute(f"TRUNCATE {self.schema}.{into}")
        with self._ready(work, lines, processes) as pipes:
            started = perf_counter()
            for pipe in pipes:
                pipe.send("go")
            for pipe in pipes:
                pipe.recv()
            return perf_counter() - started

    @contextmanager
    def _ready(self, work: Work, lines: int, processes: int) -> Iterator[list[Connection]]:
        context = get_context("spawn")
        pipes: list[Connection] = []
        workers = []
        for number in range(processes):
            ours, theirs = context.Pipe()
            first, after = 1 + lines * number // processes, 1 + lines * (number + 1) // processes
            arguments = (theirs, self.database.conninfo("owner"), self.schema, first, after)
            worker = context.Process(target=work, args=arguments)
            worker.start()
            workers.append(worker)
            pipes.append(ours)
        for pipe in pipes:
            pipe.recv()
        yield pipes
        for worker in workers:
            worker.join()


def _work(pipe: Connection, conninfo: str, schema: str, first: int, after: int) -> None:
    with psycopg.connect(conninfo) as reading, psycopg.connect(conninfo) as writing:
        pipe.send("ready")
        pipe.recv()
        with (
            reading.cursor("lines", binary=True) as lines,
            writing.cursor() as cursor,
            cursor.copy(f"COPY {schema}.row FROM STDIN (FORMAT BINARY)") as copy,
        ):
            lines.itersize = SCAN_ROWS
            lines.execute(f"SELECT id, state FROM {schema}.line WHERE id >= %s AND id < %s ORDER BY id", (first, after))
            rows = [_HEAD]
            for number, state in lines:
                line = orjson.loads(state)["line"]
                for leg in range(ROWS_A_LINE):
                    rows.append(_row(4, 8, number, 4, line, 4, leg, 8, number))
                if len(rows) > WRITE_ROWS:
                    copy.write(b"".join(rows))
                    rows.clear()
            rows.append(_END)
            copy.write(b"".join(rows))
        writing.commit()
        pipe.send("done")


def _copy(pipe: Connection, conninfo: str, schema: str, first: int, after: int) -> None:
    with psycopg.connect(conninfo) as connection:
        query = f"SELECT id, state FROM {schema}.line WHERE id >= %s AND id < %s ORDER BY id"
        lines = connection.execute(query, (first, after), binary=True).fetchall()
        connection.commit()
        pipe.send("ready")
        pipe.recv()
        with connection.cursor() as cursor, cursor.copy(f"COPY {schema}.copied FROM STDIN (FORMAT BINARY)") as copy:
            rows = [_HEAD]
            for number, state in lines:
                rows += (_line(2, 8, number, len(state)), state)
                if len(rows) > WRITE_ROWS:
                    copy.write(b"".join(rows))
                    rows.clear()
            rows.append(_END)
            copy.write(b"".join(rows))
        connection.commit()
        pipe.send("done")
