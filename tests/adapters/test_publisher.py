"""Publishing with a real broker: messages and the place they lead to are committed together, by one at a time."""

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, NewTopic

from adapters.kafka_faults import Fenced, KafkaAway, MessageTooLarge, TopicsWrong
from adapters.kafka_settings import KafkaSettings
from adapters.kafka_topics import create_topics, positions_topic
from adapters.places import Place
from adapters.publisher import Publisher
from projections.ledger import EntryId
from projections.published.messages import Message
from projections.published.reached import Reached
from projections.published.topics import Topic
from tests.broker import Kafka, delete_topic, own_broker, publish
from tests.own_server import eventually

SMALL = KafkaSettings(partitions=2, replication=1, max_message_bytes=100_000)


@pytest.fixture
def house(kafka: Kafka) -> str:
    """A house with its topics."""
    house = kafka.name("west")
    create_topics(_settings(kafka), house)
    return house


def _settings(kafka: Kafka) -> KafkaSettings:
    return replace(SMALL, bootstrap_servers=kafka.bootstrap_servers)


def _publisher(kafka: Kafka, house: str, **other: object) -> Publisher:
    given: dict[str, object] = {"transactional_id": f"{house}.relay", "leader": "relay-1", "epoch": 1, **other}
    return Publisher(_settings(kafka), house, **given)  # type: ignore[arg-type]


def _messages(*positions: int, topic: Topic = "deals", size: int = 2) -> list[Message]:
    return [
        Message(
            topic, b"customer:acme", (("ce_id", f"customer:acme@{n}".encode()), ("ce_position", b"%d" % n)), bytes(size)
        )
        for n in positions
    ]


def _at(position: int) -> Reached:
    return Reached(position, datetime(2026, 2, 3, tzinfo=UTC), position)


def _published(kafka: Kafka, house: str, topic: str = "deals") -> list[int]:
    """The positions whose messages are committed, in the order of each partition."""
    return [int(dict(record.headers)["ce_position"]) for record in kafka.read(f"{house}.{topic}")]


def test_nothing_is_published_before_the_first_message(kafka: Kafka, house: str) -> None:
    with _publisher(kafka, house) as publisher:
        assert publisher.open() == Reached()


def test_the_next_publisher_goes_on_where_the_last_one_came_to(kafka: Kafka, house: str) -> None:
    entry = EntryId(9, 4, date(2026, 2, 1), 1, "USD", 2)
    reached = Reached(9, datetime(2026, 2, 3, tzinfo=UTC), 8, entry)
    with _publisher(kafka, house) as publisher:
        publisher.open()
        publisher.publish(_messages(7, 8), _at(8))
        publisher.publish(_messages(9, topic="payouts"), reached)
    with _publisher(kafka, house, leader="relay-2", epoch=2) as successor:
        assert successor.open() == reached
    assert _published(kafka, house) == [7, 8]
    assert _published(kafka, house, "payouts") == [9]


def test_a_place_tells_who_published_and_how_many_partitions_there_were(kafka: Kafka, house: str) -> None:
    with _publisher(kafka, house) as publisher:
        publisher.open()
        publisher.publish([], _at(3))
    (record,) = kafka.read(positions_topic(house))
    place = json.loads(record.value)
    assert (record.key, place["position"], place["leader"], place["epoch"]) == (b"relay", 3, "relay-1", 1)
    assert place["partitions"] == {
        f"{house}.{topic}": 2
        for topic in ("accounts", "contracts", "deals", "ledger-entries", "partners", "payouts", "vendor-statements")
    }
    assert place["topic_ids"].keys() == place["partitions"].keys()


def test_headers_key_and_body_arrive_as_they_are(kafka: Kafka, house: str) -> None:
    message = Message("deals", b"customer:acme", (("ce_id", b"customer:acme@1"), ("content-type", b"text")), b'{"a":1}')
    with _publisher(kafka, house) as publisher:
        publisher.open()
        publisher.publish([message], _at(1))
    (record,) = kafka.read(f"{house}.deals")
    assert (record.key, tuple(record.headers), record.value) == message[1:]


