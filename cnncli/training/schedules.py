"""Schedules: the learning rate of each step.

A schedule is a function from the completed share of the training, 0 to 1, to a factor of the learning rate. To add one,
write it and enter it in `SCHEDULES`.
"""

import math
from collections.abc import Callable

from cnncli.errors import ArgumentError
from cnncli.values import Value


def constant(done: float) -> float:
    """Return 1."""
    return 1.0


def step(done: float) -> float:
    """Return a tenth after half of the training, a hundredth after three quarters (He et al. 2015 on CIFAR-10)."""
    return 0.1 ** ((done >= 0.5) + (done >= 0.75))


def cosine(done: float) -> float:
    """Return (1 + cos(pi done)) / 2 (Loshchilov and Hutter, arXiv:1608.03983, without restarts)."""
    return (1 + math.cos(math.pi * done)) / 2


SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "step": step, "cosine": cosine}


class Schedule(Value):
    """The learning rate over a training.

    Attributes:
        lr: the learning rate after the warm-up.
        epochs: length of the whole training.
        steps_per_epoch: batches an epoch.
        name: a name in `SCHEDULES`; it runs from the end of the warm-up to the end of the training.
        warmup: epochs, or a fraction, during which the rate rises from lr / n to lr in n equal steps.

    Raises:
        ArgumentError: an unknown name, or a number out of range.

    Example:
        >>> plan = Schedule(0.1, epochs=4, steps_per_epoch=1, name="cosine", warmup=2)
        >>> [round(plan.at(step), 3) for step in range(4)]
        [0.05, 0.1, 0.1, 0.05]
    """

    lr: float
    epochs: int
    steps_per_epoch: int
    name: str = "constant"
    warmup: float = 0.0

    def validate(self) -> None:
        if self.name not in SCHEDULES:
            raise ArgumentError(f"unknown schedule {self.name!r}: the schedules are {', '.join(SCHEDULES)}")
        if not 0 < self.lr < math.inf:
            raise ArgumentError(f"lr must be a number above 0, got {self.lr!r}")
        if not 0 <= self.warmup < math.inf:
            raise ArgumentError(f"warmup must be a number of epochs from 0, got {self.warmup!r}")
        if self.warmup and self.warmup >= self.epochs:
            raise ArgumentError(
                f"a warm-up of {self.warmup} epochs leaves nothing of {self.epochs}: choose a shorter one"
            )

    def at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0 over the whole training."""
        rising = round(self.warmup * self.steps_per_epoch)
        if step < rising:
            return self.lr * (step + 1) / rising
        falling = max(1, self.epochs * self.steps_per_epoch - rising)
        return self.lr * SCHEDULES[self.name](min(1.0, (step - rising) / falling))
