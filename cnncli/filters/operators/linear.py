"""Operators that correlate with kernels: one, or the pair of a gradient.

Bright on the left and dark on the right is positive for a vertical edge, bright above dark for a horizontal one: the
course's sign, the opposite of OpenCV's and SciPy's.
"""

import math
from functools import cached_property
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array, DType
from cnncli.choices import CHANNELS, DIRECTIONS
from cnncli.errors import ArgumentError
from cnncli.filters.operators.filtering import OF_THE_LAST, Filtering
from cnncli.filters.operators.operator import Kernel, Operator
from cnncli.filters.operators.responses import FLOAT32_LARGE, Finish, Response, WindowedResponse
from cnncli.ops import conv2d, gradient_magnitude
from cnncli.ops.convolution.conv2d import rows_together
from cnncli.ops.convolution.correlation import SlidingOptions
from cnncli.ops.convolution.separable import signed_sums
from cnncli.shapes import Four

_LARGEST_GRADIENT = 64  # dilated pairs that span more pixels are computed one kernel after the other

_NO_SUM = 1e-9  # a kernel whose weights add up to a smaller share of their sizes adds up to nothing


class Linear(Operator):
    """Correlation with a kernel, or with the (vertical, horizontal) pair of a gradient: the base for any form of them.

    Attributes:
        kernels: one or two, of one size.
        direction: how the responses to a pair become one, `magnitude` or `angle`; None for one kernel.
        upright: the operator turned to cross upright edges, if it is turned.
    """

    kernels: tuple[Kernel, ...]  # type: ignore[misc]
    direction: str | None = None  # type: ignore[misc]
    early: bool = False  # type: ignore[misc]
    upright: "Linear | None" = None
    takes: ClassVar[tuple[str, ...]] = (*OF_THE_LAST, "color")

    def directed(self, direction: str) -> Self | None:
        if len(self.kernels) == 1:
            return None
        if direction in DIRECTIONS[:2]:
            return type(self)((self.kernels[DIRECTIONS.index(direction)],))
        return self.replace(direction=direction)

    def along(self, axis: int) -> "Linear":
        upright = self.upright or self
        return upright.replace(kernels=upright.summed(axis))

    def summed(self, axis: int) -> tuple[Kernel, ...]:
        """Return the kernels summed along an axis, which keeps a length of 1."""
        raise NotImplementedError


class DenseLinear(Linear):
    """Correlation with kernels given as arrays (f_h, f_w) or (f_h, f_w, C)."""

    kernels: tuple[Array, ...]  # type: ignore[misc]

    @property
    def weights(self) -> tuple[Array, ...]:
        return self.kernels

    def summed(self, axis: int) -> tuple[Kernel, ...]:
        return tuple(kernel.sum(axis=axis, keepdims=True) for kernel in self.kernels)

    def over(self, source: Response, filtering: Filtering) -> "DenseResponse":
        return DenseResponse(source, self, filtering)


def dense(*kernels: npt.ArrayLike) -> DenseLinear:
    """Return the operator of one kernel, or of a pair, given as numbers.

    Raises:
        ArgumentError: they are not a kernel.

    Example:
        >>> dense([[1, -1]]).kernels[0].tolist()
        [[1, -1]]
    """
    return DenseLinear(tuple(map(_as_kernel, kernels)), "magnitude" if len(kernels) == 2 else None)


def _as_kernel(kernel: npt.ArrayLike) -> Array:
    try:
        weights = np.asarray(kernel)
    except ValueError as error:
        raise ArgumentError(f"a kernel is made of rows of equal length: {error}") from error
    if weights.dtype.kind in "OSU":
        words = "a filter is words in one string, such as 'gaussian:2 sobel', or a kernel of numbers"
        raise ArgumentError(f"{words}, got {type(kernel).__name__}")
    if weights.ndim not in (2, 3) or weights.size == 0 or weights.dtype.kind not in "biuf":
        bank = ": choose a filter of a bank, or use conv2d" if weights.ndim == 4 else ""
        raise ArgumentError(
            f"a kernel has the shape (f_h, f_w) or (f_h, f_w, C), got {weights.dtype} {weights.shape}{bank}"
        )
    if not np.isfinite(weights).all():
        raise ArgumentError("a kernel must hold finite numbers only")
    with np.errstate(invalid="ignore"):
        whole = weights.astype(np.int64)
    return whole if np.array_equal(whole, weights) else weights.astype(np.float64)


