"""Others at work meanwhile: reads through services.queries and commands, one after another, each timed."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from random import Random
from time import perf_counter, sleep
from typing import Any

from adapters.database import Database
from adapters.pg_facts import position_of
from adapters.projectors import LEDGER, Projectors, head_of
from domain import months
from domain.account import Alias, OpenAccount
from domain.log import CommandResult
from domain.message import Issued
from projections.ledger import book
from services.commands import Commands
from services.queries import Entry, Queries
from tests.bench.book import ANN, FIRST_MONTH, SEED, VENDOR, Size

PAUSE_SECONDS = 0.01
POINT_READS = ("an agent's account", "why", "a cell")
READS = (*POINT_READS, "an agent's statement")
COMMAND = "a command"
_NUMBERS = count(1)


@dataclass
class Desktop:
    """One person who looks and types. Of the house the agents and plans are remembered from read to read, of accounts
    nothing is.
    """

    database: Database
    commands: Commands
    size: Size
    took: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Seconds, by what was asked."""
    behind: int = 0
    """The most positions by which the ledger was behind the log at a look."""
    _random: Random = field(default_factory=lambda: Random(SEED))

    def __post_init__(self) -> None:
        Projectors(self.database).close()  # makes the tables that a statement reads, empty
        self.connection = self.database.connect("reader", autocommit=True)
        self._asked: dict[str, Callable[[], Any]] = dict(
            zip(READS, (self._account, self._why, self._cell, self._statement), strict=True)
        )
        self.queries = Queries(self.database, self.connection)
        self._entries: list[Entry] = []
        while not self._entries:
            self._account()

    def close(self) -> None:
        self.connection.close()

    def again(self) -> None:
        """Forget what was measured."""
        self.took.clear()
        self.behind = 0

    def work(self, until: Callable[[], bool]) -> None:
        """A command and each read in turn, until it is time to stop."""
        while True:
            self._timed(COMMAND, self.command)
            for what, ask in self._asked.items():
                self.queries._accounts.clear()
                self._timed(what, ask)
                self.look()
                if until():
                    return

    def look(self) -> int:
        """The ledger's position."""
        head = head_of(self.connection, self.database.house)
        position = position_of(self.connection, self.database.book, LEDGER)
        self.behind = max(self.behind, head - position)
        return position

    def command(self) -> CommandResult:
        number = f"8-{next(_NUMBERS):07d}"
        alias = Alias(vendor=VENDOR, number=number)
        opened = OpenAccount(account=f"new/{number}", customer="customer-0", vendor=VENDOR, aliases=(alias,))
        return self.commands.handle(Issued(f"desktop-{number}", ANN, opened))

    def _timed(self, what: str, do: Callable[[], Any]) -> None:
        sleep(PAUSE_SECONDS)
        started = perf_counter()
        do()
        self.took[what].append(perf_counter() - started)

    def _agent(self) -> str:
        return f"agent-{self._random.randrange(self.size.agents)}"

    def _account(self) -> list[Entry]:
        """An agent's account in the ledger, entry by entry: some 1,000 with 40 accounts of 24 months."""
        number = book("payable", self.queries.house.agents[self._agent()].agent_no)
        found = self.queries.entries(number=number)
        self._entries = found or self._entries
        return found

    def _why(self) -> Any:
        return self.queries.why(self.queries.entry(str(self._random.choice(self._entries).id)))

    def _cell(self) -> Any:
        return self.queries.entries(cell=self._random.choice(self._entries).cell)

    def _statement(self) -> Any:
        """Of a month, with the reason of every entry: rated again, one by one."""
        month = FIRST_MONTH + 1 + self._random.randrange(self.size.months)
        return self.queries.statement(self._agent(), months.text(month))


def at(seconds: list[float], share: float) -> float:
    """The value below which this share of them lies, in milliseconds."""
    return 1000 * sorted(seconds)[min(len(seconds) - 1, int(share * len(seconds)))]
