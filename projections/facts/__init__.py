"""Facts: what rating needs, by account, in the order in which it was learned. The same for every recipe.

One file for what is learned of terms (days, vendors, plans, agents), accounts, lines and money. ``lines`` says how a
statement line finds its account, and where it waits while it finds none.
"""

from collections.abc import Iterable
from typing import assert_never, cast

from domain.account import AccountEvent
from domain.adjustment import AdjustmentEvent
from domain.agency import AgencyEvent
from domain.agent import AgentEvent
from domain.calendar import CalendarEvent
from domain.contract import ContractEvent
from domain.customer import CustomerEvent
from domain.house import HouseEvent
from domain.letter import LetterEvent
from domain.line_move import LineMoveEvent
from domain.message import Recorded
from domain.payout import PayoutEvent, PayRunEvent
from domain.plan import PlanEvent
from domain.receipt import ReceiptEvent
from domain.recipe import RecipeEvent
from domain.succession import SuccessionEvent
from domain.suspense import SuspenseEvent
from domain.vendor import VendorEvent
from domain.vendor_statement import VendorStatementEvent
from projections.facts import accounts, lines, money, terms
from projections.facts.lines import Found, holders, resolve
from projections.facts.writer import Writer, body
from projections.projection import Column, KeyedState, Row, Table

FACTS = Table(
    "facts",
    (
        Column(
            "account_no",
            "bigint",
            "position at which the account was opened; 0 the house, -1 cash, -2 adjustments, -3 holds, below: suspense",
        ),
        Column("position", "bigint", "position of the event that taught the fact"),
        Column("seq", "integer", "order within the event, from 0"),
        Column("body", "text", "the fact as a JSON list: a tag, then its fields; amounts in minor units"),
    ),
    ("account_no", "position", "seq"),
    (("position",),),
)
NAMES = Table(
    "facts_name",
    (
        Column("name", "text", "stream id of an account, agent, vendor or statement; suspense:vendor:number"),
        Column("no", "bigint", "its number: the position at which it began; below zero for suspense"),
    ),
    ("name",),
    (("no",),),
    resident=True,
)
ALIASES = Table(
    "facts_alias",
    (
        Column("number", "text", "vendor:number as printed"),
        Column("alike", "text", "vendor:number without leading zeros, case and punctuation"),
        Column("account_no", "bigint", "the account that the number means"),
        Column("valid_from", "date", "on statements of this month or later; none: the row ends the alias", True),
        Column("valid_until", "date", "for service months before this day; none: open", True),
        Column("position", "bigint", "position of the event"),
        Column("seq", "integer", "order within the event"),
        Column("printed_until", "date", "of an end: only statements of months before this day mean it", True),
    ),
    ("number", "position", "seq"),
    (("alike",),),
    resident=True,
)
AGENT_ACCOUNTS = Table(
    "facts_agent",
    (
        Column("agent", "text", "an agent that was ever named on the account"),
        Column("account_no", "bigint", "the account"),
        Column("position", "bigint", "position of the event"),
    ),
    ("agent", "account_no", "position"),
)
PAYER_ACCOUNTS = Table(
    "facts_payer",
    (
        Column("vendor", "text", "a vendor that may pay for a service of the account"),
        Column("account_no", "bigint", "the account"),
        Column("position", "bigint", "position of the event"),
        Column("seq", "integer", "order within the event"),
    ),
    ("vendor", "account_no", "position", "seq"),
)
TERMS = Table(
    "facts_term",
    (
        Column("contract", "text", "contract id"),
        Column("position", "bigint", "position of its signing or renewal"),
        Column("effective_on", "date", "the first day of the term"),
        Column("term_months", "integer", "months; 0 without a fixed term"),
    ),
    ("contract", "position"),
)
DAYS = Table(
    "facts_day",
    (
        Column("position", "bigint", "from this position on"),
        Column("day", "date", "the house's open day"),
    ),
    ("position",),
)

__all__ = ["Found", "body", "holders", "name", "project", "resolve", "tables", "version"]

name = "facts"
version = 3
tables = (FACTS, NAMES, ALIASES, AGENT_ACCOUNTS, PAYER_ACCOUNTS, TERMS, DAYS)


def project(recorded: Recorded, state: KeyedState) -> Iterable[Row]:
    """The rows that one event adds to the facts."""
    writer = Writer(recorded.position, state, [], {}, {})
    _learn(cast(HouseEvent, recorded.event), writer)
    return writer.out


def _learn(event: HouseEvent, to: Writer) -> None:
    """By aggregate: what rating learns from an event. A customer's deals and letters move no money themselves."""
    if isinstance(event, CustomerEvent | LetterEvent):
        return
    if isinstance(event, CalendarEvent | VendorEvent | SuccessionEvent | PlanEvent | RecipeEvent | AgentEvent):
        terms.learn(event, to)
    elif isinstance(event, AccountEvent | AgencyEvent | ContractEvent):
        accounts.learn(event, to)
    elif isinstance(event, VendorStatementEvent | SuspenseEvent | LineMoveEvent):
        lines.learn(event, to)
    elif isinstance(event, ReceiptEvent | PayRunEvent | PayoutEvent | AdjustmentEvent):
        money.learn(event, to)
    else:
        assert_never(event)
