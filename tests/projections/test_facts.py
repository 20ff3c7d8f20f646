"""Which account a printed number means, what waits in suspense, and what a placement moves."""

import json
from datetime import date
from decimal import Decimal
from typing import Any
from unittest.mock import Mock

import pytest

from domain.account import AddAlias, Alias, EndAlias
from domain.contract import ActivateService, AssignService, OrderService, RenewContract, SignContract
from domain.line_move import ApproveLineMove, ProposeLineMove
from domain.rating.release_1 import items
from domain.suspense import ApprovePlacement, LineOf, ProposePlacement
from domain.vendor import ContractVendor, ListProducts, Product
from domain.vendor_statement import ReceiveStatement, StatementLine
from projections import facts
from tests.projections.story import in_batches
from tests.projections.test_ledger import (
    ACCOUNT,
    PEOPLE,
    Asked,
    change,
    line,
    of_commission,
    people,
    rule,
    statement,
    told,
)
from tests.spec import BOB, Steps, account, designated, given, plan, said

PAID = {"harbor": 80_00, "house": 20_00}
ZITO = ContractVendor(vendor="zito", statement_lag_months=0)


def place(number: str, month: str | None = None, keep: bool = True, vendor: str = "lumen") -> tuple[Steps, ...]:
    """Ann places a number on ACC-1, Bob approves it."""
    proposed = ProposePlacement(vendor=vendor, number=number, account="ACC-1", service_month=month, keep_alias=keep)
    return (proposed, said(ApprovePlacement(vendor=vendor, number=number), by=BOB))


def waiting(asked: Asked) -> dict[str, tuple[int, str]]:
    """What waits in suspense by number as printed, and why."""
    found: dict[str, tuple[int, str]] = {}
    for ledger_account in asked.book.ledger.accounts.values():
        partition = ledger_account.facts
        if partition.account_no < 0:
            lines = (ln for key in partition.lines.values() for ln in key if ln.ended > len(asked.book.log.events))
            amount = sum(int(ln.commission) for ln in lines)
            found[partition.account] = (amount, partition.unmatched_because)
    return found


# -- numbers as printed


def test_given_a_number_that_is_known_then_its_lines_find_their_account() -> None:
    asked = told(PEOPLE, ACCOUNT, statement("2026-02", line()))

    assert waiting(asked) == {}
    assert asked.shares("2026-01") == PAID


def test_given_a_number_that_nobody_knows_then_its_money_waits_in_suspense() -> None:
    asked = told(PEOPLE, ACCOUNT, statement("2026-02", line(number="9-9"), line(commission=50_00, number="9-9")))

    assert waiting(asked) == {"9-9": (150_00, "unknown account 9-9")}
    assert asked.shares("2026-01") == {"suspense": 150_00}
    assert asked.zeros("agent:harbor", "2026-01") == ["not on the statement of lumen that reports on 2026-01"]


def test_given_a_number_that_lost_its_leading_zeros_then_it_waits_and_the_account_is_suggested() -> None:
    """A suggestion for a person: money is never matched by what only looks alike."""
    asked = told(
        PEOPLE,
        account(number="0-05 77"),
        designated("harbor"),
        statement("2026-02", line(commission=12_34, number="577")),
    )

    assert waiting(asked) == {"577": (12_34, "unknown account 577 (leading zeros lost)")}
    assert asked.zeros("agent:harbor", "2026-01") == ["account unmatched: 12.34 in suspense"]


def test_given_two_accounts_that_look_alike_then_neither_is_suggested() -> None:
    other = (account("ACC-2", "0577"), designated("delta", account="ACC-2"))

    asked = told(PEOPLE, account(number="00577"), designated("harbor"), other, statement("2026-02", line(number="577")))

    assert waiting(asked) == {"577": (100_00, "unknown account 577")}
    assert asked.zeros("agent:harbor", "2026-01") == ["not on the statement of lumen that reports on 2026-01"]


def test_given_a_number_that_could_mean_two_accounts_then_it_means_none() -> None:
    other = (account("ACC-2"), designated("delta", account="ACC-2"))

    asked = told(PEOPLE, ACCOUNT, other, statement("2026-02", line()))

    assert waiting(asked) == {"5-QXTR9941": (100_00, "account 5-QXTR9941 could mean 2 accounts")}


