"""Lines of numbers whose outer products are kernels: Gaussians, their derivatives, and constants."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.ops.loading import Border
from cnncli.shapes import Window

TRUNCATE = 4.0  # standard deviations at which a Gaussian is cut off, as in SciPy


def gaussian_line(sigma: float, order: int = 0) -> Array:
    """Return a sampled Gaussian, or one of its first two derivatives, as `scipy.ndimage.gaussian_filter1d` samples it.

    g(x) = exp(-x^2 / (2 sigma^2)) over int(4 sigma + 0.5) pixels on either side, divided by its sum;
    g'(x) = -x / sigma^2 g(x); g''(x) = (x^2 / sigma^4 - 1 / sigma^2) g(x).

    Args:
        sigma: standard deviation in pixels, above 0.
        order: 0, 1 or 2. Correlation with order 1 has the opposite sign of the derivative: bright on the left is
            positive.

    Returns:
        (2 radius + 1,) in float64.

    Example:
        >>> gaussian_line(0.5).round(4).tolist()
        [0.0003, 0.1065, 0.7866, 0.1065, 0.0003]
    """
    radius = int(TRUNCATE * sigma + 0.5)
    x = np.arange(-radius, radius + 1)
    precision = 1 / (sigma * sigma)
    samples = np.exp(-0.5 * precision * x**2)
    samples /= samples.sum()
    factors = (1.0, -precision * x, precision * (precision * x**2 - 1))
    line: Array = factors[order] * samples
    return line


def box_line(size: int) -> Array:
    """Return the mean of `size` pixels as a line.

    Example:
        >>> box_line(4).tolist()
        [0.25, 0.25, 0.25, 0.25]
    """
    return np.full(size, 1 / size)


class LineWork(NamedTuple):
    """One plane of an image and the kernel that slides over it: a sum of outer products of a column and a row.

    Attributes:
        image: (H, W).
        terms: (column, row) pairs in float64, all of one size, zeros between dilated taps.
        window: the geometry.
        border: the pixels outside the image.
        dtype: dtype of the result, and to compute in where nothing speaks for a wider one.
    """

    image: Array
    terms: tuple[tuple[Array, Array], ...]
    window: Window
    border: Border
    dtype: DType

    def with_pixels(self, image: Array, fill: float) -> "LineWork":
        """Return the same work on another image, with another constant outside."""
        return self._replace(image=image, border=self.border._replace(fill=fill))


class Quotient(NamedTuple):
    """Results that are still to be divided, and memory for them.

    Attributes:
        sums: (rows, W_out).
        divisor: in the results' type.
        place: (rows, W_out), for those who have none.
    """

    sums: Array
    divisor: "np.floating[Any]"
    place: Array

    @property
    def shape(self) -> tuple[int, ...]:
        """(rows, W_out)."""
        return self.place.shape

    @property
    def dtype(self) -> DType:
        """The results' type."""
        return self.place.dtype

    def value(self) -> Array:
        """Return the results in the memory for them."""
        self.write(self.place)
        return self.place

    def write(self, out: Array) -> None:
        """Write the results straight into a destination of their type: that saves a pass."""
        np.copyto(out, self.sums)
        np.divide(out, self.divisor, out=out)


Pieces = Iterator[tuple[int, int, Array | Quotient]]
"""(first row, row after the last, results (rows, W_out)); the next piece may use the same memory."""
