"""``trailbook suspense``: what waits, which accounts are likely, and placements by two persons."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from adapters.faults import first_fault
from adapters.statement_faults import Faults
from adapters.table_file import TableRead, TableRow, read_table
from domain.line_move import ApproveLineMove, ProposeLineMove, RejectLineMove
from domain.message import Command, Issued, Refused
from domain.suspense import ApprovePlacement, LineOf, ProposePlacement, RejectPlacement
from services import render
from services.cli_shared import (
    By,
    Json,
    WrongUsage,
    actor_from,
    catch_up,
    command_of,
    give,
    opened_house,
    progress,
    result_row,
)
from services.suspense import BUCKETS, Desk, Waits, by_age, by_number

suspense_app = typer.Typer(
    help="Money whose number means no account of ours, until it is placed.", no_args_is_help=True
)

Vendor = Annotated[str, typer.Option(help="Whose number it is.")]
Number = Annotated[str | None, typer.Argument(help="The number as printed; or give --file.")]
OfLines = Annotated[
    list[str] | None,
    typer.Option("--line", help="One line, as STATEMENT:LINE such as LU-2026-02:17; repeat it for several."),
]
Placements = Annotated[
    Path | None, typer.Option("--file", help="CSV: vendor, number, account[, service, service_month, statement, line].")
]
REQUIRED = ("vendor", "number", "account")
OPTIONAL = ("service", "service_month", "keep_alias", "statement", "line")


@suspense_app.command("list")
def suspense_list(
    vendor: Annotated[str | None, typer.Option(help="One vendor's only.")] = None,
    age: Annotated[str | None, typer.Option(help=f"Days waiting, one of {', '.join(BUCKETS)}.")] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Each line, with statement and month.")] = False,
    likely: Annotated[bool, typer.Option("--likely", help="The accounts that each number may mean.")] = False,
    known: Annotated[str | None, typer.Option("--known", help="As known at: a position, a house day, a time.")] = None,
    json: Json = False,
) -> None:
    """What waits, since when and why, the oldest first."""
    if age is not None and age not in BUCKETS:
        raise WrongUsage(f"--age {age} is no age; write {', '.join(BUCKETS)}")
    with opened_house() as opened:
        queries = opened.queries()
        desk = Desk(queries, queries.known_at(known))
        found = desk.lines(vendor, age)
        numbers = by_number(found)
        for row in numbers if likely else ():
            candidates = desk.likely(row["vendor"], row["number"], row["account"])
            row["likely"] = [candidate._asdict() for candidate in candidates]
    if json:
        render.as_json({"as_known_at": desk.known, "ages": by_age(found), "numbers": numbers})
    elif not found:
        render.say("nothing is in suspense")
    else:
        _show(found, numbers, each_line=lines)


def _show(found: Sequence[Waits], numbers: Sequence[dict[str, Any]], *, each_line: bool) -> None:
    render.rows_table(by_age(found), ("age", "line_count", "amount_minor", "currency"), "in suspense, by days waiting")
    if each_line:
        columns = (
            "vendor",
            "number",
            "statement",
            "line",
            "service_month",
            "amount_minor",
            "currency",
            "since",
            "days",
        )
        render.rows_table([asdict(waits) for waits in found], columns, "lines")
        return
    shown = ("vendor", "number", "line_count", "amount_minor", "currency", "since", "days", "why")
    render.rows_table(numbers, shown, "numbers")
    for row in numbers:
        for candidate in row.get("likely", ()):
            service = f" service {candidate['service']}" if candidate["service"] else ""
            render.say(f"{row['vendor']} {row['number']}: perhaps {candidate['account']}{service}: {candidate['why']}")


# -- placements


@suspense_app.command("propose")
def suspense_propose(
    number: Number = None,
    vendor: Annotated[str | None, typer.Option(help="Whose number it is.")] = None,
    account: Annotated[str | None, typer.Option(help="Our account.")] = None,
    service: Annotated[str | None, typer.Option(help="The account's service that the lines are for.")] = None,
    line: OfLines = None,
    month: Annotated[str | None, typer.Option(help="Service month of lines without one, such as 2026-01.")] = None,
    keep: Annotated[
        bool | None, typer.Option("--keep/--once", help="Whether the account keeps the number; single lines do not.")
    ] = None,
    file: Placements = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Propose where lines belong: all of a number, single ones, or the numbers of a file."""
    if file is not None:
        _give_all(file, "place", _proposals(read_table(file, REQUIRED, OPTIONAL), file.name), by, json=json)
        return
    command = command_of(
        ProposePlacement,
        vendor=vendor,
        number=number,
        account=account,
        service=service,
        lines=_lines_of(line),
        service_month=month,
        keep_alias=keep,
    )
    give(command, by, json=json)


