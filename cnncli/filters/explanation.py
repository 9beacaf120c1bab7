"""The arithmetic of one output position, step by step."""

import math
from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import NamedTuple, Unpack

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.errors import ArgumentError
from cnncli.files.matrices import format_matrix
from cnncli.filters.chains import Chain
from cnncli.filters.edges import FilterOptions, as_rows
from cnncli.filters.operators.canny import SOBEL, Edges, Ridges
from cnncli.filters.operators.filtering import Filtering
from cnncli.filters.operators.linear import LinearResponse
from cnncli.filters.operators.ranks import RankResponse
from cnncli.filters.operators.responses import Image, Response, WindowedResponse
from cnncli.filters.operators.thresholds import Thresholded
from cnncli.ops.borders import OUTSIDE, border_index, take_rows
from cnncli.ops.canny import STRONG, WEAK
from cnncli.shapes import Window

EDGES = ("vertical edges", "horizontal edges")
"""The two kernels of a pair."""

LARGEST_PRINTED = 225
"""Numbers of a window that is printed, and of a sum that is written out: 15x15."""


class Seen(NamedTuple):
    """The pixels under a window.

    Attributes:
        pixels: (f_h, f_w, C).
        outside: (f_h, f_w), whether each lies in the padding.
    """

    pixels: Array
    outside: Array


class Term(NamedTuple):
    """One kernel over one window.

    Attributes:
        name: name of the kernel and of the channel, where there are several.
        window: (f_h, f_w) pixels under the kernel.
        kernel: (f_h, f_w) weights, turned already where `flip` asks for it.
        turned: whether they were turned.
        outside: (f_h, f_w), whether each pixel lies in the padding.
    """

    name: str
    window: Array
    kernel: Array
    turned: bool = False
    outside: Array | None = None

    @property
    def products(self) -> Array:
        """The products, tap by tap."""
        return self.window * self.kernel

    @property
    def sum(self) -> float:
        """The sum of the products."""
        total: float = self.products.sum().item()
        return total

    def lines(self) -> Iterator[str]:
        """Yield the window, the kernel, the products and their sum."""
        if self.window.size > LARGEST_PRINTED:
            height, width = self.window.shape
            yield f"window{self.name} and kernel of {height}x{width}, more than can be read"
            yield f"sum of {self.window.size:,} products = {_number(self.sum)}"
            return
        yield from _side_by_side(
            ("window" + self.name, _marked(self.window, self.outside)),
            ("kernel turned by 180 degrees" if self.turned else "kernel", self.kernel),
            ("products", self.products),
        )
        if self.outside is not None and self.outside.any():
            yield OUTSIDE_WORDS
        yield f"sum = {_addition(self.products.ravel().tolist())} = {_number(self.sum)}"


OUTSIDE_WORDS = "(in brackets: padding, outside the image)"


class Explanation(NamedTuple):
    """The arithmetic of one number of a response.

    Attributes:
        column: x of the output position.
        row: y of the output position.
        geometry: the geometry of the window; None for a step that sees single numbers.
        terms: the kernels over their windows.
        steps: lines on the operations that follow the sums.
        values: the numbers in the response: one, or one a channel with color `each`.
        word: the word of the filter.
        before: the explanation of the step before, under the middle of the window; None for the first step.
    """

    column: int
    row: int
    geometry: Window | None
    terms: tuple[Term, ...]
    steps: tuple[str, ...]
    values: tuple[float, ...]
    word: str = ""
    before: "Explanation | None" = None

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, *, all_steps: bool = False) -> Iterator[str]:
        """Yield the explanation line by line, after those of the steps before it if `all_steps`."""
        if all_steps:
            if self.before is not None:
                yield from self.before.lines(all_steps=True)
                yield ""
            yield f"step {self.word}"
        yield f"output position x={self.column}, y={self.row}"
        yield ""
        if self.geometry is not None:
            yield from _size_lines(self.geometry)
            yield ""
        for term in self.terms:
            yield from term.lines()
            yield ""
        yield from self.steps
        yield f"response = {' '.join(map(_number, self.values))}"


