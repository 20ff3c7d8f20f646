"""How far the topics are: everything up to here is published, and nothing after it.

The log and the journal are two orders, each published in its own; an entry never comes before its event. The events of
a position are one, its entries may be millions (a promotion), so within a position the journal has places of its own.
"""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, NamedTuple, Self

from projections.ledger import EntryId


class Reached(NamedTuple):
    """Where publishing has come to. At the beginning all of it is 0."""

    position: int = 0
    """Of the log: its events are published up to and including this one."""
    recorded_at: datetime | None = None
    """When that event was recorded, which tells a log from another one; None at the beginning."""
    ledger_position: int = 0
    """The entries of all positions up to this one are published."""
    entry: EntryId | None = None
    """Of a later position that is not published whole: its entries up to this one, in the order of an id's fields."""

    def to_json(self) -> dict[str, Any]:
        """As it travels with the messages that it is about."""
        return {
            "position": self.position,
            "recorded_at": self.recorded_at.isoformat() if self.recorded_at else None,
            "ledger_position": self.ledger_position,
            "entry": [*self.entry[:2], self.entry.effective_on.isoformat(), *self.entry[3:]] if self.entry else None,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        recorded_at, entry = value["recorded_at"], None
        if value["entry"]:
            position, account_no, effective_on, kind, currency, leg = value["entry"]
            entry = EntryId(position, account_no, date.fromisoformat(effective_on), kind, currency, leg)
        return cls(
            value["position"],
            datetime.fromisoformat(recorded_at) if recorded_at else None,
            value["ledger_position"],
            entry,
        )
