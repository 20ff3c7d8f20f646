"""An agent: an independent seller, perhaps under an upline that earns an override.

    (unknown) ── AgentRecruited ──▶ active ── AgreementSigned / UplineChanged … ──▶ ── AgentTerminated ──▶ terminated

Units: ``minimum_payout_minor`` in minor units of the agreement's currency. An upline changes from the first of a
month, because who is paid follows the service month.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, Literal, assert_never

from pydantic import Field

from domain.ids import AgentId, PlanId, Slug, agent_stream, plan_stream
from domain.message import Command, Context, Event, Refused, Streams
from domain.money import Currency, Minor

PartnerType = Literal["agent", "sub-agent", "referral", "var", "msp", "consultant"]

# -- events


class AgentRecruited(Event, topic="agent.recruited"):
    agent: AgentId
    partner_type: PartnerType
    category: Slug
    upline: AgentId | None = None


class AgreementSigned(Event, topic="agent.agreement_signed"):
    """From ``effective_on`` the agent is paid by the plan, and nothing below the minimum is paid out."""

    agent: AgentId
    plan: PlanId
    minimum_payout_minor: int
    currency: Currency


class UplineChanged(Event, topic="agent.upline_changed"):
    agent: AgentId
    upline: AgentId | None = None
    former_upline: AgentId | None = None


class AgentTerminated(Event, topic="agent.terminated"):
    """``evergreen``: residuals are paid on after the end of the house's agreement with the agent."""

    agent: AgentId
    upline: AgentId | None = None
    evergreen: bool


AgentEvent = AgentRecruited | AgreementSigned | UplineChanged | AgentTerminated

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


AgentCommand = RecruitAgent | SignAgreement | ChangeUpline | TerminateAgent

# -- refusals


class AgentAlreadyRecruited(Refused):
    """An agent is recruited once."""


class AgentUnknown(Refused):
    """Only a recruited agent sells, is named, or is paid."""


class AgentIsTerminated(Refused):
    """A terminated agent signs nothing and changes nothing."""


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
        case _:
            assert_never(event)


def recruited(agent: Agent, agent_id: str) -> AgentRecruited:
    """The agent's recruitment. Raises AgentUnknown."""
    if agent.recruited is None:
        raise AgentUnknown(f"agent {agent_id} is not recruited; recruit the agent first")
    return agent.recruited


def active(agent: Agent, agent_id: str, on: date) -> None:
    """Raises AgentUnknown or AgentIsTerminated (terminated on the day or before it)."""
    recruited(agent, agent_id)
    if agent.terminated is not None and agent.terminated.effective_on <= on:
        raise AgentIsTerminated(f"agent {agent_id} is terminated since {agent.terminated.effective_on}")


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
            active(agent, command.agent, effective_on)
            if not context.state(plan_stream(command.plan)).published:
                raise PlanUnpublished(f"plan {command.plan} has no published version; publish one first")
            return [
                AgreementSigned(
                    agent=command.agent,
                    plan=command.plan,
                    minimum_payout_minor=command.minimum_payout_minor,
                    currency=command.currency,
                    effective_on=effective_on,
                )
            ]
        case ChangeUpline():
            active(agent, command.agent, effective_on)
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
            active(agent, command.agent, date.max)
            return [
                AgentTerminated(
                    agent=command.agent, upline=agent.upline, evergreen=command.evergreen, effective_on=effective_on
                )
            ]
        case _:
            assert_never(command)


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
