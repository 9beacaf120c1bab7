"""What becomes of stated boxes when the size of their picture is known: in its pixels, checked, clipped."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from cnncli.data.boxes.boxes import Boxes, Floats
from cnncli.data.boxes.faults import Faults
from cnncli.data.boxes.labels import LabelledPicture, Row
from cnncli.data.resizing import Size
from cnncli.errors import ImageError
from cnncli.images.reading import open_image

_ROUNDED = 0.05  # pixels by which a box may reach out of its picture without a word: COCO's have two decimals
_TINY = 1e-9  # part of a side by which it may reach out and stay as it is


def settled(picture: LabelledPicture, size: Size | None, classes: Mapping[str, int], faults: Faults) -> Boxes:
    """Return the boxes of a picture in its upright pixels, without those that cannot be used.

    Labels that fit the picture as it is stored, and not as it is shown, are turned with it. Those of a picture of the
    same proportions are scaled; those of any other size are taken as pixels of the picture.

    Args:
        picture: the labels.
        size: (height, width) of the upright picture; None where nobody knows: then nothing is clipped.
        classes: name of each class to its index.
        faults: is told of every box that is left out or changed.
    """
    rows = list(_readable(picture, classes, faults))
    stated = np.array([row.place for row in rows], np.float64).reshape(-1, 4)
    with np.errstate(over="ignore", invalid="ignore"):  # whatever is too large is clipped or left out
        places, factor = _in_pixels(picture, stated, size, faults)
        clipped, kept = _clipped(picture, rows, places, size, faults)
        areas = np.array([row.area for row in rows]) * factor
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
        fault = ""
        if row.label not in classes:
            fault = "unknown class"
        elif not all(map(math.isfinite, (*row.place, row.score))):
            fault = "not a number"
        elif min(row.place[2:]) <= 0:
            fault = "no size"
        if fault:
            faults.add(fault, _said(picture, row, row.place))
        else:
            yield row


def _said(picture: LabelledPicture, row: Row, place: Sequence[float]) -> str:
    """Return which box a fault is about."""
    return f"{picture.where} {row.number}: {row.label} at {','.join(f'{value:g}' for value in place)}"


def _in_pixels(picture: LabelledPicture, stated: Floats, size: Size | None, faults: Faults) -> tuple[Floats, float]:
    """Return stated boxes in pixels of the upright picture, and the factor of their areas."""
    if size is None or (picture.size in (None, size) and not picture.relative):
        return stated, 1
    if picture.relative:
        return stated * np.array([size[1], size[0]] * 2), float(size[0] * size[1])
    if picture.size == size[::-1] and (orientation := _orientation(picture.path)) >= 5:
        faults.add("turned", picture.path or picture.name)
        return _turned(stated, size, orientation), 1
    across, down = _scale(picture, size, faults)
    return stated * [across, down, across, down], across * down


def _orientation(path: str | None) -> int:
    """Return how a stored picture is turned to be upright, by EXIF's number; 1 where nobody knows."""
    if path is None:
        return 1
    try:
        with open_image(path) as image:
            return image.orientation
    except ImageError:
        return 1


def _turned(places: Floats, size: Size, orientation: int) -> Floats:
    """Return boxes of a picture on its side in pixels of the upright one, by EXIF's orientations 5 to 8."""
    turned = places[:, [1, 0, 3, 2]]
    if orientation in (7, 8):
        turned[:, 1] = size[0] - turned[:, 1] - turned[:, 3]
    if orientation in (6, 7):
        turned[:, 0] = size[1] - turned[:, 0] - turned[:, 2]
    return turned


def _scale(picture: LabelledPicture, size: Size, faults: Faults) -> tuple[float, float]:
    """Return the factors from the size that the labels state to the picture's: 1 where the proportions differ."""
    height, width = picture.size or size
    across, down = size[1] / width, size[0] / height
    is_scaled = abs(across - down) * max(height, width) <= 1  # a pixel of rounding
    done = "scaled" if is_scaled else "taken as they are"
    faults.add(
        "picture size",
        f"{picture.path} is {size[1]}x{size[0]}, {picture.file} says {width}x{height}: boxes are {done}",
    )
    return (across, down) if is_scaled else (1, 1)


def _clipped(
    picture: LabelledPicture, rows: list[Row], places: Floats, size: Size | None, faults: Faults
) -> tuple[Floats, "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    """Return the boxes clipped to their picture, and which of them have something left."""
    if size is None:
        return places, np.ones(len(rows), bool)
    bounds = np.array([size[1], size[0]], np.float64)
    start, stop = places[:, :2], places[:, :2] + places[:, 2:]
    out = ((start < -_ROUNDED) | (stop > bounds + _ROUNDED)).any(axis=1)
    inner_start, inner_stop = start.clip(0, bounds), stop.clip(0, bounds)
    sides = inner_stop - inner_start
    kept = (sides > 0).all(axis=1)
    for item in np.flatnonzero(out | ~kept).tolist():
        said = f"{_said(picture, rows[item], places[item].tolist())} in {size[1]}x{size[0]}"
        faults.add("clipped" if kept[item] else "outside", said)
    # Those inside keep their bits: a sum and a difference would round them.
    reaches = (start < -_TINY * bounds) | (stop > bounds * (1 + _TINY))
    return np.where(np.tile(reaches.any(axis=1, keepdims=True), 4), np.hstack([inner_start, sides]), places), kept
