"""A carrier is sold: the real program moves its accounts on a real server, is killed, and goes on.

Lumen reports a month later, Zito in the same month; Zito succeeds Lumen on 2026-03-01. Harbor earns 80% on ``A-1``,
delta 50% on ``A-2`` and ``A-3``; ``Z-9`` is Zito's own customer under number 700, harbor's at 80%.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.command_file import read_commands
from adapters.database import Database
from adapters.rebuild import rebuild
from adapters.verify import verify
from domain.ids import account_stream
from domain.message import Actor, Issued
from domain.succession import AnnounceSuccession
from services.house import House
from services.simulation import Simulation
from services.succession import announcement_id, succeed
from tests.system.books import settings_of
from tests.system.program import PROGRAM, TOP, Program

BOOK = """
- {id: lumen, on: 2026-01-02, by: ann, do: contract_vendor, vendor: lumen, statement_lag_months: 1}
- {id: zito, by: ann, do: contract_vendor, vendor: zito, statement_lag_months: 0}
- {id: listed, by: ann, do: list_products, vendor: lumen, products: [{product: dia, category: internet}]}
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
"""


def opened(name: str, vendor: str, number: str, agent: str) -> str:
    return (
        f"- {{id: {name}, by: ann, do: open_account, account: {name}, customer: alder, vendor: {vendor},\n"
        f"   aliases: [{{vendor: {vendor}, number: '{number}'}}]}}\n"
        f"- {{id: {name}-aor, by: ann, do: designate_agent_of_record, account: {name}, agent: {agent},\n"
        "   effective_on: 2025-01-01, evidence: {signer: alder, signed_on: 2025-01-01}}\n"
    )


def statement(vendor: str, number: str, on: str, *lines: tuple[str, str, int]) -> str:
    """Lines of (number, service month, commission)."""
    told = ", ".join(f"{{account: '{n}', service_month: {m}, commission_minor: {c}}}" for n, m, c in lines)
    return (
        f"- {{id: {vendor}-{number}, on: {on}, by: ann, do: receive_statement, vendor: {vendor}, number: {number},\n"
        f"   statement_month: {on[:7]}, control_total_minor: {sum(c for _, _, c in lines)}, lines: [{told}]}}\n"
    )


ACCOUNTS = (
    opened("A-1", "lumen", "501", "harbor")
    + opened("A-2", "lumen", "502", "delta")
    + opened("A-3", "lumen", "503", "delta")
    + opened("Z-9", "zito", "700", "harbor")
)
BEFORE = statement("lumen", "L-03", "2026-03-20", ("501", "2026-02", 10000), ("502", "2026-02", 10001))
AFTER = statement(
    "lumen", "L-05", "2026-05-20", ("501", "2026-02", -1000), ("501", "2026-03", 2000), ("503", "2026-01", 4000)
) + statement(
    "zito",
    "Z-05",
    "2026-05-21",
    ("601", "2026-03", 10000),
    ("700", "2026-03", 30000),
    ("503", "2026-03", 5000),
)


def file(tmp_path: Path, name: str, text: str) -> Path:
    path = tmp_path / name
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def trailbook(database_url: str) -> Iterator[Program]:
    house = f"succ_{os.getpid()}"
    program = Program({"TRAILBOOK_DATABASE_URL": database_url, "TRAILBOOK_HOUSE": house, "TRAILBOOK_ACTOR": "ann"})
    try:
        program.fine("init")
        yield program
    finally:
        Database(database_url, house).drop()


def balances(program: Program) -> dict[str, int]:
    """What agents are owed and what waits."""
    rows = program.fine("ledger", "balances", "--json").data["balances"]
    wanted = ("payable", "unmatched")
    return {
        r["book"].split(":")[1]: r["amount_minor"] for r in rows if r["book"].endswith(wanted) and r["amount_minor"]
    }


RENUMBERED = "number,becomes\n501,601\n502,700\n503,unknown\n"
"""501 becomes 601; 502 becomes 700, which is Z-9's already; nobody knows yet what 503 becomes."""
SUCCEED = ("vendor", "succeed", "--from", "lumen", "--to", "zito", "--on", "2026-03-01")


