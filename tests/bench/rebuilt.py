"""One rebuild in a process of its own, so that its memory is nobody else's: prints JSON."""

import json
import sys
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import perf_counter

from adapters.database import Database
from adapters.rebuild import rebuild


def main(url: str, house: str, name: str, workers: str) -> None:
    started = perf_counter()
    rebuild(Database(url, house), name, int(workers))
    took = perf_counter() - started
    peaks = [getrusage(who).ru_maxrss for who in (RUSAGE_SELF, RUSAGE_CHILDREN)]
    print(json.dumps({"seconds": took, "parent_kib": peaks[0], "worker_kib": peaks[1]}))


if __name__ == "__main__":
    main(*sys.argv[1:])
