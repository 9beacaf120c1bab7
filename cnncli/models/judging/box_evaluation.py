"""Evaluating what finds objects on pictures with labelled boxes."""

import os
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from cnncli.data import Finding, OnChecked
from cnncli.data.boxes.boxes import Boxes
from cnncli.data.boxes.dataset import BoxDataset
from cnncli.data.boxes.opening import open_boxes
from cnncli.data.datasets import unknown_classes
from cnncli.errors import DataError, ImageError
from cnncli.files.temporary import open_whole
from cnncli.files.text import csv_text
from cnncli.models.detector import Detector
from cnncli.models.finding.detecting import detect_files
from cnncli.models.finding.options import FindingOptions
from cnncli.models.judging.box_scores import BACKGROUND, BoxScores, PictureBoxes, judge_boxes
from cnncli.models.judging.parts import choose_part, parts_of
from cnncli.models.judging.splits import Run, find_run
from cnncli.models.opening import as_model
from cnncli.models.predictor import AnyPath, PictureModel, Predictor
from cnncli.threads import cores

FINDING = FindingOptions(threshold=0.01)
"""What is found where a model is judged: average precision also asks what it finds with little confidence."""


class BoxMistake(NamedTuple):
    """A box that was found and is wrong, or that was labelled and not found.

    Attributes:
        file: the picture's name.
        mistake: `false`: nothing is labelled there; `confused`: something of another class is; `missed`: not found.
        label: class of the labelled box; empty where there is none.
        found: class of the found box; empty where there is none.
        score: score of the found box; None where there is none.
        place: x, y, width, height of the found box, or else of the labelled one.
    """

    file: str
    mistake: str
    label: str
    found: str
    score: float | None
    place: tuple[float, ...]


class BoxEvaluation(NamedTuple):
    """The scores of a model on pictures with boxes.

    Attributes:
        part: the part of the data that was taken: one of `PARTS`.
        dataset: its pictures, with the labelled boxes.
        found: the boxes that the model finds in each.
        scores: scores of these boxes.
        findings: problems that the data's owner should know about.
    """

    part: str
    dataset: BoxDataset
    found: tuple[Boxes, ...]
    scores: BoxScores
    findings: tuple[Finding, ...]

    def facts(self) -> dict[str, Any]:
        """Return the evaluation as the documented JSON object of `cnncli evaluate`; what has no value is None."""
        scores = self.scores
        classes = [one._asdict() for one in scores.per_class]
        return {
            **{name: _known(value) for name, value in zip(scores._fields[:12], scores[:12], strict=True)},
            "per_class": [
                {"class": one.pop("name"), **{name: _known(value) for name, value in one.items()}} for one in classes
            ],
            "threshold": scores.threshold,
            "confusion": scores.confusion.tolist(),
            "classes": [*(one.name for one in scores.per_class), BACKGROUND],
            "items": len(self.dataset),
            "part": self.part,
            "findings": [finding.message for finding in self.findings],
        }

    def mistakes(self) -> list[BoxMistake]:
        """Return every box that is wrong at the score threshold.

        Those that were found come first, the most confident before the others: where a model is sure and wrong, a
        label may be missing.
        """
        names = [one.name for one in self.scores.per_class]
        found = [
            mistake
            for file, picture in zip(self.dataset.names, self.scores.pictures, strict=True)
            for mistake in _mistakes(file, picture, names)
        ]
        return sorted(found, key=lambda mistake: -1 if mistake.score is None else mistake.score, reverse=True)

    def save_mistakes(self, path: AnyPath, *, replace: bool = False) -> None:
        """Write the mistakes as a CSV table, whole or not at all.

        Its columns are file, mistake, label, found, score, x, y, width, height.

        Raises:
            DataError: it cannot be written, or exists and is not to be replaced.
        """
        with open_whole(path, DataError, replace=replace) as file:
            file.write(f"{csv_text([*BoxMistake._fields[:-1], 'x', 'y', 'width', 'height'])}\n".encode())
            for mistake in self.mistakes():
                score = "" if mistake.score is None else mistake.score
                row = [*mistake[:4], score, *(f"{round(number, 3):g}" for number in mistake.place)]
                file.write(f"{csv_text(row)}\n".encode())

    def _repr_html_(self) -> str:
        return self.scores._repr_html_()


