"""A password that stands in a file, as whoever runs containers hands it over."""

from pathlib import Path

from adapters.faults import SettingsWrong

LONGEST = 64 * 1024
"""Nobody's password has more bytes; a device would have without end."""


def secret_in(path: Path, setting: str) -> str:
    """The one line that the file holds; its end of line is none of the password. Raises SettingsWrong."""
    try:
        with path.open("rb") as file:
            text = file.read(LONGEST + 1).decode("utf-8").removesuffix("\n").removesuffix("\r")
    except OSError as error:
        raise SettingsWrong(
            f"{setting}: {path} cannot be read: {error.strerror or error}; name a file that can"
        ) from error
    except UnicodeDecodeError as error:
        raise SettingsWrong(f"{setting}: {path} is not UTF-8; write the password in UTF-8") from error
    if not text or "\n" in text or len(text) > LONGEST:
        raise SettingsWrong(f"{setting}: {path} does not hold one line; write the password into it")
    return text


def path_of(value: str, setting: str) -> Path:
    """The file that a setting names, also below somebody's home. Raises SettingsWrong."""
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise SettingsWrong(f"{setting}: {value} is in nobody's home; write the whole path") from error


def is_utf8(text: str) -> bool:
    """Whether a value of the environment, which may be any bytes, can be written as it was meant."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True
