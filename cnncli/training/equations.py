"""The linear equations that an image and its target response make for a kernel: one for each position of the window."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cnncli.errors import ArgumentError
from cnncli.ops.borders import OUTSIDE, border_index
from cnncli.shapes import Window, show_shape

Array = NDArray[Any]

_BLOCK_NUMBERS = 1 << 18
"""Coefficients that are worked on at a time: 2 MB, which stay in the cache."""

_LSTSQ_NUMBERS = 1 << 21
"""The most coefficients that are handed to `lstsq`, which holds them several times."""

MOST_UNKNOWNS = 4096
"""A kernel of 64x64: of each two unknowns a product is summed, 128 MB in all."""

NEGLIGIBLE = 1e-6
"""The share of the largest singular value below which a direction counts as not seen: rounded pixels make some."""


class Sums(NamedTuple):
    """All that the loss of a kernel depends on: the mean of (a . w - y)^2 is (w . G w - 2 m . w + e) / positions.

    Attributes:
        gram: G, the sums of products of coefficients, (unknowns, unknowns).
        moments: m, the sums of their products with the target, (unknowns,).
        energy: e, the sum of the squared targets.
    """

    gram: Array
    moments: Array
    energy: float

    def without_bias(self) -> "Sums":
        """Return the sums with a bias that is always the best for its kernel: those of numbers less their means.

        The last unknown is the bias, whose coefficients are all 1.
        """
        count, means = self.gram[-1, -1], self.gram[-1, :-1] / self.gram[-1, -1]
        return Sums(
            self.gram[:-1, :-1] - np.outer(means, means) * count,
            self.moments[:-1] - means * self.moments[-1],
            self.energy - float(self.moments[-1] ** 2) / count,
        )

    def best_bias(self, kernel: Array) -> float:
        """Return the bias that is the best for a kernel: what the mean target lacks."""
        return float((self.moments[-1] - self.gram[-1, :-1] @ kernel) / self.gram[-1, -1])


class Residuals(NamedTuple):
    """What is left of the target.

    Attributes:
        mean_square: the mean of their squares, which is the loss.
        largest: the largest absolute one.
    """

    mean_square: float
    largest: float


class Equations:
    """Window times kernel, plus bias, is target: an equation for each position, a block of rows at a time.

    Args:
        image: (H, W) or (H, W, C), of finite numbers.
        target: (H_out, W_out).
        window: the geometry; its output has the target's size.
        padding_mode: what stands outside the image.
        flip: turn the kernel by 180 degrees.
        bias: whether there is one more unknown, whose coefficient is always 1.

    Raises:
        ArgumentError: there are more than `MOST_UNKNOWNS`.

    Example:
        >>> image, target = np.arange(9.0).reshape(3, 3), np.ones((3, 2))
        >>> equations = Equations(image, target, Window.over((3, 3), (1, 2)))
        >>> equations.solution.round(6).tolist()
        [-1.0, 1.0]
    """

    def __init__(
        self,
        image: Array,
        target: Array,
        window: Window,
        *,
        padding_mode: str = "zeros",
        flip: bool = False,
        bias: bool = False,
    ) -> None:
        self._image = image if image.ndim == 3 else image[:, :, np.newaxis]
        self._target = target
        self.window = window
        self._flip, self._bias = flip, bias
        if self.unknowns > MOST_UNKNOWNS:
            size = show_shape(self.kernel_shape if image.ndim == 3 else window.kernel_size)
            raise ArgumentError(
                f"a {size} filter has {self.unknowns:,} numbers: at most {MOST_UNKNOWNS:,} can be learnt"
            )
        top, bottom, left, right = window.padding
        self._rows = border_index(window.size[0], top, bottom, padding_mode)
        self._columns = border_index(window.size[1], left, right, padding_mode)

    @property
    def positions(self) -> int:
        """How many equations there are."""
        return int(self._target.size)

    @property
    def kernel_shape(self) -> tuple[int, int, int]:
        """(f_h, f_w, C)."""
        return *self.window.kernel_size, self._image.shape[2]

    @property
    def unknowns(self) -> int:
        """The kernel's numbers, and the bias."""
        return int(np.prod(self.kernel_shape)) + self._bias

    def blocks(self) -> Iterator[tuple[Array, Array]]:
        """Yield coefficients (unknowns, n) and targets (n,), in float64."""
        height, width = self.window.output_size
        step = max(1, _BLOCK_NUMBERS // (width * self.unknowns))
        for start in range(0, height, step):
            stop = min(start + step, height)
            yield self._coefficients(start, stop), self._target[start:stop].ravel().astype(np.float64)

    def _coefficients(self, start: int, stop: int) -> Array:
        band, width = self._padded(start, stop), self.window.output_size[1]
        (down, across), (s_h, s_w) = self.window.dilation, self.window.stride
        filters_high, filters_wide, channels = self.kernel_shape
        found = np.ones((self.unknowns, stop - start, width))
        taps = [(i, j) for i in range(filters_high) for j in range(filters_wide)]
        for number, (i, j) in enumerate(reversed(taps) if self._flip else taps):
            seen = band[i * down :: s_h, j * across :: s_w][: stop - start, :width]
            found[number * channels : (number + 1) * channels] = seen.transpose(2, 0, 1)
        return found.reshape(self.unknowns, -1)

    def _padded(self, start: int, stop: int) -> Array:
        """The padded rows that some rows of the output need."""
        step = self.window.stride[0]
        rows = self._rows[start * step : (stop - 1) * step + self.window.span[0]]
        band = self._image.take(rows, axis=0, mode="wrap").take(self._columns, axis=1, mode="wrap").astype(np.float64)
        band[rows == OUTSIDE] = 0
        band[:, self._columns == OUTSIDE] = 0
        return band

    @cached_property
    def sums(self) -> Sums:
        """The sums over all equations."""
        gram, moments, energy = np.zeros((self.unknowns, self.unknowns)), np.zeros(self.unknowns), 0.0
        for coefficients, targets in self.blocks():
            gram += coefficients @ coefficients.T
            moments += coefficients @ targets
            energy += float(targets @ targets)
        return Sums(gram, moments, energy)

    def residuals(self, weights: Array) -> Residuals:
        """Return what a kernel (and bias) leaves of the target, summed without the cancellation of `sums`."""
        total, largest = 0.0, 0.0
        for coefficients, targets in self.blocks():
            left = weights @ coefficients - targets
            total += float(left @ left)
            largest = max(largest, float(np.abs(left).max()))
        return Residuals(total / self.positions, largest)

    @property
    def variance(self) -> float:
        """The target's variance."""
        return float(np.var(self._target, dtype=np.float64))

    @cached_property
    def solution(self) -> Array:
        """The closed-form least-squares answer; the smallest one where many fit.

        Of few equations by their singular values (`numpy.linalg.lstsq`); of many by the normal equations G w = m, with
        one step of refinement on the residuals.
        """
        if self.positions * self.unknowns <= _LSTSQ_NUMBERS:
            coefficients, targets = (np.concatenate(parts, axis=-1) for parts in zip(*self.blocks(), strict=True))
            weights: Array = np.linalg.lstsq(coefficients.T, targets, rcond=NEGLIGIBLE)[0]
            return weights
        inverse = np.linalg.pinv(self.sums.gram, rcond=NEGLIGIBLE**2, hermitian=True)
        weights = inverse @ self.sums.moments
        left = sum(coefficients @ (targets - weights @ coefficients) for coefficients, targets in self.blocks())
        return weights + inverse @ left
