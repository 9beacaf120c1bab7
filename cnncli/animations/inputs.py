"""The small input of an animation: a matrix typed as text, or a file, perhaps a part of it."""

import os
import re
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ArgumentError
from cnncli.files.matrices import parse_matrix
from cnncli.filters.bands import whole
from cnncli.images.reading import open_image
from cnncli.pipelines.pages import visible

_NUMBERS = re.compile(r"(?=.*\d)[-+\d.,;/eE\s]+", re.DOTALL)


class Crop(NamedTuple):
    """A part of a picture, in pixels from its upper left corner."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> "Crop":
        """Return the part that a text X,Y,WxH names.

        Raises:
            ArgumentError: the text is anything else.

        Example:
            >>> Crop.parse("10,20,8x6")
            Crop(x=10, y=20, width=8, height=6)
        """
        found = re.fullmatch(r"\s*(\d+),(\d+),(\d+)x(\d+)\s*", text)
        crop = cls(*map(int, found.groups())) if found else None
        if crop is None or 0 in (crop.width, crop.height):
            raise ArgumentError(f"a crop is X,Y,WxH in pixels, such as 10,20,8x6, got {text!r}")
        return crop

    def of(self, pixels: Array) -> Array:
        """Return the part of (H, W) or (H, W, C) pixels.

        Raises:
            ArgumentError: it reaches beyond them.
        """
        height, width = pixels.shape[:2]
        if self.x + self.width > width or self.y + self.height > height:
            raise ArgumentError(
                f"the crop {self.x},{self.y},{self.width}x{self.height} reaches beyond the input, which is "
                f"{width}x{height} pixels (width x height)"
            )
        return pixels[self.y : self.y + self.height, self.x : self.x + self.width]


class SmallInput(NamedTuple):
    """Pixels or numbers (H, W) or (H, W, C), and whether they were written as text."""

    pixels: Array
    typed: bool


def read_small(text: str, *, gray: bool, crop: Crop | None = None) -> SmallInput:
    """Return the numbers that a text holds, or the first frame of the file that it names.

    Args:
        text: numbers, rows separated by `;`, or the name of a picture, an .npy array or a matrix as text.
        gray: read a picture as its luma.
        crop: the part that is kept.

    Raises:
        ArgumentError: the text is not a matrix, or the crop reaches beyond it.
        ImageError: the file cannot be read.

    Example:
        >>> read_small("2 0 1; 1 0 0", gray=True).pixels.tolist()
        [[2, 0, 1], [1, 0, 0]]
    """
    if _NUMBERS.fullmatch(text) and not os.path.lexists(text):
        pixels, typed = np.array(parse_matrix(text)), True
    else:
        with open_image(text, gray=gray) as image:
            frame = next(image.frames())
            pixels, typed = whole(visible(frame)), frame.typed
    return SmallInput(pixels if crop is None else crop.of(pixels), typed)
