"""What would come of importing a file, found out on a real server without recording anything."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from adapters.database import Database
from adapters.settings import Settings
from adapters.statement_file import open_statement
from adapters.statement_mapping import PUBLISHED, FileMapping
from domain.account import AddAlias, Alias, EndAlias, OpenAccount
from domain.contract import ActivateService, AssignService, DisconnectService, OrderService, SignContract
from domain.customer import OnboardCustomer
from domain.message import Command, Issued
from domain.vendor import VendorUnknown
from domain.vendor_statement import ControlTotalWrong, RevisionNotNext, ServiceMonthUnlikely, StatementAlreadyReceived
from services.house import House
from services.imports import FileAlreadyImported, Wanted, import_statement
from services.statement_check import NUMBERS_KEPT, Checked, LinesBeyondContract, as_data, check_statement
from tests.spec import ANN, BOB, DAY, LUMEN, actor
from tests.system.program import Program

HEADER = "Commission Run Month,Imported Supplier Name,Supplier ID,Commission Amount\n"
USAGE_HEADER = "\ufeff" + HEADER.replace("\n", ",Usage\n")
USAGE = FileMapping.model_validate(
    {"columns": {**PUBLISHED.columns.model_dump(exclude_none=True), "service_month": "Usage"}}
)
BOOK = (
    *LUMEN,
    OnboardCustomer(customer="alder"),
    OpenAccount(
        account="north",
        customer="alder",
        vendor="lumen",
        aliases=(Alias(vendor="lumen", number="0047-2291"), Alias(vendor="lumen", number="TWICE")),
    ),
    OpenAccount(account="south", customer="alder", vendor="lumen", aliases=(Alias(vendor="lumen", number="5-QX"),)),
    AddAlias(account="south", alias=Alias(vendor="lumen", number="TWICE")),
    EndAlias(account="south", vendor="lumen", number="5-QX", effective_on=date(2026, 2, 1)),
)
"""Two accounts; TWICE could mean either, and 5-QX means none from February on."""


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    with House(Settings.from_environment({"TRAILBOOK_DATABASE_URL": database.url}), database) as house:
        house.commands.open_day(DAY, actor(ANN))
        for number, command in enumerate(BOOK):
            house.handle(Issued(f"command-{number}", actor(ANN), command))
        yield house


def check(
    house: House, tmp_path: Path, rows: str, mapping: FileMapping = PUBLISHED, *, strict: bool = False, **wanted: Any
) -> Checked:
    """Check a file; the log must be as long afterwards as before."""
    path = tmp_path / "lumen.csv"
    path.write_text(rows if rows.startswith("\ufeff") else HEADER + rows)
    fields = {"file_name": path.name, "vendor": "lumen", "number": "LU-1", **wanted}
    before = house.log.head()
    source = open_statement(path, mapping, "USD")
    checked = check_statement(house, source, Wanted(**fields), actor(ANN), strict=strict)
    assert house.log.head() == before
    as_data(checked, source, Wanted(**fields))
    return checked


def take(house: House, tmp_path: Path, rows: str, by: str = ANN, **wanted: Any) -> None:
    path = tmp_path / "lumen.csv"
    path.write_text(HEADER + rows)
    fields = {"file_name": path.name, "vendor": "lumen", "number": "LU-1", **wanted}
    import_statement(house, open_statement(path, PUBLISHED, "USD"), Wanted(**fields), actor(by))


GOOD = "2026-02,Lumen,0047-2291,10.00\n"


def test_a_file_that_can_be_imported_says_so(house: House, tmp_path: Path) -> None:
    checked = check(house, tmp_path, GOOD, control_total_minor=1000)

    assert (checked.exit_code, checked.faults, checked.refused, checked.warnings) == (0, [], None, [])
    assert (checked.matched_lines, checked.matched_exact_minor, checked.waiting_lines) == (1, Decimal(1000), 0)


def test_each_line_is_looked_up_as_the_import_would_learn_it(house: House, tmp_path: Path) -> None:
    """And then it is imported: what waits in suspense is what the check had said."""
    rows = (
        GOOD
        + "2026-02,Lumen,0047-2291,0.005\n2026-02,Lumen,472291,3.50\n2026-02,Lumen,472291,-0.50\n"
        + "2026-02,Lumen,TWICE,1.00\n2026-02,Lumen,9-NEW,7.00\n"
    )

    checked = check(house, tmp_path, rows)
    take(house, tmp_path, rows)

    assert (checked.matched_lines, checked.matched_exact_minor) == (2, Decimal("1000.5"))
    assert (checked.waiting_lines, checked.waiting_exact_minor) == (4, Decimal(1100))
    assert {w.number: (w.line_count, w.exact_minor, w.why) for w in checked.waiting.values()} == {
        "472291": (2, Decimal(300), "unknown account 472291 (leading zeros lost)"),
        "TWICE": (1, Decimal(100), "account TWICE could mean 2 accounts"),
        "9-NEW": (1, Decimal(700), "unknown account 9-NEW"),
    }
    assert [one.account for one in checked.waiting["472291"].likely] == ["north"]
    assert {one.account for one in checked.waiting["TWICE"].likely} == {"north", "south"}
    waits = house.queries().suspense(house.queries().ledger_position())
    assert {row["number"]: (row["amount_minor"], row["why"]) for row in waits} == {
        w.number: (int(w.exact_minor), w.why) for w in checked.waiting.values()
    }


def test_the_month_decides_which_account_a_number_means(house: House, tmp_path: Path) -> None:
    """5-QX ended in February; Lumen reports a month late."""
    january = check(house, tmp_path, "2026-02,Lumen,5-QX,1.00\n")
    february = check(house, tmp_path, "2026-03,Lumen,5-QX,1.00\n")

    assert (january.matched_lines, february.matched_lines) == (1, 0)
    assert february.waiting["5-QX"].why == "account 5-QX means no account in 2026-02"


def test_all_faults_of_the_file_are_listed_and_its_good_lines_are_looked_up_all_the_same(
    house: House, tmp_path: Path
) -> None:
    checked = check(house, tmp_path, GOOD + "2026-02,Lumen,A,x\n2026-02,Zayo,B,1\n2026-02,Lumen,9-NEW,1\n")

    assert checked.exit_code == 2
    assert checked.faults == [
        "line 3: Commission Amount 'x' is not an amount; write it like 1234.56",
        "line 4 is of 'Zayo', line 2 of 'Lumen'; import one vendor at a time",
    ]
    assert (checked.matched_lines, checked.waiting_lines) == (1, 1)


def test_a_file_without_a_month_is_at_fault(house: House, tmp_path: Path) -> None:
    mapping = FileMapping.model_validate({"columns": {"account": "Supplier ID", "commission": "Commission Amount"}})

    assert check(house, tmp_path, GOOD, mapping).faults == ["names no statement month; give it with --month"]


def test_a_wrong_control_total_is_refused_as_the_import_would(house: House, tmp_path: Path) -> None:
    checked = check(house, tmp_path, GOOD, control_total_minor=999)

    assert isinstance(checked.refused, ControlTotalWrong)
    assert checked.exit_code == 1


def test_a_number_that_was_received_and_a_file_that_was_imported_are_told(house: House, tmp_path: Path) -> None:
    take(house, tmp_path, GOOD)

    same = check(house, tmp_path, GOOD)
    renamed = check(house, tmp_path, GOOD, number="LU-2")
    other = check(house, tmp_path, GOOD + GOOD)

    assert (same.again, same.exit_code) == (True, 0)
    assert isinstance(renamed.refused, FileAlreadyImported)
    assert isinstance(other.refused, StatementAlreadyReceived)


def test_a_revision_is_judged_as_the_next_one_or_not(house: House, tmp_path: Path) -> None:
    take(house, tmp_path, GOOD)

    following = check(house, tmp_path, GOOD + GOOD, revision=1)
    skipping = check(house, tmp_path, GOOD + GOOD, revision=2)

    assert (following.exit_code, following.matched_lines) == (0, 2)
    assert isinstance(skipping.refused, RevisionNotNext)


def test_a_service_month_that_has_not_come_is_told_with_its_line(house: House, tmp_path: Path) -> None:
    rows = "2026-02,L,A,1,2026-03\n2026-02,L,A,1,2026-04\n"

    checked = check(house, tmp_path, USAGE_HEADER + rows, USAGE)

    assert isinstance(checked.refused, ServiceMonthUnlikely)
    assert "line 3: service month 2026-04 is more than a month after" in str(checked.refused)


def test_lines_beyond_the_dates_of_a_contract_are_told_with_their_line(house: House, tmp_path: Path) -> None:
    """Of two services the one that ends last counts."""
    steps: tuple[Command, ...] = (
        SignContract(contract="C-1", customer="alder", vendor="lumen", effective_on=date(2026, 1, 10)),
        *(
            command
            for service, ended in (("S-1", date(2026, 2, 3)), ("S-2", date(2026, 3, 15)))
            for command in (
                OrderService(contract="C-1", service=service, mrc_minor=100, effective_on=date(2026, 1, 10)),
                AssignService(contract="C-1", service=service, account="north", effective_on=date(2026, 1, 10)),
                ActivateService(contract="C-1", service=service, effective_on=date(2026, 1, 20)),
                DisconnectService(contract="C-1", service=service, effective_on=ended),
            )
        ),
    )
    for number, command in enumerate(steps):
        house.handle(Issued(f"contract-{number}", actor(ANN), command))
    months = ("2026-01", "2025-12", "2026-03", "2026-04")
    rows = "".join(f"2026-05,Lumen,0047-2291,1,{month}\n" for month in months)

    checked = check(house, tmp_path, USAGE_HEADER + rows, USAGE)

    assert (checked.exit_code, checked.matched_lines) == (0, 4)
    assert [sentence for _, sentence in checked.beyond_contracts] == [
        "line 3: service month 2025-12 of account north is before its contract, signed on 2026-01-10",
        "line 5: service month 2026-04 of account north is after its last service, disconnected on 2026-03-15",
    ]
    assert not check(house, tmp_path, USAGE_HEADER + rows.splitlines(keepends=True)[0], USAGE).beyond_contracts
    strictly = check(house, tmp_path, USAGE_HEADER + rows, USAGE, strict=True)
    assert isinstance(strictly.refused, LinesBeyondContract)
    assert "beyond their contract: line 3: service month 2025-12 of account north" in str(strictly.refused)


def test_a_strict_import_takes_nothing_of_a_file_with_lines_beyond_their_contract(house: House, tmp_path: Path) -> None:
    house.handle(Issued("signed", actor(ANN), SignContract(contract="C-1", customer="alder", vendor="lumen")))
    of_service = {"contract": "C-1", "service": "S-1"}
    house.handle(Issued("ordered", actor(ANN), OrderService(**of_service, mrc_minor=100)))
    house.handle(Issued("assigned", actor(ANN), AssignService(**of_service, account="north")))
    file, mapping = tmp_path / "usage.csv", tmp_path / "usage.yaml"
    file.write_text(USAGE_HEADER + "2026-05,Lumen,0047-2291,1,2019-12\n")
    mapping.write_text(yaml.safe_dump(USAGE.model_dump(mode="json", exclude_defaults=True)))
    program = Program({"TRAILBOOK_DATABASE_URL": house.database.url, "TRAILBOOK_HOUSE": house.database.house})
    arguments = ("import", "statement", file, "--vendor", "lumen", "--mapping", mapping, "--by", ANN)
    before = house.log.head()

    sentence = program.wrong(1, *arguments, "--strict")

    assert sentence.startswith("refused: usage.csv has lines beyond their contract: line 2: service month 2019-12 of ")
    assert house.log.head() == before
    assert "1 line, 1.00 USD" in program.fine(*arguments).out


@pytest.mark.parametrize("name", ["Lumen", "LUMEN Technologies", "lumen, inc."])
def test_a_supplier_that_looks_like_the_vendor_is_no_matter(house: House, tmp_path: Path, name: str) -> None:
    assert not check(house, tmp_path, f'2026-02,"{name}",0047-2291,10.00\n', control_total_minor=1000).warnings


def test_a_supplier_that_does_not_look_like_the_vendor_is_told(house: House, tmp_path: Path) -> None:
    listed = PUBLISHED.model_copy(update={"suppliers": ("CenturyLink",)})
    row = "2026-02,CenturyLink,0047-2291,10.00\n"

    assert check(house, tmp_path, row, control_total_minor=1000).warnings == [
        "the file says that its supplier is 'CenturyLink', which does not look like lumen; list it under suppliers in "
        "the mapping if it is"
    ]
    assert not check(house, tmp_path, row, listed, control_total_minor=1000).warnings


def test_a_vendor_that_is_not_contracted_is_unknown(house: House, tmp_path: Path) -> None:
    with pytest.raises(VendorUnknown):
        check(house, tmp_path, GOOD, vendor="zayo")


def test_numbers_beyond_the_first_ones_are_counted_only(house: House, tmp_path: Path) -> None:
    count = NUMBERS_KEPT + 100

    checked = check(house, tmp_path, "".join(f"2026-02,Lumen,N-{n},1.00\n" for n in range(count)))

    assert (len(checked.waiting), checked.waiting_lines) == (NUMBERS_KEPT, count)
    assert checked.waiting_exact_minor == count * 100


# -- the program


def test_the_program_says_what_would_come_of_a_file(database: Database, house: House, tmp_path: Path) -> None:
    trailbook = Program({"TRAILBOOK_DATABASE_URL": database.url, "TRAILBOOK_HOUSE": database.house})
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text(HEADER + GOOD + "2026-02,Lumen,472291,3.50\n")
    bad.write_text(HEADER + "2026-02,Lumen,A,x\n")
    asked = ("import", "check", "--vendor", "lumen", "--by", BOB)
    before = house.log.head()

    said = trailbook.fine(*asked, good)
    data = trailbook.fine(*asked, good, "--json").data
    wrong = trailbook.run(*asked, bad)

    assert "2 lines, 13.50 USD, statement month 2026-02" in said.out
    assert "1 line, 10.00 USD, find their account" in said.out
    assert "1 line, 3.50 USD, would wait in suspense" in said.out
    assert "472291 1 3.50 unknown account 472291 (leading zeros lost) north" in said.told
    assert said.out.endswith("the file can be imported\n")
    assert (data["importable"], data["matched"]) == (True, {"lines": 1, "amount_minor": 1000})
    assert data["suspense"]["numbers"][0]["likely"][0]["account"] == "north"
    assert wrong.code == 2
    assert wrong.err == "bad.csv: line 2: Commission Amount 'x' is not an amount; write it like 1234.56\n"
    assert trailbook.run(*asked, good, "--control-total", "5").code == 1
    assert house.log.head() == before


def test_the_program_prints_the_schema_of_a_mapping(database: Database) -> None:
    trailbook = Program({"TRAILBOOK_DATABASE_URL": database.url})

    schema = trailbook.fine("schema", "mapping").data

    assert set(schema["properties"]) == set(FileMapping.model_fields)
    assert schema["$defs"]["From"]["anyOf"][0] == {"type": "string"}
