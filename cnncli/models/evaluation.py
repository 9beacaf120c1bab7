"""Evaluating a model on labelled pictures."""

import os
from typing import NamedTuple

from cnncli.choices import PARTS
from cnncli.data import Dataset, Finding, OnChecked, Parts, open_dataset
from cnncli.errors import DataError
from cnncli.models.metrics import Scores, score
from cnncli.models.model import Array, Model


class Evaluation(NamedTuple):
    """What a model is worth on some data.

    Attributes:
        part: which part of the data was taken: one of `PARTS`.
        dataset: its pictures.
        probabilities: (N, classes) that the model gives them.
        scores: how good the likeliest class of each is.
        findings: what the data's owner should know.
    """

    part: str
    dataset: Dataset
    probabilities: Array
    scores: Scores
    findings: tuple[Finding, ...]


def evaluate(
    model: Model,
    data: str | os.PathLike[str],
    *,
    part: str | None = None,
    strict: bool = False,
    jobs: int = 1,
    progress: OnChecked | None = None,
) -> Evaluation:
    """Judge a model by a data set of any kind that `open_dataset` opens, labelled by the model's classes.

    Args:
        model: the model.
        data: a folder, or an `.npz` file.
        part: one of `PARTS`; None for the test part, else the validation part, else all there is.
        strict: refuse a picture that cannot be read instead of leaving it out.
        jobs: threads.
        progress: called with the files done and all files while a folder is checked.

    Raises:
        DataError: it cannot be read, has classes that the model does not know, or not the part that is asked for.
        NoInputError: it holds no pictures.
        ImageError: a picture cannot be read, and `strict` refuses that.

    Example:
        >>> from cnncli.models.model import load_model
        >>> evaluate(load_model("runs/digits"), "samples/digits").scores.accuracy  # doctest: +SKIP
        0.95
    """
    reading = model.reading(jobs=jobs, strict=strict)
    parts = open_dataset(data, reading, class_names=model.class_names, progress=progress)
    name, dataset = _chosen(parts, part, os.fspath(data))
    probabilities = model.classify(dataset, jobs)
    scores = score(dataset.labels, probabilities.argmax(axis=1), model.class_names)
    return Evaluation(name, dataset, probabilities, scores, parts.findings)


def _chosen(parts: Parts, part: str | None, data: str) -> tuple[str, Dataset]:
    there = {name: getattr(parts, name) for name in PARTS if getattr(parts, name) is not None}
    name = part or next(name for name in reversed(PARTS) if name in there)
    if name not in there:
        raise DataError(f"{data}: has no {name} part; it has {' and '.join(there)}")
    return name, there[name]
