"""What ``trailbook relay run`` does: publish the log and the journal to Kafka's topics, until stopped.

    starting ─▶ standing by ── the lease is ours ──▶ relaying ── nothing is left ──▶ waits for a hint, at most a second
                     ▲                                │   │
                     └── the lease is another's ──────┘   ├── database or Kafka away ──▶ waiting ── it is back ──▶ …
                                                          └── cannot be published ──▶ stopped (again every minute)

The lease elects who publishes; the broker fences who was elected before; how far publishing has come is committed with
the messages. So a relay that is killed, paused or cut off at any moment is followed by one that goes on exactly there.
One line is logged for each change of state.
"""

import gc
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import FrameType
from typing import Any

import psycopg
import structlog
from kafka import TopicPartition
from psycopg import sql

from adapters.database import Database, DatabaseUnavailable, InitNeeded
from adapters.kafka_faults import Fenced, KafkaAway, MessageTooLarge, TopicsWrong
from adapters.kafka_topics import check_topics, positions_topic
from adapters.lease import Lease, LeaseHeld, this_process
from adapters.outgoing import LAST, Batch, OtherLog, Outgoing, Unpublishable
from adapters.projectors import EventAt, event_at
from adapters.publisher import Publisher
from adapters.relay_metrics import Publishing, Shown, State
from adapters.settings import Settings
from adapters.waiting import FIRST_WAIT_SECONDS, Waiting
from projections.published.messages import Message
from projections.published.reached import Reached
from services.health import Pulse, watched_relay
from services.logs import of_event, without_values

POLL_SECONDS = 1.0
"""How long it waits at most for a hint that there is something to publish, or for the lease."""
LONGEST_WAIT_SECONDS = 2.0
POISON_SECONDS = 60.0
"""After how long what could not be published is tried again."""
NOTE_SECONDS = 5.0
"""So long after the last message it is noted how far publishing came over what has none."""
LET_GO_SECONDS = 30.0
"""Who cannot reach Kafka for so long lets another one try, who may."""
FEWEST_OBJECTS_TO_SEARCH = 50_000
"""A transaction is tens of thousands of objects that live as long as it: Python would look through them for rings some
hundred times, which takes a third of the processor's time.
"""
LAST_TRANSACTION_SECONDS = 3.0
"""How long a transaction that is under way may take to end when the relay is told to stop."""

logger = structlog.get_logger("trailbook")


class Stopped(KeyboardInterrupt):
    """Told to stop. A KeyboardInterrupt, because psycopg then cancels its statement."""


def relay_until_stopped(settings: Settings, *, batch: int, once: bool, lease_seconds: float) -> None:
    """Publish what is recorded; end cleanly on SIGTERM or SIGINT.

    Raises InitNeeded and SettingsWrong, which no waiting mends; with ``once`` also DatabaseUnavailable, KafkaAway,
    TopicsWrong, Fenced, LeaseHeld, OtherLog, Unpublishable and MessageTooLarge.
    """
    relay = Relay(settings, batch, lease_seconds)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, relay.told_to_stop)
    gc.freeze()
    gc.set_threshold(FEWEST_OBJECTS_TO_SEARCH)
    try:
        with closing(relay):  # within: what is left of the last transaction's time may end while it closes
            if once:
                relay.once()
            else:
                with watched_relay(settings, relay.pulse, relay.shown, relay.publishing):
                    relay.always()
    except Stopped:
        logger.info("stopped", **relay.place)


