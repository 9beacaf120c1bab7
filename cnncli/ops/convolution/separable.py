"""Correlation with separable kernels: sums of outer products of a column and a row."""

from collections.abc import Callable, Iterator
from typing import NamedTuple, Unpack

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, DType, as_numbers
from cnncli.errors import ArgumentError
from cnncli.ops.convolution import banded, fourier_lines, sums
from cnncli.ops.convolution.correlation import SlidingOptions, as_batch
from cnncli.ops.convolution.lines import LineWork, Pieces, Quotient
from cnncli.ops.loading import Border
from cnncli.shapes import IntOrPair, Padding, Pair, Window, effective_size

# Measured on 4096 x 4096: with 161 taps, both take 10 ns a pixel; with 241, a transform takes three quarters as long.
LONGEST_BANDED = 200


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

    @property
    def size(self) -> int:
        """Number of weights in all columns and rows."""
        return sum(len(column) + len(row) for column, row in self.terms)

    def dense(self) -> Array:
        """Return the kernel as an array (f_h, f_w)."""
        columns, rows = (np.stack(lines) for lines in zip(*self.terms, strict=True))
        dense: Array = columns.T @ rows
        return dense

    def signed_sums(self) -> tuple[float, float]:
        """Return the sum of the positive weights, and that of the negative ones without their sign."""
        if len(self.terms) == 1:
            (up, down), (left, right) = map(signed_sums, self.terms[0])
            return up * left + down * right, up * right + down * left
        positive, negative = map(sum, zip(*map(signed_sums, self._blocks()), strict=True))
        return positive, negative

    def _blocks(self) -> Iterator[Array]:
        """Yield the rows of the kernel as an array, some at a time: all of a wide Gaussian's are 100 MB."""
        for start in range(0, self.shape[0], 64):
            yield Separable(tuple((column[start : start + 64], row) for column, row in self.terms)).dense()

    def summed(self, axis: int) -> "Separable":
        """Return the kernel summed along an axis, which keeps a length of 1."""
        terms = [(np.sum(term[axis], keepdims=True), term[1 - axis]) for term in self.terms]
        return Separable.of(*(term if axis == 0 else term[::-1] for term in terms))

    def turned(self) -> "Separable":
        """Return the kernel turned by 180 degrees."""
        return Separable(tuple((column[::-1], row[::-1]) for column, row in self.terms))


def signed_sums(weights: Array) -> tuple[float, float]:
    """Return the sum of the positive weights, and that of the negative ones without their sign.

    They are added one by one, so that floats are added in one order everywhere.

    Example:
        >>> signed_sums(np.array([[1, 0, -1], [2, 0, -2]]))
        (3.0, 3.0)
    """
    with np.errstate(over="ignore", invalid="ignore"):  # of numbers near the largest, whose sum is infinite
        positive, total = (np.cumsum(part, dtype=np.float64)[-1] for part in (np.maximum(weights, 0), np.abs(weights)))
        return float(positive), float(total - positive)


