"""``trailbook vendor succeed``: a vendor's accounts are another vendor's from a date."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.table_file import read_table
from domain.message import Issued
from domain.succession import AnnounceSuccession
from services import render
from services.cli_accounts import vendor_app
from services.cli_shared import By, Json, actor_from, catch_up, command_of, day, opened_house, progress
from services.succession import Report, announcement_id, check, succeed

__all__ = ["vendor_app"]

SHOWN = 20
NUMBERS = "CSV: number,becomes. The successor's number, or kept, or unknown (also: left empty)."
OTHERS = "Numbers not in --renumber: kept or unknown; default: kept without --renumber, else unknown."
LATE = "The former vendor's late lines: for-months-before, always or never taken."


@vendor_app.command("succeed")
def vendor_succeed(
    from_: Annotated[str, typer.Option("--from", help="The vendor that pays no longer.")],
    to: Annotated[str, typer.Option("--to", help="The vendor that succeeds it.")],
    on: Annotated[str, typer.Option("--on", help="The change-over: the first day of the successor's months.")],
    accounts: Annotated[Path | None, typer.Option(help="CSV: account. Only these; default: all.")] = None,
    renumber: Annotated[Path | None, typer.Option(help=NUMBERS)] = None,
    others: Annotated[str | None, typer.Option(help=OTHERS)] = None,
    late_lines: Annotated[str, typer.Option(help=LATE)] = "for-months-before",
    check_only: Annotated[bool, typer.Option("--check", help="Say what it would be, record nothing.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Once more, for accounts opened since.")] = False,
    by: By = "",
    json: Json = False,
) -> None:
    """Another vendor pays for a vendor's accounts, all or named ones, from a date. Given again, it goes on."""
    command = command_of(
        AnnounceSuccession,
        vendor=from_,
        successor=to,
        effective_on=day(on),
        accounts=_accounts(accounts) if accounts else "all",
        numbers=_numbers(renumber) if renumber else (),
        other_numbers=others or ("unknown" if renumber else "kept"),
        late_lines=late_lines,
    )
    assert isinstance(command, AnnounceSuccession)
    with opened_house() as opened, progress() as bar:
        completed = len(opened.commands.state(command.stream).completed) if again else 0
        issued = Issued(announcement_id(command, completed), actor_from(by), command)
        if check_only:
            report = check(opened, issued)
        else:
            task = bar.add_task("accounts", total=None)
            report = succeed(opened, issued, lambda done, total: bar.update(task, completed=done, total=total))
            catch_up(opened)
    render.as_json(_data(report)) if json else _show(report, command)
    if report.left_out:
        raise typer.Exit(1)


def _accounts(path: Path) -> list[str]:
    return [row.cells["account"] for row in read_table(path, ("account",)).rows]


def _numbers(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for row in read_table(path, ("number",), ("becomes",)).rows:
        becomes = row.cells.get("becomes", "unknown")
        renumbered: dict[str, Any] = {"number": row.cells["number"]}
        if becomes == "kept":
            renumbered["kept"] = True
        elif becomes != "unknown":
            renumbered["becomes"] = becomes
        found.append(renumbered)
    return found


def _data(report: Report) -> dict[str, Any]:
    return {
        **asdict(report),
        "left_out": [left.model_dump() for left in report.left_out],
        "collisions": [collision.model_dump() for collision in report.collisions],
    }


def _show(report: Report, command: AnnounceSuccession) -> None:
    what = f"{command.successor} succeeds {command.vendor} on {command.effective_on}"
    if report.completed:
        render.say(f"{what}: {report.moved:,} of {report.accounts:,} accounts moved")
    else:
        render.say(f"{what}: would move {report.accounts:,} accounts; nothing is recorded")
    for collision in report.collisions[:SHOWN]:
        render.say(f"collision: {collision.number} would mean {', '.join(collision.accounts)}; its lines will wait")
    if len(report.collisions) > SHOWN:
        render.say(f"… and {len(report.collisions) - SHOWN:,} more collisions")
    if report.unlisted:
        render.say(
            f"{command.successor} does not list {', '.join(report.unlisted)}: rules by category do not find lines that "
            "name them; list its products"
        )
    for left in report.left_out[:SHOWN]:
        render.fault(f"left out: {left.account}: {left.because}")
