"""Baselines: the accuracy of a guess and of the simplest learner, which a network has to beat."""

from math import prod
from typing import NamedTuple, Self

import numpy as np

from cnncli.arrays import Array
from cnncli.data import Dataset


class Baselines(NamedTuple):
    """Accuracies of the baselines on the same pictures.

    Attributes:
        majority_class: accuracy of always naming the most frequent class.
        nearest_centroid: accuracy of naming the class with the nearest mean picture.
    """

    majority_class: float
    nearest_centroid: float

    @classmethod
    def on(cls, dataset: Dataset, train: Dataset) -> Self:
        """Return the accuracies on a data set of baselines that were fitted to another."""
        most = np.bincount(train.labels).argmax()
        return cls(float((dataset.labels == most).mean()), nearest_centroid(dataset, train))


def nearest_centroid(dataset: Dataset, train: Dataset) -> float:
    """Return the accuracy of the class whose mean picture is the nearest, by Euclidean distance (Rocchio's method).

    The pictures are read a few at a time.

    Example:
        >>> from cnncli.data import ArrayDataset
        >>> pixels = np.array([0, 10, 200, 210], np.uint8).reshape(4, 1, 1, 1)
        >>> data = ArrayDataset(pixels, np.array([0, 0, 1, 1]), ("dark", "bright"), "x")
        >>> nearest_centroid(data, data)
        1.0
    """
    counts = train.counts()
    sums = np.zeros((len(counts), prod(train.shape)))
    for indices, images in train.chunks():
        labels, flat = train.labels[indices], _flat(images)
        for label in np.unique(labels).tolist():
            sums[label] += flat[labels == label].sum(axis=0)
    known = np.flatnonzero(counts)
    centroids = sums[known] / counts[known, np.newaxis]
    middle = centroids.mean(axis=0)
    centroids -= middle  # small numbers, so that little is lost in the difference
    lengths, hits = (centroids**2).sum(axis=1), 0
    for indices, images in dataset.chunks():
        # |x - c|^2 without |x|^2, which is the same for every class.
        distances = lengths - 2 * ((_flat(images) - middle) @ centroids.T)
        hits += int((known[distances.argmin(axis=1)] == dataset.labels[indices]).sum())
    return hits / len(dataset)


def _flat(images: Array) -> Array:
    return images.reshape(len(images), -1).astype(np.float64)