def test_a_carrier_is_sold_and_every_line_is_where_it_belongs_to_the_cent(trailbook: Program, tmp_path: Path) -> None:
    numbers = file(tmp_path, "numbers.csv", RENUMBERED)
    trailbook.fine("do", file(tmp_path, "book.yaml", BOOK + ACCOUNTS + BEFORE))
    # 80% of 100.00; 50% of 100.01 is 50.005, rounded half away from zero
    assert balances(trailbook) == {"harbor": 80_00, "delta": 50_01}

    checked = trailbook.fine(*SUCCEED, "--renumber", numbers, "--check", "--json").data
    assert (checked["accounts"], checked["moved"], checked["completed"]) == (3, 0, False)
    assert checked["collisions"] == [{"number": "700", "accounts": ["A-2", "Z-9"]}]
    assert checked["unlisted"] == ["dia"]
    head = trailbook.fine("status", "--json").data["head"]["position"]

    moved = trailbook.fine(*SUCCEED, "--renumber", numbers).told
    assert "zito succeeds lumen on 2026-03-01: 3 of 3 accounts moved" in moved
    assert "collision: 700 would mean A-2, Z-9; its lines will wait" in moved
    assert trailbook.fine("status", "--json").data["head"]["position"] == head + 5, "plan, three accounts, end"
    assert balances(trailbook) == {"harbor": 80_00, "delta": 50_01}, "the move itself posts nothing"
    assert trailbook.fine(*SUCCEED, "--renumber", numbers, "--json").data["moved"] == 3, "again: nothing twice"
    assert trailbook.fine("status", "--json").data["head"]["position"] == head + 5

    trailbook.fine("do", file(tmp_path, "after.yaml", AFTER))
    # late −10.00 for February is taken (−8.00), 20.00 for March waits, Zito's 100.00 under 601 is taken (80.00);
    # late 40.00 for January is taken (20.00), Zito's 50.00 under 503 waits; 300.00 under 700 means two accounts
    assert balances(trailbook) == {"harbor": 152_00, "delta": 70_01, "unmatched": 370_00}
    waits = {r["number"]: r for r in trailbook.fine("suspense", "list", "--likely", "--json").data["numbers"]}
    assert {number: (r["amount_minor"], r["why"]) for number, r in waits.items()} == {
        "501": (2000, "account 501 means no account in 2026-03"),
        "700": (30000, "account 700 could mean 2 accounts"),
        "503": (5000, "unknown account 503"),
    }
    assert [(c["account"], c["why"]) for c in waits["503"]["likely"]] == [
        ("A-3", "lumen 503, of a vendor before or after zito, was its number until 2026-03-01")
    ]
    assert [c["account"] for c in waits["700"]["likely"]] == ["Z-9", "A-2"]


def test_what_collided_is_placed_and_the_number_that_was_wrong_is_ended(trailbook: Program, tmp_path: Path) -> None:
    placed = "vendor,number,account,keep_alias\nzito,700,Z-9,no\nzito,503,A-3,yes\n"
    table = file(tmp_path, "placed.csv", placed)
    trailbook.fine("suspense", "propose", "--file", table)
    trailbook.fine("suspense", "approve", "--file", table, "--by", "bob")
    # Z-9: 80% of 300.00; A-3: 50% of 50.00
    assert balances(trailbook) == {"harbor": 392_00, "delta": 95_01, "unmatched": 20_00}

    ended = (
        "- {id: ended, by: ann, do: end_alias, account: A-2, vendor: zito, number: '700', effective_on: 1900-01-01}\n"
    )
    then = statement("zito", "Z-06", "2026-06-21", ("700", "2026-06", 1000), ("503", "2026-06", 1000))
    trailbook.fine("do", file(tmp_path, "then.yaml", f"{ended}\n{then}"))
    assert balances(trailbook) == {"harbor": 400_00, "delta": 100_01, "unmatched": 20_00}


def test_the_trails_of_all_who_are_concerned_tell_of_it(trailbook: Program) -> None:
    told = "zito succeeded lumen on account A-1 from 2026-03-01: account number 601 of zito from 2026-03-01 means it;"
    for participant in ("account:A-1", "agent:harbor", "vendor:lumen", "vendor:zito", "customer:alder"):
        assert told in trailbook.fine("audit", "participant", participant).told


def test_accounts_opened_since_under_the_former_vendor_move_when_it_is_given_once_more(
    trailbook: Program, tmp_path: Path
) -> None:
    trailbook.fine("do", file(tmp_path, "late.yaml", opened("A-4", "lumen", "504", "harbor")))
    assert trailbook.fine(*SUCCEED, "--json").data["accounts"] == 1, "another plan: its numbers are kept"
    assert trailbook.wrong(1, *SUCCEED, "--again") == (
        "refused: lumen pays for no account, so there is nothing to succeed to [NothingToSucceed]"
    )


def test_live_ledger_rebuild_and_why_agree_after_the_succession(trailbook: Program, database_url: str) -> None:
    database = Database(database_url, trailbook.environment["TRAILBOOK_HOUSE"])
    assert verify(database).ok
    before = balances(trailbook)
    rebuild(database, "ledger", workers=2)
    assert balances(trailbook) == before
    with House(settings_of(database), database) as house:
        queries = house.queries()
        for entry in queries.entries(positions=(0, queries.ledger_position())):
            queries.why(entry)


