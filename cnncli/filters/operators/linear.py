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
from cnncli.ops.convolution.separable import Separable, correlate_separable, result_type, separable_rows_together
from cnncli.shapes import Four

_LARGEST_GRADIENT = 64  # dilated pairs that span more pixels are computed one kernel after the other


class Linear(Operator):
    """Correlation with a kernel, or with the (vertical, horizontal) pair of a gradient.

    Attributes:
        kernels: one or two, of one size.
        direction: how the responses to a pair become one, `magnitude` or `angle`; None for one kernel.
        upright: the operator turned to cross upright edges, if it is turned.
    """

    kernels: tuple[Kernel, ...]  # type: ignore[misc]
    direction: str | None = None  # type: ignore[misc]
    early: bool = False  # type: ignore[misc]
    upright: "Linear | None" = None
    takes: ClassVar[frozenset[str]] = OF_THE_LAST

    @classmethod
    def of(cls, *kernels: npt.ArrayLike) -> Self:
        """Return the operator of one kernel, or of a pair, given as numbers.

        Raises:
            ArgumentError: they are not a kernel.

        Example:
            >>> Linear.of([[1, -1]]).kernels[0].tolist()
            [[1, -1]]
        """
        return cls(tuple(map(_as_kernel, kernels)), "magnitude" if len(kernels) == 2 else None)

    def directed(self, direction: str) -> Self | None:
        if len(self.kernels) == 1:
            return None
        if direction in DIRECTIONS[:2]:
            return type(self)((self.kernels[DIRECTIONS.index(direction)],))
        return self.replace(direction=direction)

    def along(self, axis: int) -> "Linear":
        upright = self.upright or self
        return upright.replace(kernels=tuple(_summed(kernel, axis) for kernel in upright.kernels))

    def over(self, source: Response, filtering: Filtering) -> "LinearResponse":
        return LinearResponse(source, self, filtering)


def _summed(kernel: Kernel, axis: int) -> Kernel:
    """Return a kernel summed along an axis, which keeps a length of 1."""
    if not isinstance(kernel, Separable):
        summed: Array = kernel.sum(axis=axis, keepdims=True)
        return summed
    terms = [(np.sum(term[axis], keepdims=True), term[1 - axis]) for term in kernel.terms]
    return Separable.of(*(term if axis == 0 else term[::-1] for term in terms))


def _as_kernel(kernel: npt.ArrayLike) -> Array:
    weights = np.asarray(kernel)
    if weights.ndim not in (2, 3) or weights.size == 0 or weights.dtype.kind not in "biuf":
        raise ArgumentError(f"a kernel has the shape (f_h, f_w) or (f_h, f_w, C), got {weights.dtype} {weights.shape}")
    if not np.isfinite(weights).all():
        raise ArgumentError("a kernel must hold finite numbers only")
    with np.errstate(invalid="ignore"):
        whole = weights.astype(np.int64)
    return whole if np.array_equal(whole, weights) else weights.astype(np.float64)


def unit(kernel: Kernel) -> float:
    """Return the sum of a kernel's positive weights, the response to a full step between 0 and 1.

    A kernel without positive weights is measured by its negative ones, so that it never divides by zero.

    Example:
        >>> unit(np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]))
        4.0
    """
    if isinstance(kernel, Separable) and len(kernel.terms) == 1:
        (up, down), (left, right) = map(_signed_sums, kernel.terms[0])
        positive, negative = up * left + down * right, up * right + down * left
    else:
        sums = map(_signed_sums, kernel.blocks() if isinstance(kernel, Separable) else [kernel])
        positive, negative = map(sum, zip(*sums, strict=True))
    return positive or negative or 1.0


def _signed_sums(weights: Array) -> tuple[float, float]:
    """Return the sum of the positive weights, and that of the negative ones without their sign."""
    # Accumulated one by one, floats are added in one order everywhere.
    positive, total = (np.cumsum(part, dtype=np.float64)[-1] for part in (np.maximum(weights, 0), np.abs(weights)))
    return float(positive), float(total - positive)


