"""Files of commands: YAML, or one JSON object a line. Every fault names the file, the entry and what to do."""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from domain import house as _house  # noqa: F401  (makes every command known)
from domain.message import COMMANDS, Actor, Issued, Meta


class FileFault(Exception):
    """A file cannot be taken as it is. The message is one sentence: where, what, and what to do."""


class _Loader(yaml.SafeLoader):
    """YAML in which ``on`` is a word, a decimal is exact, and a key given twice is an error."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in ("tag:yaml.org,2002:bool",)]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal | str:
    text = str(node.value).replace("_", "")
    try:
        return Decimal(text)
    except ArithmeticError:
        return str(node.value)


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in found:
            raise yaml.constructor.ConstructorError(None, None, f"{key} is given twice", key_node.start_mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


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
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FileFault(f"{path}: cannot be read: {error.strerror}; check the path") from None
    except UnicodeDecodeError as error:
        raise FileFault(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None
    if path.suffix.lower() in (".jsonl", ".ndjson") or text.lstrip().startswith("{"):
        yield from _json_lines(path, text)
    else:
        yield from _yaml_entries(path, text)


def _json_lines(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            where = f"{path.name} line {number}"
            try:
                yield where, json.loads(line, parse_float=Decimal, object_pairs_hook=_once)
            except ValueError as error:
                raise FileFault(f"{where}: not a JSON object: {error}") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _yaml_entries(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return
        if not isinstance(node, yaml.SequenceNode):
            raise FileFault(f"{path.name}: not a list of commands; begin each command with `- id: …`")
        for number, item in enumerate(node.value, start=1):
            where = f"{path.name} line {item.start_mark.line + 1} (command {number})"
            yield where, loader.construct_object(item, deep=True)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        line = f" line {mark.line + 1}" if mark else ""
        raise FileFault(f"{path.name}{line}: {error.problem}; mend the YAML there") from None
    except yaml.YAMLError as error:
        raise FileFault(f"{path.name}: {error}") from None
    except ValueError as error:
        raise FileFault(f"{path.name}: {error}") from None
    finally:
        loader.dispose()


META = frozenset(Meta.model_fields)


def to_issued(entry: Any, where: str, default_actor: Actor | None = None) -> Issued:
    """One entry as a command. Raises FileFault."""
    if not isinstance(entry, Mapping):
        raise FileFault(f"{where}: not a command; give it as `id:`, `do:` and its fields")
    name = entry.get("do")
    where = f"{where}, id {entry['id']}" if "id" in entry else where
    if not isinstance(name, str) or name not in COMMANDS:
        raise FileFault(f"{where}: {_unknown(name)}")
    meta = {key: value for key, value in entry.items() if key in META}
    if "by" not in meta and default_actor is not None:
        meta["by"] = default_actor
    fields = {key: value for key, value in entry.items() if key not in META and key != "do"}
    try:
        envelope = Meta.model_validate(meta)
        command = COMMANDS[name].model_validate(fields)
    except ValidationError as error:
        raise FileFault(f"{where}: {name}: {first_fault(error)}") from None
    return Issued(envelope.id, envelope.by, command, envelope.evidence, envelope.because, envelope.on)


def _unknown(name: Any) -> str:
    if name is None:
        return "no `do:`; name the command, for example `do: open_day`"
    close = get_close_matches(str(name), COMMANDS, n=1)
    hint = f"; did you mean {close[0]}?" if close else "; `trailbook schema` lists all commands"
    return f"there is no command {name}{hint}"


def first_fault(error: ValidationError) -> str:
    """The first fault of a validation, as one clause: which field, and what is wrong with it."""
    fault = error.errors(include_url=False)[0]
    at = ".".join(str(part) for part in fault["loc"]) or "it"
    more = error.error_count() - 1
    rest = f" (and {more} more)" if more else ""
    if fault["type"] == "extra_forbidden":
        return f"there is no field {at}; take it out or correct its name{rest}"
    if fault["type"] == "missing":
        return f"field {at} is missing; add it{rest}"
    message = fault["msg"].removeprefix("Value error, ")
    return f"field {at}: {message[:1].lower()}{message[1:]}, but is {fault['input']!r:.80}{rest}"
