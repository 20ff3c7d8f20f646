"""A change of rules seen in money before it counts, by the program itself on a real server.

The story of ``rule_change.yaml``: January and February are paid, March is open, and a version 2 is proposed for service
months from February on. Delta earned nothing since February, so that it would owe the house.
"""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, LiteralString

import pytest
from psycopg import sql
from rich.console import Console

from adapters.database import Database
from domain import months
from projections.ledger import PAYER_ROLE
from services import render
from services.cli_reproject import bar_of_lines
from tests.database import fresh_house
from tests.system.books import SCENARIOS
from tests.system.program import PROGRAM, TOP, Program

STORY = SCENARIOS / "rule_change.yaml"
PROPOSE = ("reproject", "propose", "cut", "--plan", "standard@2", "--because", "Lumen pays <less>", "--by", "ann")

Moved = dict[tuple[str, str, str], int]
"""Minor units by payee and service month, and currency."""


class Told(Program):
    """The program of one house, and what a test asks of it."""

    @property
    def database(self) -> Database:
        return Database(self.environment["TRAILBOOK_DATABASE_URL"], self.environment["TRAILBOOK_HOUSE"])

    def differences(self, *options: str | Path) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self.fine("reproject", "diff", "cut", "--json", *options).data["rows"]
        return rows

    def posted_at(self, position: int) -> list[tuple[Any, ...]]:
        """What the journal has at a position: month, ledger account, currency, amount; payers left aside."""
        with self.database.connect("reader") as connection:
            journal = sql.Identifier(self.database.book, "journal")
            statement = sql.SQL(
                "SELECT effective_on, book, currency, amount_minor FROM {} WHERE position = %s AND role <> %s"
            )
            return connection.execute(statement.format(journal), (position, PAYER_ROLE)).fetchall()


def told(url: str, house: str) -> Told:
    return Told({"TRAILBOOK_DATABASE_URL": url, "TRAILBOOK_HOUSE": house})


@pytest.fixture
def trailbook(database: Database) -> Told:
    """A house in which the story has happened."""
    program = told(database.url, database.house)
    program.fine("do", STORY)
    return program


@pytest.fixture(scope="module")
def proposed(database_url: str) -> Iterator[Told]:
    """The same with the reprojection valued; for tests that change nothing."""
    with fresh_house(database_url) as database:
        program = told(database.url, database.house)
        program.fine("do", STORY)
        program.fine(*PROPOSE)
        yield program


def by_payee_and_month(rows: list[dict[str, Any]]) -> Moved:
    sums: Moved = {}
    for row in rows:
        key = (row["payee"], row["service_month"], row["currency"])
        sums[key] = sums.get(key, 0) + row["amount_minor"]
    return {key: amount for key, amount in sums.items() if amount}


MOVES: Moved = {
    ("agent:harbor", "2026-02", "USD"): -100_00,
    ("agent:harbor", "2026-03", "USD"): -100_00,
    ("agent:summit", "2026-02", "USD"): 50_00,
    ("agent:summit", "2026-03", "USD"): 50_00,
    ("agent:summit", "2026-03", "EUR"): -20_00,
    ("agent:delta", "2026-02", "USD"): -200_00,
    ("house", "2026-02", "USD"): 250_00,
    ("house", "2026-03", "USD"): 50_00,
    ("house", "2026-03", "EUR"): 20_00,
}

# -- who gains, who loses, and why


def test_a_proposal_is_valued_and_says_who_gains_and_who_loses(trailbook: Told) -> None:
    said = trailbook.fine(*PROPOSE).told
    assert re.search(r"reprojection cut is valued up to position \d+: 8 lines in", said)
    assert "3 accounts with 5 cells would change, by 10 entries in USD" in said
    assert "1 agent would gain 100.00 USD in all 2 agents would lose 400.00 USD in all" in said
    assert "the house's margin would change by +300.00 USD" in said
    assert "-250.00 USD of agents' is on items that were paid already" in said
    assert "1 agent would owe the house: agent:delta at -200.00" in said
    assert "1 agent would lose 20.00 EUR in all" in said

    assert said.endswith("then somebody else than house/ann approves it with `trailbook reproject approve cut`")

    again = trailbook.fine(*PROPOSE).told
    assert "3 accounts with 5 cells would change" in again
    assert "8 lines" in trailbook.fine("reproject", "propose", "cut").told, "given alone it goes on with what is there"


