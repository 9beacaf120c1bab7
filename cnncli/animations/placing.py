"""The places of an animation's grids on the drawing."""

from collections.abc import Iterable
from typing import NamedTuple

from cnncli.animations.frames import Animation
from cnncli.animations.grids import Grid
from cnncli.drawing.svg.lettering import text_width
from cnncli.files.text import number_text
from cnncli.shapes import show_shape

MARGIN, GAP, LINE = 16, 34, 20
"""Pixels around the drawing, between its grids, and of a line of text."""

SMALLEST_CELL, LARGEST_CELL, TINY_CELL = 30, 56, 18
"""Pixels of a side of a cell: the usual ones, as its numbers need, and at least where there are many cells."""

WIDEST = 620
"""Pixels that the columns of a grid share, before its cells become smaller than usual."""

TEXT, TITLE = 13, 15
"""Pixels of letters."""


class Row(NamedTuple):
    """One channel: its plane, and for each kernel over it, by number, the grids of the kernel and of its products."""

    plane: Grid
    kernels: dict[int, tuple[Grid, Grid]]


class Places(NamedTuple):
    """The grids of an animation.

    Attributes:
        rows: one for each channel.
        output: the grid of the output.
        right: where the last of the grids and of the words above them ends.
        bottom: where the last of the grids ends.
    """

    rows: list[Row]
    output: Grid
    right: float
    bottom: float


def plane_heading(animation: Animation, channel: int) -> str:
    """Return the words above a plane."""
    name = f"channel {channel}" if len(animation.planes) > 1 else "input"
    around = f", {animation.around} {show_shape(_padded(animation))}" if animation.around else ""
    return f"{name} {show_shape(animation.geometry.size)}{around}"


def output_heading(animation: Animation) -> str:
    """Return the words above the output."""
    return f"output {show_shape(animation.geometry.output_size)}"


def kernel_heading(animation: Animation, number: int) -> str:
    """Return the words above a kernel: which of a pair it is, where there are two."""
    kernel = animation.kernels[number]
    pair = kernel.name.strip("()").partition(",")[0]
    name = pair if pair.endswith("edges") else "kernel"
    return f"{name}, turned" if kernel.turned else name


def sum_words(total: float) -> str:
    """Return the words at the products of a kernel."""
    return f"sum = {number_text(total)}"


def places_on(animation: Animation) -> Places:
    """Return the places of all grids: channels below each other, with their kernels beside them, then the output."""
    padded, size, count = _padded(animation), animation.geometry.kernel_size, len(animation.kernels)
    cell = cell_side([number for plane in animation.planes for line in plane for number in line], max(padded))
    inner = cell_side([one for frame in animation.frames for products in frame.products for one in products], max(size))
    headings = [kernel_heading(animation, number) for number in range(count)]
    middle = MARGIN + max(padded[1] * cell, _room(plane_heading(animation, 0))) + GAP
    beside = max([size[1] * inner, *map(_room, [*headings, "products"])]) + GAP
    block = size[0] * inner + 2 * LINE + 8  # a kernel with the words above and below it
    top = MARGIN + LINE + 8
    rows, y = list[Row](), top
    for channel in range(len(animation.planes)):
        own = [number for number, kernel in enumerate(animation.kernels) if kernel.channel == channel]
        height = max(LINE + padded[0] * cell, len(own) * block)
        kernels = {}
        for place, number in enumerate(own):
            above = y + LINE + (height - len(own) * block) // 2 + place * block
            kernels[number] = Grid(middle, above, *size, inner), Grid(middle + beside, above, *size, inner)
        rows.append(Row(Grid(MARGIN, y + (height + LINE - padded[0] * cell) // 2, *padded, cell), kernels))
        y += height + LINE
    left = middle + (2 * beside if count else GAP // 2)
    return _with_output(animation, rows, left, top, y - LINE)


def _with_output(animation: Animation, rows: list[Row], left: float, top: int, bottom: int) -> Places:
    """Add the output, in the middle of the height of the others."""
    rows_out, columns_out = animation.geometry.output_size
    cell = cell_side([frame.value for frame in animation.frames], max(rows_out, columns_out))
    above = top + LINE + max(0, (bottom - top - LINE - rows_out * cell) // 2)
    output = Grid(left, above, rows_out, columns_out, cell)
    right = left + max(output.width, _room(output_heading(animation)))
    return Places(rows, output, right, max(bottom, output.y + output.height))


def _padded(animation: Animation) -> tuple[int, int]:
    return len(animation.kinds), len(animation.kinds[0])


def _room(text: str) -> float:
    return round(text_width(text, TEXT))


def cell_side(numbers: Iterable[float | None], count: int, widest: int = WIDEST) -> int:
    """Return the side of a cell that holds the longest of some numbers, or less where `count` cells stand in a row."""
    longest = max((text_width(number_text(number), TEXT) for number in numbers if number is not None), default=0)
    wanted = min(max(SMALLEST_CELL, longest + 10), LARGEST_CELL)
    return int(max(TINY_CELL, min(wanted, widest // count)))
