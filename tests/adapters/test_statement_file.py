"""Vendors' statements as CSV: taken whole and exact, or not at all with every fault by its line."""

import hashlib
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.faults import FileFault
from adapters.statement_faults import StatementFaults
from adapters.statement_file import StatementSource, open_statement
from adapters.statement_mapping import PUBLISHED, FileMapping, read_mapping
from adapters.statement_values import parse_month
from domain.vendor_statement import StatementLine

HEADER = "Commission Run Month,Imported Supplier Name,Supplier ID,Commission Amount\n"
LINE = "2026-02,Lumen,5-QXTR9941,187.48\n"


@dataclass(frozen=True)
class Whole:
    """A statement read to its end."""

    source: StatementSource
    plain: list[dict[str, Any]]

    @property
    def lines(self) -> list[StatementLine]:
        return [StatementLine.model_validate(line) for line in self.plain]


def read(
    tmp_path: Path,
    text: str | bytes,
    mapping: FileMapping = PUBLISHED,
    currency: str = "USD",
    month: str | None = None,
) -> Whole:
    path = tmp_path / "lumen.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    source = open_statement(path, mapping, currency, month)
    return Whole(source, [line for chunk in source.chunks() for line in chunk])


def faults(tmp_path: Path, text: str | bytes, mapping: FileMapping = PUBLISHED, month: str | None = None) -> list[str]:
    with pytest.raises(StatementFaults) as refused:
        read(tmp_path, text, mapping, month=month)
    assert all(line.startswith("lumen.csv: ") for line in str(refused.value).splitlines()[:20])
    return refused.value.faults


def amounts(tmp_path: Path, *written: str, currency: str = "USD") -> list[Decimal]:
    rows = "".join(f'2026-02,Lumen,5-QXTR9941,"{amount}"\n' for amount in written)
    return [line.commission_minor for line in read(tmp_path, HEADER + rows, currency=currency).lines]


def mapped(tmp_path: Path, text: str | bytes) -> FileMapping:
    path = tmp_path / "mapping.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_mapping(path)


# -- what is taken


def test_the_published_columns_need_no_mapping(tmp_path: Path) -> None:
    statement = read(tmp_path, HEADER + LINE + "2026-02,Lumen,0047-2291,-12.30\n")

    first, second = statement.lines
    assert (statement.source.statement_month, statement.source.exact_total) == ("2026-02", Decimal(17518))
    assert (first.line, first.account, first.commission_minor) == (2, "5-QXTR9941", Decimal(18748))
    assert (second.line, second.account, second.commission_minor) == (3, "0047-2291", Decimal(-1230))
    assert first.service_month is None
    assert statement.source.digest == "sha256:" + hashlib.sha256((tmp_path / "lumen.csv").read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("written", "minor"),
    [
        ("187.48", "18748"),
        ("187.4835", "18748.35"),
        ("0.001", "0.1"),
        ("-3", "-300"),
        ("+3", "300"),
        (".5", "50"),
        ("(12.30)", "-1230"),
        ("$1,234.56", "123456"),
        ("($1,000.00)", "-100000"),
        ("-$5.00", "-500"),
        ("$-5.00", "-500"),
        ("$ 5.00", "500"),
        ("$(5.00)", "-500"),
        ("US$5", "500"),
        ("USD 5", "500"),
        ("5.00 USD", "500"),
        ("$5.00 USD", "500"),
        ("(5.00) USD", "-500"),
        ("5.00-", "-500"),
        ("−5", "-500"),
        ("1,234,567.89", "123456789"),
        ("1000000000.00", "100000000000"),
    ],
)
def test_an_amount_is_exact_below_a_cent_too(tmp_path: Path, written: str, minor: str) -> None:
    assert amounts(tmp_path, written) == [Decimal(minor)]


def test_an_amount_counts_the_minor_units_of_its_currency(tmp_path: Path) -> None:
    assert amounts(tmp_path, "187.5", currency="JPY") == [Decimal("187.5")]
    assert amounts(tmp_path, "187.5", currency="BHD") == [Decimal(187500)]


