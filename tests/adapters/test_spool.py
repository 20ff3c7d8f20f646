"""Lines on their way into the log: the same bytes, in the same events, as if a command had held them."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as chosen
from hypothesis import strategies as st

from adapters.log import PostgresLog
from adapters.spool import Spool, encode
from adapters.spooled_statement import SpooledStatement
from domain.message import Issued, canonical, state_bytes, state_with
from domain.vendor_statement import (
    BYTES_PER_EVENT,
    LineNumberedTwice,
    ReceiveStatement,
    ServiceMonthUnlikely,
    StatementLine,
    VendorStatementReceived,
)
from services.commands import Commands
from tests.adapters.sources import Lines
from tests.spec import ANN, DAY, LUMEN, actor, given

TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@chosen(JSON)
def test_the_quick_encoder_gives_the_canonical_bytes(value: Any) -> None:
    assert encode(value) == canonical(value)


@pytest.mark.parametrize(
    "text",
    ["ä€\U0001f4de", '"quoted" \\ /', "\x00\x01\x08\t\n\x0b\x0c\r\x1f", "\x7f\x80\u2028\u2029\ufeff", "Å\u0041\u030a"],
    ids=["wide", "quotes", "control", "separators", "composed"],
)
def test_the_quick_encoder_escapes_as_the_canonical_bytes_do(text: str) -> None:
    value = {text: text, "é": 1, "z": 2, "\U0001f4de": 3, "\uffff": 4}
    assert encode(value) == canonical(value)


def test_no_text_of_an_event_is_taken_for_its_empty_list() -> None:
    (event,) = given(LUMEN).when(statement([], number="lines", control_total_minor=0)).events
    house = given(LUMEN)
    house.commands.handle(Issued('"lines":[]', actor(ANN), statement([], control_total_minor=0)))
    envelope = house.log.events[-1].envelope
    lines = [line(1).model_dump(mode="json", exclude_none=True)]

    full = event.model_copy(update={"lines": (line(1),)})

    assert state_with(event, envelope, {"lines": canonical(lines)}) == state_bytes(full, envelope)
    with pytest.raises(ValueError, match="no empty list"):
        state_with(full, envelope, {"lines": b"[]"})


# -- the same bytes as from a command


def line(number: int, commission: int | str = 18748, **stated: Any) -> StatementLine:
    return StatementLine(line=number, account="5-QXTR9941", commission_minor=Decimal(commission), **stated)


def wide(number: int) -> StatementLine:
    printed = "\U0001f4de" * 120
    return line(number, "99999999.12345678", service=printed, house_code=printed)


def statement(lines: list[StatementLine], **stated: Any) -> ReceiveStatement:
    total = round(sum(one.commission_minor for one in lines))
    fields = {"vendor": "lumen", "number": "2026-02", "statement_month": "2026-02", "control_total_minor": total}
    return ReceiveStatement.model_validate({**fields, "lines": lines, **stated})


def mixed(count: int) -> list[StatementLine]:
    return [
        line(1, "0.5"),
        line(3, -7, service_month="2025-11", service='C-1/"dia" \\ \u2028 é'),
        line(4, 0, month_basis="unknown"),
        *(line(n, str(n % 7 + Decimal(n % 3) / 8), product="dia") for n in range(5, count + 2)),
    ]


@pytest.mark.parametrize(
    "lines",
    [[line(7)], mixed(499), mixed(500), mixed(501), mixed(1203), [wide(n) for n in range(1, 700)]],
    ids=["one", "499", "500", "501", "1203", "wide"],
)
@pytest.mark.parametrize("chunk", [500, 499, 7])
def test_a_file_gives_the_bytes_that_a_command_with_its_lines_gives(
    log: PostgresLog, lines: list[StatementLine], chunk: int
) -> None:
    digest = "sha256:" + "1" * 64
    command = statement(lines, file_digest=digest)
    commanded = given(LUMEN)
    commanded.commands.handle(Issued("c-1", actor(ANN), command))
    filed = Commands(log)
    filed.open_day(DAY, actor(ANN))
    for number, one in enumerate(LUMEN):
        filed.handle(Issued(f"command-{number}", actor(ANN), one))

    with Spool() as spool:
        spooled = SpooledStatement(log, spool)
        spooled.read(Lines(lines, chunk=chunk), "lumen", "2026-02", lag_months=1)
        result = filed.handle_apart(Issued("c-1", actor(ANN), command.model_copy(update={"lines": ()})), spooled)

    expected = [state_bytes(r.event, r.envelope) for r in commanded.log.events if r.envelope.command_id == "c-1"]
    stored = log.read_raw(result.first_position - 1, 1000)
    assert [bytes(row.state) for row in stored] == expected
    assert [row.version for row in stored] == list(range(1, len(expected) + 1))
    assert [row.topic for row in stored] == [
        r.event.topic for r in commanded.log.events if r.envelope.command_id == "c-1"
    ]
    assert max(map(len, expected)) <= BYTES_PER_EVENT


def test_lines_that_only_wait_in_the_log_are_passed_over_when_a_stream_is_folded(log: PostgresLog) -> None:
    commands = Commands(log)
    commands.open_day(DAY, actor(ANN))
    commands.handle(Issued("v", actor(ANN), LUMEN[0]))
    commands.handle(Issued("c-1", actor(ANN), statement([line(n) for n in range(1, 2002)])))

    loaded = log.load({"vendor-statement:lumen:2026-02": 0})
    later = log.load({"vendor-statement:lumen:2026-02": 3})

    assert [recorded.stream_version for recorded in loaded] == [1, 5]
    assert isinstance(loaded[0].event, VendorStatementReceived)
    assert [recorded.stream_version for recorded in later] == [5]


# -- what a file cannot say


def spooled(log: PostgresLog, lines: list[StatementLine]) -> None:
    with Spool() as spool:
        SpooledStatement(log, spool).read(Lines(lines, chunk=2), "lumen", "2026-02", lag_months=1)


def test_a_files_line_is_numbered_once(log: PostgresLog) -> None:
    with pytest.raises(LineNumberedTwice, match="statement 2026-02 of lumen: line 2 appears twice"):
        spooled(log, [line(1), line(2), line(2)])


def test_a_files_service_month_is_not_a_misread_date(log: PostgresLog) -> None:
    spooled(log, [line(1, service_month="2026-03")])
    with pytest.raises(ServiceMonthUnlikely, match="line 3: service month 2026-04 is more than a month after"):
        spooled(log, [line(1), line(2), line(3, service_month="2026-04")])
