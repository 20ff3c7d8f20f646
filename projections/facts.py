"""Facts: what rating needs, by account, in the order in which it was learned. The same for every recipe.

Lines find their account here, by the aliases known at their position: a number means an account on statements of the
alias's first month or later, for service months before its end. A number that means no account, or two, puts its lines
into a partition of their own (suspense) until a placement moves them.
"""

import json
from collections.abc import Container, Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple, assert_never, cast

from domain import months
from domain.account import AccountAliasAdded, AccountAliasEnded, AccountEvent, AccountOpened, Alias, VendorSucceeded
from domain.adjustment import AdjustmentApproved, AdjustmentEvent, AdjustmentReversed
from domain.agency import (
    AgencyEvent,
    AgencyOfRecordChangeProposed,
    AgencyOfRecordChangeRejected,
    AgencyOfRecordLost,
    AgencyOfRecordRegained,
)
from domain.agent import (
    AgentEvent,
    AgentRecruited,
    AgentReinstated,
    AgentSuspended,
    AgentTerminated,
    AgreementSigned,
    UplineChanged,
)
from domain.agent_of_record import (
    AgentOfRecordChangeAccepted,
    AgentOfRecordChangeConfirmed,
    AgentOfRecordChanged,
    AgentOfRecordChangeDeclined,
    AgentOfRecordChangeProposed,
    AgentOfRecordChangeRejected,
    AgentOfRecordChangeRescinded,
    AgentOfRecordDesignated,
    RescissionWindowClosed,
    Weighted,
)
from domain.calendar import CalendarEvent, DayOpened
from domain.contract import (
    ContractEvent,
    ContractRenewed,
    ContractSigned,
    ServiceActivated,
    ServiceAssigned,
    ServiceDisconnected,
    ServiceOrdered,
    ServiceRepriced,
)
from domain.customer import CustomerEvent
from domain.house import HouseEvent
from domain.ids import alike, statement_stream, suspense_stream
from domain.letter import LetterEvent
from domain.line_move import LineMoveApproved, LineMoveEvent, LineMoveProposed, LineMoveRejected
from domain.message import Recorded
from domain.money import half_away, plain
from domain.payout import (
    CommissionHeld,
    HeldCommissionReleased,
    PayoutEvent,
    PayoutProposed,
    PayoutReleased,
    PayoutReturned,
    PayoutSettled,
    PayoutWithdrawn,
    PayRunApproved,
    PayRunEvent,
    PayRunProposed,
    PayRunReleased,
    PayRunWithdrawn,
)
from domain.plan import CHARGE_KINDS, PlanEvent, PlanVersionProposed, PlanVersionPublished, PlanVersionWithdrawn
from domain.rating.facts import ADJUSTMENT_NO, CASH_NO, HOLD_NO, HOUSE_NO, AccountFacts
from domain.rating.release_1 import waiting_for_service
from domain.receipt import MoneyReceived, ReceiptEvent, ReceiptMatched
from domain.succession import SuccessionAnnounced, SuccessionEvent
from domain.suspense import LineOf, PlacementApproved, PlacementProposed, PlacementRejected, SuspenseEvent
from domain.vendor import (
    ProductsListed,
    VendorAgreementEnded,
    VendorAgreementResumed,
    VendorContracted,
    VendorEvent,
)
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
from projections.projection import Column, KeyedState, Row, Table

