"""``python -m tests.golden.releases`` freezes what is not frozen yet: each release's shares and reasons for each log.

It only ever adds files. What a release gave may have been posted and paid by somebody.
"""

from pathlib import Path

from domain.rating import RELEASES
from tests.golden import releases
from tests.golden.releases import LOGS, Rated, frozen_file, read_log


def freeze(folder: Path = releases.HERE) -> list[Path]:
    """Write the files that are missing, and name them."""
    written: list[Path] = []
    for log in LOGS:
        for number, release in RELEASES.items():
            for what, given in (("shares", Rated.shares), ("reasons", Rated.reasons)):
                path = folder / frozen_file(log, number, what).name
                if not path.exists():
                    path.write_bytes(given(Rated(read_log(log), release)))
                    written.append(path)
    return written


if __name__ == "__main__":
    for path in freeze():
        print(path.name)
