"""Which column of a file is which figure: by the mapping's headers, never by a guess."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from adapters.statement_faults import Faults
from adapters.statement_mapping import Columns, Totals
from domain.ids import alike

SHOWN_COLUMNS = 40
LOOKED_AT = 30
"""How many further rows are looked at for headers that are not where they should be."""

Headers = tuple[str, ...]


def wanted_columns(columns: Columns, totals: Totals | None) -> Iterator[tuple[str, Headers]]:
    """Every column that must be there: the figure that it holds, and the headers it may have."""
    for figure, source in columns.sources():
        yield from ((figure, one.column) for one in source.columns() if one.column)
    if totals:
        yield "totals", totals.column


def find_columns(
    place: str,
    cells: Sequence[str],
    wanted: Sequence[tuple[str, Headers]],
    faults: Faults,
    notes: list[str],
    below: Iterable[tuple[int, str, Sequence[str]]],
) -> Mapping[Headers, int]:
    """Where each column stands, by the headers that it may have. What is not clear is a fault, and then not found.

    ``below`` are the next rows, each with its number and place, to find out whether the headers stand there. A header
    that differs from the mapping's first one, but is another of them or differs only in case, spaces or
    punctuation, is recognised and noted.
    """
    header = [_folded(cell) for cell in cells]
    found: dict[Headers, int] = {}
    missing: list[str] = []
    for figure, headers in wanted:
        if headers in found:
            continue
        places = _places(header, headers)
        if not places:
            missing.append(headers[0] if len(headers) == 1 else f"{headers[0]} (or {', '.join(headers[1:])})")
        elif len(places) > 1:
            faults.add(f"{place} has {_several(header, places, figure)}; take one out")
        else:
            (at,) = places
            found[headers] = at
            if header[at] != _folded(headers[0]):
                notes.append(f"{place}: the column {header[at]} is read as {figure}; it was expected as {headers[0]}")
    if missing:
        faults.add(_missing(place, header, missing, wanted, below))
    return found


def _places(header: Sequence[str], headers: Headers) -> list[int]:
    names = [_folded(name) for name in headers]
    exact = [at for at, cell in enumerate(header) if cell in names]
    if exact:
        return exact
    like = {alike(name) for name in names} - {""}
    return [at for at, cell in enumerate(header) if alike(cell) in like]


def _missing(
    place: str,
    header: Sequence[str],
    missing: Sequence[str],
    wanted: Sequence[tuple[str, Headers]],
    below: Iterable[tuple[int, str, Sequence[str]]],
) -> str:
    shown = [cell if len(cell) <= 60 else f"{cell[:60]}…" for cell in header[:SHOWN_COLUMNS]]
    more = f" and {len(header) - SHOWN_COLUMNS} more" if len(header) > SHOWN_COLUMNS else ""
    words = f"{place} has no column {', '.join(missing)}; it has {', '.join(shown)}{more}"
    for number, other, cells in islice(below, LOOKED_AT):
        if all(_places([_folded(cell) for cell in cells], headers) for _, headers in wanted):
            return f"{words}; {other} has them: write `header_line: {number}` in the mapping"
    if len(header) == 1 and len(wanted) > 1:
        other = next((sign for sign in ";\t|," if sign in header[0]), ";")
        return f"{place} has one column only; if {other!r} parts the columns, name it as delimiter in a mapping"
    return f"{words}; name the columns in a mapping"


def _several(header: Sequence[str], places: Sequence[int], figure: str) -> str:
    names = [header[at] for at in places]
    if len(set(names)) == 1:
        return f"the column {names[0]} twice"
    return f"the columns {' and '.join(names)}, each of which could be {figure}"


def _folded(text: str) -> str:
    return " ".join(text.split())
