"""What a network's convolutions save by sharing their filters."""

from typing import Any

from cnncli.cli.networks.tables import Cell, Column, Table
from cnncli.networks.sharing import Sharing, sharing
from cnncli.networks.summary import Summary
from cnncli.shapes import show_shape

COLUMNS = (
    Column("layer", right=False),
    Column("map", dispensable=2),
    Column("convolution"),
    Column("locally connected"),
    Column("fully connected"),
    Column("sees"),
    Column("connections", dispensable=1),
)
NOTES = (
    "the same map as a convolution (one filter everywhere), as a locally connected layer (a filter for each position) "
    "and as a fully connected one, in weights and biases",
    "sees: the inputs that one output sees, of all; connections: the part of all pairs of input and output that exist",
)


def sharing_table(summary: Summary) -> Table:
    """Return the table of a network's convolutions."""
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
    return Table(COLUMNS, rows, caption="Sharing", notes=NOTES)


def sharing_facts(summary: Summary) -> list[dict[str, Any]]:
    """Return the same for JSON."""
    return [_facts(found) for found in sharing(summary)]


def _facts(found: Sharing) -> dict[str, Any]:
    kinds = ("convolution", "locally_connected", "fully_connected")
    weights = {kind: getattr(found, kind)._asdict() | {"params": getattr(found, kind).params} for kind in kinds}
    return found._asdict() | weights
