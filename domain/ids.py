"""Readable text ids: the same thing in the world is the same stream.

A stream id is ``kind:key``. Keys of our own choosing (agents, vendors, plans, products, customers) are
lower-case slugs; keys that a vendor or a person may have printed (accounts, contracts, services, statement
numbers) keep their case.
"""

import re
from datetime import date
from typing import Annotated

from pydantic import AfterValidator, StringConstraints

SLUG = r"^[a-z0-9][a-z0-9._-]{0,79}$"
KEY = r"^[A-Za-z0-9][A-Za-z0-9._/#-]{0,119}$"

Slug = Annotated[str, StringConstraints(pattern=SLUG)]
Key = Annotated[str, StringConstraints(pattern=KEY)]

VendorId = Slug
AgentId = Slug
PlanId = Slug
ProductId = Slug
CategoryId = Slug
CustomerId = Slug
PartyId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._:-]{0,99}$")]
DealId = Key
AccountId = Key
ContractId = Key
ServiceId = Key
ReceiptId = Key
LetterId = Key
PayRunId = Key
AdjustmentId = Key
ReprojectionId = Slug
CommandId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S+$")]
StreamId = str

CALENDAR: StreamId = "calendar:house"
RECIPE: StreamId = "recipe:house"


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _printed(text: str) -> str:
    folded = " ".join(text.split())
    if not folded or _CONTROL.search(folded):
        raise ValueError(f"{text!r} is blank or holds control characters; nothing is printed like that")
    return folded


Printed = Annotated[str, StringConstraints(min_length=1, max_length=120), AfterValidator(_printed)]
"""A number or name as a vendor printed it: case and punctuation kept, white space folded."""


def readable(text: str) -> str:
    """The text without blanks around it. Raises ValueError where a character of it cannot be shown."""
    if unprintable := sorted({hex(ord(c)) for c in text if not c.isprintable()}):
        raise ValueError(f"the text holds characters that cannot be shown: {', '.join(unprintable)}")
    return text.strip()


Words = Annotated[str, StringConstraints(max_length=500), AfterValidator(readable)]
"""What a person wrote, on one line, to be read by persons."""

Because = Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(readable)]
"""Why somebody did it, in a few words."""


def alike(printed: str) -> str:
    """What is left of a printed number when leading zeros, case and punctuation are lost.

    Only ever used to suggest an account to a person, never to match money to one.
    """
    return re.sub(r"[^0-9a-z]", "", printed.casefold()).lstrip("0")


def vendor_stream(vendor: str) -> StreamId:
    return f"vendor:{vendor}"


def agent_stream(agent: str) -> StreamId:
    return f"agent:{agent}"


def plan_stream(plan: str) -> StreamId:
    return f"plan:{plan}"


def customer_stream(customer: str) -> StreamId:
    return f"customer:{customer}"


def account_stream(account: str) -> StreamId:
    return f"account:{account}"


def letter_stream(letter_id: str) -> StreamId:
    """One agent-of-record letter, whatever accounts it names."""
    return f"letter:{letter_id}"


def agency_stream(account: str) -> StreamId:
    """The agency of record of one account."""
    return f"agency:{account}"


def contract_stream(contract: str) -> StreamId:
    return f"contract:{contract}"


def statement_stream(vendor: str, number: str) -> StreamId:
    return f"vendor-statement:{vendor}:{number}"


def suspense_stream(vendor: str, number: str) -> StreamId:
    """The stream of one number as printed that no account of ours answers to."""
    return f"suspense:{vendor}:{number}"


def line_move_stream(vendor: str, statement: str) -> StreamId:
    """The stream of the moves of one statement's lines from account to account."""
    return f"line-move:{vendor}:{statement}"


def succession_stream(vendor: str, successor: str, effective_on: date) -> StreamId:
    """The stream of the plan by which one vendor's accounts become another's on a day."""
    return f"succession:{vendor}:{successor}:{effective_on}"


def receipt_stream(receipt: str) -> StreamId:
    return f"receipt:{receipt}"


def adjustment_stream(adjustment: str) -> StreamId:
    return f"adjustment:{adjustment}"


def pay_run_stream(pay_run: str) -> StreamId:
    return f"pay-run:{pay_run}"


def payouts_stream(agent: str) -> StreamId:
    """All payouts of one agent, so that what was paid is counted in one place."""
    return f"payouts:{agent}"


def kind_of(stream: StreamId) -> str:
    return stream.partition(":")[0]
