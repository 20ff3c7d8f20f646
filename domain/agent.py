"""An agent: an independent seller, perhaps under an upline that earns an override.

    (unknown) ── AgentRecruited ──▶ active ── AgreementSigned / UplineChanged … ──▶ ── AgentTerminated ──▶ terminated
    payouts:  paid out ── AgentSuspended ──▶ suspended ── AgentReinstated ──▶ paid out

Units: ``minimum_payout_minor`` in minor units of the agreement's currency. An upline changes from the first of a
month, because who is paid follows the service month.

A suspended agent earns on, and nothing is paid out: pay runs carry its balance, and the first one after its
reinstatement pays it. Meanwhile it registers no deals and is not newly named agent of record. A terminated agent stays
agent of record until the customer names another; without evergreen nobody is paid its part from the first whole month
on, neither are the overrides on it, and the house keeps both. Its downline keeps its agreements: in its chain the
terminated upline stays at its level with nothing, until each agent's upline is changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, assert_never

from pydantic import Field

from domain.ids import AgentId, Because, PlanId, Slug, agent_stream, plan_stream
from domain.message import Command, Context, Event, Model, Refused, Streams, Upcasts, unchanged
from domain.money import Currency, Minor, Rate

PartnerType = Literal["agent", "sub-agent", "referral", "var", "msp", "consultant"]


class Holdback(Model):
    """The part of newly earned commission that each payout holds back, and for how many days from its release."""

    rate: Annotated[Rate, Field(gt=0, le=1)]
    days: Annotated[int, Field(ge=1, le=3650)]


# -- events


class AgentRecruited(Event, topic="agent.recruited"):
    agent: AgentId
    partner_type: PartnerType
    category: Slug
    upline: AgentId | None = None


class AgreementSigned(Event, topic="agent.agreement_signed", version=2):
    """From ``effective_on`` the agent is paid by the plan, and nothing below the minimum is paid out.

    Version 2 knows a holdback.
    """

    upcasts: ClassVar[Upcasts] = {1: unchanged}

    agent: AgentId
    plan: PlanId
    minimum_payout_minor: int
    currency: Currency
    holdback: Holdback | None = None


class UplineChanged(Event, topic="agent.upline_changed"):
    agent: AgentId
    upline: AgentId | None = None
    former_upline: AgentId | None = None


class AgentTerminated(Event, topic="agent.terminated"):
    """``evergreen``: residuals are paid on after the end of the house's agreement with the agent."""

    agent: AgentId
    upline: AgentId | None = None
    evergreen: bool


class AgentSuspended(Event, topic="agent.suspended"):
    """From ``effective_on`` the agent earns on, but nothing is paid out."""

    agent: AgentId
    upline: AgentId | None = None
    suspended_because: str


class AgentReinstated(Event, topic="agent.reinstated"):
    """From ``effective_on`` the agent is paid out again, what was carried meanwhile with it."""

    agent: AgentId
    upline: AgentId | None = None
    suspended_since: date


AgentEvent = AgentRecruited | AgreementSigned | UplineChanged | AgentTerminated | AgentSuspended | AgentReinstated

# -- commands


def _upline_chain(first: str | None, known: Mapping[str, Any]) -> list[str]:
    """The stream of an upline and of every upline above it, as far as they are known."""
    chain: list[str] = []
    while first is not None and agent_stream(first) not in chain:
        chain.append(agent_stream(first))
        above: Agent = known.get(agent_stream(first), EMPTY)
        first = above.upline
    return chain


class RecruitAgent(Command, do="recruit_agent"):
    agent: AgentId
    partner_type: PartnerType = "agent"
    category: Slug = "standard"
    upline: AgentId | None = None
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((agent_stream(self.agent),), tuple(_upline_chain(self.upline, known)))


class SignAgreement(Command, do="sign_agreement"):
    agent: AgentId
    plan: PlanId
    minimum_payout_minor: Annotated[Minor, Field(ge=0)] = 0
    currency: Currency = "USD"
    holdback: Holdback | None = None
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((agent_stream(self.agent),), (plan_stream(self.plan),))


