"""The receptive field of one unit, on the input and on the maps between."""

import math
from typing import NamedTuple

from cnncli.errors import ArgumentError
from cnncli.networks.drawing.naming import find_layers, shown
from cnncli.networks.summary import ReceptiveField, Row, Summary
from cnncli.networks.words import quote
from cnncli.shapes import Pair, Shape, show_shape

INPUT = ""
"""The name of the input among layers."""


class Region(NamedTuple):
    """The part of a map that one unit sees.

    Attributes:
        rows: first and last.
        columns: first and last.
    """

    rows: Pair
    columns: Pair

    @property
    def is_empty(self) -> bool:
        """Whether the unit sees padding alone."""
        return self.rows[0] > self.rows[1] or self.columns[0] > self.columns[1]

    @property
    def lines(self) -> list[str]:
        """The region in words."""
        if self.is_empty:
            return ["padding alone"]
        return [_range("row", *self.rows), _range("column", *self.columns)]


def _range(noun: str, first: int, last: int) -> str:
    return f"{noun} {first}" if first == last else f"{noun}s {first} to {last}"


class Sight(NamedTuple):
    """The parts of the maps that one unit sees.

    Attributes:
        row: the unit's layer.
        unit: its row and column.
        regions: the part that it sees of each map between, by the layer's name; `INPUT` is the input.
    """

    row: Row
    unit: Pair
    regions: dict[str, Region]

    def __str__(self) -> str:
        seen, field = self.regions[INPUT], self.row.receptive_field
        assert field is not None
        words = f"{self.row.name} ({self.row.spec}) at row {self.unit[0]}, column {self.unit[1]}"
        lengths = [last - first + 1 for first, last in (seen.rows, seen.columns)]
        clipped = "" if lengths == [*field.size] else ", clipped at the border"
        return f"Receptive field of {words}: {show_shape(field.size)}{clipped}: {', '.join(seen.lines)} of the input."


def sight(summary: Summary, text: str) -> Sight:
    """Return what one unit sees.

    Args:
        summary: the network's.
        text: `LAYER:X,Y`, with the layer's name or word, and the column and the row of the unit in its output.

    Raises:
        ArgumentError: there is no such unit, or its receptive field is not known.

    Example:
        >>> from cnncli.networks import parse_network
        >>> summary = parse_network("32x32 conv5-6 max2").summary()
        >>> print(sight(summary, "max2:0,1"))
        Receptive field of 1.max (max2) at row 1, column 0: 6x6: rows 2 to 7, columns 0 to 5 of the input.
    """
    layer, unit = _read(text)
    rows = find_layers(summary, layer)
    if len(rows) > 1:
        names = ", ".join(row.name for row in rows[:10])
        raise ArgumentError(f"{layer} is the word of {len(rows)} layers: give the name of one, such as {names}")
    row, shape = rows[0], rows[0].output_shape
    if shape is None or len(shape) != 3 or summary.input_shape is None:
        raise ArgumentError(f"{layer} has no rows and columns, its output is {shown(shape)}: name a layer before it")
    if row.receptive_field is None:
        raise ArgumentError(f"the receptive field of {layer} is not known, or differs between its units")
    if not all(place < size for place, size in zip(unit, shape[:2], strict=True)):
        raise ArgumentError(f"{layer} has an output of {shown(shape)}: it has no row {unit[0]}, column {unit[1]}")
    return Sight(row, unit, _regions(summary, row, Region((unit[0], unit[0]), (unit[1], unit[1]))))


def _regions(summary: Summary, row: Row, region: Region) -> dict[str, Region]:
    """Return what a part of a layer's output sees, map by map: padding and dropped pixels lead no further."""
    regions = {row.name: region}
    maps = [(before.name, before.receptive_field, before.output_shape) for before in _path(summary.rows, row)[1:]]
    field = row.receptive_field
    for name, before, shape in [*maps, (INPUT, ReceptiveField(), summary.input_shape)]:
        if field is not None and before is not None and shape is not None and len(shape) == 3:
            region, field = _seen(region, field, before, shape), before
            regions[name] = region
    return regions


def _read(text: str) -> tuple[str, Pair]:
    layer, _, place = text.rpartition(":")
    numbers = place.split(",")
    if not layer or len(numbers) != 2 or not all(number.isascii() and number.isdecimal() for number in numbers):
        raise ArgumentError(f"--receptive-field must be LAYER:X,Y, such as 2.conv:0,0, got {quote(text)}")
    return layer, (int(numbers[1]), int(numbers[0]))


def _path(rows: tuple[Row, ...], row: Row) -> list[Row]:
    """Return a row and those before it that all of its input has gone through."""
    found, depth, begun = [], row.depth, False
    for before in reversed(rows[: rows.index(row) + 1]):
        if before.depth > depth or (begun and before.depth == depth):
            continue
        if before.depth < depth:  # the block whose branch began
            depth, begun = before.depth, bool(before.branch)
            continue
        found.append(before)
        begun = bool(before.branch)
    return found


def _seen(region: Region, field: ReceptiveField, before: ReceptiveField, shape: Shape) -> Region:
    """Return the part of an earlier map, with its field, that a region sees: fields measured in units of that map."""
    if region.is_empty:
        return region
    ends = []
    for axis, (first, last) in enumerate((region.rows, region.columns)):
        reach = (field.size[axis] - before.size[axis]) / before.stride[axis] / 2
        step, start = field.stride[axis] / before.stride[axis], field.offset[axis] - before.offset[axis]
        centre = start / before.stride[axis]
        low, high = math.ceil(centre + first * step - reach), math.floor(centre + last * step + reach)
        ends.append((max(low, 0), min(high, shape[axis] - 1)))
    return Region(ends[0], ends[1])
