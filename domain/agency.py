"""The agency of record of an account: the house whom its vendor recognises, ours unless the vendor named another.

    ours ── AgencyOfRecordLost ──▶ another's ── AgencyOfRecordRegained ──▶ ours …
    reaching back:  AgencyOfRecordChangeProposed ──▶ AgencyOfRecordLost | AgencyOfRecordRegained
                                                 └─▶ AgencyOfRecordChangeRejected

One stream for each account, ``agency:ACC-1``. ``agency`` is a party id, none is this house. It changes from the first
of a month, on the vendor's word: for this month or later at once; one that reaches back moves money, and a second
principal approves it. Of several changes the latest effective date holds, then the latest position: a later word about
an earlier month corrects that month and leaves what holds after it.

While the agency of record is another's, nobody here is paid: what is paid by the month in service is not due, and a
vendor's line that comes all the same waits in suspense on the account, until the agency turns out to have been ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, NamedTuple, assert_never

from pydantic import Field, model_validator

from domain.account import opened
from domain.agent import first_of_month
from domain.agent_of_record import EvidenceMissing
from domain.ids import AccountId, Because, PartyId, account_stream, agency_stream
from domain.message import Actor, Command, Context, Event, Evidence, Model, Refused, Streams

# -- events


class AgencyOfRecordLost(Event, topic="agency_of_record.lost"):
    """From ``effective_on`` on the vendor recognises another house for the account."""

    account: AccountId
    agency: PartyId
    former_agency: PartyId | None = None
    letter: Evidence


class AgencyOfRecordRegained(Event, topic="agency_of_record.regained"):
    """From ``effective_on`` on the vendor recognises this house for the account again."""

    account: AccountId
    former_agency: PartyId
    letter: Evidence


class AgencyOfRecordChangeProposed(Event, topic="agency_of_record.change_proposed"):
    """It reaches back into earlier months and waits for a second principal."""

    account: AccountId
    agency: PartyId | None = None
    present_agency: PartyId | None = None
    letter: Evidence
    proposed_by: Actor


class AgencyOfRecordChangeRejected(Event, topic="agency_of_record.change_rejected"):
    account: AccountId
    agency: PartyId | None = None
    rejected_because: str


AgencyEvent = AgencyOfRecordLost | AgencyOfRecordRegained | AgencyOfRecordChangeProposed | AgencyOfRecordChangeRejected

# -- commands


class _OfAccounts(Model):
    """One account, or several of a customer or a vendor that moved with one letter; all of them or none."""

    accounts: Annotated[tuple[AccountId, ...], Field(min_length=1, max_length=200)]

    @model_validator(mode="before")
    @classmethod
    def _one_account(cls, value: Any) -> Any:
        if isinstance(value, dict) and "account" in value and "accounts" not in value:
            value = {**value, "accounts": [value["account"]]}
            del value["account"]
        return value

    def streams(self, known: Mapping[str, Any]) -> Streams:
        accounts = sorted(set(self.accounts))
        return Streams(
            tuple(agency_stream(account) for account in accounts),
            tuple(account_stream(account) for account in accounts),
        )


class LoseAgencyOfRecord(_OfAccounts, Command, do="lose_agency_of_record"):
    agency: PartyId
    effective_on: date


class WinBackAgencyOfRecord(_OfAccounts, Command, do="win_back_agency_of_record"):
    effective_on: date


class ApproveAgencyOfRecordChange(_OfAccounts, Command, do="approve_agency_of_record_change"):
    pass


class RejectAgencyOfRecordChange(_OfAccounts, Command, do="reject_agency_of_record_change"):
    rejected_because: Because


AgencyCommand = LoseAgencyOfRecord | WinBackAgencyOfRecord | ApproveAgencyOfRecordChange | RejectAgencyOfRecordChange

# -- refusals


class AgencyOfRecordUnchanged(Refused):
    """The agency of record on that day is that one already."""


class AgencyChangeAlreadyProposed(Refused):
    """One change of an account's agency of record at a time waits for approval."""


class NoAgencyChangeProposed(Refused):
    """Only a proposed change of the agency of record is approved or rejected."""


# -- state