def test_a_proposal_without_a_reason_is_told_which_option_is_missing(proposed: Told) -> None:
    assert proposed.wrong(2, "reproject", "propose", "bare", "--plan", "standard@2") == (
        "propose_reprojection: --because is missing; add it"
    )


def test_a_valuation_moves_nothing(trailbook: Told) -> None:
    before = trailbook.fine("ledger", "balances").out
    trailbook.fine(*PROPOSE)
    trailbook.fine("reproject", "diff", "cut")
    assert trailbook.fine("ledger", "balances").out.splitlines()[1:] == before.splitlines()[1:]
    trailbook.fine("verify")


def test_a_bar_says_how_many_lines_are_valued_how_fast_and_how_long_still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Took the fault that lines were called so many of how many facts there are."""
    shown = io.StringIO()
    monkeypatch.setattr(render, "errors", Console(file=shown, force_terminal=True, no_color=True, width=100))
    with bar_of_lines() as report:
        report(0, 3_000)
        report(1_000, 3_000)
        report(2_000, 3_000)
    assert re.search(r"2,000 of 3,000 lines [1-9][0-9,]* lines/s 0:00:0", shown.getvalue())


def test_each_difference_has_its_payee_account_month_and_cause(proposed: Told) -> None:
    rows = proposed.differences()
    assert by_payee_and_month(rows) == MOVES
    assert {row["cause"] for row in rows} == {"rule"}
    harbor = [row for row in rows if row["payee"] == "agent:harbor"]
    assert [(row["account"], row["service_month"], row["paid_minor"]) for row in harbor] == [
        ("alder-network", "2026-02", -100_00),
        ("alder-network", "2026-03", 0),
    ]
    assert not [row for row in rows if row["payee"] == "agent:keystone"], "the override stays as it is"


def test_sums_say_what_the_next_payout_would_find(proposed: Told) -> None:
    data = proposed.fine("reproject", "diff", "cut", "--json").data
    next_payout = {
        (p["payee"], p["currency"]): (p["balance_minor"], p["paid_minor"], p["next_minor"])
        for p in data["payees"]
        if p["payee"] != "house"
    }
    assert next_payout == {
        ("agent:harbor", "USD"): (800_04, -100_00, 600_04),
        ("agent:summit", "USD"): (400_00, 50_00, 500_00),
        ("agent:summit", "EUR"): (160_00, 0, 140_00),
        ("agent:delta", "USD"): (0, -200_00, -200_00),
    }
    assert [(t["currency"], t["gained_minor"], t["lost_minor"], t["house_minor"]) for t in data["totals"]] == [
        ("USD", 100_00, -400_00, 300_00),
        ("EUR", 0, -20_00, 20_00),
    ]
    in_dollars = {m["service_month"]: m["paid_minor"] for m in data["months"] if m["currency"] == "USD"}
    assert in_dollars == {"2026-02": -250_00, "2026-03": 0}
    for currency in ("USD", "EUR"):
        assert sum(p["amount_minor"] for p in data["payees"] if p["currency"] == currency) == 0
    assert (data["reprojection"], data["because"]) == ("cut", "Lumen pays <less>")


def test_csv_has_the_old_reason_beside_the_new_one_for_the_largest(proposed: Told) -> None:
    said = proposed.fine("reproject", "diff", "cut", "--csv", "--limit", "5").out
    written = list(csv.DictReader(io.StringIO(said)))
    shown = json.loads(proposed.fine("reproject", "diff", "cut", "--json", "--limit", "5").out)["rows"]

    items = [item for row in shown for item in row["items"]]
    assert len(written) == len(items) >= 5
    for row, item in zip(written, items, strict=True):
        assert (row["item"], row["old_reason"], row["new_reason"]) == (
            item["item"],
            item["old_reason"],
            item["new_reason"],
        )
        figures = {name: int(row[name].replace(".", "")) for name in ("amount", "old", "new")}
        assert figures["amount"] == figures["new"] - figures["old"] == item["new_minor"] - item["old_minor"]


def test_csv_and_json_have_the_same_rows(proposed: Told) -> None:
    written = list(csv.DictReader(io.StringIO(proposed.fine("reproject", "diff", "cut", "--csv").out)))
    rows = proposed.differences()
    assert [(w["payee"], w["account"], w["service_month"], w["currency"], w["cause"]) for w in written] == [
        (r["payee"], r["account"], r["service_month"], r["currency"], r["cause"]) for r in rows
    ]
    assert [round(float(w["amount"]) * 100) for w in written] == [r["amount_minor"] for r in rows]
    assert [round(float(w["already_paid"]) * 100) for w in written] == [r["paid_minor"] for r in rows]


def test_the_largest_rows_stand_with_their_old_reason_beside_the_new_one(proposed: Told) -> None:
    (first, *_) = proposed.differences("--limit", "3")
    assert (first["payee"], first["amount_minor"]) == ("agent:delta", -200_00)
    (item,) = first["items"]
    assert item["old_reason"].startswith("80% of commission received: 80% of 2,000.00 = 1,600.00; ")
    assert "rule default of plan standard version 1" in item["old_reason"]
    assert item["new_reason"].startswith("70% of commission received: 70% of 2,000.00 = 1,400.00; ")
    assert "rule default of plan standard version 2" in item["new_reason"]
    assert item["new_minor"] - item["old_minor"] == first["amount_minor"]

    said = proposed.fine("reproject", "diff", "cut").told
    assert "old 1,600.00: 80% of commission received: 80% of 2,000.00 = 1,600.00;" in said
    assert "new 1,400.00: 70% of commission received: 70% of 2,000.00 = 1,400.00;" in said
    assert "All differences sum to zero" in said


def test_a_part_of_the_difference_is_shown_by_payee_account_and_month(proposed: Told) -> None:
    harbor = {key: amount for key, amount in MOVES.items() if key[0] == "agent:harbor"}
    assert by_payee_and_month(proposed.differences("--payee", "harbor")) == harbor
    march = {key: amount for key, amount in MOVES.items() if key[1] == "2026-03"}
    assert by_payee_and_month(proposed.differences("--month", "2026-03")) == march
    birch = proposed.differences("--account", "birch-voice", "--month", "2026-03", "--payee", "house")
    assert [(row["account"], row["amount_minor"]) for row in birch] == [("birch-voice", -50_00)]
    (mirrored,) = proposed.differences(
        "--account", "birch-voice", "--month", "2026-03", "--payee", "house", "--limit", "5"
    )
    assert mirrored["items"][0]["new_reason"].startswith("what is left of 500.00 received: - 450.00 = 50.00")
    nothing = proposed.fine("reproject", "diff", "cut", "--month", "2026-01").out
    assert nothing.startswith("nothing differs for service month 2026-01, as of position ")


# -- on paper


class Page(HTMLParser):
    """What a page is made of."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.fetched: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.fetched += [str(value) for name, value in attrs if name in ("src", "href", "action", "data")]

    def handle_data(self, data: str) -> None:
        self.words += data.split()


