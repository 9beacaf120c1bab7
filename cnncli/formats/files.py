"""Model files as bytes that are looked at with care: mapped, never read whole; JSON of bounded size."""

import json
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cnncli.errors import ModelError

MAX_JSON = 8 * 2**20
"""Bytes of JSON that are parsed at most; a model of a thousand layers has about two million."""

MAX_DIMENSION = 2**40
"""No dimension is larger: it bounds the arithmetic on what hostile files claim."""

MAX_RANK = 32

MAX_ROWS = 10_000
"""Rows that a summary has at most."""


def named(part: object) -> str:
    """Return a name out of a file as it can be printed in a line: no control characters, not endless.

    Example:
        >>> named("conv" * 40)
        'convconvconvconvconvconvconvconvconvconvconvconvconvconvconv...'
    """
    text = "".join(letter if letter.isprintable() else "?" for letter in str(part)[:64])
    return text if len(text) < 64 else text[:60] + "..."


def dimension(value: object, what: str, least: int = 0) -> int:
    """Return a dimension that a file gives, if it can be one.

    Raises:
        ModelError: it is no integer, or less than `least`, or larger than `MAX_DIMENSION`.

    Example:
        >>> dimension(-3, "the input")
        Traceback (most recent call last):
        ...
        cnncli.errors.ModelError: the input has a dimension of -3: it must be an integer from 0 to 1099511627776
    """
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= MAX_DIMENSION:
        return value
    raise ModelError(f"{what} has a dimension of {named(value)}: it must be an integer from {least} to {MAX_DIMENSION}")


def dimensions(values: object, what: str, least: int = 0) -> tuple[int, ...]:
    """Return a list of dimensions that a file gives.

    Raises:
        ModelError: it is no list, too long, or holds what is no dimension.
    """
    if not isinstance(values, list | tuple) or len(values) > MAX_RANK:
        raise ModelError(f"{what} has the shape {named(values)}: it must be a list of at most {MAX_RANK} integers")
    return tuple(dimension(value, what, least) for value in values)


def parse_json(text: bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object that is not larger than `MAX_JSON`.

    Raises:
        ModelError: it is larger, no JSON, nested too deeply, or not an object.
    """
    if len(text) > MAX_JSON:
        raise ModelError(f"{what} is larger than {MAX_JSON // 2**20} MiB")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{what} is not JSON that can be read: {error}") from error
    if not isinstance(found, dict):
        raise ModelError(f"{what} must be a JSON object, got {named(found)}")
    return found


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """Map a file into memory: only what is looked at is read, however large its weights are.

    Raises:
        ModelError: it is missing, not readable, not a regular file, or empty.
    """
    if path.exists() and not path.is_file():
        raise ModelError(f"{path} is a {'folder' if path.is_dir() else 'device or pipe'}, not a model file")
    try:
        file = path.open("rb")
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    with file:
        if not path.stat().st_size:
            raise ModelError(f"{path} is empty")
        try:
            mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as error:
            raise ModelError(f"{path}: {error.strerror or error}") from error
        with mapping:
            yield mapping


@contextmanager
def said_of(subject: object) -> Iterator[None]:
    """Put the name of a file, or of a part of it, before what is said of it."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{subject}: {error}") from error
