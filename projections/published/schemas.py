"""JSON Schema of what is published, from the models, without what is left out.

A schema says what a version's messages hold; a reader passes over fields and values that it does not know. Fields
that are always there are required. Nothing refers to anything outside the schema or is said by reference, so that a
field has one path. ``x-topic`` and ``x-unit`` are part of the contract like a field's type.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel

from projections.published.bodies import LeftOut, left_out, paths
from projections.published.entries import LedgerEntry
from projections.published.messages import CONTENT_TYPE, ce_type
from projections.published.topics import Topic, published_events

DIALECT = "http://json-schema.org/draft-07/schema#"
"""The dialect that AsyncAPI 3.0 builds on."""

Schema = dict[str, Any]

HEADERS: Schema = {
    "$schema": DIALECT,
    "title": "trailbook.headers.v2",
    "description": "CloudEvents 1.0 in the Kafka protocol's binary mode: each header is UTF-8 text.",
    "type": "object",
    "properties": {
        "ce_specversion": {"type": "string", "enum": ["1.0"]},
        "ce_id": {
            "type": "string",
            "description": "Stable id of the event (stream@version) or of the ledger entry. A message may come again, "
            "always under the same id.",
        },
        "ce_source": {"type": "string", "format": "uri-reference", "description": "/trailbook/<house>"},
        "ce_type": {"type": "string", "description": "trailbook.<name>.v<version>: names the schema of the body."},
        "ce_subject": {"type": "string", "description": "The message's key: the stream's id, or the ledger account."},
        "ce_time": {"type": "string", "format": "date-time", "description": "When it was recorded, UTC."},
        "ce_position": {
            "type": "string",
            "pattern": "^[1-9][0-9]*$",
            "description": "Place in the house's log: of the event, or of the event that an entry was posted for.",
        },
        "ce_streamversion": {
            "type": "string",
            "pattern": "^[1-9][0-9]*$",
            "description": "Place in the stream, from 1 without a gap. Ledger entries have none.",
        },
        "ce_effectivedate": {"type": "string", "format": "date", "description": "When it holds in the world."},
        "ce_correlationid": {"type": "string", "description": "The command that it came of, the same for all of them."},
        "ce_causationid": {"type": "string", "description": "ce_id of the earlier published event that it came of."},
        "ce_replay": {
            "type": "string",
            "description": "Only in the topic of a replay: its name. The live topic has, or had, the same message, "
            "under the same ce_id.",
        },
        "content-type": {"type": "string", "enum": [CONTENT_TYPE]},
    },
    "required": [
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_subject",
        "ce_time",
        "ce_position",
        "ce_effectivedate",
        "ce_correlationid",
        "content-type",
    ],
}


def published_schemas() -> Iterator[tuple[str, int, Topic, Schema]]:
    """Name, version, topic and schema of everything that is published, in order of names; the ledger's entry last."""
    for event, topic in published_events():
        yield event.topic, event.version, topic, schema_of(event, event.topic, event.version, topic)
    entry = LedgerEntry
    yield entry.name, entry.version, entry.topic, schema_of(entry, entry.name, entry.version, entry.topic)


def schema_of(model: type[BaseModel], name: str, version: int, topic: Topic) -> Schema:
    """The schema of a body, in its present version."""
    written, left = model.model_json_schema(mode="serialization"), left_out(model)
    body = _published(written, written.get("$defs", {}), left, _Where())
    words = " ".join(filter(None, (_in_words(model.__name__), body.get("description"))))
    named = {"$schema": DIALECT, "title": ce_type(name, version)}
    return {**named, **body, "description": words, "x-topic": topic, "x-left-out": dict(paths(left))}


def _in_words(name: str) -> str:
    """``AgentOfRecordChanged``: "Agent of record changed."."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).capitalize() + "."


class _Where(NamedTuple):
    """Where in a body a field stands, and the field that says the currency of the amounts there."""

    path: str = ""
    currency: str = ""

    def within(self, name: str) -> "_Where":
        return self._replace(path=f"{self.path}.{name}".lstrip("."))


def _published(node: Any, defs: Mapping[str, Any], left: LeftOut, where: _Where) -> Any:
    """A node as readers see it: references resolved, what is left out gone, what is not known not named."""
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _published(defs[node["$ref"].rpartition("/")[2]], defs, left, where)
    kept = {key: value for key, value in node.items() if key not in _OUR_OWN}
    for key in ("anyOf", "oneOf"):
        if key in kept:
            kept[key] = [_published(inner, defs, left, where) for inner in kept[key] if inner != {"type": "null"}]
    if "items" in kept:
        kept["items"] = _published(kept["items"], defs, left, where._replace(path=f"{where.path}[]"))
    if "properties" in kept:
        named = {name: inner for name, inner in kept["properties"].items() if not isinstance(left.get(name), str)}
        if "currency" in named:
            where = where._replace(currency=where.within("currency").path)
        kept["required"] = [name for name, inner in named.items() if {"type": "null"} not in inner.get("anyOf", ())]
        kept["properties"] = {
            name: _measured(name, _published(inner, defs, _within(left, name), where.within(name)), where.currency)
            for name, inner in named.items()
        }
    (only,) = kept["anyOf"] if len(kept.get("anyOf", ())) == 1 else ({},)
    return {**{key: value for key, value in kept.items() if not only or key != "anyOf"}, **only}


_OUR_OWN = frozenset({"$defs", "title", "default", "additionalProperties", "discriminator", "gt", "ge", "lt", "le"})
"""What a schema says for us: a reader has no defaults to fill in, and passes over what it does not know. The bounds of
decimals that travel as text are no words of JSON Schema."""


def _within(left: LeftOut, name: str) -> LeftOut:
    inner = left.get(name)
    return inner if inner is not None and not isinstance(inner, str) else {}


def _measured(name: str, node: Schema, currency: str) -> Schema:
    """The field with its unit, where its name has one. An amount names the field that says its currency."""
    if name.endswith("_minor"):
        kinds = [{**kind, "pattern": _BELOW_ONE} if kind == _TEXT else kind for kind in node.get("anyOf", ())]
        return {**node, **({"anyOf": kinds} if kinds else {}), "x-unit": f"minor units of {currency}"}
    if node == _TEXT and name.endswith(("rate", "multiple")):
        return {**node, "pattern": _DECIMAL, "x-unit": "an exact factor: 0.8 is 80%"}
    return node


_TEXT = {"type": "string"}
_DECIMAL, _BELOW_ONE = r"^-?[0-9]+(\.[0-9]+)?$", r"^-?[0-9]+\.[0-9]+$"
