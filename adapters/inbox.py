"""The inbox: what a consumer in Python needs to build on Trailbook's topics and be right.

    def apply(connection, message):
        connection.execute("INSERT INTO deals_won VALUES (%s, %s)", (message.subject, message.effective_on))

    kafka = KafkaSettings.from_environment()
    Inbox(url, kafka=kafka, consumer="crm", topics=["deals"], handlers={"deal.won": apply}).run()

What a handler writes through its connection and how far the topic is applied commit together, in the consumer's own
PostgreSQL; so each message counts once, however often it is sent, read or begun. Kafka's group only shares out the
partitions among processes of one name. Messages of one key come in order; a message of a type without a handler is
passed over. A handler may be called again for a message whose transaction was rolled back: it acts through its
connection only, and does not end the transaction.

    reading ── a message that cannot be applied ──▶ that partition stops at it, the others go on (again each minute)
    reading ── the database or Kafka is away ──▶ waiting (0.1 s, longer each time, up to 5 s) ── it is back ──▶ reading
"""

import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import psycopg
import structlog
from psycopg.conninfo import conninfo_to_dict

from adapters.database import DatabaseUnavailable
from adapters.inbox_reading import Handler, HistoryGone, Reading
from adapters.inbox_tables import Part, Stop
from adapters.incoming import KNOWN_VERSIONS
from adapters.kafka_faults import KafkaAway
from adapters.kafka_settings import KafkaSettings
from adapters.waiting import Waiting

__all__ = ["Handler", "HistoryGone", "Inbox", "Poison"]

ANEW_SECONDS = 60.0
"""After how long everything is opened anew, should the client not find back by itself."""
STUCK_SECONDS = 30
"""How long a transaction may stand still before PostgreSQL ends it, and with it the hold on its partition."""

_TOPIC = re.compile(r"[a-z][a-z0-9.-]*")

logger = structlog.get_logger("trailbook")


class Poison(Exception):
    """A message cannot be applied. The message is one sentence: where it stands, why, and what to do."""

    def __init__(self, stop: Stop) -> None:
        super().__init__(
            f"{stop.topic} partition {stop.partition} stops at offset {stop.offset}, "
            f"ce_id {stop.ce_id or 'not known'}: {stop.because}"
        )
        self.stop = stop


@dataclass
class Inbox:
    """One consumer, in one of its processes.

    Raises ValueError for arguments that cannot be meant; ``run`` and ``catch_up`` raise TopicsWrong and HistoryGone.
    """

    database_url: str = field(repr=False)
    _: KW_ONLY
    kafka: KafkaSettings
    handlers: Mapping[str, Handler]
    """By the event's name, like ``ledger.entry_posted``."""
    consumer: str
    """Whose offsets these are: processes of one name share the work, another name reads everything anew."""
    topics: Sequence[str] = ("ledger-entries",)
    """Without the house's name; ``deals.replay.1`` is a replay, which brings what ``deals`` brings."""
    house: str = "trailbook"
    schema: str | None = None
    """Of the kit's own tables ``inbox_…`` and of what the handlers name; made if missing. None: as the URL says."""
    newer_versions: bool = False
    """Take versions of known events that are newer than this release: the contract is additive."""
    from_what_is_left: bool = False
    """Begin at a topic's oldest message, also where older ones are gone."""
    stuck_seconds: int = STUCK_SECONDS
    client: Mapping[str, Any] = field(default_factory=dict)
    """Arguments for kafka-python's consumer besides, like ``max_poll_records``."""
    was_open: bool = field(default=False, init=False, repr=False)
    """Whether the topics were there once: then one that is missing is waited for."""
    _stopping: threading.Event = field(default_factory=threading.Event, init=False, repr=False)
    _waiting: Waiting = field(default_factory=Waiting, init=False, repr=False)
    _told: dict[Part, str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        for name, handler in self.handlers.items():
            if name not in KNOWN_VERSIONS:
                raise ValueError(f"there is no {name} in the contract of this release; take the handler out or mend it")
            if not callable(handler):
                raise ValueError(
                    f"the handler of {name} cannot be called; write a function of a connection and a message"
                )
        try:
            conninfo_to_dict(self.database_url)
        except psycopg.ProgrammingError as error:
            raise ValueError(
                "the consumer's database has no PostgreSQL address; write postgresql://user:password@host:port/database"
            ) from error
        for topic in self.topics:
            if not _TOPIC.fullmatch(topic):
                raise ValueError(f"{topic!r} is not a topic like deals; write it without the house's name")
        if isinstance(self.topics, str) or not self.topics or not self.consumer:
            raise ValueError("an inbox needs a consumer's name and a list of topics; write both")
        if self.schema is not None and not re.fullmatch(r"[a-z_][a-z0-9_]*", self.schema):
            raise ValueError(f"{self.schema!r} is not a schema's name; write lower-case letters, digits and _")

    def run(self) -> None:
        """Apply messages as they come, until ``stop`` is called."""
        while not self._stopping.is_set():
            try:
                with Reading(self) as reading:
                    while not self._stopping.is_set():
                        self._round(reading)
            except (DatabaseUnavailable, KafkaAway) as fault:
                self._wait(fault)
        self._stopping.clear()

    def _round(self, reading: Reading) -> None:
        """Keep the connection to Kafka over a fault: its group would take a new one for another process."""
        try:
            reading.round()
        except (DatabaseUnavailable, KafkaAway) as fault:
            if self._waiting.seconds > ANEW_SECONDS:
                raise
            reading.drop_all()
            self._wait(fault)

    def stop(self) -> None:
        """Let ``run`` end soon; may be called from a signal's handler or another thread."""
        self._stopping.set()

    def catch_up(self) -> None:
        """Apply what the topics hold now, also what other processes of this consumer are at.

        Raises DatabaseUnavailable and KafkaAway where ``run`` would wait, and Poison once everything else is applied.
        """
        with Reading(self) as reading:
            ends = reading.ends()
            while (left := reading.left(ends)) and not self._stopping.is_set():
                reading.round()
                self._raise_if_only_poison_is(left, reading)
        self._stopping.clear()

    def _raise_if_only_poison_is(self, left: set[Part], reading: Reading) -> None:
        stops = reading.tables.stops([part.topic for part in left])
        if left <= stops.keys() and all(part in reading.stopped or not reading.has(part) for part in left):
            raise Poison(stops[min(left)])

    # -- what a process says of itself

    def _wait(self, fault: DatabaseUnavailable | KafkaAway) -> None:
        self._waiting.wait(fault.waits_for, str(fault), self._stopping.wait, consumer=self.consumer)

    def tell_well(self) -> None:
        """Both sides are well, as a commit or an answer of Kafka's shows."""
        self._waiting.go_on(consumer=self.consumer)

    def tell_stopped(self, part: Part, stop: Stop) -> None:
        """Say once what a partition stopped at."""
        sentence = str(Poison(stop))
        if self._told.get(part) != sentence:
            logger.error("partition stopped", consumer=self.consumer, because=sentence)
        self._told[part] = sentence

    def tell_passed(self, part: Part) -> None:
        if self._told.pop(part, None):
            logger.info("partition goes on", consumer=self.consumer, topic=part.topic, partition=part.partition)
