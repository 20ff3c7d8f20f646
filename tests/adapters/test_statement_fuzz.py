"""Whatever bytes come: a statement that the model would accept, or faults with their lines; nothing else comes out."""

import csv
import hashlib
import io
import tempfile
import tracemalloc
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from adapters import statement_values
from adapters.faults import FileFault
from adapters.statement_faults import StatementFaults
from adapters.statement_file import open_statement
from adapters.statement_mapping import PUBLISHED, FileMapping, read_mapping
from domain.money import half_away
from domain.vendor_statement import StatementLine
from tests.adapters.workbooks import workbook

MAPPINGS = sorted((Path(__file__).parent / "mappings").glob("*.yaml"))
FIELDS = (
    "account", "service", "product", "charge_kind", "line_type", "billed", "net_billed", "commissionable",
    "claimed_rate", "commission", "service_month", "house_code",
)  # fmt: skip
EVERY_FIELD = FileMapping.model_validate({"columns": {name: name for name in FIELDS}, "amounts": "minor"})
CHUNK = 500
ordinary = settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))


@contextmanager
def file(content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "fuzz.csv"
        path.write_bytes(content)
        yield path


def read(content: bytes, mapping: FileMapping) -> tuple[list[dict[str, Any]], list[str]]:
    """The lines, and the faults. What it says of the whole must be so of its lines."""
    month = None if mapping.columns.statement_month else "2026-02"
    with file(content) as path:
        source = open_statement(path, mapping, "USD", month)
        lines: list[dict[str, Any]] = []
        faults: list[str] = []
        try:
            for chunk in source.chunks():
                assert 0 < len(chunk) <= CHUNK
                lines += chunk
        except StatementFaults as refused:
            faults = refused.faults
            assert faults
            assert all(str(fault).isprintable() for fault in faults)
    models = [StatementLine.model_validate(line) for line in lines]
    assert [model.model_dump(mode="json", exclude_none=True) for model in models] == lines
    numbers = [line["line"] for line in lines]
    assert numbers == sorted(set(numbers))
    assert source.line_count == len(lines)
    assert source.exact_total == sum((model.commission_minor for model in models), Decimal(0))
    assert source.rounded_total_minor == sum(half_away(model.commission_minor) for model in models)
    return lines, faults


# -- the reader and the model


words = st.text(st.characters(codec="utf-8"), max_size=12)
figures = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=3).map(str),
    st.integers(-(10**15), 10**15).map(str),
    st.from_regex(r"\A-?[0-9]{1,18}(\.[0-9]{0,14})?\Z"),
    words,
)
lines_of_a_file = st.fixed_dictionaries(
    {
        "account": st.one_of(words, st.from_regex(r"\A[ 0-9A-Z-]{1,30}\Z"), st.text("A9 ", min_size=118, max_size=124)),
        "commission": figures,
    },
    optional={
        "service": words,
        "product": st.sampled_from(["dia", "SD-WAN", "sd-wan", "x" * 81]) | words,
        "charge_kind": st.sampled_from(["usage", "recurring", "mrc", " spiff "]),
        "line_type": st.sampled_from(["original", "chargeback", "CB"]),
        "billed": figures,
        "net_billed": figures,
        "commissionable": figures,
        "claimed_rate": st.sampled_from(["15%", "0.150", "1e-3", "-0", "15 %", "NaN", "1E+30", "0x1"]) | figures,
        "house_code": words,
    },
)


@ordinary
@given(lines_of_a_file)
def test_the_reader_gives_what_the_model_would_dump_and_refuses_what_it_refuses(cells: dict[str, str]) -> None:
    """Cells are given to the model as they are; the reader strips them, takes a blank for not stated, and is the
    stricter one with figures (no exponent), spoilt numbers and totals.
    """
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(FIELDS)
    writer.writerow([cells.get(name, "") for name in FIELDS])

    lines, faults = read(out.getvalue().encode(), EVERY_FIELD)

    amounts = ("billed", "net_billed", "commissionable", "commission")
    stated = {name: text.strip() for name, text in cells.items() if text.strip()}
    fields: dict[str, Any] = {f"{n}_minor" if n in amounts else n: text for n, text in stated.items()}
    try:
        model = StatementLine.model_validate({"line": 2, **fields})
    except ValidationError:
        # what only the reader can read: thousands signs and the like are not in these figures, but brackets might be
        assume(not any(sign in "".join(cells.get(name, "") for name in amounts) for sign in "(),$€£−"))
        assert faults or not lines
        return
    if lines:
        assert lines == [model.model_dump(mode="json", exclude_none=True)]
    else:
        assert faults
        assert all(fault.startswith("line 2") for fault in faults)


