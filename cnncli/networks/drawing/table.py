"""The style `table`: a row for each layer, the layers of blocks indented, and the totals."""

from collections.abc import Iterator, Mapping, Sequence

from cnncli.drawing.svg.document import Svg, escaped
from cnncli.drawing.svg.lettering import shortened, text_width
from cnncli.networks.drawing import naming
from cnncli.networks.drawing.boxes import fill_of
from cnncli.networks.drawing.fields import INPUT, Region
from cnncli.networks.drawing.tree import Item, Node, Repeat
from cnncli.networks.summary import Summary

SIZE, LEAD, GAP, INDENT = 12, 20, 18, 16
WIDEST = 300
"""Pixels of the widest cell."""


class Entry:
    """A line of the table.

    Attributes:
        cells: its texts: layer, word, output, params, macs, and what a unit sees.
        depth: how far it is indented.
        node: its layer; None for the heads of groups, and for the ends.
    """

    def __init__(self, cells: Sequence[str], depth: int = 0, node: Node | None = None) -> None:
        self.cells, self.depth, self.node = [*cells], depth, node


class Table:
    """A table of a network.

    Attributes:
        size: its width and height in pixels.
    """

    HEAD = ("layer", "word", "output", "params", "macs", "seen")

    def __init__(self, summary: Summary, items: Sequence[Item], regions: Mapping[str, Region]) -> None:
        self._regions = regions
        totals = [
            ("at least " if name in summary.unknown else "") + f"{getattr(summary.totals, name):,}"
            for name in ("params", "macs")
        ]
        start = Entry(["input", "", naming.shown(summary.input_shape), "", "", self._seen(INPUT)])
        self._entries = [start, *self._listed(items, 0), Entry(["total", "", "", *totals, ""])]
        columns = len(self.HEAD) if regions else len(self.HEAD) - 1
        self._head = self.HEAD[:columns]
        self._widths = [self._width(column) for column in range(columns)]
        self.size = sum(self._widths) + GAP * (columns - 1) + 16, LEAD * (len(self._entries) + 1) + 8

    def _width(self, column: int) -> float:
        own = max(
            INDENT * entry.depth * (column == 1) + text_width(entry.cells[column], SIZE) for entry in self._entries
        )
        return max(min(WIDEST, own), text_width(self._head[column], SIZE)) * 1.08

    def _listed(self, items: Sequence[Item], depth: int, title: str = "") -> Iterator[Entry]:
        """Yield the lines of items; the first of a branch has the branch's title."""
        for item in items:
            inner = item.items if isinstance(item, Repeat) else (item,)
            times = f"{item.times}x " if isinstance(item, Repeat) else ""
            if len(inner) > 1:
                yield Entry(["", f"{title}{times}of", "", "", "", ""], depth)
                yield from self._listed(inner, depth + 1)
            elif isinstance(node := inner[0], Node):
                yield self._entry(node, title + times, depth)
                for path in node.paths:
                    yield from self._listed(path.items, depth + 1, f"{path.title}: " if path.title else "")
            title = ""

    def _entry(self, node: Node, before: str, depth: int) -> Entry:
        name = naming.over(row.name for row in node.rows)
        numbers = naming.count(node.rows, "params"), naming.count(node.rows, "macs")
        seen = self._seen(node.row.name)
        return Entry([name, before + node.row.spec, naming.output(node), *numbers, seen], depth, node)

    def _seen(self, name: str) -> str:
        return ", ".join(self._regions[name].lines) if name in self._regions else ""

    def draw(self, svg: Svg, x: float, y: float) -> None:
        """Draw it from its upper left corner on."""
        self._line(svg, x, y + LEAD - 6, self._head, bold=True)
        svg.line([(x, y + LEAD + 1), (x + self.size[0], y + LEAD + 1)], style="edge")
        for number, entry in enumerate(self._entries, 1):
            base = y + number * LEAD + LEAD - 3
            last = number == len(self._entries)
            if last:
                svg.line([(x, base - 15), (x + self.size[0], base - 15)], style="edge")
            if entry.node is None:
                self._line(svg, x, base, entry.cells, depth=entry.depth, bold=last)
                continue
            with svg.group():
                svg.add("title", escaped(naming.told(entry.node)))
                if entry.node.marked:
                    svg.rect(x + 1, base - 14, self.size[0] - 2, LEAD - 1, style="open line-mark", stroke_width=2)
                fill = "fill-4" if entry.node.paths else fill_of(entry.node.row)
                svg.rect(x + 8 + self._widths[0] + GAP - 13, base - 9, 8, 9, style=f"{fill} soft")
                style = "mark" if entry.node.marked else "ink"
                self._line(svg, x, base, entry.cells, depth=entry.depth, style=style)

    def _line(
        self,
        svg: Svg,
        x: float,
        y: float,
        cells: Sequence[str],
        *,
        depth: int = 0,
        style: str = "ink",
        bold: bool = False,
    ) -> None:
        left = x + 8
        for number, (text, width) in enumerate(zip(cells, self._widths, strict=False)):
            indent = INDENT * depth if number == 1 else 0
            place = left + (width if 2 <= number <= 4 else indent)
            anchor = "end" if 2 <= number <= 4 else "start"
            if text:
                shown = shortened(text, SIZE * (1.08 if bold else 1), width - indent)
                svg.text(place, y, shown, size=SIZE, anchor=anchor, style=style if number else "faint", bold=bold)
            left += width + GAP
