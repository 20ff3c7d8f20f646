"""A difference to read or to work with: as CSV and JSON row by row, as a table in a terminal, as one HTML page.

The same difference as of the same position gives the same bytes; nothing here reads a clock. CSV and HTML show amounts
in units, JSON has minor units. No format holds more rows than it shows at once.
"""

import csv
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any, NamedTuple

import orjson
from markupsafe import Markup
from rich.table import Table
from rich.text import Text

from domain.money import show
from domain.words import counted
from services import render
from services.pages import cell_amount, cell_text, page
from services.reprojection_diff import Part, PayeeTotal, Row, Selection, Size, Total
from services.reprojection_plot import columns, horizontal_bars

IN_TERMINAL, ON_PAGE = 20, 100
"""How many payees are shown from either end."""


class Head(NamedTuple):
    """What is compared, and as of when."""

    reprojection: str
    proposed_by: str
    because: str
    recipe: tuple[str, ...]
    """In words, a sentence a change."""
    as_of: int
    as_of_day: str
    promoted_at: int | None = None
    """Of one that was promoted: where; then what is shown is what the promotion posted."""

    @property
    def standing(self) -> str:
        """As of when, in words."""
        words = "as of" if self.promoted_at is None else "promoted at"
        return f"{words} position {self.as_of} ({self.as_of_day})"


@dataclass(frozen=True, slots=True)
class Report:
    """A difference, summed; ``largest`` are the rows that move most, with their items under both recipes."""

    head: Head
    selection: Selection
    sizes: list[Size]
    overall: list[Total]
    payees: list[PayeeTotal]
    causes: list[Total]
    months: list[Total]
    paid_months: frozenset[tuple[str, str]]
    """Service months and currencies of which something was paid already, whatever it comes to."""
    largest: list[tuple[Row, list[Part]]]

    @property
    def currencies(self) -> list[str]:
        return [total.currency for total in self.overall]

    def of(self, currency: str, totals: Iterable[Any]) -> list[Any]:
        """Those of a currency."""
        return [total for total in totals if total.currency == currency]

    def agents(self, currency: str) -> list[PayeeTotal]:
        return [total for total in self.payees if total.currency == currency and total.balance_minor is not None]

    def rows(self, currency: str) -> list[tuple[Row, list[Part]]]:
        return [(row, parts) for row, parts in self.largest if row.currency == currency]

    @property
    def selected(self) -> str:
        """What was asked for, in words; empty for everything."""
        named = zip(("payee", "account", "service month"), self.selection, strict=True)
        return ", ".join(f"{what} {value}" for what, value in named if value is not None)


def signed(amount_minor: int, currency: str) -> str:
    """An amount with its sign, so that a gain is a gain without colour."""
    return f"{'+' if amount_minor > 0 else ''}{show(amount_minor, currency)}"


# -- what it comes to, in sentences


class Words(NamedTuple):
    """How a difference is told: as what would be, or as what was posted."""

    change: str
    gain: str
    lose: str
    owe: str
    no_gain: str
    no_loss: str
    paid: str
    balance: str
    next: str
    old: str
    new: str
    about: str


WOULD_BE = Words(
    change="would change",
    gain="would gain",
    lose="would lose",
    owe="would owe",
    no_gain="no agent would gain anything",
    no_loss="no agent would lose anything",
    paid="nothing that was paid moves, the next payouts carry it",
    balance="owed now",
    next="next payout",
    old="As it is",
    new="As it would be",
    about="Who would gain and who would lose, and why, before it counts.",
)
WAS_POSTED = Words(
    change="changed",
    gain="gained",
    lose="lost",
    owe="owed",
    no_gain="no agent gained anything",
    no_loss="no agent lost anything",
    paid="nothing that was paid moved, the payouts after it carry it",
    balance="owed before",
    next="owed after",
    old="As it was",
    new="As it became",
    about="Who gained and who lost, and why: what the promotion posted.",
)


def words(head: Head) -> Words:
    return WOULD_BE if head.promoted_at is None else WAS_POSTED


