"""``python -m tests.contract.freeze`` freezes what downstream systems build on, in ``deploy/contract``.

Schemas and sample messages of a version are only ever added. ``asyncapi.json`` says all that is sent at present, and is
written anew.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from domain.message import Recorded
from projections.published.asyncapi import asyncapi
from projections.published.messages import Cause, Message, entry_message, event_message, kafka_topic
from projections.published.schemas import HEADERS, Schema, published_schemas
from tests.projections.story import book, story

CONTRACT = Path(__file__).parents[2] / "deploy" / "contract"
SCHEMA_FILES, SAMPLE_FILES, ASYNCAPI_FILE = CONTRACT / "schemas", CONTRACT / "samples", CONTRACT / "asyncapi.json"
HOUSE = "trailbook"


def present_schemas() -> dict[str, Schema]:
    """What is published by this release, by title: bodies, and the headers of all."""
    return {HEADERS["title"]: HEADERS, **{schema["title"]: schema for _, _, _, schema in published_schemas()}}


@cache
def story_messages() -> Sequence[tuple[Recorded, Message | None]]:
    """What is published of a story in which everything happens, event by event."""
    return [(recorded, event_message(HOUSE, recorded)) for recorded in story().log.events]


@cache
def story_entries() -> Sequence[Message]:
    """What is published of the story's journal, in order of positions."""
    return list(_entries())


def _entries() -> Iterator[Message]:
    kept = book(story().log)
    names = {number: name for name, number in kept.tables.content["facts_name"]}
    for row in sorted(kept.tables.content["journal"]):
        recorded = kept.log.read(row[0] - 1, 1)[0]
        cause = Cause(recorded.event_id, recorded.recorded_at, recorded.envelope.correlation_id)
        yield entry_message(HOUSE, row, names, cause)


def samples() -> dict[str, Message]:
    """One message of everything that is published, by its type."""
    found: dict[str, Message] = {}
    for message in (*(message for _, message in story_messages()), *story_entries()):
        if message is not None:
            found.setdefault(dict(message.headers)["ce_type"].decode(), message)
    return found


def sample_bytes(message: Message) -> bytes:
    """A message for a person or a test to read."""
    return _pretty(
        {
            "topic": kafka_topic(HOUSE, message.topic),
            "key": message.key.decode(),
            "headers": {name: value.decode() for name, value in message.headers},
            "body": orjson.loads(message.value),
        }
    )


def asyncapi_bytes() -> bytes:
    return _pretty(asyncapi())


def _pretty(value: Any) -> bytes:
    return (json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode()


def frozen() -> Mapping[Path, bytes]:
    """Every file that the present contract asks for and that never changes, with its content."""
    return {
        **{SCHEMA_FILES / f"{title}.json": _pretty(schema) for title, schema in present_schemas().items()},
        **{SAMPLE_FILES / f"{title}.json": sample_bytes(message) for title, message in samples().items()},
    }


def freeze() -> list[Path]:
    """Write the files that are missing, and the AsyncAPI document if it differs; name what was written."""
    missing = {path: content for path, content in frozen().items() if not path.exists()}
    if not ASYNCAPI_FILE.exists() or ASYNCAPI_FILE.read_bytes() != asyncapi_bytes():
        missing[ASYNCAPI_FILE] = asyncapi_bytes()
    for path, content in missing.items():
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
    return sorted(missing)


if __name__ == "__main__":
    for written in freeze():
        print(written.relative_to(CONTRACT))
