"""Expected zeros: figures that somebody may look for and that are nothing, each with its reason."""

from collections.abc import Iterator
from typing import NamedTuple

from domain import months
from domain.money import show
from domain.rating import release_1
from domain.rating.attribution import commission_agents
from domain.rating.facts import RECURRING, AccountFacts, Cell, HouseFacts
from domain.rating.release_1 import TermsCache, agent_payee


class ExpectedZero(NamedTuple):
    """``month`` is a month number; ``kind`` an index of ``CHARGE_KINDS``."""

    payee: str
    account: str
    month: int
    kind: int
    currency: str
    reason: str


def expected_zeros(account: AccountFacts, house: HouseFacts, known: int) -> list[ExpectedZero]:
    """Every expected zero of an account as known at a position, in order, each once."""
    if account.account_no < 0:
        return []
    found = [*_in_cells(account, house, known), *_suspected(account, known), *_unreported(account, house, known)]
    return sorted(set(found))


def _in_cells(account: AccountFacts, house: HouseFacts, known: int) -> Iterator[ExpectedZero]:
    cache: TermsCache = {}
    cells = set(account.cells(house, known))
    cells.update(_open_months(account, house, known))
    for cell in sorted(cells):
        for item in release_1.rate(account, house, cell, known, cache):
            for zero in item.zeros:
                if zero.payee != release_1.SUSPENSE:
                    yield ExpectedZero(zero.payee, account.account, cell.month, cell.kind, cell.currency, zero.reason)


def _open_months(account: AccountFacts, house: HouseFacts, known: int) -> Iterator[Cell]:
    """The month after the last reported one, for each service in force: it is open still."""
    if not house.pays_by_service_month:
        return
    for service in account.services.values():
        start = service.activated_on(known)
        if start is None or service.service_no > known:
            continue
        reported = account.reported(house, service, known)
        month = max(reported) + 1 if reported else months.number_of(start.on)
        if service.in_force(month, known):
            yield Cell(account.account_no, month, RECURRING, service.currency)


def _suspected(account: AccountFacts, known: int) -> Iterator[ExpectedZero]:
    for suspect in account.suspects:
        if suspect.position <= known < suspect.ended:
            reason = f"account unmatched: {show(suspect.amount_minor, suspect.currency)} in suspense"
            for payee in _payees(account, suspect.month, known):
                yield ExpectedZero(payee, account.account, suspect.month, suspect.kind, suspect.currency, reason)


def _unreported(account: AccountFacts, house: HouseFacts, known: int) -> Iterator[ExpectedZero]:
    """Months on which the vendor has reported without naming the account."""
    named = {key[0] for key, lines in account.lines.items() if any(ln.position <= known < ln.ended for ln in lines)}
    named.update(s.month for s in account.suspects if s.position <= known < s.ended)
    paid = {cell.month for cell in account.cells(house, known) if cell.kind == RECURRING}
    for month, position in house.reported.get(account.vendor, {}).items():
        expected = not account.services or any(s.in_force(month, known) for s in account.services.values())
        if position <= known and expected and month not in named and month not in paid:
            reason = f"not on the statement of {account.vendor} that reports on {months.text(month)}"
            for payee in _payees(account, month, known):
                yield ExpectedZero(payee, account.account, month, RECURRING, "", reason)


def _payees(account: AccountFacts, month: int, known: int) -> list[str]:
    named = commission_agents(account, None, months.last_day(month), known)
    return [agent_payee(agent) for agent, _ in named.agents] if named else []
