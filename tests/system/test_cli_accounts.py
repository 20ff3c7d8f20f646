"""Letters, agency of record and agents' standing as a person gives them on a real server, and as simulate has them."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.database import Database
from tests.system.program import Program

HOUSE = f"cli_accounts_{os.getpid()}"
BOOK = """
- {id: lumen, on: 2026-01-05, by: ann, do: contract_vendor, vendor: lumen, statement_lag_months: 1,
   terms: {rescission_business_days: 10, rescission_holidays: US-NY, confirms_agent_of_record: true}}
- {id: plan, by: ann, do: propose_plan_version, plan: standard,
   rules: [{rule: default, pay: {kind: percent-of-commission, rate: 80%}}]}
- {id: published, by: bob, do: publish_plan_version, plan: standard}
- {id: harbor, by: ann, do: recruit_agent, agent: harbor}
- {id: harbor-signed, by: ann, do: sign_agreement, agent: harbor, plan: standard}
- {id: summit, by: ann, do: recruit_agent, agent: summit}
- {id: summit-signed, by: ann, do: sign_agreement, agent: summit, plan: standard}
- {id: alder, by: ann, do: onboard_customer, customer: alder-foods}
- {id: one, by: ann, do: open_account, account: ACC-1, customer: alder-foods, vendor: lumen,
   aliases: [{vendor: lumen, number: 5-1}]}
- {id: two, by: ann, do: open_account, account: ACC-2, customer: alder-foods, vendor: lumen,
   aliases: [{vendor: lumen, number: 5-2}]}
- {id: first, by: ann, do: receive_agent_of_record_letter, letter_id: L-1, customer: alder-foods,
   accounts: [ACC-1, ACC-2], agent: harbor, effective_on: 2026-01-01, signer: alder-foods, signed_on: 2025-12-28}
"""
RIVAL = """
- {id: rival, by: ann, do: receive_agent_of_record_letter, letter_id: L-2, customer: alder-foods, account: ACC-1,
   agent: summit, effective_on: 2026-02-01, signed_on: 2026-01-04}
- {id: signer, by: ann, do: complete_agent_of_record_letter, letter_id: L-2, signer: alder-foods}
- {id: statement, on: 2026-03-20, by: ann, do: receive_statement, vendor: lumen, number: "2026-03",
   statement_month: 2026-03, control_total_minor: 20000,
   lines: [{account: 5-1, commission_minor: 10000}, {account: 5-2, commission_minor: 10000}]}
