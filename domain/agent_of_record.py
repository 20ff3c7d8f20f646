"""Who is agent of record of an account or of one of its services: named by the customer, from a day on.

    agent of record:  (none) ── AgentOfRecordDesignated ──▶ designated ── AgentOfRecordChanged … ──▶ designated
    a change:   AgentOfRecordChangeProposed ──▶ (approved) | AgentOfRecordChangeRejected
        (approved) ──▶ AgentOfRecordChanged, or while the vendor's terms make it wait
                       AgentOfRecordChangeAccepted ── RescissionWindowClosed, AgentOfRecordChangeConfirmed ──▶
                       AgentOfRecordChanged | AgentOfRecordChangeRescinded | AgentOfRecordChangeDeclined

A change on the customer's word for this month or later is accepted at once. A change without a letter, or one that
reaches back into earlier months and so moves money, is proposed by one person and approved by another, and that comes
first: nobody rescinds, and no vendor confirms, what the house has not accepted. Then the rescission window of the
vendor's terms runs, from the day of the acceptance; then the vendor's confirmation counts, where its terms ask for it,
and it may come while the window is still open. Until then the former agent stays; when all is done the change is
recorded, effective as the letter said. A first designation has no former agent and waits for nobody.

Changes that name a letter (``domain.letter``) wait side by side: of rival letters the one of the latest effective date
decides, then the latest signature, then the latest position. Weights are plain numbers; only their proportion counts.

All of it is in the account's stream: ``domain.account`` folds and decides the rest of that and asks here for this part.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Annotated, Any, ClassVar, NamedTuple, Protocol, assert_never

from pydantic import Field, model_validator

from domain.agent import first_of_month, not_suspended, not_terminated
from domain.ids import (
    AccountId,
    AgentId,
    Because,
    LetterId,
    ServiceId,
    VendorId,
    account_stream,
    agent_stream,
    vendor_stream,
)
from domain.message import Actor, Command, Context, Event, Evidence, Model, Refused, Streams, Upcasts, unchanged
from domain.vendor import VendorTerms, contracted


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


class AgentOfRecordDesignated(Event, topic="account.agent_of_record_designated", version=2):
    """From version 2 on, these events may name the letter (``letter_id``) that they stand on."""

    upcasts: ClassVar[Upcasts] = {1: unchanged}

    account: AccountId
    service: ServiceId | None = None
    agents: tuple[Weighted, ...]
    letter: Evidence
    letter_id: LetterId | None = None


class AgentOfRecordChangeProposed(Event, topic="account.agent_of_record_change_proposed", version=2):
    upcasts: ClassVar[Upcasts] = {1: unchanged}

    account: AccountId
    service: ServiceId | None = None
    agents: tuple[Weighted, ...]
    present_agents: tuple[Weighted, ...]
    letter: Evidence | None = None
    letter_id: LetterId | None = None
    commission_stays: StaysUntilRenewal | None = None
    proposed_by: Actor


class AgentOfRecordChangeRejected(Event, topic="account.agent_of_record_change_rejected", version=2):
    upcasts: ClassVar[Upcasts] = {1: unchanged}

    account: AccountId
    service: ServiceId | None = None
    agents: tuple[Weighted, ...]
    """Who had been proposed."""
    present_agents: tuple[Weighted, ...]
    letter_id: LetterId | None = None
    rejected_because: str


class AgentOfRecordChangeAccepted(Event, topic="account.agent_of_record_change_accepted"):
    """The house has accepted the change; until nobody may rescind it and nobody has to confirm it, it does not count.

    ``rescindable_until`` is the last day of the rescission window.
    """

    account: AccountId
    service: ServiceId | None = None
    agents: tuple[Weighted, ...]
    present_agents: tuple[Weighted, ...]
    letter: Evidence | None = None
    letter_id: LetterId | None = None
    commission_stays: StaysUntilRenewal | None = None
    proposed_by: Actor
    rescindable_until: date | None = None
    confirmed_by: VendorId | None = None
    """The vendor whose confirmation it waits for."""


class AgentOfRecordChangeRescinded(Event, topic="account.agent_of_record_change_rescinded"):
    """The customer took its word back inside the window; the former agents stay."""

    account: AccountId
    service: ServiceId | None = None
    agents: tuple[Weighted, ...]
    present_agents: tuple[Weighted, ...]
    letter_id: LetterId | None = None
    rescission: Evidence


class RescissionWindowClosed(Event, topic="account.rescission_window_closed"):
    """Nobody rescinded the change; it waits for the vendor's confirmation only."""

    account: AccountId
    service: ServiceId | None = None
    agents: tuple[Weighted, ...]
    letter_id: LetterId | None = None
    confirmed_by: VendorId
    changes_on: date
    """From when the change will count."""


