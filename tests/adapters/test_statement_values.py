"""What the texts of a vendor's file mean, where there is a quick way and a slow one."""

import pytest
from hypothesis import example
from hypothesis import given as chosen
from hypothesis import strategies as st

from adapters.statement_faults import Unusual
from adapters.statement_values import Read, account_reader, printed_reader

QUICK, SLOW = (
    account_reader(printed_reader("account", "Account"), "Account", as_printed=as_printed)
    for as_printed in (True, False)
)


def read(reader: Read, text: str) -> str:
    try:
        return str(reader(text))
    except Unusual as unusual:
        return f"unusual: {unusual}"


@chosen(st.text("0123456789-ETOAL:.+ ax#/\u00e4", max_size=24) | st.from_regex(r"\A[A-Z0-9-]{1,125}\Z"))
@example("2026-01-01T10")
@example("1E+10")
@example("TOTAL")
@example("SUB-TOTAL")
@example("5-QXTR9941")
@example("0" * 41)
def test_an_account_that_is_read_quickly_is_what_the_slow_reading_makes_of_it(text: str) -> None:
    assert read(QUICK, text) == read(SLOW, text)


@pytest.mark.parametrize("text", ["TOTAL", "2026-01-01T10:00", "1.5E+10", "#REF!", " "])
def test_what_is_no_account_is_none_in_either_way(text: str) -> None:
    assert read(QUICK, text).startswith("unusual: ")
