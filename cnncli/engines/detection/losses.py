"""The loss of a detector: is there an object, where is it, what is it."""

from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.choices import check_choice
from cnncli.engines.detection.assignment import Assignment, assign
from cnncli.engines.detection.box_losses import BOX_LOSSES, pairs_of
from cnncli.engines.detection.grid import BOX, Grid, real_boxes
from cnncli.engines.losses import CrossEntropy, Loss
from cnncli.errors import ArgumentError


class DetectionLoss(Loss):
    """Loss of a detector's grid: objectness + box_weight x box + label_weight x class, summed over a batch's cells.

    - Objectness, of all cells but those inside a crowd: the focal loss, see `focal_loss`. The target of a cell that
      learns a box is 1 or, with `quality`, the IoU of its box with the label, so that scores rank by fit; that of the
      other cells is 0.
    - Box, of the cells that learn one: a loss of `BOX_LOSSES`, by name.
    - Class, of the same cells: `CrossEntropy` of the class logits, with `label_smoothing` and `class_weights`; it is 0
      where there is one class.

    `assign` says which cells learn which boxes. `total_weight`, the divisor, is the number of boxes.

    Attributes:
        label_smoothing: of the class term.
        class_weights: of the class term.
        grid: what the outputs mean.
        box_loss: a name in `BOX_LOSSES`.
        box_weight: weight of the box term.
        label_weight: weight of the class term.
        gamma: exponent of the focal loss, 0 or from 1; larger numbers let cells that are nearly right count less.
        alpha: weight of cells with an object in the focal loss, 0 to 1; the others weigh 1 - alpha.
        quality: whether objectness learns the IoU.
        radius: how far from a box's middle cells learn it, in strides.

    Example:
        >>> grid = Grid((16, 16), (2, 2), 2)
        >>> labels = np.array([[[1, 0, 0, 8, 8]]], np.float32)
        >>> loss = DetectionLoss(grid=grid)
        >>> total, gradient = loss(np.zeros((1, 28), np.float32), labels)
        >>> round(total, 4), gradient.shape, loss.total_weight(labels)
        (0.7798, (1, 28), 1.0)
    """

    grid: Grid  # type: ignore[misc]  # options are given by name
    box_loss: str = "giou"
    box_weight: float = 2.0
    label_weight: float = 0.5
    gamma: float = 2.0
    alpha: float = 0.25
    quality: bool = False
    radius: float = 1.0

    def validate(self) -> None:
        super().validate()
        self.outputs(self.grid.classes)
        check_choice("box_loss", self.box_loss, BOX_LOSSES)
        if self.gamma != 0 and not 1 <= self.gamma < float("inf"):
            raise ArgumentError(f"gamma must be 0 or from 1, got {self.gamma!r}")
        if not 0 <= self.alpha <= 1:
            raise ArgumentError(f"alpha must be from 0 to 1, got {self.alpha!r}")
        if not 0.5 <= self.radius < float("inf"):
            raise ArgumentError(f"radius must be at least 0.5 strides, got {self.radius!r}")
        for name in ("box_weight", "label_weight"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ArgumentError(f"{name} must be from 0, got {getattr(self, name)!r}")

    def total_weight(self, labels: Array) -> float:
        """Return the number of boxes in labels (N, M, 5), at least 1."""
        return max(1.0, self.weight(labels))

    def weight(self, labels: Array) -> float:
        """Return the number of boxes in labels (N, M, 5)."""
        return float(np.count_nonzero(real_boxes(labels)))

    def outputs(self, classes: int) -> int:
        if classes != self.grid.classes:
            raise ArgumentError(f"the grid has {self.grid.classes} classes, not {classes}")
        super().outputs(classes)
        return self.grid.count * self.grid.channels

    def probabilities(self, logits: Array) -> Array:
        """Refuse: pictures of a detector have no class."""
        raise ArgumentError("a detector's outputs are boxes, not probabilities of classes: decode them")

    def terms(self, logits: Array, labels: Array) -> "Terms":
        """Return the sums of the three terms over a batch, weighted: they add up to the loss."""
        with np.errstate(all="ignore"):
            return self._terms(logits, labels)[0]

    def _sum_and_gradient(self, logits: Array, labels: Array) -> tuple[float, Array]:
        terms, gradient = self._terms(logits, labels)
        return sum(terms) if np.isfinite(logits).all() else float("nan"), gradient

    def _terms(self, logits: Array, labels: Array) -> "tuple[Terms, Array]":
        numbers = self.grid.by_cell(logits)
        gradient = np.zeros(numbers.shape, logits.dtype)
        found = assign(self.grid, labels, self.radius)
        learning = found.pictures, found.cells
        chosen, learnt = numbers[learning], labels[found.pictures, found.rows]
        objectness, gradient[..., 0] = self._objectness(numbers[..., 0], found, self._targets(found, chosen, learnt))
        box, slopes = self._box(found.cells, chosen, learnt)
        gradient[(*learning, BOX)] = slopes
        label, slopes = self._label(chosen, learnt)
        gradient[(*learning, slice(5, None))] = slopes
        return Terms(objectness, box, label), gradient.reshape(logits.shape)

    def _targets(self, found: Assignment, chosen: Array, learnt: Array) -> Array:
        """Return what the objectness of the cells that learn a box is to be, (P,)."""
        if not self.quality:
            return np.ones(len(chosen))
        overlaps: Array = pairs_of(self.grid, found.cells, *_places(chosen, learnt)).iou
        return overlaps

    def _objectness(self, logits: Array, found: Assignment, targets: Array) -> tuple[float, Array]:
        wanted = np.zeros_like(logits, order="C")
        weights = np.where(found.ignored, 0, 1 - self.alpha).astype(logits.dtype)
        learning = found.pictures, found.cells
        wanted[learning], weights[learning] = targets, self.alpha
        losses, slopes = focal_loss(logits, wanted, self.gamma)
        slopes *= weights
        return float((losses * weights).sum(dtype=np.float64)), slopes

    def _box(self, cells: Array, chosen: Array, learnt: Array) -> tuple[float, Array]:
        losses, slopes = BOX_LOSSES[self.box_loss](self.grid, cells, *_places(chosen, learnt))
        slopes *= self.box_weight
        return self.box_weight * float(losses.sum()), slopes

    def _label(self, chosen: Array, learnt: Array) -> tuple[float, Array]:
        loss = CrossEntropy(self.label_smoothing, self.class_weights)
        total, slopes = loss(chosen[:, 5:], learnt[:, 0].astype(np.int64))
        slopes *= self.label_weight
        return self.label_weight * total, slopes


class Terms(NamedTuple):
    """The three terms of a loss, each with its weight."""

    objectness: float
    box: float
    label: float


def _places(chosen: Array, learnt: Array) -> tuple[Array, Array]:
    """Return the numbers and the labels of boxes in float64: in float32, a large output would overflow in an area."""
    return chosen[:, BOX].astype(np.float64), learnt[:, 1:].astype(np.float64)


def focal_loss(logits: Array, targets: Array, gamma: float) -> tuple[Array, Array]:
    """Return |t - p|^g (log(1 + e^z) - t z) with p = sigmoid(z), and its gradient by z; both have the logits' shape.

    For targets 0 and 1 it is the focal loss of Lin et al. (arXiv:1708.02002) without alpha, -(1 - p)^g log p for t = 1;
    between them, the quality focal loss of Li et al. (arXiv:2006.04388). With b for the logistic loss in brackets, the
    gradient is |t - p|^g (p - t) + g |t - p|^(g-1) sign(p - t) p (1 - p) b.

    Example:
        >>> losses, slopes = focal_loss(np.zeros(2), np.array([0.0, 1.0]), gamma=2)
        >>> losses.round(4).tolist(), slopes.round(4).tolist()
        ([0.1733, 0.1733], [0.2983, -0.2983])
    """
    powers = np.exp(-abs(logits))
    p = np.where(logits >= 0, 1, powers) / (1 + powers)
    logistic = np.maximum(logits, 0) - targets * logits + np.log1p(powers)
    apart = p - targets
    missed = abs(apart)
    focus = missed**gamma
    slopes = focus * apart
    if gamma:
        slopes += gamma * missed ** (gamma - 1) * np.sign(apart) * powers / (1 + powers) ** 2 * logistic
    return focus * logistic, slopes
