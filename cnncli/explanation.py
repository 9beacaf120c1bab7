"""The arithmetic of one output position, spelt out for people who learn how convolution works."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cnncli.edges import Response
from cnncli.errors import ArgumentError
from cnncli.matrices import format_matrix
from cnncli.ops.borders import OUTSIDE, border_index
from cnncli.shapes import Window

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Term:
    """One kernel over one window.

    Attributes:
        name: which kernel, or which channel of it.
        window: (f_h, f_w) pixels under the kernel.
        kernel: (f_h, f_w) weights, turned already where `flip` asks for it.
    """

    name: str
    window: Array
    kernel: Array

    @property
    def products(self) -> Array:
        """The products, tap by tap."""
        return self.window * self.kernel

    @property
    def sum(self) -> float:
        """Their sum."""
        total: float = self.products.sum().item()
        return total


@dataclass(frozen=True)
class Explanation:
    """How one number of a response comes about.

    Attributes:
        column: x of the output position.
        row: y of it.
        geometry: the geometry of the whole.
        terms: the kernels over their windows.
        steps: lines on what becomes of their sums.
        value: the number in the response.
    """

    column: int
    row: int
    geometry: Window
    terms: tuple[Term, ...]
    steps: tuple[str, ...]
    value: float

    def lines(self) -> Iterator[str]:
        """Yield the explanation line by line."""
        yield f"output position x={self.column}, y={self.row}"
        yield ""
        yield from self._size_lines()
        for term in self.terms:
            yield ""
            yield from _side_by_side(
                ("window" + term.name, format_matrix(term.window)),
                ("kernel", format_matrix(term.kernel)),
                ("products", format_matrix(term.products)),
            )
            products = " ".join(f"{_signed(number)}" for number in term.products.ravel().tolist()).removeprefix("+ ")
            yield f"sum = {products} = {_number(term.sum)}"
        if self.steps:
            yield ""
        yield from self.steps

    def _size_lines(self) -> Iterator[str]:
        window = self.geometry
        yield "size: floor((n + 2p - d(f - 1) - 1) / s) + 1, where 2p is the padding on both sides"
        for axis, name in ((1, "width"), (0, "height")):
            n, f, s, d = window.size[axis], window.kernel_size[axis], window.stride[axis], window.dilation[axis]
            before, after = window.padding[2 * axis : 2 * axis + 2]
            yield (
                f"{name + ':':8} n={n} f={f} p={before}+{after} s={s} d={d}: "
                f"floor(({n} + {before + after} - {d * (f - 1)} - 1) / {s}) + 1 = {window.output_size[axis]}"
            )


def explain(response: Response, column: int, row: int) -> Explanation:
    """Return the arithmetic of the response at (x, y) = (column, row).

    Raises:
        ArgumentError: the position lies outside the output.
    """
    height, width = response.window.output_size
    if not (0 <= column < width and 0 <= row < height):
        raise ArgumentError(
            f"explain {column},{row} lies outside the output of {width}x{height}: "
            f"x goes from 0 to {width - 1}, y from 0 to {height - 1}"
        )
    pixels = _window_pixels(response, column, row)
    flip = slice(None, None, -1 if response.filtering.flip else None)
    kernels = [kernel[flip, flip] for kernel in response.recipe_weights]
    terms = tuple(
        Term(_term_name(response, number, channel), pixels[..., channel], kernel[..., channel % kernel.shape[2]])
        for number, kernel in enumerate(kernels)
        for channel in range(pixels.shape[2])
    )
    value = np.asarray(response.rows(row, row + 1)[0, column])
    return Explanation(
        column, row, response.window, terms, tuple(_steps(response, terms, value)), value.ravel()[0].item()
    )


def _window_pixels(response: Response, column: int, row: int) -> Array:
    """Return the (f_h, f_w, C) pixels that a position sees, border included."""
    window = response.window
    taken = []
    for axis, at in ((0, row), (1, column)):
        before, after = window.padding[2 * axis : 2 * axis + 2]
        index = border_index(window.size[axis], before, after, response.filtering.padding_mode)
        first = at * window.stride[axis]
        taken.append(index[first : first + window.span[axis] : window.dilation[axis]])
    rows, columns = taken
    pixels = np.stack([response.gray_rows(max(int(at), 0), max(int(at), 0) + 1)[0] for at in rows])
    pixels = pixels.reshape(*pixels.shape[:2], -1)[:, np.maximum(columns, 0)]
    pixels[rows == OUTSIDE] = 0
    pixels[:, columns == OUTSIDE] = 0
    return pixels.astype(np.int64) if pixels.dtype.kind in "iu" else pixels


def _term_name(response: Response, number: int, channel: int) -> str:
    names = []
    if len(response.recipe.kernels) > 1:
        names.append(("vertical edges", "horizontal edges")[number])
    if response.filtering.color != "gray" and response.channels > 1:
        names.append(f"channel {channel}")
    return f" ({', '.join(names)})" if names else ""


def _steps(response: Response, terms: tuple[Term, ...], value: Array) -> Iterator[str]:
    sums = [term.sum for term in terms]
    if len(response.recipe.kernels) > 1:
        half = len(sums) // 2
        across, down = sum(sums[:half]), sum(sums[half:])
        if response.filtering.color == "each" and half > 1:
            across, down = sums[0], sums[half]
        name = response.recipe.direction
        formula = f"sqrt({_number(across)}^2 + {_number(down)}^2)"
        if name == "angle":
            formula = f"atan2({_number(down)}, {_number(across)})"
        result = np.hypot(across, down) if name == "magnitude" else np.arctan2(down, across)
        yield f"{name} = {formula} = {_number(float(result))}"
    elif response.filtering.color == "volume" and len(sums) > 1:
        yield f"sum over the channels = {' '.join(map(_signed, sums)).removeprefix('+ ')} = {_number(sum(sums))}"
    if response.filtering.bias:
        yield f"plus bias {_number(response.filtering.bias)}"
    if response.filtering.activation:
        yield f"then {response.filtering.activation}"
    yield f"response = {' '.join(_number(number) for number in value.ravel().tolist())}"


def _side_by_side(*blocks: tuple[str, str]) -> Iterator[str]:
    columns = [[title, *text.split("\n")] for title, text in blocks]
    widths = [max(map(len, column)) for column in columns]
    for cells in zip(*columns, strict=True):
        yield "   ".join(map(str.ljust, cells, widths)).rstrip()


def _signed(number: float) -> str:
    return f"{'-' if number < 0 else '+'} {_number(abs(number))}"


def _number(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.6g}"
