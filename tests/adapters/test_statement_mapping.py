"""Mappings as vendors make them necessary: headers that change, words of their own, totals, several tables."""

from decimal import Decimal
from pathlib import Path

import pytest

from adapters.statement_faults import StatementFaults
from adapters.statement_file import StatementSource, open_statement
from adapters.statement_mapping import FileMapping, read_mapping

MAPPINGS = Path(__file__).parent / "mappings"


def mapping(tmp_path: Path, text: str) -> FileMapping:
    path = tmp_path / "mapping.yaml"
    path.write_text(text, encoding="utf-8")
    return read_mapping(path)


class File:
    """A file read to its end with a mapping: its lines, or its faults."""

    def __init__(self, tmp_path: Path, given: FileMapping, text: str | bytes, currency: str = "USD") -> None:
        path = tmp_path / "vendor.csv"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        month = None if given.columns.statement_month else "2026-02"
        self.source: StatementSource = open_statement(path, given, currency, month)
        self.lines: list[dict[str, object]] = []
        self.faults: list[str] = []
        try:
            for chunk in self.source.chunks():
                self.lines += chunk
        except StatementFaults as faults:
            self.faults = faults.faults

    def column(self, field: str) -> list[object]:
        assert not self.faults
        return [line.get(field) for line in self.lines]


SMALL = "columns: {account: [Account Number, Acct No], commission: Comm}\n"


# -- headers


def test_one_of_the_accepted_headers_is_taken_and_told(tmp_path: Path) -> None:
    first = File(tmp_path, mapping(tmp_path, SMALL), "Account Number,Comm\nA,1\n")
    renamed = File(tmp_path, mapping(tmp_path, SMALL), "Acct No,Comm\nA,1\n")

    assert (first.column("account"), first.source.notes) == (["A"], [])
    assert renamed.column("account") == ["A"]
    assert renamed.source.notes == ["line 1: the column Acct No is read as account; it was expected as Account Number"]


@pytest.mark.parametrize(
    "header", ["ACCOUNT NUMBER", "account  number", "Account-Number", "Account Number:", "AccountNumber"]
)
def test_a_header_that_differs_in_case_spaces_and_punctuation_is_recognised_and_told(
    tmp_path: Path, header: str
) -> None:
    file = File(tmp_path, mapping(tmp_path, SMALL), f"{header},Comm\nA,1\n")

    assert file.column("account") == ["A"]
    told = " ".join(header.split())
    assert file.source.notes in (
        [],
        [f"line 1: the column {told} is read as account; it was expected as Account Number"],
    )
    assert bool(file.source.notes) == (told != "Account Number")


@pytest.mark.parametrize("header", ["Account", "Account Numbers", "Account No", "Number", "Konto", ""])
def test_any_other_header_is_never_guessed(tmp_path: Path, header: str) -> None:
    file = File(tmp_path, mapping(tmp_path, SMALL), f"{header},Comm,x\nA,1,x\n")

    assert file.faults == [
        f"line 1 has no column Account Number (or Acct No); it has {header}, Comm, x; name the columns in a mapping"
    ]


def test_two_headers_that_could_both_be_it_are_one_too_many(tmp_path: Path) -> None:
    file = File(tmp_path, mapping(tmp_path, SMALL), "Account Number,Acct No,Comm\nA,B,1\n")

    assert file.faults == [
        "line 1 has the columns Account Number and Acct No, each of which could be account; take one out"
    ]


def test_an_exact_header_wins_over_one_that_only_looks_like_it(tmp_path: Path) -> None:
    file = File(tmp_path, mapping(tmp_path, SMALL), "acct no,Acct No,Comm\nA,B,1\n")

    assert file.column("account") == ["B"]


def test_columns_that_nobody_reads_are_told(tmp_path: Path) -> None:
    file = File(tmp_path, mapping(tmp_path, SMALL), "Region,Acct No,Comm,, Remarks \nx,A,1,,\n")

    assert (file.column("account"), file.source.columns_not_read) == (["A"], ["Region", "Remarks"])


