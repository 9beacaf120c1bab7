"""Flat strips: small kernels as a few passes of NumPy over one strip of rows at a time.

A strip of the image, border included, is copied into flat scratch memory that stays in the processor's cache. There
every tap of a kernel is the same memory at another offset, and every pass is one long one-dimensional NumPy call. What
runs over the end of a row falls into columns that are cut off when the result is copied out.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from cnncli.arrays import Array
from cnncli.ops.convolution.correlation import Correlation
from cnncli.ops.convolution.programs import Plane, Program, filter_programs, program_passes, reach
from cnncli.ops.loading import Loader, Scratch

# Measured: a strip and its scratch stay in the cache, and a NumPy call's cost is spread over many numbers.
STRIP_BYTES = 800_000


def cost(work: Correlation) -> float:
    """Return nanoseconds for loading strips, for the passes over them and for their results."""
    if work.weight.size > 4096:
        return float("inf")
    done = sum(map(program_passes, filter_programs(work)))
    filters, planes = work.weight.shape[3], work.images.shape[3] * work.window.stride[0] * work.window.stride[1]
    # 36 bytes a nanosecond pass through the cache, 4 go in or out of it; fewer when strided or interleaved.
    passed = work.dtype.itemsize * (0.028 * done + 0.25 * filters) + 0.5 * (planes - 1)
    # A strip is loaded with all pixels that its taps need.
    return float(passed * work.waste(400_000 / work.dtype.itemsize))


def run(work: Correlation, image: Array, out: Array) -> None:
    """Correlate one image."""

    def emit(number: int, start: int, stop: int, results: list[PendingPlane]) -> None:
        results[0].write(out[start:stop, :, number])

    run_programs(image, filter_programs(work), work, emit)


class PendingPlane(NamedTuple):
    """A plane of results (rows, W_out) whose last operation is still to be done.

    It is done on flat strips; `place` is where it writes and `operands` is what it reads, both as rows.
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


_Bound = tuple[list["partial[Any]"], list[PendingPlane]]


def run_programs(
    image: Array,
    programs: Sequence[Program],
    work: Correlation,
    emit: Callable[[int, int, int, list[PendingPlane]], None],
) -> None:
    """Run programs over an image, strip by strip.

    Args:
        image: (H, W, C).
        programs: the programs to compute.
        work: gives the geometry, the border, and the type of scratch and results; integer sums may wrap on the way but
            not in the end.
        emit: called with (program number, first row, row after the last, results); it writes the results before it
            returns, because the next strip uses their memory.
    """
    window, dtype = work.window, work.dtype
    rows, columns = (max(reach(program)[axis] for program in programs) for axis in (0, 1))
    height, width = window.output_size
    row_length = -(-(width + columns) // 32) * 32
    strip = max(1, min(height, STRIP_BYTES // (dtype.itemsize * row_length)))
    loader = Loader(work.border, window.stride, width + columns)
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


def _bind(program: Program, planes: dict[Plane, Array], shape: tuple[int, int, int], scratch: Scratch) -> _Bound:
    """Make calls of NumPy on views of scratch memory, and views of their results, for strips of one height."""
    height, row_length, width = shape
    calls: list[partial[Any]] = []
    results: list[PendingPlane] = []
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
    return calls, results


def _unfinished(last: "partial[Any]", row_length: int, width: int) -> PendingPlane:
    place, *operands = (
        flat.reshape(-1, row_length)[:, :width] if isinstance(flat, np.ndarray) and flat.ndim else flat
        for flat in (last.keywords["out"], *last.args)
    )
    return PendingPlane(last, place, tuple(operands))


WeightedView = tuple[Array, float]


def _weighted_sum(terms: list[WeightedView], out: Array, scratch: Scratch, plane: Plane) -> Iterator[partial[Any]]:
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


def _sum_times(terms: list[WeightedView], out: Array) -> Iterator[partial[Any]]:
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


def _accumulate(terms: list[WeightedView], out: Array) -> Iterator[partial[Any]]:
    for view, sign in terms:
        yield partial(np.add if sign > 0 else np.subtract, out, view, out=out)
