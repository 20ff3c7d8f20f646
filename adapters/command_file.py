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

from adapters.faults import clipped, first_fault
from domain import house as _house  # noqa: F401  (makes every command known)
from domain.message import COMMANDS, Actor, Issued, Meta
from domain.money import DIGITS


class FileFault(Exception):
    """A file cannot be taken as it is. The message is one sentence: where, what, and what to do."""


class _Loader(yaml.SafeLoader):
    """YAML in which ``on`` is a word, a number is decimal and exact, and a key given twice is an error.

    What only looks like a number or a date stays text, for the field to judge. Aliases are not taken: a few lines of
    them can stand for more than a machine holds.
    """

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            alias = self.peek_event()  # type: ignore[no-untyped-call]
            words = f"the alias *{alias.anchor} is not taken; write out what it stands for"
            raise yaml.composer.ComposerError(None, None, words, alias.start_mark)
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:merge")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(r"^[-+]?(?:0|[1-9][0-9_]{0,27})$"), list("-+0123456789")
)


def _decimal(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Decimal | str:
    text = str(node.value).replace("_", "")
    try:
        return Decimal(text)
    except ArithmeticError:
        return str(node.value)


def _date(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
    try:
        return loader.construct_yaml_timestamp(node)
    except ValueError:
        return str(node.value)


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    found: dict[Any, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        mark = key_node.start_mark
        if key == "<<":
            raise yaml.constructor.ConstructorError(None, None, "`<<` is not taken; write the fields out", mark)
        if not isinstance(key, str):
            words = f"{key} is not the name of a field; write it as text"
            raise yaml.constructor.ConstructorError(None, None, words, mark)
        if key in found:
            raise yaml.constructor.ConstructorError(None, None, f"{key} is given twice; keep one", mark)
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _unknown_tag(loader: yaml.SafeLoader, node: yaml.Node) -> None:
    tag = node.tag.replace("tag:yaml.org,2002:", "!!")
    raise yaml.constructor.ConstructorError(None, None, f"the tag {tag} is not taken; take it out", node.start_mark)


_Loader.add_constructor("tag:yaml.org,2002:float", _decimal)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _date)
_Loader.add_constructor(None, _unknown_tag)
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


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FileFault(f"{path}: cannot be read: {error.strerror}; check the path") from None
    except UnicodeDecodeError as error:
        raise FileFault(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None


def _entries(path: Path) -> Iterator[tuple[str, Any]]:
    text = _text(path)
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
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            raise FileFault(f"{path.name}: holds no commands; begin each command with `- id: …`")
        if not isinstance(node, yaml.SequenceNode):
            raise FileFault(f"{path.name}: not a list of commands; begin each command with `- id: …`")
        for number, item in enumerate(node.value, start=1):
            where = f"{path.name} line {item.start_mark.line + 1} (command {number})"
            yield where, loader.construct_object(item, deep=True)
    except (yaml.YAMLError, RecursionError) as error:
        raise FileFault(f"{path.name}{_yaml_fault(error, text)}") from None


def _yaml_fault(error: Exception, text: str) -> str:
    """Where the YAML is wrong, what is wrong, and what to do."""
    if isinstance(error, RecursionError):
        return ": is nested too deeply; write a list of commands, each with its fields"
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f" line {line}: {text[error.position]!r} cannot stand in YAML; take it out"
    if not isinstance(error, yaml.MarkedYAMLError):
        return f": {' '.join(str(error).split())}"
    at = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
    words = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{at}: {words}" if "; " in words else f"{at}: {words}; mend the YAML there"


def read_yaml(path: Path) -> Any:
    """A YAML file that is no list of commands. Raises FileFault."""
    text = _text(path)
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a safe loader)
    except (yaml.YAMLError, RecursionError) as error:
        raise FileFault(f"{path.name}{_yaml_fault(error, text)}") from None


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
    meta = {key: value for key, value in entry.items() if key in META}
    if "by" not in meta and default_actor is not None:
        meta["by"] = default_actor
    fields = {key: value for key, value in entry.items() if key not in META and key != "do"}
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