def in_all(total: Total, size: Size, agents: Iterable[PayeeTotal], say: Words = WOULD_BE) -> Iterator[str]:
    """What a person should know first of a currency."""
    concerned = list(agents)
    currency = total.currency
    gaining = [agent for agent in concerned if agent.amount_minor > 0]
    losing = [agent for agent in concerned if agent.amount_minor < 0]
    yield (
        f"{counted(size.accounts, 'account')} with {counted(size.cells, 'cell')} {say.change}, by "
        f"{size.entries:,} {'entry' if size.entries == 1 else 'entries'} in {currency}"
    )
    gain, loss = sum(a.amount_minor for a in gaining), sum(a.amount_minor for a in losing)
    yield _together(gaining, say.gain, gain, currency) if gaining else say.no_gain
    yield _together(losing, say.lose, -loss, currency) if losing else say.no_loss
    house = f"the house's margin {say.change} by {signed(total.house_minor, currency)} {currency}"
    if total.suspense_minor:
        house += f", and suspense by {signed(total.suspense_minor, currency)} {currency}"
    yield house
    if total.paid_minor or any(agent.paid_minor for agent in concerned):
        yield (
            f"{signed(total.paid_minor, currency)} {currency} of agents' is on items that were paid already: {say.paid}"
        )
    below = sorted((a for a in concerned if (a.next_minor or 0) < 0), key=lambda a: (a.next_minor or 0, a.payee))
    if below:
        named = ", ".join(f"{a.payee} at {show(a.next_minor or 0, currency)}" for a in below[:5])
        more = f" and {len(below) - 5} more" if len(below) > 5 else ""
        yield f"{counted(len(below), 'agent')} {say.owe} the house: {named}{more}"


def ends(payees: list[PayeeTotal], most: int) -> list[PayeeTotal]:
    """So many from either end, with those between as one, where there are more."""
    if len(payees) <= 2 * most + 1:
        return payees
    between = payees[most:-most]
    amount, paid = (sum(column) for column in zip(*((p.amount_minor, p.paid_minor) for p in between), strict=True))
    others = PayeeTotal(f"{len(between):,} more between", between[0].currency, amount, paid, None)
    return [*payees[:most], others, *payees[-most:]]


def _together(agents: list[PayeeTotal], verb: str, amount_minor: int, currency: str) -> str:
    return f"{counted(len(agents), 'agent')} {verb} {show(amount_minor, currency)} {currency} in all"


# -- CSV and JSON

CSV_COLUMNS = (*Row._fields[:5], "amount", "already_paid")


def write_csv(rows: Iterable[Row], out: IO[str]) -> None:
    """RFC 4180, a difference a row."""
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(CSV_COLUMNS)
    for row in rows:
        amounts = (cell_amount(minor, row.currency) for minor in (row.amount_minor, row.paid_minor))
        writer.writerow((*map(cell_text, row[:5]), *amounts))


REASONED_COLUMNS = (*Row._fields[:5], "item", "charge_kind", "amount", "old", "new", "old_reason", "new_reason")


def write_reasoned_csv(largest: Iterable[tuple[Row, list[Part]]], out: IO[str]) -> None:
    """An item a row, its figure and its reason as it is beside those as it would be."""
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(REASONED_COLUMNS)
    for row, parts in largest:
        for part in parts:
            minors = (part.new_minor - part.old_minor, part.old_minor, part.new_minor)
            amounts = (cell_amount(minor, row.currency) for minor in minors)
            words = map(cell_text, (part.old_reason, part.new_reason))
            named = map(cell_text, (*row[:5], part.item, part.charge_kind))
            writer.writerow((*named, *amounts, *words))


def write_json(report: Report, rows: Iterable[Mapping[str, Any]], out: IO[str]) -> None:
    """One JSON document, its rows one a line."""
    head = orjson.dumps(as_data(report), option=orjson.OPT_INDENT_2).decode().removesuffix("\n}")
    out.write(f'{head},\n  "rows": [')
    separator = "\n    "
    for row in rows:
        out.write(f"{separator}{orjson.dumps(row).decode()}")
        separator = ",\n    "
    out.write("\n  ]\n}\n")


def as_data(report: Report) -> dict[str, Any]:
    """The sums; amounts in minor units."""
    return {
        **report.head._asdict(),
        "selection": report.selection._asdict(),
        "sizes": [size._asdict() for size in report.sizes],
        "totals": [_total(total) for total in report.overall],
        "payees": [{**total._asdict(), "next_minor": total.next_minor} for total in report.payees],
        "causes": [{"cause": total.of, **_total(total)} for total in report.causes],
        "months": [{"service_month": total.of, **_total(total)} for total in report.months],
    }


def _total(total: Total) -> dict[str, Any]:
    return {key: value for key, value in total._asdict().items() if key != "of"}


