"""``trailbook account``, ``trailbook agent``, ``trailbook vendor``: who may be paid, and on whose word that changed."""

from typing import Annotated, Any

import typer
from pydantic import ValidationError

from adapters.faults import first_fault
from domain.agency import (
    ApproveAgencyOfRecordChange,
    LoseAgencyOfRecord,
    RejectAgencyOfRecordChange,
    WinBackAgencyOfRecord,
)
from domain.agent import ReinstateAgent, SuspendAgent, TerminateAgent
from domain.agent_of_record import (
    ApproveAgentOfRecordChange,
    ConfirmAgentOfRecordChange,
    DeclineAgentOfRecordChange,
    RejectAgentOfRecordChange,
    RescindAgentOfRecordChange,
)
from domain.letter import CompleteAgentOfRecordLetter, ReceiveAgentOfRecordLetter
from domain.message import Evidence
from domain.vendor import EndVendorAgreement, ResumeVendorAgreement
from services.cli_shared import By, Json, WrongUsage, command_of, day, day_if_given, give

account_app = typer.Typer(help="Accounts: agency of record and letters.", no_args_is_help=True)
agent_app = typer.Typer(help="Agents' standing: suspended, reinstated, terminated.", no_args_is_help=True)
vendor_app = typer.Typer(help="Vendors' agreements with the house.", no_args_is_help=True)

From = Annotated[str, typer.Option("--from", help="The first day on which it holds, such as 2026-03-01.")]
FromOrToday = Annotated[str | None, typer.Option("--from", help="The first day on which it holds; default: today.")]
Signer = Annotated[str | None, typer.Option(help="Who signed the letter: a party id such as vendor:lumen.")]
SignedOn = Annotated[str | None, typer.Option(help="The day on which it was signed.")]
Digest = Annotated[str | None, typer.Option(help="The document's digest: sha256:….")]
Because = Annotated[str, typer.Option(help="Why, in a few words.")]
Accounts = Annotated[list[str], typer.Argument(help="One account or several; all of them or none.")]


def evidence_of(signer: str | None, signed_on: str | None, digest: str | None) -> Evidence | None:
    """A letter as evidence, if one is named. Raises WrongUsage."""
    if signer is None and signed_on is None and digest is None:
        return None
    try:
        return Evidence.model_validate({"signer": signer, "signed_on": signed_on, "digest": digest})
    except ValidationError as error:
        raise WrongUsage(f"--signer and --signed-on name the letter: {first_fault(error)}") from None


# -- accounts


@account_app.command("agency-lost")
def agency_lost(
    accounts: Accounts,
    agency: Annotated[str, typer.Option(help="The other house: a party id such as brightstar.")],
    from_: From,
    signer: Signer = None,
    signed_on: SignedOn = None,
    digest: Digest = None,
    by: By = "",
    json: Json = False,
) -> None:
    """The vendor recognises another house; from then on nobody here is paid for the accounts."""
    command = command_of(LoseAgencyOfRecord, accounts=accounts, agency=agency, effective_on=day(from_))
    give(command, by, evidence=evidence_of(signer, signed_on, digest), json=json)


@account_app.command("agency-won-back")
def agency_won_back(
    accounts: Accounts,
    from_: From,
    signer: Signer = None,
    signed_on: SignedOn = None,
    digest: Digest = None,
    by: By = "",
    json: Json = False,
) -> None:
    """The vendor recognises this house again; what waited in suspense for those months is posted."""
    command = command_of(WinBackAgencyOfRecord, accounts=accounts, effective_on=day(from_))
    give(command, by, evidence=evidence_of(signer, signed_on, digest), json=json)


@account_app.command("approve-agency")
def approve_agency(accounts: Accounts, by: By = "", json: Json = False) -> None:
    """Approve a change of the agency of record that reaches back and that somebody else proposed."""
    give(command_of(ApproveAgencyOfRecordChange, accounts=accounts), by, json=json)


@account_app.command("reject-agency")
def reject_agency(accounts: Accounts, because: Because, by: By = "", json: Json = False) -> None:
    """Reject a proposed change of the agency of record."""
    give(command_of(RejectAgencyOfRecordChange, accounts=accounts, rejected_because=because), by, json=json)


# -- letters and changes of the agent of record

LetterAccounts = Annotated[list[str] | None, typer.Option("--account", help="An account; repeat for several.")]
LetterAgents = Annotated[list[str] | None, typer.Option("--agent", help="An agent; repeat for several.")]
LetterFrom = Annotated[str | None, typer.Option("--from", help="From when the agents are agents of record.")]
OfService = Annotated[str | None, typer.Option(help="For one service of the account.")]
OfLetter = Annotated[str | None, typer.Option("--letter", help="The letter, where several changes wait.")]


def _says(
    accounts: list[str] | None,
    agents: list[str] | None,
    service: str | None,
    from_: str | None,
    signer: str | None,
    signed_on: str | None,
    digest: str | None,
) -> dict[str, Any]:
    return {
        "accounts": accounts,
        "agents": agents,
        "service": service,
        "effective_on": day_if_given(from_),
        "signer": signer,
        "signed_on": day_if_given(signed_on),
        "digest": digest,
    }


