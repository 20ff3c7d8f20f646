"""The relay's figures under the names that Prometheus knows: how far the topics are, and how fast it publishes."""

from collections import Counter as Counted
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, NamedTuple, get_args

import psycopg
from prometheus_client.registry import Collector
from psycopg import sql

from adapters.database import Database
from adapters.metrics import Counter, Durations, Gauge, Sample
from projections import ledger
from projections.published.messages import Message
from projections.published.reached import Reached
from projections.published.topics import Topic

State = Literal["starting", "standing by", "relaying", "waiting", "stopped"]
STATES: Sequence[State] = get_args(State)

ABOUT_RELAY: Mapping[str, Gauge] = {
    "trailbook_log_position": Gauge("The position of the last event of the log."),
    "trailbook_relay_leading": Gauge("1 if this relay is the one that publishes, by its lease; else 0."),
    "trailbook_relay_epoch": Gauge("Which taking of the lease this relay's last one was; 0 if it had none."),
    "trailbook_relay_state": Gauge("1 for the state that the relay is in, 0 for the others.", ("state",)),
    "trailbook_relay_position": Gauge("The position up to which the events of the log are published."),
    "trailbook_relay_lag_events": Gauge("Events of the log after that position."),
    "trailbook_relay_lag_seconds": Gauge(
        "The age of the oldest event that is not published, by the database's clock; 0 if there is none."
    ),
    "trailbook_relay_ledger_position": Gauge("The position up to which the entries of the ledger are published."),
    "trailbook_relay_ledger_lag_events": Gauge("Events that the ledger has taken after that position."),
    "trailbook_relay_ledger_lag_seconds": Gauge(
        "The age of the oldest event that the ledger has taken and whose entries are not all published; 0 if there is "
        "none."
    ),
    "trailbook_relay_poison": Gauge("1 if the relay stands at something that it cannot publish; else 0."),
    "trailbook_relay_poison_position": Gauge("The position of what cannot be published; 0 if there is none."),
}

MESSAGES, LATENCY, TRANSACTION = (
    "trailbook_relay_published_messages_total",
    "trailbook_relay_publish_latency_seconds",
    "trailbook_relay_transaction_duration_seconds",
)
ABOUT_PUBLISHING: Mapping[str, Gauge] = {
    MESSAGES: Gauge("Messages whose transaction was committed by this process, by topic.", ("topic",)),
    LATENCY: Gauge(
        "From the recording of an event, by the database's clock, to the acknowledged commit of its messages, by this "
        "process's clock; a message of history counts with its age."
    ),
    TRANSACTION: Gauge("How long a transaction took, from its beginning to the acknowledged commit."),
}

LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3_600)
TRANSACTION_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@dataclass
class Publishing:
    """What this process has published, and how fast. Written by the relay's loop, read by those who scrape."""

    messages: Counter = field(
        default_factory=lambda: Counter(MESSAGES, ABOUT_PUBLISHING[MESSAGES], sorted(get_args(Topic)))
    )
    latency: Durations = field(default_factory=lambda: Durations(LATENCY, ABOUT_PUBLISHING[LATENCY], LATENCY_BOUNDS))
    transactions: Durations = field(
        default_factory=lambda: Durations(TRANSACTION, ABOUT_PUBLISHING[TRANSACTION], TRANSACTION_BOUNDS)
    )

    def committed(self, messages: Sequence[Message], seconds: float, at: datetime) -> None:
        """A transaction of these messages was acknowledged at a time, so many seconds after it began."""
        for topic, count in Counted(message.topic for message in messages).items():
            self.messages.add(topic, count)
        for recorded, count in Counted(_recorded(message) for message in messages).items():
            age = at - datetime.fromisoformat(recorded.decode())
            self.latency.add(max(0.0, age.total_seconds()), count)
        self.transactions.add(seconds)

    @property
    def collectors(self) -> Iterable[Collector]:
        return self.messages, self.latency, self.transactions


def _recorded(message: Message) -> bytes:
    return next(value for name, value in message.headers if name == "ce_time")


class Behind(NamedTuple):
    """How far the topics are behind the log and the ledger. Seconds are by the database's clock."""

    read_at: datetime
    head: int
    lag_events: int
    lag_seconds: float
    ledger_lag_events: int
    ledger_lag_seconds: float


_BEHIND = """
SELECT statement_timestamp(), head.position, coalesce(own.position, 0), {age_log}, {age_ledger}
FROM {head} AS head LEFT JOIN {positions} AS own ON own.name = {ledger}
"""
_AGE = """(
    SELECT extract(epoch FROM statement_timestamp() - event.recorded_at)::float8 FROM {events} AS event
    WHERE event.notification_id = {after} + 1
)"""


def read_behind(connection: psycopg.Connection, database: Database, reached: Reached) -> Behind:
    """``connection`` commits by itself. Raises psycopg.Error, also where the house has no book yet."""
    events = sql.Identifier(database.house, "house_events")
    statement = sql.SQL(_BEHIND).format(
        age_log=sql.SQL(_AGE).format(events=events, after=sql.Placeholder("position")),
        age_ledger=sql.SQL(_AGE).format(events=events, after=sql.Placeholder("ledger_position")),
        head=sql.Identifier(database.house, "log_head"),
        positions=sql.Identifier(database.book, "projection_position"),
        ledger=sql.Literal(ledger.name),
    )
    values = {"position": reached.position, "ledger_position": reached.ledger_position}
    row = connection.execute(statement, values).fetchone()
    assert row is not None, "the log's head is one row"
    read_at, head, own, age_log, age_ledger = row
    ledger_lag = max(0, own - reached.ledger_position)
    return Behind(
        read_at,
        head,
        max(0, head - reached.position),
        max(0.0, age_log or 0.0),
        ledger_lag,
        max(0.0, age_ledger or 0.0) if ledger_lag else 0.0,
    )


@dataclass(frozen=True, slots=True)
class Shown:
    """The relay's own state, as its loop has it at one moment."""

    state: State
    leading: bool
    epoch: int
    reached: Reached | None
    """None where this process does not know: while another one leads."""
    poison_position: int | None

    @property
    def stands_at_poison(self) -> bool:
        """Also where it is no event that stops it, but the log itself: it is not the one that was published from."""
        return self.poison_position is not None or self.state == "stopped"


def relay_samples(shown: Shown, behind: Behind | None) -> Iterator[Sample]:
    """The values of the relay; of what is published only where this one publishes."""
    yield Sample("trailbook_relay_leading", (), shown.leading)
    yield Sample("trailbook_relay_epoch", (), shown.epoch)
    for state in STATES:
        yield Sample("trailbook_relay_state", (state,), state == shown.state)
    yield Sample("trailbook_relay_poison", (), shown.stands_at_poison)
    yield Sample("trailbook_relay_poison_position", (), shown.poison_position or 0)
    if behind is not None:
        yield Sample("trailbook_database_read_timestamp_seconds", (), behind.read_at.timestamp())
        yield Sample("trailbook_log_position", (), behind.head)
    if shown.reached is None:
        return
    yield Sample("trailbook_relay_position", (), shown.reached.position)
    yield Sample("trailbook_relay_ledger_position", (), shown.reached.ledger_position)
    if behind is not None:
        yield Sample("trailbook_relay_lag_events", (), behind.lag_events)
        yield Sample("trailbook_relay_lag_seconds", (), behind.lag_seconds)
        yield Sample("trailbook_relay_ledger_lag_events", (), behind.ledger_lag_events)
        yield Sample("trailbook_relay_ledger_lag_seconds", (), behind.ledger_lag_seconds)
