"""Clients of Kafka, and why one cannot be used, in one sentence.

kafka-python tells of a wrong password, an address that is no Kafka and a server that is down alike: it could not
bootstrap in time. Why is known to its connections, so each client is made with a manager of connections that remembers
it.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from threading import Thread
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

_REFUSED = (
    kafka_errors.SaslAuthenticationFailedError,
    kafka_errors.UnsupportedSaslMechanismError,
    kafka_errors.AuthorizationError,
)


class Connections(KafkaConnectionManager):  # type: ignore[misc]  # kafka-python states no types
    """Remembers why the last connection failed, until one succeeds."""

    def __init__(self, net: Any, **configs: Any) -> None:
        super().__init__(net, **configs)
        self.failure: Exception | None = None

    def get_connection(self, node_id: Any, *more: Any, **named: Any) -> Any:
        if self.failure is not None and _tells(self.failure) and not self.cluster.brokers():
            # to try the same again until the time is up would only keep the answer from who can mend it
            raise self.failure
        known = self._conns.get(node_id)
        connection = super().get_connection(node_id, *more, **named)
        if connection is not known:
            connection.init_future.add_callback(self._began)
            connection.init_future.add_errback(self._failed)
            connection.close_future.add_errback(self._failed)
        return connection

    async def _build_transport(self, *given: Any, **named: Any) -> Any:
        """Without this a broker's last words are lost, such as that the password is wrong.

        kafka-python 3.0.12 drops what it has received when the end of the connection comes with it.
        """
        transport = await super()._build_transport(*given, **named)
        receive = transport._sock_recv

        def words_before_the_end() -> tuple[bytes, Exception | None]:
            received, error = receive()
            return received, None if received else error

        transport._sock_recv = words_before_the_end
        return transport

    def _began(self, _: Any) -> None:
        self.failure = None

    def _failed(self, error: Exception) -> None:
        # an attempt that ran out of time says less than one that was refused
        if self.failure is None or _tells(error) or not _tells(self.failure):
            self.failure = error


def _tells(error: Exception) -> bool:
    return isinstance(error, _REFUSED) or any(sign in str(error) for sign in ("Handshake failed", "_ALERT_"))


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
    made: Future[_Client] = Future()
    try:
        Thread(
            target=_make, args=(made, kind, kafka.client() | more, contact), name="kafka-client", daemon=True
        ).start()
        return made.result()
    except (KafkaError, OSError) as error:
        contact.give_up()
        raise away(kafka, contact.failure or error) from error
    except BaseException:
        made.add_done_callback(partial(_abandoned, contact))
        raise


def _make(made: Future[_Client], kind: Callable[..., _Client], settings: Mapping[str, Any], contact: Contact) -> None:
    """In a thread of its own: making a producer, kafka-python 3.0.12 serves its connections in the thread that asked
    for it, and drops what a signal raises meanwhile, or waits for ever for what that interrupted.
    """
    try:
        made.set_result(kind(**settings, kafka_client=contact))
    except BaseException as error:
        made.set_exception(error)


def _abandoned(contact: Contact, made: "Future[Any]") -> None:
    """Whoever asked for a client went before it came, or did not come."""
    with suppress(Exception):
        if made.exception() is None:
            made.result().close()
    contact.give_up()


@contextmanager
def faults_explained(kafka: KafkaSettings, contact: Contact | None = None) -> Iterator[None]:
    """Errors of kafka-python as KafkaAway, with what the connections of the client say of them.

    It tells of a cluster that has no controller by a RuntimeError.
    """
    try:
        yield
    except KafkaError as error:
        raise away(kafka, error, contact) from error
    except RuntimeError as error:
        if _NO_CONTROLLER not in str(error):
            raise
        raise away(kafka, error, contact) from error


def away(kafka: KafkaSettings, error: Exception, contact: Contact | None = None) -> KafkaAway:
    """What an error of kafka-python means to who operates this."""
    if isinstance(error, kafka_errors.RetriableError):
        error = (contact and contact.failure) or error
    who = f"the user {kafka.sasl_username}" if kafka.sasl_username else "this client"
    match error:
        case kafka_errors.SaslAuthenticationFailedError():
            return KafkaRefuses(
                f"{kafka.where} does not take the password of {who}; correct {PREFIX}SASL_USERNAME and "
                f"{PREFIX}SASL_PASSWORD, or the user there",
                "a password that Kafka takes",
            )
        case kafka_errors.UnsupportedSaslMechanismError():
            return KafkaRefuses(
                f"{kafka.where} does not take {PREFIX}SASL_MECHANISM {kafka.sasl_mechanism}; write one that is "
                "enabled there",
                "a login that Kafka takes",
            )
        case kafka_errors.AuthorizationError():
            return KafkaRefuses(
                f"{kafka.where} does not permit {who} {_forbidden(error)}; give it the right there (kafka-acls.sh)",
                "rights in Kafka",
            )
    said = _said(error)
    for sign, because in _CERTIFICATES:
        if sign in said:
            return KafkaRefuses(f"{kafka.where} cannot be used: {because} ({_reason(said)})", "certificates that fit")
    because = next((because.format(protocol=kafka.security_protocol) for sign, because in _SIGNS if sign in said), said)
    return KafkaAway(f"{kafka.where} cannot be used: {because}")


_OTHERWISE = (
    f"what is there does not speak {{protocol}} as Kafka does; correct the address or {PREFIX}SECURITY_PROTOCOL"
)

_CERTIFICATES = (
    ("is not valid for", "its certificate is for another name; name it as the certificate does"),
    ("CERTIFICATE_VERIFY_FAILED", f"its certificate is not trusted; name its authority in {PREFIX}SSL_CAFILE"),
    ("_ALERT_", f"it does not take our certificate; set {PREFIX}SSL_CERTFILE"),
)

_NO_CONTROLLER = "active controller"
_SIGNS = (
    ("'idna' codec", "it is no host's name; correct it"),
    ("DNS Resolution failure", "the name is not known here; correct it, or the network"),
    ("ECONNREFUSED", "nothing listens there; start the broker, or correct the address"),
    ("ETIMEDOUT", "no answer comes from there; start the broker, or correct the address"),
    ("timed out", "no answer comes from there; start the broker, or correct the address"),
    ("Timeout during", f"it takes connections and does not answer; it is too busy, or {_OTHERWISE}"),
    ("Unable to bootstrap", "no answer comes from there; start the broker, or correct the address"),
    ("WRONG_VERSION_NUMBER", _OTHERWISE),
    (_NO_CONTROLLER, "no controller leads the cluster; start as many controllers as make a majority"),
    ("Invalid frame length", _OTHERWISE),
    ("Unable to decode response", _OTHERWISE),
    ("IllegalSaslState", _OTHERWISE),
    ("UNEXPECTED_EOF", f"it ends every connection; it is about to end, or {_OTHERWISE}"),
    ("Connection reset", f"it ends every connection; it is about to end, or {_OTHERWISE}"),
    ("socket disconnected", f"it ends every connection; it is about to end, or {_OTHERWISE}"),
)
"""What kafka-python says, in our words. Where it goes on in its own, that is better than nothing."""


def _forbidden(error: kafka_errors.AuthorizationError) -> str:
    """To do what, as far as the error knows."""
    match error:
        case kafka_errors.TopicAuthorizationFailedError():
            named = error.args[0] if error.args else None
            topics = named if isinstance(named, str) else ", ".join(sorted(named or ()))
            return f"to use the topic {topics}".rstrip()
        case kafka_errors.TransactionalIdAuthorizationFailedError():
            return "to publish under this transactional id"
        case kafka_errors.GroupAuthorizationFailedError():
            return "to read as this group"
    return "to do this in the cluster"


def _reason(said: str) -> str:
    """Of an error of OpenSSL, without the place in its sources."""
    return said.rpartition("] ")[2].partition(" (_ssl")[0].rstrip(".")


def _said(error: BaseException) -> str:
    """On one line."""
    return " ".join(str(error).split()) or type(error).__name__
