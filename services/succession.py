"""A vendor's succession from its plan to its end: one command an account, going on where it stopped."""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from domain import months
from domain.ids import account_stream, vendor_stream
from domain.log import CommandResult
from domain.message import Actor, Issued, Refused
from domain.rating.facts import AccountFacts
from domain.succession import (
    AnnounceSuccession,
    Collision,
    CompleteSuccession,
    Holder,
    LeftOut,
    Renumbered,
    SucceedVendor,
    Succession,
    SuccessionAnnounced,
    SuccessionContinued,
)
from projections.facts import holders
from services.commands import CommandIdReused, Commands

AT_ONCE = 200
"""Accounts whose streams are read together."""
Progress = Callable[[int, int], None]


class Facts(Protocol):
    """Facts by account, what names mean, whom a vendor may pay for, and the aliases of a number."""

    def account(self, account_no: int, before: int) -> Iterable[tuple[int, Sequence[Any]]]: ...
    def number_of(self, name: str) -> int | None: ...
    def accounts_paid_by(self, vendor: str) -> Iterable[int]: ...
    def aliases(self, number: str) -> Sequence[tuple[Any, ...]]: ...


class SuccessionBegunByAnother(Refused):
    """Who began a succession goes on with it: its commands are that principal's."""


# -- what an announcement must know


def with_holders(issued: Issued, facts: Facts, known: int) -> Issued:
    """An announcement with the accounts that it is of, and with the numbers of the successor's that are taken."""
    command = issued.command
    if not isinstance(command, AnnounceSuccession):
        return issued
    if command.accounts == "all":
        account_nos = sorted(facts.accounts_paid_by(command.vendor))
    else:
        named = (facts.number_of(account_stream(account)) for account in dict.fromkeys(command.accounts))
        account_nos = [account_no for account_no in named if account_no is not None]
    found = [holder for no in account_nos if (holder := _holder(command, facts, no, known)) is not None]
    seen = {"as_known_at": known, "holders": tuple(found), "taken": _taken(command, found, facts, known)}
    return issued.with_command(command.model_copy(update=seen))


def _holder(command: AnnounceSuccession, facts: Facts, account_no: int, known: int) -> Holder | None:
    """The account, if the vendor pays for it at the change-over, with the numbers that mean it from then on."""
    account = _learned(facts, account_no, known)
    on, vendor = command.effective_on, command.vendor
    month = months.first_month_from(on)
    numbers = [
        number
        for of, number in account.numbers
        if of == vendor and account_no in holders(_known(facts, of, number, known), on)
    ]
    was_succeeded = any(s.former == vendor and s.position <= known for s in account.successions)
    if was_succeeded and not account.pays(vendor, month, known):
        return None
    if account.vendor_in(month, known) != vendor and not numbers:
        return None
    return Holder(account=account.account, numbers=tuple(numbers))


def _taken(command: AnnounceSuccession, found: Iterable[Holder], facts: Facts, known: int) -> tuple[Collision, ...]:
    """The successor's numbers of the plan that mean accounts already."""
    renamed = {one.number: one for one in command.numbers}
    kept = command.other_numbers == "kept"
    numbers = [number for holder in found for number in holder.numbers]
    printed = {renamed.get(number, Renumbered(number=number, kept=kept)).printed for number in numbers}
    taken: list[Collision] = []
    for number in sorted(number for number in printed if number is not None):
        meant = holders(_known(facts, command.successor, number, known), command.effective_on)
        if meant:
            names = sorted(_learned(facts, account_no, known).account for account_no in meant)
            taken.append(Collision(number=number, accounts=tuple(names)))
    return tuple(taken)


def _known(facts: Facts, vendor: str, number: str, known: int) -> list[tuple[Any, ...]]:
    return [row for row in facts.aliases(f"{vendor}:{number}") if row[5] <= known]


def _learned(facts: Facts, account_no: int, known: int) -> AccountFacts:
    return AccountFacts.of(account_no, facts.account(account_no, known + 1))


# -- the plan, and its accounts one by one


@dataclass(frozen=True, slots=True)
class Report:
    """What a succession is of, and what became of it. ``unlisted``: products of the former vendor's that the successor
    does not list, so that rules by category do not find its lines.
    """

    accounts: int
    moved: int
    left_out: tuple[LeftOut, ...]
    collisions: tuple[Collision, ...]
    unlisted: tuple[str, ...]
    completed: bool


