"""A vendor's accounts become another's from a date: the plan, each account, and the end."""

from datetime import date
from typing import Any

import pytest

from domain.account import AddAlias, Alias, VendorSucceeded
from domain.succession import (
    PLANNED_PER_EVENT,
    AccountNotInSuccession,
    AccountNotWithVendor,
    AnnounceSuccession,
    Collision,
    CompleteSuccession,
    Holder,
    LeftOut,
    NothingToSucceed,
    NumberNotHeld,
    NumberRenumberedTwice,
    Renumbered,
    SucceedVendor,
    SuccessionAlreadyAnnounced,
    SuccessionAnnounced,
    SuccessionCompleted,
    SuccessionContinued,
    SuccessionIncomplete,
    SuccessionUnknown,
    SuccessorIsVendor,
)
from domain.vendor import ContractVendor, CurrencyWrong, VendorUnknown
from tests.spec import ALDER_FOODS, LUMEN, Given, account, given

MARCH = date(2026, 3, 1)
OF: dict[str, Any] = {"vendor": "lumen", "successor": "zito", "effective_on": MARCH}
BOOK = (LUMEN, ContractVendor(vendor="zito"), ALDER_FOODS, account("ACC-1", "5-1"), account("ACC-2", "5-2"))


def announce(**fields: Any) -> AnnounceSuccession:
    return AnnounceSuccession(**{**OF, "accounts": ("ACC-1", "ACC-2"), **fields})


def succeed(name: str = "ACC-1", **fields: Any) -> SucceedVendor:
    return SucceedVendor(**{**OF, "account": name, **fields})


def announced(**fields: Any) -> SuccessionAnnounced:
    return SuccessionAnnounced(
        **{
            **OF,
            "accounts": ("ACC-1", "ACC-2"),
            "account_count": 2,
            "numbers": (),
            "other_numbers": "unknown",
            "collisions": (),
            "late_lines": "for-months-before",
            "event_count": 1,
            **fields,
        }
    )


def succeeded(**fields: Any) -> VendorSucceeded:
    told: dict[str, Any] = {"account": "ACC-1", "former_vendor": "lumen", "vendor": "zito", "effective_on": MARCH}
    told |= {"ended": ("5-1",), "begun": (), "collisions": (), "late_lines": "for-months-before"}
    return VendorSucceeded(**{**told, **fields})


def zito(number: str) -> Alias:
    return Alias(vendor="zito", number=number, from_=MARCH)


# -- the plan


def test_a_succession_is_announced_with_the_accounts_that_it_is_of() -> None:
    given(BOOK).when(announce()).then(announced())


def test_all_accounts_are_those_that_the_book_shows() -> None:
    holders = (Holder(account="ACC-2", numbers=("5-2",)),)
    given(BOOK).when(announce(accounts="all", holders=holders, as_known_at=9)).then(
        announced(accounts=("ACC-2",), account_count=1, as_known_at=9)
    )
    given(BOOK).when(announce(accounts="all")).then_refused(NothingToSucceed)
    given(BOOK).when(announce(accounts="all", holders=())).then_refused(
        NothingToSucceed, "lumen pays for no account, so there is nothing to succeed to"
    )


def test_a_named_account_that_the_vendor_does_not_pay_for_refuses_the_plan() -> None:
    given(BOOK).when(announce(holders=(Holder(account="ACC-2"),))).then_refused(AccountNotWithVendor)


def test_a_plan_of_many_accounts_goes_on_in_further_events() -> None:
    names = tuple(f"A-{n}" for n in range(PLANNED_PER_EVENT + 1))
    holders = tuple(Holder(account=name) for name in names)
    outcome = given(BOOK).when(announce(accounts="all", holders=holders))
    first, second = outcome.events
    assert isinstance(first, SuccessionAnnounced)
    assert isinstance(second, SuccessionContinued)
    assert (len(first.accounts), first.account_count, first.event_count) == (PLANNED_PER_EVENT, len(names), 2)
    assert (second.accounts, second.event_no) == (names[-1:], 2)
    state = outcome.house.commands.state("succession:lumen:zito:2026-03-01")
    assert (state.accounts, state.version, state.announced_at) == (frozenset(names), 2, 1)


