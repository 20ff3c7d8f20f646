"""How an account's events and those of its agents of record are told."""

from typing import assert_never

from domain.account import (
    AccountAliasAdded,
    AccountAliasEnded,
    AccountEvent,
    AccountOpened,
    Alias,
    LateLines,
    VendorSucceeded,
)
from domain.agent_of_record import (
    AgentOfRecordChangeAccepted,
    AgentOfRecordChangeConfirmed,
    AgentOfRecordChanged,
    AgentOfRecordChangeDeclined,
    AgentOfRecordChangeProposed,
    AgentOfRecordChangeRejected,
    AgentOfRecordChangeRescinded,
    AgentOfRecordDesignated,
    RescissionWindowClosed,
    StaysUntilRenewal,
    Weighted,
)
from domain.ids import account_stream, customer_stream, letter_stream, vendor_stream
from domain.plan import ORIGIN
from projections.audit_trail.agency import agents_of
from projections.audit_trail.agent import named_agent
from projections.audit_trail.words import Writer, agent_streams, and_, free_text, named, on_letter, weighted

_Step = (
    AgentOfRecordChangeRejected
    | AgentOfRecordChangeAccepted
    | AgentOfRecordChangeRescinded
    | RescissionWindowClosed
    | AgentOfRecordChangeConfirmed
    | AgentOfRecordChangeDeclined
)
_OfRecord = AgentOfRecordDesignated | AgentOfRecordChanged | AgentOfRecordChangeProposed | _Step


def tell(event: AccountEvent, to: Writer) -> None:
    if isinstance(event, AccountOpened | AccountAliasAdded | AccountAliasEnded):
        _tell_account(event, to)
    elif isinstance(event, VendorSucceeded):
        _tell_succession(event, to)
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


LATE_LINES: dict[LateLines, str] = {
    "for-months-before": "late lines of {former} are taken for months before that day",
    "always": "late lines of {former} are taken for every month",
    "never": "lines of {former} are taken up to its statement of {last}",
}


def _tell_succession(event: VendorSucceeded, to: Writer) -> None:
    """To the account, its customer and deals, both vendors, and the agents who were named on it."""
    account = account_stream(event.account)
    mean = "means" if len(event.begun) == 1 else "mean"
    begun = f"{and_(map(_alias, event.begun))} {mean} it" if event.begun else "its numbers are not known yet"
    collides = (
        f"; {and_(event.collisions)} {'is' if len(event.collisions) == 1 else 'are'} another account's too, and so "
        "means none"
        if event.collisions
        else ""
    )
    late = LATE_LINES[event.late_lines].format(former=event.former_vendor, last=event.last_statement_month)
    to.tell(
        f"{event.vendor} succeeded {event.former_vendor} on account {event.account} from {event.effective_on}: "
        f"{begun}{collides}; {late}.",
        *(account, *to.linked(account), vendor_stream(event.former_vendor), vendor_stream(event.vendor)),
        *to.linked(agents_of(event.account)),
    )


def _tell_agent_of_record(event: _OfRecord, to: Writer) -> None:
    """To the account, its customer and its deals, to the agents who are named or stay, and to the letter."""
    scope = f"service {event.service} of {event.account}" if event.service else event.account
    account = account_stream(event.account)
    others = _others(event)
    concerned = (
        account,
        *to.linked(account),
        *agent_streams(*(named_one.agent for named_one in (*others, *event.agents))),
        *([letter_stream(event.letter_id)] if event.letter_id else []),
    )
    if isinstance(event, AgentOfRecordDesignated | AgentOfRecordChanged | AgentOfRecordChangeProposed):
        to.tell(_named(event, scope), *concerned)
    else:
        to.tell(_step(event, scope), *concerned)
    if isinstance(event, AgentOfRecordDesignated | AgentOfRecordChanged):
        for named_one in event.agents:
            to.link(named_agent(named_one.agent), account)
        to.link(agents_of(event.account), *agent_streams(*(named_one.agent for named_one in event.agents)))


def _others(event: _OfRecord) -> tuple[Weighted, ...]:
    match event:
        case AgentOfRecordDesignated() | RescissionWindowClosed() | AgentOfRecordChangeConfirmed():
            return ()
        case AgentOfRecordChanged() | AgentOfRecordChangeDeclined():
            return event.former_agents
        case _:
            return event.present_agents


def _named(event: AgentOfRecordDesignated | AgentOfRecordChanged | AgentOfRecordChangeProposed, scope: str) -> str:
    match event:
        case AgentOfRecordDesignated():
            return (
                f"{named(event.agents)} designated agent of record on {scope} from {event.effective_on}, "
                f"on the letter signed {event.letter.signed_on}."
            )
        case AgentOfRecordChangeProposed():
            stays = _stays(weighted(event.present_agents), event.commission_stays)
            return (
                f"A change of the agent of record on {scope} to {weighted(event.agents)} from {event.effective_on} "
                f"was proposed, {on_letter(event.letter)}{stays}."
            )
        case AgentOfRecordChanged():
            former = weighted(event.former_agents)
            if event.former_agents == event.agents:
                again = f"{named(event.agents)} named agent of record on {scope} once more from {event.effective_on}"
                return f"{again}, {on_letter(event.letter)}."
            return (
                f"Agent of record on {scope} changed from {former} to {weighted(event.agents)} "
                f"from {event.effective_on}, {on_letter(event.letter)}{_stays(former, event.commission_stays)}."
            )
        case _:
            assert_never(event)


def _step(event: _Step, scope: str) -> str:
    change = f"change of the agent of record on {scope}"
    match event:
        case AgentOfRecordChangeRejected():
            return f"The proposed {change} was rejected: {free_text(event.rejected_because)}."
        case AgentOfRecordChangeAccepted():
            until = (
                f"the former agent may rescind it until {event.rescindable_until}" if event.rescindable_until else ""
            )
            confirmed = f"it counts once {event.confirmed_by} has confirmed it" if event.confirmed_by else ""
            return (
                f"A {change} to {weighted(event.agents)} from {event.effective_on} was accepted, "
                f"{on_letter(event.letter)}; {'; '.join(filter(None, (until, confirmed)))}."
            )
        case AgentOfRecordChangeRescinded():
            stay = weighted(event.present_agents)
            return (
                f"The {change} to {weighted(event.agents)} was rescinded, on the letter signed "
                f"{event.rescission.signed_on}; {stay} stays."
            )
        case RescissionWindowClosed():
            return (
                f"The rescission window of the {change} to {weighted(event.agents)} closed; from {event.changes_on} "
                f"it counts once {event.confirmed_by} has confirmed it."
            )
        case AgentOfRecordChangeConfirmed():
            return f"The {change} to {weighted(event.agents)} was confirmed by {event.vendor} on {event.effective_on}."
        case AgentOfRecordChangeDeclined():
            again = "is agent of record again" if event.had_changed else "stays"
            return (
                f"The {change} to {weighted(event.agents)} from {event.changed_on} was declined by {event.vendor}: "
                f"{free_text(event.declined_because)}; {weighted(event.former_agents)} {again}."
            )
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
