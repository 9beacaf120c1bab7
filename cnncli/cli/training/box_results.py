"""Output of `evaluate` on boxes."""

from typing import TYPE_CHECKING

from cnncli.cli.networks.pages import show_tables
from cnncli.cli.networks.tables import Cell, Column, Table
from cnncli.cli.training.results import confusion_table
from cnncli.files.text import printable
from cnncli.training.run_folder import CONFUSION, PRECISION, WORST

if TYPE_CHECKING:
    from cnncli.models.judging.box_evaluation import BoxEvaluation
    from cnncli.models.judging.box_scores import BoxScores
    from cnncli.training.pictures import Drawn

MEASURE, LEAST = "mAP", "--min-map"
PICTURES = (PRECISION, CONFUSION, WORST)


def measure(found: "BoxEvaluation") -> float:
    """Return the measure that is compared with the least one asked for."""
    return found.scores.map


def show(found: "BoxEvaluation") -> None:
    """Print what a model is worth on standard output."""
    scores = found.scores
    boxes = sum(one.boxes for one in scores.per_class)
    part = "" if found.part == "train" else f" {found.part}"  # data without parts has this one alone
    print(f"mAP        {_share(scores.map)} ({len(found.dataset):,}{part} images, {boxes:,} boxes)")
    print(f"           {_share(scores.map_50)} at an overlap of 0.5, {_share(scores.map_75)} at 0.75")
    sizes = (("small", scores.map_small), ("medium", scores.map_medium), ("large", scores.map_large))
    print(f"by size    {', '.join(f'{_share(value)} {name}' for name, value in sizes)}")
    recalls = map(_share, (scores.mar_1, scores.mar_10, scores.mar_100))
    print("recall     {} with 1 box per image and class, {} with 10, {} with 100\n".format(*recalls))
    names = [*(one.name for one in scores.per_class), "background"]
    caption = f"confusion matrix: scores from {scores.threshold:.2f}"
    corner = "labelled \\ found"
    show_tables([_classes(scores), confusion_table(names, scores.confusion, corner, caption, "boxes")], "table")


def pictures(found: "BoxEvaluation") -> dict[str, "Drawn | None"]:
    """Return the pictures of an evaluation, by the names of their files.

    Raises:
        ImageError: an image cannot be read any more.
    """
    from cnncli.training.box_pictures import draw_scores

    return draw_scores(found.dataset.names, found.scores)


def _classes(scores: "BoxScores") -> Table:
    titles = ("AP", "AP 0.5", "AP 0.75", "boxes", "threshold", "precision", "recall", "F1")
    columns = [Column("class", right=False), *map(Column, titles)]
    rows: list[list[Cell]] = [
        [
            printable(one.name),
            *map(_share, (one.ap, one.ap_50, one.ap_75)),
            one.boxes,
            f"{one.threshold:.2f}" if one.f1 else "-",
            *map(_share, (one.precision, one.recall, one.f1)),
        ]
        for one in scores.per_class
    ]
    return Table(columns, rows, caption="precision, recall and F1: at the threshold with the highest F1, overlap 0.5")


def _share(value: float) -> str:
    """Return a share, or a dash where it has no value."""
    return "-" if value < 0 else f"{value:.4f}"
