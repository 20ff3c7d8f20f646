"""How far the topics are, as it travels with the messages."""

import json
from datetime import UTC, date, datetime

import pytest

from domain.message import canonical
from projections.ledger import EntryId
from projections.published.reached import Reached

RECORDED_AT = datetime(2026, 11, 22, 6, 0, 0, 123456, UTC)


@pytest.mark.parametrize(
    "reached",
    [
        Reached(),
        Reached(7, RECORDED_AT, 5),
        Reached(7, RECORDED_AT, 5, EntryId(6, -3, date(2026, 10, 31), 0, "USD", 12)),
    ],
)
def test_a_place_reads_back_as_it_was_sent(reached: Reached) -> None:
    assert Reached.from_json(json.loads(canonical(reached.to_json()))) == reached