class AgentOfRecordChangeConfirmed(Event, topic="account.agent_of_record_change_confirmed"):
    """The vendor confirmed the change on ``effective_on``."""

    account: AccountId
    service: ServiceId | None = None
    agents: tuple[Weighted, ...]
    letter_id: LetterId | None = None
    vendor: VendorId


class AgentOfRecordChangeDeclined(Event, topic="account.agent_of_record_change_declined"):
    """The vendor declined the change on ``effective_on``; the former agents stay, or are agents of record again."""

    account: AccountId
    service: ServiceId | None = None
    agents: tuple[Weighted, ...]
    former_agents: tuple[Weighted, ...]
    letter_id: LetterId | None = None
    vendor: VendorId
    changed_on: date
    """From when the change counted, or would have."""
    had_changed: bool
    """It had been recorded already, and counts no more."""
    declined_because: str


class AgentOfRecordChanged(Event, topic="account.agent_of_record_changed", version=2):
    upcasts: ClassVar[Upcasts] = {1: unchanged}

    account: AccountId
    service: ServiceId | None = None
    agents: tuple[Weighted, ...]
    former_agents: tuple[Weighted, ...]
    letter: Evidence | None = None
    letter_id: LetterId | None = None
    commission_stays: StaysUntilRenewal | None = None
    proposed_by: Actor


_ChangeEvent = (
    AgentOfRecordChangeProposed
    | AgentOfRecordChangeRejected
    | AgentOfRecordChanged
    | AgentOfRecordChangeAccepted
    | AgentOfRecordChangeRescinded
    | RescissionWindowClosed
    | AgentOfRecordChangeConfirmed
    | AgentOfRecordChangeDeclined
)
AgentOfRecordEvent = AgentOfRecordDesignated | _ChangeEvent

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


def _agent_streams(agents: tuple[Weighted, ...]) -> tuple[str, ...]:
    return tuple(agent_stream(a.agent) for a in agents)


def vendor_of(account: str, known: Mapping[str, Any]) -> tuple[str, ...]:
    """The stream of an account's vendor, whose terms say for what a change waits."""
    state: AccountState | None = known.get(account_stream(account))
    return (vendor_stream(state.vendor),) if state is not None and state.vendor else ()


class RescissionWindow(Model):
    """How long a change that the house accepts on a day may be rescinded, by the terms of a vendor."""

    vendor: VendorId
    accepted_on: date
    until: date


class OpensWindow(Model):
    """``rescission_windows`` are counted in days of business when the command is handled."""

    rescission_windows: tuple[RescissionWindow, ...] = ()


class DesignateAgentOfRecord(_NamesAgents, Command, do="designate_agent_of_record"):
    account: AccountId
    service: ServiceId | None = None
    effective_on: date

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((account_stream(self.account),), _agent_streams(self.agents))


class ChangeAgentOfRecord(OpensWindow, _NamesAgents, Command, do="change_agent_of_record"):
    account: AccountId
    service: ServiceId | None = None
    commission_stays: StaysUntilRenewal | None = None
    effective_on: date

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((account_stream(self.account),), (*_agent_streams(self.agents), *vendor_of(self.account, known)))


