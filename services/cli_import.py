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
from adapters.statement_file import open_statement, read_mapping
from domain.ids import vendor_stream
from domain.money import plain, show, to_minor
from domain.vendor import contracted
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
from services.imports import Wanted
from services.imports import import_statement as import_file
from services.render import console, errors

import_app = typer.Typer(help="Take a vendor's file, whole or not at all.", no_args_is_help=True)


@import_app.command("statement")
def import_statement(
    file: Path,
    vendor: Annotated[str, typer.Option(help="Whose statement it is.")],
    mapping: Annotated[
        Path | None, typer.Option(help="YAML that names the columns; default: the published ones.")
    ] = None,
    number: Annotated[str | None, typer.Option(help="The statement's number; default: the file's name.")] = None,
    month: Annotated[str | None, typer.Option(help="The statement month, where the file has none.")] = None,
    control_total: Annotated[str | None, typer.Option(help="The vendor's own total in units, such as 1234.56.")] = None,
    revision: Annotated[int, typer.Option(help="The vendor's revision of a statement that was received.")] = 0,
    by: By = "",
    json: Json = False,
) -> None:
    """Import a vendor statement from CSV."""
    number = number or re.sub(r"[^A-Za-z0-9._/#-]+", "-", file.stem).strip("-._/#")
    with opened_house() as opened:
        currency = contracted(opened.commands.state(vendor_stream(vendor)), vendor).currency
        total = None if control_total is None else to_minor_units(control_total, currency)
        wanted = _wanted(
            file_name=file.name, vendor=vendor, number=number, revision=revision, control_total_minor=total
        )
        source = open_statement(file, read_mapping(mapping), currency, month)
        with reading(file) as report:
            imported = import_file(opened, source, wanted, actor_from(by), lambda: report(source.bytes_read))
        with progress() as bar:
            bar.add_task("projecting", total=None)
            catch_up(opened)
        queries = opened.queries(caught_up=False)
        waiting = [w for w in queries.suspense(queries.ledger_position()) if w["vendor"] == vendor]
    issued, result = imported.issued, imported.result
    data = {**result_row(issued, result.first_position, result.last_position), "lines": imported.line_count}
    data |= {"total_minor": imported.total_minor, "currency": currency, "suspense": waiting}
    if json:
        render.as_json(data)
        return
    shown = f"{show(imported.total_minor, currency)} {currency}"
    again = "; imported already, nothing changed" if imported.again else ""
    render.say(f"{imported.line_count} lines, {shown}, statement month {source.statement_month}{again}")
    if not imported.control_total_given:
        console.print("[dim]no control total was given: the sum of the lines was taken for it[/dim]")
    if waiting:
        render.rows_table(waiting, ("number", "amount_minor", "since", "why"), f"in suspense for {vendor}")


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
