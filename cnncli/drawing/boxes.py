"""Boxes drawn over a picture, each with the name of its class and its score.

Only the labels are drawn on a canvas of their own: a picture of 200 million pixels takes no memory beside its own.
"""

from collections.abc import Iterator, Sequence
from math import ceil
from typing import NamedTuple, Protocol

import numpy as np

from cnncli.arrays import Array
from cnncli.drawing.canvas import INK, PAPER, Box, Canvas, Colour, fitting, text_width
from cnncli.ops.boxes import areas, intersections

PALETTE = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (213, 94, 0),
    (204, 121, 167),
    (86, 180, 233),
    (240, 228, 66),
)
"""Colours that people with any colour vision tell apart (Okabe and Ito 2008, "Color universal design")."""

_SHADES = (1, 0.6)  # of the palette, for classes beyond its end
_LINE, _TEXT = 350, 40  # the root of a picture's area in widths of a line, and in sizes of the text
_LEAST_TEXT = 10
_PADDING, _LEADING = 0.3, 1.35  # of a label, in sizes of its text
_SHORTEST = 3  # letters without which a name says nothing
_MOST = 0.25  # of a picture that labels may cover
_HIDDEN = 0.2  # of an object that a label may hide without need
_BRIGHT = 110  # level of a colour on which dark letters are read better than white ones


class Drawable(Protocol):
    """What `draw_boxes` needs of boxes: a `Boxes` of the room `data`."""

    @property
    def places(self) -> Array:
        """(n, 4): x, y, width, height in pixels."""

    @property
    def labels(self) -> Array:
        """(n,), the index of each one's class."""

    @property
    def scores(self) -> Array:
        """(n,), from 0 to 1."""


def draw_boxes(
    pixels: Array,
    boxes: Drawable,
    class_names: Sequence[str],
    *,
    scores: bool = True,
    color: Colour | None = None,
) -> Array:
    """Draw boxes on a copy of a picture: the better a score, the further on top.

    Lines and letters grow with the picture. A label stands above its box, or inside or below it where it hides less of
    an object, never outside the picture nor over another label. Labels that would hide whole objects, or more than a
    quarter of the picture, are left out, first their scores: the colour alone says the class then.

    Args:
        pixels: (H, W) or (H, W, C): bytes, 16-bit levels, or floating point from 0 to 255; of channels that are not
            grey or RGB, the mean is drawn.
        boxes: a `Boxes`.
        class_names: the names that the labels of boxes stand for.
        scores: whether labels show scores, in percent.
        color: (red, green, blue) of all boxes; None for one for each class, always the same.

    Returns:
        (H, W, 3), uint8.

    Example:
        >>> from cnncli.data.boxes.boxes import Boxes
        >>> drawn = draw_boxes(np.zeros((40, 60), np.uint8), Boxes.of([[5, 5, 20, 20]], [0]), ["cell"])
        >>> drawn.shape, drawn[24, 15].tolist()
        ((40, 60, 3), [0, 114, 178])
    """
    drawn = as_rgb(pixels)
    height, width = drawn.shape[:2]
    root = (height * width) ** 0.5
    thick, size = max(1, round(root / _LINE)), max(_LEAST_TEXT, min(root / _TEXT, min(height, width) / 8))
    labels = _Labels((height, width), boxes.places, size, thick)
    for index in np.argsort(-boxes.scores, kind="stable").tolist():
        label, place = int(boxes.labels[index]), boxes.places[index]
        score = float(boxes.scores[index]) if scores else None
        labels.add(class_names[label], score, place, color or class_colour(label))
    for index in np.argsort(boxes.scores, kind="stable").tolist():
        _outline(drawn, boxes.places[index], thick, color or class_colour(int(boxes.labels[index])))
    for one in reversed(labels.placed):
        one.draw(drawn, size)
    return drawn


