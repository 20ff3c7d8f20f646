"""An adjustment: an amount that persons give to an agent or take, on a document, outside of every rule.

    AdjustmentProposed ──▶ proposed ── AdjustmentApproved ──▶ approved ── AdjustmentReversalProposed ──▶ undoing
                               └────── AdjustmentRejected        ▲                                       │   │
                                                                 └──── AdjustmentReversalRejected ───────┘   │
                                                                 reversed ◀── AdjustmentReversed ────────────┘

Units: ``amount_minor`` in minor units of the currency; above zero it is given to the agent, below zero taken. The
house's margin is the other side. It is for one agent and moves no upline's override. It is never edited: a second
principal approves it, and what was approved is undone by a reversal of the whole, proposed and approved again. An agent
that is suspended or terminated can be adjusted.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, assert_never

from domain.account import opened
from domain.agent import recruited
from domain.ids import AccountId, AdjustmentId, AgentId, Because, account_stream, adjustment_stream, agent_stream
from domain.message import Actor, Command, Context, Event, Evidence, Refused, Streams, last_event
from domain.money import Currency, Minor, show
from domain.months import Month

# -- events


class AdjustmentProposed(Event, topic="adjustment.proposed"):
    adjustment: AdjustmentId
    agent: AgentId
    account: AccountId | None = None
    service_month: Month | None = None
    amount_minor: int
    currency: Currency
    adjusted_because: str
    document: Evidence
    proposed_by: Actor


class AdjustmentApproved(Event, topic="adjustment.approved"):
    """From here on the agent has earned the amount, or owes it. ``document`` is the proposal's."""

    adjustment: AdjustmentId
    agent: AgentId
    account: AccountId | None = None
    service_month: Month | None = None
    amount_minor: int
    currency: Currency
    adjusted_because: str
    document: Evidence
    proposed_by: Actor


class AdjustmentRejected(Event, topic="adjustment.rejected"):
    adjustment: AdjustmentId
    agent: AgentId
    amount_minor: int
    currency: Currency
    rejected_because: str


class AdjustmentReversalProposed(Event, topic="adjustment.reversal_proposed"):
    """``amount_minor`` is what was approved and is to be undone."""

    adjustment: AdjustmentId
    agent: AgentId
    amount_minor: int
    currency: Currency
    reversed_because: str
    document: Evidence
    proposed_by: Actor


class AdjustmentReversed(Event, topic="adjustment.reversed"):
    """``amount_minor`` is what was approved and is undone here."""

    adjustment: AdjustmentId
    agent: AgentId
    account: AccountId | None = None
    service_month: Month | None = None
    amount_minor: int
    currency: Currency
    reversed_because: str
    document: Evidence
    proposed_by: Actor


class AdjustmentReversalRejected(Event, topic="adjustment.reversal_rejected"):
    adjustment: AdjustmentId
    agent: AgentId
    amount_minor: int
    currency: Currency
    rejected_because: str


AdjustmentEvent = (
    AdjustmentProposed
    | AdjustmentApproved
    | AdjustmentRejected
    | AdjustmentReversalProposed
    | AdjustmentReversed
    | AdjustmentReversalRejected
)

# -- commands


class ProposeAdjustment(Command, do="propose_adjustment"):
    """The document it stands on comes as the command's evidence."""

    adjustment: AdjustmentId
    agent: AgentId
    account: AccountId | None = None
    service_month: Month | None = None
    amount_minor: Minor
    currency: Currency = "USD"
    adjusted_because: Because
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        named = (account_stream(self.account),) if self.account is not None else ()
        return Streams((adjustment_stream(self.adjustment),), (agent_stream(self.agent), *named))


class ApproveAdjustment(Command, do="approve_adjustment"):
    adjustment: AdjustmentId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((adjustment_stream(self.adjustment),))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(adjustment_stream(self.adjustment), versions)


class RejectAdjustment(Command, do="reject_adjustment"):
    adjustment: AdjustmentId
    rejected_because: Because
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((adjustment_stream(self.adjustment),))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(adjustment_stream(self.adjustment), versions)


class ReverseAdjustment(Command, do="reverse_adjustment"):
    """Proposes that the whole of an approved adjustment is undone; its document comes as the command's evidence."""

    adjustment: AdjustmentId
    reversed_because: Because
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((adjustment_stream(self.adjustment),))


class ApproveAdjustmentReversal(Command, do="approve_adjustment_reversal"):
    adjustment: AdjustmentId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((adjustment_stream(self.adjustment),))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(adjustment_stream(self.adjustment), versions)


class RejectAdjustmentReversal(Command, do="reject_adjustment_reversal"):
    adjustment: AdjustmentId
    rejected_because: Because
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((adjustment_stream(self.adjustment),))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(adjustment_stream(self.adjustment), versions)


AdjustmentCommand = (
    ProposeAdjustment
    | ApproveAdjustment
    | RejectAdjustment
    | ReverseAdjustment
    | ApproveAdjustmentReversal
    | RejectAdjustmentReversal
)

# -- refusals


class AdjustmentAlreadyProposed(Refused):
    """An adjustment is proposed once and never edited; another amount is another adjustment."""


class AdjustmentUnknown(Refused):
    """Only a proposed adjustment is approved, rejected or reversed."""


class AdjustmentOfNothing(Refused):
    """An adjustment gives something or takes something."""