def test_a_key_goes_where_kafkas_own_partitioner_would_put_it(kafka: Kafka, house: str) -> None:
    """So that a stranger's producer and join, which choose as Kafka does, find the key in the same partition."""
    keys = [f"account:{'x' * n}{n}".encode() for n in range(40)]
    plain = kafka.topic("plain", partitions=SMALL.partitions)
    with _publisher(kafka, house) as publisher, kafka.producer() as producer:
        publisher.open()
        publisher.publish([Message("deals", key, (), b"{}") for key in (*keys, *keys)], _at(1))
        for key in keys:
            producer.send(plain, b"{}", key=key).get(timeout=10)
    assert _partitions(kafka, f"{house}.deals") == _partitions(kafka, plain)
    assert set(_partitions(kafka, plain).values()) == {0, 1}


def _partitions(kafka: Kafka, topic: str) -> dict[bytes, int]:
    found = {(record.key, record.partition) for record in kafka.read(topic)}
    assert len(found) == len(dict(found)), "a key is in one partition"
    return dict(found)


def test_who_comes_later_fences_who_was_before(kafka: Kafka, house: str) -> None:
    with _publisher(kafka, house) as old, _publisher(kafka, house, epoch=2) as new:
        old.open()
        old.publish(_messages(1), _at(1))
        assert new.open() == _at(1)
        with pytest.raises(Fenced):
            old.publish(_messages(2), _at(2))
        old.close()
        new.publish(_messages(2), _at(2))
    assert _published(kafka, house) == [1, 2]


def test_one_who_was_fenced_cannot_come_back_under_an_earlier_lease(kafka: Kafka, house: str) -> None:
    """He may have asked the lease before he was paused, and begin to publish after."""
    with _publisher(kafka, house, epoch=2) as new:
        new.open()
        new.publish(_messages(1), _at(1))
    with _publisher(kafka, house, epoch=1) as old, pytest.raises(Fenced, match="later lease"):
        old.open()


def _leave_open(publisher: Publisher, messages: Sequence[Message], reached: Reached) -> None:
    """Send everything and commit nothing, as a publisher that is killed right before its commit."""
    publisher._commit = lambda producer: None  # type: ignore[method-assign]
    publisher.publish(messages, reached)
    publisher.close()


def test_what_was_not_committed_is_not_read_and_its_place_does_not_count(kafka: Kafka, house: str) -> None:
    with _publisher(kafka, house) as first:
        first.open()
        first.publish(_messages(1), _at(1))
        _leave_open(first, _messages(2, 3), _at(3))
    with _publisher(kafka, house) as successor:
        assert successor.open() == _at(1)
        assert _published(kafka, house) == [1]
        successor.publish(_messages(2), _at(2))
    assert _published(kafka, house) == [1, 2]


def test_the_place_is_found_before_thousands_of_others_and_aborted_ones(kafka: Kafka, house: str) -> None:
    with _publisher(kafka, house) as relay:
        relay.open()
        relay.publish(_messages(5), _at(5))
    with _publisher(kafka, house) as relay:
        relay.open()
        _leave_open(relay, _messages(6), _at(6))
    with kafka.producer(kafka.name("others")) as producer:
        producer.begin_transaction()
        others = [producer.send(positions_topic(house), b"{}", key=b"other-%d" % n, partition=0) for n in range(3_000)]
        for other in others:
            other.get(timeout=30)
        producer.commit_transaction()
        producer.begin_transaction()
        producer.send(positions_topic(house), b"{}", key=b"relay", partition=0).get(timeout=30)
        producer.abort_transaction()
    with _publisher(kafka, house) as successor:
        assert successor.open() == _at(5)


def test_a_replay_keeps_a_place_of_its_own_and_never_hinders_the_relay(kafka: Kafka, house: str) -> None:
    name = f"{house}.deals.replay.1"
    create_topics(_settings(kafka), house, [name])
    replay = {"transactional_id": name, "place_key": name, "topics": {"deals": name}}
    with _publisher(kafka, house) as relay, _publisher(kafka, house, **replay) as replaying:
        relay.open()
        replaying.open()
        replaying.publish(_messages(1), _at(1))
        _leave_open(replaying, _messages(2), _at(2))
        relay.publish(_messages(9), _at(9))
    with _publisher(kafka, house) as relay:
        assert relay.open() == _at(9)
    with _publisher(kafka, house, **replay) as replaying:
        assert replaying.open() == _at(1)
    assert _published(kafka, house) == [9]
    assert _published(kafka, house, "deals.replay.1") == [1]


