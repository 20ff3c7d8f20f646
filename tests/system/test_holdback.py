"""Holdback, minimum and negative balances over several months and accounts, on a real database, with figures."""

from collections.abc import Iterator
from datetime import date

import pytest

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.rebuild import rebuild
from adapters.verify import verify
from domain.account import Alias, OpenAccount
from domain.agent import Holdback, RecruitAgent, SignAgreement
from domain.calendar import OpenDay
from domain.log import NewEvent
from domain.message import Actor, Issued
from domain.payout import (
    ApprovePayRun,
    HeldCommissionReleased,
    NothingToPay,
    ReleaseHoldback,
    ReleasePayRun,
    ReturnPayout,
)
from domain.vendor_statement import ReceiveStatement, StatementLine
from services.house import House
from services.simulation import Simulation
from tests.adapters.test_rebuild import dump
from tests.spec import ALDER_FOODS, ANN, BOB, LUMEN, account, designated, given, plan
from tests.system.at_once import at_once
from tests.system.books import settings_of
from tests.system.test_payouts import Clerks, propose

SECOND_ACCOUNT = OpenAccount(
    account="ACC-2", customer="alder-foods", vendor="lumen", aliases=(Alias(vendor="lumen", number="7-7"),)
)
FIRST, SECOND = "5-QXTR9941", "7-7"
BOOK = (
    LUMEN,
    ALDER_FOODS,
    plan(overrides=()),
    RecruitAgent(agent="harbor"),
    SignAgreement(
        agent="harbor",
        plan="standard",
        minimum_payout_minor=25_00,
        holdback=Holdback.model_validate({"rate": "10%", "days": 60}),
    ),
    (account(), designated("harbor")),
    (SECOND_ACCOUNT, designated("harbor", account="ACC-2")),
)
"""Harbor sells both accounts for 80%; a tenth is held for 60 days, and nothing below 25.00 is sent."""


def month(number: str, **commissions: int) -> ReceiveStatement:
    """A statement of the month; ``first`` and ``second`` are the accounts' commissions in minor units."""
    accounts = {"first": FIRST, "second": SECOND}
    lines = tuple(
        StatementLine(line=n, account=accounts[name], service_month=number, commission_minor=amount)
        for n, (name, amount) in enumerate(commissions.items(), start=1)
    )
    total = sum(commissions.values())
    return ReceiveStatement(
        vendor="lumen", number=number, statement_month=number, control_total_minor=total, lines=lines
    )


class Cashiers(Clerks):
    def open(self, day: str) -> None:
        self.give(OpenDay(date=date.fromisoformat(day)))

    def book(self, name: str) -> int:
        queries = self.house.queries()
        balances = {b.book: b.amount_minor for b in queries.balances(queries.ledger_position())}
        return balances.get(name, 0)

    def stands(self) -> tuple[int, int]:
        """What harbor is owed, and what is held of it."""
        return self.book("agent:harbor:payable"), self.book("agent:harbor:held")


@pytest.fixture
def clerks(database: Database) -> Iterator[Cashiers]:
    with PostgresLog(database) as log:
        written = given(BOOK).log.events
        log.append([NewEvent(r.stream_id, r.stream_version, r.event, r.envelope) for r in written], {}, "book", "")
    with House(settings_of(database), database) as house:
        yield Cashiers(house)


def test_five_months_of_two_accounts_with_a_hold_a_minimum_and_a_chargeback(
    clerks: Cashiers, database: Database
) -> None:
    """January: 80.00 earned, 8.00 held until April, 72.00 sent.

    February: 26.00 newly earned would be 23.40 less the hold: below 25.00, carried whole, nothing held.
    March: 24.00 more: 50.00 newly earned since January, 5.00 held until May, 45.00 sent.
    April: January's 8.00 are owed again; the second account is charged back 80.00: -72.00 are carried.
    May: March's 5.00 are owed again; the first account earns 120.00: 40.00 newly earned since March, 4.00 held;
    -72.00 + 5.00 + 120.00 - 4.00 = 49.00 sent: the first account's money has made up for the second's.
    """
    clerks.open("2026-01-31")
    clerks.give(month("2026-01", first=60_00, second=40_00))
    clerks.pay("january")
    assert (clerks.paid(), clerks.stands()) == ([72_00], (0, 8_00))

    clerks.open("2026-02-28")
    clerks.give(month("2026-02", first=32_50))
    with pytest.raises(NothingToPay, match=r"harbor 26\.00 USD \(below the minimum\)"):
        clerks.give(propose("february"))
    assert clerks.stands() == (26_00, 8_00)

    clerks.open("2026-03-31")
    clerks.give(month("2026-03", second=30_00))
    clerks.pay("march")
    assert (clerks.paid()[1:], clerks.stands()) == ([45_00], (0, 13_00))

    clerks.open("2026-04-30")
    assert clerks.stands() == (8_00, 5_00)
    clerks.give(month("2026-04", second=-100_00))
    with pytest.raises(NothingToPay, match=r"harbor -72\.00 USD \(negative\)"):
        clerks.give(propose("april"))
    assert clerks.stands() == (-72_00, 5_00)

    clerks.open("2026-05-31")
    clerks.give(month("2026-05", first=150_00))
    assert clerks.stands() == (53_00, 0)
    clerks.pay("may")
    assert (clerks.paid(), clerks.stands()) == ([72_00, 45_00, 49_00], (0, 4_00))
    assert clerks.earned() == 170_00 == sum(clerks.paid()) + 4_00

    clerks.house.projectors.catch_up()
    live = dump(database, database.book)
    rebuild(database, "ledger", 2)
    assert dump(database, database.book) == live
    assert verify(database).ok


