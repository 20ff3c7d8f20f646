"""What downstream systems read of a story in which everything happens, and that nothing of a person is in it."""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

import orjson
import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft7Validator, FormatChecker
from pydantic import BaseModel

from domain.account import AccountOpened, Alias
from domain.house import FOLDS, HouseEvent
from domain.ids import kind_of
from domain.message import TOPICS, Actor, Envelope, Evidence, Recorded, UnknownTopic, canonical, read_state, state_bytes
from domain.money import MINOR_UNITS
from projections.ledger import book_name
from projections.published.bodies import OUR_TEXTS, left_out, paths
from projections.published.entries import LedgerEntry, part_of
from projections.published.messages import (
    Cause,
    Message,
    Place,
    entry_message,
    event_message,
    kafka_topic,
    published_cause,
    stored_message,
)
from projections.published.schemas import HEADERS, Schema, published_schemas
from projections.published.topics import CARRIES, UNPUBLISHED, Topic, published_events, topic_of
from tests.contract.freeze import HOUSE, story_entries, story_messages
from tests.golden.freeze import EVENT_FILES
from tests.golden.samples import ENVELOPE, EVENTS
from tests.golden.test_frozen_events import of_file
from tests.projections.story import book, story

SCHEMAS: dict[str, Schema] = {schema["title"]: schema for _, _, _, schema in published_schemas()}


@cache
def sent() -> Sequence[tuple[Recorded, Message]]:
    """The story's events that are published."""
    return [(recorded, message) for recorded, message in story_messages() if message is not None]


@cache
def messages() -> Sequence[Message]:
    """All that is published of the story."""
    return [*(message for _, message in sent()), *story_entries()]


def header(message: Message, name: str) -> str | None:
    value = dict(message.headers).get(name)
    return None if value is None else value.decode()


def body(message: Message) -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(message.value))


OLDER = [path for path in sorted(EVENT_FILES.glob("*.json")) if of_file(path)[1] < TOPICS[of_file(path)[0]].version]


# -- which topic


def test_every_event_of_the_house_is_published_or_said_not_to_be() -> None:
    unpublished = {topic for topic in TOPICS if topic.partition(".")[0] in UNPUBLISHED}
    assert {event.topic for event, _ in published_events()} == TOPICS.keys() - unpublished
    assert unpublished == {
        "calendar.day_opened",
        "suspense.placement_proposed",
        "suspense.placement_approved",
        "suspense.placement_rejected",
    }


def test_a_stream_goes_to_one_topic_whole_or_not_at_all() -> None:
    topics = defaultdict(set)
    for recorded, _ in story_messages():
        topics[kind_of(recorded.stream_id)].add(topic_of(cast(HouseEvent, recorded.event)))
    assert topics.keys() == FOLDS.keys()
    assert {kind: len(found) for kind, found in topics.items() if len(found) > 1} == {}
    assert {kind for kind, found in topics.items() if None in found} == UNPUBLISHED.keys()


def test_under_a_key_stream_versions_have_no_gap() -> None:
    last: dict[tuple[str, bytes], int] = {}
    for _, message in sent():
        key = message.topic, message.key
        version = int(header(message, "ce_streamversion") or 0)
        assert version == last.get(key, 0) + 1
        last[key] = version
    assert len(last) > 30


def test_every_topic_says_what_it_carries_and_carries_it() -> None:
    assert CARRIES.keys() == set(get_args(Topic)) == {message.topic for message in messages()}
    assert kafka_topic("north", "vendor-statements") == "north.vendor-statements"


# -- the message


def test_an_event_travels_in_binary_mode_with_its_place_and_its_times() -> None:
    recorded = next(recorded for recorded, _ in sent() if isinstance(recorded.event, AccountOpened))
    recorded = replace(
        recorded,
        position=3_000_000_000,
        recorded_at=datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2))),
        envelope=Envelope(
            actor=ENVELOPE.actor, command_id="c-2", correlation_id="c-1", causation_id="customer:alder-foods@1"
        ),
    )
    message = event_message("north", recorded)
    assert message is not None
    assert message.topic == "accounts"
    assert message.key == recorded.stream_id.encode()
    assert dict(message.headers) == {
        "ce_specversion": b"1.0",
        "ce_id": recorded.event_id.encode(),
        "ce_source": b"/trailbook/north",
        "ce_type": b"trailbook.account.opened.v1",
        "ce_subject": recorded.stream_id.encode(),
        "ce_time": b"2026-02-28T23:30:00.000000Z",
        "ce_position": b"3000000000",
        "ce_streamversion": b"1",
        "ce_effectivedate": recorded.event.effective_on.isoformat().encode(),
        "ce_correlationid": b"c-1",
        "ce_causationid": b"customer:alder-foods@1",
        "content-type": b"application/json",
    }
    assert message.value == canonical(body(message))
    assert message == event_message("north", recorded), "the same event is the same bytes"


