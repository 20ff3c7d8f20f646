"""Payouts: proposed, approved by a second person, sent once; what came back is owed again."""

from datetime import date

import pytest

from domain.agent import ReinstateAgent, SuspendAgent
from domain.message import Actor, Command, SelfApproved
from domain.payout import (
    ApprovePayRun,
    CarriedLine,
    EarlierProposalOpen,
    Earned,
    LedgerBehind,
    NothingToPay,
    PayoutLine,
    PayoutNotReleased,
    PayoutNotSent,
    PayoutProposed,
    PayoutReleased,
    PayoutReturned,
    PayoutSettled,
    PayoutUnknown,
    PayoutWithdrawn,
    PayRunAlreadyProposed,
    PayRunApproved,
    PayRunClosed,
    PayRunNotApproved,
    PayRunNotProposed,
    PayRunProposed,
    PayRunReleased,
    PayRunUnknown,
    PayRunWithdrawn,
    ProposePayRun,
    ReleasePayRun,
    ReturnPayout,
    SettlePayout,
    WithdrawPayRun,
)
from tests.spec import ANN, BOB, DAY, PLAN, Given, Step, agent, given, said

BOOK = (PLAN, agent("harbor", minimum_payout_minor=2500), agent("summit"))
SECOND = Actor(subject=BOB)


def earned(agent: str, minor: int, currency: str = "USD") -> Earned:
    return Earned(agent=agent, currency=currency, earned_minor=minor)


def propose(*figures: Earned, run: str = "2026-01", as_known_at: int = 40, ledger: int = 40) -> ProposePayRun:
    return ProposePayRun(pay_run=run, figures=figures, as_known_at=as_known_at, ledger_position=ledger)


def approve(run: str = "2026-01") -> Step:
    return said(ApprovePayRun(pay_run=run), by=BOB)


def release(run: str = "2026-01") -> ReleasePayRun:
    return ReleasePayRun(pay_run=run)


def withdraw(run: str = "2026-01") -> WithdrawPayRun:
    return WithdrawPayRun(pay_run=run)


def settle(agent: str | None = "harbor", run: str = "2026-01") -> SettlePayout:
    return SettlePayout(pay_run=run, agent=agent)


def come_back(agent: str = "harbor", run: str = "2026-01") -> ReturnPayout:
    return ReturnPayout(pay_run=run, agent=agent, returned_because="account closed")


def sent(*figures: Earned, run: str = "2026-01") -> tuple[Command | Step, ...]:
    return (propose(*figures, run=run), approve(run), release(run))


def amounts(house: Given, command: ProposePayRun) -> tuple[dict[str, int], dict[str, tuple[int, str]]]:
    """What a proposal pays and what it carries, by agent."""
    run = house.when(command).events[0]
    assert isinstance(run, PayRunProposed)
    return (
        {line.agent: line.amount_minor for line in run.payouts},
        {line.agent: (line.balance_minor, line.carried_because) for line in run.carried},
    )


# -- proposing


def test_a_pay_run_pays_what_was_earned_and_carries_what_is_too_little() -> None:
    given(BOOK).when(propose(earned("harbor", 2499), earned("summit", 937))).then(
        PayRunProposed(
            pay_run="2026-01",
            as_known_at=40,
            payouts=(PayoutLine(agent="summit", currency="USD", earned_minor=937, paid_minor=0, amount_minor=937),),
            carried=(
                CarriedLine(
                    agent="harbor",
                    currency="USD",
                    balance_minor=2499,
                    carried_because="below the minimum",
                    minimum_payout_minor=2500,
                ),
            ),
            proposed_by=Actor(subject=ANN),
            effective_on=DAY,
        ),
        PayoutProposed(
            agent="summit",
            pay_run="2026-01",
            as_known_at=40,
            currency="USD",
            earned_minor=937,
            paid_minor=0,
            amount_minor=937,
            effective_on=DAY,
        ),
    )


@pytest.mark.parametrize(
    ("agent", "minor", "because"),
    [
        ("harbor", 2500, None),
        ("harbor", 2499, "below the minimum"),
        ("summit", 1, None),
        ("summit", 0, "nothing owed"),
        ("summit", -1, "negative"),
        ("harbor", -3000, "negative"),
    ],
)
def test_a_balance_is_paid_from_the_minimum_on(agent: str, minor: int, because: str | None) -> None:
    outcome = given(BOOK).when(propose(earned(agent, minor), earned("other", 1)))
    run = outcome.events[0]
    assert isinstance(run, PayRunProposed)
    carried = {line.agent: line.carried_because for line in run.carried}
    assert carried == ({agent: because} if because else {})


