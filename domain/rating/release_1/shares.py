"""What rating gives: items, shares and zeros, and the coefficients and reasons that they are made of."""

from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Literal, NamedTuple

from domain import months
from domain.plan import AppliesTo
from domain.rating.facts import Designation, Term

HOUSE, SUSPENSE = "house", "suspense"
ROLES_PER_SPLIT = 32
HOUSE_ROLE, SUSPENSE_ROLE = 1000, 1001

WHOLE = Fraction(1)

Base = Literal["commission", "mrc", "flat"]


class Step(NamedTuple):
    """One factor of a coefficient; in ``words``, ``{of}`` stands for what it is a part of."""

    words: str
    factor: Fraction


class Reach(NamedTuple):
    """Why a version applied: whom it is for, the contract's term by which it reached the item, and the month in which
    a reversal was reported if that chose it."""

    applies_to: AppliesTo
    term: Term | None = None
    reported: int = 0


class Why(NamedTuple):
    """What a coefficient came from; ``explain`` says it in words."""

    words: str
    rule: str
    plan: str
    plan_version: int
    plan_position: int
    reach: Reach
    aor: Designation
    steps: tuple[Step, ...]
    """What a person multiplies; their product is the coefficient, or what all of ``together`` are paid of the base."""
    path: tuple[str, ...] = ()
    """For an override: the chain from the selling agent up to the payee."""
    stay: Designation | None = None
    """The agent of record whom the commission has not reached yet, because it stays with a former one."""
    together: tuple[tuple[str, int], ...] = ()
    """Agents with weights who divide one rounded amount, in the stated order; none do so in release 1."""


class Coefficient(NamedTuple):
    """A payee's figure is ``numerator / denominator`` of the base."""

    payee: str
    role: int
    numerator: int
    denominator: int
    why: Why
    base: Base


MONTH = "{month}"
"""Stands for the service month in the reasons of terms, which hold for many months."""


class Zero(NamedTuple):
    """A figure that somebody may expect and that is nothing, with the reason."""

    payee: str
    reason: str

    def in_month(self, month: int) -> "Zero":
        return Zero(self.payee, self.reason.replace(MONTH, months.text(month)))


@dataclass(frozen=True, slots=True)
class Split:
    """One agent of record's part of an item: what is paid of each base."""

    agent: str
    weight: int
    commission: tuple[Coefficient, ...]
    by_service: tuple[Coefficient, ...]
    flat_minor: int
    clawback_within_days: int
    clawback_rate: Fraction
    zeros: tuple[Zero, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """Who is paid how for items of one season, kind, service and product."""

    splits: tuple[Split, ...]
    zeros: tuple[Zero, ...] = ()
    suspense_because: str = ""
    """Lines wait: nobody knows whose they are, or they are nobody's here."""
    withheld_by_service: bool = False
    """What would be paid by the month in service is not due: it is nobody's here."""

    @property
    def pays_by_service(self) -> bool:
        return any(split.by_service for split in self.splits)

    @property
    def pays_by_line(self) -> bool:
        return any(split.commission for split in self.splits) or not self.pays_by_service


class Share(NamedTuple):
    """One payee's part of an item. ``base`` and ``why`` are what the figure is made of."""

    payee: str
    role: int
    amount_minor: int
    base: int | Fraction
    coefficient: Coefficient | None


class Item(NamedTuple):
    """What is rated and rounded: a statement line, or a service × month with the lines that came for it.

    ``item_no`` is a statement's or a service's position; ``line`` is 0 for a service.
    """

    item_no: int
    line: int
    received: tuple[tuple[str, int], ...]
    """What came from each vendor, in minor units."""
    shares: tuple[Share, ...]
    zeros: tuple[Zero, ...]
    label: str

    @property
    def total_minor(self) -> int:
        return sum(amount for _, amount in self.received)


class Season(NamedTuple):
    """The months from ``first`` to before ``after``, in which the same terms hold."""

    first: int
    after: int


TermsKey = tuple[int, str, str | None, str | None, str, bool, int]
TermsCache = dict[TermsKey, list[tuple[Season, Terms]]]
"""Compiled terms of one account, valid for one state of what is known."""


def agent_payee(agent: str) -> str:
    return f"agent:{agent}"


@lru_cache
def percent(rate: Fraction | Decimal) -> str:
    """``80%`` for 0.8, exactly."""
    exact = Fraction(rate) * 100
    if exact.denominator == 1:
        return f"{exact.numerator}%"
    tenths = exact * 10**6
    if tenths.denominator == 1:
        digits = f"{abs(tenths.numerator):07d}"
        text = f"{digits[:-6]}.{digits[-6:]}".rstrip("0")
        return f"{'-' if exact < 0 else ''}{text}%"
    return f"{exact.numerator}/{exact.denominator}%"
