"""Scores of predictions: accuracy and its interval, precision, recall and F1 of each class."""

from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnncli.arrays import Array
from cnncli.errors import ArgumentError
from cnncli.files.html import html_table

Labels = NDArray[np.integer[Any]]


class ClassScores(NamedTuple):
    """The scores of one class against all others; precision is 0 without predictions, recall without items.

    Attributes:
        precision: the share of its predictions that are right.
        recall: the share of its items that are predicted as it.
        f1: harmonic mean of both.
        support: number of its items.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


class Scores(NamedTuple):
    """The scores of predictions.

    Attributes:
        accuracy: the share that is right.
        accuracy_interval: 95 % confidence interval of it (Wilson).
        balanced_accuracy: mean of the classes' recall, over classes that occur among labels.
        macro_f1: mean of the classes' F1, over classes that occur among labels or predictions.
        per_class: the scores of each class, in order.
        confusion: (classes, classes) counts; the row is the label, the column the prediction.
    """

    accuracy: float
    accuracy_interval: tuple[float, float]
    balanced_accuracy: float
    macro_f1: float
    per_class: tuple[ClassScores, ...]
    confusion: NDArray[np.int64]

    def _repr_html_(self) -> str:
        low, high = self.accuracy_interval
        caption = f"accuracy {self.accuracy:.2%}, 95% interval {low:.2%} to {high:.2%}; macro F1 {self.macro_f1:.4f}"
        rows = [(one.name, *(round(share, 4) for share in one[1:4]), one.support) for one in self.per_class]
        return html_table(caption, ("class", "precision", "recall", "F1", "pictures"), rows)


def score(labels: Labels, predictions: Labels, class_names: Sequence[str], *, choices: int = 1) -> Scores:
    """Return the scores of predictions.

    Args:
        labels: (N,) true classes.
        predictions: (N,) predicted classes.
        class_names: the classes in order.
        choices: number of predictions of these very items that these were chosen among. The best of many looks better
            than it is: the interval is widened to hold for all of them at once (Bonferroni), so for the chosen one too.

    Raises:
        ArgumentError: no items, or a label outside the classes.

    Example:
        >>> scores = score(np.array([0, 0, 1]), np.array([0, 1, 1]), ("cat", "dog"))
        >>> round(scores.accuracy, 3), scores.confusion.tolist()
        (0.667, [[1, 1], [0, 1]])
        >>> scores.per_class[1]
        ClassScores(name='dog', precision=0.5, recall=1.0, f1=0.6666666666666666, support=1)
    """
    confusion = confusion_matrix(labels, predictions, len(class_names))
    hits, total = np.diagonal(confusion), int(confusion.sum())
    truth, said = confusion.sum(axis=1), confusion.sum(axis=0)
    precision, recall, f1 = _ratio(hits, said), _ratio(hits, truth), _ratio(2 * hits, truth + said)
    rows = zip(class_names, precision.tolist(), recall.tolist(), f1.tolist(), truth.tolist(), strict=True)
    return Scores(
        accuracy=int(hits.sum()) / total,
        accuracy_interval=wilson_interval(int(hits.sum()), total, NormalDist().inv_cdf(1 - 0.025 / choices)),
        balanced_accuracy=float(recall[truth > 0].mean()),
        macro_f1=float(f1[truth + said > 0].mean()),
        per_class=tuple(ClassScores(*row) for row in rows),
        confusion=confusion,
    )


def rank_mistakes(labels: Labels, probabilities: Array) -> Labels:
    """Return the indices of the items whose likeliest class is not their label, the most confident mistake first.

    Args:
        labels: (N,) true classes.
        probabilities: (N, classes); of equally confident mistakes, the one that gives its label less comes first.

    Example:
        >>> rank_mistakes(np.array([0, 0, 1]), np.array([[0.4, 0.6], [0.9, 0.1], [0.8, 0.2]])).tolist()
        [2, 0]
    """
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    confidence, own = probabilities[wrong].max(axis=1), probabilities[wrong, labels[wrong]]
    return wrong[np.lexsort((own, -confidence))]


def confusion_matrix(labels: Labels, predictions: Labels, classes: int) -> NDArray[np.int64]:
    """Return the number of items of each class (row) that were predicted as each class (column).

    Raises:
        ArgumentError: no items, or a label outside the classes.

    Example:
        >>> confusion_matrix(np.array([0, 1]), np.array([1, 1]), 2).tolist()
        [[0, 1], [0, 1]]
    """
    if len(labels) != len(predictions) or not len(labels):
        raise ArgumentError(f"{len(labels)} labels and {len(predictions)} predictions: nothing to compare")
    for name, values in (("label", labels), ("prediction", predictions)):
        if values.min() < 0 or values.max() >= classes:
            raise ArgumentError(f"a {name} outside 0 to {classes - 1}: {values.min()} to {values.max()}")
    pairs = labels.astype(np.int64) * classes + predictions
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def wilson_interval(hits: int, total: int, z: float = 1.959963984540054) -> tuple[float, float]:
    """Return the confidence interval of a share, 95 % unless z says otherwise.

    (p + z^2 / 2n +- z sqrt(p (1 - p) / n + z^2 / 4 n^2)) / (1 + z^2 / n) (Wilson 1927). It stays within 0 and 1
    and holds for few items and for shares near 1, where the usual p +- 1.96 s does not.

    Example:
        >>> [round(end, 3) for end in wilson_interval(98, 100)]
        [0.93, 0.994]
    """
    if not 0 <= hits <= total or not total:
        raise ArgumentError(f"{hits} of {total} is not a share")
    part, square = hits / total, z * z / total
    middle = part + square / 2
    reach = z * ((part * (1 - part) + square / 4) / total) ** 0.5
    low, high = (middle - reach) / (1 + square), (middle + reach) / (1 + square)
    return (low if hits else 0.0), (high if hits < total else 1.0)  # exactly 0 and 1, which rounding would miss


def _ratio(parts: NDArray[np.int64], wholes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return parts of wholes; 0 where the whole is 0."""
    return parts / np.maximum(wholes, 1)
