"""Options of filtering."""

from collections.abc import Callable

import numpy as np

from cnncli.arrays import Array
from cnncli.choices import CHANNELS, COLORS, check_choice, is_number
from cnncli.errors import ArgumentError
from cnncli.ops import PADDING_MODES
from cnncli.shapes import IntOrPair, Padding, Window
from cnncli.values import Value


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
    """Options of filtering, beside the filter. In a chain, those of one kernel are for its last step.

    Attributes:
        stride: pixels between positions.
        padding: as in `conv2d`; `same` keeps the size. Of numbers, the steps before the last see none: they get `same`.
        padding_mode: the pixels outside the image, as in `conv2d`; None for `reflect`, or for `zeros` where a command
            reads a matrix written as text, as courses pad.
        dilation: pixels between the kernel's taps.
        color: `gray` (BT.601 luma), `each` (every channel separately) or `volume` (one kernel per channel, summed);
            None for what suits the filter: `each` for blurs and the like, otherwise `gray`.
        on: the only channel that is kept, `red`, `green` or `blue`, which implies `volume`.
        bias: added to the response.
        activation: applied to it then: `relu`, `tanh` or `sigmoid`.
        flip: turn the kernel by 180 degrees: convolution as mathematics defines it.
    """

    stride: IntOrPair = 1
    padding: Padding = "same"
    padding_mode: str | None = None
    dilation: IntOrPair = 1
    color: str | None = None
    on: str | None = None
    bias: float = 0
    activation: str | None = None
    flip: bool = False

    def validate(self) -> None:
        check_choice("padding_mode", self.padding_mode, (None, *PADDING_MODES))
        check_choice("color", self.color, (None, *COLORS))
        check_choice("on", self.on, (None, *CHANNELS))
        check_choice("activation", self.activation, (None, *ACTIVATIONS))
        if not is_number(self.bias):
            raise ArgumentError(f"bias must be a finite number, got {self.bias!r}")
        if self.on is not None and self.color is None:
            self.normalize(color="volume")
        if self.on is not None and self.color != "volume":
            raise ArgumentError(f"on {self.on!r} keeps one channel of color 'volume', got color {self.color!r}")
        # A probe: what cannot be used for any image is an error now and not for each file.
        Window.over((1 << 30, 1 << 30), 1, stride=self.stride, padding=self.padding, dilation=self.dilation)

    @property
    def border(self) -> str:
        """The padding mode, chosen or not."""
        return self.padding_mode or "reflect"

    @property
    def inner(self) -> "Filtering":
        """The options for the steps of a chain before the last."""
        padding = "valid" if self.padding == "valid" else "same"
        return Filtering(padding=padding, padding_mode=self.padding_mode, color="each")


OF_THE_LAST = ("stride", "dilation", "bias", "activation", "flip")
"""The fields of `Filtering` that speak of the last step of a chain alone; so does color `volume`."""
