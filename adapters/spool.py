"""Encoded lists on this machine's disk, on their way into the log. Killed at any point, nothing is left of them."""

import errno
import tempfile
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Self

import orjson


def encode(value: Any) -> bytes:
    """The bytes of ``domain.message.canonical``, several times faster."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


class NoRoomForLines(Exception):
    """This machine's own disk cannot hold a file's lines for the while. The message says which folder is meant."""


@contextmanager
def _room_explained() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        folder = tempfile.gettempdir()
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise NoRoomForLines(
            f"{folder} has no room for the lines of a file: make room there or set TMPDIR, then import again"
        ) from error


class Spool:
    """Encoded lists of lines, each an event's worth, in the order in which they were added."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile(prefix="trailbook-import-")  # noqa: SIM115  (closed with the spool)
        self._sizes = array("q")

    def __len__(self) -> int:
        return len(self._sizes)

    def __iter__(self) -> Iterator[bytes]:
        with _room_explained():  # what was kept back until now is written first
            self._file.seek(0)
        for size in self._sizes:
            yield self._file.read(size)

    def add(self, encoded: bytes) -> None:
        with _room_explained():
            self._file.write(encoded)
        self._sizes.append(len(encoded))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # what could not be written is not wanted any more
            self._file.close()
