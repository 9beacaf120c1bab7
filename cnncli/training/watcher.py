"""Progress callbacks of a training run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cnncli.training.preparing.preparation import Preparation
    from cnncli.training.run_folder import Metrics


class Estimate(NamedTuple):
    """Estimated time of the training pass of an epoch, from a batch that was measured."""

    seconds: float
    images_per_second: float


class BatchReport(NamedTuple):
    """State of the current epoch after a batch; epochs count from 1.

    Loss and measures are those of the pictures of the epoch so far, the speed is that of this process.
    """

    epoch: int
    batch: int
    batches: int
    loss: float
    measures: Mapping[str, float]
    images_per_second: float


class Watcher:
    """Base observer: every hook does nothing. A display overrides those that it shows."""

    def checking(self, done: int, total: int) -> None:
        """Some files of a folder have been checked."""

    def prepared(self, preparation: "Preparation") -> None:
        """The data has been opened, and the network fits it."""

    def computing(self, notes: list[str]) -> None:
        """An engine other than NumPy computes: notes name it, and its difference from NumPy."""

    def begins(self, estimate: Estimate, epochs_done: int) -> None:
        """Training starts or is resumed."""

    def batch(self, report: BatchReport) -> None:
        """A batch is completed."""

    def epoch(self, metrics: "Metrics", *, best: bool) -> None:
        """An epoch is completed, validation included."""

    def judging(self) -> None:
        """Training has ended: the best weights are about to be evaluated, and pictures drawn."""

    def note(self, message: str) -> None:
        """A message for the user."""