def unit(positive: float, negative: float) -> float:
    """Return the response of a kernel to a full step between 0 and 1: the sum of its positive weights.

    A kernel without positive weights is measured by its negative ones, so that it never divides by zero.

    Args:
        positive: the sum of the positive weights, as `signed_sums` returns it.
        negative: that of the negative ones, without their sign.

    Example:
        >>> unit(*signed_sums(np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])))
        4.0
    """
    return positive or negative or 1.0


class LinearResponse(WindowedResponse):
    """The response to a kernel, or to a pair of them: the base for any form of kernels.

    Attributes:
        operator: what it is the response to.
        channels: of the source.
        volume: whether a response is summed over the channels.
        squares: whether magnitudes of bounded numbers are roots of squares: ten times as fast as `hypot`, and rounded.
    """

    operator: Linear
    volume = False
    squares = False

    def __init__(self, source: Response, operator: Linear, filtering: Filtering) -> None:
        super().__init__(source, operator.kernels[0].shape[:2], filtering, early=operator.early)
        self.operator = operator
        self.count, self.direction = len(operator.kernels), operator.direction
        self.never_negative = self.direction == "magnitude" and not filtering.bias
        self.channels = 1 if len(source.shape) == 2 else source.shape[2]

    def measure(self, positive: float, negative: float) -> None:
        """Set the full step and the contrast, from the sums of a kernel's positive and of its negative weights."""
        whole, total = unit(positive, negative), abs(positive - negative)
        kept = total if total > _NO_SUM * (positive + negative) else whole
        self.full_step = self.activated_step(whole * self.source.full_step)
        self.contrast = self.activated_step(kept * self.source.contrast)

    @property
    def weights(self) -> tuple[Array, ...]:
        """The weights of each kernel as they lie over the pixels: (f_h, f_w), (f_h, f_w, C) or (f_h, f_w, 1, C)."""
        raise NotImplementedError

    def correlate(self, number: int, pixels: Array, options: SlidingOptions) -> Array:
        """Return the response to one of the kernels."""
        raise NotImplementedError

    def together(self, number: int, pixels: Array, options: SlidingOptions) -> int:
        """Return the rows that are computed together for one of the kernels."""
        raise NotImplementedError

    @cached_property
    def rows_together(self) -> int:
        pixel = np.zeros((1, 1, *self.source.shape[2:]), self.source.dtype)
        pixels = np.broadcast_to(pixel, (self.window.span[0], self.source.shape[1], *pixel.shape[2:]))
        options = self.options((0, 0, *self.window.padding[2:]))
        return math.lcm(*(self.together(number, pixels, options) for number in range(self.count)))

    def options(self, padding: Four) -> SlidingOptions:
        """Return the options with which a kernel slides over rows of the source."""
        return {
            "stride": self.window.stride,
            "padding": padding,
            "dilation": self.window.dilation,
            "padding_mode": self.filtering.border,
        }

    def respond(self, pixels: Array, padding: Four, finish: Finish, asked: slice = slice(None)) -> Array:
        return finish(self.activated(self._combined(pixels, self.options(padding))[asked]))

    def _combined(self, pixels: Array, options: SlidingOptions) -> Array:
        if self.count == 1:
            return self.correlate(0, pixels, options)
        # Each is converted before the next is made, and the last is written over: bands of this are large.
        vertical, horizontal = (
            part.astype(np.promote_types(part.dtype, np.float32), copy=False)
            for part in (self.correlate(number, pixels, options) for number in (0, 1))
        )
        if self.direction == "magnitude" and self.squares and self.source.bounded:
            for part in (vertical, horizontal):
                np.multiply(part, part, out=part)
            length: Array = np.sqrt(np.add(vertical, horizontal, out=horizontal), out=horizontal)
            return length
        combine = np.hypot if self.direction == "magnitude" else np.arctan2
        with np.errstate(over="ignore", invalid="ignore"):
            combined: Array = combine(horizontal, vertical, out=horizontal)
        return combined


