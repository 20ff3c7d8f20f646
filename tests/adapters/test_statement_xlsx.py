"""Workbooks as vendors send them: tabs, numbers, dates, errors, formulas, what is hidden, merged or cut off."""

import hashlib
import zipfile
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from adapters import statement_xlsx
from adapters.statement_faults import StatementFaults
from adapters.statement_file import StatementSource, open_statement
from adapters.statement_mapping import PUBLISHED, FileMapping, read_mapping
from tests.adapters.workbooks import rewritten, workbook

MAPPINGS = Path(__file__).parent / "mappings"
HEADER = ("Account", "Commission", "Month")
COLUMNS: dict[str, Any] = {"account": "Account", "commission": "Commission"}
SHEET = "xl/worksheets/sheet1.xml"


class Book:
    """A workbook read to its end with a mapping: its lines, or its faults."""

    def __init__(self, path: Path, mapping: FileMapping, month: str | None = "2026-02") -> None:
        month = None if mapping.columns.statement_month else month
        self.source: StatementSource = open_statement(path, mapping, "USD", month)
        self.lines: list[dict[str, Any]] = []
        self.faults: list[str] = []
        try:
            for chunk in self.source.chunks():
                self.lines += chunk
        except StatementFaults as faults:
            self.faults = faults.faults

    def column(self, field: str) -> list[Any]:
        assert not self.faults
        return [line.get(field) for line in self.lines]


def read(tmp_path: Path, sheets: Mapping[str, Any], *hidden: str, **given: Any) -> Book:
    mapping = FileMapping.model_validate({"columns": COLUMNS, **given})
    return Book(workbook(tmp_path / "att.xlsx", sheets, hidden), mapping)


def bare(tmp_path: Path, sheets: Mapping[str, Any], **given: Any) -> Book:
    """A workbook with no month but its own."""
    mapping = FileMapping.model_validate({"columns": COLUMNS, **given})
    return Book(workbook(tmp_path / "att.xlsx", sheets), mapping, None)


def one(tmp_path: Path, *rows: Sequence[Any], **given: Any) -> Book:
    return read(tmp_path, {"Sheet1": [HEADER, *rows]}, **given)


# -- cells


def test_a_workbook_needs_no_mapping_where_it_has_the_published_columns(tmp_path: Path) -> None:
    header = ("Commission Run Month", "Imported Supplier Name", "Supplier ID", "Commission Amount")
    path = workbook(tmp_path / "x.xlsx", {"A": [header, ("2026-02", "Lumen", "5-QX", 187.48)]})

    book = Book(path, PUBLISHED)

    assert book.lines == [
        {
            "line": 2,
            "account": "5-QX",
            "charge_kind": "recurring",
            "line_type": "original",
            "commission_minor": 18748,
            "month_basis": "stated",
        }
    ]
    assert (book.source.statement_month, book.source.exact_total) == ("2026-02", Decimal(18748))
    assert book.source.digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("cell", "minor"),
    [
        (187.48, 18748),
        (187, 18700),
        (-0.5, -50),
        (0.001, "0.1"),
        (0.00001, "0.001"),
        (0.1 + 0.2, 30),
        (1.005, "100.5"),
        (4.35 * 100, 43500),
        (999999999.99, 99999999999),
        ("$1,234.50", 123450),
        ("(12.30)", -1230),
    ],
)
def test_an_amount_is_what_the_spreadsheet_shows_in_15_digits(tmp_path: Path, cell: Any, minor: int | str) -> None:
    """A figure that was computed in binary is 0.30000000000000004; the vendor sees and means 0.3."""
    assert one(tmp_path, ("A", cell)).column("commission_minor") == [minor]


@pytest.mark.parametrize(
    ("cell", "account"),
    [
        ("0047-2291", "0047-2291"),
        ("00472291", "00472291"),
        (472291, "472291"),
        (3035550100, "3035550100"),
        (123456789012345, "123456789012345"),
        (4711.0, "4711"),
    ],
)
def test_an_account_number_that_is_a_number_cell_is_its_digits(tmp_path: Path, cell: Any, account: str) -> None:
    assert one(tmp_path, (cell, 1)).column("account") == [account]


