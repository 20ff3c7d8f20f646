"""The figures under the names that Prometheus reads them by. Names, labels and help are kept: dashboards stand on them.

Positions and events are counted as the log counts them; times are in seconds, points in time seconds since 1970.
"""

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import NamedTuple

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from adapters.figures import Figures, Stand, Valuing
from adapters.rebuild_progress import Rebuilding


class Gauge(NamedTuple):
    """A metric that goes up and down: what it means, and what its values are told apart by."""

    help: str
    labels: tuple[str, ...] = ()


PROJECTION, REPROJECTION = ("projection",), ("reprojection",)

ABOUT_PROCESS: Mapping[str, Gauge] = {
    "trailbook_info": Gauge("Whose book this process works on, and as what; always 1.", ("house", "process")),
    "trailbook_waiting": Gauge(
        "1 while the process can do none of its work for lack of something, which waits_for names; else 0.",
        ("waits_for",),
    ),
    "trailbook_loop_turned_timestamp_seconds": Gauge("When the loop of the process last began a part of its work."),
    "trailbook_database_up": Gauge(
        "1 if the database answered the reading that this scrape asked for; 0 if not, and what comes from the database "
        "is as it was known last."
    ),
    "trailbook_database_read_timestamp_seconds": Gauge(
        "When what comes from the database was read, by the database's clock."
    ),
}
ABOUT_BOOK: Mapping[str, Gauge] = {
    "trailbook_log_position": Gauge("The position of the last event of the log."),
    "trailbook_projection_position": Gauge("The position up to which the projection has taken the log.", PROJECTION),
    "trailbook_projection_lag_events": Gauge("Events of the log after the projection's position.", PROJECTION),
    "trailbook_projection_lag_seconds": Gauge(
        "The age of the oldest event that is not projected, by the database's clock; 0 if there is none.", PROJECTION
    ),
    "trailbook_projection_poison": Gauge(
        "1 if the projection stands at an event that it cannot process; else 0.", PROJECTION
    ),
    "trailbook_projection_poison_position": Gauge(
        "The position of the event that the projection cannot process; 0 if there is none.", PROJECTION
    ),
    "trailbook_rebuild_running": Gauge("1 while the projection is rebuilt; no value else.", PROJECTION),
    "trailbook_rebuild_started_timestamp_seconds": Gauge(
        "When the rebuild that runs began, by the database's clock.", PROJECTION
    ),
    "trailbook_rebuild_reached_positions": Gauge(
        "Positions of the log that the rebuild has taken, while it counts positions.", PROJECTION
    ),
    "trailbook_rebuild_wanted_positions": Gauge("Positions that the rebuild has to take in all.", PROJECTION),
    "trailbook_rebuild_reached_facts": Gauge(
        "Facts that the rebuild has posted, while it posts the ledger in bulk, account after account.", PROJECTION
    ),
    "trailbook_rebuild_wanted_facts": Gauge("Facts that the rebuild has to post in bulk in all.", PROJECTION),
    "trailbook_valuation_position": Gauge("The position as of which the reprojection is valued.", REPROJECTION),
    "trailbook_valuation_lag_events": Gauge("Events that the ledger has taken after that position.", REPROJECTION),
    "trailbook_valuation_standing": Gauge(
        "1 if the valuation is whole and follows the ledger; 0 while it is made, or if it was given up.", REPROJECTION
    ),
    "trailbook_valuation_stopped": Gauge(
        "1 if the valuation was given up: value the reprojection again; else 0.", REPROJECTION
    ),
    "trailbook_valuation_valued_lines": Gauge("Lines valued when the valuation was made.", REPROJECTION),
    "trailbook_valuation_wanted_lines": Gauge("Lines to be valued in all when it was made.", REPROJECTION),
}


class Sample(NamedTuple):
    name: str
    labels: tuple[str, ...]
    value: float


def samples_of(figures: Figures) -> Iterator[Sample]:
    """The values that come from the database."""
    yield Sample("trailbook_database_read_timestamp_seconds", (), figures.read_at.timestamp())
    yield Sample("trailbook_log_position", (), figures.head)
    for stand in figures.stands:
        yield from _of_projection(stand)
    if figures.rebuilding is not None:
        yield from _of_rebuild(figures.rebuilding)
    for valuing in figures.valuings:
        yield from _of_valuation(valuing)


