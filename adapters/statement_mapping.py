"""How a vendor's statement file is read: a mapping, written once for each vendor as YAML.

The default mapping reads the published columns *Commission Run Month, Imported Supplier Name, Supplier ID, Commission
Amount*: the run month, any date in it, is the statement month; the supplier id is the account number as printed; the
service month follows from the vendor's lag.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    ValidationError,
    model_validator,
)
from pydantic import Tag as TagOf

from adapters.faults import first_fault
from adapters.statement_faults import StatementFaults, Unusual
from adapters.statement_values import parse_month, word_reader
from adapters.yaml_file import read_yaml
from domain.message import Model

AMOUNTS = {
    "billed": "billed_minor",
    "net_billed": "net_billed_minor",
    "commissionable": "commissionable_minor",
    "commission": "commission_minor",
}
"""The figures that are amounts, and the field of the statement line that each one fills."""
PRINTED = ("account", "service", "house_code")
WORDS = (*PRINTED, "product", "charge_kind", "line_type", "claimed_rate")
"""The figures that the statement line itself judges."""

Header = Annotated[str, Field(min_length=1, max_length=200)]


def _one_or_more(given: Any) -> Any:
    if not isinstance(given, str | list | tuple):
        raise ValueError(f"{given} is not text; write it in quotes")
    return (given,) if isinstance(given, str) else given


Headers = Annotated[
    tuple[Header, ...],
    Field(min_length=1, max_length=20),
    BeforeValidator(_one_or_more, json_schema_input_type=Header | tuple[Header, ...]),
]
"""The headers that a vendor has used for one column; short for one: itself."""


class From(Model):
    """Where a figure stands: in the column with one of these headers, or it is the same in every line.

    Short for a column: its header, or a list of the headers that the vendor has used for it.
    """

    column: Headers | None = None
    constant: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    first_of: Annotated[tuple["From", ...], Field(min_length=2, max_length=10)] | None = None
    """Columns that may hold it: the first one that is not blank in a line, in this order."""
    values: dict[str, str] = Field(default_factory=dict)
    """What the vendor's words mean in ours; any other word is a fault."""
    width: Annotated[int, Field(ge=1, le=40)] | None = None
    """Put zeros back on the left of a number, up to so many digits."""

    percent: bool = False
    """Of a rate: figures are percents also where no sign says so."""

    @model_validator(mode="before")
    @classmethod
    def _from_headers(cls, given: Any) -> Any:
        if isinstance(given, str | list | tuple):
            given = {"column": given}
        if not isinstance(given, dict | From):
            raise ValueError(f"{given} is not text; write it in quotes")
        return given

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The short forms are part of the schema."""
        header = {"type": "string"}
        return {"anyOf": [header, {"type": "array", "items": header}, handler(core_schema)]}

    @model_validator(mode="after")
    def _stands_in_one_place(self) -> "From":
        if sum(given is not None for given in (self.column, self.constant, self.first_of)) != 1:
            raise ValueError("stands in a column, or is constant, or is the first of several; write one of these")
        if self.first_of and any(one.column is None for one in self.first_of):
            raise ValueError("is the first of several columns; write nothing but columns under first_of")
        return self

    def columns(self) -> tuple["From", ...]:
        """Itself, or the columns that may hold it; none where it is constant."""
        return self.first_of or ((self,) if self.column else ())


class Columns(Model):
    """Where each figure of a line stands; what is left out is not in the file."""

    statement_month: From | None = None
    supplier_name: From | None = None
    account: From
    commission: From
    service: From | None = None
    product: From | None = None
    charge_kind: From | None = None
    line_type: From | None = None
    billed: From | None = None
    net_billed: From | None = None
    commissionable: From | None = None
    claimed_rate: From | None = None
    service_month: From | None = None
    house_code: From | None = None
    currency: From | None = None
    """ISO 4217; a line in another currency than the vendor's is a fault."""

    @model_validator(mode="after")
    def _can_be_read(self) -> "Columns":
        for name, source in self.sources():
            if source.first_of and name != "account":
                raise ValueError(f"{name} stands in one column; only the account is the first of several")
            if name in AMOUNTS and (source.constant or source.values):
                raise ValueError(f"{name} is an amount of each line; write its column and nothing else")
            if source.percent and name != "claimed_rate":
                raise ValueError(f"{name} is no percent; only claimed_rate is")
            if name == "currency" and source.constant:
                raise ValueError("currency stands in a column; the vendor's own is known")
            if source.width and name not in PRINTED:
                raise ValueError(f"{name} has no width; only {', '.join(PRINTED)} have one")
        return self

    def sources(self) -> Iterator[tuple[str, From]]:
        """Every figure that the file has, with where it stands."""
        named = ((name, getattr(self, name)) for name in type(self).model_fields)
        yield from ((name, source) for name, source in named if source is not None)


