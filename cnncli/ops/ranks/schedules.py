"""Networks computed as calls of NumPy on planes of flat memory.

In a flat plane, a wire that has moved is the same memory at another offset, and every node is one long one-dimensional
call. What runs over the end of a row falls into columns that are cut off when results are copied out. Channels stay
interleaved: a column further on is as many numbers further on as there are channels.
"""

from typing import NamedTuple

import numpy as np

from cnncli.arrays import Array, DType
from cnncli.ops.loading import Scratch
from cnncli.ops.ranks.networks import Network
from cnncli.ops.ranks.strips import Strip, even
from cnncli.shapes import Pair

# Measured: planes that all fit the cache are best, but those of fewer pixels lose more by NumPy's 200 ns a call.
CACHE_BYTES = 800_000
LEAST_BYTES, LEAST_PIXELS = 130_000, 100_000
MOST_BYTES = 1 << 27


class Place(NamedTuple):
    """A wire as memory: a buffer, and rows and columns from its first position."""

    buffer: int
    down: int
    right: int


class Step(NamedTuple):
    """A node as a call of NumPy.

    Attributes:
        ufunc: what is called.
        one: the first operand.
        other: the second.
        out: the buffer for what is made; None for the results of the network.
        down: rows that are needed past the strip's.
    """

    ufunc: np.ufunc
    one: Place
    other: Place
    out: int | None
    down: int


class Schedule(NamedTuple):
    """A network with a buffer for each node; it is used again when no step needs its contents.

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
        steps.append(Step(np.maximum if greater else np.minimum, one, other, out, extents[number][0]))
    downs, rights = zip(*extents[: network.phases], strict=True)
    return Schedule(network.phases, steps, buffers, (max(downs), max(rights)))


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


def _tile(plan: Schedule, size: Pair, pixel_bytes: int) -> Pair:
    """Return (rows, columns) of the planes that are computed at once, for planes of a size."""
    least = min(LEAST_BYTES, LEAST_PIXELS * pixel_bytes, MOST_BYTES // plan.buffers)
    pixels = max(least, CACHE_BYTES // plan.buffers) // pixel_bytes
    # Wide rows, but so many of them that not much is computed twice.
    columns = even(size[1], max(256, pixels // (4 * plan.extent[0] + 1)))
    return even(size[0], max(1, pixels // (columns + plan.extent[1]))), columns


_Call = tuple[np.ufunc, Array, Array, Array | None]
"""A function, its operands and where the result goes: None for results of the network."""


class NetworkStrip(Strip):
    """Scratch memory for strips of one size, and the calls of NumPy on it, made once."""

    def __init__(self, plan: Schedule, shape: tuple[int, ...], dtype: DType) -> None:
        """Take memory for part of (H_out, W_out, C) results."""
        height, width, channels = shape
        rows, columns = self.size = _tile(plan, (-(-height // plan.phases), width), channels * dtype.itemsize)
        down, right = self.reach = plan.extent
        # A multiple of a cache line.
        row_length = -(-(columns + right) // 64) * 64
        self.steps = row_length * channels, channels
        scratch = Scratch(dtype, (rows + down) * self.steps[0] + right * channels)
        self.planes = [scratch.plane(number) for number in range(plan.buffers)]
        loaded = (rows + down) * self.steps[0]
        self.pixels = [plane[:loaded].reshape(-1, row_length, channels) for plane in self.planes[: plan.phases]]
        self.calls = [self._call(step) for step in plan.steps]

    def _call(self, step: Step) -> _Call:
        rows, columns = self.size
        length = (rows + step.down) * self.steps[0]
        one, other = (self._flat(place, length) for place in (step.one, step.other))
        if step.out is not None:
            return step.ufunc, one, other, self.planes[step.out][:length]
        one, other = (flat.reshape(rows, -1, self.steps[1])[:, :columns] for flat in (one, other))
        return step.ufunc, one, other, None

    def _flat(self, place: Place, length: int) -> Array:
        start = place.down * self.steps[0] + place.right * self.steps[1]
        return self.planes[place.buffer][start : start + length]

    def compute(self, out: Array) -> None:
        phases = iter(range(len(self.pixels)))
        for ufunc, one, other, place in self.calls:
            if place is None:
                place = out[next(phases) :: len(self.pixels)]
                one, other = one[: len(place)], other[: len(place)]
            ufunc(one, other, out=place)
