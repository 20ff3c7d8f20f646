"""A vendor's succession: its accounts, all or named ones, are another vendor's from a date (a merger, a carrier sale).

    (unknown) ── SuccessionAnnounced ──▶ announced ── SuccessionContinued … (a longer plan)
              ── VendorSucceeded, in the stream of each account ──▶ … ── SuccessionCompleted ──▶ completed
    completed ── SuccessionAnnounced (for accounts that were opened since) ──▶ announced

The account is still the account: the move itself posts nothing. The plan is a stream of its own for each vendor,
successor and date; one command an account follows, under an id made of the succession's, so that it goes on where it
stopped. It moves who pays, neither money nor ownership, so one person may do it.

``effective_on`` is the change-over: the former vendor pays for the months that begin before it, the successor for the
others. A number as printed by the former vendor becomes another one of the successor's, is kept, or is not known yet.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import zip_longest
from typing import Annotated, Any, Literal, assert_never

from pydantic import Field, model_validator

from domain import months
from domain.account import Account, Alias, LateLines, VendorSucceeded, answers_to, opened
from domain.ids import AccountId, Printed, VendorId, account_stream, succession_stream, vendor_stream
from domain.message import Command, Context, Event, Model, Refused, Streams
from domain.months import Month
from domain.vendor import CurrencyWrong, contracted

PLANNED_PER_EVENT = 1_000
"""Accounts and numbers that one event of a plan holds at most, so that it stays below 256 KB."""


class Renumbered(Model):
    """What a number of the former vendor's is at the successor: ``becomes`` another one, or is ``kept``; neither: not
    known yet, so that its lines wait until somebody places them."""

    number: Printed
    becomes: Printed | None = None
    kept: bool = False

    @model_validator(mode="after")
    def _one_of_them(self) -> "Renumbered":
        if self.kept and self.becomes is not None:
            raise ValueError(f"number {self.number} is kept or becomes {self.becomes}, not both")
        return self

    @property
    def printed(self) -> str | None:
        """The successor's number; None while it is not known."""
        return self.number if self.kept else self.becomes


class Collision(Model):
    """A number of the successor's that would mean several accounts, and so means none: its lines wait."""

    number: Printed
    accounts: tuple[AccountId, ...]


class Holder(Model):
    """An account with the numbers of the former vendor's that mean it."""

    account: AccountId
    numbers: tuple[Printed, ...] = ()


class LeftOut(Model):
    """An account of the plan that did not move, and why."""

    account: AccountId
    because: str


OtherNumbers = Literal["kept", "unknown"]

# -- events


class SuccessionAnnounced(Event, topic="succession.announced"):
    """The plan with its first accounts and numbers; with ``event_count`` 1 these are all. ``last_statement_month`` is
    the former vendor's last statement whose lines are taken, where late lines are taken never."""

    vendor: VendorId
    successor: VendorId
    accounts: tuple[AccountId, ...]
    account_count: int
    numbers: tuple[Renumbered, ...]
    other_numbers: OtherNumbers
    collisions: tuple[Collision, ...]
    late_lines: LateLines
    last_statement_month: Month | None = None
    as_known_at: int | None = None
    event_count: int


class SuccessionContinued(Event, topic="succession.continued"):
    """Further accounts and numbers; ``event_no`` runs from 2 to ``event_count``."""

    vendor: VendorId
    successor: VendorId
    accounts: tuple[AccountId, ...]
    numbers: tuple[Renumbered, ...]
    collisions: tuple[Collision, ...]
    event_no: int
    event_count: int


class SuccessionCompleted(Event, topic="succession.completed"):
    """Every account of the plan has moved or was left out, with the reason."""

    vendor: VendorId
    successor: VendorId
    succeeded_count: int
    collision_count: int
    left_out: tuple[LeftOut, ...]


SuccessionEvent = SuccessionAnnounced | SuccessionContinued | SuccessionCompleted

# -- commands


class _OfSuccession(Model):
    vendor: VendorId
    successor: VendorId
    effective_on: date

    @property
    def stream(self) -> str:
        return succession_stream(self.vendor, self.successor, self.effective_on)


