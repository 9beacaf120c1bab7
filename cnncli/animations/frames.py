"""An animation as records: plain numbers and words, which every player shows."""

from enum import StrEnum
from typing import NamedTuple

from cnncli.errors import ArgumentError
from cnncli.shapes import Pair, Window, show_shape

Plane = tuple[tuple[float | None, ...], ...]
"""Rows of numbers; None where a cell has no number to show."""

LARGEST_SIDE = 32
"""The most rows or columns of cells that are drawn: more cannot be read."""

MOST_FRAMES = 400
"""The most positions that are shown: 20x20."""

MOST_CHANNELS = 8
"""The most channels that are shown one below the other."""


class Kind(StrEnum):
    """The kind of a cell of the padded input: `inserted` ones stand between the pixels of a transposed convolution."""

    INPUT = "input"
    PADDING = "padding"
    INSERTED = "inserted"


class Kernel(NamedTuple):
    """The weights that lie over one channel.

    Attributes:
        name: in parentheses, which kernel of a pair and which channel, where there are several; or empty.
        channel: number of the plane that it lies over.
        weights: f_h rows of f_w weights, as they lie over the pixels.
        turned: whether they were turned by 180 degrees, as `flip` asks.
    """

    name: str
    channel: int
    weights: Plane
    turned: bool = False


class Frame(NamedTuple):
    """One position of the window.

    Attributes:
        row: y of the output position.
        column: x of the output position.
        places: (row, column) in the padded input of each tap of the window, row by row.
        products: for each kernel, the product of each tap.
        sums: for each kernel, the sum of its products.
        steps: lines on what follows the sums.
        value: the number in the output; None where only sizes are shown.
        chosen: numbers of the taps that a maximum or a minimum came from.
    """

    row: int
    column: int
    places: tuple[Pair, ...]
    products: tuple[tuple[float, ...], ...] = ()
    sums: tuple[float, ...] = ()
    steps: tuple[str, ...] = ()
    value: float | None = None
    chosen: tuple[int, ...] = ()


class Animation(NamedTuple):
    """A window that slides over numbers, position by position.

    Attributes:
        title: what is done, in a line.
        legend: each kind of cell that is not the input, and what it holds, in words.
        around: how the input became the padded one, such as `padded to`; empty where it did not.
        formula: lines: the size of the output, in symbols and with its numbers.
        geometry: the window; its `size` is that of the input without padding, its `output_size` that of the output.
        planes: for each channel, the numbers of the padded input; those of the padding are what the window sees there.
        kinds: what each cell of the padded input is, the same for every channel.
        kernels: one for each channel, or for each of a pair and each channel; none for pooling and for bare sizes.
        frames: the positions, row by row.
    """

    title: str
    legend: tuple[tuple[Kind, str], ...]
    around: str
    formula: tuple[str, ...]
    geometry: Window
    planes: tuple[Plane, ...]
    kinds: tuple[tuple[Kind, ...], ...]
    kernels: tuple[Kernel, ...]
    frames: tuple[Frame, ...]

    @property
    def output(self) -> Plane:
        """The numbers of the output, complete."""
        height, width = self.geometry.output_size
        values = {(frame.row, frame.column): frame.value for frame in self.frames}
        return tuple(tuple(values[row, column] for column in range(width)) for row in range(height))


def check_size(window: Window, channels: int = 1) -> None:
    """Refuse what is too large to watch, before any frame is made.

    Raises:
        ArgumentError: more cells, channels or positions than are shown.
    """
    (height, width), (top, bottom, left, right) = window.size, window.padding
    padded = max(height + top + bottom, window.reach[0]), max(width + left + right, window.reach[1])
    if max(padded) > LARGEST_SIDE:
        raise ArgumentError(
            f"an input of {show_shape(padded)} cells (height x width, with the padding) is too large to watch: at most "
            f"{LARGEST_SIDE}x{LARGEST_SIDE} are shown, so take a part of it (on the command line, --crop X,Y,WxH)"
        )
    if channels > MOST_CHANNELS:
        raise ArgumentError(f"{channels} channels are too many to watch: at most {MOST_CHANNELS} are shown")
    positions = window.output_size[0] * window.output_size[1]
    if positions > MOST_FRAMES:
        raise ArgumentError(
            f"an output of {show_shape(window.output_size)} has {positions} positions, more than the {MOST_FRAMES} "
            "that are shown: use a smaller input, or a larger stride"
        )