def _size_lines(window: Window) -> Iterator[str]:
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
        An explanation of the last step: `print` it, or take its `terms` and `values`; `before` has the step before.

    Raises:
        ArgumentError: as `filter_image`; or the position lies outside the output.

    Example:
        >>> explained = explain([[10, 10, 0, 0]] * 3, "vertical", 1, 1)
        >>> explained.values, explained.terms[0].products.tolist()
        ((30,), [[10, 0, 0], [10, 0, 0], [10, 0, 0]])
    """
    for name, place in (("x", x), ("y", y)):
        if not isinstance(place, int | np.integer):
            raise ArgumentError(f"{name} must be an integer, got {place!r}")
    response = Chain.of(filter, direction).over(as_rows(image), Filtering(**filtering))
    return explain_response(response, int(x), int(y))


def explain_response(response: Response, column: int, row: int) -> Explanation:
    """Return the arithmetic of the response at (x, y) = (column, row).

    Raises:
        ArgumentError: the position lies outside the output.
    """
    height, width = response.shape[:2]
    if not (0 <= column < width and 0 <= row < height):
        raise ArgumentError(
            f"explain {column},{row} lies outside the output of {width}x{height}: "
            f"x goes from 0 to {width - 1}, y from 0 to {height - 1}"
        )
    terms, steps = arithmetic(response, column, row)
    values = np.ravel(response.rows(row, row + 1)[0, column]).tolist()
    first = isinstance(response.source, Image)
    before = None if first else explain_response(response.source, *_middle(response.window, column, row))
    return Explanation(column, row, response.window, terms, tuple(steps), tuple(values), response.word, before)


def _middle(window: Window | None, column: int, row: int) -> tuple[int, int]:
    """Return the position (x, y) of the source under the middle of a window."""
    if window is None:
        return column, row
    places = []
    for axis, at in ((1, column), (0, row)):
        place = at * window.stride[axis] - window.padding[2 * axis] + (window.span[axis] - 1) // 2
        places.append(min(max(place, 0), window.size[axis] - 1))
    return places[0], places[1]


@singledispatch
def arithmetic(response: Response, column: int, row: int) -> tuple[tuple[Term, ...], Sequence[str]]:
    """Return what a kind of response computes at (x, y): kernels over windows, and lines on what follows.

    A kind that registers nothing here has only its number shown.
    """
    return (), ()


@arithmetic.register
def _linear(response: LinearResponse, column: int, row: int) -> tuple[tuple[Term, ...], Sequence[str]]:
    seen = _under_window(response, column, row)
    turned = response.filtering.flip
    # C is 1 where each channel sees the same weights.
    kernels = [kernel.reshape(*response.window.kernel_size, -1) for kernel in response.weights]
    terms = tuple(
        Term(
            _named(response, number, channel),
            seen.pixels[..., channel],
            kernel[..., channel % kernel.shape[2]],
            turned,
            seen.outside,
        )
        for number, kernel in enumerate(kernels)
        for channel in range(seen.pixels.shape[2])
    )
    return terms, [*_combined(response, terms), *_finished(response)]


@arithmetic.register
def _rank(response: RankResponse, column: int, row: int) -> tuple[tuple[Term, ...], Sequence[str]]:
    seen, lines = _under_window(response, column, row), list[str]()
    for channel in range(seen.pixels.shape[2]):
        window = seen.pixels[..., channel]
        name = f" (channel {channel})" if seen.pixels.shape[2] > 1 else ""
        if window.size > LARGEST_PRINTED:
            lines.append(f"window{name} of {window.shape[0]}x{window.shape[1]}, more than can be read")
        else:
            lines += _side_by_side((f"window{name}", _marked(window, seen.outside)))
            lines += [OUTSIDE_WORDS] if seen.outside.any() else []
            lines.append(f"in order: {' '.join(map(_number, np.sort(window, axis=None).tolist()))}")
        lines += [f"{response.operator.mode} of {window.size} numbers", ""]
    return (), [*lines[:-1], *_finished(response)]


@arithmetic.register
def _threshold(response: Thresholded, column: int, row: int) -> tuple[tuple[Term, ...], Sequence[str]]:
    numbers = np.ravel(response.source.rows(row, row + 1)[0, column]).tolist()
    whites = np.ravel(response.rows(row, row + 1)[0, column]).tolist()
    white_from = "white above" if response.is_strict else "white from"
    return (), [
        f"{_number(number)} is {'white' if white else 'black'}: {white_from} {_number(level)}"
        for number, white, level in zip(numbers, whites, response.levels() * len(numbers), strict=False)
    ]


_LABELS = {WEAK: "on a ridge: a weak pixel", STRONG: "on a ridge, from the high threshold on: a strong pixel"}


@arithmetic.register
def _ridge(response: Ridges, column: int, row: int) -> tuple[tuple[Term, ...], Sequence[str]]:
    size = (response.shape[0], response.shape[1])
    seen = _seen(response.source, Window.over(size, 3, padding=1), "replicate", column, row)
    labels = np.ravel(response.rows(row, row + 1)[0, column]).tolist()
    terms, lines = list[Term](), [f"thresholds: low {_number(response.low)}, high {_number(response.high)}"]
    for channel, label in enumerate(labels):
        names = (f" ({edges})" for edges in EDGES)
        pair = [
            Term(name, seen.pixels[..., channel], kernel, outside=seen.outside)
            for name, kernel in zip(names, SOBEL, strict=True)
        ]
        terms += pair
        across, down = (term.sum for term in pair)
        lines.append(f"magnitude = {_combination('magnitude', across, down)}")
        below = math.hypot(across, down) < response.low
        lines.append(_LABELS.get(label, "below the low threshold" if below else "not on a ridge"))
    return tuple(terms), lines


@arithmetic.register
def _edge(response: Edges, column: int, row: int) -> tuple[tuple[Term, ...], Sequence[str]]:
    labels = np.ravel(response.source.rows(row, row + 1)[0, column]).tolist()
    edges = np.ravel(response.rows(row, row + 1)[0, column]).tolist()
    words = {0: "not on a ridge of the gradient", STRONG: "a strong pixel: an edge"}
    connected = ("a weak pixel, not connected to a strong one", "a weak pixel, connected to a strong one: an edge")
    return (), [words.get(label, connected[edge]) for label, edge in zip(labels, edges, strict=True)]


def _under_window(response: WindowedResponse, column: int, row: int) -> Seen:
    return _seen(response.source, response.window, response.filtering.border, column, row)


def _seen(source: Response, window: Window, padding_mode: str, column: int, row: int) -> Seen:
    """Return the pixels of a source that a window's position sees, border included."""
    taken, outside = [], []
    for axis, at in ((0, row), (1, column)):
        before, after = window.padding[2 * axis : 2 * axis + 2]
        first = at * window.stride[axis]
        places = slice(first, first + window.span[axis], window.dilation[axis])
        taken.append(border_index(window.size[axis], before, after, padding_mode)[places])
        own = np.arange(-before, window.size[axis] + after)[places]
        outside.append((own < 0) | (own >= window.size[axis]))
    rows, columns = taken
    pixels = take_rows(source, rows)
    pixels = pixels.reshape(*pixels.shape[:2], -1)[:, np.maximum(columns, 0)]
    pixels[:, columns == OUTSIDE] = 0
    return Seen(pixels.astype(np.int64) if pixels.dtype.kind in "iu" else pixels, np.logical_or.outer(*outside))


