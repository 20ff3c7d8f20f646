"""One rebuild in a process of its own, so that its memory is nobody else's: prints JSON."""

import json
import sys
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import perf_counter

from adapters.database import Database
from adapters.rebuild import rebuild


def main(url: str, house: str, name: str, workers: str) -> None:
    started = perf_counter()
    rebuild(Database(url, house), name, int(workers))
    took = perf_counter() - started
    print(json.dumps({"seconds": took, "parent_kib": own_peak_kib(), "worker_kib": workers_peak_kib()}))


def own_peak_kib() -> int:
    """Since this program began; getrusage would count what the process that started it held."""
    status = Path("/proc/self/status")
    if status.exists():
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
    return getrusage(RUSAGE_SELF).ru_maxrss


def workers_peak_kib() -> int:
    """Of the largest worker, or of what this process held when it started them, whichever is more."""
    return getrusage(RUSAGE_CHILDREN).ru_maxrss


if __name__ == "__main__":
    main(*sys.argv[1:])
