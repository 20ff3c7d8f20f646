"""The topics of a house at a real broker: made as stated, and every difference found at once."""

from dataclasses import replace

import pytest
from kafka.admin import ConfigResource, ConfigResourceType

from adapters.faults import SettingsWrong
from adapters.kafka_faults import KafkaAway, KafkaRefuses, TopicsWrong
from adapters.kafka_settings import KafkaSettings
from adapters.kafka_topics import check_topics, create_topics, positions_topic
from tests.broker import Kafka
from tests.own_server import eventually


def _settings(kafka: Kafka, **other: int) -> KafkaSettings:
    return replace(KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, replication=1), **other)  # type: ignore[arg-type]


def test_all_topics_are_made_once_and_are_as_stated(kafka: Kafka) -> None:
    house, settings = kafka.name("west"), _settings(kafka, partitions=3, retention_days=30)

    made = create_topics(settings, house)
    again = create_topics(settings, house)
    check_topics(settings, house)

    assert [topic.name.removeprefix(f"{house}.") for topic in made] == [
        "deals",
        "contracts",
        "vendor-statements",
        "accounts",
        "payouts",
        "partners",
        "ledger-entries",
        "relay-positions",
    ]
    assert all(topic.made for topic in made)
    assert not any(topic.made for topic in again)
    found = _found(kafka, f"{house}.deals")
    assert found["cleanup.policy"] == "delete"
    assert found["retention.ms"] == str(30 * 24 * 60 * 60 * 1_000)
    assert found["max.message.bytes"] == str(16 * 1024 * 1024)
    assert found["min.insync.replicas"] == "1"
    positions = _found(kafka, positions_topic(house))
    assert (positions["cleanup.policy"], positions["segment.bytes"]) == ("compact", "1048576")


def _found(kafka: Kafka, topic: str) -> dict[str, str]:
    with kafka.admin() as admin:
        found = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
    return {name: value["value"] for name, value in found["topic"][topic].items()}


def test_what_is_there_stays_and_what_is_missing_is_made(kafka: Kafka) -> None:
    house = kafka.name("west")
    with kafka.admin() as admin:
        admin.create_topics({f"{house}.deals": {"num_partitions": 6, "replication_factor": 1}}, wait_for_metadata=True)

    made = create_topics(_settings(kafka), house)

    assert [topic.made for topic in made] == [False] + 7 * [True]


def test_only_the_topics_that_are_named_are_made_for_a_replay(kafka: Kafka) -> None:
    house = kafka.name("west")

    made = create_topics(_settings(kafka), house, [f"{house}.deals.replay.1"])

    assert [topic.name for topic in made] == [f"{house}.deals.replay.1", f"{house}.relay-positions"]


def test_every_fault_is_named_with_what_to_do(kafka: Kafka) -> None:
    house = kafka.name("west")
    create_topics(_settings(kafka, partitions=2), house)
    with kafka.admin() as admin:
        admin.delete_topics([f"{house}.partners", f"{house}.payouts"])
        admin.create_partitions({f"{house}.deals": 3})
        changes = {
            f"{house}.contracts": {"cleanup.policy": "compact"},
            f"{house}.accounts": {"retention.ms": "1000", "max.message.bytes": "2000"},
            f"{house}.vendor-statements": {"retention.bytes": "1000000", "message.timestamp.type": "CreateTime"},
        }
        admin.alter_configs(
            [ConfigResource(ConfigResourceType.TOPIC, topic, change) for topic, change in changes.items()]
        )

    expected = (
        f"{house}.payouts, {house}.partners: missing: run `trailbook relay topics --create`",
        f"{house}.deals: 3 partitions and not 2: write 3 into TRAILBOOK_KAFKA_PARTITIONS, or delete the topic",
        f"{house}.ledger-entries, {house}.relay-positions: 1 replica and not 3: add some with kafka-reassign",
        f"{house}.ledger-entries, {house}.relay-positions: min.insync.replicas=1 and not 2: change it with kafka-conf",
        f"{house}.contracts: cleanup.policy=compact and not delete: change it with kafka-configs.sh",
        f"{house}.accounts: retention.ms=1000 and not -1",
        f"{house}.accounts: max.message.bytes=2000 and not 16777216",
        f"{house}.vendor-statements: retention.bytes=1000000 and not -1",
        f"{house}.vendor-statements: message.timestamp.type=CreateTime and not LogAppendTime: change it with kafka-",
    )
    # a broker tells of a change a moment after it has taken it
    eventually(
        lambda: all(fault in _said(_settings(kafka, partitions=2, replication=3), house) for fault in expected),
        "every fault is named",
    )


def _said(settings: KafkaSettings, house: str) -> str:
    with pytest.raises(TopicsWrong) as wrong:
        check_topics(settings, house)
    assert "\n" not in str(wrong.value)
    return str(wrong.value)


def test_the_positions_may_have_more_partitions_and_no_fewer(kafka: Kafka) -> None:
    house = kafka.name("west")
    create_topics(_settings(kafka), house)
    with kafka.admin() as admin:
        admin.create_partitions({positions_topic(house): 3})
    check_topics(_settings(kafka), house)
    with kafka.admin() as admin:
        admin.delete_topics([positions_topic(house)])
        eventually(lambda: positions_topic(house) not in admin.list_topics(), "the topic is gone")
        admin.create_topics({positions_topic(house): {"num_partitions": 1, "replication_factor": 1}})
        admin.wait_for_topics([positions_topic(house)])
        assert "relay-positions: 1 partition and not 2: add some with" in _said(_settings(kafka), house)


def test_more_is_as_good_as_stated(kafka: Kafka) -> None:
    house = kafka.name("west")
    create_topics(_settings(kafka), house)

    check_topics(_settings(kafka, retention_days=10, max_message_bytes=1_000_000), house)


def test_more_replicas_than_brokers_are_refused_with_how_many_there_are(kafka: Kafka) -> None:
    with pytest.raises(KafkaRefuses) as refused:
        create_topics(_settings(kafka, replication=99), kafka.name("west"))

    assert "has 1 broker, too few for 99 replicas" in str(refused.value)
    assert "write 1 into TRAILBOOK_KAFKA_REPLICATION" in str(refused.value)


def test_without_a_broker_topics_are_neither_made_nor_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.kafka_settings.BOOTSTRAP_MS", 500)
    with pytest.raises(SettingsWrong, match="TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS is not set"):
        create_topics(KafkaSettings(), "west")
    with pytest.raises(KafkaAway, match=r"Kafka at 127\.0\.0\.1:1 cannot be used: nothing listens there"):
        check_topics(KafkaSettings(bootstrap_servers="127.0.0.1:1"), "west")
