"""How Kafka is reached, and how topics are made there: the settings under ``TRAILBOOK_KAFKA_…``.

A password is never shown: not in a ``repr``, a log or a message. One that stands in a file (``…_FILE``) is read anew
for every client, so that it can be changed while a process runs.
"""

import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Self, TypeVar

from adapters.faults import SettingsWrong, clipped
from adapters.secret_file import is_utf8, path_of, secret_in
from projections.published.topics import MAX_MESSAGE_BYTES, PARTITIONS, REPLICAS, RETENTION_DAYS

PREFIX = "TRAILBOOK_KAFKA_"

PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512")

BOOTSTRAP_MS = 5_000
"""How long a client tries to reach any broker before it is told that none is there."""
RECONNECT_MAX_MS = 1_000
"""The longest wait between two attempts; kafka-python's own 30 s would be seen long after a broker has come back."""

MIB = 1 << 20
SHOWN_SERVERS = 3
LONGEST_NAME = 253
"""Of a host, as DNS takes it."""
ALIKE = 0.75
"""How much of a setting's name must be that of another one to be taken for its misspelling."""

_T = TypeVar("_T")

_SERVER = re.compile(r"(?:\[[0-9a-fA-F:.%]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")


class Secret(str):
    """A text that nothing shows: kafka-python logs the arguments of its clients."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'…'"


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """The settings of one process for Kafka; without servers no client can be made."""

    bootstrap_servers: str | None = None
    """Where brokers are first asked: host:port, several with commas."""
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: Secret | Path | None = field(default=None, repr=False)
    """The password, or the file that holds it."""
    ssl_cafile: Path | None = None
    """PEM: whom to trust; None trusts whom this machine trusts."""
    ssl_certfile: Path | None = None
    """PEM: who we are, where the broker asks."""
    ssl_keyfile: Path | None = None
    """PEM: the key of the certificate; None if it stands in the same file."""
    ssl_password: Secret | Path | None = field(default=None, repr=False)
    """What the key is locked with, or the file that holds it."""
    ssl_check_hostname: bool = True
    partitions: int = PARTITIONS
    """Of each topic, for good: more of them later would move keys, and break their order."""
    replication: int = REPLICAS
    retention_days: int | None = RETENTION_DAYS
    """How long messages are kept; None: for ever."""
    max_message_bytes: int = MAX_MESSAGE_BYTES

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The settings under ``TRAILBOOK_KAFKA_…``. An empty value counts as absent. Raises SettingsWrong."""
        given = _Given(environment)
        settings = cls(
            bootstrap_servers=given.servers("BOOTSTRAP_SERVERS"),
            security_protocol=given.one_of("SECURITY_PROTOCOL", PROTOCOLS) or "PLAINTEXT",
            sasl_mechanism=given.one_of("SASL_MECHANISM", MECHANISMS),
            sasl_username=given.text("SASL_USERNAME"),
            sasl_password=given.secret("SASL_PASSWORD"),
            ssl_cafile=given.path("SSL_CAFILE"),
            ssl_certfile=given.path("SSL_CERTFILE"),
            ssl_keyfile=given.path("SSL_KEYFILE"),
            ssl_password=given.secret("SSL_PASSWORD"),
            ssl_check_hostname=given.one_of("SSL_CHECK_HOSTNAME", ("TRUE", "FALSE")) != "FALSE",
            partitions=given.number("PARTITIONS", 1, 10_000) or cls().partitions,
            replication=given.number("REPLICATION", 1, 100) or cls().replication,
            retention_days=given.number("RETENTION_DAYS", 1, 36_500),
            max_message_bytes=given.number("MAX_MESSAGE_BYTES", 1 << 16, 64 * MIB) or cls().max_message_bytes,
        )
        settings._check(given)
        return settings

    @property
    def where(self) -> str:
        """The brokers, as a sentence names them."""
        servers = (self.bootstrap_servers or "").split(",")
        more = f" and {len(servers) - SHOWN_SERVERS} more" if len(servers) > SHOWN_SERVERS else ""
        return f"Kafka at {','.join(servers[:SHOWN_SERVERS])}{more}"

    def client(self) -> dict[str, Any]:
        """What every client of kafka-python is made with. Holds the password. Raises SettingsWrong."""
        if self.bootstrap_servers is None:
            raise SettingsWrong(
                f"{PREFIX}BOOTSTRAP_SERVERS is not set; write where Kafka's brokers are, like kafka.example:9092"
            )
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.bootstrap_servers.split(","),
            "bootstrap_timeout_ms": BOOTSTRAP_MS,
            "reconnect_backoff_max_ms": RECONNECT_MAX_MS,
            "security_protocol": self.security_protocol,
        }
        if self.sasl_mechanism is not None:
            arguments |= {
                "sasl_mechanism": self.sasl_mechanism,
                "sasl_plain_username": self.sasl_username,
                "sasl_plain_password": _opened("SASL_PASSWORD", self.sasl_password),
            }
        if self.security_protocol.endswith("SSL"):
            arguments["ssl_context"] = self._ssl_context()
        return arguments

    def _check(self, given: "_Given") -> None:
        """What one setting says must fit the others: a password that nobody asks for is a misspelt protocol."""
        given.refuse_misspelt()
        sasl = ("SASL_MECHANISM", "SASL_USERNAME", "SASL_PASSWORD")
        if self.security_protocol.startswith("SASL"):
            for name in sasl:
                if not given.has(name):
                    raise SettingsWrong(
                        f"{PREFIX}{name} is missing, which {self.security_protocol} needs; "
                        + (f"write {_either(MECHANISMS)}" if name == "SASL_MECHANISM" else "write it")
                    )
        else:
            self._refuse(given, sasl, ("SASL_SSL", "SASL_PLAINTEXT"))
        if not self.security_protocol.endswith("SSL"):
            files = ("SSL_CAFILE", "SSL_CERTFILE", "SSL_KEYFILE", "SSL_PASSWORD", "SSL_CHECK_HOSTNAME")
            self._refuse(given, files, ("SASL_SSL", "SSL"))
        for name in ("SSL_KEYFILE", "SSL_PASSWORD"):
            if given.has(name) and self.ssl_certfile is None:
                raise SettingsWrong(f"{PREFIX}{name} is set without a certificate; set {PREFIX}SSL_CERTFILE too")

    def _refuse(self, given: "_Given", names: tuple[str, ...], protocols: tuple[str, ...]) -> None:
        for name in names:
            if given.has(name):
                raise SettingsWrong(
                    f"{PREFIX}{name} is set, but {PREFIX}SECURITY_PROTOCOL is {self.security_protocol}; "
                    f"make it {_either(protocols)}, or take {PREFIX}{name} out"
                )

    def _ssl_context(self) -> ssl.SSLContext:
        """Made here, because kafka-python would make it at each connection, and take a missing file for a bad line."""
        # with a file, whom that names and nobody whom the machine trusts besides
        trusted = str(self.ssl_cafile) if self.ssl_cafile else None
        context = _loaded("SSL_CAFILE", self.ssl_cafile, lambda: ssl.create_default_context(cafile=trusted))
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.check_hostname = self.ssl_check_hostname
        if self.ssl_certfile is not None:
            # a locked key without a password would ask for one at the terminal
            password = _opened("SSL_PASSWORD", self.ssl_password) or ""
            certfile, keyfile = self.ssl_certfile, self.ssl_keyfile
            _must_be_readable("SSL_CERTFILE", certfile)
            if keyfile is not None:
                _must_be_readable("SSL_KEYFILE", keyfile)
            name = "SSL_CERTFILE" if keyfile is None else "SSL_KEYFILE"
            _loaded(name, keyfile or certfile, lambda: context.load_cert_chain(certfile, keyfile, lambda: password))
        return context


