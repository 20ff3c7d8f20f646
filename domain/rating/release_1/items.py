"""From a cell's lines and services to its items: what is rated, rounded, and sums exactly."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from operator import sub

from domain import months
from domain.money import divide, half_away
from domain.rating.attribution import has_own_agent, services_differ
from domain.rating.facts import (
    NEVER,
    RECURRING,
    SPIFF,
    AccountFacts,
    Cell,
    HouseFacts,
    Line,
    Service,
)
from domain.rating.release_1.shares import (
    HOUSE,
    HOUSE_ROLE,
    MONTH,
    SUSPENSE,
    SUSPENSE_ROLE,
    Coefficient,
    Item,
    Share,
    Split,
    Step,
    Terms,
    TermsCache,
    Zero,
    agent_payee,
    percent,
)
from domain.rating.release_1.terms import terms


def rate(account: AccountFacts, house: HouseFacts, cell: Cell, known: int, cache: TermsCache) -> tuple[Item, ...]:
    """The items of a cell as known at a position, in order. Their shares sum to what was received, exactly."""
    lines = account.lines.get(cell[1:])
    current = [ln for ln in lines if ln.position <= known < ln.ended] if lines else []
    if account.account_no < 0:
        return tuple([_suspended(ln, ln.because) for ln in current])
    if not account.services:
        return tuple([_rate_line(account, house, cell, ln, None, known, cache) for ln in current])
    return _rate_with_services(account, house, cell, current, known, cache)


def moved(
    account: AccountFacts, house: HouseFacts, cell: Cell, position: int, cache: TermsCache
) -> tuple[list[Item], list[Item]]:
    """The items that came into a cell at a position, and those that left it; where lines are items, and terms stay."""
    came: list[Line] = []
    for line in reversed(account.lines.get(cell[1:], ())):
        if line.position < position:
            break
        if line.position == position < line.ended:
            came.append(line)
    left: list[Line] = []
    for line in reversed(account.ended.get(cell[1:], ())):
        if line.ended < position:
            break
        if line.position < position == line.ended:
            left.append(line)
    if account.account_no < 0:
        return [_suspended(ln, ln.because) for ln in came], [_suspended(ln, ln.because) for ln in left]

    def rated(line: Line) -> Item:
        service = service_of(account, line, cell.month, position) if account.services else None
        return _rate_line(account, house, cell, line, service, position, cache)

    return list(map(rated, came)), list(map(rated, left))


def waiting_for_service(account: AccountFacts, known: int) -> Iterator[Line]:
    """The lines that wait on their own account: they name none of its services, and these have different agents."""
    for (month, _, _), lines in account.lines.items():
        day = months.last_day(month)
        if not services_differ(account, day, known):
            continue
        for line in lines:
            if (
                line.position <= known < line.ended
                and service_of(account, line, month, known) is None
                and not has_own_agent(account, line.service, day, known)
            ):
                yield line


def _rate_with_services(
    account: AccountFacts, house: HouseFacts, cell: Cell, lines: list[Line], known: int, cache: TermsCache
) -> tuple[Item, ...]:
    """Lines that come for a service which is paid by the month belong to that service's item."""
    items: list[Item] = []
    gathered: dict[str, list[Line]] = {}
    for line in lines:
        service = service_of(account, line, cell.month, known)
        if service is not None and _belongs_to_service(account, house, cell, line, service, known, cache):
            gathered.setdefault(service.name, []).append(line)
        else:
            items.append(_rate_line(account, house, cell, line, service, known, cache))
    if cell.kind in (RECURRING, SPIFF):
        for service in account.services.values():
            if service.service_no <= known and service.currency == cell.currency:
                came = gathered.get(service.name, [])
                items.extend(_rate_service(account, house, cell, service, came, known, cache))
    return tuple(sorted(items, key=lambda item: (item.item_no, item.line)))


def service_of(account: AccountFacts, line: Line, month: int, known: int) -> Service | None:
    """The service that a line names, or the only one in force on the account if it names none."""
    return service_named(account, line.service, month, known)


def service_named(account: AccountFacts, name: str | None, month: int, known: int) -> Service | None:
    """The service of a name, or the only one in force on the account where there is no name."""
    services = [s for s in account.services.values() if s.service_no <= known]
    if name is not None:
        named = [s for s in services if name in (s.service, s.name)]
    else:
        named = [s for s in services if s.in_force(month, known)]
    return named[0] if len(named) == 1 else None


