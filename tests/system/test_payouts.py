"""Paying agents on a real database: never twice, never on one's own approval, never on figures that somebody gave."""

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from adapters.database import Database
from adapters.log import PostgresLog
from domain.log import CommandResult, NewEvent
from domain.message import Actor, Command, Issued, Refused, SelfApproved
from domain.money import half_away
from domain.payout import (
    ApprovePayRun,
    EarlierProposalOpen,
    Earned,
    FigureGivenTwice,
    LedgerBehind,
    NothingToPay,
    PayoutReleased,
    PayoutReturned,
    PayRunApproved,
    PayRunProposed,
    ProposePayRun,
    ReleasePayRun,
    ReturnPayout,
    SettlePayout,
)
from domain.vendor_statement import ReceiveStatement, StatementLine
from services.house import House
from services.simulation import Simulation
from tests.spec import ACCOUNT, ALDER_FOODS, ANN, BOB, LUMEN, account, agent, designated, given, plan
from tests.system.at_once import TOGETHER_SECONDS, at_once
from tests.system.books import settings_of

AGENTS = (agent("harbor"), agent("keystone", minimum_payout_minor=80_00))
BOOK = (LUMEN, ALDER_FOODS, plan(overrides=()), AGENTS, ACCOUNT)
"""Harbor is agent of record of ACC-1 and earns 80% of what Lumen pays for it."""

ROUNDS = 12


def statement(number: int, *commissions: int) -> ReceiveStatement:
    lines = tuple(
        StatementLine(line=n, account="5-QXTR9941", commission_minor=Decimal(amount))
        for n, amount in enumerate(commissions, start=1)
    )
    total = sum(half_away(line.commission_minor) for line in lines)
    return ReceiveStatement(
        vendor="lumen", number=f"S-{number}", statement_month="2026-02", control_total_minor=total, lines=lines
    )


def propose(run: str) -> ProposePayRun:
    return ProposePayRun(pay_run=run)


class Clerks:
    """A house with its book, and clerks who give commands to it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.given = 0

    def give(self, command: Command, by: str | Actor = ANN) -> CommandResult:
        """Raises Refused."""
        self.given += 1
        actor = by if isinstance(by, Actor) else Actor(subject=by)
        return self.house.handle(Issued(f"clerk-{self.given}", actor, command))

    def pay(self, run: str) -> None:
        self.give(propose(run))
        self.give(ApprovePayRun(pay_run=run), BOB)
        self.give(ReleasePayRun(pay_run=run))

    def paid(self, agent: str = "harbor") -> list[int]:
        """Every payout that was sent to the agent, and what came back below zero."""
        amounts = []
        for recorded in self.house.log.read(0, 10_000):
            match recorded.event:
                case PayoutReleased(agent=name, amount_minor=amount) if name == agent:
                    amounts.append(amount)
                case PayoutReturned(agent=name, amount_minor=amount) if name == agent:
                    amounts.append(-amount)
                case _:
                    pass
        return amounts

    def earned(self, agent: str = "harbor") -> int:
        known = self.house.queries().ledger_position()
        return sum(e.earned_minor for e in self.house.queries().earned(known) if e.agent == agent)

    def owed(self, agent: str = "harbor") -> int:
        queries = self.house.queries()
        payable = {b.book: b.amount_minor for b in queries.balances(queries.ledger_position())}
        return payable.get(f"agent:{agent}:payable", 0)


@pytest.fixture
def clerks(database: Database) -> Iterator[Clerks]:
    with PostgresLog(database) as log:
        written = given(BOOK).log.events
        new = [NewEvent(r.stream_id, r.stream_version, r.event, r.envelope) for r in written]
        log.append(new, {}, "book", "")
    with House(settings_of(database), database) as house:
        yield Clerks(house)


# -- two clerks at once


def together(*houses: House) -> None:
    """Let each house read a run's figures and then wait for the others, so that all decide on the same."""
    barrier = threading.Barrier(len(houses))

    def reading_together(enrich: Callable[[Issued], Issued]) -> Callable[[Issued], Issued]:
        first = [True]

        def read(issued: Issued) -> Issued:
            enriched = enrich(issued)
            if first and isinstance(issued.command, ProposePayRun):
                first.clear()
                barrier.wait(TOGETHER_SECONDS)
            return enriched

        return read

    for house in houses:
        house.commands.enrich = reading_together(house._with_figures)


