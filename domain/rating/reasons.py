"""Reasons in words that a person can check with a pocket calculator."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import NamedTuple

from domain import rating
from domain.money import half_away, show
from domain.rating import release_1
from domain.rating.facts import FIRST_RELEASE, AccountFacts, Cell, HouseFacts, Line
from domain.rating.release_1 import Item, Share
from domain.rating.release_1.reached import version_words
from domain.rating.release_1.shares import Why

PLACES = 12
"""How many places below a minor unit an exact figure is written out with."""


def figure(amount: int | Fraction, currency: str) -> str:
    """An exact amount to read, with the places below a minor unit that it needs."""
    if isinstance(amount, int) or amount.denominator == 1:
        return show(int(amount), currency)
    for places in range(1, PLACES + 1):
        scaled = abs(amount) * 10**places
        if scaled.denominator == 1:
            whole, rest = divmod(scaled.numerator, 10**places)
            point = "" if "." in show(whole, currency) else "."
            return f"{'-' if amount < 0 else ''}{show(whole, currency)}{point}{rest:0{places}d}"
    return f"about {show(half_away(amount), currency)}"


def reason(item: Item, share: Share, currency: str) -> str:
    """Why a share is what it is: the rule, the figures, and the positions of the events that it used."""
    if share.coefficient is None:
        if share.payee == "suspense":
            amount = show(share.amount_minor, currency)
            return f"{amount} waits in suspense: {item.zeros[0].reason}; {item.label}"
        return _what_is_left(item, share, currency)
    why = share.coefficient.why
    named = " and ".join(agent for agent, _ in why.aor.agents)
    parts = [
        f"{why.words}: {_figures(share, currency)}",
        item.label,
        rule_of(why),
        f"agent of record {named} from {why.aor.effective_on} (position {why.aor.position})",
    ]
    if why.stay is not None:
        since = f"{why.stay.effective_on} (position {why.stay.position})"
        now = " and ".join(agent for agent, _ in why.stay.agents)
        parts.append(
            f"commission stays with {named}, though {now} is agent of record from {since}, until the contract renews, "
            f"at the latest {why.stay.stays_at_latest}"
        )
    parts.extend(zero.reason for zero in item.zeros if zero.payee == share.payee)
    if why.path:
        parts.append("upline chain " + " → ".join(why.path))
    return "; ".join(parts)


def rule_of(why: Why) -> str:
    """The rule, its version, and why that applied."""
    return f"rule {why.rule} of {version_words(why.plan, why.plan_version, why.plan_position, why.reach)}"


def _figures(share: Share, currency: str) -> str:
    """The multiplications one after the other, as a person does them with a pocket calculator."""
    assert share.coefficient is not None
    so_far = Fraction(share.base)
    if not share.coefficient.why.steps:
        return figure(share.base, currency)
    said: list[str] = []
    for step in share.coefficient.why.steps:
        of = "that" if said else figure(share.base, currency)
        so_far *= step.factor
        said.append(f"{step.words.format(of=of)} = {figure(so_far, currency)}")
    rounded = half_away(so_far)
    if so_far != rounded:
        said.append(f"rounded {show(rounded, currency)}")
    if share.coefficient.why.together:
        said.append(f"{divided_among(share.coefficient.why.together)}: {show(share.amount_minor, currency)}")
    return ", ".join(said)


def divided_among(together: Sequence[tuple[str, int]]) -> str:
    """``divided 60:40 among harbor and delta, largest remainder first``."""
    weights = ":".join(str(weight) for _, weight in together)
    return f"divided {weights} among {' and '.join(agent for agent, _ in together)}, largest remainder first"


def _what_is_left(item: Item, share: Share, currency: str) -> str:
    others = [s.amount_minor for s in item.shares if s.payee != "house"]
    paid = "".join(f" {'-' if amount >= 0 else '+'} {show(abs(amount), currency)}" for amount in others)
    what = f"what is left of {show(item.total_minor, currency)} received"
    words = f"{what}:{paid} = {show(share.amount_minor, currency)}" if paid else what
    zeros = "".join(f"; {zero.reason}" for zero in item.zeros if zero.payee == "house")
    return f"{words}; {item.label}{zeros}"


def came_because(account: AccountFacts, house: HouseFacts, position: int) -> str:
    """Why the lines wait that came to a number in suspense at a position; nothing where none did."""
    came = (line for lines in account.lines.values() for line in lines if line.position == position)
    return "; ".join(dict.fromkeys(waits_because(account, house, line, position) for line in came))


def waiting_because(account: AccountFacts, house: HouseFacts, known: int) -> str:
    """Why lines wait as known at a position: each reason once."""
    standing = [line for lines in account.lines.values() for line in lines if line.position <= known < line.ended]
    return "; ".join(dict.fromkeys(filter(None, (waits_because(account, house, line, known) for line in standing))))


def waits_because(account: AccountFacts, house: HouseFacts, line: Line, known: int) -> str:
    """Why a line waits: nobody knows its account, or on a known account what rating says; nothing if it does not."""
    if account.account_no < 0:
        return line.because
    cell = Cell(account.account_no, *next(key for key, lines in account.lines.items() if line in lines))
    for item in rating.rate(account, house, cell, known, {}):
        if (item.item_no, item.line) == (line.statement_no, line.line):
            return next((zero.reason for zero in item.zeros if zero.payee == release_1.SUSPENSE), "")
    return ""


class Explanation(NamedTuple):
    """Why an entry was posted: ``amount_minor`` is what a cell rated before and after gives for it."""

    item: str
    words: str
    amount_minor: int
    positions: tuple[int, ...]
    """The events that the figures come from."""


class Releases(NamedTuple):
    """Which rating release gave what was posted before, and which one gives what is posted now."""

    before: int
    now: int

    @classmethod
    def at(cls, house: HouseFacts, position: int) -> "Releases":
        return cls(house.release_at(position - 1), house.release_at(position))

    def name(self, release: int) -> str:
        """What a reason says of a release; nothing as long as there was only the first one."""
        return f"; by rating release {release}" if max(self) > FIRST_RELEASE else ""


ALWAYS_THE_FIRST = Releases(FIRST_RELEASE, FIRST_RELEASE)


def explain(
    before: Sequence[Item],
    after: Sequence[Item],
    part: tuple[int, int, int, str],
    currency: str,
    releases: Releases = ALWAYS_THE_FIRST,
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
        item, share = earlier[0]
        words = _nothing_any_more(item, share, [i for i in after if (i.item_no, i.line) == part[:2]])
    words += releases.name(releases.now)
    posted = sum(share.amount_minor for _, share in earlier)
    if posted:
        of = " and ".join(reason(item, share, currency) for item, share in earlier)
        words += f"; less {show(posted, currency)} posted before ({of}{releases.name(releases.before)})"
    positions = sorted({position for found in (*now, *earlier) for position in _positions(*found)})
    return Explanation(label, words, sum(share.amount_minor for _, share in now) - posted, tuple(positions))


class SideBySide(NamedTuple):
    """One part of an item as two recipes rate it: its figures in minor units, each with its reason."""

    item: str
    old_minor: int
    new_minor: int
    old_words: str
    new_words: str


def side_by_side(
    old: Sequence[Item],
    new: Sequence[Item],
    part: tuple[int, int, int, str],
    currency: str,
    releases: Releases = ALWAYS_THE_FIRST,
) -> SideBySide | None:
    """A part (item number, line, role, payee) under two recipes as of one position; None when it is in neither."""
    was, becomes = list(_shares(old, part)), list(_shares(new, part))
    if not was and not becomes:
        return None
    return SideBySide(
        (becomes or was)[0][0].label,
        sum(share.amount_minor for _, share in was),
        sum(share.amount_minor for _, share in becomes),
        _on_one_side(was, becomes, old, currency) + releases.name(releases.before),
        _on_one_side(becomes, was, new, currency) + releases.name(releases.now),
    )


def _on_one_side(
    found: Sequence[tuple[Item, Share]], other: Sequence[tuple[Item, Share]], items: Sequence[Item], currency: str
) -> str:
    if found:
        return " and ".join(reason(item, share, currency) for item, share in found)
    item, share = other[0]
    same = [i for i in items if (i.item_no, i.line) == (item.item_no, item.line)]
    if not same and item.line:
        return "nothing: the line belongs to what its service is paid by the month"
    return _nothing_any_more(item, share, same).replace("nothing any more", "nothing", 1)


def _shares(items: Iterable[Item], part: tuple[int, int, int, str]) -> Iterator[tuple[Item, Share]]:
    item_no, line, role, payee = part
    for item in items:
        if (item.item_no, item.line) == (item_no, line):
            for share in item.shares:
                if share.role == role and share.payee == payee:
                    yield item, share


def _nothing_any_more(was: Item, before: Share, items: Sequence[Item]) -> str:
    """Why a part of an item is gone: what its payee has now, who has it, or where it went."""
    if not items and not was.line:
        return "nothing any more: nothing is paid for the service by the month"
    if not items:
        elsewhere = "moved elsewhere or belongs to what its service is paid by the month"
        return f"nothing any more: the line was withdrawn by its vendor, {elsewhere}"
    for item in items:
        for zero in item.zeros:
            if zero.payee == before.payee:
                return f"nothing any more: {zero.reason}"
    shares = [share for item in items for share in item.shares if share.coefficient is not None]
    if not shares:
        return "nothing any more: the item waits in suspense or has nobody to be paid"
    if before.coefficient is not None and before.coefficient.why.path:
        chains = [" → ".join(s.coefficient.why.path) for s in shares if s.coefficient and s.coefficient.why.path]
        now = f"the upline chain is {chains[-1]}" if chains else "no upline has an override"
        if before.coefficient.why.aor == shares[0].coefficient.why.aor:  # type: ignore[union-attr]
            return f"nothing any more: {now}"
    aor = shares[0].coefficient.why.aor  # type: ignore[union-attr]
    named = " and ".join(agent for agent, _ in aor.agents)
    if before.payee == "suspense":
        return (
            f"waits no more: the item is {named}'s, agent of record from {aor.effective_on} (position {aor.position})"
        )
    return f"nothing any more: the agent of record is {named} from {aor.effective_on} (position {aor.position})"


def _positions(item: Item, share: Share) -> Iterator[int]:
    yield item.item_no
    if share.coefficient is not None:
        yield share.coefficient.why.plan_position
        if share.coefficient.why.reach.term is not None:
            yield share.coefficient.why.reach.term.position
        yield share.coefficient.why.aor.position
