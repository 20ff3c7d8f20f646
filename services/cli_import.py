"""``trailbook import``: vendors' files, taken whole or not at all, or only looked at."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from adapters.faults import first_fault
from adapters.statement_file import StatementSource, open_statement, read_mapping
from domain.ids import vendor_stream
from domain.message import Actor
from domain.money import plain, show, to_minor
from domain.vendor import contracted
from domain.words import counted
from services import render
from services.cli_shared import (
    By,
    Json,
    WrongUsage,
    actor_from,
    catch_up,
    opened_house,
    progress,
    result_row,
)
from services.house import House
from services.imports import Wanted
from services.imports import import_statement as import_file
from services.render import console, errors
from services.statement_check import LinesBeyondContract, as_data, check_statement

import_app = typer.Typer(help="Take a vendor's file, whole or not at all.", no_args_is_help=True)


Vendor = Annotated[str, typer.Option(help="Whose statement it is.")]
MappingFile = Annotated[
    Path | None,
    typer.Option("--mapping", help="YAML that says how it is read; default: the published columns."),
]
Number = Annotated[str | None, typer.Option(help="The statement's number; default: the file's name.")]
MonthOf = Annotated[str | None, typer.Option("--month", help="The statement month, where the file has none.")]
Total = Annotated[str | None, typer.Option("--control-total", help="The vendor's own total in units, such as 1234.56.")]
RevisionNo = Annotated[int, typer.Option("--revision", help="The vendor's revision of a statement that was received.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a file with lines of months beyond their contract.")]


@import_app.command("statement")
def import_statement(
    file: Path,
    vendor: Vendor,
    mapping: MappingFile = None,
    number: Number = None,
    month: MonthOf = None,
    control_total: Total = None,
    revision: RevisionNo = 0,
    strict: Strict = False,
    by: By = "",
    json: Json = False,
) -> None:
    """Import a vendor statement from CSV or XLSX."""
    with opened_house() as opened:
        asked = (opened, file, vendor, mapping, number, month, control_total, revision)
        if strict:
            _require_within_contracts(*_asked(*asked), opened, actor_from(by), file)
        source, wanted = _asked(*asked)
        currency = source.currency
        with reading(file) as report:
            imported = import_file(opened, source, wanted, actor_from(by), lambda: report(source.bytes_read))
        with progress() as bar:
            bar.add_task("projecting", total=None)
            catch_up(opened)
        queries = opened.queries(caught_up=False)
        said = queries.audit_of_position(imported.result.first_position) if imported.result.first_position else ""
        waiting = [w for w in queries.suspense(queries.ledger_position()) if w["vendor"] == vendor]
    issued, result = imported.issued, imported.result
    data = {**result_row(issued, result.first_position, result.last_position), "lines": imported.line_count}
    data |= {"total_minor": imported.total_minor, "currency": currency, "suspense": waiting}
    data |= {"notes": source.notes, "warnings": imported.warnings}
    if json:
        render.as_json(data)
        return
    shown = f"{show(imported.total_minor, currency)} {currency}"
    again = "; imported already, nothing changed" if imported.again else ""
    render.say(f"{counted(imported.line_count, 'line')}, {shown}, statement month {source.statement_month}{again}")
    if revision and not imported.again:
        render.say(said)
    for note in source.notes:
        render.say(f"  note: {note}")
    for warning in imported.warnings:
        render.say(f"  look: {warning}")
    if not imported.control_total_given:
        console.print("[dim]no control total was given: the sum of the lines was taken for it[/dim]")
    if waiting:
        render.rows_table(waiting, ("number", "amount_minor", "since", "why"), f"in suspense for {vendor}")


def _require_within_contracts(source: StatementSource, wanted: Wanted, opened: House, actor: Actor, file: Path) -> None:
    """Look before taking. Raises LinesBeyondContract; what else is wrong with the file, its import says."""
    with reading(file) as report:
        checked = check_statement(opened, source, wanted, actor, lambda: report(source.bytes_read), strict=True)
    if isinstance(checked.refused, LinesBeyondContract):
        raise checked.refused


def _asked(
    opened: House,
    file: Path,
    vendor: str,
    mapping: Path | None,
    number: str | None,
    month: str | None,
    control_total: str | None,
    revision: int,
) -> tuple[StatementSource, Wanted]:
    """The file, not read yet, and what it is to be imported as."""
    currency = contracted(opened.commands.state(vendor_stream(vendor)), vendor).currency
    wanted = _wanted(
        file_name=file.name,
        vendor=vendor,
        number=number or re.sub(r"[^A-Za-z0-9._/#-]+", "-", file.stem).strip("-._/#"),
        revision=revision,
        control_total_minor=None if control_total is None else to_minor_units(control_total, currency),
    )
    return open_statement(file, read_mapping(mapping), currency, month), wanted


@import_app.command("check")
def import_check(
    file: Path,
    vendor: Vendor,
    mapping: MappingFile = None,
    number: Number = None,
    month: MonthOf = None,
    control_total: Total = None,
    revision: RevisionNo = 0,
    strict: Strict = False,
    by: By = "",
    json: Json = False,
) -> None:
    """Say all that would be wrong with importing a statement, and where its lines would go. Records nothing.

    Exit code 0: it can be imported; 1: the business would refuse it; 2: the file is at fault.
    """
    with opened_house() as opened:
        source, wanted = _asked(opened, file, vendor, mapping, number, month, control_total, revision)
        with reading(file) as report:
            by_whom = actor_from(by)
            checked = check_statement(opened, source, wanted, by_whom, lambda: report(source.bytes_read), strict=strict)
    data = as_data(checked, source, wanted)
    render.as_json(data) if json else render.checked(data)
    raise typer.Exit(checked.exit_code)


def _wanted(**fields: Any) -> Wanted:
    try:
        return Wanted.model_validate(fields)
    except ValidationError as error:
        raise WrongUsage(f"import statement: {first_fault(error)}") from None


@contextmanager
def reading(file: Path) -> Iterator[Callable[[int], None]]:
    """A bar of the bytes read so far."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not sys.stderr.isatty(),
    ) as bar:
        task = bar.add_task(f"reading {file.name}", total=file.stat().st_size if file.exists() else None)
        yield lambda bytes_read: bar.update(task, completed=bytes_read)


def to_minor_units(text: str, currency: str) -> str:
    """An amount in units as minor units. Raises WrongUsage."""
    try:
        return plain(to_minor(Decimal(text.replace(",", "")), currency))
    except InvalidOperation:
        raise WrongUsage(f"{text} is not an amount; write it like 1234.56") from None
