"""A deal: one opportunity at a customer, and the agents' registrations of it.

    deal:          DealRegistered / SelfReferralOpened ──▶ open ── DealWon / DealLost ──▶ closed
    registration:  DealRegistered ──▶ registered ┬─ RegistrationApproved ──▶ approved ┬─ RegistrationExtended ──▶ …
                                                 └─ RegistrationRejected ──▶ rejected └─ RegistrationExpired ──▶ expired
    self-referral: SelfReferralOpened ──▶ self-referral; a rival's approved ── ProtectionEnded ──▶ registered
    each of these three while it stands ┬─ RegistrationWithdrawn ──▶ withdrawn
                                        ├─ DealWon ──▶ won, its rivals ── RegistrationLost ──▶ lost
                                        └─ DealLost ──▶ lost

A registration is one agent's claim on a deal. Registrations of one deal meet in the customer's
stream: a rival claim is kept beside the earlier ones, in the order of the stream; an agent has one that stands.
``approved`` means protected where the vendor's agreement gives protection: then no rival with that vendor is approved
or wins. Whom the customer itself named by a self-referral goes before all of them, is not approved and does not expire.

Units: ``protection_days`` are calendar days after the day of the approval; ``protected_until`` is the last protected
day. Where nothing else is said a step holds from the house's open day.

``domain.customer`` holds the deals of a customer, folds and decides each here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Annotated, Any, Literal, Protocol, assert_never

from pydantic import Field

from domain.agent import active
from domain.ids import (
    AgentId,
    Because,
    CustomerId,
    DealId,
    ProductId,
    VendorId,
    Words,
    agent_stream,
    customer_stream,
    vendor_stream,
)
from domain.message import Command, Context, Event, Evidence, Model, Refused, Streams
from domain.vendor import contracted

Basis = Literal["letter", "psa"]
"""What a self-referral stands on: a letter, or a professional services agreement."""


class StandingClaim(Model):
    """A registration of the same deal that stood when something happened beside it."""

    agent: AgentId
    vendor: VendorId
    registered_on: date
    protected_until: date | None = None


# -- events


class DealRegistered(Event, topic="deal.registered"):
    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    products: tuple[ProductId, ...]
    scope: str


class DealContested(Event, topic="deal.contested"):
    """The new registration by ``agent`` is not the first: ``earlier`` are those that stand, in order of arrival."""

    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    earlier: tuple[StandingClaim, ...]


class SelfReferralOpened(Event, topic="deal.self_referral_opened"):
    """The customer itself brought the deal to the house and named ``agent`` its agent of record for it.

    ``rivals`` are the other agents' claims that stand, in order of arrival: kept, but no longer approved or won.
    """

    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    products: tuple[ProductId, ...]
    scope: str
    basis: Basis
    letter: Evidence
    rivals: tuple[StandingClaim, ...]


class RegistrationApproved(Event, topic="registration.approved"):
    """``protected_until`` is none where the vendor's agreement gives no protection."""

    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    protection_days: int
    protected_until: date | None = None


class RegistrationRejected(Event, topic="registration.rejected"):
    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    rejected_because: str


class RegistrationExtended(Event, topic="registration.extended"):
    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    protected_until: date
    former_protected_until: date
    extended_because: str


class RegistrationExpired(Event, topic="registration.expired"):
    """``effective_on`` is the first day without protection, also where that day was never opened."""

    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    protected_until: date


class RegistrationWithdrawn(Event, topic="registration.withdrawn"):
    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    withdrawn_because: str


class ProtectionEnded(Event, topic="registration.protection_ended"):
    """The customer named another agent itself; the claim stands, its protection does not."""

    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    protected_until: date | None = None
    named_agent: AgentId


class RegistrationLost(Event, topic="registration.lost"):
    """The deal was won, by another agent's registration."""

    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    lost_to: AgentId


class DealWon(Event, topic="deal.won"):
    """``agent`` is whose registration won."""

    customer: CustomerId
    deal: DealId
    agent: AgentId


class DealLost(Event, topic="deal.lost"):
    """The deal as registered by ``agent``; where several registrations stood, there is one event for each."""

    customer: CustomerId
    deal: DealId
    agent: AgentId
    lost_because: str