def test_a_minimum_holds_in_the_currency_of_the_agreement_only() -> None:
    pays, carries = amounts(given(BOOK), propose(earned("harbor", 1, "CAD")))
    assert (pays, carries) == ({"harbor": 1}, {})


@pytest.mark.parametrize(
    ("figures", "carried"),
    [
        ((), ""),
        ((earned("harbor", 2499),), "; carried: harbor 24.99 USD (below the minimum)"),
        (
            (earned("summit", 0), earned("harbor", -1)),
            "; carried: summit 0.00 USD (nothing owed), harbor -0.01 USD (negative)",
        ),
    ],
    ids=["nobody", "below the minimum", "nothing owed"],
)
def test_a_pay_run_pays_somebody(figures: tuple[Earned, ...], carried: str) -> None:
    given(BOOK).when(propose(*figures)).then_refused(
        NothingToPay, f"pay run 2026-01 has nothing to pay as known at position 40{carried}"
    )


def test_the_ledger_has_reached_the_position_of_the_figures() -> None:
    figure = earned("summit", 937)
    given(BOOK).when(propose(figure, as_known_at=41, ledger=40)).then_refused(
        LedgerBehind, "the ledger is at position 40, behind 41; let the projectors catch up"
    )
    assert given(BOOK).when(propose(figure, as_known_at=40, ledger=40)).refusal is None
    assert given(BOOK).when(propose(figure, as_known_at=39, ledger=40)).refusal is None


def test_a_pay_run_is_proposed_once_even_when_it_was_withdrawn() -> None:
    again = propose(earned("harbor", 5000))
    house = given(BOOK, propose(earned("summit", 937)))
    house.when(again).then_refused(
        PayRunAlreadyProposed, "pay run 2026-01 is proposed already; give the next one its own id"
    )
    house.given(withdraw()).when(again).then_refused(PayRunAlreadyProposed)


def test_two_clerks_do_not_propose_the_same_cents() -> None:
    given(BOOK, propose(earned("summit", 937))).when(
        propose(earned("summit", 937), run="2026-01-b", ledger=60), by=BOB
    ).then_refused(
        EarlierProposalOpen,
        "summit has 9.37 USD proposed in 2026-01; release or withdraw that pay run first",
    )


def test_an_approved_proposal_is_still_open_and_a_sent_one_is_not() -> None:
    house = given(BOOK, propose(earned("summit", 937)), approve())
    house.when(propose(earned("summit", 1000), run="2026-02")).then_refused(EarlierProposalOpen)
    house.given(release())
    assert amounts(house, propose(earned("summit", 1000), run="2026-02")) == ({"summit": 63}, {})


def test_what_was_sent_is_not_paid_again_and_a_correction_is_trued_up_later() -> None:
    house = given(BOOK, sent(earned("summit", 937)))
    house.when(propose(earned("summit", 937), run="2026-02")).then_refused(NothingToPay)
    pays, carries = amounts(house, propose(earned("summit", 900), earned("harbor", 5000), run="2026-02"))
    assert (pays, carries) == ({"harbor": 5000}, {"summit": (-37, "negative")})


def test_what_was_paid_in_one_currency_is_not_paid_in_another() -> None:
    house = given(BOOK, sent(earned("summit", 937, "CAD")))
    assert amounts(house, propose(earned("summit", 937, "USD"), run="2026-02")) == ({"summit": 937}, {})


@pytest.mark.parametrize("undo", [(withdraw(),), (approve(), withdraw())], ids=["proposed", "approved"])
def test_what_was_withdrawn_is_owed_again(undo: tuple[Command | Step, ...]) -> None:
    house = given(BOOK, propose(earned("summit", 937)), undo)
    assert amounts(house, propose(earned("summit", 937), run="2026-02")) == ({"summit": 937}, {})


@pytest.mark.parametrize("settled", [(), (settle("summit"),)], ids=["on its way", "settled"])
def test_what_came_back_is_owed_again(settled: tuple[Command, ...]) -> None:
    house = given(BOOK, sent(earned("summit", 937)), settled, come_back("summit"))
    assert amounts(house, propose(earned("summit", 937), run="2026-02")) == ({"summit": 937}, {})


