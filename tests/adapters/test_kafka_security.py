"""Logins and certificates at a real broker: each way in works, and each way that does not is said in one sentence."""

import subprocess
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourceType,
    UserScramCredentialUpsertion,
)

from adapters.embedded_kafka import EmbeddedKafka, free_port
from adapters.kafka_faults import KafkaAway, KafkaRefuses
from adapters.kafka_settings import KafkaSettings, Secret
from adapters.kafka_topics import check_topics, create_topics
from adapters.publisher import Publisher
from projections.published.messages import Message
from projections.published.reached import Reached
from tests.broker import own_broker
from tests.own_server import eventually

HOUSE = "west"

_PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule required"
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


class Secured:
    """A broker whose every listener asks for something else, and what a client needs for each."""

    def __init__(self, own: EmbeddedKafka, ports: dict[str, int], folder: Path) -> None:
        self.own, self.ports, self.folder = own, ports, folder

    def settings(self, listener: str, **other: Any) -> KafkaSettings:
        port = self.own.port if listener == "PLAINTEXT" else self.ports[listener]
        plain = KafkaSettings(f"localhost:{port}", replication=1, partitions=2)
        given: dict[str, Any] = {"security_protocol": listener}
        if "SASL" in listener:
            given |= {"sasl_mechanism": "SCRAM-SHA-256", "sasl_username": "relay", "sasl_password": Secret("keep-it")}
        if "SSL" in listener:
            given["ssl_cafile"] = self.folder / "ca.pem"
        if listener == "SSL":
            given |= {"ssl_certfile": self.folder / "relay.pem", "ssl_keyfile": self.folder / "relay.key"}
        return replace(plain, **given | other)


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    _certificates(folder)
    ports = {name: free_port() for name in ("SASL_PLAINTEXT", "SASL_SSL", "SSL")}
    listeners = ",".join(f"{name}://localhost:{port}" for name, port in ports.items())
    with own_broker(listeners=listeners, settings=_broker_settings(folder, ports)) as own:
        with closing(KafkaAdminClient(bootstrap_servers=own.bootstrap_servers)) as admin:
            _users(admin)
        yield Secured(own, ports, folder)


def _broker_settings(folder: Path, ports: dict[str, int]) -> dict[str, str]:
    settings = {
        "listener.security.protocol.map": ",".join(f"{name}:{name}" for name in ("PLAINTEXT", *ports))
        + ",CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker-whole.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(folder / "ca.pem"),
        "listener.name.ssl.ssl.client.auth": "required",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS",
    }
    for listener in ("sasl_plaintext", "sasl_ssl"):
        users = 'user_relay="keep-it" user_guest="keep-it";'
        settings[f"listener.name.{listener}.plain.sasl.jaas.config"] = f"{_PLAIN} {users}"
        for mechanism in ("scram-sha-256", "scram-sha-512"):
            settings[f"listener.name.{listener}.{mechanism}.sasl.jaas.config"] = _SCRAM
    return settings


def _users(admin: KafkaAdminClient) -> None:
    """The least rights that the relay needs, and the passwords that SCRAM asks for; a ``guest`` may do nothing."""
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
        for name in ("relay", "guest"):
            admin.alter_user_scram_credentials([_credential(name, mechanism)])
    topics = ResourcePattern(ResourceType.TOPIC, f"{HOUSE}.", ACLResourcePatternType.PREFIXED)
    positions = ResourcePattern(ResourceType.TOPIC, f"{HOUSE}.relay-positions")
    relay = ResourcePattern(ResourceType.TRANSACTIONAL_ID, f"{HOUSE}.relay")
    to_check_and_create = [(topics, ACLOperation.DESCRIBE_CONFIGS), (topics, ACLOperation.CREATE)]
    to_publish = [(topics, ACLOperation.WRITE), (positions, ACLOperation.READ), (relay, ACLOperation.WRITE)]
    # (topics, ACLOperation.READ) is wanted too: without it the relay cannot see what the broker may have lost
    admin.create_acls(
        [
            ACL(principal, "*", operation, ACLPermissionType.ALLOW, pattern)
            for principal in ("User:relay", "User:CN=relay")
            for pattern, operation in (*to_check_and_create, *to_publish)
        ]
    )


