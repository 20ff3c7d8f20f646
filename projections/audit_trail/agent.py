"""How an agent's events are told."""

from domain.agent import AgentEvent, AgentRecruited, AgentTerminated, AgreementSigned, UplineChanged
from domain.ids import agent_stream, plan_stream
from projections.audit_trail.words import Writer, agent_streams, in_units


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
        case AgreementSigned():
            minimum = (
                f"nothing below {in_units(event.minimum_payout_minor, event.currency)} is paid out"
                if event.minimum_payout_minor
                else f"any amount of {event.currency} is paid out"
            )
            to.tell(
                f"Agent {event.agent} signed its agreement: paid by plan {event.plan} from {event.effective_on}; "
                f"{minimum}.",
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
        case AgentTerminated():
            after = "are paid on" if event.evergreen else "end"
            to.tell(
                f"Agreement with agent {event.agent} was terminated from {event.effective_on}; residuals {after}.",
                *(agent, *agent_streams(event.upline)),
            )