- {id: confirmed, by: ann, do: confirm_agent_of_record_change, account: ACC-1}
"""
LUMENS_WORD = ("--signer", "lumen:desk", "--signed-on", "2026-01-05")


def file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "commands.yaml"
    path.write_text(text)
    return path


@pytest.fixture
def trailbook(database_url: str, tmp_path: Path) -> Iterator[Program]:
    """The program with a house in which Harbor is agent of record of two accounts."""
    program = Program({"TRAILBOOK_DATABASE_URL": database_url, "TRAILBOOK_HOUSE": HOUSE})
    try:
        program.fine("init")
        program.fine("do", file(tmp_path, BOOK))
        yield program
    finally:
        Database(database_url, HOUSE).drop()


def test_a_letter_is_kept_incomplete_then_completed_and_waits_for_its_window_and_for_the_vendor(
    trailbook: Program,
) -> None:
    letter = ("account", "letter", "L-2", "--customer", "alder-foods", "--account", "ACC-1", "--agent", "summit")
    kept = trailbook.fine(*letter, "--from", "2026-02-01", "--signed-on", "2026-01-04", "--by", "ann")
    assert kept.told.endswith("naming summit for ACC-1; it is incomplete without a signer.")

    complete = trailbook.fine("account", "complete-letter", "L-2", "--signer", "alder-foods", "--by", "ann")

    assert "the former agent may rescind it until 2026-01-20; it counts once lumen has confirmed it." in complete.told
    (waiting,) = trailbook.fine("agent-book", "ACC-1", "--effective", "2026-02-01", "--json").data["waiting"]
    assert (waiting["letter"], waiting["agents"], waiting["until"]) == ("L-2", ["summit"], "2026-01-20")

    trailbook.fine("day", "open", "2026-01-20")
    told = trailbook.fine("agent-book", "ACC-1", "--effective", "2026-02-01").told
    assert "harbor is agent of record of ACC-1 on 2026-02-01" in told
    assert "summit by letter L-2, from 2026-02-01: inside the rescission window until 2026-01-20" in told

    trailbook.fine("day", "open", "2026-01-21")
    told = trailbook.fine("agent-book", "ACC-1", "--effective", "2026-02-01").told
    assert "summit by letter L-2, from 2026-02-01: waits for the vendor's confirmation" in told

    trailbook.fine("account", "confirm-change", "ACC-1", "--on", "2026-01-20", "--by", "ann")
    answer = trailbook.fine("agent-book", "ACC-1", "--effective", "2026-02-01", "--json").data
    assert (answer["agents"], answer["waiting"]) == (["summit"], [])
    history = trailbook.fine("audit", "participant", "letter:L-2").told
    assert "was received naming summit for ACC-1" in history
    assert "was confirmed by lumen on 2026-01-20" in history
    assert trailbook.fine("verify").told.endswith("the book is what its events say")


def test_a_letter_is_rescinded_in_time_and_not_without_the_customers_word(trailbook: Program) -> None:
    letter = ("account", "letter", "L-2", "--customer", "alder-foods", "--account", "ACC-1", "--agent", "summit")
    trailbook.fine(*letter, "--from", "2026-02-01", "--signed-on", "2026-01-04", "--signer", "alder-foods")
    rescind = ("account", "rescind-change", "ACC-1")

    assert "rescinded on the customer's word" in trailbook.wrong(1, *rescind)
    rescinded = trailbook.fine(*rescind, "--signer", "alder-foods", "--signed-on", "2026-01-05")

    assert rescinded.told.endswith("was rescinded, on the letter signed 2026-01-05; harbor stays.")


def test_the_agency_of_two_accounts_is_lost_and_what_comes_waits_until_one_is_won_back(
    trailbook: Program, tmp_path: Path
) -> None:
    lost = ("account", "agency-lost", "ACC-1", "ACC-2", "--agency", "brightstar", "--from", "2026-02-01")
    assert "add evidence" in trailbook.wrong(1, *lost)
    trailbook.fine(*lost, *LUMENS_WORD)
    trailbook.fine("do", file(tmp_path, RIVAL.split("- {id: confirmed", maxsplit=1)[0]))

    waits = trailbook.fine("ledger", "suspense", "--json").data
    assert [(row["number"], row["amount_minor"]) for row in waits] == [("ACC-1", 10000), ("ACC-2", 10000)]
    assert all(row["why"].startswith("agency of record is brightstar since 2026-02-01 (position") for row in waits)
    book = trailbook.fine("agent-book", "ACC-2", "--effective", "2026-02-01")
    assert "agency of record is brightstar: nobody here is paid" in book.told

    trailbook.fine("account", "agency-won-back", "ACC-2", "--from", "2026-02-01", *LUMENS_WORD, "--by", "ann")
    assert "was proposed by house/ann" in trailbook.wrong(1, "account", "approve-agency", "ACC-2", "--by", "ann")
    trailbook.fine("account", "approve-agency", "ACC-2", "--by", "bob")

    assert [row["number"] for row in trailbook.fine("ledger", "suspense", "--json").data] == ["ACC-1"]
    statement = trailbook.fine("ledger", "statement", "harbor", "--month", "2026-03", "--json").data
    (entry,) = [row for row in statement["entries"] if row["account"] == "ACC-2"]
    assert entry["amount_minor"] == 8000
    assert trailbook.fine("why", entry["entry"], "--json").data["amount_minor"] == 8000
    assert any(zero["reason"].startswith("agency of record is brightstar") for zero in statement["zeros"])
    assert trailbook.fine("verify").told.endswith("the book is what its events say")


def test_an_agent_is_suspended_reinstated_and_terminated(trailbook: Program) -> None:
    suspended = trailbook.fine("agent", "suspend", "harbor", "--because", "a complaint is open").told
    assert suspended.endswith("a complaint is open. It earns on, and nothing is paid out.")
    assert "suspended since 2026-01-05; reinstate it first" in trailbook.wrong(
        1, "agent", "suspend", "harbor", "--because", "again"
    )
    assert "the next pay run pays what was carried" in trailbook.fine("agent", "reinstate", "harbor").told
    ended = trailbook.fine("agent", "terminate", "harbor", "--from", "2026-06-01", "--evergreen").told
    assert "residuals are paid on" in ended
    assert "write it like 2026-02-20" in trailbook.wrong(2, "agent", "terminate", "summit", "--from", "June")


def test_the_end_of_a_vendors_agreement(trailbook: Program) -> None:
    ended = trailbook.fine("vendor", "end-agreement", "lumen", "--from", "2026-03-15", "--no-evergreen").told
    assert ended.endswith("ended on 2026-03-15; nobody here is paid for the whole months after it.")
    assert (
        "was resumed from 2026-04-01"
        in trailbook.fine("vendor", "resume-agreement", "lumen", "--from", "2026-04-01").told
    )


def test_simulate_counts_the_window_closes_it_and_posts_what_the_house_posts(
    trailbook: Program, tmp_path: Path
) -> None:
    simulated = trailbook.fine("simulate", file(tmp_path, BOOK + RIVAL), "--json").data
    trailbook.fine("do", file(tmp_path, RIVAL))

    assert simulated["refusals"] == []
    reasons = [zero["reason"] for zero in simulated["zeros"] if zero["payee"] == "agent:summit"]
    assert [reason.partition(" (position")[0] for reason in reasons] == [
        "agent of record from 2026-02-01 once lumen has confirmed it"
    ]
    balances = trailbook.fine("ledger", "balances", "--json").data["balances"]
    paid = {row["book"].removesuffix(":payable"): row["amount_minor"] for row in balances}
    assert simulated["balances"]["payable_at_end"] == {"agent:harbor": 8000, "agent:summit": 8000}
    assert (paid["agent:harbor"], paid["agent:summit"]) == (8000, 8000)
