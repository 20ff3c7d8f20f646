"""``trailbook adjust`` and ``payout held``: amounts moved by hand, and what payouts hold back."""

import hashlib
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError

from adapters.faults import first_fault
from domain.adjustment import (
    ApproveAdjustment,
    ApproveAdjustmentReversal,
    ProposeAdjustment,
    RejectAdjustment,
    RejectAdjustmentReversal,
    ReverseAdjustment,
)
from domain.message import Evidence
from domain.money import MINOR_UNITS
from services import render
from services.cli_import import to_minor_units
from services.cli_shared import By, Json, Known, WrongUsage, command_of, give, opened_house

adjust_app = typer.Typer(
    help="Amounts given to an agent or taken by hand: on a document, by two persons, never edited.",
    no_args_is_help=True,
)

Document = Annotated[Path, typer.Option(help="The document it stands on; its digest is kept, not the file.")]
Signer = Annotated[str, typer.Option(help="Who signed the document: a party's id.")]
SignedOn = Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="When the document was signed.")]
OfReversal = Annotated[bool, typer.Option("--reversal", help="Of its reversal, not of the adjustment itself.")]


@adjust_app.command("propose")
def adjust_propose(
    adjustment: Annotated[str, typer.Argument(help="Its id, such as ADJ-2026-07.")],
    agent: str,
    amount: Annotated[str, typer.Option(help="In units, such as 25.00 to give or -25.00 to take.")],
    because: Annotated[str, typer.Option(help="Why, as the agent reads it.")],
    document: Document,
    signer: Signer,
    signed_on: SignedOn,
    currency: str = "USD",
    account: Annotated[str | None, typer.Option(help="The account that it is about.")] = None,
    month: Annotated[str | None, typer.Option(help="The service month that it is about, such as 2026-04.")] = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Propose to give an agent an amount, or to take it; the house's margin is the other side."""
    if currency not in MINOR_UNITS:
        raise WrongUsage(f"--currency {currency} is not a currency of ISO 4217; write it like USD")
    command = command_of(
        ProposeAdjustment,
        adjustment=adjustment,
        agent=agent,
        account=account,
        service_month=month,
        amount_minor=to_minor_units(amount, currency),
        currency=currency,
        adjusted_because=because,
    )
    give(command, by, evidence=document_as_evidence(document, signer, signed_on.date()), json=json)


@adjust_app.command("approve")
def adjust_approve(adjustment: str, reversal: OfReversal = False, by: By = "", json: Json = False) -> None:
    """Approve an adjustment, or its reversal, that somebody else proposed."""
    kind = ApproveAdjustmentReversal if reversal else ApproveAdjustment
    give(command_of(kind, adjustment=adjustment), by, json=json)


@adjust_app.command("reject")
def adjust_reject(
    adjustment: str,
    because: Annotated[str, typer.Option(help="Why not.")],
    reversal: OfReversal = False,
    by: By = "",
    json: Json = False,
) -> None:
    """Reject an adjustment, or its reversal, that waits for approval."""
    kind = RejectAdjustmentReversal if reversal else RejectAdjustment
    give(command_of(kind, adjustment=adjustment, rejected_because=because), by, json=json)


@adjust_app.command("reverse")
def adjust_reverse(
    adjustment: str,
    because: Annotated[str, typer.Option(help="Why it is undone.")],
    document: Document,
    signer: Signer,
    signed_on: SignedOn,
    by: By = "",
    json: Json = False,
) -> None:
    """Propose to undo the whole of an approved adjustment."""
    command = command_of(ReverseAdjustment, adjustment=adjustment, reversed_because=because)
    give(command, by, evidence=document_as_evidence(document, signer, signed_on.date()), json=json)


def payout_held(
    agent: Annotated[str | None, typer.Option(help="Only this agent's.")] = None,
    known: Known = None,
    json: Json = False,
) -> None:
    """What is held back of whom, and until when."""
    with opened_house() as opened:
        queries = opened.queries()
        rows = queries.held(queries.known_at(known), agent)
    if json:
        render.as_json(rows)
    elif rows:
        columns = ("agent", "pay_run", "amount_minor", "currency", "held_since", "held_until")
        render.rows_table(rows, columns, "held back")
    else:
        render.say("nothing is held back")


def document_as_evidence(document: Path, signer: str, signed_on: date) -> Evidence:
    """A document by its digest, with who signed it. Raises WrongUsage."""
    try:
        digest = hashlib.sha256(document.read_bytes()).hexdigest()
        return Evidence(digest=f"sha256:{digest}", signer=signer, signed_on=signed_on)
    except OSError as error:
        raise WrongUsage(f"--document {document}: {error.strerror}") from None
    except ValidationError as error:
        raise WrongUsage(f"--signer {signer}: {first_fault(error)}") from None
