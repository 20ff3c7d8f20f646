"""What is written of one event: facts by account, names with their numbers, aliases."""

import json
from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple, cast

from domain.account import Alias
from domain.ids import alike
from projections.projection import KeyedState, Row


def body(fact: Iterable[Any]) -> str:
    """A fact as it is stored."""
    return json.dumps(list(fact), separators=(",", ":"), ensure_ascii=False)


class Writer(NamedTuple):
    """Rows of one event."""

    position: int
    state: KeyedState
    out: list[Row]
    seq: dict[int, int]
    waiting: dict[str, tuple[int, str]]
    """By the name of a number in suspense: its partition, and what the event said last that its lines wait for."""

    def fact(self, account_no: int, *fact: Any) -> None:
        """The next fact of a partition, ``fact`` its tag and fields."""
        seq = self.seq.get(account_no, 0)
        self.seq[account_no] = seq + 1
        self.out.append(Row("facts", (account_no, self.position, seq, body(fact))))

    def name(self, name: str, no: int) -> None:
        """What is called so is known under this number."""
        self.out.append(Row("facts_name", (name, no)))

    def number_of(self, name: str) -> int:
        """The number of what was named before."""
        return cast(int, self.state.rows("facts_name", "name", name)[0][1])

    def term(self, contract: str, on: date, term_months: int) -> None:
        """The contract's next term: of its signing, or of a renewal."""
        self.out.append(Row("facts_term", (contract, self.position, on, term_months)))

    def terms(self, contract: str) -> list[list[Any]]:
        """The contract's terms so far, each with its first day, its months and the position that began it."""
        rows = self.state.rows("facts_term", "contract", contract)
        return [[on.isoformat(), term_months, position] for _, position, on, term_months in rows]

    def alias(self, account_no: int, alias: Alias, seq: int) -> None:
        """The number begins to mean the account, and its vendor may pay for it."""
        number = f"{alias.vendor}:{alias.number}"
        like = f"{alias.vendor}:{alike(alias.number)}"
        row = (number, like, account_no, alias.from_, alias.until, self.position, seq, None)
        self.out.append(Row("facts_alias", row))
        self.fact(account_no, "payer", alias.vendor, alias.number, alias.until.isoformat() if alias.until else None)
        self.out.append(Row("facts_payer", (alias.vendor, account_no, self.position, seq)))
