"""Plans: versions in order, one rule for each item, published by a second person."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from domain.message import Actor, SelfApproved, read_event
from domain.plan import (
    AppliesTo,
    ChargeKind,
    Cohort,
    Flat,
    FromRenewal,
    MultipleOfMrcOnce,
    Override,
    OverridePercentOfCommission,
    Pay,
    PercentOfCommission,
    PercentOfMrc,
    PeriodEmpty,
    PlanVersionAlreadyProposed,
    PlanVersionAlreadyPublished,
    PlanVersionBody,
    PlanVersionNotProposed,
    PlanVersionOutOfOrder,
    PlanVersionProposed,
    PlanVersionPublished,
    PlanVersionWithdrawn,
    ProposePlanVersion,
    PublishPlanVersion,
    Retroactive,
    Rule,
    RuleNeverApplies,
    RulesAmbiguous,
    Selector,
    ServiceMonthsFrom,
    WithdrawPlanVersion,
    body_of,
    pays_once,
)
from tests.spec import ANN, BOB, DAY, given, said

EIGHTY = PercentOfCommission(kind="percent-of-commission", rate=Decimal("0.80"))
OF_MRC = PercentOfMrc(kind="percent-of-mrc", rate=Decimal("0.12"))
SPIFF = MultipleOfMrcOnce(kind="multiple-of-mrc-once", multiple=Decimal(1))
FIVE = OverridePercentOfCommission(kind="percent-of-commission", rate=Decimal("0.05"))
RESIDUAL = Rule(rule="residual", pay=EIGHTY)
UPLINE = Override(rule="upline", level=1, pay=FIVE)


def propose(version: int = 1, *rules: Rule, overrides: tuple[Override, ...] = ()) -> ProposePlanVersion:
    return ProposePlanVersion(plan="standard", plan_version=version, rules=rules or (RESIDUAL,), overrides=overrides)


def publish(version: int = 1) -> PublishPlanVersion:
    return PublishPlanVersion(plan="standard", plan_version=version)


def test_a_version_is_proposed_by_one_person_and_published_by_another() -> None:
    content: dict[str, Any] = {
        "plan": "standard",
        "plan_version": 1,
        "applies_to": ServiceMonthsFrom(from_=date(2026, 4, 1)),
        "rules": (RESIDUAL,),
        "overrides": (UPLINE,),
        "proposed_by": Actor(subject=ANN),
    }
    command = ProposePlanVersion(
        plan="standard",
        applies_to=ServiceMonthsFrom(from_=date(2026, 4, 1)),
        rules=(RESIDUAL,),
        overrides=(UPLINE,),
    )
    given().when(command).then(PlanVersionProposed(**content, effective_on=DAY)).when(publish(), by=BOB).then(
        PlanVersionPublished(**content, effective_on=DAY)
    )


EVERY_FIELD: dict[str, Any] = {
    "plan": "standard",
    "plan_version": 1,
    "applies_to": FromRenewal(kind="from-renewal", from_=date(2026, 4, 1)),
    "rules": (RESIDUAL,),
    "overrides": (UPLINE,),
    "ends_with": ("contract-term", "agent-agreement"),
    "reversals": "schedule-of-today",
    "because": "the vendor drops evergreen",
}


def test_a_version_is_published_as_it_was_proposed_with_all_that_it_says() -> None:
    house = given(ProposePlanVersion(**EVERY_FIELD))
    (published,) = house.when(publish(), by=BOB).events
    assert isinstance(published, PlanVersionPublished)
    assert body_of(published) == PlanVersionBody(**EVERY_FIELD, proposed_by=Actor(subject=ANN))


def test_a_version_that_was_stored_before_is_evergreen_and_reverses_by_the_schedule_that_paid() -> None:
    stored = PlanVersionPublished(**EVERY_FIELD, proposed_by=Actor(subject=ANN), effective_on=DAY)
    body = stored.model_dump(mode="json", exclude={"ends_with", "reversals", "because"})
    read = read_event(PlanVersionPublished.topic, 1, body)
    assert isinstance(read, PlanVersionPublished)
    assert (read.ends_with, read.reversals, read.because) == ((), "schedule-that-paid", "")


def cohort(until: date | None) -> Cohort:
    return Cohort(kind="cohort", cohort_from=date(2026, 1, 1), cohort_until=until, from_=date(2026, 6, 1))


def retroactive(until: date | None) -> Retroactive:
    return Retroactive(kind="retroactive", from_=date(2025, 10, 15), until=until)


@pytest.mark.parametrize(
    ("applies_to", "why"),
    [
        (cohort(date(2026, 1, 1)), "its cohort ends on 2026-01-01, and begins on 2026-01-01; let it end later"),
        (cohort(date(2025, 12, 1)), "its cohort ends on 2025-12-01, and begins on 2026-01-01; let it end later"),
        (
            retroactive(date(2025, 10, 31)),
            "it applies to no month from 2025-10-15 to before 2025-10-31; let until be in a later month",
        ),
    ],
)
def test_a_period_without_a_day_or_a_month_is_refused(applies_to: AppliesTo, why: str) -> None:
    command = ProposePlanVersion(plan="standard", applies_to=applies_to, rules=(RESIDUAL,))
    given().when(command).then_refused(PeriodEmpty, f"version 1 of plan standard: {why}")


@pytest.mark.parametrize(
    "applies_to", [cohort(date(2026, 1, 2)), cohort(None), retroactive(date(2025, 11, 1)), retroactive(None)]
)
def test_a_period_of_a_day_a_month_or_without_an_end_is_not(applies_to: AppliesTo) -> None:
    command = ProposePlanVersion(plan="standard", applies_to=applies_to, rules=(RESIDUAL,))
    assert given().when(command).refusal is None


def test_versions_are_numbered_in_order() -> None:
    house = given()
    house.when(propose(2)).then_refused(
        PlanVersionOutOfOrder, "version 2 of plan standard cannot be proposed; the next version is 1"
    )
    house.given(propose(1), said(publish(1), by=BOB))
    house.when(propose(1)).then_refused(
        PlanVersionOutOfOrder, "version 1 of plan standard cannot be proposed; the next version is 2"
    )
    house.when(propose(3)).then_refused(PlanVersionOutOfOrder)
    house.given(propose(2), said(publish(2), by=BOB), propose(3))


def test_a_version_that_waits_is_not_exchanged_under_the_approvers_eyes() -> None:
    better = Rule(rule="residual", pay=OF_MRC)
    house = given(propose())
    house.when(propose(1, better), by=BOB).then_refused(
        PlanVersionAlreadyProposed, "version 1 of plan standard waits for approval; publish or withdraw it first"
    )
    house.when(WithdrawPlanVersion(plan="standard")).then(
        PlanVersionWithdrawn(plan="standard", plan_version=1, effective_on=DAY)
    )
    house.given(said(propose(1, better), by=BOB))
    (event,) = house.when(publish(), by=ANN).events
    assert isinstance(event, PlanVersionPublished)
    assert (event.rules, event.proposed_by) == ((better,), Actor(subject=BOB))


def test_only_a_proposed_version_is_published_and_once() -> None:
    house = given()
    house.when(publish(), by=BOB).then_refused(
        PlanVersionNotProposed, "version 1 of plan standard is not proposed; propose it first"
    )
    house.given(propose(), said(publish(), by=BOB))
    house.when(publish(), by=BOB).then_refused(
        PlanVersionAlreadyPublished, "version 1 of plan standard is published already"
    )
    house.when(publish(2), by=BOB).then_refused(PlanVersionNotProposed)


@pytest.mark.parametrize("publisher", [Actor(subject="ann"), Actor(subject="bob", on_behalf_of="house/ann")])
def test_a_version_is_published_by_a_second_person(publisher: Actor) -> None:
    given(propose()).when(publish(), by=publisher).then_refused(
        SelfApproved, "version 1 of plan standard was proposed by house/ann; let another principal approve it"
    )


def test_somebody_for_whom_the_proposer_acted_may_not_publish_either() -> None:
    for_cleo = Actor(subject="ann", on_behalf_of="house/cleo")
    given(said(propose(), by=for_cleo)).when(publish(), by="cleo").then_refused(SelfApproved)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Rule(rule="a", pay=EIGHTY), Rule(rule="b", pay=EIGHTY)),
        (Rule(rule="a", pay=EIGHTY), Rule(rule="b", pay=OF_MRC)),
        (
            Rule(rule="a", when=Selector(product="dia", vendor="lumen"), pay=EIGHTY),
            Rule(rule="b", when=Selector(vendor="lumen", product="dia"), pay=OF_MRC),
        ),
    ],
)
def test_two_rules_for_the_same_items_are_ambiguous(one: Rule, other: Rule) -> None:
    given().when(propose(1, one, other)).then_refused(
        RulesAmbiguous, "version 1 of plan standard: rules a and b are for the same items; keep one"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Selector(), Selector(vendor="lumen")),
        (Selector(product="dia"), Selector(product="ucaas")),
        (Selector(product="dia"), Selector(category="internet")),
    ],
)
def test_rules_that_precedence_tells_apart_are_not(one: Selector, other: Selector) -> None:
    rules = (Rule(rule="a", when=one, pay=EIGHTY), Rule(rule="b", when=other, pay=EIGHTY))
    assert given().when(propose(1, *rules)).refusal is None


def test_a_spiff_stands_beside_the_monthly_rule_for_the_same_items() -> None:
    assert given().when(propose(1, RESIDUAL, Rule(rule="spiff", pay=SPIFF))).refusal is None
    twice = (Rule(rule="spiff", pay=SPIFF), Rule(rule="bonus", pay=Flat(kind="flat", amount_minor=1, every="once")))
    given().when(propose(1, *twice)).then_refused(RulesAmbiguous)


def test_overrides_are_told_apart_by_their_level() -> None:
    second = Override(rule="above", level=2, pay=FIVE)
    assert given().when(propose(overrides=(UPLINE, second))).refusal is None
    again = Override(rule="again", level=1, pay=FIVE)
    given().when(propose(overrides=(UPLINE, again))).then_refused(RulesAmbiguous)


def test_rules_and_overrides_have_names_of_their_own() -> None:
    given().when(propose(overrides=(UPLINE.model_copy(update={"rule": "residual"}),))).then_refused(
        RulesAmbiguous, "version 1 of plan standard: two rules are called residual; rename one"
    )


@pytest.mark.parametrize(
    ("pay", "once"),
    [
        (EIGHTY, False),
        (OF_MRC, False),
        (SPIFF, True),
        (Flat(kind="flat", amount_minor=1), False),
        (Flat(kind="flat", amount_minor=1, every="once"), True),
    ],
)
def test_what_is_paid_once(pay: PercentOfCommission | PercentOfMrc | MultipleOfMrcOnce | Flat, once: bool) -> None:
    assert pays_once(pay) is once


def test_precedence_is_service_account_product_category_charge_kind_vendor() -> None:
    from_most_specific = [
        Selector(service="C-1/dia"),
        Selector(account="ACC-1"),
        Selector(product="dia"),
        Selector(category="internet"),
        Selector(charge_kind="recurring"),
        Selector(vendor="lumen"),
        Selector(),
    ]
    by_specificity = sorted(from_most_specific, key=lambda selector: selector.specificity, reverse=True)
    assert by_specificity == from_most_specific
    assert Selector(product="dia").specificity > Selector(category="internet", vendor="lumen").specificity


def test_a_selector_matches_what_it_names() -> None:
    item = ("C-1/dia", "ACC-1", "dia", "internet", "recurring", "lumen")
    assert Selector().matches(*item)
    assert Selector(product="dia", vendor="lumen").matches(*item)
    assert not Selector(product="ucaas", vendor="lumen").matches(*item)
    assert not Selector(service="C-1/dia").matches(None, *item[1:])


@pytest.mark.parametrize(
    ("rate", "taken"), [("0", True), ("2", True), ("200%", True), ("2.01", False), ("80", False), ("-0.01", False)]
)
def test_a_rate_is_not_negative_and_not_absurd(rate: str, taken: bool) -> None:
    if taken:
        assert PercentOfMrc.model_validate({"kind": "percent-of-mrc", "rate": rate}).rate in (0, 2)
    else:
        with pytest.raises(ValidationError, match=r"write 80% or 0\.8|greater than or equal to 0"):
            PercentOfMrc.model_validate({"kind": "percent-of-mrc", "rate": rate})


@pytest.mark.parametrize(
    ("pay", "charge_kind", "kind"),
    [(SPIFF, "recurring", "spiff"), (SPIFF, "one-time", "spiff"), (OF_MRC, "usage", "recurring")],
)
def test_a_rule_that_no_item_can_meet_is_refused(pay: Pay, charge_kind: ChargeKind, kind: ChargeKind) -> None:
    wrong = Rule(rule="odd", when=Selector(charge_kind=charge_kind), pay=pay)
    given().when(propose(1, wrong)).then_refused(
        RuleNeverApplies,
        f"version 1 of plan standard: rule odd pays {pay.kind} on charge kind {kind} only, and is for {charge_kind}; "
        f"name {kind} or no charge kind",
    )
    right = Rule(rule="fine", when=Selector(charge_kind=kind), pay=pay)
    assert given().when(propose(1, right)).refusal is None


@pytest.mark.parametrize(("rate", "taken"), [("0", True), ("100%", True), ("1.01", False)])
def test_no_more_is_clawed_back_than_was_paid(rate: str, taken: bool) -> None:
    fields = {"kind": "multiple-of-mrc-once", "multiple": "1", "clawback_within_days": 90, "clawback_rate": rate}
    if taken:
        MultipleOfMrcOnce.model_validate(fields)
    else:
        with pytest.raises(ValidationError):
            MultipleOfMrcOnce.model_validate(fields)


@pytest.mark.parametrize(("level", "taken"), [(0, False), (1, True), (10, True), (11, False), (None, True)])
def test_an_override_reaches_ten_levels(level: int | None, taken: bool) -> None:
    fields = {"rule": "upline", "level": level, "pay": {"kind": "differential"}}
    if taken:
        Override.model_validate(fields)
    else:
        with pytest.raises(ValidationError):
            Override.model_validate(fields)


@pytest.mark.parametrize("year", [1800, 2100, 9999])
def test_a_version_reaches_no_month_outside_the_centuries_that_months_are_of(year: int) -> None:
    with pytest.raises(ValueError, match="is not in the years 1900 to 2099; check the year"):
        ProposePlanVersion(plan="p", applies_to=Retroactive(kind="retroactive", from_=date(year, 1, 1)))
