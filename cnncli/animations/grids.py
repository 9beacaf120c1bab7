"""Grids of cells at a place: their lines, areas, hatching and numbers as shapes."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from math import floor
from typing import NamedTuple

from cnncli.animations.frames import Kind, Plane
from cnncli.animations.scene import Rect, Strokes, Words
from cnncli.drawing.svg.document import Point
from cnncli.drawing.svg.lettering import text_width
from cnncli.files.text import number_text
from cnncli.shapes import Pair

LARGEST_LETTERS, LEGIBLE_LETTERS = 14, 9
"""Pixels of the letters in a cell: at most, and as long as leaving out digits helps."""


class Grid(NamedTuple):
    """Rows and columns of square cells, with the upper left corner at (x, y)."""

    x: float
    y: float
    rows: int
    columns: int
    cell: float

    @property
    def width(self) -> float:
        """Pixels from the left to the right."""
        return self.columns * self.cell

    @property
    def height(self) -> float:
        """Pixels from the top to the bottom."""
        return self.rows * self.cell

    def corner(self, row: int, column: int) -> Point:
        """Return the upper left corner of a cell."""
        return self.x + column * self.cell, self.y + row * self.cell

    def area(self, place: Pair, size: Pair = (1, 1), *, style: str, line: float = 1) -> Rect:
        """Return a rectangle over (height, width) cells from a (row, column) on."""
        return Rect(*self.corner(*place), size[1] * self.cell, size[0] * self.cell, style, line)

    def lines(self, style: str = "soft") -> Strokes:
        """Return the lines between and around the cells."""
        right, bottom = self.x + self.width, self.y + self.height
        across = [self.y + row * self.cell for row in range(self.rows + 1)]
        down = [self.x + column * self.cell for column in range(self.columns + 1)]
        return Strokes(
            (*(((self.x, y), (right, y)) for y in across), *(((x, self.y), (x, bottom)) for x in down)), style
        )

    def runs(self, kinds: Iterable[Iterable[Kind]], wanted: Kind, style: str) -> Iterator[Rect]:
        """Yield an area for each run of cells of a kind."""
        for row, line in enumerate(kinds):
            column = 0
            for kind, cells in groupby(line):
                count = len(list(cells))
                if kind is wanted:
                    yield self.area((row, column), (1, count), style=style)
                column += count

    def hatching(self, kinds: Iterable[Iterable[Kind]], wanted: Kind, style: str = "soft") -> Iterator[Strokes]:
        """Yield lines across the cells of a kind, beside their numbers: rising for padding, falling for others."""
        half, side = self.cell / 2, self.cell
        strokes = [((0.0, half), (half, 0.0)), ((half, side), (side, half))]
        if wanted is Kind.INSERTED:
            strokes = [((x, side - y), (right, side - top)) for (x, y), (right, top) in strokes]
        corners = [
            self.corner(row, column)
            for row, line in enumerate(kinds)
            for column, kind in enumerate(line)
            if kind is wanted
        ]
        if corners:
            yield Strokes(
                tuple(
                    ((x + left, y + low), (x + right, y + high))
                    for x, y in corners
                    for (left, low), (right, high) in strokes
                ),
                style,
                0.5,
            )

    def words(self, place: Pair, text: str, size: float, style: str = "ink") -> Words:
        """Return a text in the middle of a cell."""
        x, y = self.corner(*place)
        return Words(x + self.cell / 2, round(y + self.cell / 2 + 0.36 * size, 1), text, size, style=style)


class Lettering(NamedTuple):
    """The writing of the numbers of a grid, so that the longest fits into its cell."""

    write: Callable[[float], str]
    size: float

    @classmethod
    def of(cls, numbers: Iterable[float | None], cell: float) -> "Lettering":
        """Return the writing with the most digits whose letters are large enough to read."""
        known = [number for number in numbers if number is not None]
        for write in (number_text, *(_rounded(digits) for digits in (4, 3, 2))):
            longest = max((text_width(write(number), 1) for number in known), default=1.0)
            size = min(LARGEST_LETTERS, floor(2 * (cell - 4) / longest) / 2)
            if size >= LEGIBLE_LETTERS:
                break
        return cls(write, size)


def _rounded(digits: int) -> Callable[[float], str]:
    """Return what writes a number in so many digits; a whole number in full, unless that is longer."""
    return lambda number: min(number_text(number), f"{number:.{digits}g}", key=len)


def numbers_on(grid: Grid, plane: Plane, kinds: Sequence[Sequence[Kind]] | None = None) -> Iterator[Words]:
    """Yield the numbers of a plane in the cells of a grid; those of cells that are not the input are faint."""
    lettering = Lettering.of((number for line in plane for number in line), grid.cell)
    for row, line in enumerate(plane):
        for column, number in enumerate(line):
            if number is not None:
                style = "ink" if kinds is None or kinds[row][column] is Kind.INPUT else "faint"
                yield grid.words((row, column), lettering.write(number), lettering.size, style)