FACTS = Table(
    "facts",
    (
        Column(
            "account_no",
            "bigint",
            "position at which the account was opened; 0 the house, -1 cash, -2 adjustments, -3 holds, below: suspense",
        ),
        Column("position", "bigint", "position of the event that taught the fact"),
        Column("seq", "integer", "order within the event, from 0"),
        Column("body", "text", "the fact as a JSON list: a tag, then its fields; amounts in minor units"),
    ),
    ("account_no", "position", "seq"),
    (("position",),),
)
NAMES = Table(
    "facts_name",
    (
        Column("name", "text", "stream id of an account, agent, vendor or statement; suspense:vendor:number"),
        Column("no", "bigint", "its number: the position at which it began; below zero for suspense"),
    ),
    ("name",),
    (("no",),),
    resident=True,
)
ALIASES = Table(
    "facts_alias",
    (
        Column("number", "text", "vendor:number as printed"),
        Column("alike", "text", "vendor:number without leading zeros, case and punctuation"),
        Column("account_no", "bigint", "the account that the number means"),
        Column("valid_from", "date", "on statements of this month or later; none: the row ends the alias", True),
        Column("valid_until", "date", "for service months before this day; none: open", True),
        Column("position", "bigint", "position of the event"),
        Column("seq", "integer", "order within the event"),
        Column("printed_until", "date", "of an end: only statements of months before this day mean it", True),
    ),
    ("number", "position", "seq"),
    (("alike",),),
    resident=True,
)
AGENT_ACCOUNTS = Table(
    "facts_agent",
    (
        Column("agent", "text", "an agent that was ever named on the account"),
        Column("account_no", "bigint", "the account"),
        Column("position", "bigint", "position of the event"),
    ),
    ("agent", "account_no", "position"),
)
PAYER_ACCOUNTS = Table(
    "facts_payer",
    (
        Column("vendor", "text", "a vendor that may pay for a service of the account"),
        Column("account_no", "bigint", "the account"),
        Column("position", "bigint", "position of the event"),
        Column("seq", "integer", "order within the event"),
    ),
    ("vendor", "account_no", "position", "seq"),
)
DAYS = Table(
    "facts_day",
    (
        Column("position", "bigint", "from this position on"),
        Column("day", "date", "the house's open day"),
    ),
    ("position",),
)

name = "facts"
version = 2
tables = (FACTS, NAMES, ALIASES, AGENT_ACCOUNTS, PAYER_ACCOUNTS, DAYS)


def body(fact: Iterable[Any]) -> str:
    """A fact as it is stored."""
    return json.dumps(list(fact), separators=(",", ":"), ensure_ascii=False)


class _Writer(NamedTuple):
    """Rows of one event."""

    position: int
    state: KeyedState
    out: list[Row]
    seq: dict[int, int]
    waiting: dict[str, tuple[int, str]]
    """By the name of a number in suspense: its partition, and what the event said last that its lines wait for."""

    def fact(self, account_no: int, *fact: Any) -> None:
        seq = self.seq.get(account_no, 0)
        self.seq[account_no] = seq + 1
        self.out.append(Row("facts", (account_no, self.position, seq, body(fact))))

    def name(self, name: str, no: int) -> None:
        self.out.append(Row("facts_name", (name, no)))

    def number_of(self, name: str) -> int:
        return cast(int, self.state.rows("facts_name", "name", name)[0][1])

    def alias(self, account_no: int, alias: Alias, seq: int) -> None:
        number = f"{alias.vendor}:{alias.number}"
        like = f"{alias.vendor}:{alike(alias.number)}"
        row = (number, like, account_no, alias.from_, alias.until, self.position, seq, None)
        self.out.append(Row("facts_alias", row))
        self.fact(account_no, "payer", alias.vendor, alias.number, alias.until.isoformat() if alias.until else None)
        self.out.append(Row("facts_payer", (alias.vendor, account_no, self.position, seq)))


def project(recorded: Recorded, state: KeyedState) -> Iterable[Row]:
    """The rows that one event adds to the facts."""
    writer = _Writer(recorded.position, state, [], {}, {})
    _learn(cast(HouseEvent, recorded.event), writer)
    return writer.out


