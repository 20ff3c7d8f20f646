"""How pay runs and payouts are told; every agent reads only of itself."""

from typing import assert_never

from domain.ids import agent_stream, pay_run_stream
from domain.payout import (
    CarriedLine,
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
from domain.words import counted
from projections.audit_trail.words import Writer, and_, free_text, in_units


def tell_run(event: PayRunEvent, to: Writer) -> None:
    pay_run = pay_run_stream(event.pay_run)
    match event:
        case PayRunProposed():
            totals: dict[str, int] = {}
            for line in event.payouts:
                totals[line.currency] = totals.get(line.currency, 0) + line.amount_minor
            paid = and_(in_units(amount, currency) for currency, amount in sorted(totals.items())) or "nothing"
            carried = f", {counted(len(event.carried), 'balance')} carried" if event.carried else ""
            to.tell(
                f"Pay run {event.pay_run} was proposed, as known at position {event.as_known_at}: "
                f"{counted(len(event.payouts), 'payout')}, {paid} in all{carried}.",
                pay_run,
            )
            for balance in event.carried:
                to.tell(_carried(event.pay_run, balance), agent_stream(balance.agent))
        case PayRunApproved():
            to.tell(f"Pay run {event.pay_run} was approved.", pay_run)
        case PayRunWithdrawn():
            to.tell(f"Pay run {event.pay_run} was withdrawn.", pay_run)
        case PayRunReleased():
            to.tell(f"Pay run {event.pay_run} was released.", pay_run)
        case _:
            assert_never(event)


def _carried(pay_run: str, line: CarriedLine) -> str:
    balance = in_units(line.balance_minor, line.currency)
    match line.carried_because:
        case "below the minimum":
            why = f"{balance} is below the minimum of {in_units(line.minimum_payout_minor, line.currency)}"
        case "negative":
            why = f"the balance is negative, {balance}"
        case "suspended":
            why = f"the agent is suspended, and {balance} is kept for it"
        case "nothing owed":
            return f"Nothing is paid to {line.agent} in pay run {pay_run}: nothing is owed in {line.currency}."
    return f"Nothing is paid to {line.agent} in pay run {pay_run}: {why}; it is carried to the next."


def tell(event: PayoutEvent, to: Writer) -> None:
    to.tell(_sentence(event), agent_stream(event.agent), pay_run_stream(event.pay_run))


def _sentence(event: PayoutEvent) -> str:
    what = f"Payout of {in_units(event.amount_minor, event.currency)} to {event.agent} in pay run {event.pay_run}"
    match event:
        case PayoutProposed():
            return f"{what} was proposed: {_figures(event)}."
        case PayoutWithdrawn():
            return f"{what} was withdrawn before it was sent."
        case PayoutReleased():
            return f"{what} was released; the money is on its way."
        case PayoutSettled():
            return f"{what} was settled by the bank."
        case PayoutReturned():
            after = "after it was settled" if event.was_settled else "on its way"
            return f"{what} came back {after}: {free_text(event.returned_because)}."
        case CommissionHeld():
            held = in_units(event.amount_minor, event.currency)
            return f"{held} of {event.agent} are held back in pay run {event.pay_run}, until {event.held_until}."
        case HeldCommissionReleased():
            held = in_units(event.amount_minor, event.currency)
            return f"{held} that {event.agent} had held back in pay run {event.pay_run} are owed again."
        case _:
            assert_never(event)


def _figures(event: PayoutProposed) -> str:
    """What the amount is made of."""
    less = [
        (event.paid_minor, "of earlier payouts"),
        (event.held_minor, "still held back"),
        (event.newly_held_minor, f"held back now, for {counted(event.hold_days, 'day')}"),
    ]
    shown = "".join(f", less {in_units(amount, event.currency)} {why}" for amount, why in less if amount)
    return f"{in_units(event.earned_minor, event.currency)} earned as known at position {event.as_known_at}{shown}"
