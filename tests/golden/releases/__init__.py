"""What every rating release gives for logs that were frozen with it: a release that has posted once never changes.

``<log>.log``: the events of a house, one a line, as they are stored. ``<log>.<release>.shares``: what every share of
every item of it is worth, at each position at which that changes. ``<log>.<release>.reasons``: why, and every zero.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson

from adapters.memory import MemoryBook, MemoryLog
from domain import months
from domain.house import FOLDS
from domain.log import NewEvent
from domain.message import Recorded, read_state, state_bytes
from domain.plan import CHARGE_KINDS
from domain.rating import Release
from domain.rating.facts import HOUSE_NO, AccountFacts, Cell, HouseFacts
from domain.rating.reasons import reason
from domain.rating.release_1 import Item
from projections.ledger import KIND_OF

HERE = Path(__file__).parent
LOGS = sorted(path.stem for path in HERE.glob("*.log"))

assert FOLDS, "every aggregate is imported, and so every topic known"

Part = tuple[int, int, int, str]
"""Item number, line, role and payee of a share."""


def log_bytes(events: Iterable[Recorded]) -> bytes:
    """The events as a golden log keeps them: stream, topic, stored bytes."""
    lines = (
        b"\t".join((r.stream_id.encode(), r.event.topic.encode(), state_bytes(r.event, r.envelope))) for r in events
    )
    return b"".join(line + b"\n" for line in lines)


def frozen_file(log: str, release: int, what: str) -> Path:
    """Where the shares or the reasons are kept that a release gave for a log."""
    return HERE / f"{log}.{release}.{what}"


def read_log(name: str) -> MemoryLog:
    """The log that was frozen under a name."""
    log, versions = MemoryLog(), dict[str, int]()
    for number, line in enumerate((HERE / f"{name}.log").read_bytes().splitlines()):
        stream, topic, state = line.split(b"\t", 2)
        stream_id = stream.decode()
        versions[stream_id] = version = versions.get(stream_id, 0) + 1
        event, envelope = read_state(topic.decode(), orjson.loads(state))
        log.append([NewEvent(stream_id, version, event, envelope)], {}, str(number), "")
    return log


class Rated:
    """Every cell of a log's accounts, rated by one release as known at every position."""

    def __init__(self, log: MemoryLog, release: Release) -> None:
        self.book, self.release = MemoryBook(log), release
        self.book.catch_up()
        numbers = {row[0] for row in self.book.tables.content["facts"]} - {HOUSE_NO, *KIND_OF}
        self.accounts = {no: self.book.ledger.account(no, self.book.position + 1).facts for no in sorted(numbers)}

    @property
    def house(self) -> HouseFacts:
        return self.book.ledger.house

    def turns(self) -> Iterator[tuple[int, AccountFacts, Cell, tuple[Item, ...], tuple[Item, ...]]]:
        """Each position and cell at which a share changed, with the items before and after."""
        before: dict[Cell, tuple[Item, ...]] = {}
        for known in sorted({row[1] for row in self.book.tables.content["facts"]}):
            for account in self.accounts.values():
                cells = set(account.cells(self.house, known))
                for cell in sorted(cells | {cell for cell in before if cell.account_no == account.account_no}):
                    after = self.release.rate(account, self.house, cell, known, {})
                    if parts(after) != parts(before.get(cell, ())):
                        yield known, account, cell, before.get(cell, ()), after
                    before[cell] = after

    def shares(self) -> bytes:
        """What each share became worth, in minor units."""
        lines: list[str] = []
        for known, account, cell, before, after in self.turns():
            was, now = parts(before), parts(after)
            lines += [
                f"{_where(known, account, cell, part)} {now.get(part, 0)}"
                for part in sorted(was | now)
                if was.get(part, 0) != now.get(part, 0)
            ]
        return "".join(f"{line}\n" for line in lines).encode()

    def reasons(self) -> bytes:
        """Why shares became what they are, of each cell's items the first one; at the end every expected zero."""
        lines: dict[str, str] = {}
        for known, account, cell, before, after in self.turns():
            was, now = parts(before), parts(after)
            for item in after:
                for share in item.shares:
                    part = (item.item_no, item.line, share.role, share.payee)
                    if was.get(part, 0) != now[part]:
                        of_cell = _where(known, account, cell, (0, 0, share.role, share.payee))
                        lines.setdefault(
                            of_cell, f"{_where(known, account, cell, part)} {reason(item, share, cell.currency)}"
                        )
        for account in self.accounts.values():
            for cell in account.cells(self.house, self.book.position):
                for item in self.release.rate(account, self.house, cell, self.book.position, {}):
                    for zero in item.zeros:
                        line = f"{account.account} {CHARGE_KINDS[cell.kind]} {zero.payee} nothing: {zero.reason}"
                        lines.setdefault(line, line)
        return "".join(f"{line}\n" for line in lines.values()).encode()


def parts(items: Iterable[Item]) -> dict[Part, int]:
    """The amounts of the items' shares."""
    found: dict[Part, int] = {}
    for item in items:
        for share in item.shares:
            part = (item.item_no, item.line, share.role, share.payee)
            found[part] = found.get(part, 0) + share.amount_minor
    return found


def _where(position: int, account: AccountFacts, cell: Cell, part: Part) -> str:
    item_no, line, role, payee = part
    of_cell = f"{account.account} {months.text(cell.month)} {CHARGE_KINDS[cell.kind]} {cell.currency}"
    return f"{position} {of_cell} {item_no}/{line} {role} {payee}"