class ChangeUpline(Command, do="change_upline"):
    agent: AgentId
    upline: AgentId | None = None
    effective_on: date

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((agent_stream(self.agent),), tuple(_upline_chain(self.upline, known)))


class TerminateAgent(Command, do="terminate_agent"):
    agent: AgentId
    effective_on: date
    evergreen: bool = False

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((agent_stream(self.agent),))


class SuspendAgent(Command, do="suspend_agent"):
    agent: AgentId
    suspended_because: Because
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((agent_stream(self.agent),))


class ReinstateAgent(Command, do="reinstate_agent"):
    agent: AgentId
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((agent_stream(self.agent),))


AgentCommand = RecruitAgent | SignAgreement | ChangeUpline | TerminateAgent | SuspendAgent | ReinstateAgent

# -- refusals


class AgentAlreadyRecruited(Refused):
    """An agent is recruited once."""


class AgentUnknown(Refused):
    """Only a recruited agent sells, is named, or is paid."""


class AgentIsTerminated(Refused):
    """A terminated agent signs nothing and changes nothing."""


class AgentIsSuspended(Refused):
    """A suspended agent registers no deals and is not newly named agent of record; and it is suspended once."""


class AgentNotSuspended(Refused):
    """Only a suspended agent is reinstated."""


class ReinstatedBeforeSuspended(Refused):
    """A reinstatement holds from the day of the suspension or a later one."""


class UplineCircular(Refused):
    """Nobody is, through any chain, the own upline."""


class UplineUnchanged(Refused):
    """The upline is that one already."""


class NotFirstOfMonth(Refused):
    """Who is paid changes with a service month: from the first of a month."""


class PlanUnpublished(Refused):
    """An agreement names a plan that has a published version."""


# -- state


@dataclass(frozen=True, slots=True)
class Agent:
    recruited: AgentRecruited | None = None
    agreement: AgreementSigned | None = None
    upline: str | None = None
    terminated: AgentTerminated | None = None
    suspensions: tuple["Suspension", ...] = ()

    def suspended_on(self, day: date) -> "Suspension | None":
        """The suspension in which the day lies."""
        held = (s for s in self.suspensions if s.since <= day and (s.until is None or day < s.until))
        return next(held, None)


class Suspension(NamedTuple):
    """From ``since`` to before ``until``; None: it lasts."""

    since: date
    until: date | None = None


EMPTY = Agent()


def evolve(agent: Agent, event: AgentEvent) -> Agent:
    match event:
        case AgentRecruited():
            return replace(agent, recruited=event, upline=event.upline)
        case AgreementSigned():
            return replace(agent, agreement=event)
        case UplineChanged():
            return replace(agent, upline=event.upline)
        case AgentTerminated():
            return replace(agent, terminated=event)
        case AgentSuspended():
            return replace(agent, suspensions=(*agent.suspensions, Suspension(event.effective_on)))
        case AgentReinstated():
            *earlier, last = agent.suspensions
            return replace(agent, suspensions=(*earlier, last._replace(until=event.effective_on)))
        case _:
            assert_never(event)


def recruited(agent: Agent, agent_id: str) -> AgentRecruited:
    """The agent's recruitment. Raises AgentUnknown."""
    if agent.recruited is None:
        raise AgentUnknown(f"agent {agent_id} is not recruited; recruit the agent first")
    return agent.recruited


def not_terminated(agent: Agent, agent_id: str, on: date) -> None:
    """Raises AgentUnknown or AgentIsTerminated (terminated on the day or before it)."""
    recruited(agent, agent_id)
    if agent.terminated is not None and agent.terminated.effective_on <= on:
        raise AgentIsTerminated(f"agent {agent_id} is terminated since {agent.terminated.effective_on}")


def active(agent: Agent, agent_id: str, on: date) -> None:
    """Whether the agent may take something new on a day. Raises AgentUnknown, AgentIsTerminated, AgentIsSuspended."""
    not_terminated(agent, agent_id, on)
    not_suspended(agent, agent_id, on)


def not_suspended(agent: Agent, agent_id: str, on: date) -> None:
    """Raises AgentIsSuspended."""
    if (suspension := agent.suspended_on(on)) is not None:
        raise AgentIsSuspended(f"agent {agent_id} is suspended since {suspension.since}; reinstate the agent first")


