"""Kernels taken apart: rank-1 kernels into a column and a row, and integer vectors into sums of neighbours.

A convolution by A * B is a convolution by A followed by one by B. `1 2 1` is `1 1` * `1 1`: two additions instead of
two additions and a multiplication. The cost of a vector is counted in passes over the image, one NumPy call each.
"""

from collections import Counter
from functools import lru_cache
from math import gcd
from typing import Any

import numpy as np
import numpy.typing as npt

Vector = tuple[float, ...]
Matrix = npt.NDArray[Any]

_LONGEST_CASCADE = 16  # longer vectors gain nothing worth the search


def passes(weights: npt.ArrayLike) -> int:
    """Return how many array operations a weighted sum takes when equal weights (up to sign) are added first.

    Example:
        >>> passes((1, 2, 1)), passes((1, 0, -1))
        (3, 1)
    """
    counts = Counter(abs(weight) for weight in np.ravel(weights).tolist() if weight)
    return sum(counts.values()) - 1 + sum(weight != 1 for weight in counts) if counts else 1


def rank_one(kernel: Matrix) -> tuple[Vector, Vector] | None:
    """Return (column, row) whose outer product is the kernel, or None if its rank is not 1.

    An integer kernel gives integer vectors, so that the two passes are as exact as one.

    Example:
        >>> rank_one(np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]))
        ((1, 2, 1), (1, 0, -1))
    """
    i, j = np.unravel_index(np.argmax(np.abs(kernel)), kernel.shape)
    if kernel[i, j] == 0:
        return None
    row = kernel[i]
    if np.issubdtype(kernel.dtype, np.integer):
        row = row // gcd(*row.tolist())
        column = kernel[:, j] // row[j]
        same = np.array_equal(np.outer(column, row), kernel)
    else:
        column = kernel[:, j] / row[j]
        if np.any(column % 1):
            # As large as each other, and exact where the kernel is the product of a vector with itself.
            half = np.sqrt(abs(row[j]))
            column, row = kernel[:, j] / half, row / np.copysign(half, row[j])
        tolerance = 4 * np.finfo(kernel.dtype).eps * abs(kernel[i, j])
        same = bool(np.max(np.abs(np.outer(column, row) - kernel)) <= tolerance)
    return (tuple(column.tolist()), tuple(row.tolist())) if same else None


def cascade(vector: Vector) -> tuple[Vector, ...]:
    """Return the vectors, each to be applied after the other, that make `vector` in the fewest passes.

    Example:
        >>> cascade((1, 4, 6, 4, 1))
        ((1, 1), (1, 1), (1, 1), (1, 1))
        >>> cascade((1, 0, -1))
        ((1, 0, -1),)
    """
    if len(vector) > _LONGEST_CASCADE or not all(isinstance(weight, int) for weight in vector):
        return (vector,)
    return _cheapest_cascade(vector)


@lru_cache(maxsize=1024)
def _cheapest_cascade(vector: Vector) -> tuple[Vector, ...]:
    # Of integers only: the cache takes (1.0, 2.0, 1.0) and (1, 2, 1) for the same.
    best: tuple[Vector, ...] = (vector,)
    for factor in ((1, 1), (1, -1)) if len(vector) >= 3 else ():
        rest = divide(vector, factor)
        if rest is not None:
            best = min(best, (factor, *_cheapest_cascade(rest)), key=lambda vectors: sum(map(passes, vectors)))
    return best


def divide(vector: Vector, factor: tuple[int, int]) -> Vector | None:
    """Return the vector whose convolution with (1, 1) or (1, -1) is `vector`, or None.

    Example:
        >>> divide((1, 2, 1), (1, 1))
        (1, 1)
    """
    quotient: list[float] = []
    carry: float = 0
    for weight in vector:
        carry = weight - factor[1] * carry
        quotient.append(carry)
    return tuple(quotient[:-1]) if quotient[-1] == 0 else None


def divide_lines(kernel: Matrix, axis: int) -> Matrix | None:
    """Return the kernel whose convolution with (1, 1) along an axis is `kernel`, or None.

    Example:
        >>> divide_lines(np.array([[1, 0, -1]]), axis=1).tolist()
        [[1, -1]]
    """
    lines = [divide(tuple(line), (1, 1)) for line in np.moveaxis(kernel, axis, -1).tolist()]
    if len(kernel) == 0 or any(line is None for line in lines):
        return None
    return np.moveaxis(np.array(lines, kernel.dtype), -1, axis)
