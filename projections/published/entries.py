"""A row of the journal, as downstream systems read it. Units: minor units; a credit is above zero."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, StringConstraints

from domain.ids import AccountId
from domain.message import Model
from domain.money import Currency
from domain.months import Month
from domain.plan import CHARGE_KINDS, ChargeKind
from domain.rating.release_1.shares import HOUSE_ROLE, ROLES_PER_SPLIT, SUSPENSE_ROLE
from projections.ledger import KIND_NAMES, PAYER_ROLE, EntryId, book_name
from projections.published.topics import Topic

EntryName = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]+:(-?[0-9]+:[0-9]{4}-[0-9]{2}:[a-z-]+|[a-z]+:[0-9-]{10}):[A-Z]{3}:[0-9]+$"),
]
BookName = Annotated[
    str,
    StringConstraints(
        pattern=r"^((agent:[a-z0-9._-]+:(payable|held))|(vendor:[a-z0-9._-]+:receivable)|house:margin|suspense:unmatched"
        r"|bank|in-transit)$"
    ),
]
Part = Literal["seller", "override", "funds-override", "house", "suspense", "payer"]
ROLES: Mapping[int, Part] = {HOUSE_ROLE: "house", SUSPENSE_ROLE: "suspense", PAYER_ROLE: "payer"}


class RatedItem(Model):
    """What was rated and rounded: a statement's line, or a service in a month."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    position: Annotated[int, Field(ge=1)]
    """Where the statement or the service began: the position of its event."""
    line: Annotated[int, Field(ge=1)] | None = None
    """The line of the statement; a service has none."""


class LedgerEntry(Model):
    """An entry of the journal: one leg of the balanced posting of one cell at one position. It never changes.

    A cell is (account, service month, charge kind, currency). What belongs to no cell is money that moved, an
    adjustment or commission held: it says so in ``moved`` and has neither month nor charge kind.
    """

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: ClassVar[str] = "ledger.entry_posted"
    version: ClassVar[int] = 1
    topic: ClassVar[Topic] = "ledger-entries"

    entry: EntryName
    """What it is called for ever: position, cell, leg."""
    position: Annotated[int, Field(ge=1)]
    """The event because of which it was posted."""
    account_no: int
    """Number of the account within the house; below zero for what belongs to no account or to none yet."""
    account: AccountId | None = None
    """What the vendor bills under; money in suspense has none yet."""
    service_month: Month | None = None
    charge_kind: ChargeKind | None = None
    moved: Literal["cash", "adjustment", "hold"] | None = None
    """Why an entry belongs to no cell."""
    leg: Annotated[int, Field(ge=1)]
    """Its number within its posting, from 1."""
    book: BookName
    """The ledger account, and the message's key: ``agent:harbor:payable`` is what the agent is owed."""
    amount_minor: int
    """A credit is above zero: what an agent is owed. A debit is below: what a vendor owes, money in the bank."""
    currency: Currency
    item: RatedItem | None = None
    part: Part | None = None
    """What the book's owner has to do with the item: sold it, earns an override on it, pays for one, owes it."""
    part_no: Annotated[int, Field(ge=0)] | None = None
    """Tells agents and overrides of one item apart: 32 × the agent's place among those who share, plus the level."""
    effective_on: date
    """The last day of the cell's service month; the day on which money moved or was adjusted."""


def entry_of(row: Sequence[Any], names: Mapping[int, str]) -> dict[str, Any]:
    """A row of the journal as the JSON of a LedgerEntry; ``names`` are ids of streams by number.

    Made by hand, because millions are: validating them takes longer than sending them.
    """
    position, account_no, effective_on, kind, currency, leg_no, item_no, item_line, role, book, amount_minor = row
    entry = {
        "entry": str(EntryId(position, account_no, effective_on, kind, currency, leg_no)),
        "position": position,
        "account_no": account_no,
        "leg": leg_no,
        "book": book_name(book, names),
        "amount_minor": amount_minor,
        "currency": currency,
        "effective_on": (day := effective_on.isoformat()),
    }
    if kind in KIND_NAMES:
        entry["moved"] = KIND_NAMES[kind]
        return entry
    if account_no > 0:
        entry["account"] = names[account_no].removeprefix("account:")
    entry["service_month"] = day[:7]
    entry["charge_kind"] = CHARGE_KINDS[kind]
    entry["item"] = {"position": item_no, "line": item_line} if item_line else {"position": item_no}
    entry["part"], entry["part_no"] = part_of(role), role
    return entry


def part_of(role: int) -> Part:
    """What a role in an item is called."""
    if role in ROLES:
        return ROLES[role]
    within = role % ROLES_PER_SPLIT
    if within >= ROLES_PER_SPLIT // 2:
        return "funds-override"
    return "override" if within else "seller"
