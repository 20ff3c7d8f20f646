"""Adjustments on a real database: earned like any share, explained by their event, undone and never edited."""

from collections.abc import Iterator
from datetime import date

import pytest

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.rebuild import rebuild
from adapters.verify import verify
from domain.adjustment import ApproveAdjustment, ApproveAdjustmentReversal, ProposeAdjustment, ReverseAdjustment
from domain.agent import TerminateAgent
from domain.log import NewEvent
from domain.message import Actor, Command, Evidence, Issued
from domain.payout import NothingToPay
from services.house import House
from services.queries import Entry
from services.simulation import Simulation
from tests.adapters.test_rebuild import dump
from tests.spec import ANN, BOB, given, letter
from tests.system.books import settings_of
from tests.system.test_payouts import BOOK, Clerks, propose, statement

DOCUMENT = letter(date(2026, 1, 4), signer="house:controller")


def adjustment(name: str, amount_minor: int, because: str = "goodwill", agent: str = "harbor") -> ProposeAdjustment:
    return ProposeAdjustment(adjustment=name, agent=agent, amount_minor=amount_minor, adjusted_because=because)


class Adjusters(Clerks):
    """Clerks who adjust by hand."""

    def on_paper(self, command: Command, by: str = ANN, document: Evidence | None = DOCUMENT) -> None:
        self.given += 1
        self.house.handle(Issued(f"clerk-{self.given}", Actor(subject=by), command, evidence=document))

    def adjust(self, proposal: ProposeAdjustment) -> None:
        self.on_paper(proposal)
        self.give(ApproveAdjustment(adjustment=proposal.adjustment), BOB)

    def reverse(self, name: str) -> None:
        self.on_paper(ReverseAdjustment(adjustment=name, reversed_because="a mistake"))
        self.give(ApproveAdjustmentReversal(adjustment=name), BOB)

    def by_hand(self) -> list[Entry]:
        queries = self.house.queries()
        return [e for e in queries.entries(positions=(0, queries.ledger_position())) if e.account_no == -2]

    def margin(self) -> int:
        queries = self.house.queries()
        return next(b.amount_minor for b in queries.balances(queries.ledger_position()) if b.book == "house:margin")


@pytest.fixture
def clerks(database: Database) -> Iterator[Adjusters]:
    with PostgresLog(database) as log:
        written = given(BOOK).log.events
        log.append([NewEvent(r.stream_id, r.stream_version, r.event, r.envelope) for r in written], {}, "book", "")
    with House(settings_of(database), database) as house:
        yield Adjusters(house)


def test_an_approved_adjustment_is_earned_and_paid_and_the_margin_gives_it(clerks: Adjusters) -> None:
    clerks.give(statement(1, 100_00))
    clerks.on_paper(adjustment("ADJ-1", 25_00))
    assert (clerks.earned(), clerks.margin()) == (80_00, 20_00)

    clerks.give(ApproveAdjustment(adjustment="ADJ-1"), BOB)

    assert (clerks.earned(), clerks.owed(), clerks.margin()) == (105_00, 105_00, -5_00)
    clerks.pay("2026-01")
    assert clerks.paid() == [105_00]


def test_a_reversal_after_the_payout_is_recovered_from_the_next_months(clerks: Adjusters) -> None:
    """80.00 + 25.00 paid; reversed: 25.00 owed; 10.00 × 80% do not make it up; 50.00 × 80% more do: 23.00 are paid."""
    clerks.give(statement(1, 100_00))
    clerks.adjust(adjustment("ADJ-1", 25_00))
    clerks.pay("2026-01")
    clerks.reverse("ADJ-1")
    assert (clerks.earned(), clerks.owed()) == (80_00, -25_00)

    clerks.give(statement(2, 10_00))
    with pytest.raises(NothingToPay, match=r"carried: harbor -17\.00 USD \(negative\)"):
        clerks.give(propose("2026-02"))
    clerks.give(statement(3, 50_00))
    clerks.pay("2026-03")

    assert clerks.paid() == [105_00, 23_00]
    assert clerks.margin() == 32_00


