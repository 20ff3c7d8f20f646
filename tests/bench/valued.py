"""One valuation in a process of its own, so that its memory is nobody else's: prints JSON; or one after another."""

import json
import sys
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from select import select
from time import perf_counter

from adapters.database import Database
from adapters.valuations import drop, value
from tests.bench.rebuilt import own_peak_kib, workers_peak_kib


def main(url: str, house: str, reprojection: str, workers: str, again: str = "") -> None:
    database = Database(url, house)
    if again:
        _until_told(database, reprojection, int(workers))
        return
    started = perf_counter()
    value(database, reprojection, int(workers))
    took = perf_counter() - started
    usage = [getrusage(who) for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    processor = sum(one.ru_utime + one.ru_stime for one in usage)
    memory = {"parent_kib": own_peak_kib(), "worker_kib": workers_peak_kib()}
    print(json.dumps({"seconds": took, "processor_seconds": processor, **memory}))


def _until_told(database: Database, reprojection: str, workers: int) -> None:
    """Value from nothing, again and again, until the input ends."""
    print("begun", flush=True)
    while not select([sys.stdin], [], [], 0)[0]:
        drop(database, reprojection)
        value(database, reprojection, workers)


if __name__ == "__main__":
    main(*sys.argv[1:])
