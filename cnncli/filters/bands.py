"""Bands of rows, the unit of work: a huge image needs no second copy of itself."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, as_numbers
from cnncli.errors import ArgumentError
from cnncli.ops.borders import Rows
from cnncli.threads import cores, mapped

# One band: large enough to spread the cost of a call, small enough that memory does not count.
BAND_PIXELS = 4_000_000

_LEAST_ROW = 64  # a row counts as this many pixels at least: rows are padded, and each costs some Python

# An image with this many bands gets several threads; smaller images run in parallel instead.
MANY_BANDS = 4

# Bands computed at a time: each takes memory, and more would only wait for the one thread that encodes them.
MOST_THREADS = 3


class ArrayRows:
    """An array as a source of rows."""

    def __init__(self, array: Array) -> None:
        self.array = array
        self.shape = array.shape
        self.dtype = array.dtype

    def rows(self, start: int, stop: int) -> Array:
        """Return the rows [start, stop)."""
        return self.array[start:stop]


def image_rows(image: npt.ArrayLike) -> ArrayRows:
    """Return the rows of an image (H, W) or (H, W, C).

    Raises:
        ArgumentError: it is not an image.
    """
    pixels = as_numbers(image, "an image")
    if pixels.ndim not in (2, 3):
        raise ArgumentError(f"an image has the shape (H, W) or (H, W, C), got {pixels.shape}")
    if pixels.size == 0:
        raise ArgumentError(f"an image has at least one pixel, got the shape {pixels.shape}")
    return ArrayRows(pixels)


def band_edges(shape: Sequence[int], together: int = 1) -> list[tuple[int, int]]:
    """Return the (start, stop) of each band of an image of that shape.

    Args:
        shape: (H, W) or (H, W, C).
        together: bands begin at multiples of this row.
    """
    per_row = max(_LEAST_ROW, int(np.prod(shape[1:])))
    height = max(1, BAND_PIXELS // per_row // together) * together
    return [(start, min(start + height, shape[0])) for start in range(0, shape[0], height)]


def bands(source: Rows) -> Iterator[tuple[int, Array]]:
    """Yield all rows in order as (first row, band); those of a large image are computed ahead, on threads.

    Bands begin where the source says that its rows can be cut (`rows_together`), if it says so.
    """
    spans = band_edges(source.shape, getattr(source, "rows_together", 1))
    threads = min(cores(), MOST_THREADS)
    if threads == 1 or len(spans) < MANY_BANDS:
        yield from ((start, source.rows(start, stop)) for start, stop in spans)
        return
    yield from mapped(lambda span: (span[0], source.rows(*span)), spans, threads, ahead=threads + 1)


def whole(source: Rows) -> Array:
    """Return all rows of a source, gathered band by band."""
    out = np.empty(source.shape, source.dtype)
    for start, band in bands(source):
        out[start : start + len(band)] = band
    return out