def test_headers_below_a_title_are_found_where_the_mapping_says(tmp_path: Path) -> None:
    text = 'Lumen Technologies,,\n"Commission,\nFebruary",,\n\nAccount Number,Comm\nA,1\nB,2\n'

    file = File(tmp_path, mapping(tmp_path, SMALL + "header_line: 5\n"), text)

    assert file.column("line") == [6, 7]


def test_headers_below_a_title_that_the_mapping_does_not_say_are_pointed_at(tmp_path: Path) -> None:
    text = "Commission,February\n\nAccount Number,Comm\nA,1\n"

    file = File(tmp_path, mapping(tmp_path, SMALL), text)

    assert file.faults == [
        "line 1 has no column Account Number (or Acct No), Comm; it has Commission, February; "
        "line 3 has them: write `header_line: 3` in the mapping"
    ]


# -- the number of the account

ALIASES = """columns:
  account: {first_of: [{column: Account, width: 6}, BTN, Circuit]}
  service: Circuit
  commission: Comm
"""


def test_the_first_column_that_is_not_blank_is_the_printed_number(tmp_path: Path) -> None:
    """The others are not kept, unless the mapping gives them a field of their own, as the circuit here."""
    text = "Account,BTN,Circuit,Comm\n4711,3035550100,C/1,1\n,3035550100,C/1,1\n , ,C/1,1\n,3035550101,,1\n"

    file = File(tmp_path, mapping(tmp_path, ALIASES), text)

    assert file.column("account") == ["004711", "3035550100", "C/1", "3035550101"]
    assert file.column("service") == ["C/1", "C/1", "C/1", None]
    assert file.source.notes == [
        "2 lines without Account numbered by BTN",
        "1 line without Account numbered by Circuit",
    ]


def test_a_line_without_any_number_is_a_fault(tmp_path: Path) -> None:
    file = File(tmp_path, mapping(tmp_path, ALIASES), "Account,BTN,Circuit,Comm\nA,,,5\n,,,1\n")

    assert file.faults == ["line 3: Account is empty; every line names an account"]


def test_lost_zeros_are_put_back_only_where_the_mapping_says_so_and_only_before_digits(tmp_path: Path) -> None:
    padded = mapping(tmp_path, "columns: {account: {column: A, width: 8}, commission: C}\n")
    plain = mapping(tmp_path, "columns: {account: A, commission: C}\n")
    text = "A,C\n472291,1\n5-QX,1\n123456789,1\n"

    assert File(tmp_path, padded, text).column("account") == ["00472291", "5-QX", "123456789"]
    assert File(tmp_path, plain, text).column("account") == ["472291", "5-QX", "123456789"]


@pytest.mark.parametrize(
    ("number", "words"),
    [
        ("1.23457E+15", "has lost digits to a spreadsheet; format the column as text there"),
        ("#REF!", "is an error of the spreadsheet, or a formula that it has not computed; mend it there"),
        ("#N/A", "is an error of the spreadsheet, or a formula that it has not computed; mend it there"),
    ],
)
def test_a_number_that_a_spreadsheet_spoilt_is_a_fault(tmp_path: Path, number: str, words: str) -> None:
    file = File(tmp_path, mapping(tmp_path, SMALL), f"Account Number,Comm\n{number},1\n")

    assert file.faults == [f"line 2: Account Number '{number}' {words}"]


# -- words of the vendor

WORDS = """columns:
  account: A
  commission: C
  line_type: {column: T, values: {COM: original, CB: chargeback, ADJ: adjustment}}
  charge_kind: {constant: usage}
  product: {column: P, values: {"Dedicated Internet, 1G": dia}}
  service_month: {constant: Jan 2026}
"""


