"""The style `volumes`: maps as bodies to scale, as courses draw them; the arrows between carry the words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from cnncli.drawing.svg.document import Point, Svg, escaped
from cnncli.drawing.svg.lettering import wrapped
from cnncli.networks.drawing import naming
from cnncli.networks.drawing.boxes import fill_of
from cnncli.networks.drawing.fields import INPUT, Region
from cnncli.networks.drawing.pieces import ARROW, SMALL, Line, Piece
from cnncli.networks.drawing.tree import Node
from cnncli.networks.layers import BLOCKS
from cnncli.networks.summary import Summary
from cnncli.shapes import Shape

SHORTEST = 3.0
"""Pixels of the shortest edge."""

SLOPE = 0.36, 0.26
"""How far a pixel of the width goes to the right and up."""

ROOM, FACTS = 112, 150
"""Pixels of the longest line above an arrow, and below it."""

LEGEND = (
    "To scale by square roots: 4 times as many channels are twice as long (no edge is under 3 pixels). Height and "
    "width share one scale; channels have their own, and so have columns of numbers."
)


class Scale(NamedTuple):
    """The pixels of edges: a factor times the square root of the number.

    Attributes:
        place: of heights and widths.
        channels: of channels.
        column: of the numbers of a column.
    """

    place: float
    channels: float
    column: float

    @classmethod
    def of(cls, summary: Summary, tallest: float) -> "Scale":
        """Return the scale on which the largest height or width has so many pixels."""
        shapes = [shape for row in summary.rows if (shape := row.output_shape)] + [summary.input_shape or (1,)]
        bodies = [body_of(shape) for shape in shapes if len(shape) > 1]
        place = max((max(height, width) for height, width, _ in bodies), default=1)
        channels = max((channels for *_, channels in bodies), default=1)
        column = max((shape[0] for shape in shapes if len(shape) == 1), default=1)
        return cls(tallest / place**0.5, min(0.6 * tallest / channels**0.5, 8), min(tallest / column**0.5, 12))


def body_of(shape: Shape) -> tuple[int, int, int]:
    """Return (height, width, channels) of a shape with more than one axis; of a video, of one picture."""
    return (shape[0], 1, shape[1]) if len(shape) == 2 else (shape[-3], shape[-2], shape[-1])


class Body:
    """A map as a body: channels to the right, height up, width to the back; its bottom front left corner is at 0, 0.

    Attributes:
        width: pixels from the left to the right.
        height: pixels from the bottom to the top.
        edges: pixels up, to the right, and of the edge to the back before it is slanted.
    """

    def __init__(self, shape: Shape | None, scale: Scale) -> None:
        self._shape = shape
        self._flat = shape is not None and len(shape) == 1
        if shape is None:
            self.edges = 26.0, 26.0, 0.0
        elif len(shape) == 1:
            self.edges = max(SHORTEST, scale.column * shape[0] ** 0.5), 10.0, 0.0
        else:
            height, width, channels = body_of(shape)
            self.edges = (
                max(SHORTEST, scale.place * height**0.5),
                max(SHORTEST, scale.channels * channels**0.5),
                max(SHORTEST, scale.place * width**0.5),
            )
        up, right, back = self.edges
        self._back = SLOPE[0] * back, SLOPE[1] * back
        self.width, self.height = right + self._back[0], up + self._back[1]

    def draw(self, svg: Svg, left: float, bottom: float, fill: str, marked: bool, region: Region | None) -> None:
        """Draw it, and on its side the part that a unit sees."""
        up, right, _ = self.edges
        style, stroke = (f"{fill} line-mark", 2.5) if marked else (f"{fill} edge", None)
        dashes = None if self._shape else "4 3"
        rounded = min(4, up / 2) if self._flat else 0
        svg.rect(
            left, bottom - up, right, up, style=style, rounded=rounded, stroke_width=stroke, stroke_dasharray=dashes
        )
        if self._shape is None or self._flat:
            return
        corner = left + right, bottom - up
        side = self._side((0, 1), (0, 1), corner)
        top = [(left, bottom - up), corner, self._at(0, 1, corner), (left + self._back[0], bottom - up - self._back[1])]
        for points in (top, side):
            svg.polygon(points, style=style, stroke_width=stroke)
        svg.polygon(side, style="shade")
        if region is not None and not region.is_empty:
            height, width, _ = body_of(self._shape)
            rows, columns = (region.rows[0] / height, (region.rows[1] + 1) / height), region.columns
            across = columns[0] / width, (columns[1] + 1) / width
            svg.polygon(self._side(rows, across, corner), style="fill-6 line-mark", stroke_width=1.5)

    def _at(self, row: float, column: float, corner: Point) -> Point:
        """Return a place on the side, by its part of the height and of the width; `corner` is its first."""
        return corner[0] + column * self._back[0], corner[1] + row * self.edges[0] - column * self._back[1]

    def _side(self, rows: tuple[float, float], columns: tuple[float, float], corner: Point) -> list[Point]:
        (top, bottom), (near, far) = rows, columns
        return [self._at(*place, corner) for place in ((top, near), (top, far), (bottom, far), (bottom, near))]


class Volume(Piece):
    """An arrow with words, and the map that it leads to.

    Attributes:
        body: the map.
        above: lines above the arrow.
        below: lines below the arrow.
        names: lines below the map.
    """

    LEAD, PAD = 14, 10

    def __init__(
        self,
        body: Body,
        words: tuple[Sequence[Line], Sequence[Line]],
        names: Sequence[Line],
        told: str,
        *,
        fill: str,
        marked: bool = False,
        region: Region | None = None,
        arrow: bool = True,
    ) -> None:
        self._body, self._words, self._names, self._told = body, words, names, told
        self._fill, self._marked, self._region = fill, marked, region
        longest = max((line.width for line in (*words[0], *words[1])), default=0)
        self._arrow = max(ARROW, longest + 2 * self.PAD) if arrow else 0
        self._wide = max(body.width, *(line.width + 8 for line in names))
        upper = max(body.height / 2, len(words[0]) * self.LEAD + 6)
        lower = max(body.height / 2 + len(names) * self.LEAD + 6, len(words[1]) * self.LEAD + 8)
        super().__init__(self._arrow + self._wide, upper, lower)
        self.tail = (self._wide - body.width) / 2

    def draw(self, svg: Svg, x: float, y: float) -> None:
        middle = x + self._arrow + self._wide / 2
        left, bottom = middle - self._body.width / 2, y + self._body.height / 2
        with svg.group():
            svg.add("title", escaped(self._told))
            if self._arrow:
                svg.line([(x, y), (left - 2, y)], arrow=True)
            over, under = self._words
            centre = x + self._arrow / 2
            for number, line in enumerate(over):
                line.draw(svg, centre, y - 6 - self.LEAD * (len(over) - 1 - number))
            for number, line in enumerate(under):
                line.draw(svg, centre, y + 15 + self.LEAD * number)
            self._body.draw(svg, left, bottom, self._fill, self._marked, self._region)
            for number, line in enumerate(self._names):
                line.draw(svg, middle, bottom + 15 + self.LEAD * number)


class Volumes:
    """Makes volumes.

    Args:
        scale: the pixels of edges.
        regions: what one unit sees of the maps, by the name of the layer that puts them out.
    """

    def __init__(self, scale: Scale, regions: Mapping[str, Region]) -> None:
        self._scale, self._regions = scale, regions

    def start(self, summary: Summary) -> Piece:
        """Return the volume of the input."""
        shape, region = summary.input_shape, self._regions.get(INPUT)
        names = [Line(naming.shown(shape), bold=True), Line("input", "faint"), *_seen(region)]
        return Volume(Body(shape, self._scale), ((), ()), names, "input", fill="fill-5", region=region, arrow=False)

    def layers(self, steps: Sequence[tuple[int, Node]]) -> Piece:
        """Return the arrow of layers, of which the later ones change no shape, and the volume behind them."""
        over, under = [], []
        for times, node in steps:
            word = f"{times}x {node.row.spec}" if times > 1 else node.row.spec
            style = "mark" if node.marked else "ink"
            over += [Line(text, style, bold=True) for text in wrapped(word, SMALL, ROOM, most=4, bold=True)]
            facts = [*naming.geometry(node.row), *wrapped(naming.params(node), SMALL, FACTS)]
            under += [Line(text, "faint") for text in facts if text]
        node = next((node for _, node in steps if node.marked), steps[0][1])
        told = "; ".join(naming.told(node) for _, node in steps)
        return self._volume(steps[-1][1], (over, under), told, fill_of(steps[0][1].row), node.marked)

    def output(self, node: Node) -> Piece:
        """Return the volume of a block's output."""
        after = [Line("relu", bold=True)] if BLOCKS[node.row.op].rectifies else []
        return self._volume(node, (after, ()), naming.told(node), "fill-4", node.marked)

    def continues(self, node: Node) -> bool:
        """Return whether a layer changes no shape, so that it is written on the arrow of the one before."""
        row = node.row
        return row.filter is None and not row.macs and row.input_shape == row.output_shape is not None

    def _volume(
        self, node: Node, words: tuple[Sequence[Line], Sequence[Line]], told: str, fill: str, marked: bool
    ) -> Piece:
        region = self._regions.get(node.row.name)
        shapes = wrapped(naming.output(node), SMALL, ROOM, bold=True)
        names = [*(Line(text, bold=True) for text in shapes), *_seen(region)]
        body = Body(node.row.output_shape, self._scale)
        return Volume(body, words, names, told, fill=fill, marked=marked, region=region)


