"""The arithmetic of a network's layers, with their numbers."""

import math
from collections.abc import Iterator

from cnncli.cli.networks.layer_tables import weight_and_bias
from cnncli.networks.arithmetic import Axis, sum_in_a_line
from cnncli.networks.conventions import leaves
from cnncli.networks.layers import Layer
from cnncli.networks.notation import kinds_of
from cnncli.networks.summary import FilterShape, Row, Summary
from cnncli.shapes import Shape, show_shape

NAMES = ("height", "width")


def size_working(summary: Summary) -> list[str]:
    """Return the output size of each layer with a window, as a formula with its numbers."""
    dilated = any(row.filter and row.filter.dilation != (1, 1) for row in summary.rows)
    lines = [f"output size: floor((n + 2p - {'d(f - 1) - 1' if dilated else 'f'})/s + 1)"]
    for row in summary.rows:
        if row.filter and len(row.input_shape or ()) == 3 and len(row.output_shape or ()) == 3:
            lines += _row_sizes(row, row.filter, row.input_shape or (), row.output_shape or ())
    return lines


def _row_sizes(row: Row, filters: FilterShape, input_shape: Shape, output_shape: Shape) -> Iterator[str]:
    sums = [_axis_sum(row, filters, input_shape[i], output_shape[i], i) for i in (0, 1)]
    if sums[0] == sums[1]:
        yield f"{row.name} {row.spec}: {sums[0]}"
    else:
        yield f"{row.name} {row.spec}: height {sums[0]}; width {sums[1]}"


def _axis_sum(row: Row, filters: FilterShape, n: int, size: int, place: int) -> str:
    axis = Axis(
        filters.kernel_size[place],
        filters.stride[place],
        (filters.padding[2 * place], filters.padding[2 * place + 1]),
        filters.dilation[place],
        transposed=filters.transposed,
    )
    missing = size - axis.output_size(n)
    if missing and not axis.transposed:
        axis = axis._replace(ceil_mode=True)
    elif missing:
        axis = axis._replace(output_padding=missing)
    return sum_in_a_line(axis, n)


def params_working(summary: Summary) -> list[str]:
    """Return the parameters and multiply-adds of each layer that has some, as sums with their numbers."""
    lines = ["params: weights + biases; macs: weights at each position of the output"]
    for row in leaves(summary.rows):
        if row.params and row.input_shape is not None and row.output_shape is not None:
            lines += [_row_params(row, row.input_shape, row.output_shape)]
    return lines


def _row_params(row: Row, input_shape: Shape, output_shape: Shape) -> str:
    weight, bias = weight_and_bias(row)
    if weight is None:
        return f"{row.name} {row.spec}: params {row.params:,}"
    weights = math.prod(weight)
    rest = row.params - weights
    biases = min(rest, bias)
    terms = ["*".join(map(str, weight))]
    terms += [f"{biases} biases"] if biases else []
    terms += [f"{rest - biases} of {_trained_options(row.spec)}"] if rest > biases else []
    sums = f"{row.name} {row.spec}: params {' + '.join(terms)} = {row.params:,}"
    if not row.macs:  # such as trainable subsampling, whose multiplications are not counted
        return sums
    positions = input_shape[:2] if row.filter and row.filter.transposed else output_shape[:-1]
    macs = f"{show_shape(positions)} positions * {weights:,}" if positions else terms[0]
    return f"{sums}; macs {macs} = {row.macs:,}"


def _trained_options(spec: str) -> str:
    """Return the options of a word that have numbers of their own to train."""
    options = kinds_of(spec)[1:]
    return " and ".join(kind.title or kind.op for kind in options if kind.param_shapes is not Layer.param_shapes)
