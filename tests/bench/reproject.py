"""The ledger revalued under another recipe: how fast, in how much memory, who notices, and what promotion costs.

Parts, each to be run alone with ``--part``: ``speed`` over the wall and beside ``ledger``; ``growth``, memory and
seconds a line at a quarter, half and all of the accounts; ``live``, what others wait for meanwhile; ``promotion``,
prepared and not; ``keep-up``. What is compared is measured in turn, round after round.
"""

import json
import subprocess
import sys
from argparse import Namespace
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from random import Random
from statistics import median
from time import perf_counter
from typing import Any

import psycopg
from psycopg import sql

from adapters.database import Database
from adapters.log import PostgresLog
from adapters.projectors import LEDGER, Projectors
from adapters.rebuild import rebuild
from adapters.valuations import Keeper, drop, stands
from domain.message import Issued, Refused
from domain.rating import RELEASES
from domain.rating.facts import FIRST_RELEASE
from projections import facts
from services.commands import Commands
from tests.bench.beside import balances_a_second
from tests.bench.book import FIRST_MONTH, SEED, Size, Step, letters, reported, write
from tests.bench.desk import PER_CENT, Desk, Reach
from tests.bench.kept import kept_up
from tests.bench.live import COMMAND, POINT_READS, READS, Desktop, at
from tests.bench.measure import Measured, interleaved, median_ratio
from tests.bench.wall import Wall

ASKED = 0.35
ASKED_MIB, ASKED_READ_MS = 512, 20
POSTINGS = 100_000
LOOKS = 250
"""So many of each kind of read in a round of ``live``."""
ALONE = 40
"""So many events alone in a round of ``keep-up``."""
FACTS_AND_LEDGER = (facts.name, LEDGER)
REACHES: tuple[Reach, ...] = ("some", "all")

Ran = dict[str, float]
_NUMBERS = count(1)


def run(database: Database, options: Namespace) -> list[Measured]:
    with _open(database, Size(options.accounts, options.months, sellers_versions=1)) as house:
        bench = _Bench(house, options.workers, options.rounds)
        parts = {
            "speed": bench.speed,
            "growth": bench.growth,
            "live": bench.live,
            "promotion": bench.promotion,
            "keep-up": bench.keep_up,
        }
        found: list[Measured] = []
        for name, part in parts.items():
            if not options.part or name in options.part:
                _tell(name)
                found.extend(part())
        return found


PARTS = ("speed", "growth", "live", "promotion", "keep-up")


def _tell(what: str) -> None:
    print(f"… {what}", file=sys.stderr, flush=True)


# -- a house with a book, and its valuations


@dataclass
class _House:
    database: Database
    size: Size
    commands: Commands

    @cached_property
    def desk(self) -> Desk:
        return Desk(self.commands, self.size)

    @cached_property
    def connection(self) -> psycopg.Connection:
        return self.database.connect("reader", autocommit=True)

    def value(self, reprojection: str, workers: int) -> Ran:
        """Value from nothing, or what came since, in a process of its own."""
        command = [sys.executable, "-m", "tests.bench.valued", self.database.url, self.database.house, reprojection]
        done = subprocess.run([*command, str(workers)], check=True, stdout=subprocess.PIPE, text=True)
        found: Ran = json.loads(done.stdout)
        return found

    def value_anew(self, reprojection: str, workers: int) -> Ran:
        drop(self.database, reprojection)
        return self.value(reprojection, workers)

    def catch_up(self) -> None:
        with Projectors(self.database, names=FACTS_AND_LEDGER) as projectors:
            projectors.catch_up()

    def differs(self, reprojection: str) -> tuple[int, int, int]:
        """How many accounts, cells and entries of a valuation differ."""
        statement = sql.SQL("SELECT reprojection_no FROM {}.valuation WHERE reprojection = %s")
        (number,) = self._row(statement.format(self._book), reprojection)
        statement = sql.SQL(
            "SELECT count(DISTINCT account_no), count(DISTINCT (account_no, e.month, e.kind, e.currency)), count(*) "
            "FROM {} AS valued, unnest(valued.month, valued.kind, valued.currency) AS e (month, kind, currency)"
        )
        accounts, cells, entries = self._row(
            statement.format(sql.Identifier(self.database.book, f"valuation_{number}"))
        )
        return accounts, cells, entries

    def entries_at(self, first: int, last: int) -> int:
        statement = sql.SQL("SELECT count(*) FROM {}.journal WHERE position BETWEEN %s AND %s")
        return int(self._row(statement.format(self._book), first, last)[0])

    @property
    def _book(self) -> sql.Identifier:
        return sql.Identifier(self.database.book)

    def _row(self, statement: sql.Composed, *values: Any) -> Any:
        return self.connection.execute(statement, values).fetchone()


