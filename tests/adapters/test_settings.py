"""The settings: what is absent has a default, what is wrong is said in one sentence."""

from pathlib import Path

import pytest

from adapters.faults import SettingsWrong
from adapters.settings import Settings


def test_an_empty_environment_means_the_embedded_server_and_utc() -> None:
    settings = Settings.from_environment({})

    assert settings.database_url is None
    assert settings.house == "trailbook"
    assert settings.timezone.key == "UTC"
    assert settings.data_dir.is_absolute()


def test_every_setting_is_read_from_the_environment() -> None:
    settings = Settings.from_environment(
        {
            "TRAILBOOK_DATABASE_URL": "postgresql://ann@db.example/books",
            "TRAILBOOK_HOUSE": "west_2",
            "TRAILBOOK_TIMEZONE": "America/Chicago",
            "TRAILBOOK_DATA_DIR": "/var/lib/trailbook",
        }
    )

    assert settings.database_url == "postgresql://ann@db.example/books"
    assert settings.house == "west_2"
    assert settings.timezone.key == "America/Chicago"
    assert settings.data_dir == Path("/var/lib/trailbook")


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
        ("TRAILBOOK_DATA_DIR", "data"),
    ],
)
def test_a_bad_value_is_named_with_its_setting_in_one_sentence(name: str, value: str) -> None:
    with pytest.raises(SettingsWrong) as wrong:
        Settings.from_environment({name: value})

    assert name in str(wrong.value)
    assert "\n" not in str(wrong.value)
