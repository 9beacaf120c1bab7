"""Networks of comparators that take the minimum, the maximum or the median of every window.

A node is the smaller or the greater of two wires at every position of an image: whole planes are compared at once, so
that what windows share is computed once. The wires of one window reach other windows by moving.

Medians are found by merging sorted lists (Batcher, Sorting networks and their applications, 1968): pixels to the rows
of a window, and these with each other. F windows, one below the other, are a group: the rows that all of them hold are
merged once, those of each half of the group are added to them, then those of each quarter (as in Adams, Fast median
filters using separable sorting networks, 2021). On the way, pixels are dropped that have too many greater or smaller
ones beside them to be the median. For a group to be computed in one call, the rows of an image are dealt out in F
phases: row y belongs to phase y mod F.
"""

from collections.abc import Sequence
from typing import NamedTuple

from cnncli.shapes import Pair


class Wire(NamedTuple):
    """The results of a node, from a position that lies some rows (of one phase) and columns further on."""

    node: int
    down: int = 0
    right: int = 0


class Node(NamedTuple):
    """The greater or the smaller of two wires."""

    greater: bool
    one: Wire
    other: Wire


class Network(NamedTuple):
    """Comparators in the order in which they are computed.

    Attributes:
        phases: rows of the image from one row of a plane to the next; so many nodes, from 0 on, are the pixels.
        nodes: the comparators, numbered from `phases` on.
        outputs: the results of the windows of each phase.
    """

    phases: int
    nodes: list[Node]
    outputs: list[Wire]


class _Builder:
    def __init__(self, phases: int) -> None:
        self.phases = phases
        self.nodes: list[Node] = []

    def node(self, greater: bool, one: Wire, other: Wire) -> Wire:
        down, right = min(one.down, other.down), min(one.right, other.right)
        self.nodes.append(Node(greater, *(_moved(wire, -down, -right) for wire in (one, other))))
        return Wire(self.phases + len(self.nodes) - 1, down, right)

    def merge(self, one: Sequence[Wire], other: Sequence[Wire]) -> list[Wire]:
        """Merge two sorted lists: Batcher's odd-even merge."""
        if not one or not other:
            return [*one, *other]
        if len(one) == len(other) == 1:
            return [self.node(greater, one[0], other[0]) for greater in (False, True)]
        first, *evens = self.merge(one[::2], other[::2])
        odds = self.merge(one[1::2], other[1::2])
        merged = [first]
        for pair in zip(odds, evens, strict=False):
            merged += [self.node(greater, *pair) for greater in (False, True)]
        both = min(len(odds), len(evens))
        return [*merged, *odds[both:], *evens[both:]]

    def finished(self, outputs: list[Wire]) -> Network:
        """Return the network without the nodes that no output needs."""
        needed = {wire.node for wire in outputs}
        for number, node in reversed(list(enumerate(self.nodes, self.phases))):
            if number in needed:
                needed |= {node.one.node, node.other.node}
        kept = [number for number in range(self.phases, self.phases + len(self.nodes)) if number in needed]
        place = {number: at for at, number in enumerate((*range(self.phases), *kept))}

        def renamed(wire: Wire) -> Wire:
            return wire._replace(node=place[wire.node])

        nodes = (self.nodes[number - self.phases] for number in kept)
        return Network(
            self.phases,
            [Node(node.greater, renamed(node.one), renamed(node.other)) for node in nodes],
            [renamed(wire) for wire in outputs],
        )


def _moved(wire: Wire, down: int, right: int) -> Wire:
    return Wire(wire.node, wire.down + down, wire.right + right)


def extreme_network(kernel_size: Pair, *, greatest: bool) -> Network:
    """Return a network for the minimum or the maximum of windows of (height, width) pixels.

    A pass doubles the windows: the extreme of 2n pixels in a row is that of two windows of n. The last pass takes two
    windows that overlap: about log2(n) passes for any n.

    Example:
        >>> len(extreme_network((1, 5), greatest=True).nodes)
        3
    """
    builder, wire = _Builder(1), Wire(0)
    for size, (down, right) in zip(kernel_size, ((1, 0), (0, 1)), strict=True):
        reached = 1
        while reached < size:
            more = min(reached, size - reached)
            wire = builder.node(greatest, wire, _moved(wire, more * down, more * right))
            reached += more
    return builder.finished([wire])


