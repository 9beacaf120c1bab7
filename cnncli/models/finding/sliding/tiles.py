"""The windows of a picture in one size, tile by tile: no more of it is in memory than a few tiles take."""

from collections.abc import Iterator
from math import ceil
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.data.resizing import Size
from cnncli.models.finding.sliding.pyramids import Rows
from cnncli.models.finding.sliding.sliders import Slider


class Tile(NamedTuple):
    """A tile along one axis, in windows.

    Attributes:
        start: the first window that is taken from it.
        stop: the one after the last.
        first: the first window that lies in it.
        last: the one after the last.
    """

    start: int
    stop: int
    first: int
    last: int


def tiles(count: int, most: int, before: int, after: int) -> list[Tile]:
    """Return the tiles for a number of windows along an axis; all are of one size.

    Args:
        count: the number of windows.
        most: the most that are taken from a tile.
        before: windows more that a tile has before those that are taken from it, unless it begins with the first.
        after: the same behind.

    Example:
        >>> tiles(10, 4, 0, 0)
        [Tile(start=0, stop=4, first=0, last=4), Tile(start=4, stop=8, first=4, last=8), \
Tile(start=8, stop=10, first=6, last=10)]
    """
    size = ceil(count / ceil(count / most))
    length = min(count, size + before + after)
    starts = range(0, count, size)
    firsts = [min(max(0, start - before), count - length) for start in starts]
    return [
        Tile(start, min(start + size, count), first, first + length)
        for start, first in zip(starts, firsts, strict=True)
    ]


def level_scores(picture: Array, level: Size, slider: Slider) -> Iterator[tuple[int, int, Array]]:
    """Yield row and column of the first window of each tile, and its windows' probabilities (rows, columns, classes).

    Args:
        picture: (H, W, C).
        level: the size in which it is looked at.
        slider: what computes the windows.
    """
    size, stride, margins, _ = slider.windows
    downs, acrosses = (
        tiles((n - f) // s + 1, slider.most, ceil(before / s), ceil(after / s))
        for n, f, s, before, after in zip(level, size, stride, margins[::2], margins[1::2], strict=True)
    )
    rows = Rows(picture, level)
    for row in downs:
        band = rows(row.first * stride[0], (row.last - 1) * stride[0] + size[0])
        cut = [band[:, tile.first * stride[1] : (tile.last - 1) * stride[1] + size[1]] for tile in acrosses]
        for column, scores in zip(acrosses, slider.scores(np.stack(cut)), strict=True):
            inner = scores[row.start - row.first : row.stop - row.first, column.start - column.first :]
            yield row.start, column.start, inner[:, : column.stop - column.start]
