"""What all pages and spreadsheets have in common: text stays text, and the same data is the same bytes."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from domain.money import show

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a text that begins like this for a formula."""


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("services"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def page(template: str, **shown: Any) -> str:
    """One page with all that it needs and nothing from elsewhere; every text in it is escaped."""
    return _environment().get_template(template).render(**shown)


def cell_text(text: str) -> str:
    """A text as a cell of a spreadsheet, never a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def cell_amount(amount_minor: int, currency: str) -> str:
    """An amount in units as a cell of a spreadsheet."""
    return show(amount_minor, currency).replace(",", "")
