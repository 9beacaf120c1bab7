"""Flat strips: small kernels as a few passes of NumPy over one strip of rows at a time.

A strip of the image, border included, is copied into flat scratch memory that stays in the processor's cache. There
every tap of a kernel is the same memory at another offset, and every pass is one long one-dimensional NumPy call. What
runs over the end of a row falls into columns that are cut off when the result is copied out.

A stride needs no second mechanism: with stride (s_y, s_x) the strip is stored as s_y * s_x planes, one a phase, and a
tap is an offset in one of them.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from cnncli.arrays import Array
from cnncli.ops.convolution.kernels import cascade, divide_lines, passes, rank_one
from cnncli.ops.loading import Border, Loader, Scratch
from cnncli.shapes import Pair, Window

Plane = tuple[int, int, int]
"""(channel, vertical phase, horizontal phase)."""

# Measured: a strip and its scratch stay in the cache, and a NumPy call's cost is spread over many numbers.
STRIP_BYTES = 800_000


class Tap(NamedTuple):
    """One weight of a kernel and where its pixel lies: a plane, and rows and columns from the output's position."""

    plane: Plane
    row: int
    column: int
    weight: float


Stage = dict[Plane, tuple[Tap, ...]]
"""The planes that one step makes, each as a weighted sum of planes of the step before."""

Program = tuple[Stage, ...]
"""Steps in order. The last one's planes are the result."""


def compile_kernel(kernel: Array, channels: Sequence[int], stride: Pair, dilation: Pair) -> Program:
    """Return the steps that correlate with one kernel of shape (f_h, f_w, len(channels)).

    A single-channel kernel of rank 1 becomes a column and a row where that takes fewer passes.
    """
    if len(channels) == 1 and (factors := rank_one(kernel[..., 0])):
        program = _separated(*factors, channels[0], stride, dilation)
        if program_passes(program) < passes(kernel):
            return program
    taps = (
        _tap(channel, (a, b), kernel[a, b, c].item(), stride, dilation)
        for c, channel in enumerate(channels)
        for a, b in np.argwhere(kernel[..., c]).tolist()
    )
    return ({(0, 0, 0): tuple(taps)},)


Rows = tuple[tuple[int, ...], ...]


@lru_cache(maxsize=64)
def compile_pair(vertical: Rows, horizontal: Rows, channel: int, stride: Pair, dilation: Pair) -> tuple[Program, int]:
    """Return the steps that make two planes g and h of a channel, and a gain, for the length of the gradient.

    With the responses g_x and g_y to two integer kernels, given as rows, g_x^2 + g_y^2 = gain (g^2 + h^2). They are not
    g and h themselves where others are cheaper: Sobel's kernels are both sums over 2x2 boxes, and with B these sums,
    g_x = P + Q and g_y = P - Q for two diagonal differences of B, so that g_x^2 + g_y^2 = 2 (P^2 + Q^2).
    """
    pair, prefix = (np.array(vertical), np.array(horizontal)), []
    for axis in (0, 1) if stride == (1, 1) else ():
        rests = [divide_lines(kernel, axis) for kernel in pair]
        if rests[0] is not None and rests[1] is not None:
            pair = (rests[0], rests[1])
            prefix.append(_line((1, 1), (dilation[0], 0) if axis == 0 else (0, dilation[1])))
    pair, gain = _rotated(pair)
    last = {
        (number, 0, 0): tuple(
            _tap(0, (a, b), kernel[a, b].item(), stride, dilation) for a, b in np.argwhere(kernel).tolist()
        )
        for number, kernel in enumerate(pair)
    }
    first, *rest = (*prefix, last)
    return (_from_channel(first, channel), *rest), gain


