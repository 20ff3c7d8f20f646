"""Metrics, health and logs of ``trailbook relay run``: the real process, a real PostgreSQL and a real Kafka."""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager

import pytest

from adapters.database import Database
from adapters.projectors import Projectors
from tests.broker import Kafka, own_broker
from tests.own_server import eventually
from tests.system.program import Program
from tests.system.test_projectors_under_fire import retopic
from tests.system.test_run import onboard
from tests.system.under_load import Runner, environment, runner
from tests.system.watching import told, watch

JSON = {"TRAILBOOK_LOG_FORMAT": "json", "TRAILBOOK_LOG_LEVEL": "debug"}


def of_kafka(bootstrap_servers: str) -> Mapping[str, str]:
    return {"TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers, "TRAILBOOK_KAFKA_REPLICATION": "1"}


def relay(database: Database, settings: Mapping[str, str], *options: str) -> AbstractContextManager[Runner]:
    return runner(database, *options, "--http-port", "0", command=("relay", "run"), **settings)


def create_topics(database: Database, settings: Mapping[str, str]) -> None:
    Program(environment(database, **settings)).fine("relay", "topics", "--create")


@pytest.fixture
def settings(database: Database, kafka: Kafka) -> Mapping[str, str]:
    """A broker with the house's topics, and a book that is projected."""
    found = of_kafka(kafka.bootstrap_servers)
    create_topics(database, found)
    Projectors(database).close()
    return found


def project(database: Database) -> int:
    with Projectors(database) as projectors:
        return projectors.catch_up()


def test_who_leads_tells_what_it_has_published_and_who_stands_by_is_ready_to(
    database: Database, settings: Mapping[str, str]
) -> None:
    end = onboard(database, "alder", "beech")
    project(database)
    with relay(database, settings) as leading:
        first = watch(leading)
        eventually(lambda: first.value("trailbook_relay_ledger_position") == end, "all is published")
        eventually(lambda: first.value("trailbook_relay_lag_events") == 0, "the topics are not behind")
        values = first.values()
        assert values["trailbook_info", database.house, "relay"] == 1
        assert values["trailbook_relay_leading",] == 1
        assert values["trailbook_relay_epoch",] == 1
        assert values["trailbook_relay_state", "relaying"] == 1
        assert values["trailbook_relay_position",] == values["trailbook_log_position",] == end
        assert values["trailbook_relay_lag_seconds",] == values["trailbook_relay_ledger_lag_seconds",] == 0
        assert values["trailbook_relay_published_messages_total", "deals"] == 2
        assert values["trailbook_relay_published_messages_total", "payouts"] == 0
        assert values["trailbook_relay_publish_latency_seconds_count",] == 2
        assert values["trailbook_relay_transaction_duration_seconds_count",] >= 1
        assert values["trailbook_relay_poison",] == 0
        assert first.ask("/readyz") == (200, "ready\n")

        with relay(database, settings) as standing_by:
            second = watch(standing_by)
            eventually(lambda: second.value("trailbook_relay_state", "standing by") == 1, "it stands by")
            values = second.values()
            assert values["trailbook_relay_leading",] == 0
            assert ("trailbook_relay_position",) not in values
            assert second.ask("/readyz") == (200, "ready\n")
            assert second.ask("/healthz") == (200, "alive\n")
            leading.end()
            eventually(lambda: second.value("trailbook_relay_leading") == 1, "it leads")
            assert second.value("trailbook_relay_epoch") == 2
            standing_by.end()


def test_given_an_event_that_cannot_be_published_then_metrics_readiness_and_log_name_it(
    database: Database, settings: Mapping[str, str]
) -> None:
    end = onboard(database, "alder", "beech", "cedar")
    project(database)
    retopic(database, 3, "deal.dreamt_of")
    with relay(database, {**settings, **JSON}) as run:
        watched = watch(run)
        eventually(lambda: watched.value("trailbook_relay_poison") == 1, "it stops")
        eventually(lambda: watched.value("trailbook_relay_position") == 2, "what comes before it is published")
        assert watched.value("trailbook_relay_poison_position") == 3
        eventually(lambda: watched.value("trailbook_relay_lag_events") == end - 2, "it is behind")
        assert watched.ask("/readyz") == (503, "stopped at position 3\n")
        assert watched.ask("/healthz") == (200, "alive\n")
        (line,) = told(run, "relay stopped")
        assert (line["at"], line["event_id"], line["correlation_id"]) == (3, "customer:beech@1", "c-beech")
        assert (line["command_id"], line["topic"]) == ("c-beech", "deal.dreamt_of")
        (published,) = told(run, "transaction committed")
        assert published | {"time": "", "seconds": 0} == {
            "time": "",
            "level": "debug",
            "event": "transaction committed",
            "house": database.house,
            "messages": 1,
            "position": 2,
            "ledger_position": 2,
            "epoch": 1,
            "seconds": 0,
        }
        run.process.terminate()
        assert run.process.wait(60) == 0


def test_given_a_broker_that_goes_away_then_the_relay_is_alive_not_ready_and_tells_what_is_left(
    database: Database,
) -> None:
    with own_broker() as kafka:
        settings = of_kafka(kafka.bootstrap_servers)
        create_topics(database, settings)
        end = onboard(database, "alder")
        project(database)
        with relay(database, settings) as run:
            watched = watch(run)
            eventually(lambda: watched.value("trailbook_relay_position") == end, "it is published")
            kafka.stop()
            onboard(database, "beech", "cedar")
            eventually(lambda: watched.value("trailbook_waiting", "Kafka") == 1, "it waits")
            eventually(lambda: watched.value("trailbook_relay_lag_events") == 2, "two are left")
            assert (watched.value("trailbook_relay_lag_seconds") or 0) > 0
            assert watched.value("trailbook_database_up") == 1
            assert watched.ask("/readyz") == (503, "waiting for Kafka\n")
            assert watched.ask("/healthz") == (200, "alive\n")
            kafka.start()
            eventually(lambda: watched.value("trailbook_relay_lag_events") == 0, "it has caught up")
            assert watched.ask("/readyz") == (200, "ready\n")
            run.end()


def test_the_log_of_the_relay_is_json_to_its_end(database: Database) -> None:
    said = Program(environment(database, **JSON)).run("relay", "run")
    assert said.code == 2
    *_, last = map(json.loads, said.err.splitlines())
    assert last["event"] == "ended"
    assert "TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS" in last["because"]
