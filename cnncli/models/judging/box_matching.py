"""Which found box stands for which labelled one, as COCO decides it."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnncli.arrays import Array
from cnncli.data.boxes.boxes import Boxes
from cnncli.ops.boxes import areas, corners

Indices = NDArray[np.int64]
Mask = NDArray[np.bool_]

_PAIRS = 1 << 20  # pairs of boxes whose overlap is computed at a time: 100 MB


class Pool(NamedTuple):
    """The boxes of many pictures in one row.

    Attributes:
        boxes: of all pictures, one picture after another.
        pictures: (n,) the index of each one's picture.
    """

    boxes: Boxes
    pictures: Indices

    @classmethod
    def of(cls, boxes: Sequence[Boxes]) -> "Pool":
        """Return the boxes of pictures.

        Example:
            >>> Pool.of([Boxes.of(), Boxes.of([[0, 0, 4, 5]], [2])]).pictures.tolist()
            [1]
        """
        joined = Boxes(*map(np.concatenate, zip(*(boxes or [Boxes.of()]), strict=True)))
        return cls(joined, np.repeat(np.arange(len(boxes)), [len(one.labels) for one in boxes]).astype(np.int64))

    def chosen(self, which: Array) -> "Pool":
        """Return some of the boxes: by indices, or by a mask."""
        return Pool(self.boxes.chosen(which), self.pictures[which])


class _Pairs(NamedTuple):
    """Found and labelled boxes of one group that overlap enough: indices of both, and the overlap."""

    found: Indices
    labelled: Indices
    overlap: Array


def match(
    found: Boxes,
    labelled: Boxes,
    groups: tuple[Indices, Indices],
    thresholds: Array,
    judged: Mask,
) -> Indices:
    """Return the labelled box that each found one takes.

    The found boxes of a group choose in their order. Each takes the free labelled box of its group that it overlaps
    most, if by a threshold; of equal ones the last. Those that are not judged are only taken by a box that overlaps no
    free one of the others enough. A crowd is never used up, and the overlap with it is the intersection over the area
    of the found box; other overlaps are intersections over unions. This is the rule of COCO's `cocoeval.py`.

    Args:
        found: D boxes, those of a group one after another, the best first.
        labelled: G boxes, those of a group one after another.
        groups: the group of each found and of each labelled box, both in rising order.
        thresholds: (T,) least overlaps.
        judged: (G, A): which of the labelled boxes are judged, for each of A ways to judge.

    Returns:
        (D, A, T) indices of labelled boxes, -1 for none.

    Example:
        >>> group = np.zeros(2, np.int64)
        >>> found, labelled = Boxes.of([[0, 0, 9, 9], [1, 0, 9, 9]], [0, 0]), Boxes.of([[0, 0, 9, 9]], [0])
        >>> match(found, labelled, (group, group[:1]), np.array([0.5]), np.ones((1, 1), bool))[:, 0, 0].tolist()
        [0, -1]
    """
    taken_by = np.full((len(found.labels), judged.shape[1], len(thresholds)), -1)
    taken = np.zeros((len(labelled.labels), *taken_by.shape[1:]), bool)
    for pairs, starts in _rounds(_overlapping(found, labelled, groups, thresholds.min()), groups[0]):
        free = labelled.crowd[pairs.labelled, np.newaxis, np.newaxis] | ~taken[pairs.labelled]
        free &= pairs.overlap[:, np.newaxis, np.newaxis] >= thresholds
        # Pairs of a found box are in rising order of overlap: the last is the best, and those judged stand above all.
        places = np.arange(len(free))[:, np.newaxis, np.newaxis] + len(free) * judged[pairs.labelled][..., np.newaxis]
        best = np.maximum.reduceat(np.where(free, places, -1), starts, axis=0)
        row, *column = np.nonzero(best >= 0)
        chosen = pairs.labelled[best[row, *column] % len(free)]
        taken_by[pairs.found[starts[row]], *column] = chosen
        taken[chosen, *column] = True
    return taken_by


def _rounds(pairs: _Pairs, groups: Indices) -> Iterator[tuple[_Pairs, Indices]]:
    """Yield the pairs of the first found box of every group, of the second, ...; and where those of each box begin."""
    boxes, counts = np.unique(pairs.found, return_counts=True)
    turns = np.repeat(places_within(groups[boxes]), counts)
    order = np.lexsort((pairs.labelled, pairs.overlap, pairs.found, turns))
    ends = np.cumsum(np.bincount(turns)) if len(turns) else ()
    start = 0
    for end in ends:
        part = _Pairs(*(array[order[start:end]] for array in pairs))
        yield part, np.flatnonzero(np.diff(part.found, prepend=-1))
        start = end


def places_within(groups: Indices) -> Indices:
    """Return the place of each item in its group, for groups in rising order.

    Example:
        >>> places_within(np.array([3, 3, 5, 5, 5])).tolist()
        [0, 1, 0, 1, 2]
    """
    return np.arange(len(groups)) - np.searchsorted(groups, groups)


def _overlapping(found: Boxes, labelled: Boxes, groups: tuple[Indices, Indices], least: float) -> _Pairs:
    first, last = (np.searchsorted(groups[1], groups[0], side) for side in ("left", "right"))
    totals = np.concatenate([[0], np.cumsum(last - first)])
    parts, start = [_Pairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))], 0
    while start < len(first):
        stop = max(start + 1, int(np.searchsorted(totals, totals[start] + _PAIRS, "right")) - 1)
        counts = totals[start + 1 : stop + 1] - totals[start:stop]
        one = np.repeat(np.arange(start, stop), counts)
        other = np.arange(totals[start], totals[stop]) + np.repeat(first[start:stop] - totals[start:stop], counts)
        overlap = _overlaps(found.places[one], labelled.places[other], labelled.crowd[other])
        enough = overlap >= least
        parts.append(_Pairs(one[enough], other[enough], overlap[enough]))
        start = stop
    return _Pairs(*map(np.concatenate, zip(*parts, strict=True)))


def _overlaps(found: Array, labelled: Array, crowd: Mask) -> Array:
    """Return the overlap of each found box with the labelled one beside it."""
    one, other = corners(found), corners(labelled)
    sides = np.minimum(one[:, 2:], other[:, 2:]) - np.maximum(one[:, :2], other[:, :2])
    shared = np.prod(sides.clip(0), axis=1)
    whole = np.where(crowd, areas(found), areas(found) + areas(labelled) - shared)
    shares: Array = shared / np.where(whole > 0, whole, 1)
    return shares
