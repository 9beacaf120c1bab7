"""Boxes as plain arrays: overlaps and suppression.

Boxes are (N, 4): x, y, width, height; x and y are of the top left corner.
"""

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, as_numbers
from cnncli.errors import ArgumentError

_BLOCK = 1024  # boxes that are suppressed together: with 10,000 boxes in 640x480 the fastest of 256 to 4096
_STRIP = 32  # neighbours that are compared with the same others: the fastest of 8 to 128


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
    """Return the area that each of N boxes shares with each of M boxes, (N, M).

    Example:
        >>> intersections(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 2, 2], [5, 5, 1, 1]])).tolist()
        [[2, 0]]
    """
    left, top, right, bottom = corners(first).T[..., np.newaxis]
    others = corners(second).T
    width = np.minimum(right, others[2]) - np.maximum(left, others[0])
    height = np.minimum(bottom, others[3]) - np.maximum(top, others[1])
    shared: Array = width.clip(0) * height.clip(0)
    return shared


def iou(first: npt.ArrayLike, second: npt.ArrayLike) -> Array:
    """Return the intersection over union of each of N boxes with each of M boxes.

    The area that two boxes share, divided by the area that they cover together: the Jaccard index, by which detections
    have been judged since Pascal VOC (Everingham et al. 2010, equation 3).

    Args:
        first: (N, 4): x, y, width, height, in any unit; or one box, (4,).
        second: (M, 4), or (4,).

    Returns:
        (N, M) float64, from 0 to 1, without the axis of what is one box; 0 where both boxes have no area.

    Raises:
        ArgumentError: an argument that is not made of boxes: of finite numbers, with sides from 0.

    Example:
        >>> iou([[0, 0, 2, 2]], [[0, 0, 2, 2], [1, 0, 2, 2]]).round(3).tolist()
        [[1.0, 0.333]]
        >>> float(iou([10, 10, 30, 30], [20, 20, 40, 40]).round(4))
        0.1905
    """
    one, other = as_boxes(first, "first"), as_boxes(second, "second")
    return _iou(one, other).reshape(np.shape(first)[:-1] + np.shape(second)[:-1])


def nms(
    boxes: npt.ArrayLike, scores: npt.ArrayLike, threshold: float = 0.5, classes: npt.ArrayLike | None = None
) -> npt.NDArray[np.int64]:
    """Return the indices of the boxes that non-maximum suppression keeps, the best first.

    From the best score down, a box is kept unless its IoU with one kept before is above the threshold; equal scores
    go in their order. With classes, only boxes of the same class suppress each other. The indices are those of
    `torchvision.ops.nms` and `batched_nms`.

    Args:
        boxes: (N, 4): x, y, width, height.
        scores: (N,), any numbers but NaN.
        threshold: an IoU, 0 to 1.
        classes: (N,); None where all boxes suppress each other.

    Raises:
        ArgumentError: arrays that do not fit each other, a score that is NaN, or a threshold out of range.

    Example:
        >>> nms([[0, 0, 9, 9], [1, 0, 9, 9], [20, 0, 9, 9]], [0.5, 0.9, 0.7]).tolist()
        [1, 2]
    """
    places, numbers = as_boxes(boxes, "boxes"), as_numbers(scores, "scores")
    labels = np.zeros(len(places)) if classes is None else np.asarray(classes)
    for name, array in (("scores", numbers), ("classes", labels)):
        if array.shape != (len(places),):
            raise ArgumentError(f"{name} must be one for each of {len(places)} boxes, got the shape {array.shape}")
    if np.isnan(numbers).any():
        raise ArgumentError(f"scores must be numbers, got NaN for box {np.isnan(numbers).argmax()} (from 0)")
    if not 0 <= threshold <= 1:
        raise ArgumentError(f"threshold must be an IoU from 0 to 1, got {threshold!r}")
    order = np.argsort(-numbers.astype(np.float64), kind="stable")
    _, places_of_classes = np.unique(labels, return_inverse=True)
    return order[_Suppression(places[order], places_of_classes[order], threshold).kept()]


