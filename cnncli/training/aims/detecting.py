"""Boxes of the objects in pictures."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cnncli.arrays import Array
from cnncli.data.boxes.boxes import Boxes
from cnncli.data.boxes.dataset import BoxDataset
from cnncli.engines.detection.decoding import best_boxes, decode
from cnncli.engines.detection.grid import Grid
from cnncli.engines.processes import Processes
from cnncli.models.detector import LEAST, NMS, TOP, Detector
from cnncli.models.judging.average_precision import mean_precisions
from cnncli.models.judging.box_scores import BoxScores, judge_boxes
from cnncli.networks import Network
from cnncli.networks.heads import head_names
from cnncli.training.aims.aim import Aim, Tally, Verdict
from cnncli.training.run_folder import CURVES, FILTERS, Metrics

if TYPE_CHECKING:
    from cnncli.training.pictures import Drawn

MAP = "mAP"
"""The measure that selects the best epoch: over overlaps of 0.5 to 0.95, which changes less by chance than that at 0.5.

In trainings on 211 photographs with 23 to validate by, the best one at 0.5 came half-way by luck, before boxes fitted
well: other photographs had 0.51 instead of 0.57.
"""

HEAD_STD = 0.01  # standard deviation of the weights of a new head


class Detecting(Aim[Detector, BoxDataset, BoxScores]):
    """Finds objects: a box, a class and a score for each.

    Args:
        grid: the cells of the network's outputs.
        class_names: the classes in order.
        biases: what the biases of a new head begin with.
    """

    model = Detector
    chosen_by = MAP
    names = ("map", "map_50")

    def __init__(self, grid: Grid, class_names: Sequence[str], biases: Array) -> None:
        self.grid, self.class_names, self.biases = grid, tuple(class_names), biases

    def begin(self, network: Network, parameters: Mapping[str, Array]) -> None:
        head = {name: parameters[name] for name in head_names(network) if name in parameters}
        if any(array.shape[-1] != self.grid.channels for array in head.values()):
            return  # several layers make the outputs together
        for name, array in head.items():
            if name.endswith(".bias"):
                array[...] = self.biases
            else:  # nearly nothing, so that the biases rule the first outputs (arXiv:1708.02002, section 4.1)
                array *= HEAD_STD / (array.std() or 1)

    def hits(self, labels: Array, logits: Array) -> int:
        return 0

    def trained(self, hits: int, pictures: int) -> dict[str, float]:
        return {}

    def tally(self, dataset: BoxDataset, processes: Processes) -> "BoxTally":
        return BoxTally(self.grid, dataset.placed(), processes)

    def choice(self, measures: Mapping[str, float]) -> float:
        return measures["map"]

    def judge(
        self, model: Detector, dataset: BoxDataset, jobs: int, *, choices: int = 1
    ) -> Verdict[Detector, BoxDataset, BoxScores]:
        found = model.find_all(dataset, jobs=jobs)
        return Verdict(model, dataset, judge_boxes(found, dataset.boxes, self.class_names), found)

    def baselines(self, dataset: BoxDataset, train: BoxDataset) -> None:
        return None

    def draw(
        self, metrics: Sequence[Metrics], kept: int, verdict: Verdict[Detector, BoxDataset, BoxScores]
    ) -> "Mapping[str, Drawn | None]":
        from cnncli.training.box_pictures import draw_scores
        from cnncli.training.pictures import draw_curves, draw_filters

        drawn = draw_scores(verdict.dataset.names, verdict.scores)
        return {CURVES: draw_curves(metrics, "map", MAP, kept), **drawn, FILTERS: draw_filters(verdict.model)}


class BoxTally(Tally):
    """The boxes that were found in pictures, and those that are labelled, in pixels of the network's input.

    Args:
        grid: the cells of the network's outputs.
        labelled: the boxes of all pictures, of which each process has its part.
        processes: those of the training.
    """

    def __init__(self, grid: Grid, labelled: Sequence[Boxes], processes: Processes) -> None:
        self._grid, self._labelled, self._processes = grid, labelled, processes
        self._found = np.zeros((len(labelled), TOP, 6))
        self._next = processes.part(len(labelled)).start

    def add(self, labels: Array, logits: Array) -> None:
        cells = logits.reshape(len(logits), *self._grid.cells, self._grid.channels)
        for found in decode(cells, self._grid, LEAST):
            best = best_boxes(found, NMS, TOP)
            rows = np.column_stack([best.scores, best.labels, best.places])
            self._found[self._next, : len(rows)] = rows
            self._next += 1

    def measures(self) -> dict[str, float]:
        every = self._processes.total(self._found.ravel()).reshape(self._found.shape)
        found = [Boxes.of(rows[:, 2:], rows[:, 1], rows[:, 0]).chosen(rows[:, 0] > 0) for rows in every]
        precisions = np.maximum(0, mean_precisions(found, self._labelled, self._grid.classes))
        return {"map": float(precisions.mean()), "map_50": float(precisions[0])}
