"""An account: what a vendor bills under. Our id is minted once; the numbers that vendors print are dated aliases.

    account:          (unknown) ── AccountOpened ──▶ open ── AccountAliasAdded / AccountAliasEnded …
    agent of record:  (none) ── AgentOfRecordDesignated ──▶ designated ── AgentOfRecordChanged … ──▶ designated
                      AgentOfRecordChangeProposed ──▶ AgentOfRecordChanged | AgentOfRecordChangeRejected

A change on the customer's word for this month or later is recorded at once. A change without a letter, or one that
reaches back into earlier months and so moves money, is proposed by one person and approved by another. Weights are
plain numbers; only their proportion counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Any, Literal, assert_never

from pydantic import ConfigDict, Field, model_validator

from domain.agent import first_of_month, not_suspended, not_terminated
from domain.customer import onboarded
from domain.ids import (
    AccountId,
    AgentId,
    Because,
    CustomerId,
    Printed,
    ServiceId,
    VendorId,
    account_stream,
    agent_stream,
    customer_stream,
    vendor_stream,
)
from domain.message import Actor, Command, Context, Event, Evidence, Model, Refused, Streams
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


class Weighted(Model):
    """One agent's part where several are agents of record together."""

    agent: AgentId
    weight: Annotated[int, Field(ge=1, le=1_000_000)] = 1

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"agent": value} if isinstance(value, str) else value


class StaysUntilRenewal(Model):
    """Commission stays with the former agent until the contract renews, and in no case after ``at_latest``."""

    at_latest: date


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


class AgentOfRecordDesignated(Event, topic="account.agent_of_record_designated"):
    account: AccountId
    service: ServiceId | None = None
    agents: tuple[Weighted, ...]
    letter: Evidence


class AgentOfRecordChangeProposed(Event, topic="account.agent_of_record_change_proposed"):
    account: AccountId
    service: ServiceId | None = None
    agents: tuple[Weighted, ...]
    present_agents: tuple[Weighted, ...]
    letter: Evidence | None = None
    commission_stays: StaysUntilRenewal | None = None
    proposed_by: Actor


class AgentOfRecordChangeRejected(Event, topic="account.agent_of_record_change_rejected"):
    account: AccountId
    service: ServiceId | None = None
    agents: tuple[Weighted, ...]
    """Who had been proposed."""
    present_agents: tuple[Weighted, ...]
    rejected_because: str


class AgentOfRecordChanged(Event, topic="account.agent_of_record_changed"):
    account: AccountId
    service: ServiceId | None = None
    agents: tuple[Weighted, ...]
    former_agents: tuple[Weighted, ...]
    letter: Evidence | None = None
    commission_stays: StaysUntilRenewal | None = None
    proposed_by: Actor


AccountEvent = (
    AccountOpened
    | AccountAliasAdded
    | AccountAliasEnded
    | AgentOfRecordDesignated
    | AgentOfRecordChangeProposed
    | AgentOfRecordChangeRejected
    | AgentOfRecordChanged
)

# -- commands


class _NamesAgents(Model):
    agents: Annotated[tuple[Weighted, ...], Field(min_length=1, max_length=20)]

    @model_validator(mode="before")
    @classmethod
    def _one_agent(cls, value: Any) -> Any:
        if isinstance(value, dict) and "agent" in value and "agents" not in value:
            value = {**value, "agents": [{"agent": value["agent"]}]}
            del value["agent"]
        return value


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


def _agent_streams(agents: tuple[Weighted, ...]) -> tuple[str, ...]:
    return tuple(agent_stream(a.agent) for a in agents)


class DesignateAgentOfRecord(_NamesAgents, Command, do="designate_agent_of_record"):
    account: AccountId
    service: ServiceId | None = None
    effective_on: date

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((account_stream(self.account),), _agent_streams(self.agents))


class ChangeAgentOfRecord(_NamesAgents, Command, do="change_agent_of_record"):
    account: AccountId
    service: ServiceId | None = None
    commission_stays: StaysUntilRenewal | None = None
    effective_on: date

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((account_stream(self.account),), _agent_streams(self.agents))


def _proposal(account: str, service: str | None, known: Mapping[str, Any]) -> str | None:
    state: Account = known[account_stream(account)]
    version = state.proposed_at.get(service)
    return f"{account_stream(account)}@{version}" if version else None


