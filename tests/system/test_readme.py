"""The README's month at the desk, line by line, on the house that the demo leaves behind."""

import re
import shlex
from pathlib import Path

from adapters.database import Database
from tests.system.program import TOP, Program

PROMISED = {
    "import check": "3 lines",
    "statement lumen-2026-11-revised.csv": "1 line",
    "deal board": "D-2027",
    "agent-book": "harbor is agent of record of alder-network",
    "statement harbor": "portal fee",
    "verify": "the book is what its events say",
}
"""A part of a command, and what it must say."""


def desk() -> list[str]:
    """The commands of the section, each in one line, a file with what it is made of."""
    section = (TOP / "README.md").read_text(encoding="utf-8").partition("## A month at the desk")[2]
    block = section.partition("```sh\n")[2].partition("```")[0]
    return re.findall(r"^cat > .*?\nEND$|^[^#\n]+$", block, re.MULTILINE | re.DOTALL)


def test_a_month_at_the_desk_works_as_the_readme_tells_it(database: Database, tmp_path: Path) -> None:
    program = Program({"TRAILBOOK_DATABASE_URL": database.url, "TRAILBOOK_HOUSE": database.house})
    program.fine("demo")
    said: dict[str, str] = {}
    for command in desk():
        if command.startswith("uv run trailbook "):
            arguments = [named(word, tmp_path) for word in shlex.split(command)[3:]]
            said[command] = program.fine(*arguments).told
        else:
            write(command, tmp_path)

    for part, promised in PROMISED.items():
        (told,) = (told for command, told in said.items() if f"trailbook {part}" in command or part in command)
        assert promised in told, part
    assert {file.name for file in (tmp_path / "statements").iterdir()} >= {"harbor.html", "summit.html"}


def named(word: str, folder: Path) -> str:
    """A word of a command line; a file's name stands in the test's own folder."""
    return str(folder / word) if word.endswith((".csv", ".txt")) or word == "statements" else word


def write(command: str, folder: Path) -> None:
    """What the shell does besides: a file as it stands, one with a word changed, one of one line."""
    if match := re.fullmatch(r"cat > (\S+) <<'END'\n(.*\n)END", command, re.DOTALL):
        (folder / match[1]).write_text(match[2])
    elif match := re.fullmatch(r"sed 's/(\S+)/(\S+)/' (\S+) > (\S+)", command):
        (folder / match[4]).write_text((folder / match[3]).read_text().replace(match[1], match[2]))
    elif match := re.fullmatch(r'echo "(.*)" > (\S+)', command):
        (folder / match[2]).write_text(match[1])
    else:
        assert command.startswith("export TRAILBOOK_HOUSE="), command