@pytest.mark.parametrize(
    ("numbers", "others", "taken", "collisions"),
    [
        ((Renumbered(number="5-1", becomes="Z"), Renumbered(number="5-2", becomes="Z")), "unknown", {}, {"Z": 2}),
        ((Renumbered(number="5-1", becomes="Z"),), "unknown", {"Z": ("ACC-9",)}, {"Z": 2}),
        ((), "kept", {"5-2": ("ACC-9",)}, {"5-2": 2}),
        ((Renumbered(number="5-2"),), "kept", {"5-2": ("ACC-9",)}, {}),
        ((Renumbered(number="5-1", becomes="Z"),), "unknown", {"Z": ("ACC-1",)}, {}),
    ],
    ids=["two given one", "one taken", "kept but taken", "unknown collides with none", "its own already"],
)
def test_a_number_that_would_mean_two_accounts_is_a_collision(
    numbers: tuple[Renumbered, ...], others: str, taken: dict[str, tuple[str, ...]], collisions: dict[str, int]
) -> None:
    plan = announce(
        numbers=numbers,
        other_numbers=others,
        holders=(Holder(account="ACC-1", numbers=("5-1",)), Holder(account="ACC-2", numbers=("5-2",))),
        taken=tuple(Collision(number=number, accounts=of) for number, of in taken.items()),
    )
    (event,) = given(BOOK).when(plan).events
    assert isinstance(event, SuccessionAnnounced)
    assert {one.number: len(one.accounts) for one in event.collisions} == collisions


def test_a_vendor_is_succeeded_by_another_contracted_one_in_its_currency() -> None:
    house = given(BOOK, ContractVendor(vendor="cad", currency="CAD"))
    house.when(announce(successor="lumen")).then_refused(
        SuccessorIsVendor, "lumen cannot succeed itself; name the vendor that pays from then on"
    )
    house.when(announce(successor="att")).then_refused(VendorUnknown)
    house.when(announce(successor="cad")).then_refused(CurrencyWrong)


def test_a_number_becomes_one_number_and_is_one_of_the_succession() -> None:
    holders = (Holder(account="ACC-1", numbers=("5-1",)), Holder(account="ACC-2"))
    twice = (Renumbered(number="5-1"), Renumbered(number="5-1", kept=True))
    given(BOOK).when(announce(numbers=twice, holders=holders)).then_refused(
        NumberRenumberedTwice, "number 5-1 of lumen is there twice; say once what it becomes"
    )
    strange = (Renumbered(number="7"), Renumbered(number="8"))
    given(BOOK).when(announce(numbers=strange, holders=holders)).then_refused(
        NumberNotHeld, "number 7 (and 1 more) of lumen means no account of the succession; check the list"
    )


def test_one_plan_at_a_time_and_another_one_when_it_is_completed() -> None:
    house = given(BOOK, announce())
    house.when(announce(late_lines="always")).then_refused(
        SuccessionAlreadyAnnounced,
        "the succession of lumen by zito on 2026-03-01 is announced already; complete it first",
    )
    house.given(succeed(), succeed("ACC-2"), CompleteSuccession(**OF, succeeded_count=2), account("ACC-3", "5-3"))
    assert house.when(announce(accounts=("ACC-3",))).refusal is None


def test_a_number_is_kept_or_becomes_another_one() -> None:
    with pytest.raises(ValueError, match="not both"):
        Renumbered(number="1", becomes="2", kept=True)


# -- an account


@pytest.mark.parametrize(
    ("fields", "begun"),
    [
        ({}, ()),
        ({"other_numbers": "kept"}, (zito("5-1"),)),
        ({"numbers": (Renumbered(number="5-1", becomes="Z-1"),)}, (zito("Z-1"),)),
        ({"numbers": (Renumbered(number="5-1"),), "other_numbers": "kept"}, ()),
    ],
    ids=["unknown", "kept", "renamed", "unknown among kept ones"],
)
def test_an_account_gets_the_successors_numbers_of_the_plan(fields: dict[str, Any], begun: tuple[Alias, ...]) -> None:
    outcome = given(BOOK, announce(**fields)).when(succeed())
    assert outcome.events == [succeeded(begun=begun)]
    assert outcome.recorded[0].envelope.causation_id == "succession:lumen:zito:2026-03-01@1", "because of the plan"