def test_the_page_is_one_file_with_plots_and_the_same_bytes_again(proposed: Told, tmp_path: Path) -> None:
    first, again = tmp_path / "cut.html", tmp_path / "again.html"
    assert f"{first} is the difference of cut, as of position" in proposed.fine(
        "reproject", "diff", "cut", "--html", first
    ).out.replace("\n", "")
    proposed.fine("reproject", "diff", "cut", "--html", again)
    assert first.read_bytes() == again.read_bytes()

    text = first.read_text()
    page = Page(text)
    assert page.tags.count("svg") == 4, "payees and months, in two currencies"
    assert not page.fetched
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert "@media print" in text
    assert "Lumen pays &lt;less&gt;" in text
    said = " ".join(page.words)
    assert "1 agent would owe the house: agent:delta at -200.00" in said
    assert "80% of commission received: 80% of 2,000.00 = 1,600.00" in said
    assert "70% of commission received: 70% of 2,000.00 = 1,400.00" in said
    assert "version 2 of plan standard counts for service months from 2026-02" in said


def test_every_bar_carries_its_signed_amount_so_that_colour_says_nothing_alone(proposed: Told, tmp_path: Path) -> None:
    path = tmp_path / "cut.html"
    proposed.fine("reproject", "diff", "cut", "--html", path)
    plots = re.findall(r"<svg.*?</svg>", path.read_text(), re.DOTALL)
    bars = re.findall(r"<title>(.*?)</title>", "".join(plots))
    assert {"agent:delta -200.00", "agent:harbor -200.00", "agent:summit +100.00", "house +300.00"} <= set(bars)
    assert {"2026-02 -300.00", "2026-02 +50.00"} <= set(bars)
    for bar in bars:
        assert f">{bar.split()[-1]}</text>" in "".join(plots)


