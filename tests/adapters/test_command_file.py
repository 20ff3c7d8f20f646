"""Files of commands: what is taken as it is, and one sentence for everything that is not."""

import json
import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.command_file import read_commands
from adapters.faults import SHAPES, FileFault
from domain.account import OpenAccount
from domain.agent import TerminateAgent
from domain.agent_of_record import DesignateAgentOfRecord
from domain.calendar import OpenDay
from domain.message import COMMANDS, Actor, Issued, Meta, Model
from domain.plan import PercentOfCommission, ProposePlanVersion
from domain.receipt import ReceiveMoney

MONEY = "do: receive_money, receipt: R-1, vendor: lumen"
PLAN = "do: propose_plan_version, plan: standard"


BOMB = "".join(
    ["- a: &a [x, x, x, x, x, x, x, x, x]\n"]
    + [
        f"  {name}: &{name} [{', '.join([f'*{one}'] * 9)}]\n"
        for one, name in zip("abcdefghi", "bcdefghij", strict=True)
    ]
    + ["  id: *j\n  by: ann\n  do: open_day\n"]
).encode()
"""Twelve lines of YAML that stand for three billion words."""


def read(tmp_path: Path, text: str | bytes, name: str = "book.yaml") -> list[Issued]:
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_commands(path)


def fault(tmp_path: Path, text: str | bytes, name: str = "book.yaml") -> str:
    """The one sentence that refuses the file, without the file's name."""
    with pytest.raises(FileFault) as refused:
        read(tmp_path, text, name)
    sentence = str(refused.value)
    assert "\n" not in sentence
    assert name in sentence
    return sentence.removeprefix(f"{tmp_path}/").removeprefix(name).removeprefix(":").strip()


# -- what is taken


def test_a_command_has_an_id_who_gives_it_and_its_fields(tmp_path: Path) -> None:
    (issued,) = read(tmp_path, "- {id: first, by: ann, do: open_day, date: 2026-01-05}")

    assert issued == Issued("first", Actor(subject="ann"), OpenDay(date=date(2026, 1, 5)))


def test_a_field_that_a_command_calls_as_every_command_may_is_the_commands_own(tmp_path: Path) -> None:
    # a plan version's `because` is a part of what it says; it went into the envelope, as the event that led to it
    (issued,) = read(tmp_path, f"- {{id: second, by: ann, {PLAN}, because: the vendor cut renewals}}")

    assert isinstance(issued.command, ProposePlanVersion)
    assert (issued.command.because, issued.because) == ("the vendor cut renewals", None)


def test_on_is_a_key_and_not_a_truth_value(tmp_path: Path) -> None:
    (issued,) = read(tmp_path, "- {id: a, on: 2026-01-05, by: ann, do: open_day, date: 2026-01-05}")

    assert issued.on == date(2026, 1, 5)


def test_words_that_older_yaml_takes_for_truth_values_stay_words(tmp_path: Path) -> None:
    (norway,) = read(tmp_path, f"- {{id: a, by: no, {MONEY}, amount_minor: 1}}")
    (ends,) = read(
        tmp_path, "- {id: a, by: ann, do: terminate_agent, agent: off, effective_on: 2026-01-01, evergreen: yes}"
    )

    assert norway.actor.subject == "no"
    assert ends.command == TerminateAgent(agent="off", effective_on=date(2026, 1, 1), evergreen=True)


def test_evidence_and_cause_travel_with_a_command(tmp_path: Path) -> None:
    text = """
- id: aor
  by: okta/ann
  do: designate_agent_of_record
  account: ACC-1
  agent: harbor
  effective_on: 2026-01-01
  evidence: {signer: alder-foods, signed_on: 2025-12-15}
  because: account:ACC-1@1
"""
    (issued,) = read(tmp_path, text)

    assert issued.actor.principal == "okta/ann"
    assert issued.evidence is not None
    assert issued.evidence.signed_on == date(2025, 12, 15)
    assert issued.because == "account:ACC-1@1"
    assert isinstance(issued.command, DesignateAgentOfRecord)


