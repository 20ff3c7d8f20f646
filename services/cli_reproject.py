"""``trailbook reproject``: who would gain and who lose by another recipe; then the switch, by two persons."""

import re
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

from domain.message import Command, Issued
from domain.money import show
from domain.recipe import (
    ApproveReprojection,
    DropReprojection,
    PromoteReprojection,
    ProposeReprojection,
    ReprojectionAlreadyProposed,
    UndoReprojection,
)
from domain.words import counted
from services import render
from services.cli_shared import By, Json, WrongUsage, actor_from, catch_up, command_of, opened_house, write_whole
from services.commands import CommandIdReused
from services.reprojection import Posted, Reprojections, Standing, reaches, recipe_words, rule_words
from services.reprojection_diff import Selection
from services.reprojection_pages import (
    Report,
    as_html,
    as_table,
    in_all,
    signed,
    with_parts,
    words,
    write_csv,
    write_json,
    write_reasoned_csv,
)

reproject_app = typer.Typer(
    help="Another recipe, valued beside the live ledger: who would gain and who lose, before it counts.",
    no_args_is_help=True,
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The reprojection's id.")]
Because = Annotated[str | None, typer.Option("--because", help="Why, as the second person reads it.")]
Workers = Annotated[int | None, typer.Option(min=1, max=64, help="Processes that value; default: one a core.")]

MANY_LINES = 10_000
"""Of fewer lines it says nothing how many there were a second."""
IN_TERMINAL, ON_PAGE = 10, 50
"""How many of the largest differences are shown with their reasons."""


@contextmanager
def _reprojections() -> Iterator[Reprojections]:
    with opened_house() as opened:
        yield Reprojections(opened)


def _issued(command: Command, by: str, command_id: str = "") -> Issued:
    return Issued(command_id or f"cli-{uuid.uuid4()}", actor_from(by), command)


# -- proposing


@reproject_app.command("propose")
def propose(
    reprojection: Id,
    plan: Annotated[
        list[str] | None, typer.Option(help="A proposed plan version, such as standard@2; repeat it for several.")
    ] = None,
    release: Annotated[int | None, typer.Option(help="Another rating release.")] = None,
    because: Because = None,
    workers: Workers = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Value all cells under another recipe, up to the head of the log. Given again it goes on where it was stopped."""
    command = None
    if plan or release is not None or because is not None:
        command = command_of(
            ProposeReprojection,
            reprojection=reprojection,
            plan_versions=[_plan_version(text) for text in plan or ()],
            release=release,
            proposed_because=because,
        )
    _propose(reprojection, command, by, workers, json=json)


@reproject_app.command("undo")
def undo(
    reprojection: Annotated[str, typer.Argument(metavar="ID", help="The reprojection that was promoted last.")],
    as_: Annotated[str, typer.Option("--as", help="The id of the reprojection that takes it back.")],
    because: Because = None,
    workers: Workers = None,
    by: By = "",
    json: Json = False,
) -> None:
    """Propose to take a promotion back; that is valued, looked at, approved and promoted like any other."""
    command = command_of(UndoReprojection, reprojection=as_, undoes=reprojection, proposed_because=because)
    _propose(as_, command, by, workers, json=json)


def _propose(reprojection: str, command: Command | None, by: str, workers: int | None, *, json: bool) -> None:
    with _reprojections() as reprojections:
        if command is not None:
            try:
                reprojections.record(_issued(command, by, f"propose-reprojection-{reprojection}"))
            except CommandIdReused:
                raise ReprojectionAlreadyProposed(
                    f"reprojection {reprojection} is proposed already, by somebody else or otherwise; "
                    f"`trailbook reproject propose {reprojection}` alone goes on with it"
                ) from None
        with bar_of_lines() as report:
            began = time.monotonic()
            position = reprojections.value(reprojection, workers, report)
            seconds = time.monotonic() - began
        with reprojections.difference(reprojection) as (found, _):
            standing = reprojections.standing(reprojection)
    if json:
        render.as_json({**standing._asdict(), **_sums(found), "seconds": round(seconds, 3)})
        return
    many = (standing.lines or 0) >= MANY_LINES
    speed = f", {round((standing.lines or 0) / seconds):,} lines/s" if many and seconds >= 1 else ""
    render.say(
        f"reprojection {reprojection} is valued up to position {position}: "
        f"{counted(standing.lines or 0, 'line')} in {seconds:.1f} s{speed}"
    )
    _say_in_all(found)
    if standing.approved_by is None:
        render.say(
            f"look at it with `trailbook reproject diff {reprojection}`; then somebody else than "
            f"{standing.proposed_by} approves it with `trailbook reproject approve {reprojection}`"
        )


def _plan_version(text: str) -> dict[str, Any]:
    """Raises WrongUsage."""
    plan, at, number = text.rpartition("@")
    if not at or not re.fullmatch(r"[1-9][0-9]{0,5}", number):
        raise WrongUsage(f"--plan {text} is not a plan version; write it like standard@2")
    return {"plan": plan, "plan_version": int(number)}


class _Speed(ProgressColumn):
    """Lines a second."""

    def render(self, task: Task) -> Text:
        return Text(f"{round(task.finished_speed or task.speed or 0):,} lines/s")


@contextmanager
def bar_of_lines() -> Iterator[Callable[[int, int], None]]:
    """A bar of lines for a person who waits: how many, how fast, how long still."""
    if not render.errors.is_terminal:
        yield lambda done, total: None
        return
    with Progress(
        TextColumn("valuing"),
        BarColumn(),
        TextColumn("{task.completed:,.0f} of {task.total:,.0f} lines"),
        _Speed(),
        TimeRemainingColumn(),
        console=render.errors,
        transient=True,
    ) as bar:
        task = bar.add_task("valuing", total=0, visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def _sums(report: Report) -> dict[str, Any]:
    return {"totals": [total._asdict() for total in report.overall], "sizes": [s._asdict() for s in report.sizes]}


def _say_in_all(report: Report) -> None:
    if not report.overall:
        render.say(_nothing(report))
    for total in report.overall:
        (size,) = report.of(total.currency, report.sizes)
        for sentence in in_all(total, size, report.agents(total.currency), words(report.head)):
            render.say(f"  {sentence}")


# -- looking


@reproject_app.command("list")
def list_(json: Json = False) -> None:
    """Every reprojection: whether it is valued, up to where, who approved it, when it was promoted."""
    with _reprojections() as reprojections:
        rows = [standing._asdict() for standing in reprojections.listed()]
    if json:
        render.as_json(rows)
    elif not rows:
        render.say("no reprojection was proposed yet")
    else:
        columns = ("reprojection", "status", "proposed_by", "approved_by", "valued_at", "behind", "promoted_at")
        render.rows_table(rows, columns, "reprojections")


@reproject_app.command("show")
def show_(reprojection: Id, json: Json = False) -> None:
    """One reprojection in words: what it brings, whom that reaches, how far it is."""
    with _reprojections() as reprojections:
        standing = reprojections.standing(reprojection)
        found = reprojections.found(reprojection)
        agents = reaches(found.proposed, reprojections.house.queries(caught_up=False).house)
    recipe = list(recipe_words(found.proposed.change))
    if json:
        render.as_json(
            {
                **standing._asdict(),
                "recipe": recipe,
                "rules": list(rule_words(found.proposed.change)),
                "reaches": agents,
            }
        )
        return
    render.say(f"Reprojection {reprojection}, proposed by {standing.proposed_by}: {standing.because}")
    for sentence in (*recipe, *rule_words(found.proposed.change)):
        render.say(f"  {sentence}")
    if agents is None:
        render.say("  it can reach everybody")
    else:
        named = ", ".join(agents[:10]) + (f" and {len(agents) - 10} more" if len(agents) > 10 else "")
        render.say(f"  it can reach the accounts of {counted(len(agents), 'agent')}: {named or 'nobody yet'}")
    _say_standing(standing)


def _say_standing(standing: Standing) -> None:
    if standing.undoes:
        render.say(f"  it takes back reprojection {standing.undoes}")
    if standing.valued_at is not None:
        behind = f"{counted(standing.behind or 0, 'event')} behind" if standing.behind else "at the head of the log"
        render.say(f"  valued at position {standing.valued_at}, {behind}: {counted(standing.lines or 0, 'line')}")
    elif standing.status == "valuing":
        render.say(f"  not valued to its end yet: `trailbook reproject propose {standing.reprojection}` goes on")
    if standing.approved_by:
        render.say(f"  approved by {standing.approved_by}")
    if standing.promoted_at is not None:
        render.say(f"  promoted at position {standing.promoted_at}")
    if standing.status in ("dropped", "undone"):
        render.say(f"  {standing.status}")


@reproject_app.command("diff")
def diff(
    reprojection: Id,
    payee: Annotated[str | None, typer.Option(help="Only an agent's; or house, or suspense.")] = None,
    account: Annotated[str | None, typer.Option(help="Only on this account.")] = None,
    month: Annotated[str | None, typer.Option(help="Only of this service month, such as 2026-04.")] = None,
    limit: Annotated[
        int | None,
        typer.Option(
            min=0, max=10_000, help="Only the largest, with old reason and new; without it JSON and CSV have every row."
        ),
    ] = None,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="A row a difference, amounts in units.")] = False,
    html: Annotated[Path | None, typer.Option(help="A page with plots for a browser or for paper: the file.")] = None,
) -> None:
    """What would move: by payee, account, service month and cause, as of the head of the log.

    Of a reprojection that was promoted: what its promotion posted.
    """
    if json + csv + (html is not None) > 1:
        raise WrongUsage("a difference is written as one of --json, --csv and --html")
    if month is not None and not re.fullmatch(r"(19|20)\d\d-(0[1-9]|1[0-2])", month):
        raise WrongUsage(f"--month {month} is not a month; write it like 2026-04")
    shown = limit if limit is not None else 0 if json or csv else IN_TERMINAL if html is None else ON_PAGE
    with _reprojections() as reprojections:
        selection = Selection(payee, account, month)
        with reprojections.difference(reprojection, selection, shown) as (report, differences):
            out = render.console.file
            if json:
                rows = (row._asdict() for row in differences.rows())
                write_json(report, rows if limit is None else with_parts(report.largest), out)
            elif csv:
                write_csv(differences.rows(), out) if limit is None else write_reasoned_csv(report.largest, out)
            elif html is not None:
                write_whole(html, as_html(report), "--html")
                render.say(f"{html} is the difference of {reprojection}, {report.head.standing}")
            elif report.overall:
                as_table(report)
            else:
                _say_nothing(report)


def _nothing(report: Report) -> str:
    if report.head.promoted_at is not None:
        return f"nothing was posted at position {report.head.promoted_at}: every figure stayed as it was"
    return f"nothing differs as of position {report.head.as_of}: every figure stays as it is"


def _say_nothing(report: Report) -> None:
    if report.sizes:
        render.say(f"nothing differs for {report.selected}, {report.head.standing}")
    else:
        _say_in_all(report)


# -- deciding


@reproject_app.command("approve")
def approve(reprojection: Id, by: By = "", json: Json = False) -> None:
    """Approve what somebody else proposed; what it would move as of now is recorded with the approval."""
    with _reprojections() as reprojections:
        report = reprojections.approve(_issued(command_of(ApproveReprojection, reprojection=reprojection), by))
    if json:
        render.as_json({"reprojection": reprojection, "as_valued_at": report.head.as_of, **_sums(report)})
        return
    render.say(f"reprojection {reprojection} is approved, as valued at position {report.head.as_of}")
    _say_in_all(report)


@reproject_app.command("promote")
def promote(reprojection: Id, by: By = "", json: Json = False) -> None:
    """Make the approved reprojection the live recipe: one event, at which the ledger posts new less old."""
    with _reprojections() as reprojections:
        began = time.monotonic()
        reprojections.promote(_issued(command_of(PromoteReprojection, reprojection=reprojection), by))
        catch_up(reprojections.house)
        position, posted = reprojections.posted(reprojection)
        seconds = time.monotonic() - began
    if json:
        rows = [row._asdict() for row in posted]
        render.as_json({"reprojection": reprojection, "position": position, "posted": rows, "seconds": seconds})
        return
    render.say(f"reprojection {reprojection} is promoted at position {position}, in {seconds:.1f} s")
    _say_posted(posted)


def _say_posted(posted: Sequence[Posted]) -> None:
    if not posted:
        render.say("  nothing was posted: every figure stays as it is")
    for row in posted:
        gained, lost = show(row.gained_minor, row.currency), show(-row.lost_minor, row.currency)
        render.say(
            f"  {counted(row.cells, 'posting')}, one a cell, of {row.entries:,} entries in {row.currency}: agents gain "
            f"{gained} and lose {lost}, the house {signed(row.house_minor, row.currency)}"
        )


@reproject_app.command("drop")
def drop(reprojection: Id, by: By = "", json: Json = False) -> None:
    """Give a reprojection up: its valuation goes, nothing else changes."""
    with _reprojections() as reprojections:
        reprojections.drop(_issued(command_of(DropReprojection, reprojection=reprojection), by))
    if json:
        render.as_json({"reprojection": reprojection, "dropped": True})
    else:
        render.say(f"reprojection {reprojection} is dropped; the ledger stays as it is")
