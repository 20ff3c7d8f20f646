"""A difference to read: names are text and never markup or formulas, and very many payees or months still fit."""

import csv
import io
import re

from domain import months
from services.reprojection_diff import Part, PayeeTotal, Row, Selection, Size, Total
from services.reprojection_pages import Head, Report, as_html, in_all, write_csv, write_json
from services.reprojection_plot import columns, horizontal_bars


def figure(amount_minor: int) -> str:
    return f"{amount_minor:+}"


def payee(name: str, amount_minor: int, balance_minor: int | None = 0) -> PayeeTotal:
    return PayeeTotal(name, "USD", amount_minor, 0, balance_minor)


def report(payees: list[PayeeTotal], *, because: str = "a vendor pays less", account: str = "alder") -> Report:
    agents = [p.amount_minor for p in payees]
    total = Total("all", "USD", sum(a for a in agents if a > 0), sum(a for a in agents if a < 0), -sum(agents), 0, 0)
    row = Row(payees[0].payee, account, "2026-02", "rule", "USD", payees[0].amount_minor, 0)
    part = Part("line 1", "recurring", 0, payees[0].amount_minor, f"of {account}", "80% of 1.00 = 0.80")
    return Report(
        head=Head("cut", "house/ann", because, ("version 2 of plan standard counts",), 57, "2026-04-20"),
        selection=Selection(),
        sizes=[Size("USD", 1, 1, 2)],
        overall=[total],
        payees=payees,
        causes=[total._replace(of="rule")],
        months=[total._replace(of="2026-02")],
        paid_months=frozenset(),
        largest=[(row, [part])],
    )


def test_what_somebody_wrote_is_text_on_a_page() -> None:
    page = as_html(report([payee("agent:<b>harbor</b>", -5)], because="<script>alert(1)</script>", account='"><i>'))
    assert "<script>" not in page
    assert "<b>harbor" not in page
    assert "<i>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_what_looks_like_a_formula_is_text_in_a_spreadsheet() -> None:
    out = io.StringIO()
    write_csv([Row("agent:harbor", "=1+1", "2026-02", "rule", "USD", -123_456_00, 0)], out)
    (row,) = csv.DictReader(io.StringIO(out.getvalue()))
    assert (row["account"], row["amount"], row["already_paid"]) == ("'=1+1", "-123456.00", "0.00")
    assert out.getvalue().endswith("\r\n")


def test_amounts_of_a_currency_without_minor_units_are_written_as_they_are() -> None:
    out = io.StringIO()
    write_csv([Row("agent:harbor", "A", "2026-02", "rule", "JPY", -1_200, -1_200)], out)
    assert out.getvalue().splitlines()[1] == "agent:harbor,A,2026-02,rule,JPY,-1200,-1200"


def test_no_rows_are_a_whole_document_all_the_same() -> None:
    out = io.StringIO()
    write_json(report([payee("house", 5, None)]), [], out)
    assert out.getvalue().endswith('"rows": [\n  ]\n}\n')


def test_of_very_many_payees_a_plot_shows_both_ends_and_the_rest_as_one() -> None:
    plot = horizontal_bars([(f"agent:a{n}", n - 50) for n in range(101)], "USD", figure)
    titles = re.findall("<title>(.*?)</title>", plot)
    assert len(titles) == 25
    assert (titles[0], titles[-1]) == ("agent:a100 +50", "agent:a0 -50")
    assert titles[12] == "77 others +0"
    page = as_html(report([payee(f"agent:a{n}", 500 - n) for n in range(1_000)]))
    assert page.count('<th scope="row">agent:a') == 200
    assert "800 more between" in page


def test_bars_are_as_long_as_what_they_show_and_a_loss_is_hatched() -> None:
    plot = horizontal_bars([("agent:harbor", 300), ("agent:summit", -150)], "USD", figure)
    gain, loss = re.findall(r'<rect x="(\d+)" y="\d+" width="(\d+)" height="18" (.*?)>', plot)
    assert int(loss[1]) == int(gain[1]) // 2
    assert int(loss[0]) + int(loss[1]) == int(gain[0]), "both begin at the line"
    assert "url(#" in loss[2]
    assert "url(#" not in gain[2]


def test_months_stand_in_order_without_gaps_and_long_ago_is_one_column() -> None:
    plot = columns([("2026-04", 0, -7, False), ("2026-01", 5, 0, True)], "USD", figure)
    labels = [word for word in re.findall(r">([^<>]+)</text>", plot) if word.startswith("2026")]
    assert labels == ["2026-01", "2026-02", "2026-03", "2026-04"]
    assert plot.count(">paid</text>") == 1

    fifty = [(months.text(24_240 + n), 1, -1, False) for n in range(50)]
    titles = re.findall("<title>(.*?)</title>", columns(fifty, "USD", figure))
    assert titles[:2] == ["earlier +14", "earlier -14"]
    assert len(titles) == 2 * 37


def test_a_plot_of_nothing_is_a_plot() -> None:
    assert horizontal_bars([], "USD", figure).endswith("</svg>")
    assert columns([], "USD", figure).endswith("</svg>")
    assert horizontal_bars([("agent:harbor", 0)], "USD", figure).count("<rect") == 3


def test_what_it_comes_to_is_said_in_sentences() -> None:
    agents = [*(payee(f"agent:a{n}", -100, 0) for n in range(6)), payee("agent:b", -200, 0)]
    found = report(agents)
    said = list(in_all(found.overall[0], found.sizes[0], agents))
    assert said == [
        "1 account with 1 cell would change, by 2 entries in USD",
        "no agent would gain anything",
        "7 agents would lose 8.00 USD in all",
        "the house's margin would change by +8.00 USD",
        "7 agents would owe the house: agent:b at -2.00, agent:a0 at -1.00, agent:a1 at -1.00, agent:a2 at -1.00, "
        "agent:a3 at -1.00 and 2 more",
    ]


def test_long_names_that_differ_at_their_end_are_told_apart_beside_their_bars() -> None:
    names = [f"agent:{'north-west-' * 5}{n}" for n in range(3)]
    plot = horizontal_bars([(name, 5) for name in names], "USD", figure)
    assert len(set(re.findall(r'<text x="0" y="[0-9]+">(.*?)</text>', plot))) == 3
