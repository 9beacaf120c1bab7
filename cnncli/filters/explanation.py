"""The arithmetic of one output position, step by step."""

import math
from collections.abc import Iterator
from typing import NamedTuple, Unpack

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.errors import ArgumentError
from cnncli.files.matrices import format_matrix
from cnncli.filters.chains import Chain
from cnncli.filters.edges import FilterOptions, as_rows
from cnncli.filters.linear import LinearResponse
from cnncli.filters.responses import Filtering, Response
from cnncli.ops.borders import OUTSIDE, border_index, take_rows
from cnncli.ops.convolution.separable import Separable
from cnncli.shapes import Window


class Term(NamedTuple):
    """One kernel over one window.

    Attributes:
        name: name of the kernel and of the channel, where there are several.
        window: (f_h, f_w) pixels under the kernel.
        kernel: (f_h, f_w) weights, turned already where `flip` asks for it.
        turned: whether they were turned.
    """

    name: str
    window: Array
    kernel: Array
    turned: bool = False

    @property
    def products(self) -> Array:
        """The products, tap by tap."""
        return self.window * self.kernel

    @property
    def sum(self) -> float:
        """The sum of the products."""
        total: float = self.products.sum().item()
        return total


class Explanation(NamedTuple):
    """The arithmetic of one number of a response.

    Attributes:
        column: x of the output position.
        row: y of the output position.
        geometry: the geometry of the whole.
        terms: the kernels over their windows.
        steps: lines on the operations that follow the sums.
        values: the numbers in the response: one, or one a channel with color `each`.
    """

    column: int
    row: int
    geometry: Window
    terms: tuple[Term, ...]
    steps: tuple[str, ...]
    values: tuple[float, ...]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Iterator[str]:
        """Yield the explanation line by line."""
        yield f"output position x={self.column}, y={self.row}"
        yield ""
        yield from self._size_lines()
        for term in self.terms:
            yield ""
            yield from _side_by_side(
                ("window" + term.name, term.window),
                ("kernel turned by 180 degrees" if term.turned else "kernel", term.kernel),
                ("products", term.products),
            )
            yield f"sum = {_addition(term.products.ravel().tolist())} = {_number(term.sum)}"
        yield ""
        yield from self.steps
        yield f"response = {' '.join(map(_number, self.values))}"

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


def explain(
    image: npt.ArrayLike,
    filter: str | npt.ArrayLike,  # noqa: A002
    x: int,
    y: int,
    *,
    direction: str | None = None,
    **filtering: Unpack[FilterOptions],
) -> Explanation:
    """Explain one number of a filtered image, as `cnncli edge --explain X,Y` does: window, kernel, products, sum.

    Args:
        image: as in `filter_image`.
        filter: as in `filter_image`.
        x: column of the output position, from 0.
        y: row of the output position, from 0.
        direction: as in `filter_image`.
        **filtering: as in `filter_image`.

    Returns:
        An explanation: `print` it, or take its `terms` and `values`.

    Raises:
        ArgumentError: as `filter_image`; or the position lies outside the output.

    Example:
        >>> explained = explain([[10, 10, 0, 0]] * 3, "vertical", 1, 1)
        >>> explained.values, explained.terms[0].products.tolist()
        ((30,), [[10, 0, 0], [10, 0, 0], [10, 0, 0]])
    """
    return explain_response(Chain.of(filter, direction).over(as_rows(image), Filtering(**filtering)), x, y)


