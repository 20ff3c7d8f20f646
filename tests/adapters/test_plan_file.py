"""Plan files: what may stand in one, and for everything else each fault with its line, all of them."""

import tempfile
from contextlib import suppress
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adapters.faults import FileFault
from adapters.plan_file import LinedPlan, PlanFile, PlanFileFaults, as_yaml, plan_schema, read_plan
from adapters.yaml_file import read_lined
from domain.plan import AppliesTo, Cohort, Flat, PercentOfCommission, Rule
from services.plan_examples import try_examples
from tests.adapters.test_command_file import BOMB

PLANS = sorted((Path(__file__).parents[1] / "system" / "plans").glob("*.yaml"))
HEAD = "plan: standard\n"
VERSIONS = """versions:
  - version: 1
    rules:
      - {rule: residual, pay: {kind: percent-of-commission, rate: 80%}}
"""
EXAMPLES = """examples:
  - example: Four fifths
    agents: [harbor]
    lines: [{month: 2026-01, amount: 100.00}]
    expect: [{payee: harbor, month: 2026-01, amount: 80.00}]
"""


def read(tmp_path: Path, text: str | bytes) -> LinedPlan:
    path = tmp_path / "standard.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_plan(path)


def faults(tmp_path: Path, text: str) -> list[str]:
    """Every fault of the file, without its name."""
    with pytest.raises(PlanFileFaults) as refused:
        read(tmp_path, text)
    assert all("\n" not in fault for fault in refused.value.faults)
    return [fault.removeprefix("standard.yaml ") for fault in refused.value.faults]


def version(*rules: str, more: str = "") -> str:
    """A plan file with these rules from its line 5 on, in one version, and an example after them."""
    return f"{HEAD}versions:\n  - version: 1\n    rules:\n" + "".join(f"    - {r}\n" for r in rules) + more + EXAMPLES


def example(facts: str) -> str:
    """A plan file with one example, whose facts begin in its line 9."""
    return f"{HEAD}{VERSIONS}examples:\n  - example: One\n    agents: [harbor]\n    {facts}\n"


# -- what is taken


def test_a_file_is_a_plan_with_its_versions_and_the_examples_that_they_pass(tmp_path: Path) -> None:
    plan = read(tmp_path, HEAD + VERSIONS + EXAMPLES)

    (proposal,) = (version.proposal(plan.file.plan) for version in plan.file.versions)
    eighty = PercentOfCommission(kind="percent-of-commission", rate=Decimal("0.80"))
    assert (proposal.plan, proposal.plan_version) == ("standard", 1)
    assert proposal.rules == (Rule(rule="residual", pay=eighty),)
    assert [one.example for one in plan.file.examples] == ["Four fifths"]
    assert plan.where(("versions", 0, "rules", 0)) == "standard.yaml line 5"


def test_a_version_says_whom_it_applies_to_what_it_ends_with_and_why(tmp_path: Path) -> None:
    text = VERSIONS + (
        "    because: >\n      lifted for those\n      who had renewed\n"
        "    applies_to: {kind: cohort, contracts: renewed, cohort_from: 2009-01-01, cohort_until: 2010-06-01,"
        " from: 2010-06-01}\n"
        "    ends_with: [contract-term, vendor-agreement]\n    reversals: schedule-of-today\n"
    )

    proposal = read(tmp_path, HEAD + text + EXAMPLES).file.versions[0].proposal("standard")

    cohort: AppliesTo = Cohort(
        kind="cohort",
        contracts="renewed",
        cohort_from=date(2009, 1, 1),
        cohort_until=date(2010, 6, 1),
        from_=date(2010, 6, 1),
    )
    assert proposal.because == "lifted for those who had renewed"
    assert proposal.applies_to == cohort
    assert proposal.ends_with == ("contract-term", "vendor-agreement")
    assert proposal.reversals == "schedule-of-today"


def test_a_flat_amount_is_written_in_units_of_its_currency(tmp_path: Path) -> None:
    plan = read(tmp_path, version("{rule: flat, pay: {kind: flat, amount: 12.50}}"))

    assert plan.file.versions[0].proposal("standard").rules[0].pay == Flat(kind="flat", amount_minor=1250)


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_the_plans_of_the_tests_are_without_a_fault(path: Path) -> None:
    assert read_plan(path).file.examples


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_the_published_schema_takes_what_the_program_takes(path: Path) -> None:
    as_json = orjson.loads(orjson.dumps(read_lined(path)[0], default=float))

    jsonschema.validate(as_json, plan_schema())


