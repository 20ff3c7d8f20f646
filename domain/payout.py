"""Payouts: money actually sent. A fact once sent; a correction changes the next payout, never this one.

    pay run:  PayRunProposed ──▶ proposed ── PayRunApproved ──▶ approved ── PayRunReleased ──▶ released
                                     └───────────── PayRunWithdrawn ◀──────┘
    payout:   PayoutProposed ──▶ proposed ── PayoutReleased ──▶ released ── PayoutSettled ──▶ settled
                  └─ PayoutWithdrawn               └─────── PayoutReturned ◀──────┘
    holdback: (a payout's release) ── CommissionHeld ──▶ held ── HeldCommissionReleased ──▶ owed, for the next pay run

Units: minor units of the payout's currency. An amount is what the agent had earned up to one ledger position less
everything in the agent's own stream that was not returned or withdrawn; so the balance after a correction is the
true-up. All payouts of one agent meet in one stream: two clerks cannot pay the same cents twice.

Where the agreement holds back a part, each payout holds that part of what was newly earned since the last payout that
was not withdrawn, never less than nothing, rounded half away from zero. It is held from the release of the pay run for
the agreement's days, whatever becomes of the agent meanwhile, and owed again from the first day opened on
``held_until`` or after it. A balance that is carried holds nothing, and neither does a payout that is withdrawn; the
hold of a payout that came back stays, and what came back is paid again whole. The minimum is compared with what would
be sent; where all is held, nothing is sent and no minimum is asked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, assert_never

from pydantic import Field

from domain.agent import Agent
from domain.ids import RECIPE, AgentId, Because, PayRunId, agent_stream, pay_run_stream, payouts_stream
from domain.message import Actor, Command, Context, Event, Model, Refused, Streams, Upcasts, last_event, unchanged
from domain.money import Currency, half_away, show
from domain.recipe import Recipe


class Earned(Model):
    """What the ledger says an agent had earned, all shares together, as known at the pay run's position."""

    agent: AgentId
    currency: Currency
    earned_minor: int


class PayoutLine(Model):
    """``earned_minor`` less what was paid, what is still held of earlier payouts and what is held now: the amount."""

    agent: AgentId
    currency: Currency
    earned_minor: int
    paid_minor: int
    held_minor: int = 0
    """What earlier payouts hold, and was not released yet."""
    newly_held_minor: int = 0
    """What this payout is to hold."""
    hold_days: int = 0
    amount_minor: int


CarriedBecause = Literal["below the minimum", "negative", "nothing owed", "suspended"]


class CarriedLine(Model):
    """A balance that is not paid now, and why."""

    agent: AgentId
    currency: Currency
    balance_minor: int
    carried_because: CarriedBecause
    minimum_payout_minor: int


# -- events


class PayRunProposed(Event, topic="pay_run.proposed", version=3):
    """``as_known_at``: the ledger position that the figures were taken from; ``recipe_no``: the recipe live there.

    Version 2 knows balances that are carried because the agent is suspended, and what payouts hold; version 3 recipes.
    """

    upcasts: ClassVar[Upcasts] = {1: unchanged, 2: unchanged}

    pay_run: PayRunId
    as_known_at: int
    recipe_no: int = 0
    payouts: tuple[PayoutLine, ...]
    carried: tuple[CarriedLine, ...]
    proposed_by: Actor


class PayRunApproved(Event, topic="pay_run.approved"):
    pay_run: PayRunId
    approved_by: Actor


class PayRunWithdrawn(Event, topic="pay_run.withdrawn"):
    pay_run: PayRunId


class PayRunReleased(Event, topic="pay_run.released"):
    pay_run: PayRunId


class PayoutProposed(Event, topic="payout.proposed", version=2):
    """``held_minor``, ``newly_held_minor`` and ``hold_days`` as in ``PayoutLine``; version 2 knows them."""

    upcasts: ClassVar[Upcasts] = {1: unchanged}
    agent: AgentId
    pay_run: PayRunId
    as_known_at: int
    currency: Currency
    earned_minor: int
    paid_minor: int
    held_minor: int = 0
    newly_held_minor: int = 0
    hold_days: int = 0
    amount_minor: int


class PayoutWithdrawn(Event, topic="payout.withdrawn"):
    agent: AgentId
    pay_run: PayRunId
    currency: Currency
    amount_minor: int


