"""Where the house keeps its book and its topics: the settings of this process, read once from its environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self, cast, get_args
from zoneinfo import ZoneInfo

import platformdirs
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from adapters.database import Database, HouseNameWrong, checked_house
from adapters.embedded import start
from adapters.faults import SettingsWrong, clipped
from adapters.kafka_settings import KafkaSettings
from adapters.secret_file import path_of, secret_in

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]
HIGHEST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process; every field has a default that works on an empty machine."""

    database_url: str | None = field(repr=False)
    """A libpq URL or conninfo of a PostgreSQL server, or None for the server that comes with Trailbook."""
    house: str
    """The house's name: it prefixes schemas, roles and topics."""
    timezone: ZoneInfo
    """The zone that times are shown in; everything is stored in UTC."""
    data_dir: Path
    """Where the server that comes with Trailbook keeps its files."""
    kafka: KafkaSettings = field(default_factory=KafkaSettings)
    """Where the topics are."""
    http_host: str = "127.0.0.1"
    """Where a process that goes on answers for its metrics and its health."""
    http_port: int | None = None
    """None: nowhere; 0: at any port that is free, which is logged."""
    log_format: LogFormat = "console"
    log_level: LogLevel | None = None
    """None: what is usual for the command."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Self:
        """The settings under ``TRAILBOOK_…``. An empty value counts as absent. Raises SettingsWrong."""
        return cls(
            database_url=_with_password(
                _database_url(environment.get("TRAILBOOK_DATABASE_URL", "").strip()),
                environment.get("TRAILBOOK_DATABASE_PASSWORD_FILE", ""),
            ),
            house=_house(environment.get("TRAILBOOK_HOUSE") or "trailbook"),
            timezone=_timezone(environment.get("TRAILBOOK_TIMEZONE") or "UTC"),
            data_dir=_data_dir(environment.get("TRAILBOOK_DATA_DIR", "")),
            kafka=KafkaSettings.from_environment(environment),
            http_host=environment.get("TRAILBOOK_HTTP_HOST") or "127.0.0.1",
            http_port=_port(environment.get("TRAILBOOK_HTTP_PORT", "")),
            log_format=cast(LogFormat, _one_of("TRAILBOOK_LOG_FORMAT", LogFormat, environment) or "console"),
            log_level=cast(LogLevel | None, _one_of("TRAILBOOK_LOG_LEVEL", LogLevel, environment)),
        )

    def database(self) -> Database:
        """The house's database; starts or joins the embedded server if no URL is set. Raises DatabaseUnavailable."""
        return Database(self.database_url or start(self.data_dir), self.house)


def _database_url(value: str) -> str | None:
    try:
        conninfo_to_dict(value)
    except ProgrammingError as error:
        raise SettingsWrong(
            "TRAILBOOK_DATABASE_URL is not a PostgreSQL address; write postgresql://user:password@host:port/database"
        ) from error
    return value or None


def _with_password(url: str | None, file: str) -> str | None:
    """The address with the password that the file holds, which is read once."""
    name = "TRAILBOOK_DATABASE_PASSWORD_FILE"
    if not file:
        return url
    if url is None:
        raise SettingsWrong(f"{name} is set without an address; set TRAILBOOK_DATABASE_URL too")
    if conninfo_to_dict(url).get("password"):
        raise SettingsWrong(f"TRAILBOOK_DATABASE_URL has a password, and {name} is set; take one out")
    return make_conninfo(url, password=secret_in(Path(file), name))


def _house(value: str) -> str:
    try:
        return checked_house(value)
    except HouseNameWrong as error:
        raise SettingsWrong(f"TRAILBOOK_HOUSE: {error}") from error


def _timezone(value: str) -> ZoneInfo:
    try:
        return ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        # an unknown zone is a KeyError, a path a ValueError, a folder of zones ("Europe") an OSError
        raise SettingsWrong(
            f"TRAILBOOK_TIMEZONE {value!r} is not an IANA time zone; write one like America/Chicago or UTC"
        ) from error


def _data_dir(value: str) -> Path:
    if value:
        path = path_of(value, "TRAILBOOK_DATA_DIR")
        if not path.is_absolute():
            raise SettingsWrong(f"TRAILBOOK_DATA_DIR {value!r} is a relative path; write an absolute one")
        return path
    usual = platformdirs.user_data_path("trailbook")
    # the server cannot keep its socket below a path with a space, which is what macOS proposes
    return Path.home() / ".trailbook" if " " in str(usual) else usual


def _port(value: str) -> int | None:
    if value and not (value.isascii() and value.isdigit() and len(value) < 6 and int(value) <= HIGHEST_PORT):
        raise SettingsWrong(
            f"TRAILBOOK_HTTP_PORT {clipped(value)} is not a port; write 1 to {HIGHEST_PORT}, or 0 for any free one"
        )
    return int(value) if value else None


def _one_of(name: str, choices: object, environment: Mapping[str, str]) -> str | None:
    value = environment.get(name, "").lower()
    if value and value not in get_args(choices):
        *others, last = get_args(choices)
        raise SettingsWrong(f"{name} {clipped(value)} is not known; write {', '.join(others)} or {last}")
    return value or None
