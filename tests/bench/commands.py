"""Commands recorded per second, over autocommit inserts of the same rows on one connection."""

from argparse import Namespace
from datetime import date
from time import perf_counter

import psycopg

from adapters.database import Database
from adapters.log import PostgresLog
from domain.account import Alias, OpenAccount
from domain.agent import RecruitAgent, SignAgreement
from domain.agent_of_record import DesignateAgentOfRecord, Weighted
from domain.calendar import OpenDay
from domain.customer import OnboardCustomer
from domain.message import Actor, Command, Evidence, Issued
from domain.plan import ProposePlanVersion, PublishPlanVersion
from domain.vendor import ContractVendor
from services.commands import Commands
from tests.bench.library import Library
from tests.bench.measure import Measured, interleaved, median_ratio

ACCOUNTS_A_ROUND = 100
"""Two commands an account, each with one event: opened, and its agent of record designated."""
ROUNDS = 4
"""Short rounds, and so many of them for each round asked for: commands wait for nothing but the processor."""
ASKED = 0.35

ANN, BOB = Actor(subject="ann"), Actor(subject="bob")
LETTER = Evidence(digest="sha256:" + "ab" * 32, signer="customer:owner", signed_on=date(2020, 12, 1))


def run(database: Database, options: Namespace) -> list[Measured]:
    with PostgresLog(database) as log, database.connect("owner", autocommit=True) as connection:
        library = Library(database)
        bench = _Bench(Commands(log), database, connection)
        bench.begin()
        sides = {"commands": bench.commands, "inserts": bench.inserts, "saves": lambda: _saves(library)}
        try:
            found = interleaved(ROUNDS * options.rounds, sides)
        finally:
            library.close()
    middle = {name: sorted(rates)[len(rates) // 2] for name, rates in found.items()}
    over_inserts, saves = (median_ratio(found[one], found["inserts"]) for one in ("commands", "saves"))
    return [
        Measured("commands", "autocommit INSERT of the same rows", middle["inserts"], "rows/s"),
        Measured(
            "commands",
            "services.commands.Commands",
            middle["commands"],
            "commands/s",
            over_inserts,
            "autocommit INSERT",
            ASKED,
            "one event a command, with its command id",
        ),
        Measured("commands", "eventsourcing Application.save", middle["saves"], "saves/s", saves, "autocommit INSERT"),
    ]


def _saves(library: Library) -> float:
    return 2 * ACCOUNTS_A_ROUND / library.save_each(2 * ACCOUNTS_A_ROUND)


class _Bench:
    def __init__(self, commands: Commands, database: Database, connection: psycopg.Connection) -> None:
        self.handler = commands
        self.connection = connection
        self.events = f"{database.house}.house_events"
        self.copy = f"{database.book}.inserted"
        self.accounts = 0
        self.first = self.last = 0

    def begin(self) -> None:
        """A vendor, a customer and an agent; and a table like the log's, with its keys."""
        for number, (command, by) in enumerate(_BEGINNING):
            self.handler.handle(Issued(f"begin-{number}", by, command))
        self.connection.execute(f"CREATE TABLE {self.copy} (LIKE {self.events} INCLUDING ALL)")

    def commands(self) -> float:
        """Commands per second."""
        given: list[Issued] = []
        for number in range(self.accounts, self.accounts + ACCOUNTS_A_ROUND):
            account, alias = f"lumen/5-{number:07d}", Alias(vendor="lumen", number=f"5-{number:07d}")
            opened = OpenAccount(account=account, customer="alder", vendor="lumen", aliases=(alias,))
            named = DesignateAgentOfRecord(
                account=account, agents=(Weighted(agent="harbor"),), effective_on=date(2021, 1, 1)
            )
            given += [Issued(f"open-{number}", ANN, opened), Issued(f"designate-{number}", ANN, named, LETTER)]
        self.accounts += ACCOUNTS_A_ROUND
        started = perf_counter()
        results = [self.handler.handle(issued) for issued in given]
        took = perf_counter() - started
        self.first, self.last = results[0].first_position, results[-1].last_position
        return len(given) / took

    def inserts(self) -> float:
        """The rows that the last round of commands recorded, inserted again one by one; rows per second."""
        rows = self.connection.execute(
            f"SELECT * FROM {self.events} WHERE notification_id BETWEEN %s AND %s ORDER BY notification_id",
            (self.first, self.last),
        ).fetchall()
        statement = f"INSERT INTO {self.copy} VALUES (%s, %s, %s, %s, %s, %s)"
        started = perf_counter()
        for row in rows:
            self.connection.execute(statement, row, prepare=True)
        return len(rows) / (perf_counter() - started)


_BEGINNING: tuple[tuple[Command, Actor], ...] = (
    (OpenDay(date=date(2021, 1, 15)), ANN),
    (ContractVendor(vendor="lumen"), ANN),
    (ProposePlanVersion(plan="seller"), ANN),
    (PublishPlanVersion(plan="seller"), BOB),
    (RecruitAgent(agent="harbor"), ANN),
    (SignAgreement(agent="harbor", plan="seller", effective_on=date(2021, 1, 1)), ANN),
    (OnboardCustomer(customer="alder"), ANN),
)
