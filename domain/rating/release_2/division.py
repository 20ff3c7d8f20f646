"""One amount divided among the agents of record whom the same rule pays."""

from collections.abc import Iterable, Sequence
from fractions import Fraction

from domain.money import divide, half_away
from domain.rating.release_1.shares import HOUSE_ROLE, ROLES_PER_SPLIT, WHOLE, Item, Share, Step

SamePay = tuple[str, int, str, str, Fraction]
"""Plan, its version and rule, the base, and the part of it that the whole weight would be paid. A version goes by its
number, not by its position: a promotion brings versions of several plans at one."""


def divided(item: Item) -> Item:
    """The item with what several agents of record are paid by one rule rounded once and divided by their weights."""
    shares = item.shares
    if len(shares) < 3 or shares[-2].role < ROLES_PER_SPLIT:  # the last one is the house's
        return item
    parts = [part for paid_alike in _paid_alike(shares) for part in _divide(paid_alike)]
    if not parts:
        return item
    by_role = {part.role: part for part in parts}
    left = item.total_minor - sum(by_role.get(share.role, share).amount_minor for share in shares[:-1])
    by_role[HOUSE_ROLE] = shares[-1]._replace(amount_minor=left)
    return item._replace(shares=tuple([by_role.get(share.role, share) for share in shares]))


def _paid_alike(shares: Iterable[Share]) -> list[list[Share]]:
    """The agents' own shares that are parts of one amount, where there are several."""
    alike: dict[SamePay, list[Share]] = {}
    for share in shares:
        coefficient = share.coefficient
        if coefficient is None or share.role % ROLES_PER_SPLIT or coefficient.base == "flat":
            continue
        of_whole = Fraction(coefficient.numerator, coefficient.denominator) / _weight(share)
        why = coefficient.why
        key = (why.plan, why.plan_version, why.rule, coefficient.base, of_whole)
        alike.setdefault(key, []).append(share)
    return [same for same in alike.values() if len(same) > 1]


def _divide(shares: Sequence[Share]) -> list[Share]:
    """The shares with their parts of the one amount, and why."""
    exact = sum((_exact(share) for share in shares), Fraction(0))
    weights = [_weight(share) for share in shares]
    amounts = divide(half_away(exact), weights)
    together = tuple(_named(share) for share in shares)
    return [_part(share, amount, together) for share, amount in zip(shares, amounts, strict=True)]


def _part(share: Share, amount_minor: int, together: tuple[tuple[str, int], ...]) -> Share:
    assert share.coefficient is not None
    why = share.coefficient.why
    of_all = Fraction(sum(weight for _, weight in together), sum(weight for _, weight in why.aor.agents))
    first = () if of_all == WHOLE else (Step(f"{of_all.numerator}/{of_all.denominator} of {{of}}", of_all),)
    _, *rest = why.steps  # the first one is the agent's own part
    why = why._replace(steps=(*first, *rest), together=together)
    return share._replace(amount_minor=amount_minor, coefficient=share.coefficient._replace(why=why))


def _exact(share: Share) -> Fraction:
    assert share.coefficient is not None
    return share.base * Fraction(share.coefficient.numerator, share.coefficient.denominator)


def _named(share: Share) -> tuple[str, int]:
    """The agent of record whose own share it is, and its weight."""
    assert share.coefficient is not None
    return share.coefficient.why.aor.agents[share.role // ROLES_PER_SPLIT]


def _weight(share: Share) -> int:
    return _named(share)[1]
