"""Responses of images to filters, computed for the rows that are asked for, from the rows that these need.

Bright on the left and dark on the right is positive for a vertical edge, bright above dark for a horizontal one: the
course's sign, the opposite of OpenCV's and SciPy's.
"""

from collections.abc import Callable
from functools import cached_property
from math import lcm
from typing import Any

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.choices import CHANNELS, COLORS, check_choice
from cnncli.errors import ArgumentError
from cnncli.filters.recipes import Recipe
from cnncli.images.frames import gray_shape, luma
from cnncli.ops import PADDING_MODES, conv2d, gradient_magnitude
from cnncli.ops.borders import Rows, border_index, take_rows
from cnncli.ops.convolution.conv2d import rows_together
from cnncli.ops.convolution.correlation import SlidingOptions
from cnncli.shapes import Four, IntOrPair, Padding, Window
from cnncli.values import Value

Finish = Callable[[Array], Array]


# Numbers beyond this are computed in float64.
_FLOAT32_LARGE = 1e30

_LARGEST_GRADIENT = 64  # dilated pairs that span more pixels are computed one kernel after the other


def _floating(x: Array) -> Array:
    return x.astype(np.promote_types(x.dtype, np.float32), copy=False)


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "relu": lambda x: np.maximum(x, x.dtype.type(0)),
    "tanh": lambda x: np.tanh(_floating(x)),
    # As a hyperbolic tangent nothing overflows.
    "sigmoid": lambda x: 0.5 * (1 + np.tanh(0.5 * _floating(x))),
}
"""Activation functions of a response: `relu` keeps integers, the others give floating point."""


class Filtering(Value):
    """Options of filtering, beside the filter.

    Attributes:
        stride: pixels between positions.
        padding: as in `conv2d`; `same` keeps the size.
        padding_mode: the pixels outside the image.
        dilation: pixels between the kernel's taps.
        color: `gray` (BT.601 luma), `each` (every channel separately) or `volume` (one kernel per channel, summed).
        on: with `volume`, the only channel that is kept: `red`, `green` or `blue`.
        bias: added to the response.
        activation: applied to it then: `relu`, `tanh` or `sigmoid`.
        flip: turn the kernel by 180 degrees: convolution as mathematics defines it.
    """

    stride: IntOrPair = 1
    padding: Padding = "same"
    padding_mode: str = "reflect"
    dilation: IntOrPair = 1
    color: str = "gray"
    on: str | None = None
    bias: float = 0
    activation: str | None = None
    flip: bool = False

    def validate(self) -> None:
        check_choice("padding_mode", self.padding_mode, PADDING_MODES)
        check_choice("color", self.color, COLORS)
        check_choice("on", self.on, (None, *CHANNELS))
        check_choice("activation", self.activation, (None, *ACTIVATIONS))
        if self.on is not None and self.color != "volume":
            raise ArgumentError(f"on {self.on!r} keeps one channel of color 'volume', got color {self.color!r}")
        # A probe: what cannot be used for any image is an error now and not for each file.
        Window.over((1 << 30, 1 << 30), 1, stride=self.stride, padding=self.padding, dilation=self.dilation)


