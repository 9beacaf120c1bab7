"""Sheets of labelled pictures, all at one scale."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from cnncli.arrays import Array
from cnncli.drawing.canvas import FAINT, GRID, Box, Canvas, text_width

_MARGIN, _HEAD, _GAP, _LABEL = 24, 74, 16, 22
_LABEL_WIDTH = 240  # pixels of a label, at most, for which a place is made wider than its picture
_WIDEST = 2000  # pixels of a sheet, about
_STRIP = 1_000_000  # pixels that are made smaller at a time


class Layout(NamedTuple):
    """Places for pictures in rows.

    Attributes:
        scale: pixels of the sheet for a pixel of a picture.
        cell: (width, height) of the largest picture on the sheet.
        columns: pictures in a row.
        rows: rows of pictures.
    """

    scale: float
    cell: tuple[float, float]
    columns: int
    rows: int

    @classmethod
    def of(cls, sizes: Sequence[tuple[int, int]], least: float = 0) -> "Layout":
        """Return places at least so wide for pictures of some sizes (height, width); the first decides the scale.

        Large pictures are made smaller, and small ones larger, by whole numbers.

        Example:
            >>> Layout.of([(3000, 4000), (3000, 4000)])
            Layout(scale=0.2, cell=(800.0, 600.0), columns=2, rows=1)
            >>> Layout.of([(6, 6)] * 3).scale
            53.0
        """
        count, longest = len(sizes), max(sizes[0])
        side = 960 if count <= 4 else 640 if count <= 9 else 320
        scale = 1 / math.ceil(longest / side) if longest > side else float(max(1, side // 3 // longest))
        height, width = (scale * max(size[axis] for size in sizes) for axis in (0, 1))
        width = max(width, least)
        columns = min(count, math.ceil(math.sqrt(count * height / width)), int(_WIDEST // (width + _GAP)) or 1)
        columns = max(columns, 2 if 2 * width + _GAP <= _WIDEST and count > 1 else 1)
        return cls(scale, (width, height), columns, math.ceil(count / columns))

    def words(self) -> str:
        """Say how the size of pictures on the sheet compares with their own."""
        if self.scale == 1:
            return "all in their own size"
        if self.scale > 1:
            return f"all {self.scale:g} times as large"
        return f"all at 1/{1 / self.scale:g} of their size"


class Sheet:
    """A sheet on which pictures are put, one after another.

    Args:
        title: above all.
        note: below it.
        labels: of the pictures.
        sizes: of the pictures, (height, width).

    Attributes:
        canvas: the sheet.
    """

    def __init__(self, title: str, note: str, labels: Sequence[str], sizes: Sequence[tuple[int, int]]) -> None:
        longest = max(text_width(label, 13) for label in labels)
        self._labels, self._layout = labels, Layout.of(sizes, min(longest, _LABEL_WIDTH))
        width, height = self._layout.cell
        across = self._layout.columns * (width + _GAP) - _GAP
        note = f"{note}, {self._layout.words()}"
        across = max(across, min(text_width(note, 13), _WIDEST))
        down = self._layout.rows * (height + _LABEL + _GAP) - _GAP
        self.canvas = Canvas(across + 2 * _MARGIN, _HEAD + down + _MARGIN)
        self.canvas.text(_MARGIN, 16, title, size=17, room=across)
        self.canvas.text(_MARGIN, 44, note, fill=FAINT, room=across)

    @property
    def scale(self) -> float:
        """Pixels of the sheet for a pixel of a picture."""
        return self._layout.scale

    def put(
        self, number: int, pixels: Array, *, ground: int | None = None, size: tuple[int, int] | None = None
    ) -> None:
        """Draw the picture of a number from 0, with its label above.

        Args:
            number: the place in `labels`.
            pixels: (H, W) or (H, W, 3) bytes.
            ground: 0 or 255, the level on which a picture has lines, which stay visible where it is made smaller; None
                for a photograph.
            size: (height, width) of the picture; None for that of the pixels, which may be at the sheet's scale.
        """
        layout = self._layout
        x = _MARGIN + number % layout.columns * (layout.cell[0] + _GAP)
        y = _HEAD + number // layout.columns * (layout.cell[1] + _LABEL + _GAP)
        self.canvas.text(x, y, self._labels[number], room=layout.cell[0] + _GAP / 2)
        height, width = (max(1.0, layout.scale * side) for side in size or pixels.shape[:2])
        box = Box(x, y + _LABEL, x + width, y + _LABEL + height)
        if layout.scale < 1 and ground is not None:
            pixels = smaller(pixels, (round(height), round(width)), ground)
        self.canvas.picture(box, pixels)
        self.canvas.box(Box(box.left - 0.5, box.top - 0.5, box.right + 0.5, box.bottom + 0.5), outline=GRID)

    def pixels(self) -> Array:
        """Return the sheet as (H, W, 3) bytes."""
        return self.canvas.pixels()


def smaller(pixels: Array, size: tuple[int, int], ground: int) -> Array:
    """Return a picture of lines in a smaller size: areas keep their levels, and lines do not fade as in a mean.

    A pixel becomes the root of the mean square distance from the ground: at a seventh of the size, a white line of one
    pixel on black has the level 96, where the mean is 36.

    Args:
        pixels: (H, W) or (H, W, 3) bytes.
        size: (height, width).
        ground: the level of the ground, 0 or 255.

    Example:
        >>> line = np.zeros((7, 7), np.uint8)
        >>> line[3] = 255
        >>> smaller(line, (1, 1), 0).tolist()
        [[96]]
    """
    planes = pixels[..., np.newaxis] if pixels.ndim == 2 else pixels
    distances = [_distances(np.ascontiguousarray(plane), size, ground) for plane in np.moveaxis(planes, -1, 0)]
    levels: Array = np.rint(np.abs(ground - np.stack(distances, axis=-1))).clip(0, 255).astype(np.uint8)
    return levels.reshape(*size, *pixels.shape[2:])


def _distances(plane: Array, size: tuple[int, int], ground: int) -> Array:
    """Return the root of the mean square distance of the levels of an area from the ground, strip by strip."""
    (height, width), rows = plane.shape, max(1, _STRIP * size[0] // plane.size)
    means = np.empty(size, np.float32)
    for start in range(0, size[0], rows):
        stop = min(start + rows, size[0])
        top, bottom = start * height / size[0], stop * height / size[0]
        first = int(top)
        squares = Image.fromarray(np.square(plane[first : math.ceil(bottom)].astype(np.float32) - ground))
        box = (0, top - first, width, min(bottom - first, squares.height))
        means[start:stop] = np.asarray(squares.resize((size[1], stop - start), Image.Resampling.BOX, box=box))
    return np.sqrt(means, out=means)