def test_the_cloudevents_sdk_parses_every_message() -> None:
    parsed_types = set()
    for message in messages():
        parsed = from_binary(KafkaMessage(dict(message.headers), message.key, message.value), JSONFormat())
        assert parsed.get_specversion() == "1.0"
        assert parsed.get_id() == header(message, "ce_id")
        assert parsed.get_source() == f"/trailbook/{HOUSE}"
        assert parsed.get_subject() == message.key.decode()
        assert parsed.get_datacontenttype() == "application/json"
        time = parsed.get_time()
        assert time is not None
        assert time.utcoffset() == timedelta()
        assert parsed.get_extension("position") == header(message, "ce_position")
        assert parsed.get_data() == body(message)
        parsed_types.add(parsed.get_type())
    assert parsed_types == SCHEMAS.keys()


def test_every_message_is_what_the_schemas_say() -> None:
    headers = Draft7Validator(HEADERS, format_checker=FormatChecker())
    bodies = {title: Draft7Validator(schema, format_checker=FormatChecker()) for title, schema in SCHEMAS.items()}
    met = set()
    for message in messages():
        headers.validate({name: value.decode() for name, value in message.headers})
        title = header(message, "ce_type") or ""
        bodies[title].validate(body(message))
        assert undescribed(body(message), SCHEMAS[title], "") == []
        assert SCHEMAS[title]["x-topic"] == message.topic
        met.add(title)
    assert met == SCHEMAS.keys()
    assert {name for message in messages() for name, _ in message.headers} == HEADERS["properties"].keys() - {
        "ce_replay"
    }


def undescribed(value: Any, schema: Schema, where: str) -> list[str]:
    """Fields of a body that its schema does not name."""
    if isinstance(value, list):
        return [name for inner in value for name in undescribed(inner, schema["items"], f"{where}[]")]
    if not isinstance(value, dict):
        return []
    variants = schema.get("oneOf", [schema])
    fields = next(v["properties"] for v in variants if v is schema or v["properties"]["kind"]["const"] == value["kind"])
    unknown = [f"{where}.{name}" for name in value if name not in fields]
    return unknown + [
        found
        for name, inner in value.items()
        if name in fields
        for found in undescribed(inner, fields[name], f"{where}.{name}")
    ]


def test_what_is_stored_in_the_present_version_is_sent_as_it_is_stored() -> None:
    for recorded, message in story_messages():
        state = orjson.loads(state_bytes(recorded.event, recorded.envelope))
        place = Place(recorded.stream_id, recorded.stream_version, recorded.position, recorded.recorded_at)
        assert stored_message(HOUSE, recorded.event.topic, place, state, orjson_bytes) == message


def orjson_bytes(value: Any) -> bytes:
    """What an adapter may encode with: the same bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def test_an_event_that_this_release_does_not_know_stops_the_relay() -> None:
    place = Place("deal:D-1", 1, 1, datetime(2026, 1, 5, tzinfo=UTC))
    for name, version in (("deal.forgotten", 1), ("deal.won", 99)):
        with pytest.raises(UnknownTopic, match=f"this release does not know {name} version {version}"):
            stored_message(HOUSE, name, place, {"version": version, "event": {}, "correlation_id": "c-1"})


@pytest.mark.parametrize("path", OLDER, ids=lambda path: path.stem)
def test_an_event_stored_in_an_older_version_is_sent_in_its_present_one(path: Path) -> None:
    topic, _ = of_file(path)
    event, envelope = read_state(topic, json.loads(path.read_bytes()))
    message = event_message(HOUSE, Recorded("agent:harbor", 1, event, envelope, 1, datetime(2026, 1, 5, tzinfo=UTC)))
    if message is not None:
        title = f"trailbook.{topic}.v{TOPICS[topic].version}"
        assert header(message, "ce_type") == title
        Draft7Validator(SCHEMAS[title], format_checker=FormatChecker()).validate(body(message))


# -- nothing of a person


LEFT_OUT = {
    "who did it": {"proposed_by", "approved_by"},
    "who signed": {"signer"},
    "words that a person wrote, or a number or name as it was printed": {
        "account",  # of a statement's line: a number as printed
        "adjusted_because",
        "because",
        "becomes",
        "collisions",  # of an account that another vendor took over: numbers as printed
        "declined_because",
        "ended",
        "extended_because",
        "house_code",
        "lost_because",
        "moved_because",
        "number",
        "proposed_because",
        "rejected_because",
        "returned_because",
        "reversed_because",
        "scope",
        "service",  # of a statement's line
        "suspended_because",
        "withdrawn_because",
    },
}
"""Every field that is left out of some event, by the reason: a field more or less is a decision."""


def test_what_is_left_out_is_what_was_decided() -> None:
    found = defaultdict(set)
    for event, _ in published_events():
        for path, reason in paths(left_out(event)):
            found[reason].add(path.rpartition(".")[2])
    assert found == LEFT_OUT


def texts(schema: Schema, where: str) -> Iterator[tuple[str, Schema]]:
    """Every text that a schema allows, with its path."""
    for inner in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from texts(inner, where)
    if "items" in schema:
        yield from texts(schema["items"], f"{where}[]")
    for name, field in schema.get("properties", {}).items():
        yield from texts(field, f"{where}.{name}")
    if schema.get("type") == "string":
        yield where, schema


def test_no_schema_has_a_text_that_is_not_held_to_an_id_a_date_or_a_list_of_values() -> None:
    held = {"pattern", "enum", "const", "format"}
    free = {where for _, schema in SCHEMAS.items() for where, text in texts(schema, "") if not held & text.keys()}
    assert free == {f".{field.partition('.')[2]}" for field in OUR_TEXTS}


def models_in(event: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """A model with every model in its fields, found through its schema's definitions."""
    yield event
    known = {cls.__name__: cls for cls in every_model(BaseModel)}
    yield from (known[name] for name in event.model_json_schema().get("$defs", {}) if name in known)


