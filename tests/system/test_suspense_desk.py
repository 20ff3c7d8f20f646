"""A day at the suspense desk, with the real program on a real server: what waits, whose it is, how it is placed.

Harbor is agent of record of ``ACC-1`` and earns 80%; delta of ``ACC-2`` and 50%, but of its service ``dia`` harbor is.
"""

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from adapters.command_file import read_commands
from adapters.database import Database
from adapters.verify import verify
from services.house import House
from services.simulation import Simulation
from services.suspense import BUCKETS, bucket
from tests.system.books import settings_of
from tests.system.program import Program

BOOK = """
- {id: lumen, on: 2026-01-02, by: ann, do: contract_vendor, vendor: lumen, statement_lag_months: 1}
- {id: p80, by: ann, do: propose_plan_version, plan: p80,
   rules: [{rule: default, pay: {kind: percent-of-commission, rate: 80%}}]}
- {id: p80-published, by: bob, do: publish_plan_version, plan: p80}
- {id: p50, by: ann, do: propose_plan_version, plan: p50,
   rules: [{rule: default, pay: {kind: percent-of-commission, rate: 50%}}]}
- {id: p50-published, by: bob, do: publish_plan_version, plan: p50}
- {id: harbor, by: ann, do: recruit_agent, agent: harbor}
- {id: harbor-signed, by: ann, do: sign_agreement, agent: harbor, plan: p80, effective_on: 2025-01-01}
- {id: delta, by: ann, do: recruit_agent, agent: delta}
- {id: delta-signed, by: ann, do: sign_agreement, agent: delta, plan: p50, effective_on: 2025-01-01}
- {id: alder, by: ann, do: onboard_customer, customer: alder}
- {id: a1, by: ann, do: open_account, account: ACC-1, customer: alder, vendor: lumen,
   aliases: [{vendor: lumen, number: 00-4711}]}
- {id: a2, by: ann, do: open_account, account: ACC-2, customer: alder, vendor: lumen,
   aliases: [{vendor: lumen, number: '8-1'}]}
- {id: a3, by: ann, do: open_account, account: ACC-3, customer: alder, vendor: lumen}
- {id: a1-aor, by: ann, do: designate_agent_of_record, account: ACC-1, agent: harbor, effective_on: 2025-01-01,
   evidence: {signer: alder, signed_on: 2025-01-01}}
- {id: a2-aor, by: ann, do: designate_agent_of_record, account: ACC-2, agent: delta, effective_on: 2025-01-01,
   evidence: {signer: alder, signed_on: 2025-01-01}}
- {id: contract, by: ann, do: sign_contract, contract: C-1, customer: alder, vendor: lumen, term_months: 12}
- {id: dia, by: ann, do: order_service, contract: C-1, service: dia, mrc_minor: 0}
- {id: dia-on, by: ann, do: assign_service, contract: C-1, service: dia, account: ACC-2}
- {id: dia-aor, by: ann, do: designate_agent_of_record, account: ACC-2, service: C-1/dia, agent: harbor,
   effective_on: 2025-01-01, evidence: {signer: alder, signed_on: 2025-01-01}}
- {id: s1, on: 2026-01-20, by: ann, do: receive_statement, vendor: lumen, number: L-01, statement_month: 2026-01,
   control_total_minor: 10000, lines: [{account: '4711', commission_minor: 10000}]}
- {id: s2, on: 2026-03-20, by: ann, do: receive_statement, vendor: lumen, number: L-03, statement_month: 2026-03,
   control_total_minor: 21000,
   lines: [{account: '4711', commission_minor: 8000}, {account: 9-9, commission_minor: 3000},
           {account: '9-9', commission_minor: 4000}, {account: '8-1', commission_minor: 6000}]}
- {id: today, by: ann, do: open_day, date: 2026-04-30}
"""


@pytest.fixture(scope="module")
def trailbook(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Program]:
    house = f"desk_{os.getpid()}"
    program = Program({"TRAILBOOK_DATABASE_URL": database_url, "TRAILBOOK_HOUSE": house, "TRAILBOOK_ACTOR": "ann"})
    story = tmp_path_factory.mktemp("desk") / "book.yaml"
    story.write_text(BOOK)
    try:
        program.fine("init")
        program.fine("do", story)
        yield program
    finally:
        Database(database_url, house).drop()


def listed(program: Program, *options: str) -> dict[str, Any]:
    return {row["number"]: row for row in program.fine("suspense", "list", "--json", *options).data["numbers"]}


@pytest.mark.parametrize(
    ("days", "name"),
    [(0, "0-30"), (30, "0-30"), (31, "31-60"), (60, "31-60"), (61, "61-90"), (90, "61-90"), (91, "over-90")],
)
def test_an_age_falls_into_its_bucket(days: int, name: str) -> None:
    assert bucket(days) == name


# The desk's day: each test goes on where the one before it ended.