@pytest.mark.parametrize(
    "facts",
    [
        "colour: blue\n    expect: [{payee: harbor, month: 2026-01, amount: 80.00}]",
        "expect: [{payee: harbor, month: January, amount: 80.00}]",
        "expect: [{payee: harbor, month: 2026-01, amount: much}]",
        "expect: []",
    ],
)
def test_the_published_schema_refuses_what_the_program_refuses(facts: str, tmp_path: Path) -> None:
    path = tmp_path / "standard.yaml"
    path.write_text(example(facts))
    as_json = orjson.loads(orjson.dumps(read_lined(path)[0], default=float))

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(as_json, plan_schema())
    with pytest.raises(PlanFileFaults):
        read_plan(path)


# -- what is refused, with its line


def test_every_fault_of_a_file_is_listed_with_its_line(tmp_path: Path) -> None:
    text = (
        f"{HEAD}versions:\n  - version: one\n    applies_to: {{kind: sometimes}}\n    rules:\n"
        "    - rule: residual\n      pay:\n        kind: percent-of-commission\n        rate: eighty\n"
        "    - {rule: spiff, pay: {kind: flat}}\n    colour: blue\n" + EXAMPLES
    )

    assert faults(tmp_path, text) == [
        "line 3: field versions.0.version: should be a valid integer, unable to parse string as an integer, "
        "but is 'one'",
        "line 4: field versions.0.applies_to.kind: there is no 'sometimes'; write service-months-from, "
        "signed-or-renewed-from, from-renewal, cohort, as-contracts-expire or retroactive",
        "line 9: field versions.0.rules.0.pay.rate: 'eighty' is not a number",
        "line 10: field versions.0.rules.1.pay.amount is missing; add it",
        "line 11: there is no field versions.0.colour; take it out or correct its name",
    ]


def test_what_the_house_would_refuse_of_rules_is_said_at_the_rule_with_which_it_comes(tmp_path: Path) -> None:
    rules = (
        "{rule: residual, pay: {kind: percent-of-commission, rate: 80%}}",
        "{rule: all, pay: {kind: percent-of-commission, rate: 70%}}",
        "{rule: usage, when: {charge_kind: usage}, pay: {kind: percent-of-mrc, rate: 10%}}",
        "{rule: cent, when: {product: a}, pay: {kind: flat, amount: 0.005}}",
    )

    assert faults(tmp_path, version(*rules)) == [
        "line 6: version 1 of plan standard: rules residual and all are for the same items; keep one",
        "line 7: version 1 of plan standard: rule usage pays percent-of-mrc on charge kind recurring only, and is for "
        "usage; name recurring or no charge kind",
        "line 8: rule cent: 0.005 USD is below a minor unit; write it exactly, like 12.00",
    ]


def test_what_the_house_would_refuse_of_a_version_as_a_whole_is_said_once(tmp_path: Path) -> None:
    later = (
        "  - version: 2\n    applies_to: {kind: cohort, cohort_from: 2010-06-01, cohort_until: 2009-01-01, "
        "from: 2010-06-01}\n    rules: [{rule: residual, pay: {kind: percent-of-commission, rate: 8%}}]\n"
    )

    (fault,) = faults(tmp_path, HEAD + VERSIONS + later + EXAMPLES)

    assert fault.startswith("line 6: version 2 of plan standard: its cohort ends on 2009-01-01")


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ("lines: [{month: 2026-13, amount: 1}]\n    expect: [{payee: harbor, month: 2026-01, amount: 1}]",
         "line 9: field examples.0.lines.0.month: '2026-13' does not fit; write a month like 2026-02"),
        ("expect: [{payee: harbor, month: 2026-01, amount: 12.005}]",
         "line 9: 12.005 USD is below a minor unit; write it exactly, like 12.00"),
        ("expect: [{payee: harbor, month: 2026-01, amount: 12%}]",
         "line 9: field examples.0.expect.0.amount: 12% is a percentage; write an amount like 12.00"),
        ("lines: [{month: 2026-01, amount: 1000000000000000}]\n"
         "    expect: [{payee: harbor, month: 2026-01, amount: 1}]",
         "line 9: 1000000000000000 USD is not an amount of this business; check its digits"),
        ("lines: [{month: 2099-12, amount: 1}]\n    expect: [{payee: harbor, month: 2026-01, amount: 1}]",
         "line 9: a line for 2099-12 is reported in the month after, which is beyond 2099; check the year"),
        ("expect: [{payee: haven, month: 2026-01, amount: 1}]",
         "line 9: haven is no agent of this example; name one of them, or house"),
        ("expect:\n    - {payee: harbor, month: 2026-01, through: 2026-03, amount: 1}\n"
         "    - {payee: harbor, month: 2026-02, charge_kind: spiff, amount: 1}",
         "line 11: what harbor has of 2026-02 is said twice; keep one"),
        ("expect: [{payee: harbor, month: 2026-01, through: 2025-12, amount: 1}]",
         "line 9: through 2025-12 is not within ten years after 2026-01; exchange the months"),
        ("lines: [{month: 2026-01, amount: 1, service: fiber}]\n"
         "    expect: [{payee: harbor, month: 2026-01, amount: 1}]",
         "line 9: no contract of this example has a service fiber; order it there"),
        ("lines:\n    - {month: 2026-01, amount: 1, product: sip, category: voice}\n"
         "    - {month: 2026-01, amount: 1, product: sip, category: data}\n"
         "    expect: [{payee: harbor, month: 2026-01, amount: 1}]",
         "line 11: product sip is of category voice above; a product has one category"),
    ],
)  # fmt: skip
def test_an_example_that_cannot_be_told_is_refused_at_the_line_that_says_so(
    facts: str, fault: str, tmp_path: Path
) -> None:
    assert faults(tmp_path, example(facts)) == [fault]


