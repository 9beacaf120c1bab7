"""Correlation with separable kernels: sums of outer products of a column and a row."""

from collections.abc import Iterator
from math import lcm
from typing import NamedTuple, Unpack

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, DType, as_numbers
from cnncli.errors import ArgumentError
from cnncli.ops.convolution.conv2d import conv2d, rows_together
from cnncli.ops.convolution.correlation import SlidingOptions
from cnncli.shapes import Pair


class Separable(NamedTuple):
    """A kernel that is a sum of outer products.

    Attributes:
        terms: a (column, row) pair for each product, (f_h,) and (f_w,) in float64; all of one size.

    Example:
        >>> Separable.of((np.ones(2), np.arange(2.0))).dense().tolist()
        [[0.0, 1.0], [0.0, 1.0]]
    """

    terms: tuple[tuple[Array, Array], ...]

    @classmethod
    def of(cls, *terms: tuple[npt.ArrayLike, npt.ArrayLike]) -> "Separable":
        """Return the sum of the outer products of (column, row) pairs.

        Lines shorter than the longest get zeros on both sides, so that all terms have one centre.

        Raises:
            ArgumentError: the lengths of two columns, or of two rows, do not differ by an even number.
        """
        arrays = [(np.asarray(column, np.float64), np.asarray(row, np.float64)) for column, row in terms]
        height, width = (max(len(term[axis]) for term in arrays) for axis in (0, 1))
        return cls(tuple((_centred(column, height), _centred(row, width)) for column, row in arrays))

    @property
    def shape(self) -> Pair:
        """(f_h, f_w)."""
        column, row = self.terms[0]
        return len(column), len(row)

    def dense(self) -> Array:
        """Return the kernel as an array (f_h, f_w)."""
        columns, rows = (np.stack(lines) for lines in zip(*self.terms, strict=True))
        dense: Array = columns.T @ rows
        return dense

    def blocks(self) -> Iterator[Array]:
        """Yield the rows of the kernel as an array, some at a time: all of a wide Gaussian's are 100 MB."""
        for start in range(0, self.shape[0], 64):
            yield Separable(tuple((column[start : start + 64], row) for column, row in self.terms)).dense()

    def turned(self) -> "Separable":
        """Return the kernel turned by 180 degrees."""
        return Separable(tuple((column[::-1], row[::-1]) for column, row in self.terms))


def _centred(line: Array, length: int) -> Array:
    missing = length - len(line)
    if missing % 2:
        raise ArgumentError(f"lines of {len(line)} and {length} weights have no common centre")
    return np.pad(line, missing // 2)


def correlate_separable(x: npt.ArrayLike, kernel: Separable, **options: Unpack[SlidingOptions]) -> Array:
    """Cross-correlate an image with a separable kernel, each channel by itself.

    The result is that of `conv2d` with `kernel.dense()`, up to rounding.

    Args:
        x: (H, W) or (H, W, C).
        kernel: the kernel.
        **options: those of `conv2d` of the same name.

    Returns:
        (H_out, W_out) or (H_out, W_out, C): float32 where `x` has up to 16 bits or is float32, otherwise float64.

    Raises:
        ArgumentError: as in `conv2d`.

    Example:
        >>> mean = Separable.of(([0.5, 0.5], [0.5, 0.5]))
        >>> correlate_separable([[0, 4, 8], [0, 4, 8]], mean).tolist()
        [[2.0, 6.0]]
    """
    image = as_numbers(x, "an image")
    first, *rest = (conv2d(image, weight, groups=_channels(image), **options) for weight in _weights(image, kernel))
    for part in rest:
        first += part
    return first


def separable_rows_together(x: Array, kernel: Separable, **options: Unpack[SlidingOptions]) -> int:
    """Return the number of rows at whose multiples `correlate_separable`'s output can be cut without changing a bit.

    Args:
        x: an image (H, W) or (H, W, C) of any height that one window covers; its numbers do not matter.
        kernel: as in `correlate_separable`.
        **options: those of `conv2d`; the vertical padding does not matter.

    Example:
        >>> separable_rows_together(np.zeros((3, 9), np.uint8), Separable.of((np.ones(3), np.ones(3))))
        1
    """
    return lcm(*(rows_together(x, weight, groups=_channels(x), **options) for weight in _weights(x, kernel)))


def _channels(image: Array) -> int:
    return image.shape[2] if image.ndim == 3 else 1


def _weights(image: Array, kernel: Separable) -> list[Array]:
    dtype = result_type(image.dtype)
    planes = (np.outer(column, row).astype(dtype) for column, row in kernel.terms)
    if image.ndim == 2:
        return list(planes)
    return [np.repeat(plane[:, :, None, None], image.shape[2], axis=3) for plane in planes]


def result_type(dtype: DType) -> DType:
    """Return the type to compute in: float32 for up to 16 bits and float32, otherwise float64."""
    narrow = dtype.itemsize <= 2 or dtype == np.float32
    return np.dtype(np.float32 if narrow else np.float64)
