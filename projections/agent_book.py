"""The agent book: who is agent of record of an account or a service, *effective at a day, as known at a position*.

Every designation and every change stays in the book. Which one names the agent of record is asked of the same rule by
which rating attributes commission, so that book and ledger cannot disagree: the most specific, then the latest
effective date, the latest signature, the latest position. Where commission stays with the former agent for a while, the
book still names the new agent of record, and says until when at the latest commission stays.
"""

import json
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, assert_never, cast

from domain.account import (
    AccountAliasAdded,
    AccountAliasEnded,
    AccountEvent,
    AccountOpened,
    AgentOfRecordChanged,
    AgentOfRecordChangeProposed,
    AgentOfRecordChangeRejected,
    AgentOfRecordDesignated,
)
from domain.house import HouseEvent
from domain.message import Recorded
from domain.rating.attribution import agent_of_record
from domain.rating.facts import Designation
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

name = "agent_book"
version = 1
tables = (AGENT_BOOK,)


def project(recorded: Recorded, state: KeyedState) -> Iterable[Row]:
    """One row for each designation and each change of an agent of record; nothing for what was only proposed."""
    event = cast(HouseEvent, recorded.event)
    if not isinstance(event, AccountEvent):
        return []
    match event:
        case AgentOfRecordDesignated():
            return [_row(event, None, recorded.position)]
        case AgentOfRecordChanged():
            stays = event.commission_stays
            return [_row(event, stays.at_latest if stays else None, recorded.position)]
        case (
            AccountOpened()
            | AccountAliasAdded()
            | AccountAliasEnded()
            | AgentOfRecordChangeProposed()
            | AgentOfRecordChangeRejected()
        ):
            return []
        case _:
            assert_never(event)


def _row(event: AgentOfRecordDesignated | AgentOfRecordChanged, stays_at_latest: date | None, position: int) -> Row:
    agents = json.dumps([[named.agent, named.weight] for named in event.agents], separators=(",", ":"))
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
    rows: Iterable[Sequence[Any]], service: tuple[str, ...], effective: date, known: int
) -> Designation | None:
    """The designation that names the agents of record on a day, as known at a position; None: nobody was named.

    ``rows`` are those of one account. ``service`` holds the names of one service (see ``service_names``) and is empty
    for the account itself.
    """
    return agent_of_record([designation(row) for row in rows], service, effective, known)