def test_given_two_clerks_who_propose_at_once_many_times_then_nothing_is_paid_twice(
    clerks: Clerks, database: Database
) -> None:
    with House(settings_of(database), database) as other:
        for number in range(ROUNDS):
            clerks.give(statement(number, 100_00))
            clerks.house.projectors.catch_up()
            together(clerks.house, other)

            outcomes = at_once(
                lambda n=number: clerks.house.handle(Issued(f"ann-{n}", Actor(subject=ANN), propose(f"A-{n}"))),  # type: ignore[misc]
                lambda n=number: other.handle(Issued(f"cy-{n}", Actor(subject="cy"), propose(f"C-{n}"))),  # type: ignore[misc]
            )

            assert [type(o) for o in outcomes].count(CommandResult) == 1
            refused = next(o for o in outcomes if isinstance(o, Refused))
            assert isinstance(refused, EarlierProposalOpen | LedgerBehind)
            run = f"A-{number}" if isinstance(outcomes[0], CommandResult) else f"C-{number}"
            clerks.give(ApprovePayRun(pay_run=run), BOB)
            clerks.give(ReleasePayRun(pay_run=run))

    assert clerks.paid() == [80_00] * ROUNDS
    assert clerks.owed() == 0


def test_given_two_clerks_who_propose_the_same_run_at_once_then_it_is_proposed_once(
    clerks: Clerks, database: Database
) -> None:
    clerks.give(statement(1, 100_00))
    clerks.house.projectors.catch_up()
    with House(settings_of(database), database) as other:
        together(clerks.house, other)
        outcomes = at_once(
            lambda: clerks.house.handle(Issued("ann", Actor(subject=ANN), propose("2026-01"))),
            lambda: other.handle(Issued("cy", Actor(subject="cy"), propose("2026-01"))),
        )

    assert sorted(type(o).__name__ for o in outcomes) == ["CommandResult", "PayRunAlreadyProposed"]


def test_given_one_command_sent_twice_at_once_then_it_has_one_effect_and_one_answer(
    clerks: Clerks, database: Database
) -> None:
    clerks.give(statement(1, 100_00))
    clerks.house.projectors.catch_up()
    issued = Issued("ann", Actor(subject=ANN), propose("2026-01"))
    with House(settings_of(database), database) as other:
        together(clerks.house, other)
        one, two = at_once(lambda: clerks.house.handle(issued), lambda: other.handle(issued))

    assert one == two
    assert isinstance(one, CommandResult)
    proposed = [r for r in clerks.house.log.read(0, 1_000) if isinstance(r.event, PayRunProposed)]
    assert len(proposed) == 1


def test_given_two_approvers_at_once_then_one_approves(clerks: Clerks, database: Database) -> None:
    clerks.give(statement(1, 100_00))
    clerks.give(propose("2026-01"))
    approve = ApprovePayRun(pay_run="2026-01")
    with House(settings_of(database), database) as other:
        outcomes = at_once(
            lambda: clerks.house.handle(Issued("bob", Actor(subject=BOB), approve)),
            lambda: other.handle(Issued("cy", Actor(subject="cy"), approve)),
        )

    assert sorted(type(o).__name__ for o in outcomes) == ["CommandResult", "PayRunNotProposed"]


# -- a ledger that lags


def test_given_a_ledger_that_lags_when_a_run_is_proposed_then_it_is_refused(clerks: Clerks) -> None:
    clerks.give(statement(1, 100_00))
    clerks.house.projectors.catch_up()
    head = clerks.house.log.head()
    assert head is not None
    clerks.give(statement(2, 100_00))

    with pytest.raises(LedgerBehind, match=f"the ledger is at position {head.position}, behind {head.position + 1};"):
        # straight to the commands, as if the projectors stood still
        clerks.house.commands.handle(Issued("early", Actor(subject=ANN), propose("2026-01")))

    clerks.pay("2026-01")
    assert clerks.paid() == [160_00]