def test_given_two_unknown_numbers_in_one_statement_then_each_waits_alone() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        statement(
            "2026-02", line(number="9-1"), line(commission=50_00, number="9-2"), line(commission=1_00, number="9-1")
        ),
        place("9-2"),
    )

    assert {number: amount for number, (amount, _) in waiting(asked).items()} == {"9-1": 101_00, "9-2": 0}
    assert asked.shares("2026-01") == {"suspense": 101_00, "harbor": 40_00, "house": 10_00}


def test_given_the_same_number_at_two_vendors_then_it_means_what_each_vendor_means() -> None:
    other = (ZITO, account("ACC-2", "7-7"), designated("delta", account="ACC-2"))
    at_zito = AddAlias(account="ACC-2", alias=Alias(vendor="zito", number="5-QXTR9941"))

    asked = told(
        PEOPLE,
        ACCOUNT,
        other,
        at_zito,
        statement("2026-02", line()),
        statement("2026-02z", line("2026-02"), vendor="zito"),
    )

    assert asked.shares("2026-01") == PAID
    assert asked.shares("2026-02") == {"delta": 80_00, "house": 20_00}


# -- numbers that begin and end


@pytest.mark.parametrize(("printed_on", "found"), [("2026-03", False), ("2026-04", True)])
def test_given_a_number_from_a_day_in_april_then_it_means_the_account_on_statements_from_april_on(
    printed_on: str, found: bool
) -> None:
    """Whatever the service month: the vendor prints the new number for old months too."""
    alias = Alias(vendor="lumen", number="8-1", from_=date(2026, 4, 15))

    asked = told(PEOPLE, ACCOUNT, AddAlias(account="ACC-1", alias=alias), statement(printed_on, line(number="8-1")))

    assert asked.shares("2026-01") == (PAID if found else {"suspense": 100_00})


def test_given_a_former_payer_then_its_lines_for_months_before_the_change_over_are_taken_and_others_wait() -> None:
    """Zito pays from March on; Lumen's April statement brings a late February line and one for March."""
    change_over = date(2026, 3, 1)

    asked = told(
        PEOPLE,
        ZITO,
        ACCOUNT,
        EndAlias(account="ACC-1", vendor="lumen", number="5-QXTR9941", effective_on=change_over),
        AddAlias(account="ACC-1", alias=Alias(vendor="zito", number="Z-1", from_=change_over)),
        statement("2026-04", line("2026-02"), line("2026-03", commission=7_00)),
        statement("2026-04z", line("2026-03", number="Z-1"), vendor="zito"),
    )

    assert asked.shares("2026-02") == PAID
    assert asked.shares("2026-03") == {**PAID, "suspense": 7_00}
    assert waiting(asked) == {"5-QXTR9941": (7_00, "account 5-QXTR9941 means no account in 2026-03")}


def test_given_a_number_that_ended_and_began_again_elsewhere_then_each_month_is_its_accounts() -> None:
    """After a merger the vendor gives the number to another customer's account."""
    other = (account("ACC-2", "7-7"), designated("delta", account="ACC-2"))
    moved = date(2026, 3, 1)

    asked = told(
        PEOPLE,
        ACCOUNT,
        other,
        EndAlias(account="ACC-1", vendor="lumen", number="5-QXTR9941", effective_on=moved),
        AddAlias(account="ACC-2", alias=Alias(vendor="lumen", number="5-QXTR9941", from_=moved)),
        statement("2026-02", line("2026-01")),
        statement("2026-04", line("2026-03")),
    )

    assert asked.shares("2026-01") == PAID
    assert asked.shares("2026-03") == {"delta": 80_00, "house": 20_00}


def test_given_a_merger_of_numbers_then_nothing_is_posted() -> None:
    """The account is still the account."""
    asked = told(
        PEOPLE,
        ZITO,
        ACCOUNT,
        statement("2026-02", line()),
        AddAlias(account="ACC-1", alias=Alias(vendor="zito", number="Z-1")),
    )

    assert asked.posted_last() == {}


# -- service months


def test_given_a_line_without_a_service_month_then_it_follows_from_the_vendors_lag() -> None:
    asked = told(PEOPLE, ACCOUNT, statement("2026-03", line(None)))

    assert asked.shares("2026-02") == PAID


def unknown_month(**fields: Any) -> dict[str, Any]:
    return {**line(None, **fields), "month_basis": "unknown"}


