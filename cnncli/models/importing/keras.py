"""Weights that Keras saved: arrays of `.keras`, `.weights.h5` and `.h5` files. Their configuration is not looked at."""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ModelError
from cnncli.formats.files import FileBytes, named, opened
from cnncli.formats.keras.weights import Stored, read_weights
from cnncli.models.importing.arrays import StoredArray, StoredArrays, natural


@contextmanager
def keras_arrays(path: Path) -> Iterator[StoredArrays]:
    """Open the arrays of a file, in the order of their names, numbers by their value.

    Raises:
        ModelError: h5py is missing, or the file is damaged or holds no weights of Keras.
    """
    entries = sorted(read_weights(path), key=lambda entry: natural(entry.name))
    with opened(path) as buffer:
        yield StoredArrays({each.name: _stored(buffer, each) for each in entries}, axes="keras")


def _stored(buffer: FileBytes, entry: Stored) -> StoredArray:
    return StoredArray(entry.shape, lambda: _numbers(buffer, entry))


def _numbers(buffer: FileBytes, entry: Stored) -> Array:
    what, dtype = f"the array {named(entry.name)}", np.dtype(entry.dtype)
    if dtype.kind != "f" or dtype.itemsize > 8:
        raise ModelError(f"{what} is of type {named(dtype)}: weights are floating point")
    if entry.start is None:
        raise ModelError(f"{what} is not stored as numbers one after the other: save it again with Keras")
    stop = entry.start + prod(entry.shape) * dtype.itemsize
    if not 0 <= entry.start <= stop <= len(buffer):
        raise ModelError(f"{what} claims more bytes than the file holds: it is damaged")
    with np.errstate(over="ignore"):  # an infinity is found later
        numbers = np.frombuffer(buffer[entry.start : stop], dtype).astype(np.float32, copy=False)
    return numbers.reshape(entry.shape)
