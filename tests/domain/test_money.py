"""Money: exact until it is rounded once, half away from zero, and divided without losing a cent."""

import json
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from domain.money import (
    ABSURD_MINOR,
    MINOR_UNITS,
    Currency,
    ExactMinor,
    Minor,
    Rate,
    divide,
    half_away,
    known_currency,
    plain,
    show,
    to_minor,
)
from tests.golden.examples import published

minor: TypeAdapter[int] = TypeAdapter(Minor)
exact: TypeAdapter[Decimal] = TypeAdapter(ExactMinor)
rate: TypeAdapter[Decimal] = TypeAdapter(Rate)
currency: TypeAdapter[str] = TypeAdapter(Currency)

amounts = st.integers(-(10**14), 10**14)
weights = st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any)

# -- rounding


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [
        ("0", 0),
        ("0.49999999999999999999999999", 0),
        ("0.5", 1),
        ("1.5", 2),
        ("2.5", 3),
        ("-0.5", -1),
        ("-2.5", -3),
        ("-2.4999", -2),
        ("14998.4", 14998),
        ("937.40", 937),
    ],
)
def test_a_half_goes_away_from_zero(amount: str, rounded: int) -> None:
    assert half_away(Decimal(amount)) == rounded
    assert half_away(Fraction(amount)) == rounded


def test_a_whole_amount_stays() -> None:
    assert half_away(-(10**30)) == -(10**30)


@for_all(st.fractions(-(10**6), 10**6))
def test_rounding_mirrors_and_is_never_off_by_more_than_half(amount: Fraction) -> None:
    assert half_away(-amount) == -half_away(amount)
    assert abs(half_away(amount) - amount) <= Fraction(1, 2)


@for_all(st.decimals(-(10**6), 10**6, places=6))
def test_rounding_is_what_a_spreadsheet_shows(amount: Decimal) -> None:
    assert half_away(amount) == int(amount.quantize(Decimal(1), ROUND_HALF_UP))


# -- dividing


def divided(example: dict[str, Any], weights: str) -> list[int]:
    return divide(example["amount_minor"], [Decimal(w) for w in example[weights]])


def test_published_a07_largest_remainder_but_a_negative_amount_mirrors() -> None:
    """The published rule floors, so that -5 by 7:3 is -3 and -2; ours is the mirror of 5 by 7:3."""
    example = published("A07")
    ours = [divided(given, "ratios") for given in example["inputs"]]
    expected = [[-4, -1] if result == [-3, -2] else result for result in example["expected"]]
    assert ours == expected
    assert example["expected"].count([-3, -2]) == 1


def test_published_a12_where_the_four_published_rules_differ() -> None:
    """Largest remainder, and for the negative amount the mirror: -4 and -1."""
    example = published("A12")
    *positive, negative = zip(example["inputs"], example["expected"], strict=True)
    for given, by_rule in positive:
        assert divided(given, "weights") == by_rule["largest_remainder"]
    assert divided(negative[0], "weights") == [-4, -1]
    assert negative[1]["largest_remainder"] == [-3, -2]


def test_published_a13_foemmels_conundrum() -> None:
    example = published("A13")
    given, expected = example["inputs"], example["expected"]
    shares = [Fraction(given["amount_minor"] * ratio, 10) for ratio in given["ratios"]]
    assert sum(half_away(share) for share in shares) == expected["naive_round_sum"]
    assert sum(int(share) for share in shares) == expected["floor_sum"]
    assert divided(given, "ratios") == expected["allocate"]


@for_all(amounts, weights)
def test_the_parts_sum_to_the_amount(amount: int, weights: list[int]) -> None:
    assert sum(divide(amount, weights)) == amount


@for_all(amounts, weights)
def test_a_clawback_mirrors_its_earning(amount: int, weights: list[int]) -> None:
    assert divide(-amount, weights) == [-part for part in divide(amount, weights)]


@for_all(amounts, weights)
def test_no_part_is_off_by_a_minor_unit(amount: int, weights: list[int]) -> None:
    for part, weight in zip(divide(amount, weights), weights, strict=True):
        assert abs(part - Fraction(amount * weight, sum(weights))) < 1
        assert weight or part == 0


@for_all(amounts, weights, st.integers(1, 1000))
def test_only_the_proportion_of_the_weights_counts(amount: int, weights: list[int], factor: int) -> None:
    assert divide(amount, [weight * factor for weight in weights]) == divide(amount, weights)


def test_ties_go_to_the_earlier_weight() -> None:
    assert divide(2, [1, 1, 1]) == [1, 1, 0]
    assert divide(-2, [1, 1, 1]) == [-1, -1, 0]


@pytest.mark.parametrize("weights", [[], [0], [0, 0], [1, -1], [3, -1]])
def test_weights_are_not_negative_and_not_all_zero(weights: list[int]) -> None:
    with pytest.raises(ValueError, match="not negative and sum to more than zero"):
        divide(100, weights)


# -- currencies and showing


def test_published_a16_minor_units_are_not_always_a_power_of_ten() -> None:
    example = published("A16")
    for code, per_unit in example["inputs"]["one_minor_factor"].items():
        assert MINOR_UNITS[code] == per_unit
    for code, amount in example["inputs"]["format_minor"]:
        assert show(amount, code).replace(",", "") == example["expected"][f"{code} {amount}"]


