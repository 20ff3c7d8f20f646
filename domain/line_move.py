"""A move of lines: what was placed on the wrong account, or found it by a wrong number, goes where it belongs.

    (on an account) ── LineMoveProposed ──▶ proposed ── LineMoveApproved ──▶ on the other account, or in suspense again
                                                     └─ LineMoveRejected ──▶ (on the account)

One stream for each statement, because a line is moved by one move at a time; moves of different lines may wait for
approval side by side. Nothing is edited: the lines leave one account and come to another at the position of the
approval, and the ledger posts the difference. A number that means the wrong account is ended by itself (``end_alias``).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, assert_never

from pydantic import Field, model_validator

from domain.account import opened
from domain.ids import AccountId, Because, Key, Printed, ServiceId, VendorId, account_stream, line_move_stream
from domain.message import Actor, Command, Context, Event, Model, Refused, Streams
from domain.months import Month
from domain.suspense import LINES_PER_PLACEMENT, ServiceNotOnAccount

LineNos = Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(min_length=1, max_length=LINES_PER_PLACEMENT)]

# -- events


class LineMoveProposed(Event, topic="line_move.proposed"):
    """``to_account`` None: back into suspense, under the ``number`` as printed."""

    vendor: VendorId
    statement: Key
    lines: tuple[int, ...]
    from_account: AccountId
    to_account: AccountId | None = None
    number: Printed | None = None
    service: ServiceId | None = None
    service_month: Month | None = None
    moved_because: str
    proposed_by: Actor


class LineMoveApproved(Event, topic="line_move.approved"):
    """Such of the lines as stand on the one account belong to the other from here on. ``service_month`` is for those
    whose month the vendor did not state."""

    vendor: VendorId
    statement: Key
    lines: tuple[int, ...]
    from_account: AccountId
    to_account: AccountId | None = None
    number: Printed | None = None
    service: ServiceId | None = None
    service_month: Month | None = None
    moved_because: str
    proposed_by: Actor


class LineMoveRejected(Event, topic="line_move.rejected"):
    vendor: VendorId
    statement: Key
    lines: tuple[int, ...]
    from_account: AccountId
    rejected_because: str


LineMoveEvent = LineMoveProposed | LineMoveApproved | LineMoveRejected

# -- commands


class ProposeLineMove(Command, do="propose_line_move"):
    """Without ``to_account`` the lines go back into suspense, under ``number``. What is known of the lines and of the
    account's services is read from the book when the command is handled, as known at a position.
    """

    vendor: VendorId
    statement: Key
    lines: LineNos
    from_account: AccountId
    to_account: AccountId | None = None
    number: Printed | None = None
    service: ServiceId | None = None
    service_month: Month | None = None
    moved_because: Because
    as_known_at: int | None = None
    standing: tuple[int, ...] | None = None
    services: tuple[ServiceId, ...] | None = None

    @model_validator(mode="after")
    def _somewhere(self) -> "ProposeLineMove":
        if (self.to_account is None) == (self.number is None):
            raise ValueError("name the account to which the lines go, or the number under which they wait again")
        if self.to_account is None and self.service is not None:
            raise ValueError("lines that go back into suspense are of no service; leave the service out")
        return self

    def streams(self, known: Mapping[str, Any]) -> Streams:
        accounts = [self.from_account, *([self.to_account] if self.to_account else [])]
        return Streams(
            (line_move_stream(self.vendor, self.statement),), tuple(account_stream(a) for a in dict.fromkeys(accounts))
        )


class _AnswersMove(Model):
    """``lines`` says which move is meant where several of one statement wait for approval."""

    vendor: VendorId
    statement: Key
    lines: LineNos | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((line_move_stream(self.vendor, self.statement),))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        stream = line_move_stream(self.vendor, self.statement)
        found = meant(known.get(stream, EMPTY), self.lines)
        return f"{stream}@{found.version}" if found else None


class ApproveLineMove(_AnswersMove, Command, do="approve_line_move"):
    pass


class RejectLineMove(_AnswersMove, Command, do="reject_line_move"):
    rejected_because: Because


LineMoveCommand = ProposeLineMove | ApproveLineMove | RejectLineMove

# -- refusals


class LineMoveAlreadyProposed(Refused):
    """A line is in one move at a time that waits for approval."""


class NoLineMoveProposed(Refused):
    """Only a proposed move is approved or rejected."""


class LineMoveUnclear(Refused):
    """Where several moves of one statement's lines wait for approval, the lines say which one is meant."""


class LineNotOnAccount(Refused):
    """A line is moved from the account on which it stands."""


class LineMovedNowhere(Refused):
    """A move changes the account or the service of a line."""