def test_the_vendors_words_and_what_is_the_same_in_every_line(tmp_path: Path) -> None:
    file = File(tmp_path, mapping(tmp_path, WORDS), 'A,C,T,P\nA,-1,CB,"Dedicated Internet, 1G"\nB,1,,\n')

    assert file.column("line_type") == ["chargeback", "original"]
    assert file.column("charge_kind") == ["usage", "usage"]
    assert file.column("product") == ["dia", None]
    assert file.column("service_month") == ["2026-01", "2026-01"]


def test_a_word_without_a_meaning_is_a_fault_with_its_line(tmp_path: Path) -> None:
    file = File(tmp_path, mapping(tmp_path, WORDS), "A,C,T,P\nA,1,COM,\nB,1,cb,\n")

    assert file.faults == ["line 3: T 'cb' has no meaning in the mapping; it has COM, CB, ADJ; add it under values"]


WRONG: dict[str, str] = {
    "columns: {account: {column: A, constant: B}, commission: C}": "field columns.account: stands in a column, or is",
    "columns: {account: {}, commission: C}": "field columns.account: stands in a column, or is constant, or is",
    "columns: {account: A, commission: {constant: '5'}}": "field columns: commission is an amount of each line; write",
    "columns: {account: A, commission: C, service: {first_of: [A, B]}}": "field columns: service stands in one column",
    "columns: {account: {first_of: [A, {constant: B}]}, commission: C}": "field columns.account: is the first of sev",
    "columns: {account: A, commission: C, product: {column: P, width: 3}}": "field columns: product has no width",
    "columns: {account: A, commission: C, charge_kind: {constant: mrc}}": "field columns.charge_kind.constant: should",
    "columns: {account: A, commission: C, line_type: {column: T, values: {CB: back}}}": (
        "field columns.line_type.values.CB: should be 'original', 'adjustment', 'chargeback', 'retroactive' or"
    ),
    "columns: {account: A, commission: C, service_month: {constant: soon}}": (
        "field columns.service_month.constant: soon is not a month; write it like 2026-02"
    ),
    "columns: {account: A, commission: C, product: {column: P, values: {Net: BAD P}}}": (
        "field columns.product.values.Net: 'BAD P' does not fit; write lower-case letters"
    ),
    "columns: {account: A, commission: C, product: {column: P, percent: true}}": "field columns: product is no percent",
    "columns: {account: A, commission: C, currency: {constant: EUR}}": "field columns: currency stands in a column",
    "columns: {account: A, commission: C, product: {colunm: P}}": "there is no field columns.product.colunm",
    "{columns: {account: A, commission: C}, dates: sometimes}": "field dates: sometimes does not say how dates are",
    "{columns: {account: A, commission: C}, decimal: ';'}": "field decimal: should be '.' or ',', but is ';'",
    "{columns: {account: A, commission: C}, totals: {column: A}}": "field totals.starts_with is missing; add it",
    "{columns: {account: A, commission: C}, tabs: {pattern: '('}}": "field tabs.pattern: '(' is not a pattern",
    "{columns: {account: A, commission: C}, tabs: []}": "field tabs",
    "{columns: {account: A, commission: C}, header_line: 0}": "field header_line: should be greater than or equal to 1",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mapping_that_could_not_be_meant_points_at_the_key(tmp_path: Path, text: str) -> None:
    with pytest.raises(StatementFaults) as refused:
        mapping(tmp_path, text)

    assert str(refused.value).splitlines()[0].removeprefix("mapping.yaml: ").startswith(WRONG[text])


# -- amounts and dates


@pytest.mark.parametrize(
    ("currency", "written", "minor"),
    [
        ("EUR", "€1,234.56", 123456),
        ("EUR", "1,234.56 €", 123456),
        ("EUR", "EUR 5", 500),
        ("GBP", "£5", 500),
        ("CAD", "C$5", 500),
        ("CAD", "CA$5.10", 510),
        ("CAD", "$5", 500),
        ("CAD", "5.00 CAD", 500),
        ("USD", "US$ 5", 500),
    ],
)
def test_the_sign_of_the_vendors_currency_is_read(tmp_path: Path, currency: str, written: str, minor: int) -> None:
    file = File(tmp_path, mapping(tmp_path, SMALL), f'Acct No,Comm\nA,"{written}"\n', currency)

    assert file.column("commission_minor") == [minor]


@pytest.mark.parametrize(
    ("currency", "written"),
    [
        ("USD", "€5"),
        ("USD", "C$5"),
        ("USD", "5 CAD"),
        ("EUR", "$5"),
        ("CAD", "US$5"),
        ("GBP", "€5"),
        ("USD", "($5) EUR"),
    ],
)
def test_the_sign_of_another_currency_is_a_fault(tmp_path: Path, currency: str, written: str) -> None:
    file = File(tmp_path, mapping(tmp_path, SMALL), f'Acct No,Comm\nA,"{written}"\n', currency)

    assert file.faults == [f"line 2: Comm '{written}' is not in {currency}; import one currency at a time"]


def test_a_line_in_another_currency_is_a_fault(tmp_path: Path) -> None:
    words = "values: {US$: USD, USD: USD, coin: X, K: CAD}"
    given = mapping(tmp_path, f"columns: {{account: A, commission: C, currency: {{column: Cur, {words}}}}}")
    good = File(tmp_path, given, "A,C,Cur\nA,1,USD\nB,1,US$\nC,1,\n")
    bad = File(tmp_path, given, "A,C,Cur\nA,1,K\nB,1,coin\nC,1,EUR\n")

    assert good.column("account") == ["A", "B", "C"]
    assert "currency" not in good.lines[0]
    assert bad.faults == [
        "line 2: Cur 'CAD' is not USD; import one currency at a time",
        "line 3: Cur 'X' is not a currency of ISO 4217; write what it means under values",
        "line 4: Cur 'EUR' has no meaning in the mapping; it has US$, USD, coin, K; add it under values",
    ]


def test_a_rate_in_percents_is_read_as_one_where_the_mapping_says_so(tmp_path: Path) -> None:
    text = "A,C,R\nA,1,15\nB,1,15%\nC,1,0.5\nD,1,\n"
    percents = mapping(tmp_path, "columns: {account: A, commission: C, claimed_rate: {column: R, percent: true}}")
    factors = mapping(tmp_path, "columns: {account: A, commission: C, claimed_rate: R}")

    assert File(tmp_path, percents, text).column("claimed_rate") == ["0.15", "0.15", "0.005", None]
    assert File(tmp_path, factors, text).column("claimed_rate") == ["15", "0.15", "0.5", None]


def test_the_month_of_a_mapping_and_the_month_that_is_said_are_one(tmp_path: Path) -> None:
    given = mapping(tmp_path, "columns: {account: A, commission: C, statement_month: {constant: 2026-02}}")
    path = tmp_path / "x.csv"
    path.write_text("A,C\nA,1\n")

    assert File(tmp_path, given, "A,C\nA,1\n").source.statement_month == "2026-02"
    with pytest.raises(StatementFaults, match=r"is of 2026-02 by the mapping, --month of 2026-03$"):
        list(open_statement(path, given, "USD", "2026-03").chunks())


def test_a_decimal_comma_is_read_where_the_mapping_says_so_and_nowhere_else(tmp_path: Path) -> None:
    given = mapping(tmp_path, "columns: {account: A, commission: C, claimed_rate: R}\ndecimal: ','\ndelimiter: ';'\n")
    good = File(tmp_path, given, "A;C;R\nA;1.234,56;15,5%\nB;-0,5;0,2\nC;(7);\nD;1.000;\n", "EUR")
    bad = File(tmp_path, given, "A;C;R\nA;1,234.56;\nB;1.5;\nC;1 000,00;\n", "EUR")

    assert good.column("commission_minor") == [123456, -50, -700, 100000]
    assert good.column("claimed_rate") == ["0.155", "0.2", None, None]
    assert bad.faults == [
        "line 2: C '1,234.56' is not an amount; write it like 1234,56",
        "line 3: C '1.5' is not an amount; write it like 1234,56",
        "line 4: C '1 000,00' is not an amount; write it like 1234,56",
    ]


def test_a_date_that_could_be_of_two_months_is_read_only_as_the_mapping_says(tmp_path: Path) -> None:
    columns = "columns: {account: A, commission: C, service_month: M}\n"
    text = "A,C,M\nA,1,2/3/2026\n"
    clear = "A,C,M\nA,1,2/13/2026\nB,1,13/2/2026\nC,1,2/2/2026\nD,1,02/2026\n"

    assert File(tmp_path, mapping(tmp_path, columns), clear).column("service_month") == ["2026-02"] * 4
    assert File(tmp_path, mapping(tmp_path, columns + "dates: month-first\n"), text).column("service_month") == [
        "2026-02"
    ]
    assert File(tmp_path, mapping(tmp_path, columns + "dates: day-first\n"), text).column("service_month") == [
        "2026-03"
    ]
    assert File(tmp_path, mapping(tmp_path, columns + "dates: '%m/%d/%Y'\n"), text).column("service_month") == [
        "2026-02"
    ]
    assert File(tmp_path, mapping(tmp_path, columns), text).faults == [
        "line 2: M '2/3/2026' could be of two months; write `dates: month-first` or `dates: day-first` in the mapping"
    ]


# -- totals

TOTALS = SMALL + "totals: {column: Customer, starts_with: Total}\n"
HEADER = "Customer,Account Number,Comm\n"


def test_a_totals_row_that_agrees_is_left_out_and_told(tmp_path: Path) -> None:
    file = File(tmp_path, mapping(tmp_path, TOTALS), HEADER + "x,A,1.00\ny,B,2.50\nTOTAL:,,$3.50\n")

    assert file.column("account") == ["A", "B"]
    assert file.source.stated_total_minor == 350
    assert file.source.notes == ["line 4 is a totals row, left out: 3.50 USD, as the lines add up to"]


def test_a_totals_row_that_does_not_agree_is_a_fault_with_both_figures(tmp_path: Path) -> None:
    file = File(tmp_path, mapping(tmp_path, TOTALS), HEADER + "x,A,1000.00\ny,B,2.50\nTotal,,1200\n")

    assert file.faults == [
        "line 4 says that the total is 1,200.00, but the lines above add up to 1,002.50 USD; ask the vendor for the "
        "whole file"
    ]


def test_totals_of_groups_are_compared_with_their_groups(tmp_path: Path) -> None:
    text = HEADER + "x,A,1\nx,B,2\nTotal x,,3\ny,C,4\nTotal y,,4\nTotal,,7\n"

    file = File(tmp_path, mapping(tmp_path, TOTALS), text)

    assert (file.column("account"), file.source.stated_total_minor) == (["A", "B", "C"], 700)


def test_a_total_below_a_cent_agrees_as_the_vendor_rounds(tmp_path: Path) -> None:
    lines = HEADER + "x,A,0.006\ny,B,0.006\n"

    for total in ("0.012", "0.01", "0.02"):
        assert not File(tmp_path, mapping(tmp_path, TOTALS), lines + f"Total,,{total}\n").faults
    assert File(tmp_path, mapping(tmp_path, TOTALS), lines + "Total,,0.03\n").faults


def test_a_file_without_its_total_is_cut_off(tmp_path: Path) -> None:
    given = HEADER + "x,A,1\n"

    assert File(tmp_path, mapping(tmp_path, TOTALS), given).faults == [
        "has no totals row, none in which Customer begins with Total; the file may be cut off"
    ]
    assert not File(tmp_path, mapping(tmp_path, TOTALS.replace("Total}", "Total, required: false}")), given).faults


def test_lines_after_the_last_total_are_a_fault(tmp_path: Path) -> None:
    file = File(tmp_path, mapping(tmp_path, TOTALS), HEADER + "x,A,1\nTotal,,1\ny,B,1\nz,C,1\n")

    assert file.faults == ["2 lines after the last totals row, line 3; the file may be put together of two"]


def test_a_totals_row_without_a_figure_is_a_fault(tmp_path: Path) -> None:
    file = File(tmp_path, mapping(tmp_path, TOTALS), HEADER + "x,A,1\nTotal,,\n")

    assert file.faults[0] == "line 3, a totals row: Comm '' is not an amount; write it like 1234.56"


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (
            ",,3.50",
            "line 4 looks like a totals row: it names no account, and its amount is the sum of the lines above; "
            "name such rows under totals in a mapping",
        ),
        (
            "x,Grand Total,9",
            "line 4: Account Number 'Grand Total' looks like a totals row, which would count twice; "
            "name such rows under totals in a mapping",
        ),
    ],
)
def test_what_looks_like_a_total_without_a_rule_is_no_line(tmp_path: Path, row: str, sentence: str) -> None:
    file = File(tmp_path, mapping(tmp_path, SMALL), HEADER + f"x,A,1.00\ny,B,2.50\n{row}\n")

    assert file.faults == [sentence]