RegistrationEvent = (
    RegistrationApproved
    | RegistrationRejected
    | RegistrationExtended
    | RegistrationExpired
    | RegistrationWithdrawn
    | RegistrationLost
    | ProtectionEnded
)
DealEvent = DealRegistered | DealContested | SelfReferralOpened | RegistrationEvent | DealWon | DealLost

# -- commands


class RegisterDeal(Command, do="register_deal"):
    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    products: Annotated[tuple[ProductId, ...], Field(max_length=100)] = ()
    scope: Words = ""
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((customer_stream(self.customer),), (agent_stream(self.agent), vendor_stream(self.vendor)))


class OpenSelfReferral(Command, do="open_self_referral"):
    """Given with evidence: the letter or agreement by which the customer names its agent of record."""

    customer: CustomerId
    deal: DealId
    agent: AgentId
    vendor: VendorId
    products: Annotated[tuple[ProductId, ...], Field(max_length=100)] = ()
    scope: Words = ""
    basis: Basis = "letter"
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((customer_stream(self.customer),), (agent_stream(self.agent), vendor_stream(self.vendor)))


class ApproveRegistration(Command, do="approve_registration"):
    customer: CustomerId
    deal: DealId
    agent: AgentId

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams(
            (customer_stream(self.customer),),
            (agent_stream(self.agent), *_vendor_streams(self.customer, self.deal, self.agent, known)),
        )


class RejectRegistration(Command, do="reject_registration"):
    customer: CustomerId
    deal: DealId
    agent: AgentId
    rejected_because: Because

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((customer_stream(self.customer),))


class ExtendRegistration(Command, do="extend_registration"):
    """``until`` is the new last protected day; by default the vendor's protection days after the present one."""

    customer: CustomerId
    deal: DealId
    agent: AgentId
    extended_because: Because
    until: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        vendors = _vendor_streams(self.customer, self.deal, self.agent, known)
        return Streams((customer_stream(self.customer),), vendors)


class ExpireRegistration(Command, do="expire_registration"):
    """Given by the scheduler once the last protected day has passed; nothing happens where that is no longer so."""

    customer: CustomerId
    deal: DealId
    agent: AgentId

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((customer_stream(self.customer),))


class WithdrawRegistration(Command, do="withdraw_registration"):
    customer: CustomerId
    deal: DealId
    agent: AgentId
    withdrawn_because: Because

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((customer_stream(self.customer),))


class WinDeal(Command, do="win_deal"):
    """``agent`` is whose registration won; by default whom the customer named, the approved one, or the only one."""

    customer: CustomerId
    deal: DealId
    agent: AgentId | None = None
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((customer_stream(self.customer),))


class LoseDeal(Command, do="lose_deal"):
    """The deal is lost for every registration that stands."""

    customer: CustomerId
    deal: DealId
    lost_because: Because
    effective_on: date | None = None

    def streams(self, known: Mapping[str, Any]) -> Streams:
        return Streams((customer_stream(self.customer),))


RegistrationCommand = ApproveRegistration | RejectRegistration | ExtendRegistration | WithdrawRegistration
DealCommand = RegisterDeal | OpenSelfReferral | RegistrationCommand | ExpireRegistration | WinDeal | LoseDeal


def _vendor_streams(customer_id: str, deal: str, agent: str, known: Mapping[str, Any]) -> tuple[str, ...]:
    """The vendor with whom an agent's registration is, as far as that is known."""
    customer: CustomerState | None = known.get(customer_stream(customer_id))
    found = customer.deals[deal].of(agent) if customer is not None and deal in customer.deals else None
    return (vendor_stream(found.vendor),) if found else ()


# -- refusals


class DealAlreadyRegistered(Refused):
    """An agent registers a deal once, while its registration stands."""


class DealUnknown(Refused):
    """Only a registered deal is decided, won or lost."""


class DealClosed(Refused):
    """A deal is won or lost once, and is not registered after that."""


class NoRegistrationStands(Refused):
    """Only a registration that stands is approved, rejected, extended, withdrawn, won or lost."""


