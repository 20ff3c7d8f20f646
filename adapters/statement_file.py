"""Vendors' statements as CSV files: taken whole or not at all, with every fault named by its line.

The default mapping reads the published columns *Commission Run Month, Imported Supplier Name, Supplier ID, Commission
Amount*: the run month, any date in it, is the statement month; the supplier id is the account number as printed; the
service month follows from the vendor's lag. A mapping file names other columns.
"""

import csv
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError

from adapters.faults import first_fault
from domain.message import Model
from domain.money import ABSURD_MINOR, MINOR_UNITS, half_away
from domain.vendor_statement import StatementLine

SHOWN_FAULTS = 20


class StatementFaults(Exception):
    """A statement file cannot be taken. Every fault is one sentence that names its line."""

    def __init__(self, name: str, faults: list[str]) -> None:
        shown = faults[:SHOWN_FAULTS]
        if len(faults) > SHOWN_FAULTS:
            shown.append(f"… and {len(faults) - SHOWN_FAULTS} more")
        super().__init__("\n".join(f"{name}: {fault}" for fault in shown))
        self.faults = faults


class Columns(Model):
    """The header of the column for each figure; what is None is not in the file."""

    statement_month: str | None = None
    supplier_name: str | None = None
    account: str
    commission: str
    service: str | None = None
    product: str | None = None
    charge_kind: str | None = None
    line_type: str | None = None
    billed: str | None = None
    net_billed: str | None = None
    commissionable: str | None = None
    claimed_rate: str | None = None
    service_month: str | None = None
    house_code: str | None = None


class FileMapping(Model):
    """How a vendor's file is read."""

    columns: Columns
    amounts: Literal["units", "minor"] = "units"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    encoding: str = "utf-8-sig"


PUBLISHED = FileMapping(
    columns=Columns(
        statement_month="Commission Run Month",
        supplier_name="Imported Supplier Name",
        account="Supplier ID",
        commission="Commission Amount",
    )
)


@dataclass(frozen=True, slots=True)
class StatementFile:
    """What a file says: its lines in order, exact, and what the command needs besides."""

    digest: str
    statement_month: str
    lines: tuple[StatementLine, ...]
    total_minor: int
    """The sum of the lines, half away from zero."""


def read_mapping(path: Path | None) -> FileMapping:
    """The mapping of a file, or the published one. Raises StatementFaults."""
    if path is None:
        return PUBLISHED
    try:
        return FileMapping.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise StatementFaults(path.name, [f"cannot be read: {error.strerror}; check the path"]) from None
    except yaml.YAMLError as error:
        raise StatementFaults(path.name, [f"is not YAML: {' '.join(str(error).split())}"]) from None
    except ValidationError as error:
        raise StatementFaults(path.name, [first_fault(error)]) from None


def read_statement(path: Path, mapping: FileMapping, currency: str, month: str | None = None) -> StatementFile:
    """The statement in a CSV file. ``month`` is the statement month where the file has none.

    Raises StatementFaults with every fault.
    """
    raw = _read(path)
    try:
        text = raw.decode(mapping.encoding)
    except (UnicodeDecodeError, LookupError) as error:
        at = f"byte {error.start}" if isinstance(error, UnicodeDecodeError) else "the mapping"
        raise StatementFaults(
            path.name, [f"{at} is not {mapping.encoding}; save it as UTF-8 or name its encoding in the mapping"]
        ) from None
    faults: list[str] = []
    rows = list(_rows(text, mapping, faults))
    if faults:
        raise StatementFaults(path.name, faults)
    statement_month = _same_month(rows, mapping, month, faults)
    _same_supplier(rows, mapping, faults)
    lines = [line for number, row in rows if (line := _line(number, row, mapping, currency, faults)) is not None]
    if not rows:
        faults.append("has a header and no lines; ask the vendor for the whole file")
    if faults:
        raise StatementFaults(path.name, faults)
    total = half_away(sum((line.commission_minor for line in lines), Decimal(0)))
    return StatementFile(f"sha256:{hashlib.sha256(raw).hexdigest()}", statement_month, tuple(lines), total)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StatementFaults(path.name, [f"cannot be read: {error.strerror}; check the path"]) from None


Row = Mapping[str, str]


def _rows(text: str, mapping: FileMapping, faults: list[str]) -> Iterator[tuple[int, Row]]:
    reader = csv.reader(text.splitlines(keepends=True), delimiter=mapping.delimiter, strict=True)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        wanted = [name for name in mapping.columns.model_dump().values() if name is not None]
        if missing := [name for name in wanted if name not in header]:
            faults.append(f"line 1 has no column {', '.join(missing)}; it has {', '.join(header) or 'nothing'}")
            return
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                faults.append(f"line {reader.line_num} has {len(cells)} fields, the header has {len(header)}")
                continue
            yield reader.line_num, dict(zip(header, map(str.strip, cells), strict=True))
    except csv.Error as error:
        faults.append(f"line {reader.line_num} is not CSV: {error}; the file may be cut off")


