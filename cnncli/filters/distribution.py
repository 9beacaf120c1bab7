"""The distribution of a response's numbers: its extremes, mean, deviation and percentiles, gathered band by band.

No band is kept: what takes several looks at the numbers computes them again.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Unpack

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, DType
from cnncli.filters.bands import bands
from cnncli.filters.chains import Chain
from cnncli.filters.edges import FilterOptions, as_rows
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.order import Order
from cnncli.filters.statistics import finite_range
from cnncli.ops.borders import Rows

PERCENTILES = (1, 5, 25, 50, 75, 95, 99)

_TOGETHER = 1 << 18  # numbers that are ordered at a time, which stay in the cache

Sources = Callable[[], Iterable[Rows]]
"""Gives the responses to measure, such as those of the frames of a file, each time that it is called."""


class Distribution(NamedTuple):
    """The distribution of the finite numbers of a response.

    Attributes:
        min: the smallest.
        max: the largest.
        mean: their mean. The sums of rows, in float64, are added without rounding: exact for integers; the error for
            floating point is below 1e-13 of the largest magnitude.
        std: their standard deviation about this mean (division by their number), in the same way.
        percentiles: at `PERCENTILES`, exact; between two numbers interpolated as NumPy does.
    """

    min: float
    max: float
    mean: float
    std: float
    percentiles: tuple[float, ...]

    def facts(self) -> dict[str, float]:
        """Return all by name: `min`, `max`, `mean`, `std`, `p1`, ..., `p99`."""
        named = zip((f"p{percent}" for percent in PERCENTILES), self.percentiles, strict=True)
        return {"min": self.min, "max": self.max, "mean": self.mean, "std": self.std, **dict(named)}


NAMES = ("min", "max", "mean", "std", *(f"p{percent}" for percent in PERCENTILES))
"""The names of `Distribution.facts`."""


def filter_statistics(
    image: npt.ArrayLike,
    filter: str | npt.ArrayLike,  # noqa: A002
    *,
    direction: str | None = None,
    **filtering: Unpack[FilterOptions],
) -> Distribution | None:
    """Return the distribution of an image's response to a filter, as `cnncli edge --stats` does.

    Args:
        image: as in `filter_image`.
        filter: as in `filter_image`.
        direction: as in `filter_image`.
        **filtering: as in `filter_image`.

    Returns:
        The distribution of all finite numbers, those of all channels together; None where there are none.

    Raises:
        ArgumentError: as `filter_image`.

    Example:
        >>> found = filter_statistics([[10, 10, 10, 0, 0, 0]] * 6, "vertical", padding="valid")
        >>> found.mean, found.std, found.percentiles[3]
        (15.0, 15.0, 15.0)
    """
    response = Chain.of(filter, direction).over(as_rows(image), Filtering(**filtering))
    return distribution(lambda: [response], response.dtype)


def distribution(sources: Sources, dtype: DType) -> Distribution | None:
    """Return the distribution of all finite numbers of some sources; None where there are none.

    Args:
        sources: is called once for each pass: once for types of up to 16 bits, twice for 32, four times for 64.
        dtype: a type that holds the numbers of all sources.
    """
    order, sums = Order(dtype), _Sums()
    low, high = math.inf, -math.inf
    for rows in _blocks(sources, dtype):
        first, last = finite_range(rows)
        low, high = min(low, first), max(high, last)
        sums.add(_finite_as_zero(rows))
        order.count(rows)
    if not order.number:
        return None
    mean = sums.total() / order.number
    spread = max(high - mean, mean - low) or 1.0  # squares of shares of it cannot overflow
    places = [divmod((order.number - 1) * percent, 100) for percent in PERCENTILES]
    order.begin([rank for place, _ in places for rank in (place, min(place + 1, order.number - 1))])
    squares = _squares(sources, dtype, order, mean, spread)
    found = order.numbers()
    percentiles = [_between(found[2 * n], found[2 * n + 1], share / 100) for n, (_, share) in enumerate(places)]
    return Distribution(low, high, mean, spread * math.sqrt(squares / order.number), tuple(percentiles))


def _squares(sources: Sources, dtype: DType, order: Order, mean: float, spread: float) -> float:
    """Return the sum of squared shares of a spread around the mean; on the way, find the numbers of all ranks."""
    if order.is_done:
        values, counts = order.counted()
        return math.fsum(counts * np.square((values - mean) / spread))
    sums = _Sums()
    for rows in _blocks(sources, dtype):
        shares = np.subtract(rows, mean, dtype=np.float64)
        shares /= spread
        sums.add(_finite_as_zero(np.square(shares, out=shares)))
        order.count(rows)
    order.descend()
    order.finish(lambda: _blocks(sources, dtype))
    return sums.total()


def _blocks(sources: Sources, dtype: DType) -> Iterator[Array]:
    """Yield all numbers, some rows at a time: (rows, numbers in a row)."""
    for source in sources():
        for _, band in bands(source):
            rows = np.ascontiguousarray(band.reshape(len(band), -1), dtype)
            step = max(1, _TOGETHER // rows.shape[1])
            yield from (rows[start : start + step] for start in range(0, len(rows), step))


def _finite_as_zero(rows: Array) -> Array:
    if rows.dtype.kind != "f" or np.isfinite(rows).all():
        return rows
    return np.where(np.isfinite(rows), rows, rows.dtype.type(0))


def _between(low: float, high: float, share: float) -> float:
    """Return the number at a share of the way from one to another, in the arithmetic of `numpy.percentile`."""
    return float(low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share))


class _Sums:
    """The sum of numbers, whatever the bands: rows are summed by themselves, and their sums added without rounding."""

    def __init__(self) -> None:
        self._rows: list[float] = []

    def add(self, rows: Array) -> None:
        """Add rows of numbers."""
        if rows.dtype.kind == "f":
            self._rows += rows.astype(np.float64, copy=False).sum(axis=1).tolist()
        elif rows.dtype.itemsize < 8:
            self._rows += rows.sum(axis=1, dtype=np.int64).tolist()
        else:  # as two halves, whose sums fit
            high, low = rows >> 32, rows & 0xFFFFFFFF
            self._rows += [
                (a << 32) + b for a, b in zip(high.sum(axis=1).tolist(), low.sum(axis=1).tolist(), strict=True)
            ]

    def total(self) -> float:
        """Return the sum: an int of integers."""
        if all(isinstance(row, int) for row in self._rows):
            return sum(self._rows)
        try:
            return math.fsum(self._rows)
        except OverflowError:
            return math.inf