def _credential(name: str, mechanism: str) -> Any:
    return UserScramCredentialUpsertion(name, mechanism, "keep-it")


def _certificates(folder: Path) -> None:
    """An authority, the broker's and the relay's certificates of it, and another authority."""
    for name in ("ca", "other"):
        _openssl(
            "req", "-x509", *_key(folder, name), "-subj", f"/CN={name}", "-days", "2", "-out", folder / f"{name}.pem"
        )
    for name in ("broker", "relay"):
        request, extensions = folder / f"{name}.csr", folder / f"{name}.ext"
        extensions.write_text("subjectAltName=DNS:localhost\n" if name == "broker" else "keyUsage=digitalSignature\n")
        _openssl("req", *_key(folder, name), "-subj", f"/CN={name}", "-out", request)
        signed: list[str | Path] = [
            "-CA",
            folder / "ca.pem",
            "-CAkey",
            folder / "ca.key",
            "-CAcreateserial",
            "-extfile",
            extensions,
        ]
        _openssl("x509", "-req", "-in", request, *signed, "-days", "2", "-out", folder / f"{name}.pem")
    whole = [(folder / f"broker.{kind}").read_text() for kind in ("key", "pem")]
    (folder / "broker-whole.pem").write_text("".join(whole))


def _key(folder: Path, name: str) -> list[str | Path]:
    return ["-newkey", "rsa:2048", "-nodes", "-keyout", folder / f"{name}.key"]


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def _publisher(settings: KafkaSettings, house: str = HOUSE, transactional_id: str = f"{HOUSE}.relay") -> Publisher:
    return Publisher(settings, house, transactional_id=transactional_id, leader="relay", epoch=1)


def _publishes(settings: KafkaSettings, house: str = HOUSE) -> None:
    create_topics(settings, house)
    check_topics(settings, house)
    with _publisher(settings, house) as publisher:
        reached = Reached(publisher.open().position + 1)
        publisher.publish([Message("deals", b"customer:acme", (), b"{}")], reached)
    with _publisher(settings, house) as publisher:
        assert publisher.open() == reached


@pytest.mark.parametrize("listener", ["PLAINTEXT", "SASL_PLAINTEXT", "SASL_SSL", "SSL"])
def test_messages_are_published_through_every_listener(secured: Secured, listener: str) -> None:
    _publishes(secured.settings(listener))


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_each_mechanism_lets_the_relay_in(secured: Secured, mechanism: str) -> None:
    _publishes(secured.settings("SASL_SSL", sasl_mechanism=mechanism))


def _refused(settings: KafkaSettings, house: str = HOUSE) -> KafkaAway:
    with pytest.raises(KafkaAway) as away:
        _publishes(settings, house)
    assert "\n" not in str(away.value)
    assert "keep-it" not in str(away.value)
    return away.value


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
def test_a_wrong_password_is_said_and_not_waited_for_silently(secured: Secured, mechanism: str) -> None:
    refused = _refused(secured.settings("SASL_SSL", sasl_mechanism=mechanism, sasl_password=Secret("wrong")))

    assert isinstance(refused, KafkaRefuses)
    assert "does not take the password of the user relay" in str(refused)


def test_a_certificate_of_an_authority_that_is_not_trusted_is_said(secured: Secured) -> None:
    refused = _refused(secured.settings("SASL_SSL", ssl_cafile=secured.folder / "other.pem"))

    assert "its certificate is not trusted; name its authority in TRAILBOOK_KAFKA_SSL_CAFILE" in str(refused)


