"""Means over boxes of integers: exact sums, at a cost that does not grow with the box.

Down the columns, every sum is the one above, plus the pixel that enters the box, less the pixel that leaves it. Along
the rows, a sum is the difference of two running totals; sums of 16 bits, which are few numbers, are made by doubling:
those of 2 n neighbours are two of n side by side.
"""

from collections.abc import Iterator
from functools import cache
from itertools import pairwise

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.ops.convolution.lines import LineWork, Quotient
from cnncli.ops.loading import Loader, Scratch

# Measured on rows of 4096 bytes with a box of 15, where no pass takes more than 0.17 of the 0.7 nanoseconds a pixel: a
# sixth of it takes 40 % longer.
STRIP_BYTES = 600_000


# Numbers past the end that are added and taken away again, one for each of the at most eight steps of `_doubled`.
_SPARE = 8


def able(work: LineWork) -> bool:
    """Return whether the kernel is constant, the image made of integers, and their sums of 63 bits."""
    whole = work.image.dtype.kind in "iu" and float(work.border.fill).is_integer()
    constant = len(work.terms) == 1 and all(line[0] and np.all(line == line[0]) for line in work.terms[0])
    return whole and constant and max(map(abs, _bounds(work))) < 2**63


def pieces(work: LineWork) -> Iterator[tuple[int, int, Quotient]]:
    """Yield the means of a plane, strip by strip."""
    (height, width), step, columns = work.window.span, work.window.stride[0], len(work.border.columns)
    dtype, divisor = _sum_type(work), work.dtype.type(_divisor(work))
    strip = max(1, min(len(work.border.rows), STRIP_BYTES // (dtype.itemsize * columns)))
    scratch = Scratch(dtype, strip * columns + _SPARE)
    loader = Loader(work.border, (1, 1), columns)
    means = np.empty((strip, work.window.output_size[1]), work.dtype)
    above = np.zeros(columns, dtype)
    for first in range(0, len(work.border.rows), strip):
        last = min(first + strip, len(work.border.rows))
        length = (last - first) * columns
        flat = scratch.plane("sums")[: length + _SPARE]
        _sum_down(work, loader, first, above, flat[:length].reshape(-1, columns), scratch)
        above[:] = flat[length - columns : length]
        # The box that ends in padded row r is at output position r - (height - 1), if the stride stops there.
        start, stop = (max(0, -(-(row - height + 1) // step)) for row in (first, last))
        if start < stop:
            across = _doubled if dtype.itemsize == 2 else _differences
            sums = across(flat, width, scratch)[:length].reshape(-1, columns)
            seen = sums[start * step + height - 1 - first :: step, :: work.window.stride[1]][:, : means.shape[1]]
            yield start, stop, Quotient(seen, divisor, means[: stop - start])


def _bounds(work: LineWork) -> tuple[int, int]:
    """Return the least and the largest sum that a box can have."""
    limits, fill = np.iinfo(work.image.dtype), int(work.border.fill)
    count = work.window.span[0] * work.window.span[1]
    return count * min(limits.min, fill, 0), count * max(limits.max, fill)


def _sum_type(work: LineWork) -> DType:
    """Return the type of sums: what wraps around on the way to one that fits it has come back in the end."""
    low, high = _bounds(work)
    if low == 0 and high < 2**16:
        return np.dtype(np.uint16)
    return np.dtype(np.int32 if low >= -(2**31) and high < 2**31 else np.int64)


def _divisor(work: LineWork) -> float:
    """Return what turns a sum into the result: the number of pixels of a box, exactly, where that is meant."""
    column, row = work.terms[0]
    divisor = 1 / (float(column[0]) * float(row[0]))
    nearest = round(divisor)
    return nearest if abs(divisor - nearest) <= 1e-6 * abs(divisor) else divisor


def _sum_down(work: LineWork, loader: Loader, first: int, above: Array, sums: Array, scratch: Scratch) -> None:
    """Write the sums of the columns of boxes that end in the padded rows from `first` on."""
    height = work.window.span[0]
    loader.load(work.image, first, (0, 0), sums)
    full = max(0, height - first)
    if full < len(sums):
        leaving = scratch.plane(0)[: sums.size].reshape(sums.shape)[full:]
        loader.load(work.image, first + full - height, (0, 0), leaving)
        sums[full:] -= leaving
    for row in sums:
        row += above
        above = row


def _differences(flat: Array, width: int, scratch: Scratch) -> Array:
    """Return the sums of `width` neighbours from each number on; those that reach over the end are undefined."""
    totals = scratch.plane("totals")[: len(flat)]
    totals[0] = 0
    np.add.accumulate(flat[:-1], dtype=flat.dtype, out=totals[1:])
    np.subtract(totals[width:], totals[:-width], out=flat[: len(flat) - width])
    return flat


def _doubled(flat: Array, width: int, scratch: Scratch) -> Array:
    """Return the sums of `width` neighbours from each number on; those that reach over the end are undefined."""
    sums = flat
    for number, (size, following) in enumerate(pairwise(_sizes(width))):
        out = scratch.plane(number % 2)[: len(flat)]
        added = sums if following == 2 * size else flat
        place = min(size, following)
        operation = np.add if following > size else np.subtract
        operation(sums[: len(flat) - place], added[place:], out=out[: len(flat) - place])
        sums = out
    return sums


@cache
def _sizes(count: int) -> tuple[int, ...]:
    """Return the fewest sizes from 1 to a count, each twice the one before, or one more or less.

    Example:
        >>> _sizes(15)
        (1, 2, 4, 8, 16, 15)
    """
    if count == 1:
        return (1,)
    if count % 2 == 0:
        return (*_sizes(count // 2), count)
    return min(((*_sizes(near), count) for near in (count - 1, count + 1)), key=len)
