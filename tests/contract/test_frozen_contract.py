"""Nothing that was published once changes under its readers."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator, FormatChecker
from pydantic import BaseModel

from domain.money import Currency
from projections.published.schemas import schema_of
from tests.contract import freeze as frozen
from tests.contract.freeze import ASYNCAPI_FILE, SAMPLE_FILES, SCHEMA_FILES, asyncapi_bytes, present_schemas
from tests.contract.reader import Schema, breaks, broken_readers, without_words

FREEZE = "run `python -m tests.contract.freeze` and commit what it wrote"
OFFICIAL = json.loads((Path(__file__).parent / "asyncapi" / "3.0.0.json").read_bytes())
PRESENT = present_schemas()


def of_title(title: str) -> tuple[str, int]:
    """The name and the version that a schema is titled with."""
    name, _, version = title.rpartition(".v")
    return name, int(version)


FROZEN: dict[tuple[str, int], Schema] = {
    of_title(path.stem): json.loads(path.read_bytes()) for path in SCHEMA_FILES.glob("*.json")
}


# -- frozen


@pytest.mark.parametrize("title", sorted(PRESENT))
def test_what_is_published_is_what_was_frozen(title: str) -> None:
    assert of_title(title) in FROZEN, f"{title} has no frozen schema; {FREEZE}"
    earlier, present = FROZEN[of_title(title)], PRESENT[title]
    assert without_words(present) == without_words(earlier), (
        f"somebody reads {title} as it was frozen: "
        + ("; ".join(breaks(earlier, present)) or "it only gained, but under the same name")
        + f". Give the event its next version (with an upcast, `unchanged` if its stored bytes stay), then {FREEZE}"
    )


def test_no_version_breaks_a_reader_of_the_one_before() -> None:
    present = {of_title(title): schema for title, schema in PRESENT.items()}
    assert broken_readers({**present, **FROZEN}) == []


def test_nothing_that_was_published_is_forgotten() -> None:
    present = dict(map(of_title, PRESENT))
    for name, version in FROZEN:
        assert name in present, f"somebody reads {name}; nothing publishes it any more"
        assert version <= present[name]


@pytest.mark.parametrize("path", sorted(SAMPLE_FILES.glob("*.json")), ids=lambda path: path.stem)
def test_a_frozen_sample_is_what_its_schema_says(path: Path) -> None:
    sample = json.loads(path.read_bytes())
    Draft7Validator(FROZEN[of_title(path.stem)], format_checker=FormatChecker()).validate(sample["body"])
    Draft7Validator(FROZEN["trailbook.headers", 1], format_checker=FormatChecker()).validate(sample["headers"])
    assert sample["headers"]["ce_type"] == path.stem


def test_every_published_version_has_a_sample() -> None:
    titles = {path.stem for path in SAMPLE_FILES.glob("*.json")}
    assert titles == {f"{name}.v{version}" for name, version in FROZEN if name != "trailbook.headers"}, FREEZE


def test_freezing_never_overwrites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CONTRACT", "SCHEMA_FILES", "SAMPLE_FILES"):
        monkeypatch.setattr(frozen, name, tmp_path / name)
    monkeypatch.setattr(frozen, "ASYNCAPI_FILE", tmp_path / "asyncapi.json")
    kept = tmp_path / "SCHEMA_FILES" / "trailbook.deal.won.v1.json"
    kept.parent.mkdir()
    kept.write_bytes(b"kept")
    written = frozen.freeze()
    assert kept.read_bytes() == b"kept"
    assert kept not in written
    assert len(written) == 2 * len(PRESENT) - 1  # a schema and a sample each; the headers have no sample; the document
    assert frozen.freeze() == []


# -- what breaks a reader


STATEMENT = PRESENT["trailbook.vendor_statement.received.v1"]
PLAN = PRESENT["trailbook.plan.version_published.v2"]


def changed(schema: Schema, *path: str | int, to: Any = None, gone: bool = False) -> Schema:
    """The schema with one place of it set, or taken away."""
    later = deepcopy(schema)
    node: Any = later
    for step in path[:-1]:
        node = node[step]
    if gone:
        node.remove(to) if isinstance(node := node[path[-1]], list) else node.pop(to)
    else:
        node[path[-1]] = to
    return later


LINE = ("properties", "lines", "items", "properties")
PAYS = ("properties", "rules", "items", "properties", "pay", "oneOf")

BREAKING = [
    (STATEMENT, changed(STATEMENT, "properties", to="currency", gone=True), "`currency` is gone"),
    (
        STATEMENT,
        changed(STATEMENT, "properties", to={**STATEMENT["properties"], "currency": {"type": "integer"}}),
        "`currency` was string and is integer",
    ),
    (STATEMENT, changed(STATEMENT, *LINE, to="line", gone=True), "`lines[].line` is gone"),
    (
        STATEMENT,
        changed(STATEMENT, *LINE, "line_type", "enum", to="chargeback", gone=True),
        "`lines[].line_type` is never 'chargeback' any more",
    ),
    (
        STATEMENT,
        changed(STATEMENT, *LINE, "line_type", to={"type": "string"}),
        "'retroactive', 'correction'] and is any value",
    ),
    (
        STATEMENT,
        changed(STATEMENT, *LINE, "commission_minor", to={"type": "integer", "x-unit": "minor units of currency"}),
        "`lines[].commission_minor` was integer or string and is integer",
    ),
    (
        STATEMENT,
        changed(STATEMENT, "properties", "control_total_minor", "x-unit", to="units of currency"),
        "`control_total_minor` had x-unit minor units of currency and has units of currency",
    ),
    (
        STATEMENT,
        changed(STATEMENT, "required", to="control_total_minor", gone=True),
        "`control_total_minor` was always there and may be missing",
    ),
    (STATEMENT, changed(STATEMENT, *LINE, "line", "minimum", to=0), "`lines[].line` had minimum 1 and has 0"),
    (
        STATEMENT,
        changed(STATEMENT, "properties", "vendor", "pattern", to="^[a-z]{0,9}$"),
        "`vendor` had pattern ^[a-z0-9][a-z0-9._-]{0,79}$ and has ^[a-z]{0,9}$",
    ),
    (
        STATEMENT,
        changed(STATEMENT, "x-topic", to="payouts"),
        "the message had x-topic vendor-statements and has payouts",
    ),
    (PLAN, changed(PLAN, *PAYS, 3, "properties", to="amount_minor", gone=True), "<flat>.amount_minor` is gone"),
    (PLAN, changed(PLAN, *PAYS, to=PLAN["properties"]["rules"]["items"]["properties"]["pay"]["oneOf"][1:]), "is never"),
]


@pytest.mark.parametrize(("earlier", "later", "says"), BREAKING, ids=lambda v: v if isinstance(v, str) else "")
def test_a_change_that_breaks_a_reader_is_refused_by_schema_and_field(
    earlier: Schema, later: Schema, says: str
) -> None:
    found = breaks(earlier, later)
    assert len(found) == 1
    assert found[0].startswith(earlier["title"] + ": ")
    assert says in found[0]


def test_a_renamed_field_is_gone() -> None:
    renamed = {"rows" if name == "lines" else name: field for name, field in STATEMENT["properties"].items()}
    assert breaks(STATEMENT, {**STATEMENT, "properties": renamed}) == [
        "trailbook.vendor_statement.received.v1: `lines` is gone"
    ]


class Line(BaseModel):
    commission_minor: int


class LineWithCurrency(Line):
    currency: Currency


class Totals(BaseModel):
    currency: Currency
    lines: tuple[Line, ...]


class TotalsOfManyCurrencies(BaseModel):
    currency: Currency
    lines: tuple[LineWithCurrency, ...]


def test_a_new_field_that_known_amounts_have_to_be_read_with_is_refused() -> None:
    """A reader who passes over the new currency takes the amounts for those of the old one."""
    earlier, later = (schema_of(model, "totals", 1, "vendor-statements") for model in (Totals, TotalsOfManyCurrencies))
    assert breaks(earlier, later) == [
        "trailbook.totals.v1: `lines[].commission_minor` had x-unit minor units of currency and has minor units of "
        "lines[].currency"
    ]


def test_each_version_is_held_to_the_last_one_before_it() -> None:
    without_digest = changed(STATEMENT, "properties", to="file_digest", gone=True)
    versions = {("s", 10): without_digest, ("s", 2): STATEMENT, ("s", 9): STATEMENT, ("t", 1): PLAN}
    assert broken_readers(versions) == ["trailbook.vendor_statement.received.v1: `file_digest` is gone"]


FURTHER_PAY = {"type": "object", "properties": {"kind": {"const": "tiered", "type": "string"}}, "required": ["kind"]}
ADDITIVE = {
    "a field": changed(STATEMENT, *LINE, "tax_minor", to={"type": "integer"}),
    "a field that is always there": changed(
        changed(STATEMENT, "properties", "line_total", to={"type": "integer"}),
        "required", to=[*STATEMENT["required"], "line_total"],
    ),
    "a value": changed(STATEMENT, *LINE, "month_basis", "enum", to=["stated", "derived", "unknown", "guessed"]),
    "what is now always there": changed(STATEMENT, "required", to=[*STATEMENT["properties"]]),
    "other words": changed(STATEMENT, "description", to="Said better."),
}  # fmt: skip


@pytest.mark.parametrize("later", ADDITIVE.values(), ids=ADDITIVE)
def test_what_is_only_added_passes(later: Schema) -> None:
    assert later != STATEMENT
    assert breaks(STATEMENT, later) == []


def test_a_further_variant_of_a_union_by_kind_passes() -> None:
    pays = PLAN["properties"]["rules"]["items"]["properties"]["pay"]["oneOf"]
    assert breaks(PLAN, changed(PLAN, *PAYS, to=[*pays, FURTHER_PAY])) == []


# -- the AsyncAPI document


def test_the_asyncapi_document_says_what_is_published() -> None:
    assert ASYNCAPI_FILE.read_bytes() == asyncapi_bytes(), FREEZE


def test_the_asyncapi_document_is_valid_by_the_official_schema() -> None:
    validator = Draft7Validator(OFFICIAL)
    assert [error.message for error in validator.iter_errors(json.loads(ASYNCAPI_FILE.read_bytes()))] == []


DEALS = ("channels", "deals")
BINDINGS = (*DEALS, "bindings", "kafka")


@pytest.mark.parametrize(
    ("path", "wrong"),
    [
        ((*DEALS, "messages", "trailbook.deal.won.v1"), {"payloads": {}}),
        ((*BINDINGS, "partitions"), 0),
        ((*BINDINGS, "replication"), 3),
        ((*BINDINGS, "topicConfiguration", "cleanup.policy"), "delete"),
        ((*BINDINGS, "topicConfiguration", "retention.ms"), "for ever"),
        (("components", "messages", "trailbook.deal.won.v1", "bindings", "kafka", "key"), "text"),
    ],
    ids=lambda value: ".".join(value[-2:]) if isinstance(value, tuple) else "",
)
def test_the_official_schema_finds_a_fault_that_was_put_in(path: tuple[str, ...], wrong: Any) -> None:
    """Kafka's bindings among them: a schema that passed over them would let anything stand there."""
    document = json.loads(ASYNCAPI_FILE.read_bytes())
    assert list(Draft7Validator(OFFICIAL).iter_errors(changed(document, *path, to=wrong)))


def test_every_reference_of_the_document_leads_somewhere() -> None:
    document = json.loads(ASYNCAPI_FILE.read_bytes())

    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return own + [ref for value in node.values() for ref in references(value)]
        return [ref for value in node for ref in references(value)] if isinstance(node, list) else []

    found = references(document)
    assert len(found) > 2 * len(PRESENT)
    for reference in found:
        node = document
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]
