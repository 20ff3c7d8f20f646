"""Workbooks for tests, written by openpyxl."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openpyxl import Workbook


def workbook(path: Path, tabs: Mapping[str, Any], hidden: Sequence[str] = ()) -> Path:
    """A workbook with these rows on these tabs."""
    book = Workbook()
    book.remove(book.worksheets[0])
    for name, rows in tabs.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
        if name in hidden:
            sheet.sheet_state = "hidden"
    book.save(path)
    return path


def rewritten(path: Path, part: str, *changes: tuple[str, str]) -> Path:
    """The workbook with texts of one part replaced: what openpyxl does not write, other programs do."""
    with zipfile.ZipFile(path) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    for before, after in changes:
        assert before.encode() in parts[part], parts[part]
        parts[part] = parts[part].replace(before.encode(), after.encode())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in parts.items():
            book.writestr(name, content)
    return path
