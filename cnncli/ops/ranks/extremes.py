"""The least and the greatest pixel of each window, along the columns and then along the rows.

A pass doubles the length of the windows: the extreme of 2n pixels in a row is that of two windows of n. The last pass
takes two windows that overlap, so that a window of any size n takes about log2(n) passes.
"""

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.ranks.strips import Strip


def minima(strip: Strip) -> Array:
    """Return the minimum of each window."""
    return _extremes(strip, np.minimum)


def maxima(strip: Strip) -> Array:
    """Return the maximum of each window."""
    return _extremes(strip, np.maximum)


def _extremes(strip: Strip, ufunc: np.ufunc) -> Array:
    pixels, number = strip.pixels, 0
    for size, step in zip(strip.kernel_size, strip.steps, strict=True):
        reached = 1
        while reached < size:
            more = min(reached, size - reached)
            # NumPy copies an operand that overlaps the result: two buffers in turn.
            out = strip.scratch.plane(("extremes", number % 2))[: len(pixels) - more * step]
            pixels = ufunc(pixels[: len(out)], pixels[more * step :], out=out)
            reached, number = reached + more, number + 1
    return pixels