# -- approving, withdrawing, releasing


def test_a_pay_run_is_approved_by_a_second_person_and_then_released() -> None:
    payout = {"agent": "summit", "pay_run": "2026-01", "currency": "USD", "amount_minor": 937, "effective_on": DAY}
    house = given(BOOK, propose(earned("summit", 937)))
    house.when(ApprovePayRun(pay_run="2026-01"), by=BOB).then(
        PayRunApproved(pay_run="2026-01", approved_by=SECOND, effective_on=DAY)
    )
    house.when(release()).then(
        PayRunReleased(pay_run="2026-01", effective_on=DAY),
        PayoutReleased.model_validate({**payout, "approved_by": SECOND}),
    )
    house.when(settle("summit")).then(PayoutSettled.model_validate(payout))


@pytest.mark.parametrize("approver", [Actor(subject="ann"), Actor(subject="bob", on_behalf_of="house/ann")])
def test_who_proposed_a_pay_run_does_not_approve_it(approver: Actor) -> None:
    given(BOOK, propose(earned("summit", 937))).when(ApprovePayRun(pay_run="2026-01"), by=approver).then_refused(
        SelfApproved, "pay run 2026-01 was proposed by house/ann; let another principal approve it"
    )


def test_a_pay_run_is_withdrawn_with_its_payouts() -> None:
    given(BOOK, propose(earned("summit", 937))).when(withdraw()).then(
        PayRunWithdrawn(pay_run="2026-01", effective_on=DAY),
        PayoutWithdrawn(agent="summit", pay_run="2026-01", currency="USD", amount_minor=937, effective_on=DAY),
    )


@pytest.mark.parametrize(
    "command", [ApprovePayRun(pay_run="2026-01"), withdraw(), release(), settle(None)], ids=lambda command: command.do
)
def test_only_a_proposed_pay_run_goes_on(command: Command) -> None:
    given(BOOK).when(command, by=BOB).then_refused(PayRunUnknown, "pay run 2026-01 is not proposed; propose it first")


@pytest.mark.parametrize(
    ("steps", "status"),
    [((approve(),), "approved"), ((withdraw(),), "withdrawn"), ((approve(), release()), "released")],
    ids=["approved", "withdrawn", "released"],
)
def test_a_pay_run_is_approved_once_and_while_it_waits(steps: tuple[Command | Step, ...], status: str) -> None:
    given(BOOK, propose(earned("summit", 937)), steps).when(ApprovePayRun(pay_run="2026-01"), by=BOB).then_refused(
        PayRunNotProposed, f"pay run 2026-01 is {status} already"
    )


def test_nothing_is_sent_unapproved() -> None:
    given(BOOK, propose(earned("summit", 937))).when(release(), by=BOB).then_refused(
        PayRunNotApproved, "pay run 2026-01 is not approved; let a second person approve it"
    )


@pytest.mark.parametrize("command", [withdraw(), release()], ids=lambda command: command.do)
@pytest.mark.parametrize(
    ("steps", "status"), [((withdraw(),), "withdrawn"), ((approve(), release()), "released")], ids=str
)
def test_a_closed_pay_run_is_over(steps: tuple[Command | Step, ...], status: str, command: Command) -> None:
    given(BOOK, propose(earned("summit", 937)), steps).when(command).then_refused(
        PayRunClosed, f"pay run 2026-01 is {status} already"
    )


# -- settling and coming back


def test_all_payouts_of_a_run_are_settled_together() -> None:
    house = given(BOOK, sent(earned("summit", 937), earned("harbor", 2500)))
    outcome = house.when(settle(None))
    assert [(type(e), getattr(e, "agent", "")) for e in outcome.events] == [
        (PayoutSettled, "harbor"),
        (PayoutSettled, "summit"),
    ]


@pytest.mark.parametrize("command", [settle("nobody"), come_back("nobody"), settle("summit", "2026-09")], ids=str)
def test_an_agent_without_a_payout_in_the_run_has_none_settled_or_returned(command: Command) -> None:
    given(BOOK, sent(earned("summit", 937))).when(command).then_refused(PayoutUnknown)


