"""Why a plan version applied, in words: whom it is for, and by which term the item's contract came under it."""

from datetime import timedelta
from typing import assert_never

from domain import months
from domain.plan import (
    ORIGIN,
    AsContractsExpire,
    Cohort,
    FromRenewal,
    Retroactive,
    ServiceMonthsFrom,
    SignedOrRenewedFrom,
)
from domain.rating.facts import Term
from domain.rating.release_1.shares import Reach


def version_words(plan: str, number: int, position: int, reach: Reach) -> str:
    """The version, and why it applied."""
    return f"plan {plan} version {number} (position {position}), which applies to {reached(reach)}"


def reached(reach: Reach) -> str:
    """Why the version applied: whom it is for, by which term the item's contract came under it."""
    applies, term = reach.applies_to, reach.term
    since = months.text(months.number_of(applies.from_))
    match applies:
        case ServiceMonthsFrom():
            words = "every service month" if applies.from_ == ORIGIN else f"service months from {since}"
        case Retroactive():
            until = f" to before {months.text(months.number_of(applies.until))}" if applies.until else ""
            words = f"service months from {since}{until}, retroactively"
        case SignedOrRenewedFrom():
            words = f"contracts signed or renewed from {applies.from_}: {_begun(term)}"
        case FromRenewal():
            words = f"contracts as they renew from {applies.from_}: {_begun(term)}"
        case Cohort():
            until = f" to before {applies.cohort_until}" if applies.cohort_until else ""
            cohort = f"contracts {applies.contracts.replace('-', ' ')} from {applies.cohort_from}{until}"
            words = f"{cohort}, service months from {since}: {_begun(term)}"
        case AsContractsExpire():
            words = f"contracts as they expire, service months from {since}: {_over(applies, term)}"
        case _:
            assert_never(applies)
    if reach.reported:
        return f"{words}; reversals use the schedule of {months.text(reach.reported)}, when they were reported"
    return words


def _begun(term: Term | None) -> str:
    assert term is not None
    return f"this one {'renewed' if term.renewal else 'signed'} on {term.on} (position {term.position})"


def _over(applies: AsContractsExpire, term: Term | None) -> str:
    """By what a contract is past the term that it had before the version's date."""
    assert term is not None
    if term.on >= applies.from_:
        return _begun(term)
    if term.expires_on is None:
        return f"this one of {term.on} has no fixed term (position {term.position})"
    return f"the term of this one ended on {term.expires_on - timedelta(1)} (position {term.position})"