def test_the_total_is_rounded_once(tmp_path: Path) -> None:
    rows = "".join(f"2026-02,Lumen,A-{n},0.004\n" for n in range(4))

    source = read(tmp_path, HEADER + rows).source

    assert (source.total_minor, source.exact_total, source.rounded_total_minor) == (2, Decimal("1.6"), 0)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + HEADER + LINE,
        (HEADER + LINE).replace("\n", "\r\n"),
        (HEADER + LINE).replace("\n", "\r"),
        "\n\n" + HEADER + "\n" + LINE + ",,,\n   \n\n",
        HEADER.replace(",", " , ") + LINE.replace(",", " , "),
        (HEADER + LINE).rstrip("\n"),
        HEADER.replace("\n", ",Remarks\n") + LINE.replace("\n", ",paid\u2028late\x0b\n"),
    ],
    ids=["byte-order mark", "windows", "old mac", "blank lines", "spaces", "no last line end", "odd separators"],
)
def test_marks_line_ends_blank_lines_and_spaces_mean_nothing(tmp_path: Path, text: str) -> None:
    (line,) = read(tmp_path, text).lines

    assert (line.account, line.commission_minor) == ("5-QXTR9941", Decimal(18748))


def test_a_quoted_field_may_hold_lines_and_the_line_is_where_it_begins(tmp_path: Path) -> None:
    rows = '2026-02,"Lumen\nCorp",A-1,1.00\n2026-02,"Lumen\nCorp",A-2,2.00\n'

    assert [line.line for line in read(tmp_path, HEADER + rows).lines] == [2, 4]


# -- months


@pytest.mark.parametrize(
    ("written", "month"),
    [
        ("2026-02", "2026-02"),
        ("2026-02-15", "2026-02"),
        ("2026/02/15", "2026-02"),
        ("2/15/2026", "2026-02"),
        ("02/2026", "2026-02"),
        ("Feb 2026", "2026-02"),
        ("February 2026", "2026-02"),
        ("Feb-2026", "2026-02"),
        ("Sept. 2026", "2026-09"),
        ("202602", "2026-02"),
        ("20260215", "2026-02"),
        ("2026-02-15T10:00:00Z", "2026-02"),
        (" 2026-02 ", "2026-02"),
    ],
)
def test_a_month_is_read_from_any_date_in_it(written: str, month: str) -> None:
    assert parse_month(written) == month


@pytest.mark.parametrize(
    "written",
    [
        "", "2", "2026", "2026-13", "2026-00", "2026-02-31", "2/30/2026", "15/02/2026", "Febtober 2026", "Feb-26",
        "Q1 2026", "46054", "1899-12", "2100-01", "2026-02 or so",
    ],
)  # fmt: skip
def test_what_is_no_month_or_could_be_two_is_none(written: str) -> None:
    assert parse_month(written) is None


# -- faults


def test_every_fault_of_every_line_is_listed(tmp_path: Path) -> None:
    rows = (
        LINE,
        "2026-03,Lumen,A-1,1.00\n",
        "2026-02,Zayo,A-1,1.00\n",
        "2026-02,,A-1,1.00\n",
        ",Lumen,A-1,1.00\n",
        "2026-02,Lumen,,abc\n",
        "2026-02,Lumen,A-1,\n",
        f"2026-02,Lumen,{'9' * 121},1.00\n",
    )

    assert sorted(faults(tmp_path, HEADER + "".join(rows))) == [
        "line 3 is of 2026-03, line 2 of 2026-02; import one month at a time",
        "line 4 is of 'Zayo', line 2 of 'Lumen'; import one vendor at a time",
        "line 5 is of '', line 2 of 'Lumen'; import one vendor at a time",
        "line 6: Commission Run Month '' is not a month; write 2026-02 or a date in it",
        "line 7: Commission Amount 'abc' is not an amount; write it like 1234.56",
        "line 7: Supplier ID is empty; every line names an account",
        "line 8: Commission Amount '' is not an amount; write it like 1234.56",
        f"line 9: Supplier ID: string should have at most 120 characters, but is '{'9' * 59}…",
    ]


def test_a_long_list_of_faults_is_cut_but_counted(tmp_path: Path) -> None:
    with pytest.raises(StatementFaults) as refused:
        read(tmp_path, HEADER + "2026-02,Lumen,A-1,abc\n" * 25)

    assert len(refused.value.faults) == 25
    assert str(refused.value).splitlines()[20:] == ["lumen.csv: … and 5 more"]


@pytest.mark.parametrize(
    "written",
    [
        "abc", "1.2.3", "--5", "(-5)", "()", "$", "-5-", "(5-)", "(5)-", "$5$", "5 CR", "12.34%", "NaN", "inf",
        "0x10", "1_000", "1e3", "1E+05", "１２", "1,23,4", "1.234,56", "1,5", "1 234.00", "0.1234567890123456789012345",
    ],
)  # fmt: skip
def test_an_amount_that_could_mean_another_one_is_refused(tmp_path: Path, written: str) -> None:
    """A decimal comma, a lost digit or an exponent of a spreadsheet would be money lost."""
    (fault,) = faults(tmp_path, f'{HEADER}2026-02,Lumen,A-1,"{written}"\n')

    assert fault == f"line 2: Commission Amount {written!r} is not an amount; write it like 1234.56"