class RegistrationAlreadyDecided(Refused):
    """A registration is approved or rejected once."""


class DealProtected(Refused):
    """While one registration of a deal is protected, no other with the same vendor is approved or wins."""


class AgentNamedByCustomer(Refused):
    """Once the customer named its agent of record for a deal, no other registration is approved or wins."""


class NotProtected(Refused):
    """Only a protected registration is extended."""


class ExtensionWrong(Refused):
    """An extension ends later than the protection, by no more than the protection days of the vendor's agreement."""


class WinnerUnclear(Refused):
    """Where several registrations stand, one must be approved or be named as the winner."""


class DecidedByClaimant(Refused):
    """Who belongs to an agent that claims a deal does not decide on the claims of that deal."""


class SelfReferralUnevidenced(Refused):
    """A self-referral stands on a letter or an agreement that the customer signed."""


# -- state

Status = Literal["registered", "approved", "self-referral", "rejected", "expired", "withdrawn", "won", "lost"]
STANDING: frozenset[Status] = frozenset({"registered", "approved", "self-referral"})
"""A registration that stands may still win."""


@dataclass(frozen=True, slots=True)
class Registration:
    """``since`` is the day from which the status holds; ``protected_until`` is kept when the protection is over."""

    agent: str
    vendor: str
    registered_on: date
    since: date
    status: Status = "registered"
    protected_until: date | None = None

    @property
    def stands(self) -> bool:
        return self.status in STANDING

    @property
    def protected(self) -> bool:
        return self.status == "approved" and self.protected_until is not None

    def as_claim(self) -> StandingClaim:
        return StandingClaim(
            agent=self.agent,
            vendor=self.vendor,
            registered_on=self.registered_on,
            protected_until=self.protected_until if self.protected else None,
        )


@dataclass(frozen=True, slots=True)
class Deal:
    """``registrations`` are in order of arrival; those that ended stay."""

    registrations: tuple[Registration, ...] = ()
    outcome: Literal["open", "won", "lost"] = "open"

    @property
    def standing(self) -> tuple[Registration, ...]:
        return tuple(registration for registration in self.registrations if registration.stands)

    def of(self, agent: str) -> Registration | None:
        """The agent's last registration: only the last one may stand."""
        return next((r for r in reversed(self.registrations) if r.agent == agent), None)


EMPTY = Deal()


class CustomerState(Protocol):
    """What is to be known of a customer here; ``domain.customer`` folds it."""

    @property
    def deals(self) -> Mapping[str, Deal]: ...


def evolve(deal: Deal, event: DealEvent) -> Deal:
    on = event.effective_on
    match event:
        case DealRegistered():
            new = Registration(event.agent, event.vendor, registered_on=on, since=on)
            return replace(deal, registrations=(*deal.registrations, new))
        case SelfReferralOpened():
            earlier = deal.of(event.agent)
            if earlier is None or not earlier.stands:
                new = Registration(event.agent, event.vendor, registered_on=on, since=on)
                deal = replace(deal, registrations=(*deal.registrations, new))
            return _now(deal, event.agent, status="self-referral", vendor=event.vendor, since=on, protected_until=None)
        case DealContested():
            return deal
        case RegistrationApproved():
            return _now(deal, event.agent, status="approved", since=on, protected_until=event.protected_until)
        case RegistrationExtended():
            return _now(deal, event.agent, protected_until=event.protected_until)
        case ProtectionEnded():
            return _now(deal, event.agent, status="registered", since=on, protected_until=None)
        case RegistrationRejected():
            return _now(deal, event.agent, status="rejected", since=on)
        case RegistrationExpired():
            return _now(deal, event.agent, status="expired", since=on)
        case RegistrationWithdrawn():
            return _now(deal, event.agent, status="withdrawn", since=on)
        case RegistrationLost() | DealWon() | DealLost():
            return _closed(deal, event)
        case _:
            assert_never(event)


def _closed(deal: Deal, event: RegistrationLost | DealWon | DealLost) -> Deal:
    outcome: Literal["won", "lost"] = "won" if isinstance(event, DealWon) else "lost"
    closed = _now(deal, event.agent, status=outcome, since=event.effective_on)
    return closed if isinstance(event, RegistrationLost) else replace(closed, outcome=outcome)


