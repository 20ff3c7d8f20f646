"""One table of a statement file: its header, its lines, its totals row. The lines stream; nothing is kept but sums.

A usual line is read in one short loop. Whatever is unusual about a row, be it blank, a total or at fault, sends it to
the slow path, which finds out what it is.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal

from adapters.statement_csv import Rows
from adapters.statement_faults import Faults, Unusual
from adapters.statement_header import find_columns, wanted_columns
from adapters.statement_mapping import AMOUNTS, PRINTED, WORDS, FileMapping, From, Tab
from adapters.statement_values import (
    Memo,
    Read,
    account_reader,
    amount_reader,
    currency_reader,
    month_reader,
    optional,
    parse_month,
    printed_reader,
    rate_reader,
    show_exact,
    shown,
    translated,
    word_reader,
)
from domain.money import half_away
from domain.vendor_statement import LINES_PER_EVENT, PlainLine, StatementLine
from domain.words import counted

_EXACT = Context(prec=60)


class UnlikeTheOthers(Unusual):
    """A line that cannot stand in one statement with those before it."""


@dataclass(slots=True)
class Sum:
    """Commission in minor units: exact, and with each line rounded on its own."""

    exact: Decimal = Decimal(0)
    rounded_minor: int = 0
    lines: int = 0

    def add(self, lines: Sequence[PlainLine]) -> None:
        whole = 0
        for line in lines:
            amount = line["commission_minor"]
            if amount.__class__ is int:
                whole += amount
            else:
                exact = Decimal(amount)
                self.exact = _EXACT.add(self.exact, exact)
                self.rounded_minor += half_away(exact)
        self.exact = _EXACT.add(self.exact, Decimal(whole))
        self.rounded_minor += whole
        self.lines += len(lines)

    def plus(self, other: "Sum", sign: int = 1) -> "Sum":
        """Both together, or with ``sign`` -1 what is left without the other."""
        exact = _EXACT.add(self.exact, sign * other.exact)
        return Sum(exact, self.rounded_minor + sign * other.rounded_minor, self.lines + sign * other.lines)

    def agrees_with(self, stated: Decimal) -> bool:
        """Whether a vendor's total is the exact sum, the sum rounded, or the sum of the rounded lines."""
        return stated in (self.exact, half_away(self.exact), self.rounded_minor)


@dataclass(slots=True)
class Found:
    """What a file says besides its lines; its tables share it."""

    faults: Faults
    currency: str
    said_month: str | None
    """The month that was given with the file."""
    notes: list[str] = field(default_factory=list)
    month: str = ""
    supplier: str | None = None
    month_place: str = ""
    """Where the first line with a month stands; and the first with the supplier."""
    supplier_place: str = ""
    columns_not_read: list[str] = field(default_factory=list)
    total: Sum = field(default_factory=Sum)


@dataclass(slots=True)
class _Column:
    """One column of the file: the field that it fills, if any, and how it is read."""

    field: str
    header: str
    at: int
    memo: Memo


