"""The rules of the house that no type checker keeps: which way imports point, what pure code never does, what is where.

Everything here reads the sources; nothing runs them.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from domain import house
from domain.message import TOPICS

TOP = Path(__file__).parent.parent
ROOMS = ("domain", "projections", "adapters", "services")
PURE = ("domain", "projections")

ALLOWED_IMPORTS = {
    "domain": {"domain", "pydantic"},
    "projections": {"domain", "projections", "pydantic"},
}
"""Besides the standard library; the other rooms may import what they need."""

BACKWARDS = {
    "domain": {"projections", "adapters", "services", "tests"},
    "projections": {"adapters", "services", "tests"},
    "adapters": {"services", "tests"},
    "services": {"tests"},
}

IMPURE_MODULES = {
    "asyncio", "ctypes", "getpass", "glob", "http", "io", "locale", "logging", "multiprocessing", "os", "pathlib",
    "platform", "random", "secrets", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile",
    "threading", "time", "urllib", "uuid", "zoneinfo",
}  # fmt: skip
CLOCKS = {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today"), ("time", "time")}
IMPURE_CALLS = {"open", "input", "print", "eval", "exec", "hash"}

SECTIONS = ["# -- events", "# -- commands", "# -- refusals", "# -- state", "# -- decisions"]
LINES_ON_A_SCREEN = 60

IRREGULAR = {"Won", "Lost", "Sent", "Paid", "Held", "Found", "Begun", "Taken", "Given", "Withdrawn", "Undone", "Split"}
VAGUE = {"Updated", "Created", "Deleted", "Modified", "Edited", "Saved", "Processed", "Handled", "Set"}

TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "deploy", "tests", *ROOMS}
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"), ("pythonhosted", "org"), ("registry", "npmjs", "org"), ("yarnpkg", "com"), ("crates", "io"),
        ("proxy", "golang", "org"), ("rubygems", "org"), ("repo", "maven", "apache", "org"),
        ("conda", "anaconda", "org"),
    )
]  # fmt: skip
"""Put together here, so that this file names none either."""


def sources(*rooms: str) -> list[Path]:
    return [path for room in rooms for path in sorted((TOP / room).rglob("*.py"))]


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path, node: ast.expr | ast.stmt) -> str:
    return f"{path.relative_to(TOP)}:{node.lineno}"


def imports(path: Path) -> Iterator[tuple[str, str]]:
    """Every imported module by its top-level name, with where it is."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], place(path, node)) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            name = (node.module or "").partition(".")[0] if not node.level else path.relative_to(TOP).parts[0]
            yield name, place(path, node)


