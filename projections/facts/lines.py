"""What rating learns of statement lines, and which account each of them finds.

Lines find their account by the aliases known at their position: a number means an account on statements of the alias's
first month or later, for service months before its end. A number that means no account, or two, puts its lines into a
partition of their own (suspense) until a placement moves them.
"""

import json
from collections.abc import Container, Iterable
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, assert_never, cast

from domain import months
from domain.ids import alike, statement_stream, suspense_stream
from domain.line_move import LineMoveApproved, LineMoveEvent, LineMoveProposed, LineMoveRejected
from domain.money import half_away, plain
from domain.plan import CHARGE_KINDS
from domain.rating.facts import HOUSE_NO, AccountFacts
from domain.rating.release_1 import waiting_for_service
from domain.suspense import LineOf, PlacementApproved, PlacementProposed, PlacementRejected, SuspenseEvent
from domain.vendor_statement import (
    FirstOfLines,
    FurtherLines,
    StatementLine,
    VendorStatementContinued,
    VendorStatementEvent,
    VendorStatementMatched,
    VendorStatementReceived,
    VendorStatementRevised,
    VendorStatementRevisionContinued,
    revised_number,
)
from projections.facts.writer import Writer
from projections.projection import KeyedState, Row


def learn(event: VendorStatementEvent | SuspenseEvent | LineMoveEvent, to: Writer) -> None:
    """Write which lines come to an account or a number, and which leave it."""
    match event:
        case (
            VendorStatementReceived()
            | VendorStatementContinued()
            | VendorStatementRevised()
            | VendorStatementRevisionContinued()
        ):
            _learn_statement(event, to)
        case PlacementApproved():
            _learn_placement(event, to)
        case LineMoveApproved():
            _learn_line_move(event, to)
        case (
            VendorStatementMatched()
            | PlacementProposed()
            | PlacementRejected()
            | LineMoveProposed()
            | LineMoveRejected()
        ):
            pass
        case _:
            assert_never(event)


# -- statements


def _learn_statement(event: FirstOfLines | FurtherLines, to: Writer) -> None:
    name = statement_stream(event.vendor, revised_number(event.number, event.revision))
    if isinstance(event, VendorStatementReceived | VendorStatementRevised):
        to.name(name, to.position)
        statement_no, last = to.position, event.event_count == 1
    else:
        statement_no, last = to.number_of(name), event.event_no == event.event_count
    if isinstance(event, VendorStatementRevised | VendorStatementRevisionContinued):
        _withdraw(event, to)
    for index, line in enumerate(event.lines):
        _learn_line(event, statement_no, index, line, to)
    if last and isinstance(event, VendorStatementReceived | VendorStatementContinued):
        to.fact(HOUSE_NO, "reported", event.vendor, months.number(event.service_month))


def _withdraw(event: VendorStatementRevised | VendorStatementRevisionContinued, to: Writer) -> None:
    """Take lines that the vendor states no more from wherever they stand; clear them where they were suspected."""
    by_account: dict[str, set[tuple[int, int]]] = {}
    for gone in event.withdrawn:
        name = statement_stream(event.vendor, revised_number(event.number, gone.revision))
        by_account.setdefault(gone.account, set()).add((to.number_of(name), gone.line))
    for number, keys in by_account.items():
        gone_from = _wherever(to.state, event.vendor, number, keys)
        suspected = {row[2] for row in to.state.rows("facts_alias", "alike", f"{event.vendor}:{alike(number)}")}
        known = {candidate: _suspected(to.state, candidate) for candidate in sorted(suspected)}
        for standing in gone_from:
            to.fact(standing.account_no, "unline", *standing.key)
            for candidate, suspects in known.items():
                if standing.account_no < 0 and standing.key in suspects:
                    to.fact(candidate, "cleared", *standing.key)


def _wherever(state: KeyedState, vendor: str, number: str, keys: set[tuple[int, int]]) -> list["_Standing"]:
    """The lines of a number as printed where they stand now, in order: they may have been moved, and moved again.

    Raises LookupError when one stands nowhere.
    """
    partitions = [row[1] for row in state.rows("facts_name", "name", suspense_stream(vendor, number))]
    partitions += sorted({row[2] for row in state.rows("facts_alias", "number", f"{vendor}:{number}")})
    found: dict[tuple[int, int], _Standing] = {}
    for account_no in partitions:  # which grows while lines are followed
        found.update({standing.key: standing for standing in _standing(state, account_no, keys)})
        if len(found) == len(keys):
            return [found[key] for key in sorted(found)]
        for row in state.rows("facts", "account_no", account_no):
            if row[3].startswith('["unline"'):
                _, statement_no, line, *went_to = json.loads(row[3])
                if (statement_no, line) in keys and went_to and went_to[0] not in partitions:
                    partitions.append(went_to[0])
    raise LookupError(f"{sorted(keys - set(found))} of account {number} of {vendor} stand nowhere")