def class_colour(label: int) -> Colour:
    """Return the colour of a class by its index; those beyond the palette are darker, and then repeat.

    Example:
        >>> class_colour(0), class_colour(7), class_colour(14)
        ((0, 114, 178), (0, 68, 107), (0, 114, 178))
    """
    shade = _SHADES[label // len(PALETTE) % len(_SHADES)]
    red, green, blue = (round(shade * level) for level in PALETTE[label % len(PALETTE)])
    return red, green, blue


class _Label(NamedTuple):
    """A text on a filled rectangle of whole pixels: its upper left corner, and its size."""

    words: str
    left: int
    top: int
    width: int
    height: int
    colour: Colour

    @property
    def place(self) -> tuple[int, int, int, int]:
        """x, y, width, height."""
        return self.left, self.top, self.width, self.height

    def draw(self, pixels: Array, size: float) -> None:
        """Draw the label into a picture."""
        canvas = Canvas(self.width, self.height)
        canvas.box(Box(0, 0, self.width, self.height), fill=self.colour)
        ink = INK if _brightness(self.colour) > _BRIGHT else PAPER
        canvas.text(self.width / 2, self.height / 2, self.words, size=size, anchor="mm", fill=ink)
        pixels[self.top : self.top + self.height, self.left : self.left + self.width] = canvas.pixels()


class _Labels:
    """The labels of a picture: inside it, none over another, and together on a part of it at most.

    Of the places for a label, the one is taken where it hides least of any object.
    """

    def __init__(self, picture: tuple[int, int], places: Array, size: float, thick: int) -> None:
        self.picture, self.places, self.size, self.thick = picture, places, size, thick
        self.placed: list[_Label] = []
        self._room = _MOST * picture[0] * picture[1]

    def add(self, name: str, score: float | None, place: Array, colour: Colour) -> None:
        """Place the label of a box, without its score where that needs too much room, or not at all."""
        for end in ("",) if score is None else (f" {100 * score:.0f}%", ""):
            words = self._words(name, end)
            spots = np.array([*self._spots(words, place)], float).reshape(-1, 4)
            taken = np.array([label.place for label in self.placed], float).reshape(-1, 4)
            hidden = self._hidden(spots)
            is_free = (areas(spots) <= self._room) & (hidden <= 1) & ~intersections(spots, taken).any(axis=1)
            if is_free.any():
                left, top, width, height = spots[np.where(is_free, hidden, np.inf).argmin()].astype(int)
                self.placed.append(_Label(words, left, top, width, height, colour))
                self._room -= width * height
                return

    def _hidden(self, spots: Array) -> Array:
        """Return how many objects labels would hide; small parts of one do not count."""
        shares = intersections(spots, self.places) / np.maximum(areas(self.places), 1)
        hidden: Array = np.where(shares > _HIDDEN, shares, 0).sum(axis=1)
        return hidden

    def _words(self, name: str, end: str) -> str:
        """Return a name, cut where the picture is too narrow, and what follows it; empty where that says nothing."""
        room = self.picture[1] - 2 * _PADDING * self.size - text_width(end, self.size)
        short = fitting(name, self.size, room) if room > 0 else ""
        return short + end if short == name or len(short.removesuffix("...")) >= _SHORTEST else ""

    def _spots(self, words: str, place: Array) -> Iterator[tuple[int, int, int, int]]:
        """Yield places for a label at the corners of a box: above, inside and below, on the left before the right."""
        width = ceil(text_width(words, self.size) + 2 * _PADDING * self.size)
        height, outside = ceil(_LEADING * self.size), self.thick // 2  # of the box: half of its line
        if not words or height > self.picture[0] or width > self.picture[1]:
            return
        x, y, across, down = place.tolist()
        for left in (x - outside, x + across + outside - width):
            for top in (y - outside - height, y - outside, y + down + outside - height, y + down + outside):
                yield *self._inside((left, top), (width, height)), width, height

    def _inside(self, corner: tuple[float, float], size: tuple[int, int]) -> tuple[int, int]:
        """Return the corner (left, top) nearest to the wished one from which a label is inside the picture."""
        rooms = (self.picture[1] - size[0], self.picture[0] - size[1])
        left, top = (round(min(max(0, wished), room)) for wished, room in zip(corner, rooms, strict=True))
        return left, top


def _outline(pixels: Array, place: Array, thick: int, colour: Colour) -> None:
    """Draw a rectangle whose line lies half inside and half outside of a box."""
    height, width = pixels.shape[:2]
    x, y, across, down = place.tolist()
    before = thick // 2
    left, right = (min(max(round(edge) - before, 0), width - thick) for edge in (x, x + across - thick % 2))
    top, bottom = (min(max(round(edge) - before, 0), height - thick) for edge in (y, y + down - thick % 2))
    rows, columns = slice(max(top, 0), bottom + thick), slice(max(left, 0), right + thick)
    for start in (top, bottom):
        pixels[max(start, 0) : start + thick, columns] = colour
    for start in (left, right):
        pixels[rows, max(start, 0) : start + thick] = colour


def _brightness(colour: Colour) -> float:
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue


def as_rgb(pixels: Array) -> Array:
    """Return a copy of pixels as bytes (H, W, 3), grey where their channels are no colours."""
    if pixels.dtype == np.uint16:
        pixels = pixels >> 8
    elif pixels.dtype != np.uint8:
        pixels = np.rint(np.nan_to_num(pixels)).clip(0, 255)
    planes = pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
    if planes.shape[2] not in (1, 3):
        planes = planes.mean(axis=2, keepdims=True)
    return np.array(np.broadcast_to(planes, (*planes.shape[:2], 3)), np.uint8)
