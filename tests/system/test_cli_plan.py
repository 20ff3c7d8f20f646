"""``trailbook plan`` as a person types it: from a file that is read aloud to a version that pays."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.database import Database
from tests.system.program import TOP, Program

HOUSE = f"cli_plan_{os.getpid()}"
PLANS = TOP / "tests" / "system" / "plans"
STANDARD = PLANS / "residual_and_spiff.yaml"
SECOND = """
  - version: 2
    because: the vendor cut voice
    applies_to: {kind: service-months-from, from: 2026-04-01}
    rules:
      - rule: residual
        pay: {kind: percent-of-commission, rate: 80%}
      - rule: voice
        when: {category: voice}
        pay: {kind: percent-of-commission, rate: 60%}
      - rule: welcome
        when: {product: fiber-1g}
        pay: {kind: multiple-of-mrc-once, multiple: 1.5, clawback_within_days: 90, clawback_rate: 50%}

other_plans:
"""


@pytest.fixture
def offline(tmp_path: Path) -> Program:
    """The program with no database to ask."""
    return Program({"TRAILBOOK_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "TRAILBOOK_HOUSE": HOUSE})


@pytest.fixture
def trailbook(database_url: str, tmp_path: Path) -> Iterator[Program]:
    """The program with a house in which a day is open."""
    program = Program({"TRAILBOOK_DATABASE_URL": database_url, "TRAILBOOK_HOUSE": HOUSE})
    try:
        program.fine("init")
        program.fine("day", "open", "2026-01-05", "--by", "ann")
        yield program
    finally:
        Database(database_url, HOUSE).drop()


def with_second(tmp_path: Path) -> Path:
    """The standard plan with a second version."""
    path = tmp_path / "standard.yaml"
    path.write_text(STANDARD.read_text().replace("\nother_plans:\n", SECOND, 1))
    return path


# -- a file alone


def test_a_file_is_checked_without_a_database(offline: Program) -> None:
    said = offline.fine("plan", "check", STANDARD)

    assert "✓ Voice pays 70 percent." in said.out
    assert said.out.endswith("plan standard: 1 version; 8 of 8 worked examples pass\n")


def test_a_failing_example_ends_the_check_with_1_and_a_file_at_fault_with_2(offline: Program, tmp_path: Path) -> None:
    wrong, faulty = tmp_path / "wrong.yaml", tmp_path / "faulty.yaml"
    wrong.write_text(STANDARD.read_text().replace("amount: 150.00", "amount: 160.00"))
    faulty.write_text(STANDARD.read_text().replace("rate: 70%", "rate: 70").replace("rate: 85%", "rat: 85%"))

    failing, at_fault = offline.run("plan", "check", wrong), offline.run("plan", "check", faulty)

    assert (failing.code, failing.err) == (1, "")
    assert "wrong.yaml line 41: harbor 2026-01: expected 160.00, got 150.00: 70% of commission" in failing.out
    assert "7 of 8 worked examples pass" in failing.out
    assert (at_fault.code, at_fault.out) == (2, "")
    assert [line.partition(": ")[0] for line in at_fault.err.splitlines()] == [
        "faulty.yaml line 12", "faulty.yaml line 21", "faulty.yaml line 21",
    ]  # fmt: skip


def test_a_file_is_checked_under_another_rating_release(offline: Program) -> None:
    assert "8 of 8 worked examples pass" in offline.fine("plan", "check", STANDARD, "--release", "2").out
    assert offline.wrong(2, "plan", "check", STANDARD, "--release", "99").startswith("there is no rating release 99;")


def test_a_check_is_data_for_a_program_too(offline: Program, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(STANDARD.read_text().replace("amount: 150.00", "amount: 160.00"))

    data = offline.run("plan", "check", wrong, "--json").data

    assert (data["plan"], data["ok"], len(data["examples"])) == ("standard", False, 8)
    (failed,) = [example for example in data["examples"] if not example["ok"]]
    (failure,) = failed["failures"]
    assert (failed["line"], failure["expected"], failure["got"]) == (35, "160.00", "150.00")


def test_a_file_is_shown_in_words_and_compared_with_another(offline: Program, tmp_path: Path) -> None:
    path = with_second(tmp_path)

    shown = offline.fine("plan", "show", f"{path}@2")
    compared = offline.fine("plan", "compare", f"{path}@1", path)
    data = offline.fine("plan", "compare", f"{path}@1", path, "--json").data

    assert "Because the vendor cut voice." in shown.out
    assert "less, for category voice: 60% of commission received, instead of 70% of commission received" in compared.out
    assert [(change["about"], change["direction"]) for change in data["changes"]] == [
        ("whom it applies to", "otherwise"), ("rule", "less"),
    ]  # fmt: skip


def test_the_schema_of_a_plan_file_is_printed(offline: Program) -> None:
    schema = offline.fine("schema", "plan").data

    assert schema["required"] == ["plan", "versions", "examples"]
    assert schema == offline.fine("schema").data["plan"]


# -- in the house


def test_a_plan_goes_from_its_file_into_the_house_version_by_version(trailbook: Program, tmp_path: Path) -> None:
    path = with_second(tmp_path)

    proposed = trailbook.fine("plan", "propose", path, "--by", "ann")
    waiting = trailbook.fine("plan", "propose", path, "--by", "ann")
    own = trailbook.wrong(1, "plan", "publish", "standard@1", "--by", "ann")
    trailbook.fine("plan", "publish", "standard@1", "--by", "bob")
    trailbook.fine("plan", "propose", path, "--by", "ann")

    assert "Version 1 of plan standard was proposed because the agreement that every new agent signs" in proposed.told
    assert proposed.told.endswith("publish version 1, then propose the file again for version 2")
    assert waiting.told.startswith("version 1 is proposed and waits for approval; publish it or withdraw it")
    assert "let another principal approve it" in own
    rows = trailbook.fine("plan", "list", "--json").data
    assert [(row["plan_version"], row["state"], row["by"], row["proposed_by"], row["since"]) for row in rows] == [
        (1, "published", "house/bob", "house/ann", "2026-01-05"),
        (2, "proposed", "house/ann", "house/ann", "2026-01-05"),
    ]
    assert "less, for category voice: 60%" in trailbook.fine("plan", "compare", "standard@1", "standard@2").out
    assert "nothing changes" in trailbook.fine("plan", "compare", "standard", path).out
    shown = trailbook.fine("plan", "show", "standard").out
    assert "version 1 of plan standard, published\n" in shown
    assert "version 2 of plan standard, proposed\n" in shown
    begun = trailbook.fine("plan", "show", "standard", "--yaml").out
    assert begun.startswith("plan: standard\n\nversions:\n  - version: 1\n    because: the agreement that every new")
    (tmp_path / "begun.yaml").write_text(begun)
    missing = trailbook.wrong(2, "plan", "check", tmp_path / "begun.yaml")
    assert missing == "begun.yaml line 1: field examples is missing; add it"
    with (tmp_path / "begun.yaml").open("a") as file:
        file.write(STANDARD.read_text()[STANDARD.read_text().index("other_plans:") :])
    trailbook.fine("plan", "check", tmp_path / "begun.yaml")


def test_a_version_that_waits_is_withdrawn_and_proposed_otherwise(trailbook: Program, tmp_path: Path) -> None:
    path = tmp_path / "standard.yaml"
    path.write_text(STANDARD.read_text())
    trailbook.fine("plan", "propose", path, "--by", "ann")
    path.write_text(STANDARD.read_text().replace("because: the agreement", "because: the terms").replace("70", "75"))
    path.write_text(path.read_text().replace("amount: 150.00", "amount: 155.00"))

    refused = trailbook.wrong(1, "plan", "propose", path, "--by", "ann")
    trailbook.fine("plan", "withdraw", "standard@1", "--by", "ann")
    withdrawn = trailbook.fine("plan", "list").told
    trailbook.fine("plan", "propose", path, "--by", "ann")

    assert "version 1 of plan standard is proposed and reads otherwise at standard.yaml line 5: more, for category" in (
        refused
    )
    assert refused.endswith("withdraw it first [VersionReadsOtherwise]")
    assert "withdrawn" in withdrawn
    assert "Rule voice pays 75% of commission received" in trailbook.fine("plan", "show", "standard@1").out


def test_a_plan_is_proposed_under_the_release_that_the_house_rates_by(trailbook: Program, tmp_path: Path) -> None:
    path, second = tmp_path / "cent.yaml", tmp_path / "second.yaml"
    path.write_text(
        "plan: cent\nversions: [{version: 1, rules: [{rule: all, pay: {kind: percent-of-commission, rate: 1%}}]}]\n"
        "examples:\n  - example: Release 2 divides the one cent\n    agents: [harbor, summit]\n"
        "    lines: [{month: 2026-01, amount: 1.00}]\n    expect:\n"
        "    - {payee: harbor, month: 2026-01, amount: 0.01}\n    - {payee: summit, month: 2026-01, amount: 0.00}\n"
    )
    second.write_text(
        "- {id: r2, by: ann, do: propose_reprojection, reprojection: r-2, release: 2, proposed_because: cents}\n"
        "- {id: r2-approved, by: bob, do: approve_reprojection, reprojection: r-2}\n"
        "- {id: r2-promoted, by: ann, do: promote_reprojection, reprojection: r-2}\n"
    )

    refused = trailbook.wrong(1, "plan", "propose", path, "--by", "ann")
    trailbook.fine("do", second)

    assert "1 worked example of cent.yaml fails" in refused
    assert "Version 1 of plan cent was proposed" in trailbook.fine("plan", "propose", path, "--by", "ann").out


def test_what_is_not_there_is_said_with_what_to_do(trailbook: Program, tmp_path: Path) -> None:
    failing = tmp_path / "standard.yaml"
    failing.write_text(STANDARD.read_text().replace("amount: 150.00", "amount: 160.00"))

    assert trailbook.fine("plan", "list").out == (
        "there is no plan yet; propose one with `trailbook plan propose FILE`\n"
    )
    assert trailbook.wrong(2, "plan", "show", "gold") == (
        "there is no version of plan gold; `trailbook plan list` lists all plans"
    )
    assert trailbook.wrong(2, "plan", "publish", "standard", "--by", "bob") == (
        "standard names no version; write it like standard@2"
    )
    assert "1 worked example of standard.yaml fails, first at line 41" in trailbook.wrong(1, "plan", "propose", failing)
    assert "cannot be read" in trailbook.wrong(2, "plan", "check", tmp_path / "none.yaml")
