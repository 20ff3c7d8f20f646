"""What the texts of a vendor's file mean: amounts, months, printed numbers, and words of ours.

Each reader takes a text and gives what ``StatementLine`` would dump for it, or raises Unusual with a clause that says
what is wrong. What could mean another amount or another month is a fault, never a guess. Texts repeat, so a ``Memo``
remembers what was read.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import TypeAdapter, ValidationError

from adapters.faults import SHOWN
from adapters.faults import faults as faults_of
from adapters.statement_faults import Unusual
from domain.money import DIGITS, MINOR_UNITS, plain, show
from domain.vendor_statement import StatementLine

Read = Callable[[str], Any]

REMEMBERED = 100_000
LONGEST_REMEMBERED = 200


class Memo(dict[Any, Any]):
    """What texts, or numbers, were read as. It forgets all when it is full, and never remembers a fault."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        super().__init__()
        self.read = read

    def __missing__(self, given: Any) -> Any:
        value = self.read(given)
        if len(self) >= REMEMBERED:
            self.clear()
        if given.__class__ is not str or len(given) <= LONGEST_REMEMBERED:
            self[given] = value
        return value


ABSURD_LINE_MINOR = 10**11
"""No one line of a statement is of more than some thousand million: it is a number of something else, misread."""


def shown(text: str) -> str:
    """A text as faults quote it."""
    quoted = repr(text)
    return quoted if len(quoted) <= SHOWN else f"{quoted[:SHOWN]}…"


def optional(read: Read) -> Read:
    """A reader that takes a blank text for nothing."""

    def read_or_none(text: str) -> Any:
        return read(text) if text.strip() else None

    return read_or_none


# -- amounts

Decimals = Literal[".", ","]

_SIGNS = {
    "€": "EUR", "£": "GBP", "C$": "CAD", "CA$": "CAD", "CAD$": "CAD", "US$": "USD", "A$": "AUD", "AU$": "AUD",
    "NZ$": "NZD", "HK$": "HKD", "S$": "SGD", "MX$": "MXN", "R$": "BRL",
}  # fmt: skip
_DOLLARS = frozenset(
    "ARS AUD BBD BMD BND BSD BZD CAD CLP COP DOP FJD GYD HKD JMD KYD LRD MXN NAD NZD SBD SGD SRD TTD TWD USD UYU "
    "XCD".split()
)
"""The currencies that ``$`` alone may stand for."""

_CURRENCY = r"(?:[A-Z]{1,3}\$|\$|€|£|[A-Z]{3})"
_BRACKETS = re.compile(rf"(?P<before>{_CURRENCY})? ?\((?P<inside>[^()]*)\) ?(?P<after>{_CURRENCY})?")
_AMOUNT = re.compile(
    rf"(?P<sign>[-+−])? ?(?P<before>{_CURRENCY})? ?(?P<inner>[-+−])?"
    r"(?P<figure>[0-9][0-9.,]*|[.,][0-9]+)"
    rf"(?P<trailing>-)? ?(?P<after>{_CURRENCY})?(?P<last>-)?"
)
_FIGURES = {
    ".": re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)?(?:\.[0-9]*)?"),
    ",": re.compile(r"(?:[0-9]{1,3}(?:\.[0-9]{3})+|[0-9]+)?(?:,[0-9]*)?"),
}
"""Thousands parted everywhere or nowhere, and at most one decimal sign."""
_CENTS = re.compile(r"-?[0-9]{1,9}\.[0-9]{2}")
"""Never more than ``ABSURD_LINE_MINOR``."""


def amount_reader(column: str, currency: str, *, units: bool, decimals: Decimals = ".") -> Read:
    """``1,234.56``, ``$1,234.56``, ``1,234.56 USD``, ``12.30-`` and ``(12.30)`` as minor units: a whole number, or
    exact decimal text.
    """
    factor = MINOR_UNITS[currency] if units else 1
    usual = factor == 100 and decimals == "."

    def read(text: str) -> int | str:
        if usual and _CENTS.fullmatch(text):
            return int(text[:-3] + text[-2:])
        amount = _exact(column, text, currency, decimals) * factor
        if abs(amount) > ABSURD_LINE_MINOR:
            raise Unusual(f"{column} {shown(text)} is not an amount of this business")
        return int(amount) if amount == amount.to_integral_value() else plain(amount)

    return read


