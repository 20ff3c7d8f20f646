"""The audit trail: each participant's own history in plain sentences.

A participant is an agent, a customer, a vendor, an account, a deal, a contract, a plan, a pay run, a receipt, a vendor
statement, a number in suspense, or the house. An event gives one row to each participant whose business it is, and a
row tells nobody of another's money: in a pay run every agent reads only of itself. A sentence says what happened; who
did it, when it holds, when it was recorded, on whose evidence and because of what are columns beside it.

Whom an event concerns although it does not name them (the customer of an account, the deal of a contract) is kept as
links, from the event on that taught them: an account belongs to a deal's history from the day on which a service of the
deal's contract is assigned to it.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, NamedTuple, assert_never, cast

from domain import months
from domain.account import (
    AccountAliasAdded,
    AccountAliasEnded,
    AccountEvent,
    AccountOpened,
    AgentOfRecordChanged,
    AgentOfRecordChangeProposed,
    AgentOfRecordChangeRejected,
    AgentOfRecordDesignated,
    Alias,
    StaysUntilRenewal,
    Weighted,
)
from domain.agent import AgentEvent, AgentRecruited, AgentTerminated, AgreementSigned, UplineChanged
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
from domain.customer import CustomerEvent, CustomerOnboarded, DealLost, DealRegistered, DealWon
from domain.house import HouseEvent
from domain.ids import (
    account_stream,
    agent_stream,
    contract_stream,
    customer_stream,
    pay_run_stream,
    plan_stream,
    receipt_stream,
    statement_stream,
    suspense_stream,
    vendor_stream,
)
from domain.message import Actor, Envelope, Evidence, Recorded
from domain.money import plain, show
from domain.payout import (
    CarriedLine,
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
from domain.plan import (
    ORIGIN,
    AppliesTo,
    Differential,
    Flat,
    MultipleOfMrcOnce,
    Override,
    OverridePay,
    OverridePercentOfCommission,
    OverridePercentOfMrc,
    Pay,
    PercentOfCommission,
    PercentOfDownlineShare,
    PercentOfMrc,
    PlanEvent,
    PlanVersionProposed,
    PlanVersionPublished,
    PlanVersionWithdrawn,
    Rule,
    Selector,
    ServiceMonthsFrom,
    SignedOrRenewedFrom,
)
from domain.receipt import MoneyReceived, ReceiptEvent, ReceiptMatched
from domain.suspense import PlacementApproved, PlacementProposed, PlacementRejected, SuspenseEvent
from domain.vendor import ProductsListed, VendorContracted, VendorEvent
from domain.vendor_statement import (
    VendorStatementContinued,
    VendorStatementEvent,
    VendorStatementMatched,
    VendorStatementReceived,
)
from projections.projection import Column, KeyedState, Row, Table

TRAIL = Table(
    "audit_trail",
    (
        Column("participant", "text", "whose history: agent:harbor, account:…, deal:…, pay-run:…; the house is house"),
        Column("position", "bigint", "position of the event"),
        Column("seq", "integer", "order within the event, from 0"),
        Column("event_id", "text", "the event's own id: stream@version"),
        Column("effective_on", "date", "when it holds in the world"),
        Column("recorded_at", "timestamptz", "when it was recorded, by the log's clock"),
        Column("actor", "text", "principal who did it, and whom it acted for"),
        Column("evidence", "text", "documents that it stands on: day, signer (a party id), digest", True),
        Column("because", "text", "the earlier event or command because of which it came", True),
        Column("sentence", "text", "what happened; amounts in units of the named currency"),
    ),
    ("participant", "position", "seq"),
    (("position",),),
)
LINK = Table(
    "audit_link",
    (
        Column("subject", "text", "what an event names: a contract, an account, a deal, a proposal"),
        Column("participant", "text", "whose business the subject is too"),
        Column("position", "bigint", "position of the event from which on it is"),
    ),
    ("subject", "participant", "position"),
)

name = "audit_trail"
version = 1
tables = (TRAIL, LINK)

HOUSE = "house"
SHOWN = 10
"""How many rules or products a sentence lists before it only counts the rest."""
DIGEST_SHOWN = len("sha256:") + 12


class Entry(NamedTuple):
    """One row of the audit trail."""

    participant: str
    position: int
    seq: int
    event_id: str
    effective_on: date
    recorded_at: datetime
    actor: str
    evidence: str | None
    because: str | None
    sentence: str


class _Writer(NamedTuple):
    """What one event tells to whom, and which links it teaches."""

    position: int
    state: KeyedState
    told: list[tuple[str, str]]
    links: list[tuple[str, str]]

    def tell(self, sentence: str, *participants: str) -> None:
        """The sentence, to each participant once."""
        self.told.extend((participant, sentence) for participant in dict.fromkeys(participants))

    def link(self, subject: str, *participants: str) -> None:
        """From this event on the subject is the business of the participants too."""
        known = self.linked(subject)
        self.links.extend((subject, p) for p in dict.fromkeys(participants) if p not in known)

    def linked(self, subject: str) -> list[str]:
        """Whose business the subject was before this event, in order."""
        return sorted({row[1] for row in self.state.rows("audit_link", "subject", subject)})

    def deals_of(self, subject: str) -> list[str]:
        return [participant for participant in self.linked(subject) if participant.startswith("deal:")]


def project(recorded: Recorded, state: KeyedState) -> Iterable[Row]:
    """The rows that one event adds: one for each participant whose business it is, and new links."""
    writer = _Writer(recorded.position, state, [], [])
    event = cast(HouseEvent, recorded.event)
    _tell(event, writer)
    actor, evidence = _actor(recorded.envelope.actor), _evidence(event, recorded.envelope)
    because = recorded.envelope.causation_id
    for seq, (participant, sentence) in enumerate(writer.told):
        yield Row(
            TRAIL.name,
            Entry(
                participant=participant,
                position=recorded.position,
                seq=seq,
                event_id=recorded.event_id,
                effective_on=event.effective_on,
                recorded_at=recorded.recorded_at,
                actor=actor,
                evidence=evidence,
                because=because,
                sentence=sentence,
            ),
        )
    for subject, participant in writer.links:
        yield Row(LINK.name, (subject, participant, recorded.position))


def _actor(actor: Actor) -> str:
    return f"{actor.principal} for {actor.on_behalf_of}" if actor.on_behalf_of else actor.principal


def _evidence(event: HouseEvent, envelope: Envelope) -> str | None:
    """The letter that the event carries, and the document that came with the command."""
    letter = None
    if isinstance(event, AgentOfRecordDesignated | AgentOfRecordChangeProposed | AgentOfRecordChanged):
        letter = event.letter
    documents = [_document("letter", letter)] if letter else []
    if envelope.evidence and envelope.evidence != letter:
        documents.append(_document("document", envelope.evidence))
    return "; ".join(documents) or None


def _document(word: str, evidence: Evidence) -> str:
    digest = f" ({evidence.digest[:DIGEST_SHOWN]}…)" if evidence.digest else ""
    return f"{word} signed {evidence.signed_on} by {evidence.signer}{digest}"


# -- what a person sees


def history(rows: Iterable[Sequence[Any]], known: int) -> list[Entry]:
    """The rows of one participant as known at a position, in the order in which they were recorded."""
    entries = (Entry(*row) for row in rows)
    return sorted((e for e in entries if e.position <= known), key=lambda e: (e.position, e.seq))


def render(row: Sequence[Any]) -> str:
    """The whole row in one line: when recorded, by whom, what, when it holds, on whose evidence, because of what."""
    entry = Entry(*row)
    recorded = entry.recorded_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
    holds = "always" if entry.effective_on == ORIGIN else f"from {entry.effective_on}"
    line = f"#{entry.position} {recorded} UTC, {entry.actor}: {entry.sentence} Holds {holds}"
    if entry.evidence:
        line += f"; evidence: {entry.evidence}"
    if entry.because:
        line += f"; because of {entry.because}"
    return f"{line}."


# -- what each event tells to whom


_Terms = CalendarEvent | VendorEvent | AgentEvent | PlanEvent
_Business = CustomerEvent | AccountEvent | ContractEvent
_Money = VendorStatementEvent | SuspenseEvent | ReceiptEvent | PayRunEvent | PayoutEvent


def _tell(event: HouseEvent, to: _Writer) -> None:
    if isinstance(event, _Terms):
        _tell_terms(event, to)
    elif isinstance(event, _Business):
        _tell_business(event, to)
    elif isinstance(event, _Money):
        _tell_money(event, to)
    else:
        assert_never(event)


def _tell_terms(event: _Terms, to: _Writer) -> None:
    match event:
        case DayOpened():
            to.tell(f"The day {event.effective_on} was opened.", HOUSE)
        case VendorContracted() | ProductsListed():
            _tell_vendor(event, to)
        case AgentRecruited() | AgreementSigned() | UplineChanged() | AgentTerminated():
            _tell_agent(event, to)
        case PlanVersionProposed() | PlanVersionPublished() | PlanVersionWithdrawn():
            _tell_plan(event, to)
        case _:
            assert_never(event)


def _tell_business(event: _Business, to: _Writer) -> None:
    match event:
        case CustomerOnboarded() | DealRegistered() | DealWon() | DealLost():
            _tell_customer(event, to)
        case AccountOpened() | AccountAliasAdded() | AccountAliasEnded():
            _tell_account(event, to)
        case (
            AgentOfRecordDesignated()
            | AgentOfRecordChangeProposed()
            | AgentOfRecordChangeRejected()
            | AgentOfRecordChanged()
        ):
            _tell_agent_of_record(event, to)
        case ContractSigned() | ContractRenewed():
            _tell_contract(event, to)
        case ServiceOrdered() | ServiceAssigned() | ServiceActivated() | ServiceRepriced() | ServiceDisconnected():
            _tell_service(event, to)
        case _:
            assert_never(event)


def _tell_money(event: _Money, to: _Writer) -> None:
    match event:
        case VendorStatementReceived() | VendorStatementContinued() | VendorStatementMatched():
            _tell_statement(event, to)
        case PlacementProposed() | PlacementApproved() | PlacementRejected():
            _tell_suspense(event, to)
        case MoneyReceived() | ReceiptMatched():
            _tell_receipt(event, to)
        case PayRunProposed() | PayRunApproved() | PayRunWithdrawn() | PayRunReleased():
            _tell_pay_run(event, to)
        case PayoutProposed() | PayoutWithdrawn() | PayoutReleased() | PayoutSettled() | PayoutReturned():
            _tell_payout(event, to)
        case _:
            assert_never(event)


def _tell_vendor(event: VendorEvent, to: _Writer) -> None:
    vendor = vendor_stream(event.vendor)
    match event:
        case VendorContracted():
            terms = event.terms
            lag = f"its statements report {_count(event.statement_lag_months, 'month')} after the service month"
            evergreen = (
                "after its agreement ends commission is paid on"
                if terms.evergreen
                else "commission ends with its agreement"
            )
            days = terms.dispute_days
            disputes = "" if days is None else f"; a statement may be disputed within {_count(days, 'day')}"
            to.tell(
                f"Vendor {event.vendor} was contracted, paying in {event.currency}: {lag}; {evergreen}; a registration "
                f"is protected for {_count(terms.protection_days, 'day')}{disputes}.",
                vendor,
            )
        case ProductsListed():
            products = _listed([f"{p.product} ({p.category}, {p.charge})" for p in event.products], "product")
            to.tell(f"Vendor {event.vendor} listed {products}.", vendor)


def _tell_agent(event: AgentEvent, to: _Writer) -> None:
    agent = agent_stream(event.agent)
    match event:
        case AgentRecruited():
            under = f", under upline {event.upline}" if event.upline else ""
            to.tell(
                f"Agent {event.agent} was recruited as {event.partner_type}, category {event.category}{under}.",
                agent,
                *_agents(event.upline),
            )
        case AgreementSigned():
            minimum = (
                f"nothing below {_money(event.minimum_payout_minor, event.currency)} is paid out"
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
                *_agents(event.former_upline, event.upline),
            )
        case AgentTerminated():
            after = "are paid on" if event.evergreen else "end"
            to.tell(
                f"Agreement with agent {event.agent} was terminated from {event.effective_on}; residuals {after}.",
                *(agent, *_agents(event.upline)),
            )


def _tell_plan(event: PlanEvent, to: _Writer) -> None:
    match event:
        case PlanVersionProposed():
            done = "proposed"
        case PlanVersionPublished():
            done = "published"
        case PlanVersionWithdrawn():
            to.tell(
                f"The proposed version {event.plan_version} of plan {event.plan} was withdrawn.",
                plan_stream(event.plan),
            )
            return
        case _:
            assert_never(event)
    terms = [_rule(rule) for rule in event.rules] + [_override(override) for override in event.overrides]
    says = _listed(terms, "rule", "; ") if terms else "it pays nothing"
    to.tell(
        f"Version {event.plan_version} of plan {event.plan} was {done}, {_applies_to(event.applies_to)}: {says}.",
        plan_stream(event.plan),
    )


def _tell_customer(event: CustomerEvent, to: _Writer) -> None:
    customer = customer_stream(event.customer)
    if isinstance(event, CustomerOnboarded):
        to.tell(f"Customer {event.customer} was onboarded.", customer)
        return
    deal, agent = _deal(event.deal), agent_stream(event.agent)
    of_customer = f"{deal} of {customer}"
    what = f"Deal {event.deal} of {event.customer}, registered by {event.agent},"
    match event:
        case DealRegistered():
            vendor = vendor_stream(event.vendor)
            products = f" for {_listed(event.products, 'product')}" if event.products else ""
            scope = f": {_free(event.scope)}" if event.scope else ""
            to.tell(
                f"Deal {event.deal} of {event.customer} with {event.vendor} was registered by {event.agent}"
                f"{products}{scope}.",
                *(deal, customer, agent, vendor),
            )
            to.link(of_customer, vendor)
        case DealWon():
            to.tell(f"{what} was won.", deal, customer, agent, *to.linked(of_customer))
        case DealLost():
            to.tell(f"{what} was lost: {_free(event.lost_because)}.", deal, customer, agent, *to.linked(of_customer))
        case _:
            assert_never(event)


# -- accounts and their agents of record


def _tell_account(event: AccountOpened | AccountAliasAdded | AccountAliasEnded, to: _Writer) -> None:
    account = account_stream(event.account)
    match event:
        case AccountOpened():
            numbers = f" under {_and(_alias(alias) for alias in event.aliases)}" if event.aliases else ""
            to.tell(
                f"Account {event.account} of {event.customer} with {event.vendor} was opened{numbers}.",
                account,
                customer_stream(event.customer),
                vendor_stream(event.vendor),
                *(vendor_stream(alias.vendor) for alias in event.aliases),
            )
            to.link(account, customer_stream(event.customer))
        case AccountAliasAdded():
            to.tell(
                f"Account {event.account} is also known as {_alias(event.alias)}.",
                *(account, *to.linked(account), vendor_stream(event.alias.vendor)),
            )
        case AccountAliasEnded():
            to.tell(
                f"Number {event.number} of {event.vendor} no longer means account {event.account} "
                f"from {event.effective_on}.",
                *(account, *to.linked(account), vendor_stream(event.vendor)),
            )
        case _:
            assert_never(event)


_AgentOfRecordEvent = (
    AgentOfRecordDesignated | AgentOfRecordChangeProposed | AgentOfRecordChangeRejected | AgentOfRecordChanged
)


def _tell_agent_of_record(event: _AgentOfRecordEvent, to: _Writer) -> None:
    account = account_stream(event.account)
    scope = f"service {event.service} of {event.account}" if event.service else event.account
    concerned = (account, *to.linked(account))
    match event:
        case AgentOfRecordDesignated():
            to.tell(
                f"{_named(event.agents)} designated agent of record on {scope} from {event.effective_on}, "
                f"on the letter signed {event.letter.signed_on}.",
                *(*concerned, *_agents(*(a.agent for a in event.agents))),
            )
        case AgentOfRecordChangeProposed():
            stays = _stays(_weighted(event.present_agents), event.commission_stays)
            to.tell(
                f"A change of the agent of record on {scope} to {_weighted(event.agents)} from {event.effective_on} "
                f"was proposed, {_on_letter(event.letter)}{stays}.",
                *(*concerned, *_agents(*(a.agent for a in (*event.present_agents, *event.agents)))),
            )
        case AgentOfRecordChangeRejected():
            to.tell(
                f"The proposed change of the agent of record on {scope} was rejected: {_free(event.rejected_because)}.",
                *(*concerned, *_agents(*(a.agent for a in (*event.present_agents, *event.agents)))),
            )
        case AgentOfRecordChanged():
            former = _weighted(event.former_agents)
            to.tell(
                f"Agent of record on {scope} changed from {former} to {_weighted(event.agents)} "
                f"from {event.effective_on}, {_on_letter(event.letter)}{_stays(former, event.commission_stays)}.",
                *(*concerned, *_agents(*(a.agent for a in (*event.former_agents, *event.agents)))),
            )
        case _:
            assert_never(event)


# -- contracts


def _tell_contract(event: ContractSigned | ContractRenewed, to: _Writer) -> None:
    contract = contract_stream(event.contract)
    term = f"for {_count(event.term_months, 'month')}" if event.term_months else "without a term"
    match event:
        case ContractSigned():
            customer, vendor = customer_stream(event.customer), vendor_stream(event.vendor)
            deal = (_deal(event.deal),) if event.deal else ()
            won = f", from deal {event.deal}" if event.deal else ""
            to.tell(
                f"Contract {event.contract} of {event.customer} with {event.vendor} was signed {term}, "
                f"in {event.currency}{won}.",
                *(contract, customer, vendor, *deal),
            )
            to.link(contract, customer, vendor, *deal)
        case ContractRenewed():
            accounts = [account_stream(service.account) for service in event.services]
            with_services = f", with {_count(len(event.services), 'assigned service')}" if event.services else ""
            to.tell(
                f"Contract {event.contract} was renewed {term} from {event.effective_on}{with_services}.",
                *(contract, *to.linked(contract), *sorted(accounts)),
            )
        case _:
            assert_never(event)


_ServiceEvent = ServiceOrdered | ServiceAssigned | ServiceActivated | ServiceRepriced | ServiceDisconnected


def _tell_service(event: _ServiceEvent, to: _Writer) -> None:
    contract = contract_stream(event.contract)
    concerned = (contract, *to.linked(contract))
    what = f"Service {event.service} of contract {event.contract}"
    match event:
        case ServiceOrdered():
            product = f"{event.product} for " if event.product else ""
            once = f" and {_money(event.nrc_minor, event.currency)} once" if event.nrc_minor else ""
            to.tell(
                f"{what} was ordered: {product}{_money(event.mrc_minor, event.currency)} a month{once}.", *concerned
            )
            return
        case ServiceAssigned():
            sentence = f"{what} was assigned to account {event.account}."
            to.link(account_stream(event.account), *to.deals_of(contract))
        case ServiceActivated():
            sentence = f"{what} on account {event.account} was activated on {event.effective_on}."
        case ServiceRepriced():
            former, now = _money(event.former_mrc_minor, event.currency), _money(event.mrc_minor, event.currency)
            sentence = (
                f"{what} on account {event.account} was repriced from {former} to {now} a month "
                f"from {event.effective_on}."
            )
        case ServiceDisconnected():
            sentence = (
                f"{what} on account {event.account} was disconnected; {event.effective_on} is the first day without it."
            )
        case _:
            assert_never(event)
    to.tell(sentence, *concerned, account_stream(event.account))


# -- statements, suspense and receipts


def _tell_statement(event: VendorStatementEvent, to: _Writer) -> None:
    statement, vendor = statement_stream(event.vendor, event.number), vendor_stream(event.vendor)
    what = f"Statement {event.number} of {event.vendor}"
    match event:
        case VendorStatementReceived():
            total = _money(event.control_total_minor, event.currency)
            parts = (
                f"; it came in {event.event_count} parts, the first with {_count(len(event.lines), 'line')}"
                if event.event_count > 1
                else ""
            )
            to.tell(
                f"{what} for statement month {event.statement_month} was received: {_count(event.line_count, 'line')}, "
                f"control total {total}, reporting on service month {event.service_month}{parts}.",
                *(statement, vendor),
            )
        case VendorStatementContinued():
            to.tell(
                f"{what} for statement month {event.statement_month} continued with "
                f"{_count(len(event.lines), 'line')}, part {event.event_no} of {event.event_count}.",
                *(statement, vendor),
            )
        case VendorStatementMatched():
            to.tell(
                f"{_money(event.amount_minor, event.currency)} of receipt {event.receipt} matched to statement "
                f"{event.number} of {event.vendor}; {_open(event.open_minor, event.currency)}.",
                *(statement, vendor),
            )


def _tell_suspense(event: SuspenseEvent, to: _Writer) -> None:
    number = suspense_stream(event.vendor, event.number)
    what = f"number {event.number} of {event.vendor}"
    match event:
        case PlacementProposed():
            kept = "the account keeps the number" if event.keep_alias else "the account does not keep the number"
            month = _month_given(event.service_month)
            sentence = f"A placement of {what} on account {event.account} was proposed; {kept}{month}."
        case PlacementApproved():
            month = _month_given(event.service_month)
            sentence = f"Every line in suspense under {what} was placed on account {event.account}{month}."
        case PlacementRejected():
            sentence = f"The proposed placement of {what} was rejected: {_free(event.rejected_because)}."
        case _:
            assert_never(event)
    account = account_stream(event.account)
    to.tell(sentence, number, vendor_stream(event.vendor), account, *to.deals_of(account))


def _month_given(service_month: str | None) -> str:
    return f"; lines without a service month belong to {service_month}" if service_month else ""


def _tell_receipt(event: ReceiptEvent, to: _Writer) -> None:
    receipt, vendor = receipt_stream(event.receipt), vendor_stream(event.vendor)
    match event:
        case MoneyReceived():
            money = _money(event.amount_minor, event.currency)
            to.tell(f"Receipt {event.receipt}: {money} came from {event.vendor}.", receipt, vendor)
        case ReceiptMatched():
            matches = _and(
                f"{_money(match.amount_minor, event.currency)} to statement {match.number}" for match in event.matches
            )
            left = (
                f"{_money(event.unmatched_minor, event.currency)} is left"
                if event.unmatched_minor
                else "nothing is left"
            )
            to.tell(f"Receipt {event.receipt} of {event.vendor} matched: {matches}; {left}.", receipt, vendor)
        case _:
            assert_never(event)


# -- pay runs and payouts


def _tell_pay_run(event: PayRunEvent, to: _Writer) -> None:
    pay_run = pay_run_stream(event.pay_run)
    match event:
        case PayRunProposed():
            totals: dict[str, int] = {}
            for line in event.payouts:
                totals[line.currency] = totals.get(line.currency, 0) + line.amount_minor
            paid = _and(_money(amount, currency) for currency, amount in sorted(totals.items())) or "nothing"
            carried = f", {_count(len(event.carried), 'balance')} carried" if event.carried else ""
            to.tell(
                f"Pay run {event.pay_run} was proposed, as known at position {event.as_known_at}: "
                f"{_count(len(event.payouts), 'payout')}, {paid} in all{carried}.",
                pay_run,
            )
            for balance in event.carried:
                to.tell(_carried(event.pay_run, balance), agent_stream(balance.agent))
        case PayRunApproved():
            to.tell(f"Pay run {event.pay_run} was approved.", pay_run)
        case PayRunWithdrawn():
            to.tell(f"Pay run {event.pay_run} was withdrawn.", pay_run)
        case PayRunReleased():
            to.tell(f"Pay run {event.pay_run} was released.", pay_run)
        case _:
            assert_never(event)


def _carried(pay_run: str, line: CarriedLine) -> str:
    balance = _money(line.balance_minor, line.currency)
    match line.carried_because:
        case "below the minimum":
            why = f"{balance} is below the minimum of {_money(line.minimum_payout_minor, line.currency)}"
        case "negative":
            why = f"the balance is negative, {balance}"
        case "nothing owed":
            return f"Nothing is paid to {line.agent} in pay run {pay_run}: nothing is owed in {line.currency}."
    return f"Nothing is paid to {line.agent} in pay run {pay_run}: {why}; it is carried to the next."


def _tell_payout(event: PayoutEvent, to: _Writer) -> None:
    what = f"Payout of {_money(event.amount_minor, event.currency)} to {event.agent} in pay run {event.pay_run}"
    match event:
        case PayoutProposed():
            earned = _money(event.earned_minor, event.currency)
            paid = f", less {_money(event.paid_minor, event.currency)} of earlier payouts" if event.paid_minor else ""
            sentence = f"{what} was proposed: {earned} earned as known at position {event.as_known_at}{paid}."
        case PayoutWithdrawn():
            sentence = f"{what} was withdrawn before it was sent."
        case PayoutReleased():
            sentence = f"{what} was released; the money is on its way."
        case PayoutSettled():
            sentence = f"{what} was settled by the bank."
        case PayoutReturned():
            after = "after it was settled" if event.was_settled else "on its way"
            sentence = f"{what} came back {after}: {_free(event.returned_because)}."
        case _:
            assert_never(event)
    to.tell(sentence, agent_stream(event.agent), pay_run_stream(event.pay_run))


# -- words


def _deal(deal: str) -> str:
    return f"deal:{deal}"


def _agents(*agents: str | None) -> tuple[str, ...]:
    return tuple(agent_stream(agent) for agent in agents if agent is not None)


def _money(amount_minor: int, currency: str) -> str:
    return f"{show(amount_minor, currency)} {currency}"


def _free(text: str) -> str:
    """What a person wrote, as a part of a sentence."""
    return " ".join(text.split()).rstrip(".")


def _open(open_minor: int, currency: str) -> str:
    return f"{_money(open_minor, currency)} is still open on it" if open_minor else "nothing is open on it any more"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def _and(words: Iterable[str]) -> str:
    *first, last = list(words) or [""]
    return f"{', '.join(first)} and {last}" if first else last


def _listed(words: Sequence[str], thing: str, separator: str = ", ") -> str:
    shown = separator.join(words[:SHOWN])
    rest = len(words) - SHOWN
    return f"{shown}{separator}and {_count(rest, f'more {thing}')}" if rest > 0 else shown


def _weighted(agents: Sequence[Weighted]) -> str:
    """``harbor``; ``harbor and summit`` in equal parts; ``harbor (weight 3) and summit (weight 1)``."""
    if len({a.weight for a in agents}) > 1:
        return _and(f"{a.agent} (weight {a.weight})" for a in agents)
    equally = " in equal parts" if len(agents) > 1 else ""
    return _and(a.agent for a in agents) + equally


def _named(agents: Sequence[Weighted]) -> str:
    return f"{_weighted(agents)} {'were together' if len(agents) > 1 else 'was'}"


def _on_letter(letter: Evidence | None) -> str:
    return f"on the letter signed {letter.signed_on}" if letter else "without a letter"


def _stays(former: str, stays: StaysUntilRenewal | None) -> str:
    if stays is None:
        return ""
    return f"; commission stays with {former} until the contract renews, at the latest {stays.at_latest}"


def _alias(alias: Alias) -> str:
    since = "" if alias.from_ == ORIGIN else f" from {alias.from_}"
    until = f" until {alias.until}" if alias.until else ""
    source = alias.source.replace("-", " ").removesuffix(" number")
    return f"{source} number {alias.number} of {alias.vendor}{since}{until}"


def _percent(rate: Decimal) -> str:
    return f"{plain(rate * 100)}%"


def _applies_to(applies: AppliesTo) -> str:
    match applies:
        case ServiceMonthsFrom():
            since = months.text(months.number_of(applies.from_))
            return "for every service month" if applies.from_ == ORIGIN else f"for service months from {since}"
        case SignedOrRenewedFrom():
            return f"for services of contracts signed or last renewed from {applies.from_}"
        case _:
            assert_never(applies)


def _rule(rule: Rule) -> str:
    return f"{rule.rule} pays {_pay(rule.pay)}{_when(rule.when)}"


def _pay(pay: Pay) -> str:
    match pay:
        case PercentOfCommission():
            return f"{_percent(pay.rate)} of commission received"
        case PercentOfMrc():
            return f"{_percent(pay.rate)} of MRC for each month in service"
        case MultipleOfMrcOnce():
            return f"{plain(pay.multiple)} × MRC once, at activation{_clawback(pay)}"
        case Flat():
            every = "for each month in service" if pay.every == "month" else f"once, at activation{_clawback(pay)}"
            return f"{_money(pay.amount_minor, pay.currency)} {every}"
        case _:
            assert_never(pay)


def _clawback(pay: MultipleOfMrcOnce | Flat) -> str:
    if not pay.clawback_within_days:
        return ""
    return f" ({_percent(pay.clawback_rate)} taken back if disconnected within {pay.clawback_within_days} days)"


def _override(override: Override) -> str:
    level = f"level {override.level}" if override.level else "every level"
    pays = f"override {override.rule} pays {_override_pay(override.pay)} at {level}"
    return f"{pays}{_when(override.when)}, funded by the {override.funded_by}"


def _override_pay(pay: OverridePay) -> str:
    match pay:
        case OverridePercentOfCommission():
            return f"{_percent(pay.rate)} of commission received"
        case OverridePercentOfMrc():
            return f"{_percent(pay.rate)} of MRC"
        case PercentOfDownlineShare():
            return f"{_percent(pay.rate)} of the downline's share"
        case Differential():
            return "the upline's own rate less the highest rate below it"
        case _:
            assert_never(pay)


def _when(when: Selector) -> str:
    named = when.model_dump(exclude_none=True)
    words = _and(f"{field.replace('_', ' ')} {value}" for field, value in named.items())
    return f" for {words}" if words else ""
