"""What ``ledger`` (C++, ledger-cli.org) makes of the same postings."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from psycopg import sql

from adapters.database import Database
from tests.bench.measure import seconds


def balances_a_second(database: Database, postings: int, rounds: int) -> float | None:
    """Of how many postings a second it builds balances, the median of rounds; None where it is not installed."""
    program = shutil.which("ledger")
    if program is None:
        return None
    with tempfile.TemporaryDirectory(prefix="trailbook-bench-") as directory:
        path = Path(directory) / "journal.dat"
        written = write_journal(database, path, postings)
        command = [program, "-f", str(path), "--args-only", "balance"]
        took = sorted(seconds(lambda: subprocess.run(command, check=True, capture_output=True)) for _ in range(rounds))
    return written / took[len(took) // 2]


def write_journal(database: Database, path: Path, postings: int) -> int:
    """The first postings of the journal as ``ledger`` reads them; how many."""
    statement = sql.SQL(
        "SELECT position, account_no, effective_on, array_agg(book ORDER BY leg), "
        "array_agg(amount_minor ORDER BY leg) FROM {} GROUP BY position, account_no, effective_on, kind, currency "
        "ORDER BY position, account_no LIMIT {}"
    ).format(sql.Identifier(database.book, "journal"), sql.Literal(postings))
    written = 0
    with database.connect("reader") as connection, path.open("w") as file:
        for position, account_no, on, books, amounts in connection.execute(statement):
            written += 1
            file.write(f"{on:%Y/%m/%d} {position} {account_no}\n")
            for book, minor in zip(books, amounts, strict=True):
                sign = "-" if minor < 0 else ""
                file.write(f"    book:{book}  ${sign}{abs(minor) // 100}.{abs(minor) % 100:02d}\n")
            file.write("\n")
    return written
