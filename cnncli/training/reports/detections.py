"""The part of a report on a detector: average precision, confusion, the images with the most mistakes."""

from cnncli.data.boxes.dataset import BoxDataset
from cnncli.drawing.pages import Page
from cnncli.drawing.svg.charts import Area
from cnncli.drawing.svg.document import Svg
from cnncli.models.judging.box_scores import OVERLAP, BoxScores
from cnncli.training.box_pictures import (
    COLOURS,
    draw_box_confusion,
    precision_chart,
    precision_curves,
    worst_pictures,
)
from cnncli.training.reports.classes import add_table, short_name
from cnncli.training.reports.thumbnails import thumbnail

_SIDE = 300  # pixels of an image


def share(value: float) -> str:
    """Return a share, or a dash where it has no value."""
    return "-" if value < 0 else f"{value:.3f}"


def add_detections(page: Page, scores: BoxScores, dataset: BoxDataset) -> None:
    """Add what a detector finds in pictures.

    Raises:
        ImageError: a picture cannot be read any more.
    """
    page.heading("Average precision")
    rows = [(name, *(share(getattr(scores, field)) for field in fields)) for name, fields in _ROWS.items()]
    page.table(
        ("", "all", "small", "medium", "large"), rows, caption="Over overlaps of 0.5 to 0.95, by size of objects"
    )
    recalls = {f"best {most}": share(getattr(scores, f"mar_{most}")) for most in (1, 10, 100)}
    page.table(("recall with the", *recalls), [("boxes of an image and class", *recalls.values())])
    curves = precision_curves(scores)
    chart = Svg(460, 340 + 20 * len(curves), title=f"Precision over recall at an overlap of {OVERLAP}")
    precision_chart(chart, Area(0, 0, chart.width, chart.height), curves)
    page.drawing(chart)
    page.heading("Confusion matrix")
    page.drawing(draw_box_confusion(scores, titled=False), least=460)
    page.heading("Classes")
    columns = ("class", "AP", "AP 0.5", "AP 0.75", "boxes", "threshold", "precision", "recall", "F1")
    classes = [
        (one.name, *map(share, one[1:4]), one.boxes, *map(share, (one.threshold, one.precision, one.recall, one.f1)))
        for one in scores.per_class
    ]
    page.paragraph("Precision, recall and F1 at the threshold with the highest F1, overlap 0.5.", "faint")
    add_table(page, columns, classes, "classes")
    _add_worst(page, scores, dataset)


_ROWS = {
    "mean average precision": ("map", "map_small", "map_medium", "map_large"),
    "mean recall, 100 boxes": ("mar_100", "mar_small", "mar_medium", "mar_large"),
}


def _add_worst(page: Page, scores: BoxScores, dataset: BoxDataset) -> None:
    page.heading("Images with the most mistakes")
    worst = list(worst_pictures(dataset.names, scores))
    if not worst:
        page.paragraph(f"No box is wrong or missed, with scores from {scores.threshold:.2f}.")
        return
    page.paragraph(f"With scores from {scores.threshold:.2f}: {COLOURS}.", "faint")
    with page.block("div", class_="tiles large"):
        for name, counted, pixels in worst:
            thumbnail(pixels, _SIDE).put(page, f"{name}: {counted}", counted, short_name(name))