class Totals(Model):
    """Rows that are no lines but add lines up: those whose text in a column begins so, in any case of letters."""

    column: Headers
    starts_with: Annotated[str, Field(min_length=1, max_length=100)]
    required: bool = True
    """A file without such a row is cut off."""


class Tab(Model):
    """A tab of a workbook with what is other there than in the mapping as a whole. Short for it: its name."""

    tab: Annotated[str, Field(min_length=1, max_length=31)]
    columns: Columns | None = None
    header_line: Annotated[int, Field(ge=1)] | None = None
    totals: Totals | None = None

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string"}, handler(core_schema)]}

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:
        return {"tab": given} if isinstance(given, str) else given


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is not a pattern: {error}") from None
    return text


class TabPattern(Model):
    """Every visible tab in whose name the regular expression is found."""

    pattern: Annotated[str, Field(min_length=1, max_length=100), AfterValidator(_pattern)]


def _kind_of_tabs(given: Any) -> str:
    if isinstance(given, str):
        return "all"
    return "fitting" if isinstance(given, dict | TabPattern) else "named"


Tabs = Annotated[
    Annotated[Literal["all"], TagOf("all")]
    | Annotated[TabPattern, TagOf("fitting")]
    | Annotated[tuple[Tab, ...], Field(min_length=1, max_length=200), TagOf("named")],
    Discriminator(_kind_of_tabs),
]


def _encoding(name: str) -> str:
    try:
        "".encode(name)
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError):
        raise ValueError(f"{name} is not an encoding of text; write utf-8, windows-1252 or utf-16") from None
    return name


def _dates(text: str) -> str:
    if text not in ("month-first", "day-first") and "%" not in text:
        raise ValueError(f"{text} does not say how dates are written; write month-first, day-first or such as %d.%m.%Y")
    return text


class FileMapping(Model):
    """How a vendor's file is read."""

    columns: Columns
    suppliers: tuple[Header, ...] = ()
    """The names by which the vendor may stand in the supplier name's column; a file of any other is a fault."""
    amounts: Literal["units", "minor"] = "units"
    decimal: Literal[".", ","] = "."
    dates: Annotated[str, AfterValidator(_dates)] | None = None
    """How a date such as 2/3/2026 is meant; without it, such a date is a fault."""
    totals: Totals | None = None
    header_line: Annotated[int, Field(ge=1)] | None = None
    """The line, or row of a tab, in which the headers stand; without it, the first one that is not blank."""
    delimiter: Annotated[str, Field(min_length=1, max_length=1, pattern=r'^[^"\r\n]*$')] = ","
    encoding: Annotated[str, AfterValidator(_encoding)] | None = None
    """Of a text file; without it, UTF-8, or what a byte-order mark says."""
    tabs: Tabs | None = None
    """Which tabs of a workbook are read; without it, the only visible one that is not empty."""


PUBLISHED = FileMapping(
    columns=Columns(
        statement_month=From(column=("Commission Run Month",)),
        supplier_name=From(column=("Imported Supplier Name",)),
        account=From(column=("Supplier ID",)),
        commission=From(column=("Commission Amount",)),
    ),
    dates="month-first",
)


def read_mapping(path: Path | None) -> FileMapping:
    """The mapping of a file, or the published one. Raises FileFault, StatementFaults."""
    if path is None:
        return PUBLISHED
    try:
        given = read_yaml(path)
        mapping = FileMapping.model_validate(given)
    except ValidationError as error:
        raise StatementFaults(path.name, [first_fault(error, given)]) from None
    if faults := list(_untrue_words(mapping)):
        raise StatementFaults(path.name, faults)
    return mapping


def _untrue_words(mapping: FileMapping) -> Iterator[str]:
    """Constants and meanings of the vendor's words that no line could hold."""
    for name, source in mapping.columns.sources():
        for key, word in [("constant", source.constant), *((f"values.{k}", v) for k, v in source.values.items())]:
            if word is None:
                continue
            at = f"field columns.{name}.{key}"
            if name in WORDS:
                try:
                    word_reader(name, at)(word)
                except Unusual as unusual:
                    yield str(unusual)
            elif name in ("statement_month", "service_month") and parse_month(word, None) is None:
                yield f"{at}: {word} is not a month; write it like 2026-02"
