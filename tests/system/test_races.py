"""Two processes at once on one book: each ends in a result or a clear refusal, and every cent is there once.

Harbor is agent of record of ``ACC-1`` and delta of ``ACC-2``; both earn 80%. Each race is run a few times with fresh
ids, both ways where the order decides: once the one appends first, once the other, and then as it happens.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import pytest

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.rebuild import rebuild
from adapters.verify import verify
from domain.account import Alias, OpenAccount
from domain.adjustment import (
    AdjustmentApproved,
    AdjustmentRejected,
    AdjustmentReversalRejected,
    AdjustmentReversed,
    ApproveAdjustment,
    ApproveAdjustmentReversal,
    ProposeAdjustment,
    RejectAdjustment,
    RejectAdjustmentReversal,
    ReverseAdjustment,
)
from domain.agent import Holdback, RecruitAgent, SignAgreement
from domain.agent_of_record import (
    AgentOfRecordChanged,
    AgentOfRecordChangeRejected,
    ApproveAgentOfRecordChange,
    ChangeAgentOfRecord,
    RejectAgentOfRecordChange,
    Weighted,
)
from domain.calendar import DayNotLater, DayOpened
from domain.contract import AssignService, OrderService, SignContract
from domain.deal import ApproveRegistration, RegisterDeal, RegistrationExpired
from domain.ids import account_stream
from domain.line_move import (
    ApproveLineMove,
    LineMoveApproved,
    LineMoveRejected,
    ProposeLineMove,
    RejectLineMove,
)
from domain.log import CommandResult, NewEvent
from domain.message import Actor, Command, Event, Evidence, Issued, Recorded, Refused
from domain.payout import (
    ApprovePayRun,
    HeldCommissionReleased,
    PayRunApproved,
    PayRunWithdrawn,
    WithdrawPayRun,
)
from domain.succession import AnnounceSuccession
from domain.suspense import (
    ApprovePlacement,
    LineOf,
    PlacementApproved,
    PlacementRejected,
    ProposePlacement,
    RejectPlacement,
)
from domain.vendor import ContractVendor
from domain.vendor_statement import ReceiveStatement, RevisionNotNext, StatementAlreadyReceived, StatementLine
from services.commands import DayHasPassed
from services.house import House
from services.imports import FileAlreadyImported, Imported, Wanted, import_statement
from services.succession import Report, announcement_id, succeed
from tests.adapters.sources import Lines
from tests.adapters.test_rebuild import dump
from tests.spec import ALDER_FOODS, ANN, BOB, LUMEN, account, agent, designated, given, letter, plan
from tests.system.at_once import TOGETHER_SECONDS, at_once, decided_on_the_same
from tests.system.books import settings_of
from tests.system.test_payouts import Clerks, propose

BOOK = (
    (LUMEN, ContractVendor(vendor="zito"), ContractVendor(vendor="vonage")),
    ALDER_FOODS,
    plan(overrides=()),
    (agent("harbor"), agent("delta"), RecruitAgent(agent="careful")),
    SignAgreement(agent="careful", plan="standard", holdback=Holdback.model_validate({"rate": "10%", "days": 60})),
    (account(), designated("harbor")),
    (account("ACC-2", "7-7"), designated("delta", account="ACC-2")),
    (account("ACC-3", "8-8"), designated("careful", account="ACC-3")),
)
FIRST, SECOND, THIRD = "5-QXTR9941", "7-7", "8-8"
ROUNDS = 6
CY = "cy"


def line(no: int, account: str, commission_minor: int) -> StatementLine:
    return StatementLine(line=no, account=account, commission_minor=Decimal(commission_minor))


def states(number: str, *commissions: tuple[str, int], revision: int = 0) -> ReceiveStatement:
    lines = tuple(line(no, account, minor) for no, (account, minor) in enumerate(commissions, start=1))
    total = sum(minor for _, minor in commissions)
    return ReceiveStatement(
        vendor="lumen",
        number=number,
        revision=revision,
        statement_month="2026-02",
        control_total_minor=total,
        lines=lines,
    )


class Rivals(Clerks):
    """Two houses over one book, as two processes have them."""

    def __init__(self, house: House, other: House) -> None:
        super().__init__(house)
        self.other = other

    def issued(self, command: Command, by: str = ANN, document: Evidence | None = None) -> Issued:
        self.given += 1
        return Issued(f"clerk-{self.given}", Actor(subject=by), command, evidence=document)

    def on_paper(self, command: Command) -> CommandResult:
        return self.house.handle(self.issued(command, ANN, letter()))

    def race(self, one: Issued, two: Issued, round_no: int) -> list[CommandResult | Refused]:
        """Both decide on the same; the one appends first, then in the next round the other, then as it happens."""
        tasks: list[Callable[[], CommandResult]] = [lambda: self.house.handle(one), lambda: self.other.handle(two)]
        turns = [(self.house, self.other), (self.other, self.house)]
        decided_on_the_same(turns[round_no % 2], in_turn=round_no % 3 < 2)
        return at_once(*tasks)

    def books(self) -> dict[str, int]:
        """What agents are owed and what waits, other than nothing."""
        queries = self.house.queries()
        rows = queries.balances(queries.ledger_position())
        wanted = {b.book: b.amount_minor for b in rows if b.book.endswith(("payable", "unmatched")) and b.amount_minor}
        return {book.split(":")[1]: amount for book, amount in wanted.items()}

    def events(self, *kinds: type[Event]) -> list[Recorded]:
        return [recorded for recorded in self.house.log.read(0, 10_000) if isinstance(recorded.event, kinds)]


@pytest.fixture
def rivals(database: Database) -> Iterator[Rivals]:
    with PostgresLog(database) as log:
        written = given(BOOK).log.events
        log.append([NewEvent(r.stream_id, r.stream_version, r.event, r.envelope) for r in written], {}, "book", "")
    with House(settings_of(database), database) as house, House(settings_of(database), database) as other:
        yield Rivals(house, other)
        assert verify(database).ok


def one_of_two(outcomes: list[Any], *refusals: type[Refused]) -> int:
    """Which of the two was taken; the other was refused as one of these."""
    taken = [n for n, outcome in enumerate(outcomes) if not isinstance(outcome, Refused)]
    assert len(taken) == 1, outcomes
    assert isinstance(outcomes[1 - taken[0]], refusals), outcomes
    return taken[0]


# -- statements


def file(house: House, number: str, *lines: StatementLine, revision: int = 0, month: str = "2026-02") -> Imported:
    wanted = Wanted(file_name="lumen.csv", vendor="lumen", number=number, revision=revision)
    return import_statement(house, Lines(lines, statement_month=month), wanted, Actor(subject=ANN))


@pytest.mark.parametrize("ways", ["two commands", "two files", "a command and a file"])
def test_of_two_different_revisions_1_at_once_one_is_taken(rivals: Rivals, ways: str) -> None:
    owed = 0
    for number in range(ROUNDS):
        name = f"S-{number}"
        rivals.give(states(name, (FIRST, 100_00), (FIRST, 10_00)))
        amounts = [40_00 + number, 60_00 + number]

        def by_command(house: House, nth: int, name: str = name, amounts: list[int] = amounts) -> object:
            revision = states(name, (FIRST, amounts[nth]), (FIRST, 10_00), revision=1)
            return house.handle(Issued(f"{name}-{nth}", Actor(subject=ANN), revision))

        def by_file(house: House, nth: int, name: str = name, amounts: list[int] = amounts) -> object:
            return file(house, name, line(2, FIRST, amounts[nth]), line(3, FIRST, 10_00), revision=1)

        one = by_file if ways == "two files" else by_command
        two = by_command if ways == "two commands" else by_file
        pair = [rivals.house, rivals.other]
        decided_on_the_same(pair[:: (-1) ** number], in_turn=number % 3 < 2)
        outcomes = at_once(lambda f=one: f(rivals.house, 0), lambda f=two: f(rivals.other, 1))  # type: ignore[misc]

        taken = one_of_two(outcomes, StatementAlreadyReceived, RevisionNotNext)
        owed += (amounts[taken] * 8 + 5) // 10 + 8_00
    assert rivals.books() == {"harbor": owed}


class Answer(NamedTuple):
    """A proposal for line 1 of a statement, its approval, and what then is owed and waits, in minor units.

    The statement has under the proposal's number 100.00 and 30.00, and 50.00 for ``ACC-1``; its revision 1 makes 40.00
    of the first, its revision 2 states the first ones again.
    """

    number: str
    propose: Callable[[str, str], Command]
    approve: Callable[[str, str], Command]
    revised: dict[str, int]
    restated: dict[str, int]


def move(statement: str, to: str | None, back_under: str | None = None, of: str = "ACC-1") -> ProposeLineMove:
    return ProposeLineMove(
        vendor="lumen",
        statement=statement,
        lines=(1,),
        from_account=of,
        to_account=to,
        number=back_under,
        moved_because="a mistake",
    )


def approve_placement(statement: str, number: str) -> ApprovePlacement:
    return ApprovePlacement(vendor="lumen", number=number)


def approve_move(statement: str, number: str) -> ApproveLineMove:
    return ApproveLineMove(vendor="lumen", statement=statement)


def placement(statement: str, number: str) -> ProposePlacement:
    return ProposePlacement(
        vendor="lumen", number=number, account="ACC-2", lines=(LineOf(statement=statement, line=1),)
    )


ANSWERS = {
    # the line that was placed is withdrawn; what is stated instead waits like any line under the number
    "a line is placed": Answer(
        "9-{}",
        placement,
        approve_placement,
        {"harbor": 40_00, "unmatched": 70_00},
        {"harbor": 40_00, "unmatched": 130_00},
    ),
    "a number is placed": Answer(
        "9-{}",
        lambda s, n: ProposePlacement(vendor="lumen", number=n, account="ACC-2"),
        approve_placement,
        {"harbor": 40_00, "delta": 56_00},
        {"harbor": 40_00, "delta": 104_00},
    ),
    "a line is moved": Answer(
        FIRST, lambda s, n: move(s, "ACC-2"), approve_move, {"harbor": 96_00}, {"harbor": 144_00}
    ),
    "a line is moved into suspense": Answer(
        FIRST, lambda s, n: move(s, None, back_under="0-0"), approve_move, {"harbor": 96_00}, {"harbor": 144_00}
    ),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_a_line_that_is_withdrawn_while_it_is_placed_or_moved_is_nowhere(rivals: Rivals, answer: Answer) -> None:
    def restates(name: str, number: str, amount: int, revision: int) -> ReceiveStatement:
        return states(name, (number, amount), (number, 30_00), (FIRST, 50_00), revision=revision)

    places = [(f"S-{n}", answer.number.format(n)) for n in range(ROUNDS)]
    for round_no, (name, number) in enumerate(places):
        rivals.give(restates(name, number, 100_00, 0))
        rivals.give(answer.propose(name, number))
        revision = rivals.issued(restates(name, number, 40_00, 1))
        approval = rivals.issued(answer.approve(name, number), BOB)

        outcomes = rivals.race(revision, approval, round_no)

        assert [type(outcome) for outcome in outcomes] == [CommandResult, CommandResult]
    assert rivals.books() == {book: amount * ROUNDS for book, amount in answer.revised.items()}

    for name, number in places:
        rivals.give(restates(name, number, 100_00, 2))
    assert rivals.books() == {book: amount * ROUNDS for book, amount in answer.restated.items()}


@pytest.mark.parametrize("moved", [False, True], ids=["placed twice", "placed and moved"])
def test_a_line_of_an_account_that_two_proposals_take_at_once_is_in_one_place(rivals: Rivals, moved: bool) -> None:
    """The lines name none of the account's services, which have different agents; two clerks see to each of them."""
    rivals.give(SignContract(contract="C-1", customer="alder-foods", vendor="lumen", term_months=36))
    for service, seller in (("C-1/dia", "harbor"), ("C-1/fax", "careful")):
        rivals.give(OrderService(contract="C-1", service=service, mrc_minor=0))
        rivals.give(AssignService(contract="C-1", service=service, account="ACC-2"))
        rivals.on_paper(designated(seller, account="ACC-2", service=service).command)

    def places(number: str, service: str, name: str) -> ProposePlacement:
        lines = (LineOf(statement=name, line=1),)
        return ProposePlacement(vendor="lumen", number=number, account="ACC-2", service=service, lines=lines)

    names = [f"S-{n}" for n in range(ROUNDS)]
    for round_no, name in enumerate(names):
        rivals.give(states(name, (SECOND, 100_00)))
        rivals.give(places(SECOND, "C-1/dia", name))
        rivals.give(move(name, "ACC-3", of="ACC-2") if moved else places("0-0", "C-1/fax", name))
        second = approve_move(name, SECOND) if moved else approve_placement(name, "0-0")
        one = rivals.issued(approve_placement(name, SECOND), BOB)

        outcomes = rivals.race(one, rivals.issued(second, CY), round_no)

        assert [type(outcome) for outcome in outcomes] == [CommandResult, CommandResult]
    books = rivals.books()
    if moved:  # from wherever on the account it stands
        assert books == {"careful": 80_00 * ROUNDS}
    else:  # where the first approval took it
        assert books.keys() == {"harbor", "careful"}
        assert sum(books.values()) == 80_00 * ROUNDS

    for name in names:
        rivals.give(states(name, (SECOND, 40_00), revision=1))
    assert rivals.books() == {"unmatched": 40_00 * ROUNDS}


