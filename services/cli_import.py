"""``trailbook import``: vendors' files, taken whole or not at all, or only looked at."""

import re
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

import typer

from adapters.statement_file import open_statement, read_mapping
from domain.ids import vendor_stream
from domain.log import CommandResult
from domain.message import Issued, Refused
from domain.money import plain, show, to_minor
from domain.vendor import contracted
from domain.vendor_statement import ReceiveStatement
from services import render
from services.cli_shared import (
    By,
    Json,
    WrongUsage,
    actor_from,
    catch_up,
    command_of,
    opened_house,
    progress,
    result_row,
)
from services.commands import CommandIdReused
from services.house import House
from services.render import console

import_app = typer.Typer(help="Take a vendor's file, whole or not at all.", no_args_is_help=True)


class FileAlreadyImported(Refused):
    """The same file of a vendor counts once, whatever number it is given and whoever gives it."""


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
    by: By = "",
    json: Json = False,
) -> None:
    """Import a vendor statement from CSV."""
    with opened_house() as opened:
        currency = contracted(opened.commands.state(vendor_stream(vendor)), vendor).currency
        read = open_statement(file, read_mapping(mapping), currency, month)
        lines = [line for chunk in read.chunks() for line in chunk]
        number = number or re.sub(r"[^A-Za-z0-9._/#-]+", "-", file.stem).strip("-._/#")
        command = command_of(
            ReceiveStatement,
            vendor=vendor,
            number=number,
            statement_month=read.statement_month,
            currency=currency,
            control_total_minor=read.total_minor if control_total is None else to_minor_units(control_total, currency),
            file_digest=read.digest,
            lines=lines,
        )
        issued = Issued(f"import-{vendor}-{read.statement_month}-{read.digest[7:23]}", actor_from(by), command)
        before = opened.log.result_of(issued.command_id)
        try:
            result = opened.handle(issued)
        except CommandIdReused:
            raise FileAlreadyImported(_imported_before(opened, file, before)) from None
        with progress() as bar:
            bar.add_task("projecting", total=None)
            catch_up(opened)
        queries = opened.queries(caught_up=False)
        waiting = [w for w in queries.suspense(queries.ledger_position()) if w["vendor"] == vendor]
    data = {**result_row(issued, result.first_position, result.last_position), "lines": read.line_count}
    data |= {"total_minor": read.total_minor, "currency": currency, "suspense": waiting}
    if json:
        render.as_json(data)
        return
    total = f"{show(read.total_minor, currency)} {currency}"
    again = "; imported already, nothing changed" if before else ""
    render.say(f"{read.line_count} lines, {total}, statement month {read.statement_month}{again}")
    if control_total is None:
        console.print("[dim]no control total was given: the sum of the lines was taken for it[/dim]")
    if waiting:
        render.rows_table(waiting, ("number", "amount_minor", "since", "why"), f"in suspense for {vendor}")


def _imported_before(opened: House, file: Path, before: CommandResult | None) -> str:
    earlier = opened.queries().audit_of_position(before.first_position) if before else ""
    return f"{file.name} is imported already, the same file counts once: {earlier}"


def to_minor_units(text: str, currency: str) -> str:
    """An amount in units as minor units. Raises WrongUsage."""
    try:
        return plain(to_minor(Decimal(text.replace(",", "")), currency))
    except InvalidOperation:
        raise WrongUsage(f"{text} is not an amount; write it like 1234.56") from None
