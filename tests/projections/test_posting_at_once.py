"""Lines that come after each other are posted at once, and as the ledger posts them one by one.

The other properties tell stories with plans that pay for services too, where lines are hardly ever alone.
"""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, note, settings
from hypothesis import strategies as st

from projections.ledger import Poster
from tests.system.generated import (
    ABROAD,
    EURO_ACCOUNT,
    REPROJECTED_STORIES,
    STORIES,
    Happening,
    Letter,
    Line,
    MonthsPass,
    NewPlanVersion,
    Reprojected,
    Statement,
    Story,
    tell,
)
from tests.system.test_money_properties import posting_account_by_account_gives_the_same

EXAMPLES = 60
BY_LINE = ("percent-of-commission", "percent-of-downline-share", "differential")


FROM_ABROAD: Story = [
    MonthsPass(1),
    Statement(ABROAD, (Line("5-1", "18748"), Line("5-1", "-333.335", month=-1), Line("5-1", "0", product="dia"))),
]
BEFORE: Story = [*FROM_ABROAD * 2, Letter(EURO_ACCOUNT, (("delta", 60), ("harbor", 40)), 0), *FROM_ABROAD]
"""Lines for an account without services, before any other happening and after them."""
AFTER: Story = [*FROM_ABROAD, Reprojected((), 2, "promoted"), *FROM_ABROAD]


def by_line(happening: Happening) -> Happening:
    """The same with plan versions that pay for lines only."""
    if isinstance(happening, NewPlanVersion):
        return version_by_line(happening)
    if isinstance(happening, Reprojected):
        return replace(happening, versions=tuple(map(version_by_line, happening.versions)))
    return happening


def version_by_line(version: NewPlanVersion) -> NewPlanVersion:
    return replace(
        version,
        rules=tuple(rule for rule in version.rules if rule.pay.kind in BY_LINE),
        overrides=tuple(override for override in version.overrides if override.pay.kind in BY_LINE),
    )


def test_lines_posted_at_once_are_those_posted_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = {"with services": 0, "without": 0, "by several": 0, "not": 0}
    lines = Poster._lines

    def counted(poster: Poster, account: Any, stretch: Any) -> Any:
        postings = lines(poster, account, stretch)
        if account.facts.account_no > 0:
            where = "not" if postings is None else "with services" if account.facts.services else "without"
            at_once[where] += len(stretch)
            at_once["by several"] += any(leg[2] in (32, 64) for *_, legs in postings or () for leg in legs)
        return postings

    monkeypatch.setattr(Poster, "_lines", counted)

    @settings(max_examples=EXAMPLES, derandomize=True, deadline=None, database=None)
    @given(st.one_of(STORIES, REPROJECTED_STORIES))
    def in_every_story(story: Story) -> None:
        told = tell([*BEFORE, *map(by_line, story), *AFTER])
        note(told.text())
        posting_account_by_account_gives_the_same(told)

    in_every_story()
    assert min(at_once.values()) > 0, at_once
