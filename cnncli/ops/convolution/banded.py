"""Separable kernels as products with banded matrices.

B outputs of a 1-D correlation of f taps at a stride s are the product of s (B - 1) + f inputs with a banded (Toeplitz)
matrix. Most of its entries are zeros, but a matrix product runs so near the processor's peak that from some seven taps
on it beats one pass a tap.
"""

from collections.abc import Iterator
from math import prod
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from cnncli.arrays import Array, DType
from cnncli.ops.convolution.correlation import Correlation
from cnncli.ops.convolution.kernels import rank_one
from cnncli.ops.convolution.lines import LineWork
from cnncli.ops.loading import Loader, Scratch
from cnncli.shapes import Pair, Window

# Measured with 5 to 61 taps: 8 makes the products too small, 32 takes a third longer for 9 taps, multiplying zeros.
BAND = 16

# With 17 taps, on bytes, in nanoseconds a pixel: loading takes 0.15, the product down 0.7, that across 0.9, a result in
# fresh memory 0.3. At the 60 multiply-adds a nanosecond of a large product, the two would take 0.4 and 0.5.
# Down the columns, whose products are wider, bands of 8 take a tenth less time for 13 and 17 taps, and as long for 81.
SHORT = 32

STRIP_BYTES = 640_000

# OpenBLAS computes a product of so few multiply-adds on one thread, however many it has. Where it divides a larger one
# among threads, some of its kernels round otherwise.
ONE_THREAD = 1 << 18


def able(work: Correlation) -> bool:
    """Return whether every kernel is of rank 1, over one channel, without stride and dilation, in floating point."""
    simple = work.window.stride == work.window.dilation == (1, 1) and work.weight.shape[2] == 1 and not work.exact
    return simple and all(rank_one(work.weight[:, :, 0, number]) for number in range(work.weight.shape[3]))


def cost(work: Correlation) -> float:
    """Return nanoseconds for the two products."""
    reached = 2 * BAND + sum(work.window.kernel_size)
    return float(0.014 * work.dtype.itemsize * work.weight.shape[3] * reached)


def rows_together(work: Correlation | LineWork) -> int:
    """Return the number of output rows in a strip."""
    in_cache = -(-STRIP_BYTES // (work.dtype.itemsize * prod(_pieces(work.window)) * BAND)) * BAND
    return min(in_cache, _most(work.window.span[1], work.window.stride[1]))


def run(work: Correlation, image: Array, out: Array) -> None:
    """Correlate one image."""
    for number in range(work.weight.shape[3]):
        factors = rank_one(work.weight[:, :, 0, number])
        assert factors is not None, "chosen for kernels of rank 1 only"
        term = (np.array(factors[0], float), np.array(factors[1], float))
        plane = image[:, :, work.channels(number)[0]]
        for start, stop, piece in pieces(LineWork(plane, (term,), work.window, work.border, work.dtype)):
            out[start:stop, :, number] = piece


def pieces(work: LineWork) -> Iterator[tuple[int, int, Array]]:
    """Yield the results for a plane, strip by strip."""
    window = work.window
    height, width = window.output_size
    row_length = prod(_pieces(window))
    strip = min(height, rows_together(work))
    scratch = Scratch(work.dtype, ((strip - 1) * window.stride[0] + window.span[0]) * row_length)
    loader = Loader(work.border, (1, 1), len(work.border.columns))
    terms = [_Term.of(*term, window.stride, work.dtype) for term in work.terms]
    for start in range(0, height, strip):
        rows = min(strip, height - start)
        seen = (rows - 1) * window.stride[0] + window.span[0]
        padded = scratch.plane("input")[: seen * row_length].reshape(-1, row_length)
        loader.load(work.image, start * window.stride[0], (0, 0), padded)
        total, *others = (term.products(padded, rows, window, scratch, number) for number, term in enumerate(terms))
        for other in others:
            total += other
        yield start, start + rows, total[:, :width]


def _pieces(window: Window) -> tuple[int, int]:
    """Return the number of pieces into which rows are cut, and their width."""
    positions = -(-window.output_size[1] // BAND) * BAND
    needed = (positions - 1) * window.stride[1] + window.span[1]
    count = -(-needed // _most(window.span[0], window.stride[0]))
    return count, -(-needed // (count * BAND)) * BAND


def reached(span: int, stride: int, band: int = BAND) -> int:
    """Return how many inputs a band of outputs sees."""
    return (band - 1) * stride + span


def _most(span: int, stride: int) -> int:
    """Return how many rows or columns a product with a banded matrix may have on one thread."""
    return max(1, ONE_THREAD // (BAND * reached(span, stride)) // BAND) * BAND


def toeplitz(line: npt.ArrayLike, stride: int = 1, band: int = BAND) -> Array:
    """Return the (stride (band - 1) + f, band) matrix whose columns hold the line, each `stride` places further down.

    Example:
        >>> toeplitz([5, 7], band=3).tolist()
        [[5, 0, 0], [7, 5, 0], [0, 7, 5], [0, 0, 7]]
    """
    weights = np.asarray(line)
    matrix = np.zeros((reached(len(weights), stride, band), band), weights.dtype)
    for place in range(band):
        matrix[place * stride : place * stride + len(weights), place] = weights
    return matrix


class _Term(NamedTuple):
    """An outer product as two banded matrices, and the row and column at which it begins in the kernel."""

    column: Array
    row: Array
    top: int
    left: int

    @classmethod
    def of(cls, column: Array, row: Array, stride: Pair, dtype: DType) -> "_Term":
        (top, column), (left, row) = (_trimmed(line.astype(dtype)) for line in (column, row))
        narrow = len(column) < SHORT
        return cls(toeplitz(column, stride[0], BAND // 2 if narrow else BAND), toeplitz(row, stride[1]), top, left)

    def products(self, padded: Array, rows: int, window: Window, scratch: Scratch, number: int) -> Array:
        """Return (rows, at least W_out) in the scratch memory of a number."""
        down = self._down(padded[self.top :], rows, _pieces(window)[0], window.stride[0], scratch)
        bands = -(-window.output_size[1] // BAND)
        return self._across(down[:, self.left :], bands, window.stride[1], scratch.plane(("across", number)))

    def _down(self, padded: Array, rows: int, pieces: int, stride: int, scratch: Scratch) -> Array:
        out = scratch.plane("down")[: rows * padded.shape[1]].reshape(rows, -1)
        source, target = (array.reshape(len(array), pieces, -1).transpose(1, 0, 2) for array in (padded, out))
        band = self.column.shape[1]
        for first in range(0, rows, band):
            count = min(band, rows - first)
            matrix = self.column[: len(self.column) - (band - count) * stride, :count]
            seen = source[:, first * stride : first * stride + len(matrix)]
            np.matmul(matrix.T, seen, out=target[:, first : first + count])
        return out

    def _across(self, down: Array, bands: int, stride: int, memory: Array) -> Array:
        rows, item = len(down), down.itemsize
        out = memory[: rows * bands * BAND].reshape(rows, bands * BAND)
        strides = (BAND * stride * item, down.strides[0], item)
        inputs = as_strided(down, (bands, rows, len(self.row)), strides, writeable=False)
        outputs = as_strided(out, (bands, rows, BAND), (BAND * item, out.strides[0], item))
        np.matmul(inputs, self.row, out=outputs)
        return out


def _trimmed(line: Array) -> tuple[int, Array]:
    """Return the first weight that is not 0, and the line from there to the last."""
    places = np.flatnonzero(line)
    return (int(places[0]), line[places[0] : places[-1] + 1]) if len(places) else (0, line[:1])
