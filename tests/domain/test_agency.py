"""The agency of record of an account: lost and won back on the vendor's word, by four eyes where it reaches back."""

from datetime import date

import pytest
from pydantic import ValidationError

from domain.account import AccountUnknown
from domain.agency import (
    AgencyChangeAlreadyProposed,
    AgencyOfRecordChangeProposed,
    AgencyOfRecordChangeRejected,
    AgencyOfRecordLost,
    AgencyOfRecordRegained,
    AgencyOfRecordUnchanged,
    ApproveAgencyOfRecordChange,
    LoseAgencyOfRecord,
    NoAgencyChangeProposed,
    RejectAgencyOfRecordChange,
    WinBackAgencyOfRecord,
)
from domain.agent import NotFirstOfMonth
from domain.agent_of_record import EvidenceMissing
from domain.message import Actor, SelfApproved
from tests.spec import ALDER_FOODS, ANN, BOB, DAY, LUMEN, Step, account, given, letter, said

BOOK = (LUMEN, ALDER_FOODS, account(), account("ACC-2", "5-2"))
WORD = letter(date(2026, 1, 3), signer="vendor:lumen")
DECEMBER, JANUARY, FEBRUARY, MARCH, APRIL = (
    date(2025, 12, 1),
    date(2026, 1, 1),
    date(2026, 2, 1),
    date(2026, 3, 1),
    date(2026, 4, 1),
)


def lose(effective_on: date = FEBRUARY, agency: str = "brightstar", *accounts: str) -> LoseAgencyOfRecord:
    return LoseAgencyOfRecord(accounts=accounts or ("ACC-1",), agency=agency, effective_on=effective_on)


def win_back(effective_on: date = MARCH) -> WinBackAgencyOfRecord:
    return WinBackAgencyOfRecord(accounts=("ACC-1",), effective_on=effective_on)


def on_word(command: LoseAgencyOfRecord | WinBackAgencyOfRecord) -> Step:
    return said(command, letter=WORD)


APPROVE = ApproveAgencyOfRecordChange(accounts=("ACC-1",))


def test_the_agency_is_lost_to_another_house_on_the_vendors_word() -> None:
    given(BOOK).when(lose(), letter=WORD).then(
        AgencyOfRecordLost(account="ACC-1", agency="brightstar", letter=WORD, effective_on=FEBRUARY)
    )


def test_a_change_without_the_vendors_word_is_refused() -> None:
    given(BOOK).when(lose()).then_refused(
        EvidenceMissing,
        "the agency of record on ACC-1 changes on the vendor's word; add evidence: "
        "{signer: the vendor, signed_on: a date}",
    )


def test_the_agency_changes_from_the_first_of_a_month_and_of_an_account_that_is_open() -> None:
    given(BOOK).when(lose(date(2026, 2, 2)), letter=WORD).then_refused(NotFirstOfMonth)
    given(LUMEN, ALDER_FOODS).when(lose(), letter=WORD).then_refused(AccountUnknown)


def test_the_agency_is_won_back_from_a_later_month() -> None:
    given(BOOK, on_word(lose())).when(win_back(), letter=WORD).then(
        AgencyOfRecordRegained(account="ACC-1", former_agency="brightstar", letter=WORD, effective_on=MARCH)
    )


def test_what_is_not_anothers_is_not_won_back_and_what_is_anothers_is_not_lost_to_it_again() -> None:
    given(BOOK).when(win_back(), letter=WORD).then_refused(
        AgencyOfRecordUnchanged, "the agency of record on ACC-1 from 2026-03-01 is this house already"
    )
    given(BOOK, on_word(lose())).when(lose(MARCH), letter=WORD).then_refused(
        AgencyOfRecordUnchanged, "the agency of record on ACC-1 from 2026-03-01 is brightstar already"
    )


def test_a_later_word_corrects_an_earlier_month_and_leaves_what_holds_after_it() -> None:
    """Lost from March, won back from April; then it turns out that it was lost from February on."""
    house = given(BOOK, on_word(lose(MARCH)), on_word(win_back(APRIL)))
    house.when(lose(FEBRUARY), letter=WORD).then(
        AgencyOfRecordLost(account="ACC-1", agency="brightstar", letter=WORD, effective_on=FEBRUARY)
    )
    house.when(win_back(APRIL), letter=WORD).then_refused(AgencyOfRecordUnchanged)


def test_what_was_lost_is_won_back_from_the_same_month_as_if_it_had_never_been_lost() -> None:
    given(BOOK, on_word(lose(MARCH))).when(win_back(MARCH), letter=WORD).then(
        AgencyOfRecordRegained(account="ACC-1", former_agency="brightstar", letter=WORD, effective_on=MARCH)
    )


def test_a_change_of_the_present_month_is_recorded_at_once_and_one_of_an_earlier_month_waits() -> None:
    assert isinstance(given(BOOK).when(lose(JANUARY), letter=WORD).events[0], AgencyOfRecordLost)
    given(BOOK).when(lose(DECEMBER), letter=WORD).then(
        AgencyOfRecordChangeProposed(
            account="ACC-1", agency="brightstar", letter=WORD, proposed_by=Actor(subject=ANN), effective_on=DECEMBER
        )
    )


def test_a_change_that_reaches_back_is_approved_by_a_second_principal() -> None:
    house = given(BOOK, on_word(lose(DECEMBER)))
    house.when(APPROVE, by=ANN).then_refused(SelfApproved)
    house.when(APPROVE, by=BOB).then(
        AgencyOfRecordLost(account="ACC-1", agency="brightstar", letter=WORD, effective_on=DECEMBER)
    )
    house.when(APPROVE, by=BOB).then_refused(NoAgencyChangeProposed)


def test_a_proposed_change_is_rejected_with_a_reason() -> None:
    reject = RejectAgencyOfRecordChange(accounts=("ACC-1",), rejected_because="another account was meant")
    given(BOOK, on_word(lose(DECEMBER))).when(reject).then(
        AgencyOfRecordChangeRejected(
            account="ACC-1", agency="brightstar", rejected_because="another account was meant", effective_on=DAY
        )
    ).when(reject).then_refused(NoAgencyChangeProposed)


def test_one_change_at_a_time_waits_for_approval() -> None:
    given(BOOK, on_word(lose(DECEMBER))).when(lose(FEBRUARY, "zenith"), letter=WORD).then_refused(
        AgencyChangeAlreadyProposed
    )


def test_several_accounts_move_with_one_letter_all_or_none() -> None:
    both = lose(FEBRUARY, "brightstar", "ACC-2", "ACC-1")
    given(BOOK).when(both, letter=WORD).then(
        *(
            AgencyOfRecordLost(account=name, agency="brightstar", letter=WORD, effective_on=FEBRUARY)
            for name in ("ACC-1", "ACC-2")
        )
    )
    given(BOOK, on_word(lose())).when(both, letter=WORD).then_refused(AgencyOfRecordUnchanged)


def test_a_command_may_name_one_account_and_names_at_least_one() -> None:
    one = LoseAgencyOfRecord.model_validate({"account": "ACC-1", "agency": "brightstar", "effective_on": "2026-02-01"})
    assert one == lose()
    with pytest.raises(ValidationError):
        LoseAgencyOfRecord(accounts=(), agency="brightstar", effective_on=FEBRUARY)