class PayoutReleased(Event, topic="payout.released"):
    agent: AgentId
    pay_run: PayRunId
    currency: Currency
    amount_minor: int
    approved_by: Actor


class PayoutSettled(Event, topic="payout.settled"):
    agent: AgentId
    pay_run: PayRunId
    currency: Currency
    amount_minor: int


class PayoutReturned(Event, topic="payout.returned"):
    """The money came back, from the way or from the bank."""

    agent: AgentId
    pay_run: PayRunId
    currency: Currency
    amount_minor: int
    returned_because: str
    was_settled: bool


class CommissionHeld(Event, topic="payout.commission_held"):
    """The payout of a pay run holds this back; ``held_until`` is the first day on which it may be owed again."""

    agent: AgentId
    pay_run: PayRunId
    currency: Currency
    amount_minor: int
    held_until: date


class HeldCommissionReleased(Event, topic="payout.held_commission_released"):
    """What the payout of a pay run held is owed again, and the next pay run pays it."""

    agent: AgentId
    pay_run: PayRunId
    currency: Currency
    amount_minor: int
    held_until: date


PayRunEvent = PayRunProposed | PayRunApproved | PayRunWithdrawn | PayRunReleased
PayoutEvent = (
    PayoutProposed
    | PayoutWithdrawn
    | PayoutReleased
    | PayoutSettled
    | PayoutReturned
    | CommissionHeld
    | HeldCommissionReleased
)

# -- commands


class ProposePayRun(Command, do="propose_pay_run"):
    """``figures``, with the position and the recipe that they are of and the position of the ledger, are read from the
    ledger when the command is handled.
    """

    pay_run: PayRunId
    agents: Annotated[tuple[AgentId, ...], Field(max_length=100_000)] = ()
    """Whom to pay; left out, everybody."""
    figures: tuple[Earned, ...] | None = None
    as_known_at: int | None = None
    ledger_position: int | None = None
    recipe_no: int | None = None
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        agents = [earned.agent for earned in self.figures or ()]
        return Streams(
            (pay_run_stream(self.pay_run), *sorted({payouts_stream(a) for a in agents})),
            (RECIPE, *sorted({agent_stream(a) for a in agents})),
        )


class ApprovePayRun(Command, do="approve_pay_run"):
    pay_run: PayRunId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((pay_run_stream(self.pay_run),), (RECIPE,))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(pay_run_stream(self.pay_run), versions)


def _paid_in(pay_run: str, known: Mapping[str, Any]) -> list[str]:
    run: PayRun = known.get(pay_run_stream(pay_run), EMPTY_RUN)
    return sorted({line.agent for line in run.proposed.payouts}) if run.proposed else []


def _run_and_payouts(pay_run: str, known: Mapping[str, Any]) -> Streams:
    return Streams((pay_run_stream(pay_run), *(payouts_stream(agent) for agent in _paid_in(pay_run, known))))


class WithdrawPayRun(Command, do="withdraw_pay_run"):
    pay_run: PayRunId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return _run_and_payouts(self.pay_run, known)

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(pay_run_stream(self.pay_run), versions)


class ReleasePayRun(Command, do="release_pay_run"):
    """An agent suspended since the run was proposed is not paid: its payout is withdrawn, the others are released."""

    pay_run: PayRunId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        agents = _paid_in(self.pay_run, known)
        writes, _ = _run_and_payouts(self.pay_run, known)
        return Streams(writes, (RECIPE, *(agent_stream(agent) for agent in agents)))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(pay_run_stream(self.pay_run), versions)


class SettlePayout(Command, do="settle_payout"):
    """The bank has confirmed one agent's payout of a pay run, or all of them."""

    pay_run: PayRunId
    agent: AgentId | None = None
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        if self.agent is not None:
            return Streams((payouts_stream(self.agent),))
        return _run_and_payouts(self.pay_run, known)


class ReturnPayout(Command, do="return_payout"):
    pay_run: PayRunId
    agent: AgentId
    returned_because: Because
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((payouts_stream(self.agent),))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(payouts_stream(self.agent), versions)


class ReleaseHoldback(Command, do="release_holdback"):
    """What the payout of a pay run holds is owed again, if its day has come; the scheduler gives it."""

    agent: AgentId
    pay_run: PayRunId
    currency: Currency

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((payouts_stream(self.agent),))