def test_a_place_behind_an_open_transaction_of_another_is_waited_for(kafka: Kafka, house: str) -> None:
    """Readers of what is committed see nothing from the beginning of an open transaction on: an older place at best."""
    with kafka.producer(kafka.name("other"), transaction_timeout_ms=1_000) as hangs:
        with _publisher(kafka, house) as relay:
            relay.open()
            relay.publish(_messages(1), _at(1))
            hangs.begin_transaction()
            hangs.send(positions_topic(house), b"{}", key=b"other", partition=0).get(timeout=10)
            relay.publish(_messages(2), _at(2))
        with _publisher(kafka, house) as successor:
            assert successor.open() == _at(2)


def test_topics_with_other_partitions_than_before_are_refused(kafka: Kafka, house: str) -> None:
    with _publisher(kafka, house) as publisher:
        publisher.open()
        publisher.publish(_messages(1), _at(1))
    with kafka.admin() as admin:
        admin.create_partitions({f"{house}.deals": 4})
    with _publisher(kafka, house) as publisher, pytest.raises(TopicsWrong, match="has 4 partitions, and 2 when"):
        publisher.open()


def test_a_topic_that_was_made_anew_is_not_taken_for_the_one_that_was_published_to(kafka: Kafka, house: str) -> None:
    """Its history is gone, though the place says that it is published: nothing more goes there until it is."""
    with _publisher(kafka, house) as publisher:
        publisher.open()
        publisher.publish(_messages(1), _at(1))
    _make_anew(kafka, f"{house}.deals")
    with _publisher(kafka, house) as successor, pytest.raises(TopicsWrong) as wrong:
        successor.open()
    assert f"{house}.deals was deleted and made anew after it was published to up to position 1" in str(wrong.value)
    assert f"delete {house}.relay-positions, run `trailbook relay topics --create`" in str(wrong.value)
    _make_anew(kafka, positions_topic(house))
    with _publisher(kafka, house) as successor:
        assert successor.open() == Reached()
        successor.publish(_messages(1, 2), _at(2))
    assert _published(kafka, house) == [1, 2]


def test_a_topic_that_is_made_anew_meanwhile_is_noticed_before_the_next_commit(
    kafka: Kafka, house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.publisher.LOOK_MS", 100)
    with _publisher(kafka, house) as publisher:
        publisher.open()
        publisher.publish(_messages(1), _at(1))
        _make_anew(kafka, f"{house}.deals")
        eventually(lambda: publisher.made_anew() != [], "the client has heard of it")
        with pytest.raises(TopicsWrong, match=f"{house}.deals was deleted and made anew"):
            publisher.publish(_messages(2), _at(2))
    assert _published(kafka, house) == []


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"rubbish",
        b"\xff\xfe",
        b"{}",
        b"[]",
        b"7",
        b'{"entry":[1],"epoch":1,"leader":"x","ledger_position":0,"partitions":{},"position":9,"recorded_at":null}',
        b'{"entry":null,"epoch":"x","leader":"x","ledger_position":0,"partitions":[],"position":"9","recorded_at":7}',
        b'{"entry":null,"epoch":1,"leader":"x","ledger_position":0,"partitions":{},"position":-9,"recorded_at":null,'
        b'"topic_ids":{}}',
        b'{"entry":null,"epoch":1,"leader":"x","ledger_position":0,"offsets":{"deals":["x"]},"partitions":{},'
        b'"position":9,"recorded_at":null,"topic_ids":{}}',
    ],
)
def test_what_somebody_else_writes_among_the_places_is_passed_over(
    kafka: Kafka, house: str, value: bytes | None
) -> None:
    with _publisher(kafka, house) as publisher:
        publisher.open()
        publisher.publish(_messages(1), _at(1))
    with kafka.producer() as foreign:
        at = foreign.send(positions_topic(house), value, key=b"relay", partition=0).get(timeout=10).offset
    with _publisher(kafka, house) as successor:
        assert successor.open() == _at(1)
        assert successor.foreign == [at]


