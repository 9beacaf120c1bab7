"""Networks computed strip by strip, on planes of flat memory.

In a flat plane, a wire that has moved is the same memory at another offset, and every node is one long one-dimensional
call of NumPy. What runs over the end of a row falls into columns that are cut off when results are copied out. Channels
stay interleaved: a column further on is as many numbers further on as there are channels.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.ops.loading import Border, Loader, Scratch
from cnncli.ops.ranks.networks import Network
from cnncli.ops.ranks.orders import turn
from cnncli.shapes import Pair

# Measured: planes that all fit the cache are best, but those of fewer pixels lose more by NumPy's 200 ns a call.
CACHE_BYTES = 1 << 20
LEAST_BYTES, LEAST_PIXELS = 1 << 17, 1 << 16


class Place(NamedTuple):
    """A wire as memory: a buffer, and rows and columns from its first position."""

    buffer: int
    down: int
    right: int


class Step(NamedTuple):
    """A node as a call: which function, of what, into which buffer, for how many rows and columns past the strip's.

    A step without a buffer makes results.
    """

    ufunc: np.ufunc
    one: Place
    other: Place
    out: int | None
    extent: Pair


class Schedule(NamedTuple):
    """A network with a buffer for each node; a buffer is used again when no step needs its contents.

    Attributes:
        phases: those of the network.
        steps: the calls in order.
        buffers: number of buffers; the first ones are the pixels of the phases.
        extent: rows and columns of pixels that are needed past the strip's.
    """

    phases: int
    steps: list[Step]
    buffers: int
    extent: Pair


def schedule(network: Network) -> Schedule:
    """Give every node of a network a buffer."""
    extents, last_reader = _extents(network), _last_readers(network)
    results = {wire.node for wire in network.outputs}
    places, free, buffers, steps = dict(enumerate(range(network.phases))), list[int](), network.phases, list[Step]()
    for number, (greater, *wires) in enumerate(network.nodes, network.phases):
        operands = [Place(places[wire.node], wire.down, wire.right) for wire in wires]
        dying = {places[wire.node] for wire in wires if last_reader[wire.node] == number}
        # NumPy writes a result over an operand at the same place; over one that has moved, it would make a copy first.
        moved = {place.buffer for place in operands if place.down or place.right}
        free += dying - moved
        out = None
        if number not in results:
            if not free:
                free, buffers = [buffers], buffers + 1
            out = places[number] = free.pop()
        free += dying & moved
        one, other = operands
        steps.append(Step(np.maximum if greater else np.minimum, one, other, out, extents[number]))
    pixels = extents[: network.phases]
    return Schedule(
        network.phases, steps, buffers, (max(down for down, _ in pixels), max(right for _, right in pixels))
    )


def _last_readers(network: Network) -> dict[int, int]:
    return {
        wire.node: number
        for number, node in enumerate(network.nodes, network.phases)
        for wire in (node.one, node.other)
    }


def _extents(network: Network) -> list[Pair]:
    """Return for each node the rows and columns past the strip's that other nodes read."""
    extents = [(0, 0)] * (network.phases + len(network.nodes))
    for number, (_, *wires) in reversed(list(enumerate(network.nodes, network.phases))):
        for wire in wires:
            down, right = (now + moved for now, moved in zip(extents[number], (wire.down, wire.right), strict=True))
            extents[wire.node] = max(extents[wire.node][0], down), max(extents[wire.node][1], right)
    return extents


def run(plan: Schedule, image: Array, border: Border, out: Array, *, floats: bool = False) -> None:
    """Compute a network over an image.

    Args:
        plan: the network's schedule.
        image: (H, W, C), of integers.
        border: the image's border.
        out: (H_out, W_out, C), the results.
        floats: the integers are the bits of floating-point numbers.
    """
    height, width, channels = -(-out.shape[0] // plan.phases), *out.shape[1:]
    rows, columns = _tile(plan, (height, width), channels * out.itemsize)
    strip = _Strip(plan, (rows, columns, channels), out.dtype)
    for left in _starts(width, columns):
        taken = border._replace(columns=border.columns[left : left + columns + plan.extent[1]])
        loader = Loader(taken, (plan.phases, 1), len(taken.columns))
        for top in _starts(height, rows):
            for phase, pixels in enumerate(strip.pixels):
                loader.load(image, top, (phase, 0), pixels)
                if floats:
                    turn(pixels)
            first = top * plan.phases
            results = out[first : first + rows * plan.phases, left : left + columns]
            strip.compute(results)
            if floats:
                turn(results)


def _starts(size: int, piece: int) -> Iterator[int]:
    """Yield where pieces of one size begin; the last one overlaps the one before it if need be."""
    return (min(start, size - piece) for start in range(0, size, piece))


def _tile(plan: Schedule, size: Pair, pixel_bytes: int) -> Pair:
    """Return (rows, columns) of the planes that are computed at once, for planes of a size."""
    least = min(LEAST_PIXELS, LEAST_BYTES // pixel_bytes)
    pixels = max(least, CACHE_BYTES // (plan.buffers * pixel_bytes))
    height, width = size
    # Wide rows, but so many of them that not much is computed twice.
    most = max(256, pixels // (4 * plan.extent[0] + 1))
    columns = _even(width, most)
    return _even(height, max(1, pixels // (columns + plan.extent[1]))), columns


def _even(size: int, most: int) -> int:
    """Return the size of equal pieces that are no larger than `most`."""
    return -(-size // -(-size // most))


class _Strip:
    """Scratch memory for strips of one size, and the calls of NumPy on it, made once."""

    def __init__(self, plan: Schedule, shape: tuple[int, int, int], dtype: DType) -> None:
        rows, columns, channels = shape
        self.shape, self.phases = shape, plan.phases
        row_length = -(-(columns + plan.extent[1]) // 64) * 64
        self.steps = row_length * channels, channels
        length = rows * self.steps[0]
        scratch = Scratch(dtype, length + self._offset(*plan.extent))
        self.planes = [scratch.plane(number) for number in range(plan.buffers)]
        loaded = (rows + plan.extent[0]) * self.steps[0]
        self.pixels = [plane[:loaded].reshape(-1, row_length, channels) for plane in self.planes[: plan.phases]]
        self.calls = [self._call(step, length) for step in plan.steps]

    def _offset(self, down: int, right: int) -> int:
        return down * self.steps[0] + right * self.steps[1]

    def _call(self, step: Step, length: int) -> "_Call":
        length += self._offset(*step.extent)
        starts = [self._offset(place.down, place.right) for place in (step.one, step.other)]
        one, other = (
            self.planes[place.buffer][start : start + length]
            for place, start in zip((step.one, step.other), starts, strict=True)
        )
        if step.out is not None:
            return step.ufunc, one, other, self.planes[step.out][:length]
        rows, columns, channels = self.shape
        one, other = (flat.reshape(rows, -1, channels)[:, :columns] for flat in (one, other))
        return step.ufunc, one, other, None

    def compute(self, out: Array) -> None:
        """Compute a strip of results, the rows of all phases."""
        phases = iter(range(self.phases))
        for ufunc, one, other, place in self.calls:
            if place is None:
                place = out[next(phases) :: self.phases]
                one, other = one[: len(place)], other[: len(place)]
            ufunc(one, other, out=place)


_Call = tuple[np.ufunc, Array, Array, Array | None]
