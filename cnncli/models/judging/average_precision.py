"""Average precision of found boxes, as COCO counts it.

A found box is right if it takes a labelled box of its class (`match`). With the found boxes of a class in all pictures
from the best score down, precision is the share of those so far that are right, recall the share of the labelled ones
that are found. The average precision is the mean, over the recalls 0, 0.01, ... 1, of the best precision at that recall
or a higher one (Lin et al. 2014, arXiv:1405.0312; `cocoeval.py` of pycocotools, whose numbers these are).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.data.boxes.boxes import Boxes
from cnncli.errors import ArgumentError
from cnncli.models.judging.box_matching import Indices, Mask, Pool, match, places_within
from cnncli.ops.boxes import areas

THRESHOLDS = np.linspace(0.5, 0.95, 10)
"""Least overlaps at which found boxes are right."""

RECALLS = np.linspace(0, 1, 101)

SIZES = {"all": (0, 1e10), "small": (0, 32**2), "medium": (32**2, 96**2), "large": (96**2, 1e10)}
"""Sizes of objects: the least and largest area in pixels, both included. Boxes of others are left out."""

MOST = (1, 10, 100)
"""Numbers of found boxes of a class in a picture, the best ones, by which recall is measured; the rest is left out."""


class Ranking(NamedTuple):
    """The found boxes of a class in all pictures, from the best score down.

    Attributes:
        scores: (n,).
        places: (n,) the place of each among those of its class in its picture, from 0.
        right: (sizes, thresholds, n): whether it takes a labelled box that is judged.
        judged: (sizes, thresholds, n): whether it is right or wrong; others, such as those in a crowd, are left out.
        labelled: (sizes,) number of labelled boxes that are judged.
    """

    scores: Array
    places: Indices
    right: Mask
    judged: Mask
    labelled: Indices


class AveragePrecision(NamedTuple):
    """Precision and recall; -1 for classes and sizes of which nothing is labelled.

    Attributes:
        precision: (classes, sizes, thresholds, 101) best precision at each recall of `RECALLS` or a higher one.
        recall: (classes, sizes, thresholds, 3) recall with the best 1, 10 and 100 found boxes of a picture and class.
    """

    precision: Array
    recall: Array


def rank(
    found: Sequence[Boxes],
    labelled: Sequence[Boxes],
    classes: int,
    thresholds: Array = THRESHOLDS,
    sizes: Sequence[tuple[float, float]] = tuple(SIZES.values()),
) -> list[Ranking]:
    """Return the ranking of each class.

    Args:
        found: the found boxes of each picture; their areas are those of the boxes.
        labelled: the labelled boxes of each picture.
        classes: number of classes.
        thresholds: (T,) least overlaps.
        sizes: least and largest areas.

    Raises:
        ArgumentError: other pictures are labelled than searched, or a box is of no class.
    """
    _check(found, labelled, classes)
    seen, truth = _grouped(Pool.of(found), classes), _grouped(Pool.of(labelled), classes)
    places = places_within(_groups(seen, classes))
    seen, places = seen.chosen(places < MOST[-1]), places[places < MOST[-1]]
    judged = _within(truth.boxes.areas, sizes) & ~truth.boxes.crowd[:, np.newaxis]
    taken = match(seen.boxes, truth.boxes, (_groups(seen, classes), _groups(truth, classes)), thresholds, judged)
    is_right = (taken >= 0) & judged[taken, np.arange(len(sizes))[:, np.newaxis]] if len(judged) else taken >= 0
    is_wrong = (taken < 0) & _within(areas(seen.boxes.places), sizes)[..., np.newaxis]
    right, is_judged = np.moveaxis(is_right, 0, -1), np.moveaxis(is_right | is_wrong, 0, -1)
    order = np.lexsort((-seen.boxes.scores, seen.boxes.labels))
    ends = np.searchsorted(seen.boxes.labels[order], np.arange(classes + 1))
    rankings = []
    for label in range(classes):
        row = order[ends[label] : ends[label + 1]]
        count = judged[truth.boxes.labels == label].sum(axis=0)
        rankings.append(Ranking(seen.boxes.scores[row], places[row], right[..., row], is_judged[..., row], count))
    return rankings


def _check(found: Sequence[Boxes], labelled: Sequence[Boxes], classes: int) -> None:
    if len(found) != len(labelled):
        raise ArgumentError(f"boxes were found in {len(found)} pictures, {len(labelled)} are labelled")
    for name, pictures in (("found", found), ("labelled", labelled)):
        wrong = [one for one in pictures if len(one.labels) and not 0 <= one.labels.min() <= one.labels.max() < classes]
        if wrong:
            raise ArgumentError(f"a {name} box is of class {wrong[0].labels.max()}, there are {classes} classes from 0")


def _grouped(pool: Pool, classes: int) -> Pool:
    """Return boxes by picture and class, the best first; equal scores in their order."""
    return pool.chosen(np.lexsort((-pool.boxes.scores, _groups(pool, classes))))


def _groups(pool: Pool, classes: int) -> Indices:
    return pool.pictures * classes + pool.boxes.labels


def _within(sizes: Array, ranges: Sequence[tuple[float, float]]) -> Mask:
    """Return which sizes (n,) are in which ranges, (n, ranges)."""
    low, high = np.array(ranges, np.float64).T
    within: Mask = (sizes[:, np.newaxis] >= low) & (sizes[:, np.newaxis] <= high)
    return within


def measure(rankings: Sequence[Ranking]) -> AveragePrecision:
    """Return precision and recall of rankings.

    Example:
        >>> labelled, found = [Boxes.of([[0, 0, 9, 9]], [0])], [Boxes.of([[0, 0, 9, 9]], [0], [0.8])]
        >>> measure(rank(found, labelled, classes=2)).recall[:, 0, 0].tolist()
        [[1.0, 1.0, 1.0], [-1.0, -1.0, -1.0]]
    """
    shape = (len(rankings), *rankings[0].right.shape[:2])
    precision, recall = np.full((*shape, len(RECALLS)), -1.0), np.full((*shape, len(MOST)), -1.0)
    for label, one in enumerate(rankings):
        for size, count in enumerate(one.labelled.tolist()):
            if not count:
                continue
            for number, most in enumerate(MOST):
                recall[label, size, :, number] = one.right[size][:, one.places < most].sum(axis=1) / count
            for step in range(shape[2]):
                precision[label, size, step] = _precisions(one.right[size, step], one.judged[size, step], count)
    return AveragePrecision(precision, recall)


def _precisions(right: Mask, judged: Mask, labelled: int) -> Array:
    """Return the best precision at each recall or a higher one; 0 at those that are not reached."""
    hits = np.flatnonzero(right)
    number = np.arange(1, len(hits) + 1)
    share = number / np.cumsum(judged)[hits]
    best = np.append(np.maximum.accumulate(share[::-1])[::-1], 0)
    found: Array = best[np.searchsorted(number / labelled, RECALLS)]
    return found


def mean_known(values: Array) -> float:
    """Return the mean of the numbers that are not -1; -1 if none is.

    Example:
        >>> mean_known(np.array([0.5, -1.0, 1.0])), mean_known(np.array([-1.0]))
        (0.75, -1.0)
    """
    known = values[values > -1]
    return float(known.mean()) if known.size else -1.0


def mean_precisions(found: Sequence[Boxes], labelled: Sequence[Boxes], classes: int) -> Array:
    """Return the mean over the classes of the average precision at each overlap of `THRESHOLDS`: quick, for an epoch.

    Their mean is the `map` of `judge_boxes`, and the first is its `map_50`; all are -1 where nothing is labelled.

    Example:
        >>> labelled = [Boxes.of([[0, 0, 9, 9], [20, 0, 9, 9]], [0, 0])]
        >>> mean_precisions([Boxes.of([[1, 0, 9, 9]], [0], [0.8])], labelled, 1)[[0, -1]].round(4).tolist()
        [0.505, 0.0]
    """
    precision = measure(rank(found, labelled, classes, sizes=[SIZES["all"]])).precision
    return np.array([mean_known(precision[:, :, step]) for step in range(len(THRESHOLDS))])
