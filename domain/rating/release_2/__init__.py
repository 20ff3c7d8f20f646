"""Rating release 2: agents of record whom the same rule pays divide one rounded amount by their weights.

Release 1 rounds each agent's exact part on its own. Of a line of 1.01 that two agents share half and half at 100% it
gives 0.51 and 0.51, and leaves the house with a cent less than nothing. Release 2 rounds what they are paid together,
once, half away from zero, and divides that: the largest remainder takes the odd minor units, ties go to the agent whom
the letter names first, a negative amount mirrors the positive one. So the parts sum to what one agent alone would be
paid; what it costs is that two agents with the same weight can be a minor unit apart.

All else is release 1: terms, overrides, which are each payee's own figure, and flat amounts, which release 1 divides so
already. Agents whom different rules pay, or who fund different overrides, are not paid one amount, and are each rounded
on their own.
"""

from domain.rating import release_1
from domain.rating.facts import AccountFacts, Cell, HouseFacts
from domain.rating.release_1 import Item, Terms, TermsCache
from domain.rating.release_2.division import divided


def rate(account: AccountFacts, house: HouseFacts, cell: Cell, known: int, cache: TermsCache) -> tuple[Item, ...]:
    """The items of a cell as known at a position, in order. Their shares sum to what was received, exactly."""
    return tuple([divided(item) for item in release_1.rate(account, house, cell, known, cache)])


def moved(
    account: AccountFacts, house: HouseFacts, cell: Cell, position: int, cache: TermsCache
) -> tuple[list[Item], list[Item]]:
    """The items that came into a cell at a position, and those that left it; where lines are items, and terms stay."""
    came, left = release_1.moved(account, house, cell, position, cache)
    return [divided(item) for item in came], [divided(item) for item in left]


def part_by_part(terms: Terms) -> bool:
    """Whether each payee's part of a line under these terms is its own, and not divided from one amount."""
    return len(terms.splits) < 2


__all__ = ["moved", "part_by_part", "rate"]
