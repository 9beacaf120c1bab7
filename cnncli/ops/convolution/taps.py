"""Convolution tap by tap: few taps far apart.

Every tap is the image at other rows and columns, taken through the border's index: memory and time do not grow with the
distance between taps. It is also the shortest way to say what a convolution is.
"""

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.borders import OUTSIDE, Index
from cnncli.ops.loading import Border
from cnncli.shapes import Window


def run(image: Array, weight: Array, groups: int, window: Window, border: Border, out: Array) -> None:
    """Correlate one image; arguments as in `cnncli.ops.convolution.products.run`, weights in the type of `out`."""
    per_group, filters = weight.shape[2], weight.shape[3] // groups
    out[:] = 0
    for a, b in np.ndindex(weight.shape[:2]):
        rows, columns = _positions(border.rows, a, 0, window), _positions(border.columns, b, 1, window)
        pixels = image[np.maximum(rows, 0)][:, np.maximum(columns, 0)].astype(out.dtype)
        pixels[rows == OUTSIDE] = border.fill
        pixels[:, columns == OUTSIDE] = border.fill
        for number in range(weight.shape[3]):
            first = number // filters * per_group
            for channel in range(per_group):
                if weight[a, b, channel, number]:
                    out[:, :, number] += pixels[:, :, first + channel] * weight[a, b, channel, number]


def _positions(index: Index, tap: int, axis: int, window: Window) -> Index:
    """Return the rows (or columns) of the image that a tap sees, one for each output."""
    first, stride = tap * window.dilation[axis], window.stride[axis]
    return index[first : first + (window.output_size[axis] - 1) * stride + 1 : stride]
