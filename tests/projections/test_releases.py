"""What one rating release gives otherwise than the one before it, with amounts that can be checked in the head.

Each story is rated by a release from the same facts, as a reprojection does it.
"""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given as every
from hypothesis import settings
from hypothesis import strategies as st

from domain.agent_of_record import DesignateAgentOfRecord, Weighted
from domain.contract import DisconnectService
from domain.plan import Flat, ProposePlanVersion
from domain.rating import RELEASES
from domain.rating.facts import Cell
from domain.rating.reasons import reason
from domain.rating.release_1 import Item
from domain.recipe import ApproveReprojection, PlanVersionRef, PromoteReprojection, ProposeReprojection
from tests.projections.test_ledger import (
    CONTRACT,
    Asked,
    line,
    of_commission,
    of_mrc,
    people,
    rule,
    service,
    spiff,
    statement,
    team_percent,
    told,
)
from tests.spec import BOB, Step, Steps, account, agent, designated, letter, plan, said

ALL = plan("seller", rules=(rule(of_commission("1")),), overrides=())
"""Everything that is received is paid."""


def weighted(**weights: int) -> Step:
    """The agents of record of ACC-1 with their weights, in the order of the letter."""
    named = tuple(Weighted(agent=name, weight=weight) for name, weight in weights.items())
    return said(DesignateAgentOfRecord(account="ACC-1", agents=named, effective_on=date(2026, 1, 1)), letter=letter())


def items(asked: Asked, release: int) -> list[tuple[Cell, Item]]:
    house, known = asked.book.ledger.house, asked.book.position
    return [
        (cell, item)
        for account_no in sorted(asked.book.ledger.accounts)
        for facts in [asked.book.ledger.accounts[account_no].facts]
        for cell in facts.cells(house, known)
        for item in RELEASES[release].rate(facts, house, cell, known, {})
    ]


def shares(asked: Asked, release: int) -> dict[str, int]:
    """Who has what of all items together; nothing is left out."""
    sums: dict[str, int] = {}
    for _, item in items(asked, release):
        for share in item.shares:
            payee = share.payee.removeprefix("agent:")
            sums[payee] = sums.get(payee, 0) + share.amount_minor
    return sums


def figures(asked: Asked, release: int, payee: str) -> str:
    """The figures in the reason of a payee's only share."""
    of_payee = [(c, i, s) for c, i in items(asked, release) for s in i.shares if s.payee == f"agent:{payee}"]
    ((cell, item, share),) = of_payee
    return reason(item, share, cell.currency).partition("; ")[0]


def line_of(commission: int | str, *steps: Steps) -> Asked:
    """Harbor and Delta share, as the steps say, a line of January."""
    return told(*steps, statement("2026-02", line(commission=commission)))


# -- release 2: agents of record whom the same rule pays divide one amount


@pytest.mark.parametrize("sign", [1, -1])
def test_given_two_halves_of_an_odd_amount_then_they_sum_to_it_and_the_house_is_left_with_nothing(sign: int) -> None:
    """Half of 1.01 is 50.5 cents: release 1 gives 51 twice; release 2 divides 101 cents, the odd one to whom the
    letter names first."""
    asked = line_of(sign * 101, people(ALL), account(), designated("delta", "harbor"))

    assert shares(asked, 1) == {"delta": sign * 51, "harbor": sign * 51, "house": -sign}
    assert shares(asked, 2) == {"delta": sign * 51, "harbor": sign * 50, "house": 0}


def test_given_a_rate_then_what_all_are_paid_together_is_rounded_once_and_divided() -> None:
    """80% of 1.87 is 149.6 cents, rounded 150; halves of 74.8 would be 75 each as well. 80% of 1.88 is 150.4, rounded
    150, divided 75 and 75, where release 1 gives 75.2, rounded 75. 80% of 1.89 is 151.2, rounded 151: 76 and 75."""
    for commission, first, second in ((187, 75, 75), (188, 75, 75), (189, 76, 75)):
        asked = line_of(commission, people(), account(), designated("delta", "harbor"))

        assert shares(asked, 2) == {"delta": first, "harbor": second, "house": commission - first - second}


def test_given_weights_then_the_largest_remainder_has_the_odd_cent() -> None:
    """1.00 by 1, 1 and 4: 16.67, 16.67 and 66.67; one cent is left after 16, 16 and 66 of 2, for the first two equal
    remainders, in the order of the letter."""
    everyone = (people(ALL), agent("ridge", plan="seller"), account(), weighted(harbor=1, delta=1, ridge=4))

    assert shares(line_of(100, *everyone), 2) == {"harbor": 17, "delta": 17, "ridge": 66, "house": 0}
    assert shares(line_of(101, *everyone), 2) == {"harbor": 17, "delta": 17, "ridge": 67, "house": 0}


