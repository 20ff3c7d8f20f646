"""Agent-of-record letters: kept while they are incomplete, and named on their accounts by what completes them."""

from datetime import date

import pytest

from domain.account import AccountUnknown
from domain.agent import AgentIsSuspended, SuspendAgent
from domain.agent_of_record import (
    AgentOfRecordChangeAccepted,
    AgentOfRecordChanged,
    AgentOfRecordChangeProposed,
    AgentOfRecordDesignated,
    ApproveAgentOfRecordChange,
    RescissionWindow,
    SeveralChangesWait,
    Weighted,
)
from domain.customer import CustomerUnknown, OnboardCustomer
from domain.letter import (
    AccountOfAnotherCustomer,
    AgentOfRecordLetterReceived,
    AgentOfRecordLetterSupplemented,
    CompleteAgentOfRecordLetter,
    LetterAlreadyReceived,
    LetterComplete,
    LetterSaysOtherwise,
    LetterUnknown,
    Part,
    ReceiveAgentOfRecordLetter,
    Stated,
)
from domain.message import Event, Evidence
from domain.vendor import ContractVendor, VendorTerms
from tests.spec import AGENTS, ALDER_FOODS, BOB, DAY, LUMEN, PLAN, account, designated, given, said

BOOK = (LUMEN, ALDER_FOODS, PLAN, AGENTS, account(), account("ACC-2", "5-2"))
JANUARY, FEBRUARY, DECEMBER = date(2026, 1, 1), date(2026, 2, 1), date(2025, 12, 1)
SIGNED = date(2025, 12, 28)
HARBOR = (Weighted(agent="harbor"),)
WORD = Evidence(signer="alder-foods:cfo", signed_on=SIGNED)
WHOLE = {
    "account": "ACC-1",
    "agent": "harbor",
    "effective_on": FEBRUARY,
    "signer": "alder-foods:cfo",
    "signed_on": SIGNED,
}


def received(letter_id: str = "L-1", without: tuple[str, ...] = (), **says: object) -> ReceiveAgentOfRecordLetter:
    fields = {"letter_id": letter_id, "customer": "alder-foods", **WHOLE, **says}
    return ReceiveAgentOfRecordLetter.model_validate({k: v for k, v in fields.items() if k not in without})


def completed(**says: object) -> CompleteAgentOfRecordLetter:
    return CompleteAgentOfRecordLetter.model_validate({"letter_id": "L-1", **says})


def stated(**says: object) -> Stated:
    whole = Stated(accounts=("ACC-1",), agents=HARBOR, names_from=FEBRUARY, signer="alder-foods:cfo", signed_on=SIGNED)
    return whole.model_copy(update=says)


DESIGNATED = AgentOfRecordDesignated(
    account="ACC-1", agents=HARBOR, letter=WORD, letter_id="L-1", effective_on=FEBRUARY
)


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


def test_a_complete_letter_designates_in_the_same_command() -> None:
    given(BOOK).when(received()).then(
        AgentOfRecordLetterReceived(
            letter_id="L-1", customer="alder-foods", stated=stated(), missing=(), effective_on=DAY
        ),
        DESIGNATED,
    )


@pytest.mark.parametrize(
    ("without", "missing"),
    [
        ("account", "accounts"),
        ("agent", "agents"),
        ("effective_on", "effective date"),
        ("signer", "signer"),
        ("signed_on", "date of the signature"),
    ],
)
def test_an_incomplete_letter_is_kept_with_what_is_missing_and_counts_once_it_is_complete(
    without: str, missing: Part
) -> None:
    house = given(BOOK)
    (event,) = house.when(received(without=(without,))).events
    assert isinstance(event, AgentOfRecordLetterReceived)
    assert event.missing == (missing,)
    house.when(completed(**{without: WHOLE[without]})).then(
        AgentOfRecordLetterSupplemented(
            letter_id="L-1", customer="alder-foods", stated=stated(), missing=(), effective_on=DAY
        ),
        DESIGNATED,
    )


def test_what_is_missing_may_come_piece_by_piece() -> None:
    house = given(BOOK, ReceiveAgentOfRecordLetter(letter_id="L-1", customer="alder-foods"))
    (event,) = house.when(completed(account="ACC-1", agent="harbor")).events
    assert isinstance(event, AgentOfRecordLetterSupplemented)
    assert event.missing == ("effective date", "signer", "date of the signature")
    rest = completed(effective_on=FEBRUARY, signer="alder-foods:cfo", signed_on=SIGNED)
    assert kinds(house.when(rest).events) == [AgentOfRecordLetterSupplemented, AgentOfRecordDesignated]


def test_a_letter_is_received_once_and_only_a_received_incomplete_one_is_completed() -> None:
    given(BOOK, received()).when(received()).then_refused(
        LetterAlreadyReceived, "letter L-1 is received already; complete it instead"
    )
    given(BOOK).when(completed(agent="harbor")).then_refused(LetterUnknown)
    given(BOOK, received()).when(completed(agent="harbor")).then_refused(LetterComplete)