class AnnounceSuccession(_OfSuccession, Command, do="announce_succession"):
    """``accounts``: ``all`` of the vendor's, or those that are named. ``other_numbers``: what the numbers are that
    ``numbers`` does not name. Who holds which number, and what the successor's mean already, is read from the book when
    the command is handled, as known at a position.
    """

    accounts: Literal["all"] | Annotated[tuple[AccountId, ...], Field(min_length=1, max_length=100_000)] = "all"
    numbers: Annotated[tuple[Renumbered, ...], Field(max_length=200_000)] = ()
    other_numbers: OtherNumbers = "unknown"
    late_lines: LateLines = "for-months-before"
    as_known_at: int | None = None
    holders: tuple[Holder, ...] | None = None
    taken: tuple[Collision, ...] = ()

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((self.stream,), (vendor_stream(self.vendor), vendor_stream(self.successor)))


class SucceedVendor(_OfSuccession, Command, do="succeed_vendor"):
    """One account of an announced succession moves, on the terms of its plan."""

    account: AccountId

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((account_stream(self.account),), (self.stream,))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        succession: Succession = known.get(self.stream, EMPTY)
        return f"{self.stream}@{succession.announced_at}" if succession.announced_at else None


class CompleteSuccession(_OfSuccession, Command, do="complete_succession"):
    """Given when every account of the plan has had its command."""

    succeeded_count: Annotated[int, Field(ge=0)]
    left_out: tuple[LeftOut, ...] = ()

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((self.stream,))


SuccessionCommand = AnnounceSuccession | CompleteSuccession

# -- refusals


class SuccessorIsVendor(Refused):
    """A vendor is succeeded by another one."""


class SuccessionAlreadyAnnounced(Refused):
    """One plan at a time for a vendor, a successor and a date."""


class SuccessionUnknown(Refused):
    """Accounts move in an announced succession."""


class SuccessionIncomplete(Refused):
    """A succession is complete when each account of its plan has moved or was left out."""


class NothingToSucceed(Refused):
    """A succession is of accounts that the vendor pays for."""


class NumberRenumberedTwice(Refused):
    """A number of the former vendor's is one number of the successor's."""


class NumberNotHeld(Refused):
    """Only a number that means an account of the succession is renamed."""


class AccountNotInSuccession(Refused):
    """Only an account of the plan moves."""


class AccountNotWithVendor(Refused):
    """Only an account that the vendor pays for is taken over from it."""


# -- state


@dataclass(frozen=True, slots=True)
class Succession:
    """The plan as it stands. ``numbers`` by the former vendor's number."""

    announced: SuccessionAnnounced | None = None
    announced_at: int = 0
    accounts: frozenset[str] = frozenset()
    numbers: Mapping[str, Renumbered] = field(default_factory=dict)
    collisions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    completed: tuple[SuccessionCompleted, ...] = ()
    version: int = 0

    def printed(self, number: str) -> str | None:
        """What the successor prints for a number, None while that is not known."""
        assert self.announced is not None
        other = Renumbered(number=number, kept=self.announced.other_numbers == "kept")
        return self.numbers.get(number, other).printed


EMPTY = Succession()


def evolve(succession: Succession, event: SuccessionEvent) -> Succession:
    version = succession.version + 1
    match event:
        case SuccessionAnnounced():
            begun = Succession(event, version, completed=succession.completed)
            return replace(_planned(begun, event), version=version)
        case SuccessionContinued():
            return replace(_planned(succession, event), version=version)
        case SuccessionCompleted():
            return Succession(completed=(*succession.completed, event), version=version)
        case _:
            assert_never(event)


def _planned(succession: Succession, event: SuccessionAnnounced | SuccessionContinued) -> Succession:
    return replace(
        succession,
        accounts=succession.accounts | frozenset(event.accounts),
        numbers={**succession.numbers, **{one.number: one for one in event.numbers}},
        collisions={**succession.collisions, **{one.number: one.accounts for one in event.collisions}},
    )