class _OfAChange(Model):
    """A change that waits; ``letter_id`` says which one where several do."""

    account: AccountId
    service: ServiceId | None = None
    letter_id: LetterId | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((account_stream(self.account),))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        """The event at which the change began to wait."""
        state: AccountState = known[account_stream(self.account)]
        found = [key for key in state.agents_of_record.waiting if key.service == self.service]
        key = Scope(self.service, self.letter_id) if len(found) != 1 else found[0]
        waits = state.agents_of_record.waiting.get(key)
        return f"{account_stream(self.account)}@{waits.since}" if waits else None


class ApproveAgentOfRecordChange(OpensWindow, _OfAChange, Command, do="approve_agent_of_record_change"):
    def streams(self, known: Mapping[str, Any]) -> Streams:
        state: AccountState | None = known.get(account_stream(self.account))
        waiting = state.agents_of_record.waiting.items() if state is not None else ()
        agents = {a.agent for key, waits in waiting if key.service == self.service for a in waits.change.agents}
        reads = (*(agent_stream(agent) for agent in sorted(agents)), *vendor_of(self.account, known))
        return Streams((account_stream(self.account),), reads)


class RejectAgentOfRecordChange(_OfAChange, Command, do="reject_agent_of_record_change"):
    rejected_because: Because


class RescindAgentOfRecordChange(_OfAChange, Command, do="rescind_agent_of_record_change"):
    """The customer takes its word back while the window is open."""


class CloseRescissionWindow(_OfAChange, Command, do="close_rescission_window"):
    """Given by the scheduler on the day after the window; moot when the change was rescinded, or waits no more."""


class ConfirmAgentOfRecordChange(_OfAChange, Command, do="confirm_agent_of_record_change"):
    """The vendor confirmed a change, on ``effective_on``."""

    effective_on: date | None = None


class DeclineAgentOfRecordChange(_OfAChange, Command, do="decline_agent_of_record_change"):
    """The vendor declined a change, on ``effective_on``."""

    declined_because: Because
    effective_on: date | None = None


AgentOfRecordCommand = (
    DesignateAgentOfRecord
    | ChangeAgentOfRecord
    | ApproveAgentOfRecordChange
    | RejectAgentOfRecordChange
    | RescindAgentOfRecordChange
    | CloseRescissionWindow
    | ConfirmAgentOfRecordChange
    | DeclineAgentOfRecordChange
)

# -- refusals


class EvidenceMissing(Refused):
    """Who is named, and what is taken back, stands on somebody's word: the customer's or the vendor's."""


class AgentOfRecordAlreadyDesignated(Refused):
    """The first agent of record is designated; from then on it changes."""


class AgentOfRecordNotDesignated(Refused):
    """Only a designated agent of record changes."""


class AgentOfRecordUnchanged(Refused):
    """The agents of record are those already."""


class AgentNamedTwice(Refused):
    """Each agent of record is named once, with one weight."""


class ChangeAlreadyProposed(Refused):
    """One change at a time waits, unless each names its own letter."""


class NoChangeProposed(Refused):
    """Only a proposed change is approved or rejected."""


class SeveralChangesWait(Refused):
    """Where rival letters wait side by side, the letter says which is meant."""


class NoChangeAccepted(Refused):
    """The customer rescinds, and the vendor confirms or declines, only what the house has accepted."""


class LetterTooLate(Refused):
    """Where the vendor's terms ask for notice, a letter comes in time."""


class RescissionWindowIsClosed(Refused):
    """A change is rescinded inside its window; afterwards the customer names an agent of record anew."""


class RescissionWindowNotCounted(Refused):
    """The end of a rescission window is counted for the day on which the change is accepted."""


class StayEndsBeforeChange(Refused):
    """Commission can stay with the former agent only for months after the change."""


# -- state


class Scope(NamedTuple):
    """What a change is about: the account or one service, and the letter that it names, if any."""

    service: str | None
    letter_id: str | None