# -- four eyes, and the switch


def test_another_person_approves_what_the_valuation_shows_and_the_ledger_posts_just_that(trailbook: Told) -> None:
    trailbook.fine(*PROPOSE)
    expected = by_payee_and_month(trailbook.differences())
    assert trailbook.wrong(1, "reproject", "approve", "cut", "--by", "ann") == (
        "refused: reprojection cut was proposed by house/ann; let another principal approve it [SelfApproved]"
    )
    assert "[ReprojectionNotApproved]" in trailbook.wrong(1, "reproject", "promote", "cut", "--by", "ann")
    trailbook.fine("reproject", "approve", "cut", "--by", "bob")
    history = trailbook.fine("audit", "participant", "reprojection:cut").told
    assert "payees gain 100.00 USD and lose 400.00 USD" in history

    promoted = trailbook.fine("reproject", "promote", "cut", "--by", "ann", "--json").data
    assert [(p["currency"], p["cells"], p["gained_minor"], p["lost_minor"]) for p in promoted["posted"]] == [
        ("EUR", 1, 0, -20_00),
        ("USD", 5, 100_00, -400_00),
    ]
    with trailbook.database.connect("reader"):
        names = names_of(trailbook)
        moved: Moved = {}
        for on, book, currency, amount in trailbook.posted_at(promoted["position"]):
            key = (names[book], months.text(months.number_of(on)), currency)
            moved[key] = moved.get(key, 0) + amount
    assert {key: amount for key, amount in moved.items() if amount} == expected == MOVES

    trailbook.fine("verify")
    (row,) = trailbook.fine("reproject", "list", "--json").data
    assert (row["status"], row["approved_by"], row["promoted_at"]) == ("promoted", "house/bob", promoted["position"])


def names_of(trailbook: Told) -> dict[int, str]:
    """Ledger accounts by number, as a difference names them."""
    with trailbook.database.connect("reader") as connection:
        statement = sql.SQL("SELECT no, name FROM {} WHERE name LIKE 'agent:%'")
        rows = connection.execute(statement.format(sql.Identifier(trailbook.database.book, "facts_name"))).fetchall()
    return {no * 8 + 1: name for no, name in rows} | {2: "house"}


def test_what_was_paid_stays_paid_and_the_next_payout_carries_the_difference(trailbook: Told) -> None:
    trailbook.fine(*PROPOSE)
    trailbook.fine("reproject", "approve", "cut", "--by", "bob")
    trailbook.fine("reproject", "promote", "cut", "--by", "ann")
    before = trailbook.fine("statement", "harbor", "--pay-run", "february", "--format", "csv").out
    trailbook.fine("payout", "propose", "april", "--by", "ann")
    trailbook.fine("payout", "approve", "april", "--by", "bob")
    trailbook.fine("payout", "release", "april", "--by", "ann")
    assert trailbook.fine("statement", "harbor", "--pay-run", "february", "--format", "csv").out == before
    (part,) = trailbook.fine("statement", "harbor", "--pay-run", "april", "--format", "json").data["parts"]
    assert part["paid_minor"] == 600_04
    (delta,) = trailbook.fine("statement", "delta", "--pay-run", "april", "--format", "json").data["parts"]
    assert (delta["paid_minor"], delta["carried_forward_minor"]) == (0, -200_00)


def test_a_promotion_is_taken_back_by_another_one(trailbook: Told) -> None:
    start = trailbook.fine("ledger", "balances", "--json").data["balances"]
    trailbook.fine(*PROPOSE)
    trailbook.fine("reproject", "approve", "cut", "--by", "bob")
    trailbook.fine("reproject", "promote", "cut", "--by", "ann")
    undo = ("reproject", "undo", "cut", "--as", "cut-back", "--because", "Lumen relented", "--by", "bob")
    assert "2 agents would gain 400.00 USD in all" in trailbook.fine(*undo).told
    assert "version 2 of plan standard counts no more" in trailbook.fine("reproject", "show", "cut-back").out
    trailbook.fine("reproject", "approve", "cut-back", "--by", "ann")
    trailbook.fine("reproject", "promote", "cut-back", "--by", "bob")
    assert trailbook.fine("ledger", "balances", "--json").data["balances"] == start
    shown = {row["reprojection"]: row["status"] for row in trailbook.fine("reproject", "list", "--json").data}
    assert shown == {"cut": "undone", "cut-back": "promoted"}