# -- suppliers


def test_a_vendor_may_stand_under_several_names_that_the_mapping_lists(tmp_path: Path) -> None:
    given = mapping(
        tmp_path, "columns: {account: A, commission: C, supplier_name: S}\nsuppliers: [Lumen, CenturyLink]\n"
    )
    good = File(tmp_path, given, "A,C,S\nA,1,Lumen\nB,1,CENTURYLINK\n")
    bad = File(tmp_path, given, "A,C,S\nA,1,Lumen\nB,1,Zayo\n")
    worse = File(tmp_path, given, "A,C,S\nA,1,Zayo\n")

    assert good.column("account") == ["A", "B"]
    assert bad.faults == ["line 3 is of 'Zayo', but the mapping's suppliers are Lumen, CenturyLink"]
    assert worse.faults == ["line 2 is of 'Zayo', but the mapping's suppliers are Lumen, CenturyLink"]


# -- encodings


def test_a_file_that_is_not_utf_8_says_where_and_what_to_write(tmp_path: Path) -> None:
    text = "Acct No,Comm\nCafé 1,1\n"
    unnamed = File(tmp_path, mapping(tmp_path, SMALL), text.encode("cp1252"))
    named = File(tmp_path, mapping(tmp_path, SMALL + "encoding: windows-1252\n"), text.encode("cp1252"))

    assert unnamed.faults == [
        "line 2: byte 16 (hexadecimal e9) is not UTF-8; in windows-1252 it is 'é': if that is right, write "
        "`encoding: windows-1252` in a mapping"
    ]
    assert named.column("account") == ["Café 1"]


