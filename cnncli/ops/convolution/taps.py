"""Convolution tap by tap: few taps far apart.

Every tap is the image at other rows and columns, taken through the border's index: memory and time do not grow with the
distance between taps. It is also the shortest way to say what a convolution is.
"""

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.borders import OUTSIDE
from cnncli.ops.convolution.correlation import Correlation


def cost(work: Correlation) -> float:
    """Return nanoseconds: taking pixels through an index costs 4 ns a channel, and a product 1 ns."""
    per_tap = 4.0 * work.images.shape[3] + work.weight.shape[2] * work.weight.shape[3]
    return float(work.taps * per_tap)


def run(work: Correlation, image: Array, out: Array) -> None:
    """Correlate one image."""
    weight, window, border = work.weight.astype(work.dtype), work.window, work.border
    out[:] = 0
    for a, b in np.ndindex(weight.shape[:2]):
        rows, columns = border.rows[window.seen(0, a)], border.columns[window.seen(1, b)]
        pixels = image[np.maximum(rows, 0)][:, np.maximum(columns, 0)].astype(out.dtype)
        pixels[rows == OUTSIDE] = border.fill
        pixels[:, columns == OUTSIDE] = border.fill
        for number in range(weight.shape[3]):
            for factor, channel in zip(weight[a, b, :, number], work.channels(number), strict=True):
                if factor:
                    out[:, :, number] += pixels[:, :, channel] * factor
