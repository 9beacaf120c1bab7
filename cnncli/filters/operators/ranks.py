"""Rank filters: the median, the smallest or the largest pixel of a window."""

from typing import ClassVar

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.operator import Operator
from cnncli.filters.operators.responses import Finish, Response, WindowedResponse
from cnncli.ops.ranks.rank_filter import rank_filter
from cnncli.shapes import Four, Pair


class Rank(Operator):
    """A rank filter.

    Attributes:
        mode: `median`, `min` or `max`.
        kernel_size: (height, width) of the window.
    """

    mode: str
    kernel_size: Pair
    early: ClassVar[bool] = True
    takes: ClassVar[tuple[str, ...]] = ("stride", "bias", "activation")

    def along(self, axis: int) -> "Rank":
        height, width = self.kernel_size
        return self.replace(kernel_size=(height, 1) if axis else (1, width))

    def over(self, source: Response, filtering: Filtering) -> "RankResponse":
        return RankResponse(source, self, filtering)


def median(kernel_size: Pair) -> Rank:
    """Return the median of (height, width) pixels, as `scipy.ndimage.median_filter`."""
    return Rank("median", kernel_size)


def minimum(kernel_size: Pair) -> Rank:
    """Return the smallest of (height, width) pixels, as `scipy.ndimage.minimum_filter`."""
    return Rank("min", kernel_size)


def maximum(kernel_size: Pair) -> Rank:
    """Return the largest of (height, width) pixels, as `scipy.ndimage.maximum_filter`."""
    return Rank("max", kernel_size)


class RankResponse(WindowedResponse):
    """The response to a rank filter, in the type of its source."""

    def __init__(self, source: Response, operator: Rank, filtering: Filtering) -> None:
        super().__init__(source, operator.kernel_size, filtering, early=operator.early)
        self.operator = operator
        self.full_step, self.contrast = map(self.activated_step, (source.full_step, source.contrast))

    @property
    def dtype(self) -> DType:
        return self.activated(np.zeros(1, self.source.dtype)).dtype

    def respond(self, pixels: Array, padding: Four, finish: Finish, asked: slice = slice(None)) -> Array:
        down, across = self.window.stride
        ranked = rank_filter(
            pixels,
            self.operator.kernel_size,
            self.operator.mode,
            padding=padding,
            padding_mode=self.filtering.border,
        )
        return finish(self.activated(ranked[::down, ::across][asked]))