@ordinary
@given(st.integers(-(10**11), 10**11), st.sampled_from(["", "$", "US$", "USD "]), st.booleans())
def test_every_usual_way_to_write_an_amount_is_exact(cents: int, sign: str, brackets: bool) -> None:
    units, rest = divmod(abs(cents), 100)
    figure = f"{sign}{units:,}.{rest:02d}"
    text = figure if cents >= 0 else f"({figure})" if brackets else f"-{figure}"
    content = f'Commission Run Month,Imported Supplier Name,Supplier ID,Commission Amount\n2026-02,L,A,"{text}"\n'

    lines, _ = read(content.encode(), PUBLISHED)

    assert [line["commission_minor"] for line in lines] == [cents]


# -- bytes


GOOD = (
    b"Commission Run Month,Imported Supplier Name,Supplier ID,Commission Amount\n"
    b'2026-02,Lumen,5-QXTR9941,187.48\n2026-02,Lumen,"0047\n2291",(12.30)\n2026-02,Lumen,A,"1,000.004"\n'
)
OLD = (
    "Lumen Technologies – Commission\n\nSupplier|Statement Date|Customer|Acct No|Billing Telephone Number|Circuit ID|"
    "Product|Category|Type|Usage Period|Net Billed|Rate|Comm Amt\n"
    "Lumen|2/3/2026|Café Été|4711|||Dedicated Internet|MRC|COM|1/1/2026|$1,250.00|15%|$187.50\n"
    "||Grand Total||||||||||187.50\n"
).encode("cp1252")


