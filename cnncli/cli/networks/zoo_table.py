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
    return [_facts(name) for name in zoo_names()]


def _facts(name: str) -> dict[str, Any]:
    network = load_network(name)
    totals = network.totals
    return {
        "name": name,
        "title": network.title,
        "year": network.year,
        "source": network.source,
        "input": network.input_shape,
        "params": totals.params,
        "macs": totals.macs,
    }


def zoo_table() -> Table:
    """Return the table of the zoo."""
    rows = [
        [
            facts["name"],
            facts["title"],
            None if facts["year"] is None else str(facts["year"]),
            show_shape(facts["input"]),
            facts["params"],
            facts["macs"],
        ]
        for facts in zoo_facts()
    ]
    return Table(COLUMNS, rows)
