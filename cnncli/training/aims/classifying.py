"""The classes of whole pictures."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cnncli.arrays import Array
from cnncli.data import Dataset
from cnncli.engines.head import predictions
from cnncli.engines.processes import Processes
from cnncli.models.judging.metrics import Scores, score
from cnncli.models.model import Model
from cnncli.networks import Network
from cnncli.training.aims.aim import Aim, Tally, Verdict
from cnncli.training.baselines import Baselines
from cnncli.training.run_folder import CONFUSION, CURVES, FILTERS, MISTAKES, Metrics

if TYPE_CHECKING:
    from cnncli.training.pictures import Drawn

ACCURACY, BALANCED_ACCURACY = "accuracy", "balanced accuracy"
"""Measures that select the best epoch."""


class Classifying(Aim[Model, Dataset, Scores]):
    """Names the class of each picture.

    Args:
        network: the network that the loss works on.
        balanced: whether epochs are chosen by the accuracy that weights all classes alike.
    """

    model = Model

    def __init__(self, network: Network, *, balanced: bool) -> None:
        self.network = network
        self.chosen_by = BALANCED_ACCURACY if balanced else ACCURACY
        self.names = ("accuracy", "balanced_accuracy") if balanced else ("accuracy",)

    def hits(self, labels: Array, logits: Array) -> int:
        return int((predictions(logits, self.network) == labels).sum())

    def trained(self, hits: int, pictures: int) -> dict[str, float]:
        return {"accuracy": hits / pictures}

    def tally(self, dataset: Dataset, processes: Processes) -> "ClassTally":
        return ClassTally(self.network, len(dataset.class_names), processes, balanced=self.chosen_by != ACCURACY)

    def choice(self, measures: Mapping[str, float]) -> float:
        return measures[self.chosen_by.replace(" ", "_")]

    def judge(self, model: Model, dataset: Dataset, jobs: int, *, choices: int = 1) -> Verdict[Model, Dataset, Scores]:
        probabilities = model.classify(dataset, jobs)
        scores = score(dataset.labels, probabilities.argmax(axis=1), model.class_names, choices=choices)
        return Verdict(model, dataset, scores, probabilities)

    def baselines(self, dataset: Dataset, train: Dataset) -> Baselines:
        return Baselines.on(dataset, train)

    def draw(
        self, metrics: Sequence[Metrics], kept: int, verdict: Verdict[Model, Dataset, Scores]
    ) -> "Mapping[str, Drawn | None]":
        from cnncli.training.pictures import draw_confusion, draw_curves, draw_filters, draw_mistakes

        return {
            CURVES: draw_curves(metrics, "accuracy", "Accuracy", kept),
            CONFUSION: draw_confusion(verdict.scores),
            FILTERS: draw_filters(verdict.model),
            MISTAKES: draw_mistakes(verdict.dataset, verdict.found, verdict.model.class_names),
        }


class ClassTally(Tally):
    """Pictures of each class, and those that are right."""

    def __init__(self, network: Network, classes: int, processes: Processes, *, balanced: bool) -> None:
        self._network, self._processes, self._balanced = network, processes, balanced
        self._counts = np.zeros((2, classes))

    def add(self, labels: Array, logits: Array) -> None:
        right = labels[predictions(logits, self._network) == labels]
        for counts, found in zip(self._counts, (right, labels), strict=True):
            counts += np.bincount(found, minlength=len(counts))

    def measures(self) -> dict[str, float]:
        right, all_ = self._processes.total(self._counts.ravel()).reshape(self._counts.shape)
        found = {"accuracy": float(right.sum() / all_.sum())}
        if self._balanced:
            there = all_ > 0
            found["balanced_accuracy"] = float((right[there] / all_[there]).mean())
        return found
