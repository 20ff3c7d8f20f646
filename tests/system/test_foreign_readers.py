"""Strangers read the demo's story from Kafka, with clients, schemas and an SDK that no one here wrote.

Half of the story is published, a transaction with what never happened is aborted, then the other half.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary
from cloudevents.core.formats.json import JSONFormat
from jsonschema import Draft7Validator, FormatChecker

from adapters.command_file import read_commands
from domain.ids import kind_of
from domain.message import Issued
from projections.published.topics import CARRIES, UNPUBLISHED
from services.demo import STORY
from services.house import House
from tests.broker import Kafka
from tests.database import fresh_house
from tests.system.books import settings_of
from tests.system.foreign import CLIENTS, Read, made_as
from tests.system.program import Program
from tests.system.under_load import environment

CONTRACT = Path(__file__).parents[2] / "deploy" / "contract"
SCHEMAS = CONTRACT / "schemas"
NEVER = b'{"never":"committed"}'


@dataclass
class Published:
    """The story on its topics, and the house that it is about."""

    house: House
    kafka: Kafka

    @property
    def topics(self) -> list[str]:
        return [f"{self.house.database.house}.{topic}" for topic in CARRIES]

    @property
    def program(self) -> Program:
        servers, one_broker = self.kafka.bootstrap_servers, "1"
        settings = {"TRAILBOOK_KAFKA_BOOTSTRAP_SERVERS": servers, "TRAILBOOK_KAFKA_REPLICATION": one_broker}
        return Program(environment(self.house.database, **settings))

    def tell(self, commands: Sequence[Issued]) -> None:
        """Give commands, and publish what came of them."""
        for issued in commands:
            self.house.handle(issued)
        self.house.projectors.catch_up()
        said = self.program.run("relay", "run", "--once")
        assert said.code == 0, said

    def read(self, client: str, *, committed: bool = True) -> list[Read]:
        """All seven topics, read once by each client."""
        if (client, committed) not in self._found:
            read = CLIENTS[client]
            self._found[client, committed] = read(self.kafka.bootstrap_servers, self.topics, committed=committed)
        return self._found[client, committed]

    @cached_property
    def _found(self) -> dict[tuple[str, bool], list[Read]]:
        return {}


@pytest.fixture(scope="module")
def published(database_url: str, kafka: Kafka) -> Iterator[Published]:
    with fresh_house(database_url) as database, House(settings_of(database), database) as house:
        story = Published(house, kafka)
        story.program.fine("relay", "topics", "--create")
        commands = list(read_commands(STORY))
        half = len(commands) // 2
        story.tell(commands[:half])
        abort_what_never_happened(story)
        story.tell(commands[half:])
        yield story


def abort_what_never_happened(story: Published) -> None:
    """By another producer than the relay, so that nothing is aborted by being its successor."""
    with story.kafka.producer(story.kafka.name("stranger")) as producer:
        producer.begin_transaction()
        for topic in story.topics:
            producer.send(topic, NEVER, key=b"account:alder-network").get(timeout=10)
        producer.abort_transaction()


@pytest.fixture(params=CLIENTS)
def messages(published: Published, request: pytest.FixtureRequest) -> list[Read]:
    """What a foreign client read of the seven topics."""
    return published.read(request.param)


def body(message: Read) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.value)
    return found


def test_every_message_parses_as_a_cloud_event(published: Published, messages: list[Read]) -> None:
    house = published.house.database.house
    for message in messages:
        parsed = from_binary(KafkaMessage(dict(message.headers), message.key, message.value), JSONFormat())
        assert parsed.get_specversion() == "1.0"
        assert parsed.get_source() == f"/trailbook/{house}"
        assert (parsed.get_id(), parsed.get_type()) == (message.header("ce_id"), message.header("ce_type"))
        assert parsed.get_subject() == message.key.decode() == parsed.get_extension("partitionkey")
        assert parsed.get_datacontenttype() == "application/json"
        time = parsed.get_time()
        assert time is not None
        assert time.utcoffset() == timedelta()
        assert parsed.get_data() == body(message)


def test_every_message_is_what_its_frozen_schema_says(published: Published, messages: list[Read]) -> None:
    frozen = {path.stem: json.loads(path.read_bytes()) for path in SCHEMAS.glob("*.json")}
    valid = {title: Draft7Validator(schema, format_checker=FormatChecker()) for title, schema in frozen.items()}
    for message in messages:
        title = message.header("ce_type")
        for version in (1, 2):  # whoever reads by the first still can
            valid[f"trailbook.headers.v{version}"].validate({name: value.decode() for name, value in message.headers})
        valid[title].validate(body(message))
        assert message.topic == f"{published.house.database.house}.{frozen[title]['x-topic']}"


def test_nothing_is_missing_and_nothing_is_invented(published: Published, messages: list[Read]) -> None:
    log, queries = published.house.log, published.house.queries()
    head = log.head()
    assert head is not None
    recorded = [event for event in log.read(0, head.position) if kind_of(event.stream_id) not in UNPUBLISHED]
    entries = [str(entry.id) for entry in queries.entries()]
    assert len(recorded) > 100
    assert len(entries) > 100
    assert {message.topic for message in messages} == set(published.topics)
    found = [message.header("ce_id") for message in messages]
    assert sorted(found) == sorted([*(event.event_id for event in recorded), *entries])


def test_under_a_key_all_comes_in_the_order_of_the_log(published: Published, messages: list[Read]) -> None:
    by_key: dict[tuple[str, bytes], list[Read]] = defaultdict(list)
    for message in messages:
        by_key[message.topic, message.key].append(message)
    for (topic, _), under_key in by_key.items():
        assert len({message.partition for message in under_key}) == 1
        if topic.endswith(".ledger-entries"):
            ids = [published.house.queries(caught_up=False).entry(message.header("ce_id")).id for message in under_key]
            assert ids == sorted(ids)
        else:
            versions = [int(message.header("ce_streamversion")) for message in under_key]
            assert versions == list(range(1, len(under_key) + 1))
        positions = [int(message.header("ce_position")) for message in under_key]
        assert positions == sorted(positions)
    assert len({message.partition for message in messages}) > 1, "some order can only be kept by the key"


def test_a_stranger_sums_entries_to_trailbooks_own_balances(published: Published, messages: list[Read]) -> None:
    summed: dict[tuple[str, str], int] = defaultdict(int)
    for message in messages:
        if message.topic.endswith(".ledger-entries"):
            entry = body(message)
            summed[entry["book"], entry["currency"]] += entry["amount_minor"]
    queries = published.house.queries()
    own = {(b.book, b.currency): b.amount_minor for b in queries.balances(queries.ledger_position())}
    assert summed == own
    assert own["house:margin", "USD"] != 0


@pytest.mark.parametrize("client", CLIENTS)
def test_what_was_aborted_is_seen_by_nobody_who_reads_committed(published: Published, client: str) -> None:
    everything, committed = published.read(client, committed=False), published.read(client)
    assert sum(message.value == NEVER for message in everything) == len(CARRIES), "it is in the topics"
    assert sorted(message for message in everything if message.value != NEVER) == sorted(committed)


def test_all_clients_read_the_same_bytes(published: Published) -> None:
    first, *others = (sorted(published.read(client)) for client in CLIENTS)
    for other in others:
        assert other == first


def test_topics_are_made_as_the_asyncapi_document_says(published: Published) -> None:
    document = json.loads((CONTRACT / "asyncapi.json").read_bytes())
    made = made_as(published.kafka.bootstrap_servers, published.topics)
    for topic, (partitions, settings) in made.items():
        said = document["channels"][topic.partition(".")[2]]["bindings"]["kafka"]
        assert partitions == said["partitions"]
        for name, value in said["topicConfiguration"].items():
            assert settings[name] == (",".join(value) if isinstance(value, list) else str(value))