def test_simulate_gives_a_small_succession_as_commands(tmp_path: Path) -> None:
    commands = BOOK + ACCOUNTS + BEFORE
    of = "vendor: lumen, successor: zito, effective_on: 2026-03-01"
    commands += f"""
- {{id: announced, by: ann, do: announce_succession, {of},
   numbers: [{{number: '501', becomes: '601'}}, {{number: '502', becomes: '700'}}]}}
- {{id: wrong, by: ann, do: succeed_vendor, {of}, account: Z-9}}
- {{id: m1, by: ann, do: succeed_vendor, {of}, account: A-1}}
- {{id: m2, by: ann, do: succeed_vendor, {of}, account: A-2}}
- {{id: m3, by: ann, do: succeed_vendor, {of}, account: A-3}}
- {{id: done, by: ann, do: complete_succession, {of}, succeeded_count: 3}}
"""
    simulation = Simulation()
    simulation.run(read_commands(file(tmp_path, "book.yaml", commands + AFTER)))
    assert [(r["id"], r["refused"]) for r in simulation.refusals] == [("wrong", "AccountNotInSuccession")]
    payable = simulation.result()["balances"]["payable_at_end"]
    assert payable == {"agent:delta": 70_01, "agent:harbor": 152_00}


# -- killed in the middle

MANY = 1_000


def test_a_succession_of_a_thousand_accounts_goes_on_where_it_was_killed(database: Database, tmp_path: Path) -> None:
    """SIGKILL of the real program, as often as it takes; each account moves once."""
    program = Program({"TRAILBOOK_DATABASE_URL": database.url, "TRAILBOOK_HOUSE": database.house})
    book = [json.dumps(command) for command in _many()]
    program.fine("do", file(tmp_path, "many.jsonl", "\n".join(book)))
    head = program.fine("status", "--json").data["head"]["position"]
    arguments = (*SUCCEED, "--by", "ann")

    kills = 0
    for wait_for in (1, 200, 600):
        running = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *arguments],
            env=program.whole_environment(),
            cwd=TOP,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with House(settings_of(database), database) as house:
            while running.poll() is None:
                at = house.log.head()
                if at is not None and at.position >= head + wait_for:
                    os.kill(running.pid, signal.SIGKILL)
                    kills += 1
                    break
                time.sleep(0.002)
        running.wait()
    assert kills == 3, "it was killed while it moved accounts"
    assert program.fine("status", "--json").data["head"]["position"] < head + MANY

    assert program.wrong(1, *SUCCEED, "--by", "bob").startswith(
        "refused: the succession of lumen by zito from 2026-03-01 with this plan was begun by another principal"
    )
    done = program.fine(*arguments, "--json").data
    assert (done["accounts"], done["moved"], done["left_out"]) == (MANY, MANY, [])
    assert program.fine("status", "--json").data["head"]["position"] == head + MANY + 2
    assert verify(database).ok
    with House(settings_of(database), database) as house:
        moved = [r for r in house.log.read(head, MANY + 2) if r.event.topic == "account.vendor_succeeded"]
        assert len({r.stream_id for r in moved}) == len(moved) == MANY


def _many() -> Iterator[dict[str, object]]:
    common = {"by": "ann"}
    yield {"id": "lumen", "on": "2026-01-02", "do": "contract_vendor", "vendor": "lumen", **common}
    yield {"id": "zito", "do": "contract_vendor", "vendor": "zito", **common}
    yield {"id": "alder", "do": "onboard_customer", "customer": "alder", **common}
    for n in range(MANY):
        aliases = [{"vendor": "lumen", "number": f"N {n}"}]
        opening = {"do": "open_account", "account": f"A-{n}", "customer": "alder", "vendor": "lumen"}
        yield {"id": f"a{n}", **opening, "aliases": aliases, **common}


def test_a_succession_that_was_taken_back_can_happen_after_all(database: Database, tmp_path: Path) -> None:
    there = AnnounceSuccession.model_validate(
        {"vendor": "lumen", "successor": "zito", "effective_on": "2026-03-01", "accounts": ["A-1"]}
    )
    back = there.model_copy(update={"vendor": "zito", "successor": "lumen"})
    with House(settings_of(database), database) as house:
        for issued in read_commands(file(tmp_path, "book.yaml", BOOK + ACCOUNTS)):
            house.handle(issued)
        payers = []
        for command in (there, back, there):
            completed = len(house.commands.state(command.stream).completed)
            report = succeed(house, Issued(announcement_id(command, completed), Actor(subject="ann"), command))
            assert (report.moved, report.left_out) == (1, ())
            payers.append(house.commands.state(account_stream("A-1")).vendor)
    assert payers == ["zito", "lumen", "zito"]
