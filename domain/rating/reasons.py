"""Reasons in words that a person can check with a pocket calculator."""

from fractions import Fraction

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
