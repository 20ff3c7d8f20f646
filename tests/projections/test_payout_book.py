"""The payout book keeps every run, each agent's line in it, and what became of it."""

from datetime import date, timedelta

from domain.calendar import OpenDay
from projections import payout_book
from projections.payout_book import Line, Move
from tests.domain.test_holdback import BOOK, UNTIL, give_back
from tests.domain.test_payout import approve, come_back, earned, propose, release, settle, withdraw
from tests.projections.story import book, in_batches, story
from tests.spec import DAY, Steps, given


def kept(*steps: Steps, table: str) -> list[tuple[object, ...]]:
    return book(given(BOOK, *steps).log, payout_book).tables.content[table]


RELEASED: tuple[Steps, ...] = (propose(earned("harbor", 10000), earned("summit", -5)), approve(), release())


def test_a_run_is_kept_with_what_it_became() -> None:
    rows = kept(RELEASED, propose(earned("harbor", 12000), run="2026-02"), withdraw("2026-02"), table="payout_run")
    assert [(row[0], row[2], row[3], row[4]) for row in rows] == [
        ("2026-01", "proposed", 40, DAY),
        ("2026-01", "approved", None, DAY),
        ("2026-01", "released", None, DAY),
        ("2026-02", "proposed", 40, DAY),
        ("2026-02", "withdrawn", None, DAY),
    ]


def test_an_agents_line_says_what_is_paid_and_held_or_what_is_carried_and_why() -> None:
    rows = [Line(*row) for row in kept(RELEASED, table="payout_line")]  # type: ignore[arg-type]
    assert [row._replace(position=0) for row in rows] == [
        Line("harbor", "USD", 0, "2026-01", 40, 9000, 1000, 0, None, None),
        Line("summit", "USD", 0, "2026-01", 40, 0, 0, -5, "negative", 0),
    ]


def test_what_became_of_a_payout_and_of_what_it_holds_is_kept_in_order() -> None:
    rows = kept(RELEASED, settle(), come_back(), OpenDay(date=UNTIL), give_back(), table="payout_move")
    moves = [Move(*row) for row in rows]  # type: ignore[arg-type]
    assert [(m.what, m.amount_minor, m.effective_on, m.held_until, m.because) for m in moves] == [
        ("sent", 9000, DAY, None, None),
        ("held", 1000, DAY, UNTIL, None),
        ("settled", 9000, DAY, None, None),
        ("returned", 9000, DAY, None, "account closed"),
        ("owed-again", 1000, UNTIL, UNTIL, None),
    ]
    assert date(2026, 1, 5) + timedelta(90) == UNTIL


def test_batches_of_any_size_give_the_same_rows() -> None:
    events = story().log.events
    whole = in_batches(events, 5_000, payout_book.tables, payout_book.project)
    assert {row.table for row in whole} == {table.name for table in payout_book.tables}
    for size in (1, 7):
        assert in_batches(events, size, payout_book.tables, payout_book.project) == whole
