"""Small tables that persons write as CSV: named columns, every fault with its line, taken whole or not at all."""

import csv
import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from adapters.faults import FileFault
from adapters.statement_faults import Faults


class TableRow(NamedTuple):
    """``line`` counts from 1, the header being the first; a cell that is left empty is not in ``cells``."""

    line: int
    cells: Mapping[str, str]


class TableRead(NamedTuple):
    """``digest`` is of the file's bytes: the same file is the same work."""

    digest: str
    rows: list[TableRow]


def read_table(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> TableRead:
    """A CSV file whose first line names its columns, in any order. Raises FileFault, StatementFaults."""
    try:
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
    except OSError as error:
        raise FileFault(f"{path}: cannot be read: {error.strerror}; check the path") from None
    except UnicodeDecodeError as error:
        raise FileFault(f"{path.name}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise FileFault(f"{path.name} line {reader.line_num}: not CSV: {error}; mend it there") from None
    if not lines:
        raise FileFault(f"{path.name}: is empty; its first line names the columns {', '.join(required)}")
    columns = [cell.strip().casefold().replace(" ", "_") for cell in lines[0][1]]
    _check_columns(path.name, columns, required, optional)
    faults = Faults(path.name)
    rows = [_row(line, columns, cells, required, faults) for line, cells in lines[1:]]
    faults.check()
    if not rows:
        raise FileFault(f"{path.name}: has a header and no rows; write one row for each number")
    return TableRead(f"sha256:{hashlib.sha256(content).hexdigest()}", rows)


def _check_columns(name: str, columns: Sequence[str], required: Sequence[str], optional: Sequence[str]) -> None:
    if missing := [column for column in required if column not in columns]:
        raise FileFault(f"{name} line 1: the column {missing[0]} is missing; there are {', '.join(columns)}")
    if strange := [column for column in columns if column not in (*required, *optional)]:
        known = ", ".join((*required, *optional))
        raise FileFault(f"{name} line 1: there is no column {strange[0] or '(blank)'}; write {known}")
    if twice := [column for column in columns if columns.count(column) > 1]:
        raise FileFault(f"{name} line 1: the column {twice[0]} is there twice; keep one")


def _row(line: int, columns: Sequence[str], cells: Sequence[str], required: Sequence[str], faults: Faults) -> TableRow:
    if len(cells) != len(columns):
        faults.add(f"line {line}: has {len(cells)} cells, its header has {len(columns)}; mend the row")
    found = {column: cell.strip() for column, cell in zip(columns, cells, strict=False) if cell.strip()}
    for column in required:
        if len(cells) == len(columns) and column not in found:
            faults.add(f"line {line}: {column} is empty; fill it in")
    return TableRow(line, found)
