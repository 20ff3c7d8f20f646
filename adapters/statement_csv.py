"""Statement files that are text: bytes hashed as they pass, decoded strictly, cut into rows, in flat memory."""

import codecs
import csv
import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from adapters.statement_faults import StatementFaults

LONGEST_LINE = 1 << 20
"""Bytes; a longer line is no line of a statement, and would be held in memory whole."""

_BLOCK = 1 << 17


class Rows(Protocol):
    """Rows as lists of texts; ``line_num`` is the line in which the last one ended."""

    @property
    def line_num(self) -> int: ...

    def __iter__(self) -> Iterator[list[str]]: ...


class LineTooLong(Exception):
    """No end of a line within LONGEST_LINE bytes."""


class HashedFile(io.RawIOBase):
    """A file's bytes as they are read, once, from begin to end, with their digest."""

    def __init__(self, path: Path, *, is_called_utf_8: bool = True) -> None:
        self._file = path.open("rb", buffering=0)
        self._sha256 = hashlib.sha256()
        self._since_line_end = 0
        self.bytes_read = 0
        self._ascii = True
        self._utf_8 = None if is_called_utf_8 else codecs.getincrementaldecoder("utf-8")()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer) or 0
        self.bytes_read += count
        block = bytes(memoryview(buffer)[:count])
        self._sha256.update(block)
        last = max(block.rfind(b"\n"), block.rfind(b"\r"))
        self._since_line_end = self._since_line_end + count if last < 0 else count - last
        if self._since_line_end > LONGEST_LINE:
            raise LineTooLong
        if self._utf_8 is not None:
            self._decode_as_utf_8(block)
        return count

    def _decode_as_utf_8(self, block: bytes) -> None:
        self._ascii = self._ascii and block.isascii()
        try:
            if self._utf_8 is not None:
                self._utf_8.decode(block, final=not block)
        except UnicodeDecodeError:
            self._utf_8 = None

    @property
    def is_utf_8_after_all(self) -> bool:
        """Whether a file that is called something else is UTF-8 with letters beyond ASCII, which is no accident."""
        return self._utf_8 is not None and not self._ascii

    def close(self) -> None:
        self._file.close()
        super().close()

    @property
    def digest(self) -> str:
        return f"sha256:{self._sha256.hexdigest()}"


_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte-order marks; the longer one of two that begin alike comes first."""


def encoding_of(path: Path, named: str | None) -> tuple[str, str]:
    """The encoding to read a text file in, and what is worth saying about it. Raises StatementFaults.

    A byte-order mark says what the file is; nothing else is guessed.
    """
    with path.open("rb") as file:
        begin = file.read(4)
    marked = next((name for mark, name in _MARKS.items() if begin.startswith(mark)), None)
    if named is None:
        note = f"is {marked.upper()} by its byte-order mark" if marked and marked != "utf-8" else ""
        return ("utf-8-sig" if marked in (None, "utf-8") else marked), note
    if marked and not _same_encoding(marked, named):
        words = f"is {marked.upper()} by its byte-order mark, but the mapping says {named}"
        raise StatementFaults(path.name, [f"{words}; take encoding out of the mapping"])
    return ("utf-8-sig" if _same_encoding("utf-8", named) else named), ""


def _same_encoding(one: str, other: str) -> bool:
    return codecs.lookup(other).name.replace("_", "-").startswith(one)


def rows_of(file: HashedFile, encoding: str, delimiter: str) -> Any:
    """The rows of a text file, as ``csv`` cuts them."""
    text = io.TextIOWrapper(io.BufferedReader(file, _BLOCK), encoding=encoding, newline="")
    return csv.reader(text, delimiter=delimiter, strict=True)


def decoding_fault(path: Path, encoding: str, *, named: bool) -> str:
    """Where a file is not what its encoding says, found by reading it again."""
    decoder = codecs.getincrementaldecoder(encoding)()
    before, line = 0, 1
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            kept = len(decoder.getstate()[0])
            try:
                line += decoder.decode(block).count("\n")
            except UnicodeDecodeError as error:
                return _where(error, before - kept, line, encoding, named=named)
            before += len(block)
        try:
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            words = _where(error, before - len(error.object), line, encoding, named=named)
            return f"{words}; or the file is cut off there"
    return "changed while it was read; import it once it is whole"


def _where(error: UnicodeDecodeError, before: int, line: int, encoding: str, *, named: bool) -> str:
    line += error.object[: error.start].count(b"\n")
    value = error.object[error.start]
    name = encoding.removesuffix("-sig").upper()
    words = f"line {line}: byte {before + error.start} (hexadecimal {value:02x}) is not {name}"
    if named:
        return f"{words}; name another encoding in the mapping"
    try:
        looks = bytes([value]).decode("cp1252")
    except UnicodeDecodeError:
        return f"{words}; save the file as UTF-8 or name its encoding in a mapping"
    return f"{words}; in windows-1252 it is {looks!r}: if that is right, write `encoding: windows-1252` in a mapping"
