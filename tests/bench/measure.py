"""What the benches share: rounds, medians, and one line of the table."""

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Measured:
    """One figure. ``ratio`` is over ``of`` within the same rounds, ``asked`` the ratio to reach."""

    bench: str
    name: str
    value: float
    unit: str
    ratio: float | None = None
    of: str = ""
    asked: float | None = None
    note: str = ""


def seconds(do: Callable[[], Any]) -> float:
    started = time.perf_counter()
    do()
    return time.perf_counter() - started


def interleaved(rounds: int, sides: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """What each side measures, round after round, so that a slow moment of the machine slows all of them."""
    found: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            found[name].append(side())
    return found


def median_ratio(of: Iterable[float], over: Iterable[float]) -> float:
    return median(one / other for one, other in zip(of, over, strict=True))


def show(measured: list[Measured], title: str) -> None:
    table = Table(title=title)
    for column in ("bench", "what", "figure", "unit", "ratio", "of", "asked", "note"):
        table.add_column(column, justify="right" if column in ("figure", "ratio", "asked") else "left")
    for m in measured:
        figure = f"{m.value:,.0f}" if m.value >= 100 else f"{m.value:,.2f}"
        ratio, asked = (f"{r:.2f}" if r is not None else "" for r in (m.ratio, m.asked))
        table.add_row(m.bench, m.name, figure, m.unit, ratio, m.of, asked, m.note)
    Console(width=180).print(table)


def to_json(measured: list[Measured], about: dict[str, Any]) -> str:
    return json.dumps({**about, "measured": [asdict(m) for m in measured]}, indent=1)