class DocumentMissing(Refused):
    """What is moved by hand stands on a document."""


class AdjustmentNotProposed(Refused):
    """An adjustment is approved or rejected once, while it waits for approval."""


class AdjustmentNotApproved(Refused):
    """Only an approved adjustment is reversed, and once."""


class ReversalNotProposed(Refused):
    """A reversal is approved or rejected once, while it waits for approval."""


# -- state


@dataclass(frozen=True, slots=True)
class Adjustment:
    proposed: AdjustmentProposed | None = None
    reversal: AdjustmentReversalProposed | None = None
    status: Literal["unknown", "proposed", "approved", "rejected", "reversal proposed", "reversed"] = "unknown"


EMPTY = Adjustment()


def evolve(adjustment: Adjustment, event: AdjustmentEvent) -> Adjustment:
    match event:
        case AdjustmentProposed():
            return Adjustment(event, None, "proposed")
        case AdjustmentApproved():
            return Adjustment(adjustment.proposed, None, "approved")
        case AdjustmentRejected():
            return Adjustment(adjustment.proposed, None, "rejected")
        case AdjustmentReversalProposed():
            return Adjustment(adjustment.proposed, event, "reversal proposed")
        case AdjustmentReversed():
            return Adjustment(adjustment.proposed, None, "reversed")
        case AdjustmentReversalRejected():
            return Adjustment(adjustment.proposed, None, "approved")
        case _:
            assert_never(event)


# -- decisions


def decide(adjustment: Adjustment, command: AdjustmentCommand, context: Context) -> list[AdjustmentEvent]:
    if isinstance(command, ProposeAdjustment):
        return [_propose(adjustment, command, context)]
    if adjustment.proposed is None:
        raise AdjustmentUnknown(f"there is no adjustment {command.adjustment}; propose it first")
    what, effective_on = f"adjustment {command.adjustment}", command.effective_on or context.today
    same = _same(adjustment.proposed)
    where = adjustment.proposed.model_dump(include={"account", "service_month"})
    match command:
        case ApproveAdjustment():
            proposed = _waiting(adjustment, adjustment.proposed, what)
            context.require_second_person(proposed.proposed_by, what)
            return [AdjustmentApproved(**proposed.model_dump(exclude={"effective_on"}), effective_on=effective_on)]
        case RejectAdjustment():
            _waiting(adjustment, adjustment.proposed, what)
            return [AdjustmentRejected(**same, rejected_because=command.rejected_because, effective_on=effective_on)]
        case ReverseAdjustment():
            if adjustment.status != "approved":
                raise AdjustmentNotApproved(f"{what} is {adjustment.status}; only an approved one is reversed, once")
            return [
                AdjustmentReversalProposed(
                    **same,
                    reversed_because=command.reversed_because,
                    document=_document(context, f"the reversal of {what}"),
                    proposed_by=context.actor,
                    effective_on=effective_on,
                )
            ]
        case ApproveAdjustmentReversal():
            reversal = _reversal(adjustment, what)
            context.require_second_person(reversal.proposed_by, f"the reversal of {what}")
            return [
                AdjustmentReversed(**reversal.model_dump(exclude={"effective_on"}), **where, effective_on=effective_on)
            ]
        case RejectAdjustmentReversal():
            _reversal(adjustment, what)
            because = command.rejected_because
            return [AdjustmentReversalRejected(**same, rejected_because=because, effective_on=effective_on)]
        case _:
            assert_never(command)


def _propose(adjustment: Adjustment, command: ProposeAdjustment, context: Context) -> AdjustmentProposed:
    what = f"adjustment {command.adjustment}"
    if adjustment.proposed is not None:
        amount = show(adjustment.proposed.amount_minor, adjustment.proposed.currency)
        raise AdjustmentAlreadyProposed(
            f"{what} of {amount} {adjustment.proposed.currency} for {adjustment.proposed.agent} is "
            f"{adjustment.status}; give the next one its own id"
        )
    recruited(context.state(agent_stream(command.agent)), command.agent)
    if command.account is not None:
        opened(context.state(account_stream(command.account)), command.account)
    if not command.amount_minor:
        raise AdjustmentOfNothing(f"{what} for {command.agent} is 0.00; name an amount to give or to take")
    return AdjustmentProposed(
        **command.model_dump(exclude={"effective_on"}),
        document=_document(context, what),
        proposed_by=context.actor,
        effective_on=command.effective_on or context.today,
    )


def _document(context: Context, what: str) -> Evidence:
    if context.evidence is None:
        raise DocumentMissing(f"{what} has no evidence; name the document, its signer and the day it was signed")
    return context.evidence


def _waiting(adjustment: Adjustment, proposed: AdjustmentProposed, what: str) -> AdjustmentProposed:
    if adjustment.status != "proposed":
        raise AdjustmentNotProposed(f"{what} is {adjustment.status}; it does not wait for approval")
    return proposed


def _reversal(adjustment: Adjustment, what: str) -> AdjustmentReversalProposed:
    if adjustment.reversal is None:
        raise ReversalNotProposed(f"no reversal of {what} waits for approval; it is {adjustment.status}")
    return adjustment.reversal


def _same(proposed: AdjustmentProposed) -> dict[str, Any]:
    return {
        "adjustment": proposed.adjustment,
        "agent": proposed.agent,
        "amount_minor": proposed.amount_minor,
        "currency": proposed.currency,
    }