class Response:
    """The exact, signed response of an image to a filter, computed on demand, by rows.

    Attributes:
        shape: (H_out, W_out), or (H_out, W_out, C) with color `each`.
        window: the geometry.
        full_step: the response to a full black-to-white step.
        white: the image's white: 255, 65535, or 1 for floating point.
    """

    def __init__(self, image: Rows, recipe: Recipe, filtering: Filtering = Filtering()) -> None:
        self.image = image
        self.recipe = recipe
        self.filtering = filtering
        if filtering.color == "gray":
            gray_shape(image.shape)
        self.channels = 1 if filtering.color == "gray" or len(image.shape) == 2 else image.shape[2]
        self.kernels = tuple(self._weights(kernel) for kernel in recipe.kernels)
        self.window = Window.over(
            (image.shape[0], image.shape[1]),
            recipe.kernels[0].shape[:2],
            stride=filtering.stride,
            padding=filtering.padding,
            dilation=filtering.dilation,
        )
        deep = filtering.color == "each" and len(image.shape) == 3
        self.shape = (*self.window.output_size, self.channels) if deep else self.window.output_size
        self.white = white_level(image.dtype)
        bounded = filtering.activation in ("tanh", "sigmoid")
        summed = recipe._replace(kernels=self.kernels) if filtering.color == "volume" else recipe
        self.full_step = 1.0 if bounded else summed.unit * self.white

    @cached_property
    def dtype(self) -> DType:
        """The response's type."""
        pixels = np.zeros((*self.window.span, *self.image.shape[2:]), self.image.dtype)
        return self._respond(pixels, (0, 0, 0, 0), lambda piece: piece).dtype

    @cached_property
    def rows_together(self) -> int:
        """Number of rows computed together: bands that begin at multiples of it have the bits of the whole."""
        if self._in_one_pass:
            return 1
        pixel = self.seen(np.zeros((1, 1, *self.image.shape[2:]), self.image.dtype))
        pixels = np.broadcast_to(pixel, (self.window.span[0], self.image.shape[1], *pixel.shape[2:]))
        options = self._options((0, 0, *self.window.padding[2:]))
        return lcm(*(rows_together(pixels, kernel, groups=self._groups, **options) for kernel in self.kernels))

    @property
    def _in_one_pass(self) -> bool:
        """True if the magnitude of the gradient is computed in one pass."""
        together = max(self.window.span) <= _LARGEST_GRADIENT
        return self.recipe.direction == "magnitude" and self.filtering.color != "volume" and together

    @property
    def _groups(self) -> int:
        return self.channels if self.filtering.color == "each" else 1

    def _options(self, padding: Four) -> SlidingOptions:
        return {
            "stride": self.window.stride,
            "padding": padding,
            "dilation": self.window.dilation,
            "padding_mode": self.filtering.padding_mode,
        }

    @property
    def finished_in_pieces(self) -> bool:
        """True if `finished_rows` holds neither the whole response nor a grey copy of the image."""
        gray = self.filtering.color == "gray" and len(self.image.shape) == 2
        return self.recipe.direction == "magnitude" and (gray or self.filtering.color == "each")

    def rows(self, start: int, stop: int) -> Array:
        """Return the rows [start, stop) of the response."""
        return self.finished_rows(start, stop, lambda piece: piece)

    def seen(self, pixels: Array) -> Array:
        """Return pixels of the image as the filter sees them: luma with color `gray`."""
        return luma(pixels) if self.filtering.color == "gray" else pixels

    def finished_rows(self, start: int, stop: int, finish: Finish) -> Array:
        """Return rows of the response with `finish` applied, where possible to pieces in the cache."""
        height, window = self.image.shape[0], self.window
        if (start, stop) == (0, self.shape[0]):
            return self._respond(self.image.rows(0, height), window.padding, finish)
        first = start - start % self.rows_together
        last = min(stop + -stop % self.rows_together, self.shape[0])
        top, bottom, left, right = window.padding
        taken = slice(first * window.stride[0], (last - 1) * window.stride[0] + window.span[0])
        needed = border_index(height, top, bottom, self.filtering.padding_mode, taken=taken)
        asked = slice(start - first, stop - first)
        return self._respond(take_rows(self.image, needed), (0, 0, left, right), finish, asked)

    def _respond(self, pixels: Array, padding: Four, finish: Finish, asked: slice = slice(None)) -> Array:
        pixels, options = self.seen(pixels), self._options(padding)
        if self._in_one_pass:
            # Turning both kernels (flip) changes signs alone.
            return gradient_magnitude(
                pixels, *self.recipe.kernels, finish=lambda piece: finish(self._activated(piece)), **options
            )
        return finish(self._activated(self._correlate(pixels, options)[asked]))

    def _activated(self, response: Array) -> Array:
        if self.filtering.bias:
            bias = self._bias(response.dtype)
            # By the types alone: older NumPy looks at the number and may take a type that is too small.
            with np.errstate(over="ignore"):  # beyond the type is infinity
                response = np.add(response, bias, dtype=np.promote_types(response.dtype, bias.dtype))
        if self.filtering.activation is not None:
            response = ACTIVATIONS[self.filtering.activation](response)
        return response

    def _correlate(self, pixels: Array, options: SlidingOptions) -> Array:
        if len(self.kernels) == 1:
            return self._part(pixels, self.kernels[0], options)
        # Each is converted before the next is made, and the last is written over: bands of this are large.
        vertical, horizontal = (_floating(self._part(pixels, kernel, options)) for kernel in self.kernels)
        combine = np.hypot if self.recipe.direction == "magnitude" else np.arctan2
        with np.errstate(over="ignore", invalid="ignore"):
            combined: Array = combine(horizontal, vertical, out=horizontal)
        return combined

    def _part(self, pixels: Array, kernel: Array, options: SlidingOptions) -> Array:
        part = conv2d(pixels, kernel, groups=self._groups, flip=self.filtering.flip, **options)
        return part.reshape(part.shape[:2]) if self.filtering.color == "volume" else part

    def _bias(self, dtype: DType) -> Any:
        bias = float(self.filtering.bias)
        if dtype.kind == "i" and bias.is_integer() and abs(bias) < 2**62:
            return np.int64(bias)
        return np.promote_types(dtype, np.float32 if abs(bias) < _FLOAT32_LARGE else np.float64).type(bias)

    def _weights(self, kernel: Array) -> Array:
        """Return the weights as `conv2d` takes them for this image."""
        narrow = self.image.dtype.itemsize <= 2 or self.image.dtype == np.float32
        if kernel.dtype.kind == "f" and narrow and np.abs(kernel).max() < _FLOAT32_LARGE:
            kernel = kernel.astype(np.float32)
        if self.filtering.color == "volume":
            return self._volume(kernel)
        if kernel.ndim == 3:
            raise ArgumentError(f"a kernel of {kernel.shape} covers a volume: use it with color 'volume'")
        if self.filtering.color == "each" and len(self.image.shape) == 3:
            return np.repeat(kernel[:, :, None, None], self.channels, axis=3)
        return kernel

    def _volume(self, kernel: Array) -> Array:
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


def white_level(dtype: DType) -> float:
    """Return the white level: 65535 for uint16, 1 for floating point, otherwise 255.

    Example:
        >>> white_level(np.dtype(np.uint8))
        255.0
    """
    return 1.0 if dtype.kind == "f" else 65535.0 if dtype == np.uint16 else 255.0