def test_the_byte_and_line_are_those_of_the_file_however_long_it_is(tmp_path: Path) -> None:
    before = ("Acct No,Comm\n" + "Ä1,1\n" * 100_000).encode()

    file = File(tmp_path, mapping(tmp_path, SMALL), before + b"\x85,1\n" + b"B,1\n" * 100_000)

    assert file.faults[0].startswith(f"line 100002: byte {len(before)} (hexadecimal 85) is not UTF-8; in windows-1252")


def test_a_character_cut_in_two_at_the_end_is_told_as_cut_off(tmp_path: Path) -> None:
    file = File(tmp_path, mapping(tmp_path, SMALL), "Acct No,Comm\nA,1\nÄ".encode()[:-1])

    assert len(file.faults) == 1
    assert file.faults[0].startswith("line 3: byte 17 (hexadecimal c3) is not UTF-8;")
    assert file.faults[0].endswith("; or the file is cut off there")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-8-sig"])
def test_a_byte_order_mark_says_what_the_file_is(tmp_path: Path, encoding: str) -> None:
    file = File(tmp_path, mapping(tmp_path, SMALL), "Acct No,Comm\nÄ1,1\n".encode(encoding))

    assert file.column("account") == ["Ä1"]
    assert [note for note in file.source.notes if "mark" in note] == (
        [] if encoding == "utf-8-sig" else [f"is {encoding.upper()} by its byte-order mark"]
    )


