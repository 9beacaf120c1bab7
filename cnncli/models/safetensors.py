"""Named arrays and texts in a safetensors file, written whole or not at all.

The format is https://github.com/huggingface/safetensors, whose library reads these files. It does not write them: it
puts texts in a random order, and the same training has to give the same bytes.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ModelError
from cnncli.files.temporary import open_whole
from cnncli.formats.files import Buffer, named, naming_errors, opened
from cnncli.formats.reading import check_is_trained
from cnncli.formats.safetensors import Array as Entry
from cnncli.formats.safetensors import SafetensorsHeader, read_header

DTYPES = {"F64": "<f8", "I64": "<i8", "F32": "<f4", "U8": "|u1"}  # types of numbers that are written and read
_WORDS = {np.dtype(dtype): word for word, dtype in DTYPES.items()}
_METADATA = "__metadata__"


def write_tensors(path: str | os.PathLike[str], arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> None:
    """Write arrays and texts; the file gets its name when it is complete and on the disk.

    The same arrays and texts give the same bytes.

    Raises:
        ModelError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_tensors(f"{folder}/a.safetensors", {"x": np.ones(2, np.float32)}, {"title": "two ones"})
        ...     read_tensors(f"{folder}/a.safetensors")
        ({'x': array([1., 1.], dtype=float32)}, {'title': 'two ones'})
    """
    # The widest numbers come first, so that all of them are aligned.
    ordered = {name: _plain(arrays[name]) for name in sorted(arrays, key=lambda name: (-arrays[name].itemsize, name))}
    with open_whole(path, ModelError) as file:
        file.write(_header(ordered, metadata))
        for array in ordered.values():
            file.write(array.data.cast("B") if array.size else b"")
        file.flush()
        os.fsync(file.fileno())


def _plain(array: Array) -> Array:
    """Return an array that shares the bytes of the file."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).reshape(array.shape)


def _header(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    entries: dict[str, Any] = {_METADATA: dict(sorted(metadata.items()))}
    start = 0
    for name, array in arrays.items():
        stop = start + array.nbytes
        entries[name] = {"dtype": _WORDS[array.dtype], "shape": array.shape, "data_offsets": (start, stop)}
        start = stop
    text = json.dumps(entries, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def read_tensors(path: str | os.PathLike[str]) -> tuple[dict[str, Array], dict[str, str]]:
    """Read the arrays and texts of a file; run no code in it, and allocate no more memory than it holds data.

    Raises:
        ModelError: it is missing, damaged, cut short, or holds arrays of other types.
    """
    with naming_errors(path), opened(Path(path)) as buffer:
        check_is_trained(buffer, Path(path).suffix)
        header = read_header(buffer)
        offset = 8 + int.from_bytes(buffer[:8], "little")
        _check_cover(header, len(buffer) - offset)
        try:
            return {array.name: _copy(buffer, offset, array) for array in header.arrays}, header.metadata
        except MemoryError as error:
            raise ModelError("does not fit into memory") from error


def _copy(buffer: Buffer, offset: int, array: Entry) -> Array:
    dtype = np.dtype(DTYPES[array.dtype])
    start = offset + array.start
    numbers = np.frombuffer(buffer[start : start + array.size * dtype.itemsize], dtype)
    return numbers.astype(dtype.newbyteorder("=")).reshape(array.shape)


def _check_cover(header: SafetensorsHeader, room: int) -> None:
    """Check that the arrays fill the file without gaps and without sharing bytes, as the format requires."""
    place = 0
    for array in sorted(header.arrays, key=lambda array: (array.start, array.size)):
        if array.dtype not in DTYPES:
            raise ModelError(f"the array {named(array.name)} is of type {array.dtype}, which cnncli does not write")
        if array.start != place:
            raise ModelError(f"the array {named(array.name)} starts at byte {array.start}, expected {place}")
        place += array.size * np.dtype(DTYPES[array.dtype]).itemsize
    if place != room:
        raise ModelError(f"holds {room} bytes of numbers, its header claims {place}: damaged")
