"""Pictures of found boxes: precision over recall, confusion matrix, the worst pictures."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.data import read_picture
from cnncli.drawing.axes import ChartAxis
from cnncli.drawing.boxes import draw_boxes
from cnncli.drawing.canvas import BLUE, ORANGE, Canvas, Colour
from cnncli.drawing.sheets import Sheet
from cnncli.drawing.svg.charts import Area, Curve, line_chart
from cnncli.drawing.svg.document import Point, Svg
from cnncli.drawing.svg.matrices import draw_matrix
from cnncli.models.judging.average_precision import RECALLS
from cnncli.models.judging.box_scores import BACKGROUND, OVERLAP, BoxScores, PictureBoxes
from cnncli.training.pictures import Drawn
from cnncli.training.run_folder import CONFUSION, PRECISION, WORST

MOST_CURVES, MOST_WORST = 12, 12
_GREEN = (0, 140, 90)
_READABLE = 320  # pixels of an image in which the names of boxes can be read


class _Kind(NamedTuple):
    """A colour of the boxes of the worst pictures, and what it means."""

    colour: Colour
    meaning: str


RIGHT, FALSE, MISSED = (
    _Kind(_GREEN, "green: found and right"),
    _Kind(ORANGE, "orange: found and wrong"),
    _Kind(BLUE, "blue: labelled and missed"),
)
COLOURS = "; ".join(kind.meaning for kind in (MISSED, FALSE, RIGHT))
"""The colours of boxes in words."""


def draw_scores(names: Sequence[str], scores: BoxScores) -> dict[str, Drawn | None]:
    """Draw all pictures of scores, by the names of their files.

    Args:
        names: the files of the pictures that were judged.
        scores: scores of their boxes.

    Raises:
        ImageError: a file cannot be read any more.
    """
    return {PRECISION: draw_precision(scores), CONFUSION: draw_box_confusion(scores), WORST: draw_worst(names, scores)}


def draw_precision(scores: BoxScores) -> Svg:
    """Draw the precision of each class over its recall at an overlap of 0.5, those with the most boxes if many."""
    curves = precision_curves(scores)
    svg = Svg(620, 380 + 20 * len(curves), title=f"Precision over recall at an overlap of {OVERLAP}")
    precision_chart(svg, Area(0, 0, svg.width, svg.height), curves)
    return svg


def precision_chart(svg: Svg, area: Area, curves: Sequence[Curve]) -> None:
    """Draw the curves of `precision_curves` into an area."""
    title = f"Precision over recall, at an overlap of {OVERLAP}"
    line_chart(svg, area, curves, title=title, percent=True, across=ChartAxis.over(0, 1), below="recall")


def precision_curves(scores: BoxScores) -> list[Curve]:
    """Return the precision of each class over its recall, of those with the most boxes."""
    known = [(one, curve) for one, curve in zip(scores.per_class, scores.curves[:, 0], strict=True) if one.boxes]
    order = sorted(range(len(known)), key=lambda place: -known[place][0].boxes)[:MOST_CURVES]
    shown = [known[place] for place in sorted(order)]
    return [Curve(f"{one.name}  AP {one.ap_50:.3f}", _points(curve)) for one, curve in shown]


def _points(curve: Array) -> list[Point]:
    """Return the points of a curve, which falls to 0 after the last recall that is reached."""
    reached = int((curve > 0).sum())
    points = list(zip(RECALLS[:reached].tolist(), curve[:reached].tolist(), strict=True))
    return [*points, (points[-1][0] if points else 0.0, 0.0)]


def draw_box_confusion(scores: BoxScores, *, titled: bool = True) -> Svg:
    """Draw the confusion matrix of boxes, with its title where there is none above it."""
    names = [*(one.name for one in scores.per_class), BACKGROUND]
    right, boxes = scores.confusion.trace(), scores.confusion[:-1].sum()
    note = f"{right:,} of {boxes:,} boxes found and right, with scores from {scores.threshold:.2f}"
    counts, title = scores.confusion.tolist(), "Confusion matrix"
    return draw_matrix(names, counts, title=title, note=note, across="found", down="labelled", titled=titled)


def draw_worst(names: Sequence[str], scores: BoxScores) -> Canvas | None:
    """Draw the pictures with the most mistakes, with their boxes; None where no box is wrong.

    Args:
        names: the files of the pictures.
        scores: scores of their boxes.

    Raises:
        ImageError: a file cannot be read.
    """
    worst = list(worst_pictures(names, scores))
    if not worst:
        return None
    labels = [f"{counted}: {Path(name).name}" for name, counted, _ in worst]
    sheet = Sheet("Pictures with the most mistakes", COLOURS, labels, [drawn.shape[:2] for _, _, drawn in worst])
    for number, (_, _, drawn) in enumerate(worst):
        sheet.put(number, drawn)
    return sheet.canvas


def worst_pictures(names: Sequence[str], scores: BoxScores) -> Iterator[tuple[str, str, Array]]:
    """Yield the name, the mistakes in words, and the pixels with boxes of the pictures with the most mistakes.

    Raises:
        ImageError: a file cannot be read.
    """
    counts = np.array([picture.mistakes for picture in scores.pictures], np.int64)
    class_names = [one.name for one in scores.per_class]
    for item in np.argsort(-counts, kind="stable")[:MOST_WORST].tolist():
        if counts[item]:
            picture = scores.pictures[item]
            yield (
                names[item],
                _counted(picture),
                _with_boxes(*_enlarged(read_picture(names[item]), picture), class_names),
            )


def _enlarged(pixels: Array, picture: PictureBoxes) -> tuple[Array, PictureBoxes]:
    """Return a small picture with its boxes a whole number of times as large, so that their names can be read."""
    factor = max(1, _READABLE // max(pixels.shape[:2]))
    found, labelled = (boxes.moved(boxes.places * factor) for boxes in picture[:2])
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1), picture._replace(found=found, labelled=labelled)


def _counted(picture: PictureBoxes) -> str:
    return f"{picture.missed.sum()} missed, {picture.false.sum()} wrong"


def _with_boxes(pixels: Array, picture: PictureBoxes, class_names: Sequence[str]) -> Array:
    """Return pixels with the boxes of a picture; those that are right are drawn without names."""
    right = picture.found.chosen(~picture.false)
    drawn = draw_boxes(pixels, right, [""] * len(class_names), scores=False, color=RIGHT.colour)
    missed, false = picture.labelled.chosen(picture.missed), picture.found.chosen(picture.false)
    drawn = draw_boxes(drawn, missed, class_names, scores=False, color=MISSED.colour)
    return draw_boxes(drawn, false, class_names, color=FALSE.colour)
