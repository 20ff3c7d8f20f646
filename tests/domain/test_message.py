"""What is said: actors, canonical bytes, leaves, and events that read for ever."""

import hashlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from orjson import OPT_SORT_KEYS, dumps
from pydantic import ValidationError

from domain import message
from domain.agent_of_record import RejectAgentOfRecordChange
from domain.customer import CustomerOnboarded, OnboardCustomer
from domain.deal import LoseDeal
from domain.message import (
    Actor,
    Command,
    Envelope,
    Event,
    Evidence,
    Issued,
    Meta,
    UnknownTopic,
    canonical,
    leaf,
    read_event,
    read_state,
    state_bytes,
)
from domain.payout import ReturnPayout
from domain.suspense import RejectPlacement
from tests.spec import DAY

# -- actors and evidence


def test_an_actor_is_short_for_one_of_the_house() -> None:
    assert Actor.model_validate("ann") == Actor(issuer="house", subject="ann")
    assert Actor.model_validate("okta/ann").principal == "okta/ann"


@pytest.mark.parametrize("text", ["", "Ann", "ann smith", "a/b/c", "/ann", "okta/", "a" * 81, "ann\n"])
def test_a_principal_is_a_plain_id(text: str) -> None:
    with pytest.raises(ValidationError):
        Actor.model_validate(text)


def test_a_principal_is_everybody_whose_will_it_is() -> None:
    assert Actor(subject="ann").principals == {"house/ann"}
    assert Actor(subject="ann", on_behalf_of="okta/cleo").principals == {"house/ann", "okta/cleo"}


def test_evidence_names_a_digest_and_a_party_and_never_a_person() -> None:
    for wrong in ({"signer": "Jane Smith"}, {"signer": "cfo", "digest": "sha256:xyz"}, {"signer": "cfo", "name": "x"}):
        with pytest.raises(ValidationError):
            Evidence.model_validate({"signed_on": "2026-01-05", **wrong})


def test_messages_are_closed_and_never_change() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        CustomerOnboarded.model_validate({"customer": "alder-foods", "effective_on": "2026-01-05", "colour": "red"})
    event = CustomerOnboarded(customer="alder-foods", effective_on=DAY)
    with pytest.raises(ValidationError, match="frozen"):
        event.customer = "birch"  # type: ignore[misc]


@pytest.mark.parametrize(("length", "taken"), [(0, False), (1, True), (200, True), (201, False)])
def test_a_command_id_has_at_most_200_characters(length: int, taken: bool) -> None:
    fields = {"id": "c" * length, "by": "ann"}
    if taken:
        assert Meta.model_validate(fields).by == Actor(subject="ann")
    else:
        with pytest.raises(ValidationError):
            Meta.model_validate(fields)


@pytest.mark.parametrize(
    ("command", "field"),
    [
        (RejectAgentOfRecordChange, {"account": "ACC-1", "rejected_because": ""}),
        (RejectPlacement, {"vendor": "lumen", "number": "7", "rejected_because": ""}),
        (LoseDeal, {"customer": "alder-foods", "deal": "D-1", "lost_because": ""}),
        (ReturnPayout, {"pay_run": "2026-01", "agent": "harbor", "returned_because": ""}),
    ],
)
def test_a_reason_has_one_to_three_hundred_characters(command: type[Command], field: dict[str, str]) -> None:
    (reason,) = [name for name, value in field.items() if not value]
    for length, taken in ((0, False), (1, True), (300, True), (301, False)):
        given_as = {**field, reason: "x" * length}
        if taken:
            command.model_validate(given_as)
        else:
            with pytest.raises(ValidationError):
                command.model_validate(given_as)


# -- bytes

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@for_all(json_values)
def test_canonical_bytes_are_what_orjson_writes_with_sorted_keys(value: Any) -> None:
    assert canonical(value) == dumps(value, option=OPT_SORT_KEYS)


def test_stored_bytes_hold_the_event_its_version_and_its_envelope() -> None:
    event = CustomerOnboarded(customer="alder-foods", effective_on=DAY)
    envelope = Envelope(actor=Actor(subject="ann"), command_id="c-1", correlation_id="c-1")
    assert state_bytes(event, envelope) == (
        b'{"actor":{"issuer":"house","subject":"ann"},"command_id":"c-1","correlation_id":"c-1",'
        b'"event":{"customer":"alder-foods","effective_on":"2026-01-05"},"version":1}'
    )


def test_a_leaf_hashes_every_part_with_its_length() -> None:
    recorded_at = datetime(2026, 1, 5, 12, 0, 0, 5, tzinfo=UTC)
    parts = [b"demo", b"1", b"customer:alder-foods", b"1", b"customer.onboarded", b"2026-01-05T12:00:00.000005+00:00"]
    expected = hashlib.sha256(b"".join(len(p).to_bytes(8, "big") + p for p in [*parts, b"{}"])).digest()
    assert leaf("demo", 1, "customer:alder-foods", 1, "customer.onboarded", recorded_at, b"{}") == expected


