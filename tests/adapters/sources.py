"""Statement sources in memory, as a file reader gives them."""

import hashlib
from collections.abc import Iterable, Iterator
from decimal import Decimal

from adapters.statement_faults import StatementFaults
from domain.message import canonical
from domain.money import half_away
from domain.vendor_statement import PlainLine, StatementLine


class Lines:
    """Lines as a file's reader gives them: in chunks, once, and complete only afterwards."""

    def __init__(
        self,
        lines: Iterable[StatementLine],
        statement_month: str = "2026-02",
        chunk: int = 500,
        stated_total_minor: int | None = None,
        faults: Iterable[str] = (),
    ) -> None:
        self.is_part = False
        self._lines, self._chunk, self._faults = list(lines), chunk, list(faults)
        self._month, self._stated = statement_month, stated_total_minor
        self.statement_month, self.digest = "", ""
        self.line_count, self.exact_total, self.rounded_total_minor = 0, Decimal(0), 0
        self.stated_total_minor: int | None = None

    def chunks(self) -> Iterator[list[PlainLine]]:
        hashed = hashlib.sha256()
        self.statement_month = self._month
        for at in range(0, len(self._lines), self._chunk):
            lines = self._lines[at : at + self._chunk]
            chunk = [line.model_dump(mode="json", exclude_none=True) for line in lines]
            hashed.update(canonical(chunk))
            self.line_count += len(lines)
            self.exact_total += sum((line.commission_minor for line in lines), Decimal(0))
            self.rounded_total_minor += sum(half_away(line.commission_minor) for line in lines)
            yield chunk
        self.stated_total_minor = self._stated
        self.digest = f"sha256:{hashed.hexdigest()}"
        if self._faults:
            raise StatementFaults("lumen.csv", self._faults)