@pytest.mark.parametrize(
    ("written", "rate"), [("80%", "0.8"), ("0.80", "0.8"), ("'0.80'", "0.8"), ("0.1234567", "0.1234567"), ("1", "1")]
)
def test_a_rate_is_exact_however_it_is_written(tmp_path: Path, written: str, rate: str) -> None:
    text = f"- {{id: a, by: ann, {PLAN}, rules: [{{rule: r, pay: {{kind: percent-of-commission, rate: {written}}}}}]}}"
    (issued,) = read(tmp_path, text)

    assert isinstance(issued.command, ProposePlanVersion)
    assert issued.command.rules[0].pay == PercentOfCommission(kind="percent-of-commission", rate=Decimal(rate))


@pytest.mark.parametrize(
    ("written", "amount"), [("1200", 1200), ("-5", -5), ("1_200", 1200), ("12.00", 12), ("0123", 123)]
)
def test_a_whole_amount_is_taken_and_no_number_is_octal(tmp_path: Path, written: str, amount: int) -> None:
    (issued,) = read(tmp_path, f"- {{id: a, by: ann, {MONEY}, amount_minor: {written}}}")

    assert issued.command == ReceiveMoney(receipt="R-1", vendor="lumen", amount_minor=amount)


def test_an_account_number_in_quotes_keeps_its_zeros(tmp_path: Path) -> None:
    text = """- {id: a, by: ann, do: open_account, account: A, customer: alder-foods, vendor: lumen,
               aliases: [{vendor: lumen, number: "0047"}]}"""
    (issued,) = read(tmp_path, text)

    assert isinstance(issued.command, OpenAccount)
    assert issued.command.aliases[0].number == "0047"


JSON_LINES = """{"id": "a", "by": "ann", "on": "2026-01-05", "do": "open_day", "date": "2026-01-05"}

{"id": "b", "by": "ann", "do": "receive_money", "receipt": "R-1", "vendor": "lumen", "amount_minor": 12}
"""


@pytest.mark.parametrize("name", ["book.jsonl", "book.ndjson", "book.txt"])
def test_json_lines_say_the_same_as_yaml(tmp_path: Path, name: str) -> None:
    first, second = read(tmp_path, JSON_LINES, name)

    assert (first.command_id, first.on, first.command) == ("a", date(2026, 1, 5), OpenDay(date=date(2026, 1, 5)))
    assert second.command == ReceiveMoney(receipt="R-1", vendor="lumen", amount_minor=12)


def test_a_line_of_json_ends_where_the_line_ends_and_nowhere_else(tmp_path: Path) -> None:
    text = '{"id": "a\u2028b", "by": "ann", "do": "open_day", "date": "2026-01-05"}'

    assert "field id" in fault(tmp_path, text, "book.jsonl")


@pytest.mark.parametrize("name", ["book.yaml", "book.jsonl"])
def test_a_byte_order_mark_and_windows_line_ends_mean_nothing(tmp_path: Path, name: str) -> None:
    lines = JSON_LINES if name == "book.jsonl" else "- id: a\n  by: ann\n  do: open_day\n  date: 2026-01-05\n"
    text = b"\xef\xbb\xbf" + lines.replace("\n", "\r\n").encode()

    assert read(tmp_path, text, name)[0].command_id == "a"


def test_who_gives_a_command_can_be_said_once_for_the_file(tmp_path: Path) -> None:
    path = tmp_path / "book.yaml"
    path.write_text("- {id: a, do: open_day, date: 2026-01-05}\n- {id: b, by: bob, do: open_day, date: 2026-01-06}\n")

    assert [i.actor.subject for i in read_commands(path, Actor(subject="ann"))] == ["ann", "bob"]


# -- one entry that is wrong