class ApproveAgentOfRecordChange(Command, do="approve_agent_of_record_change"):
    account: AccountId
    service: ServiceId | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((account_stream(self.account),))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return _proposal(self.account, self.service, known)


class RejectAgentOfRecordChange(Command, do="reject_agent_of_record_change"):
    account: AccountId
    service: ServiceId | None = None
    rejected_because: Because

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((account_stream(self.account),))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return _proposal(self.account, self.service, known)


AccountCommand = (
    OpenAccount
    | AddAlias
    | EndAlias
    | DesignateAgentOfRecord
    | ChangeAgentOfRecord
    | ApproveAgentOfRecordChange
    | RejectAgentOfRecordChange
)

# -- refusals


class AccountAlreadyOpened(Refused):
    """An account's id is minted once."""


class AccountUnknown(Refused):
    """Only an opened account has aliases, agents of record and services."""


class AliasAlreadyKnown(Refused):
    """The number means this account already."""


class AliasUnknown(Refused):
    """Only a number that means this account can stop meaning it."""


class EvidenceMissing(Refused):
    """The first agent of record stands on the customer's letter."""


class AgentOfRecordAlreadyDesignated(Refused):
    """The first agent of record is designated; from then on it changes."""


class AgentOfRecordNotDesignated(Refused):
    """Only a designated agent of record changes."""


class AgentOfRecordUnchanged(Refused):
    """The agents of record are those already."""


class AgentNamedTwice(Refused):
    """Each agent of record is named once, with one weight."""


class ChangeAlreadyProposed(Refused):
    """One change at a time waits for approval."""


class NoChangeProposed(Refused):
    """Only a proposed change is approved or rejected."""


class StayEndsBeforeChange(Refused):
    """Commission can stay with the former agent only for months after the change."""


# -- state


@dataclass(frozen=True, slots=True)
class Account:
    opened: AccountOpened | None = None
    aliases: tuple[Alias, ...] = ()
    agents: Mapping[str | None, tuple[Weighted, ...]] = field(default_factory=dict)
    """The last named agents of record: of the account under None, of single services under their id."""
    proposed: Mapping[str | None, AgentOfRecordChangeProposed] = field(default_factory=dict)
    proposed_at: Mapping[str | None, int] = field(default_factory=dict)
    """The version at which the last change was proposed, by scope."""
    version: int = 0


EMPTY = Account()


def evolve(account: Account, event: AccountEvent) -> Account:
    return replace(_evolve(account, event), version=account.version + 1)


def _evolve(account: Account, event: AccountEvent) -> Account:
    match event:
        case AccountOpened():
            return replace(account, opened=event, aliases=event.aliases)
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
        case AgentOfRecordDesignated():
            return replace(account, agents={**account.agents, event.service: event.agents})
        case AgentOfRecordChangeProposed():
            return replace(
                account,
                proposed={**account.proposed, event.service: event},
                proposed_at={**account.proposed_at, event.service: account.version + 1},
            )
        case AgentOfRecordChangeRejected():
            return replace(account, proposed=_without(account.proposed, event.service))
        case AgentOfRecordChanged():
            return replace(
                account,
                agents={**account.agents, event.service: event.agents},
                proposed=_without(account.proposed, event.service),
            )
        case _:
            assert_never(event)


def _without(
    proposed: Mapping[str | None, AgentOfRecordChangeProposed], scope: str | None
) -> dict[str | None, AgentOfRecordChangeProposed]:
    return {key: value for key, value in proposed.items() if key != scope}


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
    match command:
        case AddAlias():
            contracted(context.state(vendor_stream(command.alias.vendor)), command.alias.vendor)
            if answers_to(account, command.alias.vendor, command.alias.number):
                raise AliasAlreadyKnown(
                    f"{command.alias.vendor} {command.alias.number} means {command.account} already"
                )
            return [AccountAliasAdded(account=command.account, alias=command.alias, effective_on=command.alias.from_)]
        case EndAlias():
            if not answers_to(account, command.vendor, command.number):
                raise AliasUnknown(f"{command.vendor} {command.number} does not mean {command.account}")
            return [
                AccountAliasEnded(
                    account=command.account,
                    vendor=command.vendor,
                    number=command.number,
                    effective_on=command.effective_on,
                )
            ]
        case DesignateAgentOfRecord():
            return [_designate(account, command, context)]
        case ChangeAgentOfRecord():
            return [_change(account, command, context)]
        case ApproveAgentOfRecordChange():
            proposed = _proposed(account, command.account, command.service)
            context.require_second_person(
                proposed.proposed_by, f"the change of the agent of record on {command.account}"
            )
            return [_changed(account, proposed)]
        case RejectAgentOfRecordChange():
            proposed = _proposed(account, command.account, command.service)
            return [
                AgentOfRecordChangeRejected(
                    account=command.account,
                    service=command.service,
                    agents=proposed.agents,
                    present_agents=proposed.present_agents,
                    rejected_because=command.rejected_because,
                    effective_on=context.today,
                )
            ]
        case _:
            assert_never(command)


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


