"""The zoo: the classic networks, with title, year, input, and numbers."""

from typing import Any

from cnncli.cli.networks.tables import Column, Table
from cnncli.networks.loading import load_network, zoo_names
from cnncli.shapes import show_shape

COLUMNS = (
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
        {
            "name": network.name,
            "title": network.title,
            "year": network.year,
            "source": network.source,
            "input": network.input_shape,
            "params": network.totals.params,
            "macs": network.totals.macs,
        }
        for network in map(load_network, zoo_names())
    ]


def zoo_table() -> Table:
    """Return the table of the zoo."""
    facts = [
        one | {"year": None if one["year"] is None else str(one["year"]), "input": show_shape(one["input"])}
        for one in zoo_facts()
    ]
    return Table(COLUMNS, [[one[column.title] for column in COLUMNS] for one in facts])
