"""Evaluating a model on labelled pictures."""

import os
from typing import Any, NamedTuple

from cnncli.arrays import Array
from cnncli.data import Dataset, Finding, OnChecked, open_dataset
from cnncli.errors import DataError
from cnncli.files.temporary import open_whole
from cnncli.files.text import csv_text
from cnncli.models.judging.metrics import Scores, rank_mistakes, score
from cnncli.models.judging.parts import choose_part, parts_of
from cnncli.models.judging.splits import Run, find_run
from cnncli.models.opening import as_predictor
from cnncli.models.predictor import AnyPath, PictureModel
from cnncli.threads import cores


class Mistake(NamedTuple):
    """A picture whose likeliest class is not its label.

    Attributes:
        file: the picture's name.
        label: the class that the data gives it.
        predicted: the likeliest class.
        probability: that of `predicted`.
        probabilities: that of each class, in the model's order.
    """

    file: str
    label: str
    predicted: str
    probability: float
    probabilities: tuple[float, ...]


class Evaluation(NamedTuple):
    """The scores of a model on some data.

    Attributes:
        part: the part of the data that was taken: one of `PARTS`.
        dataset: its pictures.
        probabilities: (N, classes) that the model gives them.
        scores: scores of the likeliest classes.
        findings: problems that the data's owner should know about.
    """

    part: str
    dataset: Dataset
    probabilities: Array
    scores: Scores
    findings: tuple[Finding, ...]

    def facts(self) -> dict[str, Any]:
        """Return the evaluation as the documented JSON object of `cnncli evaluate`."""
        classes = [one._asdict() for one in self.scores.per_class]
        return {
            "accuracy": self.scores.accuracy,
            "accuracy_interval": list(self.scores.accuracy_interval),
            "macro_f1": self.scores.macro_f1,
            "per_class": [{"class": one.pop("name"), **one} for one in classes],
            "confusion": self.scores.confusion.tolist(),
            "classes": [one.name for one in self.scores.per_class],
            "items": len(self.dataset),
            "part": self.part,
            "findings": [finding.message for finding in self.findings],
        }

    def mistakes(self) -> list[Mistake]:
        """Return the pictures that the model gets wrong, the most confident mistake first: suspect labels.

        Example:
            >>> [mistake.label for mistake in evaluate("runs/digits", "digits").mistakes()[:1]]  # doctest: +ELLIPSIS
            [...]
        """
        names = [one.name for one in self.scores.per_class]
        found = []
        for item in rank_mistakes(self.dataset.labels, self.probabilities).tolist():
            shares = self.probabilities[item]
            said = int(shares.argmax())
            words = self.dataset.names[item], names[self.dataset.labels[item]], names[said]
            found.append(Mistake(*words, float(shares[said]), tuple(shares.tolist())))
        return found

    def save_mistakes(self, path: AnyPath, *, replace: bool = False) -> None:
        """Write the mistakes as a CSV table, whole or not at all.

        Its columns are file, label, predicted, probability, and `P(NAME)` for each class.

        Raises:
            DataError: it cannot be written, or exists and is not to be replaced.
        """
        shares = (f"P({one.name})" for one in self.scores.per_class)
        with open_whole(path, DataError, replace=replace) as file:
            file.write(f"{csv_text([*Mistake._fields[:-1], *shares])}\n".encode())
            for mistake in self.mistakes():
                file.write(f"{csv_text([*mistake[:-1], *mistake.probabilities])}\n".encode())

    def _repr_html_(self) -> str:
        return self.scores._repr_html_()


def evaluate(
    model: PictureModel | AnyPath,
    data: AnyPath,
    *,
    part: str | None = None,
    strict: bool = False,
    jobs: int | None = None,
    progress: OnChecked | None = None,
    run: Run | None = None,
) -> Evaluation:
    """Judge a model by labelled pictures, as `cnncli evaluate` does.

    Data without parts of its own that a run was trained on is judged by the pictures that the run held out; a finding
    says so. Another says how many of the pictures that are taken were trained on.

    Args:
        model: a model, or a word that `load_model` takes.
        data: a data set of any kind that `open_dataset` opens, labelled by the model's classes.
        part: one of `PARTS`; None for the test part, else the validation part, else what the run held out, else
            everything. `validation` is what the run held out where the data has no such part.
        strict: refuse a picture that cannot be read instead of leaving it out.
        jobs: threads; None for the machine's cores.
        progress: called with the files done and all files while a folder is checked.
        run: the run that a `Predictor` comes from (`find_run`); that of a path is found.

    Raises:
        ModelError: the model cannot be read.
        DataError: the data cannot be read, has classes that the model does not know, or lacks the part.
        NoInputError: it holds no pictures.
        ImageError: a picture cannot be read, and `strict` refuses that.

    Example:
        >>> found = evaluate("runs/digits", "digits")
        >>> found.scores.accuracy > 0.5, found.scores.confusion.shape, len(found.dataset)
        (True, (10, 10), 40)
    """
    run = find_run(model) if run is None and not isinstance(model, PictureModel) else run
    model, jobs = as_predictor(model), jobs or cores()
    reading = model.reading(jobs=jobs, strict=strict, class_names=model.class_names, progress=progress)
    parts = open_dataset(data, reading)
    there: dict[str, Dataset] = parts_of(parts)
    chosen = choose_part(there, part, run, os.fspath(data))
    name, dataset, findings = chosen.part, chosen.pictures, (*parts.findings, *chosen.findings)
    probabilities = model.classify(dataset, jobs)
    scores = score(dataset.labels, probabilities.argmax(axis=1), model.class_names)
    return Evaluation(name, dataset, probabilities, scores, findings)
