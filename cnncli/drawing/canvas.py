"""Canvas drawn with Pillow: text, lines, boxes and pictures.

Everything is drawn at twice its size and made smaller at the end, which smooths lines.
"""

import math
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple
from unicodedata import combining, normalize

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from cnncli.arrays import Array
from cnncli.errors import ImageError
from cnncli.files.temporary import open_whole
from cnncli.files.text import cleaned

Colour = tuple[int, int, int]

INK, FAINT, GRID, PAPER = (31, 41, 51), (110, 120, 132), (228, 231, 235), (255, 255, 255)
BLUE, ORANGE = (31, 99, 178), (217, 101, 13)

_FINE = 2  # pixels drawn for each pixel of the result, along each axis
_SYSTEM_FONTS = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "Arial Unicode.ttf",
    "arial.ttf",
    "msyh.ttc",
)
"""Fonts of Linux, macOS and Windows, for letters that Pillow's own font lacks."""

_NO_LETTER = "\U0010fffe"  # a character that no font has: it is drawn as a box


class Box(NamedTuple):
    """A rectangle in pixels of the result."""

    left: float
    top: float
    right: float
    bottom: float


class Canvas:
    """A white sheet, its sizes in pixels."""

    def __init__(self, width: float, height: float) -> None:
        self._image = Image.new("RGB", (round(width) * _FINE, round(height) * _FINE), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = 13,
        anchor: str = "la",
        fill: Colour = INK,
        room: float = 0,
    ) -> None:
        """Write a line of text, cut off where it needs more than `room` pixels.

        `anchor` is Pillow's: `la` has the left end of its upper edge at the point, `mm` its middle, `rs` the right end
        of its base line.
        """
        words = fitting(text, size, room) if room else one_line(text)
        font = font_of(words, size * _FINE)
        self._draw.text((x * _FINE, y * _FINE), words, font=font, fill=fill, anchor=anchor)

    def upright(self, x: float, y: float, text: str, *, fill: Colour = INK, room: float = 0) -> None:
        """Write a line of text upwards, with its end at the point (top, middle)."""
        words = fitting(text, 13, room) if room else one_line(text)
        font = font_of(words, 13 * _FINE)
        width, height = math.ceil(font.getlength(words)) + 2, round(13 * 1.4 * _FINE)
        label = Image.new("L", (width, height), 0)
        ImageDraw.Draw(label).text((0, height / 2), words, font=font, fill=255, anchor="lm")
        turned = label.transpose(Image.Transpose.ROTATE_90)
        self._image.paste(fill, (round(x * _FINE - turned.width / 2), round(y * _FINE)), turned)

    def line(self, points: Sequence[tuple[float, float]], *, fill: Colour = INK, width: float = 1) -> None:
        """Draw a line through points."""
        scaled = [(x * _FINE, y * _FINE) for x, y in points]
        self._draw.line(scaled, fill=fill, width=round(width * _FINE), joint="curve")

    def box(self, box: Box, *, fill: Colour | None = None, outline: Colour | None = None) -> None:
        """Draw a rectangle."""
        left, top, right, bottom = (round(edge * _FINE) for edge in box)
        self._draw.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), fill=fill, outline=outline)

    def picture(self, box: Box, pixels: Array) -> None:
        """Draw (H, W) or (H, W, 3) bytes; single pixels stay square and sharp where there is room."""
        size = (round((box.right - box.left) * _FINE), round((box.bottom - box.top) * _FINE))
        larger = size[0] >= pixels.shape[1] and size[1] >= pixels.shape[0]
        method = Image.Resampling.NEAREST if larger else Image.Resampling.BOX
        image = Image.fromarray(np.ascontiguousarray(pixels)).resize(size, method).convert("RGB")
        self._image.paste(image, (round(box.left * _FINE), round(box.top * _FINE)))

    def pixels(self) -> Array:
        """Return the sheet as (H, W, 3) bytes."""
        return np.asarray(self._image.reduce(_FINE))

    def save(self, path: str | Path, *, replace: bool = True) -> None:
        """Write the sheet as PNG, whole or not at all; an existing file is replaced if `replace` says so.

        Raises:
            ImageError: the file cannot be written.
        """
        with open_whole(path, ImageError, replace=replace) as file:
            self._image.reduce(_FINE).save(file, format="png", optimize=False)


def one_line(text: str) -> str:
    """Return a text with a space for each run of characters that cannot be drawn on one line.

    Where the system has no font, letters lose their accents.
    """
    words = " ".join(cleaned(text).split())
    if words.isascii() or len(_fonts(13)) > 1:
        return words
    return "".join(letter for letter in normalize("NFKD", words) if not combining(letter))


def fitting(text: str, size: float, room: float) -> str:
    """Return a text cut to a width.

    Example:
        >>> fitting("short", 13, 100), fitting("a name that is far too long", 13, 60)
        ('short', 'a name t...')
    """
    words = one_line(text)[:500]
    font = font_of(words, size)
    if font.getlength(words) <= room:
        return words
    while words and font.getlength(words + "...") > room:
        words = words[:-1]
    return words + "..."


def text_width(text: str, size: float) -> float:
    """Return the width of a line of text in pixels."""
    return float(font_of(text, size).getlength(one_line(text)))


def font_of(text: str, size: float) -> Any:
    """Return the font that has the most letters of a text: Pillow's own, without accents, where it has them all."""
    pixels = max(1, round(size))
    letters = frozenset(letter for letter in text if not letter.isascii())
    return _best_font(letters, pixels) if letters else _fonts(pixels)[0]


@lru_cache(1024)
def _best_font(letters: frozenset[str], size: int) -> Any:
    return max(_fonts(size), key=lambda font: sum(_has(font, letter) for letter in letters))


def _has(font: Any, letter: str) -> bool:
    return bytes(font.getmask(letter)) != bytes(font.getmask(_NO_LETTER))


@cache
def _fonts(size: int) -> tuple[Any, ...]:
    """Return Pillow's own font, and the fonts found on the system."""
    found = [ImageFont.load_default(size)]
    for name in _SYSTEM_FONTS:
        with suppress(OSError):
            found.append(ImageFont.truetype(name, size))
    return tuple(found)


def diverging(values: Array, largest: float) -> Array:
    """Return signed numbers as colours: red above 0, blue below, white at 0; (..., 3) bytes."""
    share = np.clip(values / (largest or 1), -1, 1)[..., np.newaxis]
    ends = np.where(share >= 0, np.array([178, 24, 43]), np.array([33, 102, 172]))
    mixed: Array = np.rint(255 + np.abs(share) * (ends - 255)).astype(np.uint8)
    return mixed