def _now(deal: Deal, agent: str, **changes: Any) -> Deal:
    """The deal in which the agent's last registration has changed, in its place in the order of arrival."""
    at = max((n for n, registration in enumerate(deal.registrations) if registration.agent == agent), default=None)
    if at is None:
        return deal
    changed = replace(deal.registrations[at], **changes)
    return replace(deal, registrations=(*deal.registrations[:at], changed, *deal.registrations[at + 1 :]))


def days_after(day: date, days: int) -> date:
    """The day so many days later, or the last day that there is."""
    return date.fromordinal(min(day.toordinal() + days, date.max.toordinal()))


# -- decisions


def decide(deal: Deal, command: DealCommand, context: Context) -> list[DealEvent]:
    """What a command means for one deal; that its customer is onboarded ``domain.customer`` has asked before."""
    # the calendar goes before whatever is decided now: the scheduler may not have come to it yet
    expired = _expired(deal, command, context)
    for event in expired:
        deal = evolve(deal, event)
    return [*expired, *_decide(deal, command, context)]


def _expired(deal: Deal, command: DealCommand, context: Context) -> list[RegistrationExpired]:
    """The registrations of the deal whose last protected day has passed."""
    return [
        RegistrationExpired(
            customer=command.customer,
            deal=command.deal,
            agent=registration.agent,
            vendor=registration.vendor,
            protected_until=registration.protected_until,
            effective_on=days_after(registration.protected_until, 1),
        )
        for registration in deal.registrations
        if registration.status == "approved"
        and registration.protected_until is not None
        and registration.protected_until < context.today
        and not (isinstance(command, ExpireRegistration) and command.agent != registration.agent)
    ]


def _decide(deal: Deal, command: DealCommand, context: Context) -> list[DealEvent]:
    match command:
        case RegisterDeal():
            return _register(deal, command, context)
        case OpenSelfReferral():
            return _self_referral(deal, command, context)
        case ExpireRegistration():
            return []
        case WinDeal():
            return _win(deal, command, context)
        case LoseDeal():
            return _lose(deal, command, context)
        case ApproveRegistration() | RejectRegistration() | ExtendRegistration() | WithdrawRegistration():
            return [_decide_registration(deal, command, context)]
        case _:
            assert_never(command)


def _register(deal: Deal, command: RegisterDeal, context: Context) -> list[DealEvent]:
    effective_on = command.effective_on or context.today
    active(context.state(agent_stream(command.agent)), command.agent, effective_on)
    contracted(context.state(vendor_stream(command.vendor)), command.vendor)
    _not_closed(deal, command.deal)
    own = deal.of(command.agent)
    if own is not None and own.stands:
        raise DealAlreadyRegistered(
            f"deal {command.deal} is registered by {command.agent} already, since {own.registered_on}; "
            "withdraw that registration to make another"
        )
    registered = DealRegistered(
        customer=command.customer,
        deal=command.deal,
        agent=command.agent,
        vendor=command.vendor,
        products=command.products,
        scope=command.scope,
        effective_on=effective_on,
    )
    if not deal.standing:
        return [registered]
    contested = DealContested(
        customer=command.customer,
        deal=command.deal,
        agent=command.agent,
        vendor=command.vendor,
        earlier=tuple(registration.as_claim() for registration in deal.standing),
        effective_on=effective_on,
    )
    return [registered, contested]