def test_lost_zeros_of_a_number_cell_are_put_back_as_the_mapping_says(tmp_path: Path) -> None:
    columns = {**COLUMNS, "account": {"column": "Account", "width": 8}}

    assert one(tmp_path, (472291, 1), ("5-Q", 1), columns=columns).column("account") == ["00472291", "5-Q"]


def test_an_account_number_beyond_15_digits_has_lost_some(tmp_path: Path) -> None:
    book = one(tmp_path, (1234567890123456789, 1), (10**15, 1))

    assert book.faults == [
        "tab Sheet1 row 2: Account '1.23456789012346E+18' has lost digits to a spreadsheet; format the column as text "
        "there",
        "tab Sheet1 row 3: Account '1.00000000000000E+15' has lost digits to a spreadsheet; format the column as text "
        "there",
    ]


def test_an_account_number_that_became_a_date_is_a_fault(tmp_path: Path) -> None:
    assert one(tmp_path, (date(2026, 3, 14), 1), (datetime(2026, 3, 14, 5, 30), 1)).faults == [
        "tab Sheet1 row 2: Account '2026-03-14T00:00:00' is a date that a spreadsheet made of a number; format the "
        "column as text there",
        "tab Sheet1 row 3: Account '2026-03-14T05:30:00' is a date that a spreadsheet made of a number; format the "
        "column as text there",
    ]


def test_dates_of_a_spreadsheet_are_months(tmp_path: Path) -> None:
    columns = {**COLUMNS, "service_month": "Month"}
    book = one(tmp_path, ("A", 1, date(2026, 2, 3)), ("B", 1, datetime(2026, 1, 31, 23, 59)), ("C", 1), columns=columns)

    assert book.column("service_month") == ["2026-02", "2026-01", None]


def test_date_cells_are_months_whatever_pattern_the_texts_follow(tmp_path: Path) -> None:
    columns = {**COLUMNS, "service_month": "Month"}
    book = one(tmp_path, ("A", 1, date(2026, 2, 3)), ("B", 1, "04.02.2026"), columns=columns, dates="%d.%m.%Y")

    assert book.column("service_month") == ["2026-02", "2026-02"]


def test_a_number_where_a_month_should_be_is_no_date(tmp_path: Path) -> None:
    columns = {**COLUMNS, "service_month": "Month"}

    assert one(tmp_path, ("A", 1, 46054), columns=columns).faults == [
        "tab Sheet1 row 2: Month '46054' is not a month; write 2026-02 or a date in it"
    ]


def test_number_cells_mean_the_same_where_the_mapping_reads_texts_with_a_decimal_comma(tmp_path: Path) -> None:
    """1.234 in a number cell is one and a bit, never one thousand."""
    columns = {**COLUMNS, "claimed_rate": "Month"}
    book = one(tmp_path, ("A", 1.234, 0.155), ("B", "1.234,50", "15,5%"), columns=columns, decimal=",")

    assert book.column("commission_minor") == ["123.4", 123450]
    assert book.column("claimed_rate") == ["0.155", "0.155"]


def test_true_is_no_amount(tmp_path: Path) -> None:
    assert one(tmp_path, ("A", True), ("B", 1)).faults == [
        "tab Sheet1 row 2: Commission 'TRUE' is not an amount; write it like 1234.56"
    ]


# -- formulas and errors


def with_formula(tmp_path: Path, cell: str) -> Path:
    """One line whose amount is this cell; openpyxl cannot write a formula with its value."""
    path = workbook(tmp_path / "att.xlsx", {"Sheet1": [HEADER, ("A", 1, "Jan 2026"), ("B", 77)]})
    return rewritten(path, SHEET, ('<c r="B3" t="n"><v>77</v></c>', cell))


