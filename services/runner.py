"""What ``trailbook run`` does: projectors and the calendar, until stopped."""

import signal
import threading
from collections.abc import Callable
from types import FrameType

import psycopg
import structlog
from psycopg import sql

from services.house import House

POLL_SECONDS = 1.0
"""How long the projectors wait at most for a hint that something was appended."""

logger = structlog.get_logger("trailbook")


def run_until_stopped(house: House, *, batch: int, once: bool) -> None:
    """Project, open each day as the house's clock shows it, and wait; end cleanly on SIGTERM or SIGINT.

    Raises Poison, DatabaseUnavailable.
    """
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _setter(stopped))
    logger.info("running", house=house.database.house, at=house.database.where)
    with house.database.connect("reader", autocommit=True) as listener:
        listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(house.database.channel)))
        while not stopped.is_set():
            if house.open_today():
                logger.info("day opened")
            if given := house.give_due():
                logger.info("due commands given", commands=given)
            while done := house.projectors.step(batch):
                logger.info("projected", positions=done)
                if stopped.is_set():
                    break
            if once:
                return
            _wait(listener)
    logger.info("stopped")


def _setter(event: threading.Event) -> Callable[[int, FrameType | None], None]:
    def stop(number: int, frame: FrameType | None) -> None:
        event.set()

    return stop


def _wait(listener: psycopg.Connection) -> None:
    for _ in listener.notifies(timeout=POLL_SECONDS, stop_after=1):
        pass
