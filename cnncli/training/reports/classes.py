"""The part of a report on a classifier: its scores, its confusion, its worst mistakes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cnncli.arrays import Array
from cnncli.data import Dataset
from cnncli.drawing.pages import Page
from cnncli.models.judging.metrics import Scores, rank_mistakes
from cnncli.training.pictures import MOST_MISTAKES, draw_confusion
from cnncli.training.reports.thumbnails import thumbnail

MOST_OPEN = 40  # rows of a table that is not folded
_MOST_CONFUSIONS = 10
_SIDE = 128  # pixels of an image


def interval_words(scores: Scores) -> str:
    """Return the interval of an accuracy in words."""
    low, high = scores.accuracy_interval
    return f"{low:.1%} to {high:.1%}"


def short_name(path: str) -> str:
    """Return the end of a path, as short as `cats/one.png`."""
    return "/".join(Path(path).parts[-2:])


def add_classes(page: Page, scores: Scores, dataset: Dataset, probabilities: Array) -> None:
    """Add what a classifier makes of pictures.

    Args:
        page: report.
        scores: scores of the predictions.
        dataset: the pictures.
        probabilities: (N, classes) of each picture.
    """
    page.heading("Confusion matrix")
    page.drawing(draw_confusion(scores, titled=False), least=460)
    _add_confusions(page, scores)
    page.heading("Classes")
    rows = [(one.name, *(f"{share:.4f}" for share in one[1:4]), one.support) for one in scores.per_class]
    add_table(page, ("class", "precision", "recall", "F1", "images"), rows, "classes")
    add_mistakes(page, dataset, probabilities, [one.name for one in scores.per_class])


def add_table(
    page: Page, columns: Sequence[str], rows: Sequence[Sequence[object]], noun: str, *, caption: str = ""
) -> None:
    """Add a table, folded where it is long."""
    if len(rows) <= MOST_OPEN:
        page.table(columns, rows, caption=caption)
        return
    with page.block("details"):
        page.element("summary", f"All {len(rows):,} {noun}")
        page.table(columns, rows, caption=caption)


def _add_confusions(page: Page, scores: Scores) -> None:
    """Add the most frequent mistakes, of classes that are too many to be read off the matrix."""
    counts, names = scores.confusion.copy(), [one.name for one in scores.per_class]
    if len(names) <= 10:
        return
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:_MOST_CONFUSIONS]
    pairs = [(*map(int, np.unravel_index(place, counts.shape)), int(counts.flat[place])) for place in order]
    rows = [(names[truth], names[said], count) for truth, said, count in pairs if count]
    if rows:
        page.table(("label", "predicted", "images"), rows, caption="The most frequent mistakes", numbers=False)


def add_mistakes(page: Page, dataset: Dataset, probabilities: Array, class_names: Sequence[str]) -> None:
    """Add the misclassified pictures, the most confident mistakes first."""
    ranked = rank_mistakes(dataset.labels, probabilities).tolist()
    page.heading("Most wrongly classified")
    if not ranked:
        page.paragraph(f"All {len(dataset):,} images are right.")
        return
    worst = f"the {MOST_MISTAKES} most confident mistakes" if len(ranked) > MOST_MISTAKES else "all of them"
    page.paragraph(f"{len(ranked):,} of {len(dataset):,} images are wrong; {worst}, the most confident first.", "faint")
    with page.block("div", class_="tiles"):
        for item in ranked[:MOST_MISTAKES]:
            said = int(probabilities[item].argmax())
            truth, found = class_names[int(dataset.labels[item])], class_names[said]
            words = f"{truth}, taken for {found}"
            likely = f"{probabilities[item, said]:.0%} for {found}"
            picture = thumbnail(dataset.images([item])[0], _SIDE)
            picture.put(page, words, f"is {truth}", likely, short_name(dataset.names[item]))
