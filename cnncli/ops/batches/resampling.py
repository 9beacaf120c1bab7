"""Resampling: along each axis by a matrix with one row for each output pixel."""

from functools import lru_cache

import numpy as np

from cnncli.arrays import Array


@lru_cache
def bilinear_matrix(n: int, size: int, *, align_corners: bool = False) -> Array:
    """Return the weights (size, n) with which n pixels are interpolated to another number, as PyTorch does it.

    Pixels are areas: the middle of pixel i of the output is at (i + 0.5) n / size of the input. With `align_corners`
    they are points, and the first and the last stay where they are.

    Example:
        >>> bilinear_matrix(2, 4).tolist()
        [[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]]
    """
    places = np.arange(size)
    if align_corners:
        sources = places * ((n - 1) / (size - 1) if size > 1 else 0)
    else:
        sources = np.maximum((places + 0.5) * (n / size) - 0.5, 0)
    first = np.minimum(sources.astype(np.intp), n - 1)
    share = sources - first
    matrix = np.zeros((size, n))
    np.add.at(matrix, (places, first), 1 - share)
    np.add.at(matrix, (places, np.minimum(first + 1, n - 1)), share)
    return matrix


@lru_cache
def averaging_matrix(bounds: tuple[tuple[int, int], ...], n: int) -> Array:
    """Return the weights (outputs, n) that take the mean of each run of pixels, from its first to before its last.

    Example:
        >>> averaging_matrix(((0, 2), (1, 3)), 3).tolist()
        [[0.5, 0.5, 0.0], [0.0, 0.5, 0.5]]
    """
    matrix = np.zeros((len(bounds), n))
    for row, (start, stop) in zip(matrix, bounds, strict=True):
        row[start:stop] = 1 / (stop - start)
    return matrix


def resample(x: Array, rows: Array, columns: Array, out: Array) -> Array:
    """Write images (N, H, W, C), resampled by rows (H_out, H) and columns (W_out, W), to `out` (N, H_out, W_out, C).

    Its gradient is the same with both matrices transposed.
    """
    across = np.matmul(columns.astype(x.dtype), x)
    flat = across.reshape(*across.shape[:2], -1)
    np.matmul(rows.astype(x.dtype), flat, out=out.reshape(len(out), out.shape[1], -1))
    return out
