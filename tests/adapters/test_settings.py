"""The settings: what is absent has a default, what is wrong is said in one sentence."""

from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from adapters.faults import SettingsWrong
from adapters.settings import Settings


def test_an_empty_environment_means_the_embedded_server_and_utc() -> None:
    settings = Settings.from_environment({})

    assert settings.database_url is None
    assert settings.house == "trailbook"
    assert settings.timezone.key == "UTC"
    assert settings.data_dir.is_absolute()
    assert (settings.http_host, settings.http_port) == ("127.0.0.1", None)
    assert (settings.log_format, settings.log_level) == ("console", None)


def test_every_setting_is_read_from_the_environment() -> None:
    settings = Settings.from_environment(
        {
            "TRAILBOOK_DATABASE_URL": "postgresql://ann@db.example/books",
            "TRAILBOOK_HOUSE": "west_2",
            "TRAILBOOK_TIMEZONE": "America/Chicago",
            "TRAILBOOK_DATA_DIR": "/var/lib/trailbook",
            "TRAILBOOK_HTTP_HOST": "0.0.0.0",
            "TRAILBOOK_HTTP_PORT": "9464",
            "TRAILBOOK_LOG_FORMAT": "json",
            "TRAILBOOK_LOG_LEVEL": "DEBUG",
        }
    )

    assert settings.database_url == "postgresql://ann@db.example/books"
    assert settings.house == "west_2"
    assert settings.timezone.key == "America/Chicago"
    assert settings.data_dir == Path("/var/lib/trailbook")
    assert (settings.http_host, settings.http_port) == ("0.0.0.0", 9464)
    assert (settings.log_format, settings.log_level) == ("json", "debug")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TRAILBOOK_HOUSE", "West"),
        ("TRAILBOOK_HOUSE", "2west"),
        ("TRAILBOOK_HOUSE", "a" * 32),
        ("TRAILBOOK_HOUSE", "public"),
        ("TRAILBOOK_HOUSE", "pg_house"),
        ("TRAILBOOK_HOUSE", "west_book"),
        ("TRAILBOOK_TIMEZONE", "Mars/Base"),
        ("TRAILBOOK_TIMEZONE", "Europe"),
        ("TRAILBOOK_TIMEZONE", "../../etc/passwd"),
        ("TRAILBOOK_DATABASE_URL", "db.example"),
        ("TRAILBOOK_DATABASE_URL", "server=db.example"),
        ("TRAILBOOK_DATA_DIR", "data"),
        ("TRAILBOOK_DATA_DIR", "~nobody-of-this-name/data"),
        ("TRAILBOOK_HTTP_PORT", "http"),
        ("TRAILBOOK_HTTP_PORT", "-1"),
        ("TRAILBOOK_HTTP_PORT", "65536"),
        ("TRAILBOOK_HTTP_PORT", "0000065536"),
        ("TRAILBOOK_HTTP_PORT", "9" * 5_000),
        ("TRAILBOOK_HTTP_PORT", "²"),
        ("TRAILBOOK_LOG_FORMAT", "xml"),
        ("TRAILBOOK_LOG_LEVEL", "loud"),
    ],
)
def test_a_bad_value_is_named_with_its_setting_in_one_sentence(name: str, value: str) -> None:
    with pytest.raises(SettingsWrong) as wrong:
        Settings.from_environment({name: value})

    assert name in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_blank_address_counts_as_absent() -> None:
    assert Settings.from_environment({"TRAILBOOK_DATABASE_URL": "  "}).database_url is None


def test_no_password_of_the_database_is_shown() -> None:
    settings = Settings.from_environment({"TRAILBOOK_DATABASE_URL": "postgresql://ann:keep-it@db.example/books"})

    assert "keep-it" not in repr(settings)
    assert "keep-it" not in repr(settings.database())


# -- a password of the database in a file

URL = "TRAILBOOK_DATABASE_URL"
PASSWORD_FILE = "TRAILBOOK_DATABASE_PASSWORD_FILE"


@pytest.mark.parametrize("address", ["postgresql://ann@db.example/books", "host=db.example user=ann dbname=books"])
def test_the_password_of_the_database_may_stand_in_a_file(address: str, tmp_path: Path) -> None:
    file = tmp_path / "ann"
    file.write_text("bl ank'\\\n")

    settings = Settings.from_environment({URL: address, PASSWORD_FILE: str(file)})

    assert settings.database_url is not None
    told = conninfo_to_dict(settings.database_url)
    assert told == {"host": "db.example", "user": "ann", "dbname": "books", "password": "bl ank'\\"}
    for shown in (settings.database().where, repr(settings), repr(settings.database())):
        assert "bl ank" not in shown


@pytest.mark.parametrize(
    ("content", "address", "says"),
    [
        (b"", "user=ann", "does not hold one line"),
        (b"\n", "user=ann", "does not hold one line"),
        (b"a\nb\n", "user=ann", "does not hold one line"),
        (b"\xff\n", "user=ann", "is not UTF-8"),
        (None, "user=ann", "cannot be read: No such file or directory"),
        (b"secret\n", "user=ann password=other", "TRAILBOOK_DATABASE_URL has a password"),
        (b"secret\n", "", "without an address"),
    ],
)
def test_a_file_that_holds_no_password_is_said_in_one_sentence(
    content: bytes | None, address: str, says: str, tmp_path: Path
) -> None:
    file = tmp_path / "ann"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(SettingsWrong, match=PASSWORD_FILE) as wrong:
        Settings.from_environment({URL: address, PASSWORD_FILE: str(file)})

    assert says in str(wrong.value)
    assert "\n" not in str(wrong.value)
    assert "secret" not in str(wrong.value)