def _exact(column: str, text: str, currency: str, decimals: Decimals) -> Decimal:
    no_amount = Unusual(f"{column} {shown(text)} is not an amount; write it like 1234{decimals}56")
    bare = " ".join(text.split())
    brackets = _BRACKETS.fullmatch(bare)
    match = _AMOUNT.fullmatch(brackets["inside"].strip() if brackets else bare)
    if not match or not _FIGURES[decimals].fullmatch(match["figure"]):
        raise no_amount
    named = [*match.group("before", "after"), *(brackets.group("before", "after") if brackets else ())]
    named = [sign for sign in named if sign]
    signs = [sign for sign in match.group("sign", "inner", "trailing", "last") if sign]
    figure = match["figure"].replace("," if decimals == "." else ".", "").replace(",", ".")
    if (
        len(signs) + bool(brackets) > 1
        or len(named) > len(set(named))
        or not 0 < sum(map(str.isdigit, figure)) <= DIGITS - 4
    ):
        raise no_amount
    for sign in named:
        if not _may_mean(sign, currency):
            raise Unusual(f"{column} {shown(text)} is not in {currency}; import one currency at a time")
    amount = Decimal(figure)
    return amount if not brackets and (not signs or signs == ["+"]) else -amount


def _may_mean(sign: str, currency: str) -> bool:
    return currency in _DOLLARS if sign == "$" else _SIGNS.get(sign, sign) == currency


def show_exact(amount_minor: Decimal, currency: str) -> str:
    """Minor units for a person to read, in units, with what is below a minor unit."""
    if amount_minor == amount_minor.to_integral_value():
        return show(int(amount_minor), currency)
    return f"{amount_minor / MINOR_UNITS[currency]:,f}"


# -- months

_MONTH_NAMES = (
    "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november",
    "december",
)  # fmt: skip


_DATE_CELL = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+")


def parse_month(text: str, dates: str | None = "month-first") -> str | None:
    """``2026-02`` for a month or any date in it: 2026-02-15, 2026/02/15, 2/15/2026, 02/2026, Feb 2026, 202602; else
    None.

    ``dates`` says how a date such as 2/3/2026 is meant, or gives a pattern; without it such a date is None.
    """
    text = text.strip()
    if dates and "%" in dates:
        return _month_by_pattern(text, dates)
    if match := re.fullmatch(r"(\d{4})[-/]?(\d{2})(?:[-/]?(\d{2}))?(?:[T ]\d.*)?", text, re.ASCII):
        year, month, day = int(match[1]), int(match[2]), int(match[3] or 1)
    elif match := re.fullmatch(r"(?:(\d{1,2})/)?(\d{1,2})/(\d{4})", text, re.ASCII):
        year = int(match[3])
        month, day = _month_and_day(int(match[1]), int(match[2]), dates) if match[1] else (int(match[2]), 1)
    elif match := re.fullmatch(r"([A-Za-z]{3,9})\.?[ -](\d{4})", text, re.ASCII):
        named = [n for n, name in enumerate(_MONTH_NAMES, start=1) if name.startswith(match[1].lower())]
        year, month, day = int(match[2]), named[0] if named else 0, 1
    else:
        return None
    try:
        found = date(year, month, day)
    except ValueError:
        return None
    return found.isoformat()[:7] if 1900 <= found.year < 2100 else None


def _month_and_day(first: int, second: int, dates: str | None) -> tuple[int, int]:
    """Month and day; the month 0, which there is not, where it could be either."""
    if dates == "month-first":
        return first, second
    if dates == "day-first":
        return second, first
    if first > 12:
        return second, first
    return (first, second) if second > 12 or first == second else (0, 0)


def _month_by_pattern(text: str, pattern: str) -> str | None:
    try:
        # a date cell of a workbook, which no pattern is about
        found = datetime.fromisoformat(text) if _DATE_CELL.fullmatch(text) else datetime.strptime(text, pattern)
    except ValueError:
        return None
    return found.isoformat()[:7] if 1900 <= found.year < 2100 else None


def month_reader(column: str, dates: str | None) -> Read:
    """A month, or the month of a date."""

    def read(text: str) -> str:
        month = parse_month(text, dates)
        if month is not None:
            return month
        if dates is None and parse_month(text, "month-first") and parse_month(text, "day-first"):
            words = f"{column} {shown(text)} could be of two months; write `dates: month-first` or `dates: day-first`"
            raise Unusual(f"{words} in the mapping")
        raise Unusual(f"{column} {shown(text)} is not a month; write 2026-02 or a date in it")

    return read


# -- texts

