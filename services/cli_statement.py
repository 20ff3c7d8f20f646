"""``trailbook statement``: what an agent was paid in a closed pay run, of what, and why."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from adapters.party import Parties
from services import render
from services.agent_statement import AgentStatements
from services.agent_statement_pages import as_csv, as_html, as_table
from services.cli_shared import WrongUsage, opened_house, progress, write_whole


class Format(StrEnum):
    TABLE = "table"
    CSV = "csv"
    HTML = "html"
    JSON = "json"


def statement(
    agent: Annotated[str | None, typer.Argument(help="Whose statement; not with --all.")] = None,
    pay_run: Annotated[str, typer.Option(help="A pay run that was released.")] = ...,  # type: ignore[assignment]
    format_: Annotated[Format, typer.Option("--format", help="With --all, html if it is not given.")] = Format.TABLE,
    out: Annotated[Path | None, typer.Option(help="A file to write; with --all a folder.")] = None,
    every: Annotated[bool, typer.Option("--all", help="One file for each agent of the pay run.")] = False,
    names: Annotated[bool, typer.Option(help="With the names of agent and customers, as they are today.")] = True,
) -> None:
    """An agent's statement of a closed pay run: earned, corrections, adjustments, holds, and how they sum."""
    if every == (agent is not None):
        raise WrongUsage("name one agent, or all of them with --all and not both")
    if every and out is None:
        raise WrongUsage("--all writes a file for each agent; name the folder with --out")
    with opened_house() as opened:
        known_names = Parties(opened.database).names() if names else {}
        statements = AgentStatements(opened.queries(), pay_run, known_names)
        if agent is None:
            assert out is not None
            _write_all(statements, Format.HTML if format_ == Format.TABLE else format_, out)
            return
        data = statements.of(agent)
    if out is None:
        _print(data, format_)
    elif format_ == Format.TABLE:
        raise WrongUsage("a table is for the terminal; name another --format to write to a file")
    else:
        write_whole(out, _text(data, format_), "--out")
        render.say(f"{out} is the statement of {agent} in pay run {pay_run}")


def _write_all(statements: AgentStatements, format_: Format, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUsage(f"--out {folder}: {error.strerror}") from None
    agents = statements.agents()
    with progress() as bar:
        task = bar.add_task("statements", total=len(agents))
        for agent in agents:
            write_whole(folder / f"{agent}.{format_}", _text(statements.of(agent), format_), "--out")
            bar.advance(task)
    files = "1 statement" if len(agents) == 1 else f"{len(agents)} statements"
    render.say(f"{files} of pay run {statements.pay_run} written to {folder}")


def _text(data: dict[str, Any], format_: Format) -> str:
    match format_:
        case Format.CSV:
            return as_csv(data)
        case Format.HTML:
            return as_html(data)
        case _:
            return render.json_text(data)


def _print(data: dict[str, Any], format_: Format) -> None:
    if format_ == Format.TABLE:
        as_table(data)
    else:
        render.console.file.write(_text(data, format_))
