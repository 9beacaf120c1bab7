"""Arrays with names out of files of other programs, read one at a time."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ModelError
from cnncli.formats.files import FileBytes, named, opened
from cnncli.formats.reading import recognise
from cnncli.formats.safetensors import Array as Entry
from cnncli.formats.safetensors import read_header
from cnncli.shapes import Shape


class StoredArray(NamedTuple):
    """An array of a file.

    Attributes:
        shape: its dimensions.
        read: returns its numbers as float32; raises a ModelError where they are of a type that weights do not have.
    """

    shape: Shape
    read: Callable[[], Array]


class StoredArrays(NamedTuple):
    """The arrays of a file, readable while it is open.

    Attributes:
        arrays: by name, each name ending in a role as ours do (`conv1.weight`), in the order of layers if the file has
            one.
        metadata: its texts.
        axes: whose order of axes they have: "torch" or "keras".
    """

    arrays: Mapping[str, StoredArray]
    metadata: Mapping[str, str] = {}
    axes: str = "torch"


READERS = {
    ".safetensors": "arrays:safetensors_arrays",
    ".pth": "pickles:pickled_arrays",
    ".keras": "keras:keras_arrays",
    ".h5": "keras:keras_arrays",
}
"""For each kind of file, by one of its suffixes: the module here and the function in it that opens a file."""


def open_arrays(path: Path) -> AbstractContextManager[StoredArrays]:
    """Open the arrays of a file, by the kind that its content shows.

    Raises:
        ModelError: it is missing, damaged, or not of a kind that holds weights.
    """
    with opened(path) as buffer:
        kind = recognise(buffer, path.suffix)
    reader = next((READERS[suffix] for suffix in kind.suffixes if suffix in READERS), None) if kind else None
    if reader is None:
        if kind and ".onnx" in kind.suffixes:
            raise ModelError("an ONNX model, which says its network itself: give it without a name before it")
        raise ModelError(f"{kind.what if kind else 'not a model file'}: weights are read from {', '.join(READERS)}")
    module, function = reader.split(":")
    opening: Callable[[Path], AbstractContextManager[StoredArrays]]
    opening = getattr(import_module(f"cnncli.models.importing.{module}"), function)
    return opening(path)


@contextmanager
def safetensors_arrays(path: Path) -> Iterator[StoredArrays]:
    """Open a safetensors file.

    Its arrays stand in the order of their names, numbers by their value: the file's own order says nothing of layers.
    """
    with opened(path) as buffer:
        header = read_header(buffer)
        offset = 8 + int.from_bytes(buffer[:8], "little")
        entries = sorted(header.arrays, key=lambda entry: natural(entry.name))
        yield StoredArrays(
            {entry.name: StoredArray(entry.shape, _reader(buffer, offset, entry)) for entry in entries}, header.metadata
        )


def natural(name: str) -> list[tuple[int, str]]:
    """Return what sorts `layer2` before `layer10`.

    Example:
        >>> sorted(["layer10.a", "layer2.b", "conv"], key=natural)
        ['conv', 'layer2.b', 'layer10.a']
    """
    parts = re.split(r"([0-9]+)", name)
    parts[1::2] = (digits.lstrip("0") for digits in parts[1::2])  # no int: names may have more digits than it takes
    return [(len(part), part) if place % 2 else (-1, part) for place, part in enumerate(parts)]


def _reader(buffer: FileBytes, offset: int, entry: Entry) -> Callable[[], Array]:
    return lambda: _numbers(buffer, offset + entry.start, entry)


def _numbers(buffer: FileBytes, start: int, entry: Entry) -> Array:
    stored = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}.get(entry.dtype)
    if stored is None:
        raise ModelError(f"the array {named(entry.name)} is of type {entry.dtype}: weights are floating point")
    dtype = np.dtype(stored)
    found = np.frombuffer(buffer[start : start + entry.size * dtype.itemsize], dtype)
    if entry.dtype == "BF16":  # the upper half of a float32
        found = (found.astype(np.uint32) << 16).view(np.float32)
    with np.errstate(over="ignore"):  # an infinity is found later
        return found.astype(np.float32, copy=False).reshape(entry.shape)
