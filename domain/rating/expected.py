"""Expected zeros: figures that somebody may look for and that are nothing, each with its reason."""

from collections.abc import Iterator
from typing import NamedTuple

from domain import months, rating
from domain.money import show
from domain.rating import release_1
from domain.rating.attribution import commission_agents, nobody_here_is_paid
from domain.rating.facts import RECURRING, AccountFacts, Cell, HouseFacts, WaitingChange
from domain.rating.reasons import divided_among, rule_of
from domain.rating.release_1 import Item, TermsCache, Zero, agent_payee


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
    paid = _paid(account, house, known)
    suspected = [z for z in _suspected(account, known) if (z.payee, z.month, z.kind) not in paid]
    waiting = [z for z in _waiting(account, house, known) if (z.payee, z.month, z.kind) not in paid]
    return sorted({*_in_cells(account, house, known), *suspected, *waiting, *_unreported(account, house, known)})


def _paid(account: AccountFacts, house: HouseFacts, known: int) -> set[tuple[str, int, int]]:
    """Who has something of which month and kind."""
    if not account.suspects and not account.waiting:
        return set()
    cache: TermsCache = {}
    return {
        (share.payee, cell.month, cell.kind)
        for cell in account.cells(house, known)
        for item in rating.rate(account, house, cell, known, cache)
        for share in item.shares
        if share.amount_minor
    }


def _in_cells(account: AccountFacts, house: HouseFacts, known: int) -> Iterator[ExpectedZero]:
    cache: TermsCache = {}
    cells = set(account.cells(house, known))
    cells.update(_open_months(account, house, known))
    for cell in sorted(cells):
        for item in rating.rate(account, house, cell, known, cache):
            paid = {share.payee for share in item.shares if share.amount_minor}
            for zero in (*item.zeros, *_rounded_away(item), *_paid_nothing(item)):
                if zero.payee != release_1.SUSPENSE and (zero.payee not in paid or zero.payee == release_1.HOUSE):
                    yield ExpectedZero(zero.payee, account.account, cell.month, cell.kind, cell.currency, zero.reason)


def _rounded_away(item: Item) -> Iterator[Zero]:
    for share in item.shares:
        if share.coefficient is not None and not share.amount_minor and share.base and share.coefficient.numerator:
            if together := share.coefficient.why.together:
                yield Zero(share.payee, f"{item.label}, {divided_among(together)}, leaves nothing")
            else:
                yield Zero(share.payee, f"less than half a minor unit: {item.label} rounds to nothing")


def _paid_nothing(item: Item) -> Iterator[Zero]:
    """Rules that pay no part of anything: what a vendor commissions no more is so said in a plan."""
    told = {zero.payee for zero in item.zeros}
    for share in item.shares:
        if share.coefficient is not None and not share.coefficient.numerator and share.payee not in told:
            yield Zero(share.payee, f"{share.coefficient.why.words}: {rule_of(share.coefficient.why)}")


def _open_months(account: AccountFacts, house: HouseFacts, known: int) -> Iterator[Cell]:
    """Months in which a service was in force and on which nobody has reported, up to the one after the last report."""
    if not house.pays_by_service_month(known):
        return
    for service in account.services.values():
        start = service.activated_on(known)
        if start is None or service.service_no > known:
            continue
        reported = set(account.reported(house, service, known))
        first = months.number_of(start.on)
        for month in range(first, max(reported, default=first - 1) + 2):
            if month not in reported and service.in_force(month, known):
                yield Cell(account.account_no, month, RECURRING, service.currency)


def _suspected(account: AccountFacts, known: int) -> Iterator[ExpectedZero]:
    for suspect in account.suspects:
        if suspect.position <= known < suspect.ended:
            reason = f"account unmatched: {show(suspect.amount_minor, suspect.currency)} in suspense"
            for payee in _payees(account, suspect.month, known):
                yield ExpectedZero(payee, account.account, suspect.month, suspect.kind, suspect.currency, reason)


def _waiting(account: AccountFacts, house: HouseFacts, known: int) -> Iterator[ExpectedZero]:
    """What agents who were named, and who do not count yet, may look for in the months that were reported or rated."""
    cache: TermsCache = {}
    for change in account.waiting:
        if not change.position <= known < change.ended:
            continue
        first, reason = months.number_of(change.effective_on), _not_counted_yet(change)
        # a cell without items is there only because some plan, perhaps another account's, pays by the month
        rated = (cell for cell in account.cells(house, known) if rating.rate(account, house, cell, known, cache))
        of_cells = {(cell.month, cell.kind, cell.currency) for cell in rated}
        reported = {month for _, month in _reported_by_payers(account, house, known)}
        reported -= {month for month, kind, _ in of_cells if kind == RECURRING}
        for month, kind, currency in (*of_cells, *((month, RECURRING, "") for month in reported)):
            if month >= first:
                for agent, _ in change.agents:
                    yield ExpectedZero(agent_payee(agent), account.account, month, kind, currency, reason)


def _not_counted_yet(change: WaitingChange) -> str:
    named = f"agent of record from {change.effective_on}"
    at = f"(position {change.position})"
    if change.stage == "window":
        return f"{named} inside the rescission window until {change.until} {at}"
    if change.stage == "confirmation":
        return f"{named} once {change.vendor} has confirmed it {at}"
    return f"{named} once a second principal has approved it {at}"


def _unreported(account: AccountFacts, house: HouseFacts, known: int) -> Iterator[ExpectedZero]:
    """Months on which the vendor has reported without naming the account."""
    named = {key[0] for key, lines in account.lines.items() if any(ln.position <= known < ln.ended for ln in lines)}
    named.update(s.month for s in account.suspects if s.position <= known < s.ended)
    cache: TermsCache = {}
    cells = (cell for cell in account.cells(house, known) if cell.kind == RECURRING)
    rated = {cell.month for cell in cells if rating.rate(account, house, cell, known, cache)}
    services = [service for service in account.services.values() if service.service_no <= known]
    for vendor, month in _reported_by_payers(account, house, known):
        expected = not services or any(service.in_force(month, known) for service in services)
        if expected and month not in named and month not in rated:
            unnamed = f"not on the statement of {vendor} that reports on {months.text(month)}"
            reason = nobody_here_is_paid(account, house, vendor, month, known) or unnamed
            for payee in _payees(account, month, known):
                yield ExpectedZero(payee, account.account, month, RECURRING, "", reason)


def _reported_by_payers(account: AccountFacts, house: HouseFacts, known: int) -> Iterator[tuple[str, int]]:
    """The months on which the vendor has reported that pays for the account in them."""
    for vendor in dict.fromkeys((account.vendor, *(s.vendor for s in account.successions))):
        for month, position in house.reported.get(vendor, {}).items():
            if position <= known and account.vendor_in(month, known) == vendor:
                yield vendor, month


def _payees(account: AccountFacts, month: int, known: int) -> list[str]:
    named = commission_agents(account, None, months.last_day(month), known)
    return [agent_payee(agent) for agent, _ in named.agents] if named else []
