"""History still reads: every event that was ever frozen, in every version, to the byte."""

from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import BaseModel

from domain import house, message
from domain.message import TOPICS, Event, read_state, state_bytes
from tests.golden.freeze import BY_TOPIC, EVENT_FILES, SCHEMA_FILES, file_name, freeze, schema
from tests.golden.samples import ENVELOPE, EVENTS

FREEZE = "run `python -m tests.golden.freeze`"

assert house.FOLDS, "every aggregate is imported, and so every topic known"
FROZEN = sorted(EVENT_FILES.glob("*.json"))


def of_file(path: Path) -> tuple[str, int]:
    """The topic and version that a golden file is named for."""
    topic, _, version = path.stem.rpartition(".v")
    return topic, int(version)


def unfilled(value: Any, where: str) -> list[str]:
    """The optional fields that a sample leaves out, anywhere inside it."""
    if isinstance(value, BaseModel):
        return [gap for name in type(value).model_fields for gap in unfilled(getattr(value, name), f"{where}.{name}")]
    if isinstance(value, tuple):
        return [gap for n, inner in enumerate(value) for gap in unfilled(inner, f"{where}[{n}]")] if value else [where]
    return [where] if value is None else []


@pytest.mark.parametrize("path", FROZEN, ids=lambda path: path.stem)
def test_a_frozen_event_reads(path: Path) -> None:
    topic, version = of_file(path)
    stored = path.read_bytes()
    event, envelope = read_state(topic, orjson.loads(stored))
    assert type(event) is TOPICS[topic]
    if version == TOPICS[topic].version:
        assert state_bytes(event, envelope) == stored, "the stored bytes of an event are canonical and never change"


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_every_topic_and_version_is_frozen(topic: str) -> None:
    cls = TOPICS[topic]
    assert topic in BY_TOPIC, f"add an event of {topic} to tests/golden/samples.py, then {FREEZE}"
    for version in range(1, cls.version + 1):
        assert (EVENT_FILES / file_name(topic, version)).exists(), (
            f"{topic} version {version} has no golden event; {FREEZE}"
            + ("" if version == cls.version else f" at the commit where {cls.__name__} was at version {version}")
        )


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_a_schema_changes_only_with_the_version(topic: str) -> None:
    cls = TOPICS[topic]
    path = SCHEMA_FILES / file_name(topic, cls.version)
    assert path.exists(), f"{topic} version {cls.version} has no frozen schema; {FREEZE}"
    assert schema(cls) == path.read_text(encoding="utf-8"), (
        f"{cls.__name__} is no longer what {topic} version {cls.version} was frozen as, and somebody may have stored "
        f"that. Give the class version={cls.version + 1} and an upcast from {cls.version}, fill the new fields in "
        f"tests/golden/samples.py, then {FREEZE}. (Only when nothing was ever stored under version {cls.version}, "
        f"delete {path.name} in events/ and schemas/ and freeze again.)"
    )


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.topic)
def test_a_sample_is_what_is_frozen_and_leaves_no_field_out(event: Event) -> None:
    assert unfilled(event, event.topic) == []
    path = EVENT_FILES / file_name(event.topic, event.version)
    assert path.exists(), FREEZE
    assert state_bytes(event, ENVELOPE) == path.read_bytes()


def test_the_envelope_of_the_samples_leaves_no_field_out() -> None:
    assert unfilled(ENVELOPE, "envelope") == []


def test_every_topic_is_sampled_once() -> None:
    assert len(BY_TOPIC) == len(EVENTS)


def test_nothing_frozen_is_forgotten() -> None:
    """A topic that was stored once is known for ever."""
    for path in (*FROZEN, *SCHEMA_FILES.glob("*.json")):
        topic, version = of_file(path)
        assert topic in TOPICS, f"{path.name} was stored by somebody; its topic is gone"
        assert version <= TOPICS[topic].version


def test_freezing_never_overwrites(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.golden.freeze.EVENT_FILES", tmp_path / "events")
    monkeypatch.setattr("tests.golden.freeze.SCHEMA_FILES", tmp_path / "schemas")
    name = file_name("calendar.day_opened", 1)
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / name).write_bytes(b"kept")
    written = freeze()
    assert (tmp_path / "events" / name).read_bytes() == b"kept"
    assert tmp_path / "schemas" / name in written
    assert len(written) == 2 * len(message.TOPICS) - 1
    assert freeze() == []
