"""The style `boxes`: a box for each layer, with its word, its output's shape and its parameters."""

from collections.abc import Mapping, Sequence

from cnncli.drawing.svg.document import Svg, escaped
from cnncli.drawing.svg.lettering import wrapped
from cnncli.networks.drawing import naming
from cnncli.networks.drawing.fields import INPUT, Region
from cnncli.networks.drawing.pieces import ARROW, Line, Piece
from cnncli.networks.drawing.tree import Node
from cnncli.networks.notation import kinds_of
from cnncli.networks.summary import Row, Summary

ROOM = 150
"""Pixels of the longest line in a box."""

KINDS = {
    "fill-1": "convolution",
    "fill-2": "pooling",
    "fill-3": "fully connected",
    "fill-4": "joined branches",
    "fill-5": "other layers",
}
"""What the fills stand for."""


def fill_of(row: Row) -> str:
    """Return the class of the fill of a layer, which tells convolutions, pooling and fully connected layers apart."""
    kind = next(iter(kinds_of(row.spec)), None)
    if row.filter is not None and row.filter.weight is not None:
        return "fill-1"
    if kind is not None and kind.dense:
        return "fill-3"
    if row.filter is not None:
        return "fill-2"
    return "fill-3" if row.macs else "fill-5"


class Box(Piece):
    """A box with lines of text.

    Attributes:
        lines: the lines.
        fill: the class of its fill.
        told: what it says to those who point at it.
        arrow: pixels of the arrow to it.
        marked: whether it is highlighted.
    """

    LEAD, PAD = 15, 8

    def __init__(self, lines: Sequence[Line], fill: str, told: str, *, arrow: float = ARROW, marked: bool = False):
        self._lines, self._fill, self._told, self._arrow, self._marked = lines, fill, told, arrow, marked
        height = len(lines) * self.LEAD + 2 * self.PAD - 3
        super().__init__(arrow + max(line.width for line in lines) + 2 * self.PAD, height / 2, height / 2)

    def draw(self, svg: Svg, x: float, y: float) -> None:
        if self._arrow:
            svg.line([(x, y), (x + self._arrow - (1 if self._marked else 0), y)], arrow=True)
        left, top, width = x + self._arrow, y - self.above, self.width - self._arrow
        with svg.group():
            svg.add("title", escaped(self._told))
            line_style, stroke = ("line-mark", 3) if self._marked else ("edge", None)
            style = f"{self._fill} {line_style}"
            svg.rect(left, top, width, self.above + self.below, style=style, rounded=4, stroke_width=stroke)
            for number, line in enumerate(self._lines):
                line.draw(svg, left + width / 2, top + self.PAD + 11 + number * self.LEAD)


class Boxes:
    """Makes boxes.

    Args:
        regions: what one unit sees of the maps, by the name of the layer that puts them out.
    """

    def __init__(self, regions: Mapping[str, Region]) -> None:
        self._regions = regions

    def start(self, summary: Summary) -> Piece:
        """Return the box of the input."""
        return Box(self._box("input", [naming.shown(summary.input_shape)], INPUT, False), "fill-5", "input", arrow=0)

    def layers(self, steps: Sequence[tuple[int, Node]]) -> Piece:
        """Return the box of a layer."""
        times, node = steps[0]
        word = f"{times}x {node.row.spec}" if times > 1 else node.row.spec
        lines = self._box(word, [naming.output(node), naming.params(node)], node.row.name, node.marked)
        return Box(lines, fill_of(node.row), naming.told(node), marked=node.marked)

    def output(self, node: Node) -> Piece:
        """Return the box of a block's output."""
        numbers = naming.params(node)
        lines = [naming.output(node), f"{numbers} in all" if numbers else ""]
        told = naming.told(node)
        return Box(self._box(node.row.spec, lines, node.row.name, node.marked), "fill-4", told, marked=node.marked)

    def continues(self, node: Node) -> bool:
        """Every layer has a box of its own."""
        return False

    def _box(self, word: str, facts: Sequence[str], name: str, marked: bool) -> list[Line]:
        words = wrapped(word, 12, ROOM, most=4, bold=True)
        lines = [Line(text, "mark" if marked else "ink", size=12, bold=True) for text in words]
        lines += [Line(text, "faint" if "params" in text else "ink") for text in facts if text]
        return lines + [Line(text, "mark") for text in (self._regions[name].lines if name in self._regions else ())]