def _learn(event: HouseEvent, to: _Writer) -> None:
    """By aggregate: what rating learns from an event. A customer's deals and letters move no money themselves."""
    if isinstance(event, CustomerEvent | LetterEvent):
        return
    if isinstance(event, CalendarEvent | VendorEvent | PlanEvent | AgentEvent):
        _learn_terms(event, to)
    elif isinstance(event, AccountEvent | ContractEvent):
        _learn_business(event, to)
    elif isinstance(event, AgencyEvent):
        _learn_agency(event, to)
    elif isinstance(event, SuccessionEvent):
        if isinstance(event, SuccessionAnnounced):
            to.fact(HOUSE_NO, "succession", event.vendor, event.successor)
    elif isinstance(event, VendorStatementEvent | SuspenseEvent | LineMoveEvent):
        _learn_lines(event, to)
    elif isinstance(event, ReceiptEvent | PayRunEvent | PayoutEvent):
        _learn_cash(event, to)
    elif isinstance(event, AdjustmentEvent):
        _learn_adjustment(event, to)
    else:
        assert_never(event)


def _learn_terms(event: CalendarEvent | VendorEvent | PlanEvent | AgentEvent, to: _Writer) -> None:
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
        case PlanVersionPublished():
            to.fact(HOUSE_NO, "plan", event.model_dump(mode="json", exclude_none=True))
        case PlanVersionProposed() | PlanVersionWithdrawn() | AgentSuspended() | AgentReinstated():
            pass  # a suspended agent earns on
        case AgentRecruited() | AgreementSigned() | UplineChanged() | AgentTerminated():
            _learn_agent(event, to)
        case _:
            assert_never(event)


def _learn_business(event: AccountEvent | ContractEvent, to: _Writer) -> None:
    if isinstance(event, _Waiting):
        _learn_waiting(event, to)
        return
    match event:
        case AccountOpened() | AccountAliasAdded() | AccountAliasEnded():
            _learn_account(event, to)
        case VendorSucceeded():
            _learn_succession(event, to)
        case AgentOfRecordDesignated() | AgentOfRecordChanged():
            _learn_agent_of_record(event, to)
        case ServiceAssigned() | ServiceActivated() | ServiceRepriced() | ServiceDisconnected() | ContractRenewed():
            _learn_service(event, to)
        case ContractSigned() | ServiceOrdered():
            pass
        case _:
            assert_never(event)


def _learn_agency(event: AgencyEvent, to: _Writer) -> None:
    match event:
        case AgencyOfRecordLost() | AgencyOfRecordRegained():
            agency = event.agency if isinstance(event, AgencyOfRecordLost) else None
            account_no = to.number_of(f"account:{event.account}")
            to.fact(account_no, "agency", event.effective_on.isoformat(), agency)
        case AgencyOfRecordChangeProposed() | AgencyOfRecordChangeRejected():
            pass
        case _:
            assert_never(event)


def _learn_lines(event: VendorStatementEvent | SuspenseEvent | LineMoveEvent, to: _Writer) -> None:
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


def _learn_cash(event: ReceiptEvent | PayRunEvent | PayoutEvent, to: _Writer) -> None:
    match event:
        case MoneyReceived() | PayoutReleased() | PayoutSettled() | PayoutReturned():
            to.fact(CASH_NO, "cash", list(_cash(event)), event.currency, event.effective_on.isoformat())
        case CommissionHeld() | HeldCommissionReleased():
            amount = event.amount_minor if isinstance(event, CommissionHeld) else -event.amount_minor
            legs = [["payable", event.agent, -amount], ["held", event.agent, amount]]
            to.fact(HOLD_NO, "held", legs, event.currency, event.effective_on.isoformat(), event.pay_run)
        case (
            ReceiptMatched()
            | PayRunProposed()
            | PayRunApproved()
            | PayRunWithdrawn()
            | PayRunReleased()
            | PayoutProposed()
            | PayoutWithdrawn()
        ):
            pass
        case _:
            assert_never(event)


def _learn_agent(event: AgentRecruited | AgreementSigned | UplineChanged | AgentTerminated, to: _Writer) -> None:
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