@pytest.mark.parametrize("number", ["S-{}", "T-{}"], ids=["one number", "two numbers"])
@pytest.mark.parametrize("lines", [1, 700], ids=["small", "in two events"])
def test_one_file_imported_twice_at_once_counts_once(rivals: Rivals, number: str, lines: int) -> None:
    for n in range(ROUNDS):
        content = [line(2, FIRST, 100_00 + n), *(line(no, FIRST, 100) for no in range(3, lines + 2))]
        outcomes = at_once(
            lambda n=n, of=content: file(rivals.house, f"S-{n}", *of),  # type: ignore[misc]
            lambda n=n, of=content: file(rivals.other, number.format(n), *of),  # type: ignore[misc]
        )
        if number == "S-{}":
            one, two = outcomes
            assert isinstance(one, Imported)
            assert isinstance(two, Imported)
            assert one.result == two.result
        else:
            one_of_two(outcomes, FileAlreadyImported)
    earned = sum((8 * (100_00 + n) + 5) // 10 + (lines - 1) * 80 for n in range(ROUNDS))
    assert rivals.books() == {"harbor": earned}


def test_one_file_at_once_as_a_statement_and_as_a_revision_of_another_counts_once(rivals: Rivals) -> None:
    owed = 0
    for n in range(ROUNDS):
        rivals.give(states(f"S-{n}", (FIRST, 10_00)))
        same = line(2, FIRST, 100_00 + 5 * n)
        outcomes = at_once(
            lambda n=n, same=same: file(rivals.house, f"S-{n}", same, revision=1),  # type: ignore[misc]
            lambda n=n, same=same: file(rivals.other, f"T-{n}", same),  # type: ignore[misc]
        )
        taken = one_of_two(outcomes, FileAlreadyImported)
        owed += 80_00 + 4 * n + (8_00 if taken == 1 else 0)
    assert rivals.books() == {"harbor": owed}


def test_a_ledger_that_catches_up_while_statements_are_imported_is_the_one_that_is_built_again(
    rivals: Rivals, database: Database
) -> None:
    imported = threading.Event()

    def imports() -> int:
        try:
            for n in range(ROUNDS):
                name = f"S-{n}"
                mixed = [line(no, (FIRST, SECOND, f"9-{no}")[no % 3], 100 + no) for no in range(2, 602)]
                file(rivals.house, name, *mixed)
                file(rivals.house, name, *mixed[:-200], *(line(700 + no, SECOND, no) for no in range(9)), revision=1)
        finally:
            imported.set()
        return ROUNDS

    def projects(house: House) -> int:
        rounds = 0
        while not imported.is_set():
            house.projectors.catch_up()
            rounds += 1
        return rounds

    with House(settings_of(database), database) as third:
        at_once(imports, lambda: projects(rivals.other), lambda: projects(third))
    rivals.house.projectors.catch_up()
    grown = dump(database, database.book)
    rebuild(database, "facts")
    rebuild(database, "ledger", 1)
    assert dump(database, database.book) == grown


# -- a succession that two resume


MOVED = 30
PLAN = AnnounceSuccession(vendor="lumen", successor="zito", effective_on=date(2026, 3, 1))


class Stopped(Exception):
    pass


@pytest.mark.parametrize("behind", [False, True], ids=["side by side", "one falls behind"])
def test_a_succession_resumed_by_two_at_once_moves_each_account_once(rivals: Rivals, behind: bool) -> None:
    """``A-20`` is another vendor's since the plan was made, and so left out."""
    for n in range(MOVED):
        number = (Alias(vendor="lumen", number=f"N {n}"),)
        rivals.give(OpenAccount(account=f"A-{n}", customer="alder-foods", vendor="lumen", aliases=number))
    issued = Issued(announcement_id(PLAN), Actor(subject=ANN), PLAN)

    def stops(done: int, total: int) -> None:
        if done == 5:
            raise Stopped

    with pytest.raises(Stopped):
        succeed(rivals.house, issued, stops)
    elsewhere = PLAN.model_copy(update={"successor": "vonage", "accounts": ("A-20",)})
    assert succeed(rivals.house, Issued(announcement_id(elsewhere), Actor(subject=ANN), elsewhere)).moved == 1
    on_its_way, done = threading.Event(), threading.Event()

    def first() -> Report:
        def waits(count: int, total: int) -> None:
            assert not behind or on_its_way.wait(TOGETHER_SECONDS)

        try:
            return succeed(rivals.house, issued, waits)
        finally:
            done.set()

    def second() -> Report:
        def falls_behind(count: int, total: int) -> None:
            on_its_way.set()
            assert not behind or done.wait(TOGETHER_SECONDS)

        return succeed(rivals.other, issued, falls_behind)

    one, two = at_once(first, second)

    assert isinstance(one, Report), one
    assert one == two
    assert (one.accounts, one.moved, [left.account for left in one.left_out]) == (MOVED + 3, MOVED + 2, ["A-20"])
    moved = [r.stream_id for r in rivals.house.log.read(0, 10_000) if r.event.topic == "account.vendor_succeeded"]
    assert sorted(moved) == sorted(
        {*(f"account:A-{n}" for n in range(MOVED)), *(f"account:ACC-{n}" for n in (1, 2, 3))}
    )
    assert rivals.house.commands.state(account_stream("A-20")).vendor == "vonage"
    completed = [r for r in rivals.house.log.read(0, 10_000) if r.event.topic == "succession.completed"]
    assert len(completed) == 2


# -- approved and rejected at once


class Contested(NamedTuple):
    """How something is proposed in a round, its two answers, their events, and what harbor earns if it is approved."""

    propose: Callable[[Rivals, int], object]
    approve: Callable[[int], Command]
    reject: Callable[[int], Command]
    approved: type[Event]
    rejected: type[Event]
    earns: int
    otherwise: int = 0


def _adjust(rivals: Rivals, n: int) -> None:
    rivals.on_paper(
        ProposeAdjustment(adjustment=f"ADJ-{n}", agent="harbor", amount_minor=7_00, adjusted_because="goodwill")
    )


def _undo(rivals: Rivals, n: int) -> None:
    _adjust(rivals, n)
    rivals.give(ApproveAdjustment(adjustment=f"ADJ-{n}"), BOB)
    rivals.on_paper(ReverseAdjustment(adjustment=f"ADJ-{n}", reversed_because="a mistake"))


def _waits(rivals: Rivals, n: int) -> None:
    rivals.give(states(f"S-{n}", (f"9-{n}", 10_00)))
    rivals.give(ProposePlacement(vendor="lumen", number=f"9-{n}", account="ACC-1"))


def _moves(rivals: Rivals, n: int) -> None:
    rivals.give(states(f"S-{n}", (FIRST, 10_00)))
    rivals.give(move(f"S-{n}", "ACC-2"))


def _changes(rivals: Rivals, n: int) -> None:
    rivals.give(account(f"B-{n}", f"6-{n}"))
    rivals.on_paper(designated("delta", account=f"B-{n}", effective_on=date(2025, 1, 1)).command)
    rivals.give(states(f"S-{n}", (f"6-{n}", 10_00)))
    named = (Weighted(agent="harbor"),)
    rivals.give(ChangeAgentOfRecord(account=f"B-{n}", agents=named, effective_on=date(2026, 1, 1)))


CONTESTED = {
    "adjustment": Contested(
        _adjust,
        lambda n: ApproveAdjustment(adjustment=f"ADJ-{n}"),
        lambda n: RejectAdjustment(adjustment=f"ADJ-{n}", rejected_because="no"),
        AdjustmentApproved,
        AdjustmentRejected,
        7_00,
    ),
    "reversal": Contested(
        _undo,
        lambda n: ApproveAdjustmentReversal(adjustment=f"ADJ-{n}"),
        lambda n: RejectAdjustmentReversal(adjustment=f"ADJ-{n}", rejected_because="no"),
        AdjustmentReversed,
        AdjustmentReversalRejected,
        0,
        7_00,
    ),
    "placement": Contested(
        _waits,
        lambda n: ApprovePlacement(vendor="lumen", number=f"9-{n}"),
        lambda n: RejectPlacement(vendor="lumen", number=f"9-{n}", rejected_because="no"),
        PlacementApproved,
        PlacementRejected,
        8_00,
    ),
    "move": Contested(
        _moves,
        lambda n: ApproveLineMove(vendor="lumen", statement=f"S-{n}"),
        lambda n: RejectLineMove(vendor="lumen", statement=f"S-{n}", rejected_because="no"),
        LineMoveApproved,
        LineMoveRejected,
        0,
        8_00,
    ),
    "change": Contested(
        _changes,
        lambda n: ApproveAgentOfRecordChange(account=f"B-{n}"),
        lambda n: RejectAgentOfRecordChange(account=f"B-{n}", rejected_because="no"),
        AgentOfRecordChanged,
        AgentOfRecordChangeRejected,
        8_00,
    ),
}


@pytest.mark.parametrize("of", CONTESTED.values(), ids=CONTESTED)
def test_what_is_approved_and_rejected_at_once_is_one_of_the_two(rivals: Rivals, of: Contested) -> None:
    earned = 0
    for n in range(ROUNDS):
        of.propose(rivals, n)
        before = len(rivals.events(of.approved, of.rejected))
        approve, reject = rivals.issued(of.approve(n), BOB), rivals.issued(of.reject(n), CY)

        taken = one_of_two(rivals.race(approve, reject, n), Refused)

        (answered,) = rivals.events(of.approved, of.rejected)[before:]
        assert type(answered.event) is (of.approved, of.rejected)[taken]
        earned += (of.earns, of.otherwise)[taken]
    assert rivals.books().get("harbor", 0) == earned
    approvals = len(rivals.events(of.approved))
    assert 0 < approvals < ROUNDS, "each was first once"


def test_a_pay_run_that_is_approved_and_withdrawn_at_once_can_be_one_of_the_two(rivals: Rivals) -> None:
    """Withdrawn after the approval is allowed too: then it is both, in this order, and nothing is paid."""
    for n in range(ROUNDS):
        rivals.give(states(f"S-{n}", (FIRST, 10_00)))
        rivals.give(propose(f"run-{n}"))
        approve = rivals.issued(ApprovePayRun(pay_run=f"run-{n}"), BOB)
        withdraw = rivals.issued(WithdrawPayRun(pay_run=f"run-{n}"), CY)

        outcomes = rivals.race(approve, withdraw, n)

        assert isinstance(outcomes[1], CommandResult)
        answers = [r.event for r in rivals.events(PayRunApproved, PayRunWithdrawn)]
        *approved, withdrawn = (e for e in answers if vars(e)["pay_run"] == f"run-{n}")
        assert isinstance(withdrawn, PayRunWithdrawn)
        assert len(approved) == isinstance(outcomes[0], CommandResult)
    assert rivals.books() == {"harbor": 8_00 * ROUNDS}
    rivals.pay("all")
    assert rivals.paid() == [8_00 * ROUNDS]


# -- days


DUE = date(2026, 4, 6)
"""Registrations approved on 2026-01-05 are protected for 90 days; what is held then, for 60."""


@pytest.mark.parametrize("days", [(DUE, DUE), (DUE, date(2026, 4, 7))], ids=["the same day", "two days"])
def test_what_is_due_on_days_that_are_opened_at_once_happens_once(rivals: Rivals, days: tuple[date, date]) -> None:
    for n in range(ROUNDS):
        whose = {"customer": "alder-foods", "deal": f"D-{n}", "agent": "harbor"}
        rivals.give(RegisterDeal(**whose, vendor="lumen"))
        rivals.give(ApproveRegistration(**whose))
        rivals.give(states(f"S-{n}", (THIRD, 100_00)))
        rivals.pay(f"run-{n}")
    assert rivals.books() == {}
    decided_on_the_same([rivals.house, rivals.other])

    outcomes = at_once(
        lambda: rivals.house.commands.open_day(days[0], Actor(subject=ANN)),
        lambda: rivals.other.commands.open_day(days[1], Actor(subject=BOB)),
    )

    assert [o for o in outcomes if o is not None and not isinstance(o, DayHasPassed | DayNotLater)] == []
    assert len(rivals.events(DayOpened)) in (2, 1 + len(set(days)))
    expired = [r.event.deal for r in rivals.events(RegistrationExpired)]  # type: ignore[attr-defined]
    released = [r.event.pay_run for r in rivals.events(HeldCommissionReleased)]  # type: ignore[attr-defined]
    assert sorted(expired) == [f"D-{n}" for n in range(ROUNDS)]
    assert sorted(released) == [f"run-{n}" for n in range(ROUNDS)]
    assert rivals.books() == {"careful": 8_00 * ROUNDS}
