"""Ids: the same thing in the world is the same stream."""

from datetime import date

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain import house, ids

printed: TypeAdapter[str] = TypeAdapter(ids.Printed)
slug: TypeAdapter[str] = TypeAdapter(ids.Slug)
key: TypeAdapter[str] = TypeAdapter(ids.Key)


@pytest.mark.parametrize("text", ["harbor", "7-eleven", "a.b_c-d", "a" * 80])
def test_a_slug_is_lower_case(text: str) -> None:
    assert slug.validate_python(text) == text


@pytest.mark.parametrize("text", ["", "Harbor", "harbor light", "-a", "a:b", "a/b", "ä", "a" * 81, "a\n"])
def test_what_is_not_a_slug_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        slug.validate_python(text)


@pytest.mark.parametrize("text", ["ACC-1", "C-1/dia", "2026-01", "No.7#2", "A" * 120])
def test_a_key_keeps_its_case(text: str) -> None:
    assert key.validate_python(text) == text


@pytest.mark.parametrize("text", ["", "a b", "/a", "a:b", "A" * 121, "a\n", "a%"])
def test_what_is_not_a_key_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        key.validate_python(text)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("5-QXTR9941", "5-QXTR9941"), ("  0042   17 ", "0042 17"), ("No\t7\n8", "No 7 8"), ("a\u00a0b", "a b")],
)
def test_a_printed_number_keeps_all_but_its_white_space(given: str, kept: str) -> None:
    assert printed.validate_python(given) == kept


@pytest.mark.parametrize("text", ["", " ", "\t\r\n", "\u00a0", "a\x00b", "a\x1bb", "a\x7f", "\ud800", "x" * 121])
def test_what_nobody_can_have_printed_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        printed.validate_python(text)


def test_a_printed_number_has_at_most_120_characters() -> None:
    assert printed.validate_python("x" * 120) == "x" * 120


@for_all(st.text(max_size=40))
def test_a_printed_number_reads_back_as_itself(text: str) -> None:
    try:
        once = printed.validate_python(text)
    except ValidationError:
        return
    assert printed.validate_python(once) == once


@pytest.mark.parametrize("other", ["00-4217", "4217", " 4217", "42.17", "(42) 17"])
def test_numbers_are_alike_without_zeros_case_and_punctuation(other: str) -> None:
    assert ids.alike(other) == "4217"


def test_numbers_that_are_not_alike() -> None:
    assert ids.alike("4217A") == ids.alike("4217-a") != ids.alike("4217")
    assert ids.alike("42170") != ids.alike("4217")


def test_every_stream_is_named_readably_and_has_a_state() -> None:
    streams = [
        ids.CALENDAR,
        ids.vendor_stream("lumen"),
        ids.agent_stream("harbor"),
        ids.plan_stream("standard"),
        ids.RECIPE,
        ids.customer_stream("alder-foods"),
        ids.account_stream("ACC-1"),
        ids.agency_stream("ACC-1"),
        ids.letter_stream("L-17"),
        ids.contract_stream("C-1"),
        ids.statement_stream("lumen", "2026-01"),
        ids.suspense_stream("lumen", "00-42 17"),
        ids.line_move_stream("lumen", "2026-01"),
        ids.succession_stream("lumen", "zito", date(2026, 3, 1)),
        ids.receipt_stream("R-1"),
        ids.adjustment_stream("ADJ-1"),
        ids.pay_run_stream("2026-01"),
        ids.payouts_stream("harbor"),
    ]
    assert streams == [
        "calendar:house",
        "vendor:lumen",
        "agent:harbor",
        "plan:standard",
        "recipe:house",
        "customer:alder-foods",
        "account:ACC-1",
        "agency:ACC-1",
        "letter:L-17",
        "contract:C-1",
        "vendor-statement:lumen:2026-01",
        "suspense:lumen:00-42 17",
        "line-move:lumen:2026-01",
        "succession:lumen:zito:2026-03-01",
        "receipt:R-1",
        "adjustment:ADJ-1",
        "pay-run:2026-01",
        "payouts:harbor",
    ]
    assert {ids.kind_of(stream) for stream in streams} == set(house.FOLDS)


def test_the_same_number_of_two_vendors_is_two_streams() -> None:
    assert ids.suspense_stream("lumen", "42") != ids.suspense_stream("other", "42")
