"""Access to model files: bytes that are never read whole, names and sizes that are checked, JSON of bounded size."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import SEEK_END, FileIO
from pathlib import Path
from typing import Any

from cnncli.errors import ModelError, reason
from cnncli.files.text import cleaned

MAX_JSON = 8 * 2**20
"""Bytes of JSON that are parsed at most; a model of a thousand layers has about two million."""

MAX_LISTS = 400_000
"""Lists and objects in JSON that is parsed, which cost far more than their bytes; ten thousand layers have half."""

MAX_DIMENSION = 2**40
"""The largest dimension allowed, a bound on the arithmetic with numbers from hostile files."""

MAX_RANK = 32
"""No tensor has more dimensions."""

BLOCK = 2**16
"""Bytes that are read at once."""

MAX_NAME = 200
"""Letters of a name that a row shows."""

MAX_ROWS = 10_000
"""Rows that a summary has at most."""


def named(part: object, most: int = 64) -> str:
    """Return a name out of a file as it can be printed in a line: no control characters, not endless.

    Example:
        >>> named("conv" * 40, most=12)
        'convconvc...'
    """
    text = cleaned(str(part)[: most + 1], lambda _: "?")
    return text if len(text) <= most else text[: most - 3] + "..."


def counted(count: int, noun: str) -> str:
    """Return a number of things.

    Example:
        >>> counted(1, "node"), counted(3, "node")
        ('1 node', '3 nodes')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def dimension(value: object, what: str, least: int = 0) -> int:
    """Return a dimension that a file gives, if it can be one.

    Raises:
        ModelError: it is not an integer, or less than `least`, or larger than `MAX_DIMENSION`.

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
        ModelError: it is not a list, is too long, or holds something other than dimensions.
    """
    if not isinstance(values, list | tuple) or len(values) > MAX_RANK:
        raise ModelError(f"{what} has the shape {named(values)}: it must be a list of at most {MAX_RANK} integers")
    return tuple(dimension(value, what, least) for value in values)


def parse_json(text: bytes, what: str) -> dict[str, Any]:
    """Parse a JSON object that is not larger than `MAX_JSON`.

    Raises:
        ModelError: it is larger, holds more lists than `MAX_LISTS`, is no JSON, nested too deeply, not an object, or
            holds one that has a name twice.
    """
    if len(text) > MAX_JSON:
        raise ModelError(f"{what} is larger than {MAX_JSON // 2**20} MiB")
    if text.count(b"[") + text.count(b"{") > MAX_LISTS:
        raise ModelError(f"{what} is JSON of more than {MAX_LISTS} lists and objects: too many for a model")
    try:
        found = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{what} is not JSON that can be read: {error}") from error
    if not isinstance(found, dict):
        raise ModelError(f"{what} must be a JSON object, got {named(found)}")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ModelError(f"holds {named(name)} twice")
        found[name] = value
    return found


class FileBytes:
    """The bytes of a file, read a block at a time where they are looked at.

    A memory map would do the same, but ends the process where the file becomes shorter meanwhile.
    """

    def __init__(self, file: FileIO, size: int) -> None:
        self._file, self._size = file, size
        self._start, self._block = 0, b""

    @property
    def path(self) -> Path:
        """The file's own path."""
        return Path(self._file.name)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, place: slice) -> bytes:
        start, stop, _ = place.indices(self._size)
        offset = start - self._start
        if offset < 0 or stop - self._start > len(self._block):
            self._file.seek(start)
            self._start, self._block, offset = start, self._file.read(max(BLOCK, stop - start)), 0
            if len(self._block) < stop - start:
                raise ModelError("became shorter while it was read")
        return self._block[offset : offset + max(0, stop - start)]


class Part(FileBytes):
    """Some of the bytes of a file: those of a file in an archive.

    Attributes:
        start: the place of the first one.
    """

    def __init__(self, whole: FileBytes, start: int, size: int) -> None:
        self._whole, self.start, self._size = whole, start, size

    @property
    def path(self) -> Path:
        return self._whole.path

    def __getitem__(self, place: slice) -> bytes:
        start, stop, _ = place.indices(self._size)
        return self._whole[self.start + start : self.start + stop]


Buffer = bytes | FileBytes


@contextmanager
def opened(path: Path) -> Iterator[FileBytes]:
    """Open a model file for looking into: however large its weights are, they are not read.

    Raises:
        ModelError: it is missing, not readable, not a regular file, or empty.
    """
    try:
        if path.exists() and not path.is_file():
            raise ModelError(f"a {'folder' if path.is_dir() else 'device or pipe'}, not a model file")
        with FileIO(path) as file:
            size = file.seek(0, SEEK_END)
            if not size:
                raise ModelError("an empty file")
            yield FileBytes(file, size)
    except (OSError, ValueError) as error:  # a ValueError: a name with a null character
        raise ModelError(reason(error)) from error


@contextmanager
def naming_errors(subject: object) -> Iterator[None]:
    """Put the name of a file, or of a part of it, before the messages of errors."""
    try:
        yield
    except ModelError as error:
        raise type(error)(f"{subject}: {error}") from error
