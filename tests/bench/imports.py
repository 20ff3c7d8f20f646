"""A statement file imported, in lines per second, over a plain binary COPY of the wall's one-line rows.

The import reads a CSV file of the published columns from the disk and ends when its events are committed; the COPY has
its rows in memory. Each runs in a process of its own, so that memory is the import's alone; the clock runs inside.
"""

import json
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Iterator
from datetime import date
from itertools import count
from pathlib import Path
from random import Random

from adapters.database import Database
from adapters.log import PostgresLog
from domain import months
from domain.calendar import OpenDay
from domain.message import Issued
from domain.vendor import ContractVendor
from services.commands import Commands
from tests.bench.book import ANN, FIRST_MONTH, SEED, VENDOR
from tests.bench.measure import Measured, interleaved, median_ratio
from tests.bench.wall import Wall

ASKED = 0.30
HEADER = "Commission Run Month,Imported Supplier Name,Supplier ID,Commission Amount\n"

Ran = dict[str, float]


def run(database: Database, options: Namespace) -> list[Measured]:
    with PostgresLog(database) as log:
        commands = Commands(log)
        commands.handle(Issued("day", ANN, OpenDay(date=date(2021, 1, 15))))
        commands.handle(Issued("vendor", ANN, ContractVendor(vendor=VENDOR)))
    with tempfile.TemporaryDirectory(prefix="trailbook-bench-") as folder:
        bench = _Bench(database, Path(folder), options.accounts * options.months)
        try:
            return list(bench.measure(options.rounds))
        finally:
            bench.wall.drop()


class _Bench:
    def __init__(self, database: Database, folder: Path, lines: int) -> None:
        self.database, self.folder, self.lines = database, folder, lines
        self.wall = Wall(database)
        self.runs: list[Ran] = []
        self._numbers = count()
        self._run("import", self._file())  # which gives the wall its lines
        self.wall.build()

    def _file(self) -> Path:
        """Another month's file of the same length; every line has an account of its own, so that no text repeats."""
        month = months.text(FIRST_MONTH + next(self._numbers))
        random = Random(SEED)
        path = self.folder / f"{month}.csv"
        with path.open("w") as file:
            file.write(HEADER)
            for account in random.sample(range(10**7), self.lines):
                cents = random.randrange(-500, 40_000)
                amount = f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}"
                file.write(f"{month},Lumen,5-{account:07d},{amount}\n")
        return path

    def _run(self, what: str, path: Path) -> Ran:
        command = [sys.executable, "-m", "tests.bench.imported", self.database.url, self.database.house, what]
        done = subprocess.run([*command, str(path)], check=True, stdout=subprocess.PIPE, text=True)
        found: Ran = json.loads(done.stdout)
        return found

    def measure(self, rounds: int) -> Iterator[Measured]:
        def imported() -> float:
            path = self._file()
            self.runs.append(self._run("import", path))
            path.unlink()
            return self.lines / self.runs[-1]["seconds"]

        def checked() -> float:
            return self.lines / self._run("check", read)["seconds"]

        read = self._file()
        sides = {"copy": lambda: self.lines / self.wall.copy(self.lines, 1), "import": imported, "check": checked}
        found = interleaved(rounds, sides)
        middle = {name: sorted(rates)[len(rates) // 2] for name, rates in found.items()}
        ratio, checking = (median_ratio(found[one], found["copy"]) for one in ("import", "check"))
        wait, memory = (sorted(run[of] for run in self.runs)[-1] for of in ("longest_wait", "kib"))
        yield Measured("import", "binary COPY of one-line rows, in memory, one process", middle["copy"], "lines/s")
        yield Measured("import", "a statement file", middle["import"], "lines/s", ratio, "COPY, one process", ASKED)
        yield Measured("import", "a statement file, only read", middle["check"], "lines/s", checking, "COPY")
        yield Measured("import", "longest wait of another writer", wait * 1000, "ms", note="asked: under 1,000")
        yield Measured("import", "the process at its largest", memory / 1024, "MiB", note="asked: flat")
