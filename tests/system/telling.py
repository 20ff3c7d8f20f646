"""Somebody who never stops working: stories that hypothesis makes up, told to a house one after the other.

A command that the business refuses is left out; one that was not answered is given again under its id. Before each
story there is business as everybody knows it: statements, a late letter, a correction, a promotion now and then, a pay
run.
"""

import json
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from adapters.database import DatabaseUnavailable
from adapters.settings import Settings
from domain.message import Issued, Refused
from domain.plan import Rule
from services.house import House
from tests.system.generated import (
    REPROJECTED_STORIES,
    STORIES,
    AgencyMoved,
    AgreementEnded,
    Given,
    Letter,
    Line,
    MonthsPass,
    NewPlanVersion,
    Now,
    PayRun,
    Reprojected,
    Revised,
    Statement,
    Story,
    Succeeded,
    Suspended,
    Terminated,
    beginning,
    percent,
)

DRAWN = 60
"""So many stories are drawn, and told again and again: at another date they say something else."""

ENDS = (Terminated, Suspended, AgreementEnded, Succeeded, AgencyMoved)
"""After these most of what follows would be refused."""


def stories(number: int) -> list[Story]:
    """The same for the same number."""
    drawn: list[Story] = []

    @seed(number)
    @settings(
        max_examples=DRAWN,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.one_of(STORIES, REPROJECTED_STORIES))
    def draw(story: Story) -> None:
        drawn.append(story)

    draw()
    return [[one for one in story if not isinstance(one, ENDS)] for story in drawn if story]


def business(turn: int) -> Story:
    """Late letters for months long paid, statements and their corrections, a promotion, and a pay run."""
    agents = (("harbor", 1),) if turn % 2 else (("delta", 60), ("harbor", 40))
    lines = tuple(Line("5-1", str(100 + turn + number)) for number in range(3))
    rate = (Rule(rule="default", pay=percent(f"0.{2 + turn % 7}")),)
    promoted = Reprojected((NewPlanVersion("seller", False, turn % 3, rate, ()),), None, "promoted")
    return [
        Statement("lumen", lines),
        Letter("A-1", agents, turn % 4),
        *([promoted] if turn % 3 == 0 else []),
        MonthsPass(1),
        Revised(0, (turn % 3,), (Line("5-1", str(-turn)),)),
        Statement("zito", (Line("5-2", f"{1_000 + turn}.5"),)),
        PayRun("settled"),
    ]


def commands(number: int) -> Iterator[Given]:
    """Without an end."""
    yield from beginning()
    now, drawn = Now(), stories(number)
    for turn in count():
        for happening in (*business(turn), *drawn[turn % len(drawn)]):
            yield from happening.commands(now)


def issued(given_commands: Iterable[Given]) -> Iterator[Issued]:
    for number, (command, actor, evidence) in enumerate(given_commands, 1):
        yield Issued(f"told-{number}", actor, command, evidence)


class Telling:
    """Until told to stop; then it says what was recorded and refused."""

    def __init__(self, number: int, pause_seconds: float) -> None:
        self.left, self.pause_seconds = issued(commands(number)), pause_seconds
        self.stopped = False
        self.outcomes: Counter[str] = Counter()

    def stop(self, *_: object) -> None:
        self.stopped = True

    def tell(self) -> None:
        waiting = next(self.left)
        environment = Settings.from_environment()
        while not self.stopped:
            try:
                with House(environment, environment.database()) as house:
                    while not self.stopped:
                        self._give(house, waiting)
                        waiting = next(self.left)
            except DatabaseUnavailable:
                self.outcomes["not answered"] += 1
                time.sleep(0.1)

    def _give(self, house: House, one: Issued) -> None:
        try:
            house.handle(one)
        except Refused:
            self.outcomes["refused"] += 1
        else:
            self.outcomes["recorded"] += 1
            time.sleep(self.pause_seconds)


def main() -> None:
    telling = Telling(int(sys.argv[1]), float(sys.argv[2]))
    signal.signal(signal.SIGTERM, telling.stop)
    telling.tell()
    print(json.dumps(telling.outcomes))


if __name__ == "__main__":
    main()