def _centred(line: Array, length: int) -> Array:
    missing = length - len(line)
    if missing % 2:
        raise ArgumentError(f"lines of {len(line)} and {length} weights have no common centre")
    return np.pad(line, missing // 2)


def correlate_separable(
    x: npt.ArrayLike,
    kernel: Separable,
    *,
    finish: Callable[[Array], Array] | None = None,
    **options: Unpack[SlidingOptions],
) -> Array:
    """Cross-correlate an image with a separable kernel, each channel by itself.

    The result is that of `conv2d` with `kernel.dense()`, up to rounding. The mean of a box of integers is that of the
    exact sum.

    Args:
        x: (H, W) or (H, W, C).
        kernel: the kernel.
        finish: applied to the result in pieces (rows, W_out) while they are in the cache; it may overwrite what it is
            given, and may add axes of its own behind.
        **options: those of `conv2d` of the same name.

    Returns:
        (H_out, W_out) or (H_out, W_out, C): float32 where `x` has up to 16 bits or is float32, otherwise float64; with
        `finish`, in the type that it gives. A window that holds a pixel that is not finite gives NaN.

    Raises:
        ArgumentError: as in `conv2d`.

    Example:
        >>> mean = Separable.of(([0.5, 0.5], [0.5, 0.5]))
        >>> correlate_separable([[0, 4, 8], [0, 4, 8]], mean).tolist()
        [[2.0, 6.0]]
    """
    image = as_numbers(x, "an image")
    works = _works(image, kernel, **options)
    out: Array | None = None  # allocated once the first piece shows its type
    with np.errstate(over="ignore", invalid="ignore"):
        for channel, work in enumerate(works):
            for start, stop, piece in _pieces(work):
                made = piece if finish is None else finish(_value(piece))
                if out is None:
                    out = np.empty((*work.window.output_size, len(works), *made.shape[2:]), made.dtype)
                if isinstance(made, Quotient):
                    made.write(out[start:stop, :, channel])
                else:
                    out[start:stop, :, channel] = made
    assert out is not None, "an image has a channel, and a window that fits has a position"
    return out if image.ndim == 3 else out[:, :, 0]


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
    work = _works(x, kernel, **options)[0]
    return _method(work).rows_together(work)


class _Method(NamedTuple):
    pieces: Callable[[LineWork], Pieces]
    rows_together: Callable[[LineWork], int]


_SUMS = _Method(sums.pieces, lambda work: 1)
_BANDED = _Method(banded.pieces, banded.rows_together)
_FOURIER = _Method(fourier_lines.pieces, fourier_lines.rows_together)


def _method(work: LineWork) -> _Method:
    """Return the fastest method; the image's height does not count, for bands of an image are computed as the whole."""
    if sums.able(work):
        return _SUMS
    reached = max(map(banded.reached, work.window.span, work.window.stride))
    return _BANDED if reached <= LONGEST_BANDED else _FOURIER


def _works(
    image: Array,
    kernel: Separable,
    *,
    stride: IntOrPair = 1,
    padding: Padding = "valid",
    dilation: IntOrPair = 1,
    padding_mode: str = "zeros",
    padding_value: float = 0,
) -> list[LineWork]:
    """Return the work on each channel."""
    if image.ndim not in (2, 3) or 0 in image.shape:
        raise ArgumentError(f"an image has the shape (H, W) or (H, W, C), got {image.shape}")
    planes = np.moveaxis(as_batch(image)[0], 2, 0)
    window = Window.over(planes.shape[1:], kernel.shape, stride=stride, padding=padding, dilation=dilation)
    border = Border.around(window, padding_mode, padding_value)
    down, across = window.dilation
    terms = tuple((_spread(column, down), _spread(row, across)) for column, row in kernel.terms)
    return [LineWork(plane, terms, window, border, result_type(image.dtype)) for plane in planes]


def result_type(dtype: DType) -> DType:
    """Return the type to compute in: float32 for up to 16 bits and float32, otherwise float64."""
    narrow = dtype.itemsize <= 2 or dtype == np.float32
    return np.dtype(np.float32 if narrow else np.float64)


def _spread(line: Array, dilation: int) -> Array:
    spread = np.zeros(effective_size(len(line), dilation))
    spread[::dilation] = line
    return spread


def _pieces(work: LineWork) -> Pieces:
    """Yield the results for a plane; NaN where a weight meets a pixel that is not finite.

    Products with zeros and transforms would carry it further.
    """
    if np.isfinite(work.border.fill) and (work.image.dtype.kind != "f" or np.isfinite(np.sum(work.image))):
        yield from _method(work).pieces(work)
        return
    finite = np.isfinite(work.image)
    clean = work.with_pixels(np.where(finite, work.image, 0), work.border.fill if np.isfinite(work.border.fill) else 0)
    touched = tuple((np.sign(np.abs(column)), np.sign(np.abs(row))) for column, row in work.terms)
    mask = work.with_pixels((~finite).view(np.uint8), float(not np.isfinite(work.border.fill)))._replace(terms=touched)
    spoilt = np.empty(work.window.output_size, bool)
    for start, stop, piece in _method(mask).pieces(mask):
        spoilt[start:stop] = _value(piece) > 0.5
    for start, stop, piece in _method(clean).pieces(clean):
        value = _value(piece)
        value[spoilt[start:stop]] = np.nan
        yield start, stop, value


def _value(piece: Array | Quotient) -> Array:
    return piece.value() if isinstance(piece, Quotient) else piece
