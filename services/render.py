"""What a person sees in a terminal: tables and sentences, with amounts in units."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import orjson
from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from adapters.statement_faults import SHOWN_FAULTS, StatementFaults
from domain.money import show
from domain.words import counted
from services.queries import Balance, Explained

console = Console(highlight=False)
WIDEST = 1_000
errors = Console(stderr=True, highlight=False, soft_wrap=True)


def say(*sentences: object) -> None:
    """Sentences, whole: brackets in them are brackets, and no line is broken where a program reads along."""
    console.print(*sentences, markup=False, soft_wrap=True)


def whole_table(table: Table) -> None:
    """A table, wider than the terminal where that is too narrow: no figure is ever cut."""
    least = Measurement.get(console, console.options.update(max_width=WIDEST), table).minimum
    if least > console.width:
        table.width = least
    console.print(table, crop=False)


def fault(sentence: str) -> None:
    """What went wrong, on the error stream."""
    errors.print(sentence, markup=False, soft_wrap=True)


def as_json(data: Any) -> None:
    """Print data for a program: one JSON document, amounts in minor units."""
    console.file.write(json_text(data))


def json_text(data: Any) -> str:
    return orjson.dumps(data, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS, default=str).decode() + "\n"


def amount(amount_minor: int, currency: str) -> Text:
    return Text(show(amount_minor, currency), style="red" if amount_minor < 0 else "")


def balances(rows: Sequence[Balance], title: str) -> None:
    """Ledger accounts with debit and credit columns, and the sum, which is zero."""
    table = Table(title=title, title_justify="left", show_edge=False)
    table.add_column("ledger account")
    table.add_column("debit", justify="right")
    table.add_column("credit", justify="right")
    table.add_column("")
    for row in rows:
        debit = show(-row.amount_minor, row.currency) if row.amount_minor < 0 else ""
        credit = show(row.amount_minor, row.currency) if row.amount_minor >= 0 else ""
        table.add_row(row.book, debit, credit, row.currency)
    for currency in sorted({row.currency for row in rows}):
        of = [row.amount_minor for row in rows if row.currency == currency]
        debits, owed = -sum(a for a in of if a < 0), sum(a for a in of if a >= 0)
        table.add_section()
        table.add_row("sum", show(debits, currency), show(owed, currency), currency, style="bold")
        left = owed - debits
        table.add_row("credit less debit", "", show(left, currency), currency, style="bold" if not left else "red")
    console.print(table)


def statement(data: Mapping[str, Any]) -> None:
    """An agent's statement: earned, corrections and payouts apart, each line with its reason."""
    console.print(f"[bold]Statement of {data['agent']} for {data['month']}[/bold], as known at {data['as_known_at']}")
    _sums("carried in", data["opening"])
    headings = {
        "earned": "Earned",
        "correction": "Corrections of earlier months",
        "adjustment": "Adjustments",
        "hold": "Held and released",
        "payout": "Payouts",
    }
    for section, heading in headings.items():
        rows = [row for row in data["entries"] if row["section"] == section]
        if rows:
            _statement_section(heading, rows)
    for zero in data["zeros"]:
        say(f"  0.00  {zero['service_month']} {zero['account']} ({zero['charge_kind']}): {zero['reason']}")
    for hold in data["held"]:
        amount_held = show(hold["amount_minor"], hold["currency"])
        say(f"  {amount_held}  held until {hold['held_until']} of pay run {hold['pay_run']}")
    _sums("owed at the end", data["closing"])


def _statement_section(heading: str, rows: Sequence[Mapping[str, Any]]) -> None:
    table = Table(title=heading, title_justify="left", show_edge=False, show_lines=False, pad_edge=False)
    table.add_column("recorded", no_wrap=True)
    table.add_column("service", no_wrap=True)
    table.add_column("account, item and reason", ratio=1)
    table.add_column("amount", justify="right", no_wrap=True)
    for row in rows:
        account = f"{row['account']} · " if row["account"] else ""
        words = Text(f"{account}{row['item']}\n")
        words.append(f"{row['reason']}\n", style="dim")
        words.append(f"entry {row['entry']}", style="cyan")
        table.add_row(
            str(row["recorded_on"]), row["service_month"] or "", words, amount(row["amount_minor"], row["currency"])
        )
    console.print(table)


def _sums(what: str, sums: Mapping[str, int]) -> None:
    words = ", ".join(f"{show(value, currency)} {currency}" for currency, value in sums.items()) or "nothing"
    console.print(f"{what}: [bold]{words}[/bold]")


def explained(found: Explained, happened: Iterable[tuple[int, str]]) -> None:
    """Why this cent: the figures, and the events behind them."""
    entry = found.entry
    where = f" on {found.account}" if found.account else ""
    console.print(
        f"[bold]{show(entry.amount_minor, entry.currency)} {entry.currency}[/bold] to {found.book}{where}, "
        f"posted at position {entry.position} ({found.recorded_on})"
    )
    now, less, before = found.reason.partition("; less ")
    for part in now.split("; "):
        say(f"  {part}")
    if less:
        posted, _, why = before.partition(" (")
        console.print(f"[bold]less {posted}[/bold]")
        for part in why.removesuffix(")").split("; "):
            say(f"  {part}")
    console.print("[bold]the events behind it[/bold]")
    for position, sentence in happened:
        say(f"  {position:>6}  {sentence}")