_PLAINLY_PRINTED = re.compile(r"[!-~]+(?: [!-~]+)*")
_SPOILT = re.compile(
    r"(?P<digits>[0-9](?:\.[0-9]+)?E\+[0-9]{2,3})|(?P<error>#(?:REF|N/A|VALUE|DIV/0|NAME|NULL|NUM|SPILL|CALC|FORMULA|ERROR|GETTING_DATA)[!?]?)"
    r"|(?P<date>[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+)"
)
_SPOILT_WORDS = {
    "digits": "has lost digits to a spreadsheet; format the column as text there",
    "error": "is an error of the spreadsheet, or a formula that it has not computed; mend it there",
    "date": "is a date that a spreadsheet made of a number; format the column as text there",
}


def printed_reader(field: str, column: str, width: int | None = None) -> Read:
    """A number or name as printed. Up to ``width`` digits, zeros that a spreadsheet took from the left are put back."""
    read_word = word_reader(field, column)

    def read(text: str) -> str:
        usual = len(text) <= 120 and _PLAINLY_PRINTED.fullmatch(text)
        printed: str = text if usual else read_word(text)
        if spoilt := _SPOILT.fullmatch(printed):
            raise Unusual(f"{column} {shown(printed)} {_SPOILT_WORDS[spoilt.lastgroup or '']}")
        return printed.zfill(width) if width and printed.isdecimal() else printed

    return read


_TOTAL = re.compile(r"(?:(?:grand|sub|sum|overall|report|page)[ -]?)?totals?[ :]*", re.IGNORECASE)


_PLAIN_NUMBER = re.compile(r"(?=[A-Z-]*[0-9])(?![0-9]{4}-[0-9]{2}-[0-9]{2}T)[A-Z0-9-]{1,40}")
"""Printed without a doubt: with a digit, so no total, and nothing that a spreadsheet makes of a number."""


def account_reader(read: Read, column: str, *, as_printed: bool) -> Read:
    """The number by which a line names its account. No account is called a total.

    ``as_printed``: nothing is done to a number, so that most of them need only one look; they seldom repeat.
    """
    is_plain = _PLAIN_NUMBER.fullmatch if as_printed else lambda text: None

    def read_account(text: str) -> Any:
        if is_plain(text):
            return text
        if not text.strip():
            raise Unusual(f"{column} is empty; every line names an account")
        if _TOTAL.fullmatch(text.strip()):
            words = f"{column} {shown(text)} looks like a totals row, which would count twice"
            raise Unusual(f"{words}; name such rows under totals in a mapping")
        return read(text)

    return read_account


def translated(read: Read, values: Mapping[str, str], column: str) -> Read:
    """The vendor's words in ours; a word that has no meaning is a fault."""

    def read_word(text: str) -> Any:
        bare = text.strip()
        if bare not in values:
            words = f"{column} {shown(bare)} has no meaning in the mapping; it has {', '.join(values)}"
            raise Unusual(f"{words}; add it under values")
        return read(values[bare])

    return read_word


@cache
def _adapter(field: str) -> TypeAdapter[Any]:
    info = StatementLine.model_fields[field]
    kind: Any = Annotated[info.annotation, info]
    return TypeAdapter(kind)


def word_reader(field: str, column: str) -> Read:
    """What the field of a statement line makes of a text: the model's own rule, whatever it is."""
    adapter = _adapter(field)

    def read(text: str) -> Any:
        bare = text.strip()
        try:
            return adapter.dump_python(adapter.validate_python(bare), mode="json")
        except ValidationError as error:
            raise Unusual("; ".join(faults_of(error, bare, {"": column}))) from None

    return read


def rate_reader(column: str, *, percent: bool, decimals: Decimals) -> Read:
    """A rate: ``0.15`` or ``15%``; with ``percent``, 15 is 15% too."""
    read_word = word_reader("claimed_rate", column)

    def read(text: str) -> Any:
        bare = text.strip() if decimals == "." else text.strip().replace(",", ".")
        return read_word(f"{bare}%" if percent and not bare.endswith("%") else bare)

    return read


def currency_reader(column: str, currency: str) -> Read:
    """The currency of a line, which must be the vendor's; nothing is kept of it."""

    def read(text: str) -> None:
        code = text.strip()
        if code == currency:
            return
        if code not in MINOR_UNITS:
            raise Unusual(f"{column} {shown(code)} is not a currency of ISO 4217; write what it means under values")
        raise Unusual(f"{column} {shown(code)} is not {currency}; import one currency at a time")

    return read
