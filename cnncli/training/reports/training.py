"""The part of a report on a training: its data, its options, its curves, its time, and how to repeat it."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cnncli.data import Finding
from cnncli.data.boxes.dataset import BoxDataset
from cnncli.drawing.pages import Page
from cnncli.drawing.svg.charts import Area, Curve, line_chart
from cnncli.drawing.svg.document import Svg
from cnncli.files.text import without_secrets
from cnncli.shapes import show_shape
from cnncli.training.pictures import kept_mark, part_curves, thinned
from cnncli.training.preparing.preparation import Preparation
from cnncli.training.reports.classes import add_table
from cnncli.training.reports.descriptions import duration, frozen_words, loss_words, rate_words, source_words
from cnncli.training.run_folder import Metrics

MEASURES = {"accuracy": "Accuracy", "balanced_accuracy": "Balanced accuracy", "map": "mAP", "map_50": "mAP at 0.5"}
"""Measures of an epoch, and their names."""

_KINDS = {"balanced_accuracy": ", balanced", "map": ", over 0.5 to 0.95", "map_50": ", at 0.5"}

_CHART = 400, 300  # pixels of a chart
_MOST_EPOCHS = 500  # rows of a table
_MOST_ITEMS = 100


class Trained(NamedTuple):
    """A training as its report shows it.

    Attributes:
        data: name of the data.
        folder: of the run.
        preparation: data, network and options.
        metrics: an entry for each epoch.
        best_epoch: the epoch that was kept; 0 for none.
        done: whether it ran to its end.
        notes: what was said about the engine.
    """

    data: str
    folder: Path
    preparation: Preparation
    metrics: Sequence[Metrics]
    best_epoch: int
    done: bool
    notes: Sequence[str] = ()


def add_curves(page: Page, trained: Trained) -> None:
    """Add the curves over the epochs, and their numbers."""
    page.heading("Epochs")
    if not trained.metrics:
        page.paragraph("No epoch was completed.")
        return
    there = [name for name in MEASURES if any(line.get(f"val_{name}") is not None for line in trained.metrics)]
    shown = there or [name for name in MEASURES if f"train_{name}" in trained.metrics[0]]
    with page.block("div", class_="beside"):
        _add_chart(page, trained, "Loss", part_curves(trained.metrics, "loss"))
        if shown:
            _add_chart(page, trained, MEASURES[shown[0]], _measure_curves(trained, shown), percent=True)
        rates = thinned([(float(line["epoch"]), float(line["lr"])) for line in trained.metrics])
        _add_chart(page, trained, "Learning rate at the end of the epoch", [Curve("learning rate", rates)])
    with page.block("details"):
        page.element("summary", "The numbers of the epochs")
        page.table(*_epochs(trained.metrics, shown))
    took = [float(line["seconds"]) for line in trained.metrics]
    rate = sum(float(line["images_per_second"]) for line in trained.metrics) / len(took)
    each = f", {duration(sum(took) / len(took))} each" if len(took) > 1 else ""
    words = f"{len(took):,} epoch{'s' * (len(took) != 1)} took {duration(sum(took))}{each}"
    page.paragraph(f"{words}: {rate:,.0f} images per second, without validation.")


def _measure_curves(trained: Trained, names: Sequence[str]) -> list[Curve]:
    """Return the curves of several measures, whose labels tell them apart."""
    return [
        curve._replace(label=f"{curve.label}{_KINDS.get(name, '')}")
        for name in names
        for curve in part_curves(trained.metrics, name)
    ]


def _add_chart(page: Page, trained: Trained, title: str, curves: Sequence[Curve], *, percent: bool = False) -> None:
    svg = Svg(*_CHART, title=f"{title} over the epochs")
    line_chart(svg, Area(0, 0, *_CHART), curves, title=title, percent=percent, mark=kept_mark(trained.best_epoch))
    page.drawing(svg)


def _epochs(metrics: Sequence[Metrics], measures: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Return the columns and the rows of the table of epochs; of many, some with the last."""
    pairs = [(part, word, name) for part, word in _PARTS for name in ("loss", *measures)]
    names = {f"{part}_{name}": f"{word} {name}".replace("_", " ") for part, word, name in pairs}
    names = {name: title for name, title in names.items() if any(line.get(name) is not None for line in metrics)}
    columns = ["epoch", *names.values(), "lr", "seconds", "images/s"]
    step = math.ceil(len(metrics) / _MOST_EPOCHS)
    chosen = metrics if step == 1 else [*metrics[:-1:step], metrics[-1]]
    forms: dict[str, Callable[[Any], str]] = {
        **{name: (lambda value: f"{value:.4f}") for name in names},
        "lr": lambda value: f"{value:.3g}",
        "seconds": lambda value: f"{value:.2f}",
        "images_per_second": lambda value: f"{value:,.0f}",
    }
    cells = [["-" if line.get(name) is None else form(line[name]) for name, form in forms.items()] for line in chosen]
    return columns, [[str(line["epoch"]), *row] for line, row in zip(chosen, cells, strict=True)]


