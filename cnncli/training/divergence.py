"""Diagnosis of a loss that is no longer finite: the place, the pictures, and advice."""

import json
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.engines.engine import Engine
from cnncli.training.run_folder import RunFolder

SHOWN = 3  # files of the batch that the message names; the others are in a file


class Divergence(NamedTuple):
    """Report on a training whose loss was no longer finite; epochs and batches count from 1.

    Attributes:
        finding: the place where numbers were first not finite.
        files: the pictures of the batch.
        clipped: whether gradients were clipped.
        default_lr: the optimizer's default learning rate.
    """

    epoch: int
    batch: int
    loss: float
    finding: str
    files: tuple[str, ...]
    lr: float
    clipped: bool
    default_lr: float

    @property
    def suggested_lr(self) -> float:
        """A tenth of the learning rate, with one digit or two, and at most the optimizer's default."""
        return min(float(f"{self.lr / 10:.2g}"), self.default_lr)

    def message(self, folder: RunFolder | None) -> str:
        """Return the error of one line."""
        shown = ", ".join(self.files[:SHOWN])
        more = len(self.files) - SHOWN
        rest = f" and {more} more" if more > 0 else ""
        listed = f" (listed in {folder.post_mortem})" if folder is not None and more > 0 else ""
        clip = "" if self.clipped else " or --clip-norm 1"
        return (
            f"epoch {self.epoch}, batch {self.batch}: the loss is no longer finite: {self.finding}; "
            f"the batch: {shown}{rest}{listed}; try --lr {self.suggested_lr:g} (it was {self.lr:g}){clip}"
        )

    def json(self) -> str:
        """Return all fields as JSON."""
        table = {**self._asdict(), "loss": str(self.loss), "suggested_lr": self.suggested_lr}
        return json.dumps(table, indent=2) + "\n"


def examine(engine: Engine, images: Array) -> str:
    """Return where numbers are first not finite: in the pictures, the weights, or the output of a layer.

    The engine is asked after the step, and the images (N, H, W, C) are the batch as the network got it.
    """
    if not np.isfinite(images).all():
        return "the pictures themselves hold numbers that are not finite"
    layer = engine.diagnose(images)
    if layer is None:
        return "the outputs are finite, but too large for the loss"
    broken = [
        name
        for name, array in engine.named_parameters.items()
        if name.startswith(f"{layer}.") and not np.isfinite(array).all()
    ]
    if broken:
        return f"the weights {broken[0]} are no longer finite"
    return f"layer {layer} puts out numbers that are not finite"
