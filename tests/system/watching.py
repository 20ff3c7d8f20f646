"""Watching a process of the program as a monitoring system does: over HTTP, and by the lines of its log."""

import json
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from prometheus_client import parser

from tests.own_server import eventually
from tests.system.under_load import Runner

ANSWERS_WITHIN_SECONDS = 4.0
"""A scraper gives up after 10 seconds; ours waits 2 for the database, and the machine is busy."""


@dataclass(frozen=True)
class Watched:
    """A process that answers at a URL."""

    url: str

    def ask(self, path: str, accepted: str = "") -> tuple[int, str]:
        """Status and body, within the time that a scraper has."""
        began = time.monotonic()
        request = urllib.request.Request(self.url + path, headers={"Accept": accepted})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                status, body = answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            status, body = refused.code, refused.read().decode()
        assert time.monotonic() - began < ANSWERS_WITHIN_SECONDS, path
        return status, body

    def values(self) -> dict[tuple[str, ...], float]:
        """Every value by its name and its labels' values, as the official parser reads them."""
        status, body = self.ask("/metrics")
        assert status == 200
        families = parser.text_string_to_metric_families(body)
        return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}

    def value(self, *name: str) -> float | None:
        return self.values().get(name)


def watch(run: Runner) -> Watched:
    """Where the process says that it answers."""
    eventually(lambda: any("serving" in line for line in run.lines), "the process answers")
    (url,) = [re.search(r"http://[\d.:\[\]]+:\d+", line) for line in run.lines if "serving" in line]
    assert url is not None
    return Watched(url[0])


def told(run: Runner, event: str) -> list[dict[str, Any]]:
    """The lines of a log in JSON about an event. Every line of the log must be JSON."""
    lines = [json.loads(line) for line in run.lines]
    return [line for line in lines if line["event"] == event]
