"""Predicting the classes of picture files, any number of them, a few at a time."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from io import BytesIO
from math import prod
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from cnncli.batch import Executor, Input, Job, Report, Task, Threads
from cnncli.data import Reading, read_picture
from cnncli.files.temporary import STANDARD
from cnncli.files.text import printable
from cnncli.images import read_standard_input
from cnncli.models.model import Array, Model
from cnncli.models.model_file import ModelFile

MOST_AT_ONCE = 64
"""Pictures that go through the network together: never by the number of jobs, for it changes their last bits."""

_BATCH_BYTES = 8 << 20


class Prediction(NamedTuple):
    """What a model says of a picture.

    Attributes:
        input: the file.
        probabilities: (classes,), in the order of the model's; None where it failed.
        error: one line where it failed.
    """

    input: str
    probabilities: Array | None
    error: str | None = None

    def top(self, count: int, class_names: Sequence[str]) -> list[tuple[str, float]]:
        """Return the likeliest classes and their probabilities.

        Example:
            >>> Prediction("a.png", np.array([0.25, 0.75])).top(1, ("cat", "dog"))
            [('dog', 0.75)]
        """
        if self.probabilities is None:
            return []
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(class_names[place], float(self.probabilities[place])) for place in order.tolist()]


def predict_files(
    model: Model,
    paths: Sequence[str],
    *,
    jobs: int = 1,
    reading: Reading | None = None,
    stop: threading.Event | None = None,
    elsewhere: "Elsewhere | None" = None,
) -> Iterator[Prediction]:
    """Yield what a model says of picture files, in their order; one that cannot be read fails by name.

    While a batch goes through the network, other threads read theirs: no more pictures than a few batches a thread are
    in memory, however many files there are. The same files in the same order give the same bits, whatever the number of
    jobs; a picture among others may differ in the last bits, as rounding depends on what a batch holds.

    Args:
        model: the model.
        paths: the files, or their URLs; `-` for standard input.
        jobs: threads that read, and that compute.
        reading: how pictures are read; None for the model's own way.
        stop: when set, no further batch is begun.
        elsewhere: where else than on threads of this process.

    Raises:
        SchedulerError: the cluster is not reached or is lost, or its workers lack something.

    Example:
        >>> from cnncli.models.model import load_model
        >>> for prediction in predict_files(load_model("runs/digits"), ["seven.png"]):  # doctest: +SKIP
        ...     print(prediction.top(1, model.class_names))
    """
    at_once = max(1, min(MOST_AT_ONCE, _BATCH_BYTES // (4 * prod(model.input_shape))))
    executor: Executor = Threads(jobs)
    classify: Classify = partial(_one_at_a_time, threading.Lock(), model, jobs)
    if elsewhere is not None:
        executor, classify = elsewhere.executor, elsewhere.model.probabilities
    task = Task(
        partial(_read, reading or model.reading()), then=partial(_classified, classify), together=at_once, in_order=True
    )
    todo = [Job(Input(path, os.path.basename(path)), ()) for path in paths]
    for report in _in_order(paths, executor.each(todo, task, stop or threading.Event())):
        yield Prediction(report.input, report.details.get("probabilities"), report.error)


class Elsewhere(NamedTuple):
    """Where predictions are made, if not in this process.

    Attributes:
        executor: where.
        model: the same model for processes there, which load it themselves.
    """

    executor: Executor
    model: ModelFile


Classify = Callable[[Array], Array]


def _one_at_a_time(lock: threading.Lock, model: Model, jobs: int, images: Array) -> Array:
    """Return a batch's probabilities: the network has all threads for one batch, while others are read."""
    with lock:
        return model.probabilities(images, jobs)


def _read(reading: Reading, job: Job, targets: Sequence[str]) -> list[dict[str, Any]]:
    return [{"picture": read_picture(_open(job.input.path), reading)}]


def _open(path: str) -> str | BinaryIO:
    if path != STANDARD:
        return path
    stream = BytesIO(read_standard_input())
    stream.name = "standard input"
    return stream


def _classified(classify: Classify, reports: list[list[Report]]) -> list[list[Report]]:
    """Return reports with probabilities in place of the pictures that were read."""
    pictures = [report.details["picture"] for (report,) in reports if report.status == "ok"]
    # Pictures of one file type may be bytes, of another floating point: together they are floating point.
    rows: Iterator[Array] = iter(classify(np.stack(pictures)) if pictures else ())
    return [[_judged(report, next(rows)) if report.status == "ok" else report] for (report,) in reports]


def _judged(report: Report, row: Array) -> Report:
    if np.isfinite(row).all():
        return report._replace(details={"probabilities": row})
    error = f"{printable(report.input)}: the model gives no finite probabilities for it"
    return report._replace(status="failed", error=error, details={})


def _in_order(paths: Sequence[str], finished: Iterator[list[Report]]) -> Iterator[Report]:
    """Yield reports in the order of their inputs; where some were never begun, those of the others."""
    waiting: dict[str, list[Report]] = {}
    for path in paths:
        while path not in waiting and (reports := next(finished, None)) is not None:
            for report in reports:
                waiting.setdefault(report.input, []).append(report)
        if path in waiting:
            report, *others = waiting.pop(path)
            if others:
                waiting[path] = others
            yield report
