"""Reading untrusted TOML files."""

import os
import re
from typing import Any

from cnncli.errors import ArgumentError, reason

MAX_BYTES = 1_000_000
"""Bytes of a file."""

MAX_DEPTH = 24
"""Parts of a key."""

_PART = r"""(?:[\w-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+"""
_TOO_DEEP = rf"(?<![\w-]){_PART}(?:\.[ \t]*+{_PART}){{{MAX_DEPTH}}}"


def read_toml(path: str | os.PathLike[str], kind: str) -> dict[str, Any]:
    """Return the table of a TOML file.

    Args:
        path: the file.
        kind: a name for such files, as `a configuration`, for the message.

    Raises:
        ArgumentError: it cannot be read, has more than `MAX_BYTES`, or is not TOML.
    """
    try:
        with open(path, "rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:  # a ValueError: a path with a null byte
        raise ArgumentError(f"{path}: cannot be read: {reason(error)}") from error
    if len(content) > MAX_BYTES:
        raise ArgumentError(f"{path}: {kind} has at most {MAX_BYTES:,} bytes")
    try:
        return parse_toml(content)
    except ValueError as error:  # of a number with thousands of digits a plain ValueError
        raise ArgumentError(f"{path}: cannot be read as TOML: {error}") from error


def parse_toml(content: bytes) -> dict[str, Any]:
    """Return the table of a TOML text.

    Tables deep inside one another are refused first: Python's parser takes time by the square of a key's parts, so that
    a file of 800 KB would take hours.

    Raises:
        ValueError: the text is not TOML, or keys have more than `MAX_DEPTH` parts.

    Example:
        >>> parse_toml(b"a.b = 1")
        {'a': {'b': 1}}
    """
    import tomllib

    text = content.decode()
    if text.count(".") >= MAX_DEPTH and re.search(_TOO_DEEP, text):  # 0.2 ms to compile
        raise ValueError(f"a key has at most {MAX_DEPTH} parts")
    try:
        return tomllib.loads(text)
    except RecursionError as error:
        raise ValueError("its lists or tables are nested too deeply") from error
