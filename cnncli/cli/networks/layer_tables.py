"""Tables of a network's layers."""

from collections.abc import Sequence

from cnncli.cli.networks.counted import Counted, Line
from cnncli.cli.networks.tables import Cell, Column, Table
from cnncli.cli.networks.trees import indented, trees
from cnncli.shapes import show_shape

BAR = 8
"""Characters of a bar that stands for everything."""


def layer_table(counted: Counted, columns: Sequence[str], drawn: bool, notes: Sequence[str] = ()) -> Table:
    """Return the table of a network's layers.

    Args:
        counted: the network.
        columns: names of `COLUMNS`.
        drawn: draw blocks as trees and shares as bars; else indent them, and write percents.
        notes: lines below the table.
    """
    labels = trees([line.row for line in counted.lines]) if drawn else [indented(line.row) for line in counted.lines]
    shown = [name for name in columns if name not in _HIDDEN or any(map(_HIDDEN[name], counted.lines))]
    # Summed once: for each row anew, a table of 6,000 took four seconds.
    totals = {name: counted.total(name) or 0 for name in ("params", "macs")}
    cells = [_cells(totals, line, label, drawn) for line, label in zip(counted.lines, labels, strict=True)]
    rows = [[found.get(name, "") for name in shown] for found in cells]
    sums: dict[str, Cell] = {
        "layer": "total",
        **{name: counted.written(name) for name in ("activations", "params", "macs")},
    }
    return Table(
        [COLUMNS[name] for name in shown], rows, [sums.get(name, "") for name in shown], _caption(counted), notes
    )


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
PARAMS_COLUMNS = (
    "layer",
    "name",
    "output",
    "activations",
    "params",
    "params share",
    "macs",
    "macs share",
    "field/stride",
)


def _named(line: Line) -> bool:
    """Whether a file gave the layer its name; those made from a text are numbered."""
    return not line.row.name.partition(".")[0].isdecimal()


_HIDDEN = {
    "name": _named,
    "macs": lambda line: line.macs is not None or "macs" in line.row.unknown,
    "macs share": lambda line: bool(line.macs),
    "params share": lambda line: bool(line.params),
    "field/stride": lambda line: line.row.receptive_field is not None,
    "field": lambda line: line.row.receptive_field is not None,
    "stride": lambda line: line.row.receptive_field is not None,
    "offset": lambda line: line.row.receptive_field is not None,
}
"""Columns that are shown only where a line has something in them."""


def _caption(counted: Counted) -> str:
    summary = counted.summary
    title = summary.title or summary.name
    name = f" ({summary.name})" if summary.title and summary.name and summary.title != summary.name else ""
    size = "" if summary.input_shape is None else f", input {show_shape(summary.input_shape)}"
    return f"{title}{name}{size}" if summary.title else title


def _cells(totals: dict[str, int], line: Line, label: str, drawn: bool) -> dict[str, Cell]:
    """Return the cells of a line for every column; a block has no numbers, its inner rows have."""
    row = line.row
    cells: dict[str, Cell] = {
        "layer": label,
        "name": row.name,
        "output": "?" if row.output_shape is None else show_shape(row.output_shape),
    }
    if row.receptive_field is not None:
        size, stride, offset = map(_one_or_both, row.receptive_field)
        cells |= {"field": size, "stride": stride, "offset": offset, "field/stride": f"{size}/{stride}"}
    if line.leaf:
        cells |= {
            "activations": _known(line.activations),
            "params": _known(line.params),
            "params share": _share(line.params or 0, totals["params"], drawn),
            "macs": "?" if "macs" in row.unknown else line.macs,
            "macs share": _share(line.macs or 0, totals["macs"], drawn),
        }
    return cells


def _known(number: int | None) -> Cell:
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


CSV_COLUMNS = (
    "network",
    "name",
    "spec",
    "output_shape",
    "activations",
    "params",
    "buffers",
    "macs",
    "connections",
    "receptive_field",
    "receptive_field_stride",
    "receptive_field_offset",
)


def csv_table(counted: Counted) -> Table:
    """Return the table of a network's layers for programs; blocks have no numbers there, their inner rows have."""
    summary = counted.summary
    rows = [[summary.name, *_csv_cells(line)] for line in counted.lines]
    sums = [counted.total(name) for name in ("activations", "params", "buffers", "macs", "connections")]
    total: list[Cell] = [summary.name, "total", "", "", *sums, "", "", ""]
    return Table([Column(name) for name in CSV_COLUMNS], rows, total)


def _csv_cells(line: Line) -> list[Cell]:
    row = line.row
    shape = "" if row.output_shape is None else show_shape(row.output_shape)
    numbers: list[Cell] = (
        [line.activations, line.params, row.buffers, line.macs, row.connections] if line.leaf else [None] * 5
    )
    fields = ["", "", ""] if row.receptive_field is None else [*map(_one_or_both, row.receptive_field)]
    return [row.name, row.spec, shape, *numbers, *fields]