def _belongs_to_service(
    account: AccountFacts, house: HouseFacts, cell: Cell, line: Line, service: Service, known: int, cache: TermsCache
) -> bool:
    if cell.kind == SPIFF:
        start = service.activated_on(known)
        if start is None or months.number_of(start.on) != cell.month:
            return False
        return terms(account, house, cell, service, None, service.vendor, known, cache, once=True).pays_by_service
    if cell.kind != RECURRING or not service.in_force(cell.month, known):
        return False
    found = terms(account, house, cell, service, None, service.vendor, known, cache)
    if not found.pays_by_service or found.pays_by_line:
        return False
    reported = _reported_in(house, cell, line)  # a reversal that today's schedule rates is an item of its own
    if not reported:
        return True
    today = terms(account, house, cell, service, line.product, line.vendor, known, cache, reported=reported)
    return not any(c.why.reach.reported for split in today.splits for c in split.commission)


def _reported_in(house: HouseFacts, cell: Cell, line: Line) -> int:
    """The month in which a reversal was reported, where that may choose the version; 0 for others."""
    return line.reported if house.reverses_today and line.reported != cell.month else 0


# -- items


def _rate_line(
    account: AccountFacts,
    house: HouseFacts,
    cell: Cell,
    line: Line,
    service: Service | None,
    known: int,
    cache: TermsCache,
) -> Item:
    reported = _reported_in(house, cell, line)
    found = terms(
        account, house, cell, service, line.product, line.vendor, known, cache, named=line.service, reported=reported
    )
    if found.suspense_because:
        return _suspended(line, found.suspense_because, tuple(zero.in_month(cell.month) for zero in found.zeros))
    exact = line.commission
    total = half_away(exact)
    shares: list[Share] = []
    left = total
    zeros = found.zeros
    for split in found.splits:
        zeros += split.zeros
        if split.by_service and not split.commission:
            zeros += tuple(_paid_by_the_month(account, cell, service, split, known))
        for coefficient in split.commission:
            share = _share(coefficient, exact)
            left -= share.amount_minor
            shares.append(share)
    shares.append(Share(HOUSE, HOUSE_ROLE, left, total, None))
    if zeros:
        zeros = tuple(zero.in_month(cell.month) for zero in zeros)
    label = f"line {line.line} of statement {line.statement}"
    return Item(line.statement_no, line.line, ((line.vendor, total),), tuple(shares), zeros, label)


def _paid_by_the_month(
    account: AccountFacts, cell: Cell, service: Service | None, split: Split, known: int
) -> Iterator[Zero]:
    """Why an agent has nothing of a line, where the service's own item does not say what it has."""
    if cell.kind == RECURRING and service is not None and service.in_force(cell.month, known):
        return
    services = [s for s in account.services.values() if s.service_no <= known]
    in_force = any(s.in_force(cell.month, known) for s in services)
    because = "not by the line" if in_force else f"and none is in force in {MONTH}"
    yield Zero(agent_payee(split.agent), f"paid by the month in service, {because}")


def _share(coefficient: Coefficient, base: int | Fraction) -> Share:
    """The base times the coefficient, rounded half away from zero."""
    payee, role, numerator, denominator, _, _ = coefficient
    above, below = base.as_integer_ratio()
    (amount_minor,) = parts_of((above,), below, numerator, denominator)
    return Share(payee, role, amount_minor, base, coefficient)


def part_by_part(terms: Terms) -> bool:
    """Whether each payee's part of a line under these terms is its own: the base times the coefficient, rounded."""
    return True


Paid = tuple[str, int, list[int]]
"""A payee, its role, and its amounts in minor units: one a line, in their order."""


def paid_at_once(terms: Terms, bases: Sequence[int], below: int) -> tuple[list[int], list[Paid]]:
    """What is received for many lines under the same terms and who is paid what: the shares that ``rate`` gives each.

    ``bases`` are the lines' commissions, each over ``below``.
    """
    received = left = parts_of(bases, below, 1, 1)
    if terms.suspense_because:
        return received, [(SUSPENSE, SUSPENSE_ROLE, received)]
    paid: list[Paid] = []
    for split in terms.splits:
        for payee, role, numerator, denominator, _, _ in split.commission:
            parts = parts_of(bases, below, numerator, denominator)
            left = list(map(sub, left, parts))
            paid.append((payee, role, parts))
    return received, [*paid, (HOUSE, HOUSE_ROLE, left)]


def parts_of(bases: Iterable[int], below: int, numerator: int, denominator: int) -> list[int]:
    """``numerator / denominator`` of each base, itself over ``below``, rounded half away from zero on its own.

    One line's share when it is rated alone, and those of all lines of a season when they are rated at once.
    """
    below *= denominator
    return [
        (2 * part + below) // (2 * below) if (part := above * numerator) >= 0 else -((below - 2 * part) // (2 * below))
        for above in bases
    ]


