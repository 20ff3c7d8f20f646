"""Statement files into the log: read once, kept apart from their command, decided by the same rules as any statement.

Memory stays flat however long the file is, and the log's head is held only while the server moves the events into it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from adapters.spool import Spool
from adapters.spooled_statement import Source, SpooledStatement
from domain.ids import Key, VendorId, statement_stream, vendor_stream
from domain.log import CommandResult
from domain.message import Actor, Issued, Model, Refused
from domain.money import Minor, half_away, show
from domain.vendor import contracted
from domain.vendor_statement import ControlTotalWrong, ReceiveStatement
from services.commands import CommandIdReused
from services.house import House

REVISIONS_LOOKED_AT = 20
"""A file is looked for among the imports of so many revisions, the statement itself the first."""


class FileAlreadyImported(Refused):
    """The same file of a vendor counts once, whatever number it is given and whoever gives it."""


class Wanted(Model):
    """What a file is to be imported as. ``control_total_minor``: the vendor's own total, where the file has none."""

    file_name: str
    vendor: VendorId
    number: Key
    revision: Annotated[int, Field(ge=0)] = 0
    control_total_minor: Minor | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import. ``again``: the file was imported already, and nothing changed.

    ``warnings`` are worth a look: the same bytes count elsewhere too.
    """

    issued: Issued
    result: CommandResult
    line_count: int
    total_minor: int
    control_total_given: bool
    again: bool
    warnings: tuple[str, ...] = ()


def import_statement(
    house: House, source: Source, wanted: Wanted, actor: Actor, report: Callable[[], None] = lambda: None
) -> Imported:
    """Import a vendor's statement, whole or not at all; ``report`` is called now and then while the file is read.

    Raises Refused, StatementFaults, DatabaseUnavailable.
    """
    contract = contracted(house.commands.state(vendor_stream(wanted.vendor)), wanted.vendor)
    with Spool() as spool:
        spooled = SpooledStatement(house.log, spool)
        spooled.read(source, wanted.vendor, wanted.number, contract.statement_lag_months, report)
        issued = issued_for(source, wanted, contract.currency, actor)
        # revisions have ids of their own: looked for elsewhere at once, each of two would miss the other
        with house.log.one_at_a_time(_command_id(source, wanted, 0)):
            before = house.log.result_of(issued.command_id)
            check_elsewhere(house, source, wanted)
            warnings = () if before else tuple(same_file_elsewhere(house, source, wanted))
            try:
                result = house.commands.handle_apart(issued, spooled)
            except CommandIdReused:
                raise FileAlreadyImported(imported_before(house, wanted, before)) from None
    house.tell(issued, result)
    given = wanted.control_total_minor is not None or source.stated_total_minor is not None
    total_minor = half_away(source.exact_total)
    return Imported(issued, result, source.line_count, total_minor, given, before is not None, warnings)


def issued_for(source: Source, wanted: Wanted, currency: str, actor: Actor) -> Issued:
    """One command id for one file of a vendor and each of its revisions: given again it has no further effect."""
    command = ReceiveStatement(
        vendor=wanted.vendor,
        number=wanted.number,
        revision=wanted.revision,
        statement_month=source.statement_month,
        currency=currency,
        control_total_minor=_control_total(source, wanted, currency),
        file_digest=source.digest,
    )
    return Issued(_command_id(source, wanted, wanted.revision), actor, command)


def _command_id(source: Source, wanted: Wanted, revision: int) -> str:
    name = f"import-{wanted.vendor}-{source.statement_month}-{source.digest[7:23]}"
    return f"{name}-r{revision}" if revision else name


def check_elsewhere(house: House, source: Source, wanted: Wanted) -> None:
    """Raises FileAlreadyImported where the file is another statement's, or a revision of one, already."""
    ours = statement_stream(wanted.vendor, wanted.number)
    for revision in range(REVISIONS_LOOKED_AT):
        found = house.log.result_of(_command_id(source, wanted, revision))
        if found is not None and found.first_position:
            (recorded,) = house.log.read(found.first_position - 1, 1)
            if recorded.stream_id != ours:
                raise FileAlreadyImported(imported_before(house, wanted, found))


def same_file_elsewhere(house: House, source: Source, wanted: Wanted) -> list[str]:
    """What the very same bytes were imported as before, for another month or another vendor.

    It is no reason to refuse: a vendor that names no month in its file may send the same one twice, and mean it.
    """
    if source.is_part:
        return []
    ours = f"import-{wanted.vendor}-{source.statement_month}-"
    others = [one for one in house.log.imports_of(source.digest[7:23]) if not one.command_id.startswith(ours)]
    if not others:
        return []
    queries = house.queries()
    told = [queries.audit_of_position(other.first_position) for other in others]
    return [f"the same file is imported already, and would count again: {sentence}" for sentence in told]


def _control_total(source: Source, wanted: Wanted, currency: str) -> int:
    """What the vendor says, in the file or beside it; else the sum of the lines. Raises ControlTotalWrong."""
    in_file, given = source.stated_total_minor, wanted.control_total_minor
    if in_file is not None and given is not None and in_file != given:
        raise ControlTotalWrong(
            f"{wanted.file_name} says that its total is {show(in_file, currency)} {currency}, but "
            f"{show(given, currency)} was given; ask {wanted.vendor} which of them it owes"
        )
    stated = in_file if given is None else given
    return half_away(source.exact_total) if stated is None else stated


def imported_before(house: House, wanted: Wanted, before: CommandResult | None) -> str:
    earlier = house.queries().audit_of_position(before.first_position) if before else ""
    return f"{wanted.file_name} is imported already, the same file counts once: {earlier}"