def _learn_account(event: AccountOpened | AccountAliasAdded | AccountAliasEnded, to: _Writer) -> None:
    if isinstance(event, AccountOpened):
        to.name(f"account:{event.account}", to.position)
        to.fact(to.position, "account", event.account, event.vendor)
        to.out.append(Row("facts_payer", (event.vendor, to.position, to.position, len(event.aliases))))
        for seq, alias in enumerate(event.aliases):
            to.alias(to.position, alias, seq)
        return
    account_no = to.number_of(f"account:{event.account}")
    if isinstance(event, AccountAliasAdded):
        to.alias(account_no, event.alias, 0)
    else:
        number, like = f"{event.vendor}:{event.number}", f"{event.vendor}:{alike(event.number)}"
        to.out.append(Row("facts_alias", (number, like, account_no, None, event.effective_on, to.position, 0, None)))
        to.fact(account_no, "payer", event.vendor, event.number, event.effective_on.isoformat())


def _learn_succession(event: VendorSucceeded, to: _Writer) -> None:
    """Who pays from when on, the former vendor's numbers that end and the successor's that begin."""
    account_no = to.number_of(f"account:{event.account}")
    to.fact(account_no, "succeeded", event.former_vendor, event.vendor, event.effective_on.isoformat())
    to.out.append(Row("facts_payer", (event.vendor, account_no, to.position, 0)))
    last = event.last_statement_month
    printed_until = months.first_day(months.number(last) + 1) if last is not None else None
    for seq, number in enumerate(event.ended):
        name, like = f"{event.former_vendor}:{number}", f"{event.former_vendor}:{alike(number)}"
        ends = (name, like, account_no, None, event.effective_on, to.position, seq, printed_until)
        to.out.append(Row("facts_alias", ends))
    for seq, alias in enumerate(event.begun, start=len(event.ended) + 1):
        to.alias(account_no, alias, seq)


def _learn_agent_of_record(event: AgentOfRecordDesignated | AgentOfRecordChanged, to: _Writer) -> None:
    account_no = to.number_of(f"account:{event.account}")
    stays = event.commission_stays if isinstance(event, AgentOfRecordChanged) else None
    to.fact(
        account_no,
        "aor",
        event.service,
        _weights(event.agents),
        event.effective_on.isoformat(),
        event.letter.signed_on.isoformat() if event.letter else None,
        stays.at_latest.isoformat() if stays else None,
        event.letter_id,
    )
    _name_agents(event.agents, account_no, to)


def _weights(agents: Iterable[Weighted]) -> list[list[Any]]:
    return [[named.agent, named.weight] for named in agents]


def _name_agents(agents: Iterable[Weighted], account_no: int, to: _Writer) -> None:
    to.out.extend(Row("facts_agent", (named.agent, account_no, to.position)) for named in agents)


_Waiting = (
    AgentOfRecordChangeProposed
    | AgentOfRecordChangeAccepted
    | AgentOfRecordChangeRejected
    | AgentOfRecordChangeRescinded
    | RescissionWindowClosed
    | AgentOfRecordChangeConfirmed
    | AgentOfRecordChangeDeclined
)


def _learn_waiting(event: _Waiting, to: _Writer) -> None:
    """What somebody who was named may look for, and why it is nothing yet. Only a declined change moves money."""
    account_no = to.number_of(f"account:{event.account}")
    scope, agents, on = (event.service, event.letter_id), _weights(event.agents), event.effective_on.isoformat()
    match event:
        case AgentOfRecordChangeProposed():
            to.fact(account_no, "waiting", *scope, agents, on, "approval", None, None)
            _name_agents(event.agents, account_no, to)
        case AgentOfRecordChangeAccepted():
            until = event.rescindable_until.isoformat() if event.rescindable_until else None
            stage = "window" if until else "confirmation"
            to.fact(account_no, "waiting", *scope, agents, on, stage, until, event.confirmed_by)
            _name_agents(event.agents, account_no, to)
        case RescissionWindowClosed():
            changes_on = event.changes_on.isoformat()
            to.fact(account_no, "waiting", *scope, agents, changes_on, "confirmation", None, event.confirmed_by)
        case AgentOfRecordChangeRejected() | AgentOfRecordChangeRescinded():
            to.fact(account_no, "waited", *scope)
        case AgentOfRecordChangeDeclined():
            if event.had_changed:
                to.fact(account_no, "undone", event.service, agents, event.changed_on.isoformat())
            else:
                to.fact(account_no, "waited", *scope)
        case AgentOfRecordChangeConfirmed():
            pass
        case _:
            assert_never(event)


