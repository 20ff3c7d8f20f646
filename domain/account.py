"""An account: what a vendor bills under. Our id is minted once; the numbers that vendors print are dated aliases.

    account:  (unknown) ── AccountOpened ──▶ open ── AccountAliasAdded / AccountAliasEnded …
              ── VendorSucceeded … (another vendor pays for it; see ``domain.succession``)

Who is agent of record of an account, and how that changes, is in the same stream: see ``domain.agent_of_record``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, Literal, assert_never

from pydantic import ConfigDict, Field, model_validator

from domain import agent_of_record
from domain.agent_of_record import AgentOfRecordCommand, AgentOfRecordEvent, AgentsOfRecord
from domain.customer import onboarded
from domain.ids import AccountId, CustomerId, Printed, VendorId, account_stream, customer_stream, vendor_stream
from domain.message import Command, Context, Event, Model, Refused, Streams
from domain.months import Month
from domain.plan import ORIGIN
from domain.vendor import contracted

AliasSource = Literal["account", "order", "circuit", "billing-telephone-number"]


class Alias(Model):
    """A number as a vendor prints it: on statements of the month of ``from`` or later, for service months before
    ``until``."""

    vendor: VendorId
    number: Printed
    source: AliasSource = "account"
    from_: Annotated[date, Field(alias="from")] = ORIGIN
    until: date | None = None
    model_config = ConfigDict(validate_by_name=True, serialize_by_alias=True)

    @model_validator(mode="after")
    def _in_order(self) -> "Alias":
        if self.until is not None and self.until <= self.from_:
            raise ValueError(f"alias {self.number} ends on {self.until}, not after it begins")
        return self


# -- events


class AccountOpened(Event, topic="account.opened"):
    account: AccountId
    customer: CustomerId
    vendor: VendorId
    aliases: tuple[Alias, ...]


class AccountAliasAdded(Event, topic="account.alias_added"):
    account: AccountId
    alias: Alias


class AccountAliasEnded(Event, topic="account.alias_ended"):
    """From ``effective_on`` on the number no longer means this account."""

    account: AccountId
    vendor: VendorId
    number: Printed


LateLines = Literal["for-months-before", "always", "never"]
"""What becomes of a former payer's lines after the change-over: taken for months before it, always, or never."""


class VendorSucceeded(Event, topic="account.vendor_succeeded"):
    """For the months that begin on ``effective_on`` or later ``vendor`` pays for the account, and ``former_vendor`` no
    longer. ``ended``: the former vendor's numbers that mean it no longer for those months, or, where late lines are
    taken never, on its statements after ``last_statement_month``. ``collisions``: begun, but other accounts' too."""

    account: AccountId
    former_vendor: VendorId
    vendor: VendorId
    ended: tuple[Printed, ...]
    begun: tuple[Alias, ...]
    collisions: tuple[Printed, ...]
    late_lines: LateLines
    last_statement_month: Month | None = None


AccountEvent = AccountOpened | VendorSucceeded | AccountAliasAdded | AccountAliasEnded | AgentOfRecordEvent

# -- commands


class OpenAccount(Command, do="open_account"):
    account: AccountId
    customer: CustomerId
    vendor: VendorId
    aliases: Annotated[tuple[Alias, ...], Field(max_length=200)] = ()
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        vendors = {self.vendor, *(alias.vendor for alias in self.aliases)}
        return Streams(
            (account_stream(self.account),),
            (customer_stream(self.customer), *(vendor_stream(v) for v in sorted(vendors))),
        )


class AddAlias(Command, do="add_alias"):
    account: AccountId
    alias: Alias

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((account_stream(self.account),), (vendor_stream(self.alias.vendor),))


class EndAlias(Command, do="end_alias"):
    account: AccountId
    vendor: VendorId
    number: Printed
    effective_on: date

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((account_stream(self.account),))


AccountCommand = OpenAccount | AddAlias | EndAlias | AgentOfRecordCommand

# -- refusals


class AccountAlreadyOpened(Refused):
    """An account's id is minted once."""


class AccountUnknown(Refused):
    """Only an opened account has aliases, agents of record and services."""


class AliasAlreadyKnown(Refused):
    """The number means this account already."""


