"""Money: integer minor units with their currency, exact rates, and the two ways of losing less than a cent.

Units: ``*_minor`` is a count of the currency's minor unit (cents for USD). A vendor's figure below a minor
unit is an exact decimal of minor units until it is rounded once, in its item. No float comes in anywhere.
"""

from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, StringConstraints

#: ISO 4217 currencies and how many minor units one unit has. Not always a power of ten: MRU has 5 khoums.
MINOR_UNITS: dict[str, int] = {
    **dict.fromkeys(
        "AED ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY "
        "COP CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR "
        "ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MKD MMK MNT MOP MUR MVR MWK MXN MYR "
        "MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS "
        "SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG".split(),
        100,
    ),
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF".split(), 1),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 1000),
    **dict.fromkeys("MGA MRU".split(), 5),
}

#: Nothing in this business is larger; a figure beyond it is a misread file, and eight bytes must hold every sum.
ABSURD_MINOR = 10**14


#: The digits, before and after the point, that decimal arithmetic keeps; a figure with more would be rounded unseen.
DIGITS = 28


def known_currency(code: str) -> str:
    """The ISO 4217 code itself. Raises ValueError for a code that is not one."""
    if code not in MINOR_UNITS:
        raise ValueError(f"{code} is not a currency of ISO 4217")
    return code


Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(known_currency)]


def _exact(value: Any) -> Decimal:
    if isinstance(value, float):
        raise ValueError("a float is not exact; write the figure as a decimal in quotes")
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise ValueError("a figure is a whole number or a decimal in quotes")
    text = str(value).strip()
    scale = Decimal(1)
    if text.endswith("%"):
        text, scale = text[:-1].strip(), Decimal("0.01")
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{value!r} is not a number") from None
    _, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value!r} is not a finite number")
    if max(len(digits), -exponent) + max(exponent, 0) > DIGITS:
        raise ValueError(f"{value!r} has more than {DIGITS} digits")
    return number * scale


def plain(number: Decimal) -> str:
    """The shortest plain decimal text of a number: ``0.80`` is ``0.8``, never an exponent, never ``-0``."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _minor_json(amount: Decimal) -> int | str:
    return int(amount) if amount == amount.to_integral_value() else plain(amount)


def _within_reason(amount: Decimal) -> Decimal:
    if abs(amount) > ABSURD_MINOR:
        raise ValueError(f"{plain(amount)} minor units is not an amount of this business")
    return amount


def _whole(value: Any) -> int:
    exact = _exact(value)
    if exact != exact.to_integral_value():
        raise ValueError(f"{value!r} is not a whole number of minor units")
    return int(_within_reason(exact))


Rate = Annotated[Decimal, BeforeValidator(_exact), PlainSerializer(plain, return_type=str)]
"""An exact factor: ``"0.80"`` or ``"80%"``."""

ExactMinor = Annotated[
    Decimal,
    BeforeValidator(_exact),
    AfterValidator(_within_reason),
    PlainSerializer(_minor_json, return_type=int | str),
]
"""A vendor's figure in minor units, exact, perhaps below one minor unit; ``18748`` or ``"18748.35"``."""

Minor = Annotated[int, BeforeValidator(_whole)]
"""A whole number of minor units."""


def half_away(amount: Decimal | Fraction | int) -> int:
    """Round half away from zero to a whole minor unit: what ROUND in a spreadsheet shows. f(-x) = -f(x)."""
    if isinstance(amount, int):
        return amount
    numerator, denominator = amount.as_integer_ratio()
    rounded = (2 * abs(numerator) + denominator) // (2 * denominator)
    return rounded if numerator >= 0 else -rounded


def over_one_denominator(amounts: Sequence[int | str]) -> tuple[list[int], int]:
    """Figures as facts hold them, whole numbers or plain decimals in quotes, over a power of ten that is common to all.

    ``over_one_denominator([18748, "187.5"]) == ([187480, 1875], 10)``.
    """
    places = max([len(amount.partition(".")[2]) for amount in amounts if isinstance(amount, str)], default=0)
    denominator = 10**places
    return [
        amount * denominator if isinstance(amount, int) else _above(amount, places) for amount in amounts
    ], denominator


def _above(amount: str, places: int) -> int:
    whole, _, below_one = amount.partition(".")
    return int(whole + below_one.ljust(places, "0"))


def divide(amount_minor: int, weights: Sequence[int | Decimal]) -> list[int]:
    """Divide one amount by weights; the parts sum to the amount.

    The largest remainder takes the odd minor units, ties go to the earlier weight; the absolute amount is
    divided and signed afterwards, so that a clawback mirrors its earning.
    Raises ValueError when a weight is negative or all are zero.
    """
    exact = [Fraction(w) for w in weights]
    total = sum(exact, Fraction(0))
    if total <= 0 or min(exact) < 0:
        raise ValueError("weights are not negative and sum to more than zero")
    absolute, sign = abs(amount_minor), -1 if amount_minor < 0 else 1
    ideal = [absolute * w / total for w in exact]
    parts = [int(share) for share in ideal]
    by_remainder = sorted(range(len(parts)), key=lambda i: (parts[i] - ideal[i], i))
    for i in by_remainder[: absolute - sum(parts)]:
        parts[i] += 1
    return [sign * part for part in parts]


def show(amount_minor: int, currency: str) -> str:
    """An amount for a person to read, in units: ``show(18748, "USD") == "187.48"``."""
    per_unit = MINOR_UNITS[currency]
    sign = "-" if amount_minor < 0 else ""
    units, rest = divmod(abs(amount_minor), per_unit)
    digits = len(str(per_unit - 1)) if per_unit > 1 else 0
    return f"{sign}{units:,}.{rest:0{digits}d}" if digits else f"{sign}{units:,}"


def to_minor(units: Decimal, currency: str) -> Decimal:
    """An amount printed in units, as exact minor units: ``to_minor(Decimal("187.4835"), "USD")``."""
    return units * MINOR_UNITS[currency]