def _learn_line(
    event: FirstOfLines | FurtherLines, statement_no: int, index: int, line: StatementLine, to: Writer
) -> None:
    month = months.number(line.service_month or event.service_month)
    fact = _line_fact(event, statement_no, line, month)
    found = resolve(to.state, event.vendor, line.account, months.number(event.statement_month), month)
    if line.month_basis == "unknown":
        found = Found(None, f"service month of account {line.account} unknown", found.account_no or found.looks_like)
    if found.account_no is not None:
        to.fact(found.account_no, *fact)
        return
    suspense = _suspense_no(event.vendor, line.account, index, found.why, to)
    to.fact(suspense, *fact)
    if line.month_basis != "stated":
        to.fact(suspense, "unstated", statement_no, line.line)
    if found.looks_like is not None:
        amount = half_away(line.commission_minor)
        to.fact(found.looks_like, "suspect", statement_no, line.line, month, fact[5], fact[6], amount, line.account)


def _line_fact(
    event: FirstOfLines | FurtherLines, statement_no: int, line: StatementLine, month: int
) -> tuple[Any, ...]:
    exact: Decimal = line.commission_minor
    commission = int(exact) if exact == exact.to_integral_value() else plain(exact)
    negative = (months.number(event.statement_month),) if exact < 0 else ()
    return (
        "line",
        statement_no,
        line.line,
        event.vendor,
        month,
        CHARGE_KINDS.index(line.charge_kind),
        event.currency,
        commission,
        line.service,
        line.product,
        revised_number(event.number, event.revision),
        *negative,
    )


class Found(NamedTuple):
    """What a number as printed means. Without an account: why, and which account it looks like, if one only."""

    account_no: int | None
    why: str = ""
    looks_like: int | None = None


def resolve(state: KeyedState, vendor: str, number: str, statement_month: int, month: int) -> Found:
    """The one account that a number as printed means, or why there is none and which account it looks like."""
    rows = state.rows("facts_alias", "number", f"{vendor}:{number}")
    meant = _meant(rows, statement_month, month)
    if len(meant) == 1:
        return Found(meant.pop())
    if len(meant) > 1:
        return Found(None, f"account {number} could mean {len(meant)} accounts")
    if rows:
        known = {row[2] for row in rows}
        why = f"account {number} means no account in {months.text(month)}"
        return Found(None, why, known.pop() if len(known) == 1 else None)
    similar = {row[2] for row in state.rows("facts_alias", "alike", f"{vendor}:{alike(number)}")}
    if len(similar) == 1:
        return Found(None, f"unknown account {number} (leading zeros lost)", similar.pop())
    return Found(None, f"unknown account {number}")


def _meant(rows: Iterable[tuple[Any, ...]], statement_month: int, month: int) -> set[int]:
    printed_by, served_from = months.last_day(statement_month), months.first_day(month)
    rows = list(rows)
    meant: set[int] = set()
    for _, _, account_no, valid_from, valid_until, position, _, _ in rows:
        if valid_from is None or valid_from > printed_by:
            continue
        ends = [row for row in rows if row[3] is None and row[2] == account_no and row[5] > position]
        until = min((end for end in (valid_until, *(row[4] for row in ends)) if end is not None), default=None)
        printed_until = min((row[7] for row in ends if row[7] is not None), default=None)
        if (until is None or served_from < until) and (printed_until is None or printed_by < printed_until):
            meant.add(account_no)
    return meant


def holders(rows: Iterable[tuple[Any, ...]], on: date) -> set[int]:
    """The accounts that a number means on a day or later, by its rows of aliases."""
    rows = list(rows)
    found: set[int] = set()
    for row in rows:
        ends = [row[4], *(end[4] for end in rows if end[3] is None and end[2] == row[2] and end[5] > row[5])]
        until = min((end for end in ends if end is not None), default=None)
        if row[3] is not None and (until is None or until > on):
            found.add(row[2])
    return found


SUSPENSE_STRIDE = 1024
"""More than the lines of one event: gives the numbers first seen in one event different partitions."""


def _suspense_no(vendor: str, number: str, index: int, why: str, to: Writer) -> int:
    """The partition in which a number's lines wait; minted where the number is first seen.

    Each event says once for each number what its lines wait for, and again where that changes.
    """
    name = f"suspense:{vendor}:{number}"
    suspense_no, said = to.waiting.get(name, (0, ""))
    if not suspense_no:
        if known := to.state.rows("facts_name", "name", name):
            suspense_no = cast(int, known[0][1])
        else:
            suspense_no = -(to.position * SUSPENSE_STRIDE + index)
            to.name(name, suspense_no)
    if why != said:
        to.fact(suspense_no, "unmatched", vendor, number, why)
        to.waiting[name] = suspense_no, why
    return suspense_no


# -- lines that a person places


