"""CIFAR-10's binary version: `data_batch_*.bin`, `test_batch.bin` and `batches.meta.txt`.

Each record is a byte with the label and 3,072 bytes of a 32x32 picture: its red plane, its green and its blue
(Alex Krizhevsky's CIFAR-10 page).
"""

import fnmatch
import os

import numpy as np

from cnncli.arrays import Array
from cnncli.data.arrays import LabelledArrays, array_parts, check_size, one_line_errors, read_exactly
from cnncli.data.listing import natural_key
from cnncli.data.parts import Parts
from cnncli.data.pictures import Reading
from cnncli.errors import DataError

_RECORD = 1 + 3 * 32 * 32
_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_PATTERNS = {"train": "data_batch_*.bin", "test": "test_batch.bin"}


def find_files(folder: str) -> dict[str, list[str]]:
    """Return the batches of a folder: `train` and `test` to paths."""
    names = sorted(os.listdir(folder), key=natural_key)
    found = {part: fnmatch.filter(names, pattern) for part, pattern in _PATTERNS.items()}
    return {part: [os.path.join(folder, name) for name in files] for part, files in found.items() if files}


def open_cifar(path: str, reading: Reading) -> Parts:
    """Open a folder of CIFAR-10 batches."""
    names = _class_names(os.path.join(path, "batches.meta.txt"))
    parts = {}
    for part, files in find_files(path).items():
        images, labels = _read(files, reading.max_bytes)
        if labels.max() >= len(names):
            raise DataError(f"{path}: label {labels.max()} where there are {len(names)} classes: {', '.join(names)}")
        parts[part] = LabelledArrays(images, labels, part if len(files) > 1 else os.path.basename(files[0]))
    return array_parts(path, parts, reading, class_names=names)


def _read(files: list[str], max_bytes: int) -> tuple[Array, Array]:
    sizes = [_size(path) for path in files]
    check_size(files[0], sum(sizes), sum(sizes), max_bytes, unpack=None)
    items = sum(sizes) // _RECORD
    images, labels = np.empty((items, 32, 32, 3), np.uint8), np.empty(items, np.uint8)
    start = 0
    for path, size in zip(files, sizes, strict=True):
        with one_line_errors(path), open(path, "rb") as stream:
            records = read_exactly(stream, size, path).reshape(-1, _RECORD)
        stop = start + len(records)
        labels[start:stop] = records[:, 0]
        images[start:stop] = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        start = stop
    return images, labels


def _size(path: str) -> int:
    with one_line_errors(path):
        size = os.path.getsize(path)
    if size == 0 or size % _RECORD:
        raise DataError(f"{path}: truncated or not a CIFAR-10 batch: {size:,} bytes are not a multiple of {_RECORD:,}")
    return size


def _class_names(path: str) -> tuple[str, ...]:
    if not os.path.exists(path):
        return _CLASSES
    with one_line_errors(path), open(path, "rb") as stream:
        text = stream.read(1 << 16).decode("utf-8", "replace")
    names = tuple(line.strip() for line in text.splitlines() if line.strip())
    if len(set(names)) < len(names) or len(names) < 2:
        raise DataError(f"{path}: should name each class once, a line each; found {len(names)} names")
    return names
