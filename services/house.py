"""The one place where a house is put together: its database, log, commands, projectors and queries."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

import psycopg
import structlog

from adapters.database import Database, InitNeeded
from adapters.log import PATIENCE_SECONDS, PostgresLog
from adapters.projectors import EventAt, Projectors, event_at, positions
from adapters.settings import Settings
from adapters.valuations import Keeper
from domain.ids import CALENDAR
from domain.log import CommandResult
from domain.message import Issued, Refused
from domain.payout import ProposePayRun
from domain.succession import AnnounceSuccession
from projections import agenda, facts
from projections.agenda import SCHEDULER
from services.commands import Commands
from services.letters import with_rescission_windows
from services.logs import of_command, of_result
from services.queries import Queries
from services.succession import with_holders
from services.suspense import asks_the_book, with_what_waits

logger = structlog.get_logger("trailbook")


@dataclass
class House:
    """One house, open for work. Close it, or use it as a context."""

    settings: Settings
    database: Database
    patience_seconds: int = PATIENCE_SECONDS
    tells: bool = False
    """Whether the log of the program says each command that is recorded."""
    _figures_at: int | None = None
    _reading: psycopg.Connection | None = None
    _given_up_to: tuple[date, int] = (date.min, 0)
    """The open day and the agenda's position up to which everything due was given."""

    @cached_property
    def log(self) -> PostgresLog:
        return PostgresLog(self.database, patience_seconds=self.patience_seconds)

    @cached_property
    def commands(self) -> Commands:
        return Commands(self.log, self._with_figures, self._give_due)

    @cached_property
    def projectors(self) -> Projectors:
        return Projectors(self.database)

    @cached_property
    def valuations(self) -> Keeper:
        """What follows the ledger with every valuation that stands."""
        return Keeper(self.database, self.database.connect("projector", autocommit=True))

    @property
    def _reader(self) -> psycopg.Connection:
        if self._reading is None or self._reading.closed:
            self._reading = self.database.connect("reader", autocommit=True)
        return self._reading

    def queries(self, *, caught_up: bool = True) -> Queries:
        """The book to ask, by default brought up to the head of the log first."""
        if caught_up:
            self.projectors.catch_up()
        return self._queries()

    def _queries(self) -> Queries:
        return Queries(self.database, self._reader)

    def handle(self, issued: Issued) -> CommandResult:
        """Record a command; a pay run's figures are read once the ledger has reached the head. Raises Refused."""
        if isinstance(issued.command, ProposePayRun) and self.log.result_of(issued.command_id) is None:
            if issued.on is not None:
                self.commands.open_day(issued.on, issued.actor)
            # the position before the ledger runs to it: what others append meanwhile must not refuse the proposal
            self._figures_at = self._head()
            self.projectors.catch_up()
        try:
            with self.database.faults_explained():  # a log explains its own, the queries for the figures do not
                result = self.commands.handle(issued)
        finally:
            self._figures_at = None
        self.tell(issued, result)
        return result

    def tell(self, issued: Issued, result: CommandResult) -> None:
        """Say in the log of the program what a command led to."""
        if self.tells:
            logger.info("command recorded", **of_command(issued, result))

    def _head(self) -> int:
        head = self.log.head()
        return head.position if head else 0

    def _with_figures(self, issued: Issued) -> Issued:
        """What a command reads besides the log: rescission windows, what waits under a number, a pay run's figures.

        Figures are as known at the head of the log; the ledger must have reached it.
        """
        issued = with_rescission_windows(issued, self.commands.state)
        if asks_the_book(issued) or isinstance(issued.command, AnnounceSuccession):
            reached = self.projectors.catch_up(names=(facts.name,))
            book = self._queries().facts
            return with_holders(with_what_waits(issued, book, reached), book, reached)
        if not isinstance(issued.command, ProposePayRun):
            return issued
        position = self._head() if self._figures_at is None else self._figures_at
        queries = self._queries()
        command = issued.command.model_copy(
            update={
                "as_known_at": position,
                "ledger_position": queries.ledger_position(),
                "recipe_no": queries.house.recipe_no_at(position),
                "figures": tuple(queries.earned(position, issued.command.agents)),
            }
        )
        return issued.with_command(command)

    def give_due(self) -> int:
        """Give what is due on the open day or before it, each once, as the scheduler; how many. Raises Poison.

        One that is refused is said in the log of the program, stays due, and is given again by the next process.
        """
        open_day = self.commands.state(CALENDAR).open_day
        if open_day is None:
            return 0
        given = 0
        refused: set[str] = set()
        while True:
            reached = self.projectors.catch_up(names=(agenda.name,))
            due = [d for d in self._queries().due(open_day, *self._given_up_to) if d.command_id not in refused]
            if not due:
                self._given_up_to = open_day, reached
                return given
            for row in due:
                issued = row.issued()
                try:
                    self.tell(issued, self.commands.handle(issued))
                    given += 1
                except Refused as refusal:
                    fields = {**of_command(issued), "due_since": row.position, "refused": refusal.code}
                    logger.error("due command refused", **fields, because=str(refusal))
                    refused.add(row.command_id)

    def _give_due(self) -> None:
        self.give_due()

    def today(self) -> date:
        """The day by the log's own clock, in the house's time zone: whatever clocks are set to, never an earlier one
        than that of an event that is recorded.
        """
        return self.log.clock().astimezone(self.settings.timezone).date()

    def open_today(self) -> bool:
        """Open the day that the house's clock shows; whether it was not open yet."""
        today = self.today()
        open_day = self.commands.state(CALENDAR).open_day
        if open_day is not None and open_day >= today:
            return False
        self.commands.open_day(today, SCHEDULER)
        self._tell_day_opened(today)
        return True

    def _tell_day_opened(self, day: date) -> None:
        result = self.log.result_of(f"open-day-{day}")
        ids = of_result(result) if result else {}  # another writer may have opened it under an id of its own
        logger.info("day opened", day=str(day), **ids)

    def event_at(self, position: int) -> EventAt | None:
        """The ids of the event at a position; it is asked as the projector, which is what stopped there."""
        with self.database.connect("projector", autocommit=True) as connection:
            return event_at(connection, self.database.house, position)

    def status(self) -> dict[str, Any]:
        """The log's head, the open day, and each projection's position, lag and poison. It is asked as the reader."""
        with PostgresLog(self.database, "reader", self.patience_seconds) as log:
            head, open_day = log.head(), Commands(log).state(CALENDAR).open_day
        at = head.position if head else 0
        self.projectors.connection.commit()
        rows = positions(self._reader, self.database.book)
        return {
            "ok": not any(row["poison_reason"] for row in rows),
            "head": {"position": at, "recorded_at": head.recorded_at.isoformat() if head else None},
            "open_day": str(open_day or "none"),
            "projections": [{**row, "lag_events": at - row["position"]} for row in rows],
        }

    def close(self) -> None:
        for name in ("log", "projectors", "valuations"):
            if name in self.__dict__:
                self.__dict__.pop(name).close()
        if self._reading is not None:
            self._reading.close()

    def __enter__(self) -> "House":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def open_house(settings: Settings, patience_seconds: int = PATIENCE_SECONDS) -> Iterator[House]:
    """The house of the settings; made first where the database is the embedded one.

    Raises DatabaseUnavailable, also for what befalls the server while the house is open.
    """
    database = settings.database()
    with database.faults_explained():
        if settings.database_url is None:
            try:
                database.check("writer")
            except InitNeeded:
                database.init()
        with House(settings, database, patience_seconds, tells=True) as house:
            yield house