def test_what_waits_is_listed_by_age_and_line_with_its_reason(trailbook: Program) -> None:
    data = trailbook.fine("suspense", "list", "--json").data

    ages = {row["age"]: (row["line_count"], row["amount_minor"]) for row in data["ages"]}
    assert ages == {"0-30": (0, 0), "31-60": (4, 21000), "61-90": (0, 0), "over-90": (1, 10000)}
    lines = [line for row in data["numbers"] for line in row["lines"]]
    assert [
        (ln["number"], ln["statement"], ln["line"], ln["service_month"], ln["since"], ln["days"]) for ln in lines
    ] == [
        ("4711", "L-01", 1, "2025-12", "2026-01-20", 100),
        ("4711", "L-03", 1, "2026-02", "2026-03-20", 41),
        ("9-9", "L-03", 2, "2026-02", "2026-03-20", 41),
        ("9-9", "L-03", 3, "2026-02", "2026-03-20", 41),
        ("ACC-2", "L-03", 4, "2026-02", "2026-03-20", 41),
    ]
    why = {row["number"]: row["why"] for row in data["numbers"]}
    assert why == {
        "4711": "unknown account 4711 (leading zeros lost)",
        "9-9": "unknown account 9-9",
        "ACC-2": "the line names no service, and the account's services have different agents",
    }
    assert set(listed(trailbook, "--age", "over-90")) == {"4711"}
    assert trailbook.wrong(2, "suspense", "list", "--age", "old") == (
        f"--age old is no age; write {', '.join(BUCKETS)}"
    )
    assert "L-03" in trailbook.fine("suspense", "list", "--lines").told


def test_likely_accounts_come_with_why(trailbook: Program) -> None:
    found = listed(trailbook, "--likely")

    assert [(c["account"], c["why"]) for c in found["4711"]["likely"]] == [
        ("ACC-1", "its number 00-4711 of lumen differs only in leading zeros, case or punctuation"),
        ("ACC-3", "an account of alder with lumen that has no number yet"),
    ]
    assert found["9-9"]["likely"] == []
    assert [(c["account"], c["service"]) for c in found["ACC-2"]["likely"]] == [("ACC-2", "C-1/dia")]
    assert "lumen 4711: perhaps ACC-1: its number 00-4711" in trailbook.fine("suspense", "list", "--likely").told


def test_single_lines_and_lines_for_a_service_are_placed_by_two_persons(trailbook: Program) -> None:
    propose = ("suspense", "propose", "--vendor", "lumen")
    assert trailbook.wrong(1, *propose, "9-9", "--account", "ACC-1", "--line", "L-03:1") == (
        "refused: line 1 of statement L-03 does not wait under lumen 9-9, nor on ACC-1; "
        "`trailbook suspense list --lines` shows what does [LineNotWaiting]"
    )
    trailbook.fine(*propose, "9-9", "--account", "ACC-1", "--line", "L-03:2")
    trailbook.fine(*propose, "8-1", "--account", "ACC-2", "--service", "dia", "--line", "L-03:4")
    assert trailbook.wrong(1, "suspense", "approve", "9-9", "--vendor", "lumen").endswith("[SelfApproved]")
    said = trailbook.fine("suspense", "approve", "9-9", "--vendor", "lumen", "--by", "bob").told
    assert "Line 2 of statement L-03 under number 9-9 of lumen was placed on account ACC-1" in said
    trailbook.fine("suspense", "approve", "8-1", "--vendor", "lumen", "--by", "bob")

    assert {n: row["amount_minor"] for n, row in listed(trailbook).items()} == {"4711": 18000, "9-9": 4000}
    assert balances(trailbook) == {"agent:harbor:payable": 24_00 + 48_00, "suspense:unmatched": 220_00}
    before = listed(trailbook, "--likely")["9-9"]["likely"]
    assert before[0] == {"account": "ACC-1", "service": None, "why": "lines under lumen 9-9 were placed on it before"}


def test_a_file_places_many_numbers_once_however_often_it_is_given(trailbook: Program, tmp_path: Path) -> None:
    table = tmp_path / "placed.csv"
    table.write_text(
        "vendor,number,account,service,keep_alias\n"
        "lumen,4711,ACC-1,,yes\n"
        "lumen,9-9,ACC-2,C-1/dia,no\n"
        "lumen,7-7,ACC-9,,\n"
    )

    first = trailbook.run("suspense", "propose", "--file", table)
    again = trailbook.run("suspense", "propose", "--file", table)
    approved = trailbook.run("suspense", "approve", "--file", table, "--by", "bob", "--json")

    assert (first.code, first.out) == (1, "2 of 3 commands are recorded\n")
    assert first.err == ("placed.csv line 4: refused: account ACC-9 is not opened; open it first [AccountUnknown]\n")
    assert again.out == "2 of 3 commands are recorded, 2 of them before\n"
    assert [row["refused"] for row in approved.data] == [None, None, "NoPlacementProposed"]
    assert listed(trailbook) == {}
    assert balances(trailbook) == {"agent:harbor:payable": 248_00}
    assert trailbook.fine("suspense", "list").out == "nothing is in suspense\n"