def test_a_broker_of_another_name_is_said_unless_names_are_not_compared(secured: Secured) -> None:
    by_number = f"127.0.0.1:{secured.ports['SASL_SSL']}"

    refused = _refused(secured.settings("SASL_SSL", bootstrap_servers=by_number))
    _publishes(secured.settings("SASL_SSL", bootstrap_servers=by_number, ssl_check_hostname=False))

    assert "its certificate is for another name" in str(refused)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried until the time is up says the same after a shorter time."""
    monkeypatch.setattr("adapters.kafka_settings.BOOTSTRAP_MS", 1_500)
    monkeypatch.setattr("adapters.publisher.BOOTSTRAP_MS", 1_500)


@pytest.mark.usefixtures("impatient")
def test_a_client_without_the_certificate_that_is_asked_for_is_said(secured: Secured) -> None:
    refused = _refused(secured.settings("SSL", ssl_certfile=None, ssl_keyfile=None))

    assert "it does not take our certificate; set TRAILBOOK_KAFKA_SSL_CERTFILE" in str(refused)


@pytest.mark.parametrize(
    ("listener", "protocol"),
    [
        ("SASL_SSL", "PLAINTEXT"),
        ("SASL_SSL", "SASL_PLAINTEXT"),
        ("SASL_PLAINTEXT", "SASL_SSL"),
        ("SASL_PLAINTEXT", "PLAINTEXT"),
        ("PLAINTEXT", "SSL"),
        ("PLAINTEXT", "SASL_PLAINTEXT"),
    ],
)
@pytest.mark.usefixtures("impatient")
def test_a_listener_that_speaks_otherwise_is_said(secured: Secured, listener: str, protocol: str) -> None:
    port = secured.own.port if listener == "PLAINTEXT" else secured.ports[listener]
    away = _refused(secured.settings(protocol, bootstrap_servers=f"localhost:{port}"))

    assert f"does not speak {protocol} as Kafka does" in str(away)
    assert "TRAILBOOK_KAFKA_SECURITY_PROTOCOL" in str(away)


def test_a_user_without_rights_is_told_what_it_may_not_do(secured: Secured) -> None:
    _publishes(secured.settings("PLAINTEXT"))

    for house, denied in (("west", "to use the topic west."), ("north", "to use the topic north.")):
        refused = _refused(secured.settings("SASL_SSL", sasl_username="guest"), house)
        assert isinstance(refused, KafkaRefuses)
        assert f"does not permit the user guest {denied}" in str(refused)
    with pytest.raises(KafkaRefuses, match="to publish under this transactional id"):
        _publisher(secured.settings("SASL_SSL"), transactional_id="another").open()


def test_who_may_not_see_how_topics_are_set_is_told(secured: Secured) -> None:
    """Kafka answers with no settings at all, which are not to be taken for wrong ones."""
    settings = secured.settings("SASL_SSL")
    create_topics(settings, HOUSE)
    topics = ResourcePattern(ResourceType.TOPIC, f"{HOUSE}.", ACLResourcePatternType.PREFIXED)
    seeing: tuple[Any, ...] = ("User:relay", "*", ACLOperation.DESCRIBE_CONFIGS, ACLPermissionType.DENY, topics)
    with closing(KafkaAdminClient(bootstrap_servers=secured.own.bootstrap_servers)) as admin:
        admin.create_acls([ACL(*seeing)])
        try:
            eventually(lambda: "(DescribeConfigs)" in _told(settings), "the right is gone")
        finally:
            admin.delete_acls([ACLFilter(*seeing)])
    eventually(lambda: _told(settings) == "", "the right is back")


def test_who_may_not_read_the_topics_publishes_and_is_told_what_cannot_be_seen(secured: Secured) -> None:
    settings = secured.settings("SASL_SSL")
    _publishes(settings)
    topics = ResourcePattern(ResourceType.TOPIC, f"{HOUSE}.", ACLResourcePatternType.PREFIXED)
    reading: tuple[Any, ...] = ("User:relay", "*", ACLOperation.READ, ACLPermissionType.ALLOW, topics)
    assert "does not permit the user relay to use the topic west.deals" in _unseen(settings)
    with closing(KafkaAdminClient(bootstrap_servers=secured.own.bootstrap_servers)) as admin:
        admin.create_acls([ACL(*reading)])
        try:
            eventually(lambda: _unseen(settings) == "", "the right is there")
        finally:
            admin.delete_acls([ACLFilter(*reading)])


def _unseen(settings: KafkaSettings) -> str:
    with _publisher(settings) as publisher:
        publisher.open()
        return publisher.unseen


def _told(settings: KafkaSettings) -> str:
    try:
        check_topics(settings, HOUSE)
    except KafkaRefuses as refused:
        return str(refused)
    return ""