def test_a_byte_order_mark_that_says_other_than_the_mapping_is_a_fault(tmp_path: Path) -> None:
    given = mapping(tmp_path, SMALL + "encoding: windows-1252\n")

    assert File(tmp_path, given, "Acct No,Comm\nÄ1,1\n".encode("utf-8-sig")).faults == [
        "is UTF-8 by its byte-order mark, but the mapping says windows-1252; take encoding out of the mapping"
    ]


def test_utf_8_that_a_mapping_calls_something_else_is_not_mangled(tmp_path: Path) -> None:
    given = mapping(tmp_path, SMALL + "encoding: windows-1252\n")

    assert File(tmp_path, given, "Acct No,Comm\nCafé,1\n").faults == [
        "is UTF-8 throughout, but the mapping says windows-1252, which would read other letters; "
        "take encoding out of the mapping"
    ]
    assert not File(tmp_path, given, "Acct No,Comm\nCafe,1\n").faults


# -- whole mappings


def test_the_mapping_of_a_text_file_out_of_an_old_system(tmp_path: Path) -> None:
    text = (
        "Lumen Technologies – Commission\n\n"
        "Supplier|Statement Date|Customer|Acct No|Billing Telephone Number|Circuit ID|Product|Category|Type|"
        "Usage Period|Net Billed|Rate|Comm Amt\n"
        "Lumen|2/3/2026|Café Été|4711|||Dedicated Internet|MRC|COM|1/1/2026|$1,250.00|15%|$187.50\n"
        "CenturyLink|2/28/2026|Alder||3035550100|C/7|SD-WAN Edge|Usage|CB|Dec 2025|(100.00)|15%|(15.00)\n"
        "||Grand Total||||||||||172.50\n"
    )

    file = File(tmp_path, read_mapping(MAPPINGS / "lumen.yaml"), text.encode("cp1252"))

    assert file.column("line") == [4, 5]
    assert file.lines[0] == {
        "line": 4, "account": "0000004711", "product": "dia", "charge_kind": "recurring", "line_type": "original",
        "net_billed_minor": 125000, "claimed_rate": "0.15", "commission_minor": 18750, "service_month": "2026-01",
        "month_basis": "stated",
    }  # fmt: skip
    assert file.lines[1] == {
        "line": 5, "account": "3035550100", "service": "C/7", "product": "sd-wan", "charge_kind": "usage",
        "line_type": "chargeback", "net_billed_minor": -10000, "claimed_rate": "0.15", "commission_minor": -1500,
        "service_month": "2025-12", "month_basis": "stated",
    }  # fmt: skip
    assert (file.source.statement_month, file.source.supplier_name) == ("2026-02", "Lumen")
    assert (file.source.exact_total, file.source.stated_total_minor) == (Decimal(17250), 17250)
    assert file.source.notes == [
        "line 3: the column Acct No is read as account; it was expected as Account Number",
        "line 3: the column Comm Amt is read as commission; it was expected as Commission",
        "1 line without Acct No numbered by Billing Telephone Number",
        "line 6 is a totals row, left out: 172.50 USD, as the lines add up to",
    ]


def test_the_mapping_of_a_vendor_that_writes_a_decimal_comma(tmp_path: Path) -> None:
    text = "Abrechnungsdatum;Kundennummer;Provision;Satz;Partnernummer\n03.02.2026;00471;1.187,50 €;12,5%;TR 7\n"

    file = File(tmp_path, read_mapping(MAPPINGS / "nordlicht.yaml"), text, "EUR")

    (line,) = file.lines
    assert (file.source.statement_month, line["account"], line["commission_minor"]) == ("2026-02", "00471", 118750)
    assert (line["claimed_rate"], line["house_code"]) == ("0.125", "TR 7")
