"""The style `table`: a row for each layer, the layers of blocks indented, and the totals."""

from collections.abc import Iterator, Mapping, Sequence

from cnncli.drawing.svg.document import Svg, escaped
from cnncli.drawing.svg.lettering import shortened, text_width
from cnncli.networks.drawing import naming
from cnncli.networks.drawing.boxes import fill_of
from cnncli.networks.drawing.fields import INPUT, Region
from cnncli.networks.drawing.tree import Item, Node, Repeat
from cnncli.networks.summary import Summary

SIZE, LEAD, GAP, INDENT, PAD = 12, 20, 18, 16, 8
NARROWEST = 90
"""Pixels that the layers' names and words have at least."""

HEAD = ("layer", "word", "output", "params", "macs", "rows seen", "columns seen")


class Entry:
    """A line of the table.

    Attributes:
        cells: its texts, in the order of `HEAD`.
        depth: how far its word is indented.
        node: its layer; None for the heads of groups, and for the first and the last line.
    """

    def __init__(self, cells: Sequence[str], depth: int = 0, node: Node | None = None) -> None:
        self.cells, self.depth, self.node = [*cells], depth, node


class Table:
    """A table of a network.

    Args:
        summary: the network's.
        items: its tree.
        regions: what one unit sees, by the name of the layer.
        room: pixels that it should not be wider than.

    Attributes:
        size: its width and height in pixels.
    """

    def __init__(self, summary: Summary, items: Sequence[Item], regions: Mapping[str, Region], room: float) -> None:
        self._regions = regions
        start = Entry(["input", "", naming.shown(summary.input_shape), "", "", *self._seen(INPUT)])
        total = Entry(["total", "", "", *(naming.total(summary, name) for name in ("params", "macs")), "", ""])
        self._entries = [start, *self._listed(items, 0), total]
        self._head = HEAD if regions else HEAD[:5]
        self._widths = [self._width(column) for column in range(len(self._head))]
        self._shrink(room)
        self.size = self._whole, LEAD * (len(self._entries) + 1) + 12

    @property
    def _whole(self) -> float:
        return sum(self._widths) + GAP * (len(self._widths) - 1) + 2 * PAD

    def _width(self, column: int) -> float:
        own = (INDENT * entry.depth * (column == 1) + text_width(entry.cells[column], SIZE) for entry in self._entries)
        bold = (text_width(text, SIZE, bold=True) for text in (self._head[column], self._entries[-1].cells[column]))
        return max(*own, *bold)

    def _shrink(self, room: float) -> None:
        """Take what is too wide from the names, and then from the words."""
        for column in (0, 1):
            excess = max(0, self._whole - room)
            self._widths[column] = max(NARROWEST, self._widths[column] - excess)

    def _listed(self, items: Sequence[Item], depth: int, title: str = "") -> Iterator[Entry]:
        """Yield the lines of items; the first of a branch has the branch's title."""
        for item in items:
            inner = item.items if isinstance(item, Repeat) else (item,)
            times = f"{item.times}x " if isinstance(item, Repeat) else ""
            if len(inner) > 1:
                yield Entry(["", f"{title}{times}", *[""] * 5], depth)
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
        return Entry([name, before + node.row.spec, naming.output(node), *numbers, *seen], depth, node)

    def _seen(self, name: str) -> list[str]:
        if name not in self._regions:
            return ["", ""]
        region = self._regions[name]
        if region.is_empty:
            return ["padding", "padding"]
        return [naming.over(map(str, ends)).replace("…", "to") for ends in (region.rows, region.columns)]

    def draw(self, svg: Svg, x: float, y: float) -> None:
        """Draw it from its upper left corner on."""
        right, base = x + self.size[0], y + LEAD - 6
        self._line(svg, x, base, self._head, bold=True)
        svg.line([(x, base + 7), (right, base + 7)])
        base += 4
        for entry in self._entries:
            base += LEAD
            last = entry is self._entries[-1]
            if last:
                base += 3
                svg.line([(x, base - 15), (right, base - 15)])
            with svg.group():
                if entry.node is not None:
                    self._mark(svg, x, base, entry.node)
                style = "mark" if entry.node is not None and entry.node.marked else "ink"
                self._line(svg, x, base, entry.cells, depth=entry.depth, style=style, bold=last)

    def _mark(self, svg: Svg, x: float, y: float, node: Node) -> None:
        """Draw the title of a line, its swatch, and a frame if it is highlighted."""
        svg.add("title", escaped(naming.told(node)))
        if node.marked:
            svg.rect(x + 1, y - 14, self.size[0] - 2, LEAD - 1, style="open line-mark", stroke_width=2)
        fill = "fill-4" if node.paths else fill_of(node.row)
        svg.rect(x + PAD + self._widths[0] + GAP - 13, y - 9, 8, 9, style=f"{fill} soft")

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
        left = x + PAD
        for number, (text, width) in enumerate(zip(cells, self._widths, strict=False)):
            indent = INDENT * depth if number == 1 else 0
            is_number = number > 1
            shown = shortened(text, SIZE, width - indent, bold=bold)
            if shown:
                anchor = "end" if is_number else "start"
                place = left + (width if is_number else indent)
                svg.text(place, y, shown, size=SIZE, anchor=anchor, style=style if number else "faint", bold=bold)
            left += width + GAP