# -- what the broker confirmed, and does not hold


def _noted(kafka: Kafka, house: str) -> Place:
    """The last place."""
    place = Place.from_bytes(kafka.read(positions_topic(house))[-1].value)
    assert place is not None
    return place


def _note(kafka: Kafka, house: str, last: Place, position: int, partition: int, offset: int) -> None:
    """A place after the last, whose message of deals is said to stand at this offset."""
    offsets = {topic: list(noted) for topic, noted in last.offsets.items()}
    offsets[f"{house}.deals"][partition] = offset
    with kafka.producer() as producer:
        place = last._replace(reached=_at(position), offsets=offsets)
        producer.send(positions_topic(house), place.to_bytes(), key=b"relay", partition=0).get(timeout=10)


def _undone(kafka: Kafka, house: str, partition: int) -> int:
    """The offset of a message that was acknowledged, and aborted."""
    with kafka.producer(kafka.name("other")) as producer:
        producer.begin_transaction()
        sent = producer.send(f"{house}.deals", b"{}", key=b"customer:acme", partition=partition)
        offset = int(sent.get(timeout=10).offset)
        producer.abort_transaction()
    return offset


@pytest.fixture
def partition(kafka: Kafka, house: str) -> int:
    """Where the messages of deals are, two of which are published, each with a place of its own."""
    with _publisher(kafka, house) as publisher:
        publisher.open()
        publisher.publish(_messages(1), _at(1))
        publisher.publish(_messages(2), _at(2))
    (partition,) = {int(record.partition) for record in kafka.read(f"{house}.deals")}
    return partition


def test_given_messages_that_were_confirmed_and_then_undone_then_they_are_published_again(
    kafka: Kafka, house: str, partition: int
) -> None:
    """As after a commit that Kafka 4.3.0 acknowledges and does not write down, when what comes next is aborted."""
    undone, last = _undone(kafka, house, partition), _noted(kafka, house)
    _note(kafka, house, last, 3, partition, undone)
    _note(kafka, house, last, 4, partition, undone)
    with _publisher(kafka, house) as successor:
        assert successor.open() == _at(2), "the later place had nothing for that partition"
        assert successor.lost == [TopicPartition(f"{house}.deals", partition)]
        successor.publish(_messages(3, 4), _at(4))
    with _publisher(kafka, house) as successor:
        assert successor.open() == _at(4)
        assert not successor.lost
    assert _published(kafka, house) == [1, 2, 3, 4]


def test_given_messages_that_are_no_longer_at_the_end_of_a_partition_then_they_are_published_again(
    kafka: Kafka, house: str, partition: int
) -> None:
    """As after the loss of all replicas that had them. Offsets may be given once more."""
    _note(kafka, house, _noted(kafka, house), 9, partition, 1_000)
    with _publisher(kafka, house) as successor:
        assert successor.open() == _at(2)
        assert successor.lost
        successor.publish(_messages(3), _at(3))
    assert _published(kafka, house) == [1, 2, 3]


def test_given_nothing_left_of_what_was_published_then_everything_is_published_again(
    kafka: Kafka, house: str, partition: int
) -> None:
    undone, last = _undone(kafka, house, partition), _noted(kafka, house)
    _make_anew(kafka, positions_topic(house))
    _note(kafka, house, last, 3, partition, undone)
    with _publisher(kafka, house) as successor:
        assert successor.open() == Reached()
        assert successor.lost
        assert not successor.repeats, "that is not why"


def test_a_place_that_was_noted_before_places_named_messages_still_counts(
    kafka: Kafka, house: str, partition: int
) -> None:
    """Or an upgrade would publish everything once more."""
    with kafka.producer() as producer:
        place = _noted(kafka, house)._replace(reached=_at(3), offsets={})
        assert b"offsets" not in place.to_bytes()
        producer.send(positions_topic(house), place.to_bytes(), key=b"relay", partition=0).get(timeout=10)
    with _publisher(kafka, house) as successor:
        assert successor.open() == _at(3)
        assert (successor.foreign, list(successor.lost), successor.repeats) == ([], [], False)