# -- state


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposal that waits for approval, and the version at which it was made."""

    proposed: LineMoveProposed
    version: int


@dataclass(frozen=True, slots=True)
class LineMoves:
    """``moved_to``: by line, where its last move took it; None is suspense."""

    waiting: tuple[Waiting, ...] = ()
    moved_to: Mapping[int, str | None] = field(default_factory=dict)
    version: int = 0


EMPTY = LineMoves()


def evolve(moves: LineMoves, event: LineMoveEvent) -> LineMoves:
    version = moves.version + 1
    match event:
        case LineMoveProposed():
            return LineMoves((*moves.waiting, Waiting(event, version)), moves.moved_to, version)
        case LineMoveApproved():
            moved = {**moves.moved_to, **dict.fromkeys(event.lines, event.to_account)}
            return LineMoves(_without(moves.waiting, event.lines), moved, version)
        case LineMoveRejected():
            return LineMoves(_without(moves.waiting, event.lines), moves.moved_to, version)
        case _:
            assert_never(event)


def _without(waiting: Iterable[Waiting], lines: tuple[int, ...]) -> tuple[Waiting, ...]:
    return tuple(w for w in waiting if w.proposed.lines != lines)


def meant(moves: LineMoves, lines: Iterable[int] | None) -> Waiting | None:
    """The move that an answer means: the one of exactly these lines, or the only one."""
    if lines is None:
        return moves.waiting[0] if len(moves.waiting) == 1 else None
    wanted = tuple(sorted(set(lines)))
    return next((w for w in moves.waiting if w.proposed.lines == wanted), None)


# -- decisions


def decide(moves: LineMoves, command: LineMoveCommand, context: Context) -> list[LineMoveEvent]:
    match command:
        case ProposeLineMove():
            for account in (command.from_account, command.to_account):
                if account is not None:
                    opened(context.state(account_stream(account)), account)
            _check(moves, command)
            told = command.model_dump(exclude={"as_known_at", "standing", "services", "lines"})
            lines = tuple(sorted(set(command.lines)))
            return [LineMoveProposed(**told, lines=lines, proposed_by=context.actor, effective_on=context.today)]
        case ApproveLineMove():
            proposed = _proposed(moves, command)
            context.require_second_person(proposed.proposed_by, f"the move of {_what(proposed)}")
            return [LineMoveApproved(**{**dict(proposed), "effective_on": context.today})]
        case RejectLineMove():
            rejected = _proposed(moves, command)
            return [
                LineMoveRejected(
                    vendor=rejected.vendor,
                    statement=rejected.statement,
                    lines=rejected.lines,
                    from_account=rejected.from_account,
                    rejected_because=command.rejected_because,
                    effective_on=context.today,
                )
            ]
        case _:
            assert_never(command)


def _check(moves: LineMoves, command: ProposeLineMove) -> None:
    of = f"of statement {command.statement} of {command.vendor}"
    if command.from_account == command.to_account and command.service is None:
        raise LineMovedNowhere(
            f"the lines {of} are on {command.to_account} already; name another account, or a service of this one"
        )
    waiting = {line for waits in moves.waiting for line in waits.proposed.lines}
    for line in sorted(set(command.lines)):
        if line in waiting:
            raise LineMoveAlreadyProposed(f"a move of line {line} {of} waits already; approve or reject it first")
        # from suspense a placement may have taken it anywhere since
        elsewhere = moves.moved_to.get(line) not in (None, command.from_account)
        if elsewhere or (command.standing is not None and line not in command.standing):
            raise LineNotOnAccount(
                f"line {line} {of} is not on {command.from_account}; "
                f"`trailbook audit account {command.from_account}` shows which lines are"
            )
    if command.services is not None and command.service is not None and command.service not in command.services:
        has = f"it has {', '.join(command.services)}" if command.services else "it has none"
        raise ServiceNotOnAccount(f"account {command.to_account} has no service {command.service}; {has}")


def _what(proposed: LineMoveProposed) -> str:
    lines = ", ".join(map(str, proposed.lines))
    return f"line {lines} of statement {proposed.statement} of {proposed.vendor}"


def _proposed(moves: LineMoves, command: ApproveLineMove | RejectLineMove) -> LineMoveProposed:
    """Raises NoLineMoveProposed, LineMoveUnclear."""
    found = meant(moves, command.lines)
    if found is not None:
        return found.proposed
    of = f"of lines of statement {command.statement} of {command.vendor}"
    if command.lines is None and moves.waiting:
        raise LineMoveUnclear(f"{len(moves.waiting)} moves {of} wait for approval; name the lines of the one meant")
    raise NoLineMoveProposed(f"no such move {of} is proposed")
