"""Convolution as matrix products: many channels.

The windows of a block of output rows are laid out as the rows of a matrix ("im2col"), which is multiplied by the
weights. A block is small enough that its columns are still in the cache when the product reads them.
"""

import numpy as np
from numpy.lib.stride_tricks import as_strided

from cnncli.arrays import Array
from cnncli.ops.loading import Border, Loader
from cnncli.shapes import Window

# 2 MB of float32 columns.
BLOCK_NUMBERS = 500_000


def run(image: Array, weight: Array, groups: int, window: Window, border: Border, out: Array) -> None:
    """Correlate one image by blocks of rows.

    Args:
        image: (H, W, C_in).
        weight: (f_h, f_w, C_in / groups, C_out), in the type to compute in.
        groups: number of groups of channels.
        window: the geometry.
        border: the image's padded rows and columns.
        out: (H_out, W_out, C_out), of any type that holds the results.
    """
    taps, per_group = weight.shape[0] * weight.shape[1], weight.shape[2]
    height, width = window.output_size
    block = min(height, rows_together(window, per_group))
    filters = weight.shape[3] // groups
    padded = np.empty(((block - 1) * window.stride[0] + window.span[0], window.reach[1], image.shape[2]), weight.dtype)
    loader = Loader(border, (1, 1), window.reach[1])
    for start in range(0, height, block):
        stop = min(start + block, height)
        rows = (stop - start - 1) * window.stride[0] + window.span[0]
        loader.load(image, start * window.stride[0], (0, 0), padded[:rows])
        for group in range(groups):
            inputs = slice(group * per_group, (group + 1) * per_group)
            outputs = slice(group * filters, (group + 1) * filters)
            columns = windows(padded[:, :, inputs], window, stop - start).reshape(-1, taps * per_group)
            product = columns @ weight[..., outputs].reshape(-1, filters)
            out[start:stop, :, outputs] = product.reshape(stop - start, width, filters)


def rows_together(window: Window, per_group: int) -> int:
    """Return the number of output rows in a block, with that many channels a group."""
    taps = window.kernel_size[0] * window.kernel_size[1]
    return max(1, BLOCK_NUMBERS // (window.output_size[1] * taps * per_group))


def windows(padded: Array, window: Window, rows: int) -> Array:
    """Return a view (rows, W_out, f_h, f_w, C) of the windows of a padded image (H, W, C)."""
    down, right, deep = padded.strides
    (stride_y, stride_x), (dilation_y, dilation_x) = window.stride, window.dilation
    return as_strided(
        padded,
        (rows, window.output_size[1], *window.kernel_size, padded.shape[2]),
        (down * stride_y, right * stride_x, down * dilation_y, right * dilation_x, deep),
        writeable=False,
    )
