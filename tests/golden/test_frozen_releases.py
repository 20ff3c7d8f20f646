"""What was posted is rated the same for ever: every release that is in the tree, for every log that was frozen."""

import difflib
from pathlib import Path

import pytest

from domain import months
from domain.rating import RELEASES
from projections.ledger import KIND_NAMES, PAYER_ROLE
from tests.golden.releases import HERE, LOGS, Rated, frozen_file, read_log
from tests.golden.releases.__main__ import freeze

FREEZE = "run `python -m tests.golden.releases`"
CASES = [(log, release) for log in LOGS for release in RELEASES]


def differences(path: Path, given: bytes) -> str:
    """The first lines in which what is given is not what was frozen."""
    assert path.exists(), f"{path.name} is not frozen; {FREEZE}"
    frozen, now = path.read_text(encoding="utf-8").splitlines(), given.decode().splitlines()
    lines = [line for line in difflib.unified_diff(frozen, now, n=0, lineterm="") if not line.startswith("@@")]
    return "\n".join(lines[:20])


@pytest.mark.parametrize(("log", "release"), CASES)
def test_a_release_gives_the_shares_that_it_gave_when_it_was_frozen(log: str, release: int) -> None:
    changed = differences(frozen_file(log, release, "shares"), Rated(read_log(log), RELEASES[release]).shares())
    assert not changed, (
        f"release {release} rates otherwise than what was posted and paid under it. Make the change in a new release, "
        f"which can be reprojected, reviewed and promoted:\n{changed}"
    )


@pytest.mark.parametrize(("log", "release"), CASES)
def test_a_release_gives_the_reasons_that_it_gave_when_it_was_frozen(log: str, release: int) -> None:
    path = frozen_file(log, release, "reasons")
    changed = differences(path, Rated(read_log(log), RELEASES[release]).reasons())
    assert not changed, (
        f"release {release} gives other reasons. Where only the words were meant to change, delete {path.name}, "
        f"{FREEZE} and read the difference:\n{changed}"
    )


@pytest.mark.parametrize("log", LOGS)
def test_the_ledger_posts_what_the_first_release_gives_where_nothing_was_promoted(log: str) -> None:
    rated = Rated(read_log(log), RELEASES[1])
    became: dict[tuple[int, ...], int] = {}
    for known, _, cell, before, after in rated.turns():
        for sign, items in ((-1, before), (1, after)):
            for item in items:
                for share in item.shares:
                    key = (known, cell.account_no, cell.month, cell.kind, item.item_no, item.line, share.role)
                    became[key] = became.get(key, 0) + sign * share.amount_minor
    posted: dict[tuple[int, ...], int] = {}
    for position, account_no, on, kind, _, _, item_no, line, role, _, amount in rated.book.tables.content["journal"]:
        if kind not in KIND_NAMES and role != PAYER_ROLE:
            key = (position, account_no, months.number_of(on), kind, item_no, line, role)
            posted[key] = posted.get(key, 0) + amount
    assert {key: amount for key, amount in posted.items() if amount} == {k: a for k, a in became.items() if a}


@pytest.mark.parametrize("log", LOGS)
def test_a_frozen_log_reads(log: str) -> None:
    kept = (HERE / f"{log}.log").read_bytes()
    assert len(read_log(log).events) == kept.count(b"\n") > 100


def test_freezing_never_overwrites(tmp_path: Path) -> None:
    kept = tmp_path / frozen_file(LOGS[0], 1, "shares").name
    kept.write_bytes(b"kept")
    written = freeze(tmp_path)
    assert kept.read_bytes() == b"kept"
    assert len(written) == 2 * len(CASES) - 1
    assert freeze(tmp_path) == []
