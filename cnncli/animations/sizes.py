"""The size of an output as a formula with its numbers, and the places that a window sees."""

from collections.abc import Sequence

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


def formula_lines(axes: Sequence[Axis], sizes: Pair) -> tuple[str, ...]:
    """Return what the symbols stand for, and the formula with its numbers: of height and width where they differ."""
    lines = [
        (_symbols(axis, n), f"{formula(axis, n)} = {sum_in_a_line(axis, n)}")
        for axis, n in zip(axes, sizes, strict=True)
    ]
    if lines[0] == lines[1]:
        return lines[0]
    return tuple(
        line for name, (symbols, sums) in zip(NAMES, lines, strict=True) for line in (f"{name}: {symbols}", sums)
    )


def settings(window: Window, padding_mode: str = "") -> str:
    """Return what is not usual about a window, as the end of a title.

    Example:
        >>> settings(Window.over((5, 5), 3, stride=2, padding=1), "zeros")
        ', padding 1 (zeros), stride 2'
    """
    padding = f"padding {_word(window.padding)}" + (f" ({padding_mode})" if padding_mode else "")
    words = [padding] if any(window.padding) else []
    words += [
        f"{name} {_word(two)}"
        for name, two in (("stride", window.stride), ("dilation", window.dilation))
        if max(two) > 1
    ]
    return "".join(f", {word}" for word in words)


def _word(numbers: Sequence[int]) -> str:
    return str(numbers[0]) if len(set(numbers)) == 1 else ",".join(map(str, numbers))


def _symbols(axis: Axis, n: int) -> str:
    before, after = axis.amounts(n)
    padding = f"p = {before}" if before == after else f"p1 = {before}, p2 = {after}"
    words = [f"n = {n}", f"f = {axis.kernel_size}", padding, f"s = {axis.stride}", f"d = {axis.dilation}"]
    return ", ".join([*words, f"op = {axis.added}"] if axis.transposed else words)
