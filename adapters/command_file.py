"""Files of commands: YAML, or one JSON object a line. Every fault names the file, the entry and what to do."""

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from adapters.faults import FileFault, clipped, first_fault
from adapters.yaml_file import Loader, text_of, yaml_fault
from domain import house as _house  # noqa: F401  (makes every command known)
from domain.message import COMMANDS, Actor, Issued, Meta
from domain.money import DIGITS


def read_commands(path: Path, default_actor: Actor | None = None) -> list[Issued]:
    """All commands of a file, in order. Raises FileFault at the first entry that is not a command.

    The whole file is read before anything is done with it, so that a misspelt last entry refuses the first.
    """
    commands: list[Issued] = []
    seen: dict[str, str] = {}
    for where, entry in _entries(path):
        issued = to_issued(entry, where, default_actor)
        if issued.command_id in seen:
            raise FileFault(f"{where}: id {issued.command_id} stands at {seen[issued.command_id]} already")
        seen[issued.command_id] = where
        commands.append(issued)
    return commands


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    text = text_of(path)
    if path.suffix.lower() in (".jsonl", ".ndjson") or text.lstrip().startswith("{"):
        yield from _json_lines(path, text)
    else:
        yield from _yaml_entries(path, text)


def _json_lines(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    # only \n ends a line: JSON may hold the other characters at which str.splitlines would cut
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise FileFault(f"{path.name}: holds no commands; write one JSON object a line")
    for number, line in lines:
        where = f"{path.name} line {number}"
        try:
            yield where, _JSON.decode(line.strip())
        except json.JSONDecodeError as error:
            raise FileFault(
                f"{where}: not a JSON object: {error.msg} at column {error.colno}; write each command on one line"
            ) from None
        except ValueError as error:
            raise FileFault(f"{where}: not a JSON object: {error}") from None
        except RecursionError:
            raise FileFault(f"{where}: is nested too deeply; write a command with its fields") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key} is given twice; keep one")
        found[key] = value
    return found


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON; write a figure")


def _whole(text: str) -> int | Decimal:
    return int(text) if len(text) <= DIGITS else Decimal(text)


_JSON = json.JSONDecoder(
    parse_float=Decimal, parse_int=_whole, parse_constant=_no_number, object_pairs_hook=_once, strict=True
)


def _yaml_entries(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise FileFault(f"{path.name}: holds no commands; begin each command with `- id: …`")
        if not isinstance(node, yaml.SequenceNode):
            raise FileFault(f"{path.name}: not a list of commands; begin each command with `- id: …`")
        for number, item in enumerate(node.value, start=1):
            where = f"{path.name} line {item.start_mark.line + 1} (command {number})"
            yield where, loader.construct_object(item, deep=True)
    except (yaml.YAMLError, RecursionError) as error:
        raise FileFault(f"{path.name}{yaml_fault(error, text)}") from None


META = frozenset(Meta.model_fields)


def entry_schema(do: str) -> dict[str, Any]:
    """The JSON Schema of one command as it stands in a file: its own fields, and those that every command has."""
    meta, own = Meta.model_json_schema(), COMMANDS[do].model_json_schema()
    schema = {
        "title": do,
        "description": own.get("description", ""),
        "type": "object",
        "properties": {"do": {"const": do}, **meta["properties"], **own.get("properties", {})},
        "required": ["id", "do", *own.get("required", [])],
        "additionalProperties": False,
    }
    definitions = {**meta.get("$defs", {}), **own.get("$defs", {})}
    return {**schema, "$defs": definitions} if definitions else schema


def to_issued(entry: Any, where: str, default_actor: Actor | None = None) -> Issued:
    """One entry as a command. Raises FileFault."""
    if not isinstance(entry, Mapping):
        raise FileFault(f"{where}: not a command; give it as `id:`, `do:` and its fields")
    name = entry.get("do")
    where = f"{where}, id {clipped(str(entry['id']))}" if "id" in entry else where
    if not isinstance(name, str) or name not in COMMANDS:
        raise FileFault(f"{where}: {_unknown(name)}")
    own = COMMANDS[name].model_fields
    meta = {key: value for key, value in entry.items() if key in META and key not in own}
    if "by" not in meta and default_actor is not None:
        meta["by"] = default_actor
    fields = {key: value for key, value in entry.items() if key not in meta and key != "do"}
    try:
        envelope = Meta.model_validate(meta)
        command = COMMANDS[name].model_validate(fields)
    except ValidationError as error:
        raise FileFault(f"{where}: {name}: {first_fault(error, entry)}") from None
    return Issued(envelope.id, envelope.by, command, envelope.evidence, envelope.because, envelope.on)


def _unknown(name: Any) -> str:
    if name is None:
        return "no `do:`; name the command, for example `do: open_day`"
    name = clipped(str(name))
    close = get_close_matches(name, COMMANDS, n=1)
    hint = f"; did you mean {close[0]}?" if close else "; `trailbook schema` lists all commands"
    return f"there is no command {name}{hint}"