_PARTS = (("train", "training"), ("val", "validation"))


def add_data(page: Page, trained: Trained) -> None:
    """Add what was trained on: its parts, its classes, and what is to be known about it."""
    preparation = trained.preparation
    train, options = preparation.train, preparation.configuration
    parts = {"training": train, "validation": preparation.validation, "test": preparation.test}
    there = {name: part for name, part in parts.items() if part is not None}
    page.heading("Data")
    facts = {
        "data": without_secrets(trained.data),
        "images": ", ".join(f"{len(part):,} for {name}" for name, part in there.items()),
        "size": f"{show_shape(train.shape)} ({preparation.resize}), {preparation.normalization.words}",
        "held out": "nothing" if preparation.validation is None else f"--val {options.val}" if options.val else "",
        "folders": ", ".join(f"{name}/ is {part}" for part, name in preparation.folders.items()),
        "adapted": preparation.adapted,
        "augmented by": options.augment or "nothing",
    }
    page.facts({name: text for name, text in facts.items() if text})
    counts = [part.counts().tolist() for part in there.values()]
    rows = list(zip(preparation.class_names, *counts, strict=True))
    noun = "boxes" if isinstance(train, BoxDataset) else "images"
    add_table(page, ("class", *there), rows, "classes", caption=f"{noun} of each class")
    add_findings(page, preparation.findings)


def add_findings(page: Page, findings: Sequence[Finding]) -> None:
    """Add what the owner of the data should know: what was left out, or is there twice."""
    for finding in findings:
        page.paragraph(without_secrets(finding.message), "note")
        if len(finding.items) > 1:
            with page.block("details"):
                page.element("summary", f"{len(finding.items):,} items")
                more = len(finding.items) - _MOST_ITEMS
                page.code("\n".join([*finding.items[:_MOST_ITEMS], *([f"and {more:,} more"] if more > 0 else [])]))


def add_options(page: Page, trained: Trained) -> None:
    """Add the options, those that were chosen for the data among them."""
    preparation, options = trained.preparation, trained.preparation.configuration
    page.heading("Training")
    chosen_by = f"the epoch with the best validation {preparation.aim.chosen_by}"
    facts = {
        "from": source_words(preparation) if preparation.source else "",
        "frozen": frozen_words(preparation) if preparation.frozen else "",
        "epochs": f"{preparation.epochs:,}, batches of {preparation.batch_size}",
        "optimizer": options.optimizer,
        "learning rate": rate_words(preparation),
        "momentum": "" if options.momentum is None else f"{options.momentum:g}",
        "weight decay": f"{options.weight_decay:g}" if options.weight_decay else "",
        "loss": loss_words(preparation),
        "class weights": options.class_weight if options.class_weight != "none" else "",
        "gradients": f"clipped at a norm of {options.clip_norm:g}" if options.clip_norm else "",
        "keeps": "the last epoch" if preparation.validation is None else chosen_by,
        "early stop": f"after {options.early_stop:,} epochs without a better one" if options.early_stop else "",
        "seed": str(options.seed),
    }
    page.facts({name: text for name, text in facts.items() if text})
    for note in trained.notes:
        page.paragraph(note, "note")