def test_given_a_line_of_a_month_that_nobody_knows_then_it_waits_though_its_account_is_known() -> None:
    asked = told(PEOPLE, ACCOUNT, statement("2026-03", unknown_month()))

    assert waiting(asked) == {"5-QXTR9941": (100_00, "service month of account 5-QXTR9941 unknown")}
    assert asked.zeros("agent:harbor", "2026-02") == ["account unmatched: 100.00 in suspense"]


def test_given_a_line_of_an_unknown_month_that_is_placed_then_it_is_paid_for_the_month_that_was_named() -> None:
    asked = told(PEOPLE, ACCOUNT, statement("2026-03", unknown_month()), place("5-QXTR9941", "2026-01"))

    assert asked.shares("2026-01") == PAID
    assert asked.shares("2026-02") == {}
    assert asked.zeros("agent:harbor", "2026-02") != ["account unmatched: 100.00 in suspense"]


# -- placements


def test_given_a_placement_then_who_is_paid_follows_the_service_month_and_not_the_day_of_the_placement() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        statement("2026-02", line(number="9-9")),
        change("delta", month="2026-02"),
        place("9-9"),
    )

    assert asked.shares("2026-01") == PAID


def test_given_a_placement_that_names_a_month_then_only_lines_without_one_go_there() -> None:
    """Lines whose month the vendor had stated went there too."""
    asked = told(
        PEOPLE,
        ACCOUNT,
        statement("2026-03", line("2026-01", number="9-9"), line(None, commission=50_00, number="9-9")),
        place("9-9", "2025-12"),
        change("delta", month="2026-03"),
    )

    assert asked.shares("2026-01") == PAID
    assert asked.shares("2026-02") == {}
    assert asked.shares("2025-12") == {"house": 50_00}, "nobody was agent of record in December"


@pytest.mark.parametrize(("keep", "next_month"), [(True, PAID), (False, {"suspense": 100_00})])
def test_given_a_placement_then_the_next_statement_finds_the_account_where_the_number_is_kept(
    keep: bool, next_month: dict[str, int]
) -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        statement("2026-02", line(number="9-9")),
        place("9-9", keep=keep),
        statement("2026-03", line("2026-02", number="9-9")),
    )

    assert asked.shares("2026-01") == PAID
    assert asked.shares("2026-02") == next_month


def test_given_a_number_placed_twice_then_each_line_is_moved_once() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        statement("2026-02", line(number="9-9")),
        place("9-9", keep=False),
        statement("2026-03", line("2026-02", number="9-9")),
        place("9-9", keep=False),
    )

    assert asked.shares("2026-01") == PAID
    assert asked.shares("2026-02") == PAID
    assert waiting(asked)["9-9"][0] == 0


def test_given_a_placed_number_that_looked_like_another_account_then_that_one_waits_for_nothing_any_more() -> None:
    """577 looked like 00577, but was ACC-1's."""
    other = (account("ACC-2", "00577"), designated("delta", account="ACC-2"))
    before = (PEOPLE, ACCOUNT, other, statement("2026-02", line(number="577")))
    assert told(*before).zeros("agent:delta", "2026-01") == ["account unmatched: 100.00 in suspense"]

    asked = told(*before, place("577"))

    assert "account unmatched: 100.00 in suspense" not in asked.zeros("agent:delta", "2026-01")
    assert asked.shares("2026-01") == PAID


def test_given_a_line_placed_for_a_vendor_then_a_product_that_the_vendor_lists_later_counts_for_it() -> None:
    """Where the number was not kept, the vendor's later list rated the line anew in a rebuild only."""
    by_category = (rule(of_commission("0.8")), rule(of_commission("0.5"), "voice", category="voice"))

    asked = told(
        people(plan("seller", rules=by_category, overrides=())),
        ZITO,
        ACCOUNT,
        statement("2026-01z", line(number="Z-9", product="fax"), vendor="zito"),
        place("Z-9", keep=False, vendor="zito"),
        ListProducts(vendor="zito", products=(Product(product="fax", category="voice"),)),
    )

    assert asked.posted_last() == {"2026-01": {"harbor": -30_00, "house": 30_00}}


# -- placements of single lines, and on a service


