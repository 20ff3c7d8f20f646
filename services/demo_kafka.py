"""What ``demo --kafka`` adds: the story as other systems get it, from a real Apache Kafka.

The relay publishes it, a plain consumer counts it, and the worked consumer of ``deploy/examples`` keeps its table of
balances from it, which is shown beside Trailbook's own.
"""

import importlib.util
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import psycopg
from kafka import KafkaConsumer, TopicPartition
from kafka.consumer.fetcher import ConsumerRecord
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from rich.rule import Rule
from rich.table import Table

from adapters.embedded_kafka import EmbeddedKafka
from adapters.inbox import HistoryGone, Inbox, Poison
from adapters.inbox_reading import MUST
from adapters.incoming import attributes
from adapters.kafka_faults import KafkaAway
from adapters.kafka_settings import KafkaSettings
from adapters.kafka_topics import create_topics, live_topics
from adapters.lease import SECONDS
from adapters.settings import Settings
from domain.money import show as money
from services.house import House
from services.relay import Relay
from services.render import console, say

EXAMPLE = Path(__file__).parent.parent / "deploy" / "examples" / "agent_balances.py"
BATCH = 500
WHOLE = "trailbook.account.agent_of_record_changed."
"""The last message of this type is shown whole, as it travels."""


def show(house: House, settings: Settings) -> None:
    """Publish the story and show a consumer's view of it.

    Raises KafkaUnavailable, KafkaAway, TopicsWrong, and what a relay and an inbox raise that run once.
    """
    console.print()
    console.print(Rule("what other systems read", align="left"))
    with _broker(settings) as kafka:
        settings = replace(settings, kafka=kafka)
        create_topics(kafka, settings.house)
        with closing(Relay(settings, BATCH, SECONDS)) as relay:
            relay.once()
        say(f"Apache Kafka at {kafka.bootstrap_servers}: published by the relay, read by a consumer\n")
        _show_topics(kafka, settings.house)
        _show_balances(house, kafka)


@contextmanager
def _broker(settings: Settings) -> Iterator[KafkaSettings]:
    """The broker of the settings, or the one that comes with Trailbook, for as long as it is needed."""
    if settings.kafka.bootstrap_servers is not None:
        yield settings.kafka
        return
    broker = EmbeddedKafka(settings.data_dir / "kafka")
    with console.status("starting Apache Kafka"):
        broker.start()
    try:
        yield replace(settings.kafka, bootstrap_servers=broker.bootstrap_servers, replication=1)
    finally:
        broker.stop()


def _show_topics(kafka: KafkaSettings, house: str) -> None:
    """How many messages each topic has, and one of them whole."""
    types = {topic: Counter[str]() for topic in live_topics(house).values()}
    whole: tuple[ConsumerRecord, dict[str, str]] | None = None
    for record in _records(kafka, list(types)):
        headers = attributes(record)
        types[record.topic][headers["ce_type"]] += 1
        if headers["ce_type"].startswith(WHOLE):
            whole = record, headers
    table = Table(title="messages that are committed", title_justify="left", show_edge=False)
    table.add_column("topic")
    table.add_column("messages", justify="right")
    table.add_column("types", justify="right")
    for topic, counted in types.items():
        table.add_row(topic, str(counted.total()), str(len(counted)))
    console.print(table)
    if whole is not None:
        _show_whole(*whole)


def _show_whole(record: ConsumerRecord, headers: dict[str, str]) -> None:
    say(f"\none of {record.topic}, in partition {record.partition} at offset {record.offset}: key, headers, body")
    say(record.key.decode())
    for name, value in headers.items():
        say(f"  {name}: {value}")
    say(record.value.decode())


def _records(kafka: KafkaSettings, topics: list[str]) -> Iterator[ConsumerRecord]:
    """Everything that is committed now, as any client of Kafka gets it."""
    usual = {"isolation_level": "read_committed", "auto_offset_reset": "earliest"}
    with closing(KafkaConsumer(**kafka.client(), **{**MUST, **usual}, group_id=None)) as consumer:
        partitions = [TopicPartition(topic, no) for topic in topics for no in consumer.partitions_for_topic(topic)]
        consumer.assign(partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(partition) < end for partition, end in ends.items()):
            for records in consumer.poll(timeout_ms=500).values():
                yield from records


def _show_balances(house: House, kafka: KafkaSettings) -> None:
    """The worked consumer's table, in a schema of its own, beside Trailbook's own balances."""
    example = _example()
    name, schema = house.database.house, f"{house.database.house}_consumer"
    url = _within(house.database.url, schema)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(schema)))
        connection.execute(example.TABLE)
        handlers = {"ledger.entry_posted": example.add_up}
        try:
            Inbox(url, consumer=example.NAME, house=name, kafka=kafka, handlers=handlers).catch_up()
        except (HistoryGone, Poison) as fault:
            raise KafkaAway(str(fault)) from fault
        rows = connection.execute("SELECT agent, currency, payable_minor, held_minor FROM agent_balance ORDER BY 1, 2")
        queries = house.queries()
        known = queries.ledger_position()
        theirs = {(row.book, row.currency): row.amount_minor for row in queries.balances(known)}
        table = Table(title="the worked consumer's table of balances", title_justify="left", show_edge=False)
        table.add_column("agent")
        for heading in ("owed", "held back", "owed, says Trailbook"):
            table.add_column(heading, justify="right")
        table.add_column("")
        for agent, currency, payable, held in rows:
            own = theirs.get((f"agent:{agent}:payable", currency), 0)
            table.add_row(agent, *(money(amount, currency) for amount in (payable, held, own)), currency)
    console.print()
    console.print(table)


def _within(url: str, schema: str) -> str:
    """The same database, where names without a schema mean this one."""
    options = conninfo_to_dict(url).get("options") or ""
    return make_conninfo(url, options=f"{options} -c search_path={schema}".strip())


def _example() -> ModuleType:
    """The file that a stranger would copy. Raises FileNotFoundError outside of Trailbook's sources."""
    spec = importlib.util.spec_from_file_location("agent_balances", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