def test_an_unknown_payout_says_whose_and_where() -> None:
    given(BOOK).when(settle("harbor")).then_refused(PayoutUnknown, "harbor has no payout in pay run 2026-01")


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ((propose(earned("summit", 937)),), "proposed"),
        ((propose(earned("summit", 937)), withdraw()), "withdrawn"),
        ((*sent(earned("summit", 937)), settle("summit")), "settled"),
        ((*sent(earned("summit", 937)), come_back("summit")), "returned"),
    ],
    ids=["proposed", "withdrawn", "settled", "returned"],
)
def test_only_a_payout_on_its_way_is_settled(steps: tuple[Command | Step, ...], status: str) -> None:
    given(BOOK, steps).when(settle("summit")).then_refused(
        PayoutNotReleased, f"the payout of summit in 2026-01 is {status}, not on its way"
    )


@pytest.mark.parametrize(
    ("steps", "was_settled"), [((), False), ((settle("summit"),), True)], ids=["from the way", "from the bank"]
)
def test_money_comes_back(steps: tuple[Command, ...], was_settled: bool) -> None:
    given(BOOK, sent(earned("summit", 937)), steps).when(come_back("summit")).then(
        PayoutReturned(
            agent="summit",
            pay_run="2026-01",
            currency="USD",
            amount_minor=937,
            returned_because="account closed",
            was_settled=was_settled,
            effective_on=DAY,
        )
    )


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ((propose(earned("summit", 937)),), "proposed"),
        ((propose(earned("summit", 937)), approve()), "proposed"),
        ((propose(earned("summit", 937)), withdraw()), "withdrawn"),
        ((*sent(earned("summit", 937)), come_back("summit")), "returned"),
    ],
    ids=["proposed", "approved", "withdrawn", "returned"],
)
def test_only_money_that_was_sent_comes_back_and_once(steps: tuple[Command | Step, ...], status: str) -> None:
    given(BOOK, steps).when(come_back("summit")).then_refused(
        PayoutNotSent, f"the payout of summit in 2026-01 is {status}, not sent"
    )


# -- suspended agents


SUSPENDED = SuspendAgent(agent="harbor", suspended_because="a complaint is open")
REINSTATED = ReinstateAgent(agent="harbor")


def test_a_suspended_agents_balance_is_carried_and_paid_with_the_next_run_after_its_reinstatement() -> None:
    house = given(BOOK, SUSPENDED)
    assert amounts(house, propose(earned("harbor", 9000), earned("summit", 937))) == (
        {"summit": 937},
        {"harbor": (9000, "suspended")},
    )
    house.given(approve(), release(), REINSTATED)
    assert amounts(house, propose(earned("harbor", 9500), run="2026-02")) == ({"harbor": 9500}, {})


def test_a_suspended_agent_with_a_negative_balance_owes_as_everybody_does() -> None:
    _, carried = amounts(given(BOOK, SUSPENDED), propose(earned("harbor", -1), earned("summit", 937)))
    assert carried == {"harbor": (-1, "negative")}


def test_a_suspension_holds_from_its_day() -> None:
    later = SuspendAgent(agent="harbor", suspended_because="audit", effective_on=date(2026, 1, 6))
    pays, _ = amounts(given(BOOK, later), propose(earned("harbor", 9000)))
    assert pays == {"harbor": 9000}


def test_an_agent_suspended_after_the_run_was_proposed_is_not_sent_its_payout() -> None:
    house = given(BOOK, propose(earned("harbor", 9000), earned("summit", 937)), approve(), SUSPENDED)
    recorded = house.when(ReleasePayRun(pay_run="2026-01")).events
    assert [(type(e), getattr(e, "agent", None)) for e in recorded] == [
        (PayRunReleased, None),
        (PayoutWithdrawn, "harbor"),
        (PayoutReleased, "summit"),
    ]
    house.given(REINSTATED)
    assert amounts(house, propose(earned("harbor", 9000), run="2026-02")) == ({"harbor": 9000}, {})


def test_a_date_before_the_suspension_pays_nobody_who_is_suspended() -> None:
    before = date(2026, 1, 4)
    later = propose(earned("harbor", 9500), earned("summit", 937), run="2026-02")
    house = given(BOOK, propose(earned("harbor", 9000)), approve(), SUSPENDED)
    recorded = house.when(ReleasePayRun(pay_run="2026-01", effective_on=before)).events
    assert [type(event) for event in recorded] == [PayRunReleased, PayoutWithdrawn]
    assert amounts(house, later.model_copy(update={"effective_on": before})) == (
        {"summit": 937},
        {"harbor": (9500, "suspended")},
    )
