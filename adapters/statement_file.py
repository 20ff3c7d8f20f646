"""Vendors' statements as CSV files: taken whole or not at all, with every fault named by its line.

The default mapping reads the published columns *Commission Run Month, Imported Supplier Name, Supplier ID, Commission
Amount*: the run month, any date in it, is the statement month; the supplier id is the account number as printed; the
service month follows from the vendor's lag. A mapping file names other columns.
"""

import csv
import hashlib
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from adapters.command_file import read_yaml
from adapters.faults import faults as faults_of
from adapters.faults import first_fault
from domain.message import Model
from domain.money import ABSURD_MINOR, DIGITS, MINOR_UNITS, half_away
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


def _encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError:
        raise ValueError(f"{name} is not an encoding of text; write utf-8, cp1252 or utf-16") from None
    return name


class FileMapping(Model):
    """How a vendor's file is read."""

    columns: Columns
    amounts: Literal["units", "minor"] = "units"
    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern=r'^[^"\r\n]*$')] = ","
    encoding: Annotated[str, AfterValidator(_encoding)] = "utf-8"


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
    """The mapping of a file, or the published one. Raises FileFault, StatementFaults."""
    if path is None:
        return PUBLISHED
    try:
        given = read_yaml(path)
        return FileMapping.model_validate(given)
    except ValidationError as error:
        raise StatementFaults(path.name, [first_fault(error, given)]) from None