def test_what_a_topic_keeps_no_longer_is_not_lost(kafka: Kafka, house: str, partition: int) -> None:
    with kafka.admin() as admin:
        admin.delete_records({TopicPartition(f"{house}.deals", partition): -1})
    with _publisher(kafka, house) as successor:
        assert successor.open() == _at(2)
        assert not successor.lost


def test_each_place_names_the_last_message_of_every_partition(kafka: Kafka, house: str, partition: int) -> None:
    """Also of those that its own transaction and its own publisher have not written to."""
    with _publisher(kafka, house) as successor:
        successor.open()
        successor.publish(_messages(3, topic="partners"), _at(3))
        successor.publish([], _at(4))
    last = {
        (topic, partition): -1 for topic, count in _noted(kafka, house).partitions.items() for partition in range(count)
    }
    for record in kafka.read(*_noted(kafka, house).partitions):
        last[record.topic, record.partition] = record.offset
    offsets = _noted(kafka, house).offsets
    assert {(topic, number): at for topic, noted in offsets.items() for number, at in enumerate(noted)} == last
    assert sum(at >= 0 for at in last.values()) == 2


# -- topics made anew


def test_a_replay_whose_topic_was_made_anew_is_sent_to_another_topic(kafka: Kafka, house: str) -> None:
    name = f"{house}.deals.replay.1"
    given: dict[str, object] = {"transactional_id": name, "place_key": name, "topics": {"deals": name}, "epoch": 0}
    create_topics(_settings(kafka), house, [name])
    with _publisher(kafka, house, **given) as replay:
        replay.open()
        replay.publish(_messages(1), _at(1))
    _make_anew(kafka, name)
    with _publisher(kafka, house, **given) as replay, pytest.raises(TopicsWrong, match="replay to a topic of another"):
        replay.open()


def test_it_is_known_where_messages_are_but_no_place_is_noted(kafka: Kafka, house: str) -> None:
    """Everything is then published once more, which is to be said."""
    with _publisher(kafka, house) as publisher:
        publisher.open()
        assert not publisher.repeats
        publisher.publish(_messages(1), _at(1))
    with _publisher(kafka, house) as successor:
        successor.open()
        assert not successor.repeats
    _make_anew(kafka, positions_topic(house))
    with _publisher(kafka, house) as successor:
        assert successor.open() == Reached()
        assert successor.repeats


def _make_anew(kafka: Kafka, topic: str) -> None:
    with kafka.admin() as admin:
        (there,) = admin.describe_topics([topic])
        delete_topic(kafka, topic)
        admin.create_topics([NewTopic(topic, len(there["partitions"]), 1)])
        admin.wait_for_topics([topic])