@pytest.mark.parametrize("written", ["1000000000.01", "-99999999999999999999"])
def test_an_absurd_amount_is_a_misread_file(tmp_path: Path, written: str) -> None:
    (fault,) = faults(tmp_path, f"{HEADER}2026-02,Lumen,A-1,{written}\n")

    assert fault == f"line 2: Commission Amount {written!r} is not an amount of this business"


NAMES = "Commission Run Month, Imported Supplier Name, Supplier ID, Commission Amount"
FILES: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "is empty; ask the vendor for the whole file"),
    "only blank lines": ("\n \n", "is empty; ask the vendor for the whole file"),
    "no lines": (HEADER, "has a header and no lines; ask the vendor for the whole file"),
    "another header": (
        "Month,Amount\n2026-02,1\n",
        f"line 1 has no column {NAMES}; it has Month, Amount; name the columns in a mapping",
    ),
    "a column missing": (
        "Commission Run Month,Supplier ID,Commission Amount\n2026-02,A,1\n",
        "line 1 has no column Imported Supplier Name; it has Commission Run Month, Supplier ID, Commission Amount; "
        "name the columns in a mapping",
    ),
    "another delimiter": (
        (HEADER + LINE).replace(",", ";"),
        "line 1 has one column only; if ';' parts the columns, name it as delimiter in a mapping",
    ),
    "a column twice": (
        HEADER.replace("\n", ",Commission Amount\n") + LINE.replace("\n", ",9\n"),
        "line 1 has the column Commission Amount twice; take one out",
    ),
    "cut off in a line": (HEADER + LINE + "2026-02,Lum", "line 3 has 2 fields, the header has 4"),
    "cut off in quotes": (HEADER + LINE + '2026-02,"Lum\n', "line 3 is not CSV: unexpected end of data"),
    "a quote too many": (HEADER + '2026-02,"Lu"men,A,1\n', "line 2 is not CSV: ',' expected after '\"'"),
    "a field too many": (HEADER + LINE + LINE.replace("\n", ",9\n"), "line 3 has 5 fields, the header has 4"),
    "a control character": (
        HEADER + "2026-02,Lumen,5\x006,1\n",
        "line 2: Supplier ID: '5\\x006' is blank or holds control",
    ),
    "not UTF-8": (
        (HEADER + "2026-02,Lumén,A,1\n").encode("latin-1"),
        "line 2: byte 85 (hexadecimal e9) is not UTF-8; in windows-1252 it is 'é': if that is right, write `encoding: ",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_whole_is_not_taken(tmp_path: Path, name: str) -> None:
    content, sentence = FILES[name]

    (fault,) = faults(tmp_path, content)

    assert fault.startswith(sentence)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(
        StatementFaults, match=r"^lumen.csv: cannot be read: No such file or directory; check the path$"
    ):
        list(open_statement(tmp_path / "lumen.csv", PUBLISHED, "USD").chunks())


def test_the_month_that_is_said_and_the_month_of_the_file_are_one(tmp_path: Path) -> None:
    assert read(tmp_path, HEADER + LINE, month="Feb 2026").source.statement_month == "2026-02"
    assert faults(tmp_path, HEADER + LINE, month="2026-03") == ["line 2 is of 2026-02, but --month says 2026-03"]
    assert faults(tmp_path, HEADER + LINE, month="soon") == ["--month 'soon' is not a month; write it like 2026-02"]


# -- mappings

ACCOUNT_AND_AMOUNT = "columns: {account: Acct, commission: Comm}\n"


def test_a_mapping_names_the_columns_of_a_vendor(tmp_path: Path) -> None:
    mapping = mapped(
        tmp_path,
        "columns: {account: Acct, commission: Comm, service: Circuit, product: Prod, charge_kind: Kind,\n"
        "  line_type: Type, net_billed: Net, claimed_rate: Rate, service_month: Usage, house_code: Agency}\n"
        "delimiter: ';'\nencoding: cp1252\n",
    )
    text = (
        "Acct;Comm;Circuit;Prod;Kind;Type;Net;Rate;Usage;Agency;Rest\n"
        "Ä-1;10.005;C 9;dia;usage;adjustment;100;15%;Jan 2026;TR-7;x\n"
        "Ä-2;1.00;;;;;;;;;\n"
    )

    statement = read(tmp_path, text.encode("cp1252"), mapping, month="2026-02")

    first, second = statement.lines
    assert (first.account, first.service, first.product, first.house_code) == ("Ä-1", "C 9", "dia", "TR-7")
    assert (first.charge_kind, first.line_type, first.service_month) == ("usage", "adjustment", "2026-01")
    assert (first.commission_minor, first.net_billed_minor) == (Decimal("1000.5"), Decimal(10000))
    assert first.claimed_rate == Decimal("0.15")
    assert (second.charge_kind, second.line_type, second.service_month) == ("recurring", "original", None)
    assert (second.net_billed_minor, second.service) == (None, None)


def test_a_mapping_may_say_that_amounts_are_minor_units(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, ACCOUNT_AND_AMOUNT + "amounts: minor\n")

    assert read(tmp_path, "Acct,Comm\nA,18748.35\n", mapping, month="2026-02").lines[0].commission_minor == Decimal(
        "18748.35"
    )


def test_a_file_without_months_is_told_its_month(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, ACCOUNT_AND_AMOUNT)

    assert faults(tmp_path, "Acct,Comm\nA,1\n", mapping) == ["names no statement month; give it with --month"]


def test_faults_of_mapped_columns_name_the_columns_of_the_file(tmp_path: Path) -> None:
    mapping = mapped(
        tmp_path,
        "columns: {account: Acct, commission: Comm, charge_kind: Kind, product: Prod, claimed_rate: Rate, "
        "net_billed: Net, service_month: Usage}\n",
    )

    assert sorted(
        faults(tmp_path, "Acct,Comm,Kind,Prod,Rate,Net,Usage\nA,1,spif,BAD P,x,y,13/2026\n", mapping, "2026-02")
    ) == [
        "line 2: Kind: should be 'recurring', 'usage', 'one-time' or 'spiff', but is 'spif'",
        "line 2: Net 'y' is not an amount; write it like 1234.56",
        "line 2: Prod: 'BAD P' does not fit; write lower-case letters, digits and . _ -",
        "line 2: Rate: 'x' is not a number",
        "line 2: Usage '13/2026' is not a month; write 2026-02 or a date in it",
    ]


MAPPINGS: dict[str, str] = {
    "columns: {account: Acct}": "field columns.commission is missing; add it",
    "columns: {account: A, commission: C, foo: B}": "there is no field columns.foo; take it out or correct its name",
    "columns: {account: A, commission: C, commission: D}": " line 1: commission is given twice; keep one",
    "columns: [": " line 1: while parsing a flow node, ",
    "": "the whole is not a list of fields with values",
    "hello": "the whole is not a list of fields with values",
    "{columns: {account: A, commission: C}, amounts: cents}": "field amounts: should be 'units' or 'minor', but is",
    "{columns: {account: 5, commission: C}}": "field columns.account: 5 is not text; write it in quotes",
    "{columns: {account: A, commission: C}, delimiter: ';;'}": "field delimiter: string should have at most 1 char",
    '{columns: {account: A, commission: C}, delimiter: "\\n"}': "field delimiter: '\\n' does not fit",
    "{columns: {account: A, commission: C}, encoding: klingon}": "field encoding: klingon is not an encoding",
    "{columns: {account: A, commission: C}, encoding: base64}": "field encoding: base64 is not an encoding",
}


@pytest.mark.parametrize("text", MAPPINGS)
def test_a_mapping_that_is_wrong_says_which_field(tmp_path: Path, text: str) -> None:
    with pytest.raises((FileFault, StatementFaults)) as refused:
        mapped(tmp_path, text)

    (sentence,) = str(refused.value).splitlines()
    assert sentence.removeprefix("mapping.yaml").removeprefix(": ").startswith(MAPPINGS[text])


def test_a_mapping_that_names_a_column_that_is_missing_is_told_what_is_there(tmp_path: Path) -> None:
    mapping = mapped(tmp_path, "columns: {account: Acct, commission: Comm, service: Circuit}\n")

    assert faults(tmp_path, "Acct,Comm\nA,1\n", mapping, "2026-02") == [
        "line 1 has no column Circuit; it has Acct, Comm; name the columns in a mapping"
    ]


def test_a_mapping_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileFault, match=r"nothing.yaml: cannot be read: No such file or directory; check the path"):
        read_mapping(tmp_path / "nothing.yaml")
    with pytest.raises(FileFault, match=r"mapping.yaml: byte 10 is not UTF-8; save the file as UTF-8"):
        mapped(tmp_path, "columns: {ä: b}".encode("latin-1"))
