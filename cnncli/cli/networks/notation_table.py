"""A course's table of a network: f, p, s and n_c, and the sizes of filters, activations, weights and biases."""

import math

from cnncli.cli.networks.counted import Counted
from cnncli.cli.networks.layer_working import weight_and_bias
from cnncli.cli.networks.tables import Cell, Column, Table
from cnncli.cli.networks.trees import indented, trees
from cnncli.networks.summary import FilterShape, Row
from cnncli.shapes import show_shape

COLUMNS = (
    Column("layer", right=False),
    Column("f"),
    Column("p"),
    Column("s"),
    Column("n_c"),
    Column("filter"),
    Column("activations"),
    Column("size"),
    Column("weights"),
    Column("bias"),
)


def notation_table(counted: Counted, drawn: bool) -> Table:
    """Return the table in a course's letters; sizes are height x width x channels.

    Args:
        counted: the network.
        drawn: draw blocks as trees.
    """
    summary = counted.summary
    labels = trees(summary.rows) if drawn else [indented(row) for row in summary.rows]
    rows = [[label, *_cells(line.row, line.leaf)] for label, line in zip(labels, counted.lines, strict=True)]
    if summary.input_shape is not None:
        shape = summary.input_shape
        rows.insert(0, ["input", *[""] * 5, show_shape(shape), math.prod(shape), "", ""])
    notes = ["f filter, p padding, s stride, n_c number of filters; size is the number of activations"]
    return Table(COLUMNS, rows, caption="In the course's notation", notes=notes)


def _cells(row: Row, leaf: bool) -> list[Cell]:
    shape = "?" if row.output_shape is None else show_shape(row.output_shape)
    size: list[Cell] = [shape, row.activations] if leaf else [shape, ""]
    if row.filter is not None:
        return [*_letters(row.filter), *size, *_weights(row.filter)]
    weight, bias = weight_and_bias(row)
    if weight is None:
        return [*[""] * 5, *size, "", ""]
    return ["", "", "", weight[-1], "", *size, show_shape(weight), bias or ""]


def _letters(filters: FilterShape) -> list[Cell]:
    kernel = show_shape(filters.kernel_size)
    depth = "" if filters.weight is None or len(filters.weight) < 4 else f"x{filters.weight[2]}"
    return [
        _one(filters.kernel_size),
        _one(filters.padding),
        _one(filters.stride),
        filters.filters,
        f"{kernel}{depth}",
    ]


def _weights(filters: FilterShape) -> list[Cell]:
    if filters.weight is None:
        return ["", ""]
    return [show_shape(filters.weight), filters.bias or ""]


def _one(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(set(values)) == 1 else ",".join(map(str, values))
