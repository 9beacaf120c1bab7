"""A network's layers: as tables for people and for programs, in a course's notation, with sharing, as formulas."""

import math
from collections.abc import Sequence
from typing import Any

from cnncli.cli.networks.counted import Counted, Line, shown
from cnncli.cli.networks.tables import Cell, Column, Table
from cnncli.networks.layers import LAYERS, Layer
from cnncli.networks.notation import kinds_of
from cnncli.networks.summary import FilterShape, Row, Summary
from cnncli.shapes import Shape, show_shape

BAR = 8
"""Characters of a full bar."""


def layer_table(counted: Counted, columns: Sequence[str], drawn: bool, notes: Sequence[str] = ()) -> Table:
    """Return the table of a network's layers, with columns of `COLUMNS`, and notes below.

    Drawn, blocks are trees and shares bars; otherwise they are indented, and percents.
    """
    labels = _labels(counted, drawn)
    wanted = [name for name in columns if name not in _HIDDEN or any(map(_HIDDEN[name], counted.lines))]
    # Summed once: summing for each row took four seconds with 6,000 rows.
    totals = {name: counted.total(name) or 0 for name in ("params", "macs")}
    cells = [_cells(totals, line, label, drawn) for line, label in zip(counted.lines, labels, strict=True)]
    rows = [[found.get(name, "") for name in wanted] for found in cells]
    sums: dict[str, Cell] = {
        "layer": "total",
        **{name: counted.written(name) for name in ("activations", "params", "macs")},
    }
    last = [sums.get(name, "") for name in wanted]
    return Table([COLUMNS[name] for name in wanted], rows, last, _caption(counted), notes)


COLUMNS = {
    "layer": Column("layer", right=False),
    "name": Column("name", right=False, dispensable=5),
    "output": Column("output"),
    "activations": Column("activations", dispensable=3),
    "field": Column("field", dispensable=4),
    "stride": Column("stride", dispensable=5),
    "offset": Column("offset", dispensable=6),
    "params": Column("params"),
    "params share": Column("share", right=False, dispensable=2),
    "macs": Column("macs", dispensable=1),
    "macs share": Column("share", right=False, dispensable=2),
    "field/stride": Column("field/stride", dispensable=4),
}
SHAPE_COLUMNS = ("layer", "name", "output", "activations", "field", "stride", "offset", "params", "macs")
PARAMS_COLUMNS = (*SHAPE_COLUMNS[:4], "params", "params share", "macs", "macs share", "field/stride")


_HIDDEN = {
    "name": lambda line: not line.row.name.partition(".")[0].isdecimal(),  # layers made from a text are numbered
    "macs": lambda line: line.macs is not None or "macs" in line.row.unknown,
    "macs share": lambda line: bool(line.macs),
    "params share": lambda line: bool(line.params),
    **dict.fromkeys(("field", "stride", "offset", "field/stride"), lambda line: line.row.receptive_field is not None),
}
"""Columns that are shown only where a line has something in them."""


def _caption(counted: Counted) -> str:
    summary = counted.summary
    if not summary.title:
        return summary.name
    name = f" ({summary.name})" if summary.name not in ("", summary.title) else ""
    return summary.title + name + ("" if summary.input_shape is None else f", input {show_shape(summary.input_shape)}")


def _cells(totals: dict[str, int], line: Line, label: str, drawn: bool) -> dict[str, Cell]:
    """Return the cells of a line for every column; a block has no numbers, its inner rows have."""
    row = line.row
    cells: dict[str, Cell] = {
        "layer": label,
        "name": row.name,
        "output": shown(row.output_shape),
    }
    if row.receptive_field is not None:
        size, stride, offset = map(_one_or_both, row.receptive_field)
        cells |= {"field": size, "stride": stride, "offset": offset, "field/stride": f"{size}/{stride}"}
    if line.leaf:
        cells |= {
            "activations": known(line.activations),
            "params": known(line.params),
            "params share": _share(line.params or 0, totals["params"], drawn),
            "macs": "?" if "macs" in row.unknown else line.macs,
            "macs share": _share(line.macs or 0, totals["macs"], drawn),
        }
    return cells


def known(number: int | None) -> Cell:
    """Return a number, or a question mark where it is not known."""
    return "?" if number is None else number


def _one_or_both(values: tuple[float, float]) -> str:
    first, second = values
    return f"{first:.15g}" if first == second else f"{first:.15g}x{second:.15g}"


def _share(amount: int, whole: int, drawn: bool) -> str:
    if not amount or not whole:
        return ""
    percent = f"{100 * amount / whole:.1f}%"
    return f"{percent:>6} {bar(amount / whole)}" if drawn else percent


