"""Long separable kernels as products with banded matrices.

B neighbouring outputs of a 1-D correlation of f taps are the product of B + f - 1 inputs with a banded (Toeplitz)
matrix. Most of its entries are zeros, but a matrix product runs so near the processor's peak that from some seven taps
on it beats one pass a tap.
"""

from collections.abc import Sequence
from math import prod

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from cnncli.arrays import Array
from cnncli.ops.convolution.correlation import Correlation
from cnncli.ops.convolution.kernels import rank_one
from cnncli.ops.loading import Loader, Scratch
from cnncli.shapes import Window

# Measured with 5 to 61 taps: 8 makes the products too small, 32 takes a third longer for 9 taps, multiplying zeros.
BAND = 16

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


def rows_together(work: Correlation) -> int:
    """Return the number of output rows in a strip."""
    in_cache = -(-STRIP_BYTES // (work.dtype.itemsize * prod(_pieces(work.window)) * BAND)) * BAND
    return min(in_cache, _most(work.window.span[1]))


def run(work: Correlation, image: Array, out: Array) -> None:
    """Correlate one image."""
    weight, window, border = work.weight, work.window, work.border
    height, width = window.output_size
    bands, row_length = -(-width // BAND), prod(_pieces(window))
    strip = min(height, rows_together(work))
    scratch = Scratch(weight.dtype, (strip + window.span[0] - 1) * row_length)
    loader = Loader(border, (1, 1), len(border.columns))
    matrices = [_matrices(weight[:, :, 0, number]) for number in range(weight.shape[3])]
    for start in range(0, height, strip):
        rows = min(strip, height - start)
        for number, (column, row) in enumerate(matrices):
            padded = scratch.plane("input")[: (rows + window.span[0] - 1) * row_length].reshape(-1, row_length)
            loader.load(image[:, :, work.channels(number)[0]], start, (0, 0), padded)
            down = _down(padded, column, rows, _pieces(window)[0], scratch)
            out[start : start + rows, :, number] = _across(down, row, bands, scratch)[:, :width]


def _pieces(window: Window) -> tuple[int, int]:
    """Return the number of pieces into which rows are cut, and their width."""
    needed = -(-window.output_size[1] // BAND) * BAND + window.span[1] - 1
    count = -(-needed // _most(window.span[0]))
    return count, -(-needed // (count * BAND)) * BAND


def _most(taps: int) -> int:
    """Return how many rows or columns a product with a banded matrix may have on one thread."""
    return max(1, ONE_THREAD // (BAND * (BAND + taps - 1)) // BAND) * BAND


def _matrices(kernel: Array) -> tuple[Array, Array]:
    factors = rank_one(kernel)
    assert factors is not None, "chosen for kernels of rank 1 only"
    return toeplitz(factors[0], kernel.dtype), toeplitz(factors[1], kernel.dtype)


def toeplitz(vector: Sequence[float], dtype: npt.DTypeLike) -> Array:
    """Return the (BAND + f - 1, BAND) matrix whose columns hold the vector, each a place further down."""
    matrix = np.zeros((BAND + len(vector) - 1, BAND), dtype)
    for place in range(BAND):
        matrix[place : place + len(vector), place] = vector
    return matrix


def _down(padded: Array, matrix: Array, rows: int, pieces: int, scratch: Scratch) -> Array:
    out = scratch.plane("down")[: rows * padded.shape[1]].reshape(rows, -1)
    source, target = (array.reshape(len(array), pieces, -1).transpose(1, 0, 2) for array in (padded, out))
    more = len(matrix) - BAND
    for top in range(0, rows, BAND):
        count = min(BAND, rows - top)
        seen = source[:, top : top + count + more]
        np.matmul(matrix[: count + more, :count].T, seen, out=target[:, top : top + count])
    return out


def _across(down: Array, matrix: Array, bands: int, scratch: Scratch) -> Array:
    rows, item = len(down), down.itemsize
    out = scratch.plane("across")[: rows * bands * BAND].reshape(rows, bands * BAND)
    inputs = as_strided(down, (bands, rows, len(matrix)), (BAND * item, down.strides[0], item), writeable=False)
    outputs = as_strided(out, (bands, rows, BAND), (BAND * item, out.strides[0], item))
    np.matmul(inputs, matrix, out=outputs)
    return out