@dataclass
class Relay:
    settings: Settings
    batch: int
    """Positions, and entries, in one transaction."""
    lease_seconds: float
    pulse: Pulse = field(default_factory=lambda: Pulse("relay", Waiting(LONGEST_WAIT_SECONDS)))
    publishing: Publishing = field(default_factory=Publishing)
    state: State = "starting"
    reached: Reached | None = None
    """How far the topics are; None while another one publishes."""
    poison: Exception | None = None
    poison_position: int | None = None
    _lease: Lease | None = None
    _noted: Reached | None = None
    """What is committed, which may be less than what was reached where there was nothing to publish."""
    _noted_at: float = 0.0
    _tells_from: int | None = None
    """The position to say that publishing goes on from, once it does."""
    _found: tuple[object, ...] = ()
    """What was told of the topics since something came through."""
    _poison_since: float = 0.0
    _stopped_because: str = ""
    """As it was told last; told again after something was waited for, which the log then ends with."""
    _follows: str = ""
    _in_transaction: bool = False
    _told: bool = False

    def always(self) -> None:
        """Until Stopped is raised; anew whenever the database, Kafka or the lease was away."""
        while True:
            self._beat()
            try:
                if not self._elected() or self._stands_at_other_log():
                    time.sleep(POLL_SECONDS)
                else:
                    self._lead()
            except InitNeeded:
                raise
            except (DatabaseUnavailable, KafkaAway) as fault:
                self._wait(fault.waits_for, fault)
            except TopicsWrong as fault:
                self._wait("the topics", fault)
            except Fenced as fault:
                self._ask_who_leads(fault)
            except (OtherLog, MessageTooLarge) as fault:
                self._stop_at(fault)
            except MemoryError:
                self._wait("memory", DatabaseUnavailable("this process is out of memory"))

    def once(self) -> None:
        """Until everything is published that is recorded now, and that the ledger has posted. Raises LeaseHeld."""
        if not self._elected():
            assert self._lease is not None
            expires = time.monotonic() + self._lease.held().seconds  # its holder may have been killed
            while not self._elected():
                self._beat()
                if time.monotonic() > expires + POLL_SECONDS:
                    raise LeaseHeld(f"{self._follows} publishes already, or waits to; there is nothing to do once")
                time.sleep(POLL_SECONDS / 10)
        try:
            self._lead(once=True)
        except Fenced as fault:
            self._ask_who_leads(fault)
            if fault.noted is None or not self._elected():
                raise
            self._lead(once=True)
        except MessageTooLarge as fault:
            self._stop_at(fault)
            self._lead(once=True)  # what comes before it
        if self.poison is not None:
            raise self.poison

    def close(self) -> None:
        """Let the next one begin at once."""
        if self._lease is not None:
            self._lease.close()

    def shown(self) -> Shown:
        """What those see who watch it, from another thread."""
        lease = self._lease
        leading, epoch = (lease.ours, lease.epoch) if lease is not None else (False, 0)
        return Shown(self.state, leading, epoch, self.reached, self.poison_position)

    @property
    def place(self) -> dict[str, Any]:
        """How far publishing has come, for the log; empty where this process does not know."""
        if self.reached is None:
            return {}
        return {"position": self.reached.position, "ledger_position": self.reached.ledger_position}

    # -- the lease

    def _elected(self) -> bool:
        """Whether the lease is ours. Raises DatabaseUnavailable, InitNeeded."""
        if self._lease is None:
            self._lease = Lease(self._database(), this_process(), self.lease_seconds)
        if self._lease.kept() or self._lease.take() is not None:
            return True
        held = self._lease.held()
        self.reached = self.poison = self.poison_position = None
        self._stopped_because = ""
        if self.state != "standing by" or held.holder != self._follows:
            logger.info("standing by", holder=held.holder, epoch=held.epoch)
        self.state, self._follows = "standing by", held.holder
        self.pulse.waiting.go_on()
        return False

    def _database(self) -> Database:
        database = self.settings.database()
        self.pulse.database = database
        if self.settings.database_url is None:
            try:
                database.check("relay")
            except InitNeeded:
                database.init()
        return database

    def _ask_who_leads(self, fault: Fenced) -> None:
        """By taking the lease anew: under a later epoch, if nobody else has it."""
        assert self._lease is not None
        logger.warning("fenced", epoch=self._lease.epoch, because=str(fault))
        self.state = "starting"  # so that it is said what comes of it
        self._lease.release()
        time.sleep(FIRST_WAIT_SECONDS)

    # -- publishing

    def _lead(self, *, once: bool = False) -> None:
        """Publish until the lease is lost; ``once``: until nothing is left."""
        assert self._lease is not None
        lease, database, kafka = self._lease, self._lease.database, self.settings.kafka
        check_topics(kafka, self.settings.house)
        publisher = Publisher(
            kafka,
            self.settings.house,
            transactional_id=f"{self.settings.house}.relay",
            leader=lease.holder,
            epoch=lease.epoch,
        )
        with publisher, Outgoing(database) as source, _listening(database) as listener:
            reached = self._opened(publisher, source)
            self._begin(reached)
            self._tell_what_was_found(publisher)
            if once:
                self._relay_once(lease, publisher, source)
            else:
                self._relay(lease, publisher, source, listener)

    def _opened(self, publisher: Publisher, source: Outgoing) -> Reached:
        """Where publishing goes on. Raises OtherLog, also where it is the lease by which that shows first."""
        assert self._lease is not None
        try:
            reached = publisher.open()
        except Fenced as fault:
            if fault.noted is not None:
                noted, epoch = fault.noted
                source.check(noted)
                self._lease.go_beyond(epoch)
            raise
        source.check(reached)
        return reached

    def _tell_what_was_found(self, publisher: Publisher) -> None:
        """Once, however often it is begun before something comes through."""
        if publisher.foreign:
            self._noted = None  # once compacted, the topic would keep only the last record under our key
        found = (publisher.foreign, publisher.hung, publisher.lost, publisher.unseen, publisher.repeats)
        if found == self._found:
            return
        self._found, topic = found, positions_topic(self.settings.house)
        if publisher.foreign:
            because = f"{topic} has records that no relay wrote; see who may write there"
            logger.warning("passed over", partition=0, offsets=publisher.foreign, because=because)
        if publisher.hung:
            because = "the broker had not decided a transaction there, so that some messages may come twice"
            logger.warning("ended what hung", partitions=_named(publisher.hung), because=because)
        if publisher.lost:
            because = "the broker had confirmed messages that it does not hold; some may come twice"
            lost = _named(publisher.lost)
            logger.warning("publishing again what was lost", partitions=lost, **self.place, because=because)
        if publisher.unseen:
            logger.warning("not looked for what the broker may have lost", because=publisher.unseen)
        if publisher.repeats:
            because = f"no place is noted in {topic}, and something was sent there before; messages may come twice"
            logger.warning("publishing from the beginning", because=because)

    def _begin(self, reached: Reached) -> None:
        self.reached = self._noted = reached
        self._noted_at = time.monotonic()
        self._tells_from = reached.position
        if isinstance(self.poison, OtherLog):
            self._go_on_after_poison()

    def _tell_relaying(self, lease: Lease) -> None:
        """What was waited for is back: not before something came through, or there is nothing to publish."""
        if self._tells_from is None:
            return
        self.pulse.waiting.go_on()
        if self.poison is None and self.state != "relaying":
            logger.info("relaying", house=self.settings.house, position=self._tells_from, epoch=lease.epoch)
        self.state, self._tells_from, self._found = "stopped" if self.poison else "relaying", None, ()

    def _relay(self, lease: Lease, publisher: Publisher, source: Outgoing, listener: psycopg.Connection) -> None:
        while True:
            self._beat()
            if not lease.kept():
                logger.warning("lease lost", epoch=lease.epoch)
                return
            more = self._round(publisher, source)
            self._tell_relaying(lease)
            if more:
                continue
            if self.reached != self._noted and time.monotonic() - self._noted_at > NOTE_SECONDS:
                self._publish(publisher, Batch([], self._reached))
            with lease.database.faults_explained():
                for _ in listener.notifies(timeout=POLL_SECONDS, stop_after=1):
                    pass

    def _relay_once(self, lease: Lease, publisher: Publisher, source: Outgoing) -> None:
        ends = source.ends()
        wanted = min(ends.position, ends.ledger_position)
        while self._reached.position < ends.position or self._reached.ledger_position < wanted:
            self._beat()
            if not lease.kept():
                raise LeaseHeld("the lease ran out while this was publishing; run it again for what is left")
            more = self._round(publisher, source)
            self._tell_relaying(lease)
            if not more:
                break
        self._tell_relaying(lease)
        if self.reached != self._noted:
            self._publish(publisher, Batch([], self._reached))
        logger.info("published", **self.place)

    @property
    def _reached(self) -> Reached:
        assert self.reached is not None
        return self.reached

    def _round(self, publisher: Publisher, source: Outgoing) -> bool:
        """Whether there was anything, so that there may be more."""
        source.upto = self._limit()
        try:
            batch = source.after(self._reached, self.batch)
        except Unpublishable as fault:
            self._stop_at(fault)
            return False
        more = batch.reached != self.reached
        if batch.messages:
            self._publish(publisher, batch)
        self.reached = batch.reached
        if self.poison is not None and source.upto == LAST and (not more or self._is_past_poison()):
            self._go_on_after_poison()
        return more

    def _publish(self, publisher: Publisher, batch: Batch) -> None:
        began = time.monotonic()
        self._in_transaction = True
        try:
            publisher.publish(batch.messages, batch.reached)
        except MessageTooLarge as fault:
            self.poison_position = _position_of(fault.ce_id, batch.messages)
            raise
        finally:
            self._in_transaction = False
        self._noted, self._noted_at = batch.reached, time.monotonic()
        seconds = time.monotonic() - began
        self.publishing.committed(batch.messages, seconds, datetime.now(UTC))
        logger.debug(
            "transaction committed",
            messages=len(batch.messages),
            position=batch.reached.position,
            ledger_position=batch.reached.ledger_position,
            epoch=publisher.epoch,
            seconds=round(seconds, 4),
        )
        if self._told:
            raise Stopped

    # -- what cannot be published

    def _stop_at(self, fault: OtherLog | Unpublishable | MessageTooLarge) -> None:
        """What comes before it is published; nothing is skipped."""
        if isinstance(fault, Unpublishable):
            self.poison_position = fault.position
        self.pulse.waiting.go_on()
        if str(fault) != self._stopped_because:
            event = of_event(self._event_at(self.poison_position))
            logger.error("relay stopped", at=self.poison_position, **event, because=without_values(str(fault)))
        self._stopped_because = str(fault)
        self.poison, self._poison_since, self.state = fault, time.monotonic(), "stopped"

    def _stands_at_other_log(self) -> bool:
        """Whether it is left alone until it is tried again: nothing of it may be published."""
        return isinstance(self.poison, OtherLog) and self._waits_at_poison

    @property
    def _waits_at_poison(self) -> bool:
        return time.monotonic() - self._poison_since < POISON_SECONDS

    def _event_at(self, position: int | None) -> EventAt | None:
        """None also where the database does not say: what stops the relay is told anyhow."""
        if position is None or self._lease is None:
            return None
        database = self._lease.database
        with suppress(DatabaseUnavailable, psycopg.Error), database.connect("relay", autocommit=True) as connection:
            return event_at(connection, database.house, position)
        return None

    def _limit(self) -> int:
        """Of what is too large it is known only when it was sent: until that is tried again, it is left at that."""
        if isinstance(self.poison, MessageTooLarge) and self.poison_position is not None and self._waits_at_poison:
            return self.poison_position - 1
        return LAST

    def _is_past_poison(self) -> bool:
        return min(self._reached.position, self._reached.ledger_position) >= (self.poison_position or 0)

    def _go_on_after_poison(self) -> None:
        logger.info("relay goes on", after=self.poison_position)
        self.poison, self.poison_position, self.state, self._stopped_because = None, None, "relaying", ""

    # -- waiting

    def _wait(self, waits_for: str, fault: Exception) -> None:
        self.state, self._stopped_because = "waiting", ""
        self._poison_since = float("-inf")  # what comes back may be another database
        if isinstance(fault, KafkaAway) and self.pulse.waiting.seconds > LET_GO_SECONDS and self._lease:
            self._lease.release()
        self.pulse.beat()
        self.pulse.waiting.wait(waits_for, without_values(str(fault)), **self.place)

    # -- being told to stop

    def told_to_stop(self, number: int, frame: FrameType | None) -> None:
        """A transaction that is under way is ended first, if it does not take long: readers would wait for one that
        is left open until its time is up.
        """
        before, self._told = self._told, True
        if self._in_transaction and not before and hasattr(signal, "setitimer"):
            signal.signal(signal.SIGALRM, self.told_to_stop)
            signal.setitimer(signal.ITIMER_REAL, LAST_TRANSACTION_SECONDS)
            return
        raise Stopped

    def _beat(self) -> None:
        """Raises Stopped where that was told and did not come through, as amid a destructor."""
        self.pulse.beat()
        if self._told:
            raise Stopped


@contextmanager
def _listening(database: Database) -> Iterator[psycopg.Connection]:
    """Hints that something was recorded, or that the ledger has moved. Raises DatabaseUnavailable."""
    with database.connect("relay", autocommit=True) as listener:
        with database.faults_explained():
            for channel in (database.channel, database.ledger_channel):
                listener.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        yield listener


def _named(partitions: Sequence[TopicPartition]) -> list[str]:
    return [f"{partition.topic}-{partition.partition}" for partition in partitions]


def _position_of(ce_id: str, messages: list[Message]) -> int | None:
    for message in messages:
        headers = dict(message.headers)
        if headers["ce_id"] == ce_id.encode():
            return int(headers["ce_position"])
    return None
