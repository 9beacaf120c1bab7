"""Boxes as files of labels state them, and what becomes of them once the size of their picture is known."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from cnncli.data.boxes.boxes import Boxes, Floats
from cnncli.data.boxes.faults import Faults
from cnncli.data.pictures import Size


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
        path: the picture.
        where: the file, and its word for a row, for messages: `train.json: annotation`.
        rows: the boxes.
        size: (height, width) that the file states; None where it states none.
        relative: whether numbers are parts of the picture's sides.
    """

    path: str
    where: str
    rows: Sequence[Row]
    size: Size | None = None
    relative: bool = False


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
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


def joined(pictures: list[LabelledPicture], faults: Faults) -> list[LabelledPicture]:
    """Return the pictures in their order, each once: those that are listed twice get the boxes of both."""
    known: dict[str, LabelledPicture] = {}
    for picture in pictures:
        first = known.get(picture.path)
        if first is None:
            known[picture.path] = picture
            continue
        faults.add("repeated picture", f"{picture.path} ({picture.where.rpartition(':')[0]})")
        seen = {row[1:3] for row in first.rows}
        more = [row for row in picture.rows if row[1:3] not in seen]
        known[picture.path] = first._replace(rows=[*first.rows, *more])
    return list(known.values())


def settled(
    picture: LabelledPicture, size: Size, orientation: int, classes: Mapping[str, int], faults: Faults
) -> Boxes:
    """Return the boxes of a picture in its upright pixels, without those that cannot be used.

    Labels that fit the picture as it is stored, and not as it is shown, are turned with it. Those of a picture of the
    same proportions are scaled; those of any other size are taken as pixels of the picture.

    Args:
        picture: the labels.
        size: (height, width) of the upright picture.
        orientation: EXIF's number, 1 to 8.
        classes: name of each class to its index.
        faults: is told of every box that is left out or changed.
    """
    rows = list(_readable(picture, classes, faults))
    places = np.array([row.place for row in rows], np.float64).reshape(-1, 4)
    scale = np.ones(4)
    if picture.relative:
        scale = np.array([size[1], size[0]] * 2, np.float64)
    elif picture.size is not None and picture.size != size:
        if orientation >= 5 and picture.size == size[::-1]:
            faults.add("turned", picture.path)
            places = _turned(places, size, orientation)
        else:
            scale = _scale(picture, size, faults)
    places = places * scale
    clipped, kept = _clipped(picture, rows, places, size, faults)
    areas = np.array([row.area for row in rows]) * scale[2] * scale[3]
    whole = (clipped == places).all(axis=1) & np.isfinite(areas) & (areas >= 0)
    boxes = Boxes.of(
        clipped,
        [classes[row.label] for row in rows],
        [row.score for row in rows],
        [row.crowd for row in rows],
        np.where(whole, areas, clipped[:, 2] * clipped[:, 3]),
    )
    return boxes.chosen(kept)


def _readable(picture: LabelledPicture, classes: Mapping[str, int], faults: Faults) -> Iterator[Row]:
    """Yield the rows with a known class and finite numbers."""
    for row in picture.rows:
        x, y, width, height = row.place
        stated = f"{picture.where} {row.number}: {row.label}"
        if row.label not in classes:
            faults.add("unknown class", stated)
        elif not all(map(math.isfinite, (*row.place, row.score))):
            faults.add("not a number", f"{stated} at {x:g},{y:g},{width:g},{height:g}")
        elif width <= 0 or height <= 0:
            faults.add("no size", f"{stated} at {x:g},{y:g},{width:g},{height:g}")
        else:
            yield row


def _turned(places: Floats, size: Size, orientation: int) -> Floats:
    """Return boxes of a picture on its side in pixels of the upright one, by EXIF's orientations 5 to 8."""
    turned = places[:, [1, 0, 3, 2]]
    if orientation in (7, 8):
        turned[:, 1] = size[0] - turned[:, 1] - turned[:, 3]
    if orientation in (6, 7):
        turned[:, 0] = size[1] - turned[:, 0] - turned[:, 2]
    return turned


def _scale(picture: LabelledPicture, size: Size, faults: Faults) -> Floats:
    """Return the factors from the size that the labels state to the picture's: 1 where the proportions differ."""
    height, width = picture.size or size
    across, down = size[1] / width, size[0] / height
    is_scaled = abs(across - down) * max(height, width) <= 1  # a pixel of rounding
    done = "scaled" if is_scaled else "taken as they are"
    faults.add(
        "picture size",
        f"{picture.path} is {size[1]}x{size[0]}, {picture.where.rpartition(':')[0]} says {width}x{height}: "
        f"boxes are {done}",
    )
    return np.array([across, down] * 2) if is_scaled else np.ones(4)


def _clipped(
    picture: LabelledPicture, rows: list[Row], places: Floats, size: Size, faults: Faults
) -> tuple[Floats, "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    """Return the boxes clipped to their picture, and which of them have something left."""
    bounds = np.array([size[1], size[0]], np.float64)
    slack = 1e-6 * bounds  # of decimals in a file
    start, stop = places[:, :2], places[:, :2] + places[:, 2:]
    out = ((start < -slack) | (stop > bounds + slack)).any(axis=1)
    inner_start, inner_stop = start.clip(0, bounds), stop.clip(0, bounds)
    sides = inner_stop - inner_start
    kept = (sides > 0).all(axis=1)
    for item in np.flatnonzero(out | ~kept).tolist():
        stated = f"{picture.where} {rows[item].number}: {rows[item].label} at "
        stated += ",".join(f"{value:g}" for value in places[item]) + f" in {size[1]}x{size[0]}"
        faults.add("clipped" if kept[item] else "outside", stated)
    reaches = (start < 0) | (stop > bounds)
    # Those inside keep their bits: a sum and a difference would round them.
    return np.where(np.tile(reaches.any(axis=1, keepdims=True), 4), np.hstack([inner_start, sides]), places), kept