def _rotated(pair: tuple[Array, Array]) -> tuple[tuple[Array, Array], int]:
    """Return half the sum and half the difference of two kernels, and 2, where they are integer and cheaper."""
    total, difference = pair[0] + pair[1], pair[0] - pair[1]
    halves = (total // 2, difference // 2)
    whole = not np.any(total % 2)
    return (halves, 2) if whole and sum(map(passes, halves)) < sum(map(passes, pair)) else (pair, 1)


def _from_channel(stage: Stage, channel: int) -> Stage:
    """Return a stage that reads the input's channel instead of channel 0."""
    return {
        plane: tuple(tap._replace(plane=(channel, *tap.plane[1:])) for tap in taps) for plane, taps in stage.items()
    }


def _separated(column: Sequence[float], row: Sequence[float], channel: int, stride: Pair, dilation: Pair) -> Program:
    if stride == (1, 1):
        columns, rows = cascade(tuple(column)), cascade(tuple(row))
        vertical = tuple(_line(vector, (dilation[0], 0)) for vector in columns)
        horizontal = tuple(_line(vector, (0, dilation[1])) for vector in rows)
        return (_from_channel(vertical[0], channel), *vertical[1:], *horizontal)
    across = [_tap(0, (0, b), weight, stride, dilation) for b, weight in enumerate(row) if weight]
    down = [_tap(channel, (a, 0), weight, stride, dilation) for a, weight in enumerate(column) if weight]
    phases = {tap.plane[2] for tap in across}
    vertical_stage = {
        (0, 0, phase): tuple(tap._replace(plane=(channel, tap.plane[1], phase)) for tap in down) for phase in phases
    }
    return (vertical_stage, {(0, 0, 0): tuple(across)})


def _line(vector: Sequence[float], step: Pair) -> Stage:
    taps = (Tap((0, 0, 0), i * step[0], i * step[1], weight) for i, weight in enumerate(vector) if weight)
    return {(0, 0, 0): tuple(taps)}


def _tap(channel: int, at: Pair, weight: float, stride: Pair, dilation: Pair) -> Tap:
    row, vertical_phase = divmod(at[0] * dilation[0], stride[0])
    column, horizontal_phase = divmod(at[1] * dilation[1], stride[1])
    return Tap((channel, vertical_phase, horizontal_phase), row, column, weight)


def program_passes(program: Program) -> int:
    """Return the number of array operations of a program."""
    return sum(passes([tap.weight for tap in taps]) for stage in program for taps in stage.values())


def reach(program: Program) -> Pair:
    """Return how many rows and columns past its own position an output looks."""
    steps = [
        (max((t.row for t in taps), default=0), max((t.column for t in taps), default=0))
        for taps in ([tap for taps in stage.values() for tap in taps] for stage in program)
    ]
    return sum(row for row, _ in steps), sum(column for _, column in steps)


class Result(NamedTuple):
    """A plane of results (rows, W_out), of which the last operation is still to be done.

    Attributes:
        last: the operation, on flat strips.
        place: where it writes, as rows.
        operands: what it reads, as rows.
    """

    last: "partial[Any]"
    place: Array
    operands: tuple[Any, ...]

    def write(self, out: Array) -> None:
        """Do the last operation straight into a destination of the results' type: that saves a pass."""
        self.last.func(*self.operands, out=out)

    def value(self) -> Array:
        """Return the results in scratch memory that the next strip uses again."""
        self.last()
        return self.place


def run(
    image: Array,
    programs: Sequence[Program],
    window: Window,
    border: Border,
    dtype: npt.DTypeLike,
    emit: Callable[[int, int, int, list[Result]], None],
) -> None:
    """Run programs over an image, strip by strip.

    Args:
        image: (H, W, C).
        programs: what to compute.
        window: gives stride and output size.
        border: the image's padded rows and columns.
        dtype: of scratch and results; integer sums may wrap on the way but not in the end.
        emit: called with (program number, first row, row after the last, results); it has the results written to where
            it wants them, before it returns.
    """
    rows, columns = (max(reach(program)[axis] for program in programs) for axis in (0, 1))
    height, width = window.output_size
    row_length = -(-(width + columns) // 32) * 32
    strip = max(1, min(height, STRIP_BYTES // (np.dtype(dtype).itemsize * row_length)))
    loader = Loader(border, window.stride, width + columns)
    scratch = Scratch(dtype, (strip + rows) * row_length + columns)
    planes = {tap.plane for program in programs for taps in program[0].values() for tap in taps}
    loaded = {plane: scratch.plane(("input", plane)) for plane in sorted(planes)}
    if len(programs) == 1 and planes:
        # Nobody reads the input again after the first step: one buffer less in the cache.
        scratch.buffers["stage", 1, (0, 0, 0)] = loaded[min(planes)]
    bound: list[_Bound] = []
    for start in range(0, height, strip):
        stop = min(start + strip, height)
        for plane, memory in loaded.items():
            channel, *phase = plane
            target = memory[: (stop - start + rows) * row_length].reshape(-1, row_length)
            loader.load(image[:, :, channel], start, phase, target)
        if start == 0 or stop - start < strip:
            bound = [_bind(program, loaded, (stop - start, row_length, width), scratch) for program in programs]
        for number, (calls, results) in enumerate(bound):
            for call in calls:
                call()
            emit(number, start, stop, results)


class _Bound(NamedTuple):
    """A program for strips of one height: NumPy calls on views of scratch memory, and views of their results."""

    calls: list[partial[Any]]
    results: list[Result]


def _bind(program: Program, planes: dict[Plane, Array], shape: tuple[int, int, int], scratch: Scratch) -> _Bound:
    height, row_length, width = shape
    calls: list[partial[Any]] = []
    results: list[Result] = []
    for number, stage in enumerate(program):
        rows, columns = reach(program[number + 1 :])
        length = (height + rows) * row_length + columns
        made = {}
        for plane, taps in stage.items():
            made[plane] = scratch.plane(("stage", number % 2, plane))
            views = [
                (planes[tap.plane][(at := tap.row * row_length + tap.column) : at + length], tap.weight) for tap in taps
            ]
            *first, last = _weighted_sum(views, made[plane][:length], scratch, plane)
            calls += first
            if number < len(program) - 1:
                calls.append(last)
            else:
                results.append(_unfinished(last, row_length, width))
        planes = made
    return _Bound(calls, results)


def _unfinished(last: "partial[Any]", row_length: int, width: int) -> Result:
    place, *operands = (
        flat.reshape(-1, row_length)[:, :width] if isinstance(flat, np.ndarray) and flat.ndim else flat
        for flat in (last.keywords["out"], *last.args)
    )
    return Result(last, place, tuple(operands))


Term = tuple[Array, float]
"""A view and its weight."""


def _weighted_sum(terms: list[Term], out: Array, scratch: Scratch, plane: Plane) -> Iterator[partial[Any]]:
    """Yield the calls that write a weighted sum; terms of equal weight, up to sign, are added first."""
    if not terms:
        yield partial(np.positive, scratch.plane("zeros")[: len(out)], out=out)
    sizes = sorted({abs(weight) for _, weight in terms}, reverse=True)
    # Weights of one come last: they are added to the sum without a buffer between.
    for number, size in enumerate(sizes):
        group = sorted((term for term in terms if abs(term[1]) == size), key=lambda term: -term[1])
        if number == 0:
            yield from _sum_times(group, out)
        elif size == 1:
            yield from _accumulate(group, out)
        else:
            product = scratch.plane(("product", plane))[: len(out)]
            yield from _sum_times(group, product)
            yield partial(np.add, out, product, out=out)


def _sum_times(terms: list[Term], out: Array) -> Iterator[partial[Any]]:
    """Yield the calls that write a sum of terms of one weight up to sign, positive ones first."""
    (total, weight), *rest = terms
    if rest:
        (second, other), *rest = rest
        yield partial(np.add if other == weight else np.subtract, total, second, out=out)
        yield from _accumulate([(view, other / weight) for view, other in rest], out)
        total = out
    if weight != 1:
        yield partial(np.multiply, total, out.dtype.type(weight), out=out)
    elif total is not out:
        yield partial(np.positive, total, out=out)


def _accumulate(terms: list[Term], out: Array) -> Iterator[partial[Any]]:
    for view, sign in terms:
        yield partial(np.add if sign > 0 else np.subtract, out, view, out=out)
