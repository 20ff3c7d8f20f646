"""The program as a newcomer uses it, in its own process and on a real server: what it prints, refuses and returns."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.database import Database
from domain.message import COMMANDS, TOPICS
from tests.contract.freeze import ASYNCAPI_FILE
from tests.system.books import SCENARIOS
from tests.system.program import PROGRAM, TOP, Program

HOUSE = f"cli_{os.getpid()}"
STORY = SCENARIOS / "S10.yaml"
"""An account at att whose number came without its zeros, placed weeks later; ends on 2026-04-20 at position 30."""


@pytest.fixture(scope="module")
def trailbook(database_url: str) -> Iterator[Program]:
    """The program with a new house in which the story of S10 has happened."""
    program = Program({"TRAILBOOK_DATABASE_URL": database_url, "TRAILBOOK_HOUSE": HOUSE})
    try:
        assert program.wrong(1, "status").endswith("run `trailbook init`")
        assert f"the house {HOUSE} is ready at " in program.afresh("init").out
        assert "log: nothing is recorded yet" in program.fine("status").out
        assert program.afresh("do", STORY).out == "23 of 23 commands are recorded\n"
        yield program
    finally:
        Database(database_url, HOUSE).drop()


@pytest.fixture(scope="module")
def alone() -> Program:
    """The program with no server to be had."""
    return Program({"TRAILBOOK_DATABASE_URL": "postgresql://ann:secret@127.0.0.1:1/nowhere"})


def file(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


# -- commands


def test_the_house_is_made_again_without_harm_and_a_file_given_again_changes_nothing(trailbook: Program) -> None:
    before = trailbook.fine("status", "--json").data["head"]

    trailbook.fine("init")
    again = trailbook.fine("do", STORY)
    results = trailbook.fine("do", STORY, "--json").data

    assert again.out == "23 of 23 commands are recorded, 23 of them already before\n"
    assert {result["because"] for result in results} == {"recorded already"}
    assert {result["refused"] for result in results} == {None}
    assert trailbook.fine("status", "--json").data["head"] == before


def test_a_refusal_ends_with_1_and_a_misspelt_field_with_2_before_anything_is_recorded(
    trailbook: Program, tmp_path: Path
) -> None:
    refused = file(
        tmp_path,
        "refused.yaml",
        "- {id: r1, by: ann, do: open_account, account: A, customer: nobody, vendor: att}\n"
        "- {id: r2, by: ann, do: onboard_customer, customer: birch-clinic}\n",
    )
    misspelt = file(
        tmp_path,
        "misspelt.yaml",
        "- {id: m1, by: ann, do: onboard_customer, customer: cedar}\n"
        "- {id: m2, by: ann, do: onboard_customer, custommer: cedar}\n",
    )
    before = trailbook.fine("status", "--json").data["head"]["position"]

    assert trailbook.wrong(1, "do", refused) == (
        "refused: r1 (open_account): customer nobody is not onboarded; onboard the customer first [CustomerUnknown]"
    )
    assert trailbook.wrong(2, "do", misspelt).startswith("misspelt.yaml line 2 (command 2), id m2: onboard_customer: ")
    assert trailbook.fine("status", "--json").data["head"]["position"] == before

    going_on = trailbook.run("do", refused, "--keep-going", "--json")
    assert going_on.code == 1
    assert [(row["id"], row["refused"]) for row in going_on.data] == [("r1", "CustomerUnknown"), ("r2", None)]


def test_a_day_is_opened_once_and_never_backwards(trailbook: Program) -> None:
    opened = trailbook.fine("day", "open", "2026-04-21", "--by", "ann").out
    again = trailbook.fine("day", "open", "2026-04-21", "--by", "ann").out

    assert opened.endswith("The day 2026-04-21 was opened.\n")
    assert again == opened.replace("  The day", "  recorded already: The day")
    assert trailbook.fine("day", "open", "2026-04-21", "--by", "ann", "--json").data["do"] == "open_day"
    assert trailbook.wrong(1, "day", "open", "2026-04-19", "--by", "ann") == (
        "refused: 2026-04-21 is open already; open a later day than 2026-04-19 [DayNotLater]"
    )
    assert trailbook.wrong(2, "day", "open", "21.4.2026") == "21.4.2026 is not a date; write it like 2026-02-20"
    assert trailbook.wrong(2, "day", "open", "") == "'' is not a date; write it like 2026-02-20"


HEADER = "Commission Run Month,Imported Supplier Name,Supplier ID,Commission Amount\n"


def test_a_statement_is_imported_once_and_what_is_unknown_waits_in_suspense(trailbook: Program, tmp_path: Path) -> None:
    csv = file(tmp_path, "att may.csv", HEADER + '2026-05,AT&T,0047-2291,"$1,500.005"\n2026-05,AT&T,[9]-77,20.00\n')
    imports = ("import", "statement", "--vendor", "att", "--by", "ann")

    first = trailbook.fine(*imports, csv)
    again = trailbook.fine(*imports, csv, "--json").data

    assert "2 lines, 1,520.01 USD, statement month 2026-05" in first.out
    assert "no control total was given: the sum of the lines was taken for it" in first.out
    assert "[9]-77 20.00 2026-04-21 unknown account [9]-77" in first.told
    assert (again["lines"], again["total_minor"], again["suspense"][0]["amount_minor"]) == (2, 152001, 2000)

    renamed = file(tmp_path, "att may (1).csv", csv.read_text())
    assert trailbook.wrong(1, *imports, renamed).startswith(
        "refused: att may (1).csv is imported already, the same file counts once: Statement att-may of att "
    )
    assert trailbook.fine("ledger", "suspense", "--json").data[0]["amount_minor"] == 2000


def test_a_revision_is_declared_and_says_what_it_changes(trailbook: Program, tmp_path: Path) -> None:
    imports = ("import", "statement", "--vendor", "att", "--number", "att-june", "--by", "ann")
    rows = ["2026-06,AT&T,0047-2291,10.00\n", "2026-06,AT&T,0047-2291,10.00\n", "2026-06,AT&T,0047-2291,5.00\n"]
    trailbook.fine(*imports, file(tmp_path, "june.csv", HEADER + "".join(rows)))
    corrected = file(tmp_path, "june corrected.csv", HEADER + "".join([*rows[1:], rows[0].replace("10.00", "11.00")]))

    assert trailbook.wrong(1, *imports, corrected) == (
        "refused: statement att-june of att was received already, from another file; check its number, or state it as "
        "revision 1 [StatementAlreadyReceived]"
    )
    told = trailbook.fine(*imports, corrected, "--revision", "1").told

    assert "3 lines, 26.00 USD, statement month 2026-06" in told
    assert "was revised, revision 1: 1 line withdrawn, 1 line added; 3 lines by now, control total 26.00 USD." in told
    assert "nothing changed" in trailbook.fine(*imports, corrected, "--revision", "1").told
    assert "the next one is 2, not 4" in trailbook.wrong(
        1, *imports, file(tmp_path, "x", HEADER + rows[0]), "--revision", "4"
    )


def test_a_statement_with_faults_is_not_taken(trailbook: Program, tmp_path: Path) -> None:
    imports = ("import", "statement", "--vendor", "att", "--by", "ann")
    before = trailbook.fine("status", "--json").data["head"]["position"]
    wrong = file(tmp_path, "wrong.csv", HEADER + "2026-05,AT&T,0047-2291,abc\n2026-13,AT&T,0047-2291,1.00\n")
    right = file(tmp_path, "right.csv", HEADER + "2026-06,AT&T,0047-2291,1.00\n")

    said = trailbook.run(*imports, wrong)

    assert (said.code, said.out) == (2, "")
    assert said.err.splitlines() == [
        "wrong.csv: line 2: Commission Amount 'abc' is not an amount; write it like 1234.56",
        "wrong.csv: line 3: Commission Run Month '2026-13' is not a month; write 2026-02 or a date in it",
    ]
    assert "control total is 500 (minor units of USD)" in trailbook.wrong(1, *imports, right, "--control-total", "5")
    assert "vendor nobody is not contracted" in trailbook.wrong(1, *imports, right, "--vendor", "nobody")
    assert trailbook.fine("status", "--json").data["head"]["position"] == before


# -- questions


def test_an_auditor_replays_a_deal_an_account_and_a_participant(trailbook: Program, tmp_path: Path) -> None:
    deal = (
        "- {id: d1, by: ann, do: register_deal, customer: alder-foods, deal: D-7, agent: harbor, vendor: att,"
        " scope: 'head office [2nd floor] [/x]'}\n"
    )
    assert trailbook.fine("do", file(tmp_path, "deal.yaml", deal)).code == 0
    trailbook.fine("party", "name", "agent:harbor", "Harbor [Telecom] [/x]")

    assert "head office [2nd floor] [/x]" in trailbook.fine("audit", "deal", "D-7").out
    account = trailbook.fine("audit", "account", "att/0047-2291").out
    assert "changed from harbor to summit from 2026-02-01, on the letter signed 2026-01-20" in account
    agent = trailbook.fine("audit", "participant", "harbor")
    assert agent.out.startswith("agent:harbor — Harbor [Telecom] [/x]\n")
    assert trailbook.fine("party", "list", "--json").data == {"agent:harbor": "Harbor [Telecom] [/x]"}
    rows = trailbook.fine("audit", "participant", "agent:harbor", "--json").data
    assert len(rows) == len(agent.out.splitlines()) - 1
    assert {"position", "recorded_at", "actor", "effective_on", "sentence", "evidence", "because"} <= rows[0].keys()
    assert trailbook.wrong(2, "audit", "deal", "D-8") == "deal:D-8 has no history in the book; check its id"
    assert trailbook.wrong(2, "audit", "participant", "att") == (
        "agent:att has no history in the book; there is vendor:att"
    )


def test_the_ledger_answers_effective_at_a_day_as_known_at_a_position(trailbook: Program) -> None:
    def amounts(*options: str) -> dict[str, int]:
        rows = trailbook.fine("ledger", "balances", *options, "--json").data["balances"]
        assert sum(row["amount_minor"] for row in rows) == 0
        return {row["book"]: row["amount_minor"] for row in rows if row["amount_minor"]}

    assert amounts("--known", "30") == {
        "agent:harbor:payable": 40006,
        "agent:keystone:payable": 2500,
        "agent:summit:payable": 82014,
        "house:margin": 25504,
        "vendor:att:receivable": -150024,
    }
    assert amounts("--known", "2026-04-07") == {"suspense:unmatched": 100016, "vendor:att:receivable": -100016}
    assert amounts("--known", "2026-04-08", "--effective", "2026-01-31") == {
        "agent:harbor:payable": 40006,
        "agent:keystone:payable": 2500,
        "house:margin": 7502,
        "vendor:att:receivable": -50008,
    }
    shown = trailbook.fine("ledger", "balances", "--known", "30").told
    assert "agent:summit:payable 820.14 USD" in shown
    assert "sum 1,500.24 1,500.24 USD credit less debit 0.00 USD" in shown
    assert trailbook.fine("ledger", "suspense", "--known", "2026-04-07", "--json").data[0]["since"] == "2026-02-20"
    assert trailbook.fine("ledger", "suspense", "--known", "30").out == "nothing is in suspense\n"


@pytest.mark.parametrize(
    ("known", "sentence"),
    [
        ("soon", "'soon' is not a position, a date or a time; write 57, 2026-04-26 or 2026-04-26T17:00Z"),
        ("²", "'²' is not a position, a date or a time; write 57, 2026-04-26 or 2026-04-26T17:00Z"),
        ("2026-04-08T12:00", "2026-04-08T12:00:00 has no time zone; add Z or an offset such as -06:00"),
        ("99999999999999999999", "position 99999999999999999999 is not recorded yet; the last one is "),
    ],
)
def test_what_is_known_at_no_time_has_no_answer(trailbook: Program, known: str, sentence: str) -> None:
    assert trailbook.wrong(2, "ledger", "balances", "--known", known).startswith(sentence)


def test_an_agents_statement_leads_to_why_each_cent(trailbook: Program) -> None:
    statement = trailbook.fine("ledger", "statement", "harbor", "--month", "2026-04", "--json").data
    first = statement["entries"][0]
    assert (first["amount_minor"], first["section"], statement["closing"]) == (40006, "earned", {"USD": 40006})

    shown = trailbook.fine("ledger", "statement", "harbor", "--month", "2026-04").told
    assert "80% of 500.08 = 400.064, rounded 400.06" in shown
    assert first["entry"] in shown
    waiting = trailbook.fine("ledger", "statement", "harbor", "--month", "2026-02").out
    assert "0.00  2026-01 att/0047-2291 (recurring): account unmatched: 500.08 in suspense" in waiting

    why = trailbook.fine("why", first["entry"])
    assert why.out.startswith("400.06 USD to agent:harbor:payable on att/0047-2291, posted at position 27 (2026-04-08)")
    assert "harbor was designated agent of record on att/0047-2291 from 2025-01-01" in why.out
    data = trailbook.fine("why", first["entry"], "--json").data
    assert (data["amount_minor"], data["currency"]) == (40006, "USD")
    assert [event["position"] for event in data["events"]] == [4, 17, 21, 27]


@pytest.mark.parametrize(
    "entry", ["nonsense", "27:16:2026-01:recurring:USD:9", "27:16:0000-00:recurring:USD:1", "1:cash"]
)
def test_an_entry_that_is_not_there_is_wrong_usage(trailbook: Program, entry: str) -> None:
    assert trailbook.wrong(2, "why", entry).startswith(f"there is no entry {entry}; ")


def test_the_agent_book_names_who_was_agent_of_record(trailbook: Program) -> None:
    assert trailbook.fine("agent-book", "att/0047-2291", "--known", "30").out == (
        "summit is agent of record of att/0047-2291 on 2026-04-20, as known at 30\n"
    )
    before = trailbook.fine(
        "agent-book", "att/0047-2291", "--effective", "2026-02-01", "--known", "2026-01-27", "--json"
    ).data
    assert (before["agents"], before["effective"]) == (["harbor"], "2026-02-01")
    assert trailbook.wrong(2, "agent-book", "nothing") == "there is no account nothing in the book; check its id"
    assert trailbook.wrong(2, "agent-book", "att/0047-2291", "--effective", "soon").startswith("soon is not a date")


# -- payouts


def test_a_pay_run_is_proposed_by_one_and_approved_by_another_and_money_that_comes_back_is_owed_again(
    trailbook: Program,
) -> None:
    owed = trailbook.fine("ledger", "balances", "--json").data["balances"]
    harbor = next(row["amount_minor"] for row in owed if row["book"] == "agent:harbor:payable")

    trailbook.fine("payout", "propose", "too-early", "--by", "ann")
    assert "Pay run too-early was withdrawn." in trailbook.fine("payout", "withdraw", "too-early", "--by", "ann").out
    assert "[PayRunClosed]" in trailbook.wrong(1, "payout", "withdraw", "too-early", "--by", "ann")
    proposed = trailbook.fine("payout", "propose", "april", "--agent", "harbor", "--by", "ann").out
    assert f"Payout of {harbor / 100:.2f} USD to harbor in pay run april was proposed" in proposed
    assert trailbook.wrong(1, "payout", "approve", "april", "--by", "ann") == (
        "refused: pay run april was proposed by house/ann; let another principal approve it [SelfApproved]"
    )
    assert "[PayRunNotApproved]" in trailbook.wrong(1, "payout", "release", "april", "--by", "ann")
    assert trailbook.fine("payout", "approve", "april", "--by", "bob").out.endswith("Pay run april was approved.\n")
    assert trailbook.fine("payout", "release", "april", "--by", "ann", "--json").data["do"] == "release_pay_run"
    assert "settled by the bank" in trailbook.fine("payout", "settle", "april", "--by", "ann").out
    returned = trailbook.fine(
        "payout", "return", "april", "harbor", "--because", "closed [account] [/x]", "--by", "ann"
    )
    assert returned.out.endswith("closed [account] [/x].\n")

    after = trailbook.fine("ledger", "balances", "--json").data["balances"]
    assert next(row["amount_minor"] for row in after if row["book"] == "agent:harbor:payable") == harbor
    statement = trailbook.fine("ledger", "statement", "harbor", "--month", "2026-04", "--json").data
    assert [row["amount_minor"] for row in statement["entries"] if row["section"] == "payout"] == [-harbor, harbor]
    cash = next(row["entry"] for row in statement["entries"] if row["section"] == "payout")
    assert "money that moved" in trailbook.fine("why", cash, "--json").data["item"]
    assert "[PayRunUnknown]" in trailbook.wrong(1, "payout", "approve", "may", "--by", "bob")
    assert trailbook.wrong(2, "payout", "propose", "a b", "--by", "bob") == (
        "propose_pay_run: field pay_run: 'a b' does not fit; write letters, digits and . _ / # -"
    )
    assert trailbook.wrong(2, "payout", "propose", "may", "--by", "Ann Smith").startswith("--by Ann Smith: ")


# -- the book itself


def test_every_projection_is_rebuilt_and_the_book_is_what_its_events_say(trailbook: Program) -> None:
    before = trailbook.fine("ledger", "balances", "--json").data
    for name in ("facts", "audit_trail", "agent_book", "agenda", "deal_board", "ledger"):
        assert trailbook.fine("rebuild", name).out == f"{name} is rebuilt up to position {before['known']}\n"

    assert trailbook.fine("ledger", "balances", "--json").data == before
    assert trailbook.wrong(2, "rebuild", "everything").startswith("there is no projection everything; name one of ")
    assert trailbook.fine("rebuild").out == "nothing to rebuild: all tables are of this release's versions\n"
    verified = trailbook.fine("verify", "--json").data
    assert verified["ok"]
    assert all(check["ok"] for check in verified["checks"])
    assert trailbook.fine("verify").out.endswith("the book is what its events say\n")


def test_status_shows_every_projection_at_the_head(trailbook: Program) -> None:
    data = trailbook.fine("status", "--json").data
    names = {row["name"] for row in data["projections"]}
    assert names == {"facts", "ledger", "audit_trail", "agent_book", "agenda", "deal_board", "payout_book"}
    assert all(row["position"] == data["head"]["position"] for row in data["projections"])
    assert all((row["lag_events"], row["poison_reason"]) == (0, None) for row in data["projections"])

    assert f"log: position {data['head']['position']}, recorded " in trailbook.fine("status").out


# -- without a server


def test_a_simulation_needs_no_server(alone: Program, tmp_path: Path) -> None:
    result = alone.fine("simulate", SCENARIOS / "S10.yaml", "--json").data

    assert list(result) == sorted(
        ["refusals", "entries", "adjustments", "payouts", "held", "suspense", "zeros", "deals", "balances"]
    )
    assert list(result["entries"][0]) == sorted(
        ["position", "recorded_on", "cell", "item", "payee", "amount_minor", "currency", "reason", "entry"]
    )
    assert result["balances"]["payable_at_end"] == {
        "agent:harbor": 40006,
        "agent:keystone": 2500,
        "agent:summit": 82014,
    }
    shown = alone.fine("simulate", SCENARIOS / "S10.yaml").told
    assert "80% of 500.08 = 400.064, rounded 400.06" in shown
    assert "unknown account 472291 (leading zeros lost)" in shown

    refused = file(tmp_path, "refused.yaml", "- {id: a, by: ann, on: 2026-01-05, do: win_deal, customer: c, deal: d}\n")
    (refusal,) = alone.fine("simulate", refused, "--json").data["refusals"]
    assert (refusal["id"], refusal["refused"]) == ("a", "DealUnknown")
    assert alone.wrong(2, "simulate", file(tmp_path, "no.yaml", "- {id: a, by: ann, do: nothing_such}\n")).startswith(
        "no.yaml line 1 (command 1), id a: there is no command nothing_such"
    )


def test_who_interrupts_the_program_is_told_what_stays(alone: Program, tmp_path: Path) -> None:
    named = file(tmp_path, "fifo.yaml", "")
    named.unlink()
    os.mkfifo(named)
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "simulate", str(named)],
        env=alone.whole_environment(),
        cwd=TOP,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    with named.open("w"):  # opens once the program reads, and gives it nothing
        running.send_signal(signal.SIGINT)
        said = running.communicate(timeout=60)[1]

    assert running.returncode == 130
    assert said == "interrupted; what is recorded stays, and the same command given again goes on from there\n"


def test_an_argument_that_is_no_text_is_refused(alone: Program) -> None:
    said = alone.afresh("simulate", os.fsdecode(b"\xff.yaml"))

    assert (said.code, said.out) == (2, "")
    assert said.err == "the argument \\udcff.yaml is not UTF-8; write it in UTF-8\n"


def test_the_schema_has_every_command_and_event(alone: Program) -> None:
    schema = alone.fine("schema").data

    assert set(schema["commands"]) == set(COMMANDS)
    assert set(schema["events"]) == set(TOPICS)
    assert alone.fine("schema", "open_day").data == schema["commands"]["open_day"]
    assert alone.fine("schema", "calendar.day_opened").data["version"] == 1
    assert alone.fine("schema", "asyncapi").data == json.loads(ASYNCAPI_FILE.read_bytes())
    assert alone.wrong(2, "schema", "nothing") == "there is no command or event nothing; `trailbook schema` lists all"


@pytest.mark.parametrize(
    "arguments",
    [[], ["nothing"], ["ledger"], ["why"], ["ledger", "balances", "--knwon", "5"], ["import", "statement", "x"]],
)
def test_wrong_usage_ends_with_2_and_shows_the_usage(alone: Program, arguments: list[str]) -> None:
    said = alone.run(*arguments)

    assert said.code == 2
    assert "Usage: trailbook" in said.out + said.err


def test_a_file_that_is_not_there_is_said_before_a_server_is_looked_for(alone: Program) -> None:
    assert alone.wrong(2, "do", "/nowhere/book.yaml") == (
        "/nowhere/book.yaml: cannot be read: No such file or directory; check the path"
    )


def test_a_server_that_is_away_is_said_in_one_sentence_without_the_password(alone: Program) -> None:
    for arguments in (["status"], ["do", str(STORY)], ["init"], ["ledger", "balances"], ["verify"]):
        sentence = alone.wrong(1, *arguments)

        assert sentence.startswith("cannot connect to 127.0.0.1:1/nowhere: ")
        assert "secret" not in sentence
    assert alone.afresh("run", "--once").code == 1


def test_settings_that_are_wrong_are_named() -> None:
    assert (
        Program({"TRAILBOOK_DATABASE_URL": "nonsense"}).wrong(2, "status").startswith("TRAILBOOK_DATABASE_URL is not")
    )
    assert (
        Program({"TRAILBOOK_HOUSE": "A B"})
        .wrong(2, "status")
        .startswith("TRAILBOOK_HOUSE: 'A B' is not a house's name")
    )