def _seen(region: Region | None) -> Iterator[Line]:
    yield from (Line(text, "mark") for text in (region.lines if region else ()))


class Key(Piece):
    """A body whose edges are named, with what is said of them beside or below it.

    Args:
        room: pixels that it may take.
    """

    BODY, ABOVE, BELOW, LEAD = 170, 28, 40, 16

    def __init__(self, room: float) -> None:
        self._beside = room >= 2.4 * self.BODY
        self._lines = wrapped(LEGEND, SMALL, room - self.BODY if self._beside else room)
        tall = self.LEAD * len(self._lines)
        below = max(self.BELOW, tall - self.ABOVE) if self._beside else self.BELOW + tall
        super().__init__(room, self.ABOVE, below + 8)

    def draw(self, svg: Svg, x: float, y: float) -> None:
        body = Body((4, 5, 4), Scale(17, 11, 1))
        left, bottom, (up, right, _) = x + 48, y + body.height / 2, body.edges
        body.draw(svg, left, bottom, "fill-1", marked=False, region=None)
        svg.text(left - 5, bottom - up / 2 + 4, "height", size=SMALL, anchor="end", style="faint")
        svg.text(left + right / 2, bottom + 14, "channels", size=SMALL, anchor="middle", style="faint")
        svg.text(left + (right + body.width) / 2 + 5, bottom - 1, "width", size=SMALL, style="faint")
        at = (x + self.BODY, y - self.ABOVE + 10) if self._beside else (x, y + self.BELOW + 12)
        for number, line in enumerate(self._lines):
            svg.text(at[0], at[1] + self.LEAD * number, line, size=SMALL, style="faint")