class AliasUnknown(Refused):
    """Only a number that means this account can stop meaning it."""


# -- state


@dataclass(frozen=True, slots=True)
class Account:
    opened: AccountOpened | None = None
    vendor: str = ""
    """Who pays for it, after all successions."""
    former_vendors: frozenset[str] = frozenset()
    """Vendors that were succeeded on it, and did not come back."""
    aliases: tuple[Alias, ...] = ()
    agents_of_record: AgentsOfRecord = agent_of_record.EMPTY
    version: int = 0


EMPTY = Account()


def evolve(account: Account, event: AccountEvent) -> Account:
    version = account.version + 1
    return replace(_evolve(account, event, version), version=version)


def _evolve(account: Account, event: AccountEvent, version: int) -> Account:
    if isinstance(event, AgentOfRecordEvent):
        named = agent_of_record.evolve(account.agents_of_record, event, version)
        return replace(account, agents_of_record=named)
    match event:
        case AccountOpened():
            return replace(account, opened=event, vendor=event.vendor, aliases=event.aliases)
        case VendorSucceeded():
            return _succeeded(account, event)
        case AccountAliasAdded():
            return replace(account, aliases=(*account.aliases, event.alias))
        case AccountAliasEnded():
            kept = tuple(
                a.model_copy(update={"until": event.effective_on})
                if (a.vendor, a.number) == (event.vendor, event.number) and a.until is None
                else a
                for a in account.aliases
            )
            return replace(account, aliases=kept)
        case _:
            assert_never(event)


def _succeeded(account: Account, event: VendorSucceeded) -> Account:
    on = event.effective_on
    kept = tuple(
        a.model_copy(update={"until": on})
        if a.vendor == event.former_vendor and a.number in event.ended and (a.until is None or a.until > on)
        else a
        for a in account.aliases
    )
    vendor = event.vendor if account.vendor == event.former_vendor else account.vendor
    former = (account.former_vendors | {event.former_vendor}) - {event.vendor}
    return replace(account, vendor=vendor, former_vendors=former, aliases=(*kept, *event.begun))


def opened(account: Account, account_id: str) -> AccountOpened:
    """Raises AccountUnknown."""
    if account.opened is None:
        raise AccountUnknown(f"account {account_id} is not opened; open it first")
    return account.opened


def answers_to(account: Account, vendor: str, number: str) -> bool:
    """Whether a number as printed means this account today."""
    return any((a.vendor, a.number) == (vendor, number) and a.until is None for a in account.aliases)


# -- decisions


def decide(account: Account, command: AccountCommand, context: Context) -> list[AccountEvent]:
    if isinstance(command, OpenAccount):
        return [_open(account, command, context)]
    opened(account, command.account)
    if isinstance(command, AddAlias | EndAlias):
        return [_renumber(account, command, context)]
    return [*agent_of_record.decide(account, command, context)]


def _renumber(
    account: Account, command: AddAlias | EndAlias, context: Context
) -> AccountAliasAdded | AccountAliasEnded:
    if isinstance(command, AddAlias):
        alias = command.alias
        contracted(context.state(vendor_stream(alias.vendor)), alias.vendor)
        if answers_to(account, alias.vendor, alias.number):
            raise AliasAlreadyKnown(f"{alias.vendor} {alias.number} means {command.account} already")
        return AccountAliasAdded(account=command.account, alias=alias, effective_on=alias.from_)
    if not answers_to(account, command.vendor, command.number):
        raise AliasUnknown(f"{command.vendor} {command.number} does not mean {command.account}")
    return AccountAliasEnded(
        account=command.account, vendor=command.vendor, number=command.number, effective_on=command.effective_on
    )


def _open(account: Account, command: OpenAccount, context: Context) -> AccountOpened:
    if account.opened is not None:
        raise AccountAlreadyOpened(f"account {command.account} is opened already")
    onboarded(context.state(customer_stream(command.customer)), command.customer)
    for vendor in {command.vendor, *(alias.vendor for alias in command.aliases)}:
        contracted(context.state(vendor_stream(vendor)), vendor)
    return AccountOpened(
        account=command.account,
        customer=command.customer,
        vendor=command.vendor,
        aliases=command.aliases,
        effective_on=command.effective_on or context.today,
    )
