"""Changes of the agent of record that wait: the customer may rescind them, the vendor may have to confirm them."""

from datetime import date
from typing import Any

import pytest
from pydantic import ValidationError

from domain.agent import AgentIsSuspended, SuspendAgent
from domain.agent_of_record import (
    AgentOfRecordChangeAccepted,
    AgentOfRecordChangeConfirmed,
    AgentOfRecordChanged,
    AgentOfRecordChangeDeclined,
    AgentOfRecordChangeProposed,
    AgentOfRecordChangeRejected,
    AgentOfRecordChangeRescinded,
    AgentOfRecordDesignated,
    ApproveAgentOfRecordChange,
    ChangeAgentOfRecord,
    ChangeAlreadyProposed,
    CloseRescissionWindow,
    ConfirmAgentOfRecordChange,
    DeclineAgentOfRecordChange,
    EvidenceMissing,
    LetterTooLate,
    NoChangeAccepted,
    RescindAgentOfRecordChange,
    RescissionWindow,
    RescissionWindowClosed,
    RescissionWindowIsClosed,
    RescissionWindowNotCounted,
    Weighted,
)
from domain.calendar import OpenDay
from domain.letter import AgentOfRecordLetterReceived, ReceiveAgentOfRecordLetter
from domain.message import Actor, SelfApproved
from domain.policies import Deadline, deadlines
from domain.succession import AnnounceSuccession, SucceedVendor
from domain.vendor import ContractVendor, VendorTerms
from tests.spec import AGENTS, ALDER_FOODS, ANN, BOB, DAY, PLAN, Steps, account, designated, given, letter, said

FEBRUARY, DECEMBER = date(2026, 2, 1), date(2025, 12, 1)
LAST_DAY, DAY_AFTER = date(2026, 1, 20), date(2026, 1, 21)
"""Ten business days after the house's first open day, 5 January: the 19th is a holiday."""
HARBOR, SUMMIT = (Weighted(agent="harbor"),), (Weighted(agent="summit"),)
WINDOW, CONFIRMS = VendorTerms(rescission_business_days=10), VendorTerms(confirms_agent_of_record=True)
BOTH = VendorTerms(rescission_business_days=10, confirms_agent_of_record=True)
WORD = letter(date(2026, 1, 4))
CUSTOMER_SAYS_NO = letter(date(2026, 1, 12))
VENDOR_SAYS = letter(date(2026, 1, 13), signer="lumen:desk")

CLOSE = CloseRescissionWindow(account="ACC-1")
RESCIND = RescindAgentOfRecordChange(account="ACC-1")
CONFIRM = ConfirmAgentOfRecordChange(account="ACC-1")
DECLINE = DeclineAgentOfRecordChange(account="ACC-1", declined_because="the signer is unknown")
APPROVE = ApproveAgentOfRecordChange(account="ACC-1")


def book(terms: VendorTerms) -> tuple[Steps, ...]:
    vendor = ContractVendor(vendor="lumen", terms=terms)
    return (vendor, ALDER_FOODS, PLAN, AGENTS, account(), designated("harbor", effective_on=date(2025, 11, 1)))


def window(until: date = LAST_DAY, accepted_on: date = DAY) -> tuple[RescissionWindow, ...]:
    return (RescissionWindow(vendor="lumen", accepted_on=accepted_on, until=until),)


def change(effective_on: date = FEBRUARY) -> ChangeAgentOfRecord:
    return ChangeAgentOfRecord(account="ACC-1", agents=SUMMIT, effective_on=effective_on, rescission_windows=window())


def accepted(
    until: date | None = LAST_DAY, confirmed_by: str | None = None, on: date = FEBRUARY
) -> AgentOfRecordChangeAccepted:
    return AgentOfRecordChangeAccepted(
        account="ACC-1",
        agents=SUMMIT,
        present_agents=HARBOR,
        letter=WORD,
        proposed_by=Actor(subject=ANN),
        rescindable_until=until,
        confirmed_by=confirmed_by,
        effective_on=on,
    )


