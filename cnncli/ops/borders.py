"""Borders: the pixels outside the image.

A border is an index: for every row (or column) of the padded image, the row of the image that it repeats, or -1 for a
constant. Whoever needs padded pixels takes them through the index; the padded image as a whole is never made.
"""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from cnncli.errors import ArgumentError

Index = npt.NDArray[np.intp]

OUTSIDE = -1


def _there_and_back(position: Index, period: int, last: int) -> Index:
    offset = position % period
    return np.minimum(offset, last - offset)


PADDING_MODES: dict[str, Callable[[Index, int], Index]] = {
    "zeros": lambda position, n: np.where((position >= 0) & (position < n), position, OUTSIDE),
    "reflect": lambda position, n: _there_and_back(position, max(2 * (n - 1), 1), max(2 * (n - 1), 1)),
    "replicate": lambda position, n: np.clip(position, 0, n - 1),
    "circular": lambda position, n: position % n,
    "symmetric": lambda position, n: _there_and_back(position, 2 * n, 2 * n - 1),
}
"""PyTorch's names, and `symmetric` for what SciPy calls `reflect`. `reflect` does not repeat the edge pixel."""


def border_index(
    n: int, before: int, after: int, mode: str = "zeros", reach: int = 0, taken: slice = slice(None)
) -> Index:
    """Return the input position that each of before + n + after padded positions shows, or -1.

    Args:
        n: input size.
        before: positions in front of the input.
        after: positions after it.
        mode: one of `PADDING_MODES`.
        reach: the least length of the result; positions past the padding are -1 (the partial windows of ceil mode).
        taken: the padded positions that are needed, without a step; the work is proportional to their number.

    Raises:
        ArgumentError: an unknown mode.

    Example:
        >>> border_index(4, 3, 2, "reflect").tolist()
        [3, 2, 1, 0, 1, 2, 3, 2, 1]
    """
    if mode not in PADDING_MODES:
        raise ArgumentError(f"unknown padding_mode {mode!r}: the modes are {', '.join(PADDING_MODES)}")
    positions = range(-before, n + after)[taken]
    index = PADDING_MODES[mode](np.arange(positions.start, positions.stop), n)
    return np.concatenate([index, np.full(max(0, reach - len(index)), OUTSIDE)])


class Rows(Protocol):
    """An image that gives its rows in bands, whole in memory or not."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(H, W) or (H, W, C)."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The pixels' type."""

    def rows(self, start: int, stop: int) -> npt.NDArray[Any]:
        """Return the rows [start, stop)."""


def take_rows(image: Rows, index: Index) -> npt.NDArray[Any]:
    """Return the rows that a border index names; each is read once, in as few reads as there are runs of them.

    Args:
        image: the source of rows.
        index: row numbers, -1 for a row of zeros.

    Returns:
        An array of len(index) rows; a view of the image's own where the rows lie in sequence.
    """
    wanted = np.unique(index[index != OUTSIDE])
    runs = np.split(wanted, np.flatnonzero(np.diff(wanted) != 1) + 1) if len(wanted) else []
    if np.array_equal(index, wanted) and len(runs) == 1:
        return image.rows(int(index[0]), int(index[-1]) + 1)
    taken = np.zeros((len(index), *image.shape[1:]), image.dtype)
    for run in runs:
        named = np.flatnonzero((index >= run[0]) & (index <= run[-1]))
        taken[named] = image.rows(int(run[0]), int(run[-1]) + 1)[index[named] - run[0]]
    return taken
