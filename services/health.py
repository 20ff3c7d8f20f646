"""Whether a process that goes on is alive and does its work, and its figures, for those who watch it over HTTP.

    /metrics   the figures, for Prometheus
    /healthz   200 while the loop turns, or waits for the database or the broker; 503 when it hangs
    /readyz    200 while it does its work; else 503, and one line that says what is missing

Nothing here needs the database to answer: what comes from there is read on a thread of its own, at most once a second.
"""

import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from types import FrameType

import structlog
from prometheus_client import CollectorRegistry

from adapters.database import Database
from adapters.figures import Figures, Latest, Watching, read_figures
from adapters.http_server import Page, serving
from adapters.metrics import ABOUT_BOOK, ABOUT_PROCESS, Sample, exposed, registry_of, samples_of
from adapters.relay_metrics import ABOUT_RELAY, Behind, Publishing, Shown, read_behind, relay_samples
from adapters.settings import Settings
from adapters.waiting import Waiting
from projections.published.reached import Reached

STALLED_SECONDS = 300.0
"""For how long the loop may be at one part of its work. One position may concern every account of a big book."""
WAITING_MODULES = ("psycopg", "kafka")
"""Where the loop stands while it waits for an answer of the database or of the broker."""
BENEATH = ("threading", "selectors", "socket", "ssl")
"""What those wait with."""
TOP = Path(__file__).parent.parent

logger = structlog.get_logger("trailbook")


@dataclass
class Pulse:
    """What a loop shows of itself: written by its own thread, in which it is made, and read by those that answer."""

    process: str
    """As what the process works: ``run``, or the part of it that it does alone, or ``relay``."""
    waiting: Waiting = field(default_factory=Waiting)
    database: Database | None = None
    beaten_at: float = field(default_factory=time.monotonic)
    _thread: int = field(default_factory=threading.get_ident)

    @property
    def waits_for(self) -> str:
        """What has to come back before it can go on; empty while it works."""
        return self.waiting.waits_for

    def beat(self) -> None:
        """A part of the work begins."""
        self.beaten_at = time.monotonic()

    @property
    def stalled(self) -> str:
        """For how long, and at which line, the loop hangs; empty where it does not."""
        seconds = time.monotonic() - self.beaten_at
        frame = sys._current_frames().get(self._thread)
        if seconds <= STALLED_SECONDS or _waits_for_an_answer(frame):
            return ""
        return f"the loop has not turned for {seconds:.0f} s; it is at {_place(frame)}"


def _waits_for_an_answer(frame: FrameType | None) -> bool:
    while frame is not None and _module(frame) in BENEATH:
        frame = frame.f_back
    return frame is not None and _module(frame).startswith(WAITING_MODULES)


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _place(frame: FrameType | None) -> str:
    """The innermost line of our own."""
    while frame is not None and TOP not in Path(frame.f_code.co_filename).parents:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).relative_to(TOP)}:{frame.f_lineno}" if frame else "an unknown line"


# -- the process that projects


@dataclass(frozen=True)
class Book:
    """What is known of a process that keeps a book, its own state and what the database says."""

    settings: Settings
    pulse: Pulse
    latest: Latest[Figures]
    needs: Collection[str]
    """The projections that it cannot do without."""

    def samples(self) -> Iterator[Sample]:
        """What a scrape is told."""
        figures, well = self.latest.get()
        yield from about_process(self.settings.house, self.pulse, well)
        if figures is not None:
            yield from samples_of(figures)

    def missing(self) -> str:
        """What is missing for it to do its work; empty where nothing is."""
        figures, well = self.latest.get()
        if self.pulse.waits_for:
            return f"waiting for {self.pulse.waits_for}"
        if figures is None or not well:
            return "the database does not answer"
        stopped = [
            f"{stand.projection} at position {stand.poison_position}"
            for stand in figures.stands
            if stand.poison_position and stand.projection in self.needs
        ]
        return f"stopped: {', '.join(stopped)}" if stopped else self.pulse.stalled


@contextmanager
def watched(settings: Settings, pulse: Pulse, needs: Collection[str]) -> Iterator[None]:
    """Answer for a process that needs these projections, where the settings name a port.

    Raises SettingsWrong where it is taken.
    """
    watching = Watching(lambda: pulse.database, "projector")
    book = Book(settings, pulse, Latest(lambda: read_figures(*watching.connection())), needs)
    with answering(settings, pulse, registry_of({**ABOUT_PROCESS, **ABOUT_BOOK}, book.samples), book.missing):
        yield


# -- the process that publishes


@dataclass(frozen=True)
class Topics:
    """What is known of a process that publishes, its own state and what the database says."""

    settings: Settings
    pulse: Pulse
    shown: Callable[[], Shown]
    latest: Latest[Behind]

    def samples(self) -> Iterator[Sample]:
        """What a scrape is told."""
        behind, well = self.latest.get()
        yield from about_process(self.settings.house, self.pulse, well)
        yield from relay_samples(self.shown(), behind)

    def missing(self) -> str:
        """What is missing for it to do its work, or to stand by for it; empty where nothing is."""
        _, well = self.latest.get()
        shown = self.shown()
        if self.pulse.waits_for:
            return f"waiting for {self.pulse.waits_for}"
        if not well:
            return "the database does not answer"
        if shown.stands_at_poison:
            return f"stopped at position {shown.poison_position}" if shown.poison_position else "stopped: see its log"
        return "starting" if shown.state == "starting" else self.pulse.stalled


@contextmanager
def watched_relay(
    settings: Settings, pulse: Pulse, shown: Callable[[], Shown], publishing: Publishing
) -> Iterator[None]:
    """Answer for a process that publishes, where the settings name a port. Raises SettingsWrong where it is taken."""
    watching = Watching(lambda: pulse.database, "relay")
    latest = Latest(lambda: read_behind(*watching.connection(), shown().reached or Reached()))
    topics = Topics(settings, pulse, shown, latest)
    registry = registry_of({**ABOUT_PROCESS, **ABOUT_RELAY}, topics.samples, publishing.collectors)
    with answering(settings, pulse, registry, topics.missing):
        yield


# -- any process


def about_process(house: str, pulse: Pulse, database_up: bool) -> Iterator[Sample]:
    """What any process tells of itself."""
    yield Sample("trailbook_info", (house, pulse.process), 1)
    yield Sample("trailbook_waiting", (pulse.waits_for,), bool(pulse.waits_for))
    turned_at = time.time() - (time.monotonic() - pulse.beaten_at)
    yield Sample("trailbook_loop_turned_timestamp_seconds", (), turned_at)
    yield Sample("trailbook_database_up", (), database_up)


@contextmanager
def answering(
    settings: Settings, pulse: Pulse, registry: CollectorRegistry, missing: Callable[[], str]
) -> Iterator[None]:
    """Serve the three pages, where the settings name a port. Raises SettingsWrong where it is taken."""
    if settings.http_port is None:
        yield
        return
    pages: Mapping[str, Callable[[str], Page]] = {
        "/metrics": lambda accepted: Page(HTTPStatus.OK, *exposed(registry, accepted)),
        "/healthz": lambda _: _told(pulse.stalled, "alive"),
        "/readyz": lambda _: _told(missing(), "ready"),
    }
    with serving(settings.http_host, settings.http_port, pages) as url:
        logger.info("serving", url=url, pages=" ".join(pages))
        yield


def _told(wrong: str, well: str) -> Page:
    status = HTTPStatus.SERVICE_UNAVAILABLE if wrong else HTTPStatus.OK
    return Page(status, f"{wrong or well}\n".encode())
