"""The lines below a table of layers."""

from cnncli.cli.networks.counted import Counted
from cnncli.networks.summary import Summary
from cnncli.shapes import Shape, show_shape

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
        normal = all("bn" in line.row.spec for line in counted.lines if line.leaf and line.row.buffers)
        apart = f" ({buffers:,} {'buffers of batch norm' if normal else 'fixed numbers'} apart)" if buffers else ""
        counting = [FOOTER.format(buffers=apart, products=_products(counted))]
    told = [*summary.notes, *map(str, summary.omissions)]
    return [memory_line(summary, batch_size), *warnings(summary), *told, *counting]


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
    parts = [f"weights {size(memory.weights)}"]
    parts += [f"inference {size(memory.inference)}"] if memory.inference is not None else []
    parts += [f"training {size(memory.training)}"] if memory.training is not None else []
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


def warnings(summary: Summary) -> list[str]:
    """Return what may surprise in a network, a line for each layer."""
    return [
        f"note: {row.spec} ({row.name}, on {_known(row.input_shape)}) {warning}"
        for row in summary.rows
        for warning in row.warnings
    ]


def _known(shape: Shape | None) -> str:
    return "?" if shape is None else show_shape(shape)
