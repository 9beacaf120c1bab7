"""Pictures of found boxes: precision over recall, confusion matrix, the worst pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.data import read_picture
from cnncli.drawing.axes import ChartAxis
from cnncli.drawing.boxes import class_colour, draw_boxes
from cnncli.drawing.canvas import BLUE, FAINT, INK, ORANGE, Box, Canvas, Colour, text_width
from cnncli.drawing.charts import Curve, draw_chart
from cnncli.drawing.sheets import Sheet
from cnncli.models.judging.average_precision import RECALLS
from cnncli.models.judging.box_scores import BACKGROUND, OVERLAP, BoxScores, PictureBoxes
from cnncli.training.pictures import draw_matrix
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


def draw_scores(names: Sequence[str], scores: BoxScores) -> dict[str, Canvas | None]:
    """Draw all pictures of scores, by the names of their files.

    Args:
        names: the files of the pictures that were judged.
        scores: scores of their boxes.

    Raises:
        ImageError: a file cannot be read any more.
    """
    return {PRECISION: draw_precision(scores), CONFUSION: draw_box_confusion(scores), WORST: draw_worst(names, scores)}


def draw_precision(scores: BoxScores) -> Canvas:
    """Draw the precision of each class over its recall at an overlap of 0.5, those with the most boxes if many."""
    known = [(one, curve) for one, curve in zip(scores.per_class, scores.curves[:, 0], strict=True) if one.boxes]
    order = sorted(range(len(known)), key=lambda place: -known[place][0].boxes)[:MOST_CURVES]
    shown = [known[place] for place in sorted(order)]
    labels = [f"{one.name}  AP {one.ap_50:.3f}" for one, _ in shown]
    curves = [
        Curve(label, class_colour(scores.per_class.index(one)), _points(curve))
        for label, (one, curve) in zip(labels, shown, strict=True)
    ]
    canvas = Canvas(560 + max([120, *(min(260, text_width(label, 13)) for label in labels)]), 420)
    axis = ChartAxis.over(0, 1)
    box = Box(70, 60, 490, 360)
    draw_chart(canvas, box, "Precision over recall", curves, percent=True, across=axis, below="recall", legend=False)
    canvas.text(box.right + 24, box.top - 30, f"at an overlap of {OVERLAP}", fill=FAINT)
    for place, curve in enumerate(curves):
        y = box.top + 22 * place
        canvas.line([(box.right + 24, y), (box.right + 44, y)], fill=curve.colour, width=2)
        canvas.text(box.right + 52, y, curve.label, anchor="lm", fill=INK, room=260)
    return canvas


def _points(curve: Array) -> list[tuple[float, float]]:
    """Return the points of a curve, which falls to 0 after the last recall that is reached."""
    reached = int((curve > 0).sum())
    points = list(zip(RECALLS[:reached].tolist(), curve[:reached].tolist(), strict=True))
    return [*points, (points[-1][0] if points else 0.0, 0.0)]


def draw_box_confusion(scores: BoxScores) -> Canvas:
    """Draw the confusion matrix of boxes."""
    names = [*(one.name for one in scores.per_class), BACKGROUND]
    counts = scores.confusion
    words = (
        f"{counts.trace():,} of {counts[:-1].sum():,} boxes found and right, with scores from {scores.threshold:.2f}"
    )
    return draw_matrix(names, counts, words, across="found", down="labelled")


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