CHANGED = AgentOfRecordChanged(
    account="ACC-1",
    agents=SUMMIT,
    former_agents=HARBOR,
    letter=WORD,
    proposed_by=Actor(subject=ANN),
    effective_on=FEBRUARY,
)
CHANGE = said(change(), letter=WORD)

# -- a window


def test_a_change_waits_inside_the_window_of_the_vendors_terms() -> None:
    given(book(WINDOW)).when(change(), letter=WORD).then(accepted())


def test_without_such_terms_nothing_waits() -> None:
    given(book(VendorTerms())).when(change(), letter=WORD).then(CHANGED)


def test_a_first_designation_has_no_former_agent_and_waits_for_nobody() -> None:
    first = (ContractVendor(vendor="lumen", terms=BOTH), ALDER_FOODS, PLAN, AGENTS, account())
    step = designated("harbor")
    (event,) = given(first).when(step.command, letter=step.letter).events
    assert isinstance(event, AgentOfRecordDesignated)


def test_the_end_of_the_window_is_due_the_day_after_its_last_day() -> None:
    assert list(deadlines(accepted())) == [Deadline(DAY_AFTER, CLOSE)]
    assert list(deadlines(accepted(until=None, confirmed_by="lumen"))) == []


def test_a_window_is_counted_from_the_day_of_the_acceptance() -> None:
    given(book(WINDOW), OpenDay(date=date(2026, 1, 6))).when(change(), letter=WORD).then_refused(
        RescissionWindowNotCounted,
        "the rescission window of lumen is not counted from 2026-01-06; give the command again",
    )


def test_the_window_closes_after_its_last_day_and_the_change_is_effective_as_the_letter_said() -> None:
    house = given(book(WINDOW), CHANGE)
    house.given(OpenDay(date=LAST_DAY)).when(CLOSE).then()
    house.given(OpenDay(date=DAY_AFTER)).when(CLOSE).then(CHANGED).when(CLOSE).then()


def test_inside_the_window_the_customer_takes_its_word_back_and_the_former_agent_stays() -> None:
    house = given(book(WINDOW), CHANGE)
    house.given(OpenDay(date=LAST_DAY)).when(RESCIND, letter=CUSTOMER_SAYS_NO).then(
        AgentOfRecordChangeRescinded(
            account="ACC-1",
            agents=SUMMIT,
            present_agents=HARBOR,
            rescission=CUSTOMER_SAYS_NO,
            effective_on=LAST_DAY,
        )
    )
    house.given(OpenDay(date=DAY_AFTER)).when(CLOSE).then()
    house.when(RESCIND, letter=CUSTOMER_SAYS_NO).then_refused(
        NoChangeAccepted, "no change of the agent of record on ACC-1 is inside a rescission window"
    )


def test_a_rescission_is_the_customers_word_and_comes_in_time() -> None:
    house = given(book(WINDOW), CHANGE)
    house.when(RESCIND).then_refused(EvidenceMissing)
    house.given(OpenDay(date=DAY_AFTER)).when(RESCIND, letter=CUSTOMER_SAYS_NO).then_refused(
        RescissionWindowIsClosed,
        "the change on ACC-1 could be rescinded until 2026-01-20; with a new letter the customer names an agent of "
        "record anew",
    )


def test_while_a_change_waits_no_other_one_without_a_letter_of_its_own_begins() -> None:
    given(book(WINDOW), CHANGE).when(change(date(2026, 3, 1)), letter=WORD).then_refused(
        ChangeAlreadyProposed, "a change on ACC-1 waits already; let it count, rescind or decline it first"
    )