PayRunCommand = ProposePayRun | ApprovePayRun | WithdrawPayRun | ReleasePayRun | SettlePayout
PayoutCommand = ProposePayRun | WithdrawPayRun | ReleasePayRun | SettlePayout | ReturnPayout | ReleaseHoldback

# -- refusals


class PayRunAlreadyProposed(Refused):
    """A pay run is proposed once."""


class PayRunUnknown(Refused):
    """Only a proposed pay run is approved, withdrawn, released or settled."""


class PayRunNotProposed(Refused):
    """A pay run is approved once, while it waits for approval."""


class PayRunNotApproved(Refused):
    """Nothing is sent before a second person has approved it."""


class PayRunClosed(Refused):
    """A pay run that was released or withdrawn is over."""


class NothingToPay(Refused):
    """Nobody's balance is above zero and at or above the minimum payout."""


class FigureGivenTwice(Refused):
    """An agent has one figure in each currency: two would be paid one after the other from the same balance."""


class LedgerBehind(Refused):
    """Figures are taken from a ledger that has reached their position."""


class FiguresOfAnotherRecipe(Refused):
    """What is paid was figured with the recipe that is live: a promotion in between moves what agents have earned."""


class EarlierProposalOpen(Refused):
    """An agent's earlier payout is released or withdrawn before the next one is proposed."""


class PayoutUnknown(Refused):
    """The agent has no payout in this pay run."""


class PayoutNotReleased(Refused):
    """Only a payout on its way is settled."""


class PayoutNotSent(Refused):
    """Only a payout that was sent can come back, and once."""


# -- state

PayoutStatus = Literal["proposed", "withdrawn", "released", "settled", "returned", "held"]
"""``held``: all of it is held, and nothing was sent."""


@dataclass(frozen=True, slots=True)
class PayRun:
    proposed: PayRunProposed | None = None
    status: Literal["none", "proposed", "approved", "withdrawn", "released"] = "none"
    approved_by: Actor | None = None


@dataclass(frozen=True, slots=True)
class Payout:
    currency: str
    amount_minor: int
    status: PayoutStatus
    earned_minor: int = 0
    newly_held_minor: int = 0
    hold_days: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    currency: str
    amount_minor: int
    held_until: date
    released: bool = False


@dataclass(frozen=True, slots=True)
class Payouts:
    """All payouts of one agent and what they hold, by pay run and currency, in the order of their proposals."""

    by_run: Mapping[tuple[str, str], Payout] = field(default_factory=dict)
    holds: Mapping[tuple[str, str], Hold] = field(default_factory=dict)

    def held_minor(self, currency: str) -> int:
        """What payouts in the currency hold, and was not released."""
        return sum(h.amount_minor for h in self.holds.values() if h.currency == currency and not h.released)

    def last_earned_minor(self, currency: str) -> int:
        """What was earned as the last payout in the currency that was not withdrawn had it."""
        earned = [p.earned_minor for p in self.by_run.values() if p.currency == currency and p.status != "withdrawn"]
        return earned[-1] if earned else 0

    def paid_minor(self, currency: str) -> int:
        """Everything proposed or sent in the currency that was not withdrawn or returned."""
        counted = ("proposed", "released", "settled")
        return sum(p.amount_minor for p in self.by_run.values() if p.currency == currency and p.status in counted)

    def in_run(self, pay_run: str) -> list[Payout]:
        return [payout for (run, _), payout in self.by_run.items() if run == pay_run]


EMPTY_RUN = PayRun()
EMPTY_PAYOUTS = Payouts()


def evolve_run(run: PayRun, event: PayRunEvent) -> PayRun:
    match event:
        case PayRunProposed():
            return replace(run, proposed=event, status="proposed")
        case PayRunApproved():
            return replace(run, status="approved", approved_by=event.approved_by)
        case PayRunWithdrawn():
            return replace(run, status="withdrawn")
        case PayRunReleased():
            return replace(run, status="released")
        case _:
            assert_never(event)


