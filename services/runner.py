"""What ``trailbook run`` does: projectors, open valuations and the calendar, until stopped.

    working ── the database cannot be used ──▶ waiting (0.1 s, longer each time, up to 5 s) ── it can ──▶ working

Projecting and keeping the calendar are two parts, which one process does or two: what keeps the calendar records
commands, and so needs rights that what projects does without. One line is logged for each change of state. A projection
that meets what it cannot process is left alone, while the others go on; it is tried again every minute, and by the next
process, which may be of another release.
"""

import signal
import time
from dataclasses import dataclass, field
from types import FrameType
from typing import Literal

import psycopg
import structlog
from psycopg import sql

from adapters.database import DatabaseUnavailable, InitNeeded
from adapters.projectors import NAMES, Poison
from adapters.settings import Settings
from projections import agenda
from services.health import Pulse, watched
from services.house import House, open_house
from services.logs import of_event, without_values

POLL_SECONDS = 1.0
"""How long the projectors wait at most for a hint that something was appended."""
LOG_PATIENCE_SECONDS = 1
"""The runner waits by itself, and says so; it does not leave that to the log."""
POISON_SECONDS = 60.0
"""After how long a projection that stopped is tried again."""

Part = Literal["projections", "calendar"]

logger = structlog.get_logger("trailbook")


class Stopped(KeyboardInterrupt):
    """Told to stop: what is under way is given up wherever it is, and done again by the next runner.

    A KeyboardInterrupt, because psycopg then cancels its statement.
    """


def run_until_stopped(settings: Settings, *, batch: int, once: bool, only: Part | None = None) -> None:
    """Project, open each day as the house's clock shows it, and wait; end cleanly on SIGTERM or SIGINT.

    ``only`` one of the two parts, where another process does the other one.

    Raises InitNeeded and RebuildNeeded, which no waiting mends; with ``once`` also DatabaseUnavailable and Poison.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    logger.info("running", house=settings.house)
    runner = Runner(settings, batch, only)
    try:
        if once:
            runner.once()
        else:
            with watched(settings, runner.pulse, (agenda.name,) if only == "calendar" else NAMES):
                runner.always()
    except Stopped:
        logger.info("stopped")


def _stop(number: int, frame: FrameType | None) -> None:
    raise Stopped


@dataclass
class Runner:
    settings: Settings
    batch: int
    """Positions in one step; fewer for a while after a fault, which may have come of the step's size."""
    only: Part | None = None
    pulse: Pulse = field(init=False)
    """What is shown of it to those who watch."""
    _step: int = field(init=False)
    _stopped: dict[str, tuple[Poison, float]] = field(default_factory=dict)
    """Projections that met what they cannot process, and when they are tried again."""

    def __post_init__(self) -> None:
        self._step = self.batch
        self.pulse = Pulse(self.only or "run")

    def once(self) -> None:
        """Until nothing is left to do."""
        with open_house(self.settings) as house:
            self.pulse.database = house.database
            while self._round(house):
                pass
        for poison, _ in self._stopped.values():
            raise poison

    def always(self) -> None:
        """Until Stopped is raised; on a new connection, or a server started again, whenever the database was away."""
        while True:
            try:
                with open_house(self.settings, LOG_PATIENCE_SECONDS) as house:
                    self.pulse.database = house.database
                    self._work(house)
            except InitNeeded:
                raise
            except DatabaseUnavailable as fault:
                self._wait(fault)
            except MemoryError:
                self._wait(DatabaseUnavailable("this process is out of memory", "memory"))

    def _work(self, house: House) -> None:
        with house.database.connect("projector", autocommit=True) as listener:
            listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(house.database.channel)))
            while True:
                if not self._round(house):
                    _listen(listener)

    def _round(self, house: House) -> bool:
        """Whether anything was done, so that there may be more."""
        self.pulse.beat()
        given = self._keep_calendar(house) if self.only != "projections" else 0
        if self.only == "calendar":
            self._tell_going_on()
            return bool(given)
        self.pulse.beat()
        trying = [name for name in NAMES if self._may_try(name)]
        done, poisons = house.projectors.advance(self._step, names=trying)
        for poison in poisons:
            self._leave_alone(house, poison)
        self._tell_projections_go_on({*trying} - {poison.projection for poison in poisons})
        self._tell_going_on()
        if done:
            logger.info("projected", positions=done)
        self.pulse.beat()
        with house.database.faults_explained():
            followed = house.valuations.step()
        return bool(done or given or followed)

    def _keep_calendar(self, house: House) -> int:
        """Open today and give what is due; how many commands."""
        given = 0
        try:
            house.open_today()
            if self._may_try(agenda.name):
                if given := house.give_due():
                    logger.info("due commands given", commands=given)
                if self.only == "calendar":
                    self._tell_projections_go_on({agenda.name})
        except Poison as poison:
            self._leave_alone(house, poison)
        return given

    # -- what cannot be processed

    def _may_try(self, name: str) -> bool:
        return name not in self._stopped or self._stopped[name][1] <= time.monotonic()

    def _leave_alone(self, house: House, poison: Poison) -> None:
        before = self._stopped.get(poison.projection)
        if before is None or str(before[0]) != str(poison):
            logger.error(
                "projection stopped",
                projection=poison.projection,
                at=poison.position,
                **of_event(house.event_at(poison.position)),
                because=without_values(poison.reason),
            )
        self._stopped[poison.projection] = (poison, time.monotonic() + POISON_SECONDS)

    def _tell_projections_go_on(self, names: set[str]) -> None:
        for name in names & {*self._stopped}:
            del self._stopped[name]
            logger.info("projection goes on", projection=name)

    # -- waiting

    def _wait(self, fault: DatabaseUnavailable) -> None:
        self._step = max(1, self._step // 10)
        self.pulse.beat()
        self.pulse.waiting.wait(fault.waits_for, str(fault))

    def _tell_going_on(self) -> None:
        self.pulse.waiting.go_on()
        self._step = min(self.batch, 2 * self._step)


def _listen(listener: psycopg.Connection) -> None:
    for _ in listener.notifies(timeout=POLL_SECONDS, stop_after=1):
        pass
