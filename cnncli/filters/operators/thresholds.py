"""Thresholds: white from a level on, otherwise black."""

from collections.abc import Callable, Iterable

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.filters.arguments import Level
from cnncli.filters.bands import bands
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.operator import Operator
from cnncli.filters.operators.responses import Response
from cnncli.ops.otsu import finite_limits, histogram, merge, otsu
from cnncli.threads import Once


class BlackAndWhite(Response):
    """A response of 0 and 1 in uint8, of the size of its source."""

    def __init__(self, source: Response) -> None:
        super().__init__(source)
        self.full_step = self.contrast = 1.0

    @property
    def dtype(self) -> DType:
        return np.dtype(np.uint8)


class Threshold(Operator):
    """White from a level on.

    Attributes:
        level: the level, in the numbers of the source.
    """

    level: Level

    def over(self, source: Response, filtering: Filtering) -> Response:
        return Thresholded(source, lambda: [self.level.of(source.contrast)], is_strict=False)


class Otsu(Operator):
    """White above the level that separates the numbers of a channel best, by Otsu's method."""

    def over(self, source: Response, filtering: Filtering) -> Response:
        return Thresholded(source, Once(lambda: _otsu_levels(source)).result, is_strict=True)


def threshold(level: Level | str) -> Operator:
    """Return the operator for a level, or for the word `otsu`."""
    return Threshold(level) if isinstance(level, Level) else Otsu()


class Thresholded(BlackAndWhite):
    """The response to a threshold.

    Attributes:
        levels: returns the level for all channels, or that of each.
        is_strict: whether the level itself is black.
    """

    def __init__(self, source: Response, levels: Callable[[], list[float]], *, is_strict: bool) -> None:
        super().__init__(source)
        self.levels, self.is_strict = levels, is_strict

    def rows(self, start: int, stop: int) -> Array:
        numbers, levels = self.source.rows(start, stop), self.levels()
        level = levels[0] if len(levels) == 1 else np.array(levels)
        white: Array = numbers > level if self.is_strict else numbers >= level
        return white.view(np.uint8)


def _otsu_levels(source: Response) -> list[float]:
    """Return the level of each channel of the whole source, in two passes over its bands."""
    ends = zip(*([finite_limits(plane) for plane in _planes(band)] for _, band in bands(source)), strict=True)
    limits = [_joined(channel) for channel in ends]
    found = (map(histogram, _planes(band), limits) for _, band in bands(source))
    return [otsu(merge(channel)) for channel in zip(*found, strict=True)]


def _planes(band: Array) -> list[Array]:
    return [band] if band.ndim == 2 else [band[..., channel] for channel in range(band.shape[2])]


def _joined(ends: Iterable[tuple[float, float] | None]) -> tuple[float, float] | None:
    known = [pair for pair in ends if pair is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None
