"""The pieces of a network, from its tree."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from cnncli.networks.drawing.pieces import Fork, Frame, Piece, Rows, Together, Wire
from cnncli.networks.drawing.tree import Item, Node, Repeat
from cnncli.networks.layers import BLOCKS


class Maker(Protocol):
    """A maker of the pieces of one style."""

    def layers(self, steps: Sequence[tuple[int, Node]]) -> Piece:
        """Return the piece of layers, each with the times that it repeats; the first makes the map."""

    def output(self, node: Node) -> Piece:
        """Return the piece of a block's output."""

    def continues(self, node: Node) -> bool:
        """Return whether a layer is drawn with the one before it."""


def sequence(items: Sequence[Item], maker: Maker, room: float, first: Sequence[Piece] = ()) -> Rows:
    """Return items one after the other, after the pieces that begin a whole network."""
    return Rows([*first, *_pieces(items, maker, room - 2 * Rows.LANE)], room, begins=bool(first))


def _pieces(items: Sequence[Item], maker: Maker, room: float) -> Iterator[Piece]:
    steps: list[tuple[int, Node]] = []
    for item in items:
        times, node = _layer(item)
        if steps and not (node and maker.continues(node)):
            yield maker.layers(steps)
            steps = []
        if node:
            steps.append((times, node))
        elif isinstance(item, Repeat):
            inner = sequence(item.items, maker, room - Frame.cost())
            yield Frame(f"{item.times}x", inner)
        else:
            yield from _block(item, maker, room)
    if steps:
        yield maker.layers(steps)


def _layer(item: Item) -> tuple[int, Node | None]:
    """Return a layer, and how often it repeats; None for a block or a group."""
    times, inner = (item.times, item.items) if isinstance(item, Repeat) else (1, (item,))
    node = inner[0]
    return times, node if len(inner) == 1 and isinstance(node, Node) and not node.paths else None


def _block(node: Node, maker: Maker, room: float) -> Iterator[Piece]:
    sign = BLOCKS[node.row.op].sign if node.row.op in BLOCKS else ""
    if not sign and len(node.paths) == 1:  # a part of a model that has a name
        yield Frame(node.row.spec, sequence(node.paths[0].items, maker, room - Frame.cost()))
        return
    wires = [path for path in node.paths if path.is_identity]
    paths = [path for path in node.paths if not path.is_identity]
    inner = room - Fork.cost(sign)
    branches = [*(Wire("identity") for _ in wires), *(sequence(path.items, maker, inner) for path in paths)]
    main = len(wires) if (wires and paths) or len(paths) < 3 else None
    fork = Fork(branches, min(len(branches) - 1, main) if main is not None else None, sign)
    parts = [fork, maker.output(node)]
    yield from [Together(parts)] if sum(part.width for part in parts) <= room else parts
