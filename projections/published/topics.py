"""Which topic an event goes to. A stream is published whole, to one topic, or not at all.

So order within a stream is order within a topic's key, and the stream versions under a key have no gap: a reader can
see that nothing is missing.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal, assert_never, get_args

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
from domain.house import HouseEvent
from domain.message import Event

Topic = Literal["deals", "contracts", "vendor-statements", "accounts", "payouts", "partners", "ledger-entries"]
"""What follows the house's name in a topic of Kafka: ``<house>.deals``."""

CARRIES: Mapping[Topic, str] = {
    "deals": "Customers, their deals, and the agents' registrations of them.",
    "contracts": "Contracts and the services under them, with what is charged by the month and once.",
    "vendor-statements": "Vendors' statements with their lines, lines moved to another account, and money received.",
    "accounts": "Accounts, their agents of record with the letters that name them, their agency of record, and vendors "
    "that took accounts over from another.",
    "payouts": "Pay runs, agents' payouts, commission held back, and adjustments.",
    "partners": "Vendors, agents, plans, and the recipe that the ledger is valued with.",
    "ledger-entries": "The journal, entry by entry. A promotion of another recipe comes as entries of its differences.",
}

PARTITIONS = 6
"""Of each topic. Never changed once a house publishes: a key would move, and its order with it."""
REPLICAS = 3
RETENTION_DAYS: int | None = None
"""None: for ever. A topic holds the whole history, so that a new reader needs nothing else."""
MAX_MESSAGE_BYTES = 16 * 1024 * 1024

UNPUBLISHED: Mapping[str, str] = {
    "calendar": "the house's clock; whatever a day brings about is an event or an entry of its own",
    "suspense": "the id of its stream is a number as a vendor printed it, perhaps a telephone number; where the money "
    "goes is in the ledger's entries",
}
"""Kinds of streams that nobody downstream gets, and why."""


def topic_of(event: HouseEvent) -> Topic | None:
    """The topic that an event is published to; None for what nobody downstream gets."""
    if isinstance(event, customer.CustomerEvent):
        return "deals"
    if isinstance(event, contract.ContractEvent):
        return "contracts"
    if isinstance(event, vendor_statement.VendorStatementEvent | line_move.LineMoveEvent | receipt.ReceiptEvent):
        return "vendor-statements"
    if isinstance(event, account.AccountEvent | letter.LetterEvent | agency.AgencyEvent | succession.SuccessionEvent):
        return "accounts"
    if isinstance(event, payout.PayRunEvent | payout.PayoutEvent | adjustment.AdjustmentEvent):
        return "payouts"
    if isinstance(event, vendor.VendorEvent | agent.AgentEvent | plan.PlanEvent | recipe.RecipeEvent):
        return "partners"
    if isinstance(event, calendar.CalendarEvent | suspense.SuspenseEvent):
        return None
    assert_never(event)


def published_events() -> Iterator[tuple[type[Event], Topic]]:
    """Every event that is published, with its topic, in order of the events' names."""
    of_house: dict[str, Any] = {cls.topic: cls for cls in get_args(HouseEvent)}
    for name in sorted(of_house):
        topic = topic_of(of_house[name].model_construct())
        if topic is not None:
            yield of_house[name], topic