def as_boxes(boxes: npt.ArrayLike, what: str) -> npt.NDArray[np.float64]:
    """Return an argument as boxes: (N, 4) float64; one box of shape (4,) is a row.

    Raises:
        ArgumentError: it has another shape, a number that is not finite, or a side below 0.

    Example:
        >>> as_boxes([10, 20, 30, 40], "boxes").shape
        (1, 4)
    """
    array = as_numbers(boxes, what).astype(np.float64)
    if array.size == 0:
        return array.reshape(0, 4)
    if array.ndim not in (1, 2) or array.shape[-1] != 4:
        raise ArgumentError(f"{what} must be (N, 4): x, y, width, height; got the shape {array.shape}")
    array = array.reshape(-1, 4)
    with np.errstate(over="ignore", invalid="ignore"):
        usable = np.isfinite(areas(array) + array.sum(axis=1)) & (array[:, 2:] >= 0).all(axis=1)
    if not usable.all():
        place = int(usable.argmin())
        raise ArgumentError(
            f"{what} must be finite, with width and height from 0; got {array[place].tolist()} for box {place} (from 0)"
        )
    return array


def _iou(first: Array, second: Array) -> Array:
    shared = intersections(first, second)
    union = areas(first)[:, np.newaxis] + areas(second) - shared
    return shared / np.where(union > 0, union, 1)


class _Suppression:
    """Non-maximum suppression of boxes, given from the best score down.

    It goes block by block: each is compared with all that was kept before, and the rest of it with itself. Where boxes
    crowd, little is kept; where they do not, sorting them from left to right spares most comparisons. Each class has a
    stretch of that order for itself.

    Args:
        boxes: (N, 4).
        classes: (N,), integers from 0.
        threshold: an IoU.
    """

    def __init__(self, boxes: Array, classes: Array, threshold: float) -> None:
        self.boxes, self.classes, self.threshold = boxes, classes, threshold
        left, right = boxes[:, 0], boxes[:, 0] + boxes[:, 2]
        stretch = classes * (np.ptp([left, right]) + 1 if len(boxes) else 0)
        self.begins, self.ends = left + stretch, right + stretch

    def kept(self) -> Array:
        """Return the indices of the boxes that are kept."""
        kept = np.empty(0, np.int64)
        for start in range(0, len(self.boxes), _BLOCK):
            block = np.arange(start, min(start + _BLOCK, len(self.boxes)))
            if len(kept):
                worse, _ = self._overlapping(block, kept)
                block = np.setdiff1d(block, worse)
            kept = np.concatenate([kept, self._greedy(block)])
        return kept

    def _greedy(self, block: Array) -> Array:
        """Return the boxes of a block that no better one of it, itself kept, suppresses."""
        better, worse = self._overlapping(block, block)
        order = np.argsort(better, kind="stable")
        order = order[better[order] < worse[order]]
        bests, starts = np.unique(better[order], return_index=True)
        dropped = set[int]()
        for best, below in zip(bests.tolist(), np.split(worse[order], starts[1:]), strict=False):
            if best not in dropped:
                dropped.update(below.tolist())
        return np.setdiff1d(block, np.array([*dropped], np.int64))

    def _overlapping(self, first: Array, second: Array) -> tuple[Array, Array]:
        """Return all pairs of boxes, one of each, of the same class and with an IoU above the threshold."""
        first, second = first[np.argsort(self.begins[first])], second[np.argsort(self.begins[second])]
        begins, furthest = self.begins[second], np.maximum.accumulate(self.ends[second])
        pairs = [np.empty((2, 0), np.int64)]
        for start in range(0, len(first), _STRIP):
            strip = first[start : start + _STRIP]
            # What ends before the strip begins, or begins after it ends, shares nothing with it.
            near = second[
                np.searchsorted(furthest, self.begins[strip[0]]) : np.searchsorted(
                    begins, self.ends[strip].max(), "right"
                )
            ]
            rows, columns = np.nonzero(_iou(self.boxes[strip], self.boxes[near]) > self.threshold)
            pairs.append(np.stack([strip[rows], near[columns]]))
        ours, theirs = np.concatenate(pairs, axis=1)
        same = self.classes[ours] == self.classes[theirs]
        return ours[same], theirs[same]
