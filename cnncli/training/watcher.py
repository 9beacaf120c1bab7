"""Progress callbacks of a training run."""

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from cnncli.training.preparation import Preparation
    from cnncli.training.run_folder import Metrics


class Estimate(NamedTuple):
    """What an epoch will take, by a batch that was measured.

    Attributes:
        seconds: of the training pass of an epoch.
        images_per_second: in it.
    """

    seconds: float
    images_per_second: float


class BatchReport(NamedTuple):
    """How the epoch under way goes, after a batch.

    Attributes:
        epoch: its number, from 1.
        batch: batches that are done of it.
        batches: all of it.
        loss: mean over the pictures of the epoch so far.
        accuracy: likewise.
        images_per_second: likewise, of this process.
    """

    epoch: int
    batch: int
    batches: int
    loss: float
    accuracy: float
    images_per_second: float


class Watcher:
    """Is told what happens; this one does not care. A display overrides what it wants to show."""

    def checking(self, done: int, total: int) -> None:
        """So many files of a folder have been checked."""

    def prepared(self, preparation: "Preparation") -> None:
        """The data has been read, and the network fits it."""

    def computing(self, notes: list[str]) -> None:
        """Something other than NumPy computes: what it is, and how far it is from NumPy."""

    def begins(self, estimate: Estimate, epochs_done: int) -> None:
        """Training begins, or goes on."""

    def batch(self, report: BatchReport) -> None:
        """A batch is done."""

    def epoch(self, metrics: "Metrics", *, best: bool) -> None:
        """An epoch is done, validation included."""

    def judging(self) -> None:
        """Training is over: the best weights are judged, and pictures drawn."""

    def note(self, message: str) -> None:
        """Something the user should know."""