class _Candidates(NamedTuple):
    """Sorted pixels of some rows of a window, without those that cannot be its median: `below` of them are smaller."""

    wires: list[Wire]
    below: int


class _MedianBuilder(_Builder):
    def __init__(self, kernel_size: Pair, phases: int) -> None:
        super().__init__(phases)
        self.height, self.width = kernel_size
        self.sorted: dict[Pair, list[Wire]] = {}
        self.merged: dict[Pair, _Candidates] = {}
        self.outputs: list[Wire] = []

    def row(self, phase: int, count: int) -> list[Wire]:
        """Sort some pixels of a row."""
        if count == 1:
            return [Wire(phase)]
        if (phase, count) not in self.sorted:
            half = _half(count)
            rest = [_moved(wire, 0, half) for wire in self.row(phase, count - half)]
            self.sorted[phase, count] = self.merge(self.row(phase, half), rest)
        return self.sorted[phase, count]

    def rows(self, start: int, stop: int) -> _Candidates:
        """Merge the rows [start, stop) of a group of windows."""
        down, phase = divmod(start, self.phases)
        count = stop - start
        if (phase, count) not in self.merged:
            if count == 1:
                made = self.candidates(self.row(phase, self.width), 0, 1)
            else:
                half, end = phase + _half(count), phase + count
                made = self.joined(self.rows(phase, half), self.rows(half, end), count)
            self.merged[phase, count] = made
        wires, below = self.merged[phase, count]
        return _Candidates([_moved(wire, down, 0) for wire in wires], below)

    def joined(self, one: _Candidates, other: _Candidates, rows: int) -> _Candidates:
        return self.candidates(self.merge(one.wires, other.wires), one.below + other.below, rows)

    def candidates(self, wires: list[Wire], below: int, rows: int) -> _Candidates:
        """Keep the wires whose rank among all pixels of a window may be the median's, whatever the other rows hold."""
        rank, others = self.height * self.width // 2, (self.height - rows) * self.width
        lowest = max(below, rank - others)
        return _Candidates(wires[lowest - below : rank + 1 - below], lowest)

    def divide(self, windows: range, common: _Candidates) -> None:
        """Add rows to those that windows have in common, for ever smaller groups of windows."""
        first, stop = windows.start, windows.stop
        if len(windows) == 1:
            self.outputs += common.wires
            return
        middle = (first + stop) // 2
        # All hold the rows from stop - 1 to first + height; the upper half some more above them, the lower half below.
        upper, lower = self.rows(middle - 1, stop - 1), self.rows(first + self.height, middle + self.height)
        self.divide(range(first, middle), self.joined(upper, common, first + self.height - middle + 1))
        self.divide(range(middle, stop), self.joined(common, lower, middle + self.height - stop + 1))


def _half(count: int) -> int:
    """Return the greatest power of two below a number."""
    return 1 << (count - 1).bit_length() - 1


def median_network(kernel_size: Pair, phases: int) -> Network:
    """Return a network for the median of windows of (height, width) pixels.

    Args:
        kernel_size: the windows.
        phases: windows in a group, a power of two up to their height: more of them need fewer nodes for a window, and
            more memory.

    Example:
        >>> len(median_network((3, 3), 2).nodes) / 2
        17.0
    """
    if kernel_size == (3, 3) and phases == 1:
        return _of_three_rows()
    builder = _MedianBuilder(kernel_size, phases)
    builder.divide(range(phases), builder.rows(phases - 1, kernel_size[0]))
    return builder.finished(builder.outputs)


def _of_three_rows() -> Network:
    """Return a network for the median of 3x3 pixels: in one phase, 18 nodes where merging takes 22.

    It is the median of the greatest of the least pixels of the rows, the median of their medians, and the least of
    their greatest ones (Smith, Implementing median filters in XC4000E FPGAs, 1996).
    """
    builder = _MedianBuilder((3, 3), 1)

    def below(wire: Wire) -> list[Wire]:
        return [_moved(wire, down, 0) for down in range(3)]

    def median(wires: list[Wire]) -> Wire:
        lesser, greater = builder.merge(wires[:1], wires[1:2])
        return builder.node(True, lesser, builder.node(False, greater, wires[2]))

    least, middle, greatest = (below(wire) for wire in builder.row(0, 3))
    high = builder.node(True, builder.node(True, *least[:2]), least[2])
    low = builder.node(False, builder.node(False, *greatest[:2]), greatest[2])
    return builder.finished([median([high, median(middle), low])])