class Waiting(NamedTuple):
    """A change that does not count yet; ``since`` is the version at which it began to wait in this way."""

    change: AgentOfRecordChangeProposed | AgentOfRecordChangeAccepted
    since: int
    window_closed: bool = False
    confirmed: bool = False


class Named(NamedTuple):
    """Agents of record from a day on; of several the greatest decides, as in rating."""

    effective_on: date
    signed_on: date
    version: int
    agents: tuple[Weighted, ...]


@dataclass(frozen=True, slots=True)
class AgentsOfRecord:
    """Who is agent of record of one account, and what waits to change that."""

    named: Mapping[str | None, tuple[Named, ...]] = field(default_factory=dict)
    """Everybody who was named agent of record: of the account under None, of single services under their id."""
    waiting: Mapping[Scope, Waiting] = field(default_factory=dict)
    last_changes: Mapping[str | None, AgentOfRecordChanged] = field(default_factory=dict)
    """The last change of each service or of the account, while the vendor has not said anything of it."""

    def on(self, service: str | None, day: date) -> tuple[Weighted, ...] | None:
        """Who is agent of record on a day, or would be first after it; None while nobody was ever named."""
        named = self.named.get(service, ())
        held = [one for one in named if one.effective_on <= day]
        found = max(held, default=None) or min(named, default=None)
        return found.agents if found else None


EMPTY = AgentsOfRecord()


class AccountState(Protocol):
    """What is to be known of an account here; ``domain.account`` folds it."""

    @property
    def vendor(self) -> str:
        """Who pays for it; empty while it is not opened."""

    @property
    def agents_of_record(self) -> AgentsOfRecord: ...


def evolve(agents: AgentsOfRecord, event: AgentOfRecordEvent, version: int) -> AgentsOfRecord:
    """``version`` is the event's in the stream of its account."""
    match event:
        case AgentOfRecordDesignated():
            return _with_named(agents, event, version)
        case AgentOfRecordChanged():
            return _with_change(agents, event, version)
        case AgentOfRecordChangeProposed() | AgentOfRecordChangeAccepted():
            waits = Waiting(event, version)
            return replace(agents, waiting={**agents.waiting, _scope_of(event): waits})
        case AgentOfRecordChangeRejected() | AgentOfRecordChangeRescinded():
            return _without_waiting(agents, _scope_of(event))
        case RescissionWindowClosed():
            return _with_waiting(agents, _scope_of(event), window_closed=True)
        case AgentOfRecordChangeConfirmed():
            if _scope_of(event) in agents.waiting:
                return _with_waiting(agents, _scope_of(event), confirmed=True)
            return replace(agents, last_changes=_less(agents.last_changes, event.service))
        case AgentOfRecordChangeDeclined():
            return _declined(agents, event)
        case _:
            assert_never(event)


def _scope_of(event: _ChangeEvent) -> Scope:
    return Scope(event.service, event.letter_id)


def _less(entries: Mapping[Any, Any], key: Any) -> dict[Any, Any]:
    return {other: value for other, value in entries.items() if other != key}


def _with_waiting(agents: AgentsOfRecord, scope: Scope, **changed: bool) -> AgentsOfRecord:
    waits = agents.waiting.get(scope)
    if waits is None:
        return agents
    return replace(agents, waiting={**agents.waiting, scope: waits._replace(**changed)})  # type: ignore[arg-type]


def _without_waiting(agents: AgentsOfRecord, scope: Scope) -> AgentsOfRecord:
    return replace(agents, waiting=_less(agents.waiting, scope))


def _with_named(
    agents: AgentsOfRecord, event: AgentOfRecordDesignated | AgentOfRecordChanged, version: int
) -> AgentsOfRecord:
    signed_on = event.letter.signed_on if event.letter else date.min
    one = Named(event.effective_on, signed_on, version, event.agents)
    return replace(agents, named={**agents.named, event.service: (*agents.named.get(event.service, ()), one)})


