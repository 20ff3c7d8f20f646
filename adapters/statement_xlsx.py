"""Statement files that are workbooks (XLSX): tabs as rows of text, numbers as a spreadsheet shows them.

``python-calamine`` reads the cells, one tab whole at a time; a tab has at most 1,048,576 rows. It shows an error such
as #REF!, and a formula that was never computed, as a blank cell. A blank where a month should be would be taken for
*not stated*, so those cells are looked for in the workbook's own XML, and their text is put in.
"""

import hashlib
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from python_calamine import CalamineError, CalamineSheet, CalamineWorkbook, SheetTypeEnum, SheetVisibleEnum

from adapters.statement_faults import StatementFaults
from adapters.statement_mapping import FileMapping, Tab, TabPattern
from adapters.statement_values import Memo
from domain.ids import alike
from domain.money import plain

ZIP = b"PK\x03\x04"
OLD_EXCEL = b"\xd0\xcf\x11\xe0"
LARGEST_FILE = 256 << 20
LARGEST_CONTENT = 4 << 30
"""Bytes of a workbook, and of what it unpacks to; beyond them it is no statement, or made to do harm."""
MOST_TABS = 200
LINES_PER_TAB = 10_000_000
"""Row 15 of the third tab that is read is line 30000015 of the statement; rows of the first tab keep their number."""

NOT_COMPUTED = "#FORMULA!"

_BLOCK = 1 << 20
_LARGEST_ROW = 32 << 20
_EXACT_FLOAT = 10**15
"""From here on a spreadsheet keeps fewer digits than were typed."""

_MAIN = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_CELL = re.compile(
    rb"<(?:\w+:)?c (?P<attributes>[^>]*[^>/])>\s*"
    rb"(?P<formula><(?:\w+:)?f\b[^>]*/>|<(?:\w+:)?f\b[^>]*>[^<]*</(?:\w+:)?f>)?\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>(?P<value>[^<]*)</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_AT = re.compile(rb'\br="([A-Z]{1,3})([0-9]{1,7})"')
_TYPE = re.compile(rb"\bt=[\"'](\w+)[\"']")

_Spoilt = dict[int, dict[int, str]]
"""What stands in cells that are read as blank but are not, by row and column, both from 1 and 0."""


class Damaged(Exception):
    """What was read is no whole workbook."""


class TabRows:
    """The rows of one tab as texts, once. ``line_num`` is the row that was read last, from 1."""

    def __init__(self, sheet: CalamineSheet, spoilt: _Spoilt, decimal: str) -> None:
        self.line_num = 0
        self._sheet = sheet
        self._spoilt = spoilt
        self._decimal = decimal
        self._rows = self._texts()

    def __iter__(self) -> Iterator[list[str]]:
        return self._rows

    def _texts(self) -> Iterator[list[str]]:
        numbers = Memo(self._number)
        first = (self._sheet.start or (0, 0))[1]
        for row in self._sheet.iter_rows():
            self.line_num += 1
            cells = [c if c.__class__ is str else numbers[c] if c.__class__ is float else _text(c) for c in row]
            for at, text in self._spoilt.get(self.line_num, {}).items():
                if 0 <= at - first < len(cells) and not cells[at - first]:
                    cells[at - first] = text
            yield cells

    def _number(self, number: float) -> str:
        text = _number_text(number)
        return text if self._decimal == "." else text.replace(".", ",")


def _number_text(number: float) -> str:
    """A number cell as a spreadsheet shows it: at most 15 digits. Where it has lost digits, with an exponent."""
    if abs(number) >= _EXACT_FLOAT:
        return f"{Decimal(number):.14E}"
    return str(int(number)) if number == int(number) else plain(Decimal(f"{number:.15g}"))


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00"
    return str(value)


class Workbook:
    """A workbook with the tabs to read. Raises StatementFaults."""

    def __init__(self, path: Path, mapping: FileMapping, notes: list[str]) -> None:
        self.path = path
        self.mapping = mapping
        self.notes = notes
        raw = self._bytes()
        self.size = len(raw)
        self.digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(raw))
            if sum(part.file_size for part in self._zip.infolist()) > LARGEST_CONTENT:
                raise self._fault(f"unpacks to more than {LARGEST_CONTENT >> 30} GiB; it is no statement")
            self._parts = _parts(self._zip)
            self._book = CalamineWorkbook.from_filelike(io.BytesIO(raw))
        except _DAMAGES as error:
            raise self._damaged(error) from None

    def _bytes(self) -> bytes:
        with self.path.open("rb") as file:
            raw = file.read(LARGEST_FILE + 1)
        if len(raw) > LARGEST_FILE:
            raise self._fault(f"is larger than {LARGEST_FILE >> 20} MiB; ask the vendor for text (CSV)")
        if raw.startswith(OLD_EXCEL):
            raise self._fault("is an old or a password-protected workbook; save it as XLSX without a password")
        return raw

    def _fault(self, words: str) -> StatementFaults:
        return StatementFaults(self.path.name, [words])

    def _damaged(self, error: BaseException) -> StatementFaults:
        said = " ".join(str(error).split()) or type(error).__name__
        return self._fault(f"is no whole workbook ({said}); it may be cut off: ask the vendor for the whole file")

    def tabs(self) -> list[Tab]:
        """The tabs that the mapping says are read, in its order or in theirs. Raises StatementFaults."""
        sheets = [s for s in self._book.sheets_metadata if s.typ == SheetTypeEnum.WorkSheet]
        visible = [s.name for s in sheets if s.visible == SheetVisibleEnum.Visible]
        hidden = [s.name for s in sheets if s.name not in visible]
        wanted = self.mapping.tabs
        if isinstance(wanted, tuple):
            tabs = [tab.model_copy(update={"tab": self._named(tab.tab, visible + hidden)}) for tab in wanted]
        elif isinstance(wanted, TabPattern):
            tabs = [Tab(tab=name) for name in visible if re.search(wanted.pattern, name)]
            if not tabs:
                raise self._fault(f"has no tab that fits {wanted.pattern}; it has {_listed(visible + hidden)}")
        else:
            full = [name for name in visible if len(visible) == 1 or self._sheet(name).height]
            tabs = [Tab(tab=name) for name in full or visible[:1]]
            if wanted is None and len(tabs) > 1:
                words = f"has the tabs {_listed(full)}; say in a mapping which are read, such as `tabs: all`"
                raise self._fault(f"{words} or `tabs: [{full[0]}]`")
        names = [tab.tab for tab in tabs]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise self._fault(f"the mapping names the tab {twice} twice; take one out")
        if len(tabs) > MOST_TABS:
            raise self._fault(f"has {len(tabs)} tabs to read; split it into workbooks of {MOST_TABS}")
        self._note(names, visible, hidden)
        return tabs

    def _named(self, name: str, names: Sequence[str]) -> str:
        if name in names:
            return name
        like = [other for other in names if alike(other) == alike(name) and alike(name)]
        if len(like) != 1:
            raise self._fault(f"has no tab {name}; it has {_listed(names)}; name its tabs in the mapping")
        self.notes.append(f"the tab {like[0]} is read, which the mapping calls {name}")
        return like[0]

    def _note(self, read: Sequence[str], visible: Sequence[str], hidden: Sequence[str]) -> None:
        if len(read) > 1 or len(visible) + len(hidden) > 1:
            self.notes.append(f"tabs read: {_listed(read)}")
        if left := [name for name in visible if name not in read]:
            self.notes.append(f"tabs left out: {_listed(left)}")
        if left := [name for name in hidden if name not in read]:
            self.notes.append(f"hidden tabs left out: {_listed(left)}")

    def _sheet(self, name: str) -> CalamineSheet:
        try:
            return self._book.get_sheet_by_name(name)
        except _DAMAGES as error:
            raise self._damaged(error) from None

    def rows(self, name: str) -> TabRows:
        """The rows of a tab. Raises StatementFaults."""
        try:
            part = self._parts[name]
            spoilt = _spoilt_cells(self._zip, part)
        except _DAMAGES as error:
            raise self._damaged(error) from None
        return TabRows(self._sheet(name), spoilt, self.mapping.decimal)


