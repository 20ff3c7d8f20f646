"""The README's sessions, line by line, on the house that the demo leaves behind."""

import re
import shlex
from pathlib import Path

from adapters.database import Database
from tests.broker import Kafka
from tests.system.downstream import EXAMPLE, consumers
from tests.system.program import TOP, Program

PROMISED = {
    "import check": "3 lines",
    "statement lumen-2026-11-revised.csv": "1 line",
    "deal board": "D-2027",
    "agent-book": "harbor is agent of record of alder-network",
    "statement harbor": "portal fee",
    "plan check": "1 of 1 worked examples pass",
    "plan compare": "84% of commission received, instead of 78%",
    "diff met-after-all --html": "met-after-all.html",
    "promote met-after-all": "agents gain",
    "ledger statement": "84% of commission received",
    "promote back-again": "lose",
    "reproject list": "undone",
    "trailbook verify": "the book is what its events say",
}
"""A part of a command, and what it must say."""
PROMISED_DOWNSTREAM = {
    "relay topics --create": "are as stated",
    "agent_balances.py --check": "balances agree with Trailbook's",
    "relay replay": "16 messages published to",
    "schema asyncapi": '"asyncapi": "3.0.0"',
}


def session(section: str) -> list[str]:
    """The commands of a section, each in one line, a file with what it is made of."""
    text = (TOP / "README.md").read_text(encoding="utf-8").partition(f"\n## {section}")[2]
    blocks = re.findall(r"```sh\n(.*?)```", text.partition("\n## ")[0], re.DOTALL)
    return [
        command
        for block in blocks
        for command in re.findall(r"^cat >>? .*?\nEND$|^[^#\n]+$", block, re.MULTILINE | re.DOTALL)
    ]


def test_a_month_at_the_desk_works_as_the_readme_tells_it(database: Database, tmp_path: Path) -> None:
    program = Program({"TRAILBOOK_DATABASE_URL": database.url, "TRAILBOOK_HOUSE": database.house})
    program.fine("demo")
    said: dict[str, str] = {}
    for command in session("A month at the desk"):
        if command.startswith("uv run trailbook "):
            arguments, _, into = command.partition(" > ")
            ended = program.fine(*(named(word, tmp_path) for word in shlex.split(arguments)[3:]))
            said[command] = ended.told
            if into:
                (tmp_path / into).write_text(ended.out)
        else:
            write(command, tmp_path)

    for part, promised in PROMISED.items():
        (told,) = (told for command, told in said.items() if f"trailbook {part}" in command or part in command)
        assert promised in told, part
    assert {file.name for file in (tmp_path / "statements").iterdir()} >= {"harbor.html", "summit.html"}


def test_what_other_systems_read_works_as_the_readme_tells_it(database: Database, kafka: Kafka, tmp_path: Path) -> None:
    with consumers(database.url, kafka, database.house, tmp_path) as crm:
        program = Program({**crm.environment, "TRAILBOOK_KAFKA_REPLICATION": "1"})
        program.fine("demo")
        said: dict[str, str] = {}
        for command in session("What other systems read"):
            words = [word.replace("demo.", f"{database.house}.") for word in shlex.split(command, comments=True)]
            if words[:3] == ["uv", "run", "trailbook"]:
                ended = program.run(*words[3 : words.index(">") if ">" in words else None])
                assert ended.code == 0, (command, ended)
                said[command] = ended.told
            elif words[:3] == ["uv", "run", "python"]:
                assert TOP / words[3] == EXAMPLE
                said[command] = crm.ended(*words[4:]).stdout
            else:
                assert words[0] in {"deploy/kafka/start.sh", "export", "deploy/secrets.sh", "docker"}, command

    for part, promised in PROMISED_DOWNSTREAM.items():
        (told,) = (told for command, told in said.items() if part in command)
        assert promised in told, part


def named(word: str, folder: Path) -> str:
    """A word of a command line; a file's name stands in the test's own folder."""
    ours = word.endswith((".csv", ".txt", ".html", ".yaml")) or word == "statements"
    return str(folder / word) if ours else word


def write(command: str, folder: Path) -> None:
    """What the shell does besides: a file as it stands, one with a word changed, one of one line."""
    if match := re.fullmatch(r"cat (>>?) (\S+) <<'END'\n(.*\n)END", command, re.DOTALL):
        with (folder / match[2]).open("a" if match[1] == ">>" else "w") as file:
            file.write(match[3])
    elif match := re.fullmatch(r"sed 's/(\S+)/(\S+)/' (\S+) > (\S+)", command):
        (folder / match[4]).write_text((folder / match[3]).read_text().replace(match[1], match[2]))
    elif match := re.fullmatch(r'echo "(.*)" > (\S+)', command):
        (folder / match[2]).write_text(match[1])
    else:
        assert command.startswith("export TRAILBOOK_HOUSE="), command