def entries(rows: Sequence[Mapping[str, Any]]) -> None:
    """Posted shares, each with its reason."""
    if not rows:
        say("nothing was posted")
        return
    table = Table(title="entries", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("recorded", no_wrap=True)
    table.add_column("service", no_wrap=True)
    table.add_column("payee, account, item and reason", ratio=1)
    table.add_column("amount", justify="right", no_wrap=True)
    for row in rows:
        words = Text.assemble((row["payee"], "bold"), f" · {row['account']} · {row['item']}\n", (row["reason"], "dim"))
        share = amount(row["amount_minor"], row["currency"])
        table.add_row(row["recorded_on"], row["service_month"], words, share)
    console.print(table)


def rows_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str = "") -> None:
    """Plain rows; a column that ends in ``_minor`` is shown in units of the row's currency, and names it where the
    rows say it too.

    Dates, amounts and ids stay whole as far as the terminal is wide; sentences give way.
    """
    shown = [column for column in columns if column != "currency"]
    texts = {column: [_cell(row, column, with_currency="currency" in columns) for row in rows] for column in shown}
    widths = {column: max(map(len, texts[column]), default=0) for column in shown}
    names = {column: column.removesuffix("_minor").replace("_", " ") for column in shown}
    heads = {column: max(widths[column], len(names[column])) for column in shown}
    compact = sum(heads.values()) + 3 * len(shown) > console.width
    table = Table(title=title or None, title_justify="left", show_edge=False)
    if compact:
        table.box, table.collapse_padding, table.pad_edge = box.SIMPLE_HEAD, True, False
        heads = {column: max(widths[column], *map(len, names[column].split())) for column in shown}
    room = console.width - 2 * len(shown) - sum(width for c, width in heads.items() if not _gives_way(texts[c]))
    for column in shown:
        name = names[column].replace(" ", "\n") if compact else names[column]
        whole = room > 0 and not _gives_way(texts[column])
        justify: Literal["right", "left"] = "right" if column.endswith("_minor") else "left"
        table.add_column(name, justify=justify, overflow="fold", no_wrap=whole)
    for number in range(len(rows)):
        table.add_row(*(Text(texts[column][number]) for column in shown))
    console.print(table)


def _cell(row: Mapping[str, Any], column: str, *, with_currency: bool) -> str:
    value = row[column]
    if column.endswith("_minor"):
        return show(value, row["currency"]) + (f" {row['currency']}" if with_currency else "")
    return "" if value is None else str(value)


def _gives_way(texts: Iterable[str]) -> bool:
    """Whether a column holds sentences, which can be read on several lines."""
    return any(" " in text and len(text) > SHORT for text in texts)


SHORT = 20
"""What is longer than this, in letters, and holds a space is taken for a sentence."""
WIDE = 100
"""Columns of a terminal in which a deal's row has room for the day of its last step too."""
DEAL_COLUMNS = ("deal", "place", "agent", "vendor", "status", "since", "protected_until", "scope")


def deal_board(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str) -> None:
    """Registrations, rivals side by side; ``2 of 3`` was the second to arrive of three."""
    shown = [{**row, "deal": row["deal_of"], "place": f"{row['place']} of {row['of']}"} for row in rows]
    if console.width < WIDE:
        columns = [column for column in columns if column != "since"]
    rows_table(shown, columns, title)


def checked(data: Mapping[str, Any]) -> None:
    """What would come of importing a file: its faults on the error stream, then what was read and where it would go."""
    if data["faults"]:
        fault(str(StatementFaults(data["file"], data["faults"], data["more_faults"])))
    if data["refused"]:
        fault(f"would be refused: {data['refused']['because']} [{data['refused']['refused']}]")
    if data["lines"]:
        _checked_lines(data)
    if data["imported_already"]:
        say("the file is imported already; importing it again changes nothing")
    elif data["importable"]:
        say("the file can be imported")


def _checked_lines(data: Mapping[str, Any]) -> None:
    currency = data["currency"]
    total = f"{show(data['total_minor'], currency)} {currency}"
    say(f"{counted(data['lines'], 'line')}, {total}, statement month {data['statement_month'] or 'unknown'}")
    for found, words in (("matched", "find their account"), ("suspense", "would wait in suspense")):
        part = data[found]
        say(f"  {counted(part['lines'], 'line')}, {show(part['amount_minor'], currency)} {currency}, {words}")
    for note in data["notes"]:
        say(f"  note: {note}")
    if data["columns_not_read"]:
        say(f"  note: columns that are not read: {', '.join(data['columns_not_read'])}")
    for warning in [*data["warnings"], *data["beyond_contracts"][:SHOWN_FAULTS]]:
        say(f"  look: {warning}")
    if (more := len(data["beyond_contracts"]) - SHOWN_FAULTS) > 0:
        say(f"  look: … and {more:,} more lines beyond their contracts")
    numbers = [
        {**row, "likely": "; ".join(f"{one['account']} ({one['why']})" for one in row["likely"])}
        for row in data["suspense"]["numbers"]
    ]
    if numbers:
        rows_table(numbers, ("number", "lines", "amount_minor", "why", "likely"), "would wait in suspense")