def _learn_placement(event: PlacementApproved, to: Writer) -> None:
    """Move the lines that wait to the account; clear them where they were suspected."""
    account_no = to.number_of(f"account:{event.account}")
    waiting_no = to.state.rows("facts_name", "name", f"suspense:{event.vendor}:{event.number}")
    named = None if event.lines is None else _numbered(event.vendor, event.lines, to)
    moved: list[_Standing] = []
    if waiting_no:
        moved = _standing(to.state, waiting_no[0][1], named)
    if named is not None and event.service is not None:
        moved += [
            s for s in _waiting_for_service(to.state, account_no, to.position) if s.key in named and s not in moved
        ]
    _move_lines(moved, account_no, event.service, event.service_month, to)
    suspected = [row[2] for row in to.state.rows("facts_alias", "alike", f"{event.vendor}:{alike(event.number)}")]
    for candidate in sorted(set(suspected)):
        known = _suspected(to.state, candidate)
        for standing in moved:
            if standing.key in known:
                to.fact(candidate, "cleared", *standing.key)


def _learn_line_move(event: LineMoveApproved, to: Writer) -> None:
    """Move the lines that stand on the account to the other one, or back under their number as printed."""
    account_no = to.number_of(f"account:{event.from_account}")
    named = _numbered(event.vendor, (LineOf(statement=event.statement, line=line) for line in event.lines), to)
    moved = _standing(to.state, account_no, named)
    if event.to_account is not None:
        goes_to = to.number_of(f"account:{event.to_account}")
    elif moved and event.number is not None:
        why = f"taken back from account {event.from_account}: {event.moved_because}"
        goes_to = _suspense_no(event.vendor, event.number, 0, why, to)
    else:
        return
    _move_lines(moved, goes_to, event.service, event.service_month, to)


class _Standing(NamedTuple):
    """A line where it stands now; ``unstated``: the vendor did not state its service month."""

    account_no: int
    fact: list[Any]
    unstated: bool

    @property
    def key(self) -> tuple[int, int]:
        return self.fact[1], self.fact[2]


def _numbered(vendor: str, lines: Iterable[LineOf], to: Writer) -> set[tuple[int, int]]:
    """Lines by the number of their statement; such as are of no statement are left out."""
    found: set[tuple[int, int]] = set()
    for one in lines:
        for row in to.state.rows("facts_name", "name", f"vendor-statement:{vendor}:{one.statement}"):
            found.add((row[1], one.line))
    return found


def _standing(state: KeyedState, account_no: int, wanted: Container[tuple[int, int]] | None) -> list[_Standing]:
    """The lines that stand in a partition now, or those of them that are wanted, in order."""
    lines: dict[tuple[int, int], list[Any]] = {}
    unstated: set[tuple[int, int]] = set()
    for row in state.rows("facts", "account_no", account_no):
        text: str = row[3]
        if not text.startswith(('["line"', '["unline"', '["unstated"')):
            continue
        fact = json.loads(text)
        key = fact[1], fact[2]
        if wanted is not None and key not in wanted:
            continue
        if fact[0] == "line":
            lines[key] = fact
        elif fact[0] == "unline":
            lines.pop(key, None)
        else:
            unstated.add(key)
    return [_Standing(account_no, fact, key in unstated) for key, fact in sorted(lines.items())]


def _waiting_for_service(state: KeyedState, account_no: int, position: int) -> list[_Standing]:
    """The lines that wait on their own account, because nobody knows for which of its services they came."""
    rows = state.rows("facts", "account_no", account_no)
    account = AccountFacts.of(account_no, ((row[1], json.loads(row[3])) for row in rows))
    keys = {(line.statement_no, line.line) for line in waiting_for_service(account, position - 1)}
    return _standing(state, account_no, keys) if keys else []


def _move_lines(
    lines: Iterable[_Standing], account_no: int, service: str | None, service_month: str | None, to: Writer
) -> None:
    """Take lines from where they stand to an account; a month is only given to such as had none."""
    payers: set[str] = set()
    for standing in lines:
        fact = list(standing.fact)
        vendor = fact[3]
        if vendor not in payers and account_no != standing.account_no and account_no > 0:
            # the vendor pays for the account, also where the number is not kept as an alias
            payers.add(vendor)
            to.fact(account_no, "payer", vendor, None, None)
            to.out.append(Row("facts_payer", (vendor, account_no, to.position, len(payers) - 1)))
        to.fact(standing.account_no, "unline", *standing.key, account_no)
        if service_month is not None and standing.unstated:
            fact[4] = months.number(service_month)
        if service is not None:
            fact[8] = service
        to.fact(account_no, *fact)
        if standing.unstated and account_no != standing.account_no:
            to.fact(account_no, "unstated", *standing.key)


def _suspected(state: KeyedState, account_no: int) -> set[tuple[int, int]]:
    """The lines that ever looked like the account's."""
    rows = (row[3] for row in state.rows("facts", "account_no", account_no) if row[3].startswith('["suspect"'))
    return {(fact[1], fact[2]) for fact in map(json.loads, rows)}
