"""The audit trail: each participant's own history in plain sentences.

A participant is an agent, a customer, a vendor, an account, a deal, a contract, a plan, a pay run, a receipt, a vendor
statement, a number in suspense, an adjustment, or the house. An event gives one row to each participant whose business
it is, and a row tells nobody of another's money: in a pay run every agent reads only of itself. A sentence says what
happened; who did it, when it holds, when it was recorded, on whose evidence and because of what are columns beside it.

Whom an event concerns although it does not name them (the customer of an account, the deal of a contract) is kept as
links, from the event on that taught them: an account belongs to a deal's history from the day on which a service of the
deal's contract is assigned to it.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple, assert_never, cast

from domain.account import AccountEvent
from domain.adjustment import AdjustmentApproved, AdjustmentEvent, AdjustmentReversed
from domain.agency import AgencyEvent, AgencyOfRecordChangeProposed, AgencyOfRecordLost, AgencyOfRecordRegained
from domain.agent import AgentEvent
from domain.agent_of_record import (
    AgentOfRecordChangeAccepted,
    AgentOfRecordChanged,
    AgentOfRecordChangeProposed,
    AgentOfRecordDesignated,
)
from domain.calendar import CalendarEvent
from domain.contract import ContractEvent
from domain.customer import CustomerEvent
from domain.house import HouseEvent
from domain.letter import LetterEvent
from domain.line_move import LineMoveEvent
from domain.message import Actor, Envelope, Evidence, Recorded
from domain.payout import PayoutEvent, PayRunEvent
from domain.plan import ORIGIN, PlanEvent
from domain.receipt import ReceiptEvent
from domain.recipe import RecipeEvent
from domain.succession import SuccessionEvent
from domain.suspense import SuspenseEvent
from domain.vendor import VendorEvent
from domain.vendor_statement import VendorStatementEvent
from projections.audit_trail import (
    account,
    adjustment,
    agency,
    agent,
    calendar,
    contract,
    customer,
    letter,
    line_move,
    payout,
    plan,
    receipt,
    recipe,
    succession,
    suspense,
    vendor,
    vendor_statement,
)
from projections.audit_trail.words import Writer
from projections.projection import Column, KeyedState, Row, Table

TRAIL = Table(
    "audit_trail",
    (
        Column("participant", "text", "whose history: agent:harbor, account:…, deal:customer/…; the house is house"),
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
version = 3
tables = (TRAIL, LINK)

SOMEBODY = "somebody"
"""The actor, to whom that is not told: a rival's principal must not be read in another agent's history."""

ON_A_LETTER = (
    AgentOfRecordDesignated
    | AgentOfRecordChangeProposed
    | AgentOfRecordChangeAccepted
    | AgentOfRecordChanged
    | AgencyOfRecordLost
    | AgencyOfRecordRegained
    | AgencyOfRecordChangeProposed
)
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


def project(recorded: Recorded, state: KeyedState) -> Iterable[Row]:
    """The rows that one event adds: one for each participant whose business it is, and new links."""
    writer = Writer(recorded.position, state, [], [], set())
    event = cast(HouseEvent, recorded.event)
    _tell(event, writer)
    actor, evidence = _actor(recorded.envelope.actor), _evidence(event, recorded.envelope)
    because = recorded.envelope.causation_id
    for seq, (participant, sentence) in enumerate(writer.told):
        signed = participant not in writer.unsigned
        yield Row(
            TRAIL.name,
            Entry(
                participant=participant,
                position=recorded.position,
                seq=seq,
                event_id=recorded.event_id,
                effective_on=event.effective_on,
                recorded_at=recorded.recorded_at,
                actor=actor if signed else SOMEBODY,
                evidence=evidence if signed else None,
                because=because if signed else None,
                sentence=sentence,
            ),
        )
    for subject, participant in writer.links:
        yield Row(LINK.name, (subject, participant, recorded.position))


_Business = AccountEvent | AgencyEvent | LetterEvent | ContractEvent | CustomerEvent


def _tell(event: HouseEvent, to: Writer) -> None:
    if isinstance(event, _Business):
        _tell_business(event, to)
    elif isinstance(event, CalendarEvent):
        calendar.tell(event, to)
    elif isinstance(event, VendorEvent):
        vendor.tell(event, to)
    elif isinstance(event, SuccessionEvent):
        succession.tell(event, to)
    elif isinstance(event, AgentEvent):
        agent.tell(event, to)
    elif isinstance(event, PlanEvent):
        plan.tell(event, to)
    elif isinstance(event, RecipeEvent):
        recipe.tell(event, to)
    else:
        _tell_money(event, to)


def _tell_business(event: _Business, to: Writer) -> None:
    if isinstance(event, AccountEvent):
        account.tell(event, to)
    elif isinstance(event, AgencyEvent):
        agency.tell(event, to)
    elif isinstance(event, LetterEvent):
        letter.tell(event, to)
    elif isinstance(event, ContractEvent):
        contract.tell(event, to)
    elif isinstance(event, CustomerEvent):
        customer.tell(event, to)
    else:
        assert_never(event)


def _tell_money(
    event: VendorStatementEvent
    | SuspenseEvent
    | LineMoveEvent
    | ReceiptEvent
    | AdjustmentEvent
    | PayRunEvent
    | PayoutEvent,
    to: Writer,
) -> None:
    if isinstance(event, VendorStatementEvent):
        vendor_statement.tell(event, to)
    elif isinstance(event, SuspenseEvent):
        suspense.tell(event, to)
    elif isinstance(event, LineMoveEvent):
        line_move.tell(event, to)
    elif isinstance(event, ReceiptEvent):
        receipt.tell(event, to)
    elif isinstance(event, AdjustmentEvent):
        adjustment.tell(event, to)
    elif isinstance(event, PayRunEvent):
        payout.tell_run(event, to)
    elif isinstance(event, PayoutEvent):
        payout.tell(event, to)
    else:
        assert_never(event)


def _actor(actor: Actor) -> str:
    return f"{actor.principal} for {actor.on_behalf_of}" if actor.on_behalf_of else actor.principal


def _evidence(event: HouseEvent, envelope: Envelope) -> str | None:
    """The letter that the event carries, and the document that came with the command."""
    letter = None
    if isinstance(event, ON_A_LETTER):
        letter = event.letter
    documents = [_document("letter", letter)] if letter else []
    if isinstance(event, AdjustmentApproved | AdjustmentReversed):
        documents.append(_document("document", event.document))
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
