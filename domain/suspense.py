"""Suspense: money whose number as printed means no account of ours, until a person places it.

    (lines wait) ── PlacementProposed ──▶ proposed ── PlacementApproved ──▶ placed    (a second person approves)
                                                   └─ PlacementRejected ──▶ (lines wait)

One stream for each vendor and number as printed. A placement of the number takes every line that waits under it when it
is approved; one of named lines takes these, and also such as wait on the account itself, because they name none of its
services and these have different agents: then it names the service. A placement may teach the account the number, so
that the next statement finds it. The payee is the agent of record of each line's service month, not of the day of the
placement. Placements of different lines of a number may wait for approval side by side.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, assert_never

from pydantic import Field, model_validator

from domain.account import Account, AccountAliasAdded, Alias, answers_to, opened
from domain.ids import (
    AccountId,
    Because,
    Key,
    Printed,
    ServiceId,
    VendorId,
    account_stream,
    suspense_stream,
)
from domain.message import Actor, Command, Context, Event, Model, Refused, Streams
from domain.months import Month

LINES_PER_PLACEMENT = 2_000
"""More are placed by their number, or in several commands."""


class LineOf(Model):
    """One line of one of the vendor's statements."""

    statement: Key
    line: Annotated[int, Field(ge=1)]

    def __str__(self) -> str:
        return f"line {self.line} of statement {self.statement}"


Lines = Annotated[tuple[LineOf, ...], Field(min_length=1, max_length=LINES_PER_PLACEMENT)]

# -- events


def _as_it_was(body: dict[str, Any]) -> dict[str, Any]:
    """Version 1 knew placements of whole numbers only: no lines are named, and no service."""
    return body


_SINCE_1: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = {1: _as_it_was}


class PlacementProposed(Event, topic="suspense.placement_proposed", version=2):
    upcasts = _SINCE_1
    vendor: VendorId
    number: Printed
    account: AccountId
    service: ServiceId | None = None
    lines: tuple[LineOf, ...] | None = None
    """None: every line that waits under the number."""
    service_month: Month | None = None
    keep_alias: bool
    proposed_by: Actor


class PlacementApproved(Event, topic="suspense.placement_approved", version=2):
    """The lines belong to the account, None being every line that waits under the number. ``service`` is what they
    are for; ``service_month`` is for those whose month the vendor did not state."""

    upcasts = _SINCE_1
    vendor: VendorId
    number: Printed
    account: AccountId
    service: ServiceId | None = None
    lines: tuple[LineOf, ...] | None = None
    service_month: Month | None = None
    proposed_by: Actor


class PlacementRejected(Event, topic="suspense.placement_rejected", version=2):
    upcasts = _SINCE_1
    vendor: VendorId
    number: Printed
    account: AccountId
    lines: tuple[LineOf, ...] | None = None
    rejected_because: str


SuspenseEvent = PlacementProposed | PlacementApproved | PlacementRejected

# -- commands