def evolve_payouts(payouts: Payouts, event: PayoutEvent) -> Payouts:
    key = (event.pay_run, event.currency)
    match event:
        case PayoutProposed():
            payout = Payout(
                event.currency,
                event.amount_minor,
                "proposed",
                event.earned_minor,
                event.newly_held_minor,
                event.hold_days,
            )
            return replace(payouts, by_run={**payouts.by_run, key: payout})
        case CommissionHeld() | HeldCommissionReleased():
            return _evolve_holds(payouts, event)
        case PayoutWithdrawn() | PayoutReleased() | PayoutSettled() | PayoutReturned():
            payout = payouts.by_run.get(key) or Payout(event.currency, event.amount_minor, "proposed")
            return replace(payouts, by_run={**payouts.by_run, key: replace(payout, status=_status(event))})
        case _:
            assert_never(event)


def _evolve_holds(payouts: Payouts, event: CommissionHeld | HeldCommissionReleased) -> Payouts:
    key = (event.pay_run, event.currency)
    released = isinstance(event, HeldCommissionReleased)
    hold = Hold(event.currency, event.amount_minor, event.held_until, released)
    by_run, payout = payouts.by_run, payouts.by_run.get(key)
    if payout is not None and payout.status == "proposed":  # nothing was sent beside it
        by_run = {**by_run, key: replace(payout, status="held")}
    return Payouts(by_run, {**payouts.holds, key: hold})


def _status(event: PayoutWithdrawn | PayoutReleased | PayoutSettled | PayoutReturned) -> PayoutStatus:
    match event:
        case PayoutWithdrawn():
            return "withdrawn"
        case PayoutReleased():
            return "released"
        case PayoutSettled():
            return "settled"
        case PayoutReturned():
            return "returned"
        case _:
            assert_never(event)


# -- decisions


def decide_run(run: PayRun, command: PayRunCommand, context: Context) -> list[PayRunEvent]:
    """What a command means for the run as a whole; its payouts are each in their agent's stream."""
    effective_on = command.effective_on or context.today
    if isinstance(command, ProposePayRun):
        return [_propose(run, command, context)]
    if run.proposed is None:
        raise PayRunUnknown(f"pay run {command.pay_run} is not proposed; propose it first")
    match command:
        case ApprovePayRun():
            if run.status != "proposed":
                raise PayRunNotProposed(f"pay run {command.pay_run} is {run.status} already")
            context.require_second_person(run.proposed.proposed_by, f"pay run {command.pay_run}")
            _require_live_recipe(run.proposed, context)
            return [PayRunApproved(pay_run=command.pay_run, approved_by=context.actor, effective_on=effective_on)]
        case WithdrawPayRun():
            _still_open(run, command.pay_run)
            return [PayRunWithdrawn(pay_run=command.pay_run, effective_on=effective_on)]
        case ReleasePayRun():
            _still_open(run, command.pay_run)
            if run.status != "approved":
                raise PayRunNotApproved(f"pay run {command.pay_run} is not approved; let a second person approve it")
            _require_live_recipe(run.proposed, context)
            return [PayRunReleased(pay_run=command.pay_run, effective_on=effective_on)]
        case SettlePayout():
            return []
        case _:
            assert_never(command)


def decide_payouts(agent: str, payouts: Payouts, command: PayoutCommand, context: Context) -> list[PayoutEvent]:
    """What a command means for one agent's payouts; what it means for the whole run, ``decide_run`` has decided."""
    if isinstance(command, ReleaseHoldback):
        return _release_hold(payouts, command, context)
    effective_on = command.effective_on or context.today
    events: list[PayoutEvent] = []
    match command:
        case ProposePayRun():
            events.extend(_propose_for(agent, command, context))
        case WithdrawPayRun():
            events.extend(
                PayoutWithdrawn(**_same(agent, command.pay_run, payout, effective_on))
                for payout in payouts.in_run(command.pay_run)
            )
        case ReleasePayRun():
            events.extend(_release_for(agent, payouts, command, context))
        case SettlePayout():
            for payout in _sent(agent, payouts, command.pay_run):
                if command.agent is None and payout.status in _over(command.pay_run, context):
                    continue
                if payout.status != "released":
                    raise PayoutNotReleased(
                        f"the payout of {agent} in {command.pay_run} is {payout.status}, not on its way"
                    )
                events.append(PayoutSettled(**_same(agent, command.pay_run, payout, effective_on)))
        case ReturnPayout():
            for payout in _sent(agent, payouts, command.pay_run):
                if payout.status not in ("released", "settled"):
                    raise PayoutNotSent(f"the payout of {agent} in {command.pay_run} is {payout.status}, not sent")
                events.append(
                    PayoutReturned(
                        **_same(agent, command.pay_run, payout, effective_on),
                        returned_because=command.returned_because,
                        was_settled=payout.status == "settled",
                    )
                )
        case _:
            assert_never(command)
    return events


