"""Small tables of persons: every fault with its line, and the file taken whole or not at all."""

from pathlib import Path

import pytest

from adapters.faults import FileFault
from adapters.statement_faults import StatementFaults
from adapters.table_file import read_table

REQUIRED, OPTIONAL = ("vendor", "number"), ("account",)


def table(tmp_path: Path, content: str | bytes) -> Path:
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_columns_come_in_any_order_and_empty_cells_are_left_out(tmp_path: Path) -> None:
    read = read_table(
        table(tmp_path, "\ufeffNumber,account, Vendor\r\n 00-1 ,,lumen\r\n\r\n2,A-1,lumen\r\n"), REQUIRED, OPTIONAL
    )

    assert [(row.line, dict(row.cells)) for row in read.rows] == [
        (2, {"number": "00-1", "vendor": "lumen"}),
        (4, {"number": "2", "account": "A-1", "vendor": "lumen"}),
    ]
    assert read.digest.startswith("sha256:")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "t.csv: is empty; its first line names the columns vendor, number"),
        ("vendor,number\n", "t.csv: has a header and no rows; write one row for each number"),
        ("vendor,nummer\n", "t.csv line 1: the column number is missing; there are vendor, nummer"),
        ("vendor,number,acct\n", "t.csv line 1: there is no column acct; write vendor, number, account"),
        ("vendor,number,number\n", "t.csv line 1: the column number is there twice; keep one"),
        ('vendor,number\nlumen,"1\n', "t.csv line 2: not CSV: unexpected end of data; mend it there"),
        (b"vendor,number\nlumen,\xff\n", "t.csv: byte 20 is not UTF-8; save the file as UTF-8"),
    ],
    ids=["empty", "only a header", "missing", "strange", "twice", "open quote", "not UTF-8"],
)
def test_a_file_that_is_no_such_table_says_where_and_what_to_do(
    tmp_path: Path, content: str | bytes, sentence: str
) -> None:
    with pytest.raises(FileFault) as fault:
        read_table(table(tmp_path, content), REQUIRED, OPTIONAL)
    assert str(fault.value) == sentence


def test_every_row_that_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(StatementFaults) as faults:
        read_table(table(tmp_path, "vendor,number\nlumen\n,\nlumen,\nlumen,1\n"), REQUIRED)
    assert faults.value.faults == [
        "line 2: has 1 cells, its header has 2; mend the row",
        "line 4: number is empty; fill it in",
    ]
