"""Clients of Kafka, and why one cannot be used, in one sentence.

kafka-python tells of a wrong password, an address that is no Kafka and a server that is down alike: it could not
bootstrap in time. Why is known to its connections, so each client is made with a manager of connections that remembers
it.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

from kafka import errors as kafka_errors
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient
from kafka.net.manager import KafkaConnectionManager
from kafka.net.selector import NetworkSelector

from adapters.kafka_faults import KafkaAway, KafkaRefuses
from adapters.kafka_settings import PREFIX, KafkaSettings

_Client = TypeVar("_Client")

logging.getLogger("kafka").setLevel(logging.CRITICAL + 1)
"""It logs as errors, with tracebacks, what is normal: a client that closes, a broker that is away for a while."""


class Connections(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python states no types
    """Remembers why the last connection failed, until one succeeds."""

    def __init__(self, net: Any, **configs: Any) -> None:
        super().__init__(net, **configs)
        self.failure: Exception | None = None

    def get_connection(self, node_id: Any, *more: Any, **named: Any) -> Any:
        known = self._conns.get(node_id)
        connection = super().get_connection(node_id, *more, **named)
        if connection is not known:
            connection.init_future.add_both(self._began)
            connection.close_future.add_errback(self._ended)
        return connection

    def _began(self, outcome: Any) -> None:
        self.failure = outcome if isinstance(outcome, Exception) else None

    def _ended(self, error: Exception) -> None:
        self.failure = self.failure or error


class Contact:
    """Makes the network part of one client, and knows afterwards how it fares."""

    def __init__(self) -> None:
        self._made: KafkaNetClient | None = None

    def __call__(self, **configs: Any) -> KafkaNetClient:
        net = NetworkSelector(**configs)
        self._made = KafkaNetClient(net=net, manager=Connections(net, **configs))
        return self._made

    @property
    def failure(self) -> Exception | None:
        """Why the last connection failed, if none has succeeded since."""
        return self._made._manager.failure if self._made else None

    def give_up(self) -> None:
        """Close what a client leaves behind whose constructor failed: sockets, and the thread that serves them."""
        if self._made is not None:
            with suppress(KafkaError, OSError, RuntimeError):
                self._made.close()
                self._made._net.stop()


def connected(
    kind: Callable[..., _Client], kafka: KafkaSettings, contact: Contact | None = None, **more: Any
) -> _Client:
    """A client of kafka-python that has reached a broker. Raises KafkaAway, KafkaRefuses, SettingsWrong."""
    contact = contact or Contact()
    try:
        return kind(**kafka.client(), **more, kafka_client=contact)
    except (KafkaError, OSError) as error:
        contact.give_up()
        raise away(kafka, contact.failure or error) from error
    except BaseException:
        contact.give_up()
        raise


@contextmanager
def faults_explained(kafka: KafkaSettings, contact: Contact | None = None) -> Iterator[None]:
    """Errors of kafka-python as KafkaAway, with what the connections of the client say of them."""
    try:
        yield
    except KafkaError as error:
        raise away(kafka, error, contact) from error


def away(kafka: KafkaSettings, error: Exception, contact: Contact | None = None) -> KafkaAway:
    """What an error of kafka-python means to who operates this."""
    if isinstance(error, kafka_errors.RetriableError) and contact is not None and contact.failure is not None:
        error = contact.failure
    match error:
        case kafka_errors.SaslAuthenticationFailedError():
            who = f"the user {kafka.sasl_username}" if kafka.sasl_username else "this client"
            return KafkaRefuses(
                f"{kafka.where} does not take the password of {who}; correct {PREFIX}SASL_USERNAME and "
                f"{PREFIX}SASL_PASSWORD, or the user there",
                "a password that Kafka takes",
            )
        case kafka_errors.UnsupportedSaslMechanismError():
            return KafkaRefuses(
                f"{kafka.where} does not take {PREFIX}SASL_MECHANISM {kafka.sasl_mechanism}; "
                "write one that its listener enables",
                "a login that Kafka takes",
            )
        case kafka_errors.AuthorizationError():
            who = f"the user {kafka.sasl_username}" if kafka.sasl_username else "this client"
            return KafkaRefuses(
                f"{kafka.where} does not permit {who} to do this: {_said(error)}; give it the rights in the runbook",
                "rights in Kafka",
            )
    return KafkaAway(f"{kafka.where} cannot be used: {_why(error)}")


def _why(error: Exception) -> str:
    said = _said(error)
    for sign, because in _SIGNS:
        if sign in said:
            return because
    return said


_SIGNS = (
    ("DNS Resolution failure", "the name is not known here; correct it, or the network"),
    ("ECONNREFUSED", "nothing listens there; start the broker, or correct the address"),
)


def _said(error: BaseException) -> str:
    """On one line, and without kafka-python's own number of it."""
    return " ".join(str(error).split()) or type(error).__name__
