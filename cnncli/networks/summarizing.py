"""The table of a network: its rows, and the memory that its activations take."""

from collections.abc import Iterator
from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING

from cnncli.networks.layers import Block, Chain, Layer, Sequential
from cnncli.networks.layers.norms import Normalization
from cnncli.networks.summary import ReceptiveField, Row, Summary, totals
from cnncli.shapes import Shape, Window

if TYPE_CHECKING:
    from cnncli.networks.network import Network


def summarize(network: "Network") -> Summary:
    """Return a network's summary.

    Example:
        >>> from cnncli.networks import parse_network
        >>> summarize(parse_network("6x6x3 conv3-10")).totals.params
        280
    """
    field = ReceptiveField() if len(network.input_shape) == 3 else None
    rows, _ = sequence_rows(network.layers, network.input_shape, field)
    return Summary(
        network.name,
        network.title,
        network.input_shape,
        tuple(rows),
        totals(tuple(rows)),
        peak(network.layers, network.input_shape),
        prod(network.input_shape) + sum(kept(network.layers, network.input_shape)),
    )


def sequence_rows(
    layers: Sequential, input_shape: Shape, field: ReceptiveField | None, prefix: str = "", depth: int = 0
) -> tuple[list[Row], ReceptiveField | None]:
    """Return the rows of a sequence, and the receptive field of what it puts out."""
    rows: list[Row] = []
    for step in layers.steps(input_shape):
        name = f"{prefix}{step.position}.{step.layer.op}"
        if isinstance(step.layer, Block):
            inner, field = block_rows(step.layer, step.input_shape, step.output_shape, field, name, depth)
            rows.extend(inner)
        else:
            field = field_after(step.layer, step.input_shape, field)
            rows.append(layer_row(step.layer, step.input_shape, field, name, depth))
    return rows, field


def block_rows(
    block: Block, input_shape: Shape, output_shape: Shape, field: ReceptiveField | None, name: str, depth: int
) -> tuple[list[Row], ReceptiveField | None]:
    """Return a block's row, with the sums of its branches, and the rows of the branches."""
    rows: list[Row] = []
    fields: list[ReceptiveField | None] = []
    for key, title, branch in block.branches:
        inner, after = sequence_rows(branch, input_shape, field, f"{name}.{key}.", depth + 1)
        if not inner:
            inner = [Row(f"{name}.{key}", "identity", "identity", depth + 1, "", input_shape, input_shape)]
            inner = [inner[0]._replace(receptive_field=field)]
        rows += [inner[0]._replace(branch=title), *inner[1:]]
        fields.append(after)
    direct = [row for row in rows if row.depth == depth + 1]
    sums = {key: sum(getattr(row, key) for row in direct) for key in _SUMS}
    # What is repeated over positions does not move with them.
    moving = all(branch.output_shape(input_shape)[:-1] == output_shape[:-1] for _, _, branch in block.branches)
    whole = union(fields) if moving else None
    return [
        Row(name, block.label, block.op, depth, "", input_shape, output_shape, **sums, receptive_field=whole),
        *rows,
    ], whole


_SUMS = ("activations", "params", "buffers", "macs", "connections")


def layer_row(layer: Layer, input_shape: Shape, field: ReceptiveField | None, name: str, depth: int) -> Row:
    """Return the row of one word."""
    return _facts(layer, input_shape)._replace(name=name, depth=depth, receptive_field=field)


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


def field_after(layer: Layer, input_shape: Shape, field: ReceptiveField | None) -> ReceptiveField | None:
    """Return the receptive field after a layer; None once positions have none in common, as after upsampling."""
    if isinstance(layer, Chain):
        layer = layer.layers[0]
    return None if field is None else layer.receptive_field(field, input_shape)


def union(fields: list[ReceptiveField | None]) -> ReceptiveField | None:
    """Return what the branches see together: the largest of their fields, where they have one centre."""
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
    """Yield what may surprise about a window: pixels of the input that it drops, and uneven padding.

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
    for step in layers.steps(input_shape):
        held = prod(input_shape) if keep_input and step.position else 0
        most = max(most, held + layer_peak(step.layer, step.input_shape, step.output_shape))
    return most


def layer_peak(layer: Layer, input_shape: Shape, output_shape: Shape) -> int:
    """Return the most numbers alive while one layer is computed, its input and its output among them."""
    if not isinstance(layer, Block):
        return prod(input_shape) + (0 if layer.follows else prod(output_shape))
    most = held = 0
    last = len(layer.branches) - 1
    for index, (_, _, branch) in enumerate(layer.branches):
        most = max(most, held + peak(branch, input_shape, index < last))
        if branch.layers:
            held += prod(branch.output_shape(input_shape))
        else:
            held += prod(input_shape)
    return max(most, held if layer.joins_in_place(input_shape) else held + prod(output_shape))


def kept(layers: Sequential, input_shape: Shape) -> Iterator[int]:
    """Yield the numbers that each layer keeps for the backward pass."""
    for step in layers.steps(input_shape):
        if isinstance(step.layer, Block):
            for _, _, branch in step.layer.branches:
                yield from kept(branch, step.input_shape)
            yield prod(step.output_shape)
        else:
            parts = step.layer.layers if isinstance(step.layer, Chain) else (step.layer,)
            in_place = [layer.follows and not isinstance(layer, Normalization) for layer in parts]
            yield prod(step.output_shape) * in_place.count(False)
