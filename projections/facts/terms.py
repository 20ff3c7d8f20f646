"""What rating learns of the house's day, of vendors, plans and agents."""

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
from domain.calendar import CalendarEvent, DayOpened
from domain.plan import PlanEvent, PlanVersionProposed, PlanVersionPublished, PlanVersionWithdrawn
from domain.rating.facts import HOUSE_NO
from domain.succession import SuccessionAnnounced, SuccessionCompleted, SuccessionContinued, SuccessionEvent
from domain.vendor import ProductsListed, VendorAgreementEnded, VendorAgreementResumed, VendorContracted, VendorEvent
from projections.facts.writer import Writer
from projections.projection import Row


def learn(event: CalendarEvent | VendorEvent | SuccessionEvent | PlanEvent | AgentEvent, to: Writer) -> None:
    """Write what the event teaches of the terms that all accounts share."""
    match event:
        case DayOpened():
            to.out.append(Row("facts_day", (to.position, event.effective_on)))
        case VendorContracted():
            to.name(f"vendor:{event.vendor}", to.position)
            to.fact(HOUSE_NO, "vendor", event.vendor)
        case VendorAgreementEnded():
            on = event.effective_on.isoformat()
            to.fact(HOUSE_NO, "vendor-agreement", event.vendor, on, "ended", event.evergreen)
        case VendorAgreementResumed():
            on = event.effective_on.isoformat()
            to.fact(HOUSE_NO, "vendor-agreement", event.vendor, on, "resumed", False)
        case ProductsListed():
            to.fact(HOUSE_NO, "products", event.vendor, [[p.product, p.category] for p in event.products])
        case SuccessionAnnounced():
            to.fact(HOUSE_NO, "succession", event.vendor, event.successor)
        case SuccessionContinued() | SuccessionCompleted():
            pass
        case PlanVersionPublished():
            to.fact(HOUSE_NO, "plan", event.model_dump(mode="json", exclude_none=True))
        case PlanVersionProposed() | PlanVersionWithdrawn() | AgentSuspended() | AgentReinstated():
            pass  # a suspended agent earns on
        case AgentRecruited() | AgreementSigned() | UplineChanged() | AgentTerminated():
            _learn_agent(event, to)
        case _:
            assert_never(event)


def _learn_agent(event: AgentRecruited | AgreementSigned | UplineChanged | AgentTerminated, to: Writer) -> None:
    on = event.effective_on.isoformat()
    match event:
        case AgentRecruited():
            to.name(f"agent:{event.agent}", to.position)
            to.fact(HOUSE_NO, "agent", event.agent, event.upline)
        case AgreementSigned():
            to.fact(HOUSE_NO, "agreement", event.agent, event.plan, on)
        case UplineChanged():
            to.fact(HOUSE_NO, "upline", event.agent, event.upline, on)
        case AgentTerminated():
            to.fact(HOUSE_NO, "terminated", event.agent, on, event.evergreen)