def _self_referral(deal: Deal, command: OpenSelfReferral, context: Context) -> list[DealEvent]:
    effective_on = command.effective_on or context.today
    active(context.state(agent_stream(command.agent)), command.agent, effective_on)
    contracted(context.state(vendor_stream(command.vendor)), command.vendor)
    _not_closed(deal, command.deal)
    _not_by_claimant(deal, command.deal, context, also=command.agent)
    if context.evidence is None:
        raise SelfReferralUnevidenced(
            f"deal {command.deal} is opened by {command.customer} on its own word; add evidence: "
            "{signer: the customer, signed_on: a date}"
        )
    if (named := _named(deal)) is not None:
        raise AgentNamedByCustomer(
            f"{command.customer} named {named.agent} for deal {command.deal} on {named.since}; "
            "withdraw that registration first"
        )
    rivals = [registration for registration in deal.standing if registration.agent != command.agent]
    opened = SelfReferralOpened(
        customer=command.customer,
        deal=command.deal,
        agent=command.agent,
        vendor=command.vendor,
        products=command.products,
        scope=command.scope,
        basis=command.basis,
        letter=context.evidence,
        rivals=tuple(rival.as_claim() for rival in rivals),
        effective_on=effective_on,
    )
    ended = [
        ProtectionEnded(
            customer=command.customer,
            deal=command.deal,
            agent=rival.agent,
            vendor=rival.vendor,
            protected_until=rival.protected_until,
            named_agent=command.agent,
            effective_on=effective_on,
        )
        for rival in rivals
        if rival.status == "approved"
    ]
    return [opened, *ended]


def _decide_registration(deal: Deal, command: RegistrationCommand, context: Context) -> RegistrationEvent:
    _not_closed(deal, command.deal)
    registration = _standing(deal, command.deal, command.agent)
    whose: dict[str, Any] = {
        "customer": command.customer,
        "deal": command.deal,
        "agent": command.agent,
        "vendor": registration.vendor,
        "effective_on": context.today,
    }
    match command:
        case ApproveRegistration():
            _not_by_claimant(deal, command.deal, context)
            active(context.state(agent_stream(command.agent)), command.agent, context.today)
            _undecided(registration, command.deal)
            _unprotected(deal, command.deal, registration, context.today)
            days = _protection_days(registration, context)
            until = days_after(context.today, days) if days else None
            return RegistrationApproved(**whose, protection_days=days, protected_until=until)
        case RejectRegistration():
            _not_by_claimant(deal, command.deal, context)
            _undecided(registration, command.deal)
            return RegistrationRejected(**whose, rejected_because=command.rejected_because)
        case ExtendRegistration():
            _not_by_claimant(deal, command.deal, context)
            former, until = _extension(registration, command, context)
            return RegistrationExtended(
                **whose,
                protected_until=until,
                former_protected_until=former,
                extended_because=command.extended_because,
            )
        case WithdrawRegistration():
            _not_by_claimant(deal, command.deal, context, but=command.agent)
            return RegistrationWithdrawn(**whose, withdrawn_because=command.withdrawn_because)
        case _:
            assert_never(command)


def _win(deal: Deal, command: WinDeal, context: Context) -> list[DealEvent]:
    effective_on = command.effective_on or context.today
    _not_closed(deal, command.deal)
    winner = _winner(deal, command, effective_on)
    rivals = [registration for registration in deal.standing if registration.agent != winner.agent]
    _not_by_claimant(deal, command.deal, context, but=None if rivals else winner.agent)
    _unprotected(deal, command.deal, winner, effective_on)
    lost = [
        RegistrationLost(
            customer=command.customer,
            deal=command.deal,
            agent=rival.agent,
            vendor=rival.vendor,
            lost_to=winner.agent,
            effective_on=effective_on,
        )
        for rival in rivals
    ]
    won = DealWon(customer=command.customer, deal=command.deal, agent=winner.agent, effective_on=effective_on)
    return [won, *lost]


def _winner(deal: Deal, command: WinDeal, effective_on: date) -> Registration:
    if command.agent is not None:
        own = deal.of(command.agent)
        if own is not None and own.status == "expired" and effective_on < own.since:
            return own  # won while it was protected, and learned afterwards
        return _standing(deal, command.deal, command.agent)
    standing = deal.standing
    if not standing:
        raise _none_stands(deal, command.deal)
    preferred = [registration for registration in standing if registration.status != "registered"]
    for only in (preferred, standing):
        if len(only) == 1:
            return only[0]
    raise WinnerUnclear(
        f"deal {command.deal} is registered by {', '.join(r.agent for r in standing)}; say which agent won it"
    )