# -- four eyes


@pytest.mark.parametrize(
    "approver",
    [
        Actor(subject=ANN),
        Actor(subject=BOB, on_behalf_of=f"house/{ANN}"),
        Actor(issuer="okta", subject="cy", on_behalf_of=f"house/{ANN}"),
    ],
    ids=["herself", "who acts for her", "another issuer's who acts for her"],
)
def test_given_a_run_that_ann_proposed_then_neither_she_nor_who_acts_for_her_approves_it(
    clerks: Clerks, approver: Actor
) -> None:
    clerks.give(statement(1, 100_00))
    clerks.give(propose("2026-01"))

    with pytest.raises(SelfApproved, match="pay run 2026-01 was proposed by house/ann; let another principal"):
        clerks.give(ApprovePayRun(pay_run="2026-01"), approver)


def test_given_a_run_that_was_proposed_for_ann_then_ann_does_not_approve_it(clerks: Clerks) -> None:
    clerks.give(statement(1, 100_00))
    clerks.give(propose("2026-01"), Actor(subject=BOB, on_behalf_of=f"house/{ANN}"))

    with pytest.raises(SelfApproved):
        clerks.give(ApprovePayRun(pay_run="2026-01"), ANN)


def test_given_a_run_that_ann_proposed_then_another_issuers_ann_is_somebody_else(clerks: Clerks) -> None:
    clerks.give(statement(1, 100_00))
    clerks.give(propose("2026-01"))

    approved = clerks.give(ApprovePayRun(pay_run="2026-01"), Actor(issuer="okta", subject=ANN))

    event = clerks.house.log.read(approved.first_position - 1, 1)[0].event
    assert isinstance(event, PayRunApproved)
    assert event.approved_by.principal == "okta/ann"


# -- what the next run pays


@pytest.mark.parametrize("settled", [False, True], ids=["on its way", "settled"])
def test_given_a_payout_that_came_back_then_the_next_run_pays_it_again(clerks: Clerks, settled: bool) -> None:
    clerks.give(statement(1, 100_00))
    clerks.pay("2026-01")
    if settled:
        clerks.give(SettlePayout(pay_run="2026-01", agent="harbor"))
    clerks.give(ReturnPayout(pay_run="2026-01", agent="harbor", returned_because="account closed"))
    assert clerks.owed() == 80_00

    clerks.pay("2026-02")

    assert clerks.paid() == [80_00, -80_00, 80_00]
    assert clerks.owed() == 0


def test_given_nothing_new_then_the_next_run_pays_nothing(clerks: Clerks) -> None:
    clerks.give(statement(1, 100_00))
    clerks.pay("2026-01")

    with pytest.raises(NothingToPay):
        clerks.give(propose("2026-02"))


@pytest.mark.parametrize(("commission", "paid"), [(9999, []), (100_00, [80_00]), (100_01, [80_01])])
def test_a_balance_is_paid_from_the_minimum_on(database: Database, commission: int, paid: list[int]) -> None:
    """80% of 99.99 is 79.99, a cent below Keystone's minimum; 80% of 100.01 is 80.008, rounded 80.01."""

    book = (LUMEN, ALDER_FOODS, plan(overrides=()), AGENTS, account(), designated("keystone"), statement(1, commission))
    with PostgresLog(database) as log:
        new = [NewEvent(r.stream_id, r.stream_version, r.event, r.envelope) for r in given(book).log.events]
        log.append(new, {}, "book", "")
    with House(settings_of(database), database) as house:
        clerks = Clerks(house)
        if paid:
            clerks.pay("2026-01")
        else:
            with pytest.raises(NothingToPay):
                clerks.give(propose("2026-01"))
        assert clerks.paid("keystone") == paid