class LinearResponse(WindowedResponse):
    """The response to a kernel, or to a pair of them."""

    def __init__(self, source: Response, operator: Linear, filtering: Filtering) -> None:
        super().__init__(source, operator.kernels[0].shape[:2], filtering, early=operator.early)
        self.operator, self.direction = operator, operator.direction
        self.never_negative = self.direction == "magnitude" and not filtering.bias
        self.channels = 1 if len(source.shape) == 2 else source.shape[2]
        self.volume = filtering.color == "volume"
        self.kernels = tuple(self._weights(kernel) for kernel in operator.kernels)
        if self.volume:
            self.shape = self.window.output_size
        kernel = self.kernels[0] if self.volume else operator.kernels[0]
        self.full_step = self.activated_step(unit(kernel) * source.full_step)

    @cached_property
    def dtype(self) -> DType:
        if isinstance(self.kernels[0], Separable):
            return self.activated(np.zeros(1, result_type(self.source.dtype))).dtype
        pixels = np.zeros((*self.window.span, *self.source.shape[2:]), self.source.dtype)
        return self.respond(pixels, (0, 0, 0, 0), lambda piece: piece).dtype

    @cached_property
    def rows_together(self) -> int:
        if self._in_one_pass:
            return 1
        pixel = np.zeros((1, 1, *self.source.shape[2:]), self.source.dtype)
        pixels = np.broadcast_to(pixel, (self.window.span[0], self.source.shape[1], *pixel.shape[2:]))
        options = self._options((0, 0, *self.window.padding[2:]))
        return math.lcm(*(self._together(pixels, kernel, options) for kernel in self.kernels))

    def _together(self, pixels: Array, kernel: Kernel, options: SlidingOptions) -> int:
        if isinstance(kernel, Separable):
            return separable_rows_together(pixels, kernel, **options)
        return rows_together(pixels, kernel, groups=self._groups, **options)

    @property
    def _in_one_pass(self) -> bool:
        """True if the magnitude of the gradient is computed in one pass."""
        together = max(self.window.span) <= _LARGEST_GRADIENT and not self.volume
        return self.direction == "magnitude" and together and not isinstance(self.kernels[0], Separable)

    @property
    def _groups(self) -> int:
        return 1 if self.volume else self.channels

    def _options(self, padding: Four) -> SlidingOptions:
        return {
            "stride": self.window.stride,
            "padding": padding,
            "dilation": self.window.dilation,
            "padding_mode": self.filtering.border,
        }

    @property
    def finished_in_pieces(self) -> bool:  # type: ignore[override]
        return (self._in_one_pass or self._one_separable is not None) and self.source.in_memory

    @property
    def _one_separable(self) -> Separable | None:
        kernel = self.kernels[0]
        return kernel if len(self.kernels) == 1 and isinstance(kernel, Separable) else None

    def respond(self, pixels: Array, padding: Four, finish: Finish, asked: slice = slice(None)) -> Array:
        options = self._options(padding)

        def finish_piece(piece: Array) -> Array:
            return finish(self.activated(piece))

        if self._in_one_pass:
            # Turning both kernels (flip) changes signs alone.
            vertical, horizontal = self.operator.kernels
            return gradient_magnitude(
                pixels, vertical, horizontal, finish=finish_piece, bounded=self.source.bounded, **options
            )
        if self._one_separable is not None and asked == slice(None):
            return correlate_separable(pixels, self._one_separable, finish=finish_piece, **options)
        return finish(self.activated(self._correlate(pixels, options)[asked]))

    def _correlate(self, pixels: Array, options: SlidingOptions) -> Array:
        if len(self.kernels) == 1:
            return self._part(pixels, self.kernels[0], options)
        # Each is converted before the next is made, and the last is written over: bands of this are large.
        vertical, horizontal = (
            part.astype(np.promote_types(part.dtype, np.float32), copy=False)
            for part in (self._part(pixels, kernel, options) for kernel in self.kernels)
        )
        if self.direction == "magnitude" and self.source.bounded:  # ten times as fast as `hypot`
            for part in (vertical, horizontal):
                np.multiply(part, part, out=part)
            length: Array = np.sqrt(np.add(vertical, horizontal, out=horizontal), out=horizontal)
            return length
        combine = np.hypot if self.direction == "magnitude" else np.arctan2
        with np.errstate(over="ignore", invalid="ignore"):
            combined: Array = combine(horizontal, vertical, out=horizontal)
        return combined

    def _part(self, pixels: Array, kernel: Kernel, options: SlidingOptions) -> Array:
        if isinstance(kernel, Separable):
            return correlate_separable(pixels, kernel, **options)
        part = conv2d(pixels, kernel, groups=self._groups, flip=self.filtering.flip, **options)
        return part.reshape(part.shape[:2]) if self.volume else part

    def _weights(self, kernel: Kernel) -> Kernel:
        """Return the weights as `conv2d` takes them for this source."""
        if isinstance(kernel, Separable):
            if not self.volume:
                return kernel.turned() if self.filtering.flip else kernel
            kernel = kernel.dense()
        narrow = self.source.dtype.itemsize <= 2 or self.source.dtype == np.float32
        if kernel.dtype.kind == "f" and narrow and np.abs(kernel).max() < FLOAT32_LARGE:
            kernel = kernel.astype(np.float32)
        if self.volume:
            return self._over_volume(kernel)
        if kernel.ndim == 3:
            raise ArgumentError(f"a kernel of {kernel.shape} covers a volume: use it with color 'volume'")
        if len(self.source.shape) == 3:
            return np.repeat(kernel[:, :, None, None], self.channels, axis=3)
        return kernel

    def _over_volume(self, kernel: Array) -> Array:
        if kernel.ndim == 2:
            kernel = np.repeat(kernel[:, :, None], self.channels, axis=2)
        if kernel.shape[2] != self.channels:
            raise ArgumentError(f"the kernel covers {kernel.shape[2]} channels, the image has {self.channels}")
        if self.filtering.on is not None:
            number = CHANNELS.index(self.filtering.on)
            if number >= self.channels:
                raise ArgumentError(
                    f"on {self.filtering.on!r} needs a colour image, this one has {self.channels} channel"
                )
            kernel = np.where(np.arange(self.channels) == number, kernel, 0).astype(kernel.dtype)
        return kernel
