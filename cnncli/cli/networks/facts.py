"""Networks as JSON, in a form that scripts may rely on.

A network is an object with `name`, `title`, `input` (a shape, or null), `layers`, `totals`, `memory` (`batch_size`, and
`weights`, `inference`, `training` in bytes of float32) and `notes` (lines of text); with `--convention` also
`convention`, and with `--notation`, `--sharing` and `--explain` also `notation`, `sharing` and `working`.

A layer has `name` (which its arrays of weights begin with), `spec` (its word in the notation), `input_shape`,
`output_shape` (null where a file does not tell), `activations`, `params`, `buffers`, `macs`, `connections`, and
`receptive_field` (null, or `size`, `stride` and `offset`, each vertical and horizontal, in pixels of the input).

A block also has `layers`, those inside it, whose numbers its own are the sums of; the first layer of a branch has
`branch`, its name. So the numbers of each list of layers add up to those of the block, or to the `totals`, above it.
A layer that may surprise has `warnings`.

A number that would leave something out, because a file does not tell it, is null, and `notes` say what and why.

Several networks are a list of such objects.
"""

from collections.abc import Iterable
from typing import Any

from cnncli.cli.networks.counted import Counted, Line


def facts(counted: Counted, batch_size: int = 1) -> dict[str, Any]:
    """Return a network as JSON holds it: the layers of a block are in its own `layers`, so that each list adds up."""
    summary = counted.summary
    memory = summary.memory(batch_size)
    found: dict[str, Any] = {
        "name": summary.name,
        "title": summary.title,
        "input": summary.input_shape,
        "layers": _nested(counted.lines),
        "totals": {
            **{name: counted.total(name) for name in ("params", "macs", "activations", "buffers", "connections")},
        },
        "memory": {"batch_size": batch_size} | memory._asdict(),
        "notes": [*summary.notes, *map(str, summary.omissions), *counted.reasons],
    }
    return found | ({"convention": counted.convention} if counted.convention else {})


def _nested(lines: Iterable[Line]) -> list[dict[str, Any]]:
    levels: list[list[dict[str, Any]]] = [[]]
    for line in lines:
        entry = _entry(line)
        del levels[line.row.depth + 1 :]
        levels[line.row.depth].append(entry)
        if not line.leaf:
            entry["layers"] = []
            levels.append(entry["layers"])
    return levels[0]


def _entry(line: Line) -> dict[str, Any]:
    row, field = line.row, line.row.receptive_field
    entry: dict[str, Any] = {
        "name": row.name,
        "spec": row.spec,
        "input_shape": row.input_shape,
        "output_shape": row.output_shape,
        "activations": line.activations,
        "params": line.params,
        "buffers": row.buffers,
        "macs": line.macs,
        "connections": row.connections,
        "receptive_field": None if field is None else field._asdict(),
    }
    return entry | ({"branch": row.branch} if row.branch else {}) | ({"warnings": row.warnings} if row.warnings else {})
