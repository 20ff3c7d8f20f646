"""Statement files into the log of a real server: whole or not at all, once, and with the head held for a moment."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from adapters.database import Database
from adapters.log import RECONNECTS, PostgresLog
from adapters.settings import Settings
from adapters.spooled_statement import Source
from adapters.statement_file import StatementFaults
from domain.calendar import OpenDay
from domain.message import Issued
from domain.receipt import MatchReceipt, MatchTo, ReceiveMoney
from domain.vendor import ContractVendor, VendorUnknown
from domain.vendor_statement import (
    ControlTotalWrong,
    StatementAlreadyReceived,
    StatementLine,
    VendorStatementContinued,
    VendorStatementReceived,
    VendorStatementRevised,
    VendorStatementRevisionContinued,
)
from services.commands import Commands
from services.house import House
from services.imports import FileAlreadyImported, Imported, Wanted, import_statement
from tests.adapters.proxy import Moment, Proxy
from tests.adapters.sources import Lines
from tests.database import break_connections
from tests.spec import ANN, BOB, DAY, LUMEN, actor
from tests.system.program import TOP

STREAM = "vendor-statement:lumen:2026-02"


@contextmanager
def house_at(database: Database) -> Iterator[House]:
    with House(Settings.from_environment({"TRAILBOOK_DATABASE_URL": database.url}), database) as house:
        yield house


@pytest.fixture
def house(database: Database) -> Iterator[House]:
    """A house that has contracted Lumen."""
    with house_at(database) as house:
        house.commands.open_day(DAY, actor(ANN))
        for number, command in enumerate(LUMEN):
            house.handle(Issued(f"command-{number}", actor(ANN), command))
        yield house


def lines(count: int = 1203, commission: int = 100) -> list[StatementLine]:
    return [
        StatementLine(line=n, account=f"5-{n:05}", commission_minor=Decimal(commission)) for n in range(2, count + 2)
    ]


def take(house: House, source: Source | None = None, by: str = ANN, **wanted: Any) -> Imported:
    fields = {"file_name": "lumen.csv", "vendor": "lumen", "number": "2026-02"}
    return import_statement(house, source or Lines(lines()), Wanted(**{**fields, **wanted}), actor(by))


def stated(house: House) -> list[VendorStatementReceived | VendorStatementContinued]:
    events = [recorded.event for recorded in house.log.read(0, 1000)]
    return [event for event in events if isinstance(event, VendorStatementReceived | VendorStatementContinued)]


# -- whole


def test_a_file_becomes_events_of_at_most_five_hundred_lines_with_one_effect(house: House) -> None:
    imported = take(house)

    first, *further = stated(house)
    assert isinstance(first, VendorStatementReceived)
    assert (first.line_count, first.event_count, first.control_total_minor) == (1203, 3, 120300)
    assert [len(event.lines) for event in (first, *further)] == [500, 500, 203]
    assert [line.line for event in (first, *further) for line in event.lines] == list(range(2, 1205))
    assert (imported.line_count, imported.total_minor, imported.again) == (1203, 120300, False)
    assert imported.result == house.log.result_of(imported.issued.command_id)
    assert imported.result.event_count == 3


def test_the_control_total_of_the_file_is_taken_unless_somebody_gives_one(house: House) -> None:
    assert not take(house).control_total_given
    given = take(house, Lines(lines(), "2026-03", stated_total_minor=120300), number="2026-03")
    assert given.control_total_given
    said = take(house, Lines(lines(), "2026-04"), number="2026-04", control_total_minor=120300)
    assert said.control_total_given


# -- or not at all


def test_a_file_with_faults_is_not_taken_and_every_fault_is_said(house: House) -> None:
    before = house.log.head()
    with pytest.raises(StatementFaults, match=r"(?s)lumen.csv: line 7 .*lumen.csv: line 9 "):
        take(house, Lines(lines(), faults=["line 7 is cut off", "line 9 names no account"]))
    assert house.log.head() == before


@pytest.mark.parametrize(
    ("given", "in_file"), [(120299, None), (None, 120301), (120299, 120300), (120300, 120299)], ids=str
)
def test_a_file_that_does_not_add_up_is_refused(house: House, given: int | None, in_file: int | None) -> None:
    before = house.log.head()
    with pytest.raises(ControlTotalWrong):
        take(house, Lines(lines(), stated_total_minor=in_file), control_total_minor=given)
    assert house.log.head() == before


def test_only_a_contracted_vendors_file_is_imported(house: House) -> None:
    with pytest.raises(VendorUnknown):
        take(house, vendor="att")


# -- once


def test_the_same_file_again_changes_nothing(house: House) -> None:
    first = take(house)
    again = take(house)
    assert again.again
    assert again.result == first.result
    assert len(stated(house)) == 3


def test_the_same_file_again_changes_nothing_for_whoever_remembers_nothing(house: House, database: Database) -> None:
    first = take(house)
    with house_at(database) as another:
        assert take(another).result == first.result


def test_the_same_file_under_another_number_is_refused(house: House) -> None:
    take(house)
    with pytest.raises(FileAlreadyImported, match=r"^lumen.csv is imported already, the same file counts once: "):
        take(house, number="2026-02-b")
    with pytest.raises(FileAlreadyImported):
        take(house, by=BOB)
    assert len(stated(house)) == 3


def test_the_same_file_for_another_month_or_vendor_is_taken_with_a_warning(house: House) -> None:
    take(house)
    said = (
        "the same file is imported already, and would count again: Statement 2026-02 of lumen for statement month "
        "2026-02 was received: "
    )
    other_month = take(house, Lines(lines(), statement_month="2026-03"), number="2026-03")
    house.handle(Issued("att", actor(ANN), ContractVendor(vendor="att")))
    other_vendor = take(house, vendor="att")

    assert take(house, Lines(lines(commission=101)), number="2026-02-b").warnings == ()
    (warning,) = other_month.warnings
    assert warning.startswith(said)
    assert len(other_vendor.warnings) == 2
    assert other_vendor.warnings[0].startswith(said)
    assert take(house, vendor="att").warnings == (), "the same import again counts nothing"


def test_another_file_under_the_same_number_is_refused(house: House) -> None:
    take(house)
    with pytest.raises(StatementAlreadyReceived) as refused:
        take(house, Lines(lines(commission=101)))
    assert "\n" not in str(refused.value)
    assert len(stated(house)) == 3


def test_the_same_file_by_command_and_by_import_counts_once(house: House) -> None:
    """The digest of the file is known to the statement, however its lines came."""
    imported = take(house)
    command = imported.issued.command.model_copy(update={"lines": tuple(lines())})
    assert house.handle(Issued("by-hand", actor(ANN), command)).event_count == 0


# -- revisions


def revised(house: House) -> list[VendorStatementRevised | VendorStatementRevisionContinued]:
    events = [recorded.event for recorded in house.log.read(0, 1000)]
    return [event for event in events if isinstance(event, VendorStatementRevised | VendorStatementRevisionContinued)]


def test_a_revision_carries_the_differences_only(house: House) -> None:
    take(house)
    last = lines()[-1].model_copy(update={"commission_minor": Decimal(250)})
    imported = take(house, Lines([*lines()[:-1], last]), revision=1, control_total_minor=120450)

    (event,) = revised(house)
    assert [line.commission_minor for line in event.lines] == [250]
    assert [gone.line for gone in event.withdrawn] == [1204]
    assert imported.result.event_count == 1


def test_the_next_revision_is_offered_to_whom_imports_another_file_under_the_same_number(house: House) -> None:
    take(house)
    with pytest.raises(StatementAlreadyReceived, match=r"or state it as revision 1$"):
        take(house, Lines(lines(commission=101)))
    take(house, Lines(lines(commission=101)), revision=1)
    with pytest.raises(StatementAlreadyReceived, match=r"or state it as revision 2$"):
        take(house, Lines(lines(commission=102)))


def test_the_same_revision_again_changes_nothing(house: House) -> None:
    take(house)
    first = take(house, Lines(lines(commission=101)), revision=1)
    again = take(house, Lines(lines(commission=101)), revision=1)
    assert (again.again, again.result) == (True, first.result)


def test_a_vendor_may_return_to_what_it_stated_first(house: House) -> None:
    take(house)
    take(house, Lines(lines(commission=101)), revision=1)
    back = take(house, revision=2)
    assert back.result.event_count == 5
    assert [type(event) for event in revised(house)[:5]] == [VendorStatementRevised] + 4 * [
        VendorStatementRevisionContinued
    ]
    same = take(house, revision=3)
    assert same.result.event_count == 1, "that it said the same again is a fact"


def test_a_file_is_one_statements_only_also_as_a_revision(house: House) -> None:
    take(house)
    take(house, Lines(lines(commission=101)), revision=1)
    take(house, Lines(lines(commission=102)), number="2026-02-b")
    with pytest.raises(FileAlreadyImported):
        take(house, Lines(lines(commission=101)), number="2026-02-c")
    with pytest.raises(FileAlreadyImported):
        take(house, Lines(lines(commission=101)), number="2026-02-b", revision=1)
    with pytest.raises(FileAlreadyImported):
        take(house, Lines(lines(commission=102)), revision=2)


def test_a_revision_beside_another_writer_is_compared_with_what_is_there_then(house: House, log: PostgresLog) -> None:
    take(house)
    commands = Commands(log)

    class Slow(Lines):
        def chunks(self) -> Iterator[list[dict[str, Any]]]:
            yield from super().chunks()
            commands.handle(Issued("money", actor(ANN), ReceiveMoney(receipt="R", vendor="lumen", amount_minor=100)))
            commands.handle(
                Issued("match", actor(ANN), MatchReceipt(receipt="R", statements=(MatchTo(number="2026-02"),)))
            )

    take(house, Slow(lines(commission=101)), revision=1)
    assert sum(len(event.withdrawn) for event in revised(house)) == 1203
    assert house.commands.state(STREAM).open_minor == 1203 * 101 - 100


# -- beside other writers, on a wire that breaks


def test_a_day_that_is_opened_while_the_file_is_read_is_the_statements_day(house: House, log: PostgresLog) -> None:
    """What was decided on the former day is decided again: the append met the calendar's guard."""

    class Slow(Lines):
        def chunks(self) -> Iterator[list[dict[str, Any]]]:
            yield from super().chunks()
            Commands(log).handle(Issued("tuesday", actor(BOB), OpenDay(date=date(2026, 1, 6))))

    house.commands.handle(Issued("att", actor(ANN), ContractVendor(vendor="att")))
    take(house, Slow(lines()))
    assert {event.effective_on for event in stated(house)} == {date(2026, 1, 6)}


