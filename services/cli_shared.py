"""What the modules of the command line share: whose book is open, who gives a command, and how it is said."""

import getpass
import os
import re
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
from pydantic import ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from adapters.database import DatabaseUnavailable
from adapters.faults import SettingsWrong, first_fault
from adapters.projectors import Poison
from adapters.settings import HIGHEST_PORT, Settings
from domain.message import Actor, Command, Evidence, Issued
from services import render
from services.house import House, open_house
from services.logs import configure_logs
from services.render import errors

Json = Annotated[bool, typer.Option("--json", help="Print data for a program.")]
Known = Annotated[str | None, typer.Option("--known", help="As known at: a position, a house day, or a time.")]
By = Annotated[str, typer.Option("--by", help="Who gives the command, as issuer/subject; default: you.")]

HttpPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=HIGHEST_PORT,
        help="Port for /metrics, /healthz and /readyz, in place of TRAILBOOK_HTTP_PORT; 0 is any that is free.",
    ),
]

SETTINGS: list[Settings] = []
"""The settings of this run: one, once the options are read."""


OPTIONS = {"proposed_because": "--because", "release": "--release"}
"""Fields of commands by the options that give them, where those are called otherwise."""


class WrongUsage(Exception):
    """The command line cannot be understood. The message is one sentence."""


@contextmanager
def opened_house() -> Iterator[House]:
    """The house that the options name, closed afterwards."""
    with open_house(SETTINGS[0]) as opened:
        yield opened


def outlive_peers() -> None:
    """Let a write to who has gone away fail, as it should, instead of ending the program: for what talks over sockets.

    Elsewhere the program ends quietly with whoever reads its output.
    """
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)


@contextmanager
def going_on(http_port: int | None) -> Iterator[Settings]:
    """The settings of a process that goes on until it is stopped, whose log says what it does.

    Where the log is JSON, so is what ends the process.
    """
    settings = SETTINGS[0] if http_port is None else replace(SETTINGS[0], http_port=http_port)
    configure_logs(settings, "info")
    outlive_peers()
    try:
        yield settings
    except Exception as fault:
        if settings.log_format != "json":
            raise
        ours = type(fault).__module__.partition(".")[0] in ("domain", "projections", "adapters", "services")
        because = str(fault) if ours else type(fault).__name__
        structlog.get_logger("trailbook").error("ended", because=because, exc_info=not ours)
        raise typer.Exit(2 if isinstance(fault, SettingsWrong) else 1) from None


def actor_from(text: str) -> Actor:
    """Who gives a command: what ``--by`` says, else the user of the operating system."""
    text = (
        text or os.environ.get("TRAILBOOK_ACTOR") or "os/" + re.sub(r"[^a-z0-9._@+-]", "-", getpass.getuser().lower())
    )
    try:
        return Actor.model_validate(text)
    except ValidationError as error:
        raise WrongUsage(f"--by {text}: {first_fault(error)}") from None


def day(text: str) -> date:
    """A day as it is written on the command line. Raises WrongUsage."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WrongUsage(f"{text} is not a date; write it like 2026-02-20") from None


def day_if_given(text: str | None) -> date | None:
    """None for an option that was left out, or left empty. Raises WrongUsage."""
    return day(text) if text else None


def command_of(kind: type[Command], **fields: Any) -> Command:
    """A command of the fields that were given. Raises WrongUsage."""
    try:
        return kind.model_validate({key: value for key, value in fields.items() if value is not None})
    except ValidationError as error:
        raise WrongUsage(f"{kind.do}: {first_fault(error, names=OPTIONS)}") from None


def give(
    command: Command, by: str, command_id: str = "", *, evidence: Evidence | None = None, json: bool = False
) -> None:
    """Record one command and say what it led to."""
    issued = Issued(command_id or f"cli-{uuid.uuid4()}", actor_from(by), command, evidence)
    with opened_house() as opened:
        again = "recorded already: " if opened.log.result_of(issued.command_id) else ""
        result = opened.handle(issued)
        data = result_row(issued, result.first_position, result.last_position)
        if json:
            render.as_json(data)
        catch_up(opened)
        if json:
            return
        queries = opened.queries(caught_up=False)
        for position in range(result.first_position, result.last_position + 1 if result.first_position else 0):
            render.say(f"{position:>6}  {again}{queries.audit_of_position(position)}")
        if not result.first_position:
            render.say("nothing changed")


def catch_up(opened: House) -> None:
    """Project what was recorded. Where that fails it takes back nothing, and says so."""
    try:
        opened.projectors.catch_up()
    except (Poison, DatabaseUnavailable) as fault:
        render.fault(f"the commands are recorded, but {fault}")
        raise typer.Exit(1) from None


def result_row(issued: Issued, first: int, last: int) -> dict[str, Any]:
    """What is said of a command to a program: the positions of its first and last event, 0 where it led to none."""
    return {"id": issued.command_id, "do": issued.command.do, "first_position": first, "last_position": last}


def progress() -> Progress:
    """A bar for a person who waits at a terminal, on the stream of errors."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=errors,
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def write_whole(path: Path, text: str, option: str) -> None:
    """The whole file or none of it; ``option`` named it. Raises WrongUsage."""
    if not path.name:
        raise WrongUsage(f"{option} names no file; write it like {option} difference.html")
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        unfinished.write_bytes(text.encode())
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True) if unfinished.parent.is_dir() else None
        raise WrongUsage(f"{option} {path} cannot be written: {error.strerror}; name another file") from None
