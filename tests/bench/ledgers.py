"""The ledger rebuilt, in lines per second, over the wall; beside the library's runner and beside ``ledger``."""

import json
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from time import process_time
from typing import Any

from adapters.bulk import Task, Worker
from adapters.database import Database
from adapters.projectors import LEDGER
from adapters.workers import Range
from domain import rating
from domain.rating import release_1
from projections import ledger
from tests.bench.beside import balances_a_second
from tests.bench.book import Size, write
from tests.bench.library import Library
from tests.bench.measure import Measured, interleaved, median_ratio, seconds
from tests.bench.wall import Wall

ASKED = 0.20
ASKED_FROM_LINES = 200_000
POSTINGS = 100_000
RUNNER_EVENTS = 2_000
RATED_ACCOUNTS = 1_000

Rebuilt = dict[str, float]


def run(database: Database, options: Namespace) -> list[Measured]:
    size = Size(options.accounts, options.months)
    bench = _Bench(database, size, options)
    try:
        return [*bench.rebuild(), *bench.rating(), *bench.bytes(), *bench.runner(), *bench.ledger()]
    finally:
        bench.wall.drop()


class _Bench:
    def __init__(self, database: Database, size: Size, options: Namespace) -> None:
        self.database, self.size = database, size
        self.workers, self.rounds = options.workers, options.rounds
        self.writing = seconds(lambda: write(database, size))
        self.facts = self._rebuilt("facts")
        self.wall = Wall(database)
        self.wall.build()
        self.lines_a_second = 0.0

    def _rebuilt(self, name: str) -> Rebuilt:
        command = [sys.executable, "-m", "tests.bench.rebuilt", self.database.url, self.database.house, name]
        done = subprocess.run([*command, str(self.workers)], check=True, stdout=subprocess.PIPE, text=True)
        found: Rebuilt = json.loads(done.stdout)
        return found

    def rebuild(self) -> Iterator[Measured]:
        lines, runs = self.size.lines, list[Rebuilt]()

        def rebuilt() -> float:
            runs.append(self._rebuilt(LEDGER))
            return lines / runs[-1]["seconds"]

        def wall() -> float:
            return lines / self.wall.run(lines, self.workers)

        found = interleaved(self.rounds, {"wall": wall, "rebuild": rebuilt})
        middle = {name: sorted(rates)[len(rates) // 2] for name, rates in found.items()}
        self.lines_a_second = middle["rebuild"]
        both = lines / (lines / middle["rebuild"] + self.facts["seconds"])
        over_wall = median_ratio(found["rebuild"], found["wall"])
        asked = ASKED if lines >= ASKED_FROM_LINES else None
        of = f"wall, {self.workers} processes"
        yield Measured("rebuild", "wall: scan, orjson.loads, COPY four rows", middle["wall"], "lines/s")
        yield Measured("rebuild", "ledger, with indexes", middle["rebuild"], "lines/s", over_wall, of, asked)
        yield Measured("rebuild", "facts (one process)", lines / self.facts["seconds"], "lines/s")
        yield Measured("rebuild", "facts and ledger", both, "lines/s", both / middle["wall"], of)
        yield Measured("rebuild", "written into the log by commands", lines / self.writing, "lines/s")
        peak = max(max(run["parent_kib"], run["worker_kib"]) for run in [self.facts, *runs])
        for who in ("parent", "worker"):
            kib = max(run[f"{who}_kib"] for run in runs)
            yield Measured("memory", f"ledger: largest {who} process", kib / 1024, "MiB")
        yield Measured("memory", "facts: the process", self.facts["parent_kib"] / 1024, "MiB")
        yield Measured("memory", "largest of all", peak / 1024, "MiB", note="asked: under 1,024 at 2 million lines")

    def rating(self) -> Iterator[Measured]:
        """Posting without reading and writing, and how much of it is rating; processor time."""
        task = Task(self.database.conninfo("projector"), self.database.book, self.database.book_next, 0, 2**62)
        worker = Worker(task)
        limit = self._scalar(
            f"SELECT max(account_no) FROM (SELECT DISTINCT account_no FROM {self.database.book}.facts "
            f"WHERE account_no > 0 ORDER BY 1 LIMIT {RATED_ACCOUNTS}) AS account"
        )
        accounts = list(worker._accounts(Range(1, limit, 0)))
        lines = sum(fact[0] == "line" for _, facts in accounts for _, fact in facts)

        def post() -> float:
            started = process_time()
            poster = ledger.Poster(worker.house)
            for account_no, facts in accounts:
                for _ in poster.post(account_no, facts):
                    pass
            return float((process_time() - started) / lines * 1e6)

        rated_by = {
            (module, name): getattr(module, name)
            for module, name in ((rating, "rate"), (rating, "moved"), (ledger, "terms_of"), (release_1, "paid_at_once"))
        }
        answers: dict[Any, list[Any]] = {which: [] for which in rated_by}

        def post_with(instead: dict[Any, Any]) -> float:
            for (module, name), function in instead.items():
                setattr(module, name, function)
            try:
                return post()
            finally:
                for (module, name), function in rated_by.items():
                    setattr(module, name, function)

        def remembering(which: Any) -> Any:
            def remembered(*given: Any, **named: Any) -> Any:
                answers[which].append(rated_by[which](*given, **named))
                return answers[which][-1]

            return remembered

        def post_unrated() -> float:
            again = {which: iter(given) for which, given in answers.items()}
            return post_with({which: lambda *_, which=which, **__: next(again[which]) for which in rated_by})

        post_with({which: remembering(which) for which in rated_by})
        found = interleaved(max(3, self.rounds), {"all": post, "unrated": post_unrated})
        rated = sorted(a - b for a, b in zip(found["all"], found["unrated"], strict=True))[len(found["all"]) // 2]
        yield Measured("rating", "learn, rate, post a line", sorted(found["all"])[len(found["all"]) // 2], "µs/line")
        yield Measured("rating", "of that, rating", rated, "µs/line")
        worker.close()

    def bytes(self) -> Iterator[Measured]:
        book, house = self.database.book, self.database.house
        for name, table in (
            ("events", f"{house}.house_events"),
            ("facts", f"{book}.facts"),
            ("journal", f"{book}.journal"),
        ):
            size = self._scalar(f"SELECT pg_total_relation_size('{table}')")
            yield Measured("storage", f"{name}, with indexes", size / self.size.lines, "bytes/line")
        rows = self._scalar(f"SELECT count(*) FROM {book}.journal")
        yield Measured("storage", "journal rows", rows / self.size.lines, "rows/line")

    def runner(self) -> Iterator[Measured]:
        library = Library(self.database)
        try:
            rates = [RUNNER_EVENTS / library.project(RUNNER_EVENTS) for _ in range(self.rounds)]
        finally:
            library.close()
        rate = sorted(rates)[len(rates) // 2]
        name = "eventsourcing ProjectionRunner, one posting an event"
        yield Measured("beside", name, rate, "postings/s", rate / self.lines_a_second, "our ledger, lines/s")

    def ledger(self) -> Iterator[Measured]:
        name = f"ledger (C++), balances of {POSTINGS:,} postings"
        rate = balances_a_second(self.database, POSTINGS, self.rounds)
        if rate is None:
            yield Measured("beside", name, 0, "postings/s", note="not installed")
        else:
            yield Measured("beside", name, rate, "postings/s", rate / self.lines_a_second, "our ledger, lines/s")

    def _scalar(self, statement: str) -> int:
        with self.database.connect("owner") as connection:
            row = connection.execute(statement).fetchone()
        return int(row[0]) if row else 0
