"""Reasons in words that a person can check with a pocket calculator."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from domain.money import half_away, show
from domain.rating.release_1 import Item, Share


def figure(amount: int | Fraction, currency: str) -> str:
    """An exact amount to read; below a minor unit it keeps up to four further places, or a fraction."""
    if isinstance(amount, int) or amount.denominator == 1:
        return show(int(amount), currency)
    for places in range(1, 5):
        scaled = amount * 10**places
        if scaled.denominator == 1:
            whole, rest = divmod(abs(scaled.numerator), 10**places)
            return f"{'-' if amount < 0 else ''}{show(whole, currency)}{rest:0{places}d}"
    return f"about {show(half_away(amount), currency)}"


def reason(item: Item, share: Share, currency: str) -> str:
    """Why a share is what it is: the rule, the figures, and the positions of the events that it used."""
    amount = show(share.amount_minor, currency)
    if share.coefficient is None:
        if item.zeros and share.payee == "suspense":
            return f"{amount} waits in suspense: {item.zeros[0].reason}; {item.label}"
        return _what_is_left(item, share, currency)
    why = share.coefficient.why
    exact = Fraction(share.base) * share.coefficient.numerator / share.coefficient.denominator
    parts = [f"{why.words}: {_part(share)} of {figure(share.base, currency)} = {figure(exact, currency)}"]
    if exact != share.amount_minor:
        parts[0] += f", rounded {amount}"
    parts.append(item.label)
    parts.append(f"rule {why.rule} of plan {why.plan} version {why.plan_version} (position {why.plan_position})")
    named = " and ".join(agent for agent, _ in why.aor.agents)
    parts.append(f"agent of record {named} from {why.aor.effective_on} (position {why.aor.position})")
    parts.extend(zero.reason for zero in item.zeros if zero.payee == share.payee)
    if why.path:
        parts.append("upline chain " + " → ".join(why.path))
    return "; ".join(parts)


def _part(share: Share) -> str:
    assert share.coefficient is not None
    rate = Fraction(share.coefficient.numerator, share.coefficient.denominator)
    hundredths = rate * 100
    if hundredths.denominator == 1:
        return f"{hundredths.numerator}%"
    return f"{share.coefficient.numerator}/{share.coefficient.denominator}"


def _what_is_left(item: Item, share: Share, currency: str) -> str:
    others = [s.amount_minor for s in item.shares if s.payee != "house"]
    paid = "".join(f" {'-' if amount >= 0 else '+'} {show(abs(amount), currency)}" for amount in others)
    what = f"what is left of {show(item.total_minor, currency)} received"
    words = f"{what}:{paid} = {show(share.amount_minor, currency)}" if paid else what
    zeros = "".join(f"; {zero.reason}" for zero in item.zeros if zero.payee == "house")
    return f"{words}; {item.label}{zeros}"


class Explanation(NamedTuple):
    """Why an entry was posted: ``amount_minor`` is what a cell rated before and after gives for it."""

    item: str
    words: str
    amount_minor: int
    positions: tuple[int, ...]
    """The events that the figures come from."""


def explain(
    before: Sequence[Item], after: Sequence[Item], part: tuple[int, int, int, str], currency: str
) -> Explanation | None:
    """Why a part (item number, line, role, payee) was posted when a cell went from ``before`` to ``after``.

    None when the part is in neither.
    """
    now, earlier = list(_shares(after, part)), list(_shares(before, part))
    if not now and not earlier:
        return None
    label = (now or earlier)[0][0].label
    words = " and ".join(reason(item, share, currency) for item, share in now)
    if not now:
        words = _nothing_any_more([item for item in after if (item.item_no, item.line) == part[:2]])
    posted = sum(share.amount_minor for _, share in earlier)
    if posted:
        of = " and ".join(reason(item, share, currency) for item, share in earlier)
        words += f"; less {show(posted, currency)} posted before ({of})"
    positions = sorted({position for found in (*now, *earlier) for position in _positions(*found)})
    return Explanation(label, words, sum(share.amount_minor for _, share in now) - posted, tuple(positions))


def _shares(items: Iterable[Item], part: tuple[int, int, int, str]) -> Iterator[tuple[Item, Share]]:
    item_no, line, role, payee = part
    for item in items:
        if (item.item_no, item.line) == (item_no, line):
            for share in item.shares:
                if share.role == role and share.payee == payee:
                    yield item, share


def _nothing_any_more(items: Iterable[Item]) -> str:
    """Why a part of an item is gone: who has the item now, or where it went."""
    for item in items:
        for share in item.shares:
            if share.coefficient is not None:
                aor = share.coefficient.why.aor
                named = " and ".join(agent for agent, _ in aor.agents)
                since = f"from {aor.effective_on} (position {aor.position})"
                return f"nothing any more: the agent of record is {named} {since}"
        if item.zeros:
            return f"nothing any more: {item.zeros[0].reason}"
    return "nothing any more: the item is no longer in this cell"


def _positions(item: Item, share: Share) -> Iterator[int]:
    yield item.item_no
    if share.coefficient is not None:
        yield share.coefficient.why.plan_position
        yield share.coefficient.why.aor.position
