"""Two versions of a plan beside each other, in words: what changes, for whom, and in which direction.

For each selector that either version names, it is asked which rule of each pays the items that are just so. What both
pay alike is not mentioned, whatever the rules are called.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

from domain.plan import (
    Differential,
    Flat,
    MultipleOfMrcOnce,
    Override,
    OverridePay,
    Pay,
    PlanVersionBody,
    ProposePlanVersion,
    Rule,
    Selector,
    pays_once,
)
from projections import plan_words
from projections.audit_trail.words import and_

Says = ProposePlanVersion
"""What a version says, wherever it stands: in a file, proposed, or published."""
Direction = Literal["more", "less", "otherwise"]


class Change(NamedTuple):
    """One thing that the second version says otherwise than the first."""

    about: Literal["whom it applies to", "rule", "override", "end", "reversals"]
    whom: str
    """For which items, in words; empty for what concerns the version as a whole."""
    before: str
    after: str
    direction: Direction
    """Whether those who are paid have more or less of it."""

    def __str__(self) -> str:
        if self.about == "whom it applies to":
            return f"it is {self.after}; the other one is {self.before}"
        mark = {"more": "more, ", "less": "less, ", "otherwise": ""}[self.direction]
        return f"{mark}{self.whom or self.about}: {self.after}, instead of {self.before}"


def says(body: PlanVersionBody) -> Says:
    """What a version in the house says, as a proposal would."""
    fields = {name: getattr(body, name) for name in Says.model_fields if name != "effective_on"}
    return Says.model_construct(**fields, effective_on=None)


def changes(before: Says, after: Says) -> list[Change]:
    """What the second version changes; nothing where both pay the same to the same."""
    found = [*_reach(before, after), *_rules(before, after), *_overrides(before, after)]
    return [*found, *_ends(before, after), *_reversals(before, after)]


def compared(before: Says, after: Says) -> Iterator[str]:
    """What the second version changes, sentence by sentence."""
    found = changes(before, after)
    yield from map(str, found)
    if not found:
        yield "nothing changes: both pay the same to the same"
    elif before.plan == after.plan and before.plan_version < after.plan_version:
        yield f"whom it does not reach stays under what version {before.plan_version} or another one says"


# -- a version in words


def told(version: Says) -> Iterator[str]:
    """What a version says, sentence by sentence, to be read aloud."""
    if version.because:
        yield f"Because {version.because}."
    yield f"It is {plan_words.applies_to(version.applies_to)}."
    for rule in version.rules:
        yield f"Rule {plan_words.rule(rule)}."
    if not version.rules:
        yield "It pays the agent of record nothing."
    for override in version.overrides:
        yield f"{_capital(plan_words.override(override))}."
    yield f"Commission {_end(version)}."
    yield f"{_capital(_reversal(version))}."


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _end(version: Says) -> str:
    return plan_words.ends(version).removeprefix("; commission ") or "is evergreen"


def _reversal(version: Says) -> str:
    if version.reversals == "schedule-of-today":
        return "lines that take back are rated by the schedule of the month in which they are reported"
    return "lines that take back are rated by the schedule that paid"


# -- what changes


def _reach(before: Says, after: Says) -> Iterator[Change]:
    if before.applies_to != after.applies_to:
        was, now = plan_words.applies_to(before.applies_to), plan_words.applies_to(after.applies_to)
        yield Change("whom it applies to", "", was, now, "otherwise")


def _rules(before: Says, after: Says) -> Iterator[Change]:
    several = len(before.rules) > 1 or len(after.rules) > 1
    same = {(rule.when, rule.pay) for rule in before.rules} & {(rule.when, rule.pay) for rule in after.rules}
    for when, once in dict.fromkeys((rule.when, pays_once(rule.pay)) for rule in (*before.rules, *after.rules)):
        was, now = _pays(before.rules, when, once), _pays(after.rules, when, once)
        if (was.pay if was else None) == (now.pay if now else None):
            continue
        overlaps = [
            [rule.rule for rule in _may_pay(version.rules, when, once, paid) if (rule.when, rule.pay) not in same]
            for version, paid in ((before, was), (after, now))
        ]
        told_before, told_after = (_rule_told(*of) for of in zip((was, now), overlaps, strict=True))
        direction = _direction(was.pay if was else None, now.pay if now else None)
        known: Direction = "otherwise" if any(overlaps) else direction
        yield Change("rule", _whom(when, once, several), told_before, told_after, known)


def _rule_told(rule: Rule | None, overlaps: list[str]) -> str:
    paid = plan_words.pay(rule.pay) if rule else "nothing"
    return f"{paid} (or what {and_(overlaps)} pays, where it is for them too)" if overlaps else paid


def _pays(rules: Iterable[Rule], when: Selector, once: bool) -> Rule | None:
    """The rule that pays items of which no more is known than the selector says."""
    fitting = [rule for rule in rules if pays_once(rule.pay) == once and _covers(rule.when, when)]
    return max(fitting, key=lambda rule: rule.when.specificity, default=None)


def _may_pay(rules: Iterable[Rule], when: Selector, once: bool, paid: Rule | None) -> Iterator[Rule]:
    """Rules that would go before the one that pays, for those of the items that they are for too.

    Whether any are, the selectors do not say: a product may be of a category or not. A rule for a part of the items is
    not among them; what it pays is said of that part.
    """
    for rule in rules:
        first = paid is None or rule.when.specificity > paid.when.specificity
        apart = any(
            value is not None and getattr(rule.when, name) is not None and getattr(rule.when, name) != value
            for name, value in when
        )
        nested = _covers(when, rule.when) or _covers(rule.when, when)
        if pays_once(rule.pay) == once and first and not apart and not nested:
            yield rule


def _covers(wide: Selector, narrow: Selector) -> bool:
    return all(value is None or value == getattr(narrow, name) for name, value in wide)


def _whom(when: Selector, once: bool, several: bool) -> str:
    words = plan_words.when(when).strip() or ("for what no other rule is for" if several else "for every item")
    return f"{words}, once" if once else words


def _overrides(before: Says, after: Says) -> Iterator[Change]:
    for when, level in dict.fromkeys((o.when, o.level) for o in (*before.overrides, *after.overrides)):
        was, now = _override(before.overrides, when, level), _override(after.overrides, when, level)
        if was is not None and now is not None and (was.pay, was.funded_by) == (now.pay, now.funded_by):
            continue
        if was or now:
            told_before, told_after = (_override_told(o) if o else "nothing" for o in (was, now))
            at = f"level {level}" if level else "every level"
            whom = f"override at {at}{plan_words.when(when)}"
            direction = _direction(was.pay if was else None, now.pay if now else None)
            yield Change("override", whom, told_before, told_after, direction)


def _override(overrides: Iterable[Override], when: Selector, level: int | None) -> Override | None:
    fitting = [o for o in overrides if _covers(o.when, when) and o.level in (None, level)]
    return max(fitting, key=lambda o: (o.when.specificity, o.level is not None), default=None)


def _override_told(override: Override) -> str:
    return f"{plan_words.override_pay(override.pay)}, funded by the {override.funded_by}"


def _direction(was: Pay | OverridePay | None, now: Pay | OverridePay | None) -> Direction:
    if was is None or now is None:
        return "less" if now is None else "more"
    (kind, figure), (kind_now, figure_now) = _figure(was), _figure(now)
    if kind != kind_now or figure == figure_now:
        return "otherwise"
    return "more" if figure_now > figure else "less"


def _figure(pay: Pay | OverridePay) -> tuple[Any, Any]:
    """What two pays must share to be more or less than each other, and the figure that says which."""
    match pay:
        case MultipleOfMrcOnce():
            return pay.kind, pay.multiple
        case Flat():
            return (pay.kind, pay.currency, pay.every), pay.amount_minor
        case Differential():
            return pay.kind, 0
        case _:
            return pay.kind, pay.rate


def _ends(before: Says, after: Says) -> Iterator[Change]:
    was, now = set(before.ends_with), set(after.ends_with)
    if was != now:
        direction: Direction = "less" if was < now else "more" if now < was else "otherwise"
        yield Change("end", "commission", _end(before), _end(after), direction)


def _reversals(before: Says, after: Says) -> Iterator[Change]:
    if before.reversals != after.reversals:
        yield Change("reversals", "", _reversal(before), _reversal(after), "otherwise")
