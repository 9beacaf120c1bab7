"""TOML texts of strangers."""

import re
from typing import Any

MAX_DEPTH = 24

_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
_TOO_DEEP = re.compile(rf"(?<![\w-]){_PART}(?:\.[ \t]*+{_PART}){{{MAX_DEPTH}}}")


def parse_toml(content: bytes) -> dict[str, Any]:
    """Return what a TOML text holds.

    Tables deep inside one another are refused first: Python's parser takes time by the square of a key's parts, so that
    a file of 800 KB would take hours.

    Raises:
        ValueError: the text is no TOML, or keys have more than `MAX_DEPTH` parts.

    Example:
        >>> parse_toml(b"a.b = 1")
        {'a': {'b': 1}}
    """
    import tomllib

    text = content.decode()
    if _TOO_DEEP.search(text):
        raise ValueError(f"a key has at most {MAX_DEPTH} parts")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("its lists or tables are too deep inside one another") from error
