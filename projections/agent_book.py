"""The agent book: who is agent of record of an account or a service, *effective at a day, as known at a position*.

Every designation and every change stays in the book. Which one names the agent of record is asked of the same rule by
which rating attributes commission, so that book and ledger cannot disagree: the most specific, then the latest
effective date, the latest signature, the latest position. Where commission stays with the former agent for a while, the
book still names the new agent of record, and says until when at the latest commission stays. Changes that do not count
yet stand beside it, with what they wait for.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, Literal, NamedTuple, assert_never, cast, get_args

from domain.account import AccountAliasAdded, AccountAliasEnded, AccountEvent, AccountOpened, VendorSucceeded
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
from domain.house import HouseEvent
from domain.message import Recorded
from domain.rating.attribution import agent_of_record
from domain.rating.facts import NEVER, Designation
from projections.projection import Column, KeyedState, Row, Table

AGENT_BOOK = Table(
    "agent_book",
    (
        Column("account", "text", "account id"),
        Column("service", "text", "service of the account; empty: the account itself"),
        Column("agents", "text", "agents of record as a JSON list of [agent, weight]; only the proportion counts"),
        Column("effective_on", "date", "first day on which they are agents of record"),
        Column("signed_on", "date", "day on which the customer signed the letter; none: without a letter", True),
        Column("stays_at_latest", "date", "commission stays with the former agents until then at the latest", True),
        Column("position", "bigint", "position of the event"),
        Column("seq", "integer", "order within the event, from 0"),
    ),
    ("account", "position", "seq"),
    (("position",),),
)

STEPS = Table(
    "agent_book_step",
    (
        Column("account", "text", "account id"),
        Column("service", "text", "service of the account; empty: the account itself"),
        Column("letter", "text", "the letter that the change names; empty: none"),
        Column("agents", "text", "who was named, as a JSON list of [agent, weight]"),
        Column("effective_on", "date", "from when the change counts, or would"),
        Column("step", "text", "what it waits for; or changed, rejected, rescinded, declined, undone"),
        Column("until", "date", "last day of the rescission window", True),
        Column("position", "bigint", "position of the event"),
    ),
    ("account", "position"),
)

name = "agent_book"
version = 2
tables = (AGENT_BOOK, STEPS)

UNDONE = "undone"
"""The vendor declined a change that had counted already."""
Waits = Literal["waits for approval", "inside the rescission window", "waits for the vendor's confirmation"]
WAITS: tuple[str, ...] = get_args(Waits)


def project(recorded: Recorded, state: KeyedState) -> Iterable[Row]:
    """One row for each designation and each change of an agent of record, and one for each step of a change."""
    event = cast(HouseEvent, recorded.event)
    if not isinstance(event, AccountEvent):
        return []
    match event:
        case AgentOfRecordDesignated():
            return [_row(event, None, recorded.position)]
        case AgentOfRecordChanged():
            stays = event.commission_stays
            step = _step(event, "changed", event.effective_on, None, recorded.position)
            return [_row(event, stays.at_latest if stays else None, recorded.position), step]
        case AgentOfRecordChangeProposed():
            return [_step(event, "waits for approval", event.effective_on, None, recorded.position)]
        case AgentOfRecordChangeAccepted():
            until = event.rescindable_until
            waits: Waits = "inside the rescission window" if until else "waits for the vendor's confirmation"
            return [_step(event, waits, event.effective_on, until, recorded.position)]
        case RescissionWindowClosed():
            confirmation: Waits = "waits for the vendor's confirmation"
            return [_step(event, confirmation, event.changes_on, None, recorded.position)]
        case AgentOfRecordChangeRejected():
            return [_step(event, "rejected", event.effective_on, None, recorded.position)]
        case AgentOfRecordChangeRescinded():
            return [_step(event, "rescinded", event.effective_on, None, recorded.position)]
        case AgentOfRecordChangeDeclined():
            step_ = UNDONE if event.had_changed else "declined"
            return [_step(event, step_, event.changed_on, None, recorded.position)]
        case (
            AccountOpened()
            | AccountAliasAdded()
            | AccountAliasEnded()
            | VendorSucceeded()
            | AgentOfRecordChangeConfirmed()
        ):
            return []
        case _:
            assert_never(event)


_OfAChange = (
    AgentOfRecordChanged
    | AgentOfRecordChangeProposed
    | AgentOfRecordChangeAccepted
    | RescissionWindowClosed
    | AgentOfRecordChangeRejected
    | AgentOfRecordChangeRescinded
    | AgentOfRecordChangeDeclined
)


def _step(event: _OfAChange, step: str, effective_on: date, until: date | None, position: int) -> Row:
    agents = _agents(event.agents)
    values = (event.account, event.service or "", event.letter_id or "", agents, effective_on, step, until, position)
    return Row(STEPS.name, values)


def _agents(agents: Iterable[Weighted]) -> str:
    return json.dumps([[named.agent, named.weight] for named in agents], separators=(",", ":"))


def _row(event: AgentOfRecordDesignated | AgentOfRecordChanged, stays_at_latest: date | None, position: int) -> Row:
    agents = _agents(event.agents)
    signed_on = event.letter.signed_on if event.letter else None
    service = event.service or ""
    return Row(
        AGENT_BOOK.name,
        (event.account, service, agents, event.effective_on, signed_on, stays_at_latest, position, 0),
    )


# -- queries


def service_names(contract: str, service: str) -> tuple[str, ...]:
    """The names under which a letter may mean one service: its full id, and its id under its contract."""
    return (f"{contract}/{service}", service)


class Step(NamedTuple):
    """A row of the steps of changes."""

    account: str
    service: str
    letter: str
    agents: str
    effective_on: date
    step: str
    until: date | None
    position: int

    @property
    def names(self) -> list[str]:
        return [agent for agent, _ in json.loads(self.agents)]

    def told(self) -> dict[str, Any]:
        """The step as data for a program."""
        return {
            "service": self.service or None,
            "letter": self.letter or None,
            "agents": self.names,
            "effective": self.effective_on.isoformat(),
            "step": self.step,
            "until": self.until.isoformat() if self.until else None,
            "position": self.position,
        }


def waiting(steps: Iterable[Sequence[Any]], known: int) -> list[Step]:
    """The changes on an account that do not count yet, as known at a position, in the order in which they began."""
    found: dict[tuple[str, str], Step] = {}
    for step in sorted((Step(*row) for row in steps), key=lambda step: step.position):
        if step.position <= known and step.step != UNDONE:
            found[step.service, step.letter] = step
    return [step for step in found.values() if step.step in WAITS]


def designations(rows: Iterable[Sequence[Any]], steps: Iterable[Sequence[Any]] = ()) -> list[Designation]:
    """The rows of one account as rating knows them; what a vendor declined later counts until then."""
    found = sorted((designation(row) for row in rows), key=lambda one: one.position)
    for step in sorted((Step(*row) for row in steps), key=lambda step: step.position):
        if step.step != UNDONE:
            continue
        agents = tuple((agent, weight) for agent, weight in json.loads(step.agents))
        for i, one in reversed(list(enumerate(found))):
            same = (one.service or "", one.agents, one.effective_on) == (step.service, agents, step.effective_on)
            if same and one.ended == NEVER and one.position < step.position:
                found[i] = one._replace(ended=step.position)
                break
    return found


def designation(row: Sequence[Any]) -> Designation:
    """A row of the book as rating knows it."""
    _, service, agents, effective_on, signed_on, stays_at_latest, position, _ = row
    return Designation(
        position,
        service or None,
        tuple((agent, weight) for agent, weight in json.loads(agents)),
        effective_on,
        signed_on or date.min,
        stays_at_latest,
    )


def agent_of_record_at(
    rows: Iterable[Sequence[Any]],
    service: tuple[str, ...],
    effective: date,
    known: int,
    steps: Iterable[Sequence[Any]] = (),
) -> Designation | None:
    """The designation that names the agents of record on a day, as known at a position; None: nobody was named.

    ``rows`` and ``steps`` are those of one account. ``service`` holds the names of one service (see ``service_names``)
    and is empty for the account itself.
    """
    return agent_of_record(designations(rows, steps), service, effective, known)
