"""What is taken for a message of Trailbook's, and what has come before."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.incoming import KNOWN_VERSIONS, NotReadable, Repeats, incoming
from projections.published.schemas import published_schemas
from tests.contract.freeze import HOUSE, samples


@dataclass
class Given:
    """A record, as kafka-python gives it."""

    topic: str = "trailbook.payouts"
    partition: int = 2
    offset: int = 7
    key: bytes | None = b"payout:harbor"
    value: bytes | None = b"{}"
    headers: list[tuple[str, bytes | None]] = field(default_factory=list)


def record_of(ce_type: str) -> Given:
    message = samples()[ce_type]
    return Given(f"{HOUSE}.{message.topic}", 2, 7, message.key, message.value, list(message.headers))


def entry(**changed: bytes | None) -> Given:
    """An entry with headers changed; None takes one out."""
    record = record_of("trailbook.ledger.entry_posted.v1")
    headers = {**dict(record.headers), **{name.replace("content_", "content-"): new for name, new in changed.items()}}
    return replace(record, headers=[(name, value) for name, value in headers.items() if value is not None])


def test_everything_that_is_published_is_known() -> None:
    assert {name: version for name, version, _, _ in published_schemas()} == KNOWN_VERSIONS


@pytest.mark.parametrize("ce_type", sorted(samples()))
def test_every_message_of_the_contract_is_read(ce_type: str) -> None:
    message = incoming(record_of(ce_type), HOUSE)
    assert f"trailbook.{message.name}.v{message.version}" == message.type == ce_type
    assert (message.stream_version is None) == (message.name == "ledger.entry_posted")
    assert message.key == message.subject


def test_a_message_says_what_it_is_and_where_it_was_found() -> None:
    message = incoming(entry(ce_replay=b"ledger-entries.replay.1"), HOUSE)
    body = message.body
    assert body["book"] == "agent:summit:payable"
    assert message._replace(body={}) == (
        "36:19:2026-03:recurring:USD:1",
        "/trailbook/trailbook",
        "trailbook.ledger.entry_posted.v1",
        "ledger.entry_posted",
        1,
        "agent:summit:payable",
        datetime(2026, 4, 27, 0, 0, 0, 36, UTC),
        36,
        None,
        date(2026, 3, 31),
        "command-34",
        "vendor-statement:lumen:2026-04@1",
        "ledger-entries.replay.1",
        "agent:summit:payable",
        {},
        "trailbook.ledger-entries",
        2,
        7,
    )


@pytest.mark.parametrize(
    ("record", "because"),
    [
        (Given(), "it is no CloudEvent of Trailbook's, because it has no ce_specversion; find out who wrote it"),
        (entry(ce_id=None), "it is no CloudEvent of Trailbook's, because it has no ce_id; find out who wrote it"),
        (entry(ce_specversion=b"0.3"), "ce_specversion is '0.3', not 1.0; find out who wrote it"),
        (entry(ce_subject=b"\xff"), "the header 'ce_subject' is not UTF-8; find out who wrote it"),
        (entry(ce_type=b"deal.won"), "ce_type 'deal.won' is not like trailbook.deal.won.v1; find out who wrote it"),
        (
            entry(ce_type=b"trailbook.deal.dreamt.v1"),
            "'trailbook.deal.dreamt.v1' is not in the contract of this release of Trailbook; install a later one",
        ),
        (
            entry(ce_type=b"trailbook.deal.won.v9"),
            "trailbook.deal.won.v9 is newer than version 1, which this release of Trailbook knows; install a later "
            "one, or let newer versions through",
        ),
        (
            entry(ce_source=b"/trailbook/x"),
            "ce_source is '/trailbook/x', not /trailbook/trailbook; find out who wrote it",
        ),
        (entry(ce_position=b"-1"), "ce_position '-1' is not a number above zero; find out who wrote it"),
        (entry(ce_time=b"noon"), "ce_time 'noon' is not a date of its kind; find out who wrote it"),
        (entry(ce_effectivedate=b"1"), "ce_effectivedate '1' is not a date of its kind; find out who wrote it"),
        (entry(content_type=b"text/csv"), "content-type is 'text/csv', not application/json; find out who wrote it"),
        (replace(entry(), value=b"[1]"), "its body is no JSON object; find out who wrote it"),
        (replace(entry(), key=b"\xff"), "its key is not UTF-8; find out who wrote it"),
    ],
)
def test_what_is_not_as_the_contract_says_is_refused_with_what_is_wrong(record: Given, because: str) -> None:
    with pytest.raises(NotReadable) as refused:
        incoming(record, HOUSE)
    assert str(refused.value) == because


@pytest.mark.parametrize("value", [None, b"", b"{", b"\xff", b"NaN"])
def test_a_body_that_is_no_json_is_refused(value: bytes | None) -> None:
    with pytest.raises(NotReadable, match="its body is no JSON"):
        incoming(replace(entry(), value=value), HOUSE)


def test_newer_versions_of_known_events_can_be_let_through_but_never_unknown_ones() -> None:
    assert incoming(entry(ce_type=b"trailbook.deal.won.v9"), HOUSE, newer_versions=True).version == 9
    with pytest.raises(NotReadable):
        incoming(entry(ce_type=b"trailbook.deal.dreamt.v1"), HOUSE, newer_versions=True)


# -- repeats, against the set of all ids that were ever seen


@st.composite
def sendings(draw: st.DrawFn) -> list[tuple[int, str]]:
    """What a partition holds: a history in order, published again from any earlier place at any point."""
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=8))
    history = [(3 * position + 1, f"{position}:{leg}") for position, size in enumerate(sizes) for leg in range(size)]
    sent, at = [], 0
    while at < len(history):
        to = draw(st.integers(at + 1, len(history)))
        sent += history[at:to]
        at = to
        if len(sent) < 100 and draw(st.booleans()):
            at = draw(st.integers(0, to - 1))
    return sent


@settings(max_examples=500, deadline=None)
@given(sendings(), st.lists(st.integers(1, 6), min_size=1, max_size=40))
def test_repeats_are_dropped_as_if_all_ids_were_kept(sent: list[tuple[int, str]], batches: list[int]) -> None:
    kept: set[str] = set()
    position, stored = 0, set[str]()
    at = 0
    for number in range(len(sent)):
        batch = sent[at : at + batches[number % len(batches)]]
        at += len(batch)
        asked = {ce_id for of, ce_id in batch if of == position}
        repeats = Repeats(position, stored & asked)
        for of, ce_id in batch:
            assert repeats.is_new(of, ce_id) == (ce_id not in kept)
            kept.add(ce_id)
        position = repeats.position
        stored = {*(() if repeats.moved else stored), *repeats.new}
        assert stored == {ce_id for of, ce_id in sent[:at] if of == position}
    assert at == len(sent) or not sent[at:]
