"""What rating learns of money that moved and of adjustments; a credit is above zero."""

from collections.abc import Iterator
from typing import Any, assert_never

from domain.adjustment import (
    AdjustmentApproved,
    AdjustmentEvent,
    AdjustmentProposed,
    AdjustmentRejected,
    AdjustmentReversalProposed,
    AdjustmentReversalRejected,
    AdjustmentReversed,
)
from domain.payout import (
    CommissionHeld,
    HeldCommissionReleased,
    PayoutEvent,
    PayoutProposed,
    PayoutReleased,
    PayoutReturned,
    PayoutSettled,
    PayoutWithdrawn,
    PayRunApproved,
    PayRunEvent,
    PayRunProposed,
    PayRunReleased,
    PayRunWithdrawn,
)
from domain.rating.facts import ADJUSTMENT_NO, CASH_NO, HOLD_NO
from domain.receipt import MoneyReceived, ReceiptEvent, ReceiptMatched
from projections.facts.writer import Writer


def learn(event: ReceiptEvent | PayRunEvent | PayoutEvent | AdjustmentEvent, to: Writer) -> None:
    """Write the legs of what the event moved."""
    match event:
        case MoneyReceived() | PayoutReleased() | PayoutSettled() | PayoutReturned():
            to.fact(CASH_NO, "cash", list(_cash(event)), event.currency, event.effective_on.isoformat())
        case CommissionHeld() | HeldCommissionReleased():
            amount = event.amount_minor if isinstance(event, CommissionHeld) else -event.amount_minor
            legs = [["payable", event.agent, -amount], ["held", event.agent, amount]]
            to.fact(HOLD_NO, "held", legs, event.currency, event.effective_on.isoformat(), event.pay_run)
        case AdjustmentApproved() | AdjustmentReversed():
            _learn_adjustment(event, to)
        case (
            ReceiptMatched()
            | PayRunProposed()
            | PayRunApproved()
            | PayRunWithdrawn()
            | PayRunReleased()
            | PayoutProposed()
            | PayoutWithdrawn()
            | AdjustmentProposed()
            | AdjustmentRejected()
            | AdjustmentReversalProposed()
            | AdjustmentReversalRejected()
        ):
            pass
        case _:
            assert_never(event)


def _cash(event: MoneyReceived | PayoutReleased | PayoutSettled | PayoutReturned) -> Iterator[list[Any]]:
    """The legs of a movement: a credit is above zero, and they sum to zero."""
    amount = event.amount_minor
    match event:
        case MoneyReceived():
            yield from (["receivable", event.vendor, amount], ["bank", "", -amount])
        case PayoutReleased():
            yield from (["payable", event.agent, -amount], ["in-transit", "", amount])
        case PayoutSettled():
            yield from (["in-transit", "", -amount], ["bank", "", amount])
        case PayoutReturned():
            came_from = "bank" if event.was_settled else "in-transit"
            yield from (["payable", event.agent, amount], [came_from, "", -amount])


def _learn_adjustment(event: AdjustmentApproved | AdjustmentReversed, to: Writer) -> None:
    """What the agent is given comes from the house's margin; what is taken goes there."""
    amount = event.amount_minor if isinstance(event, AdjustmentApproved) else -event.amount_minor
    legs = [["payable", event.agent, amount], ["margin", "", -amount]]
    on = event.effective_on.isoformat()
    to.fact(ADJUSTMENT_NO, "adjustment", legs, event.currency, on, event.adjustment, event.account, event.service_month)
