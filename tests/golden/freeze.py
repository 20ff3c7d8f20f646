"""``python -m tests.golden.freeze`` freezes what is not frozen yet: the stored bytes and the JSON Schema of each event.

It only ever adds files. What is frozen may have been stored by somebody: it is read for ever.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from domain.message import TOPICS, Event, state_bytes
from tests.golden.samples import ENVELOPE, EVENTS

HERE = Path(__file__).parent
EVENT_FILES, SCHEMA_FILES = HERE / "events", HERE / "schemas"

BY_TOPIC: Mapping[str, Event] = {event.topic: event for event in EVENTS}


def file_name(topic: str, version: int) -> str:
    return f"{topic}.v{version}.json"


def schema(event: type[Event]) -> str:
    """What the event reads and what it writes; titles and descriptions are words and may change."""
    modes = {
        "reads": _without_words(event.model_json_schema(mode="validation")),
        "writes": _without_words(event.model_json_schema(mode="serialization")),
    }
    return json.dumps(modes, indent=1, sort_keys=True) + "\n"


def _without_words(node: Any) -> Any:
    if isinstance(node, dict):
        words = {key for key in ("title", "description") if isinstance(node.get(key), str)}
        return {key: _without_words(value) for key, value in node.items() if key not in words}
    return [_without_words(value) for value in node] if isinstance(node, list) else node


def frozen() -> dict[Path, bytes]:
    """Every file that the present events ask for, with its content."""
    files: dict[Path, bytes] = {}
    for topic, cls in TOPICS.items():
        if topic in BY_TOPIC:
            files[EVENT_FILES / file_name(topic, cls.version)] = state_bytes(BY_TOPIC[topic], ENVELOPE)
        files[SCHEMA_FILES / file_name(topic, cls.version)] = schema(cls).encode()
    return files


def freeze() -> list[Path]:
    """Write the files that are missing, and name them."""
    missing = {path: content for path, content in frozen().items() if not path.exists()}
    for path, content in missing.items():
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return sorted(missing)


if __name__ == "__main__":
    for written in freeze():
        print(written.relative_to(HERE))