def test_why_tells_an_adjustment_by_its_event_and_a_statement_shows_it_apart(clerks: Adjusters) -> None:
    clerks.give(statement(1, 100_00))
    clerks.adjust(
        ProposeAdjustment(
            adjustment="ADJ-1",
            agent="harbor",
            account="ACC-1",
            service_month="2025-12",
            amount_minor=-3_00,
            adjusted_because="portal fee",
        )
    )
    clerks.reverse("ADJ-1")
    queries = clerks.house.queries()

    explained = [queries.why(entry) for entry in clerks.by_hand()]

    taken = "Adjustment ADJ-1, 3.00 USD taken from harbor on account ACC-1 for 2025-12"
    assert [(e.book, e.entry.amount_minor, e.item, e.account, e.reason) for e in explained] == [
        ("agent:harbor:payable", -3_00, "adjustment ADJ-1", "ACC-1", f"{taken}, was approved: portal fee."),
        ("house:margin", 3_00, "adjustment ADJ-1", "ACC-1", f"{taken}, was approved: portal fee."),
        ("agent:harbor:payable", 3_00, "adjustment ADJ-1", "ACC-1", f"{taken}, was reversed: a mistake."),
        ("house:margin", -3_00, "adjustment ADJ-1", "ACC-1", f"{taken}, was reversed: a mistake."),
    ]
    first = explained[0].entry
    assert explained[0].entry_id == f"{first.position}:adjustment:2026-01-05:USD:1"
    assert queries.entry(explained[0].entry_id) == first
    rows = queries.statement("harbor", "2026-01")["entries"]
    assert [(r["section"], r["charge_kind"], r["amount_minor"]) for r in rows] == [
        ("earned", "recurring", 80_00),
        ("adjustment", "adjustment", -3_00),
        ("adjustment", "adjustment", 3_00),
    ]


def test_a_terminated_agent_is_adjusted_and_paid(clerks: Adjusters) -> None:
    clerks.give(TerminateAgent(agent="harbor", effective_on=date(2026, 1, 1)))
    clerks.adjust(adjustment("ADJ-1", 25_00))

    clerks.pay("2026-01")

    assert clerks.paid() == [25_00]


def test_the_book_built_again_and_verified_has_the_adjustments(clerks: Adjusters, database: Database) -> None:
    clerks.give(statement(1, 100_00))
    clerks.adjust(adjustment("ADJ-1", 25_00))
    clerks.adjust(adjustment("ADJ-2", -4_00, agent="keystone"))
    clerks.reverse("ADJ-1")
    clerks.house.projectors.catch_up()
    live = dump(database, database.book)

    rebuild(database, "ledger", 2)

    assert dump(database, database.book) == live
    assert verify(database).ok
    assert len(clerks.by_hand()) == 6


def test_a_simulation_shows_what_was_adjusted_and_what_was_reversed() -> None:
    simulation = Simulation(log=given(BOOK, statement(1, 100_00)).log)
    simulation.run(
        [
            Issued("1", Actor(subject=ANN), adjustment("ADJ-1", 25_00), evidence=DOCUMENT),
            Issued("2", Actor(subject=ANN), ApproveAdjustment(adjustment="ADJ-1")),
            Issued("3", Actor(subject=BOB), ApproveAdjustment(adjustment="ADJ-1")),
        ]
    )
    result = simulation.result()

    assert [r["refused"] for r in result["refusals"]] == ["SelfApproved"]
    (shown,) = result["adjustments"]
    assert (shown["adjustment"], shown["payee"], shown["amount_minor"], shown["reason"]) == (
        "ADJ-1",
        "agent:harbor",
        25_00,
        "goodwill",
    )
    assert result["balances"]["payable_at_end"] == {"agent:harbor": 105_00}
    assert result["balances"]["by_payee_and_month_recorded"] == {
        "agent:harbor": {"2026-01": 105_00},
        "house": {"2026-01": -5_00},
    }
