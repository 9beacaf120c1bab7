"""From pieces to sequences and blocks: what lies between a split and the place where all its ways meet is a block.

A piece dominates another if every way from the input to that one leads through it. The branches of a block begin at the
nearest piece that dominates all of its inputs (Cooper, Harvey and Kennedy 2001, "A simple, fast dominance algorithm").
"""

from collections.abc import Iterator, Sequence
from functools import reduce

from cnncli.models.importing.graphs.pieces import CAT, Element, Elements, Fragment, Piece
from cnncli.models.importing.imported import NotANetworkError
from cnncli.networks.notation import MAX_DEPTH


def as_elements(pieces: Sequence[Piece], end: int) -> Elements:
    """Return the sequence from the input to a piece.

    Raises:
        NotANetworkError: the pieces do not make blocks inside blocks.
    """
    return _Blocks(_nested(pieces)).between(0, end, 0)


def _nested(pieces: Sequence[Piece]) -> list[Piece]:
    """Return the pieces, with a joint that begins with the inputs of an earlier one on the output of that.

    A dense block joins all outputs so far again and again; here each joint adds to the one before.
    """
    found: list[Piece] = []
    joints: dict[tuple[int, ...], int] = {}
    for number, piece in enumerate(pieces):
        if piece.layer == Fragment(CAT):
            known = (piece.inputs[:count] for count in range(len(piece.inputs), 1, -1))
            first = next((inputs for inputs in known if inputs in joints), None)
            joints.setdefault(piece.inputs, number)
            if first is not None:
                piece = piece._replace(inputs=(joints[first], *piece.inputs[len(first) :]))
        found.append(piece)
    return found


class _Blocks:
    def __init__(self, pieces: Sequence[Piece]) -> None:
        self._pieces = pieces
        self._placed: set[int] = set()
        self._dominators: list[int] = []
        for piece in pieces:
            self._dominators.append(reduce(self._nearest, piece.inputs, piece.inputs[0]) if piece.inputs else 0)

    def _nearest(self, one: int, other: int) -> int:
        """Return the nearest piece that dominates two: numbers rise along every way."""
        while one != other:
            if one < other:
                one, other = other, one
            one = self._dominators[one]
        return one

    def between(self, start: int, end: int, depth: int) -> Elements:
        """Return the sequence after one piece up to another, which it dominates."""
        if depth > MAX_DEPTH:
            raise NotANetworkError(f"its blocks are nested more than {MAX_DEPTH} deep")
        found: list[Element] = []
        while end != start:
            piece = self._pieces[end]
            if end in self._placed:
                raise NotANetworkError(f"{piece.node}: its output goes two ways that are no branches of one block")
            self._placed.add(end)
            before = self._dominators[end]
            branches = () if len(piece.inputs) < 2 else tuple(self._branches(piece, piece.inputs, before, depth))
            shape = self._pieces[before].shape
            found.append(Element(piece.layer, piece.arrays, shape, piece.shape, piece.node, branches))
            end = before
        return tuple(reversed(found))

    def _branches(self, piece: Piece, inputs: Sequence[int], start: int, depth: int) -> Iterator[Elements]:
        """Yield the branches of a block; neighbours of a joint that part only later are a block in a branch."""
        while inputs:
            split, count = inputs[0], 1
            if piece.layer == Fragment(CAT):
                while count < len(inputs) and (nearest := self._nearest(split, inputs[count])) != start:
                    split, count = nearest, count + 1
            together, inputs = inputs[:count], inputs[count:]
            branch = self.between(start, split, depth + 1)
            if count > 1:
                branches = tuple(self._branches(piece, together, split, depth + 1))
                size, channels = piece.shape[:-1], sum(self._pieces[each].shape[-1] for each in together)
                before = self._pieces[split].shape
                branch += (Element(piece.layer, {}, before, (*size, channels), piece.node, branches),)
            yield branch
