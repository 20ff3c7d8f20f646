"""The agent book answers who is agent of record, effective at a day, as known at a position."""

import json
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from adapters.memory import MemoryBook, MemoryLog
from domain.account import OpenAccount
from domain.agent_of_record import (
    ApproveAgentOfRecordChange,
    ChangeAgentOfRecord,
    DesignateAgentOfRecord,
    StaysUntilRenewal,
)
from domain.message import Evidence
from domain.rating.attribution import agent_of_record, commission_agents
from domain.rating.facts import Designation
from projections import agent_book
from projections.agent_book import agent_of_record_at, service_names
from tests.projections.story import ACCOUNT, PARTIES, agents, book, in_batches, loa, story
from tests.spec import BOB, Given, Step, Steps, given, said

EXAMPLES = Path(__file__).parent.parent / "golden" / "examples" / "analyst.json"
S04 = next(scenario for scenario in json.loads(EXAMPLES.read_text("utf-8")) if scenario["id"] == "S04")

OPENED = OpenAccount(account=ACCOUNT, customer="alder-foods", vendor="lumen")
ALWAYS = 2**61


def designate(*names: str, service: str | None = None, on: date = date(2025, 1, 1), signed: date | None = None) -> Step:
    command = DesignateAgentOfRecord(account=ACCOUNT, service=service, agents=agents(*names), effective_on=on)
    return said(command, letter=loa(signed or date(2024, 12, 1)))


def change(
    *names: str,
    effective_on: date,
    service: str | None = None,
    letter: Evidence | None = None,
    stays: date | None = None,
    on: date | None = None,
) -> tuple[Steps, ...]:
    """A change that is approved by a second person if it has to be."""
    command = ChangeAgentOfRecord(
        account=ACCOUNT,
        service=service,
        agents=agents(*names),
        effective_on=effective_on,
        commission_stays=StaysUntilRenewal(at_latest=stays) if stays else None,
    )
    steps: tuple[Steps, ...] = (said(command, letter=letter, on=on),)
    waits = letter is None or (on is not None and effective_on < on.replace(day=1))
    approve = said(ApproveAgentOfRecordChange(account=ACCOUNT, service=service), by=BOB)
    return (*steps, approve) if waits else steps


def rows(house: Given) -> list[tuple[Any, ...]]:
    return list(book(house.log, agent_book).tables.rows("agent_book", "account", ACCOUNT))


def named(found: Designation | None) -> list[str]:
    return [agent for agent, _ in found.agents] if found else []


def at(house: Given, effective: date, known: int = ALWAYS, service: tuple[str, ...] = ()) -> list[str]:
    return named(agent_of_record_at(rows(house), service, effective, known))


def known_on(log: MemoryLog, day: date) -> int:
    """The last position recorded on the day or before it."""
    return max(recorded.position for recorded in log.events if recorded.recorded_at.date() <= day)


LATE_LETTER = given(
    PARTIES,
    OPENED,
    designate("harbor"),
    change("summit", effective_on=date(2026, 2, 1), letter=loa(), on=date(2026, 4, 27)),
    today=date(2025, 12, 1),
)
"""Scenario S04: a letter signed in January, effective in February, is recorded at the end of April."""


# -- effective at, known at


@pytest.mark.parametrize("asked", S04["expected"]["agent_book"], ids=lambda a: f"{a['effective']} known {a['known']}")
def test_the_late_letter_of_the_analyst_is_answered_as_expected(asked: dict[str, str]) -> None:
    assert asked["account"] == ACCOUNT
    known = known_on(LATE_LETTER.log, date.fromisoformat(asked["known"]))
    assert at(LATE_LETTER, date.fromisoformat(asked["effective"]), known) == [asked["aor"]]


def test_nobody_is_agent_of_record_before_the_first_designation_holds_or_is_known() -> None:
    first = rows(LATE_LETTER)[0][6]
    assert at(LATE_LETTER, date(2024, 12, 31)) == []
    assert at(LATE_LETTER, date(2026, 1, 1), first - 1) == []
    assert at(LATE_LETTER, date(2026, 1, 1), first) == ["harbor"]


def test_an_agent_of_record_begins_on_the_effective_day_itself() -> None:
    assert at(LATE_LETTER, date(2026, 1, 31)) == ["harbor"]
    assert at(LATE_LETTER, date(2026, 2, 1)) == ["summit"]


def test_a_proposed_change_is_not_in_the_book_until_it_is_approved() -> None:
    proposed = ChangeAgentOfRecord(account=ACCOUNT, agents=agents("summit"), effective_on=date(2026, 2, 1))
    house = given(PARTIES, OPENED, designate("harbor"), proposed)
    assert at(house, date(2026, 3, 1)) == ["harbor"]
    house.given(said(ApproveAgentOfRecordChange(account=ACCOUNT), by=BOB))
    assert at(house, date(2026, 3, 1)) == ["summit"]


