"""Boxes as files of labels state them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from cnncli.data.boxes.boxes import Boxes
from cnncli.data.boxes.faults import Faults
from cnncli.data.resizing import Size


class Row(NamedTuple):
    """A box as a file states it; numbers that are missing or cannot be read are NaN.

    Attributes:
        number: its place in the file: a line, or a count from 1.
        label: the name of its class.
        place: x, y, width, height, in pixels or, in YOLO's files, in parts of the picture's sides.
        score: from 0 to 1.
        crowd: whether it is neither to be trained on nor to be counted.
        area: area of the object; NaN for that of the box.
    """

    number: int
    label: str
    place: tuple[float, float, float, float]
    score: float = 1.0
    crowd: bool = False
    area: float = math.nan


class LabelledPicture(NamedTuple):
    """The labels of one picture as a file states them.

    Attributes:
        name: the picture's name in the file.
        path: the picture; None where it is not there.
        where: the file, and its word for a row, for messages: `train.json: annotation`.
        rows: the boxes.
        size: (height, width) that the file states; None where it states none.
        relative: whether numbers are parts of the picture's sides.
    """

    name: str
    path: str | None
    where: str
    rows: Sequence[Row]
    size: Size | None = None
    relative: bool = False

    @property
    def file(self) -> str:
        """The file that states the labels."""
        return self.where.rpartition(":")[0]


class Labels(NamedTuple):
    """A part of a data set: its pictures, and its classes in order where a file lists them."""

    pictures: list[LabelledPicture]
    class_names: tuple[str, ...] | None = None


class LabelledBoxes(NamedTuple):
    """A picture, its boxes in its upright pixels, and its size (height, width); None where nobody knows."""

    path: str
    boxes: Boxes
    size: Size | None = None


def number(value: object) -> float:
    """Return a number of a file as a float; NaN for anything else.

    Example:
        >>> [number(value) for value in (3, " 2.5 ", True, None, 10**400)]
        [3.0, 2.5, nan, nan, inf]
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str) or (isinstance(value, str) and "_" in value):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


def stated_size(height: object, width: object) -> Size | None:
    """Return the size that a file states; None for the zeros of programs that do not know it, and for nonsense."""
    sides = number(height), number(width)
    return (round(sides[0]), round(sides[1])) if all(1 <= side < math.inf for side in sides) else None


def joined(pictures: list[LabelledPicture], faults: Faults) -> list[LabelledPicture]:
    """Return the pictures in their order, each once: those that are listed twice get the boxes of both."""
    known: dict[str, LabelledPicture] = {}
    for picture in pictures:
        place = picture.path or picture.name
        first = known.get(place)
        if first is None:
            known[place] = picture
            continue
        faults.add("repeated picture", f"{place} ({picture.file})")
        seen = {row[1:3] for row in first.rows}
        more = [row for row in picture.rows if row[1:3] not in seen]
        known[place] = first._replace(rows=[*first.rows, *more])
    return list(known.values())