def test_a_formula_counts_with_the_value_that_was_computed(tmp_path: Path) -> None:
    path = with_formula(tmp_path, '<c r="B3"><f>SUM(C1:C9)</f><v>12.5</v></c>')

    assert Book(path, FileMapping.model_validate({"columns": COLUMNS})).column("commission_minor") == [100, 1250]


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ('<c r="B3" t="e"><v>#REF!</v></c>', "#REF!"),
        ('<c r="B3" t="e"><f>1/0</f><v>#DIV/0!</v></c>', "#DIV/0!"),
        ('<c s="3" t=\'e\' r="B3"><v>#N/A</v></c>', "#N/A"),
        ('<c r="B3"><f>A1+1</f><v></v></c>', "#FORMULA!"),
        ('<c r="B3"><f>A1+1</f><v/></c>', "#FORMULA!"),
        ('<c r="B3"><f t="shared" si="0"/></c>', "#FORMULA!"),
    ],
)
def test_an_error_and_a_formula_without_value_are_faults_never_blanks(tmp_path: Path, cell: str, text: str) -> None:
    """Took the fault of reading them through calamine alone: blank, so a service month was taken as not stated."""
    path = with_formula(tmp_path, cell)
    as_amount = FileMapping.model_validate({"columns": COLUMNS})
    as_month = FileMapping.model_validate(
        {"columns": {**COLUMNS, "commission": "Account", "service_month": "Commission"}}
    )

    assert Book(path, as_amount).faults == [
        f"tab Sheet1 row 3: Commission '{text}' is not an amount; write it like 1234.56"
    ]
    assert (
        f"tab Sheet1 row 3: Commission '{text}' is not a month; write 2026-02 or a date in it"
        in Book(path, as_month).faults
    )


def test_errors_in_columns_that_nobody_reads_do_not_matter(tmp_path: Path) -> None:
    path = rewritten(
        workbook(tmp_path / "att.xlsx", {"Sheet1": [HEADER, ("A", 1, 99)]}),
        SHEET,
        ('<c r="C2" t="n"><v>99</v></c>', '<c r="C2" t="e"><v>#REF!</v></c>'),
    )

    assert Book(path, FileMapping.model_validate({"columns": COLUMNS})).column("account") == ["A"]


