"""How an account's events and those of its agents of record are told."""

from typing import assert_never

from domain.account import (
    AccountAliasAdded,
    AccountAliasEnded,
    AccountEvent,
    AccountOpened,
    AgentOfRecordChanged,
    AgentOfRecordChangeProposed,
    AgentOfRecordChangeRejected,
    AgentOfRecordDesignated,
    Alias,
    StaysUntilRenewal,
)
from domain.ids import account_stream, customer_stream, vendor_stream
from domain.plan import ORIGIN
from projections.audit_trail.agency import agents_of
from projections.audit_trail.agent import named_agent
from projections.audit_trail.words import Writer, agent_streams, and_, free_text, named, on_letter, weighted


def tell(event: AccountEvent, to: Writer) -> None:
    if isinstance(event, AccountOpened | AccountAliasAdded | AccountAliasEnded):
        _tell_account(event, to)
    else:
        _tell_agent_of_record(event, to)


def _tell_account(event: AccountOpened | AccountAliasAdded | AccountAliasEnded, to: Writer) -> None:
    account = account_stream(event.account)
    match event:
        case AccountOpened():
            numbers = f" under {and_(_alias(alias) for alias in event.aliases)}" if event.aliases else ""
            to.tell(
                f"Account {event.account} of {event.customer} with {event.vendor} was opened{numbers}.",
                account,
                customer_stream(event.customer),
                vendor_stream(event.vendor),
                *(vendor_stream(alias.vendor) for alias in event.aliases),
            )
            to.link(account, customer_stream(event.customer))
        case AccountAliasAdded():
            to.tell(
                f"Account {event.account} is also known as {_alias(event.alias)}.",
                *(account, *to.linked(account), vendor_stream(event.alias.vendor)),
            )
        case AccountAliasEnded():
            to.tell(
                f"Number {event.number} of {event.vendor} no longer means account {event.account} "
                f"from {event.effective_on}.",
                *(account, *to.linked(account), vendor_stream(event.vendor)),
            )
        case _:
            assert_never(event)


def _link_agents(event: AgentOfRecordDesignated | AgentOfRecordChanged, to: Writer) -> None:
    for named_one in event.agents:
        to.link(named_agent(named_one.agent), account_stream(event.account))
    to.link(agents_of(event.account), *agent_streams(*(named_one.agent for named_one in event.agents)))


def _tell_agent_of_record(
    event: AgentOfRecordDesignated | AgentOfRecordChangeProposed | AgentOfRecordChangeRejected | AgentOfRecordChanged,
    to: Writer,
) -> None:
    account = account_stream(event.account)
    scope = f"service {event.service} of {event.account}" if event.service else event.account
    concerned = (account, *to.linked(account))
    match event:
        case AgentOfRecordDesignated():
            to.tell(
                f"{named(event.agents)} designated agent of record on {scope} from {event.effective_on}, "
                f"on the letter signed {event.letter.signed_on}.",
                *(*concerned, *agent_streams(*(a.agent for a in event.agents))),
            )
            _link_agents(event, to)
        case AgentOfRecordChangeProposed():
            stays = _stays(weighted(event.present_agents), event.commission_stays)
            to.tell(
                f"A change of the agent of record on {scope} to {weighted(event.agents)} from {event.effective_on} "
                f"was proposed, {on_letter(event.letter)}{stays}.",
                *(*concerned, *agent_streams(*(a.agent for a in (*event.present_agents, *event.agents)))),
            )
        case AgentOfRecordChangeRejected():
            to.tell(
                f"The proposed change of the agent of record on {scope} was rejected: "
                f"{free_text(event.rejected_because)}.",
                *(*concerned, *agent_streams(*(a.agent for a in (*event.present_agents, *event.agents)))),
            )
        case AgentOfRecordChanged():
            former = weighted(event.former_agents)
            to.tell(
                f"Agent of record on {scope} changed from {former} to {weighted(event.agents)} "
                f"from {event.effective_on}, {on_letter(event.letter)}{_stays(former, event.commission_stays)}.",
                *(*concerned, *agent_streams(*(a.agent for a in (*event.former_agents, *event.agents)))),
            )
            _link_agents(event, to)
        case _:
            assert_never(event)


def _stays(former: str, stays: StaysUntilRenewal | None) -> str:
    if stays is None:
        return ""
    return f"; commission stays with {former} until the contract renews, at the latest {stays.at_latest}"


def _alias(alias: Alias) -> str:
    since = "" if alias.from_ == ORIGIN else f" from {alias.from_}"
    until = f" until {alias.until}" if alias.until else ""
    source = alias.source.replace("-", " ").removesuffix(" number")
    return f"{source} number {alias.number} of {alias.vendor}{since}{until}"
