"""The size of an output as a formula with its numbers, and the places that a window sees."""

from cnncli.networks.arithmetic import Axis, formula, sum_in_a_line
from cnncli.shapes import Pair, Window

NAMES = ("height", "width")


def places_of(window: Window, row: int, column: int) -> tuple[Pair, ...]:
    """Return the (row, column) in the padded input of each tap at an output position, row by row."""
    height, width = window.kernel_size
    top, left = row * window.stride[0], column * window.stride[1]
    return tuple(
        (top + y * window.dilation[0], left + x * window.dilation[1]) for y in range(height) for x in range(width)
    )


def size_formula(window: Window, *, ceil_mode: bool = False) -> tuple[str, ...]:
    """Return the size of the output in symbols, and with its numbers; of height and width where they differ."""
    axes = [
        Axis(f, s, (p[0], p[1]), d, ceil_mode)
        for f, s, p, d in zip(
            window.kernel_size, window.stride, (window.padding[:2], window.padding[2:]), window.dilation, strict=True
        )
    ]
    return formula_lines(axes, window.size)


def formula_lines(axes: list[Axis], sizes: Pair) -> tuple[str, ...]:
    """Return the formula of both axes, once where it is the same for both."""
    lines = [(formula(axis, n), sum_in_a_line(axis, n)) for axis, n in zip(axes, sizes, strict=True)]
    if lines[0] == lines[1]:
        return lines[0]
    return tuple(f"{name}: {symbols} = {numbers}" for name, (symbols, numbers) in zip(NAMES, lines, strict=True))