def test_another_rating_release_moves_what_rounding_moves_and_says_so(trailbook: Told, tmp_path: Path) -> None:
    """Release 2 divides what agents of record have together: 80% of 10.01 is 8.01 then, and not twice 4.00."""
    shared = tmp_path / "shared.yaml"
    shared.write_text(
        "- {id: e, by: ann, do: open_account, account: elm, customer: alder-foods, vendor: lumen,"
        " aliases: [{vendor: lumen, number: E-1}]}\n"
        "- {id: f, by: ann, do: designate_agent_of_record, account: elm, effective_on: 2026-01-01,"
        " agents: [{agent: delta, weight: 50}, {agent: summit, weight: 50}],"
        " evidence: {signer: alder-foods, signed_on: 2025-12-28}}\n"
        "- {id: g, by: ann, do: receive_statement, vendor: lumen, number: LU-2026-05, statement_month: 2026-05,"
        " control_total_minor: 1001, lines: [{account: E-1, commission_minor: 1001}]}\n"
    )
    trailbook.fine("do", shared)
    trailbook.fine("reproject", "propose", "cut", "--release", "2", "--because", "one rounding", "--by", "ann")
    rows = trailbook.differences("--limit", "5")
    assert [(row["account"], row["cause"], abs(row["amount_minor"])) for row in rows] == [("elm", "code", 1)]
    (item,) = rows[0]["items"]
    assert item["old_reason"].endswith("; by rating release 1")
    assert item["new_reason"].endswith("; by rating release 2")
    said = trailbook.fine("reproject", "show", "cut").out
    assert "  every figure is rated by rating release 2\n" in said
    assert "  it can reach everybody\n" in said
    trailbook.fine("reproject", "approve", "cut", "--by", "bob")
    trailbook.fine("reproject", "promote", "cut", "--by", "ann")
    trailbook.fine("verify")


@pytest.mark.parametrize("format_", ["--csv", "--json", "--limit=0"])
def test_output_that_finds_no_room_ends_in_one_sentence(proposed: Told, format_: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, "reproject", "diff", "cut", format_],
            env=proposed.whole_environment(),
            cwd=TOP,
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            check=False,
        )
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        ["the output cannot be written: No space left on device; what is recorded stays, make room and ask again"],
    )


def test_no_figure_is_cut_in_a_narrow_terminal(proposed: Told) -> None:
    narrow = Told({**proposed.environment, "COLUMNS": "30"})
    said = narrow.fine("reproject", "diff", "cut").out
    assert "…" not in said
    assert re.search(r"agent:delta.*-200.00 .*-200.00", said)


# -- what an auditor sees afterwards


def test_a_promoted_reprojection_shows_for_ever_what_its_promotion_posted(trailbook: Told, tmp_path: Path) -> None:
    trailbook.fine(*PROPOSE)
    trailbook.fine("reproject", "approve", "cut", "--by", "bob")
    seen = trailbook.differences()
    position = trailbook.fine("reproject", "promote", "cut", "--by", "ann", "--json").data["position"]

    promoted = trailbook.fine("reproject", "diff", "cut", "--json").data
    undo = ("reproject", "undo", "cut", "--as", "cut-back", "--because", "Lumen relented", "--by", "bob")
    trailbook.fine(*undo)
    trailbook.fine("reproject", "approve", "cut-back", "--by", "ann")
    trailbook.fine("reproject", "promote", "cut-back", "--by", "bob")
    trailbook.fine("rebuild")

    assert promoted["rows"] == seen
    assert (promoted["as_of"], promoted["promoted_at"]) == (position, position)
    assert trailbook.fine("reproject", "diff", "cut", "--json").data == promoted, "undone, and built again"
    back = trailbook.fine("reproject", "diff", "cut-back", "--json").data
    assert by_payee_and_month(back["rows"]) == {key: -amount for key, amount in MOVES.items()}
    said = trailbook.fine("reproject", "diff", "cut", "--payee", "delta").told
    assert f"Reprojection cut, promoted at position {position} (2026-04-20): Lumen pays <less>" in said
    assert "1 agent lost 200.00 USD in all" in said
    assert "80% of commission received" in said, "the old reason"
    assert "owed before" in said
    assert " would " not in said
    trailbook.fine("reproject", "diff", "cut", "--html", tmp_path / "cut.html")
    page = " ".join(Page((tmp_path / "cut.html").read_text()).words)
    assert "what the promotion posted" in page
    assert " would " not in page
    rows = list(csv.DictReader(io.StringIO(trailbook.fine("reproject", "diff", "cut", "--csv").out)))
    assert len(rows) == len(seen)


