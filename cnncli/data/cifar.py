"""CIFAR-10's binary version: `data_batch_*.bin`, `test_batch.bin` and `batches.meta.txt`.

Each record is a byte with the label and 3,072 bytes of a 32x32 picture: its red plane, its green and its blue
(Alex Krizhevsky's CIFAR-10 page).
"""

import fnmatch
import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.data.arrays import ArrayParts, array_parts
from cnncli.data.datasets import Parts, Reading
from cnncli.data.naming import natural_key
from cnncli.data.streams import check_size, read_exactly, reading
from cnncli.errors import DataError

Array = NDArray[Any]

_RECORD = 1 + 3 * 32 * 32
_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def find_files(folder: str) -> dict[str, list[str]]:
    """Return the batches of a folder: `train` and `test` to paths."""
    names = sorted(os.listdir(folder), key=natural_key)
    patterns = {"train": "data_batch_*.bin", "test": "test_batch.bin"}
    found = {
        part: [os.path.join(folder, name) for name in names if fnmatch.fnmatchcase(name, pattern)]
        for part, pattern in patterns.items()
    }
    return {part: files for part, files in found.items() if files}


def matches(path: str) -> bool:
    """Whether a folder holds CIFAR-10 batches."""
    return os.path.isdir(path) and bool(find_files(path))


def open_cifar(path: str, how: Reading) -> Parts:
    """Open a folder of CIFAR-10 batches.

    Raises:
        DataError: a file is damaged, or all are too large together.
    """
    names = _class_names(os.path.join(path, "batches.meta.txt"))
    parts: ArrayParts = {}
    for part, files in find_files(path).items():
        images, labels = _read(files, how.max_bytes)
        if labels.max() >= len(names):
            raise DataError(f"{path}: label {labels.max()} where there are {len(names)} classes: {', '.join(names)}")
        parts[part] = (images, labels, part if len(files) > 1 else os.path.basename(files[0]))
    return array_parts("cifar", path, parts, how, [], class_names=names)


def _read(files: list[str], max_bytes: int) -> tuple[Array, Array]:
    sizes = [_size(path) for path in files]
    check_size(files[0], sum(sizes), sum(sizes), max_bytes, unpack=None)
    items = sum(sizes) // _RECORD
    images, labels = np.empty((items, 32, 32, 3), np.uint8), np.empty(items, np.uint8)
    start = 0
    for path, size in zip(files, sizes, strict=True):
        with reading(path), open(path, "rb") as stream:
            records = read_exactly(stream, size, path).reshape(-1, _RECORD)
        stop = start + len(records)
        labels[start:stop] = records[:, 0]
        images[start:stop] = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        start = stop
    return images, labels


def _size(path: str) -> int:
    with reading(path):
        size = os.path.getsize(path)
    if size == 0 or size % _RECORD:
        raise DataError(f"{path}: truncated or no CIFAR-10 batch: {size:,} bytes are no multiple of {_RECORD:,}")
    return size


def _class_names(path: str) -> tuple[str, ...]:
    if not os.path.exists(path):
        return _CLASSES
    with reading(path), open(path, "rb") as stream:
        text = stream.read(1 << 16).decode("utf-8", "replace")
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(set(names)) < len(names) or len(names) < 2:
        raise DataError(f"{path}: should name each class once, a line each; found {len(names)} names")
    return names
