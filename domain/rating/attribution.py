"""Who is agent of record: the most specific designation, then the latest effective date, the latest signature, the
latest position. Commission may stay with the former agent until the contract renews.
"""

from collections.abc import Iterable
from datetime import date

from domain.rating.facts import AccountFacts, Designation, HouseFacts, Service


def nobody_here_is_paid(account: AccountFacts, house: HouseFacts, vendor: str, month: int, known: int) -> str:
    """Why a month's commission on the account is not for anybody here, or nothing if it is."""
    if (other := account.other_agency(month, known)) is not None:
        return f"agency of record is {other.agency} since {other.effective_on} (position {other.position})"
    if (ended := house.ended_agreement(vendor, month, known)) is not None:
        return f"the agreement of {vendor} ended on {ended.on}, without evergreen (position {ended.position})"
    return ""


def agent_of_record(
    designations: Iterable[Designation], service: tuple[str, ...], on: date, known: int
) -> Designation | None:
    """The designation that names the agent of record on a day, as known at a position.

    ``service`` holds the ids of one service, for which a designation of its own goes before the account's; it is empty
    for the account itself.
    """
    return max(
        (
            d
            for d in designations
            if d.position <= known < d.ended and d.effective_on <= on and (d.service is None or d.service in service)
        ),
        key=lambda d: (d.service is not None, d.effective_on, d.signed_on, d.position),
        default=None,
    )


def commission_agents(
    account: AccountFacts, service: Service | None, on: date, known: int, printed: str | None = None
) -> Designation | None:
    """The designation whose agents are paid for a day: the agent of record's, or the former's while it stays there.

    ``printed`` is a service that a line names and the account does not have: a letter may have named
    an agent for it all the same.
    """
    name = service_names(service, printed)
    named = agent_of_record(account.designations, name, on, known)
    while named is not None and named.stays_at_latest is not None:
        stays_until = _stays_until(account, service, named, known)
        if on.replace(day=1) >= stays_until:
            break
        before = [d for d in account.designations if d.effective_on < named.effective_on and d != named]
        former = agent_of_record(before, name, on, known)
        if former is None:
            break
        named = former
    return named


def service_names(service: Service | None, printed: str | None) -> tuple[str, ...]:
    """The ids under which a letter may mean a service, or the name that only a line gives it."""
    if service is not None:
        return (service.name, service.service)
    return (printed,) if printed else ()


def _stays_until(account: AccountFacts, service: Service | None, named: Designation, known: int) -> date:
    """The first renewal after the change, of the service's contract or of the account's only one; at the latest as
    was agreed.
    """
    at_latest = named.stays_at_latest or named.effective_on
    services = [service] if service else [s for s in account.services.values() if s.service_no <= known]
    if len({s.contract for s in services}) != 1:
        return at_latest
    renewed = services[0].renewed_after(named.effective_on, known)
    return min(at_latest, renewed) if renewed else at_latest


def has_own_agent(account: AccountFacts, service: str | None, on: date, known: int) -> bool:
    """Whether somebody is agent of record for the one service, besides the account's."""
    return any(
        d.service is not None and d.service == service and d.position <= known < d.ended and d.effective_on <= on
        for d in account.designations
    )


def services_differ(account: AccountFacts, on: date, known: int) -> bool:
    """Whether single services of the account have other agents than the account itself."""
    own = agent_of_record(account.designations, (), on, known)
    for d in account.designations:
        if d.service is not None and d.position <= known < d.ended and d.effective_on <= on:
            named = agent_of_record(account.designations, (d.service,), on, known)
            if named is not None and (own is None or named.agents != own.agents):
                return True
    return False
