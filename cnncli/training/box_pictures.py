"""Pictures of found boxes: precision over recall, confusion matrix, the worst pictures."""

from collections.abc import Sequence
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


class _Kind(NamedTuple):
    """A colour of the boxes of the worst pictures, and what it means."""

    colour: Colour
    meaning: str


RIGHT, FALSE, MISSED = (
    _Kind(_GREEN, "green: found and right"),
    _Kind(ORANGE, "orange: found and wrong"),
    _Kind(BLUE, "blue: labelled and missed"),
)


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


def draw_box_confusion(scores: BoxScores) -> Svg:
    """Draw the confusion matrix of boxes."""
    names = [*(one.name for one in scores.per_class), BACKGROUND]
    right, boxes = scores.confusion.trace(), scores.confusion[:-1].sum()
    note = f"{right:,} of {boxes:,} boxes found and right, with scores from {scores.threshold:.2f}"
    counts = scores.confusion.tolist()
    return draw_matrix(names, counts, title="Confusion matrix", note=note, across="found", down="labelled")


def draw_worst(names: Sequence[str], scores: BoxScores) -> Canvas | None:
    """Draw the pictures with the most mistakes, with their boxes; None where no box is wrong.

    Args:
        names: the files of the pictures.
        scores: scores of their boxes.

    Raises:
        ImageError: a file cannot be read.
    """
    counts = np.array([picture.mistakes for picture in scores.pictures], np.int64)
    worst = [item for item in np.argsort(-counts, kind="stable")[:MOST_WORST].tolist() if counts[item]]
    if not worst:
        return None
    class_names = [one.name for one in scores.per_class]
    drawn = [_with_boxes(read_picture(names[item]), scores.pictures[item], class_names) for item in worst]
    labels = [f"{_counted(scores.pictures[item])}: {Path(names[item]).name}" for item in worst]
    note = "; ".join(kind.meaning for kind in (MISSED, FALSE, RIGHT))
    sheet = Sheet("Pictures with the most mistakes", note, labels, [picture.shape[:2] for picture in drawn])
    for number, picture in enumerate(drawn):
        sheet.put(number, picture)
    return sheet.canvas


def _counted(picture: PictureBoxes) -> str:
    return f"{picture.missed.sum()} missed, {picture.false.sum()} wrong"


def _with_boxes(pixels: Array, picture: PictureBoxes, class_names: Sequence[str]) -> Array:
    """Return pixels with the boxes of a picture; those that are right are drawn without names."""
    right = picture.found.chosen(~picture.false)
    drawn = draw_boxes(pixels, right, [""] * len(class_names), scores=False, color=RIGHT.colour)
    missed, false = picture.labelled.chosen(picture.missed), picture.found.chosen(picture.false)
    drawn = draw_boxes(drawn, missed, class_names, scores=False, color=MISSED.colour)
    return draw_boxes(drawn, false, class_names, color=FALSE.colour)
