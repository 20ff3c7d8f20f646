"""The topics of a house: what they are called, how they are made, and whether they are as stated.

Besides the seven that downstream reads there is ``<house>.relay-positions``, in which a publisher notes how far it has
come, in the same transaction as its messages. It is compacted, and its partitions are two: one is the live relay's own,
so that a replay that was killed amid a transaction never keeps the relay from reading its place back.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any, NamedTuple, get_args

from kafka import KafkaAdminClient, TopicPartition
from kafka import errors as kafka_errors
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec, TransactionState
from kafka.protocol.consumer.offsets import IsolationLevel

from adapters.kafka_client import Contact, connected, faults_explained
from adapters.kafka_faults import KafkaAway, KafkaRefuses, TopicsWrong
from adapters.kafka_settings import PREFIX, KafkaSettings
from domain.words import counted
from projections.published.messages import kafka_topic
from projections.published.topics import Topic

LIVE = "relay"
"""The key of the live relay's place; a replay's is the name of its topic."""

CREATE = "trailbook relay topics --create"

DAY_MS = 86_400_000
HOUR_MS = 3_600_000

REQUEST_MS = 10_000
"""How long an answer about topics may take."""
SHORT_MS = 1_000
"""The same, where somebody has waited already."""

_NO_FEWER = ("retention.ms", "retention.bytes", "max.message.bytes", "min.insync.replicas")
"""Settings of a topic that may be greater than stated, and where -1 means without limit."""

_ANY = ("segment.bytes", "segment.ms", "min.cleanable.dirty.ratio", "delete.retention.ms")
"""Settings of a topic that only say how soon it is made small."""


class StatedTopic(NamedTuple):
    """How a topic is to be."""

    name: str
    partitions: int
    replication: int
    settings: Mapping[str, str]


class TopicMade(NamedTuple):
    name: str
    made: bool
    """False: it was there."""


class TopicThere(NamedTuple):
    """A topic as Kafka has it."""

    partitions: int
    topic_id: str
    """Kafka's own; one that was deleted and made anew has another. Empty where Kafka gives none."""


def live_topics(house: str) -> dict[Topic, str]:
    """Where the messages of each kind go that downstream reads."""
    return {topic: kafka_topic(house, topic) for topic in get_args(Topic)}


def positions_topic(house: str) -> str:
    return f"{house}.relay-positions"


def place_partition(place_key: str) -> int:
    """The partition of the positions' topic that holds a publisher's place."""
    return 0 if place_key == LIVE else 1


def stated_topics(kafka: KafkaSettings, house: str, names: Iterable[str] | None = None) -> list[StatedTopic]:
    """The topics of messages (by default the live ones), and the one of positions."""
    acknowledged = {"min.insync.replicas": str(max(1, kafka.replication - 1))}
    kept = "-1" if kafka.retention_days is None else str(kafka.retention_days * DAY_MS)
    messages = acknowledged | {
        "cleanup.policy": "delete",
        "retention.ms": kept,
        # a broker may limit every topic by bytes, which would drop what the house states to keep
        "retention.bytes": "-1",
        "max.message.bytes": str(kafka.max_message_bytes),
        # retention goes by it: by a relay's wrong clock messages would be refused, or dropped as if they were old
        "message.timestamp.type": "LogAppendTime",
    }
    positions = acknowledged | {
        "cleanup.policy": "compact",
        "message.timestamp.type": "LogAppendTime",
        # only a segment that is full, or this old, is compacted: the least that Kafka takes
        "segment.bytes": str(1 << 20),
        "segment.ms": str(HOUR_MS),
        "min.cleanable.dirty.ratio": "0.1",
        "delete.retention.ms": str(HOUR_MS),
    }
    wanted = live_topics(house).values() if names is None else names
    return [
        *(StatedTopic(name, kafka.partitions, kafka.replication, messages) for name in wanted),
        StatedTopic(positions_topic(house), 2, kafka.replication, positions),
    ]


def create_topics(kafka: KafkaSettings, house: str, names: Iterable[str] | None = None) -> list[TopicMade]:
    """Make what is missing of the stated topics; what is there stays as it is.

    Raises KafkaAway, KafkaRefuses, SettingsWrong, and TopicsWrong where the brokers refuse what is stated.
    """
    stated = stated_topics(kafka, house, names)
    with administered(kafka) as admin:
        there = _found(admin, stated)
        missing = [topic for topic in stated if topic.name not in there]
        if missing:
            _make(admin, kafka, missing)
    return [TopicMade(topic.name, topic.name not in there) for topic in stated]


