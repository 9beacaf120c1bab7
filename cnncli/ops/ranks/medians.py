"""The median of each window."""

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.ranks.strips import Strip


def medians(strip: Strip) -> Array:
    """Return the median of each window; of an even number of pixels, the upper one of the two in the middle."""
    from numpy.lib.stride_tricks import as_strided

    (h, w), item = strip.kernel_size, strip.pixels.itemsize
    length = len(strip.pixels) - strip.reach
    windows = as_strided(strip.pixels, (length, h, w), (item, strip.steps[0] * item, strip.steps[1] * item))
    return np.sort(windows.reshape(length, h * w), axis=1)[:, h * w // 2]
