"""An agent's statement of one closed pay run: what it was paid, of what, and why; the same for ever.

It covers what the ledger learned after the position of the previous closed run that has the agent's balance, up to that
of this one, currency by currency, and it sums exactly:

    brought forward + earned + corrected + adjusted + owed again + came back = paid + held back + carried forward

Everything is read as known at the run's position and at its release, so later events change no byte. Names of parties
are not part of it: they stand beside it, and its digest leaves them out. Amounts are minor units, a credit to the agent
above zero; bases are exact and in units.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from psycopg import sql

from domain import months
from domain.message import Refused, canonical
from projections.payout_book import LINE, MOVE, RUN, Line, Move
from services.agent_statement_rows import StatementRows
from services.queries import Mismatch, NotFound, Queries

SECTIONS = ("earned", "corrected", "adjusted")
"""The sections of a statement's rows, in their order."""


class PayRunNotClosed(Refused):
    """A statement is of a pay run that was released: what is not closed may still change."""


class ClosedRun(NamedTuple):
    """A released pay run; ``released_on`` is the day on which its money was sent."""

    pay_run: str
    proposed_at: int
    as_known_at: int
    released_at: int
    released_on: date


@dataclass
class AgentStatements:
    """The statements of one closed pay run, of one agent after the other."""

    queries: Queries
    pay_run: str
    names: Mapping[str, str] = field(default_factory=dict)
    """Names of parties, by id; those that a statement mentions are put beside it."""

    def __post_init__(self) -> None:
        self.run = closed_run(self.queries, self.pay_run)
        self.rows = StatementRows(self.queries, self.run.as_known_at)

    def agents(self) -> list[str]:
        """Everybody whose balance the run has, paid or carried."""
        statement = sql.SQL("SELECT DISTINCT agent FROM {} WHERE pay_run = %s ORDER BY agent")
        rows = self.queries.connection.execute(statement.format(self.queries.table(LINE.name)), (self.pay_run,))
        return [agent for (agent,) in rows]

    def of(self, agent: str) -> dict[str, Any]:
        """One agent's statement. Raises NotFound, Mismatch."""
        closed, moves = self._closed(agent), self._moves(agent)
        lines = [line for line in closed if line.pay_run == self.pay_run]
        if not lines:
            raise NotFound(
                f"pay run {self.pay_run} has no balance of agent {agent}; "
                f"`trailbook audit participant agent:{agent}` tells its pay runs"
            )
        data: dict[str, Any] = {
            "agent": agent,
            "pay_run": self.pay_run,
            "pay_month": months.text(months.number_of(self.run.released_on)),
            "released_on": self.run.released_on.isoformat(),
            "as_known_at": self.run.as_known_at,
            "parts": [self._part(line, _previous(line, closed), moves) for line in lines],
        }
        data["digest"] = f"sha256:{hashlib.sha256(canonical(data)).hexdigest()}"
        customers = {f"customer:{row['customer']}" for part in data["parts"] for row in part["rows"] if row["customer"]}
        mentioned = sorted({f"agent:{agent}", *customers})
        data["names"] = {party: self.names[party] for party in mentioned if party in self.names}
        return data

    def _closed(self, agent: str) -> list[Line]:
        """The agent's lines in this run and in the runs that were released before it, in order of their proposals."""
        statement = sql.SQL(
            "SELECT line.* FROM {} AS line JOIN {} AS run USING (pay_run) WHERE line.agent = %s "
            "AND run.status = 'released' AND run.position <= %s ORDER BY line.currency, line.position"
        ).format(self.queries.table(LINE.name), self.queries.table(RUN.name))
        rows = self.queries.connection.execute(statement, (agent, self.run.released_at))
        return [Line(*row) for row in rows]

    def _moves(self, agent: str) -> list[Move]:
        """What became of the agent's payouts before this run was proposed, and of this run's when it was released."""
        statement = sql.SQL(
            "SELECT * FROM {} WHERE agent = %s AND (position < %s OR pay_run = %s AND what = ANY(%s)) "
            "ORDER BY currency, position"
        ).format(self.queries.table(MOVE.name))
        at_release = ["sent", "held", "withdrawn"]
        values = (agent, self.run.proposed_at, self.pay_run, at_release)
        return [Move(*row) for row in self.queries.connection.execute(statement, values)]

    def _part(self, line: Line, previous: Line | None, of_agent: Sequence[Move]) -> dict[str, Any]:
        """What one currency's balance was made of since the previous closed run."""
        moves = [move for move in of_agent if move.currency == line.currency]
        since, last = (previous.as_known_at, previous.position) if previous else (0, 0)
        window = [move for move in moves if last < move.position < line.position]
        rows = self.rows.of(line.agent, line.currency, since)
        withdrawn = _withdrawn(line, moves)
        bridge = {
            "brought_forward_minor": _carried_forward(previous, moves) if previous else 0,
            **{f"{section}_minor": sum(r["amount_minor"] for r in rows[section]) for section in SECTIONS},
            "owed_again_minor": sum(move.amount_minor for move in window if move.what == "owed-again"),
            "came_back_minor": sum(move.amount_minor for move in window if move.what == "returned"),
            "paid_minor": 0 if withdrawn else line.amount_minor,
            "held_back_minor": 0 if withdrawn else line.newly_held_minor,
            "carried_forward_minor": _carried_forward(line, moves),
        }
        _check(line, bridge)
        return {
            "currency": line.currency,
            "previous_pay_run": previous.pay_run if previous else None,
            "since_position": since,
            **bridge,
            "carried_because": "suspended" if withdrawn else line.carried_because,
            "minimum_payout_minor": line.minimum_payout_minor,
            "rows": [row for section in SECTIONS for row in rows[section]],
            "holds": list(_holds(line, last, moves)),
            "returns": [
                {"pay_run": m.pay_run, "amount_minor": m.amount_minor, "reason": m.because}
                for m in window
                if m.what == "returned"
            ],
        }


