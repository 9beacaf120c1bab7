"""Convolution as matrix products: many channels.

The windows of a block of output rows are laid out as the rows of a matrix ("im2col"), which is multiplied by the
weights. A block is small enough that its columns are still in the cache when the product reads them.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cnncli.arrays import Array, DType
from cnncli.ops.convolution.correlation import Correlation
from cnncli.ops.loading import Loader
from cnncli.shapes import Window

# 2 MB of float32 columns.
BLOCK_NUMBERS = 500_000


def cost(work: Correlation) -> float:
    """Return nanoseconds: copying a number into the columns takes 0.4, a multiply-add 0.03 in float32, 2 in int64."""
    dtype = _exact_type(work)
    per_group, filters = work.weight.shape[2], work.weight.shape[3]
    multiply = 2.0 if dtype == np.int64 else 0.008 * dtype.itemsize
    # A matrix of one column is a matrix-vector product, which is bound by memory.
    done = work.taps * per_group * (0.4 * work.groups + multiply * max(filters, 8 * work.groups))
    return float(done * work.waste(BLOCK_NUMBERS / work.taps))


def _exact_type(work: Correlation) -> DType:
    """Return the type whose matrix products are exact: BLAS where every partial sum is an exact float, else int64."""
    if not work.exact:
        return work.dtype
    return np.dtype(np.float32 if work.bound < 2**24 else np.float64 if work.bound < 2**53 else np.int64)


def rows_together(work: Correlation) -> int:
    """Return the number of output rows in a block."""
    return max(1, BLOCK_NUMBERS // (work.window.output_size[1] * work.taps * int(work.weight.shape[2])))


def run(work: Correlation, image: Array, out: Array) -> None:
    """Correlate one image by blocks of rows."""
    weight, window, filters = work.weight.astype(_exact_type(work)), work.window, work.filters
    taps, per_group = work.taps, weight.shape[2]
    height, width = window.output_size
    block = min(height, rows_together(work))
    padded = np.empty(((block - 1) * window.stride[0] + window.span[0], window.reach[1], image.shape[2]), weight.dtype)
    loader = Loader(work.border, (1, 1), window.reach[1])
    for start in range(0, height, block):
        stop = min(start + block, height)
        rows = (stop - start - 1) * window.stride[0] + window.span[0]
        loader.load(image, start * window.stride[0], (0, 0), padded[:rows])
        for group in range(work.groups):
            inputs = slice(group * per_group, (group + 1) * per_group)
            outputs = slice(group * filters, (group + 1) * filters)
            columns = _windows(padded[:, :, inputs], window, stop - start).reshape(-1, taps * per_group)
            product = columns @ weight[..., outputs].reshape(-1, filters)
            out[start:stop, :, outputs] = product.reshape(stop - start, width, filters)


def _windows(padded: Array, window: Window, rows: int) -> Array:
    """Return a view (rows, W_out, f_h, f_w, C) of the windows of a padded image (H, W, C)."""
    down, right, deep = padded.strides
    (stride_y, stride_x), (dilation_y, dilation_x) = window.stride, window.dilation
    return as_strided(
        padded,
        (rows, window.output_size[1], *window.kernel_size, padded.shape[2]),
        (down * stride_y, right * stride_x, down * dilation_y, right * dilation_x, deep),
        writeable=False,
    )