@pytest.mark.parametrize(
    ("amount", "code", "shown"),
    [
        (0, "USD", "0.00"),
        (-5, "USD", "-0.05"),
        (18748, "USD", "187.48"),
        (-123456789, "USD", "-1,234,567.89"),
        (1500, "JPY", "1,500"),
        (7, "MRU", "1.2"),
        (-1, "KWD", "-0.001"),
    ],
)
def test_an_amount_is_shown_in_units(amount: int, code: str, shown: str) -> None:
    assert show(amount, code) == shown


@for_all(amounts, st.sampled_from(["USD", "JPY", "KWD"]))
def test_what_is_shown_reads_back(amount: int, code: str) -> None:
    assert to_minor(Decimal(show(amount, code).replace(",", "")), code) == amount


def test_a_figure_in_units_is_exact_in_minor_units() -> None:
    assert to_minor(Decimal("187.4835"), "USD") == Decimal("18748.35")


@pytest.mark.parametrize("code", ["usd", "US", "USDX", "XXX", "EURO", ""])
def test_only_currencies_of_iso_4217_are_known(code: str) -> None:
    with pytest.raises(ValidationError):
        currency.validate_python(code)


def test_an_unknown_currency_is_named() -> None:
    assert known_currency("USD") == "USD"
    with pytest.raises(ValueError, match="XXX is not a currency of ISO 4217"):
        known_currency("XXX")


# -- figures as given


@pytest.mark.parametrize("adapter", [minor, exact, rate], ids=["minor", "exact minor", "rate"])
@pytest.mark.parametrize(
    "figure",
    [0.8, 1.0, float("nan"), True, None, "", "abc", "1,5", "nan", "Infinity", "80%%", [], b"1"],
    ids=repr,
)
def test_what_is_not_exact_is_not_a_figure(adapter: TypeAdapter[Any], figure: object) -> None:
    with pytest.raises(ValidationError):
        adapter.validate_python(figure)


def test_a_float_in_a_file_is_refused_with_what_to_do() -> None:
    with pytest.raises(ValidationError, match="a float is not exact; write the figure as a decimal in quotes"):
        rate.validate_json("0.8")


@pytest.mark.parametrize(
    ("text", "value"),
    [("0.80", "0.8"), ("80%", "0.8"), (" 12.5 % ", "0.125"), ("100%", "1"), ("-5%", "-0.05"), ("0", "0"), ("-0", "0")],
)
def test_a_rate_is_written_as_a_factor_or_in_percent(text: str, value: str) -> None:
    assert rate.validate_python(text) == Decimal(value)
    assert json.loads(rate.dump_json(rate.validate_python(text))) == value


@pytest.mark.parametrize(
    ("given", "stored"), [(18748, 18748), ("18748.00", 18748), ("18748.350", "18748.35"), ("-0", 0)]
)
def test_an_exact_figure_is_stored_whole_or_as_decimal_text(given: int | str, stored: int | str) -> None:
    assert json.loads(exact.dump_json(exact.validate_python(given))) == stored


@for_all(st.decimals(-(10**12), 10**12, places=8))
def test_a_stored_figure_reads_back_exactly(figure: Decimal) -> None:
    for adapter in (exact, rate):
        assert adapter.validate_json(adapter.dump_json(figure)) == figure


@pytest.mark.parametrize("figure", [ABSURD_MINOR, -ABSURD_MINOR])
def test_a_hundred_million_millions_are_still_an_amount(figure: int) -> None:
    assert minor.validate_python(figure) == figure
    assert exact.validate_python(figure) == figure


@pytest.mark.parametrize("figure", [ABSURD_MINOR + 1, -ABSURD_MINOR - 1, "1e15"])
def test_a_cent_more_is_a_misread_file(figure: int | str) -> None:
    for adapter in (minor, exact):
        with pytest.raises(ValidationError, match="is not an amount of this business"):
            adapter.validate_python(figure)


@pytest.mark.parametrize("figure", ["0.5", "18748.35", "1%"])
def test_minor_units_are_whole(figure: str) -> None:
    with pytest.raises(ValidationError, match="is not a whole number of minor units"):
        minor.validate_python(figure)


@pytest.mark.parametrize("adapter", [exact, rate], ids=["exact minor", "rate"])
@pytest.mark.parametrize("digits", ["0.1234567890123456789012345678", "0.3333333333333333333333333333%", "1e-10"])
def test_a_figure_keeps_every_one_of_its_digits(adapter: TypeAdapter[Decimal], digits: str) -> None:
    factor = 100 if digits.endswith("%") else 1
    assert Fraction(adapter.validate_python(digits)) * factor == Fraction(digits.rstrip("%"))


@pytest.mark.parametrize("adapter", [minor, exact, rate], ids=["minor", "exact minor", "rate"])
@pytest.mark.parametrize(
    "figure", ["0.12345678901234567890123456789", "1e29", "1e-29", "1e999999999", "-1e-999999999", "1e99%"]
)
def test_a_figure_with_more_digits_than_can_be_kept_is_refused(adapter: TypeAdapter[Any], figure: str) -> None:
    with pytest.raises(ValidationError, match="more than 28 digits"):
        adapter.validate_python(figure)


@pytest.mark.parametrize(
    ("number", "text"), [("0.80", "0.8"), ("100", "100"), ("1E+3", "1000"), ("-0.00", "0"), ("0.000001", "0.000001")]
)
def test_a_number_is_written_plainly(number: str, text: str) -> None:
    assert plain(Decimal(number)) == text