def test_given_a_commission_below_a_cent_then_it_is_rounded_once_for_all_of_them() -> None:
    asked = line_of("100.5", people(ALL), account(), designated("delta", "harbor"))

    assert shares(asked, 2) == {"delta": 51, "harbor": 50, "house": 0}


def test_the_reason_says_what_was_divided_among_whom() -> None:
    asked = line_of(189, people(), account(), weighted(harbor=60, delta=40))

    assert figures(asked, 1, "harbor") == (
        "80% of commission received: 60/100 of 1.89 = 1.134, 80% of that = 0.9072, rounded 0.91"
    )
    assert figures(asked, 2, "harbor") == (
        "80% of commission received: 80% of 1.89 = 1.512, rounded 1.51, "
        "divided 60:40 among harbor and delta, largest remainder first: 0.91"
    )


def test_given_one_of_three_is_paid_by_another_rule_then_only_the_others_divide_one_amount() -> None:
    """A third of 1.01 at half is Ridge's own, 16.83 cents; of two thirds, 67.33, rounded 67, one more cent goes to
    Harbor."""
    half = plan("half", rules=(rule(of_commission("0.5")),), overrides=())
    asked = line_of(
        101, people(ALL), half, agent("ridge", plan="half"), account(), designated("harbor", "ridge", "delta")
    )

    assert shares(asked, 2) == {"harbor": 34, "ridge": 17, "delta": 33, "house": 17}
    assert figures(asked, 2, "delta") == (
        "100% of commission received: 2/3 of 1.01 = about 0.67, 100% of that = about 0.67, rounded 0.67, "
        "divided 1:1 among harbor and delta, largest remainder first: 0.33"
    )
    assert figures(asked, 2, "ridge") == figures(asked, 1, "ridge")


def test_given_plans_of_their_own_with_the_same_rate_then_each_is_rounded_alone() -> None:
    other = plan("other", rules=(rule(of_commission("1")),), overrides=())
    asked = line_of(101, people(ALL), other, agent("ridge", plan="other"), account(), designated("harbor", "ridge"))

    assert shares(asked, 2) == shares(asked, 1) == {"harbor": 51, "ridge": 51, "house": -1}


def test_given_versions_of_two_plans_that_one_promotion_brought_then_each_is_rounded_alone() -> None:
    """Took the fault that versions were told apart by their position, which these two share."""
    rules = (rule(of_commission("1")),)
    other = plan("other", rules=rules, overrides=())
    second = [PlanVersionRef(plan=name, plan_version=2) for name in ("seller", "other")]
    asked = line_of(
        101,
        people(ALL),
        other,
        agent("ridge", plan="other"),
        account(),
        designated("harbor", "ridge"),
        *(ProposePlanVersion(plan=ref.plan, plan_version=2, rules=rules) for ref in second),
        ProposeReprojection(reprojection="r-1", plan_versions=tuple(second), proposed_because="a new season"),
        said(ApproveReprojection(reprojection="r-1"), by=BOB),
        PromoteReprojection(reprojection="r-1"),
    )

    assert shares(asked, 2) == shares(asked, 1) == {"harbor": 51, "ridge": 51, "house": -1}


def test_given_an_upline_then_its_override_of_each_is_rounded_on_its_own_as_before() -> None:
    """5% of half of 1.01 is 2.525 cents, rounded 3 for each downline."""
    upline = plan("upline", overrides=(team_percent("0.05"),))
    asked = line_of(
        101,
        people(ALL, upline),
        agent("ridge", upline="keystone", plan="seller"),
        account(),
        designated("harbor", "ridge"),
    )

    assert shares(asked, 1) == {"harbor": 51, "ridge": 51, "keystone": 6, "house": -7}
    assert shares(asked, 2) == {"harbor": 51, "ridge": 50, "keystone": 6, "house": -6}


def test_given_one_of_two_funds_an_override_then_they_are_not_paid_one_amount() -> None:
    upline = plan("upline", overrides=(team_percent("0.05", by_agent=True),))
    asked = line_of(101, people(ALL, upline), account(), designated("harbor", "delta"))

    assert shares(asked, 2) == shares(asked, 1)


