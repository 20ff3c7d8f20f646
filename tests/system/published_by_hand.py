"""What the relay does, without its cares: everything that a house has to tell, in one transaction at a time."""

from collections.abc import Iterator
from contextlib import closing

from kafka.admin import NewTopic

from projections.published.messages import Cause, Message, entry_message, event_message, kafka_topic
from projections.published.topics import CARRIES, PARTITIONS
from services.house import House
from tests.broker import Kafka, commit


def create_topics(house: House, kafka: Kafka) -> None:
    names = [kafka_topic(house.database.house, topic) for topic in CARRIES]
    with closing(kafka.admin()) as admin:
        admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
        admin.wait_for_topics(names)


def publish_new(house: House, kafka: Kafka, after: int = 0) -> int:
    """Publish all after a position; the position reached."""
    upto = house.queries().ledger_position()
    with kafka.producer(f"{house.database.house}.relay") as producer:
        producer.begin_transaction()
        commit(
            producer,
            [
                producer.send(kafka_topic(house.database.house, m.topic), m.value, key=m.key, headers=list(m.headers))
                for m in _messages(house, after, upto)
            ],
        )
    return upto


def _messages(house: House, after: int, upto: int) -> Iterator[Message]:
    name = house.database.house
    recorded = {event.position: event for event in house.log.read(after, upto - after)}
    for event in recorded.values():
        if (message := event_message(name, event)) is not None:
            yield message
    queries = house.queries(caught_up=False)
    entries = queries.entries(positions=(after, upto))
    rows = queries.connection.execute(f"SELECT no, name FROM {house.database.book}.facts_name")
    names: dict[int, str] = dict(rows.fetchall())
    for entry in sorted(entries, key=lambda entry: entry.id):
        event = recorded[entry.position]
        row = (*entry.id, entry.item_no, entry.item_line, entry.role, entry.book, entry.amount_minor)
        cause = Cause(event.event_id, event.recorded_at, event.envelope.correlation_id)
        yield entry_message(name, row, names, cause)
