"""Layers by the words of a user, and the texts by which a drawing names them and their numbers."""

from collections.abc import Iterable, Sequence

from cnncli.choices import nearest
from cnncli.errors import ArgumentError
from cnncli.networks.drawing.tree import Node
from cnncli.networks.layers.fields import PADDING, PAIR
from cnncli.networks.summary import Row, Summary
from cnncli.networks.words import quote
from cnncli.shapes import Shape, show_shape

LISTED = 40
"""Layers that an error lists at most."""


def find_layers(summary: Summary, word: str) -> list[Row]:
    """Return the rows with a name, `0.conv`, or all those with a word of the notation, `conv3-64`.

    Raises:
        ArgumentError: there are none.
    """
    if found := [row for row in summary.rows if word in (row.name, row.spec)]:
        return found
    names = [f"{row.name} ({row.spec})" if row.spec != row.op else row.name for row in summary.rows]
    more = f" and {len(names) - LISTED} more (--style table names them)" if len(names) > LISTED else ""
    close = nearest(word, [word for row in summary.rows for word in (row.name, row.spec)])
    hint = f"did you mean {close}? " if close else ""
    raise ArgumentError(f"no layer is called {quote(word)}: {hint}the layers are {', '.join(names[:LISTED])}{more}")


def shown(shape: Shape | None) -> str:
    """Return a shape, or a question mark where a file does not give it."""
    return "?" if shape is None else show_shape(shape)


def over(texts: Iterable[str]) -> str:
    """Return what repeats have in common, or else the first and the last.

    Example:
        >>> over(["8", "8"]), over(["8", "9", "10"])
        ('8', '8 … 10')
    """
    different = list(dict.fromkeys(texts))
    return different[0] if len(different) == 1 else f"{different[0]} … {different[-1]}"


def output(node: Node) -> str:
    """Return the shape of a node's output."""
    return over(shown(row.output_shape) for row in node.rows)


def count(rows: Sequence[Row], name: str) -> str:
    """Return a number of rows, such as `params`; with a question mark where a file does not give it all."""
    return over("?" if name in row.unknown else f"{getattr(row, name):,}" for row in rows)


def total(summary: Summary, name: str) -> str:
    """Return a total of a network, such as `params`; one that leaves something out is a lower bound."""
    return ("at least " if name in summary.unknown else "") + f"{getattr(summary.totals, name):,}"


def params(node: Node) -> str:
    """Return the parameters of a node in words; nothing if it has none."""
    number = count(node.rows, "params")
    return "" if number == "0" else f"{number} params"


def geometry(row: Row) -> list[str]:
    """Return a layer's window and filters in a course's letters, as lines: f, s and p, and what is not usual."""
    if row.filter is None:
        return []
    size, padding, stride, dilation, groups, filters, weight, _ = row.filter
    letters = [f"f={PAIR.write(size)}", f"s={PAIR.write(stride)}", f"p={PADDING.write(padding)}"]
    letters += [f"d={PAIR.write(dilation)}"] if dilation != (1, 1) else []
    lines = [" ".join(letters)]
    if weight is not None:
        lines.append(f"{filters:,} filters" + (f", {groups:,} groups" if groups > 1 else ""))
    return lines


def told(node: Node) -> str:
    """Return all of a node's numbers in one line, for those who point at it."""
    first, last = node.rows[0], node.row
    name = first.name if first.name == last.name else f"{first.name} … {last.name}"
    before = over(shown(row.input_shape) for row in node.rows)
    numbers = f"{count(node.rows, 'params')} params, {count(node.rows, 'macs')} macs"
    return f"{name}: {last.spec}, {before} to {output(node)}, {numbers}"