def test_given_a_correction_between_proposal_and_release_then_the_next_run_carries_it(clerks: Clerks) -> None:
    clerks.give(statement(1, 100_00))
    clerks.give(propose("2026-01"))
    clerks.give(statement(2, -50_00, 200_00))  # known only after the figures were taken
    clerks.give(ApprovePayRun(pay_run="2026-01"), BOB)
    clerks.give(ReleasePayRun(pay_run="2026-01"))
    assert clerks.owed() == 120_00

    clerks.pay("2026-02")

    assert clerks.paid() == [80_00, 120_00]
    assert clerks.owed() == 0


def test_given_more_taken_back_than_is_earned_then_nothing_is_paid_until_it_is_made_up(clerks: Clerks) -> None:
    clerks.give(statement(1, 100_00))
    clerks.pay("2026-01")
    clerks.give(statement(2, -25_00))
    with pytest.raises(NothingToPay):
        clerks.give(propose("2026-02"))
    clerks.give(statement(3, 50_00))

    clerks.pay("2026-03")

    assert clerks.paid() == [80_00, 20_00]


# -- figures that somebody gives

MADE_UP = ProposePayRun(
    pay_run="2026-01",
    figures=(Earned(agent="harbor", currency="USD", earned_minor=1_000_000_00),),
    as_known_at=3,
    ledger_position=3,
)


def test_given_figures_in_the_command_then_the_ledgers_are_taken(clerks: Clerks) -> None:
    clerks.give(statement(1, 100_00))

    result = clerks.give(MADE_UP)

    proposed = clerks.house.log.read(result.first_position - 1, 1)[0].event
    assert isinstance(proposed, PayRunProposed)
    assert [(line.agent, line.amount_minor) for line in proposed.payouts] == [("harbor", 80_00)]
    assert proposed.as_known_at == result.first_position - 1


def test_given_figures_in_the_command_then_a_simulation_takes_the_ledgers_too() -> None:
    simulation = Simulation(log=given(BOOK, statement(1, 100_00)).log)

    simulation.run([Issued("made-up", Actor(subject=ANN), MADE_UP)])

    proposed = next(r.event for r in simulation.log.events if isinstance(r.event, PayRunProposed))
    assert [(line.agent, line.amount_minor) for line in proposed.payouts] == [("harbor", 80_00)]


def test_given_two_figures_of_one_agent_in_one_currency_then_the_run_is_refused() -> None:
    """Each would have been paid from the same balance."""
    twice = Earned(agent="harbor", currency="USD", earned_minor=100_00)
    command = ProposePayRun(pay_run="2026-01", figures=(twice, twice), as_known_at=1, ledger_position=1)

    given(BOOK).when(command).then_refused(
        FigureGivenTwice, "pay run 2026-01 has two figures of harbor in USD; give one"
    )


def test_given_figures_of_one_agent_in_two_currencies_then_both_are_paid() -> None:
    figures = tuple(Earned(agent="harbor", currency=currency, earned_minor=100_00) for currency in ("USD", "EUR"))
    command = ProposePayRun(pay_run="2026-01", figures=figures, as_known_at=1, ledger_position=1)

    proposed = given(BOOK).when(command).events[0]

    assert isinstance(proposed, PayRunProposed)
    assert [(line.currency, line.amount_minor) for line in proposed.payouts] == [("USD", 100_00), ("EUR", 100_00)]


def test_given_others_who_append_while_the_ledger_catches_up_then_the_proposal_stands(
    clerks: Clerks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The position was taken after the ledger had caught up; on a busy log it was always behind."""
    clerks.give(statement(1, 100_00))
    catch_up = clerks.house.projectors.catch_up

    def and_somebody_appends() -> int:
        reached = catch_up()
        clerks.house.commands.handle(Issued("busy", Actor(subject="cy"), statement(2, 50_00)))
        return reached

    monkeypatch.setattr(clerks.house.projectors, "catch_up", and_somebody_appends)
    head = clerks.house.log.head()
    assert head is not None
    clerks.house.handle(Issued("run", Actor(subject=ANN), propose("2026-01")))

    proposed = next(r.event for r in clerks.house.log.read(0, 1_000) if isinstance(r.event, PayRunProposed))
    assert proposed.as_known_at == head.position
