"""What would come of importing a statement file, found out without recording anything.

The file is read as the import reads it, the command is decided as it would be, and each line is looked up as the facts
would learn it. Memory stays flat: of the numbers that no account answers to, only the first ones are kept.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from adapters.statement_faults import StatementFaults
from adapters.statement_file import StatementSource
from adapters.tables import PgTables
from domain import months
from domain.ids import alike, vendor_stream
from domain.message import Actor, Refused
from domain.money import half_away
from domain.rating.facts import AccountFacts
from domain.vendor import VendorContracted, contracted
from domain.vendor_statement import LINES_PER_EVENT, Counted, Months, PlainLine
from projections import facts
from services.house import House
from services.imports import (
    FileAlreadyImported,
    Wanted,
    check_elsewhere,
    imported_before,
    issued_for,
    same_file_elsewhere,
)
from services.suspense import Desk, Likely


class LinesBeyondContract(Refused):
    """Asked to be strict, an import takes no line of a month that no contract of its account reaches."""


SHOWN_BEYOND = 10
NUMBERS_KEPT = 200
"""How many numbers that mean no account are listed; the others are only counted."""
LIKELY_LOOKED_UP = 50
"""For how many of them likely accounts are looked up, which takes some milliseconds each; the desk has them all."""
ACCOUNTS_AT_ONCE = 5_000
REMEMBERED = 100_000
"""How many looked-up numbers are remembered before all are forgotten."""


@dataclass(slots=True)
class Waiting:
    """A number as printed whose lines would wait in suspense: how many, their exact sum, why, and whose it may be."""

    number: str
    why: str
    likely: Sequence[Likely]
    line_count: int = 0
    exact_minor: Decimal = Decimal(0)


@dataclass(slots=True)
class Checked:
    """What an import would find. ``again``: the file is imported already, so nothing would change.

    ``refused`` is why the business would say no; ``warnings`` are worth a look and refuse nothing.
    """

    faults: list[str] = field(default_factory=list)
    more_faults: int = 0
    refused: Refused | None = None
    warnings: list[str] = field(default_factory=list)
    beyond_contracts: list[tuple[int, str]] = field(default_factory=list)
    """Lines of months before an account's contract or after its last service, the first and last of each account."""
    again: bool = False
    matched_lines: int = 0
    matched_exact_minor: Decimal = Decimal(0)
    waiting: dict[str, Waiting] = field(default_factory=dict)
    waiting_lines: int = 0
    waiting_exact_minor: Decimal = Decimal(0)

    @property
    def exit_code(self) -> int:
        return 2 if self.faults else 1 if self.refused else 0


def check_statement(
    house: House,
    source: StatementSource,
    wanted: Wanted,
    actor: Actor,
    report: Callable[[], None] = lambda: None,
    *,
    strict: bool = False,
) -> Checked:
    """Read the whole file and say all that is wrong with importing it. Raises VendorUnknown.

    ``strict``: lines beyond their contract are a reason to refuse it.
    """
    contract = contracted(house.commands.state(vendor_stream(wanted.vendor)), wanted.vendor)
    checked = Checked()
    finder = _Finder(house, wanted, contract, checked)
    try:
        for chunk in source.chunks():
            finder.find(chunk, source.statement_month)
            report()
    except StatementFaults as faults:
        checked.faults, checked.more_faults = faults.faults, faults.more
    if not checked.faults and checked.refused is None:
        _decide(house, source, wanted, actor, contract.currency, checked)
    _warn(source, wanted, checked)
    checked.beyond_contracts = sorted(finder.beyond_contracts())
    if strict and checked.beyond_contracts and checked.refused is None and not checked.again:
        checked.refused = _beyond(wanted.file_name, [sentence for _, sentence in checked.beyond_contracts])
    return checked