_DAMAGES = (
    CalamineError, Damaged, zipfile.BadZipFile, zlib.error, ElementTree.ParseError, KeyError, ValueError, EOFError,
    NotImplementedError, RuntimeError, OverflowError,
)  # fmt: skip
"""What readers of zips, of XML and of workbooks raise when bytes are not what they should be."""


def _listed(names: Sequence[str]) -> str:
    shown = [name if len(name) <= 40 else f"{name[:40]}…" for name in names[:20]]
    return ", ".join(shown) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _parts(book: zipfile.ZipFile) -> Mapping[str, str]:
    """In which part of the workbook each tab stands."""
    if "xl/workbook.xml" not in book.namelist():
        raise Damaged("there is no workbook in it")
    relations = ElementTree.fromstring(book.read("xl/_rels/workbook.xml.rels"))  # noqa: S314  (expat expands nothing)
    targets = {one.get("Id"): one.get("Target", "") for one in relations}
    sheets = ElementTree.fromstring(book.read("xl/workbook.xml")).iter(f"{_MAIN}sheet")  # noqa: S314
    found = {str(sheet.get("name")): targets[sheet.get(_RELATION)] for sheet in sheets}
    return {name: to.removeprefix("/") if to.startswith("/") else f"xl/{to}" for name, to in found.items()}


def _spoilt_cells(book: zipfile.ZipFile, part: str) -> _Spoilt:
    """The cells of a tab that hold an error, or a formula whose value was never computed."""
    found: _Spoilt = {}
    with book.open(part) as xml:
        rest = b""
        while block := xml.read(_BLOCK):
            rest += block
            cut = max(rest.rfind(b"</row>"), rest.rfind(b":row>"))
            if cut >= 0:
                _note_spoilt(rest[:cut], found)
                rest = rest[cut:]
            elif len(rest) > _LARGEST_ROW:
                raise Damaged("a row has no end")
        _note_spoilt(rest, found)
    return found


def _note_spoilt(xml: bytes, found: _Spoilt) -> None:
    if b't="e"' not in xml and b"t='e'" not in xml and b"f>" not in xml and b"<f" not in xml:
        return
    for cell in _CELL.finditer(xml):
        kind = _TYPE.search(cell["attributes"])
        at = _AT.search(cell["attributes"])
        if kind and kind[1] == b"e":
            text = (cell["value"] or b"#ERROR!").decode("utf-8", "replace")
        elif cell["formula"] and not cell["value"] and not (kind and kind[1] == b"str"):
            text = NOT_COMPUTED
        else:
            continue
        if at is None:
            raise Damaged("a cell with an error says not where it stands")
        column = 0
        for letter in at[1]:
            column = column * 26 + letter - 64
        found.setdefault(int(at[2]), {})[column - 1] = text
