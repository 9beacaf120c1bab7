"""Names in the order that people expect."""

import re

_NUMBERS = re.compile(r"(\d+)")


def natural_key(name: str) -> tuple[tuple[tuple[int, int, str], ...], str]:
    """Return a key that sorts numbers in names by their value, and letters without regard to case.

    Example:
        >>> sorted(["10", "9", "b2", "B10", "a1", "a"], key=natural_key)
        ['9', '10', 'a', 'a1', 'b2', 'B10']
    """
    parts = _NUMBERS.split(name.casefold())
    key = tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)
    return key, name  # names that differ in case alone have an order too
