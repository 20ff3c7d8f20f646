"""An account's history holds the statement lines that came for it, also those that waited in suspense first."""

from adapters.database import Database
from tests.system.books import on_postgres, scenario


def test_an_accounts_history_tells_the_lines_that_came_for_it_when_they_came(database: Database) -> None:
    with on_postgres(database, scenario("S10")) as book:
        rows = book.queries.audit("account:att/0047-2291")

    lines = [(row["position"], row["actor"], row["sentence"]) for row in rows if row["sentence"].startswith("Line")]
    positions = [row["position"] for row in rows]
    assert positions == sorted(positions)
    assert [(actor, sentence) for _, actor, sentence in lines] == [
        ("house/bob", "Line 1 of statement ATT-2026-02 of att brought 500.08 USD for 2026-01 (recurring)."),
        ("house/bob", "Line 1 of statement ATT-2026-03 of att brought 500.08 USD for 2026-02 (recurring)."),
        ("house/ann", "Line 1 of statement ATT-2026-04 of att brought 500.08 USD for 2026-03 (recurring)."),
    ]
    assert lines[0][0] == lines[1][0], "the placement brought both"


def test_an_accounts_history_as_known_before_a_placement_is_without_its_lines(database: Database) -> None:
    with on_postgres(database, scenario("S10")) as book:
        account = "account:att/0047-2291"
        before = book.queries.audit(account, book.queries.known_at("2026-04-07"))
        now = book.queries.audit(account)

    assert [row["sentence"] for row in before] == [row["sentence"] for row in now[: len(before)]]
    assert not [row for row in before if row["sentence"].startswith("Line")]
    assert len(before) < len(now)
