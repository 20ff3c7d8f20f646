"""How a process that goes on waits for what it cannot do without: longer each time, and said once."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import structlog

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.1, 5.0

logger = structlog.get_logger("trailbook")


@dataclass
class Waiting:
    """One line is logged when it begins to wait for something, and one when it goes on."""

    longest_wait_seconds: float = LONGEST_WAIT_SECONDS
    waits_for: str = ""
    """What has to come back before it can go on; empty while it works."""
    _since: float = 0.0
    _next_wait_seconds: float = FIRST_WAIT_SECONDS

    @property
    def seconds(self) -> float:
        """For how long already; 0 while it works."""
        return time.monotonic() - self._since if self.waits_for else 0.0

    def wait(self, waits_for: str, because: str, sleep: Callable[[float], object] = time.sleep, **fields: Any) -> None:
        """Sleep a while. ``fields`` go into the log."""
        if not self.waits_for:
            self._since = time.monotonic()
        if waits_for != self.waits_for:
            logger.warning("waiting", waits_for=waits_for, **fields, because=because)
        self.waits_for = waits_for
        sleep(self._next_wait_seconds)
        self._next_wait_seconds = min(2 * self._next_wait_seconds, self.longest_wait_seconds)

    def go_on(self, **fields: Any) -> None:
        """What it waited for is back; nothing where it waited for nothing."""
        if self.waits_for:
            logger.info("going on", **fields, waited_for=self.waits_for, seconds=round(self.seconds, 1))
        self.waits_for, self._next_wait_seconds = "", FIRST_WAIT_SECONDS
