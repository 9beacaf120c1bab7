"""Axes of charts: where numbers stand, and which are written."""

import math
from typing import NamedTuple


class ChartAxis(NamedTuple):
    """An axis of a chart from `low` to `high`, with the numbers to write; in powers of ten where `is_log` says so."""

    low: float
    high: float
    ticks: tuple[float, ...]
    is_log: bool = False

    @classmethod
    def over(cls, low: float, high: float, *, most: int = 6, whole: bool = False) -> "ChartAxis":
        """Return an axis from round number to round number, with steps of 1, 2 or 5 times a power of ten.

        Example:
            >>> ChartAxis.over(0, 0.93).ticks
            (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
        """
        step = _step(max(high - low, 1e-12, abs(high) * 1e-6) / most)
        step = max(1.0, step) if whole else step
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        ticks = tuple(float(f"{step * number:.12g}") for number in range(first, max(last, first + 1) + 1))
        return cls(ticks[0], ticks[-1], ticks)

    @classmethod
    def powers(cls, low: float, high: float) -> "ChartAxis":
        """Return an axis over powers of ten.

        Example:
            >>> ChartAxis.powers(1e-2, 3).ticks
            (0.01, 0.1, 1.0)
        """
        powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
        return cls(low, high, tuple(10.0**power for power in powers), is_log=True)

    @classmethod
    def epochs(cls, last: float) -> "ChartAxis":
        """Return an axis over the epochs from 1 to the last, at least the second."""
        last = max(last, 2)
        ticks = cls.over(1, last, most=8, whole=True).ticks
        return cls(1, last, (1.0, *(tick for tick in ticks if 1 < tick <= last)))

    def place(self, value: float, start: float, stop: float) -> float:
        """Return the position of a number between two positions."""
        value, low, high = map(math.log10, (value, self.low, self.high)) if self.is_log else (value, *self[:2])
        return start + (value - low) / (high - low) * (stop - start)


def _step(least: float) -> float:
    power: float = 10.0 ** math.floor(math.log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