ENTRIES = {
    "open_day, date: 2026-01-05, dat: 1": "open_day: there is no field dat; take it out or correct its name",
    "open_dya, date: 2026-01-05": "there is no command open_dya; did you mean open_day?",
    "pay_everybody": "there is no command pay_everybody; `trailbook schema` lists all commands",
    "open_day": "open_day: field date is missing; add it",
    "open_day, date: yesterday": "open_day: field date: 'yesterday' is not a date; write it like 2026-02-20",
    "open_day, date: 2026-02-30": "open_day: field date: '2026-02-30' is not a date; write it like 2026-02-20",
    "open_day, date: 20260105": "open_day: field date: 20260105 is not a date; write it like 2026-02-20",
    "open_day, on: later, date: 2026-01-05": "open_day: field on: 'later' is not a date; write it like 2026-02-20",
    "open_day, date: 2026-01-05, evidence: {signer: cfo}": "open_day: field evidence.signed_on is missing; add it",
    "receive_money, receipt: R, vendor: v, amount_minor: 12.5": (
        "receive_money: field amount_minor: 12.5 is not a whole number of minor units"
    ),
    "receive_money, receipt: R, vendor: v, amount_minor: .nan": (
        "receive_money: field amount_minor: '.nan' is not a number"
    ),
    "receive_money, receipt: R, vendor: v, amount_minor: 1:30": (
        "receive_money: field amount_minor: '1:30' is not a number"
    ),
    "receive_money, receipt: R, vendor: v, amount_minor: true": (
        "receive_money: field amount_minor: a figure is a whole number or a decimal in quotes, but is True"
    ),
    "receive_money, receipt: R, vendor: v, amount_minor: 100000000000001": (
        "receive_money: field amount_minor: 100000000000001 minor units is not an amount of this business"
    ),
    f"receive_money, receipt: R, vendor: v, amount_minor: {'9' * 5000}": ("has more than 28 digits"),
    "receive_money, receipt: 5, vendor: v, amount_minor: 1": (
        "receive_money: field receipt: 5 is not text; write it in quotes"
    ),
    "receive_money, receipt: 2026-01-05, vendor: v, amount_minor: 1": (
        "receive_money: field receipt: 2026-01-05 is not text; write it in quotes"
    ),
    "contract_vendor, vendor: lumen, currency: XXX": (
        "contract_vendor: field currency: XXX is not a currency of ISO 4217"
    ),
    "contract_vendor, vendor: Lumen": (
        "contract_vendor: field vendor: 'Lumen' does not fit; write lower-case letters, digits and . _ -"
    ),
    "receive_statement, vendor: v, number: N, statement_month: Feb, control_total_minor: 0": (
        "receive_statement: field statement_month: 'Feb' does not fit; write a month like 2026-02"
    ),
    "contract_vendor, vendor: v, statement_lag_months: 25": (
        "contract_vendor: field statement_lag_months: should be less than or equal to 24, but is 25"
    ),
    "receive_money, x: 1": "receive_money: field receipt is missing; add it (and 3 more)",
    "open_day, date: 2026-01-05, 1: 2": "1 is not the name of a field; write it as text",
}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry[:60])
def test_a_wrong_entry_is_named_by_line_command_and_field(tmp_path: Path, entry: str) -> None:
    before = "- {id: fine, by: ann, do: open_day, date: 2026-01-04}\n# below is the wrong one\n"

    sentence = fault(tmp_path, f"{before}- {{id: a, by: ann, do: {entry}}}")

    assert sentence.startswith(("line 3 (command 2), id a: ", "line 3: "))
    assert ENTRIES[entry] in sentence


def test_a_fault_deep_in_a_plan_is_named_by_its_path(tmp_path: Path) -> None:
    def of(pay: str) -> str:
        return fault(tmp_path, f"- {{id: a, by: ann, {PLAN}, rules: [{{rule: r, pay: {pay}}}]}}").partition("id a: ")[2]

    assert of("{kind: percent-of-comission, rate: 80%}") == (
        "propose_plan_version: field rules.0.pay.kind: there is no 'percent-of-comission'; "
        "write percent-of-commission, percent-of-mrc, multiple-of-mrc-once or flat"
    )
    assert of("{rate: 80%}") == ("propose_plan_version: field rules.0.pay.kind is missing; add it")
    assert of("{kind: percent-of-commission, rate: 80 percent}") == (
        "propose_plan_version: field rules.0.pay.rate: '80 percent' is not a number"
    )
    assert of("{kind: percent-of-commission, rate: 80%, ratte: 1}") == (
        "propose_plan_version: there is no field rules.0.pay.ratte; take it out or correct its name"
    )


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ("{by: ann, do: open_day, date: 2026-01-05}", "line 1 (command 1): open_day: field id is missing; add it"),
        (
            "{id: 5, by: ann, do: open_day, date: 2026-01-05}",
            "line 1 (command 1), id 5: open_day: field id: 5 is not text; write it in quotes",
        ),
        (
            "{id: a b, by: ann, do: open_day, date: 2026-01-05}",
            "line 1 (command 1), id a b: open_day: field id: 'a b' does not fit; write it without spaces",
        ),
        ("{id: a, do: open_day, date: 2026-01-05}", "line 1 (command 1), id a: open_day: field by is missing; add it"),
        (
            "{id: a, by: Ann Smith, do: open_day, date: 2026-01-05}",
            "line 1 (command 1), id a: open_day: field by.subject: 'Ann Smith' does not fit; "
            "write lower-case letters, digits and . _ @ + -",
        ),
        (
            "{id: a, by: ann}",
            "line 1 (command 1), id a: no `do:`; name the command, for example `do: open_day`",
        ),
        ("hello", "line 1 (command 1): not a command; give it as `id:`, `do:` and its fields"),
    ],
)
def test_an_entry_without_id_giver_or_name_is_no_command(tmp_path: Path, entry: str, sentence: str) -> None:
    assert fault(tmp_path, f"- {entry}") == sentence


