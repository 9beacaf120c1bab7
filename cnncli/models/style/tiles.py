"""Tiles of a picture, so that a network computes a large one in little memory.

A tile is a part of the picture and, around it, all that the outputs of the part depend on. Outputs inside the part are
those of the whole picture, and so are sums over all parts, and gradients.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise, product
from math import ceil, lcm
from typing import NamedTuple

from cnncli.engines.pixels.steps import IMAGES, Steps, cut, full_names
from cnncli.errors import ArgumentError
from cnncli.networks import Network
from cnncli.networks.layers import Layer
from cnncli.networks.summary import ReceptiveField
from cnncli.shapes import Pair, Shape

MOST = 16  # parts of a side


class Side(NamedTuple):
    """A tile along one side of the picture, in pixels.

    Attributes:
        start: its first pixel.
        stop: the pixel after its last.
        first: the first pixel of its own part.
        last: the pixel after the last of its own part; None at the end of the picture.
    """

    start: int
    stop: int
    first: int = 0
    last: int | None = None

    def own(self, stride: int) -> tuple[slice, slice]:
        """Return its own positions of a layer of this stride: in the tile, and in the whole picture."""
        last = None if self.last is None else self.last // stride
        before = self.start // stride
        return slice(self.first // stride - before, None if last is None else last - before), slice(
            self.first // stride, last
        )


class Tile(NamedTuple):
    """A tile: its rows and its columns."""

    rows: Side
    columns: Side

    @property
    def place(self) -> tuple[slice, slice]:
        """Its pixels in the picture."""
        return slice(self.rows.start, self.rows.stop), slice(self.columns.start, self.columns.stop)

    def own(self, stride: Pair) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Return its own positions of a layer, in the tile and in the whole picture."""
        rows, columns = self.rows.own(stride[0]), self.columns.own(stride[1])
        return (rows[0], columns[0]), (rows[1], columns[1])


class Tiling(NamedTuple):
    """The tiles of a picture.

    Attributes:
        tiles: all of them.
        strides: pixels between neighbouring positions of each layer, by its name.
    """

    tiles: list[Tile]
    strides: Mapping[str, Pair]


def whole(shape: Shape, layers: Iterable[str]) -> Tiling:
    """Return the picture as its only tile."""
    return Tiling([Tile(Side(0, shape[0]), Side(0, shape[1]))], dict.fromkeys(layers, (1, 1)))


def tilings(network: Network, shape: Shape, layers: Iterable[str]) -> Iterator[tuple[Shape, Tiling]]:
    """Yield ways to tile a picture (H, W, C), the fastest first, each with the shape of its largest tile.

    Each has smaller tiles than those before, in height or in width.

    Raises:
        ArgumentError: a layer sees the whole picture, or moves by fractions of pixels.
    """
    fields = receptive_fields(network, shape, layers)
    strides = {name: field.stride for name, field in fields.items()}
    grids = [lcm(*(stride[axis] for stride in strides.values())) for axis in (0, 1)]
    margins = [max(_margin(field, axis) for field in fields.values()) for axis in (0, 1)]
    sides = [_splits(shape[axis], grids[axis], margins[axis]) for axis in (0, 1)]
    found = []
    for rows, columns in product(*sides):
        tiles = [Tile(*pair) for pair in product(rows, columns)]
        work = sum((tile.rows.stop - tile.rows.start) * (tile.columns.stop - tile.columns.start) for tile in tiles)
        largest = max(s.stop - s.start for s in rows), max(s.stop - s.start for s in columns)
        found.append((work, (*largest, shape[2]), Tiling(tiles, strides)))
    seen: list[Shape] = []
    for _, size, tiling in sorted(found, key=lambda way: way[0]):
        if not any(size[0] >= other[0] and size[1] >= other[1] for other in seen):
            seen.append(size)
            yield size, tiling


def map_shapes(network: Network, shape: Shape, layers: Iterable[str]) -> dict[str, Shape]:
    """Return (H, W, C) of the outputs of layers for pictures of a shape.

    Raises:
        ShapeError: a layer cannot take what comes in.
    """
    names = full_names(network, layers)
    graph = Steps(cut(network, shape, names.values()))
    return {name: graph.steps[graph.names[full]].shape for name, full in names.items()}


def receptive_fields(network: Network, shape: Shape, layers: Iterable[str]) -> dict[str, ReceptiveField]:
    """Return the receptive field of each layer for pictures of a shape.

    Raises:
        ArgumentError: a layer that it needs sees the whole picture, or moves by fractions of pixels.
    """
    names = full_names(network, layers)
    graph = Steps(cut(network, shape, names.values()))
    found = {IMAGES: ReceptiveField()}
    for number in graph.needed(graph.names[full] for full in names.values()):
        step = graph.steps[number]
        field = _through(step.layer, [found[source] for source in step.sources], step.input_shape)
        if field is None:
            raise ArgumentError(
                f"layer {step.path.removesuffix('.')} ({step.layer.label}) depends on the whole picture, so tiles "
                "cannot stand for it: leave --memory out, or name layers before it"
            )
        found[number] = field
    return {name: found[graph.names[full]] for name, full in names.items()}


def _through(layer: Layer, before: list[ReceptiveField], shape: Shape) -> ReceptiveField | None:
    """Return the receptive field behind a layer; None where positions differ."""
    if len(before) > 1 or layer.branches:
        return _joined(before)
    if layer.reach == "all" or layer.sees_all:
        return None
    return layer.receptive_field(before[0], shape)


def _joined(fields: list[ReceptiveField]) -> ReceptiveField | None:
    """Return the field that covers several; None where they move differently."""
    if len({field.stride for field in fields}) > 1:
        return None
    ends = [(_ends(field, 0), _ends(field, 1)) for field in fields]
    low = [min(pair[axis][0] for pair in ends) for axis in (0, 1)]
    high = [max(pair[axis][1] for pair in ends) for axis in (0, 1)]
    size = round(high[0] - low[0]) + 1, round(high[1] - low[1]) + 1
    return ReceptiveField(size, fields[0].stride, ((low[0] + high[0]) / 2, (low[1] + high[1]) / 2))


def _ends(field: ReceptiveField, axis: int) -> tuple[float, float]:
    """Return the first and the last pixel that the first position sees."""
    reach = (field.size[axis] - 1) / 2
    return field.offset[axis] - reach, field.offset[axis] + reach


def _margin(field: ReceptiveField, axis: int) -> int:
    """Return how many pixels around a part its positions see at most."""
    first, last = _ends(field, axis)
    return max(0, ceil(-first), ceil(last) - field.stride[axis] + 1)


def _splits(size: int, grid: int, margin: int) -> list[list[Side]]:
    """Return ways to split a side: into one tile, two, and so on, until the margins are most of them.

    Tiles begin, and end before the picture's end, at multiples of the grid: so every layer's positions are the same.
    """
    found, before = [[Side(0, size)]], -1
    margin = ceil(margin / grid) * grid
    for count in range(2, MOST):
        edges = sorted({round(part * size / count / grid) * grid for part in range(1, count)} - {0})
        if len(edges) == before or not edges or edges[-1] >= size:
            break
        before = len(edges)
        ends = [0, *edges, size]
        found.append([_side(size, grid, margin, *pair) for pair in pairwise(ends)])
    return found


def _side(size: int, grid: int, margin: int, first: int, last: int) -> Side:
    stop = size - max(0, size - last - margin) // grid * grid
    return Side(max(0, first - margin), stop, first, None if last == size else last)
