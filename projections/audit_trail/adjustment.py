"""How adjustments are told: to the agent and in the adjustment's own history, and to nobody else."""

from typing import assert_never

from domain.adjustment import (
    AdjustmentApproved,
    AdjustmentEvent,
    AdjustmentProposed,
    AdjustmentRejected,
    AdjustmentReversalProposed,
    AdjustmentReversalRejected,
    AdjustmentReversed,
)
from domain.ids import adjustment_stream, agent_stream
from projections.audit_trail.words import Writer, free_text, in_units


def tell(event: AdjustmentEvent, to: Writer) -> None:
    amount = in_units(abs(event.amount_minor), event.currency)
    given = f"{amount} {'for' if event.amount_minor > 0 else 'taken from'} {event.agent}"
    what = f"Adjustment {event.adjustment}, {given}"
    match event:
        case AdjustmentProposed():
            sentence = f"{what}{_where(event)}, was proposed: {free_text(event.adjusted_because)}."
        case AdjustmentApproved():
            sentence = f"{what}{_where(event)}, was approved: {free_text(event.adjusted_because)}."
        case AdjustmentRejected():
            sentence = f"{what}, was rejected: {free_text(event.rejected_because)}."
        case AdjustmentReversalProposed():
            sentence = f"{what}: a reversal was proposed: {free_text(event.reversed_because)}."
        case AdjustmentReversed():
            sentence = f"{what}{_where(event)}, was reversed: {free_text(event.reversed_because)}."
        case AdjustmentReversalRejected():
            sentence = f"{what}: the reversal was rejected: {free_text(event.rejected_because)}."
        case _:
            assert_never(event)
    to.tell(sentence, adjustment_stream(event.adjustment), agent_stream(event.agent))


def _where(event: AdjustmentProposed | AdjustmentApproved | AdjustmentReversed) -> str:
    account = f" on account {event.account}" if event.account else ""
    return f"{account} for {event.service_month}" if event.service_month else account