class GivesCommands(Protocol):
    """A house: gives commands and reads streams."""

    @property
    def commands(self) -> Commands: ...
    def handle(self, issued: Issued) -> CommandResult: ...


def check(house: GivesCommands, issued: Issued) -> Report:
    """What the succession would be of, and nothing is recorded. Raises Refused."""
    planned = [e for e in house.commands.would(issued) if isinstance(e, SuccessionAnnounced | SuccessionContinued)]
    collisions = tuple(collision for event in planned for collision in event.collisions)
    accounts = sum(len(event.accounts) for event in planned)
    return Report(accounts, 0, (), collisions, _unlisted(house, _announcement(issued)), completed=False)


def succeed(house: GivesCommands, issued: Issued, progress: Progress = lambda done, total: None) -> Report:
    """Announce the succession, move each account, and complete it. Given again, it goes on where it stopped.

    An account that is refused is left out, with the reason. Raises Refused where the plan is.
    """
    command = _announcement(issued)
    try:
        house.handle(issued)
    except CommandIdReused:
        raise SuccessionBegunByAnother(
            f"the succession of {command.vendor} by {command.successor} from {command.effective_on} with this plan was "
            "begun by another principal; go on as that one, with --by"
        ) from None
    plan: Succession = house.commands.state(command.stream)
    if plan.announced is None:
        return _completed(house, command)
    left = _move(house, command, plan, issued.actor, progress)
    moved = len(plan.accounts) - len(left)
    complete = CompleteSuccession(
        vendor=command.vendor,
        successor=command.successor,
        effective_on=command.effective_on,
        succeeded_count=moved,
        left_out=tuple(left),
    )
    try:
        house.handle(Issued(f"complete-{_key(command)}-{plan.announced_at}", issued.actor, complete))
    except CommandIdReused:
        # another process went on with it too and completed it; why an account is left out may read differently by then
        return _completed(house, command)
    collisions = tuple(Collision(number=n, accounts=of) for n, of in sorted(plan.collisions.items()))
    return Report(len(plan.accounts), moved, tuple(left), collisions, _unlisted(house, command), completed=True)


def _completed(house: GivesCommands, command: AnnounceSuccession) -> Report:
    done = house.commands.state(command.stream).completed[-1]
    accounts = done.succeeded_count + len(done.left_out)
    return Report(accounts, done.succeeded_count, done.left_out, (), _unlisted(house, command), completed=True)


def _move(
    house: GivesCommands, command: AnnounceSuccession, plan: Succession, actor: Actor, progress: Progress
) -> list[LeftOut]:
    """Give each account its command; which of them were refused, and why."""
    accounts = sorted(plan.accounts)
    left: list[LeftOut] = []
    for start in range(0, len(accounts), AT_ONCE):
        some = accounts[start : start + AT_ONCE]
        house.commands.read_ahead([account_stream(account) for account in some])
        for done, account in enumerate(some, start=start + 1):
            try:
                house.handle(_of_account(command, plan.announced_at, account, actor))
            except Refused as refused:
                left.append(LeftOut(account=account, because=str(refused)))
            progress(done, len(accounts))
    return left


def _announcement(issued: Issued) -> AnnounceSuccession:
    assert isinstance(issued.command, AnnounceSuccession)
    return issued.command


def announcement_id(command: AnnounceSuccession, after: int = 0) -> str:
    """The same plan is the same command: given again it is the one that was recorded. ``after`` how many completed
    successions of the same vendors and date, for accounts that were opened since.
    """
    again = f"-{after}" if after else ""
    return f"succession-{_key(command)}-{Issued('-', Actor(subject='plan'), command).digest()[:16]}{again}"


def _of_account(command: AnnounceSuccession, announced_at: int, account: str, actor: Actor) -> Issued:
    """A later plan of the same vendors and date has commands of its own: what was taken back may happen after all."""
    moves = SucceedVendor(
        vendor=command.vendor, successor=command.successor, effective_on=command.effective_on, account=account
    )
    return Issued(f"succeed-{_key(command)}-{announced_at}:{account}", actor, moves)


def _key(command: AnnounceSuccession) -> str:
    return hashlib.sha256(command.stream.encode()).hexdigest()[:16]


def _unlisted(house: GivesCommands, command: AnnounceSuccession) -> tuple[str, ...]:
    former, successor = (house.commands.state(vendor_stream(v)) for v in (command.vendor, command.successor))
    return tuple(sorted(set(former.products) - set(successor.products)))