def closed_run(queries: Queries, pay_run: str) -> ClosedRun:
    """A pay run that was released. Raises NotFound, PayRunNotClosed."""
    statement = sql.SQL("SELECT status, position, as_known_at, effective_on FROM {} WHERE pay_run = %s")
    rows = queries.connection.execute(statement.format(queries.table(RUN.name)), (pay_run,)).fetchall()
    became = {status: (position, as_known_at, on) for status, position, as_known_at, on in rows}
    if not became:
        raise NotFound(f"there is no pay run {pay_run} in the book; check its id")
    if "withdrawn" in became:
        raise PayRunNotClosed(f"pay run {pay_run} was withdrawn, and nothing was paid in it; name a released one")
    if "released" not in became:
        status = "approved" if "approved" in became else "proposed"
        raise PayRunNotClosed(f"pay run {pay_run} is only {status}; a statement is of a released one: release it first")
    proposed_at, as_known_at, _ = became["proposed"]
    released_at, _, released_on = became["released"]
    return ClosedRun(pay_run, proposed_at, as_known_at, released_at, released_on)


def _previous(line: Line, closed: Iterable[Line]) -> Line | None:
    """The agent's line in the last run before in the currency."""
    earlier = [other for other in closed if other.currency == line.currency and other.position < line.position]
    return earlier[-1] if earlier else None


def _withdrawn(line: Line, moves: Iterable[Move]) -> bool:
    """Whether the payout was withdrawn when its run was released, because the agent was suspended by then."""
    return any(move.what == "withdrawn" and move.pay_run == line.pay_run for move in moves)


def _carried_forward(line: Line, moves: Iterable[Move]) -> int:
    return line.carried_minor + (line.amount_minor + line.newly_held_minor if _withdrawn(line, moves) else 0)


def _holds(line: Line, last: int, moves: Sequence[Move]) -> Iterator[dict[str, Any]]:
    """What is held back now, what still is of earlier runs, and what is owed again since the previous one."""
    owed_again = {move.pay_run: move for move in moves if move.what == "owed-again"}
    for hold in (move for move in moves if move.what == "held"):
        given_back = owed_again.get(hold.pay_run)
        if given_back is not None and given_back.position < last:
            continue
        state = "owed again" if given_back else "held back now" if hold.pay_run == line.pay_run else "still held"
        yield {
            "pay_run": hold.pay_run,
            "state": state,
            "amount_minor": hold.amount_minor,
            "held_until": str(hold.held_until),
            "owed_again_on": str(given_back.effective_on) if given_back else None,
        }


def _check(line: Line, bridge: Mapping[str, int]) -> None:
    """Raises Mismatch where the rows do not lead from the last balance to this one."""
    out = ("paid_minor", "held_back_minor", "carried_forward_minor")
    left = sum(amount for name, amount in bridge.items() if name not in out) - sum(bridge[name] for name in out)
    if left:
        raise Mismatch(
            f"the statement of {line.agent} in pay run {line.pay_run} is {left} minor units of {line.currency} apart "
            "from the balance that was paid; run `trailbook verify`"
        )
