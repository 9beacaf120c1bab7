"""Batches seen as few long rows.

NumPy repeats its innermost loop for each run of memory that an operand lays out alike. A vector of one number a channel
breaks an array into runs of C numbers, 16 in a thin layer; tiled along the width it breaks it into runs of W * C.
"""

from collections.abc import Iterator
from functools import lru_cache
from math import prod

import numpy as np

from cnncli.arrays import Array, DType

_LONG = 512  # rows from this length on are summed as fast as one long row

# NumPy copies a vector for each row that it is broadcast to, unless a row fills its buffer. Rows of that length are
# twice as fast, and worth tiling the vector for where an array has several of them.
_BUFFER, _WORTH_A_BUFFER = 8_192, 131_072

# Numbers in a chunk that goes through several operations while it is in the cache.
CHUNK = 131_072


@lru_cache
def row_repeats(shape: tuple[int, ...]) -> int:
    """Return how many channel vectors of (..., C) make a row to sum over."""
    return _repeats(shape, _LONG)


@lru_cache
def wide_repeats(shape: tuple[int, ...]) -> int:
    """Return how many channel vectors of (..., C) make a row that another is applied to."""
    return _repeats(shape, _BUFFER if prod(shape) >= _WORTH_A_BUFFER else _LONG)


def _repeats(shape: tuple[int, ...], least: int) -> int:
    channels, repeats = shape[-1], 1
    for axis in range(len(shape) - 2, -1, -1):
        if channels * repeats >= least:
            break
        repeats *= max(1, shape[axis])
    if channels * repeats > 8 * least:
        whole = repeats
        repeats = next(r for r in range(max(1, least // channels), whole + 1) if whole % r == 0)
    return repeats


def as_rows(x: Array, repeats: int) -> Array:
    """Return a contiguous (..., C) as rows of that many channel vectors."""
    return x.reshape(-1, repeats * x.shape[-1])


def tiled(vector: Array, repeats: int, dtype: DType) -> Array:
    """Return a vector of one number a channel, as a row."""
    row = np.ascontiguousarray(vector, dtype)
    return strided(row, (repeats, row.size), (0, row.itemsize)).reshape(-1)


def channel_sums(rows: Array, channels: int) -> Array:
    """Return the sums over all rows of each channel.

    As a product with ones 6 times as fast as a sum along the first axis.
    """
    sums: Array = np.ones(len(rows), rows.dtype) @ rows
    by_channel: Array = sums.reshape(-1, channels).sum(axis=0)
    return by_channel


def sum_over_positions(x: Array) -> Array:
    """Return the sums of (..., C) over everything but the channels.

    Example:
        >>> sum_over_positions(np.ones((2, 4, 4, 3))).tolist()
        [32.0, 32.0, 32.0]
    """
    return channel_sums(as_rows(x, row_repeats(x.shape)), x.shape[-1])


def image_sums(x: Array) -> Array:
    """Return the sums of (N, H, W, C) over each image's positions, (N, 1, 1, C)."""
    rows = x.reshape(len(x), -1, x.shape[3])
    return (np.ones(rows.shape[1], x.dtype) @ rows)[:, None, None]


def strided(x: Array, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0) -> Array:
    """Return a view of a contiguous array by other steps, all in bytes.

    It is NumPy's `as_strided`, with bounds checked and in a tenth of the time.
    """
    return np.ndarray(shape, x.dtype, x, offset, strides)


def copy_runs(target: Array, source: Array) -> None:
    """Copy an array whose last axis lies side by side in memory, in both.

    As one item a run, NumPy moves it whole: 2 to 3 times as fast as number by number where runs are short.
    """
    run = _run(source.shape[-1] * source.itemsize)
    np.copyto(target.view(run), source.view(run))


@lru_cache
def _run(size: int) -> DType:
    return np.dtype((np.void, size))


def chunks(*arrays: Array, numbers: int = CHUNK) -> Iterator[tuple[Array, ...]]:
    """Yield arrays of rows, a number of them of the same shape, in pieces of so many numbers."""
    step = max(1, numbers // prod(arrays[0].shape[1:]))
    for start in range(0, len(arrays[0]), step):
        yield tuple(array[start : start + step] for array in arrays)


def add_to_channels(x: Array, vector: Array) -> None:
    """Add one number a channel to a contiguous (..., C), in place."""
    repeats = wide_repeats(x.shape)
    rows = as_rows(x, repeats)
    rows += tiled(vector, repeats, x.dtype)
