"""Vendors' statements as files: taken whole or not at all, with every fault named by its line, in flat memory."""

from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path

from adapters.statement_csv import LONGEST_LINE, HashedFile, LineTooLong, decoding_fault, encoding_of, rows_of
from adapters.statement_faults import Faults, StatementFaults
from adapters.statement_mapping import FileMapping, Tab, read_mapping
from adapters.statement_table import Found, Table
from adapters.statement_values import parse_month
from adapters.statement_xlsx import LINES_PER_TAB, OLD_EXCEL, ZIP, Workbook
from domain.money import half_away
from domain.vendor_statement import PlainLine

__all__ = ["PlainLine", "StatementFaults", "StatementSource", "open_statement", "read_mapping"]


class StatementSource:
    """A statement file that is read once, from begin to end.

    ``chunks`` gives its lines. What the file says as a whole is known once they are read: ``statement_month``,
    ``line_count``, the totals, ``digest``. ``faults`` and ``notes`` grow while it is read; a note says what was
    recognised and is not wrong.
    """

    def __init__(self, path: Path, mapping: FileMapping, currency: str, month: str | None = None) -> None:
        self.path = path
        self.mapping = mapping
        self.faults = Faults(path.name)
        self.stated_total_minor: int | None = None
        """What the file's own totals rows say; None where it has none. It agrees with the lines, or is a fault."""
        self.digest = ""
        """``sha256:…`` of the bytes that were read."""
        said = parse_month(month) if month is not None else None
        if month is not None and said is None:
            self.faults.add(f"--month {month!r} is not a month; write it like 2026-02")
        self._file: HashedFile | None = None
        self._size = 0
        self._found = Found(self.faults, currency, said)

    @property
    def currency(self) -> str:
        return self._found.currency

    @property
    def is_part(self) -> bool:
        """Whether only some tabs of a workbook are read, whose others may be other statements."""
        return self.mapping.tabs is not None

    @property
    def notes(self) -> list[str]:
        return self._found.notes

    @property
    def statement_month(self) -> str:
        """``2026-02``; blank until the first line is read."""
        return self._found.month

    @property
    def supplier_name(self) -> str | None:
        """The vendor's name in the first line; None where no column holds it."""
        return self._found.supplier

    @property
    def columns_not_read(self) -> list[str]:
        """Headers of the file that the mapping does not name, in their order."""
        return self._found.columns_not_read

    @property
    def line_count(self) -> int:
        return self._found.total.lines

    @property
    def exact_total(self) -> Decimal:
        """The lines' commission in exact minor units."""
        return self._found.total.exact

    @property
    def rounded_total_minor(self) -> int:
        """The lines' commission, each line rounded half away from zero on its own."""
        return self._found.total.rounded_minor

    @property
    def bytes_read(self) -> int:
        """How far the reading has come."""
        return self._file.bytes_read if self._file else self._size

    @property
    def total_minor(self) -> int:
        """The lines' commission, rounded once."""
        return half_away(self.exact_total)

    def chunks(self) -> Iterator[list[PlainLine]]:
        """The lines without fault, at most 500 at a time. Raises StatementFaults after the last one if there is any
        fault, so that nobody takes a part for the whole.
        """
        try:
            with self.path.open("rb") as file:
                begin = file.read(4)
            yield from self._tab_lines() if begin in (ZIP, OLD_EXCEL) else self._text_lines()
        except OSError as error:
            self.faults.add(f"cannot be read: {error.strerror}; check the path")
        except StatementFaults as refused:
            for fault in refused.faults:
                self.faults.add(fault)
        if not self.line_count and not self.faults:
            self.faults.add("has a header and no lines; ask the vendor for the whole file")
        if not self.statement_month and not self.faults:
            self.faults.add("names no statement month; give it with --month")
        self.faults.check()

    def _tab_lines(self) -> Iterator[list[PlainLine]]:
        book = Workbook(self.path, self.mapping, self.notes)
        self.digest, self._size = book.digest, book.size
        stated: list[Decimal | None] = []
        for number, tab in enumerate(book.tabs(), start=1):
            offset = number * LINES_PER_TAB if number > 1 else 0
            table = Table(tab, self.mapping, self._found, _row_of(tab.tab), offset)
            yield from table.chunks(book.rows(tab.tab))
            stated.append(table.stated)
        self._state_total(stated)

    def _state_total(self, stated: Sequence[Decimal | None]) -> None:
        totals = [total for total in stated if total is not None]
        if totals and len(totals) == len(stated):
            self.stated_total_minor = half_away(sum(totals, Decimal(0)))

    def _text_lines(self) -> Iterator[list[PlainLine]]:
        encoding, note = encoding_of(self.path, self.mapping.encoding)
        if note:
            self.notes.append(note)
        with HashedFile(self.path, is_called_utf_8=encoding == "utf-8-sig") as file:
            self._file = file
            rows = rows_of(file, encoding, self.mapping.delimiter)
            table = Table(Tab(tab="-"), self.mapping, self._found, _line, 0)
            try:
                yield from table.chunks(rows)
            except UnicodeDecodeError:
                self.faults.add(decoding_fault(self.path, encoding, named=self.mapping.encoding is not None))
            except UnicodeError as error:
                self.faults.add(f"is not {encoding}: {error}; name another encoding in the mapping")
            except LineTooLong:
                words = f"{_line(rows.line_num + 1)} has no end within {LONGEST_LINE:,} bytes"
                self.faults.add(f"{words}; it is no list of lines, or it is damaged")
            if file.is_utf_8_after_all:
                words = f"is UTF-8 throughout, but the mapping says {encoding}, which would read other letters"
                self.faults.add(f"{words}; take encoding out of the mapping")
            self._state_total([table.stated])
            self.digest = file.digest


def _line(number: int) -> str:
    """A line for a person; 0 is the file as a whole, which needs no name."""
    return f"line {number}" if number else ""


def _row_of(tab: str) -> Callable[[int], str]:
    """A row of a tab for a person; 0 is the tab as a whole."""
    return lambda number: f"tab {tab} row {number}" if number else f"tab {tab}: "


def open_statement(path: Path, mapping: FileMapping, currency: str, month: str | None = None) -> StatementSource:
    """The statement in a file. ``month`` is the statement month where the file has none. Nothing is read yet."""
    return StatementSource(path, mapping, currency, month)