def test_an_error_is_found_in_a_tab_that_begins_further_right_and_down(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.worksheets[0]
    sheet["C4"], sheet["D4"], sheet["C5"], sheet["D5"] = "Account", "Commission", "#REF!", 5
    book.save(tmp_path / "att.xlsx")

    assert Book(tmp_path / "att.xlsx", FileMapping.model_validate({"columns": COLUMNS})).faults == [
        "tab Sheet row 5: Account '#REF!' is an error of the spreadsheet, or a formula that it has not computed; "
        "mend it there"
    ]


def test_a_formula_with_an_empty_text_as_its_value_is_blank(tmp_path: Path) -> None:
    path = with_formula(tmp_path, '<c r="B3"><v>5</v></c><c r="C3" t="str"><f>""</f><v></v></c>')
    mapping = FileMapping.model_validate({"columns": {**COLUMNS, "service_month": "Month"}})

    assert Book(path, mapping).column("service_month") == ["2026-01", None]


# -- rows


def test_rows_keep_their_number_whatever_is_blank_above_and_between(tmp_path: Path) -> None:
    rows = [(), ("AT&T commission",), (), HEADER, (), ("A", 1), (None, None), (" ", ""), ("B", 2)]

    assert read(tmp_path, {"S": rows}, header_line=4).column("line") == [6, 9]


def test_a_merged_title_is_passed_over_and_a_merged_account_number_is_not_guessed(tmp_path: Path) -> None:
    path = workbook(tmp_path / "att.xlsx", {"S": [("AT&T",), HEADER, ("A", 1), ("B", 2), ("", 3)]})
    book = load_workbook(path)
    book["S"].merge_cells("A1:C1")
    book["S"].merge_cells("A4:A5")
    book.save(path)

    mapping = FileMapping.model_validate({"columns": COLUMNS, "header_line": 2})

    # 3 is the sum of the lines above, too
    assert Book(path, mapping).faults == [
        "tab S row 5 looks like a totals row: it names no account, and its amount is the sum of the lines above; "
        "name such rows under totals in a mapping"
    ]


# -- tabs

TWO: dict[str, Any] = {"Feb": [HEADER, ("A", 1), ("B", 2)], "Mar": [HEADER, ("C", 3)]}


def test_several_tabs_are_read_only_as_the_mapping_says(tmp_path: Path) -> None:
    assert read(tmp_path, TWO).faults == [
        "has the tabs Feb, Mar; say in a mapping which are read, such as `tabs: all` or `tabs: [Feb]`"
    ]
    assert read(tmp_path, TWO, tabs="all").column("account") == ["A", "B", "C"]
    assert read(tmp_path, TWO, tabs=["Mar"]).column("account") == ["C"]
    assert read(tmp_path, TWO, tabs=["Mar", "Feb"]).column("account") == ["C", "A", "B"]
    assert read(tmp_path, TWO, tabs={"pattern": "^M"}).column("account") == ["C"]


def test_lines_are_numbered_apart_over_all_tabs(tmp_path: Path) -> None:
    """Rows of the first tab keep their number; row 2 of the second tab is line 20000002."""
    assert read(tmp_path, TWO, tabs="all").column("line") == [2, 3, 20_000_002]


def test_faults_name_tab_and_row(tmp_path: Path) -> None:
    tabs = {"Feb": [HEADER, ("A", "x")], "Mar": [HEADER, ("B", 1), ("", 5)]}

    assert read(tmp_path, tabs, tabs="all").faults == [
        "tab Feb row 2: Commission 'x' is not an amount; write it like 1234.56",
        "tab Mar row 3: Account is empty; every line names an account",
    ]


def test_what_tabs_were_read_and_left_out_is_told(tmp_path: Path) -> None:
    tabs = {**TWO, "Notes": [("a note",)], "Old": [HEADER, ("Z", 9)], "Empty": []}
    book = read(tmp_path, tabs, "Old", tabs=["Feb", "mar "])

    assert book.source.notes == [
        "the tab Mar is read, which the mapping calls mar ",
        "tabs read: Feb, Mar",
        "tabs left out: Notes, Empty",
        "hidden tabs left out: Old",
    ]


def test_a_hidden_tab_is_read_only_by_its_name(tmp_path: Path) -> None:
    tabs = {"Feb": TWO["Feb"], "Old": [HEADER, ("Z", 9)]}

    assert read(tmp_path, tabs, "Old").column("account") == ["A", "B"]
    assert read(tmp_path, tabs, "Old", tabs="all").column("account") == ["A", "B"]
    assert read(tmp_path, tabs, "Old", tabs=["Old"]).column("account") == ["Z"]


def test_a_tab_that_is_not_there_is_a_fault_that_says_which_are(tmp_path: Path) -> None:
    assert read(tmp_path, TWO, tabs=["Apr"]).faults == ["has no tab Apr; it has Feb, Mar; name its tabs in the mapping"]
    assert read(tmp_path, TWO, tabs={"pattern": "^X"}).faults == ["has no tab that fits ^X; it has Feb, Mar"]


def test_a_tab_counts_once(tmp_path: Path) -> None:
    assert read(tmp_path, TWO, tabs=["Feb", "FEB"]).faults == ["the mapping names the tab Feb twice; take one out"]


def test_a_tab_without_the_columns_is_a_fault(tmp_path: Path) -> None:
    tabs = {**TWO, "Notes": [("Remarks", "By")]}

    assert read(tmp_path, tabs, tabs="all").faults == [
        "tab Notes row 1 has no column Account, Commission; it has Remarks, By; name the columns in a mapping"
    ]


def test_tabs_of_two_months_are_two_statements(tmp_path: Path) -> None:
    tabs = {"F": [HEADER, ("A", 1, "2026-02")], "M": [HEADER, ("A", 1, "2026-03")]}

    assert read(tmp_path, tabs, tabs="all", columns={**COLUMNS, "statement_month": "Month"}).faults == [
        "tab M row 2 is of 2026-03, tab F row 2 of 2026-02; import one month at a time"
    ]


def test_tabs_whose_mappings_name_two_months_are_two_statements(tmp_path: Path) -> None:
    def tab(name: str, month: str) -> dict[str, Any]:
        return {"tab": name, "columns": {**COLUMNS, "statement_month": {"constant": month}}}

    same = bare(tmp_path, TWO, tabs=[tab("Feb", "2026-02"), tab("Mar", "2026-02")])
    other = bare(tmp_path, TWO, tabs=[tab("Feb", "2026-02"), tab("Mar", "2026-03")])

    assert (same.column("account"), same.source.statement_month) == (["A", "B", "C"], "2026-02")
    assert other.faults == ["tab Mar: is of 2026-03 by the mapping, the mapping of 2026-02"]


def test_a_month_that_only_the_tabs_name_is_enough(tmp_path: Path) -> None:
    sheets = {"S": [HEADER, ("A", 1, "2026-02")]}
    named = bare(tmp_path, sheets, tabs=[{"tab": "S", "columns": {**COLUMNS, "statement_month": "Month"}}])

    assert (named.column("account"), named.source.statement_month) == (["A"], "2026-02")
    assert bare(tmp_path, sheets).faults == ["names no statement month; give it with --month"]


def test_tabs_may_have_columns_and_totals_of_their_own(tmp_path: Path) -> None:
    residuals = [
        ("Run Month", "Account", "Service ID", "Service Month", "Commission"),
        (date(2026, 2, 28), 472291, "S-1", date(2026, 1, 1), 10.5),
        ("2026-02", "00998877", "S-2", "Jan 2026", "(0.50)"),
        (None, "Total", None, None, 10),
    ]
    spiffs = [("SPIFFs of February",), (), ("Deal", "BAN", "Payout"), ("D-1", 472291, 250), ("Sum", None, 250)]
    path = workbook(tmp_path / "att.xlsx", {"Residuals": residuals, "SPIFFs": spiffs})

    book = Book(path, read_mapping(MAPPINGS / "att.yaml"))

    assert book.column("account") == ["00472291", "00998877", "00472291"]
    assert book.column("charge_kind") == ["recurring", "recurring", "spiff"]
    assert book.column("service_month") == ["2026-01", "2026-01", None]
    assert (book.source.exact_total, book.source.stated_total_minor) == (Decimal(26000), 26000)
    assert book.source.notes == [
        "tabs read: Residuals, SPIFFs",
        "tab Residuals row 4 is a totals row, left out: 10.00 USD, as the lines add up to",
        "tab SPIFFs row 5 is a totals row, left out: 250.00 USD, as the lines add up to",
    ]


# -- files that are no workbook


def test_a_workbook_that_is_cut_off_anywhere_is_one_fault(tmp_path: Path) -> None:
    whole = workbook(tmp_path / "whole.xlsx", TWO).read_bytes()
    cut = tmp_path / "att.xlsx"
    for length in (4, 100, len(whole) // 2, len(whole) - 30, len(whole) - 1):
        cut.write_bytes(whole[:length])
        (fault,) = Book(cut, FileMapping.model_validate({"columns": COLUMNS})).faults
        assert fault.startswith("is no whole workbook (")
        assert fault.endswith("); it may be cut off: ask the vendor for the whole file")


def test_a_zip_that_holds_no_workbook_is_named(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "att.xlsx", "w") as file:
        file.writestr("statement.csv", "Account,Commission\nA,1\n")

    assert Book(tmp_path / "att.xlsx", PUBLISHED).faults == [
        "is no whole workbook (there is no workbook in it); it may be cut off: ask the vendor for the whole file"
    ]


def test_an_old_or_locked_workbook_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "att.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))

    assert Book(tmp_path / "att.xls", PUBLISHED).faults == [
        "is an old or a password-protected workbook; save it as XLSX without a password"
    ]


def test_a_workbook_too_large_to_be_held_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "att.xlsx", TWO)
    monkeypatch.setattr(statement_xlsx, "LARGEST_FILE", 1 << 10)
    assert Book(path, PUBLISHED).faults[0].startswith("is larger than ")
    monkeypatch.setattr(statement_xlsx, "LARGEST_FILE", 1 << 20)
    monkeypatch.setattr(statement_xlsx, "LARGEST_CONTENT", 1 << 10)
    assert Book(path, PUBLISHED).faults[0].startswith("unpacks to more than ")


def test_an_empty_workbook_and_an_empty_tab_are_told(tmp_path: Path) -> None:
    assert read(tmp_path, {"S": []}).faults == ["tab S: is empty; ask the vendor for the whole file"]
    assert read(tmp_path, {**TWO, "S": []}, tabs=["Feb", "S"]).faults == [
        "tab S: is empty; ask the vendor for the whole file"
    ]
    assert read(tmp_path, {"S": [HEADER]}).faults == ["has a header and no lines; ask the vendor for the whole file"]
