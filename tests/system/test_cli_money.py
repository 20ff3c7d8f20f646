"""The program's commands about money by hand, in its own process and on a real server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.database import Database
from tests.system.books import SCENARIOS
from tests.system.program import Program

HOUSE = f"cli_money_{os.getpid()}"
STORY = SCENARIOS / "S10.yaml"
"""Harbor sold, Keystone is above it; ends on 2026-04-20."""


@pytest.fixture(scope="module")
def trailbook(database_url: str) -> Iterator[Program]:
    """The program with a new house in which the story of S10 has happened."""
    program = Program({"TRAILBOOK_DATABASE_URL": database_url, "TRAILBOOK_HOUSE": HOUSE})
    try:
        program.fine("init")
        program.fine("do", STORY)
        yield program
    finally:
        Database(database_url, HOUSE).drop()


@pytest.fixture
def memo(tmp_path: Path) -> tuple[str, ...]:
    """A document, as the command line names it."""
    path = tmp_path / "memo.txt"
    path.write_text("late install\n")
    return ("--document", str(path), "--signer", "house:controller", "--signed-on", "2026-04-19")


def test_an_adjustment_is_proposed_approved_and_reversed_by_two_persons(
    trailbook: Program, memo: tuple[str, ...]
) -> None:
    propose = ("adjust", "propose", "ADJ-1", "harbor", "--amount", "-25.00", "--because", "portal fee [x] [/y]", *memo)
    proposed = trailbook.fine(*propose, "--account", "att/0047-2291", "--month", "2026-01", "--by", "ann").out
    what = "Adjustment ADJ-1, 25.00 USD taken from harbor"
    where = f"{what} on account att/0047-2291 for 2026-01"
    assert proposed.endswith(f"{where}, was proposed: portal fee [x] [/y].\n")
    assert trailbook.wrong(1, "adjust", "approve", "ADJ-1", "--by", "ann") == (
        "refused: adjustment ADJ-1 was proposed by house/ann; let another principal approve it [SelfApproved]"
    )
    approved = trailbook.fine("adjust", "approve", "ADJ-1", "--by", "bob", "--json").data
    assert approved["do"] == "approve_adjustment"

    entry = f"{approved['first_position']}:adjustment:2026-04-20:USD:1"
    assert f"{where}, was approved: portal fee [x] [/y]." in trailbook.fine("why", entry).out
    rows = trailbook.fine("ledger", "statement", "harbor", "--month", "2026-04", "--json").data["entries"]
    (row,) = [row for row in rows if row["section"] == "adjustment"]
    assert (row["entry"], row["amount_minor"], row["account"]) == (entry, -2500, "att/0047-2291")

    undo = ("adjust", "reverse", "ADJ-1", "--because", "waived", *memo)
    assert trailbook.fine(*undo, "--by", "ann").out.endswith(f"{what}: a reversal was proposed: waived.\n")
    assert "[AdjustmentNotProposed]" in trailbook.wrong(1, "adjust", "approve", "ADJ-1", "--by", "bob")
    assert "was reversed: waived." in trailbook.fine("adjust", "approve", "ADJ-1", "--reversal", "--by", "bob").out
    assert (
        "document signed 2026-04-19 by house:controller"
        in trailbook.fine("audit", "participant", "adjustment:ADJ-1").out
    )


def test_an_adjustment_may_be_rejected(trailbook: Program, memo: tuple[str, ...]) -> None:
    trailbook.fine("adjust", "propose", "ADJ-2", "harbor", "--amount", "1,000", "--because", "x", *memo, "--by", "ann")
    out = trailbook.fine("adjust", "reject", "ADJ-2", "--because", "nobody knows why", "--by", "bob").out
    assert out.endswith("Adjustment ADJ-2, 1,000.00 USD for harbor, was rejected: nobody knows why.\n")


def test_what_is_wrong_with_an_adjustment_is_said(trailbook: Program, memo: tuple[str, ...]) -> None:
    def wrong(*options: str, document: tuple[str, ...] = memo) -> str:
        return trailbook.wrong(2, "adjust", "propose", "ADJ-3", "harbor", "--because", "x", *document, *options)

    assert wrong("--amount", "ten") == "ten is not an amount; write it like 1234.56"
    assert "is not a whole number of minor units" in wrong("--amount", "1.005")
    assert (
        wrong("--amount", "1", "--currency", "XXX") == "--currency XXX is not a currency of ISO 4217; write it like USD"
    )
    nowhere = ("--document", "/nowhere/memo", *memo[2:])
    assert wrong("--amount", "1", document=nowhere) == "--document /nowhere/memo: No such file or directory"
    assert "harbour" in trailbook.wrong(
        1, "adjust", "propose", "ADJ-3", "harbour", "--amount", "1", "--because", "x", *memo
    )


# -- what payouts hold


def test_what_is_held_back_is_shown_until_its_day_is_opened(trailbook: Program, tmp_path: Path) -> None:
    terms = tmp_path / "terms.yaml"
    terms.write_text(
        "- {id: t1, by: ann, do: sign_agreement, agent: keystone, plan: upline, holdback: {rate: 10%, days: 30}}\n"
    )
    plan = trailbook.fine("audit", "participant", "agent:keystone").out.partition("paid by plan ")[2].split()[0]
    terms.write_text(terms.read_text().replace("plan: upline", f"plan: {plan}"))
    trailbook.fine("do", terms)
    assert trailbook.fine("payout", "held").out == "nothing is held back\n"

    trailbook.fine("payout", "propose", "april", "--agent", "keystone", "--by", "ann")
    trailbook.fine("payout", "approve", "april", "--by", "bob")
    released = trailbook.fine("payout", "release", "april", "--by", "ann").out
    assert "2.50 USD of keystone are held back in pay run april, until 2026-05-20." in released
    assert (
        "keystone april 2.50 USD 2026-04-20 2026-05-20" in trailbook.fine("payout", "held", "--agent", "keystone").told
    )
    (held,) = trailbook.fine("payout", "held", "--json").data
    assert (held["amount_minor"], held["held_until"]) == (250, "2026-05-20")
    statement = trailbook.fine("ledger", "statement", "keystone", "--month", "2026-04").out
    assert "2.50  held until 2026-05-20 of pay run april" in statement

    trailbook.fine("day", "open", "2026-05-20", "--by", "ann")
    assert trailbook.fine("payout", "held").out == "nothing is held back\n"
    assert trailbook.fine("ledger", "balances", "--json").data["balances"] != []
    assert "are owed again" in trailbook.fine("audit", "participant", "agent:keystone").out


# -- statements


def test_a_statement_is_of_a_closed_run_printed_or_written_for_everybody(trailbook: Program, tmp_path: Path) -> None:
    trailbook.fine("payout", "propose", "may", "--by", "ann")
    assert trailbook.wrong(1, "statement", "harbor", "--pay-run", "may") == (
        "refused: pay run may is only proposed; a statement is of a released one: release it first [PayRunNotClosed]"
    )
    trailbook.fine("payout", "approve", "may", "--by", "bob")
    trailbook.fine("payout", "release", "may", "--by", "ann")
    trailbook.fine("party", "name", "agent:harbor", "Harbor [Telecom]")

    shown = trailbook.fine("statement", "harbor", "--pay-run", "may").told
    assert "Statement of Harbor [Telecom] (harbor), pay run may, sent on 2026-05-20" in shown
    assert "80% of 500.08 = 400.064, rounded 400.06" in shown
    assert "Carried forward 0.00" in shown

    folder = tmp_path / "may"
    assert trailbook.fine("statement", "--all", "--pay-run", "may", "--out", folder).out.endswith(f"to {folder}\n")
    names = sorted(path.name for path in folder.iterdir())
    assert {"harbor.html", "summit.html"} <= set(names)
    assert all(name.endswith(".html") for name in names)
    page = folder / "harbor.html"
    assert "Harbor [Telecom] (harbor)" in page.read_text()
    again = tmp_path / "again.html"
    trailbook.fine("statement", "harbor", "--pay-run", "may", "--format", "html", "--out", again)
    assert again.read_bytes() == page.read_bytes()

    data = trailbook.fine("statement", "harbor", "--pay-run", "may", "--format", "json", "--no-names").data
    assert (data["agent"], data["names"]) == ("harbor", {})
    assert data["digest"] in page.read_text()
    assert trailbook.fine("statement", "harbor", "--pay-run", "may", "--format", "csv").out.startswith("agent,pay_run,")


def test_what_is_wrong_with_asking_for_a_statement_is_said(trailbook: Program) -> None:
    assert trailbook.wrong(2, "statement", "harbor", "--pay-run", "june") == (
        "there is no pay run june in the book; check its id"
    )
    assert "not both" in trailbook.wrong(2, "statement", "harbor", "--all", "--pay-run", "may")
    assert "name the folder" in trailbook.wrong(2, "statement", "--all", "--pay-run", "may")
    assert "is for the terminal" in trailbook.wrong(2, "statement", "harbor", "--pay-run", "may", "--out", "/x/y")
    assert trailbook.wrong(2, "statement", "harbor", "--pay-run", "may", "--format", "csv", "--out", "/x/y") == (
        "--out /x/y cannot be written: No such file or directory; name another file"
    )
