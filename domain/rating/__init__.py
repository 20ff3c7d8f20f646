"""Rating: a cell's facts and a recipe in, shares with reasons out. One module per release; old ones stay.

Which release rates is itself a fact of the house: what was promoted last, as known at the position that is asked for.
So every posted figure can be rated again by the release that gave it.
"""

from collections.abc import Mapping
from typing import Protocol

from domain.rating import release_1, release_2
from domain.rating.facts import AccountFacts, Cell, HouseFacts
from domain.rating.release_1 import Item, Terms, TermsCache


class Release(Protocol):
    """What a module of a rating release gives; see ``release_1``."""

    def rate(
        self, account: AccountFacts, house: HouseFacts, cell: Cell, known: int, cache: TermsCache, /
    ) -> tuple[Item, ...]: ...

    def moved(
        self, account: AccountFacts, house: HouseFacts, cell: Cell, position: int, cache: TermsCache, /
    ) -> tuple[list[Item], list[Item]]: ...

    def part_by_part(self, terms: Terms, /) -> bool:
        """Whether each payee's part of a line under these terms is its own: the base times the coefficient, rounded.

        Then ``release_1.paid_at_once`` gives the shares of many such lines.
        """


RELEASES: Mapping[int, Release] = {1: release_1, 2: release_2}
"""As far back as anything was ever posted by them: a release is added, never taken away."""


class ReleaseMissing(LookupError):
    """The house promoted a rating release that this program does not have. The message is one sentence."""


def release(number: int) -> Release:
    release = RELEASES.get(number)
    if release is None:
        raise ReleaseMissing(f"rating release {number} is not in this program; run the newer one that promoted it")
    return release


def rate(account: AccountFacts, house: HouseFacts, cell: Cell, known: int, cache: TermsCache) -> tuple[Item, ...]:
    """The items of a cell as known at a position, in order, by the release that was live there."""
    return release(house.release_at(known)).rate(account, house, cell, known, cache)


def moved(
    account: AccountFacts, house: HouseFacts, cell: Cell, position: int, cache: TermsCache
) -> tuple[list[Item], list[Item]]:
    """The items that came into a cell at a position, and those that left it; where lines are items, and terms stay."""
    return release(house.release_at(position)).moved(account, house, cell, position, cache)


def lines_are_items(account: AccountFacts, house: HouseFacts, known: int) -> bool:
    """Whether every line is an item of its own, whatever lines are beside it: in suspense, without services, and with
    services for which no plan pays, so that they gather no lines.
    """
    return account.account_no < 0 or not account.services or not house.pays_by_service(known)
