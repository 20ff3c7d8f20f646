"""The demo on an empty machine: a server of its own, the story, and again on the same data."""

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.embedded import leave, start
from tests.broker import Kafka
from tests.system.program import Program, Said

MACHINE = Program({})


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="trailbook-"))
    yield folder
    leave(folder)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def first(data_dir: Path) -> Said:
    """The demo on an empty data directory; its server has ended with it."""
    return MACHINE.afresh("demo", "--data-dir", data_dir)


@pytest.fixture(scope="module")
def running(data_dir: Path, first: Said) -> Path:
    """The same data directory, with its server kept running for what follows."""
    start(data_dir)
    return data_dir


def test_the_demo_tells_the_story_and_ends_well(first: Said) -> None:
    assert (first.code, first.err) == (0, "")
    for sentence in (
        "Service SDW-1 of contract L-2026-007 on account alder-warehouse was activated on 2026-01-12.",
        "Every line in suspense under number 472291 of lumen was placed on account alder-warehouse.",
        "Agent of record on alder-network changed from harbor to summit from 2026-02-01, on the letter signed 2026",
        "Pay run 2026-05-run was approved.",
        "Statement LU-2026-06 of lumen was revised, revision 1: 1 line withdrawn, 1 line added",
        "35.51 USD",
        "The registration of deal D-2026 of birch-clinic with lumen by harbor expired; 2026-09-01 was its last",
        "Agent-of-record letter AOR-2026-31 of birch-clinic was supplemented; it is complete.",
        "Reprojection target-2026 was promoted: recipe 1 counts, with version 2 of plan summit.",
        "100% clawed back: disconnected on 2026-05-04, 112 days after activation, within 180",
    ):
        assert sentence in first.told


def test_the_balances_of_the_demo_sum_to_zero(first: Said) -> None:
    table = first.out.partition("balances as known at ")[2]
    rows = [line.split("│") for line in table.splitlines() if line.count("│") == 3]
    amounts = {row[0].strip(): [cell.strip().replace(",", "") for cell in row[1:3]] for row in rows}

    debit, credit = amounts.pop("sum")
    assert amounts.pop("credit less debit") == ["", "0.00"]
    books = list(amounts.values())
    assert len(books) > 5
    assert cents([row[0] for row in books]) == cents([debit]) == cents([credit]) == cents([row[1] for row in books])


def cents(amounts: list[str]) -> int:
    return sum(int(amount.replace(".", "")) for amount in amounts if amount)


def test_the_demo_again_on_the_same_data_says_the_same(first: Said, running: Path) -> None:
    again = MACHINE.run("demo", "--data-dir", running)

    assert (again.code, again.err) == (0, "")
    assert again.out == first.out


def test_what_the_demo_proposes_to_try_next_works(first: Said, running: Path) -> None:
    proposed = [line for line in first.out.splitlines() if line.startswith("uv run trailbook ")]

    assert len(proposed) == 9
    for line in proposed:
        said = MACHINE.fine(*shlex.split(line)[3:])
        assert said.out
    assert "the book is what its events say" in said.out


def test_the_demo_ends_with_what_a_consumer_sees(running: Path, kafka: Kafka) -> None:
    """Twice, because what was published and counted is not published and counted again."""
    environment = {"TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS": kafka.bootstrap_servers, "TRAILBOOK_KAFKA_REPLICATION": "1"}
    house = f"demo_{os.getpid()}"  # the broker may have been here before us
    program = Program({**environment, "TRAILBOOK_HOUSE": house})

    first, second = (program.fine("demo", "--kafka", "--data-dir", running).out for _ in range(2))

    seen = first.partition("read by a consumer")[2]
    assert seen == second.partition("read by a consumer")[2]
    assert re.search(rf"{house}\.ledger-entries +│ +147 ", seen)
    assert "  ce_type: trailbook.account.agent_of_record_changed.v2\n" in seen
    for agent in ("harbor", "keystone", "summit"):
        (row,) = (line for line in seen.splitlines() if line.startswith(f" {agent} "))
        _, owed, _, says_trailbook, _ = (cell.strip() for cell in row.split("│"))
        assert owed == says_trailbook
