"""Long separable kernels in the frequency domain: columns, then rows, by overlap-save.

A transform's cost grows with the logarithm of its length, so that a kernel of thousands of taps costs little more than
one of hundreds.
"""

from collections.abc import Iterator

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.ops.borders import Index
from cnncli.ops.convolution.lines import LineWork
from cnncli.ops.loading import Border, Loader

# Numbers that are transformed at a time: measured, 1-D transforms stay in the cache.
BLOCK_NUMBERS = 200_000

LEAST_TILE = 1024


def rows_together(work: LineWork) -> int:
    """Return the number of output rows that come from one transform of each column."""
    return max(1, (_tile(work) - work.window.span[0]) // work.window.stride[0] + 1)


def _tile(work: LineWork) -> int:
    """Return the rows that are transformed together: at least two of three give results."""
    return max(LEAST_TILE, 3 * work.window.span[0])


def pieces(work: LineWork) -> Iterator[tuple[int, int, Array]]:
    """Yield the results for a plane, in blocks of rows."""
    window = work.window
    height, step = window.output_size[0], window.stride[0]
    together = rows_together(work)
    wide = work._replace(dtype=_working_type(work))
    for start in range(0, height, together):
        stop = min(start + together, height)
        seen = np.arange(start * step, (stop - 1) * step + window.span[0])
        down = [_down(wide, work.border.rows[seen], column) for column, _ in work.terms]
        block = max(1, BLOCK_NUMBERS // len(work.border.columns))
        for first in range(start, stop, block):
            rows = range(first, min(first + block, stop))
            total, *others = (
                _across(wide, part[rows.start - start : rows.stop - start], *term)
                for part, term in zip(down, work.terms, strict=True)
            )
            for other in others:
                total += other
            yield rows.start, rows.stop, total.astype(work.dtype, copy=False)


def _working_type(work: LineWork) -> DType:
    """Return float64 for lines whose weights cancel, such as derivatives.

    With hundreds of weights, what is left of a smooth picture is far smaller than the rounding of its mean.
    """
    cancel = any(abs(line.sum()) < 0.5 * np.abs(line).sum() for term in work.terms for line in term)
    return np.dtype(np.float64) if cancel else work.dtype


def _down(work: LineWork, rows: Index, column: Array) -> Array:
    """Return (rows of results, W) for the padded rows of a border."""
    width = work.image.shape[1]
    out = np.empty(((len(rows) - len(column)) // work.window.stride[0] + 1, width), work.dtype)
    panel = max(1, BLOCK_NUMBERS // len(rows))
    for left in range(0, width, panel):
        columns = np.arange(left, min(left + panel, width))
        padded = np.empty((len(rows), len(columns)), work.dtype)
        Loader(Border(rows, columns, work.border.fill), (1, 1), len(columns)).load(work.image, 0, (0, 0), padded)
        out[:, left : left + panel] = _valid(padded.T, column).T[:: work.window.stride[0]]
    return out


def _across(work: LineWork, down: Array, column: Array, row: Array) -> Array:
    padded = np.empty((len(down), len(work.border.columns)), work.dtype)
    # A row of constants outside the image becomes another constant on the way down.
    border = Border(np.arange(len(down)), work.border.columns, work.border.fill * float(column.sum()))
    Loader(border, (1, 1), padded.shape[1]).load(down, 0, (0, 0), padded)
    return _valid(padded, row)[:, :: work.window.stride[1]][:, : work.window.output_size[1]]


def _valid(lines: Array, weights: Array) -> Array:
    """Return the valid correlation of lines (n, m) with weights (f,): (n, m - f + 1)."""
    from scipy import fft  # 50 ms that only large kernels should pay for

    size = fft.next_fast_len(lines.shape[1], real=True)
    spectrum = fft.rfft(lines, size)
    spectrum *= np.conj(fft.rfft(weights.astype(lines.dtype), size))
    valid: Array = fft.irfft(spectrum, size, overwrite_x=True)[:, : lines.shape[1] - len(weights) + 1]
    return valid
