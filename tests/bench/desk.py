"""Changes of the recipe, as two persons propose, approve and promote them.

ALL lowers what every seller is paid, from the first month on; SOME raises the uplines' override on internet lines of
the last months: every account is concerned, and one cell in a hundred differs.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from itertools import count
from typing import Literal

from domain import months
from domain.log import CommandResult
from domain.message import Actor, Command, Issued
from domain.plan import (
    Override,
    OverridePercentOfCommission,
    PercentOfCommission,
    ProposePlanVersion,
    Rule,
    Selector,
    ServiceMonthsFrom,
)
from domain.recipe import (
    ApproveReprojection,
    DropReprojection,
    PlanVersionRef,
    PromoteReprojection,
    ProposeReprojection,
    UndoReprojection,
)
from services.commands import Commands
from tests.bench.book import ANN, BOB, FIRST_MONTH, Size

Reach = Literal["all", "some"]
PLAN_OF: dict[Reach, str] = {"all": "seller", "some": "upline"}
PER_CENT: dict[Reach, str] = {"all": "100 %", "some": "1 %"}
INTERNET_ACCOUNTS = 0.25
ORDINARY_OVERRIDE = Decimal("0.075")


@dataclass
class Desk:
    """``size`` is of a book whose sellers have one plan version; its uplines have three."""

    commands: Commands
    size: Size
    _numbers: Iterator[int] = field(default_factory=count)
    _next: dict[Reach, int] = field(default_factory=lambda: {"all": 2, "some": 4})
    _waiting: set[Reach] = field(default_factory=set)
    _reach: dict[str, Reach] = field(default_factory=dict)

    def propose(self, reach: Reach) -> str:
        """The id of a reprojection with the plan's next version."""
        if reach not in self._waiting:
            self._give(self._version(reach), ANN)
            self._waiting.add(reach)
        name = self._name()
        self._reach[name] = reach
        version = PlanVersionRef(plan=PLAN_OF[reach], plan_version=self._next[reach])
        self._give(
            ProposeReprojection(reprojection=name, plan_versions=(version,), proposed_because="to be measured"), ANN
        )
        return name

    def propose_release(self, release: int) -> str:
        name = self._name()
        self._give(ProposeReprojection(reprojection=name, release=release, proposed_because="to be measured"), ANN)
        return name

    def propose_undo(self, undone: str) -> str:
        name = self._name()
        self._give(UndoReprojection(reprojection=name, undoes=undone, proposed_because="to be measured"), ANN)
        return name

    def approve(self, name: str) -> None:
        self._give(ApproveReprojection(reprojection=name), BOB)

    def promote(self, name: str) -> CommandResult:
        result = self._give(PromoteReprojection(reprojection=name), ANN)
        if reach := self._reach.get(name):
            self._next[reach] += 1
            self._waiting.discard(reach)
        return result

    def drop(self, name: str) -> None:
        self._give(DropReprojection(reprojection=name), ANN)

    def _name(self) -> str:
        return f"measured-{next(self._numbers)}"

    def _give(self, command: Command, by: Actor) -> CommandResult:
        return self.commands.handle(Issued(f"desk-{next(self._numbers)}", by, command))

    def _version(self, reach: Reach) -> ProposePlanVersion:
        internet = Override(rule="internet", when=Selector(category="internet"), pay=_override(Decimal("0.08")))
        ordinary = Override(rule="upline", pay=_override(ORDINARY_OVERRIDE))
        seller = reach == "all"
        return ProposePlanVersion(
            plan=PLAN_OF[reach],
            plan_version=self._next[reach],
            applies_to=ServiceMonthsFrom(**{"kind": "service-months-from", "from": self._from(reach)}),
            rules=_rules("0.68", "0.48") if seller else _rules(self._rate_of_uplines(), "0.5"),
            overrides=() if seller else (internet, ordinary),
        )

    def _from(self, reach: Reach) -> date:
        last_months = max(1, round(self.size.months / 100 / INTERNET_ACCOUNTS))
        return months.first_day(FIRST_MONTH + (0 if reach == "all" else self.size.months - last_months))

    def _rate_of_uplines(self) -> str:
        """What an upline that sells itself is paid in those months already."""
        return ("0.8", "0.75", "0.7")[min(2, self._from("some").year - 2021)]


def _rules(default: str, voice: str) -> tuple[Rule, ...]:
    by_rate = {"default": (Selector(), default), "voice": (Selector(category="voice"), voice)}
    return tuple(
        Rule(rule=rule, when=when, pay=PercentOfCommission(kind="percent-of-commission", rate=Decimal(rate)))
        for rule, (when, rate) in by_rate.items()
    )


def _override(rate: Decimal) -> OverridePercentOfCommission:
    return OverridePercentOfCommission(kind="percent-of-commission", rate=rate)
