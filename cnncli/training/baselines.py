"""Baselines: the accuracy of a guess and of the simplest learner, which a network has to beat."""

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from cnncli.arrays import Array
from cnncli.data import Dataset

Labels = NDArray[np.int64]


class Baselines(NamedTuple):
    """Accuracies of the baselines on the same pictures.

    Attributes:
        majority_class: of always naming the most frequent class.
        nearest_centroid: of naming the class whose mean picture is the nearest.
    """

    majority_class: float
    nearest_centroid: float

    @classmethod
    def on(cls, dataset: Dataset, train: Dataset) -> Self:
        """Return the accuracies on a data set of baselines that were fitted to another."""
        return cls(majority_class(train.labels, dataset.labels), NearestCentroid.fit(train).accuracy(dataset))


def majority_class(train_labels: Labels, labels: Labels) -> float:
    """Return the accuracy of always naming the class that is most frequent in training.

    Example:
        >>> majority_class(np.array([0, 1, 1]), np.array([1, 0]))
        0.5
    """
    return float((labels == np.bincount(train_labels).argmax()).mean())


class NearestCentroid:
    """The class whose mean picture is the nearest, by Euclidean distance (Rocchio's method).

    Args:
        centroids: (classes, H W C) mean pictures; infinite where a class has none.

    Example:
        >>> from cnncli.data import ArrayDataset
        >>> pixels = np.array([0, 10, 200, 210], np.uint8).reshape(4, 1, 1, 1)
        >>> data = ArrayDataset(pixels, np.array([0, 0, 1, 1]), ("dark", "bright"), "x")
        >>> NearestCentroid.fit(data).accuracy(data)
        1.0
    """

    def __init__(self, centroids: Array) -> None:
        self.centroids = centroids

    @classmethod
    def fit(cls, dataset: Dataset) -> Self:
        """Return the mean pictures of a data set's classes; the pictures are read a few at a time."""
        counts = dataset.counts()
        sums = np.zeros((len(counts), int(np.prod(dataset.shape))))
        for indices, images in dataset.chunks():
            labels, flat = dataset.labels[indices], _flat(images)
            for label in np.unique(labels).tolist():
                sums[label] += flat[labels == label].sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            means = sums / counts[:, np.newaxis]
        means[counts == 0] = np.inf
        return cls(means)

    def predict(self, images: Array) -> Labels:
        """Return the nearest class of each picture (N, H, W, C)."""
        known = np.flatnonzero(np.isfinite(self.centroids).all(axis=1))
        middle = self.centroids[known].mean(axis=0)
        centroids = self.centroids[known] - middle  # small numbers, so that little is lost in the difference
        # |x - c|^2 without |x|^2, which is the same for every class.
        distances = (centroids**2).sum(axis=1) - 2 * ((_flat(images) - middle) @ centroids.T)
        nearest: Labels = known[distances.argmin(axis=1)].astype(np.int64)
        return nearest

    def accuracy(self, dataset: Dataset) -> float:
        """Return the share of a data set that is classified correctly."""
        right = [self.predict(images) == dataset.labels[indices] for indices, images in dataset.chunks()]
        return float(np.concatenate(right).mean())


def _flat(images: Array) -> Array:
    return images.reshape(len(images), -1).astype(np.float64)