class AgencyFrom(NamedTuple):
    """``agency`` None is this house; ``order`` counts the changes as they were learned."""

    effective_on: date
    order: int
    agency: str | None


@dataclass(frozen=True, slots=True)
class Agency:
    changes: tuple[AgencyFrom, ...] = ()
    proposed: AgencyOfRecordChangeProposed | None = None

    def on(self, day: date) -> str | None:
        """The agency of record on a day: a party id, None this house."""
        held = max((change for change in self.changes if change.effective_on <= day), default=None)
        return held.agency if held else None


EMPTY = Agency()


def evolve(agency: Agency, event: AgencyEvent) -> Agency:
    match event:
        case AgencyOfRecordLost():
            return _with(agency, event.effective_on, event.agency)
        case AgencyOfRecordRegained():
            return _with(agency, event.effective_on, None)
        case AgencyOfRecordChangeProposed():
            return replace(agency, proposed=event)
        case AgencyOfRecordChangeRejected():
            return replace(agency, proposed=None)
        case _:
            assert_never(event)


def _with(agency: Agency, effective_on: date, named: str | None) -> Agency:
    return Agency((*agency.changes, AgencyFrom(effective_on, len(agency.changes), named)))


# -- decisions


def decide(account: str, agency: Agency, command: AgencyCommand, context: Context) -> list[AgencyEvent]:
    """What the command means for one of its accounts."""
    opened(context.state(account_stream(account)), account)
    match command:
        case LoseAgencyOfRecord():
            return [_change(account, agency, command.agency, command.effective_on, context)]
        case WinBackAgencyOfRecord():
            return [_change(account, agency, None, command.effective_on, context)]
        case ApproveAgencyOfRecordChange():
            proposed = _proposed(account, agency)
            context.require_second_person(proposed.proposed_by, f"the change of the agency of record on {account}")
            present = agency.on(proposed.effective_on)
            return [_changed(account, proposed.agency, present, proposed.letter, proposed.effective_on)]
        case RejectAgencyOfRecordChange():
            proposed = _proposed(account, agency)
            return [
                AgencyOfRecordChangeRejected(
                    account=account,
                    agency=proposed.agency,
                    rejected_because=command.rejected_because,
                    effective_on=context.today,
                )
            ]
        case _:
            assert_never(command)


def _change(
    account: str, agency: Agency, named: str | None, effective_on: date, context: Context
) -> AgencyOfRecordLost | AgencyOfRecordRegained | AgencyOfRecordChangeProposed:
    first_of_month(effective_on, f"the change of the agency of record on {account}")
    present = agency.on(effective_on)
    if present == named:
        raise AgencyOfRecordUnchanged(
            f"the agency of record on {account} from {effective_on} is {present or 'this house'} already"
        )
    if agency.proposed is not None:
        raise AgencyChangeAlreadyProposed(
            f"a change of the agency of record on {account} waits for approval; approve or reject it first"
        )
    if context.evidence is None:
        raise EvidenceMissing(
            f"the agency of record on {account} changes on the vendor's word; add evidence: "
            "{signer: the vendor, signed_on: a date}"
        )
    if effective_on >= context.today.replace(day=1):
        return _changed(account, named, present, context.evidence, effective_on)
    return AgencyOfRecordChangeProposed(
        account=account,
        agency=named,
        present_agency=present,
        letter=context.evidence,
        proposed_by=context.actor,
        effective_on=effective_on,
    )


def _changed(
    account: str, named: str | None, present: str | None, letter: Evidence, effective_on: date
) -> AgencyOfRecordLost | AgencyOfRecordRegained:
    if named is not None:
        return AgencyOfRecordLost(
            account=account, agency=named, former_agency=present, letter=letter, effective_on=effective_on
        )
    assert present is not None, "this house can only follow another"
    return AgencyOfRecordRegained(account=account, former_agency=present, letter=letter, effective_on=effective_on)


def _proposed(account: str, agency: Agency) -> AgencyOfRecordChangeProposed:
    if agency.proposed is None:
        raise NoAgencyChangeProposed(
            f"no change of the agency of record on {account} waits for approval; one for this month or later needs none"
        )
    return agency.proposed
