"""The bench of the relay runs, on a house so small that no time means anything."""

from argparse import Namespace

import pytest

from adapters.database import Database
from tests.bench import relay
from tests.broker import Kafka


@pytest.mark.long
def test_every_part_measures(database: Database, kafka: Kafka, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "WARM_SECONDS", 0.5)
    monkeypatch.setattr(relay, "LATENCY_SECONDS", 1.0)
    options = Namespace(events=4_000, rounds=1, part=None, kafka=kafka.bootstrap_servers)

    measured = relay.run(database, options)

    assert {m.bench for m in measured} == {"relay", "latency", "catch-up", "inbox"}
    assert all(m.value > 0 for m in measured)
