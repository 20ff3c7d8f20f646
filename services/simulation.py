"""Commands tried on paper: the same domain, projections and rating as with a database, in memory."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

from adapters.memory import MemoryBook, MemoryLog
from domain import months, rating
from domain.adjustment import AdjustmentApproved, AdjustmentReversed
from domain.calendar import DayOpened
from domain.log import CommandResult
from domain.message import Issued, Recorded, Refused
from domain.payout import (
    CommissionHeld,
    Earned,
    HeldCommissionReleased,
    PayoutReleased,
    PayoutReturned,
    PayoutSettled,
    ProposePayRun,
)
from domain.plan import CHARGE_KINDS
from domain.rating import release_1
from domain.rating.expected import ExpectedZero, expected_zeros
from domain.rating.facts import AccountFacts, Cell, HouseFacts
from domain.rating.reasons import Releases, came_because, explain, reason, waiting_because
from projections import agenda, deal_board
from projections.agenda import Due
from projections.ledger import KIND_NAMES, PAYER_ROLE, UNEARNED, Leg, book_name, payee_book
from services.commands import Commands
from services.letters import with_rescission_windows
from services.succession import with_holders
from services.suspense import asks_the_book, with_what_waits


@dataclass
class Simulation:
    """A house in memory. ``run`` gives commands to it; ``result`` is what ``trailbook simulate`` prints."""

    log: MemoryLog = field(default_factory=MemoryLog)
    refusals: list[dict[str, Any]] = field(default_factory=list)
    _refused_due: set[str] = field(default_factory=set)
    _days: dict[int, date] = field(default_factory=dict)
    _zeros: dict[tuple[int, ExpectedZero], dict[str, Any]] = field(default_factory=dict)
    _ended_zeros: list[dict[str, Any]] = field(default_factory=list)
    _rated: set[tuple[str, str, str]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.book = MemoryBook(self.log, (agenda, deal_board))
        self.commands = Commands(self.log, self._enrich, self._give_due)
        self._today = date.min

    def run(self, commands: Iterable[Issued]) -> None:
        """Give the commands in order; a refused one is noted and the next is given."""
        for issued in commands:
            try:
                self.give(issued)
            except Refused as refused:
                self.refusals.append({"id": issued.command_id, "refused": refused.code, "because": str(refused)})
            self._catch_up()

    def give(self, issued: Issued) -> CommandResult:
        """Handle one command. Raises Refused."""
        return self.commands.handle(issued)

    def _enrich(self, issued: Issued) -> Issued:
        self._catch_up()
        issued = with_rescission_windows(issued, self.commands.state)
        issued = with_holders(issued, self.book.tables, self.book.position)
        if asks_the_book(issued):
            return with_what_waits(issued, self.book.tables, self.book.position)
        if not isinstance(issued.command, ProposePayRun):
            return issued
        figures = [e for e in self.earned() if not issued.command.agents or e.agent in issued.command.agents]
        position = self.book.position
        return issued.with_command(
            issued.command.model_copy(
                update={
                    "figures": tuple(figures),
                    "as_known_at": position,
                    "ledger_position": position,
                    "recipe_no": self.book.ledger.house.recipe_no_at(position),
                }
            )
        )

    def _give_due(self) -> None:
        """Give what is due on the open day or before it, each once, as the scheduler does."""
        while due := self._due():
            for row in due:
                try:
                    self.commands.handle(row.issued())
                except Refused as refused:
                    self.refusals.append({"id": row.command_id, "refused": refused.code, "because": str(refused)})
                    self._refused_due.add(row.command_id)

    def _due(self) -> list[Due]:
        self._catch_up()
        rows = sorted(Due(*values) for values in self.book.tables.content[agenda.AGENDA.name])
        return [
            row
            for row in rows
            if row.due_on <= self._today
            and row.command_id not in self._refused_due
            and self.log.result_of(row.command_id) is None
        ]

    def earned(self) -> list[Earned]:
        """What every agent has earned so far, payouts left aside."""
        agents = {
            payee_book(f"agent:{agent}", self.book.ledger.house): agent for agent in self.book.ledger.house.agents
        }
        sums: dict[tuple[str, str], int] = {}
        for row in self.book.tables.content["journal"]:
            if row[3] not in UNEARNED and row[9] in agents:
                key = (agents[row[9]], row[4])
                sums[key] = sums.get(key, 0) + row[10]
        return [
            Earned(agent=agent, currency=currency, earned_minor=amount)
            for (agent, currency), amount in sorted(sums.items())
        ]

    def _catch_up(self) -> None:
        for recorded in self.log.read(self.book.position, len(self.log.events)):
            if isinstance(recorded.event, DayOpened):
                self._today = recorded.event.effective_on
            self._days[recorded.position] = self._today
            before = len(self.book.tables.content["facts"])
            self.book.project(recorded)
            touched = {row[0] for row in self.book.tables.content["facts"][before:]}
            if touched:
                self._note_zeros(recorded, None if 0 in touched else touched)

    # -- expected zeros, with the time in which they stood

    def _note_zeros(self, recorded: Recorded, touched: set[int] | None) -> None:
        known = recorded.position
        for account_no, account in self._accounts().items():
            if touched is not None and account_no not in touched:
                continue
            now = set(expected_zeros(account, self.book.ledger.house, known))
            for key in [key for key in self._zeros if key[0] == account_no and key[1] not in now]:
                ended = self._zeros.pop(key)
                ended["known_until"] = max(
                    date.fromisoformat(ended["known_from"]), self._today - timedelta(1)
                ).isoformat()
                ended["until_position"] = known
                self._ended_zeros.append(ended)
            for zero in now:
                self._zeros.setdefault((account_no, zero), self._zero(zero, known))

    def _zero(self, zero: ExpectedZero, position: int) -> dict[str, Any]:
        return {
            "payee": zero.payee,
            "account": zero.account,
            "service_month": months.text(zero.month),
            "charge_kind": CHARGE_KINDS[zero.kind],
            "reason": zero.reason,
            "position": position,
            "known_from": self._today.isoformat(),
            "known_until": None,
            "until_position": None,
        }

    def _accounts(self) -> dict[int, AccountFacts]:
        for name, no in self.book.tables.content["facts_name"]:
            if name.startswith("account:") and no not in self.book.ledger.accounts:
                self.book.ledger.account(no, self.book.position + 1)
        return {no: a.facts for no, a in self.book.ledger.accounts.items() if no > 0}

    # -- what is printed

    def result(self) -> dict[str, Any]:
        """Refusals, entries, adjustments, payouts, what they hold, suspense, zeros and balances; in minor units, a
        credit above zero.
        """
        entries, adjustments = list(self._entries()), list(self._adjustments())
        zeros = sorted(
            [*self._ended_zeros, *self._zeros.values()],
            key=lambda z: (z["position"], z["account"], z["service_month"], z["payee"], z["reason"]),
        )
        return {
            "refusals": self.refusals,
            "entries": entries,
            "adjustments": adjustments,
            "payouts": self._payouts(),
            "held": self._held(),
            "suspense": self._suspense(),
            "zeros": zeros,
            "deals": [deal_board.as_row(place) for place in self.deals()],
            "balances": self._balances(entries, adjustments),
        }

    def deals(self) -> list[deal_board.Place]:
        """Every registration of a deal as it stands at the end."""
        return deal_board.board(self.book.tables.content[deal_board.DEAL_BOARD.name], self.book.position)

    def _parties(self) -> dict[int, str]:
        return {no: name for name, no in self.book.tables.content["facts_name"] if not name.startswith("suspense:")}

    def _entries(self) -> Iterable[dict[str, Any]]:
        """Every posted share, in order of position, cell and leg."""
        parties = self._parties()
        for row in sorted(self.book.tables.content["journal"]):
            position, account_no, on, kind, currency, leg_no, *rest = row
            leg = Leg(*rest)
            if kind in KIND_NAMES or leg.role == PAYER_ROLE or account_no < 0:
                continue
            cell = Cell(account_no, months.number_of(on), kind, currency)
            payee = book_name(leg.book, parties).removesuffix(":payable").removesuffix(":margin")
            item, words = self._why(cell, position, leg, payee)
            yield {
                "position": position,
                "recorded_on": self._days[position].isoformat(),
                "cell": {
                    "account": self.book.ledger.accounts[account_no].facts.account,
                    "service_month": months.text(cell.month),
                    "charge_kind": CHARGE_KINDS[kind],
                    "currency": currency,
                },
                "item": item,
                "payee": payee,
                "amount_minor": leg.amount_minor,
                "currency": currency,
                "reason": words,
                "entry": f"{position}:{account_no}:{months.text(cell.month)}:{CHARGE_KINDS[kind]}:{currency}:{leg_no}",
            }

    def _why(self, cell: Cell, position: int, leg: Leg, payee: str) -> tuple[str, str]:
        account, house = self.book.ledger.accounts[cell.account_no].facts, self.book.ledger.house
        before, after = (rating.rate(account, house, cell, known, {}) for known in (position - 1, position))
        payee = release_1.SUSPENSE if leg.role == release_1.SUSPENSE_ROLE else payee
        part = (leg.item_no, leg.item_line, leg.role, payee)
        explained = explain(before, after, part, cell.currency, Releases.at(house, position))
        return (explained.item, explained.words) if explained else ("", "")

    def standing(self) -> Iterator[dict[str, Any]]:
        """Every share as it stands in the end, those of nothing too, with its rule and its reason, by account."""
        house, known = self.book.ledger.house, self.book.position
        for account in self._accounts().values():
            for cell in account.cells(house, known):
                for item in rating.rate(account, house, cell, known, {}):
                    for share in item.shares:
                        why = share.coefficient.why if share.coefficient else None
                        yield {
                            "payee": share.payee,
                            "account": account.account,
                            "service_month": months.text(cell.month),
                            "charge_kind": CHARGE_KINDS[cell.kind],
                            "currency": cell.currency,
                            "amount_minor": share.amount_minor,
                            "rule": (why.plan, why.plan_version, why.rule) if why else None,
                            "reason": reason(item, share, cell.currency),
                        }

    def _adjustments(self) -> Iterable[dict[str, Any]]:
        """What was adjusted and what was reversed, as the agent sees it."""
        for recorded in self.log.events:
            match recorded.event:
                case AdjustmentApproved() | AdjustmentReversed() as event:
                    undone = isinstance(event, AdjustmentReversed)
                    because = (
                        event.reversed_because if isinstance(event, AdjustmentReversed) else event.adjusted_because
                    )
                    yield {
                        "adjustment": event.adjustment,
                        "position": recorded.position,
                        "recorded_on": self._days[recorded.position].isoformat(),
                        "payee": f"agent:{event.agent}",
                        "account": event.account,
                        "service_month": event.service_month,
                        "amount_minor": -event.amount_minor if undone else event.amount_minor,
                        "currency": event.currency,
                        "reason": because,
                    }
                case _:
                    pass

    def _payouts(self) -> list[dict[str, Any]]:
        found: dict[tuple[str, str, str], dict[str, Any]] = {}
        for recorded in self.log.events:
            match recorded.event:
                case PayoutReleased() as event:
                    found[event.agent, event.pay_run, event.currency] = {
                        "pay_run": event.pay_run,
                        "payee": f"agent:{event.agent}",
                        "amount_minor": event.amount_minor,
                        "currency": event.currency,
                        "position": recorded.position,
                        "recorded_on": self._days[recorded.position].isoformat(),
                        "status": "released",
                    }
                case PayoutSettled() | PayoutReturned() as event:
                    status = "settled" if isinstance(event, PayoutSettled) else "returned"
                    found[event.agent, event.pay_run, event.currency]["status"] = status
                case _:
                    pass
        return sorted(found.values(), key=lambda p: (p["position"], p["payee"]))

    def _held(self) -> list[dict[str, Any]]:
        """What payouts hold, until when, and when it was released, if it was."""
        found: dict[tuple[str, str, str], dict[str, Any]] = {}
        for recorded in self.log.events:
            match recorded.event:
                case CommissionHeld() as event:
                    found[event.agent, event.pay_run, event.currency] = {
                        "pay_run": event.pay_run,
                        "payee": f"agent:{event.agent}",
                        "amount_minor": event.amount_minor,
                        "currency": event.currency,
                        "position": recorded.position,
                        "recorded_on": self._days[recorded.position].isoformat(),
                        "held_until": event.held_until.isoformat(),
                        "released_on": None,
                    }
                case HeldCommissionReleased() as event:
                    on = self._days[recorded.position].isoformat()
                    found[event.agent, event.pay_run, event.currency]["released_on"] = on
                case _:
                    pass
        return sorted(found.values(), key=lambda hold: (hold["position"], hold["payee"]))

    def _suspense(self) -> list[dict[str, Any]]:
        """What went into suspense and what left it, by position and number as printed."""
        found: dict[tuple[int, int, str], int] = {}
        for row in self.book.tables.content["journal"]:
            if row[8] == release_1.SUSPENSE_ROLE:
                key = (row[0], row[1], row[4])
                found[key] = found.get(key, 0) + row[10]
        rows = []
        for (position, account_no, currency), amount in sorted(found.items(), key=lambda e: (e[0][0], -e[0][1])):
            account = self.book.ledger.accounts[account_no].facts
            rows.append(
                {
                    "position": position,
                    "recorded_on": self._days[position].isoformat(),
                    "vendor": account.vendor,
                    "number": account.account,
                    "amount_minor": amount,
                    "currency": currency,
                    "why": _suspended_because(account, self.book.ledger.house, position),
                }
            )
        return rows

    def _balances(self, entries: list[dict[str, Any]], adjustments: list[dict[str, Any]]) -> dict[str, Any]:
        """An adjustment counts in the month in which it was recorded, and in a service month where it names one."""
        by_service: dict[str, dict[str, int]] = {}
        by_recorded: dict[str, dict[str, int]] = {}
        currencies = {row["currency"] for row in (*entries, *adjustments)}
        for row in (*entries, *adjustments):
            in_currency = "" if len(currencies) < 2 else f" ({row['currency']})"
            for payee, amount in _both_sides(row):
                service_month = row["cell"]["service_month"] if "cell" in row else row["service_month"]
                if service_month is not None:
                    _add(by_service, payee + in_currency, service_month, amount)
                _add(by_recorded, payee + in_currency, row["recorded_on"][:7], amount)
        self._with_rated_zeros(by_service, by_recorded)
        return {
            "by_payee_and_service_month": _in_order(by_service),
            "by_payee_and_month_recorded": _in_order(by_recorded),
            "payable_at_end": self._payable(),
        }

    def _with_rated_zeros(self, by_service: dict[str, dict[str, int]], by_recorded: dict[str, dict[str, int]]) -> None:
        """A payee whose share was rated and is nothing has a balance of 0 there, not none."""
        house = self.book.ledger.house
        postings = {(row[0], row[1], row[2], row[3], row[4]) for row in self.book.tables.content["journal"]}
        for position, account_no, on, kind, currency in postings:
            if kind in KIND_NAMES or account_no < 0:
                continue
            cell = Cell(account_no, months.number_of(on), kind, currency)
            account = self.book.ledger.accounts[account_no].facts
            for item in rating.rate(account, house, cell, position, {}):
                shown = [share.payee for share in item.shares if share.payee != release_1.SUSPENSE]
                shown += [zero.payee for zero in item.zeros if zero.payee in by_service]
                for payee in shown:
                    by_service.setdefault(payee, {}).setdefault(months.text(cell.month), 0)
                    by_recorded.setdefault(payee, {}).setdefault(self._days[position].isoformat()[:7], 0)

    def _payable(self) -> dict[str, int]:
        parties = self._parties()
        payable: dict[str, int] = {}
        for (number, currency), amount in self.book.tables.sums["balance"].items():
            book = book_name(number, parties)
            if book.endswith(":payable"):
                payee = book.removesuffix(":payable")
                key = payee if payee not in payable else f"{payee} ({currency})"
                payable[key] = amount
        return dict(sorted(payable.items()))


def _both_sides(row: Mapping[str, Any]) -> Iterable[tuple[str, int]]:
    """Who has what of an entry; of an adjustment the house has the other side."""
    yield row["payee"], row["amount_minor"]
    if "adjustment" in row:
        yield release_1.HOUSE, -row["amount_minor"]


def _suspended_because(account: AccountFacts, house: HouseFacts, position: int) -> str:
    """What lines that went into suspense wait for; ``placed`` where they left it."""
    if account.account_no > 0:
        return waiting_because(account, house, position) or "waits no more"
    return came_because(account, house, position) or "placed"


def _add(balances: dict[str, dict[str, int]], payee: str, month: str, amount_minor: int) -> None:
    of_payee = balances.setdefault(payee, {})
    of_payee[month] = of_payee.get(month, 0) + amount_minor


def _in_order(balances: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    return {payee: dict(sorted(of_payee.items())) for payee, of_payee in sorted(balances.items())}