def bar(share: float) -> str:
    """Return a bar of eighths of a character.

    Example:
        >>> bar(0.5), bar(0.07)
        ('████', '▌')
    """
    eighths = round(share * BAR * 8)
    return "█" * (eighths // 8) + " ▏▎▍▌▋▊▉"[eighths % 8].strip()


_CSV_NUMBERS = ("activations", "params", "buffers", "macs", "connections")
_CSV_FIELD = ("receptive_field", "receptive_field_stride", "receptive_field_offset")


def csv_table(counted: Counted) -> Table:
    """Return the table of a network's layers for programs; blocks have no numbers there, their inner rows have."""
    name = counted.summary.name
    columns = ("network", "name", "spec", "output_shape", *_CSV_NUMBERS, *_CSV_FIELD)
    rows = [[name, *_csv_cells(line)] for line in counted.lines]
    return Table([*map(Column, columns)], rows, [name, "total", "", "", *map(counted.total, _CSV_NUMBERS), "", "", ""])


def _csv_cells(line: Line) -> list[Cell]:
    row = line.row
    shape = "" if row.output_shape is None else show_shape(row.output_shape)
    numbers = [line.activations, line.params, row.buffers, line.macs, row.connections] if line.leaf else [None] * 5
    fields = ["", "", ""] if row.receptive_field is None else [*map(_one_or_both, row.receptive_field)]
    return [row.name, row.spec, shape, *numbers, *fields]


def trees(rows: Sequence[Row]) -> list[str]:
    """Return the words of layers, with the branches of blocks drawn before them.

    Example:
        >>> main = Row("0.res.main.0.conv", "conv3-8", "conv", 1, "main"), Row("0.res.main.1.bn", "bn", "bn", 1)
        >>> shortcut = Row("0.res.shortcut", "identity", "identity", 1, "shortcut")
        >>> print(*trees([Row("0.res", "res", "res"), *main, shortcut]), sep=chr(10))
        res
        ├─ main: conv3-8
        │        bn
        └─ shortcut: identity
    """
    labels = []
    below = {0: ""}  # what is drawn before the inner rows of a block, by its depth
    for row, last in zip(rows, _last_branches(rows), strict=True):
        lead = ""
        if row.depth:
            title = f"{row.branch}: " if row.branch else ""
            outer = below.get(row.depth - 1, "")
            if row.branch or row.depth not in below:
                lead = f"{outer}{'└─ ' if last else '├─ '}{title}"
                below[row.depth] = f"{outer}{'   ' if last else '│  '}{' ' * len(title)}"
            else:
                lead = below[row.depth]
        for deeper in [depth for depth in below if depth > row.depth]:
            del below[deeper]
        labels.append(lead + row.spec)
    return labels


def _last_branches(rows: Sequence[Row]) -> list[bool]:
    """Return for each row whether no further branch of the same block begins after it."""
    later: set[int] = set()
    found = []
    for row in reversed(rows):
        later = {depth for depth in later if depth <= row.depth}
        found.append(row.depth not in later)
        if row.branch:
            later.add(row.depth)
    return found[::-1]


def _labels(counted: Counted, drawn: bool) -> list[str]:
    """Return the words of layers, with blocks drawn as trees, or else a tab for each block that a layer is in."""
    rows = counted.summary.rows
    if drawn:
        return trees(rows)
    return ["\t" * row.depth + (f"{row.branch}: " if row.branch else "") + row.spec for row in rows]


_NOTATION_COLUMNS = (
    Column("layer", right=False),
    *map(Column, ("f", "p", "s", "n_c", "filter", "activations", "size", "weights", "bias")),
)


def notation_table(counted: Counted, drawn: bool) -> Table:
    """Return the table in a course's letters; sizes are height x width x channels, blocks drawn as trees or not."""
    labels = _labels(counted, drawn)
    rows = [[label, *_notation_cells(line.row, line.leaf)] for label, line in zip(labels, counted.lines, strict=True)]
    if (shape := counted.summary.input_shape) is not None:
        rows.insert(0, ["input", *[""] * 5, show_shape(shape), math.prod(shape), "", ""])
    notes = ["f filter, p padding, s stride, n_c number of filters; size is the number of activations"]
    return Table(_NOTATION_COLUMNS, rows, caption="In the course's notation", notes=notes)


def _notation_cells(row: Row, leaf: bool) -> list[Cell]:
    weight, bias = _weight_and_bias(row)
    letters = [""] * 5 if weight is None else ["", "", "", weight[-1], ""]
    if row.filter is not None:
        depth = "" if weight is None or len(weight) < 4 else f"x{weight[2]}"
        kernel, padding, stride = map(_one, (row.filter.kernel_size, row.filter.padding, row.filter.stride))
        letters = [kernel, padding, stride, row.filter.filters, show_shape(row.filter.kernel_size) + depth]
    size = row.activations if leaf else ""
    return [*letters, shown(row.output_shape), size, "" if weight is None else show_shape(weight), bias or ""]


def _one(values: tuple[int, ...]) -> str:
    return str(values[0]) if len(set(values)) == 1 else ",".join(map(str, values))


def _weight_and_bias(row: Row) -> tuple[Shape | None, int]:
    """Return the shape of a layer's weights and how many biases it has; None and 0 where there are none.

    Example:
        >>> from cnncli.networks import parse_network
        >>> [_weight_and_bias(row) for row in parse_network("6x6x3 conv3-8,bn fc-10 relu").summary().rows]
        [((3, 3, 3, 8), 0), ((128, 10), 10), (None, 0)]
    """
    if row.filter is not None:
        return row.filter.weight, row.filter.bias
    if row.input_shape is None or row.output_shape is None or not LAYERS.get(row.op, Layer).dense:
        return None, 0
    weight = math.prod(row.input_shape), row.output_shape[-1]
    # Each output is connected to its inputs and its bias, and to nothing of a batch norm that follows.
    return weight, max(0, row.connections - math.prod(weight))


_SHARING_COLUMNS = (
    Column("layer", right=False),
    Column("map", dispensable=2),
    Column("convolution"),
    Column("locally connected"),
    Column("fully connected"),
    Column("sees"),
    Column("connections", dispensable=1),
)
_SHARING_NOTES = (
    "the same map as a convolution (one filter everywhere), as a locally connected layer (a filter for each position) "
    "and as a fully connected one, in weights and biases",
    "sees: the inputs that one output sees, of all; connections: the part of all pairs of input and output that exist",
)


def sharing_table(summary: Summary) -> Table:
    """Return the table of a network's convolutions."""
    from cnncli.networks.sharing import sharing  # only when it is asked for

    rows: list[list[Cell]] = [
        [
            found.spec,
            f"{show_shape(found.input_shape)} to {show_shape(found.output_shape)}",
            found.convolution.params,
            found.locally_connected.params,
            found.fully_connected.params,
            f"{found.seen:,} of {found.inputs:,}",
            f"{100 * found.share:.3g}%",
        ]
        for found in sharing(summary)
    ]
    return Table(_SHARING_COLUMNS, rows, caption="Sharing", notes=_SHARING_NOTES)


def sharing_facts(summary: Summary) -> list[dict[str, Any]]:
    """Return the same for JSON."""
    from cnncli.networks.sharing import sharing

    kinds = ("convolution", "locally_connected", "fully_connected")
    return [
        found._asdict()
        | {kind: getattr(found, kind)._asdict() | {"params": getattr(found, kind).params} for kind in kinds}
        for found in sharing(summary)
    ]


def size_working(counted: Counted) -> list[str]:
    """Return the output size of each layer with a window, as a formula with its numbers."""
    windows = [(row, row.filter) for row in counted.summary.rows if row.filter]
    dilated = any(filters.dilation != (1, 1) for _, filters in windows)
    lines = [f"output size: floor((n + 2p - {'d(f - 1) - 1' if dilated else 'f'})/s + 1)"]
    for row, filters in windows:
        if row.input_shape is not None and row.output_shape is not None and len(row.input_shape) == 3:
            both = size_sum(filters, row.input_shape, row.output_shape, transposed=_is_transposed(row))
            lines.append(f"{row.name} {row.spec}: {both}")
    return lines


def size_sum(filters: FilterShape, input_shape: Shape, output_shape: Shape, *, transposed: bool) -> str:
    """Return the output size of a layer with a window, as a formula with its numbers."""
    height, width = (_axis_sum(filters, input_shape[at], output_shape[at], at, transposed=transposed) for at in (0, 1))
    return height if height == width else f"height {height}; width {width}"


def _axis_sum(filters: FilterShape, n: int, size: int, place: int, *, transposed: bool) -> str:
    from cnncli.networks.arithmetic import Axis, sum_in_a_line  # 3 ms, for --explain alone

    axis = Axis(
        filters.kernel_size[place],
        filters.stride[place],
        (filters.padding[2 * place], filters.padding[2 * place + 1]),
        filters.dilation[place],
        transposed=transposed,
    )
    missing = size - axis.output_size(n)
    if missing and not axis.transposed:
        axis = axis._replace(ceil_mode=True)
    elif missing:
        axis = axis._replace(output_padding=missing)
    return sum_in_a_line(axis, n)


def params_working(counted: Counted) -> list[str]:
    """Return the parameters and multiply-adds of each layer that has some, as sums with their numbers."""
    lines = ["params: weights + biases; macs: weights at each position of the output"]
    for line in counted.lines:
        row = line.row
        if line.leaf and row.params and row.input_shape is not None and row.output_shape is not None:
            lines.append(_row_params(row, row.input_shape, row.output_shape))
    return lines


def _row_params(row: Row, input_shape: Shape, output_shape: Shape) -> str:
    weight, bias = _weight_and_bias(row)
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
    positions = input_shape[:2] if _is_transposed(row) else output_shape[:-1]
    macs = f"{show_shape(positions)} positions * {weights:,}" if positions else terms[0]
    return f"{sums}; macs {macs} = {row.macs:,}"


def _trained_options(spec: str) -> str:
    """Return the options of a word that have numbers of their own to train."""
    options = kinds_of(spec)[1:]
    return " and ".join(kind.title or kind.op for kind in options if kind.param_shapes is not Layer.param_shapes)


def _is_transposed(row: Row) -> bool:
    return any(kind.transposed for kind in kinds_of(row.spec))