def test_a_file_that_is_wrong_is_refused_whole_with_every_fault_by_line(trailbook: Program, tmp_path: Path) -> None:
    table = tmp_path / "bad.csv"
    table.write_text("vendor,number,account,line\nlumen,1,ACC-1,\nlumen,2,,\nlumen,3,ACC-1,4\nlumen,4\n")
    said = trailbook.run("suspense", "propose", "--file", table)
    assert said.code == 2
    assert said.err.splitlines() == [
        "bad.csv: line 3: account is empty; fill it in",
        "bad.csv: line 5: has 2 cells, its header has 4; mend the row",
    ]


def test_a_wrong_placement_is_moved_by_two_persons_and_posts_the_difference(trailbook: Program) -> None:
    """Line 3 waits again; then it is thought to be ACC-3's, where nobody is paid, and was ACC-1's in truth."""
    move = ("suspense", "move", "L-03", "--vendor", "lumen", "--line", "3")
    assert trailbook.wrong(1, *move, "--from", "ACC-1", "--to", "ACC-3", "--because", "x") == (
        "refused: line 3 of statement L-03 of lumen is not on ACC-1; "
        "`trailbook audit account ACC-1` shows which lines are [LineNotOnAccount]"
    )
    trailbook.fine(*move, "--from", "ACC-2", "--back-under", "9-9", "--because", "it is not theirs")
    trailbook.fine("suspense", "approve-move", "L-03", "--vendor", "lumen", "--by", "bob")
    (back,) = listed(trailbook).values()
    assert (back["number"], back["amount_minor"], back["since"]) == ("9-9", 4000, "2026-04-30")
    assert back["why"] == "taken back from account ACC-2: it is not theirs"
    assert balances(trailbook) == {"agent:harbor:payable": 216_00, "suspense:unmatched": 40_00}

    trailbook.fine("suspense", "propose", "9-9", "--vendor", "lumen", "--account", "ACC-3", "--once")
    trailbook.fine("suspense", "approve", "9-9", "--vendor", "lumen", "--by", "bob")
    trailbook.fine(*move, "--from", "ACC-3", "--to", "ACC-1", "--because", "the order says so")
    trailbook.fine("suspense", "approve-move", "L-03", "--vendor", "lumen", "--by", "bob")

    assert balances(trailbook) == {"agent:harbor:payable": 248_00}
    told = trailbook.fine("audit", "account", "ACC-3").told
    assert "Line 3 of statement L-03 of lumen was moved from account ACC-3 to account ACC-1: the order says so." in told


def test_the_book_is_what_its_events_say_and_every_entry_has_its_reason(trailbook: Program, database_url: str) -> None:
    database = Database(database_url, trailbook.environment["TRAILBOOK_HOUSE"])
    assert verify(database).ok
    with House(settings_of(database), database) as house:
        queries = house.queries()
        for entry in queries.entries(positions=(0, queries.ledger_position())):
            queries.why(entry)


def test_simulate_knows_which_lines_wait(tmp_path: Path) -> None:
    story = tmp_path / "more.yaml"
    story.write_text(
        BOOK
        + """
- {id: wrong, by: ann, do: propose_placement, vendor: lumen, number: 9-9, account: ACC-1,
   lines: [{statement: L-03, line: 1}]}
- {id: right, by: ann, do: propose_placement, vendor: lumen, number: 9-9, account: ACC-1,
   lines: [{statement: L-03, line: 2}]}
- {id: approved, by: bob, do: approve_placement, vendor: lumen, number: 9-9}
- {id: not-there, by: ann, do: propose_line_move, vendor: lumen, statement: L-03, lines: [3], from_account: ACC-1,
   to_account: ACC-3, moved_because: x}
- {id: move, by: ann, do: propose_line_move, vendor: lumen, statement: L-03, lines: [2], from_account: ACC-1,
   to_account: ACC-2, service: fax, moved_because: x}
- {id: moved, by: ann, do: propose_line_move, vendor: lumen, statement: L-03, lines: [2], from_account: ACC-1,
   to_account: ACC-2, service: dia, moved_because: x}
- {id: moved-approved, by: bob, do: approve_line_move, vendor: lumen, statement: L-03}
"""
    )
    simulation = Simulation()
    simulation.run(read_commands(story))
    assert [(r["id"], r["refused"]) for r in simulation.refusals] == [
        ("wrong", "LineNotWaiting"),
        ("not-there", "LineNotOnAccount"),
        ("move", "ServiceNotOnAccount"),
    ]
    entries = [(e["payee"], e["amount_minor"]) for e in simulation.result()["entries"] if e["cell"]["account"] != "x"]
    assert ("agent:harbor", 2400) in entries
    assert ("agent:harbor", -2400) in entries
    suspense = simulation.result()["suspense"]
    assert [s["why"] for s in suspense][-1] == "placed"
    assert date.fromisoformat(suspense[-1]["recorded_on"]) == date(2026, 4, 30)


def balances(program: Program) -> dict[str, int]:
    """What agents are owed and what waits."""
    rows = program.fine("ledger", "balances", "--json").data["balances"]
    wanted = ("payable", "unmatched")
    return {r["book"]: r["amount_minor"] for r in rows if r["book"].endswith(wanted) and r["amount_minor"]}
