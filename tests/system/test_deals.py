"""Deals on a real database: claims made at once, registrations that expire as days are opened, what the desk sees."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from adapters.command_file import read_commands
from adapters.database import Database
from adapters.log import PostgresLog
from adapters.rebuild import rebuild
from adapters.verify import verify
from domain.customer import OnboardCustomer
from domain.deal import (
    ApproveRegistration,
    DealContested,
    DealProtected,
    DealRegistered,
    ExtendRegistration,
    RegisterDeal,
    RegistrationApproved,
    RegistrationExpired,
    WinDeal,
    WithdrawRegistration,
)
from domain.log import CommandResult, NewEvent
from domain.message import Actor, Command, Issued, Recorded
from domain.vendor import ContractVendor
from projections.agenda import SCHEDULER
from projections.deal_board import expiring
from services.house import House
from services.simulation import Simulation
from tests.spec import AGENTS, ALDER_FOODS, ANN, LUMEN, PLAN, Steps, given
from tests.system.at_once import at_once, decided_on_the_same
from tests.system.books import settings_of
from tests.system.program import Program

BOOK: Steps = (LUMEN, ContractVendor(vendor="zayo"), ALDER_FOODS, PLAN, AGENTS)
UNTIL, FIRST_DAY_WITHOUT = date(2026, 4, 5), date(2026, 4, 6)
ROUNDS = 12


def register(agent: str, deal: str = "D-1", vendor: str = "lumen") -> RegisterDeal:
    return RegisterDeal(customer="alder-foods", deal=deal, agent=agent, vendor=vendor, scope=f"what {agent} says")


def approve(agent: str, deal: str = "D-1") -> ApproveRegistration:
    return ApproveRegistration(customer="alder-foods", deal=deal, agent=agent)


class Desk:
    """A house with its agents, and a desk that gives commands to it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.given = 0

    def give(self, *commands: Command) -> CommandResult:
        """Raises Refused."""
        for command in commands:
            self.given += 1
            result = self.house.handle(Issued(f"desk-{self.given}", Actor(subject=ANN), command))
        return result

    def opens(self, *days: date) -> None:
        for day in days:
            self.house.commands.open_day(day, Actor(subject=ANN))

    def events(self, *kinds: type) -> list[Recorded]:
        return [recorded for recorded in self.house.log.read(0, 10_000) if isinstance(recorded.event, kinds)]

    def board(self, known: int | None = None) -> list[tuple[str, str, str, date | None]]:
        queries = self.house.queries()
        places = queries.deal_board(queries.ledger_position() if known is None else known)
        return [(r.deal, r.agent, r.status, r.protected_until) for r, *_ in places]


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    with PostgresLog(database) as log:
        written = given(BOOK).log.events
        log.append([NewEvent(r.stream_id, r.stream_version, r.event, r.envelope) for r in written], {}, "book", "")
    with House(settings_of(database), database) as house:
        yield Desk(house)


# -- days go by


def test_a_registration_expires_when_the_day_after_its_last_protected_one_is_opened_and_once(desk: Desk) -> None:
    desk.give(register("harbor"), approve("harbor"))
    approved = desk.events(RegistrationApproved)[0]

    desk.opens(date(2026, 4, 1), UNTIL)
    assert desk.board() == [("D-1", "harbor", "approved", UNTIL)]
    desk.opens(FIRST_DAY_WITHOUT)
    desk.opens(date(2026, 4, 7))

    (expired,) = desk.events(RegistrationExpired)
    assert expired.event.effective_on == FIRST_DAY_WITHOUT
    assert expired.envelope.actor == SCHEDULER
    assert expired.envelope.causation_id == approved.event_id
    assert desk.board() == [("D-1", "harbor", "expired", None)]
    assert desk.board(expired.position - 1) == [("D-1", "harbor", "approved", UNTIL)]


def test_after_days_that_were_never_opened_it_expires_on_the_next_opened_one_and_says_since_when(desk: Desk) -> None:
    desk.give(register("harbor"), approve("harbor"))
    desk.opens(date(2026, 5, 4))

    (expired,) = desk.events(RegistrationExpired)
    assert expired.event.effective_on == FIRST_DAY_WITHOUT
    assert desk.house.queries().day_of(expired.position) == date(2026, 5, 4)