@pytest.mark.parametrize(
    ("agents", "fault"),
    [
        ("[{agent: harbor, plan: gold}]",
         "line 8: there is no plan gold in this file; write what it pays under other_plans"),
        ("[{agent: harbor, upline: keystone}]",
         "line 8: keystone is no agent of this example; add it to the agents"),
        ("[harbor, harbor]", "line 8: harbor stands for somebody else already; give this agent another name"),
        ("[harbor, house]", "line 8: house stands for somebody else already; give this agent another name"),
    ],
)  # fmt: skip
def test_an_agent_of_an_example_stands_on_a_plan_of_the_file_and_below_another_of_its_agents(
    agents: str, fault: str, tmp_path: Path
) -> None:
    text = example("expect: [{payee: harbor, month: 2026-01, amount: 1}]").replace("[harbor]", agents)

    assert faults(tmp_path, text) == [fault]


def test_versions_stand_in_order_and_examples_are_called_differently(tmp_path: Path) -> None:
    twice = EXAMPLES + EXAMPLES.removeprefix("examples:\n")

    assert faults(tmp_path, HEAD + VERSIONS.replace("version: 1", "version: 2") + twice) == [
        "line 3: version 2 stands as number 1; write versions 1, 2, 3 … in order",
        "line 11: two examples are called so; say what is different in this one",
    ]


def test_a_plan_without_examples_is_not_tested_and_not_taken(tmp_path: Path) -> None:
    assert faults(tmp_path, HEAD + VERSIONS) == ["line 1: field examples is missing; add it"]
    (fault,) = faults(tmp_path, f"{HEAD}{VERSIONS}examples: []\n")
    assert fault.startswith("line 6: field examples: tuple should have at least 1 item")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (BOMB, "standard.yaml line 2: the alias *a is not taken; write out what it stands for"),
        (b"plan: a\nplan: b\n", "standard.yaml line 2: plan is given twice; keep one"),
        (b"plan: [\n", "standard.yaml line 2: "),
        (b"a: " + b"[" * 5000 + b"]" * 5000, "standard.yaml: is nested too deeply; write fields with their values"),
        (b"\xff\xfe", "byte 0 is not UTF-8; save the file as UTF-8"),
    ],
    ids=["bomb", "twice", "open", "deep", "bytes"],
)
def test_yaml_that_cannot_be_read_is_refused_in_one_sentence(text: bytes, fault: str, tmp_path: Path) -> None:
    with pytest.raises(FileFault) as refused:
        read(tmp_path, text)
    assert fault in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "- a\n", "1\n", "text\n", "plan: 2026-01-05\nversions: x\nexamples: {}\n"])
def test_what_is_no_plan_at_all_is_refused_with_a_line(text: str, tmp_path: Path) -> None:
    assert faults(tmp_path, text)[0].startswith("line 1: ")


# -- written


