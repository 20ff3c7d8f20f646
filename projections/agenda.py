"""The agenda: which commands events have made due, and on which day. Whether one was given, the log knows by its id."""

import json
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple, cast

from domain.house import HouseEvent
from domain.message import COMMANDS, Actor, Issued, Recorded
from domain.policies import deadlines
from projections.projection import Column, KeyedState, Row, Table

SCHEDULER = Actor(issuer="house", subject="scheduler")

AGENDA = Table(
    "agenda",
    (
        Column("due_on", "date", "given on the first day opened on this day or after it"),
        Column("position", "bigint", "position of the event that made it due"),
        Column("seq", "integer", "order within the event, from 0"),
        Column("command_id", "text", "id under which it is given, once"),
        Column("because", "text", "the event that made it due: stream@version"),
        Column("command", "text", "what is due, as in a file of commands"),
        Column("body", "text", "the command's fields as a JSON object, amounts in minor units"),
    ),
    ("due_on", "position", "seq"),
    (("position",),),
)

name = "agenda"
version = 1
tables = (AGENDA,)


class Due(NamedTuple):
    """One row of the agenda."""

    due_on: date
    position: int
    seq: int
    command_id: str
    because: str
    command: str
    body: str

    def issued(self) -> Issued:
        """The command as the scheduler gives it."""
        command = COMMANDS[self.command].model_validate(json.loads(self.body))
        return Issued(self.command_id, SCHEDULER, command, because=self.because)


def project(recorded: Recorded, state: KeyedState) -> Iterable[Row]:
    """One row for each command that the event makes due."""
    for seq, (due_on, command) in enumerate(deadlines(cast(HouseEvent, recorded.event))):
        body = json.dumps(command.model_dump(mode="json", exclude_defaults=True), separators=(",", ":"))
        due_id = f"due:{recorded.event_id}:{seq}"
        yield Row(AGENDA.name, Due(due_on, recorded.position, seq, due_id, recorded.event_id, command.do, body))