@pytest.mark.parametrize(
    "entry",
    [
        {"id": "x" * 10_000, "do": "open_day", "by": "ann", "date": "2026-01-05"},
        {"id": "a", "do": "x" * 10_000, "by": "ann"},
        {"id": "a", "do": "open_day", "by": "ann", "date": "2026-01-05", "x" * 10_000: 1},
        {"id": "a", "by": "ann", "do": "propose_plan_version", "plan": "p", "rules": [{"pay": {"kind": "x" * 10_000}}]},
        {"id": "a\nb\x1b[2J\u202e", "do": "c\x1b[2J", "by": "ann"},
    ],
    ids=["id", "command", "field", "kind", "control"],
)
def test_a_fault_is_one_short_line_whatever_stands_in_the_file(tmp_path: Path, entry: dict[str, Any]) -> None:
    sentence = fault(tmp_path, json.dumps(entry), "book.jsonl")

    assert len(sentence) < 300
    assert sentence.isprintable()


@pytest.mark.parametrize("key", ["date", "on"])
@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "2100-01-01", "9999-12-31"])
def test_a_date_outside_the_years_of_months_is_a_fault(tmp_path: Path, key: str, day: str) -> None:
    days = {"on": "2026-01-05", "date": "2026-01-05", key: day}
    entry = f"- {{id: a, by: ann, do: open_day, on: {days['on']}, date: {days['date']}}}"

    assert fault(tmp_path, entry).endswith(
        f"open_day: field {key}: {day} is not in the years 1900 to 2099; check the year"
    )


@pytest.mark.parametrize("day", ["1900-01-01", "2099-12-31"])
def test_a_date_at_the_ends_of_those_years_is_taken(tmp_path: Path, day: str) -> None:
    (issued,) = read(tmp_path, f"- {{id: a, by: ann, do: open_day, date: {day}}}")

    assert issued.command == OpenDay(date=date.fromisoformat(day))


def test_an_id_stands_for_one_command_of_a_file(tmp_path: Path) -> None:
    entry = "- {id: a, by: ann, do: open_day, date: 2026-01-05}\n"

    assert fault(tmp_path, entry * 2) == "line 2 (command 2): id a stands at book.yaml line 1 (command 1) already"


def test_the_whole_file_is_read_before_anything_is_done(tmp_path: Path) -> None:
    """A misspelt last entry refuses the first."""
    good = "- {id: a, by: ann, do: open_day, date: 2026-01-05}\n"

    assert fault(tmp_path, f"{good}- {{id: b, by: ann, do: open_dai}}\n").startswith("line 2 (command 2), id b: ")


def test_every_pattern_of_a_command_says_in_words_what_to_write() -> None:
    models: list[type[Model]] = [*COMMANDS.values(), Meta]
    text = json.dumps([cls.model_json_schema() for cls in models])

    assert {json.loads(f'"{pattern}"') for pattern in re.findall(r'"pattern": "([^"]+)"', text)} <= set(SHAPES)


# -- a file that is wrong

