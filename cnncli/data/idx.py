"""MNIST's IDX files: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte` and the test set's `t10k-*`, or gzipped.

The format (Yann LeCun's MNIST page): two zero bytes, a type, the number of axes, the length of each axis as a
big-endian 32-bit integer, and the numbers, big-endian, last axis fastest.
"""

import gzip
import os
import re
from contextlib import nullcontext
from math import prod
from typing import Any, BinaryIO

import numpy as np

from cnncli.arrays import Array
from cnncli.data.arrays import LabelledArrays, array_parts, check_size, one_line_errors, read_exactly
from cnncli.data.parts import Parts
from cnncli.data.pictures import Reading
from cnncli.errors import DataError

_DTYPES = {8: ">u1", 9: ">i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}
_GZIP = b"\x1f\x8b"
_NAME = re.compile(r"(?:^|-)(train|t10k|test)-(images|labels)[-.]idx\d-ubyte(?:\.gz)?$")


def read_idx(path: str, max_bytes: int = 2 << 30) -> Array:
    """Read the array of an IDX file, plain or gzipped.

    Raises:
        DataError: it is not one, is damaged or truncated, or is larger than `max_bytes`.
    """
    with one_line_errors(path), open(path, "rb") as raw:
        packed = raw.read(2) == _GZIP
        raw.seek(0)
        stored = os.fstat(raw.fileno()).st_size
        with gzip.open(raw) if packed else nullcontext(raw) as stream:
            return _read(stream, path, stored, max_bytes, packed=packed)


def _read(stream: BinaryIO | Any, name: str, stored: int, max_bytes: int, *, packed: bool) -> Array:
    start = stream.read(4)
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _DTYPES or not 1 <= start[3] <= 4:
        raise DataError(f"{name}: is not an IDX file: it begins with {start.hex(' ') or 'nothing'}")
    dtype = np.dtype(_DTYPES[start[2]])
    shape = tuple(read_exactly(stream, 4 * start[3], name).view(">u4").tolist())
    size = dtype.itemsize * prod(shape)
    check_size(name, size, stored, max_bytes, unpack="gunzip" if packed else None)
    numbers = read_exactly(stream, size, name)
    if stream.read(1):
        raise DataError(f"{name}: goes on after the {size:,} bytes that its header claims")
    return numbers.view(dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def find_files(folder: str) -> dict[str, dict[str, str]]:
    """Return the IDX files of a folder: part (`train` or `test`) to `images` and `labels` to path.

    A plain file is preferred to its gzipped copy.
    """
    found: dict[str, dict[str, str]] = {}
    for name in sorted(os.listdir(folder), reverse=True):  # x.gz before x
        match = _NAME.search(name)
        if match:
            part = "train" if match[1] == "train" else "test"
            found.setdefault(part, {})[match[2]] = os.path.join(folder, name)
    return found


def open_idx(path: str, reading: Reading) -> Parts:
    """Open a folder of IDX files."""
    parts = {}
    for part, files in find_files(path).items():
        for kind in ("images", "labels"):
            if kind not in files:
                other = next(iter(files.values()))
                raise DataError(f"{path}: {os.path.basename(other)} is there, its {kind} are not")
        images, labels = (read_idx(files[kind], reading.max_bytes) for kind in ("images", "labels"))
        parts[part] = LabelledArrays(images, labels, os.path.basename(files["images"]))
    return array_parts(path, parts, reading)
