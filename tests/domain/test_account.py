"""Accounts: opened once, with numbers as printed that begin and end."""

from datetime import date

import pytest
from pydantic import ValidationError

from domain.account import (
    AccountAliasAdded,
    AccountAliasEnded,
    AccountAlreadyOpened,
    AccountOpened,
    AccountUnknown,
    AddAlias,
    Alias,
    AliasAlreadyKnown,
    AliasUnknown,
    EndAlias,
    OpenAccount,
)
from domain.agent_of_record import (
    ApproveAgentOfRecordChange,
    ChangeAgentOfRecord,
    DesignateAgentOfRecord,
    RejectAgentOfRecordChange,
    Weighted,
)
from domain.customer import CustomerUnknown
from domain.message import Command
from domain.vendor import ContractVendor, VendorUnknown
from tests.spec import AGENTS, ALDER_FOODS, DAY, LUMEN, PLAN, account, given, letter

BOOK = (LUMEN, ALDER_FOODS, PLAN, AGENTS)
LONG_AGO = date(1900, 1, 1)
JANUARY, FEBRUARY = date(2026, 1, 1), date(2026, 2, 1)
HARBOR = (Weighted(agent="harbor"),)


def test_an_account_is_opened_with_its_numbers() -> None:
    number = Alias(vendor="lumen", number="5-QXTR9941")
    given(BOOK).when(account()).then(
        AccountOpened(account="ACC-1", customer="alder-foods", vendor="lumen", aliases=(number,), effective_on=DAY)
    )


def test_an_account_is_opened_once() -> None:
    given(BOOK, account()).when(account(number="other")).then_refused(
        AccountAlreadyOpened, "account ACC-1 is opened already"
    )


def test_an_account_belongs_to_an_onboarded_customer_and_a_contracted_vendor() -> None:
    given(LUMEN).when(account()).then_refused(CustomerUnknown)
    given(ALDER_FOODS).when(account()).then_refused(VendorUnknown)


def test_every_vendor_that_prints_a_number_is_contracted() -> None:
    migrated = OpenAccount(
        account="ACC-1",
        customer="alder-foods",
        vendor="lumen",
        aliases=(Alias(vendor="brightspeed", number="7"),),
    )
    given(BOOK).when(migrated).then_refused(VendorUnknown, "vendor brightspeed is not contracted; contract it first")


def test_a_number_is_added_from_its_date() -> None:
    number = Alias(vendor="lumen", number="0042  17", source="circuit", from_=FEBRUARY)
    assert number.number == "0042 17"
    given(BOOK, account()).when(AddAlias(account="ACC-1", alias=number)).then(
        AccountAliasAdded(account="ACC-1", alias=number, effective_on=FEBRUARY)
    )


def test_a_number_that_means_the_account_is_not_added_again() -> None:
    again = AddAlias(account="ACC-1", alias=Alias(vendor="lumen", number="5-QXTR9941"))
    given(BOOK, account()).when(again).then_refused(AliasAlreadyKnown, "lumen 5-QXTR9941 means ACC-1 already")


def test_the_same_number_of_another_vendor_is_another_number() -> None:
    alias = Alias(vendor="brightspeed", number="5-QXTR9941")
    book = (BOOK, ContractVendor(vendor="brightspeed"), account())
    given(book).when(AddAlias(account="ACC-1", alias=alias)).then(
        AccountAliasAdded(account="ACC-1", alias=alias, effective_on=LONG_AGO)
    )


def test_a_number_of_an_uncontracted_vendor_is_not_added() -> None:
    given(BOOK, account()).when(AddAlias(account="ACC-1", alias=Alias(vendor="brightspeed", number="7"))).then_refused(
        VendorUnknown
    )


def test_a_number_ends_and_may_come_back() -> None:
    end = EndAlias(account="ACC-1", vendor="lumen", number="5-QXTR9941", effective_on=FEBRUARY)
    again = Alias(vendor="lumen", number="5-QXTR9941", from_=date(2026, 5, 1))
    house = (
        given(BOOK, account())
        .when(end)
        .then(AccountAliasEnded(account="ACC-1", vendor="lumen", number="5-QXTR9941", effective_on=FEBRUARY))
    )
    house.when(end).then_refused(AliasUnknown, "lumen 5-QXTR9941 does not mean ACC-1")
    house.when(AddAlias(account="ACC-1", alias=again)).then(
        AccountAliasAdded(account="ACC-1", alias=again, effective_on=date(2026, 5, 1))
    )


def test_a_number_that_ends_leaves_the_others() -> None:
    order = EndAlias(account="ACC-1", vendor="lumen", number="ORD-1", effective_on=FEBRUARY)
    circuit = order.model_copy(update={"number": "5-QXTR9941"})
    book = (BOOK, account(), AddAlias(account="ACC-1", alias=Alias(vendor="lumen", number="ORD-1", source="order")))
    given(book, order).when(circuit).then(
        AccountAliasEnded(account="ACC-1", vendor="lumen", number="5-QXTR9941", effective_on=FEBRUARY)
    )


@pytest.mark.parametrize(
    ("vendor", "number"), [("lumen", "5-qxtr9941"), ("lumen", "QXTR9941"), ("other", "5-QXTR9941")]
)
def test_a_number_means_the_account_only_exactly_as_printed(vendor: str, number: str) -> None:
    given(BOOK, account()).when(
        EndAlias(account="ACC-1", vendor=vendor, number=number, effective_on=FEBRUARY)
    ).then_refused(AliasUnknown)


@pytest.mark.parametrize(("until", "taken"), [(date(2026, 2, 2), True), (FEBRUARY, False), (JANUARY, False)])
def test_a_number_ends_after_it_begins(until: date, taken: bool) -> None:
    if taken:
        assert Alias(vendor="lumen", number="7", from_=FEBRUARY, until=until).until == until
    else:
        with pytest.raises(ValidationError, match="not after it begins"):
            Alias(vendor="lumen", number="7", from_=FEBRUARY, until=until)


@pytest.mark.parametrize(
    "command",
    [
        AddAlias(account="ACC-1", alias=Alias(vendor="lumen", number="7")),
        EndAlias(account="ACC-1", vendor="lumen", number="7", effective_on=FEBRUARY),
        DesignateAgentOfRecord(account="ACC-1", agents=HARBOR, effective_on=FEBRUARY),
        ChangeAgentOfRecord(account="ACC-1", agents=HARBOR, effective_on=FEBRUARY),
        ApproveAgentOfRecordChange(account="ACC-1"),
        RejectAgentOfRecordChange(account="ACC-1", rejected_because="the letter is not signed"),
    ],
    ids=lambda command: command.do,
)
def test_nothing_happens_to_an_account_before_it_is_opened(command: Command) -> None:
    given(BOOK).when(command, letter=letter()).then_refused(
        AccountUnknown, "account ACC-1 is not opened; open it first"
    )
