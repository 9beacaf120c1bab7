"""Statistics of a response, for a report."""

import math
from collections.abc import Callable, Iterable, Iterator
from threading import Lock

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.filters.order import Order


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


class Visibility:
    """Shares of bright and of white pixels in some rows of a picture, which tell whether a person sees what is in it.

    On scale `unit`, gradients of photographs with fewer than 1% of bright pixels are black to the eye. Of forty
    photographs, the darkest gradient on scale `soft` has 5%, and no picture more than 2% of white pixels.
    """

    _ROWS = 256  # looked at, or up to twice as many
    _LEAST_BRIGHT, _MOST_WHITE = 0.01, 0.1

    def __init__(self) -> None:
        self._pixels = self._lit = self._bright = self._white = 0
        self._lock = Lock()

    def add(self, band: Array, start: int, height: int, *, inverted: bool) -> None:
        """Look at some rows of a band.

        Args:
            band: rows of a picture, (H, W) or (H, W, C), of uint8 or uint16.
            start: number of its first row.
            height: of the whole picture.
            inverted: whether what is bright is dark in this picture.
        """
        step = max(1, height // self._ROWS)
        rows = band[-start % step :: step]
        levels = np.invert(rows) if inverted else rows
        if levels.ndim == 3:
            levels = levels.max(axis=2)
        white = int(np.iinfo(band.dtype).max)
        with self._lock:
            self._pixels += levels.size
            self._lit += int(np.count_nonzero(levels))
            self._bright += int(np.count_nonzero(levels > white >> 3))
            self._white += int(np.count_nonzero(levels == white))

    @property
    def is_dark(self) -> bool:
        """True if there is something in the picture, and nearly nothing can be seen."""
        return self._lit > 0 and self._bright < self._LEAST_BRIGHT * self._pixels

    @property
    def is_clipped(self) -> bool:
        """True if many pixels are white, so that nobody sees which are edges."""
        return self._white > self._MOST_WHITE * self._pixels


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


def percentile_of(bands: Callable[[], Iterable[Array]], share: float, dtype: DType) -> float:
    """Return the smallest magnitude that at least `share` percent of the finite numbers do not exceed; 0 without any.

    It is exact, and holds counts alone (see `cnncli.filters.order`).

    Args:
        bands: gives all bands of numbers each time that it is called.
        share: above 0, up to 100.
        dtype: of the numbers; those of more than 16 bits are compared as float64 unless they are float32.

    Example:
        >>> numbers = np.array([-8.0, 1.0, np.nan, 2.0, 4.0])
        >>> percentile_of(lambda: [numbers], 75, numbers.dtype)
        4.0
    """
    kind = np.dtype(np.float32 if dtype.itemsize <= 2 or dtype == np.float32 else np.float64)
    order = Order(kind)

    def magnitudes() -> Iterator[Array]:
        return (np.abs(band.astype(kind)) for band in bands())

    for band in magnitudes():
        order.count(band)
    if not order.number:
        return 0.0
    order.begin([math.ceil(share * order.number / 100) - 1])
    order.finish(magnitudes)
    return order.numbers()[0]
