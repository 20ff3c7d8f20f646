"""Names of parties, in a table that can be changed and emptied; the log only ever holds their ids."""

from psycopg import sql

from adapters.database import Database


class Parties:
    """The house's names. A party is called like a participant: ``agent:harbor``, ``customer:alder-foods``."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._table = sql.Identifier(database.house, "party")

    def name(self, party: str, name: str) -> None:
        """Give or change a name."""
        statement = sql.SQL(
            "INSERT INTO {} (party_id, name) VALUES (%s, %s) "
            "ON CONFLICT (party_id) DO UPDATE SET name = excluded.name, updated_at = now()"
        )
        with self.database.connect("writer") as connection:
            connection.execute(statement.format(self._table), (party, name))

    def forget(self, party: str) -> None:
        with self.database.connect("writer") as connection:
            connection.execute(sql.SQL("DELETE FROM {} WHERE party_id = %s").format(self._table), (party,))

    def names(self) -> dict[str, str]:
        with self.database.connect("reader") as connection:
            statement = sql.SQL("SELECT party_id, name FROM {} ORDER BY party_id").format(self._table)
            return dict(connection.execute(statement).fetchall())
