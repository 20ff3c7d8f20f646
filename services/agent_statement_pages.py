"""An agent's statement to read: as CSV, as one HTML page that prints well, as a table in a terminal.

A statement's data give the same bytes for ever; nothing here reads a clock. Amounts are shown in units.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from domain.money import show
from services import render
from services.agent_statement_rows import COLUMNS
from services.pages import cell_amount, cell_text, page

Data = Mapping[str, Any]

TITLES = {"earned": "Earned", "corrected": "Corrections", "adjusted": "Adjustments"}
BRIDGE = (
    ("brought_forward", "Brought forward", False),
    ("earned", "Earned", False),
    ("corrected", "Corrections", False),
    ("adjusted", "Adjustments", False),
    ("owed_again", "Held back before, owed again", False),
    ("came_back", "Payouts that came back", False),
    ("held_back", "Held back", False),
    ("paid", "Paid", False),
    ("carried_forward", "Carried forward", True),
)
"""What leads from the last balance to this one, in order, and whether the line is the sum of those above it."""
TAKEN = ("held_back", "paid")
"""What leaves the balance: shown below zero, so that the column adds up to what is carried forward."""


def bridge(part: Data) -> list[tuple[str, int, bool]]:
    """The lines of the bridge with their amounts, which add up to the last; those of nothing are left out."""
    lines = []
    for name, words, is_sum in BRIDGE:
        amount = part[f"{name}_minor"] * (-1 if name in TAKEN else 1)
        if amount or name in ("brought_forward", "earned", "paid", "carried_forward"):
            lines.append((words, amount, is_sum))
    return lines


def sections(part: Data) -> Iterator[tuple[str, str, list[Data]]]:
    """Name, title and rows of each section that has rows."""
    for section, title in TITLES.items():
        rows = [row for row in part["rows"] if row["section"] == section]
        if rows:
            yield section, title, rows


def carried(part: Data) -> str:
    """Why a balance is not paid, in a sentence."""
    balance = f"{show(part['carried_forward_minor'], part['currency'])} {part['currency']}"
    match part["carried_because"]:
        case "below the minimum":
            minimum = f"{show(part['minimum_payout_minor'], part['currency'])} {part['currency']}"
            return f"Nothing is paid: {balance} is below the minimum of {minimum}; it is carried on."
        case "negative":
            return f"Nothing is paid: the balance is negative, {balance}, and is made up by later earnings."
        case "suspended":
            return f"Nothing is paid while the agent is suspended; {balance} is carried on."
        case _:
            return "Nothing is paid: nothing is owed."


# -- CSV

CSV_COLUMNS = ("agent", "pay_run", "pay_month", "currency", *COLUMNS[:3], "customer_name", *COLUMNS[3:])


def as_csv(statement: Data) -> str:
    """RFC 4180, a row a line: first the bridge of each currency, then its lines, then what is held."""
    out = io.StringIO()
    writer = csv.DictWriter(out, CSV_COLUMNS, restval="", lineterminator="\r\n")
    writer.writerow({column: column.removesuffix("_minor") for column in CSV_COLUMNS})
    for part in statement["parts"]:
        of_all = {name: statement[name] for name in ("agent", "pay_run", "pay_month")} | {"currency": part["currency"]}
        for row in _csv_rows(part, statement["names"]):
            writer.writerow({key: _cell(key, value, part["currency"]) for key, value in (of_all | row).items()})
    return out.getvalue()


def _csv_rows(part: Data, names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    for words, amount, _ in bridge(part):
        yield {"section": "summary", "item": words, "amount_minor": amount}
    for row in part["rows"]:
        yield {**row, "customer_name": names.get(f"customer:{row['customer']}")}
    for hold in part["holds"]:
        since = f" since {hold['owed_again_on']}" if hold["owed_again_on"] else ""
        reason = f"{hold['state']}{since}; held until {hold['held_until']}"
        item = f"commission held in pay run {hold['pay_run']}"
        yield {"section": "held", "item": item, "amount_minor": hold["amount_minor"], "reason": reason}
    for returned in part["returns"]:
        item = f"payout of pay run {returned['pay_run']}"
        amount, reason = returned["amount_minor"], returned["reason"]
        yield {"section": "returned", "item": item, "amount_minor": amount, "reason": reason}


def _cell(column: str, value: Any, currency: str) -> str:
    if value is None:
        return ""
    if column == "amount_minor":
        return cell_amount(value, currency)
    if column == "base":
        return str(value).replace(",", "")
    return cell_text(str(value))


# -- HTML


def as_html(statement: Data) -> str:
    names: Mapping[str, str] = statement["names"]

    def party(kind: str, key: str) -> str:
        name = names.get(f"{kind}:{key}")
        return f"{name} ({key})" if name else key

    return page(
        "agent_statement.html",
        statement=statement,
        party=party,
        money=show,
        bridge=bridge,
        sections=sections,
        carried=carried,
    )


# -- a terminal


def as_table(statement: Data) -> None:
    """For a person in a terminal."""
    render.say(
        f"Statement of {_named('agent', statement['agent'], statement)}, pay run {statement['pay_run']}, "
        f"sent on {statement['released_on']}, as known at {statement['as_known_at']}"
    )
    for part in statement["parts"]:
        render.console.print(_bridge_table(part))
        if part["carried_because"]:
            render.say(carried(part))
        for _, title, rows in sections(part):
            render.console.print(_rows_table(title, rows, part["currency"], statement))
        for hold in part["holds"]:
            amount = show(hold["amount_minor"], part["currency"])
            since = f" since {hold['owed_again_on']}" if hold["owed_again_on"] else ""
            until = f"held until {hold['held_until']}"
            render.say(f"  {amount} {part['currency']} of pay run {hold['pay_run']}: {hold['state']}{since}; {until}")
        for returned in part["returns"]:
            amount = f"{show(returned['amount_minor'], part['currency'])} {part['currency']}"
            render.say(f"  {amount} of pay run {returned['pay_run']} came back: {returned['reason']}")


def _named(kind: str, key: str, statement: Data) -> str:
    name = statement["names"].get(f"{kind}:{key}")
    return f"{name} ({key})" if name else key


def _bridge_table(part: Data) -> Table:
    table = Table(show_edge=False, show_header=False, pad_edge=False)
    table.add_column()
    table.add_column(justify="right")
    for words, amount, is_sum in bridge(part):
        if is_sum:
            table.add_section()
        table.add_row(Text(words), render.amount(amount, part["currency"]), style="bold" if is_sum else "")
    return table


def _rows_table(title: str, rows: list[Data], currency: str, statement: Data) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("service", no_wrap=True)
    table.add_column("reported", no_wrap=True)
    table.add_column("account, item and reason", ratio=1)
    table.add_column("base", justify="right", no_wrap=True)
    table.add_column("rate", justify="right", no_wrap=True)
    table.add_column(currency, justify="right", no_wrap=True)
    for row in rows:
        whose = [row["account"], row["customer"] and _named("customer", row["customer"], statement), row["item"]]
        kind = [row["charge_kind"], row["line_type"] if row["line_type"] != "original" else None]
        words = Text(" · ".join(filter(None, (*whose, *kind))) + "\n")
        words.append(f"{row['reason']}\n", style="dim")
        words.append(f"entry {row['entry']}", style="cyan")
        months, of = (row["service_month"] or "", row["statement_month"] or ""), (row["base"] or "", row["rate"] or "")
        table.add_row(*months, words, *of, render.amount(row["amount_minor"], currency))
    return table