def test_given_a_share_of_mrc_or_a_spiff_then_it_is_divided_likewise() -> None:
    """12.5% of 99.99 is 1249.875 cents, rounded 1250: 625 each. 1.5 times 99.99 is 14998.5, rounded 14999, and of it
    25% clawed back leaves 11248.875, rounded 11249."""
    by_mrc = plan("seller", rules=(rule(of_mrc("0.125")), rule(spiff("1.5", 90, "0.25"), "spiff")), overrides=())
    asked = told(
        people(by_mrc), account(), designated("delta", "harbor"), CONTRACT, service(99_99), statement("2026-02", line())
    )
    january = {i.label: [s.amount_minor for s in i.shares] for c, i in items(asked, 2) if c.kind == 0}
    assert january == {"service dia of contract C-1": [625, 625, 100_00 - 1250]}

    spiffs = [[s.amount_minor for s in i.shares] for c, i in items(asked, 2) if c.kind == 3]
    assert spiffs == [[7500, 7499, -14999]]

    off = told(
        people(by_mrc),
        account(),
        designated("delta", "harbor"),
        CONTRACT,
        service(99_99),
        DisconnectService(contract="C-1", service="dia", effective_on=date(2026, 2, 1)),
    )
    clawed = [[s.amount_minor for s in i.shares] for c, i in items(off, 2) if c.kind == 3]
    assert clawed == [[5625, 5624, -11249]]


def test_given_a_flat_amount_then_it_stays_as_release_1_divides_it() -> None:
    flat = plan("seller", rules=(rule(Flat(kind="flat", amount_minor=25_01, every="month")),), overrides=())
    asked = told(
        people(flat), account(), designated("delta", "harbor"), CONTRACT, service(), statement("2026-02", line())
    )

    assert shares(asked, 2) == shares(asked, 1) == {"delta": 1251, "harbor": 1250, "house": 100_00 - 25_01}


def test_given_nothing_is_left_for_one_of_two_then_the_zero_says_so() -> None:
    """Release 1 gives each a cent of one cent."""
    asked = line_of(1, people(ALL), account(), designated("delta", "harbor"))

    assert shares(asked, 1) == {"delta": 1, "harbor": 1, "house": -1}
    ((_, item),) = items(asked, 2)
    assert [share.amount_minor for share in item.shares] == [1, 0, 0]
    asked.book.ledger.house.learn(asked.book.position, ["recipe", 1, 2, "divide-one-amount"])
    assert asked.zeros("agent:harbor", "2026-01") == [
        "line 1 of statement 2026-02, divided 1:1 among delta and harbor, largest remainder first, leaves nothing"
    ]


_LINES = st.lists(
    st.tuples(st.integers(-10_000, 10_000), st.sampled_from(("", ".5", ".335"))).map(lambda two: f"{two[0]}{two[1]}"),
    min_size=1,
    max_size=5,
)
_WEIGHTS = st.dictionaries(st.sampled_from(("harbor", "delta", "ridge")), st.integers(1, 100), min_size=2)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@every(_LINES, _WEIGHTS, st.sampled_from(("0.05", "0.333", "0.8", "1")))
def test_in_every_split_the_parts_are_what_one_agent_alone_would_be_paid(
    lines: list[str], weights: dict[str, int], rate: str
) -> None:
    """So at no more than 100% the house is left with nothing of the other sign; and no part is a cent or more away
    from its exact figure and half a cent of the whole."""
    seller = plan("seller", rules=(rule(of_commission(rate)),), overrides=())
    ridge = agent("ridge", plan="seller")
    stated = statement("2026-02", *[line(commission=commission) for commission in lines])
    shared = told(people(seller), ridge, account(), weighted(**weights), stated)
    alone = told(people(seller), ridge, account(), designated("harbor"), stated)

    for (_, item), (_, of_one) in zip(items(shared, 2), items(alone, 1), strict=True):
        own = [share for share in item.shares if share.coefficient is not None]
        assert sum(share.amount_minor for share in own) == of_one.shares[0].amount_minor
        assert sum(share.amount_minor for share in item.shares) == item.total_minor
        assert item.shares[-1].amount_minor * item.total_minor >= 0
        for share in own:
            assert share.coefficient is not None
            exact = share.base * Fraction(share.coefficient.numerator, share.coefficient.denominator)
            assert abs(share.amount_minor - exact) < Fraction(3, 2)


def test_a_house_without_shared_lines_is_rated_as_before() -> None:
    asked = line_of(101, people(ALL), account(), designated("harbor"))

    assert items(asked, 2) == items(asked, 1)