FILES: dict[str, tuple[bytes, str]] = {
    "empty.yaml": (b"", "holds no commands; begin each command with `- id: …`"),
    "only comments.yaml": (b"# nothing yet\n\n", "holds no commands; begin each command with `- id: …`"),
    "empty.jsonl": (b"\n\n", "holds no commands; write one JSON object a line"),
    "one command.yaml": (
        b"id: a\nby: ann\ndo: open_day\n",
        "not a list of commands; begin each command with `- id: …`",
    ),
    "cut off.yaml": (
        b"- {id: a, by: ann, do: open_day, date: 2026-01-05}\n- {id: b, by: a",
        "line 2: while parsing a flow mapping, expected ',' or '}', but got '<stream end>'; mend the YAML there",
    ),
    "tab.yaml": (
        b"- id: a\n\tby: ann\n",
        "line 2: while scanning for the next token, found character '\\t' that cannot",
    ),
    "key twice.yaml": (
        b"- id: a\n  by: ann\n  do: open_day\n  date: 2026-01-05\n  date: 2026-01-06\n",
        "line 5: date is given twice; keep one",
    ),
    "two documents.yaml": (
        b"- {id: a}\n---\n- {id: b}\n",
        "line 2: expected a single document in the stream, but found",
    ),
    "tag.yaml": (
        b"- !!python/object/apply:os.system [ls]\n",
        "line 1: the tag !!python/object/apply:os.system is not taken; take it out",
    ),
    "merge.yaml": (
        b"- &x {id: a, by: ann, do: open_day, date: 2026-01-05}\n- {<<: {do: open_day}, id: b}\n",
        "line 2: `<<` is not taken; write the fields out",
    ),
    "itself.yaml": (b"- &a {id: a, by: ann, do: open_day, date: *a}\n", "line 1: the alias *a is not taken; write out"),
    "bomb.yaml": (BOMB, "line 2: the alias *a is not taken; write out what it stands for"),
    "deep.jsonl": (b"[" * 200_000, "line 1: is nested too deeply; write a command with its fields"),
    "nul.jsonl": (
        b'{"id": "a\\u0000b", "by": "ann", "do": "open_day", "date": "2026-01-05"}\n',
        "line 1, id a\\x00b: ",
    ),
    "deep.yaml": (b"- " + b"[" * 3000 + b"]" * 3000, "is nested too deeply"),
    "nul.yaml": (b"- {id: a,\n  by: a\x00nn}\n", "line 2: '\\x00' cannot stand in YAML; take it out"),
    "latin.yaml": ("- {id: ä}".encode("latin-1"), "byte 7 is not UTF-8; save the file as UTF-8"),
    "utf16.yaml": ("- {id: a}".encode("utf-16"), "byte 0 is not UTF-8; save the file as UTF-8"),
    "cut off.jsonl": (b'{"id": "a", "by": ', "line 1: not a JSON object: Expecting value at column 18"),
    "pretty.json": (b'{\n  "id": "a"\n}\n', "line 1: not a JSON object: "),
    "list.jsonl": (b'[{"id": "a"}]\n', "line 1: not a command; give it as `id:`, `do:` and its fields"),
    "key twice.jsonl": (b'{"id": "a", "id": "b"}\n', "line 1: not a JSON object: the key id is given twice"),
    "nan.jsonl": (b'{"id": "a", "amount_minor": NaN}\n', "line 1: not a JSON object: NaN is not a number of JSON"),
    "long.jsonl": (
        b'{"id": "a", "by": "ann", "do": "receive_money", "receipt": "R", "vendor": "v", "amount_minor": '
        + b"9" * 5000
        + b"}",
        f"line 1, id a: receive_money: field amount_minor: {'9' * 60}… has more than 28 digits",
    ),
    "float.jsonl": (
        b'{"id": "a", "by": "ann", "do": "receive_money", "receipt": "R", "vendor": "v", "amount_minor": 12.5}\n',
        "line 1, id a: receive_money: field amount_minor: 12.5 is not a whole number of minor units",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_cannot_be_read_says_where_and_what_to_do(tmp_path: Path, name: str) -> None:
    content, sentence = FILES[name]

    assert fault(tmp_path, content, name).startswith(sentence)


def test_a_file_that_is_not_there_is_named_with_its_path(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "nothing.yaml", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(FileFault) as refused:
            read_commands(path)
        assert str(refused.value) == f"{path}: cannot be read: {why}; check the path"