def _propose(run: PayRun, command: ProposePayRun, context: Context) -> PayRunProposed:
    if run.proposed is not None:
        raise PayRunAlreadyProposed(f"pay run {command.pay_run} is proposed already; give the next one its own id")
    position, reached = command.as_known_at or 0, command.ledger_position or 0
    if reached < position:
        raise LedgerBehind(f"the ledger is at position {reached}, behind {position}; let the projectors catch up")
    recipe: Recipe = context.state(RECIPE)
    if command.recipe_no not in (None, recipe.recipe_no):
        raise FiguresOfAnotherRecipe(
            f"reprojection {recipe.last_promoted} was promoted while the figures of pay run {command.pay_run} were "
            "read; propose it again"
        )
    payouts: list[PayoutLine] = []
    carried: list[CarriedLine] = []
    given: set[tuple[str, str]] = set()
    for earned in command.figures or ():
        if (earned.agent, earned.currency) in given:
            raise FigureGivenTwice(
                f"pay run {command.pay_run} has two figures of {earned.agent} in {earned.currency}; give one"
            )
        given.add((earned.agent, earned.currency))
        line = _line(earned, command, context)
        (payouts if isinstance(line, PayoutLine) else carried).append(line)  # type: ignore[arg-type]
    if not payouts:
        raise NothingToPay(_nothing_to_pay(command.pay_run, position, carried))
    return PayRunProposed(
        pay_run=command.pay_run,
        as_known_at=position,
        recipe_no=recipe.recipe_no,
        payouts=tuple(payouts),
        carried=tuple(carried),
        proposed_by=context.actor,
        effective_on=command.effective_on or context.today,
    )


def _require_live_recipe(proposed: PayRunProposed, context: Context) -> None:
    recipe: Recipe = context.state(RECIPE)
    if recipe.recipe_no != proposed.recipe_no:
        raise FiguresOfAnotherRecipe(
            f"pay run {proposed.pay_run} took its figures at position {proposed.as_known_at}, before reprojection "
            f"{recipe.last_promoted} was promoted; withdraw it and propose another"
        )


def _propose_for(agent: str, command: ProposePayRun, context: Context) -> list[PayoutProposed]:
    """One agent's payouts of a run; looks at this agent's figures only, so that a run grows with its agents."""
    lines = [_line(earned, command, context) for earned in command.figures or () if earned.agent == agent]
    return [
        PayoutProposed(
            agent=agent,
            pay_run=command.pay_run,
            as_known_at=command.as_known_at or 0,
            currency=line.currency,
            earned_minor=line.earned_minor,
            paid_minor=line.paid_minor,
            held_minor=line.held_minor,
            newly_held_minor=line.newly_held_minor,
            hold_days=line.hold_days,
            amount_minor=line.amount_minor,
            effective_on=command.effective_on or context.today,
        )
        for line in lines
        if isinstance(line, PayoutLine)
    ]


def _release_for(
    agent: str, payouts: Payouts, command: ReleasePayRun, context: Context
) -> Iterator[PayoutReleased | PayoutWithdrawn | CommissionHeld]:
    run: PayRun = context.state(pay_run_stream(command.pay_run))
    if run.approved_by is None:
        raise PayRunNotApproved(f"pay run {command.pay_run} is not approved")
    effective_on = command.effective_on or context.today
    state: Agent = context.state(agent_stream(agent))
    for payout in payouts.in_run(command.pay_run):
        same = _same(agent, command.pay_run, payout, effective_on)
        if _suspended(state, effective_on, context):
            yield PayoutWithdrawn(**same)
            continue
        if payout.amount_minor:
            yield PayoutReleased(**same, approved_by=run.approved_by)
        if payout.newly_held_minor:
            until = date.fromordinal(min(effective_on.toordinal() + payout.hold_days, date.max.toordinal()))
            yield CommissionHeld(**{**same, "amount_minor": payout.newly_held_minor}, held_until=until)


def _suspended(agent: Agent, effective_on: date, context: Context) -> bool:
    """On the day of the money or today: no date given with a command pays somebody who is suspended."""
    return any(agent.suspended_on(day) is not None for day in (effective_on, context.today))