def place_lines(
    number: str, *lines: int, on: str = "ACC-1", of: str = "2026-02", by: str = BOB, **fields: Any
) -> tuple[Steps, ...]:
    """Ann places single lines of a statement, Bob approves it."""
    named = tuple(LineOf(statement=of, line=n) for n in lines)
    proposed = ProposePlacement(
        vendor="lumen", number=number, account=on, lines=named, keep_alias=fields.pop("keep", False), **fields
    )
    return (proposed, said(ApprovePlacement(vendor="lumen", number=number, lines=named), by=by))


TWO_CUSTOMERS = (account("ACC-2", "7-7"), designated("delta", account="ACC-2"))


def test_given_one_line_that_is_placed_then_the_others_of_its_number_wait_on() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        statement("2026-02", line(number="9-9"), line(commission=50_00, number="9-9")),
        place_lines("9-9", 1),
    )

    assert asked.shares("2026-01") == {**PAID, "suspense": 50_00}


def test_given_lines_of_one_number_that_are_two_accounts_then_each_goes_to_its_own() -> None:
    lines = (line(commission=n * 10_00, number="9-9") for n in (1, 2, 3))
    first, second = place_lines("9-9", 1, 3), place_lines("9-9", 2, on="ACC-2")

    asked = told(PEOPLE, ACCOUNT, TWO_CUSTOMERS, statement("2026-02", *lines), first[0], second[0], first[1], second[1])

    assert asked.shares("2026-01") == {"harbor": 32_00, "delta": 16_00, "house": 12_00}


def test_given_a_single_line_then_the_next_statement_waits_again_unless_the_number_is_kept() -> None:
    story = (PEOPLE, ACCOUNT, statement("2026-02", line(number="9-9")))
    next_one = statement("2026-03", line("2026-02", number="9-9"))

    assert told(*story, place_lines("9-9", 1), next_one).shares("2026-02") == {"suspense": 100_00}
    assert told(*story, place_lines("9-9", 1, keep=True), next_one).shares("2026-02") == PAID


def test_given_a_line_that_was_placed_meanwhile_then_a_placement_that_names_it_moves_only_what_still_waits() -> None:
    lines = (line(number="9-9"), line(commission=50_00, number="9-9"))

    asked = told(
        PEOPLE, ACCOUNT, TWO_CUSTOMERS, statement("2026-02", *lines), place_lines("9-9", 1), place_lines("9-9", 1, 2)
    )

    assert asked.shares("2026-01") == {"harbor": 120_00, "house": 30_00}


def test_given_a_line_of_no_statement_then_it_moves_nothing() -> None:
    asked = told(PEOPLE, ACCOUNT, statement("2026-02", line(number="9-9")), place_lines("9-9", 1, of="2025-12"))

    assert asked.posted_last() == {}
    assert asked.shares("2026-01") == {"suspense": 100_00}


def service(name: str, seller: str) -> tuple[Steps, ...]:
    """A service of ACC-1 with an agent of record of its own."""
    which = {"contract": "C-1", "service": name}
    return (
        OrderService(**which, mrc_minor=500_00),
        AssignService(**which, account="ACC-1"),
        ActivateService(**which),
        designated(seller, service=f"C-1/{name}"),
    )


TWO_SELLERS = (
    account(),
    SignContract(contract="C-1", customer="alder-foods", vendor="lumen", term_months=12),
    service("dia", "harbor"),
    service("voip", "delta"),
)


@pytest.mark.parametrize(("named", "seller"), [("C-1/dia", "harbor"), ("voip", "delta")])
def test_given_a_line_that_waits_on_its_own_account_then_it_is_placed_on_a_service(named: str, seller: str) -> None:
    waits = (PEOPLE, TWO_SELLERS, statement("2026-02", line(), line(service="dia", commission=10_00)))
    assert told(*waits).shares("2026-01") == {"suspense": 100_00, "harbor": 8_00, "house": 2_00}

    asked = told(*waits, place_lines("5-QXTR9941", 1, service=named))

    assert asked.posted_last() == {"2026-01": {"suspense": -100_00, seller: 80_00, "house": 20_00}}


def test_given_a_line_of_a_service_that_nobody_knows_then_it_is_placed_on_one_that_the_account_has() -> None:
    asked = told(
        PEOPLE,
        TWO_SELLERS,
        statement("2026-02", line(service="ORD-7")),
        place_lines("5-QXTR9941", 1, service="C-1/voip"),
    )

    assert asked.shares("2026-01") == {"delta": 80_00, "house": 20_00}


