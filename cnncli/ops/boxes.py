"""Boxes as plain arrays: overlaps and suppression.

Boxes are (N, 4): x, y, width, height; x and y are of the top left corner.
"""

import numpy as np

from cnncli.arrays import Array


def corners(boxes: Array) -> Array:
    """Return boxes (..., 4) as left, top, right, bottom.

    Example:
        >>> corners(np.array([[10, 20, 30, 40]])).tolist()
        [[10, 20, 40, 60]]
    """
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def from_corners(edges: Array) -> Array:
    """Return left, top, right, bottom (..., 4) as boxes.

    Example:
        >>> from_corners(np.array([[10, 20, 40, 60]])).tolist()
        [[10, 20, 30, 40]]
    """
    return np.concatenate([edges[..., :2], edges[..., 2:] - edges[..., :2]], axis=-1)


def areas(boxes: Array) -> Array:
    """Return width times height of boxes (..., 4).

    Example:
        >>> areas(np.array([[10, 20, 30, 40]])).tolist()
        [1200]
    """
    return boxes[..., 2] * boxes[..., 3]


def intersections(first: Array, second: Array) -> Array:
    """Return the area that each of N boxes shares with each of M boxes, (N, M)."""
    one, other = corners(first)[:, np.newaxis], corners(second)[np.newaxis]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    shared: Array = sides.clip(0).prod(axis=-1)
    return shared


def iou(first: Array, second: Array) -> Array:
    """Return the intersection over union of each of N boxes with each of M boxes, (N, M); 0 where both are empty.

    Example:
        >>> iou(np.array([[0.0, 0, 2, 2]]), np.array([[0.0, 0, 2, 2], [1, 0, 2, 2]])).round(3).tolist()
        [[1.0, 0.333]]
    """
    shared = intersections(first, second)
    union = areas(first)[:, np.newaxis] + areas(second)[np.newaxis] - shared
    return shared / np.where(union > 0, union, 1)


def nms(boxes: Array, scores: Array, threshold: float = 0.5, classes: Array | None = None) -> Array:
    """Return the indices of the boxes that non-maximum suppression keeps, the best first.

    From the best score down, a box is kept unless its IoU with one kept before is above the threshold; equal scores
    go in their order. With classes, only boxes of the same class suppress each other.

    Args:
        boxes: (N, 4).
        scores: (N,).
        threshold: an IoU, 0 to 1.
        classes: (N,); None where all boxes suppress each other.

    Example:
        >>> nms(np.array([[0.0, 0, 9, 9], [1, 0, 9, 9], [20, 0, 9, 9]]), np.array([0.5, 0.9, 0.7])).tolist()
        [1, 2]
    """
    left = np.argsort(-scores, kind="stable")
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        dropped = iou(boxes[best : best + 1], boxes[left])[0] > threshold
        if classes is not None:
            dropped &= classes[left] == classes[best]
        left = left[~dropped]
    return np.array(kept, np.int64)