class ProposePlacement(Command, do="propose_placement"):
    """Without ``lines``: every line that waits under the number, which the account keeps as an alias unless
    ``keep_alias`` is false. With ``lines`` the number is not kept unless it is true. What is known of the lines and the
    account's services is read from the book when the command is handled, as known at a position.
    """

    vendor: VendorId
    number: Printed
    account: AccountId
    service: ServiceId | None = None
    lines: Lines | None = None
    service_month: Month | None = None
    keep_alias: bool = True
    as_known_at: int | None = None
    waiting: tuple[LineOf, ...] | None = None
    services: tuple[ServiceId, ...] | None = None

    @model_validator(mode="before")
    @classmethod
    def _single_lines_teach_nothing(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("lines") is not None and "keep_alias" not in value:
            return {**value, "keep_alias": False}
        return value

    @property
    def asks_the_book(self) -> bool:
        """Whether anything that it says has to be in the book."""
        return self.lines is not None or self.service is not None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((suspense_stream(self.vendor, self.number),), (account_stream(self.account),))


class _AnswersProposal(Model):
    """``lines`` says which placement is meant where several of one number wait for approval."""

    vendor: VendorId
    number: Printed
    lines: Lines | None = None

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        stream = suspense_stream(self.vendor, self.number)
        found = meant(known.get(stream, EMPTY), self.lines)
        return f"{stream}@{found.version}" if found else None


class ApprovePlacement(_AnswersProposal, Command, do="approve_placement"):
    def streams(self, known: Mapping[str, Any]) -> Streams:
        suspense: Suspense = known.get(suspense_stream(self.vendor, self.number), EMPTY)
        found = meant(suspense, self.lines)
        taught = (account_stream(found.proposed.account),) if found else ()
        return Streams((suspense_stream(self.vendor, self.number), *taught))


class RejectPlacement(_AnswersProposal, Command, do="reject_placement"):
    rejected_because: Because

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((suspense_stream(self.vendor, self.number),))


SuspenseCommand = ProposePlacement | ApprovePlacement | RejectPlacement

# -- refusals


class PlacementAlreadyProposed(Refused):
    """A line is in one placement at a time that waits for approval."""


class NoPlacementProposed(Refused):
    """Only a proposed placement is approved or rejected."""


class PlacementUnclear(Refused):
    """Where several placements of one number wait for approval, the lines say which one is meant."""


class LineNotWaiting(Refused):
    """Only a line that waits is placed; one that was placed wrongly is moved."""


class ServiceNotOnAccount(Refused):
    """A line is placed on a service that the account has, or for which it has an agent of record."""


# -- state


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposal that waits for approval, and the version at which it was made."""

    proposed: PlacementProposed
    version: int


@dataclass(frozen=True, slots=True)
class Suspense:
    waiting: tuple[Waiting, ...] = ()
    version: int = 0


EMPTY = Suspense()


def evolve(suspense: Suspense, event: SuspenseEvent) -> Suspense:
    version = suspense.version + 1
    match event:
        case PlacementProposed():
            return Suspense((*suspense.waiting, Waiting(event, version)), version)
        case PlacementApproved() | PlacementRejected():
            # an answer of version 1 names no lines; then there was only one placement
            left = tuple(w for w in suspense.waiting if w.proposed.lines != event.lines)
            return Suspense(left, version)
        case _:
            assert_never(event)


def meant(suspense: Suspense, lines: Iterable[LineOf] | None) -> Waiting | None:
    """The placement that an answer means: the one of exactly these lines, or the only one."""
    if lines is None:
        return suspense.waiting[0] if len(suspense.waiting) == 1 else None
    wanted = frozenset(lines)
    return next((w for w in suspense.waiting if w.proposed.lines and frozenset(w.proposed.lines) == wanted), None)


# -- decisions


def decide(suspense: Suspense, command: SuspenseCommand, context: Context) -> list[SuspenseEvent]:
    match command:
        case ProposePlacement():
            opened(context.state(account_stream(command.account)), command.account)
            _check(suspense, command)
            return [
                PlacementProposed(
                    vendor=command.vendor,
                    number=command.number,
                    account=command.account,
                    service=command.service,
                    lines=_in_order(command.lines),
                    service_month=command.service_month,
                    keep_alias=command.keep_alias,
                    proposed_by=context.actor,
                    effective_on=context.today,
                )
            ]
        case ApprovePlacement():
            proposed = _proposed(suspense, command)
            context.require_second_person(proposed.proposed_by, f"the placement of {_what(command)}")
            return [
                PlacementApproved(
                    vendor=proposed.vendor,
                    number=proposed.number,
                    account=proposed.account,
                    service=proposed.service,
                    lines=proposed.lines,
                    service_month=proposed.service_month,
                    proposed_by=proposed.proposed_by,
                    effective_on=context.today,
                )
            ]
        case RejectPlacement():
            rejected = _proposed(suspense, command)
            return [
                PlacementRejected(
                    vendor=command.vendor,
                    number=command.number,
                    account=rejected.account,
                    lines=rejected.lines,
                    rejected_because=command.rejected_because,
                    effective_on=context.today,
                )
            ]
        case _:
            assert_never(command)


def decide_account(account: Account, command: ApprovePlacement, context: Context) -> list[AccountAliasAdded]:
    """What an approved placement teaches the account: the number as printed."""
    found = meant(context.state(suspense_stream(command.vendor, command.number)), command.lines)
    if found is None or not found.proposed.keep_alias or answers_to(account, command.vendor, command.number):
        return []
    alias = Alias(vendor=command.vendor, number=command.number)
    return [AccountAliasAdded(account=found.proposed.account, alias=alias, effective_on=alias.from_)]


def _in_order(lines: Iterable[LineOf] | None) -> tuple[LineOf, ...] | None:
    return tuple(sorted(set(lines), key=lambda one: (one.statement, one.line))) if lines is not None else None


def _check(suspense: Suspense, command: ProposePlacement) -> None:
    number, named = f"{command.vendor} {command.number}", set(command.lines or ())
    for waits in suspense.waiting:
        if not named or waits.proposed.lines is None or named & set(waits.proposed.lines):
            raise PlacementAlreadyProposed(f"a placement of {number} on {waits.proposed.account} waits already")
    if command.waiting is not None:
        for one in command.lines or ():
            if one not in command.waiting:
                raise LineNotWaiting(
                    f"{one} does not wait under {number}, nor on {command.account}; "
                    "`trailbook suspense list --lines` shows what does"
                )
    if command.services is not None and command.service is not None and command.service not in command.services:
        has = f"it has {', '.join(command.services)}" if command.services else "it has none"
        raise ServiceNotOnAccount(f"account {command.account} has no service {command.service}; {has}")


def _what(command: ApprovePlacement | RejectPlacement) -> str:
    return f"{command.vendor} {command.number}"


def _proposed(suspense: Suspense, command: ApprovePlacement | RejectPlacement) -> PlacementProposed:
    """Raises NoPlacementProposed, PlacementUnclear."""
    found = meant(suspense, command.lines)
    if found is not None:
        return found.proposed
    if command.lines is None and suspense.waiting:
        raise PlacementUnclear(
            f"{len(suspense.waiting)} placements of {_what(command)} wait for approval; name the lines of the one meant"
        )
    of = " of these lines" if command.lines else ""
    raise NoPlacementProposed(f"no placement of {_what(command)}{of} is proposed")