def test_a_byte_that_moves_from_one_part_to_the_next_changes_the_leaf() -> None:
    recorded_at = datetime(2026, 1, 5, tzinfo=UTC)
    assert leaf("demo", 1, "ab", 1, "t", recorded_at, b"") != leaf("demo", 1, "a", 1, "bt", recorded_at, b"")
    assert leaf("demo", 11, "a", 1, "t", recorded_at, b"") != leaf("demo", 1, "a", 11, "t", recorded_at, b"")


# -- versions


@pytest.fixture
def throw_away() -> Iterator[None]:
    """Event and command classes that a test defines are forgotten again."""
    topics, commands = dict(message.TOPICS), dict(message.COMMANDS)
    yield
    message.TOPICS.clear()
    message.TOPICS.update(topics)
    message.COMMANDS.clear()
    message.COMMANDS.update(commands)


def _renamed(body: dict[str, Any]) -> dict[str, Any]:
    return {("colour" if key == "color" else key): value for key, value in body.items()}


@pytest.mark.usefixtures("throw_away")
def test_bytes_of_an_old_version_read_as_the_present_one() -> None:
    class FlagHoisted(Event, topic="flag.hoisted", version=3):
        upcasts = {  # noqa: RUF012
            1: _renamed,
            2: lambda body: {**body, "height": 1},
        }
        colour: str
        height: int

    envelope = {"actor": {"issuer": "house", "subject": "ann"}, "command_id": "c", "correlation_id": "c"}
    expected = FlagHoisted(colour="red", height=1, effective_on=DAY)
    for version, body in ((1, {"color": "red"}), (2, {"colour": "red"}), (3, {"colour": "red", "height": 1})):
        state = {**envelope, "version": version, "event": {**body, "effective_on": "2026-01-05"}}
        event, read = read_state("flag.hoisted", state)
        assert event == expected
        assert read.actor == Actor(subject="ann")


@pytest.mark.usefixtures("throw_away")
@pytest.mark.parametrize(("kept", "missing"), [((), [1, 2]), ((1,), [2]), ((2,), [1])])
def test_a_version_without_every_upcast_is_not_even_defined(kept: tuple[int, ...], missing: list[int]) -> None:
    with pytest.raises(TypeError, match=rf"flag.hoisted is at version 3 but has no upcast from \[{missing[0]}"):

        class FlagHoisted(Event, topic="flag.hoisted", version=3):
            upcasts = dict.fromkeys(kept, _renamed)

    assert "flag.hoisted" not in message.TOPICS


@pytest.mark.usefixtures("throw_away")
def test_a_topic_and_a_commands_name_are_taken_once() -> None:
    with pytest.raises(TypeError, match=r"topic customer.onboarded is taken by CustomerOnboarded"):

        class CustomerWelcomed(Event, topic="customer.onboarded"):
            pass

    with pytest.raises(TypeError, match="the command onboard_customer exists already"):

        class WelcomeCustomer(Command, do="onboard_customer"):
            pass


def test_an_unknown_topic_or_a_later_version_stops_the_reader() -> None:
    body = {"customer": "alder-foods", "effective_on": "2026-01-05"}
    assert read_event("customer.onboarded", 1, body) == CustomerOnboarded(customer="alder-foods", effective_on=DAY)
    with pytest.raises(UnknownTopic, match=r"this release does not know customer\.onboarded version 2"):
        read_event("customer.onboarded", 2, body)
    with pytest.raises(UnknownTopic):
        read_event("customer.welcomed", 1, body)


def test_a_stored_body_that_does_not_validate_is_a_bug_and_no_refusal() -> None:
    with pytest.raises(ValidationError):
        read_event("customer.onboarded", 1, {"customer": "alder-foods"})


# -- commands as given


def test_a_digest_tells_commands_apart_by_what_was_said_and_by_whom() -> None:
    base = Issued("c-1", Actor(subject="ann"), OnboardCustomer(customer="alder-foods"))
    others = [
        Issued("c-1", Actor(subject="bob"), base.command),
        Issued("c-1", base.actor, OnboardCustomer(customer="birch")),
        Issued("c-1", base.actor, base.command, evidence=Evidence(signer="cfo", signed_on=date(2026, 1, 1))),
        Issued("c-1", base.actor, base.command, because="account:ACC-1@3"),
    ]
    digests = {issued.digest() for issued in (base, *others)}
    assert len(digests) == 5
    assert Issued("c-2", base.actor, base.command).digest() == base.digest(), "the id itself is not part of it"
    changed = base.with_command(OnboardCustomer(customer="birch"))
    assert (changed.command_id, changed.digest()) == ("c-1", others[1].digest())
