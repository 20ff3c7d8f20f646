"""The relay's figures: what is published is counted by topic and by age, and how far the topics are behind is read."""

from datetime import UTC, datetime, timedelta

from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from adapters.database import Database
from adapters.metrics import ABOUT_PROCESS, exposed, registry_of
from adapters.projectors import Projectors
from adapters.relay_metrics import ABOUT_RELAY, Behind, Publishing, Shown, read_behind, relay_samples
from projections.published.messages import Message
from projections.published.reached import Reached
from projections.published.topics import Topic
from tests.system.test_run import onboard

AT = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
LEADING = Shown("relaying", True, 3, Reached(70, AT, 60), None)
BEHIND = Behind(AT, 75, 5, 1.5, 12, 2.5)


def message(topic: Topic, seconds_ago: float) -> Message:
    recorded = (AT - timedelta(seconds=seconds_ago)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return Message(topic, b"key", (("ce_id", b"customer:alder@1"), ("ce_time", recorded.encode())), b"{}")


def told(shown: Shown, behind: Behind | None, publishing: Publishing) -> dict[tuple[str, ...], float]:
    registry = registry_of(
        {**ABOUT_PROCESS, **ABOUT_RELAY}, lambda: relay_samples(shown, behind), publishing.collectors
    )
    openmetrics, _ = exposed(registry, "application/openmetrics-text; version=1.0.0")
    list(openmetrics_parser.text_string_to_metric_families(openmetrics.decode()))  # type: ignore[no-untyped-call]
    text, _ = exposed(registry, "")
    families = parser.text_string_to_metric_families(text.decode())
    return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}


def test_published_messages_are_counted_by_topic_and_by_how_long_they_took() -> None:
    publishing = Publishing()
    publishing.committed([message("deals", 0.02), message("deals", 0.02), message("payouts", 4)], 0.3, AT)
    publishing.committed([message("deals", -1)], 0.004, AT)  # this process's clock is behind the database's

    values = told(LEADING, BEHIND, publishing)

    assert values["trailbook_relay_published_messages_total", "deals"] == 3
    assert values["trailbook_relay_published_messages_total", "payouts"] == 1
    assert values["trailbook_relay_published_messages_total", "contracts"] == 0
    latency = "trailbook_relay_publish_latency_seconds"
    assert values[f"{latency}_bucket", "0.005"] == 1
    assert values[f"{latency}_bucket", "0.025"] == 3
    assert values[f"{latency}_bucket", "2.5"] == 3
    assert values[f"{latency}_bucket", "5.0"] == 4
    assert values[f"{latency}_bucket", "+Inf"] == values[f"{latency}_count",] == 4
    assert round(values[f"{latency}_sum",], 6) == 4.04
    transaction = "trailbook_relay_transaction_duration_seconds"
    assert values[f"{transaction}_count",] == 2
    assert values[f"{transaction}_bucket", "0.005"] == 1


def test_who_leads_tells_how_far_the_topics_are_behind() -> None:
    values = told(LEADING, BEHIND, Publishing())
    assert values["trailbook_relay_leading",] == 1
    assert values["trailbook_relay_epoch",] == 3
    assert values["trailbook_relay_state", "relaying"] == 1
    assert values["trailbook_relay_state", "standing by"] == 0
    assert values["trailbook_relay_position",] == 70
    assert values["trailbook_relay_lag_events",] == 5
    assert values["trailbook_relay_lag_seconds",] == 1.5
    assert values["trailbook_relay_ledger_position",] == 60
    assert values["trailbook_relay_ledger_lag_events",] == 12
    assert values["trailbook_relay_ledger_lag_seconds",] == 2.5
    assert values["trailbook_relay_poison",] == 0


def test_who_stands_by_tells_nothing_of_positions_that_it_does_not_know() -> None:
    values = told(Shown("standing by", False, 0, None, None), BEHIND, Publishing())
    assert values["trailbook_relay_leading",] == 0
    assert values["trailbook_relay_state", "standing by"] == 1
    assert values["trailbook_log_position",] == 75
    assert ("trailbook_relay_position",) not in values
    assert ("trailbook_relay_lag_events",) not in values


def test_what_stops_the_relay_is_told_with_its_position() -> None:
    values = told(Shown("stopped", True, 3, Reached(70, AT, 70), 71), None, Publishing())
    assert values["trailbook_relay_poison",] == 1
    assert values["trailbook_relay_poison_position",] == 71


def test_given_events_that_are_not_published_then_the_lag_of_log_and_ledger_is_read(database: Database) -> None:
    with Projectors(database) as projectors:
        onboard(database, "alder")
        ledger = projectors.catch_up()
        head = onboard(database, "beech", "cedar")
        with database.connect("relay", autocommit=True) as connection:
            behind = read_behind(connection, database, Reached(1, AT, 1))
            assert (behind.head, behind.lag_events, behind.ledger_lag_events) == (head, head - 1, ledger - 1)
            assert 0 < behind.ledger_lag_seconds <= behind.lag_seconds < 60
            nothing = read_behind(connection, database, Reached(head, AT, ledger))
            assert nothing[2:] == (0, 0.0, 0, 0.0)
