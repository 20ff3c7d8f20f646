"""How a customer's events and those of its deals are told.

The deal's and the customer's own trail name every agent. An agent and a vendor read of their own registrations, with
scope and products, and of a rival only that its claim stands before or after theirs, or won: never whose it is.
"""

from collections.abc import Sequence
from typing import assert_never

from domain.customer import CustomerEvent, CustomerOnboarded
from domain.deal import (
    DealContested,
    DealEvent,
    DealLost,
    DealRegistered,
    DealWon,
    ProtectionEnded,
    RegistrationApproved,
    RegistrationEvent,
    RegistrationExpired,
    RegistrationExtended,
    RegistrationLost,
    RegistrationRejected,
    RegistrationWithdrawn,
    SelfReferralOpened,
    StandingClaim,
)
from domain.ids import agent_stream, customer_stream, vendor_stream
from domain.words import counted
from projections.audit_trail.words import Writer, and_, deal_participant, free_text, listed

BASES = {"letter": "letter", "psa": "professional services agreement"}


def tell(event: CustomerEvent, to: Writer) -> None:
    match event:
        case CustomerOnboarded():
            to.tell(f"Customer {event.customer} was onboarded.", customer_stream(event.customer))
        case DealRegistered() | SelfReferralOpened():
            _tell_opened(event, to)
        case DealContested():
            _tell_contested(event, to)
        case DealWon() | DealLost():
            _tell_outcome(event, to)
        case RegistrationLost() | ProtectionEnded():
            _tell_beaten(event, to)
        case RegistrationExpired():
            sentence = f"{_registration(event)} expired; {event.protected_until} was its last protected day."
            to.tell(sentence, *_house_side(event), vendor_stream(event.vendor))
            to.tell_unsigned(sentence, agent_stream(event.agent))  # a rival's command may have brought it out
        case RegistrationApproved() | RegistrationRejected() | RegistrationExtended() | RegistrationWithdrawn():
            sentence = f"{_registration(event)} {_decided(event)}."
            to.tell(sentence, *_house_side(event), agent_stream(event.agent), vendor_stream(event.vendor))
        case _:
            assert_never(event)


def _tell_opened(event: DealRegistered | SelfReferralOpened, to: Writer) -> None:
    products = f" for {listed(event.products, 'product')}" if event.products else ""
    scope = f": {free_text(event.scope)}" if event.scope else ""
    what = f"{_deal(event)} with {event.vendor}"
    own = (*_house_side(event), agent_stream(event.agent), vendor_stream(event.vendor))
    if isinstance(event, DealRegistered):
        to.tell(f"{what} was registered by {event.agent}{products}{scope}.", *own)
    else:
        on = f"the {BASES[event.basis]} signed {event.letter.signed_on}"
        to.tell(
            f"{what} was opened by {event.customer} itself, which named {event.agent} agent of record on {on}"
            f"{products}{scope}.",
            *own,
        )
        for rival in event.rivals:
            to.tell_unsigned(
                f"{_deal(event)} was opened by {event.customer} itself, which named another agent of record; the "
                f"registration by {rival.agent} stands, but can no longer be approved or win.",
                agent_stream(rival.agent),
            )
    to.link(_registered_by(event), vendor_stream(event.vendor))


def _tell_contested(event: DealContested, to: Writer) -> None:
    earlier = counted(len(event.earlier), "earlier claim")
    stand = "stands" if len(event.earlier) == 1 else "stand"
    what = _registration(event)
    to.tell(f"{what} contests {_claims(event.earlier)}.", *_house_side(event))
    to.tell(f"{what}: {earlier} {stand} before it.", agent_stream(event.agent), vendor_stream(event.vendor))
    for claim in event.earlier:
        to.tell_unsigned(
            f"{_deal(event)}, registered by {claim.agent}, is contested: a rival claim stands after it.",
            agent_stream(claim.agent),
        )


def _tell_outcome(event: DealWon | DealLost, to: Writer) -> None:
    how = "won" if isinstance(event, DealWon) else f"lost: {free_text(event.lost_because)}"
    to.tell(
        f"{_deal(event)}, registered by {event.agent}, was {how}.",
        *(*_house_side(event), agent_stream(event.agent), *to.linked(_registered_by(event))),
    )


def _tell_beaten(event: RegistrationLost | ProtectionEnded, to: Writer) -> None:
    """What a rival won or the customer decided: the agent and its vendor are not told who the other one is."""
    match event:
        case RegistrationLost():
            what, rival, named = "was lost to", "a rival", event.lost_to
        case ProtectionEnded():
            until = f" (until {event.protected_until})" if event.protected_until else ""
            what = f"stands, but its approval{until} ended: the customer itself named"
            rival, named = "another agent of record", event.named_agent
        case _:
            assert_never(event)
    told = f"{_registration(event)} {what}"
    to.tell(f"{told} {named}.", *_house_side(event))
    to.tell(f"{told} {rival}.", agent_stream(event.agent), vendor_stream(event.vendor))


def _decided(
    event: RegistrationApproved | RegistrationRejected | RegistrationExtended | RegistrationWithdrawn,
) -> str:
    match event:
        case RegistrationApproved():
            if event.protected_until is None:
                return f"was approved; {event.vendor}'s agreement gives no protection"
            days = counted(event.protection_days, "day")
            return f"was approved and is protected for {days}, until {event.protected_until}"
        case RegistrationRejected():
            return f"was rejected: {free_text(event.rejected_because)}"
        case RegistrationExtended():
            return (
                f"was extended: protected until {event.protected_until} in place of {event.former_protected_until}, "
                f"{free_text(event.extended_because)}"
            )
        case RegistrationWithdrawn():
            return f"was withdrawn: {free_text(event.withdrawn_because)}"
        case _:
            assert_never(event)


def _claims(claims: Sequence[StandingClaim]) -> str:
    """``the claim of harbor with lumen, registered 2026-01-05 and protected until 2026-04-05``."""

    def claim(one: StandingClaim) -> str:
        protected = f" and protected until {one.protected_until}" if one.protected_until else ""
        return f"the claim of {one.agent} with {one.vendor}, registered {one.registered_on}{protected}"

    return and_(claim(one) for one in claims)


def _deal(event: DealEvent) -> str:
    return f"Deal {event.deal} of {event.customer}"


def _registration(event: RegistrationEvent | DealContested) -> str:
    return f"The registration of deal {event.deal} of {event.customer} with {event.vendor} by {event.agent}"


def _house_side(event: DealEvent) -> tuple[str, str]:
    """Who reads of every claim on the deal."""
    return deal_participant(event.customer, event.deal), customer_stream(event.customer)


def _registered_by(event: DealRegistered | SelfReferralOpened | DealWon | DealLost) -> str:
    """The subject under which it is known with which vendor an agent registered a deal."""
    return f"{deal_participant(event.customer, event.deal)} by {event.agent}"
