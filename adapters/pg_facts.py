"""The facts as they stand in PostgreSQL, for whoever rates from them, and how far each projection is."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
import psycopg
from psycopg import sql


def positions_table(schema: str) -> sql.Identifier:
    return sql.Identifier(schema, "projection_position")


def position_of(connection: psycopg.Connection, schema: str, name: str) -> int:
    row = connection.execute(
        sql.SQL("SELECT position FROM {} WHERE name = %s").format(positions_table(schema)), (name,)
    ).fetchone()
    return row[0] if row else 0


@dataclass
class PgFacts:
    """Where the ledger reads facts in PostgreSQL."""

    connection: psycopg.Connection
    schema: str

    def account(self, account_no: int, before: int) -> Iterable[tuple[int, Sequence[Any]]]:
        statement = sql.SQL(
            "SELECT position, body FROM {} WHERE account_no = %s AND position < %s ORDER BY position, seq"
        ).format(sql.Identifier(self.schema, "facts"))
        rows = self.connection.execute(statement, (account_no, before), prepare=True, binary=True)
        return [(position, orjson.loads(body)) for position, body in rows]

    def number_of(self, name: str) -> int | None:
        """The number of an account, a statement, or a number in suspense."""
        statement = sql.SQL("SELECT no FROM {} WHERE name = %s").format(sql.Identifier(self.schema, "facts_name"))
        row = self.connection.execute(statement, (name,), prepare=True).fetchone()
        return row[0] if row else None

    def aliases(self, number: str) -> Sequence[tuple[Any, ...]]:
        """The rows of aliases of a number, such as ``lumen:5-QXTR9941``, in order."""
        statement = sql.SQL("SELECT * FROM {} WHERE number = %s ORDER BY position, seq")
        name = sql.Identifier(self.schema, "facts_alias")
        return self.connection.execute(statement.format(name), (number,), prepare=True).fetchall()

    def accounts_of(self, agents: Iterable[str]) -> Iterable[int]:
        statement = sql.SQL("SELECT DISTINCT account_no FROM {} WHERE agent = ANY(%s)")
        name = sql.Identifier(self.schema, "facts_agent")
        return [row[0] for row in self.connection.execute(statement.format(name), (sorted(agents),))]

    def accounts_paid_by(self, vendor: str) -> Iterable[int]:
        statement = sql.SQL("SELECT DISTINCT account_no FROM {} WHERE vendor = %s")
        name = sql.Identifier(self.schema, "facts_payer")
        return [row[0] for row in self.connection.execute(statement.format(name), (vendor,))]

    def all_accounts(self) -> Iterable[int]:
        statement = sql.SQL("SELECT DISTINCT account_no FROM {}")
        return [row[0] for row in self.connection.execute(statement.format(sql.Identifier(self.schema, "facts_agent")))]
