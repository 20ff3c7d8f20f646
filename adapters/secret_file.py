"""A password that stands in a file, as whoever runs containers hands it over."""

from pathlib import Path

from adapters.faults import SettingsWrong


def secret_in(path: Path, setting: str) -> str:
    """The one line that the file holds; its end of line is none of the password. Raises SettingsWrong."""
    try:
        text = path.read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SettingsWrong(
            f"{setting}: {path} cannot be read: {error.strerror or error}; name a file that can"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsWrong(f"{setting}: {path} is not UTF-8; write the password in UTF-8") from error
    if not text or "\n" in text:
        raise SettingsWrong(f"{setting}: {path} does not hold one line; write the password into it")
    return text