def test_a_journal_that_is_not_what_valuing_again_gives_is_not_shown(trailbook: Told) -> None:
    trailbook.fine(*PROPOSE)
    trailbook.fine("reproject", "approve", "cut", "--by", "bob")
    position = trailbook.fine("reproject", "promote", "cut", "--by", "ann", "--json").data["position"]
    with trailbook.database.connect("projector") as connection:
        statement = sql.SQL("UPDATE {} SET amount_minor = amount_minor * 2 WHERE position = %s")
        connection.execute(statement.format(sql.Identifier(trailbook.database.book, "journal")), (position,))

    sentence = trailbook.wrong(1, "reproject", "diff", "cut")

    assert sentence.endswith(
        f"entries of the promotion of cut at position {position} are not what the journal has; run `trailbook verify`"
    )


# -- where it stands, and what is refused


def test_a_reprojection_is_shown_in_words(proposed: Told) -> None:
    said = proposed.fine("reproject", "show", "cut").out
    assert said.startswith("Reprojection cut, proposed by house/ann: Lumen pays <less>\n")
    assert "  version 2 of plan standard counts for service months from 2026-02\n" in said
    assert "  it can reach the accounts of 3 agents: delta, harbor, summit\n" in said
    assert re.search(r"  valued at position \d+, at the head of the log: 8 lines\n", said)
    assert "cut proposed house/ann" in proposed.fine("reproject", "list").told


def test_a_difference_is_as_of_the_head_of_the_log(trailbook: Told, tmp_path: Path) -> None:
    trailbook.fine(*PROPOSE)
    april = tmp_path / "april.yaml"
    april.write_text(
        "- {id: april, on: 2026-05-20, by: ann, do: receive_statement, vendor: lumen, number: LU-2026-05,"
        " statement_month: 2026-05, control_total_minor: 1000, lines: [{account: A-1, commission_minor: 1000}]}\n"
    )
    trailbook.fine("do", april)
    (row,) = trailbook.fine("reproject", "list", "--json").data
    assert row["behind"] in (0, 2), "what the runner would do meanwhile, the next look does"
    found = by_payee_and_month(trailbook.differences())
    assert found == MOVES | {("agent:harbor", "2026-04", "USD"): -1_00, ("house", "2026-04", "USD"): 1_00}


def test_where_nothing_differs_that_is_said(trailbook: Told, tmp_path: Path) -> None:
    later = tmp_path / "later.yaml"
    later.write_text(
        "- {id: w, by: ann, do: withdraw_plan_version, plan: standard, plan_version: 2}\n"
        "- {id: p, by: ann, do: propose_plan_version, plan: standard, plan_version: 2,"
        " applies_to: {kind: service-months-from, from: 2027-01-01},"
        " rules: [{rule: default, pay: {kind: percent-of-commission, rate: 70%}}]}\n"
    )
    trailbook.fine("do", later)
    sentence = "nothing differs as of position "
    assert sentence in trailbook.fine(*PROPOSE).out
    assert trailbook.fine("reproject", "diff", "cut").out.startswith(sentence)
    assert trailbook.differences() == []
    assert sentence in trailbook.fine("reproject", "approve", "cut", "--by", "bob").out
    assert "nothing was posted: every figure stays as it is" in trailbook.fine("reproject", "promote", "cut").out


def test_a_dropped_reprojection_leaves_nothing_but_its_history(trailbook: Told) -> None:
    assert trailbook.fine("reproject", "list").out == "no reprojection was proposed yet\n"
    trailbook.fine(*PROPOSE)
    trailbook.fine("reproject", "drop", "cut", "--by", "ann")
    assert "[ReprojectionOver]" in trailbook.wrong(1, "reproject", "diff", "cut")
    with trailbook.database.connect("reader") as connection:
        left = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = %s AND tablename ~ '^valuation_[0-9]'",
            (trailbook.database.book,),
        ).fetchone()
    assert left == (0,)
    trailbook.fine("verify")


