"""Predicting the classes of picture files, any number of them, a few at a time."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.batch.inputs import Input
from cnncli.batch.plan import Job
from cnncli.batch.running import run
from cnncli.batch.task import Grouping, Report, Task
from cnncli.data import Reading, read_picture
from cnncli.engines.backends import open_backend
from cnncli.engines.inference import MOST_AT_ONCE
from cnncli.errors import ModelError
from cnncli.files.temporary import STANDARD
from cnncli.files.text import printable
from cnncli.formats.files import naming_errors, opened
from cnncli.images.sources import read_standard_input
from cnncli.models.detector import Detector
from cnncli.models.opening import UNTOLD, ModelWord, as_predictor, load_model
from cnncli.models.predictor import AnyPath, Predictor
from cnncli.models.told import Told
from cnncli.threads import cores

_BATCH_BYTES = 8 << 20


class Prediction(NamedTuple):
    """The prediction of a model for a picture.

    Attributes:
        input: the file.
        probabilities: (classes,), in the order of `class_names`; None where it failed.
        error: one line where it failed.
        class_names: the classes of the model.
    """

    input: str
    probabilities: Array | None
    error: str | None = None
    class_names: tuple[str, ...] = ()

    def top(self, count: int = 1) -> list[tuple[str, float]]:
        """Return the likeliest classes and their probabilities.

        Example:
            >>> Prediction("a.png", np.array([0.25, 0.75]), class_names=("cat", "dog")).top()
            [('dog', 0.75)]
        """
        if self.probabilities is None:
            return []
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.class_names[label], float(self.probabilities[label])) for label in order.tolist()]


class ModelFile(NamedTuple):
    """A model by its file, for other processes, which load it once each.

    The digest is of the file's content: on another machine another file may have this name.
    """

    word: ModelWord
    digest: str
    engine: str = "numpy"
    device: str = "auto"
    told: Told = UNTOLD

    @classmethod
    def of(cls, path: AnyPath, engine: str = "numpy", device: str = "auto", told: Told = UNTOLD) -> "ModelFile":
        """Return the reference to a model that `load_model` opens.

        Raises:
            ModelError: it is missing.
        """
        word = ModelWord.of(path)
        file = os.path.abspath(word.path())
        return cls(word._replace(file=file), file_digest(file), engine, device, told)

    def model(self) -> Predictor | Detector:
        """Return the model, for this thread alone where threads cannot share it: it is loaded once in a process.

        Raises:
            ModelError: the file is not there, or has changed since this reference was made.
            ArgumentError: the engine is not installed.
        """
        if getattr(_own_models, "file", None) != self:
            with _loading:
                loaded = _load(self.word, self.digest, self.told)
            backend = open_backend(self.engine, self.device)
            _own_models.model = loaded if loaded.concurrent and backend.concurrent else loaded.on(backend)
            _own_models.file = self
        model: Predictor | Detector = _own_models.model
        return model

    def probabilities(self, images: Array) -> Array:
        """Return the probability of each class; errors are those of `model`."""
        return as_predictor(self.model()).probabilities(images)


def predict_files(
    model: Predictor | AnyPath,
    paths: AnyPath | Sequence[AnyPath],
    *,
    jobs: int | None = None,
    reading: Reading | None = None,
    stop: threading.Event | None = None,
) -> Iterator[Prediction]:
    """Predict the classes of picture files, as `cnncli predict` does; a file that cannot be read fails by name.

    Each thread reads a batch and takes it through the network: no more pictures than a few batches a thread are in
    memory, however many files there are. The same files in the same order give the same bits, whatever the number of
    jobs; a picture among others may differ in the last bits, because rounding depends on the batch.

    Args:
        model: a model, or a word that `load_model` takes.
        paths: the files, or their URLs; `-` for standard input.
        jobs: threads that read, and that compute; None for the machine's cores.
        reading: how pictures are read; None for the model's own way, `model.reading()`.
        stop: when set, no further batch is started.

    Yields:
        A prediction for each file, in their order.

    Raises:
        ModelError: the model cannot be read.

    Example:
        >>> for prediction in predict_files("runs/digits", ["digits/7/00.png", "missing.png"]):
        ...     print(prediction.top(1) or prediction.error)  # doctest: +ELLIPSIS
        [('7', 0...)]
        missing.png: no such file
    """
    model, jobs = as_predictor(model), jobs or cores()
    names = path_list(paths)
    pipeline = PredictPipeline(model, reading=reading, jobs=jobs)
    todo = [Job(Input(name, os.path.basename(name)), ()) for name in names]
    for report in run(todo, Task(pipeline, grouping=pipeline.grouping), workers=jobs, stop=stop):
        yield pipeline.prediction(report)


def path_list(paths: AnyPath | Sequence[AnyPath]) -> list[str]:
    """Return one path, or several, as a list of texts."""
    return [os.fspath(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]


class PredictPipeline:
    """The class of one picture file: nothing is written, and the network takes a few pictures at a time.

    Args:
        model: the model.
        reading: how pictures are read; None for the model's own way.
        jobs: threads that compute; None for the machine's cores.
        file: the model's file, for the workers of a cluster, which load it themselves.
        top: the number of classes in a line, which has no more than there are.
    """

    def __init__(
        self,
        model: Predictor,
        *,
        reading: Reading | None = None,
        jobs: int | None = None,
        file: ModelFile | None = None,
        top: int = 1,
    ) -> None:
        self._reading, self._class_names = reading or model.reading(), model.class_names
        self._top = min(top, len(self._class_names))
        together = max(1, min(MOST_AT_ONCE, _BATCH_BYTES // (4 * prod(model.input_shape))))
        at_a_time = partial(_one_at_a_time, threading.Lock(), model, jobs or cores())
        here = model.probabilities if model.concurrent else at_a_time
        classify: Classify = here if file is None else file.probabilities
        self.grouping = Grouping(together, partial(_classified, classify), in_order=True)

    def __call__(self, job: Job, targets: Sequence[str]) -> list[dict[str, Any]]:
        """Read the picture of a job."""
        return [{"picture": read_picture(_open(job.input.path), self._reading)}]

    def prediction(self, report: Report) -> Prediction:
        """Return the prediction that a report holds."""
        return Prediction(report.input, report.details.get("probabilities"), report.error, self._class_names)

    def top(self, report: Report) -> list[tuple[str, float]]:
        """Return the likeliest classes of a report, and their probabilities."""
        kept: list[tuple[str, float]] | None = report.details.get("top")
        return self.prediction(report).top(self._top) if kept is None else kept

    def brief(self, report: Report) -> Report:
        """Return a report without the probabilities of all other classes, for runs that keep their reports."""
        return report._replace(details={"top": self.top(report)})

    @property
    def columns(self) -> list[str]:
        """The titles of `cells`."""
        places = range(2, self._top + 1)
        return ["input", "class", "probability", *(f"{what}_{n}" for n in places for what in ("class", "probability"))]

    def cells(self, report: Report) -> list[str | float]:
        """Return a report as a row of a table: the file, and each class and its probability."""
        return [report.input, *(cell for pair in self.top(report) for cell in pair)]

    def facts(self, report: Report) -> dict[str, Any]:
        """Return a report as the documented JSON object."""
        found = [{"class": name, "probability": share} for name, share in self.top(report)]
        first = found[0] if found else {"class": None, "probability": None}
        return {"input": report.input, **first, "top": found, "error": report.error}


Classify = Callable[[Array], Array]


def _one_at_a_time(lock: threading.Lock, model: Predictor, jobs: int, images: Array) -> Array:
    """Return a batch's probabilities: the network has all threads for one batch, while others are read."""
    with lock:
        return model.probabilities(images, jobs)


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


_own_models = threading.local()
_loading = threading.Lock()


@lru_cache(maxsize=1)
def _load(word: ModelWord, digest: str, told: Told) -> Predictor | Detector:
    if file_digest(word.file) != digest:
        raise ModelError(
            f"{word.file}: is a different model here: put the same file where all machines see it under this name"
        )
    return load_model(str(word), told=told)


def file_digest(path: str) -> str:
    """Return the digest of a model's file, by which it is known on other machines and later.

    Raises:
        ModelError: it cannot be read.
    """
    if not os.path.exists(path):
        raise ModelError(f"{path}: no such file: put the model where all machines see it under this name")
    with naming_errors(path), opened(Path(path)), open(path, "rb") as file:  # a device or pipe may have no end
        return hashlib.file_digest(file, "blake2b").hexdigest()
