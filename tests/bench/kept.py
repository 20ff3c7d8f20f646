"""The facts, the ledger and open valuations kept up to date by a process of its own, as ``trailbook run`` does."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from select import select

from adapters.database import Database
from adapters.projectors import LEDGER, Projectors
from adapters.valuations import Keeper
from projections import facts

POLL_SECONDS = 0.02


@contextmanager
def kept_up(database: Database, *, valuations: bool) -> Iterator[None]:
    command = [sys.executable, "-m", "tests.bench.kept", database.url, database.house, "yes" if valuations else ""]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()  # it has come to the end once
        yield
        process.stdin.close()


def main(url: str, house: str, valuations: str) -> None:
    """Until the input ends."""
    database = Database(url, house)
    with (
        Projectors(database, names=(facts.name, LEDGER)) as projectors,
        closing(Keeper(database, database.connect("projector", autocommit=True))) as keeper,
    ):
        projectors.catch_up()
        print("ready", flush=True)
        while not select([sys.stdin], [], [], POLL_SECONDS)[0]:
            projectors.catch_up()
            if valuations:
                keeper.step()


if __name__ == "__main__":
    main(*sys.argv[1:])
