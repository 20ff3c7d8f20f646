"""How an agent's events are told."""

from typing import assert_never

from domain.agent import (
    AgentEvent,
    AgentRecruited,
    AgentReinstated,
    AgentSuspended,
    AgentTerminated,
    AgreementSigned,
    UplineChanged,
)
from domain.ids import agent_stream, plan_stream
from domain.words import counted
from projections.audit_trail.words import Writer, agent_streams, free_text, in_units, percent


def tell(event: AgentEvent, to: Writer) -> None:
    agent = agent_stream(event.agent)
    match event:
        case AgentRecruited():
            under = f", under upline {event.upline}" if event.upline else ""
            to.tell(
                f"Agent {event.agent} was recruited as {event.partner_type}, category {event.category}{under}.",
                agent,
                *agent_streams(event.upline),
            )
            to.link(_downline(event.upline), *agent_streams(event.agent))
        case AgreementSigned():
            minimum = (
                f"nothing below {in_units(event.minimum_payout_minor, event.currency)} is paid out"
                if event.minimum_payout_minor
                else f"any amount of {event.currency} is paid out"
            )
            to.tell(
                f"Agent {event.agent} signed its agreement: paid by plan {event.plan} from {event.effective_on}; "
                f"{minimum}{_holdback(event)}.",
                agent,
                plan_stream(event.plan),
            )
        case UplineChanged():
            to.tell(
                f"Upline of {event.agent} changed from {event.former_upline or 'the house'} to "
                f"{event.upline or 'the house'} from {event.effective_on}.",
                agent,
                *agent_streams(event.former_upline, event.upline),
            )
            to.link(_downline(event.upline), *agent_streams(event.agent))
        case AgentTerminated():
            after = "are paid on" if event.evergreen else "end"
            what = f"Agreement with agent {event.agent} was terminated from {event.effective_on}; residuals {after}."
            to.tell(what, agent, *agent_streams(event.upline))
            accounts = to.linked(named_agent(event.agent))
            customers = (
                linked for account in accounts for linked in to.linked(account) if linked.startswith("customer:")
            )
            to.tell(f"{what} {_left_behind(event)}", *to.linked(_downline(event.agent)), *accounts, *customers)
        case AgentSuspended():
            to.tell(
                f"Agent {event.agent} was suspended from {event.effective_on}: {free_text(event.suspended_because)}. "
                "It earns on, and nothing is paid out.",
                *(agent, *agent_streams(event.upline)),
            )
        case AgentReinstated():
            to.tell(
                f"Agent {event.agent}, suspended since {event.suspended_since}, was reinstated from "
                f"{event.effective_on}; the next pay run pays what was carried.",
                *(agent, *agent_streams(event.upline)),
            )
        case _:
            assert_never(event)


def _holdback(event: AgreementSigned) -> str:
    if event.holdback is None:
        return ""
    rate, days = percent(event.holdback.rate), counted(event.holdback.days, "day")
    return f"; {rate} of what it newly earned is held back for {days}"


def _left_behind(event: AgentTerminated) -> str:
    """What a termination means for the accounts that name the agent, and for its downline."""
    if event.evergreen:
        return "It stays agent of record where it is named, and upline of its downline."
    return (
        "Where it is agent of record nobody is paid its part from the first whole month on, until the customer names "
        "another; as upline it stays in its place and is paid no override, until another upline is named."
    )


def _downline(agent: str | None) -> str:
    """The subject under which those who stand directly below an agent are linked."""
    return f"downline:{agent}"


def named_agent(agent: str) -> str:
    """The subject under which the accounts are linked on which an agent was ever named."""
    return f"named:{agent}"