def _lose(deal: Deal, command: LoseDeal, context: Context) -> list[DealEvent]:
    _not_closed(deal, command.deal)
    standing = deal.standing
    if not standing:
        raise _none_stands(deal, command.deal)
    _not_by_claimant(deal, command.deal, context, but=standing[0].agent if len(standing) == 1 else None)
    return [
        DealLost(
            customer=command.customer,
            deal=command.deal,
            agent=registration.agent,
            lost_because=command.lost_because,
            effective_on=command.effective_on or context.today,
        )
        for registration in standing
    ]


def _extension(registration: Registration, command: ExtendRegistration, context: Context) -> tuple[date, date]:
    """The last protected day before the extension, and after it. Raises NotProtected, ExtensionWrong."""
    former = registration.protected_until
    if registration.status != "approved" or former is None:
        raise NotProtected(
            f"the registration of deal {command.deal} by {command.agent} is not protected; approve it first"
        )
    latest = days_after(former, _protection_days(registration, context))
    until = command.until or latest
    if not former < until <= latest:
        raise ExtensionWrong(
            f"the registration of deal {command.deal} by {command.agent} is protected until {former}, and "
            f"{registration.vendor}'s agreement extends it until {latest} at the latest, not until {until}"
        )
    return former, until


def _protection_days(registration: Registration, context: Context) -> int:
    vendor = contracted(context.state(vendor_stream(registration.vendor)), registration.vendor)
    return vendor.terms.protection_days


def _not_closed(deal: Deal, deal_id: str) -> None:
    if deal.outcome != "open":
        raise DealClosed(f"deal {deal_id} is {deal.outcome} already")


def _named(deal: Deal) -> Registration | None:
    """The registration of the agent whom the customer itself named."""
    return next((registration for registration in deal.standing if registration.status == "self-referral"), None)


def _standing(deal: Deal, deal_id: str, agent: str) -> Registration:
    own = deal.of(agent)
    if own is not None and own.stands:
        return own
    if own is None and deal.registrations:
        raise NoRegistrationStands(f"deal {deal_id} is not registered by {agent}; register it first")
    raise _none_stands(replace(deal, registrations=(own,) if own else ()), deal_id)


def _none_stands(deal: Deal, deal_id: str) -> Refused:
    if not deal.registrations:
        return DealUnknown(f"deal {deal_id} is not registered; register it first")
    last = deal.registrations[-1]
    return NoRegistrationStands(
        f"the registration of deal {deal_id} by {last.agent} is {last.status} since {last.since}; register it again"
    )


def _undecided(registration: Registration, deal_id: str) -> None:
    if registration.status == "registered":
        return
    until = f", protected until {registration.protected_until}" if registration.protected else ""
    is_ = f"approved already{until}" if registration.status == "approved" else "the customer's own self-referral"
    raise RegistrationAlreadyDecided(
        f"the registration of deal {deal_id} by {registration.agent} is {is_}; withdraw it to end it"
    )


def _unprotected(deal: Deal, deal_id: str, registration: Registration, on: date) -> None:
    """Raises where another registration keeps this one from being approved or won on a day."""
    named = _named(deal)
    if named is not None and named.agent != registration.agent:
        raise AgentNamedByCustomer(
            f"the customer opened deal {deal_id} itself and named {named.agent} on {named.since}; "
            "no other registration is approved or wins"
        )
    for rival in deal.standing:
        same = rival.vendor == registration.vendor and rival.agent != registration.agent
        if same and rival.protected and rival.since <= on:
            raise DealProtected(
                f"deal {deal_id} is protected for {rival.agent} with {rival.vendor} until {rival.protected_until}; "
                f"let that end before {registration.agent}'s registration"
            )


def _not_by_claimant(
    deal: Deal, deal_id: str, context: Context, *, but: str | None = None, also: str | None = None
) -> None:
    """An agent's principals are those that the agent itself vouches for: their issuer is the agent's id."""
    claimants = {also, *(registration.agent for registration in deal.registrations)} - {but}
    issuers = {principal.partition("/")[0] for principal in context.actor.principals}
    if interested := sorted(issuers & claimants):
        raise DecidedByClaimant(
            f"{context.actor.principal} is of {interested[0]}, which claims deal {deal_id}; let the house decide"
        )
