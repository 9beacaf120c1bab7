"""Pooling: windows that slide over each channel by itself."""

from math import prod
from typing import Any, ClassVar

from cnncli.networks.errors import ShapeError
from cnncli.networks.layers.base import Layer, picture, slide
from cnncli.networks.summary import Shape
from cnncli.shapes import Four, Pair, Window

WINDOW: Pair = (0, 0)
"""The stride that stands for the window's own size."""


class Pool(Layer):
    """A window that slides over each channel by itself; what it makes of what it sees is the subclass's matter."""

    size_field: ClassVar[str] = "kernel_size"

    kernel_size: Pair
    stride: Pair = WINDOW

    def validate(self) -> None:
        """Settle the stride: the window's size, where it is not given."""
        if self.stride in (WINDOW, None):
            self.settle(stride=self.kernel_size)
        super().validate()

    def default(self, name: str) -> Any:
        """Return the default: of the stride, the window's size."""
        return self.kernel_size if name == "stride" else super().default(name)

    def window(self, input_shape: Shape) -> Window:
        """Return the window."""
        padding: str | Four = getattr(self, "padding", "valid")
        dilation: Pair = getattr(self, "dilation", (1, 1))
        ceil_mode: bool = getattr(self, "ceil_mode", False)
        window = slide(self, input_shape, self.kernel_size, self.stride, padding, dilation, ceil_mode)
        if _sees_padding_alone(window):
            fits = f"padding p{min(span // 2 for span in window.span)} at most"
            raise ShapeError(
                self, "a pixel in every window", f"windows that see padding alone on {_size(window)}", fits
            )
        return window

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `(H, W, C)`."""
        return *self.window(input_shape).output_size, input_shape[2]

    def connections(self, input_shape: Shape) -> int:
        """Return the window's size, for each output."""
        return prod(self.output_shape(input_shape)) * prod(self.kernel_size)


def _size(window: Window) -> str:
    return f"{window.size[0]}x{window.size[1]}"


def _sees_padding_alone(window: Window) -> bool:
    before, after = window.padding[::2], window.padding[1::2]
    axes = zip(window.size, before, after, window.span, window.stride, window.output_size, strict=True)
    return any(p >= span or (size - 1) * s - p >= n for n, p, _, span, s, size in axes)


class MaxPool(Pool):
    """The maximum of each window: `max2`; the stride is the window's size unless given, `max3,s2`. Padding never wins.

    Example:
        >>> MaxPool((3, 3), (2, 2)).output_shape((55, 55, 96))
        (27, 27, 96)
    """

    op: ClassVar[str] = "max"

    padding: str | Four = "valid"
    dilation: Pair = (1, 1)
    ceil_mode: bool = False


class AvgPool(Pool):
    """The mean of each window: `avg2`. Padding is not counted, unless `count_include_pad`.

    Example:
        >>> str(AvgPool((3, 3), (1, 1), "same"))
        'avg3,s1,same'
    """

    op: ClassVar[str] = "avg"

    padding: str | Four = "valid"
    ceil_mode: bool = False
    count_include_pad: bool = False


class Subsampling(Pool):
    """LeNet-5's subsampling: `sub`, the mean of 2x2 pixels times a coefficient plus a bias, both trained for each map.

    LeCun et al. 1998, section II.B.

    Example:
        >>> Subsampling().param_shapes((28, 28, 6))
        {'weight': (6,), 'bias': (6,)}
    """

    op: ClassVar[str] = "sub"

    kernel_size: Pair = (2, 2)

    def param_shapes(self, input_shape: Shape) -> dict[str, Shape]:
        """Return the coefficient and the bias of each map."""
        return {"weight": (input_shape[-1],), "bias": (input_shape[-1],)}

    def connections(self, input_shape: Shape) -> int:
        """Return the window's size and a bias, for each output."""
        return prod(self.output_shape(input_shape)) * (prod(self.kernel_size) + 1)


class GlobalPool(Layer):
    """One window that is the whole picture."""

    def window(self, input_shape: Shape) -> Window:
        """Return the window."""
        height, width, _ = picture(self, input_shape)
        return Window.over((height, width), (height, width))

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return `(1, 1, C)`."""
        return 1, 1, picture(self, input_shape)[2]

    def connections(self, input_shape: Shape) -> int:
        """Return every input once."""
        return prod(input_shape)


class GlobalAvgPool(GlobalPool):
    """The mean of each channel: `gap`."""

    op: ClassVar[str] = "gap"


class GlobalMaxPool(GlobalPool):
    """The maximum of each channel: `gmp`."""

    op: ClassVar[str] = "gmp"