def test_of_two_changes_effective_on_the_same_day_the_later_signature_wins_whenever_it_is_recorded() -> None:
    day = date(2026, 2, 1)
    house = given(
        PARTIES,
        OPENED,
        designate("harbor"),
        change("summit", effective_on=day, letter=loa(date(2026, 1, 19))),
        change("keystone", effective_on=day, letter=loa(date(2026, 1, 12))),
    )
    assert at(house, day) == ["summit"]


def test_a_change_without_a_letter_yields_to_one_with_a_letter_for_the_same_day() -> None:
    day = date(2026, 2, 1)
    house = given(
        PARTIES,
        OPENED,
        designate("harbor"),
        change("summit", effective_on=day, letter=loa()),
        change("keystone", effective_on=day),
    )
    assert at(house, day) == ["summit"]


def test_of_two_changes_alike_in_both_dates_the_later_position_wins() -> None:
    day = date(2026, 2, 1)
    house = given(
        PARTIES,
        OPENED,
        designate("harbor"),
        change("summit", effective_on=day, letter=loa()),
        change("keystone", effective_on=day, letter=loa()),
    )
    last = rows(house)[-1][6]
    assert at(house, day, last - 1) == ["summit"]
    assert at(house, day, last) == ["keystone"]


def test_the_agent_of_record_of_a_service_goes_before_the_accounts_however_early_it_was_named() -> None:
    house = given(
        PARTIES,
        OPENED,
        designate("harbor"),
        designate("keystone", service="dia-1"),
        change("summit", effective_on=date(2026, 2, 1), letter=loa()),
    )
    day = date(2026, 3, 1)
    assert at(house, day) == ["summit"]
    assert at(house, day, service=service_names("C-1", "dia-1")) == ["keystone"]
    assert at(house, day, service=service_names("C-1", "dia-2")) == ["summit"]


def test_a_letter_may_name_a_service_by_its_full_id() -> None:
    house = given(PARTIES, OPENED, designate("harbor"), designate("keystone", service="C-1/dia-1"))
    assert at(house, date(2026, 1, 1), service=service_names("C-1", "dia-1")) == ["keystone"]
    assert at(house, date(2026, 1, 1), service=service_names("C-2", "dia-1")) == ["harbor"]


def test_agents_of_record_together_keep_their_order_and_weights() -> None:
    house = given(PARTIES, OPENED, designate("summit", "harbor"))
    found = agent_of_record_at(rows(house), (), date(2026, 1, 1), ALWAYS)
    assert found is not None
    assert found.agents == (("summit", 1), ("harbor", 1))


def test_the_book_names_the_new_agent_of_record_while_commission_stays_with_the_former() -> None:
    stays = date(2027, 1, 1)
    house = given(
        PARTIES, OPENED, designate("harbor"), change("summit", effective_on=date(2026, 2, 1), letter=loa(), stays=stays)
    )
    found = agent_of_record_at(rows(house), (), date(2026, 3, 1), ALWAYS)
    assert found is not None
    assert (named(found), found.stays_at_latest, found.signed_on) == (["summit"], stays, date(2026, 1, 19))
    assert named(commission_agents(facts_of(book(house.log)), None, date(2026, 3, 1), ALWAYS)) == ["harbor"]


# -- the book, the ledger and the batches


def facts_of(kept: MemoryBook) -> Any:
    (account,) = (a.facts for a in kept.ledger.accounts.values() if a.facts.account == ACCOUNT)
    return account


def test_book_and_ledger_never_disagree() -> None:
    house = given(
        PARTIES,
        OPENED,
        designate("harbor"),
        designate("keystone", service="dia-1", on=date(2026, 1, 15)),
        change("summit", effective_on=date(2026, 2, 1), letter=loa(), on=date(2026, 4, 27)),
        change("harbor", service="dia-1", effective_on=date(2026, 3, 1)),
        change("keystone", "harbor", effective_on=date(2026, 2, 1), letter=loa(date(2026, 1, 2))),
        today=date(2025, 12, 1),
    )
    kept = book(house.log, agent_book)
    facts, in_book = facts_of(kept), rows(house)
    days = [date(2024, 12, 31), date(2026, 1, 14), date(2026, 1, 15), date(2026, 2, 1), date(2026, 3, 1)]
    services = [(), service_names("C-1", "dia-1"), service_names("C-1", "other")]
    for day, service, known in product(days, services, range(kept.position + 1)):
        in_ledger = agent_of_record(facts.designations, service, day, known)
        assert agent_of_record_at(in_book, service, day, known) == in_ledger


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_rows_do_not_depend_on_how_events_are_batched(size: int) -> None:
    log = story().log
    written = in_batches(log.events, size, agent_book.tables, agent_book.project)
    kept = book(log, agent_book).tables.content
    for table in agent_book.tables:
        assert [row.values for row in written if row.table == table.name] == kept[table.name]


def test_a_row_says_whom_from_when_on_which_letter_and_until_when_commission_stays() -> None:
    assert rows(story()) == [
        (ACCOUNT, "", '[["harbor",1]]', date(2026, 1, 1), date(2025, 12, 15), None, 20, 0),
        (ACCOUNT, "", '[["summit",1]]', date(2026, 2, 1), date(2026, 1, 19), date(2027, 1, 1), 34, 0),
    ]
