"""``trailbook deal``: who claims which deal, who is protected until when, and each step of a registration."""

from typing import Annotated

import typer
from pydantic import ValidationError

from adapters.faults import first_fault
from domain.deal import (
    ApproveRegistration,
    ExtendRegistration,
    LoseDeal,
    OpenSelfReferral,
    RegisterDeal,
    RejectRegistration,
    WinDeal,
    WithdrawRegistration,
)
from domain.message import Evidence
from projections.deal_board import as_row, expiring
from services import render
from services.cli_shared import By, Json, Known, WrongUsage, command_of, day_if_given, give, opened_house

deal_app = typer.Typer(help="Deals: registered by agents, protected for one, won or lost.", no_args_is_help=True)

Customer = Annotated[str, typer.Argument(help="The customer's id.")]
Deal = Annotated[str, typer.Argument(help="The deal's id at its customer.")]
OfAgent = Annotated[str, typer.Option("--agent", help="Whose registration.")]
Because = Annotated[str, typer.Option("--because", help="Why, in a few words.")]
Effective = Annotated[str | None, typer.Option("--effective", help="The day from which it holds; default: today.")]
WithVendor = Annotated[str, typer.Option("--vendor", help="With which vendor.")]
Products = Annotated[list[str] | None, typer.Option("--product", help="Repeat the option for several.")]
Scope = Annotated[str, typer.Option("--scope", help="What it is about, in the agent's words.")]

EXPIRING = ("protected_until", "deal", "place", "agent", "vendor", "scope")


@deal_app.command("board")
def deal_board(
    expiring_within: Annotated[
        int | None, typer.Option(min=0, help="Only what expires within so many days from the open day on.")
    ] = None,
    customer: Annotated[str | None, typer.Option(help="Only deals of this customer.")] = None,
    vendor: Annotated[str | None, typer.Option(help="Only registrations with this vendor.")] = None,
    agent: Annotated[str | None, typer.Option(help="Only this agent's registrations.")] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Also registrations that have ended.")] = False,
    known: Known = None,
    json: Json = False,
) -> None:
    """Who claims which deal, rivals side by side in order of arrival, and who is protected until when."""
    with opened_house() as opened:
        queries = opened.queries()
        position = queries.known_at(known)
        today = queries.day_of(position)
        places = queries.deal_board(position, customer=customer, vendor=vendor, agent=agent)
    if expiring_within is not None:
        places = expiring(places, today, expiring_within) if today else []
    elif not ended:
        places = [place for place in places if place.registration.stands]
    rows = [as_row(place) for place in places]
    if json:
        render.as_json({"known": position, "open_day": today, "registrations": rows})
    elif not rows:
        render.say(f"no registration {'expires then' if expiring_within is not None else 'stands'}")
    else:
        when = f"expiring within {expiring_within} days of {today}" if expiring_within is not None else "deals"
        columns = EXPIRING if expiring_within is not None else render.DEAL_COLUMNS
        render.deal_board(rows, columns, f"{when}, as known at {position}")


@deal_app.command("register")
def deal_register(
    customer: Customer,
    deal: Deal,
    agent: OfAgent,
    vendor: WithVendor,
    product: Products = None,
    scope: Scope = "",
    effective: Effective = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Register a deal for an agent; if others claim it already, the claim is kept behind theirs."""
    fields = {"customer": customer, "deal": deal, "agent": agent, "vendor": vendor, "scope": scope}
    products = tuple(product or ())
    give(command_of(RegisterDeal, **fields, products=products, effective_on=day_if_given(effective)), by, json=json)


@deal_app.command("refer")
def deal_refer(
    customer: Customer,
    deal: Deal,
    agent: OfAgent,
    vendor: WithVendor,
    signer: Annotated[str, typer.Option(help="Who signed for the customer, as a party id.")],
    signed_on: Annotated[str, typer.Option(help="The day on which it was signed.")],
    digest: Annotated[str | None, typer.Option(help="The document's digest, as sha256:….")] = None,
    psa: Annotated[bool, typer.Option("--psa", help="A professional services agreement, not a letter.")] = False,
    product: Products = None,
    scope: Scope = "",
    by: By = "",
    json: Json = False,
) -> None:
    """The customer itself opens the deal and names its agent of record for it."""
    try:
        evidence = Evidence.model_validate({"signer": signer, "signed_on": signed_on, "digest": digest})
    except ValidationError as error:
        raise WrongUsage(f"evidence: {first_fault(error)}") from None
    command = command_of(
        OpenSelfReferral,
        customer=customer,
        deal=deal,
        agent=agent,
        vendor=vendor,
        products=tuple(product or ()),
        scope=scope,
        basis="psa" if psa else "letter",
    )
    give(command, by, evidence=evidence, json=json)


@deal_app.command("approve")
def deal_approve(customer: Customer, deal: Deal, agent: OfAgent, by: By = "", json: Json = False) -> None:
    """Approve a registration: it is protected for the days of the vendor's agreement from today on."""
    give(command_of(ApproveRegistration, customer=customer, deal=deal, agent=agent), by, json=json)


@deal_app.command("reject")
def deal_reject(
    customer: Customer, deal: Deal, agent: OfAgent, because: Because, by: By = "", json: Json = False
) -> None:
    """Reject a registration, with the reason."""
    fields = {"customer": customer, "deal": deal, "agent": agent}
    give(command_of(RejectRegistration, **fields, rejected_because=because), by, json=json)


@deal_app.command("extend")
def deal_extend(
    customer: Customer,
    deal: Deal,
    agent: OfAgent,
    because: Because,
    until: Annotated[str | None, typer.Option(help="The new last protected day; default: a whole term more.")] = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Extend a protected registration, by the days of the vendor's agreement at most."""
    fields = {"customer": customer, "deal": deal, "agent": agent}
    command = command_of(ExtendRegistration, **fields, extended_because=because, until=day_if_given(until))
    give(command, by, json=json)


@deal_app.command("withdraw")
def deal_withdraw(
    customer: Customer, deal: Deal, agent: OfAgent, because: Because, by: By = "", json: Json = False
) -> None:
    """Withdraw a registration that stands, with the reason."""
    fields = {"customer": customer, "deal": deal, "agent": agent}
    give(command_of(WithdrawRegistration, **fields, withdrawn_because=because), by, json=json)


@deal_app.command("win")
def deal_win(
    customer: Customer,
    deal: Deal,
    agent: Annotated[str | None, typer.Option(help="Who won, where that is not clear.")] = None,
    effective: Effective = None,
    by: By = "",
    json: Json = False,
) -> None:
    """The deal is won, by one registration; the others are lost to it."""
    command = command_of(WinDeal, customer=customer, deal=deal, agent=agent, effective_on=day_if_given(effective))
    give(command, by, json=json)


@deal_app.command("lose")
def deal_lose(
    customer: Customer,
    deal: Deal,
    because: Because,
    effective: Effective = None,
    by: By = "",
    json: Json = False,
) -> None:
    """The deal is lost, for every registration that stands."""
    command = command_of(
        LoseDeal, customer=customer, deal=deal, lost_because=because, effective_on=day_if_given(effective)
    )
    give(command, by, json=json)