@suspense_app.command("approve")
def suspense_approve(
    number: Number = None,
    vendor: Annotated[str | None, typer.Option(help="Whose number it is.")] = None,
    line: OfLines = None,
    file: Placements = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Approve a placement that somebody else proposed, or all those of a file."""
    if file is not None:
        proposed = _proposals(read_table(file, REQUIRED, OPTIONAL), file.name)
        answers = [(n, ApprovePlacement(vendor=p.vendor, number=p.number, lines=p.lines)) for n, p in proposed]
        _give_all(file, "approve", answers, by, json=json)
        return
    give(command_of(ApprovePlacement, vendor=vendor, number=number, lines=_lines_of(line)), by, json=json)


@suspense_app.command("reject")
def suspense_reject(
    number: str,
    vendor: Vendor,
    because: Annotated[str, typer.Option(help="Why.")],
    line: OfLines = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Reject a proposed placement; its lines wait on."""
    command = command_of(RejectPlacement, vendor=vendor, number=number, lines=_lines_of(line), rejected_because=because)
    give(command, by, json=json)


def _lines_of(texts: Iterable[str] | None) -> list[LineOf] | None:
    found: list[LineOf] = []
    for text in texts or ():
        statement, _, line = text.rpartition(":")
        try:
            found.append(LineOf.model_validate({"statement": statement, "line": line}))
        except ValidationError:
            raise WrongUsage(f"--line {text} is not a line of a statement; write it like LU-2026-02:17") from None
    return found or None


# -- files: one command for each number, under an id made of the file, so that the same file goes on where it stopped


def _proposals(read: TableRead, name: str) -> list[tuple[int, ProposePlacement]]:
    """One placement for each number and account, by the line of its first row. Raises StatementFaults."""
    faults = Faults(name)
    grouped: dict[tuple[tuple[str, str], ...], list[TableRow]] = {}
    for row in read.rows:
        if ("statement" in row.cells) != ("line" in row.cells):
            faults.add(f"line {row.line}: a line needs both its statement and its line; fill in both or none")
        key = tuple(sorted((k, v) for k, v in row.cells.items() if k not in ("statement", "line")))
        grouped.setdefault((*key, ("lines", str("line" in row.cells))), []).append(row)
    found = [(rows[0].line, command) for rows in grouped.values() if (command := _proposal(rows, faults)) is not None]
    faults.check()
    return found


def _proposal(rows: Sequence[TableRow], faults: Faults) -> ProposePlacement | None:
    cells: dict[str, Any] = {k: v for k, v in rows[0].cells.items() if k not in ("statement", "line")}
    if "keep_alias" in cells:
        cells["keep_alias"] = {"yes": True, "no": False}.get(cells["keep_alias"].casefold(), cells["keep_alias"])
    named = [{"statement": r.cells.get("statement"), "line": r.cells["line"]} for r in rows if "line" in r.cells]
    try:
        return ProposePlacement.model_validate({**cells, **({"lines": named} if named else {})})
    except ValidationError as error:
        faults.add(f"line {rows[0].line}: {first_fault(error, cells)}")
        return None


def _give_all(file: Path, what: str, commands: Iterable[tuple[int, Command]], by: str, *, json: bool) -> None:
    """Give a file's commands, each once; a refused one is said and the next is given."""
    digest = read_table(file, REQUIRED, OPTIONAL).digest[7:23]
    results: list[dict[str, Any]] = []
    numbered = list(commands)
    with opened_house() as opened, progress() as bar:
        task = bar.add_task(what, total=len(numbered))
        for line, command in numbered:
            issued = Issued(f"{what}-{digest}-{line}", actor_from(by), command)
            again = opened.log.result_of(issued.command_id) is not None
            try:
                result = opened.handle(issued)
                row = result_row(issued, result.first_position, result.last_position)
                results.append({**row, "line": line, "again": again, "refused": None, "because": ""})
            except Refused as refusal:
                row = result_row(issued, 0, 0)
                results.append({**row, "line": line, "again": again, "refused": refusal.code, "because": str(refusal)})
            bar.advance(task)
        catch_up(opened)
    refused = [row for row in results if row["refused"]]
    if json:
        render.as_json(results)
    else:
        again_count = sum(row["again"] for row in results)
        already = f", {again_count} of them before" if again_count else ""
        render.say(f"{len(results) - len(refused)} of {len(results)} commands are recorded{already}")
        for row in refused:
            render.fault(f"{file.name} line {row['line']}: refused: {row['because']} [{row['refused']}]")
    if refused:
        raise typer.Exit(1)


# -- moves of what was placed wrongly

Statement = Annotated[str, typer.Argument(help="The statement's number.")]
MoveLines = Annotated[list[int] | None, typer.Option("--line", help="A line's number; repeat it for several.")]


@suspense_app.command("move")
def suspense_move(
    statement: Statement,
    vendor: Vendor,
    line: Annotated[list[int], typer.Option("--line", help="A line's number; repeat it for several.")],
    from_: Annotated[str, typer.Option("--from", help="The account on which the lines are.")],
    because: Annotated[str, typer.Option(help="Why.")],
    to: Annotated[str | None, typer.Option(help="The account to which they belong.")] = None,
    back_under: Annotated[str | None, typer.Option(help="Back into suspense under this number as printed.")] = None,
    service: Annotated[str | None, typer.Option(help="The account's service that the lines are for.")] = None,
    month: Annotated[str | None, typer.Option(help="Service month of lines without one, such as 2026-01.")] = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Propose to move lines that are on the wrong account to another one, or back into suspense."""
    command = command_of(
        ProposeLineMove,
        vendor=vendor,
        statement=statement,
        lines=line,
        from_account=from_,
        to_account=to,
        number=back_under,
        service=service,
        service_month=month,
        moved_because=because,
    )
    give(command, by, json=json)


@suspense_app.command("approve-move")
def suspense_approve_move(
    statement: Statement, vendor: Vendor, line: MoveLines = None, by: By = "", json: Json = False
) -> None:
    """Approve a move of lines that somebody else proposed."""
    give(command_of(ApproveLineMove, vendor=vendor, statement=statement, lines=line), by, json=json)


@suspense_app.command("reject-move")
def suspense_reject_move(
    statement: Statement,
    vendor: Vendor,
    because: Annotated[str, typer.Option(help="Why.")],
    line: MoveLines = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Reject a proposed move; the lines stay where they are."""
    command = command_of(RejectLineMove, vendor=vendor, statement=statement, lines=line, rejected_because=because)
    give(command, by, json=json)