def _with_change(agents: AgentsOfRecord, event: AgentOfRecordChanged, version: int) -> AgentsOfRecord:
    waits = agents.waiting.get(_scope_of(event))
    last = {**agents.last_changes, event.service: event}
    if waits is not None and waits.confirmed:
        last = _less(last, event.service)
    return replace(_without_waiting(_with_named(agents, event, version), _scope_of(event)), last_changes=last)


def _declined(agents: AgentsOfRecord, event: AgentOfRecordChangeDeclined) -> AgentsOfRecord:
    if not event.had_changed:
        return _without_waiting(agents, _scope_of(event))
    named = list(agents.named.get(event.service, ()))
    undone = [one for one in named if (one.effective_on, one.agents) == (event.changed_on, event.agents)]
    kept = tuple(one for one in named if not undone or one != undone[-1])
    return replace(
        agents,
        named={**agents.named, event.service: kept},
        last_changes=_less(agents.last_changes, event.service),
    )


# -- decisions


def decide(account: AccountState, command: AgentOfRecordCommand, context: Context) -> list[AgentOfRecordEvent]:
    """What a command means for an account that is opened."""
    match command:
        case DesignateAgentOfRecord():
            if command.service in account.agents_of_record.named:
                raise AgentOfRecordAlreadyDesignated(
                    f"{_scope(command.account, command.service)} has an agent of record already; change it instead"
                )
            return [_designate(_wanted(command, context), context)]
        case ChangeAgentOfRecord():
            return _change(account, _wanted(command, context), context)
        case ApproveAgentOfRecordChange() | RejectAgentOfRecordChange():
            return [_answer_proposal(account, command, context)]
        case RescindAgentOfRecordChange():
            return [_rescind(account, command, context)]
        case CloseRescissionWindow():
            return _close_window(account, command, context)
        case ConfirmAgentOfRecordChange():
            return _confirm(account, command, context)
        case DeclineAgentOfRecordChange():
            return [_decline(account, command, context)]
        case _:
            assert_never(command)


class Wanted(NamedTuple):
    """Whom somebody wants as agents of record, on whose word."""

    account: str
    service: str | None
    agents: tuple[Weighted, ...]
    effective_on: date
    letter: Evidence | None
    letter_id: str | None = None
    commission_stays: StaysUntilRenewal | None = None
    windows: tuple[RescissionWindow, ...] = ()

    @property
    def scope(self) -> str:
        return _scope(self.account, self.service)


def _wanted(command: DesignateAgentOfRecord | ChangeAgentOfRecord, context: Context) -> Wanted:
    wanted = Wanted(command.account, command.service, command.agents, command.effective_on, context.evidence)
    if isinstance(command, DesignateAgentOfRecord):
        return wanted
    return wanted._replace(commission_stays=command.commission_stays, windows=command.rescission_windows)


def name_by_letter(account: AccountState, wanted: Wanted, context: Context) -> list[AgentOfRecordEvent]:
    """What a complete letter leads to on one of its accounts: a designation, a change, or nothing where it names those
    who are agents of record anyway."""
    if wanted.service not in account.agents_of_record.named:
        return [_designate(wanted, context)]
    return _change(account, wanted, context)


def _designate(wanted: Wanted, context: Context) -> AgentOfRecordDesignated:
    _check_agents(wanted.agents, wanted.effective_on, context)
    if wanted.letter is None:
        raise EvidenceMissing(
            f"the agent of record of {wanted.account} is designated on the customer's letter; add evidence: "
            "{signer: the customer, signed_on: a date}"
        )
    return AgentOfRecordDesignated(
        account=wanted.account,
        service=wanted.service,
        agents=wanted.agents,
        letter=wanted.letter,
        letter_id=wanted.letter_id,
        effective_on=wanted.effective_on,
    )