def test_what_was_extended_expires_at_its_new_end_and_what_ended_before_never(desk: Desk) -> None:
    for deal in ("D-1", "D-2", "D-3", "D-4"):
        desk.give(register("harbor", deal), approve("harbor", deal))
    whose = {"customer": "alder-foods", "agent": "harbor"}
    desk.give(
        ExtendRegistration(**whose, deal="D-1", extended_because="the board meets in May", until=date(2026, 4, 20)),
        WithdrawRegistration(**whose, deal="D-2", withdrawn_because="no budget"),
        WinDeal(customer="alder-foods", deal="D-3"),
    )

    desk.opens(FIRST_DAY_WITHOUT)
    assert [r.event.deal for r in desk.events(RegistrationExpired)] == ["D-4"]  # type: ignore[attr-defined]
    desk.opens(date(2026, 4, 21))
    assert [r.event.deal for r in desk.events(RegistrationExpired)] == ["D-4", "D-1"]  # type: ignore[attr-defined]
    assert desk.board() == [
        ("D-1", "harbor", "expired", None),
        ("D-2", "harbor", "withdrawn", None),
        ("D-3", "harbor", "won", None),
        ("D-4", "harbor", "expired", None),
    ]


def test_on_the_day_after_a_protection_a_rival_is_approved_without_waiting_for_anybody(desk: Desk) -> None:
    desk.give(register("harbor"), register("summit"), approve("harbor"))
    with pytest.raises(DealProtected, match="protected for harbor with lumen until 2026-04-05"):
        desk.give(approve("summit"))
    desk.opens(FIRST_DAY_WITHOUT)
    desk.give(approve("summit"))
    assert desk.board() == [
        ("D-1", "harbor", "expired", None),
        ("D-1", "summit", "approved", date(2026, 7, 5)),
    ]


STORY = """
- {id: d-1, on: 2026-01-05, by: ann, do: contract_vendor, vendor: lumen, terms: {protection_days: 60}}
- {id: d-2, by: ann, do: recruit_agent, agent: harbor}
- {id: d-3, by: ann, do: recruit_agent, agent: summit}
- {id: d-4, by: ann, do: onboard_customer, customer: alder-foods}
- {id: d-5, by: harbor/desk, do: register_deal, customer: alder-foods, deal: D-1, agent: harbor, vendor: lumen,
   scope: voice}
- {id: d-6, by: summit/desk, do: register_deal, customer: alder-foods, deal: D-1, agent: summit, vendor: lumen}
- {id: d-7, by: ann, do: approve_registration, customer: alder-foods, deal: D-1, agent: harbor}
- {id: d-8, by: ann, do: approve_registration, customer: alder-foods, deal: D-1, agent: summit}
- {id: d-9, on: 2026-02-20, by: ann, do: extend_registration, customer: alder-foods, deal: D-1, agent: harbor,
   until: 2026-03-20, extended_because: a second meeting}
- {id: d-10, on: 2026-04-01, by: ann, do: approve_registration, customer: alder-foods, deal: D-1, agent: summit}
- {id: d-11, on: 2026-04-20, by: ann, do: open_self_referral, customer: alder-foods, deal: D-2, agent: harbor,
   vendor: lumen, basis: psa, evidence: {signer: alder-foods, signed_on: 2026-04-15}}
- {id: d-12, by: ann, do: win_deal, customer: alder-foods, deal: D-2}
- {id: d-13, by: ann, do: lose_deal, customer: alder-foods, deal: D-1, lost_because: stays with the incumbent}
"""


