"""All aggregates of the house side by side: which module folds a stream, and which decides for it.

A command that writes several streams is decided once for each of them, from the same states; one refusal refuses all.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from domain import (
    account,
    adjustment,
    agency,
    agent,
    calendar,
    contract,
    customer,
    letter,
    line_move,
    payout,
    plan,
    receipt,
    recipe,
    succession,
    suspense,
    vendor,
    vendor_statement,
)
from domain.ids import CALENDAR, StreamId, kind_of
from domain.message import Command, Context, Event, NoDayOpen, Streams

HouseEvent = (
    calendar.CalendarEvent
    | vendor.VendorEvent
    | agent.AgentEvent
    | plan.PlanEvent
    | recipe.RecipeEvent
    | customer.CustomerEvent
    | account.AccountEvent
    | agency.AgencyEvent
    | letter.LetterEvent
    | contract.ContractEvent
    | vendor_statement.VendorStatementEvent
    | suspense.SuspenseEvent
    | line_move.LineMoveEvent
    | succession.SuccessionEvent
    | receipt.ReceiptEvent
    | adjustment.AdjustmentEvent
    | payout.PayRunEvent
    | payout.PayoutEvent
)
"""Every event of the house; a projection's ``match`` on it is closed."""

FOLDS: Mapping[str, tuple[Any, Any]] = {
    "calendar": (calendar.EMPTY, calendar.evolve),
    "vendor": (vendor.EMPTY, vendor.evolve),
    "agent": (agent.EMPTY, agent.evolve),
    "plan": (plan.EMPTY, plan.evolve),
    "recipe": (recipe.EMPTY, recipe.evolve),
    "customer": (customer.EMPTY, customer.evolve),
    "account": (account.EMPTY, account.evolve),
    "agency": (agency.EMPTY, agency.evolve),
    "letter": (letter.EMPTY, letter.evolve),
    "contract": (contract.EMPTY, contract.evolve),
    "vendor-statement": (vendor_statement.EMPTY, vendor_statement.evolve),
    "suspense": (suspense.EMPTY, suspense.evolve),
    "line-move": (line_move.EMPTY, line_move.evolve),
    "succession": (succession.EMPTY, succession.evolve),
    "receipt": (receipt.EMPTY, receipt.evolve),
    "adjustment": (adjustment.EMPTY, adjustment.evolve),
    "pay-run": (payout.EMPTY_RUN, payout.evolve_run),
    "payouts": (payout.EMPTY_PAYOUTS, payout.evolve_payouts),
}
"""By the kind of a stream: its state before anything has happened, and how an event changes it."""


def empty(stream: StreamId) -> Any:
    return FOLDS[kind_of(stream)][0]


def evolve(stream: StreamId, state: Any, event: Event) -> Any:
    return FOLDS[kind_of(stream)][1](state, event)


def streams_of(command: Command, known: Mapping[StreamId, Any]) -> Streams:
    """What the command writes and reads; every command reads the house's open day."""
    writes, reads = command.streams(known)
    return Streams(writes, tuple(dict.fromkeys(s for s in (*reads, CALENDAR) if s not in writes)))


def decide(command: Command, writes: Iterable[StreamId], context: Context) -> dict[StreamId, list[Event]]:
    """The events that a command leads to, by stream. Raises Refused."""
    if context.states[CALENDAR].open_day is None and not isinstance(command, calendar.OpenDay):
        raise NoDayOpen("no day is open in the house's calendar; open one with `trailbook day open` or with `on:`")
    decided = {stream: _decide_stream(stream, command, context) for stream in writes}
    return {stream: events for stream, events in decided.items() if events}


def _decide_stream(stream: StreamId, command: Command, context: Context) -> list[Any]:
    kind, _, key = stream.partition(":")
    state = context.states[stream]
    match kind:
        case "agency":
            return list(agency.decide(key, state, command, context))  # type: ignore[arg-type]
        case "account" if isinstance(command, letter.LetterCommand):
            return list(letter.decide_account(key, state, command, context))
        case "account" if isinstance(command, suspense.ApprovePlacement):
            return list(suspense.decide_account(state, command, context))
        case "account" if isinstance(command, succession.SucceedVendor):
            return list(succession.decide_account(state, command, context))
        case "vendor-statement" if isinstance(command, receipt.MatchReceipt):
            return list(receipt.decide_statement(state, key.partition(":")[2], command, context))
        case "plan" if isinstance(command, recipe.PromoteReprojection):
            return list(recipe.decide_plan(key, state, command, context))
        case "pay-run":
            return list(payout.decide_run(state, command, context))  # type: ignore[arg-type]
        case "payouts":
            return list(payout.decide_payouts(key, state, command, context))  # type: ignore[arg-type]
        case _:
            module = _MODULES[kind]
            return list(module.decide(state, command, context))


_MODULES: Mapping[str, Any] = {
    "calendar": calendar,
    "vendor": vendor,
    "agent": agent,
    "plan": plan,
    "recipe": recipe,
    "customer": customer,
    "letter": letter,
    "account": account,
    "contract": contract,
    "vendor-statement": vendor_statement,
    "suspense": suspense,
    "line-move": line_move,
    "succession": succession,
    "receipt": receipt,
    "adjustment": adjustment,
}
