"""YAML as it is read here: exact figures, no aliases, no key twice, and every fault with its line.

``on`` is a word, a number is decimal and exact, what only looks like a number or a date stays text for the field to
judge.
"""

import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from adapters.faults import FileFault


class Loader(yaml.SafeLoader):
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


Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:int", "tag:yaml.org,2002:merge")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$"), list("tf"))
Loader.add_implicit_resolver(
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


Loader.add_constructor("tag:yaml.org,2002:float", _decimal)
Loader.add_constructor("tag:yaml.org,2002:timestamp", _date)
Loader.add_constructor(None, _unknown_tag)
Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def text_of(path: Path) -> str:
    """The whole of a file. Raises FileFault."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FileFault(f"{path}: cannot be read: {error.strerror}; check the path") from None
    except UnicodeDecodeError as error:
        raise FileFault(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8") from None


def yaml_fault(error: Exception, text: str) -> str:
    """Where the YAML is wrong, what is wrong, and what to do."""
    if isinstance(error, RecursionError):
        return ": is nested too deeply; write fields with their values"
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f" line {line}: {text[error.position]!r} cannot stand in YAML; take it out"
    if not isinstance(error, yaml.MarkedYAMLError):
        return f": {' '.join(str(error).split())}"
    at = f" line {error.problem_mark.line + 1}" if error.problem_mark else ""
    words = ", ".join(part for part in (error.context, error.problem) if part)
    return f"{at}: {words}" if "; " in words else f"{at}: {words}; mend the YAML there"


Steps = tuple[str | int, ...]
"""The names of fields and the places in lists that lead to a value."""


class Lines:
    """On which line of its file each value of a YAML document stands."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._of: dict[Steps, int] = {(): root.start_mark.line + 1 if root else 1}
        waiting: list[tuple[Steps, yaml.Node | None]] = [((), root)]
        while waiting:
            steps, node = waiting.pop()
            if isinstance(node, yaml.MappingNode):
                waiting += [((*steps, key.value), self._note((*steps, key.value), key, v)) for key, v in node.value]
            elif isinstance(node, yaml.SequenceNode):
                waiting += [((*steps, n), self._note((*steps, n), item, item)) for n, item in enumerate(node.value)]

    def _note(self, steps: Steps, at: yaml.Node, value: yaml.Node) -> yaml.Node:
        self._of[steps] = at.start_mark.line + 1
        return value

    def of(self, steps: Steps) -> int:
        """The line of a value; of one that is missing, the line of what it is missing in."""
        while steps not in self._of:
            steps = steps[:-1]
        return self._of[steps]


def read_yaml(path: Path) -> Any:
    """A YAML file that is no list of commands. Raises FileFault."""
    return read_lined(path)[0]


def read_lined(path: Path) -> tuple[Any, Lines]:
    """The same with the line of each of its values."""
    if path.exists() and not (path.is_file() or path.is_dir() or path.is_fifo()):
        raise FileFault(f"{path} is a device and no file; name a file")
    text = text_of(path)
    try:
        loader = Loader(text)
        root = loader.get_single_node()
        return (None if root is None else loader.construct_document(root)), Lines(root)
    except (yaml.YAMLError, RecursionError) as error:
        raise FileFault(f"{path.name}{yaml_fault(error, text)}") from None
