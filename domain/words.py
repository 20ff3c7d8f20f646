"""Words that every room says in the same way."""


def counted(number: int, thing: str) -> str:
    """``1 line``, ``2,000 lines``."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