def mutated(draw: st.DrawFn, content: bytes) -> bytes:
    """Some bytes replaced, put in, taken out, doubled; perhaps cut off."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        end = min(len(data), at + draw(st.integers(0, 12)))
        part = draw(
            st.binary(max_size=6) | st.sampled_from([b'"', b"\n", b",", b"\0", b"\r", b"(", b"9" * 30, b"\xe9"])
        )
        data[at:end] = part + bytes(data[at:end]) * draw(st.integers(0, 2))
    return bytes(data)


@st.composite
def mutations(draw: st.DrawFn, *contents: bytes) -> bytes:
    return mutated(draw, draw(st.sampled_from(contents)))


@ordinary
@given(mutations(GOOD, OLD), st.sampled_from([PUBLISHED, *map(read_mapping, MAPPINGS)]))
def test_a_damaged_text_file_gives_true_lines_or_faults(content: bytes, mapping: FileMapping) -> None:
    read(content, mapping)


@ordinary
@given(
    st.binary(max_size=300), st.sampled_from(["", "utf-8", "utf-16", "utf-16-le", "cp1252", "utf-7", "gb18030", "idna"])
)
def test_any_bytes_give_true_lines_or_faults(content: bytes, encoding: str) -> None:
    read(content, FileMapping.model_validate({**PUBLISHED.model_dump(), "encoding": encoding or None}))


def some_workbook() -> bytes:
    header = ("Commission Run Month", "Imported Supplier Name", "Supplier ID", "Commission Amount")
    rows = [header, ("2026-02", "Lumen", "5-QX", 187.48), ("2026-02", "Lumen", 4711, "($5.00)")]
    with tempfile.TemporaryDirectory() as folder:
        return workbook(Path(folder) / "x.xlsx", {"A": rows, "B": []}).read_bytes()


WORKBOOK = some_workbook()


@settings(ordinary, max_examples=200)
@given(mutations(WORKBOOK))
def test_a_damaged_workbook_gives_true_lines_or_faults(content: bytes) -> None:
    read(content, FileMapping.model_validate({**PUBLISHED.model_dump(), "tabs": "all"}))


@settings(ordinary, max_examples=150)
@given(st.data())
def test_a_workbook_whose_parts_are_damaged_gives_true_lines_or_faults(data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(WORKBOOK)) as book:
        parts = {name: book.read(name) for name in book.namelist()}
    part = data.draw(st.sampled_from(["xl/workbook.xml", "xl/_rels/workbook.xml.rels", "xl/worksheets/sheet1.xml"]))
    parts[part] = data.draw(mutations(parts[part]))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as book:
        for name, content in parts.items():
            book.writestr(name, content)

    read(out.getvalue(), PUBLISHED)


@ordinary
@given(mutations(*(path.read_bytes() for path in MAPPINGS)))
def test_a_damaged_mapping_is_a_mapping_or_a_fault(content: bytes) -> None:
    with file(content) as path:
        try:
            mapping = read_mapping(path)
        except (StatementFaults, FileFault):
            return
    read(OLD, mapping)


# -- what machines do


def test_a_line_of_a_hundred_megabytes_is_one_fault_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "lumen.csv"
    with path.open("wb") as long:
        long.write(GOOD)
        for _ in range(100):
            long.write(b"x" * (1 << 20))
    tracemalloc.start()
    with pytest.raises(StatementFaults) as refused:
        list(open_statement(path, PUBLISHED, "USD").chunks())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert refused.value.faults == [
        "line 6 has no end within 1,048,576 bytes; it is no list of lines, or it is damaged"
    ]
    assert peak < 20 << 20


def test_a_quoted_field_that_never_ends_is_one_fault(tmp_path: Path) -> None:
    (tmp_path / "lumen.csv").write_bytes(GOOD + b'2026-02,"Lumen,A,1\n' + b"2026-02,Lumen,A,1\n" * 20_000)
    with pytest.raises(StatementFaults) as refused:
        list(open_statement(tmp_path / "lumen.csv", PUBLISHED, "USD").chunks())

    assert refused.value.faults == [
        "line 6 is not CSV: field larger than field limit (131072); the file may be cut off"
    ]


def test_memory_is_flat_however_many_lines_and_faults_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement_values, "REMEMBERED", 5_000)

    def peak(count: int) -> int:
        path = tmp_path / f"{count}.csv"
        with path.open("w") as long:
            long.write(GOOD.decode())
            for number in range(count):
                long.write(f"2026-02,Lumen,A-{number},{number % 900}.{number % 89 + 10}\n2026-02,Lumen,B-{number},x\n")
        tracemalloc.start()
        with pytest.raises(StatementFaults) as refused:
            for _ in open_statement(path, PUBLISHED, "USD").chunks():
                pass
        assert (len(refused.value.faults), refused.value.more) == (1_000, count - 1_000)
        _, used = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return used

    peak(2_000)
    assert peak(60_000) < peak(20_000) * 1.15


def test_what_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StatementFaults, match=r"cannot be read: Is a directory; check the path$"):
        list(open_statement(tmp_path, PUBLISHED, "USD").chunks())
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    with pytest.raises(StatementFaults, match=r"cannot be read: Too many levels of symbolic links; check the path$"):
        list(open_statement(tmp_path / "loop.csv", PUBLISHED, "USD").chunks())


def test_the_digest_is_of_the_bytes_that_were_read_once(tmp_path: Path) -> None:
    """A file that grows while it is read: what was read is what is counted and digested."""
    path = tmp_path / "lumen.csv"
    rows = b"2026-02,Lumen,A,1.00\n" * 20_000
    path.write_bytes(GOOD + rows)
    source = open_statement(path, PUBLISHED, "USD")
    chunks = source.chunks()
    next(chunks)
    with path.open("ab") as more:
        more.write(b"2026-02,Lumen,A,5.00\n")
    count = CHUNK + sum(map(len, chunks))

    assert count == source.line_count == 20_004
    assert source.digest == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