def _same_month(rows: list[tuple[int, Row]], mapping: FileMapping, given: str | None, faults: list[str]) -> str:
    column = mapping.columns.statement_month
    if column is None:
        if given is None:
            faults.append("names no statement month; give it with --month")
        return given or ""
    first: tuple[int, str] | None = None
    for number, row in rows:
        month = parse_month(row[column])
        if month is None:
            faults.append(f"line {number}: {column} {row[column]!r} is not a month; write 2026-02 or a date in it")
        elif first is None:
            first = number, month
        elif month != first[1]:
            faults.append(f"line {number} is of {month}, line {first[0]} of {first[1]}; import one month at a time")
    if first is not None and given is not None and first[1] != given:
        faults.append(f"line {first[0]} is of {first[1]}, but --month says {given}")
    return first[1] if first else (given or "")


def _same_supplier(rows: list[tuple[int, Row]], mapping: FileMapping, faults: list[str]) -> None:
    column = mapping.columns.supplier_name
    if column is None or not rows:
        return
    first_line, first = rows[0][0], rows[0][1][column]
    faults.extend(
        f"line {number} is of {row[column]}, line {first_line} of {first}; import one vendor at a time"
        for number, row in rows
        if row[column] != first
    )


def _line(number: int, row: Row, mapping: FileMapping, currency: str, faults: list[str]) -> StatementLine | None:
    """One line, numbered as in the file; None when it has a fault."""
    columns = mapping.columns
    fields: dict[str, Any] = {"line": number}
    before = len(faults)
    for name in ("billed", "net_billed", "commissionable", "commission"):
        if (column := getattr(columns, name)) is not None and (row[column] or name == "commission"):
            fields[f"{name}_minor"] = _amount(number, column, row[column], mapping, currency, faults)
    for name in ("account", "service", "product", "charge_kind", "line_type", "house_code", "claimed_rate"):
        if (column := getattr(columns, name)) is not None and row[column]:
            fields[name] = row[column]
    if not row[columns.account]:
        faults.append(f"line {number}: {columns.account} is empty; every line names an account")
    if columns.service_month is not None and row[columns.service_month]:
        fields["service_month"] = parse_month(row[columns.service_month])
        if fields["service_month"] is None:
            faults.append(f"line {number}: {columns.service_month} {row[columns.service_month]!r} is not a month")
    if len(faults) > before:
        return None
    try:
        return StatementLine.model_validate(fields)
    except ValidationError as error:
        faults.append(f"line {number}: {first_fault(error)}")
        return None


def _amount(
    number: int, column: str, text: str, mapping: FileMapping, currency: str, faults: list[str]
) -> Decimal | None:
    """``1,234.56``, ``$1,234.56`` and ``(12.30)`` as exact minor units."""
    plain = text.replace(",", "").replace("$", "").replace(" ", "")
    negative = plain.startswith("(") and plain.endswith(")")
    plain = plain[1:-1] if negative else plain
    try:
        amount = Decimal(plain) * (MINOR_UNITS[currency] if mapping.amounts == "units" else 1)
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite():
        faults.append(f"line {number}: {column} {text!r} is not an amount; write it like 1234.56")
        return None
    if abs(amount) > ABSURD_MINOR:
        faults.append(f"line {number}: {column} {text!r} is not an amount of this business")
        return None
    return -amount if negative else amount


_MONTH_NAMES = {
    name: number
    for number, name in enumerate(
        ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), start=1
    )
}


def parse_month(text: str) -> str | None:
    """``2026-02`` for a month or any date in it: 2026-02-15, 2/15/2026, 02/2026, Feb 2026, 202602; else None."""
    text = text.strip()
    if match := re.fullmatch(r"(\d{4})-?(\d{2})(?:-?(\d{2}))?(?:[T ].*)?", text):
        year, month, day = int(match[1]), int(match[2]), int(match[3] or 1)
    elif match := re.fullmatch(r"(\d{1,2})/(?:(\d{1,2})/)?(\d{4})", text):
        year, month, day = int(match[3]), int(match[1]), int(match[2] or 1)
    elif match := re.fullmatch(r"([A-Za-z]{3})[a-z]*\.?[ -](\d{4})", text):
        year, month, day = int(match[2]), _MONTH_NAMES.get(match[1].lower(), 0), 1
    else:
        return None
    try:
        return date(year, month, day).isoformat()[:7]
    except ValueError:
        return None