def explain_response(response: Response, column: int, row: int) -> Explanation:
    """Return the arithmetic of the response at (x, y) = (column, row).

    Raises:
        ArgumentError: the position lies outside the output.
    """
    if not isinstance(response, LinearResponse):
        raise ArgumentError("explain shows a kernel over its window, and the last step of this filter has none")
    height, width = response.window.output_size
    if not (0 <= column < width and 0 <= row < height):
        raise ArgumentError(
            f"explain {column},{row} lies outside the output of {width}x{height}: "
            f"x goes from 0 to {width - 1}, y from 0 to {height - 1}"
        )
    pixels = _window_pixels(response, column, row)
    turned = response.filtering.flip
    # C is 1 where each channel sees the same weights.
    dense = (kernel.dense() if isinstance(kernel, Separable) else kernel for kernel in response.kernels)
    kernels = [kernel.reshape(*response.window.kernel_size, -1) for kernel in dense]
    kernels = [kernel[::-1, ::-1] if turned else kernel for kernel in kernels]
    terms = tuple(
        Term(_named(response, number, channel), pixels[..., channel], kernel[..., channel % kernel.shape[2]], turned)
        for number, kernel in enumerate(kernels)
        for channel in range(pixels.shape[2])
    )
    values = np.ravel(response.rows(row, row + 1)[0, column]).tolist()
    return Explanation(column, row, response.window, terms, tuple(_steps(response, terms)), tuple(values))


def _window_pixels(response: LinearResponse, column: int, row: int) -> Array:
    """Return the (f_h, f_w, C) pixels that a position sees, border included."""
    window = response.window
    taken = []
    for axis, at in ((0, row), (1, column)):
        before, after = window.padding[2 * axis : 2 * axis + 2]
        index = border_index(window.size[axis], before, after, response.filtering.padding_mode)
        first = at * window.stride[axis]
        taken.append(index[first : first + window.span[axis] : window.dilation[axis]])
    rows, columns = taken
    pixels = take_rows(response.source, rows)
    pixels = pixels.reshape(*pixels.shape[:2], -1)[:, np.maximum(columns, 0)]
    pixels[:, columns == OUTSIDE] = 0
    return pixels.astype(np.int64) if pixels.dtype.kind in "iu" else pixels


def _named(response: LinearResponse, kernel: int | None = None, channel: int | None = None) -> str:
    """Return the names of a kernel and of a channel, each where there are several."""
    names = []
    if kernel is not None and len(response.kernels) > 1:
        names.append(("vertical edges", "horizontal edges")[kernel])
    if channel is not None and response.channels > 1:
        names.append(f"channel {channel}")
    return f" ({', '.join(names)})" if names else ""


def _steps(response: LinearResponse, terms: tuple[Term, ...]) -> Iterator[str]:
    """Yield the operations on the sums: adding over a volume, combining to a gradient, bias, activation."""
    kernels, channels = len(response.kernels), response.channels
    sums = [[term.sum for term in terms[k * channels : (k + 1) * channels]] for k in range(kernels)]
    if response.filtering.color == "volume" and channels > 1:
        for kernel, parts in enumerate(sums):
            yield f"sum over the channels{_named(response, kernel)} = {_addition(parts)} = {_number(sum(parts))}"
        sums = [[sum(parts)] for parts in sums]
    if kernels > 1:
        for channel, (across, down) in enumerate(zip(*sums, strict=True)):
            where = _named(response, channel=channel) if len(sums[0]) > 1 else ""
            yield f"{response.direction}{where} = {_combination(response.direction, across, down)}"
    if response.filtering.bias:
        yield f"plus bias {_number(response.filtering.bias)}"
    if response.filtering.activation:
        yield f"then {response.filtering.activation}"


def _combination(direction: str | None, across: float, down: float) -> str:
    if direction == "angle":
        return f"atan2({_number(down)}, {_number(across)}) = {_number(math.atan2(down, across))}"
    squares = " + ".join(f"({_number(part)})^2" if part < 0 else f"{_number(part)}^2" for part in (across, down))
    return f"sqrt({squares}) = {_number(math.hypot(across, down))}"


def _side_by_side(*blocks: tuple[str, Array]) -> Iterator[str]:
    columns = [[title, *format_matrix(matrix, _number).splitlines()] for title, matrix in blocks]
    widths = [max(map(len, column)) for column in columns]
    for cells in zip(*columns, strict=True):
        yield "   ".join(map(str.ljust, cells, widths)).rstrip()


def _addition(numbers: list[float]) -> str:
    first, *others = numbers
    return " ".join([_number(first), *(f"{'-' if number < 0 else '+'} {_number(abs(number))}" for number in others)])


def _number(number: float) -> str:
    return str(number) if isinstance(number, int) else f"{number:.6g}"
