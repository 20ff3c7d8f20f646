"""The log of the program: one line for what happened, for a person at a terminal or as JSON for a program.

A line about a command or an event has its ``command_id`` and ``correlation_id``, and the positions. No line holds what
an event says: ids of streams, positions and codes, never names, notes, or numbers as vendors print them.
"""

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from structlog.typing import Processor

from adapters.projectors import EventAt
from adapters.settings import LogLevel, Settings
from domain.log import CommandResult
from domain.message import Issued

PRINTED_NUMBERS = re.compile(r"(^|[^a-z])suspense:")
"""Streams whose ids hold a number as a vendor prints it, which may be a telephone number."""

DETAIL = re.compile(r"\s*\bDETAIL:.*?(?=\n\n(?:During handling|The above exception)|\Z)", re.DOTALL)
"""PostgreSQL shows the whole row there, in which a text may have several lines; a traceback may go on after it."""
INPUT_VALUE = re.compile(r",? ?input_value=.*?(?=, input_type=)", re.DOTALL)
"""And pydantic the value."""


def configure_logs(settings: Settings, usual: LogLevel) -> None:
    """Log to the stream of errors, from the level of the settings on, or the usual one."""
    lines: list[Processor] = (
        [
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            _exception_without_values,
            _of_house(settings.house),
            structlog.processors.JSONRenderer(serializer=_one_line),
        ]
        if settings.log_format == "json"
        else [
            structlog.dev.set_exc_info,
            structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ]
    )
    level = logging.getLevelNamesMapping()[(settings.log_level or usual).upper()]
    structlog.configure(
        processors=[structlog.processors.add_log_level, *lines],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    if settings.log_format == "json":
        logging.captureWarnings(True)
        logging.basicConfig(handlers=[_FromLibraries()], level=max(level, logging.WARNING), force=True)


class _FromLibraries(logging.Handler):
    """What libraries say by the standard library's logging, as lines of the same log."""

    def emit(self, record: logging.LogRecord) -> None:
        said = without_values(" ".join(record.getMessage().split()))
        structlog.get_logger("trailbook").log(record.levelno, said, logger=record.name)


def _of_house(house: str) -> Processor:
    """Time, level, event and house first, then the fields."""

    def ordered(_: Any, __: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
        first = {key: line.pop(key) for key in ("time", "level", "event")}
        return {**first, "house": house, **line}

    return ordered


def _exception_without_values(_: Any, __: str, line: MutableMapping[str, Any]) -> Mapping[str, Any]:
    if "exception" in line:
        line["exception"] = without_values(line["exception"])
    return line


def _one_line(line: Mapping[str, Any], **_: Any) -> str:
    return json.dumps(line, default=str)


def of_command(issued: Issued, result: CommandResult | None = None) -> dict[str, Any]:
    """The fields of a command, and of what it led to."""
    if result is not None:
        return {"do": issued.command.do, **of_result(result)}
    return {"do": issued.command.do, **_ids(issued.command_id)}


def of_result(result: CommandResult) -> dict[str, Any]:
    """The fields of what a command led to: the positions of its first and last event, 0 for none."""
    ids = _ids(result.command_id)
    return {**ids, "first_position": result.first_position, "last_position": result.last_position}


def _ids(command_id: str) -> dict[str, Any]:
    return {"command_id": shown_id(command_id), "correlation_id": shown_id(command_id)}


def of_event(found: EventAt | None) -> dict[str, Any]:
    """The fields of an event that something is wrong with; none where there is no event."""
    if found is None:
        return {}
    ids = {
        "event_id": found.event_id,
        "command_id": found.command_id,
        "correlation_id": found.correlation_id,
    }
    return {"topic": found.topic, **{name: shown_id(value) for name, value in ids.items() if value is not None}}


def shown_id(value: str) -> str:
    """An id, unless it may hold a number as a vendor prints it."""
    return "left out" if PRINTED_NUMBERS.search(value) else value


def without_values(reason: str) -> str:
    """A fault's own words without the values that it met, which may be anybody's."""
    return INPUT_VALUE.sub("", DETAIL.sub("", reason))
