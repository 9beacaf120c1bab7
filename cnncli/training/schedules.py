"""Schedules: the learning rate of each step.

A schedule is a function from the completed share of the training, 0 to 1, to a factor of the learning rate. To add one,
write it and enter it in `SCHEDULES`.
"""

import math
from collections.abc import Callable


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
