"""The real program, run as a person runs it.

Starting Python and importing everything takes most of a second, so that runs fork off one process that has imported the
program and done nothing else; ``afresh`` starts a new Python as the shell would.
"""

import atexit
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

TOP = Path(__file__).parent.parent.parent
PROGRAM = "from services.cli import main; main()"
FORKED = """
import json, os, sys, traceback
from services.cli import main
for line in sys.stdin:
    run = json.loads(line)
    child = os.fork()
    if child:
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
        continue
    for stream, path in ((0, os.devnull), (1, run["out"]), (2, run["err"])):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), stream)
    os.environ.clear()
    os.environ.update(run["environment"])
    sys.argv = ["trailbook", *run["arguments"]]
    code = 0
    try:
        main()
    except SystemExit as ended:
        code = ended.code or 0
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
"""


@dataclass(frozen=True)
class Said:
    """What a run of the program said, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What ``--json`` printed: one JSON document and nothing else."""
        return json.loads(self.out)

    @property
    def told(self) -> str:
        """What was printed, in one line, so that a test need not know where a table breaks its lines."""
        return " ".join(self.out.replace("│", " ").replace("┃", " ").split())


@dataclass(frozen=True)
class Program:
    """``trailbook`` in an environment of its own."""

    environment: Mapping[str, str]

    def whole_environment(self) -> dict[str, str]:
        given = {name: value for name, value in os.environ.items() if not name.startswith("TRAILBOOK_")}
        return {**given, "PYTHONPATH": str(TOP), "PYTHONUTF8": "1", "COLUMNS": "140", **self.environment}

    def run(self, *arguments: str | Path) -> Said:
        with tempfile.TemporaryDirectory() as folder:
            out, err = Path(folder, "out"), Path(folder, "err")
            run = {
                "arguments": [str(argument) for argument in arguments],
                "environment": self.whole_environment(),
                "out": str(out),
                "err": str(err),
            }
            forks = _forks()
            assert forks.stdin is not None
            assert forks.stdout is not None
            forks.stdin.write(json.dumps(run) + "\n")
            forks.stdin.flush()
            code = int(forks.stdout.readline())
            return _checked(Said(code, out.read_text(encoding="utf-8"), err.read_text(encoding="utf-8")))

    def afresh(self, *arguments: str | Path, timeout: int = 60) -> Said:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, *map(str, arguments)],
            env=self.whole_environment(),
            cwd=TOP,
            capture_output=True,
            encoding="utf-8",
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        return _checked(Said(done.returncode, done.stdout, done.stderr))

    def fine(self, *arguments: str | Path) -> Said:
        """A run that must end well and have nothing to complain of."""
        said = self.run(*arguments)
        assert (said.code, said.err) == (0, ""), (arguments, said)
        return said

    def wrong(self, code: int, *arguments: str | Path) -> str:
        """A run that must end with this exit code; the one sentence that it says."""
        said = self.run(*arguments)
        assert said.code == code, (arguments, said)
        (sentence,) = said.err.splitlines()
        return sentence


def _checked(said: Said) -> Said:
    assert "Traceback" not in said.err, said.err
    return said


@cache
def _forks() -> subprocess.Popen[str]:
    """The process that the runs fork off."""
    forks = subprocess.Popen(
        [sys.executable, "-c", FORKED],
        env=Program({}).whole_environment(),
        cwd=TOP,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    atexit.register(forks.communicate)
    return forks