# -- decisions


def decide(succession: Succession, command: SuccessionCommand, context: Context) -> list[SuccessionEvent]:
    match command:
        case AnnounceSuccession():
            return _announce(succession, command, context)
        case CompleteSuccession():
            return [_complete(succession, command)]
        case _:
            assert_never(command)


def _announce(succession: Succession, command: AnnounceSuccession, context: Context) -> list[SuccessionEvent]:
    what = f"the succession of {command.vendor} by {command.successor} on {command.effective_on}"
    if command.vendor == command.successor:
        raise SuccessorIsVendor(f"{command.vendor} cannot succeed itself; name the vendor that pays from then on")
    former = contracted(context.state(vendor_stream(command.vendor)), command.vendor)
    successor = contracted(context.state(vendor_stream(command.successor)), command.successor)
    if former.currency != successor.currency:
        raise CurrencyWrong(
            f"{command.successor} pays in {successor.currency}, {command.vendor} in {former.currency}; "
            "move such accounts one by one, with numbers of their own"
        )
    if succession.announced is not None:
        raise SuccessionAlreadyAnnounced(f"{what} is announced already; complete it first")
    holders = _holders(command, what)
    _check_numbers(command, holders)
    last_statement = months.first_month_from(command.effective_on) - 1 + former.statement_lag_months
    never = command.late_lines == "never"
    return list(_in_events(command, holders, months.text(last_statement) if never else None))


def _holders(command: AnnounceSuccession, what: str) -> tuple[Holder, ...]:
    """The accounts of the plan, in their order. Without the book: the named ones, of which nothing is known."""
    if command.holders is None and command.accounts == "all":
        raise NothingToSucceed(f"{what} is of all accounts, and nobody looked which they are; name them")
    if command.holders is None:
        return tuple(Holder(account=account) for account in dict.fromkeys(command.accounts))
    if command.accounts != "all":
        held = {holder.account for holder in command.holders}
        if absent := [account for account in command.accounts if account not in held]:
            raise AccountNotWithVendor(
                f"account {absent[0]} is not {command.vendor}'s; {what} is only of accounts that it pays for"
            )
    if not command.holders:
        raise NothingToSucceed(f"{command.vendor} pays for no account, so there is nothing to succeed to")
    return command.holders


def _check_numbers(command: AnnounceSuccession, holders: Sequence[Holder]) -> None:
    named = Counter(one.number for one in command.numbers)
    if twice := [number for number, count in named.items() if count > 1]:
        raise NumberRenumberedTwice(f"number {twice[0]} of {command.vendor} is there twice; say once what it becomes")
    if command.holders is None:
        return
    held = {number for holder in holders for number in holder.numbers}
    if absent := [number for number in named if number not in held]:
        more = f" (and {len(absent) - 1} more)" if len(absent) > 1 else ""
        raise NumberNotHeld(
            f"number {absent[0]}{more} of {command.vendor} means no account of the succession; check the list"
        )


def _collisions(command: AnnounceSuccession, holders: Sequence[Holder]) -> list[Collision]:
    """Numbers that would mean several accounts: of the plan, or one of it and one that has the number already."""
    renamed = {one.number: one for one in command.numbers}
    meaning: dict[str, set[str]] = {one.number: set(one.accounts) for one in command.taken}
    begun: set[str] = set()
    for holder in holders:
        for number in holder.numbers:
            other = Renumbered(number=number, kept=command.other_numbers == "kept")
            printed = renamed.get(number, other).printed
            if printed is not None:
                begun.add(printed)
                meaning.setdefault(printed, set()).add(holder.account)
    return [
        Collision(number=number, accounts=tuple(sorted(accounts)))
        for number, accounts in sorted(meaning.items())
        if number in begun and len(accounts) > 1
    ]