def every_model(cls: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for sub in cls.__subclasses__():
        yield sub
        yield from every_model(sub)


def test_no_model_shows_an_actor_or_a_signer_wherever_it_stands() -> None:
    """Walks the models that the events are made of, apart from how the bodies are made."""
    seen = set()
    for event, _ in published_events():
        for model in models_in(event):
            shown = model.model_fields.keys() - {name for name, why in left_out(model).items() if isinstance(why, str)}
            for name in shown:
                assert "Actor" not in str(model.model_fields[name].annotation), f"{model.__name__}.{name}"
                written = name.endswith(("_because", "signer", "scope", "comment", "note", "name"))
                assert not written or name == "carried_because", "which is one of a list of reasons"
            seen.add(model)
    assert {Actor, Evidence, Alias} <= seen


def private(value: Any) -> Iterator[str]:
    """The texts in an event that were not to leave the house, found by the values themselves."""
    if isinstance(value, Actor):
        yield from filter(None, (value.subject, value.on_behalf_of, value.principal))
    elif isinstance(value, BaseModel):
        for name, field in type(value).model_fields.items():
            inner = getattr(value, name)
            metadata = " ".join(map(repr, (field.annotation, *field.metadata)))
            free = isinstance(inner, str) and "pattern='" not in metadata and "Literal" not in metadata
            if (free and f"{type(value).__name__}.{name}" not in OUR_TEXTS) or (name == "signer" and inner):
                yield inner
            else:
                yield from private(inner)
    elif isinstance(value, tuple):
        for inner in value:
            yield from private(inner)


def every_text(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (text for inner in value.values() for text in every_text(inner))
    elif isinstance(value, list):
        yield from (text for inner in value for text in every_text(inner))
    elif isinstance(value, str):
        yield value


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.topic)
def test_no_private_text_of_an_event_is_in_its_body(event: HouseEvent) -> None:
    kept_back = set(private(event))
    place = Place("deal:D-1", 1, 1, datetime(2026, 1, 5, tzinfo=UTC))
    message = stored_message(HOUSE, event.topic, place, orjson.loads(state_bytes(event, ENVELOPE)))
    if message is not None:
        assert kept_back.isdisjoint(every_text(body(message)))
        assert not any(text in value for _, value in message.headers for text in (b"okta", b"cleo", b"cfo", b"abab"))


def test_the_search_for_private_texts_finds_them() -> None:
    found = {text for event in EVENTS for text in private(event)}
    assert {"ann", "okta/ann", "alder-foods:cfo", "00-42 17", "the vendor cut renewals by two points"} <= found


@pytest.mark.parametrize(
    ("cause", "sent"),
    [
        ("account:ACC-1@3", "account:ACC-1@3"),
        ("vendor-statement:lumen:LU-2026#1@12", "vendor-statement:lumen:LU-2026#1@12"),
        ("suspense:lumen:+49 89 1234@2", None),
        ("suspense:lumen:47-2291@2", None),
        ("calendar:house@9", None),
        ("Jane Doe called", None),
        ("jane.doe@example.org", None),
        (None, None),
    ],
)
def test_a_cause_is_named_only_if_it_is_published(cause: str | None, sent: str | None) -> None:
    assert published_cause(cause) == sent


# -- money


def amounts(schema: Schema, where: str, currency: str = "") -> Iterator[tuple[str, Schema, str]]:
    """Every amount of a schema with its path, and the nearest currency beside or above it."""
    fields = schema.get("properties", {})
    currency = f"{where}.currency".lstrip(".") if "currency" in fields else currency
    for inner in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from amounts(inner, where, currency)
    if "items" in schema:
        yield from amounts(schema["items"], f"{where}[]", currency)
    for name, field in fields.items():
        inside = f"{where}.{name}".lstrip(".")
        if name.endswith("_minor"):
            yield inside, field, currency
        yield from amounts(field, inside, currency)


def test_money_is_whole_minor_units_with_a_currency_or_exact_text_below_one() -> None:
    found = [amount for schema in SCHEMAS.values() for amount in amounts(schema, "")]
    assert len(found) > 60
    for where, field, currency in found:
        assert currency, where
        assert field["x-unit"] == f"minor units of {currency}", where
        assert field.get("type") == "integer" or field["anyOf"] == [
            {"type": "integer"},
            {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]+$"},
        ], where


def test_no_body_has_a_number_with_a_point() -> None:
    for message in messages():
        assert json.loads(message.value, parse_float=lambda text: f"float {text}") == body(message)


# -- the ledger


def test_the_entries_are_the_journal_and_balance() -> None:
    kept = book(story().log)
    names = {number: name for name, number in kept.tables.content["facts_name"]}
    balances: dict[tuple[str, str], int] = defaultdict(int)
    postings: dict[str, int] = defaultdict(int)
    for message in story_entries():
        entry = body(message)
        assert message.key.decode() == entry["book"]
        assert header(message, "ce_id") == entry["entry"]
        assert header(message, "ce_position") == str(entry["position"])
        balances[entry["book"], entry["currency"]] += entry["amount_minor"]
        postings[entry["entry"].rpartition(":")[0]] += entry["amount_minor"]
    assert set(postings.values()) == {0}
    kept_balances = kept.tables.sums["balance"].items()
    assert balances == {(book_name(number, names), currency): amount for (number, currency), amount in kept_balances}
    assert len({header(message, "ce_id") for message in story_entries()}) == len(story_entries()) > 100
    assert {entry["currency"] for entry in map(body, story_entries())} <= MINOR_UNITS.keys()


def test_an_entry_says_what_it_is_for() -> None:
    row = (44, 12, date(2026, 2, 28), 0, "USD", 1, 44, 7, 33, 8 * 9 + 1, -1250)
    cause = Cause("calendar:house@3", datetime(2026, 3, 1, tzinfo=UTC), "c-1")
    message = entry_message(HOUSE, row, {9: "agent:harbor", 12: "account:ACC-1"}, cause)
    assert body(message) == {
        "entry": "44:12:2026-02:recurring:USD:1",
        "position": 44,
        "account_no": 12,
        "account": "ACC-1",
        "service_month": "2026-02",
        "charge_kind": "recurring",
        "leg": 1,
        "book": "agent:harbor:payable",
        "amount_minor": -1250,
        "currency": "USD",
        "item": {"position": 44, "line": 7},
        "part": "override",
        "part_no": 33,
        "effective_on": "2026-02-28",
    }
    assert message.key == b"agent:harbor:payable"
    assert header(message, "ce_causationid") is None, "which is not published"


def test_every_entry_made_by_hand_is_one_of_the_model() -> None:
    for message in story_entries():
        entry = LedgerEntry.model_validate(body(message))
        assert canonical(entry.model_dump(mode="json", exclude_none=True)) == message.value


def test_money_that_moved_belongs_to_no_cell() -> None:
    moved = {entry.get("moved"): entry for entry in map(body, story_entries())}
    assert moved.keys() == {None, "cash", "adjustment", "hold"}
    assert "service_month" not in moved["cash"]
    assert "charge_kind" not in moved["hold"]
    assert moved["cash"]["entry"].split(":")[1] == "cash"


@pytest.mark.parametrize(
    ("role", "part"),
    [
        (0, "seller"), (32, "seller"), (2, "override"), (18, "funds-override"), (48, "funds-override"),
        (1000, "house"), (1001, "suspense"), (2000, "payer"),
    ],
)  # fmt: skip
def test_a_part_has_a_word(role: int, part: str) -> None:
    assert part_of(role) == part


def test_the_difference_postings_of_a_promotion_are_entries_like_others() -> None:
    promoted = [recorded.position for recorded, _ in sent() if recorded.event.topic == "recipe.promoted"]
    assert promoted
    assert {int(header(message, "ce_position") or 0) for message in story_entries()} & set(promoted)
