"""What is wrong with a value from outside, in words: which field, what it is, and what to write instead."""

import re
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from domain.ids import KEY, SLUG

SHOWN = 60

SHAPES: Mapping[str, str] = {
    SLUG: "lower-case letters, digits and . _ -",
    KEY: "letters, digits and . _ / # -",
    r"^[a-z0-9][a-z0-9._:-]{0,99}$": "lower-case letters, digits and . _ : -",
    r"^[a-z0-9][a-z0-9._@+-]{0,79}$": "lower-case letters, digits and . _ @ + -",
    r"^[a-z0-9._@+-]+/[a-z0-9._@+-]+$": "issuer/subject",
    r"^\S+$": "it without spaces",
    r"^(19|20)\d\d-(0[1-9]|1[0-2])$": "a month like 2026-02",
    r"^[A-Z]{3}$": "three capital letters like USD",
    r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$": "a country or a state of it, like US or US-NY",
    r"^sha256:[0-9a-f]{64}$": "sha256: and 64 hexadecimal digits",
    r'^[^"\r\n]*$': "a character that is no quote and no end of a line",
}
"""What to write where a text does not fit a pattern."""


class SettingsWrong(Exception):
    """A setting cannot be used. The message is one sentence: which setting, what is wrong, what to write instead."""


class FileFault(Exception):
    """A file cannot be taken as it is. The message is one sentence: where, what, and what to do."""


def faults(error: ValidationError, given: Any = None, names: Mapping[str, str] | None = None) -> list[str]:
    """Every fault of a validation, each as one clause.

    ``given`` is what was validated: its fields name the path. ``names`` are other names of some fields.
    """
    return [
        _clause(fault, _dotted(_steps(fault["loc"], given)), names or {}) for fault in error.errors(include_url=False)
    ]


def placed_faults(error: ValidationError, given: Any) -> list[tuple[tuple[str | int, ...], str]]:
    """Every fault of a validation with the steps that lead to it in what was validated."""
    placed = []
    for fault in _found(error):
        steps = _steps(fault["loc"], given)
        placed.append((steps, _clause(fault, _dotted(steps), {})))
    return placed


def _found(error: ValidationError) -> list[ErrorDetails]:
    """Every fault, without those that only follow: that a list is too short whose members were at fault."""
    found = error.errors(include_url=False)
    return [f for f in found if f["type"] != "too_short" or len(f["input"]) < f["ctx"]["min_length"]]


def first_fault(error: ValidationError, given: Any = None, names: Mapping[str, str] | None = None) -> str:
    """The first fault of a validation, as one clause, and how many more there are."""
    first, *more = faults(error, given, names)
    return f"{first} (and {len(more)} more)" if more else first


def _steps(loc: Sequence[int | str], given: Any) -> tuple[str | int, ...]:
    """Where the fault is, in the words of who wrote it: names of variants, which nobody wrote, are left out."""
    steps: list[str | int] = []
    here = given
    for part in loc:
        inside = isinstance(here, Mapping)
        if inside and part not in here and part is not loc[-1]:
            continue
        steps.append(part)
        if inside or (isinstance(here, Sequence) and isinstance(part, int) and not isinstance(here, str)):
            here = here.get(part) if isinstance(here, Mapping) else here[part]
    return tuple(steps)


def _dotted(steps: Sequence[int | str]) -> str:
    return ".".join(clipped(str(part)) for part in steps)


def _clause(fault: ErrorDetails, at: str, names: Mapping[str, str]) -> str:
    kind, value = fault["type"], fault["input"]
    field = names.get(at) or (f"field {at}" if at else "the whole")
    if kind == "extra_forbidden":
        return f"there is no field {at}; take it out or correct its name"
    if kind == "missing":
        return f"{field} is missing; add it"
    if kind in ("union_tag_not_found", "union_tag_invalid"):
        return _variant(fault, field)
    if kind == "string_type":
        return f"{field}: {_shown(value)} is not text; write it in quotes"
    if kind.startswith("date_"):
        return f"{field}: {_shown(value)} is not a date; write it like 2026-02-20"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"{field} is not a list of fields with values"
    if kind == "string_pattern_mismatch" and fault["ctx"]["pattern"] in SHAPES:
        return f"{field}: {_shown(value)} does not fit; write {SHAPES[fault['ctx']['pattern']]}"
    if kind == "too_long" and not isinstance(value, str):
        there = fault["ctx"]["actual_length"] or "more"
        return f"{field} has {there} entries; write at most {fault['ctx']['max_length']}"
    if kind == "value_error":
        return f"{field}: {_in_full(str(fault['ctx']['error']), value)}"
    message = fault["msg"].removeprefix("Input ")
    return f"{field}: {message[:1].lower()}{message[1:]}, but is {_shown(value)}"


def _variant(fault: ErrorDetails, field: str) -> str:
    """A value that could be one of several kinds, and does not say which."""
    wanted = fault["ctx"]
    field = f"{field}.{wanted['discriminator'].strip(chr(39))}"
    if "expected_tags" not in wanted:
        return f"{field} is missing; add it"
    *others, last = re.findall(r"'([^']+)'", wanted["expected_tags"])
    return f"{field}: there is no {_shown(wanted['tag'])}; write {', '.join(others)}{' or ' if others else ''}{last}"


def _in_full(message: str, value: Any) -> str:
    """The domain's own sentence, with the value in it."""
    message = re.sub(r"Decimal\('([^']*)'\)", r"\1", message)
    if isinstance(value, Mapping | list | tuple):
        return message
    if len(str(value)) > SHOWN:
        return message.replace(str(value), f"{str(value)[:SHOWN]}…")
    return message if str(value) in message or repr(value) in message else f"{message}, but is {_shown(value)}"


def _shown(value: Any) -> str:
    if isinstance(value, date):
        return value.isoformat()
    return clipped(str(value) if isinstance(value, Decimal) else repr(value))


def clipped(text: str) -> str:
    """As much of a text from outside as a sentence can hold, on one line."""
    text = "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text[: SHOWN + 1])
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"