_SHORT_NAMES = tuple(
    "BOOTSTRAP_SERVERS SECURITY_PROTOCOL SASL_MECHANISM SASL_USERNAME SASL_PASSWORD SASL_PASSWORD_FILE SSL_CAFILE "
    "SSL_CERTFILE SSL_KEYFILE SSL_PASSWORD SSL_PASSWORD_FILE SSL_CHECK_HOSTNAME PARTITIONS REPLICATION RETENTION_DAYS "
    "MAX_MESSAGE_BYTES".split()
)
NAMES = frozenset(PREFIX + name for name in _SHORT_NAMES)
"""Every setting there is."""


class _Given:
    """The environment, asked setting by setting."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment

    def refuse_misspelt(self) -> None:
        """A name that is like one of ours. Others stay: an orchestrator sets such, as for a service of that name."""
        for name in self._environment:
            if not name.startswith(PREFIX) or name in NAMES:
                continue
            for meant in get_close_matches(name.removeprefix(PREFIX), _SHORT_NAMES, n=1, cutoff=ALIKE):
                raise SettingsWrong(f"there is no {clipped(name)}; write {PREFIX}{meant}, or take it out")

    def has(self, name: str) -> bool:
        return bool(self.text(name) or self.text(f"{name}_FILE"))

    def text(self, name: str) -> str | None:
        return self._environment.get(PREFIX + name, "").strip() or None

    def servers(self, name: str) -> str | None:
        value = self.text(name)
        if value is None:
            return None
        servers = [server.strip() for server in value.split(",")]
        for server in servers:
            if "@" in server:
                raise SettingsWrong(
                    f"{PREFIX}{name}: an address has no user or password in it; write host:port, and the login into "
                    f"{PREFIX}SASL_USERNAME and {PREFIX}SASL_PASSWORD"
                )
            found = _SERVER.fullmatch(server)
            if found is None or not 0 < int(found[1]) < 1 << 16 or len(server) > LONGEST_NAME + len(":65535"):
                raise SettingsWrong(
                    f"{PREFIX}{name}: {clipped(server) or 'nothing between two commas'} is not a broker's address; "
                    "write host:port, several with commas"
                )
        return ",".join(servers)

    def one_of(self, name: str, choices: tuple[str, ...]) -> str | None:
        value = self.text(name)
        if value is not None and value.upper() not in choices:
            shown = [choice.lower() for choice in choices] if "TRUE" in choices else choices
            raise SettingsWrong(f"{PREFIX}{name}: there is no {clipped(value)}; write {_either(tuple(shown))}")
        return value.upper() if value else None

    def number(self, name: str, least: int, most: int) -> int | None:
        value = self.text(name)
        if value is None:
            return None
        if not (value.isascii() and value.isdigit() and len(value) < 12 and least <= int(value) <= most):
            raise SettingsWrong(
                f"{PREFIX}{name}: {clipped(value)} is not a whole number from {least} to {most}; write one"
            )
        return int(value)

    def path(self, name: str) -> Path | None:
        value = self.text(name)
        return path_of(value, PREFIX + name) if value else None

    def secret(self, name: str) -> Secret | Path | None:
        # as it is: blanks may belong to a password
        value, file = self._environment.get(PREFIX + name, ""), self.path(f"{name}_FILE")
        if value and file:
            raise SettingsWrong(f"{PREFIX}{name} and {PREFIX}{name}_FILE are both set; take one out")
        if not is_utf8(value):
            raise SettingsWrong(f"{PREFIX}{name} is not UTF-8; write the password in UTF-8")
        return Secret(value) if value else file


def _opened(name: str, secret: Secret | Path | None) -> Secret | None:
    """The password itself."""
    return Secret(secret_in(secret, f"{PREFIX}{name}_FILE")) if isinstance(secret, Path) else secret


def _must_be_readable(name: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise _unreadable(name, path, error) from error


def _loaded(name: str, path: Path | None, load: Callable[[], _T]) -> _T:
    try:
        return load()
    except OSError as error:
        if not isinstance(error, ssl.SSLError):
            raise _unreadable(name, path, error) from error
        because = "is not what it should hold; write it in PEM"
        if error.reason == "KEY_VALUES_MISMATCH":
            because = "is not the key of the certificate; name the one that belongs to it"
        elif name != "SSL_CAFILE" and path is not None and b"ENCRYPTED" in path.read_bytes():
            because = f"is locked, and not with this password; set {PREFIX}SSL_PASSWORD"
        raise SettingsWrong(f"{PREFIX}{name}: {path} {because}") from error
    except ValueError as error:
        raise SettingsWrong(f"{PREFIX}{name}: {path} cannot be used: {error}; correct it") from error


def _unreadable(name: str, path: Path | None, error: OSError) -> SettingsWrong:
    return SettingsWrong(f"{PREFIX}{name}: {path} cannot be read: {error.strerror or error}; name a file that can")


def _either(choices: tuple[str, ...]) -> str:
    *others, last = choices
    return f"{', '.join(others)} or {last}" if others else last