def _change(account: AccountState, wanted: Wanted, context: Context) -> list[AgentOfRecordEvent]:
    first_of_month(wanted.effective_on, f"the change of the agent of record on {wanted.scope}")
    _check_agents(wanted.agents, wanted.effective_on, context)
    present = account.agents_of_record.on(wanted.service, wanted.effective_on)
    if present is None:
        raise AgentOfRecordNotDesignated(f"{wanted.scope} has no agent of record yet; designate one first")
    scope = Scope(wanted.service, wanted.letter_id)
    if (waits := account.agents_of_record.waiting.get(scope)) is not None:
        proposed = isinstance(waits.change, AgentOfRecordChangeProposed)
        what = "for approval; approve or reject it" if proposed else "already; let it count, rescind or decline it"
        raise ChangeAlreadyProposed(f"a change on {wanted.scope} waits {what} first")
    stays = wanted.commission_stays
    if stays is not None and stays.at_latest <= wanted.effective_on:
        raise StayEndsBeforeChange(
            f"commission on {wanted.scope} would stay until {stays.at_latest}, "
            f"not after the change on {wanted.effective_on}"
        )
    change = AgentOfRecordChangeProposed(
        account=wanted.account,
        service=wanted.service,
        agents=wanted.agents,
        present_agents=present,
        letter=wanted.letter,
        letter_id=wanted.letter_id,
        commission_stays=stays,
        proposed_by=context.actor,
        effective_on=wanted.effective_on,
    )
    if present == wanted.agents:
        return _named_again(account, change)
    if too_late := _too_late(account, wanted, context):
        return [_not_accepted(change, too_late, context)]
    reaches_back = wanted.effective_on < context.today.replace(day=1)
    if reaches_back or wanted.letter is None:
        return [change]
    return [_accept(account, change, wanted.windows, context)]


def _too_late(account: AccountState, wanted: Wanted, context: Context) -> str:
    """Why a letter came too late by the vendor's terms, or nothing."""
    vendor = account.vendor
    notice = contracted(context.state(vendor_stream(vendor)), vendor).terms.agent_of_record_notice_days
    if notice is None or (wanted.effective_on - context.today).days > notice:
        return ""
    return (
        f"the letter came on {context.today}, not more than {notice} days before {wanted.effective_on}, "
        f"as {vendor} asks"
    )


def _not_accepted(change: AgentOfRecordChangeProposed, because: str, context: Context) -> AgentOfRecordChangeRejected:
    """A letter stays in the account's history also where it comes too late; without one there is nothing to keep."""
    if change.letter_id is None:
        raise LetterTooLate(f"{because}; name a later month")
    return AgentOfRecordChangeRejected(
        account=change.account,
        service=change.service,
        agents=change.agents,
        present_agents=change.present_agents,
        letter_id=change.letter_id,
        rejected_because=because,
        effective_on=context.today,
    )


def _named_again(account: AccountState, change: AgentOfRecordChangeProposed) -> list[AgentOfRecordEvent]:
    """The agents of record are named once more: that takes effect only against the letter of a rival that waits."""
    if change.letter_id is None:
        raise AgentOfRecordUnchanged(
            f"the agents of record on {_scope(change.account, change.service)} are those already"
        )
    rivals = [scope for scope in account.agents_of_record.waiting if scope.service == change.service]
    return [_changed(account, change)] if rivals else []


def _accept(
    account: AccountState,
    change: AgentOfRecordChangeProposed,
    windows: tuple[RescissionWindow, ...],
    context: Context,
) -> AgentOfRecordChangeAccepted | AgentOfRecordChanged:
    """The house says yes: the change counts, unless the vendor's terms make it wait."""
    vendor = account.vendor
    terms = contracted(context.state(vendor_stream(vendor)), vendor).terms
    until = _rescindable_until(vendor, terms, windows, context.today)
    if until is None and not terms.confirms_agent_of_record:
        return _changed(account, change)
    return AgentOfRecordChangeAccepted(
        **_of_change(change),
        present_agents=change.present_agents,
        rescindable_until=until,
        confirmed_by=vendor if terms.confirms_agent_of_record else None,
        effective_on=change.effective_on,
    )