def test_what_is_held_is_shown_with_its_day_as_known_at_any_position(clerks: Cashiers) -> None:
    clerks.open("2026-01-31")
    clerks.give(month("2026-01", first=100_00))
    clerks.pay("january")
    queries = clerks.house.queries()
    known = queries.ledger_position()

    shown = {
        "agent": "harbor",
        "pay_run": "january",
        "amount_minor": 8_00,
        "currency": "USD",
        "held_since": "2026-01-31",
        "held_until": "2026-04-01",
    }
    assert queries.held(known) == queries.held(known, "harbor") == [shown]
    assert queries.held(known, "keystone") == []
    assert queries.statement("harbor", "2026-01")["held"] == [shown]
    (entry,) = [e for e in queries.entries(positions=(0, known)) if e.kind == 7 and e.amount_minor > 0]
    explained = queries.why(entry)
    assert (explained.book, explained.item) == ("agent:harbor:held", "commission held in pay run january")
    assert explained.reason == "8.00 USD of harbor are held back in pay run january, until 2026-04-01."

    clerks.open("2026-04-02")
    queries = clerks.house.queries()
    assert queries.held(queries.ledger_position()) == []
    assert queries.held(known) == [shown]


def test_given_the_scheduler_and_a_clerk_at_once_many_times_then_a_hold_is_released_once(
    clerks: Cashiers, database: Database
) -> None:
    clerks.open("2026-01-31")
    clerks.give(month("2026-01", first=100_00))
    clerks.pay("january")
    release = ReleaseHoldback(agent="harbor", pay_run="january", currency="USD")
    clerks.house.commands.day_opened = lambda: None  # the scheduler comes with the others
    clerks.open("2026-04-01")

    with House(settings_of(database), database) as other:
        at_once(
            lambda: clerks.house.handle(Issued("by-ann", Actor(subject=ANN), release)),
            lambda: other.handle(Issued("by-bob", Actor(subject=BOB), release)),
        )
    clerks.house.give_due()

    released = [r for r in clerks.house.log.read(0, 10_000) if isinstance(r.event, HeldCommissionReleased)]
    assert len(released) == 1
    assert clerks.stands() == (8_00, 0)


def test_what_came_back_is_paid_again_whole_and_its_hold_is_paid_after_its_day(clerks: Cashiers) -> None:
    clerks.open("2026-01-31")
    clerks.give(month("2026-01", first=100_00))
    clerks.pay("january")
    clerks.give(ReturnPayout(pay_run="january", agent="harbor", returned_because="account closed"))
    assert clerks.stands() == (72_00, 8_00)

    clerks.pay("again")
    assert (clerks.paid(), clerks.stands()) == ([72_00, -72_00, 72_00], (0, 8_00))
    clerks.open("2026-04-01")
    clerks.give(month("2026-04", first=30_00))
    clerks.pay("april")  # 8.00 + 24.00 less a tenth of 24.00
    assert (clerks.paid()[-1], clerks.stands()) == (29_60, (0, 2_40))


def test_a_simulation_gives_the_same_book(clerks: Cashiers) -> None:
    steps = [
        OpenDay(date=date(2026, 1, 31)),
        month("2026-01", first=60_00, second=40_00),
        propose("january"),
        ApprovePayRun(pay_run="january"),
        ReleasePayRun(pay_run="january"),
        OpenDay(date=date(2026, 4, 15)),
    ]
    simulation = Simulation(log=given(BOOK).log)
    simulation.run(
        Issued(f"s-{n}", Actor(subject=BOB if isinstance(step, ApprovePayRun) else ANN), step)
        for n, step in enumerate(steps)
    )
    for step in steps:
        clerks.give(step, BOB if isinstance(step, ApprovePayRun) else ANN)

    assert [type(r.event) for r in clerks.house.log.read(0, 10_000)] == [type(r.event) for r in simulation.log.events]
    result = simulation.result()
    assert result["balances"]["payable_at_end"] == {"agent:harbor": 8_00}
    assert [(h["amount_minor"], h["held_until"], h["released_on"]) for h in result["held"]] == [
        (8_00, "2026-04-01", "2026-04-15")
    ]
