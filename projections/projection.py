"""What a projection is: a name, a version, its tables, and rows for each event. Tables are only ever added to.

A projection does no I/O. What it has to look up it asks of ``KeyedState``, which answers with the rows of one key,
those of the present batch among them; so a batch of one and a batch of thousands give the same rows.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from domain.message import Recorded

ColumnType = Literal["bigint", "integer", "smallint", "text", "date", "timestamptz", "bytea", "boolean"]


class Column(NamedTuple):
    """``meaning`` says unit and sign; it becomes the column's comment in the database."""

    name: str
    type: ColumnType
    meaning: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """``key`` is the primary key. With ``sums``, rows of one key add up into one row of the last column. A ``resident``
    table is small enough to be held in memory whole by who looks things up in it.
    """

    name: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    indexes: tuple[tuple[str, ...], ...] = ()
    sums: bool = False
    resident: bool = False

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)


class Row(NamedTuple):
    table: str
    values: tuple[Any, ...]


class KeyedState(Protocol):
    def rows(self, table: str, column: str, value: Any) -> Sequence[tuple[Any, ...]]:
        """All rows of a table whose column has the value, in order of their primary key."""


class Projection(Protocol):
    """What each view module fulfils."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int: ...

    @property
    def tables(self) -> tuple[Table, ...]: ...

    def project(self, recorded: Recorded, state: KeyedState) -> Iterable[Row]:
        """The rows that one event adds. Never fails on an event that has happened."""