def _rescindable_until(
    vendor: str, terms: VendorTerms, windows: tuple[RescissionWindow, ...], today: date
) -> date | None:
    if not terms.has_rescission_window:
        return None
    for window in windows:
        if (window.vendor, window.accepted_on) == (vendor, today):
            return window.until
    raise RescissionWindowNotCounted(
        f"the rescission window of {vendor} is not counted from {today}; give the command again"
    )


def _of_change(change: AgentOfRecordChangeProposed | AgentOfRecordChangeAccepted) -> dict[str, Any]:
    return {
        "account": change.account,
        "service": change.service,
        "agents": change.agents,
        "letter": change.letter,
        "letter_id": change.letter_id,
        "commission_stays": change.commission_stays,
        "proposed_by": change.proposed_by,
    }


def _changed(
    account: AccountState, change: AgentOfRecordChangeProposed | AgentOfRecordChangeAccepted
) -> AgentOfRecordChanged:
    former = account.agents_of_record.on(change.service, change.effective_on) or change.present_agents
    return AgentOfRecordChanged(**_of_change(change), former_agents=former, effective_on=change.effective_on)


def _answer_proposal(
    account: AccountState, command: ApproveAgentOfRecordChange | RejectAgentOfRecordChange, context: Context
) -> AgentOfRecordChangeAccepted | AgentOfRecordChanged | AgentOfRecordChangeRejected:
    waits = _waits(account, command, AgentOfRecordChangeProposed)
    if waits is None or not isinstance(waits.change, AgentOfRecordChangeProposed):
        raise NoChangeProposed(
            f"no change of the agent of record on {_scope(command.account, command.service)} waits for approval; one "
            "with the customer's letter, for this month or later, needs none"
        )
    proposed = waits.change
    if isinstance(command, ApproveAgentOfRecordChange):
        context.require_second_person(proposed.proposed_by, f"the change of the agent of record on {command.account}")
        _check_agents(proposed.agents, proposed.effective_on, context)
        return _accept(account, proposed, command.rescission_windows, context)
    return AgentOfRecordChangeRejected(
        account=proposed.account,
        service=proposed.service,
        agents=proposed.agents,
        present_agents=proposed.present_agents,
        letter_id=proposed.letter_id,
        rejected_because=command.rejected_because,
        effective_on=context.today,
    )


def _accepted(account: AccountState, command: _OfAChange) -> Waiting | None:
    return _waits(account, command, AgentOfRecordChangeAccepted)


def _waits(account: AccountState, command: _OfAChange, stage: type[Event]) -> Waiting | None:
    """The change that the command means. Raises SeveralChangesWait."""
    waiting = {
        scope: waits
        for scope, waits in account.agents_of_record.waiting.items()
        if scope.service == command.service and isinstance(waits.change, stage)
    }
    exact = waiting.get(Scope(command.service, command.letter_id))
    if exact is not None or command.letter_id is not None or not waiting:
        return exact
    if len(waiting) > 1:
        letters = " and ".join(sorted(scope.letter_id or "" for scope in waiting))
        raise SeveralChangesWait(
            f"several changes on {_scope(command.account, command.service)} wait; name the letter: {letters}"
        )
    return next(iter(waiting.values()))


def _rescind(
    account: AccountState, command: RescindAgentOfRecordChange, context: Context
) -> AgentOfRecordChangeRescinded:
    waits = _accepted(account, command)
    scope = _scope(command.account, command.service)
    if waits is None or not isinstance(waits.change, AgentOfRecordChangeAccepted):
        raise NoChangeAccepted(f"no change of the agent of record on {scope} is inside a rescission window")
    until = waits.change.rescindable_until
    if until is None or waits.window_closed or context.today > until:
        raise RescissionWindowIsClosed(
            f"the change on {scope} could be rescinded until {until or 'it was accepted'}; "
            "with a new letter the customer names an agent of record anew"
        )
    if context.evidence is None:
        raise EvidenceMissing(
            f"the change on {scope} is rescinded on the customer's word; add evidence: "
            "{signer: the customer, signed_on: a date}"
        )
    return AgentOfRecordChangeRescinded(
        account=command.account,
        service=command.service,
        agents=waits.change.agents,
        present_agents=waits.change.present_agents,
        letter_id=waits.change.letter_id,
        rescission=context.evidence,
        effective_on=context.today,
    )