def _learn_service(
    event: ServiceAssigned | ServiceActivated | ServiceRepriced | ServiceDisconnected | ContractRenewed, to: _Writer
) -> None:
    on = event.effective_on.isoformat()
    if isinstance(event, ContractRenewed):
        for account in sorted({service.account for service in event.services}):
            to.fact(to.number_of(f"account:{account}"), "renewed", event.contract, on)
        return
    account_no = to.number_of(f"account:{event.account}")
    match event:
        case ServiceAssigned():
            to.fact(
                account_no,
                "service",
                event.contract,
                event.service,
                event.vendor,
                event.product,
                event.category,
                event.mrc_minor,
                event.currency,
                event.contract_signed_on.isoformat(),
                event.contract_renewed_on.isoformat() if event.contract_renewed_on else None,
            )
            to.out.append(Row("facts_payer", (event.vendor, account_no, to.position, 0)))
        case ServiceActivated():
            to.fact(account_no, "active", event.contract, event.service, on)
        case ServiceRepriced():
            to.fact(account_no, "price", event.contract, event.service, on, event.mrc_minor)
        case ServiceDisconnected():
            to.fact(account_no, "off", event.contract, event.service, on)


# -- statements


def _learn_statement(event: FirstOfLines | FurtherLines, to: _Writer) -> None:
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


def _withdraw(event: VendorStatementRevised | VendorStatementRevisionContinued, to: _Writer) -> None:
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
    event: FirstOfLines | FurtherLines, statement_no: int, index: int, line: StatementLine, to: _Writer
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


def _suspense_no(vendor: str, number: str, index: int, why: str, to: _Writer) -> int:
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


def _learn_placement(event: PlacementApproved, to: _Writer) -> None:
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


def _learn_line_move(event: LineMoveApproved, to: _Writer) -> None:
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


def _numbered(vendor: str, lines: Iterable[LineOf], to: _Writer) -> set[tuple[int, int]]:
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
    account = AccountFacts(account_no)
    for row in state.rows("facts", "account_no", account_no):
        account.learn(row[1], json.loads(row[3]))
    keys = {(line.statement_no, line.line) for line in waiting_for_service(account, position - 1)}
    return _standing(state, account_no, keys) if keys else []


def _move_lines(
    lines: Iterable[_Standing], account_no: int, service: str | None, service_month: str | None, to: _Writer
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


# -- money that moved


def _cash(event: MoneyReceived | PayoutReleased | PayoutSettled | PayoutReturned) -> Iterator[list[Any]]:
    """The legs of a movement: a credit is above zero, and they sum to zero."""
    amount = event.amount_minor
    match event:
        case MoneyReceived():
            yield from (["receivable", event.vendor, amount], ["bank", "", -amount])
        case PayoutReleased():
            yield from (["payable", event.agent, -amount], ["in-transit", "", amount])
        case PayoutSettled():
            yield from (["in-transit", "", -amount], ["bank", "", amount])
        case PayoutReturned():
            came_from = "bank" if event.was_settled else "in-transit"
            yield from (["payable", event.agent, amount], [came_from, "", -amount])


# -- adjustments


def _learn_adjustment(event: AdjustmentEvent, to: _Writer) -> None:
    """What the agent is given comes from the house's margin; what is taken goes there."""
    if isinstance(event, AdjustmentApproved | AdjustmentReversed):
        amount = event.amount_minor if isinstance(event, AdjustmentApproved) else -event.amount_minor
        legs = [["payable", event.agent, amount], ["margin", "", -amount]]
        on = event.effective_on.isoformat()
        to.fact(
            ADJUSTMENT_NO, "adjustment", legs, event.currency, on, event.adjustment, event.account, event.service_month
        )
