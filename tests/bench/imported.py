"""One import, or one reading, of a statement file in a process of its own: its seconds, memory, and others' waits."""

import json
import sys
import threading
from pathlib import Path
from time import perf_counter, sleep

from eventsourcing.persistence import StoredEvent

from adapters.database import Database
from adapters.log import House as LogHouse
from adapters.recorder import HouseRecorder
from adapters.settings import Settings
from adapters.statement_file import open_statement, read_mapping
from services.house import House
from services.imports import Wanted, import_statement
from tests.bench.book import ANN, VENDOR
from tests.bench.rebuilt import own_peak_kib

PAUSE_SECONDS = 0.02


class OtherWriter(threading.Thread):
    """Appends small events all the while, and notes how long the longest append took."""

    def __init__(self, database: Database) -> None:
        super().__init__()
        self.log = LogHouse(database)
        self.longest, self.ended = 0.0, threading.Event()

    def run(self) -> None:
        recorder = self.log.recorder
        assert isinstance(recorder, HouseRecorder)
        name = f"bench:{perf_counter()}"
        number = 0
        while not self.ended.is_set():
            number += 1
            started = perf_counter()
            recorder.append([StoredEvent(name, number, "bench.nothing", b"{}")], {})
            self.longest = max(self.longest, perf_counter() - started)
            sleep(PAUSE_SECONDS)
        self.log.close()


def main() -> None:
    url, name, what, file = sys.argv[1:]
    path, database = Path(file), Database(url, name)
    source = open_statement(path, read_mapping(None), "USD")
    other = OtherWriter(database)
    with House(Settings.from_environment({"TRAILBOOK_DATABASE_URL": url}), database) as house:
        house.log.head()
        other.start()
        started = perf_counter()
        if what == "import":
            wanted = Wanted(file_name=path.name, vendor=VENDOR, number=path.stem)
            import_statement(house, source, wanted, ANN)
        else:
            for _ in source.chunks():
                pass
        took = perf_counter() - started
    other.ended.set()
    other.join()
    print(json.dumps({"seconds": took, "longest_wait": other.longest, "kib": own_peak_kib()}))


if __name__ == "__main__":
    main()