class Table:
    """Lines of one table. ``place`` names a line for a person; ``offset`` is added to its number."""

    def __init__(self, tab: Tab, mapping: FileMapping, found: Found, place: Callable[[int], str], offset: int) -> None:
        self.columns = tab.columns or mapping.columns
        self.totals = tab.totals or mapping.totals
        self.header_line = tab.header_line or mapping.header_line
        self.mapping = mapping
        self.found = found
        self.place = place
        self.offset = offset
        self.sum = Sum()
        self.stated: Decimal | None = None
        """What the totals rows say, in minor units."""
        self._at_total = Sum()
        self._total_place = ""
        self._totals_at = self._commission_at = self._width = 0
        self._read_columns: list[_Column] = []
        self._accounts: list[_Column] = []
        self._lines_by_account_column: dict[str, int] = {}
        self._template: PlainLine = {}
        self._chunk: list[PlainLine] = []
        self._summed = 0

    def chunks(self, rows: Rows) -> Iterator[list[PlainLine]]:
        """The lines, at most 500 at a time. Faults, notes and sums grow as they are read."""
        begins = rows.line_num + 1
        whole = False
        try:
            if not self._find_header(rows):
                return
            begins = rows.line_num + 1
            width, offset, template = self._width, self.offset, self._template
            columns = [(column.field, column.at, column.memo) for column in self._read_columns]
            chunk = self._chunk
            for cells in rows:
                number, begins = begins, rows.line_num + 1
                # the usual line costs a copy and a look into a memo for each column; all else raises Unusual
                try:
                    if len(cells) != width:
                        raise Unusual
                    line = template.copy()
                    line["line"] = number + offset
                    for name, at, memo in columns:
                        value = memo[cells[at]]
                        if value is not None:
                            line[name] = value
                except Unusual:
                    line = self._unusual(number, cells)
                    if not line:
                        continue
                chunk.append(line)
                if len(chunk) == LINES_PER_EVENT:
                    yield self._counted_chunk()
                    chunk = self._chunk
            whole = True
        except csv.Error as error:
            self.found.faults.add(f"{self.place(begins)} is not CSV: {error}; the file may be cut off")
        if self._chunk:
            yield self._counted_chunk()
        if whole:
            self._end()

    def _counted_chunk(self) -> list[PlainLine]:
        self._count()
        chunk, self._chunk, self._summed = self._chunk, [], 0
        return chunk

    def _count(self) -> None:
        part = Sum()
        part.add(self._chunk[self._summed :] if self._summed else self._chunk)
        self._summed = len(self._chunk)
        self.sum = self.sum.plus(part)
        self.found.total = self.found.total.plus(part)

    # -- the header

    def _find_header(self, rows: Rows) -> bool:
        """Whether the table has a header with all columns; what it lacks is a fault."""
        numbered = self._numbered(rows)
        for number, place, cells in numbered:
            if any(cell.strip() for cell in cells) and number >= (self.header_line or 0):
                return self._learn_columns(place, cells, numbered)
        self.found.faults.add(f"{self.place(0)}is empty; ask the vendor for the whole file")
        return False

    def _numbered(self, rows: Rows) -> Iterator[tuple[int, str, list[str]]]:
        """The rows, each with the number of the line in which it begins."""
        begins = rows.line_num + 1
        for cells in rows:
            number, begins = begins, rows.line_num + 1
            yield number, self.place(number), cells

    def _learn_columns(self, place: str, cells: Sequence[str], below: Iterable[tuple[int, str, Sequence[str]]]) -> bool:
        wanted = list(wanted_columns(self.columns, self.totals))
        found = find_columns(place, cells, wanted, self.found.faults, self.found.notes, below)
        if any(headers not in found for _, headers in wanted):
            return False
        self._width = len(cells)
        others = (cell.strip() for at, cell in enumerate(cells) if at not in found.values())
        self.found.columns_not_read += [cell for cell in others if cell and cell not in self.found.columns_not_read]
        self._template = {
            name: StatementLine.model_fields[name].default for name in ("charge_kind", "line_type", "month_basis")
        }
        if self.columns.statement_month is None and self.found.said_month and not self.found.month:
            self.found.month, self.found.month_place = self.found.said_month, "--month"
        for figure, source in self.columns.sources():
            if source.constant is not None:
                self._learn_constant(figure, source.constant)
            read = [self._column(figure, one, cells, found[one.column]) for one in source.columns() if one.column]
            self._read_columns += read[:1]
            if figure == "account":
                self._accounts = read
            elif figure == "commission":
                self._commission_at = read[0].at
        if self.totals:
            self._totals_at = found[self.totals.column]
            self._read_columns.append(_Column("", "", self._totals_at, Memo(self._no_total)))
        return True

    def _learn_constant(self, figure: str, text: str) -> None:
        found = self.found
        if figure == "statement_month":
            month = parse_month(text) or ""
            others = found.month or found.said_month or month
            if month != others:
                place = found.month_place or "--month"
                found.faults.add(f"{self.place(0)}is of {month} by the mapping, {place} of {others}")
            found.month, found.month_place = others, found.month_place or "the mapping"
        elif figure == "service_month":
            self._template[figure] = parse_month(text)
        elif figure == "supplier_name":
            found.supplier = text
        elif figure in WORDS:
            self._template[figure] = word_reader(figure, figure)(text)

    def _column(self, figure: str, source: From, cells: Sequence[str], at: int) -> _Column:
        header = " ".join(cells[at].split())
        return _Column(AMOUNTS.get(figure, figure), header, at, Memo(self._reader(figure, source, header)))

    def _reader(self, figure: str, source: From, header: str) -> Read:
        mapping = self.mapping
        if figure in AMOUNTS:
            units = mapping.amounts == "units"
            amount = amount_reader(header, self.found.currency, units=units, decimals=mapping.decimal)
            return amount if figure == "commission" else optional(amount)
        if figure == "statement_month":
            return self._same_month(month_reader(header, mapping.dates))
        if figure == "supplier_name":
            return self._same_supplier
        read: Read
        if figure == "service_month":
            read = month_reader(header, mapping.dates)
        elif figure in PRINTED:
            read = printed_reader(figure, header, source.width)
        elif figure == "claimed_rate":
            read = rate_reader(header, percent=source.percent, decimals=mapping.decimal)
        elif figure == "currency":
            read = currency_reader(header, self.found.currency)
        else:
            read = word_reader(figure, header)
        if source.values:
            read = translated(read, source.values, header)
        if figure == "account":
            return account_reader(read, header, as_printed=not source.width and not source.values)
        return optional(read)

    # -- one month, one supplier

    def _same_month(self, read: Read) -> Read:
        def check(text: str) -> None:
            month, found = read(text), self.found
            if not found.month:
                raise Unusual("is the first month")
            if month != found.month:
                words = f"is of {month}, {found.month_place} of {found.month}"
                raise UnlikeTheOthers(f"{words}; import one month at a time")

        return check

    def _same_supplier(self, text: str) -> None:
        name, found = text.strip(), self.found
        names = self.mapping.suppliers
        if found.supplier is None:
            raise Unusual("is the first supplier")
        if names and name.casefold() not in (known.casefold() for known in names):
            raise UnlikeTheOthers(f"is of {shown(name)}, but the mapping's suppliers are {', '.join(names)}")
        if not names and name != found.supplier:
            words = f"is of {shown(name)}, {found.supplier_place} of {shown(found.supplier)}"
            raise UnlikeTheOthers(f"{words}; import one vendor at a time")

    def _learn_first(self, place: str, cells: Sequence[str]) -> None:
        """Take month and supplier from the first line that has them."""
        found = self.found
        for column in self._read_columns:
            if column.field == "supplier_name" and found.supplier is None:
                found.supplier, found.supplier_place = cells[column.at].strip(), place
            elif column.field == "statement_month" and not found.month:
                month = parse_month(cells[column.at], self.mapping.dates)
                if month:
                    found.month, found.month_place = month, place
                    if found.said_month and found.said_month != month:
                        found.faults.add(f"{place} is of {month}, but --month says {found.said_month}")

    # -- whatever is unusual

    def _unusual(self, number: int, cells: Sequence[str]) -> PlainLine:
        """A row that was no usual line: the line that it is after all, or nothing, with its faults added."""
        place = self.place(number)
        if not any(cell.strip() for cell in cells) or self._is_total(place, cells):
            return {}
        if len(cells) != self._width:
            self.found.faults.add(f"{place} has {len(cells)} fields, the header has {self._width}")
            return {}
        self._learn_first(place, cells)
        line = {**self._template, "line": number + self.offset}
        faults: list[str] = []
        for column in self._read_columns:
            own = self._account_column(cells) if column.field == "account" else column
            try:
                value = own.memo[cells[own.at]]
                if value is not None:
                    line[column.field] = value
            except UnlikeTheOthers as unlike:
                faults.append(f"{place} {unlike}")
            except Unusual as unusual:
                faults.append(f"{place}: {unusual}")
        if faults and self._looks_like_a_total(cells, line):
            words = "looks like a totals row: it names no account, and its amount is the sum of the lines above"
            faults = [f"{place} {words}; name such rows under totals in a mapping"]
        for fault in faults:
            self.found.faults.add(fault)
        return {} if faults else line

    def _account_column(self, cells: Sequence[str]) -> _Column:
        """The first column, in the mapping's order, that has a number in this line; the first of all if none has."""
        if len(self._accounts) == 1:
            return self._accounts[0]
        column = next((column for column in self._accounts if cells[column.at].strip()), self._accounts[0])
        if column is not self._accounts[0]:
            by = self._lines_by_account_column
            by[column.header] = by.get(column.header, 0) + 1
        return column

    # -- totals

    def _no_total(self, text: str) -> None:
        if self.totals and text.strip().casefold().startswith(self.totals.starts_with.casefold()):
            raise Unusual("is a totals row")

    def _is_total(self, place: str, cells: Sequence[str]) -> bool:
        """Whether a row is a total by the mapping's rule; it must agree with the lines above, all or since the last."""
        try:
            if self.totals and self._totals_at < len(cells):
                self._no_total(cells[self._totals_at])
            return False
        except Unusual:
            pass
        text = cells[self._commission_at] if self._commission_at < len(cells) else ""
        commission = next(column for column in self._read_columns if column.field == "commission_minor")
        try:
            stated = Decimal(commission.memo[text])
        except Unusual as unusual:
            self.found.faults.add(f"{place}, a totals row: {unusual}")
            return True
        self._count()
        since = self.sum.plus(self._at_total, -1)
        if self.sum.agrees_with(stated):
            self.stated = stated
        elif since.agrees_with(stated):
            self.stated = stated + (self.stated or 0)
        else:
            self.found.faults.add(self._wrong_total(place, stated))
        self._at_total, self._total_place = self.sum, place
        return True

    def _wrong_total(self, place: str, stated: Decimal) -> str:
        said, summed = (f"{show_exact(amount, self.found.currency)}" for amount in (stated, self.sum.exact))
        words = f"{place} says that the total is {said}, but the lines above add up to {summed}"
        return f"{words} {self.found.currency}; ask the vendor for the whole file"

    def _looks_like_a_total(self, cells: Sequence[str], line: PlainLine) -> bool:
        amount = line.get("commission_minor")
        if "account" in line or amount is None or any(cells[column.at].strip() for column in self._accounts):
            return False
        self._count()
        return self.sum.lines > 0 and self.sum.agrees_with(Decimal(amount))

    def _end(self) -> None:
        """What can be said once all lines are read."""
        found, whole = self.found, self.place(0)
        for header, count in self._lines_by_account_column.items():
            first = self._accounts[0].header
            found.notes.append(f"{whole}{counted(count, 'line')} without {first} numbered by {header}")
        if not self.totals:
            return
        after = self.sum.lines - self._at_total.lines
        if self._total_place and after and self.totals.required:
            words = f"{whole}{counted(after, 'line')} after the last totals row, {self._total_place}"
            found.faults.add(f"{words}; the file may be put together of two")
        elif not self._total_place and self.totals.required and self.sum.lines:
            words = f"{whole}has no totals row, none in which {self.totals.column[0]} begins with"
            found.faults.add(f"{words} {self.totals.starts_with}; the file may be cut off")
        elif self.stated is not None:
            said = f"{show_exact(self.stated, found.currency)} {found.currency}"
            found.notes.append(f"{self._total_place} is a totals row, left out: {said}, as the lines add up to")
