"""The AsyncAPI 3.0 document of what the house sends, from the same models as the messages."""

from typing import Any

from projections.published.messages import CONTENT_TYPE, ce_type
from projections.published.schemas import DIALECT, HEADERS, published_schemas
from projections.published.topics import CARRIES, MAX_MESSAGE_BYTES, PARTITIONS, REPLICAS, RETENTION_DAYS, Topic

Document = dict[str, Any]

DESCRIPTION = """\
What Trailbook tells other systems: every event of the house that concerns them, and every entry of its ledger.

- The key is the stream's id, or the ledger account of an entry. Under one key messages come in order. A message may
  come again, under the same ce_id: drop what you have. Under a stream's key ce_streamversion has no gap.
- ce_type names the schema of the body. An event of an older version is sent in its present one.
- Pass over fields, values of an enumeration and variants of a union by `kind` that you do not know: a later version may
  add them. It removes, renames and narrows nothing.
- Amounts are whole minor units; `x-unit` names the field that says their currency. A vendor's figure below a minor
  unit is an exact decimal of minor units, as text. Entries of one posting sum to zero; a credit is above zero.
- A topic `{house}.<topic>.replay.<name>` is history sent once more, under the same ce_id, marked with ce_replay.
- Who did it, who signed, what a person wrote and what a vendor printed are left out.
- Read committed.
- Partitions, replicas, retention and the greatest message are what topics are created with unless a house says
  otherwise."""

DAY_MS = 24 * 60 * 60 * 1000
BINDING = "0.5.0"
"""Of Kafka, in the terms of AsyncAPI's bindings."""


def asyncapi() -> Document:
    """The document; the house's name is a parameter of every address.

    Its version counts what was ever published: it rises with every event and every version of one, and of the headers.
    """
    published = list(published_schemas())
    topics = list(CARRIES)
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Trailbook, downstream",
            "version": f"1.{sum(version for _, version, _, _ in published) + _headers_version() - 1}.0",
            "description": DESCRIPTION,
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {
            topic: _channel(topic, [ce_type(name, version) for name, version, to, _ in published if to == topic])
            for topic in topics
        },
        "operations": {f"send-{topic}": _operation(topic) for topic in topics},
        "components": {
            "messages": {
                ce_type(name, version): _message(name, version, schema) for name, version, _, schema in published
            },
            "schemas": {
                HEADERS["title"]: _embedded(HEADERS),
                **{schema["title"]: _embedded(schema) for _, _, _, schema in published},
            },
        },
    }


def _headers_version() -> int:
    return int(HEADERS["title"].rpartition(".v")[2])


def _channel(topic: Topic, messages: list[str]) -> Document:
    return {
        "address": f"{{house}}.{topic}",
        "description": CARRIES[topic],
        "parameters": {"house": {"description": "The house's name.", "default": "trailbook"}},
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "kafka": {
                "partitions": PARTITIONS,
                "replicas": REPLICAS,
                "topicConfiguration": {
                    "cleanup.policy": ["delete"],
                    "retention.ms": -1 if RETENTION_DAYS is None else RETENTION_DAYS * DAY_MS,
                    "max.message.bytes": MAX_MESSAGE_BYTES,
                },
                "bindingVersion": BINDING,
            }
        },
    }


def _operation(topic: Topic) -> Document:
    return {"action": "send", "channel": {"$ref": f"#/channels/{topic}"}, "summary": CARRIES[topic]}


def _message(name: str, version: int, schema: Document) -> Document:
    own_type = ce_type(name, version)
    return {
        "name": own_type,
        "summary": " ".join(schema["description"].partition("\n\n")[0].split()),
        "contentType": CONTENT_TYPE,
        "headers": {
            "allOf": [
                {"$ref": f"#/components/schemas/{HEADERS['title']}"},
                {"type": "object", "properties": {"ce_type": {"const": own_type}}},
            ]
        },
        "payload": {"$ref": f"#/components/schemas/{own_type}"},
        "bindings": {"kafka": {"key": {"type": "string"}, "bindingVersion": BINDING}},
    }


def _embedded(schema: Document) -> Document:
    """A schema within the document, whose dialect it has."""
    return {key: value for key, value in schema.items() if (key, value) != ("$schema", DIALECT)}
