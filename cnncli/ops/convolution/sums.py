"""Means over boxes of integers, by running sums: exact, at a cost that does not depend on the box.

Down the columns, every sum is the one above, plus the pixel that enters the box, less the pixel that leaves it. Along
the rows, a box of few pixels is made by doubling, a long one is the difference of two running totals.
"""

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.ops.convolution.lines import LineWork, Pieces
from cnncli.ops.loading import Loader, Scratch

# Measured on 4096 x 4096 bytes: four such buffers stay in the cache.
STRIP_BYTES = 260_000


def able(work: LineWork) -> bool:
    """Return whether the kernel is constant, the image made of integers, and their sums of 63 bits."""
    whole = work.image.dtype.kind in "iu" and float(work.border.fill).is_integer()
    constant = len(work.terms) == 1 and all(line[0] and np.all(line == line[0]) for line in work.terms[0])
    return whole and constant and max(map(abs, _bounds(work))) < 2**63


def pieces(work: LineWork) -> Pieces:
    """Yield the means of a plane, strip by strip."""
    (height, width), border, (step, across) = work.window.span, work.border, work.window.stride
    dtype = _sum_type(work)
    columns = len(border.columns)
    row_length = -(-columns // 8) * 8
    strip = max(1, STRIP_BYTES // (dtype.itemsize * row_length))
    scratch = Scratch(dtype, strip * row_length + 1)
    loader = Loader(border, (1, 1), columns)
    divisor = work.dtype.type(_divisor(work))
    means = np.empty((strip, work.window.output_size[1]), work.dtype)
    above = np.zeros(row_length, dtype)
    for first in range(0, len(border.rows), strip):
        rows = min(strip, len(border.rows) - first)
        sums = _sums_down(work, loader, range(first, first + rows), above, scratch)
        above[:] = sums[-1]
        # The box that ends in padded row r belongs to output row r - (height - 1), if the stride does not skip it.
        ready = range(height - 1, len(border.rows), step)
        ready = ready[max(0, -(-(first - height + 1) // step)) : max(0, -(-(first + rows - height + 1) // step))]
        if not ready:
            continue
        start = (ready[0] - height + 1) // step
        stop = min(start + len(ready), work.window.output_size[0])
        totals = _sums_across(sums.reshape(-1), width, scratch)
        seen = totals.reshape(rows, -1)[ready[0] - first :: step, : work.window.output_size[1] * across : across]
        np.copyto(means[: stop - start], seen)
        means[: stop - start] /= divisor
        yield start, stop, means[: stop - start]


def _bounds(work: LineWork) -> tuple[int, int]:
    """Return the least and the largest sum that a box can have."""
    limits, fill = np.iinfo(work.image.dtype), int(work.border.fill)
    count = work.window.span[0] * work.window.span[1]
    return count * min(limits.min, fill, 0), count * max(limits.max, fill)


def _sum_type(work: LineWork) -> DType:
    low, high = _bounds(work)
    return np.dtype(np.int64 if low < 0 or high >= 2**31 else np.int32 if high >= 2**16 else np.uint16)


def _divisor(work: LineWork) -> float:
    """Return what turns a sum into the result: the number of pixels of a box, exactly, where that is meant."""
    column, row = work.terms[0]
    divisor = 1 / (float(column[0]) * float(row[0]))
    nearest = round(divisor)
    return nearest if abs(divisor - nearest) <= 1e-6 * divisor else divisor


def _sums_down(work: LineWork, loader: Loader, rows: range, above: Array, scratch: Scratch) -> Array:
    """Return, for padded rows, the sums of the box's height of pixels that end there."""
    shape = (len(rows), len(above))
    sums, leaving = (scratch.plane(name)[: len(rows) * len(above)].reshape(shape) for name in ("sums", "leaving"))
    loader.load(work.image, rows.start, (0, 0), sums)
    sums[:, len(work.border.columns) :] = 0
    # As words of 64 bits, several sums are added at once. What a sum carries into the next, while it is not yet less
    # what leaves it, a later word takes back: only differences of whole words are made, and these are exact.
    words, gone = sums.view(np.uint64), leaving.view(np.uint64)
    full = max(0, work.window.span[0] - rows.start)
    if full < len(rows):
        loader.load(work.image, rows.start + full - work.window.span[0], (0, 0), leaving[full:])
        words[full:] -= gone[full:]
    words[0] += above.view(np.uint64)
    np.add.accumulate(words, axis=0, out=words)
    return sums


def _sums_across(flat: Array, width: int, scratch: Scratch) -> Array:
    """Return the sums of `width` neighbours from each number on; those that reach over the end are undefined."""
    if flat.dtype == np.uint16:
        return _doubled(flat, width, scratch)
    totals = scratch.plane("totals")[: len(flat) + 1]
    totals[0] = 0
    np.add.accumulate(flat, dtype=flat.dtype, out=totals[1:])
    np.subtract(totals[width:], totals[:-width], out=flat[: len(flat) - width + 1])
    return flat


def _doubled(flat: Array, width: int, scratch: Scratch) -> Array:
    """Return the sums of `width` neighbours: those of 2 n are two of n side by side, those of n + 1 have one more."""
    sums, size, length = flat, 1, len(flat)
    for step, bit in enumerate(f"{width:b}"[1:]):
        doubled = scratch.plane(step % 2)[:length]
        np.add(sums[: length - size], sums[size:], out=doubled[: length - size])
        size *= 2
        if bit == "1":
            np.add(doubled[: length - size], flat[size:], out=doubled[: length - size])
            size += 1
        sums = doubled
    return sums
