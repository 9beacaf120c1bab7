"""Programs: kernels as steps of weighted sums of shifted planes.

A stride needs no second mechanism: with stride (s_y, s_x) an image is stored as s_y * s_x planes, one a phase, and a
tap is an offset in one of them.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.convolution.correlation import Correlation
from cnncli.ops.convolution.kernels import cascade, divide_lines, passes, rank_one
from cnncli.shapes import Pair

Plane = tuple[int, int, int]
"""(channel, vertical phase, horizontal phase)."""


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


IntegerKernel = tuple[tuple[int, ...], ...]


@lru_cache(maxsize=64)
def compile_pair(
    vertical: IntegerKernel, horizontal: IntegerKernel, channel: int, stride: Pair, dilation: Pair
) -> tuple[Program, int]:
    """Return the steps that make two planes g and h of a channel, and a gain, for the length of the gradient.

    With the responses g_x and g_y to two integer kernels, given as rows, g_x^2 + g_y^2 = gain (g^2 + h^2). They are not
    g and h themselves where others are cheaper: Sobel's kernels are both sums over 2x2 boxes, and with B these sums,
    g_x = P + Q and g_y = P - Q for two diagonal differences of B, so that g_x^2 + g_y^2 = 2 (P^2 + Q^2).
    """
    pair, prefix = (np.array(vertical), np.array(horizontal)), list[Stage]()
    source = channel
    for axis in (0, 1) if stride == (1, 1) else ():
        rests = [divide_lines(kernel, axis) for kernel in pair]
        if rests[0] is not None and rests[1] is not None:
            pair = (rests[0], rests[1])
            prefix.append(_line((1, 1), (dilation[0], 0) if axis == 0 else (0, dilation[1]), source))
            source = 0
    pair, gain = _rotated(pair)
    last = {
        (number, 0, 0): tuple(
            _tap(source, (a, b), kernel[a, b].item(), stride, dilation) for a, b in np.argwhere(kernel).tolist()
        )
        for number, kernel in enumerate(pair)
    }
    return (*prefix, last), gain


def _rotated(pair: tuple[Array, Array]) -> tuple[tuple[Array, Array], int]:
    """Return half the sum and half the difference of two kernels, and 2, where they are integer and cheaper."""
    total, difference = pair[0] + pair[1], pair[0] - pair[1]
    halves = (total // 2, difference // 2)
    whole = not np.any(total % 2)
    return (halves, 2) if whole and sum(map(passes, halves)) < sum(map(passes, pair)) else (pair, 1)


def _separated(column: Sequence[float], row: Sequence[float], channel: int, stride: Pair, dilation: Pair) -> Program:
    if stride == (1, 1):
        lines = [(vector, (dilation[0], 0)) for vector in cascade(tuple(column))]
        lines += [(vector, (0, dilation[1])) for vector in cascade(tuple(row))]
        return tuple(_line(*line, 0 if number else channel) for number, line in enumerate(lines))
    across = [_tap(0, (0, b), weight, stride, dilation) for b, weight in enumerate(row) if weight]
    down = [_tap(channel, (a, 0), weight, stride, dilation) for a, weight in enumerate(column) if weight]
    phases = {tap.plane[2] for tap in across}
    vertical_stage = {
        (0, 0, phase): tuple(tap._replace(plane=(channel, tap.plane[1], phase)) for tap in down) for phase in phases
    }
    return (vertical_stage, {(0, 0, 0): tuple(across)})


def _line(vector: Sequence[float], step: Pair, channel: int) -> Stage:
    taps = (Tap((channel, 0, 0), i * step[0], i * step[1], weight) for i, weight in enumerate(vector) if weight)
    return {(0, 0, 0): tuple(taps)}


def _tap(channel: int, at: Pair, weight: float, stride: Pair, dilation: Pair) -> Tap:
    row, vertical_phase = divmod(at[0] * dilation[0], stride[0])
    column, horizontal_phase = divmod(at[1] * dilation[1], stride[1])
    return Tap((channel, vertical_phase, horizontal_phase), row, column, weight)


def filter_programs(work: Correlation) -> list[Program]:
    """Return the program of each filter of a convolution."""
    return [
        compile_kernel(work.weight[..., number], work.channels(number), work.window.stride, work.window.dilation)
        for number in range(work.weight.shape[3])
    ]


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
