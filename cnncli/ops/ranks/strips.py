"""Strips: pieces of an image that are filtered one after the other, in memory that all of them use."""

from collections.abc import Iterator
from typing import Protocol

from cnncli.arrays import Array
from cnncli.ops.loading import Border, Loader
from cnncli.ops.ranks.orders import turn
from cnncli.shapes import Pair


class Strip(Protocol):
    """Memory for the pixels of a piece of an image, and what computes their windows.

    The image is dealt out by rows: row y is one of phase y mod F.

    Attributes:
        size: rows of each phase, and columns, of the results.
        reach: rows of each phase, and columns, of pixels that are needed past those.
        pixels: for each phase (rows, at least columns, C).
    """

    size: Pair
    reach: Pair
    pixels: list[Array]

    def compute(self, out: Array) -> None:
        """Compute results (rows, columns, C) of all phases; the last rows may be fewer than the strip has."""


def run(strip: Strip, image: Array, border: Border, out: Array, *, floats: bool = False) -> None:
    """Filter an image strip by strip.

    Args:
        strip: what computes a piece.
        image: (H, W, C), of integers.
        border: the image's border.
        out: (H_out, W_out, C), the results.
        floats: the integers are the bits of floating-point numbers.
    """
    phases, (rows, columns) = len(strip.pixels), strip.size
    for left in _starts(out.shape[1], columns):
        taken = border._replace(columns=border.columns[left : left + columns + strip.reach[1]])
        loader = Loader(taken, (phases, 1), len(taken.columns))
        for top in _starts(-(-out.shape[0] // phases), rows):
            for phase, pixels in enumerate(strip.pixels):
                loader.load(image, top, (phase, 0), pixels)
                if floats:
                    turn(pixels)
            results = out[top * phases : (top + rows) * phases, left : left + columns]
            strip.compute(results)
            if floats:
                turn(results)


def _starts(size: int, piece: int) -> Iterator[int]:
    """Yield where pieces of one size begin; the last one overlaps the one before it if need be."""
    return (min(start, size - piece) for start in range(0, size, piece))


def even(size: int, most: int) -> int:
    """Return the size of equal pieces that are no larger than `most`.

    Example:
        >>> even(100, 60)
        50
    """
    return -(-size // -(-size // most))