def read_statement(path: Path, mapping: FileMapping, currency: str, month: str | None = None) -> StatementFile:
    """The statement in a CSV file. ``month`` is the statement month where the file has none.

    Raises StatementFaults with every fault.
    """
    raw = _read(path)
    try:
        text = raw.decode(mapping.encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        words = f"byte {error.start} is not {mapping.encoding.upper()}"
        raise StatementFaults(path.name, [f"{words}; save it as UTF-8 or name its encoding in a mapping"]) from None
    faults: list[str] = []
    rows = list(_rows(text, mapping, faults))
    if not rows and not faults:
        faults.append("has a header and no lines; ask the vendor for the whole file")
    if faults:
        raise StatementFaults(path.name, faults)
    statement_month = _same_month(rows, mapping, month, faults)
    _same_supplier(rows, mapping, faults)
    lines = [line for number, row in rows if (line := _line(number, row, mapping, currency, faults)) is not None]
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
    """Every line that is not blank, by its header, with the number of the line in which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mapping.delimiter, strict=True)
    header: list[str] | None = None
    begins = 1
    try:
        for cells in reader:
            number, begins = begins, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = [cell.strip() for cell in cells]
                if fault := _header_fault(number, header, mapping):
                    faults.append(fault)
                    return
            elif len(cells) != len(header):
                faults.append(f"line {number} has {len(cells)} fields, the header has {len(header)}")
            else:
                yield number, dict(zip(header, map(str.strip, cells), strict=True))
    except csv.Error as error:
        faults.append(f"line {begins} is not CSV: {error}; the file may be cut off")
    if header is None and not faults:
        faults.append("is empty; ask the vendor for the whole file")


def _header_fault(number: int, header: list[str], mapping: FileMapping) -> str:
    wanted = [name for name in mapping.columns.model_dump().values() if name is not None]
    missing = [name for name in wanted if name not in header]
    if len(header) == 1 and len(wanted) > 1:
        other = next((sign for sign in ";\t|" if sign in header[0]), ";")
        return f"line {number} has one column only; if {other!r} parts the columns, name it as delimiter in a mapping"
    if missing:
        return (
            f"line {number} has no column {', '.join(missing)}; it has {', '.join(header)}; "
            "name the columns in a mapping"
        )
    twice = next((name for name in wanted if header.count(name) > 1), None)
    return f"line {number} has the column {twice} twice; take one out" if twice else ""


def _same_month(rows: list[tuple[int, Row]], mapping: FileMapping, said: str | None, faults: list[str]) -> str:
    given = parse_month(said) if said is not None else None
    if said is not None and given is None:
        faults.append(f"--month {said!r} is not a month; write it like 2026-02")
    column = mapping.columns.statement_month
    if column is None:
        if said is None:
            faults.append("names no statement month; give it with --month")
        return given or ""
    first: tuple[int, str] | None = None
    for number, row in rows:
        month = _month(number, column, row, faults)
        if month is None:
            continue
        if first is None:
            first = number, month
        elif month != first[1]:
            faults.append(f"line {number} is of {month}, line {first[0]} of {first[1]}; import one month at a time")
    if first is not None and given is not None and first[1] != given:
        faults.append(f"line {first[0]} is of {first[1]}, but --month says {given}")
    return first[1] if first else ""


def _month(number: int, column: str, row: Row, faults: list[str]) -> str | None:
    month = parse_month(row[column])
    if month is None:
        faults.append(f"line {number}: {column} {row[column]!r} is not a month; write 2026-02 or a date in it")
    return month


def _same_supplier(rows: list[tuple[int, Row]], mapping: FileMapping, faults: list[str]) -> None:
    column = mapping.columns.supplier_name
    if column is None or not rows:
        return
    first_line, first = rows[0][0], rows[0][1][column]
    faults.extend(
        f"line {number} is of {row[column]!r}, line {first_line} of {first!r}; import one vendor at a time"
        for number, row in rows
        if row[column] != first
    )


def _line(number: int, row: Row, mapping: FileMapping, currency: str, faults: list[str]) -> StatementLine | None:
    """One line, numbered as in the file; None when it has a fault."""
    columns = {field: column for field, column in mapping.columns.model_dump().items() if column is not None}
    fields: dict[str, Any] = {"line": number, "commission_minor": 0}
    before = len(faults)
    for field, column in columns.items():
        text = row[column]
        if field in _AMOUNTS:
            if text or field == "commission":
                amount = _amount(number, column, text, mapping, currency, faults)
                fields[f"{field}_minor"] = Decimal(0) if amount is None else amount
        elif field == "service_month" and text:
            fields[field] = _month(number, column, row, faults)
        elif field in _TEXTS and text:
            fields[field] = text
    if "account" not in fields:
        faults.append(f"line {number}: {columns['account']} is empty; every line names an account")
        fields["account"] = "?"
    try:
        line = StatementLine.model_validate(fields)
    except ValidationError as error:
        faults.extend(f"line {number}: {fault}" for fault in faults_of(error, fields, columns))
        return None
    return line if len(faults) == before else None


_AMOUNTS = ("billed", "net_billed", "commissionable", "commission")
_TEXTS = ("account", "service", "product", "charge_kind", "line_type", "house_code", "claimed_rate")
_AMOUNT = re.compile(r"([-+]?)\$? ?([-+]?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]*)(\.[0-9]+|\.?)")
"""A sign before or after the dollar sign, thousands parted by commas everywhere or nowhere, and a decimal point."""


def _amount(
    number: int, column: str, text: str, mapping: FileMapping, currency: str, faults: list[str]
) -> Decimal | None:
    """``1,234.56``, ``$1,234.56`` and ``(12.30)`` as exact minor units. What could mean another amount is a fault."""
    bare = text.strip()
    in_brackets = bare.startswith("(") and bare.endswith(")")
    match = _AMOUNT.fullmatch(bare[1:-1].strip() if in_brackets else bare)
    sign = match[1] + match[2] if match else ""
    figure = match[3].replace(",", "") + match[4] if match else ""
    digits = sum(character.isdigit() for character in figure)
    if not 0 < digits <= DIGITS - 4 or len(sign) + in_brackets > 1:
        faults.append(f"line {number}: {column} {text!r} is not an amount; write it like 1234.56")
        return None
    amount = Decimal(figure) * (MINOR_UNITS[currency] if mapping.amounts == "units" else 1)
    if abs(amount) > ABSURD_MINOR:
        faults.append(f"line {number}: {column} {text!r} is not an amount of this business")
        return None
    return -amount if in_brackets or sign == "-" else amount


_MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip


def parse_month(text: str) -> str | None:
    """``2026-02`` for a month or any date in it: 2026-02-15, 2026/02/15, 2/15/2026, 02/2026, Feb 2026, 202602; else
    None.
    """
    text = text.strip()
    if match := re.fullmatch(r"(\d{4})[-/]?(\d{2})(?:[-/]?(\d{2}))?(?:[T ]\d.*)?", text, re.ASCII):
        year, month, day = int(match[1]), int(match[2]), int(match[3] or 1)
    elif match := re.fullmatch(r"(\d{1,2})/(?:(\d{1,2})/)?(\d{4})", text, re.ASCII):
        year, month, day = int(match[3]), int(match[1]), int(match[2] or 1)
    elif match := re.fullmatch(r"([A-Za-z]{3,9})\.?[ -](\d{4})", text, re.ASCII):
        named = [n for n, name in enumerate(_MONTH_NAMES, start=1) if name.startswith(match[1].lower())]
        year, month, day = int(match[2]), named[0] if named else 0, 1
    else:
        return None
    try:
        found = date(year, month, day)
    except ValueError:
        return None
    return found.isoformat()[:7] if 1900 <= found.year < 2100 else None
