"""NumPy's `.npz`: `x` and `y`, or Keras's `x_train, y_train, x_test, y_test` (and `x_val, y_val`).

Nothing that is read can run code: arrays of objects, which NumPy would unpickle, are refused.
"""

import ast
import os
import zipfile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.errors import DataError
from cnncli.training.datasets.arrays import ArrayParts, array_parts
from cnncli.training.datasets.base import Parts, Reading
from cnncli.training.datasets.streams import check_size, read_exactly, reading

Array = NDArray[Any]

_PARTS = {"train": ("", "_train"), "validation": ("_val", "_valid"), "test": ("_test",)}
_HEADER_LIMIT = 1 << 14


def matches(path: str) -> bool:
    """Whether a file is named as an `.npz`."""
    return os.path.isfile(path) and path.lower().endswith(".npz")


def open_npz(path: str, how: Reading) -> Parts:
    """Open an `.npz` file.

    Raises:
        DataError: arrays are missing, damaged, too large, or of objects.
    """
    with reading(path), _open_zip(path) as archive:
        found = {name.removesuffix(".npy"): archive.getinfo(name) for name in archive.namelist()}
        parts: ArrayParts = {}
        for part, endings in _PARTS.items():
            for ending in endings:
                x, y = f"x{ending}", f"y{ending}"
                if x in found and y in found and part not in parts:
                    images = _read_member(archive, found[x], path, how.max_bytes)
                    parts[part] = (images, _read_member(archive, found[y], path, how.max_bytes), f"{path}:{x}")
        if not parts:
            names = ", ".join(sorted(found)[:10]) or "nothing"
            raise DataError(f"{path}: should hold x and y, or x_train, y_train, x_test and y_test; found {names}")
    return array_parts("npz", path, parts, how, [])


def _open_zip(path: str) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is no .npz file, or a damaged one: {' '.join(str(error).split())}") from error


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: str, max_bytes: int) -> Array:
    name = f"{path}:{member.filename.removesuffix('.npy')}"
    try:
        with archive.open(member) as stream:
            shape, fortran, dtype = _read_header(stream, name)
            size = dtype.itemsize
            for length in shape:
                size *= length
            packed = member.compress_type != zipfile.ZIP_STORED
            check_size(name, size, min(member.compress_size, os.path.getsize(path)), max_bytes, packed=packed)
            numbers = read_exactly(stream, size, name).view(dtype)
            stream.read(1)  # at its end the archive checks its sum
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError) as error:
        raise DataError(f"{name}: cannot be read: {' '.join(str(error).split())}") from error
    return numbers.reshape(shape[::-1]).T if fortran else numbers.reshape(shape)


def _read_header(stream: Any, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the beginning of an array, never more than 16 KB of it.

    NumPy's own reader would first read a header of up to 4 GB, and then say that it is too long.

    Raises:
        DataError: there is no header, or one of no array of numbers.
    """
    start = stream.read(8)
    if start[:6] != b"\x93NUMPY" or start[6:7] not in (b"\1", b"\2", b"\3"):
        raise DataError(f"{name}: is no array")
    width = 2 if start[6] == 1 else 4
    count = stream.read(width)
    length = int.from_bytes(count, "little")
    if length > _HEADER_LIMIT:
        raise DataError(f"{name}: is damaged: a header of {length:,} bytes")
    shape, fortran, dtype = _parse_header(stream.read(length), name)
    if dtype.hasobject:
        raise DataError(f"{name}: holds Python objects, which are never loaded; save numbers")
    return shape, fortran, dtype


def _parse_header(header: bytes, name: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the dictionary of literals that a header is."""
    try:
        fields = ast.literal_eval(header.decode("utf-8").strip())
        shape, dtype = fields["shape"], np.lib.format.descr_to_dtype(fields["descr"])
        if type(shape) is tuple and all(type(length) is int and length >= 0 for length in shape):
            return shape, fields["fortran_order"] is True, dtype
        reason = f"a shape of {shape!r}"
    except Exception as error:  # over broken text, Python's parser and NumPy's types raise errors of every class
        reason = " ".join(str(error).split()) or type(error).__name__
    raise DataError(f"{name}: is damaged: {reason}")