def check_topics(kafka: KafkaSettings, house: str, names: Iterable[str] | None = None) -> None:
    """Nothing, if the topics are as stated or better. Raises TopicsWrong with all faults, KafkaAway, SettingsWrong."""
    stated = stated_topics(kafka, house, names)
    with administered(kafka) as admin:
        there = _found(admin, stated)
        settings = _settings(admin, there)
    of_fault: dict[str, list[str]] = {}
    for topic in stated:
        if topic.name not in there:
            of_fault.setdefault(f"missing: run `{CREATE}`", []).append(topic.name)
            continue
        for fault in _faults(topic, there[topic.name], settings[topic.name]):
            of_fault.setdefault(fault, []).append(topic.name)
    if of_fault:
        raise TopicsWrong(kafka.where, [f"{', '.join(names)}: {fault}" for fault, names in of_fault.items()])


def topics_there(admin: KafkaAdminClient, names: Iterable[str]) -> dict[str, TopicThere]:
    """Those of the topics that are there. Raises KafkaError."""
    found = _described(admin, names)
    return {name: TopicThere(len(topic["partitions"]), topic["topic_id"] or "") for name, topic in found.items()}


def were_sent_to(admin: KafkaAdminClient, partitions_of: Mapping[str, int]) -> bool:
    """Whether anything was ever sent to one of the topics, committed or not. Raises KafkaError."""
    partitions = [TopicPartition(name, number) for name, count in partitions_of.items() for number in range(count)]
    return any(ends_of(admin, partitions).values())


