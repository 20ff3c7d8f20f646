"""Tables of projections in PostgreSQL: made from their description, filled by COPY, asked by key."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, LiteralString

import psycopg
from psycopg import sql

from projections.projection import Row, Table

SEARCHED_KEYS = 100_000
"""How many looked-up keys are remembered before all are forgotten."""
SEARCHED_ROWS = 300_000
"""The same for the rows found under them, those of keys with very many rows left aside."""
FEW_ROWS = 10_000

POSITIONS = sql.SQL("""
CREATE TABLE IF NOT EXISTS {schema}.projection_position (
    name text PRIMARY KEY,
    version integer NOT NULL,
    position bigint NOT NULL,
    poison_position bigint,
    poison_reason text,
    moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
""")


_SQL_TYPES: dict[str, LiteralString] = {"text": 'text COLLATE "C"'}
"""Text in the order of its bytes: the same on every server, and the same as in memory."""


def create(connection: psycopg.Connection, schema: str, tables: Iterable[Table], *, indexed: bool = True) -> None:
    """Create the tables that are missing; without ``indexed``, bare ones for bulk loading (see ``add_keys``)."""
    for table in tables:
        columns = sql.SQL(", ").join(
            sql.SQL("{} {}{}").format(
                sql.Identifier(c.name),
                sql.SQL(_SQL_TYPES.get(c.type, c.type)),
                sql.SQL("" if c.optional else " NOT NULL"),
            )
            for c in table.columns
        )
        name = sql.Identifier(schema, table.name)
        exists = connection.execute("SELECT to_regclass(%s)", (f"{schema}.{table.name}",)).fetchone()
        if exists and exists[0]:
            continue
        connection.execute(sql.SQL("CREATE TABLE {} ({})").format(name, columns))
        for column in table.columns:
            connection.execute(
                sql.SQL("COMMENT ON COLUMN {} IS {}").format(
                    sql.Identifier(schema, table.name, column.name), sql.Literal(column.meaning)
                )
            )
        if indexed:
            add_keys(connection, schema, table)


def add_keys(connection: psycopg.Connection, schema: str, table: Table) -> None:
    """The primary key and the indexes of a table."""
    name = sql.Identifier(schema, table.name)
    connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(name, _columns(table.key)))
    for index in table.indexes:
        connection.execute(sql.SQL("CREATE INDEX ON {} ({})").format(name, _columns(index)))


def _columns(names: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, names))


class PgTables:
    """The keyed state of a projection over tables in one schema, within one transaction at a time.

    Rows added are kept until ``flush`` copies them; ``rows`` sees them before that.
    """

    def __init__(self, connection: psycopg.Connection, schema: str, tables: Iterable[Table]) -> None:
        self.connection = connection
        self.schema = schema
        self.tables = {table.name: table for table in tables}
        self._pending: dict[str, list[tuple[Any, ...]]] = {name: [] for name in self.tables}
        self._sums: dict[str, dict[tuple[Any, ...], int]] = {t.name: {} for t in self.tables.values() if t.sums}
        self._searched: dict[tuple[str, str], dict[Any, list[tuple[Any, ...]]]] = {}
        self._pending_by: dict[tuple[str, str], defaultdict[Any, list[tuple[Any, ...]]]] = {}
        """What was added since the last flush to tables that are looked up by key, by that key."""
        self.pending_rows = 0
        self._searched_rows = 0

    def forget(self) -> None:
        """Drop everything that is remembered: another process may have written, or a transaction was rolled back."""
        self._searched.clear()
        self._searched_rows = 0
        self._pending_by.clear()
        for pending in self._pending.values():
            pending.clear()
        for sums in self._sums.values():
            sums.clear()
        self.pending_rows = 0

    def add(self, rows: Iterable[Row]) -> None:
        for name, values in rows:
            if name in self._sums:
                key, amount = values[:-1], values[-1]
                sums = self._sums[name]
                sums[key] = sums.get(key, 0) + amount
                continue
            self._pending[name].append(values)
            self.pending_rows += 1
            for (table, column), known in self._searched.items():
                if table == name:
                    key = values[self.tables[name].column_names.index(column)]
                    if self.tables[name].resident:
                        known.setdefault(key, []).append(values)
                        continue
                    self._pending_by[table, column][key].append(values)
                    if key in known:
                        known[key].append(values)

    def rows(self, table: str, column: str, value: Any) -> Sequence[tuple[Any, ...]]:
        """All rows of a table whose column has the value, in order of their primary key."""
        known = self._searched.get((table, column))
        if known is None:
            known = self._searched[table, column] = {}
            if self.tables[table].resident:
                self._load_resident(table, column, known)
            else:
                self._pending_by[table, column] = self._pending_of(table, column)
        if self.tables[table].resident:
            return known.get(value, ())
        if value not in known:
            if len(known) >= SEARCHED_KEYS or self._searched_rows >= SEARCHED_ROWS:
                known.clear()
                self._searched_rows = 0
            known[value] = [*self._select(table, column, value), *self._pending_by[table, column].get(value, ())]
            self._searched_rows += len(known[value]) if len(known[value]) < FEW_ROWS else 0
        return known[value]

    def _load_resident(self, table: str, column: str, known: dict[Any, list[tuple[Any, ...]]]) -> None:
        description = self.tables[table]
        at = description.column_names.index(column)
        query = sql.SQL("SELECT {} FROM {} ORDER BY {}").format(
            _columns(description.column_names), sql.Identifier(self.schema, table), _columns(description.key)
        )
        grouped: defaultdict[Any, list[tuple[Any, ...]]] = defaultdict(list)
        for row in self.connection.execute(query, binary=True):
            grouped[row[at]].append(row)
        for row in self._pending[table]:
            grouped[row[at]].append(row)
        known.update(grouped)

    def _select(self, table: str, column: str, value: Any) -> list[tuple[Any, ...]]:
        description = self.tables[table]
        query = sql.SQL("SELECT {} FROM {} WHERE {} = %s ORDER BY {}").format(
            _columns(description.column_names),
            sql.Identifier(self.schema, table),
            sql.Identifier(column),
            _columns(description.key),
        )
        return self.connection.execute(query, (value,), prepare=True, binary=True).fetchall()

    def _pending_of(self, table: str, column: str) -> defaultdict[Any, list[tuple[Any, ...]]]:
        at = self.tables[table].column_names.index(column)
        grouped: defaultdict[Any, list[tuple[Any, ...]]] = defaultdict(list)
        for row in self._pending[table]:
            grouped[row[at]].append(row)
        return grouped

    def flush(self) -> None:
        """Copy what was added into the tables, within the transaction."""
        for name, rows in self._pending.items():
            if rows:
                copy_rows(self.connection, self.schema, self.tables[name], rows)
                rows.clear()
        for name, sums in self._sums.items():
            if sums:
                add_sums(self.connection, self.schema, self.tables[name], sums)
                sums.clear()
        for grouped in self._pending_by.values():
            grouped.clear()
        self.pending_rows = 0


def copy_rows(connection: psycopg.Connection, schema: str, table: Table, rows: Iterable[tuple[Any, ...]]) -> None:
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(schema, table.name), _columns(table.column_names)
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types([_COPY_TYPES[column.type] for column in table.columns])
        for row in rows:
            copy.write_row(row)


_COPY_TYPES = {
    "bigint": "int8",
    "integer": "int4",
    "smallint": "int2",
    "text": "text",
    "date": "date",
    "timestamptz": "timestamptz",
    "bytea": "bytea",
    "boolean": "bool",
}


def add_sums(connection: psycopg.Connection, schema: str, table: Table, sums: dict[tuple[Any, ...], int]) -> None:
    """Add to the rows of their keys, in order of the keys, so that two writers never wait for each other in a ring."""
    *key, amount = table.column_names
    name = sql.Identifier(schema, table.name)
    statement = sql.SQL(
        "INSERT INTO {} AS old ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {} = old.{} + {}"
    ).format(
        name,
        _columns(table.column_names),
        sql.SQL(", ").join([sql.Placeholder()] * len(table.column_names)),
        _columns(key),
        sql.Identifier(amount),
        sql.Identifier(amount),
        sql.SQL("excluded.{}").format(sql.Identifier(amount)),
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement, [(*k, v) for k, v in sorted(sums.items())])
