"""Operators that decide black or white: a threshold, and Canny's edges. Their responses are 0 and 1 in uint8."""

from collections.abc import Iterable
from functools import cached_property
from threading import Lock

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.errors import ArgumentError
from cnncli.filters.arguments import Level
from cnncli.filters.bands import bands, whole
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.formulas import gaussian
from cnncli.filters.operators.operator import Operator
from cnncli.filters.operators.responses import Response
from cnncli.ops.canny import HALO, connected, thin
from cnncli.ops.otsu import finite_limits, histogram, merge, otsu

_SLOPE = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
SOBEL = (_SLOPE, _SLOPE.T)
"""Sobel's kernels for vertical and for horizontal edges."""

SOBEL_STEP = 4
"""Their response to a step from 0 to 1."""


class _BlackAndWhite(Response):
    """A response of 0 and 1, of the size of its source."""

    full_step = 1.0

    def __init__(self, source: Response) -> None:
        self.source, self.image, self.shape = source, source.image, source.shape

    @property
    def dtype(self) -> DType:
        return np.dtype(np.uint8)


class Threshold(Operator):
    """White from a level on.

    Attributes:
        level: the level in the numbers of the source, or `otsu` for the one that separates its numbers best.
    """

    level: Level | str

    def over(self, source: Response, filtering: Filtering) -> Response:
        return Thresholded(source, self.level)


class Thresholded(_BlackAndWhite):
    """The response to a threshold.

    Attributes:
        is_strict: whether the level itself is black, as with Otsu's method.
    """

    def __init__(self, source: Response, level: Level | str) -> None:
        super().__init__(source)
        self.is_strict = not isinstance(level, Level)
        self._level = level
        self._lock = Lock()

    @property
    def rows_together(self) -> int:
        return self.source.rows_together

    @property
    def levels(self) -> list[float]:
        """The level for all channels, or that of each."""
        if isinstance(self._level, Level):
            return [self._level.of(self.source.full_step)]
        with self._lock:  # of several threads, one computes
            return self._otsu

    def rows(self, start: int, stop: int) -> Array:
        numbers, levels = self.source.rows(start, stop), self.levels
        level = levels[0] if len(levels) == 1 else np.array(levels)
        white: Array = numbers > level if self.is_strict else numbers >= level
        return white.view(np.uint8)

    @cached_property
    def _otsu(self) -> list[float]:
        ends = zip(*([finite_limits(plane) for plane in _planes(band)] for _, band in bands(self.source)), strict=True)
        limits = [_joined(channel) for channel in ends]
        found = (map(histogram, _planes(band), limits) for _, band in bands(self.source))
        return [otsu(merge(channel)) for channel in zip(*found, strict=True)]


def _planes(band: Array) -> list[Array]:
    return [band] if band.ndim == 2 else [band[..., channel] for channel in range(band.shape[2])]


def _joined(ends: Iterable[tuple[float, float] | None]) -> tuple[float, float] | None:
    known = [pair for pair in ends if pair is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


class Canny(Operator):
    """Canny's edges: a Gaussian, Sobel's gradient, thinning to one pixel, and hysteresis.

    Attributes:
        sigma: standard deviation of the Gaussian, in pixels; 0 for none.
        low: the magnitude of the gradient from which on a pixel belongs to an edge that has a strong pixel.
        high: the magnitude from which on a pixel is strong.

    Levels that are numbers are those of a Sobel kernel that is not divided.
    """

    sigma: float
    low: Level
    high: Level

    def validate(self) -> None:
        if self.low.percent != self.high.percent:
            raise ArgumentError("LOW and HIGH must be two numbers or two percentages")
        if self.low.number > self.high.number:
            raise ArgumentError(f"LOW must not be above HIGH, got {self.low.number:g} and {self.high.number:g}")

    def over(self, source: Response, filtering: Filtering) -> Response:
        smooth = source
        if self.sigma:
            smooth = gaussian(self.sigma).over(source, filtering.inner)
            smooth.word = f"gaussian:{self.sigma:g}"
        step = SOBEL_STEP * smooth.full_step
        return Edges(Ridges(smooth, self.low.of(step), self.high.of(step)))


class Ridges(_BlackAndWhite):
    """Labels of the pixels on ridges of the gradient: 0, weak or strong."""

    word = "ridges of the gradient"

    def __init__(self, source: Response, low: float, high: float) -> None:
        super().__init__(source)
        self.low, self.high = low, high

    @property
    def rows_together(self) -> int:
        return self.source.rows_together

    def rows(self, start: int, stop: int) -> Array:
        first, last = max(0, start - HALO), min(self.shape[0], stop + HALO)
        return thin(self.source.rows(first, last), self.low, self.high)[start - first : stop - first]


class Edges(_BlackAndWhite):
    """Ridges that are connected to strong pixels; they may be so from anywhere, so that they are found once for all."""

    def __init__(self, source: Response) -> None:
        super().__init__(source)
        self._lock = Lock()

    @cached_property
    def _edges(self) -> Array:
        return connected(whole(self.source), overwrite=True).view(np.uint8)

    def rows(self, start: int, stop: int) -> Array:
        with self._lock:  # of several threads, one computes
            return self._edges[start:stop]