def test_two_imports_of_one_file_at_once_have_one_effect(house: House, database: Database) -> None:
    with house_at(database) as another:

        class Late(Lines):
            def chunks(self) -> Iterator[list[dict[str, Any]]]:
                yield from super().chunks()
                results.append(take(another).result)

        results: list[Any] = []
        results.append(take(house, Late(lines())).result)
    assert results[0] == results[1]
    assert len(stated(house)) == 3


@pytest.fixture
def wire(database: Database) -> Iterator[Proxy]:
    with Proxy(database.url) as proxy:
        yield proxy


@pytest.mark.parametrize("mark", ["COMMIT", "append_staged", "COPY pg_temp"])
@pytest.mark.parametrize("moment", ["before the answer", "before it arrives"])
def test_given_an_import_that_is_cut_off_then_it_has_one_effect_and_the_caller_hears_its_result(
    house: House, database: Database, wire: Proxy, mark: str, moment: Moment
) -> None:
    with house_at(Database(wire.url, database.house)) as far:
        far.log.head()
        wire.cut(mark, moment)
        imported = take(far)
        assert wire.cuts_left == 0
    assert imported.result == house.log.result_of(imported.issued.command_id)
    assert len(stated(house)) == 3


def test_given_a_wire_that_always_breaks_then_nothing_is_recorded_and_the_next_try_succeeds(
    house: House, database: Database, wire: Proxy
) -> None:
    with house_at(Database(wire.url, database.house)) as far:
        far.log.head()
        wire.cut("append_staged", "before it arrives", times=RECONNECTS + 1)
        with pytest.raises(Exception, match="again and again"):
            take(far)
        assert stated(house) == []
        assert take(far).result.event_count == 3


def test_given_the_server_dropped_its_connections_then_the_import_goes_on(house: House, database: Database) -> None:
    class Cut(Lines):
        def chunks(self) -> Iterator[list[dict[str, Any]]]:
            yield from super().chunks()
            break_connections(database)

    assert take(house, Cut(lines())).result.event_count == 3


# -- however long


def test_a_file_four_times_as_long_takes_no_more_memory(house: House, tmp_path: Path) -> None:
    kib = []
    for number, count in ((1, 60_000), (2, 240_000)):
        path = tmp_path / f"lumen-{number}.csv"
        rows = (f"2026-0{number},Lumen,5-{line:07},{line % 397}.{line % 89:02}\n" for line in range(count))
        path.write_text("Commission Run Month,Imported Supplier Name,Supplier ID,Commission Amount\n" + "".join(rows))
        command = [sys.executable, "-m", "tests.bench.imported", house.database.url, house.database.house, "import"]
        done = subprocess.run([*command, str(path)], check=True, stdout=subprocess.PIPE, cwd=TOP, text=True)
        kib.append(json.loads(done.stdout)["kib"])
    assert kib[1] - kib[0] < 8 * 1024