def first_of_month(day: date, what: str) -> None:
    """Raises NotFirstOfMonth."""
    if day.day != 1:
        raise NotFirstOfMonth(f"{what} takes effect on the first of a month, not on {day}")


# -- decisions


def decide(agent: Agent, command: AgentCommand, context: Context) -> list[AgentEvent]:
    effective_on = command.effective_on or context.today
    match command:
        case RecruitAgent():
            if agent.recruited is not None:
                raise AgentAlreadyRecruited(f"agent {command.agent} is recruited already")
            _check_upline(command.agent, command.upline, context)
            return [
                AgentRecruited(
                    agent=command.agent,
                    partner_type=command.partner_type,
                    category=command.category,
                    upline=command.upline,
                    effective_on=effective_on,
                )
            ]
        case SignAgreement():
            not_terminated(agent, command.agent, effective_on)
            if not context.state(plan_stream(command.plan)).published:
                raise PlanUnpublished(f"plan {command.plan} has no published version; publish one first")
            return [
                AgreementSigned(
                    agent=command.agent,
                    plan=command.plan,
                    minimum_payout_minor=command.minimum_payout_minor,
                    currency=command.currency,
                    holdback=command.holdback,
                    effective_on=effective_on,
                )
            ]
        case ChangeUpline():
            not_terminated(agent, command.agent, effective_on)
            first_of_month(effective_on, f"the change of {command.agent}'s upline")
            if command.upline == agent.upline:
                raise UplineUnchanged(f"the upline of {command.agent} is {agent.upline or 'the house'} already")
            _check_upline(command.agent, command.upline, context)
            return [
                UplineChanged(
                    agent=command.agent,
                    upline=command.upline,
                    former_upline=agent.upline,
                    effective_on=effective_on,
                )
            ]
        case TerminateAgent():
            not_terminated(agent, command.agent, date.max)
            return [
                AgentTerminated(
                    agent=command.agent, upline=agent.upline, evergreen=command.evergreen, effective_on=effective_on
                )
            ]
        case SuspendAgent():
            return [_suspend(agent, command, effective_on)]
        case ReinstateAgent():
            return [_reinstate(agent, command, effective_on)]
        case _:
            assert_never(command)


def _suspend(agent: Agent, command: SuspendAgent, effective_on: date) -> AgentSuspended:
    """A terminated agent may be suspended, too: what it is still owed is then not paid out."""
    recruited(agent, command.agent)
    if agent.suspensions and (agent.suspensions[-1].until is None or effective_on < agent.suspensions[-1].until):
        last = agent.suspensions[-1]
        until = f" until {last.until}" if last.until else ""
        raise AgentIsSuspended(f"agent {command.agent} is suspended since {last.since}{until}; reinstate it first")
    return AgentSuspended(
        agent=command.agent,
        upline=agent.upline,
        suspended_because=command.suspended_because,
        effective_on=effective_on,
    )


def _reinstate(agent: Agent, command: ReinstateAgent, effective_on: date) -> AgentReinstated:
    recruited(agent, command.agent)
    if not agent.suspensions or agent.suspensions[-1].until is not None:
        raise AgentNotSuspended(f"agent {command.agent} is not suspended; there is nothing to reinstate")
    since = agent.suspensions[-1].since
    if effective_on < since:
        raise ReinstatedBeforeSuspended(
            f"agent {command.agent} is suspended since {since}; reinstate it from that day or a later one, "
            f"not from {effective_on}"
        )
    return AgentReinstated(agent=command.agent, upline=agent.upline, suspended_since=since, effective_on=effective_on)


def _check_upline(agent_id: str, upline: str | None, context: Context) -> None:
    if upline is None:
        return
    if upline != agent_id:
        recruited(context.state(agent_stream(upline)), upline)
    above: str | None = upline
    seen: set[str] = set()
    while above is not None and above not in seen:
        if above == agent_id:
            raise UplineCircular(f"{agent_id} would be its own upline through {upline}; name another upline")
        seen.add(above)
        above = context.state(agent_stream(above)).upline
