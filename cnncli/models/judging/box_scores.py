"""Scores of found boxes: average precision, and what becomes of each box at a score threshold."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnncli.arrays import Array
from cnncli.data.boxes.boxes import Boxes
from cnncli.files.html import html_table
from cnncli.models.judging.average_precision import Ranking, mean_known, measure, rank
from cnncli.models.judging.box_matching import Indices, Mask, Pool, match

OVERLAP = 0.5
"""Least overlap of boxes that stand for the same object, wherever a score threshold is applied."""

BACKGROUND = "background"
"""What stands in the confusion matrix for a box that takes no other: its last row and column."""

_UNDECIDED = 0.5  # threshold of the confusion matrix where no box is right


class ClassBoxScores(NamedTuple):
    """The scores of one class; average precisions are -1 where no box of it is labelled.

    Attributes:
        ap: average precision, mean over overlaps of 0.5 to 0.95.
        ap_50: the same at an overlap of 0.5.
        ap_75: the same at an overlap of 0.75.
        boxes: number of labelled boxes, without crowds.
        threshold: score threshold with the highest F1, at an overlap of 0.5; -1 where no box of it is found.
        precision: share of the boxes found at this threshold that are right.
        recall: share of the labelled boxes that they find.
        f1: harmonic mean of both.
    """

    name: str
    ap: float
    ap_50: float
    ap_75: float
    boxes: int
    threshold: float
    precision: float
    recall: float
    f1: float


class PictureBoxes(NamedTuple):
    """What became of the boxes of a picture at a score threshold.

    Attributes:
        found: found boxes that reach the threshold, the best first.
        labelled: labelled boxes.
        taken: index of the labelled box that each found one takes, whatever the class of either; -1 for none.
    """

    found: Boxes
    labelled: Boxes
    taken: Indices

    @property
    def false(self) -> Mask:
        """Whether each found box is wrong: it takes no labelled box, or one of another class; not in a crowd."""
        return (self.taken < 0) | self.confused

    @property
    def confused(self) -> Mask:
        """Whether each found box takes a labelled one of another class."""
        if not len(self.labelled.labels):
            return np.zeros(len(self.taken), bool)
        other = (self.labelled.labels[self.taken] != self.found.labels) & ~self.labelled.crowd[self.taken]
        confused: Mask = (self.taken >= 0) & other
        return confused

    @property
    def missed(self) -> Mask:
        """Whether each labelled box, crowds apart, is taken by no found box, or by one of another class."""
        right = self.taken[(self.taken >= 0) & ~self.confused]
        missed: Mask = ~self.labelled.crowd & ~np.isin(np.arange(len(self.labelled.labels)), right)
        return missed

    @property
    def mistakes(self) -> int:
        """The number of false and missed boxes."""
        return int(self.false.sum() + self.missed.sum())


class BoxScores(NamedTuple):
    """The scores of found boxes: COCO's twelve numbers, and more; -1 where nothing is labelled.

    Attributes:
        map: mean over the classes of the average precision, over overlaps of 0.5 to 0.95.
        map_50: the same at an overlap of 0.5.
        map_75: the same at an overlap of 0.75.
        map_small: `map` of objects with an area of at most 32 x 32 pixels.
        map_medium: `map` of objects between the two.
        map_large: `map` of objects with an area of at least 96 x 96 pixels.
        mar_1: mean recall over classes and overlaps, with the best box of each picture and class.
        mar_10: the same with the best 10 boxes.
        mar_100: the same with the best 100 boxes.
        mar_small: `mar_100` of small objects.
        mar_medium: `mar_100` of objects between the two.
        mar_large: `mar_100` of large objects.
        per_class: the scores of each class, in order.
        curves: (classes, 10, 101) best precision at recalls of 0, 0.01, ... 1 or higher, for overlaps from 0.5 to 0.95.
        threshold: score threshold of `confusion` and `pictures`.
        confusion: (classes + 1, classes + 1) counts of boxes; the row is the label, the column what was found. The last
            row holds what was found where nothing is labelled, the last column what was labelled and not found.
        pictures: what became of the boxes of each picture.
    """

    map: float
    map_50: float
    map_75: float
    map_small: float
    map_medium: float
    map_large: float
    mar_1: float
    mar_10: float
    mar_100: float
    mar_small: float
    mar_medium: float
    mar_large: float
    per_class: tuple[ClassBoxScores, ...]
    curves: Array
    threshold: float
    confusion: NDArray[np.int64]
    pictures: tuple[PictureBoxes, ...]

    def _repr_html_(self) -> str:
        caption = f"mAP {_shown(self.map)}, at 0.5 {_shown(self.map_50)}, at 0.75 {_shown(self.map_75)}"
        columns = ("class", "AP", "AP 0.5", "AP 0.75", "boxes", "threshold", "precision", "recall", "F1")
        rows = [(one.name, *map(_known, one[1:4]), one.boxes, *map(_known, one[5:])) for one in self.per_class]
        return html_table(caption, columns, rows)


def _known(value: float) -> float | None:
    return None if value < 0 else round(value, 4)


def _shown(value: float) -> str:
    return "-" if value < 0 else f"{value:.4f}"


def judge_boxes(
    found: Sequence[Boxes], labelled: Sequence[Boxes], class_names: Sequence[str], threshold: float | None = None
) -> BoxScores:
    """Return the scores of found boxes.

    Average precision and recall are those of COCO, with its 100 boxes of a class in a picture at most. The confusion
    matrix sets the boxes of a picture against each other whatever their class: from the best score down, each found box
    takes the free labelled one that it overlaps most, by 0.5 at least. One that only overlaps a crowd is not counted.

    Args:
        found: the found boxes of each picture.
        labelled: the labelled boxes of each picture; the size of an object is that of `areas`.
        class_names: the classes in order.
        threshold: score threshold of the confusion matrix; None for the one with the highest F1 over all boxes.

    Raises:
        ArgumentError: other pictures are labelled than searched, or a box is of no class.

    Example:
        >>> labelled = [Boxes.of([[0, 0, 9, 9], [20, 0, 9, 9]], [0, 1])]
        >>> scores = judge_boxes([Boxes.of([[0, 0, 9, 9]], [0], [0.8])], labelled, ["cat", "dog"])
        >>> scores.map_50, scores.confusion.tolist()
        (0.5, [[1, 0, 0], [0, 0, 1], [0, 0, 0]])
    """
    rankings = rank(found, labelled, len(class_names))
    precision, recall = measure(rankings)
    pairs = zip(class_names, rankings, precision[:, 0], strict=True)
    if threshold is None:
        best = _best_f1(_together(rankings))
        threshold = best.threshold if best.f1 else _UNDECIDED
    pictures = match_pictures(found, labelled, threshold)
    return BoxScores(
        map=mean_known(precision[:, 0]),
        map_50=mean_known(precision[:, 0, 0]),
        map_75=mean_known(precision[:, 0, 5]),
        map_small=mean_known(precision[:, 1]),
        map_medium=mean_known(precision[:, 2]),
        map_large=mean_known(precision[:, 3]),
        mar_1=mean_known(recall[:, 0, :, 0]),
        mar_10=mean_known(recall[:, 0, :, 1]),
        mar_100=mean_known(recall[:, 0, :, 2]),
        mar_small=mean_known(recall[:, 1, :, 2]),
        mar_medium=mean_known(recall[:, 2, :, 2]),
        mar_large=mean_known(recall[:, 3, :, 2]),
        per_class=tuple(_class_scores(*pair) for pair in pairs),
        curves=precision[:, 0],
        threshold=threshold,
        confusion=_confusion(pictures, len(class_names)),
        pictures=pictures,
    )


def _class_scores(name: str, ranking: Ranking, precision: Array) -> ClassBoxScores:
    best = _best_f1(ranking)
    return ClassBoxScores(
        name=name,
        ap=mean_known(precision),
        ap_50=mean_known(precision[0]),
        ap_75=mean_known(precision[5]),
        boxes=int(ranking.labelled[0]),
        threshold=best.threshold,
        precision=best.precision,
        recall=best.recall,
        f1=best.f1,
    )


class _Best(NamedTuple):
    threshold: float
    precision: float
    recall: float
    f1: float


def _together(rankings: Sequence[Ranking]) -> Ranking:
    """Return the ranking of the boxes of all classes."""
    order = np.argsort(-np.concatenate([one.scores for one in rankings]), kind="stable")
    arrays = zip(*(one[:-1] for one in rankings), strict=True)
    scores, places, right, judged = (np.concatenate(parts, axis=-1)[..., order] for parts in arrays)
    return Ranking(scores, places, right, judged, np.sum([one.labelled for one in rankings], axis=0))


def _best_f1(ranking: Ranking) -> _Best:
    """Return the score threshold with the highest F1 at an overlap of 0.5; of equal ones the highest."""
    scores, right, judged = ranking.scores, ranking.right[0, 0], ranking.judged[0, 0]
    labelled = int(ranking.labelled[0])
    if not right.any():
        return _Best(-1.0, 0.0, 0.0, 0.0)
    last = np.flatnonzero(np.append(scores[1:] < scores[:-1], True))  # boxes of one score are found together
    hits, count = np.cumsum(right)[last], np.cumsum(judged)[last]
    f1 = 2 * hits / (count + labelled)
    best = int(f1.argmax())
    precision, recall = float(hits[best] / count[best]), float(hits[best] / labelled)
    return _Best(float(scores[last[best]]), precision, recall, float(f1[best]))


def match_pictures(found: Sequence[Boxes], labelled: Sequence[Boxes], threshold: float) -> tuple[PictureBoxes, ...]:
    """Return what becomes of the boxes of each picture at a score threshold, by the rule of `judge_boxes`."""
    seen, truth = Pool.of(found), Pool.of(labelled)
    seen = seen.chosen(np.lexsort((-seen.boxes.scores, seen.pictures)))
    seen = seen.chosen(seen.boxes.scores >= threshold)
    groups, judged = (seen.pictures, truth.pictures), ~truth.boxes.crowd[:, np.newaxis]
    taken = match(seen.boxes, truth.boxes, groups, np.array([OVERLAP]), judged)[:, 0, 0]
    first = np.searchsorted(truth.pictures, np.arange(len(labelled)))
    ends = np.searchsorted(seen.pictures, np.arange(len(found) + 1))
    pictures = []
    for place, boxes in enumerate(labelled):
        own = slice(ends[place], ends[place + 1])
        local = np.where(taken[own] < 0, -1, taken[own] - first[place])
        pictures.append(PictureBoxes(seen.boxes.chosen(own), boxes, local))
    return tuple(pictures)


def _confusion(pictures: Sequence[PictureBoxes], classes: int) -> NDArray[np.int64]:
    counts = np.zeros((classes + 1, classes + 1), np.int64)
    for found, labelled, taken in pictures:
        pairs = np.flatnonzero(taken >= 0)
        pairs = pairs[~labelled.crowd[taken[pairs]]]
        np.add.at(counts, (labelled.labels[taken[pairs]], found.labels[pairs]), 1)
        np.add.at(counts[classes], found.labels[taken < 0], 1)
        missed = ~labelled.crowd & ~np.isin(np.arange(len(labelled.labels)), taken)
        np.add.at(counts[:, classes], labelled.labels[missed], 1)
    return counts
