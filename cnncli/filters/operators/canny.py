"""Canny's edges: black and white, thin, and connected."""

import numpy as np

from cnncli.arrays import Array
from cnncli.errors import ArgumentError
from cnncli.filters.arguments import Level
from cnncli.filters.bands import whole
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.formulas import gaussian
from cnncli.filters.operators.operator import Operator
from cnncli.filters.operators.responses import Response
from cnncli.filters.operators.thresholds import BlackAndWhite
from cnncli.ops.canny import HALO, connected, thin
from cnncli.threads import Once

_SLOPE = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
SOBEL = (_SLOPE, _SLOPE.T)
"""Sobel's kernels for vertical and for horizontal edges."""

SOBEL_STEP = 4
"""Their response to a step from 0 to 1."""


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
        step = SOBEL_STEP * smooth.contrast
        return Edges(Ridges(smooth, self.low.of(step), self.high.of(step)))


class Ridges(BlackAndWhite):
    """Labels of the pixels on ridges of the gradient: 0, weak or strong."""

    word = "ridges of the gradient"

    def __init__(self, source: Response, low: float, high: float) -> None:
        super().__init__(source)
        self.low, self.high = low, high

    def rows(self, start: int, stop: int) -> Array:
        first, last = max(0, start - HALO), min(self.shape[0], stop + HALO)
        return thin(self.source.rows(first, last), self.low, self.high)[start - first : stop - first]


class Edges(BlackAndWhite):
    """Ridges that are connected to strong pixels, maybe through the whole picture: its first rows need all others."""

    def __init__(self, source: Response) -> None:
        super().__init__(source)
        self._edges = Once(lambda: connected(whole(source), overwrite=True).view(np.uint8))

    def rows(self, start: int, stop: int) -> Array:
        return self._edges.result()[start:stop]

    @property
    def doubt(self) -> str:
        if self._edges.result().any():
            return ""
        return "no edges: no gradient reaches HIGH; try lower thresholds, such as canny:1,2%,4%"