def _of_projection(stand: Stand) -> Iterator[Sample]:
    of = (stand.projection,)
    yield Sample("trailbook_projection_position", of, stand.position)
    yield Sample("trailbook_projection_lag_events", of, stand.lag_events)
    yield Sample("trailbook_projection_lag_seconds", of, stand.lag_seconds)
    yield Sample("trailbook_projection_poison", of, stand.poison_position is not None)
    yield Sample("trailbook_projection_poison_position", of, stand.poison_position or 0)


def _of_rebuild(rebuilding: Rebuilding) -> Iterator[Sample]:
    of = (rebuilding.projection,)
    yield Sample("trailbook_rebuild_running", of, 1)
    yield Sample("trailbook_rebuild_started_timestamp_seconds", of, rebuilding.started_at.timestamp())
    yield Sample(f"trailbook_rebuild_reached_{rebuilding.unit}", of, rebuilding.reached)
    yield Sample(f"trailbook_rebuild_wanted_{rebuilding.unit}", of, rebuilding.total)


def _of_valuation(valuing: Valuing) -> Iterator[Sample]:
    of = (valuing.reprojection,)
    yield Sample("trailbook_valuation_position", of, valuing.position)
    yield Sample("trailbook_valuation_lag_events", of, valuing.lag_events)
    yield Sample("trailbook_valuation_standing", of, valuing.standing)
    yield Sample("trailbook_valuation_stopped", of, valuing.stopped)
    yield Sample("trailbook_valuation_valued_lines", of, valuing.valued_lines)
    yield Sample("trailbook_valuation_wanted_lines", of, valuing.lines)


class Gauges(Collector):
    """Values that are found when somebody asks."""

    def __init__(self, gauges: Mapping[str, Gauge], found: Callable[[], Iterable[Sample]]) -> None:
        self._gauges, self._found = gauges, found

    def describe(self) -> Iterable[Metric]:
        return self._families().values()

    def collect(self) -> Iterable[Metric]:
        families = self._families()
        for sample in self._found():
            families[sample.name].add_metric(sample.labels, sample.value)
        return families.values()

    def _families(self) -> dict[str, GaugeMetricFamily]:
        return {name: GaugeMetricFamily(name, of.help, labels=of.labels) for name, of in self._gauges.items()}


class Counter(Collector):
    """A metric that only grows, by one label; from any thread."""

    def __init__(self, name: str, of: Gauge, values: Iterable[str]) -> None:
        self.name, self.of = name, of
        self._counted = dict.fromkeys(values, 0)
        self._lock = threading.Lock()

    def add(self, value: str, times: int) -> None:
        with self._lock:
            self._counted[value] += times

    def collect(self) -> Iterable[Metric]:
        family = CounterMetricFamily(self.name, self.of.help, labels=self.of.labels)
        with self._lock:
            counted = list(self._counted.items())
        for value, times in counted:
            family.add_metric((value,), times)
        return [family]


class Durations(Collector):
    """Seconds, counted by how many took no longer than each of some bounds; from any thread.

    Unlike the library's own it takes many of the same length at once, which a batch of messages has.
    """

    def __init__(self, name: str, of: Gauge, bounds: Sequence[float]) -> None:
        self.name, self.of, self.bounds = name, of, bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0
        self._lock = threading.Lock()

    def add(self, seconds: float, times: int = 1) -> None:
        with self._lock:
            self._counts[bisect_left(self.bounds, seconds)] += times
            self._sum += seconds * times

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            counts, total = list(accumulate(self._counts)), self._sum
        names = [str(float(bound)) for bound in self.bounds] + ["+Inf"]
        return [HistogramMetricFamily(self.name, self.of.help, list(zip(names, counts, strict=True)), total)]


def registry_of(
    gauges: Mapping[str, Gauge], found: Callable[[], Iterable[Sample]], further: Iterable[Collector] = ()
) -> CollectorRegistry:
    """These gauges, further metrics, and what is measured of any process."""
    registry = CollectorRegistry()
    for collector in (Gauges(gauges, found), *further):
        registry.register(collector)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    return registry


def exposed(registry: CollectorRegistry, accepted: str) -> tuple[bytes, str]:
    """All values as text, and its content type, in a format that the scraper accepts."""
    encode, content_type = choose_encoder(accepted)
    return encode(registry), content_type