@account_app.command("letter")
def letter(
    letter_id: str,
    customer: Annotated[str, typer.Option(help="Whose letter it is.")],
    account: LetterAccounts = None,
    agent: LetterAgents = None,
    service: OfService = None,
    from_: LetterFrom = None,
    signer: Signer = None,
    signed_on: SignedOn = None,
    digest: Digest = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Receive an agent-of-record letter, also while something is missing; complete, it counts."""
    says = _says(account, agent, service, from_, signer, signed_on, digest)
    give(command_of(ReceiveAgentOfRecordLetter, letter_id=letter_id, customer=customer, **says), by, json=json)


@account_app.command("complete-letter")
def complete_letter(
    letter_id: str,
    account: LetterAccounts = None,
    agent: LetterAgents = None,
    service: OfService = None,
    from_: LetterFrom = None,
    signer: Signer = None,
    signed_on: SignedOn = None,
    digest: Digest = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Add what was missing in a letter."""
    says = _says(account, agent, service, from_, signer, signed_on, digest)
    give(command_of(CompleteAgentOfRecordLetter, letter_id=letter_id, **says), by, json=json)


@account_app.command("approve-change")
def approve_change(
    account: str, service: OfService = None, letter: OfLetter = None, by: By = "", json: Json = False
) -> None:
    """Approve a change of the agent of record that somebody else proposed."""
    give(command_of(ApproveAgentOfRecordChange, account=account, service=service, letter_id=letter), by, json=json)


@account_app.command("reject-change")
def reject_change(
    account: str,
    because: Because,
    service: OfService = None,
    letter: OfLetter = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Reject a proposed change of the agent of record."""
    of = {"account": account, "service": service, "letter_id": letter}
    give(command_of(RejectAgentOfRecordChange, **of, rejected_because=because), by, json=json)


@account_app.command("rescind-change")
def rescind_change(
    account: str,
    signer: Signer = None,
    signed_on: SignedOn = None,
    digest: Digest = None,
    service: OfService = None,
    letter: OfLetter = None,
    by: By = "",
    json: Json = False,
) -> None:
    """The customer takes its word back inside the rescission window; the former agent stays."""
    command = command_of(RescindAgentOfRecordChange, account=account, service=service, letter_id=letter)
    give(command, by, evidence=evidence_of(signer, signed_on, digest), json=json)


@account_app.command("confirm-change")
def confirm_change(
    account: str,
    on: Annotated[str | None, typer.Option(help="The day on which the vendor confirmed it; default: today.")] = None,
    service: OfService = None,
    letter: OfLetter = None,
    by: By = "",
    json: Json = False,
) -> None:
    """The vendor confirmed a change of the agent of record."""
    of = {"account": account, "service": service, "letter_id": letter, "effective_on": day_if_given(on)}
    give(command_of(ConfirmAgentOfRecordChange, **of), by, json=json)


@account_app.command("decline-change")
def decline_change(
    account: str,
    because: Because,
    on: Annotated[str | None, typer.Option(help="The day on which the vendor declined it; default: today.")] = None,
    signer: Signer = None,
    signed_on: SignedOn = None,
    digest: Digest = None,
    service: OfService = None,
    letter: OfLetter = None,
    by: By = "",
    json: Json = False,
) -> None:
    """The vendor declined a change of the agent of record; the former agent stays, or is agent of record again."""
    of = {"account": account, "service": service, "letter_id": letter, "effective_on": day_if_given(on)}
    command = command_of(DeclineAgentOfRecordChange, **of, declined_because=because)
    give(command, by, evidence=evidence_of(signer, signed_on, digest), json=json)


# -- agents


@agent_app.command("suspend")
def suspend(agent: str, because: Because, from_: FromOrToday = None, by: By = "", json: Json = False) -> None:
    """Pay nothing out to an agent; it earns on, and pay runs carry its balance."""
    on = day_if_given(from_)
    give(command_of(SuspendAgent, agent=agent, suspended_because=because, effective_on=on), by, json=json)


@agent_app.command("reinstate")
def reinstate(agent: str, from_: FromOrToday = None, by: By = "", json: Json = False) -> None:
    """Pay a suspended agent again; the next pay run pays what was carried."""
    on = day_if_given(from_)
    give(command_of(ReinstateAgent, agent=agent, effective_on=on), by, json=json)


@agent_app.command("terminate")
def terminate(
    agent: str,
    from_: From,
    evergreen: Annotated[bool, typer.Option(help="Residuals are paid on.")] = False,
    by: By = "",
    json: Json = False,
) -> None:
    """End the house's agreement with an agent."""
    give(command_of(TerminateAgent, agent=agent, effective_on=day(from_), evergreen=evergreen), by, json=json)


# -- vendors


@vendor_app.command("end-agreement")
def end_agreement(
    vendor: str,
    from_: FromOrToday = None,
    evergreen: Annotated[
        bool | None, typer.Option(help="Commission is paid on, or not; default: as the vendor's terms say.")
    ] = None,
    by: By = "",
    json: Json = False,
) -> None:
    """The vendor's agreement with the house ends."""
    on = day_if_given(from_)
    give(command_of(EndVendorAgreement, vendor=vendor, evergreen=evergreen, effective_on=on), by, json=json)


@vendor_app.command("resume-agreement")
def resume_agreement(vendor: str, from_: FromOrToday = None, by: By = "", json: Json = False) -> None:
    """The vendor's agreement with the house is in force again."""
    on = day_if_given(from_)
    give(command_of(ResumeVendorAgreement, vendor=vendor, effective_on=on), by, json=json)