def spoil(trailbook: Told, how: LiteralString) -> None:
    """Change what the valuation has of each account."""
    with trailbook.database.connect("projector") as connection:
        valuation = sql.Identifier(trailbook.database.book, "valuation")
        found = connection.execute(sql.SQL("SELECT reprojection_no FROM {}").format(valuation)).fetchone()
        assert found is not None
        table = sql.Identifier(trailbook.database.book, f"valuation_{found[0]}")
        connection.execute(sql.SQL("UPDATE {} SET " + how).format(table))


def test_differences_that_do_not_sum_to_zero_are_not_shown(trailbook: Told) -> None:
    trailbook.fine(*PROPOSE)
    spoil(trailbook, "amount_minor[1] = amount_minor[1] + 1")
    for options in ((), ("--json",), ("--csv",)):
        said = trailbook.wrong(1, "reproject", "diff", "cut", *options)
        assert said.startswith("the differences of reprojection cut for all payees do not sum to zero: ")
    assert "do not sum to zero" in trailbook.wrong(1, "reproject", "approve", "cut", "--by", "bob")


def test_a_figure_that_its_reason_does_not_give_is_not_shown(trailbook: Told) -> None:
    """The house's part and the agent's are both wrong, so that the sums say nothing."""
    trailbook.fine(*PROPOSE)
    spoil(trailbook, "amount_minor[1] = amount_minor[1] + 1, amount_minor[2] = amount_minor[2] - 1")
    said = trailbook.wrong(1, "reproject", "diff", "cut")
    assert "but rated again it is" in said


def test_what_cannot_be_is_refused_in_one_sentence(proposed: Told) -> None:
    def wrong(code: int, *arguments: str) -> str:
        return proposed.wrong(code, "reproject", *arguments)

    assert wrong(2, "diff", "nothing") == "there is no reprojection nothing; `trailbook reproject list` shows all"
    assert wrong(2, "show", "nothing") == "there is no reprojection nothing; `trailbook reproject list` shows all"
    assert "[ReprojectionUnknown]" in wrong(1, "approve", "nothing", "--by", "bob")
    assert "[PlanVersionNotWaiting]" in wrong(1, "propose", "x", "--plan", "standard@3", "--because", "y")
    assert "[PlanVersionNotWaiting]" in wrong(1, "propose", "x", "--plan", "standard@1", "--because", "y")
    assert "[ReleaseUnknown]" in wrong(1, "propose", "x", "--release", "99", "--because", "y")
    assert "[NothingToReproject]" in wrong(1, "propose", "x", "--because", "y")
    assert wrong(2, "propose", "x", "--plan", "standard") == (
        "--plan standard is not a plan version; write it like standard@2"
    )
    other = (*PROPOSE[1:-2], "--by", "bob")
    assert wrong(1, *other) == (
        "refused: reprojection cut is proposed already, by somebody else or otherwise; "
        "`trailbook reproject propose cut` alone goes on with it [ReprojectionAlreadyProposed]"
    )
    assert wrong(2, "diff", "cut", "--month", "April") == "--month April is not a month; write it like 2026-04"
    assert wrong(2, "diff", "cut", "--payee", "nobody") == (
        "there is no agent nobody in the book; name an agent, house or suspense"
    )
    assert "there is no account nowhere" in wrong(2, "diff", "cut", "--account", "nowhere")
    assert "one of --json, --csv and --html" in wrong(2, "diff", "cut", "--json", "--csv")
    assert wrong(2, "diff", "cut", "--html", "/nowhere/x.html") == (
        "--html /nowhere/x.html cannot be written: No such file or directory; name another file"
    )
    assert wrong(2, "diff", "cut", "--html", "") == "--html names no file; write it like --html difference.html"


def test_what_is_not_valued_to_its_end_shows_nothing(trailbook: Told) -> None:
    trailbook.fine(*PROPOSE)
    with trailbook.database.connect("projector") as connection:
        table = sql.Identifier(trailbook.database.book, "valuation")
        connection.execute(sql.SQL("UPDATE {} SET standing = false").format(table))
    refused = (
        "refused: reprojection cut is not valued to its end; `trailbook reproject propose cut` goes on "
        "[ReprojectionNotValued]"
    )
    assert trailbook.wrong(1, "reproject", "diff", "cut") == refused
    assert trailbook.wrong(1, "reproject", "approve", "cut", "--by", "bob") == refused
    assert [row["status"] for row in trailbook.fine("reproject", "list", "--json").data] == ["valuing"]