@contextmanager
def _open(database: Database, size: Size) -> Iterator[_House]:
    """A house with the generated book, its facts and its ledger up to date."""
    _tell(f"a book of {size.lines:,} lines")
    write(database, size)
    for name in FACTS_AND_LEDGER:
        rebuild(database, name)
    with PostgresLog(database) as log:
        house = _House(database, size, Commands(log))
        try:
            yield house
        finally:
            if "connection" in vars(house):
                house.connection.close()


# -- the parts


@dataclass
class _Bench:
    house: _House
    workers: int
    rounds: int

    def speed(self) -> Iterator[Measured]:
        house, lines = self.house, self.house.size.lines
        changes = {PER_CENT[reach]: house.desk.propose(reach) for reach in REACHES}
        for release in RELEASES:
            if release != FIRST_RELEASE:
                changes[f"rating release {release}"] = house.desk.propose_release(release)
        house.catch_up()
        wall = Wall(house.database)
        wall.build()
        sides: dict[str, Callable[[], float]] = {"wall": lambda: lines / wall.run(lines, self.workers)}
        for what, name in changes.items():
            sides[what] = lambda name=name: lines / house.value_anew(name, self.workers)["seconds"]  # type: ignore[misc]
        try:
            found = interleaved(self.rounds, sides)
        finally:
            wall.drop()
        of = f"wall, {self.workers} processes"
        yield Measured("reproject", "wall: scan, orjson.loads, COPY four rows", median(found["wall"]), "lines/s")
        for what, name in changes.items():
            ratio = median_ratio(found[what], found["wall"])
            accounts, cells, entries = house.differs(name)
            note = f"{cells / lines:.2%} of cells differ, {entries:,} entries of {accounts:,} accounts"
            named = what if what.startswith("rating") else f"a change that touches {what}"
            yield Measured("reproject", named, median(found[what]), "lines/s", ratio, of, ASKED, note)
        yield from self._beside(median(found[PER_CENT["all"]]))
        for name in changes.values():
            drop(house.database, name)
            house.desk.drop(name)

    def _beside(self, lines_a_second: float) -> Iterator[Measured]:
        name = f"ledger (C++), balances of {POSTINGS:,} postings"
        rate = balances_a_second(self.house.database, POSTINGS, self.rounds)
        if rate is None:
            yield Measured("beside", name, 0, "postings/s", note="not installed")
        else:
            yield Measured("beside", name, rate, "postings/s", rate / lines_a_second, "lines revalued/s, 100 %", 1)

    def growth(self) -> Iterator[Measured]:
        """A quarter, half and all of the accounts: seconds a million lines and the largest processes."""
        with ExitStack() as stack:
            houses = [*(stack.enter_context(self._smaller(part)) for part in (4, 2)), self.house]
            names = [house.desk.propose("all") for house in houses]
            sides: dict[str, Callable[[], float]] = {}
            ran: dict[str, list[Ran]] = {}
            sizes: dict[str, int] = {}
            for house, name in zip(houses, names, strict=True):
                house.catch_up()
                what = f"{house.size.lines:,} lines"
                ran[what], sizes[what] = [], house.size.lines
                sides[what] = self._valuing(house, name, ran[what])
            found = interleaved(self.rounds, sides)
            last = f"{self.house.size.lines:,} lines"
            for what in sides:
                ratio = median_ratio(found[what], found[last])
                yield Measured("growth", what, median(found[what]), "s a million", ratio, "the most lines")
                processor = median(one["processor_seconds"] for one in ran[what]) / sizes[what] * 1e6
                yield Measured("growth", f"{what}: processor time", processor, "µs/line", note="parent and workers")
                for who in ("parent", "worker"):
                    mib = max(one[f"{who}_kib"] for one in ran[what]) / 1024
                    yield Measured(
                        "growth", f"{what}: largest {who} process", mib, "MiB", note=f"asked: under {ASKED_MIB}, flat"
                    )
            drop(self.house.database, names[-1])
            self.house.desk.drop(names[-1])

    def _valuing(self, house: _House, name: str, ran: list[Ran]) -> Callable[[], float]:
        def seconds_a_million() -> float:
            ran.append(house.value_anew(name, self.workers))
            return ran[-1]["seconds"] / house.size.lines * 1e6

        return seconds_a_million

    @contextmanager
    def _smaller(self, part: int) -> Iterator[_House]:
        whole = self.house.size
        database = Database(self.house.database.url, f"{self.house.database.house}_{part}")
        database.init()
        try:
            with _open(database, Size(max(1, whole.accounts // part), whole.months, whole.sellers_versions)) as house:
                yield house
        finally:
            database.drop()

    def live(self) -> Iterator[Measured]:
        """What reads and commands take while one worker values again and again, and while nothing runs."""
        house = self.house
        name = house.desk.propose("all")
        desktop = Desktop(house.database, house.commands, house.size)
        quiet: dict[str, list[float]] = defaultdict(list)
        valuing: dict[str, list[float]] = defaultdict(list)
        with kept_up(house.database, valuations=False):
            for _ in range(self.rounds):
                for took, work in ((quiet, nullcontext()), (valuing, self._valued_again(name))):
                    desktop.again()
                    with work:
                        desktop.work(lambda: len(desktop.took[READS[-1]]) >= LOOKS)
                    for what, seconds in desktop.took.items():
                        took[what].extend(seconds)
        desktop.close()
        for what in (*READS, COMMAND):
            for share, called in ((0.5, "p50"), (0.99, "p99")):
                alone, beside = at(quiet[what], share), at(valuing[what], share)
                asked = f"; asked: under {ASKED_READ_MS}" if called == "p99" and what in POINT_READS else ""
                note = f"{alone:.1f} ms when nothing runs{asked}"
                named = f"{what}, {called}"
                yield Measured("live", named, beside, "ms", beside / alone, "the same, quiet", note=note)
        drop(house.database, name)
        house.desk.drop(name)

    @contextmanager
    def _valued_again(self, name: str) -> Iterator[None]:
        """Valuations by one worker, one after another, for as long as it takes."""
        command = [sys.executable, "-m", "tests.bench.valued", self.house.database.url, self.house.database.house]
        with subprocess.Popen([*command, name, "1", "again"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdout.readline()  # it has begun
            yield
            process.stdin.close()
            process.stdout.read()

    def promotion(self) -> Iterator[Measured]:
        """Promoted with its valuation ready; undone without one, cell by cell. Others work all the while."""
        for reach in REACHES:
            runs: dict[str, list[_Promoted]] = {"prepared": [], "cell by cell": []}
            with kept_up(self.house.database, valuations=True):
                for _ in range(self.rounds):
                    name = self.house.desk.propose(reach)
                    self.house.value(name, self.workers)
                    runs["prepared"].append(self._promote(name))
                    runs["cell by cell"].append(self._promote(self.house.desk.propose_undo(name)))
            yield from _promotions(reach, runs)

    def _promote(self, name: str) -> "_Promoted":
        """Watched until the ledger stands behind it."""
        house = self.house
        house.desk.approve(name)
        desktop = Desktop(house.database, house.commands, house.size)
        desktop.work(lambda: len(desktop.took[READS[-1]]) >= min(LOOKS, 5))
        desktop.again()
        started = perf_counter()
        result = house.desk.promote(name)
        desktop.work(lambda: desktop.look() >= result.last_position)
        took = perf_counter() - started
        desktop.close()
        entries = house.entries_at(result.first_position, result.last_position)
        became = {one.reprojection: one.reason or "" for one in stands(house.connection, house.database.book)}
        return _Promoted(took, entries, desktop, became.get(name, ""))

    def keep_up(self) -> Iterator[Measured]:
        """What comes after a valuation was made: a statement with a line for each account, letters, single events."""
        house = self.house
        name = house.desk.propose("all")
        house.catch_up()
        house.value(name, self.workers)
        random = Random(SEED)
        found: dict[str, list[float]] = {"statement": [], "letters": [], "alone": []}
        with house.database.connect("projector", autocommit=True) as connection:
            keeper = Keeper(house.database, connection)
            for number in range(self.rounds):
                month = FIRST_MONTH + house.size.months + number
                self._record(reported(house.size, month, random))
                found["statement"].append(house.size.accounts / self._kept(keeper))
                events = self._record(letters(house.size, month, random))
                found["letters"].append(events / self._kept(keeper))
                for step in islice(letters(house.size, month, random), ALONE):
                    events = self._record([step])
                    found["alone"].append(events / self._kept(keeper))
        yield Measured("keep-up", "a month's statement, one process", median(found["statement"]), "lines/s")
        yield Measured("keep-up", "letters that reach back, all at once", median(found["letters"]), "events/s")
        yield Measured("keep-up", "letters that reach back, one at a time", median(found["alone"]), "events/s")
        drop(house.database, name)
        house.desk.drop(name)

    def _kept(self, keeper: Keeper) -> float:
        """Seconds in which a valuation follows the ledger to its end, once that has come there."""
        self.house.catch_up()
        started = perf_counter()
        while keeper.step():
            pass
        return perf_counter() - started

    def _record(self, steps: Iterable[Step]) -> int:
        """How many events the commands led to."""
        events = 0
        for command, by, letter in steps:
            with suppress(Refused):  # by chance a letter may name whom an earlier one named
                result = self.house.commands.handle(Issued(f"reproject-{next(_NUMBERS)}", by, command, letter))
                events += result.last_position - result.first_position + 1
        return events


@dataclass(frozen=True)
class _Promoted:
    seconds: float
    entries: int
    desktop: Desktop
    """What others saw meanwhile."""
    became: str
    """Of its valuation, if it had one."""

    def longest(self, *what: str) -> float:
        """In milliseconds."""
        return max((at(self.desktop.took[one], 1) for one in what if self.desktop.took[one]), default=0)


def _promotions(reach: Reach, runs: dict[str, list[_Promoted]]) -> Iterator[Measured]:
    slow = [one.seconds for one in runs["cell by cell"]]
    for how, ran in runs.items():
        took = [one.seconds for one in ran]
        named = f"promotion, {PER_CENT[reach]}, {how}"
        ratio = median_ratio(took, slow) if how == "prepared" else None
        note = f"{ran[0].entries:,} entries, {median(one.entries / one.seconds for one in ran):,.0f} a second"
        without = next((one.became for one in ran if "without" in one.became), "")
        note = f"NOT in bulk: {without}" if without else note
        yield Measured("promotion", named, median(took), "s", ratio, "cell by cell" if ratio else "", None, note)
        point, statement, command = (
            max(one.longest(*what) for one in ran) for what in (POINT_READS, READS[-1:], (COMMAND,))
        )
        behind = max(one.desktop.behind for one in ran)
        note = f"{READS[-1]} {statement:.0f} ms, {COMMAND} {command:.0f} ms; the ledger {behind} positions behind"
        yield Measured("promotion", f"{named}: longest point read", point, "ms", note=note)