def _named(response: LinearResponse, kernel: int | None = None, channel: int | None = None) -> str:
    """Return the names of a kernel and of a channel, each where there are several."""
    names = []
    if kernel is not None and response.count > 1:
        names.append(EDGES[kernel])
    if channel is not None and response.channels > 1:
        names.append(f"channel {channel}")
    return f" ({', '.join(names)})" if names else ""


def _combined(response: LinearResponse, terms: tuple[Term, ...]) -> Iterator[str]:
    """Yield the operations on the sums: adding over a volume, combining to a gradient."""
    kernels, channels = response.count, response.channels
    sums = [[term.sum for term in terms[k * channels : (k + 1) * channels]] for k in range(kernels)]
    if response.filtering.color == "volume" and channels > 1:
        for kernel, parts in enumerate(sums):
            yield f"sum over the channels{_named(response, kernel)} = {_addition(parts)} = {_number(sum(parts))}"
        sums = [[sum(parts)] for parts in sums]
    if kernels > 1:
        for channel, (across, down) in enumerate(zip(*sums, strict=True)):
            where = _named(response, channel=channel) if len(sums[0]) > 1 else ""
            yield f"{response.direction}{where} = {_combination(response.direction, across, down)}"


def _finished(response: WindowedResponse) -> Iterator[str]:
    if response.filtering.bias:
        yield f"plus bias {_number(response.filtering.bias)}"
    if response.filtering.activation:
        yield f"then {response.filtering.activation}"


def _combination(direction: str | None, across: float, down: float) -> str:
    if direction == "angle":
        return f"atan2({_number(down)}, {_number(across)}) = {_number(math.atan2(down, across))}"
    squares = " + ".join(f"({_number(part)})^2" if part < 0 else f"{_number(part)}^2" for part in (across, down))
    return f"sqrt({squares}) = {_number(math.hypot(across, down))}"


def _marked(window: Array, outside: Array | None) -> list[list[str]]:
    """Return the numbers of a window as text, those in the padding in brackets."""
    beyond = np.zeros(window.shape, bool) if outside is None else outside
    return [
        [f"({_number(number)})" if out else _number(number) for number, out in zip(*both, strict=True)]
        for both in zip(window.tolist(), beyond.tolist(), strict=True)
    ]


def _side_by_side(*blocks: tuple[str, Array | list[list[str]]]) -> Iterator[str]:
    columns = [[title, *format_matrix(matrix, _number).splitlines()] for title, matrix in blocks]
    widths = [max(map(len, column)) for column in columns]
    for cells in zip(*columns, strict=True):
        yield "   ".join(map(str.ljust, cells, widths)).rstrip()


def _addition(numbers: list[float]) -> str:
    first, *others = numbers
    return " ".join([_number(first), *(f"{'-' if number < 0 else '+'} {_number(abs(number))}" for number in others)])


def _number(number: float | str) -> str:
    return str(number) if isinstance(number, int | str) else f"{number:.6g}"
