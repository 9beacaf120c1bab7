"""Timing two or more calls side by side, so that a busy moment of the machine meets all of them."""

import time
from collections.abc import Callable, Sequence
from statistics import median

import numpy as np


def alternating(calls: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Return the median seconds of each call, run in turn; a first round warms up and does not count."""
    seconds: list[list[float]] = [[] for _ in calls]
    for number in range(rounds + 1):
        for times, call in zip(seconds, calls, strict=True):
            start = time.perf_counter()
            result = call()
            times += [time.perf_counter() - start] if number else []
            # Given back outside of the timing: a result's memory is part of making it, not of dropping it.
            del result
    return [median(times) for times in seconds]


def copy_speed(rounds: int = 9, size: int = 1 << 26) -> float:
    """Return the bytes a second that this machine reads and writes in a copy between two buffers in memory."""
    source, target = np.ones(size, np.uint8), np.empty(size, np.uint8)
    (seconds,) = alternating([lambda: np.copyto(target, source)], rounds)
    return 2 * size / seconds
