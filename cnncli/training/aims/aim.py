"""What every aim of a training has: measures of outputs, the model that comes of it, its scores and pictures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from cnncli.arrays import Array
from cnncli.data import Dataset
from cnncli.data.boxes.dataset import BoxDataset
from cnncli.engines.processes import Processes
from cnncli.models.detector import Detector
from cnncli.models.judging.box_scores import BoxScores
from cnncli.models.judging.metrics import Scores
from cnncli.models.model import Model
from cnncli.networks import Network
from cnncli.training.baselines import Baselines
from cnncli.training.run_folder import Metrics

if TYPE_CHECKING:  # a training without a folder draws nothing
    from cnncli.training.pictures import Drawn

M = TypeVar("M", Model, Detector)
D = TypeVar("D", Dataset, BoxDataset)
S = TypeVar("S", Scores, BoxScores)


class Verdict(NamedTuple, Generic[M, D, S]):
    """A model judged by a data set at the end of a training.

    Attributes:
        model: the model.
        dataset: the data set.
        scores: its scores.
        found: what it gives for each picture: probabilities (N, classes), or boxes.
    """

    model: M
    dataset: D
    scores: S
    found: Any


class Tally(ABC):
    """Outputs that are judged as they come, a few pictures at a time."""

    @abstractmethod
    def add(self, labels: Array, logits: Array) -> None:
        """Take the labels and the logits of a few pictures."""

    @abstractmethod
    def measures(self) -> dict[str, float]:
        """Return the measures of all pictures, of which each process has its part: names, and numbers from 0 to 1."""


class Aim(ABC, Generic[M, D, S]):
    """What a training is after.

    Attributes:
        model: the class of its models, which are made of a network, its arrays, classes and preprocessing.
        chosen_by: the measure that selects the best epoch, in words.
        names: the names of the measures of the pictures to validate by.
    """

    model: ClassVar[type[Model] | type[Detector]]
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
    def tally(self, dataset: D, processes: Processes) -> Tally:
        """Return a tally of the pictures to validate by, of which each process has its part."""

    @abstractmethod
    def choice(self, measures: Mapping[str, float]) -> float:
        """Return the measure that epochs are chosen by."""

    @abstractmethod
    def judge(self, model: M, dataset: D, jobs: int, *, choices: int = 1) -> Verdict[M, D, S]:
        """Judge a model; its epoch was chosen among several by the same pictures."""

    @abstractmethod
    def baselines(self, dataset: D, train: D) -> Baselines | None:
        """Return what the simplest learners reach, where there are any."""

    @abstractmethod
    def draw(self, metrics: Sequence[Metrics], kept: int, verdict: Verdict[M, D, S]) -> "Mapping[str, Drawn | None]":
        """Return the pictures of a run by the names of their files; None for one that shows nothing.

        `kept` is the epoch of the model; 0 where none was completed.
        """
