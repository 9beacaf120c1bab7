"""A network's layers with their numbers, as one convention or another counts them; as JSON, and as lines of a footer.

The JSON is in a form that scripts may rely on. A network is an object with `name`, `title`, `input` (a shape, or null),
`layers`, `totals`, `memory` (`batch_size`, and `weights`, `inference`, `training` in bytes of float32) and `notes`
(lines of text); with `--convention` also `convention`, and with `--notation`, `--sharing` and `--explain` also
`notation`, `sharing` and `working`. Several networks are a list of such objects.

A layer has `name` (the beginning of the names of its arrays), `spec` (its word in the notation), `input_shape`,
`output_shape` (null if a file does not give it), `activations`, `params`, `buffers`, `macs`, `connections`, and
`receptive_field` (null, or `size`, `stride` and `offset`, each vertical and horizontal, in pixels of the input); where
there is something to warn of, also `warnings`.

A block also has `layers`, those inside it, and its numbers are their sums; the first layer of a branch has `branch`,
its name. So the numbers of each list of layers add up to those of the block, or to the `totals`, above it.

A number that is not known in full, because a file does not give it, is null, and `notes` say what is missing and why.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from cnncli.networks.notation import kinds_of
from cnncli.networks.summary import Row, Summary, Totals, are_layers
from cnncli.shapes import Shape, show_shape
from cnncli.values import Value

if TYPE_CHECKING:
    from cnncli.networks.conventions import Tally

TOTALS = ("params", "macs", "activations", "buffers", "connections")


class Line:
    """A layer as it is shown: a number that leaves something out is None.

    Attributes:
        row: the row of the summary.
        leaf: whether it is a layer; a block's numbers are those of its inner rows, and shown there.
        params: parameters, as they are counted.
        macs: multiply-adds, as they are counted; None where they are not.
        activations: numbers that go out.
    """

    __slots__ = ("activations", "leaf", "macs", "params", "row")

    def __init__(self, row: Row, leaf: bool, params: int, macs: int | None) -> None:
        self.row, self.leaf = row, leaf
        self.params = None if "params" in row.unknown else params
        self.macs = None if "macs" in row.unknown else macs
        self.activations = None if "activations" in row.unknown else row.activations


class Counted(Value):
    """A network's lines, totals and what its reader must know, in one convention of counting.

    Attributes:
        summary: the network's summary.
        lines: one for each of its rows.
        params: the sum of all layers, as far as they are known.
        macs: the sum of all layers, as far as they are known; None where the convention counts none.
        convention: its name; empty for our own.
        reasons: the differences of the convention.
    """

    summary: Summary
    lines: tuple[Line, ...]
    params: int
    macs: int | None
    convention: str = ""
    reasons: tuple[str, ...] = ()

    def total(self, name: str) -> int | None:
        """Return the sum of all layers of `params`, `macs`, ...; None where it leaves something out."""
        return None if name in self.summary.unknown else self.at_least(name)

    def at_least(self, name: str) -> int | None:
        """Return the sum of what is known."""
        own = {"params": self.params, "macs": self.macs}
        return own[name] if name in own else int(getattr(self.summary.totals, name))

    def written(self, name: str) -> str | int | None:
        """Return a sum for a reader: "at least ..." where it leaves something out."""
        least = self.at_least(name)
        return f"at least {least:,}" if name in self.summary.unknown and least is not None else least

    @classmethod
    def of(cls, summary: Summary, convention: str | None = None) -> "Counted":
        """Count a network's parameters and multiply-adds.

        Raises:
            ArgumentError: a convention that is not known.
        """
        counts: Sequence[Row | Tally] = summary.rows
        totals: Totals | Tally = summary.totals
        reasons: tuple[str, ...] = ()
        if convention is not None:
            from cnncli.networks.conventions import count_as

            _, counts, totals, reasons = count_as(summary, convention)
        rows = zip(summary.rows, are_layers(summary.rows), counts, strict=True)
        lines = tuple(Line(row, leaf, count.params, count.macs) for row, leaf, count in rows)
        return cls(summary, lines, totals.params, totals.macs, convention or "", reasons)


def facts(counted: Counted, batch_size: int = 1) -> dict[str, Any]:
    """Return a network as JSON holds it: the layers of a block are in its own `layers`, so that each list adds up."""
    summary = counted.summary
    memory = summary.memory(batch_size)
    found: dict[str, Any] = {
        "name": summary.name,
        "title": summary.title,
        "input": summary.input_shape,
        "layers": _nested(counted.lines),
        "totals": {name: counted.total(name) for name in TOTALS},
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


FOOTER = (
    "params counts trainable numbers{buffers}; "
    "macs counts multiply-adds of convolutions and fully connected layers{products} only"
)


def footer(counted: Counted, batch_size: int = 1) -> list[str]:
    """Return the lines below a table: memory, warnings, notes, and what was counted."""
    summary = counted.summary
    buffers = summary.totals.buffers
    if counted.convention:
        counting = [f"counted as {counted.convention} does: {reason}" for reason in counted.reasons]
    else:
        buffered = [kinds_of(line.row.spec) for line in counted.lines if line.leaf and line.row.buffers]
        normal = all(any(kind.removes_mean for kind in kinds) for kinds in buffered)
        apart = f" ({buffers:,} {'buffers of batch norm' if normal else 'fixed numbers'} apart)" if buffers else ""
        counting = [FOOTER.format(buffers=apart, products=_products(counted))]
    warnings = [
        f"note: {row.spec} ({row.name}, on {shown(row.input_shape)}) {warning}"
        for row in summary.rows
        for warning in row.warnings
    ]
    return [memory_line(summary, batch_size), *warnings, *summary.notes, *map(str, summary.omissions), *counting]


def _products(counted: Counted) -> str:
    """Return the other matrix products of a network's operations, which are multiply-adds too."""
    ops = {line.row.op for line in counted.lines if line.macs and line.row.spec == line.row.op}
    words = [word for word, kinds in _PRODUCTS.items() if ops & set(kinds)]
    return "".join(f", {word}" for word in words[:-1]) + f" and {words[-1]}" if words else ""


_PRODUCTS = {
    "recurrent layers": ("LSTM", "GRU", "RNN", "SimpleRNN", "Bidirectional"),
    "matrix products (attention's among them)": ("MatMul", "Einsum", "Attention", "MultiHeadAttention"),
}


def memory_line(summary: Summary, batch_size: int) -> str:
    """Return the memory of a network in words."""
    memory = summary.memory(batch_size)
    if memory.weights is None:
        return f"memory in float32, batch size {batch_size}: unknown, since parameters are"
    parts = [f"{name} {size(count)}" for name, count in memory._asdict().items() if count is not None]
    return f"memory in float32, batch size {batch_size}: {', '.join(parts)}"


def size(count: int) -> str:
    """Return a number of bytes as people write it.

    Example:
        >>> size(900), size(46_796_448)
        ('900 B', '46.8 MB')
    """
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if count >= 1000**power:
            return f"{count / 1000**power:.1f} {unit}"
    return f"{count} B"


def shown(shape: Shape | None) -> str:
    """Return a shape, or a question mark where it is not known."""
    return "?" if shape is None else show_shape(shape)
