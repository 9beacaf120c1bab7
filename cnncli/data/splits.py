"""Splitting data into a part to train on and a part to judge by."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnncli.data import Dataset
from cnncli.errors import ArgumentError

Indices = NDArray[np.int64]


def split(dataset: Dataset, fraction: float) -> tuple[Indices, Indices]:
    """Return the items to train on and those to validate by.

    From every class the given part of its items is held out, at least one and never all (a class of one item is trained
    on). Which ones depends on their content alone, by a hash: not on the order of files, their names, the machine or
    chance. The same content never stands on both sides, and when items are added, the others mostly stay where they
    were.

    Args:
        dataset: the items.
        fraction: the part of each class that is held out, between 0 and 1.

    Returns:
        (train, validation): places of items, each in rising order.

    Raises:
        ArgumentError: a fraction outside, or data in which no class has two different items.

    Example:
        >>> from cnncli.data import ArrayDataset
        >>> pixels = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1)
        >>> data = ArrayDataset(pixels, np.arange(20) % 2, ("even", "odd"), "x")
        >>> train, validation = split(data, 0.2)
        >>> len(train), len(validation), np.bincount(data.labels[validation]).tolist()
        (16, 4, [2, 2])
    """
    if not 0 < fraction < 1:
        raise ArgumentError(f"the part held out must be between 0 and 1, got {fraction!r}")
    marks = np.array([int.from_bytes(mark[:8], "little") for mark in dataset.fingerprints], np.uint64)
    held_out = np.zeros(len(dataset), bool)
    for label in np.unique(dataset.labels).tolist():
        members = np.flatnonzero(dataset.labels == label)
        held_out[members] = _lowest(marks[members], fraction)
    if not held_out.any():
        raise ArgumentError(
            "no class has two different pictures: nothing can be held out; give other data to --val, or 0 for none"
        )
    return np.flatnonzero(~held_out).astype(np.int64), np.flatnonzero(held_out).astype(np.int64)


def _lowest(marks: NDArray[Any], fraction: float) -> NDArray[np.bool_]:
    """Which marks are the lowest; equal ones go together, and not all are."""
    ranked = np.sort(marks)
    count = max(1, round(fraction * len(marks)))
    chosen: NDArray[np.bool_] = marks <= ranked[min(count, len(marks)) - 1]
    if chosen.all():
        chosen = marks < ranked[-1]
    return chosen
