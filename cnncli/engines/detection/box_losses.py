"""Losses of a predicted box beside its label, with their gradients.

Those by IoU compare the boxes as areas: 1 - IoU, which is 0 for boxes that agree, and a penalty that also draws boxes
together that do not overlap. `smooth_l1` compares the four numbers of the cell with those that would predict the label.

The gradients of the former are built from those of areas. A predicted box of sides w, h has the area A = w h, so that
its right edge moves A by h, and its left edge by -h; the intersection I and the smallest box around both, C, do the
same with their own sides, but only where the predicted edge is theirs and not the label's. With the union
U = A + A_label - I, dU = dA - dI, and dIoU = (dI - IoU dU) / U.
"""

from collections.abc import Callable

import numpy as np

from cnncli.arrays import Array
from cnncli.engines.detection.grid import LOG_SIDE_LIMIT, Grid

BoxLoss = Callable[[Grid, Array, Array, Array], tuple[Array, Array]]
"""Called with a grid, the numbers of P cells, the numbers (P, 4) of their boxes and labels (P, 4) of x, y, width,
height, all float64; returns the losses (P,) and their gradients by the numbers (P, 4)."""

SMOOTH = 0.1
"""Difference, in strides or in the logarithm of a side, from which `smooth_l1` grows no faster."""

_ENDS = np.array([-1.0, 1.0])[:, np.newaxis, np.newaxis]  # a box grows when its first edge falls and its second rises


class Pairs:
    """Predicted boxes and their labels, with what IoU losses are made of and its gradients by the predicted edges.

    Sides are (2, P), x before y; edges are (2, 2, P): left, top; right, bottom. A gradient by edges has their shape.
    The boxes are the last axis, because sums over a short last axis take NumPy five times as long.
    """

    def __init__(self, centres: Array, sides: Array, places: Array) -> None:
        self.sides, self.label_sides = sides, places[2:]
        self.edges = centres + _ENDS * sides / 2
        self.labels = np.stack([places[:2], places[:2] + places[2:]])
        signed, signed_labels = _ENDS * self.edges, _ENDS * self.labels
        inner = np.minimum(signed, signed_labels).sum(axis=0)
        shared = np.where((inner > 0).all(axis=0), inner, 0)
        self.by_intersections = _by_edges(shared) * (signed < signed_labels)
        self.intersections = shared.prod(axis=0)
        self.by_unions = _by_edges(self.sides) - self.by_intersections
        self.unions = self.sides.prod(axis=0) + self.label_sides.prod(axis=0) - self.intersections
        self.iou = self.intersections / self.unions
        self.by_iou = (self.by_intersections - self.iou * self.by_unions) / self.unions
        self.outer = np.maximum(signed, signed_labels).sum(axis=0)
        self.is_outer = signed > signed_labels


def _by_edges(sides: Array) -> Array:
    """Return the gradient of the areas of boxes by their edges."""
    return _ENDS * sides[::-1]


def giou(pairs: Pairs) -> tuple[Array, Array]:
    """Return 1 - IoU + (C - U) / C, where U is the union, and C the smallest box around both.

    Its gradient is -dIoU - (dU - U/C dC) / C. Source: Rezatofighi et al., arXiv:1902.09630.
    """
    around = pairs.outer.prod(axis=0)
    filled = pairs.unions / around
    by_filled = (pairs.by_unions - filled * _by_edges(pairs.outer) * pairs.is_outer) / around
    return 2 - pairs.iou - filled, -pairs.by_iou - by_filled


def diou(pairs: Pairs) -> tuple[Array, Array]:
    """Return 1 - IoU + d^2 / c^2: d is the distance of the centres, c the diagonal of the smallest box around both.

    Its gradient is -dIoU + (d(d^2) - d^2/c^2 d(c^2)) / c^2; an edge moves the centre by half as much, so that it moves
    d^2 by the distance along its axis. Source: Zheng et al., arXiv:1911.08287.
    """
    apart = (pairs.edges - pairs.labels).mean(axis=0)
    diagonal = (pairs.outer**2).sum(axis=0)
    share = (apart**2).sum(axis=0) / diagonal
    by_share = (apart - share * 2 * _ENDS * pairs.outer * pairs.is_outer) / diagonal
    return 1 - pairs.iou + share, by_share - pairs.by_iou


def ciou(pairs: Pairs) -> tuple[Array, Array]:
    """Return the loss of `diou` plus a v, which grows with the difference of the proportions.

    v = (2 / pi b)^2 with b = atan(w_label / h_label) - atan(w / h), and a = v / (1 - IoU + v), which is a constant in
    the gradient; dv is 8 / pi^2 b (w dh - h dw) / (w^2 + h^2). Source: Zheng et al., arXiv:1911.08287.
    """
    losses, slopes = diou(pairs)
    (w, h), (label_w, label_h) = pairs.sides, pairs.label_sides
    angle = np.arctan2(label_w, label_h) - np.arctan2(w, h)
    v = (2 / np.pi * angle) ** 2
    a = v / (np.maximum(1 - pairs.iou, 0) + v + np.finfo(v.dtype).eps)
    by_sides = np.stack([-h, w]) * (8 / np.pi**2 * a * angle / (w**2 + h**2))
    return losses + a * v, slopes + _ENDS * by_sides


def pairs_of(grid: Grid, cells: Array, numbers: Array, places: Array) -> Pairs:
    """Return the predicted boxes of cells beside their labels."""
    centres, sides = grid.boxes(cells, numbers)
    return Pairs(centres.T, sides.T, places.T)


def _over_areas(loss: Callable[[Pairs], tuple[Array, Array]]) -> BoxLoss:
    """Return a loss of areas as one of the cells' numbers.

    By the chain rule, a centre moves both edges by a stride for each unit of tx, and a side s = stride e^tw moves them
    apart by half of s.
    """

    def of_numbers(grid: Grid, cells: Array, numbers: Array, places: Array) -> tuple[Array, Array]:
        pairs = pairs_of(grid, cells, numbers, places)
        losses, slopes = loss(pairs)
        by_centres = slopes.sum(axis=0).T * grid.strides[::-1]
        by_sides = (_ENDS * slopes).sum(axis=0) / 2 * pairs.sides
        free = abs(numbers[:, 2:]) < LOG_SIDE_LIMIT
        return losses, np.concatenate([by_centres, by_sides.T * free], axis=1)

    return of_numbers


def smooth_l1(grid: Grid, cells: Array, numbers: Array, places: Array) -> tuple[Array, Array]:
    """Return the sum over the four numbers of d^2 / 2b where |d| < b, else |d| - b/2; the gradient is d/b in -1 to 1.

    d is the difference from the number that predicts the label, and b is `SMOOTH` (Girshick 2015, arXiv:1504.08083,
    where b is 1).
    """
    apart = numbers - grid.numbers(cells, places)
    slopes = (apart / SMOOTH).clip(-1, 1)
    return np.einsum("pi,pi->p", slopes, apart - SMOOTH / 2 * slopes), slopes


BOX_LOSSES: dict[str, BoxLoss] = {
    "giou": _over_areas(giou),
    "diou": _over_areas(diou),
    "ciou": _over_areas(ciou),
    "smooth_l1": smooth_l1,
}
