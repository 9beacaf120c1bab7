"""Otsu's threshold, from a histogram that is gathered band by band.

N. Otsu, A Threshold Selection Method from Gray-Level Histograms, IEEE SMC 9(1), 1979. Thresholds equal those of
scikit-image's `threshold_otsu`: one bin for each integer, 256 bins for floating point.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array

BINS = 256


class Histogram(NamedTuple):
    """Values, ascending, and how many pixels have each.

    Attributes:
        values: integers, or centres of bins.
        counts: int64, of as many.
    """

    values: Array
    counts: Array


def finite_limits(pixels: Array) -> tuple[float, float] | None:
    """Return the smallest and the largest finite pixel in the pixels' type, or None if none is finite.

    Example:
        >>> finite_limits(np.array([3, 1, 2], np.uint8))
        (np.uint8(1), np.uint8(3))
    """
    finite = _finite(pixels)
    return (finite.min(), finite.max()) if finite.size else None


def histogram(pixels: Array, limits: tuple[float, float] | None = None) -> Histogram:
    """Return the histogram of an image or a band of it.

    Args:
        pixels: an array of any shape. Pixels that are not finite do not count.
        limits: for floating point, the `finite_limits` of the whole image; None if none is finite.

    Example:
        >>> values, counts = histogram(np.array([2, 0, 2], np.uint8))
        >>> values.tolist(), counts.tolist()
        ([0, 2], [1, 2])
    """
    if pixels.dtype.kind == "f":
        return _histogram_of_floats(_finite(pixels), limits)
    pixels = pixels.view(np.uint8) if pixels.dtype == bool else pixels
    values, counts = _count_few(pixels) if pixels.dtype.itemsize <= 2 else np.unique(pixels, return_counts=True)
    return Histogram(values if values.dtype == np.uint64 else values.astype(np.int64), counts)


def merge(histograms: Sequence[Histogram]) -> Histogram:
    """Return the histogram of an image from those of its bands, at least one.

    Example:
        >>> bands = [histogram(np.array(band)) for band in ([0, 1], [1, 3])]
        >>> merge(bands).counts.tolist()
        [1, 2, 1]
    """
    values, place = np.unique(np.concatenate([each.values for each in histograms]), return_inverse=True)
    counts = np.zeros(len(values), np.int64)
    np.add.at(counts, place, np.concatenate([each.counts for each in histograms]))
    return Histogram(values, counts)


def otsu(histogram: Histogram) -> float:
    """Return the value that divides the pixels into two classes whose means are furthest apart for their sizes.

    It maximises w_1 w_2 (m_1 - m_2)^2, with weights w and means m of the pixels up to the value and of those above it.
    If all pixels are of one value, it is that value; if there are none, 0.

    Example:
        >>> otsu(Histogram(np.array([0, 1, 7, 8]), np.array([5, 2, 2, 3])))
        1
    """
    values, counts = histogram
    if len(values) == 0:
        return 0
    # In float32, as in scikit-image: beyond 2^24 pixels its sums round, and the thresholds are to be equal.
    weights = counts.astype(np.float32)
    # Times a power of 2, which changes no bit, so that the squares of no numbers overflow or vanish.
    scaled = np.ldexp(values, -np.frexp(float(np.abs(values).max()))[1])
    products = weights * scaled
    below, above = np.cumsum(weights), np.cumsum(weights[::-1])[::-1]
    mean_below = np.cumsum(products) / below
    mean_above = (np.cumsum(products[::-1]) / above[::-1])[::-1]
    between = below[:-1] * above[1:] * (mean_below[:-1] - mean_above[1:]) ** 2
    threshold: float = values[np.argmax(between) if len(between) else 0].item()
    return threshold


def _finite(pixels: Array) -> Array:
    return pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels


def _histogram_of_floats(pixels: Array, limits: tuple[float, float] | None) -> Histogram:
    if limits is None:
        return Histogram(np.zeros(0, pixels.dtype), np.zeros(0, np.int64))
    if limits[0] == limits[1]:
        return Histogram(np.array(limits[:1], pixels.dtype), np.array([pixels.size]))
    low, high = map(pixels.dtype.type, limits)
    counts, edges = np.histogram(pixels, BINS, (low, high))
    present = np.flatnonzero(counts)
    return Histogram(((edges[:-1] + edges[1:]) / 2.0)[present], counts[present])


def _count_few(pixels: Array) -> tuple[Array, Array]:
    """Return values and counts of integers of up to 16 bits, which `np.unique` would sort."""
    native = pixels.dtype.newbyteorder("=")
    unsigned = np.dtype(f"u{native.itemsize}")
    counts = np.bincount(pixels.astype(native, copy=False).ravel().view(unsigned))
    present = np.flatnonzero(counts)
    values = present.astype(unsigned).view(native)
    order = np.argsort(values)
    return values[order], counts[present[order]]
