"""What is wrong with a statement file: every fault one sentence with its line, however many there are."""

from dataclasses import dataclass, field

SHOWN_FAULTS = 20
KEPT_FAULTS = 1_000


class StatementFaults(Exception):
    """A statement file cannot be taken. Every fault is one sentence that names its line; ``more`` were only counted."""

    def __init__(self, name: str, faults: list[str], more: int = 0) -> None:
        shown = faults[:SHOWN_FAULTS]
        left = len(faults) - len(shown) + more
        if left:
            shown.append(f"… and {left:,} more")
        super().__init__("\n".join(f"{name}: {fault}" for fault in shown))
        self.faults = faults
        self.more = more


def readable(sentence: str) -> str:
    """A sentence in which what a terminal cannot show, out of a file, is written out."""
    if sentence.isprintable():
        return sentence
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in sentence)


class Unusual(Exception):
    """A text does not mean what its field may hold. The message is a clause that names column, text and remedy."""


@dataclass(slots=True)
class Faults:
    """Faults as they are found: the first ones kept, the others counted, so that a bad file costs no memory."""

    name: str
    """The file's."""
    kept: list[str] = field(default_factory=list)
    more: int = 0

    def add(self, sentence: str) -> None:
        if len(self.kept) < KEPT_FAULTS:
            self.kept.append(readable(sentence))
        else:
            self.more += 1

    def __len__(self) -> int:
        return len(self.kept) + self.more

    def check(self) -> None:
        """Raises StatementFaults if there is any."""
        if self.kept:
            raise StatementFaults(self.name, self.kept, self.more)
