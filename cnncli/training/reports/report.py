"""Reports of trainings and of evaluations, from their records."""

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np

from cnncli.drawing.pages import Page
from cnncli.models.judging.box_evaluation import BoxEvaluation
from cnncli.models.judging.box_scores import BoxScores
from cnncli.models.judging.evaluation import Evaluation
from cnncli.models.judging.metrics import Scores
from cnncli.models.model import TrainedNetwork
from cnncli.models.predictor import AnyPath, PictureModel
from cnncli.threads import cores
from cnncli.training.aims.aim import Verdict
from cnncli.training.reports.classes import add_classes, interval_words
from cnncli.training.reports.commands import train_command
from cnncli.training.reports.detections import add_detections, share
from cnncli.training.reports.layers import add_features, add_filters, add_layers
from cnncli.training.reports.training import Trained, add_curves, add_data, add_findings, add_options
from cnncli.training.run_folder import REPORT
from cnncli.training.runs import TrainingResult
from cnncli.version import __version__

_STYLE = """
.headline {font-size: 19px; line-height: 1.4; margin: 12px 0}
.features {display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 16px 24px}
.tiles.large {grid-template-columns: repeat(auto-fill, minmax(min(100%, 300px), 1fr))}
"""


def write_report(
    found: Evaluation | BoxEvaluation,
    path: AnyPath,
    *,
    model: PictureModel | None = None,
    title: str = "Evaluation",
    command: str = "",
    replace: bool = False,
) -> None:
    """Write an evaluation as a web page of one file that needs no network, as `cnncli evaluate --report` does.

    Args:
        found: what `evaluate` or `evaluate_boxes` returns.
        path: an `.html` file.
        model: the model, whose layers, filters and features are shown.
        title: of the page.
        command: the command that repeats it.
        replace: whether an existing file is overwritten.

    Raises:
        ImageError: the file exists and is not to be replaced, or cannot be written.

    Example:
        >>> from cnncli import evaluate
        >>> write_report(evaluate("runs/digits", "digits"), "scores.html")
        >>> os.path.getsize("scores.html") > 10_000
        True
    """
    page = Page(title, style=_STYLE)
    name = "" if found.part == "train" else f"{found.part} "
    if isinstance(found, Evaluation):
        page.element("p", _class_headline(found.scores, name), class_="headline")
    else:
        page.element("p", _box_headline(found.scores, name), class_="headline")
    add_findings(page, found.findings)
    if isinstance(found, Evaluation):
        add_classes(page, found.scores, found.dataset, found.probabilities)
    else:
        add_detections(page, found.scores, found.dataset)
    if isinstance(model, TrainedNetwork):
        add_layers(page, model.network)
        add_filters(page, model)
        add_features(page, model, found.dataset)
    backend = model.backend if isinstance(model, TrainedNetwork) else None
    _add_environment(page, {"engine": backend.name, **backend.versions()} if backend else {}, command)
    page.save(os.fspath(path), replace=replace)


def write_run_report(
    trained: Trained, run: TrainingResult, verdict: Verdict[Any, Any, Any] | None, environment: Mapping[str, str]
) -> None:
    """Write the report of a run in its folder; of one that was stopped what there is.

    Args:
        trained: the training.
        run: what came of it.
        verdict: what its model is worth; None where it was stopped.
        environment: names and values: the engine, its versions.

    Raises:
        ImageError: it cannot be written.
    """
    preparation = trained.preparation
    page = Page(f"Training run {trained.folder.name}", style=_STYLE)
    if not trained.done:
        page.paragraph(
            f"Stopped after {len(trained.metrics):,} of {preparation.epochs:,} epochs: there are no scores yet, and "
            "--resume continues.",
            "note",
        )
    if isinstance(run.scores, Scores):
        _add_accuracies(page, run, run.scores)
    elif isinstance(run.scores, BoxScores):
        _add_precisions(page, run, run.scores)
    add_curves(page, trained)
    if verdict is not None:
        if isinstance(verdict.scores, Scores):
            add_classes(page, verdict.scores, verdict.dataset, verdict.found)
        else:
            add_detections(page, verdict.scores, verdict.dataset)
    add_data(page, trained)
    add_options(page, trained)
    add_layers(page, preparation.network)
    add_filters(page, run.model)
    held_out = preparation.validation
    add_features(page, run.model, preparation.train if held_out is None else held_out)
    engine = environment.get("engine", "numpy")
    _add_environment(page, environment, train_command(trained.data, preparation.configuration, engine))
    page.save(trained.folder / REPORT, replace=True)


def _class_headline(scores: Scores, part: str) -> str:
    count = int(scores.confusion.sum())
    return f"{scores.accuracy:.1%} of {count:,} {part}images are right (95% interval {interval_words(scores)})."


def _box_headline(scores: BoxScores, part: str) -> str:
    overall = f"mAP {share(scores.map)} on {len(scores.pictures):,} {part}images"
    return f"{overall}; {share(scores.map_50)} at an overlap of 0.5, {share(scores.map_75)} at 0.75."


def _add_accuracies(page: Page, run: TrainingResult, scores: Scores) -> None:
    """Add the accuracy of the kept epoch, that on the test part, and those of the baselines."""
    part = "training" if run.judged_by == "train" else run.judged_by
    page.element("p", _class_headline(scores, f"{part} "), class_="headline")
    rows = [_accuracy(f"this network, epoch {run.best_epoch}, {part}", scores)]
    if isinstance(run.test_scores, Scores):
        rows.append(_accuracy("this network, test", run.test_scores))
    if run.baselines is not None:
        names = {"nearest centroid": run.baselines.nearest_centroid, "majority class": run.baselines.majority_class}
        rows += [(f"{name}, {part}", f"{value:.1%}", "", "", "", rows[0][-1]) for name, value in names.items()]
    page.table(("accuracy", "", "95% interval", "balanced", "macro F1", "images"), rows)
    if run.chosen_among > 1:
        choice = f"the epoch was chosen among {run.chosen_among:,} by these images"
        page.paragraph(f"The {part} interval is widened, because {choice}.", "faint")


def _accuracy(name: str, scores: Scores) -> tuple[str, str, str, str, str, int]:
    count, interval = int(scores.confusion.sum()), interval_words(scores)
    return name, f"{scores.accuracy:.1%}", interval, f"{scores.balanced_accuracy:.1%}", f"{scores.macro_f1:.4f}", count


def _add_precisions(page: Page, run: TrainingResult, scores: BoxScores) -> None:
    """Add the average precision of the kept epoch, and that on the test part."""
    part = "training" if run.judged_by == "train" else run.judged_by
    page.element("p", _box_headline(scores, f"{part} "), class_="headline")
    judged = {f"epoch {run.best_epoch}, {part}": scores, "test": run.test_scores}
    rows = [
        (name, share(one.map_50), share(one.map_75), share(one.map), len(one.pictures))
        for name, one in judged.items()
        if isinstance(one, BoxScores)
    ]
    page.table(("mean average precision", "at 0.5", "at 0.75", "0.5 to 0.95", "images"), rows)


def _add_environment(page: Page, environment: Mapping[str, str], command: str) -> None:
    """Add what it was computed with, and the command that repeats it."""
    if command:
        page.heading("To repeat it")
        page.code(command)
    page.heading("Environment")
    page.facts(
        {
            "written": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "cnncli": __version__,
            "Python": f"{platform.python_version()}, NumPy {np.__version__}",
            "machine": f"{platform.system()} {platform.machine()}, {cores()} cores",
            **environment,
        }
    )