def test_a_rescinded_change_may_be_wanted_again_and_the_old_deadline_is_moot() -> None:
    rescinded = said(RESCIND, letter=CUSTOMER_SAYS_NO)
    again = ChangeAgentOfRecord(
        account="ACC-1",
        agents=SUMMIT,
        effective_on=FEBRUARY,
        rescission_windows=window(date(2026, 2, 2), LAST_DAY),
    )
    house = given(book(WINDOW), CHANGE, rescinded, said(again, letter=WORD, on=LAST_DAY))
    house.given(OpenDay(date=DAY_AFTER)).when(CLOSE).then()
    assert isinstance(house.given(OpenDay(date=date(2026, 2, 3))).when(CLOSE).events[0], AgentOfRecordChanged)


def test_approval_comes_first_and_the_window_runs_from_it() -> None:
    """The change reaches back into December."""
    house = given(book(WINDOW))
    (proposed,) = house.when(change(DECEMBER), letter=WORD).events
    assert isinstance(proposed, AgentOfRecordChangeProposed)
    house.when(RESCIND, letter=CUSTOMER_SAYS_NO).then_refused(NoChangeAccepted)
    house.given(OpenDay(date=LAST_DAY))
    approve = ApproveAgentOfRecordChange(
        account="ACC-1", rescission_windows=window(until=date(2026, 2, 2), accepted_on=LAST_DAY)
    )
    house.when(approve, by=BOB).then(accepted(until=date(2026, 2, 2), on=DECEMBER))


def test_nobody_who_is_suspended_when_it_is_approved_is_named() -> None:
    suspended = SuspendAgent(agent="summit", suspended_because="a complaint")
    house = given(book(WINDOW), said(change(DECEMBER), letter=WORD), suspended)
    house.when(APPROVE, by=BOB).then_refused(AgentIsSuspended)


def test_who_was_in_good_standing_when_the_house_accepted_keeps_what_the_letter_names() -> None:
    suspended = SuspendAgent(agent="summit", suspended_because="a complaint")
    given(book(WINDOW), CHANGE, suspended, OpenDay(date=DAY_AFTER)).when(CLOSE).then(CHANGED)


# -- the vendor's answer


def confirmed(on: date = DAY) -> AgentOfRecordChangeConfirmed:
    return AgentOfRecordChangeConfirmed(account="ACC-1", agents=SUMMIT, vendor="lumen", effective_on=on)


def declined(had_changed: bool) -> AgentOfRecordChangeDeclined:
    return AgentOfRecordChangeDeclined(
        account="ACC-1",
        agents=SUMMIT,
        former_agents=HARBOR,
        vendor="lumen",
        changed_on=FEBRUARY,
        had_changed=had_changed,
        declined_because="the signer is unknown",
        effective_on=DAY,
    )


def test_where_the_vendor_confirms_a_change_counts_once_it_has() -> None:
    house = given(book(CONFIRMS))
    house.when(change(), letter=WORD).then(accepted(until=None, confirmed_by="lumen"))
    house.when(CONFIRM).then(confirmed(), CHANGED)
    house.when(CONFIRM).then_refused(
        NoChangeAccepted, "no accepted change of the agent of record on ACC-1 is without the vendor's answer"
    )


def test_a_vendor_that_declines_leaves_the_former_agent() -> None:
    house = given(book(CONFIRMS), CHANGE)
    house.when(DECLINE).then(declined(had_changed=False))
    house.when(CONFIRM).then_refused(NoChangeAccepted)


def test_with_both_the_confirmation_may_come_inside_the_window_and_the_change_counts_after_it() -> None:
    house = given(book(BOTH), CHANGE)
    house.when(CONFIRM).then(confirmed())
    house.when(CONFIRM).then_refused(NoChangeAccepted)
    house.given(OpenDay(date=DAY_AFTER)).when(CLOSE).then(CHANGED)


