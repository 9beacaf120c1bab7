"""Timing two or more calls side by side, so that a busy moment of the machine meets all of them; and what one took."""

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import IO, Any, NamedTuple

import numpy as np


def alternating(
    calls: Sequence[Callable[[], object]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> list[float]:
    """Return the median seconds of each call, run in turn; a first round warms up and does not count."""
    seconds: list[list[float]] = [[] for _ in calls]
    for number in range(rounds + 1):
        for times, call in zip(seconds, calls, strict=True):
            start = clock()
            result = call()
            times += [clock() - start] if number else []
            # Given back outside of the timing: a result's memory is part of making it, not of dropping it.
            del result
    return [median(times) for times in seconds]


def copy_speed(rounds: int = 9, size: int = 1 << 26) -> float:
    """Return the bytes a second that this machine reads and writes in a copy between two buffers in memory."""
    source, target = np.ones(size, np.uint8), np.empty(size, np.uint8)
    (seconds,) = alternating([lambda: np.copyto(target, source)], rounds)
    return 2 * size / seconds


class Spent(NamedTuple):
    """What a process took: seconds, processor seconds, and megabytes at its peak."""

    seconds: float
    processor: float
    megabytes: float


def spent(command: Sequence[str], output: int | IO[bytes] = subprocess.DEVNULL, **options: Any) -> Spent:
    """Run a command whose standard output goes somewhere, and return what it took; options are those of `Popen`.

    Linux counts what this process held when it began the other; so whatever needs memory belongs into one of its own.
    """
    begin = time.perf_counter()
    process = subprocess.Popen(command, stdout=output, stderr=subprocess.DEVNULL, **options)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, command
    return Spent(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)
