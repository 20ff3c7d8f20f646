"""One event of every topic with every optional field filled, to be frozen as stored bytes."""

from datetime import date
from decimal import Decimal
from typing import Any

from domain import account as a
from domain import (
    adjustment,
    agency,
    agent,
    calendar,
    contract,
    customer,
    deal,
    letter,
    line_move,
    payout,
    receipt,
    recipe,
    succession,
    suspense,
    vendor,
)
from domain import agent_of_record as aor
from domain import plan as p
from domain import vendor_statement as v
from domain.message import Actor, Envelope, Event, Evidence

ON = date(2026, 1, 5)
ANN = Actor(issuer="okta", subject="ann", on_behalf_of="house/cleo")
BOB = Actor(subject="bob", on_behalf_of="house/dora")
LETTER = Evidence(digest="sha256:" + "ab" * 32, signer="alder-foods:cfo", signed_on=date(2025, 12, 15))
ENVELOPE = Envelope(
    actor=ANN, evidence=LETTER, command_id="command-1", correlation_id="command-0", causation_id="account:ACC-1@3"
)

ALIAS = a.Alias(vendor="lumen", number="00-42 17", source="circuit", from_=date(2026, 2, 1), until=date(2027, 3, 1))
AGENTS = (aor.Weighted(agent="harbor", weight=60), aor.Weighted(agent="keystone", weight=40))
FORMER = (aor.Weighted(agent="summit"),)
STAYS = aor.StaysUntilRenewal(at_latest=date(2027, 1, 1))
EVERYTHING = p.Selector(
    service="C-1/dia", account="ACC-1", product="dia", category="internet", charge_kind="recurring", vendor="lumen"
)
PAYS: tuple[p.Pay, ...] = (
    p.PercentOfCommission(kind="percent-of-commission", rate=Decimal("0.80")),
    p.PercentOfMrc(kind="percent-of-mrc", rate=Decimal("0.125")),
    p.MultipleOfMrcOnce(
        kind="multiple-of-mrc-once", multiple=Decimal("1.5"), clawback_within_days=180, clawback_rate=Decimal("0.5")
    ),
    p.Flat(
        kind="flat", amount_minor=2500, currency="CAD", every="once", clawback_within_days=90, clawback_rate=Decimal(1)
    ),
)
OVERRIDES: tuple[p.OverridePay, ...] = (
    p.OverridePercentOfCommission(kind="percent-of-commission", rate=Decimal("0.05")),
    p.OverridePercentOfMrc(kind="percent-of-mrc", rate=Decimal("0.01")),
    p.PercentOfDownlineShare(kind="percent-of-downline-share", rate=Decimal("0.1")),
    p.Differential(kind="differential"),
)
PLAN: dict[str, Any] = {
    "plan": "standard",
    "plan_version": 2,
    "rules": tuple(p.Rule(rule=f"rule-{n}", when=EVERYTHING, pay=pay) for n, pay in enumerate(PAYS)),
    "overrides": tuple(
        p.Override(rule=f"override-{n}", when=EVERYTHING, level=n + 1, pay=pay, funded_by="agent")
        for n, pay in enumerate(OVERRIDES)
    ),
    "ends_with": ("contract-term", "agent-agreement", "vendor-agreement"),
    "reversals": "schedule-of-today",
    "because": "the vendor cut renewals by two points",
    "proposed_by": ANN,
}
RECIPE_CHANGE = recipe.RecipeChange(
    release=2,
    plan_versions=(p.PlanVersionBody(**PLAN, applies_to=p.AsContractsExpire(kind="as-contracts-expire", from_=ON)),),
    ended=(recipe.PlanVersionRef(plan="upline", plan_version=3),),
)
LINE = v.StatementLine(
    line=7,
    account="00-42 17",
    service="ORD 99",
    product="dia",
    charge_kind="usage",
    line_type="chargeback",
    billed_minor=Decimal(-124987),
    net_billed_minor=Decimal("-124986.50"),
    commissionable_minor=Decimal(-120000),
    claimed_rate=Decimal("0.15"),
    commission_minor=Decimal("-18748.35"),
    service_month="2025-11",
    month_basis="derived",
    house_code="TB 01",
)
STATEMENT: dict[str, Any] = {
    "vendor": "lumen",
    "number": "2026-01",
    "revision": 1,
    "statement_month": "2026-01",
    "service_month": "2025-12",
    "currency": "USD",
    "event_count": 2,
    "lines": (LINE,),
}
PAYOUT: dict[str, Any] = {"agent": "harbor", "pay_run": "2026-01", "currency": "USD", "amount_minor": 14998}
HOLD: dict[str, Any] = {"held_minor": 500, "newly_held_minor": 1600, "hold_days": 90}
ADJUSTMENT: dict[str, Any] = {"adjustment": "ADJ-1", "agent": "harbor", "amount_minor": -2500, "currency": "USD"}
WHERE: dict[str, Any] = {"account": "ACC-1", "service_month": "2025-12"}
SERVICE: dict[str, Any] = {"contract": "C-1", "service": "C-1/dia", "account": "ACC-1"}
CHANGE: dict[str, Any] = {
    "account": "ACC-1",
    "service": "C-1/dia",
    "agents": AGENTS,
    "letter": LETTER,
    "letter_id": "L-17",
    "commission_stays": STAYS,
    "proposed_by": ANN,
}
REGISTRATION: dict[str, Any] = {"customer": "alder-foods", "deal": "D-1", "agent": "harbor", "vendor": "lumen"}
CLAIM = deal.StandingClaim(
    agent="summit", vendor="zayo", registered_on=date(2026, 1, 2), protected_until=date(2026, 4, 2)
)
OF_CHANGE: dict[str, Any] = {"account": "ACC-1", "service": "C-1/dia", "agents": AGENTS, "letter_id": "L-17"}
STATED = letter.Stated(
    accounts=("ACC-1", "ACC-2"),
    service="C-1/dia",
    agents=AGENTS,
    names_from=date(2026, 2, 1),
    signer=LETTER.signer,
    signed_on=LETTER.signed_on,
    digest=LETTER.digest,
    commission_stays=STAYS,
)
PLACEMENT: dict[str, Any] = {
    "vendor": "lumen",
    "number": "00-42 17",
    "account": "ACC-1",
    "service": "C-1/dia",
    "lines": (suspense.LineOf(statement="2026-01", line=7),),
    "service_month": "2025-12",
    "proposed_by": ANN,
}
SUCCESSION: dict[str, Any] = {
    "vendor": "lumen",
    "successor": "zito",
    "accounts": ("ACC-1", "ACC-2"),
    "numbers": (succession.Renumbered(number="00-42 17", becomes="Z 1"),),
    "collisions": (succession.Collision(number="Z 1", accounts=("ACC-1", "ACC-9")),),
    "event_count": 2,
}
LINE_MOVE: dict[str, Any] = {
    "vendor": "lumen",
    "statement": "2026-01",
    "lines": (7, 9),
    "from_account": "ACC-1",
    "to_account": "ACC-2",
    "number": "00-42 17",
    "service": "C-1/dia",
    "service_month": "2025-12",
    "moved_because": "the order is another customer's",
    "proposed_by": ANN,
}