def with_parts(largest: Iterable[tuple[Row, list[Part]]]) -> Iterator[dict[str, Any]]:
    """Rows for a program, each with its items under both recipes."""
    return ({**row._asdict(), "items": [part._asdict() for part in parts]} for row, parts in largest)


# -- a terminal


def as_table(report: Report) -> None:
    head = report.head
    say = words(head)
    render.say(f"Reprojection {head.reprojection}, {head.standing}: {head.because}")
    for sentence in head.recipe:
        render.say(f"  {sentence}")
    if report.selected:
        render.say(f"  only {report.selected}")
    for total in report.overall:
        currency = total.currency
        (size,) = report.of(currency, report.sizes)
        for sentence in in_all(total, size, report.agents(currency), say):
            render.say(f"  {sentence}")
        render.whole_table(_payees_table(report.of(currency, report.payees), currency, say))
        render.whole_table(_totals_table("by cause", "cause", report.of(currency, report.causes)))
        render.whole_table(_totals_table("by service month", "month", report.of(currency, report.months)))
        if rows := report.rows(currency):
            render.whole_table(_rows_table(rows, currency))
    if report.overall:
        render.say("All differences sum to zero: what agents gain the house gives, and vendors pay what they paid.")


def _payees_table(payees: list[PayeeTotal], currency: str, say: Words) -> Table:
    table = _table("by payee", "payee", "difference", "of it paid already", say.balance, f"{say.next}, {currency}")
    for payee in ends(payees, IN_TERMINAL):
        amounts = [_figure(payee.amount_minor, currency)]
        if payee.balance_minor is not None:
            amounts.append(_figure(payee.paid_minor, currency))
            amounts += [render.amount(minor or 0, currency) for minor in (payee.balance_minor, payee.next_minor)]
        table.add_row(Text(payee.payee), *amounts)
    return table


def _totals_table(title: str, heading: str, totals: list[Total]) -> Table:
    suspense = any(total.suspense_minor for total in totals)
    extra = ("suspense",) if suspense else ()
    table = _table(title, heading, "agents gain", "agents lose", "house", *extra, "of it paid already")
    for total in totals:
        amounts = [total.gained_minor, total.lost_minor, total.house_minor]
        amounts += [total.suspense_minor] if suspense else []
        table.add_row(total.of, *(_figure(minor, total.currency) for minor in (*amounts, total.paid_minor)))
    return table


def _table(title: str, first: str, *figures: str) -> Table:
    table = Table(title=title, title_justify="left", show_edge=False, pad_edge=False)
    table.add_column(first, overflow="fold")
    for heading in figures:
        table.add_column(heading, justify="right")
    return table


def _figure(amount_minor: int, currency: str) -> Text:
    return Text(signed(amount_minor, currency), style="red" if amount_minor < 0 else "")


def _rows_table(rows: list[tuple[Row, list[Part]]], currency: str) -> Table:
    table = Table(title="the largest differences", title_justify="left", show_edge=False, pad_edge=False)
    table.add_column("service", no_wrap=True)
    table.add_column("payee, account, old reason and new", ratio=1)
    table.add_column(currency, justify="right", no_wrap=True)
    for row, parts in rows:
        words = Text(f"{row.payee} · {row.account} · {row.cause}\n")
        for part in parts:
            words.append(f"{part.item}, {part.charge_kind}\n", style="dim")
            words.append(f"  old {show(part.old_minor, currency)}: {part.old_reason}\n", style="dim")
            words.append(f"  new {show(part.new_minor, currency)}: {part.new_reason}\n", style="dim")
        table.add_row(row.service_month, words, _figure(row.amount_minor, currency))
    return table


# -- HTML


def as_html(report: Report) -> str:
    return page(
        "reprojection.html",
        report=report,
        money=show,
        signed=signed,
        in_all=in_all,
        say=words(report.head),
        shown=lambda payees: ends(payees, ON_PAGE),
        bars=_bars,
        months_plot=_months_plot,
    )


def _bars(payees: list[PayeeTotal], currency: str) -> Markup:
    return horizontal_bars([(p.payee, p.amount_minor) for p in payees], currency, lambda minor: signed(minor, currency))


def _months_plot(months: list[Total], currency: str, paid: Container[tuple[str, str]]) -> Markup:
    return columns(
        [(m.of, m.gained_minor, m.lost_minor, (m.of, currency) in paid) for m in months],
        currency,
        lambda minor: signed(minor, currency),
    )
