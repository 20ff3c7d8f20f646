"""Tables in a terminal of 80 columns: what is copied into the next command stays whole."""

import io
from typing import Any

import pytest
from rich.console import Console

from services import render

LINES = [
    {
        "vendor": "brightspeed",
        "number": "5-QXTR9942",
        "statement": "LU-2026-07",
        "line": 9,
        "service_month": "2026-06",
        "amount_minor": 500,
        "currency": "USD",
        "since": "2026-07-08",
        "days": 137,
        "why": "unknown account 5-QXTR9942",
    }
]


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> Console:
    console = Console(file=io.StringIO(), width=80, highlight=False)
    monkeypatch.setattr(render, "console", console)
    return console


def shown(console: Console) -> list[str]:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize(
    "columns",
    [
        ("vendor", "number", "statement", "line", "service_month", "amount_minor", "currency", "since", "days"),
        ("vendor", "number", "line", "amount_minor", "currency", "since", "days", "why"),
    ],
)
def test_ids_dates_and_amounts_stay_whole_in_eighty_columns(narrow: Console, columns: tuple[str, ...]) -> None:
    render.rows_table(LINES, columns)

    lines = shown(narrow)
    assert max(map(len, lines)) <= 80
    for column in set(columns) - {"amount_minor", "currency", "why"}:
        assert any(str(LINES[0][column]) in line for line in lines), column
    assert any("5.00 USD" in line for line in lines)


def test_where_nothing_would_fit_everything_is_still_shown(narrow: Console) -> None:
    long: dict[str, Any] = {name: f"{name}-" + "x" * 30 for name in ("vendor", "number", "statement", "account")}
    render.rows_table([long], tuple(long))

    lines = shown(narrow)
    assert max(map(len, lines)) <= 80
    assert sum(line.count("x") for line in lines) == 120


def test_an_amount_names_its_currency_where_rows_say_it(narrow: Console) -> None:
    render.rows_table(LINES, ("number", "amount_minor", "currency"))
    render.rows_table(LINES, ("number", "amount_minor"))

    told = "\n".join(shown(narrow))
    assert "currency" not in told
    assert told.count("5.00 USD") == 1