def _suspended(line: Line, because: str, zeros: tuple[Zero, ...] = ()) -> Item:
    total = half_away(line.commission)
    share = Share(SUSPENSE, SUSPENSE_ROLE, total, total, None)
    label = f"line {line.line} of statement {line.statement}"
    return Item(
        line.statement_no, line.line, ((line.vendor, total),), (share,), (Zero(SUSPENSE, because), *zeros), label
    )


def _rate_service(
    account: AccountFacts,
    house: HouseFacts,
    cell: Cell,
    service: Service,
    lines: list[Line],
    known: int,
    cache: TermsCache,
) -> Iterator[Item]:
    """The item of a service × month: what is paid by MRC or flat, due when the vendor has reported on the month."""
    if cell.kind == SPIFF:
        start = service.activated_on(known)
        applies = start is not None and months.number_of(start.on) == cell.month
        found = terms(account, house, cell, service, None, service.vendor, known, cache, once=True) if applies else None
        due = True
    else:
        applies = service.in_force(cell.month, known)
        found = terms(account, house, cell, service, None, service.vendor, known, cache) if applies else None
        due = bool(lines) or _reported(account, house, cell.month, known)
    if found is None or not (found.pays_by_service or found.withheld_by_service or lines):
        return
    received = _received(lines)
    zeros = list(found.zeros)
    shares: list[Share] = []
    left = sum(amount for _, amount in received)
    for split in found.splits:
        zeros.extend(split.zeros)
        if split.by_service and not due:
            waiting = dict.fromkeys(coefficient.payee for coefficient in split.by_service)
            open_still = "month still open: the vendor has not reported on it yet"
            zeros.extend(Zero(payee, open_still) for payee in waiting)
        elif split.by_service:
            clawed_back = _clawed_back(split, service, cell, known)
            zeros.extend(clawed_back)
            for whole in split.by_service:
                coefficient = _less_clawback(whole, split.clawback_rate) if clawed_back else whole
                share = _share(coefficient, _service_base(coefficient, split, found, service, cell, known))
                left -= share.amount_minor
                shares.append(share)
    shares.append(Share(HOUSE, HOUSE_ROLE, left, sum(amount for _, amount in received), None))
    label = f"service {service.service} of contract {service.contract}"
    in_month = tuple(zero.in_month(cell.month) for zero in zeros)
    yield Item(service.service_no, 0, received, tuple(shares), in_month, label)


def _service_base(
    coefficient: Coefficient, split: Split, found: Terms, service: Service, cell: Cell, known: int
) -> int:
    """The MRC, or the agent's part of a flat amount, which is one amount divided by weights."""
    if coefficient.base != "flat":
        return service.mrc_in(cell.month, known).figure
    parts = divide(split.flat_minor, [s.weight for s in found.splits])
    return parts[found.splits.index(split)]


def _less_clawback(coefficient: Coefficient, rate: Fraction) -> Coefficient:
    kept = 1 - rate
    step = Step(f"less {percent(rate)} clawed back", kept)
    left = Fraction(coefficient.numerator, coefficient.denominator) * kept
    why = coefficient.why._replace(steps=(*coefficient.why.steps, step))
    return coefficient._replace(numerator=left.numerator, denominator=left.denominator, why=why)


def _clawed_back(split: Split, service: Service, cell: Cell, known: int) -> list[Zero]:
    """Why a SPIFF is taken back, if it is: the service was disconnected within the days that the rule names."""
    start, end = service.activated_on(known), service.disconnected_on(known)
    if cell.kind != SPIFF or start is None or end is None:
        return []
    days, within = (end.on - start.on).days, split.clawback_within_days
    if days > within:
        return []
    taken = f"{percent(split.clawback_rate)} clawed back"
    reason = (
        f"{taken}: disconnected on {end.on}, {days} days after activation, within {within} (position {end.position})"
    )
    return [Zero(agent_payee(split.agent), reason)]


def _reported(account: AccountFacts, house: HouseFacts, month: int, known: int) -> bool:
    reported = ((vendor, house.reported.get(vendor, {}).get(month, NEVER)) for vendor in account.payers)
    return any(position <= known and account.pays(vendor, month, known, position) for vendor, position in reported)


def _received(lines: list[Line]) -> tuple[tuple[str, int], ...]:
    by_vendor: dict[str, int] = {}
    for line in lines:
        by_vendor[line.vendor] = by_vendor.get(line.vendor, 0) + half_away(line.commission)
    return tuple(sorted(by_vendor.items()))
