"""Worked examples of the trade, as published by others (``published``) and as an analyst wrote them (``analyst``)."""

import json
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent


def published(example_id: str) -> dict[str, Any]:
    return _by_id("published.json", example_id)


def analyst(scenario_id: str) -> dict[str, Any]:
    return _by_id("analyst.json", scenario_id)


def _by_id(name: str, wanted: str) -> dict[str, Any]:
    examples: list[dict[str, Any]] = json.loads((_HERE / name).read_text(encoding="utf-8"))
    (example,) = [e for e in examples if e["id"] == wanted]
    return example


def published_ids() -> list[str]:
    examples: list[dict[str, Any]] = json.loads((_HERE / "published.json").read_text(encoding="utf-8"))
    return [example["id"] for example in examples]
