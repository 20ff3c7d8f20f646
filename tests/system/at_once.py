"""Two writers at once: what each comes to, and how to make sure that both decide before either has appended."""

import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from domain.message import Refused
from services.house import House

TOGETHER_SECONDS = 30

Result = TypeVar("Result")


def at_once(*tasks: Callable[[], Result]) -> list[Result | Refused]:
    """What each came to, done in a thread of its own; all start together. Raises whatever is no refusal."""
    barrier = threading.Barrier(len(tasks))
    outcomes: dict[int, Result | Refused] = {}
    broken: list[Exception] = []

    def do(number: int, task: Callable[[], Result]) -> None:
        barrier.wait(TOGETHER_SECONDS)
        try:
            outcomes[number] = task()
        except Refused as refused:
            outcomes[number] = refused
        except Exception as error:
            broken.append(error)

    threads = [threading.Thread(target=do, args=(n, task), daemon=True) for n, task in enumerate(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TOGETHER_SECONDS)
    if broken:
        raise ExceptionGroup("broke at once", broken)
    assert len(outcomes) == len(tasks), "somebody waits for ever"
    return [outcomes[number] for number in range(len(tasks))]


def decided_on_the_same(houses: Sequence[House], *, in_turn: bool = False) -> None:
    """Let each house decide its next command, or statement file, and append only when all have decided.

    ``in_turn``: the first house's append is done before the second's begins, and so on; else they race.
    """
    barrier = threading.Barrier(len(houses))
    done = [threading.Event() for _ in houses]

    def waiting(place: int, append: Callable[..., Any], undo: Callable[[], None]) -> Callable[..., Any]:
        def wait(*arguments: object) -> Any:
            undo()  # only the first append waits
            barrier.wait(TOGETHER_SECONDS)
            if in_turn and place:
                assert done[place - 1].wait(TOGETHER_SECONDS)
            try:
                return append(*arguments)
            finally:
                done[place].set()

        return wait

    for place, house in enumerate(houses):
        mine = vars(house.log)

        def undo(mine: dict[str, Any] = mine) -> None:
            mine.pop("append", None)
            mine.pop("append_lines", None)

        undo()
        for name in ("append", "append_lines"):
            mine[name] = waiting(place, getattr(house.log, name), undo)
