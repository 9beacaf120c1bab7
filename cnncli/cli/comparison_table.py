"""Networks side by side."""

from collections.abc import Sequence
from typing import Any

from cnncli.cli.tables import Cell, Column, Table, side_by_side
from cnncli.networks.comparison import Cell as StageCell
from cnncli.networks.comparison import Comparison, Stage, compare
from cnncli.networks.errors import show_shape
from cnncli.networks.summary import Summary


def comparison_table(summaries: Sequence[Summary], stacked: bool) -> Table:
    """Return the table of networks side by side, a stage for each size of map.

    Args:
        summaries: the networks.
        stacked: write the layers of a stage one below the other.
    """
    found = compare(summaries)
    columns = [Column("map")]
    for name in found.names:
        columns += [Column(name, right=False), Column("params"), Column("macs")]
    rows = [row for stage in found.stages for row in _rows(stage, stacked)]
    totals: list[Cell] = ["total"]
    for total in found.totals:
        totals += ["", total.params, total.macs]
    return Table(columns, rows, totals)


def _rows(stage: Stage, stacked: bool) -> list[list[Cell]]:
    columns: list[list[Cell]] = [["?" if stage.size is None else show_shape(stage.size)]]
    for cell in stage.cells:
        if cell is None:
            columns += [["-"], [], []]
        else:
            columns += [list(cell.layers) if stacked else [" ".join(cell.layers)], [cell.params], [cell.macs]]
    return side_by_side(columns)


def comparison_facts(summaries: Sequence[Summary]) -> dict[str, Any]:
    """Return the same for JSON."""
    found: Comparison = compare(summaries)
    return {
        "networks": found.names,
        "stages": [{"size": stage.size, "cells": [_facts(cell) for cell in stage.cells]} for stage in found.stages],
        "totals": [total._asdict() for total in found.totals],
    }


def _facts(cell: StageCell | None) -> dict[str, Any] | None:
    return None if cell is None else cell._asdict()
