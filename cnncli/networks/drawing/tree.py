"""A summary as a tree: layers, blocks with their branches, and repeats folded into one."""

import itertools
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from cnncli.networks.summary import IDENTITY, Row

LONGEST = 16
"""Items of the longest group that is looked for again."""


class Node(NamedTuple):
    """A layer, or a block with its branches.

    Attributes:
        rows: its row; of a folded one a row for each repeat.
        paths: the branches of a block.
        marked: whether it is highlighted.
    """

    rows: tuple[Row, ...]
    paths: "tuple[Path, ...]" = ()
    marked: bool = False

    @property
    def row(self) -> Row:
        """The row of the last repeat, whose output goes on."""
        return self.rows[-1]


class Repeat(NamedTuple):
    """Items that follow each other several times."""

    times: int
    items: "tuple[Item, ...]"


Item = Node | Repeat


class Path(NamedTuple):
    """A branch of a block: its title, and its items one after the other."""

    title: str
    items: tuple[Item, ...]

    @property
    def is_identity(self) -> bool:
        """Whether the input goes through as it is."""
        first = self.items[0]
        return len(self.items) == 1 and isinstance(first, Node) and first.row.op == IDENTITY


def tree(rows: Sequence[Row], marked: Collection[str] = (), *, fold: bool = True) -> tuple[Item, ...]:
    """Return the layers of a summary as a tree.

    Args:
        rows: the summary's rows.
        marked: names of layers that are highlighted; these are folded only among themselves.
        fold: whether equal items in a row become one: equal words whose outputs have one height and width.

    Example:
        >>> from cnncli.networks import parse_network
        >>> (repeat, pool) = tree(parse_network("8x8 2xconv3-4,same max2").summary().rows)
        >>> repeat.times, [row.params for row in repeat.items[0].rows]
        (2, [40, 148])
    """
    nodes = tuple(_nodes(rows, frozenset(marked)))
    return _folded(nodes) if fold else nodes


def _nodes(rows: Sequence[Row], marked: frozenset[str]) -> Iterator[Node]:
    starts = [place for place, row in enumerate(rows) if row.depth == rows[0].depth]
    for start, stop in itertools.pairwise([*starts, len(rows)]):
        row = rows[start]
        yield Node((row,), _paths(rows[start + 1 : stop], marked), row.name in marked)


def _paths(rows: Sequence[Row], marked: frozenset[str]) -> tuple[Path, ...]:
    if not rows:
        return ()
    starts = [place for place, row in enumerate(rows) if not place or (row.branch and row.depth == rows[0].depth)]
    spans = itertools.pairwise([*starts, len(rows)])
    return tuple(Path(rows[start].branch, tuple(_nodes(rows[start:stop], marked))) for start, stop in spans)


def _folded(items: Sequence[Item]) -> tuple[Item, ...]:
    """Return nodes with those that follow each other again and again, alone or as a group, in one repeat."""
    nodes = [item for item in items if isinstance(item, Node)]
    keys = [_key(node) for node in nodes]
    found: list[Item] = []
    start = 0
    while start < len(nodes):
        length, times = _longest(keys, start)
        stop = start + length * times
        if times == 1:
            paths = tuple(path._replace(items=_folded(path.items)) for path in nodes[start].paths)
            found.append(nodes[start]._replace(paths=paths))
        else:
            group = [_merged(nodes[place:stop:length]) for place in range(start, start + length)]
            found.append(Repeat(times, _folded(group)))
        start = stop
    return tuple(found)


def _longest(keys: Sequence[object], start: int) -> tuple[int, int]:
    """Return the length and the times of the group from a place on that saves the most items."""
    best = saved = (1, 1)
    for length in range(1, min(LONGEST, (len(keys) - start) // 2) + 1):
        times = 1
        while keys[start : start + length] == keys[start + times * length : start + (times + 1) * length]:
            times += 1
        best, saved = ((length, times), saved) if (times - 1) * length > (best[1] - 1) * best[0] else (best, saved)
    return best


def _merged(nodes: Sequence[Node]) -> Node:
    paths = []
    for branches in zip(*(node.paths for node in nodes), strict=True):
        items = zip(*(path.items for path in branches), strict=True)
        paths.append(Path(branches[0].title, tuple(map(_merged, items))))
    return Node(tuple(row for node in nodes for row in node.rows), tuple(paths), nodes[0].marked)


def _key(node: Item) -> object:
    """Return the same for nodes that are drawn as one; maps may grow, as in a dense block."""
    assert isinstance(node, Node)  # nothing is folded yet
    paths = tuple((path.title, tuple(map(_key, path.items))) for path in node.paths)
    shape = node.row.output_shape
    place = node.row.name if shape is None else shape if len(shape) == 1 else shape[:-1]  # unknown ones stay apart
    return node.row.spec, place, node.marked, paths
