"""A convolution of a training network: batches forward, and the gradients of its input and its weights.

Three algorithms share the work behind one interface (`Algorithm`); `choose` is the table. `cnncli.ops.conv2d` is for
pictures, with exact integers and borders of every kind; this is for batches of small volumes, in floating point with
zeros outside.
"""

from functools import cached_property
from typing import Protocol

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.batches.depthwise import Depthwise
from cnncli.ops.batches.products import multiply
from cnncli.ops.batches.tiled import Geometry, Product, Tiled
from cnncli.ops.batches.winograd import GatheredWinograd, TurnedWinograd, Winograd
from cnncli.ops.batches.workspaces import FRESH, Memory
from cnncli.shapes import Window

# Measured: wider products are not faster; scattered ones gain up to three times that width.
_WIDEST, _WIDEST_SCATTERED = 32, 96

# Measured, forward alone: from so many channels on patches are better copied; and with fewer positions than this the
# time goes into reading the weights, of which Winograd's filtering has twice as many.
_GATHERED_FROM, _FEWEST_ROWS = 128, 16


class Algorithm(Protocol):
    """A way to compute a convolution and the gradient of its weights.

    Attributes:
        copies: whether columns are a copy, which padding other images leaves as it is.
    """

    copies: bool

    @property
    def numbers(self) -> int:
        """Numbers of scratch memory for one image."""

    def prepare(self, weight: Array) -> Array:
        """Return weights (f_h, f_w, C_in / groups, C_out) as the other methods take them."""

    def columns(self, x: Array, memory: Memory, name: object = "columns") -> Array:
        """Return images (N, H, W, C_in) as the other methods take them."""

    def apply(self, columns: Array, matrix: Array, out: Array, memory: Memory, bias: Array | None = None) -> None:
        """Write the convolution (N, H_out, W_out, C_out), with a bias for each channel if there is one."""

    def weight_gradient(self, columns: Array, grad: Array, out: Array, memory: Memory) -> None:
        """Write the gradient of the weights."""


def choose(geometry: Geometry, *, winograd: bool = True, product: Product = np.matmul) -> Algorithm:
    """Return the fastest algorithm for a convolution; `product` multiplies its matrices."""
    if Depthwise.suits(geometry):
        return Depthwise(geometry)
    if winograd and Winograd.suits(geometry):
        return Winograd(geometry, product)
    return Tiled(geometry, _WIDEST, product)


class InputAlgorithm(Protocol):
    """A way to compute the gradient of a convolution's input."""

    @property
    def numbers(self) -> int:
        """Numbers of scratch memory for one image."""

    def prepare(self, weight: Array) -> Array:
        """Return weights as `input_gradient` takes them."""

    def input_gradient(self, grad: Array, matrix: Array, out: Array, memory: Memory) -> None:
        """Write the gradient (N, H, W, C_in) of the images."""


def choose_input(geometry: Geometry, *, winograd: bool = True) -> InputAlgorithm:
    """Return the fastest: a convolution with the turned kernel where Winograd suits it, else scattering."""
    if Depthwise.suits(geometry):
        return Depthwise(geometry)
    back = turned(geometry)
    if winograd and back and Winograd.suits(back):
        return TurnedWinograd(back)
    return Tiled(geometry, _WIDEST_SCATTERED)


def turned(geometry: Geometry) -> Geometry | None:
    """Return the convolution, from output to input, that is the gradient of one of stride 1, or None.

    Goodfellow, Bengio and Courville, Deep Learning, section 9.5: a full correlation with the kernel turned around.
    """
    window = geometry.window
    top, bottom, left, right = window.padding
    down, across = (span - 1 for span in window.span)
    padding = (down - top, down - bottom, across - left, across - right)
    if window.stride != (1, 1) or min(padding) < 0:
        return None
    turned = Window(window.output_size, window.kernel_size, (1, 1), padding, window.dilation, window.size)
    return Geometry(turned, geometry.out_channels, geometry.in_channels, geometry.groups)