def test_with_both_the_change_waits_for_the_confirmation_after_the_window() -> None:
    house = given(book(BOTH), CHANGE)
    house.given(OpenDay(date=DAY_AFTER)).when(CLOSE).then(
        RescissionWindowClosed(
            account="ACC-1", agents=SUMMIT, confirmed_by="lumen", changes_on=FEBRUARY, effective_on=DAY_AFTER
        )
    )
    house.when(RESCIND, letter=CUSTOMER_SAYS_NO).then_refused(RescissionWindowIsClosed)
    house.when(CONFIRM).then(confirmed(on=DAY_AFTER), CHANGED)


def test_a_confirmation_that_nothing_waits_for_is_noted_on_its_day() -> None:
    on = date(2026, 1, 2)
    house = given(book(VendorTerms()), CHANGE)
    house.when(ConfirmAgentOfRecordChange(account="ACC-1", effective_on=on)).then(confirmed(on))
    house.when(DECLINE, by=BOB, letter=VENDOR_SAYS).then_refused(NoChangeAccepted)


def test_a_change_that_counts_already_is_undone_on_the_vendors_word_by_another_principal() -> None:
    house = given(book(VendorTerms()), CHANGE)
    house.when(DECLINE, by=BOB).then_refused(EvidenceMissing)
    house.when(DECLINE, by=ANN, letter=VENDOR_SAYS).then_refused(SelfApproved)
    house.when(DECLINE, by=BOB, letter=VENDOR_SAYS).then(declined(had_changed=True))
    house.when(change(), letter=WORD).then(CHANGED)


# -- terms


def test_a_window_is_counted_in_business_days_or_in_calendar_days() -> None:
    both = VendorTerms(rescission_business_days=10, rescission_calendar_days=5)
    with pytest.raises(ValidationError, match="in business days or in calendar days, not in both"):
        ContractVendor(vendor="lumen", terms=both)
    with pytest.raises(ValidationError):
        VendorTerms(rescission_holidays="New York")


def test_where_the_vendor_asks_for_notice_a_letter_comes_in_time() -> None:
    """From the open day, 5 January, it is 27 days to February."""
    in_time, late = VendorTerms(agent_of_record_notice_days=26), VendorTerms(agent_of_record_notice_days=27)
    given(book(in_time)).when(change(), letter=WORD).then(CHANGED)
    given(book(late)).when(change(), letter=WORD).then_refused(
        LetterTooLate,
        "the letter came on 2026-01-05, not more than 27 days before 2026-02-01, as lumen asks; name a later month",
    )


def test_a_letter_that_comes_too_late_is_kept_and_not_accepted() -> None:
    late = VendorTerms(agent_of_record_notice_days=27)
    named = ReceiveAgentOfRecordLetter(
        letter_id="L-1",
        customer="alder-foods",
        accounts=("ACC-1",),
        agents=SUMMIT,
        effective_on=FEBRUARY,
        signer=WORD.signer,
        signed_on=WORD.signed_on,
    )
    kept, rejected = given(book(late)).when(named).events
    assert isinstance(kept, AgentOfRecordLetterReceived)
    assert rejected == AgentOfRecordChangeRejected(
        account="ACC-1",
        agents=SUMMIT,
        present_agents=HARBOR,
        letter_id="L-1",
        rejected_because="the letter came on 2026-01-05, not more than 27 days before 2026-02-01, as lumen asks",
        effective_on=DAY,
    )


def test_after_a_succession_the_terms_of_the_vendor_that_pays_now_hold() -> None:
    """Zito took the account over, and zito confirms changes; Lumen's window is no longer its matter."""
    zito = ContractVendor(vendor="zito", terms=CONFIRMS)
    sold: dict[str, Any] = {"vendor": "lumen", "successor": "zito", "effective_on": date(2026, 1, 1)}
    announced = AnnounceSuccession(**sold, accounts=("ACC-1",), other_numbers="kept")
    house = given(book(WINDOW), zito, announced, SucceedVendor(**sold, account="ACC-1"))
    house.when(change(), letter=WORD).then(accepted(until=None, confirmed_by="zito"))