def tracked() -> list[str]:
    """What git tracks, or nothing outside a checkout."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=TOP, capture_output=True, check=True, timeout=20)
    except (OSError, subprocess.SubprocessError):
        return []
    return [name for name in listed.stdout.decode().split("\0") if name]


# -- which way things point


@pytest.mark.parametrize("room", ROOMS)
def test_imports_point_one_way(room: str) -> None:
    wrong = [f"{where} imports {name}" for p in sources(room) for name, where in imports(p) if name in BACKWARDS[room]]
    assert not wrong, wrong


@pytest.mark.parametrize("room", PURE)
def test_pure_rooms_import_the_standard_library_and_pydantic_only(room: str) -> None:
    allowed = ALLOWED_IMPORTS[room] | sys.stdlib_module_names
    wrong = [f"{where} imports {name}" for p in sources(room) for name, where in imports(p) if name not in allowed]
    assert not wrong, wrong


# -- what pure code never does


def test_pure_rooms_read_no_clock_no_file_no_chance_and_no_environment() -> None:
    wrong = []
    for path in sources(*PURE):
        wrong += [f"{where} imports {name}" for name, where in imports(path) if name in IMPURE_MODULES]
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                if (owner, node.attr) in CLOCKS:
                    wrong.append(f"{place(path, node)} reads a clock")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS:
                wrong.append(f"{place(path, node)} calls {node.func.id}()")
    assert not wrong, wrong


def test_there_is_no_float_in_pure_rooms() -> None:
    wrong = []
    for path in sources(*PURE):
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, float | complex):
                wrong.append(f"{place(path, node)} has the literal {node.value}")
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float":
                wrong.append(f"{place(path, node)} calls float()")
            if isinstance(node, ast.AnnAssign | ast.arg) and "float" in ast.unparse(
                node.annotation or ast.Constant("")
            ):
                wrong.append(f"{place(path, node)} is annotated as float")  # type: ignore[arg-type]
    assert not wrong, wrong


# -- words


def last_word(name: str) -> str:
    start = max(n for n, letter in enumerate(name) if letter.isupper())
    return name[start:]


@pytest.mark.parametrize("name", sorted(cls.__name__ for cls in TOPICS.values()))
def test_an_event_is_named_by_what_has_happened(name: str) -> None:
    word = last_word(name)
    assert word != name, f"{name} has no subject"
    assert word.endswith("ed") or word in IRREGULAR, f"{name} does not end in a past participle"
    assert word not in VAGUE, f"{name} does not say in the channel's words what happened"


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_a_topic_is_a_word_of_the_house_and_never_a_path_of_the_sources(topic: str) -> None:
    assert re.fullmatch(r"[a-z_]+\.[a-z_]+", topic)
    assert not topic.startswith(ROOMS)
    assert topic.replace("_", "").endswith(last_word(TOPICS[topic].__name__).lower())


def test_every_event_of_the_house_is_folded() -> None:
    assert set(TOPICS.values()) == set(get_args(house.HouseEvent))


# -- one shape for every aggregate


def aggregates() -> list[Path]:
    """The files that define events."""

    def defines_events(path: Path) -> bool:
        return any(
            isinstance(node, ast.ClassDef) and any(keyword.arg == "topic" for keyword in node.keywords)
            for node in tree(path).body
        )

    return [path for path in sources("domain") if defines_events(path)]


def test_there_are_aggregates_to_look_at() -> None:
    assert len(aggregates()) >= 11


@pytest.mark.parametrize("path", aggregates(), ids=lambda path: path.stem)
def test_an_aggregate_is_always_in_one_order(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line in SECTIONS] == SECTIONS


@pytest.mark.parametrize("path", aggregates(), ids=lambda path: path.stem)
def test_an_aggregate_begins_with_its_state_diagram(path: Path) -> None:
    assert "──▶" in (ast.get_docstring(tree(path)) or "")


@pytest.mark.parametrize("path", aggregates(), ids=lambda path: path.stem)
def test_what_a_class_is_stands_in_its_section(path: Path) -> None:
    starts = [path.read_text(encoding="utf-8").splitlines().index(section) + 1 for section in SECTIONS]
    events, commands, refusals, state, _ = starts
    for node in tree(path).body:
        if not isinstance(node, ast.ClassDef):
            continue
        keywords = {keyword.arg for keyword in node.keywords}
        if "topic" in keywords:
            assert events < node.lineno < commands, f"{place(path, node)} {node.name} is an event"
        if "do" in keywords:
            assert commands < node.lineno < refusals, f"{place(path, node)} {node.name} is a command"
        if any(isinstance(base, ast.Name) and base.id == "Refused" for base in node.bases):
            assert refusals < node.lineno < state, f"{place(path, node)} {node.name} is a refusal"


@pytest.mark.parametrize("path", aggregates(), ids=lambda path: path.stem)
def test_folding_never_refuses(path: Path) -> None:
    """It has happened: a rule in ``evolve`` would run again on replay and could refuse history."""
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("evolve"):
            raised = [inner for inner in ast.walk(node) if isinstance(inner, ast.Raise)]
            assert not raised, place(path, raised[0])


def test_every_refusal_says_what_the_rule_is() -> None:
    silent = [
        f"{place(path, node)} {node.name}"
        for path in sources("domain", "services")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(base, ast.Name) and base.id == "Refused" for base in node.bases)
        and not ast.get_docstring(node)
    ]
    assert not silent, silent


def test_every_module_says_what_it_is() -> None:
    silent = [str(path.relative_to(TOP)) for path in sources(*ROOMS) if not ast.get_docstring(tree(path))]
    assert not silent, silent


def test_a_function_fits_on_a_screen() -> None:
    long = [
        f"{place(path, node)} {node.name} has {length} lines"
        for path in sources(*ROOMS)
        for node in ast.walk(tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > LINES_ON_A_SCREEN
    ]
    assert not long, long


# -- what is in the tree


def test_the_top_level_holds_only_the_rooms() -> None:
    entries = {name.partition("/")[0] for name in tracked()}
    strange = sorted(entry for entry in entries - TOP_LEVEL if not entry.startswith("."))
    assert not strange, strange


def test_nothing_tracked_names_a_package_registry() -> None:
    naming = []
    for name in tracked():
        path = TOP / name
        if path.is_file():
            text = path.read_text(encoding="utf-8", errors="replace")
            naming += [f"{name} names {host}" for host in REGISTRY_HOSTS if host in text]
    assert not naming, naming
