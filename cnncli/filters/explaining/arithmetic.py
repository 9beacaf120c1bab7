"""The arithmetic of each kind of response at one position."""

import math
from collections.abc import Iterator, Sequence
from functools import singledispatch
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.files.text import addition, number_text
from cnncli.filters.explaining.terms import LARGEST_PRINTED, OUTSIDE_WORDS, Term, marked, side_by_side
from cnncli.filters.operators.canny import SOBEL, Edges, Ridges
from cnncli.filters.operators.linear import LinearResponse
from cnncli.filters.operators.ranks import RankResponse
from cnncli.filters.operators.responses import Response, WindowedResponse
from cnncli.filters.operators.thresholds import Thresholded
from cnncli.ops.borders import OUTSIDE, Rows, border_index, take_rows
from cnncli.ops.canny import STRONG, WEAK
from cnncli.shapes import Window

Arithmetic = tuple[tuple[Term, ...], Sequence[str]]
"""Kernels over windows, and lines on what follows."""

EDGES = ("vertical edges", "horizontal edges")
"""The two kernels of a pair."""


class Seen(NamedTuple):
    """The pixels under a window.

    Attributes:
        pixels: (f_h, f_w, C).
        outside: (f_h, f_w), whether each lies in the padding.
    """

    pixels: Array
    outside: Array


def numbers_at(source: Rows, column: int, row: int) -> list[float]:
    """Return the numbers of rows at (x, y) = (column, row), one for each channel."""
    numbers: list[float] = np.ravel(source.rows(row, row + 1)[0, column]).tolist()
    return numbers


@singledispatch
def arithmetic(response: Response, column: int, row: int) -> Arithmetic:
    """Return what a kind of response computes at (x, y): nothing, unless the kind has a function here."""
    return (), ()


@arithmetic.register
def _linear(response: LinearResponse, column: int, row: int) -> Arithmetic:
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
    return terms, [*_combined(response, terms), *_finished(response, column, row)]


@arithmetic.register
def _rank(response: RankResponse, column: int, row: int) -> Arithmetic:
    seen, lines = _under_window(response, column, row), list[str]()
    for channel in range(seen.pixels.shape[2]):
        window = seen.pixels[..., channel]
        name = f" (channel {channel})" if seen.pixels.shape[2] > 1 else ""
        if window.size > LARGEST_PRINTED:
            lines.append(f"window{name} of {window.shape[0]}x{window.shape[1]}, more than can be read")
        else:
            lines += side_by_side((f"window{name}", marked(window, seen.outside)))
            lines.append(f"in order: {' '.join(map(number_text, np.sort(window, axis=None).tolist()))}")
        lines += [f"{response.operator.mode} of {window.size} numbers", ""]
    return (), [*([OUTSIDE_WORDS] if seen.outside.any() else []), *lines[:-1], *_finished(response, column, row)]


@arithmetic.register
def _threshold(response: Thresholded, column: int, row: int) -> Arithmetic:
    numbers = numbers_at(response.source, column, row)
    whites = numbers_at(response, column, row)
    white_from = "white above" if response.is_strict else "white from"
    return (), [
        f"{number_text(number)} is {'white' if white else 'black'}: {white_from} {number_text(level)}"
        for number, white, level in zip(numbers, whites, response.levels() * len(numbers), strict=False)
    ]


_LABELS: dict[float, str] = {
    WEAK: "on a ridge: a weak pixel",
    STRONG: "on a ridge, from the high threshold on: a strong pixel",
}


@arithmetic.register
def _ridge(response: Ridges, column: int, row: int) -> Arithmetic:
    size = (response.shape[0], response.shape[1])
    seen = seen_from(response.source, Window.over(size, 3, padding=1), "replicate", column, row)
    labels = numbers_at(response, column, row)
    terms, lines = list[Term](), [f"thresholds: low {number_text(response.low)}, high {number_text(response.high)}"]
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
def _edge(response: Edges, column: int, row: int) -> Arithmetic:
    labels = numbers_at(response.source, column, row)
    edges = numbers_at(response, column, row)
    words: dict[float, str] = {0: "not on a ridge of the gradient", STRONG: "a strong pixel: an edge"}
    connected = ("a weak pixel, not connected to a strong one", "a weak pixel, connected to a strong one: an edge")
    return (), [words.get(label, connected[bool(edge)]) for label, edge in zip(labels, edges, strict=True)]


def _under_window(response: WindowedResponse, column: int, row: int) -> Seen:
    return seen_from(response.source, response.window, response.filtering.border, column, row)


def seen_from(source: Rows, window: Window, padding_mode: str, column: int, row: int) -> Seen:
    """Return the pixels of a source that a window sees from a position (x, y), border included."""
    taken, outside = [], []
    for axis, at in ((0, row), (1, column)):
        before, after = window.padding[2 * axis : 2 * axis + 2]
        first = at * window.stride[axis]
        places = slice(first, first + window.span[axis], window.dilation[axis])
        taken.append(border_index(window.size[axis], before, after, padding_mode, window.reach[axis])[places])
        own = np.arange(places.start, places.stop, places.step) - before
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
            yield f"sum over the channels{_named(response, kernel)} = {addition(parts)} = {number_text(sum(parts))}"
        sums = [[sum(parts)] for parts in sums]
    if kernels > 1:
        for channel, (across, down) in enumerate(zip(*sums, strict=True)):
            where = _named(response, channel=channel) if len(sums[0]) > 1 else ""
            yield f"{response.direction}{where} = {_combination(response.direction, across, down)}"


def _finished(response: LinearResponse | RankResponse, column: int, row: int) -> Iterator[str]:
    """Yield z, the number before the activation, and the activation."""
    bias, activation = response.filtering.bias, response.filtering.activation
    if not bias and activation is None:
        return
    sums, before = (
        numbers_at(response.operator.over(response.source, response.filtering.replace(**without)), column, row)
        for without in ({"bias": 0, "activation": None}, {"activation": None})
    )
    after = numbers_at(response, column, row)
    for channel, (total, z, a) in enumerate(zip(sums, before, after, strict=True)):
        where = f" (channel {channel})" if len(sums) > 1 else ""
        yield f"z{where} = {_made(response)} + bias = {addition([total, bias])} = {number_text(z)}"
        if activation is not None:
            yield f"{activation}(z) = {number_text(a)}"


def _made(response: LinearResponse | RankResponse) -> str:
    """Return the word for the number before the bias."""
    if isinstance(response, RankResponse):
        return response.operator.mode
    return response.direction or "sum"


def _combination(direction: str | None, across: float, down: float) -> str:
    if direction == "angle":
        return f"atan2({number_text(down)}, {number_text(across)}) = {number_text(math.atan2(down, across))}"
    squares = " + ".join(f"({text})^2" if text[0] == "-" else f"{text}^2" for text in map(number_text, (across, down)))
    return f"sqrt({squares}) = {number_text(math.hypot(across, down))}"
