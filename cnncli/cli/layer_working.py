"""The arithmetic of a network's layers, with their numbers."""

import math
from collections.abc import Iterator

from cnncli.arithmetic import Axis, sum_in_a_line
from cnncli.networks.errors import show_shape
from cnncli.networks.summary import FilterShape, Row, Shape, Summary

NAMES = ("height", "width")


def size_working(summary: Summary) -> list[str]:
    """Return the output size of each layer with a window, as a formula with its numbers."""
    lines = ["output size: floor((n + 2p - d(f - 1) - 1)/s + 1)"]
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
        transposed=row.op == "tconv",
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
    for row, after in zip(summary.rows, (*summary.rows[1:], None), strict=True):
        leaf = after is None or after.depth <= row.depth
        if leaf and row.params and row.input_shape is not None and row.output_shape is not None:
            lines.append(_row_params(row, row.input_shape, row.output_shape))
    return lines


def _row_params(row: Row, input_shape: Shape, output_shape: Shape) -> str:
    weight = row.filter.weight if row.filter else None
    if weight is None and row.op == "fc":
        weight = (math.prod(input_shape), output_shape[-1])
    if weight is None:
        return f"{row.name} {row.spec}: params {row.params:,}"
    weights = math.prod(weight)
    rest = row.params - weights
    biases = min(rest, row.filter.bias if row.filter else output_shape[-1] if rest == output_shape[-1] else 0)
    terms = ["*".join(map(str, weight))]
    terms += [f"{biases} biases"] if biases else []
    terms += [f"{rest - biases} of batch norm"] if rest > biases else []
    positions = input_shape[:2] if row.op == "tconv" else output_shape[:-1]
    macs = f"{show_shape(positions)} positions * {weights:,}" if positions else terms[0]
    return f"{row.name} {row.spec}: params {' + '.join(terms)} = {row.params:,}; macs {macs} = {row.macs:,}"