EVENTS: tuple[Event, ...] = (
    calendar.DayOpened(effective_on=ON),
    vendor.VendorContracted(
        vendor="lumen",
        currency="USD",
        statement_lag_months=1,
        terms=vendor.VendorTerms(
            evergreen=False,
            protection_days=60,
            dispute_days=180,
            rescission_business_days=10,
            rescission_calendar_days=5,
            rescission_holidays="US-NY",
            agent_of_record_notice_days=10,
            confirms_agent_of_record=True,
        ),
        effective_on=ON,
    ),
    vendor.ProductsListed(
        vendor="lumen",
        products=(vendor.Product(product="install", category="internet", charge="one-time"),),
        effective_on=ON,
    ),
    vendor.VendorAgreementEnded(vendor="lumen", evergreen=False, effective_on=ON),
    vendor.VendorAgreementResumed(vendor="lumen", ended_on=date(2025, 11, 3), effective_on=ON),
    agent.AgentRecruited(agent="harbor", partner_type="sub-agent", category="gold", upline="keystone", effective_on=ON),
    agent.AgreementSigned(
        agent="harbor",
        plan="standard",
        minimum_payout_minor=2500,
        currency="USD",
        holdback=agent.Holdback(rate=Decimal("0.1"), days=90),
        effective_on=ON,
    ),
    agent.UplineChanged(agent="harbor", upline="summit", former_upline="keystone", effective_on=ON),
    agent.AgentTerminated(agent="harbor", upline="keystone", evergreen=True, effective_on=ON),
    agent.AgentSuspended(agent="harbor", upline="keystone", suspended_because="a complaint is open", effective_on=ON),
    agent.AgentReinstated(agent="harbor", upline="keystone", suspended_since=date(2025, 11, 3), effective_on=ON),
    customer.CustomerOnboarded(customer="alder-foods", effective_on=ON),
    deal.DealRegistered(
        customer="alder-foods",
        deal="D-1",
        agent="harbor",
        vendor="lumen",
        products=("dia", "ucaas"),
        scope="two sites, Zürich – Genève",
        effective_on=ON,
    ),
    deal.DealContested(**REGISTRATION, earlier=(CLAIM,), effective_on=ON),
    deal.SelfReferralOpened(
        **REGISTRATION,
        products=("dia",),
        scope="two sites",
        basis="psa",
        letter=LETTER,
        rivals=(CLAIM,),
        effective_on=ON,
    ),
    deal.RegistrationApproved(**REGISTRATION, protection_days=90, protected_until=date(2026, 4, 5), effective_on=ON),
    deal.RegistrationRejected(**REGISTRATION, rejected_because="our own account", effective_on=ON),
    deal.RegistrationExtended(
        **REGISTRATION,
        protected_until=date(2026, 7, 4),
        former_protected_until=date(2026, 4, 5),
        extended_because="the board meets in May",
        effective_on=ON,
    ),
    deal.RegistrationExpired(**REGISTRATION, protected_until=date(2026, 1, 4), effective_on=ON),
    deal.RegistrationWithdrawn(**REGISTRATION, withdrawn_because="no budget", effective_on=ON),
    deal.ProtectionEnded(**REGISTRATION, protected_until=date(2026, 4, 5), named_agent="summit", effective_on=ON),
    deal.RegistrationLost(**REGISTRATION, lost_to="summit", effective_on=ON),
    deal.DealWon(customer="alder-foods", deal="D-1", agent="harbor", effective_on=ON),
    deal.DealLost(customer="alder-foods", deal="D-1", agent="harbor", lost_because="price", effective_on=ON),
    a.AccountOpened(account="ACC-1", customer="alder-foods", vendor="lumen", aliases=(ALIAS,), effective_on=ON),
    a.AccountAliasAdded(account="ACC-1", alias=ALIAS, effective_on=ON),
    a.AccountAliasEnded(account="ACC-1", vendor="lumen", number="00-42 17", effective_on=ON),
    aor.AgentOfRecordDesignated(
        account="ACC-1", service="C-1/dia", agents=AGENTS, letter=LETTER, letter_id="L-17", effective_on=ON
    ),
    aor.AgentOfRecordChangeProposed(**CHANGE, present_agents=FORMER, effective_on=ON),
    aor.AgentOfRecordChangeRejected(
        account="ACC-1",
        service="C-1/dia",
        agents=AGENTS,
        present_agents=FORMER,
        letter_id="L-17",
        rejected_because="not signed",
        effective_on=ON,
    ),
    aor.AgentOfRecordChanged(**CHANGE, former_agents=FORMER, effective_on=ON),
    aor.AgentOfRecordChangeAccepted(
        **CHANGE,
        present_agents=FORMER,
        rescindable_until=date(2026, 1, 19),
        confirmed_by="lumen",
        effective_on=ON,
    ),
    aor.AgentOfRecordChangeRescinded(**OF_CHANGE, present_agents=FORMER, rescission=LETTER, effective_on=ON),
    aor.RescissionWindowClosed(**OF_CHANGE, confirmed_by="lumen", changes_on=date(2026, 2, 1), effective_on=ON),
    aor.AgentOfRecordChangeConfirmed(**OF_CHANGE, vendor="lumen", effective_on=ON),
    aor.AgentOfRecordChangeDeclined(
        **OF_CHANGE,
        former_agents=FORMER,
        vendor="lumen",
        changed_on=date(2026, 2, 1),
        had_changed=True,
        declined_because="the signer is unknown",
        effective_on=ON,
    ),
    letter.AgentOfRecordLetterReceived(
        letter_id="L-17", customer="alder-foods", stated=STATED, missing=("signer",), effective_on=ON
    ),
    letter.AgentOfRecordLetterSupplemented(
        letter_id="L-17", customer="alder-foods", stated=STATED, missing=("agents",), effective_on=ON
    ),
    agency.AgencyOfRecordLost(
        account="ACC-1", agency="brightstar", former_agency="zenith", letter=LETTER, effective_on=ON
    ),
    agency.AgencyOfRecordRegained(account="ACC-1", former_agency="brightstar", letter=LETTER, effective_on=ON),
    agency.AgencyOfRecordChangeProposed(
        account="ACC-1",
        agency="brightstar",
        present_agency="zenith",
        letter=LETTER,
        proposed_by=ANN,
        effective_on=ON,
    ),
    agency.AgencyOfRecordChangeRejected(
        account="ACC-1", agency="brightstar", rejected_because="another account was meant", effective_on=ON
    ),
    contract.ContractSigned(
        contract="C-1",
        customer="alder-foods",
        vendor="lumen",
        term_months=36,
        currency="USD",
        deal="D-1",
        effective_on=ON,
    ),
    contract.ServiceOrdered(
        contract="C-1",
        service="C-1/dia",
        product="dia",
        category="internet",
        mrc_minor=124987,
        nrc_minor=50000,
        currency="USD",
        effective_on=ON,
    ),
    contract.ServiceAssigned(
        **SERVICE,
        customer="alder-foods",
        vendor="lumen",
        product="dia",
        category="internet",
        mrc_minor=124987,
        currency="USD",
        contract_signed_on=date(2025, 12, 1),
        contract_renewed_on=date(2026, 1, 1),
        effective_on=ON,
    ),
    contract.ServiceActivated(**SERVICE, effective_on=ON),
    contract.ServiceRepriced(**SERVICE, mrc_minor=99900, former_mrc_minor=124987, currency="USD", effective_on=ON),
    contract.ServiceDisconnected(**SERVICE, effective_on=ON),
    contract.ContractRenewed(
        contract="C-1",
        term_months=12,
        services=(contract.RenewedService(service="C-1/dia", account="ACC-1"),),
        effective_on=ON,
    ),
    v.VendorStatementReceived(
        **STATEMENT, control_total_minor=-18748, file_digest="sha256:" + "cd" * 32, line_count=2, effective_on=ON
    ),
    v.VendorStatementContinued(**STATEMENT, event_no=2, effective_on=ON),
    v.VendorStatementRevised(
        **STATEMENT,
        withdrawn=(v.WithdrawnLine(revision=0, line=2, account="00-42 17"),),
        control_total_minor=18748,
        file_digest="sha256:" + "ef" * 32,
        line_count=501,
        withdrawn_count=2,
        added_count=2,
        effective_on=ON,
    ),
    v.VendorStatementRevisionContinued(
        **STATEMENT,
        withdrawn=(v.WithdrawnLine(revision=0, line=3, account="00-42 17"),),
        event_no=2,
        effective_on=ON,
    ),
    v.VendorStatementMatched(
        vendor="lumen",
        number="2026-01",
        receipt="R-1",
        amount_minor=18700,
        open_minor=48,
        currency="USD",
        effective_on=ON,
    ),
    suspense.PlacementProposed(**PLACEMENT, keep_alias=False, effective_on=ON),
    suspense.PlacementApproved(**PLACEMENT, effective_on=ON),
    suspense.PlacementRejected(
        vendor="lumen",
        account="ACC-1",
        number="00-42 17",
        lines=(suspense.LineOf(statement="2026-01", line=7),),
        rejected_because="another customer's",
        effective_on=ON,
    ),
    a.VendorSucceeded(
        account="ACC-1",
        former_vendor="lumen",
        vendor="zito",
        ended=("00-42 17",),
        begun=(ALIAS,),
        collisions=("00-42 17",),
        late_lines="never",
        last_statement_month="2026-02",
        effective_on=ON,
    ),
    succession.SuccessionAnnounced(
        **SUCCESSION,
        account_count=2,
        other_numbers="unknown",
        late_lines="never",
        last_statement_month="2026-02",
        as_known_at=1234567,
        effective_on=ON,
    ),
    succession.SuccessionContinued(**SUCCESSION, event_no=2, effective_on=ON),
    succession.SuccessionCompleted(
        vendor="lumen",
        successor="zito",
        succeeded_count=1,
        collision_count=1,
        left_out=(succession.LeftOut(account="ACC-2", because="account ACC-2 is att's, no longer lumen's"),),
        effective_on=ON,
    ),
    line_move.LineMoveProposed(**LINE_MOVE, effective_on=ON),
    line_move.LineMoveApproved(**LINE_MOVE, effective_on=ON),
    line_move.LineMoveRejected(
        vendor="lumen",
        statement="2026-01",
        lines=(7,),
        from_account="ACC-1",
        rejected_because="it is right",
        effective_on=ON,
    ),
    receipt.MoneyReceived(receipt="R-1", vendor="lumen", amount_minor=18800, currency="USD", effective_on=ON),
    receipt.ReceiptMatched(
        receipt="R-1",
        vendor="lumen",
        currency="USD",
        matches=(receipt.Match(number="2026-01", amount_minor=18700, open_minor=48),),
        unmatched_minor=100,
        effective_on=ON,
    ),
    adjustment.AdjustmentProposed(
        **ADJUSTMENT, **WHERE, adjusted_because="goodwill", document=LETTER, proposed_by=ANN, effective_on=ON
    ),
    adjustment.AdjustmentApproved(
        **ADJUSTMENT, **WHERE, adjusted_because="goodwill", document=LETTER, proposed_by=ANN, effective_on=ON
    ),
    adjustment.AdjustmentRejected(**ADJUSTMENT, rejected_because="no document", effective_on=ON),
    adjustment.AdjustmentReversalProposed(
        **ADJUSTMENT, reversed_because="paid by the vendor", document=LETTER, proposed_by=ANN, effective_on=ON
    ),
    adjustment.AdjustmentReversed(
        **ADJUSTMENT, **WHERE, reversed_because="paid by the vendor", document=LETTER, proposed_by=ANN, effective_on=ON
    ),
    adjustment.AdjustmentReversalRejected(**ADJUSTMENT, rejected_because="it stands", effective_on=ON),
    payout.PayRunProposed(
        pay_run="2026-01",
        as_known_at=1234567,
        recipe_no=2,
        payouts=(
            payout.PayoutLine(
                agent="harbor", currency="USD", earned_minor=18098, paid_minor=1000, **HOLD, amount_minor=14998
            ),
        ),
        carried=(
            payout.CarriedLine(
                agent="summit",
                currency="USD",
                balance_minor=-37,
                carried_because="suspended",
                minimum_payout_minor=2500,
            ),
        ),
        proposed_by=ANN,
        effective_on=ON,
    ),
    payout.PayRunApproved(pay_run="2026-01", approved_by=BOB, effective_on=ON),
    payout.PayRunWithdrawn(pay_run="2026-01", effective_on=ON),
    payout.PayRunReleased(pay_run="2026-01", effective_on=ON),
    payout.PayoutProposed(**PAYOUT, **HOLD, as_known_at=1234567, earned_minor=18098, paid_minor=1000, effective_on=ON),
    payout.CommissionHeld(**PAYOUT, held_until=date(2026, 4, 5), effective_on=ON),
    payout.HeldCommissionReleased(**PAYOUT, held_until=date(2026, 4, 5), effective_on=ON),
    payout.PayoutWithdrawn(**PAYOUT, effective_on=ON),
    payout.PayoutReleased(**PAYOUT, approved_by=BOB, effective_on=ON),
    payout.PayoutSettled(**PAYOUT, effective_on=ON),
    payout.PayoutReturned(**PAYOUT, returned_because="account closed", was_settled=True, effective_on=ON),
    p.PlanVersionProposed(
        **PLAN,
        applies_to=p.Cohort(
            kind="cohort", contracts="renewed", cohort_from=ON, cohort_until=date(2027, 1, 1), from_=ON
        ),
        effective_on=ON,
    ),
    p.PlanVersionPublished(
        **PLAN, applies_to=p.Retroactive(kind="retroactive", from_=ON, until=date(2027, 1, 1)), effective_on=ON
    ),
    p.PlanVersionWithdrawn(plan="standard", plan_version=2, effective_on=ON),
    p.PlanVersionPromoted(plan="standard", plan_version=2, reprojection="r-1", effective_on=ON),
    p.PlanVersionEnded(plan="standard", plan_version=2, reprojection="r-2", effective_on=ON),
    recipe.ReprojectionProposed(
        reprojection="r-1",
        recipe_no=1,
        change=RECIPE_CHANGE,
        undoes="r-0",
        proposed_because="renewals pay two points less",
        proposed_by=ANN,
        effective_on=ON,
    ),
    recipe.ReprojectionApproved(
        reprojection="r-1",
        as_valued_at=1234567,
        differences=(
            recipe.Difference(currency="USD", gained_minor=250, lost_minor=-18098, house_minor=17848, accounts=3),
        ),
        approved_by=BOB,
        effective_on=ON,
    ),
    recipe.ReprojectionDropped(reprojection="r-1", effective_on=ON),
    recipe.RecipePromoted(
        reprojection="r-1",
        recipe_no=2,
        change=RECIPE_CHANGE,
        undoes="r-0",
        proposed_by=ANN,
        approved_by=BOB,
        effective_on=ON,
    ),
)
