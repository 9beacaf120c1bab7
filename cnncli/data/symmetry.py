"""Whether a mirrored picture is still one of its class: what the pictures themselves say.

A photograph of an ant could as well have been taken from the other side; a mirrored 7 is no 7. In pictures of the first
kind what differs between left and right is chance. In the second kind the pictures of a class differ in the same way,
so that each leans to the side of the others.
"""

from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.data.datasets import Dataset

CELLS = 8  # cells along an edge, that pictures are averaged over
MOST = 4000  # pictures looked at
CERTAIN = 4.0  # deviations from one half above which a lean is no chance: one in 30,000
LARGE = 0.65  # share above which a lean matters: photographs of 60,000 may lean a little, and with certainty


class Lean(NamedTuple):
    """Pictures that lean to the same side as the others of their class.

    Where mirroring does not matter it is as likely as not, and half of them do.

    Attributes:
        leaning: number of these pictures, of each class.
        looked_at: number of pictures of each class that were looked at and are not symmetric themselves.
    """

    leaning: Array
    looked_at: Array

    @property
    def share(self) -> float:
        """Share of the pictures that lean; one half where there are none."""
        total = int(self.looked_at.sum())
        return int(self.leaning.sum()) / total if total else 0.5

    @property
    def allows_mirroring(self) -> bool:
        """Whether neither all pictures together nor those of a class lean: arrows to the left and to the right do."""
        leaning = np.append(self.leaning, self.leaning.sum())
        counts = np.maximum(np.append(self.looked_at, self.looked_at.sum()), 1)
        deviations = (2 * leaning - counts) / np.sqrt(counts)
        return not ((leaning / counts >= LARGE) & (deviations > CERTAIN)).any()


def measure_lean(dataset: Dataset, *, less_common: bool = False) -> Lean:
    """Return how many pictures lean to the same side as the others of their class.

    The lean of a picture is the difference between it and its mirror image, averaged over cells. It is compared with
    the sum of those of the other pictures of the class: their dot product is positive as often as negative where
    mirrored pictures are as likely as the pictures themselves.

    Args:
        dataset: the pictures.
        less_common: leave out what all classes share: light from one side says nothing about an object.

    Example:
        >>> from cnncli.data import ArrayDataset
        >>> arrows = np.tile(np.arange(0, 240, 30, np.uint8)[:, np.newaxis], (40, 8, 1, 1))
        >>> data = ArrayDataset(arrows, np.arange(40) % 2, ("a", "b"), "arrows")
        >>> lean = measure_lean(data)
        >>> lean.share, lean.allows_mirroring
        (1.0, False)
    """
    classes = len(dataset.class_names)
    items = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), MOST)).round().astype(np.int64))
    step = max(1, (8 << 20) // (4 * int(np.prod(dataset.shape))))
    parts = [_leans(dataset.images(items[start : start + step])) for start in range(0, len(items), step)]
    leans, labels = np.concatenate(parts), dataset.labels[items]
    uneven = np.abs(leans).max(axis=1, initial=0) > 0
    leans, labels = leans[uneven], labels[uneven]
    leans /= np.linalg.norm(leans, axis=1, keepdims=True)
    if less_common and len(labels):
        leans -= np.mean([leans[labels == label].mean(axis=0) for label in np.unique(labels)], axis=0)
    sums = np.zeros((classes, leans.shape[1]))
    np.add.at(sums, labels, leans)
    others = np.einsum("ij,ij->i", leans, sums[labels] - leans)
    return Lean(np.bincount(labels[others > 0], minlength=classes), np.bincount(labels, minlength=classes))


def _leans(images: Array) -> Array:
    """Return pictures less their mirror images, (n, numbers), of the left half, averaged over cells, in float64."""
    middle = images.shape[2] // 2
    if not middle:
        return np.zeros((len(images), 1))
    left, right = images[:, :, :middle], images[:, :, ::-1][:, :, :middle]
    differences = left.astype(np.float64) - right
    for axis, cells in ((1, CELLS), (2, CELLS // 2)):
        size = differences.shape[axis]
        starts = np.unique(np.linspace(0, size, min(size, cells), endpoint=False).astype(np.intp))
        differences = np.add.reduceat(differences, starts, axis)
    return differences.reshape(len(images), -1)
