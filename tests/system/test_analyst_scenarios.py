"""Six scenarios as a commission analyst would try them, to the cent: in memory and on PostgreSQL."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest

from tests.database import fresh_house
from tests.golden.examples import analyst
from tests.system.books import Book, InMemory, OnPostgres, Posted, on_postgres, scenario

SCENARIOS = ("S01", "S03", "S04", "S07", "S10", "S16")
BOOKS = ("in memory", "on PostgreSQL")
THE_END = date.max

Shares = dict[tuple[str, ...], int]


@dataclass
class Tried:
    """A scenario with the book in which it has happened."""

    name: str
    expected: dict[str, Any]
    book: Book
    posted: list[Posted]


@pytest.fixture(scope="module", params=[(s, b) for s in SCENARIOS for b in BOOKS], ids=lambda p: f"{p[0]} {p[1]}")
def tried(request: pytest.FixtureRequest, database_url: str) -> Iterator[Tried]:
    name, where = request.param
    expected = analyst(name)["expected"]
    if where == "in memory":
        book = InMemory(scenario(name))
        yield Tried(name, expected, book, book.posted())
        return
    with fresh_house(database_url) as database, on_postgres(database, scenario(name)) as book_on_server:
        yield Tried(name, expected, book_on_server, book_on_server.posted())


def by_cell_and_payee(posted: list[Posted]) -> Shares:
    """What was posted on a day for a cell and a payee; what sums to nothing is left out."""
    sums: Shares = {}
    for p in posted:
        key = (p.recorded_on, p.account, p.service_month, p.charge_kind, p.payee)
        sums[key] = sums.get(key, 0) + p.amount_minor
    return without_zeros(sums)


def without_zeros(sums: Shares) -> Shares:
    return {key: amount for key, amount in sums.items() if amount}


def cell_of(posting: dict[str, Any]) -> tuple[str, ...]:
    return posting["recorded_on"], posting["account"], posting["service_month"], posting["charge_kind"]


# -- what is posted


def test_nothing_in_a_scenario_is_refused(tried: Tried) -> None:
    assert tried.book.refusals() == []


def test_every_posting_has_the_analysts_shares_and_there_is_no_other_posting(tried: Tried) -> None:
    wanted: Shares = {}
    for posting in tried.expected["postings"]:
        for payee, amount in posting["shares"].items():
            key = (*cell_of(posting), payee)
            wanted[key] = wanted.get(key, 0) + amount

    assert by_cell_and_payee(tried.posted) == without_zeros(wanted)


def test_every_statement_line_is_an_item_of_its_own(tried: Tried) -> None:
    by_line = [posting for posting in tried.expected["postings"] if posting.get("item", "").startswith("line ")]
    for posting in by_line:
        of_item = {
            p.payee: p.amount_minor
            for p in tried.posted
            if (p.recorded_on, p.account, p.service_month, p.charge_kind) == cell_of(posting)
            and p.item.startswith(f"{posting['item']} of statement ")
        }
        assert of_item == posting["shares"]


def test_every_posting_sums_to_what_was_received(tried: Tried) -> None:
    wanted: Shares = {}
    for posting in tried.expected["postings"]:
        wanted[cell_of(posting)] = wanted.get(cell_of(posting), 0) + posting["total"]
    found: Shares = dict.fromkeys(wanted, 0)
    for p in tried.posted:
        found[p[:4]] += p.amount_minor

    assert found == wanted


def test_every_share_says_why(tried: Tried) -> None:
    assert all(p.reason and p.item for p in tried.posted)


# -- sums


def test_the_sums_by_payee_and_service_month_are_the_analysts(tried: Tried) -> None:
    wanted = tried.expected["by_payee_and_service_month"]
    found: Shares = {}
    for p in tried.posted:
        found[p.payee, p.service_month] = found.get((p.payee, p.service_month), 0) + p.amount_minor

    assert without_zeros(found) == without_zeros(flat(wanted))
    if isinstance(tried.book, InMemory):
        assert tried.book.result["balances"]["by_payee_and_service_month"] == wanted


def test_the_sums_by_payee_and_month_recorded_are_the_analysts(tried: Tried) -> None:
    wanted = tried.expected["by_payee_and_month_recorded"]
    found: Shares = {}
    for p in tried.posted:
        found[p.payee, p.recorded_on[:7]] = found.get((p.payee, p.recorded_on[:7]), 0) + p.amount_minor

    assert without_zeros(found) == without_zeros(flat(wanted))
    if isinstance(tried.book, InMemory):
        assert tried.book.result["balances"]["by_payee_and_month_recorded"] == wanted


def flat(nested: dict[str, dict[str, int]]) -> Shares:
    return {(payee, month): amount for payee, of_payee in nested.items() for month, amount in of_payee.items()}


# -- money that moved


def test_the_payouts_are_the_analysts(tried: Tried) -> None:
    wanted = [(p["recorded_on"], p["payee"], p["amount"]) for p in tried.expected["payouts"]]

    assert sorted(tried.book.paid()) == sorted(wanted)


def test_what_is_payable_at_the_end_is_the_analysts(tried: Tried) -> None:
    assert owed(tried, THE_END) == tried.expected["payable_at_end"]
    if isinstance(tried.book, InMemory):
        assert tried.book.result["balances"]["payable_at_end"] == tried.expected["payable_at_end"]


def test_what_is_payable_on_a_day_is_the_analysts(tried: Tried) -> None:
    for key, wanted in tried.expected.items():
        if key.startswith("payable_on_"):
            assert owed(tried, date.fromisoformat(key.removeprefix("payable_on_"))) == wanted


def owed(tried: Tried, day: date) -> dict[str, int]:
    return dict.fromkeys(tried.expected["payable_at_end"], 0) | tried.book.payable(day)


# -- what else was known


def test_the_agent_book_answers_as_the_analyst_would(tried: Tried) -> None:
    for answer in tried.expected.get("agent_book", ()):
        effective, known = date.fromisoformat(answer["effective"]), date.fromisoformat(answer["known"])

        assert tried.book.agents_of_record(answer["account"], effective, known) == [answer["aor"]]


def test_suspense_is_the_analysts_and_grows_old(tried: Tried) -> None:
    wanted = [(s["recorded_on"], s["amount"], s["why"]) for s in tried.expected.get("suspense", ())]

    assert tried.book.suspended() == wanted
    for key, ages in tried.expected.items():
        if key.startswith("suspense_age_days_on_"):
            day = date.fromisoformat(key.removeprefix("suspense_age_days_on_"))
            came = [s for s in tried.book.suspended() if s.recorded_on <= day.isoformat()]
            assert {s.recorded_on: (day - date.fromisoformat(s.recorded_on)).days for s in came} == ages
            assert tried.book.waiting(day) == sum(s.amount_minor for s in came)
    assert tried.book.waiting(THE_END) == 0


def test_every_expected_zero_has_its_reason_while_it_stands(tried: Tried) -> None:
    for zero in tried.expected.get("expected_zeros", ()):
        payee, reason = zero["payee"], zero["reason"]
        first, last = THE_END, THE_END
        if "known" in zero:
            first, last = (date.fromisoformat(day) for day in zero["known"].split(" to "))
            for day in (first - timedelta(1), last + timedelta(1)):
                assert [z for z in tried.book.zeros([payee], day) if z.reason == reason] == []
        for day in (first, last):
            found = [z.service_month for z in tried.book.zeros([payee], day) if z.reason == reason]
            assert found == zero["service_months"]


# -- the journal on PostgreSQL

on_server = pytest.mark.parametrize(
    "tried", [(name, "on PostgreSQL") for name in SCENARIOS], ids=SCENARIOS, indirect=True
)


@on_server
def test_every_entry_of_the_journal_is_found_again_by_rating_its_cell(tried: Tried) -> None:
    assert isinstance(tried.book, OnPostgres)

    explained = tried.book.explained()

    assert len(explained) == len(tried.book.queries.entries()) > 0
    assert all(why.reason for _, why in explained)
    assert all(sum(e.amount_minor for e, _ in explained if e.id[:-1] == one.id[:-1]) == 0 for one, _ in explained)


@on_server
def test_the_same_file_again_changes_nothing(tried: Tried) -> None:
    assert isinstance(tried.book, OnPostgres)
    house = tried.book.house
    before = house.log.head()

    results = [house.handle(issued) for issued in scenario(tried.name)]

    assert house.log.head() == before
    assert all(result.first_position for result in results)