class DenseResponse(LinearResponse):
    """The response to kernels given as arrays, computed by `conv2d`, or as a gradient in one pass."""

    operator: DenseLinear

    def __init__(self, source: Response, operator: DenseLinear, filtering: Filtering) -> None:
        super().__init__(source, operator, filtering)
        self.volume = filtering.color == "volume"
        self.kernels = tuple(map(self._laid, operator.kernels))
        self.groups = 1 if self.volume else self.channels
        if self.volume:
            self.shape = self.window.output_size
        kernel = self.kernels[0] if self.volume else operator.kernels[0]
        self.measure(*signed_sums(kernel))

    @cached_property
    def dtype(self) -> DType:
        pixels = np.zeros((*self.window.span, *self.source.shape[2:]), self.source.dtype)
        return self.respond(pixels, (0, 0, 0, 0), lambda piece: piece).dtype

    @property
    def weights(self) -> tuple[Array, ...]:
        return tuple(kernel[::-1, ::-1] if self.filtering.flip else kernel for kernel in self.kernels)

    @property
    def rows_together(self) -> int:
        return 1 if self._in_one_pass else super().rows_together

    @property
    def finished_in_pieces(self) -> bool:  # type: ignore[override]
        return self._in_one_pass and self.source.in_memory

    @property
    def _in_one_pass(self) -> bool:
        """True if the magnitude of the gradient is computed in one pass."""
        return self.direction == "magnitude" and max(self.window.span) <= _LARGEST_GRADIENT and not self.volume

    def respond(self, pixels: Array, padding: Four, finish: Finish, asked: slice = slice(None)) -> Array:
        if not self._in_one_pass:
            return super().respond(pixels, padding, finish, asked)
        # Turning both kernels (flip) changes signs alone.
        return gradient_magnitude(
            pixels,
            *self.operator.kernels,
            finish=lambda piece: finish(self.activated(piece)),
            bounded=self.source.bounded,
            **self.options(padding),
        )

    def correlate(self, number: int, pixels: Array, options: SlidingOptions) -> Array:
        part = conv2d(pixels, self.kernels[number], groups=self.groups, flip=self.filtering.flip, **options)
        return part.reshape(part.shape[:2]) if self.volume else part

    def together(self, number: int, pixels: Array, options: SlidingOptions) -> int:
        return rows_together(pixels, self.kernels[number], groups=self.groups, **options)

    def _laid(self, kernel: Array) -> Array:
        """Return a kernel as `conv2d` takes it for this source."""
        narrow = self.source.dtype.itemsize <= 2 or self.source.dtype == np.float32
        if kernel.dtype.kind == "f" and narrow and np.abs(kernel).max() < FLOAT32_LARGE:
            kernel = kernel.astype(np.float32)
        if self.volume:
            return self._over_volume(kernel)
        if kernel.ndim == 3:
            raise ArgumentError(f"a kernel of {kernel.shape} covers a volume: use it with color 'volume', its default")
        if len(self.source.shape) == 3:
            return np.repeat(kernel[:, :, None, None], self.channels, axis=3)
        return kernel

    def _over_volume(self, kernel: Array) -> Array:
        if kernel.ndim == 2:
            kernel = np.repeat(kernel[:, :, None], self.channels, axis=2)
        if kernel.shape[2] != self.channels:
            raise ArgumentError(
                f"the kernel covers {kernel.shape[2]} channels, the image has {self.channels}: use an image of "
                f"{kernel.shape[2]} channels, or a kernel (f_h, f_w)"
            )
        if self.filtering.on is not None:
            number = CHANNELS.index(self.filtering.on)
            if number >= self.channels:
                raise ArgumentError(
                    f"on {self.filtering.on!r} needs a colour image, this one has {self.channels} channel"
                )
            kernel = np.where(np.arange(self.channels) == number, kernel, 0).astype(kernel.dtype)
        return kernel
