"""What a promotion posted, with what differs in each item, for those who look at it afterwards.

The journal says what was posted and by how much, but not for what cause. So the accounts concerned are valued once
more as of the position before the promotion, into a table that lasts as long as the transaction; what comes out must
be the very rows that the journal has there.
"""

from collections.abc import Iterable, Iterator

import psycopg
from psycopg import sql

from adapters.pg_facts import PgFacts
from adapters.valuing import DEFINITION, Fact, copy_into, valuer
from adapters.workers import partitions_of

TABLE = sql.Identifier("pg_temp", "promoted")
CHUNK_ACCOUNTS = 1_000


def value_again(connection: psycopg.Connection, schema: str, change: Iterable[Fact], position: int) -> int:
    """Fill ``TABLE`` within the caller's transaction with what a promotion at a position differs by.

    How many entries the journal has otherwise: there are none unless the book or the program is not what it was. The
    connection is of a role that may make temporary tables.
    """
    connection.execute(sql.SQL("CREATE TEMPORARY TABLE promoted ({}) ON COMMIT DROP").format(DEFINITION))
    valuing = valuer(PgFacts(connection, schema), change, position - 1)
    for chunk in _chunks(_accounts(connection, schema, position)):
        learned = list(partitions_of(connection, schema, chunk, position - 1))
        copy_into(connection, TABLE, ((account_no, valuing.value(account_no, facts)) for account_no, facts in learned))
    names = {"journal": sql.Identifier(schema, "journal"), "valued": TABLE}
    row = connection.execute(sql.SQL(_OTHERWISE).format(**names), {"position": position}).fetchone()
    assert row is not None
    return int(row[0])


def _accounts(connection: psycopg.Connection, schema: str, position: int) -> list[int]:
    statement = sql.SQL("SELECT DISTINCT account_no FROM {} WHERE position = %s ORDER BY account_no")
    return [row[0] for row in connection.execute(statement.format(sql.Identifier(schema, "journal")), (position,))]


def _chunks(account_nos: list[int]) -> Iterator[list[int]]:
    for first in range(0, len(account_nos), CHUNK_ACCOUNTS):
        yield account_nos[first : first + CHUNK_ACCOUNTS]


_OTHERWISE = """
WITH posted AS (
    SELECT account_no, (extract(year FROM effective_on) * 12 + extract(month FROM effective_on))::int - 1 AS month,
        kind, currency, leg, item_no, item_line, role, book, amount_minor
    FROM {journal} WHERE position = %(position)s
), again AS (
    SELECT account_no, entry.* FROM {valued} AS valued, unnest(valued.month, valued.kind, valued.currency, valued.leg,
        valued.item_no, valued.item_line, valued.role, valued.book, valued.amount_minor) AS entry
)
SELECT count(*) FROM (
    (SELECT * FROM posted EXCEPT ALL SELECT * FROM again)
    UNION ALL (SELECT * FROM again EXCEPT ALL SELECT * FROM posted)
) AS otherwise
"""
