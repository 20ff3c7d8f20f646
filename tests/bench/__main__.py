"""``uv run python -m tests.bench``: how fast the house is, as ratios within one run on one machine.

The book is generated from a fixed seed (see ``tests.bench.book``). Every ratio is the median of interleaved rounds.
"""

import argparse
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.database import Database
from adapters.embedded import leave, start
from tests.bench import commands, imports, ledgers, relay, reproject
from tests.bench.measure import Measured, show, to_json

BENCHES = {
    "commands": commands.run,
    "import": imports.run,
    "rebuild": ledgers.run,
    "reproject": reproject.run,
    "relay": relay.run,
}


def main() -> None:
    options = _options()
    with _server(options.url) as url:
        database = Database(url, f"bench_{os.getpid()}")
        measured: list[Measured] = []
        for name, run in BENCHES.items():
            if options.only in (None, name):
                with _house(database):
                    measured.extend(run(database, options))
    lines = options.accounts * options.months
    show(
        measured, f"{lines:,} lines of {options.accounts:,} accounts, {options.workers} workers, {os.cpu_count()} cores"
    )
    about = {
        "accounts": options.accounts,
        "months": options.months,
        "lines": lines,
        "workers": options.workers,
        "rounds": options.rounds,
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    if options.json == "-":
        print(to_json(measured, about))
    elif options.json:
        Path(options.json).write_text(to_json(measured, about) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--accounts", type=int, default=10_000)
    parser.add_argument("--months", type=int, default=24, help="one statement line for each account and month")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, help="processes of the rebuild, of the wall"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=tuple(BENCHES))
    parser.add_argument(
        "--part",
        action="append",
        choices=(*reproject.PARTS, *relay.PARTS),
        help="of reproject and relay; by default all",
    )
    parser.add_argument("--events", type=int, default=100_000, help="that relay publishes: events and entries")
    parser.add_argument("--kafka", metavar="SERVERS", help="a broker to use instead of one of the bench's own")
    parser.add_argument("--json", metavar="FILE", help="write the figures there too; - prints them")
    parser.add_argument("--url", help="a PostgreSQL server to use instead of an embedded one")
    return parser.parse_args()


@contextmanager
def _server(url: str | None) -> Iterator[str]:
    if url:
        yield url
        return
    data_dir = Path(tempfile.mkdtemp(prefix="trailbook-bench-"))
    try:
        yield start(data_dir)
    finally:
        leave(data_dir)
        shutil.rmtree(data_dir, ignore_errors=True)


@contextmanager
def _house(database: Database) -> Iterator[None]:
    database.init()
    try:
        yield
    finally:
        database.drop()


if __name__ == "__main__":
    main()