def _in_events(
    command: AnnounceSuccession, holders: Sequence[Holder], last_statement_month: str | None
) -> Iterator[SuccessionEvent]:
    shared: dict[str, Any] = {
        "vendor": command.vendor,
        "successor": command.successor,
        "effective_on": command.effective_on,
    }
    accounts = list(_chunks([holder.account for holder in holders]))
    parts = list(zip_longest(accounts, _chunks(command.numbers), _chunks(_collisions(command, holders)), fillvalue=()))
    for event_no, (some, numbers, collisions) in enumerate(parts, start=1):
        part = {**shared, "accounts": some, "numbers": numbers, "collisions": collisions, "event_count": len(parts)}
        if event_no > 1:
            yield SuccessionContinued(**part, event_no=event_no)
            continue
        yield SuccessionAnnounced(
            **part,
            account_count=len(holders),
            other_numbers=command.other_numbers,
            late_lines=command.late_lines,
            last_statement_month=last_statement_month,
            as_known_at=command.as_known_at,
        )


def _chunks(items: Sequence[Any]) -> Iterator[tuple[Any, ...]]:
    for start in range(0, len(items), PLANNED_PER_EVENT):
        yield tuple(items[start : start + PLANNED_PER_EVENT])


def _complete(succession: Succession, command: CompleteSuccession) -> SuccessionCompleted:
    announced = _announced(succession, command)
    done = command.succeeded_count + len(command.left_out)
    if done != announced.account_count:
        raise SuccessionIncomplete(
            f"{done:,} of {announced.account_count:,} accounts of {command.vendor} have moved to {command.successor} "
            "or were left out; go on with the others"
        )
    return SuccessionCompleted(
        vendor=command.vendor,
        successor=command.successor,
        succeeded_count=command.succeeded_count,
        collision_count=len(succession.collisions),
        left_out=command.left_out,
        effective_on=command.effective_on,
    )


def _announced(succession: Succession, command: SucceedVendor | CompleteSuccession) -> SuccessionAnnounced:
    """Raises SuccessionUnknown."""
    if succession.announced is None:
        raise SuccessionUnknown(
            f"no succession of {command.vendor} by {command.successor} on {command.effective_on} is announced, or it "
            "is completed; announce it first"
        )
    return succession.announced


def decide_account(account: Account, command: SucceedVendor, context: Context) -> list[VendorSucceeded]:
    """What an announced succession means for one account: which numbers end, and which begin."""
    opened(account, command.account)
    succession: Succession = context.state(command.stream)
    announced = _announced(succession, command)
    if command.account not in succession.accounts:
        raise AccountNotInSuccession(
            f"account {command.account} is not in the succession of {command.vendor} by {command.successor} on "
            f"{command.effective_on}; announce it again with the account when this one is completed"
        )
    numbers = live_numbers(account, command.vendor, command.effective_on)
    if command.vendor in account.former_vendors or (account.vendor != command.vendor and not numbers):
        raise AccountNotWithVendor(f"account {command.account} is {account.vendor}'s, no longer {command.vendor}'s")
    begun = _begun(account, numbers, succession, command)
    return [
        VendorSucceeded(
            account=command.account,
            former_vendor=command.vendor,
            vendor=command.successor,
            ended=() if announced.late_lines == "always" else tuple(alias.number for alias in numbers),
            begun=begun,
            collisions=tuple(alias.number for alias in begun if alias.number in succession.collisions),
            late_lines=announced.late_lines,
            last_statement_month=announced.last_statement_month,
            effective_on=command.effective_on,
        )
    ]


def live_numbers(account: Account, vendor: str, on: date) -> list[Alias]:
    """The vendor's numbers that mean the account on a day or later, each once."""
    live = {a.number: a for a in account.aliases if a.vendor == vendor and (a.until is None or a.until > on)}
    return list(live.values())


def _begun(
    account: Account, numbers: Iterable[Alias], succession: Succession, command: SucceedVendor
) -> tuple[Alias, ...]:
    found: dict[str, Alias] = {}
    for alias in numbers:
        printed = succession.printed(alias.number)
        if printed is not None and not answers_to(account, command.successor, printed):
            found[printed] = Alias(
                vendor=command.successor, number=printed, source=alias.source, from_=command.effective_on
            )
    return tuple(found.values())