def test_what_a_letter_states_it_states_for_good() -> None:
    house = given(BOOK, received(without=("signer",)))
    house.when(completed(agent="summit", signer="alder-foods:cfo")).then_refused(
        LetterSaysOtherwise, "letter L-1 states its agents already, and otherwise"
    )
    assert house.when(completed(agent="harbor", signer="alder-foods:cfo")).refusal is None


def test_a_customer_names_agents_on_its_own_accounts() -> None:
    others = (OnboardCustomer(customer="bolt"), received(customer="bolt"))
    given(BOOK, others[0]).when(others[1]).then_refused(
        AccountOfAnotherCustomer, "account ACC-1 is alder-foods's, and letter L-1 bolt's"
    )
    given(BOOK).when(received(customer="bolt")).then_refused(CustomerUnknown)
    given(BOOK).when(received(account="ACC-9")).then_refused(AccountUnknown)


def test_a_letter_for_several_accounts_designates_on_one_and_changes_on_another() -> None:
    house = given(BOOK, designated("summit", account="ACC-2"))
    events = house.when(received(accounts=("ACC-1", "ACC-2"), without=("account",))).events
    assert kinds(events) == [AgentOfRecordLetterReceived, AgentOfRecordDesignated, AgentOfRecordChanged]


def test_one_account_that_refuses_refuses_the_letter() -> None:
    suspended = SuspendAgent(agent="harbor", suspended_because="a complaint")
    given(BOOK, suspended).when(received()).then_refused(AgentIsSuspended)


def test_a_letter_that_names_who_is_agent_of_record_anyway_is_kept_and_changes_nothing() -> None:
    assert kinds(given(BOOK, designated("harbor")).when(received()).events) == [AgentOfRecordLetterReceived]


def test_a_letter_that_reaches_back_is_proposed_for_approval() -> None:
    house = given(BOOK, designated("summit", effective_on=date(2025, 11, 1)))
    events = house.when(received(effective_on=DECEMBER)).events
    assert kinds(events) == [AgentOfRecordLetterReceived, AgentOfRecordChangeProposed]
    assert kinds(house.when(ApproveAgentOfRecordChange(account="ACC-1"), by=BOB).events) == [AgentOfRecordChanged]


# -- letters that cross


def rivals(first: date, second: date) -> tuple[object, ...]:
    """Harbor's letter and Keystone's, for the same month; both reach back."""
    return (
        received("L-1", effective_on=DECEMBER, signed_on=first),
        received("L-2", agent="keystone", effective_on=DECEMBER, signed_on=second),
    )


SUMMITS = (*BOOK, designated("summit", effective_on=date(2025, 11, 1)))


def test_letters_that_cross_wait_side_by_side_and_the_letter_says_which_is_meant() -> None:
    house = given(SUMMITS, *rivals(SIGNED, SIGNED))  # type: ignore[arg-type]
    house.when(ApproveAgentOfRecordChange(account="ACC-1"), by=BOB).then_refused(
        SeveralChangesWait, "several changes on ACC-1 wait; name the letter: L-1 and L-2"
    )
    (changed,) = house.when(ApproveAgentOfRecordChange(account="ACC-1", letter_id="L-2"), by=BOB).events
    assert isinstance(changed, AgentOfRecordChanged)
    assert changed.agents == (Weighted(agent="keystone"),)


def test_of_letters_that_cross_the_later_signature_decides_whichever_was_approved_last() -> None:
    house = given(SUMMITS, *rivals(first=date(2025, 12, 29), second=SIGNED))  # type: ignore[arg-type]
    for letter_id in ("L-1", "L-2"):
        house.given(said(ApproveAgentOfRecordChange(account="ACC-1", letter_id=letter_id), by=BOB))
    again = received("L-3", effective_on=DECEMBER, signed_on=date(2025, 12, 30))
    assert kinds(house.when(again).events) == [AgentOfRecordLetterReceived], "harbor is agent of record already"


def test_a_customer_that_names_the_present_agent_once_more_outweighs_a_rival_that_waits() -> None:
    terms = VendorTerms(rescission_business_days=10)
    window = (RescissionWindow(vendor="lumen", accepted_on=DAY, until=date(2026, 1, 20)),)
    house = given(
        ContractVendor(vendor="lumen", terms=terms), ALDER_FOODS, PLAN, AGENTS, account(), designated("summit")
    )
    accepted = house.when(received("L-1", rescission_windows=window)).events
    assert kinds(accepted) == [AgentOfRecordLetterReceived, AgentOfRecordChangeAccepted]
    stays = received("L-2", agent="summit", signed_on=date(2026, 1, 4), rescission_windows=window)
    assert kinds(house.when(stays).events) == [AgentOfRecordLetterReceived, AgentOfRecordChanged]