class ConvolutionPlan:
    """A convolution of one geometry, forward and backward: a plan, without weights.

    Args:
        window: the geometry; pixels outside the image are zero.
        in_channels: channels of the input.
        out_channels: filters.
        groups: groups of channels that do not see each other.
        winograd: whether Winograd's filtering may be used. It rounds differently: a layer is within 3e-6 of the exact
            result, but a tie that it breaks in a max pool moves a gradient.

    Example:
        >>> window = Window.over((4, 4), 3, padding="same")
        >>> plan = ConvolutionPlan(window, 1, 1)
        >>> x, weight = np.ones((1, 4, 4, 1)), np.ones((3, 3, 1, 1))
        >>> y, _ = plan.forward(x, plan.algorithm.prepare(weight))
        >>> y[0, 0, :, 0].tolist()
        [4.0, 6.0, 6.0, 4.0]
    """

    def __init__(
        self, window: Window, in_channels: int, out_channels: int, groups: int = 1, *, winograd: bool = True
    ) -> None:
        self.geometry = geometry = Geometry(window, in_channels, out_channels, groups)
        self.winograd = winograd
        self.algorithm = choose(geometry, winograd=winograd)
        self.input_algorithm = choose_input(geometry, winograd=winograd)

    def inferring(self, images: int) -> Algorithm:
        """Return the fastest algorithm for so many images, where nothing goes backward."""
        algorithm = self._inferring
        if not isinstance(algorithm, Winograd) or algorithm.inputs < _GATHERED_FROM:
            return algorithm
        return self._gathered if images * algorithm.tiles * algorithm.width >= _FEWEST_ROWS else self._tiled

    @cached_property
    def _inferring(self) -> Algorithm:
        return choose(self.geometry, winograd=self.winograd, product=multiply)

    @cached_property
    def _gathered(self) -> Algorithm:
        return GatheredWinograd(self.geometry, multiply)

    @cached_property
    def _tiled(self) -> Algorithm:
        return Tiled(self.geometry, _WIDEST, multiply)

    @property
    def numbers(self) -> int:
        """Numbers of scratch memory for one image."""
        return max(self.algorithm.numbers, self.input_algorithm.numbers)

    def forward(
        self, x: Array, matrix: Array, out: Array | None = None, memory: Memory = FRESH, name: object = "columns"
    ) -> tuple[Array, Array]:
        """Return the convolution of images (N, H, W, C_in), and their columns.

        Args:
            x: the images.
            matrix: `algorithm.prepare(weight)`.
            out: (N, H_out, W_out, C_out) to write, contiguous.
            memory: where scratch arrays come from.
            name: under which the columns are taken from it.
        """
        if out is None:
            shape = (len(x), *self.geometry.window.output_size, self.geometry.out_channels)
            out = memory.take("output", shape, x.dtype)
        columns = self.algorithm.columns(x, memory, name)
        self.algorithm.apply(columns, matrix, out, memory)
        return out, columns

    def weight_gradient(
        self, grad: Array, x: Array, columns: Array | None = None, memory: Memory = FRESH, name: object = "weights"
    ) -> Array:
        """Return the gradient (f_h, f_w, C_in / groups, C_out) of the weights.

        Args:
            grad: the output's gradient, contiguous.
            x: the images.
            columns: the columns that `forward` returned, if they were kept.
            memory: where scratch arrays come from.
            name: under which the result is taken from it.
        """
        columns = self.algorithm.columns(x, memory) if columns is None else columns
        inputs = self.geometry.in_channels // self.geometry.groups
        shape = (*self.geometry.window.kernel_size, inputs, self.geometry.out_channels)
        out = memory.take(name, shape, grad.dtype)
        self.algorithm.weight_gradient(columns, grad, out, memory)
        return out

    def input_gradient(self, grad: Array, matrix: Array, out: Array | None = None, memory: Memory = FRESH) -> Array:
        """Return the gradient of the images.

        Args:
            grad: the output's gradient, contiguous.
            matrix: `input_algorithm.prepare(weight)`.
            out: (N, H, W, C_in) to write, contiguous.
            memory: where scratch arrays come from.
        """
        if out is None:
            shape = (len(grad), *self.geometry.window.size, self.geometry.in_channels)
            out = memory.take("input gradient", shape, grad.dtype)
        self.input_algorithm.input_gradient(grad, matrix, out, memory)
        return out