def _beyond(name: str, sentences: Sequence[str]) -> LinesBeyondContract:
    told = "; ".join(sentences[:SHOWN_BEYOND])
    more = f"; and {len(sentences) - SHOWN_BEYOND} more" if len(sentences) > SHOWN_BEYOND else ""
    return LinesBeyondContract(
        f"{name} has lines beyond their contract: {told}{more}; have them corrected, or import without --strict"
    )


def _decide(
    house: House, source: StatementSource, wanted: Wanted, actor: Actor, currency: str, checked: Checked
) -> None:
    """Decide the command as the import would, and record nothing."""
    events = max(1, -(-source.line_count // LINES_PER_EVENT))
    counted = Counted(source.line_count, events, source.exact_total, source.rounded_total_minor)
    try:
        issued = issued_for(source, wanted, currency, actor)
        check_elsewhere(house, source, wanted)
        earlier = house.log.result_of(issued.command_id)
        if earlier is None:
            house.commands.decide(issued, counted)
            checked.warnings += same_file_elsewhere(house, source, wanted)
        elif earlier.digest == issued.digest():
            checked.again = True
        else:
            raise FileAlreadyImported(imported_before(house, wanted, earlier))
    except Refused as refused:
        checked.refused = refused


def _warn(source: StatementSource, wanted: Wanted, checked: Checked) -> None:
    name = source.supplier_name
    if name and not source.mapping.suppliers and not _looks_like(name, wanted.vendor):
        words = f"the file says that its supplier is {name!r}, which does not look like {wanted.vendor}"
        checked.warnings.append(f"{words}; list it under suppliers in the mapping if it is")
    if wanted.control_total_minor is None and source.stated_total_minor is None:
        checked.warnings.append("there is no control total: the sum of the lines would be taken for it")


def _looks_like(name: str, vendor: str) -> bool:
    one, other = alike(name), alike(vendor)
    return one.startswith(other) or other.startswith(one)


class _Spanned(NamedTuple):
    """The first and the last service month of an account's lines in the file, each with a line of it."""

    first_month: int
    first_line: int
    last_month: int
    last_line: int

    @classmethod
    def of(cls, month: int, line: int) -> "_Spanned":
        return cls(month, line, month, line)

    def and_of(self, month: int, line: int) -> "_Spanned":
        if month < self.first_month:
            return self._replace(first_month=month, first_line=line)
        return self._replace(last_month=month, last_line=line) if month > self.last_month else self

    def beyond(self, account: AccountFacts) -> Iterator[tuple[int, str]]:
        services, of = account.services.values(), f"of account {account.account}"
        signed = min((term.on for service in services for term in service.terms), default=None)
        if signed is not None and self.first_month < months.number_of(signed):
            words = f"service month {months.text(self.first_month)} {of} is before its contract"
            yield self.first_line, f"line {self.first_line}: {words}, signed on {signed}"
        ended = [service.disconnected[0].on for service in services if service.disconnected]
        if ended and len(ended) == len(services) and self.last_month > months.number_of(max(ended)):
            words = (
                f"service month {months.text(self.last_month)} of account {account.account} is after its last service"
            )
            yield self.last_line, f"line {self.last_line}: {words}, disconnected on {max(ended)}"


class _Finder:
    """Where each line would go, looked up once for each number and month."""

    def __init__(self, house: House, wanted: Wanted, contract: VendorContracted, checked: Checked) -> None:
        self.vendor, self.number, self.lag_months = wanted.vendor, wanted.number, contract.statement_lag_months
        self.checked = checked
        queries = house.queries()
        self.state = PgTables(queries.connection, house.database.book, facts.tables)
        self.queries = queries
        self.desk = Desk(queries, queries.ledger_position())
        self._months: dict[int, _Spanned] = {}
        self._found: dict[Any, Waiting | None] = {}

    def find(self, chunk: list[PlainLine], statement_month: str) -> None:
        if not statement_month:  # which is a fault; nothing can be looked up without it
            return
        known, checked = self._found, self.checked
        whole = matched = 0
        for line in chunk:
            month, number = line.get("service_month"), line["account"]
            key = number if month is None else (number, month)
            waiting = known[key] if key in known else self._look_up(key, line, statement_month)
            amount = line["commission_minor"]
            if waiting is None:
                matched += 1
                if amount.__class__ is int:
                    whole += amount
                else:
                    checked.matched_exact_minor += Decimal(amount)
            else:
                waiting.line_count += 1
                waiting.exact_minor += Decimal(amount)
                checked.waiting_lines += 1
                checked.waiting_exact_minor += Decimal(amount)
        checked.matched_lines += matched
        checked.matched_exact_minor += whole

    def _look_up(self, key: Any, line: PlainLine, statement_month: str) -> Waiting | None:
        if len(self._found) >= REMEMBERED:
            self._found.clear()
        of = Months.of(self.vendor, self.number, statement_month, self.lag_months)
        month = line.get("service_month") or of.service_month
        if month > of.latest and self.checked.refused is None:
            self.checked.refused = of.unlikely(line["line"], month)
        number = line["account"]
        found = facts.resolve(self.state, self.vendor, number, months.number(statement_month), months.number(month))
        waiting = None
        if found.account_no is None:
            waiting = self._waiting(number, found)
        elif spanned := self._months.get(found.account_no):
            self._months[found.account_no] = spanned.and_of(months.number(month), line["line"])
        else:
            self._months[found.account_no] = _Spanned.of(months.number(month), line["line"])
        self._found[key] = waiting
        return waiting

    def beyond_contracts(self) -> Iterator[tuple[int, str]]:
        """Lines whose month no contract of their account reaches, each with a sentence."""
        accounts = sorted(self._months)
        for start in range(0, len(accounts), ACCOUNTS_AT_ONCE):
            for account in self.queries.contracts_of(accounts[start : start + ACCOUNTS_AT_ONCE]):
                yield from self._months[account.account_no].beyond(account)

    def _waiting(self, number: str, found: facts.Found) -> Waiting:
        kept = self.checked.waiting
        if number in kept:
            return kept[number]
        if len(kept) >= NUMBERS_KEPT:
            return Waiting(number, found.why, ())
        likely = self.desk.likely(self.vendor, number) if len(kept) < LIKELY_LOOKED_UP else ()
        kept[number] = Waiting(number, found.why, likely)
        return kept[number]


def as_data(checked: Checked, source: StatementSource, wanted: Wanted) -> Mapping[str, Any]:
    """For a program: amounts in minor units, as a ledger would round their sums."""
    numbers = [
        {
            "number": waiting.number,
            "lines": waiting.line_count,
            "amount_minor": half_away(waiting.exact_minor),
            "currency": source.currency,
            "why": waiting.why,
            "likely": [{"account": one.account, "why": one.why} for one in waiting.likely],
        }
        for waiting in checked.waiting.values()
    ]
    refused = {"refused": checked.refused.code, "because": str(checked.refused)} if checked.refused else None
    return {
        "file": wanted.file_name,
        "vendor": wanted.vendor,
        "number": wanted.number,
        "importable": checked.exit_code == 0,
        "imported_already": checked.again,
        "faults": checked.faults,
        "more_faults": checked.more_faults,
        "refused": refused,
        "warnings": checked.warnings,
        "beyond_contracts": [sentence for _, sentence in checked.beyond_contracts],
        "notes": source.notes,
        "statement_month": source.statement_month,
        "supplier": source.supplier_name,
        "columns_not_read": source.columns_not_read,
        "lines": source.line_count,
        "total_minor": source.total_minor,
        "stated_total_minor": source.stated_total_minor,
        "currency": source.currency,
        "matched": {"lines": checked.matched_lines, "amount_minor": half_away(checked.matched_exact_minor)},
        "suspense": {
            "lines": checked.waiting_lines,
            "amount_minor": half_away(checked.waiting_exact_minor),
            "numbers": numbers,
        },
    }