def _designate(account: Account, command: DesignateAgentOfRecord, context: Context) -> AgentOfRecordDesignated:
    _check_agents(command.agents, command.effective_on, context)
    if command.service in account.agents:
        raise AgentOfRecordAlreadyDesignated(
            f"{_scope(command.account, command.service)} has an agent of record already; change it instead"
        )
    if context.evidence is None:
        raise EvidenceMissing(
            f"the agent of record of {command.account} is designated on the customer's letter; add evidence: "
            "{signer: the customer, signed_on: a date}"
        )
    return AgentOfRecordDesignated(
        account=command.account,
        service=command.service,
        agents=command.agents,
        letter=context.evidence,
        effective_on=command.effective_on,
    )


def _change(
    account: Account, command: ChangeAgentOfRecord, context: Context
) -> AgentOfRecordChanged | AgentOfRecordChangeProposed:
    scope = _scope(command.account, command.service)
    first_of_month(command.effective_on, f"the change of the agent of record on {scope}")
    _check_agents(command.agents, command.effective_on, context)
    former = account.agents.get(command.service)
    if former is None:
        raise AgentOfRecordNotDesignated(f"{scope} has no agent of record yet; designate one first")
    if former == command.agents:
        raise AgentOfRecordUnchanged(f"the agents of record on {scope} are those already")
    if command.service in account.proposed:
        raise ChangeAlreadyProposed(f"a change on {scope} waits for approval; approve or reject it first")
    if command.commission_stays is not None and command.commission_stays.at_latest <= command.effective_on:
        raise StayEndsBeforeChange(
            f"commission on {scope} would stay until {command.commission_stays.at_latest}, "
            f"not after the change on {command.effective_on}"
        )
    proposed = AgentOfRecordChangeProposed(
        account=command.account,
        service=command.service,
        agents=command.agents,
        present_agents=former,
        letter=context.evidence,
        commission_stays=command.commission_stays,
        proposed_by=context.actor,
        effective_on=command.effective_on,
    )
    reaches_back = command.effective_on < context.today.replace(day=1)
    if reaches_back or context.evidence is None:
        return proposed
    return _changed(account, proposed)


def _changed(account: Account, proposed: AgentOfRecordChangeProposed) -> AgentOfRecordChanged:
    return AgentOfRecordChanged(
        account=proposed.account,
        service=proposed.service,
        agents=proposed.agents,
        former_agents=account.agents[proposed.service],
        letter=proposed.letter,
        commission_stays=proposed.commission_stays,
        proposed_by=proposed.proposed_by,
        effective_on=proposed.effective_on,
    )


def _check_agents(agents: tuple[Weighted, ...], on: date, context: Context) -> None:
    names = [a.agent for a in agents]
    for name in names:
        state = context.state(agent_stream(name))
        not_terminated(state, name, on)
        not_suspended(state, name, context.today)
        not_suspended(state, name, max(on, context.today))
        if names.count(name) > 1:
            raise AgentNamedTwice(f"{name} is named twice; give each agent one weight")


def _proposed(account: Account, account_id: str, service: str | None) -> AgentOfRecordChangeProposed:
    if service not in account.proposed:
        raise NoChangeProposed(
            f"no change of the agent of record on {_scope(account_id, service)} waits for approval; one with the "
            "customer's letter, for this month or later, needs none"
        )
    return account.proposed[service]


def _scope(account_id: str, service: str | None) -> str:
    return f"service {service} of {account_id}" if service else account_id