def test_given_a_line_under_an_unknown_number_then_it_is_placed_on_an_account_and_its_service_at_once() -> None:
    asked = told(
        PEOPLE, TWO_SELLERS, statement("2026-02", line(number="9-9")), place_lines("9-9", 1, service="C-1/dia")
    )

    assert asked.shares("2026-01") == PAID


def test_given_a_line_that_is_paid_then_a_placement_on_a_service_does_not_touch_it() -> None:
    """Only what waits is placed; what was placed wrongly is moved."""
    asked = told(
        PEOPLE,
        TWO_SELLERS,
        statement("2026-02", line(service="dia")),
        place_lines("5-QXTR9941", 1, service="C-1/voip"),
    )

    assert asked.posted_last() == {}
    assert asked.shares("2026-01") == PAID


def test_given_reasons_that_differ_then_each_line_waits_for_its_own() -> None:
    """The number was unknown in January; in March it could mean two accounts."""
    asked = told(
        PEOPLE,
        ACCOUNT,
        TWO_CUSTOMERS,
        statement("2026-02", line(number="9-9")),
        *(AddAlias(account=name, alias=Alias(vendor="lumen", number="9-9")) for name in ("ACC-1", "ACC-2")),
        statement("2026-03", line("2026-02", number="9-9")),
    )

    (partition,) = (a.facts for a in asked.book.ledger.accounts.values() if a.facts.account_no < 0)
    assert [ln.because for key in sorted(partition.lines) for ln in partition.lines[key]] == [
        "unknown account 9-9",
        "account 9-9 could mean 2 accounts",
    ]


def test_given_a_line_that_was_placed_then_the_number_says_where_it_went() -> None:
    asked = told(PEOPLE, ACCOUNT, statement("2026-02", line(number="9-9")), place("9-9"))

    facts_of = [json.loads(row[3]) for row in asked.book.tables.content["facts"]]
    account_no = asked.book.tables.number_of("account:ACC-1")
    statement_no = asked.book.tables.number_of("vendor-statement:lumen:2026-02")
    assert [fact for fact in facts_of if fact[0] == "unline"] == [["unline", statement_no, 1, account_no]]


# -- lines that were on the wrong account


def moved(*lines: int, to: str | None = "ACC-2", by: str = BOB, **fields: Any) -> tuple[Steps, ...]:
    told = {"from_account": "ACC-1", "to_account": to, "moved_because": "the order says so", **fields}
    return (
        ProposeLineMove(vendor="lumen", statement="2026-02", lines=lines, **told),
        said(ApproveLineMove(vendor="lumen", statement="2026-02"), by=by),
    )


def test_given_a_line_that_was_placed_wrongly_then_the_move_posts_the_difference_to_both() -> None:
    asked = told(PEOPLE, ACCOUNT, TWO_CUSTOMERS, statement("2026-02", line(number="9-9")), place("9-9"), moved(1))

    assert asked.posted_last() == {"2026-01": {"harbor": -80_00, "delta": 80_00}}
    assert asked.shares("2026-01") == {"delta": 80_00, "house": 20_00}


def test_given_a_line_that_found_the_wrong_account_by_its_number_then_it_is_moved_too() -> None:
    asked = told(PEOPLE, ACCOUNT, TWO_CUSTOMERS, statement("2026-02", line(), line(commission=50_00)), moved(2))

    assert asked.shares("2026-01") == {"harbor": 80_00, "delta": 40_00, "house": 30_00}


def test_given_a_line_that_goes_back_into_suspense_then_it_waits_for_what_was_said() -> None:
    asked = told(
        PEOPLE, ACCOUNT, statement("2026-02", line(number="9-9")), place("9-9"), moved(1, to=None, number="9-9")
    )

    assert asked.shares("2026-01") == {"suspense": 100_00}
    assert waiting(asked) == {"9-9": (100_00, "taken back from account ACC-1: the order says so")}


def test_given_a_line_that_goes_back_under_a_number_that_never_waited_then_it_is_placed_from_there() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        TWO_CUSTOMERS,
        statement("2026-02", line()),
        moved(1, to=None, number="5-QXTR9941"),
        place_lines("5-QXTR9941", 1, on="ACC-2"),
    )

    assert asked.shares("2026-01") == {"delta": 80_00, "house": 20_00}


