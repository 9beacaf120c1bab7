"""What every aim of a training has: measures of outputs, the model that comes of it, its scores and pictures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cnncli.arrays import Array
from cnncli.data.boxes.dataset import Labelled
from cnncli.engines.processes import Processes
from cnncli.models.detector import Detector
from cnncli.models.model import Model
from cnncli.networks import Network
from cnncli.training.baselines import Baselines
from cnncli.training.run_folder import Metrics


class Verdict(NamedTuple):
    """A model judged by a data set at the end of a training.

    Attributes:
        scores: its scores.
        found: what it gives for each picture: probabilities (N, classes), or boxes.
    """

    scores: Any
    found: Any


class Tally(ABC):
    """Outputs that are judged as they come, a few pictures at a time."""

    @abstractmethod
    def add(self, labels: Array, logits: Array) -> None:
        """Take the labels and the logits of a few pictures."""

    @abstractmethod
    def measures(self) -> dict[str, float]:
        """Return the measures of all pictures, of which each process has its part: names, and numbers from 0 to 1."""


class Aim(ABC):
    """What a training is after.

    Attributes:
        chosen_by: the measure that selects the best epoch, in words.
        names: the names of the measures of the pictures to validate by.
    """

    chosen_by: str
    names: tuple[str, ...]

    def begin(self, network: Network, parameters: Mapping[str, Array]) -> None:
        """Set what a new head begins with, where chance would be a bad choice."""
        return

    @abstractmethod
    def hits(self, labels: Array, logits: Array) -> int:
        """Return how many pictures of a batch are right, where that can be said of a whole one."""

    @abstractmethod
    def trained(self, hits: int, pictures: int) -> dict[str, float]:
        """Return the measures of pictures that were trained on, by the number of those that were right."""

    @abstractmethod
    def tally(self, dataset: Labelled, processes: Processes) -> Tally:
        """Return a tally of the pictures to validate by, of which each process has its part."""

    @abstractmethod
    def choice(self, measures: Mapping[str, float]) -> float:
        """Return the measure that epochs are chosen by."""

    @abstractmethod
    def model(self, *parts: Any) -> Model | Detector:
        """Return the model of a network, its arrays, classes and preprocessing."""

    @abstractmethod
    def judge(self, model: Model | Detector, dataset: Labelled, jobs: int, *, choices: int = 1) -> Verdict:
        """Judge a model; its epoch was chosen among several by the same pictures."""

    @abstractmethod
    def baselines(self, dataset: Labelled, train: Labelled) -> Baselines | None:
        """Return what the simplest learners reach, where there are any."""

    @abstractmethod
    def draw(
        self,
        folder: Path,
        metrics: Sequence[Metrics],
        model: Model | Detector,
        dataset: Labelled,
        verdict: Verdict,
    ) -> list[Path]:
        """Write the pictures of a run, and return their paths."""
