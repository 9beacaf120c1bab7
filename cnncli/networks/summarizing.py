"""The table of a network: its rows, and the memory that its activations take."""

from collections.abc import Iterator
from functools import lru_cache
from math import prod

from cnncli.networks.layers import Layer, Sequential
from cnncli.networks.summary import IDENTITY, ReceptiveField, Row, Summary, totals
from cnncli.shapes import Shape, Window


def summarize(layers: Sequential, input_shape: Shape, name: str = "", title: str = "") -> Summary:
    """Return the summary of layers with this input.

    Example:
        >>> from cnncli.networks import parse_network
        >>> summarize(parse_network("6x6x3 conv3-10").layers, (6, 6, 3)).totals.params
        280
    """
    field = ReceptiveField() if len(input_shape) == 3 else None
    rows = tuple(sequence_rows(layers, input_shape, field)[0])
    numbers_kept = prod(input_shape) + sum(kept(layers, input_shape))
    return Summary(name, title, input_shape, rows, totals(rows), peak(layers, input_shape), numbers_kept)


def sequence_rows(
    layers: Sequential, input_shape: Shape, field: ReceptiveField | None, prefix: str = "", depth: int = 0
) -> tuple[list[Row], ReceptiveField | None]:
    """Return the rows of a sequence, and the receptive field of its output."""
    rows: list[Row] = []
    for position, layer, before, after in layers.placed(input_shape):
        name = f"{prefix}{position}.{layer.op}"
        if layer.branches:
            inner, field = block_rows(layer, before, after, field, name, depth)
            rows.extend(inner)
        else:
            field = None if field is None else layer.receptive_field(field, before)
            rows.append(_facts(layer, before)._replace(name=name, depth=depth, receptive_field=field))
    return rows, field


def block_rows(
    block: Layer, input_shape: Shape, output_shape: Shape, field: ReceptiveField | None, name: str, depth: int
) -> tuple[list[Row], ReceptiveField | None]:
    """Return a block's row, with the sums of its branches, and the rows of the branches."""
    rows: list[Row] = []
    fields: list[ReceptiveField | None] = []
    for key, title, branch in block.branches:
        inner, after = sequence_rows(branch, input_shape, field, f"{name}.{key}.", depth + 1)
        if not inner:
            identity = Row(f"{name}.{key}", IDENTITY, IDENTITY, depth + 1, "", input_shape, input_shape)
            inner = [identity._replace(receptive_field=field)]
        rows += [inner[0]._replace(branch=title), *inner[1:]]
        fields.append(after)
    sums = totals(rows, depth + 1)._asdict()
    # A branch that is repeated over positions has no receptive field that moves with them.
    moving = all(branch.output_shape(input_shape)[:-1] == output_shape[:-1] for _, _, branch in block.branches)
    whole = union(fields) if moving else None
    row = Row(name, block.label, block.op, depth, "", input_shape, output_shape, **sums, receptive_field=whole)
    return [row, *rows], whole


@lru_cache(maxsize=1024)  # a network repeats itself
def _facts(layer: Layer, input_shape: Shape) -> Row:
    output_shape = layer.output_shape(input_shape)
    return Row(
        layer.op,
        str(layer),
        layer.op,
        input_shape=input_shape,
        output_shape=output_shape,
        activations=prod(output_shape),
        params=sum(map(prod, layer.param_shapes(input_shape).values())),
        buffers=sum(map(prod, layer.buffer_shapes(input_shape).values())),
        macs=layer.macs(input_shape),
        connections=layer.connections(input_shape),
        filter=layer.filter_shape(input_shape),
        warnings=tuple(window_warnings(layer.window(input_shape))),
    )


def union(fields: list[ReceptiveField | None]) -> ReceptiveField | None:
    """Return the largest of the branches' receptive fields, if all have the same centre."""
    known = [field for field in fields if field is not None]
    if len(known) < len(fields):
        return None
    axes = [_axis_union(known, axis) for axis in (0, 1)]
    (height, top), (width, left) = axes
    stride = max(field.stride[0] for field in known), max(field.stride[1] for field in known)
    return ReceptiveField((height, width), stride, (top, left))


def _axis_union(fields: list[ReceptiveField], axis: int) -> tuple[int, float]:
    first = min(field.offset[axis] - (field.size[axis] - 1) / 2 for field in fields)
    last = max(field.offset[axis] + (field.size[axis] - 1) / 2 for field in fields)
    return int(last - first) + 1, (first + last) / 2


def window_warnings(window: Window | None) -> Iterator[str]:
    """Yield warnings about a window: dropped pixels of the input, and uneven padding.

    Example:
        >>> list(window_warnings(Window.over((7, 7), 2, stride=2)))
        ['drops the last row and column']
    """
    if window is None:
        return
    top, bottom, left, right = window.padding
    rows, columns = (n + p - reach for n, p, reach in zip(window.size, (top, left), window.reach, strict=True))
    dropped = [_last(rows, "row"), _last(columns, "column")]
    if rows == columns == 1:
        dropped = ["row and column"]
    if any(dropped):
        yield f"drops the last {' and the last '.join(filter(None, dropped))}"
    if (top, left) != (bottom, right):
        yield f"pads unevenly: {top} above, {bottom} below, {left} left, {right} right"


def _last(count: int, noun: str) -> str:
    if count < 1:
        return ""
    return noun if count == 1 else f"{count} {noun}s"


def peak(layers: Sequential, input_shape: Shape, keep_input: bool = False) -> int:
    """Return the most numbers alive at one moment of a forward pass through a sequence.

    Args:
        layers: the sequence.
        input_shape: what comes in.
        keep_input: whether the input is needed after the sequence.
    """
    most = prod(input_shape)
    for position, layer, before, after in layers.placed(input_shape):
        held = prod(input_shape) if keep_input and position else 0
        most = max(most, held + (_block_peak if layer.branches else _layer_peak)(layer, before, after))
    return most


def _layer_peak(layer: Layer, input_shape: Shape, output_shape: Shape) -> int:
    """Return the numbers of input and output; the layers after the first of a word need only one array."""
    return prod(input_shape) + (0 if layer.follows else prod(output_shape))


def _block_peak(block: Layer, input_shape: Shape, output_shape: Shape) -> int:
    most = held = 0
    last = len(block.branches) - 1
    for index, (_, _, branch) in enumerate(block.branches):
        most = max(most, held + peak(branch, input_shape, index < last))
        held += prod(branch.output_shape(input_shape))
    return max(most, held if block.joins_in_place(input_shape) else held + prod(output_shape))


def kept(layers: Sequential, input_shape: Shape) -> Iterator[int]:
    """Yield the numbers that each layer keeps for the backward pass."""
    for _, layer, before, after in layers.placed(input_shape):
        for _, _, branch in layer.branches:
            yield from kept(branch, before)
        yield prod(after) * sum(not word.follows or word.measures for word in layer.words)
