"""Pooling of an image by bands of rows: the exact result, and its picture."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.choices import check_choice
from cnncli.filters.bands import image_rows
from cnncli.filters.statistics import Statistics
from cnncli.ops import avg_pool2d, max_pool2d, min_pool2d
from cnncli.ops.borders import Rows
from cnncli.shapes import IntOrPair, Padding, Window
from cnncli.values import Value

POOLS: dict[str, Callable[..., Array]] = {"max": max_pool2d, "avg": avg_pool2d, "min": min_pool2d}


class Pooling(Value):
    """Options of pooling.

    Attributes:
        kernel_size: window size in pixels; None pools the whole image into one number a channel.
        stride: pixels between windows; the window's size unless given.
        padding: as in `max_pool2d`; it never wins and never counts.
        mode: `max`, `avg` or `min`.
        ceil_mode: keep the last, partial windows.
    """

    kernel_size: IntOrPair | None = 2
    stride: IntOrPair | None = None
    padding: Padding = 0
    mode: str = "max"
    ceil_mode: bool = False

    def validate(self) -> None:
        check_choice("mode", self.mode, POOLS)
        if self.kernel_size is not None:
            self.window((1 << 30, 1 << 30))  # what cannot be used for any image is an error now

    def window(self, size: tuple[int, int]) -> Window:
        """Return the geometry for an image of (height, width).

        Raises:
            ArgumentError: an argument that cannot be used, or a window that does not fit.
        """
        kernel_size: IntOrPair = size if self.kernel_size is None else self.kernel_size
        return Window.over(
            size,
            kernel_size,
            stride=kernel_size if self.stride is None else self.stride,
            padding=self.padding,
            ceil_mode=self.ceil_mode,
        )


class Pooled:
    """A pooled image, computed on demand, by rows.

    Attributes:
        shape: (H_out, W_out) or (H_out, W_out, C).
        dtype: the image's own; for the mean of integers a floating-point type.
    """

    def __init__(self, image: Rows, pooling: Pooling) -> None:
        self.image = image
        self.pooling = pooling
        self.window = pooling.window((image.shape[0], image.shape[1]))
        self.shape = (*self.window.output_size, *image.shape[2:])
        self.dtype = POOLS[pooling.mode](np.zeros((1, 1), image.dtype), 1).dtype

    def rows(self, start: int, stop: int) -> Array:
        """Return the rows [start, stop)."""
        window, height = self.window, self.image.shape[0]
        top, _, left, right = window.padding
        first = start * window.stride[0] - top
        last = first + (stop - start - 1) * window.stride[0] + window.span[0]
        # Rows outside the image become padding of the band: it never counts, so it makes no difference.
        padding = (max(0, -first), max(0, last - height), left, right)
        band = self.image.rows(max(0, first), min(last, height))
        pool = POOLS[self.pooling.mode]
        pooled = pool(band, window.kernel_size, stride=window.stride, padding=padding, ceil_mode=self.pooling.ceil_mode)
        return pooled[: stop - start]


def pool_image(
    image: npt.ArrayLike,
    kernel_size: IntOrPair | None = 2,
    *,
    stride: IntOrPair | None = None,
    padding: Padding = 0,
    mode: str = "max",
    ceil_mode: bool = False,
) -> Array:
    """Pool an image, as `cnncli pool` does: the maximum, mean or minimum of each window, channel by channel.

    Args:
        image: (H, W) or (H, W, C).
        kernel_size: window size in pixels, an int or a (vertical, horizontal) pair; None for one window over the whole
            image (`--global`).
        stride: pixels between windows; the window's size unless given.
        padding: as in `conv2d`; it never wins and never counts.
        mode: `max`, `avg` or `min`.
        ceil_mode: keep the last, partial windows instead of dropping them.

    Returns:
        (H_out, W_out) or (H_out, W_out, C), of the image's type; for the mean of integers floating point.

    Raises:
        ArgumentError: an argument that cannot be used, or a window that does not fit.

    Example:
        >>> pool_image([[1, 3, 2, 1], [2, 9, 1, 1], [1, 3, 2, 3], [5, 6, 1, 2]], 2, mode="avg").tolist()
        [[3.75, 1.25], [3.75, 2.0]]
    """
    pooled = Pooled(image_rows(image), Pooling(kernel_size, stride, padding, mode, ceil_mode))
    return pooled.rows(0, pooled.shape[0])


class PooledPicture:
    """Pooled pixels as the levels of a picture: rounded, and floating point stretched from 0..1."""

    def __init__(self, pooled: Pooled, statistics: Statistics | None = None) -> None:
        self.pooled = pooled
        self.statistics = statistics
        source = pooled.image.dtype
        self.shape = pooled.shape
        self.dtype = source if source in (np.uint8, np.uint16) else np.dtype(np.uint8)
        self.gain = 255.0 if source.kind == "f" else 1.0

    def rows(self, start: int, stop: int) -> Array:
        """Return the rows [start, stop); NaN becomes black."""
        pooled = self.pooled.rows(start, stop)
        if self.statistics is not None:
            self.statistics.add(pooled)
        if pooled.dtype == self.dtype:
            return pooled
        white = np.iinfo(self.dtype).max
        with np.errstate(over="ignore"):  # infinity is white
            levels = np.rint(np.nan_to_num(pooled * self.gain, nan=0, posinf=np.inf, neginf=-np.inf))
        if self.statistics is not None:
            self.statistics.add_levels(levels, 0, white)
        return np.clip(levels, 0, white).astype(self.dtype)