def test_a_house_in_memory_and_one_on_postgres_come_to_the_same_events(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "deals.yaml"
    file.write_text(STORY)
    simulation = Simulation()
    simulation.run(read_commands(file))
    assert [refusal["refused"] for refusal in simulation.result()["refusals"]] == ["DealProtected"]

    assert [(deal["deal"], deal["agent"], deal["status"]) for deal in simulation.result()["deals"]] == [
        ("D-1", "harbor", "expired"),
        ("D-1", "summit", "lost"),
        ("D-2", "harbor", "won"),
    ]

    with House(settings_of(database), database) as house:
        for issued in read_commands(file):
            try:
                house.handle(issued)
            except DealProtected:
                assert issued.command_id == "d-8"
        recorded = house.log.read(0, 1_000)
        queries = house.queries()
        assert queries.deal_board(queries.ledger_position()) == simulation.deals()
    assert [(r.event_id, r.event, r.envelope) for r in recorded] == [
        (r.event_id, r.event, r.envelope) for r in simulation.log.events
    ]
    topics = [r.event.topic for r in recorded if r.stream_id == "customer:alder-foods"]
    assert topics[1:] == [
        "deal.registered",
        "deal.registered",
        "deal.contested",
        "registration.approved",
        "registration.extended",
        "registration.expired",
        "registration.approved",
        "deal.self_referral_opened",
        "deal.won",
        "deal.lost",
    ]


# -- at once


def test_of_two_agents_who_register_at_once_one_is_first_and_the_other_contests_it(
    desk: Desk, database: Database
) -> None:
    with House(settings_of(database), database) as other:
        for number in range(ROUNDS):
            deal = f"D-{number}"
            decided_on_the_same((desk.house, other))
            outcomes = at_once(
                lambda d=deal: desk.house.handle(Issued(f"h-{d}", Actor(subject="desk"), register("harbor", d))),  # type: ignore[misc]
                lambda d=deal: other.handle(Issued(f"s-{d}", Actor(subject="desk"), register("summit", d))),  # type: ignore[misc]
            )
            assert [type(outcome) for outcome in outcomes] == [CommandResult, CommandResult]

            first, second = (r for r in desk.events(DealRegistered) if r.event.deal == deal)  # type: ignore[attr-defined]
            (contested,) = (r for r in desk.events(DealContested) if r.event.deal == deal)  # type: ignore[attr-defined]
            assert contested.position == second.position + 1 > first.position
            assert contested.event.agent == second.event.agent != first.event.agent  # type: ignore[attr-defined]
            assert [claim.agent for claim in contested.event.earlier] == [first.event.agent]  # type: ignore[attr-defined]


def test_of_two_rivals_approved_at_once_one_is_protected_and_the_other_is_told_for_whom(
    desk: Desk, database: Database
) -> None:
    with House(settings_of(database), database) as other:
        for number in range(ROUNDS):
            deal = f"D-{number}"
            desk.give(register("harbor", deal), register("summit", deal))
            decided_on_the_same((desk.house, other))
            outcomes = at_once(
                lambda d=deal: desk.house.handle(Issued(f"h-{d}", Actor(subject="ann"), approve("harbor", d))),  # type: ignore[misc]
                lambda d=deal: other.handle(Issued(f"s-{d}", Actor(subject="bob"), approve("summit", d))),  # type: ignore[misc]
            )
            assert sorted(type(outcome).__name__ for outcome in outcomes) == ["CommandResult", "DealProtected"]
            assert len([r for r in desk.events(RegistrationApproved) if r.event.deal == deal]) == 1  # type: ignore[attr-defined]


# -- what is derived


def test_the_board_is_verified_and_rebuilt_like_every_projection(desk: Desk, database: Database) -> None:
    desk.give(register("harbor"), register("summit"), approve("harbor"))
    desk.opens(date(2026, 4, 1))
    before = desk.board()
    assert "table deal_board" in {check.name for check in verify(database).checks}
    assert verify(database).ok
    rebuild(database, "deal_board")
    assert desk.board() == before
    queries = desk.house.queries()
    places = queries.deal_board(queries.ledger_position())
    assert [p.registration.agent for p in expiring(places, date(2026, 4, 1), 7)] == ["harbor"]


# -- the command line


@pytest.fixture
def trailbook(desk: Desk, database: Database) -> Program:
    return Program({"TRAILBOOK_DATABASE_URL": database.url, "TRAILBOOK_HOUSE": database.house})


def test_a_desk_works_a_deal_from_the_command_line(trailbook: Program, desk: Desk) -> None:
    d1 = ("alder-foods", "D-1")
    register_ = ("deal", "register", *d1, "--vendor", "lumen", "--by")
    said = trailbook.fine(*register_, "harbor/desk", "--agent", "harbor", "--product", "dia", "--scope", "2 sites [a]")
    assert said.out.endswith("Deal D-1 of alder-foods with lumen was registered by harbor for dia: 2 sites [a].\n")
    said = trailbook.fine(*register_, "summit/desk", "--agent", "summit")
    assert "by summit contests the claim of harbor with lumen, registered 2026-01-05." in said.out
    assert trailbook.wrong(1, "deal", "approve", *d1, "--agent", "harbor", "--by", "harbor/desk") == (
        "refused: harbor/desk is of harbor, which claims deal D-1; let the house decide [DecidedByClaimant]"
    )
    trailbook.fine("deal", "approve", *d1, "--agent", "harbor", "--by", "ann")
    assert "[DealProtected]" in trailbook.wrong(1, "deal", "approve", *d1, "--agent", "summit", "--by", "ann")
    trailbook.fine("deal", "reject", *d1, "--agent", "summit", "--because", "no meeting", "--by", "ann")

    told = trailbook.fine("deal", "board", "--ended").told
    assert "alder-foods/D-1 1 of 2 harbor lumen approved 2026-01-05 2026-04-05 2 sites [a]" in told
    assert "alder-foods/D-1 2 of 2 summit lumen rejected 2026-01-05" in told
    data = trailbook.fine("deal", "board", "--json").data
    (standing,) = data["registrations"]
    assert (standing["agent"], standing["place"], standing["of"], standing["rivals"]) == ("harbor", 1, 2, 0)
    assert (standing["products"], standing["protected_until"], data["open_day"]) == (
        ["dia"],
        "2026-04-05",
        "2026-01-05",
    )

    assert trailbook.fine("deal", "board", "--expiring-within", "7").out == "no registration expires then\n"
    trailbook.fine("day", "open", "2026-03-30", "--by", "ann")
    assert "2026-04-05 alder-foods/D-1" in trailbook.fine("deal", "board", "--expiring-within", "7").told
    assert trailbook.fine("deal", "board", "--vendor", "zayo").out == "no registration stands\n"
    assert trailbook.fine("deal", "board", "--agent", "summit", "--json").data["registrations"] == []
    trailbook.fine(
        "deal", "extend", *d1, "--agent", "harbor", "--because", "a board", "--until", "2026-05-31", "--by", "ann"
    )
    earlier = trailbook.fine("deal", "board", "--known", str(data["known"]), "--json").data
    assert earlier == data

    won = trailbook.fine("deal", "win", *d1, "--by", "ann").out
    assert won.endswith("Deal D-1 of alder-foods, registered by harbor, was won.\n")


def test_a_customer_refers_its_own_deal_from_the_command_line(trailbook: Program) -> None:
    d2 = ("alder-foods", "D-2", "--agent", "summit", "--vendor", "lumen")
    assert trailbook.wrong(2, "deal", "refer", *d2, "--signer", "alder-foods", "--signed-on", "1.4.2026").startswith(
        "evidence: field signed_on: '1.4.2026' is not a date"
    )
    signed = ("--signer", "alder-foods:cfo", "--signed-on", "2025-12-15", "--psa", "--by", "ann")
    said = trailbook.fine("deal", "refer", *d2, *signed).out
    assert "which named summit agent of record on the professional services agreement signed 2025-12-15." in said
    trailbook.fine("deal", "withdraw", *d2[:4], "--because", "no budget", "--by", "ann")
    assert "[NoRegistrationStands]" in trailbook.wrong(1, "deal", "lose", *d2[:2], "--because", "x", "--by", "ann")
    assert trailbook.wrong(2, "deal", "win", *d2[:2], "--effective", "soon") == (
        "soon is not a date; write it like 2026-02-20"
    )


def test_the_histories_of_two_deals_that_are_called_alike_are_told_apart(trailbook: Program, desk: Desk) -> None:
    alder = register("harbor")
    desk.give(alder)
    assert "Deal D-1 of alder-foods with lumen was registered by harbor" in trailbook.fine("audit", "deal", "D-1").out
    desk.give(OnboardCustomer(customer="birch"), alder.model_copy(update={"customer": "birch"}))
    assert trailbook.wrong(2, "audit", "deal", "D-1") == (
        "2 customers have a deal D-1; name one of alder-foods/D-1, birch/D-1"
    )
    rows = trailbook.fine("audit", "deal", "birch/D-1", "--json").data
    assert [row["sentence"] for row in rows] == [
        "Deal D-1 of birch with lumen was registered by harbor: what harbor says."
    ]
