"""One story in which everything happens that can happen in the house, and books that are told of it."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from adapters.memory import MemoryBook, MemoryLog
from domain.account import AddAlias, Alias, EndAlias, OpenAccount
from domain.adjustment import (
    ApproveAdjustment,
    ApproveAdjustmentReversal,
    ProposeAdjustment,
    RejectAdjustment,
    RejectAdjustmentReversal,
    ReverseAdjustment,
)
from domain.agency import LoseAgencyOfRecord, RejectAgencyOfRecordChange, WinBackAgencyOfRecord
from domain.agent import (
    ChangeUpline,
    Holdback,
    RecruitAgent,
    ReinstateAgent,
    SignAgreement,
    SuspendAgent,
    TerminateAgent,
)
from domain.agent_of_record import (
    ApproveAgentOfRecordChange,
    ChangeAgentOfRecord,
    CloseRescissionWindow,
    ConfirmAgentOfRecordChange,
    DeclineAgentOfRecordChange,
    DesignateAgentOfRecord,
    RejectAgentOfRecordChange,
    RescindAgentOfRecordChange,
    RescissionWindow,
    StaysUntilRenewal,
    Weighted,
)
from domain.contract import (
    ActivateService,
    AssignService,
    DisconnectService,
    OrderService,
    RenewContract,
    RepriceService,
    SignContract,
)
from domain.customer import OnboardCustomer
from domain.deal import (
    ApproveRegistration,
    ExpireRegistration,
    ExtendRegistration,
    LoseDeal,
    OpenSelfReferral,
    RegisterDeal,
    RejectRegistration,
    WinDeal,
    WithdrawRegistration,
)
from domain.letter import CompleteAgentOfRecordLetter, ReceiveAgentOfRecordLetter
from domain.line_move import ApproveLineMove, ProposeLineMove, RejectLineMove
from domain.message import Evidence, Recorded
from domain.payout import (
    ApprovePayRun,
    Earned,
    ProposePayRun,
    ReleaseHoldback,
    ReleasePayRun,
    ReturnPayout,
    SettlePayout,
    WithdrawPayRun,
)
from domain.plan import PercentOfCommission, ProposePlanVersion, Retroactive, Rule, WithdrawPlanVersion
from domain.receipt import MatchReceipt, MatchTo, ReceiveMoney
from domain.recipe import (
    ApproveReprojection,
    DropReprojection,
    PlanVersionRef,
    PromoteReprojection,
    ProposeReprojection,
    UndoReprojection,
)
from domain.succession import (
    PLANNED_PER_EVENT,
    AnnounceSuccession,
    Collision,
    CompleteSuccession,
    Holder,
    LeftOut,
    SucceedVendor,
)
from domain.suspense import ApprovePlacement, LineOf, ProposePlacement, RejectPlacement
from domain.vendor import ContractVendor, EndVendorAgreement, ListProducts, Product, ResumeVendorAgreement, VendorTerms
from domain.vendor_statement import ReceiveStatement, StatementLine
from projections.projection import KeyedState, Projection, Row, Table
from tests.spec import AGENTS, ALDER_FOODS, BOB, PLAN, Given, Steps, given, said

ACCOUNT = "lumen/5-QXTR9941"
SIGNED = date(2026, 1, 19)
DIGEST = "sha256:ab12" + "0" * 60


def agents(*names: str) -> tuple[Weighted, ...]:
    return tuple(Weighted(agent=name) for name in names)


def loa(signed_on: date = SIGNED) -> Evidence:
    """A letter of agency that the customer signed."""
    return Evidence(digest=DIGEST, signer="customer:alder-foods", signed_on=signed_on)


def line(number: int, account: str, commission_minor: int) -> StatementLine:
    return StatementLine(line=number, account=account, commission_minor=Decimal(commission_minor))


PARTIES: tuple[Steps, ...] = (
    ContractVendor(vendor="lumen", statement_lag_months=1, terms=VendorTerms(dispute_days=180)),
    ListProducts(vendor="lumen", products=(Product(product="dia", category="internet"),)),
    PLAN,
    ProposePlanVersion(plan="gold"),
    WithdrawPlanVersion(plan="gold"),
    AGENTS,
    ALDER_FOODS,
)
DEALS: tuple[Steps, ...] = (
    RegisterDeal(
        customer="alder-foods",
        deal="D-1",
        agent="harbor",
        vendor="lumen",
        products=("dia",),
        scope="three sites, one circuit each.",
    ),
    RegisterDeal(customer="alder-foods", deal="D-2", agent="summit", vendor="lumen"),
    WinDeal(customer="alder-foods", deal="D-1"),
    LoseDeal(customer="alder-foods", deal="D-2", lost_because="the customer stays where it is"),
)

RIVALS: tuple[Steps, ...] = (
    *(RecruitAgent(agent=name) for name in ("cedar", "dogwood", "elm")),
    RegisterDeal(customer="alder-foods", deal="D-3", agent="cedar", vendor="lumen", scope="voice for the head office"),
    RegisterDeal(customer="alder-foods", deal="D-3", agent="dogwood", vendor="lumen", products=("dia",)),
    RegisterDeal(customer="alder-foods", deal="D-3", agent="elm", vendor="lumen"),
    ApproveRegistration(customer="alder-foods", deal="D-3", agent="cedar"),
    ExtendRegistration(customer="alder-foods", deal="D-3", agent="cedar", extended_because="the board meets in autumn"),
    RejectRegistration(customer="alder-foods", deal="D-3", agent="dogwood", rejected_because="no meeting took place"),
    said(
        OpenSelfReferral(customer="alder-foods", deal="D-3", agent="dogwood", vendor="lumen", scope="voice"),
        letter=loa(),
    ),
    WithdrawRegistration(customer="alder-foods", deal="D-3", agent="elm", withdrawn_because="no budget"),
    WinDeal(customer="alder-foods", deal="D-3"),
    RegisterDeal(customer="alder-foods", deal="D-4", agent="cedar", vendor="lumen"),
    ApproveRegistration(customer="alder-foods", deal="D-4", agent="cedar"),
    said(ExpireRegistration(customer="alder-foods", deal="D-4", agent="cedar"), on=date(2026, 7, 27)),
)
"""Three agents claim one deal, until the customer names one of them itself; the registration of another expires."""
ACCOUNTS: tuple[Steps, ...] = (
    OpenAccount(
        account=ACCOUNT, customer="alder-foods", vendor="lumen", aliases=(Alias(vendor="lumen", number="5-QXTR9941"),)
    ),
    said(
        DesignateAgentOfRecord(account=ACCOUNT, agents=agents("harbor"), effective_on=date(2026, 1, 1)),
        letter=loa(date(2025, 12, 15)),
    ),
    AddAlias(account=ACCOUNT, alias=Alias(vendor="lumen", number="BTN 303", source="billing-telephone-number")),
    EndAlias(account=ACCOUNT, vendor="lumen", number="BTN 303", effective_on=date(2026, 2, 1)),
)
CONTRACTS: tuple[Steps, ...] = (
    SignContract(contract="C-1", customer="alder-foods", vendor="lumen", term_months=36, deal="D-1"),
    OrderService(contract="C-1", service="dia-1", product="dia", mrc_minor=124987, nrc_minor=50000),
    AssignService(contract="C-1", service="dia-1", account=ACCOUNT),
    ActivateService(contract="C-1", service="dia-1"),
    RepriceService(contract="C-1", service="dia-1", mrc_minor=119900, effective_on=date(2026, 2, 1)),
    RenewContract(contract="C-1", term_months=12, effective_on=date(2026, 3, 1)),
    DisconnectService(contract="C-1", service="dia-1", effective_on=date(2026, 6, 1)),
)
CHANGES: tuple[Steps, ...] = (
    ChangeAgentOfRecord(account=ACCOUNT, agents=agents("summit", "keystone"), effective_on=date(2026, 2, 1)),
    said(RejectAgentOfRecordChange(account=ACCOUNT, rejected_because="no letter came"), by=BOB),
    said(
        ChangeAgentOfRecord(
            account=ACCOUNT,
            agents=agents("summit"),
            effective_on=date(2026, 2, 1),
            commission_stays=StaysUntilRenewal(at_latest=date(2027, 1, 1)),
        ),
        letter=loa(),
        on=date(2026, 4, 27),
    ),
    said(ApproveAgentOfRecordChange(account=ACCOUNT), by=BOB),
    ChangeUpline(agent="harbor", upline=None, effective_on=date(2026, 5, 1)),
)
MONEY: tuple[Steps, ...] = (
    ReceiveStatement(
        vendor="lumen",
        number="2026-04",
        statement_month="2026-04",
        control_total_minor=60000,
        lines=(*(line(n, "5-QXTR9941", 100) for n in range(1, 600)), line(600, "05-77", 100)),
    ),
    ProposePlacement(vendor="lumen", number="05-77", account=ACCOUNT, keep_alias=False),
    said(RejectPlacement(vendor="lumen", number="05-77", rejected_because="the order is another customer's"), by=BOB),
    ProposePlacement(vendor="lumen", number="05-77", account=ACCOUNT, service_month="2026-03"),
    said(ApprovePlacement(vendor="lumen", number="05-77"), by=BOB),
    ReceiveMoney(receipt="R-1", vendor="lumen", amount_minor=61000),
    MatchReceipt(receipt="R-1", statements=(MatchTo(number="2026-04", amount_minor=59000),)),
)
TAKEN_OVER: dict[str, Any] = {"vendor": "vonage", "successor": "ericsson", "effective_on": date(2026, 7, 1)}
TAKEOVER: tuple[Steps, ...] = (
    ContractVendor(vendor="ericsson", statement_lag_months=1),
    AnnounceSuccession(
        **TAKEN_OVER,
        accounts=tuple(f"vonage/{n}" for n in range(1, 1 + PLANNED_PER_EVENT + 1)),
        holders=tuple(Holder(account=f"vonage/{n}", numbers=(f"V {n}",)) for n in range(1, 1 + PLANNED_PER_EVENT + 1)),
        taken=(Collision(number="V 1", accounts=("ericsson/7",)),),
        other_numbers="kept",
        late_lines="never",
    ),
    SucceedVendor(**TAKEN_OVER, account="vonage/1"),
    CompleteSuccession(
        **TAKEN_OVER,
        succeeded_count=1,
        left_out=tuple(
            LeftOut(account=f"vonage/{n}", because="not opened") for n in range(2, 1 + PLANNED_PER_EVENT + 1)
        ),
    ),
)
WRONG: dict[str, Any] = {"vendor": "vonage", "statement": "V-1", "lines": (1,), "from_account": "vonage/1"}
MOVES: tuple[Steps, ...] = (
    ContractVendor(vendor="vonage", statement_lag_months=0),
    OnboardCustomer(customer="cedar-law"),
    OpenAccount(
        account="vonage/1", customer="cedar-law", vendor="vonage", aliases=(Alias(vendor="vonage", number="V 1"),)
    ),
    ReceiveStatement(
        vendor="vonage",
        number="V-1",
        statement_month="2026-04",
        control_total_minor=100,
        lines=(line(1, "V 1", 100),),
    ),
    ProposeLineMove(**WRONG, number="V 1", moved_because="another customer's"),
    said(RejectLineMove(vendor="vonage", statement="V-1", rejected_because="it is right"), by=BOB),
    ProposeLineMove(**WRONG, number="V 1", moved_because="another customer's after all"),
    said(ApproveLineMove(vendor="vonage", statement="V-1"), by=BOB),
    ProposePlacement(
        vendor="vonage",
        number="V 1",
        account="vonage/1",
        service="C-9/sip",
        lines=(LineOf(statement="V-1", line=1),),
        keep_alias=False,
    ),
    said(ApprovePlacement(vendor="vonage", number="V 1"), by=BOB),
)


def figures(**earned_minor: int) -> tuple[Earned, ...]:
    return tuple(Earned(agent=agent, currency="USD", earned_minor=earned) for agent, earned in earned_minor.items())


def pay_run(name: str, as_known_at: int, earned: tuple[Earned, ...]) -> ProposePayRun:
    return ProposePayRun(pay_run=name, figures=earned, as_known_at=as_known_at, ledger_position=as_known_at)


def reprojection(name: str, *plan_versions: PlanVersionRef) -> ProposeReprojection:
    return ProposeReprojection(
        reprojection=name, plan_versions=plan_versions, proposed_because="the bulletin of April."
    )


PAYOUTS: tuple[Steps, ...] = (
    pay_run("2026-04", 44, figures(harbor=48000, keystone=-350, summit=0)),
    said(ApprovePayRun(pay_run="2026-04"), by=BOB),
    ReleasePayRun(pay_run="2026-04"),
    SettlePayout(pay_run="2026-04"),
    ReturnPayout(pay_run="2026-04", agent="harbor", returned_because="the bank account is closed"),
    pay_run("2026-04b", 44, figures(harbor=48000)),
    WithdrawPayRun(pay_run="2026-04b"),
    TerminateAgent(agent="harbor", effective_on=date(2026, 6, 1), evergreen=True),
)
STANDING: tuple[Steps, ...] = (
    SuspendAgent(agent="summit", suspended_because="a complaint is open."),
    ReinstateAgent(agent="summit", effective_on=date(2026, 5, 1)),
    TerminateAgent(agent="keystone", effective_on=date(2026, 7, 1)),
)
ADJUSTMENTS: tuple[Steps, ...] = (
    said(
        ProposeAdjustment(
            adjustment="ADJ-1",
            agent="harbor",
            account=ACCOUNT,
            service_month="2026-03",
            amount_minor=2500,
            adjusted_because="goodwill for the late install.",
        ),
        letter=loa(),
    ),
    said(ApproveAdjustment(adjustment="ADJ-1"), by=BOB),
    said(ReverseAdjustment(adjustment="ADJ-1", reversed_because="the vendor paid it"), letter=loa()),
    said(RejectAdjustmentReversal(adjustment="ADJ-1", rejected_because="not all of it"), by=BOB),
    said(ReverseAdjustment(adjustment="ADJ-1", reversed_because="the vendor paid it all"), letter=loa()),
    said(ApproveAdjustmentReversal(adjustment="ADJ-1"), by=BOB),
    said(
        ProposeAdjustment(adjustment="ADJ-2", agent="summit", amount_minor=-100, adjusted_because="portal fee"),
        letter=loa(),
    ),
    said(RejectAdjustment(adjustment="ADJ-2", rejected_because="the portal was down"), by=BOB),
)
STRICT = VendorTerms(rescission_business_days=10, rescission_holidays="US-NY", confirms_agent_of_record=True)


def by_letter(letter_id: str, agent: str, effective_on: date) -> ReceiveAgentOfRecordLetter:
    window = RescissionWindow(vendor="zito", accepted_on=date(2026, 7, 30), until=date(2026, 8, 10))
    return ReceiveAgentOfRecordLetter(
        letter_id=letter_id,
        customer="alder-foods",
        accounts=("zito/1",),
        agents=agents(agent),
        effective_on=effective_on,
        signer="customer:alder-foods",
        signed_on=date(2026, 4, 20),
        rescission_windows=(window,),
    )


LETTERS: tuple[Steps, ...] = (
    RecruitAgent(agent="fir"),
    RecruitAgent(agent="gorse"),
    ContractVendor(vendor="zito", terms=STRICT),
    OpenAccount(account="zito/1", customer="alder-foods", vendor="zito"),
    by_letter("L-1", "gorse", date(2026, 1, 1)),
    ReceiveAgentOfRecordLetter(letter_id="L-2", customer="alder-foods", accounts=("zito/1",)),
    CompleteAgentOfRecordLetter(letter_id="L-2", signer="customer:alder-foods"),
    by_letter("L-3", "fir", date(2026, 8, 1)),
    said(RescindAgentOfRecordChange(account="zito/1"), letter=loa()),
    by_letter("L-4", "fir", date(2026, 8, 1)),
    said(CloseRescissionWindow(account="zito/1", letter_id="L-4"), on=date(2026, 8, 11)),
    ConfirmAgentOfRecordChange(account="zito/1"),
    ContractVendor(vendor="windstream", terms=VendorTerms(confirms_agent_of_record=True)),
    OpenAccount(account="wind/1", customer="alder-foods", vendor="windstream"),
    said(DesignateAgentOfRecord(account="wind/1", agents=agents("gorse"), effective_on=date(2026, 1, 1)), letter=loa()),
    said(ChangeAgentOfRecord(account="wind/1", agents=agents("fir"), effective_on=date(2026, 9, 1)), letter=loa()),
    DeclineAgentOfRecordChange(account="wind/1", declined_because="the signer is unknown."),
)
ELSEWHERE: tuple[Steps, ...] = (
    OpenAccount(account="lumen/2", customer="alder-foods", vendor="lumen"),
    said(
        LoseAgencyOfRecord(accounts=("lumen/2",), agency="brightstar", effective_on=date(2026, 3, 1)),
        letter=Evidence(signer="vendor:lumen", signed_on=date(2026, 4, 20)),
    ),
    RejectAgencyOfRecordChange(accounts=("lumen/2",), rejected_because="another account was meant."),
    said(
        LoseAgencyOfRecord(accounts=("lumen/2",), agency="brightstar", effective_on=date(2026, 5, 1)),
        letter=Evidence(signer="vendor:lumen", signed_on=date(2026, 4, 21)),
    ),
    said(
        WinBackAgencyOfRecord(accounts=("lumen/2",), effective_on=date(2026, 6, 1)),
        letter=Evidence(signer="vendor:lumen", signed_on=date(2026, 4, 22)),
    ),
    EndVendorAgreement(vendor="lumen", effective_on=date(2026, 9, 15)),
    ResumeVendorAgreement(vendor="lumen", effective_on=date(2026, 12, 1)),
)
HOLDS: tuple[Steps, ...] = (
    RecruitAgent(agent="tern"),
    SignAgreement(agent="tern", plan="standard", holdback=Holdback(rate=Decimal("0.1"), days=2)),
    pay_run("2026-05", 44, figures(tern=20000)),
    said(ApprovePayRun(pay_run="2026-05"), by=BOB),
    ReleasePayRun(pay_run="2026-05"),
    said(ReleaseHoldback(agent="tern", pay_run="2026-05", currency="USD"), on=date(2026, 7, 30)),
    pay_run("2026-06", 44, figures(tern=21000)),
)
REVISED: tuple[Steps, ...] = (
    ReceiveStatement(
        vendor="lumen",
        number="2026-04",
        revision=1,
        statement_month="2026-04",
        control_total_minor=59900 + 300,
        lines=tuple(line(n, "5-QXTR9941", 100 if n > 300 else 101) for n in range(1, 600)),
    ),
)
"""A cent more on each of the first 300 lines, and the last line withdrawn: 601 differences, in two events."""


NEXT_RULES: tuple[Steps, ...] = (
    ProposePlanVersion(
        plan="standard",
        plan_version=2,
        applies_to=Retroactive(kind="retroactive", from_=date(2026, 3, 1)),
        rules=(Rule(rule="residual", pay=PercentOfCommission(kind="percent-of-commission", rate=Decimal("0.7"))),),
        because="the yearly target was missed.",
    ),
    reprojection("cut", PlanVersionRef(plan="standard", plan_version=2)),
    said(ApproveReprojection(reprojection="cut"), by=BOB),
    PromoteReprojection(reprojection="cut"),
    UndoReprojection(reprojection="cut-undone", undoes="cut", proposed_because="the target was met after all."),
    said(ApproveReprojection(reprojection="cut-undone"), by=BOB),
    PromoteReprojection(reprojection="cut-undone"),
    ProposePlanVersion(plan="standard", plan_version=3),
    reprojection("nothing-more", PlanVersionRef(plan="standard", plan_version=3)),
    DropReprojection(reprojection="nothing-more"),
    WithdrawPlanVersion(plan="standard", plan_version=3),
)


def story() -> Given:
    """Everything that can happen, each kind of event at least once."""
    return given(
        PARTIES,
        DEALS,
        ACCOUNTS,
        CONTRACTS,
        CHANGES,
        MONEY,
        PAYOUTS,
        ADJUSTMENTS,
        STANDING,
        ELSEWHERE,
        RIVALS,
        MOVES,
        TAKEOVER,
        HOLDS,
        LETTERS,
        REVISED,
        NEXT_RULES,
    )


def book(log: MemoryLog, *projections: Projection) -> MemoryBook:
    """A book with the projections that knows the whole log."""
    kept = MemoryBook(log, projections)
    kept.catch_up()
    return kept


class Batches:
    """Keyed state as a projector has it: rows in tables, and those of the batch that is not written yet.

    Rows of one key come in the order of the primary key.
    """

    def __init__(self, tables: Iterable[Table]) -> None:
        self.tables = {table.name: table for table in tables}
        self.written: list[Row] = []
        self.pending: list[Row] = []

    def rows(self, table: str, column: str, value: Any) -> Sequence[tuple[Any, ...]]:
        names = self.tables[table].column_names
        at, key = names.index(column), [names.index(name) for name in self.tables[table].key]
        found = [r.values for r in (*self.written, *self.pending) if r.table == table and r.values[at] == value]
        return sorted(found, key=lambda values: [values[k] for k in key])

    def write(self) -> None:
        self.written.extend(self.pending)
        self.pending.clear()


def in_batches(
    events: Sequence[Recorded],
    size: int,
    tables: Iterable[Table],
    project: Callable[[Recorded, KeyedState], Iterable[Row]],
) -> list[Row]:
    """All rows of the events when every ``size`` of them are written together."""
    state = Batches(tables)
    for start in range(0, len(events), size):
        for recorded in events[start : start + size]:
            state.pending.extend(list(project(recorded, state)))
        state.write()
    return state.written
