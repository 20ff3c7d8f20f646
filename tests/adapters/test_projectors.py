"""Projectors over a log in PostgreSQL: where they begin and where they end."""

from adapters.database import Database
from adapters.projectors import NAMES, Projectors, position_of


def test_over_an_empty_log_every_projector_stays_where_it_is(database: Database) -> None:
    """An end of 0 was taken for no end at all, and the projectors ran on through positions that nobody had recorded."""
    with Projectors(database) as projectors:
        assert projectors.step(batch=5) == 0
        assert projectors.catch_up() == 0
        assert [position_of(projectors.connection, database.book, name) for name in NAMES] == [0] * len(NAMES)