def test_a_number_that_means_another_account_too_is_named_with_the_account() -> None:
    plan = announce(
        other_numbers="kept",
        holders=(Holder(account="ACC-1", numbers=("5-1",)), Holder(account="ACC-2", numbers=("5-2",))),
        taken=(Collision(number="5-1", accounts=("ACC-9",)),),
    )
    given(BOOK, plan).when(succeed()).then(succeeded(begun=(zito("5-1"),), collisions=("5-1",)))


def test_late_lines_that_are_taken_always_end_no_number() -> None:
    given(BOOK, announce(late_lines="always")).when(succeed()).then(succeeded(ended=(), late_lines="always"))


def test_late_lines_that_are_taken_never_end_with_the_last_statement_about_the_former_vendors_months() -> None:
    """Lumen reports a month later: its March statement is about February, the last month that it pays for."""
    given(BOOK, announce(late_lines="never")).when(succeed()).then(
        succeeded(late_lines="never", last_statement_month="2026-03")
    )


def test_a_number_that_the_account_has_already_does_not_begin_again() -> None:
    known = AddAlias(account="ACC-1", alias=Alias(vendor="zito", number="5-1"))
    given(BOOK, known, announce(other_numbers="kept")).when(succeed()).then(succeeded())


def test_an_account_moves_once_and_only_from_the_vendor_that_pays_for_it() -> None:
    house = given(BOOK, announce(late_lines="always"), succeed())
    house.when(succeed()).then_refused(AccountNotWithVendor, "account ACC-1 is zito's, no longer lumen's")


def test_an_account_that_is_not_in_the_plan_stays() -> None:
    given(BOOK, account("ACC-3", "5-3"), announce()).when(succeed("ACC-3")).then_refused(AccountNotInSuccession)
    given(BOOK).when(succeed()).then_refused(SuccessionUnknown)


def test_an_account_goes_on_from_successor_to_successor_and_may_come_back() -> None:
    house = given(BOOK, ContractVendor(vendor="att"), announce(other_numbers="kept"), succeed())
    on = date(2026, 6, 1)
    chain = {"vendor": "zito", "successor": "att", "effective_on": on}
    house.given(AnnounceSuccession(**chain, accounts=("ACC-1",), other_numbers="kept"))
    outcome = house.when(SucceedVendor(**chain, account="ACC-1"))
    (event,) = outcome.events
    assert isinstance(event, VendorSucceeded)
    assert (event.ended, [alias.vendor for alias in event.begun]) == (("5-1",), ["att"])
    back = {"vendor": "att", "successor": "lumen", "effective_on": date(2026, 9, 1)}
    house.given(AnnounceSuccession(**back, accounts=("ACC-1",), other_numbers="kept"))
    (returned,) = house.when(SucceedVendor(**back, account="ACC-1")).events
    assert isinstance(returned, VendorSucceeded)
    assert returned.begun == (Alias(vendor="lumen", number="5-1", from_=date(2026, 9, 1)),)
    assert _account(house).vendor == "lumen"
    assert _account(house).former_vendors == {"zito", "att"}


def _account(house: Given) -> Any:
    return house.commands.state("account:ACC-1")


# -- the end


def test_a_succession_is_completed_when_each_account_moved_or_was_left_out() -> None:
    left = (LeftOut(account="ACC-2", because="it left"),)
    house = given(BOOK, announce(), succeed())
    house.when(CompleteSuccession(**OF, succeeded_count=1)).then_refused(
        SuccessionIncomplete,
        "1 of 2 accounts of lumen have moved to zito or were left out; go on with the others",
    )
    house.when(CompleteSuccession(**OF, succeeded_count=1, left_out=left)).then(
        SuccessionCompleted(
            vendor="lumen",
            successor="zito",
            succeeded_count=1,
            collision_count=0,
            left_out=left,
            effective_on=MARCH,
        )
    ).when(succeed("ACC-2")).then_refused(SuccessionUnknown)
