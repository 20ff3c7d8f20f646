"""The bench of reprojection runs, on a house so small that no time means anything; and its changes are what it says."""

from argparse import Namespace

import pytest

from adapters.database import Database
from tests.bench import reproject


def test_every_part_measures_and_its_changes_touch_all_cells_and_one_in_a_hundred(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reproject, "LOOKS", 1)
    monkeypatch.setattr(reproject, "ALONE", 1)

    measured = reproject.run(database, Namespace(accounts=120, months=24, workers=1, rounds=1, part=None))

    assert {m.bench for m in measured} == {"reproject", "beside", "growth", "live", "promotion", "keep-up"}
    share = {m.name: float(m.note.partition("%")[0]) for m in measured if m.name.startswith("a change that touches")}
    assert share["a change that touches 100 %"] > 95
    assert 0.5 < share["a change that touches 1 %"] < 2