def test_partitions_that_are_added_meanwhile_move_no_key(
    kafka: Kafka, house: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The client hears of them within seconds; the next publisher refuses them."""
    monkeypatch.setattr("adapters.publisher.LOOK_MS", 100)
    keys = [b"customer:%d" % n for n in range(20)]
    with _publisher(kafka, house) as publisher:
        publisher.open()
        publisher.publish([Message("deals", key, (), b"{}") for key in keys], _at(1))
        before = _partitions(kafka, f"{house}.deals")
        with kafka.admin() as admin:
            admin.create_partitions({f"{house}.deals": 4})
        metadata = publisher._producer._metadata  # type: ignore[union-attr]
        eventually(lambda: len(metadata.partitions_for_topic(f"{house}.deals")) == 4, "the client has heard of them")
        publisher.publish([Message("deals", key, (), b"{}") for key in keys], _at(2))
    assert _partitions(kafka, f"{house}.deals") == before


def test_missing_topics_are_named_with_the_command_that_makes_them(kafka: Kafka) -> None:
    house = kafka.name("bare")
    with _publisher(kafka, house) as publisher, pytest.raises(TopicsWrong) as wrong:
        publisher.open()
    assert f"{house}.deals, {house}.contracts" in str(wrong.value)
    assert f"{house}.relay-positions: missing: run `trailbook relay topics --create`" in str(wrong.value)


def test_a_message_over_the_stated_limit_is_named_and_nothing_is_published(kafka: Kafka, house: str) -> None:
    with _publisher(kafka, house) as publisher:
        publisher.open()
        with pytest.raises(MessageTooLarge) as too_large:
            publisher.publish([*_messages(1), *_messages(2, size=100_000), *_messages(3)], _at(3))
    assert too_large.value.ce_id == "customer:acme@2"
    assert (too_large.value.limit, too_large.value.topic) == (100_000, f"{house}.deals")
    assert too_large.value.size > 100_000
    assert _published(kafka, house) == []


def test_a_message_over_the_topics_own_limit_is_found_among_those_that_fail_with_it(kafka: Kafka) -> None:
    house = kafka.name("narrow")
    create_topics(replace(_settings(kafka), max_message_bytes=70_000), house)
    large = [*_messages(1), *_messages(2, size=90_000), *_messages(3), *_messages(4, topic="payouts", size=60_000)]
    with _publisher(kafka, house) as publisher:
        publisher.open()
        with pytest.raises(MessageTooLarge) as too_large:
            publisher.publish(large, _at(4))
    assert too_large.value.ce_id == "customer:acme@2"
    assert too_large.value.limit == 70_000
    assert "raise max.message.bytes" in str(too_large.value)
    with _publisher(kafka, house) as successor:
        assert successor.open() == Reached()
        successor.publish(_messages(1), _at(1))
    assert _published(kafka, house) == [1]


def test_many_messages_of_every_size_stay_in_the_order_of_their_key(kafka: Kafka, house: str) -> None:
    with _publisher(kafka, house) as publisher:
        publisher.open()
        for first in range(0, 3_000, 1_000):
            sizes = [(n, n * 7919 % 3_000) for n in range(first, first + 1_000)]
            publisher.publish([message for n, size in sizes for message in _messages(n, size=size)], _at(first + 1_000))
    assert _published(kafka, house) == list(range(3_000))


def test_a_topic_deleted_meanwhile_ends_in_a_sentence_and_loses_nothing(kafka: Kafka, house: str) -> None:
    with _publisher(kafka, house, patience_seconds=2.0) as publisher:
        publisher.open()
        publisher.publish(_messages(1), _at(1))
        with kafka.admin() as admin:
            admin.delete_topics([f"{house}.deals"])
        with pytest.raises((KafkaAway, TopicsWrong)):
            publisher.publish(_messages(2), _at(2))
    with _publisher(kafka, house) as successor, pytest.raises(TopicsWrong, match=f"{house}.deals: missing"):
        successor.open()
    with kafka.admin() as admin:
        admin.create_topics([NewTopic(f"{house}.deals", 2, 1)])
        admin.wait_for_topics([f"{house}.deals"])
    with _publisher(kafka, house) as successor, pytest.raises(TopicsWrong, match="deleted and made anew"):
        successor.open()


@pytest.mark.long
def test_the_place_is_found_in_a_topic_that_was_compacted() -> None:
    with own_broker(settings={"log.cleaner.backoff.ms": "200", "log.retention.check.interval.ms": "500"}) as own:
        kafka, house = Kafka(own.bootstrap_servers), "west"
        create_topics(_settings(kafka), house)
        with kafka.admin() as admin:
            soon = {"segment.ms": "500", "min.cleanable.dirty.ratio": "0.01", "delete.retention.ms": "0"}
            admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, positions_topic(house), soon)])
        with _publisher(kafka, house) as publisher:
            publisher.open()
            for position in range(1, 301):
                publisher.publish([], _at(position))
        with kafka.producer(kafka.name("other")) as other:

            def is_compacted() -> bool:
                # a segment is compacted when a later one has begun
                publish(other, positions_topic(house), (b"other", b"{}"))
                return len(kafka.read(positions_topic(house), committed=False)) < 50

            eventually(is_compacted, "the positions are compacted", 60)
            with _publisher(kafka, house) as successor:
                assert successor.open() == _at(300)
