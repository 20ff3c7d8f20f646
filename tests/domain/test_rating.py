"""Which release rates is a fact of the house."""

import pytest

from domain import rating
from domain.rating import ReleaseMissing
from domain.rating.facts import FIRST_RELEASE, AccountFacts, Cell, HouseFacts

CELL = Cell(7, 24312, 0, "USD")


def test_given_no_promotion_then_the_first_release_rates() -> None:
    assert HouseFacts().release_at(10) == FIRST_RELEASE == min(rating.RELEASES)


def test_given_promotions_then_each_position_keeps_the_release_that_was_live_there() -> None:
    house = HouseFacts.of([(5, ("recipe", 1, 2, "r-1")), (8, ("recipe", 2, None, "r-2")), (9, ("recipe", 3, 1, "r-3"))])

    assert [house.release_at(known) for known in (4, 5, 8, 9)] == [1, 2, 2, 1]
    assert [house.recipe_no_at(known) for known in (4, 5, 8, 9)] == [0, 1, 2, 3]


def test_given_a_release_of_a_newer_program_then_rating_stops_and_says_so() -> None:
    house = HouseFacts.of([(5, ("recipe", 1, 99, "r-1"))])

    with pytest.raises(ReleaseMissing, match="rating release 99 is not in this program; run the newer one"):
        rating.rate(AccountFacts(7), house, CELL, 6, {})
