"""Tables of several networks: side by side, and the zoo."""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

from cnncli.cli.networks.counted import shown
from cnncli.cli.networks.layers import known
from cnncli.cli.networks.tables import Cell, Column, Table, natural_width
from cnncli.networks.comparison import Comparison, Stage, compare_networks
from cnncli.networks.loading import load_network, zoo_names
from cnncli.networks.summary import Summary
from cnncli.shapes import show_shape

LATEX_WIDTH = 150
"""Characters on a line of a LaTeX page, about."""

BOTH = ("params", "macs")
LAYOUTS = [
    (BOTH, None),
    *((BOTH, most) for most in range(48, 23, -1)),
    *((BOTH[:1], most) for most in range(48, 11, -1)),
]
"""Layouts to try for a narrow terminal, in order: the numbers to show, and the longest word."""


def comparison_table(summaries: Sequence[Summary], *, stacked: bool, width: int | None = None) -> Table:
    """Return the table of networks side by side, a stage for each size of map.

    Args:
        summaries: the networks.
        stacked: write the layers of a stage one below the other.
        width: characters of a line, for which stacked layers are folded, and at last a column of numbers left out.
    """
    found = compare_networks(summaries)
    for numbers, most in LAYOUTS:
        table = _table(found, stacked, numbers, most)
        if width is None or not stacked or natural_width(table) <= width:
            break
    return table


def _table(found: Comparison, stacked: bool, numbers: Sequence[str], most: int | None) -> Table:
    columns = [Column("map")]
    totals: list[Cell] = ["total"]
    for name, total, unknown in zip(found.names, found.totals, found.unknown, strict=True):
        columns += [Column(name, right=False), *map(Column, numbers)]
        sums = {number: getattr(total, number) for number in numbers}
        totals += ["", *(f"at least {sums[each]:,}" if each in unknown else sums[each] for each in numbers)]
    rows = [row for stage in found.stages for row in _rows(stage, stacked, numbers, most)]
    return Table(columns, rows, totals)


def _rows(stage: Stage, stacked: bool, numbers: Sequence[str], most: int | None) -> list[list[Cell]]:
    columns: list[list[Cell]] = [[shown(stage.size)]]
    for cell in stage.cells:
        if cell is None:
            columns += [["-"], *([] for _ in numbers)]
            continue
        layers = [line for word in cell.layers for line in fold(word, most)] if stacked else [" ".join(cell.layers)]
        columns += [list[Cell](layers), *([known(getattr(cell, number))] for number in numbers)]
    return [list(row) for row in zip_longest(*columns)]


def fold(text: str, most: int | None = None) -> list[str]:
    r"""Return a layer or a block on several lines where it is longer than `most` characters.

    The lines of a block are indented by tabs, and each of its branches begins a line.

    Example:
        >>> fold("2xres[ conv3-64,p1,bn,relu conv3-64,p1,bn | conv1-64,bn ]", 30)
        ['2xres[ conv3-64,p1,bn,relu', '\tconv3-64,p1,bn', '| conv1-64,bn ]']
        >>> fold("conv3-128,s2,p1,bn,relu", 16)
        ['conv3-128,s2,p1,', '\tbn,relu']
    """
    if most is None or len(text) <= most:
        return [text]
    lines = [""]
    depth = 0
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        depth -= word in ("|", "]")  # stands below its block's name, and its layers a step to the right
        if word == "|" or (_length(longer) > most and word != "]" and lines[-1].strip("\t|")):
            longer = "\t" * depth + word
            lines.append("")
        lines[-1:] = [longer] if word == "]" else _fold_word(longer, most, depth + 1)
        depth += word.endswith(("[", "|"))
    return lines


def _fold_word(line: str, most: int, depth: int) -> list[str]:
    """Break a line at a comma where it is too long."""
    indent = len(line) - len(line.lstrip("\t"))
    comma = line.rfind(",", 0, max(0, most - indent)) + 1
    if _length(line) <= most or comma <= indent:
        return [line]
    return [line[:comma], *_fold_word("\t" * depth + line[comma:], most, depth)]


def _length(line: str) -> int:
    return len(line) + line.count("\t")  # a tab is a step of two characters


def comparison_facts(summaries: Sequence[Summary]) -> dict[str, Any]:
    """Return the same for JSON."""
    found = compare_networks(summaries)
    return {
        "networks": found.names,
        "stages": [
            {"size": stage.size, "cells": [cell and cell._asdict() for cell in stage.cells]} for stage in found.stages
        ],
        "totals": [
            {name: None if name in unknown else number for name, number in total._asdict().items()}
            for total, unknown in zip(found.totals, found.unknown, strict=True)
        ],
    }


ZOO_COLUMNS = (
    Column("name", right=False),
    Column("title", right=False, dispensable=2),
    Column("year", dispensable=1),
    Column("input"),
    Column("params"),
    Column("macs"),
)


def zoo_facts() -> list[dict[str, Any]]:
    """Return what the zoo knows of each of its networks."""
    return [
        {name: getattr(network, name) for name in ("name", "title", "year", "source")}
        | {"input": network.input_shape, "params": network.totals.params, "macs": network.totals.macs}
        for network in map(load_network, zoo_names())
    ]


def zoo_table() -> Table:
    """Return the table of the zoo."""
    facts = [
        one | {"year": None if one["year"] is None else str(one["year"]), "input": show_shape(one["input"])}
        for one in zoo_facts()
    ]
    return Table(ZOO_COLUMNS, [[one[column.title] for column in ZOO_COLUMNS] for one in facts])
