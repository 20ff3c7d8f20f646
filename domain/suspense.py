"""Suspense: money whose number as printed means no account of ours, until a person places it.

    (lines wait) ── PlacementProposed ──▶ proposed ── PlacementApproved ──▶ placed    (a second person approves)
                                                   └─ PlacementRejected ──▶ (lines wait)

One stream for each vendor and number as printed. A placement takes every line that waits under the number when it is
approved, and teaches the account the number, so that the next statement finds it. The payee is the agent of record of
each line's service month, not of the day of the placement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, assert_never

from domain.account import AccountAliasAdded, Alias, answers_to, opened
from domain.ids import AccountId, Because, Printed, VendorId, account_stream, suspense_stream
from domain.message import Actor, Command, Context, Event, Refused, Streams, last_event
from domain.months import Month

# -- events


class PlacementProposed(Event, topic="suspense.placement_proposed"):
    vendor: VendorId
    number: Printed
    account: AccountId
    service_month: Month | None = None
    keep_alias: bool
    proposed_by: Actor


class PlacementApproved(Event, topic="suspense.placement_approved"):
    """Every line that waits under the number belongs to the account; ``service_month`` is for those whose
    month the vendor did not state."""

    vendor: VendorId
    number: Printed
    account: AccountId
    service_month: Month | None = None
    proposed_by: Actor


class PlacementRejected(Event, topic="suspense.placement_rejected"):
    vendor: VendorId
    number: Printed
    account: AccountId
    rejected_because: str


SuspenseEvent = PlacementProposed | PlacementApproved | PlacementRejected

# -- commands


class ProposePlacement(Command, do="propose_placement"):
    vendor: VendorId
    number: Printed
    account: AccountId
    service_month: Month | None = None
    keep_alias: bool = True

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((suspense_stream(self.vendor, self.number),), (account_stream(self.account),))


class ApprovePlacement(Command, do="approve_placement"):
    vendor: VendorId
    number: Printed

    def streams(self, known: Mapping[str, Any]) -> Streams:
        suspense: Suspense = known.get(suspense_stream(self.vendor, self.number), EMPTY)
        taught = (account_stream(suspense.proposed.account),) if suspense.proposed else ()
        return Streams((suspense_stream(self.vendor, self.number), *taught))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(suspense_stream(self.vendor, self.number), versions)


class RejectPlacement(Command, do="reject_placement"):
    vendor: VendorId
    number: Printed
    rejected_because: Because

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((suspense_stream(self.vendor, self.number),))

    def cause(self, versions: Mapping[str, int], known: Mapping[str, Any]) -> str | None:
        return last_event(suspense_stream(self.vendor, self.number), versions)


SuspenseCommand = ProposePlacement | ApprovePlacement | RejectPlacement

# -- refusals


class PlacementAlreadyProposed(Refused):
    """One placement of a number at a time waits for approval."""


class NoPlacementProposed(Refused):
    """Only a proposed placement is approved or rejected."""


# -- state


@dataclass(frozen=True, slots=True)
class Suspense:
    proposed: PlacementProposed | None = None


EMPTY = Suspense()


def evolve(suspense: Suspense, event: SuspenseEvent) -> Suspense:
    match event:
        case PlacementProposed():
            return Suspense(event)
        case PlacementApproved() | PlacementRejected():
            return Suspense()
        case _:
            assert_never(event)


# -- decisions


def decide(suspense: Suspense, command: SuspenseCommand, context: Context) -> list[SuspenseEvent]:
    number = f"{command.vendor} {command.number}"
    match command:
        case ProposePlacement():
            opened(context.state(account_stream(command.account)), command.account)
            if suspense.proposed is not None:
                raise PlacementAlreadyProposed(f"a placement of {number} on {suspense.proposed.account} waits already")
            return [
                PlacementProposed(
                    vendor=command.vendor,
                    number=command.number,
                    account=command.account,
                    service_month=command.service_month,
                    keep_alias=command.keep_alias,
                    proposed_by=context.actor,
                    effective_on=context.today,
                )
            ]
        case ApprovePlacement():
            proposed = _proposed(suspense, number)
            context.require_second_person(proposed.proposed_by, f"the placement of {number}")
            return [
                PlacementApproved(
                    vendor=proposed.vendor,
                    number=proposed.number,
                    account=proposed.account,
                    service_month=proposed.service_month,
                    proposed_by=proposed.proposed_by,
                    effective_on=context.today,
                )
            ]
        case RejectPlacement():
            rejected = _proposed(suspense, number)
            return [
                PlacementRejected(
                    vendor=command.vendor,
                    number=command.number,
                    account=rejected.account,
                    rejected_because=command.rejected_because,
                    effective_on=context.today,
                )
            ]
        case _:
            assert_never(command)


def decide_account(account: Any, command: ApprovePlacement, context: Context) -> list[AccountAliasAdded]:
    """What an approved placement teaches the account: the number as printed."""
    proposed: PlacementProposed | None = context.state(suspense_stream(command.vendor, command.number)).proposed
    if proposed is None or not proposed.keep_alias or answers_to(account, command.vendor, command.number):
        return []
    alias = Alias(vendor=command.vendor, number=command.number)
    return [AccountAliasAdded(account=proposed.account, alias=alias, effective_on=alias.from_)]


def _proposed(suspense: Suspense, number: str) -> PlacementProposed:
    if suspense.proposed is None:
        raise NoPlacementProposed(f"no placement of {number} is proposed")
    return suspense.proposed
