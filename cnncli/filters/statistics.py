"""Statistics of a response, for a report."""

from threading import Lock

import numpy as np

from cnncli.arrays import Array


class Statistics:
    """Range and clipped share of a response, gathered band by band, from several threads.

    Attributes:
        low: the smallest finite number.
        high: the largest.
        clipped: count of numbers outside the picture's range.
        count: count of all numbers.
    """

    def __init__(self) -> None:
        self.low, self.high = float("inf"), float("-inf")
        self.clipped = self.count = 0
        self._lock = Lock()

    def add(self, response: Array) -> None:
        """Take the numbers of one band into account."""
        low, high = finite_range(response)
        with self._lock:
            self.low, self.high = min(self.low, low), max(self.high, high)
            self.count += response.size

    def add_levels(self, levels: Array, lowest: float, highest: float) -> None:
        """Add the levels of one band; those beyond the picture's range count as clipped."""
        beyond = int(np.count_nonzero((levels > highest) | (levels < lowest)))
        with self._lock:
            self.clipped += beyond

    def report(self) -> dict[str, float | None]:
        """Return `min` and `max`, None where nothing is finite, and the share outside the picture's range."""
        low, high = (self.low, self.high) if self.low <= self.high else (None, None)
        return {"min": low, "max": high, "clipped_fraction": self.clipped / self.count if self.count else 0.0}


def finite_range(numbers: Array) -> tuple[float, float]:
    """Return the (min, max) of the finite numbers; (inf, -inf) if there are none, which changes no other range.

    Example:
        >>> finite_range(np.array([1.0, np.nan, 3.0, np.inf]))
        (1.0, 3.0)
        >>> finite_range(np.array([np.nan]))
        (inf, -inf)
    """
    low, high = numbers.min().item(), numbers.max().item()
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    finite = numbers[np.isfinite(numbers)]
    return (finite.min().item(), finite.max().item()) if finite.size else (float("inf"), float("-inf"))