def test_given_a_line_without_a_service_month_then_a_move_may_name_it() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        TWO_CUSTOMERS,
        statement("2026-02", line(None, number="9-9"), line("2026-01", number="9-9")),
        place("9-9", "2025-12"),
        moved(1, 2, service_month="2025-11"),
    )

    assert asked.shares("2025-12") == {}
    assert asked.shares("2025-11") == {"house": 100_00}, "nobody was agent of record in November"
    assert asked.shares("2026-01") == {"delta": 80_00, "house": 20_00}


def test_given_a_line_on_the_wrong_service_then_it_is_moved_to_the_right_one() -> None:
    asked = told(
        PEOPLE,
        TWO_SELLERS,
        statement("2026-02", line(service="dia")),
        moved(1, to="ACC-1", service="C-1/voip"),
    )

    assert asked.posted_last() == {"2026-01": {"harbor": -80_00, "delta": 80_00}}


def test_given_very_many_lines_under_one_number_then_an_event_costs_what_is_new_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every event rated again everything that waited: 50,000 lines in 100 events took 19 s, and now take 1.3 s."""
    lines = tuple(StatementLine(line=n, account="9-9", commission_minor=Decimal(1)) for n in range(1, 3_001))
    statement_of_all = ReceiveStatement(
        vendor="lumen", number="2026-02", statement_month="2026-02", control_total_minor=3_000, lines=lines
    )
    suspended = Mock(side_effect=items._suspended)
    monkeypatch.setattr(items, "_suspended", suspended)

    asked = told(PEOPLE, ACCOUNT, statement_of_all, place("9-9"))

    assert asked.shares("2026-01") == {"harbor": 3_000}
    assert suspended.call_count == 2 * 3_000, "each line came once and left once"


# -- rows


def test_given_facts_then_each_has_its_own_place_and_reads_back() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        statement("2026-02", line(commission="1234.5"), line(number="9-1"), line(number="9-2")),
        place("9-1"),
    )

    rows = asked.book.tables.content["facts"]
    assert len({row[:3] for row in rows}) == len(rows)
    assert all(facts.body(json.loads(row[3])) == row[3] for row in rows)


@pytest.mark.parametrize("size", [1, 3, 1_000])
def test_given_batches_of_any_size_then_the_rows_are_the_same(size: int) -> None:
    log = given(
        PEOPLE,
        ACCOUNT,
        statement("2026-02", line(), line(number="9-1"), line(number="9-1")),
        place("9-1"),
        statement("2026-03", line(number="9-1")),
    ).log

    rows = in_batches(log.events, size, facts.tables, facts.project)

    assert rows == in_batches(log.events, 7, facts.tables, facts.project)


# -- what rating needs of contracts and of reversals


def _bodies(asked: Asked, tag: str) -> list[Any]:
    found = (json.loads(row[3]) for row in asked.book.tables.content["facts"])
    return [fact for fact in found if fact[0] == tag]


def test_a_service_knows_every_term_of_its_contract_also_those_from_before_it_was_assigned() -> None:
    """Each with its first day, its months and the position of the signing or renewal."""
    renew = RenewContract(contract="C-1", term_months=24, effective_on=date(2026, 1, 20))

    asked = told(
        PEOPLE,
        ACCOUNT,
        SignContract(contract="C-1", customer="alder-foods", vendor="lumen", term_months=6),
        OrderService(contract="C-1", service="dia", product="dia", mrc_minor=100_00),
        renew,
        AssignService(contract="C-1", service="dia", account="ACC-1"),
        renew.model_copy(update={"term_months": 0, "effective_on": date(2026, 2, 1)}),
    )

    end = len(asked.book.log.events)
    (service,) = _bodies(asked, "service")
    assert service[8:] == [[["2026-01-05", 6, end - 4], ["2026-01-20", 24, end - 2]]]
    assert _bodies(asked, "renewed") == [["renewed", "C-1", "2026-02-01", 0]]


def test_a_negative_line_says_in_which_month_it_was_reported_also_where_it_is_moved() -> None:
    asked = told(
        PEOPLE,
        ACCOUNT,
        statement("2026-03", line("2026-01"), line("2026-01", commission=-1), line(commission=-2, number="9-9")),
        place("9-9"),
    )

    march = 2026 * 12 + 2
    by_line = [(fact[2], fact[11:]) for fact in _bodies(asked, "line")]
    assert by_line == [(1, []), (2, [march]), (3, [march]), (3, [march])]