def undecided(admin: KafkaAdminClient, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
    """Those that hold records of a transaction that is neither committed nor aborted. Raises KafkaError."""
    latest = dict.fromkeys(partitions, OffsetSpec.LATEST)
    decided = admin.list_partition_offsets(latest, IsolationLevel.READ_COMMITTED)
    ends = ends_of(admin, latest)
    return [partition for partition in latest if decided[partition].offset < ends[partition]]


def committed_by(admin: KafkaAdminClient, transactional_id: str) -> tuple[int, int] | None:
    """The producer's id and epoch, if the last transaction was committed; else None. Raises KafkaError."""
    with suppress(kafka_errors.TransactionalIdNotFoundError, kafka_errors.UnsupportedVersionError):
        last = admin.describe_transactions([transactional_id])[transactional_id]
        if last.state in (TransactionState.PREPARE_COMMIT, TransactionState.COMPLETE_COMMIT):
            return last.producer_id, last.producer_epoch
    return None


def ends_of(admin: KafkaAdminClient, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
    """The offset after the last record of each, whether that is decided or not. Raises KafkaError."""
    ends = admin.list_partition_offsets(dict.fromkeys(partitions, OffsetSpec.LATEST))
    return {partition: int(end.offset) for partition, end in ends.items()}


def short_of_replicas(kafka: KafkaSettings, names: Iterable[str]) -> str | None:
    """Why the topics take no message at present, if it is that brokers are lost. Raises KafkaAway, and soon."""
    with administered(kafka, bootstrap_timeout_ms=SHORT_MS, request_timeout_ms=SHORT_MS) as admin:
        found = _described(admin, names)
        settings = _settings(admin, found)
    for name, topic in found.items():
        # no broker asks for more replicas than there are
        replicas = min(len(partition["replica_nodes"]) for partition in topic["partitions"])
        wanted = min(replicas, int(settings[name]["min.insync.replicas"]))
        if any(partition["leader_id"] < 0 for partition in topic["partitions"]):
            return f"{name} has partitions without a leader; start the brokers that hold them"
        least = min(len(partition["isr_nodes"]) for partition in topic["partitions"])
        if least < wanted:
            return (
                f"{name} has {counted(least, 'replica')} in sync, and {wanted} must take each message; "
                "start the brokers that hold the others"
            )
    return None


def limit_of(kafka: KafkaSettings, name: str) -> int:
    """How large a message the topic takes, in bytes; as stated, where Kafka does not say."""
    try:
        with administered(kafka) as admin:
            return int(_settings(admin, [name])[name]["max.message.bytes"])
    except (KafkaAway, KeyError):
        return kafka.max_message_bytes


@contextmanager
def administered(kafka: KafkaSettings, **more: Any) -> Iterator[KafkaAdminClient]:
    """A client for administration. Raises KafkaAway, also for what goes wrong inside, and SettingsWrong."""
    contact = Contact()
    with (
        closing(connected(KafkaAdminClient, kafka, contact, **{"request_timeout_ms": REQUEST_MS} | more)) as admin,
        faults_explained(kafka, contact),
    ):
        yield admin


def _described(admin: KafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, Any]]:
    found = {topic["name"]: topic for topic in admin.describe_topics(list(names))}
    for topic in found.values():
        error = kafka_errors.for_code(topic["error_code"])
        if issubclass(error, kafka_errors.AuthorizationError):
            raise error(topic["name"])
    return {name: topic for name, topic in found.items() if topic["error_code"] == 0}


def _found(admin: KafkaAdminClient, stated: Iterable[StatedTopic]) -> dict[str, dict[str, Any]]:
    return _described(admin, [topic.name for topic in stated])


def _settings(admin: KafkaAdminClient, names: Iterable[str]) -> dict[str, dict[str, str]]:
    resources = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    if not resources:
        return {}
    found = admin.describe_configs(resources, config_filter="all")["topic"]
    if unseen := [name for name, settings in found.items() if not settings]:
        # who may not see them gets none, and no error
        raise kafka_errors.TopicAuthorizationFailedError(f"{', '.join(unseen)} (DescribeConfigs)")
    return {name: {setting: value["value"] for setting, value in settings.items()} for name, settings in found.items()}


def _make(admin: KafkaAdminClient, kafka: KafkaSettings, missing: list[StatedTopic]) -> None:
    request = {
        topic.name: {
            "num_partitions": topic.partitions,
            "replication_factor": topic.replication,
            "configs": dict(topic.settings),
        }
        for topic in missing
    }
    made = admin.create_topics(request, raise_errors=False)["topics"]
    faults = []
    for topic in made:
        error = kafka_errors.for_code(topic["error_code"])
        if error in (kafka_errors.NoError, kafka_errors.TopicAlreadyExistsError):
            continue
        if issubclass(error, kafka_errors.AuthorizationError):
            raise error(topic["name"])
        if error is kafka_errors.InvalidReplicationFactorError:
            raise _too_few_brokers(admin, kafka)
        faults.append(f"{topic['name']} cannot be made: {topic['error_message'] or error.__name__}")
    if faults:
        raise TopicsWrong(kafka.where, faults)
    admin.wait_for_topics([topic.name for topic in missing])


def _too_few_brokers(admin: KafkaAdminClient, kafka: KafkaSettings) -> KafkaAway:
    brokers = len(admin.describe_cluster()["brokers"])
    return KafkaRefuses(
        f"{kafka.where} has {counted(brokers, 'broker')}, too few for {kafka.replication} replicas of a topic; "
        f"start more brokers, or write {brokers} into {PREFIX}REPLICATION",
        "more brokers",
    )


def _faults(topic: StatedTopic, there: Mapping[str, Any], settings: Mapping[str, str]) -> Iterator[str]:
    """Everything that is not as stated about a topic that is there."""
    partitions = len(there["partitions"])
    if topic.settings["cleanup.policy"] == "compact":
        if partitions < topic.partitions:
            yield f"{counted(partitions, 'partition')} and not {topic.partitions}: add some with kafka-topics.sh"
    elif partitions != topic.partitions:
        yield (
            f"{counted(partitions, 'partition')} and not {topic.partitions}: write {partitions} into "
            f"{PREFIX}PARTITIONS, or delete the topic before anybody reads it; adding some breaks the order of keys"
        )
    replicas = min(len(partition["replica_nodes"]) for partition in there["partitions"])
    if replicas < topic.replication:
        yield (
            f"{counted(replicas, 'replica')} and not {topic.replication}: add some with "
            f"kafka-reassign-partitions.sh, or write {replicas} into {PREFIX}REPLICATION"
        )
    for name, stated in topic.settings.items():
        value = settings.get(name, "")
        if name in _ANY or value == stated or (name in _NO_FEWER and _limit(value) >= _limit(stated)):
            continue
        yield f"{name}={value} and not {stated}: change it with kafka-configs.sh"


def _limit(value: str) -> float:
    return float("inf") if value == "-1" else float(value)