def _close_window(account: AccountState, command: CloseRescissionWindow, context: Context) -> list[AgentOfRecordEvent]:
    """Moot: no events, as for every command of the scheduler."""
    waits = account.agents_of_record.waiting.get(Scope(command.service, command.letter_id))
    if waits is None or not isinstance(waits.change, AgentOfRecordChangeAccepted) or waits.window_closed:
        return []
    change = waits.change
    if change.rescindable_until is None or context.today <= change.rescindable_until:
        return []
    if change.confirmed_by is None or waits.confirmed:
        return [_changed(account, change)]
    return [
        RescissionWindowClosed(
            account=change.account,
            service=change.service,
            agents=change.agents,
            letter_id=change.letter_id,
            confirmed_by=change.confirmed_by,
            changes_on=change.effective_on,
            effective_on=context.today,
        )
    ]


def _confirm(account: AccountState, command: ConfirmAgentOfRecordChange, context: Context) -> list[AgentOfRecordEvent]:
    """A change that waits for nothing else is recorded with it; of one that counts already it is only noted."""
    waits = _accepted(account, command)
    change = waits.change if waits is not None else _last_change(account, command)
    if change is None or (waits is not None and waits.confirmed):
        raise _nothing_for_the_vendor(command)
    confirmed = AgentOfRecordChangeConfirmed(
        account=command.account,
        service=command.service,
        agents=change.agents,
        letter_id=change.letter_id,
        vendor=account.vendor,
        effective_on=command.effective_on or context.today,
    )
    if waits is None or not isinstance(change, AgentOfRecordChangeAccepted):
        return [confirmed]
    window_open = change.rescindable_until is not None and not waits.window_closed
    return [confirmed] if window_open else [confirmed, _changed(account, change)]


def _decline(
    account: AccountState, command: DeclineAgentOfRecordChange, context: Context
) -> AgentOfRecordChangeDeclined:
    """What counts already is undone on the vendor's document, by another principal than who proposed the change."""
    waits = _accepted(account, command)
    change = waits.change if waits is not None else _last_change(account, command)
    if change is None:
        raise _nothing_for_the_vendor(command)
    if isinstance(change, AgentOfRecordChanged):
        scope = _scope(command.account, command.service)
        if context.evidence is None:
            raise EvidenceMissing(
                f"the change on {scope} counts already; to undo it add the vendor's word as evidence: "
                "{signer: the vendor, signed_on: a date}"
            )
        context.require_second_person(change.proposed_by, f"the change of the agent of record on {scope}")
    return AgentOfRecordChangeDeclined(
        account=command.account,
        service=command.service,
        agents=change.agents,
        former_agents=change.former_agents if isinstance(change, AgentOfRecordChanged) else change.present_agents,
        letter_id=change.letter_id,
        vendor=account.vendor,
        changed_on=change.effective_on,
        had_changed=isinstance(change, AgentOfRecordChanged),
        declined_because=command.declined_because,
        effective_on=command.effective_on or context.today,
    )


def _last_change(account: AccountState, command: _OfAChange) -> AgentOfRecordChanged | None:
    last = account.agents_of_record.last_changes.get(command.service)
    return last if last is not None and command.letter_id in (None, last.letter_id) else None


def _nothing_for_the_vendor(command: _OfAChange) -> NoChangeAccepted:
    return NoChangeAccepted(
        f"no accepted change of the agent of record on {_scope(command.account, command.service)} is without the "
        "vendor's answer"
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


def _scope(account_id: str, service: str | None) -> str:
    return f"service {service} of {account_id}" if service else account_id
