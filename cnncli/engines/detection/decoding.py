"""Boxes from a detector's outputs."""

from itertools import pairwise

import numpy as np

from cnncli.arrays import Array
from cnncli.data.boxes.boxes import Boxes
from cnncli.engines.detection.grid import BOX, Grid
from cnncli.engines.losses import softmax
from cnncli.ops.boxes import corners, from_corners, nms


def decode(outputs: Array, grid: Grid, threshold: float = 0.05) -> list[Boxes]:
    """Return the boxes that cells predict, one list item a picture, in pixels of the input and clipped to it.

    A box is of its cell's most probable class; its score is sigmoid(objectness) times that class's probability. A
    box outside the input is left out. Boxes are in the order of their cells, and overlap: `best_boxes` chooses.

    Args:
        outputs: (N, rows, columns, 5 + classes).
        grid: what they mean.
        threshold: smallest score, 0 to 1.

    Raises:
        ArgumentError: the outputs do not fit the grid.

    Example:
        >>> outputs = np.full((1, 2, 2, 7), -9.0)
        >>> outputs[0, 0, 1] = [9, 0, 0, 0, 0, 0, 9]
        >>> [boxes] = decode(outputs, Grid((16, 16), (2, 2), 2))
        >>> boxes.places.tolist(), boxes.labels.tolist(), boxes.scores.round(3).tolist()
        ([[8.0, 0.0, 8.0, 8.0]], [1], [1.0])
    """
    numbers = grid.by_cell(outputs)
    with np.errstate(over="ignore"):
        objectness = 1 / (1 + np.exp(-numbers[..., 0].astype(np.float64)))
    pictures, cells = np.nonzero(objectness >= threshold)
    chosen = numbers[pictures, cells].astype(np.float64)
    chances = softmax(chosen[:, 5:])
    labels = chances.argmax(axis=1)
    scores = objectness[pictures, cells] * chances.max(axis=1, initial=0)
    places = _clipped(grid, cells, chosen[:, BOX])
    good = (scores >= threshold) & (places[:, 2:] > 0).all(axis=1)
    found = Boxes.of(places[good], labels[good], scores[good])
    bounds = np.searchsorted(pictures[good], np.arange(len(outputs) + 1))
    return [found.chosen(np.arange(*ends)) for ends in pairwise(bounds)]


def _clipped(grid: Grid, cells: Array, numbers: Array) -> Array:
    """Return the boxes (P, 4) of cells, of which only what is inside the input is left."""
    centres, sides = grid.boxes(cells, numbers)
    edges = corners(np.concatenate([centres - sides / 2, sides], axis=1))
    return from_corners(edges.clip(0, np.array(grid.size[::-1] * 2)))


def best_boxes(boxes: Boxes, overlap: float = 0.5, top: int | None = 100) -> Boxes:
    """Return the best boxes of a picture, the best first, without those that overlap a better one of their class.

    Args:
        boxes: of one picture.
        overlap: largest IoU of two boxes of a class.
        top: largest number of boxes; None for any.
    """
    kept = nms(boxes.places, boxes.scores, overlap, boxes.labels)
    return boxes.chosen(kept[:top])