def _known(value: float) -> float | None:
    return None if value < 0 else value


def _mistakes(file: str, picture: PictureBoxes, names: Sequence[str]) -> Iterator[BoxMistake]:
    found, labelled, taken = picture
    for index in np.flatnonzero(picture.false).tolist():
        label = "" if taken[index] < 0 else names[labelled.labels[taken[index]]]
        kind, said = "confused" if label else "false", names[found.labels[index]]
        yield BoxMistake(file, kind, label, said, float(found.scores[index]), tuple(found.places[index].tolist()))
    for index in np.setdiff1d(np.flatnonzero(picture.missed), taken).tolist():
        yield BoxMistake(
            file, "missed", names[labelled.labels[index]], "", None, tuple(labelled.places[index].tolist())
        )


def evaluate_boxes(
    model: Predictor | Detector | AnyPath,
    data: AnyPath,
    *,
    part: str | None = None,
    threshold: float | None = None,
    finding: FindingOptions = FINDING,
    strict: bool = False,
    jobs: int | None = None,
    progress: OnChecked | None = None,
    run: Run | None = None,
) -> BoxEvaluation:
    """Judge a model by pictures with boxes, as `cnncli evaluate` does.

    Data without parts of its own that a run was trained on is judged by the pictures that the run held out; a finding
    says so. Another says how many of the pictures that are taken were trained on.

    Args:
        model: a model, or a word that `load_model` takes: one that was trained on boxes, or a classifier, which slides.
        data: pictures with boxes of any kind that `open_boxes` opens, labelled by the model's classes.
        part: one of `PARTS`; None for the test part, else the validation part, else what the run held out, else
            everything. `validation` is what the run held out where the data has no such part.
        threshold: score threshold of the confusion matrix and the mistakes; None for the one with the highest F1.
        finding: which boxes are found; a threshold far above 0 lowers the average precision.
        strict: refuse a picture that cannot be read, or a label with a fault, instead of leaving it out.
        jobs: threads; None for the machine's cores.
        progress: called with the files done and all files: while they are checked, and again while they are searched.
        run: the run that a model comes from (`find_run`); that of a path is found.

    Raises:
        ModelError: the model cannot be read, or finds nothing in pictures.
        DataError: the data cannot be read, has boxes of a class that the model does not know, or lacks the part.
        NoInputError: it holds no pictures.
        ImageError: a picture cannot be read, and `strict` refuses that.
        ArgumentError: an option that does not fit the model.

    Example:
        >>> found = evaluate_boxes("runs/digits", "samples/canvases")
        >>> found.part, len(found.dataset), found.scores.confusion.shape
        ('validation', 30, (11, 11))
    """
    run = find_run(model) if run is None and not isinstance(model, PictureModel) else run
    model, jobs = as_model(model), jobs or cores()
    reading = model.reading(jobs=jobs, strict=strict, class_names=model.class_names, progress=progress, cache_bytes=0)
    parts = open_boxes(data, reading)
    if parts.unknown:  # without their boxes, what the model misses would not count
        raise DataError(f"{os.fspath(data)}: {unknown_classes(parts.unknown, model.class_names)}")
    there: dict[str, BoxDataset] = parts_of(parts)
    chosen = choose_part(there, part, run, os.fspath(data))
    dataset, findings = chosen.pictures, (*parts.findings, *chosen.findings)
    found = []
    for boxes in _find(model, dataset, finding, jobs):
        found.append(boxes)
        if progress:
            progress(len(found), len(dataset))
    scores = judge_boxes(found, dataset.boxes, model.class_names, threshold)
    return BoxEvaluation(chosen.part, dataset, tuple(found), scores, findings)


def _find(model: Predictor | Detector, dataset: BoxDataset, finding: FindingOptions, jobs: int) -> Iterator[Boxes]:
    options = {name: getattr(finding, name) for name in finding.fields}
    for detection in detect_files(model, list(dataset.names), jobs=jobs, **options):
        if detection.boxes is None:
            raise ImageError(detection.error or f"{detection.input}: cannot be read")
        yield detection.boxes
