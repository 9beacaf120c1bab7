"""The parts of an animation: pictures that are put on one canvas, one after another."""

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple


class Disposal(IntEnum):
    """What becomes of a part's place on the canvas before the next part comes."""

    KEEP = 0
    CLEAR = 1
    RESTORE = 2


class Part(NamedTuple):
    """A part, known from its header: its pixels are not decoded yet.

    Attributes:
        left: the canvas column of its first column; it may lie beyond the canvas, and so may the other sides.
        top: the canvas row of its first row.
        width: its columns.
        height: its rows.
        disposal: what becomes of its place afterwards.
        over: whether it is laid over what is there, and does not replace it.
        see_through: whether its pixels may be transparent.
        gray: whether it has no colours.
        duration: milliseconds for which it is shown; None where the file does not say.
        still: gives a file of this part alone.
    """

    left: int
    top: int
    width: int
    height: int
    disposal: Disposal
    over: bool
    see_through: bool
    gray: bool
    duration: float | None
    still: Callable[[], bytes]

    def covers(self, width: int, height: int) -> bool:
        """Whether it hides a whole canvas of this size."""
        return self.left == self.top == 0 and self.width >= width and self.height >= height


def is_gray(palette: bytes) -> bool:
    """Whether a palette of red, green and blue levels holds greys alone; an empty one does.

    Example:
        >>> is_gray(bytes([1, 1, 1, 9, 9, 9])), is_gray(bytes([1, 2, 3]))
        (True, False)
    """
    return palette[0::3] == palette[1::3] == palette[2::3]