@pytest.mark.parametrize("path", PLANS, ids=lambda path: path.stem)
def test_versions_are_written_as_they_are_read(path: Path, tmp_path: Path) -> None:
    plan = read_plan(path).file
    versions = [version.proposal(plan.plan) for version in plan.versions]

    again = read(tmp_path, as_yaml(plan.plan, versions) + EXAMPLES).file

    assert [version.proposal(again.plan) for version in again.versions] == versions


def test_what_is_written_is_what_a_person_would_write(tmp_path: Path) -> None:
    rules = (
        "{rule: residual, pay: {kind: percent-of-commission, rate: 0.125}}",
        "{rule: port, when: {product: port}, pay: {kind: flat, amount: 3, currency: MRU}}",
        "{rule: line, when: {product: line}, pay: {kind: flat, amount: 1500}}",
        "{rule: welcome, when: {category: sd-wan}, pay: {kind: multiple-of-mrc-once, multiple: 1}}",
    )
    plan = read(tmp_path, version(*rules)).file

    assert as_yaml(plan.plan, [plan.versions[0].proposal(plan.plan)]) == (
        "plan: standard\n\nversions:\n  - version: 1\n    rules:\n"
        "      - rule: residual\n        pay: {kind: percent-of-commission, rate: 12.5%}\n"
        "      - rule: port\n        when: {product: port}\n        pay: {kind: flat, amount: 3.0, currency: MRU}\n"
        "      - rule: line\n        when: {product: line}\n        pay: {kind: flat, amount: 1500.00}\n"
        "      - rule: welcome\n        when: {category: sd-wan}\n"
        "        pay: {kind: multiple-of-mrc-once, multiple: 1}\n"
    )


# -- nonsense

names = sorted({"from", "kind", "plan", "agent", *PlanFile.model_json_schema()["$defs"]}) + [
    name for schema in PlanFile.model_json_schema()["$defs"].values() for name in schema.get("properties", {})
]
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.dates()
    | st.text(max_size=12)
    | st.sampled_from(["80%", "2026-01", "2009-06-15", "harbor", "flat", "cohort", "-1.00", "1e400", "0x1F", "spiff"])
)
nonsense = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(names) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=20,
)


def taken_or_refused(content: bytes) -> None:
    """A plan whose examples can be run, or a refusal in sentences; whatever else comes out is a bug."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plan.yaml"
        path.write_bytes(content)
        with suppress(FileFault, PlanFileFaults):
            try_examples(read_plan(path))


ordinary = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


@ordinary
@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_nonsense_is_refused_in_sentences(content: bytes) -> None:
    taken_or_refused(content)


@ordinary
@given(nonsense)
def test_nonsense_in_the_shape_of_a_plan_is_refused_in_sentences(value: Any) -> None:
    taken_or_refused(yaml.safe_dump(value, allow_unicode=True).encode("utf-8", "surrogatepass"))


@ordinary
@given(st.data())
def test_a_real_plan_with_one_value_exchanged_is_taken_or_refused_in_sentences(data: st.DataObject) -> None:
    whole: Any = yaml.load(data.draw(st.sampled_from(PLANS)).read_text(), Loader=yaml.BaseLoader)
    here = whole
    while True:
        keys = list(here) if isinstance(here, dict) else range(len(here))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(here[key], dict | list) or not here[key] or data.draw(st.integers(0, 9)) == 0:
            break
        here = here[key]
    here[key] = data.draw(nonsense)
    taken_or_refused(yaml.safe_dump(whole, allow_unicode=True).encode("utf-8", "surrogatepass"))


def test_too_many_of_something_says_how_many_there_may_be(tmp_path: Path) -> None:
    versions = "".join(f"  - {{version: {n}}}\n" for n in range(1, 202))
    assert faults(tmp_path, f"plan: x\nversions:\n{versions}{EXAMPLES}") == [
        "line 2: field versions has 201 entries; write at most 200"
    ]


def test_a_version_with_nothing_but_its_number_is_written_as_the_others(tmp_path: Path) -> None:
    plan = read(tmp_path, "plan: x\nversions:\n  - {version: 1, because: so}\n" + EXAMPLES).file
    assert as_yaml("x", [plan.versions[0].proposal("x")]) == ("plan: x\n\nversions:\n  - version: 1\n    because: so\n")


def test_a_device_that_never_ends_is_no_file() -> None:
    with pytest.raises(FileFault, match=r"^/dev/zero is a device and no file; name a file$"):
        read_plan(Path("/dev/zero"))