def _release_hold(payouts: Payouts, command: ReleaseHoldback, context: Context) -> list[PayoutEvent]:
    """Nothing, where it was released already or its day has not come."""
    hold = payouts.holds.get((command.pay_run, command.currency))
    if hold is None or hold.released or hold.held_until > context.today:
        return []
    return [
        HeldCommissionReleased(
            agent=command.agent,
            pay_run=command.pay_run,
            currency=hold.currency,
            amount_minor=hold.amount_minor,
            held_until=hold.held_until,
            effective_on=context.today,
        )
    ]


def _nothing_to_pay(pay_run: str, position: int, carried: list[CarriedLine]) -> str:
    kept = [
        f"{line.agent} {show(line.balance_minor, line.currency)} {line.currency} ({line.carried_because})"
        for line in carried[:5]
    ]
    more = f" and {len(carried) - 5} more" if len(carried) > 5 else ""
    words = f"pay run {pay_run} has nothing to pay as known at position {position}"
    return f"{words}; carried: {', '.join(kept)}{more}" if kept else words


def _line(earned: Earned, command: ProposePayRun, context: Context) -> PayoutLine | CarriedLine:
    payouts: Payouts = context.state(payouts_stream(earned.agent))
    for (pay_run, _), payout in payouts.by_run.items():
        if payout.status == "proposed":
            raise EarlierProposalOpen(
                f"{earned.agent} has {show(payout.amount_minor, payout.currency)} {payout.currency} proposed in "
                f"{pay_run}; release or withdraw that pay run first"
            )
    paid, held = payouts.paid_minor(earned.currency), payouts.held_minor(earned.currency)
    balance = earned.earned_minor - paid - held
    agent: Agent = context.state(agent_stream(earned.agent))
    agreement = agent.agreement
    minimum = agreement.minimum_payout_minor if agreement and agreement.currency == earned.currency else 0
    suspended = _suspended(agent, command.effective_on or context.today, context)
    newly_held, days = _holdback(earned, payouts, agent)
    amount = balance - newly_held
    if balance <= 0 or 0 < amount < minimum or suspended:
        because: CarriedBecause = "below the minimum"
        if balance <= 0:
            because = "negative" if balance < 0 else "nothing owed"
        elif suspended:
            because = "suspended"
        return CarriedLine(
            agent=earned.agent,
            currency=earned.currency,
            balance_minor=balance,
            carried_because=because,
            minimum_payout_minor=minimum,
        )
    return PayoutLine(
        agent=earned.agent,
        currency=earned.currency,
        earned_minor=earned.earned_minor,
        paid_minor=paid,
        held_minor=held,
        newly_held_minor=newly_held,
        hold_days=days,
        amount_minor=amount,
    )


def _holdback(earned: Earned, payouts: Payouts, agent: Agent) -> tuple[int, int]:
    """What a payout of these figures holds, and for how many days. Never more than the balance: it was not paid yet."""
    terms = agent.agreement.holdback if agent.agreement else None
    newly_earned = earned.earned_minor - payouts.last_earned_minor(earned.currency)
    if terms is None or newly_earned <= 0:
        return 0, 0
    held = half_away(newly_earned * terms.rate)
    return held, terms.days if held else 0


def _still_open(run: PayRun, pay_run: str) -> None:
    if run.status in ("released", "withdrawn"):
        raise PayRunClosed(f"pay run {pay_run} is {run.status} already")


def _over(pay_run: str, context: Context) -> tuple[PayoutStatus, ...]:
    """With which payouts the bank has nothing to do any more, when it confirms a whole pay run."""
    run: PayRun = context.state(pay_run_stream(pay_run))
    return ("settled", "returned", "withdrawn", "held") if run.status == "released" else ("settled", "returned")


def _sent(agent: str, payouts: Payouts, pay_run: str) -> list[Payout]:
    found = payouts.in_run(pay_run)
    if not found:
        raise PayoutUnknown(f"{agent} has no payout in pay run {pay_run}")
    # where all of one currency is held, the money of another one was sent all the same
    return [payout for payout in found if payout.status != "held"] or found


def _same(agent: str, pay_run: str, payout: Payout, effective_on: date) -> dict[str, Any]:
    return {
        "agent": agent,
        "pay_run": pay_run,
        "currency": payout.currency,
        "amount_minor": payout.amount_minor,
        "effective_on": effective_on,
    }
